//! The layers of a frame with their fields, for showing: names, values, places.
//!
//! The same functions dissect as for indexing, with a record kept of what was passed, so that the
//! two cannot disagree.

use super::link::Record;
use super::{Layer, LayerStack, Packet, Payload, Skip, be16, be32, dissect_with, hep, tunnel};
use crate::span::Span;

/// One layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerNode {
    /// Which one.
    pub layer: Layer,
    /// Its name in full.
    pub name: &'static str,
    /// What is most worth knowing of it.
    pub value: String,
    /// Its header in the frame.
    pub span: Span,
    /// The fields of its header.
    pub fields: Vec<LayerField>,
}

/// One field of a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerField {
    /// What it is.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// Its octets in the frame.
    pub span: Span,
}

/// Keeps what was passed.
struct Recorder<'a> {
    stack: LayerStack,
    frame: &'a [u8],
    passed: Vec<(Layer, usize, usize)>,
}

impl<'a> Record<'a> for Recorder<'a> {
    fn passed(&mut self, layer: Layer, from: &'a [u8], len: usize) {
        self.stack.push(layer);
        let start = (from.as_ptr() as usize)
            .saturating_sub(self.frame.as_ptr() as usize)
            .min(self.frame.len());
        let end = start.saturating_add(len).min(self.frame.len());
        self.passed.push((layer, start, end));
    }

    fn enter_tunnel(&mut self) -> Result<(), Skip> {
        self.stack.enter_tunnel()
    }

    fn stack(&self) -> LayerStack {
        self.stack
    }
}

/// The layers of a frame, outermost first, as far as their headers end before `until`, the place of
/// what they carry.
pub fn describe(link_type: u16, frame: &[u8], until: usize) -> Vec<LayerNode> {
    let mut recorder = Recorder {
        stack: LayerStack::default(),
        frame,
        passed: Vec::new(),
    };
    if let Ok(packet) = dissect_with(link_type, frame, 0, &mut recorder) {
        follow(packet, &mut recorder);
    }
    let passed = recorder.passed.into_iter();
    passed
        .filter(|(_, _, end)| *end <= until)
        .map(|(layer, start, end)| node(layer, frame, start, end))
        .collect()
}

/// Goes on through tunnels in UDP, and HEP.
fn follow<'a>(mut packet: Packet<'a>, recorder: &mut Recorder<'a>) {
    while let Payload::Udp { data, .. } = packet.payload {
        if let Some(Ok(found)) = hep::read(data) {
            let len = (found.payload.as_ptr() as usize).saturating_sub(data.as_ptr() as usize);
            recorder.passed(Layer::Hep, data, len);
            return;
        }
        let Some(Ok(inner)) = tunnel::open_udp_with(&packet, recorder) else {
            return;
        };
        packet = inner;
    }
}

/// A header while its fields are read.
pub(super) struct Header<'a> {
    pub octets: &'a [u8],
    pub start: usize,
    pub fields: Vec<LayerField>,
}

impl Header<'_> {
    pub fn add(&mut self, name: &'static str, at: usize, len: usize, value: impl ToString) {
        if at + len <= self.octets.len() {
            self.fields.push(LayerField {
                name,
                value: value.to_string(),
                span: Span::new(self.start + at, self.start + at + len),
            });
        }
    }

    pub fn byte(&self, at: usize) -> u8 {
        self.octets.get(at).copied().unwrap_or(0)
    }

    pub fn short(&self, at: usize) -> u16 {
        be16(self.octets, at).unwrap_or(0)
    }

    fn word(&self, at: usize) -> u32 {
        be32(self.octets, at).unwrap_or(0)
    }

    fn mac(&self, at: usize) -> String {
        let octets = self.octets.get(at..at + 6).unwrap_or_default();
        let words: Vec<String> = octets.iter().map(|b| format!("{b:02x}")).collect();
        words.join(":")
    }

    fn ip(&self, at: usize, len: usize) -> String {
        let octets = self.octets.get(at..at + len).unwrap_or_default();
        if let Ok(four) = <[u8; 4]>::try_from(octets) {
            return std::net::Ipv4Addr::from(four).to_string();
        }
        match <[u8; 16]>::try_from(octets) {
            Ok(sixteen) => std::net::Ipv6Addr::from(sixteen).to_string(),
            Err(_) => String::new(),
        }
    }

    fn hex16(&self, at: usize) -> String {
        format!("0x{:04x}", self.short(at))
    }
}

