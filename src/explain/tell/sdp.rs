//! Session descriptions: whom the addresses are for, what was offered and what was taken
//! (RFC 8866; RFC 3264).

use std::net::IpAddr;
use std::rc::Rc;

use super::{Here, frame, value, who, words};
use crate::explain::Target;
use crate::explain::scene::{Read, Scene};
use crate::explain::text::Place;
use crate::index::ids::MessageId;
use crate::index::message_store::SdpKind;
use crate::packet::Endpoint;
use crate::sdp::attribute::Meaning;
use crate::sdp::session::{Content, Line, MediaDescription, SessionDescription};
use crate::sdp::static_payload;
use crate::span::Span;

/// The session description that holds a place.
fn session_at<'s>(scene: &'s Scene<'_>, span: Span) -> Option<&'s SessionDescription> {
    scene
        .message
        .sessions
        .iter()
        .find(|s| s.span.start <= span.start && span.end <= s.span.end)
}

fn media_at(session: &SessionDescription, span: Span) -> Option<(usize, &MediaDescription)> {
    session
        .media
        .iter()
        .enumerate()
        .find(|(_, m)| m.span.start <= span.start && span.start < m.span.end)
}

/// The description on the other side of the exchange, and its message.
fn counterpart(scene: &Scene<'_>) -> Option<(MessageId, Rc<Read>)> {
    let row = scene.row;
    let wanted = match row.sdp {
        SdpKind::Offer => SdpKind::Answer,
        SdpKind::Answer => SdpKind::Offer,
        _ => return None,
    };
    let id = if row.is_response() && wanted == SdpKind::Offer {
        row.request()
            .filter(|id| scene.row_of(*id).is_some_and(|r| r.sdp == wanted))
    } else if row.is_request() && wanted == SdpKind::Answer {
        scene
            .responses()
            .into_iter()
            .find(|id| scene.row_of(*id).is_some_and(|r| r.sdp == wanted))
    } else if row.is_request() && wanted == SdpKind::Offer {
        row.acks()
            .filter(|id| scene.row_of(*id).is_some_and(|r| r.sdp == wanted))
    } else {
        scene
            .others()
            .find(|(_, r)| r.acks() == Some(scene.id) && r.sdp == wanted)
            .map(|(id, _)| id)
    }?;
    Some((id, scene.read(id)?))
}

/// The side that wrote the description: the sender, unless it only passes it on.
fn writer(scene: &Scene<'_>) -> crate::explain::who::Who {
    scene.sender()
}

pub(super) fn connection(scene: &Scene<'_>, target: Target, out: &mut Here<'_>) {
    let Some(session) = session_at(scene, target.span) else {
        return;
    };
    let line = session
        .lines
        .iter()
        .find(|l| l.span.start == target.span.start || l.value.start == target.span.start);
    let Some(Line {
        content: Content::Connection(connection),
        value: text,
        ..
    }) = line
    else {
        return;
    };
    let own = scene.text(*text);
    let below = media_at(session, target.span);
    let streams: Vec<(usize, &MediaDescription)> = match below {
        Some((at, media)) => vec![(at, media)],
        // Those with a line of their own do not go by this one.
        None => session
            .media
            .iter()
            .enumerate()
            .filter(|(_, m)| session.connection(m) == Some(connection))
            .collect(),
    };
    let end = writer(scene).is_end();
    out.say(
        if end { "wants" } else { "wanted" },
        &[("value", value(own)), ("who", who(writer(scene)))],
    );
    let Some(ip) = connection.ip else {
        out.say("name", &[]);
        return;
    };
    if ip.is_unspecified() {
        out.say("hold", &[]);
        return;
    }
    for (_, media) in streams.iter().take(3) {
        let Some(port) = media.line.port.filter(|p| *p != 0) else {
            continue;
        };
        rtp(
            scene,
            Endpoint { ip, port },
            &scene.text(media.line.media),
            out,
        );
    }
    nat(scene, ip, out);
    out.say(
        if below.is_some() {
            "this-stream"
        } else {
            "all-streams"
        },
        &[],
    );
}

fn rtp(scene: &Scene<'_>, place: Endpoint, media: &str, out: &mut Here<'_>) {
    let ours: Vec<_> = scene
        .streams()
        .iter()
        .filter(|s| s.dst == place && s.packets() > 0)
        .collect();
    let tally = ours
        .iter()
        .filter_map(|s| s.tally)
        .min_by_key(|t| t.first_frame);
    let port = ("n", Place::Number(u64::from(place.port)));
    let kind = ("media", words(media.to_owned()));
    if let Some(first) = tally {
        let packets: u64 = ours.iter().map(|s| s.packets()).sum();
        // A packet is no message: the number stands without a link.
        let places = [
            port,
            kind,
            ("packets", Place::Number(packets)),
            ("first", Place::Number(u64::from(first.first_frame.1))),
        ];
        out.say("rtp", &places);
    } else if !scene.any_rtp_to(place) {
        out.say("no-rtp", &[port, kind]);
    }
}

