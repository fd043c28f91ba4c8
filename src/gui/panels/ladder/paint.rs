//! Arrows, bars and breaks. Classes differ by dash and head, never by colour alone.

use std::sync::Arc;

use egui::{Align2, Color32, Galley, Pos2, Rect, Shape, Stroke, TextFormat, Ui, pos2, vec2};

use super::Frame;
use crate::gui::panel_ctx::PanelCtx;
use crate::gui::theme::{ARROW_HEAD_POINTS, Theme};
use crate::gui::widgets::row_view::{Mark, MarkShape, one_line, paint_mark, shown};
use crate::index::ids::CallId;
use crate::present::ladder::{Arrow, ArrowClass, Bar, Break, LadderItem, shorter};

/// Enough room for a remark at the right, whatever there is at the left.
const REMARK_POINTS: f32 = 160.0;
/// How far a loop goes out from its lane.
const LOOP_POINTS: f32 = 26.0;

/// State of a row.
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub selected: bool,
    pub hovered: bool,
    pub focus: bool,
    /// It has the value of the selected field.
    pub equal: bool,
}

/// Marks a row that has the value of the selected field.
fn equal_mark(painter: &egui::Painter, column: Rect, selected: bool, theme: &Theme) {
    let colour = if selected {
        theme.selected_text
    } else {
        theme.lines.success
    };
    let bar = column
        .with_min_x(column.right() - 4.0)
        .shrink2(vec2(0.0, 2.0));
    painter.rect_filled(bar, 1, colour);
}

/// Paints what is between the lanes; true when a label does not fit.
pub(super) fn row(
    ctx: &PanelCtx<'_>,
    ui: &Ui,
    frame: &Frame<'_>,
    item: &LadderItem,
    rect: Rect,
    look: Look,
) -> bool {
    let painter = ui.painter_at(frame.body);
    let theme = ctx.theme;
    let mut ground = theme.ground;
    if look.selected {
        ground = theme.selected;
        painter.rect_filled(rect, 0, ground);
    } else if look.hovered {
        ground = theme.hovered;
        painter.rect_filled(rect, 0, ground);
    } else if let LadderItem::Arrow(arrow) = item
        && let Some(shade) = theme.fork(arrow.fork)
    {
        ground = shade;
        let (from, to) = (frame.x(arrow.from), frame.x(arrow.to));
        let out = if arrow.from == arrow.to {
            LOOP_POINTS
        } else {
            0.0
        };
        let span = from.min(to) - out..=from.max(to) + out;
        painter.rect_filled(Rect::from_x_y_ranges(span, rect.y_range()), 0, ground);
    }
    let brush = Brush {
        ctx,
        painter,
        frame,
        rect,
        ground,
        selected: look.selected,
    };
    match item {
        LadderItem::Arrow(arrow) => {
            brush.remark(arrow);
            brush.arrow(arrow)
        }
        LadderItem::Bar(bar) => brush.bar(bar),
        LadderItem::Break(_) => false,
    }
}

/// Paints the time at the left, over lanes that were moved aside.
pub(super) fn time(
    ctx: &PanelCtx<'_>,
    ui: &Ui,
    frame: &Frame<'_>,
    rect: Rect,
    words: &str,
    look: Look,
) {
    let theme = ctx.theme;
    let painter = ui.painter_at(frame.body);
    let ground = match (look.selected, look.hovered) {
        (true, _) => theme.selected,
        (_, true) => theme.hovered,
        _ => theme.ground,
    };
    let column = rect.with_max_x(rect.left() + frame.sizes.time_points - 4.0);
    if frame.left > 0.0 {
        painter.rect_filled(column, 0, ground);
    }
    if look.equal {
        equal_mark(&painter, column, look.selected, theme);
    }
    if look.focus {
        let bar = rect.with_max_x(rect.left() + 3.0);
        painter.rect_filled(bar, 0, theme.selected_text);
    }
    let colour = if look.selected {
        theme.selected_text
    } else {
        theme.faint
    };
    let at = pos2(rect.left() + 6.0, rect.center().y);
    let font = frame.sizes.font.clone();
    painter.text(at, Align2::LEFT_CENTER, words, font, colour);
}

