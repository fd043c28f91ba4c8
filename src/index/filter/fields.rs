//! The fields of the filter language; one table for the parser, the help and the completion.

use super::parts::Part;
use crate::sip::header_name::{Grammar, HeaderName};

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// Octets, compared as they are.
    Text,
    /// One of a few words, upper and lower case being the same.
    Word,
    /// A whole number.
    Number,
    /// An IP address, a network (`10.0.0.0/8`) or an address with port.
    Address,
    /// A time as in RFC 3339, or a day.
    Time,
    /// Set or not; stands alone.
    Flag,
}

impl FieldType {
    /// Name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Word => "word",
            Self::Number => "number",
            Self::Address => "address",
            Self::Time => "time",
            Self::Flag => "flag",
        }
    }
}

/// A field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Our name.
    pub name: &'static str,
    /// Other names that are understood, among them Wireshark's.
    pub aliases: &'static [&'static str],
    /// What it holds.
    pub kind: FieldType,
    /// Answered from the index; others read the messages.
    pub indexed: bool,
    /// What it means.
    pub meaning: &'static str,
    pub(super) id: Id,
}

/// What a comparison is about.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Subject {
    /// A field of the table.
    Field(Id),
    /// Any header by its name.
    Header(String),
    /// A part of a header or session description by Wireshark's name.
    Part(Part),
}

#[expect(clippy::enum_variant_names, reason = "Call-ID is the name of a header")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Id {
    Message,
    Frame,
    File,
    Time,
    Source,
    Destination,
    Address,
    Ip4Source,
    Ip4Destination,
    Ip4Address,
    Ip6Source,
    Ip6Destination,
    Ip6Address,
    SourcePort,
    DestinationPort,
    Port,
    UdpSourcePort,
    UdpDestinationPort,
    UdpPort,
    TcpSourcePort,
    TcpDestinationPort,
    TcpPort,
    Ethernet,
    Vlan,
    Ip4,
    Ip6,
    Udp,
    Tcp,
    Sctp,
    Tls,
    WebSocket,
    Transport,
    Layers,
    Sip,
    Request,
    Response,
    Method,
    RequestMethod,
    Status,
    Reason,
    RequestUri,
    RequestUser,
    RequestHost,
    CallId,
    FromUri,
    FromUser,
    FromHost,
    FromTag,
    ToUri,
    ToUser,
    ToHost,
    ToTag,
    Cseq,
    CseqMethod,
    Branch,
    ViaCount,
    UserAgent,
    Length,
    BodyLength,
    HasSdp,
    SdpRole,
    Codec,
    Body,
    Call,
    CallKind,
    CallState,
    Dialog,
    Transaction,
    Retransmission,
    RetransmissionKind,
    Copy,
    Auth,
    Challenge,
    Cut,
    Text,
    Contact,
    AuthLines,
}

const fn field(
    name: &'static str,
    aliases: &'static [&'static str],
    kind: FieldType,
    id: Id,
    meaning: &'static str,
) -> Field {
    Field {
        name,
        aliases,
        kind,
        indexed: true,
        meaning,
        id,
    }
}

const fn read(
    name: &'static str,
    aliases: &'static [&'static str],
    id: Id,
    meaning: &'static str,
) -> Field {
    Field {
        name,
        aliases,
        kind: FieldType::Text,
        indexed: false,
        meaning,
        id,
    }
}

use FieldType::{Address, Flag, Number, Text, Time, Word};

