//! "SIP and its RTP only": what stays of a capture that was taken widely.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod compose;

use std::io::Write as _;
use std::path::Path;

use compose::{A, B, fragment, ipv4, tcp, udp_from};
use sipscope::ingest::thin::{self, Thinned};
use sipscope::ingest::{self, Loaded, Options};

/// A pcapng of raw IP packets, in either byte order; a packet may carry a comment.
struct Pcapng {
    big: bool,
    out: Vec<u8>,
    packets: u64,
}

impl Pcapng {
    fn new(big: bool) -> Self {
        let mut file = Self {
            big,
            out: Vec::new(),
            packets: 0,
        };
        let mut section = file.words(&[0x1a2b_3c4d]);
        let version = if big { [0, 1, 0, 0] } else { [1, 0, 0, 0] };
        section.extend_from_slice(&version);
        section.extend_from_slice(&[0xff; 8]);
        file.block(0x0a0d_0d0a, &section);
        // LINKTYPE_RAW, 16 bits, then 16 reserved ones.
        let link = if big { [0, 101, 0, 0] } else { [101, 0, 0, 0] };
        let body = [&link[..], &[0; 4]].concat();
        file.block(1, &body);
        file
    }

    fn words(&self, words: &[u32]) -> Vec<u8> {
        let octets = |word: &u32| match self.big {
            true => word.to_be_bytes(),
            false => word.to_le_bytes(),
        };
        words.iter().flat_map(octets).collect()
    }

    fn block(&mut self, kind: u32, body: &[u8]) {
        let length = u32::try_from(body.len().next_multiple_of(4) + 12).unwrap();
        let mut block = self.words(&[kind, length]);
        block.extend_from_slice(body);
        block.resize(length as usize - 4, 0);
        block.extend(self.words(&[length]));
        self.out.extend(block);
    }

    fn add(&mut self, packet: &[u8], comment: Option<&str>) {
        self.packets += 1;
        let time = 1_700_000_000_000_000_u64 + self.packets * 1000;
        let length = u32::try_from(packet.len()).unwrap();
        let mut body = self.words(&[0, (time >> 32) as u32, time as u32, length, length]);
        body.extend_from_slice(packet);
        body.resize(body.len().next_multiple_of(4), 0);
        if let Some(text) = comment {
            let (code, len) = (1_u16, u16::try_from(text.len()).unwrap());
            for number in [code, len] {
                let octets = match self.big {
                    true => number.to_be_bytes(),
                    false => number.to_le_bytes(),
                };
                body.extend_from_slice(&octets);
            }
            body.extend_from_slice(text.as_bytes());
            body.resize(body.len().next_multiple_of(4) + 4, 0);
        }
        self.block(6, &body);
    }
}

fn sip(start: &str, call: &str, port: Option<u16>) -> Vec<u8> {
    let body = port.map_or(String::new(), |port| {
        format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
        )
    });
    let kind = port.map_or("", |_| "Content-Type: application/sdp\r\n");
    format!(
        "{start}\r\nVia: SIP/2.0/UDP a.example;branch=z9hG4bK{call}\r\nFrom: <sip:a@a.example>;tag=1\r\n\
         To: <sip:b@b.example>\r\nCall-ID: {call}\r\nCSeq: 1 INVITE\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn rtp(seq: u16) -> Vec<u8> {
    let mut out = vec![0x80, 0];
    out.extend_from_slice(&seq.to_be_bytes());
    out.extend_from_slice(&[0, 0, 0, 1, 0, 0, 0, 9]);
    out.resize(172, 0x55);
    out
}

