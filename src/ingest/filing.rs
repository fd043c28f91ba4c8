//! What needs memory of other packets, in the order of the capture: fragments, TCP, SCTP, ICMP errors.

use crate::bytes::{Extent, cut_extents};
use crate::index::hash_bytes;
use crate::index::message_store::Transport;
use crate::index::trace::Told;
use crate::packet::ip_fragment::{Datagram, IpFragments};
use crate::packet::rtp_brief::{RtpHeader, RtpTallies, rtp_header};
use crate::packet::sctp::{self, Associations};
use crate::packet::tcp_stream::{TcpStreams, Way};
use crate::packet::{
    self, Addressing, Fragment, LayerStack, Packet, Payload, Skip, TcpSegment, icmp,
};
use crate::sip::framing;
use crate::sip::scan::Framing;

use super::block::{self, Beyond, Block, Item};
use super::streams::{Filed, Filer, push};
use super::traces::Traces;

/// A frame or a datagram put together, and where its octets lie.
#[derive(Clone, Copy)]
struct Place<'a> {
    data: &'a [u8],
    extents: &'a [Extent],
}

impl Place<'_> {
    /// Where a slice of these octets lies.
    fn of(&self, part: &[u8]) -> Vec<Extent> {
        let start = (part.as_ptr() as usize)
            .saturating_sub(self.data.as_ptr() as usize)
            .min(self.data.len());
        cut_extents(self.extents, start, part.len())
    }
}

/// The part of the work that goes in the order of the packets.
#[derive(Default)]
pub(super) struct Filing {
    pub filer: Filer,
    tcp: TcpStreams<Filer>,
    fragments: IpFragments,
    sctp: Associations,
    traces: Traces,
    last_time: i64,
    /// There is one input, and it does not grow: the order of its packets is kept.
    pub in_order: bool,
}

impl Filing {
    /// Takes one item of a block.
    pub fn item(&mut self, block: &Block, time: i64, item: &Item) {
        self.last_time = time;
        self.tcp.expire(&mut self.filer, time);
        let frame = match item {
            Item::Message { extent, .. } => Some(extent.frame),
            Item::Text(_) => None,
            Item::Later(index) => {
                let frame = block.chunk.frames.get(*index as usize);
                frame.map(|frame| frame.number)
            }
        };
        self.filer.indexer.packets_told = match block.chunk.text {
            None if frame.is_some_and(|n| n <= block.chunk.untimed) => Some(Told::untimed()),
            kind => kind.map(Told::packet),
        };
        match item {
            Item::Message {
                decoded,
                addressing,
                layers,
                extent,
                cut,
                transport,
                hep,
            } => {
                let start = usize::try_from(extent.offset - block.chunk.base).unwrap_or(usize::MAX);
                let bytes = block.chunk.data.get(start..start + extent.len as usize);
                push(
                    &mut self.filer.indexer,
                    &block.pool,
                    &Filed {
                        decoded,
                        bytes: bytes.unwrap_or_default(),
                        extents: std::slice::from_ref(extent),
                        addressing: *addressing,
                        transport: *transport,
                        layers: *layers,
                        cut: *cut,
                        hep: hep.as_deref(),
                        told: None,
                    },
                );
            }
            Item::Text(index) => self.traces.file(&mut self.filer, block, *index),
            Item::Later(index) => {
                let Some(frame) = block.chunk.frames.get(*index as usize) else {
                    return;
                };
                let data = frame.of(&block.chunk);
                let Ok(packet) = packet::dissect(frame.link_type, data, frame.original) else {
                    return;
                };
                let extent = block::extent(block.file, block.chunk.base, frame, data, data);
                let place = Place {
                    data,
                    extents: std::slice::from_ref(&extent),
                };
                self.packet(place, packet, time);
            }
        }
        if self.in_order {
            let hole = self.tcp.oldest_hole();
            self.filer.indexer.hole_since(hole);
        }
    }

    /// Takes a packet out of a frame, or out of a datagram put together from fragments.
    fn packet(&mut self, place: Place<'_>, packet: Packet<'_>, time: i64) {
        let packet = match packet.payload {
            Payload::Udp { .. } => match self.datagram(place, packet, time) {
                Some(inner) => inner,
                None => return,
            },
            _ => packet,
        };
        match packet.payload {
            Payload::Tcp(segment) => self.segment(place, &packet, segment, time),
            Payload::Fragment(fragment) => self.fragment(place, &packet, fragment, time),
            Payload::Sctp(chunks) => self.chunks(place, &packet, chunks, time),
            Payload::Icmp { data, v6 } => self.quoted(place, &packet, (data, v6), time),
            Payload::Udp { data, cut, .. } => {
                let way = (packet.addressing, packet.layers);
                self.filer
                    .hep_packet(data, &|part| place.of(part), way, cut);
            }
            Payload::Other { .. } => {}
        }
    }

