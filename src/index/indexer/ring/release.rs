//! What leaves with a message or a call, and with the last of those that share it.

use std::sync::Arc;

use super::super::{Indexer, Recent, dialog_key, flow_key};
use super::{Border, Ring};
use crate::index::ids::{CallId, DialogId, FlowId, MessageId, TextId};
use crate::index::media::endpoint_key;
use crate::index::message_store::{Flow, MessageRow, flag};
use crate::index::{Dialog, text};
use crate::packet::Addressing;
use crate::sip::method::Method;

impl Indexer {
    /// A call leaves with all its messages.
    pub(super) fn remove_call(&mut self, ring: &mut Ring, id: CallId) {
        let Some(call) = self.calls.remove(id.index()) else {
            return;
        };
        ring.kept.remove(id.index());
        self.left.add(call.kind);
        let mut next = Some(call.last);
        while let Some(message) = next
            && let Some(row) = self.take_message(ring, message)
        {
            next = row.previous_in_call;
        }
        self.release_texts(ring, [Some(call.call_id)]);
    }

    /// Takes out a message that was carried over, with what only it needs.
    pub(super) fn take_message(&mut self, ring: &mut Ring, id: MessageId) -> Option<MessageRow> {
        let row = self.rows.remove(id.index())?;
        self.left.messages += 1;
        self.release(ring, id, &row);
        Some(row)
    }

    /// What a message needed leaves, if nobody else does.
    pub(super) fn release(&mut self, ring: &mut Ring, id: MessageId, row: &MessageRow) {
        if row.flags & flag::SCATTERED != 0 {
            let mut at = usize::try_from(row.place).unwrap_or(usize::MAX);
            let mut left = row.len;
            while left > 0
                && let Some(extent) = self.extents.remove(at)
            {
                left = left.saturating_sub(extent.len);
                at += 1;
            }
        }
        // Media is in bodies.
        while row.body_len > 0
            && let Some((at, a)) = self
                .announcements
                .remove_first(|a| a.message < id, |a| a.message == id)
        {
            let key = endpoint_key(a.endpoint);
            if self
                .announced_at
                .get(&key)
                .is_some_and(|newest| newest.index() == at)
            {
                self.announced_at.remove(&key);
            }
        }
        while row.body_len > 0
            && self
                .refusals
                .remove_first(|refusal| refusal.message < id, |r| r.message == id)
                .is_some()
        {}
        self.session_intervals
            .remove_first(|(m, _)| *m < id, |(m, _)| *m == id);
        self.told
            .remove_first(|told| told.message < id, |told| told.message == id);
        let note = self
            .hep
            .remove_first(|note| note.message < id, |note| note.message == id);
        if let Some((_, note)) = note {
            self.release_texts(ring, [note.node]);
        }
        if row.method == Method::Other {
            Arc::make_mut(&mut self.odd_methods).remove(&id);
        }
        self.release_texts(ring, row.texts());
        let (flow, parties) = (row.flow.index(), row.parties.index());
        if ring.users.flows.take(flow)
            && let Some(gone) = self.flows.remove(flow)
        {
            ring.users.flows.remove(flow);
            self.unlist_flow(flow, &gone);
        }
        if let Some(at) = row.dialog.map(|dialog| dialog.index())
            && ring.users.dialogs.take(at)
            && let Some(gone) = self.dialogs.remove(at)
        {
            ring.users.dialogs.remove(at);
            self.unlist_dialog(at, &gone);
            self.release_texts(ring, gone.texts());
        }
        if ring.users.parties.take(parties)
            && let Some(gone) = self.parties.remove(parties)
        {
            ring.users.parties.remove(parties);
            self.release_texts(ring, gone.texts());
        }
    }

    fn release_texts(&mut self, ring: &mut Ring, texts: impl IntoIterator<Item = Option<TextId>>) {
        for id in texts.into_iter().flatten() {
            if ring.users.texts.take(id.index())
                && let Some(gone) = self.texts.remove(id.index())
            {
                ring.users.texts.remove(id.index());
                self.unlist_cid(id, &gone);
            }
        }
    }

