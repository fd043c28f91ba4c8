//! Challenges and credentials (RFC 3261, 20.7, 20.44 and 22).

use crate::diagnostic::DiagnosticKind as Kind;
use crate::piece::Piece;
use crate::sip::lex;
use crate::sip::registry;
use crate::sip::sink::{Param, Sink, find_param};
use crate::span::Span;

/// A challenge, credentials, or the parameters of Authentication-Info.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// `Digest`, `Bearer` ...; empty in Authentication-Info.
    pub scheme: Span,
    /// What stands behind the scheme when it is no list of parameters.
    pub token: Span,
    /// `realm`, `nonce`, `response` ...; values keep their quotes.
    pub params: Vec<Param>,
}

pub(super) fn decode(bytes: &[u8], value: Piece<'_>, credentials: bool, sink: &mut Sink) -> Auth {
    let (scheme, rest) = value.split_word();
    let mut auth = Auth {
        scheme: scheme.span(),
        token: Span::default(),
        params: Vec::new(),
    };
    if !lex::is_token(scheme.bytes()) {
        let text = "The value has to begin with a scheme such as Digest";
        sink.add(Kind::BadAuthorization, scheme.span(), text);
        return auth;
    }
    if !registry::is_auth_scheme(scheme.bytes()) {
        sink.add(
            Kind::AuthSchemeUnknown,
            scheme.span(),
            format!(
                "Nobody registered the authentication scheme \"{}\"",
                scheme.text()
            ),
        );
    }
    if rest.is_empty() {
        let text = "There is nothing behind the authentication scheme";
        sink.add(Kind::BadAuthorization, scheme.span(), text);
        return auth;
    }
    let digest = scheme.is("Digest");
    // Base64 of other schemes ends in `=`, which is no parameter.
    let word = rest
        .bytes()
        .iter()
        .position(|b| matches!(b, b'=' | b',' | b' ' | b'"'));
    let opaque = word.is_none_or(|at| {
        rest.skip(at).bytes().iter().all(|b| *b == b'=') || rest.bytes().get(at) == Some(&b' ')
    });
    if opaque && !digest {
        auth.token = rest.span();
        return auth;
    }
    auth.params = params(rest, sink);
    if digest {
        let needed: &[&str] = if credentials {
            &["username", "realm", "nonce", "uri", "response"]
        } else {
            &["realm", "nonce"]
        };
        for name in needed {
            if find_param(&auth.params, bytes, name).is_none() {
                sink.add(
                    Kind::BadAuthorization,
                    value.span(),
                    format!("Digest needs the parameter {name}"),
                );
            }
        }
    }
    auth
}

pub(super) fn info(value: Piece<'_>, sink: &mut Sink) -> Auth {
    let none = Span::default();
    Auth {
        scheme: none,
        token: none,
        params: params(value, sink),
    }
}

fn params(text: Piece<'_>, sink: &mut Sink) -> Vec<Param> {
    let mut params = Vec::new();
    for element in lex::elements(text) {
        let raw = lex::raw_param(element);
        if element.is_empty() {
            let at = Span {
                start: element.span().start.saturating_sub(1),
                ..element.span()
            };
            sink.add(Kind::BadSeparator, at, "A comma with nothing beside it");
        } else if raw.value.is_none() || !lex::is_token(raw.name.bytes()) {
            let text = "Authentication parameters read name=value";
            sink.add(Kind::BadAuthorization, element.span(), text);
        } else if sink.may_decode(element.span()) {
            params.push(raw.into());
        } else {
            break;
        }
    }
    params
}
