//! Packets inside packets: what stands behind IP protocol numbers and UDP ports that carry others.
//!
//! Each function opens one level. [`open`] goes on as long as a level carries another one, at most
//! [`MAX_TUNNELS`](super::link::MAX_TUNNELS) of them; every level is shorter than the one around it,
//! so the work is linear in the frame.

use super::link::{self, Network, Record, join, looks_like_ethernet, looks_like_ip};
use super::{Addressing, Layer, Packet, Payload, Skip, be16, be32, ip, sctp, transport};

/// Octets that carry something, and the number of octets that were sent in their place.
#[derive(Clone, Copy)]
struct Body<'a> {
    data: &'a [u8],
    sent: usize,
}

impl<'a> Body<'a> {
    fn from(self, skip: usize) -> Result<Self, Skip> {
        Ok(Self {
            data: self.data.get(skip..).ok_or(Skip::Short)?,
            sent: self.sent.saturating_sub(skip),
        })
    }
}

/// Opens what an IP protocol carries, as long as there is something to open.
#[inline(never)]
pub(super) fn open<'a, R: Record<'a>>(
    mut packet: Packet<'a>,
    layers: &mut R,
) -> Result<Packet<'a>, Skip> {
    loop {
        let Payload::Other {
            protocol,
            data,
            sent,
        } = packet.payload
        else {
            return Ok(packet);
        };
        let way = packet.addressing;
        let body = Body { data, sent };
        packet = match protocol {
            4 | 41 => {
                layers.enter_tunnel()?;
                ip(data, protocol == 41, pair(&way), layers)?
            }
            47 => gre(body, &way, layers)?,
            50 => esp(body, &way, layers)?,
            51 => {
                let (Some(&next), Some(&len)) = (data.first(), data.get(1)) else {
                    return Err(Skip::Short);
                };
                let len = usize::from(len) * 4 + 8;
                layers.passed(Layer::Ah, data, len);
                // Nothing but the length of the chain limits these.
                layers.enter_tunnel()?;
                let body = body.from(len)?;
                transport(next, body.data, body.sent, way, layers)?
            }
            97 => {
                layers.enter_tunnel()?;
                layers.passed(Layer::Etherip, data, 2);
                frame(body.from(2)?.data, pair(&way), layers)?
            }
            115 => {
                let session = be32(data, 0).ok_or(Skip::Short)?;
                if session == 0 {
                    return Err(Skip::Control(Layer::L2tp));
                }
                l2tp_session(body, 4, join(way.realm, session), layers)?
            }
            132 => {
                layers.passed(Layer::Sctp, data, 12);
                return sctp::packet(data, way, layers.stack());
            }
            137 => {
                layers.enter_tunnel()?;
                inner(mpls(data, pair(&way), layers)?, layers)?
            }
            _ => {
                packet.layers = layers.stack();
                return Ok(packet);
            }
        };
    }
}

/// Opens what a UDP datagram carries; none when it is no tunnel.
///
/// Ports alone prove nothing: what is inside has to look like what it should be.
pub fn open_udp<'a>(packet: &Packet<'a>) -> Option<Result<Packet<'a>, Skip>> {
    let mut layers = packet.layers;
    open_udp_with(packet, &mut layers)
}

