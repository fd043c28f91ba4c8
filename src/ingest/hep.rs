//! Messages out of HEP that did not come in one piece: compressed, over TCP, or in HEP again.

use crate::bytes::{Extent, cut_extents};
use crate::packet::hep::{End, MARK};
use crate::packet::tcp_stream::{Verdict, Way};
use crate::packet::{Addressing, LayerStack, MAX_TUNNELS, Skip, hep};

use super::block;
use super::streams::{Filed, Filer, StreamState, push};

/// True when a stream begins with HEP, or may still turn out to.
pub(super) fn may_begin(data: &[u8]) -> bool {
    let len = data.len().min(MARK.len());
    len > 0 && data.get(..len) == MARK.get(..len)
}

/// True when a stream begins with HEP.
pub(super) fn begins(data: &[u8]) -> bool {
    data.starts_with(MARK)
}

/// Where the octets of a HEP packet lie.
#[derive(Clone, Copy)]
struct Where<'a> {
    place: &'a dyn Fn(&[u8]) -> Vec<Extent>,
    /// They were inflated out of this packet, and lie nowhere as they are.
    packed: Option<Extent>,
    /// HEP packets around this one.
    depth: u8,
    frame: u32,
}

impl Filer {
    /// Files what one HEP packet carries; `place` gives where its octets lie.
    pub fn hep_packet(
        &mut self,
        data: &[u8],
        place: &dyn Fn(&[u8]) -> Vec<Extent>,
        way: (Addressing, LayerStack),
        cut: bool,
    ) {
        let at = Where {
            place,
            packed: None,
            depth: 0,
            frame: place(data).last().map_or(0, |extent| extent.frame),
        };
        self.hep_level(data, at, way, cut);
    }

    fn hep_level(
        &mut self,
        data: &[u8],
        mut at: Where<'_>,
        (outer, layers): (Addressing, LayerStack),
        cut: bool,
    ) {
        let sender = outer.src.ip;
        let hep = match hep::read(data) {
            Some(Ok(hep)) => hep,
            Some(Err(fault)) => return self.skip(Skip::Hep(fault, sender), at.frame),
            None => return,
        };
        if let Some(fault) = hep.fault {
            self.skip(Skip::Hep(fault, sender), at.frame);
        }
        if hep.kind != hep::KIND_SIP {
            return self.skip(Skip::HepOther(hep.kind), at.frame);
        }
        let inflated;
        let payload = if hep.packed {
            at.packed = at.packed.or_else(|| (at.place)(hep.payload).pop());
            match hep::inflate(hep.payload) {
                Ok(octets) => {
                    inflated = octets;
                    inflated.as_slice()
                }
                Err(fault) => return self.skip(Skip::Hep(fault, sender), at.frame),
            }
        } else {
            hep.payload
        };
        let way = block::hep_way(&hep, &outer, layers);
        let cut = cut || hep.fault == Some(hep::Fault::LongerThanPacket);
        if hep::read(payload).is_some() {
            at.depth += 1;
            if at.depth >= MAX_TUNNELS {
                return self.skip(Skip::TooDeep, at.frame);
            }
            return self.hep_level(payload, at, (outer, way.2), cut);
        }
        let Self {
            indexer,
            pool,
            wrapped,
            ..
        } = self;
        pool.text.clear();
        pool.places.clear();
        let Some(found) = block::in_hep(payload, &hep.note, way, cut, pool) else {
            // What is wrong with it was counted above.
            if hep.fault.is_none() {
                self.skip(Skip::HepNoSip(sender), at.frame);
            }
            return;
        };
        let extents = match at.packed {
            Some(last) => wrapped.stored.keep(found.bytes, last).into_iter().collect(),
            None => (at.place)(found.bytes),
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
        block::count_skip(&mut self.skips, skip, (1, frame));
    }

    /// Takes HEP packets out of a stream; those that lie about their length do not take the next ones
    /// with them.
    pub(super) fn hep_stream(
        &mut self,
        state: &mut StreamState,
        way: &Way,
        ended: bool,
    ) -> Verdict {
        loop {
            let rest = state.rest();
            if !begins(rest) {
                if rest.is_empty() || may_begin(rest) && !ended {
                    return Verdict::Wanted;
                }
                let keep = if ended { 0 } else { MARK.len() - 1 };
                let junk = memchr::memmem::find(rest, MARK)
                    .unwrap_or(rest.len().saturating_sub(keep).max(1));
                let frame = state.first_extent().map_or(0, |extent| extent.frame);
                // Behind a hole or a wrong length the rest of a packet is to be expected.
                if !state.is_lost() {
                    self.skip(Skip::HepJunk(way.addressing.src.ip), frame);
                    state.lose();
                }
                state.skip(junk);
                continue;
            }
            let (len, stated) = match hep::end_of_packet(rest, ended) {
                End::NeedMore => return Verdict::Wanted,
                End::Stated(len) => (len, true),
                End::Found(len) => (len, false),
            };
            let packet = rest.get(..len).unwrap_or(rest).to_vec();
            let good = stated && matches!(hep::read(&packet), Some(Ok(h)) if h.fault.is_none());
            let extents = state.first_extents(len);
            let place = |part: &[u8]| {
                let start = (part.as_ptr() as usize).saturating_sub(packet.as_ptr() as usize);
                cut_extents(&extents, start, part.len())
            };
            self.hep_packet(&packet, &place, (way.addressing, way.layers), false);
            state.skip(len);
            match good {
                true => state.find(),
                false => state.lose(),
            }
        }
    }
}
