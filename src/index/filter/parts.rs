//! Wireshark's names for parts of headers and of session descriptions.
//!
//! People bring their filters along. What such a name means is read from the decoded message; a
//! filter on it is not answered from the index.

use super::fields::FieldType;
use crate::sip::Param;
use crate::sip::header_name::{Header, HeaderName};
use crate::sip::headers::{Address, HeaderValue, Value};
use crate::sip::message::Message;
use crate::sip::start_line::StartKind;
use crate::sip::uri::Uri;
use crate::span::Span;

/// A part of a message that has a name.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    /// First line of a message of that kind.
    StartLine(StartKind),
    /// All header lines.
    HeaderLines,
    /// The body.
    Body,
    /// Of the Request-URI.
    RequestUri(AddressPart),
    /// Of the addresses in a header; without a header of From and To.
    Address(Option<HeaderName>, AddressPart),
    /// Of every Via value.
    Via(ViaPart),
    /// A parameter of credentials and challenges; without a name the scheme.
    Auth(Option<String>),
    /// A parameter of Reason (RFC 3326) with this protocol; without a name the protocol.
    Reason(Option<&'static str>, Option<&'static str>),
    /// A word of RAck.
    RAck(usize),
    /// Lines of a session description by their letter, whole or one of their words.
    SdpLine(u8, Option<usize>),
    /// Lines of a session description by their letter, of the session or of its media.
    SdpLevel(u8, Level),
    /// Name or value of `a=` lines.
    SdpAttribute { value: bool, level: Level },
    /// The formats of media, by the names that Wireshark gives them.
    SdpFormat,
    /// Names of codecs in `a=rtpmap`.
    SdpCodec,
    /// Whole session descriptions.
    Sdp,
}

/// Where in a session description a line stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Level {
    /// Before the first `m=`.
    Session,
    /// Behind it.
    Media,
}

/// A part of an address.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum AddressPart {
    Name,
    Uri,
    User,
    Host,
    Port,
    Param,
    Tag,
}

/// A part of a Via value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ViaPart {
    Transport,
    Host,
    Port,
    Param(String),
}

/// The part that `name` means, and what it holds.
pub(super) fn find(name: &str) -> Option<(Part, FieldType)> {
    let lower = name.to_ascii_lowercase();
    let part = if let Some(rest) = lower.strip_prefix("sdp.") {
        sdp(rest)?
    } else {
        sip(lower.strip_prefix("sip.")?)?
    };
    let number = matches!(
        part,
        Part::RequestUri(AddressPart::Port)
            | Part::Address(_, AddressPart::Port)
            | Part::Via(ViaPart::Port)
            | Part::Reason(_, Some("cause"))
            | Part::RAck(0 | 1)
    ) || lower == "sdp.media.port";
    let kind = if number {
        FieldType::Number
    } else {
        FieldType::Text
    };
    Some((part, kind))
}

fn sip(name: &str) -> Option<Part> {
    let (first, rest) = name.split_once('.').unwrap_or((name, ""));
    Some(match (first, rest) {
        ("request-line", "") => Part::StartLine(StartKind::Request),
        ("status-line", "") => Part::StartLine(StartKind::Response),
        ("msg_hdr", "") => Part::HeaderLines,
        ("msg_body", "") => Part::Body,
        ("tag", "") => Part::Address(None, AddressPart::Tag),
        ("display", "info") => Part::Address(None, AddressPart::Name),
        ("r-uri", rest) => Part::RequestUri(address(rest)?),
        ("via", rest) if !rest.is_empty() => Part::Via(match rest {
            "transport" => ViaPart::Transport,
            "sent-by.address" => ViaPart::Host,
            "sent-by.port" => ViaPart::Port,
            param => ViaPart::Param(plain(param)?),
        }),
        ("auth", "scheme") => Part::Auth(None),
        ("auth", rest) if !rest.is_empty() => {
            let name = rest.strip_prefix("digest.").unwrap_or(rest);
            Part::Auth(Some(plain(name)?))
        }
        ("rack", "rseq.seq") => Part::RAck(0),
        ("rack", "cseq.seq") => Part::RAck(1),
        ("rack", "cseq.method") => Part::RAck(2),
        ("reason_protocols", "") => Part::Reason(None, None),
        ("reason_cause_q850", "") => Part::Reason(Some("Q.850"), Some("cause")),
        ("reason_cause_sip", "") => Part::Reason(Some("SIP"), Some("cause")),
        ("reason_text", "") => Part::Reason(None, Some("text")),
        (header, rest) if !rest.is_empty() => {
            let header = match header {
                "pai" => "P-Asserted-Identity",
                "ppi" => "P-Preferred-Identity",
                name => name,
            };
            let header = HeaderName::from_bytes(header.as_bytes());
            header.as_str()?;
            Part::Address(Some(header), address(rest)?)
        }
        _ => return None,
    })
}

