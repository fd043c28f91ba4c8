//! Reading an input by position: a file, octets in memory, or a spool that grows as it is read.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::SystemTime,
};

use super::{Growth, SourceError, compressed::Inflater, spool, thinned::Followed};

/// Most octets inflated or piped into a spool.
const MAX_SPOOL_BYTES: u64 = 8 << 30;
/// Growth that makes a compressed file suspect, once [`BOMB_GRACE_BYTES`] are inflated.
const MAX_GROWTH: u64 = 100;
const BOMB_GRACE_BYTES: u64 = 64 << 20;
const PUMP_BYTES: usize = 256 << 10;

/// The octets of a capture, read by position and from any thread.
///
/// Offsets are those of [`super::Chunk::base`]: of the inflated capture when the file was packed.
#[derive(Clone, Debug)]
pub struct CaptureBytes(Arc<Bytes>);

#[derive(Debug)]
struct Bytes {
    store: Store,
    watched: Option<Watched>,
}

#[derive(Debug)]
enum Store {
    Memory(Vec<u8>),
    File(File),
    /// A file that somebody writes or wrote just now.
    Followed(Followed),
    /// A spool; its path is there only where the system cannot drop the name of an open file.
    Spool(File, Option<PathBuf>),
    /// Octets in memory that grow at the end.
    Growing(RwLock<Vec<u8>>),
}

/// How to see that a file is no longer what it was when it was opened.
#[derive(Debug)]
struct Watched {
    path: PathBuf,
    identity: Identity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    node: (u64, u64),
    size: u64,
    modified: Option<SystemTime>,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let node = {
            use std::os::unix::fs::MetadataExt as _;
            (metadata.dev(), metadata.ino())
        };
        #[cfg(not(unix))]
        let node = (0, 0);
        Self {
            node,
            size: metadata.len(),
            modified: metadata.modified().ok(),
        }
    }
}

impl CaptureBytes {
    /// The file has no name any more: only we keep its place on the disk.
    pub(crate) fn is_deleted(&self) -> bool {
        #[cfg(unix)]
        if let Store::File(file) = &self.0.store {
            use std::os::unix::fs::MetadataExt as _;
            return file.metadata().is_ok_and(|metadata| metadata.nlink() == 0);
        }
        #[cfg(unix)]
        if let Store::Followed(file) = &self.0.store {
            return file.is_deleted();
        }
        false
    }

    /// Octets in memory, for tests and for what never was a file.
    pub fn from_memory(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Bytes {
            store: Store::Memory(bytes),
            watched: None,
        }))
    }

    /// Fills `out` from `offset` on.
    ///
    /// # Errors
    /// When the octets are not there (any more), or the system cannot read them.
    pub fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if self.read_at(offset, out)? < out.len() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        Ok(())
    }

    /// How many octets there are; none when the system does not say.
    fn len(&self) -> Option<u64> {
        Some(match &self.0.store {
            Store::Memory(bytes) => bytes.len() as u64,
            Store::Growing(bytes) => {
                bytes.read().unwrap_or_else(PoisonError::into_inner).len() as u64
            }
            Store::File(file) | Store::Spool(file, _) => file.metadata().ok()?.len(),
            Store::Followed(file) => file.len()?,
        })
    }

    /// True when the file was replaced, written to or cut since it was opened.
    pub fn changed(&self) -> bool {
        let Some(watched) = &self.0.watched else {
            return false;
        };
        match fs::metadata(&watched.path) {
            Ok(now) => Identity::of(&now) != watched.identity,
            Err(_) => true,
        }
    }

    /// Reads as much as there is, up to the length of `out`.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<usize> {
        match &self.0.store {
            Store::Memory(bytes) => Ok(memory_read_at(bytes, offset, out)),
            Store::Growing(bytes) => {
                let bytes = bytes.read().unwrap_or_else(PoisonError::into_inner);
                Ok(memory_read_at(&bytes, offset, out))
            }
            Store::File(file) | Store::Spool(file, _) => file_read_at(file, offset, out),
            Store::Followed(file) => file.read_at(offset, out),
        }
    }
}

impl Drop for Bytes {
    fn drop(&mut self) {
        if let Store::Spool(_, Some(path)) = &self.store {
            // Nobody is left to tell; the folder is private.
            let _ = fs::remove_file(path);
        }
    }
}

