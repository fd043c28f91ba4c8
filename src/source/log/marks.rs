//! What the log formats have in common: a line that announces a message says when it went, which
//! way, between whom and over what.

use std::sync::LazyLock;

use regex::bytes::{Captures, Regex};

use super::formats;
use super::stamp::{self, Stamp};
use crate::packet::Transport;
use crate::packet::trace::{Direction, Place};
use crate::source::TextFormat;

/// What a line that announces a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    pub format: TextFormat,
    pub stamp: Option<Stamp>,
    pub direction: Option<Direction>,
    pub src: Option<Place>,
    pub dst: Option<Place>,
    pub transport: Option<Transport>,
    /// Number of the record where the format has one.
    pub record: Option<u32>,
}

impl Facts {
    pub fn new(format: TextFormat) -> Self {
        Self {
            format,
            stamp: None,
            direction: None,
            src: None,
            dst: None,
            transport: None,
            record: None,
        }
    }

    /// Sets the way, and the other side as sender or receiver.
    pub fn peer(mut self, direction: Direction, peer: Option<Place>) -> Self {
        self.direction = Some(direction);
        match direction {
            Direction::In => self.src = peer,
            Direction::Out => self.dst = peer,
        }
        self
    }

    /// Sets the own side.
    pub fn own(mut self, own: Option<Place>) -> Self {
        match self.direction {
            Some(Direction::In) => self.dst = own,
            Some(Direction::Out) => self.src = own,
            None => {}
        }
        self
    }

    pub fn over(mut self, transport: Option<Transport>) -> Self {
        self.transport = transport;
        self
    }

    pub fn at(mut self, stamp: Option<Stamp>) -> Self {
        self.stamp = stamp;
        self
    }
}

/// What a line of a log means for the messages around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// A message follows, on this line from the offset on or on the next lines.
    Begin(Facts, usize),
    /// Adds to what the line before said: direction, addresses, transport.
    More(Facts),
    /// The message in hand is over.
    End,
    /// The message in hand is over, and went at this time; before the offset the line is its.
    Late(Stamp, usize),
    /// From the offset on a datagram goes on where the one before it ended; where nothing was cut
    /// there, the message in hand is over.
    Continued(usize),
    /// Part of the framing: neither message nor end.
    Noise,
}

/// What formats remember from line to line.
#[derive(Debug, Default)]
pub(super) struct Context {
    /// Time of the newest line of dashes (SIPp, traceSM).
    pub dashed: Option<Stamp>,
    /// The ends of the message were named (traceSM).
    pub ends: bool,
    /// Time of a log line without text: what it says begins on the next (Asterisk).
    pub bare: Option<Stamp>,
    /// Time of a packet line that goes on in the next (tcpdump -v).
    pub packet: Option<Stamp>,
    /// The newest announcement was Cisco's.
    pub cisco: bool,
    /// A Lync record whose messages do not count is open.
    pub pass_record: bool,
    /// Number of the newest datagram (AudioCodes).
    pub datagram: Option<u64>,
}

/// Words without which no line announces anything; found in one pass.
static TRIGGER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = [
        "SIP read from",
        "ransmitting",
        "<--- ",
        "<------",
        "--- \\(",
        "^\\s*---\\s*$",
        "--------------------",
        " bytes from ",
        " bytes to ",
        " bytes Re",
        "ccsipDisplayMsg",
        "^ *(?:Sent|Received):",
        "SIP [A-Z]+ message",
        "coming SIP ",
        "tgoing SIP ",
        "network\\.sip",
        "SIPMSG:",
        " received from ",
        " sent to ",
        "channel \\[",
        "message (?:sent|received)",
        "chan_sip\\.c: ?$|logger\\.c: ?$|^\\[[^\\]]*\\] ?$",
        "\\[Time:",
        "-> ",
        " > ",
        " IP \\(",
        " IP6 \\(",
        "\\$\\$(?:begin|end)_record",
        "Sending Packet",
        "Data Received",
        "--end msg--",
        ",NET\\]",
        "^[0-9]{8}\\.[0-9]{3} \\|",
        "\\(N +[0-9]+\\)",
        "\\[S=[0-9]+\\]",
        "SIPMSGT",
        "gress: \\{",
        "octets: [0-9]",
        "(?:-->|<--)\\s*$",
    ];
    regex(&words.join("|"))
});

