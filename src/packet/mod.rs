//! From the bytes of a frame to its transport payload.
//!
//! `dissect` is a pure function of one frame: link layer, VLAN tags, IPv4 and IPv6 with extension
//! headers, tunnels, UDP and TCP headers; tunnels in UDP are opened by [`open_udp`], when a datagram
//! is found to be nothing else. What needs memory lives beside it: `ip_fragment` puts datagrams
//! together, `tcp_stream` byte streams, `sctp` messages; `tls` and `websocket` take off what a stream is
//! wrapped in. Nothing here knows SIP.

mod describe;
mod describe_inner;
pub mod hep;
pub mod icmp;
pub mod ip_fragment;
mod link;
pub mod link_names;
pub mod rtp_brief;
pub mod sctp;
pub mod tcp_stream;
pub mod tls;
pub mod trace;
mod transport;
mod tunnel;
pub mod websocket;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use describe::{LayerField, LayerNode, describe};
pub use describe_inner::{Inner, describe_inner};
use link::Record;
pub use link::{Layer, LayerStack, MAX_TUNNELS};
pub use transport::Transport;
pub use tunnel::open_udp;

/// A transport address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint {
    /// IP address.
    pub ip: IpAddr,
    /// UDP or TCP port.
    pub port: u16,
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.ip {
            IpAddr::V4(ip) => write!(f, "{ip}:{}", self.port),
            IpAddr::V6(ip) => write!(f, "[{ip}]:{}", self.port),
        }
    }
}

/// What a packet says of its way: addresses and the identification used to tell copies apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addressing {
    /// Sender.
    pub src: Endpoint,
    /// Receiver.
    pub dst: Endpoint,
    /// IPv4 identification (0 for IPv6): a router keeps it, a retransmission has a new one.
    pub ip_id: u16,
    /// Keeps equal addresses of different networks apart in reassembly: made of VLAN, VNI, TEID …
    pub realm: u32,
}

/// What stands behind the network header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// A UDP datagram.
    Udp {
        /// Its octets, as far as captured.
        data: &'a [u8],
        /// Fewer octets were captured than were sent.
        cut: bool,
        /// Octets that were sent.
        sent: usize,
    },
    /// A TCP segment.
    Tcp(TcpSegment<'a>),
    /// A piece of an IP datagram.
    Fragment(Fragment<'a>),
    /// Chunks of SCTP.
    Sctp(sctp::Chunks<'a>),
    /// ICMP, ICMPv6: may quote SIP, is none.
    Icmp {
        /// From its type on, as far as captured.
        data: &'a [u8],
        /// ICMPv6.
        v6: bool,
    },
    /// Some other protocol.
    Other {
        /// IP protocol number.
        protocol: u8,
        /// What stands behind the IP header, as far as captured.
        data: &'a [u8],
        /// Octets that were sent.
        sent: usize,
    },
}

/// One TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSegment<'a> {
    /// Sequence number of the first octet (or of SYN).
    pub seq: u32,
    /// SYN, FIN, RST, ACK bits as on the wire.
    pub flags: u8,
    /// Octets of the stream, as far as captured.
    pub data: &'a [u8],
    /// Number of octets that were sent.
    pub sent: u32,
}

impl TcpSegment<'_> {
    /// It has octets, or opens or closes a stream; most others only confirm.
    pub fn matters(&self) -> bool {
        !self.data.is_empty() || self.flags & (TCP_SYN | TCP_FIN | TCP_RST) != 0
    }
}

/// TCP flag FIN.
pub const TCP_FIN: u8 = 0x01;
/// TCP flag SYN.
pub const TCP_SYN: u8 = 0x02;
/// TCP flag RST.
pub const TCP_RST: u8 = 0x04;

/// One fragment of an IPv4 or IPv6 datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Identification of the datagram.
    pub id: u32,
    /// Protocol of the whole.
    pub protocol: u8,
    /// Place of this piece, in octets.
    pub offset: u32,
    /// More pieces follow.
    pub more: bool,
    /// The piece; pieces cut by the snap length are dropped by the reassembler.
    pub data: &'a [u8],
    /// Fewer octets were captured than were sent.
    pub cut: bool,
}

/// One dissected frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Addresses; ports are 0 where the transport has none or is not reached yet.
    pub addressing: Addressing,
    /// The protocols passed, outermost first.
    pub layers: LayerStack,
    /// The rest.
    pub payload: Payload<'a>,
}

