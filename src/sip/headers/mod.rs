//! Header values by grammar class (RFC 3261, 20 and 25.1).

mod address;
mod auth;
mod date;
mod identity;
mod numbers;
mod via;
mod warning;

pub use address::Address;
pub use auth::Auth;
pub use date::Date;
pub(in crate::sip) use numbers::is_qvalue;
pub use numbers::{CSeq, Integer, RAck};
pub use via::Via;
pub use warning::Warning;

use super::header_name::{Grammar, Header, HeaderInfo};
use super::lex;
use super::lines::RawField;
use super::method::Method;
use super::registry;
use super::sink::{Param, Sink};
use super::start_line::StartKind;
use crate::diagnostic::DiagnosticKind as Kind;
use crate::piece::Piece;
use crate::span::Span;

/// One value of a header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderValue {
    /// The value with its parameters.
    pub span: Span,
    /// What it means.
    pub value: Value,
}

/// What a header value means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Via.
    Via(Via),
    /// A URI with display name and parameters.
    Address(Address),
    /// The `*` of a Contact that removes all bindings.
    Star,
    /// CSeq.
    CSeq(CSeq),
    /// RAck.
    RAck(RAck),
    /// A challenge, credentials, or Authentication-Info.
    Auth(Auth),
    /// Date; nothing when it cannot be read.
    Date(Option<Date>),
    /// Warning.
    Warning(Warning),
    /// A media type or range.
    MediaType(MediaType),
    /// A token or a Call-ID with parameters.
    Token(Token),
    /// A number with parameters.
    Integer(Integer),
    /// Free text, or what has no grammar here.
    Text,
}

/// `type/subtype;params`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// `application` in `application/sdp`.
    pub kind: Span,
    /// `sdp` in `application/sdp`.
    pub subtype: Span,
    /// Parameters, such as `boundary` or `q`.
    pub params: Vec<Param>,
}

/// `token;params`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What stands before the first semicolon.
    pub token: Span,
    /// Parameters.
    pub params: Vec<Param>,
}

/// What the values of a header have to be judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Surroundings {
    pub(super) kind: StartKind,
    /// Method of the request; for responses unknown while headers are read.
    pub(super) method: Method,
    pub(super) status: u16,
}

/// Decodes the values of one field, and says what is wrong with them.
pub(super) fn decode(
    bytes: &[u8],
    field: &RawField<'_>,
    info: &HeaderInfo,
    around: Surroundings,
    sink: &mut Sink,
) -> Vec<HeaderValue> {
    let value = field.value;
    if value.is_empty() {
        if needs_value(info) {
            sink.add(
                Kind::EmptyValue,
                field.line.span(),
                format!("{} has no value", info.name),
            );
        }
        return Vec::new();
    }
    let quotes_matter = !matches!(info.grammar, Grammar::Text | Grammar::CallId);
    if quotes_matter && has_open_quote(value.bytes()) {
        sink.add(
            Kind::UnterminatedQuote,
            value.span(),
            "A quoted string is never closed",
        );
    }
    let is_list = info.multi && is_comma_list(info.grammar);
    if !is_list || value.find(b',').is_none() {
        if !is_list && quotes_matter {
            check_single(value, info, sink);
        }
        if !sink.may_decode(value.span()) {
            return Vec::new();
        }
        return vec![one(bytes, value, info, around, sink)];
    }
    let mut values: Vec<HeaderValue> = Vec::new();
    for element in lex::elements(value) {
        if element.is_empty() {
            sink.add(
                Kind::BadSeparator,
                comma_near(value, element),
                "A comma with nothing beside it",
            );
            continue;
        }
        // The comma was part of a URI that should have stood in brackets.
        if info.header == Header::Contact && is_torn_uri(bytes, element, values.last()) {
            sink.add(
                Kind::UriNeedsBrackets,
                element.span(),
                "A URI with a comma has to stand in angle brackets",
            );
        }
        if !sink.may_decode(element.span()) {
            break;
        }
        values.push(one(bytes, element, info, around, sink));
    }
    values
}

fn one(
    bytes: &[u8],
    value: Piece<'_>,
    info: &HeaderInfo,
    around: Surroundings,
    sink: &mut Sink,
) -> HeaderValue {
    let decoded = match info.grammar {
        Grammar::Via => Value::Via(via::decode(value, sink)),
        Grammar::Address if info.header == Header::Contact && value.bytes() == b"*" => Value::Star,
        Grammar::Address => {
            Value::Address(address::decode(value, address::place(info, around), sink))
        }
        Grammar::CSeq => Value::CSeq(numbers::cseq(value, sink)),
        Grammar::RAck => Value::RAck(numbers::rack(value, sink)),
        Grammar::Challenge | Grammar::Credentials => Value::Auth(auth::decode(
            bytes,
            value,
            info.grammar == Grammar::Credentials,
            sink,
        )),
        Grammar::AuthInfo => Value::Auth(auth::info(value, sink)),
        Grammar::Date => Value::Date(date::decode(value, sink)),
        Grammar::Warning => Value::Warning(warning::decode(value, sink)),
        Grammar::MediaType => Value::MediaType(media_type(value, sink)),
        Grammar::Integer => Value::Integer(numbers::integer(value, info.header, sink)),
        Grammar::CallId => Value::Token(token(value, info, sink)),
        Grammar::Token => {
            if info.header == Header::Identity {
                identity::check(value, sink);
            }
            Value::Token(token(value, info, sink))
        }
        Grammar::Params => Value::Token(Token {
            token: value.take(0).span(),
            params: lex_all_params(value, sink),
        }),
        Grammar::Text => Value::Text,
    };
    HeaderValue {
        span: value.span(),
        value: decoded,
    }
}