/// What is wanted, and what is not, in turns.
fn mixed(big: bool) -> (Pcapng, Thinned) {
    let mut file = Pcapng::new(big);
    let mut expected = Thinned::default();
    let mut add = |wanted: bool, packet: &[u8], comment: Option<&str>| {
        file.add(packet, comment);
        match wanted {
            true => expected.kept += 1,
            false => expected.dropped += 1,
        }
    };
    let (a, b) = ((A, 5060), (B, 5060));
    let other = ([198, 51, 100, 1], 40_000);
    // Early media comes before its description was seen.
    add(true, &udp_from((B, 20_000), (A, 10_000), 1, &rtp(1)), None);
    add(false, &udp_from(other, (B, 20_000), 1, &rtp(1)), None);
    let invite = sip("INVITE sip:b@b.example SIP/2.0", "one", Some(10_000));
    add(true, &udp_from(a, b, 2, &invite), None);
    for seq in 2..6 {
        add(
            true,
            &udp_from((B, 20_000), (A, 10_000), seq, &rtp(seq)),
            None,
        );
        // Sent from where media is expected (symmetric RTP).
        add(
            true,
            &udp_from((A, 10_000), (B, 20_000), seq, &rtp(seq)),
            None,
        );
        add(
            false,
            &udp_from((A, 10_004), (B, 20_000), seq, &rtp(seq)),
            None,
        );
        add(
            false,
            &udp_from(other, (A, 53_000), seq, b"something else"),
            None,
        );
    }
    let rtcp = [0x80, 200, 0, 1, 0, 0, 0, 9];
    add(true, &udp_from((B, 20_001), (A, 10_001), 9, &rtcp), None);
    add(false, &udp_from(other, other, 9, &rtcp), None);
    // A mark stays, whatever packet it is on.
    add(
        true,
        &udp_from(other, other, 10, b"noise"),
        Some("customer dials now"),
    );
    // A message in fragments, and a datagram of somebody else in fragments.
    let long = sip("INVITE sip:long@b.example SIP/2.0", "fragments", None);
    let datagram = compose::udp_payload(5060, 5060, &long);
    let (first, rest) = datagram.split_at(64);
    add(true, &fragment(false, 77, 0, true, first), None);
    add(true, &fragment(false, 77, 64, false, rest), None);
    let alien = ([203, 0, 113, 1], [203, 0, 113, 2]);
    add(
        false,
        &ipv4(17, 78, 1 << 13, alien.0, alien.1, &[7; 64]),
        None,
    );
    add(false, &ipv4(17, 78, 8, alien.0, alien.1, &[7; 64]), None);
    // A connection that carries SIP stays with its handshake, and others go.
    let over_tcp = sip("OPTIONS sip:b@b.example SIP/2.0", "stream", None);
    add(true, &tcp(99, 0x02, b""), None);
    add(true, &tcp(100, 0x18, &over_tcp), None);
    let end = 100 + u32::try_from(over_tcp.len()).unwrap();
    add(true, &tcp(end, 0x11, b""), None);
    let mut web = tcp(1, 0x18, b"GET / HTTP/1.1\r\n\r\n");
    web[23] = 80;
    add(false, &web, None);
    (file, expected)
}

fn load(path: &Path) -> Loaded {
    ingest::load(&[path.to_owned()], &Options::default())
}

#[test]
fn sip_and_its_media_stay() {
    for big in [false, true] {
        let (file, expected) = mixed(big);
        let mut from = tempfile::NamedTempFile::new().unwrap();
        from.write_all(&file.out).unwrap();
        let path = from.path().to_path_buf();
        let wanted = thin::wanted(std::slice::from_ref(&path));
        let mut out = Vec::new();
        let done = thin::copy(&path, 0, &wanted, &mut out).unwrap();
        assert_eq!(done, expected);
        assert_eq!(done.kept + done.dropped, file.packets);

        let mut to = tempfile::NamedTempFile::new().unwrap();
        to.write_all(&out).unwrap();
        let (before, after) = (load(&path), load(to.path()));
        assert_eq!(after.files[0].info.packets, expected.kept);
        assert_eq!(after.files[0].info.truncated_at, None);
        assert_eq!(after.view.messages().len(), 3);
        let words = |loaded: &Loaded| -> Vec<String> {
            let view = &loaded.view;
            let row = |row: &sipscope::index::message_store::MessageRow| {
                let call = view.texts().get(view.parties(row).call_id).into_owned();
                format!("{} {call} {:?}", row.time, row.sdp)
            };
            view.messages().iter().map(row).collect()
        };
        assert_eq!(words(&before), words(&after));
        let text = String::from_utf8_lossy(&out);
        assert!(text.contains("customer dials now"));
        // Thinned again, nothing more goes.
        let wanted = thin::wanted(&[to.path().to_path_buf()]);
        let again = thin::copy(to.path(), 0, &wanted, &mut Vec::new()).unwrap();
        assert_eq!(
            again,
            Thinned {
                dropped: 0,
                ..expected
            }
        );
    }
}

#[test]
fn a_file_that_is_no_pcapng_is_refused_and_a_cut_one_ends() {
    let (file, expected) = mixed(false);
    let mut from = tempfile::NamedTempFile::new().unwrap();
    // As a capture program leaves it that was killed.
    from.write_all(&file.out[..file.out.len() - 10]).unwrap();
    let path = from.path().to_path_buf();
    let wanted = thin::wanted(std::slice::from_ref(&path));
    let done = thin::copy(&path, 0, &wanted, &mut Vec::new()).unwrap();
    assert_eq!(done.kept, expected.kept);
    assert_eq!(done.dropped, expected.dropped - 1);
    let mut other = tempfile::NamedTempFile::new().unwrap();
    other
        .write_all(&compose::Capture::default().bytes())
        .unwrap();
    assert!(thin::copy(other.path(), 0, &wanted, &mut Vec::new()).is_err());
}
