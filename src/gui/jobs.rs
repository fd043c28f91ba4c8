//! What is written to files, in the background.
//!
//! The window lets the command line write, so a file that was saved here and one that was written by
//! `sipscope export` or `sipscope messages` are the same.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::action::Saving;
use super::session::Wake;
use crate::export::watch::Watch;
use crate::index::IndexView;
use crate::index::ids::CallId;
use crate::source::{CaptureFile, Chunk, OpenOptions, private_folder};

/// Carries out a command; the error is a sentence.
pub type CommandLine = fn(Vec<OsString>, &Watch) -> Result<(), String>;

/// A sentence for the user: what was done, or why not.
pub type Said = Result<String, String>;

/// Octets read at a time.
const CHUNK: usize = 1 << 20;

/// Which calls; all when nothing is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallChoice {
    /// By their numbers in a capture that is read again from its start.
    Numbers(Vec<CallId>),
    /// By their Call-IDs: files of a live capture may begin later than it did, and have other numbers.
    CallIds(Vec<String>),
}

impl CallChoice {
    /// The calls with Call-IDs of their own, out of an index that may have lost its beginning.
    pub fn by_call_id(view: &IndexView, calls: &[CallId]) -> Self {
        let messages = calls.iter().flat_map(|call| view.messages_of_call(*call));
        let rows = messages.filter_map(|message| view.message(message));
        let ids: BTreeSet<String> = rows
            .map(|row| view.texts().get(view.parties(row).call_id).into_owned())
            .collect();
        Self::CallIds(ids.into_iter().collect())
    }

    /// As an expression for filters, with what else is asked for.
    fn expression(&self, other: Option<&str>) -> Option<String> {
        let ids = match self {
            Self::CallIds(ids) if !ids.is_empty() => ids,
            _ => return other.map(str::to_owned),
        };
        let quoted = |id: &String| {
            let id = id.replace('\\', "\\\\").replace('"', "\\\"");
            format!("call_id == \"{id}\"")
        };
        let ids: Vec<String> = ids.iter().map(quoted).collect();
        let ids = ids.join(" or ");
        Some(match other {
            Some(other) => format!("({ids}) and ({other})"),
            None => ids,
        })
    }
}

/// What is to be saved.
#[derive(Clone, Debug)]
pub struct Request {
    /// What.
    pub saving: Saving,
    /// Where.
    pub path: PathBuf,
    /// Out of these captures.
    pub inputs: Vec<PathBuf>,
    /// Only these calls.
    pub calls: CallChoice,
    /// Only what matches this expression.
    pub expression: Option<String>,
    /// Key logs and RSA keys that decrypt them.
    pub key_logs: Vec<PathBuf>,
    /// With the secrets that are in the captures.
    pub keep_secrets: bool,
}

impl Request {
    /// The arguments of the command that does it.
    fn arguments(&self) -> Vec<OsString> {
        let (command, format) = match self.saving {
            Saving::Calls | Saving::Capture => ("export", None),
            Saving::Json => ("messages", Some("json")),
            Saving::Csv => ("messages", Some("csv")),
            // Pictures are drawn as they are on the screen, not by a command: `ladder_export`.
            Saving::Ladder(picture) => ("ladder", Some(picture.ending())),
        };
        let mut args: Vec<OsString> = vec![command.into()];
        if let Some(format) = format {
            args.extend(["--format".into(), format.into()]);
        }
        if let CallChoice::Numbers(calls) = &self.calls
            && !calls.is_empty()
        {
            let numbers: Vec<String> = calls.iter().map(|call| call.get().to_string()).collect();
            args.extend(["--call".into(), numbers.join(",").into()]);
        }
        if let Some(expression) = self.calls.expression(self.expression.as_deref()) {
            args.extend(["--filter".into(), expression.into()]);
        }
        for log in &self.key_logs {
            args.extend(["--keylog".into(), log.clone().into()]);
        }
        if self.keep_secrets {
            args.push("--keep-secrets".into());
        }
        args.extend(["--quiet".into(), "-o".into(), self.path.clone().into()]);
        // Names that begin with a dash are names all the same.
        args.push("--".into());
        args.extend(self.inputs.iter().map(|path| path.clone().into_os_string()));
        args
    }
}

/// The part of the box that the command line understands: without the bare words.
pub fn expression_of(text: &str) -> Option<String> {
    crate::index::query::Query::expression_in(text).map(str::to_owned)
}

