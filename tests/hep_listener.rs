//! HEP agents as a live source, over loopback: what they send is kept, whoever abuses it is bounded,
//! and nothing is lost without being counted.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sipscope::ingest::{self, Loaded};
use sipscope::source::hep_listener::{self, HepKey, HepOptions, Limits};
use sipscope::source::live::{Agent, Counts, Event, LiveSource as _, Ring, Target, Worker};

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_nanos()).unwrap()
}

/// An OPTIONS with a Call-ID of its own.
fn sip(number: u32) -> Vec<u8> {
    format!(
        "OPTIONS sip:bob@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:6000;branch=z9hG4bK{number}\r\n\
         From: <sip:alice@192.0.2.1>;tag={number}\r\nTo: <sip:bob@192.0.2.2>\r\nCall-ID: call-{number}\r\n\
         CSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

fn chunk(kind: u16, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 6).unwrap();
    [
        &[0, 0][..],
        &kind.to_be_bytes(),
        &length.to_be_bytes(),
        content,
    ]
    .concat()
}

/// HEP version 3, from agent 7 and with a key where one is given.
fn version3(payload: &[u8], key: Option<&str>) -> Vec<u8> {
    let mut chunks = [
        chunk(1, &[2]),
        chunk(2, &[17]),
        chunk(3, &[192, 0, 2, 1]),
        chunk(4, &[192, 0, 2, 2]),
        chunk(7, &5060_u16.to_be_bytes()),
        chunk(8, &5070_u16.to_be_bytes()),
        chunk(9, &1_700_000_000_u32.to_be_bytes()),
        chunk(10, &[0, 0, 0, 5]),
        chunk(11, &[1]),
        chunk(12, &[0, 0, 0, 7]),
    ]
    .concat();
    chunks.extend(key.map(|key| chunk(14, key.as_bytes())).unwrap_or_default());
    chunks.extend(chunk(15, payload));
    let length = u16::try_from(chunks.len() + 6).unwrap();
    [b"HEP3", &length.to_be_bytes()[..], &chunks].concat()
}

/// Versions 1 and 2: a fixed header.
fn early(version: u8, payload: &[u8]) -> Vec<u8> {
    let ports = [5060_u16.to_be_bytes(), 5070_u16.to_be_bytes()].concat();
    let mut out = [
        &[version, 16, 2, 17][..],
        &ports,
        &[192, 0, 2, 1, 192, 0, 2, 2],
    ]
    .concat();
    if version == 2 {
        out.extend(1_700_000_000_u32.to_le_bytes());
        out.extend(5_u32.to_le_bytes());
        out.extend([7, 0, 0, 0]);
    }
    out.extend(payload);
    out
}

/// A listener with what it told.
struct Listening {
    folder: tempfile::TempDir,
    worker: Worker,
    address: SocketAddr,
    told: Vec<String>,
    files: usize,
}

fn options() -> HepOptions {
    HepOptions {
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
        senders: Vec::new(),
        key: None,
        packets: None,
        limits: Limits::default(),
    }
}

impl Listening {
    fn start(options: HepOptions) -> Self {
        Self::with_ring(options, None)
    }

    fn with_ring(options: HepOptions, ring: Option<Ring>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let target = Target::new(folder.path().join("hep.pcapng"), ring);
        let (worker, address) = hep_listener::listen(options, target, now).unwrap();
        Self {
            folder,
            worker,
            address,
            told: Vec::new(),
            files: 1,
        }
    }

    /// Takes in events until so many packets were kept, refused or lost.
    fn wait_for(&mut self, packets: u64) -> Counts {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(20) {
            let counts = self.worker.counts();
            if counts.received >= packets {
                return counts;
            }
            let event = self.worker.next_event(Duration::from_millis(20));
            self.take(event);
        }
        panic!("{:?}, {:?}", self.worker.counts(), self.told);
    }

    fn take(&mut self, event: Option<Event>) {
        match event {
            Some(Event::Told(words)) => self.told.push(words),
            Some(Event::File(_)) => self.files += 1,
            Some(Event::Failed(error)) => panic!("{error}"),
            _ => {}
        }
    }

    /// Ends it; gives the counters and what is in the file.
    fn end(&mut self) -> (Counts, Vec<Agent>, Vec<String>, Loaded) {
        self.worker.stop();
        let begin = Instant::now();
        while !self.worker.is_over() {
            assert!(begin.elapsed() < Duration::from_secs(10), "it does not end");
            let event = self.worker.next_event(Duration::from_millis(20));
            self.take(event);
        }
        let files: Vec<PathBuf> = captures(self.folder.path());
        let loaded = ingest::load(&files, &ingest::Options::default());
        assert!(loaded.files.iter().all(|file| file.error.is_none()));
        let told = std::mem::take(&mut self.told);
        (self.worker.counts(), self.worker.agents(), told, loaded)
    }

    fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).unwrap()
    }

    fn send(&self, data: &[u8]) {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.send_to(data, self.address).unwrap();
    }
}

