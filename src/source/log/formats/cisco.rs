//! Cisco: IOS `debug ccsip messages`, IOS XE `show voip trace`, Unified CM SDL and SDI traces.

use super::super::marks::{Context, Facts, Mark, group, place, place_with};
use super::super::stamp::{self, Stamp};
use super::{find, patterns};
use crate::packet::Transport;
use crate::packet::trace::{Direction, TimeKind};
use crate::source::TextFormat;

patterns! {
    DISPLAY = r"(?:SIP[ /]Msg)?[:/]? ?ccsipDisplayMsg: ?(?:(Sent|Received):?)?";
    WAY = r"^\s*(?:\d+: )?(Sent|Received): *(?:SIP ([A-Za-z]+) message from (\S+) to (\S+))?\s*$";
    ADDRESSES = r"^\s*SIP ([A-Z]+) message from (\S+) to (\S+)\s*$";
    CALL_MANAGER = r"(Incoming|Outgoing) SIP ([A-Z]+) message (?:size \d+ )?(?:from|to) ([^\s:]+|\[[^\]]+\])(?: on port (\d+)|:\[?(\d+)\]?)?";
    NOISE = r"^\s*\[\d+,NET\]\s*$";
    SDL = r"^(?:\d{8}\.\d{3} \||\|[A-Za-z]+=)";
}

/// Time in front of `ccsipDisplayMsg`: a date, or the uptime of the router.
fn time(head: &[u8]) -> Option<Stamp> {
    match stamp::find(head) {
        Some(stamp) if stamp.kind != TimeKind::TimeOnly => Some(stamp),
        // `00:11:29` counts from the start of the router.
        Some(stamp) => Some(Stamp {
            kind: TimeKind::Uptime,
            ..stamp
        }),
        None => stamp::uptime(head),
    }
}

pub(super) fn read(line: &[u8], context: &mut Context) -> Option<Mark> {
    if let Some(found) = find(&DISPLAY, line) {
        let head = line.get(..found.get(0)?.start())?;
        let trace = head.trim_ascii_start();
        let numbered = trace.iter().take_while(|b| b.is_ascii_digit()).count();
        let from_trace =
            numbered > 0 && trace.get(numbered..).is_some_and(|r| r.starts_with(b": "));
        let format = if from_trace {
            TextFormat::CiscoIosXe
        } else {
            TextFormat::CiscoIos
        };
        let mut facts = Facts::new(format).at(time(head));
        facts.direction = group(&found, 1).map(way);
        context.cisco = true;
        return Some(Mark::Begin(facts, line.len()));
    }
    if context.cisco {
        if let Some(found) = find(&WAY, line) {
            let facts = ends(way(group(&found, 1)?), &found, 2);
            return Some(Mark::More(facts));
        }
        if let Some(found) = find(&ADDRESSES, line) {
            let mut facts = ends(Direction::In, &found, 1);
            facts.direction = None;
            return Some(Mark::More(facts));
        }
    }
    if let Some(found) = find(&CALL_MANAGER, line) {
        let direction = match group(&found, 1)? {
            b"Incoming" => Direction::In,
            _ => Direction::Out,
        };
        let port = group(&found, 4).or_else(|| group(&found, 5));
        let facts = Facts::new(TextFormat::Cucm)
            .at(stamp::find(line))
            .peer(direction, place_with(group(&found, 3), port))
            .over(Transport::named(group(&found, 2)?));
        return Some(Mark::Begin(facts, line.len()));
    }
    if find(&NOISE, line).is_some() {
        return Some(Mark::Noise);
    }
    find(&SDL, line).map(|_| Mark::End)
}

fn way(word: &[u8]) -> Direction {
    match word {
        b"Sent" => Direction::Out,
        _ => Direction::In,
    }
}

fn ends(direction: Direction, found: &regex::bytes::Captures<'_>, at: usize) -> Facts {
    let mut facts = Facts::new(TextFormat::CiscoIos);
    facts.direction = Some(direction);
    facts.transport = group(found, at).and_then(Transport::named);
    facts.src = group(found, at + 1).and_then(place);
    facts.dst = group(found, at + 2).and_then(place);
    facts
}
