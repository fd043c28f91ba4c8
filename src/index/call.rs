//! What the messages of a call, registration or other group add up to: state, times, outcome.
//!
//! Nothing here is stored: a summary is made from the messages whenever somebody wants to see it.
//! Definitions: RFC 6076 for times; the states are ours and stand in the command-line contract.

use serde::Serialize;

use super::ids::{CallId, DialogId, MessageId};
use super::message_store::{Flow, MessageRow, Parties, Repeat};
use super::{CallKind, IndexView, registration};
use crate::packet::Endpoint;
use crate::sip::method::Method;

/// State of a call or other group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nothing but 100 so far.
    Calling,
    /// It rings.
    Ringing,
    /// Early media, no ringing.
    EarlyMedia,
    /// Up at the end of the capture.
    Answered,
    /// Answered and ended; for other groups: a 2xx came.
    Completed,
    /// CANCEL before a failure.
    Cancelled,
    /// Rang, then 408, 480 or 487 by time.
    NoAnswer,
    /// No response at all.
    NoResponse,
    /// 486 or 600.
    Busy,
    /// 603, 607, 608.
    Declined,
    /// 403, 488, 606.
    Rejected,
    /// 404, 410, 604.
    NotFound,
    /// 3xx.
    Redirected,
    /// The last answer is 401 or 407.
    Challenged,
    /// Any other failure.
    Failed,
    /// The capture lacks what would decide.
    Partial,
    /// A binding is in force.
    Registered,
    /// The bindings were removed.
    Unregistered,
    /// A subscription is in force.
    Active,
    /// A subscription waits for consent.
    Pending,
    /// A subscription has ended.
    Terminated,
}

impl State {
    /// All states.
    pub const ALL: [Self; 21] = [
        Self::Calling,
        Self::Ringing,
        Self::EarlyMedia,
        Self::Answered,
        Self::Completed,
        Self::Cancelled,
        Self::NoAnswer,
        Self::NoResponse,
        Self::Busy,
        Self::Declined,
        Self::Rejected,
        Self::NotFound,
        Self::Redirected,
        Self::Challenged,
        Self::Failed,
        Self::Partial,
        Self::Registered,
        Self::Unregistered,
        Self::Active,
        Self::Pending,
        Self::Terminated,
    ];

    /// Name as in the `state` field of the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Calling => "calling",
            Self::Ringing => "ringing",
            Self::EarlyMedia => "early_media",
            Self::Answered => "answered",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::NoAnswer => "no_answer",
            Self::NoResponse => "no_response",
            Self::Busy => "busy",
            Self::Declined => "declined",
            Self::Rejected => "rejected",
            Self::NotFound => "not_found",
            Self::Redirected => "redirected",
            Self::Challenged => "challenged",
            Self::Failed => "failed",
            Self::Partial => "partial",
            Self::Registered => "registered",
            Self::Unregistered => "unregistered",
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Terminated => "terminated",
        }
    }
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The caller.
    Caller,
    /// The callee.
    Callee,
    /// Both at once.
    Both,
    /// Something between them.
    Network,
    /// Cannot be told.
    Unknown,
}

/// What ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// BYE.
    Bye,
    /// CANCEL.
    Cancel,
    /// A failure response.
    FinalResponse,
    /// The ACK did not come.
    NoAck,
    /// The session timer ran out.
    SessionTimer,
    /// One side had lost the dialog (481, 408).
    DialogLost,
    /// No response came.
    NoResponse,
}

/// What a call adds up to. Durations are nanoseconds.
#[derive(Clone, Debug)]
pub struct CallSummary {
    /// Which one.
    pub call: CallId,
    /// What it is.
    pub kind: CallKind,
    /// State.
    pub state: State,
    /// From URI of the first request.
    pub caller: String,
    /// Request-URI of the first request; for a registration the address of record.
    pub callee: String,
    /// Time of the first message.
    pub start: i64,
    /// Time of the last message.
    pub end: i64,
    /// INVITE to first ringing or answer (RFC 6076, 4.3).
    pub pdd: Option<i64>,
    /// INVITE to 2xx.
    pub setup: Option<i64>,
    /// The same from the very first INVITE.
    pub total_setup: Option<i64>,
    /// First 180 to the final response.
    pub ring: Option<i64>,
    /// First 2xx to first BYE.
    pub talk: Option<i64>,
    /// Final response that the caller got.
    pub status: Option<u16>,
    /// Its reason phrase.
    pub reason: Option<String>,
    /// Who ended it.
    pub ended_by: Option<EndedBy>,
    /// What ended it.
    pub end_reason: Option<EndReason>,
    /// Retransmissions.
    pub retransmissions: u32,
    /// Copies.
    pub copies: u32,
    /// Dialogs, in order.
    pub dialogs: Vec<DialogId>,
    /// Messages, in order.
    pub messages: Vec<MessageId>,
}