/// A private address in a message that came from a public one.
fn nat(scene: &Scene<'_>, ip: IpAddr, out: &mut Here<'_>) {
    let Some(flow) = scene.view.ends(&scene.row) else {
        return;
    };
    if is_private(ip) && !is_private(flow.src.ip) && !flow.src.ip.is_loopback() {
        out.say("private", &[("value", value(flow.src.ip.to_string()))]);
    } else if ip == flow.src.ip {
        out.say("same-host", &[]);
    } else {
        out.say("other-host", &[("value", value(flow.src.ip.to_string()))]);
    }
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// Formats of a section with their codecs: `96 opus/48000`.
fn formats(
    session: &SessionDescription,
    media: &MediaDescription,
    octets: &[u8],
) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(media.line.formats.of(octets)).into_owned();
    let names: Vec<(u8, String)> = session
        .media_lines(media)
        .iter()
        .filter_map(|line| match line.content {
            Content::Attribute(attribute) => Some(attribute.meaning),
            _ => None,
        })
        .filter_map(|meaning| match meaning {
            Meaning::RtpMap {
                payload_type,
                codec,
                ..
            } => Some((
                payload_type?,
                String::from_utf8_lossy(codec.of(octets)).into_owned(),
            )),
            _ => None,
        })
        .collect();
    text.split_whitespace()
        .map(|format| {
            let number = format.parse::<u8>().ok();
            let named = number.and_then(|n| names.iter().find(|(m, _)| *m == n));
            let name = match (named, number.and_then(static_payload)) {
                (Some((_, name)), _) => name.clone(),
                (None, Some((name, _))) => name.to_owned(),
                (None, None) => String::new(),
            };
            (format.to_owned(), name)
        })
        .collect()
}

fn shown(list: &[(String, String)]) -> Vec<String> {
    let one = |(number, name): &(String, String)| format!("{number} {name}").trim_end().to_owned();
    list.iter().map(one).collect()
}

pub(super) fn media(scene: &Scene<'_>, target: Target, out: &mut Here<'_>) {
    let Some(session) = session_at(scene, target.span) else {
        return;
    };
    let Some((at, media)) = media_at(session, target.span) else {
        return;
    };
    let line = &media.line;
    let list = formats(session, media, scene.octets);
    let end = writer(scene).is_end();
    let mut places = vec![
        ("who", who(writer(scene))),
        ("media", words(scene.text(line.media))),
        ("list", Place::List(shown(&list))),
    ];
    if let Some(port) = line.port {
        places.push(("n", Place::Number(u64::from(port))));
    }
    match (scene.row.sdp, line.port) {
        (SdpKind::Answer, Some(0)) => out.say("refused", &places),
        (SdpKind::Offer, Some(0)) => out.say("port-zero", &places),
        (SdpKind::Offer, Some(_)) => out.say(if end { "offers" } else { "offered" }, &places),
        (SdpKind::Answer, Some(_)) => out.say(if end { "takes" } else { "taken" }, &places),
        (_, Some(_)) => out.say("names", &places),
        (_, None) => {}
    }
    if line.port != Some(0) {
        partner(scene, at, &list, out);
    }
    if let (Some(port), Some(ip)) = (
        line.port.filter(|p| *p != 0),
        session.connection(media).and_then(|c| c.ip),
    ) && !ip.is_unspecified()
    {
        rtp(scene, Endpoint { ip, port }, &scene.text(line.media), out);
    }
    let dynamic = list
        .iter()
        .any(|(n, _)| n.parse::<u8>().is_ok_and(|n| (96..=127).contains(&n)));
    let fixed = list
        .iter()
        .any(|(n, _)| n.parse::<u8>().is_ok_and(|n| static_payload(n).is_some()));
    match (dynamic, fixed) {
        (true, true) => out.say("both-numbers", &[]),
        (true, false) => out.say("dynamic-numbers", &[]),
        (false, true) => out.say("fixed-numbers", &[]),
        (false, false) => {}
    }
}

