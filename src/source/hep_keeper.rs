//! What HEP agents sent is looked at, counted and written.

use std::{
    cmp::Reverse,
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{Arc, atomic::Ordering, mpsc::Sender},
    time::Duration,
};

use super::hep_listener::{Gate, HepKey};
use super::hep_packets::{ACK, FIN, PUSH, SEGMENT_OCTETS, SYN, tcp_head, udp_head};
use super::hep_queue::{Item, What};
use super::live::{Agent, Event, PacketFile, udp_drops};
use crate::packet::hep;

/// Senders that are counted one by one.
const AGENTS: usize = 1023;
/// Sentences told about senders.
const SENTENCES: u32 = 20;
/// How often counters are told, and those of the system read.
const COUNT_AFTER: u64 = 250_000_000;

/// A stream that is being written.
pub struct Stream {
    to: SocketAddr,
    sequence: u32,
}

/// The writer.
pub struct Keeper {
    pub file: PacketFile,
    /// By address and the number that they give themselves.
    pub agents: HashMap<(IpAddr, Option<u32>), Agent>,
    pub others: Agent,
    pub key: Option<HepKey>,
    pub packets: u64,
    pub local: SocketAddr,
    /// Our address as a sender knows it, where we listen on all.
    pub locals: HashMap<IpAddr, IpAddr>,
    pub streams: HashMap<u64, Stream>,
    pub head: Vec<u8>,
    pub sentences: u32,
    pub lost_before: u64,
    pub not_listed: u64,
    pub turned_away: u64,
    pub gate: Arc<Gate>,
    pub events: Sender<Event>,
}

pub fn nobody() -> Agent {
    Agent {
        address: None,
        number: None,
        node: None,
        packets: 0,
        sip: 0,
        octets: 0,
        dropped: 0,
        wrong_key: 0,
        foreign: 0,
        faulty: 0,
        skipped_octets: 0,
    }
}

impl Keeper {
    pub fn run(mut self) {
        let mut told = 0;
        let outcome = loop {
            let batch = self.gate.queue.take(Duration::from_millis(25));
            let over = batch.is_none();
            let items = batch.unwrap_or_default();
            let idle = items.is_empty();
            for item in items {
                self.keep(item);
                if self.file.counts.packets >= self.packets {
                    break;
                }
            }
            if self.file.counts.packets >= self.packets {
                break Ok(());
            }
            if let Err(error) = self.file.tick(idle) {
                break Err(error);
            }
            if over {
                break Ok(());
            }
            let now = (self.gate.clock)();
            if now.saturating_sub(told) >= COUNT_AFTER {
                told = now;
                self.count();
                self.file.tell_counts();
            }
        };
        self.gate.shared.stop();
        self.count();
        let comment = self.summary();
        let closed = self.file.close(&comment);
        let last = match outcome.and(closed) {
            Ok(()) => Event::Ended,
            Err(error) => Event::Failed(error),
        };
        // Nobody listens when the capture was closed.
        let _ = self.events.send(last);
    }

    /// Brings the counters up to date.
    fn count(&mut self) {
        for (address, dropped) in self.gate.queue.take_dropped() {
            match address {
                Some(address) => self.sender(address).dropped += dropped,
                None => self.others.dropped += dropped,
            }
        }
        // The table of the system may be out of reach for a moment.
        if let Some(lost) = udp_drops(self.local) {
            let lost = lost.saturating_sub(self.lost_before);
            let counts = &mut self.file.counts;
            counts.dropped_by_kernel = counts.dropped_by_kernel.max(lost);
        }
        let all = self.agents.values().chain([&self.others]);
        let (mut dropped, mut refused) = (0, self.not_listed);
        for agent in all {
            dropped += agent.dropped;
            refused += agent.wrong_key + agent.foreign;
        }
        let turned_away = self.gate.turned_away.load(Ordering::Relaxed);
        if turned_away > 0 {
            let most = self.gate.limits.connections;
            let before = std::mem::replace(&mut self.turned_away, turned_away);
            self.tell(before, || {
                format!("{most} HEP connections are open: further ones are closed at once")
            });
        }
        let counts = &mut self.file.counts;
        counts.dropped_here = dropped;
        counts.refused = refused + turned_away;
        counts.received =
            counts.packets + counts.refused + counts.dropped_here + counts.dropped_by_kernel;
        let mut list: Vec<Agent> = self.agents.values().cloned().collect();
        list.sort_by_key(|agent| (Reverse(agent.packets), agent.address, agent.number));
        if self.others != nobody() {
            list.push(self.others.clone());
        }
        self.gate.shared.set_agents(list);
    }

    /// The counters of agents, for the file.
    fn summary(&self) -> String {
        let mut lines: Vec<String> = self.agents.values().map(Agent::to_string).collect();
        lines.sort();
        if self.others != nobody() {
            lines.push(self.others.to_string());
        }
        if self.not_listed > 0 {
            lines.push(format!(
                "senders not on the list: {} not kept",
                self.not_listed
            ));
        }
        lines.join("\n")
    }

    /// The counters of a sender, where no packet says which of his agents it is.
    fn sender(&mut self, address: IpAddr) -> &mut Agent {
        self.agent(address, None)
    }

    fn agent(&mut self, address: IpAddr, number: Option<u32>) -> &mut Agent {
        let key = (address, number);
        if !self.agents.contains_key(&key) && self.agents.len() >= AGENTS {
            return &mut self.others;
        }
        self.agents.entry(key).or_insert_with(|| Agent {
            address: Some(address),
            number,
            ..nobody()
        })
    }

