//! Files each message: transaction, dialog, call, repetition.
//!
//! One writer, messages in the order of the capture; any number of threads may have decoded them.

mod held;
mod late;
mod ring;
mod users;

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::HashTable;

use super::icmp::{self, IcmpError, IcmpErrors, Quote};
use super::ids::{
    AnnouncementId, CallId, DialogId, FlowId, MessageId, PartiesId, TextId, TransactionId,
};
use super::media::{self, Announcement, Exchange, Refusal};
use super::message_store::{
    Flow, MessageRow, Parties, Repeat, RetransmissionKind, SdpKind, Transport, flag,
};
use super::paged::Paged;
use super::repeat::{Kind, Sending, Sendings};
use super::stream::RtpTable;
use super::text::Texts;
use super::time_bound::{HashedMap, TimeBound};
use super::trace::{Names, Told, TraceRow};
use super::wanted::Wanted;
use super::{Call, CallKind, Dialog, HepNote, IndexView, Left, Totals, hash_bytes, mix};
use crate::bytes::Extent;
use crate::packet::{Addressing, Endpoint, LayerStack, hep};
use crate::sip::method::Method;
use crate::sip::scan::{Scan, StartKind};

/// A transaction is remembered for this long after its last message (64*T1 twice over).
const TRANSACTION_NANOS: i64 = 64_000_000_000;
/// An INVITE that rings is remembered for this long.
const RINGING_NANOS: i64 = 600_000_000_000;

/// Hashes of the parts that identify, made where the message is decoded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keys {
    call_id: u64,
    from_tag: u64,
    /// Call-ID, tags and URIs of From and To.
    parties: u64,
    start_text: u64,
    user_agent: u64,
    /// Branch, sent-by, Call-ID, CSeq number: a transaction but for its method.
    base: u64,
    branch: u32,
    /// What a retransmission has in common with its original.
    signature: u64,
    octets: u64,
    flow: u64,
}

impl Keys {
    /// Hashes what identifies a message.
    pub fn of(bytes: &[u8], scan: &Scan, addressing: &Addressing, transport: Transport) -> Self {
        let hash = |span: crate::span::Span| hash_bytes(span.of(bytes));
        let branch_text = scan.branch.of(bytes);
        let branch = hash_bytes(branch_text);
        let call_id = hash(scan.call_id);
        let from_tag = hash(scan.from_tag);
        let to_tag = hash(scan.to_tag);
        let uris = mix(hash(scan.from_uri), hash(scan.to_uri));
        let start_text = hash(scan.ruri_or_reason);
        let cseq = u64::from(scan.cseq.unwrap_or(u32::MAX)) | u64::from(scan.cseq.is_none()) << 40;
        let mut base = mix(mix(branch, hash(scan.sent_by)), mix(call_id, cseq));
        // RFC 2543 matching: without the cookie the branch need not be unique (RFC 3261, 17.2.3).
        if !has_cookie(branch_text) {
            base = mix(base, from_tag);
        }
        let start = mix(
            start_text,
            u64::from(scan.status) << 8 | u64::from(scan.method as u8),
        );
        let rseq = scan.rseq.map_or(0, |n| u64::from(n) + 1);
        let tags = mix(from_tag, to_tag);
        let signature = mix(mix(start, rseq), tags);
        let flow = flow_key(addressing, transport);
        Self {
            call_id,
            from_tag,
            parties: mix(mix(call_id, tags), uris),
            start_text,
            user_agent: hash(scan.user_agent),
            base,
            branch: branch as u32,
            signature,
            octets: hash_bytes(bytes),
            flow,
        }
    }
}

/// True for a branch that is unique (RFC 3261, 8.1.1.7).
fn has_cookie(branch: &[u8]) -> bool {
    branch
        .get(..7)
        .is_some_and(|c| c.eq_ignore_ascii_case(b"z9hG4bK"))
}

/// Hash of addresses and transport.
fn flow_key(addressing: &Addressing, transport: Transport) -> u64 {
    mix(
        mix(
            media::endpoint_key(addressing.src),
            media::endpoint_key(addressing.dst),
        ),
        transport as u64,
    )
}

/// A failure after which the same call is tried once more: elsewhere, with credentials, changed as
/// the response says (RFC 3261, 8.1.3.4 and 8.1.3.5; RFC 4028, 6; RFC 3261, 21.5.4).
fn asks_again(status: u16) -> bool {
    matches!(
        status,
        300..=399 | 401 | 407 | 413..=417 | 420..=423 | 428..=439 | 484 | 488 | 491 | 494 | 500..=599
    )
}

/// The hash that a row keeps of its top branch.
pub fn branch_hash(branch: &[u8]) -> u32 {
    hash_bytes(branch) as u32
}

/// One decoded message on its way into the index.
#[derive(Clone, Copy)]
pub struct Incoming<'a> {
    /// Its octets.
    pub bytes: &'a [u8],
    /// Where its parts stand.
    pub scan: &'a Scan,
    /// Their hashes.
    pub keys: &'a Keys,
    /// Where its session description asks for media: position of the section and address.
    pub places: &'a [(u16, Endpoint)],
    /// Summary of the session description or type of the body, and its hash.
    pub body_text: Option<(&'a [u8], u64)>,
    /// Addresses.
    pub addressing: Addressing,
    /// Transport.
    pub transport: Transport,
    /// Layers.
    pub layers: LayerStack,
    /// Where its octets lie; at least one, in order.
    pub extents: &'a [Extent],
    /// Not all of it was captured.
    pub cut: bool,
    /// What the agent says that forwarded it in HEP.
    pub hep: Option<&'a hep::Note>,
    /// What a text trace says of it.
    pub told: Option<Told>,
}

#[derive(Clone, Copy)]
struct Transaction {
    id: TransactionId,
    request: Option<MessageId>,
    call: CallId,
    /// First final response.
    final_response: Option<MessageId>,
    final_status: u16,
    provisional: bool,
    initial: bool,
    exchange: Exchange,
    since: i64,
    /// The newest repetition of the request.
    asked_again: Option<MessageId>,
}

impl Transaction {
    /// It is answered for now, and may be for minutes.
    fn may_ring(&self, now: i64) -> bool {
        let ringing = self.provisional && self.final_status == 0;
        ringing && now.saturating_sub(self.since) < RINGING_NANOS
    }
}

/// Parties of late, with what else every message of theirs asks for.
#[derive(Clone, Copy, Default)]
struct Recent {
    key: u64,
    id: Option<PartiesId>,
    from_tag: Option<TextId>,
    to_tag: Option<TextId>,
    /// Their dialog, once it was found.
    dialog: Option<DialogId>,
}

