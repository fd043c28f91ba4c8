//! Link layers and VLAN tags, down to the IP header.

use super::{Skip, be16, be32};
use crate::span::Span;

/// One protocol on the way from the link to SIP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Layer {
    /// Ethernet II.
    Ethernet = 1,
    /// IEEE 802.1Q, 802.1ad and older tags.
    Vlan,
    /// Linux cooked capture, version 1.
    Sll,
    /// Linux cooked capture, version 2.
    Sll2,
    /// BSD loopback (`NULL`, `LOOP`).
    Loopback,
    /// Raw IP: no link header at all.
    Raw,
    /// PPP.
    Ppp,
    /// PPPoE session (RFC 2516).
    Pppoe,
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

impl Layer {
    const ALL: [Layer; 12] = [
        Self::Ethernet,
        Self::Vlan,
        Self::Sll,
        Self::Sll2,
        Self::Loopback,
        Self::Raw,
        Self::Ppp,
        Self::Pppoe,
        Self::Ipv4,
        Self::Ipv6,
        Self::Udp,
        Self::Tcp,
    ];

    /// Short name, as in the `layers` field of the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ethernet => "eth",
            Self::Vlan => "vlan",
            Self::Sll => "sll",
            Self::Sll2 => "sll2",
            Self::Loopback => "null",
            Self::Raw => "raw",
            Self::Ppp => "ppp",
            Self::Pppoe => "pppoe",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

/// The protocols of one packet, outermost first; at most 16, more are counted as malformed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LayerStack(u128);

impl LayerStack {
    /// Adds an inner layer; a seventeenth is left out.
    pub fn push(&mut self, layer: Layer) {
        if self.0 >> 120 == 0 {
            self.0 = (self.0 << 8) | layer as u128;
        }
    }

    /// The layers, outermost first.
    pub fn iter(self) -> impl Iterator<Item = Layer> {
        (0..16u32).rev().filter_map(move |i| {
            let code = (self.0 >> (i * 8)) & 0xff;
            Layer::ALL.into_iter().find(|layer| *layer as u128 == code)
        })
    }

    /// The bits, for use as a key.
    pub fn bits(self) -> u128 {
        self.0
    }
}

impl std::fmt::Display for LayerStack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, layer) in self.iter().enumerate() {
            if i > 0 {
                f.write_str("/")?;
            }
            f.write_str(layer.name())?;
        }
        Ok(())
    }
}

const MAX_TAGS: usize = 8;

/// The IP header and what follows it; true for IPv6; and the realm made of the VLAN tags.
pub(super) fn network<'a>(
    link_type: u16,
    frame: &'a [u8],
    layers: &mut LayerStack,
) -> Result<(&'a [u8], bool, u32), Skip> {
    match link_type {
        1 => {
            layers.push(Layer::Ethernet);
            let kind = be16(frame, 12).ok_or(Skip::Short)?;
            ether_type(kind, frame.get(14..).unwrap_or_default(), layers)
        }
        113 => {
            layers.push(Layer::Sll);
            let kind = be16(frame, 14).ok_or(Skip::Short)?;
            ether_type(kind, frame.get(16..).unwrap_or_default(), layers)
        }
        276 => {
            layers.push(Layer::Sll2);
            let kind = be16(frame, 0).ok_or(Skip::Short)?;
            ether_type(kind, frame.get(20..).ok_or(Skip::Short)?, layers)
        }
        // NULL is in the byte order of the capturing machine, LOOP in network order.
        0 | 108 => {
            layers.push(Layer::Loopback);
            let family = be32(frame, 0).ok_or(Skip::Short)?;
            let family = if family > 0xffff {
                family.swap_bytes()
            } else {
                family
            };
            let rest = frame.get(4..).unwrap_or_default();
            match family {
                2 => Ok((rest, false, 0)),
                // AF_INET6 of NetBSD and OpenBSD, FreeBSD, macOS, Linux, Windows.
                24 | 28 | 30 | 10 | 23 => Ok((rest, true, 0)),
                other => Err(Skip::EtherType(u16::try_from(other).unwrap_or(u16::MAX))),
            }
        }
        // RAW (101) and its platform-dependent numbers, IPV4, IPV6.
        12 | 14 | 101 | 228 | 229 => {
            layers.push(Layer::Raw);
            by_version(frame, 0)
        }
        9 | 50 => {
            layers.push(Layer::Ppp);
            let rest = match frame {
                [0xff, 0x03, rest @ ..] => rest,
                rest => rest,
            };
            ppp_protocol(rest, 0)
        }
        other => Err(Skip::LinkType(other)),
    }
}

