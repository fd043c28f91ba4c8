//! Media as bars: one for each direction, also where nothing came that was agreed upon.

use std::collections::{HashMap, HashSet};

use super::labels::codecs;
use super::lanes::Lanes;
use super::{Bar, Ladder, LadderItem};
use crate::index::IndexView;
use crate::index::ids::{CallId, MessageId};
use crate::index::media::POSSIBLE;
use crate::index::stream::{MatchedBy, Stream};
use crate::sdp::static_payload;

/// Packets of a stream are to be expected: who announced its end receives, and who sends to it sends
/// (RFC 3264, 5.1 and 6.1). What nothing announced is there, or is not.
pub fn awaited(view: &IndexView, stream: &Stream) -> bool {
    let announcement = stream
        .announcement
        .and_then(|id| view.announcements.get(id.index()));
    let Some(announcement) = announcement else {
        return true;
    };
    let media = usize::from(announcement.media & !POSSIBLE);
    let says = |message: MessageId, words: [&str; 2]| {
        let row = view.message(message);
        let summary = row.and_then(|row| view.texts().opt(row.body_text.filter(|_| row.has_sdp())));
        let section = summary.as_deref().and_then(|s| s.split(" / ").nth(media));
        section.is_some_and(|section| {
            let mut said = section.split_ascii_whitespace();
            said.any(|word| words.contains(&word))
        })
    };
    let offer = view
        .message(announcement.message)
        .and_then(|row| row.request());
    let here = says(announcement.message, ["sendonly", "inactive"]);
    let there = offer.is_some_and(|offer| says(offer, ["recvonly", "inactive"]));
    !(here || there)
}

/// Codecs of a stream: by its payload types, a dynamic one by the description that announced it.
fn stream_codecs(view: &IndexView, stream: &Stream) -> Vec<String> {
    let announcement = stream
        .announcement
        .and_then(|id| view.announcements.get(id.index()));
    let summary = announcement
        .and_then(|a| view.message(a.message))
        .and_then(|row| view.texts().opt(row.body_text.filter(|_| row.has_sdp())));
    let media = usize::from(announcement.map_or(0, |a| a.media));
    let section = summary
        .as_deref()
        .and_then(|s| s.split(" / ").nth(media))
        .unwrap_or_default();
    let kinds = [
        "video",
        "text",
        "application",
        "message",
        "image",
        "other",
        "port",
        "0",
    ];
    let announced: Vec<&str> = codecs(section)
        .filter(|word| !kinds.contains(word))
        .collect();
    let fixed: Vec<&str> = (0..35)
        .filter_map(static_payload)
        .map(|(name, _)| name)
        .collect();
    let mut dynamic = announced
        .iter()
        .filter(|name| !fixed.iter().any(|f| f.eq_ignore_ascii_case(name)));
    let Some(tally) = stream.tally else {
        return announced
            .first()
            .map(|name| (*name).to_owned())
            .into_iter()
            .collect();
    };
    let mut out = Vec::new();
    for number in 0..128_u8 {
        if tally.payload_types >> number & 1 == 0 {
            continue;
        }
        match static_payload(number) {
            Some((name, _)) => out.push(name.to_owned()),
            // Several dynamic codecs cannot be told apart without their rtpmap lines.
            None => match (dynamic.next(), dynamic.clone().next()) {
                (Some(name), None) if out.is_empty() => out.push((*name).to_owned()),
                _ if out.is_empty() => out.push(format!("payload type {number}")),
                _ => {}
            },
        }
    }
    out
}

/// The sides of a call as lanes.
#[derive(Clone, Copy, Default)]
struct Sides {
    caller: Option<usize>,
    callee: Option<usize>,
    /// When media was agreed; none when it never was.
    agreed: Option<i64>,
}

fn sides(view: &IndexView, ladder: &Ladder) -> HashMap<CallId, Sides> {
    let mut out: HashMap<CallId, Sides> = HashMap::new();
    for item in &ladder.items {
        let LadderItem::Arrow(arrow) = item else {
            continue;
        };
        let Some(row) = view.message(arrow.message) else {
            continue;
        };
        let side = out.entry(arrow.call).or_insert(Sides {
            caller: Some(if row.is_request() {
                arrow.from
            } else {
                arrow.to
            }),
            callee: None,
            agreed: None,
        });
        if row.sdp == crate::index::message_store::SdpKind::Answer && side.agreed.is_none() {
            side.agreed = Some(arrow.time);
        }
        // The last new lane on the way of the first request is that of the callee.
        if row.is_initial() && row.is_request() && side.agreed.is_none() {
            side.callee = Some(arrow.to);
        }
    }
    out
}

