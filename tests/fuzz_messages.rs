//! Smoke fuzzing with a fixed seed: no panic, spans in bounds, and both depths agree.
//!
//! Mutated torture messages; without the corpus a few messages of our own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;
mod random;

use proptest::prelude::*;
use random::Random;
use sipscope::present::header_tree::{Node, header_tree};
use sipscope::sdp;
use sipscope::sip::framing::{Framer, StreamItem, datagram_start, looks_like_sip};
use sipscope::sip::message::decode;
use sipscope::sip::scan::{Framing, scan};
use sipscope::span::Span;

const INPUTS: usize = 50_000;

const OWN: [&str; 2] = [
    "INVITE sip:b@c SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1, SIP/2.0/TCP i\r\nFrom: \"A, <x>\" <sip:a@b>;tag=1\r\n\
     To: <sip:b@c>\r\nCall-ID: x@y\r\nCSeq: 1 INVITE\r\nContact: <sip:a@h>;expires=5\r\nc: application/sdp\r\nl: 60\r\n\r\n\
     v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nc=IN IP4 1.2.3.4\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n",
    "SIP/2.0 401 No\r\nv: SIP/2.0/UDP h\r\nWWW-Authenticate: Digest realm=\"a, b\", nonce=\"c\"\r\nCSeq: 1\r\n REGISTER\r\n\r\n",
];

/// Octets that matter to the grammar.
const ODD: &[u8] = b"\r\n\t \"\\<>;,:=?@/[]()%&+-.*\0\x7f\xff\xc3z90SIPsip";
const WORDS: [&str; 14] = [
    "\r\n\r\n",
    "\r\n ",
    "SIP/2.0",
    "99999999999999999999",
    "-1",
    ";tag=",
    ";branch=",
    "\r\nl: ",
    "\r\nVia: ",
    "\r\nContent-Type: multipart/mixed;boundary=b\r\n",
    "--b\r\n",
    "\r\nm: *\r\n",
    "INVITE sip:a SIP/2.0\r\n",
    "\r\nm=audio 1/",
];