    /// Says something about a sender when it is the first of its kind.
    fn tell(&mut self, count_before: u64, sentence: impl FnOnce() -> String) {
        let known = count_before > 0 || self.sentences >= SENTENCES;
        if !known {
            self.sentences += 1;
            let _ = self.events.send(Event::Told(sentence()));
        }
    }

    fn keep(&mut self, item: Item) {
        let Item { time, from, what } = item;
        match what {
            What::Datagram(data) => {
                let to = SocketAddr::new(self.our_address(from), self.local.port());
                if let Some(data) = self.judge(from.ip(), data) {
                    self.head.clear();
                    udp_head(&mut self.head, from, to, &data);
                    let original = (self.head.len() + data.len()) as u32;
                    self.file.packet(time, original, &[&self.head, &data]);
                }
            }
            What::Opened(number, to) => {
                let sequence = 0;
                self.streams.insert(number, Stream { to, sequence });
                self.segment(time, from, number, SYN, &[]);
            }
            What::Packet(number, data) => {
                if let Some(data) = self.judge(from.ip(), data) {
                    for part in data.chunks(SEGMENT_OCTETS) {
                        self.segment(time, from, number, PUSH | ACK, part);
                    }
                }
            }
            What::Closed(number) => {
                self.segment(time, from, number, FIN | ACK, &[]);
                self.streams.remove(&number);
            }
            What::Skipped(octets, early) => {
                let before = self.sender(from.ip()).skipped_octets;
                self.tell(before, || {
                    let ip = from.ip();
                    match early {
                        // Nobody can tell where the next one begins.
                        Some(version) => format!(
                            "{ip} sends HEP version {version} over TCP, which does not say how long a packet is:                              passed over; let it send over UDP, or version 3"
                        ),
                        None => format!("{ip} sends octets over TCP that are no HEP: passed over"),
                    }
                });
                self.sender(from.ip()).skipped_octets += octets;
            }
            What::NotListed => {
                let before = self.not_listed;
                self.tell(before, || {
                    let ip = from.ip();
                    format!("{ip} sends and is not on the list: not kept (told once)")
                });
                self.not_listed += 1;
            }
        }
    }

    /// Writes a part of a stream. Only packets of HEP are counted, not what opens and closes it.
    fn segment(&mut self, time: u64, from: SocketAddr, number: u64, flags: u8, data: &[u8]) {
        let Some(stream) = self.streams.get_mut(&number) else {
            return;
        };
        self.head.clear();
        tcp_head(
            &mut self.head,
            (from, stream.to),
            stream.sequence,
            flags,
            data,
        );
        // Each end of a stream counts as one octet (RFC 9293, 3.4).
        let ends = u32::from(flags & (SYN | FIN) != 0);
        stream.sequence = stream.sequence.wrapping_add(data.len() as u32 + ends);
        let original = (self.head.len() + data.len()) as u32;
        let before = self.file.counts.packets;
        self.file.packet(time, original, &[&self.head, data]);
        if data.is_empty() {
            self.file.counts.packets = before;
        }
    }

    /// Counts a packet for its sender; gives it back, without its key, when it is to be kept.
    fn judge(&mut self, ip: IpAddr, mut data: Vec<u8>) -> Option<Vec<u8>> {
        let Some(read) = hep::read(&data) else {
            let before = self.sender(ip).foreign;
            self.tell(before, || {
                format!("{ip} sends something that is no HEP: not kept")
            });
            self.sender(ip).foreign += 1;
            return None;
        };
        let (faulty, sip, note) = match read {
            Ok(hep) => (hep.fault.is_some(), hep.kind == hep::KIND_SIP, hep.note),
            Err(_) => (true, false, hep::Note::default()),
        };
        let right = self.blank_key(&mut data);
        if !right {
            let before = self.sender(ip).wrong_key;
            self.tell(before, || {
                format!("{ip} sends HEP without the right key: not kept")
            });
            self.sender(ip).wrong_key += 1;
            return None;
        }
        let agent = self.agent(ip, note.agent);
        agent.packets += 1;
        agent.octets += data.len() as u64;
        agent.sip += u64::from(sip);
        agent.faulty += u64::from(faulty);
        if note.node.is_some() && agent.address.is_some() {
            agent.node = note.node;
        }
        Some(data)
    }

    /// Blanks what is, or may be, a key; true when there was the right one, or none is asked for.
    fn blank_key(&self, data: &mut [u8]) -> bool {
        if !data.starts_with(hep::MARK) {
            // Versions 1 and 2 know no keys.
            return self.key.is_none();
        }
        let (places, end) = hep::key_places(data);
        let right = match &self.key {
            None => true,
            Some(key) => {
                let mut found = places.iter().filter_map(|place| data.get(place.clone()));
                !places.is_empty() && found.all(|found| key.is(found))
            }
        };
        for place in places {
            data.get_mut(place).unwrap_or_default().fill(0);
        }
        // What cannot be told apart may hold one as well.
        let rest = data.get_mut(end..).unwrap_or_default();
        if let Some(at) = memchr::memmem::find(rest, &[0, 0, 0, 0x0e]) {
            rest.get_mut(at + 4..).unwrap_or_default().fill(0);
        }
        right
    }

    fn our_address(&mut self, from: SocketAddr) -> IpAddr {
        let ip = self.local.ip().to_canonical();
        if !ip.is_unspecified() {
            return ip;
        }
        if let Some(known) = self.locals.get(&from.ip()) {
            return *known;
        }
        let found = way_to(from).unwrap_or(match from {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        });
        if self.locals.len() < AGENTS {
            self.locals.insert(from.ip(), found);
        }
        found
    }
}

/// The address of this machine from which somebody is reached. Nothing is sent.
fn way_to(other: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = match other {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(other).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
