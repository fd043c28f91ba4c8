//! Frames of one direction: messages within their limit, held memory in proportion.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sipscope::bytes::Extent;
use sipscope::packet::websocket::{self, Half};

fuzz_target!(|input: (bool, u8, &[u8])| {
    let (takeover, step, stream) = input;
    websocket::upgrade(stream);
    let mut half = Half::new(takeover, true);
    let step = usize::from(step).max(1);
    for (frame, part) in stream.chunks(step).enumerate() {
        let place = Extent {
            frame: frame as u32 + 1,
            len: part.len() as u32,
            ..Extent::default()
        };
        half.push(part, place, &mut |message| {
            assert!(message.data.len() <= websocket::MAX_MESSAGE && !message.extents.is_empty());
        });
    }
    let places = 2 * size_of::<Extent>() * (stream.len() / step + 8);
    assert!(half.cost() <= 4 * stream.len() + places + (48 << 10));
});
