//! The heads of the lanes, which stay while the rows are scrolled: names, menus, moving by hand.

use egui::accesskit::Role;
use egui::{Align2, Color32, Key, Rect, Sense, Stroke, TextEdit, Ui, WidgetInfo, pos2, vec2};

use super::{Frame, LOW_BUTTON_POINTS, LadderState};
use crate::gui::action::{Action, PanelName};
use crate::gui::command::by_id;
use crate::gui::panel_ctx::PanelCtx;
use crate::gui::widgets::row_view::one_line;
use crate::present::ladder::arrangement::{Change, LaneKey};
use crate::present::ladder::{Ladder, Lane};

/// Titles of heads of which less is seen are left out.
const LEAST_TITLE_POINTS: f32 = 36.0;
/// Letters of the longest address that is shortened from its beginning.
const MAX_ADDRESS: usize = 64;
/// Lanes offered in a menu; with more one drags.
const MAX_OFFERED: usize = 40;

/// Paints the heads.
pub(super) fn heads_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    frame: &Frame<'_>,
    state: &mut LadderState,
    actions: &mut Vec<Action>,
) {
    let painter = ui.painter_at(frame.head);
    painter.rect_filled(frame.head, 0, ctx.theme.head);
    painter.hline(
        frame.head.x_range(),
        frame.head.bottom() - 0.5,
        Stroke::new(1.0, ctx.theme.line),
    );
    let times_end = frame.head.left() + frame.sizes.time_points - 4.0;
    let lanes = &frame.ladder().lanes;
    let mut dragged = None;
    for (at, lane) in lanes.iter().enumerate() {
        let place = place_of(frame, at);
        let mut seen = place.intersect(frame.head);
        seen.min.x = seen.min.x.max(times_end);
        if !seen.is_positive() {
            continue;
        }
        if state
            .renaming
            .as_ref()
            .is_some_and(|(key, _)| *key == lane.key)
        {
            rename_ui(ui, seen, lane, state, actions);
            continue;
        }
        let id = PanelName::Messages.id().with(("lane", lane.key));
        let response = ui.interact(seen, id, Sense::CLICK | Sense::DRAG);
        let name = format!("Lane {}", lane.title);
        response.widget_info(|| WidgetInfo::labeled(Role::ColumnHeader, true, &name));
        if response.hovered() || response.has_focus() {
            painter.rect_filled(seen, 3, ctx.theme.hovered);
        }
        title(ctx, frame, &painter, lane, seen, frame.x(at));
        response.context_menu(|ui| menu_ui(ctx, ui, frame.ladder(), at, state, actions));
        if response.double_clicked() {
            state.renaming = Some((lane.key, lane.title.clone()));
        }
        if response.dragged() {
            dragged = response
                .interact_pointer_pos()
                .map(|pointer| (at, pointer.x));
            ui.ctx().set_cursor_icon(egui::CursorIcon::Grabbing);
        }
        if response.drag_stopped()
            && let Some(pointer) = response.interact_pointer_pos()
        {
            let to = target(frame, pointer.x);
            actions.extend(moved(lanes, at, to));
        }
        let mut ends: Vec<String> = vec![lane.title.clone()];
        ends.extend(lane.endpoints.iter().take(12).map(ToString::to_string));
        if lane.endpoints.len() > 12 {
            ends.push(format!("and {} more", lane.endpoints.len() - 12));
        }
        response.on_hover_text(ends.join("\n"));
    }
    if let Some((at, x)) = dragged {
        drag_ui(ctx, ui, frame, at, x);
    }
    corner_ui(ctx, ui, frame, times_end, state, actions);
}

