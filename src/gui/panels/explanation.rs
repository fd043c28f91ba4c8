//! What the selected field means, in full: a strip that quotes values and links frames.

use egui::text::{LayoutJob, TextFormat};
use egui::{FontFamily, RichText, ScrollArea, TextStyle, Ui};

use super::empty_ui;
use crate::explain::{Depth, Explanation, FrameLink, Piece};
use crate::gui::action::{Action, Area, FieldPath};
use crate::gui::panel_ctx::PanelCtx;
use crate::gui::widgets::panel_head::{head_points, panel_head};
use crate::gui::widgets::row_view::shown;

/// What belongs to the explanation alone.
#[derive(Default)]
pub struct ExplanationState;

/// The strip below ladder and message.
pub fn explanation_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    _state: &mut ExplanationState,
    actions: &mut Vec<Action>,
) {
    // With no room below its head, the head says what one line can.
    let room = ui.available_height() - head_points(ui);
    let glance = ctx.explained.and_then(|e| e.explanation.as_ref());
    let glance = glance.filter(|_| ctx.selection.media.is_none());
    let glance = glance.filter(|_| room < ui.text_style_height(&TextStyle::Body));
    panel_head(ctx, ui, Area::Explanation, actions, |ui, actions| {
        ui.strong("Explanation");
        if let Some(explanation) = glance {
            let title = ctx.explained.map(|e| shown(&e.title, 300));
            ui.add(egui::Label::new(RichText::new(&explanation.glance)).truncate())
                .on_hover_text(title.unwrap_or_default());
            return;
        }
        for (depth, words) in [
            (Depth::Beginner, "Beginner"),
            (Depth::Normal, "Normal"),
            (Depth::Expert, "Expert"),
        ] {
            if ui.selectable_label(ctx.depth == depth, words).clicked() {
                actions.push(Action::SetDepth(depth));
            }
        }
        if ctx.selection.media.is_some() {
            let title = RichText::new("of the bar of media").color(ctx.theme.faint);
            ui.add(egui::Label::new(title).truncate());
        } else if let Some(found) = ctx.explained.filter(|e| !e.title.is_empty()) {
            let title = format!("of {}", shown(&found.title, 300));
            let title = RichText::new(title).color(ctx.theme.faint);
            ui.add(egui::Label::new(title).truncate());
        }
    });
    if glance.is_some() {
        return;
    }
    if let Some(media) = &ctx.selection.media {
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            egui::Frame::new()
                .inner_margin(egui::Margin::symmetric(8, 4))
                .show(ui, |ui| media_ui(ctx, ui, media));
        });
        return;
    }
    let Some(found) = ctx.explained else {
        return empty_ui(ui, ctx.theme, "Select a field of the message");
    };
    let Some(explanation) = &found.explanation else {
        let text = match &found.field {
            Some(field) if found.title.is_empty() => {
                format!("This message has no {}", field_words(field))
            }
            _ => "There is no explanation for this part".to_owned(),
        };
        return empty_ui(ui, ctx.theme, &text);
    };
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        egui::Frame::new()
            .inner_margin(egui::Margin::symmetric(8, 4))
            .show(ui, |ui| parts_ui(ctx, ui, explanation, actions));
    });
}

/// What a bar of media stands for.
fn media_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, words: &[String]) {
    ui.spacing_mut().item_spacing.y = 5.0;
    let Some((label, streams)) = words.split_first() else {
        return;
    };
    ui.label(RichText::new(label).strong());
    for stream in streams {
        ui.label(stream);
    }
    let about = "The bar reaches from the first packet of one direction to the last. Where there are none, it \
                 stands where the media was agreed: they were not sent, took another way, or were not captured.";
    ui.label(RichText::new(about).color(ctx.theme.faint));
    ui.label(RichText::new("RFC 3550, RFC 3264").color(ctx.theme.faint));
}

/// Where a field stands, for people: `third Via, branch`.
fn field_words(field: &FieldPath) -> String {
    let part = |part: &str| match part.strip_suffix(']').and_then(|p| p.rsplit_once('[')) {
        Some((name, "2")) => format!("second {name}"),
        Some((name, "3")) => format!("third {name}"),
        Some((name, count)) => format!("{name} number {count}"),
        None => part.to_owned(),
    };
    let parts: Vec<String> = field.0.split(" > ").map(part).collect();
    parts.join(", ")
}

fn parts_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, found: &Explanation, actions: &mut Vec<Action>) {
    ui.spacing_mut().item_spacing.y = 5.0;
    ui.label(RichText::new(&found.glance).strong());
    if !found.here.is_empty() {
        here_ui(ctx, ui, found, actions);
    }
    if !found.watch_out.is_empty() {
        let mut job = LayoutJob::default();
        let strong = format(ui, ctx.theme.challenge, FontFamily::Proportional);
        let plain = format(ui, ctx.theme.text, FontFamily::Proportional);
        job.append("Watch out  ", 0.0, strong);
        append_quoted(&mut job, ui, ctx, &found.watch_out_text(), &plain);
        ui.label(job);
    }
    if !found.source.is_empty() {
        ui.label(RichText::new(&found.source).color(ctx.theme.faint));
    }
}

fn format(ui: &Ui, color: egui::Color32, family: FontFamily) -> TextFormat {
    let mut font_id = TextStyle::Body.resolve(ui.style());
    font_id.family = family;
    TextFormat {
        font_id,
        color,
        ..TextFormat::default()
    }
}

/// Words between backticks are values.
fn append_quoted(job: &mut LayoutJob, ui: &Ui, ctx: &PanelCtx<'_>, text: &str, plain: &TextFormat) {
    let code = format(ui, ctx.theme.text, FontFamily::Monospace);
    for (number, part) in text.split('`').enumerate() {
        let format = if number % 2 == 1 { &code } else { plain };
        job.append(part, 0.0, format.clone());
    }
}

/// The paragraph: text flows, frames are links.
fn here_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, found: &Explanation, actions: &mut Vec<Action>) {
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        // Links stand on the line of the text around them.
        ui.spacing_mut().interact_size.y = 0.0;
        let mut job = LayoutJob::default();
        let plain = format(ui, ctx.theme.text, FontFamily::Proportional);
        let code = format(ui, ctx.theme.text, FontFamily::Monospace);
        for piece in found.pieces() {
            match piece {
                Piece::Text(text) => job.append(&text, 0.0, plain.clone()),
                Piece::Value(value) => job.append(&shown(&value, 200), 0.0, code.clone()),
                Piece::Frame(link) => {
                    ui.label(std::mem::take(&mut job));
                    link_ui(ctx, ui, link, actions);
                }
            }
        }
        if !job.is_empty() {
            ui.label(job);
        }
    });
}

fn link_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, link: FrameLink, actions: &mut Vec<Action>) {
    let label = crate::present::rows::message_label(ctx.view, link.message);
    // As a part of the text around it, and on its line; the link chooses the colour.
    let words = format(ui, egui::Color32::PLACEHOLDER, FontFamily::Proportional);
    let words = LayoutJob::single_section(link.frame.to_string(), words);
    let response = ui.link(words);
    let name = format!("Frame {}: {label}", link.frame);
    response.widget_info(|| egui::WidgetInfo::labeled(egui::accesskit::Role::Link, true, &name));
    if response.on_hover_text(name.clone()).clicked() {
        actions.push(Action::GoTo(link.message));
    }
}
