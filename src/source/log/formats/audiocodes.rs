//! AudioCodes gateways: syslog, one datagram a line, `#012` for its line ends.

use super::super::marks::{Context, Facts, Mark, group, place};
use super::super::stamp;
use super::{find, patterns};
use crate::packet::Transport;
use crate::packet::trace::Direction;
use crate::source::TextFormat;

patterns! {
    MESSAGE = r"---- (Incoming|Outgoing) SIP Message (?:from|to) (\S+) (?:from|to) SIPInterface #\d+ (?:\([^)]*\) )?([A-Za-z]+)\b.*----";
    /// The clock of the device; it ends a datagram.
    TIME = r"\s*\[Time:([0-9@:.-]+)\]\s*$";
    OTHER = r"^\s*(?:<\d+>)?\[S=\d+\]|^\s*\(N +\d+\)";
}

pub(super) fn read(line: &[u8], _: &mut Context) -> Option<Mark> {
    if let Some(found) = find(&MESSAGE, line) {
        let direction = match group(&found, 1)? {
            b"Incoming" => Direction::In,
            _ => Direction::Out,
        };
        // Syslog servers and old firmware write a time in front; no digits behind it count.
        let start = found.get(0).map_or(0, |m| m.start());
        let head = line.get(..start)?;
        let head = head.get(..memchr::memmem::find(head, b"[S").unwrap_or(start))?;
        let facts = Facts::new(TextFormat::AudioCodes)
            .at(time(line)
                .map(|(stamp, _)| stamp)
                .or_else(|| stamp::find(head)))
            .peer(direction, place(group(&found, 2)?))
            .over(Transport::named(group(&found, 3)?));
        return Some(Mark::Begin(facts, line.len()));
    }
    if find(&OTHER, line).is_some() {
        return Some(Mark::End);
    }
    time(line).map(|(stamp, at)| Mark::Late(stamp, at))
}

/// The time at the end of a line, and where it begins.
fn time(line: &[u8]) -> Option<(stamp::Stamp, usize)> {
    let found = find(&TIME, line)?;
    let stamp = stamp::day_month(group(&found, 1)?)?;
    Some((stamp, found.get(0)?.start()))
}
