//! The sequence diagram of one or several calls, as plain data for every painter.
//!
//! Lanes are hosts, items are rows: a message is an arrow, media are one bar per direction, and a
//! pause is a break. All rows are equally high, so a painter that shows a part needs the items of
//! that part only. What came again is folded into one row until somebody opens it.

pub mod arrangement;
mod folds;
mod labels;
mod lanes;
pub mod media;
mod names;

use std::collections::HashMap;

use crate::bytes::MessageBytes;
use crate::index::IndexView;
use crate::index::ids::{CallId, DialogId, MessageId};
use crate::index::message_store::{MessageRow, Repeat};
use crate::packet::Endpoint;
use crate::packet::trace::TimeKind;
use crate::sip::method::Method;
use arrangement::{Arrangement, LaneKey};
pub use labels::{label, shorter};
use lanes::Lanes;
pub use media::matched_words;

use super::text;

/// A pause longer than this is drawn as a break, nanoseconds.
pub const BREAK_NANOS: i64 = 2_000_000_000;
/// Messages in one ladder; the rest is counted.
const MAX_ARROWS: usize = 1_000_000;

/// A host, or one port of it where several programs run on one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Which one.
    pub key: LaneKey,
    /// The name a person gave it, else User-Agent or display name of who speaks there, else the address.
    pub title: String,
    /// Which of these the title is.
    pub titled: Titled,
    /// IP address, with the port where the address has several lanes.
    pub address: String,
    /// Transport addresses seen, in order.
    pub endpoints: Vec<Endpoint>,
}

/// What the title of a lane is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Titled {
    /// A name that a person gave it.
    Alias,
    /// User-Agent or Server.
    Agent,
    /// Display name in From.
    Name,
    /// Its address.
    Address,
}

impl Lane {
    fn new(key: LaneKey) -> Self {
        Self {
            key,
            title: String::new(),
            titled: Titled::Address,
            address: key.to_string(),
            endpoints: Vec::new(),
        }
    }
}

/// What kind of message an arrow stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArrowClass {
    /// A request other than ACK.
    Request,
    /// ACK.
    Ack,
    /// 1xx.
    Provisional,
    /// 2xx.
    Success,
    /// 3xx.
    Redirect,
    /// 401 and 407.
    Challenge,
    /// Other 4xx, 5xx, 6xx.
    Failure,
}

impl ArrowClass {
    /// Name for data that leaves the program.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Ack => "ack",
            Self::Provisional => "provisional",
            Self::Success => "success",
            Self::Redirect => "redirect",
            Self::Challenge => "challenge",
            Self::Failure => "failure",
        }
    }

    /// Class of a message.
    pub fn of(row: &MessageRow) -> Self {
        if row.is_request() {
            return if row.method == Method::Ack {
                Self::Ack
            } else {
                Self::Request
            };
        }
        match row.status {
            0..=199 => Self::Provisional,
            200..=299 => Self::Success,
            300..=399 => Self::Redirect,
            401 | 407 => Self::Challenge,
            _ => Self::Failure,
        }
    }
}

/// A message on its way.
#[derive(Clone, Debug)]
pub struct Arrow {
    /// The message.
    pub message: MessageId,
    /// Its call.
    pub call: CallId,
    /// Lane of the sender.
    pub from: usize,
    /// Lane of the receiver; the same for a message that stays on its host.
    pub to: usize,
    /// Row, from 0; of a folded one the row that shows it.
    pub row: usize,
    /// Capture time, nanoseconds since 1970-01-01 UTC.
    pub time: i64,
    /// Time of the last message that this row shows.
    pub until: i64,
    /// What stands on the arrow.
    pub label: String,
    /// What is said behind the label: `×10, 0.5–32.0 s`, `captured twice`.
    pub note: String,
    /// What a person wrote to it, in quotes.
    pub remark: String,
    /// What kind of message it is.
    pub class: ArrowClass,
    /// The sender sent it again.
    pub retransmission: bool,
    /// The capture saw it again.
    pub copy: bool,
    /// What it repeats.
    pub repeat: Repeat,
    /// The first row of messages that came again and can be folded.
    pub fold: Option<Fold>,
    /// Copies that this row stands for.
    pub copies: u32,
    /// What an ICMP error says that quotes it, or one of those that this row stands for.
    pub icmp: Option<String>,
    /// Its dialog.
    pub dialog: Option<DialogId>,
    /// Position of its dialog among those of the call, from 0: 1 and more are forks.
    pub fork: usize,
}

