//! TLS 1.0 to 1.3 (RFC 2246, 4346, 5246, 8446) on top of a TCP stream: what a handshake shows to
//! anyone, and the content of the records where the keys are known.
//!
//! A [`Connection`] takes the octets of both directions as they come and hands out the application
//! data that it could open. Every record proves that its key fits; nothing is guessed. The primitives
//! are those of the RustCrypto crates. What the application data is, others say.

mod alert;
mod certificate;
mod cipher;
mod connection;
mod derive;
mod handshake;
mod keylog;
mod keys;
mod suite;

pub use alert::alert_name;
pub use certificate::CertificateInfo;
pub use connection::{Connection, looks_like_handshake, looks_like_record};
pub use keylog::{Added, Secrets};
pub use suite::suite_name;

use super::Endpoint;

/// Version numbers on the wire.
const TLS11: u16 = 0x0302;
const TLS12: u16 = 0x0303;
const TLS13: u16 = 0x0304;

/// The client's direction.
pub const CLIENT: usize = 0;
/// The server's direction.
pub const SERVER: usize = 1;

/// Name of a version number.
pub fn version_name(version: u16) -> String {
    match version {
        0x0300 => "SSL 3.0".to_owned(),
        0x0301 => "TLS 1.0".to_owned(),
        0x0302 => "TLS 1.1".to_owned(),
        0x0303 => "TLS 1.2".to_owned(),
        0x0304 => "TLS 1.3".to_owned(),
        other => format!("version 0x{other:04x}"),
    }
}

/// An alert that was seen in the clear or could be decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Sent by the server.
    pub from_server: bool,
    /// Level fatal; in TLS 1.3 the level means nothing.
    pub fatal: bool,
    /// Number, see [`alert_name`].
    pub number: u8,
    /// Packet in which it ends.
    pub frame: u32,
}

/// Why the records of one direction could not be opened, or not to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// No key log has a line for this connection.
    NoSecrets,
    /// The key log lacks one of the secrets that are needed.
    SecretMissing(&'static str),
    /// The secrets open no record.
    SecretsDoNotFit,
    /// The cipher suite is none of those that are decrypted.
    Suite,
    /// The hellos were not captured, or not both.
    BeginningMissing,
    /// Octets are missing, and no record behind them could be opened.
    Hole,
    /// Something stands there that is no TLS record, or not where it should be.
    NotTls,
    /// A record could not be opened although those before it could.
    Damaged,
    /// A handshake message is longer than 256 KiB.
    TooLong,
    /// Too many connections were open at once.
    NoRoom,
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NoSecrets => "no key log holds the secrets of this connection",
            Self::SecretMissing(label) => {
                return write!(f, "the key log has no {label} for this connection");
            }
            Self::SecretsDoNotFit => "the secrets in the key log do not open its records",
            Self::Suite => "its cipher suite cannot be decrypted here",
            Self::BeginningMissing => "the beginning of the connection was not captured",
            Self::Hole => "octets were not captured, and no record behind them could be opened",
            Self::NotTls => "octets stand where a TLS record should begin",
            Self::Damaged => "a record could not be opened although those before it could",
            Self::TooLong => "a handshake message is longer than 256 KiB",
            Self::NoRoom => {
                "too many connections were open at once, and nothing came on it for the longest time"
            }
        })
    }
}

/// What is known of one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFacts {
    /// Host name that the client asked for.
    pub sni: Option<String>,
    /// Versions that the client offered.
    pub versions_offered: Vec<u16>,
    /// Version that the server chose.
    pub version: Option<u16>,
    /// Cipher suites that the client offered.
    pub suites_offered: Vec<u16>,
    /// Cipher suite that the server chose.
    pub suite: Option<u16>,
    /// Application protocols that the client offered.
    pub alpn_offered: Vec<String>,
    /// The one that the server chose.
    pub alpn: Option<String>,
    /// Certificates of the server, its own first, as far as they were readable.
    pub certificates: Vec<CertificateInfo>,
    /// Certificates of the client.
    pub client_certificates: Vec<CertificateInfo>,
    /// Alerts, the first 16.
    pub alerts: Vec<Alert>,
    /// An earlier session was resumed.
    pub resumed: bool,
    /// The server sent a HelloRetryRequest.
    pub retried: bool,
    /// Key updates of both directions.
    pub key_updates: u32,
    /// Records of application data opened, client's and server's.
    pub opened: [u64; 2],
    /// Holes in the two streams.
    pub holes: u32,
    /// Records behind holes that could be opened again, so that less was lost.
    pub rejoined: u32,
    /// What stood in the way, client's and server's direction.
    pub obstacles: [Option<Obstacle>; 2],
}

impl TlsFacts {
    /// Memory in use beside its own size.
    pub fn heap(&self) -> usize {
        let texts = self.sni.iter().chain(&self.alpn_offered).chain(&self.alpn);
        let texts: usize = texts.map(String::capacity).sum();
        let numbers = self.versions_offered.capacity() + self.suites_offered.capacity();
        let chains = self.certificates.iter().chain(&self.client_certificates);
        texts
            + numbers * size_of::<u16>()
            + self.alpn_offered.capacity() * size_of::<String>()
            + self.alerts.capacity() * size_of::<Alert>()
            + chains.map(CertificateInfo::cost).sum::<usize>()
    }

    /// True when application data could be read.
    pub fn is_decrypted(&self) -> bool {
        self.opened.iter().any(|n| *n > 0)
    }

    /// What stood in the way first.
    pub fn obstacle(&self) -> Option<Obstacle> {
        self.obstacles.iter().flatten().next().copied()
    }
}

/// What is to be said of one TLS connection.
#[derive(Clone, Debug)]
pub struct TlsConnection {
    /// Index of the input file.
    pub file: u16,
    /// Who opened it.
    pub client: Endpoint,
    /// The other side.
    pub server: Endpoint,
    /// Packet in which it was first seen.
    pub first_frame: u32,
    /// Time of that packet, nanoseconds since 1970-01-01 UTC.
    pub time: i64,
    /// What its handshake said.
    pub facts: TlsFacts,
    /// SIP messages found in it.
    pub messages: u32,
    /// They stand in WebSocket frames.
    pub websocket: bool,
}

impl TlsConnection {
    /// True when there is reason to think that it carries SIP that could not be read.
    pub fn probably_sip(&self) -> bool {
        let alpn = |name: &String| name == "sip" || name.starts_with("sip/");
        self.messages == 0
            && !self.facts.is_decrypted()
            && (self.server.port == 5061
                || self.client.port == 5061
                || self.facts.alpn_offered.iter().any(alpn))
    }
}
