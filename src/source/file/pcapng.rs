//! pcapng: blocks, each with its length in front and behind (draft-ietf-opsawg-pcapng).
//!
//! A file has one or more sections, each with its own byte order and interfaces. Blocks that are
//! not known are passed over and counted. Behind damage, reading goes on at the next block whose
//! type is known and whose two lengths agree.

use super::{
    super::input::Input,
    Find, Step, Window,
    options::{Fields, text},
};
use crate::source::{
    Comment, FileInfo, Format, FrameRecord, Interface, MAX_BLOCK_BYTES, MAX_INTERFACES,
    MAX_PACKET_BYTES, NameRecord, Secret, Section, Statistics,
};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const NAMES: u32 = 4;
const STATISTICS: u32 = 5;
const PACKET: u32 = 6;
const JOURNAL: u32 = 9;
const SECRETS: u32 = 10;
const CUSTOM: u32 = 0x0bad;
const CUSTOM_NO_COPY: u32 = 0x4000_0bad;
/// First octets of a pcapng, in either byte order.
pub(super) const SECTION_MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
const BYTE_ORDER: u32 = 0x1a2b_3c4d;

/// Most sections described one by one.
const MAX_SECTIONS: usize = 1_000;
/// Longest block that may be whole although its two lengths differ.
const LENIENT_BYTES: usize = 64 << 10;
/// Octets read when a search behind damage needs more: twice the longest block, so that a
/// search reads each octet about twice at most.
const SEARCH_BYTES: usize = 2 * MAX_BLOCK_BYTES as usize;

/// Reader of pcapng files.
pub(super) struct Pcapng {
    big_endian: bool,
    section: u32,
    interfaces: Vec<Known>,
    /// Stands in for interfaces that this section never described.
    guessed: Option<Known>,
    number: u32,
    last_time: i64,
    /// Number of the last frame before the first time that the file states.
    pub(super) untimed: u32,
    approved_at: Option<u64>,
}

/// What is needed of an interface for each packet.
#[derive(Clone, Copy)]
struct Known {
    /// Index into [`FileInfo::interfaces`].
    index: u32,
    link_type: u16,
    snap_len: u32,
    ticks: Ticks,
    offset_nanos: i64,
}

/// Resolution of times: how to make nanoseconds of them.
#[derive(Clone, Copy)]
enum Ticks {
    Times(u64),
    /// By zero: units too small for a nanosecond to be made of them.
    Divided(u64),
    /// Units of 2^-n seconds.
    Binary(u32),
}

impl Ticks {
    /// From the option if_tsresol: a power of ten, or of two where the top bit is set.
    fn of(resolution: u8) -> (Self, String) {
        let n = u32::from(resolution & 0x7f);
        if resolution & 0x80 != 0 {
            return (Self::Binary(n), format!("2^-{n}"));
        }
        let ticks = match n {
            0..=9 => Self::Times(10_u64.pow(9_u32.saturating_sub(n))),
            _ => Self::Divided(10_u64.checked_pow(n.saturating_sub(9)).unwrap_or(0)),
        };
        (ticks, format!("10^-{n}"))
    }

    fn nanos(self, count: u64) -> i64 {
        let nanos = match self {
            Self::Times(by) => count.saturating_mul(by),
            Self::Divided(by) => count.checked_div(by).unwrap_or(0),
            Self::Binary(n) => {
                let nanos = u128::from(count).saturating_mul(1_000_000_000);
                u64::try_from(nanos.checked_shr(n).unwrap_or(0)).unwrap_or(u64::MAX)
            }
        };
        i64::try_from(nanos).unwrap_or(i64::MAX)
    }
}

/// A packet block taken apart.
struct Packet<'a> {
    interface: u32,
    ticks: Option<u64>,
    captured: u32,
    original: u32,
    /// Offset of the captured octets in the block.
    start: usize,
    /// Octets that the block has room for.
    room: usize,
    options: Fields<'a>,
}

