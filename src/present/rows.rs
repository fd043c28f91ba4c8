//! Rows of the call list and of the message list, as plain data.
//!
//! A [`MessageLine`] is made from the index alone, so a window can make those it shows in the
//! frame that shows them. A [`CallLine`] adds up all messages of a call, which takes time in a
//! long one: [`CallLine::brief`] is what is known at once, [`CallLine::of`] the whole.

use crate::bytes::MessageBytes;
use crate::index::call::{self, EndReason, EndedBy, State};
use crate::index::ids::{CallId, MessageId, TextId};
use crate::index::message_store::{MessageRow, Repeat, SdpKind, Transport};
use crate::index::{CallKind, IndexView};
use crate::packet::Endpoint;
use crate::packet::trace::TimeKind;
use crate::sip::header_name::Header;
use crate::sip::headers::Value;
use crate::sip::message::Message;
use crate::sip::method::Method;

use super::ladder::ArrowClass;
use super::text;

/// How a group of messages came out, for its mark in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// As its users wanted.
    Good,
    /// Still going on.
    Open,
    /// Ended without success, by the will of a person.
    Unanswered,
    /// It failed.
    Bad,
    /// The capture does not tell.
    Unknown,
}

impl Outcome {
    /// The outcome behind a state.
    pub fn of(state: State) -> Self {
        match state {
            State::Completed | State::Registered | State::Active => Self::Good,
            State::Calling | State::Ringing | State::EarlyMedia | State::Answered => Self::Open,
            State::Pending => Self::Open,
            State::Cancelled | State::NoAnswer | State::Busy | State::Declined => Self::Unanswered,
            State::Redirected | State::Unregistered | State::Terminated => Self::Unanswered,
            State::NoResponse | State::Rejected | State::NotFound | State::Failed => Self::Bad,
            State::Challenged => Self::Bad,
            State::Partial => Self::Unknown,
        }
    }
}

/// A state in the words of the window.
pub fn state_words(state: State) -> &'static str {
    match state {
        State::Calling => "Calling",
        State::Ringing => "Ringing",
        State::EarlyMedia => "Early media",
        State::Answered => "Answered",
        State::Completed => "Completed",
        State::Cancelled => "Cancelled",
        State::NoAnswer => "No answer",
        State::NoResponse => "No response",
        State::Busy => "Busy",
        State::Declined => "Declined",
        State::Rejected => "Rejected",
        State::NotFound => "Not found",
        State::Redirected => "Redirected",
        State::Challenged => "Challenged",
        State::Failed => "Failed",
        State::Partial => "Partial",
        State::Registered => "Registered",
        State::Unregistered => "Unregistered",
        State::Active => "Active",
        State::Pending => "Pending",
        State::Terminated => "Terminated",
    }
}

/// A kind in the words of the window, in the plural.
pub fn kind_words(kind: CallKind) -> &'static str {
    match kind {
        CallKind::Call => "Calls",
        CallKind::Registration => "Registrations",
        CallKind::Subscription => "Subscriptions",
        CallKind::Message => "Messages",
        CallKind::Options => "OPTIONS",
        CallKind::Other => "Other",
    }
}

/// One row of the call list. Times are nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallLine {
    /// Which call.
    pub call: CallId,
    /// Its state, once it was added up.
    pub state: Option<State>,
    /// First message, since 1970-01-01 UTC.
    pub start: i64,
    /// URI of the caller.
    pub caller: String,
    /// URI of the callee.
    pub callee: String,
    /// Final response that the caller got.
    pub status: Option<u16>,
    /// Its reason phrase.
    pub reason: String,
    /// INVITE to first ringing or answer.
    pub pdd: Option<i64>,
    /// Answer to BYE.
    pub talk: Option<i64>,
    /// Number of messages.
    pub messages: u32,
    /// Retransmissions among them.
    pub retransmissions: u32,
    /// Number of dialogs, once they were counted.
    pub dialogs: Option<u32>,
    /// INVITE to 2xx.
    pub setup: Option<i64>,
    /// The same from the very first INVITE.
    pub total_setup: Option<i64>,
    /// First 180 to the final response.
    pub ring: Option<i64>,
    /// Time of the last message, once it was added up.
    pub end: Option<i64>,
    /// Who ended it.
    pub ended_by: Option<EndedBy>,
    /// What ended it.
    pub end_reason: Option<EndReason>,
    /// Sender and receiver of the first message.
    pub way: Option<(Endpoint, Endpoint)>,
    /// Call-ID of the first message.
    pub call_id: String,
    /// What its messages name as User-Agent or Server, in the order of their coming.
    pub user_agents: Vec<String>,
    /// Display name in From of the first request; filled in by who reads its octets.
    pub caller_name: String,
    /// The asserted identity of the first request (RFC 3325), as above.
    pub asserted: String,
    /// RTP packets towards the callee and towards the caller; none where the capture has no RTP.
    pub rtp: Option<(u64, u64)>,
}

