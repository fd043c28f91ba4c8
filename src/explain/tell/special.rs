//! Sentences of single headers that need a number or a partner.

use super::{Here, frame, value, words};
use crate::explain::scene::{Scene, param};
use crate::explain::text::Place;
use crate::index::ids::MessageId;
use crate::index::message_store::SdpKind;
use crate::sip::header_name::Header;
use crate::sip::headers::Value;
use crate::sip::message::HeaderField;
use crate::sip::method::Method;

/// `own` is the value of the field, or of its parameter that is explained.
pub(super) fn of(scene: &Scene<'_>, field: &HeaderField, own: &str, out: &mut Here<'_>) {
    let mut digits = own.split(|c: char| !c.is_ascii_digit());
    let number = digits.next().and_then(|d| d.parse::<u64>().ok());
    match (out.entry().base(), number) {
        ("header/content-length", Some(said)) => content_length(scene, said, out),
        ("header/content-type", _) if !scene.message.sessions.is_empty() => {
            let name = match scene.row.sdp {
                SdpKind::Offer => "offer",
                SdpKind::Answer => "answer",
                _ => "session",
            };
            out.say(name, &[]);
        }
        ("header/session-expires", Some(seconds)) => session_expires(scene, field, seconds, out),
        ("header/min-se", Some(seconds)) => {
            let places = [
                ("n", Place::Number(seconds)),
                ("half", Place::Number(seconds / 2)),
            ];
            out.say("seconds", &places);
        }
        ("header/expires" | "header/min-expires" | "header/retry-after", Some(seconds)) => {
            let name = if seconds == 0 { "zero" } else { "seconds" };
            out.may_say(name, &[("n", Place::Number(seconds))]);
        }
        ("header/date", _) if !own.is_empty() && !own.ends_with("GMT") => out.say("not-gmt", &[]),
        ("param/event/id", Some(number)) => refer(scene, number, out),
        ("header/rack", _) => rack(scene, own, out),
        _ => {}
    }
}

fn content_length(scene: &Scene<'_>, said: u64, out: &mut Here<'_>) {
    let body = scene.message.body;
    let body = u64::from(body.end.saturating_sub(body.start));
    let places = [("n", Place::Number(said)), ("body", Place::Number(body))];
    let name = match (said == 0, said == body) {
        (true, true) => "empty",
        (false, true) => "fits",
        _ => "differs",
    };
    out.say(name, &places);
}

/// When the refresh is due, who makes it, and what happens without it (RFC 4028, 7.2, 9, 10).
fn session_expires(scene: &Scene<'_>, field: &HeaderField, seconds: u64, out: &mut Here<'_>) {
    let places = [
        ("n", Place::Number(seconds)),
        ("half", Place::Number(seconds / 2)),
        ("last", Place::Number((seconds / 3).min(32))),
    ];
    out.say("seconds", &places);
    let params = field.values.iter().find_map(|value| match &value.value {
        Value::Integer(integer) => Some(&integer.params),
        Value::Token(token) => Some(&token.params),
        _ => None,
    });
    let refresher = params.and_then(|params| param(params, scene.octets, "refresher"));
    let method = ("msg", words(scene.view.method_name(scene.id).to_owned()));
    match refresher.map(|side| side.to_ascii_lowercase()).as_deref() {
        Some("uac") => out.say("uac", &[method]),
        Some("uas") => out.say("uas", &[method]),
        None if scene.row.is_request() => out.say("open", &[]),
        _ => {}
    }
    out.say("without", &places);
    if seconds < 90 {
        out.say("short", &[]);
    }
}

/// The REFER whose progress is told (RFC 3515, 2.4.6).
fn refer(scene: &Scene<'_>, number: u64, out: &mut Here<'_>) {
    let row = scene.row;
    // A NOTIFY comes from the side that was asked.
    let asker = match row.method {
        Method::Notify => row.to_tag,
        _ => row.from_tag,
    };
    let found = scene.others().find(|(_, r)| {
        r.is_request()
            && r.method == Method::Refer
            && r.from_tag == asker
            && r.cseq().map(u64::from) == Some(number)
    });
    match found {
        Some((id, _)) => out.may_say("refer", &[("frame", frame(scene, id))]),
        None if scene.sees_all() => out.may_say("refer-unseen", &[]),
        None => {}
    }
}

/// The provisional response that a PRACK confirms (RFC 3262, 7.2).
fn rack(scene: &Scene<'_>, own: &str, out: &mut Here<'_>) {
    let mut parts = own.split_whitespace();
    let (Some(rseq), Some(cseq)) = (parts.next(), parts.next()) else {
        return;
    };
    let acked = scene.others().filter(|(id, r)| {
        *id < scene.id
            && r.is_response()
            && r.status > 100
            && r.status < 200
            && r.cseq().is_some_and(|c| c.to_string() == cseq)
    });
    let acked: Vec<MessageId> = acked.map(|(id, _)| id).collect();
    let found = acked.into_iter().find(|id| {
        scene.read(*id).is_some_and(|read| {
            let span = read.message.first_value(Header::RSeq);
            span.of(&read.octets) == rseq.as_bytes()
        })
    });
    match found {
        Some(id) => out.say(
            "acknowledges",
            &[("frame", frame(scene, id)), ("value", value(rseq))],
        ),
        None if scene.sees_all() => out.say("acknowledges-unseen", &[("value", value(rseq))]),
        None => {}
    }
}
