//! Methods and status codes: what asked, what answered, how long it took.

use super::{Here, Place, frame, ms_between, value, who, words};
use crate::explain::Target;
use crate::explain::scene::Scene;
use crate::index::ids::MessageId;
use crate::index::message_store::{Repeat, SdpKind};
use crate::sip::header_name::Header;
use crate::sip::method::Method;

/// A method in the start line.
pub(super) fn method(scene: &Scene<'_>, target: Target, out: &mut Here<'_>) {
    let row = scene.row;
    if row.is_response() || target.span != scene.message.start.method_span {
        // One of a list, as in Allow.
        return;
    }
    let places = [
        ("who", who(scene.sender())),
        ("to", who(scene.receiver_of(scene.id))),
        ("msg", words(scene.name_of(scene.id))),
    ];
    out.say("sent", &places);
    repeats(scene, out);
    refused(scene, out);
    if row.method == Method::Ack {
        if let Some(acked) = row.acks() {
            out.say(
                "acks",
                &[
                    ("msg", words(scene.name_of(acked))),
                    ("frame", frame(scene, acked)),
                ],
            );
            // Which of the two kinds of ACK it is needs no general words.
            let success = scene.row_of(acked).is_some_and(|r| r.status < 300);
            out.say(if success { "of-success" } else { "of-refusal" }, &[]);
            out.told_about = true;
        }
        return;
    }
    if let Some(invite) = row.cancels() {
        out.say("cancels", &[("frame", frame(scene, invite))]);
    }
    if row.method == Method::Invite {
        out.say(
            if row.to_tag.is_some() {
                "re-invite"
            } else {
                "first-invite"
            },
            &[],
        );
    }
    answered(scene, out);
}

/// The same message was sent before.
fn repeats(scene: &Scene<'_>, out: &mut Here<'_>) {
    if let Repeat::Retransmission(first, _) = scene.row.repeat()
        && let Some(time) = ms_between(scene, first, scene.id)
    {
        out.say("repeats", &[("frame", frame(scene, first)), ("time", time)]);
    }
}

/// An ICMP error quotes the message: what it says, and where.
fn refused(scene: &Scene<'_>, out: &mut Here<'_>) {
    let Some(error) = scene.view.icmp().of_message(scene.id) else {
        return;
    };
    let places = [
        ("n", Place::Number(error.frame.1.into())),
        ("msg", words(error.words())),
        ("value", value(error.from.to_string())),
    ];
    // A redirect or a source quench does not mean that the packet is lost (RFC 792).
    let name = match error.is_loss() {
        true => "icmp-lost",
        false => "icmp",
    };
    out.say(name, &places);
    if error.count > 1 {
        out.say("icmp-count", &[("n", Place::Number(error.count.into()))]);
    }
}

fn answered(scene: &Scene<'_>, out: &mut Here<'_>) {
    let answers = scene.responses();
    let last = answers
        .iter()
        .rev()
        .find(|id| scene.row_of(**id).is_some_and(|r| r.status >= 200));
    if let Some(last) = last
        && let Some(ms) = ms_between(scene, scene.id, *last)
    {
        let places = [
            ("msg", words(scene.name_of(*last))),
            ("frame", frame(scene, *last)),
            ("time", ms),
        ];
        out.say("final", &places);
    } else if lost_via(scene) {
        // A final response that cannot be told from one of another hop.
    } else if let Some(newest) = answers.last() {
        let places = [
            ("msg", words(scene.name_of(*newest))),
            ("frame", frame(scene, *newest)),
        ];
        out.say("provisional-only", &places);
    } else if scene.sees_all() && scene.is_first_sending() && !has_partner(scene) {
        out.say("unanswered", &[]);
    }
}

/// A message of the other kind has this branch and CSeq, but another sent-by: whether the two
/// belong together cannot be said (RFC 3261, 17.1.3 and 17.2.3), nor that there is no partner.
fn has_partner(scene: &Scene<'_>) -> bool {
    scene.others().any(|(_, other)| {
        other.is_response() != scene.row.is_response()
            && other.branch_hash() == scene.row.branch_hash()
            && other.cseq() == scene.row.cseq()
    })
}

