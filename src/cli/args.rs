//! Arguments, and the help that explains them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

use super::exit;
use crate::source::hep_listener::{self, Network};

const EXAMPLES: &str = "\
Examples:
  sipscope trace.pcapng                       open the window on a capture
  sipscope calls trace.pcapng                 which calls are in it, and how they ended
  sipscope messages trace.pcapng --call 3     the messages of call 3
  sipscope ladder trace.pcapng --call 3       its sequence diagram; --format svg draws a picture
  sipscope show trace.pcapng -m 12            message 12, header by header
  sipscope messages trace.pcapng --filter 'status >= 400 and src == 10.0.0.0/8'
  sipscope export trace.pcapng --call 3 -o call3.pcapng
  sipscope info trace.pcapng                  what the file holds, and what was skipped and why
  sipscope messages trace.pcap --format json | jq 'select(.status == 486)'
  tcpdump -r big.pcap -w - port 5060 | sipscope calls -

Captures may be pcap or pcapng, also packed with gzip, zstd or lz4; several files are merged by time;
`-` is standard input. `sipscope fields` explains filters. Calls, dialogs and messages are numbered from 1 and keep their numbers.

Exit codes: 0 done, 1 nothing matched, 2 wrong usage, 3 an input could not be read,
5 the output could not be written, 6 no display for the window.";

/// Desktop inspector for SIP: calls, ladders and explained headers from captures.
///
/// Without a command it opens the window.
#[derive(Debug, Parser)]
#[command(name = "sipscope", version, args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Captures to open in the window
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Let the window capture although it runs as root
    #[arg(long)]
    allow_root: bool,
    /// Show in the window what other programs add to the captures, as it comes; `-` too
    #[arg(long, requires = "files")]
    follow: bool,
    /// TLS key log (SSLKEYLOGFILE) or RSA private key (PEM) for the window to decrypt with
    #[arg(long, value_name = "FILE")]
    keylog: Vec<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// SIP messages, one row each; with -i, --hep, --ssh or --follow as they come
    #[command(mut_arg("files", |arg| arg.required(false).required_unless_present("source")))]
    Messages(MessagesArgs),
    /// Dialogs: Call-ID and both tags
    Dialogs(List),
    /// Calls, registrations, subscriptions …, with state and times
    Calls(List),
    /// One message: the tree of its parts
    Show(Show),
    /// Sequence diagram of calls, of a dialog or of all
    Ladder(LadderArgs),
    /// RTP streams, tied to the calls that announced them
    Streams(List),
    /// What the files hold: container, link types, time span, counts, what was skipped and why
    Info(List),
    /// Chosen packets as pcapng or pcap, with the RTP of their calls
    Export(ExportArgs),
    /// Every filter field: name, type, indexed or not, meaning
    Fields(FieldsArgs),
    /// Interfaces that can be captured on
    #[cfg(target_os = "linux")]
    Interfaces(FieldsArgs),
    /// Live capture of interfaces, HEP agents or another machine into a file, without a window
    #[cfg(target_os = "linux")]
    Capture(CaptureArgs),
    /// Completions for a shell, to be put where it looks for them
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// The manual page, in roff: `sipscope man | man -l -`
    Man,
}

impl Command {
    /// The common options, where the command has them.
    pub(super) fn common(&self) -> Option<&Common> {
        match self {
            Self::Messages(a) => Some(&a.list.common),
            Self::Dialogs(a) | Self::Calls(a) | Self::Streams(a) | Self::Info(a) => Some(&a.common),
            Self::Show(a) => Some(&a.common),
            Self::Ladder(a) => Some(&a.common),
            Self::Export(a) => Some(&a.common),
            Self::Fields(_) | Self::Completions { .. } | Self::Man => None,
            #[cfg(target_os = "linux")]
            Self::Interfaces(_) | Self::Capture(_) => None,
        }
    }
}

/// Arguments of commands that list things.
#[derive(Args, Debug)]
pub struct List {
    /// Captures; several are merged by time, `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// How to write the rows; json is JSON Lines
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// Only these calls
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub call: Vec<u32>,
    /// Write at most this many rows
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    #[command(flatten)]
    pub common: Common,
}

/// Arguments of `messages`.
#[derive(Args, Debug)]
pub struct MessagesArgs {
    #[command(flatten)]
    pub list: List,
    /// Go on when the end of the files is reached, and print what is added to them; `-` as it comes
    #[arg(long)]
    pub follow: bool,
    /// Keep what is captured with -i, --hep or --ssh in FILE (pcapng)
    #[arg(short, long, value_name = "FILE", requires = "source", help_heading = LIVE)]
    pub write: Option<PathBuf>,
    /// Memory for what was captured, 512M without this; older calls are forgotten
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub memory: Option<usize>,
    #[command(flatten)]
    pub live: CaptureLimits,
}

