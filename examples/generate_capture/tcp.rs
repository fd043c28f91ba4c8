//! TCP connections: handshakes, segments cut anywhere, in any order, repeated and overlapping, and a
//! model of the receiver that says in which frame each message is whole.

use crate::rng::Rng;
use crate::truth::Truth;
use crate::wire::{Capture, Route, TcpFields, Vlan, Written};
use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;

/// FIN, SYN, PSH and ACK flags.
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const PSH: u8 = 8;
const ACK: u8 = 16;
/// Octets in a segment, before overlaps.
const MSS: usize = 1360;
/// How long the segments of one batch take at most, nanoseconds.
const BATCH: u64 = 1_500_000;

/// The message in a stream: the slot of its call, the step.
pub type Mark = (usize, u32);

/// One direction of a connection.
#[derive(Default)]
struct Direction {
    /// Sequence number of the first octet of the batch.
    seq: u32,
    /// Written by the application, not yet sent.
    pending: Vec<u8>,
    pending_marks: Vec<(usize, Mark)>,
    /// Being sent.
    batch: Vec<u8>,
    marks: VecDeque<(usize, Mark)>,
    /// Received out of order: ranges of the batch.
    islands: Vec<(usize, usize)>,
    /// Received without a hole, from the start of the batch.
    contiguous: usize,
    /// Its SYN is not in the capture: the first batch stays in order, or nobody could tell where the
    /// stream begins.
    unannounced: bool,
}

/// A frame of the near future.
enum Planned {
    Data {
        direction: usize,
        start: usize,
        end: usize,
    },
    Control {
        direction: usize,
        flags: u8,
    },
}

/// A connection between two nodes, opened again (same addresses, other sequence numbers) when needed.
struct Connection {
    /// Addresses and ports, the opening side first.
    ends: [SocketAddr; 2],
    vlan: Vlan,
    open: bool,
    used: bool,
    busy: bool,
    closing: bool,
    directions: [Direction; 2],
    planned: VecDeque<(u64, Planned)>,
}

/// Address pairs of connections, so that no two living ones share theirs.
#[derive(Default)]
struct Pairs {
    living: HashSet<[SocketAddr; 2]>,
    seen: HashSet<[SocketAddr; 2]>,
}

impl Pairs {
    /// Takes this pair, or one with another port of the opening side.
    fn take(&mut self, mut ends: [SocketAddr; 2], rng: &mut Rng) -> [SocketAddr; 2] {
        while !self.living.insert(ends) {
            ends[0].set_port(rng.range(32_768, 60_999) as u16);
        }
        ends
    }
}

/// All connections of the run.
pub struct Connections {
    list: Vec<Option<Connection>>,
    free: Vec<usize>,
    trunks: HashMap<(SocketAddr, SocketAddr, u64), usize>,
    pairs: Pairs,
    /// Every batch is out of order.
    harsh: bool,
}

impl Connections {
    /// None yet; `harsh` puts every batch out of order.
    pub fn new(harsh: bool) -> Self {
        Self {
            list: Vec::new(),
            free: Vec::new(),
            trunks: HashMap::new(),
            pairs: Pairs::default(),
            harsh,
        }
    }

    /// A connection of one call.
    pub fn own(&mut self, from: SocketAddr, to: SocketAddr, vlan: Vlan, rng: &mut Rng) -> usize {
        let mut ends = [from, to];
        // Most devices call from some port; a few from the one they listen on.
        if rng.chance(800) {
            ends[0].set_port(rng.range(32_768, 60_999) as u16);
        }
        let ends = self.pairs.take(ends, rng);
        let connection = Connection {
            ends,
            vlan,
            open: false,
            used: false,
            busy: false,
            closing: false,
            directions: Default::default(),
            planned: VecDeque::new(),
        };
        match self.free.pop() {
            Some(slot) => {
                self.list[slot] = Some(connection);
                slot
            }
            None => {
                self.list.push(Some(connection));
                self.list.len() - 1
            }
        }
    }

    /// One of the lasting connections between two proxies.
    pub fn trunk(&mut self, from: SocketAddr, to: SocketAddr, rng: &mut Rng) -> usize {
        let key = (from, to, rng.below(4));
        if let Some(slot) = self.trunks.get(&key) {
            return *slot;
        }
        let slot = self.own(from, to, Vlan::default(), rng);
        self.trunks.insert(key, slot);
        slot
    }

    /// Appends a message to a stream. True when the connection was idle: [`Self::run`] is due soon.
    pub fn write(&mut self, slot: usize, flipped: bool, bytes: &[u8], mark: Mark) -> bool {
        let Some(Some(connection)) = self.list.get_mut(slot) else {
            return false;
        };
        let direction = &mut connection.directions[usize::from(flipped)];
        direction.pending.extend_from_slice(bytes);
        direction
            .pending_marks
            .push((direction.pending.len(), mark));
        !std::mem::replace(&mut connection.busy, true)
    }

