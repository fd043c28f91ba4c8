//! States of dialogs (RFC 3261, 12): made from the messages of their call.

use hashbrown::HashMap;
use serde::Serialize;

use std::collections::{BTreeMap, BTreeSet};

use super::IndexView;
use super::call::{State, ends_session};
use super::ids::{CallId, DialogId, MessageId, TextId, TransactionId};
use super::message_store::{MessageRow, Repeat};
use crate::sip::method::Method;

/// State of a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DialogState {
    /// Opened by a provisional response.
    Early,
    /// Confirmed by a 2xx.
    Confirmed,
    /// Ended.
    Terminated,
    /// A losing leg of a fork: another leg answered.
    Elsewhere,
}

impl DialogState {
    /// Name as in the `state` field of the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Early => "early",
            Self::Confirmed => "confirmed",
            Self::Terminated => "terminated",
            Self::Elsewhere => "elsewhere",
        }
    }
}

/// What a dialog adds up to.
#[derive(Clone, Debug)]
pub struct DialogSummary {
    /// Which one.
    pub dialog: DialogId,
    /// State.
    pub state: DialogState,
    /// The transaction that made several dialogs.
    pub forked_from: Option<TransactionId>,
    /// Time of the first message.
    pub start: i64,
    /// Time of the last message.
    pub end: i64,
    /// Its messages, the creating request first.
    pub messages: Vec<MessageId>,
}

/// What is gathered of one dialog on the way through the messages of its call.
#[derive(Default)]
struct Gathered {
    messages: Vec<MessageId>,
    start: Option<i64>,
    end: i64,
    confirmed: bool,
    /// By an ACK alone: its 2xx was not captured.
    acked: bool,
    ended: bool,
    lost: bool,
    transactions: Vec<(TransactionId, u8)>,
    cseq: Option<u32>,
}

/// The dialogs of a call in the order of their opening.
pub fn of_call(view: &IndexView, call: CallId) -> Vec<DialogSummary> {
    let ids = view.messages_of_call(call);
    let mut dialogs: BTreeMap<DialogId, Gathered> = BTreeMap::new();
    let mut makers: BTreeMap<TransactionId, BTreeSet<DialogId>> = BTreeMap::new();
    for id in &ids {
        let Some(row) = view.message(*id) else {
            continue;
        };
        let Some(dialog) = row.dialog else { continue };
        let entry = dialogs.entry(dialog).or_default();
        gather(view, entry, *id, row);
        if makes(view, row) && makers.entry(row.transaction).or_default().insert(dialog) {
            entry.transactions.push((row.transaction, row.via_count));
        }
        // A fork of SUBSCRIBE shows itself by NOTIFY alone: one 2xx reaches the subscriber, each
        // notifier writes for itself (RFC 6665, 4.4.1).
        if row.is_request()
            && row.method == Method::Notify
            && let Some(asked) = subscribed_by(view, dialog)
            && makers.entry(asked.transaction).or_default().insert(dialog)
        {
            entry
                .transactions
                .push((asked.transaction, asked.via_count));
        }
    }
    let first = first_requests(view, &ids);
    // A failure of the first INVITE ends the early dialogs that were made through it; the failure
    // of one branch of a fork leaves the others alone.
    let refusals: Vec<&MessageRow> = ids
        .iter()
        .filter_map(|id| view.message(*id))
        .filter(|r| r.is_response() && r.cseq_method == Method::Invite && r.status >= 300)
        .collect();
    let failed: BTreeSet<TransactionId> = refusals.iter().map(|r| r.transaction).collect();
    let refused_by: BTreeSet<TextId> = refusals
        .iter()
        .filter_map(|r| view.parties(r).to_tag)
        .collect();
    // Sent to a leg when another one, which may not be in the capture, was answered.
    let elsewhere: BTreeSet<TransactionId> = ids
        .iter()
        .filter_map(|id| view.message(*id))
        .filter(|row| row.tells_elsewhere())
        .filter_map(|row| Some(view.message(row.cancels()?)?.transaction))
        .collect();
    // An ACK under a branch of its own may still be that of a failure.
    for (id, g) in &mut dialogs {
        let remote = view.dialog(*id).and_then(|dialog| dialog.remote_tag);
        let refused = refusals
            .iter()
            .any(|r| r.cseq() == g.cseq && view.parties(r).to_tag == remote);
        g.confirmed |= g.acked && !refused;
    }
    let any_confirmed: BTreeSet<u32> = dialogs
        .values()
        .filter(|g| g.confirmed)
        .filter_map(|g| g.cseq)
        .collect();
    dialogs
        .into_iter()
        .filter_map(|(id, mut g)| {
            let dialog = view.dialog(id)?;
            let mut messages = Vec::with_capacity(g.messages.len() + 1);
            let request = dialog.request.and_then(|asked| {
                let row = view.message(asked)?;
                let hops = first.get(&first_key(view, row))?;
                hops.iter().rev().find(|id| **id <= asked).copied()
            });
            messages.extend(request);
            messages.append(&mut g.messages);
            let start = messages
                .first()
                .and_then(|m| view.message(*m))
                .map(|r| r.time);
            let forked_from = g
                .transactions
                .iter()
                .filter(|(t, _)| makers.get(t).is_some_and(|made| made.len() > 1))
                .min_by_key(|(t, vias)| (*vias, *t))
                .map(|(t, _)| *t);
            let nearest = g
                .transactions
                .iter()
                .min_by_key(|(t, vias)| (*vias, *t))
                .map(|(t, _)| *t);
            // Of a dialog from the middle too, when what opened it is ringing.
            let ringing = view
                .message(dialog.opened_by)
                .is_some_and(|row| row.is_response() && row.status < 200);
            let begins = !dialog.from_middle || ringing;
            let early = dialog.method == Method::Invite && !g.confirmed && begins;
            let state = if g.ended || g.lost {
                DialogState::Terminated
            } else if !early {
                DialogState::Confirmed
            } else if g.cseq.is_some_and(|c| any_confirmed.contains(&c))
                || nearest.is_some_and(|t| elsewhere.contains(&t))
            {
                DialogState::Elsewhere
            } else if nearest.is_some_and(|t| failed.contains(&t))
                || dialog
                    .remote_tag
                    .is_some_and(|tag| refused_by.contains(&tag))
            {
                DialogState::Terminated
            } else {
                DialogState::Early
            };
            Some(DialogSummary {
                dialog: id,
                state,
                forked_from,
                start: start.into_iter().chain(g.start).min().unwrap_or(0),
                end: g.end,
                messages,
            })
        })
        .collect()
}

