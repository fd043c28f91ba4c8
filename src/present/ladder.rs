//! The sequence diagram of one or several calls, as plain data for every painter.
//!
//! Lanes are hosts, items are rows: a message is an arrow, media are one bar per direction. All rows
//! are equally high, so a painter that shows a part needs the items of that part only.

mod lanes;

use std::collections::HashMap;

use crate::index::IndexView;
use crate::index::ids::{CallId, DialogId, MessageId};
use crate::index::message_store::{MessageRow, Repeat};
use crate::index::stream::{MatchedBy, Stream};
use crate::packet::Endpoint;
use crate::sdp::static_payload;
use crate::sip::method::Method;
use lanes::Lanes;

/// A host, or one port of it where several programs run on one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// User-Agent of who speaks there, else the address.
    pub title: String,
    /// IP address, with the port where the address has several lanes.
    pub address: String,
    /// Transport addresses seen, in order.
    pub endpoints: Vec<Endpoint>,
}

/// What kind of message an arrow stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArrowClass {
    /// A request other than ACK.
    Request,
    /// ACK.
    Ack,
    /// 1xx.
    Provisional,
    /// 2xx.
    Success,
    /// 3xx.
    Redirect,
    /// 401 and 407.
    Challenge,
    /// Other 4xx, 5xx, 6xx.
    Failure,
}

impl ArrowClass {
    /// Name for data that leaves the program.
    pub fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Ack => "ack",
            Self::Provisional => "provisional",
            Self::Success => "success",
            Self::Redirect => "redirect",
            Self::Challenge => "challenge",
            Self::Failure => "failure",
        }
    }

    /// Class of a message.
    pub fn of(row: &MessageRow) -> Self {
        if row.is_request() {
            return if row.method == Method::Ack {
                Self::Ack
            } else {
                Self::Request
            };
        }
        match row.status {
            0..=199 => Self::Provisional,
            200..=299 => Self::Success,
            300..=399 => Self::Redirect,
            401 | 407 => Self::Challenge,
            _ => Self::Failure,
        }
    }
}

/// A message on its way.
#[derive(Clone, Debug)]
pub struct Arrow {
    /// The message.
    pub message: MessageId,
    /// Its call.
    pub call: CallId,
    /// Lane of the sender.
    pub from: usize,
    /// Lane of the receiver; the same for a message that stays on its host.
    pub to: usize,
    /// Row, from 0.
    pub row: usize,
    /// Capture time, nanoseconds since 1970-01-01 UTC.
    pub time: i64,
    /// What stands on the arrow.
    pub label: String,
    /// What kind of message it is.
    pub class: ArrowClass,
    /// The sender sent it again.
    pub retransmission: bool,
    /// The capture saw it again.
    pub copy: bool,
    /// Its dialog.
    pub dialog: Option<DialogId>,
    /// Position of its dialog among those of the call, from 0: 1 and more are forks.
    pub fork: usize,
}

/// Media in one direction.
#[derive(Clone, Debug)]
pub struct Bar {
    /// The call.
    pub call: CallId,
    /// Lane of the sender.
    pub from: usize,
    /// Lane of the receiver.
    pub to: usize,
    /// Row, from 0.
    pub row: usize,
    /// First packet; of media that never came, when it was agreed.
    pub time: i64,
    /// Last packet.
    pub end: i64,
    /// Number of packets.
    pub packets: u64,
    /// Codecs, joined by `, `; empty when unknown.
    pub codec: String,
    /// What stands on the bar: `RTP PCMA, 0 packets`.
    pub label: String,
    /// True when it flows towards the callee.
    pub forward: bool,
}

/// One row.
#[derive(Clone, Debug)]
pub enum LadderItem {
    /// A message.
    Arrow(Arrow),
    /// Media.
    Bar(Bar),
}

impl LadderItem {
    /// Its row, from 0.
    pub fn row(&self) -> usize {
        match self {
            Self::Arrow(arrow) => arrow.row,
            Self::Bar(bar) => bar.row,
        }
    }

