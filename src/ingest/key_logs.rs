//! Where the secrets of TLS come from: files named by the user, files beside a capture, and the
//! capture itself.
//!
//! A file named by the user is the only one then. Otherwise these are looked for in the folder of
//! `NAME.pcap`, and taken when they hold at least one secret: `NAME.keylog.txt`, `NAME.keylog`,
//! `NAME.keys`, `NAME.keys.txt`, `NAME.log`, `NAME.pcap.keylog`, and for all captures of the folder
//! `sslkeylog.txt`, `sslkeylog.log`, `sslkeylogfile.txt`, `keylog.txt`, `keys.log`.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::packet::tls::{Added, Secrets};

/// Octets read of one key log.
const MAX_OCTETS: u64 = 256 << 20;
/// Octets of a file beside the capture that decide whether it is a key log.
const PROBE: u64 = 64 << 10;
/// Secrets type of a TLS key log in a pcapng.
const TLS_KEY_LOG: u32 = 0x544c_534b;

const BESIDE_NAME: [&str; 5] = ["keylog.txt", "keylog", "keys", "keys.txt", "log"];
const BESIDE_ALL: [&str; 5] = [
    "sslkeylog.txt",
    "sslkeylog.log",
    "sslkeylogfile.txt",
    "keylog.txt",
    "keys.log",
];

/// How a key log was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyLogOrigin {
    /// The user named it.
    Given,
    /// It lies beside the capture.
    Beside,
    /// It stands in the capture.
    Embedded,
}

impl KeyLogOrigin {
    /// Word for the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Beside => "beside",
            Self::Embedded => "embedded",
        }
    }
}

/// What came of one key log.
#[derive(Clone, Debug)]
pub struct KeyLogReport {
    /// The file; of embedded secrets the capture.
    pub path: PathBuf,
    /// How it was found.
    pub origin: KeyLogOrigin,
    /// The input it was found with; none for one that the user named.
    pub input: Option<u16>,
    /// What was in it.
    pub added: Added,
    /// Why it could not be read.
    pub error: Option<String>,
    /// Others on this machine may read the file.
    pub open_to_others: bool,
    /// Only its first 256 MiB were read.
    pub cut: bool,
}

impl KeyLogReport {
    fn new(path: &Path, origin: KeyLogOrigin, input: Option<u16>) -> Self {
        Self {
            path: path.to_owned(),
            origin,
            input,
            added: Added::default(),
            error: None,
            open_to_others: false,
            cut: false,
        }
    }

