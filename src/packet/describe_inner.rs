//! Layers that one frame alone does not show: what a stream is wrapped in, and headers behind which a
//! datagram goes on in other frames.

use super::describe::{Header, node};
use super::{Layer, LayerNode, hep, tls, websocket};
use crate::span::Span;

/// What is known of the place of such a layer.
#[derive(Clone, Copy, Debug)]
pub struct Inner {
    /// Where the layer around it ends.
    pub from: usize,
    /// Where the octets of the message begin, or those of which they were made.
    pub head: usize,
    /// A record begins there.
    pub begins: bool,
    /// It stands in octets that were encrypted.
    pub in_tls: bool,
    /// It carries the message itself.
    pub is_last: bool,
}

/// A layer behind those that [`describe`](super::describe()) finds; its span is empty where the frame has
/// no header of it.
pub fn describe_inner(layer: Layer, frame: &[u8], place: Inner) -> LayerNode {
    match layer {
        Layer::Tls => record(frame, place),
        Layer::WebSocket if place.in_tls => nowhere(
            layer,
            "WebSocket",
            "in the decrypted octets, which are not in the file",
            frame.len(),
        ),
        Layer::WebSocket => websocket_frame(frame, place),
        Layer::Udp if place.is_last && place.from + 8 <= place.head => {
            node(layer, frame, place.head - 8, place.head)
        }
        Layer::Hep => hep_packet(frame, place),
        other => {
            let name = match other {
                Layer::Udp => "UDP",
                Layer::Tcp => "TCP",
                Layer::Sctp => "SCTP",
                other => other.name(),
            };
            let why = "inside of a datagram that came in fragments";
            nowhere(other, name, why, place.head)
        }
    }
}

fn nowhere(layer: Layer, name: &'static str, value: &str, at: usize) -> LayerNode {
    LayerNode {
        layer,
        name,
        value: value.to_owned(),
        span: Span::new(at, at),
        fields: Vec::new(),
    }
}

/// The record whose content became the message, from its header to the end of the packet.
fn record(frame: &[u8], place: Inner) -> LayerNode {
    let mut h = Header {
        octets: frame.get(place.head..).unwrap_or_default(),
        start: place.head,
        fields: Vec::new(),
    };
    let len = h.octets.len();
    let value = if place.begins && tls::looks_like_record(h.octets) {
        let kind = match h.byte(0) {
            23 => "23 (application data)".to_owned(),
            other => other.to_string(),
        };
        let stated = h.short(3);
        h.add("content type", 0, 1, kind);
        h.add("version", 1, 2, tls::version_name(h.short(1)));
        h.add("length", 3, 2, stated);
        h.add("encrypted content", 5, len - 5, octets(len - 5));
        format!("record of {stated} octets; the decrypted octets are not in the file")
    } else {
        h.add("encrypted content", 0, len, octets(len));
        "record that began in an earlier packet; the decrypted octets are not in the file"
            .to_owned()
    };
    LayerNode {
        layer: Layer::Tls,
        name: "TLS",
        value,
        span: Span::new(place.head, place.head + len),
        fields: h.fields,
    }
}

fn octets(count: usize) -> String {
    format!("{count} octets")
}

/// The frame whose payload begins at `head`, when the frames before it begin with the segment.
fn websocket_frame(frame: &[u8], place: Inner) -> LayerNode {
    const LAYER: Layer = Layer::WebSocket;
    let mut at = place.from;
    while at < place.head {
        let Some(Some(header)) = frame.get(at..).and_then(websocket::frame_header) else {
            break;
        };
        let payload = at + header.header;
        if payload == place.head {
            return websocket_header(frame, at, header);
        }
        let len = usize::try_from(header.payload).unwrap_or(usize::MAX);
        at = payload.saturating_add(len);
    }
    nowhere(
        LAYER,
        "WebSocket",
        "its frame began in an earlier packet, or behind other octets",
        place.head,
    )
}

fn websocket_header(frame: &[u8], at: usize, header: websocket::FrameHeader) -> LayerNode {
    let end = at + header.header;
    let mut h = Header {
        octets: frame.get(at..end).unwrap_or_default(),
        start: at,
        fields: Vec::new(),
    };
    let opcode = match header.opcode {
        0 => "0 (continuation)",
        1 => "1 (text)",
        2 => "2 (binary)",
        _ => "control",
    };
    let yes = |set: bool| if set { "yes" } else { "no" };
    let key = if header.mask.is_some() { 4 } else { 0 };
    h.add("last frame", 0, 1, yes(header.fin));
    h.add("compressed", 0, 1, yes(header.compressed));
    h.add("opcode", 0, 1, opcode);
    h.add("length", 1, header.header - 1 - key, header.payload);
    if let Some([a, b, c, d]) = header.mask {
        let words = format!("{a:02x}{b:02x}{c:02x}{d:02x}");
        h.add("masking key", header.header - 4, 4, words);
    }
    let how = match (header.compressed, header.mask.is_some()) {
        (true, true) => ", compressed and masked",
        (true, false) => ", compressed",
        (false, true) => ", masked",
        (false, false) => "",
    };
    let aside = if how.is_empty() {
        ""
    } else {
        "; the octets as they are read are not in the file"
    };
    LayerNode {
        layer: Layer::WebSocket,
        name: "WebSocket",
        value: format!("frame of {} octets{how}{aside}", header.payload),
        span: Span::new(at, end),
        fields: h.fields,
    }
}

/// The HEP packet around the message, when it begins with the segment or behind others that do.
fn hep_packet(frame: &[u8], place: Inner) -> LayerNode {
    let mut at = place.from;
    while at < place.head {
        let Some(rest) = frame.get(at..).filter(|rest| hep::read(rest).is_some()) else {
            break;
        };
        let len = usize::from(super::be16(rest, 4).unwrap_or(0)).max(6);
        if rest.starts_with(b"HEP3") && at + len <= place.head {
            at += len;
            continue;
        }
        return node(Layer::Hep, frame, at, place.head);
    }
    let why = "its header began in an earlier packet";
    nowhere(Layer::Hep, "HEP", why, place.head)
}
