//! Finds the messages in a text, line by line.
//!
//! Two things make a message: a start line, and at least two known headers behind it. Whatever
//! format the text has, that is enough; a line that a known format writes in front of a message
//! ([`super::marks`]) adds time, direction and addresses.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::above::Above;
use super::around::Around;
use super::build::{Build, Fed, Repair};
use super::dotted;
use super::hex::{Dump, Hex};
use super::marks::{self, Context, Facts, Mark, place, regex};
use super::quoted;
use super::stamp::{self, Stamp};
use super::start::{self, Prefix};
use super::tshark::Tshark;
use crate::packet::trace::{Direction, TimeKind};
use crate::source::TextFormat;

/// Lines that may stand between the announcing line and the start line.
const MOST_BETWEEN: u32 = 12;
/// Pieces that one line is cut into where line ends are written out.
const MOST_PIECES: usize = 100_000;
/// Most octets of a packet that is printed without line ends.
const MOST_FLAT: usize = 1 << 20;

static WRITTEN_ENDS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(
        r"<CR> ?<LF>|<CRLF>|\[CRLF\]|\[CR\]\[LF\]|<LF>|#015#012|\\r\\n|\\x0[dD]\\x0[aA]|\^M|&#13;|<br ?/?>|\xe2\x90\x8d\xe2\x90\x8a",
    )
});

/// A message that was found.
#[derive(Debug)]
pub(super) struct Found {
    pub bytes: Vec<u8>,
    pub cut: bool,
    pub line: u64,
    pub facts: Facts,
}

/// What comes out of a text.
#[derive(Debug)]
pub(super) enum Done {
    Message(Found),
    Packet(Dump),
}

/// Goes through a text.
#[derive(Debug, Default)]
pub(super) struct Finder {
    build: Option<Build>,
    pending: Option<(Facts, u32)>,
    context: Context,
    tshark: Tshark,
    hex: Hex,
    /// What was taken off the line in hand before it came here.
    pub around: Around,
    /// What was found and not yet fetched.
    pub done: Vec<Done>,
    /// Messages by format.
    pub formats: BTreeMap<TextFormat, u64>,
    /// Repairs: how many messages, and the line of the first.
    pub repairs: BTreeMap<Repair, (u64, u64)>,
    /// Messages announced that the text does not show: how many, and the line of the first.
    pub announced: (u64, u64),
    /// Newest frame whose tree gave a message (`tshark -V -x` prints both).
    tree: Option<u32>,
    /// Facts and start line of the newest packet of `tcpdump`.
    packet: Option<(Facts, Vec<u8>)>,
    /// The last line of a datagram of AudioCodes, which may go on in the next one, and its time.
    held: Option<(Vec<u8>, Stamp)>,
    /// A packet of ngrep that was printed without line ends, so far.
    flat: Option<(u64, Vec<u8>)>,
    above: Above,
}

impl Finder {
    /// Takes the next line; `cr` says that it ended in CR LF.
    pub fn line(&mut self, number: u64, text: &[u8], cr: bool) {
        if memchr::memchr(0x1b, text).is_some() {
            let plain = without_escapes(text);
            self.datagram(number, &plain, cr);
        } else {
            self.datagram(number, text, cr);
        }
    }

    /// One line of a syslog file may hold many: `#012` stands for LF there.
    fn datagram(&mut self, number: u64, text: &[u8], cr: bool) {
        let escaped = memchr::memmem::find(text, b"#012").is_some()
            && memchr::memmem::find(text, b"#015#012").is_none();
        if !escaped {
            return self.written(number, text, cr);
        }
        let mut pieces = Vec::new();
        let mut from = 0;
        for at in memchr::memmem::find_iter(text, b"#012").take(MOST_PIECES) {
            pieces.push(text.get(from..at).unwrap_or_default());
            from = at + 4;
        }
        pieces.push(text.get(from..).unwrap_or_default());
        let last = pieces.len() - 1;
        for (at, piece) in pieces.into_iter().enumerate() {
            // What follows the last mark is the rest of the datagram, not an empty line.
            if at == last && piece.trim_ascii().is_empty() {
                continue;
            }
            if at > 0
                && let Some(build) = &mut self.build
            {
                build.note(Repair::WrittenLineEnds);
            }
            let piece = if at < last {
                piece.strip_suffix(b" ").unwrap_or(piece)
            } else {
                piece
            };
            self.row(number, piece, cr);
        }
    }