    /// What of it was left out, in words; none when all was taken.
    pub fn left_out(&self) -> Option<String> {
        let beyond = match self.added.beyond {
            0 => None,
            count => Some(format!("{count} of its secrets are beyond the limit")),
        };
        let cut = self
            .cut
            .then(|| "only its first 256 MiB were read".to_owned());
        let parts: Vec<String> = beyond.into_iter().chain(cut).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// Reads the key logs for these inputs.
pub(super) fn read(
    given: &[PathBuf],
    inputs: &[PathBuf],
    secrets: &mut Secrets,
) -> Vec<KeyLogReport> {
    let mut reports: Vec<KeyLogReport> = Vec::new();
    for path in given {
        let mut report = KeyLogReport::new(path, KeyLogOrigin::Given, None);
        match contents(path, MAX_OCTETS) {
            Ok((text, open)) => {
                report.added = secrets.add(&text);
                report.open_to_others = open;
                report.cut = text.len() as u64 >= MAX_OCTETS;
                if report.added.secrets + report.added.rsa_keys == 0 {
                    let why = report.added.problem.unwrap_or("no TLS secrets are in it");
                    report.error = Some(why.to_owned());
                }
            }
            Err(why) => report.error = Some(why),
        }
        reports.push(report);
    }
    if !given.is_empty() {
        return reports;
    }
    for (index, input) in inputs.iter().enumerate() {
        let Ok(index) = u16::try_from(index) else {
            break;
        };
        for path in candidates(input) {
            if reports.iter().any(|r| r.path == path) || !holds_secrets(&path) {
                continue;
            }
            let Ok((text, open)) = contents(&path, MAX_OCTETS) else {
                continue;
            };
            let mut report = KeyLogReport::new(&path, KeyLogOrigin::Beside, Some(index));
            report.added = secrets.add(&text);
            report.open_to_others = open;
            report.cut = text.len() as u64 >= MAX_OCTETS;
            reports.push(report);
        }
    }
    reports
}

/// Takes the secrets that stand in a capture.
pub(super) fn embedded(
    path: &Path,
    input: u16,
    kind: u32,
    data: &[u8],
    secrets: &mut Secrets,
    reports: &mut Vec<KeyLogReport>,
) {
    if kind != TLS_KEY_LOG {
        return;
    }
    let added = secrets.add(data);
    let known = reports
        .iter_mut()
        .find(|r| r.origin == KeyLogOrigin::Embedded && r.input == Some(input));
    match known {
        Some(report) => {
            report.added.secrets += added.secrets;
            report.added.rsa_keys += added.rsa_keys;
            report.added.ignored += added.ignored;
            report.added.beyond += added.beyond;
        }
        None => {
            let mut report = KeyLogReport::new(path, KeyLogOrigin::Embedded, Some(input));
            report.added = added;
            reports.push(report);
        }
    }
}

/// Files beside a capture that may be its key log.
fn candidates(input: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (input.parent(), input.file_name().and_then(|n| n.to_str()))
    else {
        return Vec::new();
    };
    if name == "-" {
        return Vec::new();
    }
    // `trace.pcapng.gz` is known as `trace`, as `trace.pcapng` and by its whole name.
    let mut stems = vec![name];
    let mut rest = name;
    while let Some((stem, ending)) = rest.rsplit_once('.') {
        let known = ["pcap", "pcapng", "cap", "gz", "zst", "lz4", "snoop", "ntar"];
        if stem.is_empty() || !known.iter().any(|k| ending.eq_ignore_ascii_case(k)) {
            break;
        }
        stems.push(stem);
        rest = stem;
    }
    let own = stems.iter().rev().flat_map(|stem| {
        BESIDE_NAME
            .iter()
            .map(move |ending| format!("{stem}.{ending}"))
    });
    own.chain(BESIDE_ALL.iter().map(|name| (*name).to_owned()))
        .map(|name| folder.join(name))
        .collect()
}

fn holds_secrets(path: &Path) -> bool {
    let Ok((text, _)) = contents(path, PROBE) else {
        return false;
    };
    let added = Secrets::default().add(&text);
    added.secrets > 0 || added.rsa_keys > 0 && added.ignored == 0
}

/// The octets of a regular file, and whether others may read it.
fn contents(path: &Path, limit: u64) -> Result<(Zeroizing<Vec<u8>>, bool), String> {
    let told = |error: std::io::Error| error.to_string();
    let metadata = std::fs::metadata(path).map_err(told)?;
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let mut text = Zeroizing::new(Vec::new());
    let file = File::open(path).map_err(told)?;
    file.take(limit).read_to_end(&mut text).map_err(told)?;
    Ok((text, is_open(&metadata)))
}

#[cfg(unix)]
fn is_open(metadata: &std::fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::mode(metadata) & 0o044 != 0
}

#[cfg(not(unix))]
fn is_open(_: &std::fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_log_is_looked_for_under_the_name_of_the_capture() {
        let found = candidates(Path::new("/x/trace.pcapng.gz"));
        for name in [
            "trace.keylog.txt",
            "trace.keys",
            "trace.pcapng.keylog",
            "sslkeylog.txt",
        ] {
            assert!(found.contains(&Path::new("/x").join(name)), "{name}");
        }
        // A name that only looks similar belongs to another capture.
        let found = candidates(Path::new("a-nokey.pcap"));
        assert!(!found.contains(&PathBuf::from("a.keylog.txt")));
        assert!(candidates(Path::new("-")).is_empty());
    }
}
