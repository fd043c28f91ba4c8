//! Registrations: addresses of record and their bindings over time (RFC 3261, 10).

use super::IndexView;
use super::call::{
    Attempt, CallSummary, EndReason, EndedBy, Msg, State, answer_alone, attempts, originals,
};
use super::ids::{CallId, MessageId};
use crate::sip::method::Method;

/// Sums up the REGISTER requests of one address of record and device.
pub(super) fn sum_up(view: &IndexView, messages: &[Msg<'_>], out: &mut CallSummary) {
    let attempts = attempts(messages, |row| row.method == Method::Register);
    if let Some(first) = attempts.first() {
        out.caller = view
            .texts()
            .get(first.request.parties.from_uri)
            .into_owned();
        out.callee = view.texts().get(first.request.parties.to_uri).into_owned();
    }
    let Some(last) = attempts.last() else {
        if let Some(answer) = answer_alone(messages, Method::Register) {
            out.set_final(view, answer);
            out.state = match answer.row.status {
                // The bindings that are in force stand in it (RFC 3261, 10.3).
                200..=299 if answer.row.has_contact() => State::Registered,
                200..=299 => State::Unregistered,
                401 | 407 => State::Challenged,
                _ => State::Rejected,
            };
            decided(out);
        }
        return;
    };
    let Some(outcome) = attempts.iter().rev().find_map(Attempt::outcome) else {
        if last.unanswered(view) {
            out.state = State::NoResponse;
            out.end_reason = Some(EndReason::NoResponse);
            out.ended_by = Some(EndedBy::Network);
        }
        return;
    };
    if last.unanswered(view) {
        out.state = State::NoResponse;
        out.end_reason = Some(EndReason::NoResponse);
        out.ended_by = Some(EndedBy::Network);
        return;
    }
    out.set_final(view, outcome);
    out.state = match outcome.row.status {
        200..=299 => bindings(&attempts),
        401 | 407 => State::Challenged,
        _ => State::Rejected,
    };
    decided(out);
}

/// Who ended it, by its state.
fn decided(out: &mut CallSummary) {
    match out.state {
        State::Unregistered => out.ended_by = Some(EndedBy::Caller),
        State::Rejected => {
            out.ended_by = Some(EndedBy::Callee);
            out.end_reason = Some(EndReason::FinalResponse);
        }
        _ => {}
    }
}

/// What the newest successful request left: a request without Contact only asks (RFC 3261, 10.2.3).
fn bindings(attempts: &[Attempt<'_>]) -> State {
    let mut state = State::Partial;
    for attempt in attempts {
        let Some(outcome) = attempt.outcome().filter(|o| o.row.status < 300) else {
            continue;
        };
        let request = attempt.request.row;
        if request.has_contact() {
            state = if request.expires_at_once() {
                State::Unregistered
            } else {
                State::Registered
            };
        } else if outcome.row.has_contact() {
            state = State::Registered;
        } else {
            state = State::Unregistered;
        }
    }
    state
}

/// One turn of a registration: a REGISTER and what came of it, challenges included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// The request that was decided.
    pub request: MessageId,
    /// Its final response.
    pub outcome: Option<MessageId>,
    /// Time of the first request of this round.
    pub start: i64,
    /// Time of the final response.
    pub end: Option<i64>,
    /// Code of the final response.
    pub status: Option<u16>,
    /// Nobody answered, although the capture goes on for long enough.
    pub unanswered: bool,
    /// It took a challenge to get there.
    pub challenged: bool,
}

/// How long a challenged client may take for its second try to belong to the same round.
const SECOND_TRY_NANOS: i64 = 32_000_000_000;

/// The rounds of a registration, oldest first. A 401 or 407 that the client answers is no outcome.
pub fn rounds(view: &IndexView, call: CallId) -> Vec<Round> {
    let ids = view.messages_of_call(call);
    let messages = originals(view, &ids);
    let attempts = attempts(&messages, |row| row.method == Method::Register);
    let mut out: Vec<Round> = Vec::with_capacity(attempts.len());
    // Start of the round whose last answer was a challenge, and when that came.
    let mut open: Option<(i64, i64)> = None;
    for attempt in &attempts {
        let outcome = attempt.outcome();
        let request = attempt.request;
        let began = open.take().filter(|(_, challenged)| {
            request.row.has_credentials()
                && request.row.time.saturating_sub(*challenged) <= SECOND_TRY_NANOS
        });
        if began.is_some() {
            out.pop();
        }
        let round = Round {
            request: request.id,
            outcome: outcome.map(|o| o.id),
            start: began.map_or(request.row.time, |(start, _)| start),
            end: outcome.map(|o| o.row.time),
            status: outcome.map(|o| o.row.status),
            unanswered: outcome.is_none() && attempt.unanswered(view),
            challenged: began.is_some(),
        };
        if let (Some(401 | 407), Some(end)) = (round.status, round.end) {
            // A second challenge in a row is a refusal, unless the nonce alone was too old; then
            // the next try succeeds and takes this one along.
            open = Some((round.start, end));
        }
        out.push(round);
    }
    out
}
