//! What a person has changed in a ladder: lanes renamed, hidden, merged, split, moved; folds opened;
//! notes on messages.
//!
//! It belongs to the capture, not to one call: a lane that was named keeps its name in every ladder.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::index::ids::MessageId;

/// Changes of one kind that are kept; a person does not get there.
const MAX_ENTRIES: usize = 1_000;
/// Longest name of a lane, in letters.
const MAX_ALIAS: usize = 60;
/// Longest note, in letters.
pub const MAX_NOTE: usize = 500;

/// A lane: an address, and a port where the address has several lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LaneKey {
    /// IP address.
    pub ip: IpAddr,
    /// Port, where the address is split.
    pub port: Option<u16>,
}

impl std::fmt::Display for LaneKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.port {
            Some(port) => std::net::SocketAddr::new(self.ip, port).fmt(f),
            None => self.ip.fmt(f),
        }
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Gives a lane a name; an empty one takes it back.
    Rename(LaneKey, String),
    /// Leaves a lane out, and the messages that begin or end there.
    Hide(LaneKey),
    /// Shows all lanes again.
    ShowAll,
    /// Draws the first lane as part of the second.
    Merge(LaneKey, LaneKey),
    /// Gives every port of an address a lane of its own.
    Split(IpAddr),
    /// Takes mergers and splits of an address back.
    Join(IpAddr),
    /// Puts lanes in this order; those that are not named keep their places.
    Order(Vec<LaneKey>),
    /// Opens or closes the fold of a message that came again.
    Fold(MessageId),
    /// Opens or closes all folds.
    FoldAll(bool),
    /// Lanes as if nothing had been changed; notes stay.
    Reset,
    /// Puts a note on a message; an empty one takes it away.
    Note(MessageId, String),
}

/// All changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrangement {
    aliases: BTreeMap<LaneKey, String>,
    hidden: BTreeSet<LaneKey>,
    merged: BTreeMap<LaneKey, LaneKey>,
    split: BTreeSet<IpAddr>,
    order: Vec<LaneKey>,
    open: BTreeSet<MessageId>,
    notes: BTreeMap<MessageId, String>,
    /// Every message has a row of its own.
    pub unfolded: bool,
}

impl Arrangement {
    /// Everything open: one row for each message.
    pub fn unfolded() -> Self {
        Self {
            unfolded: true,
            ..Self::default()
        }
    }

    /// Takes a change in; what is beyond the bounds is left out.
    pub fn apply(&mut self, change: &Change) {
        let room = |len: usize| len < MAX_ENTRIES;
        match change {
            Change::Rename(lane, name) => {
                let name: String = name.trim().chars().take(MAX_ALIAS).collect();
                if name.is_empty() {
                    self.aliases.remove(lane);
                } else if room(self.aliases.len()) {
                    self.aliases.insert(*lane, name);
                }
            }
            Change::Hide(lane) if room(self.hidden.len()) => {
                self.hidden.insert(*lane);
            }
            Change::ShowAll => self.hidden.clear(),
            Change::Merge(lane, into) if room(self.merged.len()) => {
                let into = self.lane_of(*into);
                if into != *lane {
                    self.merged.insert(*lane, into);
                    // Those that were part of this one go along: a way has one step only.
                    for other in self.merged.values_mut().filter(|other| *other == lane) {
                        *other = into;
                    }
                    self.merged.remove(&into);
                }
            }
            Change::Split(ip) if room(self.split.len()) => {
                self.split.insert(*ip);
                self.merged
                    .retain(|from, into| from.ip != *ip && into.ip != *ip);
            }
            Change::Join(ip) => {
                self.split.remove(ip);
                self.merged
                    .retain(|from, into| from.ip != *ip && into.ip != *ip);
            }
            Change::Order(lanes) => {
                self.order = lanes.iter().copied().take(MAX_ENTRIES).collect();
            }
            Change::Fold(message) => {
                if !self.open.remove(message) && room(self.open.len()) {
                    self.open.insert(*message);
                }
            }
            Change::FoldAll(open) => {
                self.unfolded = *open;
                self.open.clear();
            }
            Change::Reset => {
                *self = Self {
                    notes: std::mem::take(&mut self.notes),
                    ..Self::default()
                };
            }
            Change::Note(message, words) => {
                let words: String = words.trim().chars().take(MAX_NOTE).collect();
                let words = words.replace(char::is_control, " ");
                if words.is_empty() {
                    self.notes.remove(message);
                } else if room(self.notes.len()) || self.notes.contains_key(message) {
                    self.notes.insert(*message, words);
                }
            }
            Change::Hide(_) | Change::Merge(..) | Change::Split(_) => {}
        }
    }

    /// The name a person gave a lane.
    pub fn alias(&self, lane: LaneKey) -> Option<&str> {
        self.aliases.get(&lane).map(String::as_str)
    }

    /// The note on a message.
    pub fn note(&self, message: MessageId) -> Option<&str> {
        self.notes.get(&message).map(String::as_str)
    }

    /// All notes, by message.
    pub fn notes(&self) -> impl Iterator<Item = (MessageId, &str)> {
        self.notes.iter().map(|(id, words)| (*id, words.as_str()))
    }