fn mutate(seed: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len() + 1);
        match random.below(6) {
            0 if at < bytes.len() => bytes[at] = ODD[random.below(ODD.len())],
            1 if at < bytes.len() => bytes[at] = random.next() as u8,
            2 => bytes.insert(at, ODD[random.below(ODD.len())]),
            3 => {
                let end = (at + random.below(40)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let word = WORDS[random.below(WORDS.len())];
                bytes.splice(at..at, word.bytes());
            }
            _ => {
                let end = (at + random.below(60)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                let to = random.below(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
        }
    }
    if random.below(20) == 0 {
        bytes.truncate(random.below(bytes.len() + 1));
    }
    bytes
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = OWN.iter().map(|text| text.as_bytes().to_vec()).collect();
    seeds.extend(common::torture().into_iter().map(|(_, bytes)| bytes));
    seeds.retain(|bytes| bytes.len() < 2000);
    seeds
}

fn inputs(seed: u64) -> impl Iterator<Item = Vec<u8>> {
    let seeds = seeds();
    let mut random = Random(seed);
    (0..INPUTS).map(move |index| mutate(&seeds[index % seeds.len()], &mut random))
}

#[track_caller]
fn in_bounds(span: Span, bytes: &[u8]) {
    let inside = span.start <= span.end && span.end as usize <= bytes.len();
    assert!(
        inside,
        "{span:?} of {}: {}",
        bytes.len(),
        bytes.escape_ascii()
    );
}

fn check_tree(nodes: &[Node], bytes: &[u8]) {
    for node in nodes {
        in_bounds(node.span, bytes);
        check_tree(&node.children, bytes);
    }
}

fn check_message(bytes: &[u8], framing: Framing) {
    let (message, diagnostics) = decode(bytes, framing);
    for diagnostic in &diagnostics {
        in_bounds(diagnostic.span, bytes);
    }
    let mut last = message.start.span.start;
    for field in &message.headers {
        in_bounds(field.line, bytes);
        assert!(
            field.line.start >= last,
            "wire order: {}",
            bytes.escape_ascii()
        );
        last = field.line.end;
    }
    in_bounds(message.body, bytes);
    in_bounds(message.trailing, bytes);
    if let Some(facts) = scan(bytes, framing) {
        assert_eq!(message.facts(bytes), facts, "{}", bytes.escape_ascii());
    }
}

#[test]
fn mutated_messages_are_decoded_and_both_depths_agree() {
    for (index, bytes) in inputs(0x5eed).enumerate() {
        let framing = Framing {
            datagram: index % 3 != 0,
            cut: index % 5 == 0,
            whole: false,
        };
        check_message(&bytes, framing);
        if index % 16 == 0 {
            let (message, _) = decode(&bytes, framing);
            check_tree(&header_tree(&bytes, &message), &bytes);
        }
    }
}

/// Lengths and kinds of the items of a stream that comes in pieces.
fn frame(stream: &[u8], mut piece: impl FnMut() -> usize) -> Vec<(usize, usize)> {
    let mut framer = Framer::default();
    let (mut messages, mut start, mut end) = (Vec::new(), 0, 0);
    while start < stream.len() {
        let ended = end == stream.len();
        let taken = match framer.next(&stream[start..end], ended) {
            StreamItem::NeedMore if ended => break,
            StreamItem::NeedMore => {
                end = (end + piece().max(1)).min(stream.len());
                continue;
            }
            StreamItem::KeepAlive(len) | StreamItem::Junk(len) => len,
            StreamItem::Message { len } => {
                messages.push((start, len));
                len
            }
            StreamItem::NotSip => end - start,
        };
        assert!(
            taken > 0 && start + taken <= end,
            "{}",
            stream.escape_ascii()
        );
        start += taken;
    }
    messages
}

#[test]
fn mutated_streams_are_framed() {
    let mut random = Random(77);
    for bytes in inputs(0xf4a3) {
        let _ = looks_like_sip(&bytes);
        if let Some(at) = datagram_start(&bytes) {
            assert!(at < bytes.len());
        }
        for (start, len) in frame(&bytes, || 1 + random.below(200)) {
            assert!(start + len <= bytes.len());
        }
    }
}

#[test]
fn mutated_descriptions_are_decoded() {
    let mut random = Random(0xd5);
    let seeds: Vec<Vec<u8>> = seeds()
        .into_iter()
        .filter_map(|bytes| {
            let at = bytes.windows(4).position(|window| window == b"v=0\r")?;
            Some(bytes[at..].to_vec())
        })
        .collect();
    for index in 0..INPUTS {
        let bytes = mutate(&seeds[index % seeds.len()], &mut random);
        let (session, diagnostics) = sdp::session::decode(&bytes, Span::new(0, bytes.len()));
        for span in session
            .lines
            .iter()
            .flat_map(|line| [line.span, line.value])
        {
            in_bounds(span, &bytes);
        }
        for diagnostic in &diagnostics {
            in_bounds(diagnostic.span, &bytes);
        }
        let brief = sdp::brief(&bytes);
        assert!(brief.media().len() <= usize::from(brief.media_total));
        for payload in brief.media().iter().flat_map(|media| brief.payloads(media)) {
            in_bounds(payload.codec, &bytes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn cutting_a_stream_changes_no_message(
        order in proptest::collection::vec(0..200_usize, 1..6),
        cuts in proptest::collection::vec(1..90_usize, 1..40),
    ) {
        let seeds = seeds();
        let mut stream = Vec::new();
        for index in order {
            stream.extend_from_slice(&seeds[index % seeds.len()]);
            if index % 3 == 0 {
                stream.extend_from_slice(b"\r\n\r\n");
            }
        }
        let mut turn = 0;
        let pieces = frame(&stream, || {
            turn += 1;
            cuts[turn % cuts.len()]
        });
        let whole = frame(&stream, || usize::from(u16::MAX));
        prop_assert_eq!(pieces, whole);
    }

    #[test]
    fn any_octets_are_decoded(bytes in proptest::collection::vec(any::<u8>(), 0..300), datagram: bool) {
        check_message(&bytes, Framing { datagram, cut: false, whole: false });
        let text = [b"INVITE sip:a SIP/2.0\r\n".as_slice(), &bytes].concat();
        check_message(&text, Framing { datagram, cut: false, whole: false });
    }
}
