//! The few facts of a session description that the index needs, without allocating.

use std::net::IpAddr;

use super::attribute::Direction;
use super::lines::{address, lines, word};
use crate::piece::Piece;
use crate::span::Span;

/// Media sections that a brief holds; more are counted.
pub const MOST_MEDIA: usize = 8;
/// Payload types of a section that a brief holds; more are counted.
pub const MOST_PAYLOADS: usize = 16;
/// Payload types of all sections together that a brief holds.
const PAYLOAD_POOL: usize = 48;

/// What a media section carries (RFC 8866, 5.14).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Moving pictures.
    Video,
    /// Real-time text.
    Text,
    /// Data of an application.
    Application,
    /// Instant messages (MSRP).
    Message,
    /// Fax (T.38) and pictures.
    Image,
    /// Anything else.
    #[default]
    Other,
}

/// Transport protocols by what a tool can do with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Proto {
    /// RTP in clear.
    Rtp,
    /// RTP with keys in the description (`SAVP`).
    SecureRtp,
    /// RTP with keys by DTLS (`UDP/TLS/RTP/SAVP`).
    DtlsRtp,
    /// Fax (T.38).
    Udptl,
    /// MSRP, with or without TLS.
    Msrp,
    /// Data channels.
    Sctp,
    /// Floor control.
    Bfcp,
    /// Anything else.
    #[default]
    Other,
}

/// A payload type of a media section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// Number in the RTP header.
    pub number: u8,
    /// Name of the codec in its `a=rtpmap`; empty without one.
    pub codec: Span,
    /// Clock rate in Hz, by `a=rtpmap` or by RFC 3551; 0 when unknown.
    pub clock_rate: u32,
}

/// One media section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaBrief {
    /// What it carries.
    pub kind: MediaKind,
    /// Port; 0 refuses the section.
    pub port: u16,
    /// Number of port pairs, 1 as a rule.
    pub port_count: u16,
    /// Transport.
    pub proto: Proto,
    /// Where media shall be sent to; the section's own `c=` overrides the session's.
    pub address: Option<IpAddr>,
    /// Direction, as seen by the sender of the description.
    pub direction: Direction,
    /// Port of `a=rtcp`.
    pub rtcp_port: Option<u16>,
    /// RTP and RTCP share a port.
    pub rtcp_mux: bool,
    /// Where its payload types begin among those of the description.
    payload_first: u8,
    /// How many payload types it has there.
    payload_len: u8,
    /// Formats in the `m=` line, also those that are no numbers.
    pub format_total: u16,
}

/// The facts of one session description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SdpBrief {
    /// Media sections; `media_len` of them count.
    pub media: [MediaBrief; MOST_MEDIA],
    /// How many of `media` are filled.
    pub media_len: u8,
    /// Payload types of all sections; see [`payloads`](Self::payloads).
    pool: [Payload; PAYLOAD_POOL],
    pool_len: u8,
    /// Media sections in all.
    pub media_total: u16,
    /// Value of the `o=` line.
    pub origin: Span,
    /// Session id in `o=`.
    pub session_id: Span,
    /// Session version in `o=`.
    pub session_version: Span,
    /// Address of the `c=` line of the session.
    pub address: Option<IpAddr>,
    /// Direction at session level.
    pub direction: Direction,
    /// There are lines `a=candidate`; see [`candidates`].
    pub has_candidates: bool,
}

impl Default for SdpBrief {
    fn default() -> Self {
        const MEDIA: MediaBrief = MediaBrief {
            kind: MediaKind::Other,
            port: 0,
            port_count: 0,
            proto: Proto::Other,
            address: None,
            direction: Direction::SendRecv,
            rtcp_port: None,
            rtcp_mux: false,
            payload_first: 0,
            payload_len: 0,
            format_total: 0,
        };
        const NONE: Span = Span { start: 0, end: 0 };
        const PAYLOAD: Payload = Payload {
            number: 0,
            codec: NONE,
            clock_rate: 0,
        };
        Self {
            media: [MEDIA; MOST_MEDIA],
            media_len: 0,
            pool: [PAYLOAD; PAYLOAD_POOL],
            pool_len: 0,
            media_total: 0,
            origin: NONE,
            session_id: NONE,
            session_version: NONE,
            address: None,
            direction: Direction::SendRecv,
            has_candidates: false,
        }
    }
}

impl SdpBrief {
    /// The payload types of one of its sections, in order of preference.
    pub fn payloads(&self, media: &MediaBrief) -> &[Payload] {
        let first = usize::from(media.payload_first);
        let end = first.saturating_add(usize::from(media.payload_len));
        self.pool.get(first..end).unwrap_or_default()
    }

    /// The media sections.
    pub fn media(&self) -> &[MediaBrief] {
        self.media
            .get(..usize::from(self.media_len))
            .unwrap_or_default()
    }

    fn current(&mut self) -> Option<&mut MediaBrief> {
        let last = usize::from(self.media_len).checked_sub(1)?;
        // Sections beyond the limit must not write into the last one that is held.
        if usize::from(self.media_total) > usize::from(self.media_len) {
            return None;
        }
        self.media.get_mut(last)
    }
}

