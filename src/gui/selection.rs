//! What is selected: a call, one of its messages, a field of that message.

use super::action::FieldPath;
use crate::index::IndexView;
use crate::index::ids::{CallId, MessageId};

/// The selection of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Selected call.
    pub call: Option<CallId>,
    /// Selected message; it belongs to `call`.
    pub message: Option<MessageId>,
    /// Part of the message that was picked with the pointer.
    pub picked: Option<String>,
    /// A bar of media in the ladder is selected: its label, and its streams in words.
    pub media: Option<Vec<String>>,
    /// Selected field; names of headers, so it holds for every message.
    pub field: Option<FieldPath>,
}

impl Selection {
    /// Selects a call and its first message; a message of that call stays selected.
    pub fn set_call(&mut self, view: &IndexView, id: CallId) {
        let Some(call) = view.call(id) else { return };
        self.media = None;
        self.picked = None;
        let stays = self.call == Some(id) && self.message.is_some();
        self.call = Some(id);
        if !stays {
            self.message = Some(call.first);
        }
    }

    /// Selects a message and its call.
    pub fn set_message(&mut self, view: &IndexView, id: MessageId) {
        let Some(row) = view.message(id) else { return };
        self.media = None;
        self.picked = None;
        self.message = Some(id);
        self.call = Some(row.call);
    }
}
