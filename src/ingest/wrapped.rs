//! SIP that stands in TLS or WebSocket: connections whose octets are unwrapped before they are
//! framed.
//!
//! The two directions of a connection meet here. A direction that turns out to hold no SIP, or whose
//! keys are not known, is let go at once and costs nothing more.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::block;
use super::streams::{Filed, Filer, StreamState, push};
use crate::bytes::{Extent, Origin, cut_extents};
use crate::index::message_store::Transport;
use crate::packet::tcp_stream::{Verdict, Way};
use crate::packet::tls::{self, CLIENT, Obstacle, SERVER, Secrets, TlsConnection, TlsFacts};
use crate::packet::websocket::{self, Deflate, Upgrade};
use crate::packet::{Endpoint, Layer};
use crate::sip::framing;
use crate::sip::scan::Framing;
use crate::source::StoredBytes;

/// TLS connections described one by one, the first of the capture; more are counted.
const MAX_ROWS: usize = 20_000;
/// Memory for what is to be said of them.
const MAX_ROW_OCTETS: usize = 64 << 20;
/// Memory for all connections that are open: keys, inflaters, octets that wait for others.
const MAX_HELD: usize = 64 << 20;
/// What remains when the longest unused ones were given up.
const HELD_AFTER: usize = MAX_HELD / 4 * 3;
/// Connections remembered that are over, half of them at least.
const MAX_PAST: usize = 1 << 17;
/// What an entry of a table takes beside key and value.
const ENTRY_OCTETS: usize = 16;
/// WebSocket messages without SIP before a connection is let go.
const MAX_ODD_MESSAGES: u32 = 16;
/// Packets named for the octets of one record or message, beside the last one.
const MAX_SPREAD: usize = 16;
/// Records in whose WebSocket messages the place of the record is known.
const MAX_RECORDS: usize = 64;
/// Longest line of the PROXY protocol, version 1.
const MAX_PROXY_LINE: usize = 108;

type Ends = (Endpoint, Endpoint, u32);

fn ends_of(way: &Way) -> Ends {
    let (a, b) = (way.addressing.src, way.addressing.dst);
    (a.min(b), a.max(b), way.addressing.realm)
}

/// One direction.
#[derive(Default)]
struct Side {
    attached: bool,
    /// Nothing more is wanted of it.
    done: bool,
    stream: StreamState,
    ws: Option<websocket::Half>,
    /// Where the newest TLS records lie whose octets are WebSocket frames.
    records: VecDeque<Origin>,
    way: Option<Way>,
    odd_messages: u32,
}

impl Side {
    fn cost(&self) -> usize {
        let records = self.records.capacity() * size_of::<Origin>();
        records + self.ws.as_ref().map_or(0, websocket::Half::cost)
    }

    fn note_record(&mut self, frames: &[Extent]) {
        for origin in origins(frames) {
            if self.records.len() >= MAX_RECORDS {
                self.records.pop_front();
            }
            self.records.push_back(origin);
        }
    }

    /// The part of a record of which these octets were made.
    fn record_of(&self, octets: &Extent) -> Option<Origin> {
        let mut records = self.records.iter().rev();
        let found = records.find(|record| {
            let part = record.part;
            (part.file, part.frame) == (octets.file, octets.frame) && part.offset <= octets.offset
        });
        found.copied()
    }
}

struct Conn {
    client: Endpoint,
    server: Endpoint,
    first: Extent,
    tls: Option<tls::Connection>,
    /// Compression that the server agreed to.
    deflate: Option<Deflate>,
    /// The WebSocket subprotocol is `sip`.
    sip: bool,
    websocket: bool,
    messages: u32,
    sides: [Side; 2],
    ends: Ends,
    /// It is one of those that are described.
    described: bool,
    /// Memory that was counted for it.
    counted: usize,
    /// When it was used, counted in uses of all.
    used: u64,
}

