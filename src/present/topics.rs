//! Which explanation each node of the header tree has.
//!
//! A second pass over the finished tree: names of nodes and the header around them say what they are.
//! A name alone does not: `user` is a part of a URI and a parameter of it. What a header means may depend
//! on the message; then the topic is a variant, `header/contact@redirect`.

use super::header_tree::Node;
use crate::explain::Topic;
use crate::sip::header_name::{Grammar, Header, HeaderName};
use crate::sip::message::Message;
use crate::sip::method::Method;
use crate::sip::start_line::StartKind;

/// Names the topic of every node.
pub(super) fn assign(nodes: &mut [Node], bytes: &[u8], message: &Message) {
    let mut nodes = nodes.iter_mut();
    if let Some(start) = nodes.next() {
        start_line(start, message.start.kind, bytes);
    }
    let mut fields = message.headers.iter();
    for node in nodes {
        match fields.next() {
            Some(known) => {
                let has_colon = !known.name_span.of(bytes).is_empty();
                field(node, known.name, has_colon, bytes);
                if let Some(variant) = variant(node.topic, message) {
                    node.topic = variant;
                }
            }
            None => rest(node, message, bytes),
        }
    }
}

/// What a header means in a message like this one, where that differs.
fn variant(topic: Topic, message: &Message) -> Option<Topic> {
    let is_response = message.start.kind == StartKind::Response;
    let method = match is_response {
        true => message.cseq().map(|cseq| cseq.method),
        false => Some(message.start.method),
    };
    let status = if is_response { message.start.status } else { 0 };
    let name = match (topic.path(), method, status) {
        ("header/contact", Some(Method::Register), 0) => "register",
        ("header/contact", Some(Method::Register), 200..=299) => "bindings",
        ("header/contact", _, 300..=399 | 485) => "redirect",
        ("header/require", _, 100..) => "response",
        ("header/call-id", Some(Method::Register), _) => "register",
        ("header/accept", Some(Method::Subscribe), 0) => "subscribe",
        ("header/expires", Some(Method::Invite), 0) => "invite",
        ("header/expires", Some(Method::Register | Method::Subscribe | Method::Publish), 0) => {
            "wish"
        }
        (
            "header/expires",
            Some(Method::Register | Method::Subscribe | Method::Publish),
            200..=299,
        ) => "granted",
        _ => return None,
    };
    Topic::find(&format!("{}@{name}", topic.path()))
}

/// True for a part of a value that stands by itself; a parameter has its name before it.
fn is_part(node: &Node, bytes: &[u8]) -> bool {
    node.value == String::from_utf8_lossy(node.span.of(bytes))
}

fn named(above: &str, name: &str) -> Option<Topic> {
    Topic::find(&format!("{above}/{}", name.trim().to_ascii_lowercase()))
}

fn method(text: &str) -> Topic {
    Topic::find(&format!("method/{}", text.trim())).unwrap_or_else(|| Topic::of("unknown/method"))
}

fn start_line(node: &mut Node, kind: StartKind, bytes: &[u8]) {
    let request = kind == StartKind::Request;
    node.topic = Topic::of(if request {
        "start/request-line"
    } else {
        "start/status-line"
    });
    for child in &mut node.children {
        child.topic = match child.name.as_str() {
            "method" => method(&child.value),
            "Request-URI" => Topic::of("start/request-uri"),
            "version" => Topic::of("start/version"),
            "status code" => status(&child.value),
            _ => Topic::of("start/reason-phrase"),
        };
        uri(&mut child.children, bytes);
    }
}

/// A status code; one that is in no table is explained by its class (RFC 3261, 8.1.3.2).
fn status(text: &str) -> Topic {
    let class = text.get(..1).unwrap_or_default();
    named("status", text)
        .or_else(|| named("status-class", class))
        .unwrap_or_default()
}

fn uri(parts: &mut [Node], bytes: &[u8]) {
    let is_tel = parts
        .first()
        .is_some_and(|scheme| scheme.value.eq_ignore_ascii_case("tel"));
    for part in parts {
        let own = match (is_part(part, bytes), part.name.as_str()) {
            (true, "user") if is_tel => Topic::find("part/uri/number"),
            (true, "headers") => {
                for header in &mut part.children {
                    header.topic = match header.name.eq_ignore_ascii_case("body") {
                        true => Topic::of("part/uri/body"),
                        false => named("header", &header.name)
                            .unwrap_or_else(|| Topic::of("unknown/header")),
                    };
                }
                named("part/uri", "headers")
            }
            (true, name) => named("part/uri", name),
            (false, name) => named("uri-param", name).or_else(|| Topic::find("unknown/param")),
        };
        part.topic = own.unwrap_or_default();
    }
}

fn field(node: &mut Node, name: HeaderName, has_colon: bool, bytes: &[u8]) {
    if !has_colon {
        node.topic = Topic::of("unknown/line");
        return;
    }
    let Some(text) = name.as_str() else {
        node.topic = Topic::of("unknown/header");
        return;
    };
    node.topic = named("header", text).unwrap_or_else(|| Topic::of("unknown/header"));
    let several = node.children.first().is_some_and(|c| c.name == "value")
        && node.children.len() > 1
        && node.children.iter().all(|c| c.name == "value");
    if several {
        for child in &mut node.children {
            child.topic = Topic::of_value(text, &child.value).unwrap_or(node.topic);
            parts(&mut child.children, name, text, bytes);
        }
    } else {
        parts(&mut node.children, name, text, bytes);
    }
}

