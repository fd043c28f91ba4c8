//! The tree of Wireshark as text: `tshark -V`, "Export packet dissections as plain text".

use super::finder::{Done, Found};
use super::marks::{Facts, place, regex};
use super::stamp::{self, Stamp};
use crate::packet::Transport;
use crate::packet::trace::Place;
use crate::source::TextFormat;
use std::sync::LazyLock;

use regex::bytes::Regex;

static FRAME: LazyLock<Option<Regex>> =
    LazyLock::new(|| regex(r"^Frame (\d+)(?:: |\s*\()\d* ?bytes? on wire|^Frame (\d+): Packet"));
static ENDS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(r"Src: (?:\S+ \()?([0-9A-Fa-f.:]+)\)?, Dst: (?:\S+ \()?([0-9A-Fa-f.:]+)\)?")
});
static PORTS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(r"Src Port: (?:[^\s(]+ \()?(\d+)\)?, Dst Port: (?:[^\s(]+ \()?(\d+)\)?")
});
static SDP_LINE: LazyLock<Option<Regex>> = LazyLock::new(|| regex(r"^[^(]*\(([a-z])\): ?(.*)$"));

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Outside,
    Start,
    Header,
    Body,
    Sdp,
}

/// Reads the tree of one frame after the other.
#[derive(Debug, Default)]
pub(super) struct Tshark {
    inside: bool,
    number: u32,
    stamp: Option<Stamp>,
    hosts: Option<(Place, Place)>,
    ports: Option<(u16, u16)>,
    transport: Option<Transport>,
    part: Part,
    line: u64,
    head: Vec<u8>,
    body: Vec<u8>,
    headers: u32,
    tree_body: bool,
    truncated: bool,
    /// Messages whose body the tree shows taken apart, so that its octets are lost.
    pub bodies_lost: u64,
    /// Frames with a message.
    pub messages: u64,
}

impl Tshark {
    /// The number of the newest frame.
    pub fn frame(&self) -> u32 {
        self.number
    }

    /// Takes a line; true when it belongs to a tree.
    pub fn line(&mut self, text: &[u8], number: u64, out: &mut Vec<Done>) -> bool {
        if text.starts_with(b"Frame ")
            && let Some(found) = FRAME.as_ref().and_then(|f| f.captures(text))
        {
            self.finish(out);
            let digits = found.get(1).or_else(|| found.get(2));
            let frame = digits.and_then(|d| std::str::from_utf8(d.as_bytes()).ok());
            *self = Self {
                inside: true,
                number: frame.and_then(|d| d.parse().ok()).unwrap_or(0),
                bodies_lost: self.bodies_lost,
                messages: self.messages,
                ..Self::default()
            };
            return true;
        }
        if !self.inside {
            return false;
        }
        let indent = text.iter().take_while(|b| **b == b' ').count();
        let content = text.get(indent..).unwrap_or_default().trim_ascii_end();
        if content.is_empty() {
            self.finish(out);
            self.inside = false;
            return true;
        }
        if indent == 0 {
            self.section(content, out);
        } else {
            self.detail(indent, content, number);
        }
        true
    }

    /// The name of a protocol.
    fn section(&mut self, name: &[u8], out: &mut Vec<Done>) {
        self.finish(out);
        let is = |what: &[u8]| name.starts_with(what);
        if is(b"Internet Protocol") {
            let found = ENDS.as_ref().and_then(|e| e.captures(name));
            let side = |at| found.as_ref().and_then(|f| place(f.get(at)?.as_bytes()));
            self.hosts = side(1).zip(side(2));
            self.ports = None;
        } else if is(b"User Datagram Protocol") {
            self.ports_of(name, Transport::Udp);
        } else if is(b"Transmission Control Protocol") {
            self.ports_of(name, Transport::Tcp);
        } else if is(b"Stream Control Transmission Protocol") {
            self.ports_of(name, Transport::Sctp);
        } else if is(b"Transport Layer Security") || is(b"Secure Sockets Layer") {
            self.transport = Some(Transport::Tls);
        } else if is(b"WebSocket") {
            self.transport = Some(match self.transport {
                Some(Transport::Tls) => Transport::Wss,
                _ => Transport::Ws,
            });
        }
        if is(b"Session Initiation Protocol") {
            self.part = Part::Start;
        }
    }

