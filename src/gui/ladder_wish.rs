//! What a person wants to see in the ladder: which calls together, and lanes as they arranged them.

use crate::index::ids::CallId;
use crate::index::{IndexView, mix};
use crate::present::ladder::arrangement::{Arrangement, Change};

/// Calls in one ladder; of more marked ones the first are drawn.
pub const MAX_CALLS: usize = 64;
/// Arrangements that can be gone back to.
const MAX_UNDO: usize = 100;

/// The arrangement of lanes, and earlier ones.
#[derive(Clone, Debug, Default)]
pub struct LadderWish {
    arrangement: Arrangement,
    earlier: Vec<Arrangement>,
    /// The call beside the marked ones.
    beside: Option<CallId>,
    /// Counts changes: the same number means the same wish.
    serial: u64,
}

impl LadderWish {
    /// Lanes and folds.
    pub fn arrangement(&self) -> &Arrangement {
        &self.arrangement
    }

    /// There is something to be taken back.
    pub fn can_undo(&self) -> bool {
        !self.earlier.is_empty()
    }

    /// The calls to be drawn: those that are marked, and one beside them: the selected one, or the
    /// one that was selected before a message of a marked call was.
    pub fn calls(&mut self, view: &IndexView, marked: &[CallId], selected: CallId) -> Vec<CallId> {
        if marked.is_empty() || !marked.contains(&selected) {
            self.beside = Some(selected);
        }
        let there = |call: &CallId| view.call(*call).is_some();
        let mut calls: Vec<CallId> = marked.iter().copied().filter(there).collect();
        calls.truncate(MAX_CALLS);
        calls.extend(self.beside.filter(there));
        calls.sort_unstable();
        calls.dedup();
        calls
    }

    /// Differs for every state of the arrangement and every set of calls.
    pub fn stamp(&self, calls: &[CallId]) -> u64 {
        let numbers = calls.iter().map(|call| u64::from(call.get()));
        numbers.fold(self.serial, mix)
    }

    /// Changes the arrangement; folds are no arrangement that is missed when it is gone.
    pub fn arrange(&mut self, change: &Change) {
        let before = self.arrangement.clone();
        self.arrangement.apply(change);
        let keeps = matches!(change, Change::Fold(_) | Change::FoldAll(_));
        if !keeps && before != self.arrangement {
            if self.earlier.len() >= MAX_UNDO {
                self.earlier.remove(0);
            }
            self.earlier.push(before);
        }
        self.serial += 1;
    }

    /// Takes over what was kept of an earlier time; that is no step that could be taken back.
    pub fn take_over(&mut self, changes: &[Change]) {
        for change in changes {
            self.arrangement.apply(change);
            for before in &mut self.earlier {
                before.apply(change);
            }
        }
        self.serial += 1;
    }

    /// Takes the last change of lanes or notes back.
    pub fn undo(&mut self) {
        if let Some(before) = self.earlier.pop() {
            self.arrangement = before;
            self.serial += 1;
        }
    }

    /// Another capture: nothing of it is known.
    pub fn forget(&mut self) {
        *self = Self {
            serial: self.serial + 1,
            ..Self::default()
        };
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::present::ladder::arrangement::LaneKey;

    #[test]
    fn lanes_can_be_put_back_step_by_step() {
        let mut wish = LadderWish::default();
        let lane = LaneKey {
            ip: "192.0.2.1".parse().unwrap(),
            port: None,
        };
        wish.arrange(&Change::Rename(lane, "Proxy".to_owned()));
        wish.arrange(&Change::Hide(lane));
        wish.arrange(&Change::ShowAll);
        wish.undo();
        assert!(wish.arrangement().is_hidden(lane));
        wish.undo();
        assert!(!wish.arrangement().is_hidden(lane));
        assert_eq!(wish.arrangement().alias(lane), Some("Proxy"));
        wish.undo();
        assert_eq!(wish.arrangement(), &Arrangement::default());
        assert!(!wish.can_undo());
    }
}
