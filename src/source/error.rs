//! Why a file could not be read at all, in one sentence each.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use super::FileKind;

/// Why an input gave nothing at all. Damage inside a capture is not an error.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// There is no such file.
    #[error("no such file: {}", Shown(path))]
    Missing {
        /// What was asked for.
        path: PathBuf,
    },
    /// A folder was named.
    #[error("a folder, not a capture: {}", Shown(path))]
    Directory {
        /// What was asked for.
        path: PathBuf,
    },
    /// A FIFO, device or socket was named.
    #[error(
        "{kind}, not a regular file (use - to read standard input): {}",
        Shown(path)
    )]
    NotRegular {
        /// What it is, with its article.
        kind: &'static str,
        /// What was asked for.
        path: PathBuf,
    },
    /// The file may not be read by this user.
    #[error("no permission to read {}", Shown(path))]
    Permission {
        /// What was asked for.
        path: PathBuf,
    },
    /// The file has no octets.
    #[error("not a capture: it is empty: {}", Shown(path))]
    Empty {
        /// What was asked for.
        path: PathBuf,
    },
    /// The file ends inside the header of its format.
    #[error("not a capture: it is too short ({len} octets): {}", Shown(path))]
    TooShort {
        /// How long it is.
        len: u64,
        /// What was asked for.
        path: PathBuf,
    },
    /// The content is something else.
    #[error("not a capture: it looks like {found}: {}", Shown(path))]
    NotACapture {
        /// What the content looks like.
        found: FileKind,
        /// What was asked for.
        path: PathBuf,
    },
    /// A capture, of a format that is not read yet.
    #[error("{format} captures cannot be read yet: {}", Shown(path))]
    Unsupported {
        /// Name of the format.
        format: &'static str,
        /// What was asked for.
        path: PathBuf,
    },
    /// The compressed data is damaged before the first packet.
    #[error("the {compression} data cannot be inflated: {why}: {}", Shown(path))]
    Inflate {
        /// Name of the compression.
        compression: &'static str,
        /// What is wrong, with its offset.
        why: String,
        /// What was asked for.
        path: PathBuf,
    },
    /// Standard input is a terminal, so nobody would ever send a capture.
    #[error("standard input is a terminal: give a file, or send a capture by a pipe")]
    Terminal,
    /// The private file for inflated or piped data could not be made.
    #[error(
        "no private file for the data could be made ({source}) in {}",
        Shown(folder)
    )]
    Spool {
        /// Where it should have been.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No folder for private files is known.
    #[error("no folder for private files: set HOME, XDG_STATE_HOME or SIPSCOPE_HOME")]
    NoStateFolder,
    /// The system said no for another reason.
    #[error("cannot be read ({source}): {}", Shown(path))]
    Io {
        /// What the system said.
        source: io::Error,
        /// What was asked for.
        path: PathBuf,
    },
}

impl SourceError {
    /// The sentence for what the system said about `path`.
    pub(super) fn from_io(source: io::Error, path: &Path) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing { path },
            io::ErrorKind::PermissionDenied => Self::Permission { path },
            io::ErrorKind::IsADirectory => Self::Directory { path },
            _ => Self::Io { source, path },
        }
    }
}

/// A path in a sentence: names of files are not trusted, so control characters are escaped.
struct Shown<'a>(&'a Path);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.to_string_lossy().chars() {
            let bidi = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if c.is_control() || bidi {
                write!(f, "{}", c.escape_default())?;
            } else {
                write!(f, "{c}")?;
            }
        }
        Ok(())
    }
}