fn gather(view: &IndexView, g: &mut Gathered, id: MessageId, row: &MessageRow) {
    g.messages.push(id);
    g.start = Some(g.start.map_or(row.time, |s| s.min(row.time)));
    g.end = g.end.max(row.time);
    if makes(view, row) {
        g.cseq = g.cseq.or(row.cseq());
        g.confirmed |= row.status >= 200;
    }
    let Some(method) = row.dialog.and_then(|d| view.dialog(d)).map(|d| d.method) else {
        return;
    };
    let session = method == Method::Invite;
    if row.is_request() {
        // A transfer's NOTIFY ends its own usage, not the session (RFC 5057, 5.1).
        let told =
            row.method == Method::Notify && row.subscription_state() == Some(State::Terminated);
        g.ended |= row.method == Method::Bye || told && !session;
        // A 2xx that was not captured has been there when its ACK is.
        g.acked |= row.method == Method::Ack
            && row
                .acks()
                .and_then(|a| view.message(a))
                .is_none_or(|a| a.status < 300);
    } else {
        g.lost = match row.status {
            408 | 481 if ends_session(row.cseq_method) => session && (g.confirmed || g.acked),
            481 if !session => true,
            200..=299 => false,
            _ => g.lost,
        };
    }
}

/// True for a response that opens or confirms a dialog: 101 to 299 to a first request.
fn makes(view: &IndexView, row: &MessageRow) -> bool {
    row.is_response()
        && (101..300).contains(&row.status)
        && matches!(
            row.method,
            Method::Invite | Method::Subscribe | Method::Refer
        )
        && row
            .request()
            .and_then(|r| view.message(r))
            .is_none_or(MessageRow::is_initial)
}

/// The request that a NOTIFY answers which opened a dialog.
fn subscribed_by(view: &IndexView, dialog: DialogId) -> Option<&MessageRow> {
    let dialog = view.dialog(dialog)?;
    let by_notify = view
        .message(dialog.opened_by)
        .is_some_and(|row| row.is_request() && row.method == Method::Notify);
    let asked = view.message(dialog.request.filter(|_| by_notify)?)?;
    matches!(asked.method, Method::Subscribe | Method::Refer).then_some(asked)
}

/// What makes a first request the same on every hop: method, CSeq, From tag.
type FirstKey = (Method, Option<u32>, Option<TextId>);

fn first_key(view: &IndexView, row: &MessageRow) -> FirstKey {
    (row.method, row.cseq(), view.parties(row).from_tag)
}

/// The first sendings of each first request of a call, on the hop nearest to its sender: several
/// where the same CSeq was tried again elsewhere.
fn first_requests(view: &IndexView, ids: &[MessageId]) -> HashMap<FirstKey, Vec<MessageId>> {
    let mut first: HashMap<FirstKey, (u8, Vec<MessageId>)> = HashMap::new();
    for id in ids {
        if let Some(row) = view.message(*id)
            && row.is_request()
            && row.is_initial()
            && row.repeat() == Repeat::No
        {
            let hops = first.entry(first_key(view, row));
            let (vias, sendings) = hops.or_insert((row.via_count, Vec::new()));
            if row.via_count < *vias {
                sendings.clear();
                *vias = row.via_count;
            }
            if row.via_count == *vias {
                sendings.push(*id);
            }
        }
    }
    let hops = first.into_iter();
    hops.map(|(key, (_, sendings))| (key, sendings)).collect()
}
