//! Where the parts of the window stand: calls on top, below them the ladder and the message, and
//! a strip for the explanation at the bottom.
//!
//! The lines between the parts can be moved. In a narrow window the message is a drawer: it is shown
//! on wish and lies above the ladder, which keeps the whole width.

use egui::{CursorIcon, Id, Order, Rect, Sense, Stroke, Ui, UiBuilder, pos2};
use serde::{Deserialize, Serialize};

use super::action::Area;
use super::theme::Theme;
use super::widgets::panel_head::head_points;
use super::widgets::row_view::RowView;
use super::widgets::scroll::BAR_POINTS;

/// Below this width in points the message beside the ladder is a drawer.
pub const NARROW_POINTS: f32 = 1200.0;
/// Half the width of the zone between two parts that can be moved.
const GRIP_POINTS: f32 = 4.0;
/// Half the gap between two parts.
const GAP_POINTS: f32 = 1.0;
/// No part that is shown becomes smaller than this, where there is room at all.
const SMALLEST_POINTS: f32 = 48.0;
/// Below this height in points every row counts: with large text, or on a small screen.
const SHORT_POINTS: f32 = 420.0;
/// Rows of the call list that are seen at least, until somebody moves its edge.
const LEAST_CALLS: f32 = 4.0;
/// The call list takes no more than this share for them.
const MOST_CALLS: f32 = 0.5;

/// Shares of the window, from 0 to 1, and what of it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Layout {
    /// Height of the call list.
    pub calls: f32,
    /// Width of ladder and message list, of what is below the call list.
    pub messages: f32,
    /// Height of the header tree, where it shares its place with the bytes.
    pub tree: f32,
    /// Height of the explanation.
    pub explanation: f32,
    /// The header tree and the bytes are shown at once, one above the other.
    pub both: bool,
    /// The call list is shown.
    pub show_calls: bool,
    /// Ladder or message list are shown.
    pub show_ladder: bool,
    /// The message is shown.
    pub show_details: bool,
    /// The explanation is shown.
    pub show_explanation: bool,
    /// In a narrow window: the drawer with the message is open.
    pub drawer: bool,
    /// Where the drawer begins, as a share of the width.
    pub drawer_width: f32,
    /// This part has the whole window; not at the next start, where nobody would know why.
    #[serde(skip)]
    pub maximised: Option<Area>,
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            calls: 0.28,
            messages: 0.55,
            tree: 0.55,
            explanation: 0.15,
            both: false,
            show_calls: true,
            show_ladder: true,
            show_details: true,
            show_explanation: true,
            drawer: false,
            drawer_width: 0.45,
            maximised: None,
        }
    }
}

impl Layout {
    /// True when the part is wanted; in a narrow window the message needs its drawer as well.
    pub fn shows(&self, area: Area) -> bool {
        match area {
            Area::Calls => self.show_calls,
            Area::Ladder => self.show_ladder,
            Area::Details => self.show_details,
            Area::Explanation => self.show_explanation,
        }
    }

    /// True when the part is on the screen.
    pub fn is_seen(&self, area: Area, narrow: bool) -> bool {
        match self.maximised {
            Some(only) => only == area,
            None if area == Area::Details && narrow => {
                self.show_details && (self.drawer || !self.show_ladder)
            }
            None => self.shows(area),
        }
    }

    /// Shows or hides a part. One of the three that show the capture always stays.
    pub fn show(&mut self, area: Area, show: bool) {
        match area {
            Area::Calls => self.show_calls = show,
            Area::Ladder => self.show_ladder = show,
            Area::Details => self.show_details = show,
            Area::Explanation => self.show_explanation = show,
        }
        if area == Area::Details {
            self.drawer = show;
        }
        if !(self.show_calls || self.show_ladder || self.show_details) {
            match area {
                Area::Calls => self.show_ladder = true,
                _ => self.show_calls = true,
            }
        }
        self.maximised = self.maximised.filter(|only| show && *only == area);
    }

