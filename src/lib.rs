//! Sipscope
#![forbid(unsafe_code)]

pub mod diagnostic;
pub mod piece;
pub mod present;
pub mod sdp;
pub mod sip;
pub mod span;
mod swar;
