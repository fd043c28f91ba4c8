//! The torture messages: every field of `expected.json`, what must be noticed, and what must not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use serde_json::{Value as Json, json};
use sipscope::diagnostic::{Diagnostic, Severity};
use sipscope::sdp;
use sipscope::sip::header_name::Header;
use sipscope::sip::headers::{Address, Value};
use sipscope::sip::message::{Message, Param, decode};
use sipscope::sip::scan::{ContentLength, Framing, Scan, StartKind, scan};
use sipscope::sip::uri::unescape;
use sipscope::span::Span;

const DATAGRAM: Framing = Framing {
    datagram: true,
    cut: false,
    whole: false,
};

/// Fields whose meaning lies above one message: digests, certificates, XML, a negotiation.
const ABOVE: [&str; 6] = [
    "digest",
    "passport_header",
    "passport_claims",
    "xml_root",
    "mwi",
    "chosen",
];

/// A comma is missing in the Authorization that RFC 3665, 2.1 prints: blamed for good reason.
const MISPRINT: &str = "rfc3665/2.1-F3-REGISTER.sip";

struct Entry {
    file: String,
    verdict: String,
    kinds: Vec<String>,
    fields: serde_json::Map<String, Json>,
    bytes: Vec<u8>,
}

fn entries() -> Vec<Entry> {
    let Some(path) = common::corpus("torture/expected.json") else {
        return Vec::new();
    };
    let root = path.parent().unwrap();
    let expected: Json = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let text = |json: &Json| json.as_str().unwrap_or_default().to_owned();
    expected["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| Entry {
            file: text(&entry["file"]),
            verdict: text(&entry["verdict"]),
            kinds: entry["kinds"]
                .as_array()
                .into_iter()
                .flatten()
                .map(text)
                .collect(),
            fields: entry["fields"].as_object().unwrap().clone(),
            bytes: std::fs::read(root.join(text(&entry["file"]))).unwrap(),
        })
        .collect()
}

/// What is read of a message or of a bare session description.
struct Read<'a> {
    bytes: &'a [u8],
    message: Option<(Message, Scan)>,
    sessions: Vec<sdp::SessionDescription>,
    diagnostics: Vec<Diagnostic>,
}

fn read<'a>(file: &str, bytes: &'a [u8]) -> Read<'a> {
    if file.ends_with(".sdp") {
        let (session, diagnostics) = sdp::session::decode(bytes, Span::new(0, bytes.len()));
        return Read {
            bytes,
            message: None,
            sessions: vec![session],
            diagnostics,
        };
    }
    let facts = scan(bytes, DATAGRAM).unwrap_or_else(|| panic!("{file} is not taken for SIP"));
    let (message, diagnostics) = decode(bytes, DATAGRAM);
    assert_eq!(message.facts(bytes), facts, "{file}: both depths agree");
    let sessions = message.sessions.clone();
    Read {
        bytes,
        message: Some((message, facts)),
        sessions,
        diagnostics,
    }
}

