//! The memory ring of a live capture: the index stays within a bound, the oldest messages leave it.
//!
//! Messages are filed in epochs. When the bound is reached the oldest epoch leaves: calls that are
//! over go, with all that only they need; calls that go on, or have messages in later epochs, are
//! carried over. What left is counted, and is in the file. Ids stay what they were and are never
//! given again; the calls that remain are what they would be without a ring.

use std::collections::{HashSet, VecDeque};

use super::{Cid, HashedMap, IndexView, Indexer, Recent};
use crate::index::call::{self, State};
use crate::index::ids::{CallId, MessageId};
use crate::index::message_store::{Repeat, flag};
use crate::index::{CallKind, Left};
use crate::sip::method::Method;

/// Epochs that fill the bound.
const EPOCHS: usize = 8;
/// Smallest bound.
const MIN_OCTETS: usize = 1 << 20;
/// Messages between two looks at the memory in use.
const EVERY: usize = 256;
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
}

/// Positions in all lists where an epoch begins.
#[derive(Clone, Copy, Default)]
struct Border {
    rows: usize,
    parties: usize,
    dialogs: usize,
    calls: usize,
    flows: usize,
    extents: usize,
    announcements: usize,
    texts: usize,
    time: i64,
}

impl Ring {
    pub fn new(octets: usize) -> Self {
        Self {
            octets: octets.max(MIN_OCTETS),
            borders: VecDeque::from([Border::default()]),
            baseline: 0,
        }
    }
}

/// What of a list stays: all from `cut` on, and some before it.
struct Marks {
    start: usize,
    cut: usize,
    dense: Vec<u64>,
    /// Those that were carried over before.
    old: HashSet<usize>,
}

impl Marks {
    /// Nothing before `cut`; the list was cut at `start` before.
    fn new(start: usize, cut: usize) -> Self {
        Self {
            start,
            cut,
            dense: vec![0; cut.saturating_sub(start).div_ceil(64)],
            old: HashSet::new(),
        }
    }

