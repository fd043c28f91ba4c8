//! SIP messages (RFC 3261): bytes in, facts and diagnostics out; no input or output, no clock.
//!
//! Two depths: [`scan`](scan::scan) finds what the index needs in one pass without allocating,
//! [`decode`](message::decode) gives the whole message as a tree of spans. [`framing`] says
//! whether bytes are SIP and where a message ends in a stream.

pub mod framing;
pub mod header_name;
pub mod headers;
pub mod message;
pub mod method;
pub mod scan;
pub mod start_line;
pub mod status;
pub mod uri;

mod check;
mod lex;
mod lines;
pub(crate) mod multipart;
pub(crate) mod registry;
mod sink;

pub use sink::Param;
