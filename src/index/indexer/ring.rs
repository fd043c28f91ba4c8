//! The memory ring of a live capture: the index stays within a bound, the oldest messages leave it.
//!
//! Messages are filed in epochs. When the bound is reached the oldest epoch leaves: calls that are
//! over go, with all that only they need; calls that go on, or have messages in later epochs, are
//! carried over. What left is counted, and is in the file. Ids stay what they were and are never
//! given again; the calls that remain are what they would be without a ring.
//!
//! What the messages that stay need is noted piece by piece while the epoch fills
//! ([`Preparation`]), so that nothing has to wait long when the oldest one leaves.

use std::collections::VecDeque;

use super::preparation::{Border, Marks, Preparation};
use super::{Cid, HashedMap, Indexer, Recent};
use crate::index::ids::{CallId, MessageId};
use crate::index::message_store::Repeat;
use crate::index::{CallKind, Left};
use crate::sip::method::Method;

/// Epochs that fill the bound.
const EPOCHS: usize = 8;
/// Smallest bound.
const MIN_OCTETS: usize = 1 << 20;
/// Messages between two looks at the memory in use.
pub(super) const EVERY: usize = 256;
/// What is carried over of one call; less when there are many of them.
const LEVELS: [Level; 3] = [
    Level {
        head: 32,
        tail: 32,
        all: true,
    },
    Level {
        head: 12,
        tail: 4,
        all: false,
    },
    Level {
        head: 6,
        tail: 2,
        all: false,
    },
];
/// Octets that a carried message takes with its texts and parties, about.
const CARRIED_OCTETS: usize = 256;

/// The bound, and where the epochs begin.
pub(super) struct Ring {
    octets: usize,
    /// Those that are in memory, the oldest first.
    borders: VecDeque<Border>,
    /// Octets in memory when the newest epoch began.
    baseline: usize,
    /// For the next one that leaves.
    preparation: Option<Box<Preparation>>,
}

impl Ring {
    pub fn new(octets: usize) -> Self {
        Self {
            octets: octets.max(MIN_OCTETS),
            borders: VecDeque::from([Border::default()]),
            baseline: 0,
            preparation: None,
        }
    }
}

/// How much is carried over of one call.
#[derive(Clone, Copy)]
struct Level {
    /// Its first messages …
    head: usize,
    /// … and its last ones before the border.
    tail: usize,
    /// Also what does not matter for its state: what came again, and other hops.
    all: bool,
}

/// What is carried over of the calls.
#[derive(Default)]
struct Carried {
    rows: Vec<MessageId>,
    /// Messages whose predecessor in the call has left, with the one before that.
    chains: Vec<(MessageId, Option<MessageId>)>,
    /// Calls with the number of messages that left, and their first one now.
    calls: Vec<(CallId, u32, MessageId)>,
}

impl Indexer {
    /// Keeps the index within about `octets`, from now on.
    pub fn set_ring(&mut self, octets: usize) {
        self.ring = Some(Ring::new(octets));
    }

    /// Octets that the index takes, about.
    pub fn octets(&self) -> usize {
        fn table<V>(map: &HashedMap<V>) -> usize {
            map.capacity() * (size_of::<(u64, V)>() + 1)
        }
        let lists = [
            self.rows.octets(),
            self.parties.octets(),
            self.dialogs.octets(),
            self.calls.octets(),
            self.flows.octets(),
            self.extents.octets(),
            self.announcements.octets(),
            self.session_intervals.octets(),
            self.refusals.octets(),
            self.hep.octets(),
            self.told.octets(),
            self.texts.octets(),
        ];
        let tables = [
            self.flow_table.capacity() * 17,
            self.cids.capacity() * size_of::<Cid>() + self.cid_table.capacity() * 5,
            table(&self.dialog_table),
            table(&self.invite_calls),
            table(&self.registrations),
            table(&self.announced_at),
            self.transactions.octets(),
            self.sendings.octets(),
            self.successes.octets(),
            self.rtp.octets(),
            self.odd_methods.len() * 64,
        ];
        lists.iter().chain(&tables).sum()
    }

    /// Looks now and then whether there is too much in memory.
    #[inline]
    pub(super) fn keep_within(&mut self) {
        if self.ring.is_some() && self.rows.end().is_multiple_of(EVERY) {
            self.look_at_memory();
        }
    }