pub(super) fn open_udp_with<'a, R: Record<'a>>(
    packet: &Packet<'a>,
    layers: &mut R,
) -> Option<Result<Packet<'a>, Skip>> {
    let Payload::Udp { data, sent, .. } = packet.payload else {
        return None;
    };
    let way = &packet.addressing;
    let ports = [way.src.port, way.dst.port];
    let body = Body { data, sent };
    let first = *data.first()?;
    let found = if vxlan_inside(data, ports) {
        vxlan(body, way, layers)
    } else if gtp_inside(data, ports) {
        gtp(body, way, layers)
    } else if ports.contains(&1701) && matches!(data.get(1)? & 15, 2 | 3) && first & 0x80 == 0 {
        l2tp_udp(body, way, layers)
    } else if ports.contains(&6081) && first >> 6 == 0 {
        geneve(body, way, layers)?
    } else if ports.contains(&4500) && be32(data, 0)? != 0 && data.len() > 8 {
        // What cannot be read is encrypted: nothing to say of it on this port.
        esp(body, way, layers)
    } else if ports.contains(&6635) {
        layers
            .enter_tunnel()
            .and_then(|()| inner(mpls(data, way.realm, layers)?, layers))
    } else if ports.contains(&9899) {
        layers.passed(Layer::Sctp, data, 12);
        return Some(sctp::packet(data, *way, layers.stack()));
    } else if ports.contains(&4754) && gre_inside(data) {
        gre(body, way, layers)
    } else if ports.contains(&3544) {
        let packet = teredo(data)?;
        layers
            .enter_tunnel()
            .and_then(|()| ip(packet, true, way.realm, layers))
    } else if ports.contains(&37008) && first == 1 {
        tzsp(body, way, layers)?
    } else {
        return None;
    };
    Some(found.and_then(|packet| open(packet, layers)))
}

/// The realm of what is between two addresses, for tunnels without a number of their own.
fn pair(way: &Addressing) -> u32 {
    let number = |ip: std::net::IpAddr| match ip {
        std::net::IpAddr::V4(ip) => u32::from(ip),
        std::net::IpAddr::V6(ip) => {
            let [a, b, c, d, e, f, g, h] = ip.segments();
            [a, b, c, d, e, f, g, h]
                .into_iter()
                .fold(0u32, |sum, part| {
                    sum.wrapping_mul(0x0100_0193) ^ u32::from(part)
                })
        }
    };
    join(join(way.realm, number(way.src.ip)), number(way.dst.ip))
}

/// An IP packet inside.
fn inner<'a, R: Record<'a>>(network: Network<'a>, layers: &mut R) -> Result<Packet<'a>, Skip> {
    let (bytes, v6, realm) = network;
    ip(bytes, v6, realm, layers)
}

/// An Ethernet frame inside.
fn frame<'a, R: Record<'a>>(
    bytes: &'a [u8],
    realm: u32,
    layers: &mut R,
) -> Result<Packet<'a>, Skip> {
    inner(link::ethernet(bytes, realm, layers)?, layers)
}

/// MPLS: labels to the bottom of the stack. What follows does not say what it is; RFC 4928 keeps the
/// first half octet of anything but IP from being 4 or 6, except of Ethernet without control word.
pub(super) fn mpls<'a, R: Record<'a>>(
    bytes: &'a [u8],
    realm: u32,
    layers: &mut R,
) -> Result<Network<'a>, Skip> {
    let mut rest = bytes;
    for _ in 0..16 {
        let entry = be32(rest, 0).ok_or(Skip::Short)?;
        layers.passed(Layer::Mpls, rest, 4);
        rest = rest.get(4..).unwrap_or_default();
        if entry & 0x100 == 0 {
            continue;
        }
        // Only the last label names a network; those above change on the way. 0 to 15 are reserved.
        let label = entry >> 12;
        let realm = if label < 16 {
            realm
        } else {
            join(realm, label)
        };
        if looks_like_ip(rest).is_some() {
            return link::by_version(rest, realm);
        }
        layers.enter_tunnel()?;
        return match rest {
            // The control word of a pseudowire (RFC 4385, 3).
            [0..=0x0f, _, _, _, frame @ ..] if looks_like_ethernet(frame) => {
                link::ethernet(frame, realm, layers)
            }
            frame if looks_like_ethernet(frame) => link::ethernet(frame, realm, layers),
            _ => Err(Skip::Payload(Layer::Mpls)),
        };
    }
    Err(Skip::TooDeep)
}