pub(super) fn node(layer: Layer, frame: &[u8], start: usize, end: usize) -> LayerNode {
    let mut h = Header {
        octets: frame.get(start..end).unwrap_or_default(),
        start,
        fields: Vec::new(),
    };
    let (name, value) = read(layer, &mut h);
    LayerNode {
        layer,
        name,
        value,
        span: Span::new(start, end),
        fields: h.fields,
    }
}

/// Differentiated services codepoint, with the names of RFC 2474, RFC 2597, RFC 3246 and RFC 5865.
fn dscp(class: u8) -> String {
    let name = match class >> 2 {
        0 => "default",
        46 => "EF",
        44 => "voice admit",
        n @ (8 | 16 | 24 | 32 | 40 | 48 | 56) => return format!("{n} (CS{})", n / 8),
        n if (10..=38).contains(&n) && n & 1 == 0 && (n >> 1) & 3 != 0 => {
            return format!("{n} (AF{}{})", n >> 3, (n >> 1) & 3);
        }
        n => return n.to_string(),
    };
    format!("{} ({name})", class >> 2)
}

fn protocol(number: u8) -> String {
    let name = match number {
        1 => "ICMP",
        4 => "IPv4",
        6 => "TCP",
        17 => "UDP",
        41 => "IPv6",
        44 => "fragment",
        47 => "GRE",
        50 => "ESP",
        51 => "AH",
        58 => "ICMPv6",
        97 => "EtherIP",
        115 => "L2TP",
        132 => "SCTP",
        137 => "MPLS",
        n => return n.to_string(),
    };
    format!("{number} ({name})")
}

fn kind_of_ether(kind: u16) -> String {
    let name = match kind {
        0x0800 => "IPv4",
        0x86dd => "IPv6",
        0x8100 => "802.1Q",
        0x88a8 => "802.1ad",
        0x8847 | 0x8848 => "MPLS",
        0x8864 => "PPPoE session",
        0x6558 => "Ethernet",
        0x88be | 0x22eb => "ERSPAN",
        0x880b => "PPP",
        n if n <= 1500 => return format!("{n} octets of 802.2"),
        n => return format!("0x{n:04x}"),
    };
    format!("0x{kind:04x} ({name})")
}

/// The name of a layer, and the most important of its fields; the others go into the header.
fn read(layer: Layer, h: &mut Header<'_>) -> (&'static str, String) {
    match layer {
        Layer::Ethernet => {
            let (dst, src) = (h.mac(0), h.mac(6));
            h.add("destination", 0, 6, &dst);
            h.add("source", 6, 6, &src);
            h.add("type", 12, 2, kind_of_ether(h.short(12)));
            ("Ethernet", format!("{src} -> {dst}"))
        }
        Layer::Vlan => {
            let tag = h.short(0);
            h.add("priority", 0, 1, tag >> 13);
            h.add("VLAN", 0, 2, tag & 0xfff);
            h.add("type", 2, 2, kind_of_ether(h.short(2)));
            ("VLAN tag", (tag & 0xfff).to_string())
        }
        Layer::Sll => {
            h.add("packet type", 0, 2, direction(h.short(0)));
            h.add("address", 6, 6, h.mac(6));
            h.add("protocol", 14, 2, kind_of_ether(h.short(14)));
            ("Linux cooked capture", direction(h.short(0)).to_owned())
        }
        Layer::Sll2 => {
            let way = direction(u16::from(h.byte(10)));
            h.add("protocol", 0, 2, kind_of_ether(h.short(0)));
            h.add("interface index", 4, 4, h.word(4));
            h.add("packet type", 10, 1, way);
            h.add("address", 12, 6, h.mac(12));
            (
                "Linux cooked capture 2",
                format!("interface {}, {way}", h.word(4)),
            )
        }
        Layer::Ipv4 => ipv4(h),
        Layer::Ipv6 => {
            let word = h.word(0);
            let (src, dst) = (h.ip(8, 16), h.ip(24, 16));
            h.add("DSCP", 0, 2, dscp((word >> 20) as u8));
            h.add("flow label", 1, 3, format!("0x{:05x}", word & 0xf_ffff));
            h.add("payload length", 4, 2, h.short(4));
            h.add("next header", 6, 1, protocol(h.byte(6)));
            h.add("hop limit", 7, 1, h.byte(7));
            h.add("source", 8, 16, &src);
            h.add("destination", 24, 16, &dst);
            ("IPv6", format!("{src} -> {dst}"))
        }
        Layer::Udp => {
            ports(h);
            h.add("length", 4, 2, h.short(4));
            h.add("checksum", 6, 2, h.hex16(6));
            ("UDP", format!("{} -> {}", h.short(0), h.short(2)))
        }
        Layer::Tcp => {
            ports(h);
            h.add("sequence number", 4, 4, h.word(4));
            h.add("acknowledgement number", 8, 4, h.word(8));
            h.add("header length", 12, 1, (h.byte(12) >> 4) * 4);
            h.add("flags", 13, 1, tcp_flags(h.byte(13)));
            h.add("window", 14, 2, h.short(14));
            h.add("checksum", 16, 2, h.hex16(16));
            ("TCP", format!("{} -> {}", h.short(0), h.short(2)))
        }
        Layer::Sctp => {
            ports(h);
            h.add("verification tag", 4, 4, format!("0x{:08x}", h.word(4)));
            h.add("checksum", 8, 4, format!("0x{:08x}", h.word(8)));
            ("SCTP", format!("{} -> {}", h.short(0), h.short(2)))
        }
        other => tunnel_layer(other, h),
    }
}

