//! Smoke fuzzing of what carries packets and messages: tunnels, HEP, SCTP, ICMP. Fixed seeds; nothing
//! may panic, hang or grow, and hostile input takes time in proportion to its size.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod compose;
mod random;

use std::io::Write as _;
use std::time::Instant;

use compose::Capture;
use random::Random;
use sipscope::bytes::Extent;
use sipscope::ingest::{Loaded, Options, load_open};
use sipscope::packet::sctp::{Associations, MAX_HELD_OCTETS};
use sipscope::packet::{self, Payload, hep, icmp};
use sipscope::source::CaptureFile;

const OPTIONS: &[u8] =
    b"OPTIONS sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\n\
From: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\
Content-Length: 0\r\n\r\n";

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..random.below(5) {
        if bytes.is_empty() {
            return;
        }
        let at = random.below(bytes.len());
        match random.below(4) {
            0 => bytes[at] = random.next() as u8,
            1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes.truncate(at),
            _ => bytes.insert(at, random.next() as u8),
        }
    }
}

fn ethernet(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 12];
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

fn before(head: &[u8], payload: &[u8]) -> Vec<u8> {
    [head, payload].concat()
}

fn ip(protocol: u8, payload: &[u8]) -> Vec<u8> {
    compose::ipv4(protocol, 0, 0, compose::A, compose::B, payload)
}

/// Puts an IP packet into one more encapsulation; the result is an IP packet again.
fn wrap(random: &mut Random, inner: &[u8]) -> Vec<u8> {
    let frame = ethernet(0x0800, inner);
    match random.below(16) {
        0 => ip(4, inner),
        1 => ip(47, &before(&[0, 0, 8, 0], inner)),
        2 => {
            let head = [0xb0, 0, 8, 0, 1, 2, 0, 0, 0, 0, 0, 5, 0, 0, 0, 9];
            ip(47, &before(&head, inner))
        }
        3 => ip(47, &before(&[0, 0, 0x65, 0x58], &frame)),
        4 => {
            let head = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 5, 0, 30, 0, 0, 0, 0];
            ip(47, &before(&head, &frame))
        }
        5 => {
            let mut head = vec![0x10, 0, 0x22, 0xeb, 0, 0, 0, 1];
            head.extend_from_slice(&[0x20, 5, 0, 30, 0, 0, 0, 0, 0, 0, 0, random.next() as u8 & 1]);
            if head[19] == 1 {
                head.extend_from_slice(&[0; 8]);
            }
            ip(47, &before(&head, &frame))
        }
        6 => ip(97, &before(&[0x30, 0], &frame)),
        7 => ip(115, &before(&[0, 0, 0, 7], &frame)),
        8 => ip(137, &before(&[0, 0x7d, 1, 63], inner)),
        9 => compose::udp(40_000, 4789, &before(&[8, 0, 0, 0, 0, 1, 0, 0], &frame)),
        10 => {
            let len = (inner.len() as u16 + 8).to_be_bytes();
            let head = [
                0x34, 255, len[0], len[1], 0, 0, 0, 9, 0, 1, 0, 0x85, 1, 0, 5, 0,
            ];
            compose::udp(2152, 2152, &before(&head, inner))
        }
        11 => {
            let head = [0, 2, 0, 11, 0, 22, 0xff, 3, 0, 0x21];
            compose::udp(1701, 1701, &before(&head, inner))
        }
        12 => {
            let head = [0, 0, 0x65, 0x58, 0, 0, 7, 0];
            compose::udp(40_000, 6081, &before(&head, &frame))
        }
        13 => {
            let mut esp = before(&[0, 0, 16, 1, 0, 0, 0, 1], inner);
            esp.extend_from_slice(&[1, 2, 2, 4]);
            esp.extend_from_slice(&[0xcc; 12]);
            if random.below(2) == 0 {
                ip(50, &esp)
            } else {
                compose::udp(4500, 4500, &esp)
            }
        }
        14 => {
            let head = [1, 0, 0, 1, 10, 1, 48, 1];
            compose::udp(40_000, 37_008, &before(&head, &frame))
        }
        _ => compose::udp(40_000, 6635, &before(&[0, 0x7d, 1, 63], inner)),
    }
}

