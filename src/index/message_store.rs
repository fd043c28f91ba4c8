//! One row for each message, the flows they took, and where their bytes lie.

use serde::Serialize;

use super::ids::{CallId, DialogId, FlowId, MessageId, PartiesId, TextId, TransactionId};
use crate::packet::Endpoint;
pub use crate::packet::Transport;
use crate::sip::method::Method;

/// An address pair with its transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Sender.
    pub src: Endpoint,
    /// Receiver.
    pub dst: Endpoint,
    /// Transport.
    pub transport: Transport,
}

/// Role of a session description in the offer/answer exchange (RFC 3264).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SdpKind {
    /// No session description.
    #[default]
    None,
    /// It offers.
    Offer,
    /// It answers.
    Answer,
    /// It is outside of an exchange.
    Other,
}

/// Why a message came again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RetransmissionKind {
    /// A timer of the sender (A, E, G, or that of a reliable provisional response).
    Timer,
    /// The request came again and is answered again.
    AnswerToRetransmission,
    /// A 2xx to INVITE, repeated until the ACK comes (RFC 3261, 13.3.1.4).
    #[serde(rename = "2xx_until_ack")]
    SuccessUntilAck,
    /// The ACK of a repeated 2xx.
    #[serde(rename = "ack_for_repeated_2xx")]
    AckForRepeatedSuccess,
    /// A provisional response sent again to keep proxies waiting (RFC 3261, 13.3.1.1).
    #[serde(rename = "1xx_refresh")]
    ProvisionalRefresh,
}

impl RetransmissionKind {
    /// Name as in the `retransmission_kind` field of the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Timer => "timer",
            Self::AnswerToRetransmission => "answer_to_retransmission",
            Self::SuccessUntilAck => "2xx_until_ack",
            Self::AckForRepeatedSuccess => "ack_for_repeated_2xx",
            Self::ProvisionalRefresh => "1xx_refresh",
        }
    }
}

/// How a message relates to an earlier one that it equals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It does not.
    No,
    /// The sender sent it again.
    Retransmission(MessageId, RetransmissionKind),
    /// The capture saw the same packet again on the same addresses.
    CopyOf(MessageId),
    /// The capture saw the same message on other addresses (NAT, transparent relay).
    SeenAs(MessageId),
}

impl Repeat {
    /// True for both kinds of copy.
    pub fn is_copy(self) -> bool {
        matches!(self, Self::CopyOf(_) | Self::SeenAs(_))
    }

    /// True for a retransmission.
    pub fn is_retransmission(self) -> bool {
        matches!(self, Self::Retransmission(..))
    }
}

pub(super) mod flag {
    /// It is a response.
    pub const RESPONSE: u16 = 1;
    /// `place` is a position in the list of extents.
    pub const SCATTERED: u16 = 1 << 1;
    /// Fewer octets were captured than sent.
    pub const CUT: u16 = 1 << 2;
    /// Carries Authorization or Proxy-Authorization.
    pub const CREDENTIALS: u16 = 1 << 3;
    /// Carries WWW-Authenticate or Proxy-Authenticate.
    pub const CHALLENGE: u16 = 1 << 4;
    /// CSeq could be read.
    pub const CSEQ: u16 = 1 << 5;
    /// Has a body.
    pub const SDP: u16 = 1 << 6;
    /// `request` was the first of its dialog or stood outside of one: no To tag.
    pub const INITIAL: u16 = 1 << 7;
    /// Asks for, or grants, no time at all: Expires or the `expires` of Contact is 0.
    pub const ZERO_EXPIRES: u16 = 1 << 8;
    /// Has a Contact.
    pub const CONTACT: u16 = 1 << 9;
    /// Subscription-State: active.
    pub const SUB_ACTIVE: u16 = 1 << 10;
    /// Subscription-State: pending.
    pub const SUB_PENDING: u16 = 1 << 11;
    /// Subscription-State: terminated.
    pub const SUB_TERMINATED: u16 = 1 << 12;
    /// A CANCEL that says that the call was answered elsewhere.
    pub const ELSEWHERE: u16 = 1 << 13;
}

