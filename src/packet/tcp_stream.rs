//! TCP reassembly (RFC 9293, 3.4 and 3.10.7.4): one direction of a connection becomes a byte stream.
//!
//! Octets are delivered once, in order, the first copy of an octet wins. A hole is waited for until
//! 30 s of capture time have passed or too much has piled up behind it; then the stream goes on
//! behind the hole. What a stream carries is for the [`StreamSink`] to say; a direction that it has
//! no use for costs a look at the start of each segment and holds no octets.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::ip_fragment::Pieces;
use super::{Addressing, Endpoint, TCP_SYN, TcpSegment};
use crate::bytes::Extent;

/// Octets held for one direction behind a hole.
pub const MAX_DIRECTION_OCTETS: usize = 4 << 20;
/// Octets held behind holes, all directions together.
pub const MAX_HELD_OCTETS: usize = 64 << 20;
/// Capture time after which a hole is given up.
pub const MAX_HOLE_AGE_NANOS: i64 = 30_000_000_000;
/// Octets of a stream of unknown start that wait for its beginning.
const MAX_UNSYNCED_OCTETS: usize = 64 << 10;
/// An unused direction is forgotten after this much capture time.
const IDLE_NANOS: i64 = 64_000_000_000;
/// A jump of sequence numbers beyond this is another connection.
const MAX_JUMP: i64 = 1 << 28;

/// What the octets of a stream are to its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Wanted,
    /// Nothing of interest: hold nothing more of it.
    Unwanted,
}

/// The reader of the streams.
pub trait StreamSink {
    /// What it remembers of one direction.
    type State: Default;
    /// True when octets at the start of a segment open something of interest.
    fn starts(&self, data: &[u8]) -> bool;
    /// Offset at which something of interest begins, in a stream whose start is unknown.
    fn find_start(&self, data: &[u8]) -> Option<usize>;
    /// Takes the next octets of the stream.
    fn data(
        &mut self,
        state: &mut Self::State,
        way: &Way,
        data: &[u8],
        extent: Extent,
        time: i64,
    ) -> Verdict;
    /// Octets are missing before the next ones.
    fn gap(&mut self, state: &mut Self::State, way: &Way, time: i64);
    /// No more octets will come.
    fn end(&mut self, state: &mut Self::State, way: &Way, time: i64);
}

/// Direction of a stream and the layers it came through.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// Addresses.
    pub addressing: Addressing,
    /// Layers of the newest segment.
    pub layers: super::LayerStack,
}

type Key = (Endpoint, Endpoint, u32);

struct Direction<S> {
    way: Way,
    /// Sequence number that `next` stands for.
    next_seq: u32,
    /// Position of the next octet, counted from the start of the stream.
    next: u64,
    /// The first octet of the stream is known: its SYN, or its start by content.
    synced: bool,
    saw_syn: bool,
    wanted: bool,
    pieces: Pieces,
    hole_since: Option<i64>,
    last_seen: i64,
    searched: usize,
    state: S,
}

/// All streams of a capture.
pub struct TcpStreams<S: StreamSink> {
    open: HashMap<Key, Direction<S::State>>,
    holes: VecDeque<(i64, Key)>,
    held: usize,
    last_sweep: i64,
    /// Holes given up.
    pub gaps: u64,
    /// Of those, given up because too many octets waited.
    pub gaps_by_limit: u64,
}

impl<S: StreamSink> Default for TcpStreams<S> {
    fn default() -> Self {
        Self {
            open: HashMap::new(),
            holes: VecDeque::new(),
            held: 0,
            last_sweep: i64::MIN,
            gaps: 0,
            gaps_by_limit: 0,
        }
    }
}