impl Pcapng {
    /// Recognises a pcapng by its first octets.
    pub(super) fn begin(head: &[u8], info: &mut FileInfo) -> Option<Self> {
        if head.first_chunk::<4>()? != &SECTION_MAGIC || head.len() < 12 {
            return None;
        }
        let big_endian = section_order(head).unwrap_or(false);
        info.format = Format::Pcapng;
        Some(Self {
            big_endian,
            section: 0,
            interfaces: Vec::new(),
            guessed: None,
            number: 0,
            last_time: 0,
            untimed: 0,
            approved_at: None,
        })
    }

    pub(super) fn scan(
        &mut self,
        window: &Window<'_>,
        mut at: usize,
        frames: &mut Vec<FrameRecord>,
        info: &mut FileInfo,
    ) -> (usize, Step) {
        loop {
            if frames.len() >= super::MAX_CHUNK_FRAMES {
                return (at, Step::Full);
            }
            match self.next_block(window, at, info) {
                Ok((kind, body, size)) => {
                    self.block(kind, body, window.offset(at), at, frames, info);
                    at = at.saturating_add(size);
                }
                Err(step) => return (at, step),
            }
        }
    }

    /// Type, body and whole length of the block at `at`.
    fn next_block<'a>(
        &mut self,
        window: &'a Window<'_>,
        at: usize,
        info: &mut FileInfo,
    ) -> Result<(u32, &'a [u8], usize), Step> {
        let offset = window.offset(at);
        let rest = window.from(at);
        let damage = |why: String| Step::Damage {
            at: offset,
            look_from: offset.saturating_add(1),
            why,
        };
        let Some(head) = rest.first_chunk::<12>() else {
            return Err(match window.left(at) {
                Some(0) => Step::End,
                Some(left) if left < 12 => Step::Cut {
                    at: offset,
                    why: "the file ends inside the header of a block".into(),
                },
                _ => Step::More(12),
            });
        };
        let mut big_endian = self.big_endian;
        if head.starts_with(&SECTION_MAGIC) {
            let Some(order) = section_order(head) else {
                return Err(damage("a section header without a byte-order magic".into()));
            };
            big_endian = order;
        }
        let mut fields = Fields::new(head, big_endian);
        let (kind, length) = (fields.u32().unwrap_or(0), fields.u32().unwrap_or(0));
        if length < 12 {
            return Err(damage(format!(
                "a block claims a length of {length} octets"
            )));
        }
        let cut = Step::Cut {
            at: offset,
            why: format!("the file ends inside a block of {length} octets"),
        };
        let left = window.left(at);
        if left.is_some_and(|left| left < u64::from(length)) {
            return Err(cut);
        }
        if length > MAX_BLOCK_BYTES {
            return Err(Step::Doubt {
                at: offset,
                next: offset.saturating_add(u64::from(length)),
                too_long: Some("blocks over 32 MiB"),
                why: format!("a block of {length} octets"),
            });
        }
        let length = length as usize;
        // Some writers leave the padding out of the length.
        let padded = length.next_multiple_of(4);
        let wanted = left.map_or(padded, |left| {
            padded.min(usize::try_from(left).unwrap_or(padded))
        });
        if rest.len() < wanted {
            // A lie about the length must not make us read megabytes for every few octets.
            if length <= LENIENT_BYTES || self.approved_at == Some(offset) {
                return Err(Step::More(wanted));
            }
            return Err(Step::Doubt {
                at: offset,
                next: offset.saturating_add(length as u64),
                too_long: None,
                why: "the two lengths of a block differ".into(),
            });
        }
        let size = [length, padded].into_iter().find(|size| {
            let behind = rest.get(..*size).and_then(|block| block.last_chunk::<4>());
            behind.is_some_and(|b| Fields::new(b, big_endian).u32() == Some(length as u32))
        });
        let size = match size {
            Some(size) => size,
            None => {
                // Only the second length may be wrong: then a block follows, and none is inside.
                let inside = Window {
                    data: rest.get(..length).unwrap_or_default(),
                    base: offset,
                    end: Some(offset.saturating_add(length as u64)),
                };
                if length > LENIENT_BYTES || matches!(self.find(&inside, 1), Find::Found(_)) {
                    return Err(damage("the two lengths of a block differ".into()));
                }
                let end = window.left(at) == Some(length as u64);
                match rest.get(length..).and_then(|next| next.first_chunk::<12>()) {
                    _ if end => {}
                    Some(next) if is_known_head(next, big_endian) => {}
                    None if window
                        .left(at.saturating_add(length))
                        .is_none_or(|left| left >= 12) =>
                    {
                        return Err(Step::More(length.saturating_add(12)));
                    }
                    _ => return Err(damage("the two lengths of a block differ".into())),
                }
                info.skip("block lengths that differ", 0, offset, || {
                    format!("a block of {length} octets ends with another length")
                });
                length
            }
        };
        self.big_endian = big_endian;
        let body = rest.get(8..size.saturating_sub(4)).unwrap_or_default();
        Ok((kind, body, size))
    }

    /// Takes one block in.
    fn block(
        &mut self,
        kind: u32,
        body: &[u8],
        offset: u64,
        at: usize,
        frames: &mut Vec<FrameRecord>,
        info: &mut FileInfo,
    ) {
        let size = (body.len() as u64).saturating_add(12);
        let fields = Fields::new(body, self.big_endian);
        let whole = match kind {
            PACKET | OLD_PACKET | SIMPLE_PACKET => match self.packet(kind, fields) {
                Some(packet) => {
                    self.frame(packet, offset, at, frames, info);
                    Some(())
                }
                None => None,
            },
            SECTION => self.section(fields, offset, info),
            INTERFACE => self.interface(fields, offset, info),
            NAMES => self.names(fields, offset, info),
            STATISTICS => self.statistics(fields, offset, info),
            SECRETS => self.secrets(fields, offset, info),
            // Not packets for us, yet Wireshark gives custom blocks and journal entries numbers.
            CUSTOM | CUSTOM_NO_COPY => {
                self.number = self.number.saturating_add(1);
                let number = { fields }.u32().unwrap_or(0);
                info.skip(
                    format!("custom blocks of enterprise {number}"),
                    size,
                    offset,
                    || "not known here".into(),
                );
                Some(())
            }
            JOURNAL => {
                self.number = self.number.saturating_add(1);
                info.skip("systemd journal entries", size, offset, || {
                    "not packets".into()
                });
                Some(())
            }
            _ => {
                info.skip(
                    format!("unknown blocks of type {kind:#010x}"),
                    size,
                    offset,
                    || "not known here".into(),
                );
                Some(())
            }
        };
        if whole.is_none() {
            info.skip("blocks too short for their type", size, offset, || {
                format!("a block of type {kind} has {size} octets")
            });
        }
    }

    fn packet<'a>(&self, kind: u32, mut fields: Fields<'a>) -> Option<Packet<'a>> {
        let whole = fields.len();
        let (interface, ticks, captured, original) = match kind {
            PACKET => (
                fields.u32()?,
                Some(fields.ticks()?),
                fields.u32()?,
                fields.u32()?,
            ),
            OLD_PACKET => {
                let interface = fields.u16()?;
                let _drops = fields.u16()?;
                (
                    u32::from(interface),
                    Some(fields.ticks()?),
                    fields.u32()?,
                    fields.u32()?,
                )
            }
            _ => {
                let original = fields.u32()?;
                let limit = self.interfaces.first().map_or(0, |i| i.snap_len);
                let limit = if limit == 0 { u32::MAX } else { limit };
                (
                    0,
                    None,
                    original.min(limit).min(fields.len() as u32),
                    original,
                )
            }
        };
        let start = whole.saturating_sub(fields.len()).saturating_add(8);
        let data = (captured as usize).next_multiple_of(4);
        let options = fields.rest().get(data..).unwrap_or_default();
        let options = Fields::new(options, self.big_endian);
        let room = fields.len();
        Some(Packet {
            interface,
            ticks,
            captured,
            original,
            start,
            room,
            options,
        })
    }

    fn frame(
        &mut self,
        mut packet: Packet<'_>,
        offset: u64,
        at: usize,
        frames: &mut Vec<FrameRecord>,
        info: &mut FileInfo,
    ) {
        let known = match self.interfaces.get(packet.interface as usize) {
            Some(known) => *known,
            None => self.guess(packet.interface, offset, info),
        };
        self.number = self.number.saturating_add(1);
        if packet.captured as usize > packet.room {
            info.skip("packets longer than their block", 0, offset, || {
                format!(
                    "{} octets claimed, {} are there",
                    packet.captured, packet.room
                )
            });
            packet.captured = packet.room as u32;
        }
        if packet.captured > MAX_PACKET_BYTES {
            let octets = u64::from(packet.captured);
            info.skip("packets over 16 MiB", octets, offset, || {
                format!("{octets} octets")
            });
            info.packets = info.packets.saturating_add(1);
            return;
        }
        let time = match packet.ticks {
            Some(count) => known.ticks.nanos(count).saturating_add(known.offset_nanos),
            None => {
                let before = info.first.is_some();
                info.skip("packets without time", 0, offset, || {
                    let shown = if before { "the time before" } else { "no time" };
                    format!("simple packet blocks have none: {shown} is shown")
                });
                if !before {
                    self.untimed = self.number;
                }
                self.last_time
            }
        };
        self.last_time = time;
        if packet.ticks.is_some() {
            info.first = Some(info.first.map_or(time, |t| t.min(time)));
            info.last = Some(info.last.map_or(time, |t| t.max(time)));
        }
        if packet.options.len() >= 4 {
            for (_, value) in packet.options.options().filter(|(code, _)| *code == 1) {
                keep_comment(value.rest(), Some(self.number), offset, info);
            }
        }
        info.packets = info.packets.saturating_add(1);
        if let Some(interface) = info.interfaces.get_mut(known.index as usize) {
            interface.packets = interface.packets.saturating_add(1);
        }
        frames.push(FrameRecord {
            time,
            number: self.number,
            interface: known.index,
            start: at.saturating_add(packet.start) as u32,
            captured: packet.captured,
            original: packet.original,
            link_type: known.link_type,
        });
    }

    /// An interface that the section does not describe: taken to be like its first, else
    /// Ethernet in microseconds. Counted, as it is a guess.
    fn guess(&mut self, id: u32, offset: u64, info: &mut FileInfo) -> Known {
        info.skip("packets of an interface not described", 0, offset, || {
            format!("interface {id} of the section")
        });
        if let Some(known) = self.guessed {
            return known;
        }
        let model = self.interfaces.first().copied();
        let (ticks, resolution) = Ticks::of(6);
        let mut known = model.unwrap_or(Known {
            index: 0,
            link_type: 1,
            snap_len: 0,
            ticks,
            offset_nanos: 0,
        });
        let described = info
            .interfaces
            .get(known.index as usize)
            .filter(|_| model.is_some());
        let guessed = Interface {
            section: self.section,
            link_type: known.link_type,
            resolution: described.map_or(resolution, |i| i.resolution.clone()),
            guessed: true,
            ..Interface::default()
        };
        known.index = keep_interface(guessed, offset, info);
        self.guessed = Some(known);
        known
    }

    fn section(&mut self, mut fields: Fields<'_>, offset: u64, info: &mut FileInfo) -> Option<()> {
        if !info.sections.is_empty() {
            self.section = self.section.saturating_add(1);
        }
        self.interfaces.clear();
        self.guessed = None;
        let mut section = Section {
            offset,
            big_endian: self.big_endian,
            ..Section::default()
        };
        let _byte_order = fields.u32()?;
        let (major, minor) = (fields.u16()?, fields.u16()?);
        let _length = fields.u64()?;
        if major != 1 {
            info.skip("sections of another version", 0, offset, || {
                format!("version {major}.{minor}, read as 1.0")
            });
        }
        for (code, value) in fields.options() {
            match code {
                1 => keep_comment(value.rest(), None, offset, info),
                2 => section.hardware = keep_text(value, offset, info),
                3 => section.os = keep_text(value, offset, info),
                4 => section.application = keep_text(value, offset, info),
                _ => {}
            }
        }
        if info.sections.len() < MAX_SECTIONS {
            info.sections.push(section);
        }
        Some(())
    }

    fn interface(
        &mut self,
        mut fields: Fields<'_>,
        offset: u64,
        info: &mut FileInfo,
    ) -> Option<()> {
        let link_type = fields.u16()?;
        let _reserved = fields.u16()?;
        let snap_len = fields.u32()?;
        let (mut ticks, resolution) = Ticks::of(6);
        let mut interface = Interface {
            section: self.section,
            link_type,
            snap_len,
            resolution,
            ..Interface::default()
        };
        for (code, mut value) in fields.options() {
            match code {
                1 => keep_comment(value.rest(), None, offset, info),
                2 => interface.name = keep_text(value, offset, info),
                3 => interface.description = keep_text(value, offset, info),
                8 => interface.speed = value.u64(),
                9 => {
                    if let Some(exponent) = value.rest().first() {
                        (ticks, interface.resolution) = Ticks::of(*exponent);
                    }
                }
                11 => {
                    interface.filter = match value.rest().split_first() {
                        Some((0, filter)) => {
                            keep_text(Fields::new(filter, self.big_endian), offset, info)
                        }
                        _ => Some("(as byte code)".into()),
                    }
                }
                12 => interface.os = keep_text(value, offset, info),
                13 => interface.fcs_octets = value.rest().first().copied(),
                14 => interface.time_offset_seconds = value.u64().unwrap_or(0).cast_signed(),
                15 => interface.hardware = keep_text(value, offset, info),
                _ => {}
            }
        }
        let offset_nanos = interface.time_offset_seconds.saturating_mul(1_000_000_000);
        if self.interfaces.len() < MAX_INTERFACES {
            let index = keep_interface(interface, offset, info);
            self.interfaces.push(Known {
                index,
                link_type,
                snap_len,
                ticks,
                offset_nanos,
            });
        } else {
            keep_interface(interface, offset, info);
        }
        Some(())
    }

    fn names(&mut self, mut fields: Fields<'_>, offset: u64, info: &mut FileInfo) -> Option<()> {
        for (address, names) in fields.name_records() {
            let octets = names
                .iter()
                .map(String::len)
                .sum::<usize>()
                .saturating_add(40);
            if info.may_keep(info.names.len(), octets, offset) {
                info.names.push(NameRecord { address, names });
            }
        }
        Some(())
    }

    fn statistics(
        &mut self,
        mut fields: Fields<'_>,
        offset: u64,
        info: &mut FileInfo,
    ) -> Option<()> {
        let id = fields.u32()?;
        let count = fields.ticks()?;
        let Some(known) = self.interfaces.get(id as usize) else {
            info.skip(
                "statistics of an interface not described",
                0,
                offset,
                || format!("interface {id} of the section"),
            );
            return Some(());
        };
        let time = known.ticks.nanos(count).saturating_add(known.offset_nanos);
        let mut statistics = Statistics {
            time,
            ..Statistics::default()
        };
        let index = known.index as usize;
        for (code, mut value) in fields.options() {
            match code {
                1 => keep_comment(value.rest(), None, offset, info),
                4 => statistics.received = value.u64(),
                5 => statistics.dropped = value.u64(),
                6 => statistics.accepted = value.u64(),
                7 => statistics.os_dropped = value.u64(),
                8 => statistics.delivered = value.u64(),
                _ => {}
            }
        }
        if let Some(interface) = info.interfaces.get_mut(index) {
            interface.statistics = Some(statistics);
        }
        Some(())
    }

    fn secrets(&mut self, mut fields: Fields<'_>, offset: u64, info: &mut FileInfo) -> Option<()> {
        let kind = fields.u32()?;
        let length = fields.u32()? as usize;
        let rest = fields.rest();
        let data = rest.get(..length).unwrap_or(rest);
        if info.may_keep(info.secrets.len(), data.len().saturating_add(40), offset) {
            info.secrets.push(Secret {
                kind,
                data: data.to_vec(),
                offset,
            });
        }
        Some(())
    }

    /// A long block stands when its second length agrees, with or without padding before it.
    pub(super) fn probe(&self, input: &mut Input, at: u64, next: u64) -> bool {
        let mut front = [0; 12];
        if input.peek(at, &mut front) < front.len() {
            return false;
        }
        let padded = at.saturating_add(next.saturating_sub(at).next_multiple_of(4));
        [next, padded].into_iter().any(|end| {
            let mut behind = [0; 4];
            input.peek(end.saturating_sub(4), &mut behind) == behind.len()
                && front.get(4..8) == Some(behind.as_slice())
        })
    }

    pub(super) fn approve(&mut self, at: u64) {
        self.approved_at = Some(at);
    }

    pub(super) fn find(&self, window: &Window<'_>, from: usize) -> Find {
        let mut at = from;
        for head in window.from(from).windows(12) {
            if let Some(head) = head.first_chunk::<12>()
                && let Some(length) = known_length(head, self.big_endian)
            {
                let behind = at.saturating_add(length).saturating_sub(4);
                let fits = window.left(at).is_none_or(|left| left >= length as u64);
                match window.from(behind).first_chunk::<4>() {
                    _ if !fits => {}
                    Some(behind) => {
                        if head.get(4..8) == Some(behind.as_slice()) {
                            return Find::Found(at);
                        }
                    }
                    None => {
                        return Find::More {
                            at,
                            need: SEARCH_BYTES,
                        };
                    }
                }
            }
            at = at.saturating_add(1);
        }
        if window.reaches_end() {
            Find::Nothing
        } else {
            Find::More { at, need: 0 }
        }
    }
}