fn address(name: &str) -> Option<AddressPart> {
    Some(match name {
        "display.info" => AddressPart::Name,
        "addr" | "uri" => AddressPart::Uri,
        "user" => AddressPart::User,
        "host" => AddressPart::Host,
        "port" => AddressPart::Port,
        "param" | "parameter" => AddressPart::Param,
        "tag" => AddressPart::Tag,
        _ => return None,
    })
}

/// A name of a parameter, not a path.
fn plain(name: &str) -> Option<String> {
    (!name.is_empty() && !name.contains('.')).then(|| name.to_owned())
}

fn sdp(name: &str) -> Option<Part> {
    let (letter, word) = match name {
        "version" => (b'v', None),
        "owner" => (b'o', None),
        "owner.username" => (b'o', Some(0)),
        "owner.sessionid" => (b'o', Some(1)),
        "owner.version" => (b'o', Some(2)),
        "owner.network_type" => (b'o', Some(3)),
        "owner.address_type" => (b'o', Some(4)),
        "owner.address" => (b'o', Some(5)),
        "session_name" => (b's', None),
        "session_info" => return Some(Part::SdpLevel(b'i', Level::Session)),
        "media_title" => return Some(Part::SdpLevel(b'i', Level::Media)),
        "uri" => (b'u', None),
        "email" => (b'e', None),
        "phone" => (b'p', None),
        "connection_info" => (b'c', None),
        "connection_info.network_type" => (b'c', Some(0)),
        "connection_info.address_type" => (b'c', Some(1)),
        "connection_info.address" => (b'c', Some(2)),
        "bandwidth" => (b'b', None),
        "time" => (b't', None),
        "time.start" => (b't', Some(0)),
        "time.stop" => (b't', Some(1)),
        "media" => (b'm', None),
        "media.media" => (b'm', Some(0)),
        "media.port" | "media.port_string" => (b'm', Some(1)),
        "media.proto" => (b'm', Some(2)),
        "media.format" => return Some(Part::SdpFormat),
        "mime.type" => return Some(Part::SdpCodec),
        "session_attr" => return Some(Part::SdpLevel(b'a', Level::Session)),
        "media_attr" => return Some(Part::SdpLevel(b'a', Level::Media)),
        "session_attr.field" => return attribute(false, Level::Session),
        "session_attr.value" => return attribute(true, Level::Session),
        "media_attribute.field" => return attribute(false, Level::Media),
        "media_attribute.value" => return attribute(true, Level::Media),
        _ => return None,
    };
    Some(Part::SdpLine(letter, word))
}

fn attribute(value: bool, level: Level) -> Option<Part> {
    Some(Part::SdpAttribute { value, level })
}

impl Part {
    /// True when a value of this part in the message is as wanted.
    pub(super) fn any(
        &self,
        message: &Message,
        bytes: &[u8],
        wanted: &mut dyn FnMut(&[u8]) -> bool,
    ) -> bool {
        if *self == Self::SdpFormat {
            return formats(message, bytes, wanted);
        }
        let mut is = |span: Span| !span.is_empty() && wanted(span.of(bytes));
        match self {
            Self::StartLine(kind) => message.start.kind == *kind && is(first_line(bytes)),
            Self::HeaderLines => is(Span {
                start: 0,
                end: message.header_len,
            }),
            Self::Body => is(message.body),
            Self::RequestUri(part) => {
                let uri = message.request_uri.as_ref();
                uri.is_some_and(|uri| of_uri(uri, *part).into_iter().any(is))
            }
            Self::Address(header, part) => message
                .headers
                .iter()
                .filter(|field| match header {
                    Some(header) => field.name == *header,
                    None if *part == AddressPart::Name => has_display_info(field.name),
                    None => matches!(field.name.header(), Header::From | Header::To),
                })
                .flat_map(|field| &field.values)
                .filter_map(|value| match &value.value {
                    Value::Address(address) => Some(address),
                    _ => None,
                })
                .any(|address| of_address(address, *part, bytes).into_iter().any(&mut is)),
            Self::Via(part) => message
                .values(Header::Via)
                .filter_map(|value| match &value.value {
                    Value::Via(via) => Some(via),
                    _ => None,
                })
                .any(|via| match part {
                    ViaPart::Transport => is(via.transport),
                    ViaPart::Host => is(via.host),
                    ViaPart::Port => is(via.port_span),
                    ViaPart::Param(name) => params(&via.params, name, bytes).any(&mut is),
                }),
            Self::Auth(name) => message
                .headers
                .iter()
                .flat_map(|field| &field.values)
                .filter_map(|value| match &value.value {
                    Value::Auth(auth) => Some(auth),
                    _ => None,
                })
                .any(|auth| match name {
                    None => is(auth.scheme),
                    Some(name) => params(&auth.params, name, bytes).any(&mut is),
                }),
            Self::Reason(protocol, name) => message
                .values(Header::Reason)
                .filter_map(token)
                .filter(|(token, _)| {
                    protocol.is_none_or(|p| token.of(bytes).eq_ignore_ascii_case(p.as_bytes()))
                })
                .any(|(token, list)| match name {
                    None => is(token),
                    Some(name) => params(list, name, bytes).any(&mut is),
                }),
            Self::RAck(at) => message
                .values(Header::RAck)
                .any(|value| word(value.span, *at, bytes).is_some_and(&mut is)),
            Self::SdpLine(letter, at) => lines(message, *letter).any(|value| match at {
                None => is(value),
                Some(at) => word(value, *at, bytes).is_some_and(&mut is),
            }),
            Self::SdpLevel(letter, level) => lines_of(message, *letter, *level).any(is),
            Self::SdpAttribute { value, level } => {
                lines_of(message, b'a', *level).any(|line| match split_attribute(line, bytes) {
                    // The values of these two Wireshark has under other names.
                    (name, Some(after)) if *value => {
                        !matches!(name.of(bytes), b"rtpmap" | b"fmtp") && is(after)
                    }
                    (name, Some(_)) => is(name),
                    // Wireshark splits only what has a colon.
                    (_, None) => false,
                })
            }
            Self::SdpCodec => codecs(message, bytes).any(|(_, name)| is(name)),
            Self::Sdp => message.sessions.iter().any(|session| is(session.span)),
            Self::SdpFormat => false,
        }
    }
}