impl Read<'_> {
    fn text(&self, span: Span) -> String {
        String::from_utf8_lossy(span.of(self.bytes)).into_owned()
    }

    fn some(&self, span: Span) -> Json {
        if span.is_empty() {
            Json::Null
        } else {
            json!(self.text(span))
        }
    }

    fn addresses(&self, header: Header) -> Vec<&Address> {
        let (message, _) = self.message.as_ref().unwrap();
        message
            .values(header)
            .filter_map(|value| match &value.value {
                Value::Address(address) => Some(address),
                _ => None,
            })
            .collect()
    }

    fn names(&self, params: &[Param]) -> Vec<String> {
        params.iter().map(|param| self.text(param.name)).collect()
    }

    /// A display name without the backslashes of its quoted string.
    fn display(&self, address: &Address) -> Json {
        let mut name = String::new();
        let mut chars = std::str::from_utf8(address.name.of(self.bytes))
            .unwrap()
            .chars();
        while let Some(c) = chars.next() {
            name.push(if c == '\\' && address.quoted {
                chars.next().unwrap_or(c)
            } else {
                c
            });
        }
        json!(name)
    }

    fn tokens(&self, header: Header) -> Vec<String> {
        let (message, _) = self.message.as_ref().unwrap();
        message
            .values(header)
            .map(|value| self.text(value.span))
            .collect()
    }

    fn named(&self, name: &str) -> Json {
        let (message, _) = self.message.as_ref().unwrap();
        let field = message.headers.iter().find(|field| {
            field
                .name
                .as_str()
                .is_some_and(|known| known.eq_ignore_ascii_case(name))
        });
        field.map_or(Json::Null, |field| json!(self.text(field.value)))
    }

    fn sdp_field(&self, field: &str) -> Option<Json> {
        let session = self.sessions.first();
        let media = || session.into_iter().flat_map(|session| &session.media);
        Some(match field {
            "sdp_media" => media().map(|media| self.text(media.value)).collect(),
            "sdp_origin" => {
                let line = session?.lines.iter().find(|line| line.letter == b'o')?;
                json!(self.text(line.value))
            }
            "rejected_media" => json!(media().filter(|media| media.line.port == Some(0)).count()),
            "directions" => session?
                .lines
                .iter()
                .filter(|line| line.letter == b'a')
                .map(|line| self.text(line.value))
                .filter(|name| sdp::Direction::from_bytes(name.as_bytes()).is_some())
                .collect(),
            _ => return None,
        })
    }

    fn field(&self, field: &str) -> Json {
        if let Some(found) = self.sdp_field(field) {
            return found;
        }
        let (message, facts) = self.message.as_ref().unwrap();
        let length = |value| match value {
            ContentLength::Value(length) => json!(length),
            other => json!(format!("{other:?}")),
        };
        let request = facts.kind == StartKind::Request;
        match field {
            "kind" => json!(if request { "request" } else { "response" }),
            "method" => self.some(facts.method_span),
            "status" => json!(facts.status),
            "status_text" => self.some(message.start.status_span),
            "reason" => json!(self.text(facts.ruri_or_reason)),
            "ruri" => self.some(facts.ruri_or_reason),
            "version" => self.some(message.start.version),
            "call_id" => self.some(facts.call_id),
            "cseq" => json!(facts.cseq),
            "cseq_text" => self.some(message.cseq().unwrap().number_span),
            "cseq_method" => self.some(facts.cseq_method_span),
            "via_count" => json!(facts.via_count),
            "branch" => self.some(facts.branch),
            "has_rfc3261_branch" => json!(facts.branch.of(self.bytes).starts_with(b"z9hG4bK")),
            "from_tag" => self.some(facts.from_tag),
            "to_tag" => self.some(facts.to_tag),
            "from_uri" => self.some(facts.from_uri),
            "to_uri" => self.some(facts.to_uri),
            "contact_count" => json!(facts.contact_count),
            "route_count" => json!(facts.route_count),
            "record_route_count" => json!(facts.record_route_count),
            "content_length" => length(facts.content_length),
            "content_type" => self.some(facts.content_type),
            "body_bytes" => json!(facts.body.len()),
            "actual_body_bytes" => json!(self.bytes.len() - facts.header_len as usize),
            "trailing_bytes" => json!(message.trailing.len()),
            "max_forwards" => json!(facts.max_forwards),
            "event" => self.some(facts.event),
            "subscription_state" => self.some(facts.subscription_state),
            "refer_to" => self.some(facts.refer_to),
            "max_forwards_text" | "content_length_text" | "date_text" => {
                self.named(&field.replace("_text", "").replace('_', "-"))
            }
            "accept" | "subject" | "sip_etag" | "sip_if_match" => {
                self.named(&field.replace('_', "-"))
            }
            "require" => json!(self.tokens(Header::Require)),
            "proxy_require" => json!(self.tokens(Header::ProxyRequire)),
            "content_lengths" => message
                .all(Header::ContentLength)
                .map(|field| self.text(field.value).parse::<u64>().unwrap())
                .collect(),
            "parts" => json!(message.parts.len()),
            "via_transports" => message
                .values(Header::Via)
                .map(|value| match &value.value {
                    Value::Via(via) => self.text(via.transport),
                    other => panic!("{other:?}"),
                })
                .collect(),
            "from_display" => self.display(self.addresses(Header::From)[0]),
            "contact_display" => self.display(self.addresses(Header::Contact)[0]),
            "contact_header_params" => {
                json!(self.names(&self.addresses(Header::Contact)[0].params))
            }
            "contact_uri_params" => {
                json!(self.names(&self.addresses(Header::Contact)[0].uri.params))
            }
            "contact_users_decoded_len" => self
                .addresses(Header::Contact)
                .iter()
                .map(|address| unescape(address.uri.user.of(self.bytes)).len())
                .collect(),
            "ruri_scheme" => self.some(message.request_uri.as_ref().unwrap().scheme_span),
            "ruri_host" => self.some(message.request_uri.as_ref().unwrap().host),
            "ruri_port" => json!(message.request_uri.as_ref().unwrap().port),
            "auth_scheme" => match &message.values(Header::Authorization).next().unwrap().value {
                Value::Auth(auth) => self.some(auth.scheme),
                other => panic!("{other:?}"),
            },
            "challenges" => message
                .values(Header::WwwAuthenticate)
                .map(|value| match &value.value {
                    Value::Auth(auth) => {
                        let algorithm = auth
                            .params
                            .iter()
                            .find(|param| param.is(self.bytes, "algorithm"));
                        self.text(algorithm.unwrap().value.unwrap())
                    }
                    other => panic!("{other:?}"),
                })
                .collect(),
            "missing" => self.told("missing-header"),
            "duplicates" => self.told("duplicate-header"),
            _ => panic!("no reading of the field {field}"),
        }
    }

    /// Names of headers in the texts of diagnostics above info, sorted, each once.
    fn told(&self, kind: &str) -> Json {
        let mut names: Vec<String> = self
            .diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.kind.id() == kind)
            .filter(|diagnostic| diagnostic.severity > Severity::Info)
            .map(|diagnostic| {
                let text = diagnostic
                    .text
                    .strip_prefix("The header ")
                    .unwrap_or(&diagnostic.text);
                text.split(' ').next().unwrap_or_default().to_lowercase()
            })
            .collect();
        names.sort();
        names.dedup();
        json!(names)
    }
}

