#![doc = include_str!("ARCHITECTURE.md")]
#![forbid(unsafe_code)]

pub mod bytes;
pub mod cli;
pub mod diagnostic;
pub mod explain;
pub mod export;
#[cfg(feature = "gui")]
pub mod gui;
pub mod index;
pub mod ingest;
pub mod packet;
mod piece;
pub mod present;
pub mod sdp;
pub mod sip;
pub mod source;
pub mod span;
mod swar;
