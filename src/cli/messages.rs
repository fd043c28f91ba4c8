//! `sipscope messages`: every message with what its bytes say.

use super::Outcome;
use super::args::List;
use super::input::Capture;
use super::output::{Output, complain};
use super::record::Record;
use super::table::{self, Batch, Column, Layout, cell, left, right};
use crate::bytes::{Extent, MessageBytes};
use crate::diagnostic::Severity;
use crate::index::IndexView;
use crate::index::filter::{each_with_bytes, unfolded};
use crate::index::icmp::IcmpError;
use crate::index::ids::MessageId;
use crate::index::message_store::{MessageRow, Repeat, SdpKind};
use crate::packet::trace::TimeKind;
use crate::present::ladder;
use crate::present::rows::clock_words_of;
use crate::sip::message::decode;
use crate::sip::scan::{Framing, Scan, scan};
use crate::span::Span;

/// Messages made by one piece of work.
const PIECE: usize = 1024;

pub(super) const FIELDS: &[&str] = &[
    "message",
    "frame",
    "frames",
    "file",
    "line",
    "time",
    "time_kind",
    "src",
    "dst",
    "transport",
    "via_transport",
    "origin",
    "layers",
    "kind",
    "method",
    "status",
    "reason",
    "request_uri",
    "call_id",
    "from_uri",
    "from_tag",
    "to_uri",
    "to_tag",
    "cseq",
    "cseq_method",
    "branch",
    "via_count",
    "contact",
    "user_agent",
    "content_type",
    "body_length",
    "sdp",
    "dialog",
    "transaction",
    "call",
    "request",
    "acks",
    "cancels",
    "retransmission_of",
    "retransmission_kind",
    "copy_of",
    "seen_as",
    "diagnostics",
    "cut",
    "hep_agent",
    "hep_node",
    "icmp_error",
];

pub(super) const COLUMNS: &[Column] = &[
    right("#"),
    left("time", 15),
    left("source", 48),
    left("destination", 48),
    left("message", 48),
    left("CSeq", 20),
    left("from", 40),
    left("to", 40),
    right("call"),
    left("remarks", 40),
];

/// Writes the list.
pub(super) fn list(capture: &Capture, args: &List, out: &mut Output) -> Outcome {
    let view = capture.view();
    let chosen = capture.chosen_messages(&args.call, &args.common)?;
    let all = chosen.as_ref().map_or(view.messages().len(), Vec::len);
    let count = args.limit.map_or(all, |limit| all.min(limit));
    let layout = Layout {
        fields: FIELDS,
        columns: COLUMNS,
    };
    let failed = std::sync::OnceLock::new();
    let bytes = capture.loaded.bytes.as_ref();
    let pieces = count.div_ceil(PIECE);
    let make = |piece: usize, batch: &mut Batch| {
        if let Some(watch) = &capture.watch {
            watch.set((pieces + piece) as u64, (pieces as u64).saturating_mul(2));
            if watch.is_stopped() {
                return;
            }
        }
        let from = piece * PIECE;
        let ids: Vec<MessageId> = (from..count.min(from + PIECE))
            .filter_map(|at| match &chosen {
                Some(list) => list.get(at).copied(),
                None => view.messages().position(at).map(MessageId::at),
            })
            .collect();
        let table = args.format == super::args::Format::Table;
        if let Some(error) = self::batch(view, bytes, &ids, table, batch) {
            let _ = failed.set(error);
        }
    };
    table::write(&layout, args, out, pieces, make)?;
    capture.still_wanted()?;
    if let Some(why) = failed.get() {
        complain(&format!("some messages could not be read again: {why}"));
    }
    Ok(())
}