impl Arrow {
    /// What is said behind the label, and what a person wrote.
    pub fn notes(&self) -> String {
        match (self.note.is_empty(), self.remark.is_empty()) {
            (_, true) => self.note.clone(),
            (true, false) => self.remark.clone(),
            (false, false) => format!("{}, {}", self.note, self.remark),
        }
    }
}

/// Retransmissions of one message on one hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fold {
    /// The first sending.
    pub of: MessageId,
    /// Number of retransmissions.
    pub count: u32,
    /// Each has a row of its own.
    pub open: bool,
}

/// Media in one direction.
#[derive(Clone, Debug)]
pub struct Bar {
    /// The call.
    pub call: CallId,
    /// Lane of the sender.
    pub from: usize,
    /// Lane of the receiver.
    pub to: usize,
    /// Row, from 0.
    pub row: usize,
    /// First packet; of media that never came, when it was agreed.
    pub time: i64,
    /// Last packet.
    pub end: i64,
    /// Number of packets.
    pub packets: u64,
    /// Codecs, joined by `, `; empty when unknown.
    pub codec: String,
    /// What stands on the bar: `RTP PCMA, 0 packets`.
    pub label: String,
    /// True when it flows towards the callee.
    pub forward: bool,
    /// Packets are to be expected: no description says that nothing is sent this way.
    pub awaited: bool,
    /// Its streams, a line each: addresses, SSRC, packets, where it begins or what announced it.
    pub streams: Vec<String>,
}

/// A time in which nothing was sent.
#[derive(Clone, Debug)]
pub struct Break {
    /// Row, from 0.
    pub row: usize,
    /// When the last message before it was sent.
    pub time: i64,
    /// How long it lasted, nanoseconds.
    pub length: i64,
    /// What stands on it: `12.3 s`.
    pub label: String,
}

/// One row.
#[derive(Clone, Debug)]
pub enum LadderItem {
    /// A message.
    Arrow(Arrow),
    /// Media.
    Bar(Bar),
    /// Nothing for a while.
    Break(Break),
}

impl LadderItem {
    /// Its row, from 0.
    pub fn row(&self) -> usize {
        match self {
            Self::Arrow(arrow) => arrow.row,
            Self::Bar(bar) => bar.row,
            Self::Break(gap) => gap.row,
        }
    }

    /// Its time.
    pub fn time(&self) -> i64 {
        match self {
            Self::Arrow(arrow) => arrow.time,
            Self::Bar(bar) => bar.time,
            Self::Break(gap) => gap.time,
        }
    }

    /// Lanes of sender and receiver; a break has none.
    pub fn lanes(&self) -> Option<(usize, usize)> {
        match self {
            Self::Arrow(arrow) => Some((arrow.from, arrow.to)),
            Self::Bar(bar) => Some((bar.from, bar.to)),
            Self::Break(_) => None,
        }
    }

    /// What stands on it.
    pub fn label(&self) -> &str {
        match self {
            Self::Arrow(arrow) => &arrow.label,
            Self::Bar(bar) => &bar.label,
            Self::Break(gap) => &gap.label,
        }
    }

    /// What is said behind the label.
    pub fn note(&self) -> &str {
        match self {
            Self::Arrow(arrow) => &arrow.note,
            Self::Bar(_) | Self::Break(_) => "",
        }
    }

    /// The same, with what a person wrote.
    pub fn notes(&self) -> String {
        match self {
            Self::Arrow(arrow) => arrow.notes(),
            Self::Bar(_) | Self::Break(_) => String::new(),
        }
    }

    fn set_row(&mut self, at: usize) {
        match self {
            Self::Arrow(arrow) => arrow.row = at,
            Self::Bar(bar) => bar.row = at,
            Self::Break(gap) => gap.row = at,
        }
    }

    /// The time up to which it says what happened. Media say nothing about signalling.
    pub fn until(&self) -> i64 {
        match self {
            Self::Arrow(arrow) => arrow.until,
            Self::Bar(bar) => bar.time,
            Self::Break(gap) => gap.time,
        }
    }
}

