//! The selected call: its messages and its ladder, made in the background.

use std::sync::Arc;

use crate::index::IndexView;
use crate::index::ids::{CallId, MessageId};
use crate::present::ladder::Ladder;

/// Which call is to be shown.
#[derive(Clone)]
pub struct CallQuestion {
    /// The index.
    pub view: Arc<IndexView>,
    /// The call.
    pub call: CallId,
    /// Its newest message and number of messages: what was asked last is not asked again.
    pub version: CallStamp,
}

/// Tells one state of a call from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallStamp {
    /// Which call.
    pub call: CallId,
    /// Its newest message.
    pub last: MessageId,
    /// Number of its messages.
    pub messages: u32,
    /// Of which capture.
    pub capture: u64,
    /// The capture is complete.
    pub finished: bool,
}

/// A call in full.
pub struct CallDetail {
    /// Which, and how far.
    pub stamp: CallStamp,
    /// Its messages, in order.
    pub messages: Vec<MessageId>,
    /// Its ladder.
    pub ladder: Ladder,
    /// The capture has no RTP at all.
    pub silent: bool,
}

/// Makes it.
pub fn make(question: &CallQuestion) -> Option<CallDetail> {
    let CallQuestion {
        view,
        call,
        version,
    } = question;
    Some(CallDetail {
        stamp: *version,
        messages: view.messages_of_call(*call),
        ladder: Ladder::of(view, &[*call]),
        silent: view.rtp.is_empty(),
    })
}
