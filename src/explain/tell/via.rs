//! Via and its parameters (RFC 3261, 17.1.3, 17.2.3, 18.2; RFC 3581).

use std::net::IpAddr;

use super::{Here, frame, ms_between, value, who, words};
use crate::explain::Target;
use crate::explain::hops;
use crate::explain::scene::{Scene, param, vias};
use crate::explain::text::Place;
use crate::index::ids::MessageId;
use crate::index::message_store::Repeat;
use crate::sip::headers::Via;
use crate::sip::method::Method;
use crate::span::Span;

const COOKIE: &str = "z9hG4bK";

/// Which Via value holds a place, counted from the top.
fn position(scene: &Scene<'_>, span: Span) -> Option<usize> {
    let holds = |via: &&Via| {
        let end = via
            .params
            .last()
            .map_or(via.sent_by.end, |p| p.value.unwrap_or(p.name).end);
        via.protocol.start <= span.start && span.end <= end.max(via.sent_by.end)
    };
    scene.vias().iter().position(holds)
}

/// Messages whose top Via has this branch: read, not guessed by its hash.
fn with_top_branch(
    scene: &Scene<'_>,
    branch: &str,
    wanted: impl Fn(MessageId) -> bool,
) -> Vec<MessageId> {
    let hash = crate::index::branch_hash(branch.as_bytes());
    scene
        .others()
        .filter(|(id, row)| row.branch_hash() == hash && wanted(*id))
        .map(|(id, _)| id)
        .filter(|id| {
            let read = scene.read(*id);
            read.is_some_and(|r| hops::branch(&r.message, &r.octets, 0).as_deref() == Some(branch))
        })
        .collect()
}

pub(super) fn branch(scene: &Scene<'_>, target: Target, out: &mut Here<'_>) {
    let Some(at) = position(scene, target.span) else {
        return;
    };
    let Some(own) = hops::branch(scene.message, scene.octets, at) else {
        return;
    };
    if at > 0 {
        return lower_branch(scene, &own, out);
    }
    out.rule = Some("branch");
    repeated(scene, &own, out);
    if scene.row.is_request() {
        of_request(scene, &own, out);
    } else {
        of_response(scene, &own, out);
    }
    if let Some(below) = hops::branch(scene.message, scene.octets, 1) {
        let frames = with_top_branch(scene, &below, |_| true);
        let seen = ("value", value(below));
        if frames.is_empty() && scene.sees_all() {
            out.say("below-unseen", &[seen]);
        } else {
            out.say_frames("below-one", "below", scene.links(&frames), &[seen]);
        }
    }
    if own.starts_with(COOKIE) {
        out.say("cookie", &[]);
    } else {
        out.say("old", &[]);
    }
}

fn repeated(scene: &Scene<'_>, own: &str, out: &mut Here<'_>) {
    if let Repeat::Retransmission(first, _) = scene.row.repeat() {
        let same = with_top_branch(scene, own, |id| id == first);
        if let (Some(first), Some(ms)) = (
            same.first(),
            ms_between(scene, first_of(&same, first), scene.id),
        ) {
            let places = [("frame", frame(scene, *first)), ("time", ms)];
            out.say("is-retransmission", &places);
        }
        return;
    }
    let again = scene
        .others()
        .find(|(_, row)| matches!(row.repeat(), Repeat::Retransmission(of, _) if of == scene.id));
    if let Some((again, _)) = again
        && with_top_branch(scene, own, |id| id == again).len() == 1
        && let Some(ms) = ms_between(scene, scene.id, again)
    {
        let places = [("frame", frame(scene, again)), ("time", ms)];
        out.say("repeated", &places);
    }
}

fn first_of(list: &[MessageId], or: MessageId) -> MessageId {
    list.first().copied().unwrap_or(or)
}