    fn add(&mut self, index: usize) {
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

    fn has(&self, index: usize) -> bool {
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
        while let Some(cut) = self.overdue(octets) {
            let before = octets;
            self.let_go(&cut);
            octets = self.octets();
            if let Some(ring) = &mut self.ring {
                ring.baseline = ring.baseline.saturating_sub(before.saturating_sub(octets));
            }
        }
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
        let (calls, carried) = self.choose(cut, half / CARRIED_OCTETS);

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

        let mut parties = Marks::new(self.parties.start(), cut.parties);
        let mut dialogs = Marks::new(self.dialogs.start(), cut.dialogs);
        let mut flows = Marks::new(self.flows.start(), cut.flows);
        let mut extents = Marks::new(self.extents.start(), cut.extents);
        let mut texts = Marks::new(self.texts.start(), cut.texts);
        for (_, row) in self.rows.indexed().filter(|(at, _)| rows.has(*at)) {
            parties.add(row.parties.index());
            flows.add(row.flow.index());
            texts.add(row.start_text.index());
            for text in [row.user_agent, row.body_text].into_iter().flatten() {
                texts.add(text.index());
            }
            if let Some(dialog) = row.dialog {
                dialogs.add(dialog.index());
            }
            if row.flags & flag::SCATTERED != 0 {
                let mut at = usize::try_from(row.place).unwrap_or(usize::MAX);
                let mut left = row.len;
                while left > 0
                    && let Some(extent) = self.extents.get(at)
                {
                    extents.add(at);
                    left = left.saturating_sub(extent.len);
                    at += 1;
                }
            }
        }
        for (_, p) in self.parties.indexed().filter(|(at, _)| parties.has(*at)) {
            let tags = [p.from_tag, p.to_tag].into_iter().flatten();
            let all = [p.call_id, p.from_uri, p.to_uri].into_iter().chain(tags);
            all.for_each(|text| texts.add(text.index()));
        }
        for (_, d) in self.dialogs.indexed().filter(|(at, _)| dialogs.has(*at)) {
            let tags = [d.local_tag, d.remote_tag].into_iter().flatten();
            let all = std::iter::once(d.call_id).chain(tags);
            all.for_each(|text| texts.add(text.index()));
        }
        for (_, call) in self.calls.indexed().filter(|(at, _)| calls.has(*at)) {
            texts.add(call.call_id.index());
        }
        self.hep.retain(|note| rows.has(note.message.index()));
        for (_, note) in self.hep.indexed() {
            if let Some(node) = note.node {
                texts.add(node.index());
            }
        }

        self.rows.leave(cut.rows, |at, _| rows.has(at));
        self.parties.leave(cut.parties, |at, _| parties.has(at));
        self.dialogs.leave(cut.dialogs, |at, _| dialogs.has(at));
        self.calls.leave(cut.calls, |at, _| calls.has(at));
        self.flows.leave(cut.flows, |at, _| flows.has(at));
        self.extents.leave(cut.extents, |at, _| extents.has(at));
        self.announcements.leave(cut.announcements, |_, a| {
            rows.has(a.message.index()) && calls.has(a.call.index())
        });
        self.texts.leave(cut.texts, |at| texts.has(at));
        self.session_intervals
            .retain(|(message, _)| rows.has(message.index()));
        self.told.retain(|row| rows.has(row.message.index()));
        let odd = std::sync::Arc::make_mut(&mut self.odd_methods);
        odd.retain(|message, _| rows.has(message.index()));
        let icmp = std::sync::Arc::make_mut(&mut self.icmp);
        icmp.leave(cut.time, |message| rows.has(message.index()));

        self.forget(cut, &texts);
        self.left.messages += messages.saturating_sub(self.rows.len()) as u64;
        self.left.before = Some(cut.time);
    }

    /// The calls that stay, and what is carried over of them.
    fn choose(&mut self, cut: &Border, most_rows: usize) -> (Marks, Carried) {
        let first = MessageId::at(cut.rows);
        let mut crossing = Vec::new();
        let mut living = Vec::new();
        // Its pages are shared only until the end of this function.
        let view = self.publish();
        for (at, call) in self.calls.indexed() {
            let id = CallId::at(at);
            if call.last >= first {
                if call.first < first {
                    crossing.push(id);
                }
            } else if is_living(&view, id, call.kind) {
                living.push((call.last, id));
            } else {
                self.left.add(call.kind);
            }
        }
        drop(view);
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
    fn forget(&mut self, cut: &Border, texts: &Marks) {
        let Self {
            calls,
            dialogs,
            flows,
            parties,
            announcements,
            cids,
            cid_table,
            ..
        } = self;
        let call_is_there = |call: CallId| calls.get(call.index()).is_some();
        self.dialog_table
            .retain(|_, dialog| dialogs.get(dialog.index()).is_some());
        self.invite_calls.retain(|_, call| call_is_there(*call));
        self.registrations.retain(|_, call| call_is_there(*call));
        self.announced_at
            .retain(|_, place| announcements.get(place.index()).is_some());
        shrink(&mut self.dialog_table);
        shrink(&mut self.invite_calls);
        shrink(&mut self.registrations);
        shrink(&mut self.announced_at);
        self.flow_table
            .retain(|(_, flow)| flows.get(flow.index()).is_some());
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
                if recent.id.is_none_or(|id| parties.get(id.index()).is_none()) {
                    *recent = Recent::default();
                }
                recent.dialog = recent.dialog.filter(|d| dialogs.get(d.index()).is_some());
            }
            texts.has(cid.text.index()) && cid.calls.iter().any(Option::is_some)
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

/// Gives room back after a burst.
fn shrink<V>(map: &mut HashedMap<V>) {
    if map.capacity() > 4 * map.len() + 1024 {
        map.shrink_to(2 * map.len());
    }
}
