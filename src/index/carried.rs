//! What is carried over of a list that items leave: few of many, by their old positions.
//!
//! Items stand in pages in the order of their positions. One that goes is only marked; a page in
//! which many have gone is written anew. So neither costs more than a page, and readers share pages
//! with the writer.

use std::sync::Arc;

/// Items in a page at most.
pub(super) const ROOM: usize = 256;
/// Items that are gone in a page before it is written anew.
const GONE: usize = ROOM / 8;

/// Items with their positions, which are searched: they stand by themselves, close together.
#[derive(Clone, Debug)]
struct Page<T> {
    at: [u32; ROOM],
    items: Vec<T>,
}

impl<T> Page<T> {
    fn positions(&self) -> &[u32] {
        self.at.get(..self.items.len()).unwrap_or_default()
    }
}

/// A page and what is there of it: who reads it keeps the items, who writes it marks which have gone.
#[derive(Debug)]
struct Leaf<T> {
    page: Arc<Page<T>>,
    there: [u64; ROOM / 64],
    count: usize,
}

impl<T> Clone for Leaf<T> {
    fn clone(&self) -> Self {
        Self {
            page: Arc::clone(&self.page),
            ..*self
        }
    }
}

impl<T> Leaf<T> {
    fn new(room: usize) -> Self {
        Self {
            page: Arc::new(Page {
                at: [0; ROOM],
                items: Vec::with_capacity(room),
            }),
            there: [0; ROOM / 64],
            count: 0,
        }
    }

    /// Number of items, also of those that have gone.
    fn held(&self) -> usize {
        self.page.items.len()
    }

    fn has(&self, at: usize) -> bool {
        let word = self.there.get(at / 64).copied().unwrap_or(0);
        word >> (at % 64) & 1 == 1
    }

    fn mark(&mut self, at: usize, there: bool) {
        if let Some(word) = self.there.get_mut(at / 64) {
            let bit = 1 << (at % 64);
            *word = if there { *word | bit } else { *word & !bit };
        }
    }

    fn find(&self, wanted: u32) -> Option<usize> {
        let at = self.page.positions().binary_search(&wanted);
        at.ok().filter(|at| self.has(*at))
    }

    fn iter(&self) -> impl DoubleEndedIterator<Item = (usize, &T)> + '_ {
        let all = self
            .page
            .positions()
            .iter()
            .zip(&self.page.items)
            .enumerate();
        let there = all.filter(|(at, _)| self.has(*at));
        there.map(|(_, (at, item))| (*at as usize, item))
    }

    /// How many that are there stand before a place.
    fn rank(&self, at: usize) -> usize {
        (0..at.min(self.held())).filter(|n| self.has(*n)).count()
    }
}

impl<T: Clone> Leaf<T> {
    fn push(&mut self, index: u32, item: T) {
        if Arc::get_mut(&mut self.page).is_none() {
            let mut items = Vec::with_capacity(ROOM);
            items.extend(self.page.items.iter().cloned());
            let at = self.page.at;
            self.page = Arc::new(Page { at, items });
        }
        let at = self.held();
        self.mark(at, true);
        self.count += 1;
        let page = Arc::make_mut(&mut self.page);
        if let Some(place) = page.at.get_mut(at) {
            *place = index;
            page.items.push(item);
        }
    }

    /// Writes the page anew, with what is there of it and of the one behind it.
    fn renew(&mut self, next: Option<&Self>) {
        let mut new = Self::new(self.count + next.map_or(0, |next| next.count));
        for (at, item) in self.iter().chain(next.into_iter().flat_map(Self::iter)) {
            new.push(u32::try_from(at).unwrap_or(u32::MAX), item.clone());
        }
        *self = new;
    }
}

/// The writer's side.
#[derive(Debug)]
pub(super) struct Carried<T> {
    leaves: Vec<Leaf<T>>,
    /// Position with which each page begins.
    firsts: Vec<u32>,
    len: usize,
    /// Also those that are gone and have not been cleared away.
    held: usize,
}

impl<T> Default for Carried<T> {
    fn default() -> Self {
        Self {
            leaves: Vec::new(),
            firsts: Vec::new(),
            len: 0,
            held: 0,
        }
    }
}

/// Page that may have a position.
fn leaf_of(firsts: &[u32], wanted: u32) -> Option<usize> {
    firsts
        .partition_point(|first| *first <= wanted)
        .checked_sub(1)
}

/// Page that has a position, and the place in it.
fn place_of<T>(leaves: &[Leaf<T>], firsts: &[u32], index: usize) -> Option<(usize, usize)> {
    let wanted = u32::try_from(index).ok()?;
    let leaf = leaf_of(firsts, wanted)?;
    Some((leaf, leaves.get(leaf)?.find(wanted)?))
}