    #[cold]
    fn look_at_memory(&mut self) {
        let end = self.rows.end();
        let mut octets = self.octets();
        let border = Border {
            rows: end,
            parties: self.parties.end(),
            dialogs: self.dialogs.end(),
            calls: self.calls.end(),
            flows: self.flows.end(),
            extents: self.extents.end(),
            announcements: self.announcements.end(),
            texts: self.texts.end(),
            time: self.last_time,
        };
        let Some(ring) = &mut self.ring else { return };
        if octets.saturating_sub(ring.baseline) >= ring.octets / EPOCHS {
            ring.borders.push_back(border);
            ring.baseline = octets;
        }
        if let Some(cut) = ring.borders.get(1).copied() {
            let preparation = self.prepare(&cut, false);
            if let Some(ring) = &mut self.ring {
                ring.preparation = Some(preparation);
            }
        }
        while let Some(cut) = self.overdue(octets) {
            let before = octets;
            self.let_go(&cut);
            octets = self.octets();
            if let Some(ring) = &mut self.ring {
                ring.baseline = ring.baseline.saturating_sub(before.saturating_sub(octets));
            }
        }
    }

    /// Goes on with what is known of the epoch before `cut`, the oldest.
    fn prepare(&mut self, cut: &Border, all: bool) -> Box<Preparation> {
        let ring = self.ring.as_mut();
        let begun = ring.and_then(|ring| ring.preparation.take());
        let begun = begun.filter(|begun| begun.cut.rows == cut.rows);
        let mut preparation = begun.unwrap_or_else(|| Box::new(Preparation::new(self, *cut)));
        preparation.go_on(self, all);
        preparation
    }

    /// Where the second oldest epoch begins, when the oldest has to go; the newest never does.
    fn overdue(&mut self, octets: usize) -> Option<Border> {
        let ring = self.ring.as_mut()?;
        if octets <= ring.octets || ring.borders.len() < 2 {
            return None;
        }
        ring.borders.pop_front();
        ring.borders.front().copied()
    }

    /// Lets what is before `cut` leave, but for what the calls that stay need.
    fn let_go(&mut self, cut: &Border) {
        let half = self.ring.as_ref().map_or(0, |ring| ring.octets / 2);
        let messages = self.rows.len();
        if self.left.first.is_none() {
            self.left.first = self.rows.get(0).map(|row| row.time);
        }
        let mut stays = self.prepare(cut, true);
        let (calls, carried) = self.choose(cut, &stays.living, half / CARRIED_OCTETS);

        for (at, before) in &carried.chains {
            if let Some(row) = self.rows.get_mut(at.index()) {
                row.previous_in_call = *before;
            }
        }
        for (call, left, first) in &carried.calls {
            if let Some(call) = self.calls.get_mut(call.index()) {
                call.left = call.left.saturating_add(*left);
                call.first = *first;
            }
        }
        let mut rows = Marks::new(self.rows.start(), cut.rows);
        for id in &carried.rows {
            rows.add(id.index());
        }
        drop(carried);

        // What stays from the border on was looked at already, what was carried over is added here.
        for (at, row) in self.rows.indexed().take_while(|(at, _)| *at < cut.rows) {
            if rows.has(at) {
                stays.add_row(row, &self.extents);
            }
        }
        for (at, party) in self
            .parties
            .indexed()
            .take_while(|(at, _)| *at < cut.parties)
        {
            if stays.parties.has(at) {
                stays.add_party(party);
            }
        }
        for (at, dialog) in self
            .dialogs
            .indexed()
            .take_while(|(at, _)| *at < cut.dialogs)
        {
            if stays.dialogs.has(at) {
                stays.add_dialog(dialog);
            }
        }
        for (at, call) in self.calls.indexed().take_while(|(at, _)| *at < cut.calls) {
            if calls.has(at) {
                stays.texts.add(call.call_id.index());
            }
        }
        self.hep.retain(|note| rows.has(note.message.index()));
        for (_, note) in self.hep.indexed() {
            if let Some(node) = note.node {
                stays.texts.add(node.index());
            }
        }

        self.rows.leave(cut.rows, |at, _| rows.has(at));
        self.parties
            .leave(cut.parties, |at, _| stays.parties.has(at));
        self.dialogs
            .leave(cut.dialogs, |at, _| stays.dialogs.has(at));
        self.calls.leave(cut.calls, |at, _| calls.has(at));
        self.flows.leave(cut.flows, |at, _| stays.flows.has(at));
        self.extents
            .leave(cut.extents, |at, _| stays.extents.has(at));
        let mut announcements = Marks::new(self.announcements.start(), cut.announcements);
        let old = self.announcements.indexed();
        for (at, a) in old.take_while(|(at, _)| *at < cut.announcements) {
            if rows.has(a.message.index()) && calls.has(a.call.index()) {
                announcements.add(at);
            }
        }
        self.announcements
            .leave(cut.announcements, |at, _| announcements.has(at));
        self.texts.leave(cut.texts, |at| stays.texts.has(at));
        self.session_intervals
            .retain(|(message, _)| rows.has(message.index()));
        self.refusals
            .retain(|refusal| rows.has(refusal.message.index()));
        self.told.retain(|row| rows.has(row.message.index()));
        let odd = std::sync::Arc::make_mut(&mut self.odd_methods);
        odd.retain(|message, _| rows.has(message.index()));
        let icmp = std::sync::Arc::make_mut(&mut self.icmp);
        icmp.leave(cut.time, |message| rows.has(message.index()));

        self.forget(&stays, &calls, &announcements);
        self.left.messages += messages.saturating_sub(self.rows.len()) as u64;
        self.left.before = Some(cut.time);
    }

