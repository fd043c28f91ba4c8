//! What a panel or a command shows, as plain data: no egui, no colour, no files.

pub mod completion;
pub mod differences;
pub mod equal;
pub mod header_tree;
pub mod hop;
pub mod ladder;
pub mod ladder_text;
pub mod layers;
pub mod registrations;
pub mod rows;
pub mod text;
pub mod tls;
mod topics;
