//! Chosen packets as a new capture: pcapng, or pcap where one link type is enough.
//!
//! Octets are copied as they were captured; what the capture says about itself (comments, names) is
//! left out, so that nothing goes along that nobody chose. Decryption secrets go along with packets
//! that cannot be read without them.

use std::{
    collections::HashMap,
    io::{self, Write},
};

use crate::source::{
    CaptureBytes, MAX_PACKET_BYTES, Secret,
    pcapng_block::{Block, INTERFACE, PACKET, SECTION},
};

/// Kind of the block with what opens encrypted packets.
const DECRYPTION_SECRETS: u32 = 10;

/// One packet to write, and where its octets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketRef {
    /// Number in its file, for messages.
    pub number: u32,
    /// Nanoseconds since 1970-01-01 UTC.
    pub time: i64,
    /// LINKTYPE_ value.
    pub link_type: u16,
    /// Interface in its file.
    pub interface: u32,
    /// Offset of the captured octets.
    pub offset: u64,
    /// Captured length in octets.
    pub captured: u32,
    /// Length on the wire in octets.
    pub original: u32,
    /// Which of the files it is in.
    pub file: u16,
}

/// Why packets could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// pcap has one link type for the whole file.
    #[error("pcap holds one link type only, these packets have {first} and {other}: use pcapng")]
    MixedLinkTypes {
        /// LINKTYPE_ of the first packet.
        first: u16,
        /// Another one.
        other: u16,
    },
    /// pcap counts seconds from 1970 in 32 bits.
    #[error("pcap holds times from 1970 to 2106 only: use pcapng for packet {number}")]
    TimeOutOfRange {
        /// Number of the packet.
        number: u32,
    },
    /// The octets could not be read again.
    #[error("packet {number} could not be read again, has the file changed? ({source})")]
    Read {
        /// Number of the packet.
        number: u32,
        /// What the system said.
        source: io::Error,
    },
    /// The output could not be written.
    #[error("could not write: {0}")]
    Write(#[from] io::Error),
}

/// Writes a pcapng with one interface per file, interface and link type, times in nanoseconds.
/// Gives the number of packets.
///
/// # Errors
/// When a packet cannot be read again or the output not be written.
pub fn write_pcapng(
    packets: &[PacketRef],
    files: &[CaptureBytes],
    out: impl Write,
) -> Result<u64, ExportError> {
    write_pcapng_with(packets, files, &[], out)
}

/// The same, with decryption secrets in front of the packets that need them.
///
/// # Errors
/// As [`write_pcapng`].
pub fn write_pcapng_with(
    packets: &[PacketRef],
    files: &[CaptureBytes],
    secrets: &[Secret],
    mut out: impl Write,
) -> Result<u64, ExportError> {
    let mut buffer = Vec::new();
    let mut section = Block::begin(&mut buffer, SECTION);
    // Byte order, version 1.0, length of the section not stated.
    section.numbers(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]);
    section.option(
        4,
        concat!("sipscope ", env!("CARGO_PKG_VERSION")).as_bytes(),
    );
    section.end_options();
    for secret in secrets {
        let length = u32::try_from(secret.data.len()).unwrap_or(u32::MAX);
        let mut block = Block::begin(&mut buffer, DECRYPTION_SECRETS);
        block.numbers(&[secret.kind, length]);
        block.data(&secret.data);
        block.end();
    }

    let mut interfaces = HashMap::new();
    let mut bytes = Vec::new();
    for packet in packets {
        let next = u32::try_from(interfaces.len()).unwrap_or(u32::MAX);
        let mut new = false;
        let key = (packet.file, packet.interface, packet.link_type);
        let interface = *interfaces.entry(key).or_insert_with(|| {
            new = true;
            next
        });
        if new {
            let mut block = Block::begin(&mut buffer, INTERFACE);
            block.numbers(&[u32::from(packet.link_type), 0]);
            block.option(9, &[9]);
            block.end_options();
        }
        read(packet, files, &mut bytes)?;
        let mut block = Block::begin(&mut buffer, PACKET);
        block.numbers(&[interface]);
        // Times before 1970 cannot be said without an offset; nothing captures them.
        block.time(u64::try_from(packet.time).unwrap_or(0));
        block.numbers(&[packet.captured, packet.original]);
        block.data(&bytes);
        block.end();
        out.write_all(&buffer)?;
        buffer.clear();
    }
    // Without packets it still is a capture.
    out.write_all(&buffer)?;
    out.flush()?;
    Ok(packets.len() as u64)
}

/// Writes a pcap; its times are in nanoseconds only if one of them needs it. Gives the number of
/// packets.
///
/// # Errors
/// When the packets have several link types or times out of range, a packet cannot be read again
/// or the output not be written.
pub fn write_pcap(
    packets: &[PacketRef],
    files: &[CaptureBytes],
    mut out: impl Write,
) -> Result<u64, ExportError> {
    let first = packets.first().map_or(1, |packet| packet.link_type);
    if let Some(other) = packets.iter().map(|p| p.link_type).find(|l| *l != first) {
        return Err(ExportError::MixedLinkTypes { first, other });
    }
    let late = packets
        .iter()
        .find(|p| u32::try_from(p.time.div_euclid(1_000_000_000)).is_err());
    if let Some(PacketRef { number, .. }) = late {
        return Err(ExportError::TimeOutOfRange { number: *number });
    }
    let nanoseconds = packets
        .iter()
        .any(|packet| packet.time.rem_euclid(1000) != 0);
    let magic = if nanoseconds {
        0xa1b2_3c4d
    } else {
        0xa1b2_c3d4
    };
    let longest = packets
        .iter()
        .map(|packet| packet.captured)
        .max()
        .unwrap_or(0);
    let mut head = Vec::new();
    // Version 2.4.
    put(
        &mut head,
        &[
            magic,
            0x0004_0002,
            0,
            0,
            longest.max(262_144),
            u32::from(first),
        ],
    );
    out.write_all(&head)?;
    let mut bytes = Vec::new();
    for packet in packets {
        read(packet, files, &mut bytes)?;
        let seconds = u32::try_from(packet.time.div_euclid(1_000_000_000)).unwrap_or(u32::MAX);
        let nanos = u32::try_from(packet.time.rem_euclid(1_000_000_000)).unwrap_or(0);
        let fraction = if nanoseconds { nanos } else { nanos / 1000 };
        head.clear();
        put(
            &mut head,
            &[seconds, fraction, packet.captured, packet.original],
        );
        out.write_all(&head)?;
        out.write_all(&bytes)?;
    }
    out.flush()?;
    Ok(packets.len() as u64)
}

fn read(
    packet: &PacketRef,
    files: &[CaptureBytes],
    bytes: &mut Vec<u8>,
) -> Result<(), ExportError> {
    let failed = |source| ExportError::Read {
        number: packet.number,
        source,
    };
    let file = files
        .get(usize::from(packet.file))
        .filter(|_| packet.captured <= MAX_PACKET_BYTES);
    let file = file.ok_or_else(|| failed(io::Error::from(io::ErrorKind::InvalidInput)))?;
    bytes.resize(packet.captured as usize, 0);
    file.read_exact_at(packet.offset, bytes).map_err(failed)
}

fn put(out: &mut Vec<u8>, numbers: &[u32]) {
    for number in numbers {
        out.extend_from_slice(&number.to_le_bytes());
    }
}