    /// Line ends that are written out: `<CRLF>`, `\r\n`.
    fn written(&mut self, number: u64, text: &[u8], cr: bool) {
        let wanted = self.build.as_ref().is_some_and(|b| b.written_ends)
            || memchr::memmem::find(text, b"SIP/2.0").is_some();
        let Some(pattern) = WRITTEN_ENDS.as_ref().filter(|p| wanted && p.is_match(text)) else {
            return self.row(number, text, cr);
        };
        let mut from = 0;
        let mut begun = false;
        let text = quoted::string(text, pattern).unwrap_or(text);
        for found in pattern.find_iter(text).take(MOST_PIECES) {
            let piece = text.get(from..found.start()).unwrap_or_default();
            let piece = quoted::plain(piece, found.as_bytes());
            from = found.end();
            let before = self.build.as_ref().map(|b| b.line);
            self.row(number, &piece, true);
            begun |= self.build.is_some();
            if let Some(build) = &mut self.build {
                begun |= before != Some(build.line);
                build.written_ends = true;
                build.note(Repair::WrittenLineEnds);
                if matches!(piece, Cow::Owned(_)) {
                    build.note(Repair::Escaped);
                }
            }
        }
        let rest = text.get(from..).unwrap_or_default();
        // Behind the last mark a quotation mark may close what a program printed as a string.
        if !rest.trim_ascii().is_empty() && (!begun || rest.trim_ascii().len() > 2) {
            self.row(number, rest, cr);
        }
    }

    fn row(&mut self, number: u64, text: &[u8], cr: bool) {
        self.read_row(number, text, cr);
        self.above.push(number, text);
    }

    fn read_row(&mut self, number: u64, text: &[u8], cr: bool) {
        if self.flat_row(text) {
            return;
        }
        let (used, dump) = self.hex.line(text, number);
        if let Some(dump) = dump {
            self.packet_done(dump);
        }
        if used {
            if self.hex.stamp.is_none()
                && let Some((facts, _)) = self.pending.take()
            {
                self.hex.stamp = facts.stamp;
            }
            return;
        }
        let before = self.done.len();
        let used = self.tshark.line(text, number, &mut self.done);
        if self.done.len() > before {
            self.repaired(self.around.repairs, number);
        }
        if used {
            if let Some(Done::Message(found)) = self.done.last()
                && found.facts.format == TextFormat::TsharkV
            {
                self.tree = found.facts.record;
            }
            self.finish(true);
            return;
        }
        let mut text = text;
        match marks::read(text, &mut self.context) {
            Some(Mark::Continued(at)) => {
                let rest = text.get(at..).unwrap_or_default();
                if !self.resume(number, rest, cr) {
                    self.ends();
                }
                return;
            }
            Some(Mark::Begin(facts, from)) => {
                self.finish(true);
                self.context.cisco &=
                    matches!(facts.format, TextFormat::CiscoIos | TextFormat::CiscoIosXe);
                self.announce(facts, number);
                match text
                    .get(from..)
                    .filter(|rest| !rest.trim_ascii().is_empty())
                {
                    Some(rest) => text = rest,
                    None => return,
                }
            }
            Some(Mark::More(more)) => {
                if let Some((facts, _)) = &mut self.pending {
                    facts.direction = more.direction.or(facts.direction);
                    facts.transport = more.transport.or(facts.transport);
                    facts.src = more.src.or(facts.src.take());
                    facts.dst = more.dst.or(facts.dst.take());
                }
                return;
            }
            Some(Mark::End) => {
                self.ends();
                return;
            }
            Some(Mark::Late(stamp, at)) => {
                self.late(number, text, cr, stamp, at);
                return;
            }
            Some(Mark::Noise) => return,
            None => {}
        }
        if self.context.pass_record {
            return;
        }
        self.content(number, text, cr);
    }

