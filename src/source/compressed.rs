//! gzip, zstd and lz4 streams, recognised by content, inflated step by step.
//!
//! Members and frames may follow each other, also of different kinds, as `cat a.gz b.zst` makes
//! them. What was inflated before a damaged place is always handed out first.

use std::{
    io::{self, Read},
    mem,
};

use flate2::{Crc, Decompress, FlushDecompress, Status};
use lz4_flex::frame::FrameDecoder as Lz4Decoder;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder as ZstdDecoder};

use super::Compression;

/// Largest zstd window accepted, as in the zstd program without `--long`.
const MAX_ZSTD_WINDOW: u64 = 128 << 20;
const BUFFER_BYTES: usize = 64 << 10;

/// What a stream begins with.
pub(super) fn compression_of(head: &[u8]) -> Option<Compression> {
    let magic = u32::from_le_bytes(*head.first_chunk()?);
    match magic {
        0xfd2f_b528 => Some(Compression::Zstd),
        0x184d_2204 => Some(Compression::Lz4),
        // Skippable frames come in both; pzstd writes one first.
        0x184d_2a50..=0x184d_2a5f => Some(Compression::Zstd),
        _ if magic & 0xffff == 0x8b1f => Some(Compression::Gzip),
        _ => None,
    }
}

/// Inflates a stream, or hands it through when it is not compressed.
pub(super) struct Inflater {
    state: State,
    compressed: bool,
    consumed: u64,
}

enum State {
    Stored(Octets),
    Between(Octets),
    Gzip(Octets, Box<GzipMember>),
    Zstd(Octets, Box<ZstdDecoder>),
    Lz4(Box<Lz4Decoder<Octets>>),
    /// The rest of a zstd frame whose data is damaged.
    Salvage(Box<ZstdDecoder>, String),
    /// Everything before the fault was handed out; this is the fault.
    Failed(String),
    Ended,
}

struct GzipMember {
    inflate: Decompress,
    crc: Crc,
}

impl Inflater {
    /// Inflates what `source` gives; nothing is read yet.
    pub(super) fn new(source: Box<dyn Read + Send>, compressed: bool) -> Self {
        let source = Octets::new(source);
        let state = if compressed {
            State::Between(source)
        } else {
            State::Stored(source)
        };
        Self {
            state,
            compressed,
            consumed: 0,
        }
    }

    /// Octets of the packed stream used so far.
    pub(super) fn consumed(&self) -> u64 {
        match &self.state {
            State::Stored(s) | State::Between(s) | State::Gzip(s, _) | State::Zstd(s, _) => s.used,
            State::Lz4(decoder) => decoder.get_ref().used,
            State::Salvage(..) | State::Failed(_) | State::Ended => self.consumed,
        }
    }

    /// True when the stream is packed, so that its growth has to be watched.
    pub(super) fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// Fills a part of `out`; 0 at the end. The error says what is wrong with the packed data.
    pub(super) fn read(&mut self, out: &mut [u8]) -> Result<usize, String> {
        loop {
            self.consumed = self.consumed();
            let state = mem::replace(&mut self.state, State::Ended);
            let (state, written) = match state {
                State::Stored(mut source) => {
                    let n = source.read(out).map_err(|e| e.to_string())?;
                    if n == 0 {
                        return Ok(0);
                    }
                    (State::Stored(source), n)
                }
                State::Between(source) => match begin(source)? {
                    Some(state) => (state, 0),
                    None => return Ok(0),
                },
                State::Gzip(source, member) => gzip(source, member, out)?,
                State::Zstd(source, decoder) => zstd(source, decoder, out)?,
                State::Lz4(decoder) => lz4(decoder, out)?,
                State::Salvage(mut decoder, why) => {
                    let n = io::Read::read(&mut *decoder, out).unwrap_or(0);
                    if n == 0 {
                        return Err(why);
                    }
                    (State::Salvage(decoder, why), n)
                }
                State::Failed(why) => return Err(why),
                State::Ended => return Ok(0),
            };
            self.state = state;
            if written > 0 {
                return Ok(written);
            }
        }
    }
}

