//! The files of live captures: where they lie, which were left behind, and how they are saved.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use crate::index::wanted::Wanted;
use crate::ingest::thin::{self, Thinned};
use crate::source::{live, private_folder};

/// Where captures lie until they are saved.
pub fn live_folder() -> Option<PathBuf> {
    private_folder().map(|folder| folder.join("live"))
}

pub(super) fn make_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder)
}

/// In the names of captures that are to be thinned out when they are saved.
pub(super) const WIDE: &str = ".wide";

/// Only SIP and its RTP was asked for, and all that may be RTP is still in this capture.
pub fn is_wide(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Some(rest) = name.split_once(WIDE).map(|(_, rest)| rest) else {
        return false;
    };
    let rest = rest.strip_suffix(".next").unwrap_or(rest);
    let number = rest.strip_suffix(".pcapng").unwrap_or("x");
    let number = number.strip_prefix('.').unwrap_or(number);
    number.bytes().all(|octet| octet.is_ascii_digit())
}

/// The name that all files of a ring have, and which of them this is: `live.00002.pcapng` is the second
/// of `live`.
fn ring_of(path: &Path) -> Option<(PathBuf, u64)> {
    let (name, number) = path.file_stem()?.to_str()?.rsplit_once('.')?;
    let numbered = number.len() >= 5 && number.bytes().all(|octet| octet.is_ascii_digit());
    let number = number.parse().ok().filter(|_| numbered)?;
    Some((path.with_file_name(name), number))
}

/// Whether these two are files of one ring.
pub fn are_of_one_ring(a: &Path, b: &Path) -> bool {
    let ring = |path| ring_of(path).map(|(ring, _)| ring);
    ring(a).is_some_and(|a| ring(b) == Some(a))
}

/// A later file of its ring is there, so this one was thinned out when it was full. It is not to be
/// thinned out again: less is known now, for calls may have begun in files that were deleted since.
pub fn was_thinned(path: &Path, all: &[PathBuf]) -> bool {
    let later = |ring: &PathBuf, number: u64| {
        let mut others = all.iter().filter_map(|other| ring_of(other));
        others.any(|(other, n)| other == *ring && n > number)
    };
    is_wide(path) && ring_of(path).is_some_and(|(ring, number)| later(&ring, number))
}

/// Captures in the private folder that nobody writes any more, the newest first: those of windows
/// that were killed, and those that were not saved.
pub fn unsaved_captures() -> Vec<PathBuf> {
    let Some(folder) = live_folder() else {
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            // Ended by a crash of everything, it may have kept the name it had before its first packet.
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let ours = name.ends_with(".pcapng") || name.ends_with(".pcapng.next");
            let left = name.ends_with(super::thinning::SUFFIX) && !live::is_in_use(path);
            if left {
                // Of a window that was killed while it thinned out; the capture itself is whole.
                let _ = std::fs::remove_file(path);
            }
            ours && path.is_file() && !live::is_in_use(path)
        })
        .collect();
    // An empty one holds nothing to be saved.
    found.retain(|path| {
        let holds = std::fs::metadata(path).is_ok_and(|m| m.len() > 0);
        if !holds {
            let _ = std::fs::remove_file(path);
        }
        holds
    });
    found.sort();
    found.reverse();
    found
}

/// Copies a capture to where a person wants it; an existing file is not replaced.
///
/// # Errors
/// A sentence for people.
pub fn save_copy(from: &Path, to: &Path) -> Result<(), String> {
    let copy = |mut target: &File| {
        let mut source = File::open(from)?;
        std::io::copy(&mut source, &mut target)
    };
    save_by(to, copy).map(drop)
}

/// The same, but only SIP and the media that it announces: `number` is that of the file among those
/// that were looked at.
///
/// # Errors
/// A sentence for people.
pub fn save_thinned(
    from: &Path,
    number: u16,
    wanted: &Wanted,
    to: &Path,
) -> Result<Thinned, String> {
    save_by(to, |target| {
        let mut out = BufWriter::with_capacity(1 << 18, target);
        let done = thin::copy(from, number, wanted, &mut out)?;
        out.flush()?;
        Ok(done)
    })
}

fn save_by<T>(to: &Path, write: impl FnOnce(&File) -> std::io::Result<T>) -> Result<T, String> {
    let failed = |error: std::io::Error| format!("{} was not saved: {error}", to.display());
    let mut options = File::options();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let target = options
        .write(true)
        .create_new(true)
        .open(to)
        .map_err(failed)?;
    let written = write(&target).and_then(|done| target.sync_all().map(|()| done));
    // Half of a capture is none: the whole one is still where it was.
    written.map_err(|error| {
        drop(std::fs::remove_file(to));
        failed(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_captures_are_known_by_their_names() {
        let wide = |name: &str| is_wide(Path::new(name));
        assert!(wide("/l/live-1-eth0.wide.pcapng"));
        assert!(wide("/l/live-1-eth0.wide.00012.pcapng"));
        assert!(wide("/l/.live-1-eth0.wide.00012.pcapng.next"));
        assert!(!wide("/l/live-1-eth0.pcapng"));
        assert!(!wide("/l/live-1-eth0.widest.pcapng"));
        assert!(!wide("/l.wide/live-1-eth0.pcapng"));
    }

    #[test]
    fn files_of_one_ring_belong_together() {
        let one_ring = |a: &str, b: &str| are_of_one_ring(Path::new(a), Path::new(b));
        assert!(one_ring(
            "/l/live-1-eth0.00002.pcapng",
            "/l/live-1-eth0.00001.pcapng"
        ));
        assert!(one_ring(
            "/l/a.wide.100000.pcapng",
            "/l/a.wide.99999.pcapng"
        ));
        assert!(!one_ring(
            "/l/live-1-eth0.00002.pcapng",
            "/l/live-2-eth0.00001.pcapng"
        ));
        assert!(!one_ring("/l/live-1-eth0.pcapng", "/l/live-1-eth0.pcapng"));
        assert!(!one_ring(
            "/l/live-1-eth0.10.pcapng",
            "/l/live-1-eth0.20.pcapng"
        ));
    }

    #[test]
    fn only_the_newest_file_of_a_ring_is_still_wide() {
        let all = [
            "a.wide.99999",
            "a.wide.100000",
            "b.wide.00001",
            "c.00001",
            "c.00002",
            "d.wide",
        ]
        .map(|name| PathBuf::from(format!("/l/{name}.pcapng")));
        let thinned = all.each_ref().map(|path| was_thinned(path, &all));
        assert_eq!(thinned, [true, false, false, false, false, false]);
    }
}
