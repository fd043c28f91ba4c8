//! Names of people as titles of lanes, where programs do not tell the lanes apart.
//!
//! A lane is called by its User-Agent. Where it names none, or another lane has the same, the display
//! name in From of a request that it sends on its own account says more.

use std::collections::HashMap;

use super::{Ladder, LadderItem, Titled};
use crate::bytes::MessageBytes;
use crate::index::ids::MessageId;
use crate::index::{CallKind, IndexView};
use crate::present::rows::display_name;

/// Requests that are read for one ladder.
const MOST_READ: usize = 64;
/// Rows that are looked through.
const MOST_ROWS: usize = 10_000;

/// Gives lanes the display names of who speaks there.
pub(super) fn name(ladder: &mut Ladder, view: &IndexView, bytes: &dyn MessageBytes) {
    let mut same: HashMap<&str, usize> = HashMap::new();
    for lane in &ladder.lanes {
        *same.entry(lane.title.as_str()).or_default() += 1;
    }
    let mut wanting: Vec<bool> = ladder
        .lanes
        .iter()
        .map(|lane| match lane.titled {
            Titled::Address => true,
            Titled::Agent => same.get(lane.title.as_str()).is_some_and(|n| *n > 1),
            Titled::Alias | Titled::Name => false,
        })
        .collect();
    let requests: Vec<(usize, MessageId)> = ladder
        .items
        .iter()
        .take(MOST_ROWS)
        .filter_map(|item| match item {
            LadderItem::Arrow(arrow) if arrow.from != arrow.to => Some((arrow.from, arrow.message)),
            _ => None,
        })
        .collect();
    let mut read = 0;
    for (lane, message) in requests {
        if wanting.get(lane) != Some(&true) || read >= MOST_READ {
            continue;
        }
        let Some(row) = view.message(message) else {
            continue;
        };
        let own = row.is_request() && row.via_count <= 1;
        let kind = view.call(row.call).map(|call| call.kind);
        // What a notifier or a registrar sends is not from a person.
        if !own || matches!(kind, Some(CallKind::Options | CallKind::Other)) {
            continue;
        }
        read += 1;
        if let Some(wanted) = wanting.get_mut(lane) {
            *wanted = false;
        }
        let name = display_name(view, bytes, message);
        // The name of the first who says it: a B2BUA repeats that of its caller.
        let taken = ladder.lanes.iter().any(|lane| lane.title == name);
        if !name.is_empty()
            && !taken
            && let Some(lane) = ladder.lanes.get_mut(lane)
        {
            lane.title = name;
            lane.titled = Titled::Name;
        }
    }
}
