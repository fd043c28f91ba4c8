//! Live capture.
//!
//! A [`LiveSource`] is one running capture into a file or a ring of files: of an interface
//! (`Recording`, Linux only), of HEP agents ([`super::hep_listener`]), of another machine
//! ([`super::remote`]), or the file of another program (`ForeignFile`). What is captured is read from those files by the same code as any other
//! file; here are only counts and events.

#[cfg(not(target_os = "linux"))]
mod elsewhere;
mod files;
mod foreign;
#[cfg(target_os = "linux")]
mod interfaces;
mod packet_file;
#[cfg(target_os = "linux")]
mod recording;
mod worker;

use std::{
    fs::File,
    io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

#[cfg(not(target_os = "linux"))]
pub use self::elsewhere::{
    Recording, change_places, check_filter, free_bytes, interfaces, is_root, packet_counters,
    permit_command, program,
};
#[cfg(not(target_os = "linux"))]
pub(super) use self::elsewhere::{udp_drops, widen};
#[cfg(target_os = "linux")]
pub use self::interfaces::{interfaces, packet_counters};
#[cfg(target_os = "linux")]
pub use self::recording::{
    Recording, change_places, check_filter, free_bytes, is_root, permit_command, program,
};
#[cfg(target_os = "linux")]
pub(super) use self::recording::{udp_drops, widen};
pub use self::{
    files::{Ring, Target},
    foreign::ForeignFile,
    worker::Worker,
};
pub(super) use self::{
    packet_file::{Head, PacketFile},
    worker::Shared,
};

/// Name of the program that captures.
pub const PROGRAM: &str = "sipscope-capture";

/// Nanoseconds since 1970-01-01 UTC; nothing here reads a clock of its own.
pub type Clock = fn() -> u64;

/// Notices that nothing ran for a while.
#[derive(Debug, Default)]
pub struct Standstill {
    last: Option<u64>,
}

impl Standstill {
    /// Longer pauses are told: those between two looks are a fraction of a second.
    const NANOS: u64 = 5_000_000_000;

    /// Looks at the time; a sentence when much of it is missing since the last look.
    pub fn look(&mut self, now: u64) -> Option<String> {
        let gap = now.saturating_sub(self.last.replace(now)?);
        (gap >= Self::NANOS).then(|| {
            format!(
                "Nothing ran for {} s (this machine or program was suspended, or the clock was set): packets may be missing",
                gap / 1_000_000_000
            )
        })
    }
}

/// A running capture into a file or a ring of files.
pub trait LiveSource: Send {
    /// What is captured, in words: `eth0`.
    fn name(&self) -> &str;

    /// The next event, if one comes within `patience`.
    fn next_event(&mut self, patience: Duration) -> Option<Event>;

    /// The newest counters.
    fn counts(&self) -> Counts;

    /// The file that is written now.
    fn path(&self) -> PathBuf;

    /// The next file that was begun, and it open for reading, for somebody who follows it.
    fn next_file(&mut self) -> Option<(PathBuf, File)>;

    /// Asks it to end; [`Event::Ended`] follows when the file is complete.
    fn stop(&self);

    /// Nothing more will come.
    fn is_over(&self) -> bool;

    /// Puts a comment on the next packet.
    fn mark(&self, text: &str);

    /// Who sent packets, for a source that others send to.
    fn agents(&self) -> Vec<Agent> {
        Vec::new()
    }
}

/// Somebody who sends what he captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// His address; none for all that came when there were too many to count each.
    pub address: Option<IpAddr>,
    /// The number that he gives himself.
    pub number: Option<u32>,
    /// The name that he gives himself.
    pub node: Option<String>,
    /// Packets kept.
    pub packets: u64,
    /// SIP messages among them.
    pub sip: u64,
    /// Octets of the packets kept.
    pub octets: u64,
    /// Packets lost here, because they came faster than they could be written.
    pub dropped: u64,
    /// Packets not kept: without the right key.
    pub wrong_key: u64,
    /// Packets not kept: no HEP at all.
    pub foreign: u64,
    /// Packets kept although something is wrong with them.
    pub faulty: u64,
    /// Octets of a stream passed over to find the next packet in it.
    pub skipped_octets: u64,
}

/// An interface of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkInterface {
    /// Its name, as `-i` takes it.
    pub name: String,
    /// What it is, in words; empty when nothing is known.
    pub description: String,
    /// Its addresses with the length of the network part.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Hardware address.
    pub mac: Option<String>,
    /// It is switched on.
    pub up: bool,
    /// It has a carrier: a cable, a radio link.
    pub running: bool,
    /// Only this machine talks on it.
    pub loopback: bool,
    /// LINKTYPE_ value of a capture on it, where it can be told beforehand.
    pub link_type: Option<u16>,
}

/// What to capture.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Name of the interface; `any` is all of them.
    pub interface: String,
    /// Capture filter in the language of libpcap; empty for everything.
    pub filter: String,
    /// Stop after so many packets.
    pub packets: Option<u64>,
    /// Octets kept of each packet.
    pub snap_octets: Option<u32>,
    /// Take packets meant for others as well.
    pub promiscuous: bool,
    /// What the system keeps of packets until they are taken, in MiB; 64 if nothing is wished.
    pub buffer_mebibytes: Option<u32>,
}

