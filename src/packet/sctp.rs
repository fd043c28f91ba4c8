//! SCTP (RFC 9260): user messages out of DATA chunks, and out of the I-DATA chunks of RFC 8260.
//!
//! Messages are handed out when they are whole, in the order in which that happens: what is lost on
//! one stream must not hold up another, and the time of a message is that of its last packet. A chunk
//! whose number was seen already is one sent again and gives nothing new.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use hashbrown::HashMap;

use super::{Addressing, LayerStack, Packet, Payload, Skip, be16, be32};
use crate::bytes::Extent;

/// A message cannot be longer.
pub const MAX_MESSAGE_OCTETS: usize = 4 << 20;
/// Octets of unfinished messages, all associations together, bookkeeping included.
pub const MAX_HELD_OCTETS: usize = 32 << 20;
/// Capture time after which an unfinished message is given up.
const MAX_AGE_NANOS: i64 = 30_000_000_000;
/// Numbers remembered of each direction, to know a chunk that was sent again.
const REMEMBERED: usize = 1024;
/// Directions remembered; the oldest are forgotten.
const MAX_ASSOCIATIONS: usize = 1 << 16;
/// Entries of unfinished messages from which on those of finished ones are dropped.
const SWEEP_FROM: usize = 1 << 14;
/// What a fragment costs beside its octets.
const PIECE_COST: usize = 128;
/// What a run of fragments costs: its places in the tables.
const RUN_COST: usize = 2048;
/// Numbers remembered, all directions together.
const MAX_REMEMBERED: usize = 1 << 18;

/// What follows the common header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunks<'a> {
    /// Verification tag: names the association at its receiver.
    pub tag: u32,
    /// The chunks, as far as captured.
    pub data: &'a [u8],
}

/// One DATA or I-DATA chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    /// Transmission sequence number.
    pub tsn: u32,
    /// Stream.
    pub stream: u16,
    /// Number of the message in its stream.
    pub message: u32,
    /// First fragment of its message.
    pub begins: bool,
    /// Last fragment of its message.
    pub ends: bool,
    /// Outside of the order of its stream.
    pub unordered: bool,
    /// The octets, as far as captured.
    pub data: &'a [u8],
    /// Octets are missing at the end.
    pub cut: bool,
}

/// The common header: ports, verification tag, check sum.
pub(super) fn packet(
    data: &[u8],
    mut addressing: Addressing,
    layers: LayerStack,
) -> Result<Packet<'_>, Skip> {
    addressing.src.port = be16(data, 0).ok_or(Skip::Short)?;
    addressing.dst.port = be16(data, 2).ok_or(Skip::Short)?;
    let tag = be32(data, 4).ok_or(Skip::Short)?;
    let data = data.get(12..).ok_or(Skip::Short)?;
    Ok(Packet {
        addressing,
        layers,
        payload: Payload::Sctp(Chunks { tag, data }),
    })
}

/// The length of a chunk is impossible: below that of its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadLength;

impl<'a> Chunks<'a> {
    /// The chunks that carry data, up to the first whose length is impossible: what stands behind it
    /// cannot be told.
    pub fn data(self) -> impl Iterator<Item = Result<Data<'a>, BadLength>> {
        let mut rest = self.data;
        std::iter::from_fn(move || {
            loop {
                let (kind, flags) = (*rest.first()?, *rest.get(1)?);
                let len = usize::from(be16(rest, 2)?);
                let head = match kind {
                    0 => 16,
                    64 => 20,
                    _ => 4,
                };
                if len < head {
                    let all = std::mem::take(&mut rest);
                    // Padding of the link layer is no chunk.
                    let is_padding = all.iter().all(|octet| *octet == 0);
                    return (!is_padding).then_some(Err(BadLength));
                }
                let chunk = rest.get(..len).unwrap_or(rest);
                let cut = len > rest.len();
                rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
                if head == 4 {
                    continue;
                }
                // Cut by the snap length inside its header.
                let (Some(tsn), Some(stream), Some(data)) =
                    (be32(chunk, 4), be16(chunk, 8), chunk.get(head..))
                else {
                    continue;
                };
                let message = if kind == 0 {
                    be16(chunk, 10).map(u32::from)
                } else {
                    be32(chunk, 12)
                };
                return Some(Ok(Data {
                    tsn,
                    stream,
                    message: message.unwrap_or(0),
                    begins: flags & 2 != 0,
                    ends: flags & 1 != 0,
                    unordered: flags & 4 != 0,
                    data,
                    cut,
                }));
            }
        })
    }
}

/// A user message.
#[derive(Debug, Default)]
pub struct Message {
    /// Its octets.
    pub data: Vec<u8>,
    /// Where they lie.
    pub extents: Vec<Extent>,
    /// Octets are missing at the end.
    pub cut: bool,
}

