//! A table of any number of rows: header, columns that can be sorted and resized, one selected row.
//!
//! Only rows that are seen are asked for, painted and made known to screen readers. What stands in
//! a row is asked of the caller row by row, so its source may be a list of millions or a formula.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use egui::accesskit::Role;
use egui::text::{LayoutJob, TextWrapping};
use egui::{
    Color32, CursorIcon, FontId, Id, Key, Modifiers, Rect, Sense, Stroke, TextFormat, TextStyle,
    Ui, WidgetInfo, pos2, vec2,
};

use super::scroll::{Scroll, body_of, move_cursor};

/// Points between the edge of a cell and its text.
const PAD: f32 = 6.0;
/// Width of the zone at which a column is resized.
const GRIP: f32 = 6.0;
const NARROWEST: f32 = 28.0;
/// Room for the tick of a marked row.
const TICK_POINTS: f32 = 16.0;
/// Room for the tick and for the triangle of a row that holds others.
const GUTTER_POINTS: f32 = 30.0;
/// How far the first cell of a row below another one is moved.
const INDENT_POINTS: f32 = 14.0;
/// Longer texts are cut before they are laid out: nobody sees the rest in one line.
const MAX_SHOWN: usize = 400;

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Head.
    pub name: Cow<'static, str>,
    /// What the head means, shown on hover.
    pub hint: &'static str,
    /// Width in points until somebody changes it.
    pub width: f32,
    /// Numbers stand at the right.
    pub right: bool,
    /// A click on the head sorts.
    pub sorts: bool,
}

impl Column {
    /// A column of text.
    pub const fn text(name: &'static str, width: f32) -> Self {
        Self {
            name: Cow::Borrowed(name),
            hint: "",
            width,
            right: false,
            sorts: false,
        }
    }

    /// A column of numbers.
    pub const fn number(name: &'static str, width: f32) -> Self {
        Self {
            name: Cow::Borrowed(name),
            hint: "",
            width,
            right: true,
            sorts: false,
        }
    }

    /// A column of text whose head changes.
    pub fn titled(name: String, width: f32) -> Self {
        Self {
            name: Cow::Owned(name),
            ..Self::text("", width)
        }
    }

    /// Its name without what changes: the zone of times.
    fn key(&self) -> &str {
        let name: &str = &self.name;
        name.split(" (").next().unwrap_or(name)
    }

    /// With an explanation of its head.
    pub const fn hint(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }

    /// Sortable.
    pub const fn sortable(mut self) -> Self {
        self.sorts = true;
        self
    }
}

/// What stands in one cell.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    /// Text, in one line.
    pub text: Cow<'static, str>,
    /// Its colour, where it is not that of text.
    pub colour: Option<Color32>,
    /// A mark in front of the text.
    pub mark: Option<Mark>,
    /// More than fits into a row, for those who point at it.
    pub hover: Option<String>,
}

/// A small sign that differs by shape and colour.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// Shape.
    pub shape: MarkShape,
    /// Colour.
    pub colour: Color32,
}

/// Shapes of marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkShape {
    /// Filled circle.
    Disc,
    /// Circle.
    Ring,
    /// Cross.
    Cross,
    /// Triangle.
    Triangle,
    /// Short line.
    Dash,
}

impl Cell {
    /// A cell with a text.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// In a colour.
    pub fn colour(self, colour: Color32) -> Self {
        Self {
            colour: Some(colour),
            ..self
        }
    }

    /// With a text for those who point at it.
    pub fn hover(self, text: impl Into<String>) -> Self {
        Self {
            hover: Some(text.into()),
            ..self
        }
    }

    /// With a mark.
    pub fn mark(self, shape: MarkShape, colour: Color32) -> Self {
        Self {
            mark: Some(Mark { shape, colour }),
            ..self
        }
    }
}

/// One row.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Its name for screen readers and tests.
    pub label: String,
    /// One for each column; missing ones stay empty.
    pub cells: Vec<Cell>,
    /// Its texts are less important than those of other rows.
    pub faint: bool,
    /// It holds other rows: whether it is open.
    pub open: Option<bool>,
    /// It stands below another row.
    pub below: bool,
    /// Somebody marked it.
    pub marked: bool,
}

/// Order of the rows: column and direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Column.
    pub column: usize,
    /// Largest first.
    pub descending: bool,
}

