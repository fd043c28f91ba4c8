//! Preferences: what is remembered from one start to the next.
//!
//! They are kept as JSON in the user's configuration folder, or below `SIPSCOPE_HOME`. A file that
//! cannot be understood means defaults and a notice, never a window that does not open.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use crate::index::CallKind;
use crate::ingest::LIVE_MEMORY_OCTETS;

use super::action::{CallColumn, CallOrder, MessageColumn, RawTab, Tab};
use super::layout::Layout;

/// Light, dark, or as the system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ThemeChoice {
    /// As the system.
    #[default]
    System,
    /// Dark text on light ground.
    Light,
    /// Light text on dark ground.
    Dark,
}

/// How times are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TimeFormat {
    /// Time of day in UTC.
    #[default]
    Utc,
    /// Time of day in the zone of this computer.
    Local,
    /// Time of day so many minutes east of UTC.
    Offset(i16),
    /// Seconds since the first message.
    Relative,
    /// Seconds since the message before in the list.
    Delta,
}

/// All of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Prefs {
    /// Theme.
    pub theme: ThemeChoice,
    /// Times.
    pub time: TimeFormat,
    /// Order of the call list.
    pub order: CallOrder,
    /// Tab beside the header tree.
    pub tab: Tab,
    /// The message as text, tree or in hexadecimal.
    pub raw: RawTab,
    /// Size of text in percent.
    pub text_size: u16,
    /// What was asked for in the box, the newest first.
    pub history: Vec<String>,
    /// Captures that were opened, the newest first.
    pub recent: Vec<PathBuf>,
    /// Columns of the call list that were shown or hidden by choice.
    pub columns: ColumnChoice,
    /// Columns of the message list that were shown or hidden by choice.
    pub message_columns: Vec<(MessageColumn, bool)>,
    /// Widths of columns of the call list in points, by head.
    pub widths: BTreeMap<String, f32>,
    /// The same of the message lists.
    pub message_widths: BTreeMap<String, f32>,
    /// One line of explanation beside each row of the header tree.
    pub glances: bool,
    /// How much the explanation tells.
    pub depth: crate::explain::Depth,
    /// MiB of memory for a live capture, or for a file that is followed.
    pub capture_mebibytes: u64,
    /// Shares of the window.
    pub layout: Layout,
    /// Window in points, while it is not maximised.
    pub window: Option<(f32, f32)>,
}

impl Default for Prefs {
    fn default() -> Self {
        Self {
            theme: ThemeChoice::default(),
            time: TimeFormat::default(),
            order: CallOrder::default(),
            tab: Tab::default(),
            raw: RawTab::default(),
            text_size: 100,
            history: Vec::new(),
            recent: Vec::new(),
            columns: ColumnChoice::new(),
            message_columns: Vec::new(),
            widths: BTreeMap::new(),
            message_widths: BTreeMap::new(),
            glances: true,
            depth: crate::explain::Depth::default(),
            capture_mebibytes: (LIVE_MEMORY_OCTETS >> 20) as u64,
            layout: Layout::default(),
            window: None,
        }
    }
}

/// MiB of memory that a live capture may be given.
pub const CAPTURE_MEBIBYTES: std::ops::RangeInclusive<u64> = 1..=1 << 20;

/// Columns that were shown or hidden by choice, for each kind of calls by name.
pub type ColumnChoice = BTreeMap<String, Vec<(CallColumn, bool)>>;

/// Sizes of text that can be chosen, in percent.
pub const TEXT_SIZES: std::ops::RangeInclusive<u16> = 60..=300;