impl<T: Clone> Carried<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    /// Octets that the items take.
    pub fn octets(&self) -> usize {
        let page = size_of::<Page<T>>() + size_of::<Leaf<T>>();
        self.held * size_of::<T>() + self.leaves.len() * page
    }

    /// Adds an item behind all others.
    pub fn push(&mut self, index: usize, item: T) {
        let Ok(at) = u32::try_from(index) else { return };
        self.len += 1;
        self.held += 1;
        match self.leaves.last_mut() {
            Some(last) if last.held() < ROOM => last.push(at, item),
            _ => {
                let mut leaf = Leaf::new(ROOM);
                leaf.push(at, item);
                self.leaves.push(leaf);
                self.firsts.push(at);
            }
        }
    }

    #[inline(never)]
    pub fn get(&self, index: usize) -> Option<&T> {
        let (leaf, at) = place_of(&self.leaves, &self.firsts, index)?;
        self.leaves.get(leaf)?.page.items.get(at)
    }

    #[inline(never)]
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        let (leaf, at) = place_of(&self.leaves, &self.firsts, index)?;
        let page = Arc::make_mut(&mut self.leaves.get_mut(leaf)?.page);
        page.items.get_mut(at)
    }

    /// Takes an item out.
    pub fn remove(&mut self, index: usize) -> Option<T> {
        let (leaf, at) = place_of(&self.leaves, &self.firsts, index)?;
        self.take(leaf, at)
    }

    /// Takes out the first item that is not `before`, if it `is` the one.
    pub fn remove_first(
        &mut self,
        before: impl Fn(&T) -> bool,
        is: impl Fn(&T) -> bool,
    ) -> Option<(usize, T)> {
        let begins_before = |leaf: &Leaf<T>| leaf.page.items.first().is_some_and(&before);
        let behind = self.leaves.partition_point(begins_before);
        for number in behind.saturating_sub(1)..=behind {
            let leaf = self.leaves.get(number)?;
            let from = leaf.page.items.partition_point(&before);
            for (at, item) in leaf.page.items.iter().enumerate().skip(from) {
                if !is(item) {
                    return None;
                }
                if leaf.has(at) {
                    let index = *leaf.page.at.get(at)? as usize;
                    return Some((index, self.take(number, at)?));
                }
            }
        }
        None
    }

    fn take(&mut self, number: usize, at: usize) -> Option<T> {
        let last = number + 1 == self.leaves.len();
        let leaf = self.leaves.get_mut(number)?;
        let item = leaf.page.items.get(at)?.clone();
        leaf.mark(at, false);
        leaf.count -= 1;
        self.len -= 1;
        let gone = leaf.held() - leaf.count;
        if leaf.count == 0 {
            self.held -= gone;
            self.leaves.remove(number);
            self.firsts.remove(number);
        } else if gone > GONE && (!last || leaf.held() == ROOM) {
            self.held -= gone;
            leaf.renew(None);
            self.begins(number);
            self.join(number);
        }
        Some(item)
    }

    /// The first position of a page may be another one now.
    fn begins(&mut self, number: usize) {
        let first = self
            .leaves
            .get(number)
            .and_then(|leaf| leaf.page.at.first());
        if let (Some(place), Some(first)) = (self.firsts.get_mut(number), first) {
            *place = *first;
        }
    }

    /// Joins a page with the one behind it or before it, if they fit well into one.
    fn join(&mut self, number: usize) {
        for first in [Some(number), number.checked_sub(1)].into_iter().flatten() {
            let Some([one, next]) = self.leaves.get_mut(first..first + 2) else {
                continue;
            };
            let held = one.held() + next.held();
            if held <= ROOM * 3 / 4 {
                self.held -= held - one.count - next.count;
                one.renew(Some(next));
                self.leaves.remove(first + 1);
                self.firsts.remove(first + 1);
                self.begins(first);
                return;
            }
        }
    }

    /// All items with their positions, from one position on.
    pub fn from(&self, index: usize) -> impl Iterator<Item = (usize, &T)> + '_ {
        let wanted = u32::try_from(index).unwrap_or(u32::MAX);
        let first = leaf_of(&self.firsts, wanted).unwrap_or(0);
        let leaves = self.leaves.get(first..).unwrap_or_default().iter();
        let all = leaves.flat_map(Leaf::iter);
        all.skip_while(move |(at, _)| *at < index)
    }

    /// An immutable view; costs one pointer a page.
    pub fn publish(&self) -> CarriedView<T> {
        let mut before = 0;
        let count = |leaf: &Leaf<T>| {
            let here = before;
            before += leaf.count;
            here
        };
        CarriedView {
            before: self.leaves.iter().map(count).collect(),
            leaves: self.leaves.clone(),
            firsts: self.firsts.clone(),
            len: self.len,
        }
    }
}

