//! `sipscope export`: chosen packets as a capture of their own.
//!
//! The inputs are read once more from start to end; every packet that a chosen message came in is
//! taken, and the media of the calls of these messages.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::path::Path;

use super::args::{ExportArgs, PacketFormat};
use super::input::Capture;
use super::output::{complain, refuse_input, unwritable};
use super::{Failure, Outcome, exit};
use crate::export::packets::{ExportError, PacketRef, write_pcap, write_pcapng_with};
use crate::export::save::{Existing, save};
use crate::index::ids::{CallId, MessageId};
use crate::index::message_store::Transport;
use crate::index::stream::Stream;
use crate::ingest::FileReport;
use crate::packet::{Endpoint, Payload, dissect};
use crate::source::{CaptureBytes, CaptureFile, Chunk, Format, FrameRecord, OpenOptions, Secret};

/// Octets read at a time.
const CHUNK: usize = 1 << 20;
/// RTCP may come this much before and after the media it reports on.
const RTCP_NANOS: i64 = 10_000_000_000;

/// Picks the packets and writes them.
pub(super) fn write(capture: &Capture, args: &ExportArgs) -> Outcome {
    let view = capture.view();
    let Some(output) = &args.common.output else {
        return Err(Failure::usage("say where to write: -o FILE"));
    };
    let mut messages = capture.chosen_messages(&args.call, &args.common)?;
    if !args.messages.is_empty() {
        let wanted: HashSet<u32> = args.messages.iter().copied().collect();
        let of =
            messages.unwrap_or_else(|| (0..view.messages().len()).map(MessageId::at).collect());
        messages = Some(
            of.into_iter()
                .filter(|id| wanted.contains(&id.get()))
                .collect(),
        );
    }
    let all = messages.is_none();
    let messages =
        messages.unwrap_or_else(|| (0..view.messages().len()).map(MessageId::at).collect());
    let streams = if args.no_rtp {
        Vec::new()
    } else {
        view.streams()
    };
    let media = Media::of(capture, &messages, &streams, all);
    if messages.is_empty() && media.flows.is_empty() {
        return Err(Failure::nothing("nothing to export: no message is chosen"));
    }
    let wrapped = wrapped(capture, &messages);
    let packets = pick(capture, args, &frames(capture, &messages), &media, &wrapped);
    capture.still_wanted()?;
    let told = |id: &MessageId| {
        view.message(*id)
            .is_some_and(|row| is_text(capture, row.file))
    };
    if messages.iter().any(told) {
        let why = "messages of a text trace came in no packets that could be exported; \
                   `messages --format json` has what the trace says of them";
        if packets.is_empty() {
            return Err(Failure::nothing(why));
        }
        complain(why);
    }
    if packets.is_empty() {
        return Err(Failure::nothing("nothing to export: no packet is chosen"));
    }
    let none = || CaptureBytes::from_memory(Vec::new());
    let files: Vec<CaptureBytes> = capture
        .loaded
        .readers
        .iter()
        .map(|r| r.clone().unwrap_or_else(none))
        .collect();
    // Whoever gets the file could read more of a network than was meant, so secrets go along only
    // on wish.
    let decrypted = |id: &MessageId| {
        let flow = view.message(*id).and_then(|row| view.ends(row));
        flow.is_some_and(|flow| matches!(flow.transport, Transport::Tls | Transport::Wss))
    };
    let files_with = capture.loaded.files.iter();
    let mut secrets: Vec<Secret> = match messages.iter().any(decrypted) {
        true => files_with
            .flat_map(|file| file.info.secrets.clone())
            .collect(),
        false => Vec::new(),
    };
    let left_out = !secrets.is_empty() && !args.keep_secrets;
    if left_out {
        secrets.clear();
    }
    let format = args.format.unwrap_or_else(|| by_name(output));
    let to = |out: &mut dyn Write| match format {
        PacketFormat::Pcapng => write_pcapng_with(&packets, &files, &secrets, out),
        PacketFormat::Pcap => write_pcap(&packets, &files, out),
    };
    let name = output.to_string_lossy();
    let written = if output == Path::new("-") {
        let mut stdout = std::io::stdout().lock();
        to(&mut stdout).and_then(|n| stdout.flush().map(|()| n).map_err(ExportError::from))
    } else {
        refuse_input(output, &args.files)?;
        save(output, Existing::Replace, |out| to(out))
    };
    let count = written.map_err(|error| match error {
        ExportError::Write(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            Failure::PipeClosed
        }
        ExportError::Write(error) => unwritable(&name, &error),
        ExportError::Read { .. } => Failure::Told(exit::INPUT, error.to_string()),
        other => Failure::usage(other.to_string()),
    })?;
    if !args.common.quiet {
        let noun = if count == 1 { "packet" } else { "packets" };
        complain(&format!("{count} {noun} written to {name}"));
        if !secrets.is_empty() && format == PacketFormat::Pcapng {
            complain("the TLS secrets that were in the capture are in it, too");
        }
        if left_out {
            complain("without the TLS secrets of the capture: --keep-secrets takes them along");
        }
    }
    if left_out && let Some(watch) = &capture.watch {
        watch.say("without the TLS secrets of the capture; choose a key log to read it");
    }
    Ok(())
}