/// User-Agents shown for one call.
const MOST_USER_AGENTS: usize = 8;

impl CallLine {
    /// What is known without looking at every message of the call.
    pub fn brief(view: &IndexView, id: CallId) -> Option<Self> {
        let entry = view.call(id)?;
        let first = view.message(entry.first)?;
        let parties = view.parties(first);
        let callee = if first.is_request() && entry.kind != CallKind::Registration {
            first.start_text
        } else {
            parties.to_uri
        };
        Some(Self {
            call: id,
            state: None,
            start: first.time,
            caller: interned(view, parties.from_uri),
            callee: interned(view, callee),
            status: None,
            reason: String::new(),
            pdd: None,
            talk: None,
            messages: entry.messages,
            retransmissions: entry.retransmissions,
            dialogs: None,
            setup: None,
            total_setup: None,
            ring: None,
            end: None,
            ended_by: None,
            end_reason: None,
            way: view.flow(first.flow).map(|flow| (flow.src, flow.dst)),
            call_id: interned(view, entry.call_id),
            user_agents: Vec::new(),
            caller_name: String::new(),
            asserted: String::new(),
            rtp: None,
        })
    }

    /// The whole row; takes time in proportion to the messages of the call.
    pub fn of(view: &IndexView, id: CallId) -> Option<Self> {
        let brief = Self::brief(view, id)?;
        let summary = call::summary(view, id)?;
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let mut agents: Vec<TextId> = Vec::new();
        for agent in summary
            .messages
            .iter()
            .filter_map(|id| view.message(*id)?.user_agent)
        {
            if agents.len() < MOST_USER_AGENTS && !agents.contains(&agent) {
                agents.push(agent);
            }
        }
        Some(Self {
            setup: summary.setup,
            total_setup: summary.total_setup,
            ring: summary.ring,
            end: Some(summary.end),
            ended_by: summary.ended_by,
            end_reason: summary.end_reason,
            user_agents: agents.into_iter().map(|id| interned(view, id)).collect(),
            state: Some(summary.state),
            start: summary.start,
            status: summary.status,
            reason: summary.reason.unwrap_or_default(),
            pdd: summary.pdd,
            talk: summary.talk,
            messages: count(summary.messages.len()),
            retransmissions: summary.retransmissions,
            dialogs: Some(count(summary.dialogs.len())),
            caller: summary.caller,
            callee: summary.callee,
            ..brief
        })
    }

    /// Reads the name of the caller from the first request.
    pub fn read_names(&mut self, view: &IndexView, bytes: &dyn MessageBytes) {
        let Some(first) = view.call(self.call).map(|call| call.first) else {
            return;
        };
        let Some((octets, message)) = super::registrations::decoded(view, bytes, first) else {
            return;
        };
        if let Some(name) = name_in(&message, &octets, Header::From) {
            self.caller_name = name;
        }
        let identity = message.values(Header::PAssertedIdentity);
        let identity = identity.into_iter().find_map(|value| match &value.value {
            Value::Address(address) => Some(address.uri.span),
            _ => None,
        });
        if let Some(span) = identity {
            self.asserted = String::from_utf8_lossy(span.of(&octets)).into_owned();
        }
    }

    /// Who calls, for people: name and user; the asserted identity of those who hide.
    pub fn caller_words(&self) -> String {
        let uri = uri_words(&self.caller);
        let hidden = uri.to_ascii_lowercase().contains("anonymous");
        let user = |uri: &str| match uri.split_once('@') {
            Some((user, _)) if !user.is_empty() => user.to_owned(),
            _ => uri.to_owned(),
        };
        match (
            hidden && !self.asserted.is_empty(),
            self.caller_name.as_str(),
        ) {
            (true, _) => format!("{} (anonymous)", user(uri_words(&self.asserted))),
            (false, "") => user(uri),
            (false, name) if name == user(uri) => user(uri),
            (false, name) => format!("{name} {}", user(uri)),
        }
    }

