//! Odd things in the octets of one message, each with its place and its rule.
