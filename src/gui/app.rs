//! The window as a whole: one frame after the other.

use std::path::PathBuf;
use std::sync::Arc;

use egui::accesskit::Role;
use egui::{CentralPanel, Context, Frame, Key, Modifiers, Panel, Ui, WidgetInfo};

use super::action::{Action, Area, PanelName, RawTab, Tab};
use super::command::{self, Reach};
use super::layout::{
    Details, LEAST_LADDER_POINTS, divide, drawer, drawer_edge, halves, is_narrow, within,
};
use super::panel_ctx::{PanelCtx, time_title};
use super::panels::call_list::{CallListState, call_list_ui};
use super::panels::capture::{CaptureState, capture_picker_ui};
use super::panels::capture_bar::{capture_bar_ui, has_capture_bar};
use super::panels::explanation::{ExplanationState, explanation_ui};
use super::panels::find_bar::{FindBarState, find_bar_ui};
use super::panels::find_box::find_box_id;
use super::panels::grown_bar::{grown_bar_ui, has_grown_bar};
use super::panels::header_tree::{HeaderTreeState, header_tree_ui};
use super::panels::ladder::{LadderState, ladder_ui};
use super::panels::message_list::{MessageListState, message_columns_ui, message_list_ui};
use super::panels::overlays::{OverlayState, overlay_ui};
use super::panels::raw_bytes::{RawBytesState, raw_bytes_ui};
use super::panels::reading_bar::reading_bar_ui;
use super::panels::status_bar::{notice_ui, status_bar_ui};
use super::panels::top_bar::{TopBarState, menus_ui, path_field_hidden, path_field_ui};
use super::panels::welcome::{damage_ui, no_sip_ui, welcome_ui};
use super::prefs::{Prefs, PrefsKeeper};
use super::session::Session;
use super::theme::{self, Theme};
use super::widgets::panel_head::panel_head;

/// Heads with less room than this say the same in fewer words.
const WHOLE_WORDS_POINTS: f32 = 480.0;