fn sum(agents: &[Agent], of: impl Fn(&Agent) -> u64) -> u64 {
    agents.iter().map(of).sum()
}

fn captures(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    found
}

#[test]
fn all_versions_are_kept_over_udp_and_version_3_over_tcp() {
    let mut listening = Listening::start(options());
    listening.send(&early(1, &sip(1)));
    listening.send(&early(2, &sip(2)));
    listening.send(&version3(&sip(3), None));
    let mut stream = listening.tcp();
    let packets = [version3(&sip(4), None), version3(&sip(5), None)].concat();
    // However it is cut.
    for part in packets.chunks(100) {
        stream.write_all(part).unwrap();
        stream.flush().unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    listening.wait_for(5);
    drop(stream);
    let (counts, agents, told, loaded) = listening.end();
    assert_eq!((counts.packets, counts.refused), (5, 0));
    assert_eq!(told, [""; 0]);
    let counted: Vec<_> = agents
        .iter()
        .map(|a| (a.number, a.packets, a.sip))
        .collect();
    // Version 1 has no numbers of agents.
    assert_eq!(counted, [(Some(7), 4, 4), (None, 1, 1)]);
    assert_eq!(agents[0].address, Some(Ipv4Addr::LOCALHOST.into()));
    assert_eq!(loaded.view.messages().len(), 5);
    assert!(loaded.files[0].skipped.is_empty(), "{:?}", loaded.files);
}

#[test]
fn a_key_is_asked_for_and_stands_in_no_file() {
    let key = Some(HepKey::new(b"open sesame".to_vec()));
    let mut listening = Listening::start(HepOptions { key, ..options() });
    listening.send(&version3(&sip(1), Some("open sesame")));
    listening.send(&version3(&sip(2), Some("open Sesame")));
    listening.send(&version3(&sip(3), None));
    listening.send(&early(2, &sip(4)));
    listening.wait_for(4);
    let (counts, agents, told, loaded) = listening.end();
    let file = std::fs::read(&captures(listening.folder.path())[0]).unwrap();
    assert_eq!((counts.packets, counts.refused), (1, 3));
    assert_eq!(sum(&agents, |agent| agent.wrong_key), 3);
    // Once, not for each packet.
    assert_eq!(
        told,
        ["127.0.0.1 sends HEP without the right key: not kept"]
    );
    assert_eq!(loaded.view.messages().len(), 1);
    let file = String::from_utf8_lossy(&file).to_lowercase();
    assert!(file.contains("call-1") && !file.contains("sesame"));
}

#[test]
fn a_key_that_nobody_asked_for_is_blanked_also_in_damaged_packets() {
    let mut listening = Listening::start(options());
    let good = version3(&sip(1), Some("sesame"));
    // A chunk that is shorter than its own header stands before the key.
    let mut broken = good.clone();
    broken[10..12].copy_from_slice(&[0, 3]);
    // What stands behind the stated end may hold one too.
    let mut short = good.clone();
    short[4..6].copy_from_slice(&20_u16.to_be_bytes());
    for packet in [&good, &broken, &short] {
        listening.send(packet);
    }
    listening.wait_for(3);
    let (counts, agents, _, loaded) = listening.end();
    let file = std::fs::read(&captures(listening.folder.path())[0]).unwrap();
    assert_eq!((counts.packets, sum(&agents, |agent| agent.faulty)), (3, 2));
    assert!(!String::from_utf8_lossy(&file).contains("sesame"));
    assert_eq!(loaded.view.messages().len(), 1);
}

#[test]
fn only_who_is_on_the_list_may_send() {
    let senders = vec!["192.0.2.0/24".parse().unwrap(), "::1".parse().unwrap()];
    let mut listening = Listening::start(HepOptions {
        senders,
        ..options()
    });
    listening.send(&version3(&sip(1), None));
    let mut stream = listening.tcp();
    let counts = listening.wait_for(2);
    assert_eq!((counts.packets, counts.refused), (0, 2));
    // Closed, not ignored.
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap_or(0), 0);
    let (.., told, _) = listening.end();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("127.0.0.1") && told[0].contains("not on the list"));
}

