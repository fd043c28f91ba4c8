//! How the inputs were read, in words: format, what was inferred, repaired or passed over, what became
//! of TLS. Made once a capture is loaded, off the thread that paints.

use crate::index::IndexView;
use crate::ingest::{FileReport, KeyLogReport, Loaded, is_routine};
use crate::packet::trace::TimeKind;
use crate::present::rows::{counted, times_words};
use crate::present::text::grouped;
use crate::present::tls;
use crate::source::{Format, Skipped};

/// Kinds named in the line; the details name all.
const NAMED: usize = 2;
/// Connections listed in the details.
const MAX_CONNECTIONS: usize = 200;

/// What is to be said of how a capture was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// One line; empty when there is nothing to say.
    pub line: String,
    /// The details, by title.
    pub parts: Vec<(&'static str, Vec<String>)>,
    /// There is TLS: a key log may help.
    pub tls: bool,
}

impl Reading {
    /// Of a capture that is loaded.
    pub fn of(loaded: &Loaded) -> Self {
        let mut reading = Self::default();
        let mut line: Vec<String> = Vec::new();
        let files: Vec<&FileReport> = loaded.files.iter().filter(|f| f.error.is_none()).collect();
        line.extend(reading.formats(&files));
        line.extend(reading.inferred(&loaded.view));
        line.extend(reading.times(&files));
        let repairs = files.iter().filter(|file| is_text(file));
        line.extend(reading.list(
            "repaired or passed over",
            "Repaired or passed over in the text",
            repairs.flat_map(|file| &file.info.skipped),
        ));
        let packets = files.iter().filter(|file| !is_text(file));
        let damage = packets.flat_map(|file| &file.info.skipped);
        let behind = files.iter().flat_map(|file| &file.skipped);
        line.extend(reading.list("passed over", "Passed over", damage.chain(behind)));
        line.extend(reading.tls(loaded));
        reading.line = line.join("; ");
        if let Some(first) = reading.line.get(..1) {
            let first = first.to_uppercase();
            reading.line.replace_range(..1, &first);
        }
        reading
    }

    /// Logs are named; that a capture is a capture goes without saying.
    fn formats(&mut self, files: &[&FileReport]) -> Option<String> {
        let words = |file: &FileReport| {
            let packed = file.info.compressed.map(|c| format!(", {}", c.name()));
            let name = file.path.file_name().unwrap_or(file.path.as_os_str());
            let (name, format) = (name.to_string_lossy(), file.info.format.name());
            format!("{name}: {format}{}", packed.unwrap_or_default())
        };
        self.parts
            .push(("Format", files.iter().map(|file| words(file)).collect()));
        let mut names: Vec<&str> = Vec::new();
        for file in files.iter().filter(|file| is_text(file)) {
            let name = file.info.format.name();
            if !names.contains(&name) {
                names.push(name);
            }
        }
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// Ends of messages that no log states.
    fn inferred(&mut self, view: &IndexView) -> Option<String> {
        let (mut ends, mut all) = (0, 0);
        for told in view.all_told() {
            all += 1;
            ends += u64::from(!told.src || !told.dst);
        }
        if ends == 0 {
            return None;
        }
        let why = format!(
            "{} of {}: sender or receiver are those in Via, or the system that wrote the log",
            grouped(ends),
            counted(all, "message", "messages")
        );
        self.parts.push(("Inferred addresses", vec![why]));
        let count = counted(ends, "message", "messages");
        Some(format!("addresses of {count} inferred"))
    }

    fn times(&mut self, files: &[&FileReport]) -> Option<String> {
        let kinds = files.iter().map(|file| file.info.time_kind);
        let kind = kinds.into_iter().find(|kind| *kind != TimeKind::Absolute);
        let text = files.iter().any(|file| is_text(file));
        let words = times_words(kind.filter(|_| text)?)?;
        self.parts.push(("Times", vec![words.to_owned()]));
        Some(words.to_owned())
    }

    /// All goes into the details; what is everyday in any network not into the line.
    fn list<'a>(
        &mut self,
        head: &str,
        title: &'static str,
        skipped: impl Iterator<Item = &'a Skipped>,
    ) -> Option<String> {
        let all: Vec<&Skipped> = skipped.collect();
        if all.is_empty() {
            return None;
        }
        let words = |s: &&Skipped| {
            let frame = match s.first_frame {
                0 => String::new(),
                frame => format!(", first at packet {}", grouped(frame.into())),
            };
            format!("{} ×{}{frame}: {}", s.what, grouped(s.count), s.why)
        };
        self.parts.push((title, all.iter().map(words).collect()));
        let told: Vec<&&Skipped> = all.iter().filter(|s| !is_routine(s)).collect();
        if told.is_empty() {
            return None;
        }
        let short = |s: &&&Skipped| format!("{} ×{}", s.what, grouped(s.count));
        let named: Vec<String> = told.iter().take(NAMED).map(short).collect();
        let more = match told.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(format!("{head}: {}{more}", named.join(", ")))
    }

    fn tls(&mut self, loaded: &Loaded) -> Option<String> {
        let added = |log: &KeyLogReport| log.added.secrets + log.added.rsa_keys;
        let secrets = loaded.key_logs.iter().map(added).sum();
        let summary = tls::summary(secrets, &loaded.tls)?;
        self.tls = true;
        let logs = loaded.key_logs.iter().map(|log| {
            let what = match (&log.error, log.left_out()) {
                (Some(error), _) => error.clone(),
                (None, left_out) => {
                    let count = counted(added(log) as u64, "secret", "secrets");
                    let left_out = left_out.map(|why| format!("; {why}"));
                    format!(
                        "{count}, {}{}",
                        log.origin.name(),
                        left_out.unwrap_or_default()
                    )
                }
            };
            format!("{}: {what}", log.path.display())
        });
        let logs: Vec<String> = logs.collect();
        if !logs.is_empty() {
            self.parts.push(("Key logs", logs));
        }
        let connections = loaded.tls.iter().take(MAX_CONNECTIONS).map(tls::line);
        let mut connections: Vec<String> = connections.collect();
        if let Some(more) = loaded.tls.len().checked_sub(MAX_CONNECTIONS)
            && more > 0
        {
            connections.push(format!("and {} more", grouped(more as u64)));
        }
        if !connections.is_empty() {
            self.parts.push(("TLS connections", connections));
        }
        Some(summary)
    }
}

fn is_text(file: &FileReport) -> bool {
    matches!(file.info.format, Format::Text(_))
}
