//! The same value in other messages: which fields have values that are worth following, and where
//! else such a value stands.
//!
//! Call-ID, tags, CSeq and the branch of the top Via are answered by the index; a nonce, a URI of
//! Contact or Route, and branches further down are looked for in the octets of those messages that
//! may have them.

use memchr::memmem;

use super::header_tree::Node;
use crate::bytes::MessageBytes;
use crate::index::IndexView;
use crate::index::branch_hash;
use crate::index::ids::MessageId;
use crate::index::message_store::MessageRow;
use crate::sip::header_name::{Header, HeaderName};

/// Messages of which the octets are read for one value.
const MAX_READ: usize = 100_000;
/// Longest value that is followed, octets.
const MAX_VALUE: usize = 4_096;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// Call-ID.
    CallId,
    /// Tag of From or To.
    Tag,
    /// Branch of a Via.
    Branch,
    /// Number and method of CSeq, within one Call-ID.
    CSeq,
    /// Nonce of a challenge or of credentials.
    Nonce,
    /// URI of a Contact.
    Contact,
    /// URI of Route or Record-Route.
    Route,
}

impl ValueKind {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::CallId => "Call-ID",
            Self::Tag => "tag",
            Self::Branch => "branch",
            Self::CSeq => "CSeq",
            Self::Nonce => "nonce",
            Self::Contact => "Contact",
            Self::Route => "Route",
        }
    }
}

/// A value that is followed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Value {
    /// What it is.
    pub kind: ValueKind,
    /// Its text.
    pub text: String,
}

impl Value {
    /// The filter that leaves the messages that have it.
    pub fn filter(&self) -> String {
        let text = quoted(&self.text);
        match self.kind {
            ValueKind::CallId => format!("call_id == {text}"),
            ValueKind::Tag => format!("from_tag == {text} or to_tag == {text}"),
            ValueKind::Branch => {
                format!("text contains {}", quoted(&format!("branch={}", self.text)))
            }
            ValueKind::CSeq => {
                let mut parts = self.text.split_ascii_whitespace();
                let (number, method) = (parts.next(), parts.next());
                format!(
                    "cseq == {} and cseq_method == {}",
                    number.unwrap_or("0"),
                    quoted(method.unwrap_or_default())
                )
            }
            ValueKind::Nonce | ValueKind::Contact | ValueKind::Route => {
                format!("text contains {text}")
            }
        }
    }
}

/// A text as the filter language writes it.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The messages that have a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Equal {
    /// The value.
    pub value: Value,
    /// The messages, in order.
    pub messages: Vec<MessageId>,
    /// Messages that were not looked at, for there were too many.
    pub unread: usize,
}

/// What stands at a path of the tree, when it is worth following.
pub fn value_at(nodes: &[Node], path: &str) -> Option<Value> {
    let mut found = None;
    walk(nodes, &mut |candidate, kind, node| {
        if candidate == path && found.is_none() {
            found = kind.map(|kind| value_of(kind, node));
        }
    });
    found.filter(|value| !value.text.is_empty() && value.text.len() <= MAX_VALUE)
}

/// What is followed while a field is selected: its own value, else the first one within it. Whoever
/// rests on a Via means its branch, on From its tag.
pub fn followed_at(nodes: &[Node], path: &str) -> Option<Value> {
    let own = value_at(nodes, path);
    own.or_else(|| {
        let within = format!("{path} > ");
        let mut found = None;
        walk(nodes, &mut |candidate, kind, node| {
            if found.is_none() && candidate.starts_with(&within) {
                found = kind.map(|kind| value_of(kind, node));
            }
        });
        found.filter(|value| !value.text.is_empty() && value.text.len() <= MAX_VALUE)
    })
}

/// The first field that has a value; where another message has it under another name.
pub fn path_of(nodes: &[Node], value: &Value) -> Option<String> {
    let mut found = None;
    walk(nodes, &mut |path, kind, node| {
        let same = kind == Some(value.kind) && value_of(value.kind, node) == *value;
        // The deepest node says it best, except for CSeq, of which each part says half.
        if same && (found.is_none() || value.kind != ValueKind::CSeq) {
            found = Some(path.to_owned());
        }
    });
    found
}

fn value_of(kind: ValueKind, node: &Node) -> Value {
    let text = node.value.trim();
    let text = match kind {
        // White space between the parts says nothing.
        ValueKind::CSeq => text.split_ascii_whitespace().collect::<Vec<_>>().join(" "),
        ValueKind::Nonce => text.trim_matches('"').to_owned(),
        _ => text.to_owned(),
    };
    Value { kind, text }
}

/// All nodes with their paths, and what their values are.
fn walk(nodes: &[Node], visit: &mut dyn FnMut(&str, Option<ValueKind>, &Node)) {
    super::header_tree::each(nodes, &mut |path, above, node| {
        visit(path, kind_of(above, node), node);
    });
}