    /// A message is announced; one announced before did not come.
    fn announce(&mut self, mut facts: Facts, number: u64) {
        facts.stamp = facts.stamp.or(self.around.stamp);
        if self
            .pending
            .as_ref()
            .is_some_and(|(f, _)| f.format == TextFormat::AudioCodes)
        {
            self.unannounce(number);
        }
        self.packet = None;
        self.pending = Some((facts, 0));
    }

    /// A line of the format says that what stands before it is over.
    fn ends(&mut self) {
        self.finish(true);
        if self
            .pending
            .as_ref()
            .is_some_and(|(f, _)| f.format == TextFormat::AudioCodes)
        {
            self.unannounce(0);
        }
    }

    /// The time stands behind the message, perhaps on its last line. The next datagram may go on
    /// right there.
    fn late(&mut self, number: u64, text: &[u8], cr: bool, stamp: Stamp, at: usize) {
        let rest = text.get(..at).unwrap_or_default();
        if self.build.is_none() && !rest.trim_ascii().is_empty() {
            // All of the message may stand on this line.
            self.content(number, rest, cr);
            if let Some(build) = self.build.as_mut().filter(|b| is_audiocodes(b)) {
                build.facts.stamp = Some(stamp);
            }
            return self.finish(true);
        }
        if self.build.as_ref().is_some_and(is_audiocodes) {
            // One blank is put in front of the time.
            let blanks = text.get(at..).unwrap_or_default();
            let blanks = blanks.iter().take_while(|b| **b == b' ').count();
            let kept = if blanks == 2 { at + 1 } else { at };
            self.held = Some((text.get(..kept).unwrap_or(rest).to_vec(), stamp));
        }
    }

    /// A datagram goes on where the one before it was cut; false when nothing was cut.
    fn resume(&mut self, number: u64, text: &[u8], cr: bool) -> bool {
        let Some(build) = &self.build else {
            return false;
        };
        let Some((mut line, stamp)) = self
            .held
            .take_if(|(tail, _)| build.wants_more(tail.trim_ascii().len()))
        else {
            return false;
        };
        line.extend_from_slice(text);
        match marks::read(&line, &mut self.context) {
            // The time of the first datagram is that of the message.
            Some(Mark::Late(_, at)) => self.late(number, &line, cr, stamp, at),
            _ => self.content(number, &line, cr),
        }
        true
    }

    /// What ngrep prints on lines of its own with dots for line ends; true when the line is part of
    /// such a packet.
    fn flat_row(&mut self, text: &[u8]) -> bool {
        if let Some((_, packet)) = &mut self.flat {
            if let Some(more) = text.strip_prefix(b"  ")
                && packet.len() < MOST_FLAT
            {
                packet.extend_from_slice(more);
                return true;
            }
            self.flat_done();
        }
        false
    }

    /// Begins such a packet, when the line is its first.
    fn flat_begins(&mut self, number: u64, text: &[u8]) -> bool {
        let ngrep = |(facts, _): &(Facts, u32)| facts.format == TextFormat::Ngrep;
        if self.build.is_some() || !self.pending.as_ref().is_some_and(ngrep) {
            return false;
        }
        let text = text.trim_ascii_start();
        let Some(first) = dotted::lines(text).next() else {
            return false;
        };
        if first.len() == text.len() || start::find(first, false).is_none_or(|s| s.at > 0) {
            return false;
        }
        self.flat = Some((number, text.to_vec()));
        true
    }

    fn flat_done(&mut self) {
        let Some((number, packet)) = self.flat.take() else {
            return;
        };
        for (at, line) in dotted::lines(&packet).enumerate() {
            if at == 0 {
                self.start(number, line, true);
            } else if let Some(build) = &mut self.build {
                build.feed(line, true);
            }
        }
        if let Some(build) = &mut self.build {
            build.note(Repair::WrittenLineEnds);
        }
        self.finish(true);
    }

    fn unannounce(&mut self, number: u64) {
        self.pending = None;
        let first = if self.announced.0 == 0 {
            number
        } else {
            self.announced.1
        };
        self.announced = (self.announced.0 + 1, first);
    }

