//! The layers a message came through, read again from the packet in which it begins.

use crate::bytes::{Extent, MessageBytes};
use crate::index::IndexView;
use crate::index::message_store::MessageRow;
use crate::packet::{LayerNode, describe};
use crate::span::Span;

use super::header_tree::Node;

/// The layers of the packet in which a message begins, outermost first. The capture does not say
/// again of what link type a packet is; of those in its file, the one that leads to the same layers
/// is right. Empty when the packet cannot be read, or the message was put together from pieces.
pub fn of_message(
    view: &IndexView,
    row: &MessageRow,
    bytes: &dyn MessageBytes,
    link_types: &[u16],
) -> Vec<LayerNode> {
    let Some(first) = view.extents(row).first().copied() else {
        return Vec::new();
    };
    let head = usize::from(first.head);
    let Some(offset) = first.offset.checked_sub(u64::from(first.head)) else {
        return Vec::new();
    };
    let frame = Extent {
        offset,
        head: 0,
        len: first.len.saturating_add(u32::from(first.head)),
        ..first
    };
    let mut octets = Vec::new();
    if first.is_derived() || bytes.read(frame, &mut octets).is_err() {
        return Vec::new();
    }
    let wanted = view.layers(row);
    let found = link_types
        .iter()
        .map(|link_type| describe(*link_type, &octets, head))
        .find(|found| wanted.iter().eq(found.iter().map(|node| node.layer)));
    found.unwrap_or_default()
}

/// The layers as lines of a tree. Their places are in the packet, not in the message.
pub fn tree(layers: &[LayerNode]) -> Vec<Node> {
    let node = |name: &str, value: &str, span: Span, children| Node {
        name: name.to_owned(),
        value: value.to_owned(),
        span,
        children,
        ..Node::default()
    };
    let line = |layer: &LayerNode| {
        let fields = layer.fields.iter();
        let fields = fields.map(|f| node(f.name, &f.value, f.span, Vec::new()));
        node(layer.name, &layer.value, layer.span, fields.collect())
    };
    layers.iter().map(line).collect()
}
