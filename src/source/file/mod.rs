//! Capture files: opening them, and walking through them chunk by chunk.
//!
//! The readers ([`pcap`], [`pcapng`]) hop from header to header inside a window of octets and say
//! what they need next; this module reads the windows, decides about doubtful places by a look
//! ahead, and searches for the next good header behind damage. Every decision depends on the
//! file alone, never on where a window happens to end, so any chunk size gives the same frames.

mod options;
mod pcap;
mod pcapng;
mod tables;

use std::{
    fs::{self, File},
    io::{self, IsTerminal as _, Read as _, Seek as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64},
    },
};

use self::{pcap::Pcap, pcapng::Pcapng, tables::Tables};
use super::{
    CaptureBytes, Chunk, Compression, FileInfo, FrameRecord, Growth, MAX_BLOCK_BYTES, SourceError,
    compressed::compression_of,
    input::{Input, Settings, Sink},
    kind::{FileKind, kind_of, may_be_text, unsupported_capture},
    log::TextReader,
};
use crate::packet::trace::Origin;

/// How much of a file is looked at to tell what it is.
const HEAD_BYTES: usize = 4096;
const MIN_CHUNK_BYTES: usize = 4096;
const MAX_CHUNK_BYTES: usize = 2 * MAX_BLOCK_BYTES as usize;
/// Most frames in one chunk, so that a flood of empty packets does not fill the memory.
const MAX_CHUNK_FRAMES: usize = 1 << 18;
/// A buffer that one huge packet has blown up is given back when it is this much too large.
const SPARE_BYTES: usize = 8 << 20;

/// How to open a capture.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// Stop inflating at 8 GiB or at 100 times the packed size.
    pub bomb_limit: bool,
    /// Set to end reading early.
    pub stop: Option<Arc<AtomicBool>>,
    /// Told the position in the file, in octets of [`CaptureFile::size`].
    pub progress: Option<Arc<AtomicU64>>,
    /// Folder for spools instead of the one in the user's state folder.
    pub spool_folder: Option<PathBuf>,
    /// A text is one that somebody pasted.
    pub pasted: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            bomb_limit: true,
            stop: None,
            progress: None,
            spool_folder: None,
            pasted: false,
        }
    }
}

impl OpenOptions {
    fn settings(&self) -> Settings<'_> {
        Settings {
            bomb_limit: self.bomb_limit,
            spool_folder: self.spool_folder.as_deref(),
            progress: self.progress.clone(),
            stop: self.stop.clone(),
        }
    }
}

/// A capture file that is being read, from the first packet to the last.
pub struct CaptureFile {
    input: Input,
    reader: Reader,
    info: FileInfo,
    /// Offset of the next octet to look at.
    position: u64,
    /// Octets wanted from there, where a chunk of the usual size is not enough.
    need: usize,
    lost: Option<Lost>,
    ended: bool,
    /// Octets that are not written yet decide what comes next.
    waiting: bool,
}

/// What comes next in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A chunk with at least one frame.
    Chunk,
    /// Nothing yet; the file is still growing.
    Waiting,
    /// Nothing more.
    End,
}

/// Set while looking for the next good header.
struct Lost {
    at: u64,
    why: String,
    /// True when the file simply seems to end here.
    cut: bool,
}

enum Reader {
    Pcap(Pcap),
    Pcapng(Pcapng),
    Tables(Tables),
    Text(Box<TextReader>),
}

/// A stretch of the input, and where the input ends if that is known.
struct Window<'a> {
    data: &'a [u8],
    base: u64,
    end: Option<u64>,
}

impl Window<'_> {
    fn from(&self, at: usize) -> &[u8] {
        self.data.get(at..).unwrap_or_default()
    }

    fn offset(&self, at: usize) -> u64 {
        self.base.saturating_add(at as u64)
    }

    /// Octets from `at` to the end of the input, if that is known.
    fn left(&self, at: usize) -> Option<u64> {
        self.end.map(|end| end.saturating_sub(self.offset(at)))
    }

    fn reaches_end(&self) -> bool {
        self.end
            .is_some_and(|end| self.offset(self.data.len()) >= end)
    }
}

