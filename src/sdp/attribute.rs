//! Attributes of a session description (RFC 8866, 6, and the registry of attributes).

use std::collections::HashSet;
use std::sync::LazyLock;

use serde::Serialize;

use super::lines::word;
use crate::diagnostic::{Diagnostic, DiagnosticKind as Kind};
use crate::piece::Piece;
use crate::span::Span;

/// Which way media flow, as seen by the sender of the description (RFC 8866, 6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Both ways.
    #[default]
    SendRecv,
    /// From the sender of the description only.
    SendOnly,
    /// To the sender of the description only.
    RecvOnly,
    /// Not at all.
    Inactive,
}

impl Direction {
    /// The direction that an attribute names.
    pub fn from_bytes(name: &[u8]) -> Option<Self> {
        match name {
            b"sendrecv" => Some(Self::SendRecv),
            b"sendonly" => Some(Self::SendOnly),
            b"recvonly" => Some(Self::RecvOnly),
            b"inactive" => Some(Self::Inactive),
            _ => None,
        }
    }

    /// The name of the attribute.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

/// An `a=` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: Span,
    /// What follows the colon; empty without one.
    pub value: Span,
    /// True when the registry knows the name.
    pub known: bool,
    /// What it means.
    pub meaning: Meaning,
}

/// What an attribute means; spans name the parts of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// `rtpmap`: payload type, codec, clock rate in Hz, channels.
    RtpMap {
        /// Payload type.
        payload_type: Option<u8>,
        /// Name of the codec.
        codec: Span,
        /// Clock rate in Hz.
        clock_rate: Option<u32>,
        /// Channels of sound; empty when one.
        channels: Span,
    },
    /// `fmtp`: parameters of a format.
    Fmtp {
        /// The format, as in the `m=` line.
        format: Span,
        /// Its parameters.
        params: Span,
    },
    /// `sendrecv`, `sendonly`, `recvonly`, `inactive`.
    Direction(Direction),
    /// A number: `ptime`, `maxptime`, `framerate`, `sctp-port` ...
    Number(Option<u64>),
    /// `candidate` (RFC 8839, 5.1).
    Candidate {
        /// Foundation.
        foundation: Span,
        /// Component: 1 is RTP, 2 is RTCP.
        component: Option<u64>,
        /// `udp`, `tcp`.
        transport: Span,
        /// Priority.
        priority: Option<u64>,
        /// Address, or a name that mDNS resolves.
        address: Span,
        /// Port.
        port: Option<u16>,
        /// `host`, `srflx`, `prflx`, `relay`.
        kind: Span,
    },
    /// `crypto` (RFC 4568, 9.1).
    Crypto {
        /// Tag.
        tag: Option<u64>,
        /// Suite.
        suite: Span,
        /// Key parameters.
        key: Span,
    },
    /// `fingerprint` (RFC 8122, 5).
    Fingerprint {
        /// Hash function.
        hash: Span,
        /// Octets in hex between colons.
        digest: Span,
    },
    /// `group` and `ssrc-group`: semantics and what belongs together.
    Group {
        /// `BUNDLE`, `LS` ...
        semantics: Span,
        /// Identifiers.
        members: Span,
    },
    /// `rtcp`: where RTCP goes (RFC 3605).
    Rtcp {
        /// Port.
        port: Option<u16>,
        /// Network type, address type, address; empty when they are those of the media.
        address: Span,
    },
    /// `ssrc` (RFC 5576, 4.1).
    Ssrc {
        /// The identifier of the source.
        id: Option<u64>,
        /// What is said of it.
        attribute: Span,
    },
    /// `rtcp-fb`, `extmap`, `rid`, `msid`, `imageattr` ...: a first word and the rest.
    Keyed {
        /// Payload type, number or identifier.
        key: Span,
        /// The rest.
        rest: Span,
    },
    /// `mid`, `setup`, `ice-ufrag` and all that needs no splitting.
    Text,
    /// An attribute without value.
    Flag,
}

static KNOWN: LazyLock<HashSet<&'static [u8]>> = LazyLock::new(|| {
    include_str!("../../assets/registry/sdp_attributes.csv")
        .lines()
        .skip(1)
        .filter_map(|row| row.split(',').next())
        .map(str::as_bytes)
        .collect()
});