/// GRE: flags say which fields are there; version 1 is that of PPTP.
fn gre<'a, R: Record<'a>>(
    body: Body<'a>,
    way: &Addressing,
    layers: &mut R,
) -> Result<Packet<'a>, Skip> {
    let data = body.data;
    let flags = be16(data, 0).ok_or(Skip::Short)?;
    let kind = be16(data, 2).ok_or(Skip::Short)?;
    let has = |bit: u16| usize::from(flags & bit != 0);
    let version = flags & 7;
    if version > 1 {
        return Err(Skip::Malformed);
    }
    let mut len = 4;
    // Checksum and routing share one word; RFC 1701 had both.
    len += 4 * (has(0x8000) | has(0x4000));
    let key = (has(0x2000) > 0).then(|| be32(data, len)).flatten();
    len += 4 * has(0x2000) + 4 * has(0x1000);
    if version == 1 {
        len += 4 * has(0x0080);
    }
    if has(0x4000) > 0 && version == 0 {
        // Source routes: family, offset, length; the one with length 0 ends them.
        loop {
            let route = *data.get(len + 3).ok_or(Skip::Short)?;
            len += 4 + usize::from(route);
            if route == 0 {
                break;
            }
        }
    }
    let realm = match key {
        // The upper half of the key of PPTP is a length.
        Some(key) if version == 1 => join(way.realm, key & 0xffff),
        Some(key) => join(way.realm, key),
        None => pair(way),
    };
    layers.enter_tunnel()?;
    layers.passed(Layer::Gre, data, len);
    let body = body.from(len)?;
    let rest = body.data;
    match kind {
        0x0800 => ip(rest, false, realm, layers),
        0x86dd => ip(rest, true, realm, layers),
        // PPTP acknowledges without a payload.
        0x880b if rest.is_empty() => Err(Skip::Control(Layer::Gre)),
        0x880b => inner(link::ppp(rest, realm, layers)?, layers),
        0x6558 => frame(rest, realm, layers),
        // ERSPAN I and II; a sequence number tells them apart.
        0x88be if has(0x1000) == 0 => frame(rest, realm, layers),
        0x88be => {
            let session = be16(rest, 2).ok_or(Skip::Short)? & 0x3ff;
            layers.passed(Layer::Erspan, rest, 8);
            let inner = rest.get(8..).ok_or(Skip::Short)?;
            frame(inner, join(realm, u32::from(session)), layers)
        }
        0x22eb => erspan3(rest, realm, layers),
        // WCCP 2 puts a header of 4 octets before the packet, whose first octet is never that of IPv4.
        0x883e => {
            let rest = match rest.first() {
                Some(0x45..=0x4f) => rest,
                _ => rest.get(4..).ok_or(Skip::Short)?,
            };
            ip(rest, false, realm, layers)
        }
        other => inner(link::ether_type(other, rest, realm, layers)?, layers),
    }
}

/// ERSPAN III: 12 octets, and 8 more where the last bit says so.
fn erspan3<'a, R: Record<'a>>(
    rest: &'a [u8],
    realm: u32,
    layers: &mut R,
) -> Result<Packet<'a>, Skip> {
    let session = be16(rest, 2).ok_or(Skip::Short)? & 0x3ff;
    let last = be16(rest, 10).ok_or(Skip::Short)?;
    let len = if last & 1 == 1 { 20 } else { 12 };
    let realm = join(realm, u32::from(session));
    layers.passed(Layer::Erspan, rest, len);
    let rest = rest.get(len..).ok_or(Skip::Short)?;
    // Frame type 2 is an IP packet without Ethernet.
    if last >> 10 & 31 == 2 {
        return inner(link::by_version(rest, realm)?, layers);
    }
    frame(rest, realm, layers)
}

/// VXLAN on its ports; elsewhere when nothing else could look like it.
fn vxlan_inside(data: &[u8], ports: [u16; 2]) -> bool {
    let Some(head) = data.first_chunk::<8>() else {
        return false;
    };
    // The flag "there is a network number" of VXLAN; GPE and the group policy have more flags.
    if head[0] & 0x08 == 0 {
        return false;
    }
    if ports.contains(&4789) || ports.contains(&8472) {
        return head[0] & 0x37 == 0 || head[0] == 0x88;
    }
    if ports.contains(&4790) {
        return head[0] & 0xc0 == 0;
    }
    *head == [8, 0, 0, 0, head[4], head[5], head[6], 0]
        && looks_like_ethernet(data.get(8..).unwrap_or_default())
}

