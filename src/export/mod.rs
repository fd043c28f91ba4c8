//! Pictures and tables out of plain data; each target has one escaping function.

pub mod csv;
pub mod svg;
