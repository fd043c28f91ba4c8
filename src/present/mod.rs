//! What a panel or the command line shows, as plain data.

pub mod header_tree;
pub mod ladder;
pub mod ladder_text;
pub mod text;
