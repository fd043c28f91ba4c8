//! The memory ring of a live capture: the index stays within a bound, the oldest messages leave it.
//!
//! When the bound is reached a border moves on through the messages, some at a time. A message that
//! it passes is carried over. When it passes the newest message of a call the call leaves with all
//! its messages, unless it goes on; then it stays until more comes or it is over, or until there are
//! too many of them. What messages share leaves with the last one that needs it. What left is counted,
//! and is in the file. Ids stay what they were and are never given again; the calls that remain are
//! what they would be without a ring.
//!
//! Nothing is ever done to all of a list at once, so that nobody who watches has to wait.

mod release;

use std::collections::VecDeque;

use super::users::Users;
use super::{Cid, HashedMap, Indexer};
use crate::index::call::{self, State};
use crate::index::carried::Carried;
use crate::index::ids::{CallId, MessageId};
use crate::index::message_store::{MessageRow, Repeat};
use crate::index::{Call, CallKind, Left};
use crate::sip::method::Method;

/// Smallest bound.
const MIN_OCTETS: usize = 1 << 20;
/// Messages between two looks at the memory in use, and between two places where the border may be.
const EVERY: usize = 256;
/// Places that the border moves on at one look.
const STEPS: usize = 4;
/// The newest messages stay: one part in so many of those that are there.
const NEWEST: usize = 8;
/// How often all that is looked at now and then is looked at while as many messages come as are there.
const ROUNDS: usize = 8;
/// Parts of the tables that forget with time.
const PARTS: usize = 64;
/// Calls of which less is carried over at one look, when there is too much.
const CALLS_AT_ONCE: usize = 512;
/// Octets that a carried message takes with its texts and parties, about.
const CARRIED_OCTETS: usize = 256;
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

/// Positions in all lists when so many messages had been filed.
#[derive(Clone, Copy)]
struct Border {
    rows: usize,
    parties: usize,
    dialogs: usize,
    calls: usize,
    flows: usize,
    extents: usize,
    texts: usize,
    time: i64,
}

/// The messages of a call that were carried over: the newest one, and how many there are.
#[derive(Clone, Copy, Default)]
struct Kept {
    newest: Option<MessageId>,
    count: usize,
}

/// A call that goes on and whose newest message the border has passed.
#[derive(Clone, Copy)]
struct Silent {
    call: CallId,
    /// Its newest message; when there is a newer one it is not silent any more.
    last: MessageId,
    /// Asked again now and then: time may end it.
    ask: bool,
    /// It was asked in vain.
    over: bool,
}

/// The bound, and what is known of what was carried over.
pub(super) struct Ring {
    octets: usize,
    /// Where the border can be next, the oldest place first.
    borders: VecDeque<Border>,
    pub users: Users,
    /// Of each call that was carried over.
    kept: Carried<Kept>,
    /// Calls whose newest message the border has passed and of which it is not told yet whether they go on.
    passed: Vec<CallId>,
    /// Calls that go on, silent longest first.
    silent: VecDeque<Silent>,
    /// How many of them are known not to be silent any more.
    over: usize,
    /// The next of them that is asked whether it still goes on, and how much of that was not done yet.
    asked: usize,
    ask_due: usize,
    /// How much is carried over of a call now: one of [`LEVELS`].
    level: usize,
    /// Calls up to this position are at that level; none when all are.
    trimmed: Option<usize>,
    /// The part of the tables that is looked at next, and how much of a look was not used up.
    part: usize,
    part_due: usize,
    /// Messages filed when streams and errors were looked at.
    looked_at: usize,
}

impl Ring {
    fn new(octets: usize) -> Self {
        Self {
            octets: octets.max(MIN_OCTETS),
            borders: VecDeque::new(),
            users: Users::default(),
            kept: Carried::default(),
            passed: Vec::new(),
            silent: VecDeque::new(),
            over: 0,
            asked: 0,
            ask_due: 0,
            level: 0,
            trimmed: None,
            part: 0,
            part_due: 0,
            looked_at: 0,
        }
    }

    fn octets(&self) -> usize {
        let lists = self.borders.capacity() * size_of::<Border>()
            + self.silent.capacity() * size_of::<Silent>();
        lists + self.users.octets() + self.kept.octets()
    }

    fn level(&self) -> Level {
        LEVELS.get(self.level).copied().unwrap_or(LEVELS[0])
    }
}

