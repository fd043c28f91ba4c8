//! A filter against one index: what can be decided once is decided here.

use std::borrow::Cow;

use super::fields::{Id, Subject};
use super::{Filter, Node, Pattern, Relation, Test};
use crate::index::ids::{CallId, FlowId, MessageId, TextId};
use crate::index::message_store::{Flow, MessageRow, Parties, Repeat, SdpKind, Transport};
use crate::index::paged::Slots;
use crate::index::{IndexView, branch_hash};
use crate::packet::trace::stands_for;
use crate::sip::header_name::{Header, HeaderName};
use crate::sip::headers::{HeaderValue, Value};
use crate::sip::message::{Message, decode};
use crate::sip::method::Method;
use crate::sip::scan::Framing;

/// A filter that can be asked for the rows of one index.
pub struct Compiled {
    pub(super) root: Check,
    pub(super) needs_bytes: bool,
}

/// A set of things in the index, by their positions.
pub(super) struct Bits {
    words: Vec<u64>,
    slots: Slots,
}

impl Bits {
    fn of(slots: Slots, mut holds: impl FnMut(usize) -> bool) -> Self {
        let mut bits = Self::none(slots.clone());
        for index in slots.positions() {
            if holds(index) {
                bits.set(index);
            }
        }
        bits
    }

    fn none(slots: Slots) -> Self {
        let words = vec![0; slots.count().div_ceil(64)];
        Self { words, slots }
    }

    #[inline]
    fn set(&mut self, index: usize) {
        let place = self.slots.place(index);
        if let Some(word) = self.words.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    #[inline]
    fn has(&self, index: usize) -> bool {
        let place = self.slots.place(index);
        self.words
            .get(place / 64)
            .is_some_and(|word| word >> (place % 64) & 1 == 1)
    }
}

/// Rows that one mask covers.
pub(super) const MASK_ROWS: usize = 1024;

/// A bit for each of some rows.
#[derive(Clone, Copy, Default)]
pub(super) struct Mask([u64; MASK_ROWS / 64]);

impl Mask {
    /// The first `count` rows.
    fn first(count: usize) -> Self {
        let mut mask = Self::default();
        for (index, word) in mask.0.iter_mut().enumerate() {
            *word = match count.saturating_sub(index * 64) {
                0 => 0,
                64.. => u64::MAX,
                some => (1 << some) - 1,
            };
        }
        mask
    }

    #[inline]
    fn of(rows: &[MessageRow], holds: impl Fn(usize, &MessageRow) -> bool) -> Self {
        let mut mask = Self::default();
        for ((index, word), rows) in mask.0.iter_mut().enumerate().zip(rows.chunks(64)) {
            for (bit, row) in rows.iter().enumerate() {
                *word |= u64::from(holds(index * 64 + bit, row)) << bit;
            }
        }
        mask
    }

    fn join(mut self, other: Self, how: impl Fn(u64, u64) -> u64) -> Self {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word = how(*word, other);
        }
        self
    }

    fn and(self, other: Self) -> Self {
        self.join(other, |a, b| a & b)
    }

    fn or(self, other: Self) -> Self {
        self.join(other, |a, b| a | b)
    }

    fn without(self, other: Self) -> Self {
        self.join(other, |a, b| a & !b)
    }

