//! The window as a whole: one frame after the other.

use std::path::PathBuf;
use std::sync::Arc;

use egui::{CentralPanel, Context, Frame, Key, Modifiers, Panel, Rect, Sense, Ui, UiBuilder, pos2};

use super::action::{Action, PanelName, Tab};
use super::panel_ctx::PanelCtx;
use super::panels::call_list::{CallListState, call_list_ui};
use super::panels::header_tree::{HeaderTreeState, header_tree_ui};
use super::panels::ladder::{LadderState, ladder_ui};
use super::panels::message_list::{MessageListState, message_list_ui};
use super::panels::raw_bytes::{RawBytesState, raw_bytes_ui};
use super::panels::status_bar::{notice_ui, status_bar_ui};
use super::panels::top_bar::{TopBarState, filter_id, menus_ui, path_field_hidden, path_field_ui};
use super::panels::welcome::welcome_ui;
use super::prefs::{Layout, Prefs};
use super::session::{PrefsKeeper, Session};
use super::theme::{self, Theme};

/// Width of the zone between two panels that can be moved.
const SPLIT_POINTS: f32 = 5.0;

/// The window.
pub struct SipscopeApp {
    /// What it is about.
    pub session: Session,
    keeper: PrefsKeeper,
    top: TopBarState,
    calls: CallListState,
    messages: MessageListState,
    ladder: LadderState,
    tree: HeaderTreeState,
    raw: RawBytesState,
    theme: Option<super::prefs::ThemeChoice>,
    /// What was asked for, for those who want to play it back; not kept otherwise.
    pub recorded: Option<Vec<Action>>,
}

impl SipscopeApp {
    /// A window without capture; preferences are kept at `prefs_path`.
    pub fn new(ctx: &Context, prefs: Prefs, prefs_path: Option<PathBuf>) -> Self {
        theme::install(ctx);
        let wake = {
            let ctx = ctx.clone();
            Arc::new(move || ctx.request_repaint())
        };
        Self {
            keeper: PrefsKeeper::new(prefs_path, prefs.clone()),
            session: Session::new(prefs, wake),
            top: TopBarState::default(),
            calls: CallListState::default(),
            messages: MessageListState::default(),
            ladder: LadderState::default(),
            tree: HeaderTreeState::default(),
            raw: RawBytesState::default(),
            theme: None,
            recorded: None,
        }
    }

    /// Carries out a wish.
    pub fn apply(&mut self, action: Action) {
        self.session.apply(action);
    }

    /// Takes in what is new; paints nothing.
    pub fn frame_logic(&mut self, ctx: &Context) {
        if self.theme != Some(self.session.prefs.theme) {
            self.theme = Some(self.session.prefs.theme);
            theme::choose(ctx, self.session.prefs.theme);
        }
        let dropped: Vec<PathBuf> = ctx.input(|input| {
            input
                .raw
                .dropped_files
                .iter()
                .map(|file| file.path().to_path_buf())
                .collect()
        });
        self.session.apply(Action::OpenFiles(dropped));
        self.session.begin_frame();
    }

    /// Paints, and carries out what was asked for.
    pub fn frame_ui(&mut self, ui: &mut Ui) {
        let mut actions = Vec::new();
        let notice = self.session.notice.is_some();
        shortcuts(ui, self.session.path_field, notice, &mut actions);
        self.panels_ui(ui, &mut actions);
        let ctx = ui.ctx().clone();
        if let Some(path) = self.raw.clicked.take() {
            self.tree.open_above(&path);
        }
        if !actions.is_empty() {
            ctx.request_repaint();
        }
        self.session.reveal_message = false;
        self.session.focus_wish = None;
        self.session.focus_filter = false;
        for action in &actions {
            self.session.apply(action.clone());
        }
        if let Some(recorded) = &mut self.recorded {
            recorded.append(&mut actions);
        }
        if let Some(panel) = self.session.focus_wish {
            self.session.focused = panel;
            ctx.memory_mut(|memory| memory.request_focus(panel.id()));
        }
        if self.session.focus_filter {
            ctx.memory_mut(|memory| memory.request_focus(filter_id()));
        }
        if let Some(panel) = PanelName::ALL
            .into_iter()
            .find(|panel| ctx.memory(|memory| memory.has_focus(panel.id())))
        {
            self.session.focused = panel;
        }
        if self.session.quit {
            ctx.send_viewport_cmd(egui::ViewportCommand::Close);
        }
        self.remember_window(&ctx);
        // Not while something is being dragged: every point would be written.
        if !ctx.input(|input| input.pointer.any_down()) {
            self.keeper.keep(&self.session.prefs);
        }
    }

    fn remember_window(&mut self, ctx: &Context) {
        let (maximised, size) = ctx.input(|input| {
            let viewport = input.viewport();
            (
                viewport.maximized.unwrap_or(false) || viewport.fullscreen.unwrap_or(false),
                viewport.inner_rect.map(|rect| rect.size().round()),
            )
        });
        if let Some(size) = size.filter(|size| !maximised && size.min_elem() >= 240.0) {
            self.session.prefs.window = Some((size.x, size.y));
        }
    }