impl Conn {
    /// Memory in use; octets of streams are counted by the [`Filer`].
    fn cost(&self) -> usize {
        let entries = size_of::<(u32, Box<Self>)>() + size_of::<(Ends, u32)>();
        let own = size_of::<Self>() + entries + 2 * ENTRY_OCTETS;
        let sides: usize = self.sides.iter().map(Side::cost).sum();
        own + sides + self.tls.as_ref().map_or(0, tls::Connection::cost)
    }

    /// Something of it has come, and more may.
    fn is_open(&self) -> bool {
        self.sides.iter().any(|side| side.attached && !side.done)
    }

    fn is_done(&self, side: usize) -> bool {
        self.sides.get(side).is_none_or(|side| side.done)
    }

    /// A connection of which one direction was never seen may be over, too.
    fn is_over(&self) -> bool {
        self.sides.iter().all(|side| side.done)
    }

    fn into_row(self) -> Option<TlsConnection> {
        Some(TlsConnection {
            file: self.first.file,
            client: self.client,
            server: self.server,
            first_frame: self.first.frame,
            time: self.first.time,
            facts: self.tls?.facts,
            messages: self.messages,
            websocket: self.websocket,
        })
    }
}

/// Connections that are over, the newest of them: two sets, of which the older one is dropped when
/// the newer one is full.
#[derive(Default)]
struct Past {
    newer: HashSet<Ends>,
    older: HashSet<Ends>,
}

impl Past {
    fn insert(&mut self, ends: Ends) {
        if self.newer.len() >= MAX_PAST / 2 {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(ends);
    }

    fn contains(&self, ends: &Ends) -> bool {
        self.newer.contains(ends) || self.older.contains(ends)
    }
}

/// A connection and the direction of it that a stream is.
pub(super) type Link = (u32, usize);

/// All connections that are unwrapped.
#[derive(Default)]
pub(super) struct Wrapped {
    pub secrets: Secrets,
    pub stored: Arc<StoredBytes>,
    pub no_bomb_limit: bool,
    conns: HashMap<u32, Box<Conn>>,
    /// The newest of those that are open on these addresses.
    by_ends: HashMap<Ends, u32>,
    /// Addresses of those that are over, or are not described.
    past: Past,
    /// Records without a hello before them.
    unknown: HashMap<Ends, TlsConnection>,
    rows: Vec<TlsConnection>,
    row_octets: usize,
    /// Connections that are described, the open ones included.
    described: usize,
    next: u32,
    held: usize,
    clock: u64,
    /// Connections that are not described because there are too many, and the packet of the first.
    pub beyond: (u64, u32),
    /// Connections given up because there were too many at once, and the packet of the first.
    pub over_limit: (u64, u32),
    /// Streams that were given up, by reason, with the packet of the first.
    pub faults: BTreeMap<&'static str, (u64, u32)>,
}

impl Wrapped {
    fn attach(&mut self, way: &Way, side: usize, is_tls: bool, first: Extent) -> u32 {
        let ends = ends_of(way);
        let (src, dst) = (way.addressing.src, way.addressing.dst);
        let (client, server) = if side == CLIENT {
            (src, dst)
        } else {
            (dst, src)
        };
        let known = self.by_ends.get(&ends).copied();
        if let Some(id) = known
            && let Some(conn) = self.conns.get_mut(&id)
            && conn.tls.is_some() == is_tls
            && (conn.client, conn.server) == (client, server)
            && let Some(free) = conn.sides.get_mut(side).filter(|s| !s.attached)
        {
            free.attached = true;
            return id;
        }
        if self.unknown.remove(&ends).is_some() {
            self.described -= 1;
        }
        self.next = self.next.wrapping_add(1);
        let described = is_tls && self.has_row(first.frame);
        let mut conn = Conn {
            client,
            server,
            first,
            tls: is_tls.then(tls::Connection::default),
            deflate: None,
            sip: false,
            websocket: false,
            messages: 0,
            sides: Default::default(),
            ends,
            described,
            counted: 0,
            used: 0,
        };
        if let Some(side) = conn.sides.get_mut(side) {
            side.attached = true;
        }
        self.by_ends.insert(ends, self.next);
        self.put(self.next, Box::new(conn));
        self.next
    }

