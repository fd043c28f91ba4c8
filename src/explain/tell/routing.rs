//! Contact, Route, Record-Route, Request-URI, Max-Forwards: where requests go.

use std::net::IpAddr;

use super::{Here, frame, value, who};
use crate::explain::Target;
use crate::explain::hops;
use crate::explain::scene::{Read, Row, Scene, param};
use crate::explain::text::Place;
use crate::explain::who::Who;
use crate::index::ids::MessageId;
use crate::sip::header_name::Header;
use crate::sip::headers::{Address, Value};
use crate::sip::method::Method;
use crate::sip::uri::Uri;

/// Scheme, user, host and port alike; parameters may differ by hop, so they do not count.
fn same_place(a: &Uri, a_octets: &[u8], b: &Uri, b_octets: &[u8]) -> bool {
    let eq = |x: crate::span::Span, y: crate::span::Span| x.of(a_octets) == y.of(b_octets);
    let host = a
        .host
        .of(a_octets)
        .eq_ignore_ascii_case(b.host.of(b_octets));
    a.scheme == b.scheme && eq(a.user, b.user) && host && a.port == b.port
}

fn addresses(read: &Read, header: Header) -> Vec<&Address> {
    let values = read.message.values(header);
    values.filter_map(|v| as_address(&v.value)).collect()
}

fn as_address(value: &Value) -> Option<&Address> {
    match value {
        Value::Address(address) => Some(address),
        _ => None,
    }
}

fn address_at<'s>(scene: &'s Scene<'_>, target: Target) -> Option<&'s Address> {
    as_address(&scene.value_at(target.span)?.value)
}

pub(super) fn contact(scene: &Scene<'_>, target: Target, out: &mut Here<'_>) {
    let row = scene.row;
    let Some(held) = scene.value_at(target.span) else {
        return;
    };
    if matches!(held.value, Value::Star) {
        return out.say("remove-all", &[("who", who(scene.sender()))]);
    }
    let Some(address) = as_address(&held.value) else {
        return;
    };
    let uri = ("value", value(scene.text(address.uri.span)));
    let expires =
        param(&address.params, scene.octets, "expires").or_else(|| scene.first(Header::Expires));
    match (row.is_request(), row.method, row.status) {
        (true, Method::Register, _) => {
            let aor = scene.interned(row.to_uri);
            let mut places = vec![uri, ("to", value(aor)), ("who", who(scene.sender()))];
            match expires.and_then(|e| e.parse::<u64>().ok()) {
                Some(0) => out.say("unregisters", &places),
                Some(seconds) => {
                    places.push(("n", Place::Number(seconds)));
                    out.say("registers", &places);
                }
                None => out.say("registers-open", &places),
            }
        }
        (false, Method::Register, 200..=299) => {
            let count = scene.message.values(Header::Contact).count() as u64;
            let places = [
                ("n", Place::Number(count)),
                ("to", value(scene.interned(row.to_uri))),
            ];
            out.say(if count == 1 { "bound-one" } else { "bound" }, &places);
        }
        (false, _, 300..=399) => {
            out.say("redirects", &[uri]);
            if let Some(next) = request_to(scene, address, |id, r| id > scene.id && r.is_initial())
            {
                out.say("redirect-followed", &[("frame", frame(scene, next))]);
            }
        }
        _ => in_dialog(scene, address, out),
    }
}

