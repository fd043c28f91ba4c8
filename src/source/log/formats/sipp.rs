//! SIPp `-trace_msg`.

use super::super::marks::{Context, Facts, Mark, group};
use super::super::stamp;
use super::{find, patterns};
use crate::packet::Transport;
use crate::packet::trace::Direction;
use crate::source::TextFormat;

patterns! {
    DASHES = r"^-{20,}\s*([^-\s].*)$";
    /// Old versions write the time on the same line, or no length.
    MESSAGE = r"^(?:(\d{4}-\d\d-\d\d\s.*?):?\s+)?([A-Za-z0-9]+) message (sent|received)(?: [\(\[]\d+(?: bytes)?[\)\]] ?(?:bytes ?)?)?:";
}

pub(super) fn read(line: &[u8], context: &mut Context) -> Option<Mark> {
    if let Some(found) = find(&DASHES, line) {
        context.dashed = stamp::find(group(&found, 1)?);
        // Without a time it is a line of dashes with a title.
        return context.dashed.map(|_| Mark::End);
    }
    let found = find(&MESSAGE, line)?;
    let direction = match group(&found, 3)? {
        b"sent" => Direction::Out,
        _ => Direction::In,
    };
    let facts = Facts::new(TextFormat::Sipp)
        .at(context
            .dashed
            .take()
            .or_else(|| stamp::find(group(&found, 1)?)))
        .peer(direction, None)
        .over(Transport::named(group(&found, 2)?));
    Some(Mark::Begin(facts, line.len()))
}
