//! One connection: both directions, record by record, from the hellos to the application data.

use std::collections::VecDeque;

use super::certificate::CertificateInfo;
use super::cipher::{Content, HEADER, Protection};
use super::derive::expand_label;
use super::handshake::{self, Hello, Reader};
use super::keylog::{Label, Secret, Secrets};
use super::keys::{MasterKeys, is_resumed};
use super::suite::Suite;
use super::{Alert, CLIENT, Obstacle, SERVER, TLS13, TlsFacts};
use crate::bytes::{Extent, cut_extents};

/// Content of a record is at most 2^14 octets, its protection at most 2,048 more (RFC 5246, 6.2.3).
const MAX_RECORD: usize = (16 << 10) + 2048;
/// Octets of one direction that wait for the hello of the other one.
const MAX_WAITING: usize = 256 << 10;
/// Longest handshake message that is read.
const MAX_HANDSHAKE: usize = 256 << 10;
/// Records in the handshake that need not be opened: early data, or a secret that is not in the log.
const MAX_UNOPENED: u32 = 64;
/// Records that may be missing in a hole.
const MAX_MISSING: u64 = 256;
/// Places behind a hole at which a record is tried.
const MAX_TRIES: u32 = 16;
const MAX_ALERTS: usize = 16;
/// Certificates kept of a chain.
const MAX_CHAIN: usize = 4;
/// Octets of handshake kept for the session hash.
const MAX_TRANSCRIPT: usize = 64 << 10;
/// What the keys of one direction take beside their place.
const KEY_OCTETS: usize = 1 << 10;
/// The same of a secret.
const SECRET_OCTETS: usize = 64;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION: u8 = 23;

/// True when a stream begins as TLS does: a handshake record with a ClientHello or ServerHello. None
/// when there are too few octets to tell.
pub fn looks_like_handshake(data: &[u8]) -> Option<bool> {
    let head = |at: usize, fine: fn(u8) -> bool| data.get(at).is_none_or(|b| fine(*b));
    let fine = head(0, |b| b == HANDSHAKE)
        && head(1, |b| b == 3)
        && head(2, |b| b <= 4)
        && head(3, |b| b <= 0x48)
        && head(5, |b| b == 1 || b == 2)
        && head(6, |b| b == 0);
    match data.len() {
        _ if !fine => Some(false),
        0..7 => None,
        _ => Some(true),
    }
}

/// True when data begins with the header of a record of any kind.
pub fn looks_like_record(data: &[u8]) -> bool {
    data.first_chunk().is_some_and(|head| is_header(*head))
}

fn is_header([kind, major, minor, high, low]: [u8; HEADER]) -> bool {
    let len = usize::from(high) << 8 | usize::from(low);
    (CHANGE_CIPHER_SPEC..=24).contains(&kind)
        && major == 3
        && minor <= 4
        && (1..=MAX_RECORD).contains(&len)
}

/// How far one direction of TLS 1.3 is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Phase {
    /// In the clear.
    #[default]
    Clear,
    /// Early data of a resumption.
    Early,
    Handshake,
    Traffic,
}

/// One direction.
#[derive(Default)]
struct Half {
    buffer: Vec<u8>,
    taken: usize,
    extents: VecDeque<Extent>,
    /// A handshake message that has not ended.
    message: Vec<u8>,
    phase: Phase,
    key: Option<Protection>,
    /// The traffic secret that the key was made of (TLS 1.3).
    secret: Option<Secret>,
    /// TLS 1.0 to 1.2: records are encrypted from here on.
    encrypted: bool,
    opened: u64,
    unopened: u32,
    /// Tries left to find a record behind a hole.
    tries: Option<u32>,
    /// Octets that may be decrypted in vain to find it.
    budget: u64,
    waiting: bool,
    over: bool,
}

impl Half {
    fn rest(&self) -> &[u8] {
        self.buffer.get(self.taken..).unwrap_or_default()
    }

