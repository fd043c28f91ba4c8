//! The command line: the same facts as in the window, as text, JSON Lines and CSV.
//!
//! Names, fields and exit codes are a contract with other programs; what is added goes to the end.

mod args;
mod calls;
#[cfg(target_os = "linux")]
mod capture;
mod dialogs;
mod export;
mod fields;
mod info;
mod input;
#[cfg(target_os = "linux")]
mod interfaces;
mod ladder;
#[cfg(target_os = "linux")]
mod live;
mod message_text;
mod messages;
mod output;
mod parallel;
mod record;
mod show;
mod streams;
mod table;
mod timings;

use std::path::PathBuf;

use crate::export::watch::Watch;

pub use args::{Command, Invocation, WindowWish, parse};
use output::Output;

/// Exit codes.
pub mod exit {
    /// All done, also when a capture was damaged.
    pub const DONE: u8 = 0;
    /// Nothing matched.
    pub const NOTHING: u8 = 1;
    /// Wrong usage.
    pub const USAGE: u8 = 2;
    /// An input could not be read at all.
    pub const INPUT: u8 = 3;
    /// The output could not be written.
    pub const OUTPUT: u8 = 5;
    /// No display for the window.
    pub const NO_DISPLAY: u8 = 6;
}

/// What can be done where there is no window.
pub const WITHOUT_DISPLAY: &str = "These commands need no display: messages, dialogs, calls, show, \
ladder, streams, info, export, fields, interfaces, capture, completions, man (sipscope --help tells more).";

/// Why a command ended before its time.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Told in a sentence, with an exit code.
    Told(u8, String),
    /// Whoever read our output has enough.
    PipeClosed,
}

impl Failure {
    fn usage(why: impl Into<String>) -> Self {
        Self::Told(exit::USAGE, why.into())
    }

    fn nothing(why: impl Into<String>) -> Self {
        Self::Told(exit::NOTHING, why.into())
    }
}

type Outcome = Result<(), Failure>;

/// Carries out a command and gives the exit code.
pub fn run(command: Command) -> u8 {
    let clock = timings::Clock::start(command.common().is_some_and(|c| c.timings));
    let mut session = Session {
        clock,
        unread: false,
        watch: None,
    };
    let outcome = session.carry_out(&command);
    let code = match outcome {
        Ok(()) | Err(Failure::PipeClosed) if session.unread => exit::INPUT,
        Ok(()) | Err(Failure::PipeClosed) => exit::DONE,
        Err(Failure::Told(code, why)) => {
            output::complain(&why);
            if session.unread { exit::INPUT } else { code }
        }
    };
    session
        .clock
        .report(command.common().map_or(0, args::Common::threads));
    code
}

/// Carries out a command for the window, which watches how far it is and may stop it.
///
/// # Errors
/// A sentence about what went wrong.
pub fn carry_out(args: Vec<std::ffi::OsString>, watch: &Watch) -> Result<(), String> {
    let command = args::understand(args)?;
    let mut session = Session {
        clock: timings::Clock::start(false),
        unread: false,
        watch: Some(watch.clone()),
    };
    match session.carry_out(&command) {
        Ok(()) | Err(Failure::PipeClosed) if session.unread => {
            Err("a capture could not be read again".to_owned())
        }
        Ok(()) | Err(Failure::PipeClosed) => Ok(()),
        Err(Failure::Told(_, why)) => Err(why),
    }
}

/// One run of a command.
struct Session {
    clock: timings::Clock,
    /// An input could not be read.
    unread: bool,
    /// Somebody waits for it.
    watch: Option<Watch>,
}

