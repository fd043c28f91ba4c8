//! One call (or registration, subscription …): its parties, its path, the steps it will take.

use crate::people::{Profile, User};
use crate::rng::mix2;
use crate::wire::Vlan;
use std::net::SocketAddr;

/// "No such step".
pub const NONE: u32 = u32::MAX;

/// What a body says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// No body.
    None,
    /// SDP of the author; the number is the version, the text the direction attribute.
    Sdp(u32, &'static str),
    /// The status line of a transferred call (RFC 3420).
    SipFrag(u16),
    /// A text of some length.
    Text(u32),
    /// A DTMF digit in an INFO.
    Dtmf(u32),
    /// Message waiting (RFC 3842).
    Mwi(u32),
    /// Presence (RFC 3863).
    Presence(u32),
    /// Dialog states (RFC 4235).
    DialogInfo(u32),
}

/// One sending of one message over one hop. What is sent follows from the step and its call only,
/// so a repeated step gives the same bytes.
#[derive(Clone, Copy)]
pub struct Step {
    /// When, nanoseconds since 1970.
    pub at: u64,
    /// Number of the transaction within the call; makes the branch.
    pub tx: u32,
    /// `CSeq` number.
    pub cseq: u32,
    /// The step this one repeats, else [`NONE`].
    pub original: u32,
    /// `RSeq` of a reliable provisional response or in the `RAck` of a PRACK.
    pub rseq: u32,
    /// Expires of REGISTER, SUBSCRIBE and their answers.
    pub expires: u32,
    /// Method, for a response that of the request.
    pub method: &'static str,
    /// Status code; 0 for a request.
    pub status: u16,
    /// Position of the hop on the path, 0 nearest the caller.
    pub pos: u8,
    /// Which branch of a fork.
    pub leg: u8,
    /// Which To tag of the dialog, 0 for none.
    pub tag: u8,
    /// The request of this transaction comes from the callee's side.
    pub backwards: bool,
    /// Opens a dialog: the request has Record-Route instead of Route.
    pub initial: bool,
    /// Only between neighbours: one Via (CANCEL, ACK of a failure).
    pub hop_only: bool,
    /// Written by a proxy, not by a user agent.
    pub by_proxy: bool,
    /// Carries credentials.
    pub auth: bool,
    /// Belongs to a leg that lost; does not decide the call.
    pub losing: bool,
    /// Which target: counts redirections.
    pub target: u8,
    /// The body.
    pub body: Body,
}

impl Step {
    /// A request with nothing special about it.
    pub fn request(method: &'static str, tx: u32, cseq: u32) -> Self {
        Self {
            at: 0,
            tx,
            cseq,
            original: NONE,
            rseq: 0,
            expires: 3600,
            method,
            status: 0,
            pos: 0,
            leg: 0,
            tag: 0,
            backwards: false,
            initial: false,
            hop_only: false,
            by_proxy: false,
            auth: false,
            losing: false,
            target: 0,
            body: Body::None,
        }
    }

    /// A response to this request.
    pub fn response(&self, status: u16, body: Body) -> Self {
        Self {
            status,
            body,
            auth: false,
            original: NONE,
            ..*self
        }
    }

    /// Whether the packet travels away from the caller's end.
    pub fn away_from_caller(&self) -> bool {
        (self.status == 0) != self.backwards
    }
}

/// One side of the call.
pub struct Party {
    /// The user.
    pub user: User,
    /// Make of its device.
    pub profile: &'static Profile,
    /// `"Name" ` with its blank, or nothing.
    pub display: String,
    /// User part.
    pub name: String,
    /// Where media go.
    pub media_port: u16,
}

/// A node on the path.
pub struct Node {
    /// Its address.
    pub addr: SocketAddr,
    /// Its address as text, in brackets for IPv6.
    pub host: String,
    /// With port.
    pub host_port: String,
}

impl Node {
    /// The node at an address.
    pub fn new(addr: SocketAddr) -> Self {
        let host_port = addr.to_string();
        let host = match addr {
            SocketAddr::V4(v4) => v4.ip().to_string(),
            SocketAddr::V6(v6) => format!("[{}]", v6.ip()),
        };
        Self {
            addr,
            host,
            host_port,
        }
    }
}

/// One hop of the path.
#[derive(Clone, Copy)]
pub struct Hop {
    /// The TCP connection it uses, else UDP.
    pub connection: Option<usize>,
    /// The connection was opened from the far end (the callee's device).
    pub flipped: bool,
    /// The connection belongs to this call alone.
    pub own: bool,
    /// Tags on it.
    pub vlan: Vlan,
}

