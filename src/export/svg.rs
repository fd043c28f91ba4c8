//! Paints a ladder as SVG: one file, no scripts, no links, readable without colour.

use std::fmt::Write as _;

use crate::present::ladder::{Arrow, ArrowClass, Bar, Break, Ladder, LadderItem};
use crate::present::text;

const ROW: usize = 22;
const HEAD: usize = 44;
const LEFT: usize = 150;
const RIGHT: usize = 70;
const MIN_GAP: usize = 190;
const MAX_GAP: usize = 420;
/// Points that a letter of the labels takes at most, on average.
const LETTER: usize = 7;
/// With more lanes than this the titles stand only at the top.
const MAX_REPEATED_LANES: usize = 100;
/// The heads come again after this many rows, so that they are in sight on every screen.
const HEADS_EVERY: usize = 40;

const STYLE: &str = "\
text{font:12px system-ui,sans-serif;fill:#111827}\
.time{font-size:11px;fill:#4B5563}\
.head{font-weight:600}\
.lane{stroke:#9CA3AF;stroke-width:1}\
.a{fill:none;stroke-width:1.5}\
.request{stroke:#0072B2}.ack{stroke:#0072B2;stroke-width:.8}\
.provisional{stroke:#6B7280;stroke-dasharray:6 4}\
.success{stroke:#00795B}.redirect{stroke:#A0508A;stroke-dasharray:10 3}\
.challenge{stroke:#9A6A00;stroke-dasharray:8 3 2 3}.failure{stroke:#C2410C}\
.again{stroke-width:.8;stroke-dasharray:1.5 3}\
.pause{stroke:#6B7280;stroke-width:1;stroke-dasharray:12 4 2 4}\
.h-request,.h-ack{fill:#0072B2}.h-provisional{fill:#6B7280}.h-success{fill:#00795B}\
.h-redirect{fill:#A0508A}.h-challenge{fill:#9A6A00}.h-failure{fill:#C2410C}\
.a.edge{stroke-dasharray:none;stroke-width:1.3}.a.hollow{fill:#FFFFFF}\
.icmp{stroke:#B91C1C;stroke-width:2;fill:none}\
.bar{fill:#DBEAFE;stroke:#60A5FA}.none{fill:#FEE2E2;stroke:#DC2626;stroke-dasharray:3 3}";

/// Text as it may stand in an SVG file: markup escaped, unsafe characters made visible.
pub fn escape(words: &str) -> String {
    let mut out = String::with_capacity(words.len() + 8);
    for c in text::visible(words).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // Not allowed in XML at all.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// The whole file. `title` is what a screen reader or a tooltip says.
pub fn paint(ladder: &Ladder, title: &str) -> String {
    let layout = Layout::new(ladder);
    let mut out = String::with_capacity(1024 + ladder.items.len() * 300);
    let (width, height) = (layout.width, layout.height);
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{}</title>\n<style>{STYLE}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#FFFFFF\"/>",
        escape(title)
    );
    for x in &layout.lanes {
        let _ = writeln!(
            out,
            "<line class=\"lane\" x1=\"{x}\" y1=\"{HEAD}\" x2=\"{x}\" y2=\"{height}\"/>"
        );
    }
    for (row, item) in ladder.items.iter().enumerate() {
        // Many lanes times many rows would make a picture of gigabytes.
        if row == 0 || row % HEADS_EVERY == 0 && layout.lanes.len() <= MAX_REPEATED_LANES {
            layout.heads(&mut out, ladder, row);
        }
        let y = layout.y(row);
        if let LadderItem::Break(pause) = item {
            layout.pause(&mut out, pause, y);
            continue;
        }
        let _ = writeln!(
            out,
            "<text class=\"time\" x=\"8\" y=\"{}\">{}</text>",
            y + 4,
            text::clock(item.time(), 6)
        );
        match item {
            LadderItem::Arrow(arrow) => layout.arrow(&mut out, arrow, y),
            LadderItem::Bar(bar) => layout.bar(&mut out, bar, y),
            LadderItem::Break(_) => {}
        }
    }
    out.push_str("</svg>\n");
    out
}

struct Layout {
    lanes: Vec<usize>,
    width: usize,
    height: usize,
}

impl Layout {
    fn new(ladder: &Ladder) -> Self {
        let mut gaps = vec![MIN_GAP; ladder.lanes.len()];
        for item in &ladder.items {
            let Some((from, to)) = item.lanes() else {
                continue;
            };
            let (low, high) = (from.min(to), from.max(to));
            let letters = item.label().chars().count() + item.note().chars().count();
            let need = (letters * LETTER + 40).div_ceil((high - low).max(1));
            if let Some(gaps) = gaps.get_mut(low..high.max(low + 1)) {
                for gap in gaps {
                    *gap = (*gap).max(need.min(MAX_GAP));
                }
            }
        }
        let mut x = LEFT;
        let mut lanes = Vec::with_capacity(gaps.len());
        for gap in &gaps {
            lanes.push(x + RIGHT);
            x += gap;
        }
        let rows = ladder.items.len();
        let heads = rows.div_ceil(HEADS_EVERY).max(1);
        let width = lanes.last().copied().unwrap_or(LEFT) + MIN_GAP / 2 + RIGHT;
        Self {
            lanes,
            width,
            height: heads * HEAD + rows * ROW + ROW,
        }
    }

    fn y(&self, row: usize) -> usize {
        (row / HEADS_EVERY + 1) * HEAD + row * ROW + ROW / 2 + 4
    }