    /// Its time.
    pub fn time(&self) -> i64 {
        match self {
            Self::Arrow(arrow) => arrow.time,
            Self::Bar(bar) => bar.time,
        }
    }

    /// Lanes of sender and receiver.
    pub fn lanes(&self) -> (usize, usize) {
        match self {
            Self::Arrow(arrow) => (arrow.from, arrow.to),
            Self::Bar(bar) => (bar.from, bar.to),
        }
    }

    /// What stands on it.
    pub fn label(&self) -> &str {
        match self {
            Self::Arrow(arrow) => &arrow.label,
            Self::Bar(bar) => &bar.label,
        }
    }

    fn set_row(&mut self, row: usize) {
        match self {
            Self::Arrow(arrow) => arrow.row = row,
            Self::Bar(bar) => bar.row = row,
        }
    }
}

/// The diagram. The item at position n stands in row n.
#[derive(Clone, Debug, Default)]
pub struct Ladder {
    /// Columns, from left to right: the caller, then by first contact.
    pub lanes: Vec<Lane>,
    /// Rows, from top to bottom, by time.
    pub items: Vec<LadderItem>,
}

impl Ladder {
    /// The ladder of some calls, merged by time, with their media.
    pub fn of(view: &IndexView, calls: &[CallId]) -> Self {
        Self::with_streams(view, calls, &view.streams())
    }

    /// [`Self::of`], for those who keep the list of streams.
    pub fn with_streams(view: &IndexView, calls: &[CallId], streams: &[Stream]) -> Self {
        let mut calls = calls.to_vec();
        calls.sort_unstable();
        calls.dedup();
        let messages: Vec<MessageId> = calls
            .iter()
            .flat_map(|call| view.messages_of_call(*call))
            .collect();
        let (mut ladder, lanes) = Self::arrows(view, &messages);
        let bars = bars(view, &calls, streams, &ladder, &lanes);
        ladder.insert(bars);
        ladder
    }

    /// The ladder of some messages, without media.
    pub fn of_messages(view: &IndexView, messages: &[MessageId]) -> Self {
        Self::arrows(view, messages).0
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.items.len()
    }

    /// The row of a message.
    pub fn row_of(&self, message: MessageId) -> Option<usize> {
        self.items
            .iter()
            .position(|item| matches!(item, LadderItem::Arrow(arrow) if arrow.message == message))
    }

    fn arrows(view: &IndexView, messages: &[MessageId]) -> (Self, Lanes) {
        let mut rows: Vec<(i64, MessageId, &MessageRow)> = messages
            .iter()
            .filter_map(|id| view.message(*id).map(|row| (row.time, *id, row)))
            .collect();
        rows.sort_unstable_by_key(|(time, id, _)| (*time, *id));
        rows.dedup_by_key(|(_, id, _)| *id);
        let lanes = Lanes::of(view, rows.iter().map(|(_, _, row)| *row));
        let mut forks: HashMap<CallId, HashMap<DialogId, usize>> = HashMap::new();
        let mut items = Vec::with_capacity(rows.len());
        for (time, message, row) in rows {
            let Some(flow) = view.ends(row) else { continue };
            let (Some(from), Some(to)) = (
                lanes.lane(flow.src, flow.transport),
                lanes.lane(flow.dst, flow.transport),
            ) else {
                continue;
            };
            let fork = row.dialog.map_or(0, |dialog| {
                let known = forks.entry(row.call).or_default();
                let next = known.len();
                *known.entry(dialog).or_insert(next)
            });
            let repeat = row.repeat();
            items.push(LadderItem::Arrow(Arrow {
                message,
                call: row.call,
                from,
                to,
                row: items.len(),
                time,
                label: label(view, message, row),
                class: ArrowClass::of(row),
                retransmission: matches!(repeat, Repeat::Retransmission(..)),
                copy: repeat.is_copy(),
                dialog: row.dialog,
                fork,
            }));
        }
        (
            Self {
                lanes: lanes.list.clone(),
                items,
            },
            lanes,
        )
    }