/// What kind of INVITE it answers: one without a To tag asks for a new call (RFC 3261, 14).
fn to_which_invite(scene: &Scene<'_>) -> &'static str {
    match scene.request().and_then(|id| scene.row_of(id)) {
        Some(request) if request.to_tag.is_none() => "to-invite",
        Some(_) => "to-reinvite",
        None => "to-some-invite",
    }
}

/// The 2xx that answered the call to which this message belongs.
fn first_answer(scene: &Scene<'_>) -> Option<MessageId> {
    let row = scene.row;
    let found = scene.others().find(|(_, r)| {
        r.is_response()
            && r.method == Method::Invite
            && (200..300).contains(&r.status)
            && r.dialog == row.dialog
    });
    let (id, answer) = found.filter(|(id, _)| row.dialog.is_some() && *id < scene.id)?;
    let asked = answer.request().and_then(|id| scene.row_of(id))?;
    asked.to_tag.is_none().then_some(id)
}

/// A status code.
pub(super) fn status(scene: &Scene<'_>, target: Target, out: &mut Here<'_>) {
    let row = scene.row;
    if target.span != scene.message.start.status_span {
        // The cause in a Reason header.
        return;
    }
    if row.is_request() {
        return;
    }
    let to_what = match row.method {
        Method::Invite => to_which_invite(scene),
        Method::Bye => "to-bye",
        Method::Cancel => "to-cancel",
        Method::Register => "to-register",
        Method::Options => "to-options",
        Method::Subscribe => "to-subscribe",
        Method::Prack => "to-prack",
        _ => "to-other",
    };
    match row.request() {
        Some(request) => {
            let places = [
                ("who", who(scene.sender())),
                ("msg", words(scene.name_of(request))),
                ("frame", frame(scene, request)),
            ];
            match ms_between(scene, request, scene.id) {
                Some(ms) => {
                    let mut places = places.to_vec();
                    places.push(("time", ms));
                    let relayed = scene.hop_before().is_some();
                    out.say(if relayed { "relays" } else { "answers" }, &places);
                }
                None => out.say("answers-untimed", &places),
            }
        }
        None if scene.view.method_name(scene.id).is_empty() => out.say("no-cseq", &[]),
        None if scene.sees_all() && !has_partner(scene) => {
            let method = scene.view.method_name(scene.id).to_owned();
            out.say("no-request", &[("msg", words(method))]);
        }
        None => {}
    }
    repeats(scene, out);
    let carries = row.sdp != SdpKind::None;
    out.may_say(if carries { "with-sdp" } else { "without-sdp" }, &[]);
    match (to_what, first_answer(scene)) {
        ("to-reinvite", Some(first)) => {
            out.may_say("to-reinvite-of", &[("frame", frame(scene, first))]);
        }
        ("to-subscribe", _) if scene.first(Header::Expires).as_deref() == Some("0") => {
            out.may_say("to-unsubscribe", &[]);
        }
        (name, _) => out.may_say(name, &[]),
    }
    if let Some(before) = scene.hop_before() {
        out.say("passed-on", &[("frame", frame(scene, before))]);
    }
    refused(scene, out);
    if row.method == Method::Invite && row.status >= 200 {
        acknowledged(scene, out);
    } else if row.status < 200 {
        let last = scene
            .responses()
            .into_iter()
            .find(|id| *id > scene.id && scene.row_of(*id).is_some_and(|r| r.status >= 200));
        match last {
            Some(id) => out.say(
                "later-final",
                &[
                    ("msg", words(scene.name_of(id))),
                    ("frame", frame(scene, id)),
                ],
            ),
            None if scene.sees_all() && !lost_via(scene) => out.say("no-final", &[]),
            None => {}
        }
    }
}

/// A later final response to this request, or to that of this response, has no Via: it may be the
/// one that belongs here.
fn lost_via(scene: &Scene<'_>) -> bool {
    scene.others().any(|(id, other)| {
        id > scene.id
            && other.is_response()
            && other.status >= 200
            && other.via_count == 0
            && other.cseq() == scene.row.cseq()
            && other.cseq_method == scene.row.cseq_method
            && other.from_tag == scene.row.from_tag
    })
}

fn acknowledged(scene: &Scene<'_>, out: &mut Here<'_>) {
    let ack: Option<MessageId> = scene
        .others()
        .find(|(id, r)| *id > scene.id && r.acks() == Some(scene.id))
        .map(|(id, _)| id);
    match ack {
        Some(ack) => out.say("acked", &[("frame", frame(scene, ack))]),
        None if scene.sees_all() && scene.is_first_sending() => {
            // Another sending of the same response may have been acknowledged.
            let any = scene.others().any(|(_, r)| {
                r.is_request() && r.method == Method::Ack && r.cseq() == scene.row.cseq()
            });
            if !any {
                out.say("no-ack", &[]);
            }
        }
        None => {}
    }
}
