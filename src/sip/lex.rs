//! Small pieces of the grammar that scanning and decoding share (RFC 3261, 25.1).

use memchr::memchr3;

use crate::piece::{Piece, is_white};
use crate::swar::{find_either, find_octet};

const TOKEN: u8 = 1;

static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        let c = byte as u8;
        if c.is_ascii_alphanumeric()
            || matches!(
                c,
                b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~'
            )
        {
            classes[byte] |= TOKEN;
        }
        byte += 1;
    }
    classes
};

/// True for an octet that may stand in a token.
#[inline]
pub(crate) fn is_token_byte(byte: u8) -> bool {
    CLASSES
        .get(usize::from(byte))
        .is_some_and(|class| class & TOKEN != 0)
}

/// True for one or more token octets.
#[inline]
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

/// Length of the quoted string that begins at the first octet (a quote), closing quote included.
pub(crate) fn quoted_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    while let Some(found) = find_either(bytes.get(at..)?, b'"', b'\\') {
        let here = at.wrapping_add(found);
        if bytes.get(here) == Some(&b'"') {
            return Some(here.wrapping_add(1));
        }
        at = here.wrapping_add(2);
    }
    None
}

/// First `wanted` octet outside of quoted strings. A quote that is never closed counts as text.
#[inline]
pub(crate) fn find_unquoted(bytes: &[u8], wanted: u8) -> Option<usize> {
    let mut at = 0_usize;
    loop {
        let rest = bytes.get(at..)?;
        let found = find_either(rest, wanted, b'"')?;
        let here = at.wrapping_add(found);
        if bytes.get(here) == Some(&wanted) {
            return Some(here);
        }
        let Some(len) = quoted_len(bytes.get(here..)?) else {
            let after = here.wrapping_add(1);
            return find_octet(bytes.get(after..)?, wanted).map(|found| after.wrapping_add(found));
        };
        at = here.wrapping_add(len);
    }
}

/// First comma outside of quoted strings and angle brackets: the end of a list element.
pub(crate) fn find_comma(bytes: &[u8]) -> Option<usize> {
    let mut at = 0_usize;
    let (mut quotes, mut brackets) = (true, true);
    loop {
        let rest = bytes.get(at..)?;
        let here = at.wrapping_add(memchr3(b',', b'"', b'<', rest)?);
        let text = bytes.get(here..)?;
        let len = match text.first()? {
            b',' => return Some(here),
            b'"' if quotes => {
                let len = quoted_len(text);
                quotes = len.is_some();
                len
            }
            b'<' if brackets => {
                let len = memchr::memchr(b'>', text);
                brackets = len.is_some();
                len
            }
            _ => None,
        };
        at = here.wrapping_add(len.unwrap_or(1));
    }
}

/// The elements of a comma list, trimmed, empty ones included.
#[derive(Clone, Copy)]
pub(crate) struct Elements<'a> {
    rest: Option<Piece<'a>>,
}

/// Splits a header value at its commas.
#[inline]
pub(crate) fn elements(value: Piece<'_>) -> Elements<'_> {
    Elements { rest: Some(value) }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Piece<'a>;

    #[inline]
    fn next(&mut self) -> Option<Piece<'a>> {
        let rest = self.rest?;
        match find_comma(rest.bytes()) {
            Some(at) => {
                self.rest = Some(rest.skip(at.wrapping_add(1)));
                Some(rest.take(at).trim())
            }
            None => {
                self.rest = None;
                Some(rest.trim())
            }
        }
    }
}

/// The first element of a list that is not empty, and how many such there are.
#[inline]
pub(crate) fn first_and_count(value: Piece<'_>) -> (Piece<'_>, u32) {
    if value.find(b',').is_none() {
        return (value, u32::from(!value.is_empty()));
    }
    let mut elements = elements(value).filter(|element| !element.is_empty());
    let Some(first) = elements.next() else {
        return (value.take(0), 0);
    };
    let more = u32::try_from(elements.count()).unwrap_or(u32::MAX);
    (first, more.saturating_add(1))
}

/// One parameter, `name` or `name=value`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawParam<'a> {
    /// From the name to the end of the value.
    pub(crate) whole: Piece<'a>,
    /// Name without white space; empty for an empty parameter.
    pub(crate) name: Piece<'a>,
    /// Value without white space, quotes kept.
    pub(crate) value: Option<Piece<'a>>,
}