/// What is known of a Call-ID.
struct Cid {
    hash: u64,
    text: TextId,
    /// Its newest parties: mostly those of the two directions.
    parties: [Recent; 2],
    /// Which of them is replaced next.
    oldest: bool,
    calls: [Option<CallId>; 6],
    invite_from: u64,
    invite_cseq: u32,
    /// The newest INVITE was refused in a way that asks for another try, maybe under another tag.
    may_retry: bool,
    /// A BYE was sent: the next INVITE is another call.
    ended: bool,
    /// Hash of the `+sip.instance` that registers, 0 without one.
    instance: u64,
    /// RSeq of the reliable response that offered, 0 without one.
    offered_rseq: u32,
    /// From tags other than `invite_from` made calls of their own.
    several: bool,
    /// A message refers to one that was not captured before it.
    waits: bool,
}

/// The writer of the index.
pub struct Indexer {
    rows: Paged<MessageRow>,
    parties: Paged<Parties>,
    dialogs: Paged<Dialog>,
    calls: Paged<Call>,
    flows: Paged<Flow>,
    extents: Paged<Extent>,
    announcements: Paged<Announcement>,
    refusals: Paged<Refusal>,
    /// Session intervals that 2xx responses agree, in seconds (RFC 4028).
    session_intervals: Paged<(MessageId, u32)>,
    texts: Texts,
    layer_stacks: Vec<LayerStack>,
    odd_methods: Arc<BTreeMap<MessageId, String>>,
    flow_table: HashTable<(u64, FlowId)>,
    last_flows: [(u64, Option<FlowId>); 4],
    cids: Vec<Cid>,
    cid_table: HashTable<u32>,
    /// Places in `cids` that are not used any more.
    free_cids: Vec<u32>,
    dialog_table: HashedMap<DialogId>,
    invite_calls: HashedMap<CallId>,
    registrations: HashedMap<CallId>,
    transactions: TimeBound<Transaction>,
    sendings: TimeBound<Sendings>,
    /// 2xx to INVITE by dialog, CSeq and addresses, for their ACKs.
    successes: TimeBound<MessageId>,
    /// The newest announcement of each place.
    announced_at: HashedMap<AnnouncementId>,
    /// RTP seen so far.
    pub rtp: RtpTable,
    hep: Paged<HepNote>,
    told: Paged<TraceRow>,
    names: Names,
    /// The messages that come now are in packets out of a text, or without times.
    pub packets_told: Option<Told>,
    icmp: Arc<IcmpErrors>,
    transaction_count: u32,
    requests: [u64; 32],
    odd_requests: BTreeMap<String, u64>,
    common_responses: Vec<u64>,
    responses: BTreeMap<u16, u64>,
    retransmissions: u64,
    copies: u64,
    octets: u64,
    last_time: i64,
    call_id_count: u64,
    calls_over: u64,
    ring: Option<ring::Ring>,
    held: held::Held,
    left: Left,
    /// Notes which packets are wanted, when somebody asks for that.
    pub wanted: Option<Box<Wanted>>,
}

impl Default for Indexer {
    fn default() -> Self {
        Self {
            rows: Paged::default(),
            parties: Paged::default(),
            dialogs: Paged::default(),
            calls: Paged::default(),
            flows: Paged::default(),
            extents: Paged::default(),
            announcements: Paged::default(),
            refusals: Paged::default(),
            session_intervals: Paged::default(),
            texts: Texts::default(),
            layer_stacks: Vec::new(),
            odd_methods: Arc::default(),
            flow_table: HashTable::new(),
            last_flows: [(0, None); 4],
            cids: Vec::new(),
            cid_table: HashTable::new(),
            free_cids: Vec::new(),
            dialog_table: HashedMap::default(),
            invite_calls: HashedMap::default(),
            registrations: HashedMap::default(),
            transactions: TimeBound::new(TRANSACTION_NANOS, Transaction::may_ring),
            sendings: TimeBound::new(TRANSACTION_NANOS, |_, _| false),
            successes: TimeBound::new(TRANSACTION_NANOS, |_, _| false),
            announced_at: HashedMap::default(),
            rtp: RtpTable::default(),
            hep: Paged::default(),
            told: Paged::default(),
            names: Names::default(),
            packets_told: None,
            icmp: Arc::default(),
            transaction_count: 0,
            requests: [0; 32],
            odd_requests: BTreeMap::new(),
            common_responses: vec![0; 700],
            responses: BTreeMap::new(),
            retransmissions: 0,
            copies: 0,
            octets: 0,
            last_time: i64::MIN,
            call_id_count: 0,
            calls_over: 0,
            ring: None,
            held: held::Held::default(),
            left: Left::default(),
            wanted: None,
        }
    }
}

const INVITE_SALT: u64 = Method::Invite as u64;

