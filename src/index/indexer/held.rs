//! Keeps the order of the capture: by the packet that completes a message.
//!
//! What lies behind a hole of a TCP stream is complete before it can be read. While a hole is open
//! everything that was captured behind it is held, and filed in order when the hole is closed or
//! given up. A capture that grows is filed at once instead: nobody waits 30 s for what is there.

use std::collections::BTreeMap;

use super::{Incoming, Indexer, Keys};
use crate::bytes::Extent;
use crate::index::icmp::{IcmpError, Quote};
use crate::index::message_store::Transport;
use crate::index::trace::Told;
use crate::packet::{Addressing, Endpoint, LayerStack, hep};
use crate::sip::scan::Scan;

/// Octets held at most; beyond them the oldest messages are filed where they are.
const MAX_OCTETS: usize = 64 << 20;
/// What a message takes beside its octets, about.
const ENTRY_COST: usize = 1024;

/// A message with all that it borrowed.
struct Message {
    bytes: Vec<u8>,
    scan: Scan,
    keys: Keys,
    places: Vec<(u16, Endpoint)>,
    body_text: Option<(Vec<u8>, u64)>,
    addressing: Addressing,
    transport: Transport,
    layers: LayerStack,
    extents: Vec<Extent>,
    cut: bool,
    hep: Option<hep::Note>,
    told: Option<Told>,
    packets_told: Option<Told>,
}

enum Entry {
    Message(Box<Message>),
    Icmp(Quote, IcmpError, bool),
}

/// What waits for its turn, by packet.
#[derive(Default)]
pub(super) struct Held {
    /// Since when a hole has been open.
    hole: Option<i64>,
    entries: BTreeMap<(u32, u32), (i64, Entry)>,
    count: u32,
    octets: usize,
}

impl Held {
    fn add(&mut self, frame: u32, time: i64, entry: Entry) {
        self.octets += cost(&entry);
        self.count = self.count.wrapping_add(1);
        self.entries.insert((frame, self.count), (time, entry));
    }

    /// Something may come, or waits, that was captured before what comes now.
    fn is_open(&self) -> bool {
        self.hole.is_some() || !self.entries.is_empty()
    }

    /// The next one whose turn it is.
    fn next(&mut self) -> Option<Entry> {
        let first = self.entries.first_entry()?;
        let waits = self.hole.is_some_and(|hole| first.get().0 >= hole);
        if waits && self.octets <= MAX_OCTETS {
            return None;
        }
        let (_, entry) = first.remove();
        self.octets = self.octets.saturating_sub(cost(&entry));
        Some(entry)
    }
}

fn cost(entry: &Entry) -> usize {
    match entry {
        Entry::Message(message) => ENTRY_COST + message.bytes.len(),
        Entry::Icmp(..) => ENTRY_COST,
    }
}

impl Indexer {
    /// Files a message, or holds it while messages may come that were captured before it.
    pub fn take(&mut self, m: &Incoming<'_>) {
        let last = m.extents.iter().max_by_key(|e| e.frame);
        let Some(last) = last.filter(|_| self.held.is_open()) else {
            self.push(m);
            return;
        };
        let message = Message {
            bytes: m.bytes.to_vec(),
            scan: *m.scan,
            keys: *m.keys,
            places: m.places.to_vec(),
            body_text: m.body_text.map(|(text, hash)| (text.to_vec(), hash)),
            addressing: m.addressing,
            transport: m.transport,
            layers: m.layers,
            extents: m.extents.to_vec(),
            cut: m.cut,
            hep: m.hep.cloned(),
            told: m.told,
            packets_told: self.packets_told,
        };
        let entry = Entry::Message(Box::new(message));
        self.held.add(last.frame, last.time, entry);
    }

    /// Ties an ICMP error to the message it quotes, else to the media if it may quote some.
    pub fn icmp(&mut self, quote: &Quote, error: IcmpError, media: bool) {
        if self.held.is_open() {
            let entry = Entry::Icmp(*quote, error, media);
            self.held.add(error.frame.1, error.time, entry);
            return;
        }
        self.tie(quote, error, media);
    }

    fn tie(&mut self, quote: &Quote, error: IcmpError, media: bool) {
        if !self.icmp_on_message(quote, error) && media {
            self.icmp_on_media(&quote.addressing, error);
        }
    }

    /// Says since when the oldest hole has been open, if one is; files what need not wait for it.
    pub fn hole_since(&mut self, hole: Option<i64>) {
        self.held.hole = hole;
        while let Some(entry) = self.held.next() {
            match entry {
                Entry::Message(m) => {
                    let now = std::mem::replace(&mut self.packets_told, m.packets_told);
                    self.push(&Incoming {
                        bytes: &m.bytes,
                        scan: &m.scan,
                        keys: &m.keys,
                        places: &m.places,
                        body_text: m.body_text.as_ref().map(|(text, hash)| (&**text, *hash)),
                        addressing: m.addressing,
                        transport: m.transport,
                        layers: m.layers,
                        extents: &m.extents,
                        cut: m.cut,
                        hep: m.hep.as_ref(),
                        told: m.told,
                    });
                    self.packets_told = now;
                }
                Entry::Icmp(quote, error, media) => self.tie(&quote, error, media),
            }
        }
    }
}
