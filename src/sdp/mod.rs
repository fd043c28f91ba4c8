//! Session descriptions (RFC 8866): what media a message offers or answers.
//!
//! [`session::decode`] gives every line with spans and diagnostics, [`brief::brief`] the few
//! facts that the index needs, without allocating. What an answer makes of an offer is not
//! decided here.

pub mod attribute;
pub mod brief;
pub mod session;

mod lines;

pub use attribute::Direction;
pub use brief::{MediaBrief, MediaKind, Payload, Proto, SdpBrief, brief, candidates};
pub use session::{MediaDescription, SessionDescription};

/// Name and clock rate of a payload type that needs no `a=rtpmap` (RFC 3551, 6).
pub fn static_payload(payload_type: u8) -> Option<(&'static str, u32)> {
    Some(match payload_type {
        0 => ("PCMU", 8000),
        3 => ("GSM", 8000),
        4 => ("G723", 8000),
        5 => ("DVI4", 8000),
        6 => ("DVI4", 16000),
        7 => ("LPC", 8000),
        8 => ("PCMA", 8000),
        9 => ("G722", 8000),
        10 | 11 => ("L16", 44100),
        12 => ("QCELP", 8000),
        13 => ("CN", 8000),
        14 => ("MPA", 90000),
        15 => ("G728", 8000),
        16 => ("DVI4", 11025),
        17 => ("DVI4", 22050),
        18 => ("G729", 8000),
        25 => ("CelB", 90000),
        26 => ("JPEG", 90000),
        28 => ("nv", 90000),
        31 => ("H261", 90000),
        32 => ("MPV", 90000),
        33 => ("MP2T", 90000),
        34 => ("H263", 90000),
        _ => return None,
    })
}
