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
    collections::HashMap,
    fmt,
    io::{self, ErrorKind},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize},
        mpsc,
    },
    thread,
    time::Duration,
};

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::hep_connection::accept;
use super::hep_keeper::{Keeper, nobody};
use super::hep_queue::{Item, Producer, Queue, What};
use super::live::{
    Agent, Clock, Event, Head, LiveError, PacketFile, Shared, Target, Worker, udp_drops, widen,
};

/// Where agents send by custom.
pub const PORT: u16 = 9060;
/// Longest datagram.
const DATAGRAM_OCTETS: usize = 65_535;
/// What the system is asked to keep of datagrams until they are taken.
const SYSTEM_OCTETS: usize = 32 << 20;
/// How often threads look whether they should end.
pub(super) const PATIENCE: Duration = Duration::from_millis(100);

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
    pub(super) fn is(&self, other: &[u8]) -> bool {
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

pub(super) fn start(name: &str, job: impl FnOnce() + Send + 'static) -> io::Result<()> {
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
pub(super) struct Gate {
    pub senders: Vec<Network>,
    pub limits: Limits,
    pub queue: Arc<Queue>,
    pub shared: Arc<Shared>,
    pub clock: Clock,
    pub connections: AtomicUsize,
    /// Connections closed at once, because there are too many.
    pub turned_away: AtomicU64,
}

impl Gate {
    pub fn admits(&self, ip: IpAddr) -> bool {
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
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

pub(super) fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
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