    /// Its state in a word. A call that was answered and ended because its ACK, its session timer or
    /// its dialog was lost is completed, but not as anybody wanted.
    pub fn state_word(&self) -> &'static str {
        match self.state {
            Some(State::Completed) if self.was_dropped() => "Dropped",
            Some(state) => state_words(state),
            None => "",
        }
    }

    /// How it came out; none while that is being worked out.
    pub fn outcome(&self) -> Option<Outcome> {
        match self.state? {
            State::Completed if self.was_dropped() => Some(Outcome::Bad),
            state => Some(Outcome::of(state)),
        }
    }

    fn was_dropped(&self) -> bool {
        matches!(
            self.end_reason,
            Some(EndReason::NoAck | EndReason::SessionTimer | EndReason::DialogLost)
        )
    }

    /// Who ended it and how: `caller, BYE`.
    pub fn ended_words(&self) -> String {
        let by = match self.ended_by {
            None => "",
            Some(EndedBy::Caller) => "caller",
            Some(EndedBy::Callee) => "callee",
            Some(EndedBy::Both) => "both",
            Some(EndedBy::Network) => "network",
            Some(EndedBy::Unknown) => "unknown",
        };
        let how = match self.end_reason {
            None => "",
            Some(EndReason::Bye) => "BYE",
            Some(EndReason::Cancel) => "CANCEL",
            Some(EndReason::FinalResponse) => "response",
            Some(EndReason::NoAck) => "no ACK",
            Some(EndReason::SessionTimer) => "session timer",
            Some(EndReason::DialogLost) => "dialog lost",
            Some(EndReason::NoResponse) => "no response",
        };
        match (by.is_empty(), how.is_empty()) {
            (false, false) => format!("{by}, {how}"),
            (false, true) => by.to_owned(),
            (true, _) => how.to_owned(),
        }
    }

    /// Code and reason: `486 Busy Here`; empty without a final response.
    pub fn outcome_words(&self) -> String {
        match self.status {
            Some(status) => format!("{status} {}", self.reason).trim_end().to_owned(),
            None => String::new(),
        }
    }
}

/// The display name in a header of addresses.
fn name_in(message: &Message, octets: &[u8], header: Header) -> Option<String> {
    let address = message
        .values(header)
        .find_map(|value| match &value.value {
            Value::Address(address) => Some(address.clone()),
            _ => None,
        })?;
    Some(address.display_name(octets))
}

/// The display name in From of a message; empty where there is none.
pub fn display_name(view: &IndexView, bytes: &dyn MessageBytes, id: MessageId) -> String {
    let decoded = super::registrations::decoded(view, bytes, id);
    let name = decoded.and_then(|(octets, message)| name_in(&message, &octets, Header::From));
    name.unwrap_or_default()
}

/// One row of the message list. Times are nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageLine {
    /// Which message.
    pub message: MessageId,
    /// What it belongs to.
    pub call: CallId,
    /// Capture time, since 1970-01-01 UTC.
    pub time: i64,
    /// Since the message before it in the same call.
    pub delta: Option<i64>,
    /// Sender.
    pub source: Option<Endpoint>,
    /// Receiver.
    pub destination: Option<Endpoint>,
    /// Transport.
    pub transport: Option<Transport>,
    /// `INVITE`, `200 OK (INVITE)`.
    pub label: String,
    /// `1 INVITE`.
    pub cseq: String,
    /// URI of From.
    pub from: String,
    /// URI of To.
    pub to: String,
    /// Call-ID.
    pub call_id: String,
    /// Session description, authentication, repetition.
    pub info: String,
    /// What it looks like.
    pub class: ArrowClass,
    /// It came again, or was captured again.
    pub repeated: bool,
}

impl MessageLine {
    /// The row of a message.
    pub fn of(view: &IndexView, id: MessageId) -> Option<Self> {
        let row = view.message(id)?;
        let flow = view.flow(row.flow);
        let before = row.previous_in_call.and_then(|before| view.message(before));
        let parties = view.parties(row);
        Some(Self {
            message: id,
            call: row.call,
            time: row.time,
            delta: before.map(|before| row.time.saturating_sub(before.time)),
            source: flow.map(|flow| flow.src),
            destination: flow.map(|flow| flow.dst),
            transport: flow.map(|flow| flow.transport),
            label: message_label(view, id),
            cseq: row.cseq().map_or_else(String::new, |number| {
                format!("{number} {}", cseq_method(view, id, row))
            }),
            from: interned(view, parties.from_uri),
            to: interned(view, parties.to_uri),
            call_id: interned(view, parties.call_id),
            info: info(view, row),
            class: ArrowClass::of(row),
            repeated: row.repeat() != Repeat::No,
        })
    }
}

