//! Columns of the call list: which there are for each kind, and what stands in them.

use std::borrow::Cow;

use crate::gui::action::CallColumn;
use crate::gui::lists::{GroupLine, Line};
use crate::gui::panel_ctx::PanelCtx;
use crate::gui::prefs::ColumnChoice;
use crate::gui::widgets::row_view::{Cell, Column};
use crate::index::CallKind;
use crate::index::call::{EndReason, State};
use crate::packet::Endpoint;
use crate::present::rows::{CallLine, Outcome, duration_words, state_words, uri_words};
use crate::present::text::grouped;

use super::call_list::uri_cell;

/// One column.
pub struct ColumnInfo {
    /// Which.
    pub column: CallColumn,
    name: &'static str,
    hint: &'static str,
    width: f32,
    right: bool,
    kinds: &'static [CallKind],
    /// Shown without anybody choosing it.
    usual: bool,
}

const ALL: &[CallKind] = &CallKind::ALL;
const CALLS: &[CallKind] = &[CallKind::Call];
const REGISTRATIONS: &[CallKind] = &[CallKind::Registration];
const SINGLE: &[CallKind] = &[
    CallKind::Call,
    CallKind::Registration,
    CallKind::Subscription,
    CallKind::Message,
    CallKind::Other,
];
const PAIRS: &[CallKind] = &[
    CallKind::Call,
    CallKind::Subscription,
    CallKind::Message,
    CallKind::Other,
];

const fn text(
    column: CallColumn,
    name: &'static str,
    width: f32,
    kinds: &'static [CallKind],
) -> ColumnInfo {
    ColumnInfo {
        column,
        name,
        hint: "",
        width,
        right: false,
        kinds,
        usual: true,
    }
}

const fn number(
    column: CallColumn,
    name: &'static str,
    width: f32,
    kinds: &'static [CallKind],
) -> ColumnInfo {
    ColumnInfo {
        right: true,
        ..text(column, name, width, kinds)
    }
}

impl ColumnInfo {
    const fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    const fn hidden(self) -> Self {
        Self {
            usual: false,
            ..self
        }
    }

    /// Its name in the list of columns.
    pub fn name(&self, kind: CallKind) -> &'static str {
        match (self.column, kind) {
            (CallColumn::Callee, CallKind::Registration) => "Address of record",
            (CallColumn::UserAgents, CallKind::Registration) => "User-Agent",
            (CallColumn::Result, CallKind::Registration | CallKind::Options) => "Last result",
            (CallColumn::Rounds, CallKind::Options) => "Requests",
            _ => self.name,
        }
    }

    /// Where there is room beyond all widths it gets a share.
    pub fn stretches(&self) -> bool {
        matches!(
            self.column,
            CallColumn::Caller
                | CallColumn::Callee
                | CallColumn::Result
                | CallColumn::EndedBy
                | CallColumn::Way
                | CallColumn::Contact
        )
    }

    /// The column of a table.
    pub fn column(&self, ctx: &PanelCtx<'_>) -> Column {
        let name = match self.column {
            CallColumn::Start => ctx.time_head_of("Start"),
            CallColumn::End => ctx.time_head_of("End"),
            _ => self.name(ctx.kind).to_owned(),
        };
        Column {
            right: self.right,
            ..Column::titled(name, self.width)
        }
        .hint(self.hint)
        .sortable()
    }
}

