//! Inputs that are still being written: a live capture, a file that grows, a stream.
//!
//! A [`Feed`] is one input: a file, or files of a ring that follow one another. Whoever fills it
//! sends each file when it is begun and ends the growth of the one before.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, PoisonError, RwLock};

use super::load::FileReport;
use crate::bytes::{Extent, MessageBytes, Origin};
use crate::source::{
    CaptureBytes, CaptureFile, Chunk, FileInfo, Growth, Next, OpenOptions, Secret, StoredBytes,
};

/// Octets that the index of a live capture takes, unless somebody says otherwise; what is older is
/// in the file.
pub const LIVE_MEMORY_OCTETS: usize = 512 << 20;

/// One input that grows.
pub struct Feed {
    /// Its name for reports.
    pub name: PathBuf,
    /// Its files, in their order.
    pub files: Receiver<GrowingFile>,
}

/// A file that somebody still writes.
pub struct GrowingFile {
    /// Its name for reports.
    pub path: PathBuf,
    /// It, open for reading.
    pub file: File,
    /// Tells when nothing will be added any more.
    pub growth: Growth,
}

impl Feed {
    /// An input of one file.
    pub fn of(file: GrowingFile) -> Self {
        let (send, files) = std::sync::mpsc::channel();
        let name = file.path.clone();
        // The receiver is right here.
        let _ = send.send(file);
        Self { name, files }
    }
}

/// The files of a load, by their numbers; more may come while it runs.
#[derive(Default)]
pub(super) struct FileTable {
    list: RwLock<Vec<(FileReport, Option<CaptureBytes>)>>,
    /// LINKTYPE_ values in files that still grow, by their numbers.
    link_types: RwLock<BTreeMap<u16, Vec<u16>>>,
    /// What was decrypted, unmasked or inflated out of the inputs.
    pub stored: Arc<StoredBytes>,
}

impl FileTable {
    /// Adds a file and gives its number; none when there are too many.
    pub fn add(&self, report: FileReport, reader: Option<CaptureBytes>) -> Option<u16> {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        let number = u16::try_from(list.len()).ok()?;
        list.push((report, reader));
        Some(number)
    }

    pub fn change(
        &self,
        number: u16,
        how: impl FnOnce(&mut FileReport, &mut Option<CaptureBytes>),
    ) {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        if let Some((report, reader)) = list.get_mut(usize::from(number)) {
            how(report, reader);
        }
    }

    /// Closes those of these files that were deleted: their place on the disk is wanted.
    fn close_deleted(&self, numbers: &mut Vec<u16>) {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        numbers.retain(|number| {
            let Some((_, reader)) = list.get_mut(usize::from(*number)) else {
                return false;
            };
            let deleted = reader.as_ref().is_none_or(CaptureBytes::is_deleted);
            if deleted {
                *reader = None;
            }
            !deleted
        });
    }

    pub fn path(&self, number: u16) -> Option<PathBuf> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        let (report, _) = list.get(usize::from(number))?;
        Some(report.path.clone())
    }

    /// LINKTYPE_ values of the interfaces in a file that grows, as far as it was read.
    pub fn link_types(&self, number: u16) -> Vec<u16> {
        let known = self.link_types.read();
        let known = known.unwrap_or_else(PoisonError::into_inner);
        known.get(&number).cloned().unwrap_or_default()
    }

    fn note_link_types(&self, number: u16, info: &FileInfo) {
        let types = info.interfaces.iter().map(|found| found.link_type);
        let types: BTreeSet<u16> = types.collect();
        let mut known = self
            .link_types
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        known.insert(number, types.into_iter().collect());
    }

    pub fn reports(&self) -> Vec<FileReport> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        list.iter().map(|(report, _)| report.clone()).collect()
    }

    pub fn readers(&self) -> Vec<Option<CaptureBytes>> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        list.iter().map(|(_, reader)| reader.clone()).collect()
    }
}

impl MessageBytes for FileTable {
    fn read(&self, extent: Extent, out: &mut Vec<u8>) -> std::io::Result<()> {
        let reader = {
            let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
            list.get(usize::from(extent.file))
                .and_then(|(_, reader)| reader.clone())
        };
        let Some(reader) = reader else {
            let why =
                "its file is gone: a ring of files keeps the newest ones, or it was begun anew";
            return Err(std::io::Error::other(why));
        };
        let start = out.len();
        out.resize(start + extent.len as usize, 0);
        let room = out.get_mut(start..).unwrap_or_default();
        let result = match extent.derived() {
            Some(offset) => self.stored.read_exact_at(offset, room),
            None => reader.read_exact_at(extent.offset, room),
        };
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    fn origin(&self, extent: Extent) -> Option<Origin> {
        self.stored.origin(extent)
    }
}

/// What blocks are read from.
pub(super) struct Source {
    kind: Kind,
    /// Secrets of the file in hand that were handed on with blocks.
    secrets: usize,
}

enum Kind {
    /// A file that is all there.
    Whole(Box<CaptureFile>),
    /// Files that grow.
    Growing(Box<Follower>),
}

impl Source {
    /// A file that is all there.
    pub fn whole(capture: CaptureFile) -> Self {
        Self {
            kind: Kind::Whole(Box::new(capture)),
            secrets: 0,
        }
    }

