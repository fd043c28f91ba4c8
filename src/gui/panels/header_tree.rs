//! The selected message as a tree: layers, start line, headers in wire order, bodies.
//!
//! What is open and what is selected is kept by name, so that it stays while messages are walked.

mod lines;

use std::collections::BTreeSet;

use egui::accesskit::Role;
use egui::{Align2, Color32, Rect, Sense, Stroke, TextStyle, Ui, WidgetInfo, pos2, vec2};

use super::empty_ui;
use crate::diagnostic::Severity;
use crate::gui::action::{Action, FieldPath, PanelName};
use crate::gui::fetch::Detail;
use crate::gui::panel_ctx::PanelCtx;
use crate::gui::widgets::row_view::{Mark, MarkShape, one_line, paint_mark, shown};
use crate::gui::widgets::scroll::{Scroll, body_of, move_cursor};
use crate::index::ids::MessageId;
use crate::present::equal::quoted;
use crate::present::header_tree::{Node, each};
use crate::present::rows::message_label;
use crate::span::Span;
use lines::{Beside, Line};

const INDENT: f32 = 15.0;

/// What belongs to the tree alone.
#[derive(Default)]
pub struct HeaderTreeState {
    scroll: Scroll,
    open: BTreeSet<FieldPath>,
    /// What is flattened in `lines`: capture, message, number of layers, pinned message.
    flat: Option<(u64, MessageId, usize, Option<MessageId>)>,
    lines: Vec<Line>,
    /// Bytes of the node under the pointer.
    pub pointed: Option<Span>,
    shown_field: Option<(MessageId, Option<FieldPath>)>,
}

impl HeaderTreeState {
    /// Opens whatever holds `path`.
    pub fn open_above(&mut self, path: &FieldPath) {
        for (at, _) in path.0.match_indices(" > ") {
            let above = path.0.get(..at).unwrap_or_default();
            self.open.insert(FieldPath(above.to_owned()));
        }
        self.flat = None;
    }

    fn flatten(&mut self, detail: &Detail, pinned: Option<&Detail>) {
        let pin = pinned.map(|pinned| pinned.message);
        let key = (detail.capture, detail.message, detail.layers.len(), pin);
        if self.flat != Some(key) {
            self.flat = Some(key);
            self.lines = lines::of(detail, pinned, &self.open);
        }
    }
}

/// The bytes of a field, when the message has it.
pub fn span_of(nodes: &[Node], path: &FieldPath) -> Option<Span> {
    let mut found = None;
    each(nodes, &mut |candidate, _, node| {
        if found.is_none() && candidate == path.0 {
            found = Some(node.span);
        }
    });
    found
}

/// The smallest field that holds a byte.
pub fn field_at(nodes: &[Node], offset: u32) -> Option<FieldPath> {
    let mut found: Option<(FieldPath, Span)> = None;
    each(nodes, &mut |path, _, node| {
        let smaller = found
            .as_ref()
            .is_none_or(|(_, known)| node.span.len() <= known.len());
        if node.span.contains(offset) && smaller {
            found = Some((FieldPath(path.to_owned()), node.span));
        }
    });
    found.map(|(path, _)| path)
}