    /// Brings a part onto the screen, whatever hid it.
    pub fn reveal(&mut self, area: Area) {
        if self.maximised.is_some_and(|only| only != area) {
            self.maximised = None;
        }
        match area {
            Area::Calls => self.show_calls = true,
            Area::Ladder => self.show_ladder = true,
            Area::Details => (self.show_details, self.drawer) = (true, true),
            Area::Explanation => self.show_explanation = true,
        }
    }

    /// Shares that were read from a file, brought into bounds.
    pub fn in_bounds(mut self) -> Self {
        let usual = Self::default();
        for (share, usual) in [
            (&mut self.calls, usual.calls),
            (&mut self.messages, usual.messages),
            (&mut self.tree, usual.tree),
            (&mut self.drawer_width, usual.drawer_width),
            (&mut self.explanation, usual.explanation),
        ] {
            *share = if share.is_finite() {
                share.clamp(0.05, 0.95)
            } else {
                usual
            };
        }
        if !(self.show_calls || self.show_ladder || self.show_details) {
            self.show_calls = true;
        }
        self
    }
}

/// The parts of the window that are on the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Parts {
    /// Call list.
    pub calls: Option<Rect>,
    /// Ladder or message list.
    pub ladder: Option<Rect>,
    /// The message.
    pub details: Option<Details>,
    /// The explanation.
    pub explanation: Option<Rect>,
}

/// Where the message stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Details {
    /// In a place of its own.
    Beside(Rect),
    /// Above the ladder that has this room.
    Drawer(Rect),
}

/// True when the window is too narrow for ladder and message side by side.
pub fn is_narrow(width: f32) -> bool {
    width < NARROW_POINTS
}

/// Divides the room; the lines between the parts can be moved.
pub fn divide(ui: &mut Ui, theme: &Theme, layout: &mut Layout) -> Parts {
    let all = ui.max_rect();
    let narrow = is_narrow(all.width());
    let seen = |layout: &Layout, area| layout.is_seen(area, narrow);
    let mut parts = Parts::default();
    let mut room = all;
    let below = seen(layout, Area::Ladder) || seen(layout, Area::Details);
    let (calls, explanation) = (seen(layout, Area::Calls), seen(layout, Area::Explanation));
    let short = all.height() < SHORT_POINTS;
    let head = head_points(ui);
    // Both shares are of the whole height, so that hiding one part does not move the other.
    if calls && (below || explanation) {
        let most = match explanation && below {
            true => 1.0 - layout.explanation,
            false => 1.0,
        };
        let edge = Edge::level("calls split", all).most(most);
        let at = match is_usual(layout.calls, Layout::default().calls) {
            true => {
                let between = ui.spacing().item_spacing.y + GAP_POINTS + 2.0;
                let rows = (LEAST_CALLS + 1.0) * RowView::row_points(ui);
                let rows = head + between + rows + BAR_POINTS;
                let mut share = layout
                    .calls
                    .max((rows / all.height().max(1.0)).min(MOST_CALLS));
                let before = share;
                let at = edge.show(ui, theme, &mut share);
                // Left alone, it stays what it is in a window of another size.
                if share != before {
                    layout.calls = share;
                }
                at
            }
            false => edge.show(ui, theme, &mut layout.calls),
        };
        parts.calls = Some(room.with_max_y(at - GAP_POINTS));
        room = room.with_min_y(at + GAP_POINTS);
    } else if calls {
        parts.calls = Some(room);
        return parts;
    }
    if explanation && below {
        // Where every row counts it is one line, until somebody moves its edge.
        let one_line = short && is_usual(layout.explanation, Layout::default().explanation);
        let mut share = match one_line {
            true => 1.0 - (head + GAP_POINTS) / all.height().max(1.0),
            false => 1.0 - layout.explanation,
        };
        let before = share;
        let edge = Edge::level("explanation split", all).least_behind(head + GAP_POINTS);
        let at = edge.show(ui, theme, &mut share);
        let at = at.max(room.top() + SMALLEST_POINTS).min(room.bottom());
        if share != before {
            layout.explanation = 1.0 - share;
        }
        parts.explanation = Some(room.with_min_y(at + GAP_POINTS));
        room = room.with_max_y(at - GAP_POINTS);
    } else if explanation {
        parts.explanation = Some(room);
        return parts;
    }
    match (seen(layout, Area::Ladder), seen(layout, Area::Details)) {
        (true, true) if narrow => {
            parts.ladder = Some(room);
            // Above the call list as well, where the ladder alone is too low to read a message.
            let top = if short { all.top() } else { room.top() };
            parts.details = Some(Details::Drawer(room.with_min_y(top)));
        }
        (true, true) => {
            let edge = Edge::upright("ladder split", room);
            let at = edge.show(ui, theme, &mut layout.messages);
            parts.ladder = Some(room.with_max_x(at - GAP_POINTS));
            parts.details = Some(Details::Beside(room.with_min_x(at + GAP_POINTS)));
        }
        (true, false) => parts.ladder = Some(room),
        (false, true) => parts.details = Some(Details::Beside(room)),
        (false, false) => {}
    }
    parts
}