impl Indexer {
    /// Files one message and gives its id.
    pub fn push(&mut self, m: &Incoming<'_>) -> Option<MessageId> {
        let last = m.extents.iter().max_by_key(|e| e.frame)?;
        // The order is that of the capture; the time shown is that of who saw the message first.
        let stated = m.hep.and_then(|hep| hep.time);
        let (time, frame) = (stated.unwrap_or(last.time), last.frame);
        if self.rows.end() >= u32::MAX as usize - 1 {
            return None;
        }
        self.keep_within();
        if let Some(wanted) = &mut self.wanted {
            wanted.note(m);
        }
        self.turn(last.time);
        self.last_time = self.last_time.max(time);
        let id = MessageId::at(self.rows.end());
        let scan = m.scan;
        let response = scan.kind == StartKind::Response;
        let initial = scan.to_tag.is_empty();
        let flow = self.flow(m);
        let cid = self.cid(m);
        let parties = self.parties(cid, m)?;

        let (key, of_failure) = self.transaction_key(m, response);
        let call;
        let transaction;
        let known = self.transactions.get_mut(key).copied();
        let known = known.filter(|t| self.is_there(t.call));
        match &known {
            Some(t) => {
                call = t.call;
                transaction = t.id;
            }
            None => {
                call = self.call_of(m, cid, id, &parties, response, initial)?;
                self.transaction_count += 1;
                transaction = TransactionId::new(self.transaction_count)?;
            }
        }

        let repeat = self.repetition(m, key, id, time, response, known.as_ref());
        let fresh = repeat == Repeat::No;
        let dialog = if of_failure && known.is_some_and(|t| t.initial) {
            None
        } else {
            self.dialog(m, cid, id, &parties, response, call, known.as_ref())
        };
        let (refers_to, mut exchange) = self.references(m, cid, response, dialog, known.as_ref());

        let mut sdp = SdpKind::None;
        let mut flags = 0;
        if scan.is_sdp {
            flags |= flag::SDP;
            let state = match scan.method {
                Method::Ack | Method::Prack if !response => exchange,
                _ => known.as_ref().map_or(exchange, |t| t.exchange),
            };
            let asked = !response || known.is_some_and(|t| t.request.is_some());
            (sdp, exchange) = media::role(scan.method, response, scan.status, state, asked);
            if response
                && sdp == SdpKind::Offer
                && let Some(cid) = self.cids.get_mut(cid)
            {
                cid.offered_rseq = scan.rseq.unwrap_or(0);
            }
        } else if let Some(t) = &known {
            exchange = t.exchange;
        }
        if response {
            flags |= flag::RESPONSE;
        }
        if m.cut {
            flags |= flag::CUT;
        }
        if scan.has_credentials {
            flags |= flag::CREDENTIALS;
        }
        if scan.has_challenge {
            flags |= flag::CHALLENGE;
        }
        if scan.cseq.is_some() {
            flags |= flag::CSEQ;
        }
        if initial {
            flags |= flag::INITIAL;
        }
        if expires_at_once(scan, m.bytes) {
            flags |= flag::ZERO_EXPIRES;
        }
        if scan.contact_count > 0 {
            flags |= flag::CONTACT;
        }
        if !scan.subscription_state.is_empty() {
            flags |= subscription_flag(scan.subscription_state.of(m.bytes));
        }
        if scan.method == Method::Cancel
            && !response
            && tells_elsewhere(scan.reason_header.of(m.bytes))
        {
            flags |= flag::ELSEWHERE;
        }
        let (place, head) = match m.extents {
            [one] => (one.offset, one.head),
            many => {
                flags |= flag::SCATTERED;
                let at = self.extents.end() as u64;
                for extent in many {
                    self.extents.push(*extent);
                }
                (at, many.first().map_or(0, |e| e.head))
            }
        };

        let user_agent = (!scan.user_agent.is_empty()).then(|| {
            self.texts
                .intern(m.keys.user_agent, scan.user_agent.of(m.bytes))
        });
        let start_text = self
            .texts
            .intern(m.keys.start_text, scan.ruri_or_reason.of(m.bytes));
        let body_text = m
            .body_text
            .map(|(text, hash)| self.texts.intern(hash, text));
        let layers = self.layer_stack(m.layers);
        let previous_in_call = self.join_call(call, id, repeat);
        let mut row = MessageRow {
            time,
            place,
            len: u32::try_from(m.bytes.len()).unwrap_or(u32::MAX),
            frame,
            flow,
            parties: parties.id?,
            start_text,
            user_agent,
            body_text,
            cseq: scan.cseq.unwrap_or(0),
            branch: m.keys.branch,
            body_len: u32::try_from(scan.body.len()).unwrap_or(u32::MAX),
            transaction,
            dialog,
            call,
            refers_to,
            repeats: None,
            previous_in_call,
            head,
            status: scan.status,
            flags,
            file: last.file,
            method: scan.method,
            cseq_method: scan.cseq_method,
            repeat_code: 0,
            layers,
            sdp,
            via_count: u8::try_from(scan.via_count).unwrap_or(u8::MAX),
        };
        row.set_repeat(repeat);
        self.note_waiting(cid, &row);
        self.count(&row, m, id, response);
        // What is able to do something, in an answer to OPTIONS or a 488, announces nothing.
        let able = scan.method == Method::Options || scan.status >= 300;
        if fresh && !m.places.is_empty() && !able {
            self.announce(m, cid, call, id, time, sdp);
        }
        self.use_row(&row);
        self.rows.push(row);
        if let Some(seconds) = scan.session_expires
            && response
            && (200..300).contains(&scan.status)
        {
            self.session_intervals.push((id, seconds));
        }
        if let Some(note) = m.hep {
            self.note_hep(id, note);
        }
        if let Some(told) = m.told.or(self.packets_told) {
            self.told.push(TraceRow { message: id, told });
        }
        self.update_transaction(
            key,
            m,
            transaction,
            call,
            id,
            response,
            repeat,
            exchange,
            time,
        );
        self.answer_waiting(cid, id, known.as_ref());
        self.update_cid(cid, m, response, known_initial(scan, response));
        if fresh {
            self.note_over(m, call, response, known.as_ref());
        }
        Some(id)
    }

    fn turn(&mut self, time: i64) {
        self.transactions.turn(time);
        self.sendings.turn(time);
        self.successes.turn(time);
    }

    /// A stand-in for a name that a trace has where packets have an address.
    pub fn stand_in(&mut self, name: &str) -> std::net::IpAddr {
        self.names.stand_in(name)
    }

    fn note_hep(&mut self, message: MessageId, note: &hep::Note) {
        let node = note.node.as_ref().filter(|node| !node.is_empty());
        let node = node.map(|node| {
            let node = node.as_bytes();
            self.texts.intern(hash_bytes(node), node)
        });
        self.use_texts([node]);
        self.hep.push(HepNote {
            message,
            agent: note.agent,
            node,
        });
    }

    /// Ties an ICMP error to the message it quotes, if that is known; says so.
    fn icmp_on_message(&mut self, quote: &Quote, error: IcmpError) -> bool {
        let transport = if quote.sent.is_some() {
            Transport::Udp
        } else {
            Transport::Tcp
        };
        let key = flow_key(&quote.addressing, transport);
        let Some((_, flow)) = self.flow_table.find(key, |(k, _)| *k == key).copied() else {
            return false;
        };
        let newest = self.rows.end();
        let from = newest.saturating_sub(icmp::LOOK_BACK);
        let found = (from..newest).rev().find_map(|at| {
            let row = self.rows.get(at)?;
            (row.flow == flow && quote.is_of(row)).then(|| (MessageId::at(at), row.repeat()))
        });
        let Some((id, repeat)) = found else {
            return false;
        };
        let id = match repeat {
            Repeat::CopyOf(first) => first,
            _ => id,
        };
        Arc::make_mut(&mut self.icmp).add_message(id, error);
        true
    }

    /// Notes an ICMP error that quotes media between two addresses.
    fn icmp_on_media(&mut self, way: &Addressing, error: IcmpError) {
        Arc::make_mut(&mut self.icmp).add_media((way.src, way.dst), error);
    }

    fn flow(&mut self, m: &Incoming<'_>) -> FlowId {
        let key = m.keys.flow;
        let slot = (key >> 7) as usize & 3;
        if let Some((k, Some(id))) = self.last_flows.get(slot)
            && *k == key
        {
            return *id;
        }
        let id = match self.flow_table.find(key, |(k, _)| *k == key) {
            Some((_, id)) => *id,
            None => {
                let id = FlowId::at(self.flows.push(Flow {
                    src: m.addressing.src,
                    dst: m.addressing.dst,
                    transport: m.transport,
                }));
                self.flow_table.insert_unique(key, (key, id), |(k, _)| *k);
                id
            }
        };
        if let Some(slot) = self.last_flows.get_mut(slot) {
            *slot = (key, Some(id));
        }
        id
    }

