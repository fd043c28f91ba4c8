//! Asks a filter for all messages of an index, on several threads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::Compiled;
use super::compile::{MASK_ROWS, Octets};
use crate::bytes::{Extent, MessageBytes};
use crate::index::IndexView;
use crate::index::ids::MessageId;
use crate::index::message_store::MessageRow;
use crate::sip::scan::Framing;

/// Fewer rows than this are not worth a thread.
const WORTH: usize = 50_000;
/// Pages that a thread takes at once.
const TAKE: usize = 16;
/// Messages whose octets are read by one piece of work.
const PIECE: usize = 2048;
/// Messages this close to each other in the file are read together.
const NEAR: u64 = 64 << 10;
/// Octets read at once.
const READ: u64 = 4 << 20;

impl Compiled {
    /// The messages for which the index alone says yes.
    pub fn run(&self, view: &IndexView) -> Vec<MessageId> {
        self.split(view).0
    }

    /// The messages for which the index says yes, and those whose octets have to be looked at.
    fn split(&self, view: &IndexView) -> (Vec<MessageId>, Vec<MessageId>) {
        let runs: Vec<(usize, &[MessageRow])> = view.messages().runs().collect();
        let pieces: Vec<&[(usize, &[MessageRow])]> = runs.chunks(TAKE).collect();
        let found = parallel(pieces.len(), view.messages().len() / WORTH, |piece| {
            let (mut yes, mut open) = (Vec::new(), Vec::new());
            let runs = pieces.get(piece).copied().unwrap_or_default();
            for (start, run) in runs {
                for (part, rows) in run.chunks(MASK_ROWS).enumerate() {
                    let from = start + part * MASK_ROWS;
                    let (y, o) = self.root.mask(from, rows);
                    yes.extend(y.positions().map(|at| MessageId::at(from + at)));
                    if self.needs_bytes {
                        open.extend(o.positions().map(|at| MessageId::at(from + at)));
                    }
                }
            }
            (yes, open)
        });
        let (mut yes, mut open) = (Vec::new(), Vec::new());
        for (more_yes, more_open) in found {
            yes.extend(more_yes);
            open.extend(more_open);
        }
        (yes, open)
    }

    /// Those of some messages for which the filter holds, for lists that grow.
    ///
    /// # Errors
    /// The octets of a message could not be read.
    pub fn among(
        &self,
        view: &IndexView,
        bytes: &dyn MessageBytes,
        ids: &[MessageId],
    ) -> std::io::Result<Vec<MessageId>> {
        let mut hits = Vec::new();
        let failed = each_with_bytes(view, bytes, ids, |id, row, _, octets| {
            if self.decide(id, row, &Octets::new(octets, framing(view, row))) {
                hits.push(id);
            }
        });
        failed.map_or(Ok(hits), Err)
    }

    /// All messages for which the filter holds, reading octets where it must.
    ///
    /// `stop` ends it early with what was found. `progress` is told messages looked at and to look at.
    ///
    /// # Errors
    /// The octets of a message could not be read.
    pub fn search(
        &self,
        view: &IndexView,
        bytes: &dyn MessageBytes,
        threads: usize,
        stop: &AtomicBool,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> std::io::Result<Vec<MessageId>> {
        let (mut yes, open) = self.split(view);
        let looked = AtomicUsize::new(0);
        let error = Mutex::new(None);
        let pieces: Vec<&[MessageId]> = open.chunks(PIECE).collect();
        let found = parallel(pieces.len(), threads.saturating_sub(1), |piece| {
            let ids = pieces.get(piece).copied().unwrap_or_default();
            let mut hits = Vec::new();
            if stop.load(Ordering::Relaxed) {
                return hits;
            }
            let failed = each_with_bytes(view, bytes, ids, |id, row, _, octets| {
                if self.decide(id, row, &Octets::new(octets, framing(view, row))) {
                    hits.push(id);
                }
            });
            if let Some(failed) = failed {
                error
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get_or_insert(failed);
            }
            let done = looked.fetch_add(ids.len(), Ordering::Relaxed) + ids.len();
            progress(done, open.len());
            hits
        });
        if let Some(error) = error.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        if !found.is_empty() {
            yes.extend(found.into_iter().flatten());
            yes.sort_unstable();
        }
        Ok(yes)
    }
}

/// How a message came.
fn framing(view: &IndexView, row: &MessageRow) -> Framing {
    view.framing(row)
}

/// Does `count` pieces of work on this thread and `more` others; results in order.
fn parallel<T: Send>(count: usize, more: usize, make: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let there = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let more = more
        .min(there.saturating_sub(1))
        .min(count.saturating_sub(1));
    if more == 0 {
        return (0..count).map(make).collect();
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut out = Vec::new();
        loop {
            let piece = next.fetch_add(1, Ordering::Relaxed);
            if piece >= count {
                return out;
            }
            out.push((piece, make(piece)));
        }
    };
    let mut all = std::thread::scope(|scope| {
        let others: Vec<_> = (0..more).map(|_| scope.spawn(work)).collect();
        let mut all = work();
        for other in others {
            match other.join() {
                Ok(done) => all.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    all.sort_unstable_by_key(|(piece, _)| *piece);
    all.into_iter().map(|(_, made)| made).collect()
}

/// Hands each message and its octets to `take`, reading what lies close together at once. Gives the
/// first error; messages that cannot be read have no octets.
pub fn each_with_bytes(
    view: &IndexView,
    bytes: &dyn MessageBytes,
    ids: &[MessageId],
    mut take: impl FnMut(MessageId, &MessageRow, &[Extent], &[u8]),
) -> Option<std::io::Error> {
    let rows: Vec<(MessageId, &MessageRow, Vec<Extent>)> = ids
        .iter()
        .filter_map(|id| view.message(*id).map(|row| (*id, row, view.extents(row))))
        .collect();
    let mut first_error = None;
    let mut buffer = Vec::new();
    let mut at = 0;
    while let Some(group) = rows.get(at..)
        && let Some((id, row, extents)) = group.first()
    {
        buffer.clear();
        let Some(first) = extents.first().copied().filter(|_| extents.len() == 1) else {
            for extent in extents {
                if let Err(error) = bytes.read(*extent, &mut buffer) {
                    first_error.get_or_insert(error);
                    buffer.clear();
                    break;
                }
            }
            take(*id, row, extents, &buffer);
            at += 1;
            continue;
        };
        let start = first.offset;
        let mut end = start.saturating_add(u64::from(first.len));
        let near = group
            .iter()
            .skip(1)
            .take_while(|(_, _, extents)| {
                let [next] = extents.as_slice() else {
                    return false;
                };
                let fits = next.file == first.file
                    && next.offset >= start
                    && next.offset <= end.saturating_add(NEAR)
                    && next.offset - start <= READ;
                if fits {
                    end = end.max(next.offset.saturating_add(u64::from(next.len)));
                }
                fits
            })
            .count()
            + 1;
        let len = u32::try_from(end - start).unwrap_or(first.len);
        if let Err(error) = bytes.read(Extent { len, ..first }, &mut buffer) {
            first_error.get_or_insert(error);
            buffer.clear();
        }
        for (id, row, extents) in group.iter().take(near) {
            let octets = extents.first().and_then(|extent| {
                let from = usize::try_from(extent.offset.saturating_sub(start)).ok()?;
                buffer.get(from..from.checked_add(extent.len as usize)?)
            });
            take(*id, row, extents, octets.unwrap_or_default());
        }
        at += near;
    }
    first_error
}
