//! TCP reassembly (RFC 9293, 3.4 and 3.10.7.4): one direction of a connection becomes a byte stream.
//!
//! Octets are delivered once, in order, the first copy of an octet wins. A hole is waited for until
//! 30 s of capture time have passed or too much has piled up behind it; then the stream goes on
//! behind the hole. What a stream carries is for the [`StreamSink`] to say; a direction that it has
//! no use for costs a look at the start of each segment and holds no octets.
//!
//! A stream whose SYN was not seen (yet) is entered where something of interest begins; when octets
//! from before that place come later, they are read from their own beginning. Such stretches are
//! the *islands* of a connection; with its SYN a connection has one.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::ip_fragment::Pieces;
use super::{Addressing, Endpoint, TCP_FIN, TCP_RST, TCP_SYN, TcpSegment};
use crate::bytes::Extent;

/// Octets held for one direction behind a hole.
pub const MAX_DIRECTION_OCTETS: usize = 4 << 20;
/// Octets held behind holes, all directions together.
pub const MAX_HELD_OCTETS: usize = 64 << 20;
/// Capture time after which a hole is given up.
pub const MAX_HOLE_AGE_NANOS: i64 = 30_000_000_000;
/// Octets of a stream of unknown start that wait for its beginning.
const MAX_UNSYNCED_OCTETS: usize = 64 << 10;
/// Octets before a segment that may hold the beginning of its first line.
const MAX_START: usize = 512;
/// So many connections are kept without a look for unused ones.
const SWEEP_FROM: usize = 4096;
/// An unused direction is forgotten after this much capture time.
const IDLE_NANOS: i64 = 64_000_000_000;
/// A segment this far from the newest octets belongs to another connection on the same addresses.
const MAX_JUMP: i64 = 512 << 10;
/// Places at which a stream of unknown start was entered by content.
const MAX_ISLANDS: usize = 4096;
/// Memory for the directions that are open, without the octets that wait behind holes.
pub const MAX_KEPT_OCTETS: usize = 64 << 20;
/// What remains when the longest unused ones were forgotten.
const KEPT_AFTER: usize = MAX_KEPT_OCTETS / 4 * 3;
/// So many holes are noted without a look for closed ones.
const HOLES_SWEEP_FROM: usize = 4096;

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
    /// The sender has closed the stream, and all octets up to there were given out.
    fn closed(&mut self, state: &mut Self::State, way: &Way, time: i64);
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

/// A stretch of a stream that is read in order.
struct Island<S> {
    start: u64,
    next: u64,
    state: S,
}

struct Connection<S> {
    way: Way,
    /// A sequence number, and the place in the stream that it stands for.
    seq: u32,
    place: u64,
    /// Place of the first octet, from the SYN.
    first: Option<u64>,
    islands: Vec<Island<S>>,
    /// Octets that wait for those before them.
    pieces: Pieces,
    wanted: bool,
    hole_since: Option<i64>,
    last_seen: i64,
    /// Octets of unknown context so far.
    searched: usize,
    /// Segments that could not be kept.
    dropped: u64,
    /// Place behind the last octet, from a FIN or RST, until it is reached.
    last: Option<u64>,
    /// It was reached.
    closed: bool,
    /// Memory that was counted for it.
    counted: usize,
    /// The connection before this one on the same addresses.
    previous: Option<Box<Connection<S>>>,
}

impl<S> Connection<S> {
    fn new(way: Way, seq: u32, syn: bool, time: i64) -> Self {
        let place = 1 << 40;
        Self {
            way,
            seq,
            place,
            first: syn.then_some(place),
            islands: Vec::new(),
            pieces: Pieces::default(),
            wanted: true,
            hole_since: None,
            last_seen: time,
            searched: 0,
            dropped: 0,
            last: None,
            closed: false,
            counted: 0,
            previous: None,
        }
    }

    /// Distance of a sequence number from the newest octets.
    fn jump(&self, seq: u32) -> i64 {
        i64::from(seq.wrapping_sub(self.seq) as i32)
    }

    fn place_of(&self, seq: u32) -> u64 {
        self.place.saturating_add_signed(self.jump(seq))
    }

    /// Counts the memory that it takes now, and the one before it.
    fn count(&mut self, kept: &mut usize) {
        // An entry of the table is used to half, on average.
        let entry = 2 * size_of::<(Key, Box<Self>)>();
        let own = entry + size_of::<Self>() + self.islands.capacity() * size_of::<Island<S>>();
        *kept = (*kept + own).saturating_sub(self.counted);
        self.counted = own;
    }

