//! The in-memory model of a capture: messages, transactions, dialogs, calls, streams.
//!
//! [`Indexer`] takes messages in the order of the capture and files each one; [`IndexView`] is what
//! everybody else sees, immutable and cheap to share. The index reads no clock and no file: what
//! is not in a row is read from the bytes of the message by whoever needs it.

pub mod call;
mod carried;
pub mod dialog;
pub mod filter;
pub mod icmp;
pub mod ids;
mod indexer;
pub mod media;
pub mod message_store;
pub mod paged;
pub mod query;
pub mod registration;
pub mod repeat;
pub mod stream;
pub mod text;
mod time_bound;
pub mod trace;
pub mod wanted;

use std::collections::BTreeMap;

use crate::bytes::Extent;
use crate::packet::LayerStack;
use ids::{CallId, DialogId, FlowId, MessageId, TextId};
pub use indexer::{Incoming, Indexer, Keys, branch_hash};
use message_store::{Flow, MessageRow, Parties, flag};
use paged::PagedView;

/// Hash of octets, keyed anew in every run of the program so that nobody can prepare collisions.
pub fn hash_bytes(bytes: &[u8]) -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    use std::sync::LazyLock;
    static STATE: LazyLock<foldhash::fast::FixedState> = LazyLock::new(|| {
        let seed = std::collections::hash_map::RandomState::new().hash_one(1u8);
        foldhash::fast::FixedState::with_seed(seed)
    });
    let mut hasher = STATE.build_hasher();
    hasher.write(bytes);
    hasher.finish()
}

/// Joins two hashes; not symmetric.
pub fn mix(a: u64, b: u64) -> u64 {
    let wide = u128::from(a ^ 0x9e37_79b9_7f4a_7c15) * u128::from(b ^ 0xd1b5_4a32_d192_ed03);
    (wide >> 64) as u64 ^ wide as u64 ^ a.rotate_left(23)
}

/// A dialog as the index knows it; its state follows from its messages ([`dialog::of_call`]).
#[derive(Clone, Debug)]
pub struct Dialog {
    /// The call it is a leg of.
    pub call: CallId,
    /// Call-ID.
    pub call_id: TextId,
    /// Tag of the sender of the request that created it.
    pub local_tag: Option<TextId>,
    /// Tag of the other side.
    pub remote_tag: Option<TextId>,
    /// The request that created it, when it was captured.
    pub request: Option<MessageId>,
    /// The first message with both tags.
    pub opened_by: MessageId,
    /// Method of the request that created it.
    pub method: crate::sip::method::Method,
    /// Its beginning is not in the capture.
    pub from_middle: bool,
}

impl Dialog {
    /// The texts it needs.
    pub(crate) fn texts(&self) -> [Option<TextId>; 3] {
        [Some(self.call_id), self.local_tag, self.remote_tag]
    }
}

/// What the messages of one group are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CallKind {
    /// Made by INVITE.
    Call,
    /// REGISTER, over its refreshes.
    Registration,
    /// SUBSCRIBE and NOTIFY.
    Subscription,
    /// MESSAGE outside of a dialog.
    Message,
    /// OPTIONS outside of a dialog.
    Options,
    /// Anything else.
    Other,
}

impl CallKind {
    /// All kinds, in the order they are shown.
    pub const ALL: [Self; 6] = [
        Self::Call,
        Self::Registration,
        Self::Subscription,
        Self::Message,
        Self::Options,
        Self::Other,
    ];

    /// Name as in the `kind` field of the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Registration => "registration",
            Self::Subscription => "subscription",
            Self::Message => "message",
            Self::Options => "options",
            Self::Other => "other",
        }
    }
}

/// A call, registration, subscription …: the messages that belong together.
#[derive(Clone, Debug)]
pub struct Call {
    /// What it is.
    pub kind: CallKind,
    /// Call-ID of its first message.
    pub call_id: TextId,
    /// Its first message.
    pub first: MessageId,
    /// Its newest message; the others hang on `previous_in_call`.
    pub last: MessageId,
    /// Number of messages.
    pub messages: u32,
    /// How many of the oldest have left memory: they are in the file.
    pub left: u32,
    /// A BYE or a final failure was seen.
    pub over: bool,
    /// Number of retransmissions among them.
    pub retransmissions: u32,
    /// Number of copies among them, both kinds.
    pub copies: u32,
}