/// The headers whose display names Wireshark collects.
fn has_display_info(name: HeaderName) -> bool {
    let others = ["P-Asserted-Identity", "P-Preferred-Identity"];
    matches!(
        name.header(),
        Header::From | Header::To | Header::Contact | Header::Route | Header::RecordRoute
    ) || others
        .iter()
        .any(|other| name == HeaderName::from_bytes(other.as_bytes()))
}

/// Name of an attribute, and what stands behind its colon.
fn split_attribute(line: Span, bytes: &[u8]) -> (Span, Option<Span>) {
    let colon = memchr::memchr(b':', line.of(bytes)).and_then(|at| u32::try_from(at).ok());
    let Some(colon) = colon else {
        return (line, None);
    };
    let name = Span {
        start: line.start,
        end: line.start + colon,
    };
    let value = Span {
        start: name.end + 1,
        end: line.end,
    };
    (name, Some(value))
}

/// Payload type and name of each `a=rtpmap` (RFC 8866, 6.6).
fn codecs<'a>(message: &'a Message, bytes: &'a [u8]) -> impl Iterator<Item = (Span, Span)> + 'a {
    lines_of(message, b'a', Level::Media).filter_map(|line| {
        let (name, value) = split_attribute(line, bytes);
        if name.of(bytes) != b"rtpmap" {
            return None;
        }
        let payload_type = word(value?, 0, bytes)?;
        let mut codec = word(value?, 1, bytes)?;
        let slash = memchr::memchr(b'/', codec.of(bytes))?;
        codec.end = codec.start + u32::try_from(slash).ok()?;
        Some((payload_type, codec))
    })
}

/// What Wireshark shows as format: the words of `m=` from the fourth on, payload types of RTP by
/// their names (RFC 3551, 6), and the payload types that `a=rtpmap` speaks of.
fn formats(message: &Message, bytes: &[u8], wanted: &mut dyn FnMut(&[u8]) -> bool) -> bool {
    for line in lines(message, b'm') {
        let is_rtp = word(line, 2, bytes)
            .is_some_and(|proto| proto.of(bytes).windows(4).any(|part| part == b"RTP/"));
        for format in line
            .of(bytes)
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .skip(3)
        {
            let number = std::str::from_utf8(format).ok();
            let number = number
                .and_then(|n| n.parse::<u8>().ok())
                .filter(|n| *n < 128);
            let holds = match number.filter(|_| is_rtp) {
                Some(number @ 96..) => wanted(format!("DynamicRTP-Type-{number}").as_bytes()),
                Some(number) => wanted(payload_type(number).as_bytes()),
                None => wanted(format),
            };
            if holds {
                return true;
            }
        }
    }
    codecs(message, bytes).any(|(number, _)| wanted(number.of(bytes)))
}

