//! The same message on other hops: requests gain a Via at each proxy, responses lose one.

use super::scene::{Row, Scene, vias};
use crate::index::IndexView;
use crate::index::ids::MessageId;
use crate::sip::message::Message;

/// Messages before this one in the call that are looked at, the nearest ones.
const MOST_NEIGHBOURS: usize = 2_000;
/// Of those the octets are read, for they may be it.
const MOST_CANDIDATES: usize = 16;

/// The branch of the Via at a position, as text; none when it is absent or empty.
pub fn branch(message: &Message, octets: &[u8], at: usize) -> Option<String> {
    let span = vias(message).get(at)?.branch(octets);
    (!span.is_empty()).then(|| String::from_utf8_lossy(span.of(octets)).into_owned())
}

/// Same method or status, Call-ID, CSeq and From tag: the same message, maybe on another hop.
fn is_same_message(a: Row<'_>, b: Row<'_>) -> bool {
    a.is_response() == b.is_response()
        && a.call_id == b.call_id
        && a.cseq() == b.cseq()
        && a.cseq().is_some()
        && a.cseq_method == b.cseq_method
        && a.method == b.method
        && a.status == b.status
        && a.from_tag == b.from_tag
}

/// The branches of all Via values, from the top; empty where one has none.
pub fn branches(message: &Message, octets: &[u8]) -> Vec<String> {
    let vias = vias(message).into_iter();
    vias.map(|via| via.branch(octets).of(octets))
        .map(|branch| String::from_utf8_lossy(branch).into_owned())
        .collect()
}

/// The same message one hop earlier: a request with one Via less, a response with one more; the
/// other ones are the same. `mine` are the branches of message `id`, `read` gives those of another.
pub fn before(
    view: &IndexView,
    id: MessageId,
    mine: &[String],
    mut read: impl FnMut(MessageId) -> Option<Vec<String>>,
) -> Option<MessageId> {
    let row = Row::of(view, view.message(id)?);
    let wanted = if row.is_request() {
        row.via_count.checked_sub(1).filter(|count| *count > 0)?
    } else {
        row.via_count.checked_add(1)?
    };
    let mut candidates = 0;
    let mut at = row.previous_in_call;
    for _ in 0..MOST_NEIGHBOURS {
        let other_id = at?;
        let other = Row::of(view, view.message(other_id)?);
        at = other.previous_in_call;
        let same = other.via_count == wanted
            && is_same_message(row, other)
            && (row.is_request() || other.to_tag == row.to_tag)
            && !other.repeat().is_copy();
        if !same {
            continue;
        }
        candidates += 1;
        if candidates > MOST_CANDIDATES {
            return None;
        }
        let Some(theirs) = read(other_id) else {
            continue;
        };
        let (longer, shorter) = if row.is_request() {
            (mine, theirs.as_slice())
        } else {
            (theirs.as_slice(), mine)
        };
        // Below the Via of the hop between them both have the same ones. One without a branch links nothing.
        let linked = shorter.first().is_some_and(|branch| !branch.is_empty());
        if linked && longer.get(1..) == Some(shorter) {
            return Some(other_id);
        }
    }
    None
}

/// The same request one hop later: those whose second branch is this one's top.
pub fn after(scene: &Scene<'_>) -> Vec<MessageId> {
    let row = scene.row;
    let Some(mine) = branch(scene.message, scene.octets, 0) else {
        return Vec::new();
    };
    if row.is_response() {
        return Vec::new();
    }
    scene
        .others()
        .filter(|(id, other)| *id > scene.id && is_same_message(row, *other))
        .filter(|(_, other)| Some(other.via_count) == row.via_count.checked_add(1))
        .filter(|(_, other)| !other.repeat().is_retransmission())
        .take(MOST_CANDIDATES)
        .filter(|(id, _)| {
            scene.read(*id).is_some_and(|read| {
                branch(&read.message, &read.octets, 1).as_deref() == Some(&mine)
            })
        })
        .map(|(id, _)| id)
        .collect()
}
