//! Packets printed in hex: `tcpdump -x`, `-xx`, `-X`, `-XX`, `tshark -x`, Wireshark's export,
//! `hexdump -C` and `od` as text2pcap takes them, and K12 text.

use super::stamp::{self, Stamp};

/// Most octets of one dump.
const MOST_OCTETS: usize = 256 << 10;

/// A packet out of a dump.
#[derive(Debug)]
pub(super) struct Dump {
    pub bytes: Vec<u8>,
    pub stamp: Option<Stamp>,
    pub line: u64,
    /// It came as K12 text.
    pub k12: bool,
}

/// Puts the lines of dumps together.
#[derive(Debug, Default)]
pub(super) struct Hex {
    bytes: Vec<u8>,
    line: u64,
    /// Time of the packet, from a line above.
    pub stamp: Option<Stamp>,
    /// A dump of what was put together of several packets: those come themselves.
    derived: bool,
    /// Inside of a K12 record.
    k12: bool,
}

impl Hex {
    /// Takes a line; says whether it belongs to a dump, and gives the packet that it ended.
    pub fn line(&mut self, text: &[u8], number: u64) -> (bool, Option<Dump>) {
        if text.starts_with(b"+---------+---------------+----------+") {
            let ended = self.take();
            self.k12 = true;
            return (true, ended);
        }
        if self.k12 {
            if let Some(found) = k12_octets(text) {
                self.bytes = found;
                self.line = number;
                let mut ended = self.take();
                if let Some(ended) = &mut ended {
                    ended.k12 = true;
                }
                self.k12 = false;
                return (true, ended);
            }
            self.stamp = stamp::find(text).or(self.stamp);
            return (true, None);
        }
        let Some((offset, octets, used)) = row(text) else {
            let ended = self.take();
            if let Some(title) = title(text) {
                self.derived = !title.starts_with(b"Frame") && !title.starts_with(b"Packet");
                return (true, ended);
            }
            return (false, ended);
        };
        if offset == 0 {
            let ended = self.take();
            // A lone `0000` in a text is no dump.
            if used < 4 {
                return (false, ended);
            }
            self.line = number;
            self.bytes
                .extend_from_slice(octets.get(..used).unwrap_or_default());
            return (true, ended);
        }
        if !self.bytes.is_empty() && offset == self.bytes.len() && offset < MOST_OCTETS {
            self.bytes
                .extend_from_slice(octets.get(..used).unwrap_or_default());
            return (true, None);
        }
        (false, self.take())
    }

    /// The dump in hand.
    pub fn take(&mut self) -> Option<Dump> {
        if self.bytes.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.bytes);
        let stamp = self.stamp.take();
        // A title is that of one dump: the next frame may have none.
        let derived = std::mem::take(&mut self.derived);
        (!derived).then_some(Dump {
            bytes,
            stamp,
            line: self.line,
            k12: false,
        })
    }
}

/// `Frame (506 bytes):`, `Reassembled TCP (1400 bytes):`.
fn title(text: &[u8]) -> Option<&[u8]> {
    let inner = text.trim_ascii().strip_suffix(b" bytes):")?;
    let at = memchr::memrchr(b'(', inner)?;
    let digits = inner.get(at + 1..)?;
    let names: [&[u8]; 7] = [
        b"Frame",
        b"Packet",
        b"Reassembled",
        b"Decrypted",
        b"Decompressed",
        b"Uncompressed",
        b"De-chunked",
    ];
    // A log says `UDP message sent (576 bytes):` too.
    let named = names.iter().any(|name| inner.starts_with(name));
    let counted = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    (named && counted).then(|| inner.get(..at))?
}

fn nibble(byte: u8) -> Option<u8> {
    (byte as char)
        .to_digit(16)
        .and_then(|d| u8::try_from(d).ok())
}

/// One row: its offset, its octets, and how many there are.
fn row(text: &[u8]) -> Option<(usize, [u8; 32], usize)> {
    let text = text.trim_ascii_start();
    // Nearly no line of a log begins like that.
    nibble(*text.first()?)?;
    let (rest, marked) = match text.strip_prefix(b"0x") {
        Some(rest) => (rest, true),
        None => (text, false),
    };
    let digits = rest
        .iter()
        .take(9)
        .take_while(|b| nibble(**b).is_some())
        .count();
    if !(4..=8).contains(&digits) {
        return None;
    }
    let mut offset = 0usize;
    for digit in rest.get(..digits)? {
        offset = offset << 4 | usize::from(nibble(*digit)?);
    }
    let mut rest = rest.get(digits..)?;
    if marked {
        rest = rest.strip_prefix(b":")?;
    }
    if rest.first() != Some(&b' ') {
        return None;
    }
    let mut octets = [0; 32];
    let mut used = 0;
    let mut width = 0;
    loop {
        let blanks = rest.iter().take_while(|b| **b == b' ').count();
        let word = rest.get(blanks..).unwrap_or_default();
        let len = word.iter().take_while(|b| **b != b' ').count();
        // The characters stand behind a wider gap; groups of two octets have none inside.
        let most = if width == 4 { 1 } else { 2 };
        if len == 0 || used > 0 && blanks > most {
            break;
        }
        let hex = word.get(..len)?;
        let fits = (width == 0 && matches!(len, 2 | 4)) || len == width || width == 4 && len == 2;
        if !fits || !hex.iter().all(|b| nibble(*b).is_some()) {
            break;
        }
        width = width.max(len);
        for pair in hex.chunks_exact(2) {
            if let ([a, b], Some(slot)) = (pair, octets.get_mut(used)) {
                *slot = nibble(*a)? << 4 | nibble(*b)?;
                used += 1;
            }
        }
        rest = word.get(len..).unwrap_or_default();
        // Sixteen octets a row, as all these programs print.
        if used >= 16 {
            break;
        }
    }
    (used > 0).then_some((offset, octets, used))
}