    fn skip(&mut self, mut count: usize) {
        self.taken += count;
        while let Some(first) = self.extents.front_mut() {
            let len = first.len as usize;
            if len > count {
                *first = first.part(count, len - count);
                break;
            }
            count -= len;
            self.extents.pop_front();
        }
        if self.taken >= self.buffer.len() {
            // Connections stay open for hours: what they do not need they do not keep.
            self.buffer = Vec::new();
            self.extents = VecDeque::new();
            self.taken = 0;
        } else if self.taken > 4 * MAX_RECORD {
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
    }

    /// How many records may have been lost before the one in hand, as far as the search may go.
    fn missing(tries: Option<u32>, budget: &mut u64, octets: usize) -> u64 {
        if tries.is_none() {
            return 0;
        }
        let octets = octets.max(64) as u64;
        let count = (*budget / octets).min(MAX_MISSING);
        *budget -= count * octets;
        count
    }

    fn cost(&self) -> usize {
        self.buffer.capacity()
            + self.extents.capacity() * size_of::<Extent>()
            + self.message.capacity()
            + self.key.as_ref().map_or(0, |_| KEY_OCTETS)
            + self.secret.as_ref().map_or(0, |_| SECRET_OCTETS)
    }

    fn clear(&mut self) {
        self.buffer = Vec::new();
        self.extents = VecDeque::new();
        self.message = Vec::new();
        self.taken = 0;
    }

    fn end(&mut self) {
        self.clear();
        self.key = None;
        self.secret = None;
        self.over = true;
    }
}

/// Takes the application data: side, octets, and the packets that they came in.
pub type Emit<'a> = dyn FnMut(usize, &[u8], &[Extent]) + 'a;

/// One TLS connection.
#[derive(Default)]
pub struct Connection {
    /// What is known of it.
    pub facts: TlsFacts,
    client: Option<Box<Hello>>,
    server: Option<Box<Hello>>,
    suite: Option<Suite>,
    master: MasterKeys,
    halves: [Half; 2],
    /// The server asked for another ClientHello, which has not come.
    retry: bool,
    opened: Content,
    /// Memory in use for what the handshake said.
    told: usize,
}

impl Connection {
    /// Memory in use.
    pub fn cost(&self) -> usize {
        let halves: usize = self.halves.iter().map(Half::cost).sum();
        size_of::<Self>() + self.told + halves + self.opened.cost()
    }

    /// Counts what the handshake said so far.
    fn count_told(&mut self) {
        let hellos = [&self.client, &self.server];
        let hellos = hellos.into_iter().flatten();
        let hellos: usize = hellos.map(|h| size_of::<Hello>() + h.heap()).sum();
        self.told = self.facts.heap() + hellos + self.master.heap();
    }

    /// There is no room for it any more.
    pub fn forget(&mut self) {
        for side in [CLIENT, SERVER] {
            if !self.is_over(side) {
                self.give_up(side, Obstacle::NoRoom);
            }
        }
    }

    /// True when nothing more can be learned from a direction.
    pub fn is_over(&self, side: usize) -> bool {
        self.halves.get(side).is_none_or(|half| half.over)
    }

    /// True when octets of a direction wait for what the other one has to say.
    pub fn is_waiting(&self, side: usize) -> bool {
        self.halves.get(side).is_some_and(|half| half.waiting)
    }

    /// Takes the next octets of one direction.
    pub fn push(
        &mut self,
        side: usize,
        data: &[u8],
        extent: Extent,
        secrets: &mut Secrets,
        emit: &mut Emit<'_>,
    ) {
        let side = side.min(1);
        let [client, server] = &mut self.halves;
        let half = if side == CLIENT { client } else { server };
        if half.over {
            return;
        }
        half.buffer.extend_from_slice(data);
        half.extents.push_back(extent);
        half.budget = half.budget.saturating_add(64 * data.len() as u64);
        if half.waiting && half.rest().len() > MAX_WAITING {
            self.give_up(side, Obstacle::BeginningMissing);
        }
        let other = 1 - side;
        loop {
            let moved = self.run(side, secrets, emit);
            let waits = self.halves.get(other).is_some_and(|half| half.waiting);
            if !moved || !waits || !self.run(other, secrets, emit) {
                break;
            }
        }
        self.opened = Content::default();
    }

    /// Octets of one direction are missing.
    pub fn gap(&mut self, side: usize) {
        self.facts.holes += 1;
        let Some(half) = self.halves.get_mut(side) else {
            return;
        };
        half.clear();
        if half.key.as_ref().is_some_and(Protection::is_independent) {
            half.tries = Some(MAX_TRIES);
        } else {
            self.give_up(side, Obstacle::Hole);
        }
    }