    /// A line that announces nothing.
    fn content(&mut self, number: u64, text: &[u8], cr: bool) {
        if self.held.is_some() {
            self.finish(true);
        }
        let plain;
        let mut text = text;
        let begins = memchr::memmem::find(text, b"SIP/2.0").is_some();
        if (begins || self.build.is_some())
            && let Some(changed) = self.plain(text, begins)
        {
            plain = changed;
            text = &plain;
        }
        if self.record_line(text) {
            return;
        }
        if begins && (self.flat_begins(number, text) || self.start(number, text, cr)) {
            return;
        }
        let Some(build) = &mut self.build else {
            if let Some((facts, age)) = &mut self.pending {
                *age += u32::from(!text.trim_ascii().is_empty());
                let most = if facts.format == TextFormat::LyncServer {
                    100
                } else {
                    MOST_BETWEEN
                };
                if *age > most {
                    self.pending = None;
                }
            }
            return;
        };
        build.repairs |= self.around.repairs;
        let line = match build.prefix.strip(text) {
            Some(line) => line,
            None => match build.prefix.strip_shorter(text) {
                Some((count, line)) => {
                    build.prefix.shorten(count);
                    line
                }
                None => text,
            },
        };
        let line = build.unindented(line);
        if build.feed(line, cr) == Fed::Over {
            self.finish(false);
        }
    }

    /// Reads what web pages make of text; none when nothing had to be changed.
    fn plain(&mut self, text: &[u8], begins: bool) -> Option<Vec<u8>> {
        let mut repair = 0;
        let mut out = None;
        if memchr::memmem::find(text, b"\xc2\xa0").is_some()
            || memchr::memmem::find(text, b"\xe2\x80\x8b").is_some()
        {
            let (from, to): (&[&[u8]], &[&[u8]]) = (
                &[b"\xc2\xa0", b"\xe2\x80\x8b", b"\xef\xbb\xbf"],
                &[b" ", b"", b""],
            );
            out = Some(replaced(text, from, to));
            repair |= Repair::NoBreakSpace.bit();
        }
        let html = self.build.as_ref().is_some_and(|b| b.html);
        let now = out.as_deref().unwrap_or(text);
        let escaped = [&b"&lt;"[..], b"&gt;", b"&nbsp;", b"&quot;"]
            .iter()
            .any(|e| memchr::memmem::find(now, e).is_some())
            || html && memchr::memchr(b'&', now).is_some();
        // A body may quote HTML: only a header shows that the text itself is escaped.
        if escaped
            && (begins || html || start::header(now.trim_ascii_start()).is_some_and(|h| h.known))
        {
            let from: [&[u8]; 8] = [
                b"&lt;", b"&gt;", b"&quot;", b"&nbsp;", b"&#39;", b"&#34;", b"&#64;", b"&amp;",
            ];
            let to: [&[u8]; 8] = [b"<", b">", b"\"", b" ", b"'", b"\"", b"@", b"&"];
            out = Some(replaced(now, &from, &to));
            repair |= Repair::Html.bit();
        }
        if let (Some(build), false) = (&mut self.build, begins) {
            build.repairs |= repair;
            build.html |= repair & Repair::Html.bit() != 0;
        }
        out
    }

    /// The lines of a Lync record in front of its start line.
    fn record_line(&mut self, text: &[u8]) -> bool {
        if self.build.is_some() {
            return false;
        }
        let lync = self
            .pending
            .as_ref()
            .is_some_and(|(facts, _)| facts.format == TextFormat::LyncServer);
        let after = |label: &[u8]| text.strip_prefix(label).map(<[u8]>::trim_ascii);
        if let Some(value) = after(b"Direction:") {
            let direction = match value {
                v if v.starts_with(b"incoming") => Direction::In,
                v if v.starts_with(b"outgoing") => Direction::Out,
                _ => return lync,
            };
            if !lync {
                // A record that was copied without its first line.
                self.pending = Some((Facts::new(TextFormat::LyncServer), 0));
            }
            if let Some((facts, _)) = &mut self.pending {
                facts.direction = Some(direction);
            }
            return true;
        }
        if let (true, Some(value)) = (lync, after(b"Peer:")) {
            if let Some((facts, _)) = &mut self.pending
                && let Some(direction) = facts.direction
            {
                *facts = facts.clone().peer(direction, place(value));
            }
            return true;
        }
        false
    }