fn place_of(frame: &Frame<'_>, lane: usize) -> Rect {
    let x = frame.x(lane);
    let half = |other: Option<usize>| {
        let other = other.filter(|other| *other < frame.ladder().lanes.len());
        other.map_or(super::SIDE_POINTS * 1.6, |other| {
            (frame.x(other) - x).abs() / 2.0
        })
    };
    let (left, right) = (half(lane.checked_sub(1)), half(lane.checked_add(1)));
    let (left, right) = ((left - 4.0).max(12.0), (right - 4.0).max(12.0));
    Rect::from_x_y_ranges(x - left..=x + right, frame.head.y_range())
}

/// Title, and below it the address.
fn title(
    ctx: &PanelCtx<'_>,
    frame: &Frame<'_>,
    painter: &egui::Painter,
    lane: &Lane,
    seen: Rect,
    x: f32,
) {
    if seen.width() < LEAST_TITLE_POINTS {
        // One letter and dots say less than nothing; the tooltip has it all.
        return;
    }
    let clipped = painter.with_clip_rect(seen);
    let line = |text: &str, is_address: bool, y: f32, colour: Color32| {
        let font = frame.sizes.head_font.clone();
        let fit = |text: &str| {
            let job = one_line(text, font.clone(), colour, seen.width());
            clipped.layout_job(job)
        };
        let mut galley = fit(text);
        if is_address && galley.elided {
            // Addresses of one network differ at their end.
            let ends = text.char_indices().skip(1).take(MAX_ADDRESS);
            let ends = ends.filter_map(|(at, _)| text.get(at..));
            let whole = ends.map(|end| fit(&format!("…{end}")));
            galley = whole.into_iter().find(|g| !g.elided).unwrap_or(galley);
        }
        let half = galley.size().x / 2.0;
        // A text that would begin behind the edge moves into what is seen.
        let from = (x - half).min(seen.right() - 2.0 * half).max(seen.left());
        clipped.galley(pos2(from, y - galley.size().y / 2.0), galley, colour);
    };
    let (top, height) = (frame.head.top(), frame.head.height());
    let alone = lane.title == lane.address;
    if alone || frame.sizes.low {
        line(&lane.title, alone, top + height * 0.5, ctx.theme.text);
    } else {
        line(&lane.title, false, top + height * 0.27, ctx.theme.text);
        line(&lane.address, true, top + height * 0.72, ctx.theme.faint);
    }
}

fn rename_ui(
    ui: &mut Ui,
    place: Rect,
    lane: &Lane,
    state: &mut LadderState,
    actions: &mut Vec<Action>,
) {
    let Some((_, name)) = &mut state.renaming else {
        return;
    };
    let id = PanelName::Messages.id().with("rename");
    let label = ui.interact(place, id.with("label"), Sense::HOVER);
    label.widget_info(|| WidgetInfo::labeled(Role::Label, true, "Name of the lane"));
    let edit = TextEdit::singleline(name)
        .id(id)
        .hint_text(&lane.address)
        .desired_width(place.width());
    let builder = egui::UiBuilder::new().max_rect(place.shrink2(vec2(2.0, 8.0)));
    let response = ui.scope_builder(builder, |ui| ui.add(edit)).inner;
    let response = response.labelled_by(label.id);
    let (enter, escape) = ui.input(|i| (i.key_pressed(Key::Enter), i.key_pressed(Key::Escape)));
    if escape {
        state.renaming = None;
    } else if response.lost_focus() || enter && response.has_focus() {
        let name = name.trim();
        // The name that stood there is not one that somebody gave.
        let name = if name == lane.address { "" } else { name };
        if name != lane.title {
            actions.push(Action::Arrange(Change::Rename(lane.key, name.to_owned())));
        }
        state.renaming = None;
    } else if !response.has_focus() {
        response.request_focus();
        // What is typed takes the place of the title that stands there.
        let all = egui::text::CCursorRange::two(
            egui::text::CCursor::default(),
            egui::text::CCursor::new(name.chars().count()),
        );
        let mut field = egui::text_edit::TextEditState::load(ui.ctx(), id).unwrap_or_default();
        field.cursor.set_char_range(Some(all));
        field.store(ui.ctx(), id);
    }
}

