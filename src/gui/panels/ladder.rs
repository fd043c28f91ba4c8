//! The ladder of one or several calls: painter of [`present::ladder`](crate::present::ladder).
//!
//! Rows have one height, so what is seen follows from a division, and a ladder of any length costs
//! what fits on the screen.

mod heads;
mod paint;

use egui::accesskit::Role;
use egui::{FontId, Key, Modifiers, Rect, Sense, Stroke, TextStyle, Ui, WidgetInfo, pos2, vec2};

use super::empty_ui;
use super::row_menu::message_menu_ui;
use crate::gui::action::{Action, PanelName};
use crate::gui::call_view::{CallDetail, CallStamp};
use crate::gui::panel_ctx::PanelCtx;
use crate::gui::theme::{LADDER_ROW_POINTS, LANE_GAP_POINTS};
use crate::gui::widgets::scroll::{BAR_POINTS, Scroll, Visible, body_of, move_cursor};
use crate::index::ids::{CallId, MessageId};
use crate::index::message_store::Repeat;
use crate::present::ladder::arrangement::{Change, LaneKey};
use crate::present::ladder::{Arrow, Ladder, LadderItem};
use crate::present::{rows, text};

/// Height of the heads of lanes.
const HEAD_POINTS: f32 = 40.0;
/// Where every row counts they have one line.
const LOW_HEAD_POINTS: f32 = 24.0;
/// Ladders lower than this have such heads.
const LOW_POINTS: f32 = 190.0;
/// Room for the button beside the time in such a head.
const LOW_BUTTON_POINTS: f32 = 22.0;
/// Points between the time and the first lane, and behind the last one.
const SIDE_POINTS: f32 = 60.0;
/// The same where that brings all lanes into sight.
const TIGHT_SIDE_POINTS: f32 = 44.0;
const NARROWEST_GAP: f32 = 110.0;
const WIDEST_GAP: f32 = 420.0;
/// Most labels can still be read in a gap of that width.
const STILL_READ_GAP: f32 = 150.0;
/// Labels are their shorter forms there: methods and codes; the rest is in the tooltip.
const LEAST_READ_GAP: f32 = 72.0;
/// Messages with a value that are looked up for a folded row in one frame.
const MAX_CHECKED: usize = 500;
const SMALLEST_ZOOM: f32 = 0.5;
const LARGEST_ZOOM: f32 = 4.0;

/// What belongs to the ladder alone.
#[derive(Default)]
pub struct LadderState {
    scroll: Scroll,
    /// Logarithm of the zoom.
    zoom: f32,
    shown: Option<CallStamp>,
    /// The calls that are drawn.
    calls: Vec<CallId>,
    /// Selected message and its row.
    found: Option<(MessageId, usize)>,
    /// A row whose lanes are to be brought into view.
    aside: Option<usize>,
    /// Selected row that is no message.
    bar: Option<usize>,
    /// A lane that is being named.
    renaming: Option<(LaneKey, String)>,
}

/// Where lanes and rows stand in this frame.
struct Frame<'a> {
    call: &'a CallDetail,
    body: Rect,
    head: Rect,
    left: f32,
    sizes: Sizes,
    visible: Visible,
}

impl Frame<'_> {
    fn x(&self, lane: usize) -> f32 {
        let x = self.sizes.lanes.get(lane).copied().unwrap_or(SIDE_POINTS);
        self.body.left() - self.left + self.sizes.time_points + x
    }

    fn ladder(&self) -> &Ladder {
        &self.call.ladder
    }
}