/// What an agent says of a message that it forwarded in HEP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HepNote {
    /// The message.
    pub message: MessageId,
    /// Number of the agent.
    pub agent: Option<u32>,
    /// Name of its node.
    pub node: Option<TextId>,
}

/// Counts over the whole capture.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// Requests by method name.
    pub requests: BTreeMap<String, u64>,
    /// Responses by code.
    pub responses: BTreeMap<u16, u64>,
    /// Transactions.
    pub transactions: u32,
    /// Retransmissions.
    pub retransmissions: u64,
    /// Copies, both kinds.
    pub copies: u64,
    /// Octets of all messages.
    pub octets: u64,
    /// Different Call-IDs.
    pub call_ids: u64,
    /// Time of the newest message, nanoseconds since 1970-01-01 UTC.
    pub last_time: i64,
    /// Calls in which a BYE or a final failure was seen.
    pub calls_over: u64,
}

/// What left memory, so that the index stays within its bound: it is in the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Calls of each kind, in the order of [`CallKind::ALL`].
    pub calls: [u64; 6],
    /// How many of the calls proper were still up, or ringing, as far as one knew.
    pub unfinished: u64,
    /// Messages, also those of calls that are still there.
    pub messages: u64,
    /// Streams of RTP.
    pub streams: u64,
    /// All messages from this time on are in memory.
    pub before: Option<i64>,
    /// Time of the very first message, once it may have left.
    pub first: Option<i64>,
}

/// The index as it was at one moment.
#[derive(Clone, Default)]
pub struct IndexView {
    pub(crate) rows: PagedView<MessageRow>,
    pub(crate) parties: PagedView<Parties>,
    pub(crate) dialogs: PagedView<Dialog>,
    pub(crate) calls: PagedView<Call>,
    pub(crate) flows: PagedView<Flow>,
    pub(crate) extents: PagedView<Extent>,
    pub(crate) texts: text::TextsView,
    pub(crate) layer_stacks: Vec<LayerStack>,
    pub(crate) odd_methods: std::sync::Arc<BTreeMap<MessageId, String>>,
    pub(crate) announcements: PagedView<media::Announcement>,
    pub(crate) refusals: PagedView<media::Refusal>,
    pub(crate) session_intervals: PagedView<(MessageId, u32)>,
    pub(crate) rtp: std::sync::Arc<Vec<stream::RtpCounts>>,
    pub(crate) hep: PagedView<HepNote>,
    pub(crate) told: PagedView<trace::TraceRow>,
    pub(crate) names: std::sync::Arc<Vec<String>>,
    pub(crate) icmp: std::sync::Arc<icmp::IcmpErrors>,
    /// What left memory.
    pub left: Left,
    /// Counts.
    pub totals: Totals,
}

impl IndexView {
    /// All messages, in order.
    pub fn messages(&self) -> &PagedView<MessageRow> {
        &self.rows
    }

    /// Time of the first message of the capture, also when that has left memory.
    pub fn first_time(&self) -> Option<i64> {
        self.left
            .first
            .or_else(|| self.rows.get(0).map(|row| row.time))
    }

    /// All dialogs, in order of opening.
    pub fn dialogs(&self) -> &PagedView<Dialog> {
        &self.dialogs
    }

    /// All calls, in order of their first message.
    pub fn calls(&self) -> &PagedView<Call> {
        &self.calls
    }

    /// True when RTP was seen.
    pub fn has_rtp(&self) -> bool {
        !self.rtp.is_empty()
    }

    /// Interned texts.
    pub fn texts(&self) -> &text::TextsView {
        &self.texts
    }

    /// One message.
    pub fn message(&self, id: MessageId) -> Option<&MessageRow> {
        self.rows.get(id.index())
    }

    /// Call-ID, From and To of a message.
    pub fn parties(&self, row: &MessageRow) -> &Parties {
        self.parties
            .get(row.parties.index())
            .unwrap_or(&Parties::NONE)
    }

    /// Call-IDs with From and To, as they came.
    pub fn all_parties(&self) -> &PagedView<Parties> {
        &self.parties
    }