fn of_request(scene: &Scene<'_>, own: &str, out: &mut Here<'_>) {
    let row = scene.row;
    // CANCEL and the ACK of a refusal go with their INVITE on this hop (9.1, 17.1.1.3).
    if matches!(row.method, Method::Ack | Method::Cancel) {
        let invite = with_top_branch(scene, own, |id| {
            id < scene.id
                && scene
                    .row_of(id)
                    .is_some_and(|r| r.is_request() && r.method == Method::Invite)
        });
        if let Some(invite) = invite.first() {
            out.say(
                "as-invite",
                &[
                    ("frame", frame(scene, *invite)),
                    ("msg", words(scene.name_of(scene.id))),
                ],
            );
            if row.method == Method::Ack {
                return;
            }
        } else if row.method == Method::Ack {
            out.say("ack-own", &[("value", value(own))]);
            return;
        }
    } else if scene.is_first_sending() {
        let places = [
            ("who", who(scene.sender())),
            ("value", value(own)),
            ("msg", words(scene.name_of(scene.id))),
            ("frame", frame(scene, scene.id)),
        ];
        out.say("chosen", &places);
    }
    let answers = with_top_branch(scene, own, |id| {
        scene
            .row_of(id)
            .is_some_and(|r| r.is_response() && r.cseq_method == row.cseq_method)
    });
    if answers.is_empty() {
        if scene.sees_all() {
            out.say("no-response", &[]);
        }
    } else {
        out.say_frames("response", "responses", scene.links(&answers), &[]);
    }
}

fn of_response(scene: &Scene<'_>, own: &str, out: &mut Here<'_>) {
    let row = scene.row;
    if scene.view.method_name(scene.id).is_empty() {
        out.say("no-cseq", &[]);
        return;
    }
    let asked = with_top_branch(scene, own, |id| {
        scene
            .row_of(id)
            .is_some_and(|r| r.is_request() && r.method == row.cseq_method)
    });
    match asked.first() {
        Some(request) => {
            let places = [
                ("who", who(scene.sender_of(*request))),
                ("value", value(own)),
                ("msg", words(scene.name_of(*request))),
                ("frame", frame(scene, *request)),
            ];
            out.say("answers", &places);
        }
        None if scene.sees_all() => {
            let sent_by = scene
                .vias()
                .first()
                .map(|via| scene.text(via.sent_by))
                .unwrap_or_default();
            let method = scene.view.method_name(scene.id).to_owned();
            out.say(
                "no-request",
                &[("msg", words(method)), ("value", value(sent_by))],
            );
        }
        None => {}
    }
    let others = with_top_branch(scene, own, |id| {
        id != scene.id
            && scene
                .row_of(id)
                .is_some_and(|r| r.is_response() && r.cseq_method == row.cseq_method)
    });
    out.say_frames(
        "other-response",
        "other-responses",
        scene.links(&others),
        &[],
    );
}

fn lower_branch(scene: &Scene<'_>, own: &str, out: &mut Here<'_>) {
    let frames = with_top_branch(scene, own, |_| true);
    let places = [("value", value(own))];
    if frames.is_empty() {
        out.say(
            if scene.sees_all() {
                "lower-unseen"
            } else {
                "lower"
            },
            &places,
        );
    } else {
        out.say_frames("lower-one", "lower-frames", scene.links(&frames), &places);
    }
}

/// The whole value: who stands here, and which place in the path it is.
pub(super) fn header(scene: &Scene<'_>, target: Target, out: &mut Here<'_>) {
    let all = scene.vias();
    // A field with several values is explained by its first.
    let at = scene
        .value_at(target.span)
        .and_then(|v| position(scene, v.span.start_point()))
        .unwrap_or(0);
    let Some(via) = all.get(at) else { return };
    let sent_by = ("value", value(scene.text(via.sent_by)));
    let count = ("n", Place::Number(all.len() as u64));
    if at == 0 && scene.row.is_request() {
        out.say("top-of-request", &[sent_by, ("who", who(scene.sender()))]);
    } else if at == 0 {
        out.say(
            "top-of-response",
            &[sent_by, ("who", who(scene.receiver_of(scene.id)))],
        );
    } else {
        out.say("lower", &[sent_by]);
    }
    if all.len() > 1 {
        out.say("path", &[count]);
    } else if scene.row.is_request() {
        out.say("alone", &[]);
    } else {
        out.say("last", &[]);
    }
    if at == 0
        && let Some(before) = scene.hop_before()
    {
        let name = if scene.row.is_request() {
            "gained"
        } else {
            "lost"
        };
        out.say(name, &[("frame", frame(scene, before))]);
    }
}

pub(super) fn sent_by(scene: &Scene<'_>, target: Target, out: &mut Here<'_>) {
    let Some(at) = position(scene, target.span) else {
        return;
    };
    let all = scene.vias();
    let Some(via) = all.get(at) else { return };
    if via.port.is_none() && via.port_span.is_empty() {
        out.say("no-port", &[]);
    }
    if at != 0 || !scene.row.is_request() || !scene.is_first_sending() {
        return;
    }
    let Some(flow) = scene.view.ends(&scene.row) else {
        return;
    };
    let Some(ip) = host_ip(&scene.text(via.host)) else {
        out.say("name", &[("value", value(scene.text(via.sent_by)))]);
        return;
    };
    let places = [
        ("value", value(scene.text(via.sent_by))),
        ("address", value(flow.src.to_string())),
        ("frame", frame(scene, scene.id)),
    ];
    let same_port = via.port.unwrap_or(5060) == flow.src.port;
    match (ip == flow.src.ip, same_port) {
        (true, true) => out.say("true-source", &places),
        (true, false) => out.say("other-port", &places),
        (false, _) => out.say("other-address", &places),
    }
}

