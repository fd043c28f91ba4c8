//! Interned text: each different string once, known by a number.

use hashbrown::HashTable;

use super::carried::{Carried, CarriedView};
use super::ids::TextId;
use super::paged::{Paged, PagedView, Slots};
use std::sync::Arc;

/// Octets in a block of text.
const BLOCK: usize = 64 << 10;
/// Of longer texts only this much is kept, and a hash that keeps them apart.
pub const MAX_TEXT: usize = 64 << 10;

/// What a text that was carried over takes beside its octets, about.
const KEPT_COST: usize = 24;

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
    /// Those that were carried over, and their octets.
    kept: Carried<Arc<[u8]>>,
    kept_octets: usize,
}

/// Octets of texts, in pieces that do not change any more.
#[derive(Clone, Default)]
struct Blocks {
    list: Vec<Arc<Vec<u8>>>,
    /// Number of blocks that have left.
    gone: u32,
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
    kept: CarriedView<Arc<[u8]>>,
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
        match self.places.get(id.index()) {
            Some(place) => read(&self.blocks, &self.open, place),
            None => self.kept.get(id.index()).map_or(&[], |text| text),
        }
    }

    /// Number of different texts.
    pub fn len(&self) -> usize {
        self.places.len() + self.kept.len()
    }

    /// True when nothing was interned.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of texts that are found again.
    #[cfg(test)]
    pub(super) fn listed(&self) -> usize {
        self.table.len()
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
        let text = self.blocks.list.len() * BLOCK + self.open.capacity();
        let kept = self.kept.octets() + self.kept.len() * KEPT_COST + self.kept_octets;
        text + kept + self.places.octets() + self.table.capacity() * 17
    }

    /// Lets the oldest text leave that was not carried over: it is carried over if it is `used`, else it is
    /// given.
    pub(super) fn leave(&mut self, used: impl Fn(usize) -> bool) -> Option<(TextId, Arc<[u8]>)> {
        let (at, place) = self.places.leave()?;
        let text: Arc<[u8]> = read(&self.blocks, &self.open, &place).into();
        // The blocks in which no text stands any more go.
        let first = self.places.get(at + 1);
        let first = first.map_or(self.blocks.next(), |place| place.block);
        let gone = first.saturating_sub(self.blocks.gone) as usize;
        if gone > 0 {
            self.blocks.list.drain(..gone.min(self.blocks.list.len()));
            self.blocks.gone = first;
        }
        if used(at) {
            self.kept_octets += text.len();
            self.kept.push(at, text);
            return None;
        }
        self.unlist(at, &text);
        Some((TextId::at(at), text))
    }

    /// Takes out a text that was carried over, and gives it.
    pub(super) fn remove(&mut self, at: usize) -> Option<Arc<[u8]>> {
        let text = self.kept.remove(at)?;
        self.kept_octets -= text.len();
        self.unlist(at, &text);
        Some(text)
    }

    /// It will not be found any more.
    fn unlist(&mut self, at: usize, text: &[u8]) {
        let hash = super::hash_bytes(text);
        let is_it = |(_, number): &(u64, u32)| *number as usize == at;
        if let Ok(entry) = self.table.find_entry(hash, is_it) {
            entry.remove();
        }
        if let Some(slot) = self.recent.0.get_mut(hash as usize % RECENT)
            && slot.1 == Some(TextId::at(at))
        {
            *slot = (0, None);
        }
    }

    /// An immutable view of all texts so far.
    pub fn publish(&mut self) -> TextsView {
        let mut blocks = self.blocks.clone();
        blocks.list.push(Arc::new(self.open.clone()));
        TextsView {
            blocks,
            places: self.places.publish(),
            kept: self.kept.publish(),
        }
    }
}

/// The hash that a text was given with to [`Texts::intern`], also when only its beginning is kept.
pub(super) fn hash_of(text: &[u8]) -> u64 {
    let written = text.get(MAX_TEXT..).unwrap_or_default();
    let digits = written.len().saturating_sub(16);
    let digits = written.get(digits..).filter(|digits| !digits.is_empty());
    let hash = digits.and_then(|digits| u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok());
    hash.unwrap_or_else(|| super::hash_bytes(text))
}

impl Blocks {
    /// Number of the block that is open.
    fn next(&self) -> u32 {
        self.gone + u32::try_from(self.list.len()).unwrap_or(u32::MAX)
    }
}

fn read<'a>(blocks: &'a Blocks, open: &'a [u8], place: &Place) -> &'a [u8] {
    let number = place.block.wrapping_sub(blocks.gone) as usize;
    let block = blocks.list.get(number);
    let block = block.map_or(open, |block| block.as_slice());
    let start = place.start as usize;
    block
        .get(start..start + place.len as usize)
        .unwrap_or_default()
}

impl TextsView {
    /// The octets of a text.
    pub fn bytes(&self, id: TextId) -> &[u8] {
        match self.places.get(id.index()) {
            Some(place) => read(&self.blocks, &[], place),
            None => self.kept.get(id.index()).map_or(&[], |text| text),
        }
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
        self.places.len() + self.kept.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers that there are: see [`super::paged::Slots`].
    pub(super) fn slots(&self) -> Slots {
        Slots::with(&self.places, &self.kept)
    }

    /// All texts with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (TextId, &[u8])> + '_ {
        let kept = self.kept.iter();
        let kept = kept.map(|(at, text)| (TextId::at(at), &**text));
        let places = self.places.indexed();
        kept.chain(places.map(|(at, place)| (TextId::at(at), read(&self.blocks, &[], place))))
    }
}
