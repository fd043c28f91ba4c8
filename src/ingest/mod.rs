//! Worker threads: sources in, published index out.
//!
//! Each worker takes the next block of packets, decodes it, and files it when its turn comes: the
//! blocks are decoded in parallel and filed in order, so any number of threads gives the same index.

mod block;
mod filing;
mod follow;
mod hep;
mod icmp;
mod key_logs;
mod load;
mod streams;
pub mod survey;
pub mod thin;
mod traces;
mod wrapped;

pub use follow::{Feed, GrowingFile, LIVE_MEMORY_OCTETS};
pub use key_logs::{KeyLogOrigin, KeyLogReport};
pub use load::{
    FileReport, Loaded, Loading, Options, Pace, Progress, Watch, follow, is_routine, load,
    load_open, spawn,
};
