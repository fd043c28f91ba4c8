//! What the window shows while no capture is open, and when there is no SIP in the one that is.

use egui::{RichText, Ui};

use crate::gui::action::{Action, Overlay};
use crate::gui::command::{Command, by_id};
use crate::gui::panel_ctx::PanelCtx;
use crate::gui::panels::capture::unsaved_ui;
use crate::gui::pasting::{LONG_TEXT, PastedText, Preview};
use crate::gui::samples::SAMPLES;
use crate::present::rows::counted;
use crate::present::text::grouped;

/// Captures named on the page; the menu has more.
const SHOWN_RECENT: usize = 6;

/// How to open something.
pub fn welcome_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, actions: &mut Vec<Action>) {
    egui::ScrollArea::vertical().show(ui, |ui| {
        ui.vertical_centered(|ui| {
            ui.add_space((ui.available_height() * 0.12).clamp(8.0, 160.0));
            ui.label(RichText::new("Sipscope").size(30.0).color(ctx.theme.text));
            ui.label(RichText::new("See the SIP calls in a capture").color(ctx.theme.faint));
            ui.add_space(16.0);
            for id in ["open", "open path", "paste", "capture"] {
                if let Some(command) = by_id(id) {
                    command_button_ui(ctx, ui, command, actions);
                }
            }
            unsaved_ui(ctx, ui, actions);
            recent_ui(ctx, ui, actions);
            samples_ui(ctx, ui, actions);
            ui.add_space(14.0);
            let how = "Or drop files here, or start it with them: sipscope call.pcap";
            ui.label(RichText::new(how).color(ctx.theme.faint));
            let what = "pcap and pcapng, also packed with gzip, zstd or lz4; several files are merged by time";
            ui.label(RichText::new(what).color(ctx.theme.faint));
            ui.add_space(8.0);
        });
    });
}

/// A button for a command; where it cannot be used it says why below.
fn command_button_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    command: &Command,
    actions: &mut Vec<Action>,
) {
    let why_not = (command.when)(&ctx.facts).err();
    let tooltip = command.tooltip(&ctx.facts);
    let button = egui::Button::new(command.words).min_size(egui::vec2(190.0, 30.0));
    let response = ui
        .add_enabled(why_not.is_none(), button)
        .on_hover_text(&tooltip)
        .on_disabled_hover_text(&tooltip);
    if response.clicked() {
        actions.push((command.action)(&ctx.facts));
    }
    if let Some(why) = why_not {
        ui.label(RichText::new(why).color(ctx.theme.faint));
    }
}

fn recent_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, actions: &mut Vec<Action>) {
    if ctx.recent.is_empty() {
        return;
    }
    ui.add_space(14.0);
    ui.strong("Recent");
    let shown = || ctx.recent.iter().take(SHOWN_RECENT);
    for path in shown() {
        let name = path.file_name().unwrap_or(path.as_os_str());
        let mut words = name.to_string_lossy().into_owned();
        // Those of one name are told apart by their folders.
        let same = shown().filter(|other| other.file_name() == path.file_name());
        let folder = path.parent().and_then(|folder| folder.file_name());
        if let Some(folder) = folder.filter(|_| same.count() > 1) {
            words = format!("{}/{words}", folder.to_string_lossy());
        }
        let link = ui.link(words).on_hover_text(path.display().to_string());
        if link.clicked() {
            actions.push(Action::OpenFiles(vec![path.clone()]));
        }
    }
}

fn samples_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, actions: &mut Vec<Action>) {
    ui.add_space(14.0);
    ui.strong("Samples");
    for (n, sample) in SAMPLES.iter().enumerate() {
        let link = ui.link(sample.title);
        if link.on_hover_text(sample.about).clicked() {
            actions.push(Action::OpenSample(n));
        }
    }
    let own = "Recordings of real software on a test network";
    ui.label(RichText::new(own).color(ctx.theme.faint));
}

/// A capture is open and loaded, and nothing in it is SIP.
pub fn no_sip_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, actions: &mut Vec<Action>) {
    let files = ctx.files.unwrap_or_default();
    let packets: u64 = files.iter().map(|file| file.info.packets).sum();
    egui::ScrollArea::vertical().show(ui, |ui| {
        ui.vertical_centered(|ui| {
            ui.add_space((ui.available_height() * 0.14).clamp(8.0, 160.0));
            let title = format!("No SIP in {}", counted(packets, "packet", "packets"));
            ui.label(RichText::new(title).size(22.0).color(ctx.theme.text));
            ui.add_space(12.0);
            match ctx.survey {
                None => drop(ui.label(RichText::new("Looking what is in there…").color(ctx.theme.faint))),
                Some(survey) if survey.ports.is_empty() => {
                    ui.label("Nothing in it goes over UDP or TCP");
                }
                Some(survey) => {
                    ui.strong("Ports with most packets");
                    for port in &survey.ports {
                        let tls = if port.tls { ", TLS" } else { "" };
                        let count = counted(port.packets, "packet", "packets");
                        ui.label(format!("{} {}: {count}{tls}", port.transport, port.port));
                    }
                    if survey.more {
                        let text = format!("of the first {} packets", grouped(survey.packets));
                        ui.label(RichText::new(text).color(ctx.theme.faint));
                    }
                    ui.add_space(10.0);
                    if let Some(port) = survey.tls_ports.first() {
                        ui.label(format!("TLS on {port}: it takes a key log to read what is inside"));
                        let choose = ui
                            .button("Choose a key log…")
                            .on_hover_text("Decrypts TLS with an SSLKEYLOGFILE or the server's RSA key");
                        if choose.clicked() {
                            actions.push(Action::AskForKeyLog);
                        }
                    }
                }
            }
            if ctx.view.has_rtp() {
                ui.label("RTP found: the calls to it were signalled elsewhere, or before the capture began");
            }
            for file in files {
                for skipped in file.skipped.iter().take(3) {
                    let times = grouped(skipped.count);
                    ui.label(
                        RichText::new(format!("{} ×{times}: {}", skipped.what, skipped.why))
                            .color(ctx.theme.faint),
                    );
                }
            }
            ui.add_space(14.0);
            if ui.button("Open another capture…").clicked() {
                actions.push(Action::AskForFiles);
            }
            if ui.button("Start page").clicked() {
                actions.push(Action::CloseCapture);
            }
        });
    });
}

