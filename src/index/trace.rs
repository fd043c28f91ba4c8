//! What text traces say of their messages, beside the octets, and the names that stand in them where
//! packets have addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::ids::MessageId;
use super::message_store::MessageRow;
use super::{IndexView, by_message};
use crate::packet::trace::{Direction, Origin, TimeKind, stand_in, stands_for};
use crate::packet::{Endpoint, Layer};
use crate::sip::scan::Framing;

/// Times without a date are not later than this: ten years from 1970 on.
const LATEST_DATELESS: i64 = 10 * 365 * 86_400 * 1_000_000_000;
/// Most names kept; the ends of later messages are shown as unknown.
const MAX_NAMES: usize = 100_000;

/// What a trace says of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Line on which its start line stands; none for packets printed in hex.
    pub line: Option<u32>,
    /// What its time means.
    pub time_kind: TimeKind,
    /// The trace states its time; otherwise it has that of the message before it, to stay where it is.
    pub timed: bool,
    /// Log, or pasted.
    pub origin: Origin,
    /// Which way it went.
    pub direction: Option<Direction>,
    /// The trace states the address of the sender; otherwise that of the flow is inferred.
    pub src: bool,
    /// The trace states the address of the receiver.
    pub dst: bool,
    /// The transport is known, from the trace or from Via.
    pub transport: bool,
}

impl Told {
    /// Of a packet that was printed in hex: all is in the packet.
    pub fn packet(time_kind: TimeKind) -> Self {
        Self {
            line: None,
            time_kind,
            timed: time_kind != TimeKind::None,
            origin: Origin::Log,
            direction: None,
            src: true,
            dst: true,
            transport: true,
        }
    }

    /// Of a packet of a capture that does not say when.
    pub fn untimed() -> Self {
        Self {
            origin: Origin::Packet,
            ..Self::packet(TimeKind::None)
        }
    }
}

/// [`Told`] of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TraceRow {
    pub message: MessageId,
    pub told: Told,
}

/// Names that got a stand-in for their address.
#[derive(Debug, Default)]
pub(super) struct Names {
    list: Arc<Vec<String>>,
    numbers: BTreeMap<String, u32>,
}

impl Names {
    pub fn stand_in(&mut self, name: &str) -> IpAddr {
        // Host names are equal in any case (RFC 3261, 19.1.4).
        let key = name.to_lowercase();
        if let Some(number) = self.numbers.get(&key) {
            return stand_in(*number);
        }
        if self.list.len() >= MAX_NAMES {
            return stand_in(0);
        }
        Arc::make_mut(&mut self.list).push(name.to_owned());
        let number = u32::try_from(self.list.len()).unwrap_or(0);
        self.numbers.insert(key, number);
        stand_in(number)
    }

    pub fn publish(&self) -> Arc<Vec<String>> {
        Arc::clone(&self.list)
    }
}

impl IndexView {
    /// What a text trace says of a message; none for any other.
    pub fn told(&self, id: MessageId) -> Option<&Told> {
        by_message(&self.told, id, |row| row.message).map(|row| &row.told)
    }

    /// True when the source of a message states its time.
    pub fn states_time(&self, id: MessageId) -> bool {
        self.told(id).is_none_or(|told| told.timed)
    }

    /// First and last time that the source states of these messages; `whole` where it states all.
    pub fn stated_span(&self, ids: &[MessageId], whole: (i64, i64)) -> Option<(i64, i64)> {
        if !self.has_traces() {
            return Some(whole);
        }
        let stated = ids.iter().filter(|id| self.states_time(**id));
        let times = stated.filter_map(|id| Some(self.message(*id)?.time));
        Some((times.clone().min()?, times.max()?))
    }

    /// What text traces say of their messages, in the order of the messages.
    pub fn all_told(&self) -> impl Iterator<Item = &Told> {
        (0..self.told.len()).filter_map(|at| self.told.nth(at).map(|row| &row.told))
    }

    /// What a time of this capture means. A trace without dates counts from 1970; times of captures that
    /// are open beside it are told apart by that.
    pub fn time_kind_at(&self, nanos: i64) -> TimeKind {
        let Some(first) = self.told.nth(0) else {
            return TimeKind::Absolute;
        };
        match first.told.time_kind {
            // Of a message that the log gives no time.
            _ if nanos == 0 => TimeKind::None,
            TimeKind::Local if self.told.len() == self.messages().len() => TimeKind::Local,
            TimeKind::Local | TimeKind::Absolute => TimeKind::Absolute,
            _ if nanos > LATEST_DATELESS => TimeKind::Absolute,
            kind => kind,
        }
    }

    /// True when messages came out of text.
    pub fn has_traces(&self) -> bool {
        !self.told.is_empty()
    }

    /// The name that an address stands for; none for real addresses.
    pub fn name_of(&self, ip: IpAddr) -> Option<&str> {
        let number = stands_for(ip)?;
        let at = usize::try_from(number).ok()?.checked_sub(1);
        Some(
            at.and_then(|at| self.names.get(at))
                .map_or("unknown", String::as_str),
        )
    }

    /// An end in words: address and port, or the name that stands for it.
    pub fn end_words(&self, end: Endpoint) -> String {
        match self.name_of(end.ip) {
            None if end.port == 0 => end.ip.to_string(),
            None => end.to_string(),
            Some(name) if end.port == 0 => name.to_owned(),
            Some(name) => format!("{name}:{}", end.port),
        }
    }

    /// How a message came, for those who decode it.
    pub fn framing(&self, row: &MessageRow) -> Framing {
        let borders = self
            .ends(row)
            .is_none_or(|flow| flow.transport.keeps_borders());
        // A trace shows messages one by one, whatever carried them.
        let whole = self.layers(row).ends_with(Layer::Text);
        Framing {
            datagram: borders || whole,
            cut: row.is_cut(),
            whole,
        }
    }
}