pub(super) fn bars(
    view: &IndexView,
    calls: &[CallId],
    streams: &[Stream],
    ladder: &Ladder,
    lanes: &Lanes,
) -> Vec<Bar> {
    let shown = |(call, _): &(CallId, bool)| calls.binary_search(call).is_ok();
    let mine: Vec<(CallId, bool, &Stream)> = streams
        .iter()
        .filter_map(|s| {
            s.calls()
                .find(shown)
                .map(|(call, forward)| (call, forward, s))
        })
        .collect();
    if mine.is_empty() {
        return Vec::new();
    }
    let mut sides = sides(view, ladder);
    // Who announced a place for media is at its end, wherever the media goes.
    let mut announced = HashSet::new();
    for (call, _, stream) in &mine {
        let announcement = stream
            .announcement
            .and_then(|id| view.announcements.get(id.index()));
        let Some(a) = announcement.filter(|a| a.call == *call) else {
            continue;
        };
        let lane = view
            .message(a.message)
            .and_then(|row| view.ends(row))
            .and_then(|flow| lanes.lane(flow.src, flow.transport));
        let (Some(side), Some(lane)) = (sides.get_mut(call), lane) else {
            continue;
        };
        if announced.insert((*call, a.by_caller)) {
            *(if a.by_caller {
                &mut side.caller
            } else {
                &mut side.callee
            }) = Some(lane);
        }
    }
    let mut order: Vec<(CallId, usize, usize)> = Vec::new();
    let mut found: HashMap<(CallId, usize, usize), (Bar, Vec<String>)> = HashMap::new();
    for (call, forward, stream) in mine {
        let Some(side) = sides.get(&call).copied() else {
            continue;
        };
        let (near, far) = if forward {
            (side.caller, side.callee)
        } else {
            (side.callee, side.caller)
        };
        let from = stream.src.and_then(|src| lanes.host(src.ip)).or(near);
        let to = lanes.host(stream.dst.ip).or(far);
        let (Some(from), Some(to)) = (from, to) else {
            continue;
        };
        let (time, end) = match (stream.tally, side.agreed) {
            (Some(tally), _) => (tally.first, tally.last),
            // Nothing is missing where nothing was agreed.
            (None, Some(agreed)) => (agreed, agreed),
            (None, None) => continue,
        };
        let codecs = stream_codecs(view, stream);
        let key = (call, from, to);
        let (bar, names) = found.entry(key).or_insert_with(|| {
            order.push(key);
            let bar = Bar {
                call,
                from,
                to,
                row: 0,
                time,
                end,
                packets: 0,
                codec: String::new(),
                label: String::new(),
                forward,
                awaited: false,
                streams: Vec::new(),
            };
            (bar, Vec::new())
        });
        let packets = stream.packets();
        if packets > 0 && bar.packets == 0 {
            // What came counts more than what was announced.
            (bar.time, bar.end) = (time, end);
            names.clear();
        }
        if packets > 0 || bar.packets == 0 {
            bar.time = bar.time.min(time);
            bar.end = bar.end.max(end);
            for name in codecs {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        bar.packets = bar.packets.saturating_add(packets);
        bar.awaited |= awaited(view, stream);
        if bar.streams.len() < MOST_STREAMS {
            bar.streams.push(stream_words(view, stream));
        }
    }
    order
        .iter()
        .filter_map(|key| found.remove(key))
        .map(|(mut bar, names)| {
            bar.codec = names.join(", ");
            let space = if bar.codec.is_empty() { "" } else { " " };
            let noun = if bar.packets == 1 {
                "packet"
            } else {
                "packets"
            };
            let count = crate::present::text::grouped(bar.packets);
            bar.label = format!("RTP{space}{}, {count} {noun}", bar.codec);
            bar
        })
        .collect()
}

/// Streams of one bar that are told one by one.
const MOST_STREAMS: usize = 8;

/// One stream: what was seen of it, or what announced it.
fn stream_words(view: &IndexView, stream: &Stream) -> String {
    let announced = stream
        .announcement
        .and_then(|id| view.announcements.get(id.index()))
        .and_then(|a| Some((a.message, view.message(a.message)?.frame)));
    let Some(tally) = stream.tally else {
        let by = announced.map_or(String::new(), |(message, frame)| {
            format!(", announced in frame {frame} (#{message})")
        });
        let why = match awaited(view, stream) {
            true => "",
            false => "; none is expected, for the session description says so",
        };
        return format!(
            "To {}{by}: no packet of it is in this capture{why}",
            stream.dst
        );
    };
    let from = stream
        .src
        .map_or_else(|| "?".to_owned(), |src| src.to_string());
    let count = crate::present::text::grouped(tally.packets);
    let noun = match tally.packets {
        1 => "packet",
        _ => "packets",
    };
    format!(
        "{from} → {}, SSRC 0x{:08x}, {count} {noun} from frame {} on, {}",
        stream.dst,
        tally.ssrc,
        tally.first_frame.1,
        matched_words(stream.matched_by)
    )
}

/// How a stream found its call, in words for a tooltip.
pub fn matched_words(by: MatchedBy) -> &'static str {
    match by {
        MatchedBy::Sdp => "goes where the session description says",
        MatchedBy::Symmetric => "comes from where the session description says to send to",
        MatchedBy::Heuristic => "looks like RTP; nothing announced it",
    }
}