/// All of them, in the order they are shown.
pub static COLUMNS: &[ColumnInfo] = &[
    text(CallColumn::State, "State", 118.0, ALL),
    text(CallColumn::Start, "Start", 122.0, ALL),
    text(CallColumn::Caller, "Caller", 166.0, PAIRS)
        .hint("Display name and user of From; who hides is shown by the asserted identity"),
    text(CallColumn::Callee, "Callee", 140.0, SINGLE)
        .hint("User of the first Request-URI; of registrations the address of record"),
    text(CallColumn::Way, "Peers", 250.0, &[CallKind::Options]).hint("Who sends OPTIONS to whom"),
    text(CallColumn::Result, "Code and reason", 194.0, ALL)
        .hint("Final response that the caller got"),
    number(CallColumn::Pdd, "PDD", 70.0, CALLS)
        .hint("Post-dial delay: INVITE to the first ringing or answer (RFC 6076, 4.3)"),
    number(CallColumn::Setup, "Setup", 74.0, CALLS)
        .hint("INVITE to answer, after challenge and redirect")
        .hidden(),
    number(CallColumn::TotalSetup, "Total setup", 90.0, CALLS)
        .hint("The very first INVITE to answer")
        .hidden(),
    number(CallColumn::Ring, "Ring", 70.0, CALLS)
        .hint("First 180 to the final response")
        .hidden(),
    number(CallColumn::Talk, "Talk", 70.0, CALLS).hint("From the answer to the first BYE"),
    number(
        CallColumn::Rounds,
        "Rounds",
        80.0,
        &[CallKind::Registration, CallKind::Options],
    )
    .hint("REGISTER with what came of it, challenges included"),
    number(
        CallColumn::Failures,
        "Failures",
        80.0,
        &[CallKind::Registration, CallKind::Options],
    )
    .hint("Rounds that were refused or not answered"),
    number(CallColumn::ContactChanges, "Moves", 70.0, REGISTRATIONS)
        .hint("How often another contact was registered than before"),
    text(CallColumn::Gaps, "Gaps", 160.0, REGISTRATIONS)
        .hint("Times without a binding, from the end of one to the next, and the longest of them"),
    number(CallColumn::Expiry, "Granted", 80.0, REGISTRATIONS)
        .hint("Seconds that the registrar granted last (RFC 3261, 10.3)"),
    number(
        CallColumn::Interval,
        "Interval",
        80.0,
        &[CallKind::Registration, CallKind::Options],
    )
    .hint("Usual time from one round to the next: the median"),
    text(CallColumn::Contact, "Contact", 220.0, REGISTRATIONS)
        .hint("The newest contact that was asked for"),
    text(CallColumn::SeenFrom, "Seen from", 150.0, REGISTRATIONS)
        .hint("Where the requests came from; behind NAT it is not where the contact says"),
    number(CallColumn::Messages, "Messages", 82.0, ALL),
    number(CallColumn::Retransmissions, "Retrans.", 74.0, SINGLE)
        .hint("Messages that were sent again"),
    number(CallColumn::RtpForward, "RTP →", 66.0, CALLS).hint("RTP packets towards the callee"),
    number(CallColumn::RtpBackward, "RTP ←", 66.0, CALLS).hint("RTP packets towards the caller"),
    text(CallColumn::EndedBy, "Ended by", 148.0, CALLS),
    text(
        CallColumn::Way,
        "First hop",
        250.0,
        &[
            CallKind::Call,
            CallKind::Subscription,
            CallKind::Message,
            CallKind::Other,
        ],
    )
    .hint("Source and destination of the first message"),
    text(CallColumn::End, "End", 122.0, ALL).hidden(),
    number(CallColumn::Dialogs, "Dialogs", 74.0, PAIRS).hidden(),
    text(CallColumn::CallId, "Call-ID", 200.0, SINGLE).hidden(),
    text(CallColumn::UserAgents, "User-Agents", 200.0, SINGLE).hidden(),
    text(CallColumn::Identity, "Asserted identity", 180.0, PAIRS)
        .hint("P-Asserted-Identity of the first request (RFC 3325)")
        .hidden(),
];

/// The columns that a kind of calls has.
pub fn columns_of(kind: CallKind) -> impl Iterator<Item = &'static ColumnInfo> {
    COLUMNS
        .iter()
        .filter(move |info| info.kinds.contains(&kind))
}

/// The columns that are shown.
pub fn shown(kind: CallKind, choice: &ColumnChoice) -> Vec<&'static ColumnInfo> {
    columns_of(kind)
        .filter(|info| is_shown(info, kind, choice))
        .collect()
}

/// True when the column is shown.
pub fn is_shown(info: &ColumnInfo, kind: CallKind, choice: &ColumnChoice) -> bool {
    let usual = match (info.column, kind) {
        (CallColumn::UserAgents, CallKind::Registration) => true,
        (CallColumn::Retransmissions, CallKind::Registration) => false,
        _ => info.usual,
    };
    choice
        .get(kind.name())
        .and_then(|chosen| chosen.iter().find(|(column, _)| *column == info.column))
        .map_or(usual, |(_, show)| *show)
}