    /// Memory that was counted for it and the one before it.
    fn counted(&self) -> usize {
        self.counted + self.previous.as_ref().map_or(0, |p| p.counted())
    }

    /// True when nothing is lost with it.
    fn is_useless(&self) -> bool {
        let untouched = || self.islands.iter().all(|i| i.next == i.start);
        let useless = !self.wanted || self.closed || untouched();
        useless && self.pieces.is_empty() && self.previous.as_ref().is_none_or(|p| p.is_useless())
    }

    fn add_island(&mut self, index: usize, start: u64)
    where
        S: Default,
    {
        // Nearly all have one, which would make room for four.
        if self.islands.is_empty() {
            self.islands.reserve_exact(1);
        }
        let island = Island {
            start,
            next: start,
            state: S::default(),
        };
        self.islands.insert(index, island);
    }

    /// True when a segment can be part of this connection.
    fn takes(&self, seq: u32, syn: bool) -> bool {
        if self.jump(seq).abs() > MAX_JUMP {
            return false;
        }
        match self.first {
            Some(first) => !syn || self.place_of(seq) == first,
            // A late SYN stands before everything that was seen.
            None if syn => {
                let at = self.place_of(seq);
                self.islands.first().is_none_or(|i| at <= i.start)
                    && self.pieces.first().is_none_or(|p| at <= p)
            }
            None => true,
        }
    }
}

/// All streams of a capture.
pub struct TcpStreams<S: StreamSink> {
    open: HashMap<Key, Box<Connection<S::State>>>,
    holes: VecDeque<(i64, Key)>,
    /// Holes from which on closed ones are dropped.
    holes_sweep_at: usize,
    held: usize,
    /// Memory for the directions themselves.
    kept: usize,
    last_sweep: i64,
    /// Connections from which on unused ones are forgotten.
    sweep_at: usize,
    /// Segments of streams of unknown start that could not be kept.
    pub dropped: u64,
    /// Holes given up.
    pub gaps: u64,
    /// Of those, given up because too many octets waited.
    pub gaps_by_limit: u64,
    /// Directions in use that were forgotten because there were too many.
    pub forgotten: u64,
}

impl<S: StreamSink> Default for TcpStreams<S> {
    fn default() -> Self {
        Self {
            open: HashMap::new(),
            holes: VecDeque::new(),
            holes_sweep_at: HOLES_SWEEP_FROM,
            held: 0,
            kept: 0,
            last_sweep: i64::MIN,
            sweep_at: SWEEP_FROM,
            dropped: 0,
            gaps: 0,
            gaps_by_limit: 0,
            forgotten: 0,
        }
    }
}

impl<S: StreamSink> TcpStreams<S> {
    /// Takes one segment. `extent` tells where its octets lie.
    pub fn push(&mut self, sink: &mut S, way: Way, seg: TcpSegment<'_>, extent: Extent, time: i64) {
        let key = (way.addressing.src, way.addressing.dst, way.addressing.realm);
        let syn = seg.flags & TCP_SYN != 0;
        if seg.data.is_empty() && !syn {
            self.note_end(sink, key, &seg, time);
            return;
        }
        let seq = seg.seq.wrapping_add(u32::from(syn));
        let newest = self
            .open
            .entry(key)
            .or_insert_with(|| Box::new(Connection::new(way, seq, syn, time)));
        let belongs = newest.takes(seq, syn);
        let conn = if !belongs && newest.previous.as_ref().is_some_and(|p| p.takes(seq, syn)) {
            match newest.previous.as_deref_mut() {
                Some(previous) => previous,
                None => return,
            }
        } else {
            if !belongs {
                let fresh = Box::new(Connection::new(way, seq, syn, time));
                let mut old = std::mem::replace(newest, fresh);
                if let Some(mut oldest) = old.previous.take() {
                    self.kept = self.kept.saturating_sub(oldest.counted());
                    close(sink, &mut oldest, time, &mut self.held, &mut self.gaps);
                }
                newest.previous = Some(old);
            }
            newest
        };
        conn.way = way;
        conn.last_seen = time;
        let before = conn.pieces.cost();
        if syn && conn.first.is_none() {
            conn.first = Some(conn.place_of(seq));
            // What waited for its beginning has it now.
            enter_at_syn(sink, conn, time);
        }
        if !seg.data.is_empty() {
            take(sink, conn, seq, seg.data, extent, time);
        }
        if seg.flags & TCP_FIN != 0 {
            conn.last = Some(conn.place_of(seq.wrapping_add(seg.sent)));
        }
        tell_end(sink, conn, time);
        conn.count(&mut self.kept);
        self.dropped += std::mem::take(&mut conn.dropped);
        let cost = conn.pieces.cost();
        self.held = (self.held + cost).saturating_sub(before);
        if conn.pieces.is_empty() {
            conn.hole_since = None;
        } else if conn.hole_since.is_none() {
            conn.hole_since = Some(time);
            self.holes.push_back((time, key));
        }
        if cost > MAX_DIRECTION_OCTETS {
            self.gaps_by_limit += 1;
            flush(sink, conn, time, &mut self.held, &mut self.gaps);
        }
        while self.held > MAX_HELD_OCTETS {
            let Some((since, key)) = self.holes.pop_front() else {
                break;
            };
            self.gaps_by_limit += u64::from(self.give_up(sink, key, since, time));
        }
        self.sweep_holes();
        if self.kept > MAX_KEPT_OCTETS {
            self.forget_unused(sink, time);
        }
    }