/// `above` are the nodes that hold it, outermost first.
fn kind_of(above: &[&Node], node: &Node) -> Option<ValueKind> {
    let header = above.first().unwrap_or(&node);
    let name = node.name.as_str();
    let is = |other: &str| name.eq_ignore_ascii_case(other);
    let top = above.is_empty();
    match HeaderName::from_bytes(header.name.as_bytes()).header() {
        Header::CallId if top => Some(ValueKind::CallId),
        Header::From | Header::To if !top && is("tag") => Some(ValueKind::Tag),
        Header::Via if !top && is("branch") => Some(ValueKind::Branch),
        Header::CSeq if top => Some(ValueKind::CSeq),
        Header::WwwAuthenticate
        | Header::ProxyAuthenticate
        | Header::Authorization
        | Header::ProxyAuthorization
            if !top && is("nonce") =>
        {
            Some(ValueKind::Nonce)
        }
        Header::Contact if !top && name == "uri" => Some(ValueKind::Contact),
        Header::Route | Header::RecordRoute if !top && name == "uri" => Some(ValueKind::Route),
        _ => None,
    }
}

/// Finds the messages that have `value`, which was seen in message `from`; none when `wanted` says
/// that nobody waits any more.
pub fn find(
    view: &IndexView,
    bytes: &dyn MessageBytes,
    from: MessageId,
    value: &Value,
    wanted: &dyn Fn() -> bool,
) -> Option<Equal> {
    let seen_in = view.message(from)?;
    let mut out = Equal {
        value: value.clone(),
        messages: Vec::new(),
        unread: 0,
    };
    let call_id = view.parties(seen_in).call_id;
    let mut search = Search {
        view,
        bytes,
        finder: memmem::Finder::new(value.text.as_bytes()).into_owned(),
        kind: value.kind,
        read: 0,
    };
    let hash = branch_hash(value.text.as_bytes());
    let same_text = |id| view.texts().bytes(id) == value.text.as_bytes();
    for (index, row) in view.messages().indexed() {
        if index % 4096 == 0 && !wanted() {
            return None;
        }
        let id = MessageId::at(index);
        let parties = view.parties(row);
        let same_call = parties.call_id == call_id;
        let found = match value.kind {
            ValueKind::CallId => Some(same_call),
            ValueKind::Tag => Some(
                [parties.from_tag, parties.to_tag]
                    .into_iter()
                    .flatten()
                    .any(same_text),
            ),
            ValueKind::CSeq => Some(same_call && cseq_words(view, id, row) == value.text),
            ValueKind::Branch if row.branch_hash() == hash || same_call => None,
            ValueKind::Nonce if row.has_credentials() || row.has_challenge() => None,
            ValueKind::Contact | ValueKind::Route => None,
            ValueKind::Branch | ValueKind::Nonce => Some(false),
        };
        let found = match found {
            Some(found) => found,
            None if search.read >= MAX_READ && !same_call => {
                out.unread += 1;
                continue;
            }
            None => {
                if search.read.is_multiple_of(64) && !wanted() {
                    return None;
                }
                search.is_in(row)
            }
        };
        if found {
            out.messages.push(id);
        }
    }
    Some(out)
}

fn cseq_words(view: &IndexView, id: MessageId, row: &MessageRow) -> String {
    let method = match row.cseq_method {
        crate::sip::method::Method::Other => view.method_name(id),
        method => method.as_str(),
    };
    row.cseq()
        .map(|number| format!("{number} {method}"))
        .unwrap_or_default()
}

/// Reads messages and looks for a value.
struct Search<'a> {
    view: &'a IndexView,
    bytes: &'a dyn MessageBytes,
    finder: memmem::Finder<'static>,
    kind: ValueKind,
    read: usize,
}

impl Search<'_> {
    fn is_in(&mut self, row: &MessageRow) -> bool {
        self.read += 1;
        let octets = self.bytes.read_all(&self.view.extents(row));
        octets.is_ok_and(|octets| !places_with(&self.finder, self.kind, &octets).is_empty())
    }
}

/// Where a value stands in the octets of a message.
pub fn places(value: &Value, octets: &[u8]) -> Vec<crate::span::Span> {
    if value.text.is_empty() {
        return Vec::new();
    }
    let finder = memmem::Finder::new(value.text.as_bytes());
    places_with(&finder, value.kind, octets)
}

fn places_with(
    finder: &memmem::Finder<'_>,
    kind: ValueKind,
    octets: &[u8],
) -> Vec<crate::span::Span> {
    let length = finder.needle().len();
    finder
        .find_iter(octets)
        .filter(|at| {
            let before = at.checked_sub(1).and_then(|at| octets.get(at)).copied();
            let after = octets.get(at + length).copied();
            stands_alone(kind, before, after)
        })
        .map(|at| crate::span::Span::new(at, at + length))
        .collect()
}

