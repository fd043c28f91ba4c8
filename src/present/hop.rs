//! The same message one hop earlier, as a tree to be compared with.

use super::header_tree::{Node, header_tree};
use crate::bytes::MessageBytes;
use crate::explain::hops;
use crate::index::IndexView;
use crate::index::ids::MessageId;
use crate::sip::message::{Message, decode};

/// The message one hop earlier, with its tree; `message` is message `id`.
pub fn before(
    view: &IndexView,
    bytes: &dyn MessageBytes,
    id: MessageId,
    (message, octets): (&Message, &[u8]),
) -> Option<(MessageId, Vec<Node>)> {
    let mut last = None;
    let found = hops::before(view, id, &hops::branches(message, octets), |id| {
        let row = view.message(id)?;
        let octets = bytes.read_all(&view.extents(row)).ok()?;
        let message = decode(&octets, view.framing(row)).0;
        let branches = hops::branches(&message, &octets);
        last = Some((message, octets));
        Some(branches)
    })?;
    // The one that was read last is the one that was found.
    let (message, octets) = last?;
    Some((found, header_tree(&octets, &message)))
}
