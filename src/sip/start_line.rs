//! Start lines: request lines and status lines (RFC 3261, 7.1 and 7.2).

use serde::Serialize;

use super::lex;
use super::lines::{self, LineEnd};
use super::method::Method;
use crate::piece::Piece;
use crate::span::Span;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StartKind {
    /// Begins with a request line.
    Request,
    /// Begins with a status line.
    Response,
}

/// The first line of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct StartLine {
    /// Request or response.
    pub kind: StartKind,
    /// The line without its line end.
    pub span: Span,
    /// The method of a request; `Other` for a response.
    pub method: Method,
    /// The name of the method; empty in a response.
    pub method_span: Span,
    /// The Request-URI; empty in a response.
    pub uri: Span,
    /// `SIP/2.0`, or what stands in its place.
    pub version: Span,
    /// The status code, 0 for a request; what is larger than 65535 saturates.
    pub status: u16,
    /// The status code as text; empty in a request.
    pub status_span: Span,
    /// The reason phrase; empty in a request.
    pub reason: Span,
}

/// A method longer than this is not taken for one.
const LONGEST_METHOD: usize = 128;
/// A start line longer than this is not searched for its end.
const LONGEST_START_LINE: usize = 64 * 1024;

/// Says whether a SIP start line begins at the first octet. `text` may be cut anywhere.
///
/// Broken lines are recognised too, as long as nothing else can be meant: RTSP, HTTP and MGCP
/// name another protocol at the end of the line.
pub fn recognise(text: &[u8]) -> Option<StartKind> {
    if text
        .get(..4)
        .is_some_and(|head| head.eq_ignore_ascii_case(b"SIP/"))
    {
        return is_status_line(text).then_some(StartKind::Response);
    }
    let head = text.get(..LONGEST_METHOD).unwrap_or(text);
    let len = head.iter().position(|&byte| !lex::is_token_byte(byte))?;
    let method = head.get(..len).filter(|method| !method.is_empty())?;
    if !matches!(head.get(len), Some(b' ' | b'\t')) {
        return None;
    }
    let known = Method::from_bytes(method) != Method::Other;
    let rest = Piece::whole(text.get(len..)?);
    let blanks = rest
        .bytes()
        .iter()
        .take_while(|&&b| b == b' ' || b == b'\t')
        .count();
    let rest = rest.skip(blanks);
    let sip_uri = rest.bytes().starts_with(b"sip:")
        || ["sip:", "sips:", "<sip:", "<sips:"]
            .iter()
            .any(|scheme| rest.starts_with(scheme));
    if known && (sip_uri || rest.starts_with("tel:")) {
        return Some(StartKind::Request);
    }
    let rest = rest.take(LONGEST_START_LINE);
    let line = lines::line_at(rest.bytes(), 0);
    if line.line_end == LineEnd::None {
        // Cut within the request line.
        return sip_uri.then_some(StartKind::Request);
    }
    let (uri, version) = split_version(rest.take(line.end));
    let has_scheme = || {
        let (word, _) = uri.split_word();
        word.find(b':')
            .is_some_and(|at| at > 0 && at.wrapping_add(1) < word.len())
    };
    (!version.is_empty() && (known || has_scheme())).then_some(StartKind::Request)
}

fn is_status_line(text: &[u8]) -> bool {
    let rest = text.get(4..).unwrap_or_default();
    let version = rest
        .iter()
        .take_while(|b| b.is_ascii_digit() || **b == b'.')
        .count();
    let rest = rest.get(version..).unwrap_or_default();
    if version == 0 {
        return text.len() == 4;
    }
    let blanks = rest
        .iter()
        .take_while(|b| **b == b' ' || **b == b'\t')
        .count();
    // A minus sign or letters make a bad status code, not another protocol.
    blanks > 0 || rest.is_empty() || (matches!(rest.first(), Some(b'\r' | b'\n')) && version == 3)
}

/// Splits what follows the method into Request-URI and version.
fn split_version(rest: Piece<'_>) -> (Piece<'_>, Piece<'_>) {
    let rest = rest.trim();
    if rest.bytes().ends_with(b" SIP/2.0") {
        let uri = rest.len().saturating_sub(8);
        return (rest.take(uri).trim_end(), rest.skip(uri.wrapping_add(1)));
    }
    let blank = rest
        .bytes()
        .iter()
        .rposition(|&byte| byte == b' ' || byte == b'\t');
    let word = blank.map_or(0, |at| at.wrapping_add(1));
    let version = rest.skip(word);
    if version.starts_with("SIP/") {
        (rest.take(word).trim_end(), version)
    } else {
        (rest, rest.skip(rest.len()))
    }
}