/// The tree.
pub fn header_tree_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    state: &mut HeaderTreeState,
    actions: &mut Vec<Action>,
) {
    state.pointed = None;
    let Some(detail) = ctx.detail else {
        let text = if ctx.selection.message.is_some() {
            "Reading…"
        } else {
            "No message selected"
        };
        return empty_ui(ui, ctx.theme, text);
    };
    if let Some(error) = &detail.error {
        return empty_ui(ui, ctx.theme, error);
    }
    // A message beside itself says nothing.
    let pinned = ctx.pinned.filter(|p| p.message != detail.message);
    state.flatten(detail, pinned);
    let field = ctx.selection.field.as_ref();
    if let Some(field) = field {
        // Who walks by a value or clicks on a byte sees the field.
        let is_seen = state.lines.iter().any(|line| line.path == *field);
        if !is_seen
            && state
                .shown_field
                .as_ref()
                .is_none_or(|(_, f)| f.as_ref() != Some(field))
        {
            state.open_above(field);
            state.flatten(detail, pinned);
        }
    }
    let selected = field.and_then(|field| state.lines.iter().position(|line| line.path == *field));
    let row_points = (ui.text_style_height(&TextStyle::Body) + 5.0).round();
    let mut all = ui.available_rect_before_wrap();
    ui.advance_cursor_after_rect(all);
    if ctx.pinned.is_some() {
        let height = row_points + 6.0;
        pin_ui(ctx, ui, all.with_max_y(all.top() + height), detail, actions);
        all.min.y += height;
    }
    if ctx.value.is_some() {
        let height = row_points + 6.0;
        equal_ui(ctx, ui, all.with_min_y(all.bottom() - height), actions);
        all.max.y -= height;
    }
    let body = body_of(all, state.lines.len() as u64, row_points, 0.0);
    let list = ui.interact(body, PanelName::Tree.id(), Sense::click());
    list.widget_info(|| WidgetInfo::labeled(Role::Tree, true, "Header tree"));
    let shown_field = Some((detail.message, field.cloned()));
    if state.shown_field != shown_field {
        state.shown_field = shown_field;
        if let Some(row) = selected {
            state.scroll.reveal(row as u64);
        }
    }
    let rows = state.lines.len() as u64;
    let visible = state.scroll.update(ui, list.id, body, rows, row_points);
    let mut toggle: Option<FieldPath> = None;
    for row in visible.first..visible.end {
        let Some(line) = usize::try_from(row)
            .ok()
            .and_then(|row| state.lines.get(row))
        else {
            break;
        };
        let top = pos2(body.left(), visible.y(row));
        let rect = Rect::from_min_size(top, vec2(body.width(), row_points));
        let row = Row {
            line,
            rect,
            body,
            selected: selected == usize::try_from(row).ok(),
            open: state.open.contains(&line.path),
            pinned: pinned.is_some(),
        };
        let done = row.ui(ctx, ui, detail, &list, actions);
        if done.pointed {
            state.pointed = line.span;
        }
        if done.select {
            actions.push(Action::SelectField(Some(line.path.clone())));
        }
        if done.toggle {
            toggle = Some(line.path.clone());
        }
    }
    let page = ((body.height() / row_points) as u64).saturating_sub(1);
    let cursor = selected.map(|row| row as u64);
    if let Some(row) = move_cursor(ui, &list, cursor, rows, page) {
        let line = usize::try_from(row)
            .ok()
            .and_then(|row| state.lines.get(row));
        if let Some(line) = line {
            actions.push(Action::SelectField(Some(line.path.clone())));
        }
    }
    if let Some(path) = keys(ui, state, &list, selected, actions).or(toggle) {
        if !state.open.remove(&path) {
            state.open.insert(path);
        }
        state.flat = None;
        ui.ctx().request_repaint();
    }
}

/// A strip above or below the lines.
fn strip_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, place: Rect, content: impl FnOnce(&mut Ui)) {
    ui.painter().rect_filled(place, 0, ctx.theme.head);
    let builder = egui::UiBuilder::new()
        .max_rect(place.shrink2(vec2(6.0, 1.0)))
        .layout(egui::Layout::right_to_left(egui::Align::Center));
    ui.scope_builder(builder, |ui| {
        ui.set_clip_rect(place.intersect(ui.clip_rect()));
        content(ui);
    });
}

/// Says which messages stand side by side.
fn pin_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    place: Rect,
    detail: &Detail,
    actions: &mut Vec<Action>,
) {
    let Some(pinned) = ctx.pinned else { return };
    let name = |id: MessageId| format!("#{id} {}", message_label(ctx.view, id));
    strip_ui(ctx, ui, place, |ui| {
        if ui.button("Unpin").clicked() {
            actions.push(Action::PinToCompare(None));
        }
        let words = if pinned.message == detail.message {
            format!(
                "Pinned: {}; select another message to compare",
                name(pinned.message)
            )
        } else {
            format!(
                "{}  |  pinned {}",
                name(detail.message),
                name(pinned.message)
            )
        };
        ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
            ui.add(egui::Label::new(words).truncate());
        });
    });
}

