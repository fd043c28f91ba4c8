//! IP reassembly (RFC 791, 3.2; RFC 8200, 4.5): fragments in any order, first octets win.

use std::collections::{BTreeMap, VecDeque};
use std::hash::BuildHasher;
use std::net::IpAddr;

use hashbrown::{DefaultHashBuilder, HashMap};

use super::{Addressing, Fragment, LayerStack};
use crate::bytes::Extent;

/// Octets kept for unfinished datagrams, all together.
pub const MAX_FRAGMENT_OCTETS: usize = 16 << 20;
/// Capture time after which an unfinished datagram is dropped.
pub const MAX_FRAGMENT_AGE_NANOS: i64 = 30_000_000_000;
/// An IP payload cannot be longer.
const MAX_DATAGRAM: u64 = 65_535;
/// What a piece costs beside its octets.
const PIECE_COST: usize = 96;
/// What the first piece costs beside that: a tree has room for eleven from the start.
const FIRST_COST: usize = 800;
/// What an unfinished datagram costs beside its pieces.
const ENTRY_COST: usize = 768;
/// Whole datagrams whose fragments are remembered.
const MOST_DONE: usize = 1024;
/// Fragments of one datagram that are remembered.
const MOST_MARKS: usize = 16;
/// So many beginnings are noted without a look for datagrams that are whole.
const SWEEP_FROM: usize = 4096;

/// Octets at places, without overlap: what came first stays.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    parts: BTreeMap<u64, (Vec<u8>, Extent)>,
    octets: usize,
}

impl Pieces {
    /// Adds the octets not there yet.
    pub(super) fn insert(&mut self, start: u64, data: &[u8], extent: Extent) {
        let end = start.saturating_add(data.len() as u64);
        let mut at = start;
        // A part that begins before may reach into this range.
        if let Some((s, (d, _))) = self.parts.range(..=start).next_back() {
            at = at.max(s.saturating_add(d.len() as u64));
        }
        while at < end {
            let next = self
                .parts
                .range(at..)
                .next()
                .map(|(s, (d, _))| (*s, d.len() as u64));
            let stop = next.map_or(end, |(s, _)| s.min(end));
            if at < stop {
                let from = usize::try_from(at - start).unwrap_or(usize::MAX);
                let to = usize::try_from(stop - start).unwrap_or(usize::MAX);
                if let Some(part) = data.get(from..to) {
                    self.octets += part.len();
                    self.parts
                        .insert(at, (part.to_vec(), extent.part(from, part.len())));
                }
            }
            match next {
                Some((s, len)) if s < end => at = s.saturating_add(len),
                _ => break,
            }
        }
    }

    /// Takes the part that covers `at`, without what lies before it.
    pub(super) fn take_at(&mut self, at: u64) -> Option<(Vec<u8>, Extent)> {
        loop {
            let (&start, (data, _)) = self.parts.iter().next()?;
            let end = start.saturating_add(data.len() as u64);
            if start > at {
                return None;
            }
            let (mut data, mut extent) = self.parts.remove(&start)?;
            self.octets = self.octets.saturating_sub(data.len());
            if end <= at {
                continue;
            }
            let skip = usize::try_from(at - start).unwrap_or(usize::MAX);
            if skip > 0 {
                data.drain(..skip.min(data.len()));
                extent = extent.part(skip, data.len());
            }
            return Some((data, extent));
        }
    }

    /// Takes the octets from `at` to the end of the part that covers it; those before stay.
    pub(super) fn take_covering(&mut self, at: u64) -> Option<(Vec<u8>, Extent)> {
        let (&start, (data, extent)) = self.parts.range_mut(..=at).next_back()?;
        let skip = usize::try_from(at - start)
            .ok()
            .filter(|skip| *skip < data.len())?;
        let tail = data.split_off(skip);
        let place = extent.part(skip, tail.len());
        *extent = extent.part(0, skip);
        self.octets = self.octets.saturating_sub(tail.len());
        if skip == 0 {
            self.parts.remove(&start);
        }
        Some((tail, place))
    }