    /// The calls that stay, and what is carried over of them.
    fn choose(&mut self, cut: &Border, going_on: &Marks, most_rows: usize) -> (Marks, Carried) {
        let first = MessageId::at(cut.rows);
        let mut crossing = Vec::new();
        let mut living = Vec::new();
        for (at, call) in self.calls.indexed().take_while(|(at, _)| *at < cut.calls) {
            let id = CallId::at(at);
            if call.last >= first {
                if call.first < first {
                    crossing.push(id);
                }
            } else if going_on.has(at) {
                living.push((call.last, id));
            } else {
                self.left.add(call.kind);
            }
        }
        living.sort_unstable();
        let mut carried = Carried::default();
        let mut last = LEVELS[0];
        for level in LEVELS {
            let all = crossing.iter().chain(living.iter().map(|(_, id)| id));
            carried = self.carry(all, first, level);
            last = level;
            if carried.rows.len() <= most_rows {
                break;
            }
        }
        // Also so there is no room for all that goes on: those go that were silent longest.
        let too_many = carried.rows.len().saturating_sub(most_rows);
        if too_many > 0 && !living.is_empty() {
            let each = carried.rows.len() / (crossing.len() + living.len()).max(1);
            let some = (too_many / each.max(1) + 1).min(living.len());
            for (_, id) in living.drain(..some) {
                if let Some(call) = self.calls.get(id.index()) {
                    self.left.add(call.kind);
                    self.left.unfinished += u64::from(call.kind == CallKind::Call);
                }
            }
            let all = crossing.iter().chain(living.iter().map(|(_, id)| id));
            carried = self.carry(all, first, last);
        }
        let mut calls = Marks::new(self.calls.start(), cut.calls);
        for (at, call) in self.calls.indexed().take_while(|(at, _)| *at < cut.calls) {
            if call.last >= first {
                calls.add(at);
            }
        }
        for (_, id) in &living {
            calls.add(id.index());
        }
        (calls, carried)
    }

