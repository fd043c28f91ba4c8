//! Asterisk: `sip set debug on` (chan_sip) and `pjsip set logger on`.

use super::super::marks::{Context, Facts, Mark, group, place, stamp_before};
use super::{find, patterns};
use crate::packet::trace::{Direction, Named};
use crate::source::TextFormat;

patterns! {
    PJSIP = r"<--- (Received|Transmitting) SIP (?:request|response) \(\d+ bytes\) (?:from|to) ([A-Za-z]+):(\S+) --->";
    READ = r"<--- SIP read from (?:([A-Za-z]+):)?(\S+) --->";
    SENT = r"(?:<--- )?(?:Reliably Transmitting|Transmitting|Retransmitting #\d+) \((?:no )?NAT\) to (\S+?)(?: --->|:?\s*$)";
    END = r"^\s*(?:<-{6,}>|---|--- \(\d+ headers,? \d+ lines\).*---)\s*$";
}

pub(super) fn read(line: &[u8], _: &mut Context) -> Option<Mark> {
    if let Some(found) = find(&PJSIP, line) {
        let direction = match group(&found, 1)? {
            b"Received" => Direction::In,
            _ => Direction::Out,
        };
        let facts = Facts::new(TextFormat::AsteriskPjsip)
            .at(stamp_before(line, &found))
            .peer(direction, place(group(&found, 3)?))
            .over(Named::of(group(&found, 2)?));
        return Some(Mark::Begin(facts, line.len()));
    }
    if let Some(found) = find(&READ, line) {
        let facts = Facts::new(TextFormat::AsteriskChanSip)
            .at(stamp_before(line, &found))
            .peer(Direction::In, place(group(&found, 2)?))
            .over(group(&found, 1).and_then(Named::of));
        return Some(Mark::Begin(facts, line.len()));
    }
    if let Some(found) = find(&SENT, line) {
        let facts = Facts::new(TextFormat::AsteriskChanSip)
            .at(stamp_before(line, &found))
            .peer(Direction::Out, place(group(&found, 1)?));
        return Some(Mark::Begin(facts, line.len()));
    }
    find(&END, line).map(|_| Mark::End)
}
