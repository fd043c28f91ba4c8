//! Start lines in the middle of anything, and what stands in front of the lines of a message.

use memchr::memmem;

use crate::sip::header_name::HeaderName;
use crate::sip::method::Method;

const VERSION: &[u8] = b"SIP/2.0";
/// Places of one line that are looked at.
const MOST_PLACES: usize = 16;

/// A start line inside of a line of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// Where it begins.
    pub at: usize,
    /// Where it ends.
    pub end: usize,
    /// Headers follow on the same line.
    pub joined: bool,
}

/// Looks for a start line. `glued` allows any octets right in front of it, as `tcpdump -A` prints
/// those of the packet headers.
pub(super) fn find(line: &[u8], glued: bool) -> Option<Start> {
    memmem::find_iter(line, VERSION)
        .take(MOST_PLACES)
        .find_map(|at| status_line(line, at, glued).or_else(|| request_line(line, at, glued)))
}

fn status_line(line: &[u8], at: usize, glued: bool) -> Option<Start> {
    let before = at.checked_sub(1).and_then(|b| line.get(b));
    let free = before.is_none_or(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'/' | b'-'));
    if !free && !glued {
        return None;
    }
    let behind = line.get(at + VERSION.len()..)?;
    let [b' ', a @ b'1'..=b'6', b, c, rest @ ..] = behind else {
        return None;
    };
    let digits = [a, b, c].iter().all(|d| d.is_ascii_digit());
    if !digits || !matches!(rest.first(), None | Some(b' ' | b'.' | b'\t' | b'\r')) {
        return None;
    }
    let header = joined_header(rest);
    let reason = header.unwrap_or(rest.len());
    // A quotation in a sentence goes on; a reason phrase is short.
    let text = rest.get(..reason).unwrap_or_default();
    if header.is_none() && text.len() > 200 {
        return None;
    }
    let end = at + VERSION.len() + 4 + reason;
    Some(Start {
        at,
        end: trimmed_end(line, at, end),
        joined: header.is_some(),
    })
}

fn request_line(line: &[u8], at: usize, glued: bool) -> Option<Start> {
    let before = line.get(..at)?.strip_suffix(b" ")?;
    let blank = memchr::memrchr2(b' ', b'\t', before)?;
    let uri = before.get(blank + 1..)?;
    let head = before.get(..blank)?.trim_ascii_end();
    let token = head
        .iter()
        .rposition(|b| !b.is_ascii_uppercase() && !matches!(b, b'-' | b'_') && !b.is_ascii_digit())
        .map_or(0, |n| n + 1);
    let word = head.get(token..)?;
    let known = Method::from_bytes(word) != Method::Other;
    let scheme = ["sip:", "sips:", "tel:", "urn:", "im:", "pres:"]
        .iter()
        .any(|s| {
            let start = uri.strip_prefix(b"<").unwrap_or(uri);
            start
                .get(..s.len())
                .is_some_and(|u| u.eq_ignore_ascii_case(s.as_bytes()))
        });
    // The letter in front of a method must not belong to a word; `>INVITE` and `"INVITE` are fine.
    let free = token
        .checked_sub(1)
        .and_then(|b| head.get(b))
        .is_none_or(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'.' | b'/'));
    let start = if known && free && (scheme || memchr::memchr(b':', uri).is_some()) {
        token
    } else if glued && scheme {
        let methods = Method::REGISTERED.iter().map(|m| m.as_str());
        let len = methods
            .filter(|m| head.ends_with(m.as_bytes()))
            .map(str::len)
            .max()?;
        head.len() - len
    } else if free && scheme && word.len() >= 2 && word.iter().any(u8::is_ascii_uppercase) {
        token
    } else {
        return None;
    };
    let end = at + VERSION.len();
    let behind = line.get(end..)?;
    let rest = behind.trim_ascii_start();
    let header = joined_header(behind);
    let closed = rest.is_empty() || matches!(rest, b"." | b"\"" | b"\"," | b"'" | b"|" | b"`");
    (closed || header == Some(0)).then_some(Start {
        at: start,
        end,
        joined: header.is_some() && !closed,
    })
}

fn trimmed_end(line: &[u8], from: usize, end: usize) -> usize {
    let text = line.get(from..end).unwrap_or_default();
    from + text.trim_ascii_end().len()
}

