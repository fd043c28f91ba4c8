//! Background work on lists: which calls are shown in which order, and what stands in their rows.

use std::cmp::Ordering;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering as MemoryOrdering};
use std::time::Instant;

use hashbrown::{HashMap, HashSet};

use super::action::{CallColumn, CallOrder};
use super::latest::Wanted;
use crate::bytes::MessageBytes;
use crate::index::call::State;
use crate::index::filter::Filter;
use crate::index::ids::{CallId, DialogId, MessageId};
use crate::index::query::{self, CallSet, Query};
use crate::index::{CallKind, IndexView, dialog};
use crate::present::ladder::media::awaited;
use crate::present::registrations::RegistrationLine;
use crate::present::rows::{CallLine, Outcome, state_words, uri_words};

/// Rows kept although they are not asked for.
const KEPT_ROWS: usize = 2_000;

/// Which calls are to be listed.
#[derive(Clone)]
pub struct ListsQuestion {
    /// The index.
    pub view: Arc<IndexView>,
    /// Number of the view; a newer one is larger.
    pub version: u64,
    /// Kind of calls.
    pub kind: CallKind,
    /// Their order.
    pub order: CallOrder,
    /// Only what matches, and those calls that have a message that does.
    pub filter: Option<Arc<Query>>,
    /// Number of the filter; another one has another number.
    pub filter_serial: u64,
    /// Brings bytes, for filters that need them.
    pub bytes: Option<Arc<dyn MessageBytes>>,
}

/// The calls of one kind in order.
#[derive(Debug, Default)]
pub struct Lists {
    /// The view they were made from.
    pub version: u64,
    /// Differs for every answer: rows of one do not stand where those of another do.
    pub serial: u64,
    /// Number of the filter they were made with.
    pub filter_serial: u64,
    /// Their kind.
    pub kind: Option<CallKind>,
    /// Their order.
    pub order: CallOrder,
    /// Positions in the list of all calls.
    pub calls: Vec<u32>,
    /// What stands in the rows, where a row is a group of calls; else empty.
    pub groups: Vec<GroupLine>,
    /// Number of calls of each kind that match, in the order of [`CallKind::ALL`].
    pub counts: [u32; 6],
    /// The same without the filter.
    pub totals: [u32; 6],
    /// The calls that match, of all kinds; empty when there is no filter.
    pub found_calls: Vec<CallId>,
    /// The messages that match; none when there is no filter.
    pub messages: Option<Vec<MessageId>>,
}

impl Lists {
    /// The call in a row.
    pub fn call(&self, row: u64) -> Option<CallId> {
        let at = self.calls.get(usize::try_from(row).ok()?)?;
        Some(CallId::at(*at as usize))
    }

    /// The group in a row.
    pub fn group(&self, row: u64) -> Option<&GroupLine> {
        self.groups.get(usize::try_from(row).ok()?)
    }

    /// The row of a call, or of the group it is in.
    pub fn row_of(&self, call: CallId) -> Option<u64> {
        let index = u32::try_from(call.index()).ok()?;
        if !self.groups.is_empty() {
            let mut groups = self.groups.iter();
            let row = groups.position(|group| group.calls.binary_search(&index).is_ok());
            return row.map(|row| row as u64);
        }
        let by_start = self.order == CallOrder::default();
        let row = if by_start {
            self.calls.binary_search(&index).ok()
        } else {
            self.calls.iter().position(|at| *at == index)
        };
        row.map(|row| row as u64)
    }
}

/// What a call was when it was added up; another one means that it has changed.
type CallVersion = (MessageId, u32);

#[derive(Clone, Debug, PartialEq)]
enum SortKey {
    Number(i64),
    Text(Box<str>),
}

