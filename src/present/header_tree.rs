//! The tree of one message: start line, header fields in wire order, body.
//!
//! Every node knows its octets. Texts are those of the message; octets that are no UTF-8 are
//! replaced, and control characters stay for the painter to escape.

use std::collections::HashMap;

use super::topics;
use crate::explain::Topic;
use crate::sdp::attribute::Meaning;
use crate::sdp::session::{Content, Line, SessionDescription};
use crate::sip::headers::{Address, Value, Via};
use crate::sip::message::{BodyPart, HeaderField, Message, Param};
use crate::sip::start_line::StartKind;
use crate::sip::uri::Uri;
use crate::span::Span;

/// One line of the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// What it is: the name of a header, of a parameter, of a part.
    pub name: String,
    /// Its text; empty when the children say it all.
    pub value: String,
    /// Its octets in the message.
    pub span: Span,
    /// What it consists of.
    pub children: Vec<Node>,
    /// Which explanation it has.
    pub topic: Topic,
}

/// Builds the tree of a decoded message.
pub fn header_tree(bytes: &[u8], message: &Message) -> Vec<Node> {
    let tree = Tree { bytes };
    let mut nodes = vec![tree.start_line(message)];
    nodes.extend(message.headers.iter().map(|field| tree.field(field)));
    if !message.more_headers.is_empty() {
        nodes.push(tree.leaf("more header lines", message.more_headers));
    }
    if !message.body.is_empty() {
        nodes.push(tree.body(message));
    }
    if !message.trailing.is_empty() {
        nodes.push(tree.leaf("trailing octets", message.trailing));
    }
    topics::assign(&mut nodes, bytes, message);
    nodes
}

/// The tree as text, two blanks per level; for tests and for plain output.
pub fn tree_text(nodes: &[Node]) -> String {
    let mut text = String::new();
    write_nodes(nodes, 0, &mut text);
    text
}

/// Calls `visit` for every node from the top: with its path, the nodes that hold it, and itself.
///
/// A path is made of names: `Via[2] > branch` is the branch of the second Via.
pub fn each(nodes: &[Node], visit: &mut dyn FnMut(&str, &[&Node], &Node)) {
    visit_each("", &mut Vec::new(), nodes, visit);
}

fn visit_each<'a>(
    path: &str,
    above: &mut Vec<&'a Node>,
    nodes: &'a [Node],
    visit: &mut dyn FnMut(&str, &[&Node], &Node),
) {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for node in nodes {
        let path = path_of(path, node, &mut counts);
        visit(&path, above, node);
        above.push(node);
        visit_each(&path, above, &node.children, visit);
        above.pop();
    }
}

/// Names from the top; the second of equal names is `Via[2]`.
pub fn path_of<'a>(above: &str, node: &'a Node, counts: &mut HashMap<&'a str, usize>) -> String {
    let count = counts.entry(&node.name).or_insert(0);
    *count += 1;
    let between = if above.is_empty() { "" } else { " > " };
    match *count {
        1 => format!("{above}{between}{}", node.name),
        count => format!("{above}{between}{}[{count}]", node.name),
    }
}

/// The node with this path.
pub fn node_at<'n>(nodes: &'n [Node], path: &str) -> Option<&'n Node> {
    let (mut level, mut above) = (nodes, String::new());
    loop {
        let mut counts = HashMap::new();
        let (node, here) = level.iter().find_map(|node| {
            let here = path_of(&above, node, &mut counts);
            let below = path.strip_prefix(here.as_str())?;
            (below.is_empty() || below.starts_with(" > ")).then_some((node, here))
        })?;
        if here == path {
            return Some(node);
        }
        (level, above) = (&node.children, here);
    }
}

fn write_nodes(nodes: &[Node], depth: usize, text: &mut String) {
    for node in nodes {
        text.extend(std::iter::repeat_n("  ", depth));
        text.push_str(&node.name);
        if !node.value.is_empty() {
            text.push_str(": ");
            text.extend(
                node.value
                    .chars()
                    .map(|c| if c.is_control() { ' ' } else { c }),
            );
        }
        text.push('\n');
        write_nodes(&node.children, depth.saturating_add(1), text);
    }
}

struct Tree<'a> {
    bytes: &'a [u8],
}

