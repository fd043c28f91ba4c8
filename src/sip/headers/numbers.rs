//! Values made of numbers: CSeq, RAck, seconds and counts (RFC 3261, 20).

use nom::IResult;
use nom::Parser as _;
use nom::bytes::complete::{take_while, take_while1};
use nom::combinator::all_consuming;

use crate::diagnostic::DiagnosticKind as Kind;
use crate::piece::{Piece, is_white};
use crate::sip::header_name::Header;
use crate::sip::lex;
use crate::sip::method::Method;
use crate::sip::scan::cseq_parts;
use crate::sip::sink::{Param, Sink};
use crate::span::Span;

/// CSeq: number and method (20.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq {
    /// The number, when it fits 32 bits.
    pub number: Option<u32>,
    /// Where the number stands.
    pub number_span: Span,
    /// The method.
    pub method: Method,
    /// Where the method stands.
    pub method_span: Span,
}

/// RAck: which provisional response is acknowledged (RFC 3262, 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RAck {
    /// RSeq of the response.
    pub rseq: Option<u32>,
    /// CSeq number of the response.
    pub cseq: Option<u32>,
    /// CSeq method of the response.
    pub method: Method,
}

/// A number with parameters or a comment behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integer {
    /// The number; too large ones saturate.
    pub number: Option<u64>,
    /// Where it stands.
    pub number_span: Span,
    /// Parameters.
    pub params: Vec<Param>,
}

/// CSeq numbers are smaller than this (8.1.1.5).
const CSEQ_LIMIT: u64 = 1 << 31;

fn digits(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while1(|b: u8| b.is_ascii_digit()).parse(input)
}

fn blanks(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while1(is_white).parse(input)
}

fn method(input: &[u8]) -> IResult<&[u8], &[u8]> {
    take_while1(lex::is_token_byte).parse(input)
}

pub(super) fn cseq(value: Piece<'_>, sink: &mut Sink) -> CSeq {
    let (number, name) = cseq_parts(value);
    if all_consuming((digits, blanks, method))
        .parse(value.bytes())
        .is_err()
    {
        sink.add(Kind::BadCSeq, value.span(), "CSeq is a number and a method");
    } else if number.number().is_none_or(|number| number >= CSEQ_LIMIT) {
        sink.add(
            Kind::BadCSeq,
            number.span(),
            "The number in CSeq has to be below 2^31",
        );
    }
    CSeq {
        number: number
            .number()
            .and_then(|number| u32::try_from(number).ok()),
        number_span: number.span(),
        method: Method::from_bytes(name.bytes()),
        method_span: name.span(),
    }
}

pub(super) fn rack(value: Piece<'_>, sink: &mut Sink) -> RAck {
    let (rseq, rest) = value.split_word();
    let (cseq, name) = rest.split_word();
    let shape = (digits, blanks, digits, blanks, method);
    if all_consuming(shape).parse(value.bytes()).is_err() {
        sink.add(
            Kind::BadCSeq,
            value.span(),
            "RAck is two numbers and a method (RFC 3262, 7.2)",
        );
    }
    let mut fit = |text: Piece<'_>, limit: u64| {
        let number = text.number()?;
        if number >= limit {
            sink.add(
                Kind::NumberOutOfRange,
                text.span(),
                "This number in RAck is too large",
            );
        }
        u32::try_from(number).ok()
    };
    RAck {
        rseq: fit(rseq, 1 << 32),
        cseq: fit(cseq, CSEQ_LIMIT),
        method: Method::from_bytes(name.bytes()),
    }
}

pub(super) fn integer(value: Piece<'_>, header: Header, sink: &mut Sink) -> Integer {
    let end = value
        .bytes()
        .iter()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(value.len());
    let number = value.take(end);
    let rest = value.skip(end).trim_start();
    let params_only = matches!(rest.first(), None | Some(b';'));
    // Retry-After may carry a comment (20.33).
    let comment = header == Header::RetryAfter && rest.first() == Some(b'(');
    let params_at = if comment {
        rest.find(b')').map_or(rest.len(), |at| at + 1)
    } else {
        0
    };
    if header != Header::ContentLength {
        if number.is_empty() || !(params_only || comment) {
            // An Expires of RFC 2543 may be a date.
            let kind = Kind::NumberOutOfRange;
            sink.add(kind, value.span(), "This is not a number of digits only");
        } else if let Some(limit) = limit_of(header)
            && number.number().is_none_or(|number| number > limit)
        {
            sink.add(
                Kind::NumberOutOfRange,
                number.span(),
                format!("This number is larger than {limit}"),
            );
        }
    }
    let params = if params_only || comment {
        sink.params(rest.skip(params_at).trim_start())
    } else {
        Vec::new()
    };
    Integer {
        number: number.number(),
        number_span: number.span(),
        params,
    }
}

/// The largest number that a header allows.
fn limit_of(header: Header) -> Option<u64> {
    match header {
        Header::MaxForwards => Some(255),
        Header::ContentLength => None,
        _ => Some(u64::from(u32::MAX)),
    }
}

/// Checks a `q` value: 0 to 1 with at most three digits behind the point.
pub(in crate::sip) fn is_qvalue(text: &[u8]) -> bool {
    fn qvalue(input: &[u8]) -> IResult<&[u8], (u8, Option<&[u8]>)> {
        use nom::character::complete::one_of;
        use nom::combinator::opt;
        use nom::sequence::preceded;
        let point = nom::bytes::complete::tag(&b"."[..]);
        let fraction = preceded(point, take_while(|b: u8| b.is_ascii_digit()));
        (
            one_of("01").map(|c| if c == '1' { 1 } else { 0 }),
            opt(fraction),
        )
            .parse(input)
    }
    match all_consuming(qvalue).parse(text) {
        Ok((_, (whole, fraction))) => {
            let fraction = fraction.unwrap_or_default();
            fraction.len() <= 3 && (whole == 0 || fraction.iter().all(|b| *b == b'0'))
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn q_goes_from_0_to_1() {
        for good in ["0", "1", "0.5", "0.333", "1.0", "1.000", "0."] {
            assert!(is_qvalue(good.as_bytes()), "{good}");
        }
        for bad in ["1.1", "2", "0.1234", "-1", "", ".5", "0,5"] {
            assert!(!is_qvalue(bad.as_bytes()), "{bad}");
        }
    }
}
