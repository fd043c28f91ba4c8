//! Captures packets of one interface into files that its parent opened: libpcap in, pcapng out.
//!
//! The only program of Sipscope that may hold the right to capture, so it does nothing else: it
//! decodes no packet, opens no output, reads no configuration. Once the interface is open and the
//! filter is set, it drops every capability and denies itself all system calls but the few that
//! are needed; only then does it take the first packet.
//!
//! Standard input is a socket (`SOCK_SEQPACKET`) to the parent, each message a line of text:
//!
//! | To this program | Meaning |
//! |---|---|
//! | `file` + descriptor | a file to write when the one before is full |
//! | `mark TEXT` | comment on the next packet |
//! | `stop`, or the end of the socket | end the file properly and leave |
//!
//! | From it | Meaning |
//! |---|---|
//! | `ready LINK_TYPE` | filter set, rights dropped |
//! | `stats PACKETS OCTETS RECEIVED KERNEL INTERFACE` | written; seen by the filter; dropped by kernel and interface |
//! | `next` | a new file was begun |
//! | `last` | it should have been, but there is none: the old one goes on |
//! | `ended WHY` | the file is complete: `stop` `parent` `packets` |
//! | `failed CODE TEXT` | `rights` `interface` `filter` `disk` `sandbox` |
#![forbid(unsafe_code)]

use std::{
    collections::{BTreeMap, VecDeque},
    error::Error,
    fmt::Display,
    fs::File,
    io::{self, IoSliceMut, Write as _},
    mem::MaybeUninit,
    os::{fd::AsFd, fd::OwnedFd, unix::fs::FileExt as _},
    process::ExitCode,
    sync::mpsc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use pcap::{Active, Capture, Linktype, Precision};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, recvmsg, send},
    stdio::stdin,
    thread::{CapabilitySet, CapabilitySets},
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

// The same file as in the library, which this program does not link: it stays small enough to be read.
#[path = "../source/pcapng_block.rs"]
mod pcapng_block;

const USAGE: &str = "usage: sipscope-capture --interface NAME [--filter TEXT] [--snap-octets N]
           [--buffer-mib N] [--file-octets N] [--packets N] [--no-promiscuous]
       sipscope-capture --check-filter TEXT [--link-type N]
The first form is started by sipscope, with a socket as standard input.";

/// Packets taken before the socket and the clock are looked at again.
const BATCH: usize = 1024;
/// Octets gathered before they are written.
const BUFFER: usize = 256 << 10;
/// The kernel hands over a block of packets at the latest after this time.
const RETIRE_MS: i32 = 50;
/// What was read is written at the latest after this time …
const WRITE_AFTER: Duration = Duration::from_millis(50);
/// … and is on the disk at the latest after this one, or after so many octets.
const SYNC_AFTER: Duration = Duration::from_secs(1);
const SYNC_OCTETS: u64 = 4 << 20;
/// A wish to end waits this long for packets that the kernel still holds.
const LAST_PACKETS: Duration = Duration::from_millis(RETIRE_MS as u64 + 10);
/// How long the loop sleeps when nothing happens; counts are told as often.
const IDLE: Duration = Duration::from_millis(250);
/// Longest message of the parent: a comment.
const MESSAGE_OCTETS: usize = pcapng_block::OPTION_OCTETS;
/// Most files that wait to be written.
const FILES_AHEAD: usize = 4;
/// Counters of the kernel for packets that the interface lost.
const LOST: [&str; 2] = ["rx_missed_errors", "rx_fifo_errors"];

struct Options {
    interface: String,
    filter: String,
    snap_octets: u32,
    buffer_mib: u32,
    file_octets: u64,
    packets: u64,
    promiscuous: bool,
    check: Option<String>,
    link_type: i32,
}

fn main() -> ExitCode {
    let failure = |why: &str| {
        eprintln!("{why}");
        ExitCode::FAILURE
    };
    let options = match arguments(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(why) => return failure(&format!("sipscope-capture: {why}\n{USAGE}")),
    };
    if let Some(filter) = &options.check {
        let checked = check_filter(filter, options.link_type);
        return checked.map_or_else(|why| failure(&why), |()| ExitCode::SUCCESS);
    }
    let ended = capture(&options).map(|why| format!("ended {why}"));
    let code = ExitCode::from(u8::from(ended.is_err()));
    tell(&ended.unwrap_or_else(|why| why));
    code
}

