//! Interned text: each different string once, known by a number.

use hashbrown::HashTable;

use super::ids::TextId;
use super::paged::{Paged, PagedView};
use std::sync::Arc;

/// Octets in a block of text.
const BLOCK: usize = 64 << 10;
/// Of longer texts only this much is kept, and a hash that keeps them apart.
pub const MAX_TEXT: usize = 64 << 10;

/// Where a text stands: block and offset in one number, and its length.
#[derive(Clone, Copy)]
struct Place {
    block: u32,
    start: u32,
    len: u32,
}

/// The writer's side.
#[derive(Default)]
pub struct Texts {
    blocks: Vec<Arc<Vec<u8>>>,
    open: Vec<u8>,
    places: Paged<Place>,
    table: HashTable<u32>,
    /// Texts of late, by hash: most come again soon.
    recent: Recent,
}

/// Slots in the memory of late texts.
const RECENT: usize = 1024;

struct Recent(Vec<(u64, Option<TextId>)>);

impl Default for Recent {
    fn default() -> Self {
        Self(vec![(0, None); RECENT])
    }
}

/// The reader's side.
#[derive(Clone, Default)]
pub struct TextsView {
    blocks: Vec<Arc<Vec<u8>>>,
    places: PagedView<Place>,
}

impl Texts {
    /// The number of `text`, whose hash is `hash`; the same text always has the same number.
    pub fn intern(&mut self, hash: u64, text: &[u8]) -> TextId {
        let Some(head) = text.get(..MAX_TEXT).filter(|head| head.len() < text.len()) else {
            return self.intern_short(hash, text);
        };
        let mut short = head.to_vec();
        short.extend_from_slice(format!("…{hash:016x}").as_bytes());
        self.intern_short(super::hash_bytes(&short), &short)
    }

    fn intern_short(&mut self, hash: u64, text: &[u8]) -> TextId {
        let slot = hash as usize % RECENT;
        if let Some((known, Some(id))) = self.recent.0.get(slot)
            && *known == hash
        {
            return *id;
        }
        let id = self.find_or_add(hash, text);
        if let Some(slot) = self.recent.0.get_mut(slot) {
            *slot = (hash, Some(id));
        }
        id
    }

    fn find_or_add(&mut self, hash: u64, text: &[u8]) -> TextId {
        let Self {
            blocks,
            open,
            places,
            table,
            ..
        } = self;
        if let Some(index) = table.find(hash, |i| {
            read(blocks, open, places.get(*i as usize)) == text
        }) {
            return TextId::at(*index as usize);
        }
        if open.len() + text.len() > BLOCK {
            blocks.push(Arc::new(std::mem::take(open)));
        }
        if open.capacity() == 0 {
            open.reserve(if blocks.is_empty() { 4096 } else { BLOCK });
        }
        let place = Place {
            block: u32::try_from(blocks.len()).unwrap_or(u32::MAX),
            start: u32::try_from(open.len()).unwrap_or(u32::MAX),
            len: u32::try_from(text.len()).unwrap_or(u32::MAX),
        };
        open.extend_from_slice(text);
        let index = places.push(place);
        let Self {
            blocks,
            open,
            places,
            table,
            ..
        } = self;
        table.insert_unique(hash, u32::try_from(index).unwrap_or(u32::MAX), |i| {
            super::hash_bytes(read(blocks, open, places.get(*i as usize)))
        });
        TextId::at(index)
    }

    /// The text itself.
    pub fn get(&self, id: TextId) -> &[u8] {
        read(&self.blocks, &self.open, self.places.get(id.index()))
    }

    /// Number of different texts.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// True when nothing was interned.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// An immutable view of all texts so far.
    pub fn publish(&mut self) -> TextsView {
        let mut blocks = self.blocks.clone();
        blocks.push(Arc::new(self.open.clone()));
        TextsView {
            blocks,
            places: self.places.publish(),
        }
    }
}

fn read<'a>(blocks: &'a [Arc<Vec<u8>>], open: &'a [u8], place: Option<&Place>) -> &'a [u8] {
    let Some(place) = place else { return &[] };
    let block = blocks
        .get(place.block as usize)
        .map_or(open, |b| b.as_slice());
    let start = place.start as usize;
    block
        .get(start..start + place.len as usize)
        .unwrap_or_default()
}

impl TextsView {
    /// The octets of a text.
    pub fn bytes(&self, id: TextId) -> &[u8] {
        read(&self.blocks, &[], self.places.get(id.index()))
    }

    /// The text; octets that are not UTF-8 become U+FFFD.
    pub fn get(&self, id: TextId) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.bytes(id))
    }

    /// The text, or nothing when there is none.
    pub fn opt(&self, id: Option<TextId>) -> Option<std::borrow::Cow<'_, str>> {
        id.map(|id| self.get(id))
    }

    /// Number of different texts.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// All texts with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (TextId, &[u8])> + '_ {
        (0..self.places.len()).map(|i| {
            let id = TextId::at(i);
            (id, self.bytes(id))
        })
    }
}