    fn is_empty(self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Positions of the rows, ascending.
    pub fn positions(self) -> impl Iterator<Item = usize> {
        self.0.into_iter().enumerate().flat_map(|(index, word)| {
            std::iter::successors((word != 0).then_some(word), |left| {
                let left = left & (left - 1);
                (left != 0).then_some(left)
            })
            .map(move |left| index * 64 + left.trailing_zeros() as usize)
        })
    }
}

/// One decision, made ready.
pub(super) enum Check {
    All(Vec<Check>),
    Any(Vec<Check>),
    Not(Box<Check>),
    Const(bool),
    Number {
        id: Id,
        ranges: Vec<(i64, i64)>,
        negated: bool,
    },
    /// A text of the row is in the set.
    Text {
        id: Id,
        set: Bits,
    },
    /// Call-ID, From and To of the row are in the set.
    Parties(Bits),
    /// The flow of the row is in the set.
    Flow(Bits),
    /// The stack of layers of the row is in the set.
    Layers(Bits),
    /// The call of the row is in the set.
    Call(Bits),
    /// Methods by number; of those in no registry these messages.
    Method {
        id: Id,
        known: u32,
        odd: Vec<MessageId>,
        negated: bool,
    },
    /// The top branch has one of these hashes.
    Branch {
        hashes: Vec<u32>,
        negated: bool,
    },
    /// Which roles of session descriptions.
    Role([bool; 4]),
    RetransmissionKind(Vec<&'static str>),
    Flag(Id),
    /// Needs the octets.
    Octets(Box<OctetCheck>),
}

/// A decision on the octets of a message.
pub(super) struct OctetCheck {
    subject: Subject,
    relation: Relation,
    /// Octets that every message has for which it holds.
    finder: Option<memchr::memmem::Finder<'static>>,
}

impl Filter {
    /// Makes the filter ready for an index.
    pub fn compile(&self, view: &IndexView) -> Compiled {
        let root = node(&self.root, view);
        let needs_bytes = needs_bytes(&root);
        Compiled { root, needs_bytes }
    }
}

fn needs_bytes(check: &Check) -> bool {
    match check {
        Check::All(checks) | Check::Any(checks) => checks.iter().any(needs_bytes),
        Check::Not(check) => needs_bytes(check),
        Check::Octets(_) => true,
        _ => false,
    }
}

fn node(node_: &Node, view: &IndexView) -> Check {
    match node_ {
        Node::And(nodes) => Check::All(nodes.iter().map(|n| node(n, view)).collect()),
        Node::Or(nodes) => Check::Any(nodes.iter().map(|n| node(n, view)).collect()),
        Node::Not(inner) => Check::Not(Box::new(node(inner, view))),
        Node::Test(t) => test(t, view),
    }
}

fn test(test: &Test, view: &IndexView) -> Check {
    let Subject::Field(id) = test.subject else {
        return octets(test);
    };
    let relation = &test.relation;
    // Alone it asks for the header, which a tunnel may have outside; values are those of the inner one.
    let outer = match id {
        Id::Ip4Source | Id::Ip4Destination | Id::Ip4Address => Some(Id::Ip4),
        Id::Ip6Source | Id::Ip6Destination | Id::Ip6Address => Some(Id::Ip6),
        Id::UdpSourcePort | Id::UdpDestinationPort | Id::UdpPort => Some(Id::Udp),
        Id::TcpSourcePort | Id::TcpDestinationPort | Id::TcpPort => Some(Id::Tcp),
        _ => None,
    };
    if let (Some(outer), Relation::Present) = (outer, relation) {
        return Check::Any(vec![
            through(outer, view),
            flows(view, |flow| stands_on(id, flow, relation)),
        ]);
    }
    match id {
        Id::Sip => Check::Const(true),
        Id::Request
        | Id::Response
        | Id::HasSdp
        | Id::Retransmission
        | Id::Copy
        | Id::Auth
        | Id::Challenge
        | Id::Cut => Check::Flag(id),
        Id::Source
        | Id::Destination
        | Id::Address
        | Id::Ip4Source
        | Id::Ip4Destination
        | Id::Ip4Address
        | Id::Ip6Source
        | Id::Ip6Destination
        | Id::Ip6Address
        | Id::SourcePort
        | Id::DestinationPort
        | Id::Port
        | Id::UdpSourcePort
        | Id::UdpDestinationPort
        | Id::UdpPort
        | Id::TcpSourcePort
        | Id::TcpDestinationPort
        | Id::TcpPort => flows(view, |flow| stands_on(id, flow, relation)),
        Id::Ethernet | Id::Vlan | Id::Sctp | Id::Tls | Id::WebSocket => through(id, view),
        // A text trace knows addresses but no layers.
        Id::Ip4 | Id::Ip6 | Id::Udp | Id::Tcp => Check::Any(vec![
            through(id, view),
            flows(view, |flow| match id {
                Id::Udp => flow.transport == Transport::Udp,
                Id::Tcp => flow.transport.has_connections(),
                _ => family(flow.src.ip) == Some(id) || family(flow.dst.ip) == Some(id),
            }),
        ]),
        Id::Transport => flows(view, |flow| word(flow.transport.name(), relation)),
        Id::Layers => {
            let stacks = &view.layer_stacks;
            Check::Layers(Bits::of(Slots::all(stacks.len()), |at| {
                stacks
                    .get(at)
                    .is_some_and(|s| octets_hold(s.to_string().as_bytes(), relation, false))
            }))
        }
        Id::Method | Id::RequestMethod | Id::CseqMethod => method(id, view, relation, !test.exact),
        Id::Branch => branch(test, relation),
        Id::SdpRole => {
            let roles = ["", "offer", "answer", "other"];
            Check::Role(roles.map(|role| !role.is_empty() && word(role, relation)))
        }
        Id::RetransmissionKind => {
            let kinds = [
                "timer",
                "answer_to_retransmission",
                "2xx_until_ack",
                "ack_for_repeated_2xx",
                "1xx_refresh",
            ];
            Check::RetransmissionKind(kinds.into_iter().filter(|k| word(k, relation)).collect())
        }
        Id::CallKind => calls(view, |at| {
            view.calls
                .get(at)
                .is_some_and(|call| word(call.kind.name(), relation))
        }),
        Id::CallState => calls(view, |at| {
            crate::index::call::summary(view, CallId::at(at))
                .is_some_and(|summary| word(summary.state.name(), relation))
        }),
        Id::Text | Id::Contact | Id::AuthLines => octets(test),
        Id::Codec => texts(id, view, |text| codec_holds(text, relation)),
        _ if is_text(id) => texts(id, view, |text| text_holds(id, text, relation, test.exact)),
        _ => match relation {
            Relation::Ranges { ranges, negated } => Check::Number {
                id,
                ranges: ranges.clone(),
                negated: *negated,
            },
            _ => Check::Number {
                id,
                ranges: vec![(i64::MIN, i64::MAX)],
                negated: false,
            },
        },
    }
}

fn is_text(id: Id) -> bool {
    matches!(
        id,
        Id::Reason
            | Id::RequestUri
            | Id::RequestUser
            | Id::RequestHost
            | Id::CallId
            | Id::FromUri
            | Id::FromUser
            | Id::FromHost
            | Id::FromTag
            | Id::ToUri
            | Id::ToUser
            | Id::ToHost
            | Id::ToTag
            | Id::UserAgent
            | Id::Body
            | Id::Codec
    )
}

fn of_parties(id: Id) -> bool {
    matches!(
        id,
        Id::CallId
            | Id::FromUri
            | Id::FromUser
            | Id::FromHost
            | Id::FromTag
            | Id::ToUri
            | Id::ToUser
            | Id::ToHost
            | Id::ToTag
    )
}

fn flows(view: &IndexView, holds: impl Fn(&Flow) -> bool) -> Check {
    Check::Flow(Bits::of(Slots::of(&view.flows), |at| {
        view.flows.get(at).is_some_and(&holds)
    }))
}

fn calls(view: &IndexView, holds: impl Fn(usize) -> bool) -> Check {
    Check::Call(Bits::of(Slots::of(&view.calls), holds))
}

fn texts(id: Id, view: &IndexView, holds: impl Fn(&[u8]) -> bool) -> Check {
    let texts = view.texts();
    if !of_parties(id) {
        let set = Bits::of(texts.slots(), |at| holds(texts.bytes(TextId::at(at))));
        return Check::Text { id, set };
    }
    // Only the texts that stand there, and each of them once: tags and Call-IDs are the most.
    let (mut asked, mut set) = (Bits::none(texts.slots()), Bits::none(texts.slots()));
    Check::Parties(Bits::of(Slots::of(&view.parties), |at| {
        let parties = view.parties.get(at);
        let Some(text) = parties.and_then(|parties| text_of_parties(id, parties)) else {
            return false;
        };
        if !asked.has(text.index()) {
            asked.set(text.index());
            if holds(texts.bytes(text)) {
                set.set(text.index());
            }
        }
        set.has(text.index())
    }))
}

/// Messages whose layers name the one of that flag.
fn through(id: Id, view: &IndexView) -> Check {
    let wanted = match id {
        Id::Ethernet => "eth",
        Id::Vlan => "vlan",
        Id::Ip4 => "ipv4",
        Id::Ip6 => "ipv6",
        Id::Udp => "udp",
        Id::Tcp => "tcp",
        Id::Sctp => "sctp",
        Id::Tls => "tls",
        _ => "websocket",
    };
    let stacks = &view.layer_stacks;
    Check::Layers(Bits::of(Slots::all(stacks.len()), |at| {
        let names = stacks.get(at).map(ToString::to_string);
        names.is_some_and(|names| names.split('/').any(|name| name == wanted))
    }))
}

/// Which kind of address it is; none when it only stands for a name in a text trace.
fn family(ip: std::net::IpAddr) -> Option<Id> {
    match ip {
        std::net::IpAddr::V4(_) => Some(Id::Ip4),
        std::net::IpAddr::V6(_) => stands_for(ip).is_none().then_some(Id::Ip6),
    }
}

/// A relation on the addresses or ports of a flow.
fn stands_on(id: Id, flow: &Flow, relation: &Relation) -> bool {
    match id {
        Id::SourcePort
        | Id::DestinationPort
        | Id::Port
        | Id::UdpSourcePort
        | Id::UdpDestinationPort
        | Id::UdpPort
        | Id::TcpSourcePort
        | Id::TcpDestinationPort
        | Id::TcpPort => port(id, flow, relation),
        _ => address(id, flow, relation),
    }
}

fn address(id: Id, flow: &Flow, relation: &Relation) -> bool {
    let (wanted, ends) = match id {
        Id::Source => (None, [Some(flow.src), None]),
        Id::Destination => (None, [Some(flow.dst), None]),
        Id::Address => (None, [Some(flow.src), Some(flow.dst)]),
        Id::Ip4Source => (Some(Id::Ip4), [Some(flow.src), None]),
        Id::Ip4Destination => (Some(Id::Ip4), [Some(flow.dst), None]),
        Id::Ip4Address => (Some(Id::Ip4), [Some(flow.src), Some(flow.dst)]),
        Id::Ip6Source => (Some(Id::Ip6), [Some(flow.src), None]),
        Id::Ip6Destination => (Some(Id::Ip6), [Some(flow.dst), None]),
        _ => (Some(Id::Ip6), [Some(flow.src), Some(flow.dst)]),
    };
    let mut ends = ends
        .into_iter()
        .flatten()
        .filter(|end| wanted.is_none() || family(end.ip) == wanted)
        .peekable();
    if ends.peek().is_none() {
        return false;
    }
    let Relation::Networks { networks, negated } = relation else {
        return true;
    };
    ends.any(|end| networks.iter().any(|n| n.holds(end))) != *negated
}

fn port(id: Id, flow: &Flow, relation: &Relation) -> bool {
    let over = match id {
        Id::UdpPort | Id::UdpSourcePort | Id::UdpDestinationPort => {
            flow.transport == Transport::Udp
        }
        Id::TcpPort | Id::TcpSourcePort | Id::TcpDestinationPort => {
            flow.transport.has_connections()
        }
        _ => true,
    };
    let Relation::Ranges { ranges, negated } = relation else {
        return over;
    };
    let inside = |port: u16| holds_number(i64::from(port), ranges);
    let found = match id {
        Id::SourcePort | Id::UdpSourcePort | Id::TcpSourcePort => inside(flow.src.port),
        Id::DestinationPort | Id::UdpDestinationPort | Id::TcpDestinationPort => {
            inside(flow.dst.port)
        }
        _ => inside(flow.src.port) || inside(flow.dst.port),
    };
    over && found != *negated
}

#[inline]
fn holds_number(number: i64, ranges: &[(i64, i64)]) -> bool {
    ranges
        .iter()
        .any(|(low, high)| (*low..=*high).contains(&number))
}

/// A word of a closed list: upper and lower case are the same.
fn word(text: &str, relation: &Relation) -> bool {
    octets_hold(text.as_bytes(), relation, true)
}

/// A text that all messages with the same parties have.
fn text_of_parties(field: Id, parties: &Parties) -> Option<TextId> {
    match field {
        Id::CallId => Some(parties.call_id),
        Id::FromUri | Id::FromUser | Id::FromHost => Some(parties.from_uri),
        Id::FromTag => parties.from_tag,
        Id::ToUri | Id::ToUser | Id::ToHost => Some(parties.to_uri),
        Id::ToTag => parties.to_tag,
        _ => None,
    }
}

/// A relation on octets.
fn octets_hold(text: &[u8], relation: &Relation, any_case: bool) -> bool {
    let fold = |bytes: &[u8]| bytes.to_ascii_lowercase();
    match relation {
        Relation::Present => true,
        Relation::Equals { texts, negated } => {
            let found = texts.iter().any(|t| {
                if any_case {
                    t.as_bytes().eq_ignore_ascii_case(text)
                } else {
                    t.as_bytes() == text
                }
            });
            found != *negated
        }
        Relation::Contains(part) if any_case => {
            memchr::memmem::find(&fold(text), &fold(part.as_bytes())).is_some()
        }
        Relation::Contains(part) => memchr::memmem::find(text, part.as_bytes()).is_some(),
        Relation::Matches(Pattern { regex, .. }) => regex.is_match(text),
        Relation::Ordered {
            text: other,
            less,
            equal,
        } => {
            let order = text.cmp(other.as_bytes());
            order.is_eq() && *equal || order.is_lt() == *less && order.is_ne()
        }
        Relation::Ranges { .. } | Relation::Networks { .. } => false,
    }
}

fn text_holds(id: Id, text: &[u8], relation: &Relation, exact: bool) -> bool {
    let scheme = text.get(..4).unwrap_or_default();
    if exact && is_user(id) && scheme.eq_ignore_ascii_case(b"tel:") {
        // For Wireshark the number of a tel URI is no user.
        return false;
    }
    let (part, any_case) = match id {
        Id::RequestUser | Id::FromUser | Id::ToUser => (user_and_host(text).0, false),
        Id::RequestHost | Id::FromHost | Id::ToHost => (user_and_host(text).1, true),
        _ => (text, false),
    };
    // An empty text stands for none.
    if part.is_empty() {
        return false;
    }
    octets_hold(part, relation, any_case && !exact)
}

fn is_user(id: Id) -> bool {
    matches!(id, Id::RequestUser | Id::FromUser | Id::ToUser)
}

/// User and host of a URI (RFC 3261, 19.1.1); of a tel URI (RFC 3966) the number is the user.
fn user_and_host(uri: &[u8]) -> (&[u8], &[u8]) {
    let Some(colon) = memchr::memchr(b':', uri) else {
        return (&[], &[]);
    };
    let (scheme, rest) = uri.split_at_checked(colon).unwrap_or_default();
    let rest = rest.get(1..).unwrap_or_default();
    let until = |bytes: &'_ [u8], stops: &[u8]| {
        bytes
            .iter()
            .position(|b| stops.contains(b))
            .unwrap_or(bytes.len())
    };
    if scheme.eq_ignore_ascii_case(b"tel") {
        return (rest.get(..until(rest, b";?")).unwrap_or_default(), &[]);
    }
    let (user, host) = match memchr::memrchr(b'@', rest.get(..until(rest, b"?>")).unwrap_or(rest)) {
        Some(at) => (
            rest.get(..at).unwrap_or_default(),
            rest.get(at + 1..).unwrap_or_default(),
        ),
        None => (Default::default(), rest),
    };
    let user = user.get(..until(user, b":")).unwrap_or_default();
    let end = if host.starts_with(b"[") {
        until(host, b"]") + 1
    } else {
        until(host, b":;?>")
    };
    (user, host.get(..end).unwrap_or(host))
}

/// The codecs in the summary of a session description.
fn codec_words(summary: &str) -> impl Iterator<Item = &str> {
    let other = [
        "/",
        "video",
        "text",
        "application",
        "message",
        "image",
        "other",
        "refused",
        "sendrecv",
        "sendonly",
        "recvonly",
        "inactive",
    ];
    summary
        .split_ascii_whitespace()
        .filter(move |word| !other.contains(word))
}

fn codec_holds(summary: &[u8], relation: &Relation) -> bool {
    let summary = String::from_utf8_lossy(summary);
    let mut codecs = codec_words(&summary);
    match relation {
        // None of them is one of these.
        Relation::Equals {
            texts,
            negated: true,
        } => {
            let mut any = false;
            let other = codecs.all(|codec| {
                any = true;
                !texts.iter().any(|t| t.eq_ignore_ascii_case(codec))
            });
            any && other
        }
        relation => codecs.any(|codec| word(codec, relation)),
    }
}

/// Methods differ by case (RFC 3261, 7.1), but who filters for `invite` means INVITE.
fn method(id: Id, view: &IndexView, relation: &Relation, any_case: bool) -> Check {
    let holds = |name: &str| octets_hold(name.as_bytes(), relation, any_case);
    let known = Method::REGISTERED
        .iter()
        .filter(|m| holds(m.as_str()))
        .fold(0_u32, |mask, m| mask | 1 << (*m as u32));
    let odd = view
        .odd_methods
        .iter()
        .filter(|(_, name)| holds(name))
        .map(|(id, _)| *id)
        .collect();
    Check::Method {
        id,
        known,
        odd,
        negated: false,
    }
}

/// The index keeps a hash of the branch: enough to answer for equality.
fn branch(test: &Test, relation: &Relation) -> Check {
    match relation {
        Relation::Equals { texts, negated } => Check::Branch {
            hashes: texts.iter().map(|t| branch_hash(t.as_bytes())).collect(),
            negated: *negated,
        },
        _ => octets(test),
    }
}

fn octets(test: &Test) -> Check {
    let literal = match &test.relation {
        Relation::Contains(text) => Some(text.as_str()),
        Relation::Equals {
            texts,
            negated: false,
        } => match texts.as_slice() {
            [one] => Some(one.as_str()),
            _ => None,
        },
        _ => None,
    };
    // A folded value has a line end where the filter has a blank.
    let literal = literal.filter(|l| {
        !l.is_empty() && (test.subject == Subject::Field(Id::Text) || !l.contains([' ', '\t']))
    });
    Check::Octets(Box::new(OctetCheck {
        subject: test.subject.clone(),
        relation: test.relation.clone(),
        finder: literal.map(|l| memchr::memmem::Finder::new(l.as_bytes()).into_owned()),
    }))
}

/// The octets of a message, decoded when first needed.
pub(super) struct Octets<'a> {
    bytes: &'a [u8],
    framing: Framing,
    message: std::cell::OnceCell<Message>,
}

