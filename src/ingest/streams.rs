//! Messages out of byte streams, and into the index.

use std::collections::BTreeMap;

use crate::bytes::{Extent, cut_extents};
use crate::index::message_store::Transport;
use crate::index::trace::Told;
use crate::index::{Incoming, Indexer};
use crate::packet::tcp_stream::{StreamSink, Verdict, Way};
use crate::packet::{Addressing, LayerStack, Skip, hep};
use crate::sip::framing::{self, Framer, StreamItem};
use crate::sip::method::Method;
use crate::sip::scan::{ContentLength, Framing, scan};

use super::block::{self, Pool};
use super::wrapped::{self, Link, Wrapped, Wrapping};

/// Octets of a stream that are neither SIP nor dropped, before it is given up.
const MAX_JUNK: usize = 256 << 10;
/// Octets of unfinished messages, all streams together.
const MAX_MESSAGE_OCTETS: usize = 64 << 20;
/// Octets kept behind a hole while no line end was seen.
const MAX_FIRST_LINE: usize = 8 << 10;
/// Octets of something else before the first message of a stream.
const MAX_FIRST_JUNK: usize = 64;
/// Taken octets are moved out of a buffer when there are this many of them.
const COMPACT: usize = 64 << 10;

/// What is remembered of one direction of a TCP connection.
#[derive(Default)]
pub(super) struct StreamState {
    buffer: Vec<u8>,
    /// Octets of the buffer that are done with.
    taken: usize,
    extents: std::collections::VecDeque<Extent>,
    framer: Framer,
    messages: u64,
    junk: usize,
    /// Octets before these are missing.
    after_hole: bool,
    /// The next message has not begun since then.
    lost: bool,
    /// What it is wrapped in was looked at: nothing.
    plain: bool,
    /// It is a sequence of HEP packets.
    hep: bool,
    /// It is unwrapped before it is read.
    pub link: Option<Link>,
    /// Of the octets in hand, when it is not TCP.
    pub transport: Option<Transport>,
    /// Messages filed since the last question.
    filed: u32,
}

impl StreamState {
    /// Memory in use.
    pub fn cost(&self) -> usize {
        self.buffer.capacity() + self.extents.capacity() * size_of::<Extent>()
    }

    /// Octets that came and were not taken yet.
    pub fn rest(&self) -> &[u8] {
        self.buffer.get(self.taken..).unwrap_or_default()
    }

    /// Adds octets.
    pub fn append(&mut self, data: &[u8], extents: &[Extent]) {
        self.buffer.extend_from_slice(data);
        self.extents.extend(extents);
    }

    /// Where the first octet in hand lies.
    pub fn first_extent(&self) -> Option<Extent> {
        self.extents.front().copied()
    }

    /// Where the first `len` octets in hand lie.
    pub fn first_extents(&mut self, len: usize) -> Vec<Extent> {
        cut_extents(self.extents.make_contiguous(), 0, len)
    }

    /// Takes all octets out, to be read by others.
    pub fn take_rest(&mut self) -> (Vec<u8>, std::collections::VecDeque<Extent>) {
        let octets = self.rest().to_vec();
        let extents = std::mem::take(&mut self.extents);
        self.buffer = Vec::new();
        self.taken = 0;
        (octets, extents)
    }

    /// True when nothing was ever taken from it, and nothing waits.
    pub fn is_unused(&self) -> bool {
        self.messages == 0 && self.buffer.is_empty()
    }

    /// True while it is not certain that it is read as it is.
    pub fn is_undecided(&self) -> bool {
        !self.plain && self.messages == 0 && !self.after_hole
    }

    /// It is read as it is.
    pub fn decide(&mut self) {
        self.plain = true;
    }

    /// Messages filed since the last call.
    pub fn take_filed(&mut self) -> u32 {
        std::mem::take(&mut self.filed)
    }

    /// The next message or packet has not begun since something was missing or wrong.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// What comes next is the rest of something.
    pub fn lose(&mut self) {
        self.lost = true;
    }

    /// What comes next is known again.
    pub fn find(&mut self) {
        self.lost = false;
    }

    /// Drops octets at the front.
    pub fn skip(&mut self, mut count: usize) {
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
            self.extents = std::collections::VecDeque::new();
            self.taken = 0;
        } else if self.taken > COMPACT {
            self.buffer.drain(..self.taken);
            self.taken = 0;
        }
    }
}

