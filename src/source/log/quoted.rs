//! Messages that a program printed as a string, as JSON, Python and C write it.

use std::borrow::Cow;

use regex::bytes::Regex;

use super::start;

/// The line up to the quotation mark that closes the string in which a message begins.
pub(super) fn string<'a>(line: &'a [u8], ends: &Regex) -> Option<&'a [u8]> {
    let last = ends.find_iter(line).last()?;
    if !is_escape(last.as_bytes()) {
        return None;
    }
    let first = ends.find(line)?;
    let begin = start::find(line.get(..first.start())?, false)?.at;
    let mark = *line.get(begin.checked_sub(1)?)?;
    if !matches!(mark, b'"' | b'\'') {
        return None;
    }
    let inner = line.get(begin..)?;
    let escaped = memchr::memmem::find(inner, &[b'\\', mark]).is_some();
    let mut at = 0;
    while let Some(octet) = inner.get(at) {
        at += match octet {
            b'\\' => 2,
            // Programs that leave quotation marks as they are close the string with the last.
            b if *b == mark && (escaped || begin + at >= last.end()) => {
                return line.get(..begin + at);
            }
            _ => 1,
        };
    }
    None
}

/// True for a line end that is written as such strings have it.
fn is_escape(end: &[u8]) -> bool {
    end.first() == Some(&b'\\')
}

/// A piece of such a string as it was before; `end` is the line end behind it.
pub(super) fn plain<'a>(piece: &'a [u8], end: &[u8]) -> Cow<'a, [u8]> {
    if !is_escape(end) || memchr::memchr(b'\\', piece).is_none() {
        return Cow::Borrowed(piece);
    }
    let mut out = Vec::with_capacity(piece.len());
    let mut rest = piece;
    while let Some((first, tail)) = rest.split_first() {
        let (octets, used): (&[u8], usize) = match rest {
            [b'\\', b'"', ..] => (b"\"", 2),
            [b'\\', b'\'', ..] => (b"'", 2),
            [b'\\', b'\\', ..] => (b"\\", 2),
            [b'\\', b'/', ..] => (b"/", 2),
            [b'\\', b't', ..] => (b"\t", 2),
            [b'\\', b'u', b'0', b'0', high, low, ..] => match hex(*high, *low) {
                Some(octet) if octet.is_ascii() => {
                    out.push(octet);
                    (b"", 6)
                }
                _ => (b"\\", 1),
            },
            _ => {
                out.push(*first);
                rest = tail;
                continue;
            }
        };
        out.extend_from_slice(octets);
        rest = rest.get(used..).unwrap_or_default();
    }
    Cow::Owned(out)
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_read_as_they_were() {
        let shown = |text: &str| {
            let plain = plain(text.as_bytes(), b"\\r\\n");
            String::from_utf8_lossy(&plain).into_owned()
        };
        assert_eq!(
            shown(r#"From: \"A \\\"b\" \u003csip:a@b\u003e"#),
            r#"From: "A \"b" <sip:a@b>"#
        );
        assert_eq!(shown(r"a\/b\'c\q"), r"a/b'c\q");
        let ends = Regex::new(r"\\r\\n").unwrap();
        let cut = |text: &'static str| string(text.as_bytes(), &ends).map(String::from_utf8_lossy);
        let line = r#"{"m":"BYE sip:a@b SIP/2.0\r\nFrom: \"A\" <sip:b>\r\n\r\nhi","h":"x"}"#;
        assert_eq!(cut(line).unwrap(), line.split(r#"","h""#).next().unwrap());
        let line = r#"sent "BYE sip:a@b SIP/2.0\r\nFrom: "A" <sip:b>\r\n\r\n" done"#;
        assert_eq!(cut(line).unwrap(), line.strip_suffix("\" done").unwrap());
        assert_eq!(cut(r"BYE sip:a@b SIP/2.0\r\nFrom: x\r\n"), None);
    }
}