    /// Closes a connection of a call that is over. True when [`Self::run`] is due.
    pub fn close(&mut self, slot: usize) -> bool {
        let Some(Some(connection)) = self.list.get_mut(slot) else {
            return false;
        };
        connection.closing = true;
        !std::mem::replace(&mut connection.busy, true)
    }

    /// Does what is due on a connection: sends the next frame or plans the next batch. Messages that
    /// are whole now go to `done`. Gives when it wants to be called again, `None` for not before
    /// somebody writes.
    pub fn run(
        &mut self,
        slot: usize,
        now: u64,
        rng: &mut Rng,
        capture: &mut Capture,
        truth: &mut Truth,
        done: &mut Vec<(Mark, Written)>,
    ) -> std::io::Result<Option<u64>> {
        let (harsh, pairs) = (self.harsh, &mut self.pairs);
        let Some(Some(connection)) = self.list.get_mut(slot) else {
            return Ok(None);
        };
        if let Some((_, planned)) = connection.planned.pop_front() {
            connection.emit(now, &planned, capture, done)?;
        }
        if connection.planned.is_empty() {
            connection.end_batch();
            let idle = connection.directions.iter().all(|d| d.pending.is_empty());
            if !idle {
                connection.plan(now, harsh, pairs, rng, truth);
            } else if connection.closing {
                if !connection.open {
                    pairs.living.remove(&connection.ends);
                    self.list[slot] = None;
                    self.free.push(slot);
                    return Ok(None);
                }
                connection.plan_close(now, rng);
            } else if connection.open && rng.chance(6) {
                connection.plan_close(now + 50_000, rng);
            }
        }
        match connection.planned.front() {
            Some((at, _)) => Ok(Some(*at)),
            None => {
                connection.busy = false;
                Ok(None)
            }
        }
    }
}

impl Connection {
    fn emit(
        &mut self,
        now: u64,
        planned: &Planned,
        capture: &mut Capture,
        done: &mut Vec<(Mark, Written)>,
    ) -> std::io::Result<()> {
        let direction = match planned {
            Planned::Data { direction, .. } | Planned::Control { direction, .. } => *direction,
        };
        let route = Route {
            src: self.ends[direction],
            dst: self.ends[1 - direction],
            vlan: self.vlan,
        };
        let other = &self.directions[1 - direction];
        let acked = other.seq.wrapping_add(other.contiguous as u32);
        let own = &mut self.directions[direction];
        match planned {
            Planned::Control { flags, .. } => {
                let seq = own.seq.wrapping_add(own.contiguous as u32);
                let ack = if flags & ACK == 0 { 0 } else { acked };
                capture.tcp(
                    now,
                    &route,
                    TcpFields {
                        seq,
                        ack,
                        flags: *flags,
                    },
                    &[],
                )?;
                if flags & (SYN | FIN) != 0 {
                    own.seq = own.seq.wrapping_add(1);
                }
            }
            Planned::Data { start, end, .. } => {
                let seq = own.seq.wrapping_add(*start as u32);
                let fields = TcpFields {
                    seq,
                    ack: acked,
                    flags: PSH | ACK,
                };
                let written = capture.tcp(now, &route, fields, &own.batch[*start..*end])?;
                own.receive(*start, *end);
                while let Some((end, mark)) = own.marks.front().copied() {
                    if end > own.contiguous {
                        break;
                    }
                    done.push((mark, written));
                    own.marks.pop_front();
                }
            }
        }
        Ok(())
    }

    fn end_batch(&mut self) {
        for direction in &mut self.directions {
            direction.seq = direction.seq.wrapping_add(direction.batch.len() as u32);
            direction.batch.clear();
            direction.islands.clear();
            direction.contiguous = 0;
        }
    }

