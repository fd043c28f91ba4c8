//! Both directions of a TLS connection in pieces: what is held is in proportion to the input.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sipscope::bytes::Extent;
use sipscope::packet::tls::{Connection, Secrets};

fuzz_target!(|pieces: Vec<(bool, bool, Vec<u8>)>| {
    let mut connection = Connection::default();
    let mut secrets = Secrets::default();
    let mut octets = 0;
    for (frame, (side, hole, data)) in pieces.iter().enumerate() {
        let side = usize::from(*side);
        if *hole {
            connection.gap(side);
        }
        octets += data.len();
        let place = Extent {
            frame: frame as u32 + 1,
            len: data.len() as u32,
            ..Extent::default()
        };
        connection.push(
            side,
            data,
            place,
            &mut secrets,
            &mut |_: usize, _: &[u8], frames: &[Extent]| {
                assert!(!frames.is_empty());
            },
        );
    }
    connection.end(0);
    connection.end(1);
    assert!(connection.cost() <= 4 * octets + (64 << 10));
});
