//! Smoke fuzzing of packets: frames of every link type, fragments and TCP segments with lies in
//! them. Nothing may panic, hang or grow; a caught panic counts as a failure.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod compose;
mod random;

use compose::Capture;
use random::Random;
use sipscope::ingest::{Options, load_open};
use sipscope::packet;
use sipscope::source::CaptureFile;

const LINKS: [u16; 12] = [0, 1, 9, 12, 14, 50, 101, 108, 113, 228, 229, 276];

fn invite(random: &mut Random) -> Vec<u8> {
    let body = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8\r\n";
    format!(
        "INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{}\r\nFrom: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\nCall-ID: {}\r\nCSeq: 1 INVITE\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
        random.below(50),
        random.below(20),
        body.len()
    )
    .into_bytes()
}

fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..random.below(6) {
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

/// Dissects a frame and describes it; both have to pass the same layers.
fn look(link: u16, frame: &[u8], original: u32) {
    let nodes = packet::describe(link, frame, frame.len());
    for node in &nodes {
        let fields = node.fields.iter().map(|field| field.span);
        for span in fields.chain([node.span]) {
            assert!(span.start <= span.end && span.end as usize <= frame.len());
        }
    }
    let Ok(mut packet) = packet::dissect(link, frame, original) else {
        return;
    };
    while let Some(Ok(inner)) = packet::open_udp(&packet) {
        packet = inner;
    }
    assert!(packet.layers.tunnels() <= packet::MAX_TUNNELS);
    let passed: Vec<_> = packet.layers.iter().collect();
    if passed.len() < 15 {
        let described: Vec<_> = nodes.iter().map(|node| node.layer).collect();
        assert!(described.starts_with(&passed), "{described:?} {passed:?}");
    }
}

#[test]
fn any_frame_can_be_dissected() {
    let mut random = Random(0x5eed);
    for _ in 0..50_000 {
        let message = invite(&mut random);
        let mut frame = match random.below(4) {
            0 => compose::udp(5060, 5060, &message),
            1 => compose::tcp(random.next() as u32, 0x18, &message),
            2 => compose::fragment(true, 1, random.below(100) * 8, true, &message),
            _ => compose::fragment(false, 1, random.below(100) * 8, false, &message),
        };
        let link = LINKS[random.below(LINKS.len())];
        let mut head: Vec<u8> = match link {
            1 => vec![0; 12],
            113 => vec![0; 14],
            276 => Vec::new(),
            _ => vec![0, 0, 0, 2],
        };
        if link == 1 || link == 113 {
            for _ in 0..random.below(12) {
                head.extend_from_slice(&[0x81, 0, 0, 7]);
            }
            head.extend_from_slice(&[8, 0]);
        }
        if random.below(2) == 0 {
            head.append(&mut frame);
            frame = head;
        }
        mutate(&mut random, &mut frame);
        let original = frame.len() as u32 + random.below(3) as u32;
        look(link, &frame, original);
    }
}

#[test]
fn any_mixture_of_segments_and_fragments_is_survived() {
    let mut random = Random(0xfeed);
    let mut inputs = 0;
    let mut messages = 0;
    while inputs < 50_000 {
        let mut capture = Capture::default();
        let mut stream = Vec::new();
        for _ in 0..1 + random.below(4) {
            let mut message = invite(&mut random);
            if random.below(3) == 0 {
                mutate(&mut random, &mut message);
            }
            stream.extend_from_slice(&message);
            if random.below(3) == 0 {
                stream.extend_from_slice(b"\r\n\r\n");
            }
        }
        let isn = random.next() as u32;
        for _ in 0..1 + random.below(60) {
            let start = random.below(stream.len());
            let end = (start + random.below(700)).min(stream.len());
            let jump = if random.below(10) == 0 {
                random.next() as u32
            } else {
                0
            };
            let seq = isn.wrapping_add(start as u32).wrapping_add(jump);
            let flags = [0x18, 0x18, 0x18, 0x02, 0x11, 0x04][random.below(6)];
            let mut packet = match random.below(5) {
                0..=2 => compose::tcp(seq, flags, &stream[start..end]),
                3 => {
                    let place = random.below(8000) / 8 * 8;
                    let more = random.below(2) == 0;
                    compose::fragment(
                        random.below(2) == 0,
                        random.below(3) as u16,
                        place,
                        more,
                        &stream[start..end],
                    )
                }
                _ => compose::udp(5060, 5060, &stream[start..end]),
            };
            if random.below(8) == 0 {
                mutate(&mut random, &mut packet);
            }
            // Now and then much time passes, forwards or backwards.
            let micros = if random.below(30) == 0 {
                40_000_000
            } else {
                random.below(2_000_000) as u64
            };
            capture.add_after(micros, &packet);
            inputs += 1;
        }
        let file = CaptureFile::from_bytes(capture.bytes(), "fuzz").expect("a capture");
        let options = Options {
            threads: 1,
            ..Options::default()
        };
        let loaded = load_open(vec![("fuzz".into(), file)], &options);
        let skipped = &loaded.files[0].skipped;
        assert!(
            !skipped.iter().any(|s| s.what == "internal error"),
            "{skipped:?}"
        );
        for (index, row) in loaded.view.messages().iter().enumerate() {
            let bytes = loaded
                .bytes
                .read_all(&loaded.view.extents(row))
                .expect("its bytes");
            assert_eq!(bytes.len(), row.len as usize, "message {index}");
        }
        for (index, _) in loaded.view.calls().iter().enumerate() {
            let call = sipscope::index::ids::CallId::at(index);
            assert!(sipscope::index::call::summary(&loaded.view, call).is_some());
            sipscope::index::dialog::of_call(&loaded.view, call);
        }
        messages += loaded.view.messages().len();
    }
    assert!(
        messages > 4_000,
        "only {messages} messages came through: the inputs are too wild"
    );
}
