//! WebSocket (RFC 6455): the upgrade by HTTP, frames, messages, permessage-deflate (RFC 7692).
//!
//! A [`Half`] takes the octets of one direction and hands out whole messages, unmasked and inflated.
//! Fragments are put together, control frames passed over.

use flate2::{Decompress, FlushDecompress, Status};

use crate::bytes::Extent;

/// Longest message that is put together.
pub const MAX_MESSAGE: usize = 4 << 20;
/// Longest header of an upgrade.
const MAX_HEADER: usize = 16 << 10;
/// Inflated octets of one direction from which on their growth is watched.
const BOMB_GRACE: u64 = 1 << 20;
/// Growth that makes a compressed stream suspect.
const BOMB_GROWTH: u64 = 100;
/// Inflated octets of one direction, at most.
const BOMB_OCTETS: u64 = 8 << 30;
/// What an inflater takes: its window of 32 KiB, its tables.
const INFLATER_OCTETS: usize = 44 << 10;

/// What an HTTP header is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upgrade {
    /// Too few octets to tell.
    NeedMore,
    /// Not an upgrade to WebSocket.
    No,
    /// So many octets; frames follow.
    Yes {
        /// Length of the header.
        len: usize,
        /// The subprotocol `sip` (RFC 7118, 4.1) is asked for or chosen.
        sip: bool,
        /// What compression was agreed on; in a request: offered.
        deflate: Option<Deflate>,
        /// It is the answer of the server.
        response: bool,
    },
}

/// Parameters of permessage-deflate (RFC 7692, 7.1) that matter to a reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deflate {
    /// Each message of the server stands alone.
    pub server_no_context_takeover: bool,
    /// Each message of the client stands alone.
    pub client_no_context_takeover: bool,
}

/// Reads the HTTP header at the front of a stream.
pub fn upgrade(data: &[u8]) -> Upgrade {
    const STARTS: [&[u8]; 2] = [b"GET ", b"HTTP/1.1 101"];
    if !STARTS.iter().any(|start| begins(data, start)) {
        return Upgrade::No;
    }
    let Some(end) = memchr::memmem::find(data, b"\r\n\r\n") else {
        return match data.len() {
            0..MAX_HEADER => Upgrade::NeedMore,
            _ => Upgrade::No,
        };
    };
    let header = data.get(..end).unwrap_or_default();
    let mut websocket = false;
    let mut sip = false;
    let mut deflate = None;
    for line in header.split(|b| *b == b'\n').skip(1) {
        let Some(colon) = memchr::memchr(b':', line) else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let words = || value.split(|b| *b == b',').map(<[u8]>::trim_ascii);
        if name.eq_ignore_ascii_case(b"Upgrade") {
            websocket |= words().any(|word| word.eq_ignore_ascii_case(b"websocket"));
        } else if name.eq_ignore_ascii_case(b"Sec-WebSocket-Protocol") {
            sip |= words().any(|word| word.eq_ignore_ascii_case(b"sip"));
        } else if name.eq_ignore_ascii_case(b"Sec-WebSocket-Extensions") && deflate.is_none() {
            deflate = words().find_map(extension);
        }
    }
    if !websocket {
        return Upgrade::No;
    }
    Upgrade::Yes {
        len: end + 4,
        sip,
        deflate,
        response: data.starts_with(b"HTTP"),
    }
}

/// True when data begins with `start`, or is the beginning of it.
fn begins(data: &[u8], start: &[u8]) -> bool {
    data.starts_with(start) || start.starts_with(data)
}

