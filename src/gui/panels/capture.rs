//! The picker of what is captured, and what was left behind by captures of earlier.

use std::path::PathBuf;
use std::sync::Arc;

use egui::{Align2, Id, Key, RichText, ScrollArea, Sense, Ui};

use super::capture_sources::{hep_ui, origin_ui, remote_ui};
use crate::gui::action::Action;
use crate::gui::capturing::CaptureAction;
use crate::gui::interface_watch::{Denied, InterfaceWatch, Watched};
use crate::gui::latest::Latest;
use crate::gui::live::{
    CaptureWish, Kept, Origin, Phase, SPARE_MEBIBYTES, Status, are_of_one_ring,
};
use crate::gui::panel_ctx::PanelCtx;
use crate::gui::theme::Theme;
use crate::packet::link_names::link_type_name;
use crate::present::rows::sentence;
use crate::present::text::grouped;
use crate::source::{hep_listener, live};

/// What is known of the capture, for the panels.
#[derive(Clone, Default)]
pub struct CaptureFacts {
    /// The time, while packets come: nanoseconds since 1970-01-01 UTC.
    pub now: Option<i64>,
    /// The picker is shown.
    pub picker: bool,
    /// The capture that is open is, or was, live.
    pub status: Option<Arc<Status>>,
    /// The view stands still.
    pub paused: bool,
    /// Why the last one could not begin, and the command that gives the right to.
    pub refused: Option<(String, Option<String>)>,
    /// A capture as root was insisted on.
    pub allow_root: bool,
    /// Captures that were not saved.
    pub unsaved: Arc<Vec<PathBuf>>,
    /// Files of the open capture that were not saved.
    pub to_save: Vec<PathBuf>,
    /// Another window still captures into a file that is open here.
    pub written_elsewhere: bool,
    /// Standard input is being read.
    pub stream: bool,
}

impl CaptureFacts {
    /// What is waited for while there is nothing to show.
    pub fn waiting_words(&self) -> &'static str {
        match (self.grows(), self.stream) {
            (true, _) => "Waiting for SIP messages…",
            (false, true) => "Reading standard input; --follow shows it as it comes",
            (false, false) => "Reading the capture…",
        }
    }

    /// Packets come just now, and the view shows them.
    pub fn grows(&self) -> bool {
        let running = self.status.as_ref().map(|status| status.phase);
        running.is_some_and(|phase| phase != Phase::Over) && !self.paused
    }
}

/// A filter, and why it is not understood.
type Checked = (String, Option<String>);

/// What belongs to picker and bar alone.
#[derive(Default)]
pub struct CaptureState {
    shown: bool,
    wish: CaptureWish,
    own: String,
    typed: String,
    seconds: String,
    packets: String,
    mebibytes: String,
    calls: String,
    spare: String,
    folder: String,
    ring: bool,
    ring_files: String,
    ring_mebibytes: String,
    memory: String,
    watch: Option<InterfaceWatch>,
    check: Option<Latest<(String, u16), Checked>>,
    asked: Option<(String, u16)>,
    pub(super) mark: String,
    pub(super) save_to: String,
}

