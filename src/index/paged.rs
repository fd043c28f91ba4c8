//! Growing lists that can be published: readers get pages that nobody changes any more.
//!
//! The oldest items of a list may leave it. Positions stay what they were and are never given
//! again; single old items that are still needed are carried over, at their old positions.

use std::sync::Arc;

use super::carried::{Carried, CarriedView};

/// Items in a page.
const PAGE: usize = 1024;

enum Page<T> {
    Own(Vec<T>),
    Shared(Arc<Vec<T>>),
}

/// The writer's side: appends, changes, publishes. A published page is copied when it changes.
pub struct Paged<T> {
    pages: Vec<Page<T>>,
    /// Number of pages that have left.
    gone: usize,
    /// What is before this position has left, or was carried over.
    start: usize,
    end: usize,
    /// Items before `start`.
    carried: Carried<T>,
}

/// The reader's side: an immutable list.
#[derive(Debug)]
pub struct PagedView<T> {
    pages: Vec<Arc<Vec<T>>>,
    gone: usize,
    start: usize,
    end: usize,
    carried: CarriedView<T>,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self {
            pages: Vec::new(),
            gone: 0,
            start: 0,
            end: 0,
            carried: Carried::default(),
        }
    }
}

impl<T> Default for PagedView<T> {
    fn default() -> Self {
        Self {
            pages: Vec::new(),
            gone: 0,
            start: 0,
            end: 0,
            carried: CarriedView::default(),
        }
    }
}

impl<T> Clone for PagedView<T> {
    fn clone(&self) -> Self {
        Self {
            pages: self.pages.clone(),
            carried: self.carried.clone(),
            ..*self
        }
    }
}

impl<T: Clone> Paged<T> {
    /// Number of items that are there.
    pub fn len(&self) -> usize {
        self.carried.len() + self.end - self.start
    }

    /// True when nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is before this position has left, or was carried over.
    pub fn start(&self) -> usize {
        self.start
    }

    /// The position of the next item.
    pub fn end(&self) -> usize {
        self.end
    }

    /// Octets that the items take, without what they point to.
    pub fn octets(&self) -> usize {
        let pages = self.pages.len() * PAGE * size_of::<T>();
        pages + self.carried.octets()
    }

    /// Appends an item and gives its position.
    pub fn push(&mut self, item: T) -> usize {
        if self.end.is_multiple_of(PAGE) {
            // The first page grows: most captures are small.
            let room = if self.end == 0 { 16 } else { PAGE };
            self.pages.push(Page::Own(Vec::with_capacity(room)));
        }
        if let Some(page) = self.pages.last_mut() {
            own(page).push(item);
        }
        self.end += 1;
        self.end - 1
    }

    /// Reads an item.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&T> {
        if index < self.start {
            return self.carried.get(index);
        }
        self.pages
            .get(index / PAGE - self.gone)?
            .items()
            .get(index % PAGE)
    }

    /// Changes an item.
    #[inline]
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        if index < self.start {
            return self.carried.get_mut(index);
        }
        let page = self.pages.get_mut(index / PAGE - self.gone)?;
        own(page).get_mut(index % PAGE)
    }

    /// All items with their positions.
    #[cfg(test)]
    pub fn indexed(&self) -> impl Iterator<Item = (usize, &T)> + '_ {
        let there = (self.start..self.end).filter_map(|at| Some((at, self.get(at)?)));
        self.carried.from(0).chain(there)
    }

    /// Number of items that were carried over.
    pub fn carried_len(&self) -> usize {
        self.carried.len()
    }

    /// The items that were carried over, from one position on.
    pub fn carried_from(&self, index: usize) -> impl Iterator<Item = (usize, &T)> + '_ {
        self.carried.from(index)
    }

    /// Lets the oldest item leave that was not carried over, and gives it with its position.
    pub fn leave(&mut self) -> Option<(usize, T)> {
        let at = self.start;
        let item = self.get(at).filter(|_| at < self.end)?.clone();
        self.start += 1;
        // The page that is appended to stays, also when nothing in it is needed any more.
        let gone = (self.start / PAGE).min((self.gone + self.pages.len()).saturating_sub(1));
        if gone > self.gone {
            self.pages.drain(..gone - self.gone);
            self.gone = gone;
        }
        Some((at, item))
    }

    /// Keeps an item that has just left, at the position it had.
    pub fn carry(&mut self, index: usize, item: T) {
        self.carried.push(index, item);
    }

    /// Carries the items over that stand before `cut`, all of them.
    pub fn carry_before(&mut self, cut: usize) {
        while self.start < cut.min(self.end)
            && let Some((at, item)) = self.leave()
        {
            self.carry(at, item);
        }
    }

    /// Carries items over from the oldest on, as long as they are `before`.
    pub fn carry_while(&mut self, before: impl Fn(&T) -> bool) {
        while self.start < self.end
            && self.get(self.start).is_some_and(&before)
            && let Some((at, item)) = self.leave()
        {
            self.carry(at, item);
        }
    }

    /// Takes out an item that was carried over.
    pub fn remove(&mut self, index: usize) -> Option<T> {
        self.carried.remove(index)
    }

    /// Takes out, of those carried over, the first that is not `before`, if it `is` the one.
    pub fn remove_first(
        &mut self,
        before: impl Fn(&T) -> bool,
        is: impl Fn(&T) -> bool,
    ) -> Option<(usize, T)> {
        match self.carried.len() {
            0 => None,
            _ => self.carried.remove_first(before, is),
        }
    }

    /// An immutable view of the list as it is now; costs one pointer a page.
    pub fn publish(&mut self) -> PagedView<T> {
        PagedView {
            pages: self.pages.iter_mut().map(Page::share).collect(),
            gone: self.gone,
            start: self.start,
            end: self.end,
            carried: self.carried.publish(),
        }
    }
}

