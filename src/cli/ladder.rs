//! `sipscope ladder`: the sequence diagram as text, SVG or JSON.

use super::args::{LadderArgs, LadderFormat};
use super::input::{Capture, some_numbered_calls};
use super::output::Output;
use super::record::{Object, object_line};
use super::{Failure, Outcome};
use crate::export::svg;
#[cfg(feature = "png")]
use crate::export::{png, watch::Watch};
use crate::index::ids::{CallId, DialogId, MessageId};
use crate::present::ladder::arrangement::Arrangement;
use crate::present::ladder::{Arrow, Bar, Break, Ladder, LadderItem, Lane};
use crate::present::ladder_text;

/// Rows of text after which the heads come again.
const HEADS_EVERY: usize = 40;

/// Writes the ladder.
pub(super) fn draw(capture: &Capture, args: &LadderArgs, out: &mut Output) -> Outcome {
    let (mut ladder, title) = choose(capture, args)?;
    ladder.name_people(capture.view(), capture.loaded.bytes.as_ref());
    if ladder.items.is_empty() {
        return Err(Failure::nothing(
            "nothing to draw: no message has both addresses",
        ));
    }
    let look = svg::Look {
        silent: capture.view().rtp.is_empty(),
        ..svg::Look::default()
    };
    match args.format {
        LadderFormat::Text => out.write(ladder_text::paint(&ladder, HEADS_EVERY).as_bytes()),
        LadderFormat::Svg => out.write(svg::paint_as(&ladder, &title, &look).as_bytes()),
        #[cfg(feature = "png")]
        LadderFormat::Png => {
            let (width, height) = svg::size(&ladder, &look);
            let picture = png::fits(width as f32, height as f32)
                .and_then(|()| {
                    let drawn = svg::paint_as(&ladder, &title, &look);
                    png::of_svg(&drawn, &Watch::default())
                })
                .map_err(|why| Failure::nothing(&why))?;
            out.write(&picture)
        }
        LadderFormat::Json => out.write(&json(&ladder)),
    }
}

fn choose(capture: &Capture, args: &LadderArgs) -> Result<(Ladder, String), Failure> {
    let view = capture.view();
    let arrangement = if args.unfold {
        Arrangement::unfolded()
    } else {
        Arrangement::default()
    };
    if view.messages().is_empty() {
        return Err(Failure::nothing("there is no SIP message in the capture"));
    }
    if let Some(number) = args.what.dialog {
        let id = DialogId::new(number).filter(|id| view.dialog(*id).is_some());
        let Some(id) = id else {
            let there = view.dialogs().len();
            let why = format!("there is no dialog {number}: the capture has {there}");
            return Err(Failure::nothing(why));
        };
        let messages = view.messages_of_dialog(id);
        return Ok((
            Ladder::of_messages(view, &messages, &arrangement),
            format!("Dialog {number}"),
        ));
    }
    let mut calls: Vec<CallId> = if let Some(call_id) = &args.what.call_id {
        let found = view
            .messages()
            .iter()
            .filter(|row| view.texts().bytes(view.parties(row).call_id) == call_id.as_bytes());
        let calls: std::collections::BTreeSet<CallId> = found.map(|row| row.call).collect();
        if calls.is_empty() {
            return Err(Failure::nothing(format!(
                "there is no message with Call-ID {call_id}"
            )));
        }
        calls.into_iter().collect()
    } else if args.what.call.is_empty() {
        (0..view.calls().len()).map(CallId::at).collect()
    } else {
        some_numbered_calls(view, &args.what.call)?
            .into_iter()
            .collect()
    };
    if let Some(chosen) = capture.chosen_messages(&[], &args.common)? {
        let messages: Vec<MessageId> = chosen
            .into_iter()
            .filter(|id| {
                view.message(*id)
                    .is_some_and(|m| calls.binary_search(&m.call).is_ok())
            })
            .collect();
        if messages.is_empty() {
            return Err(Failure::nothing("the filter leaves no message"));
        }
        return Ok((
            Ladder::of_messages(view, &messages, &arrangement),
            "Chosen messages".to_owned(),
        ));
    }
    calls.dedup();
    let title = match calls.as_slice() {
        [one] => format!("Call {one}"),
        many => format!("{} calls", many.len()),
    };
    Ok((Ladder::arranged(view, &calls, &arrangement), title))
}

fn json(ladder: &Ladder) -> Vec<u8> {
    let bars = ladder.items.iter().filter_map(|item| match item {
        LadderItem::Bar(bar) => Some(bar),
        LadderItem::Arrow(_) | LadderItem::Break(_) => None,
    });
    let breaks = ladder.items.iter().filter_map(|item| match item {
        LadderItem::Break(pause) => Some(pause),
        LadderItem::Arrow(_) | LadderItem::Bar(_) => None,
    });
    // Every message is an arrow, also one that is drawn in the row of another.
    let arrows = ladder.messages();
    object_line(|object| {
        object.objects(
            "lanes",
            ladder.lanes.iter().zip(1_u32..),
            |o, (lane, number)| {
                lane_json(o, lane, *number);
            },
        );
        object.objects("arrows", arrows, |o, arrow| {
            arrow_json(o, arrow);
        });
        object.objects("bars", bars, |o, bar| bar_json(o, bar));
        object.objects("breaks", breaks, |o, pause| break_json(o, pause));
    })
}

/// Lanes and rows count from 1, like everything else.
fn from_one(index: usize) -> Option<u64> {
    Some(index as u64 + 1)
}

fn lane_json(object: &mut Object<'_>, lane: &Lane, number: u32) {
    object.number("lane", Some(number));
    object.text("title", Some(&lane.title));
    object.text("address", Some(&lane.address));
    object.texts("endpoints", lane.endpoints.iter().map(ToString::to_string));
}

fn arrow_json(object: &mut Object<'_>, arrow: &Arrow) {
    object.number("row", from_one(arrow.row));
    object.number("message", Some(arrow.message.get()));
    object.number("call", Some(arrow.call.get()));
    object.time("time", Some(arrow.time));
    object.number("from", from_one(arrow.from));
    object.number("to", from_one(arrow.to));
    object.text("label", Some(&arrow.label));
    object.text(
        "note",
        (!arrow.note.is_empty()).then_some(arrow.note.as_str()),
    );
    object.text("class", Some(arrow.class.name()));
    object.boolean("retransmission", arrow.retransmission);
    object.text("icmp", arrow.icmp.as_deref());
    object.boolean("copy", arrow.copy);
    object.number("dialog", arrow.dialog.map(|d| d.get()));
    object.number("fork", Some(arrow.fork as u64));
}

fn break_json(object: &mut Object<'_>, pause: &Break) {
    object.number("row", from_one(pause.row));
    object.time("start", Some(pause.time));
    object.time("end", Some(pause.time.saturating_add(pause.length)));
    object.text("label", Some(&pause.label));
}

fn bar_json(object: &mut Object<'_>, bar: &Bar) {
    object.number("row", from_one(bar.row));
    object.number("call", Some(bar.call.get()));
    object.time("start", Some(bar.time));
    object.time("end", Some(bar.end));
    object.number("from", from_one(bar.from));
    object.number("to", from_one(bar.to));
    object.text("label", Some(&bar.label));
    object.text(
        "codec",
        (!bar.codec.is_empty()).then_some(bar.codec.as_str()),
    );
    object.number("packets", Some(bar.packets));
    object.boolean("forward", bar.forward);
}