fn menu_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    ladder: &Ladder,
    at: usize,
    state: &mut LadderState,
    actions: &mut Vec<Action>,
) {
    let Some(lane) = ladder.lanes.get(at) else {
        return;
    };
    let key = lane.key;
    if ui.button("Rename…").clicked() {
        state.renaming = Some((key, lane.title.clone()));
        ui.close();
    }
    let mut item = |ui: &mut Ui, words: &str, change: Option<Change>| {
        if ui
            .add_enabled(change.is_some(), egui::Button::new(words))
            .clicked()
        {
            actions.extend(change.map(Action::Arrange));
            ui.close();
        }
    };
    let several = ladder.lanes.len() > 1;
    item(ui, "Hide lane", several.then_some(Change::Hide(key)));
    ui.add_enabled_ui(several, |ui| {
        ui.menu_button("Merge into", |ui| {
            let others = ladder.lanes.iter().filter(|other| other.key != key);
            for other in others.take(MAX_OFFERED) {
                let words = match other.title == other.address {
                    true => other.title.clone(),
                    false => format!("{} ({})", other.title, other.address),
                };
                item(ui, &words, Some(Change::Merge(key, other.key)));
            }
        });
    });
    let ports = ladder_ports(lane);
    let can_split = ports > 1 && key.port.is_none();
    item(
        ui,
        "Split by port",
        can_split.then_some(Change::Split(key.ip)),
    );
    let joined = ctx.ladder.arrangement().is_changed(key.ip);
    item(
        ui,
        "Lanes of this address as captured",
        joined.then_some(Change::Join(key.ip)),
    );
    ui.separator();
    for (words, to) in [
        ("Move left", at.checked_sub(1)),
        (
            "Move right",
            Some(at + 1).filter(|to| *to < ladder.lanes.len()),
        ),
    ] {
        let change = to.and_then(|to| order(&ladder.lanes, at, to));
        item(ui, words, change);
    }
    ui.separator();
    if ui.button("Copy address").clicked() {
        ui.ctx().copy_text(lane.address.clone());
        ui.close();
    }
    lanes_menu_ui(ctx, ui, actions);
}

/// Ports seen in a lane.
fn ladder_ports(lane: &Lane) -> usize {
    let mut ports: Vec<u16> = lane.endpoints.iter().map(|end| end.port).collect();
    ports.sort_unstable();
    ports.dedup();
    ports.len()
}

/// What concerns all lanes.
fn lanes_menu_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, actions: &mut Vec<Action>) {
    let hides = ctx.ladder.arrangement().hides();
    for (words, can, action) in [
        ("Show all lanes", hides, Action::Arrange(Change::ShowAll)),
        (
            "Undo lane change",
            ctx.ladder.can_undo(),
            Action::UndoArrange,
        ),
        ("Reset lanes", true, Action::Arrange(Change::Reset)),
    ] {
        if ui.add_enabled(can, egui::Button::new(words)).clicked() {
            actions.push(action);
            ui.close();
        }
    }
}

