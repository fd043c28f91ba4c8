//! Challenges and credentials (RFC 3261, 22; RFC 7616).

use super::{Here, frame, value, who, words};
use crate::explain::Target;
use crate::explain::scene::{Read, Scene, param};
use crate::index::ids::MessageId;
use crate::sip::header_name::Header;
use crate::sip::headers::{Auth, Value};

fn auth_at<'s>(scene: &'s Scene<'_>, target: Target) -> Option<&'s Auth> {
    as_auth(&scene.value_at(target.span)?.value)
}

fn as_auth(value: &Value) -> Option<&Auth> {
    match value {
        Value::Auth(auth) => Some(auth),
        _ => None,
    }
}

fn get(scene: &Scene<'_>, auth: &Auth, name: &str) -> Option<String> {
    param(&auth.params, scene.octets, name)
}

/// A challenge in another message.
struct Challenge {
    id: MessageId,
    realm: Option<String>,
    nonce: Option<String>,
    stale: bool,
}

fn challenges(id: MessageId, read: &Read) -> Vec<Challenge> {
    let headers = [Header::WwwAuthenticate, Header::ProxyAuthenticate];
    let values = headers.into_iter().flat_map(|h| read.message.values(h));
    values
        .filter_map(|v| as_auth(&v.value))
        .map(|auth| {
            let get = |name| param(&auth.params, &read.octets, name);
            Challenge {
                id,
                realm: get("realm"),
                nonce: get("nonce"),
                stale: get("stale").is_some_and(|s| s.eq_ignore_ascii_case("true")),
            }
        })
        .collect()
}

/// Who gave this nonce: a challenge, or an Authentication-Info with the next one.
fn giver(scene: &Scene<'_>, nonce: &str) -> Option<MessageId> {
    let earlier = scene
        .others()
        .filter(|(id, r)| *id < scene.id && r.is_response());
    earlier
        .filter(|(_, r)| r.has_challenge())
        .map(|(id, _)| id)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .find(|id| {
            scene.read(*id).is_some_and(|read| {
                challenges(*id, &read)
                    .iter()
                    .any(|c| c.nonce.as_deref() == Some(nonce))
            })
        })
}

fn say_giver(scene: &Scene<'_>, nonce: &str, out: &mut Here<'_>) {
    match giver(scene, nonce) {
        Some(id) => {
            let places = [
                ("value", value(nonce)),
                ("who", who(scene.sender_of(id))),
                ("frame", frame(scene, id)),
                ("msg", words(scene.name_of(id))),
            ];
            out.say("nonce-from", &places);
        }
        None if scene.sees_all() => out.say("nonce-unseen", &[("value", value(nonce))]),
        None => {}
    }
}

/// What the server made of the credentials.
fn say_verdict(scene: &Scene<'_>, realm: Option<&str>, out: &mut Here<'_>) {
    if !scene.row.is_request() {
        return;
    }
    let finals = scene.responses();
    let finals: Vec<MessageId> = finals
        .into_iter()
        .filter(|id| scene.row_of(*id).is_some_and(|r| r.status > 100))
        .collect();
    let Some(id) = finals
        .iter()
        .copied()
        .find(|id| scene.row_of(*id).is_some_and(|r| r.status >= 200))
        .or(finals.first().copied())
    else {
        if scene.sees_all() {
            out.say("no-verdict", &[]);
        }
        return;
    };
    let Some(row) = scene.row_of(id) else { return };
    let places = [
        ("frame", frame(scene, id)),
        ("msg", words(scene.name_of(id))),
    ];
    match row.status {
        401 | 407 => {
            let again = scene
                .read(id)
                .map(|read| challenges(id, &read))
                .unwrap_or_default();
            let own = again.iter().find(|c| c.realm.as_deref() == realm);
            let name = match own {
                Some(c) if c.stale => "stale",
                Some(_) => "refused",
                None if !again.is_empty() => "other-realm",
                None => "refused-bare",
            };
            debug_assert!(own.is_none_or(|c| c.id == id));
            out.say(name, &places);
        }
        200..=299 => out.say("accepted", &places),
        403 => out.say("forbidden", &places),
        _ => out.say("went-on", &places),
    }
}

