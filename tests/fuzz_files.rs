//! Smoke fuzz of the capture readers: changed captures, the same ones each time. No panic, an
//! end, frames within their chunk and within the file, whatever the octets are.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use sipscope::source::{CaptureFile, Chunk};

const INPUTS: u32 = 50_000;
/// Longest input: many short ones find more than few long ones.
const MAX_INPUT_BYTES: usize = 3_000;

/// xorshift64*: the same inputs on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    /// A number that is often one of those that break things.
    fn number(&mut self) -> u32 {
        const ODD: [u32; 16] = [
            0,
            1,
            3,
            4,
            11,
            12,
            16,
            20,
            28,
            32,
            0xffff,
            262_145,
            16 << 20,
            32 << 20,
            i32::MAX as u32,
            u32::MAX,
        ];
        match self.below(3) {
            0 => self.next() as u32,
            1 => ODD[self.below(ODD.len())],
            _ => self.below(300) as u32,
        }
    }
}

fn pcap(big: bool, magic: u32) -> Vec<u8> {
    let put = |out: &mut Vec<u8>, n: u32| {
        out.extend(if big {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        });
    };
    let mut out = Vec::new();
    for n in [
        magic,
        if big { 0x0002_0004 } else { 0x0004_0002 },
        0,
        0,
        65_535,
        1,
    ] {
        put(&mut out, n);
    }
    for n in 0..12_u32 {
        for field in [1_700_000_000 + n, n, 20 + n, 60] {
            put(&mut out, field);
        }
        out.extend((0..20 + n).map(|i| (i * 7) as u8));
    }
    out
}

fn pcapng(big: bool) -> Vec<u8> {
    let number = |n: u32| {
        if big {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    };
    let half = |n: u16| {
        if big {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    };
    let mut out = Vec::new();
    let mut block = |kind: u32, fields: &[u32], rest: &[u8]| {
        let length = 12 + 4 * fields.len() + rest.len().next_multiple_of(4);
        out.extend(number(kind));
        out.extend(number(length as u32));
        fields.iter().for_each(|f| out.extend(number(*f)));
        out.extend(rest);
        out.resize(out.len().next_multiple_of(4), 0);
        out.extend(number(length as u32));
    };
    let option = |code: u16, value: &[u8]| {
        let mut out = half(code).to_vec();
        out.extend(half(value.len() as u16));
        out.extend(value);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    };
    let version = if big { 0x0001_0000 } else { 0x0000_0001 };
    for _ in 0..2 {
        let comment = option(1, b"comment");
        block(
            0x0a0d_0d0a,
            &[0x1a2b_3c4d, version, u32::MAX, u32::MAX],
            &comment,
        );
        let link = if big { 0x0001_0000 } else { 1 };
        let named = [option(2, b"eth0"), option(9, &[9]), option(14, &[0; 8])].concat();
        block(1, &[link, 65_535], &named);
        block(1, &[link, 0], &option(9, &[0x8a]));
        for n in 0..5_u32 {
            let mut data = vec![n as u8; 24];
            data.extend(option(1, b"packet"));
            block(6, &[n % 2, 0x60000, n << 20, 24, 60], &data);
        }
        block(3, &[30], &[3; 30]);
        block(2, &[0, 0x60000, 77, 8, 8], b"obsolete");
        let mut names = half(1).to_vec();
        names.extend(half(9));
        names.extend([192, 0, 2, 1]);
        names.extend(b"name\0\0\0\0");
        block(4, &[], &names);
        block(5, &[0, 0x60000, 5], &option(4, &[0, 0, 0, 0, 0, 0, 0, 9]));
        block(10, &[0x544c_534b, 4], b"keys");
        block(0xbad, &[32_473], b"custom");
        block(0x1234, &[], b"unknown");
    }
    out
}

/// Beginnings of the captures of the corpus with these first octets.
fn corpus(magics: &[[u8; 4]]) -> Vec<Vec<u8>> {
    let folder = match std::env::var_os("SIPSCOPE_CORPUS") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
    };
    let Ok(files) = fs::read_dir(folder.join("captures")) else {
        eprintln!("the corpus is not there: composed files only");
        return Vec::new();
    };
    let mut paths: Vec<_> = files.filter_map(|f| f.ok().map(|f| f.path())).collect();
    paths.sort();
    let read = |path: PathBuf| fs::read(path).ok();
    let fits = |bytes: &Vec<u8>| magics.iter().any(|magic| bytes.starts_with(magic));
    let cut = |mut bytes: Vec<u8>| {
        bytes.truncate(MAX_INPUT_BYTES);
        bytes
    };
    paths
        .into_iter()
        .filter_map(read)
        .filter(fits)
        .map(cut)
        .collect()
}

fn change(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let to = (at + random.below(120)).min(bytes.len());
        match random.below(8) {
            0 | 1 => {
                if let Some(octet) = bytes.get_mut(at) {
                    *octet = random.next() as u8;
                }
            }
            // A number where numbers are: at a multiple of four.
            2 | 3 => {
                let number = random.number();
                let number = if random.below(4) == 0 {
                    number.to_be_bytes()
                } else {
                    number.to_le_bytes()
                };
                let at = at / 4 * 4;
                if let Some(place) = bytes.get_mut(at..at + 4) {
                    place.copy_from_slice(&number);
                }
            }
            4 => bytes.truncate(at),
            5 => drop(bytes.drain(at..to)),
            6 => {
                let copy = bytes[at..to].to_vec();
                let into = random.below(bytes.len());
                bytes.splice(into..into, copy);
            }
            _ => bytes[at..to].fill(random.next() as u8),
        }
        if bytes.is_empty() {
            break;
        }
    }
}

