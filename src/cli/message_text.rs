//! What commands need from the bytes of single messages.

use super::input::Capture;
use crate::index::IndexView;
use crate::index::message_store::MessageRow;
use crate::index::stream::Stream;
use crate::sdp;
use crate::sip::header_name::Header;
use crate::sip::headers::Value;
use crate::sip::message::decode;
use crate::sip::scan::{Framing, scan};

/// A payload type as a session description names it.
pub(super) struct PayloadFormat {
    pub number: u8,
    pub name: String,
    pub clock_rate: u32,
}

/// How the message came.
pub(super) fn framing(view: &IndexView, row: &MessageRow) -> Framing {
    view.framing(row)
}

/// The octets of a message; none when they cannot be read.
pub(super) fn octets(capture: &Capture, row: &MessageRow) -> Vec<u8> {
    let extents = capture.view().extents(row);
    capture.loaded.bytes.read_all(&extents).unwrap_or_default()
}

/// The URIs in Contact.
pub(super) fn contacts(capture: &Capture, row: &MessageRow) -> Vec<String> {
    let octets = octets(capture, row);
    let (message, _) = decode(&octets, framing(capture.view(), row));
    message
        .values(Header::Contact)
        .filter_map(|value| match &value.value {
            Value::Address(address) => Some(address.uri.span),
            Value::Star => Some(value.span),
            _ => None,
        })
        .map(|span| String::from_utf8_lossy(span.of(&octets)).into_owned())
        .collect()
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
    let body = scan.sdp_body.of(&octets);
    let brief = sdp::brief(body);
    let Some(media) = brief.media().get(usize::from(announcement.media)) else {
        return Vec::new();
    };
    // Bundled sections share a port (RFC 9143, 7.2), and no number of theirs means two things.
    let bundled = brief
        .media()
        .iter()
        .filter(|other| other.port == media.port && other.address == media.address);
    std::iter::once(media)
        .chain(bundled)
        .flat_map(|media| brief.payloads(media))
        .filter_map(|payload| {
            let name = payload.codec.of(body);
            let name = match sdp::static_payload(payload.number) {
                Some((name, _)) if payload.codec.is_empty() => name.to_owned(),
                None if name.is_empty() => return None,
                _ => String::from_utf8_lossy(name).into_owned(),
            };
            Some(PayloadFormat {
                number: payload.number,
                name,
                clock_rate: payload.clock_rate,
            })
        })
        .collect()
}