    /// Begins a message if the line has a start line.
    fn start(&mut self, number: u64, text: &[u8], cr: bool) -> bool {
        if let Some(build) = &self.build
            && (build.in_record() || build.quotes_sip())
        {
            return false;
        }
        let glued = self.packet.is_some()
            || self
                .pending
                .as_ref()
                .is_some_and(|(f, _)| f.format == TextFormat::Tcpdump);
        let Some(found) = start::find(text, glued) else {
            return false;
        };
        let Some(words) = text.get(found.at..found.end) else {
            return false;
        };
        self.finish(false);
        let before = text.get(..found.at).unwrap_or_default();
        let mut prefix = Prefix::of(before);
        let (mut facts, framed) = match self.pending.take() {
            Some((facts, _)) => (facts, true),
            None => match self.packet.take() {
                // With -v and -A together tcpdump prints each message twice.
                Some((_, printed)) if printed == words => return true,
                Some((facts, _)) => (facts, true),
                None => {
                    let logged = prefix.is_words() && !prefix.is_line_number();
                    let stamp = logged.then(|| stamp::find(before)).flatten();
                    let facts = Facts::new(TextFormat::Plain).at(stamp);
                    match logged {
                        true => (facts, false),
                        false => (self.above.tell(number, facts), false),
                    }
                }
            },
        };
        facts.stamp = facts.stamp.or(self.around.stamp);
        let format = facts.format;
        if matches!(format, TextFormat::Tcpdump) {
            self.packet = Some((facts.clone(), words.to_vec()));
            if !before.iter().all(|b| matches!(b, b' ' | b'\t')) {
                prefix = Prefix::default();
            }
        }
        if format == TextFormat::LyncServer || before.ends_with(b"Start-Line: ") {
            prefix = Prefix::default();
        }
        let dots = matches!(format, TextFormat::Ngrep | TextFormat::Tcpdump);
        let bare = words.strip_suffix(b".").filter(|_| dots);
        let dotted = bare.is_some()
            || dots
                && text
                    .get(found.end..)
                    .is_some_and(|r| r.trim_ascii() == b".");
        let words = bare.unwrap_or(words);
        let mut build = Build::new(words, number, facts, framed, prefix, cr);
        build.repairs |= self.around.repairs;
        if dotted {
            build.with_dots();
        }
        self.build = Some(build);
        if found.joined {
            self.joined(text.get(found.end..).unwrap_or_default());
        }
        true
    }

    /// Headers, and perhaps the body, on the line of the start line.
    fn joined(&mut self, rest: &[u8]) {
        let Some(build) = &mut self.build else { return };
        build.note(Repair::Joined);
        let mut rest = rest.trim_ascii();
        for _ in 0..MOST_PIECES {
            let Some(header) = start::header(rest) else {
                break;
            };
            let value = rest.get(header.value..).unwrap_or_default();
            let body = memchr::memmem::find(value, b" v=0 ");
            let next = start::joined_header(value);
            let end = match (next, body) {
                (Some(next), Some(body)) if body < next => body,
                (Some(next), _) => next,
                (None, Some(body)) => body,
                (None, None) => value.len(),
            };
            let line = rest.get(..header.value + end).unwrap_or_default();
            build.feed(line, true);
            rest = rest
                .get(header.value + end..)
                .unwrap_or_default()
                .trim_ascii();
            if rest.starts_with(b"v=0 ") {
                build.feed(b"", true);
                for line in sdp_lines(rest) {
                    build.feed(line, true);
                }
                break;
            }
        }
    }

    fn packet_done(&mut self, dump: Dump) {
        self.finish(true);
        // Where a program prints the text of a packet and its octets, it is one message.
        if self.packet.is_some() || self.tree == Some(self.tshark.frame()) {
            return;
        }
        self.repaired(self.around.repairs, dump.line);
        self.done.push(Done::Packet(dump));
    }

