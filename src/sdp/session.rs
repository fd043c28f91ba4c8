//! A whole session description, line by line (RFC 8866, 5).

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::sync::LazyLock;

use super::attribute::{self, Attribute, Direction, Meaning};
use super::brief::{MediaKind, Proto, media_kind, proto};
use super::lines::{address, lines, word};
use crate::diagnostic::{Diagnostic, DiagnosticKind as Kind, Severity};
use crate::piece::{Piece, is_white};
use crate::span::Span;

/// Media sections that are decoded; more stay lines of text.
pub const MOST_MEDIA: usize = 1_000;
/// Lines that are decoded.
const MOST_LINES: usize = 20_000;
/// Diagnostics of one description.
const MOST_DIAGNOSTICS: usize = 200;

/// A session description. Spans count from the first octet of the message around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionDescription {
    /// All of it.
    pub span: Span,
    /// Every line in wire order.
    pub lines: Vec<Line>,
    /// The media sections.
    pub media: Vec<MediaDescription>,
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The letter before the equals sign; 0 when the line has no such form.
    pub letter: u8,
    /// The whole line.
    pub span: Span,
    /// What follows the equals sign.
    pub value: Span,
    /// What it says.
    pub content: Content,
}

/// What a line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// `o=`
    Origin(Origin),
    /// `c=`
    Connection(Connection),
    /// `b=`
    Bandwidth {
        /// `AS`, `CT`, `TIAS` ...
        kind: Span,
        /// The number; its unit depends on the kind.
        value: Option<u64>,
    },
    /// `t=`, in seconds since 1900; 0 is no bound.
    Time {
        /// Begin.
        start: Option<u64>,
        /// End.
        stop: Option<u64>,
    },
    /// `m=`
    Media(MediaLine),
    /// `a=`
    Attribute(Attribute),
    /// `v=`, `s=`, `i=` and all that is text.
    Text,
    /// No line of a session description.
    Broken,
}

/// Who made the session (5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// User name, `-` as a rule.
    pub username: Span,
    /// Session id.
    pub session_id: Span,
    /// Session version.
    pub session_version: Span,
    /// `IN`.
    pub net_type: Span,
    /// `IP4`, `IP6`.
    pub address_type: Span,
    /// Address or host name.
    pub address: Span,
}

/// Where media shall go (5.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// `IN`.
    pub net_type: Span,
    /// `IP4`, `IP6`.
    pub address_type: Span,
    /// Address with its time to live, or host name.
    pub address: Span,
    /// The address, when it is one.
    pub ip: Option<IpAddr>,
}

/// An `m=` line (5.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaLine {
    /// `audio`, `video` ...
    pub media: Span,
    /// Which of them.
    pub kind: MediaKind,
    /// Port, when it is one.
    pub port: Option<u16>,
    /// Port, with the number of ports behind a slash.
    pub port_span: Span,
    /// `RTP/AVP` ...
    pub proto: Span,
    /// Its class.
    pub proto_class: Proto,
    /// The formats.
    pub formats: Span,
}

/// A media section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaDescription {
    /// From its `m=` line to its last line.
    pub span: Span,
    /// The `m=` line.
    pub line: MediaLine,
    /// Value of the `m=` line.
    pub value: Span,
    /// Which of the lines of the session belong to it, the `m=` line included.
    pub lines: Range<usize>,
}

impl SessionDescription {
    /// The lines before the first media section.
    pub fn session_lines(&self) -> &[Line] {
        let end = self
            .media
            .first()
            .map_or(self.lines.len(), |media| media.lines.start);
        self.lines.get(..end).unwrap_or_default()
    }

    /// The lines of a media section, its `m=` line first.
    pub fn media_lines(&self, media: &MediaDescription) -> &[Line] {
        self.lines.get(media.lines.clone()).unwrap_or_default()
    }

    /// The origin.
    pub fn origin(&self) -> Option<&Origin> {
        self.lines.iter().find_map(|line| match &line.content {
            Content::Origin(origin) => Some(origin),
            _ => None,
        })
    }