    fn plan(&mut self, now: u64, harsh: bool, pairs: &mut Pairs, rng: &mut Rng, truth: &mut Truth) {
        let mut at = now;
        if !self.open {
            truth.tcp_connections += 1;
            if self.used && rng.chance(500) {
                pairs.living.remove(&self.ends);
                self.ends[0].set_port(rng.range(32_768, 60_999) as u16);
                self.ends = pairs.take(self.ends, rng);
            }
            let fresh = pairs.seen.insert(self.ends);
            for direction in &mut self.directions {
                direction.seq = rng.bits() as u32;
            }
            // A few connections were there before the capture began.
            let unannounced = fresh && rng.chance(50);
            for direction in &mut self.directions {
                direction.unannounced = unannounced;
            }
            if !unannounced {
                for (direction, flags) in [(0, SYN), (1, SYN | ACK), (0, ACK)] {
                    self.planned
                        .push_back((at, Planned::Control { direction, flags }));
                    at += 120_000;
                }
            }
            (self.open, self.used) = (true, true);
        }
        let ping = rng.chance(40);
        let mut frames: Vec<(u64, Planned)> = Vec::new();
        for direction in 0..2 {
            let d = &mut self.directions[direction];
            if ping {
                let (text, count): (&[u8], _) = match direction {
                    0 => (b"\r\n\r\n", &mut truth.tcp_pings),
                    _ => (b"\r\n", &mut truth.tcp_pongs),
                };
                d.batch.extend_from_slice(text);
                *count += 1;
            }
            let before = d.batch.len();
            d.batch.append(&mut d.pending);
            d.marks.extend(
                d.pending_marks
                    .drain(..)
                    .map(|(end, mark)| (end + before, mark)),
            );
            if d.batch.is_empty() {
                continue;
            }
            let pieces = cut(d.batch.len(), harsh, rng);
            let pieces = if std::mem::take(&mut d.unannounced) {
                pieces
            } else {
                disturb(pieces, d.batch.len(), harsh, rng)
            };
            let step = BATCH / (pieces.len() as u64 + 1);
            let offset = rng.below(step.max(1));
            frames.extend(pieces.into_iter().enumerate().map(|(n, (start, end))| {
                (
                    at + offset + n as u64 * step,
                    Planned::Data {
                        direction,
                        start,
                        end,
                    },
                )
            }));
        }
        frames.sort_by_key(|(at, _)| *at);
        let last = frames.last().map_or(at, |(at, _)| *at);
        self.planned.extend(frames);
        for direction in 0..2 {
            if !self.directions[1 - direction].batch.is_empty() && rng.chance(500) {
                let control = Planned::Control {
                    direction,
                    flags: ACK,
                };
                self.planned
                    .push_back((last + 40_000 * (direction as u64 + 1), control));
            }
        }
    }

    fn plan_close(&mut self, now: u64, rng: &mut Rng) {
        let frames: &[(usize, u8)] = if rng.chance(200) {
            &[(1, RST | ACK)]
        } else {
            &[(0, FIN | ACK), (1, FIN | ACK), (0, ACK)]
        };
        for (n, (direction, flags)) in frames.iter().enumerate() {
            let control = Planned::Control {
                direction: *direction,
                flags: *flags,
            };
            self.planned
                .push_back((now + 60_000 * (n as u64 + 1), control));
        }
        self.open = false;
    }
}

impl Direction {
    fn receive(&mut self, start: usize, end: usize) {
        self.islands.push((start, end));
        self.islands.sort_unstable();
        for (start, end) in &self.islands {
            if *start <= self.contiguous {
                self.contiguous = self.contiguous.max(*end);
            }
        }
    }
}

/// Cuts a batch into segments, anywhere.
fn cut(length: usize, harsh: bool, rng: &mut Rng) -> Vec<(usize, usize)> {
    let mut pieces = Vec::new();
    let mut start = 0;
    let small = harsh || rng.chance(150);
    while start < length {
        let rest = length - start;
        let size = if small && (rest > MSS || rng.chance(700)) {
            1 + rng.below(rest.min(MSS) as u64) as usize
        } else {
            rest.min(MSS)
        };
        // Tiny segments happen, but not hundreds of them.
        let size = if pieces.len() > 30 {
            rest.min(MSS)
        } else {
            size
        };
        pieces.push((start, start + size));
        start += size;
    }
    if harsh && pieces.len() == 1 && length > 1 {
        let at = 1 + rng.below(length as u64 - 1) as usize;
        pieces = vec![(0, at), (at, length)];
    }
    pieces
}

/// Puts segments out of order, repeats some, makes some overlap.
fn disturb(
    mut pieces: Vec<(usize, usize)>,
    length: usize,
    harsh: bool,
    rng: &mut Rng,
) -> Vec<(usize, usize)> {
    if !harsh && !rng.chance(120) {
        return pieces;
    }
    for piece in &mut pieces {
        if rng.chance(150) {
            piece.0 = piece.0.saturating_sub(rng.range(1, 40) as usize);
        }
        if rng.chance(100) {
            piece.1 = (piece.1 + rng.range(1, 40) as usize).min(length);
        }
    }
    for n in (1..pieces.len()).rev() {
        if harsh || rng.chance(400) {
            let other = rng.below(n as u64) as usize;
            pieces.swap(n, other);
        }
    }
    let repeated: Vec<_> = pieces.iter().copied().filter(|_| rng.chance(120)).collect();
    for piece in repeated {
        let at = rng.below(pieces.len() as u64 + 1) as usize;
        pieces.insert(at, piece);
    }
    pieces
}