/// The ladder of the marked calls and the selected one.
pub fn ladder_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    state: &mut LadderState,
    actions: &mut Vec<Action>,
) {
    let Some(call) = ctx.call.filter(|call| is_drawn(&call.ladder)) else {
        let text = match (ctx.selection.call, ctx.is_finished()) {
            (_, false) => ctx.capture.waiting_words(),
            (None, true) if ctx.view.messages().is_empty() => "No messages",
            (None, true) => "Select a call to see its ladder",
            (Some(_), true) => "Nothing to draw for this call",
        };
        return empty_ui(ui, ctx.theme, text);
    };
    let ladder = &call.ladder;
    let rows = ladder.items.len() as u64;
    let selected = selected_row(ctx, state, call);
    let mut all = ui.available_rect_before_wrap();
    ui.advance_cursor_after_rect(all);
    all.min.y += left_out_ui(ctx, ui, all, ladder, actions);
    let low = all.height() < LOW_POINTS;
    let head_points = if low { LOW_HEAD_POINTS } else { HEAD_POINTS };
    let head = all.with_max_y((all.top() + head_points).min(all.bottom()));
    let below = all.with_min_y(head.bottom());
    zoom(ui, state, below);
    let sizes = Sizes::of(ctx, ui, ladder, (state.zoom.exp(), low), all.width());
    let row_points = sizes.row_points;
    let body = body_of(below, rows, row_points, sizes.content_points);
    let list = ui.interact(body, PanelName::Messages.id(), Sense::click());
    list.widget_info(|| WidgetInfo::labeled(Role::ListBox, true, "Ladder"));
    state.scroll.grows = ctx.capture.grows();
    let visible = state.scroll.update(ui, list.id, body, rows, row_points);
    if let Some(row) = state.aside.take() {
        bring_aside(&mut state.scroll, ladder, row, &sizes, body.width());
    }
    let left = state
        .scroll
        .sideways(ui, list.id, body, sizes.content_points);
    let frame = Frame {
        call,
        body,
        head,
        left,
        sizes,
        visible,
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
        let Some(item) = item_at(ladder, row) else {
            break;
        };
        let is_selected = selected == Some(row);
        row_ui(
            ctx,
            ui,
            &frame,
            item,
            (row, is_selected),
            &list,
            state,
            actions,
        );
    }
    heads::heads_ui(ctx, ui, &frame, state, actions);
    let page = ((body.height() / row_points) as u64).saturating_sub(1);
    if let Some(row) = move_cursor(ui, &list, selected, rows, page) {
        let row = past_break(ladder, selected, row);
        state.scroll.reveal(row);
        choose(ladder, row, state, actions);
    }
    keys(ui, &list, ladder, selected, actions);
}

/// There is something to see, or something that a person has hidden.
fn is_drawn(ladder: &Ladder) -> bool {
    !ladder.items.is_empty() || ladder.hidden > 0
}

fn item_at(ladder: &Ladder, row: u64) -> Option<&LadderItem> {
    ladder.items.get(usize::try_from(row).ok()?)
}

/// A line that says what is not drawn; gives its height.
fn left_out_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    all: Rect,
    ladder: &Ladder,
    actions: &mut Vec<Action>,
) -> f32 {
    let counted = |count: usize| rows::counted(count as u64, "message", "messages");
    let mut words = Vec::new();
    if ctx.ladder.arrangement().hides() {
        words.push(format!(
            "{} of hidden lanes not drawn",
            counted(ladder.hidden)
        ));
    }
    if ladder.beyond > 0 {
        words.push(format!(
            "{} beyond the limit of one ladder not drawn",
            counted(ladder.beyond)
        ));
    }
    if words.is_empty() {
        return 0.0;
    }
    let height = ui.text_style_height(&TextStyle::Body) + 10.0;
    let place = all.with_max_y(all.top() + height);
    ui.painter().rect_filled(place, 0, ctx.theme.alert_ground);
    let builder = egui::UiBuilder::new()
        .max_rect(place.shrink2(vec2(8.0, 2.0)))
        .layout(egui::Layout::left_to_right(egui::Align::Center));
    ui.scope_builder(builder, |ui| {
        ui.add(egui::Label::new(words.join("; ")).truncate());
        if ctx.ladder.arrangement().hides() && ui.button("Show all lanes").clicked() {
            actions.push(Action::Arrange(Change::ShowAll));
        }
    });
    height
}

