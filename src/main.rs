//! Sipscope: a window on SIP captures, and the same facts on the command line.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use sipscope::cli::{self, Invocation};

fn main() -> ExitCode {
    match cli::parse() {
        Invocation::Window(files) => window(files),
        Invocation::Command(command) => ExitCode::from(cli::run(*command)),
        Invocation::Over(code) => ExitCode::from(code),
    }
}

#[cfg(feature = "gui")]
fn window(files: Vec<std::path::PathBuf>) -> ExitCode {
    match sipscope::gui::run(files) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("sipscope: {why}");
            eprintln!("{}", cli::WITHOUT_DISPLAY);
            ExitCode::from(cli::exit::NO_DISPLAY)
        }
    }
}

#[cfg(not(feature = "gui"))]
fn window(_files: Vec<std::path::PathBuf>) -> ExitCode {
    eprintln!("sipscope: this program was built without the window (feature `gui`)");
    eprintln!("{}", cli::WITHOUT_DISPLAY);
    ExitCode::from(cli::exit::USAGE)
}