/// Reads a session description. Spans count from the first octet of `body`.
pub fn brief(body: &[u8]) -> SdpBrief {
    let mut brief = SdpBrief::default();
    for line in lines(Piece::whole(body)) {
        let [letter, b'=', ..] = line.bytes() else {
            continue;
        };
        let value = line.skip(2);
        match letter {
            b'a' => attribute(&mut brief, value),
            b'm' => media(&mut brief, value),
            b'c' => connection(&mut brief, value),
            b'o' if brief.origin.is_empty() => {
                brief.origin = value.span();
                let mut rest = value;
                word(&mut rest);
                brief.session_id = word(&mut rest).span();
                brief.session_version = word(&mut rest).span();
            }
            _ => {}
        }
    }
    brief
}

/// Where else media may be sent to (RFC 8839, 5.1): position of the section, address and port of each
/// candidate for RTP over UDP.
pub fn candidates(body: &[u8]) -> impl Iterator<Item = (u16, IpAddr, u16)> + '_ {
    let mut sections = 0_u16;
    lines(Piece::whole(body)).filter_map(move |line| {
        if line.bytes().starts_with(b"m=") {
            sections = sections.saturating_add(1);
        }
        if !line.bytes().starts_with(b"a=candidate:") {
            return None;
        }
        let mut rest = line.skip(b"a=candidate:".len());
        word(&mut rest);
        let component = word(&mut rest);
        let transport = word(&mut rest);
        word(&mut rest);
        let ip = address(word(&mut rest))?;
        let port = word(&mut rest).number();
        let port = port.and_then(|port| u16::try_from(port).ok())?;
        // Component 2 is RTCP.
        let of_rtp = component.bytes() == b"1" && transport.bytes().eq_ignore_ascii_case(b"udp");
        Some((sections.checked_sub(1)?, ip, port)).filter(|_| of_rtp && port != 0)
    })
}

fn connection(brief: &mut SdpBrief, value: Piece<'_>) {
    let mut rest = value;
    word(&mut rest);
    word(&mut rest);
    let address = address(word(&mut rest));
    if brief.media_total == 0 {
        brief.address = address;
    } else if let Some(media) = brief.current() {
        media.address = address;
    }
}

fn media(brief: &mut SdpBrief, value: Piece<'_>) {
    brief.media_total = brief.media_total.saturating_add(1);
    let (address, direction) = (brief.address, brief.direction);
    let Some(media) = brief.media.get_mut(usize::from(brief.media_len)) else {
        return;
    };
    brief.media_len = brief.media_len.saturating_add(1);
    media.payload_first = brief.pool_len;
    let mut rest = value;
    media.kind = media_kind(word(&mut rest));
    let port = word(&mut rest);
    let (port, count) = match port.split_once(b'/') {
        Some((port, count)) => (port, count.number()),
        None => (port, None),
    };
    media.port = port
        .number()
        .and_then(|port| u16::try_from(port).ok())
        .unwrap_or(0);
    media.port_count = count
        .and_then(|count| u16::try_from(count).ok())
        .unwrap_or(1);
    media.proto = proto(word(&mut rest).bytes());
    (media.address, media.direction) = (address, direction);
    while !rest.is_empty() {
        let format = word(&mut rest);
        media.format_total = media.format_total.saturating_add(1);
        let Some(number) = format.number().and_then(|number| u8::try_from(number).ok()) else {
            continue;
        };
        if usize::from(media.payload_len) < MOST_PAYLOADS
            && let Some(slot) = brief.pool.get_mut(usize::from(brief.pool_len))
        {
            let clock_rate = super::static_payload(number).map_or(0, |(_, rate)| rate);
            *slot = Payload {
                number,
                codec: Span::default(),
                clock_rate,
            };
            brief.pool_len = brief.pool_len.saturating_add(1);
            media.payload_len = media.payload_len.saturating_add(1);
        }
    }
}

#[inline]
fn attribute(brief: &mut SdpBrief, value: Piece<'_>) {
    let bytes = value.bytes();
    // Most attributes are none of these: one look at the first letters tells.
    match bytes {
        [b'r', b't', b'p', b'm', b'a', b'p', b':', ..] => {
            if let Some(media) = brief.current() {
                let first = usize::from(media.payload_first);
                let end = first.saturating_add(usize::from(media.payload_len));
                let payloads = brief.pool.get_mut(first..end).unwrap_or_default();
                rtpmap(payloads, value.skip(7));
            }
        }
        [b'r', b't', b'c', b'p', b':', ..] => {
            if let Some(media) = brief.current() {
                let (port, _) = value.skip(5).split_word();
                media.rtcp_port = port.number().and_then(|port| u16::try_from(port).ok());
            }
        }
        b"rtcp-mux" => {
            if let Some(media) = brief.current() {
                media.rtcp_mux = true;
            }
        }
        [
            b'c',
            b'a',
            b'n',
            b'd',
            b'i',
            b'd',
            b'a',
            b't',
            b'e',
            b':',
            ..,
        ] => {
            brief.has_candidates = true;
        }
        [b's' | b'r' | b'i', ..] => {
            let Some(direction) = Direction::from_bytes(value.trim_end().bytes()) else {
                return;
            };
            if brief.media_total == 0 {
                brief.direction = direction;
            } else if let Some(media) = brief.current() {
                media.direction = direction;
            }
        }
        _ => {}
    }
}