    /// Where the media of a section go: its own `c=`, else that of the session.
    pub fn connection(&self, media: &MediaDescription) -> Option<&Connection> {
        connection(self.media_lines(media)).or_else(|| connection(self.session_lines()))
    }

    /// Direction of a section: its own, else that of the session, else both ways.
    pub fn direction(&self, media: &MediaDescription) -> Direction {
        direction(self.media_lines(media))
            .or_else(|| direction(self.session_lines()))
            .unwrap_or_default()
    }
}

fn connection(lines: &[Line]) -> Option<&Connection> {
    lines.iter().find_map(|line| match &line.content {
        Content::Connection(connection) => Some(connection),
        _ => None,
    })
}

fn direction(lines: &[Line]) -> Option<Direction> {
    lines.iter().find_map(|line| match &line.content {
        Content::Attribute(Attribute {
            meaning: Meaning::Direction(direction),
            ..
        }) => Some(*direction),
        _ => None,
    })
}

static MEDIA_TYPES: LazyLock<HashSet<&'static [u8]>> = LazyLock::new(|| {
    include_str!("../../assets/registry/sdp_media_types.csv")
        .lines()
        .skip(1)
        .filter_map(|row| row.split(',').next())
        .map(str::as_bytes)
        .collect()
});

/// Decodes the description that `span` names in a message. Never fails.
pub fn decode(bytes: &[u8], span: Span) -> (SessionDescription, Vec<Diagnostic>) {
    let text = Piece::of(bytes, span);
    let mut decoder = Decoder {
        session: SessionDescription {
            span: text.span(),
            lines: Vec::with_capacity(16),
            media: Vec::new(),
        },
        diagnostics: Vec::new(),
        rank: 0,
        last: 0,
    };
    let end = text
        .bytes()
        .iter()
        .rposition(|&b| !is_white(b))
        .map_or(0, |at| at.wrapping_add(1));
    // Empty lines at the end are common and harm nobody, a blank in `s= ` belongs to its line.
    let blank = text.bytes().get(end) == Some(&b' ');
    let text = if blank { text } else { text.take(end) };
    for line in lines(text) {
        if decoder.session.lines.len() >= MOST_LINES {
            let text = "More than 20,000 lines: the rest is kept as octets";
            decoder
                .diagnostics
                .push(Diagnostic::new(Kind::UnusualSize, line.span(), text));
            break;
        }
        decoder.line(line);
    }
    decoder.finish();
    decoder.diagnostics.truncate(MOST_DIAGNOSTICS);
    (decoder.session, decoder.diagnostics)
}

struct Decoder {
    session: SessionDescription,
    diagnostics: Vec<Diagnostic>,
    /// Place of the line before in the order that 5 prescribes.
    rank: u8,
    last: u8,
}

impl Decoder {
    fn bad(&mut self, at: Piece<'_>, text: &'static str) {
        self.diagnostics
            .push(Diagnostic::new(Kind::SdpBadLine, at.span(), text));
    }

    fn line(&mut self, line: Piece<'_>) {
        let (letter, value) = match line.bytes() {
            [letter, b'=', ..] if letter.is_ascii_alphabetic() => (*letter, line.skip(2)),
            _ => (0, line),
        };
        let content = match letter {
            b'v' => self.version(value),
            b'o' => self.origin(value),
            b'c' => self.connection(value),
            b'b' => self.bandwidth(value),
            b't' => self.time(value),
            b'm' => self.media(line, value),
            b'a' => Content::Attribute(attribute::decode(value, &mut self.diagnostics)),
            b's' | b'i' | b'u' | b'e' | b'p' | b'r' | b'z' | b'k' => Content::Text,
            0 => {
                if line.bytes().iter().all(|b| is_white(*b)) {
                    self.bad(line, "An empty line within a session description");
                } else {
                    self.bad(line, "A line has to read: letter, equals sign, value");
                }
                Content::Broken
            }
            _ => {
                self.bad(
                    line,
                    "No line of a session description begins with this letter",
                );
                Content::Broken
            }
        };
        self.control_characters(line);
        self.order(letter, line);
        self.session.lines.push(Line {
            letter,
            span: line.span(),
            value: value.span(),
            content,
        });
        let count = self.session.lines.len();
        if let Some(media) = self.session.media.last_mut() {
            media.span.end = line.span().end;
            media.lines.end = count;
        }
    }

