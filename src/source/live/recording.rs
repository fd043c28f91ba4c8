//! Drives `sipscope-capture`. Linux only.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    net::{SocketAddr, UdpSocket},
    os::fd::{AsFd, OwnedFd},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
    },
};

use super::{Counts, Event, LiveError, LiveSource, Options, PROGRAM, Target};

/// Longest message of the program.
const MESSAGE_OCTETS: usize = 4096;

/// A running capture of one interface.
pub struct Recording {
    options: Options,
    child: Child,
    socket: OwnedFd,
    target: Target,
    counts: Counts,
    /// The interface was up when it was looked at last.
    up: Option<bool>,
    /// Counts that came.
    looks: u32,
    over: bool,
}

/// How often the interface is looked at: counts come four times a second.
const COUNTS_PER_LOOK: u32 = 4;

impl Recording {
    /// Starts the program. Whether it may capture is told by the first event; only then is a
    /// file made or an old one overwritten.
    ///
    /// # Errors
    /// When the program is not there or cannot be started.
    pub fn start(options: Options, target: Target) -> Result<Self, LiveError> {
        let path = program().ok_or(LiveError::NoProgram)?;
        let failed = |source| LiveError::Start {
            source,
            path: path.clone(),
        };
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(|e| failed(e.into()))?;
        let mut command = Command::new(&path);
        command.arg("--interface").arg(&options.interface);
        if !options.filter.is_empty() {
            command.arg("--filter").arg(&options.filter);
        }
        if let Some(packets) = options.packets {
            command.arg("--packets").arg(packets.to_string());
        }
        if let Some(octets) = options.snap_octets {
            command.arg("--snap-octets").arg(octets.to_string());
        }
        if let Some(mebibytes) = options.buffer_mebibytes {
            command.arg("--buffer-mib").arg(mebibytes.to_string());
        }
        if let Some(ring) = target.ring() {
            command.arg("--file-octets").arg(ring.octets.to_string());
        }
        if !options.promiscuous {
            command.arg("--no-promiscuous");
        }
        // In a group of its own: a key that interrupts us must not end it before its file is whole.
        command
            .env_clear()
            .process_group(0)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null());
        let child = command.spawn().map_err(failed)?;
        drop(command);
        Ok(Self {
            options,
            child,
            socket: ours,
            target,
            counts: Counts::default(),
            up: None,
            looks: 0,
            over: false,
        })
    }

    /// Process number of the program, for tests and for people who look.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    fn understand(&mut self, text: &str) -> Option<Event> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        Some(match word {
            "ready" => match self.hand_over_ahead() {
                Ok(()) => Event::Ready,
                Err(error) => {
                    self.stop();
                    self.end(|_| Event::Failed(error))
                }
            },
            "stats" => {
                let mut numbers = rest.split(' ').map(|n| n.parse().unwrap_or(0));
                let mut next = || numbers.next().unwrap_or(0);
                self.counts = Counts {
                    packets: next(),
                    octets: next(),
                    received: next(),
                    dropped_by_kernel: next(),
                    dropped_by_interface: next(),
                    ..Counts::default()
                };
                self.looks = self.looks.wrapping_add(1);
                match self.looks.is_multiple_of(COUNTS_PER_LOOK) {
                    true => self.look_at_link().unwrap_or(Event::Counted),
                    false => Event::Counted,
                }
            }
            "next" => {
                let begun = self.target.go_on();
                // Without another file it goes on with the one it has, and says so.
                let _ = self.hand_over_ahead();
                Event::File(begun)
            }
            "last" => Event::RingStuck,
            "ended" => self.end(|_| Event::Ended),
            "failed" => {
                let (code, why) = rest.split_once(' ').unwrap_or((rest, ""));
                let (code, why) = (code.to_owned(), why.to_owned());
                self.end(|recording| Event::Failed(recording.failure(&code, why)))
            }
            _ => return None,
        })
    }

    fn failure(&self, code: &str, why: String) -> LiveError {
        let interface = self.options.interface.clone();
        match code {
            "rights" => LiveError::NotPermitted { interface, why },
            "filter" => LiveError::Filter { why },
            "disk" => LiveError::Output {
                path: self.path(),
                why,
            },
            "sandbox" => LiveError::Sandbox { why },
            // The words of libpcap for it.
            "interface" if why.contains("disappeared") => LiveError::Gone { interface },
            _ => LiveError::Interface { interface, why },
        }
    }

    /// An interface that is down brings no packets, but the capture goes on when it is up again.
    fn look_at_link(&mut self) -> Option<Event> {
        let name = &self.options.interface;
        let up = super::interfaces::is_up(name)?;
        if self.up.replace(up).is_none_or(|before| before == up) {
            return None;
        }
        Some(Event::Told(match up {
            true => format!("the interface {name} is up again"),
            false => {
                format!("the interface {name} is down: the capture goes on when it is up again")
            }
        }))
    }

    fn end(&mut self, event: impl FnOnce(&mut Self) -> Event) -> Event {
        let event = event(self);
        self.over = true;
        // It has said its last word, so this does not take long.
        let _ = self.child.wait();
        self.target.clean_up();
        event
    }

    fn hand_over_ahead(&mut self) -> Result<(), LiveError> {
        while let Some(file) = self.target.open_next()? {
            self.send(b"file", Some(&file))
                .map_err(|error| LiveError::Output {
                    path: self.target.current().to_path_buf(),
                    why: error.to_string(),
                })?;
        }
        Ok(())
    }

    fn send(&self, text: &[u8], file: Option<&File>) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let files = file.map(|file| [file.as_fd()]);
        if let Some(files) = &files {
            control.push(SendAncillaryMessage::ScmRights(files));
        }
        let flags = SendFlags::NOSIGNAL;
        sendmsg(&self.socket, &[IoSlice::new(text)], &mut control, flags)?;
        Ok(())
    }
}