/// 64*T1: how long a request is waited for (timers B and F; RFC 3261, 17.1.1.2 and 17.1.2.2).
pub(super) const TIMER_B_NANOS: i64 = 32_000_000_000;
/// A request that was repeated for this long was not answered in between.
const LONG_UNANSWERED_NANOS: i64 = 15_000_000_000;

/// A message with its row and way.
#[derive(Clone, Copy)]
pub(super) struct Msg<'a> {
    pub id: MessageId,
    pub row: &'a MessageRow,
    pub parties: &'a Parties,
    pub flow: &'a Flow,
}

/// One request with its answers, on the hop nearest to its sender.
///
/// Where a forking proxy was captured only behind itself, the request stands in several
/// transactions: its branches.
pub(super) struct Attempt<'a> {
    pub request: Msg<'a>,
    pub last_sending: i64,
    pub responses: Vec<Msg<'a>>,
    /// Whether a final response came, for each branch.
    finals: Vec<bool>,
}

impl<'a> Attempt<'a> {
    /// The response that counts: a 2xx if there is one, else, once no branch is open, the one that a
    /// proxy would choose (RFC 3261, 16.7): a 6xx, else one of the lowest class.
    pub fn outcome(&self) -> Option<Msg<'a>> {
        let success = self
            .responses
            .iter()
            .find(|r| (200..300).contains(&r.row.status));
        if success.is_some() {
            return success.copied();
        }
        if self.finals.iter().any(|done| !done) {
            return None;
        }
        let finals = self.responses.iter().filter(|r| r.row.status >= 300);
        if self.finals.len() == 1 {
            return finals.copied().next();
        }
        finals.copied().min_by_key(|r| match r.row.status {
            600.. => 0,
            status => status / 100,
        })
    }

    fn provisional(&self) -> impl Iterator<Item = &Msg<'a>> {
        self.responses
            .iter()
            .filter(|r| (101..200).contains(&r.row.status))
    }

    /// Nobody answered, and the sender had reason to give up; or the capture goes on long enough.
    /// A trace is an excerpt: what is not in it may well have been answered.
    pub fn unanswered(&self, view: &IndexView) -> bool {
        if view.told(self.request.id).is_some() {
            return false;
        }
        let capture_end = view.totals.last_time;
        let first = self.request.row.time;
        self.responses.is_empty()
            && (self.last_sending.saturating_sub(first) >= LONG_UNANSWERED_NANOS
                || capture_end.saturating_sub(first) >= TIMER_B_NANOS)
    }
}

/// The messages of a group without copies.
pub(super) fn originals<'a>(view: &'a IndexView, ids: &[MessageId]) -> Vec<Msg<'a>> {
    ids.iter()
        .filter_map(|id| {
            let row = view.message(*id)?;
            Some(Msg {
                id: *id,
                row,
                parties: view.parties(row),
                flow: view.flow(row.flow)?,
            })
        })
        .filter(|m| !m.row.repeat().is_copy())
        .collect()
}