/// Splits the first line of a message, whatever it is, and says where the header begins.
pub(crate) fn parse(bytes: &[u8]) -> (StartLine, lines::Line) {
    let kind = recognise(bytes).unwrap_or(if Piece::whole(bytes).starts_with("SIP/") {
        StartKind::Response
    } else {
        StartKind::Request
    });
    parse_as(kind, bytes)
}

/// Splits the first line of a message of a known kind.
#[inline]
pub(crate) fn parse_as(kind: StartKind, bytes: &[u8]) -> (StartLine, lines::Line) {
    let line = lines::line_at(bytes, 0);
    let text = Piece::whole(bytes).take(line.end);
    let none = text.take(0).span();
    let mut start = StartLine {
        kind,
        span: text.span(),
        method: Method::Other,
        method_span: none,
        uri: none,
        version: none,
        status: 0,
        status_span: none,
        reason: none,
    };
    match kind {
        StartKind::Request => {
            let (method, rest) = text.split_word();
            let (uri, version) = split_version(rest);
            start.method = Method::from_bytes(method.bytes());
            start.method_span = method.span();
            start.uri = uri.span();
            start.version = version.span();
        }
        StartKind::Response => {
            let (version, rest) = text.split_word();
            let end = rest
                .bytes()
                .iter()
                .position(|b| *b == b' ' || *b == b'\t')
                .unwrap_or(rest.len());
            let code = rest.take(end);
            start.version = version.span();
            start.status_span = code.span();
            start.status = code
                .number()
                .map_or(0, |code| u16::try_from(code).unwrap_or(u16::MAX));
            start.reason = rest.skip(end.wrapping_add(1)).span();
        }
    }
    (start, line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expected: Option<StartKind>) {
        assert_eq!(recognise(line.as_bytes()), expected, "{line}");
    }

    #[test]
    fn sip_is_told_from_its_neighbours() {
        for request in [
            "INVITE sip:bob@example.com SIP/2.0\r\n",
            "INVITE  sip:bob@example.com  SIP/2.0  \r\n",
            "OPTIONS sip:a SIP/7.0\r\n",
            "OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0\n",
            "RE%47IST%45R sip:registrar.example.com SIP/2.0\r\n",
            "INVITE SIP/2.0\r\n",
            "INVITE sip:bob@exa",
            "FOO sip:bob@exa",
            "INVITE tel:+1 SIP/2.0\r",
            "invite sip:b@c sip/2.0\r\n",
        ] {
            check(request, Some(StartKind::Request));
        }
        for response in [
            "SIP/2.0 200 OK\r\n",
            "SIP/2.0 100",
            "SIP/2.0 4294967301 x\r\n",
            "sip/2.0 180 Ringing\n",
        ] {
            check(response, Some(StartKind::Response));
        }
        for other in [
            "OPTIONS rtsp://example.com RTSP/1.0\r\n",
            "OPTIONS * HTTP/1.1\r\n",
            "RQNT 1201 aaln/1@rgw MGCP 1.0\r\n",
            "MESSAGE text for you\r\n",
            "HELO mail.example.com\r\n",
            "MEGACO/1 [10.0.0.1]:2944\r\n",
            "!/1 [10.0.0.1]\r\n",
            "please read SIP/2.0\r\n",
            "Via: SIP/2.0/UDP x\r\n",
            "Via : SIP/2.0\r\n",
            "SIPlike text\r\n",
            "",
            "\0\0",
        ] {
            check(other, None);
        }
    }

    #[test]
    fn the_parts_of_a_start_line_are_found() {
        let bytes = b"INVITE  sip:user@example.com; lr SIP/2.0 \r\nVia: x";
        let (start, _) = parse(bytes);
        assert_eq!(start.uri.of(bytes), b"sip:user@example.com; lr");
        assert_eq!(start.version.of(bytes), b"SIP/2.0");
        let bytes = b"SIP/2.0 100 \r\n";
        let (start, _) = parse(bytes);
        assert_eq!((start.status, start.reason.of(bytes)), (100, &b""[..]));
        let (start, _) = parse(b"SIP/2.0 4294967301 better");
        assert_eq!(start.status, u16::MAX);
    }
}
