//! What commands need from the bytes of single messages.

use super::input::Capture;
use crate::index::IndexView;
use crate::index::message_store::{MessageRow, Transport};
use crate::index::stream::Stream;
use crate::sip::scan::{Framing, scan};

/// A payload type as a session description names it.
pub(super) struct PayloadFormat {
    pub number: u8,
    pub name: String,
    pub clock_rate: u32,
}

/// How the message came.
pub(super) fn framing(view: &IndexView, row: &MessageRow) -> Framing {
    let datagram = view
        .ends(row)
        .is_none_or(|flow| flow.transport == Transport::Udp);
    Framing {
        datagram,
        cut: row.is_cut(),
    }
}

/// The octets of a message; none when they cannot be read.
pub(super) fn octets(capture: &Capture, row: &MessageRow) -> Vec<u8> {
    let extents = capture.view().extents(row);
    capture.loaded.bytes.read_all(&extents).unwrap_or_default()
}

/// The URIs in Contact.
pub(super) fn contacts(capture: &Capture, row: &MessageRow) -> Vec<String> {
    let octets = octets(capture, row);
    let Some(scan) = scan(&octets, framing(capture.view(), row)) else {
        return Vec::new();
    };
    let uri = scan.contact_uri.of(&octets);
    if uri.is_empty() {
        Vec::new()
    } else {
        vec![String::from_utf8_lossy(uri).into_owned()]
    }
}

/// The payload types of the media description that announced a stream.
pub(super) fn payload_formats(capture: &Capture, stream: &Stream) -> Vec<PayloadFormat> {
    let view = capture.view();
    let announcement = stream
        .announcement
        .and_then(|id| view.announcements.get(id.index()));
    let Some(announcement) = announcement else {
        return Vec::new();
    };
    let Some(row) = view.message(announcement.message) else {
        return Vec::new();
    };
    let octets = octets(capture, row);
    let Some(scan) = scan(&octets, framing(view, row)) else {
        return Vec::new();
    };
    let body = String::from_utf8_lossy(scan.sdp_body.of(&octets)).into_owned();
    formats(&body, usize::from(announcement.media))
}

/// Formats of the media description at `position`.
fn formats(body: &str, position: usize) -> Vec<PayloadFormat> {
    let media = body
        .lines()
        .enumerate()
        .filter(|(_, line)| line.starts_with("m="));
    let Some((start, m)) = media.clone().nth(position) else {
        return Vec::new();
    };
    let end = media
        .map(|(at, _)| at)
        .find(|at| *at > start)
        .unwrap_or(usize::MAX);
    let numbers = m
        .split_ascii_whitespace()
        .skip(3)
        .filter_map(|word| word.parse::<u8>().ok());
    let maps: Vec<PayloadFormat> = body
        .lines()
        .skip(start)
        .take(end.saturating_sub(start))
        .filter_map(|line| {
            let (number, format) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
            let mut parts = format.trim().split('/');
            Some(PayloadFormat {
                number: number.trim().parse().ok()?,
                name: parts.next()?.to_owned(),
                clock_rate: parts.next()?.trim().parse().ok()?,
            })
        })
        .collect();
    let fixed = |number: u8| {
        crate::present::ladder::static_payload_type(number).map(|(name, clock_rate)| {
            PayloadFormat {
                number,
                name: name.to_owned(),
                clock_rate,
            }
        })
    };
    let mut out = Vec::new();
    for number in numbers {
        let map = maps
            .iter()
            .find(|m| m.number == number)
            .map(|m| PayloadFormat {
                number,
                name: m.name.clone(),
                clock_rate: m.clock_rate,
            });
        out.extend(map.or_else(|| fixed(number)));
    }
    out
}
