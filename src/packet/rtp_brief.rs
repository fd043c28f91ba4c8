//! Counting what looks like RTP (RFC 3550, 5.1), cheaply: one look at each UDP datagram.

use hashbrown::HashTable;

use super::Addressing;

/// The part of an RTP header that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// Payload type.
    pub payload_type: u8,
    /// Sequence number.
    pub seq: u16,
    /// Synchronisation source.
    pub ssrc: u32,
}

/// Reads the header when the octets can be RTP: version 2, long enough, not RTCP (RFC 5761, 4).
pub fn rtp_header(data: &[u8]) -> Option<RtpHeader> {
    let head: &[u8; 12] = data.first_chunk()?;
    if head[0] >> 6 != 2 || (192..=223).contains(&head[1]) {
        return None;
    }
    Some(RtpHeader {
        payload_type: head[1] & 0x7f,
        seq: u16::from_be_bytes([head[2], head[3]]),
        ssrc: u32::from_be_bytes([head[8], head[9], head[10], head[11]]),
    })
}

/// True when the octets can be RTCP (RFC 5761, 4).
pub fn is_rtcp(data: &[u8]) -> bool {
    matches!(data, [first, 192..=223, ..] if first >> 6 == 2)
}

/// After this long without a packet (nanoseconds) a stretch of its own begins: the next call may
/// use the same ports and, as many devices do, the same SSRC.
pub const SILENCE: i64 = 500_000_000;

/// Counts of one stretch of a stream: source, destination and SSRC.
#[derive(Clone, Copy, Debug)]
pub struct RtpTally {
    /// Hash of addresses and SSRC.
    pub key: u64,
    /// Addresses.
    pub addressing: Addressing,
    /// Synchronisation source.
    pub ssrc: u32,
    /// Packets.
    pub packets: u64,
    /// Packets whose sequence number follows that of the packet before, or equals it.
    pub in_sequence: u64,
    /// First sequence number.
    pub first_seq: u16,
    /// Newest sequence number.
    pub last_seq: u16,
    /// Payload types seen, a bit for each.
    pub payload_types: u128,
    /// Time of the first packet, nanoseconds since 1970-01-01 UTC.
    pub first: i64,
    /// Time of the last packet.
    pub last: i64,
    /// Number of the first packet's frame, and its file.
    pub first_frame: (u16, u32),
}

/// Streams of a run of packets.
#[derive(Default)]
pub struct RtpTallies {
    table: HashTable<u32>,
    /// The streams, in the order of their first packet.
    pub list: Vec<RtpTally>,
    recent: [u32; 16],
}

impl RtpTallies {
    /// Forgets everything, keeps the room.
    pub fn clear(&mut self) {
        self.table.clear();
        self.list.clear();
    }

    /// Counts one packet whose flow has the hash `flow`.
    #[inline(always)]
    pub fn add(
        &mut self,
        flow: u64,
        addressing: &Addressing,
        header: RtpHeader,
        time: i64,
        frame: (u16, u32),
    ) {
        let key = flow ^ u64::from(header.ssrc).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let slot = (key >> 58) as usize & 15;
        let guess = self.recent.get(slot).copied().unwrap_or(0);
        let goes_on =
            |tally: &RtpTally| tally.key == key && time.saturating_sub(tally.last) <= SILENCE;
        let at = if self.list.get(guess as usize).is_some_and(goes_on) {
            guess
        } else {
            let list = &self.list;
            let is_key = |i: &u32| list.get(*i as usize).is_some_and(|t| t.key == key);
            let found = self.table.find(key, is_key).copied();
            let found = found.filter(|i| list.get(*i as usize).is_some_and(goes_on));
            let at = found.unwrap_or_else(|| {
                let at = u32::try_from(self.list.len()).unwrap_or(u32::MAX);
                self.list.push(RtpTally {
                    key,
                    addressing: *addressing,
                    ssrc: header.ssrc,
                    packets: 0,
                    in_sequence: 0,
                    first_seq: header.seq,
                    last_seq: header.seq.wrapping_sub(1),
                    payload_types: 0,
                    first: time,
                    last: time,
                    first_frame: frame,
                });
                let list = &self.list;
                let is_key = |i: &u32| list.get(*i as usize).is_some_and(|t| t.key == key);
                match self.table.find_mut(key, is_key) {
                    Some(newest) => *newest = at,
                    None => {
                        self.table
                            .insert_unique(key, at, |i| list.get(*i as usize).map_or(0, |t| t.key));
                    }
                }
                at
            });
            if let Some(slot) = self.recent.get_mut(slot) {
                *slot = at;
            }
            at
        };
        let Some(tally) = self.list.get_mut(at as usize) else {
            return;
        };
        tally.packets += 1;
        // The same number again is a packet that the capture saw twice.
        tally.in_sequence += u64::from(header.seq.wrapping_sub(tally.last_seq) <= 1);
        tally.last_seq = header.seq;
        tally.payload_types |= 1 << header.payload_type;
        tally.last = tally.last.max(time);
        tally.first = tally.first.min(time);
    }
}
