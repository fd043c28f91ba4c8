//! A file of which parts were taken out while its reader still knows places in it.

use std::{
    fs::File,
    io,
    sync::{PoisonError, RwLock},
};

use super::{Growth, input::file_read_at};

/// Where octets are after others were taken out: pieces that stayed, in order.
#[derive(Debug, Default)]
pub struct Places {
    /// Where each piece begins before and after; it ends where the next one begins after.
    pieces: Vec<(u64, u64)>,
    end: u64,
}

impl Places {
    /// Notes that the next `octets` of those that stay began at `before`.
    pub fn add(&mut self, before: u64, octets: u64) {
        let follows = self
            .pieces
            .last()
            .is_some_and(|(old, new)| before.wrapping_sub(*old) == self.end - new);
        if !follows {
            self.pieces.push((before, self.end));
        }
        self.end += octets;
    }

    /// How many pieces there are.
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// True when nothing stayed.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Where `octets` are now that began at `before`; none when they did not all stay.
    pub fn find(&self, before: u64, octets: u64) -> Option<u64> {
        let behind = self.pieces.partition_point(|(old, _)| *old <= before);
        let (old, new) = *self.pieces.get(behind.checked_sub(1)?)?;
        let end = self.pieces.get(behind).map_or(self.end, |(_, new)| *new);
        let now = new.checked_add(before - old)?;
        (now.checked_add(octets)? <= end).then_some(now)
    }
}

/// A file that took the place of another one, with what stayed of it.
#[derive(Debug)]
pub struct ThinnedFile {
    /// It, open for reading.
    pub file: File,
    /// Where what stayed is in it.
    pub places: Places,
}

/// A file that somebody writes or wrote, and may thin out afterwards.
#[derive(Debug)]
pub(super) struct Followed {
    /// As it was; let go when another one takes its place.
    file: RwLock<Option<File>>,
    growth: Growth,
}

impl Followed {
    pub fn new(file: File, growth: Growth) -> Self {
        Self {
            file: RwLock::new(Some(file)),
            growth,
        }
    }

    /// Reads as much as there is from `offset` on, up to the length of `out`.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        if let Some(thinned) = self.thinned() {
            let place = thinned.places.find(offset, out.len() as u64);
            let place = place.ok_or_else(|| {
                io::Error::other("these packets were left out when the file was thinned out")
            })?;
            return file_read_at(&thinned.file, place, out);
        }
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        match file.as_ref() {
            Some(file) => file_read_at(file, offset, out),
            // It was let go just now: the other one is there.
            None => {
                drop(file);
                self.read_at(offset, out)
            }
        }
    }

    pub fn len(&self) -> Option<u64> {
        self.with_file(|file| file.metadata().ok().map(|metadata| metadata.len()))
    }

    /// The file has no name any more: only we keep its place on the disk.
    #[cfg(unix)]
    pub fn is_deleted(&self) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        self.with_file(|file| file.metadata().ok())
            .is_some_and(|metadata| metadata.nlink() == 0)
    }

    fn with_file<T>(&self, look: impl FnOnce(&File) -> Option<T>) -> Option<T> {
        if let Some(thinned) = self.thinned() {
            return look(&thinned.file);
        }
        let file = self.file.read().unwrap_or_else(PoisonError::into_inner);
        file.as_ref().and_then(look)
    }

    /// What took its place; the old file is let go then, for its room on the disk is wanted.
    fn thinned(&self) -> Option<&ThinnedFile> {
        let thinned = self.growth.thinned()?;
        let there = |file: &RwLock<Option<File>>| {
            file.read()
                .unwrap_or_else(PoisonError::into_inner)
                .is_some()
        };
        if there(&self.file) {
            *self.file.write().unwrap_or_else(PoisonError::into_inner) = None;
        }
        Some(thinned)
    }
}

#[cfg(test)]
mod tests {
    use super::Places;

    #[test]
    fn what_stayed_is_found_and_nothing_else() {
        let mut places = Places::default();
        // 0–99 and 100–149 stayed, 150–299 went, 300–399 stayed, 400–409 went, 410–419 stayed.
        for (before, octets) in [(0, 100), (100, 50), (300, 100), (410, 10)] {
            places.add(before, octets);
        }
        assert_eq!(places.len(), 3);
        let found = [
            (0, 150),
            (149, 1),
            (140, 11),
            (150, 1),
            (299, 1),
            (300, 100),
            (310, 91),
            (399, 1),
            (400, 1),
            (410, 10),
            (419, 2),
            (500, 0),
        ]
        .map(|(before, octets)| places.find(before, octets));
        let expected = [
            Some(0),
            Some(149),
            None,
            None,
            None,
            Some(150),
            None,
            Some(249),
            None,
            Some(250),
            None,
            None,
        ];
        assert_eq!(found, expected);
    }
}
