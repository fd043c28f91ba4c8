//! Blocks of pcapng (draft-ietf-opsawg-pcapng), written in little-endian order at the end of a buffer.
//!
//! The program that captures takes this file in as it is, for it links nothing else of Sipscope: so
//! nothing here uses the rest of the library.

/// Section header: kind of the first block of every file.
pub const SECTION: u32 = 0x0a0d_0d0a;
/// Interface description.
pub const INTERFACE: u32 = 1;
/// Interface statistics.
pub const STATISTICS: u32 = 5;
/// Enhanced packet.
pub const PACKET: u32 = 6;
/// Longest option that is written; more is cut off.
pub const OPTION_OCTETS: usize = 4096;

/// One block under way at the end of a buffer.
pub struct Block<'a> {
    buffer: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Block<'a> {
    /// Begins a block of this kind.
    pub fn begin(buffer: &'a mut Vec<u8>, kind: u32) -> Self {
        let start = buffer.len();
        let mut block = Self { buffer, start };
        block.numbers(&[kind, 0]);
        block
    }

    /// Adds fields of 32 bits.
    pub fn numbers(&mut self, numbers: &[u32]) {
        for number in numbers {
            self.buffer.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// Adds nanoseconds since 1970-01-01 UTC, as packets and statistics have them.
    pub fn time(&mut self, time: u64) {
        self.numbers(&[(time >> 32) as u32, time as u32]);
    }

    /// Adds octets; [`pad`](Self::pad) has to follow behind the last of them.
    pub fn raw(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    /// Fills the block up to a multiple of four octets.
    pub fn pad(&mut self) {
        let length = self.buffer.len() - self.start;
        let padding = length.next_multiple_of(4) - length;
        self.buffer.extend(std::iter::repeat_n(0, padding));
    }

    /// Adds octets that are whole.
    pub fn data(&mut self, data: &[u8]) {
        self.raw(data);
        self.pad();
    }

    /// Adds an option.
    pub fn option(&mut self, code: u16, value: &[u8]) {
        let value = value.get(..OPTION_OCTETS).unwrap_or(value);
        self.raw(&code.to_le_bytes());
        self.raw(&(value.len() as u16).to_le_bytes());
        self.data(value);
    }

    /// Ends the options and the block.
    pub fn end_options(mut self) {
        self.option(0, &[]);
        self.end();
    }

    /// Ends the block: its length stands at both ends.
    pub fn end(self) {
        let length = (self.buffer.len() - self.start + 4) as u32;
        self.buffer.extend_from_slice(&length.to_le_bytes());
        let at = self.start + 4;
        if let Some(place) = self.buffer.get_mut(at..at + 4) {
            place.copy_from_slice(&length.to_le_bytes());
        }
    }
}

/// What stands at the beginning of a file with one interface.
pub struct Head<'a> {
    /// The program that writes.
    pub application: &'a str,
    /// Name of the interface.
    pub name: &'a str,
    /// What it is; empty when nothing is known.
    pub description: &'a str,
    /// LINKTYPE_ value of the packets.
    pub link_type: u16,
    /// Octets kept of each packet.
    pub snap_octets: u32,
    /// The capture filter, if there is one.
    pub filter: &'a str,
}

impl Head<'_> {
    /// Section header block and interface description block (4.1, 4.2); times are in nanoseconds.
    pub fn octets(&self) -> Vec<u8> {
        let mut octets = Vec::new();
        let mut section = Block::begin(&mut octets, SECTION);
        // Byte order, version 1.0, length of the section not stated.
        section.numbers(&[0x1a2b_3c4d, 1, u32::MAX, u32::MAX]);
        // shb_os, shb_userappl.
        section.option(3, std::env::consts::OS.as_bytes());
        section.option(4, self.application.as_bytes());
        section.end_options();
        let mut interface = Block::begin(&mut octets, INTERFACE);
        interface.numbers(&[self.link_type.into(), self.snap_octets]);
        // if_name, if_description, if_tsresol, if_filter (0: as libpcap writes it).
        interface.option(2, self.name.as_bytes());
        if !self.description.is_empty() {
            interface.option(3, self.description.as_bytes());
        }
        interface.option(9, &[9]);
        if !self.filter.is_empty() {
            interface.option(11, &[&[0], self.filter.as_bytes()].concat());
        }
        interface.end_options();
        octets
    }
}

/// A packet of the one interface (4.3), `original` octets long where it was captured, with a comment
/// or without.
pub fn packet(
    buffer: &mut Vec<u8>,
    time: u64,
    original: u32,
    parts: &[&[u8]],
    comment: Option<&str>,
) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut block = Block::begin(buffer, PACKET);
    block.numbers(&[0]);
    block.time(time);
    block.numbers(&[length as u32, original]);
    for part in parts {
        block.raw(part);
    }
    block.pad();
    let Some(comment) = comment else {
        return block.end();
    };
    block.option(1, comment.as_bytes());
    block.end_options();
}

/// Counters of the one interface.
#[derive(Default)]
pub struct Statistics {
    /// Packets that came, dropped ones among them.
    pub received: u64,
    /// Dropped by the interface.
    pub dropped_by_interface: u64,
    /// Dropped by the system, or for want of time.
    pub dropped: u64,
    /// Packets in the file.
    pub written: u64,
}

impl Statistics {
    /// Interface statistics block (4.6), with a comment or without.
    pub fn write(&self, buffer: &mut Vec<u8>, time: u64, comment: Option<&str>) {
        let mut block = Block::begin(buffer, STATISTICS);
        block.numbers(&[0]);
        block.time(time);
        // isb_ifrecv, isb_ifdrop, isb_filteraccept, isb_osdrop, isb_usrdeliv.
        let (received, dropped) = (self.received, self.dropped);
        let values = [
            received,
            self.dropped_by_interface,
            received,
            dropped,
            self.written,
        ];
        for (code, value) in (4..).zip(values) {
            block.option(code, &value.to_le_bytes());
        }
        if let Some(comment) = comment {
            block.option(1, comment.as_bytes());
        }
        block.end_options();
    }
}
