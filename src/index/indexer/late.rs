//! What was captured before the message that it refers to.
//!
//! Several queues of a network card, or two directions merged by time stamps, put neighbours the
//! wrong way round: a response stands before its request, an ACK before its 2xx. What such a
//! message refers to is entered when it comes.

use super::{Incoming, Indexer, Recent, Transaction};
use crate::index::ids::{CallId, DialogId, FlowId, MessageId};
use crate::index::media;
use crate::index::message_store::{MessageRow, SdpKind};
use crate::sip::method::Method;

/// So many messages of the call are looked back at.
const LOOK_BACK: usize = 64;

impl Indexer {
    /// Notes whether a message refers to one that was not captured before it.
    pub(super) fn note_waiting(&mut self, cid: usize, row: &MessageRow) {
        let ack = row.is_request() && row.method == Method::Ack;
        let waits = match row.refers_to {
            // That of another hop is taken until that of its own one comes.
            Some(answer) => ack && !self.answers_on(row.flow, answer),
            None => row.is_response() || ack || row.method == Method::Cancel,
        };
        if waits && let Some(cid) = self.cids.get_mut(cid) {
            cid.waits = true;
        }
    }

    /// True when a message went the way back of a flow.
    fn answers_on(&self, flow: FlowId, answer: MessageId) -> bool {
        let answer = self.rows.get(answer.index());
        let back = answer.and_then(|row| self.flows.get(row.flow.index()));
        let there = self.flows.get(flow.index());
        matches!((there, back), (Some(a), Some(b)) if a.src == b.dst && a.dst == b.src)
    }

    /// The first INVITE of the dialog that a request belongs to whose opening was not captured: only one
    /// direction was, or the answer was lost. Says whether its sender has sent this request, too.
    pub(super) fn unanswered_invite(
        &self,
        m: &Incoming<'_>,
        call: CallId,
        parties: &Recent,
        response: bool,
    ) -> Option<(MessageId, bool)> {
        if response || m.scan.method == Method::Invite {
            return None;
        }
        let mut next = self
            .calls
            .get(call.index())
            .filter(|c| c.messages > 0)?
            .last;
        for _ in 0..LOOK_BACK {
            let row = self.rows.get(next.index())?;
            let first = row.is_request() && row.method == Method::Invite && row.is_initial();
            let tag = self.parties.get(row.parties.index())?.from_tag;
            let by_sender = tag == parties.from_tag;
            // An ACK has the number of its INVITE (RFC 3261, 13.2.2.4).
            let same = m.scan.method != Method::Ack || by_sender && row.cseq() == m.scan.cseq;
            if first && tag.is_some() && same && (by_sender || tag == parties.to_tag) {
                return Some((next, by_sender));
            }
            next = row.previous_in_call?;
        }
        None
    }

    /// The response that should have opened a dialog was overtaken by a request of the dialog.
    pub(super) fn open_late(
        &mut self,
        m: &Incoming<'_>,
        id: MessageId,
        dialog: DialogId,
        known: Option<&Transaction>,
    ) {
        let opens = matches!(
            m.scan.method,
            Method::Invite | Method::Subscribe | Method::Refer
        ) && (101..300).contains(&m.scan.status);
        let request = known.filter(|t| t.initial).and_then(|t| t.request);
        let (true, Some(request)) = (opens, request) else {
            return;
        };
        let from_tag = self
            .rows
            .get(request.index())
            .and_then(|row| self.parties.get(row.parties.index()))
            .and_then(|parties| parties.from_tag);
        let found = self.dialogs.get(dialog.index());
        if found.is_none_or(|found| !found.from_middle) {
            return;
        }
        if let Some(found) = self.dialogs.get_mut(dialog.index()) {
            if found.remote_tag == from_tag {
                std::mem::swap(&mut found.local_tag, &mut found.remote_tag);
            }
            found.from_middle = false;
            found.request = Some(request);
            found.opened_by = id;
            found.method = m.scan.method;
        }
    }

    /// Message `id` was filed: those before it may have waited for it. `known` is its transaction
    /// as it was before.
    pub(super) fn answer_waiting(
        &mut self,
        cid: usize,
        id: MessageId,
        known: Option<&Transaction>,
    ) {
        if !self.cids.get(cid).is_some_and(|cid| cid.waits) {
            return;
        }
        let Some(new) = self.rows.get(id.index()).cloned() else {
            return;
        };
        let asks = new.is_request()
            && new.method != Method::Ack
            && known.is_none_or(|t| t.request.is_none());
        let decides = new.is_response()
            && new.method == Method::Invite
            && new.status >= 200
            && !new.repeat().is_copy();
        if !asks && !decides {
            return;
        }
        let mut next = new.previous_in_call;
        for _ in 0..LOOK_BACK {
            let Some((at, row)) = next.and_then(|at| Some((at, self.rows.get(at.index())?))) else {
                return;
            };
            next = row.previous_in_call;
            let waits = row.refers_to.is_none();
            let same = row.is_request() && row.cseq() == new.cseq();
            if asks && waits && row.is_response() && row.transaction == new.transaction {
                self.answered_before(at, id, &new);
            } else if asks && waits && same && row.method == Method::Cancel {
                if new.method == Method::Invite && row.branch == new.branch {
                    self.refer(at, id);
                }
            } else if decides && same && row.method == Method::Ack {
                let nearer = row
                    .refers_to
                    .is_none_or(|old| !self.answers_on(row.flow, old))
                    && (waits || self.answers_on(row.flow, id));
                if nearer {
                    self.acknowledged_before(at, id, &new);
                }
            }
        }
    }

    fn refer(&mut self, at: MessageId, to: MessageId) -> Option<&mut MessageRow> {
        let row = self.rows.get_mut(at.index())?;
        row.refers_to = Some(to);
        Some(row)
    }

    /// The response at `at` stands before its request.
    fn answered_before(&mut self, at: MessageId, id: MessageId, request: &MessageRow) {
        let Some(row) = self.refer(at, id) else {
            return;
        };
        if row.sdp == SdpKind::Other && request.sdp == SdpKind::Offer {
            let exchange = media::Exchange::OfferInRequest;
            (row.sdp, _) = media::role(row.method, true, row.status, exchange, true);
        }
        let dialog = row.dialog;
        if let Some(dialog) = dialog.and_then(|dialog| self.dialogs.get_mut(dialog.index()))
            && dialog.opened_by == at
            && request.is_initial()
        {
            (dialog.request, dialog.from_middle) = (Some(id), false);
        }
    }

    /// The ACK at `at` stands before the final response that it acknowledges.
    fn acknowledged_before(&mut self, at: MessageId, id: MessageId, response: &MessageRow) {
        let Some(row) = self.rows.get_mut(at.index()) else {
            return;
        };
        let of_invite = row.transaction == response.transaction;
        let success = response.status < 300;
        if of_invite && success && row.dialog.is_none() {
            row.dialog = response.dialog;
            if let (Some(ring), Some(dialog)) = (&mut self.ring, response.dialog) {
                ring.users.dialogs.add(dialog.index());
            }
        }
        if of_invite || success && row.dialog == response.dialog {
            row.refers_to = Some(id);
            if row.has_sdp() && response.sdp == SdpKind::Offer {
                row.sdp = SdpKind::Answer;
            }
        }
    }
}
