//! Lines of a message header: where they end, what continues them (RFC 3261, 7.3.1).

use crate::piece::Piece;
use crate::swar;

/// How a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineEnd {
    /// CR LF, as the grammar has it.
    CrLf,
    /// A bare LF.
    Lf,
    /// A bare CR, or CR CR LF.
    Cr,
    /// The octets ended first.
    None,
}

/// One line; offsets count from the start of the message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// First octet.
    pub(crate) start: usize,
    /// Just behind the last octet of the text.
    pub(crate) end: usize,
    /// First octet of the next line.
    pub(crate) next: usize,
    /// What stands between `end` and `next`.
    pub(crate) line_end: LineEnd,
}

/// The line that begins at `at`.
#[inline(always)]
pub(crate) fn line_at(bytes: &[u8], at: usize) -> Line {
    let rest = bytes.get(at..).unwrap_or_default();
    ended_at(bytes, at, memchr::memchr2(b'\r', b'\n', rest))
}

/// The line that begins at `at`, and its first colon.
#[inline(always)]
fn line_and_colon_at(bytes: &[u8], at: usize) -> (Line, Option<usize>) {
    let (len, colon) = swar::line_and_colon(bytes.get(at..).unwrap_or_default());
    (ended_at(bytes, at, len), colon)
}

/// The line from `at` that goes on for `len` octets.
#[inline(always)]
fn ended_at(bytes: &[u8], at: usize, len: Option<usize>) -> Line {
    let rest = bytes.get(at..).unwrap_or_default();
    let Some(len) = len else {
        return Line {
            start: at,
            end: bytes.len(),
            next: bytes.len(),
            line_end: LineEnd::None,
        };
    };
    let end = at.wrapping_add(len);
    let (taken, line_end) = match rest.get(len..).unwrap_or_default() {
        [b'\r', b'\n', ..] => (2, LineEnd::CrLf),
        [b'\n', ..] => (1, LineEnd::Lf),
        // Seen in text that was converted twice.
        [b'\r', b'\r', b'\n', ..] => (3, LineEnd::Cr),
        _ => (1, LineEnd::Cr),
    };
    Line {
        start: at,
        end,
        next: end.wrapping_add(taken),
        line_end,
    }
}

/// One header field with its continuation lines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawField<'a> {
    /// All of it, without the last line end.
    pub(crate) line: Piece<'a>,
    /// Name without white space; empty when there is no colon.
    pub(crate) name: Piece<'a>,
    /// Value without white space around.
    pub(crate) value: Piece<'a>,
    /// False when the line has no colon.
    pub(crate) has_colon: bool,
    /// First octet of the next field.
    pub(crate) next: usize,
}

/// What stands at a place in the header.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step<'a> {
    /// A header field.
    Field(RawField<'a>),
    /// The header is over.
    End {
        /// First octet of the body.
        body: usize,
        /// True when an empty line closed the header.
        blank_line: bool,
    },
}

/// The line at `at` with the lines that continue it, and the offset of its first colon.
#[inline(always)]
pub(crate) fn folded_line_at(bytes: &[u8], at: usize) -> (Line, Option<usize>) {
    let (mut line, mut colon) = line_and_colon_at(bytes, at);
    if line.start != line.end {
        // A line that begins with white space continues the one before.
        while let Some(b' ' | b'\t') = bytes.get(line.next) {
            let (more, found) = line_and_colon_at(bytes, line.next);
            let skipped = more.start.wrapping_sub(at);
            colon = colon.or(found.map(|found| found.wrapping_add(skipped)));
            (line.end, line.next) = (more.end, more.next);
        }
    }
    (line, colon)
}

/// The header field at `at`, or the end of the header.
#[inline]
pub(crate) fn step(bytes: &[u8], at: usize) -> Step<'_> {
    let (line, colon) = folded_line_at(bytes, at);
    if line.start == line.end {
        let blank_line = line.line_end != LineEnd::None;
        return Step::End {
            body: line.next,
            blank_line,
        };
    }
    let text = Piece::whole(bytes).range(line.start, line.end);
    let Some(colon) = colon else {
        if is_session_description(text.bytes()) {
            return Step::End {
                body: at,
                blank_line: false,
            };
        }
        return Step::Field(RawField {
            line: text,
            name: text.take(0),
            value: text.trim(),
            has_colon: false,
            next: line.next,
        });
    };
    Step::Field(RawField {
        line: text,
        name: text.take(colon).trim_end(),
        value: text.skip(colon.wrapping_add(1)).trim(),
        has_colon: true,
        next: line.next,
    })
}

/// The first line of a body without the empty line before it.
pub(crate) fn is_session_description(line: &[u8]) -> bool {
    line == b"v=0"
}
