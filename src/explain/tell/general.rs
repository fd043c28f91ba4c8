//! What can be said of any part of a message: who sent it, what the hop before and the partner had.

use super::{Here, frame, value, who, words};
use crate::explain::scene::{Read, Scene};
use crate::explain::{Target, Topic};
use crate::sip::message::{HeaderField, Message, Param};
use crate::span::Span;

pub(super) fn any(scene: &Scene<'_>, target: Target, path: &str, out: &mut Here<'_>) {
    let mut parts = path.split('/');
    match (parts.next(), parts.next()) {
        (Some("header"), Some(_)) => header(scene, target, out),
        // Via values move down at each hop: a neighbour of the same place is another one.
        (Some("param"), Some("via")) => {}
        (Some("param"), Some(_)) => header(scene, target, out),
        (Some("sdp-line" | "sdp-attribute"), _) => super::sdp::line(scene, target, out),
        _ => {}
    }
}

/// True when the message has this header at this place.
pub(super) fn is_header(scene: &Scene<'_>, target: Target, path: &str) -> bool {
    let Some(field) = field_at(scene.message, target.span) else {
        return false;
    };
    let name = field.name.as_str().unwrap_or_default();
    crate::explain::catalogue::path_of("header/", name) == path
}

/// A field, or a parameter of one: what it means, then whether it came from the hop before. Who set
/// a value is told only where that is not just the sender.
fn header(scene: &Scene<'_>, target: Target, out: &mut Here<'_>) {
    let Some(field) = field_at(scene.message, target.span) else {
        return;
    };
    let own = part(field, scene.octets, target.span);
    super::special::of(scene, field, &own, out);
    if let Some(topic) = bare_value(field, scene) {
        out.say(
            "value-means",
            &[
                ("value", value(own.clone())),
                ("msg", words(topic.glance())),
            ],
        );
    }
    out.about();
    if scene.row.is_request() && scene.row.to_tag.is_none() {
        out.may_say("repeated", &[]);
    }
    if copied(scene, field, out) {
        return;
    }
    let Some(before) = scene.hop_before() else {
        return;
    };
    let Some(read) = scene.read(before) else {
        return;
    };
    let mut places = vec![
        ("frame", frame(scene, before)),
        ("who", who(scene.sender())),
    ];
    match earlier(scene, &read, field, target.span, &own) {
        Earlier::Same => {
            places.push(("value", value(own)));
            out.say("unchanged", &places);
        }
        Earlier::Other(old) => {
            places.push(("old", value(old)));
            places.push(("value", value(own)));
            out.say("changed", &places);
        }
        Earlier::None => out.say("new", &places),
        Earlier::Unclear => {}
    }
}

/// What a value without parameters means, which has no line of its own in the tree.
fn bare_value(field: &HeaderField, scene: &Scene<'_>) -> Option<Topic> {
    let [one] = field.values.as_slice() else {
        return None;
    };
    if !matches!(&one.value, crate::sip::headers::Value::Token(token) if token.params.is_empty()) {
        return None;
    }
    Topic::of_value(field.name.as_str()?, &scene.text(one.span))
}

/// What a response repeats from its request (8.2.6.2).
fn copied(scene: &Scene<'_>, field: &HeaderField, out: &mut Here<'_>) -> bool {
    let repeated = ["header/from", "header/to", "header/timestamp"];
    if scene.row.is_request() || !repeated.contains(&out.entry.base()) {
        return false;
    }
    let own = String::from_utf8_lossy(field.value.of(scene.octets)).into_owned();
    let Some(request) = scene.row.request() else {
        return true;
    };
    let asked = scene.read(request).and_then(|read| {
        let mut fields = read.message.headers.iter();
        let theirs = fields.find(|f| f.name == field.name)?;
        Some(String::from_utf8_lossy(theirs.value.of(&read.octets)).into_owned())
    });
    match asked {
        Some(asked) if asked == own => out.say("copied", &[("frame", frame(scene, request))]),
        Some(asked) if own.starts_with(&asked) => {
            let name = match out.entry.base() {
                "header/timestamp" => "copied-with-delay",
                _ => "copied-with-tag",
            };
            out.say(name, &[("frame", frame(scene, request))]);
        }
        _ => {}
    }
    true
}

/// What the hop before had in the place of a part.
enum Earlier {
    Same,
    Other(String),
    None,
    /// Several fields of this name: which one it was cannot be told.
    Unclear,
}

fn earlier(scene: &Scene<'_>, read: &Read, field: &HeaderField, span: Span, own: &str) -> Earlier {
    let theirs: Vec<&HeaderField> = same_name(&read.message, &read.octets, scene, field).collect();
    let text = |f: &HeaderField| {
        String::from_utf8_lossy(f.value.of(&read.octets))
            .trim()
            .to_owned()
    };
    let param = params(field)
        .into_iter()
        .find(|p| p.name.start == span.start);
    let Some(param) = param else {
        if theirs.iter().any(|f| text(f) == own) {
            return Earlier::Same;
        }
        let mine = same_name(scene.message, scene.octets, scene, field).count();
        return match theirs.as_slice() {
            [] => Earlier::None,
            [one] if mine == 1 => Earlier::Other(text(one)),
            _ => Earlier::Unclear,
        };
    };
    let name = String::from_utf8_lossy(param.name.of(scene.octets)).into_owned();
    let values: Vec<String> = theirs
        .iter()
        .flat_map(|f| params(f))
        .filter(|p| p.is(&read.octets, &name))
        .map(|p| {
            String::from_utf8_lossy(p.value.unwrap_or_default().of(&read.octets))
                .trim()
                .to_owned()
        })
        .collect();
    match values.as_slice() {
        [] => Earlier::None,
        all if all.iter().any(|v| v == own) => Earlier::Same,
        [one] => Earlier::Other(one.clone()),
        _ => Earlier::Unclear,
    }
}

fn field_at(message: &Message, span: Span) -> Option<&HeaderField> {
    let holds = |f: &&HeaderField| f.line.start <= span.start && span.end <= f.line.end;
    message.headers.iter().find(holds)
}

/// Fields of the same name as `field`, which stands in the message of `scene`.
fn same_name<'m>(
    message: &'m Message,
    octets: &'m [u8],
    scene: &'m Scene<'_>,
    field: &'m HeaderField,
) -> impl Iterator<Item = &'m HeaderField> {
    let name = field.name_span.of(scene.octets);
    message.headers.iter().filter(move |f| {
        f.name == field.name
            && (f.name.info().is_some() || f.name_span.of(octets).eq_ignore_ascii_case(name))
    })
}

/// Parameters of a value, whatever its grammar.
fn params(field: &HeaderField) -> Vec<&Param> {
    use crate::sip::headers::Value;
    let mut out = Vec::new();
    for value in &field.values {
        match &value.value {
            Value::Via(v) => out.extend(&v.params),
            Value::Address(a) => {
                out.extend(&a.params);
                out.extend(&a.uri.params);
            }
            Value::Auth(a) => out.extend(&a.params),
            Value::MediaType(m) => out.extend(&m.params),
            Value::Token(t) => out.extend(&t.params),
            Value::Integer(i) => out.extend(&i.params),
            _ => {}
        }
    }
    out
}

/// The text of the part that is explained: a parameter's value, or that of the whole field.
fn part(field: &HeaderField, octets: &[u8], span: Span) -> String {
    let text = |span: Span| String::from_utf8_lossy(span.of(octets)).trim().to_owned();
    match params(field).iter().find(|p| p.name.start == span.start) {
        Some(param) => text(param.value.unwrap_or_default()),
        None => text(field.value),
    }
}
