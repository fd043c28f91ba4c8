//! Cisco Expressway and VCS: `Module="network.sip"` with `SIPMSG:`.

use super::super::marks::{Context, Facts, Mark, group, place_with};
use super::super::stamp;
use super::{find, patterns};
use crate::packet::trace::Direction;
use crate::source::TextFormat;

patterns! {
    ACTION = r#"Module="network\.sip".*?Action="(Sent|Received)""#;
    LOCAL = r#"Local-ip="([^"]*)""#;
    LOCAL_PORT = r#"Local-port="(\d+)""#;
    REMOTE = r#"(?:Src|Dst)-ip="([^"]*)""#;
    REMOTE_PORT = r#"(?:Src|Dst)-port="(\d+)""#;
    UTC = r#"UTCTime="([^"]*)""#;
    NOISE = r"^\s*SIPMSG:\s*$";
    SAME_LINE = r"SIPMSG:\s*\|?";
}

pub(super) fn read(line: &[u8], _: &mut Context) -> Option<Mark> {
    if find(&NOISE, line).is_some() {
        return Some(Mark::Noise);
    }
    let action = find(&ACTION, line)?;
    let direction = match group(&action, 1)? {
        b"Sent" => Direction::Out,
        _ => Direction::In,
    };
    let value = |pattern| find(pattern, line).and_then(|found| group(&found, 1));
    let stamp = match value(&UTC) {
        // Quoted without a zone: its name says which.
        Some(utc) => stamp::find(&[utc, b"Z"].concat()),
        None => stamp::find(line),
    };
    let facts = Facts::new(TextFormat::Expressway)
        .at(stamp)
        .peer(direction, place_with(value(&REMOTE), value(&REMOTE_PORT)))
        .own(place_with(value(&LOCAL), value(&LOCAL_PORT)));
    let rest = find(&SAME_LINE, line).and_then(|found| found.get(0).map(|m| m.end()));
    Some(Mark::Begin(facts, rest.unwrap_or(line.len())))
}