/// The octets around a value are none of its own.
fn stands_alone(kind: ValueKind, before: Option<u8>, after: Option<u8>) -> bool {
    let free = |c: Option<u8>| c.is_none_or(|c| c.is_ascii_whitespace() || c == b',');
    match kind {
        ValueKind::Tag | ValueKind::Branch => {
            before == Some(b'=') && (free(after) || matches!(after, Some(b';' | b'>' | b'"')))
        }
        ValueKind::Nonce => {
            matches!(before, Some(b'=' | b'"')) && (free(after) || after == Some(b'"'))
        }
        // Between angle brackets parameters belong to the URI.
        ValueKind::Contact | ValueKind::Route => match before {
            Some(b'<') => after == Some(b'>'),
            before => free(before) && (free(after) || after == Some(b';')),
        },
        ValueKind::CallId | ValueKind::CSeq => {
            (free(before) || before == Some(b':')) && (free(after) || after == Some(b';'))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::header_tree::header_tree;
    use super::*;
    use crate::sip::message::decode;
    use crate::sip::scan::Framing;

    const INVITE: &str = "INVITE sip:b@x SIP/2.0\r\nVia: SIP/2.0/UDP p;branch=z9hG4bK2\r\n\
        v: SIP/2.0/UDP a;branch=z9hG4bK1;rport\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\n\
        i: c1@x\r\nCSeq: 7  INVITE\r\nContact: <sip:a@192.0.2.1;lr>\r\nRoute: <sip:p;lr>, <sip:q>\r\n\
        Proxy-Authorization: Digest nonce=\"abc\", uri=\"sip:b\"\r\n\r\n";

    fn tree() -> Vec<Node> {
        let framing = Framing {
            datagram: true,
            cut: false,
            whole: false,
        };
        header_tree(INVITE.as_bytes(), &decode(INVITE.as_bytes(), framing).0)
    }

    #[test]
    fn fields_that_join_messages_are_followed() {
        let tree = tree();
        for (path, kind, text) in [
            ("Via > branch", ValueKind::Branch, "z9hG4bK2"),
            ("v > branch", ValueKind::Branch, "z9hG4bK1"),
            ("From > tag", ValueKind::Tag, "1"),
            ("i", ValueKind::CallId, "c1@x"),
            ("CSeq", ValueKind::CSeq, "7 INVITE"),
            ("Contact > uri", ValueKind::Contact, "sip:a@192.0.2.1;lr"),
            ("Route > value[2] > uri", ValueKind::Route, "sip:q"),
            ("Proxy-Authorization > nonce", ValueKind::Nonce, "abc"),
        ] {
            let value = value_at(&tree, path).unwrap();
            assert_eq!((value.kind, value.text.as_str()), (kind, text), "{path}");
            assert_eq!(path_of(&tree, &value).as_deref(), Some(path));
        }
        for path in ["Request-Line", "Via", "From", "CSeq > number", "nothing"] {
            assert_eq!(value_at(&tree, path), None, "{path}");
        }
        for (path, text) in [
            ("Via", Some("z9hG4bK2")),
            ("From", Some("1")),
            ("Route", Some("sip:p;lr")),
            ("CSeq", Some("7 INVITE")),
            ("To", None),
            ("Request-Line", None),
        ] {
            let value = followed_at(&tree, path).map(|value| value.text);
            assert_eq!(value.as_deref(), text, "{path}");
        }
    }

    #[test]
    fn a_value_is_found_as_a_whole_only() {
        let count = |kind, text: &str| {
            let text = text.to_owned();
            places(&Value { kind, text }, INVITE.as_bytes()).len()
        };
        assert_eq!(count(ValueKind::Branch, "z9hG4bK1"), 1);
        assert_eq!(count(ValueKind::Branch, "z9hG4bK"), 0);
        assert_eq!(count(ValueKind::Route, "sip:p;lr"), 1);
        assert_eq!(count(ValueKind::Route, "sip:p"), 0);
        assert_eq!(count(ValueKind::Nonce, "abc"), 1);
        assert_eq!(count(ValueKind::CallId, "c1@x"), 1);
        assert_eq!(count(ValueKind::CallId, "c1"), 0);
    }

    #[test]
    fn filters_are_understood() {
        for kind in [
            ValueKind::CallId,
            ValueKind::Tag,
            ValueKind::Branch,
            ValueKind::Nonce,
            ValueKind::Contact,
        ] {
            let text = "a\"b\\c".to_owned();
            let filter = Value { kind, text }.filter();
            assert!(
                crate::index::filter::Filter::parse(&filter).is_ok(),
                "{filter}"
            );
        }
        let cseq = Value {
            kind: ValueKind::CSeq,
            text: "7 INVITE".to_owned(),
        };
        assert_eq!(cseq.filter(), "cseq == 7 and cseq_method == \"INVITE\"");
        assert!(crate::index::filter::Filter::parse(&cseq.filter()).is_ok());
    }
}
