//! RTP streams: counted in any UDP flow, tied to calls by what their session descriptions announce.

use std::collections::HashSet;
use std::sync::Arc;

use super::IndexView;
use super::ids::{AnnouncementId, CallId, StreamId};
use super::media::{Announcement, endpoint_key};
use super::time_bound::HashedMap;
use crate::packet::Endpoint;
use crate::packet::rtp_brief::{RtpTally, SILENCE};
use crate::sip::method::Method;

/// Streams in one capture; more are counted, not kept.
const MAX_STREAMS: usize = 4 << 20;
/// Media may come this much earlier than the description that announces its place was seen.
const EARLY_NANOS: i64 = 5_000_000_000;
/// Announcements of one place that are looked at for calls that share its media.
const MOST_SHARING: usize = 8;

/// What is known of one stream without its call.
#[derive(Clone, Copy, Debug)]
pub struct RtpCounts {
    /// Sender.
    pub src: Endpoint,
    /// Receiver.
    pub dst: Endpoint,
    /// The counts.
    pub tally: RtpTally,
}

/// The writer's side.
#[derive(Default)]
pub struct RtpTable {
    places: HashedMap<u32>,
    list: Arc<Vec<RtpCounts>>,
    /// Packets of streams beyond the limit.
    pub beyond: u64,
}

impl RtpTable {
    /// Adds what a run of packets has counted.
    pub fn add(&mut self, tallies: &[RtpTally]) {
        if tallies.is_empty() {
            return;
        }
        let list = Arc::make_mut(&mut self.list);
        for tally in tallies {
            if let Some(known) = self
                .places
                .get(&tally.key)
                .and_then(|i| list.get_mut(*i as usize))
                .filter(|known| tally.first.saturating_sub(known.tally.last) <= SILENCE)
            {
                join(&mut known.tally, tally);
                continue;
            }
            if list.len() >= MAX_STREAMS {
                self.beyond += tally.packets;
                continue;
            }
            self.places
                .insert(tally.key, u32::try_from(list.len()).unwrap_or(u32::MAX));
            let way = &tally.addressing;
            list.push(RtpCounts {
                src: way.src,
                dst: way.dst,
                tally: *tally,
            });
        }
    }

    /// Octets that the counts take.
    pub(super) fn octets(&self) -> usize {
        self.list.capacity() * size_of::<RtpCounts>() + self.places.capacity() * 13
    }

    /// Lets the streams leave that ended before a time and whose places nobody announces any more;
    /// gives their number.
    pub(super) fn leave(&mut self, before: i64, announced: impl Fn(u64) -> bool) -> u64 {
        let list = Arc::make_mut(&mut self.list);
        let count = list.len();
        list.retain(|s| {
            s.tally.last >= before
                || announced(endpoint_key(s.dst))
                || announced(endpoint_key(s.src))
        });
        let gone = count - list.len();
        if gone > 0 {
            list.shrink_to(list.len() + list.len() / 2);
            self.places = (0..)
                .zip(list.iter())
                .map(|(at, s)| (s.tally.key, at))
                .collect();
        }
        gone as u64
    }

    /// The counts so far.
    pub fn publish(&self) -> Arc<Vec<RtpCounts>> {
        Arc::clone(&self.list)
    }
}

/// Adds what was counted later of the same stream.
fn join(t: &mut RtpTally, later: &RtpTally) {
    let follows = later.first_seq.wrapping_sub(t.last_seq) <= 1;
    t.packets += later.packets;
    // The first packet of a run counts as in sequence there.
    t.in_sequence += later.in_sequence - u64::from(!follows);
    t.last_seq = later.last_seq;
    t.payload_types |= later.payload_types;
    t.first = t.first.min(later.first);
    t.last = t.last.max(later.last);
}

/// How a stream found its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MatchedBy {
    /// It goes where a session description says.
    Sdp,
    /// It comes from where a session description says to send to (symmetric RTP, RFC 4961).
    Symmetric,
    /// It looks like RTP, nothing announced it.
    Heuristic,
}

/// One row of the list of streams.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Number.
    pub id: StreamId,
    /// Its call, when one announced it.
    pub call: Option<CallId>,
    /// Sender; none for announced media of which no packet was seen.
    pub src: Option<Endpoint>,
    /// Receiver.
    pub dst: Endpoint,
    /// The counts; none when no packet was seen.
    pub tally: Option<RtpTally>,
    /// The announcement.
    pub announcement: Option<AnnouncementId>,
    /// How it was matched.
    pub matched_by: MatchedBy,
    /// True when it flows towards the callee.
    pub forward: bool,
    /// Other calls that announced the same two places at the same time, as both legs of a B2BUA do that
    /// lets media pass by; and whether it flows towards their callee.
    pub shared: Vec<(CallId, bool)>,
}