    /// Files that grow.
    pub fn growing(follower: Follower) -> Self {
        Self {
            kind: Kind::Growing(Box::new(follower)),
            secrets: 0,
        }
    }

    /// The next block with the secrets that were met on the way to it, and the number of its file
    /// where that is not that of the input.
    pub fn next(
        &mut self,
        octets: usize,
        chunk: &mut Chunk,
        secrets: &mut Vec<Secret>,
    ) -> (Next, Option<u16>) {
        secrets.clear();
        let (next, number, info) = match &mut self.kind {
            Kind::Whole(capture) => {
                let next = capture.poll_chunk_into(octets, chunk);
                (next, None, Some(capture.info()))
            }
            Kind::Growing(follower) => {
                let before = follower.number;
                let next = follower.next(octets, chunk);
                if follower.number != before {
                    self.secrets = 0;
                }
                let info = follower.capture.as_ref().map(CaptureFile::info);
                (next, Some(follower.number), info)
            }
        };
        // Those of a look that found no packets go with the next one that does.
        if let Some(info) = info.filter(|_| next == Next::Chunk) {
            secrets.extend_from_slice(info.secrets.get(self.secrets..).unwrap_or_default());
            self.secrets = info.secrets.len();
        }
        (next, number)
    }

    /// What a file says about itself, if it is one that was all there.
    pub fn into_info(self) -> Option<FileInfo> {
        match self.kind {
            Kind::Whole(capture) => Some(capture.into_info()),
            Kind::Growing(_) => None,
        }
    }

    pub fn is_growing(&self) -> bool {
        matches!(self.kind, Kind::Growing(_))
    }
}

/// Reads the files of a feed, one after the other.
pub(super) struct Follower {
    feed: Receiver<GrowingFile>,
    table: Arc<FileTable>,
    /// Number of the file in hand.
    number: u16,
    /// The number was given before the first file was there.
    first: bool,
    waiting: Option<GrowingFile>,
    capture: Option<CaptureFile>,
    /// How many interfaces it has named.
    interfaces: usize,
    /// A log, or a file that another program writes, with a name that another file may take.
    named: Option<Named>,
    /// Looks that found nothing.
    idle: u32,
    /// Files of a ring that are still open.
    open: Vec<u16>,
    /// There are no numbers left for files.
    full: bool,
    stop: Arc<AtomicBool>,
}

impl Follower {
    /// Begins with the number that stands for the input in the table already.
    pub fn new(feed: Feed, number: u16, table: Arc<FileTable>, stop: Arc<AtomicBool>) -> Self {
        Self {
            feed: feed.files,
            table,
            number,
            first: true,
            waiting: None,
            capture: None,
            interfaces: 0,
            named: None,
            idle: 0,
            open: Vec::new(),
            full: false,
            stop,
        }
    }

    fn next(&mut self, octets: usize, chunk: &mut Chunk) -> Next {
        loop {
            if let Some(capture) = &mut self.capture {
                let next = capture.poll_chunk_into(octets, chunk);
                let interfaces = capture.info().interfaces.len();
                if std::mem::replace(&mut self.interfaces, interfaces) != interfaces {
                    self.table.note_link_types(self.number, capture.info());
                }
                if next == Next::Waiting {
                    self.look_at_name();
                }
                if next != Next::End {
                    return next;
                }
                self.leave();
                self.named = self.named.take().filter(|named| named.goes_on);
                continue;
            }
            if let Some(named) = &self.named {
                if named.growth.is_finished() {
                    self.named = None;
                } else if let Some(file) = named.again() {
                    self.named = None;
                    self.waiting = Some(file);
                } else {
                    return Next::Waiting;
                }
            }
            if self.full {
                return Next::End;
            }
            let file = match self.waiting.take() {
                Some(file) => file,
                None => match self.feed.try_recv() {
                    Ok(file) => file,
                    Err(TryRecvError::Empty) => return Next::Waiting,
                    Err(TryRecvError::Disconnected) => return Next::End,
                },
            };
            let how = OpenOptions {
                stop: Some(Arc::clone(&self.stop)),
                ..OpenOptions::default()
            };
            match CaptureFile::follow(&file.file, &file.path, &file.growth, &how) {
                Ok(None) => {
                    self.waiting = Some(file);
                    return Next::Waiting;
                }
                Ok(Some(capture)) => self.begin(file, capture),
                Err(error) => {
                    file.growth.tell(error.to_string());
                    self.begun(file.path, None, Some(error.to_string()));
                }
            }
        }
    }

