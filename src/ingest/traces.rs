//! Messages out of text traces: who sent them to whom, as far as the trace or the message says.
//!
//! A trace often names one end only, or none. The index needs two, to tell hops apart and to draw
//! them: what is not stated is inferred (sender from Via, the system that wrote the trace as the
//! other side of what it says it received) and marked as inferred.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use super::block::{self, Block, decode};
use super::streams::{Filed, Filer, push};
use crate::index::hash_bytes;
use crate::index::message_store::Transport;
use crate::index::trace::Told;
use crate::packet::trace::{Direction, Place, TimeKind, TraceNote, stand_in};
use crate::packet::{Addressing, Endpoint, Layer, LayerStack};
use crate::sip::scan::{Framing, Scan, StartKind, scan_for_index};

/// Requests whose receiver is remembered for their responses.
const MAX_REMEMBERED: usize = 65_536;

/// What is remembered from message to message.
#[derive(Default)]
pub(super) struct Traces {
    /// Receiver of a request that no trace states, by top branch.
    receivers: HashMap<u64, Endpoint>,
    order: VecDeque<u64>,
}

impl Traces {
    /// Files the message of a frame.
    pub fn file(&mut self, filer: &mut Filer, block: &Block, index: u32) {
        let notes = &block.chunk.notes;
        let note = notes.binary_search_by_key(&index, |(frame, _)| *frame);
        let note = note.ok().and_then(|at| notes.get(at));
        let (Some((_, note)), Some(frame)) = (note, block.chunk.frames.get(index as usize)) else {
            return;
        };
        let bytes = frame.of(&block.chunk);
        let cut = frame.original > frame.captured;
        let framing = Framing {
            datagram: true,
            cut,
            whole: true,
        };
        let Some(scan) = scan_for_index(bytes, framing) else {
            return;
        };
        let named = note
            .transport
            .or_else(|| Transport::named(scan.via_transport.of(bytes)));
        let transport = named.unwrap_or(Transport::Udp);
        let (src, dst) = self.ends(filer, note, &scan, bytes);
        let numeric = |place: &Option<Place>| {
            place
                .as_ref()
                .is_some_and(|p| p.host.parse::<IpAddr>().is_ok() && p.port.is_some())
        };
        let told = Told {
            line: Some(note.line),
            time_kind: note.time_kind,
            timed: note.timed && note.time_kind != TimeKind::None,
            origin: note.origin,
            direction: note.direction,
            src: numeric(&note.src),
            dst: numeric(&note.dst),
            transport: named.is_some(),
        };
        let addressing = Addressing {
            src,
            dst,
            ip_id: 0,
            realm: 0,
        };
        let mut layers = LayerStack::default();
        layers.push(Layer::Text);
        let Filer { indexer, pool, .. } = filer;
        pool.text.clear();
        pool.places.clear();
        let Some(decoded) = decode(bytes, framing, &addressing, transport, pool) else {
            return;
        };
        let extent = block::extent(block.file, block.chunk.base, frame, bytes, bytes);
        push(
            indexer,
            pool,
            &Filed {
                decoded: &decoded,
                bytes,
                extents: &[extent],
                addressing,
                transport,
                layers,
                cut,
                hep: None,
                told: Some(told),
            },
        );
    }

    /// Sender and receiver.
    fn ends(
        &mut self,
        filer: &mut Filer,
        note: &TraceNote,
        scan: &Scan,
        bytes: &[u8],
    ) -> (Endpoint, Endpoint) {
        let src = note.src.as_ref().map(|place| end(filer, place));
        let dst = note.dst.as_ref().map(|place| end(filer, place));
        if let (Some(src), Some(dst)) = (src, dst) {
            return (src, dst);
        }
        let via = host_port(scan.sent_by.of(bytes)).map(|place| end(filer, &place));
        let writer = Endpoint {
            ip: filer.indexer.stand_in(&format!("{} (log)", note.writer)),
            port: 0,
        };
        let branch = hash_bytes(scan.branch.of(bytes));
        match (scan.kind == StartKind::Response, note.direction) {
            (_, Some(Direction::In)) if src.is_some() || dst.is_some() => {
                (src.or(via).unwrap_or(writer), dst.unwrap_or(writer))
            }
            (_, Some(Direction::Out)) if src.is_some() || dst.is_some() => {
                (src.unwrap_or(writer), dst.or(via).unwrap_or(writer))
            }
            (false, Some(Direction::In)) => (via.unwrap_or(writer), writer),
            (true, Some(Direction::Out)) => (writer, via.unwrap_or(writer)),
            (false, direction) => {
                let from = match direction {
                    Some(_) => writer,
                    None => src.or(via).unwrap_or(writer),
                };
                let next = next_hop(scan, bytes).map(|place| end(filer, &place));
                let to = dst.or(next).filter(|to| *to != from).unwrap_or(writer);
                self.remember(branch, to);
                (from, to)
            }
            (true, direction) => {
                let to = match direction {
                    Some(_) => writer,
                    None => dst.or(via).unwrap_or(writer),
                };
                let from = src.or_else(|| self.receivers.get(&branch).copied());
                (from.unwrap_or(writer), to)
            }
        }
    }

    fn remember(&mut self, branch: u64, receiver: Endpoint) {
        if self.receivers.insert(branch, receiver).is_none() {
            self.order.push_back(branch);
        }
        if self.order.len() > MAX_REMEMBERED
            && let Some(old) = self.order.pop_front()
        {
            self.receivers.remove(&old);
        }
    }
}

fn end(filer: &mut Filer, place: &Place) -> Endpoint {
    let ip = match place.host.parse() {
        Ok(ip) => ip,
        Err(_) if place.host.is_empty() => stand_in(0),
        Err(_) => filer.indexer.stand_in(&place.host),
    };
    Endpoint {
        ip,
        port: place.port.unwrap_or(0),
    }
}

/// `host`, `host:port`, `[ipv6]:port` out of Via or a URI.
fn host_port(text: &[u8]) -> Option<Place> {
    let text = std::str::from_utf8(text.get(..text.len().min(300))?)
        .ok()?
        .trim();
    let (host, rest) = match text.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => match text.split_once(':') {
            Some((host, port)) => (host, port),
            None => (text, ""),
        },
    };
    let host = host.trim();
    if host.is_empty() || host.contains(char::is_whitespace) {
        return None;
    }
    Some(Place {
        host: host.to_owned(),
        port: rest.trim_start_matches(':').trim().parse().ok(),
    })
}

/// Where a request goes that states no receiver: the host of its Request-URI.
fn next_hop(scan: &Scan, bytes: &[u8]) -> Option<Place> {
    let uri = scan.ruri_or_reason.of(bytes);
    let (_, rest) = uri.split_at_checked(memchr::memchr(b':', uri)? + 1)?;
    let rest = match memchr::memrchr(b'@', rest) {
        Some(at) => rest.get(at + 1..)?,
        None => rest,
    };
    let end = rest.iter().position(|b| matches!(b, b';' | b'?' | b'>'));
    host_port(rest.get(..end.unwrap_or(rest.len()))?)
}
