//! One block of packets, decoded: what needs no memory of other packets is done here, in parallel.

use std::collections::BTreeMap;

use crate::bytes::Extent;
use crate::index::media;
use crate::index::message_store::Transport;
use crate::index::{Keys, hash_bytes};
use crate::packet::rtp_brief::{RtpHeader, RtpTallies, rtp_header};
use crate::packet::trace::TEXT_LINK_TYPE;
use crate::packet::{self, Addressing, Layer, LayerStack, Packet, Payload, Skip, hep, icmp};
use crate::sdp;
use crate::sip::framing;
use crate::sip::scan::{Framing, Scan, scan_for_index};
use crate::source::{Chunk, FrameRecord, Secret};

/// Kinds of what was passed over that are told apart, senders of HEP included.
pub(super) const MAX_SKIPS: usize = 1000;

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
        transport: Transport,
        hep: Option<Box<hep::Note>>,
    },
    /// A frame that needs memory of others: TCP, SCTP, fragment, ICMP error.
    Later(u32),
    /// The text of a message, out of a trace.
    Text(u32),
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
    /// When it was read, in ticks of inputs that grow.
    pub tick: u64,
    pub items: Vec<(i64, Item)>,
    pub rtp: RtpTallies,
    pub pool: Pool,
    pub skips: BTreeMap<Skip, (u64, u32)>,
    /// Decryption secrets that were read with it.
    pub secrets: Vec<Secret>,
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
            ..
        } = self;
        for (index, frame) in chunk.frames.iter().enumerate() {
            let data = frame.of(chunk);
            let packet = match packet::dissect(frame.link_type, data, frame.original) {
                Ok(packet) => packet,
                Err(Skip::LinkType(TEXT_LINK_TYPE)) => {
                    items.push((frame.time, Item::Text(index as u32)));
                    continue;
                }
                Err(skip) => {
                    skips.entry(skip).or_insert((0, frame.number)).0 += 1;
                    continue;
                }
            };
            match packet.payload {
                Payload::Udp {
                    data: payload, cut, ..
                } => {
                    let Some(first) = payload.first() else {
                        continue;
                    };
                    if first >> 6 == 2
                        && let Some(header) = rtp_header(payload)
                    {
                        let way = &packet.addressing;
                        let flow = flow_hash(way);
                        rtp.add(flow, way, header, frame.time, (*file, frame.number));
                        continue;
                    }
                    let framing = Framing {
                        datagram: true,
                        cut,
                        whole: false,
                    };
                    let way = &packet.addressing;
                    // Nearly always the message begins with the datagram.
                    let Some(decoded) = decode(payload, framing, way, Transport::Udp, pool) else {
                        match beyond(packet, pool) {
                            Beyond::Nothing => {}
                            Beyond::Later(_) => items.push((frame.time, Item::Later(index as u32))),
                            Beyond::Skip(skip) => {
                                skips.entry(skip).or_insert((0, frame.number)).0 += 1;
                            }
                            Beyond::Rtp(way, header) => {
                                let place = (*file, frame.number);
                                rtp.add(flow_hash(&way), &way, header, frame.time, place);
                            }
                            Beyond::Message(found) => {
                                if let Some(fault) = found.fault {
                                    skips.entry(fault).or_insert((0, frame.number)).0 += 1;
                                }
                                let extent = extent(*file, chunk.base, frame, data, found.bytes);
                                items.push((
                                    frame.time,
                                    Item::Message {
                                        decoded: found.decoded,
                                        addressing: found.addressing,
                                        layers: found.layers,
                                        extent,
                                        cut: found.cut,
                                        transport: found.transport,
                                        hep: found.hep,
                                    },
                                ));
                            }
                        }
                        continue;
                    };
                    let extent = extent(*file, chunk.base, frame, data, payload);
                    items.push((
                        frame.time,
                        Item::Message {
                            decoded,
                            addressing: packet.addressing,
                            layers: packet.layers,
                            extent,
                            cut,
                            transport: Transport::Udp,
                            hep: None,
                        },
                    ));
                }
                Payload::Tcp(segment) => {
                    if segment.matters() {
                        items.push((frame.time, Item::Later(index as u32)));
                    }
                }
                Payload::Fragment(_) | Payload::Sctp(_) => {
                    items.push((frame.time, Item::Later(index as u32)));
                }
                Payload::Icmp { data, v6 } => {
                    if icmp::is_error(data, v6) {
                        items.push((frame.time, Item::Later(index as u32)));
                    }
                }
                Payload::Other { .. } => {}
            }
        }
    }
}

#[inline(always)]
pub(super) fn flow_hash(way: &Addressing) -> u64 {
    crate::index::mix(media::endpoint_key(way.src), media::endpoint_key(way.dst))
}

/// What a datagram holds that does not begin with a SIP message.
#[expect(clippy::large_enum_variant, reason = "lives for one datagram")]
pub(super) enum Beyond<'a> {
    Nothing,
    /// What is inside needs memory of others.
    Later(Packet<'a>),
    Skip(Skip),
    Rtp(Addressing, RtpHeader),
    Message(Found<'a>),
}

/// A message in a tunnel, in HEP or behind other octets.
pub(super) struct Found<'a> {
    pub decoded: Decoded,
    pub bytes: &'a [u8],
    pub addressing: Addressing,
    pub layers: LayerStack,
    pub cut: bool,
    pub transport: Transport,
    pub hep: Option<Box<hep::Note>>,
    /// What is wrong with the HEP around it.
    pub fault: Option<Skip>,
}