/// Narrower than this a ladder is no use: the drawer lies above it then.
pub const LEAST_LADDER_POINTS: f32 = 320.0;

/// Where an open drawer begins.
pub fn drawer_edge(share: f32, room: Rect) -> f32 {
    (room.left() + share.clamp(0.05, 0.8) * room.width()).round()
}

/// Paints the drawer above `room`, whose left edge can be moved.
pub fn drawer(
    ui: &mut Ui,
    theme: &Theme,
    share: &mut f32,
    room: Rect,
    content: &mut dyn FnMut(&mut Ui),
) {
    let left = drawer_edge(*share, room);
    // The zone that moves the edge belongs to the drawer as well.
    let all = room.with_min_x(left - GRIP_POINTS);
    egui::Area::new(Id::unique("drawer"))
        .order(Order::Middle)
        .fixed_pos(all.min)
        .default_size(all.size())
        .constrain(false)
        .sense(Sense::CLICK)
        .show(ui.ctx(), |ui| {
            ui.set_clip_rect(room);
            let (place, _) = ui.allocate_exact_size(all.size(), Sense::HOVER);
            let rect = place.with_min_x(left);
            ui.painter()
                .add(ui.visuals().popup_shadow.as_shape(rect, 0));
            ui.painter().rect_filled(rect, 0, theme.ground);
            within(ui, "details", rect.with_min_x(left + GAP_POINTS), |ui| {
                content(ui)
            });
            let edge = Edge::upright("drawer split", room).most(0.8);
            edge.show(ui, theme, share);
        });
}

/// Divides a part once more, one above the other.
pub fn halves(ui: &mut Ui, theme: &Theme, share: &mut f32) -> (Rect, Rect) {
    let room = ui.available_rect_before_wrap();
    let at = Edge::level("tree split", room).show(ui, theme, share);
    (
        room.with_max_y(at - GAP_POINTS),
        Rect::from_min_max(pos2(room.left(), at + GAP_POINTS), room.max),
    )
}

/// True for a share that nobody has changed.
fn is_usual(share: f32, usual: f32) -> bool {
    (share - usual).abs() < 0.001
}

/// A line between two parts that can be moved.
struct Edge {
    name: &'static str,
    room: Rect,
    /// The largest share.
    most: f32,
    /// The part behind it becomes no smaller.
    least_behind: f32,
    upright: bool,
}

impl Edge {
    /// Between a part and the one below it.
    fn level(name: &'static str, room: Rect) -> Self {
        Self {
            name,
            room,
            most: 1.0,
            least_behind: SMALLEST_POINTS,
            upright: false,
        }
    }

    /// Between a part and the one right of it.
    fn upright(name: &'static str, room: Rect) -> Self {
        Self {
            upright: true,
            ..Self::level(name, room)
        }
    }