impl<T> Page<T> {
    #[inline]
    fn items(&self) -> &[T] {
        match self {
            Self::Own(items) => items,
            Self::Shared(items) => items,
        }
    }

    fn share(&mut self) -> Arc<Vec<T>> {
        if let Self::Own(items) = self {
            *self = Self::Shared(Arc::new(std::mem::take(items)));
        }
        match self {
            Self::Shared(items) => Arc::clone(items),
            Self::Own(_) => Arc::new(Vec::new()),
        }
    }
}

/// The page as a list of the writer's own, copied if a reader still holds it.
#[inline]
fn own<T: Clone>(page: &mut Page<T>) -> &mut Vec<T> {
    if let Page::Shared(items) = page {
        let items = std::mem::take(items);
        *page = Page::Own(taken_back(items));
    }
    match page {
        Page::Own(items) => items,
        // Replaced just above.
        Page::Shared(_) => unreachable!("a shared page was made our own"),
    }
}

#[cold]
fn taken_back<T: Clone>(items: Arc<Vec<T>>) -> Vec<T> {
    Arc::try_unwrap(items).unwrap_or_else(|shared| {
        let mut copy = Vec::with_capacity(if shared.len() < 16 { 16 } else { PAGE });
        copy.extend(shared.iter().cloned());
        copy
    })
}

impl<T> PagedView<T> {
    /// Number of items that are there.
    pub fn len(&self) -> usize {
        self.carried.len() + self.end - self.start
    }

    /// True when nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Behind the position of the last item. Not all before it need be there.
    pub fn end(&self) -> usize {
        self.end
    }

    /// Reads an item.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&T> {
        if index < self.start {
            return self.carried.get(index);
        }
        self.pages.get(index / PAGE - self.gone)?.get(index % PAGE)
    }

    /// The position of the `n`th of the items that are there.
    pub fn position(&self, n: usize) -> Option<usize> {
        if n >= self.carried.len() {
            let at = n - self.carried.len() + self.start;
            return (at < self.end).then_some(at);
        }
        self.carried.position(n)
    }

    /// How many of the items that are there stand before a position.
    pub fn rank(&self, index: usize) -> usize {
        if index >= self.start {
            return self.carried.len() + index.min(self.end) - self.start;
        }
        self.carried.rank(index)
    }

    /// The `n`th of the items that are there.
    pub fn nth(&self, n: usize) -> Option<&T> {
        self.get(self.position(n)?)
    }

    /// All items in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + '_ {
        let carried = self.carried.iter();
        carried
            .map(|(_, item)| item)
            .chain(self.pages().flat_map(|(_, page)| page.iter()))
    }

    /// All items in order, with their positions.
    pub fn indexed(&self) -> impl Iterator<Item = (usize, &T)> + '_ {
        let carried = self.carried.iter();
        carried.chain((self.start..).zip(self.pages().flat_map(|(_, page)| page.iter())))
    }

    /// The items in pieces that follow one another, each with the position of its first: for work
    /// that is shared among threads.
    pub fn runs(&self) -> impl Iterator<Item = (usize, &[T])> + '_ {
        let carried = self.carried.iter();
        carried
            .map(|(at, item)| (at, std::slice::from_ref(item)))
            .chain(self.pages())
    }

    fn pages(&self) -> impl DoubleEndedIterator<Item = (usize, &[T])> + '_ {
        self.pages.iter().enumerate().map(|(n, page)| {
            let from = (self.gone + n) * PAGE;
            let skip = self.start.saturating_sub(from).min(page.len());
            (from + skip, page.get(skip..).unwrap_or_default())
        })
    }
}

