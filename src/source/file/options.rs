//! Options of pcapng blocks, and the numbers in front of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A part of a block: its octets and the byte order of its section.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8], big_endian: bool) -> Self {
        Self { bytes, big_endian }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    fn chunk<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (chunk, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(*chunk)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        let bytes = self.chunk()?;
        Some(if self.big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        let bytes = self.chunk()?;
        Some(if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        let bytes = self.chunk()?;
        Some(if self.big_endian {
            u64::from_be_bytes(bytes)
        } else {
            u64::from_le_bytes(bytes)
        })
    }

    /// A time as two halves, the upper one first in either byte order.
    pub(super) fn ticks(&mut self) -> Option<u64> {
        let (high, low) = (self.u32()?, self.u32()?);
        Some(u64::from(high) << 32 | u64::from(low))
    }

    /// The next `n` octets and their padding to a multiple of four.
    fn padded(&mut self, n: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.bytes.split_at_checked(n)?;
        let padding = n.next_multiple_of(4).saturating_sub(n).min(rest.len());
        self.bytes = rest.get(padding..).unwrap_or_default();
        Some(bytes)
    }

    /// Code and value of the options, up to their end or the first that does not fit.
    pub(super) fn options(mut self) -> impl Iterator<Item = (u16, Fields<'a>)> {
        std::iter::from_fn(move || {
            let code = self.u16()?;
            let length = self.u16()?;
            if code == 0 {
                return None;
            }
            let value = self.padded(usize::from(length))?;
            Some((code, Fields::new(value, self.big_endian)))
        })
    }

    /// Address and names of the records of a name resolution block.
    pub(super) fn name_records(&mut self) -> Vec<(IpAddr, Vec<String>)> {
        let mut records = Vec::new();
        while let (Some(kind), Some(length)) = (self.u16(), self.u16()) {
            let Some(value) = self.padded(usize::from(length)).filter(|_| kind != 0) else {
                break;
            };
            let address = match kind {
                1 => value
                    .split_first_chunk::<4>()
                    .map(|(a, r)| (Ipv4Addr::from(*a).into(), r)),
                2 => value
                    .split_first_chunk::<16>()
                    .map(|(a, r)| (Ipv6Addr::from(*a).into(), r)),
                _ => None,
            };
            let Some((address, names)) = address else {
                continue;
            };
            let names = names
                .split(|b| *b == 0)
                .filter(|name| !name.is_empty())
                .map(text)
                .collect();
            records.push((address, names));
        }
        records
    }
}

/// Text of an option; a zero at its end is not part of it.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .rposition(|b| *b != 0)
        .map_or(0, |last| last.saturating_add(1));
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}
