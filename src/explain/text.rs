//! Sentences with named places: whole sentences are chosen, never built from fragments.

use super::FrameLink;
use super::catalogue::catalogue;
use super::who::Who;

/// Of longer values only the start is quoted.
const LONGEST_VALUE: usize = 160;
/// Of longer lists of frames the rest is counted.
const LONGEST_LIST: usize = 6;

/// What fills a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A value from the capture.
    Value(String),
    /// A participant.
    Who(Who),
    /// A message.
    Frame(FrameLink),
    /// Several messages.
    Frames(Vec<FrameLink>),
    /// A number.
    Number(u64),
    /// Several values.
    List(Vec<String>),
    /// The name of a message, of a method, of a header.
    Words(String),
}

/// A part of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Words.
    Text(String),
    /// A value, to be set apart.
    Value(String),
    /// The number of a frame, a link to its message.
    Frame(FrameLink),
}

/// One sentence, filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// Topic and name of the sentence in the catalogue.
    pub id: String,
    /// Its parts in order.
    pub pieces: Vec<Piece>,
    /// What it claims: the places with what they were filled with.
    pub places: Vec<(&'static str, Place)>,
}

impl Sentence {
    /// What fills a place.
    pub fn place(&self, name: &str) -> Option<&Place> {
        self.places.iter().find(|(n, _)| *n == name).map(|(_, p)| p)
    }
}

/// Fills the places of a template. Places without a value stay as they are, which a test forbids.
pub(super) fn fill(template: &str, places: &[(&'static str, Place)]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '`']) {
        let (before, after) = rest.split_at(at);
        let close = if after.starts_with('{') { '}' } else { '`' };
        let inner = after.get(1..).unwrap_or_default();
        let Some(end) = inner.find(close) else { break };
        push_text(&mut pieces, before);
        let name = inner.get(..end).unwrap_or_default();
        rest = inner.get(end + 1..).unwrap_or_default();
        if close == '`' {
            pieces.push(Piece::Value(name.to_owned()));
            continue;
        }
        match places.iter().find(|(n, _)| *n == name) {
            Some((_, place)) => push_place(&mut pieces, place),
            None => push_text(&mut pieces, &format!("{{{name}}}")),
        }
    }
    push_text(&mut pieces, rest);
    // What somebody is called is a value: it stands as it was written.
    let is_named = places.iter().any(|(name, place)| {
        matches!(place, Place::Who(Who::Named { .. } | Who::Again(_)))
            && template.starts_with(&format!("{{{name}}}"))
    });
    if let Some(Piece::Text(first)) = pieces.first_mut().filter(|_| !is_named) {
        *first = capital(first);
    }
    pieces
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if text.is_empty() {
        return;
    }
    match pieces.last_mut() {
        Some(Piece::Text(last)) => last.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}

fn push_place(pieces: &mut Vec<Piece>, place: &Place) {
    match place {
        Place::Value(value) => pieces.push(Piece::Value(shortened(value))),
        Place::Words(words) => push_text(pieces, &shortened(words)),
        Place::Number(number) => push_text(pieces, &number.to_string()),
        Place::Who(who) => push_text(pieces, &shortened(&who.words())),
        Place::Frame(link) => pieces.push(Piece::Frame(*link)),
        Place::Frames(links) => {
            let items: Vec<Piece> = links.iter().map(|link| Piece::Frame(*link)).collect();
            push_list(pieces, items);
        }
        Place::List(values) => {
            let items = values.iter().map(|v| Piece::Value(shortened(v))).collect();
            push_list(pieces, items);
        }
    }
}

/// Joins by the rules of the language: `a, b and c`, `a, b, c and 12 more`.
fn push_list(pieces: &mut Vec<Piece>, items: Vec<Piece>) {
    let words = &catalogue().joining;
    let total = items.len();
    let shown = if total > LONGEST_LIST + 1 {
        LONGEST_LIST
    } else {
        total
    };
    for (at, item) in items.into_iter().take(shown).enumerate() {
        if at > 0 {
            let last = at + 1 == shown && shown == total;
            push_text(pieces, if last { &words.and } else { &words.comma });
        }
        pieces.push(item);
    }
    if shown < total {
        let more = words.more.replace("{n}", &(total - shown).to_string());
        push_text(pieces, &more);
    }
}

/// The start of a long value; control characters must not reach a terminal or break a line.
fn shortened(value: &str) -> String {
    let visible = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut short: String = value.chars().take(LONGEST_VALUE).map(visible).collect();
    if value.chars().nth(LONGEST_VALUE).is_some() {
        short.push('…');
    }
    short
}

/// Sentences as text.
pub(super) fn join(sentences: &[Sentence]) -> String {
    let mut out = String::new();
    for sentence in sentences {
        if !out.is_empty() {
            out.push(' ');
        }
        for piece in &sentence.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Value(value) => {
                    out.push('`');
                    out.push_str(value);
                    out.push('`');
                }
                Piece::Frame(link) => out.push_str(&link.frame.to_string()),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::ids::MessageId;

    fn link(frame: u32) -> FrameLink {
        FrameLink {
            frame,
            message: MessageId::at(frame as usize),
        }
    }

    #[track_caller]
    fn check(template: &str, places: &[(&'static str, Place)], expected: &str) {
        let pieces = fill(template, places);
        let sentence = Sentence {
            id: String::new(),
            pieces,
            places: Vec::new(),
        };
        assert_eq!(join(&[sentence]), expected);
    }

    #[test]
    fn places_are_filled_and_lists_joined() {
        let frames = |n: u32| Place::Frames((1..=n).map(link).collect());
        check("no place", &[], "No place");
        check(
            "{value} is here",
            &[("value", Place::Value("a{b}".into()))],
            "`a{b}` is here",
        );
        check("See {list}.", &[("list", frames(1))], "See 1.");
        check("See {list}.", &[("list", frames(3))], "See 1, 2 and 3.");
        check(
            "See {list}.",
            &[("list", frames(9))],
            "See 1, 2, 3, 4, 5, 6 and 3 more.",
        );
        check("`lr` of {x", &[], "`lr` of {x");
    }

    #[test]
    fn long_and_odd_values_stay_in_their_line() {
        let value = Place::Value("a\r\nb".into());
        check("{value}", &[("value", value)], "`a\u{fffd}\u{fffd}b`");
        let long = fill("{v}", &[("v", Place::Value("x".repeat(500)))]);
        assert!(matches!(long.as_slice(), [Piece::Value(v)] if v.chars().count() == 161));
    }
}