/// Makes the rows of some messages; the first error if octets could not be read.
pub(super) fn batch(
    view: &IndexView,
    bytes: &dyn MessageBytes,
    ids: &[MessageId],
    table: bool,
    batch: &mut Batch,
) -> Option<std::io::Error> {
    if table {
        for id in ids {
            if let Some(row) = view.message(*id) {
                batch.row(|_| (), || cells(view, *id, row));
            }
        }
        return None;
    }
    batch.record.reserve(ids.len() * 1200);
    each_with_bytes(view, bytes, ids, |id, row, extents, octets| {
        batch.row(
            |record| fields(view, id, row, extents, octets, record),
            Vec::new,
        );
    })
}

fn fields(
    view: &IndexView,
    id: MessageId,
    row: &MessageRow,
    extents: &[Extent],
    octets: &[u8],
    record: &mut Record,
) {
    let flow = view.ends(row);
    let framing = view.framing(row);
    let scan = scan(octets, framing);
    let part = |pick: fn(&Scan) -> Span| -> Option<&[u8]> {
        let found = pick(scan.as_ref()?).of(octets);
        (!found.is_empty()).then_some(found)
    };
    let texts = view.texts();
    let response = row.is_response();
    let number = |id: Option<MessageId>| id.map(MessageId::get);

    record.number("message", Some(id.get()));
    record.number("frame", Some(row.frame));
    let mut frames: Vec<u64> = extents.iter().map(|e| u64::from(e.frame)).collect();
    frames.sort_unstable();
    frames.dedup();
    record.numbers("frames", frames);
    record.number("file", Some(u64::from(row.file) + 1));
    let told = view.told(id);
    record.number("line", told.and_then(|t| t.line));
    let timed = told.is_none_or(|t| t.timed);
    record.time("time", timed.then_some(row.time));
    let time_kind = told.map_or(TimeKind::Absolute, |t| t.time_kind);
    record.text("time_kind", Some(time_kind.name()));
    let (src, dst) = (flow.map(|f| f.src), flow.map(|f| f.dst));
    record.shown("src", src.filter(|_| told.is_none_or(|t| t.src)));
    record.shown("dst", dst.filter(|_| told.is_none_or(|t| t.dst)));
    let transport = flow.filter(|_| told.is_none_or(|t| t.transport));
    record.text("transport", transport.map(|f| f.transport.name()));
    record.bytes("via_transport", part(|s| s.via_transport));
    let hep = view.hep(id);
    let origin = match told {
        Some(told) => told.origin.name(),
        None if hep.is_some() => "hep",
        None => "packet",
    };
    record.text("origin", Some(origin));
    record.shown("layers", Some(view.layers(row)));
    record.text("kind", Some(if response { "response" } else { "request" }));
    let method = view.method_name(id);
    record.text("method", (!method.is_empty()).then_some(method));
    // A code that is no number of 16 bits stands in the tree as it came.
    let code = response.then_some(row.status);
    record.number("status", code.filter(|code| *code != u16::MAX));
    let start = texts.bytes(row.start_text);
    record.bytes("reason", response.then_some(start));
    record.bytes("request_uri", (!response).then_some(start));
    let filled = |bytes: &[u8]| !bytes.is_empty();
    let parties = view.parties(row);
    let call_id = texts.bytes(parties.call_id);
    record.bytes("call_id", filled(call_id).then_some(call_id));
    let from_uri = texts.bytes(parties.from_uri);
    record.bytes("from_uri", filled(from_uri).then_some(from_uri));
    record.bytes("from_tag", parties.from_tag.map(|t| texts.bytes(t)));
    let to_uri = texts.bytes(parties.to_uri);
    record.bytes("to_uri", filled(to_uri).then_some(to_uri));
    record.bytes("to_tag", parties.to_tag.map(|t| texts.bytes(t)));
    record.number("cseq", row.cseq());
    record.bytes("cseq_method", part(|s| s.cseq_method_span));
    record.bytes("branch", part(|s| s.branch));
    record.number(
        "via_count",
        Some(scan.map_or(u32::from(row.via_count), |s| s.via_count)),
    );
    record.bytes("contact", part(|s| s.contact).map(unfolded).as_deref());
    record.bytes("user_agent", row.user_agent.map(|t| texts.bytes(t)));
    record.bytes(
        "content_type",
        part(|s| s.content_type).map(unfolded).as_deref(),
    );
    record.number("body_length", Some(row.body_len));
    record.text("sdp", sdp_word(row.sdp));
    record.number("dialog", row.dialog.map(|d| d.get()));
    record.number("transaction", Some(row.transaction.get()));
    record.number("call", Some(row.call.get()));
    record.number("request", number(row.request()));
    record.number("acks", number(row.acks()));
    record.number("cancels", number(row.cancels()));
    let (again, kind, copy, seen) = match row.repeat() {
        Repeat::No => (None, None, None, None),
        Repeat::Retransmission(of, kind) => (Some(of), Some(kind.name()), None, None),
        Repeat::CopyOf(of) => (None, None, Some(of), None),
        Repeat::SeenAs(of) => (None, None, None, Some(of)),
    };
    record.number("retransmission_of", number(again));
    record.text("retransmission_kind", kind);
    record.number("copy_of", number(copy));
    record.number("seen_as", number(seen));
    diagnostics(octets, framing, record);
    record.boolean("cut", row.is_cut());
    record.number("hep_agent", hep.and_then(|hep| hep.agent));
    record.bytes(
        "hep_node",
        hep.and_then(|hep| hep.node).map(|t| texts.bytes(t)),
    );
    icmp_error(record, view.icmp().of_message(id));
}

