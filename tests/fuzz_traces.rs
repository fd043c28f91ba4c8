//! Text traces and containers that lie: bounded, linear, never a panic. Fixed seeds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use sipscope::source::{CaptureFile, FileInfo};

mod common;

/// Reads all of it: number of frames, octets of the messages, and what is said of the file.
fn read(bytes: Vec<u8>) -> Option<(usize, usize, FileInfo)> {
    let mut file = CaptureFile::from_bytes(bytes, "trace").ok()?;
    let (mut frames, mut octets) = (0, 0);
    while let Some(chunk) = file.next_chunk(1 << 16) {
        for frame in &chunk.frames {
            let data = frame.of(&chunk);
            assert_eq!(data.len(), frame.captured as usize);
            frames += 1;
            octets += data.len();
        }
        for (index, _) in &chunk.notes {
            assert!((*index as usize) < chunk.frames.len());
        }
    }
    Some((frames, octets, file.into_info()))
}

struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % below.max(1)
    }
}

const MESSAGE: &str = "OPTIONS sip:b@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;\
    branch=z9hG4bK1\r\nFrom: <sip:a@example.com>;tag=1\r\nTo: <sip:b@example.com>\r\n\
    Call-ID: 1@192.0.2.1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

/// Lines that announce a message, one of each format.
const FRAMINGS: &[&str] = &[
    "<--- SIP read from UDP:192.0.2.1:5060 --->\n",
    "<--- Transmitting SIP response (510 bytes) to TLS:192.0.2.1:5061 --->\n",
    "recv 1745 bytes from udp/[192.0.2.1]:5060 at 02:05:50.220956:\n",
    "13:00:18.392 pjsua_core.c .TX 1675 bytes Request msg OPTIONS/cseq=1 (tdta0x1) to UDP 192.0.2.1:5060:\n",
    "----------------------------------------------- 2026-11-20 22:13:16.236475\nUDP message sent (576 bytes):\n\n",
    "2024/11/19 16:01:35.861404 192.0.2.1:6660 -> 192.0.2.2:6660\n",
    "U 2024/11/19 16:01:35.861404 192.0.2.1:6660 -> 192.0.2.2:6660\n",
    "Mar  6 13:34:49.416 On [6:0]192.0.2.1:5060 received from 192.0.2.2:5060\n",
    "00:11:29: //-1/xxxxxxxxxxxx/SIP/Msg/ccsipDisplayMsg:\nSent:\n",
    "01382866.006 |12:52:49.858 |AppInfo  |SIPTcp - wait_SdlReadRsp: Incoming SIP TCP message from 192.0.2.1 on port 5060 index 1 with 9 bytes:\n[1,NET]\n",
    "<133>[S=1] [SID=a:1:2] (N  1) ---- Incoming SIP Message from 192.0.2.1:5060 to SIPInterface #2 (N) TLS TO(#1) SocketID(2) ---- #012",
    "TL_INFO(TF_PROTOCOL) [0]0F80.1A4C::11/15/2012-23:47:22.467.0000 (S,C::F:f.cpp(1))$$begin_record\nDirection: incoming\nPeer: 192.0.2.1:5060\nStart-Line: ",
    "16:01:35.861404 IP 192.0.2.1.5060 > 192.0.2.2.5060: SIP: OPTIONS\nE..v....",
    "\t0x0000:  4500 0030 0000 4000 4011 0000 c000 0201\n",
    "Frame 1: 506 bytes on wire\nInternet Protocol Version 4, Src: 192.0.2.1, Dst: 192.0.2.2\n",
    "+---------+---------------+----------+\n06:37:22,150,251   ETHER\n|0   |00|90|8f|0a|\n",
];