/// Where headers on the same line begin: the blank in front of the first known `Name:`.
pub(super) fn joined_header(text: &[u8]) -> Option<usize> {
    memchr::memchr2_iter(b' ', b'\t', text)
        .take(4096)
        .find(|at| {
            let rest = text.get(at + 1..).unwrap_or_default();
            header(rest).is_some_and(|h| h.known && h.name_len > 1 && h.tight)
        })
}

/// A header line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Its name is registered.
    pub known: bool,
    pub name: HeaderName,
    pub name_len: usize,
    /// Where the value begins, blanks behind the colon included.
    pub value: usize,
    /// No blank stands in front of the colon.
    pub tight: bool,
}

/// Reads `Name:` at the beginning of a line.
pub(super) fn header(line: &[u8]) -> Option<Header> {
    let len = line
        .iter()
        .take(64)
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        .count();
    if len == 0 || !line.first()?.is_ascii_alphabetic() {
        return None;
    }
    let behind = line.get(len..)?;
    let blanks = behind
        .iter()
        .take(16)
        .take_while(|b| matches!(b, b' ' | b'\t'))
        .count();
    if behind.get(blanks) != Some(&b':') {
        return None;
    }
    let name = HeaderName::from_bytes(line.get(..len)?);
    Some(Header {
        known: name != HeaderName::OTHER,
        name,
        name_len: len,
        value: len + blanks + 1,
        tight: blanks == 0,
    })
}

/// A piece of what a log puts in front of each line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// Digits.
    Number,
    /// Letters, or letters and digits.
    Word,
    Blanks(usize),
    Octet(u8),
}

/// What stands in front of each line of a message: indentation, a line number, time and program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Prefix(Vec<Piece>);

impl Prefix {
    /// That of a start line.
    pub fn of(text: &[u8]) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text.get(..text.len().min(512)).unwrap_or(text);
        while let Some(&first) = rest.first() {
            let (piece, len) = piece(rest, first);
            pieces.push(piece);
            rest = rest.get(len.max(1)..).unwrap_or_default();
        }
        Self(pieces)
    }

    /// True when it is more than indentation.
    pub fn is_words(&self) -> bool {
        !self.0.iter().all(|p| matches!(p, Piece::Blanks(_)))
    }

    /// True for what looks like the number of a line.
    pub fn is_line_number(&self) -> bool {
        let numbers = self.0.iter().filter(|p| **p == Piece::Number).count();
        numbers == 1 && self.0.len() <= 4 && !self.0.contains(&Piece::Word)
    }

    /// The line without it; none when the line does not begin like that.
    pub fn strip<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]> {
        if !self.is_words() {
            let most = match self.0.first() {
                Some(Piece::Blanks(n)) => *n,
                _ => 0,
            };
            let there = line
                .iter()
                .take_while(|b| matches!(b, b' ' | b'\t'))
                .count();
            return line.get(there.min(most)..);
        }
        let (matched, rest) = self.walk(line);
        (matched == self.0.len()).then_some(rest)
    }

    /// Like [`Self::strip`] for logs whose first line says more: as many pieces as fit, with a
    /// known header behind them. Gives how many.
    pub fn strip_shorter<'a>(&self, line: &'a [u8]) -> Option<(usize, &'a [u8])> {
        let (most, _) = self.walk(line);
        (4..=most).rev().find_map(|count| {
            let part = Self(self.0.get(..count)?.to_vec());
            let (matched, rest) = part.walk(line);
            let found = header(rest).is_some_and(|h| h.known && h.name_len > 1);
            (matched == count && found).then_some((count, rest))
        })
    }

    /// Keeps the first pieces only.
    pub fn shorten(&mut self, count: usize) {
        self.0.truncate(count);
    }

    fn walk<'a>(&self, line: &'a [u8]) -> (usize, &'a [u8]) {
        let mut rest = line;
        for (at, wanted) in self.0.iter().enumerate() {
            let last = at + 1 == self.0.len();
            let Some(&first) = rest.first() else {
                // An empty line loses the blanks at the end of its prefix.
                let only_blanks = self.0.get(at..).unwrap_or_default();
                let fits = at > 0 && only_blanks.iter().all(|p| matches!(p, Piece::Blanks(_)));
                return (if fits { self.0.len() } else { at }, rest);
            };
            let (there, len) = piece(rest, first);
            let used = match (wanted, there) {
                (Piece::Number, Piece::Number) | (Piece::Word, Piece::Word | Piece::Number) => len,
                // An identifier in hex may be of digits only, and of both in the next line.
                (Piece::Number, Piece::Word) if self.0.len() > 6 => len,
                (Piece::Blanks(n), Piece::Blanks(m)) if last => m.min(*n),
                (Piece::Blanks(_), Piece::Blanks(m)) => m,
                (Piece::Octet(a), Piece::Octet(b)) if *a == b => 1,
                _ => return (at, rest),
            };
            rest = rest.get(used..).unwrap_or_default();
        }
        (self.0.len(), rest)
    }
}