/// Ports, tag, realm; and the addresses where the tag is 0, which no association has after INIT.
///
/// Otherwise the addresses are left out: an association may use several (multi-homing).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    ports: (u16, u16),
    tag: u32,
    realm: u32,
    addresses: Option<(IpAddr, IpAddr)>,
}

/// Fragments with numbers that follow each other.
struct Run {
    pieces: VecDeque<Piece>,
    octets: usize,
    since: i64,
    way: (Addressing, LayerStack),
    serial: u64,
}

struct Piece {
    data: Vec<u8>,
    extents: Vec<Extent>,
    stream: u16,
    message: u32,
    begins: bool,
    ends: bool,
    cut: bool,
}

impl Run {
    fn cost(&self) -> usize {
        self.octets + self.pieces.len() * PIECE_COST + RUN_COST
    }

    /// Puts another run behind this one; moves the shorter of the two.
    fn append(&mut self, mut next: Run) {
        self.octets += next.octets;
        self.since = self.since.min(next.since);
        if self.pieces.len() >= next.pieces.len() {
            self.pieces.append(&mut next.pieces);
        } else {
            while let Some(piece) = self.pieces.pop_back() {
                next.pieces.push_front(piece);
            }
            self.pieces = next.pieces;
        }
    }
}

/// One direction of an association.
#[derive(Default)]
struct Direction {
    /// Number of the newest chunk, counted on over its 32 bits.
    newest: Option<u64>,
    /// Numbers seen lately with the hash of what they carried, in the order they came.
    seen: HashMap<u64, u64>,
    order: VecDeque<u64>,
    /// Unfinished messages by the number of their first fragment.
    runs: BTreeMap<u64, Run>,
}

impl Direction {
    /// Counts a number of 32 bits on from the newest one.
    fn unwrap(&mut self, tsn: u32) -> u64 {
        let newest = *self.newest.get_or_insert((1 << 40) | u64::from(tsn));
        let jump = i64::from(tsn.wrapping_sub(newest as u32) as i32);
        let place = newest.saturating_add_signed(jump);
        self.newest = Some(newest.max(place));
        place
    }

    /// True for a chunk seen before. The same number on other octets is another association.
    fn again(&mut self, place: u64, hash: u64, remembered: &mut usize) -> bool {
        match self.seen.insert(place, hash) {
            Some(before) => before == hash,
            None => {
                self.order.push_back(place);
                *remembered += 1;
                if self.order.len() > REMEMBERED
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.seen.remove(&oldest);
                    *remembered -= 1;
                }
                false
            }
        }
    }
}

/// All associations of a capture.
#[derive(Default)]
pub struct Associations {
    open: HashMap<Key, Direction>,
    /// Directions, in the order they began.
    began: VecDeque<Key>,
    /// Unfinished messages, in the order they began.
    waiting: VecDeque<(i64, Key, u64, u64)>,
    held: usize,
    /// Numbers remembered.
    remembered: usize,
    serial: u64,
    sweep_at: usize,
    /// Messages given up: never whole, or too large.
    pub dropped: u64,
    /// Chunks that came again.
    pub repeated: u64,
}

impl Associations {
    /// Octets in hand, bookkeeping included.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Takes one chunk; gives the message when it is whole. `hash` stands for the octets of the chunk.
    pub fn push(
        &mut self,
        way: (Addressing, LayerStack),
        tag: u32,
        chunk: &Data<'_>,
        hash: u64,
        extents: &[Extent],
        time: i64,
    ) -> Option<Message> {
        let addressing = way.0;
        let key = Key {
            ports: (addressing.src.port, addressing.dst.port),
            tag,
            realm: addressing.realm,
            addresses: (tag == 0).then_some((addressing.src.ip, addressing.dst.ip)),
        };
        if !self.open.contains_key(&key) {
            self.make_room();
            self.began.push_back(key);
        }
        let direction = self.open.entry(key).or_default();
        let place = direction.unwrap(chunk.tsn);
        if direction.again(place, hash, &mut self.remembered) {
            self.repeated += 1;
            return None;
        }
        if self.remembered > MAX_REMEMBERED {
            self.forget_numbers();
        }
        let direction = self.open.get_mut(&key)?;
        if chunk.begins && (chunk.ends || chunk.cut) {
            return Some(Message {
                data: chunk.data.to_vec(),
                extents: extents.to_vec(),
                cut: chunk.cut,
            });
        }
        self.serial += 1;
        let mut run = Run {
            octets: chunk.data.len(),
            pieces: VecDeque::from([Piece {
                data: chunk.data.to_vec(),
                extents: extents.to_vec(),
                stream: chunk.stream,
                message: chunk.message,
                begins: chunk.begins,
                ends: chunk.ends,
                cut: chunk.cut,
            }]),
            since: time,
            way,
            serial: self.serial,
        };
        let mut start = place;
        self.held += run.cost();
        // Behind another run: it goes on, unless a message ends or begins between them.
        if !chunk.begins
            && let Some((&at, before)) = direction.runs.range(..place).next_back()
            && at + before.pieces.len() as u64 == place
            && before
                .pieces
                .back()
                .is_some_and(|last| !last.ends && follows(last, chunk.stream, chunk.message))
            && let Some(mut before) = direction.runs.remove(&at)
        {
            start = at;
            run.serial = before.serial;
            before.append(run);
            run = before;
            self.held = self.held.saturating_sub(RUN_COST);
        }
        let next = place + 1;
        if !chunk.ends
            && direction.runs.get(&next).is_some_and(|after| {
                after.pieces.front().is_some_and(|first| {
                    !first.begins && first.stream == chunk.stream && first.message == chunk.message
                })
            })
            && let Some(after) = direction.runs.remove(&next)
        {
            run.append(after);
            self.held = self.held.saturating_sub(RUN_COST);
        }
        let begins = run.pieces.front().is_some_and(|piece| piece.begins);
        let ends = run
            .pieces
            .back()
            .is_some_and(|piece| piece.ends || piece.cut);
        if begins && ends {
            self.held = self.held.saturating_sub(run.cost());
            return Some(whole(run, false));
        }
        if run.octets > MAX_MESSAGE_OCTETS {
            self.held = self.held.saturating_sub(run.cost());
            self.dropped += 1;
            return None;
        }
        if run.serial == self.serial {
            self.waiting.push_back((run.since, key, start, run.serial));
        }
        direction.runs.insert(start, run);
        self.sweep();
        while self.held > MAX_HELD_OCTETS && self.give_up_oldest().is_some() {}
        None
    }