impl MessagesArgs {
    /// Rows are written as messages come.
    pub(super) fn is_live(&self) -> bool {
        self.follow || self.live.sources() > 0
    }
}

/// Arguments of `show`.
#[derive(Args, Debug)]
pub struct Show {
    /// Captures
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Number of the message, as `sipscope messages` shows it
    #[arg(short, long, value_name = "N")]
    pub message: u32,
    /// Say what each part is, and what it means in this capture
    #[arg(long)]
    pub explain: bool,
    /// How to write the tree
    #[arg(long, value_enum, default_value_t = TreeFormat::Table)]
    pub format: TreeFormat,
    #[command(flatten)]
    pub common: Common,
}

/// Form of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TreeFormat {
    /// Indented text
    Table,
    /// One JSON object
    Json,
}

/// Arguments of `ladder`.
#[derive(Args, Debug)]
pub struct LadderArgs {
    /// Captures
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub what: LadderOf,
    /// How to draw it
    #[arg(long, value_enum, default_value_t = LadderFormat::Text)]
    pub format: LadderFormat,
    /// Draw each retransmission and each copy in a row of its own
    #[arg(long)]
    pub unfold: bool,
    #[command(flatten)]
    pub common: Common,
}

/// What a ladder shows.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub struct LadderOf {
    /// These calls, merged by time
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub call: Vec<u32>,
    /// This dialog
    #[arg(long, value_name = "N")]
    pub dialog: Option<u32>,
    /// All calls with this Call-ID
    #[arg(long, value_name = "X")]
    pub call_id: Option<String>,
    /// Everything
    #[arg(long)]
    pub all: bool,
}

/// Form of a ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LadderFormat {
    /// Characters, as the call flows in RFCs
    Text,
    /// A drawing
    Svg,
    /// A picture
    #[cfg(feature = "png")]
    Png,
    /// Lanes, arrows and media bars as one JSON object
    Json,
}

/// Arguments of `export`.
#[derive(Args, Debug)]
#[command(
    after_help = "Needs -o FILE; `-o -` is standard output. Fragments and TCP segments of a message come along."
)]
pub struct ExportArgs {
    /// Captures
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Only these calls
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub call: Vec<u32>,
    /// Only these messages
    #[arg(long, value_name = "N", value_delimiter = ',')]
    pub messages: Vec<u32>,
    /// Leave out the RTP and RTCP of the calls
    #[arg(long)]
    pub no_rtp: bool,
    /// Take the TLS secrets along that are in the capture: who has the file can read it then
    #[arg(long)]
    pub keep_secrets: bool,
    /// Format of the file; else by its name: .pcap and .cap are pcap, all others pcapng
    #[arg(long, value_enum)]
    pub format: Option<PacketFormat>,
    #[command(flatten)]
    pub common: Common,
}

/// Form of exported packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PacketFormat {
    /// pcapng, times in nanoseconds
    Pcapng,
    /// pcap, one link type only
    Pcap,
}

/// Arguments of `fields`.
#[derive(Args, Debug)]
pub struct FieldsArgs {
    /// How to write the rows
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
    /// When to use colour
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
    /// Write to FILE instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

const LIVE: &str = "Live capture";

/// What to capture, and for how long.
#[derive(Args, Clone, Debug)]
#[command(group = ArgGroup::new("source").multiple(true).args(["interface", "hep", "ssh"]))]
#[command(group = ArgGroup::new("wire").multiple(true).args(["interface", "ssh"]))]
pub struct CaptureLimits {
    /// Capture on this interface; several may be given, `any` is all of them
    #[arg(short, long, value_name = "IF", value_delimiter = ',', help_heading = LIVE)]
    pub interface: Vec<String>,
    /// Take what HEP agents send here, over UDP (versions 1 to 3) and TCP (version 3); a bare port means this machine alone (127.0.0.1)
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = hep_listener::address, value_delimiter = ',', help_heading = LIVE)]
    pub hep: Vec<SocketAddr>,
    /// Only what comes from these addresses, e.g. 192.0.2.7,198.51.100.0/24
    #[arg(long, value_name = "ADDRESS[/BITS]", value_delimiter = ',', requires = "hep", help_heading = LIVE)]
    pub hep_from: Vec<Network>,
    /// Only from agents that know the key in the first line of FILE (HEP version 3); it is written nowhere
    #[arg(long = "hep-key-file", value_name = "FILE", requires = "hep", help_heading = LIVE)]
    pub hep_key: Option<PathBuf>,
    /// Capture on HOST, with its tcpdump by way of ssh; -i names an interface there, `any` without it
    #[arg(long, value_name = "[USER@]HOST", help_heading = LIVE)]
    pub ssh: Option<String>,
    /// Start tcpdump there with sudo
    #[arg(long, requires = "ssh", help_heading = LIVE)]
    pub ssh_sudo: bool,
    /// Only packets that match, in the language of tcpdump
    #[arg(long, value_name = "BPF", requires = "wire", help_heading = LIVE)]
    pub capture_filter: Option<String>,
    /// Stop after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds, requires = "source", help_heading = LIVE)]
    pub duration: Option<std::time::Duration>,
    /// Stop after so many packets
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), requires = "source", help_heading = LIVE)]
    pub packets: Option<u64>,
    /// Stop when less is left on the disk of the file, e.g. 2G
    #[arg(long, value_name = "SIZE", value_parser = free_size, requires = "source", help_heading = LIVE)]
    pub keep_free: Option<u64>,
    /// Stop a second after so many calls have ended
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), requires = "source", help_heading = LIVE)]
    pub calls_ended: Option<u64>,
    /// Keep at most so many octets of a packet
    #[arg(long, value_name = "OCTETS", value_parser = clap::value_parser!(u32).range(64..=262_144), requires = "wire", help_heading = LIVE)]
    pub snap_length: Option<u32>,
    /// Leave out packets that are meant for other machines
    #[arg(long, requires = "wire", help_heading = LIVE)]
    pub no_promiscuous: bool,
    /// Decode what is captured although this is root
    #[arg(long, help_heading = LIVE)]
    pub allow_root: bool,
}