    fn control_characters(&mut self, line: Piece<'_>) {
        let odd = line
            .bytes()
            .iter()
            .position(|b| (*b < 0x20 && *b != b'\t') || *b == 0x7f);
        if let Some(at) = odd {
            let octet = line.range(at, at.wrapping_add(1)).span();
            let text = "A control character in a session description";
            self.diagnostics
                .push(Diagnostic::new(Kind::ControlCharacter, octet, text));
        }
    }

    /// Lines stand in a fixed order (5).
    fn order(&mut self, letter: u8, line: Piece<'_>) {
        let in_media = !self.session.media.is_empty();
        let rank = match (letter, in_media) {
            (b'm', _) => 0,
            (b'v', false) => 1,
            (b'o', false) => 2,
            (b's', false) => 3,
            (b'i', _) => 4,
            (b'u', false) => 5,
            (b'e', false) => 6,
            (b'p', false) => 7,
            (b'c', _) => 8,
            (b'b', _) => 9,
            (b't' | b'r', false) => 10,
            (b'z', false) => 11,
            (b'k', _) => 12,
            (b'a', _) => 13,
            (0, _) => return,
            (b'v' | b'o' | b's' | b'u' | b'e' | b'p' | b't' | b'r' | b'z', true) => {
                self.bad(line, "This line belongs before the first media section");
                return;
            }
            _ => return,
        };
        let once = matches!(letter, b'v' | b'o' | b's' | b'i' | b'u' | b'z' | b'k');
        if letter != b'm' && rank < self.rank {
            // Everybody reads it, and RFC 3264 prints it.
            let text = "This line stands behind one that has to follow it";
            let order = Diagnostic::new(Kind::SdpBadLine, line.span(), text);
            self.diagnostics.push(order.with_severity(Severity::Info));
        } else if once && letter == self.last {
            self.bad(line, "This line may stand once");
        }
        (self.rank, self.last) = (
            if letter == b'm' {
                0
            } else {
                self.rank.max(rank)
            },
            letter,
        );
    }

    fn version(&mut self, value: Piece<'_>) -> Content {
        if value.trim_end().bytes() != b"0" {
            self.bad(value, "The version of SDP is 0");
        }
        Content::Text
    }

    fn origin(&mut self, value: Piece<'_>) -> Content {
        let mut rest = value;
        let [
            username,
            session_id,
            session_version,
            net_type,
            address_type,
            address,
        ] = std::array::from_fn(|_| word(&mut rest));
        if address.is_empty() || !rest.is_empty() {
            self.bad(value, "o= has six fields");
        } else if !session_id.is_digits() || !session_version.is_digits() {
            self.bad(value, "Session id and version in o= are numbers");
        } else {
            self.check_address(net_type, address_type, address);
        }
        Content::Origin(Origin {
            username: username.span(),
            session_id: session_id.span(),
            session_version: session_version.span(),
            net_type: net_type.span(),
            address_type: address_type.span(),
            address: address.span(),
        })
    }

    fn connection(&mut self, value: Piece<'_>) -> Content {
        let mut rest = value;
        let [net_type, address_type, text] = std::array::from_fn(|_| word(&mut rest));
        if text.is_empty() || !rest.is_empty() {
            self.bad(value, "c= has three fields");
        } else {
            self.check_address(net_type, address_type, text);
        }
        Content::Connection(Connection {
            net_type: net_type.span(),
            address_type: address_type.span(),
            address: text.span(),
            ip: address(text),
        })
    }