/// Method, or code and reason with the method it answers: `INVITE`, `200 OK (INVITE)`.
pub fn message_label(view: &IndexView, id: MessageId) -> String {
    let Some(row) = view.message(id) else {
        return String::new();
    };
    let method = view.method_name(id);
    if row.is_request() {
        return method.to_owned();
    }
    let reason = interned(view, row.start_text);
    match (reason.is_empty(), method.is_empty()) {
        (false, false) => format!("{} {reason} ({method})", row.status),
        (true, false) => format!("{} ({method})", row.status),
        (false, true) => format!("{} {reason}", row.status),
        (true, true) => row.status.to_string(),
    }
}

fn cseq_method<'a>(view: &'a IndexView, id: MessageId, row: &MessageRow) -> &'a str {
    if row.cseq_method == row.method || row.cseq_method == Method::Other {
        view.method_name(id)
    } else {
        row.cseq_method.as_str()
    }
}

fn info(view: &IndexView, row: &MessageRow) -> String {
    let mut parts: Vec<String> = Vec::new();
    match row.repeat() {
        Repeat::No => {}
        Repeat::Retransmission(of, _) => parts.push(format!("retransmission of {of}")),
        Repeat::CopyOf(of) => parts.push(format!("copy of {of}")),
        Repeat::SeenAs(of) => parts.push(format!("{of}, seen on other addresses")),
    }
    let body = row
        .body_text
        .map(|id| interned(view, id))
        .unwrap_or_default();
    let sdp = match row.sdp {
        SdpKind::None => "",
        SdpKind::Offer => "SDP offer",
        SdpKind::Answer => "SDP answer",
        SdpKind::Other => "SDP",
    };
    match (sdp, row.has_sdp()) {
        ("", false) if !body.is_empty() => parts.push(body),
        ("", false) => {}
        ("", true) => parts.push(format!("SDP {body}").trim_end().to_owned()),
        (sdp, _) => parts.push(format!("{sdp} {body}").trim_end().to_owned()),
    }
    if row.has_credentials() {
        parts.push("auth".to_owned());
    }
    if row.has_challenge() {
        parts.push("challenge".to_owned());
    }
    if row.is_cut() {
        parts.push("cut by the capture".to_owned());
    }
    parts.join(", ")
}

/// An interned text for people: what is no UTF-8 becomes U+FFFD.
fn interned(view: &IndexView, id: TextId) -> String {
    view.texts().get(id).into_owned()
}

/// A URI without scheme, parameters and headers: `alice@example.com`.
pub fn uri_words(uri: &str) -> &str {
    let rest = ["sips:", "sip:", "tel:"]
        .iter()
        .find_map(|scheme| {
            let head = uri.get(..scheme.len())?;
            head.eq_ignore_ascii_case(scheme)
                .then(|| uri.get(scheme.len()..))
                .flatten()
        })
        .unwrap_or(uri);
    // A semicolon before the `@` belongs to the user part.
    let host = rest.find('@').map_or(0, |at| at + 1);
    let end = rest
        .get(host..)
        .and_then(|tail| tail.find([';', '?', '>']))
        .map_or(rest.len(), |at| host + at);
    rest.get(..end).unwrap_or(rest)
}

/// Time of day in UTC with microseconds: `09:41:02.000250`.
pub fn clock_words(nanos: i64) -> String {
    text::clock(nanos, 6)
}

/// A time as far as its source states it: `2026-05-01 09:41:02.000250 UTC`.
pub fn moment_words(kind: TimeKind, nanos: i64) -> String {
    let (date, clock) = (text::date(nanos), clock_words(nanos));
    match kind {
        TimeKind::Absolute => format!("{date} {clock} UTC"),
        // Counted from 1970 where the log has no year.
        TimeKind::Local => match date.strip_prefix("1970-") {
            Some(day) => format!("{day} {clock}, the log states no year and no zone"),
            None => format!("{date} {clock}, the log states no zone"),
        },
        TimeKind::TimeOnly => format!("{clock}, the log states no date"),
        TimeKind::Uptime => format!("{} s after the start of the system", seconds_words(nanos)),
        TimeKind::None => "The log states no times".to_owned(),
    }
}