/// The window in which a capture is begun.
pub fn capture_picker_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    state: &mut CaptureState,
    actions: &mut Vec<Action>,
) {
    if !ctx.capture.picker {
        if state.shown {
            // Nobody looks at the interfaces any more.
            (state.shown, state.watch) = (false, None);
        }
        return;
    }
    let wake = {
        let context = ui.ctx().clone();
        Arc::new(move || context.request_repaint())
    };
    if !state.shown {
        state.shown = true;
        state.wish.promiscuous = true;
        state.memory = ctx.facts.prefs.capture_mebibytes.to_string();
        let may_capture = !live::is_root() || ctx.capture.allow_root;
        state.watch = Some(InterfaceWatch::start(wake.clone(), may_capture));
        if state.ring_files.is_empty() {
            state.ring_files = "10".to_owned();
            state.ring_mebibytes = "100".to_owned();
            state.spare = SPARE_MEBIBYTES.to_string();
            state.wish.hep.listen = format!("127.0.0.1:{}", hep_listener::PORT);
            state.wish.remote.interface = "any".to_owned();
        }
    }
    state.check.get_or_insert_with(|| {
        Latest::spawn("filter", wake, |(filter, link_type): (String, u16), _| {
            let found = live::check_filter(&filter, link_type);
            Some((filter, found.err().map(|error| error.to_string())))
        })
    });
    let list = state
        .watch
        .as_ref()
        .map(InterfaceWatch::list)
        .unwrap_or_default();
    let mut open = true;
    let room = ui.ctx().content_rect().size();
    egui::Window::new("Capture")
        .id(Id::unique("capture picker"))
        .open(&mut open)
        .collapsible(false)
        .resizable(false)
        .anchor(Align2::CENTER_TOP, [0.0, room.y * 0.06])
        .default_size([760.0_f32.min(room.x - 40.0), room.y * 0.84])
        .max_height(room.y * 0.86)
        .show(ui.ctx(), |ui| {
            let denied = state.watch.as_ref().and_then(InterfaceWatch::denied);
            refusal_ui(ctx, ui, (state.wish.origin, denied), actions);
            // The buttons stay in sight, however much stands above them.
            let buttons = ui.spacing().interact_size.y + 4.0 * ui.spacing().item_spacing.y;
            let left = room.y * 0.78 - ui.min_rect().height() - buttons;
            ScrollArea::vertical()
                .max_height(left.max(60.0))
                .show(ui, |ui| {
                    origin_ui(ui, &mut state.wish);
                    match state.wish.origin {
                        Origin::Interfaces => interfaces_ui(ctx, ui, state, &list),
                        Origin::Hep => hep_ui(ctx, ui, &mut state.wish),
                        Origin::Remote => remote_ui(ctx, ui, &mut state.wish),
                        // Files are followed without this window.
                        Origin::Files => {}
                    }
                    ui.separator();
                    if state.wish.origin != Origin::Hep {
                        kept_ui(ctx, ui, state, &list);
                        ui.separator();
                    }
                    limits_ui(ctx, ui, state);
                    unsaved_ui(ctx, ui, actions);
                });
            ui.separator();
            buttons_ui(ctx, ui, state, actions);
        });
    if !open || ui.input(|input| input.key_pressed(Key::Escape)) {
        actions.push(Action::Capture(CaptureAction::Pick(false)));
    }
}

/// Why nothing can be captured, and what helps.
fn refusal_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    (origin, denied): (Origin, Option<Denied>),
    actions: &mut Vec<Action>,
) {
    let as_root = live::is_root() && !ctx.capture.allow_root;
    let told = match &ctx.capture.refused {
        _ if as_root => Some((
            "This window runs as root. Live packets are not decoded with the rights of root: anyone on the wire \
             may have made them. Start it as an ordinary user, or with --allow-root.".to_owned(),
            None,
        )),
        Some(refused) => Some(refused.clone()),
        None if live::program().is_none() && origin == Origin::Interfaces => {
            Some((sentence(&live::LiveError::NoProgram.to_string()), None))
        }
        None => denied.filter(|_| origin == Origin::Interfaces),
    };
    let Some((words, permit)) = told else { return };
    egui::Frame::new()
        .fill(ctx.theme.alert_ground)
        .inner_margin(6)
        .show(ui, |ui| {
            ui.label(RichText::new(sentence(&words)).color(ctx.theme.text));
            if let Some(command) = permit {
                ui.label("This gives the capture program (not the window) the one right that it needs. Everyone who may \
                          start that program can then take packets from all interfaces; it drops the right before the first one:");
                ui.horizontal(|ui| {
                    ui.code(&command);
                    if ui.button("Copy").on_hover_text("Copies the command").clicked() {
                        actions.push(Action::CopyText(command.clone()));
                    }
                });
            }
        });
    ui.add_space(4.0);
}

fn interfaces_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, state: &mut CaptureState, list: &[Watched]) {
    if list.is_empty() {
        ui.label(RichText::new("Looking for interfaces…").color(ctx.theme.faint));
    }
    // With large text a window may be narrower than these rows.
    ScrollArea::horizontal()
        .id_salt("interfaces")
        .show(ui, |ui| interfaces_grid_ui(ctx, ui, state, list));
    another_ui(ui, state, list);
}

