//! Text traces: logs of SIP systems, saved terminal output, web pages, hex dumps.
//!
//! [`TextReader`] goes through a text line by line, repairs each message it finds and hands it out
//! like a packet, with a note on where it came from. The repaired octets lie in a store of their
//! own, as the text does not hold them in one piece; places in messages refer to that store.

mod above;
mod around;
mod build;
mod dotted;
mod finder;
mod formats;
mod hex;
mod lines;
mod marks;
mod quoted;
mod stamp;
mod start;
mod tshark;

use std::collections::{BTreeMap, VecDeque};

use self::around::Wrapping;
use self::finder::{Done, Finder, Found, kind_of};
use self::hex::Dump;
use self::lines::{Encoding, LONGEST_LINE, Lines, NextLine};
use super::input::{Input, Sink};
use super::{
    CaptureBytes, Chunk, FileInfo, Format, FrameRecord, Interface, Next, Skipped, TextFormat,
};
use crate::packet::trace::{Origin, TEXT_LINK_TYPE, TimeKind, TraceNote};

const DAY_NANOS: i64 = 86_400_000_000_000;
/// Messages handed out at a time.
const MOST_RECORDS: usize = 1 << 14;
/// Looks at a growing text without a new line after which the newest message counts as complete.
const QUIET_LOOKS: u32 = 50;
/// Octets of a growing text that are there before it is read without a message in them.
const ENOUGH_TEXT: u64 = 4096;

/// Reads the messages of a text.
pub(super) struct TextReader {
    lines: Lines,
    line: Vec<u8>,
    wrapping: Wrapping,
    finder: Finder,
    ready: VecDeque<Done>,
    sink: Sink,
    origin: Origin,
    ended: bool,
    /// Looks since the newest line of a growing text.
    idle: u32,
    records: u32,
    /// Midnights passed in a trace that has times of day only, and the newest of these times.
    days: i64,
    clock: i64,
    /// Time given to messages that have none: they stay where they stand.
    time: i64,
    kind: TimeKind,
    links: BTreeMap<u16, u32>,
    odd_dumps: (u64, u64),
    formats: BTreeMap<TextFormat, u64>,
}

impl TextReader {
    /// Looks for the first message; none when the text has no message in it.
    pub fn begin(head: &[u8], input: &mut Input, sink: Sink, origin: Origin) -> Option<Self> {
        let mut reader = Self {
            lines: Lines::new(head),
            line: Vec::new(),
            wrapping: Wrapping::default(),
            finder: Finder::default(),
            ready: VecDeque::new(),
            sink,
            origin,
            ended: false,
            idle: 0,
            records: 0,
            days: 0,
            clock: 0,
            time: 0,
            kind: TimeKind::None,
            links: BTreeMap::new(),
            odd_dumps: (0, 0),
            formats: BTreeMap::new(),
        };
        reader.wrapping = Wrapping::detect(reader.lines.sample(input));
        while reader.ready.is_empty() && !reader.ended && reader.step(input) {}
        let later = !reader.ended && reader.lines.offset() >= ENOUGH_TEXT;
        (!reader.ready.is_empty() || later).then_some(reader)
    }

    /// The repaired octets.
    pub fn bytes(&self) -> CaptureBytes {
        self.sink.bytes()
    }