impl SortKey {
    fn of(column: CallColumn, line: &Line) -> Self {
        let known = |value: Option<i64>| Self::Number(value.unwrap_or(-1));
        let text = |text: &str| Self::Text(text.to_lowercase().into());
        let (call, registration) = (&line.call, line.registration.as_ref());
        let of = |number: &dyn Fn(&RegistrationLine) -> i64| known(registration.map(number));
        let rtp = |packets: Option<u64>| known(packets.and_then(|n| i64::try_from(n).ok()));
        match column {
            CallColumn::State => Self::Text(call.state_word().into()),
            CallColumn::Start => Self::Number(call.start),
            CallColumn::End => known(call.end),
            // As they stand in the column.
            CallColumn::Caller => text(&call.caller_words()),
            CallColumn::Callee => text(uri_words(&call.callee)),
            CallColumn::Result => known(call.status.map(i64::from)),
            CallColumn::Pdd => known(call.pdd),
            CallColumn::Setup => known(call.setup),
            CallColumn::TotalSetup => known(call.total_setup),
            CallColumn::Ring => known(call.ring),
            CallColumn::Talk => known(call.talk),
            CallColumn::Messages => Self::Number(call.messages.into()),
            CallColumn::Retransmissions => Self::Number(call.retransmissions.into()),
            CallColumn::Dialogs => known(call.dialogs.map(i64::from)),
            CallColumn::RtpForward => rtp(call.rtp.map(|(forward, _)| forward)),
            CallColumn::RtpBackward => rtp(call.rtp.map(|(_, backward)| backward)),
            CallColumn::EndedBy => text(&call.ended_words()),
            CallColumn::Way => {
                // By number, so that 10.0.0.9 comes before 10.0.0.10.
                let way = call
                    .way
                    .map(|(from, to)| (from.ip, from.port, to.ip, to.port));
                let octets = |ip: std::net::IpAddr| match ip {
                    std::net::IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                    std::net::IpAddr::V6(ip) => ip.octets(),
                };
                let key = way.map(|(a, p, b, q)| {
                    let hex = |o: [u8; 16]| o.map(|o| format!("{o:02x}")).concat();
                    format!("{}{p:05}{}{q:05}", hex(octets(a)), hex(octets(b)))
                });
                Self::Text(key.unwrap_or_default().into())
            }
            CallColumn::CallId => text(&call.call_id),
            CallColumn::UserAgents => text(&call.user_agents.join(", ")),
            CallColumn::Identity => text(uri_words(&call.asserted)),
            CallColumn::Contact => text(registration.map_or("", |r| &r.contact)),
            CallColumn::SeenFrom => text(
                &registration
                    .and_then(|r| r.seen_from)
                    .map(|end| end.to_string())
                    .unwrap_or_default(),
            ),
            CallColumn::Expiry => {
                known(registration.and_then(|r| r.granted.and_then(|s| i64::try_from(s).ok())))
            }
            CallColumn::Interval => known(registration.and_then(|r| r.interval)),
            CallColumn::Rounds => of(&|r| r.rounds.into()),
            CallColumn::Failures => of(&|r| r.failures.into()),
            CallColumn::ContactChanges => of(&|r| r.contact_changes.into()),
            // Of equally many, the longest first.
            CallColumn::Gaps => of(&|r| {
                let seconds = (r.longest_gap / 1_000_000_000).min(i64::from(u32::MAX));
                (i64::from(r.gaps) << 32) + seconds
            }),
        }
    }

    fn of_group(column: CallColumn, group: &GroupLine) -> Self {
        match column {
            CallColumn::Way | CallColumn::Caller => Self::Text(group.pair.to_lowercase().into()),
            CallColumn::Result | CallColumn::State => Self::Number(group.status.into()),
            CallColumn::Rounds => Self::Number(group.calls.len() as i64),
            CallColumn::Failures => Self::Number(group.failures.into()),
            CallColumn::Messages => Self::Number(group.messages.into()),
            CallColumn::Interval => Self::Number(group.interval.unwrap_or(-1)),
            CallColumn::End => Self::Number(group.end),
            _ => Self::Number(group.start),
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Number(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Number(_)) => Ordering::Greater,
        }
    }
}