impl<S: StreamSink> TcpStreams<S> {
    /// Takes one segment. `extent` tells where its octets lie.
    pub fn push(&mut self, sink: &mut S, way: Way, seg: TcpSegment<'_>, extent: Extent, time: i64) {
        let key = (way.addressing.src, way.addressing.dst, way.addressing.realm);
        let syn = seg.flags & TCP_SYN != 0;
        if seg.data.is_empty() && !syn {
            return;
        }
        let first_seq = seg.seq.wrapping_add(u32::from(syn));
        let fresh = || Direction {
            way,
            next_seq: first_seq,
            next: 1 << 32,
            synced: syn,
            saw_syn: syn,
            wanted: true,
            pieces: Pieces::default(),
            hole_since: None,
            last_seen: time,
            searched: 0,
            state: S::State::default(),
        };
        let dir = self.open.entry(key).or_insert_with(fresh);
        let jump = i64::from(first_seq.wrapping_sub(dir.next_seq) as i32);
        let known = dir.next != 1 << 32 || !dir.pieces.is_empty();
        // Another connection on the same addresses: a SYN that does not belong, or numbers far off.
        let other = (syn
            && known
            && !(dir.saw_syn && jump <= 0 && -jump < MAX_JUMP && same_isn(dir, first_seq)))
            || jump.abs() > MAX_JUMP;
        if other {
            Self::flush(sink, dir, time, &mut self.held, &mut self.gaps);
            sink.end(&mut dir.state, &dir.way, time);
            *dir = fresh();
        } else if syn && !dir.saw_syn && !known {
            *dir = fresh();
        }
        dir.way = way;
        dir.last_seen = time;
        if !seg.data.is_empty() {
            let before = dir.pieces.cost();
            take(sink, dir, first_seq, seg.data, extent, time);
            let cost = dir.pieces.cost();
            self.held = (self.held + cost).saturating_sub(before);
            if !dir.pieces.is_empty() && dir.hole_since.is_none() {
                dir.hole_since = Some(time);
                self.holes.push_back((time, key));
            } else if dir.pieces.is_empty() {
                dir.hole_since = None;
            }
            if cost > MAX_DIRECTION_OCTETS {
                self.gaps_by_limit += 1;
                Self::flush(sink, dir, time, &mut self.held, &mut self.gaps);
            }
        }
        while self.held > MAX_HELD_OCTETS {
            let Some((since, key)) = self.holes.pop_front() else {
                break;
            };
            if let Some(dir) = self
                .open
                .get_mut(&key)
                .filter(|d| d.hole_since == Some(since))
            {
                self.gaps_by_limit += 1;
                Self::flush(sink, dir, time, &mut self.held, &mut self.gaps);
            }
        }
    }

    /// Gives up holes that are too old at capture time `now`; call it in the order of the packets.
    pub fn expire(&mut self, sink: &mut S, now: i64) {
        while let Some((since, key)) = self.holes.front().copied() {
            if now.saturating_sub(since) <= MAX_HOLE_AGE_NANOS {
                break;
            }
            self.holes.pop_front();
            if let Some(dir) = self
                .open
                .get_mut(&key)
                .filter(|d| d.hole_since == Some(since))
            {
                Self::flush(sink, dir, now, &mut self.held, &mut self.gaps);
            }
        }
        if now.saturating_sub(self.last_sweep) > IDLE_NANOS {
            self.last_sweep = now;
            self.open.retain(|_, d| {
                d.wanted && d.synced || now.saturating_sub(d.last_seen) < IDLE_NANOS
            });
        }
    }

    /// The capture has ended: gives up every hole and ends every stream, in a stable order.
    pub fn finish(&mut self, sink: &mut S, time: i64) {
        let mut keys: Vec<Key> = self.open.keys().copied().collect();
        keys.sort();
        for key in keys {
            if let Some(mut dir) = self.open.remove(&key) {
                Self::flush(sink, &mut dir, time, &mut self.held, &mut self.gaps);
                sink.end(&mut dir.state, &dir.way, time);
            }
        }
        self.holes.clear();
    }

