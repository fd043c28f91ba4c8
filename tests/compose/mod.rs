//! Packets and captures made by hand, for tests.
#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

/// A pcap file of raw IP packets (LINKTYPE_RAW), one each millisecond.
#[derive(Default)]
pub struct Capture {
    packets: Vec<(u64, Vec<u8>)>,
}

impl Capture {
    pub fn add(&mut self, packet: &[u8]) {
        let time = self
            .packets
            .last()
            .map_or(1_700_000_000_000_000, |(t, _)| t + 1000);
        self.packets.push((time, packet.to_vec()));
    }

    /// Adds a packet `micros` after the one before.
    pub fn add_after(&mut self, micros: u64, packet: &[u8]) {
        let time = self
            .packets
            .last()
            .map_or(1_700_000_000_000_000, |(t, _)| t + micros);
        self.packets.push((time, packet.to_vec()));
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for word in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 262_144, 101] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        for (time, packet) in &self.packets {
            let len = packet.len() as u32;
            for word in [
                (time / 1_000_000) as u32,
                (time % 1_000_000) as u32,
                len,
                len,
            ] {
                out.extend_from_slice(&word.to_le_bytes());
            }
            out.extend_from_slice(packet);
        }
        out
    }
}

pub fn ipv4(
    protocol: u8,
    id: u16,
    fragment: u16,
    src: [u8; 4],
    dst: [u8; 4],
    payload: &[u8],
) -> Vec<u8> {
    let total = (20 + payload.len()) as u16;
    let mut out = vec![0x45, 0];
    out.extend_from_slice(&total.to_be_bytes());
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&fragment.to_be_bytes());
    out.extend_from_slice(&[64, protocol, 0, 0]);
    out.extend_from_slice(&src);
    out.extend_from_slice(&dst);
    out.extend_from_slice(payload);
    out
}

pub const A: [u8; 4] = [192, 0, 2, 1];
pub const B: [u8; 4] = [192, 0, 2, 2];

pub fn udp_payload(sport: u16, dport: u16, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for word in [sport, dport, (8 + data.len()) as u16, 0] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    out.extend_from_slice(data);
    out
}

/// A datagram from A to B.
pub fn udp(sport: u16, dport: u16, data: &[u8]) -> Vec<u8> {
    ipv4(17, 0, 0, A, B, &udp_payload(sport, dport, data))
}

/// A datagram with everything stated.
pub fn udp_from(src: ([u8; 4], u16), dst: ([u8; 4], u16), id: u16, data: &[u8]) -> Vec<u8> {
    ipv4(17, id, 0, src.0, dst.0, &udp_payload(src.1, dst.1, data))
}

/// A segment from A:5061 to B:5060.
pub fn tcp(seq: u32, flags: u8, data: &[u8]) -> Vec<u8> {
    tcp_from((A, 5061), (B, 5060), seq, flags, data)
}

/// A segment with everything stated.
pub fn tcp_from(
    src: ([u8; 4], u16),
    dst: ([u8; 4], u16),
    seq: u32,
    flags: u8,
    data: &[u8],
) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&src.1.to_be_bytes());
    out.extend_from_slice(&dst.1.to_be_bytes());
    out.extend_from_slice(&seq.to_be_bytes());
    out.extend_from_slice(&0u32.to_be_bytes());
    out.extend_from_slice(&[0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    out.extend_from_slice(data);
    ipv4(6, 0, 0, src.0, dst.0, &out)
}

/// A fragment of a UDP datagram, IPv4 or IPv6.
pub fn fragment(v6: bool, id: u16, offset: usize, more: bool, data: &[u8]) -> Vec<u8> {
    let place = offset as u16 / 8;
    if !v6 {
        return ipv4(17, id, place | u16::from(more) << 13, A, B, data);
    }
    let mut out = vec![0x60, 0, 0, 0];
    out.extend_from_slice(&((8 + data.len()) as u16).to_be_bytes());
    out.extend_from_slice(&[44, 64]);
    for last in [1u8, 2] {
        out.extend_from_slice(&[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    out.extend_from_slice(&[17, 0]);
    out.extend_from_slice(&(place << 3 | u16::from(more)).to_be_bytes());
    out.extend_from_slice(&u32::from(id).to_be_bytes());
    out.extend_from_slice(data);
    out
}
