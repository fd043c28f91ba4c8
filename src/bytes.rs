//! How anyone gets the bytes of a message: extents say where they lie, a reader brings them.

use serde::Serialize;

/// A run of bytes in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Extent {
    /// Offset in the (inflated) file; see [`Extent::derived`] for octets that stand in none.
    pub offset: u64,
    /// Time of that packet, nanoseconds since 1970-01-01 UTC.
    pub time: i64,
    /// Number of bytes.
    pub len: u32,
    /// Number of the packet they were captured in.
    pub frame: u32,
    /// Distance from the first byte of the frame to this run.
    pub head: u16,
    /// Index of the input file.
    pub file: u16,
}

impl Extent {
    /// The part that starts `from` bytes into the run and is at most `len` long.
    pub fn part(self, from: usize, len: usize) -> Self {
        let own = self.len as usize;
        let from = from.min(own);
        Self {
            offset: self.offset.saturating_add(from as u64),
            len: u32::try_from(len.min(own - from)).unwrap_or(u32::MAX),
            head: self
                .head
                .saturating_add(u16::try_from(from).unwrap_or(u16::MAX)),
            ..self
        }
    }
}

/// Cuts `len` bytes, starting at `start`, out of a list of extents.
pub fn cut_extents(extents: &[Extent], start: usize, len: usize) -> Vec<Extent> {
    let mut out = Vec::new();
    let (mut skip, mut left) = (start, len);
    for extent in extents {
        let own = extent.len as usize;
        if skip >= own {
            skip -= own;
            continue;
        }
        if left == 0 {
            break;
        }
        let part = extent.part(skip, left);
        left -= part.len as usize;
        skip = 0;
        out.push(part);
    }
    out
}

/// Brings the bytes of extents.
pub trait MessageBytes: Send + Sync {
    /// Appends the bytes of one extent to `out`.
    ///
    /// # Errors
    /// The file cannot be read, or has changed.
    fn read(&self, extent: Extent, out: &mut Vec<u8>) -> std::io::Result<()>;

    /// Of which octets of a packet the octets of a derived extent were made, as far as that is kept.
    fn origin(&self, _extent: Extent) -> Option<Origin> {
        None
    }

    /// The bytes of a whole message.
    ///
    /// # Errors
    /// As `read`.
    fn read_all(&self, extents: &[Extent]) -> std::io::Result<Vec<u8>> {
        let mut out = Vec::new();
        for extent in extents {
            self.read(*extent, &mut out)?;
        }
        Ok(out)
    }
}

/// The octets of a packet of which others were made: encrypted, masked, compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Where they lie in the capture.
    pub part: Extent,
    /// The record or frame that holds them begins with them.
    pub begins: bool,
}

/// Offsets from here on are places in what was made of a capture, not in the capture.
const DERIVED: u64 = 1 << 63;
impl Extent {
    /// Octets made of this packet that are stored at `offset` beside the capture.
    pub fn derived_at(self, offset: u64, len: u32) -> Self {
        Self {
            offset: offset | DERIVED,
            len,
            ..self
        }
    }

    /// Where the octets are stored, when they stand in no file as they are.
    pub fn derived(self) -> Option<u64> {
        self.is_derived().then_some(self.offset & !DERIVED)
    }

    /// The octets are not in the file: they were inflated, decrypted or unmasked.
    pub fn is_derived(self) -> bool {
        self.offset & DERIVED != 0
    }
}
