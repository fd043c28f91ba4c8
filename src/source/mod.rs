//! Where octets come from: capture files, and what they say about themselves.
//!
//! A [`CaptureFile`] hands out [`Chunk`]s: a block of the file with the frames that lie whole in
//! it. Nothing is copied per frame; a [`FrameRecord`] points into the block, and the same place
//! can be read again later through [`CaptureBytes`]. What the frames mean is left to `packet`.
//!
//! Damage is no error here: it is named, counted and passed over ([`FileInfo::skipped`],
//! [`FileInfo::truncated_at`]). A [`SourceError`] means that nothing could be read at all.

mod compressed;
mod error;
mod file;
mod hep_connection;
mod hep_keeper;
pub mod hep_listener;
mod hep_packets;
mod hep_queue;
mod info;
mod input;
mod kind;
pub mod live;
mod log;
pub(crate) mod pcapng_block;
pub mod remote;
mod spool;
mod stored;
#[cfg(unix)]
mod stream;
mod thinned;

pub use self::{
    error::SourceError,
    file::{CaptureFile, Next, OpenOptions},
    info::{
        Comment, Compression, FileInfo, Format, Interface, NameRecord, Secret, Section, Skipped,
        Statistics, TextFormat,
    },
    input::CaptureBytes,
    kind::FileKind,
    spool::private_folder,
    stored::StoredBytes,
    thinned::{Places, ThinnedFile},
};

#[cfg(unix)]
pub use self::stream::{MAX_STREAM_BYTES, SpooledStream, spool_stream, unnamed_file};

use crate::packet::trace::{TimeKind, TraceNote};

/// Longest packet that is kept, in octets; longer ones are passed over and counted.
pub const MAX_PACKET_BYTES: u32 = 16 << 20;
/// Longest pcapng block that is decoded, in octets; longer ones are passed over and counted.
pub const MAX_BLOCK_BYTES: u32 = 32 << 20;
/// Most interfaces kept per file; packets of later ones are shown without their description.
pub const MAX_INTERFACES: usize = 100_000;

/// Whoever fills a growing file tells its reader here that nothing will be added any more.
#[derive(Clone, Debug, Default)]
pub struct Growth(std::sync::Arc<Grown>);

#[derive(Debug, Default)]
struct Grown {
    finished: std::sync::atomic::AtomicBool,
    thinned: std::sync::OnceLock<ThinnedFile>,
    foreign: bool,
    news: std::sync::Mutex<Option<String>>,
}

impl Growth {
    /// Of a file that another program writes: what takes its name later is read on from there.
    pub fn of_foreign_file() -> Self {
        Self(std::sync::Arc::new(Grown {
            foreign: true,
            ..Grown::default()
        }))
    }

    /// The file is written by another program, which may also replace it.
    pub fn is_foreign(&self) -> bool {
        self.0.foreign
    }

    /// The reader says what has become of the file: a sentence that people should read.
    pub fn tell(&self, words: String) {
        let news = &self.0.news;
        *news
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(words);
    }

    /// The newest of these sentences, once.
    pub fn told(&self) -> Option<String> {
        let news = &self.0.news;
        news.lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .take()
    }

    /// Nothing will be added any more.
    pub fn finish(&self) {
        let finished = &self.0.finished;
        finished.store(true, std::sync::atomic::Ordering::Release);
    }

    /// Another file has taken its place, with a part of what was in it; this can be told once.
    pub fn replace(&self, by: ThinnedFile) {
        let _ = self.0.thinned.set(by);
    }

    fn thinned(&self) -> Option<&ThinnedFile> {
        self.0.thinned.get()
    }

    /// True when nothing will be added any more.
    pub fn is_finished(&self) -> bool {
        let finished = &self.0.finished;
        finished.load(std::sync::atomic::Ordering::Acquire)
    }
}

/// One captured packet: when, on what kind of link, and where its octets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRecord {
    /// Nanoseconds since 1970-01-01 UTC.
    pub time: i64,
    /// Number of the packet in its file, from 1, as Wireshark counts.
    pub number: u32,
    /// Index into [`FileInfo::interfaces`].
    pub interface: u32,
    /// Offset of the captured octets in [`Chunk::data`].
    pub start: u32,
    /// How many octets were captured.
    pub captured: u32,
    /// How long the packet was on the wire, in octets.
    pub original: u32,
    /// LINKTYPE_ value of the capture.
    pub link_type: u16,
}

impl FrameRecord {
    /// The captured octets, empty when `chunk` is not the one this frame came with.
    pub fn of<'a>(&self, chunk: &'a Chunk) -> &'a [u8] {
        let start = self.start as usize;
        chunk
            .data
            .get(start..start.saturating_add(self.captured as usize))
            .unwrap_or_default()
    }
}

/// A block of the (inflated) capture with the frames that lie whole in it.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    /// Offset of `data[0]` in the (inflated) capture.
    pub base: u64,
    /// The octets of the block; headers and parts of other frames are among them.
    pub data: Vec<u8>,
    /// The frames, in the order of the file.
    pub frames: Vec<FrameRecord>,
    /// Of a text trace: index of a frame, and what the text says of the message in it.
    pub notes: Vec<(u32, TraceNote)>,
    /// The frames come out of a text: what its times mean.
    pub text: Option<TimeKind>,
    /// Frames up to this number stand before the first time that the capture states.
    pub untimed: u32,
}
