//! The filter language: `field op value`, joined by `and`, `or`, `not` and parentheses.
//!
//! A filter is parsed once ([`Filter::parse`]), compiled against an index ([`Filter::compile`]:
//! what concerns texts, addresses and calls is decided once for each different one) and then asked
//! for every row. Fields that are not in the index read the bytes of the messages that the indexed
//! part leaves open.

mod compile;
mod fields;
mod parse;
mod parts;
mod search;

#[cfg(test)]
mod tests;

pub use compile::{Compiled, unfolded};
pub use fields::{FIELDS, Field, FieldType, fields_like};
pub use search::each_with_bytes;

use fields::Subject;

/// A filter that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    root: Node,
}

/// Why a filter was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (at character {})", position + 1)]
pub struct FilterError {
    /// Where, in characters from the start of the text.
    pub position: usize,
    /// How many characters it concerns; 0 at the end of the text.
    pub length: usize,
    /// What was expected.
    pub message: String,
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    And(Vec<Node>),
    Or(Vec<Node>),
    Not(Box<Node>),
    Test(Test),
}

/// One comparison.
#[derive(Clone, Debug, PartialEq)]
struct Test {
    subject: Subject,
    relation: Relation,
    /// Upper and lower case differ also where people do not expect it: Wireshark's names.
    exact: bool,
}

/// What is asked of a field.
#[derive(Clone, Debug, PartialEq)]
enum Relation {
    /// It is there, and of a flag: it is set.
    Present,
    /// A number or a time lies in one of these ranges, both ends included.
    Ranges {
        ranges: Vec<(i64, i64)>,
        negated: bool,
    },
    /// An address lies in one of these networks.
    Networks {
        networks: Vec<Network>,
        negated: bool,
    },
    /// A text equals one of these.
    Equals { texts: Vec<String>, negated: bool },
    /// A text comes before or behind another (`<`, `<=`, `>`, `>=`).
    Ordered {
        text: String,
        less: bool,
        equal: bool,
    },
    /// A text holds another.
    Contains(String),
    /// A text matches a regular expression.
    Matches(Pattern),
}

/// A regular expression that remembers how it was written.
#[derive(Clone, Debug)]
struct Pattern {
    text: String,
    regex: regex::bytes::Regex,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// An address with the number of bits that count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: std::net::IpAddr,
    bits: u8,
    port: Option<u16>,
}

impl Filter {
    /// Understands a filter; an empty text lets everything through.
    ///
    /// # Errors
    /// Says at which character something else was expected, and what.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parse::parse(text).map(|root| Self { root })
    }
}

impl Network {
    fn holds(&self, endpoint: crate::packet::Endpoint) -> bool {
        use std::net::IpAddr::{V4, V6};
        if self.port.is_some_and(|port| port != endpoint.port) {
            return false;
        }
        let (mine, other, width) = match (self.address, endpoint.ip.to_canonical()) {
            (V4(a), V4(b)) => (u128::from(u32::from(a)), u128::from(u32::from(b)), 32),
            (V6(a), V6(b)) => (u128::from(a), u128::from(b), 128),
            _ => return false,
        };
        let host_bits = u32::from(width - self.bits.min(width));
        let cut = |value: u128| value.checked_shr(host_bits).unwrap_or(0);
        cut(mine) == cut(other)
    }
}
