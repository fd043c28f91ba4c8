//! Oracle (Acme Packet) session border controllers: `sipmsg.log`; Ribbon (Sonus): `RAW PDU`.

use super::super::marks::{Context, Facts, Mark, group, place_and_port};
use super::super::stamp;
use super::{find, patterns};
use crate::packet::trace::Direction;
use crate::source::TextFormat;

patterns! {
    /// `[1:0.100]` in front of an address is slot, port and VLAN; one with more colons is IPv6.
    MESSAGE = r"^([A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d(?:\.\d+)?) On (?:\[[^\]:\s]*(?::[^\]:\s]*)?\])?([^:\s]\S*) (received from|sent to) (?:\[[^\]:\s]*(?::[^\]:\s]*)?\])?([^:\s]\S*)\s*$";
    OTHER = r"^[A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d(?:\.\d+)? (?:[A-Z]+\[|On |\[)";
}

pub(super) fn read(line: &[u8], _: &mut Context) -> Option<Mark> {
    if let Some(found) = find(&MESSAGE, line) {
        let direction = match group(&found, 3)? {
            b"received from" => Direction::In,
            _ => Direction::Out,
        };
        let facts = Facts::new(TextFormat::Acme)
            .at(stamp::find(group(&found, 1)?))
            .peer(direction, place_and_port(group(&found, 4)?))
            .own(place_and_port(group(&found, 2)?));
        return Some(Mark::Begin(facts, line.len()));
    }
    find(&OTHER, line).map(|_| Mark::End)
}