/// Makes lists, and remembers the sort keys of calls that have not changed.
#[derive(Default)]
pub struct ListMaker {
    /// Answers so far.
    made: u64,
    rtp: RtpByCall,
    column: Option<CallColumn>,
    keys: HashMap<u32, (CallVersion, SortKey)>,
}

impl ListMaker {
    /// Answers a question.
    pub fn make(&mut self, question: ListsQuestion, wanted: &Wanted<'_>) -> Option<Lists> {
        let ListsQuestion {
            view,
            version,
            kind,
            order,
            filter_serial,
            ..
        } = question.clone();
        self.made += 1;
        let mut lists = Lists {
            version,
            serial: self.made,
            filter_serial,
            kind: Some(kind),
            order,
            ..Lists::default()
        };
        let matching = match &question.filter {
            None => None,
            Some(query) => {
                let (calls, messages) =
                    matching_calls(&view, query, question.bytes.as_deref(), wanted)?;
                lists.messages = Some(messages);
                lists.found_calls = calls.ids().collect();
                Some(calls)
            }
        };
        for (i, call) in view.calls().indexed() {
            if let Some(total) = lists.totals.get_mut(call.kind as usize) {
                *total += 1;
            }
            if matching
                .as_ref()
                .is_some_and(|calls| !calls.has(CallId::at(i)))
            {
                continue;
            }
            if let Some(count) = lists.counts.get_mut(call.kind as usize) {
                *count += 1;
            }
            if call.kind == kind {
                lists.calls.push(u32::try_from(i).unwrap_or(u32::MAX));
            }
        }
        if kind == CallKind::Options {
            group(&view, &mut lists, wanted)?;
        } else if order.column != CallColumn::Start {
            self.sort(&question, &mut lists, wanted)?;
        } else if order.descending {
            lists.calls.reverse();
        }
        Some(lists)
    }

    fn sort(
        &mut self,
        question: &ListsQuestion,
        lists: &mut Lists,
        wanted: &Wanted<'_>,
    ) -> Option<()> {
        let view = &question.view;
        let order = lists.order;
        let needs_rtp = matches!(
            order.column,
            CallColumn::RtpForward | CallColumn::RtpBackward
        );
        if needs_rtp {
            // Counts of packets change without any message.
            if self.rtp.renew(view) {
                self.keys.clear();
            }
        }
        let names = matches!(order.column, CallColumn::Identity | CallColumn::Caller);
        if self.column != Some(order.column) {
            self.column = Some(order.column);
            self.keys.clear();
        }
        for (done, index) in lists.calls.iter().enumerate() {
            if done % 256 == 0 && !wanted.still() {
                return None;
            }
            let id = CallId::at(*index as usize);
            let Some(call) = view.call(id) else { continue };
            let version = (call.last, call.messages);
            if self
                .keys
                .get(index)
                .is_some_and(|(known, _)| *known == version)
            {
                continue;
            }
            let bytes = question.bytes.as_deref();
            let Some(mut line) = Line::of(view, bytes, id, wanted) else {
                continue;
            };
            if let Some(bytes) = bytes.filter(|_| names) {
                line.call.read_names(view, bytes);
            }
            line.call.rtp = self.rtp.of(id);
            self.keys
                .insert(*index, (version, SortKey::of(order.column, &line)));
        }
        // Calls leave the memory of a live capture.
        if self.keys.len() > 2 * lists.calls.len() + KEPT_ROWS {
            self.keys
                .retain(|index, _| view.call(CallId::at(*index as usize)).is_some());
        }
        let key = |index: &u32| self.keys.get(index).map(|(_, key)| key);
        lists.calls.sort_by(|a, b| {
            let by_key = match (key(a), key(b)) {
                (Some(a), Some(b)) => a.compare(b),
                (a, b) => a.is_some().cmp(&b.is_some()),
            };
            let by_key = if order.descending {
                by_key.reverse()
            } else {
                by_key
            };
            by_key.then(a.cmp(b))
        });
        Some(())
    }
}