    /// What messages share leaves up to the border, or is carried over if it is needed.
    pub(super) fn leave_shared(&mut self, ring: &mut Ring, next: &Border) {
        while self.dialogs.start() < next.dialogs
            && let Some((at, dialog)) = self.dialogs.leave()
        {
            let used = ring.users.dialogs.has(at);
            ring.users.dialogs.leave(at);
            if used {
                self.dialogs.carry(at, dialog);
            } else {
                self.unlist_dialog(at, &dialog);
                self.release_texts(ring, dialog.texts());
            }
        }
        while self.parties.start() < next.parties
            && let Some((at, parties)) = self.parties.leave()
        {
            let used = ring.users.parties.has(at);
            ring.users.parties.leave(at);
            if used {
                self.parties.carry(at, parties);
            } else {
                self.release_texts(ring, parties.texts());
            }
        }
        while self.flows.start() < next.flows
            && let Some((at, flow)) = self.flows.leave()
        {
            let used = ring.users.flows.has(at);
            ring.users.flows.leave(at);
            if used {
                self.flows.carry(at, flow);
            } else {
                self.unlist_flow(at, &flow);
            }
        }
        while self.texts.start() < next.texts {
            let at = self.texts.start();
            let gone = self.texts.leave(|at| ring.users.texts.has(at));
            ring.users.texts.leave(at);
            if let Some((id, gone)) = gone {
                self.unlist_cid(id, &gone);
            }
        }
    }

    fn unlist_flow(&mut self, at: usize, flow: &Flow) {
        let way = Addressing {
            src: flow.src,
            dst: flow.dst,
            ip_id: 0,
            realm: 0,
        };
        let key = flow_key(&way, flow.transport);
        let is_it = |(known, id): &(u64, FlowId)| *known == key && id.index() == at;
        if let Ok(entry) = self.flow_table.find_entry(key, is_it) {
            entry.remove();
        }
        self.last_flows = [(0, None); 4];
    }

    fn unlist_dialog(&mut self, at: usize, dialog: &Dialog) {
        let (Some(one), Some(other)) = (dialog.local_tag, dialog.remote_tag) else {
            return;
        };
        let cid = text::hash_of(self.texts.get(dialog.call_id));
        let key = dialog_key(cid, one, other);
        if self
            .dialog_table
            .get(&key)
            .is_some_and(|known| known.index() == at)
        {
            self.dialog_table.remove(&key);
        }
    }

    /// If the text that leaves is a Call-ID, nothing of that is known any more.
    fn unlist_cid(&mut self, id: TextId, text: &[u8]) {
        let hash = text::hash_of(text);
        let Self {
            cids, cid_table, ..
        } = self;
        let is_it = |at: &u32| {
            let cid = cids.get(*at as usize);
            cid.is_some_and(|cid| cid.hash == hash && cid.text == id)
        };
        if let Ok(entry) = cid_table.find_entry(hash, is_it) {
            let (at, _) = entry.remove();
            self.free_cids.push(at);
        }
    }

    /// Takes what has left out of what is known of a Call-ID.
    pub(in crate::index::indexer) fn mend_cid(&mut self, at: usize) {
        if self.left.before.is_none() {
            return;
        }
        let Self {
            cids,
            calls,
            parties,
            dialogs,
            ..
        } = self;
        let Some(cid) = cids.get_mut(at) else { return };
        for slot in &mut cid.calls {
            *slot = slot.filter(|call| calls.get(call.index()).is_some());
        }
        for recent in &mut cid.parties {
            if recent.id.is_none_or(|id| parties.get(id.index()).is_none()) {
                *recent = Recent::default();
            }
            let there = |dialog: &DialogId| dialogs.get(dialog.index()).is_some();
            recent.dialog = recent.dialog.filter(there);
        }
    }

    /// False for a call that has left.
    #[inline]
    pub(in crate::index::indexer) fn is_there(&self, call: CallId) -> bool {
        self.left.before.is_none() || self.calls.get(call.index()).is_some()
    }

    /// Notes what a message needs that is filed now.
    #[inline]
    pub(in crate::index::indexer) fn use_row(&mut self, row: &MessageRow) {
        if let Some(ring) = &mut self.ring {
            ring.users.add_row(row);
        }
    }

    /// Notes that something needs texts.
    #[inline]
    pub(in crate::index::indexer) fn use_texts<const N: usize>(
        &mut self,
        texts: [Option<TextId>; N],
    ) {
        if let Some(ring) = &mut self.ring {
            ring.users.add_texts(texts);
        }
    }
}
