//! States of dialogs (RFC 3261, 12): made from the messages of their call.

use serde::Serialize;

use super::ids::{DialogId, MessageId, TransactionId};

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
