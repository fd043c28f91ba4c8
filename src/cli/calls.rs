//! `sipscope calls`: calls, registrations, subscriptions and the rest, each with its outcome.

use std::collections::HashMap;

use super::Outcome;
use super::args::List;
use super::input::Capture;
use super::output::Output;
use super::record::Record;
use super::table::{self, Column, Layout, cell, left, right, seconds};
use crate::index::call::{self, CallSummary, EndReason, EndedBy};
use crate::index::ids::CallId;
use crate::index::stream::Stream;
use crate::index::{CallKind, IndexView};
use crate::present::rows::clock_words_of;

/// Calls summed up by one piece of work.
const PIECE: usize = 256;

pub(super) const FIELDS: &[&str] = &[
    "call",
    "kind",
    "caller",
    "callee",
    "state",
    "start",
    "end",
    "pdd_ms",
    "setup_ms",
    "total_setup_ms",
    "ring_ms",
    "talk_ms",
    "status",
    "reason",
    "ended_by",
    "end_reason",
    "retransmissions",
    "copies",
    "dialogs",
    "messages",
    "streams",
    "rtp_forward",
    "rtp_backward",
    "linked_calls",
    "findings",
    "contacts",
];

const COLUMNS: &[Column] = &[
    right("call"),
    left("kind", 12),
    left("state", 12),
    left("start", 15),
    left("caller", 44),
    left("callee", 44),
    left("response", 32),
    right("PDD s"),
    right("talk s"),
    right("messages"),
    right("again"),
    right("RTP ->"),
    right("RTP <-"),
    left("ended by", 10),
];

/// Media of one call.
#[derive(Default)]
struct Media {
    streams: Vec<u32>,
    forward: u64,
    backward: u64,
}

/// Writes the list.
pub(super) fn list(capture: &Capture, args: &List, out: &mut Output) -> Outcome {
    let view = capture.view();
    let chosen = capture.chosen_calls(args)?;
    let all = chosen.as_ref().map_or(view.calls().len(), Vec::len);
    let count = args.limit.map_or(all, |limit| all.min(limit));
    let media = media_by_call(&view.streams());
    let none = Media::default();
    let layout = Layout {
        fields: FIELDS,
        columns: COLUMNS,
    };
    table::write(&layout, args, out, count.div_ceil(PIECE), |piece, batch| {
        for at in piece * PIECE..count.min((piece + 1) * PIECE) {
            let id = match &chosen {
                Some(list) => list.get(at).copied(),
                None => view.calls().position(at).map(CallId::at),
            };
            let Some(summary) = id.and_then(|id| call::summary(view, id)) else {
                continue;
            };
            let media = media.get(&summary.call).unwrap_or(&none);
            batch.row(
                |record| fields(capture, &summary, media, record),
                || cells(view, &summary, media),
            );
        }
    })
}

fn media_by_call(streams: &[Stream]) -> HashMap<CallId, Media> {
    let mut out: HashMap<CallId, Media> = HashMap::new();
    for stream in streams {
        for (call, forward) in stream.calls() {
            let media = out.entry(call).or_default();
            media.streams.push(stream.id.get());
            let side = if forward {
                &mut media.forward
            } else {
                &mut media.backward
            };
            *side = side.saturating_add(stream.packets());
        }
    }
    out
}

fn ended_by(by: EndedBy) -> &'static str {
    match by {
        EndedBy::Caller => "caller",
        EndedBy::Callee => "callee",
        EndedBy::Both => "both",
        EndedBy::Network => "network",
        EndedBy::Unknown => "unknown",
    }
}

fn end_reason(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Bye => "bye",
        EndReason::Cancel => "cancel",
        EndReason::FinalResponse => "final_response",
        EndReason::NoAck => "no_ack",
        EndReason::SessionTimer => "session_timer",
        EndReason::DialogLost => "dialog_lost",
        EndReason::NoResponse => "no_response",
    }
}

fn fields(capture: &Capture, summary: &CallSummary, media: &Media, record: &mut Record) {
    let text = |words: &str| (!words.is_empty()).then(|| words.to_owned());
    record.number("call", Some(summary.call.get()));
    record.text("kind", Some(summary.kind.name()));
    record.text("caller", text(&summary.caller).as_deref());
    record.text("callee", text(&summary.callee).as_deref());
    record.text("state", Some(summary.state.name()));
    let whole = (summary.start, summary.end);
    let span = capture.view().stated_span(&summary.messages, whole);
    record.time("start", span.map(|(start, _)| start));
    record.time("end", span.map(|(_, end)| end));
    record.millis("pdd_ms", summary.pdd);
    record.millis("setup_ms", summary.setup);
    record.millis("total_setup_ms", summary.total_setup);
    record.millis("ring_ms", summary.ring);
    record.millis("talk_ms", summary.talk);
    record.number("status", summary.status);
    record.text("reason", summary.reason.as_deref());
    record.text("ended_by", summary.ended_by.map(ended_by));
    record.text("end_reason", summary.end_reason.map(end_reason));
    record.number("retransmissions", Some(summary.retransmissions));
    record.number("copies", Some(summary.copies));
    record.numbers(
        "dialogs",
        summary.dialogs.iter().map(|d| u64::from(d.get())),
    );
    record.numbers(
        "messages",
        summary.messages.iter().map(|m| u64::from(m.get())),
    );
    record.numbers("streams", media.streams.iter().map(|s| u64::from(*s)));
    record.number("rtp_forward", Some(media.forward));
    record.number("rtp_backward", Some(media.backward));
    record.numbers("linked_calls", std::iter::empty());
    record.numbers("findings", std::iter::empty());
    record.texts("contacts", contacts(capture, summary));
}

/// Where a registration can be reached: the Contact URIs of the newest 2xx response, else those of
/// the newest request.
fn contacts(capture: &Capture, summary: &CallSummary) -> Vec<String> {
    if summary.kind != CallKind::Registration {
        return Vec::new();
    }
    let view: &IndexView = capture.view();
    let newest = |wanted: &dyn Fn(&crate::index::message_store::MessageRow) -> bool| {
        summary
            .messages
            .iter()
            .rev()
            .find_map(|id| view.message(*id).filter(|row| wanted(row)))
    };
    let row = newest(&|row| row.is_response() && (200..300).contains(&row.status))
        .or_else(|| newest(&|row| row.is_request()));
    row.map(|row| super::message_text::contacts(capture, row))
        .unwrap_or_default()
}

fn cells(view: &IndexView, summary: &CallSummary, media: &Media) -> Vec<String> {
    let response = summary.status.map(|status| {
        let reason = summary.reason.as_deref().unwrap_or_default();
        format!("{status} {reason}")
    });
    vec![
        summary.call.to_string(),
        summary.kind.name().to_owned(),
        summary.state.name().to_owned(),
        view.stated_span(&summary.messages, (summary.start, summary.end))
            .map(|(start, _)| clock_words_of(view.time_kind_at(start), start))
            .unwrap_or_default(),
        summary.caller.clone(),
        summary.callee.clone(),
        cell(response),
        seconds(summary.pdd),
        seconds(summary.talk),
        summary.messages.len().to_string(),
        summary.retransmissions.to_string(),
        media.forward.to_string(),
        media.backward.to_string(),
        summary
            .ended_by
            .map(ended_by)
            .unwrap_or_default()
            .to_owned(),
    ]
}
