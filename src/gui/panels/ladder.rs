//! The ladder of the selected call: painter of [`present::ladder`](crate::present::ladder).
//!
//! Rows have one height, so what is seen follows from a division, and a ladder of any length costs
//! what fits on the screen.

use egui::accesskit::Role;
use egui::{
    Align2, Color32, FontId, Pos2, Rect, Sense, Shape, Stroke, TextStyle, Ui, WidgetInfo, pos2,
    vec2,
};

use super::empty_ui;
use crate::gui::action::{Action, PanelName};
use crate::gui::call_view::CallStamp;
use crate::gui::panel_ctx::PanelCtx;
use crate::gui::theme::{ARROW_HEAD_POINTS, LADDER_ROW_POINTS, LANE_GAP_POINTS, Theme};
use crate::gui::widgets::row_view::one_line;
use crate::gui::widgets::scroll::{BAR_POINTS, Scroll, Visible, body_of, move_cursor};
use crate::index::ids::MessageId;
use crate::present::ladder::{Arrow, ArrowClass, Bar, Ladder, LadderItem};
use crate::present::rows;

/// Height of the heads of lanes.
const HEAD_POINTS: f32 = 38.0;
/// Points between the time and the first lane.
const SIDE_POINTS: f32 = 60.0;
const NARROWEST_GAP: f32 = 120.0;

/// What belongs to the ladder alone.
#[derive(Default)]
pub struct LadderState {
    scroll: Scroll,
    shown: Option<CallStamp>,
    /// Selected message and its row.
    found: Option<(MessageId, usize)>,
    /// A row whose lanes are to be brought into view.
    aside: Option<usize>,
    /// Selected bar, which is no message.
    bar: Option<usize>,
}

/// Where lanes stand in this frame.
struct Frame {
    body: Rect,
    head: Rect,
    left: f32,
    time_points: f32,
    gap: f32,
    visible: Visible,
    font: FontId,
    /// The capture has no RTP at all: that there is none in a call says nothing.
    silent: bool,
}

impl Frame {
    fn x(&self, lane: usize) -> f32 {
        self.body.left() - self.left + self.time_points + SIDE_POINTS + lane as f32 * self.gap
    }
}

/// The ladder of the selected call.
pub fn ladder_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    state: &mut LadderState,
    actions: &mut Vec<Action>,
) {
    let Some(call) = ctx.call.filter(|call| !call.ladder.items.is_empty()) else {
        let text = match (ctx.selection.call, ctx.is_finished()) {
            (_, false) => "Reading the capture…",
            (None, true) if ctx.view.messages().is_empty() => "No messages",
            (None, true) => "Select a call to see its ladder",
            (Some(_), true) => "Nothing to draw for this call",
        };
        return empty_ui(ui, ctx.theme, text);
    };
    let ladder = &call.ladder;
    let rows = ladder.items.len() as u64;
    let selected = selected_row(ctx, state, call.stamp, ladder);
    let all = ui.available_rect_before_wrap();
    ui.advance_cursor_after_rect(all);
    let head = all.with_max_y((all.top() + HEAD_POINTS).min(all.bottom()));
    let measures = measure(ctx, ui, ladder, all.width());
    let below = all.with_min_y(head.bottom());
    let body = body_of(below, rows, LADDER_ROW_POINTS, measures.content_points);
    let list = ui.interact(body, PanelName::Messages.id(), Sense::click());
    list.widget_info(|| WidgetInfo::labeled(Role::ListBox, true, "Ladder"));
    let visible = state
        .scroll
        .update(ui, list.id, body, rows, LADDER_ROW_POINTS);
    if let Some(row) = state.aside.take() {
        bring_aside(&mut state.scroll, ladder, row, &measures, body.width());
    }
    let left = state
        .scroll
        .sideways(ui, list.id, body, measures.content_points);
    let Measures {
        font,
        time_points,
        gap,
        ..
    } = measures;
    let frame = Frame {
        body,
        head,
        left,
        time_points,
        gap,
        visible,
        font,
        silent: call.silent,
    };

    let painter = ui.painter_at(body);
    let bottom = visible.y(rows).min(body.bottom());
    for lane in 0..ladder.lanes.len() {
        let x = frame.x(lane);
        if body.x_range().expand(4.0).contains(x) {
            painter.vline(x, body.top()..=bottom, Stroke::new(1.0, ctx.theme.lane));
        }
    }
    for row in visible.first..visible.end {
        let Some(item) = usize::try_from(row)
            .ok()
            .and_then(|row| ladder.items.get(row))
        else {
            break;
        };
        row_ui(
            ctx,
            ui,
            &frame,
            item,
            row,
            selected == Some(row),
            &list,
            state,
            actions,
        );
    }
    heads_ui(ctx, ui, &frame, ladder);

    let page = ((body.height() / LADDER_ROW_POINTS) as u64).saturating_sub(1);
    if let Some(row) = move_cursor(ui, &list, selected, rows, page) {
        state.scroll.reveal(row);
        choose(ladder, row, state, actions);
    }
    if list.has_focus() && ui.input_mut(|i| i.consume_key(egui::Modifiers::NONE, egui::Key::Enter))
    {
        actions.push(Action::FocusPanel(PanelName::Tree));
    }
}

