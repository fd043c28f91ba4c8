//! The same message on other hops: requests gain a Via at each proxy, responses lose one.

use super::scene::{Row, Scene, vias};
use crate::index::ids::MessageId;
use crate::sip::message::Message;

/// Earlier messages that are compared, the nearest ones.
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

/// The same message one hop earlier: a request whose top branch is this one's second, a response
/// whose second branch is this one's top.
pub fn before(scene: &Scene<'_>) -> Option<MessageId> {
    let row = scene.row;
    let own = |at| branch(scene.message, scene.octets, at);
    // What links the two stands below the top of the one with more Via values.
    let (mine, theirs) = if row.is_request() {
        (own(1)?, 0)
    } else {
        (own(0)?, 1)
    };
    let wanted_count = if row.is_request() {
        row.via_count.checked_sub(1)?
    } else {
        row.via_count.checked_add(1)?
    };
    let earlier = scene.neighbours().iter().rev().filter(|id| **id < scene.id);
    earlier
        .filter_map(|id| Some((*id, scene.row_of(*id)?)))
        .filter(|(_, other)| is_same_message(row, *other) && other.via_count == wanted_count)
        .filter(|(_, other)| row.is_request() || other.to_tag == row.to_tag)
        .filter(|(_, other)| !other.repeat().is_copy())
        .take(MOST_CANDIDATES)
        .filter(|(id, _)| {
            scene.read(*id).is_some_and(|read| {
                branch(&read.message, &read.octets, theirs).as_deref() == Some(&mine)
            })
        })
        .map(|(id, _)| id)
        .next()
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
