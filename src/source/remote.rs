//! Another machine as a live source: `tcpdump` there, by way of `ssh`.
//!
//! What comes is turned into pcapng on the way, so that it can carry marks and survives like any
//! other capture. The connection that brings the packets is kept out of them by its two ports. The
//! far end watches its standard input: when that ends, because somebody stops here or the line is
//! cut, `tcpdump` ends too and tells its counters.

use std::{
    io::{self, BufRead as _, BufReader, Read},
    process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Sender},
    },
    thread,
    time::Duration,
};

use super::MAX_PACKET_BYTES;
use super::live::{Clock, Event, Head, LiveError, PacketFile, Shared, Target, Worker};

/// The far end gets this long to end by itself.
const ENDING: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_millis(50);
/// What is still said behind the end of the packets comes within this time.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Lines kept of what the programs say.
const LINES: usize = 12;
/// Octets of such a line.
const LINE_OCTETS: u64 = 500;

/// What to capture where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemoteOptions {
    /// The machine, as `ssh` takes it.
    pub host: String,
    /// Its interface.
    pub interface: String,
    /// Capture filter; empty for everything.
    pub filter: String,
    /// Stop after so many packets.
    pub packets: Option<u64>,
    /// Octets kept of each packet.
    pub snap_octets: Option<u32>,
    /// Take packets meant for others as well.
    pub promiscuous: bool,
    /// `tcpdump` needs `sudo` there, without a password.
    pub sudo: bool,
    /// Nobody sits at a terminal who could type a password.
    pub unattended: bool,
}

/// Starts `ssh`. Whether the other machine captures is told by the first event; only then is a
/// file made.
///
/// # Errors
/// When `ssh` cannot be started.
pub fn capture(options: RemoteOptions, target: Target, clock: Clock) -> Result<Worker, LiveError> {
    let host = options.host.clone();
    let failed = |why: String| LiveError::Remote {
        host: host.clone(),
        why,
    };
    // What begins like an option would be one.
    if options.host.is_empty() || options.host.starts_with('-') {
        return Err(failed("this is no name of a machine".to_owned()));
    }
    let mut child = ssh(&options)
        .spawn()
        .map_err(|error| failed(format!("ssh could not be started: {error}")))?;
    let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(failed("ssh has no output".to_owned()));
    };
    let shared: Arc<Shared> = Arc::default();
    let (events, told) = mpsc::channel();
    let name = format!("{} of {}", options.interface, options.host);
    let far = Far {
        options,
        name: name.clone(),
        target: Some(target),
        clock,
        shared: Arc::clone(&shared),
        events,
        said: Arc::default(),
    };
    let said = Arc::clone(&far.said);
    let start = |name: &str, job: Box<dyn FnOnce() + Send>| {
        let started = thread::Builder::new().name(name.to_owned()).spawn(job);
        started.map_err(|error| failed(error.to_string()))
    };
    let (end, ended) = mpsc::channel::<()>();
    start(
        "ssh errors",
        Box::new(move || {
            said.listen(err);
            drop(end);
        }),
    )?;
    // A connection that ssh keeps for later may hold the pipe open for hours.
    let all_said = move || {
        let _ = ended.recv_timeout(LAST_WORDS);
    };
    start("ssh", Box::new(move || far.run(child, out, all_said)))?;
    Ok(Worker::new(name, told, shared))
}