/// The calls that match what stands in the box, and their messages that do.
fn matching_calls(
    view: &IndexView,
    query: &Query,
    bytes: Option<&dyn MessageBytes>,
    wanted: &Wanted<'_>,
) -> Option<(CallSet, Vec<MessageId>)> {
    let words = match query.has_words() {
        true => Some(query.calls_with_words(view, &|| wanted.still())?),
        false => None,
    };
    let Some(filter) = query.filter() else {
        let calls = words.unwrap_or_else(|| CallSet::all(view));
        let messages = query::messages_of(view, &calls);
        return Some((calls, messages));
    };
    let mut messages = matching(view, filter, bytes, wanted)?;
    if let Some(calls) = words {
        messages.retain(|id| {
            let row = view.message(*id);
            row.is_some_and(|row| calls.has(row.call))
        });
    }
    Some((query::calls_of(view, &messages), messages))
}

/// The messages that match a filter; none when the answer is no longer wanted.
fn matching(
    view: &IndexView,
    filter: &Filter,
    bytes: Option<&dyn MessageBytes>,
    wanted: &Wanted<'_>,
) -> Option<Vec<MessageId>> {
    let compiled = filter.compile(view);
    let Some(bytes) = bytes.filter(|_| compiled.needs_bytes()) else {
        return Some(compiled.run(view));
    };
    let stop = AtomicBool::new(false);
    let check = |_: usize, _: usize| {
        if !wanted.still() {
            stop.store(true, MemoryOrdering::Relaxed);
        }
    };
    let found = compiled.search(view, bytes, 1, &stop, &check);
    if stop.load(MemoryOrdering::Relaxed) {
        return None;
    }
    found
        .map_err(|error| log::warn!("filter: {error}"))
        .ok()
        .or_else(|| Some(compiled.run(view)))
}

/// OPTIONS between the same two hosts, one row for all.
fn group(view: &IndexView, lists: &mut Lists, wanted: &Wanted<'_>) -> Option<()> {
    let mut places: HashMap<(IpAddr, IpAddr), usize> = HashMap::new();
    let mut groups: Vec<GroupLine> = Vec::new();
    let mut last_start: Vec<i64> = Vec::new();
    let mut between: Vec<Vec<i64>> = Vec::new();
    for (done, index) in lists.calls.iter().enumerate() {
        if done % 256 == 0 && !wanted.still() {
            return None;
        }
        let id = CallId::at(*index as usize);
        let Some(line) = CallLine::of(view, id) else {
            continue;
        };
        let Some((from, to)) = line.way.map(|(from, to)| (from.ip, to.ip)) else {
            continue;
        };
        // Who asks whom matters: each side may ping the other.
        let at = *places.entry((from, to)).or_insert_with(|| {
            groups.push(GroupLine {
                pair: format!("{from} → {to}"),
                start: line.start,
                ..GroupLine::default()
            });
            last_start.push(line.start);
            between.push(Vec::new());
            groups.len() - 1
        });
        let (Some(group), Some(last), Some(between)) = (
            groups.get_mut(at),
            last_start.get_mut(at),
            between.get_mut(at),
        ) else {
            continue;
        };
        if !group.calls.is_empty() {
            between.push(line.start.saturating_sub(*last));
        }
        *last = line.start;
        group.calls.push(*index);
        group.messages = group.messages.saturating_add(line.messages);
        group.end = line.end.unwrap_or(line.start);
        group.status = line.status.unwrap_or(0);
        group.result = match line.state {
            Some(state) if line.status.is_none() => state_words(state).to_owned(),
            _ => line.outcome_words(),
        };
        group.state = line.state;
        let failed = line
            .state
            .is_some_and(|state| Outcome::of(state) == Outcome::Bad);
        group.failures += u32::from(failed);
    }
    for (group, mut between) in groups.iter_mut().zip(between) {
        between.sort_unstable();
        group.interval = between.get(between.len() / 2).copied();
    }
    let order = lists.order;
    groups.sort_by(|a, b| {
        let by_key =
            SortKey::of_group(order.column, a).compare(&SortKey::of_group(order.column, b));
        let by_key = if order.descending {
            by_key.reverse()
        } else {
            by_key
        };
        by_key.then(a.calls.first().cmp(&b.calls.first()))
    });
    lists.calls = groups
        .iter()
        .filter_map(|group| group.calls.first().copied())
        .collect();
    lists.groups = groups;
    Some(())
}

