//! The window: panels on the data of `present`, actions to one session, workers behind it.
//!
//! A frame takes the newest index once and only reads it. Files are read, messages decoded and
//! lists sorted by workers; panels show the last result until a worker delivers a newer one.

pub mod action;
pub mod app;
pub mod branches;
mod call_view;
mod capture_wish;
pub mod capturing;
pub mod command;
pub mod driver;
pub mod equal;
pub mod explaining;
pub mod fetch;
pub mod file_dialogs;
pub mod file_watch;
pub mod find;
mod first_look;
pub mod icon;
pub mod interface_watch;
pub mod jobs;
pub mod ladder_export;
pub mod ladder_wish;
pub mod latest;
pub mod layout;
pub mod lists;
pub mod live;
mod live_files;
pub mod notebook;
pub mod pace;
pub mod panel_ctx;
pub mod panels;
pub mod pasting;
pub mod prefs;
pub mod reading;
pub mod samples;
pub mod selection;
pub mod session;
pub mod theme;
mod thinning;
pub mod widgets;
pub mod zone;

use std::path::PathBuf;

use prefs::Prefs;

/// With what the window opens.
#[derive(Debug, Default)]
pub struct Start {
    /// Captures.
    pub files: Vec<PathBuf>,
    /// They are followed while other programs write them.
    pub follow: bool,
    /// Live capture is allowed as root.
    pub allow_root: bool,
    /// TLS key logs and RSA keys.
    pub key_logs: Vec<PathBuf>,
}

/// Opens the window and waits until it is closed.
///
/// # Errors
/// A sentence for the user: there is no display or no OpenGL.
pub fn run(with: Start, command_line: jobs::CommandLine) -> Result<(), String> {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if cfg!(target_os = "linux") && !set("DISPLAY") && !set("WAYLAND_DISPLAY") {
        return Err(
            "no display for the window: neither DISPLAY nor WAYLAND_DISPLAY is set".to_owned(),
        );
    }
    let path = prefs::path();
    let (prefs, notice) = path.as_deref().map(Prefs::load).unwrap_or_default();
    let size = prefs.window.unwrap_or((1366.0, 768.0));
    let mut viewport = egui::ViewportBuilder::default()
        .with_title("Sipscope")
        .with_app_id("sipscope")
        .with_inner_size([size.0, size.1])
        .with_min_inner_size([480.0, 320.0]);
    if let Some(icon) = icon::icon() {
        viewport = viewport.with_icon(icon);
    }
    let options = eframe::NativeOptions {
        viewport,
        persist_window: false,
        ..eframe::NativeOptions::default()
    };
    let start = move |cc: &eframe::CreationContext<'_>| -> Result<Box<dyn eframe::App>, _> {
        let mut app = app::SipscopeApp::new(&cc.egui_ctx, prefs, path);
        app.session.jobs.command_line = Some(command_line);
        app.session.notebook.keeps = true;
        if let Some(notice) = notice {
            app.apply(action::Action::Notify(notice));
        }
        app.session.capturing.allow_root = with.allow_root;
        let ctx = cc.egui_ctx.clone();
        let wake: session::Wake = std::sync::Arc::new(move || ctx.request_repaint());
        app.session.capturing.look_for_unsaved(wake);
        app.session.key_logs = with.key_logs;
        app.apply(match with.follow {
            true => action::Action::Capture(capturing::CaptureAction::Follow(with.files)),
            false => action::Action::OpenFiles(with.files),
        });
        Ok(Box::new(app))
    };
    // Libraries below report some kinds of missing display by a panic.
    let run =
        std::panic::AssertUnwindSafe(|| eframe::run_native("sipscope", options, Box::new(start)));
    match std::panic::catch_unwind(run) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(refusal(&error)),
        Err(_) => Err("the window could not be opened".to_owned()),
    }
}

fn refusal(error: &eframe::Error) -> String {
    // The words of the libraries name places in their sources: they are for the log.
    log::info!("no window: {error}");
    match error {
        eframe::Error::Winit(_) | eframe::Error::WinitEventLoop(_) => {
            "no display for the window: the one that DISPLAY or WAYLAND_DISPLAY names does not answer"
        }
        eframe::Error::Glutin(_)
        | eframe::Error::NoGlutinConfigs(..)
        | eframe::Error::OpenGL(_) => "no OpenGL for the window: the display offers none that fits",
        eframe::Error::AppCreation(_) => "the window could not be opened",
    }
    .to_owned()
}