/// Byte order of the section whose header block begins with `head`, if it is one.
fn section_order(head: &[u8]) -> Option<bool> {
    let magic = *head.get(8..)?.first_chunk::<4>()?;
    match (u32::from_le_bytes(magic), u32::from_be_bytes(magic)) {
        (BYTE_ORDER, _) => Some(false),
        (_, BYTE_ORDER) => Some(true),
        _ => None,
    }
}

/// Length of a block that may begin here: of a known type, and of a length that fits the type.
fn known_length(head: &[u8; 12], big_endian: bool) -> Option<usize> {
    let mut fields = Fields::new(head, big_endian);
    let kind = fields.u32()?;
    let shortest = match kind {
        SECTION => 28,
        PACKET | OLD_PACKET => 32,
        INTERFACE | SECRETS => 20,
        STATISTICS => 24,
        SIMPLE_PACKET | CUSTOM | CUSTOM_NO_COPY => 16,
        NAMES | JOURNAL => 12,
        _ => return None,
    };
    let length = if kind == SECTION {
        Fields::new(head.get(4..)?, section_order(head)?).u32()?
    } else {
        fields.u32()?
    };
    let sound = (shortest..=MAX_BLOCK_BYTES).contains(&length) && length.is_multiple_of(4);
    sound.then_some(length as usize)
}

fn is_known_head(head: &[u8; 12], big_endian: bool) -> bool {
    known_length(head, big_endian).is_some()
}

/// Index of the interface, of the last kept one when there are too many.
fn keep_interface(interface: Interface, offset: u64, info: &mut FileInfo) -> u32 {
    if info.interfaces.len() < MAX_INTERFACES {
        info.interfaces.push(interface);
    } else {
        info.skip("interfaces over the limit", 0, offset, || {
            format!("at most {MAX_INTERFACES} interfaces are kept")
        });
    }
    u32::try_from(info.interfaces.len().saturating_sub(1)).unwrap_or(u32::MAX)
}

fn keep_text(value: Fields<'_>, offset: u64, info: &mut FileInfo) -> Option<String> {
    info.may_keep(0, value.len(), offset)
        .then(|| text(value.rest()))
}

fn keep_comment(value: &[u8], frame: Option<u32>, offset: u64, info: &mut FileInfo) {
    if info.may_keep(info.comments.len(), value.len().saturating_add(40), offset) {
        info.comments.push(Comment {
            frame,
            text: text(value),
        });
    }
}
