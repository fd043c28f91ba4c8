//! The window in a test: captures put together octet by octet, clicks by label, keys.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use egui::{Key, Modifiers};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use sipscope::gui::action::Action;
use sipscope::gui::app::SipscopeApp;
use sipscope::gui::prefs::{Prefs, ThemeChoice};

pub const ALICE: [u8; 4] = [192, 0, 2, 1];
pub const CONTACT: &str = "Contact: <sip:alice@192.0.2.1>\r\nExpires: 3600\r\n";
pub const BOB: [u8; 4] = [192, 0, 2, 2];

/// A capture put together octet by octet: pcap, Ethernet, IPv4, UDP.
pub struct Pcap(pub Vec<u8>);

impl Pcap {
    pub fn new() -> Self {
        let mut out = Vec::new();
        out.extend(0xa1b2_c3d4_u32.to_le_bytes());
        out.extend([2, 0, 4, 0]);
        out.extend([0; 8]);
        out.extend(65_535_u32.to_le_bytes());
        out.extend(1_u32.to_le_bytes());
        Self(out)
    }

    pub fn udp(self, ms: u32, from: [u8; 4], to: [u8; 4], payload: &str) -> Self {
        self.packet(ms, Self::datagram(ms, from, to, payload))
    }

    /// The same from another port than 5060.
    pub fn udp_from(self, ms: u32, from: ([u8; 4], u16), to: [u8; 4], payload: &str) -> Self {
        let mut datagram = Self::datagram(ms, from.0, to, payload);
        datagram[20..22].copy_from_slice(&from.1.to_be_bytes());
        self.packet(ms, datagram)
    }

    /// Like [`Self::udp`], with the time in microseconds.
    pub fn udp_at(mut self, micros: u32, from: [u8; 4], to: [u8; 4], payload: &str) -> Self {
        let record = self.0.len();
        self = self.udp(micros / 1000, from, to, payload);
        let fraction = (micros % 1_000_000).to_le_bytes();
        self.0[record + 4..record + 8].copy_from_slice(&fraction);
        self
    }

    /// The receiver of a datagram says that nobody listens at its port.
    pub fn unreachable(self, ms: u32, from: [u8; 4], to: [u8; 4], payload: &str) -> Self {
        let quoted = Self::datagram(ms, from, to, payload);
        let length = u16::try_from(quoted.len() + 28).unwrap().to_be_bytes();
        let mut ip = vec![0x45, 0];
        ip.extend(length);
        ip.extend([0, 1, 0, 0, 64, 1, 0, 0]);
        ip.extend(to);
        ip.extend(from);
        ip.extend([3, 3, 0, 0, 0, 0, 0, 0]);
        ip.extend(quoted);
        self.packet(ms, ip)
    }

    fn datagram(ms: u32, from: [u8; 4], to: [u8; 4], payload: &str) -> Vec<u8> {
        let mut ip = vec![0x45, 0];
        let length = |extra: usize| u16::try_from(payload.len() + extra).unwrap().to_be_bytes();
        ip.extend(length(28));
        ip.extend(u16::try_from(ms % 60_000).unwrap().to_be_bytes());
        ip.extend([0, 0, 64, 17, 0, 0]);
        ip.extend(from);
        ip.extend(to);
        ip.extend(5060_u16.to_be_bytes());
        ip.extend(5060_u16.to_be_bytes());
        ip.extend(length(8));
        ip.extend([0, 0]);
        ip.extend(payload.bytes());
        ip
    }

    fn packet(mut self, ms: u32, ip: Vec<u8>) -> Self {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
        frame.extend(ip);
        self.0.extend((1_767_225_600 + ms / 1000).to_le_bytes());
        self.0.extend((ms % 1000 * 1000).to_le_bytes());
        let length = u32::try_from(frame.len()).unwrap().to_le_bytes();
        self.0.extend(length);
        self.0.extend(length);
        self.0.extend(frame);
        self
    }

    pub fn write(self, folder: &Path) -> PathBuf {
        let path = folder.join("call.pcap");
        std::fs::write(&path, self.0).unwrap();
        path
    }
}

/// A message of the call number `n`.
pub fn sip(n: u32, start: &str, to_tag: bool, cseq: &str, more: &str) -> String {
    let tag = if to_tag { ";tag=b" } else { "" };
    format!(
        "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-{n}-{}\r\n\
         From: \"Alice\" <sip:alice@example.com>;tag=a{n}\r\nTo: <sip:bob{n}@example.com>{tag}\r\n\
         Call-ID: call-{n}@example.com\r\nCSeq: {cseq}\r\nMax-Forwards: 70\r\n\
         {more}Content-Length: 0\r\n\r\n",
        cseq.replace(' ', "-").replace("ACK", "INVITE"),
    )
}