fn choose(ladder: &Ladder, row: u64, state: &mut LadderState, actions: &mut Vec<Action>) {
    let Ok(row) = usize::try_from(row) else {
        return;
    };
    match ladder.items.get(row) {
        Some(LadderItem::Arrow(arrow)) => {
            state.bar = None;
            state.found = Some((arrow.message, row));
            state.aside = Some(row);
            actions.push(Action::SelectMessage(arrow.message));
        }
        Some(LadderItem::Bar(_)) => state.bar = Some(row),
        Some(LadderItem::Break(_)) | None => {}
    }
}

fn selected_row(
    ctx: &PanelCtx<'_>,
    state: &mut LadderState,
    stamp: CallStamp,
    ladder: &Ladder,
) -> Option<u64> {
    let other_call = state
        .shown
        .is_none_or(|s| (s.call, s.capture) != (stamp.call, stamp.capture));
    if other_call {
        state.scroll = Scroll::default();
        state.bar = None;
    }
    if state.shown != Some(stamp) {
        state.shown = Some(stamp);
        state.found = state
            .found
            .filter(|_| !other_call)
            .and_then(|(message, _)| ladder.row_of(message).map(|row| (message, row)));
    }
    let message = ctx.selection.message?;
    if state.found.is_none_or(|(found, _)| found != message) {
        state.bar = None;
        state.found = ladder.row_of(message).map(|row| (message, row));
        if let Some((_, row)) = state.found {
            state.scroll.reveal(row as u64);
            state.aside = Some(row);
        }
    } else if ctx.reveal_message
        && let Some((_, row)) = state.found
    {
        state.scroll.reveal(row as u64);
    }
    state
        .bar
        .or(state.found.map(|(_, row)| row))
        .map(|row| row as u64)
}

/// Moves sideways as little as possible, so that both ends of a row are seen.
fn bring_aside(scroll: &mut Scroll, ladder: &Ladder, row: usize, measures: &Measures, width: f32) {
    let Some((from, to)) = ladder.items.get(row).and_then(LadderItem::lanes) else {
        return;
    };
    let x = |lane: usize| SIDE_POINTS + lane as f32 * measures.gap;
    // Measured from where the times end: they do not move.
    let room = width - measures.time_points;
    let (first, last) = (x(from.min(to)) - 24.0, x(from.max(to)) + 24.0);
    scroll.left = scroll.left.max(last - room).min(first).max(0.0);
}

/// Sizes that do not change while the ladder is scrolled.
struct Measures {
    font: FontId,
    time_points: f32,
    gap: f32,
    content_points: f32,
}