fn ipv4(h: &mut Header<'_>) -> (&'static str, String) {
    let (src, dst) = (h.ip(12, 4), h.ip(16, 4));
    let place = h.short(6);
    h.add("header length", 0, 1, (h.byte(0) & 15) * 4);
    h.add("DSCP", 1, 1, dscp(h.byte(1)));
    h.add("total length", 2, 2, h.short(2));
    h.add("identification", 4, 2, h.hex16(4));
    let flags = match (place & 0x4000 != 0, place & 0x2000 != 0) {
        (true, true) => "don't fragment, more fragments",
        (true, false) => "don't fragment",
        (false, true) => "more fragments",
        (false, false) => "none",
    };
    h.add("flags", 6, 1, flags);
    h.add("fragment offset", 6, 2, u32::from(place & 0x1fff) * 8);
    h.add("time to live", 8, 1, h.byte(8));
    h.add("protocol", 9, 1, protocol(h.byte(9)));
    h.add("checksum", 10, 2, h.hex16(10));
    h.add("source", 12, 4, &src);
    h.add("destination", 16, 4, &dst);
    ("IPv4", format!("{src} -> {dst}"))
}

/// Links other than Ethernet, and what carries packets.
fn tunnel_layer(layer: Layer, h: &mut Header<'_>) -> (&'static str, String) {
    match layer {
        Layer::Loopback => {
            h.add("address family", 0, h.octets.len().min(4), family(h));
            ("Loopback", family(h))
        }
        Layer::Raw => ("Raw IP", String::new()),
        Layer::Nflog => {
            h.add("address family", 0, 1, h.byte(0));
            h.add("group", 2, 2, h.short(2));
            ("Netfilter log", format!("group {}", h.short(2)))
        }
        Layer::Chdlc => {
            h.add("protocol", 2, 2, kind_of_ether(h.short(2)));
            ("Cisco HDLC", String::new())
        }
        Layer::Llc => {
            h.add("service", 0, 1, format!("0x{:02x}", h.byte(0)));
            h.add("protocol", 6, 2, kind_of_ether(h.short(6)));
            ("802.2 link control", String::new())
        }
        Layer::Ppp => {
            let at = if h.octets.starts_with(&[0xff, 3]) {
                2
            } else {
                0
            };
            h.add("protocol", at, h.octets.len().saturating_sub(at), {
                let octets = h.octets.get(at..).unwrap_or_default();
                let number = octets.iter().fold(0u32, |n, b| n << 8 | u32::from(*b));
                format!("0x{number:04x}")
            });
            ("PPP", String::new())
        }
        Layer::Pppoe => {
            h.add("session", 2, 2, h.short(2));
            h.add("length", 4, 2, h.short(4));
            ("PPPoE", format!("session {}", h.short(2)))
        }
        Layer::Mpls => {
            let entry = h.word(0);
            h.add("label", 0, 3, entry >> 12);
            h.add("traffic class", 2, 1, entry >> 9 & 7);
            h.add("bottom of stack", 2, 1, entry >> 8 & 1);
            h.add("time to live", 3, 1, entry & 255);
            ("MPLS", format!("label {}", entry >> 12))
        }
        Layer::Ah => {
            h.add("next header", 0, 1, protocol(h.byte(0)));
            h.add("SPI", 4, 4, format!("0x{:08x}", h.word(4)));
            h.add("sequence number", 8, 4, h.word(8));
            ("Authentication header", String::new())
        }
        Layer::Esp => {
            h.add("SPI", 0, 4, format!("0x{:08x}", h.word(0)));
            h.add("sequence number", 4, 4, h.word(4));
            ("ESP, not encrypted", format!("SPI 0x{:08x}", h.word(0)))
        }
        Layer::Gre => gre(h),
        Layer::Erspan => {
            let version = h.byte(0) >> 4;
            h.add("version", 0, 1, version);
            h.add("VLAN", 0, 2, h.short(0) & 0xfff);
            h.add("session", 2, 2, h.short(2) & 0x3ff);
            let kind = if version == 2 { "III" } else { "II" };
            (
                "ERSPAN",
                format!("type {kind}, session {}", h.short(2) & 0x3ff),
            )
        }
        Layer::Etherip => ("EtherIP", String::new()),
        Layer::L2tp => {
            h.add("flags and version", 0, 2, h.hex16(0));
            ("L2TP", String::new())
        }
        Layer::Vxlan | Layer::Geneve => {
            let network = h.word(4) >> 8;
            h.add("flags", 0, 1, format!("0x{:02x}", h.byte(0)));
            h.add("network", 4, 3, network);
            let name = if layer == Layer::Vxlan {
                "VXLAN"
            } else {
                "Geneve"
            };
            (name, format!("network {network}"))
        }
        Layer::Gtp => {
            h.add("flags", 0, 1, format!("0x{:02x}", h.byte(0)));
            h.add("message type", 1, 1, h.byte(1));
            h.add("length", 2, 2, h.short(2));
            h.add("TEID", 4, 4, format!("0x{:08x}", h.word(4)));
            ("GTP-U", format!("TEID 0x{:08x}", h.word(4)))
        }
        Layer::Tzsp => ("TZSP", String::new()),
        Layer::Nsh => {
            let path = h.word(4) >> 8;
            h.add("service path", 4, 3, path);
            ("Network service header", format!("path {path}"))
        }
        Layer::Macsec => {
            h.add("packet number", 2, 4, h.word(2));
            ("MACsec, not encrypted", String::new())
        }
        Layer::CiscoMetadata => ("Cisco metadata", String::new()),
        Layer::VnTag => ("VN-Tag", String::new()),
        Layer::Hsr => {
            h.add("sequence number", 2, 2, h.short(2));
            ("HSR tag", String::new())
        }
        Layer::FabricPath => ("FabricPath", String::new()),
        Layer::Wlan => ("Wireless LAN, not encrypted", String::new()),
        Layer::FrameRelay => ("Frame relay", String::new()),
        Layer::Hep => {
            let version = match h.byte(0) {
                b'H' => 3,
                n => n,
            };
            h.add("version", 0, if version == 3 { 4 } else { 1 }, version);
            if version == 3 {
                h.add("length", 4, 2, h.short(4));
            }
            ("HEP", format!("version {version}"))
        }
        _ => ("", String::new()),
    }
}