/// The user of a URI; the whole of it where there is none.
pub fn user_cell(words: String, uri: &str) -> Cell {
    if words == uri {
        Cell::new(words)
    } else {
        Cell::new(words).hover(uri.to_owned())
    }
}

fn user(uri: &str) -> String {
    let words = uri_words(uri);
    match words.split_once('@') {
        Some((user, _)) if !user.is_empty() => user.to_owned(),
        _ => words.to_owned(),
    }
}

/// Without the port that SIP has by default (RFC 3261, 19.1.2).
fn short(end: Endpoint) -> String {
    match (end.port, end.ip) {
        (5060, ip) => ip.to_string(),
        _ => end.to_string(),
    }
}

fn count(n: u64) -> Cell {
    Cell::new(grouped(n))
}

fn some_count(n: u64) -> Cell {
    match n {
        0 => Cell::default(),
        n => count(n),
    }
}

fn duration(nanos: Option<i64>) -> Cell {
    nanos.map_or_else(Cell::default, |n| Cell::new(duration_words(n)))
}

/// How long a call has been going on that is captured just now: since it began, or since the answer.
fn running(ctx: &PanelCtx<'_>, call: &CallLine) -> Option<String> {
    let now = ctx.capture.now?;
    let since = match call.state? {
        State::Calling | State::Ringing | State::EarlyMedia => call.start,
        State::Answered if ctx.kind == CallKind::Call => {
            call.start.saturating_add(call.total_setup?)
        }
        _ => return None,
    };
    // Of another machine whose clock is ahead.
    let seconds = now.saturating_sub(since).max(0) / 1_000_000_000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    Some(match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    })
}

/// What stands in a column of a call.
pub fn cell(ctx: &PanelCtx<'_>, column: CallColumn, line: &Line) -> Cell {
    let call = &line.call;
    let registration = line.registration.as_ref();
    match column {
        CallColumn::State => match call.outcome() {
            Some(outcome) => {
                let mark = ctx.theme.outcome(outcome);
                let word = call.state_word();
                let word = match running(ctx, call) {
                    Some(time) => Cow::Owned(format!("{word} {time}")),
                    None => Cow::Borrowed(word),
                };
                let cell = Cell::new(word).mark(mark.shape, mark.colour);
                match call.state {
                    Some(State::Completed) if outcome == Outcome::Bad => {
                        cell.hover(format!("Answered, then dropped: {}", call.ended_words()))
                    }
                    _ => cell,
                }
            }
            None => Cell::new("…"),
        },
        CallColumn::Start => time(ctx, call.start),
        CallColumn::End => call.end.map_or_else(Cell::default, |end| time(ctx, end)),
        CallColumn::Caller => user_cell(call.caller_words(), &call.caller),
        CallColumn::Callee if ctx.kind == CallKind::Registration => uri_cell(&call.callee),
        CallColumn::Callee => user_cell(user(&call.callee), &call.callee),
        CallColumn::Way => call.way.map_or_else(Cell::default, |(from, to)| {
            let words = |end: Endpoint| match ctx.view.name_of(end.ip) {
                Some(name) => name.to_owned(),
                None => short(end),
            };
            let whole = |end| ctx.view.end_words(end);
            Cell::new(format!("{} → {}", words(from), words(to))).hover(format!(
                "{} → {}",
                whole(from),
                whole(to)
            ))
        }),
        CallColumn::Result => Cell {
            colour: call.status.map(|status| ctx.theme.status(status)),
            ..Cell::new(call.outcome_words())
        },
        CallColumn::Pdd => duration(call.pdd),
        CallColumn::Setup => duration(call.setup),
        CallColumn::TotalSetup => duration(call.total_setup),
        CallColumn::Ring => duration(call.ring),
        CallColumn::Talk => duration(call.talk),
        CallColumn::Messages => count(call.messages.into()),
        CallColumn::Retransmissions => some_count(call.retransmissions.into()),
        CallColumn::Dialogs => call
            .dialogs
            .map_or_else(Cell::default, |n| some_count(n.into())),
        CallColumn::RtpForward => {
            let packets = call.rtp.map(|(forward, _)| forward);
            rtp(ctx, line, line.awaited.0, packets)
        }
        CallColumn::RtpBackward => {
            let packets = call.rtp.map(|(_, backward)| backward);
            rtp(ctx, line, line.awaited.1, packets)
        }
        CallColumn::EndedBy => {
            let cell = Cell::new(call.ended_words());
            // A call that was answered and did not end as its users wanted.
            match call.end_reason {
                Some(EndReason::NoAck | EndReason::DialogLost | EndReason::SessionTimer) => {
                    warned(ctx, cell)
                }
                _ => cell,
            }
        }
        CallColumn::CallId => Cell::new(call.call_id.clone()),
        CallColumn::UserAgents => match registration {
            Some(registration) => Cell::new(registration.user_agent.clone()),
            None => Cell::new(call.user_agents.join(", ")),
        },
        CallColumn::Identity => uri_cell(&call.asserted),
        CallColumn::Contact => uri_cell(registration.map_or("", |r| &r.contact)),
        CallColumn::SeenFrom => registration
            .and_then(|r| r.seen_from)
            .map_or_else(Cell::default, |end| Cell::new(end.to_string())),
        CallColumn::Expiry => registration
            .and_then(|r| r.granted)
            .map_or_else(Cell::default, |s| Cell::new(format!("{} s", grouped(s)))),
        CallColumn::Interval => duration(registration.and_then(|r| r.interval)),
        CallColumn::Rounds => registration.map_or_else(Cell::default, |r| count(r.rounds.into())),
        CallColumn::Failures => registration.map_or_else(Cell::default, |r| {
            warned(ctx, some_count(r.failures.into()))
        }),
        CallColumn::ContactChanges => registration.map_or_else(Cell::default, |r| {
            warned(ctx, some_count(r.contact_changes.into()))
        }),
        CallColumn::Gaps => {
            registration.map_or_else(Cell::default, |r| warned(ctx, Cell::new(r.gap_words())))
        }
    }
}