impl CaptureLimits {
    /// How many sources are named.
    pub(super) fn sources(&self) -> usize {
        let wires = self.remote_interfaces().count().max(self.interface.len());
        wires + self.hep.len()
    }

    /// Interfaces of the other machine.
    pub(super) fn remote_interfaces(&self) -> impl Iterator<Item = &str> {
        let any = self.interface.is_empty().then_some("any");
        let named = self.interface.iter().map(String::as_str);
        named.chain(any).filter(|_| self.ssh.is_some())
    }
}

/// Arguments of `capture`.
#[derive(Args, Debug)]
#[command(mut_group("source", |group| group.required(true)), after_help = CAPTURE_HELP)]
pub struct CaptureArgs {
    #[command(flatten)]
    pub limits: CaptureLimits,
    /// The file (pcapng); with several sources one file for each, named after it; `-` is standard output
    #[arg(short, long, value_name = "FILE", required = true)]
    pub output: PathBuf,
    /// A ring of files with a number in their names, e.g. 10x50M: the oldest is deleted
    #[cfg(target_os = "linux")]
    #[arg(long, value_name = "FILESxSIZE", value_parser = ring)]
    pub ring: Option<crate::source::live::Ring>,
    /// No progress and no remarks on standard error, only errors
    #[arg(long)]
    pub quiet: bool,
}

const CAPTURE_HELP: &str = "\
Ctrl+C ends it; the file is whole then. Packets are written at the latest every 50 ms. SIZE is in octets, or with K, M, G.

A plain `port 5060` loses the later fragments of large messages and everything in VLANs. This keeps both:
  port 5060 or (ip[6:2] & 0x1fff != 0) or (ip6[6] = 44) or (vlan and (port 5060 or (ip[6:2] & 0x1fff != 0)))";