fn arguments(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        interface: String::new(),
        filter: String::new(),
        snap_octets: 262_144,
        buffer_mib: 64,
        file_octets: u64::MAX,
        packets: u64::MAX,
        promiscuous: true,
        check: None,
        link_type: 1,
    };
    while let Some(name) = args.next() {
        if name == "--no-promiscuous" {
            options.promiscuous = false;
            continue;
        }
        let value = args.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = |least: u64, most: u64| match value.parse::<u64>() {
            Ok(n) if (least..=most).contains(&n) => Ok(n),
            _ => Err(format!("{name} takes a number from {least} to {most}")),
        };
        match name.as_str() {
            "--interface" => options.interface = value,
            "--filter" => options.filter = value,
            "--snap-octets" => options.snap_octets = number(64, 262_144)? as u32,
            "--buffer-mib" => options.buffer_mib = number(1, 1024)? as u32,
            "--file-octets" => options.file_octets = number(1 << 10, u64::MAX)?,
            "--packets" => options.packets = number(1, u64::MAX)?,
            "--check-filter" => options.check = Some(value),
            "--link-type" => options.link_type = number(0, 65_535)? as i32,
            _ => return Err(format!("unknown argument {name}")),
        }
    }
    // The name becomes part of a path below /sys.
    let name = &options.interface;
    let odd = |c: char| c == '/' || c.is_whitespace() || c.is_control();
    let sound = (1..64).contains(&name.len()) && !name.starts_with('.') && !name.contains(odd);
    if options.check.is_none() && !sound {
        return Err("--interface needs the name of an interface".into());
    }
    Ok(options)
}

/// Understands a filter without opening anything, so without any right.
fn check_filter(filter: &str, link_type: i32) -> Result<(), String> {
    let link_type = if link_type == 101 { 12 } else { link_type };
    let dead = Capture::dead(Linktype(link_type)).map_err(plain)?;
    dead.compile(filter, true).map(drop).map_err(plain)
}

/// The last message, for each kind of failure.
fn failed<E: Display>(code: &'static str) -> impl Fn(E) -> String {
    move |why| format!("failed {code} {why}")
}

/// The words of libpcap without ours around them.
fn plain(error: pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(text) => text,
        other => other.to_string(),
    }
}

/// A message to the parent; false when it cannot take it now: nobody waits for it.
fn tell(text: &str) -> bool {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    !matches!(send(stdin(), text.as_bytes(), flags), Err(Errno::AGAIN))
}

fn capture(options: &Options) -> Result<&'static str, String> {
    let mut source = Source::open(options)?;
    // A thread of its own: writing back to the disk may take long and must not hold up the packets.
    drop_capabilities().map_err(failed("sandbox"))?;
    let syncer = start_syncer().map_err(failed("sandbox"))?;
    deny_system_calls().map_err(failed("sandbox"))?;
    // The one DLT_ value of Linux that differs from LINKTYPE_: raw IP.
    let link_type = source.capture.get_datalink().0;
    let link_type = if link_type == 12 { 101 } else { link_type };
    tell(&format!("ready {link_type}"));
    let mut parent = Parent::default();
    let head = pcapng_block::Head {
        application: concat!("sipscope-capture ", env!("CARGO_PKG_VERSION")),
        name: &options.interface,
        description: "",
        link_type: link_type as u16,
        snap_octets: options.snap_octets,
        filter: &options.filter,
    };
    let mut writer = Writer::new(head.octets(), options.file_octets, syncer);
    let ended = run(options, &mut source, &mut parent, &mut writer);
    source.tell_counts(&mut writer);
    let closed = writer.close(parent.marks.pop_front().as_deref());
    // A full disk has no room for the last statistics either: the first failure counts.
    ended.and_then(|why| closed.map_err(failed("disk")).map(|()| why))
}

