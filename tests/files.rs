//! Capture files: every variant, damaged and cut, packed, and the whole corpus.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use sipscope::{
    export::{
        packets::{ExportError, PacketRef, write_pcap, write_pcapng},
        save::{Existing, save},
    },
    source::{CaptureBytes, CaptureFile, Chunk, FileInfo, OpenOptions, SourceError},
};

const T0: u32 = 1_700_000_000;

/// What a test cares about in a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Packet {
    number: u32,
    time: i64,
    link_type: u16,
    interface: u32,
    original: u32,
    bytes: Vec<u8>,
}

fn spool_options() -> (tempfile::TempDir, OpenOptions) {
    let folder = tempfile::tempdir().unwrap();
    let options = OpenOptions {
        spool_folder: Some(folder.path().join("spool")),
        ..OpenOptions::default()
    };
    (folder, options)
}

fn read_in(bytes: &[u8], target: usize) -> (Vec<Packet>, FileInfo) {
    let (_folder, options) = spool_options();
    let file = CaptureFile::from_bytes_with(bytes.to_vec(), "test", &options).unwrap();
    drain(file, target)
}

fn drain(mut file: CaptureFile, target: usize) -> (Vec<Packet>, FileInfo) {
    let mut packets = Vec::new();
    let mut chunk = Chunk::default();
    let positions = file.bytes();
    while file.next_chunk_into(target, &mut chunk) {
        assert!(!chunk.frames.is_empty());
        for frame in &chunk.frames {
            let bytes = frame.of(&chunk).to_vec();
            assert_eq!(bytes.len(), frame.captured as usize);
            let mut again = vec![0; bytes.len()];
            positions
                .read_exact_at(chunk.base + u64::from(frame.start), &mut again)
                .unwrap();
            assert_eq!(bytes, again);
            packets.push(Packet {
                number: frame.number,
                time: frame.time,
                link_type: frame.link_type,
                interface: frame.interface,
                original: frame.original,
                bytes,
            });
        }
    }
    let info = file.into_info();
    let by_link: u64 = info.link_types().iter().map(|(_, count)| count).sum();
    assert_eq!(by_link, packets.len() as u64);
    (packets, info)
}

/// Reads in large and in small chunks: both must give the same.
fn read(bytes: &[u8]) -> (Vec<Packet>, FileInfo) {
    let (packets, info) = read_in(bytes, 1 << 20);
    let (again, other) = read_in(bytes, 4096);
    assert_eq!(packets, again);
    assert_eq!(info.skipped, other.skipped);
    assert_eq!(info.truncated_at, other.truncated_at);
    (packets, info)
}

fn refusal(bytes: &[u8]) -> String {
    match CaptureFile::from_bytes(bytes.to_vec(), "x") {
        Ok(_) => panic!("was taken for a capture"),
        Err(error) => error.to_string(),
    }
}

fn skipped(info: &FileInfo, what: &str) -> u64 {
    info.skipped
        .iter()
        .find(|s| s.what == what)
        .map_or(0, |s| s.count)
}

/// Writes numbers in one byte order.
#[derive(Clone, Copy)]
struct Order(bool);