impl Prefs {
    /// Reads them; the sentence says why they are the defaults although there is a file.
    pub fn load(path: &Path) -> (Self, Option<String>) {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return (Self::default(), None);
            }
            Err(error) => return (Self::default(), Some(unread(path, &error.to_string()))),
        };
        match serde_json::from_str::<Self>(&text) {
            Ok(prefs) => (prefs.in_bounds(), None),
            Err(error) => (Self::default(), Some(unread(path, &error.to_string()))),
        }
    }

    /// Writes them, by way of a second file, so that a crash leaves the old ones.
    ///
    /// # Errors
    /// The folder or the file cannot be written.
    pub fn save(&self, path: &Path) -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let new = path.with_extension("new");
        std::fs::write(&new, serde_json::to_string_pretty(self)?)?;
        std::fs::rename(&new, path)
    }

    /// Shows or hides a column for one kind of calls.
    pub fn show_column(&mut self, kind: CallKind, column: CallColumn, show: bool) {
        let chosen = self.columns.entry(kind.name().to_owned()).or_default();
        chosen.retain(|(c, _)| *c != column);
        chosen.push((column, show));
    }

    fn in_bounds(mut self) -> Self {
        for widths in [&mut self.widths, &mut self.message_widths] {
            widths.retain(|_, width| width.is_finite() && (10.0..=4000.0).contains(width));
        }
        self.layout = self.layout.in_bounds();
        self.text_size = self.text_size.clamp(*TEXT_SIZES.start(), *TEXT_SIZES.end());
        let memory = CAPTURE_MEBIBYTES;
        self.capture_mebibytes = self.capture_mebibytes.clamp(*memory.start(), *memory.end());
        self.window = self
            .window
            .filter(|(w, h)| (320.0..=16_384.0).contains(w) && (240.0..=16_384.0).contains(h));
        self
    }
}

fn unread(path: &Path, why: &str) -> String {
    format!(
        "The preferences could not be read and are back to their defaults: {why} ({})",
        path.display()
    )
}

/// Where they are kept; none when there is no home folder.
pub fn path() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let config = folder("SIPSCOPE_HOME")
        .map(|home| PathBuf::from(home).join("config"))
        .or_else(|| folder("XDG_CONFIG_HOME").map(|config| PathBuf::from(config).join("sipscope")))
        .or_else(|| folder("HOME").map(|home| PathBuf::from(home).join(".config/sipscope")))?;
    Some(config.join("prefs.json"))
}

/// Keeps the preferences on disk without keeping the window waiting.
pub struct PrefsKeeper {
    path: Option<PathBuf>,
    saved: Prefs,
    /// One writer at a time, the newest last.
    order: Arc<Mutex<()>>,
}

impl PrefsKeeper {
    /// Keeps them at `path`, where they are `saved` now.
    pub fn new(path: Option<PathBuf>, saved: Prefs) -> Self {
        Self {
            path,
            saved,
            order: Arc::default(),
        }
    }

    /// Saves them when they have changed.
    pub fn keep(&mut self, prefs: &Prefs) {
        if *prefs == self.saved {
            return;
        }
        self.saved = prefs.clone();
        let Some(path) = self.path.clone() else {
            return;
        };
        let (prefs, order) = (prefs.clone(), Arc::clone(&self.order));
        std::thread::spawn(move || {
            let _turn = order
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            if let Err(error) = prefs.save(&path) {
                log::warn!("preferences not saved: {error}");
            }
        });
    }

    /// Saves them before the program ends.
    pub fn finish(&mut self, prefs: &Prefs) {
        let _turn = self
            .order
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(path) = &self.path
            && *prefs != self.saved
            && let Err(error) = prefs.save(path)
        {
            log::warn!("preferences not saved: {error}");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/prefs.json");
        let prefs = Prefs {
            theme: ThemeChoice::Dark,
            window: Some((900.0, 700.0)),
            ..Prefs::default()
        };
        prefs.save(&path).unwrap();
        assert_eq!(Prefs::load(&path), (prefs, None));
    }

    #[test]
    fn a_broken_file_means_defaults_and_a_notice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prefs.json");
        assert_eq!(Prefs::load(&path), (Prefs::default(), None));
        std::fs::write(&path, "{\"theme\": \"Plaid\"").unwrap();
        let (prefs, notice) = Prefs::load(&path);
        assert_eq!(prefs, Prefs::default());
        assert!(
            notice
                .unwrap()
                .starts_with("The preferences could not be read")
        );
    }

    #[test]
    fn unknown_fields_and_odd_sizes_do_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prefs.json");
        let text = r#"{"later": 1, "theme": "Light", "layout": {"calls": 7}, "window": [1, 1]}"#;
        std::fs::write(&path, text).unwrap();
        let (prefs, notice) = Prefs::load(&path);
        assert_eq!(
            (prefs.theme, prefs.layout.calls, prefs.window),
            (ThemeChoice::Light, 0.95, None)
        );
        assert_eq!(notice, None);
    }
}
