//! Built-in captures, for those who have none at hand, and texts that were pasted.
//!
//! Both become files in the private folder and are opened as any other file.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::export::save::{Existing, save};
use crate::source::private_folder;

/// A built-in capture.
pub struct Sample {
    /// Its name on the start page.
    pub title: &'static str,
    /// What it shows.
    pub about: &'static str,
    file: &'static str,
    bytes: &'static [u8],
}

/// All of them.
pub const SAMPLES: &[Sample] = &[
    Sample {
        title: "Call through a proxy",
        about: "INVITE, ringing, answer and BYE, each on both sides of a proxy that stays in the way",
        file: "call-through-a-proxy.pcap",
        bytes: include_bytes!("../../assets/samples/call-through-a-proxy.pcap"),
    },
    Sample {
        title: "Failed call",
        about: "An INVITE to a user whom nobody knows: 404 Not Found",
        file: "failed-call.pcap",
        bytes: include_bytes!("../../assets/samples/failed-call.pcap"),
    },
    Sample {
        title: "Registration",
        about: "REGISTER, a challenge, and REGISTER with credentials",
        file: "registration.pcap",
        bytes: include_bytes!("../../assets/samples/registration.pcap"),
    },
];

/// Longest text that is taken.
pub const MOST_TEXT: usize = 64 << 20;

fn put(folder: &str, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
    let home = private_folder().ok_or_else(|| io::Error::other("there is no home folder"))?;
    let folder = home.join(folder);
    let mut make = std::fs::DirBuilder::new();
    make.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut make, 0o700);
    make.create(&folder)?;
    let path = folder.join(name);
    let write = |out: &mut io::BufWriter<std::fs::File>| io::Write::write_all(out, bytes);
    save(&path, Existing::Replace, write)?;
    Ok(path)
}

/// Puts a sample where it can be opened.
///
/// # Errors
/// The private folder cannot be written.
pub fn unpack(sample: &Sample) -> io::Result<PathBuf> {
    put("samples", sample.file, sample.bytes)
}

/// A text that was pasted, in a private file that goes with it.
pub struct PastedFile {
    folder: PathBuf,
    /// Its path.
    pub path: PathBuf,
}

impl Drop for PastedFile {
    fn drop(&mut self) {
        // Nobody is left to tell; the folder is private.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Puts a text where it can be opened.
///
/// # Errors
/// It is too long, or the private folder cannot be written.
pub fn keep_text(text: &str) -> io::Result<PastedFile> {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    if text.len() > MOST_TEXT {
        return Err(io::Error::other("the text is longer than 64 MiB"));
    }
    let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = format!("pasted/{process}-{number}");
    let path = put(&folder, "pasted text.txt", text.as_bytes())?;
    let folder = path.parent().unwrap_or(&path).to_owned();
    Ok(PastedFile { folder, path })
}
