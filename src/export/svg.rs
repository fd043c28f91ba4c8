//! Paints a ladder as SVG: one file, no scripts, no links, readable without colour.

use std::fmt::Write as _;

use super::watch::Watch;
use crate::index::ids::CallId;
use crate::present::ladder::{Arrow, ArrowClass, Bar, Break, Ladder, LadderItem};
use crate::present::text;

/// Shades of further dialogs, and colours of marks; further ones begin anew.
const SHADES: usize = 3;
const CALL_MARKS: usize = 6;
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

/// Rows after which it is asked whether somebody still wants the drawing.
const WATCHED_ROWS: usize = 256;

/// Colours of a drawing, as 0xRRGGBB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Palette {
    /// Behind everything.
    pub ground: u32,
    /// Behind the heads of lanes.
    pub head: u32,
    /// Letters.
    pub text: u32,
    /// Letters of less importance, and pauses.
    pub faint: u32,
    /// Lanes.
    pub lane: u32,
    /// Requests and ACK, 1xx, 2xx, 3xx, 401 and 407, other failures.
    pub lines: [u32; 6],
    /// Labels on these lines.
    pub labels: [u32; 6],
    /// Media.
    pub media: u32,
    /// Media that never came.
    pub missing: u32,
    /// Behind messages of further dialogs of a call.
    pub forks: [u32; 3],
    /// Marks of calls that are drawn together.
    pub calls: [u32; 6],
    /// The number in such a mark.
    pub call_text: u32,
}

impl Palette {
    /// For paper: the light theme of the window.
    pub const LIGHT: Self = Self {
        ground: 0xFFFFFF,
        head: 0xECEFF2,
        text: 0x1B1F24,
        faint: 0x59606B,
        lane: 0xB9C0CA,
        lines: [0x0072B2, 0x6B7280, 0x00795B, 0xA0508A, 0x9A6A00, 0xC2410C],
        labels: [0x005F99, 0x1B1F24, 0x006E53, 0x933F7B, 0x855B00, 0xB43A0A],
        media: 0xD7E8F7,
        missing: 0xFBE9E1,
        forks: [0xFBF1DA, 0xEAF3EA, 0xF3ECF9],
        calls: [0x005F99, 0x8A4B00, 0x6B3FA0, 0x00695C, 0xA32B5B, 0x4E5A00],
        call_text: 0xFFFFFF,
    };

    fn style(&self) -> String {
        let Self {
            ground,
            text,
            faint,
            lane,
            media,
            missing,
            call_text,
            ..
        } = self;
        let [request, provisional, success, redirect, challenge, failure] = self.lines;
        let mut out = format!(
            "text{{font:12px system-ui,sans-serif;fill:#{text:06X}}}\
             .time{{font-size:11px;fill:#{faint:06X}}}.head{{font-weight:600}}\
             .lane{{stroke:#{lane:06X};stroke-width:1}}\
             .a{{fill:none;stroke-width:1.5}}\
             .request{{stroke:#{request:06X}}}.ack{{stroke:#{request:06X};stroke-width:.8}}\
             .provisional{{stroke:#{provisional:06X};stroke-dasharray:6 4}}\
             .success{{stroke:#{success:06X}}}\
             .redirect{{stroke:#{redirect:06X};stroke-dasharray:10 3}}\
             .challenge{{stroke:#{challenge:06X};stroke-dasharray:8 3 2 3}}\
             .failure{{stroke:#{failure:06X}}}\
             .again{{stroke-width:.8;stroke-dasharray:1.5 3}}\
             .pause{{stroke:#{faint:06X};stroke-width:1;stroke-dasharray:1.5 3}}\
             .cut{{stroke:#{faint:06X};stroke-width:1;fill:none}}.gap{{fill:#{ground:06X}}}\
             .h-request,.h-ack{{fill:#{request:06X}}}.h-provisional{{fill:#{provisional:06X}}}\
             .h-success{{fill:#{success:06X}}}.h-redirect{{fill:#{redirect:06X}}}\
             .h-challenge{{fill:#{challenge:06X}}}.h-failure{{fill:#{failure:06X}}}\
             .a.edge{{stroke-dasharray:none;stroke-width:1.3}}.a.hollow{{fill:#{ground:06X}}}\
             .icmp{{stroke:#{failure:06X};stroke-width:2;fill:none}}\
             .bar{{fill:#{media:06X};stroke:#{lane:06X}}}\
             .none{{fill:#{missing:06X};stroke:#{failure:06X};stroke-dasharray:3 3}}\
             .quiet{{fill:#{ground:06X};stroke:#{lane:06X}}}.tip{{fill:#{text:06X}}}\
             .call{{font-size:10px;fill:#{call_text:06X}}}.note{{fill:#{faint:06X}}}"
        );
        let names = [
            "request",
            "provisional",
            "success",
            "redirect",
            "challenge",
            "failure",
        ];
        for (name, colour) in names.iter().zip(self.labels) {
            let _ = write!(out, ".l-{name}{{fill:#{colour:06X}}}");
        }
        for (number, colour) in self.forks.iter().enumerate() {
            let _ = write!(out, ".fork{number}{{fill:#{colour:06X}}}");
        }
        for (number, colour) in self.calls.iter().enumerate() {
            let _ = write!(out, ".call{number}{{fill:#{colour:06X}}}");
        }
        out
    }
}