/// Takes messages from streams to the index.
#[derive(Default)]
pub(super) struct Filer {
    pub indexer: Indexer,
    pub pool: Pool,
    pub wrapped: Wrapped,
    /// What was passed over inside of datagrams put together and of streams.
    pub skips: BTreeMap<Skip, (u64, u32)>,
    /// Beginnings of messages that ended in a hole or with the capture.
    pub incomplete: u64,
    /// Streams that were SIP, or began like it, and were given up.
    pub given_up: u64,
    /// Messages given up because too many unfinished ones were held.
    pub over_limit: u64,
    /// Octets that all streams hold, bookkeeping included.
    held: usize,
    /// The stream in hand has had a message, or something larger than one.
    begun: bool,
    pub incomplete_at: Option<(u16, u32, u64)>,
    /// Pieces between messages that are no SIP: how many, and where the first lies.
    pub junk: u64,
    pub junk_at: Option<(u16, u32, u64)>,
}

impl Filer {
    /// Counts a piece between the messages of a stream, which nobody will see. A piece that comes in
    /// several segments is one: `more` says that it goes on.
    fn pass_over(&mut self, first: Option<&Extent>, more: bool) {
        if more {
            return;
        }
        self.junk += 1;
        if let Some(first) = first {
            self.junk_at
                .get_or_insert((first.file, first.frame, first.offset));
        }
    }

    fn file(
        &mut self,
        way: &Way,
        transport: Transport,
        bytes: &[u8],
        extents: &[Extent],
        cut: bool,
    ) {
        let Self { indexer, pool, .. } = self;
        pool.text.clear();
        pool.places.clear();
        let framing = Framing {
            datagram: false,
            cut,
            whole: false,
        };
        let Some(decoded) = block::decode(bytes, framing, &way.addressing, transport, pool) else {
            return;
        };
        push(
            indexer,
            pool,
            &Filed {
                decoded: &decoded,
                bytes,
                extents,
                addressing: way.addressing,
                transport,
                layers: way.layers,
                cut,
                hep: None,
                told: None,
            },
        );
    }

    /// Takes the messages that are whole.
    pub fn cut_messages(&mut self, state: &mut StreamState, way: &Way, ended: bool) -> Verdict {
        self.begun = state.messages > 0 || state.after_hole;
        loop {
            let rest = state.buffer.get(state.taken..).unwrap_or_default();
            if rest.is_empty() {
                return Verdict::Wanted;
            }
            if state.lost {
                let (skip, found) = find_after_hole(rest);
                state.lost = !found;
                state.skip(skip);
                if !found {
                    return Verdict::Wanted;
                }
                continue;
            }
            let item = state.framer.next(rest, ended);
            let first = state.messages == 0 && !state.after_hole && state.junk == 0;
            if first
                && matches!(item, StreamItem::Junk(_) | StreamItem::NotSip)
                && let Some(count) = behind_binary(rest)
            {
                self.pass_over(state.extents.front(), false);
                state.junk += count;
                state.skip(count);
                continue;
            }
            match item {
                StreamItem::NeedMore => return Verdict::Wanted,
                StreamItem::KeepAlive(count) => state.skip(count.max(1)),
                StreamItem::Message { len } => {
                    let len = len.min(rest.len()).max(1);
                    let extents = cut_extents(state.extents.make_contiguous(), 0, len);
                    let bytes = rest_of(&state.buffer, state.taken, len);
                    let transport = state.transport.unwrap_or(Transport::Tcp);
                    if ended {
                        self.file_incomplete(way, transport, bytes, &extents);
                    } else {
                        self.file(way, transport, bytes, &extents, false);
                    }
                    state.messages += 1;
                    state.filed += 1;
                    state.junk = 0;
                    state.skip(len);
                }
                StreamItem::Junk(count) => {
                    let count = count.max(1);
                    // Another protocol that happens to quote SIP; a PROXY line may stand first.
                    let foreign = state.messages == 0 && !state.after_hole;
                    if foreign && state.junk == 0 && !rest.starts_with(b"PROXY ") {
                        // Too large a message begins like any other.
                        self.begun = framing::looks_like_sip(rest);
                        *state = StreamState::default();
                        return Verdict::Unwanted;
                    }
                    // A PROXY line in front of the first message is no loss.
                    let more = state.junk > 0 || state.messages == 0;
                    self.pass_over(state.extents.front(), more);
                    state.junk += count;
                    self.begun |= state.junk > MAX_JUNK;
                    state.skip(count);
                    if state.junk > MAX_JUNK {
                        *state = StreamState::default();
                        return Verdict::Unwanted;
                    }
                }
                StreamItem::NotSip => {
                    let wanted = state.messages > 0 || state.after_hole;
                    let all = state.rest().len();
                    if wanted {
                        self.pass_over(state.extents.front(), state.junk > 0);
                        state.junk += all;
                    }
                    state.skip(all);
                    state.framer = Framer::default();
                    if !wanted {
                        return Verdict::Unwanted;
                    }
                }
            }
        }
    }