/// Why a frame gave no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Skip {
    /// Link type that is not dissected.
    LinkType(u16),
    /// A network protocol other than IP, by EtherType.
    EtherType(u16),
    /// Another protocol in PPP, by its number: mostly its own negotiations.
    Ppp(u16),
    /// Another service access point of IEEE 802.2.
    Llc(u8),
    /// Another address family, in the numbers of the capturing system.
    Family(u32),
    /// A message that controls a tunnel.
    Control(Layer),
    /// Inside of this layer there is nothing that can be read: encrypted, or of an unknown kind.
    Payload(Layer),
    /// Too many tunnels or tags, one inside the other.
    TooDeep,
    /// HEP that is not what it should be, by sender.
    Hep(hep::Fault, IpAddr),
    /// HEP that carries something else than SIP, by its protocol type.
    HepOther(u8),
    /// HEP that says SIP and holds none, by sender.
    HepNoSip(IpAddr),
    /// Octets between the HEP packets of a stream, by sender.
    HepJunk(IpAddr),
    /// The length of an SCTP chunk cannot be true.
    SctpChunk,
    /// More kinds, or more senders, than are told apart.
    Others,
    /// The frame ends inside a header.
    Short,
    /// A header contradicts itself.
    Malformed,
}

/// Dissects one frame down to its transport payload.
///
/// # Errors
/// Says what kind of frame it was when there is no IP packet in it.
pub fn dissect(link_type: u16, frame: &[u8], original: u32) -> Result<Packet<'_>, Skip> {
    match usual(link_type, frame) {
        Some(packet) => Ok(packet),
        None => dissect_with(link_type, frame, original, &mut LayerStack::default()),
    }
}

/// The way that nearly every packet takes, in one look: Ethernet or cooked capture, IPv4 without
/// options, a whole UDP datagram. None for all others; what it gives is what `dissect_with` gives.
#[inline(always)]
fn usual(link_type: u16, frame: &[u8]) -> Option<Packet<'_>> {
    let (link, layer) = match link_type {
        1 => (14, Layer::Ethernet),
        113 => (16, Layer::Sll),
        _ => return None,
    };
    // From the EtherType on: 2 octets of it, 20 of IPv4, 8 of UDP.
    let rest = frame.get(link - 2..)?;
    let h: &[u8; 30] = rest.first_chunk()?;
    let plain = h[0] == 8 && h[1] == 0 && h[2] == 0x45 && h[11] == 17;
    if !plain || h[8] & 0x3f != 0 || h[9] != 0 {
        return None;
    }
    let total = usize::from(u16::from_be_bytes([h[4], h[5]]));
    let length = usize::from(u16::from_be_bytes([h[26], h[27]]));
    if total > rest.len() - 2 || length < 8 || length + 20 > total {
        return None;
    }
    let mut layers = LayerStack::default();
    layers.push(layer);
    layers.push(Layer::Ipv4);
    layers.push(Layer::Udp);
    let end = |ip: [u8; 4], port: [u8; 2]| Endpoint {
        ip: IpAddr::V4(Ipv4Addr::from(ip)),
        port: u16::from_be_bytes(port),
    };
    Some(Packet {
        addressing: Addressing {
            src: end([h[14], h[15], h[16], h[17]], [h[22], h[23]]),
            dst: end([h[18], h[19], h[20], h[21]], [h[24], h[25]]),
            ip_id: u16::from_be_bytes([h[6], h[7]]),
            realm: 0,
        },
        layers,
        payload: Payload::Udp {
            data: rest.get(30..22 + length)?,
            cut: false,
            sent: length - 8,
        },
    })
}

fn dissect_with<'a, R: Record<'a>>(
    link_type: u16,
    frame: &'a [u8],
    original: u32,
    layers: &mut R,
) -> Result<Packet<'a>, Skip> {
    // LINKTYPE_SCTP has no IP header at all.
    if link_type == 248 {
        return sctp_link(frame, layers);
    }
    let cut_frame = (frame.len() as u64) < u64::from(original);
    let (network, v6, realm) = link::network(link_type, frame, layers)?;
    let packet = if v6 {
        ipv6(network, realm, layers, cut_frame)?
    } else {
        ipv4(network, realm, layers, cut_frame)?
    };
    match packet.payload {
        Payload::Other { .. } => tunnel::open(packet, layers),
        _ => Ok(packet),
    }
}

/// SCTP packets without anything around them, as user-space stacks log them.
#[cold]
fn sctp_link<'a, R: Record<'a>>(frame: &'a [u8], layers: &mut R) -> Result<Packet<'a>, Skip> {
    let nowhere = Endpoint {
        ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        port: 0,
    };
    let way = Addressing {
        src: nowhere,
        dst: nowhere,
        ip_id: 0,
        realm: 0,
    };
    layers.passed(Layer::Sctp, frame, 12);
    sctp::packet(frame, way, layers.stack())
}

/// An IP packet inside of another.
#[inline(never)]
fn ip<'a, R: Record<'a>>(
    bytes: &'a [u8],
    v6: bool,
    realm: u32,
    layers: &mut R,
) -> Result<Packet<'a>, Skip> {
    if v6 {
        ipv6(bytes, realm, layers, false)
    } else {
        ipv4(bytes, realm, layers, false)
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes([*pair.first()?, *pair.get(1)?]))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    let four: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    Some(u32::from_be_bytes(four))
}

