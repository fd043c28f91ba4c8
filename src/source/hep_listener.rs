//! HEP agents as a live source: what they send over UDP and TCP is kept as it came.
//!
//! Nobody has to be trusted who can reach the port, so everything is bounded: what waits to be
//! written, what one sender may take of that, connections, their silence, what is remembered of
//! senders. What is not kept is counted for its sender and said. Keys of agents are compared and
//! then blanked: they stand in no file.
//!
//! | Thread | Job |
//! |---|---|
//! | UDP | takes datagrams from the system, and does nothing else |
//! | TCP | accepts connections; one more thread for each cuts packets out of its stream |
//! | writer | looks at packets, counts, writes |

use std::{
    cmp::Reverse,
    collections::HashMap,
    fmt,
    io::{self, ErrorKind, Read as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
        mpsc::{self, Sender},
    },
    thread,
    time::Duration,
};

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::hep_packets::{ACK, FIN, PUSH, SEGMENT_OCTETS, SYN, tcp_head, udp_head};
use super::hep_queue::{Item, Producer, Queue, What};
use super::live::{
    Agent, Clock, Event, Head, LiveError, PacketFile, Shared, Target, Worker, udp_drops, widen,
};
use crate::packet::hep;

/// Where agents send by custom.
pub const PORT: u16 = 9060;
/// Longest datagram.
const DATAGRAM_OCTETS: usize = 65_535;
/// What the system is asked to keep of datagrams until they are taken.
const SYSTEM_OCTETS: usize = 32 << 20;
/// A stream without a packet in so many octets is closed.
const FOREIGN_OCTETS: u64 = 1 << 20;
/// Senders that are counted one by one.
const AGENTS: usize = 1023;
/// Sentences told about senders.
const SENTENCES: u32 = 20;
/// How often threads look whether they should end.
const PATIENCE: Duration = Duration::from_millis(100);
/// How often counters are told, and those of the system read.
const COUNT_AFTER: u64 = 250_000_000;

/// What to listen for.
#[derive(Clone, Debug)]
pub struct HepOptions {
    /// Where; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Who may send; everybody when empty.
    pub senders: Vec<Network>,
    /// What agents must know; nothing when absent.
    pub key: Option<HepKey>,
    /// Stop after so many packets.
    pub packets: Option<u64>,
    /// Bounds.
    pub limits: Limits,
}

/// Bounds of the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections.
    pub connections: usize,
    /// A connection without a packet for so long is closed.
    pub idle: Duration,
    /// Octets that wait to be written; one sender may take half of them.
    pub queue_octets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            idle: Duration::from_secs(60),
            queue_octets: 32 << 20,
        }
    }
}

/// A key that agents must know. Not shown, not stored.
#[derive(Clone)]
pub struct HepKey(Zeroizing<Vec<u8>>);

impl HepKey {
    /// Takes a key.
    pub fn new(key: Vec<u8>) -> Self {
        Self(Zeroizing::new(key))
    }

    /// Compares in a time that does not depend on where they differ.
    fn is(&self, other: &[u8]) -> bool {
        self.0.as_slice().ct_eq(other).into()
    }
}

impl fmt::Debug for HepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HepKey")
    }
}

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    ip: IpAddr,
    bits: u8,
}

impl Network {
    /// True for addresses in it.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let (a, b, size) = match (self.ip, ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits().into(), b.to_bits().into(), 32_u8),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
            _ => return false,
        };
        let rest = u32::from(size.saturating_sub(self.bits));
        // A shift by all bits leaves nothing to differ.
        let shifted = |number: u128| number.checked_shr(rest).unwrap_or(0);
        shifted(a) == shifted(b)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (ip, bits) = text
            .trim()
            .split_once('/')
            .map_or((text.trim(), None), |(ip, bits)| (ip, Some(bits)));
        let ip: IpAddr = ip.parse().map_err(|_| format!("{ip} is no address"))?;
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let bits = match bits.map(str::parse) {
            None => most,
            Some(Ok(bits)) if bits <= most => bits,
            Some(_) => return Err(format!("behind / stands a number up to {most}")),
        };
        Ok(Self { ip, bits })
    }
}