fn piece(rest: &[u8], first: u8) -> (Piece, usize) {
    let run = |test: fn(&u8) -> bool| rest.iter().take_while(|b| test(b)).count();
    if first.is_ascii_alphanumeric() {
        let all = run(|b| b.is_ascii_alphanumeric() || *b == b'_');
        let digits = run(u8::is_ascii_digit);
        let kind = if digits == all {
            Piece::Number
        } else {
            Piece::Word
        };
        (kind, all)
    } else if matches!(first, b' ' | b'\t') {
        let n = run(|b| matches!(b, b' ' | b'\t'));
        (Piece::Blanks(n), n)
    } else {
        (Piece::Octet(first), 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str, glued: bool) -> Option<&str> {
        let start = find(line.as_bytes(), glued)?;
        line.get(start.at..start.end)
    }

    #[test]
    fn start_lines_stand_behind_anything_that_is_no_word() {
        for line in [
            "INVITE sip:a@b SIP/2.0",
            "  INVITE sip:a@b SIP/2.0  ",
            "Nov 20 22:13:16 host app[1]: INVITE sip:a@b SIP/2.0",
            "07 INVITE sip:a@b SIP/2.0",
            "Start-Line: INVITE sip:a@b SIP/2.0",
            "|INVITE sip:a@b SIP/2.0",
            "INVITE sip:a@b SIP/2.0 Via: SIP/2.0/UDP x",
        ] {
            assert_eq!(found(line, false), Some("INVITE sip:a@b SIP/2.0"), "{line}");
        }
        assert_eq!(found("12:00 SIP/2.0 200 OK", false), Some("SIP/2.0 200 OK"));
        assert_eq!(
            found("SIP/2.0 200 OK Via: SIP/2.0/UDP h To: x", false),
            Some("SIP/2.0 200 OK")
        );
        assert_eq!(
            found("E..vTFBYE sip:a@b SIP/2.0", true),
            Some("BYE sip:a@b SIP/2.0")
        );
        assert_eq!(
            found("....vSIP/2.0 180 Ringing", true),
            Some("SIP/2.0 180 Ringing")
        );
    }

    #[test]
    fn prose_is_no_start_line() {
        for line in [
            "Via: SIP/2.0/UDP 192.0.2.1",
            "the INVITE sip:a@b SIP/2.0 is sent first",
            "- SIP/2.0:  Version",
            "reINVITE sip:a@b SIP/2.0",
            "GET http://a/b HTTP/1.1",
            "SIP/2.0 2000 x",
        ] {
            assert_eq!(found(line, false), None, "{line}");
        }
    }

    #[test]
    fn a_prefix_is_known_again() {
        let line = b"Nov 20 22:13:16 host app[17]: INVITE";
        let prefix = Prefix::of(line.get(..30).unwrap_or_default());
        let rest = prefix.strip(b"Nov 20 22:13:17 host app[17]: Via: x");
        assert_eq!(rest, Some(&b"Via: x"[..]));
        assert_eq!(
            prefix.strip(b"Nov 20 22:13:17 host app[17]:"),
            Some(&b""[..])
        );
        assert_eq!(prefix.strip(b"Via: x"), None);
        let number = Prefix::of(b"01 ");
        assert!(number.is_line_number());
        assert_eq!(number.strip(b"11"), Some(&b""[..]));
        assert_eq!(number.strip(b"12 v=0"), Some(&b"v=0"[..]));
        assert_eq!(number.strip(b"|"), None);
    }
}
