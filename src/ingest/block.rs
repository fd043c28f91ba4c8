//! One block of packets, decoded: what needs no memory of other packets is done here, in parallel.

use std::collections::BTreeMap;

use crate::bytes::Extent;
use crate::index::media;
use crate::index::message_store::Transport;
use crate::index::{Keys, hash_bytes};
use crate::packet::rtp_brief::{RtpTallies, rtp_header};
use crate::packet::{self, Addressing, LayerStack, Payload, Skip, TCP_SYN};
use crate::sdp;
use crate::sip::framing;
use crate::sip::scan::{Framing, Scan, scan_for_index};
use crate::source::{Chunk, FrameRecord};

/// A decoded message without its octets.
#[derive(Clone, Copy)]
pub(super) struct Decoded {
    pub scan: Scan,
    pub keys: Keys,
    /// Range in the block's list of places for media.
    pub places: (u32, u32),
    /// Place in the block's text, and hash.
    pub body_text: Option<(u32, u32, u64)>,
}

/// What a block holds, in the order of its packets.
#[expect(clippy::large_enum_variant, reason = "nearly all items are messages")]
pub(super) enum Item {
    /// A message in a datagram of its own.
    Message {
        decoded: Decoded,
        addressing: Addressing,
        layers: LayerStack,
        extent: Extent,
        cut: bool,
    },
    /// A frame that needs memory of others: TCP, fragment.
    Later(u32),
}

/// Text and places for media that decoded messages point into.
#[derive(Default)]
pub(super) struct Pool {
    pub text: Vec<u8>,
    pub places: Vec<(u16, packet::Endpoint)>,
}

/// A block with what was found in it.
#[derive(Default)]
pub(super) struct Block {
    pub chunk: Chunk,
    pub file: u16,
    pub items: Vec<(i64, Item)>,
    pub rtp: RtpTallies,
    pub pool: Pool,
    pub skips: BTreeMap<Skip, (u64, u32)>,
}

impl Block {
    /// Empties the block for another chunk, keeping its room.
    pub fn clear(&mut self) {
        self.items.clear();
        self.rtp.clear();
        self.pool.text.clear();
        self.pool.places.clear();
        self.skips.clear();
    }

    /// Decodes every frame of the chunk.
    pub fn decode(&mut self) {
        let Self {
            chunk,
            file,
            items,
            rtp,
            pool,
            skips,
        } = self;
        for (index, frame) in chunk.frames.iter().enumerate() {
            let data = frame.of(chunk);
            let packet = match packet::dissect(frame.link_type, data, frame.original) {
                Ok(packet) => packet,
                Err(skip) => {
                    skips.entry(skip).or_insert((0, frame.number)).0 += 1;
                    continue;
                }
            };
            match packet.payload {
                Payload::Udp { data: payload, cut } => {
                    let Some(first) = payload.first() else {
                        continue;
                    };
                    if first >> 6 == 2
                        && let Some(header) = rtp_header(payload)
                    {
                        let way = &packet.addressing;
                        let flow = crate::index::mix(
                            media::endpoint_key(way.src),
                            media::endpoint_key(way.dst),
                        );
                        rtp.add(flow, way, header, frame.time, (*file, frame.number));
                        continue;
                    }
                    let framing = Framing {
                        datagram: true,
                        cut,
                    };
                    let way = &packet.addressing;
                    // Nearly always the message begins with the datagram.
                    let (bytes, decoded) = match decode(payload, framing, way, Transport::Udp, pool)
                    {
                        Some(decoded) => (payload, decoded),
                        None => {
                            let start = sip_start(payload).unwrap_or(payload.len());
                            let bytes = payload.get(start..).unwrap_or_default();
                            let Some(decoded) = decode(bytes, framing, way, Transport::Udp, pool)
                            else {
                                continue;
                            };
                            (bytes, decoded)
                        }
                    };
                    let extent = extent(*file, chunk.base, frame, data, bytes);
                    items.push((
                        frame.time,
                        Item::Message {
                            decoded,
                            addressing: packet.addressing,
                            layers: packet.layers,
                            extent,
                            cut,
                        },
                    ));
                }
                Payload::Tcp(segment) => {
                    if !segment.data.is_empty() || segment.flags & TCP_SYN != 0 {
                        items.push((frame.time, Item::Later(index as u32)));
                    }
                }
                Payload::Fragment(_) => items.push((frame.time, Item::Later(index as u32))),
                Payload::Icmp | Payload::Other(_) => {}
            }
        }
    }
}

/// Offset of a SIP message in a datagram.
pub(super) fn sip_start(payload: &[u8]) -> Option<usize> {
    framing::datagram_start(payload)
}

/// Scans and hashes one message.
pub(super) fn decode(
    bytes: &[u8],
    framing: Framing,
    addressing: &Addressing,
    transport: Transport,
    pool: &mut Pool,
) -> Option<Decoded> {
    let scan = scan_for_index(bytes, framing)?;
    let keys = Keys::of(bytes, &scan, addressing, transport);
    let places = pool.places.len() as u32;
    let start = pool.text.len();
    if scan.is_sdp {
        let body = scan.sdp_body.of(bytes);
        let sdp = sdp::brief(body);
        media::write_summary(&sdp, body, &mut pool.text);
        pool.places.extend(media::places(&sdp));
    } else if !scan.content_type.is_empty() && !scan.body.is_empty() {
        let kind = scan.content_type.of(bytes);
        let end = memchr::memchr(b';', kind).unwrap_or(kind.len());
        let kind = kind.get(..end.min(100)).unwrap_or_default().trim_ascii();
        pool.text.extend(kind.iter().map(u8::to_ascii_lowercase));
    }
    let text = pool.text.get(start..).unwrap_or_default();
    let body_text = (!text.is_empty()).then(|| {
        (
            start as u32,
            (pool.text.len() - start) as u32,
            hash_bytes(text),
        )
    });
    Some(Decoded {
        scan,
        keys,
        places: (places, pool.places.len() as u32),
        body_text,
    })
}

/// Where `part`, a slice of the frame's `data`, lies in the file.
pub(super) fn extent(
    file: u16,
    base: u64,
    frame: &FrameRecord,
    data: &[u8],
    part: &[u8],
) -> Extent {
    let head = (part.as_ptr() as usize)
        .saturating_sub(data.as_ptr() as usize)
        .min(data.len());
    Extent {
        offset: base + u64::from(frame.start) + head as u64,
        time: frame.time,
        len: u32::try_from(part.len()).unwrap_or(u32::MAX),
        frame: frame.number,
        head: u16::try_from(head).unwrap_or(u16::MAX),
        file,
    }
}
