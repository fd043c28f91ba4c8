//! snoop (RFC 1761) and Microsoft Network Monitor 2: captures whose packets lie in the file as they
//! are, found one after the other, or through a table of offsets at the end.

use super::super::input::Input;
use crate::source::{Chunk, FileInfo, Format, FrameRecord, Interface, MAX_PACKET_BYTES};

/// Most packets that a table of frames is read for.
const MAX_FRAMES: usize = 16 << 20;
const SNOOP_HEADER: usize = 16;
const SNOOP_RECORD: usize = 24;
const NETMON_HEADER: usize = 32;
const NETMON_RECORD: usize = 16;
const NANOS: i64 = 1_000_000_000;
/// Seconds from 1601, where Windows begins to count, to 1970.
const WINDOWS_EPOCH: i64 = 11_644_473_600;

/// Reader of these captures.
pub(super) struct Tables {
    kind: Kind,
    number: u32,
    link_type: u16,
    ended: bool,
    position: u64,
}

enum Kind {
    Snoop {
        next: u64,
    },
    NetMon {
        offsets: Vec<u32>,
        at: usize,
        start: i64,
        /// Octets behind each packet, by version.
        trailer: usize,
    },
}

/// One packet as its header describes it.
struct Packet {
    time: i64,
    captured: u32,
    original: u32,
    /// Octets of the header.
    header: usize,
    /// Octets of all that belongs to it.
    whole: usize,
}

fn number<const N: usize>(data: &[u8], at: usize) -> Option<[u8; N]> {
    data.get(at..)?.first_chunk().copied()
}

fn be32(data: &[u8], at: usize) -> Option<u32> {
    number(data, at).map(u32::from_be_bytes)
}

fn le32(data: &[u8], at: usize) -> Option<u32> {
    number(data, at).map(u32::from_le_bytes)
}

fn le16(data: &[u8], at: usize) -> Option<u16> {
    number(data, at).map(u16::from_le_bytes)
}

impl Tables {
    /// Recognises these captures.
    pub fn begin(head: &[u8], input: &mut Input, info: &mut FileInfo) -> Option<Self> {
        let found = Self::snoop(head, info).or_else(|| Self::netmon(head, input, info))?;
        info.interfaces.push(Interface {
            link_type: found.link_type,
            resolution: "10^-6".to_owned(),
            ..Interface::default()
        });
        Some(found)
    }

    fn snoop(head: &[u8], info: &mut FileInfo) -> Option<Self> {
        if !head.starts_with(b"snoop\0\0\0") || be32(head, 8)? != 2 {
            return None;
        }
        let link_type = match be32(head, 12)? {
            0 | 4 => 1,
            2 => 6,
            8 => 10,
            // Solaris writes its loopback and IP tunnels like this.
            26 => 242,
            _ => return None,
        };
        info.format = Format::Snoop;
        Some(Self {
            kind: Kind::Snoop {
                next: SNOOP_HEADER as u64,
            },
            number: 0,
            link_type,
            ended: false,
            position: SNOOP_HEADER as u64,
        })
    }

    fn netmon(head: &[u8], input: &mut Input, info: &mut FileInfo) -> Option<Self> {
        if !head.starts_with(b"GMBU") || head.len() < NETMON_HEADER || *head.get(5)? != 2 {
            return None;
        }
        let minor = *head.get(4)?;
        let link_type = netmon_link(le16(head, 6)?)?;
        let field = |at: usize| le16(head, at).map(i64::from);
        let day = days(field(8)?, field(10)?, field(14)?)?;
        let clock = (field(16)? * 60 + field(18)?) * 60 + field(20)?;
        let start = ((day * 86_400 + clock) * 1000 + field(22)?) * 1_000_000;
        let (table, length) = (le32(head, 24)?, le32(head, 28)?);
        let count = (length as usize / 4).min(MAX_FRAMES);
        let mut octets = Vec::new();
        input.read(u64::from(table), count * 4, &mut octets);
        let offsets: Vec<u32> = octets
            .as_chunks::<4>()
            .0
            .iter()
            .map(|four| u32::from_le_bytes(*four))
            .collect();
        let missing = (length as usize / 4).saturating_sub(offsets.len());
        if missing > 0 {
            let why = format!("the table of packets lacks {missing} of its entries");
            info.truncate(u64::from(table).saturating_add(octets.len() as u64), why);
        }
        info.format = Format::NetMon;
        Some(Self {
            kind: Kind::NetMon {
                offsets,
                at: 0,
                start,
                trailer: match minor {
                    0 => 0,
                    1 => 2,
                    2 => 6,
                    _ => 15,
                },
            },
            number: 0,
            link_type,
            ended: false,
            position: NETMON_HEADER as u64,
        })
    }

    /// Where the next packet begins.
    fn next_offset(&self) -> Option<u64> {
        match &self.kind {
            Kind::Snoop { next } => Some(*next),
            Kind::NetMon { offsets, at, .. } => offsets.get(*at).map(|o| u64::from(*o)),
        }
    }