    /// A segment without octets may close its direction.
    fn note_end(&mut self, sink: &mut S, key: Key, seg: &TcpSegment<'_>, time: i64) {
        if seg.flags & (TCP_FIN | TCP_RST) == 0 {
            return;
        }
        let Some(newest) = self.open.get_mut(&key) else {
            return;
        };
        let conn = if newest.takes(seg.seq, false) {
            newest
        } else {
            match newest.previous.as_deref_mut() {
                Some(previous) if previous.takes(seg.seq, false) => previous,
                _ => return,
            }
        };
        conn.last = Some(conn.place_of(seg.seq));
        tell_end(sink, conn, time);
    }

    /// Drops the notes of holes that were filled, when there may be many of them.
    fn sweep_holes(&mut self) {
        if self.holes.len() < self.holes_sweep_at {
            return;
        }
        let open = &self.open;
        self.holes.retain(|(since, key)| {
            let mut at = open.get(key).map(Box::as_ref);
            while let Some(conn) = at {
                if conn.hole_since == Some(*since) {
                    return true;
                }
                at = conn.previous.as_deref();
            }
            false
        });
        self.holes_sweep_at = (self.holes.len() * 2).max(HOLES_SWEEP_FROM);
    }

    /// Too many directions are open: forgets those of no use, then the longest unused ones.
    fn forget_unused(&mut self, sink: &mut S, now: i64) {
        let mut order: Vec<(bool, i64, Key)> = self
            .open
            .iter()
            .map(|(key, conn)| (!conn.is_useless(), conn.last_seen, *key))
            .collect();
        order.sort_unstable();
        for (used, _, key) in order {
            if self.kept <= KEPT_AFTER {
                return;
            }
            self.forgotten += u64::from(used);
            self.close(sink, key, now);
        }
    }

    /// Ends what is open on these addresses.
    fn close(&mut self, sink: &mut S, key: Key, time: i64) {
        let Some(mut conn) = self.open.remove(&key) else {
            return;
        };
        self.kept = self.kept.saturating_sub(conn.counted());
        if let Some(mut previous) = conn.previous.take() {
            close(sink, &mut previous, time, &mut self.held, &mut self.gaps);
        }
        close(sink, &mut conn, time, &mut self.held, &mut self.gaps);
    }

    /// Gives up the hole at `key` that has been open since `since`; false if it is closed.
    fn give_up(&mut self, sink: &mut S, key: Key, since: i64, now: i64) -> bool {
        let Some(newest) = self.open.get_mut(&key) else {
            return false;
        };
        let mut at = Some(newest.as_mut());
        while let Some(conn) = at {
            if conn.hole_since == Some(since) {
                flush(sink, conn, now, &mut self.held, &mut self.gaps);
                return true;
            }
            at = conn.previous.as_deref_mut();
        }
        false
    }

    /// Since when the oldest hole has been open.
    pub fn oldest_hole(&mut self) -> Option<i64> {
        while let Some((since, key)) = self.holes.front() {
            let mut at = self.open.get(key).map(Box::as_ref);
            while let Some(conn) = at {
                if conn.hole_since == Some(*since) {
                    return Some(*since);
                }
                at = conn.previous.as_deref();
            }
            self.holes.pop_front();
        }
        None
    }

