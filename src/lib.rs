//! Sipscope
#![forbid(unsafe_code)]

pub mod diagnostic;
pub mod piece;
pub mod sip;
pub mod span;