impl Indexer {
    /// Keeps the index within about `octets`; to be said before the first message.
    pub fn set_ring(&mut self, octets: usize) {
        self.ring = Some(Ring::new(octets));
        self.transactions.divide(PARTS);
        self.sendings.divide(PARTS);
        self.successes.divide(PARTS);
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
            self.free_cids.capacity() * 4,
            table(&self.dialog_table),
            table(&self.invite_calls),
            table(&self.registrations),
            table(&self.announced_at),
            self.transactions.octets(),
            self.sendings.octets(),
            self.successes.octets(),
            self.rtp.octets(),
            self.odd_methods.len() * 64,
            self.ring.as_ref().map_or(0, Ring::octets),
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
        let Some(mut ring) = self.ring.take() else {
            return;
        };
        ring.borders.push_back(Border {
            rows: self.rows.end(),
            parties: self.parties.end(),
            dialogs: self.dialogs.end(),
            calls: self.calls.end(),
            flows: self.flows.end(),
            extents: self.extents.end(),
            texts: self.texts.end(),
            time: self.last_time,
        });
        let full = |index: &Self, ring: &Ring| index.octets() + ring.octets() > ring.octets;
        let mut stands = false;
        for _ in 0..STEPS {
            if !full(self, &ring) {
                break;
            }
            let newest = self.rows.len() / NEWEST;
            let next = ring.borders.front().copied();
            let Some(next) = next.filter(|next| self.rows.end() - next.rows > newest) else {
                stands = true;
                break;
            };
            ring.borders.pop_front();
            self.pass(&mut ring, &next);
        }
        if self.left.before.is_some() {
            self.tell(&mut ring);
            self.relieve(&mut ring, stands);
            self.forget(&mut ring);
        }
        self.ring = Some(ring);
    }

    /// Moves the border.
    fn pass(&mut self, ring: &mut Ring, next: &Border) {
        if self.left.first.is_none() {
            self.left.first = self.rows.get(0).map(|row| row.time);
        }
        // What belongs to one message or call leaves with it.
        let first = MessageId::at(next.rows);
        self.extents.carry_before(next.extents);
        self.announcements.carry_while(|a| a.message < first);
        self.refusals.carry_while(|refusal| refusal.message < first);
        self.session_intervals
            .carry_while(|(message, _)| *message < first);
        self.hep.carry_while(|note| note.message < first);
        self.told.carry_while(|row| row.message < first);
        while self.calls.start() < next.calls
            && let Some((at, call)) = self.calls.leave()
        {
            self.calls.carry(at, call);
            ring.kept.push(at, Kept::default());
        }
        while self.rows.start() < next.rows
            && let Some((at, row)) = self.rows.leave()
        {
            self.pass_message(ring, MessageId::at(at), row);
        }
        self.left.before = Some(next.time);
        self.leave_shared(ring, next);
    }

    /// Carries a message over.
    fn pass_message(&mut self, ring: &mut Ring, id: MessageId, mut row: MessageRow) {
        let at = row.call.index();
        let level = ring.level();
        let (Some(call), Some(kept)) = (self.calls.get(at), ring.kept.get_mut(at)) else {
            self.left.messages += 1;
            self.release(ring, id, &row);
            return;
        };
        let (call_id, newest) = (row.call, call.last == id);
        kept.count += 1;
        let many = kept.count > 2 * (level.head + level.tail);
        let before = kept.newest.replace(id);
        // The one before it was the newest before the border, and is not any more.
        if !level.all
            && let Some(before) = before
            && !self.matters(before)
            && let Some(old) = self.take_message(ring, before)
        {
            row.previous_in_call = old.previous_in_call;
            if let Some(call) = self.calls.get_mut(at) {
                call.left += 1;
                if call.first == before {
                    call.first = id;
                }
            }
            if let Some(kept) = ring.kept.get_mut(at) {
                kept.count -= 1;
            }
        }
        self.rows.carry(id.index(), row);
        if many {
            self.trim(ring, call_id, level);
        }
        if newest {
            let call = self.calls.get(at);
            let goes_on = call.is_some_and(|call| match call.kind {
                CallKind::Message | CallKind::Options | CallKind::Other => false,
                // A BYE ends one of its dialogs, and a fork may have others that go on.
                CallKind::Call => !call.over || self.is_fork(call),
                CallKind::Registration | CallKind::Subscription => true,
            });
            if goes_on {
                ring.passed.push(call_id);
            } else {
                self.remove_call(ring, call_id);
            }
        }
    }