    /// True when another connection can be described.
    fn has_row(&mut self, frame: u32) -> bool {
        if self.described < MAX_ROWS {
            self.described += 1;
            return true;
        }
        count(&mut self.beyond, frame);
        false
    }

    /// Takes a connection out, to be changed and put back.
    fn take(&mut self, id: u32) -> Option<Box<Conn>> {
        let conn = self.conns.remove(&id)?;
        self.held = self.held.saturating_sub(conn.counted);
        Some(conn)
    }

    /// Puts a connection back, or keeps only what is to be said of it.
    fn put(&mut self, id: u32, mut conn: Box<Conn>) {
        if conn.is_over() {
            self.close(id, *conn);
            return;
        }
        self.clock += 1;
        conn.used = self.clock;
        conn.counted = conn.cost();
        self.held += conn.counted;
        self.conns.insert(id, conn);
    }

    /// A connection is over, or nothing more is wanted of it.
    fn close(&mut self, id: u32, conn: Conn) {
        if self.by_ends.get(&conn.ends) == Some(&id) {
            self.by_ends.remove(&conn.ends);
        }
        if conn.tls.is_some() {
            self.past.insert(conn.ends);
        }
        let described = conn.described;
        if let Some(row) = conn.into_row().filter(|_| described) {
            self.keep(row);
        }
    }

    fn keep(&mut self, row: TlsConnection) {
        self.row_octets += size_of::<TlsConnection>() + row.facts.heap();
        if self.row_octets > MAX_ROW_OCTETS {
            count(&mut self.beyond, row.first_frame);
        } else {
            self.rows.push(row);
        }
    }

    /// Connections to be given up, the longest unused one first; none while there is room.
    fn too_many(&self) -> Vec<u32> {
        if self.held <= MAX_HELD {
            return Vec::new();
        }
        let mut uses: Vec<(u64, u32)> = self.conns.iter().map(|(id, c)| (c.used, *id)).collect();
        uses.sort_unstable();
        uses.into_iter().map(|(_, id)| id).collect()
    }

    /// Notes application data of a connection whose beginning was not captured.
    pub fn note_record(&mut self, way: &Way, data: &[u8], extent: Extent) {
        if data.first() != Some(&23) || !tls::looks_like_record(data) {
            return;
        }
        let ends = ends_of(way);
        if self.by_ends.contains_key(&ends)
            || self.unknown.contains_key(&ends)
            || self.past.contains(&ends)
        {
            return;
        }
        if !self.has_row(extent.frame) {
            self.past.insert(ends);
            return;
        }
        let (src, dst) = (way.addressing.src, way.addressing.dst);
        let (client, server) = if dst.port <= src.port {
            (src, dst)
        } else {
            (dst, src)
        };
        let facts = TlsFacts {
            obstacles: [Some(Obstacle::BeginningMissing), None],
            ..TlsFacts::default()
        };
        let row = TlsConnection {
            file: extent.file,
            client,
            server,
            first_frame: extent.frame,
            time: extent.time,
            facts,
            messages: 0,
            websocket: false,
        };
        self.unknown.insert(ends, row);
    }

    fn fault(&mut self, why: &'static str, frame: u32) {
        self.faults.entry(why).or_insert((0, frame)).0 += 1;
    }