/// Paints a pause: torn lanes and its length.
pub(super) fn pause(ctx: &PanelCtx<'_>, ui: &Ui, frame: &Frame<'_>, pause: &Break, rect: Rect) {
    let painter = ui.painter_at(frame.body);
    let theme = ctx.theme;
    let lanes = frame.ladder().lanes.len();
    let (first, last) = (frame.x(0), frame.x(lanes.saturating_sub(1)));
    let y = rect.center().y;
    let stroke = Stroke::new(1.0, theme.faint);
    line(
        &painter,
        pos2(first - 40.0, y),
        pos2(last + 40.0, y),
        stroke,
        Dash::Fine,
    );
    for lane in 0..lanes {
        let x = frame.x(lane);
        if !frame.body.x_range().expand(8.0).contains(x) {
            continue;
        }
        let gap = Rect::from_center_size(pos2(x, y), vec2(10.0, 6.0));
        painter.rect_filled(gap, 0, theme.ground);
        for side in [-3.0, 3.0] {
            let (low, high) = (pos2(x - 4.0, y + side + 2.0), pos2(x + 4.0, y + side - 2.0));
            painter.line_segment([low, high], stroke);
        }
    }
    let words = format!("{} later", pause.label);
    let galley = painter.layout_no_wrap(words, frame.sizes.font.clone(), theme.text);
    // In the middle of what is seen of the lanes.
    let left = (frame.body.left() + frame.sizes.time_points).max(first);
    let right = frame.body.right().min(last).max(left);
    let centre = pos2((left + right) / 2.0, y);
    let place = Align2::CENTER_CENTER.anchor_size(centre, galley.size());
    painter.rect_filled(place.expand2(vec2(6.0, 0.0)), 3, theme.ground);
    painter.galley(place.min, galley, theme.text);
}

/// Where the triangle of a fold stands: at the sender's lane.
pub(super) fn fold_sign(frame: &Frame<'_>, rect: Rect, item: &LadderItem) -> Option<Rect> {
    let LadderItem::Arrow(arrow) = item else {
        return None;
    };
    arrow.fold?;
    let toward = if arrow.to >= arrow.from { 1.0 } else { -1.0 };
    let centre = pos2(frame.x(arrow.from) + toward * 11.0, rect.top() + 7.0);
    Some(Rect::from_center_size(centre, vec2(16.0, 14.0)))
}

/// What is needed to paint one row.
struct Brush<'a> {
    ctx: &'a PanelCtx<'a>,
    painter: egui::Painter,
    frame: &'a Frame<'a>,
    rect: Rect,
    ground: Color32,
    selected: bool,
}