#[test]
fn what_is_no_hep_is_counted_and_lies_about_lengths_cost_only_themselves() {
    let mut listening = Listening::start(options());
    for octets in [&b"hello"[..], b"", b"HEP", &[0; 2000]] {
        listening.send(octets);
    }
    listening.wait_for(4);
    let mut stream = listening.tcp();
    let mut lie = version3(&sip(2), None);
    // 20,000 octets that never come, less than its own header, and a plain mark.
    for length in [20_000_u16, 3] {
        lie[4..6].copy_from_slice(&length.to_be_bytes());
        stream.write_all(&version3(&sip(1), None)).unwrap();
        stream.write_all(&lie).unwrap();
    }
    stream.write_all(b"nonsense in between HEP").unwrap();
    for number in 3..100 {
        stream.write_all(&version3(&sip(number), None)).unwrap();
    }
    // The first lie is one packet, the second has none.
    listening.wait_for(4 + 2 + 1 + 97);
    let (counts, agents, told, _) = listening.end();
    assert_eq!(counts.packets, 2 + 1 + 97);
    assert_eq!(sum(&agents, |agent| agent.foreign), 4);
    assert_eq!(sum(&agents, |agent| agent.faulty), 1);
    let passed_over = lie.len() + b"nonsense in between HEP".len();
    assert_eq!(
        sum(&agents, |agent| agent.skipped_octets),
        passed_over as u64
    );
    assert_eq!(told.len(), 2, "{told:?}");
}

#[test]
fn connections_are_bounded() {
    let limits = Limits {
        connections: 3,
        ..Limits::default()
    };
    let mut listening = Listening::start(HepOptions {
        limits,
        ..options()
    });
    let mut open: Vec<TcpStream> = (0..3).map(|_| listening.tcp()).collect();
    for stream in &mut open {
        stream.write_all(&version3(&sip(1), None)).unwrap();
    }
    listening.wait_for(3);
    for _ in 0..20 {
        let mut further = listening.tcp();
        let patience = Some(Duration::from_secs(5));
        further.set_read_timeout(patience).unwrap();
        assert_eq!(further.read(&mut [0]).unwrap_or(0), 0);
    }
    let counts = listening.wait_for(23);
    assert_eq!((counts.packets, counts.refused), (3, 20));
    // There is room again as soon as one leaves.
    open.pop();
    let begin = Instant::now();
    while listening.worker.counts().packets < 4 {
        assert!(begin.elapsed() < Duration::from_secs(10));
        let mut stream = listening.tcp();
        let _ = stream.write_all(&version3(&sip(2), None));
        std::thread::sleep(Duration::from_millis(100));
    }
    let (.., told, _) = listening.end();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("3 HEP connections are open"),
        "{told:?}"
    );
}