    fn panels_ui(&mut self, ui: &mut Ui, actions: &mut Vec<Action>) {
        let Self {
            session,
            top,
            calls,
            messages,
            ladder,
            tree,
            raw,
            ..
        } = self;
        let view = Arc::clone(&session.view);
        let (lists, rows) = (session.lists(), session.rows());
        let (call, detail) = (session.call_detail(), session.detail());
        let theme = Theme::of(ui.visuals().dark_mode);
        let ctx = PanelCtx {
            view: &view,
            version: session.version,
            theme,
            selection: &session.selection,
            lists: &lists,
            rows: &rows,
            call: call.as_deref(),
            detail: detail.as_deref(),
            kind: session.kind,
            order: session.prefs.order,
            filter: &session.filter_text,
            time: session.prefs.time,
            tab: session.prefs.tab,
            raw: session.prefs.raw,
            paths: session.paths(),
            files: session.files(),
            progress: session.progress(),
            notice: session.notice.as_deref(),
            notices: &session.notices,
            reveal_message: session.reveal_message,
        };
        let bar = Frame::new()
            .fill(theme.head)
            .inner_margin(egui::Margin::symmetric(6, 3));
        Panel::top("menus").frame(bar).show(ui, |ui| {
            menus_ui(&ctx, ui, top, session.prefs.theme, actions)
        });
        if session.path_field {
            Panel::top("path")
                .frame(bar)
                .show(ui, |ui| path_field_ui(&ctx, ui, top, actions));
        } else {
            path_field_hidden(top);
        }
        if ctx.notice.is_some() {
            let frame = bar.fill(theme.alert_ground);
            Panel::top("notice")
                .frame(frame)
                .show(ui, |ui| notice_ui(&ctx, ui, actions));
        }
        Panel::bottom("status")
            .frame(bar)
            .show(ui, |ui| status_bar_ui(&ctx, ui, actions));
        let mut layout = session.prefs.layout;
        let ground = Frame::new().fill(theme.ground);
        CentralPanel::default().frame(ground).show(ui, |ui| {
            if ctx.progress.is_none() {
                return welcome_ui(&ctx, ui, actions);
            }
            let parts = split(ui, theme, &mut layout);
            within(ui, "calls", parts.calls, |ui| {
                call_list_ui(&ctx, ui, calls, actions)
            });
            within(ui, "messages", parts.messages, |ui| {
                tabs_ui(&ctx, ui, actions);
                match ctx.tab {
                    Tab::Ladder => ladder_ui(&ctx, ui, ladder, actions),
                    _ => message_list_ui(&ctx, ui, messages, actions),
                }
            });
            within(ui, "tree", parts.tree, |ui| {
                title_ui(&ctx, ui);
                header_tree_ui(&ctx, ui, tree, actions);
            });
            within(ui, "raw", parts.raw, |ui| {
                raw_bytes_ui(&ctx, ui, raw, tree.pointed, actions);
            });
        });
        drop_overlay_ui(ui, theme);
        let wanted = calls.wanted(&ctx);
        session.want_rows(wanted);
        session.prefs.layout = layout;
    }
}

fn tabs_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        ui.add_space(4.0);
        for (tab, name) in [
            (Tab::Ladder, "Ladder"),
            (Tab::CallMessages, "Messages of the call"),
            (Tab::AllMessages, "All messages"),
        ] {
            if ui.selectable_label(ctx.tab == tab, name).clicked() {
                actions.push(Action::ShowTab(tab));
            }
        }
    });
}

fn title_ui(ctx: &PanelCtx<'_>, ui: &mut Ui) {
    ui.horizontal(|ui| {
        ui.add_space(6.0);
        let Some(detail) = ctx.detail else {
            ui.label("Message");
            return;
        };
        let label = crate::present::rows::message_label(ctx.view, detail.message);
        let frame = ctx.view.message(detail.message).map_or(0, |row| row.frame);
        let text = format!("#{} {label}, packet {frame}", detail.message);
        ui.add(egui::Label::new(egui::RichText::new(text).strong()).truncate());
    });
}

/// The four parts of the window.
struct Parts {
    calls: Rect,
    messages: Rect,
    tree: Rect,
    raw: Rect,
}