/// What stands in a column of a group.
pub fn group_cell(ctx: &PanelCtx<'_>, column: CallColumn, group: &GroupLine) -> Cell {
    match column {
        CallColumn::State => match group.state {
            Some(state) => {
                let mark = ctx.theme.outcome(Outcome::of(state));
                Cell::new(state_words(state)).mark(mark.shape, mark.colour)
            }
            None => Cell::default(),
        },
        CallColumn::Way => Cell::new(group.pair.clone()),
        CallColumn::Start => time(ctx, group.start),
        CallColumn::End => time(ctx, group.end),
        CallColumn::Result => {
            let colour = (group.status > 0).then(|| ctx.theme.status(group.status));
            Cell {
                colour,
                ..Cell::new(group.result.clone())
            }
        }
        CallColumn::Rounds => count(group.calls.len() as u64),
        CallColumn::Failures => warned(ctx, some_count(group.failures.into())),
        CallColumn::Interval => duration(group.interval),
        CallColumn::Messages => count(group.messages.into()),
        _ => Cell::default(),
    }
}

fn time(ctx: &PanelCtx<'_>, nanos: i64) -> Cell {
    Cell::new(ctx.time_words(nanos)).hover(ctx.moment_words(nanos))
}

/// Packets; in words where there are none although the call was answered and its file has RTP.
fn rtp(ctx: &PanelCtx<'_>, line: &Line, awaited: bool, packets: Option<u64>) -> Cell {
    let call = &line.call;
    let answered = call.setup.is_some() || call.talk.is_some();
    match packets {
        Some(0) if !answered => Cell::new("–").hover("The call was not answered"),
        Some(0) if !awaited => {
            Cell::new("–").hover("The session description says that nothing is sent this way")
        }
        Some(0) if line.recorded => warned(ctx, Cell::new("none"))
            .hover("The call was answered, but no RTP of this direction is in the capture"),
        Some(0) => Cell::new("–").hover("No RTP in this file: was it filtered for SIP only?"),
        Some(packets) => count(packets),
        None => Cell::default(),
    }
}

fn warned(ctx: &PanelCtx<'_>, cell: Cell) -> Cell {
    cell.colour(ctx.theme.challenge)
}