/// The first request among the neighbours that asks for this address.
fn request_to(
    scene: &Scene<'_>,
    address: &Address,
    wanted: impl Fn(MessageId, Row<'_>) -> bool,
) -> Option<MessageId> {
    let candidates = scene
        .others()
        .filter(|(id, r)| Scene::is_plain_request(*r) && wanted(*id, *r));
    candidates
        .map(|(id, _)| id)
        .find(|id| asks_for(scene, *id, address))
}

fn asks_for(scene: &Scene<'_>, id: MessageId, address: &Address) -> bool {
    scene.read(id).is_some_and(|read| {
        let uri = read.message.request_uri.as_ref();
        uri.is_some_and(|uri| same_place(uri, &read.octets, &address.uri, scene.octets))
    })
}

fn in_dialog(scene: &Scene<'_>, address: &Address, out: &mut Here<'_>) {
    let row = scene.row;
    let uri = ("value", value(scene.text(address.uri.span)));
    let name = match scene.sender() {
        Who::Named { .. } => "gives",
        Who::Proxy(_) => "given-before",
        _ => "given",
    };
    out.say(name, &[uri, ("who", who(scene.sender()))]);
    // The other side sends requests here: its tag stands in From.
    let own_tag = if row.is_request() {
        row.from_tag
    } else {
        row.to_tag
    };
    let Some(own_tag) = own_tag else { return };
    let used = request_to(scene, address, |id, r| {
        id > scene.id && r.to_tag == Some(own_tag) && r.from_tag != Some(own_tag)
    });
    match used {
        Some(used) => {
            let places = [
                ("frame", frame(scene, used)),
                ("msg", super::words(scene.view.method_name(used).to_owned())),
            ];
            out.say("used", &places);
            let to = scene
                .row_of(used)
                .and_then(|r| scene.view.ends(&r))
                .map(|f| f.dst.ip);
            let host = scene
                .text(address.uri.host)
                .trim_matches(['[', ']'])
                .parse::<IpAddr>()
                .ok();
            let routed = scene
                .read(used)
                .is_some_and(|r| !addresses(&r, Header::Route).is_empty());
            if let (Some(to), Some(host)) = (to, host)
                && to != host
                && routed
            {
                out.say(
                    "routed",
                    &[
                        ("address", value(to.to_string())),
                        ("frame", frame(scene, used)),
                    ],
                );
            }
        }
        None if scene.sees_all() && row.dialog.is_some() => out.say("not-used", &[]),
        None => {}
    }
}

pub(super) fn record_route(scene: &Scene<'_>, target: Target, out: &mut Here<'_>) {
    let Some(address) = address_at(scene, target) else {
        return;
    };
    let uri = ("value", value(scene.text(address.uri.span)));
    let row = scene.row;
    let has = |read: &Read, header: Header| {
        addresses(read, header)
            .iter()
            .any(|a| same_place(&a.uri, &read.octets, &address.uri, scene.octets))
    };
    if row.is_request() {
        if let Some(before) = scene.hop_before()
            && scene
                .read(before)
                .is_some_and(|read| !has(&read, Header::RecordRoute))
        {
            out.say(
                "put",
                &[
                    uri,
                    ("who", who(scene.sender())),
                    ("frame", frame(scene, before)),
                ],
            );
        } else {
            out.say("stays", &[uri]);
        }
    } else if let Some(request) = row.request()
        && scene
            .read(request)
            .is_some_and(|read| has(&read, Header::RecordRoute))
    {
        out.say("copied", &[uri, ("frame", frame(scene, request))]);
    } else {
        out.say("stays", &[uri]);
    }
    let routed: Vec<MessageId> = scene
        .others()
        .filter(|(id, r)| *id > scene.id && r.is_request() && r.to_tag.is_some())
        .filter(|(_, r)| !r.repeat().is_retransmission())
        .map(|(id, _)| id)
        .filter(|id| {
            scene
                .read(*id)
                .is_some_and(|read| has(&read, Header::Route))
        })
        .collect();
    if routed.is_empty() {
        if scene.sees_all() {
            out.say("not-routed", &[]);
        }
    } else {
        out.say_frames("routed-one", "routed", scene.links(&routed), &[]);
    }
    loose(scene, address, out);
}

fn loose(scene: &Scene<'_>, address: &Address, out: &mut Here<'_>) {
    let lr = address.uri.params.iter().any(|p| p.is(scene.octets, "lr"));
    out.say(if lr { "loose" } else { "strict" }, &[]);
}

pub(super) fn route(scene: &Scene<'_>, target: Target, out: &mut Here<'_>) {
    let Some(address) = address_at(scene, target) else {
        return;
    };
    let uri = ("value", value(scene.text(address.uri.span)));
    let same =
        |a: &&Address, read: &Read| same_place(&a.uri, &read.octets, &address.uri, scene.octets);
    let source = scene
        .others()
        .filter(|(id, _)| *id < scene.id)
        .map(|(id, _)| id)
        .find(|id| {
            scene.read(*id).is_some_and(|read| {
                addresses(&read, Header::RecordRoute)
                    .iter()
                    .any(|a| same(a, &read))
            })
        });
    match source {
        Some(source) => out.say("learned", &[uri, ("frame", frame(scene, source))]),
        None if scene.sees_all() && scene.row.is_initial() => out.say("preset", &[uri]),
        None => out.say("visits", &[uri]),
    }
    for next in hops::after(scene).into_iter().take(1) {
        let gone = scene.read(next).is_some_and(|read| {
            !addresses(&read, Header::Route)
                .iter()
                .any(|a| same(a, &read))
        });
        if gone {
            out.say(
                "removed",
                &[
                    ("who", who(scene.sender_of(next))),
                    ("frame", frame(scene, next)),
                ],
            );
        }
    }
    loose(scene, address, out);
}

fn hops_left(read: &Read) -> Option<u64> {
    let value = read.message.values(Header::MaxForwards).next()?;
    match &value.value {
        Value::Integer(integer) => integer.number,
        _ => None,
    }
}

pub(super) fn max_forwards(scene: &Scene<'_>, out: &mut Here<'_>) {
    let Some(own) = scene
        .first(Header::MaxForwards)
        .and_then(|text| text.trim().parse::<u64>().ok())
    else {
        return;
    };
    let number = ("n", Place::Number(own));
    let before = scene.hop_before();
    let had = before.and_then(|id| Some((id, hops_left(&*scene.read(id)?)?)));
    match had {
        Some((before, had)) => {
            let places = [
                number,
                ("before", Place::Number(had)),
                ("frame", frame(scene, before)),
                ("who", who(scene.sender())),
            ];
            let name = match had.checked_sub(own) {
                Some(1) => "passed-on",
                _ => "changed",
            };
            out.say(name, &places);
        }
        None if scene.row.is_request() && scene.row.via_count == 1 => {
            out.say("started", &[number, ("who", who(scene.sender()))]);
        }
        None => out.say("left", &[number]),
    }
    if let Some(next) = hops::after(scene).first()
        && let Some(left) = scene.read(*next).and_then(|read| hops_left(&read))
    {
        let places = [
            ("n", Place::Number(left)),
            ("frame", frame(scene, *next)),
            ("who", who(scene.sender_of(*next))),
        ];
        out.say("next", &places);
    }
}

pub(super) fn request_uri(scene: &Scene<'_>, out: &mut Here<'_>) {
    let Some(own) = &scene.message.request_uri else {
        return;
    };
    let text = scene.text(own.span);
    let before = scene
        .hop_before()
        .and_then(|id| Some((id, scene.read(id)?)));
    let old = before
        .as_ref()
        .and_then(|(id, read)| Some((*id, read, read.message.request_uri.as_ref()?)));
    match old {
        Some((id, read, uri)) if uri.span.of(&read.octets) != own.span.of(scene.octets) => {
            let old = String::from_utf8_lossy(uri.span.of(&read.octets)).into_owned();
            let places = [
                ("who", who(scene.sender())),
                ("old", value(old)),
                ("before", frame(scene, id)),
            ];
            out.say("replaced", &places);
        }
        Some((id, _, _)) => out.say("unchanged", &[("frame", frame(scene, id))]),
        None => {}
    }
    if scene.row.method == Method::Register {
        out.say("register", &[]);
    }
    if let Some(source) = contact_source(scene, own) {
        out.say("contact", &[("frame", frame(scene, source))]);
    }
    let to = scene.interned(scene.row.to_uri);
    if scene.row.is_initial() && scene.row.method != Method::Register {
        if to == text {
            out.say("as-to", &[("value", value(to))]);
        } else if old.is_some_and(|(_, read, uri)| uri.span.of(&read.octets) == to.as_bytes()) {
            out.say("to-keeps", &[("value", value(to))]);
        }
    }
    if let Some(next) = hops::after(scene).first()
        && let Some(read) = scene.read(*next)
        && let Some(uri) = &read.message.request_uri
        && uri.span.of(&read.octets) != own.span.of(scene.octets)
    {
        let new = String::from_utf8_lossy(uri.span.of(&read.octets)).into_owned();
        let places = [
            ("value", value(new)),
            ("who", who(scene.sender_of(*next))),
            ("frame", frame(scene, *next)),
        ];
        out.say("becomes", &places);
    }
    if own.params.iter().any(|p| p.is(scene.octets, "ob")) {
        out.say("ob", &[]);
    }
}

/// The message of the other side whose Contact this request asks for.
fn contact_source(scene: &Scene<'_>, own: &Uri) -> Option<MessageId> {
    let row = scene.row;
    let theirs = row.to_tag?;
    let from_other_side = |r: Row<'_>| {
        if r.is_request() {
            r.from_tag == Some(theirs)
        } else {
            r.to_tag == Some(theirs) && r.status < 300
        }
    };
    scene
        .others()
        .filter(|(id, r)| *id < scene.id && r.has_contact() && from_other_side(*r))
        .map(|(id, _)| id)
        .find(|id| {
            scene.read(*id).is_some_and(|read| {
                addresses(&read, Header::Contact)
                    .iter()
                    .any(|a| same_place(&a.uri, &read.octets, own, scene.octets))
            })
        })
}