    fn ports_of(&mut self, name: &[u8], transport: Transport) {
        self.transport = Some(transport);
        let found = PORTS.as_ref().and_then(|p| p.captures(name));
        let port = |at| {
            let digits = found.as_ref()?.get(at)?.as_bytes();
            std::str::from_utf8(digits).ok()?.parse().ok()
        };
        self.ports = port(1).zip(port(2));
    }

    fn detail(&mut self, indent: usize, content: &[u8], number: u64) {
        if self.part == Part::Outside {
            let after = |label: &[u8]| content.strip_prefix(label);
            if let Some(rest) = after(b"Epoch Time: ") {
                let rest = rest.strip_suffix(b" seconds").unwrap_or(rest);
                self.stamp = stamp::find(rest).or(self.stamp);
            } else if let Some(rest) = after(b"Arrival Time: ")
                && self.stamp.is_none()
            {
                self.stamp = stamp::find(rest);
            }
            return;
        }
        let start = [&b"Request-Line: "[..], b"Status-Line: "]
            .iter()
            .find_map(|label| content.strip_prefix(*label));
        if let (4, Some(start)) = (indent, start) {
            self.head = [start, b"\r\n"].concat();
            self.line = number;
            return;
        }
        match (indent, content) {
            (4, b"Message Header") => self.part = Part::Header,
            (4, b"Message Body") => self.part = Part::Body,
            (4, _) => {}
            (8, _) if self.part == Part::Header => self.header(content),
            (8, _) if self.part == Part::Body || self.part == Part::Sdp => {
                if content.starts_with(b"Session Description Protocol") {
                    self.part = Part::Sdp;
                } else {
                    self.tree_body = true;
                }
            }
            (12, _) if self.part == Part::Sdp => {
                let found = SDP_LINE.as_ref().and_then(|l| l.captures(content));
                if let Some((letter, value)) = found.and_then(|f| f.get(1).zip(f.get(2))) {
                    for part in [letter.as_bytes(), b"=", value.as_bytes(), b"\r\n"] {
                        self.body.extend_from_slice(part);
                    }
                }
            }
            _ => {}
        }
    }

    fn header(&mut self, content: &[u8]) {
        // Long lines are cut and marked, in front of the name or behind it.
        for mark in [&b"[truncated]"[..], "[…]".as_bytes(), b"[...]"] {
            if let Some(at) = memchr::memmem::find(content, mark)
                && at < 64
            {
                self.truncated = true;
                let (before, behind) = (content.get(..at), content.get(at + mark.len()..));
                let (before, behind) = (before.unwrap_or_default(), behind.unwrap_or_default());
                let joined = [before.trim_ascii_end(), behind.trim_ascii_start()].concat();
                return self.push(&joined);
            }
        }
        if !content.starts_with(b"[") {
            self.push(content);
        }
    }

    fn push(&mut self, line: &[u8]) {
        self.headers += 1;
        self.head.extend_from_slice(line);
        self.head.extend_from_slice(b"\r\n");
    }

    /// Hands out the message in hand.
    pub fn finish(&mut self, out: &mut Vec<Done>) {
        self.part = Part::Outside;
        let head = std::mem::take(&mut self.head);
        let body = std::mem::take(&mut self.body);
        let (headers, tree) = (self.headers, self.tree_body);
        (self.headers, self.tree_body) = (0, false);
        if head.is_empty() || headers < 2 {
            return;
        }
        self.bodies_lost += u64::from(tree && body.is_empty());
        self.messages += 1;
        let mut facts = Facts::new(TextFormat::TsharkV)
            .at(self.stamp)
            .over(self.transport);
        if let Some((src, dst)) = &self.hosts {
            let with = |place: &Place, port: Option<u16>| Place {
                port,
                ..place.clone()
            };
            facts.src = Some(with(src, self.ports.map(|p| p.0)));
            facts.dst = Some(with(dst, self.ports.map(|p| p.1)));
        }
        facts.record = Some(self.number).filter(|n| *n > 0);
        out.push(Done::Message(Found {
            bytes: [&head, &b"\r\n"[..], &body].concat(),
            cut: std::mem::take(&mut self.truncated),
            line: self.line,
            facts,
        }));
    }
}
