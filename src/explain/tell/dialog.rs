//! Tags, Call-ID, CSeq: what holds a dialog together (RFC 3261, 12).

use super::{Here, frame, value, who, words};
use crate::explain::Target;
use crate::explain::scene::{Row, Scene};
use crate::explain::text::Place;
use crate::index::ids::{MessageId, TextId};
use crate::index::message_store::Repeat;
use crate::sip::header_name::Header;
use crate::sip::method::Method;

/// Header of the tag at a place: true for To.
fn is_to(scene: &Scene<'_>, target: Target) -> bool {
    let holds = |field: &&crate::sip::message::HeaderField| {
        field.line.start <= target.span.start && target.span.end <= field.line.end
    };
    scene.message.all(Header::To).any(|field| holds(&field))
}

pub(super) fn tag(scene: &Scene<'_>, target: Target, out: &mut Here<'_>) {
    let row = scene.row;
    let to = is_to(scene, target);
    let (tag, other) = if to {
        (row.to_tag, row.from_tag)
    } else {
        (row.from_tag, row.to_tag)
    };
    let Some(tag) = tag else { return };
    let text = scene.interned(tag);
    // A second header of that name is not what the index goes by.
    if !scene.text(target.span).ends_with(&text) {
        return;
    }
    out.rule = Some("dialog");
    let has = |row: Row<'_>| row.from_tag == Some(tag) || row.to_tag == Some(tag);
    if let Some((first, first_row)) = scene.others().find(|(_, row)| has(*row)) {
        origin(scene, tag, first, first_row, out);
    }
    match other {
        Some(other) if row.dialog.is_some() => {
            let places = [
                ("call", value(scene.interned(row.call_id))),
                ("value", value(scene.interned(other))),
            ];
            out.say("identifies", &places);
        }
        // Other methods start no dialog (RFC 3261, 12.1; RFC 6665, 4.4.1).
        None if !to && row.is_request() => match row.method {
            Method::Invite | Method::Subscribe | Method::Refer => out.say("half", &[]),
            _ => {
                let method = words(scene.view.method_name(scene.id).to_owned());
                out.say("outside", &[("msg", method)]);
            }
        },
        _ => {}
    }
    let swapped = scene.others().find(|(_, r)| {
        r.is_request()
            && if to {
                r.from_tag == Some(tag)
            } else {
                r.to_tag == Some(tag) && r.from_tag == other && other.is_some()
            }
            && r.from_tag != r.to_tag
    });
    if let Some((id, r)) = swapped.filter(|(id, r)| *id != scene.id && r.from_tag != row.from_tag) {
        let places = [
            ("msg", words(scene.view.method_name(id).to_owned())),
            ("frame", frame(scene, id)),
            (
                "header",
                words(if r.from_tag == Some(tag) {
                    "From"
                } else {
                    "To"
                }),
            ),
        ];
        out.say("swapped", &places);
    }
    if to {
        forks(scene, tag, out);
    }
}

/// Where the tag shows first, and who put it there as far as that is seen.
fn origin(scene: &Scene<'_>, tag: TextId, first: MessageId, row: Row<'_>, out: &mut Here<'_>) {
    let places = [
        ("who", who(scene.sender_of(first))),
        ("value", value(scene.interned(tag))),
        ("frame", frame(scene, first)),
        ("msg", words(scene.name_of(first))),
    ];
    let end = scene.sender_of(first).is_end();
    if row.is_request() && row.from_tag == Some(tag) && row.via_count == 1 && end {
        out.say("chosen", &places);
        return;
    }
    let request = row
        .request()
        .filter(|r| scene.row_of(*r).is_some_and(|r| r.to_tag.is_none()));
    if row.is_response()
        && row.to_tag == Some(tag)
        && let Some(request) = request
    {
        let mut places = places.to_vec();
        places.push(("request", frame(scene, request)));
        places.push(("method", words(scene.name_of(request))));
        out.say(if end { "added" } else { "added-beyond" }, &places);
        return;
    }
    out.say("first-seen", &places);
}

