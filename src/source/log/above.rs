//! What the lines right above a message say of it, in logs of no known format: most write a line with
//! the time, and whom the message comes from or goes to, and then the message.

use std::collections::VecDeque;
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::marks::{Facts, group, place_with, regex};
use super::{stamp, start};
use crate::packet::Transport;
use crate::packet::trace::Direction;

/// Lines looked at.
const MOST_LINES: usize = 3;
/// Octets of a line that are kept.
const MOST_OCTETS: usize = 240;

static PEER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(concat!(
        r"(?i)\b(?:(sen[dt]|sending|transmit(?:s|ted|ting)?|outgoing|tx)|",
        r"(recv|recvd|receiv(?:e|ed|es|ing)|incoming|rx|got))\b[^<>]{0,100}?\b(to|from):? *",
        r"(?:(udp|tcp|tls|wss?|sctp)[46]?(?: |/|:(?://)?))?",
        r"(?:\[([0-9a-f:.]+)\]|(\d{1,3}(?:\.\d{1,3}){3}))[:/](\d{1,5})\b",
    ))
});

/// The newest lines that say something.
#[derive(Debug, Default)]
pub(super) struct Above {
    lines: VecDeque<(u64, Vec<u8>)>,
}

impl Above {
    /// Takes a line.
    pub fn push(&mut self, number: u64, line: &[u8]) {
        let text = line.trim_ascii();
        // Lines of dashes and the like frame what follows.
        if !text.iter().take(MOST_OCTETS).any(u8::is_ascii_alphanumeric) {
            return;
        }
        let mut kept = match self.lines.len() {
            MOST_LINES => self.lines.pop_front().map(|(_, line)| line),
            _ => None,
        }
        .unwrap_or_default();
        kept.clear();
        kept.extend_from_slice(text.get(..MOST_OCTETS).unwrap_or(text));
        self.lines.push_back((number, kept));
    }

    /// Adds to what is known of a message whose start line is this one.
    pub fn tell(&self, number: u64, mut facts: Facts) -> Facts {
        let mut from = number;
        for (at, line) in self.lines.iter().rev() {
            // What stands farther off is about something else, and so is what belongs to a message.
            if at + 3 < from || is_of_a_message(line) {
                break;
            }
            from = *at;
            facts.stamp = facts.stamp.or_else(|| stamp::find(line));
            if facts.direction.is_none() {
                facts = peer(line, facts);
            }
        }
        facts
    }
}

fn is_of_a_message(line: &[u8]) -> bool {
    start::header(line).is_some_and(|h| h.known && h.tight)
        || matches!(line, [b'a'..=b'z', b'=', ..])
        || start::find(line, false).is_some()
}

fn peer(line: &[u8], facts: Facts) -> Facts {
    let Some(found) = PEER.as_ref().and_then(|peer| peer.captures(line)) else {
        return facts;
    };
    let sent = group(&found, 1).is_some();
    let fits = group(&found, 3).is_some_and(|word| word.eq_ignore_ascii_case(b"to") == sent);
    if !fits {
        return facts;
    }
    let direction = if sent { Direction::Out } else { Direction::In };
    let host = group(&found, 5).or_else(|| group(&found, 6));
    let over = group(&found, 4).and_then(Transport::named);
    facts
        .peer(direction, place_with(host, group(&found, 7)))
        .over(over)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::source::TextFormat;

    #[test]
    fn lines_above_a_message_tell_when_and_with_whom() {
        let told = |lines: &[&str]| {
            let mut above = Above::default();
            for (number, line) in (1..).zip(lines) {
                above.push(number, line.as_bytes());
            }
            let facts = above.tell(lines.len() as u64 + 1, Facts::new(TextFormat::Plain));
            let end = |place: Option<_>| {
                place
                    .map(|p: crate::packet::trace::Place| format!("{}:{}", p.host, p.port.unwrap()))
            };
            (
                facts.stamp.is_some(),
                end(facts.src),
                end(facts.dst),
                facts.transport,
            )
        };
        let peer = Some("192.0.2.7:5060".to_owned());
        assert_eq!(
            told(&[
                "20240305140709.120 <sip:INFO> received 812 bytes SIP message from 192.0.2.7:5060",
                "-----"
            ]),
            (true, peer.clone(), None, None)
        );
        assert_eq!(
            told(&[
                "+++ 5-3-2024 14:07:09.120 INFO",
                "Send to: udp:192.0.2.7:5060"
            ]),
            (true, None, peer.clone(), Some(Transport::Udp))
        );
        // Lines of the message before say nothing of this one.
        assert_eq!(
            told(&[
                "12:00:01 received from 192.0.2.7:5060",
                "Date: Tue, 05 Mar 2024 14:07:09 GMT",
                ""
            ]),
            (false, None, None, None)
        );
        assert_eq!(
            told(&["12:00:01 x", "", "", "", "", ""]),
            (false, None, None, None)
        );
    }
}