fn partner(scene: &Scene<'_>, at: usize, own: &[(String, String)], out: &mut Here<'_>) {
    let offer = scene.row.sdp == SdpKind::Offer;
    let Some((id, read)) = counterpart(scene) else {
        if scene.sees_all() && matches!(scene.row.sdp, SdpKind::Offer) && scene.is_first_sending() {
            out.say("no-answer", &[]);
        }
        return;
    };
    let Some(session) = read.message.sessions.first() else {
        return;
    };
    let Some(media) = session.media.get(at) else {
        return;
    };
    let theirs = formats(session, media, &read.octets);
    let link = ("frame", frame(scene, id));
    if offer && media.line.port == Some(0) {
        out.say("answer-refuses", &[link]);
    } else if offer {
        out.say(
            "answer-keeps",
            &[link, ("list", Place::List(shown(&theirs)))],
        );
    } else {
        let common = own.iter().any(|(n, name)| {
            theirs.iter().any(|(m, other)| {
                n == m && name.is_empty() || !name.is_empty() && name.eq_ignore_ascii_case(other)
            })
        });
        out.say(
            if common { "offer-had" } else { "no-common" },
            &[link, ("list", Place::List(shown(&theirs)))],
        );
    }
}

pub(super) fn origin(scene: &Scene<'_>, target: Target, out: &mut Here<'_>) {
    let Some(session) = session_at(scene, target.span) else {
        return;
    };
    let Some(origin) = session.origin() else {
        return;
    };
    let (id, version) = (
        scene.text(origin.session_id),
        scene.text(origin.session_version),
    );
    // The nearest earlier description of the same session by the same side.
    let earlier = scene
        .others()
        .filter(|(other, r)| *other < scene.id && r.sdp != SdpKind::None);
    let before = earlier
        .map(|(id, _)| id)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .find_map(|other| {
            let read = scene.read(other)?;
            let theirs = read.message.sessions.first()?;
            let o = theirs.origin()?;
            let text = |span: Span| String::from_utf8_lossy(span.of(&read.octets)).into_owned();
            let same = text(o.session_id) == id && text(o.username) == scene.text(origin.username);
            same.then(|| {
                (
                    other,
                    text(o.session_version),
                    theirs.span.of(&read.octets) == session.span.of(scene.octets),
                )
            })
        });
    let Some((before, old, equal)) = before else {
        return;
    };
    let places = [
        ("frame", frame(scene, before)),
        ("old", value(old.clone())),
        ("version", value(version.clone())),
    ];
    match (old == version, equal) {
        (true, true) => out.say("repeated", &places),
        (true, false) => out.say("changed-same-version", &places),
        (false, _) => out.say("new-version", &places),
    }
}

/// Any other line: which stream it is about, and what the other side says.
pub(super) fn line(scene: &Scene<'_>, target: Target, out: &mut Here<'_>) {
    let Some(session) = session_at(scene, target.span) else {
        return;
    };
    let media = media_at(session, target.span);
    match media {
        Some((_, media)) if media.value.start != target.span.start => {
            let places = [
                ("media", words(scene.text(media.line.media))),
                ("n", Place::Number(u64::from(media.line.port.unwrap_or(0)))),
            ];
            out.say("stream-level", &places);
        }
        // Of the other lines nobody would think otherwise.
        None if scene.text(target.span).starts_with(['a', 'b', 'k']) => {
            out.say("session-level", &[]);
        }
        None => {}
        Some(_) => {}
    }
    let Some(at) = session
        .lines
        .iter()
        .find(|l| l.span.start == target.span.start || l.value.start == target.span.start)
    else {
        return;
    };
    if let Content::Attribute(attribute) = at.content {
        match attribute.meaning {
            Meaning::RtpMap {
                payload_type: Some(number),
                codec,
                clock_rate,
                ..
            } => {
                let mut places = vec![
                    ("n", Place::Number(u64::from(number))),
                    ("value", value(scene.text(codec))),
                ];
                if let Some(rate) = clock_rate {
                    places.push(("rate", Place::Number(u64::from(rate))));
                    out.may_say("codec", &places);
                }
                payload_seen(scene, session, media.map(|(_, m)| m), number, out);
            }
            Meaning::Number(Some(number)) => out.may_say("number", &[("n", Place::Number(number))]),
            _ => {}
        }
    }
}

/// The numbers of an m= line: which are fixed, which this description names (RFC 3551, 6).
pub(super) fn numbers(scene: &Scene<'_>, target: Target, out: &mut Here<'_>) {
    let Some(session) = session_at(scene, target.span) else {
        return;
    };
    let Some((_, media)) = media_at(session, target.span) else {
        return;
    };
    if !scene.text(media.line.proto).contains("RTP/") {
        return;
    }
    let is_fixed = |number: &str| number.parse().ok().and_then(static_payload).is_some();
    let all = formats(session, media, scene.octets);
    let (fixed, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(n, _)| is_fixed(n));
    let (unnamed, named): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|(_, name)| name.is_empty());
    for (name, list) in [("fixed", fixed), ("named", named), ("unnamed", unnamed)] {
        if !list.is_empty() {
            out.say(name, &[("list", Place::List(shown(&list)))]);
        }
    }
}