    fn cid(&mut self, m: &Incoming<'_>) -> usize {
        let hash = m.keys.call_id;
        let Self {
            cids,
            cid_table,
            free_cids,
            texts,
            ..
        } = self;
        if let Some(at) = cid_table.find(hash, |i| {
            cids.get(*i as usize).is_some_and(|c| c.hash == hash)
        }) {
            let at = *at as usize;
            self.mend_cid(at);
            return at;
        }
        let text = texts.intern(hash, m.scan.call_id.of(m.bytes));
        self.call_id_count += 1;
        let new = Cid {
            hash,
            text,
            parties: [Recent::default(); 2],
            oldest: false,
            calls: [None; 6],
            invite_from: 0,
            invite_cseq: 0,
            may_retry: false,
            ended: false,
            instance: 0,
            offered_rseq: 0,
            several: false,
            waits: false,
        };
        let at = match free_cids.pop() {
            Some(at) => at as usize,
            None => cids.len(),
        };
        match cids.get_mut(at) {
            Some(place) => *place = new,
            None => cids.push(new),
        }
        cid_table.insert_unique(hash, u32::try_from(at).unwrap_or(u32::MAX), |i| {
            cids.get(*i as usize).map_or(0, |c| c.hash)
        });
        at
    }

    /// Who writes to whom under which Call-ID. Most messages have the parties of an earlier one.
    fn parties(&mut self, cid: usize, m: &Incoming<'_>) -> Option<Recent> {
        let key = m.keys.parties;
        let known = self.cids.get_mut(cid)?;
        let seen = known.parties.iter().find(|recent| recent.key == key);
        if let Some(recent) = seen.filter(|recent| recent.id.is_some()) {
            return Some(*recent);
        }
        let texts = &mut self.texts;
        let mut intern = |span: crate::span::Span| {
            let text = span.of(m.bytes);
            texts.intern(hash_bytes(text), text)
        };
        let parties = Parties {
            call_id: known.text,
            from_uri: intern(m.scan.from_uri),
            to_uri: intern(m.scan.to_uri),
            from_tag: (!m.scan.from_tag.is_empty()).then(|| intern(m.scan.from_tag)),
            to_tag: (!m.scan.to_tag.is_empty()).then(|| intern(m.scan.to_tag)),
        };
        let (from_tag, to_tag) = (parties.from_tag, parties.to_tag);
        if let Some(ring) = &mut self.ring {
            ring.users.add_texts(parties.texts());
        }
        let recent = Recent {
            key,
            id: Some(PartiesId::at(self.parties.push(parties))),
            from_tag,
            to_tag,
            dialog: None,
        };
        if let Some(slot) = known.parties.get_mut(usize::from(known.oldest)) {
            *slot = recent;
        }
        known.oldest = !known.oldest;
        Some(recent)
    }

    /// What tells its transaction apart; true for the ACK of a failure.
    fn transaction_key(&mut self, m: &Incoming<'_>, response: bool) -> (u64, bool) {
        let base = m.keys.base;
        let method = m.scan.method;
        if method == Method::Ack && !response {
            let invite = mix(base, INVITE_SALT);
            // The ACK of a failure belongs to the INVITE (RFC 3261, 17.1.1.3). It alone has the
            // branch of the INVITE (13.2.2.4), which tells when the failure was not captured (yet).
            let unique = has_cookie(m.scan.branch.of(m.bytes));
            let failed = |t: &Transaction| {
                t.final_status >= 300 || unique && t.final_status == 0 && t.request.is_some()
            };
            if self.transactions.get_mut(invite).is_some_and(|t| failed(t)) {
                return (invite, true);
            }
        }
        let salt = if method == Method::Other {
            hash_bytes(m.scan.method_span.of(m.bytes))
        } else {
            method as u64
        };
        (mix(base, salt), false)
    }

    fn call_of(
        &mut self,
        m: &Incoming<'_>,
        cid: usize,
        id: MessageId,
        parties: &Recent,
        response: bool,
        initial: bool,
    ) -> Option<CallId> {
        let method = m.scan.method;
        if !initial
            && let Some(dialog) = self.find_dialog(cid, parties)
            && let Some(dialog) = self.dialogs.get(dialog.index())
        {
            return Some(dialog.call);
        }
        if method == Method::Cancel
            && let Some(call) = self
                .transactions
                .get_mut(mix(m.keys.base, INVITE_SALT))
                .map(|t| t.call)
            && self.is_there(call)
        {
            return Some(call);
        }
        let known = self.cids.get(cid)?;
        let calls = known.calls;
        let slot = |kind: CallKind| calls.get(kind as usize).copied().flatten();
        let kind = match method {
            Method::Invite
            | Method::Ack
            | Method::Bye
            | Method::Cancel
            | Method::Prack
            | Method::Update => CallKind::Call,
            Method::Register => CallKind::Registration,
            // A NOTIFY of a transfer belongs to the call that was transferred.
            Method::Subscribe | Method::Notify => match slot(CallKind::Call) {
                Some(call) if !initial => return Some(call),
                _ if method == Method::Notify && slot(CallKind::Other).is_some() => CallKind::Other,
                _ => CallKind::Subscription,
            },
            Method::Message
            | Method::Options
            | Method::Info
            | Method::Refer
            | Method::Publish
            | Method::Other => {
                if let Some(call) = slot(CallKind::Call)
                    && !initial
                {
                    return Some(call);
                }
                match method {
                    Method::Message => CallKind::Message,
                    Method::Options => CallKind::Options,
                    // Only inside of a call.
                    Method::Info if !initial => CallKind::Call,
                    Method::Refer if !initial => CallKind::Call,
                    _ => CallKind::Other,
                }
            }
        };
        Some(match kind {
            CallKind::Call => self.invite_call(m, cid, id, response, initial),
            CallKind::Registration => {
                let aor = self.parties.get(parties.id?.index())?.to_uri;
                self.registration(m, cid, id, aor, response)
            }
            _ => {
                // Under one Call-ID another From tag subscribes anew (RFC 6665, 4.1.2).
                let subscribes = method == Method::Subscribe && initial && !response;
                let same = |call: &CallId| {
                    let first = self.calls.get(call.index()).map(|call| call.first);
                    let first = first.and_then(|first| self.parties_of(first));
                    !subscribes
                        || first.is_none_or(|first| {
                            [first.from_tag, first.to_tag].contains(&parties.from_tag)
                        })
                };
                match slot(kind).filter(same) {
                    Some(call) => call,
                    None => self.new_call(kind, cid, id),
                }
            }
        })
    }

