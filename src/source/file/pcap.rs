//! pcap: a header and records (draft-ietf-opsawg-pcap), with the variants met in the wild.
//!
//! A record header has no check sum and no mark, so a damaged one is only seen by what it
//! claims. The rules here: lengths within bounds stand; odd ones stand if a sensible header
//! follows; behind damage, a chain of at least three sensible headers is needed to go on.

use super::{super::input::Input, Find, Step, Window};
use crate::source::{FileInfo, Format, FrameRecord, Interface, MAX_PACKET_BYTES};

const HEADER_BYTES: u64 = 24;
/// Largest snapshot length that libpcap and Wireshark write for usual links. Longer packets
/// stand only when a sensible header follows them.
const USUAL_BYTES: u32 = 262_144;
const DAY: u32 = 86_400;
const YEAR: u32 = 366 * DAY;
/// Octets looked through at a time behind damage: several times the longest chain.
const SEARCH_BYTES: usize = 4 << 20;
/// Octets of good records that may be searched once more for a header swallowed by a record
/// whose length was too large. Bounded, so that time stays linear in the size of the file.
const LOOK_BACK_BYTES: u64 = 16 << 20;

/// Reader of pcap files.
pub(super) struct Pcap {
    big_endian: bool,
    record_header: usize,
    link_type: u16,
    nanoseconds: bool,
    /// libpcap before version 2.4 wrote the two lengths in either order.
    lengths_may_be_swapped: bool,
    number: u32,
    last_seconds: Option<u32>,
    previous_at: Option<u64>,
    approved_at: Option<u64>,
    look_back: u64,
}

/// The four numbers of a record header.
#[derive(Clone, Copy)]
struct Record {
    seconds: u32,
    fraction: u32,
    captured: u32,
    original: u32,
}

enum Chain {
    Good,
    Bad,
    Unknown,
}

/// True for the first octets of a pcap of any kind.
pub(super) fn is_magic(magic: [u8; 4]) -> bool {
    variant(u32::from_le_bytes(magic))
        .or_else(|| variant(u32::from_be_bytes(magic)))
        .is_some()
}

/// Format, nanoseconds, octets of the file header.
fn variant(magic: u32) -> Option<(Format, bool, u64)> {
    Some(match magic {
        0xa1b2_c3d4 => (Format::Pcap, false, HEADER_BYTES),
        0xa1b2_3c4d => (Format::PcapNanosecond, true, HEADER_BYTES),
        0xa1b2_cd34 => (Format::PcapModified, false, HEADER_BYTES),
        // IXIA hardware and software; the size of all records follows the header.
        0x1c00_01ac => (Format::PcapIxia, true, HEADER_BYTES + 4),
        0x1c00_01ab => (Format::PcapIxia, false, HEADER_BYTES + 4),
        _ => return None,
    })
}

impl Pcap {
    /// Recognises a pcap; gives its reader and the offset of the first record.
    pub(super) fn begin(
        head: &[u8],
        input: &mut Input,
        info: &mut FileInfo,
    ) -> Option<(Self, u64)> {
        let [magic, version, _, _, snap_len, network] =
            head.first_chunk::<24>()?.as_chunks::<4>().0
        else {
            return None;
        };
        let little = variant(u32::from_le_bytes(*magic));
        let (big_endian, (mut format, mut nanoseconds, first)) = match little {
            Some(variant) => (false, variant),
            None => (true, variant(u32::from_be_bytes(*magic))?),
        };
        let number = |bytes: [u8; 4]| order(bytes, big_endian);
        let [v0, v1, v2, v3] = *version;
        let (major, minor) = match big_endian {
            false => (u16::from_le_bytes([v0, v1]), u16::from_le_bytes([v2, v3])),
            true => (u16::from_be_bytes([v0, v1]), u16::from_be_bytes([v2, v3])),
        };
        let network = number(*network);
        // The upper half holds the length of the frame check sequence (RFC draft, 4).
        let mut link_type = (network & 0xffff) as u16;
        let fcs_octets = (network & 0x0400_0000 != 0).then_some(((network >> 28) * 2) as u8);
        if format == Format::Pcap && (major, minor) == (2, 2) {
            // AIX: nanoseconds, and interface types of SNMP as link types.
            (format, nanoseconds) = (Format::PcapAix, true);
            link_type = match link_type {
                6 => 1,
                9 => 6,
                15 => 10,
                24 => 0,
                other => other,
            };
        }
        let mut reader = Self {
            big_endian,
            record_header: 16,
            link_type,
            nanoseconds,
            lengths_may_be_swapped: major == 2 && (minor <= 3 || minor == 543),
            number: 0,
            last_seconds: None,
            previous_at: None,
            approved_at: None,
            look_back: LOOK_BACK_BYTES,
        };
        // Patched tools wrote longer record headers, often under the usual magic number; which
        // one it is shows in whether the first records follow each other.
        let candidates: &[(usize, Format)] = match format {
            Format::Pcap => &[
                (16, Format::Pcap),
                (24, Format::PcapModified),
                (28, Format::PcapModified),
                (20, Format::PcapNokia),
            ],
            Format::PcapModified => &[(24, Format::PcapModified), (28, Format::PcapModified)],
            _ => &[],
        };
        if let Some((length, _)) = candidates.first() {
            reader.record_header = *length;
        }
        for (length, which) in candidates {
            if reader.walks(input, first, *length) {
                (reader.record_header, format) = (*length, *which);
                break;
            }
        }
        let unit = if reader.nanoseconds { "10^-9" } else { "10^-6" };
        info.format = format;
        info.interfaces.push(Interface {
            link_type,
            snap_len: number(*snap_len),
            resolution: unit.into(),
            fcs_octets,
            ..Interface::default()
        });
        Some((reader, first))
    }