impl Brush<'_> {
    /// Paints an arrow with its label; true when the label does not fit.
    fn arrow(&self, arrow: &Arrow) -> bool {
        let theme = self.ctx.theme;
        let (colour, text) = if self.selected {
            (theme.selected_text, theme.selected_text)
        } else {
            (theme.line_of(arrow.class), theme.label_of(arrow.class))
        };
        let repeated = arrow.retransmission || arrow.copy;
        let width = match (repeated, arrow.class) {
            (true, _) | (_, ArrowClass::Ack) => 1.0,
            _ => 1.7,
        };
        let stroke = Stroke::new(width, colour);
        let dash = Dash::of(arrow);
        let y = self.rect.bottom() - 5.5;
        let (from, to) = (self.frame.x(arrow.from), self.frame.x(arrow.to));
        self.mark(arrow.call, from, if to >= from { -1.0 } else { 1.0 });
        self.fold(arrow, text);
        if arrow.from == arrow.to {
            return self.around(arrow, from, stroke, text);
        }
        let toward = (to - from).signum();
        let tip = pos2(to - toward, y);
        let neck = pos2(tip.x - toward * ARROW_HEAD_POINTS * 0.8, y);
        line(&self.painter, pos2(from, y), neck, stroke, dash);
        if arrow.class == ArrowClass::Request {
            self.painter.circle_filled(pos2(from, y), 2.0, colour);
        }
        self.head(tip, toward, stroke, arrow);
        if arrow.icmp.is_some() {
            // It did not arrive, as an ICMP error says: a cross over the head.
            let colour = if self.selected {
                colour
            } else {
                theme.lines.failure
            };
            let centre = pos2(tip.x - toward * 18.0, y);
            let shape = MarkShape::Cross;
            paint_mark(&self.painter, centre, 4.0, Mark { shape, colour });
        }
        let sign = if arrow.fold.is_some() { 18.0 } else { 0.0 };
        // The sign of a fold stands at the sender; the label gives way to it when it must.
        let (mut left, mut right) = (from.min(to) + 6.0, from.max(to) - 6.0);
        let middle = (left + right) / 2.0;
        match to >= from {
            true => left += sign,
            false => right -= sign,
        }
        let (galley, elided) = self.label(arrow, text, right - left);
        let half = galley.size().x / 2.0;
        let x = (middle - half).min(right - 2.0 * half).max(left);
        let at = pos2(x, self.rect.bottom() - 7.5 - galley.size().y);
        // Lanes between sender and receiver would run through the letters.
        if arrow.from.abs_diff(arrow.to) > 1 {
            let behind = Rect::from_min_size(at, galley.size()).expand2(vec2(3.0, -1.0));
            self.painter.rect_filled(behind, 0, self.ground);
        }
        self.painter.galley(at, galley, text);
        elided
    }

    /// What a person wrote stands beside the arrow, where there is more room, like a slip of paper.
    fn remark(&self, arrow: &Arrow) {
        if arrow.remark.is_empty() {
            return;
        }
        let (theme, body) = (self.ctx.theme, self.frame.body);
        let (from, to) = (self.frame.x(arrow.from), self.frame.x(arrow.to));
        let around = if arrow.from == arrow.to {
            LOOP_POINTS
        } else {
            0.0
        };
        let right = from.max(to) + around + 10.0..=body.right() - 6.0;
        let left = body.left() + self.frame.sizes.time_points..=from.min(to) - around - 24.0;
        let wide = |room: &std::ops::RangeInclusive<f32>| room.end() - room.start();
        let at_right = wide(&right) >= wide(&left).min(REMARK_POINTS);
        let room = if at_right { &right } else { &left };
        let font = self.frame.sizes.font.clone();
        let job = one_line(&arrow.remark, font, theme.text, wide(room).max(24.0) - 12.0);
        let galley = self.painter.layout_job(job);
        let size = galley.size() + vec2(12.0, 0.0);
        let x = match at_right {
            true => *room.start(),
            false => room.end() - size.x,
        };
        let place = Rect::from_min_size(pos2(x, self.rect.center().y - size.y / 2.0), size);
        self.painter.rect_filled(place, 3, theme.field);
        self.painter
            .galley(place.min + vec2(6.0, 0.0), galley, theme.text);
    }

    /// The label, and what is said of repetition in a quieter colour; a shorter form of them where they
    /// do not fit: whether that is so.
    fn label(&self, arrow: &Arrow, colour: Color32, width: f32) -> (Arc<Galley>, bool) {
        let lay = |label: &str, note: &str| {
            let font = self.frame.sizes.font.clone();
            let mut job = one_line(label, font.clone(), colour, width);
            if !note.is_empty() {
                let faint = if self.selected {
                    colour
                } else {
                    self.ctx.theme.faint
                };
                job.append(&shown(note, 100), 8.0, TextFormat::simple(font, faint));
            }
            self.painter.layout_job(job)
        };
        let whole = lay(&arrow.label, &arrow.note);
        if !whole.elided {
            return (whole, false);
        }
        let is_response = !matches!(arrow.class, ArrowClass::Request | ArrowClass::Ack);
        let mut labels = vec![arrow.label.clone()];
        labels.extend(shorter(&arrow.label, is_response));
        // How often something came counts more than how it is called in full.
        let count = arrow.note.split(", ").next().unwrap_or_default();
        let mut notes = vec![arrow.note.as_str(), count, ""];
        notes.dedup();
        let forms = notes
            .iter()
            .flat_map(|note| labels.iter().map(move |label| lay(label, note)));
        let mut last = None;
        for galley in forms {
            if !galley.elided {
                return (galley, true);
            }
            last = Some(galley);
        }
        (last.unwrap_or(whole), true)
    }

    /// A message that stays on its host goes out and comes back.
    fn around(&self, arrow: &Arrow, x: f32, stroke: Stroke, text: Color32) -> bool {
        let (top, bottom) = (self.rect.top() + 6.0, self.rect.bottom() - 5.5);
        // The last lane has no room at its right.
        let lanes = self.frame.ladder().lanes.len();
        let side = if arrow.to > 0 && arrow.to + 1 == lanes {
            -1.0
        } else {
            1.0
        };
        let out = x + side * LOOP_POINTS;
        let dash = Dash::of(arrow);
        let neck = pos2(x + side * ARROW_HEAD_POINTS * 0.8, bottom);
        for (from, to) in [
            (pos2(x, top), pos2(out, top)),
            (pos2(out, top), pos2(out, bottom)),
            (pos2(out, bottom), neck),
        ] {
            line(&self.painter, from, to, stroke, dash);
        }
        self.head(pos2(x + side, bottom), -side, stroke, arrow);
        let other = if side > 0.0 {
            arrow.to + 1
        } else {
            arrow.to.saturating_sub(1)
        };
        let room = if other == arrow.to || other >= lanes {
            self.frame.body.right() - out
        } else {
            (self.frame.x(other) - out).abs()
        };
        let (galley, elided) = self.label(arrow, text, room - 12.0);
        let from = if side < 0.0 {
            out - 6.0 - galley.size().x
        } else {
            out + 6.0
        };
        let at = pos2(from, self.rect.center().y - galley.size().y / 2.0);
        self.painter.galley(at, galley, text);
        elided
    }

    /// Each class has a head of its own where it has no dash of its own.
    fn head(&self, tip: Pos2, toward: f32, stroke: Stroke, arrow: &Arrow) {
        let back = tip.x - toward * ARROW_HEAD_POINTS;
        let half = ARROW_HEAD_POINTS * 0.5;
        let (up, down) = (pos2(back, tip.y - half), pos2(back, tip.y + half));
        let thin = Stroke::new(1.4, stroke.color);
        match arrow.class {
            ArrowClass::Provisional | ArrowClass::Ack => {
                self.painter.line_segment([up, tip], thin);
                self.painter.line_segment([down, tip], thin);
                let shaft = Stroke::new(1.0, stroke.color);
                self.painter.line_segment([pos2(back, tip.y), tip], shaft);
            }
            ArrowClass::Success => {
                let points = vec![tip, up, down];
                let shape = Shape::convex_polygon(points, self.ground, thin);
                self.painter.add(shape);
            }
            _ => {
                let points = vec![tip, up, down];
                let shape = Shape::convex_polygon(points, stroke.color, Stroke::NONE);
                self.painter.add(shape);
            }
        }
        if arrow.class == ArrowClass::Failure {
            let x = back - toward * 3.0;
            let bar = Stroke::new(1.8, stroke.color);
            self.painter.vline(x, tip.y - half..=tip.y + half, bar);
        }
    }

    /// The number of the call, where several calls are drawn.
    fn mark(&self, call: CallId, x: f32, side: f32) {
        let calls = &self.frame.ladder().calls;
        let Some(number) = calls.binary_search(&call).ok().filter(|_| calls.len() > 1) else {
            return;
        };
        let theme = self.ctx.theme;
        let font = egui::FontId::new(self.frame.sizes.font.size * 0.8, Default::default());
        let galley = self
            .painter
            .layout_no_wrap(call.to_string(), font, theme.call_text);
        let size = vec2(galley.size().x.max(8.0) + 8.0, galley.size().y);
        let centre = pos2(
            x + side * (size.x / 2.0 + 4.0),
            self.rect.bottom() - 5.5 - size.y * 0.2,
        );
        let place = Rect::from_center_size(centre, size);
        self.painter.rect_filled(place, 4, theme.call_mark(number));
        let at = Align2::CENTER_CENTER.anchor_size(place.center(), galley.size());
        self.painter.galley(at.min, galley, theme.call_text);
    }

    fn fold(&self, arrow: &Arrow, colour: Color32) {
        let item = LadderItem::Arrow(arrow.clone());
        let Some(place) = fold_sign(self.frame, self.rect, &item) else {
            return;
        };
        let at = place.center();
        let points = if arrow.fold.is_some_and(|fold| fold.open) {
            [vec2(-4.0, -2.0), vec2(4.0, -2.0), vec2(0.0, 3.5)]
        } else {
            [vec2(-2.0, -4.0), vec2(3.5, 0.0), vec2(-2.0, 4.0)]
        };
        let points = points.map(|by| at + by).to_vec();
        let shape = Shape::convex_polygon(points, colour, Stroke::NONE);
        self.painter.add(shape);
    }

    /// Paints media as a bar; true when its label does not fit.
    fn bar(&self, bar: &Bar) -> bool {
        let theme = self.ctx.theme;
        let (from, to) = (self.frame.x(bar.from), self.frame.x(bar.to));
        self.mark(bar.call, from, if to >= from { -1.0 } else { 1.0 });
        let missing = bar.packets == 0 && bar.awaited && !self.frame.call.silent;
        let colour = match (self.selected, missing) {
            (true, _) => theme.selected_text,
            (_, true) => theme.failure,
            _ => theme.text,
        };
        let toward = if to >= from { 1.0 } else { -1.0 };
        let left = from.min(to) + 3.0;
        let right = from.max(to).max(from.min(to) + 40.0) - 3.0;
        let place = Rect::from_x_y_ranges(left..=right, self.rect.shrink(3.0).y_range());
        let ground = match (self.selected, missing, bar.packets) {
            (true, ..) => theme.selected,
            (_, true, _) => theme.alert_ground,
            (_, false, 0) => theme.ground,
            (_, false, _) => theme.pointed,
        };
        let edge = if missing { theme.failure } else { theme.lane };
        let edge = Stroke::new(1.0, if self.selected { colour } else { edge });
        self.painter
            .rect(place, 3, ground, edge, egui::StrokeKind::Inside);
        let x = if toward > 0.0 {
            place.right() - 3.0
        } else {
            place.left() + 3.0
        };
        let tip = pos2(x, place.center().y);
        let back = tip.x - toward * ARROW_HEAD_POINTS;
        let points = vec![tip, pos2(back, tip.y - 4.0), pos2(back, tip.y + 4.0)];
        self.painter
            .add(Shape::convex_polygon(points, colour, Stroke::NONE));
        let room = place.width() - 2.0 * ARROW_HEAD_POINTS - 10.0;
        let job = one_line(&bar.label, self.frame.sizes.font.clone(), colour, room);
        let galley = self.painter.layout_job(job);
        let elided = galley.elided;
        let at = Align2::CENTER_CENTER.anchor_size(place.center(), galley.size());
        self.painter.galley(at.min, galley, colour);
        elided
    }
}

