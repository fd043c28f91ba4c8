//! A map that forgets: entries not touched for one to two spans of capture time are dropped.

use std::hash::{BuildHasherDefault, Hasher};

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

/// Keys are hashes already.
#[derive(Default)]
pub struct Ready(u64);

impl Hasher for Ready {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// A map whose keys are hashes.
pub type HashedMap<V> = HashMap<u64, V, BuildHasherDefault<Ready>>;

/// Entries in one half before it is put aside early, so that a flood cannot fill the memory.
const MAX_ENTRIES: usize = 4 << 20;

/// Room for so many entries is kept though nothing is in it.
const ROOM: usize = 1024;

/// Two generations of a map: what is touched moves to the young one.
///
/// It may be in parts, so that nothing that is done to all of it takes long; a part lives through what
/// time has passed when it is asked for.
pub struct TimeBound<V> {
    parts: Vec<Part<V>>,
    /// When the generations changed, the newest ones last, and how often they did.
    turns: [i64; 2],
    count: u64,
    span: i64,
    keep: fn(&V, i64) -> bool,
}

struct Part<V> {
    young: HashedMap<V>,
    old: HashedMap<V>,
    /// How often the generations had changed when it was looked at.
    seen: u64,
}

impl<V> Default for Part<V> {
    fn default() -> Self {
        Self {
            young: HashedMap::default(),
            old: HashedMap::default(),
            seen: 0,
        }
    }
}

impl<V> Part<V> {
    fn turn(&mut self, now: i64, room: usize, keep: impl Fn(&V, i64) -> bool) {
        let kept: Vec<(u64, V)> = self.old.extract_if(|_, v| keep(v, now)).collect();
        self.old.clear();
        std::mem::swap(&mut self.young, &mut self.old);
        // After a burst the room is given back.
        if self.young.capacity() > 4 * self.old.len() + room {
            self.young.shrink_to(2 * self.old.len());
        }
        self.young.extend(kept);
    }
}

impl<V> Part<V> {
    /// Lives through the turns that it has missed.
    #[cold]
    fn turn_late(&mut self, count: u64, turns: [i64; 2], room: usize, keep: fn(&V, i64) -> bool) {
        // What is older than two turns is nowhere.
        let missed = (count - self.seen).min(2) as usize;
        for now in turns.into_iter().skip(2 - missed) {
            self.turn(now, room, keep);
        }
        self.seen = count;
    }
}

impl<V> TimeBound<V> {
    /// Keeps entries for at least `span` nanoseconds of capture time; `keep` names old entries that stay
    /// at some time although nothing touched them.
    pub fn new(span: i64, keep: fn(&V, i64) -> bool) -> Self {
        Self {
            parts: vec![Part::default()],
            turns: [i64::MIN; 2],
            count: 0,
            span,
            keep,
        }
    }

    /// Has so many parts from now on, a power of two; for a map that is empty.
    pub fn divide(&mut self, parts: usize) {
        self.parts = (0..parts.next_power_of_two())
            .map(|_| Part::default())
            .collect();
        self.count = 0;
    }

    /// Lets time pass.
    pub fn turn(&mut self, now: i64) {
        let [_, turned] = &mut self.turns;
        if *turned == i64::MIN {
            *turned = now;
        }
        let due = now.saturating_sub(*turned) > self.span;
        // One part is like the others.
        let young = self.parts.first().map_or(0, |part| part.young.len());
        if !due && young * self.parts.len() < MAX_ENTRIES {
            return;
        }
        self.turns = [*turned, now];
        self.count += 1;
        self.part_at(0);
    }

    /// The part of a key, as old as it is now.
    #[inline]
    fn part(&mut self, key: u64) -> &mut Part<V> {
        // Neither the place in a table nor what tells entries in one place apart comes of these bits.
        let number = (key >> 40) as usize & (self.parts.len() - 1);
        self.part_at(number)
    }

    #[inline]
    fn part_at(&mut self, number: usize) -> &mut Part<V> {
        let parts = self.parts.len();
        let Some(part) = self.parts.get_mut(number) else {
            unreachable!("there is a part for each number");
        };
        if part.seen != self.count {
            part.turn_late(self.count, self.turns, ROOM / parts, self.keep);
        }
        part
    }

    /// The entry for `key`, made young again.
    pub fn get_mut(&mut self, key: u64) -> Option<&mut V> {
        let part = self.part(key);
        match part.young.entry(key) {
            Entry::Occupied(entry) => Some(entry.into_mut()),
            Entry::Vacant(place) => part.old.remove(&key).map(|value| place.insert(value)),
        }
    }

    /// The entry for `key`, made young again, or a new one; true when it is new.
    pub fn get_or_insert(&mut self, key: u64, new: impl FnOnce() -> V) -> (&mut V, bool) {
        let part = self.part(key);
        match part.young.entry(key) {
            Entry::Occupied(entry) => (entry.into_mut(), false),
            Entry::Vacant(place) => match part.old.remove(&key) {
                Some(value) => (place.insert(value), false),
                None => (place.insert(new()), true),
            },
        }
    }

    /// Adds or replaces an entry.
    pub fn insert(&mut self, key: u64, value: V) {
        self.part(key).young.insert(key, value);
    }

    /// Keeps only the entries of one part that `keep` names.
    pub fn retain(&mut self, number: usize, keep: impl Fn(&V) -> bool) {
        let room = ROOM / self.parts.len().max(1);
        let part = self.part_at(number);
        for half in [&mut part.young, &mut part.old] {
            half.retain(|_, value| keep(value));
            if half.capacity() > 4 * half.len() + room {
                half.shrink_to(2 * half.len());
            }
        }
    }

    /// Octets that the entries take, without what they point to.
    pub fn octets(&self) -> usize {
        let halves = self.parts.iter().flat_map(|part| [&part.young, &part.old]);
        let room: usize = halves.map(HashedMap::capacity).sum();
        room * (size_of::<(u64, V)>() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_lives_for_one_span_after_its_last_use() {
        for parts in [1, 8] {
            let mut map = TimeBound::new(10, |_, _| false);
            map.divide(parts);
            map.turn(0);
            map.insert(1, 'a');
            map.turn(11);
            assert_eq!(map.get_mut(1), Some(&mut 'a'));
            map.turn(22);
            map.turn(33);
            assert_eq!(map.get_mut(1), None);
        }
    }

    #[test]
    fn what_is_to_be_kept_outlives_its_span() {
        for parts in [1, 8] {
            let mut map = TimeBound::new(10, |v, _| *v == 'k');
            map.divide(parts);
            map.turn(0);
            map.insert(1, 'k');
            map.insert(2, 'd');
            for t in 1..9 {
                map.turn(t * 11);
            }
            assert_eq!(
                (map.get_mut(1).copied(), map.get_mut(2).copied()),
                (Some('k'), None)
            );
        }
    }

    #[test]
    fn a_part_keeps_what_is_named_and_no_other_part_changes() {
        let mut map = TimeBound::new(10, |_, _| false);
        map.divide(4);
        for key in 0..400_u64 {
            map.insert(key << 40, key);
        }
        map.retain(1, |key| *key >= 200);
        for key in 0..400_u64 {
            let there = key % 4 != 1 || key >= 200;
            assert_eq!(map.get_mut(key << 40).is_some(), there, "{key}");
        }
    }
}
