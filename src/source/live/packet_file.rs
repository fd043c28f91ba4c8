//! The pcapng that a live source of this process writes, as a file or a ring of files.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Write as _},
    sync::{Arc, mpsc::Sender},
};

use super::{Clock, Counts, Event, LiveError, Shared, Target};
use crate::source::pcapng_block::{self, Statistics};

/// Octets gathered before they are written.
const BUFFER: usize = 256 << 10;
/// What came is written at the latest after so many nanoseconds …
const WRITE_AFTER: u64 = 50_000_000;
/// … and is on the disk at the latest after so many, or after so many octets.
const SYNC_AFTER: u64 = 1_000_000_000;
const SYNC_OCTETS: u64 = 4 << 20;
/// Octets kept of each packet.
const SNAP_OCTETS: u32 = 262_144;

/// What stands at the beginning of each file.
pub(in crate::source) struct Head {
    /// Name of the interface.
    pub name: String,
    /// What it is.
    pub description: String,
    /// LINKTYPE_ value of the packets.
    pub link_type: u16,
    /// The capture filter, if there is one.
    pub filter: String,
}

impl Head {
    fn octets(&self) -> Vec<u8> {
        let head = pcapng_block::Head {
            application: concat!("sipscope ", env!("CARGO_PKG_VERSION")),
            name: &self.name,
            description: &self.description,
            link_type: self.link_type,
            snap_octets: SNAP_OCTETS,
            filter: &self.filter,
        };
        head.octets()
    }
}

/// Files under way.
pub(in crate::source) struct PacketFile {
    head: Vec<u8>,
    target: Target,
    file: File,
    ahead: VecDeque<File>,
    buffer: Vec<u8>,
    /// Octets of whole blocks in the file.
    in_file: u64,
    unsynced: u64,
    /// That the ring cannot go on was told.
    at_last: bool,
    written: u64,
    synced: u64,
    clock: Clock,
    shared: Arc<Shared>,
    events: Sender<Event>,
    /// What was written, and what was not.
    pub counts: Counts,
}

impl PacketFile {
    /// Makes the first file.
    pub fn begin(
        mut target: Target,
        head: &Head,
        clock: Clock,
        shared: Arc<Shared>,
        events: Sender<Event>,
    ) -> Result<Self, LiveError> {
        let mut ahead = VecDeque::new();
        while let Some(file) = target.open_next()? {
            ahead.push_back(file);
        }
        let Some(file) = ahead.pop_front() else {
            return Err(LiveError::Output {
                path: target.current().to_path_buf(),
                why: "it is in use".to_owned(),
            });
        };
        let now = clock();
        let mut new = Self {
            head: head.octets(),
            target,
            file,
            ahead,
            buffer: Vec::with_capacity(2 * BUFFER),
            in_file: 0,
            unsynced: 0,
            at_last: false,
            written: now,
            synced: now,
            clock,
            shared,
            events,
            counts: Counts::default(),
        };
        new.buffer.extend_from_slice(&new.head);
        new.write()?;
        new.hand_out();
        Ok(new)
    }

    /// Adds a packet of several parts, `original` octets long where it was captured.
    pub fn packet(&mut self, time: u64, original: u32, parts: &[&[u8]]) {
        let mark = self.shared.take_mark();
        pcapng_block::packet(&mut self.buffer, time, original, parts, mark.as_deref());
        self.counts.packets += 1;
        self.counts.octets += parts.iter().map(|part| part.len() as u64).sum::<u64>();
    }

    /// Adds the counters of now.
    pub fn statistics(&mut self, comment: &str) {
        let counts = self.counts;
        let statistics = Statistics {
            received: counts.received,
            dropped_by_interface: counts.dropped_by_interface,
            dropped: counts.dropped_by_kernel + counts.dropped_here,
            written: counts.packets,
        };
        let comment = (!comment.is_empty()).then_some(comment);
        statistics.write(&mut self.buffer, (self.clock)(), comment);
    }

    /// Writes and synchronises what is due; `idle` when nothing more is there just now.
    pub fn tick(&mut self, idle: bool) -> Result<(), LiveError> {
        let now = (self.clock)();
        let late = now.saturating_sub(self.written) >= WRITE_AFTER;
        if !self.buffer.is_empty() && (idle || late || self.buffer.len() >= BUFFER) {
            self.write()?;
            self.written = now;
            self.shared.set_counts(self.counts);
        }
        let due = now.saturating_sub(self.synced) >= SYNC_AFTER || self.unsynced >= SYNC_OCTETS;
        if due && self.unsynced > 0 {
            // A failing disk shows in the next write.
            let _ = self.file.sync_data();
            (self.unsynced, self.synced) = (0, now);
        }
        let limit = self.target.ring().map_or(u64::MAX, |ring| ring.octets);
        if self.in_file >= limit {
            self.turn()?;
        }
        Ok(())
    }

    /// Tells the newest counters.
    pub fn tell_counts(&self) {
        self.shared.set_counts(self.counts);
        // Nobody listens when the capture was closed.
        let _ = self.events.send(Event::Counted);
    }

    /// Ends the file with the last counters.
    pub fn close(&mut self, comment: &str) -> Result<(), LiveError> {
        self.statistics(comment);
        let written = self.write();
        self.shared.set_counts(self.counts);
        let synced = match self.file.sync_data() {
            // A pipe has no disk behind it.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            synced => synced.map_err(|error| self.unwritable(&error)),
        };
        self.target.clean_up();
        written.and(synced)
    }

    /// Goes on in the next file.
    fn turn(&mut self) -> Result<(), LiveError> {
        let Some(next) = self.ahead.pop_front() else {
            if !std::mem::replace(&mut self.at_last, true) {
                let _ = self.events.send(Event::RingStuck);
            }
            return Ok(());
        };
        self.statistics("");
        self.write()?;
        let _ = self.file.sync_data();
        self.file = next;
        (self.in_file, self.unsynced, self.at_last) = (0, 0, false);
        self.buffer.extend_from_slice(&self.head);
        self.write()?;
        let path = self.target.go_on();
        // Without another file it goes on with the one it has, and says so.
        while let Ok(Some(file)) = self.target.open_next() {
            self.ahead.push_back(file);
        }
        self.hand_out();
        let _ = self.events.send(Event::File(path));
        Ok(())
    }

    /// The files that were begun go to whoever follows them.
    fn hand_out(&mut self) {
        let path = self.target.current().to_path_buf();
        self.shared.begin_file(path, self.target.reader());
    }

    fn write(&mut self) -> Result<(), LiveError> {
        if let Err(error) = self.file.write_all(&self.buffer) {
            // Half a block would make the file look damaged. The next write goes to its end.
            self.buffer.clear();
            let _ = self.file.set_len(self.in_file);
            return Err(self.unwritable(&error));
        }
        let octets = self.buffer.len() as u64;
        self.in_file += octets;
        self.unsynced += octets;
        self.buffer.clear();
        Ok(())
    }

    fn unwritable(&self, error: &io::Error) -> LiveError {
        LiveError::Output {
            path: self.target.current().to_path_buf(),
            why: error.to_string(),
        }
    }
}