/// The diagram. The item at position n stands in row n.
#[derive(Clone, Debug, Default)]
pub struct Ladder {
    /// Columns, from left to right: the caller, then by first contact along the path.
    pub lanes: Vec<Lane>,
    /// Rows, from top to bottom, by time.
    pub items: Vec<LadderItem>,
    /// Messages without a row of their own: folded retransmissions and copies.
    pub folded: Vec<Arrow>,
    /// The calls, in order.
    pub calls: Vec<CallId>,
    /// Messages left out, for they begin or end at a lane that is hidden.
    pub hidden: usize,
    /// Messages left out, for there are too many.
    pub beyond: usize,
    /// What its times mean.
    pub times: TimeKind,
    /// Letters that labels need between a lane and the next one.
    pub gaps: Vec<usize>,
    /// The messages in whose rows the folded ones are shown.
    hosts: Vec<MessageId>,
    /// The row of every message, by message.
    places: Vec<(MessageId, u32)>,
}

impl Ladder {
    /// The ladder of some calls, merged by time, with their media.
    pub fn of(view: &IndexView, calls: &[CallId]) -> Self {
        Self::arranged(view, calls, &Arrangement::default())
    }

    /// [`Self::of`], as a person arranged it.
    pub fn arranged(view: &IndexView, calls: &[CallId], arrangement: &Arrangement) -> Self {
        let mut calls = calls.to_vec();
        calls.sort_unstable();
        calls.dedup();
        let messages: Vec<MessageId> = calls
            .iter()
            .flat_map(|call| view.messages_of_call(*call))
            .collect();
        let (mut ladder, lanes) = Self::arrows(view, &messages, arrangement);
        let bars = media::bars(view, &calls, &view.streams(), &ladder, &lanes);
        ladder.insert(bars);
        ladder.finish();
        ladder
    }

    /// The ladder of some messages, without media.
    pub fn of_messages(
        view: &IndexView,
        messages: &[MessageId],
        arrangement: &Arrangement,
    ) -> Self {
        let mut ladder = Self::arrows(view, messages, arrangement).0;
        ladder.finish();
        ladder
    }

    /// Calls lanes by the display names of who speaks there, where that says more than their programs.
    pub fn name_people(&mut self, view: &IndexView, bytes: &dyn MessageBytes) {
        names::name(self, view, bytes);
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.items.len()
    }

    /// The row that shows a message.
    pub fn row_of(&self, message: MessageId) -> Option<usize> {
        let at = self
            .places
            .binary_search_by_key(&message, |(id, _)| *id)
            .ok()?;
        self.places.get(at).map(|(_, row)| *row as usize)
    }

    /// Every message as an arrow, also the folded ones, in order.
    pub fn messages(&self) -> Vec<&Arrow> {
        let shown = self.items.iter().filter_map(|item| match item {
            LadderItem::Arrow(arrow) => Some(arrow),
            LadderItem::Bar(_) | LadderItem::Break(_) => None,
        });
        let mut all: Vec<&Arrow> = shown.chain(&self.folded).collect();
        all.sort_by_key(|arrow| (arrow.time, arrow.message));
        all
    }