impl<'a> Octets<'a> {
    pub fn new(bytes: &'a [u8], framing: Framing) -> Self {
        Self {
            bytes,
            framing,
            message: std::cell::OnceCell::new(),
        }
    }

    fn message(&self) -> &Message {
        self.message
            .get_or_init(|| decode(self.bytes, self.framing).0)
    }
}

impl OctetCheck {
    fn holds(&self, octets: &Octets<'_>) -> bool {
        if let Some(finder) = &self.finder
            && finder.find(octets.bytes).is_none()
        {
            return false;
        }
        let message = |wanted: &dyn Fn(HeaderName) -> bool| {
            octets
                .message()
                .headers
                .iter()
                .filter(|field| wanted(field.name))
                .any(|field| self.value_holds(field.value.of(octets.bytes)))
        };
        match &self.subject {
            Subject::Field(Id::Text) => octets_hold(octets.bytes, &self.relation, false),
            Subject::Field(Id::Contact) => message(&|name| name.header() == Header::Contact),
            Subject::Field(Id::AuthLines) => octets
                .message()
                .headers
                .iter()
                .filter(|field| {
                    let auth = |value: &HeaderValue| matches!(value.value, Value::Auth(_));
                    field.values.iter().any(auth)
                })
                .any(|field| self.value_holds(field.line.of(octets.bytes))),
            Subject::Field(_) => octets
                .message()
                .top_via()
                .is_some_and(|via| self.value_holds(via.branch(octets.bytes).of(octets.bytes))),
            Subject::Part(part) => part.any(octets.message(), octets.bytes, &mut |value| {
                self.value_holds(value)
            }),
            Subject::Header(name) => match HeaderName::from_bytes(name.as_bytes()) {
                known if known.as_str().is_some() => message(&|n| n == known),
                _ => octets
                    .message()
                    .headers
                    .iter()
                    .filter(|f| {
                        f.name_span
                            .of(octets.bytes)
                            .eq_ignore_ascii_case(name.as_bytes())
                    })
                    .any(|f| self.value_holds(f.value.of(octets.bytes))),
            },
        }
    }