    /// Takes one more line; false when none is there yet.
    fn step(&mut self, input: &mut Input) -> bool {
        let next = self.lines.next(input, &mut self.line);
        if next == NextLine::Waiting {
            self.idle = self.idle.saturating_add(1);
            if self.idle != QUIET_LOOKS {
                return false;
            }
            // Whoever writes a message writes all of it at once.
            self.finder.pause();
        } else if next == NextLine::Line {
            self.idle = 0;
            let (finder, number, cr) = (&mut self.finder, self.lines.number, self.lines.cr);
            self.wrapping.unwrap(&self.line, |line, around| {
                finder.around = around;
                finder.line(number, line, cr);
            });
        } else {
            self.finder.end();
            self.ended = true;
        }
        for done in self.finder.done.drain(..) {
            let useless = match &done {
                Done::Packet(dump) => hex::link_type(&dump.bytes).is_none(),
                Done::Message(_) => false,
            };
            if useless && let Done::Packet(dump) = &done {
                if self.odd_dumps.0 == 0 {
                    self.odd_dumps.1 = dump.line;
                }
                self.odd_dumps.0 += 1;
                continue;
            }
            self.ready.push_back(done);
        }
        next != NextLine::Waiting || !self.ready.is_empty()
    }

    /// Fills a chunk with the next messages, if there are any.
    pub fn next_chunk(
        &mut self,
        input: &mut Input,
        info: &mut FileInfo,
        target: usize,
        chunk: &mut Chunk,
    ) -> Next {
        chunk.data.clear();
        chunk.frames.clear();
        chunk.notes.clear();
        chunk.base = self.sink.len();
        let mut room = MOST_RECORDS;
        while chunk.data.len() < target && room > 0 {
            let Some(done) = self.ready.pop_front() else {
                if self.ended || input.stopped() || !self.step(input) {
                    break;
                }
                continue;
            };
            room -= 1;
            match done {
                Done::Message(found) => self.message(found, info, chunk),
                Done::Packet(dump) => self.packet(dump, info, chunk),
            }
        }
        chunk.text = Some(self.kind);
        if let Err(error) = self.sink.append(&chunk.data) {
            info.truncate(self.lines.offset(), format!("the store is full: {error}"));
            chunk.frames.clear();
            self.ended = true;
            self.ready.clear();
        }
        input.report(self.lines.offset());
        info.format = Format::Text(self.main_format());
        if !chunk.frames.is_empty() {
            return Next::Chunk;
        }
        if !self.ended && !input.stopped() {
            return Next::Waiting;
        }
        self.tell(input, info);
        Next::End
    }

    /// Offset in the text up to which it was read.
    pub fn position(&self) -> u64 {
        self.lines.offset()
    }

    fn main_format(&self) -> TextFormat {
        let most = self.formats.iter().max_by_key(|(format, count)| {
            // Between equals the one that says more.
            (**count, **format != TextFormat::Plain)
        });
        most.map_or(TextFormat::Plain, |(format, _)| *format)
    }

    fn message(&mut self, found: Found, info: &mut FileInfo, chunk: &mut Chunk) {
        let Found {
            bytes,
            cut,
            line,
            facts,
            ..
        } = found;
        *self.formats.entry(facts.format).or_default() += 1;
        let time_kind = kind_of(facts.stamp, facts.format);
        let timed = facts.stamp.is_some();
        if let Some(stamp) = facts.stamp {
            self.set_time(stamp.nanos, stamp.kind, info);
        }
        self.records = self.records.saturating_add(1);
        let captured = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        chunk.frames.push(FrameRecord {
            time: self.time,
            number: facts.record.unwrap_or(self.records),
            interface: 0,
            start: u32::try_from(chunk.data.len()).unwrap_or(u32::MAX),
            captured,
            original: captured.saturating_add(u32::from(cut)),
            link_type: TEXT_LINK_TYPE,
        });
        chunk.data.extend_from_slice(&bytes);
        info.packets = info.packets.saturating_add(1);
        let index = chunk.frames.len() - 1;
        let note = TraceNote {
            line: u32::try_from(line).unwrap_or(u32::MAX),
            time_kind,
            timed,
            origin: self.origin,
            direction: facts.direction,
            src: facts.src,
            dst: facts.dst,
            transport: facts.transport,
            writer: facts.format.writer(),
        };
        chunk
            .notes
            .push((u32::try_from(index).unwrap_or(u32::MAX), note));
    }