/// OPTIONS from one host to another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupLine {
    /// The hosts: `192.0.2.1 → 192.0.2.2`.
    pub pair: String,
    /// Positions in the list of all calls.
    pub calls: Vec<u32>,
    /// Time of the first one.
    pub start: i64,
    /// Time of the last message.
    pub end: i64,
    /// Usual time between two: the median.
    pub interval: Option<i64>,
    /// How many failed or were not answered.
    pub failures: u32,
    /// Number of messages.
    pub messages: u32,
    /// State of the newest one.
    pub state: Option<State>,
    /// Code of its response; 0 for none.
    pub status: u16,
    /// Its response in words.
    pub result: String,
}

/// RTP packets of each call, both ways.
#[derive(Default)]
struct RtpByCall {
    /// What it was made from.
    stamp: (usize, u64, usize),
    packets: HashMap<CallId, (u64, u64)>,
    /// Directions in which a description says that something is sent.
    awaited: HashMap<CallId, (bool, bool)>,
    /// Files that have any.
    files: HashSet<u16>,
}

impl RtpByCall {
    /// Counts again when there is something new; true when it did.
    fn renew(&mut self, view: &IndexView) -> bool {
        let total = view.rtp.iter().map(|counts| counts.tally.packets).sum();
        let stamp = (view.rtp.len(), total, view.announcements.len());
        if self.stamp == stamp {
            return false;
        }
        self.stamp = stamp;
        self.packets.clear();
        self.awaited.clear();
        let files = view.rtp.iter().map(|counts| counts.tally.first_frame.0);
        self.files = files.collect();
        for stream in view.streams() {
            for (call, forward) in stream.calls() {
                let entry = self.packets.entry(call).or_default();
                let way = if forward { &mut entry.0 } else { &mut entry.1 };
                *way = way.saturating_add(stream.packets());
                let entry = self.awaited.entry(call).or_default();
                let way = if forward { &mut entry.0 } else { &mut entry.1 };
                *way |= awaited(view, &stream);
            }
        }
        true
    }

    /// Whether something is to be expected towards the callee and towards the caller.
    fn awaited(&self, call: CallId) -> (bool, bool) {
        self.awaited.get(&call).copied().unwrap_or((true, true))
    }

    /// The file in which the call begins has RTP: where it has none, silence says nothing.
    fn recorded(&self, view: &IndexView, call: CallId) -> bool {
        let first = view.call(call).and_then(|call| view.message(call.first));
        first.is_some_and(|row| self.files.contains(&row.file))
    }

    /// None where the call announced no media.
    fn of(&self, call: CallId) -> Option<(u64, u64)> {
        self.packets.get(&call).copied()
    }
}

/// A dialog below its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialogLine {
    /// Which one.
    pub dialog: DialogId,
    /// State in words.
    pub state: &'static str,
    /// Its first message.
    pub first: MessageId,
    /// Time of that.
    pub start: i64,
    /// Number of messages.
    pub messages: u32,
    /// Tag of who sent the request that created it.
    pub local_tag: String,
    /// Tag of the other side.
    pub remote_tag: String,
}

/// What stands in a row of the call list, and below it when it is open.
#[derive(Clone, Debug)]
pub struct Line {
    /// The call.
    pub call: CallLine,
    /// RTP is to be expected towards the callee, and towards the caller.
    pub awaited: (bool, bool),
    /// The file in which the call begins has RTP.
    pub recorded: bool,
    /// What it did as a registration.
    pub registration: Option<RegistrationLine>,
    /// Its dialogs.
    pub dialogs: Vec<DialogLine>,
}