    /// Drops the parts that begin in a range, and of the last one what lies in it.
    pub(super) fn discard(&mut self, from: u64, to: u64) {
        while let Some((&start, (data, extent))) = self.parts.range_mut(from..to).next() {
            let end = start.saturating_add(data.len() as u64);
            let keep = (end > to).then(|| {
                let tail = data.split_off(usize::try_from(to - start).unwrap_or(0));
                let place = extent.part(data.len(), tail.len());
                (tail, place)
            });
            self.octets = self.octets.saturating_sub(data.len());
            self.parts.remove(&start);
            if let Some(keep) = keep {
                self.parts.insert(to, keep);
            }
        }
    }

    /// The octets right before `place`, at most `most` of them, and where they start.
    pub(super) fn run_before(&self, place: u64, most: usize) -> (u64, Vec<u8>) {
        let mut start = place;
        let mut parts = Vec::new();
        let mut len = 0;
        for (at, (data, _)) in self.parts.range(..place).rev() {
            if at.saturating_add(data.len() as u64) != start || len + data.len() > most {
                break;
            }
            len += data.len();
            start = *at;
            parts.push(data);
        }
        (start, parts.into_iter().rev().flatten().copied().collect())
    }

    /// Appends octets from `place` on, until there is a hole or `most` of them.
    pub(super) fn run_after(&self, place: u64, most: usize, out: &mut Vec<u8>) {
        let mut next = place;
        let end = out.len() + most;
        for (at, (data, _)) in self.parts.range(place..) {
            if *at != next || out.len() >= end {
                return;
            }
            let room = end - out.len();
            out.extend_from_slice(data.get(..room).unwrap_or(data));
            next = at.saturating_add(data.len() as u64);
        }
    }

    pub(super) fn first(&self) -> Option<u64> {
        self.parts.keys().next().copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.parts.clear();
        self.octets = 0;
    }