fn measure(ctx: &PanelCtx<'_>, ui: &Ui, ladder: &Ladder, width: f32) -> Measures {
    let font = TextStyle::Body.resolve(ui.style());
    let sample = ctx.time_words(ladder.items.last().map_or(0, LadderItem::time));
    let words = ui
        .painter()
        .layout_no_wrap(sample, font.clone(), ctx.theme.faint)
        .size()
        .x;
    let head = ctx.time_head().to_owned();
    let head = ui
        .painter()
        .layout_no_wrap(head, font.clone(), ctx.theme.faint)
        .size()
        .x;
    let time_points = words.max(head) + 16.0;
    let gaps = ladder.lanes.len().saturating_sub(1).max(1) as f32;
    // Lanes use the width there is; when there are many they keep a distance and scroll.
    let room = width - BAR_POINTS - time_points - 2.0 * SIDE_POINTS;
    let gap = (room / gaps).clamp(NARROWEST_GAP, LANE_GAP_POINTS * 2.0);
    let content_points = time_points + 2.0 * SIDE_POINTS + gaps * gap;
    Measures {
        font,
        time_points,
        gap,
        content_points,
    }
}

fn heads_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, frame: &Frame, ladder: &Ladder) {
    let painter = ui.painter_at(frame.head);
    painter.rect_filled(frame.head, 0, ctx.theme.head);
    painter.hline(
        frame.head.x_range(),
        frame.head.bottom() - 0.5,
        Stroke::new(1.0, ctx.theme.line),
    );
    let time = Rect::from_min_max(
        frame.head.min,
        pos2(
            frame.head.left() + frame.time_points - 4.0,
            frame.head.bottom(),
        ),
    );
    for (i, lane) in ladder.lanes.iter().enumerate() {
        let x = frame.x(i);
        let width = (frame.gap - 8.0).max(20.0);
        let place =
            Rect::from_center_size(pos2(x, frame.head.center().y), vec2(width, HEAD_POINTS));
        let mut seen = place.intersect(frame.head);
        seen.min.x = seen.min.x.max(time.right());
        if !seen.is_positive() {
            continue;
        }
        let clipped = painter.with_clip_rect(seen);
        let line = |text: &str, y: f32, colour: Color32| {
            let room = seen.width();
            let galley = clipped.layout_job(one_line(text, frame.font.clone(), colour, room));
            let elided = galley.elided;
            // Text that would begin behind the edge of the window moves into it.
            let half = galley.size().x / 2.0;
            let inside = frame.head.x_range().contains(x);
            let edge = frame.head.right() - 2.0 * half - 2.0;
            let from = if inside {
                (x - half).max(time.right()).min(edge)
            } else {
                x - half
            };
            clipped.galley(pos2(from, y), galley, colour);
            elided
        };
        if lane.title == lane.address {
            line(&lane.title, frame.head.top() + 11.0, ctx.theme.text);
        } else {
            line(&lane.title, frame.head.top() + 3.0, ctx.theme.text);
            line(&lane.address, frame.head.top() + 19.0, ctx.theme.faint);
        }
        let response = ui.interact(
            seen,
            PanelName::Messages.id().with(("lane", i)),
            Sense::HOVER,
        );
        response.widget_info(|| WidgetInfo::labeled(Role::ColumnHeader, true, &lane.title));
        let ends: Vec<String> = lane
            .endpoints
            .iter()
            .take(12)
            .map(ToString::to_string)
            .collect();
        response.on_hover_text(format!("{}\n{}", lane.title, ends.join("\n")));
    }
    let clipped = painter.with_clip_rect(time);
    clipped.rect_filled(time, 0, ctx.theme.head);
    let galley = clipped.layout_job(one_line(
        ctx.time_head(),
        frame.font.clone(),
        ctx.theme.text,
        time.width() - 8.0,
    ));
    let at =
        Align2::LEFT_CENTER.anchor_size(pos2(time.left() + 6.0, time.center().y), galley.size());
    clipped.galley(at.min, galley, ctx.theme.text);
}

