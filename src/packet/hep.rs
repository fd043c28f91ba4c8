//! HEP, the Homer encapsulation: what capture agents send to a collector, versions 1, 2 and 3.
//!
//! Recognised by content. Every length is that of somebody else and is checked against the octets
//! that are there; what is wrong is named ([`Fault`]) and what can be used is used.

use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::{Endpoint, be16, be32};

/// What is wrong with a HEP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// It states more octets than there are.
    LongerThanPacket,
    /// A chunk is shorter than its own header, or reaches over the end.
    ChunkLength,
    /// The content of a chunk has the wrong size for its type.
    ChunkSize,
    /// Addresses or ports are missing.
    NoAddresses,
    /// There is no payload.
    NoPayload,
    /// The compressed payload cannot be inflated.
    Inflate,
    /// The compressed payload is larger than 1 MiB, or than 100 times its own size.
    TooLarge,
}

impl Fault {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::LongerThanPacket => "it states more octets than there are",
            Self::ChunkLength => {
                "a chunk is shorter than its header or reaches over the end of the packet"
            }
            Self::ChunkSize => "the content of a chunk has the wrong size for its type",
            Self::NoAddresses => "addresses are missing",
            Self::NoPayload => "there is no payload",
            Self::Inflate => "its compressed payload cannot be inflated",
            Self::TooLarge => {
                "its compressed payload is larger than 1 MiB or 100 times its packed size"
            }
        }
    }
}

/// What the agent says of the message it forwards, beside its way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// When the agent saw it, nanoseconds since 1970-01-01 UTC.
    pub time: Option<i64>,
    /// Number of the agent.
    pub agent: Option<u32>,
    /// Name of the agent or its node.
    pub node: Option<String>,
}

/// One HEP packet.
#[derive(Clone, Debug)]
pub struct Hep<'a> {
    /// 1, 2 or 3.
    pub version: u8,
    /// Who sent the message, and who received it.
    pub ends: (Endpoint, Endpoint),
    /// IP protocol number of its transport; 22 and 50 stand for TLS and WebSocket.
    pub protocol: u8,
    /// What the payload is: 1 is SIP.
    pub kind: u8,
    /// What else is said.
    pub note: Note,
    /// The payload.
    pub payload: &'a [u8],
    /// The payload is compressed.
    pub packed: bool,
    /// What is wrong, though it can be used.
    pub fault: Option<Fault>,
}

/// Protocol type "SIP".
pub const KIND_SIP: u8 = 1;
/// Inflated payloads are not larger.
pub const MAX_INFLATED: usize = 1 << 20;
/// Nor larger than this many times the packed ones.
const MAX_RATIO: usize = 100;

/// The name of a protocol type.
pub fn kind_name(kind: u8) -> &'static str {
    match kind {
        0 => "unknown",
        1 => "SIP",
        2 => "XMPP",
        3 => "SDP",
        4 => "RTP",
        5 => "RTCP report",
        6 => "MGCP",
        7 => "Megaco",
        8 => "M2UA",
        9 => "M3UA",
        10 => "IAX",
        11 => "H.322",
        12 => "H.321",
        13 => "M2PA",
        34 | 35 => "quality report",
        53 => "DNS",
        99 | 100 => "log",
        _ => "other protocol",
    }
}

/// Reads a HEP packet; none when the octets are something else.
///
/// # Errors
/// What is wrong, when nothing of it can be used.
pub fn read(data: &[u8]) -> Option<Result<Hep<'_>, Fault>> {
    match data {
        [b'H', b'E', b'P', b'3', ..] => Some(version3(data)),
        [1 | 2, 16 | 28 | 40 | 52, 2 | 10, ..] => early(data).map(Ok),
        _ => None,
    }
}

/// The version of the packet that this begins, where it is 1 or 2. Neither says how long it is: in a
/// stream nobody can tell where the next one begins.
pub fn early_version(data: &[u8]) -> Option<u8> {
    match data {
        [version @ (1 | 2), 16 | 28 | 40 | 52, 2 | 10, ..] => Some(*version),
        _ => None,
    }
}