    /// Octets held, bookkeeping included.
    pub(super) fn cost(&self) -> usize {
        match self.parts.len() {
            0 => 0,
            parts => self.octets + FIRST_COST + parts * PIECE_COST,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    src: IpAddr,
    dst: IpAddr,
    id: u32,
    protocol: u8,
    realm: u32,
}

#[derive(Default)]
struct Unfinished {
    pieces: Pieces,
    total: Option<u64>,
    since: i64,
    cut: bool,
    /// Offset and hash of each fragment, as long as there are few of them.
    seen: Vec<Mark>,
}

/// A fragment, told apart from others of its datagram.
type Mark = (u32, u64);

/// Fragments of datagrams that were whole lately.
#[derive(Default)]
struct Done {
    marks: HashMap<Key, Vec<Mark>>,
    order: VecDeque<Key>,
}

impl Done {
    fn add(&mut self, key: Key, marks: Vec<Mark>) {
        if self.marks.insert(key, marks).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > MOST_DONE
            && let Some(oldest) = self.order.pop_front()
        {
            self.marks.remove(&oldest);
        }
    }

    /// True when all these fragments were in the datagram that was whole before: where the capture
    /// has every packet twice, the second half of a datagram comes again behind it.
    fn had(&self, key: &Key, marks: &[Mark]) -> bool {
        let known = self.marks.get(key);
        (1..=MOST_MARKS).contains(&marks.len())
            && known.is_some_and(|known| marks.iter().all(|mark| known.contains(mark)))
    }
}

/// A datagram put together.
#[derive(Debug)]
pub struct Datagram {
    /// IP protocol number.
    pub protocol: u8,
    /// The whole payload.
    pub data: Vec<u8>,
    /// Where its octets lie.
    pub extents: Vec<Extent>,
    /// Layers up to IP.
    pub layers: LayerStack,
    /// Addresses; ports are still unknown.
    pub addressing: Addressing,
    /// A fragment was cut by the snap length; what follows it is missing.
    pub cut: bool,
}

/// Collects fragments.
#[derive(Default)]
pub struct IpFragments {
    open: HashMap<Key, Unfinished>,
    order: VecDeque<(i64, Key)>,
    cost: usize,
    done: Done,
    hasher: DefaultHashBuilder,
    sweep_at: usize,
    /// Datagrams given up because they stayed incomplete for too long or too much was open.
    pub dropped: u64,
}

impl IpFragments {
    /// Adds a fragment; gives the datagram when it is complete.
    pub fn push(
        &mut self,
        addressing: Addressing,
        layers: LayerStack,
        fragment: Fragment<'_>,
        extent: Extent,
        time: i64,
    ) -> Option<Datagram> {
        self.expire(time);
        let end = u64::from(fragment.offset) + fragment.data.len() as u64;
        if end > MAX_DATAGRAM {
            self.dropped += 1;
            return None;
        }
        let key = Key {
            src: addressing.src.ip,
            dst: addressing.dst.ip,
            id: fragment.id,
            protocol: fragment.protocol,
            realm: addressing.realm,
        };
        let entry = self.open.entry(key).or_insert_with(|| {
            self.order.push_back((time, key));
            self.cost += ENTRY_COST;
            Unfinished {
                since: time,
                ..Unfinished::default()
            }
        });
        let before = entry.pieces.cost();
        let room = entry.total.unwrap_or(MAX_DATAGRAM);
        let room = room.saturating_sub(u64::from(fragment.offset));
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let data = fragment.data.get(..room).unwrap_or(fragment.data);
        entry
            .pieces
            .insert(u64::from(fragment.offset), data, extent);
        entry.cut |= fragment.cut;
        let mark = (fragment.offset, self.hasher.hash_one(fragment.data));
        if entry.seen.len() <= MOST_MARKS {
            entry.seen.push(mark);
        }
        if !fragment.more && entry.total.is_none() {
            entry.total = Some(end);
            // What claims to lie behind the end fills no hole before it.
            entry.pieces.discard(end, u64::MAX);
        }
        self.cost = (self.cost + entry.pieces.cost()).saturating_sub(before);
        let done = entry
            .total
            .is_some_and(|total| entry.pieces.octets as u64 >= total);
        // With a fragment cut by the snap length the whole never comes: give what leads up to it.
        let done = done || (entry.cut && entry.total.is_some());
        if !done {
            while self.cost > MAX_FRAGMENT_OCTETS {
                let (since, oldest) = self.order.pop_front()?;
                self.drop_begun(since, &oldest);
            }
            self.sweep();
            return None;
        }
        let mut entry = self.remove(&key, false)?;
        self.sweep();
        let seen = std::mem::take(&mut entry.seen);
        self.done.add(key, seen);
        let mut data = Vec::new();
        let mut extents = Vec::new();
        while let Some((part, extent)) = entry.pieces.take_at(data.len() as u64) {
            data.extend_from_slice(&part);
            extents.push(extent);
        }
        let protocol = fragment.protocol;
        Some(Datagram {
            protocol,
            data,
            extents,
            layers,
            addressing,
            cut: entry.cut,
        })
    }

    /// Drops what has been open for too long at capture time `now`.
    pub fn expire(&mut self, now: i64) {
        while let Some((since, key)) = self.order.front().copied() {
            if now.saturating_sub(since) <= MAX_FRAGMENT_AGE_NANOS {
                break;
            }
            self.order.pop_front();
            self.drop_begun(since, &key);
        }
    }

    /// Drops a datagram that began then, unless it was whole meanwhile.
    fn drop_begun(&mut self, since: i64, key: &Key) {
        if self.open.get(key).is_some_and(|e| e.since == since) {
            self.remove(key, true);
        }
    }

    /// Drops the notes on datagrams that are whole, when there may be many of them.
    fn sweep(&mut self) {
        if self.order.len() < self.sweep_at.max(SWEEP_FROM) {
            return;
        }
        let open = &self.open;
        self.order
            .retain(|(since, key)| open.get(key).is_some_and(|e| e.since == *since));
        self.sweep_at = self.order.len() * 2;
    }

    /// Datagrams that are still open.
    pub fn unfinished(&self) -> usize {
        let open = self.open.iter();
        open.filter(|(key, entry)| !self.done.had(key, &entry.seen))
            .count()
    }

    fn remove(&mut self, key: &Key, dropped: bool) -> Option<Unfinished> {
        let entry = self.open.remove(key)?;
        let cost = entry.pieces.cost() + ENTRY_COST;
        self.cost = self.cost.saturating_sub(cost);
        self.dropped += u64::from(dropped && !self.done.had(key, &entry.seen));
        Some(entry)
    }
}