    /// True when the first records follow each other with headers of this length.
    fn walks(&self, input: &mut Input, mut at: u64, header: usize) -> bool {
        let mut before = None;
        for _ in 0..4 {
            let mut bytes = [0; 16];
            let n = input.peek(at, &mut bytes);
            if n < bytes.len() {
                // A cut file proves nothing for the odd lengths.
                return header == self.record_header || input.end() == Some(at);
            }
            let record = self.record(&bytes);
            let near = before.is_none_or(|b| record.seconds.abs_diff(b) <= YEAR);
            let sane = record.captured <= USUAL_BYTES
                && (record.captured <= record.original || self.lengths_may_be_swapped)
                && record.fraction < self.fraction_limit();
            if !sane || !near {
                return false;
            }
            before = Some(record.seconds);
            at = at
                .saturating_add(header as u64)
                .saturating_add(u64::from(record.captured));
        }
        true
    }

    fn fraction_limit(&self) -> u32 {
        if self.nanoseconds {
            1_000_000_000
        } else {
            1_000_000
        }
    }

    fn record(&self, bytes: &[u8; 16]) -> Record {
        if self.big_endian {
            record::<true>(bytes)
        } else {
            record::<false>(bytes)
        }
    }

    pub(super) fn scan(
        &mut self,
        window: &Window<'_>,
        at: usize,
        frames: &mut Vec<FrameRecord>,
        info: &mut FileInfo,
    ) -> (usize, Step) {
        let before = self.number;
        let (used, step, times) = if self.big_endian {
            self.scan_in::<true>(window, at, frames)
        } else {
            self.scan_in::<false>(window, at, frames)
        };
        let count = u64::from(self.number.saturating_sub(before));
        if count > 0 {
            let (first, last) = times;
            info.first = Some(info.first.map_or(first, |t| t.min(first)));
            info.last = Some(info.last.map_or(last, |t| t.max(last)));
            info.packets = info.packets.saturating_add(count);
            if let Some(interface) = info.interfaces.first_mut() {
                interface.packets = interface.packets.saturating_add(count);
            }
        }
        (used, step)
    }

