//! One message while it is put together out of lines.
//!
//! What the text lost is put back (line ends, the empty line before the body), what it gained is
//! taken off (blanks of web pages, dots for CR, remarks between the lines), and each of these
//! repairs is noted. Byte counts that the text declares are never believed.

use super::marks::Facts;
use super::start::{self, Prefix};
use crate::sip::header_name::Header as Name;
use crate::source::TextFormat;

/// Lines without use for the message after which it is given up.
const MOST_IDLE: u32 = 40;
/// Most octets of one message.
const MOST_OCTETS: usize = 4 << 20;

/// Something of the text that was not taken as it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Repair {
    NoBreakSpace,
    Html,
    Prefix,
    LineNumbers,
    WrittenLineEnds,
    Joined,
    Wrapped,
    NoEmptyLine,
    EmptyLineInHeader,
    Remarks,
    Dots,
    PageBreak,
    Punctuation,
    BodyDeleted,
    Length,
    Cut,
    Box,
    Escaped,
}

impl Repair {
    /// What it is, in a few words, and the reason.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::NoBreakSpace => (
                "messages with no-break spaces",
                "a web page put them there; they are read as blanks",
            ),
            Self::Html => (
                "messages in HTML",
                "&lt; and the like are read as the characters they stand for",
            ),
            Self::Prefix => (
                "messages behind a log prefix",
                "what stands in front of each line is left out",
            ),
            Self::LineNumbers => (
                "messages with line numbers",
                "the number in front of each line is left out",
            ),
            Self::WrittenLineEnds => (
                "messages with written line ends",
                "marks such as <CRLF>, \\r\\n or #012 are read as line ends",
            ),
            Self::Joined => (
                "messages on one line",
                "they are separated in front of each known header",
            ),
            Self::Wrapped => (
                "messages with wrapped lines",
                "a line that goes on without a blank is joined to the one before it",
            ),
            Self::NoEmptyLine => (
                "messages without an empty line before the body",
                "it is put back where the body evidently begins",
            ),
            Self::EmptyLineInHeader => (
                "messages with empty lines in the header",
                "the header goes on behind them, so they are left out",
            ),
            Self::Remarks => (
                "messages with remarks between their lines",
                "lines that are no part of the message are left out",
            ),
            Self::Dots => (
                "messages with dots for CR",
                "the dot at the end of each line is left out",
            ),
            Self::PageBreak => (
                "messages across a page break",
                "foot and head of the page are left out",
            ),
            Self::Punctuation => (
                "messages with a colon behind SDP lines",
                "the remarks around them put it there; it is left out",
            ),
            Self::BodyDeleted => (
                "bodies deleted by the logger",
                "the log says so in their place",
            ),
            Self::Length => (
                "bodies of another length than declared",
                "the body is taken as the text shows it",
            ),
            Self::Cut => (
                "messages cut by the log",
                "their header does not end in this text",
            ),
            Self::Box => (
                "messages in a box",
                "the bar at the end of each line is left out",
            ),
            Self::Escaped => (
                "messages in quotation marks",
                "\\\" and the like are read as the characters they stand for",
            ),
        }
    }

    pub const ALL: [Self; 18] = [
        Self::NoBreakSpace,
        Self::Html,
        Self::Prefix,
        Self::LineNumbers,
        Self::WrittenLineEnds,
        Self::Joined,
        Self::Wrapped,
        Self::NoEmptyLine,
        Self::EmptyLineInHeader,
        Self::Remarks,
        Self::Dots,
        Self::PageBreak,
        Self::Punctuation,
        Self::BodyDeleted,
        Self::Length,
        Self::Cut,
        Self::Box,
        Self::Escaped,
    ];

    pub fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// What Content-Type says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodyKind {
    Unknown,
    Sdp,
    Xml,
    Multipart,
    SipFragment,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Header,
    Body,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fed {
    /// It belongs to the message, or stands between its lines.
    Taken,
    /// The message ended before it.
    Over,
}