fn gre(h: &mut Header<'_>) -> (&'static str, String) {
    let flags = h.short(0);
    h.add("flags and version", 0, 2, h.hex16(0));
    h.add("protocol", 2, 2, kind_of_ether(h.short(2)));
    let mut at = 4;
    if flags & 0xc000 != 0 {
        h.add("checksum", at, 2, h.hex16(at));
        at += 4;
    }
    let mut value = String::new();
    if flags & 0x2000 != 0 {
        value = format!("key {}", h.word(at));
        h.add("key", at, 4, h.word(at));
        at += 4;
    }
    if flags & 0x1000 != 0 {
        h.add("sequence number", at, 4, h.word(at));
    }
    ("GRE", value)
}

fn ports(h: &mut Header<'_>) {
    h.add("source port", 0, 2, h.short(0));
    h.add("destination port", 2, 2, h.short(2));
}

fn family(h: &Header<'_>) -> String {
    match h.octets {
        [2, 0, 0, 0, ..] | [0, 0, 0, 2, ..] => "IPv4".to_owned(),
        [24 | 28 | 30 | 10 | 23, 0, 0, 0, ..] | [0, 0, 0, 24 | 28 | 30 | 10 | 23, ..] => {
            "IPv6".to_owned()
        }
        _ => String::new(),
    }
}

fn direction(kind: u16) -> &'static str {
    match kind {
        0 => "to us",
        1 => "broadcast",
        2 => "multicast",
        3 => "to another host",
        4 => "sent by us",
        _ => "unknown",
    }
}

fn tcp_flags(flags: u8) -> String {
    const NAMES: [&str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
    let set: Vec<&str> = NAMES
        .iter()
        .enumerate()
        .filter(|(bit, _)| flags >> bit & 1 == 1)
        .map(|(_, name)| *name)
        .collect();
    set.join(" ")
}