fn vxlan<'a, R: Record<'a>>(
    body: Body<'a>,
    way: &Addressing,
    layers: &mut R,
) -> Result<Packet<'a>, Skip> {
    layers.enter_tunnel()?;
    layers.passed(Layer::Vxlan, body.data, 8);
    let network = be32(body.data, 4).ok_or(Skip::Short)? >> 8;
    let realm = join(way.realm, network);
    let rest = body.from(8)?.data;
    // The generic protocol extension names what follows.
    let next = match body.data {
        [flags, _, _, next, ..] if flags & 0x04 != 0 => *next,
        _ => 3,
    };
    match next {
        1 => ip(rest, false, realm, layers),
        2 => ip(rest, true, realm, layers),
        3 => frame(rest, realm, layers),
        4 => inner(link::nsh(rest, realm, layers)?, layers),
        _ => Err(Skip::Payload(Layer::Vxlan)),
    }
}

fn geneve<'a, R: Record<'a>>(
    body: Body<'a>,
    way: &Addressing,
    layers: &mut R,
) -> Option<Result<Packet<'a>, Skip>> {
    let data = body.data;
    let len = usize::from(data.first()? & 0x3f) * 4 + 8;
    let kind = be16(data, 2)?;
    let network = be32(data, 4)? >> 8;
    let rest = data.get(len..)?;
    let realm = join(way.realm, network);
    let network = |layers: &mut R| {
        layers.enter_tunnel()?;
        layers.passed(Layer::Geneve, data, len);
        match kind {
            0x6558 => link::ethernet(rest, realm, layers),
            kind => link::ether_type(kind, rest, realm, layers),
        }
    };
    Some(network(layers).and_then(|found| inner(found, layers)))
}

/// GTP-U on its port; elsewhere when the length and the packet inside agree.
fn gtp_inside(data: &[u8], ports: [u16; 2]) -> bool {
    let Some(head) = data.first_chunk::<8>() else {
        return false;
    };
    // Version 1, protocol type GTP, message type "T-PDU".
    if head[0] & 0xf0 != 0x30 || head[1] != 255 {
        return false;
    }
    ports.contains(&2152)
        || usize::from(u16::from_be_bytes([head[2], head[3]])) + 8 == data.len()
            && gtp_header(data)
                .is_some_and(|len| looks_like_ip(data.get(len..).unwrap_or_default()).is_some())
}

/// Length of a GTP-U header with its extension headers (3GPP TS 29.281, 5.1 and 5.2).
fn gtp_header(data: &[u8]) -> Option<usize> {
    let flags = *data.first()?;
    if flags & 0x07 == 0 {
        return Some(8);
    }
    let mut len = 12usize;
    let mut next = if flags & 0x04 != 0 { *data.get(11)? } else { 0 };
    while next != 0 {
        let size = usize::from(*data.get(len)?) * 4;
        if size == 0 {
            return None;
        }
        len += size;
        next = *data.get(len - 1)?;
    }
    Some(len)
}

fn gtp<'a, R: Record<'a>>(
    body: Body<'a>,
    way: &Addressing,
    layers: &mut R,
) -> Result<Packet<'a>, Skip> {
    let len = gtp_header(body.data).ok_or(Skip::Malformed)?;
    let tunnel = be32(body.data, 4).ok_or(Skip::Short)?;
    layers.enter_tunnel()?;
    layers.passed(Layer::Gtp, body.data, len);
    let realm = join(way.realm, tunnel);
    let rest = body.from(len)?.data;
    match looks_like_ip(rest) {
        Some(v6) => ip(rest, v6, realm, layers),
        // Sessions of type Ethernet or PPP; "unstructured" ones carry anything.
        None if looks_like_ethernet(rest) => frame(rest, realm, layers),
        None if rest.starts_with(&[0xff, 3]) => inner(link::ppp(rest, realm, layers)?, layers),
        None => inner(link::by_version(rest, realm)?, layers),
    }
}