/// The ICMP error that quotes a message or a stream.
pub(super) fn icmp_error(record: &mut Record, error: Option<&IcmpError>) {
    record.object(
        "icmp_error",
        error,
        |object, error| {
            object.number("frame", Some(error.frame.1));
            object.number("file", Some(u64::from(error.frame.0) + 1));
            object.number("type", Some(error.kind));
            object.number("code", Some(error.code));
            object.text("words", Some(error.words()));
            object.text("from", Some(&error.from.to_string()));
            object.number("count", Some(error.count));
        },
        |error| format!("{error} (packet {})", error.frame.1),
    );
}

fn diagnostics(octets: &[u8], framing: Framing, record: &mut Record) {
    let found = if octets.is_empty() {
        Vec::new()
    } else {
        decode(octets, framing).1
    };
    record.objects(
        "diagnostics",
        &found,
        |object, d| {
            object.text("kind", Some(d.kind.id()));
            object.text("severity", Some(severity(d.severity)));
            object.text("text", Some(&d.text));
            object.text("rfc", Some(d.rfc()));
            object.number("offset", Some(d.span.start));
            object.number("length", Some(d.span.len() as u64));
        },
        |d| format!("{}@{}", d.kind.id(), d.span.start),
    );
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// The name of the role of a session description.
pub(super) fn sdp_word(kind: SdpKind) -> Option<&'static str> {
    match kind {
        SdpKind::None => None,
        SdpKind::Offer => Some("offer"),
        SdpKind::Answer => Some("answer"),
        SdpKind::Other => Some("other"),
    }
}

fn cells(view: &IndexView, id: MessageId, row: &MessageRow) -> Vec<String> {
    let flow = view.ends(row);
    let texts = view.texts();
    let cseq = row
        .cseq()
        .map(|n| format!("{n} {}", row.cseq_method.as_str()));
    let remark = match row.repeat() {
        Repeat::No => String::new(),
        Repeat::Retransmission(of, _) => format!("again, of {of}"),
        Repeat::CopyOf(of) => format!("copy of {of}"),
        Repeat::SeenAs(of) => format!("{of} on other addresses"),
    };
    vec![
        id.to_string(),
        match view.states_time(id) {
            true => clock_words_of(view.time_kind_at(row.time), row.time),
            false => String::new(),
        },
        cell(flow.map(|f| view.end_words(f.src))),
        cell(flow.map(|f| view.end_words(f.dst))),
        ladder::label(view, id, row),
        cell(cseq),
        texts.get(view.parties(row).from_uri).into_owned(),
        texts.get(view.parties(row).to_uri).into_owned(),
        row.call.to_string(),
        remark,
    ]
}
