//! The layers a message came through, read again from the packet in which it begins.

use crate::bytes::{Extent, MessageBytes};
use crate::index::IndexView;
use crate::index::message_store::MessageRow;
use crate::packet::{LayerNode, describe};
use crate::span::Span;

use super::header_tree::Node;
use crate::explain::Topic;

/// The beginning of the path of a part of the packet.
pub const PACKET: &str = "packet";

/// The packet in which a message begins.
#[derive(Clone, Debug, Default)]
pub struct PacketParts {
    /// Its layers, outermost first. Empty when the packet cannot be read, or the message was put
    /// together from pieces.
    pub layers: Vec<LayerNode>,
    /// Its octets up to the end of the message, or of its part in this packet.
    pub octets: Vec<u8>,
    /// How many of them stand before the message.
    pub head: usize,
}

/// The layers of the packet in which a message begins, outermost first.
pub fn of_message(
    view: &IndexView,
    row: &MessageRow,
    bytes: &dyn MessageBytes,
    link_types: &[u16],
) -> Vec<LayerNode> {
    packet_of(view, row, bytes, link_types).layers
}

/// The packet in which a message begins. The capture does not say again of what link type a packet
/// is; of those in its file, the one that leads to the same layers is right.
pub fn packet_of(
    view: &IndexView,
    row: &MessageRow,
    bytes: &dyn MessageBytes,
    link_types: &[u16],
) -> PacketParts {
    read_packet(view, row, bytes, link_types).unwrap_or_default()
}

fn read_packet(
    view: &IndexView,
    row: &MessageRow,
    bytes: &dyn MessageBytes,
    link_types: &[u16],
) -> Option<PacketParts> {
    let first = view.extents(row).first().copied()?;
    if first.is_derived() {
        return None;
    }
    let head = usize::from(first.head);
    let frame = Extent {
        offset: first.offset.checked_sub(u64::from(first.head))?,
        head: 0,
        len: first.len.saturating_add(u32::from(first.head)),
        ..first
    };
    let mut octets = Vec::new();
    bytes.read(frame, &mut octets).ok()?;
    let wanted = view.layers(row);
    let mut found = link_types
        .iter()
        .map(|link_type| describe(*link_type, &octets, head));
    let layers = found.find(|found| wanted.iter().eq(found.iter().map(|node| node.layer)))?;
    Some(PacketParts {
        layers,
        octets,
        head,
    })
}

/// A path among the layers, when it is one of a part of the packet.
pub fn below_packet(path: &str) -> Option<&str> {
    path.strip_prefix(PACKET)?.strip_prefix(" > ")
}

/// The layers as lines of a tree. Their places are in the packet, not in the message.
pub fn tree(layers: &[LayerNode]) -> Vec<Node> {
    let node = |name: &str, value: &str, span: Span, topic, children| Node {
        name: name.to_owned(),
        value: value.to_owned(),
        span,
        topic,
        children,
    };
    let line = |layer: &LayerNode| {
        let path = format!("layer/{}", layer.layer.name());
        let topic = Topic::of(&path);
        let field = |name: &str| Topic::find(&format!("{path}/{}", name.to_ascii_lowercase()));
        let fields = layer.fields.iter();
        let fields = fields.map(|f| {
            let topic = field(f.name).unwrap_or(topic);
            node(f.name, &f.value, f.span, topic, Vec::new())
        });
        node(
            layer.name,
            &layer.value,
            layer.span,
            topic,
            fields.collect(),
        )
    };
    layers.iter().map(line).collect()
}