    /// Everything that is to be said of TLS, in the order of the capture.
    pub fn connections(&mut self) -> Vec<TlsConnection> {
        let open = std::mem::take(&mut self.conns).into_values();
        let open = open.filter(|conn| conn.described);
        let mut open: Vec<TlsConnection> = open.filter_map(|conn| conn.into_row()).collect();
        open.extend(self.unknown.drain().map(|(_, row)| row));
        let place = |row: &TlsConnection| (row.file, row.first_frame, row.client, row.server);
        open.sort_by_key(place);
        for row in open {
            self.keep(row);
        }
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_by_key(place);
        rows
    }
}

fn count((times, first): &mut (u64, u32), frame: u32) {
    if *times == 0 {
        *first = frame;
    }
    *times += 1;
}

/// What a stream is wrapped in.
pub(super) enum Wrapping {
    /// Too few octets to tell.
    NeedMore,
    /// Nothing: it is read as it is.
    None,
    /// TLS, seen from one side, behind so many octets.
    Tls(usize, usize),
    /// A header of so many octets, in which a load balancer says for whom it speaks.
    Proxied(usize),
    /// WebSocket, by its upgrade.
    Upgrade,
    /// WebSocket, from its middle, seen from one side.
    Frames(usize),
}

/// Looks at the beginning of a stream. Cheap for everything that is plain.
pub(super) fn wrapping(data: &[u8]) -> Wrapping {
    match data.first() {
        None => Wrapping::NeedMore,
        Some(0x16) => match tls::looks_like_handshake(data) {
            None => Wrapping::NeedMore,
            Some(true) => Wrapping::Tls(hello_side(data), 0),
            Some(false) => Wrapping::None,
        },
        Some(b'G' | b'H') => match websocket::upgrade(data) {
            Upgrade::NeedMore => Wrapping::NeedMore,
            Upgrade::No => Wrapping::None,
            Upgrade::Yes { .. } => Wrapping::Upgrade,
        },
        Some(b'P') => behind_proxy_line(data),
        Some(b'\r') => proxy_header(data),
        Some(0x81 | 0x82 | 0x01 | 0x02 | 0xc1 | 0xc2) => match frames_side(data) {
            Some(side) => Wrapping::Frames(side),
            None => Wrapping::None,
        },
        Some(_) => Wrapping::None,
    }
}

fn hello_side(data: &[u8]) -> usize {
    if data.get(5) == Some(&1) {
        CLIENT
    } else {
        SERVER
    }
}

/// A load balancer may say first for whom it speaks.
fn behind_proxy_line(data: &[u8]) -> Wrapping {
    const START: &[u8] = b"PROXY ";
    if !data.starts_with(START) {
        return match START.starts_with(data) {
            true => Wrapping::NeedMore,
            false => Wrapping::None,
        };
    }
    let Some(end) = memchr::memchr(b'\n', data.get(..MAX_PROXY_LINE).unwrap_or(data)) else {
        return match data.len() {
            0..MAX_PROXY_LINE => Wrapping::NeedMore,
            _ => Wrapping::None,
        };
    };
    let rest = data.get(end + 1..).unwrap_or_default();
    match wrapping(rest) {
        Wrapping::NeedMore => Wrapping::NeedMore,
        Wrapping::Tls(side, 0) => Wrapping::Tls(side, end + 1),
        _ => Wrapping::None,
    }
}

/// The header of version 2 of the PROXY protocol: signature, command, family, length, addresses.
fn proxy_header(data: &[u8]) -> Wrapping {
    const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    const FIXED: usize = SIGNATURE.len() + 4;
    match data.get(..FIXED) {
        Some([head @ .., _, _, high, low]) if head == SIGNATURE => {
            let addresses = usize::from(u16::from_be_bytes([*high, *low]));
            match data.len() < FIXED + addresses {
                true => Wrapping::NeedMore,
                false => Wrapping::Proxied(FIXED + addresses),
            }
        }
        None if data.len() > 4
            && SIGNATURE.starts_with(data.get(..SIGNATURE.len()).unwrap_or(data)) =>
        {
            Wrapping::NeedMore
        }
        _ => Wrapping::None,
    }
}

/// The sender of WebSocket frames that begin here and carry SIP.
fn frames_side(data: &[u8]) -> Option<usize> {
    let frame = websocket::frame_header(data)??;
    let payload = data.get(frame.header..)?;
    let len = usize::try_from(frame.payload)
        .ok()?
        .min(websocket::MAX_MESSAGE);
    let mut start = payload.get(..len.min(512)).unwrap_or(payload).to_vec();
    if frame.compressed {
        // Only a whole message can be tried.
        let mut half = websocket::Half::new(false, true);
        let whole = data.get(..frame.header.saturating_add(len))?;
        start.clear();
        half.push(whole, Extent::default(), &mut |message| {
            start.extend_from_slice(message.data)
        });
    } else if let Some(mask) = frame.mask {
        websocket::unmask(&mut start, mask, 0);
    }
    framing::looks_like_sip(&start).then_some(if frame.mask.is_some() { CLIENT } else { SERVER })
}

/// True when a segment of a stream in which nothing was of interest so far begins something.
pub(super) fn begins(data: &[u8]) -> bool {
    let Some(first) = data.first() else {
        return false;
    };
    matches!(
        first,
        0x16 | b'\r' | b'G' | b'H' | 0x81 | 0x82 | 0x01 | 0x02 | 0xc1 | 0xc2
    ) && !matches!(wrapping(data), Wrapping::None | Wrapping::NeedMore)
}

/// Places for `len` octets that came in several packets together: all packets are named, and every
/// octet but the first few counts to the one that made them readable.
fn spread(frames: &[Extent], len: usize) -> Vec<Extent> {
    let mut packets: Vec<Extent> = Vec::new();
    for extent in frames {
        let last = packets.last();
        if last.is_none_or(|last| (last.file, last.frame) != (extent.file, extent.frame)) {
            packets.push(*extent);
        }
    }
    let Some(at) = (0..packets.len()).max_by_key(|at| packets.get(*at).map(|p| p.frame)) else {
        return Vec::new();
    };
    let last = packets.remove(at);
    packets.truncate(MAX_SPREAD.min(len / 4));
    let rest = len - packets.len();
    packets.iter_mut().for_each(|p| p.len = 1);
    packets.push(Extent {
        len: u32::try_from(rest).unwrap_or(u32::MAX),
        ..last
    });
    packets
}

/// The parts of a record, one for each packet.
fn origins(frames: &[Extent]) -> impl Iterator<Item = Origin> {
    let parts = frames.iter().enumerate();
    parts.map(|(at, part)| Origin {
        part: *part,
        begins: at == 0,
    })
}

/// The same for octets that are stored from `at` on, of whose packets `origin` says more.
fn spread_stored(
    stored: &StoredBytes,
    frames: &[Extent],
    at: u64,
    len: usize,
    origin: &dyn Fn(&Extent) -> Option<Origin>,
) -> Vec<Extent> {
    let mut at = at;
    let mut out = spread(frames, len);
    for extent in &mut out {
        let origin = origin(extent);
        *extent = extent.derived_at(at, extent.len);
        if let Some(origin) = origin {
            stored.note(*extent, origin);
        }
        at += u64::from(extent.len);
    }
    out
}

impl Filer {
    /// The stream is wrapped: connects it with its other direction and takes what came so far.
    pub(super) fn wrap(
        &mut self,
        state: &mut StreamState,
        way: &Way,
        wrapping: &Wrapping,
    ) -> Verdict {
        let (side, is_tls, skip) = match wrapping {
            Wrapping::Tls(side, skip) => (*side, true, *skip),
            Wrapping::Frames(side) => (*side, false, 0),
            _ => match websocket::upgrade(state.rest()) {
                Upgrade::Yes { response: true, .. } => (SERVER, false, 0),
                _ => (CLIENT, false, 0),
            },
        };
        state.skip(skip);
        let Some(first) = state.first_extent() else {
            return Verdict::Wanted;
        };
        let id = self.wrapped.attach(way, side, is_tls, first);
        if let (Wrapping::Frames(_), Some(conn)) = (wrapping, self.wrapped.conns.get_mut(&id)) {
            conn.sip = true;
            conn.websocket = true;
            if let Some(side) = conn.sides.get_mut(side) {
                side.ws = Some(websocket::Half::new(true, !self.wrapped.no_bomb_limit));
            }
        }
        let (octets, extents) = state.take_rest();
        state.link = Some((id, side));
        let mut at = 0;
        let mut verdict = Verdict::Wanted;
        for extent in extents {
            let end = at + extent.len as usize;
            if let Some(part) = octets.get(at..end).filter(|_| verdict == Verdict::Wanted) {
                verdict = self.linked((id, side), way, part, extent);
            }
            at = end;
        }
        self.keep_bounds();
        verdict
    }