/// Call-ID, From and To: what the messages of a dialog have in common, for each direction.
#[derive(Clone, Debug)]
pub struct Parties {
    /// Call-ID.
    pub call_id: TextId,
    /// URI of From.
    pub from_uri: TextId,
    /// URI of To.
    pub to_uri: TextId,
    /// Tag of From.
    pub from_tag: Option<TextId>,
    /// Tag of To.
    pub to_tag: Option<TextId>,
}

impl Parties {
    /// Of a message that is not there.
    pub(super) const NONE: Self = Self {
        call_id: TextId::FIRST,
        from_uri: TextId::FIRST,
        to_uri: TextId::FIRST,
        from_tag: None,
        to_tag: None,
    };

    /// The texts they need.
    pub(super) fn texts(&self) -> [Option<TextId>; 5] {
        let uris = (Some(self.from_uri), Some(self.to_uri));
        [
            Some(self.call_id),
            uris.0,
            uris.1,
            self.from_tag,
            self.to_tag,
        ]
    }
}

/// What is kept of every message. The rest is read from its bytes.
#[derive(Clone, Debug)]
pub struct MessageRow {
    /// Capture time of the packet that completes it, nanoseconds since 1970-01-01 UTC.
    pub time: i64,
    /// Offset in the file, or position in the list of extents.
    pub(super) place: u64,
    /// Number of octets.
    pub len: u32,
    /// Number of the packet in which it ends.
    pub frame: u32,
    /// Its way.
    pub flow: FlowId,
    /// Who writes to whom under which Call-ID: see [`IndexView::parties`](super::IndexView::parties).
    pub parties: PartiesId,
    /// Request-URI, or the reason phrase of a response.
    pub start_text: TextId,
    /// User-Agent or Server.
    pub user_agent: Option<TextId>,
    /// Summary of the session description, or the content type of another body.
    pub body_text: Option<TextId>,
    /// CSeq number; meaningless when `cseq()` is none.
    pub(super) cseq: u32,
    /// Hash of the top branch, for filters.
    pub(super) branch: u32,
    /// Octets of the body.
    pub body_len: u32,
    /// Transaction on this hop.
    pub transaction: TransactionId,
    /// Dialog, if it is in one.
    pub dialog: Option<DialogId>,
    /// What it belongs to.
    pub call: CallId,
    /// Of a response: its request; of an ACK: the response; of a CANCEL: the INVITE.
    pub(super) refers_to: Option<MessageId>,
    pub(super) repeats: Option<MessageId>,
    /// The message before it in the same call.
    pub previous_in_call: Option<MessageId>,
    /// Distance from the start of its frame.
    pub(super) head: u16,
    /// Status code, 0 for a request.
    pub status: u16,
    pub(super) flags: u16,
    /// Index of the input file.
    pub file: u16,
    /// Method; for a response that of CSeq.
    pub method: Method,
    /// Method in CSeq.
    pub cseq_method: Method,
    pub(super) repeat_code: u8,
    /// Which stack of layers it came through.
    pub(super) layers: u8,
    /// Role of its session description.
    pub sdp: SdpKind,
    /// Number of Via values, 255 for more.
    pub via_count: u8,
}

impl MessageRow {
    /// The texts it needs, beside those of its parties.
    pub(super) fn texts(&self) -> [Option<TextId>; 3] {
        [Some(self.start_text), self.user_agent, self.body_text]
    }

    /// True for a response.
    pub fn is_response(&self) -> bool {
        self.flags & flag::RESPONSE != 0
    }

    /// True for a request.
    pub fn is_request(&self) -> bool {
        !self.is_response()
    }

    /// Fewer octets were captured than sent, or the stream has a hole in it.
    pub fn is_cut(&self) -> bool {
        self.flags & flag::CUT != 0
    }

