//! The `sipscope` program.
fn main() {}
