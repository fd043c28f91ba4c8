//! Thins a capture out: SIP and the media that it announces stay, the rest goes.
//!
//! Two passes: the first one files the messages like any load and notes which packets they came in
//! and where they announce media; the second one copies a pcapng block by block, so that all it says
//! about itself stays, and leaves out packets that nobody asked for.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use super::load::{Options, load};
use crate::index::wanted::Wanted;
use crate::packet::{self, Packet, Payload, icmp};
use crate::source::Places;

/// Octets of the index while packets are looked for.
const MEMORY: usize = 256 << 20;
/// Longest block that is copied.
const MAX_BLOCK: usize = 32 << 20;
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thinned {
    /// Packets that stayed.
    pub kept: u64,
    /// Packets that were neither SIP nor media announced by it.
    pub dropped: u64,
}

/// What of these captures is SIP or its media.
pub fn wanted(paths: &[PathBuf]) -> Wanted {
    wanted_by(paths, 0)
}

/// The same, with so many threads; 0 for as many as there are processors.
pub fn wanted_by(paths: &[PathBuf], threads: usize) -> Wanted {
    let options = Options {
        threads,
        memory_octets: Some(MEMORY),
        note_wanted: true,
        ..Options::default()
    };
    load(paths, &options).wanted.unwrap_or_default()
}

/// Copies the capture with this number among those that were looked at, without what is not wanted.
///
/// # Errors
/// It is no pcapng, or cannot be read or written.
pub fn copy(
    from: &Path,
    number: u16,
    wanted: &Wanted,
    out: &mut impl Write,
) -> io::Result<Thinned> {
    copy_noting(from, number, wanted, out, &mut Places::default())
}

/// The same; `places` tells then where octets that stayed are now.
///
/// # Errors
/// As [`copy`].
pub fn copy_noting(
    from: &Path,
    number: u16,
    wanted: &Wanted,
    out: &mut impl Write,
    places: &mut Places,
) -> io::Result<Thinned> {
    let mut read = 0_u64;
    let mut input = BufReader::with_capacity(1 << 20, File::open(from)?);
    let hosts = wanted.hosts();
    let mut done = Thinned::default();
    let mut links: Vec<u16> = Vec::new();
    let mut big = false;
    let mut frame = 0_u32;
    let mut block = Vec::new();
    while next_block(&mut input, &mut big, &mut block)? {
        let word = |at: usize| number_at(&block, at, big).unwrap_or(0);
        let begin = read;
        read += block.len() as u64;
        match word(0) {
            SECTION => links.clear(),
            INTERFACE => links.push((word(8) >> if big { 16 } else { 0 }) as u16),
            ENHANCED_PACKET => {
                frame = frame.saturating_add(1);
                let link = links.get(word(8) as usize).copied().unwrap_or(0);
                let length = word(20) as usize;
                let data = block
                    .get(28..28_usize.saturating_add(length))
                    .unwrap_or_default();
                // Marks that somebody set are comments of packets.
                let options = 28 + length.next_multiple_of(4);
                let marked = block.len() > options + 4;
                let keep = marked
                    || wanted.has_frame(number, frame)
                    || is_wanted(wanted, &hosts, link, data, word(24));
                if !keep {
                    done.dropped += 1;
                    continue;
                }
                done.kept += 1;
            }
            // Packets without a time: none of ours.
            2 | 3 => frame = frame.saturating_add(1),
            _ => {}
        }
        out.write_all(&block)?;
        places.add(begin, block.len() as u64);
    }
    Ok(done)
}

/// Reads a whole block; false at the end, also where the last block is not complete.
fn next_block(input: &mut impl Read, big: &mut bool, block: &mut Vec<u8>) -> io::Result<bool> {
    let mut head = [0; 12];
    if !read_all(input, &mut head)? {
        return Ok(false);
    }
    if number_at(&head, 0, *big) == Some(SECTION) {
        *big = match head.get(8..12) {
            Some([0x1a, 0x2b, 0x3c, 0x4d]) => true,
            Some([0x4d, 0x3c, 0x2b, 0x1a]) => false,
            _ => return Err(io::Error::new(ErrorKind::InvalidData, "not a pcapng")),
        };
    }
    let length = number_at(&head, 4, *big).unwrap_or(0) as usize;
    if !(12..=MAX_BLOCK).contains(&length) || !length.is_multiple_of(4) {
        return Err(io::Error::new(
            ErrorKind::InvalidData,
            "not a pcapng, or damaged",
        ));
    }
    block.clear();
    block.extend_from_slice(&head);
    block.resize(length, 0);
    read_all(input, block.get_mut(12..).unwrap_or_default())
}

fn read_all(input: &mut impl Read, room: &mut [u8]) -> io::Result<bool> {
    match input.read_exact(room) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn number_at(block: &[u8], at: usize, big: bool) -> Option<u32> {
    let octets = *block.get(at..)?.first_chunk()?;
    Some(match big {
        true => u32::from_be_bytes(octets),
        false => u32::from_le_bytes(octets),
    })
}

/// Media of a call, the rest of a connection that carries SIP, or an error about either.
fn is_wanted(
    wanted: &Wanted,
    hosts: &HashSet<IpAddr>,
    link: u16,
    data: &[u8],
    original: u32,
) -> bool {
    let Ok(mut packet) = packet::dissect(link, data, original) else {
        return false;
    };
    // Every tunnel is counted in the layers, so this ends.
    loop {
        let way = packet.addressing;
        match packet.payload {
            Payload::Udp { .. } => {
                if wanted.has_place(way.dst) || wanted.has_place(way.src) {
                    return true;
                }
                packet = match packet::open_udp(&packet) {
                    Some(Ok(inner)) => inner,
                    _ => return false,
                };
            }
            _ => return is_other_wanted(wanted, hosts, &packet),
        }
    }
}

fn is_other_wanted(wanted: &Wanted, hosts: &HashSet<IpAddr>, packet: &Packet<'_>) -> bool {
    let way = packet.addressing;
    match packet.payload {
        Payload::Tcp(_) => wanted.has_connection(way.src, way.dst),
        // The ports stand in the first fragment alone.
        Payload::Fragment(_) => hosts.contains(&way.src.ip) || hosts.contains(&way.dst.ip),
        Payload::Icmp { data, v6 } => icmp::is_error(data, v6),
        _ => false,
    }
}