impl Tree<'_> {
    fn text(&self, span: Span) -> String {
        String::from_utf8_lossy(span.of(self.bytes)).into_owned()
    }

    fn leaf(&self, name: &str, span: Span) -> Node {
        self.node(name, span, Vec::new())
    }

    fn node(&self, name: &str, span: Span, children: Vec<Node>) -> Node {
        Node {
            name: name.to_owned(),
            value: self.text(span),
            span,
            children,
            ..Node::default()
        }
    }

    /// Leaves for those spans that are there.
    fn leaves(&self, parts: &[(&str, Span)]) -> Vec<Node> {
        let there = parts.iter().filter(|(_, span)| !span.is_empty());
        there.map(|(name, span)| self.leaf(name, *span)).collect()
    }

    fn start_line(&self, message: &Message) -> Node {
        let start = &message.start;
        let (name, mut children) = match start.kind {
            StartKind::Request => (
                "Request-Line",
                self.leaves(&[("method", start.method_span)]),
            ),
            StartKind::Response => ("Status-Line", Vec::new()),
        };
        if let Some(uri) = &message.request_uri {
            children.push(self.node("Request-URI", start.uri, self.uri(uri)));
        }
        children.extend(self.leaves(&[
            ("version", start.version),
            ("status code", start.status_span),
            ("reason phrase", start.reason),
        ]));
        self.node(name, start.span, children)
    }

    fn field(&self, field: &HeaderField) -> Node {
        if field.name_span.is_empty() {
            return self.leaf("no header field", field.line);
        }
        let children = match field.values.as_slice() {
            [one] => self.value(&one.value),
            // Several values: one node each.
            many => many
                .iter()
                .map(|value| self.node("value", value.span, self.value(&value.value)))
                .collect(),
        };
        Node {
            name: self.text(field.name_span),
            value: self.text(field.value),
            span: field.line,
            children,
            ..Node::default()
        }
    }

    fn value(&self, value: &Value) -> Vec<Node> {
        match value {
            Value::Via(via) => self.via(via),
            Value::Address(address) => self.address(address),
            Value::CSeq(cseq) => {
                self.leaves(&[("number", cseq.number_span), ("method", cseq.method_span)])
            }
            Value::Auth(auth) => {
                let mut nodes =
                    self.leaves(&[("scheme", auth.scheme), ("credentials", auth.token)]);
                nodes.extend(self.params(&auth.params));
                nodes
            }
            Value::Warning(warning) => self.leaves(&[
                ("code", warning.code_span),
                ("agent", warning.agent),
                ("text", warning.text),
            ]),
            Value::MediaType(media) => {
                let mut nodes = self.leaves(&[("type", media.kind), ("subtype", media.subtype)]);
                nodes.extend(self.params(&media.params));
                nodes
            }
            // A bare token or number says nothing more than the line itself.
            Value::Token(token) if token.params.is_empty() => Vec::new(),
            Value::Token(token) => {
                let mut nodes = self.leaves(&[("value", token.token)]);
                nodes.extend(self.params(&token.params));
                nodes
            }
            Value::Integer(integer) if integer.params.is_empty() => Vec::new(),
            Value::Integer(integer) => {
                let mut nodes = self.leaves(&[("number", integer.number_span)]);
                nodes.extend(self.params(&integer.params));
                nodes
            }
            Value::RAck(_) | Value::Star | Value::Date(_) | Value::Text => Vec::new(),
        }
    }

    fn params(&self, params: &[Param]) -> Vec<Node> {
        let param = |param: &Param| {
            let value = param.value.unwrap_or(Span {
                start: param.name.end,
                ..param.name
            });
            let span = Span {
                start: param.name.start,
                end: value.end,
            };
            Node {
                name: self.text(param.name),
                value: param
                    .value
                    .map(|value| self.text(value))
                    .unwrap_or_default(),
                span,
                ..Node::default()
            }
        };
        params.iter().map(param).collect()
    }

    fn via(&self, via: &Via) -> Vec<Node> {
        let protocol = Span {
            start: via.protocol.start,
            end: via.transport.end,
        };
        let mut nodes = Vec::new();
        if !via.transport.is_empty() {
            nodes.push(self.node(
                "sent-protocol",
                protocol,
                self.leaves(&[
                    ("protocol", via.protocol),
                    ("version", via.version),
                    ("transport", via.transport),
                ]),
            ));
        }
        if !via.sent_by.is_empty() {
            let parts = self.leaves(&[("host", via.host), ("port", via.port_span)]);
            nodes.push(self.node("sent-by", via.sent_by, parts));
        }
        nodes.extend(self.params(&via.params));
        nodes
    }

    fn address(&self, address: &Address) -> Vec<Node> {
        let mut nodes = self.leaves(&[("display name", address.name)]);
        nodes.push(self.node("uri", address.uri.span, self.uri(&address.uri)));
        nodes.extend(self.params(&address.params));
        nodes
    }

    fn uri(&self, uri: &Uri) -> Vec<Node> {
        let mut nodes = self.leaves(&[
            ("scheme", uri.scheme_span),
            ("user", uri.user),
            ("password", uri.password),
            ("host", uri.host),
            ("port", uri.port_span),
        ]);
        nodes.extend(self.params(&uri.params));
        if let (Some(first), Some(last)) = (uri.headers.first(), uri.headers.last()) {
            let end = last.value.unwrap_or(last.name).end;
            let span = Span {
                start: first.name.start,
                end,
            };
            nodes.push(self.node("headers", span, self.params(&uri.headers)));
        }
        nodes
    }

    fn body(&self, message: &Message) -> Node {
        let whole = message
            .sessions
            .iter()
            .find(|session| session.span == message.body);
        let children = match whole {
            Some(session) => self.session(session),
            None => message
                .parts
                .iter()
                .map(|part| self.part(part, message))
                .collect(),
        };
        let value = if children.is_empty() {
            self.text(message.body)
        } else {
            String::new()
        };
        Node {
            name: "body".to_owned(),
            value,
            span: message.body,
            children,
            ..Node::default()
        }
    }

    fn part(&self, part: &BodyPart, message: &Message) -> Node {
        let mut children: Vec<Node> = part.headers.iter().map(|field| self.field(field)).collect();
        let session = message
            .sessions
            .iter()
            .find(|session| session.span == part.content);
        if let Some(session) = session {
            children.extend(self.session(session));
        } else if !part.parts.is_empty() {
            children.extend(part.parts.iter().map(|part| self.part(part, message)));
        } else if !part.content.is_empty() {
            children.push(self.leaf("content", part.content));
        }
        let name = "part".to_owned();
        Node {
            name,
            value: String::new(),
            span: part.span,
            children,
            ..Node::default()
        }
    }

    fn session(&self, session: &SessionDescription) -> Vec<Node> {
        let lines = session.session_lines().iter();
        let mut nodes: Vec<Node> = lines.map(|line| self.line(line)).collect();
        for media in &session.media {
            let mut lines = session.media_lines(media).iter();
            let Some(first) = lines.next() else { continue };
            let mut node = self.line(first);
            node.span = media.span;
            node.children.extend(lines.map(|line| self.line(line)));
            nodes.push(node);
        }
        // Beyond the limit of sections lines belong to none.
        let shown = session
            .media
            .last()
            .map_or(session.session_lines().len(), |m| m.lines.end);
        nodes.extend(
            session
                .lines
                .get(shown..)
                .unwrap_or_default()
                .iter()
                .map(|line| self.line(line)),
        );
        nodes
    }

    fn line(&self, line: &Line) -> Node {
        if line.letter == 0 {
            return self.leaf("no SDP line", line.span);
        }
        let children = match &line.content {
            Content::Origin(origin) => self.leaves(&[
                ("username", origin.username),
                ("session id", origin.session_id),
                ("session version", origin.session_version),
                ("network type", origin.net_type),
                ("address type", origin.address_type),
                ("address", origin.address),
            ]),
            Content::Connection(connection) => self.leaves(&[
                ("network type", connection.net_type),
                ("address type", connection.address_type),
                ("address", connection.address),
            ]),
            Content::Bandwidth { kind, .. } => {
                let start = kind.end.saturating_add(1).min(line.value.end);
                let value = Span {
                    start,
                    end: line.value.end,
                };
                self.leaves(&[("type", *kind), ("bandwidth", value)])
            }
            Content::Media(media) => self.leaves(&[
                ("media", media.media),
                ("port", media.port_span),
                ("protocol", media.proto),
                ("formats", media.formats),
            ]),
            Content::Attribute(attribute) => {
                let mut nodes = self.leaves(&[("attribute", attribute.name)]);
                let parts = self.meaning(&attribute.meaning);
                if parts.is_empty() {
                    nodes.extend(self.leaves(&[("value", attribute.value)]));
                }
                nodes.extend(parts);
                nodes
            }
            Content::Time { .. } | Content::Text | Content::Broken => Vec::new(),
        };
        self.node(
            &format!("{}=", char::from(line.letter)),
            line.value,
            children,
        )
        .over(line.span)
    }

    fn meaning(&self, meaning: &Meaning) -> Vec<Node> {
        match meaning {
            Meaning::RtpMap {
                codec, channels, ..
            } => self.leaves(&[("codec", *codec), ("channels", *channels)]),
            Meaning::Fmtp { format, params } => {
                self.leaves(&[("format", *format), ("parameters", *params)])
            }
            Meaning::Candidate {
                foundation,
                transport,
                address,
                kind,
                ..
            } => self.leaves(&[
                ("foundation", *foundation),
                ("transport", *transport),
                ("address", *address),
                ("type", *kind),
            ]),
            Meaning::Crypto { suite, key, .. } => self.leaves(&[("suite", *suite), ("key", *key)]),
            Meaning::Fingerprint { hash, digest } => {
                self.leaves(&[("hash", *hash), ("digest", *digest)])
            }
            Meaning::Group { semantics, members } => {
                self.leaves(&[("semantics", *semantics), ("members", *members)])
            }
            Meaning::Keyed { key, rest } => self.leaves(&[("key", *key), ("value", *rest)]),
            Meaning::Rtcp { .. }
            | Meaning::Ssrc { .. }
            | Meaning::Direction(_)
            | Meaning::Number(_)
            | Meaning::Text
            | Meaning::Flag => Vec::new(),
        }
    }
}