    fn value_holds(&self, value: &[u8]) -> bool {
        if let Relation::Ranges { ranges, negated } = &self.relation {
            return leading_number(value).is_some_and(|n| holds_number(n, ranges) != *negated);
        }
        octets_hold(&unfolded(value), &self.relation, false)
    }
}

/// The number in front of parameters and comments.
fn leading_number(value: &[u8]) -> Option<i64> {
    let digits = value.iter().take_while(|b| b.is_ascii_digit()).count();
    std::str::from_utf8(value.get(..digits)?).ok()?.parse().ok()
}

/// A header value in one line (RFC 3261, 7.3.1: a fold is one blank).
pub fn unfolded(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'\r', b'\n', value).is_none() {
        return value.into();
    }
    let mut out: Vec<u8> = Vec::with_capacity(value.len());
    let mut fold = false;
    for byte in value {
        match byte {
            b'\r' | b'\n' => fold = true,
            b' ' | b'\t' if fold => {}
            byte => {
                if fold {
                    while out.last().is_some_and(|b| matches!(b, b' ' | b'\t')) {
                        out.pop();
                    }
                    out.push(b' ');
                    fold = false;
                }
                out.push(*byte);
            }
        }
    }
    out.into()
}

impl Compiled {
    /// True when the index alone cannot answer.
    pub fn needs_bytes(&self) -> bool {
        self.needs_bytes
    }