/// Wireshark's name of a static payload type.
fn payload_type(number: u8) -> &'static str {
    match number {
        0 => "ITU-T G.711 PCMU",
        1 => "USA Federal Standard FS-1016",
        2 => "ITU-T G.721",
        3 => "GSM 06.10",
        4 => "ITU-T G.723",
        5 => "DVI4 8000 samples/s",
        6 => "DVI4 16000 samples/s",
        7 => "Experimental linear predictive encoding from Xerox PARC",
        8 => "ITU-T G.711 PCMA",
        9 => "ITU-T G.722",
        10 => "16-bit uncompressed audio, stereo",
        11 => "16-bit uncompressed audio, monaural",
        12 => "Qualcomm Code Excited Linear Predictive coding",
        13 => "Comfort noise",
        14 => "MPEG-I/II Audio",
        15 => "ITU-T G.728",
        16 => "DVI4 11025 samples/s",
        17 => "DVI4 22050 samples/s",
        18 => "ITU-T G.729",
        19 => "Comfort noise (old)",
        25 => "Sun CellB video encoding",
        26 => "JPEG-compressed video",
        28 => "'nv' program",
        31 => "ITU-T H.261",
        32 => "MPEG-I/II Video",
        33 => "MPEG-II transport streams",
        34 => "ITU-T H.263",
        72..=76 => "Reserved for RTCP conflict avoidance",
        _ => "Unassigned",
    }
}

/// Lines of a session description by their letter, on one of its levels.
fn lines_of(message: &Message, letter: u8, level: Level) -> impl Iterator<Item = Span> + '_ {
    message.sessions.iter().flat_map(move |session| {
        let media = session.lines.iter().position(|line| line.letter == b'm');
        let (of_session, of_media) = session.lines.split_at(
            media
                .unwrap_or(session.lines.len())
                .min(session.lines.len()),
        );
        match level {
            Level::Session => of_session,
            Level::Media => of_media,
        }
        .iter()
        .filter(move |line| line.letter == letter)
        .map(|line| line.value)
    })
}

fn first_line(bytes: &[u8]) -> Span {
    let end = memchr::memchr2(b'\r', b'\n', bytes).unwrap_or(bytes.len());
    Span {
        start: 0,
        end: u32::try_from(end).unwrap_or(u32::MAX),
    }
}

fn of_uri(uri: &Uri, part: AddressPart) -> Vec<Span> {
    match part {
        AddressPart::Uri => vec![uri.span],
        AddressPart::User => vec![uri.user],
        AddressPart::Host => vec![uri.host],
        AddressPart::Port => vec![uri.port_span],
        AddressPart::Param => uri.params.iter().map(whole).collect(),
        AddressPart::Name | AddressPart::Tag => Vec::new(),
    }
}

fn of_address(address: &Address, part: AddressPart, bytes: &[u8]) -> Vec<Span> {
    match part {
        AddressPart::Name => vec![address.name],
        AddressPart::Tag => params(&address.params, "tag", bytes).collect(),
        AddressPart::Param => {
            let mut spans = of_uri(&address.uri, part);
            // The tag has a name of its own.
            let others = |param: &&Param| !param.name.of(bytes).eq_ignore_ascii_case(b"tag");
            spans.extend(address.params.iter().filter(others).map(whole));
            spans
        }
        part => of_uri(&address.uri, part),
    }
}

/// Name and value of a parameter.
fn whole(param: &Param) -> Span {
    Span {
        start: param.name.start,
        end: param.value.unwrap_or(param.name).end,
    }
}

/// Values of the parameters with this name, without quotes.
fn params<'a>(
    list: &'a [Param],
    name: &'a str,
    bytes: &'a [u8],
) -> impl Iterator<Item = Span> + 'a {
    list.iter()
        .filter(move |param| param.name.of(bytes).eq_ignore_ascii_case(name.as_bytes()))
        .map(move |param| {
            // Without a value the name stands for it: `rport` alone is there.
            param
                .value
                .map_or(param.name, |value| unquoted(value, bytes))
        })
}

fn unquoted(span: Span, bytes: &[u8]) -> Span {
    match span.of(bytes) {
        [b'"', .., b'"'] => Span {
            start: span.start + 1,
            end: span.end - 1,
        },
        _ => span,
    }
}

fn token(value: &HeaderValue) -> Option<(Span, &[Param])> {
    match &value.value {
        Value::Token(token) => Some((token.token, &token.params)),
        _ => None,
    }
}

/// The word at a position among words parted by blanks.
fn word(span: Span, at: usize, bytes: &[u8]) -> Option<Span> {
    let text = span.of(bytes);
    let word = text
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .nth(at)?;
    let start = (word.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    let start = span.start + u32::try_from(start).ok()?;
    Some(Span {
        start,
        end: start + u32::try_from(word.len()).ok()?,
    })
}

fn lines(message: &Message, letter: u8) -> impl Iterator<Item = Span> + '_ {
    message
        .sessions
        .iter()
        .flat_map(|session| &session.lines)
        .filter(move |line| line.letter == letter)
        .map(|line| line.value)
}