/// Dissects a frame as far as it goes, and describes it; both have to pass the same layers.
fn open_all(link: u16, frame: &[u8]) -> bool {
    let nodes = packet::describe(link, frame, frame.len());
    for node in &nodes {
        let fields = node.fields.iter().map(|field| field.span);
        for span in fields.chain([node.span]) {
            assert!(span.start <= span.end && span.end as usize <= frame.len());
        }
    }
    let Ok(mut packet) = packet::dissect(link, frame, frame.len() as u32) else {
        return false;
    };
    while let Some(opened) = packet::open_udp(&packet) {
        match opened {
            Ok(inner) => packet = inner,
            Err(_) => break,
        }
    }
    assert!(packet.layers.tunnels() <= packet::MAX_TUNNELS);
    let passed: Vec<_> = packet.layers.iter().collect();
    if passed.len() < 15 {
        let described: Vec<_> = nodes.iter().map(|node| node.layer).collect();
        assert!(described.starts_with(&passed), "{described:?} {passed:?}");
    }
    if let Payload::Icmp { data, v6 } = packet.payload {
        icmp::error(data, v6);
    }
    matches!(packet.payload, Payload::Udp { data, .. } if data == OPTIONS)
}

#[test]
fn any_nesting_of_tunnels_is_opened_or_refused() {
    let mut random = Random(0x7a11);
    let (mut whole, mut found, mut refused) = (0, 0, 0);
    for _ in 0..50_000 {
        let mut packet = compose::udp(5060, 5060, OPTIONS);
        let depth = random.below(20);
        for _ in 0..depth {
            packet = wrap(&mut random, &packet);
        }
        let untouched = random.below(2) == 0;
        if !untouched {
            mutate(&mut random, &mut packet);
        }
        let (link, frame) = if random.below(2) == 0 {
            (101, packet)
        } else {
            (1, ethernet(0x0800, &packet))
        };
        let reached = open_all(link, &frame);
        if untouched && depth <= 16 {
            whole += 1;
            found += u32::from(reached);
        } else if untouched {
            refused += u32::from(!reached);
            assert!(!reached, "{depth} tunnels");
        }
    }
    assert_eq!(whole, found);
    assert!(found > 15_000 && refused > 2_000, "{found} {refused}");
}

#[test]
fn links_and_tags_without_end_are_refused() {
    // As long as a packet can be: a recursion would not come back from this.
    let cases = [
        [0x81u8, 0, 0, 1].repeat(4 << 18),
        [0x88, 0x47, 0, 0, 1, 63].repeat(1 << 20),
        [0, 8, 0xaa, 0xaa, 3, 0, 0, 0, 0x81, 0, 0, 1].repeat(1 << 18),
        [0x88, 0xe7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].repeat(1 << 18),
        [0x88, 0x47, 0, 0, 0x10, 63].repeat(1 << 20),
        [0x89, 0x26, 0, 0, 0, 0].repeat(1 << 20),
        [0x89, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].repeat(1 << 18),
    ];
    for case in cases {
        assert!(!open_all(1, &before(&[0; 12], &case)));
    }
    let mut header = Vec::new();
    for _ in 0..3000 {
        header.extend_from_slice(&[
            0x45, 0, 0, 0, 0, 0, 0, 0, 64, 4, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2,
        ]);
    }
    assert!(!open_all(101, &header));
    let authentication = [51u8, 0, 0, 0, 0, 0, 0, 0].repeat(1 << 16);
    assert!(!open_all(101, &ip(51, &authentication[..60_000])));
}

fn chunk(kind: u16, content: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 0];
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&(content.len() as u16 + 6).to_be_bytes());
    out.extend_from_slice(content);
    out
}