fn parts(nodes: &mut [Node], name: HeaderName, header: &str, bytes: &[u8]) {
    let first = |text: &str| {
        let first = nodes.first();
        first.is_some_and(|node| node.value.eq_ignore_ascii_case(text))
    };
    let telephone = header == "Reason" && first("Q.850");
    let sip_cause = header == "Reason" && first("SIP");
    let transfer = header == "Event" && first("refer");
    for node in nodes.iter_mut() {
        let own = match is_part(node, bytes) {
            true => part(node, name.grammar(), header, bytes),
            false => match node.name.as_str() {
                "cause" if telephone => {
                    named("q850", &node.value).or_else(|| Topic::find("unknown/cause"))
                }
                "cause" if sip_cause => Some(status(&node.value)).filter(|t| *t != Topic::NONE),
                "id" if transfer => Topic::find("param/event/id@refer"),
                "reason" if header == "Subscription-State" => {
                    named("subscription-reason", &node.value)
                        .or_else(|| named("param/subscription-state", "reason"))
                }
                "boundary" | "charset" if name.grammar() == Grammar::MediaType => {
                    named("part/media-type", &node.name)
                }
                param => named(&format!("param/{}", header.to_ascii_lowercase()), param)
                    .or_else(|| feature(header, param)),
            }
            .or_else(|| Topic::find("unknown/param")),
        };
        node.topic = own.unwrap_or_default();
    }
}

/// What a device can do, as its Contact says and others ask for (RFC 3840, 9; RFC 3841, 9).
fn feature(header: &str, name: &str) -> Option<Topic> {
    if !matches!(header, "Contact" | "Accept-Contact" | "Reject-Contact") {
        return None;
    }
    let known = named("param/contact", name).filter(|_| header != "Contact");
    let feature = || named("feature-tag", name);
    let other = || Topic::find("feature-tag/other").filter(|_| name.starts_with('+'));
    feature().or(known).or_else(other)
}

/// A part of a value that is no parameter.
fn part(node: &mut Node, grammar: Grammar, header: &str, bytes: &[u8]) -> Option<Topic> {
    match (grammar, node.name.as_str()) {
        (Grammar::Via, "sent-protocol" | "sent-by") => {
            for part in &mut node.children {
                part.topic = named("part/via", &part.name).unwrap_or_default();
            }
            named("part/via", &node.name)
        }
        (Grammar::Address, "display name") => Topic::find("part/display-name"),
        (Grammar::Address, "uri") => {
            uri(&mut node.children, bytes);
            Topic::find("part/uri")
        }
        (Grammar::CSeq, "number") => Topic::find("part/cseq/number"),
        (Grammar::CSeq, "method") => Topic::find("part/cseq/method"),
        (Grammar::Challenge | Grammar::Credentials, "scheme") => {
            named("auth-scheme", &node.value).or_else(|| Topic::find("part/auth/scheme"))
        }
        (Grammar::Challenge | Grammar::Credentials, "credentials") => {
            Topic::find("part/auth/credentials")
        }
        (Grammar::Warning, "code") => {
            named("warning", &node.value).or_else(|| Topic::find("part/warning/code"))
        }
        (Grammar::Warning, "agent" | "text") => named("part/warning", &node.name),
        (Grammar::MediaType, "type" | "subtype") => named("part/media-type", &node.name),
        (Grammar::Integer, "number") => Topic::find("part/number"),
        _ => Topic::of_value(header, &node.value).or_else(|| Topic::find("part/value")),
    }
}

/// Bodies and what is beyond limits.
fn rest(node: &mut Node, message: &Message, bytes: &[u8]) {
    match node.name.as_str() {
        "body" => {
            let kind = message.first_value(Header::ContentType).of(bytes);
            let kind = String::from_utf8_lossy(kind);
            let format = kind.split(';').next().unwrap_or_default();
            node.topic = named("body", format).unwrap_or_else(|| Topic::of("part/body"));
        }
        "more header lines" => node.topic = Topic::of("part/more-headers"),
        "trailing octets" => node.topic = Topic::of("part/trailing"),
        _ => {}
    }
    body(&mut node.children, bytes);
}

fn body(nodes: &mut [Node], bytes: &[u8]) {
    for node in nodes {
        let name = node.name.clone();
        match name.as_str() {
            "part" => {
                node.topic = Topic::of("part/body-part");
                body(&mut node.children, bytes);
            }
            "content" => node.topic = Topic::of("part/content"),
            "no SDP line" => node.topic = Topic::of("unknown/sdp-line"),
            _ if name.len() == 2 && name.ends_with('=') => sdp_line(node),
            // A header field of a part.
            _ => field(node, HeaderName::from_bytes(name.as_bytes()), true, bytes),
        }
    }
}

fn sdp_line(node: &mut Node) {
    let letter = node.name.trim_end_matches('=').to_owned();
    let line = Topic::find(&format!("sdp-line/{letter}"));
    node.topic = line.unwrap_or_else(|| Topic::of("unknown/sdp-line"));
    let mut attribute = "";
    if letter == "a" {
        attribute = node.value.split(':').next().unwrap_or_default().trim();
        node.topic = Topic::find(&format!("sdp-attribute/{attribute}"))
            .unwrap_or_else(|| Topic::of("unknown/attribute"));
    }
    let (own, attribute) = (node.topic, attribute.to_owned());
    for child in &mut node.children {
        let key = child.name.replace(' ', "-");
        let found = match child.name.as_str() {
            name if name.len() == 2 && name.ends_with('=') => {
                sdp_line(child);
                continue;
            }
            "no SDP line" => Topic::find("unknown/sdp-line"),
            "attribute" => Topic::find("part/attribute/name"),
            "network type" | "address type" => named("part/sdp", &key),
            _ if letter == "a" => {
                named(&format!("part/{attribute}"), &key).or_else(|| named("part/attribute", &key))
            }
            _ => named(&format!("part/{letter}"), &key),
        };
        child.topic = found.unwrap_or(own);
    }
}