/// The time of a row, as far as its source states it; empty where it states none.
pub fn clock_words_of(kind: TimeKind, nanos: i64) -> String {
    match kind {
        TimeKind::None => String::new(),
        TimeKind::Uptime => seconds_words(nanos),
        _ => clock_words(nanos),
    }
}

/// What the times of a source without dates or zones are.
pub fn times_words(kind: TimeKind) -> Option<&'static str> {
    match kind {
        TimeKind::Absolute => None,
        TimeKind::Local => Some("no zone in the log"),
        TimeKind::TimeOnly => Some("no date in the log"),
        TimeKind::Uptime => Some("since the start of the system"),
        TimeKind::None => Some("no times in the log"),
    }
}

/// Seconds with microseconds: `12.000250`, `-0.000001`.
pub fn seconds_words(nanos: i64) -> String {
    let micros = nanos.unsigned_abs() / 1000;
    let sign = if nanos < 0 { "-" } else { "" };
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// A duration as people say it: `42 µs`, `0.4 ms`, `182 ms`, `12.3 s`, `4:05`, `1:02:03`.
pub fn duration_words(nanos: i64) -> String {
    let ms = nanos / 1_000_000;
    match ms {
        // Between -1 ms and 0 the quotient is 0.
        _ if nanos < 0 => seconds_words(nanos) + " s",
        0 if (1..1000).contains(&nanos) => format!("{nanos} ns"),
        0 if (1000..100_000).contains(&nanos) => format!("{} µs", nanos / 1000),
        ..10 => format!("{}.{} ms", ms, nanos / 100_000 % 10),
        10..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{}.{} s", ms / 1000, ms / 100 % 10),
        60_000..3_600_000 => format!("{}:{:02}", ms / 60_000, ms / 1000 % 60),
        _ => format!(
            "{}:{:02}:{:02}",
            ms / 3_600_000,
            ms / 60_000 % 60,
            ms / 1000 % 60
        ),
    }
}

/// The words as a sentence of their own: with a capital letter, unless they begin with a path, an
/// address or another name that is written as it is.
pub fn sentence(words: &str) -> String {
    let first = words.split([' ', ':', ',']).next().unwrap_or_default();
    if !first.chars().all(|c| c.is_alphabetic() || "'-".contains(c)) {
        return words.to_owned();
    }
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// A count with its noun: `1 call`, `2,000 calls`.
pub fn counted(count: u64, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        text::grouped(count),
        if count == 1 { one } else { many }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_lose_scheme_and_parameters() {
        for (uri, words) in [
            ("sip:alice@example.com;transport=tcp", "alice@example.com"),
            (
                "SIPS:bob@[2001:db8::1]:5061?Subject=x",
                "bob@[2001:db8::1]:5061",
            ),
            ("tel:+41441234567;phone-context=+41", "+41441234567"),
            (
                "sip:+4144;isub=1@gw.example;user=phone",
                "+4144;isub=1@gw.example",
            ),
            ("urn:service:sos", "urn:service:sos"),
            ("sip:", ""),
            ("", ""),
        ] {
            assert_eq!(uri_words(uri), words, "{uri}");
        }
    }

    #[test]
    fn times_say_their_unit() {
        assert_eq!(clock_words(34_862_000_250_999), "09:41:02.000250");
        assert_eq!(clock_words(-1), "23:59:59.999999");
        assert_eq!(seconds_words(-1000), "-0.000001");
        for (nanos, words) in [
            (0, "0.0 ms"),
            (999, "999 ns"),
            (42_999, "42 µs"),
            (99_999, "99 µs"),
            (100_000, "0.1 ms"),
            (-42_000, "-0.000042 s"),
            (420_000, "0.4 ms"),
            (182_999_999, "182 ms"),
            (12_345_000_000, "12.3 s"),
            (245_000_000_000, "4:05"),
            (3_723_000_000_000, "1:02:03"),
        ] {
            assert_eq!(duration_words(nanos), words);
        }
    }

    #[test]
    fn counts_have_commas_and_the_right_noun() {
        assert_eq!(counted(1, "call", "calls"), "1 call");
        assert_eq!(sentence("no such file"), "No such file");
        assert_eq!(sentence(""), "");
        // Names stay as they are.
        for name in ["root@proxy: denied", "veth1 is down", "/tmp/a.pcap: gone"] {
            assert_eq!(sentence(name), name);
        }
        assert_eq!(counted(0, "call", "calls"), "0 calls");
        assert_eq!(counted(1_234_567, "call", "calls"), "1,234,567 calls");
    }
}