    /// Gives up the connections that were unused for the longest time when there are too many.
    fn keep_bounds(&mut self) {
        for id in self.wrapped.too_many() {
            if self.wrapped.held <= HELD_AFTER {
                return;
            }
            let Some(mut conn) = self.wrapped.take(id) else {
                continue;
            };
            if conn.is_open() {
                if let Some(tls) = &mut conn.tls {
                    tls.forget();
                }
                count(&mut self.wrapped.over_limit, conn.first.frame);
            }
            for side in [CLIENT, SERVER] {
                self.side_ends(&mut conn, side);
            }
            self.wrapped.close(id, *conn);
        }
    }

    /// Takes octets of a wrapped stream.
    pub(super) fn linked(
        &mut self,
        (id, side): Link,
        way: &Way,
        data: &[u8],
        extent: Extent,
    ) -> Verdict {
        let Some(mut conn) = self.wrapped.take(id) else {
            return Verdict::Unwanted;
        };
        if let Some(side) = conn.sides.get_mut(side) {
            side.way = Some(*way);
        }
        if let Some(mut tls) = conn.tls.take() {
            let mut secrets = std::mem::take(&mut self.wrapped.secrets);
            tls.push(
                side,
                data,
                extent,
                &mut secrets,
                &mut |side, text, frames| {
                    self.plain(&mut conn, side, text, frames, true);
                },
            );
            self.wrapped.secrets = secrets;
            let over = [tls.is_over(CLIENT), tls.is_over(SERVER)];
            conn.tls = Some(tls);
            for (side, over) in over.into_iter().enumerate() {
                if over && !conn.is_done(side) {
                    self.side_ends(&mut conn, side);
                }
            }
        } else {
            self.plain(&mut conn, side, data, &[extent], false);
        }
        let done = conn.is_done(side);
        self.wrapped.put(id, conn);
        self.keep_bounds();
        if done {
            Verdict::Unwanted
        } else {
            Verdict::Wanted
        }
    }

