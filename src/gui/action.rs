//! Everything that a person can ask of the window, as plain data.
//!
//! Panels push actions, [`Session::apply`](super::session::Session::apply) carries them out. They
//! can be written down and played back, which is how tests use the window.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::capturing::CaptureAction;
use super::prefs::{ThemeChoice, TimeFormat};
use crate::index::CallKind;
use crate::index::ids::{CallId, MessageId};
use crate::present::ladder::arrangement::Change;

/// One wish.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// Opens captures; several are merged by time.
    OpenFiles(Vec<PathBuf>),
    /// Shows the system's file dialog.
    AskForFiles,
    /// Asks for a TLS key log.
    AskForKeyLog,
    /// Asks the system's file dialog for a TLS key log.
    AskForKeyLogFile,
    /// Decrypts TLS with these key logs and RSA keys, and reads the same files again.
    UseKeyLogs(Vec<PathBuf>),
    /// Shows or hides the field for typing a path.
    ShowPathField(bool),
    /// Opens a built-in capture by its number.
    OpenSample(usize),
    /// Opens a text with messages.
    OpenText(String),
    /// The bar about a damaged file was read.
    HideDamage,
    /// The bar about a file that has grown was read.
    HideGrowth,
    /// Reads the same files again.
    Reload,
    /// Goes on showing what other programs write to the files that are open, or no longer.
    Follow(bool),
    /// Forgets the capture.
    CloseCapture,
    /// Stops loading; what is there stays.
    CancelLoad,
    /// Selects a call, and its first message.
    SelectCall(CallId),
    /// Selects a message, and the call it belongs to.
    SelectMessage(MessageId),
    /// Part of the message was picked with the pointer: what Ctrl+C copies.
    PickText(Option<String>),
    /// Tells about a bar of media: its label, and its streams in words.
    ShowMedia(Vec<String>),
    /// Selects a message and brings it into view wherever it is listed.
    GoTo(MessageId),
    /// Selects a field of the header tree; stays while messages are walked.
    SelectField(Option<FieldPath>),
    /// Selects the next message that has the value of the selected field, or the one before.
    NextEqual {
        /// The other way round.
        back: bool,
    },
    /// Holds the selected message beside others, or lets go of it.
    PinToCompare(Option<MessageId>),
    /// Changes lanes or folds of the ladder.
    Arrange(Change),
    /// Takes the last change of lanes or notes back.
    UndoArrange,
    /// Puts the ladder into the clipboard, as text.
    CopyLadder,
    /// Shows calls of another kind.
    ShowKind(#[serde(with = "kind_by_name")] CallKind),
    /// Sorts the call list.
    SortCalls(CallOrder),
    /// Shows or hides a column of the message list.
    ShowMessageColumn(MessageColumn, bool),
    /// Shows or hides a column of the call list.
    ShowColumn(CallColumn, bool),
    /// Shows only messages and calls that match the expression; empty shows all.
    SetFilter(String),
    /// Shows another tab beside the header tree.
    ShowTab(Tab),
    /// Shows the message in another way.
    ShowRaw(RawTab),
    /// Shows header tree and bytes at once, or one of them.
    ShowBoth(bool),
    /// Shows or hides a part of the window.
    ShowArea(Area, bool),
    /// Gives a part the whole window, or takes it back.
    Maximise(Option<Area>),
    /// The first layout again.
    ResetLayout,
    /// Size of text in percent.
    SetTextSize(u16),
    /// Explanations off, one line, in full, and so on.
    CycleExplanations,
    /// How much an explanation tells.
    SetDepth(crate::explain::Depth),
    /// Back to what was selected before.
    Back,
    /// Forward again.
    Forward,
    /// The next message of the call, or the one before.
    StepMessage {
        /// The one before.
        back: bool,
    },
    /// The next call in the list, or the one before.
    StepCall {
        /// The one before.
        back: bool,
    },
    /// The message in a packet, or the first one behind it.
    GoToPacket(u32),
    /// Marks a call, or takes the mark away.
    ToggleMark(CallId),
    /// Takes all marks away.
    ClearMarks,
    /// Counts times from the selected message, or no longer.
    ToggleTimeReference,
    /// Puts the text of the selected message on the clipboard.
    CopyMessage,
    /// Puts a text on the clipboard.
    CopyText(String),
    /// Opens a small window, or closes it.
    ShowOverlay(Option<Overlay>),
    /// Shows or hides the bar that says how the capture was read.
    ShowReading(bool),
    /// Shows or hides the search in messages.
    ShowFind(bool),
    /// Searches in messages; an empty text forgets what was found.
    Find(FindText),
    /// The next message found, or the one before.
    FindNext {
        /// The one before.
        back: bool,
    },
    /// Asks where something is to be saved.
    AskWhereToSave(Saving),
    /// Asks the system's file dialog where something is to be saved.
    AskForPlace(Saving),
    /// Saves something there.
    Save(Saving, PathBuf),
    /// Stops what is being saved.
    CancelSave,
    /// Hands packets to Wireshark.
    OpenInWireshark,
    /// Nothing at all.
    Nothing,
    /// Moves the keyboard to the field of the filter.
    FocusFilter,
    /// Moves the keyboard to a panel.
    FocusPanel(PanelName),
    /// Moves the keyboard to the next panel, or the one before.
    FocusNext {
        /// The other way round.
        back: bool,
    },
    /// Light, dark, or as the system.
    SetTheme(ThemeChoice),
    /// How times are shown.
    SetTimeFormat(TimeFormat),
    /// Something to be told.
    Notify(String),
    /// The notice was read.
    DismissNotice,
    /// Live capture.
    Capture(CaptureAction),
    /// Ends the program.
    Quit,
}