/// `|0   |00|90|8f|…`.
fn k12_octets(text: &[u8]) -> Option<Vec<u8>> {
    let rest = text.strip_prefix(b"|0")?;
    let rest = rest.get(memchr::memchr(b'|', rest)? + 1..)?;
    let mut out = Vec::with_capacity(rest.len() / 3);
    for pair in rest.split(|b| *b == b'|').take(MOST_OCTETS) {
        match pair {
            [a, b] => out.push(nibble(*a)? << 4 | nibble(*b)?),
            _ => break,
        }
    }
    (!out.is_empty()).then_some(out)
}

/// The LINKTYPE_ value of a packet that nobody names one for.
pub(super) fn link_type(bytes: &[u8]) -> Option<u16> {
    let word = |at: usize| {
        let pair = bytes.get(at..at + 2)?.first_chunk::<2>()?;
        Some(u16::from_be_bytes(*pair))
    };
    let first = *bytes.first()?;
    let total = word(2).map_or(0, usize::from);
    let ipv4 = first >> 4 == 4 && first & 15 >= 5 && total >= 20;
    // Ethernet pads short packets, the snap length cuts long ones.
    let known = |at| {
        matches!(
            word(at),
            Some(0x0800 | 0x86dd | 0x8100 | 0x88a8 | 0x9100 | 0x8847 | 0x8864)
        )
    };
    if ipv4 && total == bytes.len() {
        return Some(101);
    }
    if first >> 4 == 6 && word(4).map(|n| usize::from(n) + 40) == Some(bytes.len()) {
        return Some(101);
    }
    if bytes.len() >= 34 && known(12) {
        return Some(1);
    }
    if bytes.len() >= 36 && known(14) && matches!(word(0), Some(0..=4)) {
        return Some(113);
    }
    if bytes.len() >= 40 && known(0) && word(2) == Some(0) {
        return Some(276);
    }
    if ipv4 || first >> 4 == 6 && bytes.len() > 40 {
        return Some(101);
    }
    let null = matches!(
        bytes,
        [2 | 10 | 24 | 28 | 30, 0, 0, 0, ..] | [0, 0, 0, 2 | 10 | 24 | 28 | 30, ..]
    );
    null.then_some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(line: &str) -> Option<(usize, Vec<u8>)> {
        let (offset, octets, used) = row(line.as_bytes())?;
        Some((offset, octets.get(..used)?.to_vec()))
    }

    #[test]
    fn what_was_put_together_is_passed_over_and_the_frame_behind_it_is_not() {
        let mut hex = Hex::default();
        let mut found = Vec::new();
        for line in [
            "Frame (4 bytes):",
            "0000  01 02 03 04   ....",
            "Reassembled TCP (6 bytes):",
            "0000  01 02 03 04 05 06   ......",
            "",
            "0000  0a 0b 0c 0d   ....",
            "",
        ] {
            found.extend(hex.line(line.as_bytes(), 1).1.map(|dump| dump.bytes));
        }
        assert_eq!(found, [vec![1, 2, 3, 4], vec![10, 11, 12, 13]]);
    }

    #[test]
    fn rows_of_several_programs() {
        let all: Vec<u8> = (0x40..0x50).collect();
        for line in [
            "\t0x0000:  4041 4243 4445 4647 4849 4a4b 4c4d 4e4f  @ABCDEFGHIJKLMNO",
            "0000  40 41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f   @ABCDEFGHIJKLMNO",
            "00000000  40 41 42 43 44 45 46 47  48 49 4a 4b 4c 4d 4e 4f  |@ABCDEFGHIJKLMNO|",
            "000000 40 41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f",
        ] {
            assert_eq!(octets(line), Some((0, all.clone())), "{line}");
        }
        let short = "0010  61 62                                             ab";
        assert_eq!(octets(short), Some((16, b"ab".to_vec())));
        let short = "\t0x0010:  6162 63                                  abc";
        assert_eq!(octets(short), Some((16, b"abc".to_vec())));
    }

    #[test]
    fn other_lines_are_no_rows() {
        for line in [
            "2026-11-20 22:13:16",
            "INVITE sip:a@b",
            "0000",
            "00:11:29: //",
            "1234 hello",
        ] {
            assert_eq!(octets(line), None, "{line}");
        }
    }
}