    /// The messages of a call are of more than one dialog.
    fn is_fork(&self, call: &Call) -> bool {
        let mut known = None;
        let mut next = Some(call.last);
        while let Some(row) = next.and_then(|id| self.rows.get(id.index())) {
            next = row.previous_in_call;
            if row.dialog.is_some() && row.dialog != *known.get_or_insert(row.dialog) {
                return true;
            }
        }
        false
    }

    /// False for what does not matter for the state of its call: what came again, and other hops.
    fn matters(&self, id: MessageId) -> bool {
        let Some(row) = self.rows.get(id.index()) else {
            return false;
        };
        let first = self.calls.get(row.call.index()).map(|call| call.first);
        let first = first.and_then(|first| self.rows.get(first.index()));
        let far = first.is_some_and(|first| row.via_count > first.via_count);
        row.status != 100 && row.repeat() == Repeat::No && !(far && row.method == Method::Invite)
    }

    /// Keeps of a call only what is carried over at a level.
    fn trim(&mut self, ring: &mut Ring, id: CallId, level: Level) {
        let Some(kept) = ring.kept.get(id.index()).copied() else {
            return;
        };
        // How a call began says what it is; of all else only the newest state counts, and a gap
        // in the middle would look like one in the capture.
        let kind = self.calls.get(id.index()).map(|call| call.kind);
        let (head, tail) = match kind {
            Some(CallKind::Call) => (level.head, level.tail),
            _ => (0, level.head + level.tail),
        };
        let mut stay = Vec::with_capacity(kept.count);
        let mut go = Vec::new();
        let mut next = kept.newest;
        while let Some(message) = next
            && let Some(row) = self.rows.get(message.index())
        {
            next = row.previous_in_call;
            if level.all || kept.newest == Some(message) || self.matters(message) {
                stay.push(message);
            } else {
                go.push(message);
            }
        }
        let tail = tail.min(stay.len());
        let head = head.min(stay.len() - tail);
        go.extend(stay.drain(tail..stay.len() - head));
        if go.is_empty() {
            return;
        }
        for message in &go {
            self.take_message(ring, *message);
        }
        // Newest first: each is linked to the next of those that stay.
        let older = stay.iter().skip(1).copied().map(Some).chain([None]);
        for (message, older) in stay.iter().zip(older) {
            let linked = self.rows.get(message.index());
            if linked.is_some_and(|row| row.previous_in_call != older)
                && let Some(row) = self.rows.get_mut(message.index())
            {
                row.previous_in_call = older;
            }
        }
        if let Some(kept) = ring.kept.get_mut(id.index()) {
            kept.count = stay.len();
        }
        if let (Some(call), Some(first)) = (self.calls.get_mut(id.index()), stay.last()) {
            call.left = call
                .left
                .saturating_add(u32::try_from(go.len()).unwrap_or(u32::MAX));
            call.first = *first;
        }
    }

    /// Tells of calls that may go on whether they do: those that were passed, and some of those that have been
    /// silent for longer. The others leave.
    fn tell(&mut self, ring: &mut Ring) {
        ring.ask_due += ring.silent.len() * ROUNDS * EVERY;
        // A view of all costs the same for one and for many.
        let there = self.rows.len().max(1);
        let enough = there / CALLS_AT_ONCE / ROUNDS;
        let ask = ring.ask_due / there;
        if ring.passed.len().max(ask) < enough.max(1) {
            return;
        }
        ring.ask_due = 0;
        // Its pages are shared only until the end of this function.
        let view = self.publish();
        for id in std::mem::take(&mut ring.passed) {
            let Some(call) = self.calls.get(id.index()) else {
                continue;
            };
            let last = call.last;
            if last.index() >= self.rows.start() {
                // More came meanwhile: it will be passed again.
                continue;
            }
            match call::summary(&view, id).map(|summary| goes_on(summary.state)) {
                Some(Some(ask)) => ring.silent.push_back(Silent {
                    call: id,
                    last,
                    ask,
                    over: false,
                }),
                _ => self.remove_call(ring, id),
            }
        }
        if ring.over > ring.silent.len() / 4 + EVERY {
            ring.silent.retain(|silent| !silent.over);
            (ring.asked, ring.over) = (0, 0);
        }
        for _ in 0..ask.min(ring.silent.len()) {
            ring.asked = (ring.asked + 1) % ring.silent.len().max(1);
            let Some(silent) = ring
                .silent
                .get_mut(ring.asked)
                .filter(|silent| !silent.over)
            else {
                continue;
            };
            let (id, last) = (silent.call, silent.last);
            let call = self.calls.get(id.index());
            let same = call.is_some_and(|call| call.last == last);
            let still = || call::summary(&view, id).and_then(|summary| goes_on(summary.state));
            if same && (!silent.ask || still().is_some()) {
                continue;
            }
            silent.over = true;
            ring.over += 1;
            if same {
                self.remove_call(ring, id);
            }
        }
    }

