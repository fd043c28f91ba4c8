//! Lines of a session description (RFC 8866, 5). CR LF, LF and CR all end a line.

use std::net::IpAddr;

use crate::piece::Piece;
use crate::swar;

/// Walks over the lines of a description.
#[derive(Clone, Copy)]
pub(super) struct Lines<'a> {
    rest: Piece<'a>,
}

pub(super) fn lines(text: Piece<'_>) -> Lines<'_> {
    Lines { rest: text }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Piece<'a>;

    #[inline]
    fn next(&mut self) -> Option<Piece<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let bytes = self.rest.bytes();
        let Some(end) = swar::find_either(bytes, b'\r', b'\n') else {
            let line = self.rest;
            self.rest = line.skip(line.len());
            return Some(line);
        };
        let line = self.rest.take(end);
        let pair = bytes.get(end) == Some(&b'\r') && bytes.get(end.wrapping_add(1)) == Some(&b'\n');
        self.rest = self.rest.skip(end.wrapping_add(if pair { 2 } else { 1 }));
        Some(line)
    }
}

/// The next word of a line, which blanks separate.
#[inline]
pub(super) fn word<'a>(rest: &mut Piece<'a>) -> Piece<'a> {
    let (word, after) = rest.split_word();
    *rest = after;
    word
}

/// Reads the address of a `c=` line, without what follows a slash.
#[inline]
pub(super) fn address(text: Piece<'_>) -> Option<IpAddr> {
    let end = text.find(b'/').unwrap_or(text.len());
    let text = text.take(end).bytes();
    // Some test tools put an IPv6 address in brackets, as in a URI.
    let inner = text
        .strip_prefix(b"[")
        .and_then(|text| text.strip_suffix(b"]"));
    str::from_utf8(inner.unwrap_or(text)).ok()?.parse().ok()
}
