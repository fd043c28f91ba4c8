//! Every command of the window in one table.
//!
//! Menus, buttons, shortcuts, tooltips, the palette and the list of keys are made from it, so what
//! one of them says holds for all.

use egui::{Key, KeyboardShortcut, Modifiers};

use super::action::{Action, Area, Overlay, PanelName, Picture, RawTab, Saving, Tab};
use super::capturing::CaptureAction;
use super::prefs::{Prefs, TEXT_SIZES, ThemeChoice, TimeFormat};
use super::widgets::panel_head::Icon;
use crate::index::ids::{CallId, MessageId};

/// What commands need to know about the moment.
pub struct Facts<'a> {
    /// A capture is open.
    pub open: bool,
    /// It is loaded.
    pub finished: bool,
    /// It has messages.
    pub messages: bool,
    /// Selected call.
    pub call: Option<CallId>,
    /// Selected message.
    pub message: Option<MessageId>,
    /// Number of marked calls.
    pub marked: usize,
    /// There is something to go back to.
    pub earlier: bool,
    /// There is something to go forward to.
    pub later: bool,
    /// Only a part is listed.
    pub filtered: bool,
    /// Something was searched for in the messages.
    pub searched: bool,
    /// Times are counted from a message.
    pub reference: bool,
    /// Packets are being captured, or files followed.
    pub capturing: bool,
    /// Files are followed.
    pub following: bool,
    /// Why the files that are open cannot be followed; none when they can.
    pub followable: Result<(), &'static str>,
    /// What was captured is not saved yet, and the capture is over.
    pub unsaved: bool,
    /// The message that is held to be compared.
    pub pinned: Option<MessageId>,
    /// A change of lanes or notes can be taken back.
    pub undo: bool,
    /// Preferences.
    pub prefs: &'a Prefs,
}

/// The menu in which a command stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Menu {
    /// Captures and files.
    File,
    /// Finding, copying, marking.
    Edit,
    /// Moving about.
    Go,
    /// How it looks.
    View,
    /// Help.
    Help,
}

impl Menu {
    /// From left to right.
    pub const ALL: [Self; 5] = [Self::File, Self::Edit, Self::Go, Self::View, Self::Help];

    /// Name for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::File => "File",
            Self::Edit => "Edit",
            Self::Go => "Go",
            Self::View => "View",
            Self::Help => "Help",
        }
    }
}

/// Who takes the keys of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// They work everywhere.
    Everywhere,
    /// Not while a text is being written.
    OutsideText,
    /// Neither there nor where a list walks its own rows with them.
    OutsideLists,
    /// The panel that has the keyboard takes them.
    Panel,
}

/// One command.
pub struct Command {
    /// Its name in records and tests.
    pub id: &'static str,
    /// Its name for people.
    pub words: &'static str,
    /// What it does, where the words do not say it all.
    pub hint: &'static str,
    /// Its keys; the first is shown.
    pub keys: &'static [KeyboardShortcut],
    /// Where its keys work.
    pub reach: Reach,
    /// Menu and group in it.
    pub menu: Option<(Menu, u8)>,
    /// Why it cannot be carried out now.
    pub when: fn(&Facts<'_>) -> Result<(), &'static str>,
    /// For commands that choose or switch: whether it is chosen or on.
    pub on: Option<fn(&Facts<'_>) -> bool>,
    /// What it asks for.
    pub action: fn(&Facts<'_>) -> Action,
    /// The picture of its button beside the menus.
    pub icon: Option<Icon>,
}

const fn plain(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::NONE, key)
}

const fn ctrl(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::CTRL, key)
}

const fn ctrl_shift(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::CTRL.plus(Modifiers::SHIFT), key)
}

const fn shift(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::SHIFT, key)
}

const fn alt(key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(Modifiers::ALT, key)
}

