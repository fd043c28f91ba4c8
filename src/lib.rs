//! Sipscope
#![forbid(unsafe_code)]

pub mod export;
pub mod source;
pub mod span;