fn memory_read_at(bytes: &[u8], offset: u64, out: &mut [u8]) -> usize {
    let from = usize::try_from(offset).ok().and_then(|o| bytes.get(o..));
    let from = from.unwrap_or_default();
    let n = from.len().min(out.len());
    if let (Some(out), Some(from)) = (out.get_mut(..n), from.get(..n)) {
        out.copy_from_slice(from);
    }
    n
}

#[cfg(unix)]
fn read_some_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, out, offset)
}

#[cfg(unix)]
pub(super) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_some_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, out, offset)
}

#[cfg(windows)]
pub(super) fn write_all_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = std::os::windows::fs::FileExt::seek_write(file, bytes, offset)?;
        if n == 0 {
            return Err(io::Error::from(io::ErrorKind::WriteZero));
        }
        bytes = bytes.get(n..).unwrap_or_default();
        offset = offset.saturating_add(n as u64);
    }
    Ok(())
}

pub(super) fn file_read_at(file: &File, mut offset: u64, out: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = out.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match read_some_at(file, rest, offset) {
            Ok(0) => break,
            Ok(n) => {
                filled = filled.saturating_add(n);
                offset = offset.saturating_add(n as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Where octets are put that lie nowhere in one piece: the repaired messages of a text.
pub(super) struct Sink {
    bytes: CaptureBytes,
    written: u64,
}

/// Texts up to this size are repaired in memory, larger ones in a private file.
const MAX_MEMORY_BYTES: u64 = 4 << 20;

impl Sink {
    /// A store for what is made of `input`.
    pub(super) fn for_text(input: &Input, folder: Option<&Path>) -> Result<Self, SourceError> {
        let small = input.end().is_some_and(|end| end <= MAX_MEMORY_BYTES);
        let store = if small {
            Store::Growing(RwLock::default())
        } else {
            let (file, path) = spool::create(folder)?;
            Store::Spool(file, path)
        };
        let watched = None;
        Ok(Self {
            bytes: CaptureBytes(Arc::new(Bytes { store, watched })),
            written: 0,
        })
    }

    /// Adds octets at the end.
    pub(super) fn append(&mut self, more: &[u8]) -> io::Result<()> {
        let room = MAX_SPOOL_BYTES.saturating_sub(self.written);
        if more.len() as u64 > room {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        match &self.bytes.0.store {
            Store::Growing(bytes) => bytes
                .write()
                .unwrap_or_else(PoisonError::into_inner)
                .extend_from_slice(more),
            Store::Spool(file, _) => write_all_at(file, more, self.written)?,
            Store::Memory(_) | Store::File(_) | Store::Followed(_) => {}
        }
        self.written = self.written.saturating_add(more.len() as u64);
        Ok(())
    }

    /// How many octets there are.
    pub(super) fn len(&self) -> u64 {
        self.written
    }

    /// For others to read.
    pub(super) fn bytes(&self) -> CaptureBytes {
        self.bytes.clone()
    }
}

/// An input that is read by position, whatever it is made of.
pub(super) struct Input {
    bytes: CaptureBytes,
    /// Present while a spool is being filled.
    pump: Option<Pump>,
    /// Where the octets end; known from the start except for a spool.
    end: Option<u64>,
    /// Size of the packed file, or of the file.
    size: u64,
    packed: bool,
    consumed: u64,
    /// Why the octets end before their proper end, and where.
    fault: Option<String>,
    progress: Option<Arc<AtomicU64>>,
    stop: Option<Arc<AtomicBool>>,
    /// Present for a file that somebody still writes.
    growth: Option<Growth>,
}

struct Pump {
    inflater: Inflater,
    written: u64,
    buffer: Vec<u8>,
    bomb_limit: bool,
}

/// What an input needs beside its octets.
pub(super) struct Settings<'a> {
    pub bomb_limit: bool,
    pub spool_folder: Option<&'a Path>,
    pub progress: Option<Arc<AtomicU64>>,
    pub stop: Option<Arc<AtomicBool>>,
}

impl Input {
    /// Octets in memory.
    pub(super) fn memory(bytes: Vec<u8>, settings: Settings<'_>) -> Self {
        let size = bytes.len() as u64;
        Self::direct(CaptureBytes::from_memory(bytes), size, settings)
    }

    /// Octets that were opened before.
    pub(super) fn known(bytes: CaptureBytes, settings: Settings<'_>) -> Self {
        let size = bytes.len().unwrap_or(0);
        Self::direct(bytes, size, settings)
    }

    /// A regular file, read in place.
    pub(super) fn file(
        file: File,
        path: &Path,
        metadata: &Metadata,
        settings: Settings<'_>,
    ) -> Self {
        let bytes = Bytes {
            store: Store::File(file),
            watched: Some(Watched::new(path, metadata)),
        };
        Self::direct(CaptureBytes(Arc::new(bytes)), metadata.len(), settings)
    }

    /// A file that somebody still writes: its end is known when `growth` says so.
    pub(super) fn growing(file: File, growth: Growth, settings: Settings<'_>) -> Self {
        let bytes = Bytes {
            store: Store::Followed(Followed::new(file, growth.clone())),
            watched: None,
        };
        let mut input = Self::direct(CaptureBytes(Arc::new(bytes)), 0, settings);
        input.end = None;
        input.growth = Some(growth);
        input
    }

    fn direct(bytes: CaptureBytes, size: u64, settings: Settings<'_>) -> Self {
        Self {
            bytes,
            pump: None,
            end: Some(size),
            size,
            packed: false,
            consumed: 0,
            fault: None,
            progress: settings.progress,
            stop: settings.stop,
            growth: None,
        }
    }

    /// A packed or piped stream, spooled as far as it is asked for.
    pub(super) fn spooled(
        source: Box<dyn Read + Send>,
        compressed: bool,
        size: u64,
        watched: Option<(&Path, &Metadata)>,
        settings: Settings<'_>,
    ) -> Result<Self, SourceError> {
        let (file, path) = spool::create(settings.spool_folder)?;
        let watched = watched.map(|(path, metadata)| Watched::new(path, metadata));
        let bytes = Bytes {
            store: Store::Spool(file, path),
            watched,
        };
        Ok(Self {
            bytes: CaptureBytes(Arc::new(bytes)),
            pump: Some(Pump {
                inflater: Inflater::new(source, compressed),
                written: 0,
                buffer: vec![0; PUMP_BYTES],
                bomb_limit: settings.bomb_limit,
            }),
            end: None,
            size,
            packed: true,
            consumed: 0,
            fault: None,
            progress: settings.progress,
            stop: settings.stop,
            growth: None,
        })
    }

    /// The octets, for others to read.
    pub(super) fn bytes(&self) -> CaptureBytes {
        self.bytes.clone()
    }

    /// Where the octets end, once that is known.
    pub(super) fn end(&self) -> Option<u64> {
        self.end
    }

    /// Why they end early, if they do.
    pub(super) fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Size of the file as it lies on disk; 0 for a pipe.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// How much of [`Self::size`] was used when reading has come to `offset`.
    pub(super) fn position(&self, offset: u64) -> u64 {
        if self.packed { self.consumed } else { offset }
    }

    /// True when someone asked to stop.
    pub(super) fn stopped(&self) -> bool {
        self.stop
            .as_ref()
            .is_some_and(|stop| stop.load(Ordering::Relaxed))
    }

    /// Tells whoever watches how far reading came.
    pub(super) fn report(&self, offset: u64) {
        if let Some(progress) = &self.progress {
            progress.store(self.position(offset), Ordering::Relaxed);
        }
    }

    /// True while octets may still be added.
    pub(super) fn is_growing(&self) -> bool {
        self.growth.is_some() && self.end.is_none()
    }

    /// True when there is nothing behind `offset` yet, but may be later.
    pub(super) fn waits(&mut self, offset: u64) -> bool {
        let grows = self.is_growing() && self.growth.as_ref().is_some_and(|g| !g.is_finished());
        grows && self.peek(offset, &mut [0]) == 0
    }

    /// Nothing will be added any more to this file, whatever becomes of the others.
    pub(super) fn settle(&mut self) {
        if let Some(growth) = &mut self.growth {
            *growth = Growth::default();
            growth.finish();
        }
    }

    /// True when the octet before `offset` is there.
    pub(super) fn reaches(&mut self, offset: u64) -> bool {
        self.peek(offset.saturating_sub(1), &mut [0]) == 1
    }

    /// Makes `out` hold the octets from `offset` on, `want` of them unless the end comes first.
    pub(super) fn read(&mut self, offset: u64, want: usize, out: &mut Vec<u8>) {
        let until = offset.saturating_add(want as u64);
        self.pump_to(until);
        // Asked before reading: what was written before the growth ended is seen then.
        let grows = self.is_growing() && self.growth.as_ref().is_some_and(|g| !g.is_finished());
        let most = self.end.map_or(u64::MAX, |end| end.saturating_sub(offset));
        let want = want.min(usize::try_from(most).unwrap_or(usize::MAX));
        out.resize(want, 0);
        let n = match self.bytes.read_at(offset, out) {
            Ok(n) => n,
            Err(error) => {
                self.fault = Some(format!("it could not be read any further: {error}"));
                0
            }
        };
        if n < want && self.is_growing() {
            out.truncate(n);
            if !grows || self.fault.is_some() {
                self.end = Some(offset.saturating_add(n as u64));
            }
            return;
        }
        if n < want {
            // Only a file that shrank under us, or a failing disk, comes here.
            self.fault
                .get_or_insert_with(|| "the file became shorter while it was read".into());
            self.end = Some(offset.saturating_add(n as u64));
            out.truncate(n);
        }
    }

    /// A few octets at `offset`, fewer at the end.
    pub(super) fn peek(&mut self, offset: u64, out: &mut [u8]) -> usize {
        self.pump_to(offset.saturating_add(out.len() as u64));
        let most = self.end.map_or(u64::MAX, |end| end.saturating_sub(offset));
        let want = out.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        let Some(out) = out.get_mut(..want) else {
            return 0;
        };
        self.bytes.read_at(offset, out).unwrap_or(0)
    }

    /// Inflates until the spool reaches `until` or ends.
    fn pump_to(&mut self, until: u64) {
        let Some(pump) = &mut self.pump else { return };
        let Store::Spool(file, _) = &self.bytes.0.store else {
            return;
        };
        let mut fault = None;
        let mut ended = false;
        while !ended && pump.written < until {
            if self
                .stop
                .as_ref()
                .is_some_and(|stop| stop.load(Ordering::Relaxed))
            {
                fault = Some("reading was stopped".to_owned());
                break;
            }
            match pump.step(file) {
                Ok(more) => ended = !more,
                Err(why) => fault = Some(why),
            }
            self.consumed = pump.inflater.consumed();
            if let Some(progress) = &self.progress {
                progress.store(self.consumed, Ordering::Relaxed);
            }
            ended |= fault.is_some();
        }
        if ended || fault.is_some() {
            self.end = Some(pump.written);
            self.fault = fault;
            self.pump = None;
        }
    }
}

impl Pump {
    /// Spools one buffer; false at the end, an error when it ends early.
    fn step(&mut self, file: &File) -> Result<bool, String> {
        let room = MAX_SPOOL_BYTES.saturating_sub(self.written);
        if self.bomb_limit && room == 0 {
            return Err(format!(
                "stopped at the limit of {} GiB",
                MAX_SPOOL_BYTES >> 30
            ));
        }
        let used = self.inflater.consumed();
        if self.bomb_limit
            && self.inflater.is_compressed()
            && self.written > BOMB_GRACE_BYTES
            && self.written / MAX_GROWTH > used
        {
            let written = self.written;
            return Err(format!(
                "stopped inflating: {used} octets already made {written}, more than {MAX_GROWTH} times as many"
            ));
        }
        // Packed data is hostile input for the decoders too; what a fault in one of them leaves
        // in the buffer is not used.
        let (inflater, buffer) = (&mut self.inflater, &mut self.buffer);
        let n = catch_unwind(AssertUnwindSafe(|| inflater.read(buffer)))
            .unwrap_or_else(|_| Err("internal error while inflating".to_owned()))
            .map_err(|why| {
                format!(
                    "{why}, at octet {} of the compressed data",
                    self.inflater.consumed()
                )
            })?;
        let mut bytes = self.buffer.get(..n).unwrap_or_default();
        if self.bomb_limit && bytes.len() as u64 > room {
            bytes = bytes.get(..room as usize).unwrap_or_default();
        }
        write_all_at(file, bytes, self.written).map_err(|e| format!("the spool is full: {e}"))?;
        self.written = self.written.saturating_add(bytes.len() as u64);
        Ok(n > 0)
    }
}

impl Watched {
    fn new(path: &Path, metadata: &Metadata) -> Self {
        Self {
            path: path.to_path_buf(),
            identity: Identity::of(metadata),
        }
    }
}