/// All fields, in the order they are shown.
pub const FIELDS: &[Field] = &[
    field(
        "message",
        &["number", "id"],
        Number,
        Id::Message,
        "number of the message, from 1",
    ),
    field(
        "frame",
        &["frame.number"],
        Number,
        Id::Frame,
        "number of the packet in which the message ends",
    ),
    field("file", &[], Number, Id::File, "which input, from 1"),
    field(
        "time",
        &["frame.time", "frame.time_epoch"],
        Time,
        Id::Time,
        "time of the packet: 2024-01-31T12:00:00Z, 2024-01-31, or seconds since 1970",
    ),
    field(
        "src",
        &["source"],
        Address,
        Id::Source,
        "address of the sender, perhaps with port; networks as 10.0.0.0/8",
    ),
    field(
        "dst",
        &["destination"],
        Address,
        Id::Destination,
        "address of the receiver",
    ),
    field(
        "addr",
        &["address", "host"],
        Address,
        Id::Address,
        "address of sender or receiver",
    ),
    field(
        "ip.src",
        &["ip.src_host"],
        Address,
        Id::Ip4Source,
        "IPv4 address of the sender",
    ),
    field(
        "ip.dst",
        &["ip.dst_host"],
        Address,
        Id::Ip4Destination,
        "IPv4 address of the receiver",
    ),
    field(
        "ip.addr",
        &["ip.host"],
        Address,
        Id::Ip4Address,
        "IPv4 address of sender or receiver",
    ),
    field(
        "ipv6.src",
        &["ipv6.src_host"],
        Address,
        Id::Ip6Source,
        "IPv6 address of the sender",
    ),
    field(
        "ipv6.dst",
        &["ipv6.dst_host"],
        Address,
        Id::Ip6Destination,
        "IPv6 address of the receiver",
    ),
    field(
        "ipv6.addr",
        &["ipv6.host"],
        Address,
        Id::Ip6Address,
        "IPv6 address of sender or receiver",
    ),
    field(
        "src_port",
        &[],
        Number,
        Id::SourcePort,
        "port of the sender",
    ),
    field(
        "dst_port",
        &[],
        Number,
        Id::DestinationPort,
        "port of the receiver",
    ),
    field("port", &[], Number, Id::Port, "port of sender or receiver"),
    field(
        "udp.srcport",
        &[],
        Number,
        Id::UdpSourcePort,
        "port of the sender, over UDP",
    ),
    field(
        "udp.dstport",
        &[],
        Number,
        Id::UdpDestinationPort,
        "port of the receiver, over UDP",
    ),
    field(
        "udp.port",
        &[],
        Number,
        Id::UdpPort,
        "port of sender or receiver, over UDP",
    ),
    field(
        "tcp.srcport",
        &[],
        Number,
        Id::TcpSourcePort,
        "port of the sender, over TCP",
    ),
    field(
        "tcp.dstport",
        &[],
        Number,
        Id::TcpDestinationPort,
        "port of the receiver, over TCP",
    ),
    field(
        "tcp.port",
        &[],
        Number,
        Id::TcpPort,
        "port of sender or receiver, over TCP",
    ),
    field(
        "transport",
        &[],
        Word,
        Id::Transport,
        "transport as observed: UDP, TCP, TLS, SCTP, WS, WSS",
    ),
    field(
        "layers",
        &["frame.protocols"],
        Text,
        Id::Layers,
        "what the message came through, as eth/ipv4/udp",
    ),
    field("eth", &[], Flag, Id::Ethernet, "came in an Ethernet frame"),
    field("vlan", &[], Flag, Id::Vlan, "came with a VLAN tag"),
    field("ip", &[], Flag, Id::Ip4, "came over IPv4"),
    field("ipv6", &[], Flag, Id::Ip6, "came over IPv6"),
    field("udp", &[], Flag, Id::Udp, "came over UDP"),
    field("tcp", &[], Flag, Id::Tcp, "came over TCP, TLS or WebSocket"),
    field("sctp", &[], Flag, Id::Sctp, "came over SCTP"),
    field("tls", &[], Flag, Id::Tls, "came over TLS"),
    field("websocket", &[], Flag, Id::WebSocket, "came over WebSocket"),
    field(
        "sip",
        &[],
        Flag,
        Id::Sip,
        "any SIP message; sip, udp, tcp, ip, sdp contains \"…\" look into its octets",
    ),
    field(
        "request",
        &["is_request", "sip.request"],
        Flag,
        Id::Request,
        "a request",
    ),
    field(
        "response",
        &["is_response", "sip.response"],
        Flag,
        Id::Response,
        "a response",
    ),
    field(
        "method",
        &[],
        Word,
        Id::Method,
        "method of a request, for a response that of CSeq",
    ),
    field(
        "request_method",
        &["sip.Method"],
        Word,
        Id::RequestMethod,
        "method of a request; responses have none",
    ),
    field(
        "status",
        &["code", "sip.Status-Code"],
        Number,
        Id::Status,
        "status code of a response",
    ),
    field(
        "reason",
        &["sip.Reason-Phrase"],
        Text,
        Id::Reason,
        "reason phrase of a response",
    ),
    field(
        "request_uri",
        &["ruri", "sip.r-uri"],
        Text,
        Id::RequestUri,
        "Request-URI",
    ),
    field(
        "request_user",
        &["ruri_user", "sip.r-uri.user"],
        Text,
        Id::RequestUser,
        "user part of the Request-URI",
    ),
    field(
        "request_host",
        &["ruri_host", "sip.r-uri.host"],
        Text,
        Id::RequestHost,
        "host part of the Request-URI",
    ),
    field(
        "call_id",
        &["callid", "sip.Call-ID"],
        Text,
        Id::CallId,
        "Call-ID",
    ),
    field(
        "from",
        &["from_uri", "sip.from.addr"],
        Text,
        Id::FromUri,
        "URI in From",
    ),
    field(
        "from_user",
        &["caller", "sip.from.user"],
        Text,
        Id::FromUser,
        "user part of the URI in From",
    ),
    field(
        "from_host",
        &["sip.from.host"],
        Text,
        Id::FromHost,
        "host part of the URI in From",
    ),
    field(
        "from_tag",
        &["sip.from.tag"],
        Text,
        Id::FromTag,
        "tag of From",
    ),
    field(
        "to",
        &["to_uri", "sip.to.addr"],
        Text,
        Id::ToUri,
        "URI in To",
    ),
    field(
        "to_user",
        &["callee", "sip.to.user"],
        Text,
        Id::ToUser,
        "user part of the URI in To",
    ),
    field(
        "to_host",
        &["sip.to.host"],
        Text,
        Id::ToHost,
        "host part of the URI in To",
    ),
    field("to_tag", &["sip.to.tag"], Text, Id::ToTag, "tag of To"),
    field(
        "cseq",
        &["sip.CSeq.seq"],
        Number,
        Id::Cseq,
        "number in CSeq",
    ),
    field(
        "cseq_method",
        &["sip.CSeq.method"],
        Word,
        Id::CseqMethod,
        "method in CSeq: that of the request that is answered",
    ),
    field(
        "branch",
        &[],
        Text,
        Id::Branch,
        "branch of the top Via (== and in are answered from the index)",
    ),
    field(
        "via_count",
        &[],
        Number,
        Id::ViaCount,
        "number of Via values: hops so far",
    ),
    field(
        "user_agent",
        &["ua"],
        Text,
        Id::UserAgent,
        "User-Agent, else Server",
    ),
    field(
        "length",
        &["len", "sip.msg_len"],
        Number,
        Id::Length,
        "octets of the message",
    ),
    field(
        "body_length",
        &["sip.msg_body_len"],
        Number,
        Id::BodyLength,
        "octets of the body",
    ),
    field(
        "sdp",
        &["has_sdp"],
        Flag,
        Id::HasSdp,
        "has a session description",
    ),
    field(
        "sdp_kind",
        &["sdp_role"],
        Word,
        Id::SdpRole,
        "role of the session description: offer, answer, other",
    ),
    field(
        "codec",
        &["codecs"],
        Word,
        Id::Codec,
        "codec in the session description",
    ),
    field(
        "body",
        &["content"],
        Text,
        Id::Body,
        "summary of the session description (codecs, direction), or type of another body",
    ),
    field(
        "call",
        &[],
        Number,
        Id::Call,
        "number of the call, registration, subscription …",
    ),
    field(
        "call_kind",
        &["kind"],
        Word,
        Id::CallKind,
        "call, registration, subscription, message, options, other",
    ),
    field(
        "call_state",
        &["state"],
        Word,
        Id::CallState,
        "state of the call, as `sipscope calls` shows it",
    ),
    field("dialog", &[], Number, Id::Dialog, "number of the dialog"),
    field(
        "transaction",
        &[],
        Number,
        Id::Transaction,
        "number of the transaction",
    ),
    field(
        "retransmission",
        &["resend", "sip.resend"],
        Flag,
        Id::Retransmission,
        "the sender sent it again",
    ),
    field(
        "retransmission_kind",
        &[],
        Word,
        Id::RetransmissionKind,
        "timer, answer_to_retransmission, 2xx_until_ack, ack_for_repeated_2xx, 1xx_refresh",
    ),
    field(
        "copy",
        &[],
        Flag,
        Id::Copy,
        "the capture saw it again, on the same or on other addresses",
    ),
    field(
        "auth",
        &["credentials"],
        Flag,
        Id::Auth,
        "carries credentials",
    ),
    field("challenge", &[], Flag, Id::Challenge, "carries a challenge"),
    field(
        "cut",
        &["truncated"],
        Flag,
        Id::Cut,
        "not all of it was captured",
    ),
    read(
        "text",
        &["raw", "frame"],
        Id::Text,
        "octets of the whole message",
    ),
    read("contact", &[], Id::Contact, "values of Contact"),
    read(
        "sip.auth",
        &[],
        Id::AuthLines,
        "lines with credentials or with a challenge",
    ),
];