/// Ctrl and the wheel change the size; what is under the pointer stays there.
fn zoom(ui: &Ui, state: &mut LadderState, body: Rect) {
    let pointer = ui.input(|input| input.pointer.hover_pos());
    let Some(pointer) = pointer.filter(|_| ui.rect_contains_pointer(body)) else {
        return;
    };
    let factor = ui.input(egui::InputState::zoom_delta);
    if factor == 1.0 || !factor.is_finite() || factor <= 0.0 {
        return;
    }
    let row_points = |zoom: f32| f64::from(row_points(zoom.exp()));
    let before = state.zoom;
    state.zoom = (before + factor.ln()).clamp(SMALLEST_ZOOM.ln(), LARGEST_ZOOM.ln());
    let down = f64::from(pointer.y - body.top());
    state.scroll.top += down / row_points(before) - down / row_points(state.zoom);
    let grown = (state.zoom - before).exp();
    let across = pointer.x - body.left();
    state.scroll.left = (state.scroll.left + across) * grown - across;
}

fn row_points(zoom: f32) -> f32 {
    (LADDER_ROW_POINTS * zoom).round()
}

/// A break is nothing to select: the cursor goes on in its direction.
fn past_break(ladder: &Ladder, from: Option<u64>, to: u64) -> u64 {
    let is_break = |row: u64| matches!(item_at(ladder, row), Some(LadderItem::Break(_)));
    if !is_break(to) {
        return to;
    }
    // There is a message on both sides of every break.
    match from {
        Some(from) if from > to => to.saturating_sub(1),
        _ => to.saturating_add(1),
    }
}

/// Enter opens the message or the fold, left and right close and open folds.
fn keys(
    ui: &mut Ui,
    list: &egui::Response,
    ladder: &Ladder,
    selected: Option<u64>,
    actions: &mut Vec<Action>,
) {
    if !list.has_focus() {
        return;
    }
    let filter = egui::EventFilter {
        vertical_arrows: true,
        horizontal_arrows: true,
        ..egui::EventFilter::default()
    };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(list.id, filter));
    let arrow = match selected.and_then(|row| item_at(ladder, row)) {
        Some(LadderItem::Arrow(arrow)) => Some(arrow),
        _ => None,
    };
    let closed = arrow.and_then(|a| a.fold.filter(|fold| !fold.open).map(|fold| fold.of));
    let open = arrow.and_then(|arrow| match arrow.repeat {
        Repeat::Retransmission(of, _) if closed.is_none() => Some(of),
        _ => None,
    });
    let open = open.filter(|of| {
        let mut items = ladder.items.iter();
        items.any(|item| {
            matches!(item, LadderItem::Arrow(a) if a.fold.is_some_and(|f| f.of == *of && f.open))
        })
    });
    ui.input_mut(|input| {
        let mut key = |key: Key, fold: Option<MessageId>| {
            if fold.is_some() && input.consume_key(Modifiers::NONE, key) {
                actions.extend(fold.map(|of| Action::Arrange(Change::Fold(of))));
            }
        };
        key(Key::ArrowRight, closed);
        key(Key::ArrowLeft, open);
        key(Key::Enter, closed);
        if input.consume_key(Modifiers::NONE, Key::Enter) {
            actions.push(Action::FocusPanel(PanelName::Tree));
        }
    });
}

fn choose(ladder: &Ladder, row: u64, state: &mut LadderState, actions: &mut Vec<Action>) {
    let Ok(at) = usize::try_from(row) else {
        return;
    };
    state.scroll.chosen(row, ladder.items.len() as u64);
    match ladder.items.get(at) {
        Some(LadderItem::Arrow(arrow)) => {
            state.bar = None;
            state.found = Some((arrow.message, at));
            state.aside = Some(at);
            actions.push(Action::SelectMessage(arrow.message));
        }
        Some(LadderItem::Bar(bar)) => {
            state.bar = Some(at);
            let label = [bar.label.clone()].into_iter();
            actions.push(Action::ShowMedia(
                label.chain(bar.streams.iter().cloned()).collect(),
            ));
        }
        Some(LadderItem::Break(_)) | None => {}
    }
}