impl Session {
    fn carry_out(&mut self, command: &Command) -> Outcome {
        match command {
            #[cfg(target_os = "linux")]
            Command::Messages(args) if args.is_live() => live::messages(args),
            Command::Messages(args) => {
                let args = &args.list;
                self.list(args, |c, out| messages::list(c, args, out))
            }
            Command::Dialogs(args) => self.list(args, |c, out| dialogs::list(c, args, out)),
            Command::Calls(args) => self.list(args, |c, out| calls::list(c, args, out)),
            Command::Streams(args) => self.list(args, |c, out| streams::list(c, args, out)),
            Command::Info(args) => self.list(args, |c, out| info::list(c, args, out)),
            Command::Show(args) => {
                self.with_output(&args.files, &args.common, |c, out| show::show(c, args, out))
            }
            Command::Ladder(args) => self.with_output(&args.files, &args.common, |c, out| {
                ladder::draw(c, args, out)
            }),
            Command::Export(args) => {
                if args.common.output.is_none() {
                    return Err(Failure::usage(
                        "export needs -o FILE: where to write the packets",
                    ));
                }
                let capture = self.load(&args.files, &args.common)?;
                export::write(&capture, args)
            }
            Command::Fields(args) => {
                let mut out = Output::open(args.output.as_deref(), &[])?;
                fields::list(args, &mut out)?;
                out.finish()
            }
            #[cfg(target_os = "linux")]
            Command::Interfaces(args) => {
                let mut out = Output::open(args.output.as_deref(), &[])?;
                interfaces::list(args, &mut out)?;
                out.finish()
            }
            #[cfg(target_os = "linux")]
            Command::Capture(args) => capture::capture(args),
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(*shell, &mut args::definition(), "sipscope", &mut script);
                print(&script)
            }
            Command::Man => {
                let page = manual().map_err(|error| output::unwritable("the manual", &error))?;
                print(&page)
            }
        }
    }

    /// Loads what a listing needs, and lets it write.
    fn list(
        &mut self,
        args: &args::List,
        write: impl FnOnce(&input::Capture, &mut Output) -> Outcome,
    ) -> Outcome {
        self.with_output(&args.files, &args.common, write)
    }

    /// Loads the inputs and lets the command write.
    fn with_output(
        &mut self,
        files: &[PathBuf],
        common: &args::Common,
        write: impl FnOnce(&input::Capture, &mut Output) -> Outcome,
    ) -> Outcome {
        let capture = self.load(files, common)?;
        let mut out = Output::open(common.output.as_deref(), files)?;
        write(&capture, &mut out)?;
        out.finish()
    }

    fn load(
        &mut self,
        files: &[PathBuf],
        common: &args::Common,
    ) -> Result<input::Capture, Failure> {
        // Wrong usage is told before anything is read.
        let filter = input::filter(common)?;
        self.clock.opened();
        let capture = input::Capture::load(files, common, filter, self.watch.clone());
        self.clock.indexed();
        capture.still_wanted()?;
        self.unread = capture.loaded.files.iter().any(|file| file.error.is_some())
            || capture
                .loaded
                .key_logs
                .iter()
                .any(|log| log.error.is_some());
        if capture.loaded.files.iter().all(|file| file.error.is_some()) {
            // The sentences about the inputs have said it all.
            return Err(Failure::PipeClosed);
        }
        Ok(capture)
    }
}

/// One manual page for all commands.
fn manual() -> std::io::Result<Vec<u8>> {
    let mut definition = args::definition();
    definition.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(definition.clone()).render(&mut page)?;
    for command in definition
        .get_subcommands()
        .filter(|c| c.get_name() != "help")
    {
        let name = command.get_name();
        let about = command
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default();
        page.extend_from_slice(format!(".SH COMMAND {name}\n{about}.\n").as_bytes());
        let mut options = Vec::new();
        clap_mangen::Man::new(command.clone()).render_options_section(&mut options)?;
        let options = String::from_utf8_lossy(&options).replace(".SH OPTIONS", ".SS Options");
        page.extend_from_slice(options.as_bytes());
    }
    Ok(page)
}

/// Writes to standard output.
fn print(bytes: &[u8]) -> Outcome {
    let mut out = Output::open(None, &[])?;
    out.write(bytes)?;
    out.finish()
}