/// L2TP over UDP: version 2 carries PPP, version 3 anything.
fn l2tp_udp<'a, R: Record<'a>>(
    body: Body<'a>,
    way: &Addressing,
    layers: &mut R,
) -> Result<Packet<'a>, Skip> {
    let data = body.data;
    let flags = be16(data, 0).ok_or(Skip::Short)?;
    if flags & 15 == 3 {
        let session = be32(data, 4).ok_or(Skip::Short)?;
        return l2tp_session(body, 8, join(way.realm, session), layers);
    }
    let has = |bit: u16| usize::from(flags & bit != 0);
    // Length, tunnel and session, sequence numbers, and an offset that says how much to pass over.
    let mut len = 2 + 2 * has(0x4000);
    let tunnel = be32(data, len).ok_or(Skip::Short)?;
    len += 4 + 4 * has(0x0800);
    if has(0x0200) > 0 {
        len += 2 + usize::from(be16(data, len).ok_or(Skip::Short)?);
    }
    layers.enter_tunnel()?;
    layers.passed(Layer::L2tp, data, len);
    let rest = body.from(len)?.data;
    inner(link::ppp(rest, join(way.realm, tunnel), layers)?, layers)
}

/// L2TP version 3 behind its session number: a cookie of 0, 4 or 8 octets and a sublayer of 0 or 4
/// were agreed elsewhere, so that what follows has to tell.
fn l2tp_session<'a, R: Record<'a>>(
    body: Body<'a>,
    head: usize,
    realm: u32,
    layers: &mut R,
) -> Result<Packet<'a>, Skip> {
    layers.enter_tunnel()?;
    let lengths = [0, 4, 8, 12];
    for len in lengths.map(|more| head + more) {
        let rest = body.data.get(len..).unwrap_or_default();
        if looks_like_ethernet(rest) {
            layers.passed(Layer::L2tp, body.data, len);
            return frame(rest, realm, layers);
        }
        if let [0xff, 3, 0, 0x21 | 0x57, packet @ ..] = rest
            && looks_like_ip(packet).is_some()
        {
            layers.passed(Layer::L2tp, body.data, len);
            return inner(link::ppp(rest, realm, layers)?, layers);
        }
    }
    // IP pseudowires (RFC 3931 leaves them to others) have the least to recognise them by: last.
    for len in lengths.map(|more| head + more) {
        let rest = body.data.get(len..).unwrap_or_default();
        let whole = be16(rest, 2).is_some_and(|total| usize::from(total) == rest.len());
        if looks_like_ip(rest) == Some(false) && whole {
            layers.passed(Layer::L2tp, body.data, len);
            return ip(rest, false, realm, layers);
        }
    }
    Err(Skip::Payload(Layer::L2tp))
}

/// GRE in UDP (RFC 8086): version 0, and an EtherType that it carries.
fn gre_inside(data: &[u8]) -> bool {
    let flags = be16(data, 0).unwrap_or(7);
    let kind = be16(data, 2);
    flags & 0x4fff == 0 && matches!(kind, Some(0x0800 | 0x86dd | 0x6558 | 0x8847))
}

/// Teredo (RFC 4380, 5.1.1): IPv6, perhaps behind an origin indication, as long as the datagram.
fn teredo(data: &[u8]) -> Option<&[u8]> {
    let packet = match data {
        [0, 0, _, _, _, _, _, _, packet @ ..] => packet,
        packet => packet,
    };
    let whole = usize::from(be16(packet, 4)?) + 40 == packet.len();
    (whole && looks_like_ip(packet) == Some(true)).then_some(packet)
}

/// TZSP: version, type, protocol, then tags up to the one that ends them.
fn tzsp<'a, R: Record<'a>>(
    body: Body<'a>,
    way: &Addressing,
    layers: &mut R,
) -> Option<Result<Packet<'a>, Skip>> {
    let data = body.data;
    // Type 0 and 1 carry packets; protocol 1 is Ethernet.
    if *data.get(1)? > 1 || be16(data, 2)? != 1 {
        return None;
    }
    let mut len = 4usize;
    loop {
        match *data.get(len)? {
            0 => len += 1,
            1 => break,
            _ => len += 2 + usize::from(*data.get(len + 1)?),
        }
    }
    let rest = data.get(len + 1..)?;
    let network = |layers: &mut R| {
        layers.enter_tunnel()?;
        layers.passed(Layer::Tzsp, data, len + 1);
        frame(rest, way.realm, layers)
    };
    Some(network(layers))
}