/// The field of that name, in any mixture of upper and lower case.
pub(super) fn find(name: &str) -> Option<&'static Field> {
    let is = |known: &str| known.eq_ignore_ascii_case(name);
    // Names come before aliases: `frame` is a number.
    FIELDS
        .iter()
        .find(|f| is(f.name))
        .or_else(|| FIELDS.iter().find(|f| f.aliases.iter().any(|a| is(a))))
}

/// The header that a name like `header.Subject` or `sip.Subject` means.
pub(super) fn header(name: &str) -> Option<&str> {
    let (before, header) = name.split_once('.')?;
    let token = |b: u8| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&b);
    let good = !header.is_empty() && header.bytes().all(token);
    let ours = before.eq_ignore_ascii_case("header") || before.eq_ignore_ascii_case("hdr");
    let known = before.eq_ignore_ascii_case("sip")
        && HeaderName::from_bytes(header.as_bytes()).as_str().is_some();
    (good && (ours || known)).then_some(header)
}

/// Headers whose value is a number are compared as numbers.
pub(super) fn is_number(header: &str) -> bool {
    HeaderName::from_bytes(header.as_bytes()).grammar() == Grammar::Integer
}

/// Names of fields that resemble `name`, best first; at most three.
pub fn fields_like(name: &str) -> Vec<&'static str> {
    let name = name.to_ascii_lowercase();
    let most = 1 + name.len() / 4;
    let mut found: Vec<(usize, usize, &'static str)> = FIELDS
        .iter()
        .enumerate()
        .flat_map(|(at, f)| {
            std::iter::once(f.name)
                .chain(f.aliases.iter().copied())
                .map(move |n| (at, n))
        })
        .filter_map(|(at, known)| {
            let lower = known.to_ascii_lowercase();
            let distance = distance(&name, &lower);
            let part = name.len() >= 3 && lower.contains(&name);
            (distance <= most || part).then_some((distance, at, known))
        })
        .collect();
    found.sort_unstable();
    found.dedup_by_key(|(_, at, _)| *at);
    found.into_iter().map(|(_, _, name)| name).take(3).collect()
}

/// Letters to add, drop, change or swap to get from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<u8>, Vec<u8>) = (a.bytes().take(64).collect(), b.bytes().take(64).collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&last, j) + usize::from(x != y))
                .min(at(&last, j + 1) + 1)
                .min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}