    /// A file may be replaced by a new one of the same name, or begun anew.
    fn look_at_name(&mut self) {
        self.idle = self.idle.wrapping_add(1);
        let (Some(named), Some(capture)) = (&mut self.named, &mut self.capture) else {
            return;
        };
        if !self.idle.is_multiple_of(LOOKS_AT_NAME) || named.goes_on {
            return;
        }
        let text = capture.is_text();
        let name = named.path.file_name().unwrap_or(named.path.as_os_str());
        let name = name.to_string_lossy().into_owned();
        match named.now(capture.position()) {
            Now::Same => return,
            Now::Missing => {
                return named.growth.tell(format!(
                    "the file {name} was removed or renamed; a new one of that name is waited for"
                ));
            }
            Now::Replaced => {
                named.growth.tell(format!(
                    "the file {name} was replaced by a new one, which is read on"
                ));
                capture.settle(
                    match text {
                        true => "logs replaced by a new one",
                        false => "captures replaced by a new one",
                    },
                    "another file has its name now, and is read on from there",
                );
            }
            Now::Shorter => {
                named.growth.tell(format!(
                    "the file {name} was cut and begun anew; it is read again from its beginning"
                ));
                capture.settle(
                    match text {
                        true => "logs begun anew",
                        false => "captures begun anew",
                    },
                    "the file was cut while it was followed, and is read again from its beginning; \
                     what was written right before may be missing",
                );
                if !text {
                    // Other packets stand there now; of a text there is a copy.
                    self.table.change(self.number, |_, reader| *reader = None);
                }
            }
        }
        named.goes_on = true;
    }

    fn begin(&mut self, file: GrowingFile, capture: CaptureFile) {
        let may_change = capture.is_text() || file.growth.is_foreign();
        self.named = Named::of(&file).filter(|_| may_change);
        self.begun(file.path, Some(capture.bytes()), None);
        self.interfaces = 0;
        self.capture = Some(capture).filter(|_| !self.full);
    }

    /// Enters a file into the table.
    fn begun(&mut self, path: PathBuf, reader: Option<CaptureBytes>, error: Option<String>) {
        let report = FileReport {
            path,
            info: FileInfo::default(),
            skipped: Vec::new(),
            error,
        };
        if std::mem::take(&mut self.first) {
            self.table.change(self.number, |old, old_reader| {
                *old = report;
                *old_reader = reader;
            });
        } else if let Some(number) = self.table.add(report, reader) {
            self.table.close_deleted(&mut self.open);
            self.number = number;
        } else {
            self.full = true;
            let words = "65,536 files were followed: the view ends here, the capture goes on";
            self.table.change(self.number, |report, _| {
                report.error = Some(words.to_owned());
            });
            return;
        }
        self.open.push(self.number);
    }

    /// The file in hand is read to its end.
    fn leave(&mut self) {
        if let Some(capture) = self.capture.take() {
            let info = capture.into_info();
            self.table
                .change(self.number, |report, _| report.info = info);
        }
    }
}

/// How often the name of a file is looked at: once for so many looks at the file itself.
const LOOKS_AT_NAME: u32 = 32;
/// Between two files of one name there may be none for so many looks at it before that is told.
const LOOKS_FOR_MISSING: u32 = 3;

/// What a file was when its reading began.
struct Named {
    path: PathBuf,
    growth: Growth,
    identity: (u64, u64),
    /// Looks that found no file of that name.
    missing: u32,
    /// The next file of that name is to be read.
    goes_on: bool,
}

/// What has become of a file.
enum Now {
    Same,
    Missing,
    Replaced,
    Shorter,
}

impl Named {
    /// None for what has no name of its own.
    fn of(file: &GrowingFile) -> Option<Self> {
        let identity = identity(&file.file.metadata().ok()?);
        let now = std::fs::metadata(&file.path).ok();
        let there = now.is_some_and(|now| self::identity(&now) == identity);
        // One of another program may have lost its name already.
        (there || file.growth.is_foreign()).then(|| Self {
            path: file.path.clone(),
            growth: file.growth.clone(),
            identity,
            missing: 0,
            goes_on: false,
        })
    }

    fn now(&mut self, read: u64) -> Now {
        let Ok(metadata) = std::fs::metadata(&self.path) else {
            self.missing = self.missing.saturating_add(1);
            return match self.missing {
                LOOKS_FOR_MISSING => Now::Missing,
                _ => Now::Same,
            };
        };
        self.missing = 0;
        match identity(&metadata) == self.identity {
            false => Now::Replaced,
            true if metadata.len() < read => Now::Shorter,
            true => Now::Same,
        }
    }

    /// The file that has the name now.
    fn again(&self) -> Option<GrowingFile> {
        Some(GrowingFile {
            file: File::open(&self.path).ok()?,
            path: self.path.clone(),
            growth: self.growth.clone(),
        })
    }
}

#[cfg(unix)]
fn identity(metadata: &std::fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn identity(_: &std::fs::Metadata) -> (u64, u64) {
    (0, 0)
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_numbers_of_16_bits_and_no_more() {
        let table = FileTable::default();
        let report = || FileReport {
            path: PathBuf::new(),
            info: FileInfo::default(),
            skipped: Vec::new(),
            error: None,
        };
        let numbers: Vec<_> = (0..=u16::MAX).map(|_| table.add(report(), None)).collect();
        assert_eq!(numbers.first(), Some(&Some(0)));
        assert_eq!(numbers.last(), Some(&Some(u16::MAX)));
        assert_eq!(table.add(report(), None), None);
        assert_eq!(table.reports().len(), 65_536);
    }
}
