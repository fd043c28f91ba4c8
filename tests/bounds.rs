//! Captures made to use up memory: what is kept of each connection stays within a bound, what goes
//! beyond it is counted, and the same goes every time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod compose;

use std::io::Write as _;
use std::process::{Command, Stdio};

use compose::{A, B, Capture, tcp_from};
use serde_json::Value;

const SYN: u8 = 0x02;
const FIN: u8 = 0x11;
const PSH: u8 = 0x18;

/// What the program says of a capture.
struct Run {
    info: Value,
    peak_mib: u64,
}

impl Run {
    /// `what`, count and packet of everything that was passed over.
    fn skipped(&self) -> Vec<(String, u64, u64)> {
        let list = self.info["skipped"].as_array().unwrap().iter();
        list.map(|s| {
            let what = s["what"].as_str().unwrap().to_owned();
            let frame = s["first_frame"].as_u64().unwrap_or(0);
            (what, s["count"].as_u64().unwrap(), frame)
        })
        .collect()
    }

    fn messages(&self) -> u64 {
        self.info["sip_messages"].as_u64().unwrap()
    }
}

/// Runs `info` with one thread and with three: both have to say the same.
fn run(capture: &Capture) -> Run {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&capture.bytes()).unwrap();
    let path = file.path().to_str().unwrap();
    let once = |threads: &str| {
        let args = [
            "info",
            path,
            "--format",
            "json",
            "--timings",
            "--threads",
            threads,
        ];
        let mut command = Command::new(env!("CARGO_BIN_EXE_sipscope"));
        let output = command.args(args).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success());
        let errors = String::from_utf8(output.stderr).unwrap();
        let timings = errors.lines().find(|line| line.starts_with('{')).unwrap();
        let timings: Value = serde_json::from_str(timings).unwrap();
        let info: Value = serde_json::from_slice(&output.stdout).unwrap();
        let peak = timings["peak_anonymous_bytes"].as_u64().unwrap();
        (info, peak >> 20)
    };
    let (info, peak_mib) = once("1");
    assert_eq!(info, once("3").0);
    Run { info, peak_mib }
}

fn client(number: u32) -> ([u8; 4], u16) {
    let [_, high, low, port] = (number / 200).to_be_bytes();
    ([10, high, low, port], 2000 + (number % 200) as u16)
}

/// One direction after the other: segments from a client to port `port` of a server, or back.
struct Connection {
    client: ([u8; 4], u16),
    server: ([u8; 4], u16),
    next: [u32; 2],
}

impl Connection {
    fn new(number: u32, port: u16) -> Self {
        Self {
            client: client(number),
            server: (B, port),
            next: [1; 2],
        }
    }

    fn send(&mut self, capture: &mut Capture, side: usize, flags: u8, data: &[u8]) {
        let (src, dst) = match side {
            0 => (self.client, self.server),
            _ => (self.server, self.client),
        };
        capture.add(&tcp_from(src, dst, self.next[side], flags, data));
        self.next[side] += data.len() as u32;
    }
}