    /// Which messages before `cut` are carried over.
    fn carry<'a>(
        &self,
        calls: impl Iterator<Item = &'a CallId>,
        cut: MessageId,
        level: Level,
    ) -> Carried {
        let mut out = Carried::default();
        let mut old: Vec<MessageId> = Vec::new();
        for id in calls {
            let Some(call) = self.calls.get(id.index()) else {
                continue;
            };
            let vias = self.rows.get(call.first.index()).map(|row| row.via_count);
            // How a call began says what it is; of all else only the newest state counts, and a gap
            // in the middle would look like one in the capture.
            let (head, tail) = match call.kind {
                CallKind::Call => (level.head, level.tail),
                _ => (0, level.head + level.tail),
            };
            old.clear();
            let mut behind = None;
            let mut count = 0_u32;
            let mut at = Some(call.last);
            while let Some(message) = at
                && let Some(row) = self.rows.get(message.index())
            {
                at = row.previous_in_call;
                if message >= cut {
                    behind = Some(message);
                    continue;
                }
                count += 1;
                let far = row.method == Method::Invite && vias.is_some_and(|v| row.via_count > v);
                let matters = row.status != 100 && row.repeat() == Repeat::No && !far;
                if level.all || matters || message == call.last {
                    old.push(message);
                }
            }
            let tail = tail.min(old.len());
            let head = head.min(old.len() - tail);
            old.drain(tail..old.len() - head);
            out.rows.extend_from_slice(&old);
            let left = count - u32::try_from(old.len()).unwrap_or(u32::MAX);
            if left == 0 {
                continue;
            }
            // Newest first: each is linked to the next of those that stay.
            let mut newer = behind;
            for older in old.iter().copied().map(Some).chain([None]) {
                if let Some(message) = newer {
                    out.chains.push((message, older));
                }
                newer = older;
            }
            if let Some(first) = old.last().copied().or(behind) {
                out.calls.push((*id, left, first));
            }
        }
        out
    }

    /// Forgets in the tables of the writer what has left.
    fn forget(&mut self, stays: &Preparation, calls: &Marks, announcements: &Marks) {
        let cut = &stays.cut;
        let Self {
            cids, cid_table, ..
        } = self;
        let call_is_there = |call: CallId| calls.has(call.index());
        self.dialog_table
            .retain(|_, dialog| stays.dialogs.has(dialog.index()));
        self.invite_calls.retain(|_, call| call_is_there(*call));
        self.registrations.retain(|_, call| call_is_there(*call));
        self.announced_at
            .retain(|_, place| announcements.has(place.index()));
        shrink(&mut self.dialog_table);
        shrink(&mut self.invite_calls);
        shrink(&mut self.registrations);
        shrink(&mut self.announced_at);
        self.flow_table
            .retain(|(_, flow)| stays.flows.has(flow.index()));
        let room = self.flow_table.len() * 2;
        if self.flow_table.capacity() > 2 * room + 1024 {
            self.flow_table.shrink_to(room, |(key, _)| *key);
        }
        self.last_flows = [(0, None); 4];

        cids.retain_mut(|cid| {
            for slot in &mut cid.calls {
                *slot = slot.filter(|call| call_is_there(*call));
            }
            for recent in &mut cid.parties {
                if recent.id.is_none_or(|id| !stays.parties.has(id.index())) {
                    *recent = Recent::default();
                }
                recent.dialog = recent.dialog.filter(|d| stays.dialogs.has(d.index()));
            }
            stays.texts.has(cid.text.index()) && cid.calls.iter().any(Option::is_some)
        });
        if cids.capacity() > 4 * cids.len() + 1024 {
            cids.shrink_to(2 * cids.len());
        }
        *cid_table = hashbrown::HashTable::with_capacity(cids.len() + cids.len() / 4);
        for (at, cid) in (0_u32..).zip(cids.iter()) {
            cid_table.insert_unique(cid.hash, at, |i| {
                cids.get(*i as usize).map_or(0, |cid| cid.hash)
            });
        }

        let newer = |id: MessageId| id.index() >= cut.rows;
        self.transactions.retain(|t| {
            let ids = [t.request, t.final_response, t.asked_again];
            call_is_there(t.call) && (t.final_status == 0 || ids.into_iter().flatten().any(newer))
        });
        self.sendings.retain(|sendings| newer(sendings.newest()));
        self.successes.retain(|success| newer(*success));
        let announced_at = &self.announced_at;
        self.left.streams += self
            .rtp
            .leave(cut.time, |place| announced_at.contains_key(&place));
    }
}

impl Left {
    fn add(&mut self, kind: CallKind) {
        if let Some(count) = self.calls.get_mut(kind as usize) {
            *count += 1;
        }
    }
}

/// Gives room back after a burst.
fn shrink<V>(map: &mut HashedMap<V>) {
    if map.capacity() > 4 * map.len() + 1024 {
        map.shrink_to(2 * map.len());
    }
}