    /// Nothing more will come on one direction.
    pub fn end(&mut self, side: usize) {
        let waiting = self
            .halves
            .get(side)
            .is_some_and(|half| half.waiting && !half.over);
        if waiting {
            self.give_up(side, Obstacle::BeginningMissing);
        } else if let Some(half) = self.halves.get_mut(side) {
            half.end();
        }
    }

    fn give_up(&mut self, side: usize, why: Obstacle) {
        if let Some(half) = self.halves.get_mut(side) {
            half.end();
        }
        if let Some(obstacle) = self.facts.obstacles.get_mut(side) {
            obstacle.get_or_insert(why);
        }
    }

    /// Takes the records of one direction as far as they can be taken; true when there was one.
    fn run(&mut self, side: usize, secrets: &mut Secrets, emit: &mut Emit<'_>) -> bool {
        let mut moved = false;
        loop {
            let Some(half) = self.halves.get_mut(side).filter(|half| !half.over) else {
                return moved;
            };
            let Some(header) = half.rest().first_chunk::<HEADER>().copied() else {
                return moved;
            };
            if !is_header(header) {
                if half.tries.is_none() {
                    self.give_up(side, Obstacle::NotTls);
                    return moved;
                }
                if !self.look_further(side) {
                    return moved;
                }
                continue;
            }
            let [_, _, _, high, low] = header;
            let len = HEADER + (usize::from(high) << 8 | usize::from(low));
            if half.rest().len() < len {
                return moved;
            }
            half.waiting = false;
            if self.must_wait(side, header, secrets) {
                if let Some(half) = self.halves.get_mut(side) {
                    half.waiting = true;
                }
                return moved;
            }
            moved = true;
            let Some(half) = self.halves.get_mut(side) else {
                return moved;
            };
            let frames = cut_extents(half.extents.make_contiguous(), 0, len);
            // Lent for the time of this record, so that nothing is copied.
            let mut buffer = std::mem::take(&mut half.buffer);
            let at = half.taken + HEADER;
            let body = buffer.get_mut(at..at + len - HEADER).unwrap_or_default();
            let done = self.record(side, header, body, &frames, secrets, emit);
            let Some(half) = self.halves.get_mut(side) else {
                return moved;
            };
            if half.over {
                return moved;
            }
            half.buffer = buffer;
            if done {
                half.skip(len);
            } else if !self.look_further(side) {
                return moved;
            }
        }
    }

    /// Behind a hole: on to the next place that may be a record; false when more octets are needed.
    fn look_further(&mut self, side: usize) -> bool {
        let Some(half) = self.halves.get_mut(side) else {
            return false;
        };
        match half.tries {
            Some(left) if left > 0 => half.tries = Some(left - 1),
            _ => {
                self.give_up(side, Obstacle::Hole);
                return false;
            }
        }
        let rest = half.rest();
        let next = rest
            .windows(HEADER)
            .skip(1)
            .position(|head| head.first_chunk().is_some_and(|head| is_header(*head)));
        match next {
            Some(at) => {
                half.skip(at + 1);
                true
            }
            None => {
                let drop = rest.len().saturating_sub(HEADER - 1);
                half.skip(drop);
                false
            }
        }
    }

    /// True when a record can only be understood with what the other side has yet to say.
    fn must_wait(&self, side: usize, header: [u8; HEADER], secrets: &Secrets) -> bool {
        let [kind, ..] = header;
        let other_over = self.halves.get(1 - side).is_none_or(|half| half.over);
        if other_over || kind == ALERT {
            return false;
        }
        let has_key = self.halves.get(side).is_some_and(|h| h.key.is_some());
        // Asked again, the client says hello again.
        if side == CLIENT && self.retry {
            return false;
        }
        if side == CLIENT {
            return self.client.is_some() && self.server.is_none() && !has_key;
        }
        let Some(client) = &self.client else {
            return kind != HANDSHAKE;
        };
        // The server's keys may be made of what the client sends (RSA key exchange).
        let Some(server) = &self.server else {
            return false;
        };
        kind == CHANGE_CIPHER_SPEC
            && server.chosen_version() < TLS13
            && self.master.exchange.is_none()
            && secrets.has_rsa_keys()
            && self.suite.is_some_and(|suite| suite.rsa_key_exchange)
            && !is_resumed(client, server)
            && secrets.get(&client.random, Label::Master).is_none()
    }

