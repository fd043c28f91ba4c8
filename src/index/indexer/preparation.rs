//! What stays when the oldest epoch leaves, noted piece by piece beforehand.

use std::collections::HashSet;

use super::Indexer;
use super::ring::EVERY;
use crate::bytes::Extent;
use crate::index::call::{self, State};
use crate::index::ids::{CallId, MessageId};
use crate::index::message_store::{MessageRow, Parties, flag};
use crate::index::paged::Paged;
use crate::index::{CallKind, Dialog, IndexView};

/// Items of each list that are looked at then for the epoch that leaves next: so many that all epochs are
/// done before another one is full, also when calls have few messages.
const AT_ONCE: usize = 16 * EVERY;
/// Calls of which is told then whether they are over.
const CALLS_AT_ONCE: usize = 2 * EVERY;

/// Positions in all lists where an epoch begins.
#[derive(Clone, Copy, Default)]
pub(super) struct Border {
    pub rows: usize,
    pub parties: usize,
    pub dialogs: usize,
    pub calls: usize,
    pub flows: usize,
    pub extents: usize,
    pub announcements: usize,
    pub texts: usize,
    pub time: i64,
}

/// What stays when the oldest epoch leaves, as far as it is known. Only calls change once they are in
/// their list, so what was looked at need not be looked at again.
pub(super) struct Preparation {
    pub cut: Border,
    /// Behind the last items that were looked at, of those from the border on.
    done: Border,
    pub parties: Marks,
    pub dialogs: Marks,
    pub flows: Marks,
    pub extents: Marks,
    pub texts: Marks,
    /// Calls without messages behind the border, not looked at yet.
    undecided: Vec<CallId>,
    /// Those of them that go on, if nothing more came for them.
    pub living: Marks,
}

impl Preparation {
    pub fn new(index: &Indexer, cut: Border) -> Self {
        let first = MessageId::at(cut.rows);
        let old = index.calls.indexed().take_while(|(at, _)| *at < cut.calls);
        let silent = old.filter(|(_, call)| call.last < first);
        Self {
            done: cut,
            parties: Marks::new(index.parties.start(), cut.parties),
            dialogs: Marks::new(index.dialogs.start(), cut.dialogs),
            flows: Marks::new(index.flows.start(), cut.flows),
            extents: Marks::new(index.extents.start(), cut.extents),
            texts: Marks::new(index.texts.start(), cut.texts),
            undecided: silent.map(|(at, _)| CallId::at(at)).collect(),
            living: Marks::new(index.calls.start(), cut.calls),
            cut,
        }
    }

    /// Looks at some more items, or at all that are left.
    pub fn go_on(&mut self, index: &mut Indexer, all: bool) {
        let most = |n: usize| if all { usize::MAX } else { n };
        self.decide(index, most(CALLS_AT_ONCE));
        let Border {
            rows,
            parties,
            dialogs,
            calls,
            ..
        } = self.done;
        let behind = |from: usize, end: usize| from.saturating_add(most(AT_ONCE)).min(end);
        self.done.rows = behind(rows, index.rows.end());
        self.done.parties = behind(parties, index.parties.end());
        self.done.dialogs = behind(dialogs, index.dialogs.end());
        self.done.calls = behind(calls, index.calls.end());
        for row in (rows..self.done.rows).filter_map(|at| index.rows.get(at)) {
            self.add_row(row, &index.extents);
        }
        for party in (parties..self.done.parties).filter_map(|at| index.parties.get(at)) {
            self.add_party(party);
        }
        for dialog in (dialogs..self.done.dialogs).filter_map(|at| index.dialogs.get(at)) {
            self.add_dialog(dialog);
        }
        for call in (calls..self.done.calls).filter_map(|at| index.calls.get(at)) {
            self.texts.add(call.call_id.index());
        }
    }

    /// Decides which of the calls that have been silent since the border go on.
    fn decide(&mut self, index: &mut Indexer, most: usize) {
        if self.undecided.is_empty() {
            return;
        }
        let first = MessageId::at(self.cut.rows);
        // Its pages are shared only until the end of this function.
        let view = index.publish();
        let from = self.undecided.len().saturating_sub(most);
        for id in self.undecided.drain(from..) {
            let silent = view.call(id).filter(|call| call.last < first);
            if silent.is_some_and(|call| is_living(&view, id, call.kind)) {
                self.living.add(id.index());
            }
        }
    }

    pub fn add_row(&mut self, row: &MessageRow, all_extents: &Paged<Extent>) {
        self.parties.add(row.parties.index());
        self.flows.add(row.flow.index());
        self.texts.add(row.start_text.index());
        for text in [row.user_agent, row.body_text].into_iter().flatten() {
            self.texts.add(text.index());
        }
        if let Some(dialog) = row.dialog {
            self.dialogs.add(dialog.index());
        }
        if row.flags & flag::SCATTERED != 0 {
            let mut at = usize::try_from(row.place).unwrap_or(usize::MAX);
            let mut left = row.len;
            while left > 0
                && let Some(extent) = all_extents.get(at)
            {
                self.extents.add(at);
                left = left.saturating_sub(extent.len);
                at += 1;
            }
        }
    }

    pub fn add_party(&mut self, p: &Parties) {
        let tags = [p.from_tag, p.to_tag].into_iter().flatten();
        let all = [p.call_id, p.from_uri, p.to_uri].into_iter().chain(tags);
        all.for_each(|text| self.texts.add(text.index()));
    }

    pub fn add_dialog(&mut self, d: &Dialog) {
        let tags = [d.local_tag, d.remote_tag].into_iter().flatten();
        let all = std::iter::once(d.call_id).chain(tags);
        all.for_each(|text| self.texts.add(text.index()));
    }
}

/// What of a list stays: all from `cut` on, and some before it.
pub(super) struct Marks {
    start: usize,
    cut: usize,
    dense: Vec<u64>,
    /// Those that were carried over before.
    old: HashSet<usize>,
}

impl Marks {
    /// Nothing before `cut`; the list was cut at `start` before.
    pub fn new(start: usize, cut: usize) -> Self {
        Self {
            start,
            cut,
            dense: vec![0; cut.saturating_sub(start).div_ceil(64)],
            old: HashSet::new(),
        }
    }

    pub fn add(&mut self, index: usize) {
        if index >= self.cut {
            return;
        }
        let Some(at) = index.checked_sub(self.start) else {
            self.old.insert(index);
            return;
        };
        if let Some(word) = self.dense.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    pub fn has(&self, index: usize) -> bool {
        if index >= self.cut {
            return true;
        }
        let Some(at) = index.checked_sub(self.start) else {
            return self.old.contains(&index);
        };
        self.dense
            .get(at / 64)
            .is_some_and(|word| word >> (at % 64) & 1 == 1)
    }
}

/// More messages are to be expected.
fn is_living(view: &IndexView, id: CallId, kind: CallKind) -> bool {
    match kind {
        CallKind::Message | CallKind::Options | CallKind::Other => return false,
        CallKind::Call | CallKind::Registration | CallKind::Subscription => {}
    }
    call::summary(view, id).is_some_and(|summary| {
        matches!(
            summary.state,
            State::Calling
                | State::Ringing
                | State::EarlyMedia
                | State::Answered
                | State::Registered
                | State::Active
                | State::Pending
        )
    })
}