fn hep3(payload_kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, content) in [
        (1, &[2u8][..]),
        (2, &[17]),
        (3, &[192, 0, 2, 1]),
        (4, &[192, 0, 2, 2]),
        (7, &[0x13, 0xc4]),
        (8, &[0x13, 0xc4]),
        (9, &[0x65, 0, 0, 0]),
        (10, &[0, 0, 0, 5]),
        (11, &[1]),
        (12, &[0, 0, 0, 9]),
        (payload_kind, payload),
    ] {
        body.extend(chunk(kind, content));
    }
    let mut out = b"HEP3".to_vec();
    out.extend_from_slice(&(body.len() as u16 + 6).to_be_bytes());
    out.extend(body);
    out
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn any_hep_is_read_or_named() {
    let mut random = Random(0x4e9);
    let packed = zlib(OPTIONS);
    let (mut good, mut bad) = (0, 0);
    for _ in 0..50_000 {
        let mut data = match random.below(4) {
            0 => hep3(15, OPTIONS),
            1 => hep3(16, &packed),
            2 => before(
                &[
                    1, 16, 2, 17, 0x13, 0xc4, 0x13, 0xc4, 192, 0, 2, 1, 192, 0, 2, 2,
                ],
                OPTIONS,
            ),
            _ => before(
                &[
                    2, 16, 2, 17, 0x13, 0xc4, 0x13, 0xc4, 192, 0, 2, 1, 192, 0, 2, 2, 1, 2, 3, 4,
                    5, 6, 0, 0, 7, 0, 0, 0,
                ],
                OPTIONS,
            ),
        };
        mutate(&mut random, &mut data);
        if let Some(read) = hep::read(&data) {
            match read {
                Ok(hep) => {
                    good += 1;
                    if hep.packed {
                        let inflated = hep::inflate(hep.payload).unwrap_or_default();
                        assert!(inflated.len() <= hep::MAX_INFLATED);
                    }
                }
                Err(fault) => {
                    bad += 1;
                    assert!(!fault.words().is_empty());
                }
            }
        }
        open_all(101, &compose::udp(9060, 9060, &data));
    }
    assert!(good > 30_000 && bad > 500, "{good} {bad}");
}

#[track_caller]
fn load(capture: &Capture) -> Loaded {
    let file = CaptureFile::from_bytes(capture.bytes(), "fuzz").expect("a capture");
    let loaded = load_open(vec![("fuzz".into(), file)], &Options::default());
    let skipped = &loaded.files[0].skipped;
    assert!(
        !skipped.iter().any(|s| s.what == "internal error"),
        "{skipped:?}"
    );
    loaded
}

#[test]
fn what_hep_lies_about_is_counted_by_kind_and_sender() {
    let mut capture = Capture::default();
    let mut add = |data: &[u8]| capture.add(&compose::udp(9060, 9060, data));
    // A hundred megabytes of nothing, ten times over.
    let bomb = zlib(&vec![b' '; 40 << 20]);
    for part in bomb.chunks(60_000) {
        add(&hep3(16, part));
    }
    add(&hep3(16, b"this is not compressed"));
    let mut longer = hep3(15, OPTIONS);
    longer[5] = longer[5].wrapping_add(50);
    add(&longer);
    let mut short_chunk = hep3(15, OPTIONS);
    short_chunk[11] = 3;
    add(&short_chunk);
    add(b"HEP3\xff\xff");
    add(&hep3(15, OPTIONS));
    let loaded = load(&capture);
    // The one that is right, and the one that states too many octets.
    assert_eq!(loaded.view.messages().len(), 2);
    let words: Vec<String> = loaded.files[0]
        .skipped
        .iter()
        .map(|s| format!("{} x {}: {}", s.count, s.what, s.why))
        .collect();
    for kind in [
        "larger than 1 MiB",
        "cannot be inflated",
        "more octets",
        "a chunk is shorter",
    ] {
        let found = words
            .iter()
            .any(|w| w.contains("from 192.0.2.1") && w.contains(kind));
        assert!(found, "{kind} is not in {words:#?}");
    }
}