    fn most(self, most: f32) -> Self {
        Self { most, ..self }
    }

    fn least_behind(self, least_behind: f32) -> Self {
        Self {
            least_behind,
            ..self
        }
    }

    /// Paints it and lets it be moved; gives where it stands.
    fn show(self, ui: &mut Ui, theme: &Theme, share: &mut f32) -> f32 {
        let Self { room, upright, .. } = self;
        let (start, length) = match upright {
            true => (room.left(), room.width()),
            false => (room.top(), room.height()),
        };
        let least = |points: f32| (points / length.max(1.0)).clamp(0.05, 0.5);
        let (least, behind) = (least(SMALLEST_POINTS), least(self.least_behind));
        let bounded = |share: f32| share.clamp(least, (self.most - behind).max(least));
        let at = |share: f32| (start + bounded(share) * length).round();
        let place = at(*share);
        let zone = match upright {
            true => {
                Rect::from_x_y_ranges(place - GRIP_POINTS..=place + GRIP_POINTS, room.y_range())
            }
            false => {
                Rect::from_x_y_ranges(room.x_range(), place - GRIP_POINTS..=place + GRIP_POINTS)
            }
        };
        let response = ui.interact(zone, ui.scope_id().with(self.name), Sense::DRAG);
        if let Some(pointer) = response
            .interact_pointer_pos()
            .filter(|_| response.dragged())
        {
            let pointer = if upright { pointer.x } else { pointer.y };
            *share = bounded((pointer - start) / length.max(1.0));
        }
        let place = at(*share);
        let active = response.hovered() || response.dragged();
        if active {
            ui.ctx().set_cursor_icon(match upright {
                true => CursorIcon::ResizeHorizontal,
                false => CursorIcon::ResizeVertical,
            });
        }
        let colour = if active { theme.request } else { theme.line };
        let stroke = Stroke::new(if active { 3.0 } else { 1.0 }, colour);
        match upright {
            true => ui.painter().vline(place, room.y_range(), stroke),
            false => ui.painter().hline(room.x_range(), place, stroke),
        };
        place
    }
}

/// Paints a part into its place.
pub fn within(ui: &mut Ui, name: &str, rect: Rect, content: impl FnOnce(&mut Ui)) {
    if !rect.is_positive() {
        return;
    }
    let builder = UiBuilder::new().id_salt(name).max_rect(rect);
    ui.scope_builder(builder, |ui| {
        ui.set_clip_rect(rect.intersect(ui.clip_rect()));
        content(ui);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_of_the_capture_is_always_shown() {
        let mut layout = Layout::default();
        for area in [Area::Calls, Area::Ladder, Area::Details] {
            layout.show(area, false);
        }
        assert!(layout.show_calls, "the last one hidden brings the calls");
        layout.show(Area::Calls, false);
        assert!(layout.show_ladder);
    }

    #[test]
    fn a_hidden_or_covered_part_comes_back_when_it_is_asked_for() {
        let mut layout = Layout {
            maximised: Some(Area::Calls),
            ..Layout::default()
        };
        assert!(!layout.is_seen(Area::Details, false));
        layout.reveal(Area::Details);
        assert!(layout.is_seen(Area::Details, false));
        assert!(layout.is_seen(Area::Details, true));
        layout.show(Area::Details, false);
        assert!(!layout.is_seen(Area::Details, true));
        layout.reveal(Area::Details);
        assert!(layout.drawer && layout.show_details);
    }

    #[test]
    fn the_message_is_a_drawer_in_a_narrow_window() {
        let layout = Layout::default();
        assert!(layout.is_seen(Area::Details, is_narrow(1199.0)) == layout.drawer);
        assert!(layout.is_seen(Area::Details, is_narrow(1366.0)));
        let alone = Layout {
            show_ladder: false,
            ..layout
        };
        assert!(alone.is_seen(Area::Details, true), "nothing else is there");
    }
}