/// Parameters separated by semicolons; the text begins at the first semicolon.
#[derive(Clone, Copy)]
pub(crate) struct Params<'a> {
    rest: Piece<'a>,
}

/// The parameters in `text`; what stands before the first semicolon is skipped.
#[inline]
pub(crate) fn params(text: Piece<'_>) -> Params<'_> {
    let rest = match text.first() {
        None | Some(b';') => text,
        _ => find_unquoted(text.bytes(), b';').map_or(text.skip(text.len()), |at| text.skip(at)),
    };
    Params { rest }
}

impl<'a> Iterator for Params<'a> {
    type Item = RawParam<'a>;

    #[inline]
    fn next(&mut self) -> Option<RawParam<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let text = self.rest.skip(1);
        let end = find_unquoted(text.bytes(), b';').unwrap_or(text.len());
        self.rest = text.skip(end);
        Some(raw_param(text.take(end)))
    }
}

/// The value of the first parameter of that name, as [`params`] gives it; empty when there is none.
#[inline]
pub(crate) fn value_of<'a>(text: Piece<'a>, name: &str) -> Piece<'a> {
    let mut rest = text;
    // As messages nearly always have them: no white space and no quotes before the one wanted.
    while rest.first() == Some(b';') {
        let from_name = rest.skip(1);
        let end = find_either(from_name.bytes(), b';', b'"').unwrap_or(from_name.len());
        let param = from_name.take(end);
        if from_name.bytes().get(end) == Some(&b'"') || param.first().is_some_and(is_white) {
            break;
        }
        if param.starts_with(name) {
            match param.bytes().get(name.len()) {
                Some(b'=') => return param.skip(name.len().wrapping_add(1)).trim(),
                None => return param.take(0),
                Some(&byte) if is_white(byte) => break,
                Some(_) => {}
            }
        }
        rest = from_name.skip(end);
    }
    let found = params(rest).find(|param| param.name.is(name));
    found
        .and_then(|param| param.value)
        .unwrap_or(text.skip(text.len()))
}

/// Splits `name=value`.
#[inline]
pub(crate) fn raw_param(text: Piece<'_>) -> RawParam<'_> {
    let whole = text.trim();
    match whole.split_once(b'=') {
        Some((name, value)) => RawParam {
            whole,
            name: name.trim_end(),
            value: Some(value.trim_start()),
        },
        None => RawParam {
            whole,
            name: whole,
            value: None,
        },
    }
}

/// An address as it stands in From, Contact, Route and the like (RFC 3261, 20.10).
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawAddress<'a> {
    /// Display name, without its quotes.
    pub(crate) name: Piece<'a>,
    /// The display name was a quoted string.
    pub(crate) quoted: bool,
    /// A quoted string was opened and not closed.
    pub(crate) open_quote: bool,
    /// The URI, without angle brackets and without white space around.
    pub(crate) uri: Piece<'a>,
    /// The URI stood in angle brackets.
    pub(crate) bracketed: bool,
    /// The angle bracket was not closed.
    pub(crate) open_bracket: bool,
    /// What follows the URI: parameters.
    pub(crate) rest: Piece<'a>,
}

/// Splits an address into display name, URI and parameters.
#[inline]
pub(crate) fn raw_address(value: Piece<'_>) -> RawAddress<'_> {
    let none = value.take(0);
    let mut address = RawAddress {
        name: none,
        quoted: false,
        open_quote: false,
        uri: none,
        bracketed: false,
        open_bracket: false,
        rest: value.skip(value.len()),
    };
    let mut before = value;
    if value.first() == Some(b'"') {
        if let Some(len) = quoted_len(value.bytes()) {
            address.quoted = true;
            address.name = value.range(1, len.wrapping_sub(1));
            before = value.skip(len);
        } else {
            address.open_quote = true;
            before = value.skip(1);
        }
    }
    let Some(open) = open_bracket(before.bytes(), address.quoted || address.open_quote) else {
        let end = before.find(b';').unwrap_or(before.len());
        address.uri = before.take(end).trim();
        address.rest = before.skip(end);
        return address;
    };
    if !address.quoted {
        address.name = before.take(open).trim();
    }
    address.bracketed = true;
    let inner = before.skip(open.wrapping_add(1));
    let close = inner.find(b'>');
    address.open_bracket = close.is_none();
    let end = close.unwrap_or(inner.len());
    address.uri = inner.take(end).trim();
    address.rest = inner.skip(end.wrapping_add(1)).trim_start();
    address
}

/// Offset of the bracket that opens the URI, if the URI stands in brackets.
#[inline]
fn open_bracket(text: &[u8], named: bool) -> Option<usize> {
    let mut found = find_either(text, b'<', b';')?;
    if let Some(quote) = find_octet(text.get(..found)?, b'"') {
        found = quote;
    }
    match text.get(found)? {
        b'<' => Some(found),
        // In `sip:a@b;x="<c>"` the bracket belongs to a parameter.
        b';' if !named && text.get(..found)?.contains(&b':') => None,
        _ => find_unquoted(text, b'<'),
    }
}

/// What a Via value consists of (RFC 3261, 20.42).
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawVia<'a> {
    /// `SIP`.
    pub(crate) protocol: Piece<'a>,
    /// `2.0`.
    pub(crate) version: Piece<'a>,
    /// `UDP`, `TCP` ...
    pub(crate) transport: Piece<'a>,
    /// Host and port.
    pub(crate) sent_by: Piece<'a>,
    /// Parameters, from the first semicolon.
    pub(crate) rest: Piece<'a>,
}