/// Compiles a pattern of ours; a wrong one is found by the tests, never by a user's file.
pub(super) fn regex(pattern: &str) -> Option<Regex> {
    Regex::new(&format!("(?-u){pattern}")).ok()
}

/// Reads what a line says about messages; nothing for most lines.
pub(super) fn read(line: &[u8], context: &mut Context) -> Option<Mark> {
    let head = line.get(..4096).unwrap_or(line);
    if !TRIGGER.as_ref().is_some_and(|t| t.is_match(head)) {
        return None;
    }
    formats::ALL.iter().find_map(|read| read(head, context))
}

/// Text of a group.
pub(super) fn group<'a>(found: &Captures<'a>, at: usize) -> Option<&'a [u8]> {
    found.get(at).map(|m| m.as_bytes())
}

/// Reads `ip:port`, `[ip]:port`, `name:port`, an address alone.
pub(super) fn place(text: &[u8]) -> Option<Place> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let text = text.trim_end_matches([':', ',', ';', '.']);
    let whole = |host: &str, port: Option<u16>| {
        let fine = !host.is_empty()
            && host.len() <= 255
            && host
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%'));
        fine.then(|| Place {
            host: host.to_owned(),
            port,
        })
    };
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        let port = rest.strip_prefix(':').and_then(|p| p.parse().ok());
        return whole(host, port);
    }
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return whole(text, None);
    }
    match text.rsplit_once(':') {
        Some((host, port)) => match port.parse() {
            Ok(port) => whole(host, Some(port)),
            Err(_) => None,
        },
        None => whole(text, None),
    }
}

/// Reads `host:port` where the port always stands: `2001:db8::1:5060` too.
pub(super) fn place_and_port(text: &[u8]) -> Option<Place> {
    let colon = memchr::memrchr(b':', text)?;
    let host = text.get(..colon)?;
    let address = std::str::from_utf8(host).is_ok_and(|h| h.parse::<std::net::Ipv6Addr>().is_ok());
    if address {
        return place_with(Some(host), text.get(colon + 1..));
    }
    place(text)
}

/// A place whose port stands apart.
pub(super) fn place_with(host: Option<&[u8]>, port: Option<&[u8]>) -> Option<Place> {
    let mut found = place(host?)?;
    if let Some(port) = port.and_then(|p| std::str::from_utf8(p).ok()) {
        found.port = port.parse().ok();
    }
    Some(found)
}

/// The time in front of a match.
pub(super) fn stamp_before(line: &[u8], found: &Captures<'_>) -> Option<Stamp> {
    let at = found.get(0).map_or(0, |m| m.start());
    stamp::find(line.get(..at)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_patterns_compile() {
        assert!(TRIGGER.is_some());
        formats::check();
    }

    #[test]
    fn places() {
        let shown = |text: &str| place(text.as_bytes()).map(|p| (p.host, p.port));
        let some = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(shown("192.0.2.1:5060"), some("192.0.2.1", Some(5060)));
        assert_eq!(shown("[2001:db8::1]:5060"), some("2001:db8::1", Some(5060)));
        assert_eq!(shown("2001:db8::1"), some("2001:db8::1", None));
        assert_eq!(shown("host.example:5061"), some("host.example", Some(5061)));
        assert_eq!(shown("192.0.2.1"), some("192.0.2.1", None));
        assert_eq!(shown("ip:port"), None);
        assert_eq!(shown("<x>"), None);
        let shown = |text: &str| place_and_port(text.as_bytes()).map(|p| (p.host, p.port));
        assert_eq!(shown("2001:db8::1:5060"), some("2001:db8::1", Some(5060)));
        assert_eq!(shown("[2001:db8::1]:5060"), some("2001:db8::1", Some(5060)));
        assert_eq!(
            shown("2001:db8:1:2:3:4:5:6:5060"),
            some("2001:db8:1:2:3:4:5:6", Some(5060))
        );
        assert_eq!(shown("192.0.2.1:5060"), some("192.0.2.1", Some(5060)));
    }
}
