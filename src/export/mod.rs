//! What leaves the program: packets as captures, pictures, tables; one escaping function per target.

pub mod csv;
pub mod packets;
#[cfg(feature = "png")]
pub mod png;
pub mod save;
pub mod svg;
pub mod watch;