    /// Carries less over when there is too much of it, or when the border `stands` because there is so little
    /// else; and lets calls leave that go on when there is still too much: those that were silent longest.
    fn relieve(&mut self, ring: &mut Ring, stands: bool) {
        let most = ring.octets / 2 / CARRIED_OCTETS;
        let carried = self.rows.carried_len();
        if carried <= most && !stands {
            if carried < most / 4 * 3 && carried < self.rows.len() / 2 {
                (ring.level, ring.trimmed) = (0, None);
            }
            return;
        }
        // Then so much less that the border moves on.
        let most = if stands {
            carried.saturating_sub(STEPS * EVERY)
        } else {
            most
        };
        if let Some(from) = ring.trimmed {
            let level = ring.level();
            let calls = self.calls.carried_from(from).take(CALLS_AT_ONCE);
            let calls: Vec<CallId> = calls.map(|(at, _)| CallId::at(at)).collect();
            let more = calls.last().filter(|_| calls.len() == CALLS_AT_ONCE);
            ring.trimmed = more.map(|last| last.index() + 1);
            for id in calls {
                self.trim(ring, id, level);
            }
        } else if ring.level + 1 < LEVELS.len() {
            ring.level += 1;
            ring.trimmed = Some(0);
        } else {
            for _ in 0..CALLS_AT_ONCE {
                if self.rows.carried_len() <= most {
                    return;
                }
                let Some(silent) = ring.silent.pop_front() else {
                    return;
                };
                ring.asked = ring.asked.saturating_sub(1);
                ring.over -= usize::from(silent.over);
                let call = self.calls.get(silent.call.index());
                let call = call.filter(|call| !silent.over && call.last == silent.last);
                let Some(kind) = call.map(|call| call.kind) else {
                    continue;
                };
                self.left.unfinished += u64::from(kind == CallKind::Call);
                self.remove_call(ring, silent.call);
            }
        }
    }

    /// Forgets in the tables of the writer what has left, part by part.
    fn forget(&mut self, ring: &mut Ring) {
        let there = self.rows.len().max(1);
        let border = self.rows.start();
        let newer = |id: MessageId| id.index() >= border;
        ring.part_due += PARTS * ROUNDS * EVERY;
        for _ in 0..PARTS {
            let Some(rest) = ring.part_due.checked_sub(there) else {
                break;
            };
            ring.part_due = rest;
            ring.part = (ring.part + 1) % PARTS;
            let calls = &self.calls;
            self.transactions.retain(ring.part, |t| {
                let ids = [t.request, t.final_response, t.asked_again];
                let needed = t.final_status == 0 || ids.into_iter().flatten().any(newer);
                needed && calls.get(t.call.index()).is_some()
            });
            self.sendings
                .retain(ring.part, |sendings| newer(sendings.newest()));
            self.successes.retain(ring.part, |success| newer(*success));
        }
        ring.part_due = ring.part_due.min(there);
        if self.rows.end() - ring.looked_at < there / ROUNDS {
            return;
        }
        ring.looked_at = self.rows.end();
        let calls = &self.calls;
        for map in [&mut self.invite_calls, &mut self.registrations] {
            map.retain(|_, call| calls.get(call.index()).is_some());
            shrink(map);
        }
        shrink(&mut self.dialog_table);
        shrink(&mut self.announced_at);
        let time = self.left.before.unwrap_or(i64::MIN);
        let announced_at = &self.announced_at;
        self.left.streams += self
            .rtp
            .leave(time, |place| announced_at.contains_key(&place));
        let rows = &self.rows;
        let icmp = std::sync::Arc::make_mut(&mut self.icmp);
        icmp.leave(time, |message| rows.get(message.index()).is_some());
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

/// Whether more messages are to be expected of a call, and if so whether time may end it.
fn goes_on(state: State) -> Option<bool> {
    match state {
        // Only a message ends it.
        State::Answered => Some(false),
        State::Calling
        | State::Ringing
        | State::EarlyMedia
        | State::Registered
        | State::Active
        | State::Pending => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
