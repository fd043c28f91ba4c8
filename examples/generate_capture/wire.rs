//! Frames and the capture file: Ethernet with VLAN tags, IPv4 and IPv6 with fragments, UDP, TCP.

use crate::rng::mix;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

/// Octets of an IP packet that fit into a frame.
const MTU: usize = 1500;
/// Organisation prefixes of the made-up hardware addresses.
const OUIS: [[u8; 3]; 6] = [
    [0x00, 0x15, 0x65],
    [0x00, 0x04, 0x13],
    [0x64, 0x16, 0x7f],
    [0x00, 0x0c, 0x29],
    [0x52, 0x54, 0x00],
    [0x80, 0x5e, 0xc0],
];

/// VLAN tags of a frame, outer first; 0 means no tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vlan {
    /// Service tag (802.1ad), only together with `inner`.
    pub outer: u16,
    /// Customer tag (802.1Q).
    pub inner: u16,
}

/// Where a packet goes.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Sender.
    pub src: SocketAddr,
    /// Receiver.
    pub dst: SocketAddr,
    /// Tags on this part of the network.
    pub vlan: Vlan,
}

/// The TCP fields that differ from segment to segment.
#[derive(Clone, Copy, Debug)]
pub struct TcpFields {
    /// Sequence number of the first octet.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flag octet (FIN 1, SYN 2, RST 4, PSH 8, ACK 16).
    pub flags: u8,
}

/// Where and when a packet ended up in the file.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// Number of the frame, from 1.
    pub frame: u64,
    /// Time as the file states it, nanoseconds since 1970.
    pub time: u64,
}

/// Writes frames to a pcap file, in nondecreasing time.
pub struct Capture {
    out: BufWriter<File>,
    nanoseconds: bool,
    frames: u64,
    bytes: u64,
    fragments: u64,
    first: u64,
    last: u64,
    ip_ids: Vec<u16>,
    frame: Vec<u8>,
    packet: Vec<u8>,
}

impl Capture {
    /// Creates the file and writes its header.
    pub fn create(path: &Path, nanoseconds: bool) -> std::io::Result<Self> {
        let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
        let magic: u32 = if nanoseconds {
            0xa1b2_3c4d
        } else {
            0xa1b2_c3d4
        };
        out.write_all(&magic.to_le_bytes())?;
        out.write_all(&2u16.to_le_bytes())?;
        out.write_all(&4u16.to_le_bytes())?;
        out.write_all(&[0; 8])?;
        out.write_all(&262_144u32.to_le_bytes())?;
        out.write_all(&1u32.to_le_bytes())?;
        Ok(Self {
            out,
            nanoseconds,
            frames: 0,
            bytes: 24,
            fragments: 0,
            first: 0,
            last: 0,
            ip_ids: (0..65_536u64).map(|n| mix(n) as u16).collect(),
            frame: Vec::with_capacity(2048),
            packet: Vec::with_capacity(4096),
        })
    }

    /// Frames written so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Octets of the file so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// IP fragments written so far.
    pub fn fragments(&self) -> u64 {
        self.fragments
    }

    /// Times of the first and the last frame.
    pub fn span(&self) -> (u64, u64) {
        (self.first, self.last)
    }

    /// Writes what is still buffered.
    pub fn finish(mut self) -> std::io::Result<()> {
        self.out.flush()
    }

    /// Sends one datagram, in fragments when it does not fit; `reversed` sends the last one first.
    pub fn udp(
        &mut self,
        at: u64,
        route: &Route,
        payload: &[u8],
        reversed: bool,
    ) -> std::io::Result<Written> {
        let length = (payload.len() + 8) as u16;
        let mut packet = std::mem::take(&mut self.packet);
        packet.clear();
        packet.extend_from_slice(&route.src.port().to_be_bytes());
        packet.extend_from_slice(&route.dst.port().to_be_bytes());
        packet.extend_from_slice(&length.to_be_bytes());
        packet.extend_from_slice(&[0, 0]);
        packet.extend_from_slice(payload);
        // IPv4 allows "no checksum" (RFC 768); a few devices use it.
        if route.src.is_ipv6() || !host_hash(route.src.ip()).is_multiple_of(16) {
            let sum = match transport_checksum(route, 17, &packet) {
                0 => 0xffff,
                sum => sum,
            };
            packet[6..8].copy_from_slice(&sum.to_be_bytes());
        }
        let written = self.ip(at, route, 17, &packet, reversed);
        self.packet = packet;
        written
    }

