//! The bar of a running capture, and of one that is not saved yet.

use egui::{Color32, Key, RichText, Ui};

use super::capture::{CaptureState, sparkline_ui};
use super::capture_sources::agents_ui;
use crate::gui::action::Action;
use crate::gui::capturing::CaptureAction;
use crate::gui::live::{Origin, Phase, Status};
use crate::gui::panel_ctx::PanelCtx;
use crate::present::rows::{counted, sentence};
use crate::present::text::grouped;

/// Whether [`capture_bar_ui`] has something to show.
pub fn has_capture_bar(ctx: &PanelCtx<'_>) -> bool {
    ctx.capture.status.is_some() || !ctx.capture.to_save.is_empty()
}

/// One line while a capture runs, and until it is saved.
pub fn capture_bar_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    state: &mut CaptureState,
    actions: &mut Vec<Action>,
) {
    ui.horizontal_wrapped(|ui| {
        if let Some(status) = &ctx.capture.status {
            running_ui(ctx, ui, state, status, actions);
        }
        let over = ctx
            .capture
            .status
            .as_ref()
            .is_none_or(|s| s.phase == Phase::Over);
        if over && !ctx.capture.to_save.is_empty() {
            save_ui(ctx, ui, state, actions);
        }
    });
}

fn running_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    state: &mut CaptureState,
    status: &Status,
    actions: &mut Vec<Action>,
) {
    let theme = ctx.theme;
    let names: Vec<&str> = status
        .interfaces
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    let names = names.join(", ");
    let files = status.origin == Origin::Files;
    let (words, colour): (String, Color32) = match status.phase {
        Phase::Starting => (format!("Opening {names}…"), theme.faint),
        Phase::Running if status.origin == Origin::Hep => (
            names.replacen("HEP on", "Listening for HEP on", 1),
            theme.failure,
        ),
        Phase::Running if files => (format!("Following {names}"), theme.success),
        Phase::Running => (format!("Capturing on {names}"), theme.failure),
        Phase::Ending => ("Ending…".to_owned(), theme.challenge),
        Phase::Over if files => (format!("Followed {names}"), theme.faint),
        Phase::Over => (format!("Captured on {names}"), theme.faint),
    };
    let dot = if status.phase == Phase::Running {
        "● "
    } else {
        ""
    };
    let label = ui.label(
        RichText::new(format!("{dot}{words}"))
            .color(colour)
            .strong(),
    );
    let filters: Vec<String> = status
        .interfaces
        .iter()
        .map(|(name, filter)| match filter.as_str() {
            "" => format!("{name}: everything"),
            filter => format!("{name}: {filter}"),
        })
        .collect();
    if files {
        let paths: Vec<String> = ctx.paths.iter().map(|p| p.display().to_string()).collect();
        label.on_hover_text(paths.join("\n"));
    } else {
        label.on_hover_text(filters.join("\n"));
    }
    let counts = &status.counts;
    let time = format!("{}:{:02}", status.seconds / 60, status.seconds % 60);
    let (taken, hint) = match files {
        true => (
            size_words(counts.octets),
            "SIP messages read in each second",
        ),
        false => (
            counted(counts.packets, "packet", "packets"),
            "Packets in each second",
        ),
    };
    ui.label(format!("{time}   {taken}"));
    sparkline_ui(ui, theme, &status.history, &[]).on_hover_text(hint);
    for (count, by) in [
        (counts.dropped_by_kernel, "kernel"),
        (counts.dropped_by_interface, "interface"),
    ] {
        let text = format!("{} dropped by the {by}", grouped(count));
        let colour = if count > 0 {
            theme.failure
        } else {
            theme.faint
        };
        let known = match status.origin {
            Origin::Interfaces => true,
            Origin::Hep => count > 0,
            Origin::Remote => status.phase == Phase::Over,
            Origin::Files => false,
        };
        if known {
            ui.label(RichText::new(text).color(colour));
        }
    }
    if status.origin == Origin::Remote && status.phase != Phase::Over {
        ui.label(RichText::new("drops are told at the end").color(theme.faint))
            .on_hover_text("tcpdump says when it ends how many packets it missed");
    }
    for (count, words) in [
        (counts.dropped_here, "lost here"),
        (counts.refused, "refused"),
    ] {
        if count > 0 {
            let text = format!("{} {words}", grouped(count));
            ui.label(RichText::new(text).color(theme.failure));
        }
    }
    if status.thinned.dropped > 0 {
        let text = format!("{} left out", grouped(status.thinned.dropped));
        ui.label(RichText::new(text).color(theme.faint))
            .on_hover_text(
                "Packets that are neither SIP nor its RTP, left out of the files that are full",
            );
    }
    agents_ui(ui, &status.agents);
    // Those that have left memory among them.
    let sip = ctx.view.messages().end();
    ui.label(counted(sip as u64, "SIP message", "SIP messages"));
    let silent = counts.packets == 0 && counts.octets == 0 && sip == 0;
    if status.phase == Phase::Running && silent && status.seconds >= 5 {
        let words = match status.origin {
            Origin::Hep => "No agent has sent anything yet",
            Origin::Files => "Nothing is in the file yet",
            _ => "Nothing matches the filter yet",
        };
        ui.label(RichText::new(words).color(theme.challenge))
            .on_hover_text(filters.join("\n"));
    }
    if let Some(words) = &status.words {
        ui.label(RichText::new(sentence(words)).color(theme.challenge));
    }
    super::left_memory::left_memory_ui(ctx, ui, actions);
    if status.phase == Phase::Over {
        return;
    }
    let (stop, hint) = match files {
        true => ("Stop following", "What is there stays"),
        false => ("Stop", "Ends the capture; what is there stays"),
    };
    if ui.button(stop).on_hover_text(hint).clicked() {
        actions.push(Action::Capture(CaptureAction::Stop));
    }
    let pause = if ctx.capture.paused {
        "Go on"
    } else {
        "Pause view"
    };
    let hint = match files {
        true => "The file is read on, only the view stands still",
        false => "The capture goes on in its file, only the view stands still",
    };
    if ui.button(pause).on_hover_text(hint).clicked() {
        actions.push(Action::Capture(CaptureAction::Pause(!ctx.capture.paused)));
    }
    if !files {
        mark_ui(ui, state, actions);
    }
    if status.marks > 0 {
        let marks = counted(status.marks.into(), "mark", "marks");
        ui.label(RichText::new(marks).color(theme.faint));
    }
}