/// Decodes the value of an `a=` line.
pub(super) fn decode(line: Piece<'_>, diagnostics: &mut Vec<Diagnostic>) -> Attribute {
    let (name, value) = line
        .split_once(b':')
        .unwrap_or((line, line.skip(line.len())));
    let name = name.trim();
    let mut bad = |at: Piece<'_>, text: &'static str| {
        diagnostics.push(Diagnostic::new(Kind::SdpBadLine, at.span(), text));
    };
    if name.is_empty() {
        bad(line, "An attribute needs a name");
    }
    let meaning = match name.bytes() {
        b"rtpmap" => rtpmap(value, &mut bad),
        b"fmtp" => {
            let (format, params) = value.split_word();
            if params.is_empty() {
                bad(line, "fmtp reads: format and parameters");
            }
            Meaning::Fmtp {
                format: format.span(),
                params: params.span(),
            }
        }
        b"ptime" | b"maxptime" => {
            let value = value.trim();
            // Older devices send 20.0; a number of milliseconds all the same.
            let whole = value.split_once(b'.').map_or(value, |(whole, _)| whole);
            let number = whole.number();
            if number.is_none_or(|number| number == 0 || number > 60_000) {
                bad(line, "A packet time is a number of milliseconds above 0");
            }
            Meaning::Number(number)
        }
        b"sctp-port" | b"max-message-size" | b"maxprate" | b"framerate" | b"quality" => {
            Meaning::Number(value.trim().number())
        }
        b"candidate" => candidate(line, value, &mut bad),
        b"crypto" => {
            let mut rest = value;
            let (tag, suite) = (word(&mut rest), word(&mut rest));
            if tag.number().is_none() || rest.is_empty() {
                bad(line, "crypto reads: tag, suite and key");
            }
            Meaning::Crypto {
                tag: tag.number(),
                suite: suite.span(),
                key: rest.span(),
            }
        }
        b"fingerprint" => {
            let (hash, digest) = value.split_word();
            let octets = digest.trim_end().bytes();
            let valid = !octets.is_empty()
                && octets
                    .split(|b| *b == b':')
                    .all(|octet| octet.len() == 2 && octet.iter().all(u8::is_ascii_hexdigit));
            if !valid {
                bad(
                    line,
                    "A fingerprint reads: hash function and octets in hex between colons",
                );
            }
            Meaning::Fingerprint {
                hash: hash.span(),
                digest: digest.span(),
            }
        }
        b"group" | b"ssrc-group" => {
            let (semantics, members) = value.split_word();
            if semantics.is_empty() {
                bad(line, "A group needs its semantics");
            }
            Meaning::Group {
                semantics: semantics.span(),
                members: members.span(),
            }
        }
        b"rtcp" => {
            let (port, address) = value.split_word();
            let number = port.number().and_then(|port| u16::try_from(port).ok());
            if number.is_none() {
                bad(line, "rtcp needs a port from 0 to 65535");
            }
            Meaning::Rtcp {
                port: number,
                address: address.span(),
            }
        }
        b"ssrc" => {
            let (id, attribute) = value.split_word();
            if id.number().is_none_or(|id| id > u64::from(u32::MAX)) {
                bad(line, "ssrc begins with a number of 32 bits");
            }
            Meaning::Ssrc {
                id: id.number(),
                attribute: attribute.span(),
            }
        }
        b"setup" => {
            let roles: [&[u8]; 4] = [b"active", b"passive", b"actpass", b"holdconn"];
            if !roles.contains(&value.trim().bytes()) {
                bad(line, "setup is active, passive, actpass or holdconn");
            }
            Meaning::Text
        }
        b"mid" if value.trim().is_empty() => {
            bad(line, "mid needs an identifier");
            Meaning::Text
        }
        b"rtcp-fb" | b"extmap" | b"rid" | b"msid" | b"imageattr" | b"framesize" => {
            let (key, rest) = value.split_word();
            Meaning::Keyed {
                key: key.span(),
                rest: rest.span(),
            }
        }
        bytes => match Direction::from_bytes(bytes) {
            Some(direction) => Meaning::Direction(direction),
            None if line.find(b':').is_none() => Meaning::Flag,
            None => Meaning::Text,
        },
    };
    Attribute {
        name: name.span(),
        value: value.span(),
        known: KNOWN.contains(name.bytes()),
        meaning,
    }
}

fn rtpmap(value: Piece<'_>, bad: &mut impl FnMut(Piece<'_>, &'static str)) -> Meaning {
    let (number, encoding) = value.split_word();
    let encoding = encoding.trim_end();
    let (codec, rest) = encoding
        .split_once(b'/')
        .unwrap_or((encoding, encoding.skip(encoding.len())));
    let (rate, channels) = rest
        .split_once(b'/')
        .unwrap_or((rest, rest.skip(rest.len())));
    let payload_type = number.number().and_then(|number| u8::try_from(number).ok());
    let clock_rate = rate.number().and_then(|rate| u32::try_from(rate).ok());
    if payload_type.is_none_or(|number| number > 127) {
        bad(number, "A payload type is a number from 0 to 127");
    }
    // RFC 4475 and RFC 2327 have examples without clock rate.
    if !rest.is_empty() && clock_rate.is_none_or(|rate| rate == 0) {
        bad(rate, "A clock rate is a number above 0");
    }
    if codec.is_empty() {
        bad(value, "rtpmap reads: payload type, codec/clock rate");
    }
    Meaning::RtpMap {
        payload_type,
        codec: codec.span(),
        clock_rate,
        channels: channels.span(),
    }
}

fn candidate(
    line: Piece<'_>,
    value: Piece<'_>,
    bad: &mut impl FnMut(Piece<'_>, &'static str),
) -> Meaning {
    let mut rest = value;
    let foundation = word(&mut rest);
    let component = word(&mut rest).number();
    let transport = word(&mut rest);
    let priority = word(&mut rest).number();
    let address = word(&mut rest);
    let port = word(&mut rest)
        .number()
        .and_then(|port| u16::try_from(port).ok());
    let typ = word(&mut rest);
    let kind = word(&mut rest);
    // Drafts of ICE before RFC 5245 had another order; Lync still sends it.
    if !typ.is_empty()
        && typ.bytes() == b"typ"
        && (component.is_none() || priority.is_none() || port.is_none() || kind.is_empty())
    {
        bad(
            line,
            "A candidate needs component, priority, address, port and type",
        );
    }
    Meaning::Candidate {
        foundation: foundation.span(),
        component,
        transport: transport.span(),
        priority,
        address: address.span(),
        port,
        kind: kind.span(),
    }
}
