//! Paints a ladder with plain characters, in the manner of the call flows in RFCs.

use super::ladder::{ArrowClass, Ladder, LadderItem, Lane};
use super::rows::{clock_words_of, times_words};
use super::text;
use crate::packet::trace::TimeKind;

/// Columns left of the first lane: number, time.
const MARGIN: usize = 26;
const MIN_GAP: usize = 20;
const MAX_GAP: usize = 72;
/// Longest head of a lane.
const MAX_HEAD: usize = 40;
/// Lanes drawn; a wider picture helps nobody.
const MAX_LANES: usize = 64;

/// Rows after which it is asked whether somebody still wants the text.
const WATCHED_ROWS: usize = 256;

/// Paints one ladder. The heads are repeated after every `heads_every` rows (0: never).
pub fn paint(ladder: &Ladder, heads_every: usize) -> String {
    paint_while(ladder, heads_every, &|_, _| true).unwrap_or_default()
}

/// [`paint`], as long as `wanted` says so, which is told the rows that are done and all rows.
pub fn paint_while(
    ladder: &Ladder,
    heads_every: usize,
    wanted: &dyn Fn(u64, u64) -> bool,
) -> Option<String> {
    let mut out = String::new();
    let Some(first) = ladder.items.first() else {
        return Some(out);
    };
    let painter = Painter::new(ladder);
    let day = match ladder.times {
        TimeKind::Absolute => format!("{} UTC", text::date(first.time())),
        TimeKind::Local => {
            let date = text::date(first.time());
            let date = date.strip_prefix("1970-").unwrap_or(&date);
            format!("{date}, no zone in the log")
        }
        other => times_words(other).unwrap_or_default().to_owned(),
    };
    out.push_str(&format!("{:>6}  {day}\n", "#"));
    let (mut previous, mut above) = (first.time(), first.time());
    for (index, item) in ladder.items.iter().enumerate() {
        if index % WATCHED_ROWS == 0 && !wanted(index as u64, ladder.items.len() as u64) {
            return None;
        }
        if index == 0 || heads_every > 0 && index % heads_every == 0 {
            painter.heads(&mut out);
        }
        if let LadderItem::Break(pause) = item {
            let words = format!("… {} later …", pause.label);
            painter.line(&mut out, "", "", &words);
            continue;
        }
        // Beside a fold, which spans some time, the row above counts.
        let before = if previous <= item.time() {
            previous
        } else {
            above
        };
        let wait = item.time().saturating_sub(before);
        above = item.time();
        painter.item(&mut out, item, (index > 0).then_some(wait));
        previous = previous.max(item.until());
    }
    for (count, why) in [
        (ladder.hidden, "of hidden lanes"),
        (ladder.beyond, "beyond the limit of one ladder"),
    ] {
        if count > 0 {
            let messages = super::rows::counted(count as u64, "message", "messages");
            out.push_str(&format!("({messages} {why}: not drawn)\n"));
        }
    }
    if ladder.lanes.len() > MAX_LANES {
        out.push_str(&format!(
            "({} lanes to the right are not drawn)\n",
            ladder.lanes.len() - MAX_LANES
        ));
    }
    Some(out)
}

struct Painter<'a> {
    ladder: &'a Ladder,
    /// Column of each lane.
    columns: Vec<usize>,
    /// Column behind the last lane.
    width: usize,
}

impl<'a> Painter<'a> {
    fn new(ladder: &'a Ladder) -> Self {
        let lanes = ladder.lanes.len().min(MAX_LANES);
        // Labels between neighbours make the gap; wider arrows have room anyway.
        let mut gaps = vec![MIN_GAP; lanes];
        for item in &ladder.items {
            let Some((from, to)) = item.lanes() else {
                continue;
            };
            let (low, high) = (from.min(to), from.max(to));
            let need = words_of(item).chars().count() + 5;
            let need = need.div_ceil((high - low).max(1)).min(MAX_GAP);
            if let Some(gaps) = gaps.get_mut(low..high.max(low + 1)) {
                for gap in gaps {
                    *gap = (*gap).max(need);
                }
            }
        }
        for (at, lane) in ladder.lanes.iter().enumerate().take(lanes) {
            // A head stands in the middle over its lane: half of it on each side.
            let head = head_width(&lane.title).max(head_width(&lane.address)) + 2;
            for gap in [at.checked_sub(1), Some(at)].into_iter().flatten() {
                if let Some(gap) = gaps.get_mut(gap) {
                    *gap = (*gap).max(head);
                }
            }
        }
        let mut columns = Vec::with_capacity(lanes);
        let mut at = MARGIN + 10;
        for gap in &gaps {
            columns.push(at);
            at += gap;
        }
        Self {
            ladder,
            columns,
            width: at,
        }
    }