/// Two calls, one answered and one busy, and a registration.
pub fn two_calls(folder: &Path) -> PathBuf {
    let invite = |n| format!("INVITE sip:bob{n}@example.com SIP/2.0");
    Pcap::new()
        .udp(0, ALICE, BOB, &sip(1, &invite(1), false, "1 INVITE", ""))
        .udp(
            20,
            BOB,
            ALICE,
            &sip(1, "SIP/2.0 180 Ringing", true, "1 INVITE", ""),
        )
        .udp(
            900,
            BOB,
            ALICE,
            &sip(1, "SIP/2.0 200 OK", true, "1 INVITE", ""),
        )
        .udp(
            920,
            ALICE,
            BOB,
            &sip(1, "ACK sip:bob1@example.com SIP/2.0", true, "1 ACK", ""),
        )
        .udp(1500, ALICE, BOB, &sip(2, &invite(2), false, "1 INVITE", ""))
        .udp(
            1520,
            BOB,
            ALICE,
            &sip(2, "SIP/2.0 486 Busy Here", true, "1 INVITE", ""),
        )
        .udp(
            1530,
            ALICE,
            BOB,
            &sip(2, "ACK sip:bob2@example.com SIP/2.0", true, "1 ACK", ""),
        )
        .udp(
            5000,
            ALICE,
            BOB,
            &sip(1, "BYE sip:bob1@example.com SIP/2.0", true, "2 BYE", ""),
        )
        .udp(
            5010,
            BOB,
            ALICE,
            &sip(1, "SIP/2.0 200 OK", true, "2 BYE", ""),
        )
        .udp(
            6000,
            ALICE,
            BOB,
            &sip(
                3,
                "REGISTER sip:example.com SIP/2.0",
                false,
                "1 REGISTER",
                CONTACT,
            ),
        )
        .udp(
            6010,
            BOB,
            ALICE,
            &sip(3, "SIP/2.0 200 OK", true, "1 REGISTER", CONTACT),
        )
        .write(folder)
}

pub type Window = Harness<'static, SipscopeApp>;

pub fn window(files: Vec<PathBuf>) -> Window {
    window_of([1366.0, 768.0], files)
}

pub fn window_of(size: [f32; 2], files: Vec<PathBuf>) -> Window {
    window_with(Harness::builder().with_size(size), files)
}

pub fn window_with(
    builder: egui_kittest::HarnessBuilder<SipscopeApp>,
    files: Vec<PathBuf>,
) -> Window {
    let mut harness = builder.build_eframe(|cc| {
        let prefs = Prefs {
            theme: ThemeChoice::Dark,
            ..Prefs::default()
        };
        let mut app = SipscopeApp::new(&cc.egui_ctx, prefs, None);
        app.apply(Action::OpenFiles(files));
        app
    });
    settle(&mut harness);
    harness
}

/// Frames until all workers have delivered.
#[track_caller]
pub fn settle(harness: &mut Window) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        harness.run_steps(2);
        if harness.state().session.is_settled() {
            harness.run_steps(3);
            if harness.state().session.is_settled() {
                return;
            }
        }
        assert!(Instant::now() < until, "the workers do not come to an end");
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Clicks on what has that label, and gives the actions that followed.
#[track_caller]
pub fn click(harness: &mut Window, label: &str) -> Vec<Action> {
    harness.get_by_label(label).click();
    let actions = acted(harness);
    settle(harness);
    actions
}

/// The actions of the next frames.
pub fn acted(harness: &mut Window) -> Vec<Action> {
    harness.state_mut().recorded = Some(Vec::new());
    harness.run_steps(4);
    harness.state_mut().recorded.take().unwrap()
}

pub fn press(harness: &mut Window, modifiers: Modifiers, key: Key) -> Vec<Action> {
    harness.key_press_modifiers(modifiers, key);
    let actions = acted(harness);
    settle(harness);
    actions
}

#[track_caller]
pub fn selected(harness: &Window, label: &str) -> bool {
    let node = harness.get_by_label(label);
    node.accesskit_node().toggled() == Some(egui::accesskit::Toggled::True)
}

pub const ANSWERED: &str = "Completed alice@example.com to bob1@example.com, 200 OK";
pub const BUSY: &str = "Busy alice@example.com to bob2@example.com, 486 Busy Here";

/// Paints until it is so.
#[track_caller]
pub fn until(w: &mut Window, what: &str, is: impl Fn(&Window) -> bool) {
    let begin = Instant::now();
    while !is(w) {
        w.run_steps(2);
        assert!(
            begin.elapsed() < Duration::from_secs(20),
            "waited for: {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Something on the screen says so.
pub fn has(w: &Window, text: &str) -> bool {
    w.query_all_by_label_contains(text).next().is_some()
}

/// Writes into a field, in place of what stands there.
pub fn type_into(w: &mut Window, label: &str, text: &str) {
    w.get_by_role_and_label(egui::accesskit::Role::TextInput, label)
        .focus();
    w.run_steps(2);
    press(w, Modifiers::COMMAND, Key::A);
    w.get_by_role_and_label(egui::accesskit::Role::TextInput, label)
        .type_text(text);
    w.run_steps(2);
}