// Nearly every packet comes this way, once.
#[inline(always)]
fn ipv4<'a, R: Record<'a>>(
    bytes: &'a [u8],
    realm: u32,
    layers: &mut R,
    cut_frame: bool,
) -> Result<Packet<'a>, Skip> {
    let head: &[u8; 20] = bytes.first_chunk().ok_or(Skip::Short)?;
    if head[0] >> 4 != 4 {
        return Err(Skip::Malformed);
    }
    let header_len = usize::from(head[0] & 15) * 4;
    if header_len < 20 {
        return Err(Skip::Malformed);
    }
    let total = usize::from(u16::from_be_bytes([head[2], head[3]]));
    // Captures of segmentation offload carry a total length of 0: the frame decides.
    let total = if total < header_len {
        bytes.len()
    } else {
        total
    };
    let cut = total > bytes.len();
    let body = bytes
        .get(header_len..total.min(bytes.len()))
        .ok_or(Skip::Short)?;
    let ip_id = u16::from_be_bytes([head[4], head[5]]);
    let frag = u16::from_be_bytes([head[6], head[7]]);
    let protocol = head[9];
    layers.passed(Layer::Ipv4, bytes, header_len);
    let src = IpAddr::V4(Ipv4Addr::new(head[12], head[13], head[14], head[15]));
    let dst = IpAddr::V4(Ipv4Addr::new(head[16], head[17], head[18], head[19]));
    let addressing = Addressing {
        src: Endpoint { ip: src, port: 0 },
        dst: Endpoint { ip: dst, port: 0 },
        ip_id,
        realm,
    };
    let more = frag & 0x2000 != 0;
    let offset = u32::from(frag & 0x1fff) * 8;
    if more || offset != 0 {
        let payload = Payload::Fragment(Fragment {
            id: u32::from(ip_id),
            protocol,
            offset,
            more,
            data: body,
            cut: cut || (cut_frame && total >= bytes.len() && more && body.len() % 8 != 0),
        });
        return Ok(Packet {
            addressing,
            layers: layers.stack(),
            payload,
        });
    }
    transport(protocol, body, total - header_len, addressing, layers)
}

fn ipv6<'a, R: Record<'a>>(
    bytes: &'a [u8],
    realm: u32,
    layers: &mut R,
    _cut_frame: bool,
) -> Result<Packet<'a>, Skip> {
    let head: &[u8; 40] = bytes.first_chunk().ok_or(Skip::Short)?;
    if head[0] >> 4 != 6 {
        return Err(Skip::Malformed);
    }
    let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
    // 0 is a jumbogram or an offloaded segment: the frame decides.
    let total = if length == 0 {
        bytes.len()
    } else {
        length.saturating_add(40)
    };
    let cut = total > bytes.len();
    let mut body = bytes.get(40..total.min(bytes.len())).ok_or(Skip::Short)?;
    layers.passed(Layer::Ipv6, bytes, 40);
    let mut src = [0u8; 16];
    let mut dst = [0u8; 16];
    src.copy_from_slice(&head[8..24]);
    dst.copy_from_slice(&head[24..40]);
    let addressing = Addressing {
        src: Endpoint {
            ip: IpAddr::V6(Ipv6Addr::from(src)),
            port: 0,
        },
        dst: Endpoint {
            ip: IpAddr::V6(Ipv6Addr::from(dst)),
            port: 0,
        },
        ip_id: 0,
        realm,
    };
    let mut next = head[6];
    // RFC 8200, 4: a chain of extension headers; 16 is far more than any real packet has.
    for _ in 0..16 {
        match next {
            // Hop-by-Hop, Routing, Destination Options, Mobility, HIP, Shim6.
            0 | 43 | 60 | 135 | 139 | 140 => {
                let (Some(&n), Some(&len)) = (body.first(), body.get(1)) else {
                    return Err(Skip::Short);
                };
                next = n;
                body = body.get(usize::from(len) * 8 + 8..).ok_or(Skip::Short)?;
            }
            // Authentication header: its length counts in units of 4 octets, minus 2.
            51 => {
                let (Some(&n), Some(&len)) = (body.first(), body.get(1)) else {
                    return Err(Skip::Short);
                };
                next = n;
                body = body.get(usize::from(len) * 4 + 8..).ok_or(Skip::Short)?;
            }
            44 => {
                let (Some(&n), Some(place), Some(id), Some(rest)) =
                    (body.first(), be16(body, 2), be32(body, 4), body.get(8..))
                else {
                    return Err(Skip::Short);
                };
                let offset = u32::from(place & 0xfff8);
                let more = place & 1 != 0;
                if offset == 0 && !more {
                    // An atomic fragment (RFC 6946) is a whole datagram.
                    next = n;
                    body = rest;
                    continue;
                }
                let payload = Payload::Fragment(Fragment {
                    id,
                    protocol: n,
                    offset,
                    more,
                    data: rest,
                    cut,
                });
                return Ok(Packet {
                    addressing,
                    layers: layers.stack(),
                    payload,
                });
            }
            _ => {
                let passed = bytes.len().min(total) - body.len();
                return transport(next, body, total - passed, addressing, layers);
            }
        }
    }
    Err(Skip::Malformed)
}