impl LiveSource for Recording {
    fn name(&self) -> &str {
        &self.options.interface
    }

    fn counts(&self) -> Counts {
        self.counts
    }

    fn path(&self) -> PathBuf {
        self.target.current().to_path_buf()
    }

    fn next_file(&mut self) -> Option<(PathBuf, File)> {
        self.target.reader()
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn stop(&self) {
        // A program that is gone has ended already.
        let _ = self.send(b"stop", None);
    }

    fn mark(&self, text: &str) {
        let mut message = format!("mark {}", text.replace(['\n', '\r'], " "));
        while message.len() > MESSAGE_OCTETS {
            message.pop();
        }
        let _ = self.send(message.as_bytes(), None);
    }

    fn next_event(&mut self, patience: Duration) -> Option<Event> {
        if self.over {
            return None;
        }
        let mut descriptors = [PollFd::new(&self.socket, PollFlags::IN)];
        let time = Timespec {
            tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: patience.subsec_nanos().into(),
        };
        match poll(&mut descriptors, Some(&time)) {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
        let mut text = [0; MESSAGE_OCTETS];
        let mut space: [MaybeUninit<u8>; 0] = [];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut text)];
        let mut receive = || recvmsg(&self.socket, &mut parts, &mut control, RecvFlags::DONTWAIT);
        let received = match receive() {
            // It left without reading what we sent; its last words come behind this error.
            Err(Errno::CONNRESET) => receive(),
            other => other,
        };
        let length = match received {
            Ok(message) => message.bytes.min(MESSAGE_OCTETS),
            Err(Errno::AGAIN | Errno::INTR) => return None,
            Err(_) => 0,
        };
        let text = String::from_utf8_lossy(text.get(..length).unwrap_or_default()).into_owned();
        if text.is_empty() {
            return Some(self.end(|recording| {
                let why = match recording.child.wait() {
                    Ok(status) => status.to_string(),
                    Err(error) => error.to_string(),
                };
                Event::Failed(LiveError::Died { why })
            }));
        }
        self.understand(&text)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if !self.over {
            // It ends its file when the socket closes; nobody has to wait for that, but a process
            // that nobody waits for stays in the table, so this one is asked and waited for.
            self.stop();
            let _ = self.child.wait();
            self.target.clean_up();
        }
    }
}