/// What belongs to the table and lives as long as it is shown.
#[derive(Clone, Debug, Default)]
pub struct RowViewState {
    /// Position.
    pub scroll: Scroll,
    /// Widths that somebody changed, by the first words of the head.
    pub named: BTreeMap<String, f32>,
    /// Widths in this frame.
    widths: Vec<f32>,
    /// Rows of the last frame.
    pub visible: Range<u64>,
}

/// A table to be shown.
pub struct RowView<'a> {
    /// Name for screen readers and tests.
    pub name: &'a str,
    /// The id that has the keyboard focus.
    pub id: Id,
    /// Columns.
    pub columns: &'a [Column],
    /// The columns that share the rest of the width, until somebody gives them a width of their own.
    pub stretch: &'a [usize],
    /// Number of rows.
    pub rows: u64,
    /// Selected row.
    pub selected: Option<u64>,
    /// Order shown in the head.
    pub order: Option<Order>,
    /// Rows can be marked, and may hold other rows.
    pub gutter: bool,
}

/// What stands in the menu of a row.
pub type RowMenu<'a> = &'a mut dyn FnMut(&mut Ui, u64);

/// What somebody did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowViewOutput {
    /// This row is to be selected.
    pub select: Option<u64>,
    /// Enter or a double click on this row.
    pub open: Option<u64>,
    /// The head of this column was clicked.
    pub sort: Option<usize>,
    /// This row is to be marked, or no longer.
    pub mark: Option<u64>,
    /// This row is to be opened or closed.
    pub toggle: Option<u64>,
}

