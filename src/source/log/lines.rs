//! Lines of a text in whatever encoding it came.

use super::around::lone_returns;
use crate::source::input::Input;

/// Longest line that is looked at; the rest of a longer one is passed over and counted.
pub(super) const LONGEST_LINE: usize = 4 << 20;
/// Octets read at a time.
const WINDOW: usize = 256 << 10;

/// How the octets of a text make characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// UTF-8, or any other that has ASCII in it.
    Plain,
    Utf16Le,
    Utf16Be,
}

impl Encoding {
    /// Tells by the first octets, and says how many of them are a byte order mark.
    pub fn of(head: &[u8]) -> (Self, usize) {
        match head {
            [0xff, 0xfe, ..] => (Self::Utf16Le, 2),
            [0xfe, 0xff, ..] => (Self::Utf16Be, 2),
            [0xef, 0xbb, 0xbf, ..] => (Self::Plain, 3),
            // Windows programs that leave the mark out: every other octet of ASCII text is 0.
            [a, 0, b, 0, c, 0, d, 0, ..] if [a, b, c, d].iter().all(|x| **x != 0) => {
                (Self::Utf16Le, 0)
            }
            [0, a, 0, b, 0, c, 0, d, ..] if [a, b, c, d].iter().all(|x| **x != 0) => {
                (Self::Utf16Be, 0)
            }
            _ => (Self::Plain, 0),
        }
    }
}

/// What [`Lines::next`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextLine {
    Line,
    /// None yet; the text still grows.
    Waiting,
    End,
}

/// Reads an input line by line.
pub(super) struct Lines {
    encoding: Encoding,
    /// Offset of the next octet to read.
    offset: u64,
    window: Vec<u8>,
    /// Text not yet handed out, and how much of it was.
    text: Vec<u8>,
    taken: usize,
    /// No line end lies before this place in `text`.
    searched: usize,
    /// What is left of a character cut by the window.
    rest: Vec<u8>,
    /// Lines end in CR alone, as very old programs and some terminals write them.
    pub lone_returns: bool,
    /// Inside of a line that was too long.
    passing: bool,
    ended: bool,
    /// Number of the newest line, from 1.
    pub number: u64,
    /// The newest line ended in CR LF.
    pub cr: bool,
    /// Lines that were too long.
    pub too_long: u64,
    /// Octets of them that were passed over.
    pub passed: u64,
}

impl Lines {
    pub fn new(head: &[u8]) -> Self {
        let (encoding, mark) = Encoding::of(head);
        Self {
            encoding,
            offset: mark as u64,
            window: Vec::new(),
            text: Vec::new(),
            taken: 0,
            searched: 0,
            rest: Vec::new(),
            lone_returns: false,
            passing: false,
            ended: false,
            number: 0,
            cr: false,
            too_long: 0,
            passed: 0,
        }
    }

    /// The beginning of the text, before any line is taken; by it the kind of line ends is known.
    pub fn sample(&mut self, input: &mut Input) -> &[u8] {
        if self.text.is_empty() && !self.ended {
            self.fill(input);
            self.lone_returns = lone_returns(&self.text);
        }
        &self.text
    }

    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Offset up to which the input was read.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Puts the next line without its line end into `line`.
    pub fn next(&mut self, input: &mut Input, line: &mut Vec<u8>) -> NextLine {
        line.clear();
        loop {
            let from = self.searched.max(self.taken);
            let rest = self.text.get(from..).unwrap_or_default();
            let found = if self.lone_returns {
                memchr::memchr2(b'\n', b'\r', rest)
            } else {
                memchr::memchr(b'\n', rest)
            };
            if let Some(at) = found {
                let end = from + at;
                let ended_by = self.text.get(end);
                // LF behind a CR that ended its line.
                if self.lone_returns && end == self.taken && self.cr && ended_by == Some(&b'\n') {
                    self.cr = false;
                    self.taken = end + 1;
                    continue;
                }
                let found = self.text.get(self.taken..end).unwrap_or_default();
                self.cr = found.ends_with(b"\r") || ended_by == Some(&b'\r');
                let short = found.strip_suffix(b"\r").unwrap_or(found);
                let passed = self.passing;
                if passed {
                    self.passed += found.len() as u64;
                    self.passing = false;
                } else {
                    line.extend_from_slice(short);
                }
                self.taken = end + 1;
                if passed {
                    continue;
                }
                self.number += 1;
                return NextLine::Line;
            }
            self.searched = self.text.len();
            let waiting = self.text.len() - self.taken;
            if self.passing {
                self.passed += waiting as u64;
                self.taken = self.text.len();
            } else if waiting > LONGEST_LINE {
                let cut = self.taken + LONGEST_LINE;
                line.extend_from_slice(self.text.get(self.taken..cut).unwrap_or_default());
                self.taken = cut;
                self.passing = true;
                self.too_long += 1;
                self.number += 1;
                return NextLine::Line;
            }
            if self.ended {
                let found = self.text.get(self.taken..).unwrap_or_default();
                self.cr = found.ends_with(b"\r");
                let found = found.strip_suffix(b"\r").unwrap_or(found);
                line.extend_from_slice(found);
                self.taken = self.text.len();
                let any = !line.is_empty();
                self.number += u64::from(any);
                return if any { NextLine::Line } else { NextLine::End };
            }
            if input.waits(self.offset) && !input.stopped() {
                return NextLine::Waiting;
            }
            self.fill(input);
        }
    }

    fn fill(&mut self, input: &mut Input) {
        if self.taken > 0 {
            self.text.drain(..self.taken);
            self.searched -= self.taken.min(self.searched);
            self.taken = 0;
        }
        input.read(self.offset, WINDOW, &mut self.window);
        self.ended = self.window.is_empty() && !input.is_growing() || input.stopped();
        self.offset += self.window.len() as u64;
        match self.encoding {
            Encoding::Plain => self.text.extend_from_slice(&self.window),
            Encoding::Utf16Le => self.convert(u16::from_le_bytes),
            Encoding::Utf16Be => self.convert(u16::from_be_bytes),
        }
    }

    fn convert(&mut self, unit: fn([u8; 2]) -> u16) {
        self.rest.extend_from_slice(&self.window);
        let mut whole = self.rest.len() & !1;
        let units = |bytes: &[u8]| -> Vec<u16> {
            let pairs = bytes.chunks_exact(2);
            pairs
                .filter_map(|pair| pair.first_chunk::<2>())
                .map(|pair| unit(*pair))
                .collect()
        };
        let mut found = units(self.rest.get(..whole).unwrap_or_default());
        // The second half of a pair of surrogates comes with the next octets.
        if !self.ended && found.last().is_some_and(|u| (0xd800..0xdc00).contains(u)) {
            found.pop();
            whole -= 2;
        }
        let mut room = [0; 4];
        for c in char::decode_utf16(found) {
            let c = c.unwrap_or(char::REPLACEMENT_CHARACTER);
            self.text
                .extend_from_slice(c.encode_utf8(&mut room).as_bytes());
        }
        self.rest.drain(..whole);
    }
}
