//! Errors of ICMP (RFC 792) and ICMPv6 (RFC 4443): what they say, and the packet they quote.

use super::{Addressing, LayerStack, Payload, Skip, ip};

/// An error with the beginning of the packet it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted<'a> {
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// ICMPv6.
    pub v6: bool,
    /// Addresses of the packet it quotes.
    pub addressing: Addressing,
    /// Its UDP payload as far as quoted, and its length as sent; none for other transports.
    pub udp: Option<(&'a [u8], usize)>,
}

/// True for a type that is an error and quotes a packet.
pub fn is_error(data: &[u8], v6: bool) -> bool {
    match data.first() {
        Some(kind) if v6 => (1..=4).contains(kind),
        Some(kind) => matches!(kind, 3 | 4 | 5 | 11 | 12),
        None => false,
    }
}

/// Reads an error; none for anything else, and when what it quotes cannot be read.
pub fn error(data: &[u8], v6: bool) -> Option<Quoted<'_>> {
    if !is_error(data, v6) {
        return None;
    }
    let (kind, code) = (*data.first()?, *data.get(1)?);
    let quote = data.get(8..)?;
    let packet = ip(quote, v6, 0, &mut LayerStack::default());
    let (addressing, udp) = match packet {
        Ok(packet) => match packet.payload {
            Payload::Udp { data, sent, .. } => (packet.addressing, Some((data, sent))),
            Payload::Tcp(_) => (packet.addressing, None),
            // The first fragment of a datagram has its ports.
            Payload::Fragment(f) if f.offset == 0 && f.protocol == 17 => {
                let mut way = packet.addressing;
                way.src.port = super::be16(f.data, 0)?;
                way.dst.port = super::be16(f.data, 2)?;
                let sent = usize::from(super::be16(f.data, 4)?).saturating_sub(8);
                (way, Some((f.data.get(8..).unwrap_or_default(), sent)))
            }
            _ => return None,
        },
        // 8 octets of TCP are all that RFC 792 asks for: ports and a sequence number.
        Err(Skip::Short) => (short_tcp(quote, v6)?, None),
        Err(_) => return None,
    };
    Some(Quoted {
        kind,
        code,
        v6,
        addressing,
        udp,
    })
}

/// The addresses of a quoted TCP segment whose header is not complete.
fn short_tcp(quote: &[u8], v6: bool) -> Option<Addressing> {
    let header = if v6 {
        40
    } else {
        usize::from(quote.first()? & 15) * 4
    };
    let protocol = *quote.get(if v6 { 6 } else { 9 })?;
    if protocol != 6 {
        return None;
    }
    // The same header over an empty payload, which any protocol may have.
    let mut head = quote.get(..header)?.to_vec();
    *head.get_mut(if v6 { 6 } else { 9 })? = 255;
    let packet = ip(&head, v6, 0, &mut LayerStack::default()).ok()?;
    let mut way = packet.addressing;
    way.src.port = super::be16(quote, header)?;
    way.dst.port = super::be16(quote, header + 2)?;
    Some(way)
}

/// What an error says, in words.
pub fn words(kind: u8, code: u8, v6: bool) -> &'static str {
    match (v6, kind, code) {
        (false, 3, 0) => "network unreachable",
        (false, 3, 1) => "host unreachable",
        (false, 3, 2) => "protocol unreachable",
        (false, 3, 3) => "port unreachable",
        (false, 3, 4) => "packet too large and not to be fragmented",
        (false, 3, 5) => "source route failed",
        (false, 3, 6) => "destination network unknown",
        (false, 3, 7) => "destination host unknown",
        (false, 3, 8) => "source host isolated",
        (false, 3, 9) => "network administratively prohibited",
        (false, 3, 10) => "host administratively prohibited",
        (false, 3, 11) => "network unreachable for this type of service",
        (false, 3, 12) => "host unreachable for this type of service",
        (false, 3, 13) => "communication administratively prohibited",
        (false, 3, 14) => "host precedence violation",
        (false, 3, 15) => "precedence cutoff",
        (false, 3, _) => "destination unreachable",
        (false, 4, _) => "source quench",
        (false, 5, _) => "redirect to another router",
        (false, 11, 1) => "fragments not reassembled in time",
        (false, 11, _) => "time to live exceeded",
        (false, 12, _) => "bad parameter in the IP header",
        (true, 1, 0) => "no route to destination",
        (true, 1, 1) => "communication administratively prohibited",
        (true, 1, 2) => "beyond scope of source address",
        (true, 1, 3) => "address unreachable",
        (true, 1, 4) => "port unreachable",
        (true, 1, 5) => "source address failed ingress or egress policy",
        (true, 1, 6) => "route to destination rejected",
        (true, 1, 7) => "error in source routing header",
        (true, 1, _) => "destination unreachable",
        (true, 2, _) => "packet too big",
        (true, 3, 1) => "fragments not reassembled in time",
        (true, 3, _) => "hop limit exceeded",
        (true, 4, 0) => "erroneous header field",
        (true, 4, 1) => "next header not recognised",
        (true, 4, 2) => "IPv6 option not recognised",
        (true, 4, _) => "parameter problem",
        _ => "ICMP error",
    }
}