/// A place for each item of a list, without places for those that have left: what is known of items
/// takes room by their number, not by their positions.
#[derive(Clone, Debug, PartialEq)]
pub struct Slots {
    start: usize,
    end: usize,
    carried: Arc<[u32]>,
}

impl Slots {
    /// Of the items of a list.
    pub fn of<T>(list: &PagedView<T>) -> Self {
        Self::with(list, &list.carried)
    }

    /// Of the items of a list whose old ones are kept elsewhere.
    pub(super) fn with<T, U>(list: &PagedView<T>, carried: &CarriedView<U>) -> Self {
        let carried = carried.iter();
        Self {
            start: list.start,
            end: list.end,
            carried: carried
                .map(|(at, _)| u32::try_from(at).unwrap_or(u32::MAX))
                .collect(),
        }
    }

    /// Of a list that nothing leaves.
    pub fn all(count: usize) -> Self {
        Self {
            start: 0,
            end: count,
            carried: Arc::default(),
        }
    }

    /// Number of places.
    pub fn count(&self) -> usize {
        self.carried.len() + self.end - self.start
    }

    /// The place of an item; one beyond the last for items that are not there.
    #[inline]
    pub fn place(&self, index: usize) -> usize {
        if index < self.start {
            return self.carried_place(index);
        }
        // A position behind the last gives a place behind the last.
        self.carried.len() + index - self.start
    }

    #[cold]
    fn carried_place(&self, index: usize) -> usize {
        let wanted = u32::try_from(index).unwrap_or(u32::MAX);
        self.carried.binary_search(&wanted).unwrap_or(self.count())
    }

    /// The positions of the items, in order.
    pub fn positions(&self) -> impl Iterator<Item = usize> + '_ {
        let carried = self.carried.iter().map(|at| *at as usize);
        carried.chain(self.start..self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_view_does_not_change() {
        let mut list = Paged::default();
        for i in 0..3000 {
            list.push(i);
        }
        let view = list.publish();
        list.push(3000);
        if let Some(item) = list.get_mut(5) {
            *item = 77;
        }
        assert_eq!(view.len(), 3000);
        assert_eq!(view.get(5), Some(&5));
        assert_eq!(view.get(3000), None);
        assert_eq!(list.get(5), Some(&77));
        let newer = list.publish();
        assert_eq!((newer.get(5), newer.get(3000)), (Some(&77), Some(&3000)));
        assert_eq!(newer.iter().count(), 3001);
    }

    #[test]
    fn what_is_old_leaves_and_positions_stay() {
        // Cuts within a page, at its border, behind the last item, and again and again.
        for cuts in [
            vec![1],
            vec![1500, 2048],
            vec![3000],
            vec![10, 2000, 2999, 3000],
        ] {
            let mut list: Paged<usize> = Paged::default();
            for i in 0..3000 {
                list.push(i);
            }
            let last = cuts.last().copied().unwrap_or(0);
            for cut in cuts {
                list.carry_before(cut);
                for at in (0..cut).filter(|at| !at.is_multiple_of(3)) {
                    assert!(list.remove(at).is_none_or(|item| item == at));
                }
            }
            assert_eq!(list.push(3000), 3000);
            let there = |at: usize| at >= last || at.is_multiple_of(3);
            let expected: Vec<usize> = (0..=3000).filter(|at| there(*at)).collect();
            let view = list.publish();
            assert_eq!((view.len(), view.end()), (expected.len(), 3001));
            assert_eq!(list.len(), expected.len());
            for at in 0..=3001 {
                let item = (at <= 3000 && there(at)).then_some(at);
                assert_eq!(view.get(at).copied(), item, "{at}");
                assert_eq!(list.get(at).copied(), item, "{at}");
                assert_eq!(
                    view.rank(at),
                    expected.iter().filter(|other| **other < at).count()
                );
            }
            assert!(view.iter().eq(&expected));
            assert!(view.indexed().all(|(at, item)| at == *item));
            assert!(view.indexed().map(|(at, _)| at).eq(expected.clone()));
            let runs: Vec<usize> = view
                .runs()
                .flat_map(|(from, items)| {
                    assert!(items.iter().enumerate().all(|(n, item)| *item == from + n));
                    items.iter().copied()
                })
                .collect();
            assert_eq!(runs, expected);
            for (n, at) in expected.iter().enumerate() {
                assert_eq!((view.position(n), view.nth(n)), (Some(*at), Some(at)));
            }
            assert_eq!(view.position(expected.len()), None);
            let slots = Slots::of(&view);
            assert!(slots.positions().eq(expected.iter().copied()));
            assert_eq!(slots.count(), expected.len());
            for (n, at) in expected.iter().enumerate() {
                assert_eq!(slots.place(*at), n);
            }
            assert!(there(1) || slots.place(1) >= slots.count());
            assert_eq!(list.get_mut(0).is_some(), there(0));
        }
    }
}