/// Reads all of it; gives the number of frames.
fn walk(bytes: &[u8], target: usize) -> u64 {
    let Ok(mut file) = CaptureFile::from_bytes(bytes.to_vec(), "fuzz") else {
        return 0;
    };
    let mut chunk = Chunk::default();
    let (mut frames, mut last) = (0_u64, 0);
    while file.next_chunk_into(target, &mut chunk) {
        assert!(chunk.base + chunk.data.len() as u64 <= bytes.len() as u64);
        for frame in &chunk.frames {
            assert!((frame.start as usize + frame.captured as usize) <= chunk.data.len());
            assert!(frame.number > last);
            last = frame.number;
        }
        frames += chunk.frames.len() as u64;
        assert!(frames <= bytes.len() as u64, "more frames than octets");
    }
    let info = file.info();
    assert!(info.packets >= frames);
    assert!(
        info.skipped
            .iter()
            .all(|s| s.offset <= bytes.len() as u64 && s.count > 0)
    );
    assert!(
        info.truncated_at
            .as_ref()
            .is_none_or(|(at, _)| *at <= bytes.len() as u64)
    );
    frames
}

#[track_caller]
fn fuzz(seeds: Vec<Vec<u8>>, seed: u64) {
    let mut random = Random(seed);
    let (mut frames, mut whole) = (0, 0);
    for bytes in &seeds {
        whole += walk(bytes, 1 << 20);
    }
    for n in 0..INPUTS {
        let mut bytes = seeds[random.below(seeds.len())].clone();
        change(&mut bytes, &mut random);
        let seen = walk(&bytes, 1 << 20);
        // Chunks of another size must not change what is seen.
        if n % 4 == 0 {
            assert_eq!(walk(&bytes, 0), seen, "input {n}");
        }
        frames += seen;
    }
    // Most of what is good is still read: a reader that gives up early would pass the rest.
    let usual = whole / seeds.len() as u64;
    let mean = frames / u64::from(INPUTS);
    assert!(
        mean * 2 > usual,
        "only {mean} frames of about {usual} per input"
    );
}

#[test]
fn changed_pcaps_do_no_harm() {
    let mut seeds = corpus(&[
        [0xd4, 0xc3, 0xb2, 0xa1],
        [0xa1, 0xb2, 0xc3, 0xd4],
        [0x4d, 0x3c, 0xb2, 0xa1],
    ]);
    seeds.extend([
        pcap(false, 0xa1b2_c3d4),
        pcap(true, 0xa1b2_c3d4),
        pcap(false, 0xa1b2_3c4d),
        pcap(true, 0xa1b2_cd34),
        pcap(false, 0x1c00_01ac),
    ]);
    fuzz(seeds, 0x5195_c09e);
}

#[test]
fn changed_pcapngs_do_no_harm() {
    let mut seeds = corpus(&[[0x0a, 0x0d, 0x0d, 0x0a]]);
    for _ in 0..4 {
        seeds.extend([pcapng(false), pcapng(true)]);
    }
    fuzz(seeds, 0x5195_c09f);
}
