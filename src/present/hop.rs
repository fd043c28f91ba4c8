//! The same message one hop earlier: a request gains a Via at each proxy, a response loses one.

use super::header_tree::{Node, header_tree};
use crate::bytes::MessageBytes;
use crate::index::IndexView;
use crate::index::ids::MessageId;
use crate::index::message_store::MessageRow;
use crate::sip::header_name::{Header, HeaderName};
use crate::sip::message::decode;

/// Messages before this one in the call that are looked at.
const MOST_NEIGHBOURS: usize = 2_000;
/// Of those the octets are read, for they may be it.
const MOST_READ: usize = 16;

/// The message one hop earlier, with its tree; `tree` is that of message `id`.
pub fn before(
    view: &IndexView,
    bytes: &dyn MessageBytes,
    id: MessageId,
    tree: &[Node],
) -> Option<(MessageId, Vec<Node>)> {
    let row = view.message(id)?;
    let mine = branches(tree);
    let wanted = if row.is_request() {
        row.via_count.checked_sub(1).filter(|count| *count > 0)?
    } else {
        row.via_count.checked_add(1)?
    };
    let mut at = row.previous_in_call;
    let mut read = 0;
    for _ in 0..MOST_NEIGHBOURS {
        let (other_id, other) = at.and_then(|id| Some((id, view.message(id)?)))?;
        at = other.previous_in_call;
        if other.via_count != wanted || !is_same(view, row, other) {
            continue;
        }
        read += 1;
        if read > MOST_READ {
            return None;
        }
        let octets = bytes.read_all(&view.extents(other)).ok()?;
        let tree = header_tree(&octets, &decode(&octets, view.framing(other)).0);
        let theirs = branches(&tree);
        let (longer, shorter) = if row.is_request() {
            (&mine, &theirs)
        } else {
            (&theirs, &mine)
        };
        // Below the Via of the hop between them both have the same ones.
        if !shorter.is_empty() && longer.get(1..) == Some(shorter) {
            return Some((other_id, tree));
        }
    }
    None
}

/// Same method or status, Call-ID, CSeq and tags: the same message, maybe on another hop.
fn is_same(view: &IndexView, a: &MessageRow, b: &MessageRow) -> bool {
    let (one, two) = (view.parties(a), view.parties(b));
    a.is_response() == b.is_response()
        && (a.method, a.status) == (b.method, b.status)
        && a.cseq().is_some()
        && (a.cseq(), a.cseq_method) == (b.cseq(), b.cseq_method)
        && (one.call_id, one.from_tag) == (two.call_id, two.from_tag)
        && (a.is_request() || one.to_tag == two.to_tag)
        && !b.repeat().is_copy()
}

/// The branches of all Via values, from the top.
fn branches(tree: &[Node]) -> Vec<String> {
    let mut out = Vec::new();
    let is_via =
        |node: &&Node| HeaderName::from_bytes(node.name.as_bytes()).header() == Header::Via;
    for via in tree.iter().filter(is_via) {
        let several = via.children.iter().any(|child| child.name == "value");
        let values: Vec<&Node> = match several {
            true => via.children.iter().collect(),
            false => vec![via],
        };
        for value in values {
            let branch = value
                .children
                .iter()
                .find(|part| part.name.eq_ignore_ascii_case("branch"));
            out.push(
                branch
                    .map(|branch| branch.value.clone())
                    .unwrap_or_default(),
            );
        }
    }
    out
}