/// Dissects what stands behind a network header; `sent` is the number of octets on the wire, at
/// least those of `body`.
fn transport<'a, R: Record<'a>>(
    protocol: u8,
    body: &'a [u8],
    sent: usize,
    mut addressing: Addressing,
    layers: &mut R,
) -> Result<Packet<'a>, Skip> {
    let payload = match protocol {
        17 => {
            let head: &[u8; 8] = body.first_chunk().ok_or(Skip::Short)?;
            addressing.src.port = u16::from_be_bytes([head[0], head[1]]);
            addressing.dst.port = u16::from_be_bytes([head[2], head[3]]);
            let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
            // A length of 0 (jumbogram) or below the header's own: the network header decides.
            let length = if length < 8 { sent } else { length };
            let data = body.get(8..length.min(body.len())).unwrap_or_default();
            layers.passed(Layer::Udp, body, 8);
            Payload::Udp {
                data,
                cut: sent > body.len() && length > body.len(),
                sent: length.saturating_sub(8),
            }
        }
        6 => {
            let head: &[u8; 20] = body.first_chunk().ok_or(Skip::Short)?;
            addressing.src.port = u16::from_be_bytes([head[0], head[1]]);
            addressing.dst.port = u16::from_be_bytes([head[2], head[3]]);
            let header_len = usize::from(head[12] >> 4) * 4;
            if header_len < 20 {
                return Err(Skip::Malformed);
            }
            let data = body.get(header_len..).unwrap_or_default();
            layers.passed(Layer::Tcp, body, header_len);
            Payload::Tcp(TcpSegment {
                seq: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
                flags: head[13],
                data,
                sent: u32::try_from(sent.saturating_sub(header_len)).unwrap_or(u32::MAX),
            })
        }
        1 | 58 => Payload::Icmp {
            data: body,
            v6: protocol == 58,
        },
        protocol => Payload::Other {
            protocol,
            data: body,
            sent,
        },
    };
    Ok(Packet {
        addressing,
        layers: layers.stack(),
        payload,
    })
}

/// Dissects a datagram put together from fragments, like a frame.
///
/// # Errors
/// As `dissect`.
pub fn dissect_datagram(datagram: &ip_fragment::Datagram) -> Result<Packet<'_>, Skip> {
    let mut layers = datagram.layers;
    // What was cut is missing at the end.
    let sent = datagram.data.len() + usize::from(datagram.cut);
    let packet = transport(
        datagram.protocol,
        &datagram.data,
        sent,
        datagram.addressing,
        &mut layers,
    )?;
    match packet.payload {
        Payload::Other { .. } => tunnel::open(packet, &mut layers),
        _ => Ok(packet),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_way_gives_what_the_long_way_gives() {
        let mut frame = vec![0; 12];
        frame.extend_from_slice(&[8, 0, 0x45, 0, 0, 36, 1, 2, 0x40, 0, 64, 17, 0, 0]);
        frame.extend_from_slice(&[
            192, 0, 2, 1, 192, 0, 2, 2, 0x13, 0xc4, 0x13, 0xc5, 0, 16, 0, 0,
        ]);
        frame.extend_from_slice(b"datagram and padding");
        let (mut short, mut seen) = (0, 0);
        // Every octet of the headers with every value, and every length of the frame.
        for at in 0..42 {
            for value in 0..=255 {
                let mut frame = frame.clone();
                if let Some(octet) = frame.get_mut(at) {
                    *octet = value;
                }
                for len in [frame.len(), 50, 45] {
                    let part = frame.get(..len).unwrap_or_default();
                    for (link_type, part) in [(1, part), (113, &[&[0, 0], part].concat()[..])] {
                        seen += 1;
                        let Some(packet) = usual(link_type, part) else {
                            continue;
                        };
                        short += 1;
                        let long = dissect_with(link_type, part, 0, &mut LayerStack::default());
                        assert_eq!(Ok(packet), long);
                    }
                }
            }
        }
        assert!(short > seen / 2, "{short} of {seen}");
    }
}