fn by_version(bytes: &[u8], realm: u32) -> Result<(&[u8], bool, u32), Skip> {
    match bytes.first().map(|b| b >> 4) {
        Some(4) => Ok((bytes, false, realm)),
        Some(6) => Ok((bytes, true, realm)),
        Some(_) => Err(Skip::Malformed),
        None => Err(Skip::Short),
    }
}

fn ppp_protocol(bytes: &[u8], realm: u32) -> Result<(&[u8], bool, u32), Skip> {
    // A protocol number whose first octet is odd was compressed to one octet (RFC 1661, 2).
    let (protocol, rest) = match bytes {
        [first, rest @ ..] if first & 1 == 1 => (u16::from(*first), rest),
        [first, second, rest @ ..] => (u16::from_be_bytes([*first, *second]), rest),
        _ => return Err(Skip::Short),
    };
    match protocol {
        0x21 => Ok((rest, false, realm)),
        0x57 => Ok((rest, true, realm)),
        other => Err(Skip::EtherType(other)),
    }
}

fn ether_type<'a>(
    mut kind: u16,
    mut rest: &'a [u8],
    layers: &mut LayerStack,
) -> Result<(&'a [u8], bool, u32), Skip> {
    let mut realm = 0u32;
    for _ in 0..=MAX_TAGS {
        match kind {
            0x0800 => return Ok((rest, false, realm)),
            0x86dd => return Ok((rest, true, realm)),
            // 802.1Q, 802.1ad, and the numbers used before it was written.
            0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300 => {
                layers.push(Layer::Vlan);
                let tag = be16(rest, 0).ok_or(Skip::Short)?;
                kind = be16(rest, 2).ok_or(Skip::Short)?;
                rest = rest.get(4..).unwrap_or_default();
                realm = realm
                    .wrapping_mul(4099)
                    .wrapping_add(u32::from(tag & 0x0fff) + 1);
            }
            // PPPoE session: version and type, code, session, length, then PPP without framing.
            0x8864 => {
                layers.push(Layer::Pppoe);
                layers.push(Layer::Ppp);
                return ppp_protocol(rest.get(6..).ok_or(Skip::Short)?, realm);
            }
            other => return Err(Skip::EtherType(other)),
        }
    }
    Err(Skip::Malformed)
}

/// Where each layer of a frame stands, for showing: the range of its header.
pub fn layer_spans(link_type: u16, frame: &[u8]) -> Vec<(Layer, Span)> {
    let mut layers = LayerStack::default();
    let Ok((network, v6, _)) = network(link_type, frame, &mut layers) else {
        return Vec::new();
    };
    let mut out = Vec::new();
    let network_at = frame.len() - network.len();
    let list: Vec<Layer> = layers.iter().collect();
    let tags = list.iter().filter(|l| **l == Layer::Vlan).count();
    let pppoe = if list.contains(&Layer::Pppoe) { 8 } else { 0 };
    let mut at = 0;
    for layer in &list {
        let len = match layer {
            Layer::Vlan => 4,
            Layer::Raw => 0,
            Layer::Pppoe => 6,
            Layer::Ppp if list.contains(&Layer::Pppoe) => 2,
            _ => network_at.saturating_sub(tags * 4 + pppoe),
        };
        out.push((*layer, Span::new(at, at + len)));
        at += len;
    }
    let header = if v6 {
        40
    } else {
        network.first().map_or(0, |b| usize::from(b & 15) * 4)
    };
    let layer = if v6 { Layer::Ipv6 } else { Layer::Ipv4 };
    out.push((
        layer,
        Span::new(network_at, network_at + header.min(network.len())),
    ));
    if let Ok(packet) = super::dissect(link_type, frame, 0) {
        match packet.payload {
            super::Payload::Udp { data, .. } => {
                let end = offset_in(frame, data);
                out.push((Layer::Udp, Span::new(end.saturating_sub(8), end)));
            }
            super::Payload::Tcp(segment) => {
                let end = offset_in(frame, segment.data);
                let start = network_at + header;
                out.push((Layer::Tcp, Span::new(start.min(end), end)));
            }
            _ => {}
        }
    }
    out
}

/// Offset of a part of `whole`; the part must be a slice of it.
fn offset_in(whole: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize)
        .saturating_sub(whole.as_ptr() as usize)
        .min(whole.len())
}