    /// Puts bars between the arrows, by time.
    fn insert(&mut self, mut bars: Vec<Bar>) {
        if bars.is_empty() {
            return;
        }
        bars.sort_by_key(|bar| (bar.time, bar.call, !bar.forward));
        let arrows = std::mem::take(&mut self.items);
        let mut bars = bars.into_iter().peekable();
        for arrow in arrows {
            while let Some(bar) = bars.next_if(|bar| bar.time < arrow.time()) {
                self.items.push(LadderItem::Bar(bar));
            }
            self.items.push(arrow);
        }
        self.items.extend(bars.map(LadderItem::Bar));
        for (row, item) in self.items.iter_mut().enumerate() {
            item.set_row(row);
        }
    }
}

/// What stands on the arrow of a message.
pub fn label(view: &IndexView, id: MessageId, row: &MessageRow) -> String {
    let method = view.method_name(id);
    let body = row
        .body_text
        .filter(|_| row.has_sdp())
        .map(|text| view.texts().get(text));
    if row.is_response() {
        let reason = view.texts().get(row.start_text);
        let space = if reason.is_empty() { "" } else { " " };
        let sdp = if row.has_sdp() { ", SDP" } else { "" };
        return format!("{}{space}{reason} ({method}{sdp})", row.status);
    }
    let again = row.method == Method::Invite && row.to_tag.is_some();
    let method = if again { "re-INVITE" } else { method };
    // One remark is enough for an arrow: the rarest wins.
    if again && body.as_deref().is_some_and(holds) {
        return format!("{method} (hold)");
    }
    if row.has_credentials() {
        return format!("{method} (auth)");
    }
    let Some(body) = body else {
        return method.to_owned();
    };
    let media = body
        .split(" / ")
        .map(|m| codecs(m).collect::<Vec<_>>().join(" "));
    let media = media
        .filter(|m| !m.is_empty())
        .collect::<Vec<_>>()
        .join(", ");
    if media.is_empty() {
        return format!("{method} (SDP)");
    }
    format!("{method} (SDP: {media})")
}

/// The words in the summary of a media description that tell its codecs.
fn codecs(summary: &str) -> impl Iterator<Item = &str> {
    summary.split_ascii_whitespace().filter(|word| {
        !matches!(
            *word,
            "sendrecv" | "sendonly" | "recvonly" | "inactive" | "telephone-event"
        )
    })
}

/// The description asks the other side to send nothing (RFC 3264, 8.4).
fn holds(summary: &str) -> bool {
    summary
        .split_ascii_whitespace()
        .any(|word| matches!(word, "sendonly" | "inactive"))
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

fn bars(
    view: &IndexView,
    calls: &[CallId],
    streams: &[Stream],
    ladder: &Ladder,
    lanes: &Lanes,
) -> Vec<Bar> {
    let mine: Vec<(CallId, &Stream)> = streams
        .iter()
        .filter_map(|s| s.call.map(|call| (call, s)))
        .filter(|(call, _)| calls.binary_search(call).is_ok())
        .collect();
    if mine.is_empty() {
        return Vec::new();
    }
    let mut sides = sides(view, ladder);
    // Who announced a place for media is at its end, wherever the media goes.
    let mut announced = std::collections::HashSet::new();
    for (call, stream) in &mine {
        let announcement = stream
            .announcement
            .and_then(|id| view.announcements.get(id.index()));
        let Some(a) = announcement else { continue };
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
    for (call, stream) in mine {
        let Some(side) = sides.get(&call).copied() else {
            continue;
        };
        let (near, far) = if stream.forward {
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
                forward: stream.forward,
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
            let count = super::text::grouped(bar.packets);
            bar.label = format!("RTP{space}{}, {count} {noun}", bar.codec);
            bar
        })
        .collect()
}

/// How a stream found its call, in words for a tooltip.
pub fn matched_words(by: MatchedBy) -> &'static str {
    match by {
        MatchedBy::Sdp => "goes where the session description says",
        MatchedBy::Symmetric => "comes from where the session description says to send to",
        MatchedBy::Heuristic => "looks like RTP; nothing announced it",
    }
}

#[cfg(test)]
mod tests;