mod seen {
    pub const VIA: u16 = 1;
    pub const FROM: u16 = 2;
    pub const TO: u16 = 4;
    pub const CALL_ID: u16 = 8;
    pub const CSEQ: u16 = 16;
    pub const ALL: u16 = 31;
}

/// A message that is being put together.
#[derive(Debug)]
pub(super) struct Build {
    /// Line on which its start line stands.
    pub line: u64,
    pub facts: Facts,
    /// The announcing line is the reason to take it for a message of that format.
    pub framed: bool,
    pub prefix: Prefix,
    pub repairs: u32,
    /// Marks for line ends are read in the next lines too.
    pub written_ends: bool,
    /// HTML is read in the next lines too.
    pub html: bool,
    /// The lines of a Lync record: every one is a header until `Message-Body:`.
    lync: bool,
    dots: bool,
    /// A blank stands in front of each line but the first (Expressway).
    indented: bool,
    cr: bool,
    head: Vec<u8>,
    body: Vec<u8>,
    state: State,
    known: u32,
    seen: u16,
    length: Option<u64>,
    kind: BodyKind,
    blanks: u32,
    idle: u32,
    remarks: bool,
    empty_lines: u32,
    ended: bool,
    /// The newest header line is not complete, or was as long as the terminal is wide.
    open: bool,
    full: bool,
    at_page_end: bool,
}

/// A message that is complete.
#[derive(Debug)]
pub(super) struct Finished {
    pub bytes: Vec<u8>,
    pub cut: bool,
    pub repairs: u32,
}

impl Build {
    /// Begins with a start line.
    pub fn new(
        start: &[u8],
        line: u64,
        facts: Facts,
        framed: bool,
        prefix: Prefix,
        cr: bool,
    ) -> Self {
        let lync = framed && facts.format == TextFormat::LyncServer;
        let mut build = Self {
            line,
            facts,
            framed,
            prefix,
            repairs: 0,
            written_ends: false,
            html: false,
            lync,
            dots: false,
            indented: false,
            cr,
            head: Vec::with_capacity(1024),
            body: Vec::new(),
            state: State::Header,
            known: 0,
            seen: 0,
            length: None,
            kind: BodyKind::Unknown,
            blanks: 0,
            idle: 0,
            remarks: false,
            empty_lines: 0,
            ended: false,
            open: false,
            full: false,
            at_page_end: false,
        };
        build.head.extend_from_slice(start);
        build.head.extend_from_slice(b"\r\n");
        if build.prefix.is_words() {
            build.note(if build.prefix.is_line_number() {
                Repair::LineNumbers
            } else {
                Repair::Prefix
            });
        }
        build
    }

    pub fn note(&mut self, repair: Repair) {
        self.repairs |= repair.bit();
    }

    /// Every line ends in a dot that stands for CR.
    pub fn with_dots(&mut self) {
        self.dots = true;
        self.note(Repair::Dots);
    }

    /// True where a status line is part of the body: message/sipfrag.
    pub fn quotes_sip(&self) -> bool {
        self.kind == BodyKind::SipFragment
            && self.length != Some(0)
            && self.body.is_empty()
            && self.known >= 2
            && (self.blanks > 0 || self.state == State::Body)
    }

    /// The message cannot be over yet, with so many octets behind what was taken.
    pub fn wants_more(&self, octets: usize) -> bool {
        let have = (self.body.len() + octets) as u64;
        match self.state {
            State::Header if self.blanks == 0 => true,
            _ => self.length.is_some_and(|length| length > have),
        }
    }

    /// True in a record that names its end.
    pub fn in_record(&self) -> bool {
        self.lync
    }