#[test]
fn every_expected_field_is_read() {
    let mut wrong = Vec::new();
    for entry in entries() {
        let read = read(&entry.file, &entry.bytes);
        for (field, expected) in &entry.fields {
            if ABOVE.contains(&field.as_str()) {
                continue;
            }
            let found = read.field(field);
            if found != *expected {
                wrong.push(format!(
                    "{} {field}: {found} instead of {expected}",
                    entry.file
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_broken_message_is_noticed() {
    let mut missed = Vec::new();
    for entry in entries().iter().filter(|entry| entry.verdict != "valid") {
        let read = read(&entry.file, &entry.bytes);
        let found: Vec<&str> = read.diagnostics.iter().map(|d| d.kind.id()).collect();
        if !entry
            .kinds
            .iter()
            .any(|kind| found.contains(&kind.as_str()))
        {
            missed.push(format!(
                "{}: {found:?}, none of {:?}",
                entry.file, entry.kinds
            ));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn no_valid_message_is_blamed() {
    let mut blamed = Vec::new();
    for entry in entries().iter().filter(|entry| entry.verdict == "valid") {
        for diagnostic in read(&entry.file, &entry.bytes).diagnostics {
            if diagnostic.severity > Severity::Info && entry.file != MISPRINT {
                let text = String::from_utf8_lossy(diagnostic.span.of(&entry.bytes)).into_owned();
                blamed.push(format!("{}: {diagnostic:?} {text:?}", entry.file));
            }
        }
    }
    assert!(blamed.is_empty(), "{}", blamed.join("\n"));
}

#[test]
fn spans_of_diagnostics_lie_in_the_message() {
    for entry in entries() {
        for diagnostic in read(&entry.file, &entry.bytes).diagnostics {
            let Span { start, end } = diagnostic.span;
            assert!(
                start <= end && end as usize <= entry.bytes.len(),
                "{}",
                entry.file
            );
        }
    }
}

/// Cuts that a snap length makes: nothing is blamed that the sender did not do.
#[test]
fn a_message_cut_by_the_capture_is_not_blamed_for_it() {
    let cut = Framing {
        datagram: true,
        cut: true,
        whole: false,
    };
    let mut blamed = Vec::new();
    for entry in entries()
        .iter()
        .filter(|e| e.verdict == "valid" && e.file.ends_with(".sip"))
    {
        if entry.file == MISPRINT {
            continue;
        }
        for len in (0..entry.bytes.len()).step_by(7) {
            let bytes = &entry.bytes[..len];
            if scan(bytes, cut).is_none() {
                assert!(len < 60, "{} cut at {len} is not taken for SIP", entry.file);
                continue;
            }
            let start_line = bytes.iter().position(|b| *b == b'\n').is_none();
            let (_, diagnostics) = decode(bytes, cut);
            for diagnostic in diagnostics {
                if diagnostic.severity > Severity::Info && !start_line {
                    blamed.push(format!("{} cut at {len}: {diagnostic:?}", entry.file));
                }
            }
        }
    }
    blamed.truncate(20);
    assert!(blamed.is_empty(), "{}", blamed.join("\n"));
}

/// A plain INVITE with one thing changed: each pair replaces the line that begins with the first.
fn altered(changes: &[(&str, &str)]) -> String {
    let mut lines: Vec<String> = [
        "INVITE sip:bob@example.com SIP/2.0",
        "Via: SIP/2.0/UDP host.example.com:5060;branch=z9hG4bKabc",
        "Max-Forwards: 70",
        "From: Alice <sip:alice@example.com>;tag=1",
        "To: Bob <sip:bob@example.com>",
        "Call-ID: abc@host.example.com",
        "CSeq: 1 INVITE",
        "Contact: <sip:alice@host.example.com>",
    ]
    .map(str::to_owned)
    .to_vec();
    let mut body = None;
    for (old, new) in changes {
        match lines
            .iter_mut()
            .find(|line| !old.is_empty() && line.starts_with(old))
        {
            Some(line) => *line = (*new).to_owned(),
            None if *old == "body" => body = Some((*new).to_owned()),
            None => lines.push((*new).to_owned()),
        }
    }
    let body = body.unwrap_or_default();
    if !lines.iter().any(|line| line.starts_with("Content-Length")) {
        lines.push(format!("Content-Length: {}", body.len()));
    }
    lines.retain(|line| !line.is_empty());
    lines.join("\r\n") + "\r\n\r\n" + &body
}

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

#[track_caller]
fn check(kind: &str, text: &str) {
    let (_, diagnostics) = decode(text.as_bytes(), DATAGRAM);
    assert!(
        diagnostics
            .iter()
            .any(|diagnostic| diagnostic.kind.id() == kind),
        "{kind} is not noticed in {text:?}: {diagnostics:?}"
    );
}

#[test]
fn a_plain_message_has_no_diagnostic() {
    let text = altered(&[("", "Content-Type: application/sdp"), ("body", SDP)]);
    assert_eq!(decode(text.as_bytes(), DATAGRAM).1, []);
}

#[test]
fn every_kind_of_diagnostic_has_a_message_that_shows_it() {
    let sdp = ("", "Content-Type: application/sdp");
    let line = |old, new| altered(&[(old, new)]);
    let typed = |body: &str| altered(&[sdp, ("body", body)]);
    let cases: Vec<(&str, String)> = vec![
        (
            "bad-start-line",
            line("INVITE", "INVITE sip:bob@example.com"),
        ),
        ("bad-start-line", "SIP/2.0 200\r\n\r\n".to_owned()),
        ("missing-request-uri", line("INVITE", "INVITE SIP/2.0")),
        (
            "extra-whitespace",
            line("INVITE", "INVITE sip:bob@example.com  SIP/2.0"),
        ),
        (
            "extra-whitespace",
            line("INVITE", "INVITE sip:bob@example.com\tSIP/2.0"),
        ),
        ("extra-whitespace", "SIP/2.0  200 OK\r\n\r\n".to_owned()),
        (
            "bad-version",
            line("INVITE", "INVITE sip:bob@example.com SIP/3.0"),
        ),
        (
            "bad-version",
            line("Via", "Via: SIP/2.1/UDP h;branch=z9hG4bKa"),
        ),
        ("bad-status-code", "SIP/2.0 99 Low\r\n\r\n".to_owned()),
        ("bad-status-code", "SIP/2.0 700 High\r\n\r\n".to_owned()),
        ("bad-status-code", "SIP/2.0 0200 Long\r\n\r\n".to_owned()),
        ("bad-status-code", "SIP/2.0 abc Letters\r\n\r\n".to_owned()),
        ("bad-status-code", "SIP/2.0 -200 Sign\r\n\r\n".to_owned()),
        (
            "method-unknown",
            line("INVITE", "invite sip:bob@example.com SIP/2.0"),
        ),
        ("bad-uri", line("To", "To: <sip:bo{b@example.com>")),
        ("bad-uri", line("To", "To: <bob@example.com>")),
        ("bad-uri", line("To", "To: <>")),
        ("bad-uri", line("To", "To: <sip:bob@example.com")),
        ("bad-uri", line("", "Route: <sip:proxy;p=%4>")),
        (
            "uri-in-brackets",
            line("INVITE", "INVITE <sip:bob@example.com> SIP/2.0"),
        ),
        (
            "uri-headers-not-allowed",
            line("To", "To: <sip:bob@example.com?Subject=x>"),
        ),
        (
            "uri-needs-brackets",
            line("Contact", "Contact: sip:a,b@example.com"),
        ),
        (
            "uri-needs-brackets",
            line("From", "From: sip:a@example.com?x=y;tag=1"),
        ),
        (
            "scheme-unsupported",
            line("INVITE", "INVITE gopher:x SIP/2.0"),
        ),
        (
            "scheme-unsupported",
            line("", "Record-Route: <http://example.com>"),
        ),
        (
            "bad-ipv6",
            line("Via", "Via: SIP/2.0/UDP 2001:db8::1;branch=z9hG4bKa"),
        ),
        (
            "bad-ipv6",
            line("Contact", "Contact: <sip:a@[2001:db8::zz]>"),
        ),
        (
            "port-out-of-range",
            line("Contact", "Contact: <sip:a@b:65536>"),
        ),
        (
            "port-out-of-range",
            line("Via", "Via: SIP/2.0/UDP h:123456;branch=z9hG4bKa"),
        ),
        ("bad-header-line", line("", "no colon here")),
        ("bad-header-line", line("", "bad name: x")),
        ("bad-header-line", line("", ": no name")),
        ("missing-header", line("Call-ID", "")),
        (
            "missing-header",
            line("INVITE", "SUBSCRIBE sip:bob@example.com SIP/2.0"),
        ),
        ("duplicate-header", line("", "i: abc@host.example.com")),
        ("too-many-values", line("To", "To: <sip:a@b>, <sip:c@d>")),
        (
            "too-many-values",
            line("Max-Forwards", "Max-Forwards: 70, 71"),
        ),
        ("empty-value", line("Call-ID", "Call-ID:")),
        ("empty-value", line("Contact", "Contact: ")),
        ("bad-separator", line("", "Supported: 100rel,,timer")),
        (
            "bad-separator",
            line("Contact", "Contact: <sip:a@b>;;expires=5"),
        ),
        (
            "bad-display-name",
            line("From", "From: A. [B] <sip:a@b>;tag=1"),
        ),
        (
            "unterminated-quote",
            line("From", "From: \"Alice <sip:a@b>;tag=1"),
        ),
        (
            "unterminated-quote",
            line("", "Authorization: Digest realm=\"x, nonce=1"),
        ),
        ("control-character", line("", "Subject: a\u{1b}[31mb")),
        ("control-character", typed(&SDP.replace("s=-", "s=\u{7}"))),
        (
            "number-out-of-range",
            line("Max-Forwards", "Max-Forwards: 256"),
        ),
        (
            "number-out-of-range",
            line("Max-Forwards", "Max-Forwards: -1"),
        ),
        ("number-out-of-range", line("", "Expires: 4294967296")),
        (
            "number-out-of-range",
            line("Contact", "Contact: <sip:a@b>;q=1.5"),
        ),
        (
            "unusual-size",
            line("", &format!("Subject: {}", "x".repeat(9000))),
        ),
        ("bad-cseq", line("CSeq", "CSeq: INVITE")),
        ("bad-cseq", line("CSeq", "CSeq: 2147483648 INVITE")),
        ("bad-cseq", line("CSeq", "CSeq: 1")),
        ("cseq-method-mismatch", line("CSeq", "CSeq: 1 ACK")),
        ("bad-via", line("Via", "Via: host.example.com")),
        ("bad-via", line("Via", "Via: SIP/2.0/UDP ;branch=z9hG4bKa")),
        (
            "bad-via",
            line("Via", "Via: HTTP/2.0/UDP h;branch=z9hG4bKa"),
        ),
        (
            "via-unusable-address",
            line("Via", "Via: SIP/2.0/UDP 0.0.0.0;branch=z9hG4bKa"),
        ),
        (
            "via-unusable-address",
            line("Via", "Via: SIP/2.0/UDP 239.1.1.1;branch=z9hG4bKa"),
        ),
        (
            "branch-without-cookie",
            line("Via", "Via: SIP/2.0/UDP h;branch=1"),
        ),
        (
            "branch-not-unique",
            line("Via", "Via: SIP/2.0/UDP h;branch=z9hG4bK"),
        ),
        ("missing-tag", line("From", "From: <sip:a@b>")),
        ("bad-date", line("", "Date: Sat, 13 Nov 2010 23:29:00 UTC")),
        ("bad-warning", line("", "Warning: 30 host \"x\"")),
        ("bad-warning", line("", "Warning: 399 host no quotes")),
        (
            "bad-authorization",
            line("", "Authorization: Digest username=\"a\""),
        ),
        ("bad-authorization", line("", "Proxy-Authorization: Digest")),
        (
            "auth-scheme-unknown",
            line("", "Authorization: Magic token=1"),
        ),
        ("bad-identity", line("", "Identity: a.b.c;info=<https://x>")),
        ("option-tag-unknown", line("", "Require: teleport")),
        ("content-length-invalid", line("", "Content-Length: 0x10")),
        ("content-length-invalid", line("", "Content-Length:")),
        ("content-length-invalid", line("", "Content-Length: 1.5")),
        ("content-length-invalid", line("", "Content-Length: +5")),
        ("content-length-negative", line("", "Content-Length: -5")),
        (
            "content-length-overflow",
            line("", "Content-Length: 4294967297"),
        ),
        ("content-length-too-large", line("", "Content-Length: 5")),
        (
            "content-length-too-small",
            altered(&[sdp, ("body", SDP), ("", "Content-Length: 20")]),
        ),
        (
            "trailing-octets",
            altered(&[("body", "xyz"), ("", "Content-Length: 0")]),
        ),
        (
            "content-type-unknown",
            altered(&[("", "Content-Type: text/odd"), ("body", "x")]),
        ),
        ("accept-mismatch", line("", "Accept: text/plain")),
        ("accept-mismatch", line("", "Accept:")),
        (
            "bad-multipart",
            altered(&[("", "Content-Type: multipart/mixed"), ("body", "x")]),
        ),
        (
            "bad-multipart",
            altered(&[
                ("", "c: multipart/mixed;boundary=b"),
                ("body", "--b\r\n\r\nx"),
            ]),
        ),
        (
            "xml-entity",
            altered(&[
                ("", "c: application/pidf+xml"),
                ("body", "<!DOCTYPE a [<!ENTITY b 'c'>]>"),
            ]),
        ),
        ("sdp-missing-line", typed(&SDP.replace("t=0 0\r\n", ""))),
        (
            "sdp-missing-line",
            typed(&SDP.replace("c=IN IP4 192.0.2.1\r\n", "")),
        ),
        ("sdp-bad-line", typed(&SDP.replace("4000", "99999"))),
        ("sdp-bad-line", typed(&SDP.replace("v=0", "v=1"))),
        ("sdp-bad-line", typed(&SDP.replace("t=0 0", "t=now"))),
        ("sdp-unknown-media", typed(&SDP.replace("audio", "smell"))),
        ("bad-line-end", altered(&[]).replace("\r\n", "\n")),
        ("bad-line-end", altered(&[]).replace("\r\n", "\r")),
        (
            "missing-blank-line",
            altered(&[]).trim_end().to_owned() + "\r\n",
        ),
        ("missing-blank-line", typed(SDP).replace("\r\n\r\n", "\r\n")),
    ];
    for (kind, text) in &cases {
        check(kind, text);
    }
    let invalid = [altered(&[("", "Subject: x")]).into_bytes(), vec![]].concat();
    let at = invalid.windows(2).position(|pair| pair == b": ").unwrap();
    let mut invalid = invalid;
    invalid[at + 2] = 0xff;
    let (_, diagnostics) = decode(&invalid, DATAGRAM);
    assert!(
        diagnostics
            .iter()
            .any(|diagnostic| diagnostic.kind.id() == "invalid-utf8")
    );
    let cut = Framing {
        datagram: true,
        cut: true,
        whole: false,
    };
    let (_, diagnostics) = decode(altered(&[]).as_bytes(), cut);
    assert_eq!(diagnostics[0].kind.id(), "not-all-captured");
    for kind in sipscope::diagnostic::DiagnosticKind::ALL {
        let apart = ["invalid-utf8", "not-all-captured"].contains(&kind.id());
        let shown = apart || cases.iter().any(|case| case.0 == kind.id());
        assert!(shown, "{} has no message", kind.id());
    }
}

#[test]
fn legal_oddities_are_not_blamed() {
    let lines = [
        (
            "From",
            "From: \"A, \\\"B\\\"\" <sip:a%40b@[::1]:5060;transport=tcp>;tag=a.b~c",
        ),
        (
            "From",
            "From: sip:+41441234567@example.com;user=phone;tag=1",
        ),
        (
            "From",
            "From: Anonymous <sip:c8oqz84zk7z@privacy.org>;tag=hyh8",
        ),
        ("To", "To: <tel:+41-44-123;phone-context=example.com>"),
        ("To", "To: <urn:service:sos>"),
        ("To", "To: \"\" <sips:bob@example.com>"),
        (
            "Contact",
            "Contact: \"Mr. Watson\" <sip:watson@bell.example.com>;q=0.7;expires=3600",
        ),
        (
            "Contact",
            "Contact: <sip:a@b;ob>;reg-id=1;+sip.instance=\"<urn:uuid:0-1>\"",
        ),
        (
            "Via",
            "Via: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bKa;rport;received=2001:db8::1",
        ),
        (
            "Via",
            "Via: SIP / 2.0 / UDP first.example.com: 4000;ttl=16;maddr=224.2.0.1 ;branch=z9hG4bKa7c",
        ),
        (
            "",
            "Authorization: NTLM qop=\"auth\", realm=\"SIP\", targetname=\"x\", gssapi-data=\"\"",
        ),
        ("", "Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.e30.abc=="),
        ("", "Supported:"),
        (
            "",
            "Accept: application/sdp;level=1, application/x-private, text/html",
        ),
        ("", "Accept: */*"),
        ("", "Allow: INVITE, ACK,\r\n BYE"),
        ("", "Retry-After: 18000;duration=3600"),
        ("", "Retry-After: 120 (I'm in a meeting)"),
        (
            "",
            "Reason: Q.850;cause=16;text=\"Terminated\", SIP;cause=200",
        ),
        (
            "",
            "Warning: 370 devnull \"Choose a bigger pipe\", 307 isi.edu \"Session parameter\"",
        ),
        (
            "",
            "Call-Info: <http://www.example.com/alice/photo.jpg> ;purpose=icon,\r\n <http://x/> ;purpose=info",
        ),
        ("", "Session-Expires: 1800;refresher=uac"),
        (
            "",
            "Replaces: 98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff",
        ),
        (
            "",
            "P-Asserted-Identity: \"Cullen\" <sip:fluffy@example.com>, tel:+14085264000",
        ),
        (
            "",
            "History-Info: <sip:UserA@example.com?Reason=SIP%3Bcause%3D302>;index=1.1",
        ),
        ("", "X-Anything: ,,;;\"<"),
        ("", "User-Agent: Phone \"x (beta"),
        ("", "Date: Thu, 21 Feb 2002 13:02:03 GMT"),
        ("", "Timestamp: 54.2 1.0"),
        ("", "Privacy: id;critical"),
        ("", "Min-SE: 90"),
        (
            "",
            "Security-Client: ipsec-3gpp;alg=hmac-md5-96;spi-c=1, tls;q=0.1",
        ),
        ("", "Geolocation: <cid:target123@example.com>"),
        ("", "Subject: caf\u{e9} \u{65e5}\u{672c}"),
        ("CSeq", "CSeq: 0 INVITE"),
        ("Max-Forwards", "Max-Forwards: 0"),
    ];
    let mut blamed = Vec::new();
    for (old, new) in lines {
        let text = altered(&[(old, new)]);
        for diagnostic in decode(text.as_bytes(), DATAGRAM).1 {
            if diagnostic.severity > Severity::Info {
                blamed.push(format!("{new}: {diagnostic:?}"));
            }
        }
    }
    assert!(blamed.is_empty(), "{}", blamed.join("\n"));
}