fn extension(value: &[u8]) -> Option<Deflate> {
    let mut parts = value.split(|b| *b == b';').map(<[u8]>::trim_ascii);
    if !parts.next()?.eq_ignore_ascii_case(b"permessage-deflate") {
        return None;
    }
    let mut deflate = Deflate::default();
    for part in parts {
        if part.eq_ignore_ascii_case(b"server_no_context_takeover") {
            deflate.server_no_context_takeover = true;
        } else if part.eq_ignore_ascii_case(b"client_no_context_takeover") {
            deflate.client_no_context_takeover = true;
        }
    }
    Some(deflate)
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Last frame of its message.
    pub fin: bool,
    /// RSV1: the message is compressed.
    pub compressed: bool,
    /// Opcode: 0 goes on, 1 text, 2 binary, from 8 on control.
    pub opcode: u8,
    /// Masking key, of frames of the client.
    pub mask: Option<[u8; 4]>,
    /// Octets of the header.
    pub header: usize,
    /// Octets of the payload.
    pub payload: u64,
}

/// Reads a frame header. Outer none: too few octets; inner none: this is no frame.
pub fn frame_header(data: &[u8]) -> Option<Option<FrameHeader>> {
    let [first, second, rest @ ..] = data else {
        return None;
    };
    let opcode = first & 15;
    // RSV2 and RSV3 belong to no registered extension.
    if first & 0x30 != 0 || !matches!(opcode, 0..=2 | 8..=10) {
        return Some(None);
    }
    let (payload, used) = match second & 0x7f {
        126 => (u64::from(u16::from_be_bytes(*rest.first_chunk()?)), 2),
        127 => (u64::from_be_bytes(*rest.first_chunk()?), 8),
        len => (u64::from(len), 0),
    };
    let masked = second & 0x80 != 0;
    let mask = match masked {
        true => Some(*rest.get(used..)?.first_chunk()?),
        false => None,
    };
    let control = opcode >= 8;
    // Control frames are short, whole and not compressed; lengths have 63 bits at most.
    if control && (payload > 125 || first & 0x80 == 0 || first & 0x40 != 0) || payload >> 63 != 0 {
        return Some(None);
    }
    Some(Some(FrameHeader {
        fin: first & 0x80 != 0,
        compressed: first & 0x40 != 0,
        opcode,
        mask,
        header: 2 + used + if masked { 4 } else { 0 },
        payload,
    }))
}

/// Takes off (or puts on) the mask of a payload (RFC 6455, 5.3); `at` octets of it came before.
pub fn unmask(data: &mut [u8], mask: [u8; 4], at: usize) {
    let mut key = mask;
    key.rotate_left(at % 4);
    for chunk in data.chunks_mut(4) {
        for (octet, key) in chunk.iter_mut().zip(key) {
            *octet ^= key;
        }
    }
}

/// What went wrong in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Something stands there that is no frame.
    NotAFrame,
    /// A message is larger than 4 MiB.
    TooLong,
    /// Compressed data cannot be inflated.
    Damaged,
    /// Compressed data grows a hundredfold: a bomb.
    Bomb,
}

impl Fault {
    /// In words.
    pub fn why(self) -> &'static str {
        match self {
            Self::NotAFrame => "octets stand where a WebSocket frame should begin",
            Self::TooLong => "a WebSocket message is larger than 4 MiB",
            Self::Damaged => "a compressed WebSocket message cannot be inflated",
            Self::Bomb => {
                "a compressed WebSocket stream grew to more than 100 times its size, or 8 GiB"
            }
        }
    }
}

/// A whole message.
#[derive(Debug)]
pub struct Message<'a> {
    /// Its octets, unmasked and inflated.
    pub data: &'a [u8],
    /// The packets that its frames came in; when `as_captured` also where the octets lie.
    pub extents: &'a [Extent],
    /// The octets stand like this in the stream.
    pub as_captured: bool,
}

/// One direction.
#[derive(Default)]
pub struct Half {
    frame: Option<FrameHeader>,
    /// The beginning of a frame header.
    head: Vec<u8>,
    head_extents: Vec<Extent>,
    /// Payload octets of the frame taken so far.
    done: u64,
    /// The message so far, and the packets of its frames.
    message: Vec<u8>,
    extents: Vec<Extent>,
    /// RSV1 of the first frame of the message.
    compressed: bool,
    masked: bool,
    /// Inside a message that is being dropped.
    dropping: bool,
    inflate: Option<Box<Decompress>>,
    /// Compressed messages do not stand alone.
    takeover: bool,
    packed: u64,
    inflated: u64,
    no_bomb_limit: bool,
    /// What stopped this direction.
    pub fault: Option<Fault>,
    /// Messages dropped.
    pub dropped: u64,
}

