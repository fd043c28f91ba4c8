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