fn interfaces_grid_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, state: &mut CaptureState, list: &[Watched]) {
    egui::Grid::new("interfaces")
        .num_columns(6)
        .striped(true)
        .show(ui, |ui| {
            for watched in list {
                let interface = &watched.interface;
                let mut chosen = state.wish.interfaces.contains(&interface.name);
                if ui.checkbox(&mut chosen, &interface.name).changed() {
                    state.wish.interfaces.retain(|name| *name != interface.name);
                    if chosen {
                        state.wish.interfaces.push(interface.name.clone());
                    }
                }
                let sip = watched.sip.as_deref();
                sparkline_ui(ui, ctx.theme, &watched.history, sip.unwrap_or_default())
                    .on_hover_text("Packets in the last seconds; thick: those of SIP");
                match interface.up {
                    true => sip_ui(ui, ctx.theme, sip),
                    false => drop(ui.label("")),
                }
                let state_words = match (interface.up, interface.running) {
                    (true, true) => RichText::new("up").color(ctx.theme.success),
                    (true, false) => RichText::new("no carrier").color(ctx.theme.challenge),
                    _ => RichText::new("down").color(ctx.theme.faint),
                };
                ui.label(state_words);
                let addresses: Vec<String> = interface
                    .addresses
                    .iter()
                    .map(|(ip, bits)| format!("{ip}/{bits}"))
                    .collect();
                let link = interface
                    .link_type
                    .and_then(link_type_name)
                    .unwrap_or("unknown link type");
                let shown = match addresses.as_slice() {
                    [] => String::new(),
                    [only] => only.clone(),
                    [first, more @ ..] => format!("{first} and {} more", more.len()),
                };
                ui.label(shown).on_hover_text(addresses.join("\n"));
                let description = match interface.description.as_str() {
                    "" => link.to_owned(),
                    words => format!("{words} ({link})"),
                };
                ui.add(
                    egui::Label::new(RichText::new(description).color(ctx.theme.faint)).truncate(),
                );
                ui.end_row();
            }
        });
}

/// An interface that is not listed.
fn another_ui(ui: &mut Ui, state: &mut CaptureState, list: &[Watched]) {
    ui.horizontal(|ui| {
        let label = ui.label("Another one:");
        let field = egui::TextEdit::singleline(&mut state.typed)
            .hint_text("name")
            .desired_width(120.0);
        ui.add(field).labelled_by(label.id);
        let name = state.typed.trim().to_owned();
        if ui
            .add_enabled(!name.is_empty(), egui::Button::new("Add"))
            .clicked()
        {
            if !state.wish.interfaces.contains(&name) {
                state.wish.interfaces.push(name);
            }
            state.typed.clear();
        }
        let unlisted = state.wish.interfaces.iter();
        for name in unlisted.filter(|name| list.iter().all(|w| w.interface.name != **name)) {
            ui.label(name);
        }
    });
}

/// How many packets of SIP an interface had in the last seconds.
fn sip_ui(ui: &mut Ui, theme: &Theme, sip: Option<&[u64]>) {
    let Some(sip) = sip else {
        ui.label(RichText::new("SIP ?").color(theme.faint))
            .on_hover_text("Counting SIP needs the right to capture");
        return;
    };
    let count: u64 = sip.iter().sum();
    let colour = if count > 0 { theme.text } else { theme.faint };
    ui.label(RichText::new(format!("SIP {}", grouped(count))).color(colour))
        .on_hover_text("Packets on ports 5060 and 5061 in the last 30 seconds");
}

/// A line of counts, the newest at the right, and above it those of SIP among them.
pub(super) fn sparkline_ui(
    ui: &mut Ui,
    theme: &Theme,
    history: &[u64],
    sip: &[u64],
) -> egui::Response {
    let (rect, response) = ui.allocate_exact_size(egui::vec2(90.0, 16.0), Sense::hover());
    let most = history.iter().chain(sip).max().copied().unwrap_or(0).max(1) as f32;
    let step = rect.width() / 59.0;
    let line = |counts: &[u64]| -> Vec<egui::Pos2> {
        let point = |(at, count): (usize, &u64)| {
            let height = (*count as f32 / most) * (rect.height() - 3.0);
            egui::pos2(
                rect.right() - at as f32 * step,
                rect.bottom() - 1.0 - height,
            )
        };
        counts.iter().rev().enumerate().map(point).collect()
    };
    let points = line(history);
    let colour = if history.iter().all(|count| *count == 0) {
        theme.line
    } else {
        theme.success
    };
    ui.painter()
        .add(egui::Shape::line(points, egui::Stroke::new(1.0, colour)));
    if sip.iter().any(|count| *count > 0) {
        let stroke = egui::Stroke::new(2.5, theme.request);
        ui.painter().add(egui::Shape::line(line(sip), stroke));
    }
    response
}

