//! Scrolling over any number of rows of one height.
//!
//! Offsets of egui are `f32` points, which cannot tell neighbouring rows apart behind the first
//! million. Here the position is a row number with a fraction, in `f64`: exact for any list that
//! fits in memory. Only numbers relative to the first visible row ever become points.

use egui::{CornerRadius, EventFilter, Id, Key, Modifiers, Rect, Response, Sense, Ui, pos2, vec2};

/// Width of a scroll bar in points.
pub const BAR_POINTS: f32 = 11.0;
/// Shortest thumb in points.
const THUMB_POINTS: f32 = 24.0;

/// Where a list is scrolled to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scroll {
    /// First visible row, with fraction.
    pub top: f64,
    /// Points that the content is moved to the left.
    pub left: f32,
    /// Rows are added at the end just now: who sees the end goes on to see it.
    pub grows: bool,
    /// A list that grows is shown from its end on from the beginning.
    pub from_end: bool,
    /// A row to be shown with the next frame.
    wanted: Option<Wanted>,
    /// Rows of the last frame.
    rows: u64,
    /// The end was not seen in the last frame.
    away: bool,
    /// Somebody chose a row: it stays under his eyes until he goes to the end.
    held: bool,
}

#[derive(Clone, Copy, Debug)]
enum Wanted {
    /// Moves as little as possible.
    Near(u64),
    /// In the middle.
    Centred(u64),
}

/// The rows that are seen in a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Visible {
    /// First row, seen at least in part.
    pub first: u64,
    /// The row behind the last one.
    pub end: u64,
    /// Top of the first row in points; the body begins at or below it.
    pub top_points: f32,
    /// Height of a row in points.
    pub row_points: f32,
}

impl Visible {
    /// Top of a row in points.
    pub fn y(&self, row: u64) -> f32 {
        let rows = if row >= self.first {
            (row - self.first) as f32
        } else {
            -((self.first - row) as f32)
        };
        self.top_points + rows * self.row_points
    }
}

/// The part of a panel for rows; the rest is for scroll bars, where they are needed.
pub fn body_of(all: Rect, rows: u64, row_points: f32, content_points: f32) -> Rect {
    let too_high = |body: Rect| rows as f64 * f64::from(row_points) > f64::from(body.height());
    let right = |body: Rect| body.with_max_x((body.right() - BAR_POINTS).max(body.left()));
    let mut body = if too_high(all) { right(all) } else { all };
    if content_points > body.width() {
        body = body.with_max_y((body.bottom() - BAR_POINTS).max(body.top()));
        if body.right() == all.right() && too_high(body) {
            body = right(body);
        }
    }
    body
}

impl Scroll {
    /// Brings a row into view with the next frame, moving as little as possible.
    pub fn reveal(&mut self, row: u64) {
        self.wanted = Some(Wanted::Near(row));
    }

    /// Brings a row to the middle with the next frame.
    pub fn centre(&mut self, row: u64) {
        self.wanted = Some(Wanted::Centred(row));
    }

    /// Somebody chose a row of so many.
    pub fn chosen(&mut self, row: u64, rows: u64) {
        self.held = row.saturating_add(1) < rows;
    }

    /// The row that was in one place is in another now, for rows before it went or came: what is seen stays
    /// where it is, but not at the beginning or the end, where one looks for what is new.
    pub fn keep(&mut self, was: u64, is: u64) {
        if (self.away || self.held) && self.top >= 1.0 {
            self.top += is as f64 - was as f64;
        }
    }

    /// Takes wheel, scroll bar and wanted row into account; gives the rows to paint in `body`.
    pub fn update(
        &mut self,
        ui: &mut Ui,
        id: Id,
        body: Rect,
        rows: u64,
        row_points: f32,
    ) -> Visible {
        let room = f64::from((body.height() / row_points).max(0.0));
        let most = (rows as f64 - room).max(0.0);
        let follows = self.grows && !self.away && !self.held && rows > self.rows;
        if follows && (self.rows > 0 || self.from_end) {
            self.top = most;
        }
        let before = self.top;
        if ui.rect_contains_pointer(body.with_max_x(body.right() + BAR_POINTS)) {
            let wheel = ui.input(|input| input.smooth_scroll_delta());
            self.top -= f64::from(wheel.y / row_points);
            self.left -= wheel.x;
        }
        match self.wanted.take() {
            None => {}
            Some(Wanted::Centred(row)) => self.top = row as f64 + 0.5 - room / 2.0,
            Some(Wanted::Near(row)) => {
                let row = row as f64;
                self.top = self.top.clamp((row + 1.0 - room).min(row), row);
            }
        }
        self.top = self.top.clamp(0.0, most);
        self.bar(ui, id, body, rows, room);
        self.top = self.top.clamp(0.0, most);
        // Half a row at the edge is as good as the end.
        self.away = self.top + 0.5 < most;
        self.held &= self.away || self.top <= before;
        self.rows = rows;
        let first = self.top.floor();
        let seen = (self.top - first + room).ceil() as u64;
        let first_row = first as u64;
        Visible {
            first: first_row,
            end: first_row.saturating_add(seen).min(rows),
            top_points: body.top() - (self.top - first) as f32 * row_points,
            row_points,
        }
    }