pub(super) fn response(scene: &Scene<'_>, target: Target, out: &mut Here<'_>) {
    let Some(auth) = auth_at(scene, target) else {
        return;
    };
    let digest = scene.text(auth.scheme).eq_ignore_ascii_case("digest");
    let parts = (
        get(scene, auth, "username"),
        get(scene, auth, "realm"),
        get(scene, auth, "nonce"),
        get(scene, auth, "uri"),
    );
    if let (true, (Some(user), Some(realm), Some(nonce), Some(uri))) = (digest, &parts) {
        let places = [
            ("who", who(scene.sender())),
            ("user", value(user.clone())),
            ("realm", value(realm.clone())),
            ("method", words(scene.view.method_name(scene.id).to_owned())),
            ("uri", value(uri.clone())),
        ];
        let end = scene.sender().is_end();
        out.say(if end { "computed" } else { "computed-before" }, &places);
        say_giver(scene, nonce, out);
        if let Some(qop) = get(scene, auth, "qop") {
            out.say("qop", &[("value", value(qop))]);
        }
    }
    say_verdict(scene, parts.1.as_deref(), out);
}

pub(super) fn nonce(scene: &Scene<'_>, target: Target, out: &mut Here<'_>) {
    let Some(auth) = auth_at(scene, target) else {
        return;
    };
    if let Some(nonce) = get(scene, auth, "nonce") {
        say_giver(scene, &nonce, out);
    }
    if let Some(count) = get(scene, auth, "nc").and_then(|nc| u64::from_str_radix(&nc, 16).ok()) {
        out.say("used", &[("n", super::Place::Number(count))]);
    }
}

pub(super) fn credentials(scene: &Scene<'_>, target: Target, out: &mut Here<'_>) {
    let Some(auth) = auth_at(scene, target) else {
        return;
    };
    let realm = get(scene, auth, "realm");
    let scheme = scene.text(auth.scheme);
    if let (Some(user), Some(realm)) = (get(scene, auth, "username"), &realm) {
        let places = [
            ("who", who(scene.sender())),
            ("user", value(user)),
            ("realm", value(realm.clone())),
            ("value", value(scheme)),
        ];
        let end = scene.sender().is_end();
        out.say(if end { "proves" } else { "proves-before" }, &places);
    } else {
        out.say("scheme", &[("value", value(scheme))]);
    }
    if let Some(nonce) = get(scene, auth, "nonce") {
        say_giver(scene, &nonce, out);
    }
    say_verdict(scene, realm.as_deref(), out);
}

pub(super) fn challenge(scene: &Scene<'_>, target: Target, out: &mut Here<'_>) {
    let Some(auth) = auth_at(scene, target) else {
        return;
    };
    let realm = get(scene, auth, "realm").unwrap_or_default();
    let places = [
        ("who", who(scene.sender())),
        ("realm", value(realm)),
        ("value", value(scene.text(auth.scheme))),
    ];
    let first = scene.hop_before().is_none();
    out.say(if first { "asks" } else { "asks-before" }, &places);
    if get(scene, auth, "stale").is_some_and(|s| s.eq_ignore_ascii_case("true")) {
        out.say("stale", &[]);
    }
    let nonce = get(scene, auth, "nonce");
    let answer = scene
        .others()
        .filter(|(id, r)| {
            *id > scene.id && r.is_request() && r.has_credentials() && r.method == scene.row.method
        })
        .map(|(id, _)| id)
        .find(|id| {
            scene.read(*id).is_some_and(|read| {
                let headers = [Header::Authorization, Header::ProxyAuthorization];
                let mut values = headers.into_iter().flat_map(|h| read.message.values(h));
                values.any(|v| {
                    as_auth(&v.value).is_some_and(|a| {
                        nonce.is_some() && param(&a.params, &read.octets, "nonce") == nonce
                    })
                })
            })
        });
    match answer {
        Some(id) => out.say(
            "answered",
            &[
                ("frame", frame(scene, id)),
                ("msg", words(scene.name_of(id))),
            ],
        ),
        None if scene.sees_all() && nonce.is_some() => out.say("unanswered", &[]),
        None => {}
    }
}
