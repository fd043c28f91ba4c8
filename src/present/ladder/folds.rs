//! One row for what came again: retransmissions of one message on one hop, and copies that the
//! capture made of a packet.

use std::collections::HashMap;

use super::arrangement::Arrangement;
use super::{Arrow, Fold, Ladder, LadderItem};
use crate::index::IndexView;
use crate::index::ids::MessageId;
use crate::index::message_store::Repeat;
use crate::present::text;

/// Letters of a person's note that stand in a row.
const SHOWN_LETTERS: usize = 60;
/// Fewer retransmissions than this are shown one by one.
const LEAST_FOLDED: usize = 2;

/// Retransmissions belong together when they repeat one message between the same lanes.
type Key = (MessageId, usize, usize);

/// All retransmissions of one message on one hop.
#[derive(Default)]
struct Group {
    count: usize,
    last: i64,
    /// The item that shows it, once there is one.
    item: Option<usize>,
}

/// Gives rows to arrows; `hosts` are the messages in whose rows the folded ones are shown.
pub(super) fn fold(
    ladder: &mut Ladder,
    view: &IndexView,
    arrows: Vec<Arrow>,
    arrangement: &Arrangement,
) {
    let mut groups: HashMap<Key, Group> = HashMap::new();
    for arrow in &arrows {
        if let Repeat::Retransmission(of, _) = arrow.repeat {
            let group = groups.entry((of, arrow.from, arrow.to)).or_default();
            group.count += 1;
            group.last = group.last.max(arrow.time);
        }
    }
    // The item that shows a message, for those of which something is shown elsewhere.
    let mut shown_by: HashMap<MessageId, usize> = HashMap::new();
    for mut arrow in arrows {
        let at = ladder.items.len();
        match arrow.repeat {
            Repeat::No => {}
            Repeat::SeenAs(_) => arrow.note = "same message".to_owned(),
            Repeat::CopyOf(of) => {
                let host = shown_by.get(&of).copied();
                let host = host.filter(|_| !arrangement.is_open(of));
                if let Some(host) = host
                    && host_arrow(ladder, host)
                        .is_some_and(|h| (h.from, h.to) == (arrow.from, arrow.to))
                {
                    shown_by.insert(arrow.message, host);
                    hide(ladder, host, arrow, |host, time| {
                        host.copies += 1;
                        host.until = host.until.max(time);
                    });
                    continue;
                }
                arrow.note = "captured again".to_owned();
            }
            Repeat::Retransmission(of, _) => {
                let group = groups.entry((of, arrow.from, arrow.to)).or_default();
                let sent = view.message(of).map_or(arrow.time, |row| row.time);
                let (first, last) = (
                    arrow.time.saturating_sub(sent),
                    group.last.saturating_sub(sent),
                );
                let open = arrangement.is_open(of);
                if group.count < LEAST_FOLDED {
                    arrow.note = format!("again after {}", text::length(first));
                } else if open {
                    arrow.note = format!("again after {}", text::length(first));
                    if group.item.is_none() {
                        group.item = Some(at);
                        arrow.fold = Some(fold_of(of, group.count, true));
                    }
                } else if let Some(host) = group.item {
                    shown_by.insert(arrow.message, host);
                    hide(ladder, host, arrow, |_, _| {});
                    continue;
                } else {
                    group.item = Some(at);
                    arrow.until = group.last;
                    arrow.fold = Some(fold_of(of, group.count, false));
                    arrow.note = format!("×{}, {}", group.count, text::range(first, last));
                }
            }
        }
        shown_by.insert(arrow.message, at);
        ladder.items.push(LadderItem::Arrow(arrow));
    }
    for item in &mut ladder.items {
        if let LadderItem::Arrow(arrow) = item
            && arrow.copies > 0
        {
            let words = match (arrow.copies, arrow.fold) {
                // Copies of a whole series: how many each has is nobody's question.
                (_, Some(Fold { open: false, .. })) => "captured more than once".to_owned(),
                (1, _) => "captured twice".to_owned(),
                (n, _) => format!("captured {} times", n.saturating_add(1)),
            };
            add_note(arrow, &words);
        }
        if let LadderItem::Arrow(arrow) = item
            && let Some(error) = &arrow.icmp
        {
            let words = format!("ICMP: {error}");
            add_note(arrow, &words);
        }
    }
    written(ladder, arrangement, &shown_by);
}

/// Adds what a person wrote, also of messages that are shown in the row of another one.
fn written(ladder: &mut Ladder, arrangement: &Arrangement, shown_by: &HashMap<MessageId, usize>) {
    for (message, words) in arrangement.notes() {
        let item = shown_by
            .get(&message)
            .and_then(|at| ladder.items.get_mut(*at));
        if let Some(LadderItem::Arrow(arrow)) = item {
            let space = if arrow.remark.is_empty() { "" } else { " " };
            let words = text::shortened(words, SHOWN_LETTERS);
            arrow.remark = format!("{}{space}“{words}”", arrow.remark);
        }
    }
}

fn add_note(arrow: &mut Arrow, words: &str) {
    let comma = if arrow.note.is_empty() { "" } else { ", " };
    arrow.note = format!("{}{comma}{words}", arrow.note);
}

fn fold_of(of: MessageId, count: usize, open: bool) -> Fold {
    Fold {
        of,
        count: u32::try_from(count).unwrap_or(u32::MAX),
        open,
    }
}

fn host_arrow(ladder: &Ladder, at: usize) -> Option<&Arrow> {
    match ladder.items.get(at) {
        Some(LadderItem::Arrow(arrow)) => Some(arrow),
        _ => None,
    }
}

/// Takes an arrow into the row of another one.
fn hide(ladder: &mut Ladder, host: usize, arrow: Arrow, tell: impl FnOnce(&mut Arrow, i64)) {
    if let Some(LadderItem::Arrow(host)) = ladder.items.get_mut(host) {
        tell(host, arrow.time);
        if host.icmp.is_none() {
            host.icmp.clone_from(&arrow.icmp);
        }
        ladder.hosts.push(host.message);
        ladder.folded.push(arrow);
    }
}