/// Why a reader stopped in its window.
enum Step {
    /// It needs this many octets from where it stopped.
    More(usize),
    /// Enough frames for one chunk.
    Full,
    /// The proper end.
    End,
    /// The input ends inside the thing at this offset, if the thing is what it claims to be.
    Cut { at: u64, why: String },
    /// What is here cannot be right.
    Damage {
        at: u64,
        look_from: u64,
        why: String,
    },
    /// What is here is odd; it stands if the octets at `next` make sense.
    Doubt {
        at: u64,
        next: u64,
        too_long: Option<&'static str>,
        why: String,
    },
}

/// Outcome of a search for the next good header.
enum Find {
    Found(usize),
    More { at: usize, need: usize },
    Nothing,
}

impl CaptureFile {
    /// Opens the capture at `path`; `-` is standard input.
    ///
    /// # Errors
    /// When nothing can be read: no such file, no permission, not a regular file, not a capture.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self, SourceError> {
        if path == Path::new("-") {
            let stdin = io::stdin();
            if stdin.is_terminal() {
                return Err(SourceError::Terminal);
            }
            return Self::from_stream(Box::new(stdin), Path::new("standard input"), options);
        }
        let fail = |error| SourceError::from_io(error, path);
        // Looked at before opening, as opening a FIFO would wait for a writer.
        refuse_special(&fs::metadata(path).map_err(fail)?, path)?;
        let mut file = File::open(path).map_err(fail)?;
        let metadata = file.metadata().map_err(fail)?;
        refuse_special(&metadata, path)?;
        if metadata.len() == 0 {
            return Err(SourceError::Empty {
                path: path.to_path_buf(),
            });
        }
        let mut magic = [0; 4];
        let compression = match file.read_exact(&mut magic) {
            Ok(()) => compression_of(&magic),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => None,
            Err(error) => return Err(fail(error)),
        };
        let input = if compression.is_some() {
            file.rewind().map_err(fail)?;
            let watched = Some((path, &metadata));
            let size = metadata.len();
            Input::spooled(Box::new(file), true, size, watched, options.settings())?
        } else {
            Input::file(file, path, &metadata, options.settings())
        };
        Self::start(input, compression, path, options)
    }

    /// Reads a capture while somebody still writes it; none while too little of it is there to
    /// tell what it is. Packed files cannot be followed.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn follow(
        file: &File,
        name: &Path,
        growth: &Growth,
        options: &OpenOptions,
    ) -> Result<Option<Self>, SourceError> {
        let file = file.try_clone();
        let file = file.map_err(|error| SourceError::from_io(error, name))?;
        let finished = growth.is_finished();
        let mut input = Input::growing(file, growth.clone(), options.settings());
        // As much as the header of a pcap.
        let mut head = [0; 24];
        if input.peek(0, &mut head) < head.len() && !finished {
            return Ok(None);
        }
        match Self::start(input, None, name, &OpenOptions::default()) {
            // A text whose first message is not there yet, or not all of it.
            Err(SourceError::NotACapture {
                found: FileKind::Text,
                ..
            }) if !finished => Ok(None),
            started => started.map(Some),
        }
    }

    /// It is a text trace.
    pub fn is_text(&self) -> bool {
        matches!(self.reader, Reader::Text(_))
    }

    /// Nothing will be added any more: what was written so far is the rest. The reason is told.
    pub fn settle(&mut self, what: &'static str, why: &str) {
        self.input.settle();
        self.info.skip(what, 0, self.position(), || why.to_owned());
    }

    /// Reads a capture from a stream that cannot seek; its octets are spooled.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn from_stream(
        mut stream: Box<dyn io::Read + Send>,
        name: &Path,
        options: &OpenOptions,
    ) -> Result<Self, SourceError> {
        let mut magic = Vec::new();
        let read = stream.by_ref().take(4).read_to_end(&mut magic);
        read.map_err(|error| SourceError::from_io(error, name))?;
        let compression = compression_of(&magic);
        let packed = compression.is_some();
        let stream: Box<dyn io::Read + Send> = Box::new(io::Cursor::new(magic).chain(stream));
        let input = Input::spooled(stream, packed, 0, None, options.settings())?;
        Self::start(input, compression, name, options)
    }

    /// Reads once more, from its start, what was read before: a stream that was spooled.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn again(
        bytes: &CaptureBytes,
        name: &Path,
        options: &OpenOptions,
    ) -> Result<Self, SourceError> {
        let input = Input::known(bytes.clone(), options.settings());
        Self::start(input, None, name, options)
    }

    /// Reads a capture that lies in memory; packed ones are inflated into a spool.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn from_bytes(bytes: Vec<u8>, name: &str) -> Result<Self, SourceError> {
        Self::from_bytes_with(bytes, name, &OpenOptions::default())
    }

    /// [`Self::from_bytes`] with options.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn from_bytes_with(
        bytes: Vec<u8>,
        name: &str,
        options: &OpenOptions,
    ) -> Result<Self, SourceError> {
        let compression = compression_of(&bytes);
        let settings = options.settings();
        let input = if compression.is_some() {
            let size = bytes.len() as u64;
            Input::spooled(Box::new(io::Cursor::new(bytes)), true, size, None, settings)?
        } else {
            Input::memory(bytes, settings)
        };
        Self::start(input, compression, Path::new(name), options)
    }

    /// Recognises the container.
    fn start(
        mut input: Input,
        compression: Option<Compression>,
        path: &Path,
        options: &OpenOptions,
    ) -> Result<Self, SourceError> {
        let mut info = FileInfo::new(path.to_string_lossy().into_owned(), compression);
        let mut head = Vec::new();
        input.read(0, HEAD_BYTES, &mut head);
        let begun = match Pcapng::begin(&head, &mut info) {
            Some(reader) => Some((Reader::Pcapng(reader), 0)),
            None => Pcap::begin(&head, &mut input, &mut info)
                .map(|(reader, position)| (Reader::Pcap(reader), position)),
        };
        let begun = begun.or_else(|| {
            Tables::begin(&head, &mut input, &mut info).map(|reader| (Reader::Tables(reader), 0))
        });
        let begun = match begun {
            None if unsupported_capture(&head).is_none() && may_be_text(&head) => {
                let sink = Sink::for_text(&input, options.spool_folder.as_deref())?;
                let origin = if options.pasted {
                    Origin::Pasted
                } else {
                    Origin::Log
                };
                TextReader::begin(&head, &mut input, sink, origin)
                    .map(|reader| (Reader::Text(Box::new(reader)), 0))
            }
            begun => begun,
        };
        match begun {
            Some((reader, position)) => Ok(Self {
                input,
                reader,
                info,
                position,
                need: 0,
                lost: None,
                ended: false,
                waiting: false,
            }),
            None => Err(Self::refusal(&head, &input, compression, path)),
        }
    }

    /// Says what was found instead of a capture.
    fn refusal(
        head: &[u8],
        input: &Input,
        compression: Option<Compression>,
        path: &Path,
    ) -> SourceError {
        let path = path.to_path_buf();
        if let Some(format) = unsupported_capture(head) {
            return SourceError::Unsupported { format, path };
        }
        let magic = head.first_chunk::<4>();
        let ours = magic.is_some_and(|m| pcap::is_magic(*m) || *m == pcapng::SECTION_MAGIC);
        match (compression, input.fault()) {
            // Where nothing sensible came out, the packing is to blame.
            (Some(compression), Some(why)) if ours || head.len() < 24 => {
                let (compression, why) = (compression.name(), why.to_owned());
                SourceError::Inflate {
                    compression,
                    why,
                    path,
                }
            }
            _ if head.is_empty() => SourceError::Empty { path },
            _ if ours || head.len() < 4 => SourceError::TooShort {
                len: head.len() as u64,
                path,
            },
            _ => SourceError::NotACapture {
                found: kind_of(head),
                path,
            },
        }
    }

    /// The next chunk of about `target` octets, or none at the end.
    pub fn next_chunk(&mut self, target: usize) -> Option<Chunk> {
        let mut chunk = Chunk::default();
        self.next_chunk_into(target, &mut chunk).then_some(chunk)
    }

    /// Like [`Self::next_chunk`], into a chunk whose buffers are used again; false at the end.
    ///
    /// A frame longer than `target` makes a larger chunk. A chunk holds at least one frame.
    pub fn next_chunk_into(&mut self, target: usize, chunk: &mut Chunk) -> bool {
        self.poll_chunk_into(target, chunk) == Next::Chunk
    }

    /// Like [`Self::next_chunk_into`], for files that may still grow.
    pub fn poll_chunk_into(&mut self, target: usize, chunk: &mut Chunk) -> Next {
        chunk.frames.clear();
        chunk.notes.clear();
        chunk.text = None;
        chunk.untimed = 0;
        let target = target.clamp(MIN_CHUNK_BYTES, MAX_CHUNK_BYTES);
        match &mut self.reader {
            Reader::Text(reader) => {
                return reader.next_chunk(&mut self.input, &mut self.info, target, chunk);
            }
            Reader::Tables(reader) => {
                let found = reader.next_chunk(&mut self.input, &mut self.info, target, chunk);
                return if found { Next::Chunk } else { Next::End };
            }
            Reader::Pcap(_) | Reader::Pcapng(_) => {}
        }
        while !self.ended {
            if self.input.stopped() {
                self.info
                    .truncate(self.position, "reading was stopped".into());
                self.ended = true;
                break;
            }
            let want = target.max(self.need).min(MAX_CHUNK_BYTES);
            self.need = 0;
            if chunk.data.capacity() > want.saturating_add(SPARE_BYTES) {
                chunk.data = Vec::new();
            }
            chunk.base = self.position;
            self.input.read(self.position, want, &mut chunk.data);
            self.work(chunk);
            if let Reader::Pcapng(reader) = &self.reader {
                chunk.untimed = reader.untimed;
            }
            self.input.report(self.position);
            if !chunk.frames.is_empty() {
                return Next::Chunk;
            }
            // Fewer octets than wanted are all there are.
            let waiting = std::mem::take(&mut self.waiting) || chunk.data.len() < want;
            if waiting && !self.ended && self.input.is_growing() {
                return Next::Waiting;
            }
        }
        Next::End
    }

    /// Takes the frames out of the chunk that was just read; moves `position`.
    fn work(&mut self, chunk: &mut Chunk) {
        let Chunk {
            base, data, frames, ..
        } = chunk;
        let mut at = 0;
        loop {
            let window = Window {
                data,
                base: *base,
                end: self.input.end(),
            };
            if let Some(lost) = &self.lost {
                let found = match self.reader.find(&window, at) {
                    Find::Found(found) => found,
                    Find::More { at, need } => {
                        self.position = window.offset(at);
                        self.need = need;
                        return;
                    }
                    Find::Nothing => {
                        self.end_lost(window.offset(data.len()));
                        return;
                    }
                };
                let octets = window.offset(found).saturating_sub(lost.at);
                note_damage(&mut self.info, lost, octets);
                self.lost = None;
                at = found;
            }
            let (used, step) = self.reader.scan(&window, at, frames, &mut self.info);
            at = used;
            self.position = window.offset(at);
            let go_to = match step {
                Step::Full => return,
                Step::More(need) => {
                    self.need = need;
                    return;
                }
                Step::End => {
                    self.finish();
                    return;
                }
                Step::Cut { at, why } => {
                    self.lost = Some(Lost { at, why, cut: true });
                    at.saturating_add(1)
                }
                Step::Damage { at, look_from, why } => {
                    self.lost = Some(Lost {
                        at,
                        why,
                        cut: false,
                    });
                    look_from
                }
                Step::Doubt {
                    at,
                    next,
                    too_long,
                    why,
                } => {
                    if self.input.is_growing() && !self.input.reaches(next) {
                        self.waiting = true;
                        return;
                    }
                    let sound = self.reader.probe(&mut self.input, at, next);
                    match too_long {
                        _ if !sound => {
                            let look_from = self.reader.look_from(at);
                            self.lost = Some(Lost {
                                at,
                                why,
                                cut: false,
                            });
                            look_from
                        }
                        Some(what) => {
                            self.info.skip(what, next.saturating_sub(at), at, || why);
                            self.reader.pass_over(&mut self.info);
                            next
                        }
                        None => {
                            self.reader.approve(at);
                            at
                        }
                    }
                }
            };
            match go_to
                .checked_sub(*base)
                .and_then(|at| usize::try_from(at).ok())
            {
                Some(here) if here <= data.len() => at = here,
                _ => {
                    self.position = go_to;
                    return;
                }
            }
        }
    }

    /// Nothing good follows any more.
    fn end_lost(&mut self, end: u64) {
        self.position = end;
        if let Some(lost) = self.lost.take() {
            if !lost.cut {
                note_damage(&mut self.info, &lost, end.saturating_sub(lost.at));
            }
            // Where the input itself was cut, that is why things end here.
            let fault = self.input.fault().map(str::to_owned);
            let at = if lost.cut || fault.is_none() {
                lost.at
            } else {
                end
            };
            self.info.truncate(at, fault.unwrap_or(lost.why));
        }
        self.finish();
    }

    fn finish(&mut self) {
        self.ended = true;
        if let Some(why) = self.input.fault() {
            self.info.truncate(self.position, why.to_owned());
        }
    }

    /// The octets of the capture, for reading by position from any thread.
    pub fn bytes(&self) -> CaptureBytes {
        match &self.reader {
            Reader::Text(reader) => reader.bytes(),
            _ => self.input.bytes(),
        }
    }

    /// What is known of the file so far.
    pub fn info(&self) -> &FileInfo {
        &self.info
    }

    /// What is known of the file, when reading is over.
    pub fn into_info(self) -> FileInfo {
        self.info
    }

    /// Size of the file on disk, in octets; 0 for standard input.
    pub fn size(&self) -> u64 {
        self.input.size()
    }

    /// How much of [`Self::size`] was read.
    pub fn position(&self) -> u64 {
        let offset = match &self.reader {
            Reader::Text(reader) => reader.position(),
            Reader::Tables(reader) => reader.position(),
            Reader::Pcap(_) | Reader::Pcapng(_) => self.position,
        };
        self.input.position(offset)
    }
}