/// Other tags in responses to the same request: other devices answered, too.
fn forks(scene: &Scene<'_>, tag: TextId, out: &mut Here<'_>) {
    let row = scene.row;
    let mut seen: Vec<TextId> = vec![tag];
    for (id, r) in scene.others() {
        let same_request = r.is_response()
            && r.cseq() == row.cseq()
            && r.cseq_method == row.cseq_method
            && r.from_tag == row.from_tag
            && r.request()
                .and_then(|q| scene.row_of(q))
                .is_some_and(|q| q.is_initial());
        let Some(other) = r
            .to_tag
            .filter(|other| same_request && !seen.contains(other))
        else {
            continue;
        };
        if !row.is_response() || seen.len() > 3 {
            return;
        }
        seen.push(other);
        let places = [
            ("value", value(scene.interned(other))),
            ("frame", frame(scene, id)),
        ];
        out.say("fork", &places);
    }
}

pub(super) fn call_id(scene: &Scene<'_>, out: &mut Here<'_>) {
    let row = scene.row;
    let all = scene.with_call_id();
    let (Some(first), Some(last)) = (all.first(), all.last()) else {
        return;
    };
    let own = scene.interned(row.call_id);
    out.rule = Some("call-id");
    let first_row = scene.row_of(*first);
    let maker =
        first_row.is_some_and(|r| r.via_count == 1 && Scene::is_plain_request(r) && r.is_initial());
    if maker && scene.sender_of(*first).is_end() {
        out.say(
            "made",
            &[
                ("who", who(scene.sender_of(*first))),
                ("value", value(own.clone())),
            ],
        );
    }
    let places = [
        ("value", value(own)),
        ("n", Place::Number(all.len() as u64)),
        ("frame", frame(scene, *first)),
        ("last", frame(scene, *last)),
    ];
    out.say(if all.len() == 1 { "only" } else { "count" }, &places);
    if row.method == Method::Register {
        return;
    }
    let dialogs = scene
        .neighbours()
        .iter()
        .filter_map(|id| scene.row_of(*id)?.dialog);
    let mut dialogs: Vec<_> = dialogs.collect();
    dialogs.sort_unstable();
    dialogs.dedup();
    if dialogs.len() > 1 {
        out.say("dialogs", &[("n", Place::Number(dialogs.len() as u64))]);
    }
}

pub(super) fn cseq(scene: &Scene<'_>, out: &mut Here<'_>) {
    let row = scene.row;
    let Some(number) = row.cseq() else { return };
    out.rule = Some("cseq");
    let same_side = |r: Row<'_>| r.from_tag == row.from_tag && r.from_tag.is_some();
    let text = format!("{number} {}", scene.view.method_name(scene.id));
    let source = scene.others().find(|(_, r)| {
        Scene::is_plain_request(*r) && r.via_count == 1 && same_side(*r) && r.cseq() == Some(number)
    });
    if matches!(row.method, Method::Ack | Method::Cancel) {
        let invite = scene.others().find(|(_, r)| {
            r.is_request()
                && r.method == Method::Invite
                && same_side(*r)
                && r.cseq() == Some(number)
        });
        if let Some((invite, _)) = invite {
            let places = [
                ("n", Place::Number(u64::from(number))),
                ("frame", frame(scene, invite)),
                ("msg", words(scene.view.method_name(scene.id).to_owned())),
            ];
            out.say("as-invite", &places);
        }
    } else if let Some((made, _)) = source.filter(|(id, _)| scene.sender_of(*id).is_end()) {
        out.say(
            "chosen",
            &[("value", value(text)), ("who", who(scene.sender_of(made)))],
        );
    } else {
        out.say("number", &[("value", value(text))]);
    }
    let repeats: Vec<MessageId> = scene
        .others()
        .filter(|(_, r)| {
            r.is_response()
                && same_side(*r)
                && r.cseq() == Some(number)
                && r.cseq_method == row.cseq_method
        })
        .map(|(id, _)| id)
        .filter(|id| *id != scene.id)
        .collect();
    if row.method != Method::Ack {
        out.say_frames("response", "responses", scene.links(&repeats), &[]);
    }
    if row.is_request() && !matches!(row.method, Method::Ack | Method::Cancel) {
        steps(scene, number, out);
    }
    if let Some(dialog) = row.dialog {
        let other = scene.others().find(|(_, r)| {
            Scene::is_plain_request(*r)
                && r.dialog == Some(dialog)
                && r.from_tag != row.from_tag
                && r.cseq().is_some()
        });
        if let Some((id, r)) = other {
            let places = [
                ("msg", words(scene.view.method_name(id).to_owned())),
                ("frame", frame(scene, id)),
                ("n", Place::Number(u64::from(r.cseq().unwrap_or(0)))),
            ];
            out.say("other-side", &places);
        }
    }
}