    fn is_tls13(&self) -> bool {
        self.facts.version == Some(TLS13)
    }

    /// Takes one record; false when it could not be opened and behind a hole another place is to be
    /// tried.
    fn record(
        &mut self,
        side: usize,
        header: [u8; HEADER],
        body: &mut [u8],
        frames: &[Extent],
        secrets: &mut Secrets,
        emit: &mut Emit<'_>,
    ) -> bool {
        let [kind, ..] = header;
        let Some(half) = self.halves.get_mut(side) else {
            return true;
        };
        if self.facts.version == Some(TLS13) {
            // ChangeCipherSpec only pleases middleboxes; an alert of two octets is in the clear.
            match kind {
                CHANGE_CIPHER_SPEC => return true,
                ALERT if body.len() == 2 => {}
                HANDSHAKE if half.phase == Phase::Clear || self.retry => {}
                APPLICATION => return self.open13(side, header, body, frames, secrets, emit),
                _ => {
                    if half.tries.is_some() {
                        return false;
                    }
                    self.give_up(side, Obstacle::NotTls);
                    return true;
                }
            }
        } else if half.encrypted {
            return self.open12(side, header, body, frames, secrets, emit);
        } else if kind == APPLICATION {
            self.give_up(side, Obstacle::BeginningMissing);
            return true;
        }
        self.content(side, kind, body, frames, secrets, emit);
        true
    }

    /// A protected record of TLS 1.0 to 1.2.
    fn open12(
        &mut self,
        side: usize,
        header: [u8; HEADER],
        body: &mut [u8],
        frames: &[Extent],
        secrets: &mut Secrets,
        emit: &mut Emit<'_>,
    ) -> bool {
        let mut opened = std::mem::take(&mut self.opened);
        let Some(half) = self.halves.get_mut(side) else {
            return true;
        };
        let Some(key) = &mut half.key else {
            return true;
        };
        let from = key.sequence;
        let until = from + Half::missing(half.tries, &mut half.budget, body.len());
        let found = (from..=until)
            .find_map(|n| key.open(n, header, body, &mut opened).map(|kind| (n, kind)));
        let Some((number, kind)) = found else {
            self.opened = opened;
            return self.not_opened(side);
        };
        key.sequence = number + 1;
        self.opened(side);
        self.content(side, kind, opened.of(body), frames, secrets, emit);
        self.opened = opened;
        true
    }

    fn opened(&mut self, side: usize) {
        if let Some(half) = self.halves.get_mut(side) {
            half.opened += 1;
            half.unopened = 0;
            self.facts.rejoined += u32::from(half.tries.take().is_some());
        }
    }

    fn not_opened(&mut self, side: usize) -> bool {
        let Some(half) = self.halves.get_mut(side) else {
            return true;
        };
        if half.tries.is_some() {
            return false;
        }
        let why = match half.opened {
            0 => Obstacle::SecretsDoNotFit,
            _ => Obstacle::Damaged,
        };
        self.give_up(side, why);
        true
    }

    /// A protected record of TLS 1.3.
    fn open13(
        &mut self,
        side: usize,
        header: [u8; HEADER],
        body: &mut [u8],
        frames: &[Extent],
        secrets: &mut Secrets,
        emit: &mut Emit<'_>,
    ) -> bool {
        let mut opened = std::mem::take(&mut self.opened);
        let Some(kind) = self.try13(side, header, body, secrets, &mut opened) else {
            self.opened = opened;
            return self.not_opened13(side, secrets);
        };
        self.opened(side);
        self.content(side, kind, opened.of(body), frames, secrets, emit);
        self.opened = opened;
        true
    }