    /// The answer of the index for one message; none when its octets have to be looked at.
    pub fn matches(&self, id: MessageId, row: &MessageRow) -> Option<bool> {
        self.root.holds(id, row, None)
    }

    /// The answer for one message with its octets.
    pub(super) fn decide(&self, id: MessageId, row: &MessageRow, octets: &Octets<'_>) -> bool {
        self.root.holds(id, row, Some(octets)).unwrap_or(false)
    }
}

impl Check {
    /// Three answers: yes, no, and not without the octets.
    fn holds(&self, id: MessageId, row: &MessageRow, octets: Option<&Octets<'_>>) -> Option<bool> {
        match self {
            Self::All(checks) => {
                let mut result = Some(true);
                for check in checks {
                    match check.holds(id, row, octets) {
                        Some(false) => return Some(false),
                        None => result = None,
                        Some(true) => {}
                    }
                }
                result
            }
            Self::Any(checks) => {
                let mut result = Some(false);
                for check in checks {
                    match check.holds(id, row, octets) {
                        Some(true) => return Some(true),
                        None => result = None,
                        Some(false) => {}
                    }
                }
                result
            }
            Self::Not(check) => check.holds(id, row, octets).map(|held| !held),
            Self::Octets(check) => octets.map(|octets| check.holds(octets)),
            indexed => Some(indexed.row_holds(id, row)),
        }
    }