impl RowView<'_> {
    /// Height of a row in points.
    pub fn row_points(ui: &Ui) -> f32 {
        (ui.text_style_height(&TextStyle::Body) + 6.0).round()
    }

    /// Shows it in all the room there is.
    pub fn show(
        self,
        ui: &mut Ui,
        state: &mut RowViewState,
        content: impl FnMut(u64) -> Row,
    ) -> RowViewOutput {
        self.show_with_menus(ui, state, content, None)
    }

    /// The same; `menu` is what a click with the other button opens, after that row was selected.
    pub fn show_with_menus(
        self,
        ui: &mut Ui,
        state: &mut RowViewState,
        mut content: impl FnMut(u64) -> Row,
        mut menu: Option<RowMenu<'_>>,
    ) -> RowViewOutput {
        let mut out = RowViewOutput::default();
        let all = ui.available_rect_before_wrap();
        ui.advance_cursor_after_rect(all);
        let row_points = Self::row_points(ui);
        let head = all.with_max_y((all.top() + row_points + 2.0).min(all.bottom()));
        self.widths(state);
        let widths: f32 = state.widths.iter().sum();
        let body = body_of(all.with_min_y(head.bottom()), self.rows, row_points, widths);
        let list = ui.interact(body, self.id, Sense::click());
        list.widget_info(|| WidgetInfo::labeled(Role::ListBox, true, self.name));
        state.scroll.from_end = true;
        let visible = state
            .scroll
            .update(ui, self.id, body, self.rows, row_points);
        state.visible = visible.first..visible.end;
        let edges = self.edges(state, body);
        let content_points = edges.last().copied().unwrap_or(0.0);
        let left = state.scroll.sideways(ui, self.id, body, content_points);
        let column = |i: usize| -> (f32, f32) {
            let at = |i: usize| body.left() - left + edges.get(i).copied().unwrap_or(0.0);
            (
                if i == 0 {
                    body.left() - left
                } else {
                    at(i - 1)
                },
                at(i),
            )
        };

        let font = TextStyle::Body.resolve(ui.style());
        let painter = ui.painter_at(body);
        let (text_colour, faint_colour) =
            (ui.visuals().text_color(), ui.visuals().weak_text_color());
        let selection = ui.visuals().selection;
        let has_focus = list.has_focus();
        for row in visible.first..visible.end {
            let y = visible.y(row);
            let rect = Rect::from_min_size(pos2(body.left(), y), vec2(body.width(), row_points));
            let seen = rect.intersect(body);
            let selected = self.selected == Some(row);
            let Row {
                label,
                cells,
                faint,
                open,
                below,
                marked,
            } = content(row);
            let label = if marked {
                format!("{label}, marked")
            } else {
                label
            };
            let response = ui.interact(seen, self.id.with(row), Sense::CLICK);
            response
                .widget_info(|| WidgetInfo::selected(Role::ListBoxOption, true, selected, &label));
            if response.clicked() {
                list.request_focus();
                let at = response.interact_pointer_pos().map_or(0.0, |at| at.x);
                let gutter = at - (body.left() - left);
                let with_ctrl = ui.input(|input| input.modifiers.command_only());
                if self.gutter && (with_ctrl || gutter < TICK_POINTS) {
                    out.mark = Some(row);
                } else if self.gutter && open.is_some() && gutter < GUTTER_POINTS {
                    out.toggle = Some(row);
                } else {
                    out.select = Some(row);
                }
            }
            if response.double_clicked() {
                out.open = Some(row);
            }
            if let Some(menu) = &mut menu {
                if response.secondary_clicked() {
                    list.request_focus();
                    out.select = Some(row);
                }
                response.context_menu(|ui| menu(ui, row));
            }
            if selected {
                painter.rect_filled(rect, 0, selection.bg_fill);
                if has_focus {
                    let line = rect.with_max_x(rect.left() + 3.0);
                    painter.rect_filled(line, 0, selection.stroke.color);
                }
            } else if response.hovered() {
                painter.rect_filled(rect, 0, ui.visuals().widgets.hovered.weak_bg_fill);
            } else if row % 2 == 1 {
                painter.rect_filled(rect, 0, ui.visuals().faint_bg_color);
            }
            let pointer = response.hover_pos();
            if self.gutter {
                let colour = if selected {
                    selection.stroke.color
                } else {
                    text_colour
                };
                let at = pos2(body.left() - left, rect.center().y);
                paint_gutter(&painter, at, colour, marked, open);
            }
            for (i, cell) in cells.iter().enumerate().take(self.columns.len()) {
                let (from, to) = column(i);
                let mut place = Rect::from_min_max(pos2(from, y), pos2(to, y + row_points));
                if i == 0 {
                    place.min.x += if self.gutter { GUTTER_POINTS } else { 0.0 };
                    place.min.x += if below { INDENT_POINTS } else { 0.0 };
                }
                if !place.intersects(body) {
                    continue;
                }
                let usual = match (selected, faint) {
                    (true, _) => selection.stroke.color,
                    (false, true) => faint_colour,
                    (false, false) => text_colour,
                };
                let colour = cell.colour.filter(|_| !selected).unwrap_or(usual);
                let right = self.columns.get(i).is_some_and(|c| c.right);
                let elided = paint_cell(
                    &painter.with_clip_rect(place.intersect(body)),
                    place,
                    cell,
                    &font,
                    colour,
                    right,
                );
                if pointer.is_some_and(|at| place.contains(at)) {
                    let text = match &cell.hover {
                        Some(text) => text.clone(),
                        None if elided => shown(&cell.text, 4000).into_owned(),
                        None => continue,
                    };
                    response.clone().on_hover_text_at_pointer(text);
                }
            }
        }
        out.sort = self.head(ui, state, head, body, &edges, left);
        let page = ((body.height() / row_points) as u64).saturating_sub(1);
        if let Some(row) = move_cursor(ui, &list, self.selected, self.rows, page) {
            state.scroll.reveal(row);
            out.select = Some(row);
        }
        if let Some(row) = out.select {
            state.scroll.chosen(row, self.rows);
        }
        if list.has_focus() && ui.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Enter)) {
            out.open = self.selected.or(out.open);
        }
        if self.gutter && list.has_focus() {
            let pressed = |key| ui.input_mut(|i| i.consume_key(Modifiers::NONE, key));
            if pressed(Key::Space) {
                out.mark = self.selected;
            }
            let open = self.selected.and_then(|row| content(row).open);
            if open == Some(false) && pressed(Key::ArrowRight)
                || open == Some(true) && pressed(Key::ArrowLeft)
            {
                out.toggle = self.selected;
            }
        }
        out
    }

    fn widths(&self, state: &mut RowViewState) {
        let width = |column: &Column| {
            let named = state.named.get(column.key());
            named.copied().unwrap_or(column.width)
        };
        state.widths = self.columns.iter().map(width).collect();
        if let Some(first) = state.widths.first_mut().filter(|_| self.gutter) {
            *first += GUTTER_POINTS;
        }
    }

    /// Right edge of each column, from the left edge of the first.
    fn edges(&self, state: &RowViewState, body: Rect) -> Vec<f32> {
        let rest = (body.width() - state.widths.iter().sum::<f32>()).max(0.0);
        let mut takes: Vec<usize> = self.stretch.to_vec();
        takes.retain(|i| {
            let column = self.columns.get(*i);
            column.is_some_and(|column| !state.named.contains_key(column.key()))
        });
        if takes.is_empty() {
            takes.push(state.widths.len().saturating_sub(1));
        }
        let share = rest / takes.len() as f32;
        let mut at = 0.0;
        let mut edges: Vec<f32> = Vec::with_capacity(state.widths.len());
        for (i, width) in state.widths.iter().enumerate() {
            at += width + if takes.contains(&i) { share } else { 0.0 };
            edges.push(at);
        }
        edges
    }

    fn head(
        &self,
        ui: &mut Ui,
        state: &mut RowViewState,
        head: Rect,
        body: Rect,
        edges: &[f32],
        left: f32,
    ) -> Option<usize> {
        let painter = ui.painter_at(head);
        let visuals = ui.visuals().clone();
        painter.rect_filled(head, 0, visuals.widgets.noninteractive.weak_bg_fill);
        let font = TextStyle::Body.resolve(ui.style());
        let mut sort = None;
        let mut from = body.left() - left;
        for (i, column) in self.columns.iter().enumerate() {
            let to = body.left() - left + edges.get(i).copied().unwrap_or(0.0);
            let place = Rect::from_min_max(pos2(from, head.top()), pos2(to, head.bottom()));
            from = to;
            let seen = place.intersect(head);
            if !seen.is_positive() {
                continue;
            }
            let order = self.order.filter(|order| order.column == i);
            let sense = if column.sorts {
                Sense::CLICK
            } else {
                Sense::HOVER
            };
            let mut response = ui.interact(seen, self.id.with(("head", i)), sense);
            if !column.sorts {
                let name = || WidgetInfo::labeled(Role::ColumnHeader, true, &*column.name);
                response.widget_info(name);
            }
            if column.sorts {
                response.widget_info(|| {
                    WidgetInfo::labeled(
                        Role::ColumnHeader,
                        true,
                        format!("Sort by {}", column.name),
                    )
                });
                if response.clicked() {
                    sort = Some(i);
                }
            }
            if column.sorts && response.hovered() {
                painter.rect_filled(seen, 0, visuals.widgets.hovered.weak_bg_fill);
            }
            if !column.hint.is_empty() {
                response = response.on_hover_text(column.hint);
            }
            let arrow = match order {
                Some(Order {
                    descending: true, ..
                }) => " ▼",
                Some(_) => " ▲",
                None => "",
            };
            let cell = Cell::new(format!("{}{arrow}", column.name));
            let painter = painter.with_clip_rect(seen);
            paint_cell(
                &painter,
                place,
                &cell,
                &font,
                visuals.strong_text_color(),
                column.right,
            );
            let _ = response;
            if i + 1 < self.columns.len() {
                let line = Stroke::new(1.0, visuals.widgets.noninteractive.bg_stroke.color);
                painter.vline(to - 0.5, head.shrink(4.0).y_range(), line);
            }
            self.resize(ui, state, head, i, (to, edges));
        }
        painter.hline(
            head.x_range(),
            head.bottom() - 0.5,
            visuals.widgets.noninteractive.bg_stroke,
        );
        sort
    }

    fn resize(
        &self,
        ui: &mut Ui,
        state: &mut RowViewState,
        head: Rect,
        column: usize,
        (edge, edges): (f32, &[f32]),
    ) {
        let zone = Rect::from_x_y_ranges(edge - GRIP / 2.0..=edge + GRIP / 2.0, head.y_range());
        let zone = zone.intersect(head);
        if column + 1 >= self.columns.len() || !zone.is_positive() {
            return;
        }
        let response = ui.interact(zone, self.id.with(("edge", column)), Sense::DRAG);
        if response.hovered() || response.dragged() {
            ui.ctx().set_cursor_icon(CursorIcon::ResizeColumn);
        }
        let Some(info) = self.columns.get(column).filter(|_| response.dragged()) else {
            return;
        };
        // The edge follows the pointer only when no other column gives way.
        for i in self.stretch {
            let (Some(info), Some(to)) = (self.columns.get(*i), edges.get(*i)) else {
                continue;
            };
            let from = i.checked_sub(1).and_then(|i| edges.get(i)).copied();
            let gutter = if self.gutter && *i == 0 {
                GUTTER_POINTS
            } else {
                0.0
            };
            let width = to - from.unwrap_or(0.0) - gutter;
            state.named.entry(info.key().to_owned()).or_insert(width);
        }
        let moved = response.drag_delta().x;
        let named = state.named.get(info.key());
        let width = named.copied().unwrap_or(info.width) + moved;
        state
            .named
            .insert(info.key().to_owned(), width.max(NARROWEST));
    }
}

