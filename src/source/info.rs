//! What a capture file says about itself, and what of it could not be used.

use std::{borrow::Cow, collections::BTreeMap, net::IpAddr};

use crate::packet::trace::TimeKind;

/// Most different entries kept in each list of [`FileInfo`]; further ones are counted together.
const MAX_ENTRIES: usize = 100_000;
/// Most octets of text and secrets kept per file.
const MAX_KEPT_BYTES: usize = 16 << 20;
/// Most kinds of skipped things that are told apart.
const MAX_SKIPPED_KINDS: usize = 64;

/// Container of the packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// libpcap, microseconds.
    #[default]
    Pcap,
    /// libpcap, nanoseconds.
    PcapNanosecond,
    /// libpcap with the longer record header of patched Linux tools (Kuznetzov).
    PcapModified,
    /// libpcap with the record header of Nokia firewalls.
    PcapNokia,
    /// libpcap as AIX writes it: nanoseconds under the usual magic number.
    PcapAix,
    /// libpcap as IXIA test equipment writes it.
    PcapIxia,
    /// pcapng.
    Pcapng,
    /// Sun snoop (RFC 1761).
    Snoop,
    /// Microsoft Network Monitor 2.
    NetMon,
    /// Text: a log, saved output of a program, a page.
    Text(TextFormat),
}

impl Format {
    /// The name shown to people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcap => "pcap",
            Self::PcapNanosecond => "pcap (nanosecond)",
            Self::PcapModified => "pcap (modified)",
            Self::PcapNokia => "pcap (Nokia)",
            Self::PcapAix => "pcap (AIX)",
            Self::PcapIxia => "pcap (IXIA)",
            Self::Pcapng => "pcapng",
            Self::Snoop => "snoop",
            Self::NetMon => "Network Monitor 2",
            Self::Text(format) => format.name(),
        }
    }
}

/// Formats of text traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TextFormat {
    /// SIP messages as they are, perhaps among prose or behind a log prefix.
    Plain,
    /// OCS, Lync, Skype for Business server.
    LyncServer,
    /// Communicator, Lync, Skype for Business client.
    LyncClient,
    /// Asterisk `sip set debug on`.
    AsteriskChanSip,
    /// Asterisk `pjsip set logger on`.
    AsteriskPjsip,
    /// FreeSWITCH and others on Sofia-SIP.
    FreeSwitch,
    /// Cisco IOS `debug ccsip messages`.
    CiscoIos,
    /// Cisco IOS XE `show voip trace`.
    CiscoIosXe,
    /// Cisco Unified CM.
    Cucm,
    /// Cisco Expressway, VCS.
    Expressway,
    /// AudioCodes syslog.
    AudioCodes,
    /// Oracle (Acme Packet) `sipmsg.log`.
    Acme,
    /// linphone and others on belle-sip.
    Linphone,
    /// pjsua and others on PJSIP.
    Pjsua,
    /// baresip.
    Baresip,
    /// SIPp `-trace_msg`.
    Sipp,
    /// sngrep.
    Sngrep,
    /// ngrep, sipgrep.
    Ngrep,
    /// Homer.
    Homer,
    /// `tcpdump -A`.
    Tcpdump,
    /// `tshark -V`.
    TsharkV,
    /// Avaya `traceSM`.
    Avaya,
    /// K12 text.
    K12,
    /// Packets printed in hex.
    HexDump,
}