    /// Seconds after which the session ends unless it is refreshed, in the 2xx that agrees to that
    /// (Session-Expires; RFC 4028, 9).
    pub fn session_interval(&self, id: MessageId) -> Option<u32> {
        by_message(&self.session_intervals, id, |(at, _)| *at).map(|(_, seconds)| *seconds)
    }

    /// One dialog.
    pub fn dialog(&self, id: DialogId) -> Option<&Dialog> {
        self.dialogs.get(id.index())
    }

    /// One call.
    pub fn call(&self, id: CallId) -> Option<&Call> {
        self.calls.get(id.index())
    }

    /// The way a message took.
    pub fn flow(&self, id: FlowId) -> Option<&Flow> {
        self.flows.get(id.index())
    }

    /// All flows.
    pub fn flows(&self) -> &PagedView<Flow> {
        &self.flows
    }

    /// The method in words: also of methods that are in no registry.
    pub fn method_name(&self, id: MessageId) -> &str {
        if let Some(name) = self.odd_methods.get(&id) {
            return name;
        }
        self.message(id).map_or("", |row| row.method.as_str())
    }

    /// Layers that a message came through.
    pub fn layers(&self, row: &MessageRow) -> LayerStack {
        self.layer_stacks
            .get(usize::from(row.layers))
            .copied()
            .unwrap_or_default()
    }

    /// Where the bytes of a message lie.
    pub fn extents(&self, row: &MessageRow) -> Vec<Extent> {
        if row.flags & flag::SCATTERED == 0 {
            return vec![Extent {
                offset: row.place,
                time: row.time,
                len: row.len,
                frame: row.frame,
                head: row.head,
                file: row.file,
            }];
        }
        let mut left = row.len;
        let mut out = Vec::new();
        let mut at = usize::try_from(row.place).unwrap_or(usize::MAX);
        while left > 0 {
            let Some(extent) = self.extents.get(at) else {
                break;
            };
            out.push(*extent);
            left = left.saturating_sub(extent.len);
            at += 1;
        }
        out
    }

    /// The messages of a call, oldest first.
    pub fn messages_of_call(&self, call: CallId) -> Vec<MessageId> {
        let mut out = Vec::new();
        let Some(entry) = self.call(call) else {
            return out;
        };
        out.reserve(entry.messages.saturating_sub(entry.left) as usize);
        let mut at = Some(entry.last);
        while let Some(id) = at {
            // The oldest of a long call may have left memory.
            let Some(row) = self.message(id) else { break };
            out.push(id);
            at = row.previous_in_call;
        }
        out.reverse();
        out
    }

    /// The messages of a dialog, the creating request first.
    pub fn messages_of_dialog(&self, id: DialogId) -> Vec<MessageId> {
        let Some(dialog) = self.dialog(id) else {
            return Vec::new();
        };
        self.messages_of_call(dialog.call)
            .into_iter()
            .filter(|m| {
                dialog.request == Some(*m)
                    || self.message(*m).is_some_and(|row| row.dialog == Some(id))
            })
            .collect()
    }

    /// What its agent says of a message that came in HEP; none for any other.
    pub fn hep(&self, id: MessageId) -> Option<&HepNote> {
        by_message(&self.hep, id, |note| note.message)
    }

    /// The ICMP errors of the capture that quote messages or media.
    pub fn icmp(&self) -> &icmp::IcmpErrors {
        &self.icmp
    }

    /// Sender and receiver.
    pub fn ends(&self, row: &MessageRow) -> Option<&Flow> {
        self.flow(row.flow)
    }
}

/// The entry of a message in a table whose entries are noted as the messages come.
fn by_message<T>(table: &PagedView<T>, id: MessageId, of: impl Fn(&T) -> MessageId) -> Option<&T> {
    let (mut low, mut high) = (0, table.len());
    while low < high {
        let middle = usize::midpoint(low, high);
        let entry = table.nth(middle)?;
        match of(entry).cmp(&id) {
            std::cmp::Ordering::Equal => return Some(entry),
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_row_stays_small() {
        // The budget of the whole index is 112 octets a message and 320 a Call-ID.
        assert!(
            size_of::<super::MessageRow>() <= 96,
            "{}",
            size_of::<super::MessageRow>()
        );
    }
}