/// How a ladder is drawn.
pub struct Look<'a> {
    /// Colours.
    pub palette: Palette,
    /// Words for a time.
    pub time: &'a dyn Fn(i64) -> String,
    /// What these times are: the head of their column.
    pub time_head: &'a str,
    /// The capture has no media at all: none that came is no sign of anything.
    pub silent: bool,
}

impl Default for Look<'_> {
    fn default() -> Self {
        Self {
            palette: Palette::LIGHT,
            time: &|nanos| text::clock(nanos, 6),
            time_head: "Time (UTC)",
            silent: false,
        }
    }
}

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

/// The whole file for paper. `title` is what a screen reader or a tooltip says.
pub fn paint(ladder: &Ladder, title: &str) -> String {
    paint_as(ladder, title, &Look::default())
}

/// [`paint`] with colours and times as somebody wants them.
pub fn paint_as(ladder: &Ladder, title: &str, look: &Look<'_>) -> String {
    paint_watched(ladder, title, look, &Watch::default()).unwrap_or_default()
}

/// Width and height of the drawing.
pub fn size(ladder: &Ladder, look: &Look<'_>) -> (usize, usize) {
    let layout = Layout::new(ladder, look);
    (layout.width, layout.height)
}

/// [`paint_as`], as long as somebody wants it.
///
/// # Errors
/// Nobody wants it any more.
pub fn paint_watched(
    ladder: &Ladder,
    title: &str,
    look: &Look<'_>,
    watch: &Watch,
) -> Result<String, String> {
    let layout = Layout::new(ladder, look);
    let (style, ground) = (look.palette.style(), look.palette.ground);
    let mut out = String::with_capacity(1024 + ladder.items.len() * 300);
    let (width, height) = (layout.width, layout.height);
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>{}</title>\n<style>{style}</style>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#{ground:06X}\"/>",
        escape(title)
    );
    for (row, item) in ladder.items.iter().enumerate() {
        if let LadderItem::Arrow(arrow) = item {
            layout.shade(&mut out, arrow, layout.y(row));
        }
    }
    for x in &layout.lanes {
        let _ = writeln!(
            out,
            "<line class=\"lane\" x1=\"{x}\" y1=\"{HEAD}\" x2=\"{x}\" y2=\"{height}\"/>"
        );
    }
    let rows = ladder.items.len() as u64;
    for (row, item) in ladder.items.iter().enumerate() {
        if row % WATCHED_ROWS == 0 {
            watch.set(row as u64, rows);
            if watch.is_stopped() {
                return Err("cancelled".to_owned());
            }
        }
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
            escape(&(look.time)(item.time()))
        );
        match item {
            LadderItem::Arrow(arrow) => {
                layout.arrow(&mut out, arrow, y);
                layout.mark(&mut out, ladder, arrow.call, (arrow.from, arrow.to), y);
            }
            LadderItem::Bar(bar) => {
                layout.bar(&mut out, bar, y);
                layout.mark(&mut out, ladder, bar.call, (bar.from, bar.to), y);
            }
            LadderItem::Break(_) => {}
        }
    }
    out.push_str("</svg>\n");
    Ok(out)
}

struct Layout<'a> {
    lanes: Vec<usize>,
    width: usize,
    height: usize,
    head: u32,
    time_head: &'a str,
    silent: bool,
}

impl<'a> Layout<'a> {
    fn new(ladder: &Ladder, look: &Look<'a>) -> Self {
        let mut gaps = vec![MIN_GAP; ladder.lanes.len()];
        for item in &ladder.items {
            let Some((from, to)) = item.lanes() else {
                continue;
            };
            let (low, high) = (from.min(to), from.max(to));
            let letters = item.label().chars().count() + item.notes().chars().count();
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
            head: look.palette.head,
            time_head: look.time_head,
            silent: look.silent,
        }
    }

    fn y(&self, row: usize) -> usize {
        (row / HEADS_EVERY + 1) * HEAD + row * ROW + ROW / 2 + 4
    }