fn seconds(text: &str) -> Result<std::time::Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    std::time::Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// A size in octets, or with K, M, G.
fn octets(text: &str) -> Option<u64> {
    let size = text.trim().to_ascii_uppercase();
    let size = size.trim_end_matches("IB").trim_end_matches('B');
    let unit = match size.chars().last() {
        Some('K') => 1 << 10,
        Some('M') => 1 << 20,
        Some('G') => 1 << 30,
        _ => 1_u64,
    };
    let digits = size.trim_end_matches(['K', 'M', 'G']);
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

fn memory(text: &str) -> Result<usize, String> {
    let octets = octets(text).and_then(|octets| usize::try_from(octets).ok());
    let octets = octets.ok_or("write a size, e.g. 512M")?;
    if octets < 1 << 20 {
        return Err("at least 1M".into());
    }
    Ok(octets)
}

fn free_size(text: &str) -> Result<u64, String> {
    octets(text).ok_or_else(|| "write a size, e.g. 500M or 2G".to_owned())
}

/// `FILESxSIZE`.
#[cfg(target_os = "linux")]
fn ring(text: &str) -> Result<crate::source::live::Ring, String> {
    let (files, size) = text
        .split_once(['x', 'X'])
        .ok_or("write FILESxSIZE, e.g. 10x50M")?;
    let files = files.trim().parse().map_err(|_| "no number of files")?;
    let octets = octets(size).ok_or("no size of the files")?;
    if !(2..=100_000).contains(&files) {
        return Err("a ring has 2 to 100,000 files".into());
    }
    if octets < 1 << 10 {
        return Err("the files of a ring have at least 1K".into());
    }
    Ok(crate::source::live::Ring { files, octets })
}

/// Form of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns for people
    Table,
    /// One JSON object a line
    Json,
    /// Comma-separated values with a head line
    Csv,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Options of every command that reads captures.
#[derive(Args, Debug)]
pub struct Common {
    /// Write to FILE instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Only messages (or what has such messages) that match, e.g. 'method == INVITE and src == 10.0.0.0/8'
    #[arg(long, value_name = "EXPR")]
    pub filter: Option<String>,
    /// When to use colour in tables
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub color: Color,
    /// TLS key log (SSLKEYLOGFILE) to decrypt with; without it one beside the capture is taken, such
    /// as NAME.keylog.txt, NAME.keys or sslkeylog.txt for NAME.pcap
    #[arg(long, value_name = "FILE")]
    pub keylog: Vec<PathBuf>,
    /// RSA private key (PEM) of a server, for TLS with RSA key exchange
    #[arg(long, value_name = "FILE")]
    pub rsa_key: Vec<PathBuf>,
    /// Language of words for people; only English so far
    #[arg(long, value_name = "LANG", default_value = "en", value_parser = ["en", "de", "fr", "pl", "ko"])]
    pub lang: String,
    /// Worker threads
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// No progress and no remarks on standard error, only errors
    #[arg(long)]
    pub quiet: bool,
    /// Inflate without the limits of 8 GiB and 100 times the packed size
    #[arg(long)]
    pub no_bomb_limit: bool,
    /// Write times, CPU time and memory as a JSON object to standard error
    #[arg(long)]
    pub timings: bool,
}

impl Common {
    /// Key logs and private keys, in the order of the kinds.
    pub fn key_logs(&self) -> Vec<PathBuf> {
        self.keylog.iter().chain(&self.rsa_key).cloned().collect()
    }

    /// Worker threads to use.
    pub fn threads(&self) -> usize {
        self.threads
            .map_or_else(|| crate::ingest::Options::default().threads, usize::from)
    }
}

/// How the window is to open.
#[derive(Debug)]
pub struct WindowWish {
    /// Captures.
    pub files: Vec<PathBuf>,
    /// They are followed.
    pub follow: bool,
    /// It may capture as root.
    pub allow_root: bool,
    /// TLS key logs and RSA keys.
    pub key_logs: Vec<PathBuf>,
}

/// What the arguments ask for.
pub enum Invocation {
    /// The window.
    Window(WindowWish),
    /// A command.
    Command(Box<Command>),
    /// Nothing more: help was shown, or the arguments were wrong. The exit code.
    Over(u8),
}

/// Reads the arguments of the process.
pub fn parse() -> Invocation {
    match Cli::try_parse() {
        Ok(Cli {
            command: Some(command),
            ..
        }) => Invocation::Command(Box::new(command)),
        Ok(Cli {
            files,
            allow_root,
            follow,
            keylog: key_logs,
            ..
        }) => match files.first().and_then(|first| not_yet(first)) {
            Some(name) => {
                super::output::complain(&format!(
                    "{name} is no command of this version; `sipscope --help` lists those that are. \
                     A file of that name opens as ./{name}"
                ));
                Invocation::Over(exit::USAGE)
            }
            None => Invocation::Window(WindowWish {
                files,
                follow,
                allow_root,
                key_logs,
            }),
        },
        Err(error) => {
            // A closed pipe is no reason to fail.
            let _ = error.print();
            Invocation::Over(if error.use_stderr() {
                exit::USAGE
            } else {
                exit::DONE
            })
        }
    }
}

/// Commands that other programs may expect and this version does not have; taken for files they
/// would open a window.
fn not_yet(word: &Path) -> Option<&str> {
    const NAMES: [&str; 3] = ["findings", "stats", "lessons"];
    let word = word.to_str()?;
    (NAMES.contains(&word) && !Path::new(word).exists()).then_some(word)
}

/// The whole command line, for completions and the manual.
pub(super) fn definition() -> clap::Command {
    Cli::command()
}

/// Understands the arguments of a command that comes from the window.
pub(super) fn understand(args: Vec<std::ffi::OsString>) -> Result<Command, String> {
    let name = std::iter::once(std::ffi::OsString::from("sipscope"));
    let cli = Cli::try_parse_from(name.chain(args)).map_err(|error| error.to_string())?;
    cli.command.ok_or_else(|| "no command".to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_definition_is_sound() {
        super::definition().debug_assert();
    }
}
