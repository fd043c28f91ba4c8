//! What a panel or the command line shows, as plain data.

pub mod header_tree;