/// Why there is no live capture.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The program that captures is nowhere.
    #[error(
        "the program {PROGRAM} is not installed beside sipscope (it needs libpcap; it is built with the feature `capture`)"
    )]
    NoProgram,
    /// It could not be started.
    #[error("{PROGRAM} could not be started ({source}): {}", path.display())]
    Start {
        /// What the system said.
        source: io::Error,
        /// The program.
        path: PathBuf,
    },
    /// This user may not capture.
    #[error("no permission to capture on {interface} ({why})")]
    NotPermitted {
        /// The interface.
        interface: String,
        /// The words of libpcap.
        why: String,
    },
    /// The filter cannot be understood.
    #[error("the capture filter is wrong: {why}")]
    Filter {
        /// The words of libpcap.
        why: String,
    },
    /// There is no such interface, or it cannot be opened.
    #[error("the interface {interface} cannot be captured: {why}")]
    Interface {
        /// The interface.
        interface: String,
        /// The words of libpcap.
        why: String,
    },
    /// The interface was there, and is no more.
    #[error("the interface {interface} has gone")]
    Gone {
        /// The interface.
        interface: String,
    },
    /// Nobody can be listened to there.
    #[error("nothing can be received on {address}: {why}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        why: String,
    },
    /// The other machine sends nothing, or no more.
    #[error("{host}: {why}")]
    Remote {
        /// The machine.
        host: String,
        /// What the programs said.
        why: String,
    },
    /// The file cannot be read.
    #[error("{} cannot be followed: {why}", path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The file could not be made or written.
    #[error("{} cannot be written: {why}", path.display())]
    Output {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The program cannot lock itself in.
    #[error("{PROGRAM} cannot give up its rights: {why}")]
    Sandbox {
        /// What it said.
        why: String,
    },
    /// The program died.
    #[error("{PROGRAM} ended without a word: {why}")]
    Died {
        /// Its exit status.
        why: String,
    },
}

/// Counters of a capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets written to the file.
    pub packets: u64,
    /// Their captured octets.
    pub octets: u64,
    /// Packets that passed the filter, dropped ones among them.
    pub received: u64,
    /// Dropped by the kernel, because nobody took them in time.
    pub dropped_by_kernel: u64,
    /// Dropped by the interface or its driver.
    pub dropped_by_interface: u64,
    /// Dropped here: packets came faster than they could be written.
    pub dropped_here: u64,
    /// Not kept: with a wrong key, of somebody who is not on the list, or no packets at all.
    pub refused: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.octets += other.octets;
        self.received += other.received;
        self.dropped_by_kernel += other.dropped_by_kernel;
        self.dropped_by_interface += other.dropped_by_interface;
        self.dropped_here += other.dropped_here;
        self.refused += other.refused;
    }
}

/// What a capture tells.
#[derive(Debug)]
pub enum Event {
    /// The interface is open, the rights are given up; packets are taken from here on.
    Ready,
    /// [`LiveSource::counts`] are new.
    Counted,
    /// The ring went on: this file is being written now.
    File(PathBuf),
    /// The ring could not go on, the file before is written further.
    RingStuck,
    /// A sentence that people should read; it goes on.
    Told(String),
    /// It is over as wished, the file is complete.
    Ended,
    /// It is over.
    Failed(LiveError),
}

/// True while somebody writes a capture of ours.
pub fn is_in_use(path: &Path) -> bool {
    let file = File::open(path);
    file.is_ok_and(|file| matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock)))
}

/// Keeps SIP on its usual ports with the fragments and, where the link has `tags`, the tagged frames
/// that belong to it: what a plain `port 5060` loses.
pub fn sip_filter(tags: bool) -> String {
    let plain = "port 5060 or port 5061 or (ip[6:2] & 0x1fff != 0) or (ip6 and ip6[6] = 44)";
    with_tags(plain, tags)
}

/// [`sip_filter`] and all UDP from port 1024 on: RTP with its voice as well.
pub fn sip_and_media_filter(tags: bool) -> String {
    let plain = "port 5060 or port 5061 or (udp and portrange 1024-65535) or (ip[6:2] & 0x1fff != 0) \
                 or (ip6 and ip6[6] = 44)";
    with_tags(plain, tags)
}

/// The same behind one and two VLAN tags: `vlan` shifts all that stands behind it.
fn with_tags(plain: &str, tags: bool) -> String {
    if !tags {
        return plain.to_owned();
    }
    format!("({plain}) or (vlan and (({plain}) or (vlan and ({plain}))))")
}

#[cfg(test)]
mod tests {
    use super::Standstill;

    #[test]
    fn a_pause_is_told_once_and_a_clock_set_back_is_none() {
        let mut standstill = Standstill::default();
        let second = 1_000_000_000;
        let mut told = |now: u64| standstill.look(now * second).is_some();
        let looks = [100, 101, 104, 116, 117, 20, 21].map(&mut told);
        assert_eq!(looks, [false, false, false, true, false, false, false]);
    }
}
