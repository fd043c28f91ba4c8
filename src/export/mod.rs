//! What leaves the program: packets as captures, later pictures and tables.

pub mod csv;
pub mod packets;
pub mod save;
pub mod svg;