fn note_damage(info: &mut FileInfo, lost: &Lost, octets: u64) {
    info.skip("damaged places", octets, lost.at, || lost.why.clone());
}

fn refuse_special(metadata: &fs::Metadata, path: &Path) -> Result<(), SourceError> {
    let path = path.to_path_buf();
    let file_type = metadata.file_type();
    if file_type.is_file() {
        return Ok(());
    }
    if file_type.is_dir() {
        return Err(SourceError::Directory { path });
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        let kind = if file_type.is_fifo() {
            "a FIFO"
        } else if file_type.is_socket() {
            "a socket"
        } else {
            "a device"
        };
        Err(SourceError::NotRegular { kind, path })
    }
    #[cfg(not(unix))]
    Err(SourceError::NotRegular {
        kind: "a device",
        path,
    })
}

impl Reader {
    fn scan(
        &mut self,
        window: &Window<'_>,
        at: usize,
        frames: &mut Vec<FrameRecord>,
        info: &mut FileInfo,
    ) -> (usize, Step) {
        match self {
            Self::Pcap(reader) => reader.scan(window, at, frames, info),
            Self::Pcapng(reader) => reader.scan(window, at, frames, info),
            // These are read above.
            Self::Tables(_) | Self::Text(_) => (at, Step::End),
        }
    }

