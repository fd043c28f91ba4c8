//! FreeSWITCH and everything else on Sofia-SIP: `sofia global siptrace on`.

use super::super::marks::{Context, Facts, Mark, group, place_with};
use super::super::stamp;
use super::{find, patterns};
use crate::packet::Transport;
use crate::packet::trace::Direction;
use crate::source::TextFormat;

patterns! {
    TRACE = r"\b(send|recv) \d+ bytes (?:to|from) ([A-Za-z]+)/\[([^\]\s]+)\]:(\d+) at ((?:\d{4}-\d\d-\d\d[ T])?\d\d:\d\d:\d\d\.\d+(?:Z|[+-]\d\d:?\d\d)?)";
    DASHES = r"^\s*-{50,}\s*$";
}

pub(super) fn read(line: &[u8], _: &mut Context) -> Option<Mark> {
    if let Some(found) = find(&TRACE, line) {
        let direction = match group(&found, 1)? {
            b"recv" => Direction::In,
            _ => Direction::Out,
        };
        let facts = Facts::new(TextFormat::FreeSwitch)
            .at(stamp::find(group(&found, 5)?))
            .peer(direction, place_with(group(&found, 3), group(&found, 4)))
            .over(Transport::named(group(&found, 2)?));
        return Some(Mark::Begin(facts, line.len()));
    }
    find(&DASHES, line).map(|_| Mark::End)
}