fn selected_row(ctx: &PanelCtx<'_>, state: &mut LadderState, call: &CallDetail) -> Option<u64> {
    let ladder = &call.ladder;
    if state.shown != Some(call.stamp) {
        let same = state.shown.is_some_and(|s| s.capture == call.stamp.capture)
            && state.calls.iter().any(|c| ladder.calls.contains(c));
        if !same {
            state.scroll = Scroll::default();
            state.bar = None;
        }
        state.shown = Some(call.stamp);
        state.calls.clone_from(&ladder.calls);
        // The rows may be others now.
        state.bar = state
            .bar
            .filter(|at| matches!(ladder.items.get(*at), Some(LadderItem::Bar(_))));
        state.found = state
            .found
            .filter(|_| same)
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
fn bring_aside(scroll: &mut Scroll, ladder: &Ladder, row: usize, sizes: &Sizes, width: f32) {
    let Some((from, to)) = ladder.items.get(row).and_then(LadderItem::lanes) else {
        return;
    };
    let x = |lane: usize| sizes.lanes.get(lane).copied().unwrap_or(SIDE_POINTS);
    // Measured from where the times end: they do not move.
    let room = width - sizes.time_points;
    let (first, last) = (x(from.min(to)) - 24.0, x(from.max(to)) + 24.0);
    scroll.left = scroll.left.max(last - room).min(first).max(0.0);
}

/// Sizes that do not change while the ladder is scrolled.
struct Sizes {
    /// Of labels and times.
    font: FontId,
    /// Of heads, which do not grow.
    head_font: FontId,
    row_points: f32,
    /// Heads have one line.
    low: bool,
    time_points: f32,
    /// Distance of each lane from where the times end.
    lanes: Vec<f32>,
    content_points: f32,
}

impl Sizes {
    fn of(
        ctx: &PanelCtx<'_>,
        ui: &Ui,
        ladder: &Ladder,
        (zoom, low): (f32, bool),
        width: f32,
    ) -> Self {
        let head_font = TextStyle::Body.resolve(ui.style());
        let font = FontId::new((head_font.size * zoom).max(5.0), head_font.family.clone());
        let length = |words: &str, font: &FontId| {
            let words = words.to_owned();
            let galley = ui
                .painter()
                .layout_no_wrap(words, font.clone(), ctx.theme.faint);
            galley.size().x
        };
        let sample = ctx.time_words(ladder.items.last().map_or(0, LadderItem::time));
        let button = if low { LOW_BUTTON_POINTS } else { 0.0 };
        let head = length(ctx.time_head(), &head_font) + button;
        let time_points = length(&sample, &font).max(head) + 16.0;
        // Labels are not cut where there is a way around it.
        let letter = length("re-INVITE (hold) 200 OK", &font) / 23.0;
        let wish = |letters: usize| {
            (letters as f32 * letter + 34.0 * zoom)
                .clamp(NARROWEST_GAP * zoom.min(1.0), WIDEST_GAP * zoom.max(1.0))
        };
        let mut gaps: Vec<f32> = ladder.gaps.iter().map(|letters| wish(*letters)).collect();
        // A point less, so that no rounding makes it scroll.
        let room = |side: f32| width - BAR_POINTS - time_points - 2.0 * side - 1.0;
        let side = [
            (SIDE_POINTS, STILL_READ_GAP),
            (TIGHT_SIDE_POINTS, STILL_READ_GAP),
            (TIGHT_SIDE_POINTS, LEAST_READ_GAP),
        ]
        .into_iter()
        .find(|(side, least)| shrink(&mut gaps, room(*side), least * zoom))
        .map(|(side, _)| side);
        let in_sight = side.is_some();
        let side = side.unwrap_or(SIDE_POINTS);
        let all = room(side);
        if !in_sight {
            // Not all of them at once, but as many as are read with ease.
            for gap in &mut gaps {
                *gap = gap.min(STILL_READ_GAP * zoom);
            }
        }
        let needed: f32 = gaps.iter().sum();
        // What is left is shared out, up to a distance at which an eye still follows a line.
        let more = (all - needed) / gaps.len().max(1) as f32;
        if more > 0.0 {
            for gap in &mut gaps {
                *gap = (*gap + more).min((LANE_GAP_POINTS * 2.0 * zoom.max(1.0)).max(*gap));
            }
        }
        let mut at = side;
        let mut lanes = Vec::with_capacity(ladder.lanes.len());
        for lane in 0..ladder.lanes.len() {
            lanes.push(at);
            at += gaps.get(lane).copied().unwrap_or(0.0);
        }
        Self {
            font,
            head_font,
            row_points: row_points(zoom),
            low,
            time_points,
            lanes,
            content_points: time_points + at + side,
        }
    }
}

/// Lanes out of sight are worse than labels that are cut: the widest gaps give way, down to `least`,
/// when that brings all lanes into sight: whether they are.
fn shrink(gaps: &mut [f32], room: f32, least: f32) -> bool {
    let needed = |most: f32| gaps.iter().map(|gap| gap.min(most)).sum::<f32>();
    if needed(f32::INFINITY) <= room || needed(least) > room {
        return needed(f32::INFINITY) <= room;
    }
    let (mut low, mut high) = (least, WIDEST_GAP * LARGEST_ZOOM);
    for _ in 0..20 {
        let middle = (low + high) / 2.0;
        if needed(middle) <= room {
            low = middle;
        } else {
            high = middle;
        }
    }
    for gap in gaps {
        *gap = gap.min(low);
    }
    true
}

#[allow(clippy::too_many_arguments)]
fn row_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    frame: &Frame<'_>,
    item: &LadderItem,
    (row, selected): (u64, bool),
    list: &egui::Response,
    state: &mut LadderState,
    actions: &mut Vec<Action>,
) {
    let rect = Rect::from_min_size(
        pos2(frame.body.left(), frame.visible.y(row)),
        vec2(frame.body.width(), frame.sizes.row_points),
    );
    if let LadderItem::Break(pause) = item {
        let response = ui.interact(rect.intersect(frame.body), list.id.with(row), Sense::HOVER);
        let name = format!("Pause of {}", pause.label);
        response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &name));
        return paint::pause(ctx, ui, frame, pause, rect);
    }
    let response = ui.interact(rect.intersect(frame.body), list.id.with(row), Sense::CLICK);
    response.widget_info(|| {
        let mut name = name_of(frame, item);
        if has_equal(ctx, frame, item) {
            name.push_str(", same value");
        }
        WidgetInfo::selected(Role::ListBoxOption, true, selected, name)
    });
    let fold = match item {
        LadderItem::Arrow(arrow) => arrow.fold,
        _ => None,
    };
    if response.clicked() {
        list.request_focus();
        choose(frame.ladder(), row, state, actions);
        let on_sign = response.interact_pointer_pos().is_some_and(|at| {
            paint::fold_sign(frame, rect, item).is_some_and(|sign| sign.contains(at))
        });
        if let Some(fold) = fold.filter(|fold| !fold.open || on_sign) {
            actions.push(Action::Arrange(Change::Fold(fold.of)));
        }
    } else if response.double_clicked() && fold.is_none() {
        actions.push(Action::FocusPanel(PanelName::Tree));
    }
    if let LadderItem::Arrow(arrow) = item {
        if response.secondary_clicked() {
            list.request_focus();
            choose(frame.ladder(), row, state, actions);
        }
        response.context_menu(|ui| message_menu_ui(ctx, ui, arrow.message, actions));
    }
    let hovered = response.hovered();
    let look = paint::Look {
        selected,
        hovered,
        focus: selected && list.has_focus(),
        equal: has_equal(ctx, frame, item),
    };
    let elided = paint::row(ctx, ui, frame, item, rect, look);
    let mut time = ctx.time_words(item.time());
    if hovered && let Some(before) = row.checked_sub(1).and_then(|r| item_at(frame.ladder(), r)) {
        // On hover the distance to what came before.
        time = text::delta(item.time().saturating_sub(before.until()));
    }
    paint::time(ctx, ui, frame, rect, &time, look);
    if hovered {
        hover(ctx, frame, item, elided, response);
    }
}