/// Says how many messages have the selected value, and walks them.
fn equal_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, place: Rect, actions: &mut Vec<Action>) {
    let Some(value) = ctx.value else { return };
    let kind = value.kind.name();
    let count = ctx.equal.map_or(0, |equal| equal.messages.len());
    let mut words = match ctx.equal {
        None => format!("Looking for this {kind}…"),
        Some(_) if count <= 1 => format!("This {kind} is in no other message"),
        Some(equal) => {
            let at = ctx
                .selection
                .message
                .and_then(|id| equal.messages.binary_search(&id).ok());
            let count = crate::present::text::grouped(count as u64);
            match at {
                Some(at) => format!("{} of {count} messages with this {kind}", at + 1),
                None => format!("{count} messages with this {kind}"),
            }
        }
    };
    if let Some(unread) = ctx
        .equal
        .map(|equal| equal.unread)
        .filter(|unread| *unread > 0)
    {
        let unread = crate::present::text::grouped(unread as u64);
        words.push_str(&format!(", {unread} not searched"));
    }
    strip_ui(ctx, ui, place, |ui| {
        for (name, keys, back) in [("Next", "F4", false), ("Previous", "Shift+F4", true)] {
            let button = ui.add_enabled(count > 1, egui::Button::new(name));
            if button.on_hover_text(keys).clicked() {
                actions.push(Action::NextEqual { back });
            }
        }
        ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
            ui.add(egui::Label::new(words).truncate());
        });
    });
}

/// Left and right close and open, as in every tree.
fn keys(
    ui: &mut Ui,
    state: &HeaderTreeState,
    list: &egui::Response,
    selected: Option<usize>,
    actions: &mut Vec<Action>,
) -> Option<FieldPath> {
    use egui::{EventFilter, Key, Modifiers};
    if !list.has_focus() {
        return None;
    }
    let filter = EventFilter {
        vertical_arrows: true,
        horizontal_arrows: true,
        ..EventFilter::default()
    };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(list.id, filter));
    let line = state.lines.get(selected?)?;
    let is_open = state.open.contains(&line.path);
    let (left, right, enter) = ui.input_mut(|i| {
        (
            i.consume_key(Modifiers::NONE, Key::ArrowLeft),
            i.consume_key(Modifiers::NONE, Key::ArrowRight),
            i.consume_key(Modifiers::NONE, Key::Enter),
        )
    });
    if line.parent && ((left && is_open) || (right && !is_open) || enter) {
        return Some(line.path.clone());
    }
    if left && let Some((above, _)) = line.path.0.rsplit_once(" > ") {
        actions.push(Action::SelectField(Some(FieldPath(above.to_owned()))));
    }
    None
}

#[derive(Default)]
struct Done {
    pointed: bool,
    select: bool,
    toggle: bool,
}

/// Puts a text of a colour between two places; gives its width, and true when it does not fit.
type Put<'a> = dyn Fn(&str, Color32, f32, f32) -> (f32, bool) + 'a;

/// One row of the tree as it is painted.
struct Row<'a> {
    line: &'a Line,
    rect: Rect,
    body: Rect,
    selected: bool,
    open: bool,
    /// Another message stands beside.
    pinned: bool,
}