    /// The line without what Expressway puts around its block: ` |` in front of the first line, a
    /// blank in front of the others, a bar alone behind the last.
    pub fn unindented<'a>(&mut self, line: &'a [u8]) -> &'a [u8] {
        if !self.framed || self.facts.format != TextFormat::Expressway {
            return line;
        }
        if line.trim_ascii() == b"|" {
            return b"";
        }
        let inner = line.strip_prefix(b" ");
        if self.known == 0
            && !self.indented
            && inner.and_then(start::header).is_some_and(|h| h.known)
        {
            self.indented = true;
            self.note(Repair::Prefix);
        }
        inner.filter(|_| self.indented).unwrap_or(line)
    }

    /// Takes the next line, its prefix taken off.
    pub fn feed(&mut self, line: &[u8], cr: bool) -> Fed {
        if self.head.len() + self.body.len() > MOST_OCTETS {
            return Fed::Over;
        }
        let line = match line.strip_suffix(b".") {
            Some(short) if self.dots => short,
            _ => line,
        };
        match (self.lync, self.state) {
            (true, State::Header) => self.lync_header(line),
            (true, State::Body) => {
                self.push_body(line, cr);
                Fed::Taken
            }
            (false, State::Header) => self.header_line(line, cr),
            (false, State::Body) => self.body_line(line, cr),
        }
    }

    fn lync_header(&mut self, line: &[u8]) -> Fed {
        const BODY: &[u8] = b"Message-Body:";
        let label = line.get(..BODY.len()).unwrap_or_default();
        if label.eq_ignore_ascii_case(BODY) {
            self.state = State::Body;
            self.ended = true;
            let rest = line.get(BODY.len()..).unwrap_or_default();
            let rest = rest.strip_prefix(b" ").unwrap_or(rest);
            let text = rest.trim_ascii();
            let dashes = [&b"-"[..], "–".as_bytes(), "—".as_bytes(), b""];
            if memchr::memmem::find(text, b"MESSAGE BODY DELETED").is_some() {
                self.note(Repair::BodyDeleted);
            } else if !dashes.contains(&text) {
                self.push_body(rest, true);
            }
        } else if let Some(header) = start::header(line) {
            self.push_header(line, header);
        } else if !line.trim_ascii().is_empty() {
            self.note(Repair::Remarks);
        }
        Fed::Taken
    }

    fn header_line(&mut self, line: &[u8], cr: bool) -> Fed {
        let text = line.trim_ascii();
        if text.is_empty() {
            self.blanks += 1;
            return self.idle(self.known < 2);
        }
        if self.page_break(text) {
            return Fed::Taken;
        }
        if self.blanks > 0 {
            return self.behind_blank(line, cr);
        }
        if self.known > 0 && line.first().is_some_and(|b| matches!(b, b' ' | b'\t')) {
            // Folding (RFC 3261, 7.3.1).
            self.continue_header(text, true);
            return Fed::Taken;
        }
        if let Some(header) = self.acceptable(line) {
            self.push_header(line, header);
            return Fed::Taken;
        }
        if self.known >= 2 && self.begins_body(text) {
            self.note(Repair::NoEmptyLine);
            self.begin_body(line, cr);
            return Fed::Taken;
        }
        if is_page_label(text) {
            self.note(Repair::Remarks);
            return Fed::Taken;
        }
        if self.known > 0 && self.open {
            self.note(Repair::Wrapped);
            self.continue_header(text, true);
            return Fed::Taken;
        }
        if self.known > 0 && self.full && !self.remarks && !text.contains(&b' ') {
            self.note(Repair::Wrapped);
            self.continue_header(text, false);
            return Fed::Taken;
        }
        let complete = self.known >= 2 && self.seen == seen::ALL;
        if complete && (!self.remarks || self.length == Some(0)) {
            self.ended = self.length.is_some();
            return Fed::Over;
        }
        self.remarks = true;
        self.note(Repair::Remarks);
        self.idle(true)
    }

    /// A line behind at least one empty line in or behind the header.
    fn behind_blank(&mut self, line: &[u8], cr: bool) -> Fed {
        let text = line.trim_ascii();
        let complete = self.known >= 2 && self.seen == seen::ALL;
        let body = self.length != Some(0) && self.known >= 2;
        if body && (self.begins_body(text) || self.kind_allows(text)) {
            self.begin_body(line, cr);
            return Fed::Taken;
        }
        let loose = self.remarks || self.empty_lines >= 2;
        if complete && (!loose || self.length == Some(0)) {
            self.ended = true;
            return Fed::Over;
        }
        let header = start::header(line).filter(|h| h.known && h.name_len > 1 && h.tight);
        if let Some(header) = header {
            self.blanks = 0;
            self.empty_lines += 1;
            self.note(Repair::EmptyLineInHeader);
            self.push_header(line, header);
            return Fed::Taken;
        }
        if is_page_label(text) {
            self.note(Repair::Remarks);
            return Fed::Taken;
        }
        if self.known >= 2 && !loose {
            self.ended = true;
            return Fed::Over;
        }
        self.remarks = true;
        self.idle(true)
    }

    /// Counts a line without use; too many of them end the message.
    fn idle(&mut self, counts: bool) -> Fed {
        self.idle += u32::from(counts);
        if self.idle > MOST_IDLE {
            self.ended = self.blanks > 0;
            return Fed::Over;
        }
        Fed::Taken
    }

    /// A header line that can be meant as one here.
    fn acceptable(&self, line: &[u8]) -> Option<start::Header> {
        let header = start::header(line)?;
        let fits = if self.remarks {
            // Among remarks only what is certain: `rport: …` explains, `Via: …` is a header.
            header.known && header.name_len > 1 && header.tight
        } else if header.known {
            header.name_len > 1 || header.tight
        } else {
            self.known > 0 && header.name_len > 1 && header.tight
        };
        fits.then_some(header)
    }

    fn push_header(&mut self, line: &[u8], header: start::Header) {
        self.idle = 0;
        self.head.extend_from_slice(line.trim_ascii_end());
        self.head.extend_from_slice(b"\r\n");
        self.known += u32::from(header.known);
        let value = line.get(header.value..).unwrap_or_default().trim_ascii();
        match header.name.header() {
            Name::Via => self.seen |= seen::VIA,
            Name::From => self.seen |= seen::FROM,
            Name::To => self.seen |= seen::TO,
            Name::CallId => self.seen |= seen::CALL_ID,
            Name::CSeq => self.seen |= seen::CSEQ,
            Name::ContentLength => {
                let digits = std::str::from_utf8(value).ok();
                self.length = digits.and_then(|d| d.parse().ok()).or(self.length);
            }
            Name::ContentType => self.kind = body_kind(value),
            _ => {}
        }
        self.open = matches!(value.last(), Some(b','))
            || value.eq_ignore_ascii_case(b"SIP/2.0/UDP")
            || value.eq_ignore_ascii_case(b"SIP/2.0/TCP")
            || value.eq_ignore_ascii_case(b"SIP/2.0/TLS")
            || ends_open(value);
        self.full = matches!(line.len(), 80 | 132);
    }

    fn continue_header(&mut self, text: &[u8], blank: bool) {
        self.head.truncate(self.head.len().saturating_sub(2));
        if blank {
            self.head.push(b' ');
        }
        self.head.extend_from_slice(text);
        self.head.extend_from_slice(b"\r\n");
        self.open = matches!(text.last(), Some(b',')) || ends_open(text);
    }

    /// A body evidently begins with this line, empty line or not.
    fn begins_body(&self, text: &[u8]) -> bool {
        match self.kind {
            _ if text == b"v=0" || text.starts_with(b"v=0 o=") => true,
            BodyKind::Xml => text.starts_with(b"<?xml"),
            BodyKind::Multipart => text.starts_with(b"--") && text.len() > 2,
            _ => false,
        }
    }

    /// A line behind the empty line can be the first of the body that Content-Type names.
    fn kind_allows(&self, text: &[u8]) -> bool {
        match self.kind {
            BodyKind::Unknown => self.length.is_some_and(|n| n > 0) && self.framed,
            BodyKind::Sdp => is_sdp_line(text),
            BodyKind::Xml => text.starts_with(b"<"),
            BodyKind::Multipart | BodyKind::SipFragment | BodyKind::Other => true,
        }
    }

    fn begin_body(&mut self, line: &[u8], cr: bool) {
        self.state = State::Body;
        self.ended = true;
        self.blanks = 0;
        self.idle = 0;
        if self.kind == BodyKind::Unknown && line.trim_ascii() == b"v=0" {
            self.kind = BodyKind::Sdp;
        }
        self.push_body(line, cr);
    }

    fn body_line(&mut self, line: &[u8], cr: bool) -> Fed {
        let text = line.trim_ascii();
        if text.is_empty() {
            self.blanks += 1;
            return Fed::Taken;
        }
        if self.page_break(text) {
            return Fed::Taken;
        }
        if self.kind == BodyKind::Sdp {
            if is_sdp_line(text) && self.blanks <= 1 && !(self.blanks == 1 && text == b"v=0") {
                self.blanks = 0;
                self.idle = 0;
                let value = text.strip_suffix(b":").filter(|_| self.remarks);
                match value {
                    Some(value) if text.starts_with(b"a=") => {
                        self.note(Repair::Punctuation);
                        self.push_body(value, cr);
                    }
                    _ => self.push_body(line.trim_ascii_end(), cr),
                }
                return Fed::Taken;
            }
            // Only among remarks can the description go on behind something else.
            return if self.remarks {
                self.idle(true)
            } else {
                Fed::Over
            };
        }
        let complete = self
            .length
            .is_some_and(|length| self.body.len() as u64 + u64::from(self.blanks) >= length);
        let open = self.hard_end() || self.length.is_some() && !complete;
        if !open && (self.blanks > 0 || complete) {
            return Fed::Over;
        }
        for _ in 0..std::mem::take(&mut self.blanks).min(1000) {
            self.push_body(b"", cr);
        }
        self.push_body(line, cr);
        Fed::Taken
    }

    /// The format marks the end of each message.
    fn hard_end(&self) -> bool {
        self.framed
            && matches!(
                self.facts.format,
                TextFormat::AsteriskChanSip
                    | TextFormat::FreeSwitch
                    | TextFormat::Pjsua
                    | TextFormat::Acme
                    | TextFormat::Sipp
                    | TextFormat::LyncClient
                    | TextFormat::LyncServer
            )
    }

    fn push_body(&mut self, line: &[u8], cr: bool) {
        self.body.extend_from_slice(line);
        // A body may have LF where the header has CRLF; where the text has LF only, CR was lost.
        let lone = self.cr && !cr;
        self.body
            .extend_from_slice(if lone { b"\n" } else { b"\r\n" });
    }

    /// Foot and head of a printed page: `[Page 7]`, form feed, `RFC 3261 … June 2002`.
    fn page_break(&mut self, text: &[u8]) -> bool {
        let foot = text.ends_with(b"]") && memchr::memmem::rfind(text, b"[Page ").is_some();
        let head =
            self.at_page_end && (text.starts_with(b"RFC ") || text.starts_with(b"Internet-Draft"));
        if foot || head || text == b"\x0c" {
            self.note(Repair::PageBreak);
            self.at_page_end = !head;
            self.blanks = 0;
            return true;
        }
        if self.at_page_end {
            self.at_page_end = false;
            self.blanks = 0;
        }
        false
    }

    /// The message, if it is one: a start line and two known headers. `closed` says that the
    /// format marked its end.
    pub fn finish(mut self, closed: bool) -> Option<Finished> {
        if self.known < 2 {
            return None;
        }
        let closed = closed && self.hard_end() || self.blanks > 0;
        let cut = !self.ended && !closed && self.body.is_empty() && self.length.is_none();
        self.fit_length();
        if let Some(length) = self.length
            && self.repairs & Repair::BodyDeleted.bit() == 0
            && length != self.body.len() as u64
        {
            self.note(Repair::Length);
        }
        if cut {
            self.note(Repair::Cut);
        }
        let mut bytes = self.head;
        if !cut {
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(&self.body);
        Some(Finished {
            bytes,
            cut,
            repairs: self.repairs,
        })
    }

    /// Text does not show whether the last line of a body has an end, nor empty lines behind it:
    /// where the declared length settles exactly that, it is heard.
    fn fit_length(&mut self) {
        let Some(length) = self.length.and_then(|n| usize::try_from(n).ok()) else {
            return;
        };
        let have = self.body.len();
        if self.body.ends_with(b"\r\n") && have == length.saturating_add(2) {
            self.body.truncate(length);
        } else if have > length
            && let Some(fitting) = self.shorter(length)
        {
            self.body = fitting;
        } else if have > 0 && length > have {
            let missing = length - have;
            if missing.is_multiple_of(2) && missing / 2 <= self.blanks as usize {
                self.body.extend(b"\r\n".repeat(missing / 2));
            }
        }
    }
}