    /// An address of the wrong kind, or one that is none. Names are allowed.
    fn check_address(&mut self, net_type: Piece<'_>, address_type: Piece<'_>, text: Piece<'_>) {
        if net_type.bytes() != b"IN" {
            return;
        }
        let (base, suffix) = match text.split_once(b'/') {
            Some((base, suffix)) => (base, Some(suffix)),
            None => (text, None),
        };
        let name = str::from_utf8(base.bytes()).unwrap_or_default();
        let numeric = base
            .bytes()
            .iter()
            .all(|b| b.is_ascii_digit() || *b == b'.');
        let valid = match address_type.bytes() {
            b"IP4" => name.parse::<Ipv4Addr>().is_ok() || (!numeric && base.find(b':').is_none()),
            b"IP6" => name.parse::<Ipv6Addr>().is_ok() || (!numeric && base.find(b':').is_none()),
            _ => {
                self.bad(address_type, "The address type is neither IP4 nor IP6");
                return;
            }
        };
        if !valid {
            self.bad(text, "This is no address of its type");
        } else if suffix.is_some_and(|suffix| {
            !suffix
                .bytes()
                .split(|b| *b == b'/')
                .all(|part| Piece::whole(part).is_digits())
        }) {
            self.bad(text, "Numbers have to follow the slash behind an address");
        }
    }

    fn bandwidth(&mut self, value: Piece<'_>) -> Content {
        let (kind, number) = value
            .split_once(b':')
            .unwrap_or((value, value.skip(value.len())));
        let number = number.trim().number();
        if number.is_none() || kind.is_empty() {
            self.bad(value, "b= reads: type, colon, number");
        }
        Content::Bandwidth {
            kind: kind.span(),
            value: number,
        }
    }

    fn time(&mut self, value: Piece<'_>) -> Content {
        let mut rest = value;
        let (start, stop) = (word(&mut rest).number(), word(&mut rest).number());
        if start.is_none() || stop.is_none() || !rest.is_empty() {
            self.bad(value, "t= has two numbers");
        }
        Content::Time { start, stop }
    }

    fn media(&mut self, line: Piece<'_>, value: Piece<'_>) -> Content {
        let mut rest = value;
        let [media, port, transport] = std::array::from_fn(|_| word(&mut rest));
        let number = match port.split_once(b'/') {
            Some((number, count)) => {
                if count.number().is_none_or(|count| count == 0) {
                    self.bad(count, "The number of ports has to be above 0");
                }
                number
            }
            None => port,
        };
        let fits = number.number().and_then(|port| u16::try_from(port).ok());
        if rest.is_empty() {
            self.bad(value, "m= reads: media, port, protocol, formats");
        } else if fits.is_none() {
            self.bad(port, "A port is a number from 0 to 65535");
        }
        if !media.is_empty() && !MEDIA_TYPES.contains(media.bytes()) {
            let text = format!("The media type \"{}\" is in no registry", media.text());
            self.diagnostics
                .push(Diagnostic::new(Kind::SdpUnknownMedia, media.span(), text));
        }
        let class = proto(transport.bytes());
        if class == Proto::Rtp || class == Proto::SecureRtp || class == Proto::DtlsRtp {
            let mut formats = rest;
            while !formats.is_empty() {
                let format = word(&mut formats);
                if format.number().is_none_or(|number| number > 127) {
                    self.bad(format, "A format of RTP is a payload type from 0 to 127");
                }
            }
        }
        let decoded = MediaLine {
            media: media.span(),
            kind: media_kind(media),
            port: fits,
            port_span: port.span(),
            proto: transport.span(),
            proto_class: class,
            formats: rest.span(),
        };
        if self.session.media.len() < MOST_MEDIA {
            let at = self.session.lines.len();
            self.session.media.push(MediaDescription {
                span: line.span(),
                line: decoded,
                value: value.span(),
                lines: at..at,
            });
        } else if self.session.media.len() == MOST_MEDIA {
            let text = "More than 1,000 media sections: the rest belongs to none";
            self.diagnostics
                .push(Diagnostic::new(Kind::UnusualSize, line.span(), text));
        }
        Content::Media(decoded)
    }

