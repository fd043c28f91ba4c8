//! The layers a message came through, read again from the packet in which it begins.

use crate::bytes::{Extent, MessageBytes};
use crate::index::IndexView;
use crate::index::message_store::MessageRow;
use crate::packet::{Inner, Layer, LayerNode, describe, describe_inner};
use crate::span::Span;

use super::header_tree::Node;
use crate::explain::Topic;

/// The beginning of the path of a part of the packet.
pub const PACKET: &str = "packet";

/// The packet in which a message begins.
#[derive(Clone, Debug, Default)]
pub struct PacketParts {
    /// Its layers, outermost first. Empty when the packet cannot be read.
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
    let origin = match first.is_derived() {
        true => Some(bytes.origin(first)?),
        false => None,
    };
    let part = origin.map_or(first, |origin| origin.part);
    let head = usize::from(part.head);
    let frame = Extent {
        offset: part.offset.checked_sub(u64::from(part.head))?,
        head: 0,
        len: part.len.saturating_add(u32::from(part.head)),
        ..part
    };
    let mut octets = Vec::new();
    bytes.read(frame, &mut octets).ok()?;
    let wanted: Vec<Layer> = view.layers(row).iter().collect();
    let found = link_types
        .iter()
        .map(|link_type| describe(*link_type, &octets, head));
    let fits = found.filter(|found| {
        let found: Vec<Layer> = found.iter().map(|node| node.layer).collect();
        !found.is_empty() && wanted.starts_with(&found)
    });
    let mut layers = fits.max_by_key(Vec::len)?;
    let passed = layers.len();
    for (at, layer) in wanted.iter().enumerate().skip(passed) {
        let from = layers.last().map_or(0, |node| node.span.end as usize);
        let inner = Inner {
            from,
            head,
            begins: origin.is_some_and(|origin| origin.begins),
            in_tls: layers.iter().any(|node| node.layer == Layer::Tls),
            is_last: at + 1 == wanted.len(),
        };
        layers.push(describe_inner(*layer, &octets, inner));
    }
    // What was made of the octets of the packet does not stand in it.
    let head = if origin.is_some() { octets.len() } else { head };
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
    // The version of IP above a layer.
    let mut ip = None;
    let line = |layer: &LayerNode| {
        if matches!(layer.layer, Layer::Ipv4 | Layer::Ipv6) {
            ip = Some(layer.layer);
        }
        let path = format!("layer/{}", layer.layer.name());
        let topic = Topic::of(&path);
        let field = |name: &str| Topic::find(&format!("{path}/{}", name.to_ascii_lowercase()));
        let fields = layer.fields.iter();
        let fields = fields.map(|f| {
            let by_value = match (layer.layer, f.name) {
                (Layer::Ipv4 | Layer::Ipv6, "DSCP") => class_of_service(&f.value),
                (Layer::Ethernet, "destination" | "source") => station(&f.value),
                (Layer::Udp, "checksum") if f.value == "0x0000" => match ip {
                    Some(Layer::Ipv4) => Topic::find("layer/udp/checksum@none"),
                    Some(_) => Topic::find("layer/udp/checksum@none-ipv6"),
                    None => None,
                },
                _ => None,
            };
            let topic = by_value.or_else(|| field(f.name)).unwrap_or(topic);
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

/// The topic of an address that is none, or that no manufacturer has given.
fn station(address: &str) -> Option<Topic> {
    let first = u8::from_str_radix(address.get(..2)?, 16).ok()?;
    match (address, first & 3) {
        ("00:00:00:00:00:00", _) => Topic::find("layer/eth/address@zero"),
        (_, 1 | 3) => Topic::find("layer/eth/address@group"),
        (_, 2) => Topic::find("layer/eth/address@local"),
        _ => None,
    }
}

/// The topic of a DSCP: its number stands first.
fn class_of_service(value: &str) -> Option<Topic> {
    let number = value.split(' ').next().unwrap_or_default();
    Topic::find(&format!("dscp/{number}")).or_else(|| Topic::find("dscp/other"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::LayerField;

    #[track_caller]
    fn check(ip: Layer, layer: Layer, name: &'static str, value: &str, topic: &str) {
        let node = |layer, fields| LayerNode {
            layer,
            name: "",
            value: String::new(),
            span: Span::default(),
            fields,
        };
        let field = LayerField {
            name,
            value: value.to_owned(),
            span: Span::default(),
        };
        let found = tree(&[node(ip, Vec::new()), node(layer, vec![field])]);
        assert_eq!(found[1].children[0].topic.path(), topic);
    }

    #[test]
    fn some_values_have_an_explanation_of_their_own() {
        let ipv6 = Layer::Ipv6;
        for ip in [Layer::Ipv4, ipv6] {
            check(ip, ip, "DSCP", "46 (EF)", "dscp/46");
            check(ip, ip, "DSCP", "45", "dscp/45");
            check(ip, ip, "DSCP", "0 (default)", "dscp/0");
            check(ip, ip, "DSCP", "63", "dscp/other");
            check(ip, Layer::Udp, "checksum", "0x0001", "layer/udp/checksum");
        }
        let none = "layer/udp/checksum@none";
        check(Layer::Ipv4, Layer::Udp, "checksum", "0x0000", none);
        check(
            ipv6,
            Layer::Udp,
            "checksum",
            "0x0000",
            "layer/udp/checksum@none-ipv6",
        );
        check(ipv6, Layer::Tcp, "checksum", "0x0000", "layer/tcp/checksum");
        let eth = Layer::Ethernet;
        for (address, topic) in [
            ("00:00:00:00:00:00", "layer/eth/address@zero"),
            ("ff:ff:ff:ff:ff:ff", "layer/eth/address@group"),
            ("c6:33:43:06:d3:2e", "layer/eth/address@local"),
            ("00:00:5e:00:53:10", "layer/eth/source"),
        ] {
            check(eth, eth, "source", address, topic);
        }
    }
}