fn rtpmap(payloads: &mut [Payload], value: Piece<'_>) {
    let (number, encoding) = value.split_word();
    let Some(number) = number.number() else {
        return;
    };
    let Some(payload) = payloads
        .iter_mut()
        .find(|payload| u64::from(payload.number) == number)
    else {
        return;
    };
    let (codec, rate) = encoding
        .split_once(b'/')
        .unwrap_or((encoding, encoding.take(0)));
    payload.codec = codec.span();
    let rate = rate.take(rate.find(b'/').unwrap_or(rate.len())).trim_end();
    payload.clock_rate = rate
        .number()
        .map_or(0, |rate| u32::try_from(rate).unwrap_or(u32::MAX));
}

/// The kind that an `m=` line names.
pub(super) fn media_kind(name: Piece<'_>) -> MediaKind {
    match name.bytes() {
        b"audio" => MediaKind::Audio,
        b"video" => MediaKind::Video,
        b"text" => MediaKind::Text,
        b"application" => MediaKind::Application,
        b"message" => MediaKind::Message,
        b"image" => MediaKind::Image,
        _ => MediaKind::Other,
    }
}

/// The class of a transport protocol.
pub(super) fn proto(name: &[u8]) -> Proto {
    if name == b"RTP/AVP" {
        return Proto::Rtp;
    }
    let has = |part: &[u8]| {
        name.split(|b| *b == b'/')
            .any(|word| word.eq_ignore_ascii_case(part))
    };
    if has(b"RTP") {
        if has(b"TLS") || has(b"DTLS") {
            Proto::DtlsRtp
        } else if has(b"SAVP") || has(b"SAVPF") {
            Proto::SecureRtp
        } else {
            Proto::Rtp
        }
    } else if has(b"udptl") {
        Proto::Udptl
    } else if has(b"MSRP") {
        Proto::Msrp
    } else if has(b"SCTP") {
        Proto::Sctp
    } else if has(b"BFCP") {
        Proto::Bfcp
    } else {
        Proto::Other
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    const BODY: &[u8] = b"v=0\r\no=- 7 8 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\na=sendonly\r\n\
        m=audio 49170/2 RTP/AVP 0 97 t\r\na=rtpmap:97 opus/48000/2\r\na=rtcp:53020\r\na=rtcp-mux\r\n\
        m=video 0 UDP/TLS/RTP/SAVPF 31\r\nc=IN IP6 2001:db8::1\r\na=inactive\r\n";

    #[test]
    fn the_media_are_found() {
        let brief = brief(BODY);
        assert_eq!((brief.media_len, brief.media_total), (2, 2));
        assert_eq!(brief.session_version.of(BODY), b"8");
        let [audio, video] = [brief.media[0], brief.media[1]];
        assert_eq!(
            (audio.kind, audio.port, audio.port_count),
            (MediaKind::Audio, 49170, 2)
        );
        assert_eq!(
            (audio.direction, audio.rtcp_port),
            (Direction::SendOnly, Some(53020))
        );
        assert!(audio.rtcp_mux);
        assert_eq!(audio.format_total, 3);
        assert_eq!(brief.payloads(&audio)[1].codec.of(BODY), b"opus");
        assert_eq!(
            brief
                .payloads(&audio)
                .iter()
                .map(|p| p.clock_rate)
                .collect::<Vec<_>>(),
            [8000, 48000]
        );
        assert_eq!(
            video.address,
            Some("2001:db8::1".parse().unwrap_or(IpAddr::from([0; 4])))
        );
        assert_eq!(
            (video.proto, video.direction),
            (Proto::DtlsRtp, Direction::Inactive)
        );
    }

    #[test]
    fn sections_beyond_the_limit_are_counted_only() {
        let body = "m=audio 1 RTP/AVP 0\r\n".repeat(9) + "a=inactive\r\nc=IN IP4 1.2.3.4\r\n";
        let brief = brief(body.as_bytes());
        assert_eq!((brief.media_len, brief.media_total), (8, 9));
        assert_eq!(brief.media[7].direction, Direction::SendRecv);
        assert_eq!(brief.media[7].address, None);
    }

    /// Speed, by hand, in release.
    #[test]
    #[ignore = "a measurement"]
    fn brief_speed() {
        let count = 2_000_000_u32;
        let begin = std::time::Instant::now();
        for _ in 0..count {
            std::hint::black_box(brief(std::hint::black_box(BODY)));
        }
        println!(
            "brief: {:?} a description of {} octets",
            begin.elapsed() / count,
            BODY.len()
        );
    }
}