fn options(number: u32) -> Vec<u8> {
    format!(
        "OPTIONS sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/WS a.invalid;branch=z9hG4bK{number}\r\n\
         From: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>\r\nCall-ID: c{number}\r\n\
         CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

fn deflated(octets: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(octets).unwrap();
    encoder.flush().unwrap();
    let mut out = encoder.get_ref().clone();
    out.truncate(out.len() - 4);
    out
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        len @ 0..126 => out.push(len as u8),
        len => {
            out.push(126);
            out.extend((len as u16).to_be_bytes());
        }
    }
    out.extend(payload);
    out
}

/// WebSocket connections with one compressed message from each side, closed or left open.
fn compressed(count: u32, extension: &str, close: bool) -> Capture {
    let mut capture = Capture::default();
    let header = format!(
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: sip\r\n\
         Sec-WebSocket-Extensions: {extension}\r\n\r\n"
    );
    for number in 0..count {
        let mut connection = Connection::new(number, 80);
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{header}");
        let response = format!("HTTP/1.1 101 Switching Protocols\r\n{header}");
        connection.send(&mut capture, 0, PSH, request.as_bytes());
        connection.send(&mut capture, 1, PSH, response.as_bytes());
        for side in [0, 1] {
            let message = deflated(&options(2 * number + side as u32));
            connection.send(&mut capture, side, PSH, &frame(0xc1, &message));
        }
        if close {
            connection.send(&mut capture, 0, FIN, b"");
            connection.send(&mut capture, 1, FIN, b"");
        }
    }
    capture
}

#[test]
fn inflaters_of_websocket_connections_have_a_bound() {
    // Without one these take 280 MiB.
    const COUNT: u32 = 3000;
    let extension = "permessage-deflate";
    let open = run(&compressed(COUNT, extension, false));
    assert_eq!(open.messages(), 2 * u64::from(COUNT));
    assert!(open.peak_mib < 120, "{} MiB", open.peak_mib);
    let [(what, count, first)] = &open.skipped()[..] else {
        panic!("{:?}", open.skipped());
    };
    assert_eq!(
        (what.as_str(), *first),
        ("TLS and WebSocket connections", 1)
    );
    assert!((1500..3000).contains(count), "{count}");
}

#[test]
fn closed_connections_and_those_without_context_keep_no_inflater() {
    const COUNT: u32 = 3000;
    let alone = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    for (extension, close) in [("permessage-deflate", true), (alone, false)] {
        let run = run(&compressed(COUNT, extension, close));
        assert_eq!(run.messages(), 2 * u64::from(COUNT));
        assert_eq!(run.skipped(), []);
        assert!(run.peak_mib < 60, "{} MiB", run.peak_mib);
    }
}

/// A record with a ClientHello.
fn client_hello(number: u32) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([0; 28]);
    body.extend(number.to_be_bytes());
    body.extend([0, 0, 2, 0, 0x9c, 1, 0]);
    let mut record = vec![22, 3, 1, 0, body.len() as u8 + 4, 1, 0, 0, body.len() as u8];
    record.extend(body);
    record
}

#[test]
fn of_many_tls_connections_the_first_are_described_and_the_others_counted() {
    let mut capture = Capture::default();
    for number in 0..30_000 {
        let mut connection = Connection::new(number, 5061);
        connection.send(&mut capture, 0, PSH, &client_hello(number));
    }
    // Application data whose beginning is missing counts once for each connection.
    for number in 40_000..40_010 {
        let mut connection = Connection::new(number, 5061);
        for _ in 0..3 {
            connection.send(&mut capture, 0, PSH, &[23, 3, 3, 0, 3, 1, 2, 3]);
        }
    }
    let run = run(&capture);
    let tls = run.info["tls"].as_array().unwrap();
    let frames = tls.iter().map(|c| c["first_frame"].as_u64().unwrap());
    assert!(frames.eq(1..=20_000));
    let skipped = run.skipped();
    assert!(
        skipped.contains(&("TLS connections".to_owned(), 10_010, 20_001)),
        "{skipped:?}"
    );
    // Half-open ones take memory, too.
    let given_up = skipped
        .iter()
        .find(|s| s.0 == "TLS and WebSocket connections");
    assert!(given_up.is_some_and(|s| s.1 > 1000), "{skipped:?}");
}

#[test]
fn a_tls_connection_that_was_closed_is_not_held() {
    let mut capture = Capture::default();
    for number in 0..30_000 {
        let mut connection = Connection::new(number, 5061);
        connection.send(&mut capture, 0, PSH, &client_hello(number));
        // The server refuses: handshake_failure.
        connection.send(&mut capture, 1, PSH, &[21, 3, 3, 0, 2, 2, 40]);
        connection.send(&mut capture, 1, FIN, b"");
        connection.send(&mut capture, 0, FIN, b"");
    }
    let run = run(&capture);
    let beyond = ("TLS connections".to_owned(), 10_000, 80_001);
    assert_eq!(run.skipped(), [beyond]);
}