impl Stream {
    /// The calls that it is of, and whether it flows towards the callee of each.
    pub fn calls(&self) -> impl Iterator<Item = (CallId, bool)> + '_ {
        let own = self.call.map(|call| (call, self.forward));
        own.into_iter().chain(self.shared.iter().copied())
    }

    /// Number of packets.
    pub fn packets(&self) -> u64 {
        self.tally.map_or(0, |t| t.packets)
    }
}

/// The announcements of each place.
struct Places {
    by_time: HashedMap<Vec<(i64, AnnouncementId)>>,
    /// The first one of each call.
    by_call: HashedMap<AnnouncementId>,
}

fn in_call(endpoint: Endpoint, call: CallId) -> u64 {
    super::mix(endpoint_key(endpoint), u64::from(call.get()))
}

impl Places {
    fn of(view: &IndexView) -> Self {
        let mut by_time: HashedMap<Vec<(i64, AnnouncementId)>> = HashedMap::default();
        let mut by_call = HashedMap::default();
        for (index, a) in view.announcements.indexed() {
            let id = AnnouncementId::at(index);
            let list = by_time.entry(endpoint_key(a.endpoint)).or_default();
            list.push((a.time, id));
            by_call.entry(in_call(a.endpoint, a.call)).or_insert(id);
        }
        for list in by_time.values_mut() {
            list.sort();
        }
        Self { by_time, by_call }
    }

    /// The announcement that holds for a stretch of a stream between two times: the newest one
    /// before it, else the first one while it runs. Media may be seen a little before its
    /// description, unless an earlier call still uses the place.
    fn announced(
        &self,
        view: &IndexView,
        endpoint: Endpoint,
        first: i64,
        last: i64,
    ) -> Option<AnnouncementId> {
        let list = self.by_time.get(&endpoint_key(endpoint))?;
        let soon = list.partition_point(|(time, _)| *time <= first.saturating_add(EARLY_NANOS));
        let (time, id) = *list.get(soon.saturating_sub(1))?;
        if time > first
            && let before = list.partition_point(|(time, _)| *time <= first)
            && let Some((_, older)) = before.checked_sub(1).and_then(|at| list.get(at))
            && view.is_used(*older, first)
        {
            return Some(*older);
        }
        (time <= last.saturating_add(EARLY_NANOS)).then_some(id)
    }

    /// What the newest announcements of a place say that may hold at a time, the oldest first.
    fn lately(&self, endpoint: Endpoint, first: i64) -> &[(i64, AnnouncementId)] {
        let list = self.by_time.get(&endpoint_key(endpoint));
        let list = list.map(Vec::as_slice).unwrap_or_default();
        let soon = list.partition_point(|(time, _)| *time <= first.saturating_add(EARLY_NANOS));
        list.get(soon.saturating_sub(MOST_SHARING)..soon)
            .unwrap_or_default()
    }
}

impl IndexView {
    fn announcement(&self, id: AnnouncementId) -> Option<&Announcement> {
        self.announcements.get(id.index())
    }

    /// The call that announced a place was not over at that time, as far as a BYE tells.
    fn is_used(&self, id: AnnouncementId, time: i64) -> bool {
        let call = self.announcement(id).and_then(|a| self.call(a.call));
        let last = call.and_then(|call| self.message(call.last));
        !last.is_some_and(|last| last.cseq_method == Method::Bye && last.time < time)
    }

    /// The announcements of `dst` in the calls that announce both places and go on at that time, the
    /// oldest call first. Several phones may send to one port of a bridge: their own places tell which
    /// call a stream is of. Several calls may announce the same two places.
    fn of_both(
        &self,
        places: &Places,
        (src, dst): (Endpoint, Endpoint),
        first: i64,
    ) -> Vec<(AnnouncementId, &Announcement)> {
        let begin = |call: CallId| {
            let first = self.call(call).and_then(|call| self.message(call.first));
            first.map_or(i64::MAX, |row| row.time)
        };
        let lately = places.lately(dst, first).iter();
        let mut both: Vec<(AnnouncementId, &Announcement)> = lately
            .chain(places.lately(src, first))
            .filter_map(|(_, id)| Some(self.announcement(*id)?.call))
            .filter_map(|call| {
                places.by_call.get(&in_call(src, call))?;
                let id = *places.by_call.get(&in_call(dst, call))?;
                Some((id, self.announcement(id)?))
            })
            .filter(|(id, a)| {
                a.time <= first.saturating_add(EARLY_NANOS) && self.is_used(*id, first)
            })
            .collect();
        both.sort_by_key(|(_, a)| a.call);
        both.dedup_by_key(|(_, a)| a.call);
        if both.len() > 1 && both.iter().any(|(_, a)| begin(a.call) <= first) {
            both.retain(|(_, a)| begin(a.call) <= first);
        }
        // A call that was over before the newest one began has left its places to that.
        let newest = both.last().map_or(i64::MIN, |(_, a)| begin(a.call));
        both.retain(|(_, a)| {
            let last = self.call(a.call).and_then(|call| self.message(call.last));
            last.is_some_and(|last| last.time >= newest)
        });
        both
    }