    fn heads(&self, out: &mut String) {
        self.head_line(out, |lane| &lane.title);
        if self
            .ladder
            .lanes
            .iter()
            .any(|lane| lane.title != lane.address)
        {
            let other = |lane: &'a Lane| {
                if lane.title == lane.address {
                    ""
                } else {
                    &lane.address
                }
            };
            self.head_line(out, other);
        }
        self.line(out, "", "", "");
    }

    fn head_line(&self, out: &mut String, words: impl Fn(&'a Lane) -> &'a str) {
        let mut line = vec![' '; self.width];
        for (lane, column) in self.ladder.lanes.iter().zip(&self.columns) {
            let words = text::visible(words(lane));
            let words = text::shortened(&words, MAX_HEAD);
            put(
                &mut line,
                column.saturating_sub(words.chars().count() / 2),
                &words,
            );
        }
        finish(out, &line);
    }

    /// A line with the lanes and something written behind them.
    fn line(&self, out: &mut String, number: &str, time: &str, behind: &str) {
        let mut line = self.lanes_only(number, time);
        put(&mut line, MARGIN + 12, behind);
        finish(out, &line);
    }

    fn lanes_only(&self, number: &str, time: &str) -> Vec<char> {
        let mut line = vec![' '; self.width];
        put(&mut line, 6_usize.saturating_sub(number.len()), number);
        put(&mut line, 8, time);
        for column in &self.columns {
            put(&mut line, *column, "|");
        }
        line
    }

    fn item(&self, out: &mut String, item: &LadderItem, wait: Option<i64>) {
        let number = match item {
            LadderItem::Arrow(arrow) => arrow.message.to_string(),
            LadderItem::Bar(_) | LadderItem::Break(_) => String::new(),
        };
        let time = clock_words_of(self.ladder.times, item.time());
        let Some((from, to)) = item.lanes() else {
            return;
        };
        let (Some(&a), Some(&b)) = (self.columns.get(from), self.columns.get(to)) else {
            self.line(out, &number, &time, item.label());
            return;
        };
        let words = words_of(item);
        // Where a log states no times, nothing is known of what lies between them.
        let wait = wait.filter(|_| self.ladder.times != TimeKind::None);
        let wait = wait.map(text::delta).unwrap_or_default();
        let mut label = self.lanes_only(&number, &time);
        let mut shaft = self.lanes_only("", &format!("{wait:>15}"));
        if a == b {
            put(&mut label, a + 2, &words);
            put(&mut shaft, a + 1, "<--.");
            finish(out, &label);
            finish(out, &shaft);
            return;
        }
        let (low, high) = (a.min(b), a.max(b));
        let room = high - low - 1;
        let words = text::shortened(&words, room);
        let start = low + 1 + room.saturating_sub(words.chars().count()) / 2;
        put(&mut label, start, &words);
        let line = stroke(item);
        for (index, column) in (low + 1..high).enumerate() {
            if let (Some(c), Some(place)) =
                (line.get(index % line.len().max(1)), shaft.get_mut(column))
            {
                *place = *c;
            }
        }
        let (column, head) = if b > a { (b - 1, ">") } else { (b + 1, "<") };
        put(&mut shaft, column, head);
        if let LadderItem::Arrow(arrow) = item
            && arrow.icmp.is_some()
        {
            // It did not arrive.
            let before = if b > a { column - 1 } else { column + 1 };
            put(&mut shaft, before, "X");
        }
        finish(out, &label);
        finish(out, &shaft);
    }
}

/// The pattern of a line, by class.
fn stroke(item: &LadderItem) -> &'static [char] {
    match item {
        LadderItem::Bar(bar) if bar.packets == 0 => &[' ', 'x', ' ', ' '],
        LadderItem::Bar(_) | LadderItem::Break(_) => &['='],
        LadderItem::Arrow(arrow) if arrow.retransmission || arrow.copy => &['.'],
        LadderItem::Arrow(arrow) => match arrow.class {
            ArrowClass::Provisional => &['-', ' '],
            _ => &['-'],
        },
    }
}

/// The label, and what is said of repetition, where there is neither colour nor dash.
fn words_of(item: &LadderItem) -> String {
    let words = text::visible(item.label());
    match item.notes().as_str() {
        "" => words.into_owned(),
        note => format!("{words} [{note}]"),
    }
}

fn head_width(words: &str) -> usize {
    words.chars().count().min(MAX_HEAD)
}

fn put(line: &mut Vec<char>, at: usize, words: &str) {
    for (index, c) in words.chars().enumerate() {
        let place = at + index;
        if place >= line.len() {
            line.resize(place + 1, ' ');
        }
        if let Some(cell) = line.get_mut(place) {
            *cell = c;
        }
    }
}

fn finish(out: &mut String, line: &[char]) {
    let start = out.len();
    out.extend(line.iter());
    let kept = out.get(start..).map_or(0, |line| line.trim_end().len());
    out.truncate(start + kept);
    out.push('\n');
}