    fn header(&self, data: &[u8]) -> Option<Packet> {
        match &self.kind {
            Kind::Snoop { .. } => {
                let record = be32(data, 8)?;
                let seconds = i64::from(be32(data, 16)?) * NANOS;
                Some(Packet {
                    time: seconds + i64::from(be32(data, 20)?) * 1000,
                    captured: be32(data, 4)?,
                    original: be32(data, 0)?,
                    header: SNOOP_RECORD,
                    whole: record as usize,
                })
            }
            Kind::NetMon { start, trailer, .. } => {
                let micros = number(data, 0).map(u64::from_le_bytes)?;
                let micros = i64::try_from(micros).unwrap_or(i64::MAX);
                let captured = le32(data, 12)?;
                Some(Packet {
                    time: start.saturating_add(micros.saturating_mul(1000)),
                    captured,
                    original: le32(data, 8)?,
                    header: NETMON_RECORD,
                    whole: (captured as usize)
                        .saturating_add(NETMON_RECORD)
                        .saturating_add(*trailer),
                })
            }
        }
    }

    /// Offset up to which the capture was read.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Fills a chunk with packets that lie one behind the other; false at the end.
    pub fn next_chunk(
        &mut self,
        input: &mut Input,
        info: &mut FileInfo,
        target: usize,
        chunk: &mut Chunk,
    ) -> bool {
        let mut want = target;
        while !self.ended {
            if input.stopped() {
                info.truncate(self.position, "reading was stopped".into());
                break;
            }
            let Some(base) = self.next_offset() else {
                break;
            };
            chunk.base = base;
            input.read(base, want, &mut chunk.data);
            let need = self.fill(base, info, chunk);
            input.report(self.position);
            if !chunk.frames.is_empty() {
                return true;
            }
            match need {
                // A packet that is longer than what was read; more of it may be there.
                Some(need) if need > want && chunk.data.len() >= want => want = need,
                Some(_) => self.cut(base, chunk.data.len(), info),
                None => want = target,
            }
        }
        self.ended = true;
        if let Some(why) = input.fault() {
            info.truncate(self.position, why.to_owned());
        }
        false
    }

    /// Takes the packets that lie whole in the chunk; gives how many octets the next one needs.
    fn fill(&mut self, base: u64, info: &mut FileInfo, chunk: &mut Chunk) -> Option<usize> {
        loop {
            let offset = self.next_offset()?;
            let from = offset
                .checked_sub(base)
                .and_then(|n| usize::try_from(n).ok());
            // A table may lead back and forth: the next chunk begins there.
            let from = from.filter(|from| *from <= chunk.data.len())?;
            let data = chunk.data.get(from..).unwrap_or_default();
            let Some(packet) = self.header(data) else {
                return Some(SNOOP_RECORD);
            };
            let sane = packet.captured <= MAX_PACKET_BYTES
                && packet.whole >= packet.header.saturating_add(packet.captured as usize)
                && packet.whole <= MAX_PACKET_BYTES as usize * 2;
            if !sane {
                self.damaged(offset, &packet, info);
                continue;
            }
            let end = from + packet.header + packet.captured as usize;
            let Some(data) = chunk.data.get(from..end) else {
                return Some(packet.whole);
            };
            let trailer = chunk.data.get(end..end.saturating_add(15));
            let link_type = self.link_of(trailer);
            let time = self.exact_time(trailer).unwrap_or(packet.time);
            debug_assert!(data.len() >= packet.header);
            self.step(offset.saturating_add(packet.whole as u64));
            self.number = self.number.saturating_add(1);
            info.packets = info.packets.saturating_add(1);
            info.first = Some(info.first.map_or(time, |first| first.min(time)));
            info.last = Some(info.last.map_or(time, |last| last.max(time)));
            if let Some(interface) = info.interfaces.first_mut() {
                interface.packets = interface.packets.saturating_add(1);
            }
            let Some(link_type) = link_type else {
                let why = || "they hold no packet, but notes of the capturing program".to_owned();
                info.skip("records of other kinds", packet.whole as u64, offset, why);
                continue;
            };
            chunk.frames.push(FrameRecord {
                time,
                number: self.number,
                interface: 0,
                start: u32::try_from(from + packet.header).unwrap_or(u32::MAX),
                captured: packet.captured,
                original: packet.original.max(packet.captured),
                link_type,
            });
        }
    }

    /// The link type of a packet: Network Monitor 2.1 and later name it behind each.
    fn link_of(&self, trailer: Option<&[u8]>) -> Option<u16> {
        match &self.kind {
            Kind::NetMon { trailer: 2.., .. } => {
                let kind = trailer.and_then(|t| le16(t, 0));
                kind.map_or(Some(self.link_type), netmon_link)
            }
            _ => Some(self.link_type),
        }
    }

    /// The time of a packet in UTC: Network Monitor 2.3 and later have it behind each.
    fn exact_time(&self, trailer: Option<&[u8]>) -> Option<i64> {
        match &self.kind {
            Kind::NetMon { trailer: 15, .. } => {
                let ticks = number(trailer?, 6).map(i64::from_le_bytes)?;
                let since = ticks.checked_sub(WINDOWS_EPOCH * (NANOS / 100))?;
                since.checked_mul(100).filter(|_| ticks > 0)
            }
            _ => None,
        }
    }

