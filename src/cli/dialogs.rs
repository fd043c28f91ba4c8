//! `sipscope dialogs`.

use super::args::List;
use super::input::Capture;
use super::output::Output;
use super::record::Record;
use super::table::{self, Column, Layout, left, right};
use super::{Outcome, parallel};
use crate::index::IndexView;
use crate::index::dialog::{self, DialogSummary};
use crate::index::ids::{CallId, MessageId};
use crate::present::rows::clock_words_of;

/// Calls looked at by one piece of work.
const PIECE: usize = 256;

pub(super) const FIELDS: &[&str] = &[
    "dialog",
    "call",
    "call_id",
    "local_tag",
    "remote_tag",
    "method",
    "state",
    "forked_from",
    "from_middle",
    "start",
    "end",
    "messages",
];

const COLUMNS: &[Column] = &[
    right("dialog"),
    right("call"),
    left("method", 12),
    left("state", 12),
    left("start", 15),
    left("end", 15),
    right("messages"),
    left("local tag", 24),
    left("remote tag", 24),
    left("Call-ID", 60),
    left("remarks", 40),
];

/// Writes the list.
pub(super) fn list(capture: &Capture, args: &List, out: &mut Output) -> Outcome {
    let view = capture.view();
    let chosen = capture.chosen_calls(args)?;
    let calls = chosen.as_ref().map_or(view.calls().len(), Vec::len);
    let call = |at: usize| match &chosen {
        Some(list) => list.get(at).copied(),
        None => view.calls().position(at).map(CallId::at),
    };
    let mut all: Vec<DialogSummary> = Vec::new();
    parallel::in_order(
        calls.div_ceil(PIECE),
        args.common.threads(),
        |piece| {
            let range = piece * PIECE..calls.min((piece + 1) * PIECE);
            let calls = range.filter_map(call);
            calls
                .flat_map(|call| dialog::of_call(view, call))
                .collect::<Vec<_>>()
        },
        |found| {
            all.extend(found);
            Ok::<(), super::Failure>(())
        },
    )?;
    all.sort_by_key(|summary| summary.dialog);
    all.truncate(args.limit.unwrap_or(usize::MAX));
    let layout = Layout {
        fields: FIELDS,
        columns: COLUMNS,
    };
    table::write(
        &layout,
        args,
        out,
        all.len().div_ceil(PIECE),
        |piece, batch| {
            for summary in all.chunks(PIECE).nth(piece).unwrap_or_default() {
                batch.row(
                    |record| fields(view, summary, record),
                    || cells(view, summary),
                );
            }
        },
    )
}

fn fields(view: &IndexView, summary: &DialogSummary, record: &mut Record) {
    let texts = view.texts();
    let dialog = view.dialog(summary.dialog);
    record.number("dialog", Some(summary.dialog.get()));
    record.number("call", dialog.map(|d| d.call.get()));
    record.bytes("call_id", dialog.map(|d| texts.bytes(d.call_id)));
    record.bytes(
        "local_tag",
        dialog.and_then(|d| d.local_tag).map(|t| texts.bytes(t)),
    );
    record.bytes(
        "remote_tag",
        dialog.and_then(|d| d.remote_tag).map(|t| texts.bytes(t)),
    );
    record.text("method", method(view, summary));
    record.text("state", Some(summary.state.name()));
    record.number("forked_from", summary.forked_from.map(|t| t.get()));
    record.boolean("from_middle", dialog.is_some_and(|d| d.from_middle));
    let span = view.stated_span(&summary.messages, (summary.start, summary.end));
    record.time("start", span.map(|(start, _)| start));
    record.time("end", span.map(|(_, end)| end));
    record.numbers(
        "messages",
        summary.messages.iter().map(|m| u64::from(m.get())),
    );
}

/// Method of the request that created it, also one in no registry.
fn method<'a>(view: &'a IndexView, summary: &DialogSummary) -> Option<&'a str> {
    let dialog = view.dialog(summary.dialog)?;
    if dialog.method != crate::sip::method::Method::Other {
        return Some(dialog.method.as_str());
    }
    let request: MessageId = dialog.request.unwrap_or(dialog.opened_by);
    Some(view.method_name(request))
}

fn cells(view: &IndexView, summary: &DialogSummary) -> Vec<String> {
    let texts = view.texts();
    let dialog = view.dialog(summary.dialog);
    let tag = |pick: fn(&crate::index::Dialog) -> Option<crate::index::ids::TextId>| {
        dialog
            .and_then(pick)
            .map(|t| texts.get(t).into_owned())
            .unwrap_or_default()
    };
    let span = view.stated_span(&summary.messages, (summary.start, summary.end));
    let clock = |time: Option<i64>| {
        time.map(|time| clock_words_of(view.time_kind_at(time), time))
            .unwrap_or_default()
    };
    let mut remarks = Vec::new();
    if dialog.is_some_and(|d| d.from_middle) {
        remarks.push("from the middle".to_owned());
    }
    if let Some(transaction) = summary.forked_from {
        remarks.push(format!("fork of transaction {transaction}"));
    }
    vec![
        summary.dialog.to_string(),
        table::cell(dialog.map(|d| d.call)),
        method(view, summary).unwrap_or_default().to_owned(),
        summary.state.name().to_owned(),
        clock(span.map(|(start, _)| start)),
        clock(span.map(|(_, end)| end)),
        summary.messages.len().to_string(),
        tag(|d| d.local_tag),
        tag(|d| d.remote_tag),
        dialog
            .map(|d| texts.get(d.call_id).into_owned())
            .unwrap_or_default(),
        remarks.join(", "),
    ]
}