/// Small windows above the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Overlay {
    /// All commands, found by their words.
    Palette,
    /// All keys.
    Keys,
    /// Asks for the number of a packet.
    GoToPacket,
    /// What was said so far.
    Notices,
    /// Asks for a text with messages.
    Paste,
    /// Asks where something is to be saved.
    SaveAs(Saving),
    /// Asks for a note on the selected message.
    Note,
    /// Asks for a TLS key log.
    KeyLog,
}

/// What can be saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Saving {
    /// All that was captured live and is not saved yet.
    Capture,
    /// The packets of the marked calls, else of the selected one.
    Calls,
    /// The listed messages as JSON Lines.
    Json,
    /// The listed messages as a table.
    Csv,
    /// The ladder as a picture.
    Ladder(Picture),
}

/// What is searched for in messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FindText {
    /// The text.
    pub text: String,
    /// It is a regular expression.
    pub regex: bool,
}

/// Where a field stands in the header tree: names from the top, `Via[1] > branch`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FieldPath(pub String);

/// Kinds of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Picture {
    /// Lines and letters, sharp in any size.
    Svg,
    /// Points.
    Png,
}

impl Picture {
    /// How names of such files end.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Svg => "svg",
            Self::Png => "png",
        }
    }
}

/// Columns by which the call list can be sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CallColumn {
    /// State.
    State,
    /// Time of the first message.
    Start,
    /// Caller.
    Caller,
    /// Callee.
    Callee,
    /// Final response.
    Result,
    /// Post-dial delay.
    Pdd,
    /// Talk time.
    Talk,
    /// Number of messages.
    Messages,
    /// Number of retransmissions.
    Retransmissions,
    /// Number of dialogs.
    Dialogs,
    /// RTP packets towards the callee.
    RtpForward,
    /// RTP packets towards the caller.
    RtpBackward,
    /// Who ended it, and how.
    EndedBy,
    /// First source and destination.
    Way,
    /// Call-ID.
    CallId,
    /// User-Agents of both sides.
    UserAgents,
    /// Asserted identity.
    Identity,
    /// INVITE to answer.
    Setup,
    /// The very first INVITE to answer.
    TotalSetup,
    /// First ringing to the final response.
    Ring,
    /// Time of the last message.
    End,
    /// Registrations: the newest contact.
    Contact,
    /// Registrations: where the requests came from.
    SeenFrom,
    /// Registrations: granted seconds.
    Expiry,
    /// Usual time between two rounds.
    Interval,
    /// Number of rounds.
    Rounds,
    /// Rounds that failed.
    Failures,
    /// Registrations: other contacts than before.
    ContactChanges,
    /// Registrations: times without a binding.
    Gaps,
}