    fn scan_in<const BIG: bool>(
        &mut self,
        window: &Window<'_>,
        mut at: usize,
        frames: &mut Vec<FrameRecord>,
    ) -> (usize, Step, (i64, i64)) {
        let (mut first, mut last) = (i64::MAX, i64::MIN);
        let fraction_limit = self.fraction_limit();
        let to_nanos = if self.nanoseconds { 1 } else { 1000 };
        let step = loop {
            if frames.len() >= super::MAX_CHUNK_FRAMES {
                break Step::Full;
            }
            let rest = window.from(at);
            let Some(bytes) = rest.first_chunk::<16>() else {
                break self.at_rest(window, at);
            };
            let mut record = record::<BIG>(bytes);
            if record.captured > USUAL_BYTES
                || record.captured > record.original
                || record.captured == 0
                || record.fraction >= fraction_limit
            {
                match self.judge(window, at, record) {
                    Ok(judged) => record = judged,
                    Err(step) => break step,
                }
            }
            let start = at.saturating_add(self.record_header);
            let end = start.saturating_add(record.captured as usize);
            if end > window.data.len() {
                let length = self.record_header.saturating_add(record.captured as usize);
                match window.left(at) {
                    Some(left) if left < length as u64 => {
                        let there = left.saturating_sub(self.record_header as u64);
                        let (number, captured) = (self.next_number(), record.captured);
                        let why = format!(
                            "the file ends inside packet {number}: {there} of {captured} octets are there"
                        );
                        break Step::Cut {
                            at: window.offset(at),
                            why,
                        };
                    }
                    _ => break Step::More(length),
                }
            }
            let time = i64::from(record.seconds)
                .wrapping_mul(1_000_000_000)
                .wrapping_add(i64::from(record.fraction).wrapping_mul(to_nanos));
            first = first.min(time);
            last = last.max(time);
            self.number = self.number.saturating_add(1);
            frames.push(FrameRecord {
                time,
                number: self.number,
                interface: 0,
                start: start as u32,
                captured: record.captured,
                original: record.original,
                link_type: self.link_type,
            });
            self.last_seconds = Some(record.seconds);
            self.previous_at = Some(window.offset(at));
            at = end;
        };
        (at, step, (first, last))
    }

    fn next_number(&self) -> u32 {
        self.number.saturating_add(1)
    }

    /// Fewer octets than a record header has.
    fn at_rest(&self, window: &Window<'_>, at: usize) -> Step {
        match window.left(at) {
            Some(0) => Step::End,
            Some(left) if left < 16 => Step::Cut {
                at: window.offset(at),
                why: format!(
                    "the file ends inside the header of packet {}",
                    self.next_number()
                ),
            },
            _ => Step::More(16),
        }
    }

    /// Decides about a record whose numbers are unusual.
    fn judge(&mut self, window: &Window<'_>, at: usize, record: Record) -> Result<Record, Step> {
        let mut record = record;
        let offset = window.offset(at);
        let damage = |reader: &mut Self, why: String| Step::Damage {
            at: offset,
            look_from: reader.look_from(offset),
            why,
        };
        if record.is_zero() {
            // One packet of nothing may be; two in a row are a hole in the file.
            let more = window.from(at).get(16..32);
            return match more {
                Some(more) if more.iter().any(|b| *b != 0) => Ok(record),
                Some(_) => Err(damage(self, "zeros in place of a record header".into())),
                None if window.left(at).is_some_and(|left| left < 32) => {
                    Err(damage(self, "zeros in place of a record header".into()))
                }
                None => Err(Step::More(32)),
            };
        }
        if self.lengths_may_be_swapped && record.captured > record.original && record.original > 0 {
            (record.captured, record.original) = (record.original, record.captured);
        }
        if self.approved_at == Some(offset) {
            return Ok(record);
        }
        let length = (self.record_header as u64).saturating_add(u64::from(record.captured));
        let next = offset.saturating_add(length);
        let why = format!(
            "a record header claims {} captured of {} octets at {}.{} s",
            record.captured, record.original, record.seconds, record.fraction
        );
        let left_behind = window.left(at).map(|left| left.checked_sub(length));
        if record.captured > MAX_PACKET_BYTES {
            if left_behind == Some(None) {
                return Err(damage(self, why));
            }
            let too_long = Some("packets over 16 MiB");
            return Err(Step::Doubt {
                at: offset,
                next,
                too_long,
                why,
            });
        }
        match left_behind {
            // The last record, whole or cut: nothing follows that could tell.
            Some(None) => return Ok(record),
            Some(Some(left)) if left < 16 => return Ok(record),
            _ => {}
        }
        let behind = usize::try_from(length).ok().and_then(|l| at.checked_add(l));
        let header = behind.and_then(|b| window.from(b).first_chunk::<16>());
        match header {
            Some(header) if self.supports(&record, header) => Ok(record),
            Some(_) => Err(damage(self, why)),
            None => Err(Step::Doubt {
                at: offset,
                next,
                too_long: None,
                why,
            }),
        }
    }

    /// True when `header` may well follow `record`.
    fn supports(&self, record: &Record, header: &[u8; 16]) -> bool {
        let next = self.record(header);
        let shortest = if self.lengths_may_be_swapped {
            next.captured.min(next.original)
        } else {
            next.captured
        };
        let apart = next.seconds.abs_diff(record.seconds);
        // A second packet of unusual length needs more to be believed.
        let usual = shortest <= USUAL_BYTES
            || (apart <= DAY
                && next.captured <= next.original
                && next.fraction < self.fraction_limit());
        !next.is_zero() && usual && apart <= YEAR
    }