fn kept_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, state: &mut CaptureState, list: &[Watched]) {
    ui.strong("Keep");
    for (kept, words) in [
        (
            Kept::Sip,
            "SIP on ports 5060 and 5061, with fragments and VLANs",
        ),
        (Kept::SipAndMedia, "SIP and RTP (all UDP from port 1024 on)"),
        (
            Kept::SipAndItsMedia,
            "SIP and its RTP only (other UDP is left out when a file of a ring is full, and on saving)",
        ),
        (Kept::All, "Everything"),
    ] {
        ui.radio_value(&mut state.wish.kept, kept, words);
    }
    let own = matches!(state.wish.kept, Kept::Filter(_));
    ui.horizontal(|ui| {
        if ui.radio(own, "Own filter:").clicked() {
            state.wish.kept = Kept::Filter(state.own.clone());
        }
        let field = egui::TextEdit::singleline(&mut state.own)
            .hint_text("port 5060 or host 192.0.2.1")
            .desired_width(f32::INFINITY);
        let response = ui.add(field);
        response.widget_info(|| {
            egui::WidgetInfo::labeled(egui::accesskit::Role::TextInput, true, "Own filter text")
        });
        if response.changed() {
            state.wish.kept = Kept::Filter(state.own.clone());
        }
    });
    if matches!(
        state.wish.kept,
        Kept::SipAndMedia | Kept::SipAndItsMedia | Kept::All
    ) {
        let words = "Recording RTP records what people say: make sure that you may.";
        ui.label(RichText::new(words).color(ctx.theme.challenge));
    }
    let link_type = match state.wish.origin {
        Origin::Remote if state.wish.remote.interface.trim() == "any" => Some(113),
        Origin::Remote => Some(1),
        _ => state
            .wish
            .interfaces
            .first()
            .and_then(|name| list.iter().find(|w| w.interface.name == *name))
            .map_or(Some(1), |watched| watched.interface.link_type),
    };
    let filter = state.wish.kept.filter(link_type);
    let question = (filter.clone(), link_type.unwrap_or(1));
    let Some(check) = &state.check else { return };
    if state.asked.as_ref() != Some(&question) && live::program().is_some() {
        state.asked = Some(question.clone());
        check.ask(question, true);
    }
    if filter.is_empty() {
        return;
    }
    ui.add(egui::Label::new(RichText::new(&filter).monospace().color(ctx.theme.faint)).wrap());
    match check.answer().filter(|answer| answer.0 == filter) {
        Some(answer) => match &answer.1 {
            Some(why) => ui.label(RichText::new(sentence(why)).color(ctx.theme.failure)),
            None => ui.label(RichText::new("The filter is understood").color(ctx.theme.success)),
        },
        None => ui.label(RichText::new("…").color(ctx.theme.faint)),
    };
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|n| *n > 0)
}

fn limits_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, state: &mut CaptureState) {
    ui.horizontal_wrapped(|ui| {
        ui.strong("Stop after");
        for (text, unit) in [
            (&mut state.seconds, "seconds"),
            (&mut state.packets, "packets"),
            (&mut state.mebibytes, "MiB"),
            (&mut state.calls, "ended calls"),
        ] {
            let wrong = !text.trim().is_empty() && number(text).is_none();
            let mut field = egui::TextEdit::singleline(text)
                .desired_width(60.0)
                .hint_text("never");
            if wrong {
                field = field.text_color(ctx.theme.failure);
            }
            let field = ui.add(field);
            field.labelled_by(ui.label(unit).id);
        }
        let label = ui.label("or with less free than");
        let field = egui::TextEdit::singleline(&mut state.spare)
            .desired_width(60.0)
            .hint_text("nothing");
        ui.add(field).labelled_by(label.id);
        ui.label("MiB");
    });
    ui.horizontal_wrapped(|ui| {
        ui.strong("Files");
        let label = ui.label("Folder:");
        let field = egui::TextEdit::singleline(&mut state.folder)
            .hint_text("private, until saved")
            .desired_width(220.0);
        ui.add(field).labelled_by(label.id);
        ui.checkbox(&mut state.ring, "Ring of");
        let files = ui.add_enabled(
            state.ring,
            egui::TextEdit::singleline(&mut state.ring_files).desired_width(40.0),
        );
        files.labelled_by(ui.label("files of").id);
        let size = ui.add_enabled(
            state.ring,
            egui::TextEdit::singleline(&mut state.ring_mebibytes).desired_width(50.0),
        );
        size.labelled_by(ui.label("MiB each").id);
    });
    ui.horizontal_wrapped(|ui| {
        ui.strong("Memory");
        let wrong = number(&state.memory).is_none();
        let mut field = egui::TextEdit::singleline(&mut state.memory).desired_width(60.0);
        if wrong {
            field = field.text_color(ctx.theme.failure);
        }
        let field = ui.add(field);
        let words = "MiB for calls; older ones that are over leave it and stay in the file";
        field.labelled_by(ui.label(words).id);
    });
    if state.wish.origin != Origin::Hep {
        ui.checkbox(
            &mut state.wish.promiscuous,
            "Packets for other machines too (promiscuous)",
        );
    }
}