impl Row<'_> {
    fn ui(
        &self,
        ctx: &PanelCtx<'_>,
        ui: &mut Ui,
        detail: &Detail,
        list: &egui::Response,
        actions: &mut Vec<Action>,
    ) -> Done {
        let Self { line, rect, .. } = *self;
        let mut done = Done::default();
        let id = list.id.with(("line", &line.path));
        let response = ui.interact(rect.intersect(self.body), id, Sense::CLICK);
        let name = self.name();
        response.widget_info(|| WidgetInfo::selected(Role::TreeItem, true, self.selected, &name));
        let at = rect.left() + 8.0 + line.depth as f32 * INDENT;
        done.pointed = response.hovered();
        if response.clicked() {
            list.request_focus();
            let on_triangle = response
                .interact_pointer_pos()
                .is_some_and(|p| p.x < at + 14.0);
            done.toggle = on_triangle && line.parent;
            done.select = !done.toggle;
        }
        done.select |= response.secondary_clicked();
        done.toggle |= response.double_clicked() && line.parent && !done.toggle;
        let elided = self.paint(ctx, ui, at, &response, list.has_focus());
        response.context_menu(|ui| menu_ui(ctx, ui, detail, line, actions));
        let mut words: Vec<String> = Vec::new();
        if let Some((_, remark)) = &line.remark {
            words.push(remark.clone());
        }
        if let Some(was) = &line.was {
            let hop = detail
                .hop
                .as_ref()
                .map_or(String::new(), |(id, _)| format!(" (#{id})"));
            words.push(match &was.old {
                Some(old) => format!("One hop earlier{hop}: {}", shown(old, 400)),
                None => format!("Not there one hop earlier{hop}"),
            });
        }
        if elided || !words.is_empty() {
            words.push(shown(&line.whole(), 2000).into_owned());
            response.on_hover_text_at_pointer(words.join("\n"));
        }
        done
    }

    /// Name for screen readers and tests.
    fn name(&self) -> String {
        let mut name = match self.line.value.as_str() {
            "" => self.line.name.clone(),
            value => format!("{}: {}", self.line.name, shown(value, 400)),
        };
        match self.line.was.as_ref().map(|was| was.old.as_deref()) {
            Some(Some(old)) if !old.is_empty() => {
                name.push_str(&format!(", was {}", shown(old, 400)))
            }
            Some(Some(_)) => name.push_str(", changed"),
            Some(None) => name.push_str(", new on this hop"),
            None => {}
        }
        if self.pinned {
            name.push_str(&match &self.line.beside {
                Beside::Equal(_) | Beside::Nothing => String::new(),
                Beside::Differs { text, .. } => format!(", pinned {}", shown(text, 400)),
                Beside::OnlyHere { .. } => ", not in the pinned message".to_owned(),
                Beside::OnlyThere => ", only in the pinned message".to_owned(),
            });
        }
        name
    }

    /// Paints the row; true when a text does not fit.
    fn paint(
        &self,
        ctx: &PanelCtx<'_>,
        ui: &Ui,
        at: f32,
        response: &egui::Response,
        focus: bool,
    ) -> bool {
        let Self { line, rect, .. } = *self;
        let painter = ui.painter_at(self.body);
        let theme = ctx.theme;
        let pick = |usual: Color32| {
            if self.selected {
                theme.selected_text
            } else {
                usual
            }
        };
        if self.selected {
            painter.rect_filled(rect, 0, theme.selected);
            if focus {
                painter.rect_filled(rect.with_max_x(rect.left() + 3.0), 0, theme.selected_text);
            }
        } else if response.hovered() {
            painter.rect_filled(rect, 0, theme.pointed);
        }
        if line.was.is_some() {
            let bar = Rect::from_min_max(
                rect.left_top() + vec2(4.0, 1.0),
                pos2(rect.left() + 7.0, rect.bottom() - 1.0),
            );
            painter.rect_filled(bar, 0, pick(theme.lines.challenge));
        }
        if line.parent {
            triangle(
                &painter,
                pos2(at + 5.0, rect.center().y),
                self.open,
                pick(theme.text),
            );
        }
        let mut x = at + 16.0;
        if let Some((severity, _)) = &line.remark {
            let (shape, colour) = match severity {
                Severity::Error => (MarkShape::Cross, theme.failure),
                Severity::Warning => (MarkShape::Triangle, theme.challenge),
                Severity::Info => (MarkShape::Ring, theme.faint),
            };
            let colour = pick(colour);
            let place = pos2(x + 4.0, rect.center().y);
            paint_mark(&painter, place, 4.0, Mark { shape, colour });
            x += 14.0;
        }
        let middle = rect.left() + rect.width() * 0.5;
        let right = if self.pinned {
            middle - 6.0
        } else {
            rect.right() - 4.0
        };
        let font = TextStyle::Body.resolve(ui.style());
        let put = |text: &str, colour: Color32, x: f32, right: f32| {
            let galley = painter.layout_job(one_line(text, font.clone(), colour, right - x));
            let (size, elided) = (galley.size(), galley.elided);
            let place = Align2::LEFT_CENTER.anchor_size(pos2(x, rect.center().y), size);
            painter.galley(place.min, galley, colour);
            (size.x, elided)
        };
        let noise = matches!(
            line.beside,
            Beside::Differs { noise: true, .. } | Beside::OnlyHere { noise: true }
        );
        let quiet = self.pinned && (noise || matches!(line.beside, Beside::OnlyThere));
        let head = match line.value.is_empty() {
            true => line.name.clone(),
            false => format!("{}:", line.name),
        };
        let name_colour = if quiet { theme.faint } else { theme.request };
        let (width, mut elided) = put(&head, pick(name_colour), x, right);
        x += width + 6.0;
        if !line.value.is_empty() && !matches!(line.beside, Beside::OnlyThere) {
            // The value that is followed stands out in every place.
            if line.follow.is_some() && line.follow.as_ref() == ctx.value {
                let width = painter
                    .layout_job(one_line(&line.value, font.clone(), theme.text, right - x))
                    .size()
                    .x;
                let place =
                    Rect::from_x_y_ranges(x - 3.0..=x + width + 3.0, rect.y_range()).shrink(1.0);
                let edge = Stroke::new(1.0, pick(theme.lines.request));
                painter.rect_stroke(place, 3, edge, egui::StrokeKind::Inside);
            }
            let colour = if quiet { theme.faint } else { theme.text };
            let (width, cut) = put(&line.value, pick(colour), x, right);
            elided |= cut;
            x += width + 12.0;
        }
        let was = line.was.as_ref().and_then(|was| was.old.as_deref());
        let mut behind = String::new();
        if let Some(old) = was.filter(|old| !(old.is_empty() || line.parent && self.open)) {
            behind = format!("was {}", shown(old, 200));
        } else if line.was.as_ref().is_some_and(|was| was.old.is_none()) {
            "new on this hop".clone_into(&mut behind);
        }
        if !behind.is_empty() && right - x > 40.0 && !self.pinned {
            x += put(&behind, pick(theme.faint), x, right).0 + 12.0;
        }
        // What it is, where there is room beside what it says.
        let room = right - x > 80.0 && !(line.parent && self.open);
        if ctx.glances && !self.pinned && !line.glance.is_empty() && room {
            put(line.glance, pick(theme.faint), x + 6.0, right);
        }
        if self.pinned {
            elided |= self.paint_beside(ctx, &painter, middle, &put);
        }
        elided
    }

    /// The same field of the pinned message; true when it does not fit.
    fn paint_beside(
        &self,
        ctx: &PanelCtx<'_>,
        painter: &egui::Painter,
        middle: f32,
        put: &Put<'_>,
    ) -> bool {
        let theme = ctx.theme;
        let rect = self.rect;
        painter.vline(middle - 3.0, rect.y_range(), Stroke::new(1.0, theme.line));
        let (text, noise) = match &self.line.beside {
            Beside::Nothing => return false,
            Beside::Equal(text) => (text.as_str(), true),
            Beside::Differs { text, noise } => (text.as_str(), *noise),
            Beside::OnlyHere { noise } => ("—", *noise),
            Beside::OnlyThere => (self.line.value.as_str(), false),
        };
        let marked = !noise;
        if marked {
            let bar =
                Rect::from_x_y_ranges(middle - 1.0..=middle + 2.0, rect.shrink(1.0).y_range());
            let colour = if self.selected {
                theme.selected_text
            } else {
                theme.lines.failure
            };
            painter.rect_filled(bar, 0, colour);
        }
        let colour = match (self.selected, marked) {
            (true, _) => theme.selected_text,
            (_, true) => theme.text,
            _ => theme.faint,
        };
        put(text, colour, middle + 8.0, rect.right() - 4.0).1
    }
}