impl Node {
    fn over(self, span: Span) -> Self {
        Self { span, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::decode;
    use crate::sip::scan::Framing;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let framing = Framing {
            datagram: true,
            cut: false,
            whole: false,
        };
        let (message, _) = decode(text.as_bytes(), framing);
        assert_eq!(tree_text(&header_tree(text.as_bytes(), &message)), expected);
    }

    #[test]
    fn headers_stand_in_wire_order_with_their_parts() {
        check(
            "BYE sips:a@b:5061;lr SIP/2.0\r\nv: SIP/2.0/UDP [::1]:5060\r\n ;branch=z9hG4bK1;rport\r\n\
             From: \"A \\\"b\" <sip:a@b>;tag=1\r\nCSeq: 2 BYE\r\nX-Odd: ;;\r\nnothing\r\n\r\n",
            "Request-Line: BYE sips:a@b:5061;lr SIP/2.0\n  method: BYE\n  Request-URI: sips:a@b:5061;lr\n    \
             scheme: sips\n    user: a\n    host: b\n    port: 5061\n    lr\n  version: SIP/2.0\n\
             v: SIP/2.0/UDP [::1]:5060   ;branch=z9hG4bK1;rport\n  sent-protocol: SIP/2.0/UDP\n    \
             protocol: SIP\n    version: 2.0\n    transport: UDP\n  sent-by: [::1]:5060\n    host: [::1]\n    \
             port: 5060\n  branch: z9hG4bK1\n  rport\n\
             From: \"A \\\"b\" <sip:a@b>;tag=1\n  display name: A \\\"b\n  uri: sip:a@b\n    scheme: sip\n    \
             user: a\n    host: b\n  tag: 1\n\
             CSeq: 2 BYE\n  number: 2\n  method: BYE\nX-Odd: ;;\nno header field: nothing\n",
        );
    }

    #[test]
    fn bodies_show_their_lines_and_parts() {
        check(
            "SIP/2.0 200 OK\r\nc: multipart/mixed;boundary=b\r\nl: 108\r\n\r\n--b\r\nContent-Type: application/sdp\r\n\r\n\
             v=0\r\nm=audio 1 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n--b\r\n\r\nhello\r\n--b--\r\nxx!",
            "Status-Line: SIP/2.0 200 OK\n  version: SIP/2.0\n  status code: 200\n  reason phrase: OK\n\
             c: multipart/mixed;boundary=b\n  type: multipart\n  subtype: mixed\n  boundary: b\nl: 108\nbody\n  \
             part\n    Content-Type: application/sdp\n      type: application\n      subtype: sdp\n    v=: 0\n    \
             m=: audio 1 RTP/AVP 0\n      media: audio\n      port: 1\n      protocol: RTP/AVP\n      formats: 0\n      \
             a=: rtpmap:0 PCMU/8000\n        attribute: rtpmap\n        codec: PCMU\n  part\n    content: hello\n\
             trailing octets: x!\n",
        );
    }
}