/// What every packet of version 3 begins with.
pub const MARK: &[u8] = b"HEP3";
/// Mark and length.
const HEADER: usize = 6;

/// The length that the HEP 3 packet at the start of a stream states; none when there is none.
pub fn framed_length(data: &[u8]) -> Option<usize> {
    data.starts_with(MARK).then_some(())?;
    be16(data, 4).map(usize::from).filter(|len| *len >= HEADER)
}

/// The end of the HEP 3 packet at the start of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// More octets are needed to tell.
    NeedMore,
    /// It has so many octets, as it says.
    Stated(usize),
    /// It says something else; after so many octets another one begins, or its header ends.
    Found(usize),
}

/// Where the packet ends that `data` begins with. A length may lie, and what stands behind the packet
/// must not be lost with it: its chunks have to fill it, or another packet has to follow it.
/// `ended`: no more octets will come.
pub fn end_of_packet(data: &[u8], ended: bool) -> End {
    let Some(stated) = be16(data, 4).map(usize::from) else {
        return match ended {
            true => End::Found(data.len()),
            false => End::NeedMore,
        };
    };
    if stated < HEADER {
        return End::Found(HEADER);
    }
    let next_from = |at: usize| {
        let found = memchr::memmem::find(data.get(at..)?, MARK)?;
        Some(at + found)
    };
    let Some(packet) = data.get(..stated) else {
        return match next_from(chunks_end(data)).filter(|_| ended) {
            Some(next) => End::Found(next),
            None if ended => End::Found(data.len()),
            None => End::NeedMore,
        };
    };
    let filled = chunks_end(packet);
    if filled == stated {
        return End::Stated(stated);
    }
    if packet
        .get(filled..)
        .is_some_and(|rest| rest.starts_with(MARK))
    {
        return End::Found(filled);
    }
    let behind = data.get(stated..).unwrap_or_default();
    let follows = MARK.starts_with(behind.get(..MARK.len()).unwrap_or(behind));
    match next_from(filled).filter(|_| !follows) {
        Some(next) => End::Found(next),
        None => End::Stated(stated),
    }
}

/// Where the first chunk begins that does not fit, or that is another packet.
fn chunks_end(packet: &[u8]) -> usize {
    let mut at = HEADER;
    loop {
        let rest = packet.get(at..).unwrap_or_default();
        let len = be16(rest, 4).map_or(0, usize::from);
        if rest.starts_with(MARK) || len < HEADER || len > rest.len() {
            return at;
        }
        at += len;
    }
}

/// Where the keys stand with which agents of version 3 prove who they are (chunk 14), and where the
/// chunks end that could be told apart.
pub fn key_places(data: &[u8]) -> (Vec<Range<usize>>, usize) {
    let mut places = Vec::new();
    let stated = be16(data, 4).map_or(0, usize::from).min(data.len());
    let mut at = 6;
    if !data.starts_with(b"HEP3") || stated < at {
        return (places, 0);
    }
    while let Some(len) = be16(data, at + 4).map(usize::from)
        && len >= 6
        && at + len <= stated
    {
        if be32(data, at) == Some(0x0e) {
            places.push(at + 6..at + len);
        }
        at += len;
    }
    (places, at.min(stated))
}

fn v4(data: &[u8]) -> Option<IpAddr> {
    let octets: [u8; 4] = data.try_into().ok()?;
    Some(IpAddr::V4(Ipv4Addr::from(octets)))
}

fn v6(data: &[u8]) -> Option<IpAddr> {
    let octets: [u8; 16] = data.try_into().ok()?;
    Some(IpAddr::V6(Ipv6Addr::from(octets)))
}

fn nanos(seconds: u32, micros: u32) -> i64 {
    i64::from(seconds) * 1_000_000_000 + i64::from(micros) * 1000
}