#[test]
fn connections_that_only_began_are_forgotten_beyond_a_bound() {
    // Nothing of interest is lost with them, so nothing is said.
    let mut capture = Capture::default();
    for number in 0..600_000 {
        let connection = Connection::new(number, 80);
        capture.add_after(
            0,
            &tcp_from(connection.client, connection.server, 0, SYN, b""),
        );
    }
    let mut sip = Connection::new(600_000, 5060);
    sip.send(&mut capture, 0, PSH, &options(1));
    let run = run(&capture);
    assert_eq!(run.messages(), 1);
    assert_eq!(run.skipped(), []);
    assert!(run.peak_mib < 170, "{} MiB", run.peak_mib);
}

#[test]
fn streams_that_wait_are_forgotten_beyond_a_bound_and_counted() {
    let mut capture = Capture::default();
    for number in 0..300_000 {
        let mut connection = Connection::new(number, 5060);
        connection.send(&mut capture, 0, SYN, b"");
        connection.next[0] = 2;
        connection.send(&mut capture, 0, PSH, b"I");
    }
    let run = run(&capture);
    let skipped = run.skipped();
    let forgotten = skipped.iter().find(|s| s.0 == "TCP connections");
    assert!(forgotten.is_some_and(|s| s.1 > 100_000), "{skipped:?}");
    assert!(run.peak_mib < 200, "{} MiB", run.peak_mib);
}

#[test]
fn empty_fragments_of_a_websocket_message_take_no_room() {
    let mut capture = Capture::default();
    let mut connection = Connection::new(0, 80);
    let header = "Upgrade: websocket\r\nSec-WebSocket-Protocol: sip\r\n\r\n";
    let request = format!("GET / HTTP/1.1\r\n{header}");
    connection.send(&mut capture, 0, PSH, request.as_bytes());
    connection.send(&mut capture, 0, PSH, &frame(0x01, b""));
    let empty = frame(0x00, b"").repeat(20_000);
    for _ in 0..200 {
        connection.send(&mut capture, 0, PSH, &empty);
    }
    connection.send(&mut capture, 0, PSH, &frame(0x80, &options(1)));
    let run = run(&capture);
    assert_eq!(run.messages(), 1);
    assert!(run.peak_mib < 60, "{} MiB", run.peak_mib);
    // All clients were A's neighbours.
    assert_ne!(client(0).0, A);
}

fn chunk(kind: u16, content: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 0];
    out.extend(kind.to_be_bytes());
    out.extend((6 + content.len() as u16).to_be_bytes());
    out.extend(content);
    out
}

/// A HEP 3 packet that says it carries SIP.
fn hep(payload: &[u8]) -> Vec<u8> {
    let chunks = [
        chunk(1, &[2]),
        chunk(2, &[17]),
        chunk(3, &A),
        chunk(4, &B),
        chunk(7, &5060u16.to_be_bytes()),
        chunk(8, &5060u16.to_be_bytes()),
        chunk(11, &[1]),
        chunk(15, payload),
    ]
    .concat();
    let mut out = b"HEP3".to_vec();
    out.extend((6 + chunks.len() as u16).to_be_bytes());
    out.extend(chunks);
    out
}

fn datagrams(payloads: &[Vec<u8>]) -> Run {
    let mut capture = Capture::default();
    for payload in payloads {
        capture.add(&compose::udp(9060, 9060, payload));
    }
    run(&capture)
}

fn named(what: &str, count: u64, frame: u64) -> (String, u64, u64) {
    (what.to_owned(), count, frame)
}

