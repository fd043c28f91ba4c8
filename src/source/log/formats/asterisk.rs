//! Asterisk: `sip set debug on` (chan_sip) and `pjsip set logger on`.

use super::super::marks::{Context, Facts, Mark, group, place, stamp_before};
use super::super::stamp;
use super::{find, patterns};
use crate::packet::Transport;
use crate::packet::trace::Direction;
use crate::source::TextFormat;

patterns! {
    PJSIP = r"<--- (Received|Transmitting) SIP (?:request|response) \(\d+ bytes\) (?:from|to) ([A-Za-z]+):(\S+) --->";
    READ = r"<--- SIP read from (?:([A-Za-z]+):)?(\S+) --->";
    SENT = r"(?:<--- )?(?:Reliably Transmitting|Transmitting|Retransmitting #\d+) \((?:no )?NAT\) to (\S+?)(?: --->|:?\s*$)";
    /// A log line without text: the message begins with a line end.
    BARE = r"^\[([^\]]*\d\d:\d\d:\d\d[^\]]*)\](?: [A-Z]+\[\d+\](?:\[C-[0-9A-Fa-f]+\])? [A-Za-z0-9_./-]+: ?)?\s*$";
    END = r"^\s*(?:<-{6,}>|---|--- \(\d+ headers,? \d+ lines\).*---)\s*$";
}

pub(super) fn read(line: &[u8], context: &mut Context) -> Option<Mark> {
    if let Some(found) = find(&BARE, line) {
        context.bare = stamp::find(group(&found, 1)?);
        return context.bare.map(|_| Mark::End);
    }
    if let Some(found) = find(&PJSIP, line) {
        let (own, bare) = (stamp_before(line, &found), context.bare.take());
        let direction = match group(&found, 1)? {
            b"Received" => Direction::In,
            _ => Direction::Out,
        };
        let facts = Facts::new(TextFormat::AsteriskPjsip)
            .at(own.or(bare))
            .peer(direction, place(group(&found, 3)?))
            .over(Transport::named(group(&found, 2)?));
        return Some(Mark::Begin(facts, line.len()));
    }
    if let Some(found) = find(&READ, line) {
        let (own, bare) = (stamp_before(line, &found), context.bare.take());
        let facts = Facts::new(TextFormat::AsteriskChanSip)
            .at(own.or(bare))
            .peer(Direction::In, place(group(&found, 2)?))
            .over(group(&found, 1).and_then(Transport::named));
        return Some(Mark::Begin(facts, line.len()));
    }
    if let Some(found) = find(&SENT, line) {
        let (own, bare) = (stamp_before(line, &found), context.bare.take());
        let facts = Facts::new(TextFormat::AsteriskChanSip)
            .at(own.or(bare))
            .peer(Direction::Out, place(group(&found, 1)?));
        return Some(Mark::Begin(facts, line.len()));
    }
    if find(&END, line).is_some() {
        context.bare = None;
        return Some(Mark::End);
    }
    None
}