    /// Gives up holes that are too old at capture time `now`; call it in the order of the packets.
    pub fn expire(&mut self, sink: &mut S, now: i64) {
        while let Some((since, key)) = self.holes.front().copied() {
            if now.saturating_sub(since) <= MAX_HOLE_AGE_NANOS {
                break;
            }
            self.holes.pop_front();
            self.give_up(sink, key, since, now);
        }
        // Only when it is worth the walk, so that the work stays linear in the connections.
        let due = now.saturating_sub(self.last_sweep) > IDLE_NANOS;
        if due && self.open.len() >= self.sweep_at {
            self.last_sweep = now;
            let idle = |conn: &Connection<S::State>| {
                now.saturating_sub(conn.last_seen) >= IDLE_NANOS && conn.is_useless()
            };
            let open = self.open.iter().filter(|(_, conn)| idle(conn));
            let mut keys: Vec<Key> = open.map(|(key, _)| *key).collect();
            keys.sort_unstable();
            for key in keys {
                self.close(sink, key, now);
            }
            self.sweep_at = (self.open.len() * 2).max(SWEEP_FROM);
        }
    }

    /// The capture has ended: gives up every hole and ends every stream, in a stable order.
    pub fn finish(&mut self, sink: &mut S, time: i64) {
        let mut keys: Vec<Key> = self.open.keys().copied().collect();
        keys.sort();
        for key in keys {
            self.close(sink, key, time);
        }
        self.holes.clear();
    }
}

/// Ends a connection.
fn close<S: StreamSink>(
    sink: &mut S,
    conn: &mut Connection<S::State>,
    time: i64,
    held: &mut usize,
    gaps: &mut u64,
) {
    flush(sink, conn, time, held, gaps);
    for island in &mut conn.islands {
        sink.end(&mut island.state, &conn.way, time);
    }
    conn.islands.clear();
}

/// Goes on behind the holes of a connection.
fn flush<S: StreamSink>(
    sink: &mut S,
    conn: &mut Connection<S::State>,
    time: i64,
    held: &mut usize,
    gaps: &mut u64,
) {
    *held = held.saturating_sub(conn.pieces.cost());
    while let Some(at) = conn.pieces.first() {
        let Some(index) = island_before(&conn.islands, at) else {
            // Stands before everything that could be entered: of no use.
            conn.pieces.take_at(at);
            continue;
        };
        let Some(island) = conn.islands.get_mut(index) else {
            break;
        };
        if at > island.next {
            *gaps += 1;
            sink.gap(&mut island.state, &conn.way, time);
            island.next = at;
        }
        drain(sink, conn, index, time);
        if conn.pieces.first() == Some(at) {
            // Delivered already, on another island.
            conn.pieces.take_at(at);
        }
    }
    conn.pieces.clear();
    conn.hole_since = None;
    tell_end(sink, conn, time);
}

/// Says when all octets of a closed stream were given out.
fn tell_end<S: StreamSink>(sink: &mut S, conn: &mut Connection<S::State>, time: i64) {
    let (Some(last), Some(island)) = (conn.last, conn.islands.last_mut()) else {
        return;
    };
    if island.next >= last {
        conn.last = None;
        conn.closed = true;
        sink.closed(&mut island.state, &conn.way, time);
    }
}

/// The island that a place belongs to.
fn island_before<S>(islands: &[Island<S>], place: u64) -> Option<usize> {
    islands.partition_point(|i| i.start <= place).checked_sub(1)
}

fn take<S: StreamSink>(
    sink: &mut S,
    conn: &mut Connection<S::State>,
    seq: u32,
    data: &[u8],
    extent: Extent,
    time: i64,
) {
    let mut place = conn.place_of(seq);
    if place > conn.place {
        (conn.place, conn.seq) = (place, seq);
    }
    if !conn.wanted {
        // Somebody may begin to speak SIP later, or a proxy header came first.
        if !sink.starts(data) {
            return;
        }
        conn.wanted = true;
        conn.islands = vec![Island {
            start: place,
            next: place,
            state: S::State::default(),
        }];
    }
    let mut data = data;
    let mut extent = extent;
    while !data.is_empty() && conn.wanted {
        let index = island_before(&conn.islands, place);
        let next = index.map_or(0, |i| i + 1);
        let limit = conn.islands.get(next).map_or(u64::MAX, |i| i.start);
        let room = usize::try_from(limit - place)
            .unwrap_or(usize::MAX)
            .min(data.len());
        let (part, rest) = data.split_at(room);
        let here = extent.part(0, part.len());
        match index {
            Some(index) => continue_island(sink, conn, index, (place, part), here, time),
            None => enter(sink, conn, (place, part), here, time),
        }
        place += part.len() as u64;
        extent = extent.part(part.len(), rest.len());
        data = rest;
    }
}