    fn find(&self, window: &Window<'_>, at: usize) -> Find {
        match self {
            Self::Pcap(reader) => reader.find(window, at),
            Self::Pcapng(reader) => reader.find(window, at),
            Self::Tables(_) | Self::Text(_) => Find::Nothing,
        }
    }

    /// True when what lies at `next` supports the thing at `at`.
    fn probe(&self, input: &mut Input, at: u64, next: u64) -> bool {
        match self {
            Self::Pcap(reader) => reader.probe(input, at, next),
            Self::Pcapng(reader) => reader.probe(input, at, next),
            Self::Tables(_) | Self::Text(_) => false,
        }
    }

    /// Where to look for the next good header when that at `at` is bad.
    fn look_from(&mut self, at: u64) -> u64 {
        match self {
            Self::Pcap(reader) => reader.look_from(at),
            Self::Pcapng(_) | Self::Tables(_) | Self::Text(_) => at.saturating_add(1),
        }
    }

    /// The thing at `at` stands, odd as it is.
    fn approve(&mut self, at: u64) {
        match self {
            Self::Pcap(reader) => reader.approve(at),
            Self::Pcapng(reader) => reader.approve(at),
            Self::Tables(_) | Self::Text(_) => {}
        }
    }

    /// A thing too long to hold was passed over.
    fn pass_over(&mut self, info: &mut FileInfo) {
        if let Self::Pcap(reader) = self {
            reader.pass_over(info);
        }
    }
}
