//! Which packets of a capture are SIP or belong to it, so that the rest can be thinned out.

use std::collections::HashSet;

use super::IndexView;
use super::indexer::Incoming;
use crate::packet::Endpoint;

/// Packets that messages came in, and the places and connections they name; takes a bit for each
/// packet of the capture.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// By file: a bit for each packet, counted from 1.
    frames: Vec<Vec<u64>>,
    /// Where media was announced.
    places: HashSet<Endpoint>,
    /// Connections that carry SIP, the lower address first.
    connections: HashSet<(Endpoint, Endpoint)>,
}

impl Wanted {
    /// Takes in a message.
    pub(super) fn note(&mut self, m: &Incoming<'_>) {
        for extent in m.extents {
            let file = usize::from(extent.file);
            if self.frames.len() <= file {
                self.frames.resize(file + 1, Vec::new());
            }
            let at = extent.frame as usize;
            let Some(frames) = self.frames.get_mut(file) else {
                continue;
            };
            if frames.len() <= at / 64 {
                frames.resize(at / 64 + 1, 0);
            }
            if let Some(word) = frames.get_mut(at / 64) {
                *word |= 1 << (at % 64);
            }
        }
        let places = m.places.iter().map(|(_, place)| *place);
        self.places.extend(places.filter(|place| place.port != 0));
        if m.transport.has_connections() && m.hep.is_none() {
            let (a, b) = (m.addressing.src, m.addressing.dst);
            self.connections.insert((a.min(b), a.max(b)));
        }
    }

    /// Adds the places that an index knows: of calls whose beginning is in no file any more.
    pub fn add_places(&mut self, view: &IndexView) {
        let places = view.announcements.iter().map(|a| a.endpoint);
        self.places.extend(places);
    }

    /// A message came in this packet.
    pub fn has_frame(&self, file: u16, frame: u32) -> bool {
        let frames = self.frames.get(usize::from(file));
        let word = frames.and_then(|frames| frames.get(frame as usize / 64));
        word.is_some_and(|word| word >> (frame % 64) & 1 == 1)
    }

    /// SIP was seen on the connection between these.
    pub fn has_connection(&self, a: Endpoint, b: Endpoint) -> bool {
        self.connections.contains(&(a.min(b), a.max(b)))
    }

    /// A session description asks for media there, or its RTCP belongs there (RFC 3550, 11).
    pub fn has_place(&self, end: Endpoint) -> bool {
        let rtp = end.port.checked_sub(1).map(|port| Endpoint { port, ..end });
        self.places.contains(&end) || rtp.is_some_and(|rtp| self.places.contains(&rtp))
    }

    /// Media was announced at this address, whatever the port.
    pub fn hosts(&self) -> HashSet<std::net::IpAddr> {
        self.places.iter().map(|place| place.ip).collect()
    }
}