    fn packet(&mut self, dump: Dump, info: &mut FileInfo, chunk: &mut Chunk) {
        let Some(link_type) = hex::link_type(&dump.bytes) else {
            return;
        };
        let format = if dump.k12 {
            TextFormat::K12
        } else {
            TextFormat::HexDump
        };
        *self.formats.entry(format).or_default() += 1;
        if let Some(stamp) = dump.stamp {
            self.set_time(stamp.nanos, stamp.kind, info);
        }
        let next = u32::try_from(info.interfaces.len()).unwrap_or(u32::MAX);
        let interface = *self.links.entry(link_type).or_insert(next);
        if interface == next {
            info.interfaces.push(Interface {
                link_type,
                guessed: true,
                resolution: "10^-6".to_owned(),
                ..Interface::default()
            });
        }
        if let Some(interface) = info.interfaces.get_mut(interface as usize) {
            interface.packets = interface.packets.saturating_add(1);
        }
        self.records = self.records.saturating_add(1);
        let captured = u32::try_from(dump.bytes.len()).unwrap_or(u32::MAX);
        chunk.frames.push(FrameRecord {
            time: self.time,
            number: self.records,
            interface,
            start: u32::try_from(chunk.data.len()).unwrap_or(u32::MAX),
            captured,
            original: captured,
            link_type,
        });
        chunk.data.extend_from_slice(&dump.bytes);
        info.packets = info.packets.saturating_add(1);
    }

    /// The time of the next message. A time of day that falls back by hours has passed midnight.
    fn set_time(&mut self, nanos: i64, kind: TimeKind, info: &mut FileInfo) {
        self.kind = kind;
        self.time = if kind == TimeKind::TimeOnly {
            if nanos.saturating_add(DAY_NANOS / 2) < self.clock {
                self.days += 1;
            }
            self.clock = nanos;
            nanos.saturating_add(self.days.saturating_mul(DAY_NANOS))
        } else {
            nanos
        };
        info.time_kind = kind;
        info.first = Some(info.first.map_or(self.time, |first| first.min(self.time)));
        info.last = Some(info.last.map_or(self.time, |last| last.max(self.time)));
    }

    /// All is read: says what was repaired and passed over.
    fn tell(&mut self, input: &Input, info: &mut FileInfo) {
        if let Some(why) = input.fault() {
            info.truncate(self.lines.offset(), why.to_owned());
        }
        let mut add = |what: &'static str, count: u64, line: u64, why: &str| {
            if count > 0 && !info.skipped.iter().any(|s| s.what == what) {
                let place = match line {
                    0 => String::new(),
                    line => format!(" (first on line {line})"),
                };
                info.skipped.push(Skipped {
                    what: what.into(),
                    count,
                    octets: 0,
                    first_frame: 0,
                    offset: 0,
                    why: format!("{why}{place}"),
                });
            }
        };
        for (repair, (count, line)) in &self.finder.repairs {
            let (what, why) = repair.words();
            add(what, *count, *line, why);
        }
        let (count, line) = self.finder.announced;
        add(
            "announced messages that are not in the log",
            count,
            line,
            "the log names them, and their text is missing",
        );
        add(
            "bodies taken apart",
            self.finder.bodies_lost(),
            0,
            "the text shows them as a tree, their octets are not in it",
        );
        add(
            "hex dumps that are no packets",
            self.odd_dumps.0,
            self.odd_dumps.1,
            "they begin like no link layer and no IP header",
        );
        add(
            "lines that are too long",
            self.lines.too_long,
            0,
            &format!(
                "{} octets behind the first {} MiB of a line were passed over",
                self.lines.passed,
                LONGEST_LINE >> 20
            ),
        );
        if self.lines.lone_returns {
            add("line ends of CR alone", 1, 0, "they are read as line ends");
        }
        if self.lines.encoding() != Encoding::Plain {
            add("UTF-16 text", 1, 0, "it was converted to UTF-8");
        }
    }
}
