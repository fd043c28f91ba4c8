//! The selected message as a tree: start line, headers in wire order, bodies.
//!
//! What is open and what is selected is kept by name, so that it stays while messages are walked.

use std::collections::BTreeSet;

use egui::accesskit::Role;
use egui::{Align2, Rect, Sense, Stroke, TextStyle, Ui, WidgetInfo, pos2, vec2};

use super::empty_ui;
use crate::diagnostic::Severity;
use crate::gui::action::{Action, FieldPath, PanelName};
use crate::gui::fetch::Detail;
use crate::gui::panel_ctx::PanelCtx;
use crate::gui::widgets::row_view::{Mark, MarkShape, one_line, paint_mark, shown};
use crate::gui::widgets::scroll::{Scroll, body_of, move_cursor};
use crate::index::ids::MessageId;
use crate::present::header_tree::Node;
use crate::span::Span;

const INDENT: f32 = 15.0;

/// What belongs to the tree alone.
#[derive(Default)]
pub struct HeaderTreeState {
    scroll: Scroll,
    open: BTreeSet<FieldPath>,
    /// What is flattened in `lines`.
    flat: Option<(u64, MessageId)>,
    lines: Vec<Line>,
    /// Bytes of the node under the pointer.
    pub pointed: Option<Span>,
    shown_field: Option<(MessageId, Option<FieldPath>)>,
}

/// One row of the tree.
struct Line {
    path: FieldPath,
    depth: usize,
    name: String,
    value: String,
    span: Span,
    parent: bool,
    /// Words and severity of the diagnostics that lie in it and in no child that is seen.
    remark: Option<(Severity, String)>,
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

    fn flatten(&mut self, detail: &Detail) {
        let key = (detail.capture, detail.message);
        if self.flat == Some(key) {
            return;
        }
        self.flat = Some(key);
        self.lines.clear();
        let mut remarks: Vec<(Span, Severity, String, bool)> = detail
            .diagnostics
            .iter()
            .map(|d| {
                (
                    d.span,
                    d.severity,
                    format!("{} ({})", d.text, d.kind.rfc()),
                    false,
                )
            })
            .collect();
        let mut lines = Vec::new();
        add(&detail.tree, "", 0, &self.open, &mut lines);
        // The deepest row that is seen and holds the place takes the remark.
        for line in lines.iter_mut().rev() {
            let mut words: Vec<&str> = Vec::new();
            let mut worst = Severity::Info;
            for (span, severity, text, taken) in &mut remarks {
                let inside = line.span.start <= span.start && span.end <= line.span.end;
                if inside && !*taken {
                    *taken = true;
                    worst = worst.max(*severity);
                    words.push(text);
                }
            }
            if !words.is_empty() {
                line.remark = Some((worst, words.join("\n")));
            }
        }
        let rest: Vec<&(Span, Severity, String, bool)> =
            remarks.iter().filter(|(_, _, _, taken)| !taken).collect();
        for (span, severity, text, _) in rest {
            let path = FieldPath(format!("remark {text}"));
            let (name, value) = ("Remark".to_owned(), text.clone());
            let remark = Some((*severity, text.clone()));
            lines.push(Line {
                path,
                depth: 0,
                name,
                value,
                span: *span,
                parent: false,
                remark,
            });
        }
        self.lines = lines;
    }
}

fn add(
    nodes: &[Node],
    above: &str,
    depth: usize,
    open: &BTreeSet<FieldPath>,
    lines: &mut Vec<Line>,
) {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for node in nodes {
        let path = path_of(above, node, &mut counts);
        let is_open = open.contains(&path);
        lines.push(Line {
            path: path.clone(),
            depth,
            name: node.name.clone(),
            value: node.value.clone(),
            span: node.span,
            parent: !node.children.is_empty(),
            remark: None,
        });
        if is_open {
            add(&node.children, &path.0, depth + 1, open, lines);
        }
    }
}

/// Names from the top; the second of equal names is `Via[2]`.
fn path_of<'a>(above: &str, node: &'a Node, counts: &mut Vec<(&'a str, usize)>) -> FieldPath {
    let count = match counts.iter_mut().find(|(name, _)| *name == node.name) {
        Some((_, count)) => {
            *count += 1;
            *count
        }
        None => {
            counts.push((&node.name, 1));
            1
        }
    };
    let number = if count > 1 {
        format!("[{count}]")
    } else {
        String::new()
    };
    let between = if above.is_empty() { "" } else { " > " };
    FieldPath(format!("{above}{between}{}{number}", node.name))
}

/// The bytes of a field, when the message has it.
pub fn span_of(nodes: &[Node], path: &FieldPath) -> Option<Span> {
    find(nodes, "", &|candidate, _| candidate == path).map(|(_, span)| span)
}

/// The smallest field that holds a byte.
pub fn field_at(nodes: &[Node], offset: u32) -> Option<FieldPath> {
    let mut found: Option<(FieldPath, Span)> = None;
    walk(nodes, "", &mut |path, span| {
        let smaller = found
            .as_ref()
            .is_none_or(|(_, known)| span.len() <= known.len());
        if span.contains(offset) && smaller {
            found = Some((path.clone(), span));
        }
    });
    found.map(|(path, _)| path)
}

