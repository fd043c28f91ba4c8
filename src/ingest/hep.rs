//! Messages out of HEP that did not come in one piece: compressed, or over TCP.

use crate::bytes::{Extent, cut_extents};
use crate::packet::tcp_stream::{Verdict, Way};
use crate::packet::{Addressing, LayerStack, Skip, hep};

use super::block;
use super::streams::{Filed, Filer, StreamState, push};

/// What every packet of version 3 begins with.
const MARK: &[u8] = b"HEP3";

/// True when a stream begins with HEP, or may still turn out to.
pub(super) fn may_begin(data: &[u8]) -> bool {
    let len = data.len().min(MARK.len());
    len > 0 && data.get(..len) == MARK.get(..len)
}

/// True when a stream begins with HEP.
pub(super) fn begins(data: &[u8]) -> bool {
    data.starts_with(MARK)
}

impl Filer {
    /// Files what one HEP packet carries; `place` gives where its octets lie.
    pub fn hep_packet(
        &mut self,
        data: &[u8],
        place: impl Fn(&[u8]) -> Vec<Extent>,
        (outer, layers): (Addressing, LayerStack),
        cut: bool,
    ) {
        let frame = place(data).last().map_or(0, |extent| extent.frame);
        let sender = outer.src.ip;
        let hep = match hep::read(data) {
            Some(Ok(hep)) => hep,
            Some(Err(fault)) => return self.skip(Skip::Hep(fault, sender), frame),
            None => return,
        };
        if let Some(fault) = hep.fault {
            self.skip(Skip::Hep(fault, sender), frame);
        }
        if hep.kind != hep::KIND_SIP {
            return self.skip(Skip::HepOther(hep.kind), frame);
        }
        let inflated;
        let payload = if hep.packed {
            match hep::inflate(hep.payload) {
                Ok(octets) => {
                    inflated = octets;
                    inflated.as_slice()
                }
                Err(fault) => return self.skip(Skip::Hep(fault, sender), frame),
            }
        } else {
            hep.payload
        };
        let way = block::hep_way(&hep, &outer, layers);
        let cut = cut || hep.fault == Some(hep::Fault::LongerThanPacket);
        let Self {
            indexer,
            pool,
            wrapped,
            ..
        } = self;
        pool.text.clear();
        pool.places.clear();
        let Some(found) = block::in_hep(payload, &hep.note, way, cut, pool) else {
            return;
        };
        let extents = if hep.packed {
            let Some(last) = place(hep.payload).pop() else {
                return;
            };
            let kept = wrapped.stored.keep(found.bytes, last);
            kept.into_iter().collect()
        } else {
            place(found.bytes)
        };
        push(
            indexer,
            pool,
            &Filed {
                decoded: &found.decoded,
                bytes: found.bytes,
                extents: &extents,
                addressing: found.addressing,
                transport: found.transport,
                layers: found.layers,
                cut: found.cut,
                hep: found.hep.as_deref(),
                told: None,
            },
        );
    }

    /// Counts what was passed over.
    pub fn skip(&mut self, skip: Skip, frame: u32) {
        self.skips.entry(skip).or_insert((0, frame)).0 += 1;
    }

    /// Takes whole HEP packets out of a stream.
    pub(super) fn hep_stream(&mut self, state: &mut StreamState, way: &Way) -> Verdict {
        loop {
            let rest = state.rest();
            if !begins(rest) {
                if may_begin(rest) || rest.is_empty() {
                    return Verdict::Wanted;
                }
                // Behind a hole, or behind a length that was wrong.
                let junk = memchr::memmem::find(rest, MARK)
                    .unwrap_or(rest.len().saturating_sub(MARK.len() - 1).max(1));
                state.skip(junk);
                continue;
            }
            let Some(stated) = rest.get(4..6) else {
                return Verdict::Wanted;
            };
            let len = hep::framed_length(rest).unwrap_or(MARK.len() + stated.len());
            let Some(packet) = rest.get(..len) else {
                return Verdict::Wanted;
            };
            let packet = packet.to_vec();
            let extents = state.first_extents(len);
            let place = |part: &[u8]| {
                let start = (part.as_ptr() as usize).saturating_sub(packet.as_ptr() as usize);
                cut_extents(&extents, start, part.len())
            };
            self.hep_packet(&packet, place, (way.addressing, way.layers), false);
            state.skip(len);
        }
    }
}