#[test]
fn damaged_texts_of_all_formats_are_read_without_panic() {
    let mut seeds: Vec<Vec<u8>> = FRAMINGS
        .iter()
        .map(|framing| format!("{framing}{MESSAGE}\n{framing}{MESSAGE}").into_bytes())
        .collect();
    if let Some(folder) = common::corpus("traces") {
        let files = std::fs::read_dir(folder).unwrap().flatten();
        let mut files: Vec<_> = files.map(|f| f.path()).collect();
        files.sort();
        seeds.extend(files.iter().filter_map(|f| std::fs::read(f).ok()));
    }
    for name in ["derived-snoop.snoop", "derived-netmon2.cap"] {
        seeds.extend(
            common::corpus(&format!("captures/{name}")).and_then(|f| std::fs::read(f).ok()),
        );
    }
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let begin = Instant::now();
    let mut rounds = 0;
    while rounds < 400 && begin.elapsed() < Duration::from_secs(4) {
        let mut bytes = seeds.get(rounds % seeds.len()).unwrap().clone();
        bytes.truncate(20_000);
        for _ in 0..=random.next(8) {
            let at = random.next(bytes.len());
            let len = random.next(40).min(bytes.len() - at);
            match random.next(4) {
                0 => drop(bytes.drain(at..at + len)),
                1 => bytes[at] = random.next(256) as u8,
                2 => {
                    let part = bytes[at..at + len].to_vec();
                    let to = random.next(bytes.len());
                    bytes.splice(to..to, part);
                }
                _ => bytes.truncate(at.max(1)),
            }
            if bytes.is_empty() {
                bytes.push(b'x');
            }
        }
        let before = bytes.len();
        if let Some((_, octets, _)) = read(bytes) {
            // What is put back is a line end here and there.
            assert!(octets <= before * 3 + 4096, "{octets} out of {before}");
        }
        rounds += 1;
    }
    assert!(rounds > 20, "{rounds}");
}

#[test]
fn every_framing_gives_its_messages() {
    // Those that are no text in front of a message as it stands: trees and dumps.
    let trees = ["\t0x0000", "Frame 1", "+----"];
    for framing in FRAMINGS {
        if trees.iter().any(|t| framing.starts_with(t)) {
            continue;
        }
        let text = format!("{framing}{MESSAGE}\n{framing}{MESSAGE}\n");
        let (frames, _, info) = read(text.into_bytes()).expect("a trace");
        assert_eq!(frames, 2, "{framing} {:?}", info.skipped);
    }
}

#[test]
fn a_line_of_16_mib_is_passed_over() {
    let mut text = MESSAGE.as_bytes().to_vec();
    text.extend(std::iter::repeat_n(b'x', 16 << 20));
    text.extend_from_slice(b"\n\n");
    text.extend_from_slice(MESSAGE.as_bytes());
    let begin = Instant::now();
    let (frames, octets, _) = read(text).expect("a trace");
    assert_eq!(frames, 2);
    assert!(octets < 20 << 20);
    assert!(
        begin.elapsed() < Duration::from_secs(20),
        "{:?}",
        begin.elapsed()
    );
}

#[test]
fn encodings_are_read_and_garbage_is_refused() {
    for big in [false, true] {
        let text = format!("\u{feff}{MESSAGE}");
        let units = text.encode_utf16();
        let bytes = units.flat_map(|u| {
            if big {
                u.to_be_bytes()
            } else {
                u.to_le_bytes()
            }
        });
        let (frames, _, _) = read(bytes.collect()).expect("UTF-16");
        assert_eq!(frames, 1, "big-endian: {big}");
    }
    let latin = [b"Stra\xdfe \xfcber\n".as_slice(), MESSAGE.as_bytes()].concat();
    assert_eq!(read(latin).expect("Latin-1").0, 1);
    let mut random = Random(7);
    let garbage: Vec<u8> = (0..200_000).map(|_| random.next(256) as u8).collect();
    let error = CaptureFile::from_bytes(garbage, "x")
        .err()
        .expect("an error");
    assert!(error.to_string().contains("not a capture"), "{error}");
    assert!(CaptureFile::from_bytes(b"plain words\n".repeat(100_000), "x").is_err());
}