    /// Opens a record with the key in use, or with those that may come next.
    fn try13(
        &mut self,
        side: usize,
        header: [u8; HEADER],
        body: &mut [u8],
        secrets: &Secrets,
        opened: &mut Content,
    ) -> Option<u8> {
        let suite = self.suite?;
        let half = self.halves.get_mut(side)?;
        let missing = Half::missing(half.tries, &mut half.budget, body.len());
        if let Some(key) = &mut half.key {
            let from = key.sequence;
            for number in from..=from + missing {
                if let Some(kind) = key.open(number, header, body, opened) {
                    key.sequence = number + 1;
                    return Some(kind);
                }
            }
        }
        let mut next: Vec<(Phase, Secret)> = Vec::new();
        if half.phase == Phase::Traffic {
            // A key update may have been lost in a hole.
            if missing > 0 {
                let secret = half.secret.as_ref()?;
                next.push((Phase::Traffic, update(suite, secret)?));
            }
        } else {
            let client = self.client.as_ref()?;
            let labels = match side {
                CLIENT => [
                    Label::ClientEarly,
                    Label::ClientHandshake,
                    Label::ClientTraffic,
                ],
                _ => [
                    Label::ServerHandshake,
                    Label::ServerHandshake,
                    Label::ServerTraffic,
                ],
            };
            let phases = [Phase::Early, Phase::Handshake, Phase::Traffic];
            for (phase, label) in phases.into_iter().zip(labels) {
                let early = phase == Phase::Early;
                if phase <= half.phase || early && (side == SERVER || !client.early_data) {
                    continue;
                }
                let secret = secrets.get(&client.random, label);
                next.extend(secret.map(|secret| (phase, secret.clone())));
            }
        }
        for (phase, secret) in next {
            let mut key = Protection::from_secret(suite, &secret)?;
            for number in 0..=missing {
                if let Some(kind) = key.open(number, header, body, opened) {
                    key.sequence = number + 1;
                    half.key = Some(key);
                    half.secret = Some(secret);
                    half.phase = phase;
                    return Some(kind);
                }
            }
        }
        None
    }

    fn not_opened13(&mut self, side: usize, secrets: &Secrets) -> bool {
        let known = self
            .client
            .as_ref()
            .is_some_and(|c| secrets.knows(&c.random));
        let (client_seen, suite) = (self.client.is_some(), self.suite);
        let label = |label| {
            let client = self.client.as_ref()?;
            secrets.get(&client.random, label)
        };
        let (handshake, traffic, name) = match side {
            CLIENT => (
                label(Label::ClientHandshake).is_some(),
                label(Label::ClientTraffic).is_some(),
                "CLIENT_TRAFFIC_SECRET_0",
            ),
            _ => (
                label(Label::ServerHandshake).is_some(),
                label(Label::ServerTraffic).is_some(),
                "SERVER_TRAFFIC_SECRET_0",
            ),
        };
        let early = side == CLIENT && self.client.as_ref().is_some_and(|c| c.early_data);
        let Some(half) = self.halves.get_mut(side) else {
            return true;
        };
        if half.tries.is_some() {
            return false;
        }
        let why = match half.phase {
            _ if !client_seen => Obstacle::BeginningMissing,
            _ if suite.is_none() => Obstacle::Suite,
            _ if !known => Obstacle::NoSecrets,
            Phase::Traffic => Obstacle::Damaged,
            _ if !traffic => Obstacle::SecretMissing(name),
            // Passed over: the handshake of which the log has no secret, and refused early data.
            _ if (early || !handshake) && half.unopened < MAX_UNOPENED => {
                half.unopened += 1;
                return true;
            }
            _ => Obstacle::SecretsDoNotFit,
        };
        self.give_up(side, why);
        true
    }

    /// The content of a record, in the clear or opened.
    fn content(
        &mut self,
        side: usize,
        kind: u8,
        content: &[u8],
        frames: &[Extent],
        secrets: &mut Secrets,
        emit: &mut Emit<'_>,
    ) {
        let frame = frames.iter().map(|e| e.frame).max().unwrap_or(0);
        match kind {
            CHANGE_CIPHER_SPEC if !self.is_tls13() => self.change_cipher(side, secrets),
            ALERT => self.alert(side, content, frame),
            HANDSHAKE => self.handshake(side, content, secrets),
            APPLICATION => {
                if let Some(count) = self.facts.opened.get_mut(side) {
                    *count += 1;
                }
                emit(side, content, frames);
            }
            _ => {}
        }
    }