/// Octets of the check value behind an ESP packet: HMAC-MD5-96 and HMAC-SHA-1-96, none, SHA-256-128
/// and GMAC, SHA-384-192, SHA-512-256.
const CHECK_VALUES: [usize; 5] = [12, 16, 0, 24, 32];

/// ESP whose encryption is NULL, as IMS uses it (3GPP TS 33.203). Nothing in the packet says so:
/// padding, next header and the header inside have to agree (RFC 5879).
fn esp<'a, R: Record<'a>>(
    body: Body<'a>,
    way: &Addressing,
    layers: &mut R,
) -> Result<Packet<'a>, Skip> {
    let data = body.data;
    let payload = data.get(8..).ok_or(Skip::Short)?;
    // Behind the part that was captured nothing can be checked; a datagram still tells its length.
    let whole = body.sent <= data.len();
    // ENCR_NULL_AUTH_AES_GMAC has an initialisation vector of eight octets in front (RFC 4543, 3.1).
    let forms = CHECK_VALUES.map(|check| (0, check));
    for (iv, check) in forms.into_iter().chain([(8, 16)]) {
        let Some(payload) = payload.get(iv..).filter(|_| whole || iv == 0) else {
            continue;
        };
        let Some((next, len)) = esp_trailer(payload, check, whole) else {
            continue;
        };
        let inside = payload.get(..len).unwrap_or_default();
        let sent = if whole { len } else { body.sent - 8 };
        if !plausible(next, inside, sent, whole) {
            continue;
        }
        layers.enter_tunnel()?;
        layers.passed(Layer::Esp, data, 8 + iv);
        return match next {
            4 | 41 => ip(inside, next == 41, pair(way), layers),
            // Keys are changed while a connection goes on: they make no network of their own.
            next => transport(next, inside, sent, *way, layers),
        };
    }
    Err(Skip::Payload(Layer::Esp))
}

/// Next header and length of the payload, when the padding is 1, 2, 3 … (RFC 4303, 2.4).
fn esp_trailer(payload: &[u8], check: usize, whole: bool) -> Option<(u8, usize)> {
    if !whole {
        // A guess to be confirmed by the header inside.
        return Some((17, payload.len()));
    }
    let end = payload.len().checked_sub(check)?;
    let next = *payload.get(end.checked_sub(1)?)?;
    let padding = usize::from(*payload.get(end.checked_sub(2)?)?);
    let len = end.checked_sub(2 + padding)?;
    let filled = payload.get(len..end - 2)?;
    let counts = filled.iter().zip(1u8..).all(|(octet, n)| *octet == n);
    // Some fill with zeros.
    let zeros = filled.len() < 4 && filled.iter().all(|octet| *octet == 0);
    (padding < 16 && (counts || zeros) || padding < 255 && counts).then_some((next, len))
}

/// Whether octets can be what their next header says.
fn plausible(next: u8, inside: &[u8], sent: usize, whole: bool) -> bool {
    match next {
        4 => looks_like_ip(inside) == Some(false),
        41 => looks_like_ip(inside) == Some(true),
        17 => be16(inside, 4).is_some_and(|len| {
            let len = usize::from(len);
            let slack = if whole { 0 } else { 2 + 255 + 32 };
            len >= 8 && len <= sent && sent - len <= slack && be16(inside, 0) != Some(0)
        }),
        6 => match inside.first_chunk::<20>() {
            // Reserved bits are 0, SYN and FIN exclude each other, and there is data or an ACK.
            Some(head) => {
                let len = usize::from(head[12] >> 4) * 4;
                (20..=inside.len()).contains(&len)
                    && head[12] & 0x0e == 0
                    && head[13] & 3 != 3
                    && head[13] & 0x16 != 0
            }
            None => false,
        },
        132 => inside.len() >= 16,
        _ => false,
    }
}
