//! One message: both depths of decoding agree, spans lie inside.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sipscope::present::header_tree::{Node, header_tree};
use sipscope::sip::message::decode;
use sipscope::sip::scan::{Framing, scan};

fn inside(nodes: &[Node], len: usize) {
    for node in nodes {
        assert!(node.span.start <= node.span.end && node.span.end as usize <= len);
        inside(&node.children, len);
    }
}

fuzz_target!(|bytes: &[u8]| {
    for (datagram, cut) in [(true, false), (true, true), (false, false)] {
        let framing = Framing {
            datagram,
            cut,
            whole: false,
        };
        let (message, diagnostics) = decode(bytes, framing);
        for diagnostic in &diagnostics {
            assert!(diagnostic.span.end as usize <= bytes.len());
        }
        if let Some(facts) = scan(bytes, framing) {
            assert_eq!(message.facts(bytes), facts);
        }
        inside(&header_tree(bytes, &message), bytes.len());
    }
});