/// Versions 1 and 2: a header of fixed layout; in version 2 with time and agent, in the byte order of
/// the sender.
fn early(data: &[u8]) -> Option<Hep<'_>> {
    let &[version, stated, family, protocol, ..] = data else {
        return None;
    };
    let size = if family == 2 { 4 } else { 16 };
    let header = 8 + 2 * size;
    let timed = version == 2;
    // Some count the time into the length, some do not.
    if usize::from(stated) != header && !(timed && usize::from(stated) == header + 12) {
        return None;
    }
    if !matches!(protocol, 6 | 17 | 22 | 50 | 132) {
        return None;
    }
    let address = |at: usize| {
        let octets = data.get(at..at + size)?;
        if size == 4 { v4(octets) } else { v6(octets) }
    };
    let ends = (
        Endpoint {
            ip: address(8)?,
            port: be16(data, 4)?,
        },
        Endpoint {
            ip: address(8 + size)?,
            port: be16(data, 6)?,
        },
    );
    let mut note = Note::default();
    let mut start = header;
    if timed {
        let stamp: [u8; 12] = data.get(header..header + 12)?.try_into().ok()?;
        let [a, b, c, d, e, f, g, h, i, j, ..] = stamp;
        let little = (
            u32::from_le_bytes([a, b, c, d]),
            u32::from_le_bytes([e, f, g, h]),
            u16::from_le_bytes([i, j]),
        );
        let big = (
            u32::from_be_bytes([a, b, c, d]),
            u32::from_be_bytes([e, f, g, h]),
            u16::from_be_bytes([i, j]),
        );
        let (seconds, micros, agent) = if little.1 < 1_000_000 { little } else { big };
        if micros < 1_000_000 && seconds != 0 {
            note.time = Some(nanos(seconds, micros));
        }
        note.agent = Some(u32::from(agent));
        start += 12;
    }
    let payload = data.get(start..)?;
    // A header of 16 octets is little to be sure of: what follows has to be text.
    let text = payload.first().is_some_and(u8::is_ascii_alphabetic);
    text.then_some(Hep {
        version,
        ends,
        protocol,
        kind: KIND_SIP,
        note,
        payload,
        packed: false,
        fault: None,
    })
}

/// What the chunks of version 3 say.
#[derive(Default)]
struct Chunks<'a> {
    protocol: Option<u8>,
    kind: Option<u8>,
    src: Option<IpAddr>,
    dst: Option<IpAddr>,
    ports: [Option<u16>; 2],
    seconds: Option<u32>,
    micros: Option<u32>,
    payload: Option<(&'a [u8], bool)>,
    note: Note,
    fault: Option<Fault>,
}

fn version3(data: &[u8]) -> Result<Hep<'_>, Fault> {
    let stated = usize::from(be16(data, 4).ok_or(Fault::LongerThanPacket)?);
    let mut chunks = Chunks::default();
    if stated > data.len() {
        chunks.fault = Some(Fault::LongerThanPacket);
    }
    let mut rest = data
        .get(6..stated.min(data.len()))
        .ok_or(Fault::ChunkLength)?;
    // Every chunk takes at least its own header.
    while let [_, _, _, _, a, b, ..] = rest {
        let len = usize::from(u16::from_be_bytes([*a, *b]));
        let (Some(content), Some(next)) = (rest.get(6..len), rest.get(len..)) else {
            chunks.fault.get_or_insert(Fault::ChunkLength);
            // A payload that reaches over the end is shown as far as it goes.
            if be32(rest, 0) == Some(0x0f) && len > rest.len() {
                chunks.payload = rest.get(6..).map(|part| (part, false));
            }
            rest = &[];
            break;
        };
        chunks.take(rest, content);
        rest = next;
    }
    if !rest.is_empty() {
        chunks.fault.get_or_insert(Fault::ChunkLength);
    }
    chunks.finish()
}

