//! Streams of HEP agents: accepted, cut into packets, closed.

use std::{
    io::{ErrorKind, Read as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, atomic::Ordering},
    thread,
};

use super::hep_listener::{Gate, PATIENCE, canonical, is_late, start};
use super::hep_queue::{Item, Producer, What};
use crate::packet::hep;

/// A stream without a packet in so many octets is closed.
const FOREIGN_OCTETS: u64 = 1 << 20;

pub fn accept(gate: &Arc<Gate>, listener: &TcpListener, producer: &Producer) {
    let mut number = 0;
    while !gate.shared.is_stopped() {
        let Ok((stream, from)) = listener.accept() else {
            // Nobody is there, or there are too many descriptors: both may change.
            thread::sleep(PATIENCE / 2);
            continue;
        };
        let from = canonical(from);
        let time = (gate.clock)();
        if !gate.admits(from.ip()) {
            let what = What::NotListed;
            producer.push(Item { time, from, what });
            continue;
        }
        if gate.connections.fetch_add(1, Ordering::Relaxed) >= gate.limits.connections {
            gate.connections.fetch_sub(1, Ordering::Relaxed);
            gate.turned_away.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        number += 1;
        let connection = Connection {
            number,
            from,
            gate: Arc::clone(gate),
            producer: gate.queue.producer(),
            buffer: Vec::new(),
            foreign: 0,
        };
        // Without a thread it is dropped and so closed; its place is free again.
        let _ = start("hep connection", move || connection.run(stream));
    }
}

/// One stream, cut into packets.
struct Connection {
    number: u64,
    from: SocketAddr,
    gate: Arc<Gate>,
    producer: Producer,
    buffer: Vec<u8>,
    /// Octets since the last packet that belong to none.
    foreign: u64,
}

impl Connection {
    fn run(mut self, mut stream: TcpStream) {
        let usable = stream
            .set_nonblocking(false)
            .and_then(|()| stream.set_read_timeout(Some(PATIENCE)))
            .and_then(|()| stream.local_addr());
        let Ok(local) = usable else { return };
        self.push(What::Opened(self.number, canonical(local)));
        let mut part = vec![0; 16 << 10];
        let mut last = (self.gate.clock)();
        let idle = self.gate.limits.idle.as_nanos();
        while !self.gate.shared.is_stopped() {
            match stream.read(&mut part) {
                Ok(0) => break,
                Ok(length) => {
                    self.buffer
                        .extend_from_slice(part.get(..length).unwrap_or_default());
                    if self.cut() {
                        last = (self.gate.clock)();
                    }
                }
                Err(error) if is_late(&error) || error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
            let silent = u128::from((self.gate.clock)().saturating_sub(last)) > idle;
            if silent || self.foreign > FOREIGN_OCTETS {
                break;
            }
        }
        let rest = self.buffer.len() as u64;
        if rest > 0 {
            self.push(What::Skipped(rest, hep::early_version(&self.buffer)));
        }
        self.push(What::Closed(self.number));
    }

    /// A stream that comes too fast is not read: its sender waits, nothing is lost.
    fn push(&self, what: What) {
        let (time, from) = ((self.gate.clock)(), self.from);
        let stopped = || self.gate.shared.is_stopped();
        self.producer
            .push_when_there_is_room(Item { time, from, what }, stopped);
    }

    /// Hands on the packets that are whole; true when there was one.
    fn cut(&mut self) -> bool {
        let buffer = std::mem::take(&mut self.buffer);
        let mut rest = buffer.as_slice();
        let mut found = false;
        loop {
            match next_packet(rest) {
                Cut::Packet(length) => {
                    let (packet, behind) = rest.split_at(length.min(rest.len()));
                    self.push(What::Packet(self.number, packet.to_vec()));
                    (rest, found, self.foreign) = (behind, true, 0);
                }
                Cut::Skip(length) => {
                    self.push(What::Skipped(length as u64, hep::early_version(rest)));
                    self.foreign += length as u64;
                    rest = rest.get(length..).unwrap_or_default();
                }
                Cut::More => break,
            }
        }
        self.buffer = rest.to_vec();
        found
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.gate.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What stands at the beginning of a stream.
#[derive(Debug, PartialEq, Eq)]
enum Cut {
    /// A packet of so many octets.
    Packet(usize),
    /// So many octets that belong to none.
    Skip(usize),
    /// Not enough to tell.
    More,
}

fn next_packet(data: &[u8]) -> Cut {
    let known = data.len().min(hep::MARK.len());
    if data.get(..known) != hep::MARK.get(..known) {
        let next = memchr::memmem::find(data, hep::MARK);
        // The mark may have begun in the last octets.
        return Cut::Skip(next.unwrap_or_else(|| data.len().saturating_sub(3).max(1)));
    }
    if data.len() < 6 {
        return Cut::More;
    }
    let Some(length) = hep::framed_length(data) else {
        return Cut::Skip(hep::MARK.len());
    };
    let Some(packet) = data.get(..length) else {
        return Cut::More;
    };
    let (_, end) = hep::key_places(packet);
    if end == length {
        return Cut::Packet(length);
    }
    // Its lengths do not add up. When another packet begins within it, its own length is a lie.
    let inner = packet.get(6..).unwrap_or_default();
    let next = memchr::memmem::find(inner, hep::MARK);
    Cut::Packet(next.map_or(length, |next| next + 6))
}