/// The tick of a marked row, and the triangle of one that holds others.
fn paint_gutter(
    painter: &egui::Painter,
    at: egui::Pos2,
    colour: Color32,
    marked: bool,
    open: Option<bool>,
) {
    if marked {
        let line = Stroke::new(2.0, colour);
        let middle = at + vec2(TICK_POINTS / 2.0 + 1.0, 1.0);
        painter.line_segment([middle + vec2(-4.0, -1.0), middle + vec2(-1.0, 3.0)], line);
        painter.line_segment([middle + vec2(-1.0, 3.0), middle + vec2(5.0, -5.0)], line);
    }
    let middle = at + vec2(TICK_POINTS + (GUTTER_POINTS - TICK_POINTS) / 2.0, 0.0);
    let points = match open {
        None => return,
        Some(true) => [vec2(-4.0, -2.0), vec2(4.0, -2.0), vec2(0.0, 3.0)],
        Some(false) => [vec2(-2.0, -4.0), vec2(-2.0, 4.0), vec2(3.0, 0.0)],
    };
    let points = points.iter().map(|p| middle + *p).collect();
    painter.add(egui::Shape::convex_polygon(points, colour, Stroke::NONE));
}

/// Cuts what nobody sees in one line, and shows control characters as dots.
pub fn shown(text: &str, most: usize) -> Cow<'_, str> {
    let cut = text
        .char_indices()
        .nth(most)
        .and_then(|(at, _)| text.get(..at));
    let part = cut.unwrap_or(text);
    if cut.is_none() && !part.contains(char::is_control) {
        return Cow::Borrowed(part);
    }
    let mut out: String = part
        .chars()
        .map(|c| if c.is_control() { '·' } else { c })
        .collect();
    if cut.is_some() {
        out.push('…');
    }
    Cow::Owned(out)
}