    /// Keeps count of what all streams hold.
    pub fn account(&mut self, before: usize, after: usize) {
        self.held = (self.held + after).saturating_sub(before);
    }

    /// The octets in hand will not be continued.
    pub fn drop_rest(&mut self, state: &mut StreamState, way: &Way) {
        let before = state.cost();
        self.give_up(state, way);
        self.account(before, state.cost());
    }

    /// Counts what a stream holds now; when all of them hold too much it is given up.
    pub fn settle(&mut self, state: &mut StreamState, way: &Way, before: usize) {
        self.account(before, state.cost());
        if self.held > MAX_MESSAGE_OCTETS && state.cost() > 0 {
            self.over_limit += 1;
            self.drop_rest(state, way);
        }
    }

    /// The octets in hand will not be continued: shows what can be read of them.
    fn give_up(&mut self, state: &mut StreamState, way: &Way) {
        if state.hep {
            self.hep_stream(state, way, true);
            state.lose();
            return;
        }
        self.cut_messages(state, way, true);
        let all = state.rest().len();
        state.skip(all);
        state.framer = Framer::after_hole();
        state.after_hole = true;
        state.lost = true;
    }

    /// A message that the stream has no more octets of: shown as cut when its header is complete.
    fn file_incomplete(
        &mut self,
        way: &Way,
        transport: Transport,
        bytes: &[u8],
        extents: &[Extent],
    ) {
        let framing = Framing {
            datagram: false,
            cut: true,
            whole: false,
        };
        let header_ends = memchr::memmem::find(bytes, b"\r\n\r\n").is_some()
            || memchr::memmem::find(bytes, b"\n\n").is_some();
        let Some(scan) = scan(bytes, framing).filter(|_| header_ends) else {
            self.incomplete += 1;
            if let Some(first) = extents.first() {
                self.incomplete_at
                    .get_or_insert((first.file, first.frame, first.offset));
            }
            return;
        };
        let missing = match scan.content_length {
            ContentLength::Value(length) => length > scan.body.len() as u64,
            _ => false,
        };
        self.file(way, transport, bytes, extents, missing);
    }
}

/// True when octets begin with a status line or a registered method, perhaps behind blank lines.
///
/// Where the start of a stream is unknown, any other word may be the rest of one: `AGE` of `MESSAGE`.
fn begins_like_known(data: &[u8]) -> bool {
    let data = data.trim_ascii_start();
    let word = data
        .get(..memchr::memchr(b' ', data).unwrap_or(0))
        .unwrap_or_default();
    word == b"SIP/2.0" || Method::from_bytes(word) != Method::Other
}

/// Where a message begins behind a few octets of something else that is no text, such as STUN.
fn behind_binary(data: &[u8]) -> Option<usize> {
    let head = data.get(..MAX_FIRST_JUNK + MAX_FIRST_LINE).unwrap_or(data);
    let (at, found) = find_after_hole(head);
    let is_text = |b: &u8| matches!(b, b'\t' | b'\n' | b'\r' | b' '..=b'~');
    let binary = data.get(..at).is_some_and(|junk| !junk.iter().all(is_text));
    (found && at <= MAX_FIRST_JUNK && binary).then_some(at)
}

/// Where a message begins behind missing octets, also in the middle of a line: a body need not end
/// with one. Gives the octets to drop, and whether a message begins behind them.
fn find_after_hole(data: &[u8]) -> (usize, bool) {
    const VERSION: &[u8] = b"SIP/2.0";
    for at in memchr::memmem::find_iter(data, VERSION) {
        let behind = data.get(at + VERSION.len()..).unwrap_or_default();
        if let [b' ', a, b, c, ..] = behind
            && [a, b, c].iter().all(|d| d.is_ascii_digit())
        {
            return (at, true);
        }
        if !matches!(behind, [b'\n', ..] | [b'\r', b'\n', ..]) {
            continue;
        }
        let before = data.get(..at).unwrap_or_default();
        let line = memchr::memrchr(b'\n', before).map_or(0, |n| n + 1);
        let text = before.get(line..).unwrap_or_default();
        // `METHOD URI SIP/2.0`: the method ends before the second blank from the right.
        let Some(text) = text.strip_suffix(b" ") else {
            continue;
        };
        let Some(head) = memchr::memrchr(b' ', text) else {
            continue;
        };
        let method = text.get(..head).unwrap_or_default();
        let known = Method::REGISTERED
            .iter()
            .filter(|m| method.ends_with(m.as_str().as_bytes()))
            .map(|m| m.as_str().len())
            .max();
        if let Some(len) = known {
            return (line + head - len, true);
        }
    }
    // The last line may still become one.
    let keep = memchr::memrchr(b'\n', data).map_or(0, |n| n + 1);
    (keep.max(data.len().saturating_sub(MAX_FIRST_LINE)), false)
}