    fn arrows(
        view: &IndexView,
        messages: &[MessageId],
        arrangement: &Arrangement,
    ) -> (Self, Lanes) {
        let mut rows: Vec<(i64, MessageId, &MessageRow)> = messages
            .iter()
            .filter_map(|id| view.message(*id).map(|row| (row.time, *id, row)))
            .collect();
        rows.sort_unstable_by_key(|(time, id, _)| (*time, *id));
        rows.dedup_by_key(|(_, id, _)| *id);
        let beyond = rows.len().saturating_sub(MAX_ARROWS);
        rows.truncate(MAX_ARROWS);
        let lanes = Lanes::of(view, rows.iter().map(|(_, _, row)| *row), arrangement);
        let mut ladder = Self {
            lanes: lanes.list.clone(),
            beyond,
            times: rows
                .first()
                .map_or(TimeKind::Absolute, |(time, ..)| view.time_kind_at(*time)),
            ..Self::default()
        };
        let mut forks: HashMap<CallId, HashMap<DialogId, usize>> = HashMap::new();
        let mut arrows = Vec::with_capacity(rows.len());
        for (time, message, row) in rows {
            let Some(flow) = view.ends(row) else { continue };
            let (Some(from), Some(to)) = (
                lanes.lane(flow.src, flow.transport),
                lanes.lane(flow.dst, flow.transport),
            ) else {
                ladder.hidden += 1;
                continue;
            };
            let fork = row.dialog.map_or(0, |dialog| {
                let known = forks.entry(row.call).or_default();
                let next = known.len();
                *known.entry(dialog).or_insert(next)
            });
            let repeat = row.repeat();
            arrows.push(Arrow {
                message,
                call: row.call,
                from,
                to,
                row: 0,
                time,
                until: time,
                label: label(view, message, row),
                note: String::new(),
                remark: String::new(),
                class: ArrowClass::of(row),
                retransmission: repeat.is_retransmission(),
                copy: repeat.is_copy(),
                repeat,
                fold: None,
                copies: 0,
                icmp: view
                    .icmp()
                    .of_message(message)
                    // Who says so is worth a word when it is not the receiver.
                    .map(|error| match error.from {
                        from if from == flow.dst.ip => error.words().to_owned(),
                        from => format!("{} ({from})", error.words()),
                    }),
                dialog: row.dialog,
                fork,
            });
        }
        ladder.calls = arrows.iter().map(|arrow| arrow.call).collect();
        ladder.calls.sort_unstable();
        ladder.calls.dedup();
        folds::fold(&mut ladder, view, arrows, arrangement);
        (ladder, lanes)
    }

    /// Puts bars between the arrows, by time.
    fn insert(&mut self, mut bars: Vec<Bar>) {
        bars.sort_by_key(|bar| (bar.time, bar.call, !bar.forward));
        let arrows = std::mem::take(&mut self.items);
        let mut bars = bars.into_iter().peekable();
        for arrow in arrows {
            while let Some(bar) = bars.next_if(|bar| bar.time < arrow.time()) {
                self.items.push(LadderItem::Bar(bar));
            }
            self.items.push(arrow);
        }
        self.items.extend(bars.map(LadderItem::Bar));
    }

    /// Puts breaks where nothing was sent for a while, and numbers the rows.
    fn finish(&mut self) {
        let items = std::mem::take(&mut self.items);
        self.items.reserve(items.len());
        let mut previous: Option<i64> = None;
        for item in items {
            if let Some(time) = previous {
                let length = item.time().saturating_sub(time);
                if length > BREAK_NANOS {
                    self.items.push(LadderItem::Break(Break {
                        row: 0,
                        time,
                        length,
                        label: text::length(length),
                    }));
                }
            }
            previous = Some(previous.map_or(item.until(), |p| p.max(item.until())));
            self.items.push(item);
        }
        for (row, item) in self.items.iter_mut().enumerate() {
            item.set_row(row);
        }
        self.gaps = self.letters();
        let place = |row: usize| u32::try_from(row).unwrap_or(u32::MAX);
        let shown = self.items.iter().filter_map(|item| match item {
            LadderItem::Arrow(arrow) => Some((arrow.message, place(arrow.row))),
            LadderItem::Bar(_) | LadderItem::Break(_) => None,
        });
        self.places = shown.collect();
        self.places.sort_unstable();
        let mut folded = std::mem::take(&mut self.folded);
        for (arrow, host) in folded.iter_mut().zip(&self.hosts) {
            arrow.row = self.row_of(*host).unwrap_or(0);
        }
        self.places
            .extend(folded.iter().map(|arrow| (arrow.message, place(arrow.row))));
        self.places.sort_unstable();
        self.folded = folded;
    }
}

impl Ladder {
    /// Letters of the labels over each gap; of an arrow over several gaps each takes its share.
    fn letters(&self) -> Vec<usize> {
        let last = self.lanes.len().saturating_sub(1);
        let mut gaps = vec![0; last.max(1)];
        for item in &self.items {
            let Some((from, to)) = item.lanes() else {
                continue;
            };
            let (low, high) = (from.min(to), from.max(to));
            // A loop stands right of its lane, that of the last lane left of it.
            let low = low.min(last.saturating_sub(1));
            let high = high.max(low + 1);
            let note = match item.note() {
                "" => 0,
                note => note.chars().count() + 2,
            };
            let need = (item.label().chars().count() + note).div_ceil(high - low);
            for gap in gaps.get_mut(low..high).unwrap_or_default() {
                *gap = need.max(*gap);
            }
        }
        gaps
    }
}

#[cfg(test)]
mod tests;