/// How often it is looked whether the last packets of a capture that is over were read.
const END_PACE: std::time::Duration = std::time::Duration::from_millis(250);

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
    explanation: ExplanationState,
    overlays: OverlayState,
    find: FindBarState,
    capture: CaptureState,
    theme: Option<super::prefs::ThemeChoice>,
    /// Size of text that was set last.
    text_size: u16,
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
        // Sizes of text are ours, so that they are remembered.
        ctx.options_mut(|options| options.zoom_with_keyboard = false);
        Self {
            calls: CallListState::with_widths(prefs.widths.clone()),
            messages: MessageListState::with_widths(prefs.message_widths.clone()),
            keeper: PrefsKeeper::new(prefs_path, prefs.clone()),
            session: Session::new(prefs, wake),
            top: TopBarState::default(),
            ladder: LadderState::default(),
            tree: HeaderTreeState::default(),
            raw: RawBytesState::default(),
            explanation: ExplanationState,
            overlays: OverlayState::default(),
            find: FindBarState::default(),
            capture: CaptureState::default(),
            text_size: 0,
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
        if self.text_size != self.session.prefs.text_size {
            self.text_size = self.session.prefs.text_size;
            ctx.set_zoom_factor(f32::from(self.text_size) / 100.0);
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
        if self.session.waits_for_the_end() {
            // The wish to paint that comes with the end may fall into a frame that is just ending.
            ctx.request_repaint_after(END_PACE);
        }
    }

    /// Paints, and carries out what was asked for.
    pub fn frame_ui(&mut self, ui: &mut Ui) {
        let mut actions = Vec::new();
        shortcuts(ui, &self.session, &mut actions);
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
        self.session.focus_find = false;
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
            ctx.memory_mut(|memory| memory.request_focus(find_box_id()));
        }
        if let Some(panel) = PanelName::ALL
            .into_iter()
            .find(|panel| ctx.memory(|memory| memory.has_focus(panel.id())))
        {
            self.session.focused = panel;
        }
        if let Some(text) = self.session.clipboard.take() {
            ctx.copy_text(text);
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
                viewport.inner_rect.map(|rect| rect.size()),
            )
        });
        if let Some(size) = size.filter(|size| !maximised && size.min_elem() >= 240.0) {
            // In points of the screen: large text makes ours larger, but not the window.
            let size = size * ctx.zoom_factor();
            self.session.prefs.window = Some((size.x.round(), size.y.round()));
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
            explanation,
            overlays,
            find,
            capture,
            ..
        } = self;
        session.narrow = is_narrow(ui.max_rect().width());
        session.dark = ui.visuals().dark_mode;
        let view = Arc::clone(&session.view);
        let (lists, rows) = (session.lists(), session.rows());
        let (call, detail) = (session.call_detail(), session.detail());
        let (pinned, equal) = (session.pinned_detail(), session.following().answer());
        let explained = session.explained();
        let theme = Theme::of(ui.visuals().dark_mode);
        let (survey, branches) = (session.survey(), session.branches());
        let preview = session.preview();
        let (completion, found) = (session.completion(top.typed()), session.found());
        let ctx = PanelCtx {
            view: &view,
            version: session.version,
            theme,
            selection: &session.selection,
            lists: &lists,
            rows: &rows,
            branches: &branches,
            call: call.as_deref(),
            detail: detail.as_deref(),
            pinned: pinned.as_deref(),
            value: session.following().value(),
            equal: equal.as_deref(),
            ladder: &session.ladder,
            explained: explained.as_deref(),
            depth: session.prefs.depth,
            glances: session.prefs.glances,
            kind: session.kind,
            order: session.order(),
            columns: &session.prefs.columns,
            message_columns: &session.prefs.message_columns,
            filter: &session.filter_text,
            time: session.prefs.time,
            tab: session.prefs.tab,
            raw: session.prefs.raw,
            working: session.working(),
            saving: session.saving(),
            recent: &session.prefs.recent,
            survey: survey.as_deref(),
            preview: preview.as_deref(),
            history: &session.prefs.history,
            completion: completion.as_deref(),
            find_text: &session.find_text,
            found: found.as_deref(),
            find_looked: session.find_looked(),
            marked: &session.marked,
            time_title: time_title(&view, session.prefs.time, session.reference),
            reference: session.reference,
            facts: session.facts(),
            layout: session.prefs.layout,
            paths: session.paths(),
            files: session.files(),
            grown: session.grown(),
            progress: session.progress(),
            notice: session.notice.as_deref(),
            notices: &session.notices,
            reveal_message: session.reveal_message,
            capture: session.capture_facts(),
        };
        let bar = Frame::new()
            .fill(theme.head)
            .inner_margin(egui::Margin::symmetric(6, 3));
        Panel::top("menus")
            .frame(bar)
            .show(ui, |ui| menus_ui(&ctx, ui, top, actions));
        if session.path_field {
            Panel::top("path")
                .frame(bar)
                .show(ui, |ui| path_field_ui(&ctx, ui, top, actions));
        } else {
            path_field_hidden(top);
        }
        if session.find_shown && ctx.progress.is_some() {
            let frame = bar;
            Panel::top("find").frame(frame).show(ui, |ui| {
                find_bar_ui(&ctx, ui, find, session.focus_find, actions);
            });
        }
        let damaged = ctx
            .files
            .is_some_and(|files| files.iter().any(|f| f.info.truncated_at.is_some()));
        if damaged && !session.damage_hidden {
            let frame = bar.fill(theme.alert_ground);
            Panel::top("damage")
                .frame(frame)
                .show(ui, |ui| damage_ui(&ctx, ui, actions));
        }
        let reading = session.reading().filter(|reading| !reading.line.is_empty());
        if let Some(reading) = reading.filter(|_| !session.reading_hidden) {
            Panel::top("reading")
                .frame(bar)
                .show(ui, |ui| reading_bar_ui(&reading, theme, ui, actions));
        }
        if ctx.notice.is_some() {
            let ground = match session.notice_is_good {
                true => theme.pointed,
                false => theme.alert_ground,
            };
            let frame = bar.fill(ground);
            Panel::top("notice")
                .frame(frame)
                .show(ui, |ui| notice_ui(&ctx, ui, actions));
        }
        if has_grown_bar(&ctx) {
            Panel::top("grown")
                .frame(bar)
                .show(ui, |ui| grown_bar_ui(&ctx, ui, actions));
        }
        if has_capture_bar(&ctx) {
            Panel::top("capture")
                .frame(bar)
                .show(ui, |ui| capture_bar_ui(&ctx, ui, capture, actions));
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
            let broken = ctx
                .files
                .is_some_and(|files| files.iter().all(|f| f.error.is_some()));
            if ctx.files.is_some() && ctx.view.messages().is_empty() && !broken {
                return no_sip_ui(&ctx, ui, actions);
            }
            let parts = divide(ui, theme, &mut layout);
            if let Some(rect) = parts.calls {
                within(ui, "calls", rect, |ui| {
                    call_list_ui(&ctx, ui, calls, actions)
                });
            }
            if let Some(mut rect) = parts.ladder {
                // Beside an open drawer, as long as a ladder can be read there.
                if let Some(Details::Drawer(room)) = &parts.details {
                    let edge = drawer_edge(layout.drawer_width, *room);
                    if edge - rect.left() >= LEAST_LADDER_POINTS {
                        rect.max.x = rect.max.x.min(edge);
                    }
                }
                within(ui, "ladder", rect, |ui| {
                    panel_head(&ctx, ui, Area::Ladder, actions, |ui, actions| {
                        ladder_tabs_ui(&ctx, ui, parts.details.is_none(), actions);
                    });
                    match ctx.tab {
                        Tab::Ladder => ladder_ui(&ctx, ui, ladder, actions),
                        _ => message_list_ui(&ctx, ui, messages, actions),
                    }
                });
            }
            if let Some(rect) = parts.explanation {
                within(ui, "explanation", rect, |ui| {
                    explanation_ui(&ctx, ui, explanation, actions);
                });
            }
            let (tree_share, both) = (&mut layout.tree, layout.both);
            let mut details_ui = |ui: &mut Ui| {
                panel_head(&ctx, ui, Area::Details, actions, |ui, actions| {
                    detail_tabs_ui(&ctx, ui, actions);
                });
                if both {
                    let (above, below) = halves(ui, theme, tree_share);
                    within(ui, "tree", above, |ui| {
                        header_tree_ui(&ctx, ui, tree, actions)
                    });
                    within(ui, "raw", below, |ui| {
                        raw_bytes_ui(&ctx, ui, raw, tree.pointed, actions);
                    });
                } else if ctx.raw == RawTab::Tree {
                    header_tree_ui(&ctx, ui, tree, actions);
                } else {
                    raw_bytes_ui(&ctx, ui, raw, None, actions);
                }
            };
            match parts.details {
                Some(Details::Beside(rect)) => within(ui, "details", rect, details_ui),
                Some(Details::Drawer(room)) => {
                    drawer(ui, theme, &mut layout.drawer_width, room, &mut details_ui);
                }
                None => {}
            }
        });
        capture_picker_ui(&ctx, ui, capture, actions);
        drop_overlay_ui(ui, theme);
        if let Some(overlay) = session.overlay {
            overlay_ui(&ctx, ui, overlay, overlays, actions);
        } else {
            overlays.close();
        }
        let widths = calls.table.named.clone();
        let wanted = calls.wanted(&ctx);
        let (tab, seen) = (ctx.tab, std::mem::take(&mut messages.seen));
        if session.prefs.message_widths != *messages.widths(tab) {
            session.prefs.message_widths = messages.widths(tab).clone();
            messages.set_widths(session.prefs.message_widths.clone());
        }
        session.want_branches(seen);
        session.want_rows(wanted);
        session.want_completion(top.typed());
        session.want_preview(overlays.pasted());
        session.prefs.layout = layout;
        if session.prefs.widths != widths {
            session.prefs.widths = widths;
        }
    }
}