    fn heads(&self, out: &mut String, ladder: &Ladder, row: usize) {
        let top = row / HEADS_EVERY * HEAD + row * ROW;
        let _ = writeln!(
            out,
            "<rect x=\"0\" y=\"{top}\" width=\"{}\" height=\"{HEAD}\" fill=\"#{:06X}\"/>\
             <text class=\"time\" x=\"8\" y=\"{}\">{}</text>",
            self.width,
            self.head,
            top + 18,
            escape(self.time_head)
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

    /// Messages of another dialog of the call have a ground of their own.
    fn shade(&self, out: &mut String, arrow: &Arrow, y: usize) {
        let Some(number) = arrow.fork.checked_sub(1).map(|n| n % SHADES) else {
            return;
        };
        let (a, b) = self.ends(arrow.from, arrow.to);
        let (low, width) = (a.min(b), a.abs_diff(b).max(36));
        let _ = writeln!(
            out,
            "<rect class=\"fork{number}\" x=\"{low}\" y=\"{}\" width=\"{width}\" height=\"{ROW}\"/>",
            y.saturating_sub(ROW / 2 + 2),
        );
    }

    /// The number of the call at the sender, where several calls are drawn.
    fn mark(&self, out: &mut String, ladder: &Ladder, call: CallId, way: (usize, usize), y: usize) {
        let number = ladder.calls.binary_search(&call).ok();
        let Some(number) = number.filter(|_| ladder.calls.len() > 1) else {
            return;
        };
        let words = call.to_string();
        let (from, to) = self.ends(way.0, way.1);
        let wide = words.len() * 6 + 8;
        let x = match to >= from {
            true => from.saturating_sub(wide + 4),
            false => from + 4,
        };
        let _ = writeln!(
            out,
            "<rect class=\"call{}\" x=\"{x}\" y=\"{}\" width=\"{wide}\" height=\"13\" rx=\"4\"/>\
             <text class=\"call\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{words}</text>",
            number % CALL_MARKS,
            y.saturating_sub(3),
            x + wide / 2,
            y + 7
        );
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
        let colour = match arrow.class {
            ArrowClass::Ack => "provisional",
            other => other.name(),
        };
        let mut written = label.clone();
        let notes = arrow.notes();
        if !notes.is_empty() {
            let note = escape(&notes);
            let _ = write!(label, " [{note}]");
            let _ = write!(written, "<tspan class=\"note\" dx=\"6\">[{note}]</tspan>");
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
                "<text class=\"l-{colour}\" x=\"{}\" y=\"{}\">{written}</text></g>",
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
        if arrow.class == ArrowClass::Request {
            let _ = write!(
                out,
                "<circle class=\"h-request\" cx=\"{a}\" cy=\"{line}\" r=\"2\"/>"
            );
        }
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
            "<text class=\"l-{colour}\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{written}</text></g>",
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
        let _ = write!(
            out,
            "<line class=\"pause\" x1=\"{first}\" y1=\"{y}\" x2=\"{last}\" y2=\"{y}\"/>"
        );
        // Each lane is cut, as on the screen.
        for x in &self.lanes {
            let (left, right) = (x.saturating_sub(4), x + 4);
            let _ = write!(
                out,
                "<rect class=\"gap\" x=\"{}\" y=\"{}\" width=\"10\" height=\"6\"/>\
                 <path class=\"cut\" d=\"M{left} {}L{right} {}M{left} {}L{right} {}\"/>",
                x.saturating_sub(5),
                y.saturating_sub(3),
                y.saturating_sub(1),
                y.saturating_sub(5),
                y + 5,
                y + 1
            );
        }
        let words = format!("{} later", pause.label);
        let room = words.chars().count() * LETTER + 8;
        let centre = (first + last) / 2;
        let _ = writeln!(
            out,
            "<rect class=\"gap\" x=\"{}\" y=\"{}\" width=\"{room}\" height=\"14\"/>\
             <text x=\"{centre}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            centre.saturating_sub(room / 2),
            y.saturating_sub(7),
            y + 4,
            escape(&words)
        );
    }

    fn bar(&self, out: &mut String, bar: &Bar, y: usize) {
        let (a, b) = self.ends(bar.from, bar.to);
        let (low, width) = (a.min(b), a.abs_diff(b).max(36));
        let class = match (bar.packets, self.silent || !bar.awaited) {
            (0, true) => "quiet",
            (0, false) => "none",
            _ => "bar",
        };
        // The head at the end to which they flow.
        let (tip, back) = match b >= a {
            true => (
                (low + width).saturating_sub(4),
                (low + width).saturating_sub(12),
            ),
            false => (low + 4, low + 12),
        };
        let _ = writeln!(
            out,
            "<g><rect class=\"{class}\" x=\"{low}\" y=\"{}\" width=\"{width}\" height=\"{}\" rx=\"3\"/>\
             <path class=\"tip\" d=\"M{back} {}L{tip} {y}L{back} {}Z\"/>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text></g>",
            y - 9,
            ROW - 4,
            y.saturating_sub(4),
            y + 4,
            low + width / 2,
            y + 4,
            escape(&bar.label)
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