    /// Answers for up to [`MASK_ROWS`] rows at once: yes, and not without the octets.
    pub(super) fn mask(&self, from: usize, rows: &[MessageRow]) -> (Mask, Mask) {
        match self {
            Self::All(checks) => {
                let (mut yes, mut maybe) = (Mask::first(rows.len()), Mask::first(rows.len()));
                for check in checks {
                    let (y, o) = check.mask(from, rows);
                    yes = yes.and(y);
                    maybe = maybe.and(y.or(o));
                    if maybe.is_empty() {
                        break;
                    }
                }
                (yes, maybe.without(yes))
            }
            Self::Any(checks) => {
                let (mut yes, mut maybe) = (Mask::default(), Mask::default());
                for check in checks {
                    let (y, o) = check.mask(from, rows);
                    yes = yes.or(y);
                    maybe = maybe.or(y.or(o));
                }
                (yes, maybe.without(yes))
            }
            Self::Not(check) => {
                let (yes, open) = check.mask(from, rows);
                (Mask::first(rows.len()).without(yes).without(open), open)
            }
            Self::Octets(_) => (Mask::default(), Mask::first(rows.len())),
            Self::Const(true) => (Mask::first(rows.len()), Mask::default()),
            Self::Const(false) => (Mask::default(), Mask::default()),
            indexed => (indexed.row_mask(from, rows), Mask::default()),
        }
    }

