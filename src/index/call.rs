//! What the messages of a call, registration or other group add up to: state, times, outcome.
//!
//! Nothing here is stored: a summary is made from the messages whenever somebody wants to see it.
//! Definitions: RFC 6076 for times; the states are ours and stand in the command-line contract.

use serde::Serialize;

use super::ids::{CallId, DialogId, MessageId};
use super::CallKind;

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
