//! The selected message, read and decoded in the background: nobody reads bytes while painting.

use std::sync::Arc;

use crate::bytes::MessageBytes;
use crate::diagnostic::Diagnostic;
use crate::index::IndexView;
use crate::index::ids::MessageId;
use crate::present::differences::{Differences, differences};
use crate::present::header_tree::{Node, header_tree};
use crate::present::{hop, layers};
use crate::sip::message::decode;

/// Of longer messages only the start is shown.
const MAX_SHOWN_BYTES: usize = 4 << 20;

/// Which message is to be shown.
#[derive(Clone)]
pub struct DetailQuestion {
    /// The index.
    pub view: Arc<IndexView>,
    /// Brings bytes.
    pub bytes: Arc<dyn MessageBytes>,
    /// The message.
    pub message: MessageId,
    /// Number of the capture; a message of another one is another message.
    pub capture: u64,
    /// Link types in its file, once they are known.
    pub link_types: Vec<u16>,
}

/// A message in full.
#[derive(Debug)]
pub struct Detail {
    /// Which.
    pub message: MessageId,
    /// Of which capture.
    pub capture: u64,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its parts.
    pub tree: Vec<Node>,
    /// The layers above it, outermost first; places are in the packet.
    pub layers: Vec<Node>,
    /// The octets of the packet in which it begins; empty where the layers are not known.
    pub packet: Vec<u8>,
    /// How many of them stand before the message.
    pub packet_head: usize,
    /// What differs from the same message one hop earlier, and which message that is.
    pub hop: Option<(MessageId, Differences)>,
    /// What is odd about it.
    pub diagnostics: Vec<Diagnostic>,
    /// Why there is nothing to be shown.
    pub error: Option<String>,
}

/// Reads and decodes a message.
pub fn fetch(question: &DetailQuestion) -> Option<Detail> {
    let DetailQuestion {
        view,
        bytes,
        message,
        capture,
        link_types,
    } = question;
    let row = view.message(*message)?;
    let mut packet = layers::packet_of(view, row, bytes.as_ref(), link_types);
    packet.octets.truncate(MAX_SHOWN_BYTES);
    let mut detail = Detail {
        message: *message,
        capture: *capture,
        bytes: Vec::new(),
        tree: Vec::new(),
        layers: layers::tree(&packet.layers),
        packet: packet.octets,
        packet_head: packet.head,
        hop: None,
        diagnostics: Vec::new(),
        error: None,
    };
    match bytes.read_all(&view.extents(row)) {
        Err(error) => {
            detail.error = Some(format!("The bytes of this message cannot be read: {error}"));
        }
        Ok(mut octets) => {
            octets.truncate(MAX_SHOWN_BYTES);
            let framing = view.framing(row);
            let (decoded, diagnostics) = decode(&octets, framing);
            detail.tree = header_tree(&octets, &decoded);
            detail.hop = hop::before(view, bytes.as_ref(), *message, (&decoded, &octets))
                .map(|(earlier, tree)| (earlier, differences(&tree, &detail.tree)));
            detail.diagnostics = diagnostics;
            detail.bytes = octets;
        }
    }
    Some(detail)
}
