//! PJSIP's own log (pjsua and whatever is built on it), and belle-sip's (linphone).

use super::super::marks::{Context, Facts, Mark, group, place, stamp_before};
use super::{find, patterns};
use crate::packet::Transport;
use crate::packet::trace::Direction;
use crate::source::TextFormat;

patterns! {
    PJSUA = r"\b(TX|RX) \d+ bytes (?:Request|Response) msg \S+ \([^)]*\) (?:to|from) ([A-Za-z]+) (\S+?):?\s*$";
    PJSUA_END = r"--end msg--";
    BELLE = r"channel \[[^\]]*\]: (message sent to|received \[\d+\] (?:new )?bytes from) \[([A-Za-z]+)://([^\]\s]+?)(?::(\d+))?\](?:,? size: \[\d+\] bytes)?:?";
}

pub(super) fn read(line: &[u8], _: &mut Context) -> Option<Mark> {
    if let Some(found) = find(&PJSUA, line) {
        let direction = match group(&found, 1)? {
            b"RX" => Direction::In,
            _ => Direction::Out,
        };
        let facts = Facts::new(TextFormat::Pjsua)
            .at(stamp_before(line, &found))
            .peer(direction, place(group(&found, 3)?))
            .over(Transport::named(group(&found, 2)?));
        return Some(Mark::Begin(facts, line.len()));
    }
    if let Some(found) = find(&BELLE, line) {
        let direction = if group(&found, 1)?.starts_with(b"received") {
            Direction::In
        } else {
            Direction::Out
        };
        let mut peer = place(group(&found, 3)?);
        if let (Some(peer), Some(port)) = (&mut peer, group(&found, 4)) {
            peer.port = std::str::from_utf8(port).ok().and_then(|p| p.parse().ok());
        }
        let facts = Facts::new(TextFormat::Linphone)
            .at(stamp_before(line, &found))
            .peer(direction, peer)
            .over(Transport::named(group(&found, 2)?));
        let end = found.get(0).map_or(line.len(), |m| m.end());
        return Some(Mark::Begin(facts, end));
    }
    find(&PJSUA_END, line).map(|_| Mark::End)
}