/// Takes packets until somebody or something ends it.
fn run(
    options: &Options,
    source: &mut Source,
    parent: &mut Parent,
    writer: &mut Writer,
) -> Result<&'static str, String> {
    let (mut told, mut noted, mut noted_at) = (Instant::now(), 0, Instant::now());
    loop {
        parent.listen(writer);
        if writer.file.is_none() && !writer.begin().map_err(failed("disk"))? {
            if let Some((why, _)) = parent.ending {
                return Ok(why);
            }
            // Nothing to write into yet: the packets wait in the ring of the kernel.
            wait(&source.capture, false, true, IDLE);
            continue;
        }
        let mut empty = false;
        for _ in 0..BATCH {
            match source.capture.next_packet() {
                Ok(packet) => writer.packet(&packet, parent.marks.pop_front()),
                Err(pcap::Error::TimeoutExpired) => {
                    empty = true;
                    break;
                }
                Err(error) => return Err(failed("interface")(plain(error))),
            }
            if writer.counts.written >= options.packets {
                return Ok("packets");
            }
        }
        let now = Instant::now();
        writer.tick(now, empty, parent).map_err(failed("disk"))?;
        if now.duration_since(told) >= IDLE {
            told = now;
            source.tell_counts(writer);
            if now.duration_since(noted_at) >= SYNC_AFTER && writer.counts.received != noted {
                (noted, noted_at) = (writer.counts.received, now);
                writer.statistics(None);
            }
        }
        // The kernel may hold packets from before the wish to end for one interval more.
        if let Some((why, since)) = parent.ending
            && now.duration_since(since) > if empty { LAST_PACKETS } else { SYNC_AFTER }
        {
            return Ok(why);
        }
        if empty {
            let ending = parent.ending.is_some();
            let busy = ending || writer.unsynced > 0 || !parent.unsent.is_empty();
            // A closed socket would wake it at once, again and again.
            let time = if busy { WRITE_AFTER } else { IDLE };
            wait(&source.capture, true, !ending, time);
        }
    }
}

/// Sleeps until there are packets or a message, as wanted, or the time is over.
fn wait(capture: &Capture<Active>, packets: bool, messages: bool, time: Duration) {
    let socket = stdin();
    let packets = packets.then(|| PollFd::from_borrowed_fd(capture.as_fd(), PollFlags::IN));
    let messages = messages.then(|| PollFd::new(&socket, PollFlags::IN));
    let mut descriptors: Vec<PollFd<'_>> = packets.into_iter().chain(messages).collect();
    if let Ok(time) = Timespec::try_from(time) {
        // An interrupted sleep is a short one.
        let _ = poll(&mut descriptors, Some(&time));
    }
}

/// What came over the socket.
#[derive(Default)]
struct Parent {
    marks: VecDeque<String>,
    unsent: VecDeque<&'static str>,
    /// It wants an end, and since when.
    ending: Option<(&'static str, Instant)>,
}

impl Parent {
    /// Takes all messages that are there.
    fn listen(&mut self, writer: &mut Writer) {
        while self.unsent.front().is_some_and(|text| tell(text)) {
            self.unsent.pop_front();
        }
        while self.ending.is_none() {
            let mut text = [0; MESSAGE_OCTETS];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
            let mut parts = [IoSliceMut::new(&mut text)];
            let received = recvmsg(stdin(), &mut parts, &mut control, flags);
            let length = match received {
                Ok(message) => message.bytes,
                Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => continue,
                Err(_) => 0,
            };
            let files = control.drain().filter_map(|message| match message {
                RecvAncillaryMessage::ScmRights(files) => Some(files),
                _ => None,
            });
            let room = FILES_AHEAD.saturating_sub(writer.ahead.len());
            writer.ahead.extend(files.flatten().take(room));
            let text = String::from_utf8_lossy(text.get(..length).unwrap_or_default());
            match text.split_once(' ') {
                _ if length == 0 => self.ending = Some(("parent", Instant::now())),
                _ if text == "stop" => self.ending = Some(("stop", Instant::now())),
                Some(("mark", mark)) if self.marks.len() < 64 => self.marks.push_back(mark.into()),
                _ => {}
            }
        }
    }
}

/// Writes pcapng blocks into one file after the other.
struct Writer {
    /// Section header and interface description, for each file.
    head: Vec<u8>,
    file: Option<File>,
    ahead: VecDeque<OwnedFd>,
    buffer: Vec<u8>,
    /// Octets of whole blocks in the file.
    in_file: u64,
    limit: u64,
    unsynced: u64,
    /// `last` was told.
    at_last: bool,
    written: Instant,
    synced: Instant,
    /// What was written and what was lost.
    counts: pcapng_block::Statistics,
    octets: u64,
    syncer: mpsc::SyncSender<File>,
}

impl Writer {
    fn new(head: Vec<u8>, limit: u64, syncer: mpsc::SyncSender<File>) -> Self {
        let now = Instant::now();
        Self {
            head,
            file: None,
            ahead: VecDeque::new(),
            buffer: Vec::with_capacity(2 * BUFFER),
            in_file: 0,
            limit,
            unsynced: 0,
            at_last: false,
            written: now,
            synced: now,
            counts: pcapng_block::Statistics::default(),
            octets: 0,
            syncer,
        }
    }

    /// Begins the next file; false when there is none.
    fn begin(&mut self) -> io::Result<bool> {
        let Some(descriptor) = self.ahead.pop_front() else {
            return Ok(false);
        };
        self.file = Some(File::from(descriptor));
        (self.in_file, self.at_last) = (0, false);
        self.buffer.extend_from_slice(&self.head);
        self.write().map(|()| true)
    }