    /// Answers from the rows. What is asked most has a loop of its own: what a loop over a million
    /// rows decides in each of them costs more than the rows themselves.
    fn row_mask(&self, from: usize, rows: &[MessageRow]) -> Mask {
        match self {
            Self::Flow(set) => Mask::of(rows, |_, row| set.has(row.flow.index())),
            Self::Parties(set) => Mask::of(rows, |_, row| set.has(row.parties.index())),
            Self::Call(set) => Mask::of(rows, |_, row| set.has(row.call.index())),
            Self::Number {
                id: Id::Status,
                ranges,
                negated,
            } => Mask::of(rows, |_, row| {
                row.is_response() && holds_number(i64::from(row.status), ranges) != *negated
            }),
            Self::Flag(Id::Request) => Mask::of(rows, |_, row| row.is_request()),
            Self::Flag(Id::Response) => Mask::of(rows, |_, row| row.is_response()),
            // Methods of no registry are looked up by message.
            Self::Method {
                id: id @ (Id::Method | Id::RequestMethod),
                known,
                odd,
                negated,
            } if odd.is_empty() => {
                let any = *id == Id::Method;
                Mask::of(rows, |_, row| {
                    (any || row.is_request()) && (known >> (row.method as u32) & 1 == 1) != *negated
                })
            }
            other => Mask::of(rows, |at, row| {
                other.row_holds(MessageId::at(from + at), row)
            }),
        }
    }