fn continue_island<S: StreamSink>(
    sink: &mut S,
    conn: &mut Connection<S::State>,
    index: usize,
    (place, data): (u64, &[u8]),
    extent: Extent,
    time: i64,
) {
    let Some(island) = conn.islands.get(index) else {
        return;
    };
    if place > island.next {
        conn.pieces.insert(place, data, extent);
        return;
    }
    let skip = usize::try_from(island.next - place).unwrap_or(usize::MAX);
    let Some(rest) = data.get(skip..).filter(|r| !r.is_empty()) else {
        return;
    };
    deliver(sink, conn, index, rest, extent.part(skip, rest.len()), time);
    drain(sink, conn, index, time);
}

/// Octets before any place where the stream was entered.
fn enter<S: StreamSink>(
    sink: &mut S,
    conn: &mut Connection<S::State>,
    (place, data): (u64, &[u8]),
    extent: Extent,
    time: i64,
) {
    if let Some(first) = conn.first {
        if place < first {
            return;
        }
        conn.pieces.insert(place, data, extent);
        enter_at_syn(sink, conn, time);
        return;
    }
    // The beginning may stand in octets that have waited for these.
    let (from, mut text) = conn.pieces.run_before(place, MAX_START);
    text.extend_from_slice(data);
    // A short piece may be the beginning of those that have come before it.
    if text.len() < MAX_START {
        conn.pieces
            .run_after(place + data.len() as u64, MAX_START, &mut text);
    }
    let found = if sink.starts(&text) {
        Some(0)
    } else {
        sink.find_start(&text)
    };
    if let Some(at) = found.filter(|_| conn.islands.len() < MAX_ISLANDS) {
        conn.pieces.insert(place, data, extent);
        let start = from + at as u64;
        let index = conn.islands.partition_point(|i| i.start <= start);
        conn.add_island(index, start);
        drain(sink, conn, index, time);
        return;
    }
    conn.searched += data.len();
    // Text in any encoding: control characters tell binary data apart.
    let odd = |b: &&u8| matches!(b, 0..=8 | 11 | 12 | 14..=31 | 127);
    let odd = data.iter().take(64).filter(odd).count();
    let unused = conn.islands.is_empty()
        && (conn.searched > MAX_UNSYNCED_OCTETS || odd * 8 > data.len().min(64));
    if unused {
        conn.wanted = false;
        conn.pieces.clear();
    } else if conn.searched <= MAX_UNSYNCED_OCTETS {
        conn.pieces.insert(place, data, extent);
    } else {
        conn.dropped += 1;
    }
}

/// The first octet is known: the stream is read from there.
fn enter_at_syn<S: StreamSink>(sink: &mut S, conn: &mut Connection<S::State>, time: i64) {
    let Some(first) = conn.first else { return };
    if conn.islands.first().is_none_or(|i| i.start > first) {
        conn.add_island(0, first);
    }
    drain(sink, conn, 0, time);
}

fn deliver<S: StreamSink>(
    sink: &mut S,
    conn: &mut Connection<S::State>,
    index: usize,
    data: &[u8],
    extent: Extent,
    time: i64,
) {
    let Some(island) = conn.islands.get_mut(index) else {
        return;
    };
    island.next += data.len() as u64;
    let verdict = sink.data(&mut island.state, &conn.way, data, extent, time);
    if verdict == Verdict::Unwanted {
        conn.wanted = false;
        conn.islands = Vec::new();
        conn.pieces.clear();
    }
}

/// Delivers what has waited for the octets before it.
fn drain<S: StreamSink>(sink: &mut S, conn: &mut Connection<S::State>, index: usize, time: i64) {
    loop {
        let Some(island) = conn.islands.get(index) else {
            return;
        };
        let next = island.next;
        // What was delivered by another way need not wait any longer.
        conn.pieces.discard(island.start, next);
        let limit = conn.islands.get(index + 1).map_or(u64::MAX, |i| i.start);
        if next >= limit || conn.pieces.first().is_none_or(|at| at > next) {
            return;
        }
        // Older pieces belong to islands before this one.
        let Some((data, extent)) = conn.pieces.take_covering(next) else {
            return;
        };
        let room = usize::try_from(limit - next)
            .unwrap_or(usize::MAX)
            .min(data.len());
        let data = data.get(..room).unwrap_or_default();
        deliver(sink, conn, index, data, extent.part(0, room), time);
    }
}
