//! How many need an item of a list that items leave: what nobody needs any more leaves with its last user.

use crate::index::ids::TextId;
use crate::index::message_store::MessageRow;
use crate::index::paged::Paged;

/// How many need each item of one list.
#[derive(Default)]
pub(super) struct Uses {
    counts: Paged<u32>,
}

impl Uses {
    /// One more needs an item.
    pub fn add(&mut self, index: usize) {
        while self.counts.end() <= index {
            self.counts.push(0);
        }
        if let Some(count) = self.counts.get_mut(index) {
            *count = count.saturating_add(1);
        }
    }

    /// One less needs an item; true when nobody does any more.
    pub fn take(&mut self, index: usize) -> bool {
        let Some(count) = self.counts.get_mut(index) else {
            return false;
        };
        *count = count.saturating_sub(1);
        *count == 0
    }

    /// True when somebody needs an item.
    pub fn has(&self, index: usize) -> bool {
        self.counts.get(index).is_some_and(|count| *count > 0)
    }

    /// The oldest item of the list leaves, or is carried over if somebody needs it.
    pub fn leave(&mut self, index: usize) {
        while self.counts.end() <= index {
            self.counts.push(0);
        }
        if let Some((at, count)) = self.counts.leave()
            && count > 0
        {
            self.counts.carry(at, count);
        }
    }

    /// An item that was carried over leaves.
    pub fn remove(&mut self, index: usize) {
        self.counts.remove(index);
    }

    pub fn octets(&self) -> usize {
        self.counts.octets()
    }

    #[cfg(test)]
    pub fn all(&self) -> impl Iterator<Item = (usize, u32)> + '_ {
        self.counts.indexed().map(|(at, count)| (at, *count))
    }
}

/// How many need the items that messages share.
#[derive(Default)]
pub(super) struct Users {
    pub flows: Uses,
    pub parties: Uses,
    pub dialogs: Uses,
    pub texts: Uses,
}

impl Users {
    /// A message was filed.
    pub fn add_row(&mut self, row: &MessageRow) {
        self.flows.add(row.flow.index());
        self.parties.add(row.parties.index());
        if let Some(dialog) = row.dialog {
            self.dialogs.add(dialog.index());
        }
        self.add_texts(row.texts());
    }

    /// Something needs these texts.
    pub fn add_texts(&mut self, texts: impl IntoIterator<Item = Option<TextId>>) {
        for text in texts.into_iter().flatten() {
            self.texts.add(text.index());
        }
    }

    pub fn octets(&self) -> usize {
        let Self {
            flows,
            parties,
            dialogs,
            texts,
        } = self;
        [flows, parties, dialogs, texts]
            .map(Uses::octets)
            .iter()
            .sum()
    }
}