fn ladder_tabs_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, alone: bool, actions: &mut Vec<Action>) {
    let short = ui.available_width() < WHOLE_WORDS_POINTS;
    for (tab, name, few) in [
        (Tab::Ladder, "Ladder", "Ladder"),
        (Tab::CallMessages, "Messages of the call", "Call"),
        (Tab::AllMessages, "All messages", "All"),
    ] {
        let chosen = ctx.tab == tab;
        let response = ui.selectable_label(chosen, if short { few } else { name });
        response.widget_info(|| WidgetInfo::selected(Role::Button, true, chosen, name));
        if response.on_hover_text(name).clicked() {
            actions.push(Action::ShowTab(tab));
        }
    }
    let show_message = alone && ctx.layout.maximised.is_none();
    ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
        if ctx.tab != Tab::Ladder {
            message_columns_ui(ctx, ui, actions);
        }
        if show_message {
            let name = "Show message";
            let show = ui.button(if short { "Message" } else { name });
            show.widget_info(|| WidgetInfo::labeled(Role::Button, true, name));
            let show = show.on_hover_text("Opens the message at the right");
            if show.clicked() {
                actions.push(Action::ShowArea(Area::Details, true));
            }
        }
    });
}

/// Text, tree or hexadecimal, and which message it is.
fn detail_tabs_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, actions: &mut Vec<Action>) {
    for (tab, name) in [
        (RawTab::Text, "Text"),
        (RawTab::Tree, "Tree"),
        (RawTab::Hex, "Hex"),
    ] {
        let both = ctx.layout.both;
        // With both, the tree is always there, and the tabs choose what is below it.
        let shown = match tab {
            RawTab::Tree => both || ctx.raw == tab,
            RawTab::Text => ctx.raw == tab || both && ctx.raw == RawTab::Tree,
            RawTab::Hex => ctx.raw == tab,
        };
        if ui.selectable_label(shown, name).clicked() && !(both && tab == RawTab::Tree) {
            actions.push(Action::ShowRaw(tab));
        }
    }
    let both = ui
        .selectable_label(ctx.layout.both, "Both")
        .on_hover_text("Tree above, text or hex below");
    if both.clicked() {
        actions.push(Action::ShowBoth(!ctx.layout.both));
    }
    let Some(detail) = ctx.detail else { return };
    let label = crate::present::rows::message_label(ctx.view, detail.message);
    let frame = ctx.view.message(detail.message).map_or(0, |row| row.frame);
    let bytes = crate::present::rows::counted(detail.bytes.len() as u64, "byte", "bytes");
    let text = format!("#{} {label}, packet {frame}, {bytes}", detail.message);
    ui.add(egui::Label::new(egui::RichText::new(text).strong()).truncate());
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

/// Carries out the commands whose keys were pressed.
fn shortcuts(ui: &Ui, session: &Session, actions: &mut Vec<Action>) {
    let ctx = ui.ctx();
    let writing = ctx.text_edit_focused();
    let focused = |panel: PanelName| ctx.memory(|memory| memory.has_focus(panel.id()));
    let in_list = focused(PanelName::Calls)
        || focused(PanelName::Raw)
        || focused(PanelName::Messages) && session.prefs.tab != Tab::Ladder;
    let facts = session.facts();
    let mut pressed = Vec::new();
    ui.input_mut(|input| {
        // The system turns Ctrl+C into a wish to copy before we see it as a key.
        if !writing && input.events.iter().any(|e| matches!(e, egui::Event::Copy)) {
            match &session.selection.picked {
                Some(text) => actions.push(Action::CopyText(text.clone())),
                None => pressed.extend(command::by_id("copy message")),
            }
        }
        // The longer combination first: Ctrl+O would take Ctrl+Shift+O.
        for shifted in [true, false] {
            for command in command::COMMANDS {
                let taken = match command.reach {
                    Reach::Everywhere => true,
                    Reach::OutsideText => !writing,
                    Reach::OutsideLists => !writing && !in_list,
                    Reach::Panel => false,
                };
                let keys = command.keys.iter();
                if taken
                    && keys
                        .filter(|key| key.modifiers.shift == shifted)
                        .any(|key| input.consume_shortcut(key))
                {
                    pressed.push(command);
                }
            }
        }
        if input.key_pressed(Key::Escape) && session.overlay.is_some() {
            input.consume_key(Modifiers::NONE, Key::Escape);
            actions.push(Action::ShowOverlay(None));
        } else if input.key_pressed(Key::Escape) && session.find_shown {
            input.consume_key(Modifiers::NONE, Key::Escape);
            actions.push(Action::ShowFind(false));
        } else if input.key_pressed(Key::Escape) && !session.path_field {
            if session.notice.is_some() {
                input.consume_key(Modifiers::NONE, Key::Escape);
                actions.push(Action::DismissNotice);
            } else if !session.filter_text.is_empty() {
                pressed.extend(command::by_id("clear filter"));
            }
        }
    });
    for command in pressed {
        actions.push(match (command.when)(&facts) {
            Ok(()) => (command.action)(&facts),
            Err(why) => {
                let what = command.words.trim_end_matches('…');
                Action::Notify(format!("{what}: {why}"))
            }
        });
    }
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
        self.session.notebook.finish();
    }
}