impl Build {
    /// The body in another form that the text may stand for, where one has exactly this length: with
    /// LF alone, which text without CR does not show, or without the blanks of a web page.
    fn shorter(&self, length: usize) -> Option<Vec<u8>> {
        let page = Repair::NoBreakSpace.bit() | Repair::Html.bit();
        let ends: &[&[u8]] = if self.cr {
            &[b"\r\n"]
        } else {
            &[b"\r\n", b"\n"]
        };
        let trims: &[bool] = if self.repairs & page == 0 {
            &[false]
        } else {
            &[false, true]
        };
        let forms = trims.iter().flat_map(|t| ends.iter().map(|e| (*t, *e)));
        for (trimmed, end) in forms {
            let mut body = Vec::with_capacity(self.body.len());
            for line in self.body.split_inclusive(|b| *b == b'\n') {
                let line = line.strip_suffix(b"\n").unwrap_or(line);
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                body.extend_from_slice(if trimmed { line.trim_ascii() } else { line });
                body.extend_from_slice(end);
            }
            for last in [0, end.len()] {
                if body.len() == length + last {
                    body.truncate(length);
                    return Some(body);
                }
            }
        }
        None
    }
}

/// Ends in the middle of a URI or parameter list.
fn ends_open(value: &[u8]) -> bool {
    let open = value.iter().filter(|b| **b == b'<').count();
    let close = value.iter().filter(|b| **b == b'>').count();
    open > close && value.len() < 4096
}

fn body_kind(value: &[u8]) -> BodyKind {
    let word = value.get(..value.len().min(100)).unwrap_or_default();
    let word = word.to_ascii_lowercase();
    let has = |part: &[u8]| memchr::memmem::find(&word, part).is_some();
    match () {
        () if has(b"sdp") => BodyKind::Sdp,
        () if has(b"xml") => BodyKind::Xml,
        () if word.starts_with(b"multipart") => BodyKind::Multipart,
        () if has(b"sipfrag") || word.starts_with(b"message/sip") => BodyKind::SipFragment,
        () => BodyKind::Other,
    }
}

/// `x=…` (RFC 8866, 5).
fn is_sdp_line(text: &[u8]) -> bool {
    matches!(text, [b'a'..=b'z', b'=', ..])
}

/// A label that a page puts between the parts: `<Message Header>`, `<Message Body>`.
fn is_page_label(text: &[u8]) -> bool {
    let inner = text.strip_prefix(b"<").and_then(|t| t.strip_suffix(b">"));
    inner.is_some_and(|t| {
        (4..40).contains(&t.len())
            && t.iter()
                .all(|b| b.is_ascii_alphabetic() || matches!(b, b' ' | b'-'))
    })
}