#[test]
fn hep_that_says_sip_and_holds_none_is_counted_by_sender() {
    let run = datagrams(&[hep(b"no SIP at all"), hep(&options(1)), hep(b"\r\n\r\n")]);
    assert_eq!(run.messages(), 1);
    assert_eq!(run.skipped(), [named("HEP from 192.0.2.1", 2, 1)]);
    // Inflated, as well.
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(b"no SIP at all").unwrap();
    let mut packet = hep(&packed.finish().unwrap());
    let kind = packet
        .windows(6)
        .position(|c| c.starts_with(&[0, 0, 0, 15]))
        .unwrap()
        + 3;
    packet[kind] = 16;
    assert_eq!(
        datagrams(&[packet]).skipped(),
        [named("HEP from 192.0.2.1", 1, 1)]
    );
}

#[test]
fn hep_in_hep_is_opened_to_a_depth() {
    let deep = |depth: usize| (0..depth).fold(options(1), |inner, _| hep(&inner));
    let run = datagrams(&[deep(1), deep(2), deep(16), deep(17)]);
    assert_eq!(run.messages(), 3);
    assert_eq!(run.skipped(), [named("deep nesting", 1, 4)]);
}

/// HEP packets over TCP, in one piece and octet by octet: messages, what was passed over.
fn hep_stream(stream: &[u8]) -> (u64, Vec<(String, u64)>) {
    let once = |size: usize| {
        let mut capture = Capture::default();
        let mut connection = Connection::new(0, 9060);
        for part in stream.chunks(size) {
            connection.send(&mut capture, 0, PSH, part);
        }
        let run = run(&capture);
        let skipped = run.skipped().into_iter();
        (run.messages(), skipped.map(|s| (s.0, s.1)).collect())
    };
    let whole = once(60_000);
    assert_eq!(once(7), whole);
    whole
}

#[test]
fn a_wrong_length_in_a_hep_stream_costs_no_other_packet() {
    let stream = |wrong: &[u8]| {
        let mut stream: Vec<u8> = (0..20).flat_map(|n| hep(&options(n))).collect();
        stream.extend(wrong);
        stream.extend((21..400).flat_map(|n| hep(&options(n))));
        hep_stream(&stream)
    };
    let malformed = |count| vec![("malformed HEP from 10.0.0.0".to_owned(), count)];
    // The total length: too long by much or little, to behind the end of the stream, below its own
    // header, short. What is in it is shown where it can be.
    let good = hep(&options(20));
    let total = |stated: u16| {
        let mut wrong = good.clone();
        wrong[4..6].copy_from_slice(&stated.to_be_bytes());
        wrong
    };
    let true_length = good.len() as u16;
    for stated in [65_535, 3000, true_length + 1, true_length + 700] {
        assert_eq!(stream(&total(stated)), (400, malformed(1)), "{stated}");
    }
    for stated in [0, 5, 6, 20, true_length - 1] {
        let (messages, skipped) = stream(&total(stated));
        assert!(messages >= 399, "{stated}: {messages}");
        assert_eq!(skipped, malformed(1), "{stated}");
    }
    // The length of a chunk: that of the payload, and one before it.
    for (at, stated) in [(67, 65_535_u16), (67, 0), (10, 3000), (10, 3)] {
        let mut wrong = good.clone();
        wrong[at..at + 2].copy_from_slice(&stated.to_be_bytes());
        let (messages, skipped) = stream(&wrong);
        assert!(messages >= 399, "{at}: {messages}");
        assert_eq!(skipped, malformed(1), "{at} {stated}");
    }
    // The last packet lies.
    let mut stream: Vec<u8> = (0..20).flat_map(|n| hep(&options(n))).collect();
    stream.extend(total(9000));
    assert_eq!(hep_stream(&stream), (21, malformed(1)));
    // Octets between packets.
    let junk = [
        hep(&options(1)),
        b"something else".to_vec(),
        hep(&options(2)),
    ]
    .concat();
    let between = vec![("HEP stream from 10.0.0.0".to_owned(), 1)];
    assert_eq!(hep_stream(&junk), (2, between));
}

fn sctp(chunks: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for word in [5060u16, 5060, 0, 7, 0, 0] {
        out.extend(word.to_be_bytes());
    }
    out.extend(chunks);
    compose::ipv4(132, 0, 0, A, B, &out)
}