fn gzip(
    mut source: Octets,
    mut member: Box<GzipMember>,
    out: &mut [u8],
) -> Result<(State, usize), String> {
    let input = source.fill().map_err(|e| e.to_string())?;
    let ended = input.is_empty();
    let (in_before, out_before) = (member.inflate.total_in(), member.inflate.total_out());
    let result = member.inflate.decompress(input, out, FlushDecompress::None);
    let used = member.inflate.total_in().saturating_sub(in_before);
    let written = member.inflate.total_out().saturating_sub(out_before) as usize;
    source.consume(used as usize);
    member.crc.update(out.get(..written).unwrap_or_default());
    match result {
        Ok(Status::StreamEnd) => {
            let mut tail = [0; 8];
            if source.read_exact(&mut tail).is_err() {
                return Ok((
                    State::Failed("the gzip data ends inside its check sum".into()),
                    written,
                ));
            }
            let sum = member.crc.sum().to_le_bytes();
            let amount = member.crc.amount().to_le_bytes();
            if tail.first_chunk() != Some(&sum) || tail.last_chunk() != Some(&amount) {
                let why = "the check sum or length of the gzip data does not fit".into();
                return Ok((State::Failed(why), written));
            }
            Ok((State::Between(source), written))
        }
        Ok(_) if ended && written == 0 => Err("the gzip data is cut short".into()),
        // What the failing step still gave counts as before the damage.
        Ok(Status::BufError) if used == 0 && written == 0 => Err("the gzip data is damaged".into()),
        Err(_) => Ok((State::Failed("the gzip data is damaged".into()), written)),
        Ok(_) => Ok((State::Gzip(source, member), written)),
    }
}

/// Looks at what follows: the next member or frame, or the end.
fn begin(mut source: Octets) -> Result<Option<State>, String> {
    loop {
        let head = source.peek().map_err(|e| e.to_string())?;
        if head.is_empty() {
            return Ok(None);
        }
        let magic = head.first_chunk().map_or(0, |m| u32::from_le_bytes(*m));
        if magic & 0xffff_fff0 == 0x184d_2a50 {
            skip_frame(&mut source)?;
            continue;
        }
        let broken = |e: io::Error| match e.kind() {
            io::ErrorKind::UnexpectedEof => "the compressed data ends inside a header".to_owned(),
            _ => e.to_string(),
        };
        return match compression_of(head) {
            Some(Compression::Gzip) => {
                gzip_header(&mut source).map_err(broken)?;
                let member = GzipMember {
                    inflate: Decompress::new(false),
                    crc: Crc::new(),
                };
                Ok(Some(State::Gzip(source, Box::new(member))))
            }
            Some(Compression::Zstd) => {
                let mut decoder = ZstdDecoder::new();
                decoder.set_max_window_size(MAX_ZSTD_WINDOW);
                decoder.init(&mut source).map_err(|e| e.to_string())?;
                Ok(Some(State::Zstd(source, Box::new(decoder))))
            }
            Some(Compression::Lz4) => Ok(Some(State::Lz4(Box::new(Lz4Decoder::new(source))))),
            // Tapes and some programs pad with zeros (gzip says "trailing zero bytes ignored").
            None if head.first() == Some(&0) => {
                while let Some(0) = source.fill().map_err(|e| e.to_string())?.first() {
                    source.consume(1);
                }
                if source.fill().map_err(|e| e.to_string())?.is_empty() {
                    return Ok(None);
                }
                continue;
            }
            None => Err("something else follows the compressed data".into()),
        };
    }
}

fn skip_frame(source: &mut Octets) -> Result<(), String> {
    let cut = |_| "the compressed data ends inside a skippable frame".to_owned();
    let mut head = [0; 8];
    source.read_exact(&mut head).map_err(cut)?;
    let length = head.last_chunk().map_or(0, |l| u32::from_le_bytes(*l));
    let skipped = io::copy(&mut source.take(u64::from(length)), &mut io::sink()).map_err(cut)?;
    if skipped < u64::from(length) {
        return Err(cut(io::Error::from(io::ErrorKind::UnexpectedEof)));
    }
    Ok(())
}