    fn alert(&mut self, side: usize, content: &[u8], frame: u32) {
        let [level, number] = content else { return };
        if self.facts.alerts.len() < MAX_ALERTS {
            self.facts.alerts.push(Alert {
                from_server: side == SERVER,
                fatal: *level == 2,
                number: *number,
                frame,
            });
        }
        if (*number == 0 || *level == 2)
            && let Some(half) = self.halves.get_mut(side)
        {
            half.end();
        }
    }

    /// TLS 1.0 to 1.2: the next records of this side are protected with the new keys.
    fn change_cipher(&mut self, side: usize, secrets: &mut Secrets) {
        let (Some(client), Some(server)) = (&self.client, &self.server) else {
            self.give_up(side, Obstacle::BeginningMissing);
            return;
        };
        let made = match self.suite {
            Some(suite) => self
                .master
                .protection((client, server), suite, side, secrets),
            None => Err(Obstacle::Suite),
        };
        match made {
            Ok(key) => {
                if let Some(half) = self.halves.get_mut(side) {
                    half.key = Some(key);
                    half.encrypted = true;
                }
                if side == SERVER {
                    self.master.transcript = Default::default();
                }
            }
            Err(why) => self.give_up(side, why),
        }
    }

    fn handshake(&mut self, side: usize, content: &[u8], secrets: &mut Secrets) {
        let Some(half) = self.halves.get_mut(side) else {
            return;
        };
        half.message.extend_from_slice(content);
        let mut all = std::mem::take(&mut half.message);
        let mut at = 0;
        loop {
            let rest = all.get(at..).unwrap_or_default();
            let mut r = Reader(rest);
            let (Some(kind), Some(len)) = (r.number(1), r.number(3)) else {
                break;
            };
            if len > MAX_HANDSHAKE {
                self.give_up(side, Obstacle::TooLong);
                return;
            }
            let Some(body) = r.take(len) else { break };
            let whole = rest.get(..len + 4).unwrap_or_default();
            self.message(side, kind, body, whole, secrets);
            if self.is_over(side) {
                return;
            }
            at += len + 4;
        }
        all.drain(..at);
        if all.is_empty() {
            all = Vec::new();
        }
        if let Some(half) = self.halves.get_mut(side) {
            half.message = all;
        }
        self.count_told();
    }

    fn message(
        &mut self,
        side: usize,
        kind: usize,
        body: &[u8],
        whole: &[u8],
        secrets: &mut Secrets,
    ) {
        let tls13 = self.is_tls13();
        match kind {
            // HelloRequest is no part of the transcript.
            0 => return,
            1 if side == CLIENT => {
                self.client_hello(body);
                if self.client.is_none() {
                    self.give_up(side, Obstacle::NotTls);
                }
            }
            2 if side == SERVER => self.server_hello(body),
            4 if side == SERVER && !tls13 => {
                let mut r = Reader(body);
                r.take(4);
                self.master.ticket = r.vector(2).map(<[u8]>::to_vec);
            }
            5 if side == CLIENT && tls13 => self.next_phase(side, Phase::Handshake, secrets),
            8 if side == SERVER && tls13 => {
                let hello = handshake::encrypted_extensions(body);
                self.facts.alpn = hello.alpn.into_iter().next().or(self.facts.alpn.take());
            }
            11 => {
                let version = self.facts.version.unwrap_or(0);
                let list: Vec<CertificateInfo> = handshake::certificates(body, version)
                    .into_iter()
                    .take(MAX_CHAIN)
                    .filter_map(CertificateInfo::read)
                    .collect();
                match side {
                    SERVER => self.facts.certificates = list,
                    _ => self.facts.client_certificates = list,
                }
            }
            16 if side == CLIENT => {
                // The ciphertext has its length in front since TLS 1.0 (RFC 5246, 7.4.7.1).
                self.master.exchange = Reader(body).vector(2).map(<[u8]>::to_vec);
            }
            20 if tls13 => self.next_phase(side, Phase::Traffic, secrets),
            24 if tls13 => {
                self.facts.key_updates += 1;
                self.update_key(side);
            }
            _ => {}
        }
        // What the extended master secret is made of ends with ClientKeyExchange.
        let part = match (side, kind) {
            _ if tls13 || secrets.is_empty() => return,
            (CLIENT, 1) => 0,
            (SERVER, 2 | 11 | 12 | 13 | 14 | 22) => 1,
            (CLIENT, 11 | 16) => 2,
            _ => return,
        };
        if kind == 1 {
            self.master.transcript = Default::default();
        }
        if let Some(kept) = self.master.transcript.get_mut(part)
            && kept.len() + whole.len() <= MAX_TRANSCRIPT
        {
            kept.extend_from_slice(whole);
        }
    }