    /// Drops entries of messages that are whole, when there may be many of them.
    fn sweep(&mut self) {
        if self.waiting.len() < self.sweep_at.max(SWEEP_FROM) {
            return;
        }
        let open = &self.open;
        self.waiting.retain(|(_, key, start, serial)| {
            open.get(key)
                .and_then(|direction| direction.runs.get(start))
                .is_some_and(|run| run.serial == *serial)
        });
        self.sweep_at = self.waiting.len() * 2;
    }

    /// Forgets the numbers of directions, in the order they began, until there is room.
    fn forget_numbers(&mut self) {
        for _ in 0..self.began.len() {
            if self.remembered <= MAX_REMEMBERED / 4 * 3 {
                return;
            }
            let Some(key) = self.began.pop_front() else {
                return;
            };
            if let Some(direction) = self.open.get_mut(&key) {
                self.remembered = self.remembered.saturating_sub(direction.order.len());
                direction.seen = HashMap::new();
                direction.order = VecDeque::new();
            }
            self.began.push_back(key);
        }
    }

    /// Forgets the oldest association when there are too many.
    fn make_room(&mut self) {
        if self.open.len() < MAX_ASSOCIATIONS {
            return;
        }
        let Some(oldest) = self.began.pop_front() else {
            return;
        };
        if let Some(direction) = self.open.remove(&oldest) {
            self.remembered = self.remembered.saturating_sub(direction.order.len());
            for run in direction.runs.values() {
                self.held = self.held.saturating_sub(run.cost());
                self.dropped += 1;
            }
        }
    }

    /// Gives up the unfinished message that began first; none when nothing waits.
    fn give_up_oldest(&mut self) -> Option<Option<Run>> {
        let (_, key, start, serial) = self.waiting.pop_front()?;
        let direction = self.open.get_mut(&key);
        let run = direction.and_then(|d| match d.runs.get(&start) {
            Some(run) if run.serial == serial => d.runs.remove(&start),
            _ => None,
        });
        if let Some(run) = &run {
            self.held = self.held.saturating_sub(run.cost());
            self.dropped += 1;
        }
        Some(run)
    }

    /// Gives up what has waited for too long at capture time `now`: beginnings of messages come out.
    pub fn expire(&mut self, now: i64) -> Option<(Message, (Addressing, LayerStack))> {
        while let Some((since, ..)) = self.waiting.front() {
            if now.saturating_sub(*since) <= MAX_AGE_NANOS {
                return None;
            }
            let run = self.give_up_oldest().flatten();
            if let Some(run) = run.filter(|run| run.pieces.front().is_some_and(|p| p.begins)) {
                let way = run.way;
                return Some((whole(run, true), way));
            }
        }
        None
    }
}

fn follows(piece: &Piece, stream: u16, message: u32) -> bool {
    piece.stream == stream && piece.message == message
}

fn whole(run: Run, cut: bool) -> Message {
    let mut message = Message {
        cut,
        ..Message::default()
    };
    for piece in run.pieces {
        message.data.extend_from_slice(&piece.data);
        message.extents.extend(piece.extents);
        // What was sent behind octets that are missing does not join on.
        if piece.cut {
            message.cut = true;
            break;
        }
    }
    message
}
