//! Link type and frame: dissecting and describing end, and pass at most 16 tunnels.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sipscope::packet;

fuzz_target!(|input: (u16, &[u8])| {
    let (link, frame) = input;
    for node in packet::describe(link, frame, frame.len()) {
        for span in node
            .fields
            .iter()
            .map(|field| field.span)
            .chain([node.span])
        {
            assert!(span.start <= span.end && span.end as usize <= frame.len());
        }
    }
    let Ok(mut packet) = packet::dissect(link, frame, frame.len() as u32) else {
        return;
    };
    while let Some(Ok(inner)) = packet::open_udp(&packet) {
        packet = inner;
    }
    assert!(packet.layers.tunnels() <= packet::MAX_TUNNELS);
});
