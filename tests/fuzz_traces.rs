//! Text traces and containers that lie: bounded, linear, never a panic. Fixed seeds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use sipscope::packet::trace::TimeKind;
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
    "[Mar  5 10:11:12] VERBOSE[1234][C-00000001] chan_sip.c: \n<--- SIP read from UDP:192.0.2.1:5060 --->\n",
    "-----------------------------------------------\n2013-04-26\t16:01:25.813123\t1366977685.813123: UDP message sent (576 bytes):\n\n",
    "recv 1745 bytes from udp/[2001:db8::1]:5060 at 2026-05-02 02:05:50.220956:\n",
    "U 2024/11/19 16:01:35.861404 2001:db8::1:6660 -> 2001:db8::2:6660\n",
    "Mar  6 13:34:49.416 On [6:0][2001:db8::1]:5060 received from [2001:db8::2]:5060\n",
    "com.avaya.asm  SIPMSGT\n--------------------\n05/02/2026 09:41:02.101 -->\ningress: { L192.0.2.2:5060/R192.0.2.1:5060/UDP/0x1 }\n--------------------\n",
    "2026-05-02T09:41:02.101+00:00 vcs tvcs: UTCTime=\"2026-05-02 09:41:02,101\" Module=\"network.sip\" Level=\"DEBUG\":  Action=\"Received\" Local-ip=\"192.0.2.2\" Local-port=\"5060\" Src-ip=\"192.0.2.1\" Src-port=\"5060\" Msg-Hash=\"1\"\n SIPMSG:\n |",
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

/// What is known of a message: its octets and what the text says of it.
type Known = (
    String,
    Option<i64>,
    TimeKind,
    [Option<(String, Option<u16>)>; 2],
);

/// All messages of a text, and the names of the repairs.
fn known(bytes: Vec<u8>) -> (Vec<Known>, Vec<String>) {
    let Ok(mut file) = CaptureFile::from_bytes(bytes, "trace") else {
        return (Vec::new(), Vec::new());
    };
    let mut out = Vec::new();
    while let Some(chunk) = file.next_chunk(1 << 16) {
        let mut notes = chunk.notes.iter().peekable();
        for (index, frame) in chunk.frames.iter().enumerate() {
            let text = String::from_utf8_lossy(frame.of(&chunk)).into_owned();
            let note = notes.next_if(|(at, _)| *at as usize == index);
            let note = note.map(|(_, note)| note);
            let place = |p: &Option<sipscope::packet::trace::Place>| {
                p.as_ref().map(|p| (p.host.clone(), p.port))
            };
            let ends = note.map_or([None, None], |n| [place(&n.src), place(&n.dst)]);
            let kind = note.map_or(TimeKind::Absolute, |n| n.time_kind);
            let timed = note.is_none_or(|n| n.timed);
            out.push((text, timed.then_some(frame.time), kind, ends));
        }
    }
    let skipped = file.into_info().skipped;
    let repairs = skipped.iter().map(|s| s.what.to_string());
    (out, repairs.collect())
}

/// Puts something in front of each line.
fn before_each(text: &str, prefix: impl Fn(usize) -> String) -> String {
    let lines = text.lines().enumerate();
    let lines = lines.map(|(at, line)| format!("{}{line}\n", prefix(at + 1)));
    lines.collect()
}

fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('"', "&quot;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}

#[test]
fn what_pages_mail_and_programs_do_to_a_whole_text_is_undone() {
    type Change = fn(&str) -> String;
    let changes: [(&str, &str, Change); 14] = [
        ("as it is", "", |t| before_each(t, |_| String::new())),
        ("four blanks", "", |t| before_each(t, |_| "    ".into())),
        ("a tab", "", |t| before_each(t, |_| "\t".into())),
        ("quoted", "", |t| before_each(t, |_| "> ".into())),
        ("quoted without a blank", "", |t| {
            before_each(t, |_| ">".into())
        }),
        ("divisions", "", |t| {
            let lines = t.lines().map(|l| format!("<div>{}</div>\n", escaped(l)));
            lines.collect()
        }),
        ("quoted twice", "", |t| before_each(t, |_| "> > ".into())),
        ("cat -n", "", |t| before_each(t, |n| format!("{n:6}\t"))),
        ("grep -n", "", |t| before_each(t, |n| format!("{n}:"))),
        ("no-break spaces", "", |t| {
            before_each(t, |_| "\u{a0} \u{a0} ".into())
        }),
        ("a container", "", |t| {
            before_each(t, |_| "proxy_1  | ".into())
        }),
        ("HTML", "", |t| {
            format!("<html><body><pre>\n{}</pre>\n", escaped(t))
        }),
        ("HTML with breaks", "", |t| {
            let text = escaped(t).replace('\n', "<br>\n");
            format!("<html><body>{text}</body></html>\n")
        }),
        ("CR", "line ends of CR alone", |t| t.replace('\n', "\r")),
    ];
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/traces");
    let mut wrong = Vec::new();
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap().flatten() {
        let path = file.path();
        let name = file.file_name().into_string().unwrap();
        // UTF-16 has no such lines.
        if !name.ends_with(".txt") && !name.ends_with(".log") || name == "plain-utf16.txt" {
            continue;
        }
        let text = std::fs::read_to_string(&path)
            .unwrap()
            .replace("\r\n", "\n");
        let (wanted, _) = known(text.clone().into_bytes());
        assert!(!wanted.is_empty(), "{name}");
        for (change, repair, make) in &changes {
            let (found, repairs) = known(make(&text).into_bytes());
            count += found.len();
            if found != wanted {
                wrong.push(format!(
                    "{name}, {change}: {} of {}\n  {:?}\n  {:?}",
                    found.len(),
                    wanted.len(),
                    found.iter().zip(&wanted).find(|(a, b)| a != b),
                    repairs
                ));
            }
            if !repair.is_empty() && !repairs.iter().any(|r| r == repair) {
                wrong.push(format!("{name}, {change}: not said, {repairs:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 300, "{count}");
}

#[test]
fn a_syslog_head_before_every_line_gives_way_to_the_format() {
    let framing = "----------------------------------------------- 2026-11-20 22:13:16.236475\n\
        UDP message sent (576 bytes):\n\n";
    let text = format!("{framing}{MESSAGE}\n").replace("\r\n", "\n");
    let text = before_each(&text, |n| format!("Nov 21 10:00:{n:02} host sipp[12]: "));
    let (found, repairs) = known(text.into_bytes());
    let [(_, time, kind, _)] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(
        (*time, *kind),
        (Some(1_795_212_796_236_475_000), TimeKind::Local)
    );
    assert_eq!(repairs, ["messages behind a log prefix"]);
    // Where the format has no time of its own, that of syslog is the time.
    let text = format!("<--- SIP read from UDP:192.0.2.1:5060 --->\n{MESSAGE}\n");
    let text = before_each(&text, |_| "Nov 21 10:00:07 host asterisk[12]: ".into());
    let (found, _) = known(text.into_bytes());
    let [(octets, time, kind, [src, _])] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(octets, MESSAGE);
    assert_eq!(*kind, TimeKind::Local);
    assert_eq!(
        time.map(|t| t % 86_400_000_000_000),
        Some(36_007_000_000_000)
    );
    assert_eq!(*src, Some(("192.0.2.1".to_owned(), Some(5060))));
}

#[test]
fn tcpdump_names_ipv6_ends_with_v_and_behind_a_vlan() {
    let heads = [
        "22:15:29.616092 IP6 (flowlabel 0xe1ab7, hlim 64, next-header UDP (17) payload length: 300) \
         2001:db8::10.5070 > 2001:db8::20.sip: [udp sum ok] SIP, length: 292",
        "22:15:29.616092 02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype 802.1Q (0x8100), length 350: \
         vlan 100, p 0, ethertype IPv6 (0x86dd), 2001:db8::10.5070 > 2001:db8::20.5060: SIP",
        "22:15:29.616092 02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype 802.1Q (0x8100), length 350: \
         vlan 100, p 0, ethertype IPv6 (0x86dd), (flowlabel 0xe1ab7, hlim 64, next-header UDP (17) \
         payload length: 300) 2001:db8::10.5070 > 2001:db8::20.5060: SIP, length: 292",
        "22:15:29.616092 02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype IPv6 (0x86dd), length 346: \
         2001:db8::10.5070 > 2001:db8::20.5060: SIP",
        "22:15:29.616092 02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype IPv4 (0x0800), length 346: \
         (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto UDP (17), length 332)\n    \
         192.0.2.10.5070 > 192.0.2.20.5060: SIP, length: 292",
        "22:15:29.616092 02:00:00:00:00:01 > 02:00:00:00:00:02, ethertype 802.1Q (0x8100), length 350: \
         vlan 100, p 0, ethertype IPv4 (0x0800), 192.0.2.10.5070 > 192.0.2.20.5060: SIP",
    ];
    for head in heads {
        let verbose = head.ends_with("292");
        let message = MESSAGE.replace("\r\n", "\n");
        // With -v the text comes first, then the same with the octets of the headers before it.
        let printed = if verbose {
            before_each(&message, |_| "\t".into())
        } else {
            String::new()
        };
        let one = format!("{head}\n{printed}`....4.@ ...........{message}\n");
        let (found, _) = known(one.repeat(2).into_bytes());
        assert_eq!(found.len(), 2, "{head}: {found:?}");
        let version = if head.contains("2001:") {
            "2001:db8::"
        } else {
            "192.0.2."
        };
        for (_, time, kind, ends) in found {
            let end = |last: &str, port| Some((format!("{version}{last}"), Some(port)));
            assert_eq!(ends, [end("10", 5070), end("20", 5060)], "{head}");
            assert_eq!((time, kind), (Some(80_129_616_092_000), TimeKind::TimeOnly));
        }
    }
}
