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

/// Two generations of a map: what is touched moves to the young one.
pub struct TimeBound<V> {
    young: HashedMap<V>,
    old: HashedMap<V>,
    turned: i64,
    span: i64,
}

impl<V> TimeBound<V> {
    /// Keeps entries for at least `span` nanoseconds of capture time.
    pub fn new(span: i64) -> Self {
        Self {
            young: HashedMap::default(),
            old: HashedMap::default(),
            turned: i64::MIN,
            span,
        }
    }

    /// Lets time pass. `keep` names old entries that stay although nothing touched them.
    pub fn turn(&mut self, now: i64, keep: impl Fn(&V) -> bool) {
        if self.turned == i64::MIN {
            self.turned = now;
        }
        let due = now.saturating_sub(self.turned) > self.span;
        if !due && self.young.len() < MAX_ENTRIES {
            return;
        }
        self.turned = now;
        let kept: Vec<(u64, V)> = self.old.extract_if(|_, v| keep(v)).collect();
        self.old.clear();
        std::mem::swap(&mut self.young, &mut self.old);
        // After a burst the room is given back.
        if self.young.capacity() > 4 * self.old.len() + 1024 {
            self.young.shrink_to(2 * self.old.len());
        }
        self.young.extend(kept);
    }

    /// The entry for `key`, made young again.
    pub fn get_mut(&mut self, key: u64) -> Option<&mut V> {
        match self.young.entry(key) {
            Entry::Occupied(entry) => Some(entry.into_mut()),
            Entry::Vacant(place) => self.old.remove(&key).map(|value| place.insert(value)),
        }
    }

    /// The entry for `key`, made young again, or a new one; true when it is new.
    pub fn get_or_insert(&mut self, key: u64, new: impl FnOnce() -> V) -> (&mut V, bool) {
        match self.young.entry(key) {
            Entry::Occupied(entry) => (entry.into_mut(), false),
            Entry::Vacant(place) => match self.old.remove(&key) {
                Some(value) => (place.insert(value), false),
                None => (place.insert(new()), true),
            },
        }
    }

    /// Keeps only the entries that `keep` names.
    pub fn retain(&mut self, keep: impl Fn(&V) -> bool) {
        for half in [&mut self.young, &mut self.old] {
            half.retain(|_, value| keep(value));
            if half.capacity() > 4 * half.len() + 1024 {
                half.shrink_to(2 * half.len());
            }
        }
    }

    /// Octets that the entries take, without what they point to.
    pub fn octets(&self) -> usize {
        (self.young.capacity() + self.old.capacity()) * (size_of::<(u64, V)>() + 1)
    }

    /// Adds or replaces an entry.
    pub fn insert(&mut self, key: u64, value: V) {
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_lives_for_one_span_after_its_last_use() {
        let mut map = TimeBound::new(10);
        map.turn(0, |_| false);
        map.insert(1, 'a');
        map.turn(11, |_| false);
        assert_eq!(map.get_mut(1), Some(&mut 'a'));
        map.turn(22, |_| false);
        map.turn(33, |_| false);
        assert_eq!(map.get_mut(1), None);
    }

    #[test]
    fn what_is_to_be_kept_outlives_its_span() {
        let mut map = TimeBound::new(10);
        map.turn(0, |_| false);
        map.insert(1, 'k');
        map.insert(2, 'd');
        for t in 1..9 {
            map.turn(t * 11, |v| *v == 'k');
        }
        assert_eq!(
            (map.get_mut(1).copied(), map.get_mut(2).copied()),
            (Some('k'), None)
        );
    }
}
