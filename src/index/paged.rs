//! Growing lists that can be published: readers get pages that nobody changes any more.

use std::sync::Arc;

/// Items in a page.
const PAGE: usize = 1024;

enum Page<T> {
    Own(Vec<T>),
    Shared(Arc<Vec<T>>),
}

/// The writer's side: appends, changes, publishes. A published page is copied when it changes.
pub struct Paged<T> {
    pages: Vec<Page<T>>,
    len: usize,
}

/// The reader's side: an immutable list.
#[derive(Debug)]
pub struct PagedView<T> {
    pages: Vec<Arc<Vec<T>>>,
    len: usize,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self {
            pages: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Default for PagedView<T> {
    fn default() -> Self {
        Self {
            pages: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Clone for PagedView<T> {
    fn clone(&self) -> Self {
        Self {
            pages: self.pages.clone(),
            len: self.len,
        }
    }
}

impl<T: Clone> Paged<T> {
    /// Number of items.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends an item and gives its position.
    pub fn push(&mut self, item: T) -> usize {
        if self.len.is_multiple_of(PAGE) {
            // The first page grows: most captures are small.
            let room = if self.pages.is_empty() { 16 } else { PAGE };
            self.pages.push(Page::Own(Vec::with_capacity(room)));
        }
        if let Some(page) = self.pages.last_mut() {
            own(page).push(item);
        }
        self.len += 1;
        self.len - 1
    }

    /// Reads an item.
    pub fn get(&self, index: usize) -> Option<&T> {
        match self.pages.get(index / PAGE)? {
            Page::Own(items) => items.get(index % PAGE),
            Page::Shared(items) => items.get(index % PAGE),
        }
    }

    /// Changes an item.
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        own(self.pages.get_mut(index / PAGE)?).get_mut(index % PAGE)
    }

    /// An immutable view of the list as it is now; costs one pointer a page.
    pub fn publish(&mut self) -> PagedView<T> {
        let pages = self
            .pages
            .iter_mut()
            .map(|page| {
                if let Page::Own(items) = page {
                    *page = Page::Shared(Arc::new(std::mem::take(items)));
                }
                match page {
                    Page::Shared(items) => Arc::clone(items),
                    Page::Own(_) => Arc::new(Vec::new()),
                }
            })
            .collect();
        PagedView {
            pages,
            len: self.len,
        }
    }
}

/// The page as a list of the writer's own, copied if a reader still holds it.
fn own<T: Clone>(page: &mut Page<T>) -> &mut Vec<T> {
    if let Page::Shared(items) = page {
        let items = std::mem::take(items);
        *page = Page::Own(Arc::try_unwrap(items).unwrap_or_else(|shared| {
            let mut copy = Vec::with_capacity(if shared.len() < 16 { 16 } else { PAGE });
            copy.extend(shared.iter().cloned());
            copy
        }));
    }
    match page {
        Page::Own(items) => items,
        // Replaced just above.
        Page::Shared(_) => unreachable!("a shared page was made our own"),
    }
}

impl<T> PagedView<T> {
    /// Number of items.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads an item.
    pub fn get(&self, index: usize) -> Option<&T> {
        self.pages.get(index / PAGE)?.get(index % PAGE)
    }

    /// All items in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + '_ {
        self.pages.iter().flat_map(|page| page.iter())
    }

    /// The pages, for work that is shared among threads.
    pub fn pages(&self) -> impl ExactSizeIterator<Item = &[T]> + '_ {
        self.pages.iter().map(|page| page.as_slice())
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
}