/// The requests that `wanted` names, on the hop nearest to who sent the first.
///
/// Equal Call-ID and CSeq is one request, however many transactions it makes: from the same sender
/// they are branches of a fork; from somebody else they are the next hop of a B2BUA that keeps
/// Call-ID and CSeq but starts a new list of Via, and do not count. What is sent after a challenge
/// or a redirect is another request, also with the old CSeq.
pub(super) fn attempts<'a>(
    messages: &[Msg<'a>],
    wanted: impl Fn(&MessageRow) -> bool,
) -> Vec<Attempt<'a>> {
    let requests = || {
        messages
            .iter()
            .filter(|m| m.row.is_request() && wanted(m.row))
    };
    let Some(nearest) = requests().map(|m| m.row.via_count).min() else {
        return Vec::new();
    };
    let mut out: Vec<Attempt<'a>> = Vec::new();
    let mut by_number = hashbrown::HashMap::new();
    // Attempt and branch of a transaction.
    let mut place: hashbrown::HashMap<_, (usize, usize)> = hashbrown::HashMap::new();
    let mut turned_away: hashbrown::HashMap<_, MessageId> = hashbrown::HashMap::new();
    for m in messages.iter().filter(|m| m.row.is_response()) {
        if begins_anew(m.row.status) {
            turned_away.entry(m.row.transaction).or_insert(m.id);
        }
    }
    for m in requests().filter(|m| m.row.via_count == nearest) {
        if let Some((at, _)) = place.get(&m.row.transaction) {
            if let Some(attempt) = out.get_mut(*at) {
                attempt.last_sending = attempt.last_sending.max(m.row.time);
            }
            continue;
        }
        let number = (m.parties.call_id, m.row.cseq());
        let earlier = by_number.get(&number).copied();
        let at = match earlier {
            Some((at, before)) if turned_away.get(&before).is_none_or(|id| *id > m.id) => at,
            _ => {
                out.push(Attempt {
                    request: *m,
                    last_sending: m.row.time,
                    responses: Vec::new(),
                    finals: Vec::new(),
                });
                out.len() - 1
            }
        };
        by_number.insert(number, (at, m.row.transaction));
        if let Some(attempt) = out.get_mut(at)
            && attempt.request.flow.src.ip == m.flow.src.ip
        {
            place.insert(m.row.transaction, (at, attempt.finals.len()));
            attempt.finals.push(false);
        }
    }
    // Behind all requests: a response may have been captured before its own.
    for m in messages.iter().filter(|m| m.row.is_response()) {
        if let Some((at, branch)) = place.get(&m.row.transaction)
            && let Some(attempt) = out.get_mut(*at)
        {
            attempt.responses.push(*m);
            if let Some(done) = attempt.finals.get_mut(*branch) {
                *done |= m.row.status >= 200;
            }
        }
    }
    out
}

/// Sums up one call, registration, subscription …; none if there is no such call.
pub fn summary(view: &IndexView, call: CallId) -> Option<CallSummary> {
    let entry = view.call(call)?;
    let ids = view.messages_of_call(call);
    let messages = originals(view, &ids);
    let first = view.message(entry.first)?;
    let mut dialogs: Vec<DialogId> = ids
        .iter()
        .filter_map(|id| view.message(*id)?.dialog)
        .collect();
    dialogs.sort();
    dialogs.dedup();
    // From and To swap in requests of the other side; the first message of the group decides.
    let parties = view.parties(first);
    let caller = view.texts().get(parties.from_uri).into_owned();
    let callee = view.texts().get(parties.to_uri).into_owned();
    let times = ids
        .iter()
        .filter_map(|id| view.message(*id))
        .map(|row| row.time);
    let mut out = CallSummary {
        call,
        kind: entry.kind,
        state: State::Partial,
        caller,
        callee,
        start: times.clone().min().unwrap_or(0),
        end: times.max().unwrap_or(0),
        pdd: None,
        setup: None,
        total_setup: None,
        ring: None,
        talk: None,
        status: None,
        reason: None,
        ended_by: None,
        end_reason: None,
        retransmissions: entry.retransmissions,
        copies: entry.copies,
        dialogs,
        messages: ids,
    };
    // Cut before the Call-ID: nothing ties these messages together.
    if view.texts().bytes(entry.call_id).is_empty() {
        return Some(out);
    }
    match entry.kind {
        CallKind::Call => sum_up_call(view, &messages, &mut out),
        CallKind::Registration => registration::sum_up(view, &messages, &mut out),
        CallKind::Subscription => sum_up_subscription(view, &messages, &mut out),
        CallKind::Message | CallKind::Options | CallKind::Other => {
            sum_up_other(view, &messages, &mut out);
        }
    }
    // Where a log states no times, what lies between them is not known.
    if view.has_traces() && !out.messages.iter().all(|id| view.states_time(*id)) {
        (out.pdd, out.setup, out.total_setup) = (None, None, None);
        (out.ring, out.talk) = (None, None);
    }
    Some(out)
}