    /// Sends one TCP segment; a SYN carries the usual options.
    pub fn tcp(
        &mut self,
        at: u64,
        route: &Route,
        fields: TcpFields,
        payload: &[u8],
    ) -> std::io::Result<Written> {
        let options: &[u8] = if fields.flags & 2 != 0 {
            &[2, 4, 0x05, 0xb4, 1, 3, 3, 7, 4, 2, 1, 1]
        } else {
            &[]
        };
        let mut packet = std::mem::take(&mut self.packet);
        packet.clear();
        packet.extend_from_slice(&route.src.port().to_be_bytes());
        packet.extend_from_slice(&route.dst.port().to_be_bytes());
        packet.extend_from_slice(&fields.seq.to_be_bytes());
        packet.extend_from_slice(&fields.ack.to_be_bytes());
        packet.push(((20 + options.len()) << 2) as u8);
        packet.push(fields.flags);
        packet.extend_from_slice(&0xfaf0u16.to_be_bytes());
        packet.extend_from_slice(&[0; 4]);
        packet.extend_from_slice(options);
        packet.extend_from_slice(payload);
        let sum = transport_checksum(route, 6, &packet);
        packet[16..18].copy_from_slice(&sum.to_be_bytes());
        let written = self.ip(at, route, 6, &packet, false);
        self.packet = packet;
        written
    }

    fn ip(
        &mut self,
        at: u64,
        route: &Route,
        protocol: u8,
        data: &[u8],
        reversed: bool,
    ) -> std::io::Result<Written> {
        let header = if route.src.is_ipv4() { 20 } else { 40 };
        let slot = (host_hash(route.src.ip()) & 0xffff) as usize;
        let id = self.ip_ids[slot].wrapping_add(1);
        self.ip_ids[slot] = id;
        if header + data.len() <= MTU {
            return self.ip_piece(at, route, protocol, id, data, None);
        }
        // Fragment data comes in units of eight octets (RFC 791, RFC 8200 4.5).
        let room = if route.src.is_ipv4() { 1480 } else { 1448 };
        let pieces = data.len().div_ceil(room);
        let mut written = Written { frame: 0, time: 0 };
        for n in 0..pieces {
            let n = if reversed { pieces - 1 - n } else { n };
            let start = n * room;
            let end = (start + room).min(data.len());
            let place = Some((start as u16, end < data.len()));
            written = self.ip_piece(at, route, protocol, id, &data[start..end], place)?;
            self.fragments += 1;
        }
        Ok(written)
    }

