//! How fast TLS records are decrypted: `cargo run --release --no-default-features --example tls_times`.
//!
//! A handshake made by hand, then 64 MiB of application data under a known secret, in segments of
//! 1,448 octets. Beside it: `openssl speed -evp aes-128-gcm -bytes 16384`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::time::Instant;

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut as _, Nonce};
use aes_gcm::{Aes128Gcm, KeyInit as _};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use sipscope::bytes::Extent;
use sipscope::packet::tls::{CLIENT, Connection, SERVER, Secrets};

const OCTETS: usize = 64 << 20;

fn main() {
    for size in [16384, 1024, 500] {
        let (hellos, stream) = records(size);
        let mut best = f64::MAX;
        for _ in 0..7 {
            let begun = Instant::now();
            let count = decrypt(&hellos, &stream);
            best = best.min(begun.elapsed().as_secs_f64());
            assert_eq!(count, OCTETS / size * size);
        }
        println!(
            "{size:6} octets in a record: {:.2} GB/s",
            OCTETS as f64 / best / 1e9
        );
    }
}

/// What the log of the keys says.
const RANDOM: [u8; 32] = [0xab; 32];
const SECRET: [u8; 32] = [0x11; 32];

fn decrypt(hellos: &[(usize, Vec<u8>)], stream: &[u8]) -> usize {
    let hex = |octets: &[u8]| {
        octets
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect::<String>()
    };
    let labels = [
        "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
        "SERVER_HANDSHAKE_TRAFFIC_SECRET",
        "CLIENT_TRAFFIC_SECRET_0",
        "SERVER_TRAFFIC_SECRET_0",
    ];
    let log = labels.map(|label| format!("{label} {} {}\n", hex(&RANDOM), hex(&SECRET)));
    let mut secrets = Secrets::default();
    secrets.add(log.concat().as_bytes());
    let mut connection = Connection::default();
    let mut count = 0;
    let mut emit = |_: usize, text: &[u8], _: &[Extent]| count += text.len();
    let extent = |len: usize| Extent {
        len: len as u32,
        frame: 1,
        ..Extent::default()
    };
    let segments = stream.chunks(1448).map(|part| (SERVER, part));
    let all = hellos
        .iter()
        .map(|(side, part)| (*side, part.as_slice()))
        .chain(segments);
    for (side, part) in all {
        connection.push(side, part, extent(part.len()), &mut secrets, &mut emit);
    }
    count
}

/// Both hellos and the server's Finished, and the application data.
fn records(size: usize) -> (Vec<(usize, Vec<u8>)>, Vec<u8>) {
    let client = hello(1, RANDOM, &[0, 2, 0x13, 1, 1, 0], &[0, 43, 0, 3, 2, 3, 4]);
    let server = hello(2, [0xcd; 32], &[0x13, 1, 0], &[0, 43, 0, 2, 3, 4]);
    let mut finished = vec![20, 0, 0, 32];
    finished.extend([0; 32]);
    let key = Aes128Gcm::new_from_slice(&expand("key", 16)).unwrap();
    let mut stream = Vec::new();
    let text = vec![b'x'; size];
    for number in 0..OCTETS / size {
        stream.extend(seal(&key, number as u64, 23, &text));
    }
    let finished = seal(&key, 0, 22, &finished);
    (
        vec![(CLIENT, client), (SERVER, server), (SERVER, finished)],
        stream,
    )
}

fn hello(kind: u8, random: [u8; 32], suites: &[u8], extensions: &[u8]) -> Vec<u8> {
    let with_len = |head: &[u8], body: &[u8]| {
        let len = (body.len() as u16).to_be_bytes();
        [head, &len, body].concat()
    };
    let body = [
        &[3, 3][..],
        &random,
        &[0],
        suites,
        &with_len(&[], extensions),
    ]
    .concat();
    with_len(&[22, 3, 3], &with_len(&[kind, 0], &body))
}

fn seal(key: &Aes128Gcm, number: u64, kind: u8, text: &[u8]) -> Vec<u8> {
    let mut body = [text, &[kind]].concat();
    let len = ((body.len() + 16) as u16).to_be_bytes();
    let head = [23, 3, 3, len[0], len[1]];
    let mut nonce = expand("iv", 12);
    for (octet, n) in nonce.iter_mut().skip(4).zip(number.to_be_bytes()) {
        *octet ^= n;
    }
    let nonce = Nonce::<Aes128Gcm>::try_from(nonce.as_slice()).unwrap();
    let buffer = InOutBuf::from(body.as_mut_slice());
    let tag = key.encrypt_inout_detached(&nonce, &head, buffer).unwrap();
    [&head[..], &body, &tag].concat()
}

/// HKDF-Expand-Label of one block with an empty context (RFC 8446, 7.1).
fn expand(label: &str, len: u8) -> Vec<u8> {
    let label = format!("tls13 {label}");
    let mut mac = Hmac::<Sha256>::new_from_slice(&SECRET).unwrap();
    mac.update(&[0, len, label.len() as u8]);
    mac.update(label.as_bytes());
    mac.update(&[0, 1]);
    mac.finalize().into_bytes()[..usize::from(len)].to_vec()
}