impl Order {
    fn u16(self, n: u16) -> [u8; 2] {
        if self.0 {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    }
    fn u32(self, n: u32) -> [u8; 4] {
        if self.0 {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    }
}

const LITTLE: Order = Order(false);
const BIG: Order = Order(true);

fn pcap_head(order: Order, magic: u32, minor: u16, link: u32) -> Vec<u8> {
    let mut out = order.u32(magic).to_vec();
    out.extend(order.u16(2));
    out.extend(order.u16(minor));
    for n in [0, 0, 65_535, link] {
        out.extend(order.u32(n));
    }
    out
}

fn record(order: Order, seconds: u32, fraction: u32, extra: usize, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for n in [seconds, fraction, bytes.len() as u32, bytes.len() as u32] {
        out.extend(order.u32(n));
    }
    out.resize(16 + extra, 7);
    out.extend(bytes);
    out
}

/// Octets of the n-th test packet: different lengths and contents.
fn body(n: u32) -> Vec<u8> {
    (0..40 + n % 50)
        .map(|i| (i.wrapping_mul(31).wrapping_add(n.wrapping_mul(7)) % 251) as u8)
        .collect()
}

fn pcap(order: Order, magic: u32, count: u32) -> Vec<u8> {
    let mut out = pcap_head(order, magic, 4, 1);
    for n in 0..count {
        out.extend(record(order, T0 + n, 1000 + n, 0, &body(n)));
    }
    out
}

fn bodies(packets: &[Packet]) -> Vec<Vec<u8>> {
    packets.iter().map(|p| p.bytes.clone()).collect()
}

fn wanted(count: u32) -> Vec<Vec<u8>> {
    (0..count).map(body).collect()
}

// ---- pcap

#[track_caller]
fn check_pcap(bytes: &[u8], format: &str, times: &[i64]) {
    let (packets, info) = read(bytes);
    assert_eq!(info.format.name(), format);
    assert_eq!(packets.iter().map(|p| p.time).collect::<Vec<_>>(), times);
    assert_eq!(bodies(&packets), wanted(times.len() as u32));
    assert!(info.skipped.is_empty(), "{:?}", info.skipped);
    assert_eq!(info.truncated_at, None);
    assert_eq!(info.packets, times.len() as u64);
    assert_eq!(info.first, times.iter().min().copied());
    assert_eq!(info.last, times.iter().max().copied());
}

fn micros(count: u32) -> Vec<i64> {
    (0..count)
        .map(|n| i64::from(T0 + n) * 1_000_000_000 + i64::from(1000 + n) * 1000)
        .collect()
}

fn nanos(count: u32) -> Vec<i64> {
    (0..count)
        .map(|n| i64::from(T0 + n) * 1_000_000_000 + i64::from(1000 + n))
        .collect()
}

#[test]
fn pcap_of_both_byte_orders_and_resolutions_is_read() {
    for order in [LITTLE, BIG] {
        check_pcap(&pcap(order, 0xa1b2_c3d4, 300), "pcap", &micros(300));
        check_pcap(
            &pcap(order, 0xa1b2_3c4d, 300),
            "pcap (nanosecond)",
            &nanos(300),
        );
    }
    check_pcap(&pcap(LITTLE, 0xa1b2_c3d4, 0), "pcap", &[]);
}

#[test]
fn modified_pcaps_are_told_by_their_records() {
    for (magic, extra, name) in [
        (0xa1b2_cd34, 8, "pcap (modified)"),
        (0xa1b2_cd34, 12, "pcap (modified)"),
        (0xa1b2_c3d4, 8, "pcap (modified)"),
        (0xa1b2_c3d4, 12, "pcap (modified)"),
        (0xa1b2_c3d4, 4, "pcap (Nokia)"),
    ] {
        for order in [LITTLE, BIG] {
            let mut bytes = pcap_head(order, magic, 4, 1);
            for n in 0..5 {
                bytes.extend(record(order, T0 + n, 1000 + n, extra, &body(n)));
            }
            check_pcap(&bytes, name, &micros(5));
        }
    }
}

#[test]
fn aix_and_ixia_pcaps_have_nanoseconds() {
    let mut aix = pcap_head(BIG, 0xa1b2_c3d4, 2, 6);
    let mut ixia = pcap_head(LITTLE, 0x1c00_01ac, 4, 1);
    ixia.extend([0; 4]);
    for n in 0..4 {
        aix.extend(record(BIG, T0 + n, 1000 + n, 0, &body(n)));
        ixia.extend(record(LITTLE, T0 + n, 1000 + n, 0, &body(n)));
    }
    check_pcap(&aix, "pcap (AIX)", &nanos(4));
    assert_eq!(read(&aix).0[0].link_type, 1);
    check_pcap(&ixia, "pcap (IXIA)", &nanos(4));
}

#[test]
fn odd_lengths_in_records_are_tolerated() {
    let mut bytes = pcap_head(LITTLE, 0xa1b2_c3d4, 4, 1);
    // A snapshot length of nonsense.
    bytes[16..20].copy_from_slice(&[0, 0, 0, 0]);
    for (n, original) in [(0_u32, 0_u32), (1, 20), (2, 9000), (3, u32::MAX), (4, 43)] {
        let mut record = record(LITTLE, T0, n, 0, &body(n));
        record[12..16].copy_from_slice(&original.to_le_bytes());
        bytes.extend(record);
    }
    let (packets, info) = read(&bytes);
    assert_eq!(bodies(&packets), wanted(5));
    assert_eq!(packets[1].original, 20);
    assert!(info.skipped.is_empty(), "{:?}", info.skipped);
}

#[test]
fn a_packet_of_16_mib_is_kept_and_a_longer_one_counted() {
    let mut bytes = pcap(LITTLE, 0xa1b2_c3d4, 3);
    let big = vec![0x55; 16 << 20];
    bytes.extend(record(LITTLE, T0, 0, 0, &big));
    bytes.extend(record(LITTLE, T0, 0, 0, &vec![0x55; (16 << 20) + 1]));
    bytes.extend(record(LITTLE, T0, 0, 0, &body(5)));
    let (packets, info) = read(&bytes);
    assert_eq!(
        packets.iter().map(|p| p.number).collect::<Vec<_>>(),
        [1, 2, 3, 4, 6]
    );
    assert_eq!(packets[3].bytes, big);
    assert_eq!(skipped(&info, "packets over 16 MiB"), 1);
    assert_eq!(info.truncated_at, None);
}

#[test]
fn a_pcap_cut_anywhere_gives_a_prefix_and_the_reason() {
    let whole = pcap(LITTLE, 0xa1b2_c3d4, 6);
    let all = wanted(6);
    let mut ends = vec![24];
    for b in &all {
        ends.push(ends.last().unwrap() + 16 + b.len());
    }
    for cut in 24..whole.len() {
        let (packets, info) = read(&whole[..cut]);
        let complete = ends.iter().filter(|end| **end <= cut).count() - 1;
        assert_eq!(bodies(&packets), all[..complete], "cut at {cut}");
        if ends.contains(&cut) {
            assert_eq!(info.truncated_at, None, "cut at {cut}");
        } else {
            let (at, why) = info.truncated_at.unwrap();
            assert_eq!(at, ends[complete] as u64);
            assert!(why.starts_with("the file ends inside"), "{why}");
        }
    }
    for cut in 0..24 {
        assert!(CaptureFile::from_bytes(whole[..cut].to_vec(), "x").is_err());
    }
}

#[test]
fn a_pcap_damaged_anywhere_goes_on_behind() {
    let count = 30;
    let good = pcap(LITTLE, 0xa1b2_c3d4, count);
    let mut ends = vec![24];
    for n in 0..count {
        ends.push(ends.last().unwrap() + 16 + body(n).len());
    }
    for (n, at) in ends.iter().enumerate().take(count as usize) {
        for lie in [u32::MAX, 20_000_000, 100_000, 300_000, 77, 30] {
            let mut bytes = good.clone();
            bytes[at + 8..at + 12].copy_from_slice(&lie.to_le_bytes());
            let (packets, info) = read(&bytes);
            let lost: Vec<u32> = (0..count)
                .filter(|i| !packets.iter().any(|p| p.bytes == body(*i)))
                .collect();
            // The last records have no chain behind them that could be found.
            let near_end = n + 3 > count as usize;
            assert!(
                near_end || lost.len() <= 1,
                "record {n}, length {lie}: lost {lost:?}"
            );
            assert!(
                near_end || info.skipped.iter().any(|s| s.what == "damaged places"),
                "record {n}, length {lie}"
            );
        }
    }
}

#[test]
fn junk_between_records_is_passed_over_and_counted() {
    let mut bytes = pcap(LITTLE, 0xa1b2_c3d4, 10);
    let at = bytes.len() as u64;
    bytes.extend(b"\xff\xfe junk that is no record ".repeat(10_000));
    let junk = bytes.len() as u64 - at;
    for n in 10..20 {
        bytes.extend(record(LITTLE, T0 + n, 0, 0, &body(n)));
    }
    let (packets, info) = read(&bytes);
    assert_eq!(bodies(&packets), wanted(20));
    let [damage] = info.skipped.as_slice() else {
        panic!("{:?}", info.skipped)
    };
    assert_eq!(
        (
            damage.count,
            damage.offset,
            damage.octets,
            damage.first_frame
        ),
        (1, at, junk, 11)
    );
}

#[test]
fn a_hole_of_zeros_is_not_a_million_packets() {
    let mut bytes = pcap(LITTLE, 0xa1b2_c3d4, 10);
    bytes.resize(bytes.len() + 1_000_000, 0);
    let (packets, info) = read(&bytes);
    assert_eq!(packets.len(), 10);
    assert!(info.truncated_at.unwrap().1.contains("zeros"));
    for n in 10..20 {
        bytes.extend(record(LITTLE, T0 + n, 0, 0, &body(n)));
    }
    assert_eq!(bodies(&read(&bytes).0), wanted(20));
}

// ---- pcapng

fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let length = (body.len().next_multiple_of(4) + 12) as u32;
    let mut out = order.u32(kind).to_vec();
    out.extend(order.u32(length));
    out.extend(body);
    out.resize(length as usize - 4, 0);
    out.extend(order.u32(length));
    out
}

fn options(order: Order, list: &[(u16, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (code, value) in list {
        out.extend(order.u16(*code));
        out.extend(order.u16(value.len() as u16));
        out.extend(*value);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    out.extend([0; 4]);
    out
}

fn section(order: Order, list: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = order.u32(0x1a2b_3c4d).to_vec();
    body.extend(order.u16(1));
    body.extend(order.u16(0));
    body.extend([0xff; 8]);
    body.extend(options(order, list));
    block(order, 0x0a0d_0d0a, &body)
}

fn interface(order: Order, link: u16, snap: u32, list: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = order.u16(link).to_vec();
    body.extend([0; 2]);
    body.extend(order.u32(snap));
    body.extend(options(order, list));
    block(order, 1, &body)
}

fn packet(
    order: Order,
    interface: u32,
    ticks: u64,
    bytes: &[u8],
    list: &[(u16, &[u8])],
) -> Vec<u8> {
    let mut body = Vec::new();
    let length = bytes.len() as u32;
    for n in [
        interface,
        (ticks >> 32) as u32,
        ticks as u32,
        length,
        length,
    ] {
        body.extend(order.u32(n));
    }
    body.extend(bytes);
    body.resize(body.len().next_multiple_of(4), 0);
    if !list.is_empty() {
        body.extend(options(order, list));
    }
    block(order, 6, &body)
}

fn pcapng(order: Order, count: u32) -> Vec<u8> {
    let mut out = section(order, &[]);
    out.extend(interface(order, 1, 0, &[]));
    for n in 0..count {
        let ticks = u64::from(T0 + n) * 1_000_000 + u64::from(1000 + n);
        out.extend(packet(order, 0, ticks, &body(n), &[]));
    }
    out
}

#[test]
fn pcapng_of_both_byte_orders_is_read() {
    for order in [LITTLE, BIG] {
        check_pcap(&pcapng(order, 300), "pcapng", &micros(300));
    }
}

#[test]
fn pcapng_tells_sections_interfaces_names_statistics_secrets_and_comments() {
    let mut bytes = section(
        LITTLE,
        &[
            (2, b"x86"),
            (3, b"Linux"),
            (4, b"dumpcap\0"),
            (1, b"whole file"),
        ],
    );
    bytes.extend(interface(
        LITTLE,
        113,
        96,
        &[
            (2, b"any"),
            (3, b"all of them"),
            (9, &[9]),
            (11, b"\0udp"),
            (12, b"Linux 6"),
            (15, b"card"),
        ],
    ));
    bytes.extend(interface(
        LITTLE,
        1,
        0,
        &[(9, &[0x8a]), (14, &3600_u64.to_le_bytes())],
    ));
    bytes.extend(packet(
        LITTLE,
        0,
        1_700_000_000_123_456_789,
        &body(0),
        &[(1, b"first"), (1, b"second")],
    ));
    bytes.extend(packet(
        LITTLE,
        1,
        1024 * 10 + 512,
        &body(1),
        &[(2, &[1, 0, 0, 0])],
    ));
    let mut names = Vec::new();
    names.extend([1, 0, 17, 0, 192, 0, 2, 1]);
    names.extend(b"pbx\0pbx.test\0\0\0\0");
    names.extend([2, 0, 20, 0]);
    names.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    names.extend(b"six\0\0\0\0\0");
    bytes.extend(block(LITTLE, 4, &names));
    let mut statistics = Vec::new();
    for n in [0_u32, 395_812, 2_000_000_000] {
        statistics.extend(n.to_le_bytes());
    }
    statistics.extend(options(
        LITTLE,
        &[(4, &7_u64.to_le_bytes()), (5, &2_u64.to_le_bytes())],
    ));
    bytes.extend(block(LITTLE, 5, &statistics));
    let mut secret = 0x544c_534b_u32.to_le_bytes().to_vec();
    secret.extend(5_u32.to_le_bytes());
    secret.extend(b"CLIEN");
    bytes.extend(block(LITTLE, 10, &secret));
    // A second section, in the other byte order, with the obsolete and the simple packet block.
    bytes.extend(section(BIG, &[]));
    bytes.extend(interface(BIG, 101, 50, &[]));
    let mut old = vec![0, 0, 0, 0];
    for n in [0, 5_000_000, 41, 100] {
        old.extend(BIG.u32(n));
    }
    old.extend(body(1));
    bytes.extend(block(BIG, 2, &old));
    let mut simple = BIG.u32(70).to_vec();
    simple.extend(vec![9; 50]);
    bytes.extend(block(BIG, 3, &simple));
    bytes.extend(block(BIG, 0xbad, &[0, 0, 0x80, 1, 5, 5]));
    bytes.extend(block(BIG, 0x7777, b"??"));
    bytes.extend(block(BIG, 0x7777, b"??"));
    bytes.extend(block(BIG, 9, b"__CURSOR=1\n"));
    bytes.extend(packet(BIG, 0, 6_000_000, &body(1), &[]));

    let (packets, info) = read(&bytes);
    let seen: Vec<_> = packets
        .iter()
        .map(|p| {
            (
                p.number,
                p.time,
                p.link_type,
                p.interface,
                p.bytes.len(),
                p.original,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            (1, 1_700_000_000_123_456_789, 113, 0, 40, 40),
            (2, 3_610_500_000_000, 1, 1, 41, 41),
            (3, 5_000_000_000, 101, 2, 41, 100),
            (4, 5_000_000_000, 101, 2, 50, 70),
            // Wireshark numbers the custom block and the journal entry too.
            (7, 6_000_000_000, 101, 2, 41, 41),
        ]
    );
    assert_eq!(info.sections.len(), 2);
    assert_eq!(info.sections[0].application.as_deref(), Some("dumpcap"));
    assert!(info.sections[1].big_endian);
    let any = &info.interfaces[0];
    assert_eq!(
        (any.name.as_deref(), any.filter.as_deref()),
        (Some("any"), Some("udp"))
    );
    assert_eq!(
        (any.resolution.as_str(), any.os.as_deref()),
        ("10^-9", Some("Linux 6"))
    );
    assert_eq!(any.statistics.unwrap().received, Some(7));
    assert_eq!(any.statistics.unwrap().dropped, Some(2));
    assert_eq!(
        any.statistics.unwrap().time,
        (395_812_i64 << 32) + 2_000_000_000
    );
    assert_eq!(info.interfaces[1].resolution, "2^-10");
    let comments: Vec<_> = info
        .comments
        .iter()
        .map(|c| (c.frame, c.text.as_str()))
        .collect();
    assert_eq!(
        comments,
        [
            (None, "whole file"),
            (Some(1), "first"),
            (Some(1), "second")
        ]
    );
    assert_eq!(info.names[0].names, ["pbx", "pbx.test"]);
    assert_eq!(info.names[1].address.to_string(), "2001:db8::1");
    assert_eq!(info.secrets[0].data, b"CLIEN");
    assert!(!format!("{info:?}").contains("CLIEN"));
    let notes: Vec<_> = info
        .skipped
        .iter()
        .map(|s| (s.what.as_ref(), s.count))
        .collect();
    assert_eq!(
        notes,
        [
            ("packets without time", 1),
            ("custom blocks of enterprise 32769", 1),
            ("unknown blocks of type 0x00007777", 2),
            ("systemd journal entries", 1),
        ]
    );
    assert_eq!(info.link_types(), [(1, 1), (101, 3), (113, 1)]);
}

#[test]
fn times_that_do_not_fit_are_held_at_the_bounds() {
    let mut bytes = section(LITTLE, &[]);
    for resolution in [0_u8, 3, 12, 40, 0x7f, 0x80, 0xff] {
        bytes.extend(interface(
            LITTLE,
            1,
            0,
            &[(9, &[resolution]), (14, &[0xff; 8])],
        ));
    }
    for n in 0..7 {
        bytes.extend(packet(LITTLE, n, u64::MAX, &body(n), &[]));
    }
    let (packets, _) = read(&bytes);
    let times: Vec<i64> = packets.iter().map(|p| p.time).collect();
    let second = 1_000_000_000;
    let most = i64::MAX - second;
    assert_eq!(times[..3], [most, most, 18_446_744_073_709_551 - second]);
    assert_eq!(times[3..], [-second, -second, most, -second]);
}

#[test]
fn a_pcapng_cut_anywhere_gives_a_prefix_and_the_reason() {
    let whole = pcapng(BIG, 5);
    let all = wanted(5);
    for cut in 12..whole.len() {
        let (packets, info) = read(&whole[..cut]);
        assert_eq!(bodies(&packets), all[..packets.len()], "cut at {cut}");
        let (rest, _) = read(&whole[..cut - packets.len().min(1)]);
        assert!(rest.len() <= packets.len());
        // Cuts between blocks cannot be seen.
        if let Some((at, why)) = info.truncated_at {
            assert!(
                at < cut as u64 && why.starts_with("the file ends inside"),
                "{why}"
            );
        } else {
            let tail = &whole[cut - 4..cut];
            assert_eq!(u32::from_be_bytes(tail.try_into().unwrap()) % 4, 0);
        }
    }
}

#[test]
fn a_pcapng_with_a_bad_block_goes_on_behind() {
    let good = pcapng(LITTLE, 12);
    let mut at = 0;
    let mut number = 0;
    while at < good.len() {
        let length = u32::from_le_bytes(good[at + 4..at + 8].try_into().unwrap());
        for lie in [0, 11, length + 4, length + 400, 50_000_000, u32::MAX] {
            for place in [at + 4, at + length as usize - 4] {
                let mut bytes = good.clone();
                bytes[place..place + 4].copy_from_slice(&lie.to_le_bytes());
                let (packets, info) = read(&bytes);
                let lost = (0..12)
                    .filter(|i| !packets.iter().any(|p| p.bytes == body(*i)))
                    .count();
                assert!(
                    lost <= 1,
                    "block {number}, length {lie}: {lost} packets lost"
                );
                assert!(
                    !info.skipped.is_empty() || info.truncated_at.is_some(),
                    "block {number}, length {lie} at {place}"
                );
            }
        }
        at += length as usize;
        number += 1;
    }
}

#[test]
fn packets_of_undescribed_interfaces_and_short_blocks_are_shown_and_counted() {
    let mut bytes = section(LITTLE, &[]);
    bytes.extend(packet(LITTLE, 3, 1_000_000, &body(0), &[]));
    bytes.extend(interface(LITTLE, 113, 0, &[]));
    let mut long = packet(LITTLE, 0, 1_000_000, &body(1), &[]);
    long[20..24].copy_from_slice(&5000_u32.to_le_bytes());
    bytes.extend(long);
    bytes.extend(block(LITTLE, 6, b"short"));
    bytes.extend(block(LITTLE, 5, &[9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    let (packets, info) = read(&bytes);
    assert_eq!(packets[0].link_type, 1);
    assert!(info.interfaces[packets[0].interface as usize].guessed);
    assert_eq!(packets[1].bytes[..41], body(1));
    assert_eq!(packets[1].bytes.len(), 44);
    for what in [
        "packets of an interface not described",
        "packets longer than their block",
        "blocks too short for their type",
        "statistics of an interface not described",
    ] {
        assert_eq!(skipped(&info, what), 1, "{what}");
    }
}

#[test]
fn a_long_block_is_read_and_a_lie_of_one_costs_no_packet() {
    let mut bytes = pcapng(LITTLE, 2);
    bytes.extend(packet(LITTLE, 0, 1_000_000, &vec![1; 5 << 20], &[]));
    for n in 0..3000 {
        bytes.extend(packet(LITTLE, 0, 1_000_000, &body(n), &[]));
        // Looks like a packet block of a megabyte.
        bytes.extend([6, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0]);
    }
    let (packets, info) = read_in(&bytes, 1 << 20);
    assert_eq!(packets.len(), 3003);
    assert_eq!(bodies(&packets[3..]), wanted(3000));
    assert_eq!(skipped(&info, "damaged places"), 2999);
}

#[test]
fn a_block_over_32_mib_is_passed_over() {
    let mut bytes = pcapng(LITTLE, 2);
    bytes.extend(block(LITTLE, 0xbad, &vec![1; 33 << 20]));
    bytes.extend(packet(LITTLE, 0, 1_000_000, &body(2), &[]));
    let (packets, info) = read(&bytes);
    assert_eq!(bodies(&packets), wanted(3));
    assert_eq!(skipped(&info, "blocks over 32 MiB"), 1);
}

// ---- packed files

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::GzBuilder::new()
        .filename("a.pcap")
        .comment("c")
        .extra(vec![1, 2, 3])
        .write(Vec::new(), flate2::Compression::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut info = lz4_flex::frame::FrameInfo::new();
    info.content_checksum = true;
    info.block_checksums = true;
    info.block_size = lz4_flex::frame::BlockSize::Max64KB;
    let mut out = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

type Packer = fn(&[u8]) -> Vec<u8>;
const PACKERS: [(&str, Packer); 3] = [("gzip", gzip), ("zstd", zstd), ("lz4", lz4)];

#[test]
fn packed_captures_are_recognised_by_content() {
    let plain = pcap(LITTLE, 0xa1b2_c3d4, 3000);
    for (name, pack) in PACKERS {
        let (packets, info) = read(&pack(&plain));
        assert_eq!(packets, read(&plain).0, "{name}");
        assert_eq!(info.compressed.map(|c| c.name()), Some(name));
        assert_eq!(info.truncated_at, None);
        assert_eq!(info.format.name(), "pcap");
    }
}

#[test]
fn several_members_frames_and_skippable_frames_make_one_capture() {
    let plain = pcap(LITTLE, 0xa1b2_c3d4, 3000);
    let (a, b) = plain.split_at(70_001);
    let skippable = [0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    for (_, first) in PACKERS {
        for (_, second) in PACKERS {
            let mut packed = first(a);
            packed.extend(skippable);
            packed.extend(second(b));
            packed.extend([0; 512]);
            let (packets, info) = read(&packed);
            assert_eq!(packets.len(), 3000);
            assert_eq!(info.truncated_at, None);
        }
    }
    let mut packed = skippable.to_vec();
    packed.extend(zstd(&plain));
    assert_eq!(read(&packed).0.len(), 3000);
}

#[test]
fn a_cut_packed_capture_shows_what_came_before() {
    // Packets of noise, so that packed size and plain size go along.
    let mut noise = 1_u32;
    let mut plain = pcap_head(LITTLE, 0xa1b2_c3d4, 4, 1);
    for n in 0..2000 {
        let bytes: Vec<u8> = (0..200)
            .map(|_| {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (noise >> 24) as u8
            })
            .collect();
        plain.extend(record(LITTLE, T0 + n, 0, 0, &bytes));
    }
    let all = read(&plain).0;
    for (name, pack) in PACKERS {
        let packed = pack(&plain);
        for part in 1..8 {
            let cut = packed.len() * part / 8;
            if cut < 140_000 && CaptureFile::from_bytes(packed[..cut].to_vec(), "x").is_err() {
                // Not one whole block is left; they have up to 128 KiB.
                assert!(refusal(&packed[..cut]).contains("cut short"));
                continue;
            }
            let (packets, info) = read(&packed[..cut]);
            assert_eq!(packets, all[..packets.len()], "{name}");
            // Blocks have at most 128 KiB; what is whole must be there.
            let least = (all.len() * part / 8).saturating_sub(700);
            assert!(
                packets.len() >= least,
                "{name} {part}/8: {} of {}",
                packets.len(),
                all.len()
            );
            let (_, why) = info.truncated_at.unwrap();
            assert!(
                why.contains("cut short") || why.contains("ends inside"),
                "{name}: {why}"
            );
            assert!(why.contains(" at octet "), "{name}: {why}");
        }
        let mut damaged = packed.clone();
        let middle = packed.len() / 2;
        for octet in &mut damaged[middle..middle + 64] {
            *octet = !*octet;
        }
        let (packets, info) = read(&damaged);
        assert!(packets.len() >= 300, "{name}: {}", packets.len());
        assert_eq!(packets[..300], all[..300], "{name}");
        if name != "zstd" {
            // This zstd decoder has no check sums: noise stored raw passes unseen.
            assert!(info.truncated_at.is_some(), "{name}");
        }
    }
}

#[test]
fn junk_behind_packed_data_is_named() {
    let plain = pcap(LITTLE, 0xa1b2_c3d4, 30);
    for (_, pack) in PACKERS {
        let mut packed = pack(&plain);
        packed.extend(b"something else");
        let (packets, info) = read(&packed);
        assert_eq!(packets.len(), 30);
        assert!(info.truncated_at.unwrap().1.contains("something else"));
    }
}

#[test]
fn a_bomb_stops_and_says_so() {
    let mut plain = pcap_head(LITTLE, 0xa1b2_c3d4, 4, 1);
    let one = record(LITTLE, T0, 0, 0, &[0; 60_000]);
    for _ in 0..1200 {
        plain.extend(&one);
    }
    let packed = gzip(&plain);
    let (folder, mut options) = spool_options();
    let mut file = CaptureFile::from_bytes_with(packed.clone(), "bomb", &options).unwrap();
    let mut packets = 0;
    while let Some(chunk) = file.next_chunk(1 << 20) {
        packets += chunk.frames.len();
    }
    // The first 64 MiB are shown, whatever they grew from.
    assert!((1118..1130).contains(&packets), "{packets}");
    let (at, why) = file.info().truncated_at.clone().unwrap();
    assert!(why.contains("stopped inflating"), "{why}");
    assert!((1118 * 60_016..68 << 20).contains(&at), "{at}");
    assert!(file.bytes().read_exact_at(70 << 20, &mut [0]).is_err());
    options.bomb_limit = false;
    let mut file = CaptureFile::from_bytes_with(packed, "bomb", &options).unwrap();
    while file.next_chunk(1 << 20).is_some() {}
    assert_eq!(file.info().packets, 1200);
    // Nothing stays behind in the folder of the spools, and it is private.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let spools = folder.path().join("spool");
        assert_eq!(fs::read_dir(&spools).unwrap().count(), 0);
        assert_eq!(
            fs::metadata(&spools).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }
}

// ---- what is no capture

#[test]
fn what_is_no_capture_is_named() {
    for (bytes, words) in [
        (b"".as_slice(), "empty"),
        (b"ab", "too short (2 octets)"),
        (b"\xd4\xc3\xb2\xa1\x02\0", "too short (6 octets)"),
        (b"\x0a\x0d\x0d\x0a", "too short"),
        (b"\x89PNG\r\n\x1a\n1234", "a picture (PNG)"),
        (b"\xff\xd8\xff\xe0....", "a picture (JPEG)"),
        (b"%PDF-1.7\n", "a document (PDF)"),
        (b"PK\x03\x04....", "a ZIP archive"),
        (b"\x7fELF\x02\x01", "a program (ELF)"),
        (b"<?xml version='1.0'?>", "XML"),
        (b"\n<!DOCTYPE html><html>", "a web page (HTML)"),
        (b"INVITE sip:a@example.com SIP/2.0\r\n", "plain text"),
        (b"caf\xe9 au lait, in Latin-1", "plain text"),
        (&[0; 100], "nothing but zeros"),
        (b"\x01\x02\x03\x04\x05\x06", "data of an unknown kind"),
        (
            b"snoop\0\0\0\0\0\0\x02",
            "Sun snoop captures cannot be read yet",
        ),
        (
            b"GMBU\0\x02",
            "Microsoft NetMon 2 captures cannot be read yet",
        ),
        (
            b"RTSS\0\x01",
            "Microsoft NetMon 1 captures cannot be read yet",
        ),
    ] {
        let sentence = refusal(bytes);
        assert!(sentence.contains(words), "{sentence:?} lacks {words:?}");
        assert_eq!(sentence.lines().count(), 1);
    }
    assert!(refusal(&gzip(b"just a few words of text")).contains("plain text"));
    assert!(refusal(&gzip(b"")).contains("empty"));
    assert!(refusal(&gzip(&pcap(LITTLE, 0xa1b2_c3d4, 3))[..25]).contains("gzip"));
    let mut erf = Vec::new();
    for _ in 0..3 {
        erf.extend([1, 2, 3, 4]);
        erf.extend(T0.to_le_bytes());
        erf.extend([2, 4, 0, 40, 0, 0, 0, 22]);
        erf.extend([0xee; 24]);
    }
    assert!(refusal(&erf).contains("Endace ERF"));
}

fn refusal_of(path: &Path) -> SourceError {
    match CaptureFile::open(path, &OpenOptions::default()) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error,
    }
}

#[test]
fn paths_that_cannot_be_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("no\x1b[31m\nsuch");
    let error = refusal_of(&missing);
    assert!(matches!(error, SourceError::Missing { .. }));
    assert!(!error.to_string().contains(['\x1b', '\n']), "{error}");
    assert!(matches!(
        refusal_of(folder.path()),
        SourceError::Directory { .. }
    ));
    let empty = folder.path().join("empty");
    fs::write(&empty, b"").unwrap();
    assert!(matches!(refusal_of(&empty), SourceError::Empty { .. }));
    #[cfg(unix)]
    {
        assert!(matches!(
            refusal_of(Path::new("/dev/null")),
            SourceError::NotRegular { .. }
        ));
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(refusal_of(&socket).to_string().contains("a socket"));
        let link = folder.path().join("loop");
        std::os::unix::fs::symlink(&link, &link).unwrap();
        assert!(matches!(refusal_of(&link), SourceError::Io { .. }));
        let made = std::process::Command::new("mkfifo")
            .arg(folder.path().join("fifo"))
            .status();
        if made.is_ok_and(|status| status.success()) {
            let sentence = refusal_of(&folder.path().join("fifo")).to_string();
            assert!(
                sentence.contains("FIFO") && sentence.contains("use -"),
                "{sentence}"
            );
        }
    }
}

#[test]
fn a_stream_is_read_like_a_file_and_a_changed_file_is_noticed() {
    let plain = pcap(LITTLE, 0xa1b2_c3d4, 500);
    let (folder, options) = spool_options();
    for bytes in [plain.clone(), gzip(&plain)] {
        let stream = Box::new(std::io::Cursor::new(bytes));
        let file = CaptureFile::from_stream(stream, Path::new("pipe"), &options).unwrap();
        assert_eq!(drain(file, 1 << 16).0, read(&plain).0);
    }
    let path = folder.path().join("a.pcap");
    for bytes in [plain.clone(), gzip(&plain)] {
        fs::write(&path, &bytes).unwrap();
        let mut file = CaptureFile::open(&path, &options).unwrap();
        assert_eq!(file.size(), bytes.len() as u64);
        while file.next_chunk(1 << 16).is_some() {}
        assert_eq!(file.position(), bytes.len() as u64);
        assert!(!file.bytes().changed());
        fs::write(&path, b"shorter").unwrap();
        assert!(file.bytes().changed());
    }
}

#[test]
fn a_file_cut_while_it_is_read_gives_what_is_left() {
    let (folder, options) = spool_options();
    let path = folder.path().join("a.pcap");
    fs::write(&path, pcap(LITTLE, 0xa1b2_c3d4, 5000)).unwrap();
    let mut file = CaptureFile::open(&path, &options).unwrap();
    assert!(file.next_chunk(4096).is_some());
    fs::OpenOptions::new()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(100_000)
        .unwrap();
    let mut packets = 0;
    while let Some(chunk) = file.next_chunk(4096) {
        packets += chunk.frames.len();
    }
    assert!(packets > 900);
    assert!(
        file.info()
            .truncated_at
            .as_ref()
            .unwrap()
            .1
            .contains("became shorter")
    );
}

#[test]
fn reading_stops_when_asked() {
    let (_folder, mut options) = spool_options();
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    options.stop = Some(stop.clone());
    let mut file =
        CaptureFile::from_bytes_with(pcap(LITTLE, 0xa1b2_c3d4, 5000), "x", &options).unwrap();
    assert!(file.next_chunk(4096).is_some());
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(file.next_chunk(4096).is_none());
    assert!(
        file.info()
            .truncated_at
            .as_ref()
            .unwrap()
            .1
            .contains("stopped")
    );
}

// ---- export

fn references(bytes: &[u8], number: u16) -> (Vec<PacketRef>, CaptureBytes) {
    let mut file = CaptureFile::from_bytes(bytes.to_vec(), "x").unwrap();
    let mut packets = Vec::new();
    while let Some(chunk) = file.next_chunk(1 << 16) {
        packets.extend(chunk.frames.iter().map(|frame| PacketRef {
            number: frame.number,
            time: frame.time,
            link_type: frame.link_type,
            interface: frame.interface,
            offset: chunk.base + u64::from(frame.start),
            captured: frame.captured,
            original: frame.original,
            file: number,
        }));
    }
    (packets, file.bytes())
}

#[test]
fn exported_packets_read_back_the_same() {
    let (mut packets, first) = references(&pcap(LITTLE, 0xa1b2_c3d4, 40), 0);
    let mut other = section(BIG, &[]);
    other.extend(interface(BIG, 113, 0, &[(9, &[9])]));
    other.extend(packet(BIG, 0, 1_700_000_000_123_456_789, &body(50), &[]));
    let (more, second) = references(&other, 1);
    let files = [first, second];

    let mut out = Vec::new();
    assert_eq!(write_pcap(&packets, &files, &mut out).unwrap(), 40);
    let (back, info) = read(&out);
    assert_eq!(info.format.name(), "pcap");
    assert_eq!(back, read(&pcap(LITTLE, 0xa1b2_c3d4, 40)).0);

    let mut out = Vec::new();
    write_pcap(&more, &files, &mut out).unwrap();
    assert_eq!(read(&out).1.format.name(), "pcap (nanosecond)");

    packets.extend(more);
    let mixed = write_pcap(&packets, &files, &mut Vec::new());
    assert!(matches!(
        mixed,
        Err(ExportError::MixedLinkTypes {
            first: 1,
            other: 113
        })
    ));
    let mut out = Vec::new();
    assert_eq!(write_pcapng(&packets, &files, &mut out).unwrap(), 41);
    let (back, info) = read(&out);
    assert_eq!(back.last().unwrap().time, 1_700_000_000_123_456_789);
    assert_eq!(back.last().unwrap().bytes, body(50));
    assert_eq!(info.link_types(), [(1, 40), (113, 1)]);
    assert!(info.skipped.is_empty());

    packets[0].offset = u64::MAX;
    let gone = write_pcapng(&packets, &files, &mut Vec::new());
    assert!(matches!(gone, Err(ExportError::Read { number: 1, .. })));
}

#[test]
fn a_file_is_saved_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.pcap");
    let put =
        |text: &'static str, existing| save(&path, existing, |out| out.write_all(text.as_bytes()));
    put("one", Existing::Keep).unwrap();
    let refused = put("two", Existing::Keep).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&path).unwrap(), b"one");
    put("two", Existing::Replace).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"two");
    let failed: Result<(), std::io::Error> = save(&path, Existing::Replace, |out| {
        out.write_all(b"half")?;
        Err(std::io::Error::other("no"))
    });
    assert!(failed.is_err());
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(save::<(), std::io::Error>(folder.path(), Existing::Replace, |_| Ok(())).is_err());
}

// ---- the corpus

fn corpus() -> Option<PathBuf> {
    let folder = match std::env::var_os("SIPSCOPE_CORPUS") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
    };
    let folder = folder.join("captures");
    if folder.join("truth.json").is_file() {
        return Some(folder);
    }
    eprintln!(
        "the corpus is not at {}: nothing was compared",
        folder.display()
    );
    None
}

#[test]
fn every_capture_of_the_corpus_has_the_packets_that_tshark_sees() {
    let Some(folder) = corpus() else { return };
    let truth = fs::read(folder.join("truth.json")).unwrap();
    let truth: serde_json::Value = serde_json::from_slice(&truth).unwrap();
    let (_spool, options) = spool_options();
    let mut compared = 0;
    for (name, expected) in truth["files"].as_object().unwrap() {
        let opened = CaptureFile::open(&folder.join(name), &options);
        let (packets, info) = drain(opened.expect(name), 1 << 16);
        assert_eq!(
            packets.len() as u64,
            expected["packets"].as_u64().unwrap(),
            "{name}"
        );
        assert_eq!(
            info.truncated_at.is_some(),
            name == "derived-cut-short.pcap",
            "{name}"
        );
        let lengths = packets
            .iter()
            .filter(|p| p.original as usize >= p.bytes.len())
            .count();
        assert_eq!(lengths, packets.len(), "{name}");
        compared += 1;
    }
    assert!(compared > 50);
}
