//! Writing a file so that there is either all of it or what was there before.

use std::{
    collections::hash_map::RandomState,
    fs::{self, File},
    hash::{BuildHasher as _, Hasher as _},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

/// What to do with a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave it, and fail with [`io::ErrorKind::AlreadyExists`].
    Keep,
    /// Put the new one in its place; somebody said yes to that.
    Replace,
}

/// Writes `path` by `write`: into a new file beside it, synced, then renamed.
///
/// On any error the new file is removed and `path` is as it was. Only regular files are
/// replaced; a link is replaced itself, not what it points to.
///
/// # Errors
/// What `write` or the system says.
pub fn save<T, E: From<io::Error>>(
    path: &Path,
    existing: Existing,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<T, E>,
) -> Result<T, E> {
    match fs::symlink_metadata(path) {
        Ok(_) if existing == Existing::Keep => {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists).into());
        }
        Ok(found) if !found.is_file() && !found.is_symlink() => {
            return Err(io::Error::other("not a regular file").into());
        }
        _ => {}
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let (file, temporary) = create_beside(path, folder)?;
    let written = write_through(file, &temporary, path, existing, write);
    if written.is_err() {
        // The error that counts is the first one.
        let _ = fs::remove_file(&temporary);
        return written;
    }
    sync_folder(folder)?;
    written
}

fn write_through<T, E: From<io::Error>>(
    file: File,
    temporary: &Path,
    path: &Path,
    existing: Existing,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<T, E>,
) -> Result<T, E> {
    let mut out = BufWriter::with_capacity(1 << 18, file);
    let value = write(&mut out)?;
    out.flush()?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    // A link fails where a file has come up meanwhile, a rename would replace it. Where the
    // file system has no links, the check at the start has to do.
    if existing == Existing::Keep {
        match fs::hard_link(temporary, path) {
            Ok(()) => {
                fs::remove_file(temporary)?;
                return Ok(value);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error.into()),
            Err(_) => {}
        }
    }
    fs::rename(temporary, path)?;
    Ok(value)
}

fn create_beside(path: &Path, folder: &Path) -> io::Result<(File, PathBuf)> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
    for attempt in 0..16_u32 {
        let mut hasher = RandomState::new().build_hasher();
        hasher.write_u32(attempt);
        let mut temporary = std::ffi::OsString::from(".");
        // Names have a limit of 255 octets on most systems.
        if name.len() <= 200 {
            temporary.push(name);
        }
        temporary.push(format!(".{:016x}.part", hasher.finish()));
        let temporary = folder.join(temporary);
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        match options.open(&temporary) {
            Ok(file) => return Ok((file, temporary)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