/// An SCTP packet with one DATA chunk.
fn sctp(tsn: u32, flags: u8, data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x13, 0xc4, 0x13, 0xc4, 0, 0, 0, 1, 0, 0, 0, 0, 0, flags];
    out.extend_from_slice(&(data.len() as u16 + 16).to_be_bytes());
    out.extend_from_slice(&tsn.to_be_bytes());
    out.extend_from_slice(&[0, 1, 0, 2, 0, 0, 0, 0]);
    out.extend_from_slice(data);
    out.resize(out.len().next_multiple_of(4), 0);
    ip(132, &out)
}

#[test]
fn any_order_of_sctp_chunks_is_survived() {
    let mut random = Random(0x5c79);
    let mut inputs = 0;
    let mut messages = 0;
    while inputs < 50_000 {
        let mut capture = Capture::default();
        let base = random.next() as u32;
        let mut packets = Vec::new();
        for n in 0..30 {
            let start = 1000 * n;
            let cut = 1 + random.below(OPTIONS.len() - 1);
            if random.below(2) == 0 {
                packets.push(sctp(base.wrapping_add(start), 3, OPTIONS));
            } else {
                packets.push(sctp(base.wrapping_add(start), 2, &OPTIONS[..cut]));
                packets.push(sctp(base.wrapping_add(start + 1), 1, &OPTIONS[cut..]));
            }
        }
        for _ in 0..random.below(30) {
            let (a, b) = (random.below(packets.len()), random.below(packets.len()));
            packets.swap(a, b);
            let again = packets[a].clone();
            packets.push(again);
        }
        for packet in &mut packets {
            if random.below(6) == 0 {
                mutate(&mut random, packet);
            }
            capture.add_after(random.below(100_000) as u64, packet);
            inputs += 1;
        }
        let loaded = load(&capture);
        for row in loaded.view.messages().iter() {
            let extents = loaded.view.extents(row);
            let octets = loaded.bytes.read_all(&extents).expect("its bytes");
            assert_eq!(octets.len(), row.len as usize);
        }
        messages += loaded.view.messages().len();
    }
    assert!(messages > 10_000, "only {messages} messages came through");
}

#[test]
fn a_million_tiny_sctp_fragments_cost_time_in_proportion_and_bounded_memory() {
    let frame = sctp(0, 0, b"x");
    let first = packet::dissect(101, &frame, 0).unwrap();
    let way = (first.addressing, first.layers);
    let extent = Extent {
        offset: 0,
        time: 0,
        len: 1,
        frame: 1,
        head: 0,
        file: 0,
    };
    let count = 1_000_000u32;
    for order in ["forwards", "backwards", "with holes"] {
        let begin = Instant::now();
        let mut all = Associations::default();
        for n in 0..count {
            let tsn = match order {
                "forwards" => n,
                "backwards" => count - n,
                _ => n * 2,
            };
            let chunk = packet::sctp::Data {
                tsn,
                stream: 1,
                message: 1,
                begins: false,
                ends: false,
                unordered: false,
                data: b"x",
                cut: false,
            };
            let whole = all.push(way, 7, &chunk, 0, &[extent], i64::from(n));
            assert!(whole.is_none());
            assert!(all.held() <= MAX_HELD_OCTETS);
        }
        let took = begin.elapsed();
        assert!(took.as_secs() < 30, "{order}: {took:?}");
        assert!(all.dropped > 0, "{order}");
    }
}

