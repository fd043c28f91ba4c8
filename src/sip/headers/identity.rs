//! Identity: is the PASSporT readable? (RFC 8224, 4; RFC 8225, 5). Signatures are not judged.

use serde_json::Value;

use crate::diagnostic::DiagnosticKind as Kind;
use crate::piece::Piece;
use crate::sip::lex;
use crate::sip::sink::Sink;

/// Seconds since 1970 beyond this (year 9999) are no date.
const LATEST_IAT: u64 = 253_402_300_799;

/// Says what is wrong with an Identity value.
pub(super) fn check(value: Piece<'_>, sink: &mut Sink) {
    let end = lex::find_unquoted(value.bytes(), b';').unwrap_or(value.len());
    let token = value.take(end).trim();
    // RFC 4474 had a signature in Base64 here, no token.
    if token.find(b'.').is_none() {
        let old = token
            .bytes()
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"+/=\"".contains(b));
        if !old || token.is_empty() {
            sink.add(
                Kind::BadIdentity,
                token.span(),
                "This is neither a PASSporT nor Base64",
            );
        }
        return;
    }
    let mut parts = token.bytes().split(|b| *b == b'.');
    let (header, payload, signature) = (parts.next(), parts.next(), parts.next());
    let (Some(header), Some(payload), Some(signature)) = (header, payload, signature) else {
        sink.add(
            Kind::BadIdentity,
            token.span(),
            "A PASSporT has three parts between dots",
        );
        return;
    };
    if parts.next().is_some() || decode(signature).is_none_or(|octets| octets.is_empty()) {
        sink.add(
            Kind::BadIdentity,
            token.span(),
            "The signature of the PASSporT cannot be read",
        );
    }
    // The compact form leaves both out (RFC 8225, 7).
    if header.is_empty() && payload.is_empty() {
        return;
    }
    if object(header).is_none() {
        sink.add(
            Kind::BadIdentity,
            token.span(),
            "The header of the PASSporT is no JSON object",
        );
    }
    let Some(claims) = object(payload) else {
        sink.add(
            Kind::BadIdentity,
            token.span(),
            "The claims of the PASSporT are no JSON object",
        );
        return;
    };
    let iat = claims.get("iat").and_then(Value::as_u64);
    if iat.is_none_or(|iat| iat > LATEST_IAT) {
        sink.add(
            Kind::BadIdentity,
            token.span(),
            "The claim iat is no time in seconds",
        );
    }
    for claim in ["orig", "dest"] {
        if !claims.get(claim).is_some_and(Value::is_object) {
            let text = format!("The claim {claim} is missing");
            sink.add(Kind::BadIdentity, token.span(), text);
        }
    }
}

fn object(part: &[u8]) -> Option<serde_json::Map<String, Value>> {
    match serde_json::from_slice(&decode(part)?).ok()? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

/// Octets of base64url without padding (RFC 4648, 5).
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    for group in text.chunks(4) {
        if group.len() == 1 {
            return None;
        }
        let mut bits = 0_u32;
        for index in 0..4 {
            let digit = match group.get(index) {
                Some(&byte) => sextet(byte)?,
                None => 0,
            };
            bits = (bits << 6) | u32::from(digit);
        }
        let [_, first, second, third] = bits.to_be_bytes();
        octets.extend(
            [first, second, third]
                .into_iter()
                .take(group.len().saturating_sub(1)),
        );
    }
    Some(octets)
}

fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_value(value: &str, good: bool) {
        let mut sink = Sink::default();
        check(Piece::whole(value.as_bytes()), &mut sink);
        assert_eq!(
            sink.diagnostics.is_empty(),
            good,
            "{value}: {:?}",
            sink.diagnostics
        );
    }

    #[test]
    fn passports_are_read() {
        let good =
            "eyJhbGciOiJFUzI1NiJ9.eyJkZXN0Ijp7fSwiaWF0IjoxLCJvcmlnIjp7fX0.QQ;info=<https://x>";
        check_value(good, true);
        check_value("..QQ;info=<https://x>;alg=ES256", true);
        check_value("r5mwreLuyDRYBi/0TiPw+E=", true);
        check_value("eyJ+.eyJ9.QQ", false);
        check_value("e30.e30.QQ", false);
        check_value("a.b", false);
        assert_eq!(decode(b"SGVsbG8"), Some(b"Hello".to_vec()));
    }
}