/// Understands where to listen: `9060`, `192.0.2.1`, `192.0.2.1:9060`, `[2001:db8::1]:9060`. A bare port
/// means this machine alone.
///
/// # Errors
/// What is expected, in words.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = text.parse::<u16>() {
        return Ok((Ipv4Addr::LOCALHOST, port).into());
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok((address, PORT).into());
    }
    let wanted = "Write a port, or an address with a port, in numbers: 127.0.0.1:9060";
    text.parse().map_err(|_| wanted.to_owned())
}

/// Listens for agents, on UDP and TCP, and gives the address: its port is known now.
///
/// # Errors
/// When the address cannot be had, or the file cannot be made.
pub fn listen(
    options: HepOptions,
    target: Target,
    clock: Clock,
) -> Result<(Worker, SocketAddr), LiveError> {
    let refused = |error: io::Error| LiveError::Listen {
        address: options.listen,
        why: error.to_string(),
    };
    let (udp, tcp, local) = bind(options.listen).map_err(refused)?;
    widen(&udp, SYSTEM_OCTETS);
    udp.set_read_timeout(Some(PATIENCE)).map_err(refused)?;
    tcp.set_nonblocking(true).map_err(refused)?;

    let shared: Arc<Shared> = Arc::default();
    let (events, told) = mpsc::channel();
    let name = format!("HEP on {local}");
    let head = Head {
        name: name.clone(),
        description: "HEP listener".to_owned(),
        link_type: 101,
        filter: String::new(),
    };
    let file = PacketFile::begin(target, &head, clock, Arc::clone(&shared), events.clone())?;
    let gate = Arc::new(Gate {
        senders: options.senders,
        limits: options.limits,
        queue: Queue::new(options.limits.queue_octets),
        shared: Arc::clone(&shared),
        clock,
        connections: AtomicUsize::new(0),
        turned_away: AtomicU64::new(0),
    });
    let keeper = Keeper {
        file,
        agents: HashMap::new(),
        others: nobody(),
        key: options.key,
        packets: options.packets.unwrap_or(u64::MAX),
        local,
        locals: HashMap::new(),
        streams: HashMap::new(),
        head: Vec::new(),
        sentences: 0,
        lost_before: udp_drops(local).unwrap_or(0),
        not_listed: 0,
        turned_away: 0,
        gate: Arc::clone(&gate),
        events: events.clone(),
    };
    // They are counted before they run: the writer ends when the last one has.
    let producers = (gate.queue.producer(), gate.queue.producer());
    let started = start("hep udp", {
        let gate = Arc::clone(&gate);
        move || gate.take_datagrams(&udp, &producers.0)
    })
    .and_then(|()| {
        let gate = Arc::clone(&gate);
        start("hep tcp", move || accept(&gate, &tcp, &producers.1))
    })
    .and_then(|()| start("hep writer", move || keeper.run()));
    if let Err(error) = started {
        shared.stop();
        return Err(refused(error));
    }
    // The receiver is right here.
    let _ = events.send(Event::Ready);
    Ok((Worker::new(name, told, shared), local))
}

fn start(name: &str, job: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(job)?;
    Ok(())
}

/// Both sockets on one port.
fn bind(address: SocketAddr) -> io::Result<(UdpSocket, TcpListener, SocketAddr)> {
    let mut tries = if address.port() == 0 { 16 } else { 1 };
    loop {
        tries -= 1;
        let tcp = TcpListener::bind(address)?;
        let local = tcp.local_addr()?;
        match UdpSocket::bind(local) {
            Ok(udp) => return Ok((udp, tcp, local)),
            // The port that is free for one of them is taken for the other.
            Err(_) if tries > 0 => {}
            Err(error) => return Err(error),
        }
    }
}

