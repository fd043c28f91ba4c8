//! Private files for inflated and piped captures.
//!
//! They hold what people said and sent, so they never lie in the common temporary folder, only
//! their owner may open them, and on Unix they lose their name at once: nothing stays behind,
//! not even after a crash.

use std::{
    collections::hash_map::RandomState,
    env,
    fs::{self, File},
    hash::{BuildHasher as _, Hasher as _},
    io,
    path::{Path, PathBuf},
    process,
};

use super::SourceError;

/// The folder for private state: `$SIPSCOPE_HOME`, else `$XDG_STATE_HOME/sipscope`, else
/// `~/.local/state/sipscope`; none where none of the three is set.
pub fn private_folder() -> Option<PathBuf> {
    let set = |name| {
        env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    if let Some(home) = set("SIPSCOPE_HOME") {
        return Some(home);
    }
    // The XDG rules say that a relative path is to be ignored.
    let state = set("XDG_STATE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| Some(set("HOME")?.join(".local").join("state")))
        .or_else(|| set("LOCALAPPDATA"))?;
    Some(state.join("sipscope"))
}

/// A new private file in `folder`, else in the private folder of this user, and its path where
/// it still has one.
pub(super) fn create(folder: Option<&Path>) -> Result<(File, Option<PathBuf>), SourceError> {
    let folder = match folder {
        Some(folder) => folder.to_path_buf(),
        None => private_folder()
            .ok_or(SourceError::NoStateFolder)?
            .join("spool"),
    };
    match create_in(&folder) {
        Ok(made) => Ok(made),
        Err(source) => Err(SourceError::Spool { folder, source }),
    }
}

fn create_in(folder: &Path) -> io::Result<(File, Option<PathBuf>)> {
    make_folder(folder)?;
    let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
    for attempt in 0..16_u32 {
        // Only has to differ from its neighbours: `create_new` refuses what exists, links too.
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(attempt);
        let path = folder.join(format!("{}-{:016x}.spool", process::id(), hasher.finish()));
        match open_new(&path) {
            Ok(file) => {
                let left = if cfg!(unix) && fs::remove_file(&path).is_ok() {
                    None
                } else {
                    Some(path)
                };
                return Ok((file, left));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

#[cfg(unix)]
fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

#[cfg(not(unix))]
fn make_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

fn open_new(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}