impl<'a> Chunks<'a> {
    fn take(&mut self, chunk: &[u8], content: &'a [u8]) {
        // Those of vendor 0 are known; others are private.
        if be16(chunk, 0) != Some(0) {
            return;
        }
        let byte = || match content {
            [one] => Some(*one),
            _ => None,
        };
        let short = || be16(content, 0).filter(|_| content.len() == 2);
        let word = || be32(content, 0).filter(|_| content.len() == 4);
        let text = || Some(String::from_utf8_lossy(content.get(..256).unwrap_or(content)).into());
        let kind = be16(chunk, 2).unwrap_or(0);
        let good = match kind {
            1 => byte().is_some(),
            2 => set(&mut self.protocol, byte()),
            3 => set(&mut self.src, v4(content)),
            4 => set(&mut self.dst, v4(content)),
            5 => set(&mut self.src, v6(content)),
            6 => set(&mut self.dst, v6(content)),
            7 => set(&mut self.ports[0], short()),
            8 => set(&mut self.ports[1], short()),
            9 => set(&mut self.seconds, word()),
            10 => set(&mut self.micros, word()),
            11 => set(&mut self.kind, byte()),
            12 => set(&mut self.note.agent, word()),
            15 => set(&mut self.payload, Some((content, false))),
            16 => set(&mut self.payload, Some((content, true))),
            19 => set(&mut self.note.node, text()),
            _ => true,
        };
        if !good {
            self.fault.get_or_insert(Fault::ChunkSize);
        }
    }

    fn finish(self) -> Result<Hep<'a>, Fault> {
        let (payload, packed) = self.payload.ok_or(self.fault.unwrap_or(Fault::NoPayload))?;
        let (Some(src), Some(dst)) = (self.src, self.dst) else {
            return Err(self.fault.unwrap_or(Fault::NoAddresses));
        };
        let [sport, dport] = self.ports.map(|port| port.unwrap_or(0));
        let mut note = self.note;
        note.time = self
            .seconds
            .filter(|s| *s != 0)
            .map(|s| nanos(s, self.micros.filter(|m| *m < 1_000_000).unwrap_or(0)));
        Ok(Hep {
            version: 3,
            ends: (
                Endpoint {
                    ip: src,
                    port: sport,
                },
                Endpoint {
                    ip: dst,
                    port: dport,
                },
            ),
            protocol: self.protocol.unwrap_or(17),
            kind: self.kind.unwrap_or(KIND_SIP),
            note,
            payload,
            packed,
            fault: self.fault,
        })
    }
}

/// Keeps a value, the first one; false when there is none.
fn set<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    let good = value.is_some();
    if place.is_none() {
        *place = value;
    }
    good
}

/// Inflates a payload: zlib, gzip or bare deflate.
///
/// # Errors
/// It is damaged, or too large.
pub fn inflate(packed: &[u8]) -> Result<Vec<u8>, Fault> {
    let most = packed
        .len()
        .saturating_mul(MAX_RATIO)
        .clamp(4096, MAX_INFLATED);
    let limit = most as u64 + 1;
    let mut out = Vec::new();
    let read = match packed {
        [0x1f, 0x8b, ..] => flate2::read::GzDecoder::new(packed)
            .take(limit)
            .read_to_end(&mut out),
        // Deflate with a window of up to 32 KiB, and a check of the two octets (RFC 1950, 2.2).
        [a, b, ..] if a & 15 == 8 && (u16::from(*a) << 8 | u16::from(*b)) % 31 == 0 => {
            flate2::read::ZlibDecoder::new(packed)
                .take(limit)
                .read_to_end(&mut out)
        }
        _ => flate2::read::DeflateDecoder::new(packed)
            .take(limit)
            .read_to_end(&mut out),
    };
    if out.len() > most {
        return Err(Fault::TooLarge);
    }
    // What came out before the damage is worth showing.
    match read {
        Err(_) if out.is_empty() => Err(Fault::Inflate),
        _ => Ok(out),
    }
}