/// Work in the background, and what it has to say.
pub struct Jobs {
    wake: Wake,
    running: Arc<AtomicUsize>,
    /// Of what is running, or was.
    watches: Vec<Watch>,
    send: Sender<Said>,
    receive: Receiver<Said>,
    /// What carries out commands; none in a window that cannot save.
    pub command_line: Option<CommandLine>,
    /// The program that is called for "Open in Wireshark".
    pub wireshark: OsString,
}

impl Jobs {
    /// None is running.
    pub fn new(wake: Wake) -> Self {
        let (send, receive) = channel();
        Self {
            wake,
            running: Arc::default(),
            watches: Vec::new(),
            send,
            receive,
            command_line: None,
            wireshark: "wireshark".into(),
        }
    }

    /// Something is being written.
    pub fn are_running(&self) -> bool {
        self.running.load(Ordering::Acquire) > 0
    }

    /// How far the newest piece of work is, from 0 to 1; none while nobody knows.
    pub fn share(&self) -> Option<f32> {
        let watch = self.watches.last().filter(|_| self.are_running());
        watch.and_then(Watch::share)
    }

    /// Nobody wants what is being written any more.
    pub fn cancel(&self) {
        for watch in &self.watches {
            watch.stop();
        }
    }

    fn watch(&mut self) -> Watch {
        if !self.are_running() {
            self.watches.clear();
        }
        let watch = Watch::default();
        self.watches.push(watch.clone());
        watch
    }

    /// What came of the work, once.
    pub fn said(&self) -> Option<Said> {
        self.receive.try_recv().ok()
    }

    fn spawn(&self, name: &str, work: impl FnOnce(&dyn Fn(Said)) + Send + 'static) {
        let (running, send, wake) = (
            Arc::clone(&self.running),
            self.send.clone(),
            Arc::clone(&self.wake),
        );
        running.fetch_add(1, Ordering::AcqRel);
        let ours = Arc::clone(&self.running);
        let job = move || {
            // Nobody listens any more when the window was closed meanwhile.
            work(&|said| drop(send.send(said)));
            running.fetch_sub(1, Ordering::AcqRel);
            wake();
        };
        if let Err(error) = std::thread::Builder::new().name(name.to_owned()).spawn(job) {
            ours.fetch_sub(1, Ordering::AcqRel);
            log::error!("no thread for {name}: {error}");
        }
    }

    /// Saves something.
    pub fn save(&mut self, request: Request) {
        let Some(command_line) = self.command_line else {
            let why = "Nothing can be saved from this window".to_owned();
            drop(self.send.send(Err(why)));
            return;
        };
        let watch = self.watch();
        self.spawn("save", move |say| {
            let name = request.path.display();
            say(match write(command_line, &request, &watch) {
                Ok(()) => Ok(match watch.remark() {
                    Some(remark) => format!("Saved: {name}, {remark}"),
                    None => format!("Saved: {name}"),
                }),
                Err(why) => Err(format!("Not saved: {why}")),
            });
        });
    }

    /// Saves the packets of calls for a moment and shows them in Wireshark, at the packet of that time.
    pub fn wireshark(
        &mut self,
        inputs: Vec<PathBuf>,
        calls: CallChoice,
        key_logs: Vec<PathBuf>,
        time: Option<i64>,
    ) {
        let Some(command_line) = self.command_line else {
            let why = "Nothing can be saved from this window".to_owned();
            drop(self.send.send(Err(why)));
            return;
        };
        let program = self.wireshark.clone();
        let watch = self.watch();
        self.spawn("wireshark", move |say| {
            let save = |request: &Request| command_line(request.arguments(), &watch);
            let outcome = hand_over(&save, inputs, calls, key_logs, time, &program);
            if let Err(why) = outcome {
                say(Err(format!("Wireshark was not opened: {why}")));
            }
        });
    }
}

/// Writes beside the place first: what lies there stays until all of the new is there.
fn write(command_line: CommandLine, request: &Request, watch: &Watch) -> Result<(), String> {
    if request.saving == Saving::Calls {
        // The command does that by itself.
        return command_line(request.arguments(), watch);
    }
    let real = request.path.canonicalize().ok();
    let is_it = |input: &PathBuf| input.canonicalize().ok() == real;
    if real.is_some() && request.inputs.iter().any(is_it) {
        return Err("that is the capture itself: it would be overwritten".to_owned());
    }
    let mut part = request.path.clone().into_os_string();
    part.push(".part");
    let part = PathBuf::from(part);
    let beside = Request {
        path: part.clone(),
        ..request.clone()
    };
    let outcome = command_line(beside.arguments(), watch)
        .and_then(|()| std::fs::rename(&part, &request.path).map_err(|error| error.to_string()));
    if outcome.is_err() {
        drop(std::fs::remove_file(&part));
    }
    outcome
}