fn host_ip(host: &str) -> Option<IpAddr> {
    host.trim_matches(['[', ']']).parse().ok()
}

/// The Via with this branch in another message: what the receiver made of it.
fn same_via(
    scene: &Scene<'_>,
    id: MessageId,
    own: &str,
) -> Option<(Option<String>, Option<String>)> {
    let read = scene.read(id)?;
    let list = vias(&read.message);
    let via = list
        .into_iter()
        .find(|via| String::from_utf8_lossy(via.branch(&read.octets).of(&read.octets)) == own)?;
    let get = |name| param(&via.params, &read.octets, name);
    Some((get("received"), get("rport").filter(|p| !p.is_empty())))
}

/// `received` and `rport`: where the request really came from.
pub(super) fn received(scene: &Scene<'_>, target: Target, out: &mut Here<'_>) {
    let Some(at) = position(scene, target.span) else {
        return;
    };
    let all = scene.vias();
    let Some(via) = all.get(at) else { return };
    let Some(own) = hops::branch(scene.message, scene.octets, at) else {
        return;
    };
    let get = |name| param(&via.params, scene.octets, name).filter(|v| !v.is_empty());
    let (received, rport) = (get("received"), get("rport"));
    if received.is_none() && rport.is_none() {
        return asked(scene, at, &own, out);
    }
    // The request as its sender made it: the first message with this branch on top.
    let request = with_top_branch(scene, &own, |id| {
        scene.row_of(id).is_some_and(Scene::is_plain_request)
    });
    if let Some(request) = request.first().filter(|id| **id != scene.id)
        && same_via(scene, *request, &own) == Some((None, None))
    {
        let places = [
            ("frame", frame(scene, *request)),
            ("who", who(scene.receiver_of(*request))),
        ];
        out.say("wrote", &places);
    }
    if let Some(seen) = &received
        && let (Some(seen), Some(host)) = (host_ip(seen), host_ip(&scene.text(via.host)))
    {
        let places = [
            ("value", value(seen.to_string())),
            ("address", value(host.to_string())),
        ];
        out.say(if seen == host { "same" } else { "differs" }, &places);
    }
    if let Some(port) = &rport {
        let own_port = via.port.unwrap_or(5060).to_string();
        let places = [
            ("value", value(port.clone())),
            ("port", value(own_port.clone())),
        ];
        out.say(
            if *port == own_port {
                "same-port"
            } else {
                "other-port"
            },
            &places,
        );
    }
    if at == 0 && scene.row.is_response() {
        let Some(flow) = scene.view.ends(&scene.row) else {
            return;
        };
        let to_address = received
            .as_deref()
            .and_then(host_ip)
            .is_none_or(|ip| ip == flow.dst.ip);
        let to_port = rport
            .as_deref()
            .is_none_or(|p| *p == flow.dst.port.to_string());
        if to_address && to_port {
            out.say(
                "answered-there",
                &[("address", value(flow.dst.to_string()))],
            );
        }
    }
}

fn asked(scene: &Scene<'_>, at: usize, own: &str, out: &mut Here<'_>) {
    if at == 0 && scene.row.is_request() {
        out.say("asked", &[("who", who(scene.sender()))]);
    } else {
        out.say("asked-before", &[]);
    }
    let answer = with_top_branch(scene, own, |id| {
        scene.row_of(id).is_some_and(|r| r.is_response())
    });
    for id in answer {
        let Some((received, rport)) = same_via(scene, id, own) else {
            continue;
        };
        let list: Vec<String> = [("received", received), ("rport", rport)]
            .into_iter()
            .filter_map(|(name, v)| Some(format!("{name}={}", v?)))
            .collect();
        if !list.is_empty() {
            let places = [
                ("who", who(scene.sender_of(id))),
                ("list", Place::List(list)),
                ("frame", frame(scene, id)),
            ];
            out.say("filled", &places);
        } else {
            out.say("not-filled", &[("frame", frame(scene, id))]);
        }
        return;
    }
}
