//! Parts that several panels are made of; they know no SIP.

pub mod panel_head;
pub mod row_view;
pub mod scroll;