/// How a line is drawn.
#[derive(Clone, Copy, PartialEq)]
enum Dash {
    /// Requests, 2xx, 4xx to 6xx, and ACK, which is thin.
    Solid,
    /// 1xx.
    Dashed,
    /// 3xx.
    Long,
    /// 401 and 407.
    Mixed,
    /// What came again.
    Dotted,
    /// Pauses.
    Fine,
}

impl Dash {
    fn of(arrow: &Arrow) -> Self {
        match (arrow.retransmission || arrow.copy, arrow.class) {
            (true, _) => Self::Dotted,
            (false, ArrowClass::Provisional) => Self::Dashed,
            (false, ArrowClass::Redirect) => Self::Long,
            (false, ArrowClass::Challenge) => Self::Mixed,
            _ => Self::Solid,
        }
    }
}

fn line(painter: &egui::Painter, from: Pos2, to: Pos2, stroke: Stroke, dash: Dash) {
    // Only the part that is seen: a line over hundreds of lanes has no end of dashes.
    let clip = painter.clip_rect().x_range().expand(16.0);
    let (from, to) = (
        pos2(clip.clamp(from.x), from.y),
        pos2(clip.clamp(to.x), to.y),
    );
    if from == to {
        return;
    }
    let dashes: (&[f32], &[f32]) = match dash {
        Dash::Solid => {
            painter.line_segment([from, to], stroke);
            return;
        }
        Dash::Dashed => (&[7.0], &[4.0]),
        Dash::Long => (&[14.0], &[4.0]),
        Dash::Mixed => (&[10.0, 2.0], &[3.0, 3.0]),
        Dash::Dotted => (&[2.0], &[3.0]),
        Dash::Fine => (&[1.0], &[4.0]),
    };
    let line = [from, to];
    painter.extend(Shape::dashed_line_with_offset(
        &line, stroke, dashes.0, dashes.1, 0.0,
    ));
}