    fn client_hello(&mut self, body: &[u8]) {
        let Some(mut hello) = handshake::client_hello(body) else {
            return;
        };
        let facts = &mut self.facts;
        facts.sni = hello.sni.take().or(facts.sni.take());
        facts.versions_offered = match std::mem::take(&mut hello.versions) {
            list if list.is_empty() => vec![hello.version],
            list => list,
        };
        facts.suites_offered = std::mem::take(&mut hello.suites);
        facts.alpn_offered = std::mem::take(&mut hello.alpn);
        // A second hello asks for new keys: by renegotiation, or as the server told it to.
        if self.client.is_some() {
            self.server = None;
            self.master = MasterKeys::default();
        }
        if std::mem::take(&mut self.retry) {
            let [half, _] = &mut self.halves;
            half.phase = Phase::Clear;
            half.key = None;
        }
        self.client = Some(Box::new(hello));
    }

    fn server_hello(&mut self, body: &[u8]) {
        let Some(hello) = handshake::server_hello(body) else {
            self.give_up(SERVER, Obstacle::NotTls);
            return;
        };
        let facts = &mut self.facts;
        let version = hello.chosen_version();
        let number = hello.suites.first().copied();
        facts.version = Some(version);
        facts.suite = number;
        self.suite = number
            .and_then(Suite::of)
            .filter(|suite| suite.tls13 == (version == TLS13) && version > 0x0300);
        if hello.is_retry() {
            facts.retried = true;
            self.retry = true;
            return;
        }
        facts.alpn = hello.alpn.first().cloned();
        facts.resumed = match version {
            TLS13 => hello.pre_shared_key,
            _ => self
                .client
                .as_ref()
                .is_some_and(|client| is_resumed(client, &hello)),
        };
        self.server = Some(Box::new(hello));
    }

    /// TLS 1.3: the records of this side go on with other keys.
    fn next_phase(&mut self, side: usize, phase: Phase, secrets: &Secrets) {
        let (Some(client), Some(suite)) = (&self.client, self.suite) else {
            return;
        };
        let (label, name) = match (side, phase) {
            (CLIENT, Phase::Traffic) => (Label::ClientTraffic, "CLIENT_TRAFFIC_SECRET_0"),
            (_, Phase::Traffic) => (Label::ServerTraffic, "SERVER_TRAFFIC_SECRET_0"),
            _ => (Label::ClientHandshake, "CLIENT_HANDSHAKE_TRAFFIC_SECRET"),
        };
        let secret = secrets.get(&client.random, label).cloned();
        let Some(half) = self.halves.get_mut(side) else {
            return;
        };
        half.key = secret
            .as_ref()
            .and_then(|s| Protection::from_secret(suite, s));
        half.secret = secret;
        match half.key {
            Some(_) => half.phase = phase,
            // The rest of the handshake can be passed over.
            None if phase == Phase::Handshake => half.phase = Phase::Early,
            None => self.give_up(side, Obstacle::SecretMissing(name)),
        }
    }

    fn update_key(&mut self, side: usize) {
        let Some((half, suite)) = self.halves.get_mut(side).zip(self.suite) else {
            return;
        };
        if half.phase != Phase::Traffic {
            return;
        }
        half.secret = half
            .secret
            .as_ref()
            .and_then(|secret| update(suite, secret));
        half.key = half
            .secret
            .as_ref()
            .and_then(|s| Protection::from_secret(suite, s));
    }
}

/// The traffic secret behind a key update (RFC 8446, 7.2).
fn update(suite: Suite, secret: &Secret) -> Option<Secret> {
    expand_label(suite.hash, secret, "traffic upd", suite.hash.len())
}
