//! Avaya `traceSM`: time and an arrow, the two ends on the next lines, dashes, the message.

use super::super::marks::{Context, Facts, Mark, group, place_and_port, place_with};
use super::super::stamp;
use super::{find, patterns};
use crate::packet::Transport;
use crate::packet::trace::{Direction, Place};
use crate::source::TextFormat;

patterns! {
    TIME = r"^\s*(\d\d/\d\d/\d{4} \d\d:\d\d:\d\d(?:[.,]\d+)?) *(-->|<--)\s*$";
    ENDS = r"^\s*(ingress|egress): ?\{ ?L([^\s/]+(?:/\d+)?)/R([^\s/]+(?:/\d+)?)/([A-Za-z]+)";
    NOISE = r"^(?:octets: \d+|-{20})";
}

pub(super) fn read(line: &[u8], context: &mut Context) -> Option<Mark> {
    if let Some(found) = find(&TIME, line) {
        context.dashed = stamp::find(group(&found, 1)?);
        context.ends = false;
        return Some(Mark::End);
    }
    if let Some(found) = find(&ENDS, line) {
        // A message that is passed on names both its ways; it was logged on the first.
        if std::mem::replace(&mut context.ends, true) {
            return Some(Mark::Noise);
        }
        let direction = match group(&found, 1)? {
            b"ingress" => Direction::In,
            _ => Direction::Out,
        };
        let facts = Facts::new(TextFormat::Avaya)
            .at(context.dashed.take())
            .peer(direction, end(group(&found, 3)?))
            .own(end(group(&found, 2)?))
            .over(Transport::named(group(&found, 4)?));
        return Some(Mark::Begin(facts, line.len()));
    }
    // Dashes stand on both sides of the message.
    find(&NOISE, line).map(|found| match found.get(0).map(|m| m.as_bytes()) {
        Some(b"--------------------") => {
            context.ends = false;
            Mark::End
        }
        _ => Mark::Noise,
    })
}

/// One end: `ip:port` or `ip/port`.
fn end(text: &[u8]) -> Option<Place> {
    match memchr::memrchr(b'/', text) {
        Some(at) => place_with(text.get(..at), text.get(at + 1..)),
        None => place_and_port(text),
    }
}