/// Divides the room; the lines between the parts can be moved.
fn split(ui: &mut Ui, theme: &Theme, layout: &mut Layout) -> Parts {
    let all = ui.max_rect();
    let across = |ui: &Ui, name: &str, share: &mut f32, room: Rect, horizontal: bool| -> f32 {
        let (start, length) = match horizontal {
            true => (room.left(), room.width()),
            false => (room.top(), room.height()),
        };
        let at = |share: f32| (start + share.clamp(0.08, 0.92) * length).round();
        let zone = |at: f32| match horizontal {
            true => Rect::from_x_y_ranges(at - SPLIT_POINTS..=at + SPLIT_POINTS, room.y_range()),
            false => Rect::from_x_y_ranges(room.x_range(), at - SPLIT_POINTS..=at + SPLIT_POINTS),
        };
        let response = ui.interact(zone(at(*share)), ui.scope_id().with(name), Sense::DRAG);
        if let Some(pointer) = response
            .interact_pointer_pos()
            .filter(|_| response.dragged())
        {
            let pointer = if horizontal { pointer.x } else { pointer.y };
            *share = ((pointer - start) / length.max(1.0)).clamp(0.08, 0.92);
        }
        let at = at(*share);
        let active = response.hovered() || response.dragged();
        if active {
            ui.ctx().set_cursor_icon(match horizontal {
                true => egui::CursorIcon::ResizeHorizontal,
                false => egui::CursorIcon::ResizeVertical,
            });
        }
        let colour = if active { theme.request } else { theme.line };
        let stroke = egui::Stroke::new(if active { 3.0 } else { 1.0 }, colour);
        match horizontal {
            true => ui.painter().vline(at, room.y_range(), stroke),
            false => ui.painter().hline(room.x_range(), at, stroke),
        };
        at
    };
    let y = across(ui, "calls split", &mut layout.calls, all, false);
    let below = all.with_min_y(y);
    let x = across(ui, "messages split", &mut layout.messages, below, true);
    let right = below.with_min_x(x);
    let tree = across(ui, "tree split", &mut layout.tree, right, false);
    let gap = 2.0;
    Parts {
        calls: all.with_max_y(y - gap),
        messages: Rect::from_min_max(pos2(all.left(), y + gap), pos2(x - gap, all.bottom())),
        tree: Rect::from_min_max(pos2(x + gap, y + gap), pos2(all.right(), tree - gap)),
        raw: Rect::from_min_max(pos2(x + gap, tree + gap), all.max),
    }
}

fn within(ui: &mut Ui, name: &str, rect: Rect, content: impl FnOnce(&mut Ui)) {
    if !rect.is_positive() {
        return;
    }
    let builder = UiBuilder::new().id_salt(name).max_rect(rect);
    ui.scope_builder(builder, |ui| {
        ui.set_clip_rect(rect.intersect(ui.clip_rect()));
        ui.add_space(2.0);
        content(ui);
    });
}

fn drop_overlay_ui(ui: &Ui, theme: &Theme) {
    if ui.input(|input| input.raw.hovered_files.is_empty()) {
        return;
    }
    let layer = egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("drop"));
    let painter = ui.ctx().layer_painter(layer);
    let all = ui.ctx().content_rect();
    painter.rect_filled(all, 0, theme.ground.gamma_multiply(0.85));
    let font = egui::FontId::proportional(24.0);
    painter.text(
        all.center(),
        egui::Align2::CENTER_CENTER,
        "Drop to open",
        font,
        theme.text,
    );
}

/// Keys that work everywhere.
fn shortcuts(ui: &Ui, path_field: bool, notice: bool, actions: &mut Vec<Action>) {
    let ctrl_shift = Modifiers::CTRL | Modifiers::SHIFT;
    ui.input_mut(|input| {
        // The longer combination first: Ctrl+O would take Ctrl+Shift+O.
        let mut key = |modifiers: Modifiers, key: Key, action: Action| {
            if input.consume_key(modifiers, key) {
                actions.push(action);
            }
        };
        key(ctrl_shift, Key::O, Action::ShowPathField(!path_field));
        key(Modifiers::CTRL, Key::O, Action::AskForFiles);
        key(Modifiers::CTRL, Key::F, Action::FocusFilter);
        key(Modifiers::CTRL, Key::Slash, Action::FocusFilter);
        key(Modifiers::CTRL, Key::W, Action::CloseCapture);
        key(Modifiers::CTRL, Key::Q, Action::Quit);
        key(Modifiers::SHIFT, Key::F6, Action::FocusNext { back: true });
        key(Modifiers::NONE, Key::F6, Action::FocusNext { back: false });
        if notice && !path_field {
            key(Modifiers::NONE, Key::Escape, Action::DismissNotice);
        }
        for (number, panel) in [Key::Num1, Key::Num2, Key::Num3, Key::Num4]
            .into_iter()
            .zip(PanelName::ALL)
        {
            key(Modifiers::CTRL, number, Action::FocusPanel(panel));
        }
    });
}

impl eframe::App for SipscopeApp {
    fn logic(&mut self, ctx: &Context, _frame: &mut eframe::Frame) {
        self.frame_logic(ctx);
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        self.frame_ui(ui);
    }

    fn persist_egui_memory(&self) -> bool {
        false
    }

    fn on_exit(&mut self, _gl: Option<&eframe::glow::Context>) {
        self.keeper.finish(&self.session.prefs);
    }
}