/// Headers whose grammar allows an empty value, and those whose grammar we do not know, need none.
fn needs_value(info: &HeaderInfo) -> bool {
    let may_be_empty = [
        "Accept",
        "Accept-Encoding",
        "Accept-Language",
        "Allow",
        "Supported",
    ];
    info.registered
        && info.grammar != Grammar::Text
        && !may_be_empty.iter().any(|name| *name == info.name)
}

fn is_comma_list(grammar: Grammar) -> bool {
    // Challenges and credentials have commas within (7.3.1).
    !matches!(
        grammar,
        Grammar::Text
            | Grammar::Challenge
            | Grammar::Credentials
            | Grammar::AuthInfo
            | Grammar::Params
    )
}

/// A comma in the value of a header that takes one value.
fn check_single(value: Piece<'_>, info: &HeaderInfo, sink: &mut Sink) {
    let splits = matches!(
        info.grammar,
        Grammar::Address | Grammar::CSeq | Grammar::Integer | Grammar::MediaType | Grammar::RAck
    );
    if !splits || !info.registered {
        return;
    }
    let Some(comma) = lex::find_comma(value.bytes()) else {
        return;
    };
    let (before, after) = (value.take(comma), value.skip(comma));
    let ends = match info.grammar {
        // A comma in front of the address belongs to a display name or to a URI.
        Grammar::Address => {
            before.find(b'<').is_some() || after.find(b'<').is_none() && before.find(b';').is_some()
        }
        _ => true,
    };
    if ends {
        sink.add(
            Kind::TooManyValues,
            after.span(),
            format!("{} takes one value, no list with commas", info.name),
        );
    }
}

fn has_open_quote(value: &[u8]) -> bool {
    let mut rest = value;
    while let Some(at) = memchr::memchr(b'"', rest) {
        let text = rest.get(at..).unwrap_or_default();
        let Some(len) = lex::quoted_len(text) else {
            return true;
        };
        rest = text.get(len..).unwrap_or_default();
    }
    false
}

/// The comma beside an empty list element.
fn comma_near(value: Piece<'_>, element: Piece<'_>) -> Span {
    let at = element
        .span()
        .start
        .clamp(value.span().start, value.span().end.saturating_sub(1));
    Span {
        start: at,
        end: at.saturating_add(1),
    }
}

fn is_torn_uri(bytes: &[u8], element: Piece<'_>, before: Option<&HeaderValue>) -> bool {
    let before_is_bare = before.is_some_and(|value| {
        matches!(&value.value, Value::Address(address) if !address.bracketed && !address.uri.span.of(bytes).is_empty())
    });
    let raw = lex::raw_address(element);
    before_is_bare && !raw.bracketed && raw.uri.find(b':').is_none()
}

fn media_type(value: Piece<'_>, sink: &mut Sink) -> MediaType {
    let end = value.find(b';').unwrap_or(value.len());
    let whole = value.take(end).trim();
    let (kind, subtype) = whole
        .split_once(b'/')
        .unwrap_or((whole, whole.skip(whole.len())));
    MediaType {
        kind: kind.trim().span(),
        subtype: subtype.trim().span(),
        params: sink.params(value.skip(end)),
    }
}

fn token(value: Piece<'_>, info: &HeaderInfo, sink: &mut Sink) -> Token {
    let end = lex::find_unquoted(value.bytes(), b';').unwrap_or(value.len());
    let name = value.take(end).trim();
    if matches!(info.header, Header::Require | Header::ProxyRequire)
        && !registry::is_option_tag(name.bytes())
    {
        sink.add(
            Kind::OptionTagUnknown,
            name.span(),
            format!("The option tag \"{}\" is in no registry", name.text()),
        );
    }
    // A Call-ID may hold semicolons only where parameters are meant.
    let params = match info.header {
        Header::CallId => Vec::new(),
        _ => sink.params(value.skip(end)),
    };
    let name = if info.header == Header::CallId {
        value
    } else {
        name
    };
    Token {
        token: name.span(),
        params,
    }
}

/// Parameters separated by semicolons or commas, from the first octet.
fn lex_all_params(value: Piece<'_>, sink: &mut Sink) -> Vec<Param> {
    let mut params = Vec::new();
    for element in lex::elements(value) {
        let mut rest = Some(element);
        while let Some(text) = rest {
            let end = lex::find_unquoted(text.bytes(), b';');
            let raw = lex::raw_param(text.take(end.unwrap_or(text.len())));
            if !raw.name.is_empty() && sink.may_decode(raw.whole.span()) {
                params.push(raw.into());
            }
            rest = end.map(|end| text.skip(end.wrapping_add(1)));
        }
    }
    params
}
