//! Multipart bodies (RFC 2046, 5.1): where the parts are.

use memchr::memmem;

use super::lex;
use super::lines::{self, Step};
use crate::piece::Piece;
use crate::span::Span;

/// Parts of one body that are looked at; what follows stays octets.
pub(crate) const MOST_PARTS: usize = 1_000;
/// Multipart within multipart: how deep we follow.
pub(crate) const DEEPEST: usize = 16;

/// One part, without its boundary lines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawPart<'a> {
    /// Header and content.
    pub(crate) whole: Piece<'a>,
    /// Content-Type of the part; empty when absent.
    pub(crate) content_type: Piece<'a>,
    /// The content.
    pub(crate) content: Piece<'a>,
}

/// The parts of a multipart body, found by its boundary.
pub(crate) struct Parts<'a, 'b> {
    bytes: &'a [u8],
    body: Piece<'a>,
    boundary: Piece<'b>,
    /// Offset in the body behind the delimiter line before the next part.
    next: Option<usize>,
    /// The closing delimiter was seen.
    pub(crate) closed: bool,
}

/// The `boundary` parameter of a content type, without quotes.
pub(crate) fn boundary(content_type: Piece<'_>) -> Option<Piece<'_>> {
    let value = lex::params(content_type)
        .find(|param| param.name.is("boundary"))?
        .value?;
    let inner = match (value.first(), lex::quoted_len(value.bytes())) {
        (Some(b'"'), Some(len)) => value.range(1, len.wrapping_sub(1)),
        _ => value,
    };
    (!inner.is_empty()).then_some(inner)
}

/// Iterates over the parts of `body`.
pub(crate) fn parts<'a, 'b>(
    bytes: &'a [u8],
    body: Piece<'a>,
    boundary: Piece<'b>,
) -> Parts<'a, 'b> {
    let mut parts = Parts {
        bytes,
        body,
        boundary,
        next: None,
        closed: false,
    };
    parts.next = parts.delimiter(0).and_then(|found| found.content);
    parts
}

struct Delimiter {
    /// Where the content before it ends.
    before: usize,
    /// Where the content behind it begins; nothing after the last one.
    content: Option<usize>,
}

impl<'a> Parts<'a, '_> {
    /// The next delimiter line at or behind `from`.
    fn delimiter(&mut self, from: usize) -> Option<Delimiter> {
        let text = self.body.bytes();
        let finder = memmem::Finder::new(self.boundary.bytes());
        let mut from = from;
        loop {
            let found = from.wrapping_add(finder.find(text.get(from..)?)?);
            let behind = found.wrapping_add(self.boundary.len());
            from = found.wrapping_add(1);
            let Some(dashes) = found.checked_sub(2) else {
                continue;
            };
            if text.get(dashes..found) != Some(b"--") {
                continue;
            }
            // The line end before the dashes belongs to the delimiter.
            let before = match text.get(..dashes)? {
                [] => 0,
                [.., b'\r', b'\n'] => dashes.wrapping_sub(2),
                [.., b'\n' | b'\r'] => dashes.wrapping_sub(1),
                _ => continue,
            };
            let rest = text.get(behind..)?;
            if rest.starts_with(b"--") {
                self.closed = true;
                return Some(Delimiter {
                    before,
                    content: None,
                });
            }
            let line = lines::line_at(rest, 0);
            if rest
                .get(..line.end)?
                .iter()
                .any(|b| !matches!(b, b' ' | b'\t'))
            {
                continue;
            }
            return Some(Delimiter {
                before,
                content: Some(behind.wrapping_add(line.next)),
            });
        }
    }
}

impl<'a> Iterator for Parts<'a, '_> {
    type Item = RawPart<'a>;

    fn next(&mut self) -> Option<RawPart<'a>> {
        let start = self.next?;
        // The line end in front of the next delimiter may be the one that ends this delimiter.
        let found = self.delimiter(start.saturating_sub(2));
        let end = found
            .as_ref()
            .map_or(self.body.len(), |found| found.before.max(start));
        self.next = found.and_then(|found| found.content);
        Some(raw_part(self.bytes, self.body.range(start, end)))
    }
}

fn raw_part<'a>(bytes: &'a [u8], whole: Piece<'a>) -> RawPart<'a> {
    let span = whole.span();
    // Offsets of lines count from the start of the message.
    let bytes = bytes.get(..span.end as usize).unwrap_or(bytes);
    let mut at = span.start as usize;
    let mut content_type = whole.take(0);
    loop {
        match lines::step(bytes, at) {
            Step::Field(field) => {
                if content_type.is_empty() && (field.name.is("Content-Type") || field.name.is("c"))
                {
                    content_type = field.value;
                }
                at = field.next;
            }
            Step::End { body, .. } => {
                let content = Piece::of(bytes, Span::new(body, span.end as usize));
                return RawPart {
                    whole,
                    content_type,
                    content,
                };
            }
        }
    }
}

/// The first session description in a multipart body, at any depth.
pub(crate) fn first_sdp<'a>(
    bytes: &'a [u8],
    body: Piece<'a>,
    content_type: Piece<'_>,
) -> Option<Piece<'a>> {
    sdp_at_depth(bytes, body, content_type, 0)
}

fn sdp_at_depth<'a>(
    bytes: &'a [u8],
    body: Piece<'a>,
    content_type: Piece<'_>,
    depth: usize,
) -> Option<Piece<'a>> {
    if depth >= DEEPEST {
        return None;
    }
    let boundary = boundary(content_type)?;
    parts(bytes, body, boundary)
        .take(MOST_PARTS)
        .find_map(|part| {
            if lex::is_media_type(part.content_type, ("application", "sdp")) {
                (!part.content.is_empty()).then_some(part.content)
            } else if part.content_type.starts_with("multipart") {
                sdp_at_depth(
                    bytes,
                    part.content,
                    part.content_type,
                    depth.wrapping_add(1),
                )
            } else {
                None
            }
        })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn contents(body: &str, content_type: &str) -> (Vec<String>, bool) {
        let content_type = content_type.as_bytes().to_vec();
        let content_type = Piece::whole(&content_type);
        let mut parts = parts(
            body.as_bytes(),
            Piece::whole(body.as_bytes()),
            boundary(content_type).unwrap(),
        );
        let list = parts
            .by_ref()
            .map(|part| part.content.text().into_owned())
            .collect();
        (list, parts.closed)
    }

    #[test]
    fn parts_lie_between_the_boundary_lines() {
        let body = "preamble\r\n--b\r\nContent-Type: text/plain\r\n\r\none\r\n--bb\r\n--b \r\n\r\n--b--\r\nrest";
        let (parts, closed) = contents(body, "multipart/mixed; boundary=\"b\"");
        assert_eq!(parts, ["one\r\n--bb", ""]);
        assert!(closed);
    }

    #[test]
    fn an_open_multipart_keeps_its_last_part() {
        let (parts, closed) = contents("--b\r\n\r\none", "multipart/mixed;boundary=b");
        assert_eq!(parts, ["one"]);
        assert!(!closed);
    }

    #[test]
    fn sdp_is_found_in_the_depth() {
        let body =
            b"--a\r\nContent-Type: multipart/alternative;boundary=i\r\n\r\n--i\r\n\r\nx\r\n--i\r\n\
            Content-Type: application/sdp\r\n\r\nv=0\r\n\r\n--i--\r\n--a--\r\n";
        let found = first_sdp(
            body,
            Piece::whole(body),
            Piece::whole(b"multipart/mixed;boundary=a"),
        );
        assert_eq!(found.unwrap().bytes(), b"v=0\r\n");
    }
}