/// Reads the header of a gzip member (RFC 1952, 2.3).
fn gzip_header(source: &mut Octets) -> io::Result<()> {
    let mut head = [0; 10];
    source.read_exact(&mut head)?;
    let [_, _, method, flags, ..] = head;
    if method != 8 {
        return Err(io::Error::other(format!("gzip method {method} is unknown")));
    }
    let mut byte = [0; 1];
    if flags & 4 != 0 {
        let mut length = [0; 2];
        source.read_exact(&mut length)?;
        for _ in 0..u16::from_le_bytes(length) {
            source.read_exact(&mut byte)?;
        }
    }
    // Name and comment, each up to a zero.
    for flag in [8, 16] {
        if flags & flag != 0 {
            byte = [1];
            while byte != [0] {
                source.read_exact(&mut byte)?;
            }
        }
    }
    if flags & 2 != 0 {
        source.read_exact(&mut [0; 2])?;
    }
    Ok(())
}

fn zstd(
    mut source: Octets,
    mut decoder: Box<ZstdDecoder>,
    out: &mut [u8],
) -> Result<(State, usize), String> {
    while decoder.can_collect() == 0 && !decoder.is_finished() {
        let step = BlockDecodingStrategy::UptoBlocks(1);
        if let Err(error) = decoder.decode_blocks(&mut source, step) {
            let why = if source.at_end {
                "the zstd data is cut short".to_owned()
            } else {
                format!("the zstd data is damaged: {error}")
            };
            // The decoder keeps a window back until the frame ends, often the whole of a small
            // file: an empty last block (with room for a check sum) makes it let go.
            let end: &[u8] = &[1, 0, 0, 0, 0, 0, 0];
            return match decoder.decode_blocks(end, BlockDecodingStrategy::UptoBlocks(1)) {
                Ok(_) => Ok((State::Salvage(decoder, why), 0)),
                Err(_) => Err(why),
            };
        }
    }
    let written = io::Read::read(&mut *decoder, out).map_err(|e| e.to_string())?;
    if written == 0 && decoder.is_finished() {
        return Ok((State::Between(source), 0));
    }
    Ok((State::Zstd(source, decoder), written))
}

fn lz4(mut decoder: Box<Lz4Decoder<Octets>>, out: &mut [u8]) -> Result<(State, usize), String> {
    decoder.get_mut().at_end = false;
    match decoder.read(out) {
        // The decoder ends quietly both at the mark of the end and where the data stops between
        // two blocks; only in the second case did it ask for more than there is.
        Ok(0) if decoder.get_ref().at_end => Err("the lz4 data is cut short".into()),
        Ok(0) => Ok((State::Between(decoder.into_inner()), 0)),
        Ok(n) => Ok((State::Lz4(decoder), n)),
        Err(_) if decoder.get_ref().at_end => Err("the lz4 data is cut short".into()),
        Err(error) => Err(format!("the lz4 data is damaged: {error}")),
    }
}

/// A buffered stream that counts what was used and can look ahead.
struct Octets {
    source: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    used: u64,
    /// Set when someone asked for more than there is.
    at_end: bool,
}

impl Octets {
    fn new(source: Box<dyn Read + Send>) -> Self {
        Self {
            source,
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
            used: 0,
            at_end: false,
        }
    }

    fn buffered(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// What is buffered; reads only when nothing is. Empty at the end.
    fn fill(&mut self) -> io::Result<&[u8]> {
        if self.start >= self.end {
            self.start = 0;
            self.end = 0;
            self.more()?;
        }
        Ok(self.buffered())
    }

    /// At least four octets, fewer only at the end.
    fn peek(&mut self) -> io::Result<&[u8]> {
        while self.end.saturating_sub(self.start) < 4 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end = self.end.saturating_sub(self.start);
            self.start = 0;
            if self.more()? == 0 {
                break;
            }
        }
        Ok(self.buffered())
    }

    fn more(&mut self) -> io::Result<usize> {
        loop {
            match self
                .source
                .read(self.buffer.get_mut(self.end..).unwrap_or_default())
            {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(n) => {
                    self.at_end = n == 0;
                    self.end = self.end.saturating_add(n).min(self.buffer.len());
                    return Ok(n);
                }
            }
        }
    }

    fn consume(&mut self, n: usize) {
        let n = n.min(self.end.saturating_sub(self.start));
        self.start = self.start.saturating_add(n);
        self.used = self.used.saturating_add(n as u64);
    }
}

impl Read for Octets {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let from = self.fill()?;
        let n = from.len().min(out.len());
        if let (Some(out), Some(from)) = (out.get_mut(..n), from.get(..n)) {
            out.copy_from_slice(from);
        }
        self.consume(n);
        Ok(n)
    }
}