fn hand_over(
    save: &dyn Fn(&Request) -> Result<(), String>,
    inputs: Vec<PathBuf>,
    calls: CallChoice,
    key_logs: Vec<PathBuf>,
    time: Option<i64>,
    program: &OsString,
) -> Result<(), String> {
    let folder = private_folder().ok_or("there is no home folder for a temporary file")?;
    let folder = folder.join("wireshark");
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    // Old ones first: whoever still looks at one has read it by now.
    for old in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
        let week = std::time::Duration::from_secs(24 * 3600);
        let age = old
            .metadata()
            .and_then(|m| m.modified())
            .ok()
            .and_then(|t| t.elapsed().ok());
        if age.is_some_and(|age| age > week) {
            drop(std::fs::remove_file(old.path()));
        }
    }
    let names: Vec<String> = match &calls {
        CallChoice::Numbers(calls) => calls.iter().take(4).map(|c| c.get().to_string()).collect(),
        CallChoice::CallIds(_) => vec!["live".to_owned()],
    };
    let name = format!("calls-{}-{}.pcapng", names.join("-"), std::process::id());
    let path = folder.join(name);
    let request = Request {
        saving: Saving::Calls,
        path: path.clone(),
        inputs,
        calls,
        expression: None,
        key_logs,
        // For the same eyes, in a private file that goes again.
        keep_secrets: true,
    };
    save(&request)?;
    let mut command = Command::new(program);
    command.arg("-r").arg(&path);
    if let Some(number) = time.and_then(|time| packet_at(&path, time)) {
        command.arg("-g").arg(number.to_string());
    }
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match child {
        Ok(mut child) => {
            // Somebody has to take note of its end, and takes the file away then.
            drop(
                std::thread::Builder::new()
                    .name("wireshark end".to_owned())
                    .spawn(move || {
                        drop(child.wait());
                        drop(std::fs::remove_file(path));
                    }),
            );
            Ok(())
        }
        Err(error) => {
            drop(std::fs::remove_file(&path));
            Err(match error.kind() {
                std::io::ErrorKind::NotFound => {
                    format!("there is no program “{}” here", program.to_string_lossy())
                }
                _ => error.to_string(),
            })
        }
    }
}

/// The number of the first packet of that time.
fn packet_at(path: &Path, time: i64) -> Option<u32> {
    let mut file = CaptureFile::open(path, &OpenOptions::default()).ok()?;
    let mut chunk = Chunk::default();
    while file.next_chunk_into(CHUNK, &mut chunk) {
        let found = chunk.frames.iter().find(|frame| frame.time == time);
        if let Some(frame) = found {
            return Some(frame.number);
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_asked_in_its_own_words() {
        let request = Request {
            saving: Saving::Csv,
            path: "out.csv".into(),
            inputs: vec!["-odd.pcap".into()],
            calls: CallChoice::Numbers(vec![CallId::at(0), CallId::at(2)]),
            expression: Some("status >= 400".to_owned()),
            key_logs: vec!["a.keys".into()],
            keep_secrets: false,
        };
        let words: Vec<String> = request
            .arguments()
            .into_iter()
            .map(|arg| arg.to_string_lossy().into_owned())
            .collect();
        let expected = "messages --format csv --call 1,3 --filter status >= 400 --keylog a.keys --quiet -o out.csv -- -odd.pcap";
        assert_eq!(words.join(" "), expected);

        let live = CallChoice::CallIds(vec!["a@b".to_owned(), "odd\"\\x".to_owned()]);
        let expression = live.expression(Some("status >= 400")).unwrap();
        let expected = r#"(call_id == "a@b" or call_id == "odd\"\\x") and (status >= 400)"#;
        assert_eq!(expression, expected);
        assert!(crate::index::filter::Filter::parse(&expression).is_ok());
        assert_eq!(CallChoice::CallIds(Vec::new()).expression(None), None);
    }
}