/// A message of this row has the value of the selected field.
fn has_equal(ctx: &PanelCtx<'_>, frame: &Frame<'_>, item: &LadderItem) -> bool {
    let LadderItem::Arrow(arrow) = item else {
        return false;
    };
    if ctx.has_equal(arrow.message) {
        return true;
    }
    // Of those that came again the first speaks for the others, but for a value of one of them.
    arrow.fold.is_some_and(|fold| !fold.open)
        && ctx.equal.is_some_and(|equal| {
            let rows = |id: &MessageId| frame.ladder().row_of(*id) == Some(arrow.row);
            equal.messages.len() > 1 && equal.messages.iter().take(MAX_CHECKED).any(rows)
        })
}

/// Name for screen readers and tests.
fn name_of(frame: &Frame<'_>, item: &LadderItem) -> String {
    let LadderItem::Arrow(arrow) = item else {
        return item.label().to_owned();
    };
    let mut name = format!("{} #{}", arrow.label, arrow.message);
    let notes = arrow.notes();
    if !notes.is_empty() {
        name.push_str(&format!(", {notes}"));
    }
    if frame.ladder().calls.len() > 1 {
        name.push_str(&format!(", call {}", arrow.call));
    }
    name
}

fn hover(
    ctx: &PanelCtx<'_>,
    frame: &Frame<'_>,
    item: &LadderItem,
    elided: bool,
    response: egui::Response,
) {
    let mut lines: Vec<String> = Vec::new();
    match item {
        LadderItem::Arrow(arrow) => arrow_words(ctx, frame, arrow, elided, &mut lines),
        LadderItem::Bar(bar) => {
            lines.push(bar.label.clone());
            if bar.end > bar.time {
                let length = text::length(bar.end.saturating_sub(bar.time));
                lines.push(format!("for {length}"));
            }
            lines.extend(bar.streams.iter().cloned());
        }
        LadderItem::Break(_) => {}
    }
    if !matches!(item, LadderItem::Break(_)) {
        lines.push(ctx.moment_words(item.time()));
    }
    let chosen = ctx.selection.message.and_then(|id| ctx.view.message(id));
    if let Some(chosen) = chosen.filter(|chosen| chosen.time != item.time()) {
        let delta = item.time().saturating_sub(chosen.time);
        let (length, side) = (text::length(delta.saturating_abs()), delta > 0);
        let side = if side { "after" } else { "before" };
        lines.push(format!("{length} {side} the selected message"));
    }
    response.on_hover_text_at_pointer(lines.join("\n"));
}