/// True for a trace as text.
fn is_text(capture: &Capture, file: u16) -> bool {
    let report = capture.loaded.files.get(usize::from(file));
    report.is_some_and(|report| matches!(report.info.format, Format::Text(_)))
}

/// The format that a name asks for.
fn by_name(path: &Path) -> PacketFormat {
    match path.extension().and_then(|e| e.to_str()) {
        Some(e) if e.eq_ignore_ascii_case("pcap") || e.eq_ignore_ascii_case("cap") => {
            PacketFormat::Pcap
        }
        _ => PacketFormat::Pcapng,
    }
}

/// The packets that the messages came in: all fragments and segments.
fn frames(capture: &Capture, messages: &[MessageId]) -> HashSet<(u16, u32)> {
    let view = capture.view();
    messages
        .iter()
        .filter_map(|id| view.message(*id))
        .flat_map(|row| view.extents(row))
        .map(|extent| (extent.file, extent.frame))
        .collect()
}

/// Connections whose messages can only be read with all that came before: TLS and WebSocket.
fn wrapped(capture: &Capture, messages: &[MessageId]) -> HashSet<(Endpoint, Endpoint)> {
    let view = capture.view();
    messages
        .iter()
        .filter_map(|id| view.ends(view.message(*id)?))
        .filter(|flow| {
            matches!(
                flow.transport,
                Transport::Tls | Transport::Ws | Transport::Wss
            )
        })
        .map(|flow| (flow.src.min(flow.dst), flow.src.max(flow.dst)))
        .collect()
}

fn is_wrapped(chunk: &Chunk, frame: &FrameRecord, wrapped: &HashSet<(Endpoint, Endpoint)>) -> bool {
    if wrapped.is_empty() {
        return false;
    }
    match dissect(frame.link_type, frame.of(chunk), frame.original) {
        Ok(packet) => {
            let (src, dst) = (packet.addressing.src, packet.addressing.dst);
            matches!(packet.payload, Payload::Tcp(_))
                && wrapped.contains(&(src.min(dst), src.max(dst)))
        }
        Err(_) => false,
    }
}

/// Between which times a pair of addresses carries chosen media, by SSRC.
#[derive(Default)]
struct Media {
    flows: HashMap<(Endpoint, Endpoint), Vec<Span>>,
}

struct Span {
    ssrc: u32,
    first: i64,
    last: i64,
}

impl Media {
    fn of(capture: &Capture, messages: &[MessageId], streams: &[Stream], all: bool) -> Self {
        let view = capture.view();
        let calls: HashSet<CallId> = messages
            .iter()
            .filter_map(|id| view.message(*id).map(|row| row.call))
            .collect();
        let mut media = Self::default();
        for stream in streams {
            let (Some(src), Some(tally)) = (stream.src, stream.tally) else {
                continue;
            };
            if all || stream.calls().any(|(call, _)| calls.contains(&call)) {
                let span = Span {
                    ssrc: tally.ssrc,
                    first: tally.first,
                    last: tally.last,
                };
                media.flows.entry((src, stream.dst)).or_default().push(span);
            }
        }
        media
    }

