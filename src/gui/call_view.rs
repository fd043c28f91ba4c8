//! The selected call: its messages and its ladder, made in the background.

use std::sync::Arc;

use crate::bytes::MessageBytes;
use crate::index::IndexView;
use crate::index::ids::{CallId, MessageId};
use crate::present::ladder::Ladder;
use crate::present::ladder::arrangement::Arrangement;

/// Which call is to be shown.
#[derive(Clone)]
pub struct CallQuestion {
    /// The index.
    pub view: Arc<IndexView>,
    /// The call.
    pub call: CallId,
    /// Its newest message and number of messages: what was asked last is not asked again.
    pub version: CallStamp,
    /// The calls of the ladder: the marked ones and this one.
    pub calls: Vec<CallId>,
    /// Octets of its messages.
    pub bytes: Option<Arc<dyn MessageBytes>>,
    /// Lanes and folds as a person wants them.
    pub arrangement: Arrangement,
}

/// Tells one state of a call from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallStamp {
    /// Which call.
    pub call: CallId,
    /// The newest message of all calls of the ladder.
    pub last: MessageId,
    /// Number of their messages.
    pub messages: u32,
    /// Which state of marks and lanes.
    pub wish: u64,
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
    /// The file in which it begins has no RTP at all.
    pub silent: bool,
}

/// Makes it.
pub fn make(question: &CallQuestion) -> Option<CallDetail> {
    let CallQuestion {
        view,
        call,
        version,
        calls,
        bytes,
        arrangement,
    } = question;
    let first = view.call(*call).and_then(|call| view.message(call.first));
    let file = first.map(|row| row.file);
    let mut ladder = Ladder::arranged(view, calls, arrangement);
    if let Some(bytes) = bytes {
        ladder.name_people(view, bytes.as_ref());
    }
    Some(CallDetail {
        stamp: *version,
        messages: view.messages_of_call(*call),
        ladder,
        silent: !view
            .rtp
            .iter()
            .any(|counts| Some(counts.tally.first_frame.0) == file),
    })
}