    /// The bar stands right of the body.
    fn bar(&mut self, ui: &mut Ui, id: Id, body: Rect, rows: u64, room: f64) {
        let track = Rect::from_min_max(
            pos2(body.right(), body.top()),
            pos2(body.right() + BAR_POINTS, body.bottom()),
        );
        let most = rows as f64 - room;
        if most <= 0.0 || track.height() <= THUMB_POINTS {
            return;
        }
        let share = (room / rows as f64) as f32;
        let thumb_height = (track.height() * share).max(THUMB_POINTS);
        let way = track.height() - thumb_height;
        let response = ui.interact(track, id.with("bar"), Sense::DRAG | Sense::CLICK);
        if let Some(pointer) = response.interact_pointer_pos() {
            let grip = ui.data_mut(|data| {
                let grip = data.get_temp_mut_or(id.with("grip"), f32::NAN);
                let at = track.top() + way * (self.top / most) as f32;
                let inside = (at..at + thumb_height).contains(&pointer.y);
                if response.drag_started() || grip.is_nan() {
                    *grip = if inside {
                        pointer.y - at
                    } else {
                        thumb_height / 2.0
                    };
                }
                *grip
            });
            let share = f64::from((pointer.y - grip - track.top()) / way.max(1.0));
            self.top = share.clamp(0.0, 1.0) * most;
        } else {
            ui.data_mut(|data| data.remove::<f32>(id.with("grip")));
        }
        let at = track.top() + way * (self.top / most).clamp(0.0, 1.0) as f32;
        let thumb = Rect::from_min_size(
            pos2(track.left() + 2.0, at),
            vec2(BAR_POINTS - 4.0, thumb_height),
        );
        ui.painter()
            .rect_filled(track, CornerRadius::ZERO, ui.visuals().extreme_bg_color);
        ui.painter()
            .rect_filled(thumb, CornerRadius::same(3), thumb_colour(ui, &response));
    }

    /// Keeps `left` within the content and gives it; below a body that is too narrow is a bar.
    pub fn sideways(&mut self, ui: &mut Ui, id: Id, body: Rect, content_points: f32) -> f32 {
        let most = (content_points - body.width()).max(0.0);
        if most > 0.0 {
            let track = Rect::from_min_max(
                pos2(body.left(), body.bottom()),
                pos2(body.right(), body.bottom() + BAR_POINTS),
            );
            let share = body.width() / content_points;
            let length = (track.width() * share).max(THUMB_POINTS);
            let way = (track.width() - length).max(1.0);
            let response = ui.interact(track, id.with("bar below"), Sense::DRAG | Sense::CLICK);
            self.left += response.drag_delta().x / way * most;
            if response.clicked()
                && let Some(pointer) = response.interact_pointer_pos()
            {
                self.left = (pointer.x - track.left() - length / 2.0) / way * most;
            }
            self.left = self.left.clamp(0.0, most);
            let at = track.left() + way * self.left / most;
            let thumb =
                Rect::from_min_size(pos2(at, track.top() + 2.0), vec2(length, BAR_POINTS - 4.0));
            let ground = ui.visuals().extreme_bg_color;
            ui.painter().rect_filled(track, CornerRadius::ZERO, ground);
            ui.painter()
                .rect_filled(thumb, CornerRadius::same(3), thumb_colour(ui, &response));
        }
        self.left = self.left.clamp(0.0, most);
        self.left
    }
}

fn thumb_colour(ui: &Ui, response: &Response) -> egui::Color32 {
    let strength = match (response.dragged(), response.hovered()) {
        (true, _) => 0.85,
        (false, true) => 0.7,
        (false, false) => 0.5,
    };
    ui.visuals().text_color().gamma_multiply(strength)
}

/// Where the keys take the cursor of a list that has the focus; none when they do not move it.
///
/// `focus` is the response of the whole list.
pub fn move_cursor(
    ui: &mut Ui,
    focus: &Response,
    cursor: Option<u64>,
    rows: u64,
    page: u64,
) -> Option<u64> {
    if !focus.has_focus() || rows == 0 {
        return None;
    }
    let filter = EventFilter {
        vertical_arrows: true,
        ..EventFilter::default()
    };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(focus.id, filter));
    let last = rows - 1;
    let (mut at, mut moved) = (cursor, false);
    ui.input_mut(|input| {
        let mut go = |key: Key, step: &dyn Fn(u64) -> u64, from_nothing: u64| {
            for _ in 0..input.count_and_consume_key(Modifiers::NONE, key) {
                at = Some(at.map_or(from_nothing, step).min(last));
                moved = true;
            }
        };
        go(Key::ArrowDown, &|at| at.saturating_add(1), 0);
        go(Key::ArrowUp, &|at| at.saturating_sub(1), last);
        go(Key::PageDown, &|at| at.saturating_add(page.max(1)), 0);
        go(Key::PageUp, &|at| at.saturating_sub(page.max(1)), last);
        go(Key::Home, &|_| 0, 0);
        go(Key::End, &|_| u64::MAX, last);
    });
    at.filter(|_| moved)
}