impl Line {
    fn of(
        view: &IndexView,
        bytes: Option<&dyn MessageBytes>,
        id: CallId,
        wanted: &Wanted<'_>,
    ) -> Option<Self> {
        let call = CallLine::of(view, id)?;
        let registration = match view.call(id)?.kind {
            CallKind::Registration => RegistrationLine::of(view, bytes, id, &|| wanted.still()),
            _ => None,
        };
        Some(Self {
            call,
            awaited: (true, true),
            recorded: false,
            registration,
            dialogs: Vec::new(),
        })
    }

    fn add_dialogs(&mut self, view: &IndexView) {
        let text = |id| view.texts().opt(id).unwrap_or_default().into_owned();
        for dialog in dialog::of_call(view, self.call.call)
            .into_iter()
            .take(MOST_DIALOGS)
        {
            let (Some(entry), Some(first)) =
                (view.dialog(dialog.dialog), dialog.messages.first().copied())
            else {
                continue;
            };
            self.dialogs.push(DialogLine {
                dialog: dialog.dialog,
                state: dialog.state.name(),
                first,
                start: dialog.start,
                messages: u32::try_from(dialog.messages.len()).unwrap_or(u32::MAX),
                local_tag: text(entry.local_tag),
                remote_tag: text(entry.remote_tag),
            });
        }
    }
}

/// Dialogs shown below one call.
const MOST_DIALOGS: usize = 200;

/// Which rows of the call list are to be added up.
#[derive(Clone)]
pub struct RowsQuestion {
    /// The index.
    pub view: Arc<IndexView>,
    /// The calls that are seen.
    pub calls: Vec<CallId>,
    /// No more messages will come, so that what is missing stays missing.
    pub finished: bool,
    /// Brings bytes, for names and contacts.
    pub bytes: Option<Arc<dyn MessageBytes>>,
}

/// Rows of the call list by call.
pub type Rows = HashMap<CallId, Arc<Line>>;

/// A row that was made, and from what.
struct Known {
    version: CallVersion,
    finished: bool,
    rtp: Option<(u64, u64)>,
    line: Arc<Line>,
}

/// How much longer counts of RTP are kept than adding them up took: with many announcements
/// that is work, and while a file loads it would be done for each view.
const RTP_KEPT: u32 = 20;

/// Makes rows, and remembers those of calls that have not changed.
#[derive(Default)]
pub struct RowMaker {
    rtp: RtpByCall,
    /// Not before this are they added up again, while there is more to come.
    rtp_due: Option<Instant>,
    known: HashMap<CallId, Known>,
}

impl RowMaker {
    /// Answers a question: the rows asked for, and some that were asked for before.
    pub fn make(&mut self, question: RowsQuestion, wanted: &Wanted<'_>) -> Option<Rows> {
        let RowsQuestion {
            view,
            calls,
            finished,
            bytes,
        } = question;
        if self.known.len() > KEPT_ROWS {
            self.known.clear();
        }
        let since = Instant::now();
        if finished || self.rtp_due.is_none_or(|due| since >= due) {
            self.rtp.renew(&view);
            self.rtp_due = Some(since + since.elapsed().saturating_mul(RTP_KEPT));
        }
        for id in calls {
            let Some(call) = view.call(id) else { continue };
            let version = (call.last, call.messages);
            let rtp = self.rtp.of(id);
            let known = self.known.get(&id);
            if known.is_some_and(|k| k.version == version && k.finished == finished && k.rtp == rtp)
            {
                continue;
            }
            if !wanted.still() {
                break;
            }
            let Some(mut line) = Line::of(&view, bytes.as_deref(), id, wanted) else {
                continue;
            };
            if let Some(bytes) = &bytes {
                line.call.read_names(&view, bytes.as_ref());
            }
            line.call.rtp = rtp;
            line.awaited = self.rtp.awaited(id);
            line.recorded = self.rtp.recorded(&view, id);
            line.add_dialogs(&view);
            let known = Known {
                version,
                finished,
                rtp,
                line: Arc::new(line),
            };
            self.known.insert(id, known);
        }
        Some(
            self.known
                .iter()
                .map(|(id, known)| (*id, Arc::clone(&known.line)))
                .collect(),
        )
    }
}