/// Times of what was captured on the hop nearest the caller.
#[derive(Clone, Copy, Default)]
pub struct Times {
    /// First INVITE of all.
    pub first_invite: Option<u64>,
    /// First sending of the last INVITE (after challenge, redirection).
    pub last_invite: Option<u64>,
    /// First 101–199 after that.
    pub provisional: Option<u64>,
    /// First 180 after that.
    pub ringing: Option<u64>,
    /// First 2xx.
    pub answered: Option<u64>,
    /// First final response other than 2xx.
    pub failed: Option<u64>,
    /// First BYE of the leg that won.
    pub bye: Option<u64>,
    /// Status of the final response.
    pub status: Option<u16>,
}

/// RTP of a call, both directions.
pub struct Rtp {
    /// Packets still to be sent, per direction.
    pub left: [u64; 2],
    /// Next sequence number, per direction.
    pub sequence: [u16; 2],
    /// Next timestamp, per direction.
    pub timestamp: [u32; 2],
    /// Ticks done, per direction.
    pub ticks: [u64; 2],
    /// Packets of a telephone event still to come, per direction.
    pub event_left: [u8; 2],
    /// When it starts.
    pub start: u64,
    /// Payload type.
    pub payload_type: u8,
}

/// A call with all its steps.
pub struct Call {
    /// Number in the order of starting.
    pub id: u32,
    /// All its names are derived from this.
    pub seed: u64,
    /// `call registration subscription message options other`.
    pub kind: &'static str,
    /// As `sipscope calls` names it.
    pub state: &'static str,
    /// `caller callee network`, or nothing while it is up.
    pub ended_by: Option<&'static str>,
    /// Written with compact header names.
    pub compact: bool,
    /// Several Via and Record-Route values in one header field.
    pub comma_lists: bool,
    /// Asks for `rport` (RFC 3581).
    pub rport: bool,
    /// From and To come first.
    pub from_first: bool,
    /// Some hop is TCP.
    pub tcp: bool,
    /// `Call-ID`.
    pub call_id: String,
    /// The caller, then the callee of each leg.
    pub parties: Vec<Party>,
    /// The caller, the proxies, then the callee of each leg.
    pub nodes: Vec<Node>,
    /// Number of proxies: the hops that all legs share.
    pub common: usize,
    /// Shared hops, then one for each leg.
    pub hops: Vec<Hop>,
    /// Request-URI of the first request.
    pub to_uri: String,
    /// Where a redirection leads.
    pub next_uri: String,
    /// From (and To of a REGISTER).
    pub from_uri: String,
    /// Value of `Event`.
    pub event: &'static str,
    /// The steps, by time.
    pub steps: Vec<Step>,
    /// First step not sent.
    pub next: usize,
    /// Steps seen whole in the capture.
    pub done: usize,
    /// Message number of each step.
    pub numbers: Vec<u32>,
    /// Dialogs opened.
    pub dialogs: u64,
    /// What was captured when.
    pub times: Times,
    /// Its media, if wanted.
    pub rtp: Option<Rtp>,
}

impl Call {
    /// Index of the hop at a position of a leg's path.
    pub fn hop_index(&self, pos: u8, leg: u8) -> usize {
        let pos = usize::from(pos);
        if pos < self.common {
            pos
        } else {
            self.common + usize::from(leg)
        }
    }

    /// The node before position `pos`; position `common + 1` is the callee of the leg.
    pub fn node(&self, pos: usize, leg: u8) -> &Node {
        let at = if pos <= self.common {
            pos
        } else {
            self.common + 1 + usize::from(leg)
        };
        &self.nodes[at]
    }

    /// Party that wrote a step as user agent.
    pub fn author(&self, step: &Step) -> &Party {
        let callee = (step.status != 0) != step.backwards;
        &self.parties[if callee { 1 + usize::from(step.leg) } else { 0 }]
    }

    /// Node of that party.
    pub fn author_node(&self, step: &Step) -> &Node {
        let callee = (step.status != 0) != step.backwards;
        if callee {
            self.node(self.common + 1, step.leg)
        } else {
            &self.nodes[0]
        }
    }

    /// Branch of a transaction at the node that sends it.
    pub fn branch(&self, tx: u32, node: usize, leg: u8) -> u64 {
        // Up to the fork there is one branch for all legs.
        let leg = if node < self.common { 0 } else { leg };
        mix2(
            self.seed ^ 0xb7a9,
            u64::from(tx) << 16 | (node as u64) << 8 | u64::from(leg),
        )
    }

    /// The caller's tag (0), or one of the callee's.
    pub fn tag(&self, which: u8) -> u64 {
        mix2(self.seed ^ 0x7a6, u64::from(which))
    }

    /// A made-up number of this call.
    pub fn number(&self, what: u64) -> u64 {
        mix2(self.seed, what)
    }
}