impl CallSummary {
    pub(super) fn set_final(&mut self, view: &IndexView, response: Msg<'_>) {
        self.status = Some(response.row.status);
        let reason = view.texts().get(response.row.start_text);
        self.reason = (!reason.is_empty()).then(|| reason.into_owned());
    }
}

fn sum_up_call(view: &IndexView, messages: &[Msg<'_>], out: &mut CallSummary) {
    let attempts = attempts(messages, |row| {
        row.method == Method::Invite && row.is_initial()
    });
    let (Some(first), Some(last)) = (attempts.first(), attempts.last()) else {
        // Its beginning is not in the capture; what came of it may still be seen.
        without_invite(view, messages, out);
        return;
    };
    out.caller = view
        .texts()
        .get(first.request.parties.from_uri)
        .into_owned();
    out.callee = view.texts().get(first.request.row.start_text).into_owned();
    // Only a challenge or a redirect begins anew.
    let turned = |a: &Attempt<'_>| a.outcome().is_some_and(|o| begins_anew(o.row.status));
    let anew = attempts
        .iter()
        .rev()
        .skip(1)
        .position(turned)
        .map_or(0, |back| attempts.len() - 1 - back);
    let tries = attempts.get(anew..).unwrap_or_default();
    let began = tries.first().unwrap_or(last).request.row.time;
    let provisional = || tries.iter().flat_map(Attempt::provisional);
    // A response that lost its Via on the way names no transaction, but reached the caller.
    let stray = || {
        messages.iter().copied().find(|m| {
            m.row.is_response()
                && m.row.cseq_method == Method::Invite
                && m.row.status >= 200
                && m.row.request().is_none()
                && m.row.cseq() == last.request.row.cseq()
                && m.parties.from_tag == last.request.parties.from_tag
                && m.flow.dst == last.request.flow.src
        })
    };
    let outcome = last.outcome().or_else(stray);
    let success = outcome.filter(|m| m.row.status < 300);
    let near = Near::new(view, out, last.request.flow.src);
    if let Some(response) = outcome {
        out.set_final(view, response);
    }
    let reached = provisional().min_by_key(|m| near.time(**m)).copied();
    let reached = reached.or(success).or(outcome);
    out.pdd = reached.map(|m| near.time(m).saturating_sub(began));
    out.setup = success.map(|m| near.time(m).saturating_sub(began));
    out.total_setup = success.map(|m| near.time(m).saturating_sub(first.request.row.time));
    let rang = provisional().filter(|m| m.row.status == 180);
    let rang = rang.map(|m| near.time(*m)).min();
    if let (Some(rang), Some(outcome)) = (rang, outcome) {
        out.ring = Some(near.time(outcome).saturating_sub(rang).max(0));
    }
    let caller_at = last.request.flow.src;
    let cancel = messages.iter().find(|m| {
        m.row.is_request()
            && m.row.method == Method::Cancel
            && (m.row.cancels() == Some(last.request.id)
                || m.row.cancels().is_none() && m.flow.src == caller_at)
    });
    let Some(outcome) = outcome else {
        // The answer itself was not captured, but what can only follow one was.
        let answered = messages.iter().any(|m| {
            m.row.is_request()
                && (m.row.method == Method::Bye
                    || m.row.method == Method::Ack && m.row.cseq() == last.request.row.cseq())
        });
        if answered {
            end_by_bye(view, messages, Some(caller_at), None, out);
            out.state = State::Partial;
            return;
        }
        out.state = if cancel.is_some() {
            out.ended_by = Some(EndedBy::Caller);
            out.end_reason = Some(EndReason::Cancel);
            State::Cancelled
        } else if view.told(last.request.id).is_some() {
            // The answer is not in this trace, which says nothing about whether there was one.
            State::Partial
        } else if last.provisional().any(|m| m.row.status != 183) {
            State::Ringing
        } else if last.provisional().next().is_some() {
            State::EarlyMedia
        } else if last.unanswered(view) {
            out.ended_by = Some(EndedBy::Network);
            out.end_reason = Some(EndReason::NoResponse);
            State::NoResponse
        } else {
            State::Calling
        };
        return;
    };
    if success.is_some() {
        let bye = end_by_bye(view, messages, Some(caller_at), outcome.row.dialog, out);
        out.talk = bye.map(|bye| near.of(bye).saturating_sub(near.time(outcome)).max(0));
        if bye.is_none() {
            dialog_lost(messages, outcome.row.dialog, out);
        }
        out.state = if out.end_reason.is_some() {
            State::Completed
        } else {
            State::Answered
        };
        let acked = messages.iter().any(|m| {
            m.row.method == Method::Ack
                && m.row
                    .acks()
                    .and_then(|a| view.message(a))
                    .is_some_and(|a| a.status < 300)
        });
        if out.end_reason == Some(EndReason::Bye) && !acked && out.ended_by == Some(EndedBy::Callee)
        {
            out.end_reason = Some(EndReason::NoAck);
        }
        return;
    }
    let status = outcome.row.status;
    let rang = last.provisional().next().is_some();
    if cancel.is_some_and(|c| c.id < outcome.id) {
        out.state = State::Cancelled;
        out.ended_by = Some(EndedBy::Caller);
        out.end_reason = Some(EndReason::Cancel);
        return;
    }
    let bye = messages
        .iter()
        .find(|m| m.row.is_request() && m.row.method == Method::Bye);
    if bye.is_some_and(|b| b.id < outcome.id) {
        // BYE on an early dialog (RFC 3261, 15) ends the call before the failure does.
        end_by_bye(view, messages, Some(caller_at), None, out);
    } else {
        out.end_reason = Some(EndReason::FinalResponse);
        out.ended_by = Some(who_refused(messages, last.request.row, outcome));
    }
    out.state = refused(status, rang);
}

/// A challenge or a redirect: the same request is sent once more, with credentials or elsewhere.
fn begins_anew(status: u16) -> bool {
    matches!(status, 300..=399 | 401 | 407)
}

/// State by the failure that ended the attempt.
fn refused(status: u16, rang: bool) -> State {
    match status {
        300..=399 => State::Redirected,
        401 | 407 => State::Challenged,
        408 | 480 | 487 if rang => State::NoAnswer,
        486 | 600 => State::Busy,
        603 | 607 | 608 => State::Declined,
        403 | 488 | 606 => State::Rejected,
        404 | 410 | 604 => State::NotFound,
        _ => State::Failed,
    }
}

/// A call of which the INVITE was not captured, but its answers were.
///
/// They may be those of a re-INVITE; a 100 without To tag and ringing are of a first one
/// (RFC 3261, 8.2.6.2 and 13.3.1.1).
fn without_invite(view: &IndexView, messages: &[Msg<'_>], out: &mut CallSummary) {
    let answers = || {
        messages.iter().filter(|m| {
            m.row.is_response() && m.row.cseq_method == Method::Invite && m.row.request().is_none()
        })
    };
    let is_first =
        |m: &&Msg<'_>| m.row.status == 100 && m.parties.to_tag.is_none() || m.row.status == 180;
    // Only a first INVITE is cancelled without a To tag (RFC 3261, 9.1).
    let cancel = messages
        .iter()
        .find(|m| m.row.method == Method::Cancel && m.row.is_request() && m.row.is_initial());
    let nearest = answers().map(|m| m.row.via_count).min();
    let of_first = |m: &&Msg<'_>| {
        Some(m.row.via_count) == nearest
            && answers().filter(is_first).chain(cancel).any(|sign| {
                sign.row.cseq() == m.row.cseq() && sign.parties.from_tag == m.parties.from_tag
            })
    };
    let finals = || answers().filter(of_first).filter(|m| m.row.status >= 200);
    let success = finals().find(|m| m.row.status < 300);
    let Some(outcome) = success.or_else(|| finals().next_back()).copied() else {
        end_by_bye(view, messages, None, None, out);
        return;
    };
    out.set_final(view, outcome);
    let caller_at = outcome.flow.dst;
    let near = Near::new(view, out, caller_at);
    let rang = answers().filter(of_first).find(|m| m.row.status == 180);
    if let Some(rang) = rang {
        out.ring = Some(near.time(outcome).saturating_sub(near.time(*rang)).max(0));
    }
    if success.is_none() {
        if cancel.is_some_and(|c| c.id < outcome.id && c.row.cseq() == outcome.row.cseq()) {
            out.state = State::Cancelled;
            out.ended_by = Some(EndedBy::Caller);
            out.end_reason = Some(EndReason::Cancel);
            return;
        }
        out.state = refused(outcome.row.status, rang.is_some());
        out.end_reason = Some(EndReason::FinalResponse);
        out.ended_by = Some(who_refused(messages, outcome.row, outcome));
        return;
    }
    let bye = end_by_bye(view, messages, Some(caller_at), outcome.row.dialog, out);
    out.talk = bye.map(|bye| near.of(bye).saturating_sub(near.time(outcome)).max(0));
    if bye.is_none() {
        dialog_lost(messages, outcome.row.dialog, out);
    }
    out.state = match out.end_reason {
        Some(_) => State::Completed,
        None => State::Answered,
    };
}

/// When messages were seen on the side of the caller.
///
/// With both sides of a NAT in the capture the first sighting of a message may be on the other
/// side; the one that reached the caller is the copy.
struct Near {
    times: hashbrown::HashMap<MessageId, i64>,
}

impl Near {
    fn new(view: &IndexView, call: &CallSummary, caller_at: Endpoint) -> Self {
        let mut times = hashbrown::HashMap::new();
        if call.copies > 0 {
            for row in call.messages.iter().filter_map(|id| view.message(*id)) {
                let reached = view
                    .flow(row.flow)
                    .is_some_and(|flow| flow.dst == caller_at);
                if let Repeat::SeenAs(first) = row.repeat()
                    && reached
                {
                    times.entry(first).or_insert(row.time);
                }
            }
        }
        Self { times }
    }

    fn of(&self, (id, time): (MessageId, i64)) -> i64 {
        self.times.get(&id).copied().unwrap_or(time)
    }

    fn time(&self, m: Msg<'_>) -> i64 {
        self.of((m.id, m.row.time))
    }
}

/// Who sent a failure: the callee, unless something before it answered in its place.
///
/// `near` is the request on the hop nearest to the caller, or its answer there.
fn who_refused(messages: &[Msg<'_>], near: &MessageRow, outcome: Msg<'_>) -> EndedBy {
    let cseq = near.cseq();
    let status = outcome.row.status;
    let invites = messages.iter().filter(|m| {
        m.row.cseq_method == Method::Invite
            && m.row.is_request() == near.is_request()
            && m.row.cseq() == cseq
    });
    let farthest = invites.map(|m| m.row.via_count).max().unwrap_or(0);
    if farthest > near.via_count {
        // Forwarded: the callee has refused if the same answer came from the last hop that was seen.
        let from_callee = messages.iter().any(|m| {
            m.row.is_response()
                && m.row.cseq_method == Method::Invite
                && m.row.status == status
                && m.row.via_count == farthest
        });
        return if from_callee {
            EndedBy::Callee
        } else {
            EndedBy::Network
        };
    }
    match status {
        // What a server says in place of the callee (RFC 3261, 21.4.5, 21.4.9, 21.5).
        401 | 404 | 407 | 408 | 503 | 504 => EndedBy::Network,
        _ => EndedBy::Callee,
    }
}

/// Who sent BYE; the time of the first one, on the hop nearest to the caller where that is known.
///
/// A fork that was answered twice ends its surplus leg by BYE as well: that of `dialog` counts.
fn end_by_bye(
    view: &IndexView,
    messages: &[Msg<'_>],
    caller_at: Option<Endpoint>,
    dialog: Option<DialogId>,
    out: &mut CallSummary,
) -> Option<(MessageId, i64)> {
    let byes: Vec<&Msg<'_>> = messages
        .iter()
        .filter(|m| m.row.is_request() && m.row.method == Method::Bye)
        .filter(|m| dialog.is_none() || m.row.dialog.is_none() || m.row.dialog == dialog)
        .collect();
    let first = *byes.first()?;
    let near = |m: &&&Msg<'_>| {
        caller_at.is_some_and(|at| m.flow.src.ip == at.ip || m.flow.dst.ip == at.ip)
    };
    let at = byes
        .iter()
        .find(near)
        .map_or((first.id, first.row.time), |m| (m.id, m.row.time));
    let answered = messages
        .iter()
        .find(|m| m.row.is_response() && m.row.cseq_method == Method::Bye)
        .map_or(MessageId::at(u32::MAX as usize - 2), |m| m.id);
    let invite = messages
        .iter()
        .find(|m| m.row.method == Method::Invite && m.row.is_request() && m.row.is_initial());
    // Without its INVITE: the answer that decided has the same From.
    let answer = dialog.and_then(|dialog| {
        messages.iter().find(|m| {
            m.row.is_response()
                && m.row.cseq_method == Method::Invite
                && m.row.dialog == Some(dialog)
                && caller_at == Some(m.flow.dst)
        })
    });
    let invite_from = invite.or(answer).and_then(|m| m.parties.from_tag);
    out.end_reason = Some(EndReason::Bye);
    out.ended_by = Some(match invite_from {
        None => EndedBy::Unknown,
        Some(tag) => {
            let by_caller = |m: &Msg<'_>| m.parties.from_tag == Some(tag);
            let crossed = byes
                .iter()
                .any(|m| m.id < answered && by_caller(m) != by_caller(first));
            match (crossed, by_caller(first)) {
                (true, _) => EndedBy::Both,
                (false, true) => EndedBy::Caller,
                (false, false) => EndedBy::Callee,
            }
        }
    });
    if session_expired(view, messages, first) {
        out.end_reason = Some(EndReason::SessionTimer);
    }
    Some(at)
}

/// The BYE came when the session expired (RFC 4028, 10): as long after the newest refresh as was
/// agreed, less the minimum of 32 s and a third of it, by which the side that waits is early.
///
/// A session that is refreshed never gets there: refreshes are due at half of the interval.
fn session_expired(view: &IndexView, messages: &[Msg<'_>], bye: &Msg<'_>) -> bool {
    const NANOS: i64 = 1_000_000_000;
    /// Clocks and queues.
    const TOLERANCE: i64 = 2 * NANOS;
    let agreed = messages
        .iter()
        .filter(|m| m.id < bye.id && (bye.row.dialog.is_none() || m.row.dialog == bye.row.dialog))
        .filter_map(|m| Some((m.row.time, view.session_interval(m.id)?)))
        .max_by_key(|(time, _)| *time);
    let Some((refreshed, interval)) = agreed else {
        return false;
    };
    let interval = i64::from(interval).saturating_mul(NANOS);
    let early = (interval / 3).min(32 * NANOS);
    let since = bye.row.time.saturating_sub(refreshed);
    (interval - early - TOLERANCE..=interval.saturating_add(TOLERANCE)).contains(&since)
}

/// A request within the dialog answered by 481, or by 408 (RFC 3261, 12.2.1.2), and nothing that
/// succeeded after it: the dialog is over.
fn dialog_lost(messages: &[Msg<'_>], dialog: Option<DialogId>, out: &mut CallSummary) {
    let mut lost = false;
    for m in messages
        .iter()
        .filter(|m| m.row.is_response() && m.row.dialog.is_some())
    {
        if dialog.is_some() && m.row.dialog != dialog {
            continue;
        }
        lost = match m.row.status {
            408 | 481 if ends_session(m.row.method) => true,
            200..=299 => false,
            _ => lost,
        };
    }
    if lost {
        out.end_reason = Some(EndReason::DialogLost);
        out.ended_by = Some(EndedBy::Network);
    }
}

/// True for a method whose 481 or 408 ends the session: not for those of subscriptions, which end
/// alone (RFC 5057, 5.1).
pub(super) fn ends_session(method: Method) -> bool {
    !matches!(
        method,
        Method::Cancel | Method::Notify | Method::Subscribe | Method::Refer | Method::Other
    )
}

fn sum_up_subscription(view: &IndexView, messages: &[Msg<'_>], out: &mut CallSummary) {
    let attempts = attempts(messages, |row| row.method == Method::Subscribe);
    if let Some(first) = attempts.first() {
        out.caller = view
            .texts()
            .get(first.request.parties.from_uri)
            .into_owned();
        out.callee = view.texts().get(first.request.row.start_text).into_owned();
    }
    let alone = answer_alone(messages, Method::Subscribe).filter(|_| attempts.is_empty());
    let outcome = attempts.iter().rev().find_map(Attempt::outcome).or(alone);
    if let Some(outcome) = outcome {
        out.set_final(view, outcome);
    }
    let granted = attempts
        .iter()
        .rev()
        .find_map(|a| Some((a, a.outcome().filter(|o| o.row.status < 300)?)));
    let notify = messages
        .iter()
        .rev()
        .find(|m| m.row.is_request() && m.row.method == Method::Notify);
    let told = notify.and_then(|m| m.row.subscription_state());
    // The subscriber does not know the subscription any more.
    let gone = out.dialogs.len() <= 1
        && notify.is_some_and(|n| {
            messages
                .iter()
                .any(|m| m.row.request() == Some(n.id) && m.row.status == 481)
        });
    let refresh_lost = outcome.is_some_and(|o| o.row.status == 481);
    let unanswered = attempts.last().is_some_and(|a| a.unanswered(view));
    out.state = match (granted, told) {
        _ if gone || granted.is_some() && refresh_lost => State::Terminated,
        (_, Some(State::Terminated)) => State::Terminated,
        _ if unanswered => State::NoResponse,
        (None, None) if alone.is_some_and(|o| o.row.status < 300) => State::Active,
        (None, _) if outcome.is_some_and(|o| o.row.status >= 300) => State::Rejected,
        // A refresh that failed leaves the subscription until it runs out (RFC 6665, 4.1.2.2).
        (_, Some(state)) => state,
        (Some((_, ok)), None) if ok.row.status == 202 => State::Pending,
        (Some((a, _)), None) if a.request.row.expires_at_once() => State::Terminated,
        (Some(_), None) => State::Active,
        (None, None) => State::Partial,
    };
    let last_ask = attempts.iter().rev().find(|a| a.outcome().is_some());
    (out.ended_by, out.end_reason) = match out.state {
        State::Rejected => (Some(EndedBy::Callee), Some(EndReason::FinalResponse)),
        State::NoResponse => (Some(EndedBy::Network), Some(EndReason::NoResponse)),
        State::Terminated if gone || granted.is_some() && refresh_lost => {
            (Some(EndedBy::Network), Some(EndReason::DialogLost))
        }
        State::Terminated if last_ask.is_some_and(|a| a.request.row.expires_at_once()) => {
            (Some(EndedBy::Caller), None)
        }
        // Nobody asked for it: the notifier ended it.
        State::Terminated if granted.is_some() => (Some(EndedBy::Callee), None),
        State::Terminated => (Some(EndedBy::Unknown), None),
        _ => (None, None),
    };
}

/// The newest final response whose request was not captured: it decides all the same.
pub(super) fn answer_alone<'a>(messages: &[Msg<'a>], method: Method) -> Option<Msg<'a>> {
    let mut finals = messages
        .iter()
        .rev()
        .filter(|m| m.row.is_response() && m.row.cseq_method == method && m.row.status >= 200);
    finals.find(|m| m.row.request().is_none()).copied()
}

fn sum_up_other(view: &IndexView, messages: &[Msg<'_>], out: &mut CallSummary) {
    let method = messages.first().map_or(Method::Other, |m| m.row.method);
    let attempts = attempts(messages, |row| {
        row.method == method && row.method != Method::Notify
    });
    if let Some(last) = attempts.last() {
        out.callee = view.texts().get(last.request.row.start_text).into_owned();
    }
    let outcome = match attempts.last() {
        Some(last) => last.outcome(),
        None => answer_alone(messages, method),
    };
    let Some(outcome) = outcome else {
        if attempts.last().is_some_and(|last| last.unanswered(view)) {
            out.state = State::NoResponse;
            out.end_reason = Some(EndReason::NoResponse);
            out.ended_by = Some(EndedBy::Network);
        }
        return;
    };
    out.set_final(view, outcome);
    out.end_reason = Some(EndReason::FinalResponse);
    out.ended_by = Some(EndedBy::Callee);
    out.state = match outcome.row.status {
        200..=299 => State::Completed,
        300..=399 => State::Redirected,
        401 | 407 => State::Challenged,
        _ => State::Failed,
    };
}
