//! Octets that stand in no file as they are read: decrypted, unmasked, inflated.
//!
//! They are appended by one thread and read by any. The newest stay in memory; the rest lies in a
//! private file, as a compressed capture does.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::bytes::Extent;

use super::input::{file_read_at, write_all_at};
use super::spool;

/// Octets in memory before they are written out.
const IN_MEMORY: usize = 4 << 20;
/// Octets in memory when there is no place to write them.
const IN_MEMORY_ONLY: usize = 64 << 20;
/// Octets stored at most.
const MAX_OCTETS: u64 = 8 << 30;

/// A growing run of octets.
#[derive(Debug, Default)]
pub struct StoredBytes(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    tail: Vec<u8>,
    /// Octets in the file, which stand before those in memory.
    written: u64,
    file: Option<(File, Option<PathBuf>)>,
    no_file: bool,
    /// Octets for which there was no room.
    lost: u64,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some((_, Some(path))) = &self.file {
            // Nobody is left to tell; the folder is private.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl StoredBytes {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends octets and tells where they are; none when there is no room.
    pub fn append(&self, octets: &[u8]) -> Option<u64> {
        let mut inner = self.inner();
        if inner.tail.len() + octets.len() > IN_MEMORY {
            inner.write_out();
        }
        let at = inner.written + inner.tail.len() as u64;
        let full = inner.no_file && inner.tail.len() + octets.len() > IN_MEMORY_ONLY;
        if full || at + octets.len() as u64 > MAX_OCTETS {
            inner.lost += octets.len() as u64;
            return None;
        }
        inner.tail.extend_from_slice(octets);
        Some(at)
    }

    /// Appends the octets of a message that were made of this packet.
    pub fn keep(&self, octets: &[u8], packet: Extent) -> Option<Extent> {
        let len = u32::try_from(octets.len()).ok()?;
        Some(packet.derived_at(self.append(octets)?, len))
    }

    /// Octets for which there was no room.
    pub fn lost(&self) -> u64 {
        self.inner().lost
    }

    /// Fills `out` from `offset` on.
    ///
    /// # Errors
    /// When the octets are not there, or the system cannot read them.
    pub fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let inner = self.inner();
        let in_file = inner.written.saturating_sub(offset).min(out.len() as u64);
        let (head, rest) = out.split_at_mut(usize::try_from(in_file).unwrap_or(0));
        if let Some((file, _)) = &inner.file
            && !head.is_empty()
            && file_read_at(file, offset, head)? < head.len()
        {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        let from = offset.saturating_sub(inner.written);
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let tail = inner.tail.get(from..).and_then(|t| t.get(..rest.len()));
        match tail {
            Some(tail) => rest.copy_from_slice(tail),
            None if rest.is_empty() => {}
            None => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        }
        Ok(())
    }
}

impl Inner {
    fn write_out(&mut self) {
        if self.file.is_none() && !self.no_file {
            match spool::create(None) {
                Ok(made) => self.file = Some(made),
                Err(_) => self.no_file = true,
            }
        }
        let Some((file, _)) = &self.file else { return };
        if self.no_file {
            return;
        }
        match write_all_at(file, &self.tail, self.written) {
            Ok(()) => {
                self.written += self.tail.len() as u64;
                self.tail.clear();
            }
            // The disk is full: what is in memory stays there.
            Err(_) => self.no_file = true,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn what_was_stored_is_read_again_from_memory_and_file() {
        let stored = StoredBytes::default();
        let block: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
        let places: Vec<u64> = (0..10).filter_map(|_| stored.append(&block)).collect();
        assert_eq!(places.len(), 10);
        let mut out = vec![0; block.len()];
        for place in &places {
            stored.read_exact_at(*place, &mut out).expect("there");
            assert!(out == block);
        }
        // Over the border of file and memory.
        let mut all = vec![0; 10 << 20];
        stored.read_exact_at(0, &mut all).expect("there");
        assert!(all.chunks(1 << 20).all(|part| part == block));
        assert!(stored.read_exact_at(10 << 20, &mut [0]).is_err());
        assert_eq!(stored.lost(), 0);
    }
}