    /// The changes of lanes that lead to this arrangement; folds and notes are not among them.
    pub fn changes(&self) -> Vec<Change> {
        // A split takes mergers back, so it comes first.
        let split = self.split.iter().map(|ip| Change::Split(*ip));
        let merged = self
            .merged
            .iter()
            .map(|(lane, into)| Change::Merge(*lane, *into));
        let hidden = self.hidden.iter().map(|lane| Change::Hide(*lane));
        let names = self
            .aliases
            .iter()
            .map(|(lane, name)| Change::Rename(*lane, name.clone()));
        let order = (!self.order.is_empty()).then(|| Change::Order(self.order.clone()));
        let all = split.chain(merged).chain(hidden).chain(names);
        all.chain(order).collect()
    }

    /// The lane that a lane is drawn as.
    pub fn lane_of(&self, lane: LaneKey) -> LaneKey {
        self.merged.get(&lane).copied().unwrap_or(lane)
    }

    /// Left out.
    pub fn is_hidden(&self, lane: LaneKey) -> bool {
        self.hidden.contains(&lane)
    }

    /// Some lane is left out.
    pub fn hides(&self) -> bool {
        !self.hidden.is_empty()
    }

    /// Split or merged by hand.
    pub fn is_changed(&self, ip: IpAddr) -> bool {
        self.is_split(ip)
            || self
                .merged
                .iter()
                .any(|(from, into)| from.ip == ip || into.ip == ip)
    }

    /// Every port has a lane of its own.
    pub fn is_split(&self, ip: IpAddr) -> bool {
        self.split.contains(&ip)
    }

    /// What came again is shown row by row.
    pub fn is_open(&self, message: MessageId) -> bool {
        self.unfolded != self.open.contains(&message)
    }

    /// Puts lanes in the order a person chose; gives the new place of each.
    pub(super) fn places(&self, lanes: &[LaneKey]) -> Vec<usize> {
        let wish: BTreeMap<LaneKey, usize> = self
            .order
            .iter()
            .enumerate()
            .map(|(at, lane)| (*lane, at))
            .collect();
        let slots: Vec<usize> = (0..lanes.len())
            .filter(|at| lanes.get(*at).is_some_and(|lane| wish.contains_key(lane)))
            .collect();
        let mut chosen = slots.clone();
        chosen.sort_by_key(|at| lanes.get(*at).and_then(|lane| wish.get(lane)));
        let mut places: Vec<usize> = (0..lanes.len()).collect();
        for (slot, lane) in slots.into_iter().zip(chosen) {
            if let Some(place) = places.get_mut(lane) {
                *place = slot;
            }
        }
        places
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn lane(text: &str) -> LaneKey {
        LaneKey {
            ip: text.parse().unwrap(),
            port: None,
        }
    }

    #[test]
    fn lanes_that_are_not_named_keep_their_places() {
        let (a, b, c, d) = (
            lane("192.0.2.1"),
            lane("192.0.2.2"),
            lane("192.0.2.3"),
            lane("192.0.2.4"),
        );
        let mut arrangement = Arrangement::default();
        assert_eq!(arrangement.places(&[a, b, c]), [0, 1, 2]);
        arrangement.apply(&Change::Order(vec![c, a]));
        assert_eq!(arrangement.places(&[a, b, c, d]), [2, 1, 0, 3]);
        assert_eq!(arrangement.places(&[d, b]), [0, 1]);
    }

    #[test]
    fn mergers_make_no_rings() {
        let (a, b, c) = (lane("192.0.2.1"), lane("192.0.2.2"), lane("192.0.2.3"));
        let mut arrangement = Arrangement::default();
        for (from, into) in [(a, b), (b, c), (c, a)] {
            arrangement.apply(&Change::Merge(from, into));
        }
        // The last one asks for what is so already.
        assert_eq!([a, b, c].map(|l| arrangement.lane_of(l)), [c, c, c]);
        arrangement.apply(&Change::Join(c.ip));
        assert_eq!(arrangement, Arrangement::default());
    }

    #[test]
    fn names_are_short_and_can_be_taken_back() {
        let a = lane("192.0.2.1");
        let mut arrangement = Arrangement::default();
        arrangement.apply(&Change::Rename(a, "  Proxy ".repeat(40)));
        assert_eq!(arrangement.alias(a).unwrap().chars().count(), MAX_ALIAS);
        arrangement.apply(&Change::Rename(a, " ".to_owned()));
        assert_eq!(arrangement, Arrangement::default());
    }

    #[test]
    fn an_arrangement_comes_back_from_its_changes() {
        let port = |text: &str, port| LaneKey {
            port: Some(port),
            ..lane(text)
        };
        let (a, b, c) = (lane("192.0.2.1"), lane("192.0.2.2"), lane("2001:db8::1"));
        let mut arrangement = Arrangement::default();
        for change in [
            Change::Split(a.ip),
            Change::Merge(port("192.0.2.1", 5070), b),
            Change::Hide(c),
            Change::Rename(b, "Proxy".to_owned()),
            Change::Order(vec![b, c]),
        ] {
            arrangement.apply(&change);
        }
        let mut again = Arrangement::default();
        for change in arrangement.changes() {
            again.apply(&change);
        }
        assert_eq!(again, arrangement);
    }

    #[test]
    fn notes_outlive_a_reset_of_lanes() {
        let id = MessageId::at(3);
        let mut arrangement = Arrangement::default();
        arrangement.apply(&Change::Note(id, " look\nhere ".to_owned()));
        arrangement.apply(&Change::Hide(lane("192.0.2.1")));
        arrangement.apply(&Change::Reset);
        assert_eq!(arrangement.note(id), Some("look here"));
        assert!(!arrangement.hides());
        arrangement.apply(&Change::Note(id, String::new()));
        assert_eq!(arrangement, Arrangement::default());
    }
}