    fn heads(&self, out: &mut String, ladder: &Ladder, row: usize) {
        let top = row / HEADS_EVERY * HEAD + row * ROW;
        let _ = writeln!(
            out,
            "<rect x=\"0\" y=\"{top}\" width=\"{}\" height=\"{HEAD}\" fill=\"#F3F4F6\"/>",
            self.width
        );
        for (lane, x) in ladder.lanes.iter().zip(&self.lanes) {
            let title = text::shortened(&lane.title, 26);
            let _ = writeln!(
                out,
                "<text class=\"head\" x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                top + 18,
                escape(&title)
            );
            if lane.title != lane.address {
                let _ = writeln!(
                    out,
                    "<text class=\"time\" x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                    top + 34,
                    escape(&lane.address)
                );
            }
        }
    }

    fn ends(&self, from: usize, to: usize) -> (usize, usize) {
        let x = |lane: usize| self.lanes.get(lane).copied().unwrap_or(LEFT);
        (x(from), x(to))
    }

    fn arrow(&self, out: &mut String, arrow: &Arrow, y: usize) {
        let (a, b) = self.ends(arrow.from, arrow.to);
        let class = arrow.class.name();
        let again = if arrow.retransmission || arrow.copy {
            " again"
        } else {
            ""
        };
        let mut label = escape(&arrow.label);
        if !arrow.note.is_empty() {
            let _ = write!(label, " [{}]", escape(&arrow.note));
        }
        out.push_str("<g>");
        let _ = write!(out, "<title>{} {label}</title>", arrow.message);
        if a == b {
            let (right, low) = (a + 36, y + 6);
            let _ = write!(
                out,
                "<path class=\"a {class}{again}\" d=\"M{a} {}H{right}V{low}H{a}\"/>",
                y - 4
            );
            head(out, arrow.class, a, low, false);
            let _ = writeln!(
                out,
                "<text x=\"{}\" y=\"{}\">{label}</text></g>",
                right + 4,
                y + 4
            );
            return;
        }
        let line = y + 5;
        let _ = write!(
            out,
            "<line class=\"a {class}{again}\" x1=\"{a}\" y1=\"{line}\" x2=\"{b}\" y2=\"{line}\"/>"
        );
        head(out, arrow.class, b, line, b > a);
        if arrow.icmp.is_some() {
            // A cross before the head: it did not arrive.
            let x = if b > a { b.saturating_sub(18) } else { b + 18 };
            let (left, right) = (x.saturating_sub(4), x + 4);
            let (up, down) = (line.saturating_sub(4), line + 4);
            let _ = write!(
                out,
                "<path class=\"icmp\" d=\"M{left} {up}L{right} {down}M{left} {down}L{right} {up}\"/>"
            );
        }
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{label}</text></g>",
            usize::midpoint(a, b),
            y + 1
        );
    }

    /// A pause: a torn line over all lanes, with its length.
    fn pause(&self, out: &mut String, pause: &Break, y: usize) {
        let (first, last) = (
            self.lanes
                .first()
                .copied()
                .unwrap_or(LEFT)
                .saturating_sub(40),
            self.lanes.last().copied().unwrap_or(LEFT) + 40,
        );
        let _ = writeln!(
            out,
            "<line class=\"pause\" x1=\"{first}\" y1=\"{y}\" x2=\"{last}\" y2=\"{y}\"/>\
             <text class=\"time\" x=\"8\" y=\"{}\">{} later</text>",
            y + 4,
            escape(&pause.label)
        );
    }

    fn bar(&self, out: &mut String, bar: &Bar, y: usize) {
        let (a, b) = self.ends(bar.from, bar.to);
        let (low, width) = (a.min(b), a.abs_diff(b).max(36));
        let class = if bar.packets == 0 { "none" } else { "bar" };
        let label = if b >= a {
            format!("{} →", bar.label)
        } else {
            format!("← {}", bar.label)
        };
        let _ = writeln!(
            out,
            "<g><rect class=\"{class}\" x=\"{low}\" y=\"{}\" width=\"{width}\" height=\"{}\" rx=\"3\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text></g>",
            y - 9,
            ROW - 4,
            low + width / 2,
            y + 4,
            escape(&label)
        );
    }
}

/// The head of an arrow: classes that have no dash of their own have a head of their own.
fn head(out: &mut String, class: ArrowClass, x: usize, y: usize, right: bool) {
    let name = class.name();
    let behind = |by: usize| if right { x.saturating_sub(by) } else { x + by };
    let (back, up, down) = (behind(8), y.saturating_sub(4), y + 4);
    let sides = format!("M{back} {up}L{x} {y}L{back} {down}");
    let _ = match class {
        ArrowClass::Provisional | ArrowClass::Ack => {
            write!(out, "<path class=\"a {name} edge\" d=\"{sides}\"/>")
        }
        ArrowClass::Success => {
            write!(out, "<path class=\"a {name} edge hollow\" d=\"{sides}Z\"/>")
        }
        _ => write!(out, "<path class=\"h-{name}\" d=\"{sides}Z\"/>"),
    };
    if class == ArrowClass::Failure {
        let bar = behind(11);
        let _ = write!(out, "<path class=\"a {name}\" d=\"M{bar} {up}V{down}\"/>");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_the_wire_is_no_markup() {
        assert_eq!(
            escape("<script a=\"1\">&\x1b"),
            "&lt;script a=&quot;1&quot;&gt;&amp;\\x1b"
        );
        let svg = paint(&Ladder::default(), "</title><script>");
        assert!(!svg.contains("<script"));
        assert!(svg.ends_with("</svg>\n"));
    }
}