impl TextFormat {
    /// The name shown to people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "SIP in plain text",
            Self::LyncServer => "Lync server log",
            Self::LyncClient => "Lync client log",
            Self::AsteriskChanSip => "Asterisk chan_sip debug",
            Self::AsteriskPjsip => "Asterisk PJSIP logger",
            Self::FreeSwitch => "FreeSWITCH siptrace",
            Self::CiscoIos => "Cisco IOS debug ccsip",
            Self::CiscoIosXe => "Cisco IOS XE voip trace",
            Self::Cucm => "Cisco Unified CM trace",
            Self::Expressway => "Cisco Expressway log",
            Self::AudioCodes => "AudioCodes syslog",
            Self::Acme => "Oracle sipmsg.log",
            Self::Linphone => "linphone log",
            Self::Pjsua => "PJSIP log",
            Self::Baresip => "baresip trace",
            Self::Sipp => "SIPp message trace",
            Self::Sngrep => "sngrep text",
            Self::Ngrep => "ngrep text",
            Self::Homer => "Homer text",
            Self::Tcpdump => "tcpdump text",
            Self::TsharkV => "tshark tree",
            Self::Avaya => "Avaya traceSM",
            Self::K12 => "K12 text",
            Self::HexDump => "hex dump",
        }
    }

    /// The system that wrote the log, for its lane.
    pub fn writer(self) -> &'static str {
        match self {
            Self::LyncServer => "Lync server",
            Self::LyncClient => "Lync client",
            Self::AsteriskChanSip | Self::AsteriskPjsip => "Asterisk",
            Self::FreeSwitch => "FreeSWITCH",
            Self::CiscoIos | Self::CiscoIosXe => "Cisco gateway",
            Self::Cucm => "Unified CM",
            Self::Expressway => "Expressway",
            Self::AudioCodes => "AudioCodes",
            Self::Acme => "SBC",
            Self::Linphone => "linphone",
            Self::Pjsua => "PJSIP",
            Self::Baresip => "baresip",
            Self::Sipp => "SIPp",
            Self::Avaya => "Session Manager",
            Self::Plain
            | Self::Sngrep
            | Self::Ngrep
            | Self::Homer
            | Self::Tcpdump
            | Self::TsharkV
            | Self::K12
            | Self::HexDump => "this host",
        }
    }
}

/// How the file was packed, recognised by content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
    /// LZ4 frames.
    Lz4,
}

impl Compression {
    /// The name shown to people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
        }
    }
}

/// One interface (or the whole file, for pcap).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// Section it belongs to, from 0.
    pub section: u32,
    /// Name given by the system that captured.
    pub name: Option<String>,
    /// Description given by a person or the system.
    pub description: Option<String>,
    /// Hardware description.
    pub hardware: Option<String>,
    /// Operating system of the machine.
    pub os: Option<String>,
    /// Capture filter.
    pub filter: Option<String>,
    /// LINKTYPE_ value.
    pub link_type: u16,
    /// Longest captured length promised, 0 for no limit.
    pub snap_len: u32,
    /// Bits per second.
    pub speed: Option<u64>,
    /// Time resolution in words: `10^-6`, `2^-20`.
    pub resolution: String,
    /// Seconds added to each time.
    pub time_offset_seconds: i64,
    /// Octets of frame check sequence at the end of each packet, where the file says so.
    pub fcs_octets: Option<u8>,
    /// Packets seen so far.
    pub packets: u64,
    /// Newest statistics block.
    pub statistics: Option<Statistics>,
    /// True when the file never described it, so that its link type is a guess.
    pub guessed: bool,
}

/// Counters of an interface (pcapng interface statistics block).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// When they were taken, nanoseconds since 1970-01-01 UTC.
    pub time: i64,
    /// Packets received by the interface.
    pub received: Option<u64>,
    /// Packets dropped by the interface.
    pub dropped: Option<u64>,
    /// Packets accepted by the filter.
    pub accepted: Option<u64>,
    /// Packets dropped by the operating system.
    pub os_dropped: Option<u64>,
    /// Packets delivered to the capturing program.
    pub delivered: Option<u64>,
}

/// What a section of a pcapng says about where it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// Offset of its header block.
    pub offset: u64,
    /// True for big-endian numbers.
    pub big_endian: bool,
    /// Hardware.
    pub hardware: Option<String>,
    /// Operating system.
    pub os: Option<String>,
    /// Program that wrote it.
    pub application: Option<String>,
}

/// A comment in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Packet it belongs to; none for a comment on a section, interface or other block.
    pub frame: Option<u32>,
    /// The text.
    pub text: String,
}

/// An address with the names that the capturing machine had for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameRecord {
    /// The address.
    pub address: IpAddr,
    /// Its names.
    pub names: Vec<String>,
}

/// Payload of a decryption secrets block.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// Secrets type: 0x544c534b is a TLS key log, 0x57474b4c a WireGuard one.
    pub kind: u32,
    /// The payload.
    pub data: Vec<u8>,
    /// Offset of the block.
    pub offset: u64,
}

// A secret must not end in a log by way of `{:?}`.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secret({:#010x}, {} octets)", self.kind, self.data.len())
    }
}