    /// True for RTP of the streams, and for their RTCP on the same or on the next ports, both ways.
    fn holds(&self, src: Endpoint, dst: Endpoint, time: i64, payload: &[u8]) -> bool {
        let Some([first, kind]) = payload.first_chunk::<2>() else {
            return false;
        };
        if first >> 6 != 2 {
            return false;
        }
        if (192..=223).contains(kind) {
            let below = |e: Endpoint| Endpoint {
                port: e.port.wrapping_sub(1),
                ..e
            };
            let pairs = [
                (src, dst),
                (dst, src),
                (below(src), below(dst)),
                (below(dst), below(src)),
            ];
            return pairs
                .iter()
                .filter_map(|pair| self.flows.get(pair))
                .flatten()
                .any(|span| {
                    time >= span.first.saturating_sub(RTCP_NANOS)
                        && time <= span.last.saturating_add(RTCP_NANOS)
                });
        }
        let ssrc = payload.get(8..12).and_then(|b| b.first_chunk::<4>());
        let Some(ssrc) = ssrc.map(|b| u32::from_be_bytes(*b)) else {
            return false;
        };
        let spans = self.flows.get(&(src, dst)).into_iter().flatten();
        spans
            .into_iter()
            .any(|s| s.ssrc == ssrc && (s.first..=s.last).contains(&time))
    }
}

/// Reads the inputs again and gives the chosen packets, merged by time.
fn pick(
    capture: &Capture,
    args: &ExportArgs,
    frames: &HashSet<(u16, u32)>,
    media: &Media,
    wrapped: &HashSet<(Endpoint, Endpoint)>,
) -> Vec<PacketRef> {
    let mut packets = Vec::new();
    let options = OpenOptions {
        bomb_limit: !args.common.no_bomb_limit,
        ..OpenOptions::default()
    };
    let size = |report: &FileReport| std::fs::metadata(&report.path).map_or(0, |there| there.len());
    let all: u64 = capture.loaded.files.iter().map(size).sum();
    let mut before = 0;
    for (index, report) in capture.loaded.files.iter().enumerate() {
        let Ok(file) = u16::try_from(index) else {
            break;
        };
        if report.error.is_some() || is_text(capture, file) {
            continue;
        }
        // A pipe is at its end by now; what it brought is in a spool.
        let spooled = capture.loaded.readers.get(index).and_then(Option::as_ref);
        let piped = spooled.filter(|_| report.path == Path::new("-"));
        let opened = match piped {
            Some(bytes) => CaptureFile::again(bytes, &report.path, &options),
            None => CaptureFile::open(&report.path, &options),
        };
        let mut input = match opened {
            Ok(input) => input,
            Err(error) => {
                complain(&format!("{error}"));
                continue;
            }
        };
        let mut chunk = Chunk::default();
        while input.next_chunk_into(CHUNK, &mut chunk) {
            if let Some(watch) = &capture.watch {
                let done = all.saturating_add(before).saturating_add(chunk.base);
                watch.set(done, all.saturating_mul(2));
                if watch.is_stopped() {
                    return Vec::new();
                }
            }
            for frame in &chunk.frames {
                if frames.contains(&(file, frame.number))
                    || is_wrapped(&chunk, frame, wrapped)
                    || carries_media(&chunk, frame, media)
                {
                    packets.push(PacketRef {
                        number: frame.number,
                        time: frame.time,
                        link_type: frame.link_type,
                        interface: frame.interface,
                        offset: chunk.base.saturating_add(u64::from(frame.start)),
                        captured: frame.captured,
                        original: frame.original,
                        file,
                    });
                }
            }
        }
        before += size(report);
    }
    if capture.loaded.files.len() > 1 {
        packets.sort_by_key(|p| (p.time, p.file, p.number));
    }
    packets
}

fn carries_media(chunk: &Chunk, frame: &FrameRecord, media: &Media) -> bool {
    if media.flows.is_empty() {
        return false;
    }
    match dissect(frame.link_type, frame.of(chunk), frame.original) {
        Ok(packet) => match packet.payload {
            Payload::Udp { data, .. } => {
                let ends = packet.addressing;
                media.holds(ends.src, ends.dst, frame.time, data)
            }
            _ => false,
        },
        Err(_) => false,
    }
}