fn walk(nodes: &[Node], above: &str, visit: &mut dyn FnMut(&FieldPath, Span)) {
    let mut counts = Vec::new();
    for node in nodes {
        let path = path_of(above, node, &mut counts);
        visit(&path, node.span);
        walk(&node.children, &path.0, visit);
    }
}

fn find(
    nodes: &[Node],
    above: &str,
    wanted: &dyn Fn(&FieldPath, Span) -> bool,
) -> Option<(FieldPath, Span)> {
    let mut found = None;
    walk(nodes, above, &mut |path, span| {
        if found.is_none() && wanted(path, span) {
            found = Some((path.clone(), span));
        }
    });
    found
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
    state.flatten(detail);
    let field = ctx.selection.field.as_ref();
    let selected = field.and_then(|field| state.lines.iter().position(|line| line.path == *field));
    let row_points = (ui.text_style_height(&TextStyle::Body) + 5.0).round();
    let all = ui.available_rect_before_wrap();
    ui.advance_cursor_after_rect(all);
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
        let rect = Rect::from_min_size(
            pos2(body.left(), visible.y(row)),
            vec2(body.width(), row_points),
        );
        let is_selected = selected == usize::try_from(row).ok();
        let done = line_ui(
            ctx,
            ui,
            state,
            line,
            rect.intersect(body),
            rect,
            body,
            is_selected,
            &list,
        );
        if done.pointed {
            state.pointed = Some(line.span);
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

#[allow(clippy::too_many_arguments)]
fn line_ui(
    ctx: &PanelCtx<'_>,
    ui: &Ui,
    state: &HeaderTreeState,
    line: &Line,
    seen: Rect,
    rect: Rect,
    body: Rect,
    selected: bool,
    list: &egui::Response,
) -> Done {
    let mut done = Done::default();
    let response = ui.interact(seen, list.id.with(("line", &line.path)), Sense::CLICK);
    let name = match line.value.as_str() {
        "" => line.name.clone(),
        value => format!("{}: {}", line.name, shown(value, 400)),
    };
    response.widget_info(|| WidgetInfo::selected(Role::TreeItem, true, selected, &name));
    let at = rect.left() + 6.0 + line.depth as f32 * INDENT;
    let painter = ui.painter_at(body);
    let theme = ctx.theme;
    if selected {
        painter.rect_filled(rect, 0, theme.selected);
        if list.has_focus() {
            painter.rect_filled(rect.with_max_x(rect.left() + 3.0), 0, theme.selected_text);
        }
    } else if response.hovered() {
        painter.rect_filled(rect, 0, theme.pointed);
    }
    done.pointed = response.hovered();
    if response.clicked() {
        list.request_focus();
        let on_triangle = response
            .interact_pointer_pos()
            .is_some_and(|p| p.x < at + 14.0);
        done.toggle = on_triangle && line.parent;
        done.select = !done.toggle;
    }
    done.toggle |= response.double_clicked() && line.parent && !done.toggle;
    let text_colour = if selected {
        theme.selected_text
    } else {
        theme.text
    };
    if line.parent {
        triangle(
            &painter,
            pos2(at + 5.0, rect.center().y),
            state.open.contains(&line.path),
            text_colour,
        );
    }
    let font = TextStyle::Body.resolve(ui.style());
    let name_colour = if selected {
        theme.selected_text
    } else {
        theme.request
    };
    let mut x = at + 16.0;
    if let Some((severity, _)) = &line.remark {
        let (shape, colour) = match severity {
            Severity::Error => (MarkShape::Cross, theme.failure),
            Severity::Warning => (MarkShape::Triangle, theme.challenge),
            Severity::Info => (MarkShape::Ring, theme.faint),
        };
        let colour = if selected {
            theme.selected_text
        } else {
            colour
        };
        paint_mark(
            &painter,
            pos2(x + 4.0, rect.center().y),
            4.0,
            Mark { shape, colour },
        );
        x += 14.0;
    }
    let put = |text: &str, colour, x: f32| {
        let job = one_line(text, font.clone(), colour, rect.right() - 4.0 - x);
        let galley = painter.layout_job(job);
        let (size, elided) = (galley.size(), galley.elided);
        let place = Align2::LEFT_CENTER.anchor_size(pos2(x, rect.center().y), size);
        painter.galley(place.min, galley, colour);
        (size.x, elided)
    };
    let head = if line.value.is_empty() {
        line.name.clone()
    } else {
        format!("{}:", line.name)
    };
    let (width, mut elided) = put(&head, name_colour, x);
    if !line.value.is_empty() {
        elided |= put(&line.value, text_colour, x + width + 6.0).1;
    }
    match (&line.remark, elided) {
        (Some((_, remark)), _) => {
            response.on_hover_text_at_pointer(format!("{remark}\n{}", shown(&name, 2000)));
        }
        (None, true) => {
            response.on_hover_text_at_pointer(shown(&name, 2000));
        }
        (None, false) => {}
    }
    done
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