#[test]
fn sctp_chunks_with_impossible_lengths_are_counted() {
    let data = |tsn: u8, length: Option<u16>| {
        let text = options(u32::from(tsn));
        let length = length.unwrap_or(16 + text.len() as u16);
        let mut out = vec![0, 3];
        out.extend(length.to_be_bytes());
        out.extend([0, 0, 0, tsn, 0, 0, 0, 0, 0, 0, 0, 0]);
        out.extend(text);
        out
    };
    let mut capture = Capture::default();
    capture.add(&sctp(&data(1, None)));
    for (tsn, length) in [(2, 0), (3, 3), (4, 15)] {
        capture.add(&sctp(&data(tsn, Some(length))));
    }
    // A chunk of another kind that has no length, too.
    capture.add(&sctp(&[&[6, 0, 0, 0][..], &data(5, None)].concat()));
    // Zeros behind the last chunk are padding.
    capture.add(&sctp(&[&data(6, None)[..], &[0; 12]].concat()));
    let run = run(&capture);
    assert_eq!(run.messages(), 2);
    assert_eq!(run.skipped(), [named("SCTP chunk", 4, 2)]);
}

#[test]
fn unfinished_sctp_messages_and_fragments_have_a_bound() {
    // 200,000 of the smallest, each of a message of its own: without bounds these take hundreds of MiB.
    let mut capture = Capture::default();
    for number in 0..200_000u32 {
        let mut chunk = vec![0, 2, 0, 17];
        chunk.extend((number * 3).to_be_bytes());
        chunk.extend([0, 0, 0, 0, 0, 0, 0, 0, b'O', 0, 0, 0]);
        capture.add_after(0, &sctp(&chunk));
    }
    let run_sctp = run(&capture);
    assert!(run_sctp.peak_mib < 90, "{} MiB", run_sctp.peak_mib);
    let [(what, count, _)] = &run_sctp.skipped()[..] else {
        panic!("{:?}", run_sctp.skipped());
    };
    assert_eq!((what.as_str(), *count), ("SCTP message", 200_000));

    let mut capture = Capture::default();
    for number in 0..200_000u32 {
        let [_, _, high, low] = number.to_be_bytes();
        let src = [10, (number >> 16) as u8, 0, 1];
        let id = u16::from_be_bytes([high, low]);
        capture.add_after(0, &compose::ipv4(17, id, 0x2000, src, B, &[0; 8]));
    }
    let run_ip = run(&capture);
    assert!(run_ip.peak_mib < 70, "{} MiB", run_ip.peak_mib);
    assert_eq!(
        run_ip.skipped(),
        [named("incomplete IP datagram", 200_000, 0)]
    );
}

#[test]
fn segments_behind_holes_have_a_bound() {
    let mut capture = Capture::default();
    for number in 0..200_000 {
        let mut connection = Connection::new(number, 5060);
        capture.add_after(
            0,
            &tcp_from(connection.client, connection.server, 0, SYN, b""),
        );
        connection.next[0] = 100;
        capture.add_after(
            0,
            &tcp_from(connection.client, connection.server, 100, PSH, b"x"),
        );
    }
    let run = run(&capture);
    assert!(run.peak_mib < 230, "{} MiB", run.peak_mib);
    let skipped = run.skipped();
    assert!(
        skipped.iter().any(|s| s.0 == "reassembly limit"),
        "{skipped:?}"
    );
}

#[test]
fn kinds_and_senders_are_told_apart_up_to_a_number() {
    let mut capture = Capture::default();
    for number in 0..3000u32 {
        let src = ([10, 0, (number >> 8) as u8, number as u8], 9060);
        capture.add(&compose::udp_from(src, (B, 9060), 0, &hep(b"nothing")));
    }
    let skipped = run(&capture).skipped();
    assert_eq!(skipped.len(), 1001);
    assert!(skipped.contains(&named("HEP from 10.0.3.231", 1, 1000)));
    assert!(skipped.contains(&named("other kinds", 2000, 1001)));
}
