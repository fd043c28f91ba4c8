//! Sipscope
#![forbid(unsafe_code)]

pub mod span;