    fn new_call(&mut self, kind: CallKind, cid: usize, id: MessageId) -> CallId {
        let call_id = self.cids.get(cid).map_or(TextId::at(0), |c| c.text);
        self.use_texts([Some(call_id)]);
        let call = CallId::at(self.calls.push(Call {
            kind,
            call_id,
            first: id,
            last: id,
            messages: 0,
            left: 0,
            over: false,
            retransmissions: 0,
            copies: 0,
        }));
        if let Some(slot) = self
            .cids
            .get_mut(cid)
            .and_then(|c| c.calls.get_mut(kind as usize))
        {
            *slot = Some(call);
        }
        call
    }

    /// The call of an INVITE or of a request that only stands in calls.
    ///
    /// A retry after a failure (challenge, redirect, 422 …) stays in its call; an INVITE with another
    /// From tag after a refusal that stands (486 …) is the next call; the same Call-ID
    /// with another From tag while the first INVITE is still open or after it succeeded is the
    /// other leg of a B2BUA that kept the Call-ID; an INVITE after the BYE is the next call.
    fn invite_call(
        &mut self,
        m: &Incoming<'_>,
        cid: usize,
        id: MessageId,
        response: bool,
        initial: bool,
    ) -> CallId {
        let Some(known) = self.cids.get(cid) else {
            return CallId::at(0);
        };
        let current = known.calls.first().copied().flatten();
        if m.scan.method != Method::Invite || response || !initial {
            return current.unwrap_or_else(|| self.new_call(CallKind::Call, cid, id));
        }
        let tag = m.keys.from_tag;
        let tag_key = mix(known.hash, tag);
        let Some(current) = current else {
            return self.new_call(CallKind::Call, cid, id);
        };
        let same_attempt = m.scan.cseq == Some(known.invite_cseq);
        // Of a call that began before this INVITE, or whose messages overtook it.
        if known.invite_from == 0 && !known.ended {
            return current;
        }
        if known.invite_from == tag {
            if !known.ended || same_attempt {
                return current;
            }
        } else if known.may_retry {
            return current;
        } else if known.several
            && let Some(call) = self.invite_calls.get(&tag_key).copied()
            && self.is_there(call)
        {
            return call;
        }
        let first = (mix(known.hash, known.invite_from), current);
        self.invite_calls.insert(first.0, first.1);
        let call = self.new_call(CallKind::Call, cid, id);
        self.invite_calls.insert(tag_key, call);
        if let Some(known) = self.cids.get_mut(cid) {
            known.several = true;
            known.ended = false;
        }
        call
    }

    /// One row per address of record and instance, else Contact, else source, over Call-IDs.
    fn registration(
        &mut self,
        m: &Incoming<'_>,
        cid: usize,
        id: MessageId,
        aor: TextId,
        response: bool,
    ) -> CallId {
        let slot = CallKind::Registration as usize;
        let current = self
            .cids
            .get(cid)
            .and_then(|c| c.calls.get(slot).copied().flatten());
        let same_aor = current
            .and_then(|call| self.calls.get(call.index()))
            .and_then(|call| self.parties_of(call.first))
            .is_some_and(|parties| parties.to_uri == aor);
        let contact = m.scan.contact.of(m.bytes);
        let own = instance(contact).map(hash_bytes);
        let known = self.cids.get(cid).map_or(0, |c| c.instance);
        // Under one Call-ID only another instance is another device.
        let other = own.is_some_and(|own| known != 0 && known != own);
        if let Some(call) = current
            && (response || same_aor && !other)
        {
            return call;
        }
        if let Some(known) = self.cids.get_mut(cid) {
            known.instance = own.unwrap_or(0);
        }
        let newest = mix(u64::from(aor.get()), 0);
        if contact == b"*"
            && let Some(call) = self.registrations.get(&newest).copied()
            && self.is_there(call)
        {
            // Takes back all bindings of the address, whoever made them (RFC 3261, 10.2.2).
            if let Some(slot) = self.cids.get_mut(cid).and_then(|c| c.calls.get_mut(slot)) {
                *slot = Some(call);
            }
            return call;
        }
        let device = match own {
            Some(instance) => instance,
            None if !contact.is_empty() && contact != b"*" => {
                hash_bytes(m.scan.contact_uri.of(m.bytes))
            }
            None if response => media::endpoint_key(host(m.addressing.dst)),
            None => media::endpoint_key(host(m.addressing.src)),
        };
        let key = mix(u64::from(aor.get()), device);
        if let Some(call) = self.registrations.get(&key).copied()
            && self.is_there(call)
        {
            if let Some(slot) = self.cids.get_mut(cid).and_then(|c| c.calls.get_mut(slot)) {
                *slot = Some(call);
            }
            return call;
        }
        let call = self.new_call(CallKind::Registration, cid, id);
        self.registrations.insert(key, call);
        self.registrations.insert(newest, call);
        call
    }

    /// The parties of a message that was filed.
    fn parties_of(&self, id: MessageId) -> Option<&Parties> {
        let row = self.rows.get(id.index())?;
        self.parties.get(row.parties.index())
    }

    fn find_dialog(&self, cid: usize, parties: &Recent) -> Option<DialogId> {
        if parties.dialog.is_some() {
            return parties.dialog;
        }
        let (from, to) = (parties.from_tag?, parties.to_tag?);
        let key = dialog_key(self.cids.get(cid)?.hash, from, to);
        self.dialog_table.get(&key).copied()
    }

