//! `sipscope streams`: RTP by source, destination and SSRC, and media that never came.

use super::Outcome;
use super::args::List;
use super::input::Capture;
use super::output::Output;
use super::record::Record;
use super::table::{self, Column, Layout, cell, left, right};
use crate::index::IndexView;
use crate::index::stream::{MatchedBy, Stream};
use crate::present::text;
use crate::sdp::static_payload;

const PIECE: usize = 1024;

pub(super) const FIELDS: &[&str] = &[
    "stream",
    "call",
    "ssrc",
    "src",
    "dst",
    "payload_types",
    "codec",
    "clock_rate",
    "packets",
    "expected",
    "lost",
    "out_of_order",
    "duplicates",
    "jitter_ms",
    "max_jitter_ms",
    "max_delta_ms",
    "mos",
    "start",
    "end",
    "matched_by",
    "icmp_error",
];

const COLUMNS: &[Column] = &[
    right("stream"),
    right("call"),
    left("SSRC", 10),
    left("source", 48),
    left("destination", 48),
    left("codec", 24),
    right("packets"),
    left("start", 15),
    left("end", 15),
    left("matched by", 12),
];

/// Writes the list.
pub(super) fn list(capture: &Capture, args: &List, out: &mut Output) -> Outcome {
    let view = capture.view();
    let chosen = capture.chosen_calls(args)?;
    let mut streams = view.streams();
    if let Some(calls) = &chosen {
        streams.retain(|s| {
            s.calls()
                .any(|(call, _)| calls.binary_search(&call).is_ok())
        });
    }
    streams.truncate(args.limit.unwrap_or(usize::MAX));
    let layout = Layout {
        fields: FIELDS,
        columns: COLUMNS,
    };
    table::write(
        &layout,
        args,
        out,
        streams.len().div_ceil(PIECE),
        |piece, batch| {
            for stream in streams.chunks(PIECE).nth(piece).unwrap_or_default() {
                let codec = codec(capture, stream);
                batch.row(
                    |record| fields(view, stream, codec.as_ref(), record),
                    || cells(stream, codec.as_ref()),
                );
            }
        },
    )
}

fn matched_by(by: MatchedBy) -> &'static str {
    match by {
        MatchedBy::Sdp => "sdp",
        MatchedBy::Symmetric => "symmetric",
        MatchedBy::Heuristic => "heuristic",
    }
}

fn payload_types(stream: &Stream) -> impl Iterator<Item = u8> {
    let bits = stream.tally.map_or(0, |t| t.payload_types);
    (0..128_u8).filter(move |number| bits >> number & 1 == 1)
}

/// Codec and clock rate: by the rtpmap of the announcement, else by the static payload type
/// (RFC 3551, 6). Telephone events (RFC 4733) and comfort noise ride along with a codec.
fn codec(capture: &Capture, stream: &Stream) -> Option<(String, u32)> {
    let announced = super::message_text::payload_formats(capture, stream);
    let named = |number: u8| {
        announced
            .iter()
            .find(|f| f.number == number)
            .map(|f| (f.name.clone(), f.clock_rate))
            .or_else(|| static_payload(number).map(|(name, rate)| (name.to_owned(), rate)))
    };
    let main = |(name, _): &(String, u32)| {
        !name.eq_ignore_ascii_case("telephone-event") && !name.eq_ignore_ascii_case("CN")
    };
    let mut seen: Vec<(String, u32)> = payload_types(stream).filter_map(named).collect();
    if seen.is_empty() && stream.tally.is_none() {
        seen = announced.iter().filter_map(|f| named(f.number)).collect();
    }
    let found = seen.iter().find(|c| main(c)).or(seen.first());
    found.cloned()
}

fn fields(view: &IndexView, stream: &Stream, codec: Option<&(String, u32)>, record: &mut Record) {
    record.number("stream", Some(stream.id.get()));
    record.number("call", stream.call.map(|c| c.get()));
    record.shown("ssrc", stream.tally.map(|t| format!("0x{:08x}", t.ssrc)));
    record.shown("src", stream.src);
    record.shown("dst", Some(stream.dst));
    record.numbers("payload_types", payload_types(stream).map(u64::from));
    record.text("codec", codec.map(|(name, _)| name.as_str()));
    record.number("clock_rate", codec.map(|(_, rate)| *rate));
    record.number("packets", Some(stream.packets()));
    for name in ["expected", "lost", "out_of_order", "duplicates"] {
        record.number(name, None::<u64>);
    }
    for name in ["jitter_ms", "max_jitter_ms", "max_delta_ms", "mos"] {
        record.number(name, None::<u64>);
    }
    record.time("start", stream.tally.map(|t| t.first));
    record.time("end", stream.tally.map(|t| t.last));
    record.text("matched_by", Some(matched_by(stream.matched_by)));
    let error = stream
        .src
        .and_then(|src| view.icmp().of_media(src, stream.dst));
    super::messages::icmp_error(record, error);
}

fn cells(stream: &Stream, codec: Option<&(String, u32)>) -> Vec<String> {
    let numbers = || {
        payload_types(stream)
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
            .join(",")
    };
    vec![
        stream.id.to_string(),
        cell(stream.call),
        stream
            .tally
            .map(|t| format!("0x{:08x}", t.ssrc))
            .unwrap_or_default(),
        cell(stream.src),
        stream.dst.to_string(),
        codec.map_or_else(numbers, |(name, _)| name.clone()),
        stream.packets().to_string(),
        stream
            .tally
            .map(|t| text::clock(t.first, 6))
            .unwrap_or_default(),
        stream
            .tally
            .map(|t| text::clock(t.last, 6))
            .unwrap_or_default(),
        matched_by(stream.matched_by).to_owned(),
    ]
}
