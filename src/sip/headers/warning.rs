//! Warning: code, agent, text (RFC 3261, 20.43).

use nom::IResult;
use nom::Parser as _;
use nom::bytes::complete::{take_while_m_n, take_while1};
use nom::character::complete::char;
use nom::combinator::rest;

use crate::diagnostic::DiagnosticKind as Kind;
use crate::piece::{Piece, is_white};
use crate::sip::lex;
use crate::sip::sink::Sink;
use crate::span::Span;

/// One warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The code, when it has three digits.
    pub code: Option<u16>,
    /// Where the code stands.
    pub code_span: Span,
    /// Who warns: a host, perhaps with port, or a pseudonym.
    pub agent: Span,
    /// The text, without its quotes when it has them.
    pub text: Span,
}

fn shape(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let code = take_while_m_n(3, 3, |b: u8| b.is_ascii_digit());
    let agent = take_while1(|b: u8| !is_white(b) && b != b'"');
    let (quoted, _) = (code, char(' '), agent, char(' ')).parse(input)?;
    rest(quoted)
}

pub(super) fn decode(value: Piece<'_>, sink: &mut Sink) -> Warning {
    let (code, after) = value.split_word();
    let (agent, text) = after.split_word();
    let quoted = text.first() == Some(b'"');
    let whole = shape(value.bytes()).is_ok_and(|(_, quoted)| {
        quoted.first() == Some(&b'"') && lex::quoted_len(quoted) == Some(quoted.len())
    });
    if !whole {
        let (span, words) = if code.len() != 3 || !code.is_digits() {
            (code.span(), "A warning begins with a code of three digits")
        } else {
            (value.span(), "A warning reads: code agent \"text\"")
        };
        sink.add(Kind::BadWarning, span, words);
    }
    let inner = match lex::quoted_len(text.bytes()).filter(|_| quoted) {
        Some(len) => text.range(1, len.wrapping_sub(1)),
        None => text,
    };
    Warning {
        code: code
            .number()
            .filter(|_| code.len() == 3)
            .and_then(|code| u16::try_from(code).ok()),
        code_span: code.span(),
        agent: agent.span(),
        text: inner.span(),
    }
}
