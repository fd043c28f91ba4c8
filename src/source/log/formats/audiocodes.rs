//! AudioCodes gateways: syslog, one datagram a line, `#012` for its line ends.

use super::super::marks::{Context, Facts, Mark, group, place};
use super::super::{stamp, start};
use super::{find, patterns};
use crate::packet::Transport;
use crate::packet::trace::Direction;
use crate::source::TextFormat;

patterns! {
    MESSAGE = r"---- (Incoming|Outgoing) SIP Message (?:from|to) (\S+) (?:from|to) SIPInterface #\d+ (?:\([^)]*\) )?([A-Za-z]+)\b.*----";
    /// The clock of the device; it ends a datagram.
    TIME = r"\s*\[Time:([0-9@:.-]+)\]\s*$";
    DATAGRAM = r"^.{0,120}?\[S=(\d{1,18})\](?: ?\[[SB]ID=[^\]]*\])* *(?:\[ ?\.\.\. ?continued ?\] ?)?";
    /// Each entry of the log begins like this; a datagram may hold several.
    ENTRY = r"^\s*\(N +\d+\)|^\s*\(\s*[a-z]+_[a-z]+\)";
}

pub(super) fn read(line: &[u8], context: &mut Context) -> Option<Mark> {
    // Most lines of other logs are sorted out by a look.
    let numbered = memchr::memmem::find(line, b"[S=").is_some();
    let datagram = numbered.then(|| find(&DATAGRAM, line)).flatten();
    let before = context.datagram;
    if let Some(number) = datagram.as_ref().and_then(|found| group(found, 1)) {
        context.datagram = std::str::from_utf8(number)
            .ok()
            .and_then(|n| n.parse().ok());
    }
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
    if find(&ENTRY, line).is_some() {
        return Some(Mark::End);
    }
    if let Some(found) = datagram {
        let at = found.get(0)?.end();
        let text = line.get(at..)?;
        if start::find(text, false).is_some() {
            return None;
        }
        let next = before.and_then(|n| n.checked_add(1)) == context.datagram;
        return match next && find(&ENTRY, text).is_none() {
            true => Some(Mark::Continued(at)),
            false => Some(Mark::End),
        };
    }
    time(line).map(|(stamp, at)| Mark::Late(stamp, at))
}

/// The time at the end of a line, and where it begins.
fn time(line: &[u8]) -> Option<(stamp::Stamp, usize)> {
    let found = find(&TIME, line)?;
    let stamp = stamp::day_month(group(&found, 1)?)?;
    Some((stamp, found.get(0)?.start()))
}