#[allow(clippy::too_many_arguments)]
fn row_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    frame: &Frame,
    item: &LadderItem,
    row: u64,
    selected: bool,
    list: &egui::Response,
    state: &mut LadderState,
    actions: &mut Vec<Action>,
) {
    let top = frame.visible.y(row);
    let rect = Rect::from_min_size(
        pos2(frame.body.left(), top),
        vec2(frame.body.width(), LADDER_ROW_POINTS),
    );
    let seen = rect.intersect(frame.body);
    let response = ui.interact(seen, list.id.with(row), Sense::CLICK);
    let name = match item {
        LadderItem::Arrow(arrow) => format!("{} #{}", arrow.label, arrow.message),
        LadderItem::Bar(_) | LadderItem::Break(_) => item.label().to_owned(),
    };
    response.widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, selected, &name));
    if response.clicked() {
        list.request_focus();
        match item {
            LadderItem::Arrow(arrow) => {
                state.bar = None;
                actions.push(Action::SelectMessage(arrow.message));
            }
            LadderItem::Bar(bar) => state.bar = Some(bar.row),
            LadderItem::Break(_) => {}
        }
    }
    if response.double_clicked() {
        actions.push(Action::FocusPanel(PanelName::Tree));
    }
    let painter = ui.painter_at(frame.body);
    let theme = ctx.theme;
    if selected {
        painter.rect_filled(rect, 0, theme.selected);
        if list.has_focus() {
            painter.rect_filled(rect.with_max_x(rect.left() + 3.0), 0, theme.selected_text);
        }
    } else if response.hovered() {
        painter.rect_filled(rect, 0, theme.hovered);
    }
    let ground = match (selected, response.hovered()) {
        (true, _) => theme.selected,
        (_, true) => theme.hovered,
        _ => theme.ground,
    };
    let elided = match item {
        LadderItem::Arrow(arrow) => {
            paint_arrow(&painter, theme, frame, arrow, rect, (selected, ground))
        }
        LadderItem::Bar(bar) => paint_bar(&painter, theme, frame, bar, rect, selected),
        LadderItem::Break(_) => false,
    };
    let text = ctx.time_words(item.time());
    let colour = if selected {
        theme.selected_text
    } else {
        theme.faint
    };
    // The time stays while lanes are moved aside.
    let column = rect.with_max_x(rect.left() + frame.time_points - 4.0);
    if frame.left > 0.0 {
        let focus_bar = if selected && list.has_focus() {
            3.0
        } else {
            0.0
        };
        painter.rect_filled(column.with_min_x(column.left() + focus_bar), 0, ground);
    }
    let at = pos2(rect.left() + 6.0, rect.center().y);
    painter.text(at, Align2::LEFT_CENTER, text, frame.font.clone(), colour);
    if response.hovered() {
        hover(ctx, item, elided, response);
    }
}

fn hover(ctx: &PanelCtx<'_>, item: &LadderItem, elided: bool, response: egui::Response) {
    let mut lines: Vec<String> = Vec::new();
    if let LadderItem::Arrow(arrow) = item {
        let Some(line) = rows::MessageLine::of(ctx.view, arrow.message) else {
            return;
        };
        lines.push(if elided {
            arrow.label.clone()
        } else {
            line.label.clone()
        });
        if let (Some(from), Some(to)) = (line.source, line.destination) {
            let transport = line.transport.map(|t| t.name()).unwrap_or_default();
            lines.push(format!("{from} to {to}, {transport}"));
        }
        if let Some(delta) = line.delta {
            lines.push(format!(
                "{} after the message before it",
                rows::duration_words(delta)
            ));
        }
        if !line.info.is_empty() {
            lines.push(line.info);
        }
        if arrow.fork > 0 {
            let tag = ctx
                .view
                .message(arrow.message)
                .and_then(|row| ctx.view.parties(row).to_tag);
            let tag = ctx.view.texts().opt(tag).unwrap_or_default();
            lines.push(format!("Another dialog of this call, To tag {tag}"));
        }
    } else {
        lines.push(item.label().to_owned());
    }
    response.on_hover_text_at_pointer(lines.join("\n"));
}

