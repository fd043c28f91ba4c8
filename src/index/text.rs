//! Interned text: each different string once, known by a number.

use hashbrown::HashTable;

use super::ids::TextId;
use super::paged::{Paged, PagedView, Slots};
use std::sync::Arc;

/// Octets in a block of text.
const BLOCK: usize = 64 << 10;
/// Of longer texts only this much is kept, and a hash that keeps them apart.
pub const MAX_TEXT: usize = 64 << 10;

/// Set in the block number of texts that were carried over.
const CARRIED: u32 = 1 << 31;

/// Where a text stands: block and offset in one number, and its length.
#[derive(Clone, Copy, Debug)]
struct Place {
    block: u32,
    start: u32,
    len: u32,
}

/// The writer's side.
#[derive(Default)]
pub struct Texts {
    blocks: Blocks,
    open: Vec<u8>,
    places: Paged<Place>,
    /// Numbers by hash; a hash of 64 bits with a seed stands for its text, as everywhere in the index.
    table: HashTable<(u64, u32)>,
    /// Texts of late, by hash: most come again soon.
    recent: Recent,
}

/// Octets of texts, in pieces that do not change any more.
#[derive(Clone, Default)]
struct Blocks {
    list: Vec<Arc<Vec<u8>>>,
    /// Number of blocks that have left.
    gone: u32,
    /// Those of texts that were carried over.
    carried: Vec<Arc<Vec<u8>>>,
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
    blocks: Blocks,
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
        if let Some((_, index)) = table.find(hash, |(known, _)| *known == hash) {
            return TextId::at(*index as usize);
        }
        if open.len() + text.len() > BLOCK {
            blocks.list.push(Arc::new(std::mem::take(open)));
        }
        if open.capacity() == 0 {
            open.reserve(if blocks.list.is_empty() { 4096 } else { BLOCK });
        }
        let place = Place {
            block: blocks.next(),
            start: u32::try_from(open.len()).unwrap_or(u32::MAX),
            len: u32::try_from(text.len()).unwrap_or(u32::MAX),
        };
        open.extend_from_slice(text);
        let index = places.push(place);
        let number = u32::try_from(index).unwrap_or(u32::MAX);
        table.insert_unique(hash, (hash, number), |(hash, _)| *hash);
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

    /// What is before this position has left, or was carried over.
    pub(super) fn start(&self) -> usize {
        self.places.start()
    }

    /// Position of the next new text.
    pub(super) fn end(&self) -> usize {
        self.places.end()
    }

    /// Octets that all texts take.
    pub(super) fn octets(&self) -> usize {
        let blocks = self.blocks.list.iter().chain(&self.blocks.carried);
        let text: usize = blocks.map(|block| block.capacity()).sum();
        text + self.open.capacity() + self.places.octets() + self.table.capacity() * 17
    }

    /// Lets the texts before `cut` leave, but for those that `keep` names.
    pub(super) fn leave(&mut self, cut: usize, keep: impl Fn(usize) -> bool) {
        self.table.retain(|(_, at)| {
            let at = *at as usize;
            at >= cut || self.places.get(at).is_some() && keep(at)
        });
        let Self {
            blocks,
            open,
            places,
            table,
            recent,
        } = self;
        places.leave(cut, |at, _| keep(at));
        if table.capacity() > 4 * places.len() + 1024 {
            table.shrink_to(2 * places.len(), |(hash, _)| *hash);
        }
        *recent = Recent::default();
        // What is carried over moves together, so that the blocks it stood in can go.
        let old: Vec<usize> = places
            .indexed()
            .map(|(at, _)| at)
            .take_while(|at| *at < cut)
            .collect();
        let mut carried: Vec<Vec<u8>> = Vec::new();
        for at in old {
            let text = read(blocks, open, places.get(at));
            if carried.last().is_none_or(|b| b.len() + text.len() > BLOCK) {
                carried.push(Vec::new());
            }
            let number = u32::try_from(carried.len() - 1).unwrap_or(u32::MAX) | CARRIED;
            let Some(block) = carried.last_mut() else {
                continue;
            };
            let start = u32::try_from(block.len()).unwrap_or(u32::MAX);
            block.extend_from_slice(text);
            if let Some(place) = places.get_mut(at) {
                (place.block, place.start) = (number, start);
            }
        }
        blocks.carried = carried.into_iter().map(Arc::new).collect();
        let first = places.get(cut).map_or(blocks.next(), |place| place.block);
        let gone = first.saturating_sub(blocks.gone) as usize;
        blocks.list.drain(..gone.min(blocks.list.len()));
        blocks.gone = first;
    }

    /// An immutable view of all texts so far.
    pub fn publish(&mut self) -> TextsView {
        let mut blocks = self.blocks.clone();
        blocks.list.push(Arc::new(self.open.clone()));
        TextsView {
            blocks,
            places: self.places.publish(),
        }
    }
}

impl Blocks {
    /// Number of the block that is open.
    fn next(&self) -> u32 {
        self.gone + u32::try_from(self.list.len()).unwrap_or(u32::MAX)
    }
}

fn read<'a>(blocks: &'a Blocks, open: &'a [u8], place: Option<&Place>) -> &'a [u8] {
    let Some(place) = place else { return &[] };
    let block = if place.block & CARRIED == 0 {
        blocks
            .list
            .get(place.block.wrapping_sub(blocks.gone) as usize)
    } else {
        blocks.carried.get((place.block & !CARRIED) as usize)
    };
    let block = block.map_or(open, |block| block.as_slice());
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

    /// The numbers that there are: see [`super::paged::Slots`].
    pub(super) fn slots(&self) -> Slots {
        Slots::of(&self.places)
    }

    /// All texts with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (TextId, &[u8])> + '_ {
        self.places
            .indexed()
            .map(|(at, place)| (TextId::at(at), read(&self.blocks, &[], Some(place))))
    }
}
