//! Smoke fuzzing of what a stream is wrapped in: TLS records, key logs, WebSocket frames. Nothing may
//! panic, hang or grow; the seeds are fixed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod random;

use std::io::Write as _;
use std::path::Path;

use random::Random;
use sipscope::bytes::Extent;
use sipscope::packet::tls::{Connection, Secrets};
use sipscope::packet::websocket::{self, Fault, Half};
use sipscope::packet::{Payload, dissect};
use sipscope::source::{CaptureFile, Chunk, OpenOptions};

const INPUTS: usize = 50_000;

impl Random {
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..self.below(5) {
            if bytes.is_empty() {
                return;
            }
            let at = self.below(bytes.len());
            match self.below(5) {
                0 => bytes[at] = self.next() as u8,
                1 => bytes[at] ^= 1 << self.below(8),
                2 => bytes.truncate(at),
                3 => drop(bytes.drain(at..(at + self.below(40)).min(bytes.len()))),
                _ => bytes.insert(at, self.next() as u8),
            }
        }
    }
}

fn at(frame: u32, len: usize) -> Extent {
    Extent {
        offset: 0,
        time: 0,
        len: u32::try_from(len).unwrap(),
        frame,
        head: 0,
        file: 0,
    }
}

/// The segments of a recording: side, octets.
fn segments(case: &str) -> (Vec<(usize, Vec<u8>)>, Secrets) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls");
    let path = folder.join(format!("{case}.pcap"));
    let mut capture = CaptureFile::open(&path, &OpenOptions::default()).unwrap();
    let mut chunk = Chunk::default();
    let mut out = Vec::new();
    while capture.next_chunk_into(1 << 20, &mut chunk) {
        for frame in &chunk.frames {
            let Ok(packet) = dissect(frame.link_type, frame.of(&chunk), frame.original) else {
                continue;
            };
            if let Payload::Tcp(segment) = packet.payload
                && !segment.data.is_empty()
            {
                let side = usize::from(packet.addressing.src.port == 5061);
                out.push((side, segment.data.to_vec()));
            }
        }
    }
    let mut secrets = Secrets::default();
    secrets.add(&std::fs::read(folder.join(format!("{case}.keylog.txt"))).unwrap());
    (out, secrets)
}

#[test]
fn any_octets_can_be_read_as_tls() {
    let mut random = Random(0x715);
    let mut cases: Vec<_> = [
        "tls13-aes128-gcm",
        "tls13-key-update",
        "tls13-hello-retry",
        "tls12-aes128-gcm",
        "tls12-cbc-sha1",
        "tls12-cbc-sha1-mac-then-encrypt",
        "tls12-null",
        "tls10",
    ]
    .into_iter()
    .map(segments)
    .collect();
    let mut opened = 0u64;
    for _ in 0..INPUTS {
        let which = random.below(cases.len());
        let (segments, secrets) = &mut cases[which];
        let mut connection = Connection::default();
        // Most inputs are damaged once, so that many get far.
        let damaged = random.below(segments.len());
        let mut octets = 0;
        for (index, (side, data)) in segments.iter().enumerate().take(damaged + 3) {
            let mut data = data.clone();
            let side = *side;
            if index == damaged {
                match random.below(8) {
                    0 => connection.gap(side),
                    1 => continue,
                    _ => random.mutate(&mut data),
                }
            }
            octets += data.len();
            let piece = 1 + random.below(data.len().max(1));
            for part in data.chunks(piece) {
                let mut emit = |_: usize, text: &[u8], frames: &[Extent]| {
                    assert!(!frames.is_empty() && text.len() <= data.len() + 20_000);
                };
                connection.push(side, part, at(index as u32, part.len()), secrets, &mut emit);
            }
            assert!(connection.cost() <= 4 * octets + (64 << 10));
        }
        connection.end(0);
        connection.end(1);
        opened += connection.facts.opened.iter().sum::<u64>();
    }
    // The damage has not kept everything from being read.
    assert!(opened > INPUTS as u64 / 10, "{opened}");
}

#[test]
fn any_octets_can_be_read_as_a_key_log() {
    let mut random = Random(0x1096);
    let random_part = "0123456789abcdef".repeat(4);
    let line = format!("CLIENT_RANDOM {random_part} {}\n", "ab".repeat(48));
    let pem = "-----BEGIN RSA PRIVATE KEY-----\nMIIBOgIBAAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8Qu\n-----END RSA PRIVATE KEY-----\n";
    for _ in 0..INPUTS {
        let mut text = line.clone().into_bytes();
        if random.below(4) == 0 {
            text.extend_from_slice(pem.as_bytes());
        }
        random.mutate(&mut text);
        let mut secrets = Secrets::default();
        let added = secrets.add(&text);
        assert_eq!(secrets.len(), added.secrets + added.rsa_keys);
    }
}

