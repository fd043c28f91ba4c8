//! Which sentences are true here: one function for each topic that looks at the capture.

mod auth;
mod dialog;
mod general;
mod routing;
mod sdp;
mod special;
mod start;
mod via;

use super::catalogue::{Entry, catalogue};
use super::scene::Scene;
use super::text::{Place, Sentence, fill};
use super::who::Who;
use super::{FrameLink, Target};
use crate::index::ids::MessageId;

/// Sentences that were found true.
pub(super) struct Here<'e> {
    entry: &'e Entry,
    pub(super) sentences: Vec<Sentence>,
    /// Participants that were named.
    named: Vec<Who>,
    /// By which rule a partner was found, for experts: a sentence of `common/rules`.
    pub(super) rule: Option<&'static str>,
    /// What holds always has been told.
    told_about: bool,
}

impl<'e> Here<'e> {
    /// The row of the catalogue it is made from.
    pub(super) fn entry(&self) -> &'e Entry {
        self.entry
    }

    fn new(entry: &'e Entry) -> Self {
        Self {
            entry,
            sentences: Vec::new(),
            named: Vec::new(),
            rule: None,
            told_about: false,
        }
    }
}

impl Here<'_> {
    /// Adds what holds always, once.
    fn about(&mut self) {
        if std::mem::replace(&mut self.told_about, true) {
            return;
        }
        for (number, sentence) in self.entry.about.iter().enumerate() {
            self.push(
                format!("{}#about{number}", self.entry.base()),
                sentence,
                &[],
            );
        }
    }

    /// Adds a sentence of this topic, else of those that all topics share.
    fn say(&mut self, name: &str, places: &[(&'static str, Place)]) {
        let own = self.entry.here.get(name).map(|t| (self.entry.base(), t));
        let shared = || {
            let entry = catalogue().get("common/here")?;
            entry.here.get(name).map(|t| (entry.path.as_str(), t))
        };
        let Some((path, template)) = own.or_else(shared) else {
            log::error!("{} has no sentence {name}", self.entry.path);
            return;
        };
        self.push(format!("{path}#{name}"), template, places);
    }

    /// The same, only when the topic has such a sentence.
    fn may_say(&mut self, name: &str, places: &[(&'static str, Place)]) {
        if self.entry.here.contains_key(name) {
            self.say(name, places);
        }
    }

    /// One sentence for one frame, another for several.
    fn say_frames(
        &mut self,
        one: &str,
        many: &str,
        links: Vec<FrameLink>,
        more: &[(&'static str, Place)],
    ) {
        let mut places = more.to_vec();
        match links.as_slice() {
            [] => {}
            [link] => {
                places.push(("frame", Place::Frame(*link)));
                self.say(one, &places);
            }
            _ => {
                places.push(("list", Place::Frames(links)));
                self.say(many, &places);
            }
        }
    }

    fn push(&mut self, id: String, template: &str, places: &[(&'static str, Place)]) {
        let says = |name: &str| template.contains(&format!("{{{name}}}"));
        // Without its facts a sentence would have a hole.
        let is_hole = |place: &Place| matches!(place, Place::Words(text) | Place::Value(text) if text.is_empty());
        if places
            .iter()
            .any(|(name, place)| is_hole(place) && says(name))
        {
            return;
        }
        let mut places = places.to_vec();
        for (name, place) in &mut places {
            // The address is told once in a paragraph.
            if let Place::Who(someone) = place
                && says(name)
            {
                match self.named.contains(someone) {
                    true => *someone = someone.again(),
                    false => self.named.push(someone.clone()),
                }
            }
        }
        let pieces = fill(template, &places);
        self.sentences.push(Sentence { id, pieces, places });
    }
}

/// The paragraph: first what holds in this capture, then what holds always.
pub(super) fn here<'e>(scene: &Scene<'_>, target: Target, entry: &'e Entry) -> Here<'e> {
    let mut here = Here::new(entry);
    let out = &mut here;
    match entry.base() {
        // A header for a later request, as a URI can hold it: nothing of it is about this message.
        path if path.starts_with("header/") && !general::is_header(scene, target, path) => {}
        "header/via" => via::header(scene, target, out),
        "param/via/branch" => via::branch(scene, target, out),
        "param/via/received" | "param/via/rport" => via::received(scene, target, out),
        "part/via/sent-by" => via::sent_by(scene, target, out),
        "param/from/tag" | "param/to/tag" => dialog::tag(scene, target, out),
        "header/call-id" => dialog::call_id(scene, out),
        "header/cseq" => dialog::cseq(scene, out),
        "part/cseq/method" => dialog::cseq_method(scene, out),
        "header/contact" => routing::contact(scene, target, out),
        "header/record-route" => routing::record_route(scene, target, out),
        "header/route" => routing::route(scene, target, out),
        "header/max-forwards" => routing::max_forwards(scene, out),
        "start/request-uri" => routing::request_uri(scene, out),
        "header/authorization" | "header/proxy-authorization" => {
            auth::credentials(scene, target, out)
        }
        "header/www-authenticate" | "header/proxy-authenticate" => {
            auth::challenge(scene, target, out)
        }
        "param/authorization/response" | "param/proxy-authorization/response" => {
            auth::response(scene, target, out)
        }
        "param/authorization/nonce" | "param/proxy-authorization/nonce" => {
            auth::nonce(scene, target, out)
        }
        "sdp-line/c" => sdp::connection(scene, target, out),
        "sdp-line/m" => sdp::media(scene, target, out),
        "sdp-line/o" => sdp::origin(scene, target, out),
        "part/m/formats" => sdp::numbers(scene, target, out),
        "sdp-attribute/fmtp" | "part/fmtp/parameters" => sdp::settings(scene, target, out),
        path if path.starts_with("method/") => start::method(scene, target, out),
        path if path.starts_with("status/") => start::status(scene, target, out),
        path => general::any(scene, target, path, out),
    }
    here.about();
    here
}

/// The paragraph about a part of a packet above the message: what holds always.
pub(super) fn of_packet(entry: &Entry) -> Here<'_> {
    let mut here = Here::new(entry);
    here.about();
    here
}

/// Where a part of a packet stands, for experts.
pub(super) fn place_in_packet(target: Target, here: &mut Here<'_>) {
    let entry = catalogue().get("common/packet");
    if let Some(template) = entry.and_then(|entry| entry.here.get("octets")) {
        let id = "common/packet#octets".to_owned();
        here.push(id, template, &octets_of(target));
    }
}

/// Number of octets and the first of them.
fn octets_of(target: Target) -> [(&'static str, Place); 2] {
    let octets = u64::from(target.span.end.saturating_sub(target.span.start));
    [
        ("first", Place::Number(u64::from(target.span.start))),
        ("n", Place::Number(octets)),
    ]
}

/// What only experts want to know.
pub(super) fn for_experts(target: Target, here: &mut Here<'_>) {
    here.say("octets", &octets_of(target));
    if let Some(grammar) = super::catalogue::grammar(here.entry.base()) {
        here.say("grammar", &[("value", Place::Words(grammar))]);
    }
    let rules = catalogue().get("common/rules");
    if let Some(rule) = here.rule
        && let Some(template) = rules.and_then(|entry| entry.here.get(rule))
    {
        here.push(format!("common/rules#{rule}"), template, &[]);
    }
}

fn value(text: impl Into<String>) -> Place {
    Place::Value(text.into())
}

fn words(text: impl Into<String>) -> Place {
    Place::Words(text.into())
}

fn frame(scene: &Scene<'_>, id: MessageId) -> Place {
    Place::Frame(scene.link(id))
}

fn who(who: Who) -> Place {
    Place::Who(who)
}

/// Milliseconds between two messages, in words; tenths where there are few.
fn ms_between(scene: &Scene<'_>, earlier: MessageId, later: MessageId) -> Option<Place> {
    let (a, b) = (scene.row_of(earlier)?.time, scene.row_of(later)?.time);
    let nanos = u64::try_from(b.checked_sub(a)?).ok()?;
    let tenths = nanos.checked_add(50_000)? / 100_000;
    let tenths_of_seconds = tenths.checked_add(500)? / 1000;
    Some(words(match (nanos, tenths) {
        (1.., 0) => "less than 0.1 ms".to_owned(),
        (_, ..100) => format!("{}.{} ms", tenths / 10, tenths % 10),
        (_, 100..9995) => format!("{} ms", nanos.checked_add(500_000)? / 1_000_000),
        _ if tenths_of_seconds < 600 => {
            format!("{}.{} s", tenths_of_seconds / 10, tenths_of_seconds % 10)
        }
        _ => {
            let seconds = nanos.checked_add(500_000_000)? / 1_000_000_000;
            format!("{} min {:02} s", seconds / 60, seconds % 60)
        }
    }))
}
