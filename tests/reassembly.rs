//! However the octets travel, the same messages come out: TCP segments cut, reordered, repeated,
//! overlapping; IP fragments in any order; any number of threads and any size of block.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod compose;

use compose::{Capture, tcp, udp};
use proptest::prelude::*;
use sipscope::index::ids::MessageId;
use sipscope::ingest::{Loaded, Options, load_open};
use sipscope::source::CaptureFile;

fn message(number: u32, body: usize, compact: bool) -> Vec<u8> {
    let length = if compact { "l" } else { "Content-Length" };
    let body = "x".repeat(body);
    format!(
        "MESSAGE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK{number}\r\n\
         From: <sip:alice@example.com>;tag=a\r\nTo: <sip:bob@example.com>\r\nCall-ID: c{number}@192.0.2.1\r\n\
         CSeq: {number} MESSAGE\r\nMax-Forwards: 70\r\nContent-Type: text/plain\r\n{length}: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// What identifies a message, without the frames it came in: Call-ID, CSeq number, length, octets.
type Found = (String, u32, u32, Vec<u8>);

fn load(capture: &Capture, options: &Options) -> (Loaded, Vec<Found>) {
    let file = CaptureFile::from_bytes(capture.bytes(), "test").expect("a capture");
    let loaded = load_open(vec![("test".into(), file)], options);
    let view = &loaded.view;
    let messages = (0..view.messages().len())
        .map(|i| {
            let row = view.message(MessageId::at(i)).expect("a row");
            let bytes = loaded
                .bytes
                .read_all(&view.extents(row))
                .expect("its bytes");
            let call_id = view.texts().get(view.parties(row).call_id).into_owned();
            (call_id, row.cseq().unwrap_or(0), row.len, bytes)
        })
        .collect();
    (loaded, messages)
}

/// In which packet each message ends, in the order of the messages.
fn frames(loaded: &Loaded) -> Vec<u32> {
    let rows = (0..loaded.view.messages().len()).map(MessageId::at);
    rows.filter_map(|id| Some(loaded.view.message(id)?.frame))
        .collect()
}

fn one_thread() -> Options {
    Options {
        threads: 1,
        ..Options::default()
    }
}

/// A stream of messages with keep-alives between some of them, and the messages themselves.
fn stream(sizes: &[(usize, bool, bool)]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut stream = Vec::new();
    let mut messages = Vec::new();
    for (number, (body, compact, keep_alive)) in (1u32..).zip(sizes) {
        let message = message(number, *body, *compact);
        stream.extend_from_slice(&message);
        messages.push(message);
        if *keep_alive {
            stream.extend_from_slice(b"\r\n\r\n");
        }
    }
    (stream, messages)
}

/// Ranges that together cover `0..len`, in the order they are sent.
fn ranges(
    len: usize,
    cuts: &[usize],
    again: &[(usize, usize)],
    order: &[u16],
) -> Vec<(usize, usize)> {
    let mut points: Vec<usize> = cuts.iter().map(|c| c % len).chain([0, len]).collect();
    points.sort_unstable();
    points.dedup();
    let mut list: Vec<(usize, usize)> = points.windows(2).map(|w| (w[0], w[1])).collect();
    for (start, size) in again {
        let start = start % len;
        list.push((start, (start + 1 + size % 900).min(len)));
    }
    let mut keyed: Vec<(u16, (usize, usize))> = list
        .iter()
        .zip(order.iter().cycle())
        .map(|(r, o)| (*o, *r))
        .collect();
    keyed.sort_by_key(|(key, _)| *key);
    keyed.into_iter().map(|(_, range)| range).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cutting_and_mixing_a_stream_changes_nothing(
        sizes in prop::collection::vec((0usize..1500, any::<bool>(), any::<bool>()), 1..6),
        cuts in prop::collection::vec(any::<usize>(), 0..30),
        again in prop::collection::vec((any::<usize>(), any::<usize>()), 0..8),
        order in prop::collection::vec(any::<u16>(), 40),
        isn in any::<u32>(),
        late_syn in any::<bool>(),
    ) {
        let (stream, expected) = stream(&sizes);
        let mut capture = Capture::default();
        let syn = tcp(isn, 2, b"");
        if !late_syn {
            capture.add(&syn);
        }
        for (i, (start, end)) in ranges(stream.len(), &cuts, &again, &order).into_iter().enumerate() {
            let seq = isn.wrapping_add(1).wrapping_add(start as u32);
            capture.add(&tcp(seq, 0x18, &stream[start..end]));
            if late_syn && i == 0 {
                capture.add(&syn);
            }
        }
        let (loaded, messages) = load(&capture, &one_thread());
        let frames = frames(&loaded);
        prop_assert!(frames.is_sorted(), "{frames:?}");
        let mut found: Vec<Vec<u8>> = messages.into_iter().map(|m| m.3).collect();
        found.sort();
        let mut expected = expected;
        expected.sort();
        let text = |list: &[Vec<u8>]| list.iter().map(|m| (m.len(), String::from_utf8_lossy(m).trim_matches('x').to_owned())).collect::<Vec<_>>();
        prop_assert_eq!(text(&found), text(&expected));
    }

    #[test]
    fn fragments_come_in_any_order(
        body in 1600usize..9000,
        cuts in prop::collection::vec(1usize..1200, 1..10),
        order in prop::collection::vec(any::<u16>(), 40),
        twice in any::<bool>(),
        v6 in any::<bool>(),
    ) {
        let message = message(1, body, false);
        let datagram = compose::udp_payload(5060, 5060, &message);
        // All fragments but the last hold a multiple of 8 octets.
        let mut list = Vec::new();
        let mut at = 0;
        for cut in cuts.iter().cycle() {
            if at >= datagram.len() {
                break;
            }
            let end = (at + cut * 8).min(datagram.len());
            list.push((at, end));
            at = end;
        }
        let mut keyed: Vec<_> = list.iter().zip(order.iter().cycle()).map(|(r, o)| (*o, *r)).collect();
        if twice {
            keyed.extend(list.iter().map(|r| (u16::MAX / 2, *r)));
        }
        keyed.sort_by_key(|(key, _)| *key);
        let mut capture = Capture::default();
        for (_, (start, end)) in keyed {
            let more = end < datagram.len();
            capture.add(&compose::fragment(v6, 7, start, more, &datagram[start..end]));
        }
        let (_, messages) = load(&capture, &one_thread());
        // With fragments sent twice a second datagram may become whole: then it is the same one.
        prop_assert!(!messages.is_empty());
        for m in messages {
            prop_assert_eq!(&m.3, &message);
        }
    }

    #[test]
    fn threads_and_blocks_change_nothing(
        threads in 1usize..5,
        block in prop::sample::select(vec![1usize, 300, 4096, 1 << 20]),
        seed in any::<u32>(),
    ) {
        let mut capture = Capture::default();
        let mut state = seed | 1;
        let mut random = move || { state ^= state << 13; state ^= state >> 17; state ^= state << 5; state };
        let mut seq = 1000u32;
        capture.add(&tcp(seq - 1, 2, b""));
        for number in 1..60u32 {
            let bytes = message(number % 40, (random() % 700) as usize, false);
            if random() % 2 == 0 {
                capture.add(&udp(5060, 5060, &bytes));
            } else {
                for piece in bytes.chunks(1 + (random() % 600) as usize) {
                    capture.add(&tcp(seq, 0x18, piece));
                    seq = seq.wrapping_add(piece.len() as u32);
                }
            }
        }
        let describe = |loaded: &Loaded| -> Vec<String> {
            let view = &loaded.view;
            view.messages().iter().map(|r| format!("{r:?}")).collect()
        };
        let (base, plain) = load(&capture, &one_thread());
        let options = Options { threads, block_octets: block, ..Options::default() };
        let (other, same) = load(&capture, &options);
        prop_assert_eq!(plain, same);
        prop_assert_eq!(describe(&base), describe(&other));
        prop_assert_eq!(base.view.totals.retransmissions, other.view.totals.retransmissions);
    }
}

#[test]
fn a_hole_costs_the_message_it_is_in_and_no_other() {
    let (stream, messages) = stream(&[
        (300, false, false),
        (300, false, false),
        (300, false, false),
    ]);
    let mut capture = Capture::default();
    capture.add(&tcp(99, 2, b""));
    let hole = messages[0].len() + 100..messages[0].len() + 200;
    capture.add(&tcp(100, 0x18, &stream[..hole.start]));
    capture.add(&tcp(100 + hole.end as u32, 0x18, &stream[hole.end..]));
    let (loaded, found) = load(&capture, &one_thread());
    let ids: Vec<&str> = found.iter().map(|m| m.0.as_str()).collect();
    assert_eq!(ids, ["c1@192.0.2.1", "c3@192.0.2.1"]);
    let skipped = &loaded.files[0].skipped;
    assert!(
        skipped.iter().any(|s| s.what == "hole in a TCP stream"),
        "{skipped:?}"
    );
    assert!(
        skipped.iter().any(|s| s.what == "incomplete SIP message"),
        "{skipped:?}"
    );
}

#[test]
fn what_waits_behind_a_hole_keeps_its_place_among_the_others() {
    let (stream, messages) = stream(&[(300, false, false), (10, false, false)]);
    let mut capture = Capture::default();
    capture.add(&tcp(99, 2, b""));
    let start = messages[0].len();
    capture.add(&tcp(100, 0x18, &stream[..start - 200]));
    capture.add(&tcp(100 + start as u32, 0x18, &stream[start..]));
    for number in 10..20 {
        capture.add(&udp(5060, 5060, &message(number, 5, false)));
    }
    // An error that quotes the last of them, and then 40 s without a packet: the hole is given up.
    let newest = message(19, 5, false);
    let quoted = udp(5060, 5060, &newest);
    let mut error = vec![3, 3, 0, 0, 0, 0, 0, 0];
    error.extend_from_slice(&quoted);
    capture.add(&compose::ipv4(1, 0, 0, compose::B, compose::A, &error));
    capture.add_after(40_000_000, &udp(5060, 5060, &message(20, 5, false)));
    let (loaded, found) = load(&capture, &one_thread());
    let numbers: Vec<u32> = found.iter().map(|m| m.1).collect();
    // Of the first one only a part of the body is missing.
    let expected: Vec<u32> = [1, 2].into_iter().chain(10..21).collect();
    assert_eq!(numbers, expected);
    assert!(frames(&loaded).is_sorted(), "{:?}", frames(&loaded));
    let marked = loaded.view.icmp().of_message(MessageId::at(11));
    assert!(marked.is_some(), "the error is on the message it quotes");
}

#[test]
fn the_first_messages_of_a_stream_may_stand_behind_something_else() {
    let message = message(1, 20, false);
    let behind = |head: &[u8]| {
        let mut stream = head.to_vec();
        stream.extend_from_slice(&message);
        skipped([tcp(99, 2, b""), tcp(100, 0x18, &stream)].into_iter())
    };
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend([10, 0, 0, 1, 10, 0, 0, 2, 0x9c, 0x41, 0x13, 0xc4]);
    assert_eq!(behind(&header), (1, Vec::new()), "a header says for whom");
    let mut stun = vec![1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    stun.extend([7; 12]);
    let (messages, words) = behind(&stun);
    assert_eq!(messages, 1);
    assert_eq!(words, ["octets between SIP messages"]);
    // What quotes SIP in a text is no SIP.
    assert_eq!(behind(b"GET / HTTP/1.1\r\n\r\n").0, 0);
}

#[test]
fn a_hole_in_the_body_shows_the_message_as_cut() {
    let (stream, messages) = stream(&[(900, false, false), (10, false, false)]);
    let mut capture = Capture::default();
    capture.add(&tcp(99, 2, b""));
    let hole = messages[0].len() - 500..messages[0].len() - 100;
    capture.add(&tcp(100, 0x18, &stream[..hole.start]));
    capture.add(&tcp(100 + hole.end as u32, 0x18, &stream[hole.end..]));
    let (loaded, found) = load(&capture, &one_thread());
    assert_eq!(found.len(), 2);
    let first = loaded.view.message(MessageId::at(0)).expect("a row");
    assert!(first.is_cut());
    assert_eq!(found[0].3, &messages[0][..hole.start]);
    assert_eq!(found[1].3, messages[1]);
}

#[test]
fn addresses_used_again_begin_another_stream() {
    let mut capture = Capture::default();
    let (first, second) = (message(1, 50, false), message(2, 60, false));
    capture.add(&tcp(999, 2, b""));
    capture.add(&tcp(1000, 0x18, &first[..200]));
    capture.add(&tcp(1200, 0x18, &first[200..]));
    capture.add(&tcp(3_000_000_000, 2, b""));
    capture.add(&tcp(3_000_000_001, 0x18, &second));
    // A late repetition of the first connection does no harm.
    capture.add(&tcp(1000, 0x18, &first[..200]));
    let (_, found) = load(&capture, &one_thread());
    assert_eq!(found.iter().map(|m| m.1).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn other_protocols_over_tcp_are_no_sip() {
    let mut capture = Capture::default();
    capture.add(&tcp(0, 2, b""));
    let page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 90\r\n\r\n<pre>\r\nINVITE sip:bob@example.com SIP/2.0\r\n</pre>";
    capture.add(&tcp(1, 0x18, page));
    let (loaded, found) = load(&capture, &one_thread());
    assert_eq!(found.len(), 0, "{:?}", loaded.files[0].skipped);
}

#[test]
fn several_captures_are_merged_by_time() {
    // Every block size and number of threads, also with one input that ends long before the other.
    let mut first = Capture::default();
    let mut second = Capture::default();
    for number in 0..40u32 {
        let bytes = message(number + 1, 200, false);
        if number % 3 == 0 {
            second.add_after(
                if number == 0 { 500 } else { 3000 },
                &udp(5060, 5060, &bytes),
            );
        } else if number < 20 {
            first.add_after(1500, &udp(5060, 5060, &bytes));
        }
    }
    let run = |threads: usize, block: usize| -> Vec<(i64, u16)> {
        let open =
            |capture: &Capture| CaptureFile::from_bytes(capture.bytes(), "t").expect("a capture");
        let options = Options {
            threads,
            block_octets: block,
            ..Options::default()
        };
        let empty = CaptureFile::from_bytes(Capture::default().bytes(), "e").expect("a capture");
        let files = vec![
            ("a".into(), open(&first)),
            ("b".into(), open(&second)),
            ("c".into(), empty),
        ];
        let loaded = load_open(files, &options);
        loaded
            .view
            .messages()
            .iter()
            .map(|row| (row.time, row.file))
            .collect()
    };
    let merged = run(1, 1 << 20);
    assert_eq!(merged.len(), 27);
    assert!(merged.is_sorted(), "{merged:?}");
    for threads in 1..4 {
        for block in [1, 700, 1 << 20] {
            assert_eq!(
                run(threads, block),
                merged,
                "{threads} threads, blocks of {block}"
            );
        }
    }
}

/// Over TCP the length of a body has to be told (RFC 3261, 18.3): without it the octets behind the
/// header are nobody's, and that is said.
#[test]
fn octets_between_messages_are_counted() {
    let whole = message(1, 20, false);
    let untold = String::from_utf8(message(2, 20, false))
        .unwrap()
        .replace("Content-Length: 20\r\n", "");
    let mut octets = whole.clone();
    octets.extend_from_slice(untold.as_bytes());
    octets.extend_from_slice(b"\r\n");
    octets.extend_from_slice(&message(3, 20, false));
    // In one piece, and in many.
    for size in [octets.len(), 7] {
        let mut capture = Capture::default();
        for (at, piece) in octets.chunks(size).enumerate() {
            capture.add(&tcp((at * size) as u32 + 1, 0x18, piece));
        }
        let (loaded, found) = load(&capture, &one_thread());
        assert_eq!(found.len(), 3);
        let junk: Vec<_> = loaded.files[0]
            .skipped
            .iter()
            .filter(|s| s.what == "octets between SIP messages")
            .collect();
        let [junk] = junk.as_slice() else {
            panic!("{:?}", loaded.files[0].skipped);
        };
        assert_eq!(junk.count, 1);
        let body = whole.len() + untold.len() - 20;
        assert_eq!(junk.first_frame as usize, body / size + 1);
    }
}

/// What was skipped, in words, of a capture with these segments.
fn skipped(segments: impl Iterator<Item = Vec<u8>>) -> (usize, Vec<String>) {
    let mut capture = Capture::default();
    segments.for_each(|segment| capture.add(&segment));
    let (loaded, found) = load(&capture, &one_thread());
    let skipped = &loaded.files[0].skipped;
    (
        found.len(),
        skipped.iter().map(|s| s.what.to_string()).collect(),
    )
}

#[test]
fn a_message_beyond_the_limit_is_named_and_not_kept() {
    let head =
        b"MESSAGE sip:bob@example.com SIP/2.0\r\nCall-ID: c\r\nContent-Length: 4000000\r\n\r\n";
    let mut stream = head.to_vec();
    // A header of 5 MiB, in segments of 1,000 octets.
    let huge: Vec<u8> = b"MESSAGE sip:bob@example.com SIP/2.0\r\n"
        .iter()
        .copied()
        .chain(
            b"Via: SIP/2.0/TCP 192.0.2.1\r\n"
                .iter()
                .copied()
                .cycle()
                .take(5 << 20),
        )
        .collect();
    let segments = huge.chunks(1000).scan(1u32, |seq, part| {
        let segment = tcp(*seq, 0x18, part);
        *seq += part.len() as u32;
        Some(segment)
    });
    let (messages, words) = skipped(std::iter::once(tcp(0, 2, b"")).chain(segments));
    assert_eq!(messages, 0);
    assert!(
        words.contains(&"SIP stream given up".to_owned()),
        "{words:?}"
    );
    // An unfinished body is shown as far as it came.
    stream.extend_from_slice(&[b'x'; 900]);
    let (messages, _) = skipped([tcp(0, 2, b""), tcp(1, 0x18, &stream)].into_iter());
    assert_eq!(messages, 1);
}

#[test]
fn a_datagram_whose_fragments_come_twice_is_not_incomplete() {
    let message = message(1, 1000, false);
    let datagram = compose::udp_payload(5060, 5060, &message);
    let first = compose::fragment(false, 9, 0, true, &datagram[..800]);
    let last = compose::fragment(false, 9, 800, false, &datagram[800..]);
    let twice = [&first, &first, &last, &last].map(Clone::clone);
    let (messages, words) = skipped(twice.into_iter());
    assert_eq!((messages, words.len()), (1, 0), "{words:?}");
    // Half of another datagram is.
    let other = compose::fragment(false, 10, 800, false, &datagram[800..]);
    let (messages, words) = skipped([first, last, other].into_iter());
    assert_eq!(messages, 1);
    assert_eq!(words, ["incomplete IP datagram"]);
}

#[test]
fn a_fragment_behind_the_end_fills_no_hole() {
    let message = message(1, 1000, false);
    let datagram = compose::udp_payload(5060, 5060, &message);
    let (first, last) = (&datagram[..400], &datagram[800..]);
    let fragments = [
        compose::fragment(false, 9, 0, true, first),
        compose::fragment(false, 9, 800, false, last),
        compose::fragment(false, 9, 4000, true, &[0; 800]),
    ];
    let (messages, words) = skipped(fragments.into_iter());
    assert_eq!(messages, 0);
    assert_eq!(words, ["incomplete IP datagram"]);
}

#[test]
fn a_stream_of_unknown_start_may_begin_backwards() {
    let message = message(1, 100, false);
    let mut capture = Capture::default();
    capture.add(&tcp(1003, 0x18, &message[3..]));
    capture.add(&tcp(1000, 0x18, &message[..3]));
    let (_, found) = load(&capture, &one_thread());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].3, message);
}

#[test]
fn media_in_fragments_is_counted() {
    let mut capture = Capture::default();
    for number in 0..8u8 {
        let mut rtp = vec![0x80, 96, 0, number, 0, 0, 0, 1, 1, 2, 3, 4];
        rtp.extend([0x55; 2000]);
        let datagram = compose::udp_payload(40_000, 40_002, &rtp);
        let (first, last) = datagram.split_at(1480);
        let id = u16::from(number);
        capture.add(&compose::fragment(false, id, 0, true, first));
        capture.add(&compose::fragment(false, id, 1480, false, last));
    }
    let (loaded, found) = load(&capture, &one_thread());
    assert_eq!(found.len(), 0);
    let streams = loaded.view.streams();
    let packets = streams.iter().filter_map(|s| s.tally).map(|t| t.packets);
    assert_eq!(packets.sum::<u64>(), 8);
}
