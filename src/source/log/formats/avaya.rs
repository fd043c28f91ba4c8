//! Avaya `traceSM`: time and an arrow, the two ends on the next lines, dashes, the message.

use super::super::marks::{Context, Facts, Mark, group, place_with};
use super::super::stamp;
use super::{find, patterns};
use crate::packet::trace::{Direction, Named};
use crate::source::TextFormat;

patterns! {
    TIME = r"^(\d\d/\d\d/\d{4} \d\d:\d\d:\d\d\.\d+) (-->|<--)";
    ENDS = r"^(ingress|egress): \{ ?L([^:/]+)[:/](\d+)/R([^:/]+)[:/](\d+)/([A-Z]+)";
    NOISE = r"^(?:octets: \d+|-{20})";
}

pub(super) fn read(line: &[u8], context: &mut Context) -> Option<Mark> {
    if let Some(found) = find(&TIME, line) {
        context.dashed = stamp::find(group(&found, 1)?);
        return Some(Mark::End);
    }
    if let Some(found) = find(&ENDS, line) {
        let direction = match group(&found, 1)? {
            b"ingress" => Direction::In,
            _ => Direction::Out,
        };
        let facts = Facts::new(TextFormat::Avaya)
            .at(context.dashed.take())
            .peer(direction, place_with(group(&found, 4), group(&found, 5)))
            .own(place_with(group(&found, 2), group(&found, 3)))
            .over(Named::of(group(&found, 6)?));
        return Some(Mark::Begin(facts, line.len()));
    }
    // Dashes stand on both sides of the message.
    find(&NOISE, line).map(|found| match found.get(0).map(|m| m.as_bytes()) {
        Some(b"--------------------") => Mark::End,
        _ => Mark::Noise,
    })
}
