//! Registrations: addresses of record and their bindings over time (RFC 3261, 10).

use super::IndexView;
use super::call::{Attempt, CallSummary, EndReason, EndedBy, Msg, State, attempts};
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
    let Some(last) = attempts.last() else { return };
    let Some(outcome) = attempts.iter().rev().find_map(Attempt::outcome) else {
        if last.unanswered(view.totals.last_time) {
            out.state = State::NoResponse;
            out.end_reason = Some(EndReason::NoResponse);
            out.ended_by = Some(EndedBy::Network);
        }
        return;
    };
    if last.unanswered(view.totals.last_time) {
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
