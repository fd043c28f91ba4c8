//! Octets that stand in no file as they are read: decrypted, unmasked, inflated.
//!
//! They are appended by one thread and read by any. The newest stay in memory; the rest lies in a
//! private file, as a compressed capture does.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::bytes::{Extent, Origin};

use super::input::{file_read_at, write_all_at};
use super::spool;

/// Octets in memory before they are written out.
const IN_MEMORY: usize = 4 << 20;
/// Octets in memory when there is no place to write them.
const IN_MEMORY_ONLY: usize = 64 << 20;
/// Octets stored at most.
const MAX_OCTETS: u64 = 8 << 30;

/// A growing run of octets, and of which packets they were made.
#[derive(Debug, Default)]
pub struct StoredBytes {
    octets: Mutex<Inner>,
    /// Entries of one length in the order of their places.
    origins: Mutex<Inner>,
}

/// Octets of one entry: place and length of what was made, offset and length of what it was made of,
/// distance from the beginning of the frame, and whether a record begins there.
const ENTRY: usize = 8 + 4 + 8 + 4 + 2 + 1;

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

fn locked(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl StoredBytes {
    /// Appends octets and tells where they are; none when there is no room.
    pub fn append(&self, octets: &[u8]) -> Option<u64> {
        locked(&self.octets).append(octets)
    }

    /// Appends the octets of a message that were made of this packet.
    pub fn keep(&self, octets: &[u8], packet: Extent) -> Option<Extent> {
        let len = u32::try_from(octets.len()).ok()?;
        let made = packet.derived_at(self.append(octets)?, len);
        let origin = Origin {
            part: packet,
            begins: false,
        };
        self.note(made, origin);
        Some(made)
    }

    /// Notes of what the newest octets were made. Only a view of the packet needs it: what has no
    /// room is left out.
    pub fn note(&self, made: Extent, origin: Origin) {
        let Some(place) = made.derived() else { return };
        let mut entry = [0; ENTRY];
        let part = origin.part;
        let octets = place.to_be_bytes().into_iter();
        let octets = octets
            .chain(made.len.to_be_bytes())
            .chain(part.offset.to_be_bytes())
            .chain(part.len.to_be_bytes())
            .chain(part.head.to_be_bytes())
            .chain([u8::from(origin.begins)]);
        entry
            .iter_mut()
            .zip(octets)
            .for_each(|(to, from)| *to = from);
        locked(&self.origins).append(&entry);
    }

    /// Of what the first of these octets was made.
    pub fn origin(&self, made: Extent) -> Option<Origin> {
        let place = made.derived()?;
        let origins = locked(&self.origins);
        // The last entry that begins at this place or before it.
        let (mut low, mut high) = (0, origins.len() / ENTRY as u64);
        let mut entry = [0; ENTRY];
        while low < high {
            let middle = low + (high - low) / 2;
            origins
                .read_exact_at(middle * ENTRY as u64, &mut entry)
                .ok()?;
            if u64::from_be_bytes(*entry.first_chunk()?) <= place {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let at = low.checked_sub(1)? * ENTRY as u64;
        origins.read_exact_at(at, &mut entry).ok()?;
        let word = |at: usize| Some(u32::from_be_bytes(*entry.get(at..)?.first_chunk()?));
        let start = u64::from_be_bytes(*entry.first_chunk()?);
        if place - start >= u64::from(word(8)?) {
            return None;
        }
        let part = Extent {
            offset: u64::from_be_bytes(*entry.get(12..)?.first_chunk()?),
            len: word(20)?,
            head: u16::from_be_bytes(*entry.get(24..)?.first_chunk()?),
            ..made
        };
        Some(Origin {
            part,
            begins: entry.last() == Some(&1),
        })
    }

    /// Octets for which there was no room.
    pub fn lost(&self) -> u64 {
        locked(&self.octets).lost
    }

    /// Fills `out` from `offset` on.
    ///
    /// # Errors
    /// When the octets are not there, or the system cannot read them.
    pub fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        locked(&self.octets).read_exact_at(offset, out)
    }
}

impl Inner {
    fn len(&self) -> u64 {
        self.written + self.tail.len() as u64
    }

    fn append(&mut self, octets: &[u8]) -> Option<u64> {
        if self.tail.len() + octets.len() > IN_MEMORY {
            self.write_out();
        }
        let at = self.len();
        let full = self.no_file && self.tail.len() + octets.len() > IN_MEMORY_ONLY;
        if full || at + octets.len() as u64 > MAX_OCTETS {
            self.lost += octets.len() as u64;
            return None;
        }
        self.tail.extend_from_slice(octets);
        Some(at)
    }

    fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let in_file = self.written.saturating_sub(offset).min(out.len() as u64);
        let (head, rest) = out.split_at_mut(usize::try_from(in_file).unwrap_or(0));
        if let Some((file, _)) = &self.file
            && !head.is_empty()
            && file_read_at(file, offset, head)? < head.len()
        {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        let from = offset.saturating_sub(self.written);
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let tail = self.tail.get(from..).and_then(|t| t.get(..rest.len()));
        match tail {
            Some(tail) => rest.copy_from_slice(tail),
            None if rest.is_empty() => {}
            None => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        }
        Ok(())
    }

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

    #[test]
    fn of_what_octets_were_made_is_found_again() {
        let stored = StoredBytes::default();
        let packet = |n: u32| Extent {
            offset: 1000 * u64::from(n),
            len: 90,
            frame: n,
            head: 66,
            ..Extent::default()
        };
        let mut made = Vec::new();
        for n in 0..200_000 {
            let place = stored.append(b"twelve octet").expect("room");
            let extent = packet(n).derived_at(place, 12);
            // Of every other one nothing is known.
            if n % 2 == 0 {
                let origin = Origin {
                    part: packet(n),
                    begins: n % 4 == 0,
                };
                stored.note(extent, origin);
            }
            made.push(extent);
        }
        for (n, extent) in made.iter().enumerate() {
            let origin = stored.origin(extent.part(5, 2));
            if n % 2 == 1 {
                assert_eq!(origin, None);
                continue;
            }
            let origin = origin.expect("known");
            assert_eq!(origin.part, packet(extent.frame));
            assert_eq!(origin.begins, n % 4 == 0);
        }
        assert_eq!(stored.origin(packet(1)), None);
    }
}