    /// The next message of these parties need not look for its dialog.
    fn keep_dialog(&mut self, cid: usize, parties: &Recent, dialog: DialogId) {
        let known = self.cids.get_mut(cid);
        let slot = known.and_then(|known| known.parties.iter_mut().find(|p| p.id == parties.id));
        if let Some(slot) = slot {
            slot.dialog = Some(dialog);
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "parts of one decision, all at hand in push"
    )]
    fn dialog(
        &mut self,
        m: &Incoming<'_>,
        cid: usize,
        id: MessageId,
        parties: &Recent,
        response: bool,
        call: CallId,
        known: Option<&Transaction>,
    ) -> Option<DialogId> {
        let (from, to) = (parties.from_tag?, parties.to_tag?);
        let status = m.scan.status;
        let method = m.scan.method;
        // CANCEL goes hop by hop, and what ends a first INVITE without success is outside of dialogs.
        let outside = known.is_some_and(|t| t.initial);
        if method == Method::Cancel || outside && response && (status == 100 || status >= 300) {
            return None;
        }
        if let Some(found) = self.find_dialog(cid, parties) {
            if parties.dialog.is_none() {
                self.keep_dialog(cid, parties, found);
            }
            if response {
                self.open_late(m, id, found, known);
            }
            return Some(found);
        }
        let initial = known.is_some_and(|t| t.initial && t.request.is_some());
        let success = (200..300).contains(&status);
        let opens = if response {
            match method {
                Method::Invite => success || (101..200).contains(&status),
                Method::Subscribe | Method::Refer => success,
                Method::Bye | Method::Update | Method::Prack | Method::Info | Method::Notify => {
                    success && known.is_none()
                }
                _ => false,
            }
        } else {
            match method {
                // Of a failed INVITE: its ACK opens nothing.
                Method::Ack => known.is_none_or(|t| t.final_status < 300),
                Method::Register | Method::Cancel | Method::Publish => false,
                _ => true,
            }
        };
        if !opens {
            return None;
        }
        let subscribed = self.cids.get(cid).is_some_and(|c| {
            [CallKind::Subscription, CallKind::Other, CallKind::Call]
                .iter()
                .any(|k| c.calls.get(*k as usize).copied().flatten() == Some(call))
        });
        // A NOTIFY may come before the 200 of its SUBSCRIBE and opens the dialog (RFC 6665, 4.4.1).
        let notified = method == Method::Notify
            && !response
            && subscribed
            && self
                .calls
                .get(call.index())
                .and_then(|c| Some((self.rows.get(c.first.index())?, self.parties_of(c.first)?)))
                .is_some_and(|(row, first)| {
                    matches!(row.method, Method::Subscribe | Method::Refer)
                        && first.from_tag == parties.to_tag
                        && first.to_tag.is_none()
                });
        let first = self.calls.get(call.index()).map(|c| c.first);
        let (local, remote, request, method, from_middle) = if notified {
            let method = first
                .and_then(|f| self.rows.get(f.index()))
                .map_or(method, |row| row.method);
            (to, from, first, method, false)
        } else if let Some((invite, by_sender)) = self.unanswered_invite(m, call, parties, response)
        {
            let (local, remote) = if by_sender { (from, to) } else { (to, from) };
            (local, remote, Some(invite), Method::Invite, false)
        } else {
            let request = known.and_then(|t| t.request);
            (from, to, request, method, !initial)
        };
        let dialog = Dialog {
            call,
            call_id: self.cids.get(cid)?.text,
            local_tag: Some(local),
            remote_tag: Some(remote),
            request: if from_middle { None } else { request },
            opened_by: id,
            method,
            from_middle,
        };
        self.use_texts(dialog.texts());
        let dialog = DialogId::at(self.dialogs.push(dialog));
        let key = dialog_key(self.cids.get(cid)?.hash, from, to);
        self.dialog_table.insert(key, dialog);
        self.keep_dialog(cid, parties, dialog);
        Some(dialog)
    }

    fn repetition(
        &mut self,
        m: &Incoming<'_>,
        key: u64,
        id: MessageId,
        time: i64,
        response: bool,
        known: Option<&Transaction>,
    ) -> Repeat {
        let hop = if m.transport.has_connections() {
            way(host(m.addressing.src), host(m.addressing.dst))
        } else {
            m.keys.flow
        };
        let sending = Sending {
            id,
            hop,
            time,
            octets: m.keys.octets,
            ip_id: m.addressing.ip_id,
            file: m.extents.last().map_or(0, |extent| extent.file),
            // What a log has twice was sent or received twice.
            reliable: m.transport.is_reliable() || m.told.is_some(),
        };
        // A message cut before what identifies it cannot be told from another one.
        let scan = m.scan;
        if scan.call_id.is_empty() || scan.cseq.is_none() && scan.branch.is_empty() {
            return Repeat::No;
        }
        let key = mix(key, m.keys.signature);
        let (all, new) = self.sendings.get_or_insert(key, || Sendings::new(sending));
        let kind = if new { Kind::New } else { all.add(sending) };
        let (first, before) = match kind {
            Kind::New => return Repeat::No,
            Kind::Copy(of) => return Repeat::CopyOf(of),
            Kind::OtherSide(of) => return Repeat::SeenAs(of),
            Kind::Again(first, before) => (first, before),
        };
        let method = m.scan.method;
        let status = m.scan.status;
        // Only a request that came again after the answer is answered again.
        let asked = known.is_some_and(|t| t.asked_again.is_some_and(|id| id > before));
        use RetransmissionKind as K;
        let kind = if !response {
            match method {
                Method::Ack if known.is_none_or(|t| t.final_status < 300) => {
                    K::AckForRepeatedSuccess
                }
                Method::Ack => K::AnswerToRetransmission,
                _ => K::Timer,
            }
        } else if asked || method != Method::Invite || status == 100 {
            // No timer repeats a final response to anything but INVITE, nor a 100 (RFC 3261, 17.2.1
            // and 17.2.2).
            K::AnswerToRetransmission
        } else if method == Method::Invite && (200..300).contains(&status) {
            K::SuccessUntilAck
        } else if status < 200 && m.scan.rseq.is_none() {
            K::ProvisionalRefresh
        } else {
            K::Timer
        };
        Repeat::Retransmission(first, kind)
    }

    /// The message that this one answers, acknowledges or cancels; and the exchange it goes on with.
    fn references(
        &mut self,
        m: &Incoming<'_>,
        cid: usize,
        response: bool,
        dialog: Option<DialogId>,
        known: Option<&Transaction>,
    ) -> (Option<MessageId>, Exchange) {
        if response {
            return (known.and_then(|t| t.request), Exchange::Open);
        }
        match m.scan.method {
            Method::Cancel => {
                let invite = self.transactions.get_mut(mix(m.keys.base, INVITE_SALT));
                (invite.and_then(|t| t.request), Exchange::Open)
            }
            Method::Ack => {
                if let Some(t) = known.filter(|t| t.final_status >= 300) {
                    return (t.final_response, Exchange::Open);
                }
                let Some(dialog) = dialog else {
                    return (None, Exchange::Open);
                };
                let success = success_key(dialog, m.scan.cseq);
                let (src, dst) = (m.addressing.src, m.addressing.dst);
                // On the same addresses, else between the same hosts, else what reached the sender
                // (which may write past the proxies), else anywhere.
                let hosts = |a: Endpoint, b: Endpoint| way(host(a), host(b));
                let keys = [
                    mix(success, way(dst, src)),
                    mix(success, hosts(dst, src)),
                    mix(success, hosts(src, src)),
                    success,
                ];
                let found = keys
                    .iter()
                    .find_map(|key| self.successes.get_mut(*key).copied());
                let offered = found
                    .and_then(|id| self.rows.get(id.index()))
                    .is_some_and(|row| row.sdp == SdpKind::Offer);
                let exchange = if offered {
                    Exchange::OfferInResponse
                } else {
                    Exchange::Open
                };
                (found, exchange)
            }
            // A PRACK answers when the response that it acknowledges offered (RFC 3262, 5).
            Method::Prack => {
                let rack = m.scan.rack.of(m.bytes);
                let digits = rack.iter().take_while(|b| b.is_ascii_digit()).count();
                let rseq = std::str::from_utf8(rack.get(..digits).unwrap_or_default())
                    .ok()
                    .and_then(|text| text.parse::<u32>().ok())
                    .unwrap_or(0);
                let offered = self
                    .cids
                    .get(cid)
                    .is_some_and(|c| c.offered_rseq != 0 && c.offered_rseq == rseq);
                let exchange = if offered {
                    Exchange::OfferInResponse
                } else {
                    Exchange::Open
                };
                (None, exchange)
            }
            _ => (None, Exchange::Open),
        }
    }

