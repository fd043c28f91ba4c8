//! Where the rows go, and what is said beside them.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use super::{Failure, Outcome, exit};
use crate::present::text;

const BUFFER: usize = 128 << 10;

/// Says a sentence on standard error; control characters in it are made visible.
pub(super) fn complain(why: &str) {
    // Nobody is left to tell if this fails.
    let _ = writeln!(io::stderr(), "sipscope: {}", text::visible_lines(why));
}

/// Standard output or a file.
pub(super) struct Output {
    to: Box<dyn Write>,
    name: String,
    /// It is shown on a terminal.
    pub terminal: bool,
}

impl Output {
    /// Opens `path`, or standard output. An input is never overwritten.
    pub fn open(path: Option<&Path>, inputs: &[PathBuf]) -> Result<Self, Failure> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            let stdout = io::stdout();
            let terminal = stdout.is_terminal();
            let to = Box::new(BufWriter::with_capacity(BUFFER, stdout));
            return Ok(Self {
                to,
                name: "standard output".to_owned(),
                terminal,
            });
        };
        refuse_input(path, inputs)?;
        let name = path.to_string_lossy().into_owned();
        match File::create(path) {
            Ok(file) => {
                let to = Box::new(BufWriter::with_capacity(BUFFER, file));
                Ok(Self {
                    to,
                    name,
                    terminal: false,
                })
            }
            Err(error) => Err(unwritable(&name, &error)),
        }
    }

    /// Writes octets.
    pub fn write(&mut self, bytes: &[u8]) -> Outcome {
        let result = self.to.write_all(bytes);
        self.told(result)
    }

    /// Writes what is in the buffer, so that somebody who watches sees it.
    pub fn flush(&mut self) -> Outcome {
        let result = self.to.flush();
        self.told(result)
    }

    /// Writes what is still in the buffer.
    pub fn finish(mut self) -> Outcome {
        let result = self.to.flush();
        self.told(result)
    }

    fn told(&self, result: io::Result<()>) -> Outcome {
        result.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::PipeClosed,
            _ => unwritable(&self.name, &error),
        })
    }
}

/// The failure to write `name`.
pub(super) fn unwritable(name: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::Told(exit::OUTPUT, format!("cannot write {name}: {error}"))
}

/// Fails when `path` is one of the inputs, under whatever name.
pub(super) fn refuse_input(path: &Path, inputs: &[PathBuf]) -> Outcome {
    let Ok(real) = path.canonicalize() else {
        return Ok(());
    };
    if inputs
        .iter()
        .any(|input| input.canonicalize().is_ok_and(|input| input == real))
    {
        let name = path.to_string_lossy();
        return Err(Failure::usage(format!(
            "{name} is an input: it would be overwritten"
        )));
    }
    Ok(())
}