    fn packet(&mut self, packet: &pcap::Packet<'_>, mark: Option<String>) {
        let (header, data) = (packet.header, packet.data);
        let time = (header.ts.tv_sec as u64).wrapping_mul(1_000_000_000);
        // With nanosecond precision the field for microseconds holds nanoseconds.
        let time = time.wrapping_add(header.ts.tv_usec as u64);
        pcapng_block::packet(&mut self.buffer, time, header.len, &[data], mark.as_deref());
        self.counts.written += 1;
        self.octets += data.len() as u64;
    }

    fn statistics(&mut self, comment: Option<&str>) {
        let time = SystemTime::now().duration_since(UNIX_EPOCH);
        let time = time.map_or(0, |t| t.as_nanos() as u64);
        self.counts.write(&mut self.buffer, time, comment);
    }

    fn tick(&mut self, now: Instant, empty: bool, parent: &mut Parent) -> io::Result<()> {
        let late = now.duration_since(self.written) >= WRITE_AFTER;
        if !self.buffer.is_empty() && (empty || late || self.buffer.len() >= BUFFER) {
            self.write()?;
            self.written = now;
        }
        let due = now.duration_since(self.synced) >= SYNC_AFTER || self.unsynced >= SYNC_OCTETS;
        if self.unsynced > 0 && due {
            self.sync(now);
        }
        if self.in_file >= self.limit {
            self.turn(now, parent)?;
        }
        Ok(())
    }

    /// Goes on in the next file.
    fn turn(&mut self, now: Instant, parent: &mut Parent) -> io::Result<()> {
        if self.ahead.is_empty() {
            if !std::mem::replace(&mut self.at_last, true) {
                parent.unsent.push_back("last");
            }
            return Ok(());
        }
        parent.unsent.push_back("next");
        self.write()?;
        self.sync(now);
        self.begin().map(drop)
    }

    fn write(&mut self) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        if let Err(error) = file.write_all(&self.buffer) {
            // Half a block would make the file look damaged. The next write goes to its end.
            self.buffer.clear();
            let _ = file.set_len(self.in_file);
            return Err(error);
        }
        let octets = self.buffer.len() as u64;
        self.in_file += octets;
        self.unsynced += octets;
        self.buffer.clear();
        Ok(())
    }

    fn sync(&mut self, now: Instant) {
        if let Some(Ok(file)) = self.file.as_ref().map(File::try_clone) {
            // When the thread lags behind, one later call does for several.
            let _ = self.syncer.try_send(file);
        }
        self.unsynced = 0;
        self.synced = now;
    }

    /// Writes the last counts, and waits until all is on the disk.
    fn close(mut self, comment: Option<&str>) -> io::Result<()> {
        self.write()?;
        if self.file.is_some() {
            self.statistics(comment);
        }
        self.write()?;
        match self.file.map_or(Ok(()), |file| file.sync_data()) {
            // A pipe has no disk behind it.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            synced => synced,
        }
    }
}

/// The thread that writes files back to the disk.
fn start_syncer() -> io::Result<mpsc::SyncSender<File>> {
    let (files, queue) = mpsc::sync_channel::<File>(8);
    let (up, is_up) = mpsc::sync_channel(1);
    std::thread::Builder::new().spawn(move || {
        // The thread must stand before system calls are denied.
        let _ = up.send(());
        for file in queue {
            // A failing disk shows in the next write.
            let _ = file.sync_data();
        }
    })?;
    is_up.recv().map_err(io::Error::other)?;
    Ok(files)
}

/// The open interface with its counters.
struct Source {
    capture: Capture<Active>,
    /// For packets that the interface lost; libpcap would open these files each time.
    drops: Vec<File>,
    drops_before: u64,
}

impl Source {
    fn open(options: &Options) -> Result<Self, String> {
        let capture = Capture::from_device(options.interface.as_str())
            .map_err(|e| failed("interface")(plain(e)))?
            .snaplen(options.snap_octets as i32)
            .promisc(options.promiscuous)
            .timeout(RETIRE_MS)
            .buffer_size((options.buffer_mib << 20).min(i32::MAX as u32) as i32)
            .precision(Precision::Nano)
            .open();
        let mut capture = capture.map_err(|error| {
            let why = plain(error);
            let denied = why.contains("not permitted") || why.contains("ermission");
            failed(if denied { "rights" } else { "interface" })(why)
        })?;
        if !options.filter.is_empty() {
            let set = capture.filter(&options.filter, true);
            set.map_err(|e| failed("filter")(plain(e)))?;
        }
        let capture = capture.setnonblock();
        let capture = capture.map_err(|e| failed("interface")(plain(e)))?;
        let folder = format!("/sys/class/net/{}/statistics/", options.interface);
        let drops = LOST
            .iter()
            .flat_map(|name| File::open(folder.clone() + name));
        let mut new = Self {
            capture,
            drops: drops.collect(),
            drops_before: 0,
        };
        new.drops_before = new.dropped_by_interface();
        Ok(new)
    }