    /// Octets are missing in a wrapped stream.
    pub(super) fn linked_gap(&mut self, (id, side): Link) {
        let Some(mut conn) = self.wrapped.take(id) else {
            return;
        };
        if let Some(tls) = &mut conn.tls {
            tls.gap(side);
        }
        let lost = conn.tls.as_ref().is_none_or(|tls| tls.is_over(side));
        let Some(own) = conn.sides.get_mut(side) else {
            return;
        };
        let has_frames = own.ws.as_mut().map(websocket::Half::gap).is_some();
        let mut stream = std::mem::take(&mut own.stream);
        if let Some(way) = own.way.filter(|_| !stream.is_unused()) {
            self.drop_rest(&mut stream, &way);
        }
        if let Some(own) = conn.sides.get_mut(side) {
            own.stream = stream;
            own.done |= lost && conn.tls.is_some() || has_frames;
            if own.done {
                own.ws = None;
            }
        }
        if has_frames {
            self.wrapped.fault(
                "octets of a WebSocket stream were not captured",
                conn.first.frame,
            );
        }
        self.wrapped.put(id, conn);
    }

    /// The sender of a wrapped stream has closed it.
    pub(super) fn linked_closed(&mut self, link: Link) {
        let conn = self.wrapped.conns.get(&link.0);
        let tls = conn.and_then(|conn| conn.tls.as_ref());
        // What the other side said may come later in the capture.
        if !tls.is_some_and(|tls| tls.is_waiting(link.1)) {
            self.linked_end(link);
        }
    }