fn arrow_colour(theme: &Theme, class: ArrowClass, selected: bool) -> Color32 {
    if selected {
        theme.selected_text
    } else {
        theme.message(class)
    }
}

/// Paints an arrow with its label; true when the label does not fit.
fn paint_arrow(
    painter: &egui::Painter,
    theme: &Theme,
    frame: &Frame,
    arrow: &Arrow,
    rect: Rect,
    (selected, ground): (bool, Color32),
) -> bool {
    let colour = arrow_colour(theme, arrow.class, selected);
    let width = match (arrow.retransmission || arrow.copy, arrow.class) {
        (true, _) | (_, ArrowClass::Ack) => 1.0,
        _ => 1.6,
    };
    let stroke = Stroke::new(width, colour);
    let y = rect.bottom() - 5.5;
    let (from, to) = (frame.x(arrow.from), frame.x(arrow.to));
    if arrow.from == arrow.to {
        return paint_loop(painter, frame, arrow, rect, from, stroke, colour);
    }
    let toward = (to - from).signum();
    let tip = pos2(to - toward, y);
    let neck = pos2(tip.x - toward * ARROW_HEAD_POINTS * 0.8, y);
    line(painter, pos2(from, y), neck, stroke, Dash::of(arrow));
    painter.circle_filled(pos2(from, y), 2.0, colour);
    paint_head(painter, tip, toward, colour, arrow);
    let (left, right) = (from.min(to) + 6.0, from.max(to) - 6.0);
    // Lanes between sender and receiver would run through the letters.
    let ground = (arrow.from.abs_diff(arrow.to) > 1).then_some(ground);
    label(
        painter,
        frame,
        &arrow.label,
        rect,
        (left, right),
        colour,
        ground,
    )
}

/// Puts a label above its line; true when it does not fit.
fn label(
    painter: &egui::Painter,
    frame: &Frame,
    text: &str,
    rect: Rect,
    (left, right): (f32, f32),
    colour: Color32,
    ground: Option<Color32>,
) -> bool {
    let job = one_line(text, frame.font.clone(), colour, right - left);
    let galley = painter.layout_job(job);
    let elided = galley.elided;
    let x = (left + right - galley.size().x) / 2.0;
    let at = pos2(x, rect.bottom() - 7.5 - galley.size().y);
    if let Some(ground) = ground {
        let behind = Rect::from_min_size(at, galley.size()).expand2(vec2(3.0, -1.0));
        painter.rect_filled(behind, 0, ground);
    }
    painter.galley(at, galley, colour);
    elided
}

fn paint_loop(
    painter: &egui::Painter,
    frame: &Frame,
    arrow: &Arrow,
    rect: Rect,
    x: f32,
    stroke: Stroke,
    colour: Color32,
) -> bool {
    let (top, bottom) = (rect.top() + 6.0, rect.bottom() - 5.5);
    // The last lane has no room at its right.
    let last = x + frame.gap > frame.body.right();
    let side = if last { -1.0 } else { 1.0 };
    let out = x + side * 26.0;
    let dash = Dash::of(arrow);
    line(painter, pos2(x, top), pos2(out, top), stroke, dash);
    line(painter, pos2(out, top), pos2(out, bottom), stroke, dash);
    line(
        painter,
        pos2(out, bottom),
        pos2(x + side * ARROW_HEAD_POINTS * 0.8, bottom),
        stroke,
        dash,
    );
    paint_head(painter, pos2(x + side, bottom), -side, colour, arrow);
    let room = frame.gap - 44.0;
    let galley = painter.layout_job(one_line(&arrow.label, frame.font.clone(), colour, room));
    let elided = galley.elided;
    let from = if last {
        out - 6.0 - galley.size().x
    } else {
        out + 6.0
    };
    painter.galley(
        pos2(from, rect.center().y - galley.size().y / 2.0),
        galley,
        colour,
    );
    elided
}