    pub(super) fn probe(&self, input: &mut Input, at: u64, next: u64) -> bool {
        let (mut this, mut header) = ([0; 16], [0; 16]);
        if input.peek(at, &mut this) < this.len() {
            return false;
        }
        match input.peek(next, &mut header) {
            16 => self.supports(&self.record(&this), &header),
            // The very end, or a header that is cut; unless `next` lies beyond it.
            _ => input.end().is_none_or(|end| next <= end),
        }
    }

    pub(super) fn approve(&mut self, at: u64) {
        self.approved_at = Some(at);
    }

    pub(super) fn pass_over(&mut self, info: &mut FileInfo) {
        self.number = self.number.saturating_add(1);
        info.packets = info.packets.saturating_add(1);
    }

    /// The record before a bad header is searched too: its length may be what is wrong.
    pub(super) fn look_from(&mut self, at: u64) -> u64 {
        if let Some(previous) = self.previous_at.take() {
            let back = at.saturating_sub(previous);
            if back <= self.look_back {
                self.look_back = self.look_back.saturating_sub(back);
                return previous.saturating_add(self.record_header as u64);
            }
        }
        at.saturating_add(1)
    }

    pub(super) fn find(&self, window: &Window<'_>, from: usize) -> Find {
        if self.big_endian {
            self.find_in::<true>(window, from)
        } else {
            self.find_in::<false>(window, from)
        }
    }

    fn find_in<const BIG: bool>(&self, window: &Window<'_>, from: usize) -> Find {
        let mut at = from;
        for bytes in window.from(from).windows(16) {
            if let Some(bytes) = bytes.first_chunk::<16>()
                && self.is_sane(&record::<BIG>(bytes))
            {
                match self.chain::<BIG>(window, at) {
                    Chain::Good => return Find::Found(at),
                    Chain::Bad => {}
                    Chain::Unknown => {
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
            Find::More {
                at,
                need: SEARCH_BYTES,
            }
        }
    }

    fn is_sane(&self, record: &Record) -> bool {
        (1..=USUAL_BYTES).contains(&record.captured)
            && record.captured <= record.original
            && record.original <= MAX_PACKET_BYTES
            && record.fraction < self.fraction_limit()
    }

    /// True for three sensible records in a row with times near the last good one, or five with
    /// times near each other; fewer where the file ends.
    fn chain<const BIG: bool>(&self, window: &Window<'_>, mut at: usize) -> Chain {
        let end = window.end.unwrap_or(u64::MAX);
        let mut before: Option<u32> = None;
        let mut near = false;
        for count in 0..5_u32 {
            let Some(bytes) = window.from(at).first_chunk::<16>() else {
                let good = match end.checked_sub(window.offset(at)) {
                    None => near && count >= 2,
                    Some(0) => near && count >= 1,
                    Some(left) if left < 16 => near && count >= 2,
                    Some(_) => return Chain::Unknown,
                };
                return if good { Chain::Good } else { Chain::Bad };
            };
            let record = record::<BIG>(bytes);
            let step = before.map_or(0, |b| record.seconds.abs_diff(b));
            if !self.is_sane(&record) || step > DAY {
                return Chain::Bad;
            }
            if count == 0 {
                near = self
                    .last_seconds
                    .is_none_or(|l| record.seconds.abs_diff(l) <= YEAR);
            }
            if near && count == 2 {
                return Chain::Good;
            }
            before = Some(record.seconds);
            at = at
                .saturating_add(self.record_header)
                .saturating_add(record.captured as usize);
        }
        Chain::Good
    }
}

impl Record {
    fn is_zero(&self) -> bool {
        self.seconds | self.fraction | self.captured | self.original == 0
    }
}

fn order(bytes: [u8; 4], big_endian: bool) -> u32 {
    if big_endian {
        u32::from_be_bytes(bytes)
    } else {
        u32::from_le_bytes(bytes)
    }
}

#[inline(always)]
fn record<const BIG: bool>(bytes: &[u8; 16]) -> Record {
    let [a, b, c, d] = match bytes.as_chunks::<4>().0 {
        [a, b, c, d] => [*a, *b, *c, *d],
        _ => [[0; 4]; 4],
    };
    Record {
        seconds: order(a, BIG),
        fraction: order(b, BIG),
        captured: order(c, BIG),
        original: order(d, BIG),
    }
}
