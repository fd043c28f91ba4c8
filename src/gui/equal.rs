//! Follows the value of the selected field through the capture, in the background.

use std::sync::Arc;

use super::action::FieldPath;
use super::fetch::Detail;
use super::latest::{Latest, Wanted};
use super::session::Wake;
use crate::bytes::MessageBytes;
use crate::index::IndexView;
use crate::index::ids::MessageId;
use crate::present::equal::{self, Equal, Value, ValueKind};

/// Which messages have a value?
struct Question {
    view: Arc<IndexView>,
    bytes: Arc<dyn MessageBytes>,
    from: MessageId,
    value: Value,
}

/// What was asked last: the value, where CSeq belongs to, number of messages in the index.
type Asked = (Value, Option<MessageId>, usize);

/// The value that is followed, and who has it.
pub struct Following {
    worker: Latest<Question, Equal>,
    asked: Option<Asked>,
    /// The message and field whose value it is.
    seen: Option<(MessageId, Option<FieldPath>)>,
    value: Option<Value>,
    /// The field is to be found again in the message that was gone to.
    walking: Option<Value>,
}

impl Following {
    /// Nothing is followed.
    pub fn new(wake: &Wake) -> Self {
        let work = |q: Question, wanted: &Wanted<'_>| {
            let wanted = || wanted.still();
            equal::find(&q.view, q.bytes.as_ref(), q.from, &q.value, &wanted)
        };
        Self {
            worker: Latest::spawn("equal", Arc::clone(wake), work),
            asked: None,
            seen: None,
            value: None,
            walking: None,
        }
    }

    /// Takes the selected field in; gives the field to be selected instead, after a walk.
    pub fn look(&mut self, detail: &Detail, field: Option<&FieldPath>) -> Option<FieldPath> {
        let moved = self
            .walking
            .take()
            .filter(|value| {
                // A field that has it within itself stays selected.
                let here = field.and_then(|field| equal::followed_at(&detail.tree, &field.0));
                here.as_ref() != Some(value)
            })
            .and_then(|value| equal::path_of(&detail.tree, &value))
            .map(FieldPath);
        let field = moved.as_ref().or(field);
        let seen = (detail.message, field.cloned());
        if self.seen.as_ref() != Some(&seen) {
            self.value = field.and_then(|field| equal::followed_at(&detail.tree, &field.0));
            self.seen = Some(seen);
        }
        moved
    }

    /// Asks who else has the value.
    pub fn ask(&mut self, view: &Arc<IndexView>, bytes: &Arc<dyn MessageBytes>) {
        let (Some(value), Some((from, _))) = (&self.value, &self.seen) else {
            return;
        };
        // The same CSeq in another call, or the same place to look for a branch, is another question.
        let place = match value.kind {
            ValueKind::CSeq | ValueKind::Branch => {
                let call = view.message(*from).map(|row| row.call);
                call.and_then(|call| view.call(call)).map(|call| call.first)
            }
            _ => None,
        };
        let asked = (value.clone(), place, view.messages().len());
        if self.asked.as_ref() == Some(&asked) {
            return;
        }
        let urgent = self
            .asked
            .as_ref()
            .is_none_or(|(value, place, _)| (value, place) != (&asked.0, &asked.1));
        self.asked = Some(asked);
        let question = Question {
            view: Arc::clone(view),
            bytes: Arc::clone(bytes),
            from: *from,
            value: value.clone(),
        };
        self.worker.ask(question, urgent);
    }

    /// The value that is followed.
    pub fn value(&self) -> Option<&Value> {
        self.value.as_ref()
    }

    /// Who has it; none while that is being found out.
    pub fn answer(&self) -> Option<Arc<Equal>> {
        let answer = self.worker.answer()?;
        (Some(&answer.value) == self.value.as_ref()).then_some(answer)
    }

    /// The next message that has the value, or the one before; around the end.
    pub fn next(&mut self, from: MessageId, back: bool) -> Option<MessageId> {
        let answer = self.answer()?;
        let messages = &answer.messages;
        let to = if back {
            let before = messages.iter().rev().find(|id| **id < from);
            before.or(messages.last())
        } else {
            let behind = messages.iter().find(|id| **id > from);
            behind.or(messages.first())
        };
        self.walking = self.value.clone();
        to.copied()
    }

    /// Something is being looked for.
    pub fn is_busy(&self) -> bool {
        self.worker.is_busy()
    }
}