/// fmtp: which codec it is for, and what it says of telephone events (RFC 4733, 2.4.1).
pub(super) fn settings(scene: &Scene<'_>, target: Target, out: &mut Here<'_>) {
    let Some(session) = session_at(scene, target.span) else {
        return;
    };
    let holds = |l: &&Line| l.span.start <= target.span.start && target.span.end <= l.span.end;
    let Some(Content::Attribute(attribute)) = session.lines.iter().find(holds).map(|l| &l.content)
    else {
        return;
    };
    let Meaning::Fmtp { format, params } = attribute.meaning else {
        return;
    };
    let number = scene.text(format);
    let codecs = media_at(session, target.span)
        .map(|(_, media)| formats(session, media, scene.octets))
        .unwrap_or_default();
    let codec = codecs.into_iter().find(|(n, _)| *n == number);
    let codec = codec.map(|(_, name)| name).unwrap_or_default();
    out.may_say(
        "for-codec",
        &[("n", words(number)), ("value", value(codec.clone()))],
    );
    if codec.to_ascii_lowercase().starts_with("telephone-event") {
        match events(&scene.text(params)) {
            Some(events) => out.say("events", &[("list", Place::List(events))]),
            None => out.say("keys", &[]),
        }
    }
}

/// Numbers of telephone events, in ranges, as keys: `0-11,16` (RFC 4733, 2.4.1, 3.2).
fn events(list: &str) -> Option<Vec<String>> {
    let list = list.trim();
    let list = list.strip_prefix("events=").unwrap_or(list);
    let mut named = Vec::new();
    for range in list.split(',') {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let (from, to): (u8, u8) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
        if from > to {
            return None;
        }
        let mut part = |low: u8, high: u8, name: &dyn Fn(u8) -> String| {
            let (low, high) = (from.max(low), to.min(high));
            match low.cmp(&high) {
                std::cmp::Ordering::Less => named.push(format!("{} to {}", name(low), name(high))),
                std::cmp::Ordering::Equal => named.push(name(low)),
                std::cmp::Ordering::Greater => {}
            }
        };
        part(0, 9, &|n| n.to_string());
        part(10, 10, &|_| "*".to_owned());
        part(11, 11, &|_| "#".to_owned());
        part(12, 15, &|n| {
            char::from(b'A'.saturating_add(n.saturating_sub(12))).to_string()
        });
        part(16, 16, &|_| "16 (hook flash)".to_owned());
        part(17, u8::MAX, &|n| format!("event {n}"));
    }
    Some(named)
}

/// Was a packet with this payload type seen going to this place?
fn payload_seen(
    scene: &Scene<'_>,
    session: &SessionDescription,
    media: Option<&MediaDescription>,
    number: u8,
    out: &mut Here<'_>,
) {
    let Some(media) = media else { return };
    let ip = session.connection(media).and_then(|c| c.ip);
    let (Some(ip), Some(port)) = (ip, media.line.port.filter(|p| *p != 0)) else {
        return;
    };
    let place = Endpoint { ip, port };
    let bit = 1_u128.checked_shl(u32::from(number)).unwrap_or(0);
    let mut ours = scene
        .streams()
        .iter()
        .filter(|s| s.dst == place && s.packets() > 0)
        .peekable();
    if ours.peek().is_none() {
        return;
    }
    let used = ours.any(|s| s.tally.is_some_and(|t| t.payload_types & bit != 0));
    let places = [
        ("n", Place::Number(u64::from(number))),
        ("value", value(place.to_string())),
    ];
    out.may_say(if used { "seen" } else { "not-seen" }, &places);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_named_as_the_keys_of_a_telephone() {
        let named = |list: &str| events(list).map(|list| list.join(" | "));
        let check = |list: &str, expected: &str| assert_eq!(named(list).as_deref(), Some(expected));
        check("0-15", "0 to 9 | * | # | A to D");
        check("0-11,16", "0 to 9 | * | # | 16 (hook flash)");
        check("0-16", "0 to 9 | * | # | A to D | 16 (hook flash)");
        check("events=1,3,66-70", "1 | 3 | event 66 to event 70");
        assert_eq!(named("9-0"), None);
        assert_eq!(named("0-300"), None);
        assert_eq!(named("mode=20"), None);
    }
}
