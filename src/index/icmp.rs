//! ICMP errors, tied to the messages and the media that they quote.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::ids::MessageId;
use super::message_store::MessageRow;
use crate::packet::{Addressing, Endpoint, icmp};
use crate::sip::method::Method;

/// Rows that are looked at, from the newest, for the message that an error quotes.
pub(super) const LOOK_BACK: usize = 4096;
/// Messages and media with an error; the errors of more are not kept.
const MAX_ERRORS: usize = 1 << 16;

/// An error, and how often it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// Number of its packet, and its file.
    pub frame: (u16, u32),
    /// When it was captured, nanoseconds since 1970-01-01 UTC.
    pub time: i64,
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// ICMPv6.
    pub v6: bool,
    /// Who sent it.
    pub from: IpAddr,
    /// How many quote the same.
    pub count: u32,
}

impl IcmpError {
    /// True when the packet that it quotes did not arrive (RFC 792; RFC 4443, 3.1 to 3.4): a source quench
    /// and a redirect do not say so.
    pub fn is_loss(&self) -> bool {
        match self.v6 {
            true => (1..=4).contains(&self.kind),
            false => matches!(self.kind, 3 | 11 | 12),
        }
    }

    /// What it says.
    pub fn words(&self) -> &'static str {
        icmp::words(self.kind, self.code, self.v6)
    }
}

impl std::fmt::Display for IcmpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, says {}", self.words(), self.from)
    }
}

/// The errors of a capture.
#[derive(Clone, Debug, Default)]
pub struct IcmpErrors {
    messages: BTreeMap<MessageId, IcmpError>,
    media: BTreeMap<(Endpoint, Endpoint), IcmpError>,
}

impl IcmpErrors {
    /// The first error that quotes a message.
    pub fn of_message(&self, id: MessageId) -> Option<&IcmpError> {
        self.messages.get(&id)
    }

    /// The first error that quotes media from one address to another.
    pub fn of_media(&self, src: Endpoint, dst: Endpoint) -> Option<&IcmpError> {
        self.media.get(&(src, dst))
    }

    /// Lets errors leave: those on messages that are gone, and on media before a time.
    pub(super) fn leave(&mut self, before: i64, is_there: impl Fn(MessageId) -> bool) {
        self.messages.retain(|id, _| is_there(*id));
        self.media.retain(|_, error| error.time >= before);
    }

    pub(super) fn add_message(&mut self, id: MessageId, error: IcmpError) {
        add(&mut self.messages, id, error);
    }

    pub(super) fn add_media(&mut self, way: (Endpoint, Endpoint), error: IcmpError) {
        add(&mut self.media, way, error);
    }
}

fn add<K: Ord>(map: &mut BTreeMap<K, IcmpError>, key: K, error: IcmpError) {
    if let Some(known) = map.get_mut(&key) {
        known.count = known.count.saturating_add(1);
    } else if map.len() < MAX_ERRORS {
        map.insert(key, error);
    }
}

/// What can be read of the message that an error quotes.
#[derive(Clone, Copy, Debug)]
pub struct Quote {
    /// Its way.
    pub addressing: Addressing,
    /// Octets of the datagram; none over TCP.
    pub sent: Option<usize>,
    /// Method, status and hash of the branch, as far as the quote goes.
    pub start: Option<Start>,
}

/// The start of a message.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Method of a request.
    pub method: Method,
    /// Status code, 0 for a request.
    pub status: u16,
    /// Hash of the top branch, when all of it is there.
    pub branch: Option<u32>,
    /// CSeq number.
    pub cseq: Option<u32>,
}

impl Quote {
    /// True when it can be of this message.
    pub(super) fn is_of(&self, row: &MessageRow) -> bool {
        // Junk or a line end may stand around a message in its datagram.
        let long = usize::try_from(row.len).unwrap_or(usize::MAX);
        let fits = self
            .sent
            .is_none_or(|sent| row.is_cut() || sent >= long && sent - long < 64);
        let same = self.start.is_none_or(|start| {
            start.status == row.status
                && (row.is_response() || start.method == row.method)
                && start
                    .branch
                    .is_none_or(|branch| branch == row.branch_hash())
                && (start.cseq.is_none() || start.cseq == row.cseq())
        });
        fits && same
    }
}