/// The method in CSeq: in a response the only place that names it.
pub(super) fn cseq_method(scene: &Scene<'_>, out: &mut Here<'_>) {
    let row = scene.row;
    if row.is_response() {
        if let Some(request) = row.request() {
            let places = [
                ("msg", words(scene.name_of(request))),
                ("frame", frame(scene, request)),
            ];
            out.say("response-to", &places);
        }
    } else if matches!(row.method, Method::Ack | Method::Cancel) {
        let method = words(scene.view.method_name(scene.id).to_owned());
        out.say("own-method", &[("msg", method)]);
    }
    if matches!(row.cseq_method, Method::Invite | Method::Cancel) {
        out.say("tells-cancel", &[]);
    }
}

/// Requests of the same side before and after.
fn steps(scene: &Scene<'_>, number: u32, out: &mut Here<'_>) {
    let row = scene.row;
    let own_side: Vec<(MessageId, Row<'_>)> = scene
        .others()
        .filter(|(_, r)| {
            Scene::is_plain_request(*r) && r.from_tag == row.from_tag && r.from_tag.is_some()
        })
        .filter(|(_, r)| !matches!(r.repeat(), Repeat::Retransmission(..)))
        .collect();
    let earlier = own_side.iter().filter(|(id, _)| *id < scene.id);
    let highest = earlier
        .clone()
        .filter_map(|(id, r)| Some((r.cseq()?, *id)))
        .max();
    if let Some((before, id)) = highest {
        let previous = scene.row_of(id);
        let with_credentials = row.has_credentials()
            && previous.is_some_and(|p| !p.has_credentials() && p.method == row.method);
        if before.checked_add(1) == Some(number) && with_credentials {
            out.say("credentials", &[("frame", frame(scene, id))]);
        } else if number < before {
            let places = [
                ("frame", frame(scene, id)),
                ("n", Place::Number(u64::from(before))),
            ];
            out.say("lower", &places);
        } else if row.dialog.is_some() && number > before.saturating_add(1) && scene.sees_all() {
            let missing = u64::from(number - before - 1);
            out.say(
                "missing",
                &[("n", Place::Number(missing)), ("frame", frame(scene, id))],
            );
        }
    }
    let later = own_side
        .iter()
        .filter(|(id, r)| *id > scene.id && r.cseq() > Some(number));
    if let Some((id, r)) = later.min_by_key(|(id, _)| *id) {
        let places = [
            ("frame", frame(scene, *id)),
            ("n", Place::Number(u64::from(r.cseq().unwrap_or(0)))),
        ];
        out.say("next-seen", &places);
    } else if row.method != Method::Bye
        && scene.sees_all()
        && row.from_tag.is_some()
        && highest.is_none_or(|(h, _)| h <= number)
    {
        out.say("next", &[("n", Place::Number(u64::from(number) + 1))]);
    }
}