fn rest_of(buffer: &[u8], taken: usize, len: usize) -> &[u8] {
    buffer.get(taken..taken + len).unwrap_or_default()
}

impl StreamSink for Filer {
    type State = StreamState;

    fn starts(&self, data: &[u8]) -> bool {
        wrapped::begins(data)
            || super::hep::begins(data)
            || framing::looks_like_sip(data)
                && begins_like_known(data)
                && !matches!(
                    framing::next_in_stream(data, false),
                    StreamItem::NotSip | StreamItem::Junk(_)
                )
    }

    fn find_start(&self, data: &[u8]) -> Option<usize> {
        let mut framer = Framer::default();
        let mut at = 0;
        loop {
            let rest = data.get(at..).filter(|rest| !rest.is_empty())?;
            match framer.next(rest, false) {
                StreamItem::Message { .. } if begins_like_known(rest) => return Some(at),
                StreamItem::Message { len } => at += len.max(1),
                StreamItem::NeedMore => {
                    let starts = framing::looks_like_sip(rest) && begins_like_known(rest);
                    return starts.then_some(at);
                }
                StreamItem::KeepAlive(count) | StreamItem::Junk(count) => at += count.max(1),
                StreamItem::NotSip => return None,
            }
        }
    }

    fn data(
        &mut self,
        state: &mut StreamState,
        way: &Way,
        data: &[u8],
        extent: Extent,
        _time: i64,
    ) -> Verdict {
        if let Some(link) = state.link {
            return self.linked(link, way, data, extent);
        }
        // The usual case needs no buffer: a segment that holds whole messages.
        let before = state.cost();
        state.buffer.extend_from_slice(data);
        state.extents.push_back(extent);
        if state.hep || state.is_undecided() && super::hep::may_begin(state.rest()) {
            state.hep = state.hep || super::hep::begins(state.rest());
            let verdict = match state.hep {
                true => self.hep_stream(state, way, false),
                false => Verdict::Wanted,
            };
            self.settle(state, way, before);
            return verdict;
        }
        while state.is_undecided() {
            match wrapped::wrapping(state.rest()) {
                Wrapping::None => state.decide(),
                // No message is lost with it: what stands behind it is looked at anew.
                Wrapping::Proxied(header) => state.skip(header),
                Wrapping::NeedMore => {
                    self.settle(state, way, before);
                    return Verdict::Wanted;
                }
                wrapping => {
                    let verdict = self.wrap(state, way, &wrapping);
                    self.account(before, state.cost());
                    return verdict;
                }
            }
        }
        let verdict = self.cut_messages(state, way, false);
        if verdict == Verdict::Unwanted && self.begun {
            self.given_up += 1;
        }
        self.settle(state, way, before);
        verdict
    }

    fn gap(&mut self, state: &mut StreamState, way: &Way, _time: i64) {
        if let Some(link) = state.link {
            self.linked_gap(link);
            return;
        }
        self.drop_rest(state, way);
    }

    fn closed(&mut self, state: &mut StreamState, _way: &Way, _time: i64) {
        if let Some(link) = state.link {
            self.linked_closed(link);
        }
    }

    fn end(&mut self, state: &mut StreamState, way: &Way, _time: i64) {
        if let Some(link) = state.link {
            self.linked_end(link);
            return;
        }
        self.drop_rest(state, way);
    }
}

/// One message on its way into the index, with where it was found.
pub(super) struct Filed<'a> {
    pub decoded: &'a block::Decoded,
    pub bytes: &'a [u8],
    pub extents: &'a [Extent],
    pub addressing: Addressing,
    pub transport: Transport,
    pub layers: LayerStack,
    pub cut: bool,
    pub hep: Option<&'a hep::Note>,
    /// What a text trace says of it.
    pub told: Option<Told>,
}

pub(super) fn push(indexer: &mut Indexer, pool: &Pool, m: &Filed<'_>) {
    let decoded = m.decoded;
    let body_text = decoded.body_text.and_then(|(start, len, hash)| {
        Some((
            pool.text
                .get(start as usize..start as usize + len as usize)?,
            hash,
        ))
    });
    indexer.take(&Incoming {
        bytes: m.bytes,
        scan: &decoded.scan,
        keys: &decoded.keys,
        places: pool
            .places
            .get(decoded.places.0 as usize..decoded.places.1 as usize)
            .unwrap_or_default(),
        body_text,
        addressing: m.addressing,
        transport: m.transport,
        layers: m.layers,
        extents: m.extents,
        cut: m.cut,
        hep: m.hep,
        told: m.told,
    });
}