    /// A wrapped stream has ended.
    pub(super) fn linked_end(&mut self, (id, side): Link) {
        let Some(mut conn) = self.wrapped.take(id) else {
            return;
        };
        if let Some(tls) = &mut conn.tls {
            tls.end(side);
        }
        self.side_ends(&mut conn, side);
        self.wrapped.put(id, conn);
    }

    fn side_ends(&mut self, conn: &mut Conn, side: usize) {
        let Some(side) = conn.sides.get_mut(side).filter(|side| !side.done) else {
            return;
        };
        side.done = true;
        side.ws = None;
        let mut stream = std::mem::take(&mut side.stream);
        if let Some(way) = side.way.filter(|_| !stream.is_unused()) {
            self.drop_rest(&mut stream, &way);
            let before = stream.cost();
            self.account(before, 0);
        }
    }

    /// Octets that are no longer encrypted: SIP, or WebSocket.
    fn plain(
        &mut self,
        conn: &mut Conn,
        at: usize,
        data: &[u8],
        frames: &[Extent],
        over_tls: bool,
    ) {
        let Some(side) = conn.sides.get_mut(at).filter(|side| !side.done) else {
            return;
        };
        let Some(mut way) = side.way else { return };
        if over_tls {
            way.layers.push(Layer::Tls);
        }
        if side.ws.is_some() {
            let parts = if over_tls {
                side.note_record(frames);
                spread(frames, data.len())
            } else {
                frames.to_vec()
            };
            self.frames(conn, at, way, data, &parts, over_tls);
            return;
        }
        let parts = if over_tls {
            let Some(place) = self.wrapped.stored.append(data) else {
                side.done = true;
                return;
            };
            // One packet seldom holds two parts of a record; they are of one run then.
            let origin = |extent: &Extent| {
                let same = |o: &Origin| (o.part.file, o.part.frame) == (extent.file, extent.frame);
                origins(frames).find(same)
            };
            spread_stored(&self.wrapped.stored, frames, place, data.len(), &origin)
        } else {
            frames.to_vec()
        };
        let mut stream = std::mem::take(&mut side.stream);
        let before = stream.cost();
        stream.transport = over_tls.then_some(Transport::Tls);
        stream.append(data, &parts);
        let mut frames_follow = None;
        let verdict = if stream.is_undecided() {
            match websocket::upgrade(stream.rest()) {
                Upgrade::NeedMore => Verdict::Wanted,
                Upgrade::Yes {
                    len,
                    sip,
                    deflate,
                    response,
                } => {
                    stream.skip(len);
                    conn.sip |= sip;
                    conn.websocket = true;
                    if response {
                        conn.deflate = deflate;
                    }
                    frames_follow = Some(stream.take_rest());
                    Verdict::Wanted
                }
                Upgrade::No if over_tls => {
                    stream.decide();
                    self.cut_messages(&mut stream, &way, false)
                }
                Upgrade::No => Verdict::Unwanted,
            }
        } else {
            self.cut_messages(&mut stream, &way, false)
        };
        conn.messages += stream.take_filed();
        self.settle(&mut stream, &way, before);
        let Some(side) = conn.sides.get_mut(at) else {
            return;
        };
        side.stream = stream;
        side.done |= verdict == Verdict::Unwanted;
        if let Some((octets, extents)) = frames_follow {
            side.ws = Some(websocket::Half::new(true, !self.wrapped.no_bomb_limit));
            let extents: Vec<Extent> = extents.into_iter().collect();
            self.frames(conn, at, way, &octets, &extents, over_tls);
        }
    }