    fn ip_piece(
        &mut self,
        at: u64,
        route: &Route,
        protocol: u8,
        id: u16,
        data: &[u8],
        fragment: Option<(u16, bool)>,
    ) -> std::io::Result<Written> {
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        frame.extend_from_slice(&hardware_address(route.dst.ip()));
        frame.extend_from_slice(&hardware_address(route.src.ip()));
        if route.vlan.outer != 0 {
            frame.extend_from_slice(&[0x88, 0xa8]);
            frame.extend_from_slice(&route.vlan.outer.to_be_bytes());
        }
        if route.vlan.inner != 0 {
            frame.extend_from_slice(&[0x81, 0x00]);
            frame.extend_from_slice(&route.vlan.inner.to_be_bytes());
        }
        match (route.src.ip(), route.dst.ip()) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                frame.extend_from_slice(&[0x08, 0x00]);
                let start = frame.len();
                let flags = match fragment {
                    None => 0x4000,
                    Some((offset, more)) => (offset / 8) | if more { 0x2000 } else { 0 },
                };
                frame.extend_from_slice(&[0x45, 0x68]);
                frame.extend_from_slice(&((20 + data.len()) as u16).to_be_bytes());
                frame.extend_from_slice(&id.to_be_bytes());
                frame.extend_from_slice(&flags.to_be_bytes());
                frame.extend_from_slice(&[64, protocol, 0, 0]);
                frame.extend_from_slice(&src.octets());
                frame.extend_from_slice(&dst.octets());
                let sum = fold(add(0, &frame[start..]));
                frame[start + 10..start + 12].copy_from_slice(&sum.to_be_bytes());
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                frame.extend_from_slice(&[0x86, 0xdd, 0x60, 0, 0, 0]);
                let extra = if fragment.is_some() { 8 } else { 0 };
                frame.extend_from_slice(&((data.len() + extra) as u16).to_be_bytes());
                let next = if fragment.is_some() { 44 } else { protocol };
                frame.extend_from_slice(&[next, 64]);
                frame.extend_from_slice(&src.octets());
                frame.extend_from_slice(&dst.octets());
                if let Some((offset, more)) = fragment {
                    frame.extend_from_slice(&[protocol, 0]);
                    frame.extend_from_slice(&(offset | u16::from(more)).to_be_bytes());
                    frame.extend_from_slice(&(u32::from(id) | 0x5a00_0000).to_be_bytes());
                }
            }
            _ => return Err(std::io::Error::other("a packet between IPv4 and IPv6")),
        }
        frame.extend_from_slice(data);
        // Shorter frames do not exist on the wire: the card pads them.
        if frame.len() < 60 {
            frame.resize(60, 0);
        }
        let written = self.record(at, &frame);
        self.frame = frame;
        written
    }

    fn record(&mut self, at: u64, frame: &[u8]) -> std::io::Result<Written> {
        let at = if self.nanoseconds { at } else { at - at % 1000 };
        let time = at.max(self.last);
        if self.frames == 0 {
            self.first = time;
        }
        self.last = time;
        self.frames += 1;
        let (seconds, rest) = (time / 1_000_000_000, time % 1_000_000_000);
        let rest = if self.nanoseconds { rest } else { rest / 1000 };
        let length = frame.len() as u32;
        let mut header = [0; 16];
        header[..4].copy_from_slice(&(seconds as u32).to_le_bytes());
        header[4..8].copy_from_slice(&(rest as u32).to_le_bytes());
        header[8..12].copy_from_slice(&length.to_le_bytes());
        header[12..].copy_from_slice(&length.to_le_bytes());
        self.out.write_all(&header)?;
        self.out.write_all(frame)?;
        self.bytes += 16 + u64::from(length);
        Ok(Written {
            frame: self.frames,
            time,
        })
    }
}

fn host_hash(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(v4) => mix(u64::from(u32::from(v4))),
        IpAddr::V6(v6) => mix((u128::from(v6) as u64) ^ ((u128::from(v6) >> 64) as u64)),
    }
}

fn hardware_address(ip: IpAddr) -> [u8; 6] {
    let hash = host_hash(ip);
    let [a, b, c] = OUIS[(hash % OUIS.len() as u64) as usize];
    [
        a,
        b,
        c,
        (hash >> 8) as u8,
        (hash >> 16) as u8,
        (hash >> 24) as u8,
    ]
}

fn transport_checksum(route: &Route, protocol: u8, data: &[u8]) -> u16 {
    let mut sum = add(u64::from(protocol) + data.len() as u64, data);
    for end in [route.src, route.dst] {
        sum = match end.ip() {
            IpAddr::V4(v4) => add(sum, &v4.octets()),
            IpAddr::V6(v6) => add(sum, &v6.octets()),
        };
    }
    fold(sum)
}

/// Adds big-endian 16-bit words (RFC 1071), an odd last octet padded with zero.
fn add(mut sum: u64, data: &[u8]) -> u64 {
    let mut words = data.chunks_exact(4);
    for word in words.by_ref() {
        sum += u64::from(u32::from_be_bytes([word[0], word[1], word[2], word[3]]));
    }
    for (n, byte) in words.remainder().iter().enumerate() {
        sum += u64::from(*byte) << if n % 2 == 0 { 8 } else { 0 };
    }
    sum
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
