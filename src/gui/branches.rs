//! Top branches of the messages that are seen in a list, read in the background.
//!
//! The index keeps only a hash of them, so a list that shows them has them read.

use std::collections::HashMap;
use std::sync::Arc;

use crate::bytes::MessageBytes;
use crate::explain::hops;
use crate::index::IndexView;
use crate::index::ids::MessageId;
use crate::sip::message::decode;

/// Branches by message.
pub type Branches = HashMap<MessageId, String>;

/// Branches that are kept; beyond that the earlier ones are read again when they are seen.
const KEPT: usize = 4_096;

/// Which messages are seen.
pub struct BranchQuestion {
    /// The index.
    pub view: Arc<IndexView>,
    /// Their octets.
    pub bytes: Arc<dyn MessageBytes>,
    /// The messages.
    pub messages: Vec<MessageId>,
    /// What was read before.
    pub known: Arc<Branches>,
}

/// Reads them.
pub fn make(question: &BranchQuestion) -> Branches {
    let mut out = match question.known.len() < KEPT {
        true => question.known.as_ref().clone(),
        false => Branches::new(),
    };
    for id in &question.messages {
        if let Some(known) = question.known.get(id) {
            out.insert(*id, known.clone());
        } else if let Some(branch) = read(question, *id) {
            out.insert(*id, branch);
        }
    }
    out
}

fn read(question: &BranchQuestion, id: MessageId) -> Option<String> {
    let view = &question.view;
    let row = view.message(id)?;
    let octets = question.bytes.read_all(&view.extents(row)).ok()?;
    let message = decode(&octets, view.framing(row)).0;
    Some(hops::branch(&message, &octets, 0).unwrap_or_default())
}