    /// Goes on behind a packet.
    fn step(&mut self, end: u64) {
        self.position = self.position.max(end);
        match &mut self.kind {
            Kind::Snoop { next } => *next = end,
            Kind::NetMon { at, .. } => *at += 1,
        }
    }

    fn damaged(&mut self, offset: u64, packet: &Packet, info: &mut FileInfo) {
        let why = format!(
            "a packet of {} octets is said to take {} with its header",
            packet.captured, packet.whole
        );
        info.skip("damaged places", 0, offset, || why.clone());
        match &mut self.kind {
            // Nothing says where the next record begins.
            Kind::Snoop { next } => {
                info.truncate(offset, why);
                *next = u64::MAX;
            }
            Kind::NetMon { at, .. } => *at += 1,
        }
    }

    /// The file ends inside of a packet, or where one should begin.
    fn cut(&mut self, offset: u64, there: usize, info: &mut FileInfo) {
        let over = matches!(self.kind, Kind::Snoop { next } if next == u64::MAX);
        match &mut self.kind {
            Kind::Snoop { .. } => {
                if there > 0 && !over {
                    let number = self.number.saturating_add(1);
                    info.truncate(offset, format!("the file ends inside packet {number}"));
                }
                self.ended = true;
            }
            Kind::NetMon { at, .. } => {
                *at += 1;
                let why = || "the table names a place behind the end of the file".to_owned();
                info.skip("packets that are not there", 0, offset, why);
            }
        }
    }
}

/// The LINKTYPE_ value of a medium of Network Monitor.
fn netmon_link(medium: u16) -> Option<u16> {
    Some(match medium {
        1 => 1,
        2 => 6,
        3 => 10,
        8..=10 => 101,
        // Network Monitor 3 keeps what other programs captured under their numbers.
        0xe000..=0xefff => medium & 0x0fff,
        _ => return None,
    })
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || !(1970..=9999).contains(&year) {
        return None;
    }
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leaps = y / 4 - y / 100 + y / 400;
    Some(y * 365 + leaps + (153 * m + 2) / 5 + day - 1 - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::CaptureFile;

    #[test]
    fn dates() {
        assert_eq!(days(1970, 1, 1), Some(0));
        assert_eq!(days(2000, 2, 29), Some(11_016));
        assert_eq!(days(2011, 8, 9), Some(15_195));
        assert_eq!(days(2011, 13, 9), None);
    }

    fn snoop(packets: &[(u32, &[u8])]) -> Vec<u8> {
        let mut out = b"snoop\0\0\0\0\0\0\x02\0\0\0\x04".to_vec();
        for (declared, data) in packets {
            let whole = SNOOP_RECORD as u32 + declared;
            for field in [*declared, *declared, whole, 0, 7, 9] {
                out.extend(field.to_be_bytes());
            }
            out.extend_from_slice(data);
        }
        out
    }

    fn read(bytes: Vec<u8>) -> (Vec<(u32, i64)>, FileInfo) {
        let mut file = CaptureFile::from_bytes(bytes, "x").unwrap_or_else(|e| unreachable!("{e}"));
        let mut frames = Vec::new();
        while let Some(chunk) = file.next_chunk(1) {
            frames.extend(chunk.frames.iter().map(|f| (f.captured, f.time)));
        }
        (frames, file.into_info())
    }

    #[test]
    fn a_cut_and_a_damaged_snoop_give_what_is_whole() {
        let (frames, info) = read(snoop(&[(4, b"abcd"), (6, b"abcdef")]));
        assert_eq!(frames, [(4, 7_000_009_000), (6, 7_000_009_000)]);
        assert_eq!(info.truncated_at, None);
        let (frames, info) = read(snoop(&[(4, b"abcd"), (6, b"abc")]));
        assert_eq!(frames.len(), 1);
        assert!(info.truncated_at.is_some());
        let (frames, info) = read(snoop(&[(4, b"abcd"), (u32::MAX - 24, b"abc")]));
        assert_eq!(frames.len(), 1);
        assert!(info.truncated_at.is_some() && !info.skipped.is_empty());
    }

    #[test]
    fn a_table_may_lead_anywhere() {
        let mut bytes = b"GMBU\0\x02\x01\0".to_vec();
        for field in [2011u16, 8, 2, 9, 6, 32, 56, 583] {
            bytes.extend(field.to_le_bytes());
        }
        bytes.extend(72u32.to_le_bytes());
        bytes.extend(16u32.to_le_bytes());
        for text in [b"abcd", b"efgh"] {
            bytes.extend(1u64.to_le_bytes());
            bytes.extend(4u32.to_le_bytes());
            bytes.extend(4u32.to_le_bytes());
            bytes.extend(text);
        }
        for offset in [52u32, 32, u32::MAX, 32] {
            bytes.extend(offset.to_le_bytes());
        }
        let (frames, info) = read(bytes);
        assert_eq!(frames.len(), 3, "{info:?}");
        assert_eq!(frames.first(), Some(&(4, 1_312_871_576_583_001_000)));
        assert_eq!(info.skipped.len(), 1);
    }
}