/// Where the program that captures is: as `SIPSCOPE_CAPTURE` says, else beside this program, else
/// where packages put it.
pub fn program() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("SIPSCOPE_CAPTURE").filter(|v| !v.is_empty()) {
        return Some(PathBuf::from(path));
    }
    let beside = std::env::current_exe().ok();
    let beside = beside.as_deref().and_then(Path::parent);
    let folders = beside.into_iter().chain(
        [
            "/usr/libexec/sipscope",
            "/usr/lib/sipscope",
            "/usr/local/bin",
            "/usr/bin",
        ]
        .map(Path::new),
    );
    folders
        .map(|folder| folder.join(PROGRAM))
        .find(|path| path.is_file())
}

/// The one command that lets every user who may start the program capture with it.
pub fn permit_command() -> Option<String> {
    let path = program()?;
    let path = path.canonicalize().unwrap_or(path);
    let quoted: OsString = path.into();
    let quoted = quoted.to_string_lossy().replace('\'', "'\\''");
    Some(format!("sudo setcap cap_net_raw=ep '{quoted}'"))
}

/// Lets two files change their names, in one step.
///
/// # Errors
/// One of them is not there, or the file system cannot do it.
pub fn change_places(one: &Path, other: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    Ok(renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE)?)
}

/// Octets that an ordinary user may still write beside a file.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let file = File::open(path).ok()?;
    let system = rustix::fs::fstatvfs(file).ok()?;
    Some(system.f_bavail.saturating_mul(system.f_frsize))
}

/// Whether this process has the rights of root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Understands a capture filter for a link type (LINKTYPE_ value) without any right.
///
/// # Errors
/// The words of libpcap, or why it could not be asked.
pub fn check_filter(filter: &str, link_type: u16) -> Result<(), LiveError> {
    let path = program().ok_or(LiveError::NoProgram)?;
    let mut command = Command::new(&path);
    command
        .args(["--check-filter", filter, "--link-type"])
        .arg(link_type.to_string())
        .env_clear()
        .stdin(Stdio::null());
    let output = command.output().map_err(|source| LiveError::Start {
        source,
        path: path.clone(),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(LiveError::Filter { why })
}

/// Lets the system keep more datagrams until they are taken, as many as this user may ask for.
pub(in crate::source) fn widen(socket: &UdpSocket, octets: usize) {
    // With less room there are more drops, and they are counted.
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size(socket, octets);
}

/// Datagrams that the system dropped because nobody took them in time, at the socket that is bound
/// to this address.
pub(in crate::source) fn udp_drops(local: SocketAddr) -> Option<u64> {
    let (table, address) = match local {
        SocketAddr::V4(v4) => {
            // The octets of the address as a number of this machine.
            let number = u32::from_ne_bytes(v4.ip().octets());
            ("/proc/net/udp", format!("{number:08X}"))
        }
        SocketAddr::V6(v6) => {
            let octets = v6.ip().octets();
            let (words, _) = octets.as_chunks::<4>();
            let words = words.iter().map(|word| u32::from_ne_bytes(*word));
            (
                "/proc/net/udp6",
                words.map(|word| format!("{word:08X}")).collect(),
            )
        }
    };
    let wanted = format!("{address}:{:04X}", local.port());
    let text = std::fs::read_to_string(table).ok()?;
    let line = text
        .lines()
        .find(|line| line.split_ascii_whitespace().nth(1) == Some(wanted.as_str()))?;
    line.split_ascii_whitespace().last()?.parse().ok()
}
