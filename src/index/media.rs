//! Media announced by session descriptions, and who offers and who answers (RFC 3264).

use super::ids::{CallId, MessageId};
use super::message_store::SdpKind;
use crate::packet::Endpoint;
use crate::sdp::{self, MediaBrief, MediaKind, Proto, SdpBrief, static_payload};
use crate::sip::method::Method;

/// A place where somebody said to expect media.
#[derive(Clone, Copy, Debug)]
pub struct Announcement {
    /// Address and port.
    pub endpoint: Endpoint,
    /// The call.
    pub call: CallId,
    /// The message that said so first.
    pub message: MessageId,
    /// Its time.
    pub time: i64,
    /// Position of the media description.
    pub media: u16,
    /// True when the sender of the description called: its tag is that of the caller.
    pub by_caller: bool,
    /// One of several places, of which not all will be used.
    pub possible: bool,
}

/// Bit in the position of a section: a place that may be used instead of, or beside, its own.
pub const POSSIBLE: u16 = 1 << 15;
/// Such places of one description.
const MOST_POSSIBLE: usize = 64;

/// A media section that the answer refuses (RFC 3264, 6): nothing is to be expected of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal {
    /// The answer.
    pub message: MessageId,
    /// The call.
    pub call: CallId,
    /// Position of the media description.
    pub media: u16,
    /// Who offered it.
    pub by_caller: bool,
}

/// Hash of a transport address.
pub fn endpoint_key(endpoint: Endpoint) -> u64 {
    match endpoint.ip {
        std::net::IpAddr::V4(ip) => {
            super::mix(u64::from(u32::from(ip)), u64::from(endpoint.port) | 4 << 32)
        }
        std::net::IpAddr::V6(ip) => {
            let bits = u128::from(ip);
            let half = super::mix(bits as u64, (bits >> 64) as u64);
            super::mix(half, u64::from(endpoint.port) | 6 << 32)
        }
    }
}

/// Where the exchange of one INVITE stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Exchange {
    /// No description yet.
    #[default]
    Open,
    /// The request offered.
    OfferInRequest,
    /// A response offered.
    OfferInResponse,
}

/// The role of a description in `method`, and where the exchange stands afterwards.
///
/// `exchange` is that of the transaction; for ACK and PRACK that of their INVITE. `asked`: the
/// request is known, or this is one; without it nobody can tell an offer from an answer.
pub(super) fn role(
    method: Method,
    response: bool,
    status: u16,
    exchange: Exchange,
    asked: bool,
) -> (SdpKind, Exchange) {
    use Exchange::{OfferInRequest, OfferInResponse, Open};
    match (method, response) {
        (Method::Invite | Method::Update, false) => (SdpKind::Offer, OfferInRequest),
        // An answer if a response offered, otherwise a new offer (RFC 3262, 5).
        (Method::Prack, false) => match exchange {
            OfferInResponse => (SdpKind::Answer, exchange),
            _ => (SdpKind::Offer, OfferInRequest),
        },
        (Method::Ack, false) => match exchange {
            OfferInResponse => (SdpKind::Answer, exchange),
            _ => (SdpKind::Other, exchange),
        },
        (Method::Invite, true) if !asked => (SdpKind::Other, exchange),
        // Always answered where it was asked (RFC 3311, 5; RFC 3262, 5).
        (Method::Update | Method::Prack, true) if !asked && status < 300 => {
            (SdpKind::Answer, exchange)
        }
        (Method::Invite | Method::Update | Method::Prack, true) if status < 300 => match exchange {
            OfferInRequest => (SdpKind::Answer, exchange),
            // The same offer may stand in several responses.
            Open | OfferInResponse => (SdpKind::Offer, OfferInResponse),
        },
        _ => (SdpKind::Other, exchange),
    }
}

/// Appends one line for people: codecs and direction of each media section, as in
/// `PCMU PCMA telephone-event sendrecv / video H264 sendonly`.
pub fn write_summary(sdp: &SdpBrief, body: &[u8], out: &mut Vec<u8>) {
    for (index, media) in sdp.media().iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b" / ");
        }
        let kind: &[u8] = match media.kind {
            MediaKind::Audio => b"",
            MediaKind::Video => b"video ",
            MediaKind::Text => b"text ",
            MediaKind::Application => b"application ",
            MediaKind::Message => b"message ",
            MediaKind::Image => b"image ",
            MediaKind::Other => b"other ",
        };
        out.extend_from_slice(kind);
        if media.port == 0 {
            out.extend_from_slice(b"port 0");
            continue;
        }
        for payload in sdp.payloads(media) {
            let name = payload.codec.of(body);
            match static_payload(payload.number) {
                _ if !name.is_empty() => out.extend_from_slice(name.get(..40).unwrap_or(name)),
                Some((name, _)) => out.extend_from_slice(name.as_bytes()),
                None => out.extend_from_slice(payload.number.to_string().as_bytes()),
            }
            out.push(b' ');
        }
        out.extend_from_slice(media.direction.as_str().as_bytes());
    }
}

/// The places where a description asks for RTP: position of the section, address and port; a section
/// that is refused has port 0.
pub fn places(sdp: &SdpBrief) -> impl Iterator<Item = (u16, Endpoint)> + '_ {
    sdp.media().iter().zip(0u16..).filter_map(|(media, index)| {
        let is_rtp = matches!(media.proto, Proto::Rtp | Proto::SecureRtp | Proto::DtlsRtp);
        let ip = match media.port {
            0 => std::net::Ipv4Addr::UNSPECIFIED.into(),
            _ => media.address.filter(|ip| !ip.is_unspecified())?,
        };
        is_rtp.then_some((
            index,
            Endpoint {
                ip,
                port: media.port,
            },
        ))
    })
}

/// Where else RTP may come: at the candidates of ICE (RFC 8839, 5.1), and at the further ports of a
/// section that names several (RFC 8866, 5.14). Their positions carry the bit [`POSSIBLE`].
pub fn other_places<'a>(
    sdp: &'a SdpBrief,
    body: &'a [u8],
) -> impl Iterator<Item = (u16, Endpoint)> + 'a {
    let is_rtp =
        |media: &MediaBrief| matches!(media.proto, Proto::Rtp | Proto::SecureRtp | Proto::DtlsRtp);
    let several = sdp.media().iter().zip(0u16..);
    let several = several.filter(move |(media, _)| is_rtp(media) && media.port_count > 1);
    let ports = several.flat_map(|(media, index)| {
        let ip = media.address.filter(|ip| !ip.is_unspecified());
        let pairs = 1..media.port_count.min(MOST_POSSIBLE as u16);
        pairs.filter_map(move |pair| {
            let port = media.port.checked_add(pair.checked_mul(2)?)?;
            Some((index | POSSIBLE, Endpoint { ip: ip?, port }))
        })
    });
    let body = if sdp.has_candidates { body } else { &[] };
    let candidates = sdp::candidates(body).filter_map(move |(index, ip, port)| {
        let media = sdp.media().get(usize::from(index)).filter(|m| is_rtp(m))?;
        let other = media.address != Some(ip) || media.port != port;
        other.then_some((index | POSSIBLE, Endpoint { ip, port }))
    });
    ports.chain(candidates).take(MOST_POSSIBLE)
}