    fn layer_stack(&mut self, layers: LayerStack) -> u8 {
        let at = match self.layer_stacks.iter().position(|l| *l == layers) {
            Some(at) => at,
            None if self.layer_stacks.len() < 255 => {
                self.layer_stacks.push(layers);
                self.layer_stacks.len() - 1
            }
            None => 0,
        };
        u8::try_from(at).unwrap_or(0)
    }

    fn join_call(&mut self, call: CallId, id: MessageId, repeat: Repeat) -> Option<MessageId> {
        let entry = self.calls.get_mut(call.index())?;
        let previous = (entry.messages > 0).then_some(entry.last);
        entry.last = id;
        entry.messages = entry.messages.saturating_add(1);
        entry.retransmissions += u32::from(repeat.is_retransmission());
        entry.copies += u32::from(repeat.is_copy());
        previous
    }

    fn count(&mut self, row: &MessageRow, m: &Incoming<'_>, id: MessageId, response: bool) {
        self.octets += u64::from(row.len);
        match row.repeat() {
            Repeat::Retransmission(..) => self.retransmissions += 1,
            Repeat::CopyOf(_) | Repeat::SeenAs(_) => self.copies += 1,
            Repeat::No => {}
        }
        if row.method == Method::Other {
            let name = m.scan.method_span.of(m.bytes);
            let name = String::from_utf8_lossy(name.get(..80).unwrap_or(name)).into_owned();
            if !response {
                *self.odd_requests.entry(name.clone()).or_default() += 1;
            }
            Arc::make_mut(&mut self.odd_methods).insert(id, name);
        } else if !response && let Some(count) = self.requests.get_mut(row.method as usize) {
            *count += 1;
        }
        if response {
            match self.common_responses.get_mut(usize::from(row.status)) {
                Some(count) => *count += 1,
                None => *self.responses.entry(row.status).or_default() += 1,
            }
        }
    }

    fn announce(
        &mut self,
        m: &Incoming<'_>,
        cid: usize,
        call: CallId,
        id: MessageId,
        time: i64,
        sdp: SdpKind,
    ) {
        let response = m.scan.kind == StartKind::Response;
        let caller = self.cids.get(cid).map_or(0, |c| c.invite_from);
        let from_caller = m.keys.from_tag == caller || caller == 0;
        let by_caller = from_caller != response;
        for (index, endpoint) in m.places {
            let endpoint = *endpoint;
            if endpoint.port == 0 {
                if sdp == SdpKind::Answer {
                    self.refusals.push(Refusal {
                        message: id,
                        call,
                        media: *index,
                        by_caller: !by_caller,
                    });
                }
                continue;
            }
            let key = media::endpoint_key(endpoint);
            let earlier = self.announced_at.get(&key).copied();
            if earlier
                .and_then(|e| self.announcements.get(e.index()))
                .is_some_and(|e| e.call == call && e.by_caller == by_caller)
            {
                continue;
            }
            let at = AnnouncementId::at(self.announcements.push(Announcement {
                endpoint,
                call,
                message: id,
                time,
                media: *index & !media::POSSIBLE,
                by_caller,
                possible: *index & media::POSSIBLE != 0,
            }));
            self.announced_at.insert(key, at);
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "parts of one decision, all at hand in push"
    )]
    fn update_transaction(
        &mut self,
        key: u64,
        m: &Incoming<'_>,
        id: TransactionId,
        call: CallId,
        message: MessageId,
        response: bool,
        repeat: Repeat,
        exchange: Exchange,
        time: i64,
    ) {
        let status = m.scan.status;
        let is_ack = m.scan.method == Method::Ack && !response;
        let success = response
            && m.scan.method == Method::Invite
            && (200..300).contains(&status)
            && !repeat.is_copy();
        if success {
            self.note_success(m, message);
        }
        let (t, _) = self.transactions.get_or_insert(key, || Transaction {
            id,
            request: None,
            call,
            final_response: None,
            final_status: 0,
            provisional: false,
            initial: m.scan.to_tag.is_empty(),
            exchange: Exchange::Open,
            since: time,
            asked_again: None,
        });
        if response {
            if status < 200 {
                t.provisional = true;
            } else if t.final_status == 0 {
                t.final_status = status;
                t.final_response = Some(message);
            }
        } else if !is_ack || t.request.is_none() && t.final_status < 300 {
            if t.request.is_none() {
                t.request = Some(message);
                t.initial = m.scan.to_tag.is_empty();
            } else if repeat.is_retransmission() {
                t.asked_again = Some(message);
            }
        }
        t.exchange = exchange;
    }

    /// Remembers a 2xx to INVITE, so that its ACK finds it.
    fn note_success(&mut self, m: &Incoming<'_>, message: MessageId) {
        let Some(dialog) = self.rows.get(message.index()).and_then(|row| row.dialog) else {
            return;
        };
        let success = success_key(dialog, m.scan.cseq);
        let (src, dst) = (m.addressing.src, m.addressing.dst);
        let here = mix(success, way(src, dst));
        let hosts = mix(success, way(host(src), host(dst)));
        let reached = mix(success, way(host(dst), host(dst)));
        for key in [success, here, hosts, reached] {
            if self.successes.get_mut(key).is_none() {
                self.successes.insert(key, message);
            }
        }
    }

    fn update_cid(&mut self, cid: usize, m: &Incoming<'_>, response: bool, initial_invite: bool) {
        let Some(cid) = self.cids.get_mut(cid) else {
            return;
        };
        let status = m.scan.status;
        match m.scan.method {
            Method::Invite if initial_invite => {
                cid.invite_from = m.keys.from_tag;
                cid.invite_cseq = m.scan.cseq.unwrap_or(0);
                cid.may_retry = false;
                cid.ended = false;
            }
            Method::Invite
                if response
                    && m.keys.from_tag == cid.invite_from
                    && m.scan.cseq == Some(cid.invite_cseq)
                    && status >= 200 =>
            {
                cid.may_retry = asks_again(status);
            }
            // Also when its answer was not captured; a challenge leaves the dialog as it is.
            Method::Bye => cid.ended = !response || status != 401 && status != 407,
            _ => {}
        }
    }