/// Lays a text out in one line of at most `width` points.
pub fn one_line(text: &str, font: FontId, colour: Color32, width: f32) -> LayoutJob {
    let mut job = LayoutJob::single_section(
        shown(text, MAX_SHOWN).into_owned(),
        TextFormat::simple(font, colour),
    );
    job.wrap = TextWrapping::truncate_at_width(width.max(0.0));
    job.break_on_newline = false;
    job
}

/// Paints a cell; true when its text does not fit.
fn paint_cell(
    painter: &egui::Painter,
    place: Rect,
    cell: &Cell,
    font: &FontId,
    colour: Color32,
    right: bool,
) -> bool {
    let mut inner = place.shrink2(vec2(PAD, 0.0));
    if let Some(mark) = &cell.mark {
        paint_mark(
            painter,
            pos2(inner.left() + 5.0, inner.center().y),
            4.0,
            *mark,
        );
        inner.min.x += 16.0;
    }
    if cell.text.is_empty() {
        return false;
    }
    let galley = painter.layout_job(one_line(&cell.text, font.clone(), colour, inner.width()));
    let y = inner.center().y - galley.size().y / 2.0;
    let x = if right {
        inner.right() - galley.size().x
    } else {
        inner.left()
    };
    let elided = galley.elided;
    painter.galley(pos2(x, y), galley, colour);
    elided
}

/// Paints a mark around `centre`.
pub fn paint_mark(painter: &egui::Painter, centre: egui::Pos2, radius: f32, mark: Mark) {
    let stroke = Stroke::new(1.8, mark.colour);
    let at = |x: f32, y: f32| centre + vec2(x * radius, y * radius);
    match mark.shape {
        MarkShape::Disc => drop(painter.circle_filled(centre, radius, mark.colour)),
        MarkShape::Ring => drop(painter.circle_stroke(centre, radius - 0.5, stroke)),
        MarkShape::Dash => drop(painter.line_segment([at(-1.0, 0.0), at(1.0, 0.0)], stroke)),
        MarkShape::Cross => {
            painter.line_segment([at(-0.9, -0.9), at(0.9, 0.9)], stroke);
            painter.line_segment([at(-0.9, 0.9), at(0.9, -0.9)], stroke);
        }
        MarkShape::Triangle => {
            let points = vec![at(0.0, -1.0), at(1.0, 0.8), at(-1.0, 0.8)];
            painter.add(egui::Shape::convex_polygon(
                points,
                mark.colour,
                Stroke::NONE,
            ));
        }
    }
}