const fn command(
    id: &'static str,
    words: &'static str,
    menu: (Menu, u8),
    action: fn(&Facts<'_>) -> Action,
) -> Command {
    Command {
        id,
        words,
        hint: "",
        keys: &[],
        reach: Reach::Everywhere,
        menu: Some(menu),
        when: |_| Ok(()),
        on: None,
        action,
        icon: None,
    }
}

impl Command {
    const fn keys(self, keys: &'static [KeyboardShortcut]) -> Self {
        Self { keys, ..self }
    }

    const fn reach(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }

    const fn hint(self, hint: &'static str) -> Self {
        Self { hint, ..self }
    }

    const fn when(self, when: fn(&Facts<'_>) -> Result<(), &'static str>) -> Self {
        Self { when, ..self }
    }

    const fn icon(self, icon: Icon) -> Self {
        Self {
            icon: Some(icon),
            ..self
        }
    }

    const fn on(self, on: fn(&Facts<'_>) -> bool) -> Self {
        Self {
            on: Some(on),
            ..self
        }
    }

    /// Its first key in words: `Ctrl+O`.
    pub fn key_words(&self) -> String {
        self.keys.first().map(key_words).unwrap_or_default()
    }

    /// What is shown to those who point at it: hint, keys, and why it cannot be used.
    pub fn tooltip(&self, facts: &Facts<'_>) -> String {
        let mut out = if self.hint.is_empty() {
            self.words.trim_end_matches('…').to_owned()
        } else {
            self.hint.to_owned()
        };
        if !self.keys.is_empty() {
            out.push_str(&format!(" ({})", self.key_words()));
        }
        if let Err(reason) = (self.when)(facts) {
            out.push_str(&format!("\n{reason}"));
        }
        out
    }
}

/// A shortcut in words.
pub fn key_words(shortcut: &KeyboardShortcut) -> String {
    let mut out = String::new();
    for (on, name) in [
        (
            shortcut.modifiers.ctrl || shortcut.modifiers.command,
            "Ctrl+",
        ),
        (shortcut.modifiers.alt, "Alt+"),
        (shortcut.modifiers.shift, "Shift+"),
    ] {
        if on {
            out.push_str(name);
        }
    }
    out.push_str(match shortcut.logical_key {
        Key::ArrowUp => "↑",
        Key::ArrowDown => "↓",
        Key::ArrowLeft => "←",
        Key::ArrowRight => "→",
        Key::Escape => "Esc",
        Key::PageUp => "PageUp",
        Key::PageDown => "PageDown",
        Key::Slash => "/",
        Key::Plus | Key::Equals => "+",
        Key::Minus => "-",
        key => key.name(),
    });
    out
}

fn open(facts: &Facts<'_>) -> Result<(), &'static str> {
    match facts.open {
        true => Ok(()),
        false => Err("No capture is open"),
    }
}

fn loaded(facts: &Facts<'_>) -> Result<(), &'static str> {
    match (facts.open, facts.finished, facts.messages) {
        (false, ..) => Err("No capture is open"),
        (_, false, _) if !facts.capturing => Err("The capture is still being read"),
        (.., false) => Err("There are no SIP messages in this capture"),
        _ => Ok(()),
    }
}

fn a_call(facts: &Facts<'_>) -> Result<(), &'static str> {
    match facts.call {
        Some(_) => Ok(()),
        None => Err("No call is selected"),
    }
}

fn a_message(facts: &Facts<'_>) -> Result<(), &'static str> {
    match facts.message {
        Some(_) => Ok(()),
        None => Err("No message is selected"),
    }
}

fn searched(facts: &Facts<'_>) -> Result<(), &'static str> {
    match facts.searched {
        true => Ok(()),
        false => Err("Nothing was searched for: Ctrl+F"),
    }
}

/// Steps of the size of text, in percent.
const TEXT_STEP: u16 = 10;

/// The table.
pub const COMMANDS: &[Command] = &[
    // File
    command("open", "Open capture…", (Menu::File, 0), |_| Action::AskForFiles)
        .keys(&[ctrl(Key::O)])
        .icon(Icon::Open)
        .hint("Opens one or several captures"),
    command("open path", "Open path…", (Menu::File, 0), |_| {
        Action::ShowPathField(true)
    })
    .keys(&[ctrl_shift(Key::O)])
    .hint("Opens a capture by its path, without a file dialog"),
    command("paste", "Paste a trace…", (Menu::File, 0), |_| {
        Action::ShowOverlay(Some(Overlay::Paste))
    })
    .hint("Opens messages that were copied as text"),
    command("key log", "Choose key log…", (Menu::File, 0), |_| Action::AskForKeyLog)
        .when(open)
        .hint("Decrypts TLS with an SSLKEYLOGFILE or the server's RSA key"),
    command("reload", "Reload", (Menu::File, 0), |_| Action::Reload)
        .keys(&[ctrl(Key::R)])
        .when(open)
        .hint("Reads the same files again"),
    command("follow", "Follow the file", (Menu::File, 0), |facts| {
        Action::Follow(!facts.following)
    })
    .keys(&[ctrl(Key::L)])
    .when(|facts| facts.followable)
    .on(|facts| facts.following)
    .hint("Shows what another program adds to the file, as it comes"),
    command("close", "Close capture", (Menu::File, 0), |_| Action::CloseCapture)
        .keys(&[ctrl(Key::W)])
        .when(open),
    command("capture", "Capture…", (Menu::File, 1), |_| {
        Action::Capture(CaptureAction::Pick(true))
    })
    .keys(&[ctrl(Key::E)])
    .icon(Icon::Capture)
    .hint("Captures from one or several interfaces"),
    command("mark capture", "Mark this moment of the capture", (Menu::File, 1), |_| {
        Action::Capture(CaptureAction::Mark(String::new()))
    })
    .keys(&[plain(Key::M)])
    .reach(Reach::OutsideText)
    .when(|facts| match facts.capturing && !facts.following {
        true => Ok(()),
        false => Err("Nothing is being captured"),
    })
    .hint("Puts a comment on the next packet that is captured"),
    command("save capture", "Save capture…", (Menu::File, 2), |_| {
        Action::AskWhereToSave(Saving::Capture)
    })
    .when(|facts| match facts.unsaved {
        true => Ok(()),
        false => Err("There is no capture that is over and not saved"),
    })
    .hint("Saves all that was captured"),
    command("save marked", "Save marked calls…", (Menu::File, 2), |facts| {
        // Who has captured and marked nothing means the capture.
        let all = facts.unsaved && facts.marked == 0;
        Action::AskWhereToSave(if all { Saving::Capture } else { Saving::Calls })
    })
    .keys(&[ctrl(Key::S)])
    .icon(Icon::Save)
    .when(|facts| match facts.unsaved && facts.marked == 0 {
        // Also of one in which no SIP is.
        true => Ok(()),
        false => loaded(facts).and(a_call(facts)),
    })
    .hint("Saves the packets of the marked calls, or of the selected one, with their RTP and fragments; of a new capture without marks all of it"),
    command("wireshark", "Open in Wireshark", (Menu::File, 2), |_| Action::OpenInWireshark)
        .when(|facts| loaded(facts).and(a_call(facts)))
        .hint("Opens the packets of the marked calls, or of the selected one, at the selected message"),
    command("export json", "Export messages as JSON…", (Menu::File, 2), |_| {
        Action::AskWhereToSave(Saving::Json)
    })
    .when(loaded)
    .hint("Saves the listed messages, one JSON object a line"),
    command("export csv", "Export messages as CSV…", (Menu::File, 2), |_| {
        Action::AskWhereToSave(Saving::Csv)
    })
    .when(loaded)
    .hint("Saves the listed messages as a table"),
    command("ladder svg", "Save ladder as SVG…", (Menu::File, 2), |_| {
        Action::AskWhereToSave(Saving::Ladder(Picture::Svg))
    })
    .when(|facts| loaded(facts).and(a_call(facts)))
    .hint("Saves the ladder as it is on the screen, sharp in any size"),
    command("ladder png", "Save ladder as PNG…", (Menu::File, 2), |_| {
        Action::AskWhereToSave(Saving::Ladder(Picture::Png))
    })
    .when(|facts| loaded(facts).and(a_call(facts)))
    .hint("Saves the ladder as it is on the screen, as a picture of points"),
    command("quit", "Quit", (Menu::File, 3), |_| Action::Quit).keys(&[ctrl(Key::Q)]),
    // Edit
    command("undo", "Undo", (Menu::Edit, 0), |_| Action::UndoArrange)
        .keys(&[ctrl(Key::Z)])
        .reach(Reach::OutsideText)
        .when(|facts| match facts.undo {
            true => Ok(()),
            false => Err("No lane and no note was changed"),
        })
        .hint("Takes back the last change of lanes or notes"),
    command("note", "Note on this message…", (Menu::Edit, 1), |_| {
        Action::ShowOverlay(Some(Overlay::Note))
    })
    .keys(&[ctrl(Key::N)])
    .when(a_message)
    .hint("Writes a note that stands beside the message; it is kept with the capture"),
    command("copy message", "Copy message text", (Menu::Edit, 0), |_| Action::CopyMessage)
        .keys(&[ctrl(Key::C)])
        .reach(Reach::OutsideText)
        .when(a_message),
    command("copy ladder", "Copy ladder as text", (Menu::Edit, 0), |_| Action::CopyLadder)
        .when(a_call)
        .hint("Puts the ladder on the clipboard, drawn with letters"),
    command("mark", "Mark call", (Menu::Edit, 1), |facts| {
        facts.call.map_or(Action::Nothing, Action::ToggleMark)
    })
    .keys(&[plain(Key::Space)])
    .reach(Reach::Panel)
    .when(a_call)
    .hint("Marks the selected call: marked calls share a ladder and are saved together"),
    command("pin", "Pin to compare", (Menu::Edit, 1), |facts| {
        let message = facts.message.filter(|id| facts.pinned != Some(*id));
        Action::PinToCompare(message)
    })
    .keys(&[ctrl(Key::D)])
    .when(a_message)
    .on(|facts| facts.pinned.is_some())
    .hint("Holds this message beside every other one that is selected; on the same message once more lets it go"),
    command("unpin", "Unpin", (Menu::Edit, 1), |_| Action::PinToCompare(None))
        .when(|facts| match facts.pinned {
            Some(_) => Ok(()),
            None => Err("No message is pinned"),
        })
        .hint("Shows one message alone again"),
    command("clear marks", "Clear marks", (Menu::Edit, 1), |_| Action::ClearMarks)
        .when(|facts| match facts.marked {
            0 => Err("No call is marked"),
            _ => Ok(()),
        }),
    command("next equal", "Next with this value", (Menu::Go, 4), |_| {
        Action::NextEqual { back: false }
    })
    .keys(&[plain(Key::F4)])
    .when(a_message)
    .hint("The next message with the same branch, tag, Call-ID, CSeq, nonce, Contact or Route"),
    command("previous equal", "Previous with this value", (Menu::Go, 4), |_| {
        Action::NextEqual { back: true }
    })
    .keys(&[shift(Key::F4)])
    .when(a_message)
    .hint("The message before with the value of the selected field"),
    command("filter", "Find calls", (Menu::Edit, 2), |_| Action::FocusFilter)
        .keys(&[ctrl(Key::Slash)])
        .when(open)
        .hint("Numbers, names, addresses, or field op value"),
    command("clear filter", "Clear the filter", (Menu::Edit, 2), |_| {
        Action::SetFilter(String::new())
    })
    .keys(&[plain(Key::Escape)])
    .reach(Reach::Panel)
    .when(|facts| match facts.filtered {
        true => Ok(()),
        false => Err("No filter is set"),
    })
    .hint("Lists everything again"),
    command("find", "Find in messages…", (Menu::Edit, 2), |_| Action::ShowFind(true))
        .keys(&[ctrl(Key::F)])
        .when(open)
        .hint("Searches the whole text of all messages"),
    command("find previous", "Find previous", (Menu::Edit, 2), |_| {
        Action::FindNext { back: true }
    })
    .keys(&[shift(Key::F3)])
    .when(searched),
    command("find next", "Find next", (Menu::Edit, 2), |_| {
        Action::FindNext { back: false }
    })
    .keys(&[plain(Key::F3)])
    .when(searched),
    // Go
    command("back", "Back", (Menu::Go, 0), |_| Action::Back)
        .keys(&[alt(Key::ArrowLeft)])
        .icon(Icon::Back)
        .when(|facts| match facts.earlier {
            true => Ok(()),
            false => Err("Nothing was selected before"),
        })
        .hint("Back to what was selected before"),
    command("forward", "Forward", (Menu::Go, 0), |_| Action::Forward)
        .keys(&[alt(Key::ArrowRight)])
        .icon(Icon::Forward)
        .when(|facts| match facts.later {
            true => Ok(()),
            false => Err("This is the newest selection"),
        })
        .hint("Forward again"),
    command("previous message", "Previous message of the call", (Menu::Go, 1), |_| {
        Action::StepMessage { back: true }
    })
    .keys(&[ctrl(Key::ArrowUp)])
    .when(a_message),
    command("next message", "Next message of the call", (Menu::Go, 1), |_| {
        Action::StepMessage { back: false }
    })
    .keys(&[ctrl(Key::ArrowDown)])
    .when(a_message),
    command("previous call", "Previous call", (Menu::Go, 1), |_| {
        Action::StepCall { back: true }
    })
    .keys(&[plain(Key::PageUp)])
    .reach(Reach::OutsideLists)
    .when(open),
    command("next call", "Next call", (Menu::Go, 1), |_| {
        Action::StepCall { back: false }
    })
    .keys(&[plain(Key::PageDown)])
    .reach(Reach::OutsideLists)
    .when(open),
    command("packet", "Go to packet…", (Menu::Go, 2), |_| {
        Action::ShowOverlay(Some(Overlay::GoToPacket))
    })
    .keys(&[ctrl(Key::G)])
    .when(loaded)
    .hint("The message in a packet, by its number in the capture"),
    command("ladder", "Ladder", (Menu::Go, 2), |_| Action::ShowTab(Tab::Ladder))
        .keys(&[plain(Key::Enter)])
        .reach(Reach::Panel)
        .when(a_call)
        .on(|facts| facts.prefs.tab == Tab::Ladder)
        .hint("The selected call as a ladder"),
    command("call messages", "Messages of the call", (Menu::Go, 2), |_| {
        Action::ShowTab(Tab::CallMessages)
    })
    .on(|facts| facts.prefs.tab == Tab::CallMessages),
    command("all messages", "All messages", (Menu::Go, 2), |_| {
        Action::ShowTab(Tab::AllMessages)
    })
    .on(|facts| facts.prefs.tab == Tab::AllMessages),
    command("panel 1", "Call list", (Menu::Go, 3), |_| Action::FocusPanel(PanelName::Calls))
        .keys(&[ctrl(Key::Num1)]),
    command("panel 2", "Ladder or messages", (Menu::Go, 3), |_| {
        Action::FocusPanel(PanelName::Messages)
    })
    .keys(&[ctrl(Key::Num2)]),
    command("panel 3", "Header tree", (Menu::Go, 3), |_| {
        Action::FocusPanel(PanelName::Tree)
    })
    .keys(&[ctrl(Key::Num3)]),
    command("panel 4", "Text and hex", (Menu::Go, 3), |_| {
        Action::FocusPanel(PanelName::Raw)
    })
    .keys(&[ctrl(Key::Num4)]),
    command("panel 5", "Explanation", (Menu::Go, 3), |_| {
        Action::FocusPanel(PanelName::Explanation)
    })
    .keys(&[ctrl(Key::Num5)]),
    command("previous panel", "Previous panel", (Menu::Go, 3), |_| {
        Action::FocusNext { back: true }
    })
    .keys(&[shift(Key::F6)]),
    command("next panel", "Next panel", (Menu::Go, 3), |_| {
        Action::FocusNext { back: false }
    })
    .keys(&[plain(Key::F6)]),
    // View
    command("show calls", "Show calls", (Menu::View, 0), |facts| {
        Action::ShowArea(Area::Calls, !facts.prefs.layout.show_calls)
    })
    .on(|facts| facts.prefs.layout.show_calls)
    .hint("Shows or hides the list of calls"),
    command("show ladder", "Show ladder", (Menu::View, 0), |facts| {
        Action::ShowArea(Area::Ladder, !facts.prefs.layout.show_ladder)
    })
    .on(|facts| facts.prefs.layout.show_ladder)
    .hint("Shows or hides ladder and lists of messages"),
    command("show message", "Show message", (Menu::View, 0), |facts| {
        Action::ShowArea(Area::Details, !facts.prefs.layout.show_details)
    })
    .on(|facts| facts.prefs.layout.show_details)
    .hint("Shows or hides the message as tree, text and hex"),
    command("show explanation", "Show explanation", (Menu::View, 0), |facts| {
        Action::ShowArea(Area::Explanation, !facts.prefs.layout.show_explanation)
    })
    .on(|facts| facts.prefs.layout.show_explanation)
    .hint("Shows or hides the strip of explanations"),
    command(
        "explanations",
        "Explanations: off, one line, in full",
        (Menu::View, 0),
        |_| Action::CycleExplanations,
    )
    .keys(&[plain(Key::F2)]),
    command("both", "Tree and bytes at once", (Menu::View, 0), |facts| {
        Action::ShowBoth(!facts.prefs.layout.both)
    })
    .on(|facts| facts.prefs.layout.both),
    command("reading", "How it was read", (Menu::View, 0), |_| Action::ShowReading(true))
        .when(open)
        .hint("Shows the bar with format, inferred addresses, repairs and key logs"),
    command("text", "Message as text", (Menu::View, 1), |_| Action::ShowRaw(RawTab::Text))
        .on(|facts| facts.prefs.raw == RawTab::Text),
    command("tree", "Message as a tree", (Menu::View, 1), |_| {
        Action::ShowRaw(RawTab::Tree)
    })
    .on(|facts| facts.prefs.raw == RawTab::Tree),
    command("hex", "Message in hex", (Menu::View, 1), |_| Action::ShowRaw(RawTab::Hex))
        .on(|facts| facts.prefs.raw == RawTab::Hex),
    command("reset layout", "Reset the layout", (Menu::View, 1), |_| Action::ResetLayout),
    command("time utc", "Time of day in UTC", (Menu::View, 2), |_| {
        Action::SetTimeFormat(TimeFormat::Utc)
    })
    .on(|facts| facts.prefs.time == TimeFormat::Utc),
    command("time local", "Time of day here", (Menu::View, 2), |_| {
        Action::SetTimeFormat(TimeFormat::Local)
    })
    .on(|facts| matches!(facts.prefs.time, TimeFormat::Local))
    .hint("Time of day in the zone of this computer"),
    command("time relative", "Seconds since the first message", (Menu::View, 2), |_| {
        Action::SetTimeFormat(TimeFormat::Relative)
    })
    .on(|facts| facts.prefs.time == TimeFormat::Relative),
    command("time delta", "Seconds since the message before", (Menu::View, 2), |_| {
        Action::SetTimeFormat(TimeFormat::Delta)
    })
    .on(|facts| facts.prefs.time == TimeFormat::Delta),
    command("time reference", "Time from this message", (Menu::View, 2), |_| {
        Action::ToggleTimeReference
    })
    .keys(&[ctrl(Key::T)])
    .when(a_message)
    .on(|facts| facts.reference)
    .hint("Counts all times from the selected message; once more goes back"),
    command("theme system", "Theme as the system", (Menu::View, 3), |_| {
        Action::SetTheme(ThemeChoice::System)
    })
    .on(|facts| facts.prefs.theme == ThemeChoice::System),
    command("theme light", "Light theme", (Menu::View, 3), |_| {
        Action::SetTheme(ThemeChoice::Light)
    })
    .on(|facts| facts.prefs.theme == ThemeChoice::Light),
    command("theme dark", "Dark theme", (Menu::View, 3), |_| {
        Action::SetTheme(ThemeChoice::Dark)
    })
    .on(|facts| facts.prefs.theme == ThemeChoice::Dark),
    command("larger", "Larger text", (Menu::View, 4), |facts| {
        Action::SetTextSize(facts.prefs.text_size.saturating_add(TEXT_STEP))
    })
    .keys(&[ctrl(Key::Plus), ctrl(Key::Equals)])
    .when(|facts| match facts.prefs.text_size < *TEXT_SIZES.end() {
        true => Ok(()),
        false => Err("The text is as large as it gets"),
    }),
    command("smaller", "Smaller text", (Menu::View, 4), |facts| {
        Action::SetTextSize(facts.prefs.text_size.saturating_sub(TEXT_STEP))
    })
    .keys(&[ctrl(Key::Minus)])
    .when(|facts| match facts.prefs.text_size > *TEXT_SIZES.start() {
        true => Ok(()),
        false => Err("The text is as small as it gets"),
    }),
    command("usual size", "Usual text size", (Menu::View, 4), |_| Action::SetTextSize(100))
        .keys(&[ctrl(Key::Num0)]),
    // Help
    command("palette", "All commands…", (Menu::Help, 0), |_| {
        Action::ShowOverlay(Some(Overlay::Palette))
    })
    .keys(&[ctrl(Key::P)])
    .hint("Finds a command by its words"),
    command("keys", "Keys", (Menu::Help, 0), |_| {
        Action::ShowOverlay(Some(Overlay::Keys))
    })
    .keys(&[plain(Key::F1)])
    .hint("All keys"),
    command("notices", "Notices", (Menu::Help, 0), |_| {
        Action::ShowOverlay(Some(Overlay::Notices))
    })
    .hint("What was said so far"),
];

/// The command of that name.
pub fn by_id(id: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|command| command.id == id)
}

/// Keys of lists and of the ladder, which are no commands.
pub const LIST_KEYS: &[(&str, &str)] = &[
    (
        "↑ ↓ Home End",
        "Walk through a list, the ladder or the tree",
    ),
    ("PageUp PageDown", "In a list: a page at once"),
    ("← →", "In the tree: close and open"),
    ("Ctrl+click", "In the call list: mark"),
    ("Double click", "On a head: maximise and restore"),
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_keys_are_not_given_twice() {
        let ids: BTreeSet<_> = COMMANDS.iter().map(|c| c.id).collect();
        assert_eq!(ids.len(), COMMANDS.len());
        let words: BTreeSet<_> = COMMANDS.iter().map(|c| c.words).collect();
        assert_eq!(words.len(), COMMANDS.len());
        let keys: Vec<String> = COMMANDS
            .iter()
            .flat_map(|c| c.keys)
            .map(|key| format!("{key:?}"))
            .collect();
        let different: BTreeSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
    }

    #[test]
    fn every_key_of_the_contract_has_its_command() {
        for (keys, id) in [
            ("Ctrl+O", "open"),
            ("Ctrl+R", "reload"),
            ("Ctrl+W", "close"),
            ("Ctrl+/", "filter"),
            ("Esc", "clear filter"),
            ("Ctrl+F", "find"),
            ("F3", "find next"),
            ("Ctrl+G", "packet"),
            ("Ctrl+↑", "previous message"),
            ("Ctrl+↓", "next message"),
            ("PageUp", "previous call"),
            ("PageDown", "next call"),
            ("Space", "mark"),
            ("Enter", "ladder"),
            ("Ctrl+C", "copy message"),
            ("Ctrl+T", "time reference"),
            ("Ctrl+E", "capture"),
            ("Ctrl+1", "panel 1"),
            ("Ctrl+5", "panel 5"),
            ("Ctrl++", "larger"),
            ("Ctrl+-", "smaller"),
            ("Ctrl+0", "usual size"),
            ("F1", "keys"),
            ("Ctrl+P", "palette"),
            ("Alt+←", "back"),
        ] {
            assert_eq!(by_id(id).unwrap().key_words(), keys, "{id}");
        }
    }
}