    /// The message in hand is over; `closed` when the format says so.
    fn finish(&mut self, closed: bool) {
        if let Some((tail, stamp)) = self.held.take()
            && let Some(build) = &mut self.build
        {
            let tail = tail.trim_ascii_end();
            if !tail.is_empty() {
                build.feed(tail, true);
            }
            build.facts.stamp = Some(stamp);
        }
        let Some(build) = self.build.take() else {
            return;
        };
        let (line, facts) = (build.line, build.facts.clone());
        let Some(finished) = build.finish(closed) else {
            return;
        };
        self.repaired(finished.repairs, line);
        *self.formats.entry(facts.format).or_default() += 1;
        self.done.push(Done::Message(Found {
            bytes: finished.bytes,
            cut: finished.cut,
            line,
            facts,
        }));
    }

    /// Counts what was repaired in one message.
    fn repaired(&mut self, repairs: u32, line: u64) {
        for repair in Repair::ALL {
            if repairs & repair.bit() != 0 {
                self.repairs.entry(repair).or_insert((0, line)).0 += 1;
            }
        }
    }

    /// Nothing was added to a growing text for a while: what can be complete is.
    pub fn pause(&mut self) {
        self.flat_done();
        if let Some(dump) = self.hex.take() {
            self.packet_done(dump);
        }
        self.tshark.finish(&mut self.done);
        if self.build.as_ref().is_some_and(|b| !b.wants_more(0)) {
            self.finish(false);
        }
    }

    /// The text is over.
    pub fn end(&mut self) {
        self.flat_done();
        if let Some(dump) = self.hex.take() {
            self.packet_done(dump);
        }
        let before = self.done.len();
        self.tshark.finish(&mut self.done);
        if self.done.len() > before {
            self.repaired(self.around.repairs, 0);
        }
        self.finish(false);
        if self
            .pending
            .as_ref()
            .is_some_and(|(f, _)| f.format == TextFormat::AudioCodes)
        {
            self.unannounce(0);
        }
    }

    /// Messages of `tshark -V` whose body is lost in the tree.
    pub fn bodies_lost(&self) -> u64 {
        self.tshark.bodies_lost
    }
}

fn is_audiocodes(build: &Build) -> bool {
    build.facts.format == TextFormat::AudioCodes
}

/// What the time of a message means when it has none of its own.
pub(super) fn kind_without_time(format: TextFormat) -> TimeKind {
    match format {
        // Times stand in other datagrams, without a year and a zone.
        TextFormat::AudioCodes => TimeKind::Local,
        _ => TimeKind::None,
    }
}

/// The kind of a stamp.
pub(super) fn kind_of(stamp: Option<Stamp>, format: TextFormat) -> TimeKind {
    stamp.map_or_else(|| kind_without_time(format), |s| s.kind)
}

/// The lines of a session description that stands on one line.
fn sdp_lines(text: &[u8]) -> Vec<&[u8]> {
    let mut out = Vec::new();
    let mut from = 0;
    for at in memchr::memchr_iter(b' ', text).take(MOST_PIECES) {
        if let Some([b'a'..=b'z', b'=', ..]) = text.get(at + 1..) {
            out.push(text.get(from..at).unwrap_or_default());
            from = at + 1;
        }
    }
    out.push(text.get(from..).unwrap_or_default());
    out
}

/// Replaces each of `from` by its counterpart, in one walk.
fn replaced(text: &[u8], from: &[&[u8]], to: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let found = from.iter().zip(to).find(|(f, _)| rest.starts_with(f));
        if let Some((from, to)) = found {
            out.extend_from_slice(to);
            rest = rest.get(from.len()..).unwrap_or_default();
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    out
}

/// Takes off the colours of a terminal (`ESC [ … letter`).
fn without_escapes(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        if *first != 0x1b {
            out.push(*first);
            rest = tail;
            continue;
        }
        let sequence = tail.strip_prefix(b"[").unwrap_or(tail);
        let end = sequence
            .iter()
            .take(32)
            .position(|b| b.is_ascii_alphabetic())
            .map_or(0, |n| n + 1);
        rest = if tail.starts_with(b"[") {
            sequence.get(end..).unwrap_or_default()
        } else {
            tail
        };
    }
    out
}