#[test]
fn a_connection_without_a_packet_is_closed_however_busy() {
    let limits = Limits {
        idle: Duration::from_millis(600),
        ..Limits::default()
    };
    let mut listening = Listening::start(HepOptions {
        limits,
        ..options()
    });
    let mut slow = listening.tcp();
    let mut closed = false;
    // One octet at a time does not count as a packet.
    for octet in version3(&sip(1), None).iter().cycle().take(300) {
        closed = slow.write_all(&[*octet]).is_err();
        if closed {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(closed, "a slow sender keeps its connection for ever");
    // Somebody else is not disturbed.
    listening.send(&version3(&sip(2), None));
    listening.wait_for(1);
    let (_, agents, ..) = listening.end();
    assert!(
        agents.iter().any(|agent| agent.skipped_octets > 0),
        "{agents:?}"
    );
}

#[test]
fn a_stream_without_hep_is_closed() {
    let mut listening = Listening::start(options());
    let mut stream = listening.tcp();
    let mut sent = 0_u64;
    while stream.write_all(&[b'x'; 4096]).is_ok() {
        sent += 4096;
        assert!(sent < 64 << 20, "it is read for ever");
    }
    listening.send(&version3(&sip(1), None));
    listening.wait_for(1);
    let (_, agents, told, _) = listening.end();
    assert!(
        (1 << 20..2 << 20).contains(&sum(&agents, |agent| agent.skipped_octets)),
        "{agents:?}"
    );
    assert_eq!(told.len(), 1);
}

#[test]
fn versions_without_a_length_are_named_when_they_come_over_tcp() {
    for version in [1, 2] {
        let mut listening = Listening::start(options());
        let packet = early(version, &sip(1));
        listening.tcp().write_all(&packet).unwrap();
        let skipped = |agents: &[Agent]| sum(agents, |agent| agent.skipped_octets);
        let begin = Instant::now();
        while skipped(&listening.worker.agents()) < packet.len() as u64 {
            assert!(begin.elapsed() < Duration::from_secs(10), "not counted");
            let event = listening.worker.next_event(Duration::from_millis(20));
            listening.take(event);
        }
        let (_, agents, told, _) = listening.end();
        assert_eq!(skipped(&agents), packet.len() as u64);
        let words = format!("HEP version {version} over TCP, which does not say how long");
        assert!(told.len() == 1 && told[0].contains(&words), "{told:?}");
    }
}

/// Hardly anything may wait to be written.
fn with_small_queue() -> HepOptions {
    HepOptions {
        limits: Limits {
            queue_octets: 8 << 10,
            ..Limits::default()
        },
        ..options()
    }
}

#[test]
fn what_comes_too_fast_is_lost_and_counted() {
    let mut listening = Listening::start(with_small_queue());
    let packet = version3(&sip(1), None);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    const SENT: u64 = 30_000;
    for _ in 0..SENT {
        socket.send_to(&packet, listening.address).unwrap();
    }
    let counts = listening.wait_for(SENT);
    // Loopback loses nothing on the way: each one is somewhere.
    assert_eq!(counts.received, SENT);
    assert_eq!(
        counts.packets + counts.dropped_here + counts.dropped_by_kernel,
        SENT
    );
    assert!(counts.dropped_here > 0, "{counts:?}");
    let (counts, agents, _, loaded) = listening.end();
    assert_eq!(sum(&agents, |agent| agent.dropped), counts.dropped_here);
    assert_eq!(loaded.view.messages().len() as u64, counts.packets);
    let statistics = loaded.files[0].info.interfaces[0].statistics;
    let lost = statistics.and_then(|s| s.os_dropped);
    assert_eq!(lost, Some(counts.dropped_here + counts.dropped_by_kernel));
}

#[test]
fn a_fast_stream_waits_and_loses_nothing() {
    let mut listening = Listening::start(with_small_queue());
    let mut stream = listening.tcp();
    let packet = version3(&sip(1), None);
    for _ in 0..10_000 {
        stream.write_all(&packet).unwrap();
    }
    drop(stream);
    let counts = listening.wait_for(10_000);
    assert_eq!((counts.packets, counts.dropped_here), (10_000, 0));
    assert_eq!(listening.end().3.view.messages().len(), 10_000);
}

#[test]
fn a_ring_goes_on_in_the_next_file() {
    let ring = Ring {
        files: 3,
        octets: 100 << 10,
    };
    let mut listening = Listening::with_ring(options(), Some(ring));
    let mut stream = listening.tcp();
    for number in 0..2000 {
        stream.write_all(&version3(&sip(number), None)).unwrap();
        if number % 100 == 0 {
            std::thread::sleep(Duration::from_millis(60));
        }
    }
    drop(stream);
    listening.wait_for(2000);
    let folder = listening.folder.path().to_path_buf();
    assert!(listening.files > 3, "{}", listening.files);
    listening.worker.stop();
    while !listening.worker.is_over() {
        listening.worker.next_event(Duration::from_millis(20));
    }
    let files = captures(&folder);
    assert_eq!(files.len(), 3, "{files:?}");
    let loaded = ingest::load(&files, &ingest::Options::default());
    let count = loaded.view.messages().len();
    assert!((300..1500).contains(&count), "{count}");
}

#[test]
fn it_ends_after_so_many_packets_and_a_port_in_use_is_told() {
    let packets = Some(3);
    let mut listening = Listening::start(HepOptions {
        packets,
        ..options()
    });
    let taken = HepOptions {
        listen: listening.address,
        ..options()
    };
    let target = Target::new(listening.folder.path().join("other.pcapng"), None);
    let error = hep_listener::listen(taken, target, now).err().unwrap();
    assert!(
        error
            .to_string()
            .starts_with("nothing can be received on 127.0.0.1:")
    );
    // The file is not made then.
    assert_eq!(captures(listening.folder.path()).len(), 1);
    for number in 0..10 {
        listening.send(&version3(&sip(number), None));
    }
    let begin = Instant::now();
    while !listening.worker.is_over() {
        assert!(begin.elapsed() < Duration::from_secs(10));
        listening.worker.next_event(Duration::from_millis(20));
    }
    assert_eq!(listening.end().3.view.messages().len(), 3);
}