/// How a line is drawn: classes differ without colour too.
#[derive(Clone, Copy, PartialEq)]
enum Dash {
    Solid,
    Dashed,
    Dotted,
}

impl Dash {
    fn of(arrow: &Arrow) -> Self {
        match (arrow.retransmission || arrow.copy, arrow.class) {
            (true, _) => Self::Dotted,
            (false, ArrowClass::Provisional) => Self::Dashed,
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
    match dash {
        Dash::Solid => drop(painter.line_segment([from, to], stroke)),
        Dash::Dashed => painter.extend(Shape::dashed_line(&[from, to], stroke, 7.0, 4.0)),
        Dash::Dotted => painter.extend(Shape::dashed_line(&[from, to], stroke, 2.0, 3.0)),
    }
}

/// Requests and final responses have a filled head, provisional ones an open one.
fn paint_head(painter: &egui::Painter, tip: Pos2, toward: f32, colour: Color32, arrow: &Arrow) {
    let back = tip.x - toward * ARROW_HEAD_POINTS;
    let half = ARROW_HEAD_POINTS * 0.5;
    let (up, down) = (pos2(back, tip.y - half), pos2(back, tip.y + half));
    let open = matches!(arrow.class, ArrowClass::Provisional | ArrowClass::Ack);
    if open {
        let stroke = Stroke::new(1.4, colour);
        painter.line_segment([up, tip], stroke);
        painter.line_segment([down, tip], stroke);
        painter.line_segment([pos2(back, tip.y), tip], Stroke::new(1.0, colour));
    } else {
        painter.add(Shape::convex_polygon(
            vec![tip, up, down],
            colour,
            Stroke::NONE,
        ));
    }
    if matches!(arrow.class, ArrowClass::Failure) && !arrow.retransmission {
        // A bar behind the head: a failure is seen without its colour.
        let x = back - toward * 3.0;
        painter.vline(x, tip.y - half..=tip.y + half, Stroke::new(1.6, colour));
    }
}

/// Paints media as a bar; true when its label does not fit.
fn paint_bar(
    painter: &egui::Painter,
    theme: &Theme,
    frame: &Frame,
    bar: &Bar,
    rect: Rect,
    selected: bool,
) -> bool {
    let (from, to) = (frame.x(bar.from), frame.x(bar.to));
    let missing = bar.packets == 0 && !frame.silent;
    let colour = match (selected, missing) {
        (true, _) => theme.selected_text,
        (_, true) => theme.failure,
        _ => theme.text,
    };
    let toward = if to >= from { 1.0 } else { -1.0 };
    let (left, right) = (
        from.min(to) + 3.0,
        from.max(to).max(from.min(to) + 40.0) - 3.0,
    );
    let place = Rect::from_min_max(
        pos2(left, rect.top() + 3.0),
        pos2(right, rect.bottom() - 3.0),
    );
    let ground = match (missing, bar.packets) {
        (true, _) => theme.alert_ground,
        (false, 0) => theme.ground,
        (false, _) => theme.pointed,
    };
    painter.rect(
        place,
        3,
        if selected { theme.selected } else { ground },
        Stroke::new(1.0, if missing { theme.failure } else { theme.lane }),
        egui::StrokeKind::Inside,
    );
    let x = if toward > 0.0 {
        place.right() - 3.0
    } else {
        place.left() + 3.0
    };
    let tip = pos2(x, place.center().y);
    let back = tip.x - toward * ARROW_HEAD_POINTS;
    let points = vec![tip, pos2(back, tip.y - 4.0), pos2(back, tip.y + 4.0)];
    painter.add(Shape::convex_polygon(points, colour, Stroke::NONE));
    let room = place.width() - 2.0 * ARROW_HEAD_POINTS - 10.0;
    let galley = painter.layout_job(one_line(&bar.label, frame.font.clone(), colour, room));
    let elided = galley.elided;
    let at = Align2::CENTER_CENTER.anchor_size(place.center(), galley.size());
    painter.galley(at.min, galley, colour);
    elided
}