/// Looks into a datagram that does not begin with a SIP message: HEP, tunnels, SIP behind junk.
#[inline(never)]
pub(super) fn beyond<'a>(mut packet: Packet<'a>, pool: &mut Pool) -> Beyond<'a> {
    // Every tunnel is counted in the layers, so this ends.
    loop {
        let Payload::Udp { data, cut, .. } = packet.payload else {
            return match packet.payload {
                Payload::Icmp { data, v6 } if !icmp::is_error(data, v6) => Beyond::Nothing,
                Payload::Other { .. } => Beyond::Nothing,
                Payload::Tcp(segment) if !segment.matters() => Beyond::Nothing,
                _ => Beyond::Later(packet),
            };
        };
        let way = packet.addressing;
        if packet.layers.tunnels() > 0 {
            if let Some(header) = rtp_header(data) {
                return Beyond::Rtp(way, header);
            }
            if let Some(found) = message(data, cut, &packet, pool) {
                return Beyond::Message(found);
            }
        }
        if let Some(found) = hep::read(data) {
            return match found {
                Ok(hep) => of_hep(&hep, cut, &packet, pool),
                Err(fault) => Beyond::Skip(Skip::Hep(fault, way.src.ip)),
            };
        }
        let opened = packet::open_udp(&packet);
        if let Some(Ok(inner)) = opened {
            packet = inner;
            continue;
        }
        let start = sip_start(data).unwrap_or(data.len());
        let rest = data.get(start..).unwrap_or_default();
        return match (message(rest, cut, &packet, pool), opened) {
            (Some(found), _) => Beyond::Message(found),
            (None, Some(Err(skip))) => Beyond::Skip(skip),
            (None, _) => Beyond::Nothing,
        };
    }
}

fn message<'a>(
    bytes: &'a [u8],
    cut: bool,
    packet: &Packet<'_>,
    pool: &mut Pool,
) -> Option<Found<'a>> {
    let framing = Framing {
        datagram: true,
        cut,
        whole: false,
    };
    let transport = Transport::Udp;
    Some(Found {
        decoded: decode(bytes, framing, &packet.addressing, transport, pool)?,
        bytes,
        addressing: packet.addressing,
        layers: packet.layers,
        cut,
        transport,
        hep: None,
        fault: None,
    })
}

/// What HEP carries: addresses, transport and time are those that the innermost agent states.
fn of_hep<'a>(hep: &hep::Hep<'a>, cut: bool, packet: &Packet<'a>, pool: &mut Pool) -> Beyond<'a> {
    if hep.kind != hep::KIND_SIP {
        return Beyond::Skip(Skip::HepOther(hep.kind));
    }
    if hep.packed || hep::read(hep.payload).is_some() {
        // What is inflated has to be kept, in the order of the capture; HEP in HEP is rare.
        return Beyond::Later(*packet);
    }
    let cut = cut || hep.fault == Some(hep::Fault::LongerThanPacket);
    let sender = packet.addressing.src.ip;
    let way = hep_way(hep, &packet.addressing, packet.layers);
    let fault = hep.fault.map(|f| Skip::Hep(f, sender));
    match in_hep(hep.payload, &hep.note, way, cut, pool) {
        Some(found) => Beyond::Message(Found { fault, ..found }),
        None => Beyond::Skip(fault.unwrap_or(Skip::HepNoSip(sender))),
    }
}

/// The message in the payload of HEP.
pub(super) fn in_hep<'a>(
    payload: &'a [u8],
    note: &hep::Note,
    (transport, addressing, layers): (Transport, Addressing, LayerStack),
    cut: bool,
    pool: &mut Pool,
) -> Option<Found<'a>> {
    let framing = Framing {
        datagram: transport.keeps_borders(),
        cut,
        whole: false,
    };
    let bytes = payload.get(sip_start(payload)?..).unwrap_or_default();
    Some(Found {
        decoded: decode(bytes, framing, &addressing, transport, pool)?,
        bytes,
        addressing,
        layers,
        cut,
        transport,
        hep: Some(Box::new(note.clone())),
        fault: None,
    })
}

/// Transport, addresses and layers of what HEP carries.
pub(super) fn hep_way(
    hep: &hep::Hep<'_>,
    outer: &Addressing,
    mut layers: LayerStack,
) -> (Transport, Addressing, LayerStack) {
    let transport = match hep.protocol {
        6 => Transport::Tcp,
        132 => Transport::Sctp,
        // Kamailio and OpenSIPS have no numbers for these and take two that are free.
        22 => Transport::Tls,
        50 => Transport::Ws,
        _ => Transport::Udp,
    };
    layers.push(Layer::Hep);
    let addressing = Addressing {
        src: hep.ends.0,
        dst: hep.ends.1,
        // The packet the agent saw is not known.
        ip_id: 0,
        realm: outer.realm,
    };
    (transport, addressing, layers)
}

/// Counts what was passed over; only so many kinds and senders are told apart.
pub(super) fn count_skip(
    skips: &mut BTreeMap<Skip, (u64, u32)>,
    skip: Skip,
    (count, first): (u64, u32),
) {
    let known = skips.len() < MAX_SKIPS || skips.contains_key(&skip);
    let skip = if known { skip } else { Skip::Others };
    skips.entry(skip).or_insert((0, first)).0 += count;
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
        pool.places.extend(media::other_places(&sdp, body));
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
