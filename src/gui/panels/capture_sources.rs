//! Where a capture comes from, in its picker: interfaces, HEP agents, another machine.

use egui::{RichText, Ui};

use crate::gui::live::{CaptureWish, Origin};
use crate::gui::panel_ctx::PanelCtx;
use crate::present::rows::counted;
use crate::source::hep_listener::{self, Network};
use crate::source::live::Agent;

/// Chooses where packets come from.
pub(super) fn origin_ui(ui: &mut Ui, wish: &mut CaptureWish) {
    ui.horizontal_wrapped(|ui| {
        ui.strong("From");
        for (origin, words) in [
            (Origin::Interfaces, "Interfaces of this machine"),
            (Origin::Hep, "HEP agents"),
            (Origin::Remote, "Another machine (ssh)"),
        ] {
            ui.radio_value(&mut wish.origin, origin, words);
        }
    });
}

/// What the listener needs to know.
pub(super) fn hep_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, wish: &mut CaptureWish) {
    let address = hep_listener::address(wish.hep.listen.trim());
    let senders = wish.hep.senders.split([',', ' ']).filter(|s| !s.is_empty());
    let senders: Result<Vec<Network>, String> = senders.map(str::parse).collect();
    egui::Grid::new("hep").num_columns(2).show(ui, |ui| {
        let row = |ui: &mut Ui, name: &str, text: &mut String, hint: &str, hidden: bool| {
            let label = ui.label(name);
            let field = egui::TextEdit::singleline(text)
                .hint_text(hint)
                .password(hidden)
                .desired_width(300.0);
            ui.add(field).labelled_by(label.id);
            ui.end_row();
        };
        let hep = &mut wish.hep;
        row(ui, "Listen on:", &mut hep.listen, "127.0.0.1:9060", false);
        row(ui, "Only from:", &mut hep.senders, "everybody", false);
        row(ui, "Key:", &mut hep.key.0, "none is asked for", true);
    });
    let fault = address.as_ref().err().or(senders.as_ref().err());
    if let Some(fault) = fault {
        ui.label(RichText::new(fault).color(ctx.theme.failure));
    }
    let words = match &address {
        Ok(address) if address.ip().is_loopback() => {
            "Only programs on this machine can send there. With an address of this machine, or 0.0.0.0 for all, others can too."
        }
        Ok(_) if wish.hep.senders.trim().is_empty() && wish.hep.key.0.is_empty() => {
            "Whoever reaches this address can send what he likes: name the senders, or ask for a key."
        }
        _ => "",
    };
    if !words.is_empty() {
        let colour = match address.is_ok_and(|address| address.ip().is_loopback()) {
            true => ctx.theme.faint,
            false => ctx.theme.challenge,
        };
        ui.add(egui::Label::new(RichText::new(words).color(colour)).wrap());
    }
    let words = "Over UDP (versions 1 to 3) and TCP (version 3). Agents are Kamailio (siptrace), OpenSIPS, heplify, sngrep -H and others.";
    ui.add(egui::Label::new(RichText::new(words).color(ctx.theme.faint)).wrap());
}

/// What is to be known of another machine.
pub(super) fn remote_ui(ctx: &PanelCtx<'_>, ui: &mut Ui, wish: &mut CaptureWish) {
    let remote = &mut wish.remote;
    egui::Grid::new("remote").num_columns(2).show(ui, |ui| {
        for (name, text, hint) in [
            ("Machine:", &mut remote.host, "user@proxy.example.com"),
            ("Interface there:", &mut remote.interface, "any"),
        ] {
            let label = ui.label(name);
            let field = egui::TextEdit::singleline(text)
                .hint_text(hint)
                .desired_width(300.0);
            ui.add(field).labelled_by(label.id);
            ui.end_row();
        }
    });
    ui.checkbox(&mut remote.sudo, "tcpdump needs sudo there");
    let words = "tcpdump runs there. ssh must get in without a question (a key, an agent), and sudo without a password. \
                 The connection itself is not captured.";
    ui.add(egui::Label::new(RichText::new(words).color(ctx.theme.faint)).wrap());
}

/// Who sent packets.
pub(super) fn agents_ui(ui: &mut Ui, agents: &[Agent]) {
    if agents.is_empty() {
        return;
    }
    let words = counted(agents.len() as u64, "agent", "agents");
    ui.menu_button(words, |ui| {
        for agent in agents.iter().take(40) {
            ui.label(agent.to_string());
        }
        if agents.len() > 40 {
            ui.label(format!("and {} more", agents.len() - 40));
        }
    });
}