/// Head of the times, and the menu of the ladder.
fn corner_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    frame: &Frame<'_>,
    times_end: f32,
    state: &mut LadderState,
    actions: &mut Vec<Action>,
) {
    let place = frame.head.with_max_x(times_end);
    let painter = ui.painter_at(place);
    painter.rect_filled(place, 0, ctx.theme.head);
    let font = frame.sizes.head_font.clone();
    let low = frame.sizes.low;
    let (words, height) = match low {
        true => (place.width() - LOW_BUTTON_POINTS - 4.0, 0.5),
        false => (place.width() - 8.0, 0.27),
    };
    let job = one_line(ctx.time_head(), font, ctx.theme.text, words);
    let galley = painter.layout_job(job);
    let at = pos2(place.left() + 6.0, place.top() + place.height() * height);
    let at = Align2::LEFT_CENTER.anchor_size(at, galley.size());
    painter.galley(at.min, galley, ctx.theme.text);
    let rest = match low {
        true => place.with_min_x(place.right() - LOW_BUTTON_POINTS),
        false => place.with_min_y(place.center().y).shrink2(vec2(3.0, 1.0)),
    };
    let builder = egui::UiBuilder::new()
        .max_rect(rest)
        .layout(egui::Layout::left_to_right(egui::Align::Center));
    ui.scope_builder(builder, |ui| {
        ui.spacing_mut().button_padding = vec2(3.0, 0.0);
        let words = if low { "▾" } else { "Arrange ▾" };
        let menu = ui.menu_button(words, |ui| {
            let unfolded = ctx.ladder.arrangement().unfolded;
            let words = if unfolded { "Fold all" } else { "Unfold all" };
            if ui.button(words).clicked() {
                actions.push(Action::Arrange(Change::FoldAll(!unfolded)));
                ui.close();
            }
            if ui.button("Actual size").clicked() {
                state.zoom = 0.0;
                ui.close();
            }
            let marks = ctx.marked.len();
            if marks > 0 && ui.button(format!("Clear marks ({marks})")).clicked() {
                actions.push(Action::ClearMarks);
                ui.close();
            }
            ui.separator();
            lanes_menu_ui(ctx, ui, actions);
            ui.separator();
            for id in ["copy ladder", "ladder svg", "ladder png"] {
                let Some(command) = by_id(id) else { continue };
                let can = (command.when)(&ctx.facts).is_ok();
                let tooltip = command.tooltip(&ctx.facts);
                let button = ui.add_enabled(can, egui::Button::new(command.words));
                let button = button
                    .on_hover_text(&tooltip)
                    .on_disabled_hover_text(tooltip);
                if button.clicked() {
                    actions.push((command.action)(&ctx.facts));
                    ui.close();
                }
            }
        });
        let name = || WidgetInfo::labeled(Role::Button, true, "Arrange ▾");
        menu.response.widget_info(name);
    });
}

/// The place to which a pointer would move a lane.
fn target(frame: &Frame<'_>, x: f32) -> usize {
    let lanes = frame.ladder().lanes.len();
    (0..lanes)
        .min_by(|a, b| {
            let far = |lane: usize| (frame.x(lane) - x).abs();
            far(*a).total_cmp(&far(*b))
        })
        .unwrap_or(0)
}

fn moved(lanes: &[Lane], from: usize, to: usize) -> Option<Action> {
    order(lanes, from, to).map(Action::Arrange)
}

fn order(lanes: &[Lane], from: usize, to: usize) -> Option<Change> {
    let mut keys: Vec<LaneKey> = lanes.iter().map(|lane| lane.key).collect();
    if from == to || from >= keys.len() || to >= keys.len() {
        return None;
    }
    let key = keys.remove(from);
    keys.insert(to, key);
    Some(Change::Order(keys))
}

/// While a head is dragged: a line where it would come to stand.
fn drag_ui(ctx: &PanelCtx<'_>, ui: &Ui, frame: &Frame<'_>, at: usize, x: f32) {
    let to = target(frame, x);
    let painter = ui.painter_at(frame.head.union(frame.body));
    if to != at {
        let colour = ctx.theme.request;
        let y = frame.head.top()..=frame.body.bottom();
        painter.vline(frame.x(to), y, Stroke::new(3.0, colour));
    }
    if let Some(lane) = frame.ladder().lanes.get(at) {
        let font = frame.sizes.head_font.clone();
        let galley = painter.layout_no_wrap(lane.title.clone(), font, ctx.theme.selected_text);
        let centre = pos2(x, frame.head.center().y);
        let place = Rect::from_center_size(centre, galley.size() + vec2(12.0, 8.0));
        painter.rect_filled(place, 4, ctx.theme.selected);
        painter.galley(place.min + vec2(6.0, 4.0), galley, ctx.theme.selected_text);
    }
}
