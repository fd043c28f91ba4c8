//! Addresses: display name, URI, parameters (RFC 3261, 20.10).

use super::Surroundings;
use crate::diagnostic::DiagnosticKind as Kind;
use crate::piece::{Piece, is_white};
use crate::sip::header_name::{Header, HeaderInfo};
use crate::sip::lex;
use crate::sip::method::Method;
use crate::sip::scan::StartKind;
use crate::sip::sink::{Param, Sink};
use crate::sip::uri::{self, Place, Uri};
use crate::span::Span;

/// An address as From, To, Contact, Route and many others hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Display name without quotes, escapes kept; empty when absent.
    pub name: Span,
    /// The display name is a quoted string.
    pub quoted: bool,
    /// The URI stands in angle brackets.
    pub bracketed: bool,
    /// The URI.
    pub uri: Uri,
    /// Parameters of the header, not of the URI.
    pub params: Vec<Param>,
}

impl Address {
    /// The display name as people read it: without quotes, escapes (RFC 3261, 25.1) and white
    /// space around. `octets` are those of the message.
    pub fn display_name(&self, octets: &[u8]) -> String {
        let name = String::from_utf8_lossy(self.name.of(octets));
        let name = match self.quoted {
            true => unquoted(&name),
            false => name.into_owned(),
        };
        name.trim().to_owned()
    }
}

/// A quoted string without its escapes.
fn unquoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => out.extend(letters.next()),
            letter => out.push(letter),
        }
    }
    out
}

/// Where the URI of a header stands, by the rules for URIs.
pub(super) fn place(info: &HeaderInfo, around: Surroundings) -> Place {
    match info.header {
        Header::From | Header::To => Place::FromTo,
        Header::Route | Header::RecordRoute | Header::Path | Header::ServiceRoute => Place::Route,
        Header::Contact => {
            let opens_dialog = matches!(
                around.method,
                Method::Invite
                    | Method::Subscribe
                    | Method::Notify
                    | Method::Refer
                    | Method::Update
            );
            match around.kind {
                StartKind::Request if opens_dialog => Place::DialogContact,
                // Whether a 2xx answers a REGISTER is not known yet.
                StartKind::Response if around.status < 200 => Place::DialogContact,
                _ => Place::Contact,
            }
        }
        _ => Place::Elsewhere,
    }
}

pub(super) fn decode(value: Piece<'_>, place: Place, sink: &mut Sink) -> Address {
    let raw = lex::raw_address(value);
    if !raw.quoted && !raw.open_quote && !raw.name.is_empty() {
        check_name(raw.name, sink);
    }
    if raw.open_bracket {
        sink.add(
            Kind::BadUri,
            value.span(),
            "An angle bracket is never closed",
        );
    }
    if !raw.bracketed && matches!(place, Place::FromTo | Place::Contact | Place::DialogContact) {
        let odd = raw
            .uri
            .bytes()
            .iter()
            .position(|b| matches!(b, b'?' | b','));
        if let Some(at) = odd {
            let octet = raw.uri.range(at, at.wrapping_add(1));
            sink.add(
                Kind::UriNeedsBrackets,
                octet.span(),
                "A URI with a question mark or comma has to stand in angle brackets",
            );
        }
    }
    if raw.bracketed {
        check_brackets(value, raw.uri, sink);
    }
    // The question mark was judged above; its headers are no second fault.
    let inner = if raw.bracketed {
        place
    } else {
        Place::Elsewhere.max_of(place, raw.uri)
    };
    let uri = uri::decode(raw.uri, inner, sink);
    if !raw.bracketed && place == Place::Route {
        sink.add(
            Kind::BadUri,
            raw.uri.span(),
            "A route has to stand in angle brackets",
        );
    }
    Address {
        name: raw.name.span(),
        quoted: raw.quoted,
        bracketed: raw.bracketed,
        uri,
        params: sink.params(raw.rest),
    }
}

impl Place {
    /// Keeps the rules about schemes for a URI without brackets, not the one about headers.
    fn max_of(self, place: Place, uri: Piece<'_>) -> Place {
        let has_headers = uri.find(b'?').is_some();
        match place {
            Place::DialogContact | Place::Contact => Place::Contact,
            Place::FromTo if has_headers => Place::Contact,
            _ => place,
        }
    }
}

/// A display name without quotes consists of tokens.
fn check_name(name: Piece<'_>, sink: &mut Sink) {
    let odd = name
        .bytes()
        .iter()
        .position(|&b| !lex::is_token_byte(b) && !is_white(b));
    if let Some(at) = odd {
        sink.add(
            Kind::BadDisplayName,
            name.range(at, at.wrapping_add(1)).span(),
            "A display name with this octet has to be a quoted string",
        );
    }
}

/// White space between the angle brackets and the URI.
fn check_brackets(value: Piece<'_>, uri: Piece<'_>, sink: &mut Sink) {
    let (outer, inner) = (value.span(), uri.span());
    let offset = inner.start.wrapping_sub(outer.start) as usize;
    let before = offset.checked_sub(1).and_then(|at| value.bytes().get(at));
    let after = value.bytes().get(offset.wrapping_add(uri.len()));
    let blank = |byte: Option<&u8>| byte.is_some_and(|b| matches!(b, b' ' | b'\t'));
    if !uri.is_empty() && (blank(before) || blank(after)) {
        let span = Span {
            start: inner.start.saturating_sub(1),
            end: inner.end.saturating_add(1),
        };
        let text = "White space between the angle brackets and the URI";
        sink.add(
            Kind::ExtraWhitespace,
            Span {
                end: span.end.min(outer.end),
                ..span
            },
            text,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_taken_out_of_quoted_names() {
        assert_eq!(unquoted(r#"M \"830\" \\ x"#), r#"M "830" \ x"#);
        assert_eq!(unquoted("\\"), "");
    }
}