fn menu_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    detail: &Detail,
    line: &Line,
    actions: &mut Vec<Action>,
) {
    let header = line.path.0.split(" > ").next().unwrap_or_default();
    let header = span_of(&detail.tree, &FieldPath(header.to_owned()));
    let header = header.map(|span| {
        let octets = span.of(&detail.bytes);
        String::from_utf8_lossy(octets).trim_end().to_owned()
    });
    let filter = match &line.follow {
        Some(value) => Some(value.filter()),
        None if line.value.trim().is_empty() || line.span.is_none() => None,
        None => Some(format!("text contains {}", quoted(line.value.trim()))),
    };
    let pin = match ctx.pinned.is_some_and(|p| p.message == detail.message) {
        true => ("Unpin", Action::PinToCompare(None)),
        false => ("Pin to compare", Action::PinToCompare(Some(detail.message))),
    };
    let value = (!line.value.is_empty()).then(|| Action::CopyText(line.value.clone()));
    for (words, action) in [
        ("Filter by this value", filter.map(Action::SetFilter)),
        ("Copy value", value),
        ("Copy header", header.map(Action::CopyText)),
        ("Copy message", Some(Action::CopyMessage)),
        (pin.0, Some(pin.1)),
    ] {
        if ui
            .add_enabled(action.is_some(), egui::Button::new(words))
            .clicked()
        {
            actions.extend(action);
            ui.close();
        }
    }
}

fn triangle(painter: &egui::Painter, at: egui::Pos2, open: bool, colour: egui::Color32) {
    let points = if open {
        vec![
            at + vec2(-4.0, -2.0),
            at + vec2(4.0, -2.0),
            at + vec2(0.0, 3.5),
        ]
    } else {
        vec![
            at + vec2(-2.0, -4.0),
            at + vec2(3.5, 0.0),
            at + vec2(-2.0, 4.0),
        ]
    };
    painter.add(egui::Shape::convex_polygon(points, colour, Stroke::NONE));
}
