//! AudioCodes gateways: syslog, one datagram a line, `#012` for its line ends.

use super::super::marks::{Context, Facts, Mark, group, place};
use super::{find, patterns};
use crate::packet::trace::{Direction, Named};
use crate::source::TextFormat;

patterns! {
    MESSAGE = r"---- (Incoming|Outgoing) SIP Message (?:from|to) (\S+) (?:from|to) SIPInterface #\d+ (?:\([^)]*\) )?([A-Za-z]+)\b.*----";
    OTHER = r"^\s*(?:<\d+>)?\[S=\d+\]|^\s*\(N +\d+\)";
}

pub(super) fn read(line: &[u8], _: &mut Context) -> Option<Mark> {
    if let Some(found) = find(&MESSAGE, line) {
        let direction = match group(&found, 1)? {
            b"Incoming" => Direction::In,
            _ => Direction::Out,
        };
        let facts = Facts::new(TextFormat::AudioCodes)
            .peer(direction, place(group(&found, 2)?))
            .over(Named::of(group(&found, 3)?));
        return Some(Mark::Begin(facts, line.len()));
    }
    find(&OTHER, line).map(|_| Mark::End)
}
