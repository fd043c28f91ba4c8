//! HEP that was received from a socket, as the IP packets that a capture would have shown.
//!
//! So a file of the listener is read, shown and exported like any other one. Octets that the
//! socket did not tell (identification, sequence numbers) are made up.

use std::net::{IpAddr, SocketAddr};

/// Most octets of a stream in one packet.
pub(super) const SEGMENT_OCTETS: usize = 65_000;

const UDP: u8 = 17;
const TCP: u8 = 6;
/// TCP flags (RFC 9293, 3.1).
pub(super) const FIN: u8 = 1;
pub(super) const SYN: u8 = 2;
pub(super) const PUSH: u8 = 8;
pub(super) const ACK: u8 = 16;

/// Headers of IP and UDP for a datagram.
pub(super) fn udp_head(out: &mut Vec<u8>, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
    let length = payload.len() + 8;
    ip_head(out, from.ip(), to.ip(), UDP, length);
    let start = out.len();
    let ports = [from.port(), to.port(), length as u16, 0];
    out.extend(ports.iter().flat_map(|word| word.to_be_bytes()));
    checksum(out, start, 6, (from.ip(), to.ip(), UDP), payload);
}

/// Headers of IP and TCP for a part of a stream.
pub(super) fn tcp_head(
    out: &mut Vec<u8>,
    (from, to): (SocketAddr, SocketAddr),
    sequence: u32,
    flags: u8,
    payload: &[u8],
) {
    ip_head(out, from.ip(), to.ip(), TCP, payload.len() + 20);
    let start = out.len();
    out.extend(
        [from.port(), to.port()]
            .iter()
            .flat_map(|p| p.to_be_bytes()),
    );
    out.extend_from_slice(&sequence.to_be_bytes());
    // Nothing is known of the other direction.
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&[5 << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    checksum(out, start, 16, (from.ip(), to.ip(), TCP), payload);
}

fn ip_head(out: &mut Vec<u8>, from: IpAddr, to: IpAddr, protocol: u8, length: usize) {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let start = out.len();
            let total = (length + 20) as u16;
            out.extend_from_slice(&[0x45, 0]);
            out.extend_from_slice(&total.to_be_bytes());
            // Not fragmented, 64 hops.
            out.extend_from_slice(&[0, 0, 0x40, 0, 64, protocol, 0, 0]);
            out.extend_from_slice(&from.octets());
            out.extend_from_slice(&to.octets());
            let sum = folded(sum(0, out.get(start..).unwrap_or_default()));
            put(out, start + 10, sum);
        }
        (from, to) => {
            out.extend_from_slice(&[0x60, 0, 0, 0]);
            out.extend_from_slice(&(length as u16).to_be_bytes());
            out.extend_from_slice(&[protocol, 64]);
            out.extend_from_slice(&v6(from));
            out.extend_from_slice(&v6(to));
        }
    }
}

fn v6(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// Fills in the sum over pseudo header, header and payload (RFC 768, RFC 9293, 3.1).
fn checksum(
    out: &mut [u8],
    start: usize,
    at: usize,
    (from, to, protocol): (IpAddr, IpAddr, u8),
    payload: &[u8],
) {
    let head = out.get(start..).unwrap_or_default();
    let pair = |total, ip: IpAddr| match ip {
        IpAddr::V4(v4) if from.is_ipv4() && to.is_ipv4() => sum(total, &v4.octets()),
        other => sum(total, &v6(other)),
    };
    let length = head.len() + payload.len();
    let mut total = pair(pair(0, from), to);
    total += u64::from(protocol) + length as u64;
    // Headers have an even number of octets.
    let sum = folded(sum(sum(total, head), payload));
    // A sum of nought means "none" in UDP.
    let sum = if sum == 0 && protocol == UDP {
        0xffff
    } else {
        sum
    };
    put(out, start + at, sum);
}

fn sum(total: u64, octets: &[u8]) -> u64 {
    let (pairs, rest) = octets.as_chunks::<2>();
    let words: u64 = pairs
        .iter()
        .map(|pair| u64::from(u16::from_be_bytes(*pair)))
        .sum();
    total + words + rest.first().map_or(0, |last| u64::from(*last) << 8)
}

fn folded(mut total: u64) -> u16 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    !(total as u16)
}

fn put(out: &mut [u8], at: usize, value: u16) {
    if let Some(place) = out.get_mut(at..at + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    #[test]
    fn sums_are_those_of_the_rfcs() {
        for (from, to) in [("192.0.2.1:9", "192.0.2.2:10"), ("[::1]:9", "[::2]:10")] {
            let (from, to): (SocketAddr, SocketAddr) = (from.parse().unwrap(), to.parse().unwrap());
            let mut out = Vec::new();
            udp_head(&mut out, from, to, b"odd");
            let ip = out.len() - 8;
            // What is summed with its own sum gives all ones.
            if from.is_ipv4() {
                assert_eq!(folded(sum(0, &out[..ip])), 0);
            }
            let addresses = if from.is_ipv4() { 12..20 } else { 8..40 };
            let pseudo = sum(0, &out[addresses]) + 17 + 11;
            assert_eq!(folded(sum(sum(pseudo, &out[ip..]), b"odd")), 0);
        }
    }
}