/// A damaged file: what was read and where it broke.
pub fn damage_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, actions: &mut Vec<Action>) {
    ui.horizontal(|ui| {
        if ui
            .button("Hide")
            .on_hover_text("Stays in the status bar")
            .clicked()
        {
            actions.push(Action::HideDamage);
        }
        let damaged = ctx.files.unwrap_or_default().iter().filter_map(|file| {
            let (offset, why) = file.info.truncated_at.as_ref()?;
            let name = file.path.file_name().unwrap_or(file.path.as_os_str());
            Some(format!(
                "{} is damaged or cut: read up to offset {} ({} packets), {why}",
                name.to_string_lossy(),
                grouped(*offset),
                grouped(file.info.packets),
            ))
        });
        let text = damaged.collect::<Vec<_>>().join("; ");
        ui.add(egui::Label::new(RichText::new(&text).color(ctx.theme.text)).truncate())
            .on_hover_text(&text);
    });
}

/// Asks for a text with messages, and says what would come out of it.
pub fn paste_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    pasted: &mut PastedText,
    actions: &mut Vec<Action>,
) {
    // The field lays out all of its text in each frame: long texts stay out of it.
    let long = ui.input_mut(|input| {
        let mut long = None;
        input.events.retain(|event| match event {
            egui::Event::Paste(text) if text.len() > LONG_TEXT => {
                long = Some(text.clone());
                false
            }
            _ => true,
        });
        long
    });
    if let Some(long) = long {
        pasted.text = long;
        pasted.changed();
    }
    let label = ui.label("Messages as text, or a trace:");
    if pasted.is_long() {
        let octets = grouped(pasted.text.len() as u64);
        ui.horizontal(|ui| {
            ui.label(format!(
                "A text of {octets} characters, too long to be shown here"
            ));
            if ui.button("Clear").clicked() {
                *pasted = PastedText::default();
            }
        });
    } else {
        let high = (paste_room(ui) * 0.6).min(260.0);
        let row = ui.text_style_height(&egui::TextStyle::Monospace);
        egui::ScrollArea::vertical()
            .max_height(high)
            .show(ui, |ui| {
                let field = egui::TextEdit::multiline(&mut pasted.text)
                    .code_editor()
                    .desired_rows(((high / row) as usize).clamp(2, 12))
                    .desired_width(f32::INFINITY);
                let response = ui.add(field).labelled_by(label.id);
                if response.changed() {
                    pasted.changed();
                }
            });
    }
    let found = ctx.preview.filter(|preview| preview.key == pasted.key);
    preview_ui(ctx, ui, pasted, found);
    let good = found.is_none_or(|preview| preview.good) && pasted.key != 0;
    let open = ui.add_enabled(good, egui::Button::new("Open text"));
    if open.clicked() {
        actions.push(Action::OpenText(pasted.text.clone()));
        actions.push(Action::ShowOverlay(None::<Overlay>));
    }
}

/// How much height text and preview share, so that the button below them stays in sight.
fn paste_room(ui: &Ui) -> f32 {
    // Its window takes four fifths of the screen; head, labels, button and margins need the rest.
    (ui.ctx().content_rect().height() * 0.8 - 150.0).max(80.0)
}

/// What was recognised, while the text is typed.
fn preview_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, pasted: &PastedText, found: Option<&Preview>) {
    let faint = |text: &str| RichText::new(text.to_owned()).color(ctx.theme.faint);
    let Some(found) = found.filter(|_| pasted.key != 0) else {
        let words = match pasted.key {
            0 => "SIP messages, a log, a hex dump, or a page that shows them",
            _ => "Looking what is in it…",
        };
        ui.label(faint(words));
        return;
    };
    ui.strong(&found.line);
    egui::ScrollArea::vertical()
        .id_salt("preview")
        .max_height((paste_room(ui) * 0.4).min(170.0))
        .show(ui, |ui| {
            for message in &found.messages {
                ui.add(egui::Label::new(message).truncate());
            }
            for (title, lines) in &found.parts {
                ui.label(faint(&format!("{title}: {}", lines.join("; "))));
            }
        });
}