    /// Carries credentials.
    pub fn has_credentials(&self) -> bool {
        self.flags & flag::CREDENTIALS != 0
    }

    /// Carries a challenge.
    pub fn has_challenge(&self) -> bool {
        self.flags & flag::CHALLENGE != 0
    }

    /// Has a session description.
    pub fn has_sdp(&self) -> bool {
        self.flags & flag::SDP != 0
    }

    /// A request without To tag: outside of a dialog or the first of one.
    pub fn is_initial(&self) -> bool {
        self.flags & flag::INITIAL != 0
    }

    /// Asks for no time at all: takes a binding or subscription back.
    pub fn expires_at_once(&self) -> bool {
        self.flags & flag::ZERO_EXPIRES != 0
    }

    /// Has a Contact.
    pub fn has_contact(&self) -> bool {
        self.flags & flag::CONTACT != 0
    }

    /// A CANCEL whose Reason says that another leg was answered (RFC 3326, 2).
    pub fn tells_elsewhere(&self) -> bool {
        self.flags & flag::ELSEWHERE != 0
    }

    /// State in Subscription-State (RFC 6665, 4.1.3), if it is one of the three.
    pub fn subscription_state(&self) -> Option<super::call::State> {
        use super::call::State;
        match self.flags {
            f if f & flag::SUB_ACTIVE != 0 => Some(State::Active),
            f if f & flag::SUB_PENDING != 0 => Some(State::Pending),
            f if f & flag::SUB_TERMINATED != 0 => Some(State::Terminated),
            _ => None,
        }
    }

    /// Hash of the top branch, see [`super::branch_hash`].
    pub fn branch_hash(&self) -> u32 {
        self.branch
    }

    /// CSeq number.
    pub fn cseq(&self) -> Option<u32> {
        (self.flags & flag::CSEQ != 0).then_some(self.cseq)
    }

    /// For a response: the request that it answers.
    pub fn request(&self) -> Option<MessageId> {
        self.refers_to.filter(|_| self.is_response())
    }

    /// For an ACK: the response that it acknowledges.
    pub fn acks(&self) -> Option<MessageId> {
        self.refers_to
            .filter(|_| self.is_request() && self.method == Method::Ack)
    }

    /// For a CANCEL: the INVITE that it cancels.
    pub fn cancels(&self) -> Option<MessageId> {
        self.refers_to
            .filter(|_| self.is_request() && self.method == Method::Cancel)
    }

    /// What earlier message it repeats, and how.
    pub fn repeat(&self) -> Repeat {
        use RetransmissionKind as K;
        let Some(id) = self.repeats else {
            return Repeat::No;
        };
        match self.repeat_code {
            1 => Repeat::CopyOf(id),
            2 => Repeat::SeenAs(id),
            3 => Repeat::Retransmission(id, K::Timer),
            4 => Repeat::Retransmission(id, K::AnswerToRetransmission),
            5 => Repeat::Retransmission(id, K::SuccessUntilAck),
            6 => Repeat::Retransmission(id, K::AckForRepeatedSuccess),
            7 => Repeat::Retransmission(id, K::ProvisionalRefresh),
            _ => Repeat::No,
        }
    }

    pub(super) fn set_repeat(&mut self, repeat: Repeat) {
        use RetransmissionKind as K;
        (self.repeats, self.repeat_code) = match repeat {
            Repeat::No => (None, 0),
            Repeat::CopyOf(id) => (Some(id), 1),
            Repeat::SeenAs(id) => (Some(id), 2),
            Repeat::Retransmission(id, K::Timer) => (Some(id), 3),
            Repeat::Retransmission(id, K::AnswerToRetransmission) => (Some(id), 4),
            Repeat::Retransmission(id, K::SuccessUntilAck) => (Some(id), 5),
            Repeat::Retransmission(id, K::AckForRepeatedSuccess) => (Some(id), 6),
            Repeat::Retransmission(id, K::ProvisionalRefresh) => (Some(id), 7),
        };
    }
}