    /// Goes on behind the holes of one direction.
    fn flush(
        sink: &mut S,
        dir: &mut Direction<S::State>,
        time: i64,
        held: &mut usize,
        gaps: &mut u64,
    ) {
        *held = held.saturating_sub(dir.pieces.cost());
        while let Some(at) = dir.pieces.first() {
            if dir.synced {
                *gaps += 1;
                sink.gap(&mut dir.state, &dir.way, time);
            }
            let step = u32::try_from(at.wrapping_sub(dir.next) & 0xffff_ffff).unwrap_or(0);
            dir.next_seq = dir.next_seq.wrapping_add(step);
            dir.next = at;
            if dir.synced {
                drain(sink, dir, time);
            } else {
                // Never began by content: what was held for it is of no use.
                dir.pieces.clear();
            }
        }
        dir.hole_since = None;
    }
}

fn same_isn<S>(dir: &Direction<S>, first_seq: u32) -> bool {
    let start = u32::try_from((dir.next - (1 << 32)) & 0xffff_ffff).unwrap_or(0);
    dir.next_seq.wrapping_sub(start) == first_seq
}

fn take<S: StreamSink>(
    sink: &mut S,
    dir: &mut Direction<S::State>,
    seq: u32,
    data: &[u8],
    extent: Extent,
    time: i64,
) {
    if !dir.wanted {
        // Somebody may begin to speak SIP later, or a proxy header came first.
        if !sink.starts(data) {
            return;
        }
        dir.wanted = true;
        dir.synced = true;
        dir.next_seq = seq;
        dir.state = S::State::default();
    }
    let delta = i64::from(seq.wrapping_sub(dir.next_seq) as i32);
    let place = dir.next.saturating_add_signed(delta);
    if !dir.synced {
        return unsynced(sink, dir, (seq, place), data, extent, time);
    }
    if place > dir.next {
        dir.pieces.insert(place, data, extent);
        return;
    }
    let skip = usize::try_from(dir.next - place).unwrap_or(usize::MAX);
    let Some(rest) = data.get(skip..).filter(|r| !r.is_empty()) else {
        return;
    };
    deliver(sink, dir, rest, extent.part(skip, rest.len()), time);
    drain(sink, dir, time);
}

/// A stream whose SYN was not captured: wait for something that looks like a beginning.
fn unsynced<S: StreamSink>(
    sink: &mut S,
    dir: &mut Direction<S::State>,
    (seq, place): (u32, u64),
    data: &[u8],
    extent: Extent,
    time: i64,
) {
    let found = if sink.starts(data) {
        Some(0)
    } else {
        sink.find_start(data)
    };
    if let Some(at) = found {
        dir.synced = true;
        dir.next_seq = seq.wrapping_add(u32::try_from(at).unwrap_or(0));
        dir.next = place + at as u64;
        if let Some(rest) = data.get(at..) {
            deliver(sink, dir, rest, extent.part(at, rest.len()), time);
        }
        drain(sink, dir, time);
        return;
    }
    dir.searched += data.len();
    let text = data
        .iter()
        .take(64)
        .filter(|b| matches!(b, b' '..=b'~' | b'\r' | b'\n' | b'\t'))
        .count();
    if dir.searched > MAX_UNSYNCED_OCTETS || text < data.len().min(64) {
        dir.wanted = false;
        dir.pieces.clear();
    } else {
        dir.pieces.insert(place, data, extent);
    }
}

fn deliver<S: StreamSink>(
    sink: &mut S,
    dir: &mut Direction<S::State>,
    data: &[u8],
    extent: Extent,
    time: i64,
) {
    dir.next += data.len() as u64;
    dir.next_seq = dir
        .next_seq
        .wrapping_add(u32::try_from(data.len()).unwrap_or(0));
    if sink.data(&mut dir.state, &dir.way, data, extent, time) == Verdict::Unwanted {
        dir.wanted = false;
        dir.pieces.clear();
    }
}

fn drain<S: StreamSink>(sink: &mut S, dir: &mut Direction<S::State>, time: i64) {
    while dir.wanted {
        let Some((data, extent)) = dir.pieces.take_at(dir.next) else {
            break;
        };
        deliver(sink, dir, &data, extent, time);
    }
}
