//! Background work on lists: which calls are shown in which order, and what stands in their rows.

use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering as MemoryOrdering};

use hashbrown::HashMap;

use super::action::{CallColumn, CallOrder};
use super::latest::Wanted;
use crate::bytes::MessageBytes;
use crate::index::filter::Filter;
use crate::index::ids::{CallId, MessageId};
use crate::index::{CallKind, IndexView};
use crate::present::rows::{CallLine, state_words};

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
    pub filter: Option<Arc<Filter>>,
    /// Brings bytes, for filters that need them.
    pub bytes: Option<Arc<dyn MessageBytes>>,
}

/// The calls of one kind in order.
#[derive(Debug, Default)]
pub struct Lists {
    /// The view they were made from.
    pub version: u64,
    /// Their kind.
    pub kind: Option<CallKind>,
    /// Their order.
    pub order: CallOrder,
    /// Positions in the list of all calls.
    pub calls: Vec<u32>,
    /// Number of calls of each kind that match, in the order of [`CallKind::ALL`].
    pub counts: [u32; 6],
    /// The same without the filter.
    pub totals: [u32; 6],
    /// The messages that match; none when there is no filter.
    pub messages: Option<Vec<MessageId>>,
}

impl Lists {
    /// The call in a row.
    pub fn call(&self, row: u64) -> Option<CallId> {
        let at = self.calls.get(usize::try_from(row).ok()?)?;
        Some(CallId::at(*at as usize))
    }

    /// The row of a call.
    pub fn row_of(&self, call: CallId) -> Option<u64> {
        let index = u32::try_from(call.index()).ok()?;
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
    fn of(column: CallColumn, line: &CallLine) -> Self {
        let known = |value: Option<i64>| Self::Number(value.unwrap_or(-1));
        match column {
            CallColumn::State => Self::Text(line.state.map(state_words).unwrap_or_default().into()),
            CallColumn::Start => Self::Number(line.start),
            CallColumn::Caller => Self::Text(lower(&line.caller)),
            CallColumn::Callee => Self::Text(lower(&line.callee)),
            CallColumn::Result => known(line.status.map(i64::from)),
            CallColumn::Pdd => known(line.pdd),
            CallColumn::Talk => known(line.talk),
            CallColumn::Messages => Self::Number(line.messages.into()),
            CallColumn::Retransmissions => Self::Number(line.retransmissions.into()),
            CallColumn::Dialogs => known(line.dialogs.map(i64::from)),
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

fn lower(uri: &str) -> Box<str> {
    crate::present::rows::uri_words(uri).to_lowercase().into()
}

/// Makes lists, and remembers the sort keys of calls that have not changed.
#[derive(Default)]
pub struct ListMaker {
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
            ..
        } = question.clone();
        let mut lists = Lists {
            version,
            kind: Some(kind),
            order,
            ..Lists::default()
        };
        let matching = match &question.filter {
            None => None,
            Some(filter) => {
                let messages = matching(&view, filter, question.bytes.as_deref(), wanted)?;
                let mut calls = vec![false; view.calls().len()];
                for row in messages.iter().filter_map(|id| view.message(*id)) {
                    if let Some(call) = calls.get_mut(row.call.index()) {
                        *call = true;
                    }
                }
                lists.messages = Some(messages);
                Some(calls)
            }
        };
        for (i, call) in view.calls().iter().enumerate() {
            if let Some(total) = lists.totals.get_mut(call.kind as usize) {
                *total += 1;
            }
            if matching
                .as_ref()
                .is_some_and(|calls| calls.get(i) != Some(&true))
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
        if order.column != CallColumn::Start {
            self.sort(&view, &mut lists, wanted)?;
        } else if order.descending {
            lists.calls.reverse();
        }
        Some(lists)
    }

    fn sort(&mut self, view: &IndexView, lists: &mut Lists, wanted: &Wanted<'_>) -> Option<()> {
        let order = lists.order;
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
            let Some(line) = CallLine::of(view, id) else {
                continue;
            };
            self.keys
                .insert(*index, (version, SortKey::of(order.column, &line)));
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

/// Which rows of the call list are to be added up.
#[derive(Clone)]
pub struct RowsQuestion {
    /// The index.
    pub view: Arc<IndexView>,
    /// The calls that are seen.
    pub calls: Vec<CallId>,
    /// No more messages will come, so that what is missing stays missing.
    pub finished: bool,
}

/// Rows of the call list by call.
pub type Rows = HashMap<CallId, Arc<CallLine>>;

/// Makes rows, and remembers those of calls that have not changed.
#[derive(Default)]
pub struct RowMaker {
    known: HashMap<CallId, (CallVersion, bool, Arc<CallLine>)>,
}

impl RowMaker {
    /// Answers a question: the rows asked for, and some that were asked for before.
    pub fn make(&mut self, question: RowsQuestion, wanted: &Wanted<'_>) -> Option<Rows> {
        let RowsQuestion {
            view,
            calls,
            finished,
        } = question;
        if self.known.len() > KEPT_ROWS {
            self.known.clear();
        }
        for id in calls {
            let Some(call) = view.call(id) else { continue };
            let version = (call.last, call.messages);
            let known = self.known.get(&id);
            if known.is_some_and(|(v, f, _)| *v == version && *f == finished) {
                continue;
            }
            if !wanted.still() {
                break;
            }
            if let Some(line) = CallLine::of(&view, id) {
                self.known.insert(id, (version, finished, Arc::new(line)));
            }
        }
        Some(
            self.known
                .iter()
                .map(|(id, (_, _, line))| (*id, Arc::clone(line)))
                .collect(),
        )
    }
}