    /// Notes that a call is over, as far as one message tells.
    fn note_over(
        &mut self,
        m: &Incoming<'_>,
        call: CallId,
        response: bool,
        known: Option<&Transaction>,
    ) {
        let over = match (m.scan.method, response) {
            (Method::Bye, false) => true,
            // Tried again, after a challenge or a redirect.
            (Method::Invite, false) if m.scan.to_tag.is_empty() => false,
            (Method::Invite, true) if m.scan.status >= 300 => {
                let vias = |id: MessageId| self.rows.get(id.index()).map(|row| row.via_count);
                let first = self.calls.get(call.index()).and_then(|c| vias(c.first));
                let asked = known
                    .filter(|t| t.initial)
                    .and_then(|t| t.request)
                    .and_then(vias);
                // The failure of a branch behind a proxy decides nothing.
                if !matches!(m.scan.status, 401 | 407) && asked.is_some() && asked <= first {
                    true
                } else {
                    return;
                }
            }
            _ => return,
        };
        let Some(entry) = self.calls.get_mut(call.index()) else {
            return;
        };
        if over && !entry.over {
            self.calls_over += 1;
        } else if !over && entry.over {
            self.calls_over = self.calls_over.saturating_sub(1);
        }
        entry.over = over;
    }

    /// Number of messages so far.
    pub fn len(&self) -> usize {
        self.rows.end()
    }

    /// True before the first message.
    pub fn is_empty(&self) -> bool {
        self.rows.end() == 0
    }

    /// The index as it is now, for everybody to read.
    pub fn publish(&mut self) -> IndexView {
        let mut requests = self.odd_requests.clone();
        for method in Method::REGISTERED {
            if let Some(count) = self.requests.get(method as usize).filter(|c| **c > 0) {
                requests.insert(method.as_str().to_owned(), *count);
            }
        }
        let mut responses = self.responses.clone();
        let common = self
            .common_responses
            .iter()
            .zip(0u16..)
            .filter(|(count, _)| **count > 0);
        responses.extend(common.map(|(count, status)| (status, *count)));
        IndexView {
            rows: self.rows.publish(),
            parties: self.parties.publish(),
            dialogs: self.dialogs.publish(),
            calls: self.calls.publish(),
            flows: self.flows.publish(),
            extents: self.extents.publish(),
            texts: self.texts.publish(),
            layer_stacks: self.layer_stacks.clone(),
            odd_methods: Arc::clone(&self.odd_methods),
            announcements: self.announcements.publish(),
            refusals: self.refusals.publish(),
            session_intervals: self.session_intervals.publish(),
            rtp: self.rtp.publish(),
            hep: self.hep.publish(),
            told: self.told.publish(),
            names: self.names.publish(),
            icmp: Arc::clone(&self.icmp),
            totals: Totals {
                requests,
                responses,
                transactions: self.transaction_count,
                retransmissions: self.retransmissions,
                copies: self.copies,
                octets: self.octets,
                call_ids: self.call_id_count,
                last_time: self.last_time,
                calls_over: self.calls_over,
            },
            left: self.left,
        }
    }
}

fn known_initial(scan: &Scan, response: bool) -> bool {
    !response && scan.method == Method::Invite && scan.to_tag.is_empty()
}

/// True when a request or response grants no time: `expires` of every Contact is 0, else Expires is.
fn expires_at_once(scan: &Scan, bytes: &[u8]) -> bool {
    const NAME: &[u8] = b"expires=";
    if scan.contact_count < 2 {
        return scan.contact_expires.or(scan.expires) == Some(0);
    }
    let header = bytes.get(..scan.header_len as usize).unwrap_or_default();
    let mut values = memchr::memchr_iter(b';', header).filter_map(|at| {
        let text = header.get(at + 1..)?.trim_ascii_start();
        let (name, value) = text.split_at_checked(NAME.len())?;
        name.eq_ignore_ascii_case(NAME)
            .then(|| value.first().copied())?
    });
    // A parameter of 0 is written with one digit; contacts without one follow Expires.
    let own = values.by_ref().fold(None, |all, first| {
        Some(all.unwrap_or(true) && first == b'0')
    });
    own.unwrap_or(scan.expires == Some(0))
}

fn subscription_flag(value: &[u8]) -> u16 {
    let end = memchr::memchr2(b';', b' ', value).unwrap_or(value.len());
    let state = value.get(..end).unwrap_or_default();
    if state.eq_ignore_ascii_case(b"active") {
        flag::SUB_ACTIVE
    } else if state.eq_ignore_ascii_case(b"pending") {
        flag::SUB_PENDING
    } else if state.eq_ignore_ascii_case(b"terminated") {
        flag::SUB_TERMINATED
    } else {
        0
    }
}

/// True for a Reason of 200 in SIP, or 26 in Q.850: another branch was answered (RFC 3326, 2).
fn tells_elsewhere(reason: &[u8]) -> bool {
    let mut parts = reason.split(|b| *b == b';').map(<[u8]>::trim_ascii);
    let cause: &[u8] = match parts.next() {
        Some(protocol) if protocol.eq_ignore_ascii_case(b"SIP") => b"200",
        Some(protocol) if protocol.eq_ignore_ascii_case(b"Q.850") => b"26",
        _ => return false,
    };
    parts.any(|part| {
        let mut sides = part.splitn(2, |b| *b == b'=').map(<[u8]>::trim_ascii);
        sides
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case(b"cause"))
            && sides.next() == Some(cause)
    })
}

fn dialog_key(cid: u64, a: TextId, b: TextId) -> u64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    mix(cid, u64::from(low.get()) << 32 | u64::from(high.get()))
}

fn success_key(dialog: DialogId, cseq: Option<u32>) -> u64 {
    mix(
        0x2cc,
        u64::from(dialog.get()) << 32 | u64::from(cseq.unwrap_or(0)),
    )
}

/// From whom to whom.
fn way(from: Endpoint, to: Endpoint) -> u64 {
    mix(media::endpoint_key(from), media::endpoint_key(to))
}

/// An address without its port.
fn host(end: Endpoint) -> Endpoint {
    Endpoint { port: 0, ..end }
}

/// Value of the `+sip.instance` parameter (RFC 5626, 4.1).
fn instance(contact: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"+sip.instance=";
    let at = contact
        .windows(NAME.len())
        .position(|window| window.eq_ignore_ascii_case(NAME))?
        .checked_add(NAME.len())?;
    let value = contact.get(at..)?;
    let end = match value.first()? {
        b'"' => memchr::memchr(b'"', value.get(1..)?)?.checked_add(2)?,
        _ => memchr::memchr2(b';', b',', value).unwrap_or(value.len()),
    };
    value.get(..end)
}
