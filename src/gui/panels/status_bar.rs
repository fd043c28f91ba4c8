//! Progress, counts, what was passed over, and notices.

use egui::{RichText, Ui};

use crate::gui::action::Action;
use crate::gui::panel_ctx::PanelCtx;
use crate::ingest::FileReport;
use crate::present::rows::{counted, sentence};
use crate::present::text::grouped;

/// One line at the bottom of the window.
pub fn status_bar_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        ui.add_space(4.0);
        let Some(progress) = ctx.progress else {
            ui.label(RichText::new("No capture open").color(ctx.theme.faint));
            notices_ui(ctx, ui);
            return;
        };
        if !progress.finished && ctx.capture.status.is_none() {
            let share = if progress.total == 0 {
                0.0
            } else {
                (progress.done as f64 / progress.total as f64).min(1.0) as f32
            };
            let percent = format!("{} %", (share * 100.0) as u32);
            let bar = egui::ProgressBar::new(share)
                .desired_width(150.0)
                .text(percent);
            ui.add(bar);
            if ui
                .button("Cancel")
                .on_hover_text("Stop loading; what is there stays")
                .clicked()
            {
                actions.push(Action::CancelLoad);
            }
        }
        if !ctx.working.is_empty() {
            ui.label(RichText::new(ctx.working).color(ctx.theme.request));
        }
        if let Some(share) = ctx.saving {
            let percent = share.map(|share| format!("{} %", (share * 100.0) as u32));
            let bar = egui::ProgressBar::new(share.unwrap_or(0.0)).desired_width(120.0);
            ui.add(bar.text(percent.unwrap_or_default()));
            let cancel = ui
                .button("Cancel saving")
                .on_hover_text("Stops; nothing is left behind");
            if cancel.clicked() {
                actions.push(Action::CancelSave);
            }
            // Nobody else wakes the window while it goes on.
            ui.ctx()
                .request_repaint_after(std::time::Duration::from_millis(100));
        }
        let view = ctx.view;
        let counts = [
            counted(view.messages().len() as u64, "message", "messages"),
            counted(
                u64::from(ctx.lists.totals.first().copied().unwrap_or(0)),
                "call",
                "calls",
            ),
            counted(view.dialogs().len() as u64, "dialog", "dialogs"),
        ];
        ui.label(counts.join("   "));
        if let Some(messages) = &ctx.lists.messages {
            let text = counted(messages.len() as u64, "message matches", "messages match");
            ui.label(RichText::new(text).color(ctx.theme.request));
        }
        if view.totals.retransmissions > 0 {
            let text = counted(
                view.totals.retransmissions,
                "retransmission",
                "retransmissions",
            );
            ui.label(RichText::new(text).color(ctx.theme.faint));
        }
        if view.totals.copies > 0 {
            let text = counted(view.totals.copies, "copy", "copies");
            ui.label(RichText::new(text).color(ctx.theme.faint))
                .on_hover_text("The same packet or message, captured again");
        }
        if progress.cancelled && progress.finished {
            ui.label(RichText::new("Loading was cancelled").color(ctx.theme.challenge));
        }
        files_ui(ctx, ui);
        notices_ui(ctx, ui);
    });
}

/// What was passed over in the files; a click lists it.
fn files_ui(ctx: &PanelCtx<'_>, ui: &mut Ui) {
    let Some(files) = ctx.files else { return };
    let errors: Vec<&FileReport> = files.iter().filter(|file| file.error.is_some()).collect();
    if !errors.is_empty() {
        let text = match errors.as_slice() {
            [only] if files.len() == 1 => sentence(only.error.as_deref().unwrap_or_default()),
            many => format!("{} not read", counted(many.len() as u64, "file", "files")),
        };
        let label = egui::Label::new(RichText::new(text).color(ctx.theme.failure)).truncate();
        let all: Vec<String> = errors
            .iter()
            .map(|file| {
                format!(
                    "{}: {}",
                    file.path.display(),
                    file.error.as_deref().unwrap_or("")
                )
            })
            .collect();
        ui.add(label).on_hover_text(all.join("\n"));
    }
    let damaged = files.iter().any(|file| file.info.truncated_at.is_some());
    let kinds: usize = files
        .iter()
        .map(|f| f.skipped.len() + f.info.skipped.len())
        .sum();
    if kinds == 0 && !damaged {
        return;
    }
    let text = if damaged {
        "Damaged or cut: see what is missing"
    } else {
        "Some of it was passed over"
    };
    let colour = if damaged {
        ctx.theme.challenge
    } else {
        ctx.theme.faint
    };
    ui.menu_button(RichText::new(text).color(colour), |ui| {
        ui.set_max_width(560.0);
        for file in files {
            if files.len() > 1 {
                ui.strong(file.path.display().to_string());
            }
            if let Some((offset, why)) = &file.info.truncated_at {
                ui.label(format!("Read up to offset {}: {why}", grouped(*offset)));
            }
            for skipped in file.info.skipped.iter().chain(&file.skipped) {
                let frame = match skipped.first_frame {
                    0 => String::new(),
                    frame => format!(", first at packet {}", grouped(frame.into())),
                };
                let times = grouped(skipped.count);
                ui.label(format!("{} ×{times}{frame}: {}", skipped.what, skipped.why));
            }
        }
    });
}

fn notices_ui(ctx: &PanelCtx<'_>, ui: &mut Ui) {
    if ctx.notices.is_empty() {
        return;
    }
    ui.menu_button(
        counted(ctx.notices.len() as u64, "notice", "notices"),
        |ui| {
            ui.set_max_width(560.0);
            for notice in ctx.notices.iter().rev() {
                ui.label(notice);
            }
        },
    );
}

/// The newest notice, until it was read.
pub fn notice_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, actions: &mut Vec<Action>) {
    let Some(notice) = ctx.notice else { return };
    ui.horizontal(|ui| {
        if ui.button("Dismiss").clicked() {
            actions.push(Action::DismissNotice);
        }
        ui.add(egui::Label::new(RichText::new(notice).color(ctx.theme.text)).truncate());
    });
}