/// `812 KiB`, `12.3 MiB`.
fn size_words(octets: u64) -> String {
    match octets >> 20 {
        0 => format!("{} KiB", octets.div_ceil(1 << 10)),
        1..100 => format!("{:.1} MiB", octets as f64 / f64::from(1 << 20)),
        more => format!("{} MiB", grouped(more)),
    }
}

/// What is to stand beside the next packet. It stays together where the bar takes several lines.
fn mark_ui(ui: &mut Ui, state: &mut CaptureState, actions: &mut Vec<Action>) {
    let size = egui::vec2(240.0, ui.spacing().interact_size.y);
    let row = egui::Layout::left_to_right(egui::Align::Center);
    ui.allocate_ui_with_layout(size, row, |ui| {
        let label = ui.label("Mark:");
        let field = egui::TextEdit::singleline(&mut state.mark)
            .hint_text("customer dials now")
            .desired_width(140.0);
        let field = ui.add(field).labelled_by(label.id);
        let entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let set = ui
            .button("Set")
            .on_hover_text("Puts a comment on the next packet (M)");
        if set.clicked() || entered {
            let mark = std::mem::take(&mut state.mark);
            actions.push(Action::Capture(CaptureAction::Mark(mark)));
        }
    });
}

fn save_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, state: &mut CaptureState, actions: &mut Vec<Action>) {
    let size = egui::vec2(470.0, ui.spacing().interact_size.y);
    let row = egui::Layout::left_to_right(egui::Align::Center);
    ui.allocate_ui_with_layout(size, row, |ui| {
        let label = ui.label(RichText::new("Not saved yet. Save as:").color(ctx.theme.challenge));
        let field = egui::TextEdit::singleline(&mut state.save_to)
            .hint_text("/home/me/calls.pcapng")
            .desired_width(240.0);
        let field = ui.add(field).labelled_by(label.id);
        let entered = field.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        let path = state.save_to.trim().to_owned();
        let save = ui.add_enabled(!path.is_empty(), egui::Button::new("Save"));
        if (save.clicked() || entered) && !path.is_empty() {
            let path = super::top_bar::home(&path);
            actions.push(Action::Capture(CaptureAction::Save(path)));
        }
    });
}
