//! Explanations: what a part of a message is, and what it is *here*, in this capture.
//!
//! The words are data in `assets/explain/<language>`; [`mod@catalogue`] holds them. What is true of a
//! capture is found in Rust: [`explain()`] looks at the message, at the index and at the bytes
//! of related messages, chooses whole sentences and fills their named places. Nothing is said
//! that the capture does not show: a sentence whose facts are missing is left out.

pub mod catalogue;
pub mod hops;
pub mod scene;
mod tell;
mod text;
pub mod who;

use serde::{Deserialize, Serialize};

use crate::index::ids::MessageId;
use crate::span::Span;
pub use catalogue::{Topic, catalogue};
pub use scene::Scene;
pub use text::{Piece, Place, Sentence};

/// How much is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Depth {
    /// The glance and two sentences.
    Beginner,
    /// Everything but the last.
    #[default]
    Normal,
    /// Also the grammar, the octets and the rule of the match.
    Expert,
}

/// What is to be explained: a node of the header tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// What it is.
    pub topic: Topic,
    /// Its octets in the message.
    pub span: Span,
}

/// A message that a sentence points at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameLink {
    /// Number of the packet in which it ends.
    pub frame: u32,
    /// The message.
    pub message: MessageId,
}

/// An explanation in its four parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// One line, at most 90 characters.
    pub glance: String,
    /// What it is in this capture, then in general; whole sentences.
    pub here: Vec<Sentence>,
    /// Common mistakes and surprises.
    pub watch_out: Vec<String>,
    /// RFC and section.
    pub source: String,
}

impl Explanation {
    /// The paragraph as text; values stand between backticks.
    pub fn here_text(&self) -> String {
        text::join(&self.here)
    }

    /// The pieces of the paragraph in order, with a blank between sentences.
    pub fn pieces(&self) -> impl Iterator<Item = Piece> + '_ {
        self.here.iter().enumerate().flat_map(|(at, sentence)| {
            let blank = (at > 0).then(|| Piece::Text(" ".to_owned()));
            blank.into_iter().chain(sentence.pieces.iter().cloned())
        })
    }

    /// Warnings as one text.
    pub fn watch_out_text(&self) -> String {
        self.watch_out.join(" ")
    }
}

/// Explains a part of a packet above the message, of which the capture around it says nothing more.
/// Its place is in the packet.
pub fn explain_layer(target: Target, depth: Depth) -> Option<Explanation> {
    let entry = catalogue().entry(target.topic)?;
    Some(finish(tell::of_packet(entry), target, depth, true))
}

/// Explains a node of the message of `scene`. Reads the bytes of related messages: not for the
/// thread that paints.
pub fn explain(scene: &Scene<'_>, target: Target, depth: Depth) -> Option<Explanation> {
    let entry = catalogue().entry(target.topic)?;
    let here = tell::here(scene, target, entry);
    Some(finish(here, target, depth, false))
}

/// As much of it as is wanted.
fn finish(mut here: tell::Here<'_>, target: Target, depth: Depth, in_packet: bool) -> Explanation {
    let entry = here.entry();
    let watch_out = match depth {
        Depth::Beginner => Vec::new(),
        _ => entry.watch_out.clone(),
    };
    match depth {
        Depth::Beginner => here.sentences.truncate(2),
        Depth::Normal => {}
        Depth::Expert if in_packet => tell::place_in_packet(target, &mut here),
        Depth::Expert => tell::for_experts(target, &mut here),
    }
    Explanation {
        glance: entry.glance.clone(),
        here: here.sentences,
        watch_out,
        source: entry.source.clone(),
    }
}