    /// Files the message of a datagram, or gives the packet that was found inside of it.
    fn datagram<'a>(
        &mut self,
        place: Place<'_>,
        packet: Packet<'a>,
        time: i64,
    ) -> Option<Packet<'a>> {
        if let Payload::Udp { data, .. } = packet.payload
            && let Some(header) = rtp_header(data)
        {
            self.media(place, &packet.addressing, header, time);
            return None;
        }
        let Filer { indexer, pool, .. } = &mut self.filer;
        pool.text.clear();
        pool.places.clear();
        match block::beyond(packet, pool) {
            Beyond::Message(found) => {
                push(
                    indexer,
                    pool,
                    &Filed {
                        decoded: &found.decoded,
                        bytes: found.bytes,
                        extents: &place.of(found.bytes),
                        addressing: found.addressing,
                        transport: found.transport,
                        layers: found.layers,
                        cut: found.cut,
                        hep: found.hep.as_deref(),
                        told: None,
                    },
                );
                self.skip(found.fault, place);
                None
            }
            Beyond::Later(inner) => Some(inner),
            Beyond::Skip(skip) => {
                self.skip(Some(skip), place);
                None
            }
            Beyond::Rtp(way, header) => {
                self.media(place, &way, header, time);
                None
            }
            Beyond::Nothing => None,
        }
    }

    /// Counts a packet of media that was put together.
    fn media(&mut self, place: Place<'_>, way: &Addressing, header: RtpHeader, time: i64) {
        let first = place.extents.first();
        let frame = first.map_or((0, 0), |extent| (extent.file, extent.frame));
        let mut tallies = RtpTallies::default();
        tallies.add(block::flow_hash(way), way, header, time, frame);
        self.filer.indexer.rtp.add(&tallies.list);
    }

    fn skip(&mut self, skip: Option<Skip>, place: Place<'_>) {
        let frame = place.extents.last().map_or(0, |e| e.frame);
        if let Some(skip) = skip {
            self.filer.skip(skip, frame);
        }
    }

    /// Ties an error to the message or the media that it quotes.
    fn quoted(
        &mut self,
        place: Place<'_>,
        packet: &Packet<'_>,
        (data, v6): (&[u8], bool),
        time: i64,
    ) {
        let (Some(quoted), Some(frame)) = (icmp::error(data, v6), place.extents.first()) else {
            return;
        };
        let from = packet.addressing.src.ip;
        super::icmp::tie(
            &mut self.filer.indexer,
            &quoted,
            from,
            (frame.file, frame.frame),
            time,
        );
    }

    fn segment(
        &mut self,
        place: Place<'_>,
        packet: &Packet<'_>,
        segment: TcpSegment<'_>,
        time: i64,
    ) {
        let way = Way {
            addressing: packet.addressing,
            layers: packet.layers,
        };
        let parts = place.of(segment.data);
        let [part] = parts.as_slice() else {
            // In several fragments, or without octets.
            let mut rest = segment.data;
            let mut seq = segment.seq;
            if parts.is_empty() {
                let nowhere = place.extents.first().map(|e| e.part(0, 0));
                if let Some(extent) = nowhere {
                    self.tcp.push(&mut self.filer, way, segment, extent, time);
                }
                return;
            }
            for part in parts {
                let (data, more) = rest.split_at(rest.len().min(part.len as usize));
                let piece = TcpSegment {
                    seq,
                    data,
                    sent: part.len,
                    ..segment
                };
                self.tcp.push(&mut self.filer, way, piece, part, time);
                seq = seq.wrapping_add(part.len);
                rest = more;
            }
            return;
        };
        self.filer.wrapped.note_record(&way, segment.data, *part);
        self.tcp.push(&mut self.filer, way, segment, *part, time);
    }

    fn fragment(
        &mut self,
        place: Place<'_>,
        packet: &Packet<'_>,
        fragment: Fragment<'_>,
        time: i64,
    ) {
        let parts = place.of(fragment.data);
        let mut rest = fragment.data;
        let mut offset = fragment.offset;
        let count = parts.len();
        let mut whole = None;
        for (at, part) in parts.into_iter().enumerate() {
            let (data, more) = rest.split_at(rest.len().min(part.len as usize));
            let piece = Fragment {
                offset,
                more: fragment.more || at + 1 < count,
                data,
                ..fragment
            };
            let done = self
                .fragments
                .push(packet.addressing, packet.layers, piece, part, time);
            whole = whole.or(done);
            offset = offset.saturating_add(part.len);
            rest = more;
        }
        if let Some(datagram) = whole {
            self.reassembled(&datagram, time);
        }
    }

    /// A datagram put together from fragments.
    fn reassembled(&mut self, datagram: &Datagram, time: i64) {
        let place = Place {
            data: &datagram.data,
            extents: &datagram.extents,
        };
        let mut packet = match packet::dissect_datagram(datagram) {
            Ok(packet) => packet,
            Err(skip) => return self.skip(Some(skip), place),
        };
        if let Payload::Udp { cut, .. } = &mut packet.payload {
            *cut |= datagram.cut;
        }
        self.packet(place, packet, time);
    }

    fn chunks(
        &mut self,
        place: Place<'_>,
        packet: &Packet<'_>,
        chunks: sctp::Chunks<'_>,
        time: i64,
    ) {
        self.expire_sctp(time);
        let way = (packet.addressing, packet.layers);
        for chunk in chunks.data() {
            let Ok(chunk) = chunk else {
                self.skip(Some(Skip::SctpChunk), place);
                continue;
            };
            // Most of what SCTP carries is other signalling; whole in one chunk it can be told.
            if chunk.begins && chunk.ends && !framing::looks_like_sip(chunk.data) {
                continue;
            }
            let extents = place.of(chunk.data);
            let hash = hash_bytes(chunk.data);
            let whole = self
                .sctp
                .push(way, chunks.tag, &chunk, hash, &extents, time);
            if let Some(message) = whole {
                self.sctp_message(&message, way);
            }
        }
    }

    fn expire_sctp(&mut self, time: i64) {
        while let Some((message, way)) = self.sctp.expire(time) {
            self.sctp_message(&message, way);
        }
    }

    fn sctp_message(&mut self, message: &sctp::Message, way: (Addressing, LayerStack)) {
        let Filer { indexer, pool, .. } = &mut self.filer;
        pool.text.clear();
        pool.places.clear();
        let Some(start) = block::sip_start(&message.data) else {
            return;
        };
        let bytes = message.data.get(start..).unwrap_or_default();
        let framing = Framing {
            datagram: true,
            cut: message.cut,
            whole: false,
        };
        let transport = Transport::Sctp;
        let Some(decoded) = block::decode(bytes, framing, &way.0, transport, pool) else {
            return;
        };
        push(
            indexer,
            pool,
            &Filed {
                decoded: &decoded,
                bytes,
                extents: &cut_extents(&message.extents, start, bytes.len()),
                addressing: way.0,
                transport,
                layers: way.1,
                cut: message.cut,
                hep: None,
                told: None,
            },
        );
    }

    /// The capture is over: what waits is given up.
    pub fn finish(&mut self) {
        self.expire_sctp(i64::MAX);
        self.tcp.finish(&mut self.filer, self.last_time);
        self.filer.indexer.hole_since(None);
    }

    /// Datagrams that never became whole, given up holes, beginnings of messages.
    pub fn losses(&self) -> Losses {
        Losses {
            fragments: self.fragments.dropped + self.fragments.unfinished() as u64,
            gaps: self.tcp.gaps,
            gaps_by_limit: self.tcp.gaps_by_limit,
            forgotten: self.tcp.forgotten,
            sctp: self.sctp.dropped,
            incomplete: self.filer.incomplete,
            given_up: self.filer.given_up,
            over_limit: self.filer.over_limit,
            dropped: self.tcp.dropped,
            rtp_beyond: self.filer.indexer.rtp.beyond,
            incomplete_at: self.filer.incomplete_at,
            junk: self.filer.junk,
            junk_at: self.filer.junk_at,
        }
    }
}

/// What reassembly could not save.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Losses {
    pub fragments: u64,
    pub gaps: u64,
    pub gaps_by_limit: u64,
    pub forgotten: u64,
    pub sctp: u64,
    pub incomplete: u64,
    pub given_up: u64,
    pub over_limit: u64,
    pub dropped: u64,
    pub rtp_beyond: u64,
    pub incomplete_at: Option<(u16, u32, u64)>,
    pub junk: u64,
    pub junk_at: Option<(u16, u32, u64)>,
}