/// Splits one Via value.
#[inline]
pub(crate) fn raw_via(value: Piece<'_>) -> RawVia<'_> {
    let (protocol, version, rest) = if value.bytes().starts_with(b"SIP/2.0/") {
        (value.take(3), value.range(4, 7), value.skip(8))
    } else {
        let (protocol, rest) = until_slash(value);
        let (version, rest) = until_slash(rest);
        (protocol, version, rest)
    };
    let rest = rest.trim_start();
    let end = rest
        .bytes()
        .iter()
        .position(|&b| !is_token_byte(b))
        .unwrap_or(rest.len());
    let transport = rest.take(end);
    let rest = rest.skip(end);
    let end = rest.find(b';').unwrap_or(rest.len());
    RawVia {
        protocol,
        version,
        transport,
        sent_by: rest.take(end).trim(),
        rest: rest.skip(end),
    }
}

fn until_slash(text: Piece<'_>) -> (Piece<'_>, Piece<'_>) {
    let text = text.trim_start();
    let end = text
        .bytes()
        .iter()
        .position(|&b| !is_token_byte(b))
        .unwrap_or(text.len());
    let rest = text.skip(end).trim_start();
    (
        text.take(end),
        if rest.first() == Some(b'/') {
            rest.skip(1)
        } else {
            rest
        },
    )
}

/// A tag ends where a token cannot go on: at a comma or at white space.
#[inline]
pub(crate) fn tag(value: Piece<'_>) -> Piece<'_> {
    let end = value
        .bytes()
        .iter()
        .position(|b| matches!(b, b',' | b' ' | b'\t' | b'\r' | b'\n'));
    value.take(end.unwrap_or(value.len()))
}

/// Octets of a media type without parameters and white space compare equal to `type/subtype`.
pub(crate) fn is_media_type(value: Piece<'_>, wanted: (&str, &str)) -> bool {
    let end = value.find(b';').unwrap_or(value.len());
    let whole = value.take(end);
    whole
        .split_once(b'/')
        .is_some_and(|(kind, subtype)| kind.trim().is(wanted.0) && subtype.trim().is(wanted.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_found_as_the_list_of_all_has_it() {
        let values = [
            "",
            "=x",
            "= x ",
            " = x",
            "=\"a;tag=no\"",
            "=\"open;tag=no",
            "==",
            "=x,y",
            "x=1",
        ];
        let mut checked = 0;
        for first in ["tag", "TAG", " tag", "ta", "other", "", "\t"] {
            for one in values {
                for second in ["tag", "Tag ", "x", "\r\n tag"] {
                    for two in values {
                        for start in [";", "", " ;", "x;"] {
                            let text = format!("{start}{first}{one};{second}{two}");
                            let text = Piece::whole(text.as_bytes());
                            let slow = params(text).find(|param| param.name.is("tag"));
                            let slow = slow.and_then(|param| param.value);
                            let slow = slow.unwrap_or(text.take(0));
                            assert_eq!(value_of(text, "tag").bytes(), slow.bytes(), "{text:?}");
                            checked += usize::from(!slow.is_empty());
                        }
                    }
                }
            }
        }
        assert!(checked > 500, "{checked}");
    }
}