fn arrow_words(
    ctx: &PanelCtx<'_>,
    frame: &Frame<'_>,
    arrow: &Arrow,
    elided: bool,
    lines: &mut Vec<String>,
) {
    let Some(line) = rows::MessageLine::of(ctx.view, arrow.message) else {
        return;
    };
    lines.push(if elided {
        arrow.label.clone()
    } else {
        line.label.clone()
    });
    if !arrow.note.is_empty() {
        lines.push(rows::sentence(&arrow.note));
    }
    if let Some(words) = ctx.ladder.arrangement().note(arrow.message) {
        lines.push(format!("Note: {words}"));
    }
    if let Some(fold) = arrow.fold {
        lines.push(match fold.open {
            false => "Click shows each of them".to_owned(),
            true => "Click on the triangle folds them".to_owned(),
        });
    }
    if let (Some(from), Some(to)) = (line.source, line.destination) {
        let transport = line.transport.map(|t| t.name()).unwrap_or_default();
        let (from, to) = (ctx.view.end_words(from), ctx.view.end_words(to));
        lines.push(format!("{from} to {to}, {transport}"));
    }
    if let Some(delta) = line.delta {
        let length = text::length(delta);
        lines.push(format!("{length} after the message before it"));
    }
    if !line.info.is_empty() {
        lines.push(line.info);
    }
    if arrow.fork > 0 {
        let row = ctx.view.message(arrow.message);
        let tag = row.and_then(|row| ctx.view.parties(row).to_tag);
        let tag = ctx.view.texts().opt(tag).unwrap_or_default();
        lines.push(format!("Another dialog of this call, To tag {tag}"));
    }
    if frame.ladder().calls.len() > 1 {
        lines.push(format!("Call {}", arrow.call));
    }
}