/// Something in the file that was passed over, cut or guessed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// What kind of thing: "damaged record", "unknown block 0x00000bad" …
    pub what: Cow<'static, str>,
    /// How many of them.
    pub count: u64,
    /// Octets passed over.
    pub octets: u64,
    /// Number of the first packet that comes after the first of them.
    pub first_frame: u32,
    /// Offset of the first of them in the (inflated) capture.
    pub offset: u64,
    /// The reason, for the first of them.
    pub why: String,
}

/// What is known of a capture file so far; complete when its last chunk was handed out.
#[derive(Clone, Debug, Default)]
pub struct FileInfo {
    /// Name it was opened by.
    pub name: String,
    /// Container.
    pub format: Format,
    /// Packing, if any.
    pub compressed: Option<Compression>,
    /// Packets handed out so far.
    pub packets: u64,
    /// Interfaces in order of their description; a pcap has one.
    pub interfaces: Vec<Interface>,
    /// Sections of a pcapng.
    pub sections: Vec<Section>,
    /// Comments.
    pub comments: Vec<Comment>,
    /// Names of addresses.
    pub names: Vec<NameRecord>,
    /// Decryption secrets; show their number only.
    pub secrets: Vec<Secret>,
    /// Earliest time, nanoseconds since 1970-01-01 UTC.
    pub first: Option<i64>,
    /// Latest time, nanoseconds since 1970-01-01 UTC.
    pub last: Option<i64>,
    /// What the times of its packets or messages mean.
    pub time_kind: TimeKind,
    /// What was passed over, by kind.
    pub skipped: Vec<Skipped>,
    /// Where and why reading ended before the proper end, if it did.
    pub truncated_at: Option<(u64, String)>,
    kept_bytes: usize,
}

impl FileInfo {
    /// Of a file that was just opened.
    pub(super) fn new(name: String, compressed: Option<Compression>) -> Self {
        Self {
            name,
            compressed,
            ..Self::default()
        }
    }

    /// Packets by LINKTYPE_ value, ascending.
    pub fn link_types(&self) -> Vec<(u16, u64)> {
        let mut counts = BTreeMap::<u16, u64>::new();
        for interface in self.interfaces.iter().filter(|i| i.packets > 0) {
            let count = counts.entry(interface.link_type).or_default();
            *count = count.saturating_add(interface.packets);
        }
        counts.into_iter().collect()
    }

    /// Notes one passed-over thing; things of one kind are counted together.
    pub(super) fn skip(
        &mut self,
        what: impl Into<Cow<'static, str>>,
        octets: u64,
        offset: u64,
        why: impl FnOnce() -> String,
    ) {
        let mut what = what.into();
        if let Some(known) = self.skipped.iter_mut().find(|s| s.what == what) {
            known.count = known.count.saturating_add(1);
            known.octets = known.octets.saturating_add(octets);
            return;
        }
        if self.skipped.len() >= MAX_SKIPPED_KINDS {
            what = Cow::Borrowed("others");
            if let Some(known) = self.skipped.iter_mut().find(|s| s.what == what) {
                known.count = known.count.saturating_add(1);
                known.octets = known.octets.saturating_add(octets);
                return;
            }
        }
        let first_frame = u32::try_from(self.packets.saturating_add(1)).unwrap_or(u32::MAX);
        self.skipped.push(Skipped {
            what,
            count: 1,
            octets,
            first_frame,
            offset,
            why: why(),
        });
    }

    /// Notes where and why reading ended; the first reason counts.
    pub(super) fn truncate(&mut self, offset: u64, why: String) {
        self.truncated_at.get_or_insert((offset, why));
    }

    /// True when `octets` more of text may be kept from this file.
    pub(super) fn may_keep(&mut self, entries: usize, octets: usize, offset: u64) -> bool {
        let total = self.kept_bytes.saturating_add(octets);
        if entries < MAX_ENTRIES && total <= MAX_KEPT_BYTES {
            self.kept_bytes = total;
            return true;
        }
        self.skip(
            "comments, names or secrets over the limit",
            octets as u64,
            offset,
            || format!("at most {MAX_ENTRIES} entries and {MAX_KEPT_BYTES} octets are kept"),
        );
        false
    }
}