#[test]
fn a_quoted_message_is_tied_to_the_one_that_was_sent() {
    let from = |src: ([u8; 4], u16), dst: ([u8; 4], u16), data: &[u8]| {
        compose::udp_from(src, dst, 7, data)
    };
    let (a, b) = ((compose::A, 5060), (compose::B, 5060));
    let second = String::from_utf8(OPTIONS.to_vec())
        .unwrap()
        .replace("z9hG4bKa", "z9hG4bKb")
        .replace("CSeq: 1", "CSeq: 2");
    let quote = |original: &[u8], len: usize, kind: u8, code: u8| {
        let mut icmp = vec![kind, code, 0, 0, 0, 0, 0, 0];
        icmp.extend_from_slice(&original[..len.min(original.len())]);
        compose::ipv4(1, 0, 0, [203, 0, 113, 9], compose::A, &icmp)
    };
    for quoted in [28, 60, 150, 1500] {
        let (one, two) = (from(a, b, OPTIONS), from(a, b, second.as_bytes()));
        let mut capture = Capture::default();
        capture.add(&one);
        capture.add(&two);
        capture.add(&quote(&one, quoted, 11, 0));
        // A quote that belongs to nobody here.
        capture.add(&quote(&from(b, a, OPTIONS), quoted, 3, 3));
        let loaded = load(&capture);
        assert_eq!(loaded.view.messages().len(), 2, "a quotation is no message");
        let error = |n: usize| {
            let id = sipscope::index::ids::MessageId::at(n);
            loaded.view.icmp().of_message(id).copied()
        };
        // Both are equally long: where the quote ends before the branch, the newer one is meant.
        let (hit, other) = if quoted < 150 { (1, 0) } else { (0, 1) };
        let found = error(hit).unwrap_or_else(|| panic!("{quoted} octets"));
        assert_eq!((found.kind, found.code, found.frame.1), (11, 0, 3));
        assert_eq!(found.words(), "time to live exceeded");
        assert_eq!(error(other), None);
    }
}

#[test]
fn equal_addresses_in_two_networks_are_kept_apart() {
    let in_network = |network: u8, packet: &[u8]| {
        let frame = ethernet(0x0800, packet);
        compose::udp(
            40_000,
            4789,
            &before(&[8, 0, 0, 0, 0, 0, network, 0], &frame),
        )
    };
    let other = String::from_utf8(OPTIONS.to_vec())
        .unwrap()
        .replace("Call-ID: x", "Call-ID: y")
        .replace("z9hG4bKa", "z9hG4bKb");
    let datagrams = [OPTIONS, other.as_bytes()].map(|m| compose::udp_payload(5060, 5060, m));
    let mut capture = Capture::default();
    // The same addresses and the same identification, one fragment of each in turn.
    for at in [0, 64] {
        for (network, whole) in (1..).zip(&datagrams) {
            let part = whole.get(at..).unwrap();
            let part = if at == 0 { &part[..64] } else { part };
            let fragment = compose::fragment(false, 77, at, at == 0, part);
            capture.add(&in_network(network, &fragment));
        }
    }
    let loaded = load(&capture);
    let ids: Vec<String> = loaded
        .view
        .messages()
        .iter()
        .map(|row| {
            let octets = loaded.bytes.read_all(&loaded.view.extents(row)).unwrap();
            let text = String::from_utf8(octets).unwrap();
            let (_, id) = text.split_once("Call-ID: ").unwrap();
            id[..1].to_owned()
        })
        .collect();
    assert_eq!(ids, ["x", "y"]);
}

#[test]
fn quoted_media_is_tied_to_its_addresses() {
    let rtp = |seq: u8| {
        let mut out = vec![0x80, 0, 0, seq, 0, 0, 0, seq, 1, 2, 3, 4];
        out.extend_from_slice(&[0x55; 20]);
        compose::udp(4000, 4002, &out)
    };
    let mut capture = Capture::default();
    for seq in 0..5 {
        capture.add(&rtp(seq));
    }
    let mut icmp = vec![3, 3, 0, 0, 0, 0, 0, 0];
    icmp.extend_from_slice(&rtp(4));
    capture.add(&compose::ipv4(1, 0, 0, compose::B, compose::A, &icmp));
    capture.add(&compose::ipv4(1, 0, 0, compose::B, compose::A, &icmp));
    let loaded = load(&capture);
    let streams = loaded.view.streams();
    assert_eq!(streams.len(), 1);
    let stream = &streams[0];
    let error = loaded.view.icmp().of_media(stream.src.unwrap(), stream.dst);
    let error = error.expect("an error");
    assert_eq!((error.words(), error.count), ("port unreachable", 2));
}
