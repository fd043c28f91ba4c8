//! What a text trace says of a message beside its octets: when, between whom, over what.
//!
//! A log seldom says everything. What it does not say stays `None` here; what is made up for it
//! (addresses out of Via) is made in `ingest` and marked as inferred.

use std::net::{IpAddr, Ipv6Addr};

use super::Transport;

/// What the times of a trace mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TimeKind {
    /// Date and zone are known.
    #[default]
    Absolute,
    /// A date (the year may be missing) without a zone: counted as if it were UTC.
    Local,
    /// Time of day only: counted from 1970-01-01.
    TimeOnly,
    /// Time since the start of the system.
    Uptime,
    /// No times at all.
    None,
}

impl TimeKind {
    /// Name as in the `time_kind` field of the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Absolute => "absolute",
            Self::Local => "local",
            Self::TimeOnly => "time_only",
            Self::Uptime => "uptime",
            Self::None => "none",
        }
    }
}

/// Which way a message went, seen from the system that wrote the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// It was received.
    In,
    /// It was sent.
    Out,
}

/// Where a message came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A packet of a capture.
    #[default]
    Packet,
    /// The text of a log.
    Log,
    /// Text that was pasted.
    Pasted,
}

impl Origin {
    /// Name as in the `origin` field of the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Packet => "packet",
            Self::Log => "log",
            Self::Pasted => "pasted",
        }
    }
}

/// An end as a trace writes it: a number or a name, with or without port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Address or name.
    pub host: String,
    /// Port.
    pub port: Option<u16>,
}

/// What a trace says of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceNote {
    /// Line of the trace on which the start line stands, from 1.
    pub line: u32,
    /// What its time means; the kind of the trace where this message has no time of its own.
    pub time_kind: TimeKind,
    /// It has a time of its own.
    pub timed: bool,
    /// Log, or pasted.
    pub origin: Origin,
    /// Which way it went.
    pub direction: Option<Direction>,
    /// Sender.
    pub src: Option<Place>,
    /// Receiver.
    pub dst: Option<Place>,
    /// Transport.
    pub transport: Option<Transport>,
    /// Name of the system that wrote the trace, for its lane.
    pub writer: &'static str,
}

/// Link type of frames that hold the text of a message and nothing else. It stands for no
/// LINKTYPE_ value: those of capture files end far below.
pub const TEXT_LINK_TYPE: u16 = u16::MAX;

/// An address that stands for something that has no number: an unknown end (0) or a name (from 1).
///
/// They lie in the discard-only prefix `100::/64` (RFC 6666), from which no packet can come.
pub fn stand_in(number: u32) -> IpAddr {
    let [a, b] = [(number >> 16) as u16, number as u16];
    IpAddr::V6(Ipv6Addr::new(0x0100, 0, 0, 0, 0x5349, 0x5000, a, b))
}

/// The number behind a stand-in.
pub fn stands_for(ip: IpAddr) -> Option<u32> {
    match ip {
        IpAddr::V6(ip) => match ip.segments() {
            [0x0100, 0, 0, 0, 0x5349, 0x5000, a, b] => Some(u32::from(a) << 16 | u32::from(b)),
            _ => None,
        },
        IpAddr::V4(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stand_in_keeps_its_number_and_is_no_real_address() {
        for number in [0, 1, 65_535, 65_536, u32::MAX] {
            assert_eq!(stands_for(stand_in(number)), Some(number));
        }
        assert_eq!(stands_for(IpAddr::V6(Ipv6Addr::LOCALHOST)), None);
        assert_eq!(
            stands_for(IpAddr::V6(Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 1))),
            None
        );
    }
}