impl Half {
    /// A direction whose compressed messages may refer to those before them.
    pub fn new(takeover: bool, bomb_limit: bool) -> Self {
        Self {
            takeover,
            no_bomb_limit: !bomb_limit,
            ..Self::default()
        }
    }

    /// Whether compressed messages refer to those before them.
    pub fn set_takeover(&mut self, takeover: bool) {
        self.takeover = takeover;
    }

    /// Memory in use.
    pub fn cost(&self) -> usize {
        let places = self.extents.capacity() + self.head_extents.capacity();
        let inflater = self.inflate.as_ref().map_or(0, |_| INFLATER_OCTETS);
        self.message.capacity()
            + self.head.capacity()
            + places * size_of::<Extent>()
            + inflater
            + size_of::<Self>()
    }

    /// Octets are missing: nothing more can be read.
    pub fn gap(&mut self) {
        self.fault.get_or_insert(Fault::NotAFrame);
        self.message = Vec::new();
        self.extents = Vec::new();
        self.inflate = None;
    }

    /// Takes the next octets, and hands out every message that ends in them.
    pub fn push(
        &mut self,
        mut data: &[u8],
        mut extent: Extent,
        emit: &mut dyn FnMut(&Message<'_>),
    ) {
        while !data.is_empty() && self.fault.is_none() {
            let Some(frame) = self.frame else {
                let take = self.take_header(data, extent);
                data = data.get(take..).unwrap_or_default();
                extent = extent.part(take, data.len());
                self.end_of_frame(emit);
                continue;
            };
            let left = frame.payload - self.done;
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(data.len());
            let (part, rest) = data.split_at(take);
            if frame.opcode < 8 && !self.dropping {
                self.take_payload(frame, part, extent.part(0, take));
            }
            self.done += take as u64;
            data = rest;
            extent = extent.part(take, rest.len());
            self.end_of_frame(emit);
        }
    }

    /// Octets of the header taken from `data`.
    fn take_header(&mut self, data: &[u8], extent: Extent) -> usize {
        let before = self.head.len();
        let room = 14 - before.min(14);
        self.head
            .extend_from_slice(data.get(..room).unwrap_or(data));
        match frame_header(&self.head) {
            None => {
                self.head_extents.push(extent);
                data.len().min(room)
            }
            Some(None) => {
                self.fault = Some(Fault::NotAFrame);
                data.len()
            }
            Some(Some(frame)) => {
                let used = frame.header.saturating_sub(before);
                self.head.clear();
                let continues = frame.opcode == 0;
                let wrong =
                    frame.opcode < 8 && continues == (self.extents.is_empty() && !self.dropping);
                if wrong {
                    self.fault = Some(Fault::NotAFrame);
                    return used;
                }
                if frame.opcode < 8 {
                    if !continues {
                        self.compressed = frame.compressed;
                        self.masked = frame.mask.is_some();
                    }
                    // A header in another packet belongs to the message, too.
                    let here = extent.part(0, used.min(data.len()));
                    let headers = self.head_extents.iter().chain([&here]);
                    for header in headers.filter(|_| !self.dropping) {
                        name_packet(&mut self.extents, header);
                    }
                    if frame.payload > MAX_MESSAGE as u64 {
                        self.drop_message();
                    }
                }
                self.head_extents.clear();
                self.frame = Some(frame);
                self.done = 0;
                used
            }
        }
    }

    fn take_payload(&mut self, frame: FrameHeader, part: &[u8], extent: Extent) {
        if self.message.len() + part.len() > MAX_MESSAGE {
            self.drop_message();
            return;
        }
        let start = self.message.len();
        self.message.extend_from_slice(part);
        if let (Some(mask), Some(own)) = (frame.mask, self.message.get_mut(start..)) {
            unmask(own, mask, (self.done % 4) as usize);
        }
        // The octets themselves name their packet.
        if let Some(last) = self.extents.last_mut()
            && last.len == 0
            && is_same_packet(last, &extent)
        {
            *last = extent;
        } else {
            self.extents.push(extent);
        }
    }

    /// Too long a message is passed over; a compressed one takes the context of the rest with it.
    fn drop_message(&mut self) {
        self.dropped += 1;
        self.dropping = true;
        self.message = Vec::new();
        self.extents = Vec::new();
        if self.compressed && self.takeover {
            self.fault = Some(Fault::TooLong);
        }
    }

    fn end_of_frame(&mut self, emit: &mut dyn FnMut(&Message<'_>)) {
        let Some(frame) = self.frame.filter(|frame| self.done >= frame.payload) else {
            return;
        };
        self.frame = None;
        if frame.opcode >= 8 || !frame.fin {
            return;
        }
        let mut message = std::mem::take(&mut self.message);
        let extents = std::mem::take(&mut self.extents);
        if std::mem::take(&mut self.dropping) {
            return;
        }
        if !self.compressed {
            emit(&Message {
                data: &message,
                extents: &extents,
                as_captured: !self.masked,
            });
        } else if let Some(plain) = self.inflate(&mut message) {
            emit(&Message {
                data: &plain,
                extents: &extents,
                as_captured: false,
            });
        }
        // Connections stay open for hours: what does not matter to the next message is not kept.
        if self.compressed && !self.takeover {
            self.inflate = None;
        }
    }

    /// Inflates a message (RFC 7692, 7.2.2).
    fn inflate(&mut self, packed: &mut Vec<u8>) -> Option<Vec<u8>> {
        packed.extend_from_slice(&[0, 0, 0xff, 0xff]);
        let state = self
            .inflate
            .get_or_insert_with(|| Box::new(Decompress::new(false)));
        let mut out = Vec::new();
        let mut rest = packed.as_slice();
        self.packed += packed.len() as u64;
        loop {
            out.reserve(1024.max(rest.len() * 2));
            let (was_in, was_out) = (state.total_in(), state.total_out());
            let status = state.decompress_vec(rest, &mut out, FlushDecompress::Sync);
            let used = state.total_in() - was_in;
            let made = state.total_out() - was_out;
            rest = rest
                .get(usize::try_from(used).unwrap_or(usize::MAX)..)
                .unwrap_or_default();
            self.inflated += made;
            let grown = self.inflated > BOMB_GRACE
                && self.inflated > self.packed.saturating_mul(BOMB_GROWTH)
                || self.inflated > BOMB_OCTETS;
            if grown && !self.no_bomb_limit {
                self.fault = Some(Fault::Bomb);
                return None;
            }
            if out.len() > MAX_MESSAGE {
                self.dropped += 1;
                self.fault = Some(Fault::TooLong);
                return None;
            }
            match status {
                Err(_) => {
                    self.fault = Some(Fault::Damaged);
                    return None;
                }
                // A final block ends the deflate stream; the next message begins a new one.
                Ok(Status::StreamEnd) => {
                    state.reset(false);
                    return Some(out);
                }
                Ok(_) if rest.is_empty() && out.len() < out.capacity() => return Some(out),
                Ok(_) if used == 0 && made == 0 && out.len() < out.capacity() => {
                    self.fault = Some(Fault::Damaged);
                    return None;
                }
                Ok(_) => {}
            }
        }
    }
}

fn is_same_packet(a: &Extent, b: &Extent) -> bool {
    (a.file, a.frame) == (b.file, b.frame)
}

/// Notes that a message has octets in a packet, unless that is known.
fn name_packet(extents: &mut Vec<Extent>, of: &Extent) {
    if extents.last().is_none_or(|last| !is_same_packet(last, of)) {
        extents.push(Extent { len: 0, ..*of });
    }
}