fn buttons_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    state: &mut CaptureState,
    actions: &mut Vec<Action>,
) {
    let as_root = live::is_root() && !ctx.capture.allow_root;
    ui.horizontal(|ui| {
        let fault = match as_root {
            true => Some("This window runs as root".to_owned()),
            false => state.wish.fault(),
        };
        let start = ui.add_enabled(fault.is_none(), egui::Button::new("Start capture"));
        let start = start.on_disabled_hover_text(fault.unwrap_or_default());
        if start.clicked() {
            let folder = state.folder.trim();
            let mut wish = state.wish.clone();
            wish.seconds = number(&state.seconds);
            wish.packets = number(&state.packets);
            wish.mebibytes = number(&state.mebibytes);
            wish.calls = number(&state.calls);
            wish.spare_mebibytes = number(&state.spare);
            wish.memory_mebibytes = number(&state.memory);
            wish.folder = (!folder.is_empty()).then(|| PathBuf::from(folder));
            wish.ring = None;
            if state.ring {
                let files = number(&state.ring_files).and_then(|n| usize::try_from(n).ok());
                wish.ring = files.zip(number(&state.ring_mebibytes));
            }
            actions.push(Action::Capture(CaptureAction::Start(Box::new(wish))));
        }
        if ui.button("Cancel").clicked() {
            actions.push(Action::Capture(CaptureAction::Pick(false)));
        }
    });
}

/// Earlier captures that are not saved, also of a window that was killed.
pub fn unsaved_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, actions: &mut Vec<Action>) {
    let unsaved = &ctx.capture.unsaved;
    if unsaved.is_empty() {
        return;
    }
    ui.add_space(6.0);
    ui.strong("Earlier captures that are not saved");
    // Of a width of its own, so that it stands in the middle where its surroundings do.
    let size = egui::vec2(
        430.0_f32.min(ui.available_width()),
        ui.spacing().interact_size.y,
    );
    let row = egui::Layout::left_to_right(egui::Align::Center);
    let captures: Vec<&[PathBuf]> = unsaved.chunk_by(|a, b| are_of_one_ring(a, b)).collect();
    for files in captures.iter().take(8) {
        // The newest stands first.
        let [path, older @ ..] = files else { continue };
        ui.allocate_ui_with_layout(size, row, |ui| {
            let mut name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if !older.is_empty() {
                name = format!("{name} and {} before", older.len());
            }
            ui.label(&name).on_hover_text(path.display().to_string());
            if ui
                .button("Open")
                .on_hover_text(format!("Open {name}"))
                .clicked()
            {
                actions.push(Action::OpenFiles(files.iter().rev().cloned().collect()));
                actions.push(Action::Capture(CaptureAction::Pick(false)));
            }
            if ui
                .button("Delete")
                .on_hover_text(format!("Delete {name} for ever"))
                .clicked()
            {
                let delete = |path: &PathBuf| CaptureAction::DeleteUnsaved(path.clone());
                actions.extend(files.iter().map(delete).map(Action::Capture));
            }
        });
    }
    if captures.len() > 8 {
        ui.label(format!("and {} more", captures.len() - 8));
    }
}