/// The reader's side.
#[derive(Debug)]
pub(super) struct CarriedView<T> {
    leaves: Vec<Leaf<T>>,
    firsts: Vec<u32>,
    /// Number of items before each page.
    before: Vec<usize>,
    len: usize,
}

impl<T> Default for CarriedView<T> {
    fn default() -> Self {
        Self {
            leaves: Vec::new(),
            firsts: Vec::new(),
            before: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Clone for CarriedView<T> {
    fn clone(&self) -> Self {
        Self {
            leaves: self.leaves.clone(),
            firsts: self.firsts.clone(),
            before: self.before.clone(),
            len: self.len,
        }
    }
}

impl<T> CarriedView<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline(never)]
    pub fn get(&self, index: usize) -> Option<&T> {
        let (leaf, at) = place_of(&self.leaves, &self.firsts, index)?;
        self.leaves.get(leaf)?.page.items.get(at)
    }

    /// Position of the `n`th item.
    pub fn position(&self, n: usize) -> Option<usize> {
        let leaf = self
            .before
            .partition_point(|before| *before <= n)
            .checked_sub(1)?;
        let rest = n - self.before.get(leaf)?;
        let (at, _) = self.leaves.get(leaf)?.iter().nth(rest)?;
        Some(at)
    }

    /// Number of items before a position.
    pub fn rank(&self, index: usize) -> usize {
        let wanted = u32::try_from(index).unwrap_or(u32::MAX);
        let Some(number) = leaf_of(&self.firsts, wanted) else {
            return 0;
        };
        let before = self.before.get(number).copied().unwrap_or(0);
        before
            + self.leaves.get(number).map_or(0, |leaf| {
                leaf.rank(leaf.page.positions().partition_point(|at| *at < wanted))
            })
    }

    /// All items with their positions.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (usize, &T)> + '_ {
        self.leaves.iter().flat_map(Leaf::iter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds and takes out in an order without a pattern; `there` is what must be in it.
    #[test]
    fn is_what_was_added_and_not_taken_out() {
        let mut carried = Carried::default();
        let mut there = std::collections::BTreeMap::new();
        let mut random = 1_u64;
        let mut views = Vec::new();
        for step in 0..40_000_usize {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let number = (random >> 33) as usize;
            if number % 100 < 52 {
                carried.push(step * 3, step);
                there.insert(step * 3, step);
            } else if let Some(at) = there
                .range(number % (step * 3 + 1)..)
                .next()
                .map(|(at, _)| *at)
            {
                assert_eq!(carried.remove(at), there.remove(&at));
                assert_eq!(carried.remove(at), None);
            }
            if let Some((at, value)) = there.iter_mut().next_back()
                && step % 7 == 0
            {
                *value += 1;
                if let Some(item) = carried.get_mut(*at) {
                    *item += 1;
                }
            }
            assert_eq!(carried.len(), there.len());
            if step % 2_000 == 0 {
                let expected: Vec<(usize, usize)> = there.iter().map(|(a, v)| (*a, *v)).collect();
                views.push((carried.publish(), expected));
            }
        }
        for (view, expected) in views {
            let seen = view.iter().map(|(at, item)| (at, *item));
            assert!(seen.eq(expected.iter().copied()));
            for (n, (at, value)) in expected.iter().enumerate() {
                assert_eq!((view.position(n), view.get(*at)), (Some(*at), Some(value)));
                assert_eq!((view.rank(*at), view.rank(at + 1)), (n, n + 1));
            }
            assert_eq!(view.position(expected.len()), None);
        }
        // What is gone does not take room for long.
        assert!(carried.held <= carried.len * 8 / 7 + 2 * ROOM);
        let held: usize = carried.leaves.iter().map(Leaf::held).sum();
        assert_eq!(held, carried.held);
        let all: Vec<usize> = there.keys().copied().collect();
        for at in all {
            assert!(carried.remove(at).is_some());
        }
        assert_eq!((carried.octets(), carried.leaves.len()), (0, 0));
    }

    #[test]
    fn is_found_by_what_it_belongs_to() {
        let mut carried = Carried::default();
        // Two entries each.
        for at in 0..2_000 {
            carried.push(at, at / 2);
        }
        for wanted in (0..1_000).rev().chain(0..1_000) {
            let left = carried.len();
            let mut found = Vec::new();
            while let Some((at, item)) = carried.remove_first(|i| *i < wanted, |i| *i == wanted) {
                assert_eq!(item, wanted);
                found.push(at);
            }
            match left {
                0 => assert!(found.is_empty()),
                _ => assert_eq!(found, [wanted * 2, wanted * 2 + 1]),
            }
        }
        assert_eq!(carried.len(), 0);
    }
}