/// `ssh` with its arguments.
fn ssh(options: &RemoteOptions) -> Command {
    // A key that interrupts us must not cut the line before the far end has told its counters.
    #[cfg(unix)]
    let mut command = {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' INT HUP; exec ssh \"$@\"", "ssh"]);
        command
    };
    #[cfg(not(unix))]
    let mut command = Command::new("ssh");
    // No terminal there: it would change octets. A dead line is noticed within a minute.
    command.args([
        "-T",
        "-o",
        "ServerAliveInterval=15",
        "-o",
        "ServerAliveCountMax=3",
    ]);
    if options.unattended {
        if std::env::var_os("SSH_ASKPASS").is_some() {
            command.env("SSH_ASKPASS_REQUIRE", "force");
        } else {
            command.args(["-o", "BatchMode=yes"]);
        }
    }
    command
        .arg("--")
        .arg(&options.host)
        .arg(far_command(options))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What the other machine is asked to do, for whatever shell the user has there.
pub(super) fn far_command(options: &RemoteOptions) -> String {
    let mut tcpdump = String::from("tcpdump -U -n -w -");
    let snap = options.snap_octets.unwrap_or(262_144);
    tcpdump.push_str(&format!(" -s {snap} -i {}", quoted(&options.interface)));
    if !options.promiscuous {
        tcpdump.push_str(" -p");
    }
    if let Some(packets) = options.packets {
        tcpdump.push_str(&format!(" -c {packets}"));
    }
    let (sudo, kill) = if options.sudo {
        ("sudo -n ", "sudo -n kill -TERM $$")
    } else {
        ("", "kill -TERM $$")
    };
    // The exclusion stands first: behind `vlan` all offsets are others.
    let filter = match options.filter.as_str() {
        "" => String::new(),
        filter => format!("\" and (\"{}\")\"", quoted(filter)),
    };
    let script = format!(
        "set -- $SSH_CONNECTION\n\
         own=\"not tcp port 22\"\n\
         [ -z \"$4\" ] || own=\"not (tcp port $2 and tcp port $4)\"\n\
         exec 3<&0\n\
         (cat <&3; {kill}) >/dev/null 2>&1 &\n\
         exec 3<&- </dev/null\n\
         exec {sudo}{tcpdump} \"$own\"{filter}\n"
    );
    format!("exec sh -c {}", quoted(&script))
}

/// Quoted for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// What the programs said on standard error.
#[derive(Default)]
struct Said {
    lines: Mutex<Vec<String>>,
}

impl Said {
    fn listen(&self, err: ChildStderr) {
        let mut reader = BufReader::new(err);
        let mut line = Vec::new();
        loop {
            line.clear();
            // A line without an end comes in parts.
            let read = reader
                .by_ref()
                .take(LINE_OCTETS)
                .read_until(b'\n', &mut line);
            if read.map_or(true, |n| n == 0) {
                return;
            }
            let text = String::from_utf8_lossy(&line);
            let text: String = text.trim().chars().filter(|c| !c.is_control()).collect();
            let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
            if lines.len() >= LINES {
                lines.remove(0);
            }
            lines.push(text);
        }
    }

    fn lines(&self) -> Vec<String> {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.clone()
    }

    /// A counter that tcpdump tells at its end, such as `3 packets dropped by kernel`.
    fn counter(&self, words: &str) -> u64 {
        let lines = self.lines();
        let number = |line: &String| {
            let number = line.strip_suffix(words)?.trim();
            number.split(' ').next()?.parse().ok()
        };
        lines.iter().rev().find_map(number).unwrap_or(0)
    }

    /// The errors among it, for people.
    fn words(&self) -> Option<String> {
        let usual = [
            "listening on ",
            "data link type ",
            " captured",
            " received by filter",
            " dropped by kernel",
            " dropped by interface",
        ];
        let odd = |line: &String| !line.is_empty() && !usual.iter().any(|u| line.contains(u));
        let lines: Vec<String> = self.lines().into_iter().filter(odd).collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    }
}

/// The other machine.
struct Far {
    options: RemoteOptions,
    name: String,
    target: Option<Target>,
    clock: Clock,
    shared: Arc<Shared>,
    events: Sender<Event>,
    said: Arc<Said>,
}

impl Far {
    fn run(mut self, child: Child, out: ChildStdout, all_said: impl FnOnce()) {
        let child = Arc::new(Mutex::new(child));
        let over = Arc::new(Mutex::new(false));
        let minder = {
            let (child, over) = (Arc::clone(&child), Arc::clone(&over));
            let shared = Arc::clone(&self.shared);
            thread::Builder::new()
                .name("ssh minder".to_owned())
                .spawn(move || mind(&shared, &child, &over))
        };
        let mut file = None;
        let taken = self.take(out, &mut file);
        let asked = self.shared.is_stopped();
        if taken.is_err() {
            // Nothing more is wanted of it.
            let _ = child.lock().unwrap_or_else(PoisonError::into_inner).kill();
        }
        self.shared.stop();
        let status = wait_for(&child);
        *over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        if let Ok(minder) = minder {
            let _ = minder.join();
        }
        all_said();
        let mut outcome = taken;
        if let Some(mut file) = file {
            file.counts.received = self.said.counter("received by filter");
            file.counts.received = file.counts.received.max(file.counts.packets);
            file.counts.dropped_by_kernel = self.said.counter("dropped by kernel");
            file.counts.dropped_by_interface = self.said.counter("dropped by interface");
            let closed = file.close("");
            file.tell_counts();
            outcome = outcome.and(closed.map(|()| true));
        }
        let good = status.as_ref().is_ok_and(ExitStatus::success);
        let last = match outcome {
            Err(error) => Event::Failed(error),
            Ok(true) if asked || good => Event::Ended,
            Ok(began) => {
                let why = self.said.words().unwrap_or_else(|| match status {
                    Ok(status) if began => format!("the line is cut ({status})"),
                    Ok(status) => format!("nothing came ({status})"),
                    Err(error) => error.to_string(),
                });
                let host = self.options.host.clone();
                Event::Failed(LiveError::Remote { host, why })
            }
        };
        // Nobody listens when the capture was closed.
        let _ = self.events.send(last);
    }

    /// Takes in what comes; true when a capture began.
    fn take(
        &mut self,
        mut out: ChildStdout,
        file: &mut Option<PacketFile>,
    ) -> Result<bool, LiveError> {
        let mut part = vec![0; 64 << 10];
        let mut waiting: Vec<u8> = Vec::new();
        let mut form = None;
        loop {
            let length = match out.read(&mut part) {
                Ok(0) => return Ok(form.is_some()),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Ok(form.is_some()),
            };
            waiting.extend_from_slice(part.get(..length).unwrap_or_default());
            let mut rest = waiting.as_slice();
            if form.is_none() {
                let Some((head, behind)) = rest.split_first_chunk::<24>() else {
                    continue;
                };
                let found = Form::of(head).ok_or_else(|| self.no_capture(&waiting))?;
                let Some(target) = self.target.take() else {
                    return Ok(false);
                };
                let head = Head {
                    name: self.name.clone(),
                    description: "tcpdump by way of ssh".to_owned(),
                    link_type: found.link_type,
                    filter: self.options.filter.clone(),
                };
                let (shared, events) = (Arc::clone(&self.shared), self.events.clone());
                *file = Some(PacketFile::begin(
                    target, &head, self.clock, shared, events,
                )?);
                let _ = self.events.send(Event::Ready);
                form = Some(found);
                rest = behind;
            }
            let (Some(form), Some(file)) = (&form, &mut *file) else {
                continue;
            };
            while let Some((head, behind)) = rest.split_first_chunk::<16>() {
                let record = form.record(head);
                if record.captured > MAX_PACKET_BYTES {
                    let why = "its capture makes no sense any more (a packet too long)";
                    return Err(self.failure(why.to_owned()));
                }
                let Some((data, behind)) = behind.split_at_checked(record.captured as usize) else {
                    break;
                };
                file.packet(record.time, record.original, &[data]);
                rest = behind;
            }
            waiting = rest.to_vec();
            let counts = file.counts;
            file.counts.received = counts.packets;
            file.tick(length < part.len())?;
            let _ = self.events.send(Event::Counted);
        }
    }

    fn failure(&self, why: String) -> LiveError {
        let host = self.options.host.clone();
        LiveError::Remote { host, why }
    }

    /// Something else than a capture came, such as a greeting.
    fn no_capture(&self, data: &[u8]) -> LiveError {
        let text = String::from_utf8_lossy(data.get(..200).unwrap_or(data));
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        self.failure(format!("it sent no capture but: {text}"))
    }
}

/// Waits without keeping others from the process.
fn wait_for(child: &Mutex<Child>) -> io::Result<ExitStatus> {
    loop {
        let looked = child
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .try_wait()?;
        if let Some(status) = looked {
            return Ok(status);
        }
        thread::sleep(PATIENCE / 5);
    }
}

/// Ends the far end when that is wished, and `ssh` when that does not help.
fn mind(shared: &Shared, child: &Mutex<Child>, over: &Mutex<bool>) {
    let is_over = || *over.lock().unwrap_or_else(PoisonError::into_inner);
    let child = || child.lock().unwrap_or_else(PoisonError::into_inner);
    while !shared.is_stopped() {
        thread::sleep(PATIENCE);
    }
    // The end of its standard input.
    drop(child().stdin.take());
    let mut waited = Duration::ZERO;
    while !is_over() {
        if waited >= ENDING {
            // Already gone, if it fails.
            let _ = child().kill();
            return;
        }
        thread::sleep(PATIENCE);
        waited += PATIENCE;
    }
}

/// How the numbers of a pcap are written.
struct Form {
    big: bool,
    nanos: bool,
    link_type: u16,
}

struct Record {
    time: u64,
    captured: u32,
    original: u32,
}

impl Form {
    fn of(head: &[u8; 24]) -> Option<Self> {
        let [a, b, c, d, .., e, f, g, h] = *head;
        let (big, nanos) = match [a, b, c, d] {
            [0xd4, 0xc3, 0xb2, 0xa1] => (false, false),
            [0x4d, 0x3c, 0xb2, 0xa1] => (false, true),
            [0xa1, 0xb2, 0xc3, 0xd4] => (true, false),
            [0xa1, 0xb2, 0x3c, 0x4d] => (true, true),
            _ => return None,
        };
        let mut form = Self {
            big,
            nanos,
            link_type: 0,
        };
        // The upper half says how long a checksum of the link is.
        form.link_type = form.number([e, f, g, h]) as u16;
        Some(form)
    }

    fn number(&self, octets: [u8; 4]) -> u32 {
        if self.big {
            u32::from_be_bytes(octets)
        } else {
            u32::from_le_bytes(octets)
        }
    }

    fn record(&self, head: &[u8; 16]) -> Record {
        let (words, _) = head.as_chunks::<4>();
        let mut numbers = words.iter().map(|word| self.number(*word));
        let mut next = || numbers.next().unwrap_or(0);
        let (seconds, part, captured, original) = (next(), next(), next(), next());
        let part = u64::from(part) * if self.nanos { 1 } else { 1000 };
        Record {
            time: u64::from(seconds) * 1_000_000_000 + part,
            captured,
            original,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn whatever_stands_in_a_filter_stays_in_it() {
        let options = RemoteOptions {
            filter: "host 'a' or \"b\"; $(rm -rf /) `x`".to_owned(),
            interface: "eth0; reboot".to_owned(),
            ..RemoteOptions::default()
        };
        // The far end with a tcpdump that writes its arguments.
        let script = format!("tcpdump() {{ printf '<%s>' \"$@\"; }}\n{}", {
            let whole = far_command(&options);
            let inner = whole.strip_prefix("exec sh -c ").unwrap();
            format!("eval {}", inner.replace("exec tcpdump", "tcpdump"))
        });
        let mut far = Command::new("sh")
            .args(["-c", &script])
            .env("SSH_CONNECTION", "192.0.2.9 40000 192.0.2.1 2222")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // At the end of its input the far end is killed, maybe before it has written.
        let open = far.stdin.take();
        let output = far.wait_with_output().unwrap();
        drop(open);
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "<-U><-n><-w><-><-s><262144><-i><eth0; reboot><-p>\
             <not (tcp port 40000 and tcp port 2222) and (host 'a' or \"b\"; $(rm -rf /) `x`)>"
        );
    }
}