    /// Answers from the row.
    #[inline]
    fn row_holds(&self, id: MessageId, row: &MessageRow) -> bool {
        match self {
            Self::Const(value) => *value,
            Self::Number {
                id: field,
                ranges,
                negated,
            } => number_of(*field, id, row).is_some_and(|n| holds_number(n, ranges) != *negated),
            Self::Text { id, set } => text_of(*id, row).is_some_and(|t| set.has(t.index())),
            Self::Parties(set) => set.has(row.parties.index()),
            Self::Flow(set) => set.has(FlowId::index(row.flow)),
            Self::Layers(set) => set.has(usize::from(row.layers)),
            Self::Call(set) => set.has(row.call.index()),
            Self::Method {
                id: field,
                known,
                odd,
                negated,
            } => {
                let method = match field {
                    Id::CseqMethod => row.cseq_method,
                    Id::RequestMethod if row.is_response() => return false,
                    _ => row.method,
                };
                let found = match method {
                    Method::Other => odd.binary_search(&id).is_ok(),
                    method => known >> (method as u32) & 1 == 1,
                };
                found != *negated
            }
            Self::Branch { hashes, negated } => hashes.contains(&row.branch_hash()) != *negated,
            Self::Role(roles) => {
                let at = match row.sdp {
                    SdpKind::None => 0,
                    SdpKind::Offer => 1,
                    SdpKind::Answer => 2,
                    SdpKind::Other => 3,
                };
                roles.get(at).copied().unwrap_or(false)
            }
            Self::RetransmissionKind(kinds) => match row.repeat() {
                Repeat::Retransmission(_, kind) => kinds.contains(&kind.name()),
                _ => false,
            },
            Self::Flag(flag) => match flag {
                Id::Request => row.is_request(),
                Id::Response => row.is_response(),
                Id::HasSdp => row.has_sdp(),
                Id::Retransmission => row.repeat().is_retransmission(),
                Id::Copy => row.repeat().is_copy(),
                Id::Auth => row.has_credentials(),
                Id::Challenge => row.has_challenge(),
                _ => row.is_cut(),
            },
            Self::All(_) | Self::Any(_) | Self::Not(_) | Self::Octets(_) => false,
        }
    }
}

#[inline]
fn number_of(field: Id, id: MessageId, row: &MessageRow) -> Option<i64> {
    Some(match field {
        Id::Message => i64::from(id.get()),
        Id::Frame => i64::from(row.frame),
        Id::File => i64::from(row.file) + 1,
        Id::Time => row.time,
        Id::Status => return row.is_response().then_some(i64::from(row.status)),
        Id::Cseq => return row.cseq().map(i64::from),
        Id::ViaCount => i64::from(row.via_count),
        Id::Length => i64::from(row.len),
        Id::BodyLength => i64::from(row.body_len),
        Id::Call => i64::from(row.call.get()),
        Id::Dialog => return row.dialog.map(|d| i64::from(d.get())),
        Id::Transaction => i64::from(row.transaction.get()),
        _ => return None,
    })
}

#[inline]
fn text_of(field: Id, row: &MessageRow) -> Option<TextId> {
    match field {
        Id::Reason => row.is_response().then_some(row.start_text),
        Id::RequestUri | Id::RequestUser | Id::RequestHost => {
            row.is_request().then_some(row.start_text)
        }
        Id::UserAgent => row.user_agent,
        Id::Codec => row.body_text.filter(|_| row.has_sdp()),
        Id::Body => row.body_text,
        _ => None,
    }
}