/// Columns of the message list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MessageColumn {
    /// Number.
    Number,
    /// Time.
    Time,
    /// Since the message before it in the call.
    Delta,
    /// Sender.
    Source,
    /// Receiver.
    Destination,
    /// Method or code.
    Message,
    /// CSeq.
    Cseq,
    /// From.
    From,
    /// To.
    To,
    /// Call.
    Call,
    /// What is in it.
    Info,
    /// Number of the packet.
    Frame,
    /// Transport.
    Transport,
    /// Octets.
    Size,
    /// Call-ID.
    CallId,
    /// Branch of the top Via.
    Branch,
}

/// Order of the call list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CallOrder {
    /// Column.
    pub column: CallColumn,
    /// Largest first.
    pub descending: bool,
}

impl Default for CallOrder {
    fn default() -> Self {
        Self {
            column: CallColumn::Start,
            descending: false,
        }
    }
}

/// What stands beside the header tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Tab {
    /// The ladder of the selected call.
    #[default]
    Ladder,
    /// The messages of the selected call.
    CallMessages,
    /// All messages.
    AllMessages,
}

/// Ways to show a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RawTab {
    /// As text.
    Text,
    /// As a tree of its parts.
    #[default]
    Tree,
    /// In hexadecimal.
    Hex,
}

/// Parts of the window that can be hidden or have it alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Area {
    /// Call list.
    Calls,
    /// Ladder and message lists.
    Ladder,
    /// The message: tree and bytes.
    Details,
    /// Explanation.
    Explanation,
}

impl Area {
    /// From top to bottom.
    pub const ALL: [Self; 4] = [Self::Calls, Self::Ladder, Self::Details, Self::Explanation];
}

/// Panels that can have the keyboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PanelName {
    /// Call list.
    #[default]
    Calls,
    /// Ladder or message list.
    Messages,
    /// Header tree.
    Tree,
    /// Raw bytes.
    Raw,
    /// Explanation of the selected field.
    Explanation,
}

impl PanelName {
    /// In the order of F6.
    pub const ALL: [Self; 5] = [
        Self::Calls,
        Self::Messages,
        Self::Tree,
        Self::Raw,
        Self::Explanation,
    ];

    /// The part of the window in which it stands.
    pub fn area(self) -> Area {
        match self {
            Self::Calls => Area::Calls,
            Self::Messages => Area::Ladder,
            Self::Tree | Self::Raw => Area::Details,
            Self::Explanation => Area::Explanation,
        }
    }

    /// The id of the part that takes keys.
    pub fn id(self) -> egui::Id {
        egui::Id::unique(("panel", self))
    }
}

mod kind_by_name {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::index::CallKind;

    pub fn serialize<S: Serializer>(kind: &CallKind, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(kind.name())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<CallKind, D::Error> {
        let name = String::deserialize(input)?;
        let found = CallKind::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| D::Error::custom(format!("no kind of call is named {name:?}")))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn actions_survive_being_written_down() {
        for action in [
            Action::OpenFiles(vec!["a.pcap".into()]),
            Action::ShowKind(CallKind::Options),
            Action::SelectCall(CallId::at(6)),
            Action::SelectField(Some(FieldPath("Via > branch".to_owned()))),
            Action::SortCalls(CallOrder {
                column: CallColumn::Pdd,
                descending: true,
            }),
            Action::FocusNext { back: true },
        ] {
            let text = serde_json::to_string(&action).unwrap();
            assert_eq!(
                serde_json::from_str::<Action>(&text).unwrap(),
                action,
                "{text}"
            );
        }
    }
}