    fn dropped_by_interface(&self) -> u64 {
        let value = |file: &File| {
            let mut text = [0; 24];
            let length = file.read_at(&mut text, 0).unwrap_or(0);
            let text = String::from_utf8_lossy(text.get(..length).unwrap_or_default());
            text.trim().parse::<u64>().unwrap_or(0)
        };
        let sum: u64 = self.drops.iter().map(value).sum();
        sum.saturating_sub(self.drops_before)
    }

    fn tell_counts(&mut self, writer: &mut Writer) {
        let counts = &mut writer.counts;
        counts.dropped_by_interface = self.dropped_by_interface();
        if let Ok(now) = self.capture.stats() {
            // libpcap counts in 32 bits.
            let grow = |sum: &mut u64, now: u32| *sum += u64::from(now.wrapping_sub(*sum as u32));
            grow(&mut counts.received, now.received);
            grow(&mut counts.dropped, now.dropped);
        }
        let (packets, octets, received) = (counts.written, writer.octets, counts.received);
        let (kernel, interface) = (counts.dropped, counts.dropped_by_interface);
        tell(&format!(
            "stats {packets} {octets} {received} {kernel} {interface}"
        ));
    }
}

/// Gives up every capability, for good.
fn drop_capabilities() -> io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    rustix::thread::clear_ambient_capability_set()?;
    for (_, capability) in CapabilitySet::all().iter_names() {
        // Only root may; without new privileges there is no way back to them anyway.
        let _ = rustix::thread::remove_capability_from_bounding_set(capability);
    }
    let none = CapabilitySet::empty();
    #[rustfmt::skip]
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    Ok(rustix::thread::set_capabilities(None, sets)?)
}

#[rustfmt::skip]
const SYSTEM_CALLS: &[i64] = &[
    libc::SYS_read, libc::SYS_pread64, libc::SYS_write, libc::SYS_writev, libc::SYS_lseek,
    libc::SYS_fsync, libc::SYS_fdatasync, libc::SYS_ftruncate, libc::SYS_close,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_ppoll, libc::SYS_recvmsg, libc::SYS_recvfrom, libc::SYS_sendto, libc::SYS_getsockopt,
    libc::SYS_futex, libc::SYS_munmap, libc::SYS_mremap, libc::SYS_madvise, libc::SYS_brk,
    libc::SYS_clock_gettime, libc::SYS_clock_nanosleep, libc::SYS_sched_yield,
    libc::SYS_restart_syscall, libc::SYS_rt_sigreturn, libc::SYS_rt_sigprocmask,
    libc::SYS_sigaltstack, libc::SYS_exit, libc::SYS_exit_group,
];

/// From here on only what capturing needs; anything else fails with "not permitted".
fn deny_system_calls() -> Result<(), Box<dyn Error>> {
    let only = |call: i64, argument: u8, how: SeccompCmpOp, value: i32| {
        let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, how, value as u64);
        let rule = SeccompRule::new(vec![condition?]);
        Ok::<_, Box<dyn Error>>((call, vec![rule?]))
    };
    let freely = SYSTEM_CALLS.iter().map(|call| (*call, Vec::new()));
    let mut rules = BTreeMap::from_iter(freely);
    // Memory never becomes code; descriptors are only copied; libpcap asks whether the link is up.
    let no_code = SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64);
    rules.extend([
        only(libc::SYS_mmap, 2, no_code.clone(), 0)?,
        only(libc::SYS_mprotect, 2, no_code, 0)?,
        only(libc::SYS_fcntl, 1, SeccompCmpOp::Eq, libc::F_DUPFD_CLOEXEC)?,
        only(libc::SYS_ioctl, 1, SeccompCmpOp::Eq, 0x8913)?, // SIOCGIFFLAGS
    ]);
    let arch = std::env::consts::ARCH.try_into()?;
    let denied = SeccompAction::Errno(libc::EPERM as u32);
    let filter = SeccompFilter::new(rules, denied, SeccompAction::Allow, arch);
    let program: BpfProgram = filter?.try_into()?;
    Ok(seccompiler::apply_filter_all_threads(&program)?)
}