    /// All streams: those seen, then the places where media was announced and none came.
    pub fn streams(&self) -> Vec<Stream> {
        let mut seen: Vec<&RtpCounts> = self.rtp.iter().collect();
        seen.sort_by_key(|s| (s.tally.first_frame, s.tally.key));
        let places = Places::of(self);
        let mut out: Vec<Stream> = Vec::new();
        let mut used: HashedMap<()> = HashedMap::default();
        let before = usize::try_from(self.left.streams).unwrap_or(usize::MAX);
        // Stretches of one stream, unless another call took over its place and SSRC.
        let mut newest: HashedMap<usize> = HashedMap::default();
        for counts in seen {
            let t = &counts.tally;
            let to = places.announced(self, counts.dst, t.first, t.last);
            let from = places.announced(self, counts.src, t.first, t.last);
            let sharing = self.of_both(&places, (counts.src, counts.dst), t.first);
            let to = sharing.first().map(|(id, _)| *id).or(to);
            let (matched_by, announcement) = match (to, from) {
                (Some(id), _) => (MatchedBy::Sdp, Some(id)),
                (None, Some(id)) => (MatchedBy::Symmetric, Some(id)),
                (None, None) => (MatchedBy::Heuristic, None),
            };
            let known = announcement.and_then(|id| self.announcement(id));
            // Media flows away from who announced the place, or comes from there.
            let forward = known.is_some_and(|a| match matched_by {
                MatchedBy::Sdp => !a.by_caller,
                _ => a.by_caller,
            });
            let call = known.map(|a| a.call);
            let stream: Option<&mut Stream> = newest.get(&t.key).and_then(|at| out.get_mut(*at));
            if let Some(stream) = stream
                && (stream.call == call || stream.call.is_none() || call.is_none())
            {
                if let Some(tally) = &mut stream.tally {
                    join(tally, t);
                }
                if stream.call.is_none() && call.is_some() {
                    (stream.call, stream.forward) = (call, forward);
                    (stream.announcement, stream.matched_by) = (announcement, matched_by);
                }
                continue;
            }
            newest.insert(t.key, out.len());
            out.push(Stream {
                id: StreamId::at(0),
                call,
                src: Some(counts.src),
                dst: counts.dst,
                tally: Some(*t),
                announcement,
                matched_by,
                forward,
                shared: sharing
                    .iter()
                    .skip(1)
                    .map(|(_, a)| (a.call, !a.by_caller))
                    .collect(),
            });
        }
        // Noise has no sequence: three of four packets must follow each other, and the numbers must
        // rise (those of DNS stand still); they go around after 65,536.
        let is_steady = |t: &RtpTally| {
            let risen = u64::from(t.last_seq.wrapping_sub(t.first_seq));
            t.packets >= 4
                && t.in_sequence * 4 >= t.packets * 3
                && (t.packets > 30_000 || risen * 2 + 2 >= t.packets)
        };
        out.retain(|stream| {
            stream.announcement.is_some() || stream.tally.as_ref().is_some_and(is_steady)
        });
        for (at, stream) in out.iter_mut().enumerate() {
            stream.id = StreamId::at(before + at);
            if let Some(a) = stream.announcement.and_then(|id| self.announcement(id)) {
                for (call, _) in stream.calls() {
                    used.insert(in_call(a.endpoint, call), ());
                }
            }
        }
        let mut refused: HashSet<_> = self
            .refusals
            .iter()
            .map(|r| (r.call, r.media, r.by_caller))
            .collect();
        // Of a fork another leg may have taken it, and so may a later answer.
        if !refused.is_empty() {
            for (_, a) in self.announcements.indexed() {
                refused.remove(&(a.call, a.media, !a.by_caller));
            }
        }
        // Media that came to one of several places is not missing at the others.
        let elsewhere: HashSet<_> = out
            .iter()
            .filter(|stream| stream.packets() > 0)
            .filter_map(|stream| self.announcement(stream.announcement?))
            .filter(|a| a.possible)
            .map(|a| (a.call, a.media, a.by_caller))
            .collect();
        for (index, a) in self.announcements.indexed() {
            let section = (a.call, a.media, a.by_caller);
            if a.possible || refused.contains(&section) || elsewhere.contains(&section) {
                continue;
            }
            if used.insert(in_call(a.endpoint, a.call), ()).is_none() {
                out.push(Stream {
                    id: StreamId::at(before + out.len()),
                    call: Some(a.call),
                    src: None,
                    dst: a.endpoint,
                    tally: None,
                    announcement: Some(AnnouncementId::at(index)),
                    matched_by: MatchedBy::Sdp,
                    forward: !a.by_caller,
                    shared: Vec::new(),
                });
            }
        }
        out
    }
}