    /// WebSocket frames.
    fn frames(
        &mut self,
        conn: &mut Conn,
        at: usize,
        mut way: Way,
        data: &[u8],
        extents: &[Extent],
        over_tls: bool,
    ) {
        way.layers.push(Layer::WebSocket);
        let deflate = conn.deflate;
        let Some(side) = conn.sides.get_mut(at) else {
            return;
        };
        let Some(mut half) = side.ws.take() else {
            return;
        };
        // Agreed on by the server's answer, which comes before the first message.
        half.set_takeover(!deflate.is_some_and(|d| match at {
            CLIENT => d.client_no_context_takeover,
            _ => d.server_no_context_takeover,
        }));
        let mut start = 0;
        for extent in extents {
            let end = start + extent.len as usize;
            let part = data.get(start..end).unwrap_or_default();
            half.push(part, *extent, &mut |message| {
                self.websocket_message(conn, at, &way, message, over_tls);
            });
            start = end;
        }
        let frame = extents.last().map_or(0, |e| e.frame);
        if half.dropped > 0 && half.fault.is_none() {
            half.dropped = 0;
            self.wrapped.fault(websocket::Fault::TooLong.why(), frame);
        }
        let Some(side) = conn.sides.get_mut(at) else {
            return;
        };
        match half.fault {
            Some(fault) => {
                side.done = true;
                // What never held SIP is no loss.
                if conn.sip || conn.messages > 0 || fault == websocket::Fault::Bomb {
                    self.wrapped.fault(fault.why(), frame);
                }
            }
            None => {
                side.done |= !conn.sip && side.odd_messages > MAX_ODD_MESSAGES;
                side.ws = Some(half);
            }
        }
    }

    /// One message: SIP as in a datagram (RFC 7118, 5).
    fn websocket_message(
        &mut self,
        conn: &mut Conn,
        at: usize,
        way: &Way,
        message: &websocket::Message<'_>,
        over_tls: bool,
    ) {
        let found = block::sip_start(message.data);
        let Some((start, bytes)) = found.and_then(|at| Some((at, message.data.get(at..)?))) else {
            if let Some(side) = conn.sides.get_mut(at) {
                side.odd_messages += 1;
            }
            return;
        };
        conn.sip = true;
        let framing = Framing {
            datagram: true,
            cut: false,
            whole: false,
        };
        let transport = if over_tls {
            Transport::Wss
        } else {
            Transport::Ws
        };
        let Self {
            indexer,
            pool,
            wrapped,
            ..
        } = self;
        pool.text.clear();
        pool.places.clear();
        let Some(decoded) = block::decode(bytes, framing, &way.addressing, transport, pool) else {
            return;
        };
        let extents = if message.as_captured && !over_tls {
            let own: Vec<Extent> = message
                .extents
                .iter()
                .filter(|e| e.len > 0)
                .copied()
                .collect();
            cut_extents(&own, start, bytes.len())
        } else {
            let Some(place) = wrapped.stored.append(bytes) else {
                return;
            };
            let side = conn.sides.get(at);
            let origin = |extent: &Extent| match over_tls {
                // Frames that came with the upgrade lay in the stream for a while.
                true if extent.is_derived() => wrapped.stored.origin(*extent),
                true => side?.record_of(extent),
                false => {
                    let same = |e: &&Extent| (e.file, e.frame) == (extent.file, extent.frame);
                    let part = *message.extents.iter().find(same)?;
                    Some(Origin {
                        part,
                        begins: false,
                    })
                }
            };
            spread_stored(
                &wrapped.stored,
                message.extents,
                place,
                bytes.len(),
                &origin,
            )
        };
        push(
            indexer,
            pool,
            &Filed {
                decoded: &decoded,
                bytes,
                extents: &extents,
                addressing: way.addressing,
                transport,
                layers: way.layers,
                cut: false,
                hep: None,
                told: None,
            },
        );
        conn.messages += 1;
    }
}
