//! What leaves the program: packets as captures, later pictures and tables.

pub mod packets;
pub mod save;
