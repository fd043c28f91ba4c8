//! Octets of a TCP connection: framing goes on, and its messages lie inside.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sipscope::sip::framing::{Framer, StreamItem};

fuzz_target!(|input: (u8, &[u8])| {
    let (step, stream) = (usize::from(input.0).max(1), input.1);
    let mut framer = Framer::default();
    let (mut start, mut end) = (0, 0);
    while start < stream.len() {
        let ended = end == stream.len();
        let taken = match framer.next(&stream[start..end], ended) {
            StreamItem::NeedMore if ended => break,
            StreamItem::NeedMore => {
                end = (end + step).min(stream.len());
                continue;
            }
            StreamItem::KeepAlive(len) | StreamItem::Junk(len) | StreamItem::Message { len } => len,
            StreamItem::NotSip => end - start,
        };
        assert!(taken > 0 && start + taken <= end);
        start += taken;
    }
});