    fn finish(&mut self) {
        let session = &self.session;
        let start = Span {
            end: session.span.start,
            ..session.span
        };
        let mut missing = Vec::new();
        for (letter, name) in [(b'v', "v="), (b'o', "o="), (b's', "s="), (b't', "t=")] {
            if !session
                .session_lines()
                .iter()
                .any(|line| line.letter == letter)
            {
                missing.push((start, format!("The line {name} is missing")));
            }
        }
        if connection(session.session_lines()).is_none() {
            for media in &session.media {
                // A section that is refused needs no address.
                let needs = media.line.port != Some(0);
                if needs && connection(session.media_lines(media)).is_none() {
                    let text = "There is no c= line for this media section".to_owned();
                    missing.push((media.span, text));
                }
            }
        }
        for (span, text) in missing {
            self.diagnostics
                .push(Diagnostic::new(Kind::SdpMissingLine, span, text));
        }
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(lines: &[&str], expected: &[&str]) {
        let text = lines.join("\r\n") + "\r\n";
        let (session, diagnostics) = decode(text.as_bytes(), Span::new(0, text.len()));
        let kinds: Vec<&str> = diagnostics
            .iter()
            .map(|diagnostic| diagnostic.kind.id())
            .collect();
        assert_eq!(kinds, expected, "{diagnostics:?}");
        assert_eq!(session.lines.len(), lines.len());
    }

    const HEAD: [&str; 5] = [
        "v=0",
        "o=- 1 1 IN IP4 h.example",
        "s=-",
        "c=IN IP4 192.0.2.1",
        "t=0 0",
    ];

    #[test]
    fn faults_of_lines_are_found() {
        let with = |lines: &[&'static str]| [&HEAD[..], lines].concat();
        check(
            &with(&["m=audio 49170 RTP/AVP 0", "a=rtpmap:0 PCMU/8000"]),
            &[],
        );
        check(&with(&["m=audio 70000 RTP/AVP 0"]), &["sdp-bad-line"]);
        check(&with(&["m=audio 1 RTP/AVP"]), &["sdp-bad-line"]);
        check(
            &with(&["m=audio 1 RTP/AVP 0", "a=ptime:0"]),
            &["sdp-bad-line"],
        );
        check(
            &with(&["m=audio 1 RTP/AVP 0", "a=rtpmap:0 PCMU/0"]),
            &["sdp-bad-line"],
        );
        check(&with(&["m=smell 1 RTP/AVP 0"]), &["sdp-unknown-media"]);
        check(&with(&["m =audio 1 RTP/AVP 0"]), &["sdp-bad-line"]);
        check(
            &with(&["c=IN IP4 300.1.1.1"]),
            &["sdp-bad-line", "sdp-bad-line"],
        );
        check(&with(&["a=x\u{1b}"]), &["control-character"]);
        check(&HEAD[1..], &["sdp-missing-line"]);
        check(
            &[
                "v=0",
                "o=- 1 1 IN IP4 h",
                "s=-",
                "t=0 0",
                "m=audio 1 RTP/AVP 0",
            ],
            &["sdp-missing-line"],
        );
    }

    #[test]
    fn sections_know_their_lines() {
        let text = [
            &HEAD[..],
            &[
                "a=recvonly",
                "m=audio 1 RTP/AVP 0",
                "m=video 2 RTP/AVP 31",
                "c=IN IP6 ::1",
                "a=sendonly",
            ],
        ]
        .concat()
        .join("\n");
        let (session, diagnostics) = decode(text.as_bytes(), Span::new(0, text.len()));
        assert_eq!(diagnostics, []);
        let directions: Vec<_> = session
            .media
            .iter()
            .map(|media| session.direction(media))
            .collect();
        assert_eq!(directions, [Direction::RecvOnly, Direction::SendOnly]);
        let addresses: Vec<_> = session
            .media
            .iter()
            .map(|media| {
                session
                    .connection(media)
                    .map(|c| c.address.of(text.as_bytes()))
            })
            .collect();
        assert_eq!(addresses, [Some(&b"192.0.2.1"[..]), Some(b"::1")]);
    }
}