/// What the threads that receive have in common.
struct Gate {
    senders: Vec<Network>,
    limits: Limits,
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    clock: Clock,
    connections: AtomicUsize,
    /// Connections closed at once, because there are too many.
    turned_away: AtomicU64,
}

impl Gate {
    fn admits(&self, ip: IpAddr) -> bool {
        self.senders.is_empty() || self.senders.iter().any(|network| network.contains(ip))
    }

    fn take_datagrams(&self, socket: &UdpSocket, producer: &Producer) {
        let mut buffer = vec![0; DATAGRAM_OCTETS];
        let mut left = None;
        loop {
            if self.shared.is_stopped() && left.is_none() {
                // What the system has already is taken, but not what comes for ever.
                left = Some(100_000_u32);
                if socket.set_nonblocking(true).is_err() {
                    return;
                }
            }
            match socket.recv_from(&mut buffer) {
                Ok((length, from)) => {
                    let from = canonical(from);
                    let data = buffer.get(..length).unwrap_or_default();
                    let what = if self.admits(from.ip()) {
                        What::Datagram(data.to_vec())
                    } else {
                        What::NotListed
                    };
                    let time = (self.clock)();
                    producer.push(Item { time, from, what });
                }
                Err(error) if is_late(&error) => {
                    if left.is_some() {
                        return;
                    }
                }
                // An answer of ours that nobody wanted, an interruption: nothing of it is lost.
                Err(_) => thread::sleep(Duration::from_millis(1)),
            }
            if let Some(left) = &mut left {
                *left -= 1;
                if *left == 0 {
                    return;
                }
            }
        }
    }
}

/// An address of version 4 that a socket of version 6 tells as such.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn accept(gate: &Arc<Gate>, listener: &TcpListener, producer: &Producer) {
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

const MARK: &[u8] = b"HEP3";

fn next_packet(data: &[u8]) -> Cut {
    let known = data.len().min(MARK.len());
    if data.get(..known) != MARK.get(..known) {
        let next = memchr::memmem::find(data, MARK);
        // The mark may have begun in the last octets.
        return Cut::Skip(next.unwrap_or_else(|| data.len().saturating_sub(3).max(1)));
    }
    if data.len() < 6 {
        return Cut::More;
    }
    let Some(length) = hep::framed_length(data) else {
        return Cut::Skip(MARK.len());
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
    let next = memchr::memmem::find(inner, MARK);
    Cut::Packet(next.map_or(length, |next| next + 6))
}

/// A stream that is being written.
struct Stream {
    to: SocketAddr,
    sequence: u32,
}

/// The writer.
struct Keeper {
    file: PacketFile,
    /// By address and the number that they give themselves.
    agents: HashMap<(IpAddr, Option<u32>), Agent>,
    others: Agent,
    key: Option<HepKey>,
    packets: u64,
    local: SocketAddr,
    /// Our address as a sender knows it, where we listen on all.
    locals: HashMap<IpAddr, IpAddr>,
    streams: HashMap<u64, Stream>,
    head: Vec<u8>,
    sentences: u32,
    lost_before: u64,
    not_listed: u64,
    turned_away: u64,
    gate: Arc<Gate>,
    events: Sender<Event>,
}

fn nobody() -> Agent {
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
    fn run(mut self) {
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
        if !data.starts_with(MARK) {
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

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{address}")?,
            None => write!(f, "further senders")?,
        }
        match (&self.node, self.number) {
            (Some(node), Some(number)) => write!(f, " (agent {number}, {node})")?,
            (Some(node), None) => write!(f, " ({node})")?,
            (None, Some(number)) => write!(f, " (agent {number})")?,
            (None, None) => {}
        }
        write!(f, ": {} kept, {} of SIP", self.packets, self.sip)?;
        for (count, words) in [
            (self.dropped, "lost here"),
            (self.wrong_key, "without the right key"),
            (self.foreign, "no HEP"),
            (self.faulty, "faulty"),
            (self.skipped_octets, "octets passed over"),
        ] {
            if count > 0 {
                write!(f, ", {count} {words}")?;
            }
        }
        Ok(())
    }
}