/// A frame as clients and servers send it.
fn frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let bit = if mask.is_some() { 0x80 } else { 0 };
    match payload.len() {
        len @ 0..126 => out.push(bit | len as u8),
        len @ 126..=0xffff => {
            out.push(bit | 126);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.push(bit | 127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    let mut payload = payload.to_vec();
    if let Some(mask) = mask {
        out.extend(mask);
        websocket::unmask(&mut payload, mask, 0);
    }
    out.extend(payload);
    out
}

fn deflated(octets: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(octets).unwrap();
    encoder.flush().unwrap();
    let mut out = encoder.get_ref().clone();
    // RFC 7692, 7.2.1: the empty block at the end is left out.
    assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
    out.truncate(out.len() - 4);
    out
}

#[test]
fn any_octets_can_be_read_as_websocket_frames() {
    let mut random = Random(0x6455);
    let text = b"OPTIONS sip:a@example.com SIP/2.0\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n";
    let packed = deflated(text);
    let mut whole = 0;
    for _ in 0..INPUTS {
        let mut stream = Vec::new();
        let mask = (random.below(2) == 0).then(|| (random.next() as u32).to_be_bytes());
        for _ in 0..1 + random.below(4) {
            match random.below(4) {
                0 => stream.extend(frame(0x81, mask, text)),
                1 => {
                    stream.extend(frame(0x01, mask, &text[..20]));
                    stream.extend(frame(0x89, mask, b"ping"));
                    stream.extend(frame(0x80, mask, &text[20..]));
                }
                2 => stream.extend(frame(0xc1, mask, &packed)),
                _ => stream.extend(frame(0x82, mask, &text.repeat(5))),
            }
        }
        if random.below(4) > 0 {
            random.mutate(&mut stream);
        }
        let mut half = Half::new(random.below(2) == 0, true);
        let piece = 1 + random.below(stream.len().max(1));
        for (index, part) in stream.chunks(piece).enumerate() {
            half.push(part, at(index as u32, part.len()), &mut |message| {
                assert!(message.data.len() <= websocket::MAX_MESSAGE);
                assert!(!message.extents.is_empty());
                whole += usize::from(message.data == text);
            });
        }
        // Octets, their places, an inflater: nothing is left out.
        let places = 2 * size_of::<Extent>() * (stream.len() / piece + 8);
        assert!(half.cost() <= 4 * stream.len() + places + (48 << 10));
        websocket::upgrade(&stream);
    }
    assert!(whole > INPUTS / 4, "{whole}");
}

#[test]
fn a_compression_bomb_is_stopped_and_named() {
    let push = |octets: usize, mut half: Half| {
        let bomb = frame(0xc1, None, &deflated(&vec![0; octets]));
        let mut got = 0;
        half.push(&bomb, at(1, bomb.len()), &mut |m| got += m.data.len());
        (half.fault, got)
    };
    assert_eq!(push(3 << 20, Half::new(true, true)), (Some(Fault::Bomb), 0));
    // When told to go on, it is read; yet no message is larger than 4 MiB.
    assert_eq!(push(3 << 20, Half::new(true, false)), (None, 3 << 20));
    assert_eq!(
        push(100 << 20, Half::new(true, false)),
        (Some(Fault::TooLong), 0)
    );
    // Many small messages that grow are a bomb as well.
    let part = frame(0xc1, None, &deflated(&vec![0; 2 << 20]));
    let mut half = Half::new(false, true);
    let mut messages = 0;
    for _ in 0..10_000 {
        half.push(&part, at(1, part.len()), &mut |_| messages += 1);
    }
    assert_eq!(half.fault, Some(Fault::Bomb));
    assert!(messages <= 1, "{messages}");
}

#[test]
fn lying_lengths_hold_no_memory_and_tiny_frames_are_linear() {
    // A frame that claims 2^62 octets, and a handshake that claims 16 MiB.
    let mut lie = vec![0x82, 127];
    lie.extend((1_u64 << 62).to_be_bytes());
    let mut half = Half::new(true, true);
    half.push(&lie, at(1, lie.len()), &mut |_| panic!("no message"));
    for _ in 0..100 {
        let chunk = vec![7; 1 << 20];
        half.push(&chunk, at(2, chunk.len()), &mut |_| panic!("no message"));
    }
    assert!(half.cost() < 1 << 20, "{}", half.cost());

    let mut secrets = Secrets::default();
    let mut connection = Connection::default();
    let mut head = vec![0x16, 3, 1, 0x40, 0, 1, 0xff, 0xff, 0xff];
    head.resize(5 + 0x4000, 0);
    for _ in 0..1000 {
        connection.push(0, &head, at(1, head.len()), &mut secrets, &mut |_, _, _| ());
    }
    assert!(connection.is_over(0));
    assert!(connection.cost() < 1 << 20, "{}", connection.cost());

    // 10^6 fragments of one octet: linear, and cut at 4 MiB of bookkeeping at most.
    let begin = std::time::Instant::now();
    let mut half = Half::new(true, true);
    let mut stream = frame(0x01, None, b"x");
    for _ in 0..1_000_000 {
        stream.extend([0x00, 0x01, b'y']);
    }
    stream.extend(frame(0x80, None, b"z"));
    let mut got = 0;
    for part in stream.chunks(1400) {
        half.push(part, at(1, part.len()), &mut |m| got = m.data.len());
    }
    assert_eq!(got, 1_000_002);
    assert!(begin.elapsed().as_secs() < 10, "{:?}", begin.elapsed());
}
