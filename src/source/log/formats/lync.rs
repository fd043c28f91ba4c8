//! OCS, Lync and Skype for Business: records of the server (`$$begin_record`), logs of the client.
//!
//! What stands inside of a server record is read by `build`: pseudo-headers, `Start-Line:`,
//! headers, `Message-Body:`.

use super::super::marks::{Context, Facts, Mark, group, place, stamp_before};
use super::super::stamp;
use super::{find, patterns};
use crate::packet::trace::Direction;
use crate::source::TextFormat;

patterns! {
    FLAGS = r"\bTL_[A-Z]+ ?\(([A-Z_|, ]+)\)";
    CLIENT = r"(Sending Packet|Data Received) ?- ?(\S+) \((?:From|To) Local Address: ?(\S+?)\)";
    CLIENT_END = r"End of (?:Sending Packet|Data Received)";
}

pub(super) fn read(line: &[u8], context: &mut Context) -> Option<Mark> {
    if let Some(at) = memchr::memmem::find(line, b"$$begin_record") {
        let flags = find(&FLAGS, line);
        // Only protocol records hold messages; diagnostics quote parts of them.
        let protocol = match &flags {
            Some(found) => {
                group(found, 1).is_some_and(|f| memchr::memmem::find(f, b"TF_PROTOCOL").is_some())
            }
            None => true,
        };
        context.pass_record = !protocol;
        if !protocol {
            return Some(Mark::End);
        }
        let facts = Facts::new(TextFormat::LyncServer).at(stamp::find(line));
        return Some(Mark::Begin(facts, at + 14));
    }
    if memchr::memmem::find(line, b"$$end_record").is_some() {
        context.pass_record = false;
        return Some(Mark::End);
    }
    if find(&CLIENT_END, line).is_some() {
        return Some(Mark::End);
    }
    let found = find(&CLIENT, line)?;
    let direction = match group(&found, 1)? {
        b"Sending Packet" => Direction::Out,
        _ => Direction::In,
    };
    let facts = Facts::new(TextFormat::LyncClient)
        .at(stamp_before(line, &found))
        .peer(direction, place(group(&found, 2)?))
        .own(place(group(&found, 3)?));
    Some(Mark::Begin(facts, line.len()))
}
