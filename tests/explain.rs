//! Explanations say only what the capture shows: every claim about a frame is checked against the
//! text of that message, by splitting lines and not by our own decoder.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sipscope::explain::{
    Depth, Explanation, Piece, Place, Scene, Sentence, Target, Topic, catalogue, explain,
};
use sipscope::index::ids::MessageId;
use sipscope::index::message_store::Repeat;
use sipscope::ingest::{Loaded, Options, load};
use sipscope::present::header_tree::{Node, each, header_tree, node_at};
use sipscope::sip::message::decode;
use sipscope::sip::scan::Framing;
use sipscope::source::{CaptureFile, Chunk, OpenOptions};

/// Messages of one capture that are explained, spread over it.
const MOST_MESSAGES: usize = 40;

/// A message as text, unfolded, with lines split by hand.
struct Raw {
    start: String,
    headers: Vec<(String, String)>,
    body: String,
    copy: bool,
    again: bool,
}

impl Raw {
    fn of(octets: &[u8]) -> Self {
        let text = String::from_utf8_lossy(octets).replace("\r\n", "\n");
        let text = text.trim_start_matches('\n');
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let head = head.replace("\n ", " ").replace("\n\t", " ");
        let mut lines = head.lines();
        let start = lines.next().unwrap_or("").to_owned();
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (long(name.trim()), value.trim().to_owned()))
            .collect();
        Self {
            start,
            headers,
            body: body.to_owned(),
            copy: false,
            again: false,
        }
    }

    fn is_response(&self) -> bool {
        self.start.to_ascii_uppercase().starts_with("SIP/")
    }

    fn status(&self) -> u16 {
        self.start
            .split_whitespace()
            .nth(1)
            .and_then(|s| s.parse().ok())
            .unwrap_or(0)
    }

    fn method(&self) -> &str {
        match self.is_response() {
            true => self.cseq().1,
            false => self.start.split_whitespace().next().unwrap_or(""),
        }
    }

    fn first(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map_or("", |(_, v)| v)
    }

    fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
            .collect()
    }

    fn cseq(&self) -> (u64, &str) {
        let mut words = self.first("cseq").split_whitespace();
        (
            words.next().and_then(|n| n.parse().ok()).unwrap_or(0),
            words.next().unwrap_or(""),
        )
    }

    fn tag(&self, name: &str) -> Option<String> {
        let value = self.first(name);
        let after = value.rsplit_once('>').map_or(value, |(_, after)| after);
        param(after, "tag")
    }

    /// Branches from the top.
    fn branches(&self) -> Vec<String> {
        let values = self.all("via").join(",");
        values
            .split(',')
            .filter(|v| v.to_ascii_uppercase().contains("SIP"))
            .map(|via| param(via, "branch").unwrap_or_default())
            .collect()
    }

    fn top_branch(&self) -> String {
        self.branches().first().cloned().unwrap_or_default()
    }

    fn uri(&self) -> &str {
        self.start.split_whitespace().nth(1).unwrap_or("")
    }
}

fn long(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let full = match lower.as_str() {
        "v" => "via",
        "f" => "from",
        "t" => "to",
        "i" => "call-id",
        "m" => "contact",
        "l" => "content-length",
        "c" => "content-type",
        "k" => "supported",
        "x" => "session-expires",
        "o" => "event",
        "u" => "allow-events",
        "r" => "refer-to",
        "b" => "referred-by",
        "s" => "subject",
        "e" => "content-encoding",
        other => other,
    };
    full.to_owned()
}

fn param(text: &str, name: &str) -> Option<String> {
    text.split(';').skip(1).find_map(|part| {
        let (n, v) = part.split_once('=')?;
        n.trim()
            .eq_ignore_ascii_case(name)
            .then(|| v.trim().to_owned())
    })
}

/// Numbers of telephone events: those of `0-15`, and those that a sentence names.
fn numbers_of(item: &str) -> std::ops::RangeInclusive<u8> {
    let number = |key: &str| match key.trim() {
        "*" => 10,
        "#" => 11,
        "A" => 12,
        "B" => 13,
        "C" => 14,
        "D" => 15,
        key => {
            let key = key.trim_start_matches("event ");
            let digits = key.split(' ').next().unwrap();
            digits.parse().unwrap_or_else(|_| panic!("{item}"))
        }
    };
    let (from, to) = item
        .split_once(" to ")
        .or_else(|| item.split_once('-'))
        .unwrap_or((item, item));
    number(from)..=number(to)
}

fn framing(loaded: &Loaded, id: MessageId) -> Framing {
    let row = loaded.view.message(id).unwrap();
    let datagram = loaded
        .view
        .ends(row)
        .is_none_or(|f| f.transport.keeps_borders());
    Framing {
        datagram,
        cut: row.is_cut(),
        whole: false,
    }
}

struct Checker<'a> {
    loaded: &'a Loaded,
    raws: Vec<Raw>,
    wrong: Vec<String>,
    seen: BTreeSet<String>,
    checked: usize,
    file: String,
    path: PathBuf,
    named: BTreeSet<(String, std::net::IpAddr)>,
}

/// The message that a sentence stands in, and the node.
struct At<'a> {
    id: MessageId,
    value: &'a str,
}

fn words_of(sentence: &Sentence) -> String {
    let pieces = sentence.pieces.iter().map(|piece| match piece {
        Piece::Text(text) => text.clone(),
        Piece::Value(value) => format!("`{value}`"),
        Piece::Frame(link) => link.frame.to_string(),
    });
    pieces.collect()
}

fn text<'s>(sentence: &'s Sentence, name: &str) -> &'s str {
    match sentence.place(name) {
        Some(Place::Value(text) | Place::Words(text)) => text,
        other => panic!("{}: {name} is {other:?}", sentence.id),
    }
}

fn number(sentence: &Sentence, name: &str) -> u64 {
    match sentence.place(name) {
        Some(Place::Number(number)) => *number,
        other => panic!("{}: {name} is {other:?}", sentence.id),
    }
}

fn frames(sentence: &Sentence) -> Vec<MessageId> {
    match (sentence.place("list"), sentence.place("frame")) {
        (Some(Place::Frames(links)), _) => links.iter().map(|l| l.message).collect(),
        (_, Some(Place::Frame(link))) => vec![link.message],
        _ => Vec::new(),
    }
}

fn link(sentence: &Sentence, name: &str) -> MessageId {
    match sentence.place(name) {
        Some(Place::Frame(link)) => link.message,
        other => panic!("{}: {name} is {other:?}", sentence.id),
    }
}

impl Checker<'_> {
    fn raw(&self, id: MessageId) -> &Raw {
        &self.raws[id.index()]
    }

    fn links_are_frames(&mut self, sentence: &Sentence) {
        for (_, place) in &sentence.places {
            let links = match place {
                Place::Frame(link) => vec![*link],
                Place::Frames(links) => links.clone(),
                _ => Vec::new(),
            };
            for link in links {
                let row = self.loaded.view.message(link.message).expect("a message");
                assert_eq!(row.frame, link.frame, "{}: {}", self.file, sentence.id);
            }
        }
    }

    /// Nobody is called by the name of a person who sends requests there, or gets them from there.
    fn names_are_of_their_owners(&mut self, sentence: &Sentence) {
        use sipscope::explain::who::Who;
        for (_, place) in &sentence.places {
            let Place::Who(Who::Named { name, address }) = place else {
                continue;
            };
            let key = (name.clone(), *address);
            if !self.named.insert(key) {
                continue;
            }
            let view = &self.loaded.view;
            let ends = |i: usize| view.ends(view.messages().get(i).unwrap());
            let flows = (0..self.raws.len()).filter_map(ends);
            let ports: BTreeSet<u16> = flows
                .flat_map(|f| [f.src, f.dst])
                .filter(|end| end.ip == *address)
                .map(|end| end.port)
                .collect();
            // Several programs on one host may be several people.
            if ports.len() > 1 {
                continue;
            }
            // The name that is shown, and the user that bears it.
            let parts = |value: &str| {
                let (display, uri) = value.rsplit_once('<').unwrap_or(("", value));
                let user = uri.split_once(':').map_or("", |(_, rest)| rest);
                let user = user.split_once('@').map_or("", |(user, _)| user);
                let display = display.trim().trim_matches('"');
                let shown = if display.is_empty() { user } else { display };
                (shown.to_owned(), user.to_owned())
            };
            let users: BTreeSet<String> = (0..self.raws.len())
                .filter(|i| ends(*i).is_some_and(|flow| flow.src.ip == *address))
                .map(|i| &self.raws[i])
                .map(|raw| parts(raw.first(if raw.is_response() { "to" } else { "from" })))
                .filter_map(|(shown, user)| (shown == *name).then_some(user))
                .collect();
            let is = |value: &str| users.len() == 1 && users.contains(&parts(value).1);
            for (i, raw) in self.raws.iter().enumerate() {
                let Some(flow) = ends(i) else { continue };
                let (sent, got) = (flow.src.ip == *address, flow.dst.ip == *address);
                let (by, to) = (is(raw.first("from")), is(raw.first("to")));
                let skip = raw.is_response() || ["ACK", "CANCEL"].contains(&raw.method());
                if skip || raw.copy || sent == got || by == to {
                    continue;
                }
                let foreign = by && got || to && sent;
                if foreign || sent && raw.branches().len() > 1 {
                    self.wrong.push(format!(
                        "{}: {}: {name} is not at {address}: {}",
                        self.file, sentence.id, raw.start
                    ));
                    break;
                }
            }
        }
    }

    /// A packet of the capture is ICMP and was sent by this address, seen without our own dissector.
    fn is_icmp_of(&self, number: u64, from: std::net::IpAddr) -> bool {
        let options = OpenOptions::default();
        let mut file = CaptureFile::open(&self.path, &options).unwrap();
        let mut chunk = Chunk::default();
        while file.next_chunk_into(1 << 20, &mut chunk) {
            let found = chunk
                .frames
                .iter()
                .find(|frame| u64::from(frame.number) == number);
            if let Some(frame) = found {
                let octets = chunk.data.get(frame.start as usize..).unwrap_or_default();
                // The header of IP begins behind one of the usual link layers.
                return [0, 4, 14, 16, 18, 20].iter().any(|at| {
                    let ip = octets.get(*at..).unwrap_or_default();
                    match from {
                        std::net::IpAddr::V4(from) => {
                            ip.first() == Some(&0x45)
                                && ip.get(9) == Some(&1)
                                && ip.get(12..16) == Some(&from.octets())
                        }
                        std::net::IpAddr::V6(from) => {
                            ip.first().is_some_and(|octet| octet >> 4 == 6)
                                && ip.get(6) == Some(&58)
                                && ip.get(8..24) == Some(&from.octets())
                        }
                    }
                });
            }
        }
        false
    }

    /// Messages of the capture that were not captured twice.
    fn any(&self, wanted: impl Fn(&Raw) -> bool) -> bool {
        self.raws.iter().any(|raw| !raw.copy && wanted(raw))
    }

    fn claim(&mut self, at: &At<'_>, sentence: &Sentence) {
        let own = self.raw(at.id);
        let name = sentence.id.as_str();
        let all = |test: &dyn Fn(&Raw) -> bool| {
            let list = frames(sentence);
            !list.is_empty() && list.iter().all(|id| test(self.raw(*id)))
        };
        let same_call = |r: &Raw| r.first("call-id") == own.first("call-id");
        let (path, what) = name.split_once('#').unwrap();
        let said = words_of(sentence);
        let hole = ["  ", " .", " ,", "``", "{"]
            .iter()
            .find(|hole| said.contains(**hole));
        let quoted = sentence.places.iter().any(|(_, place)| match place {
            Place::Value(value) | Place::Words(value) => hole.is_some_and(|h| value.contains(h)),
            _ => false,
        });
        assert!(hole.is_none() || quoted, "{}: {said}", self.file);
        let ok: Option<bool> = match (path, what) {
            (
                "param/via/branch",
                "response" | "responses" | "other-response" | "other-responses",
            ) => Some(all(&|r| {
                r.is_response() && r.top_branch() == at.value && r.cseq().1 == own.cseq().1
            })),
            ("param/via/branch", "answers") => Some(all(&|r| {
                !r.is_response() && r.top_branch() == at.value && r.method() == own.cseq().1
            })),
            ("param/via/branch", "no-response") => Some(!self.any(|r| {
                r.is_response()
                    && r.top_branch() == at.value
                    && r.cseq() == own.cseq()
                    && same_call(r)
            })),
            ("param/via/branch", "no-request") => Some(!self.any(|r| {
                !r.is_response()
                    && r.top_branch() == at.value
                    && r.cseq() == own.cseq()
                    && same_call(r)
            })),
            ("param/via/branch", "below" | "below-one" | "lower-one" | "lower-frames") => {
                let branch = text(sentence, "value").to_owned();
                Some(own.branches()[1..].contains(&branch) && all(&|r| r.top_branch() == branch))
            }
            ("param/via/branch", "below-unseen" | "lower-unseen") => {
                let branch = text(sentence, "value").to_owned();
                Some(!self.any(|r| r.top_branch() == branch && same_call(r)))
            }
            ("param/via/branch", "chosen") => {
                Some(own.top_branch() == at.value && !own.is_response())
            }
            ("param/via/branch", "as-invite") => Some(all(&|r| {
                r.method() == "INVITE"
                    && !r.is_response()
                    && r.top_branch() == at.value
                    && r.cseq().0 == own.cseq().0
            })),
            ("param/via/branch", "ack-own") => {
                Some(!self.any(|r| {
                    r.method() == "INVITE" && !r.is_response() && r.top_branch() == at.value
                }))
            }
            ("param/via/branch", "is-retransmission" | "repeated") => Some(all(&|r| {
                r.top_branch() == at.value
                    && r.first("cseq") == own.first("cseq")
                    && r.start == own.start
            })),
            ("param/via/branch", "cookie") => Some(at.value.starts_with("z9hG4bK")),
            ("param/via/branch", "old") => Some(!at.value.starts_with("z9hG4bK")),
            ("header/via", "path") => Some(own.branches().len() as u64 == number(sentence, "n")),
            ("header/via", "alone" | "last") => Some(own.branches().len() == 1),
            ("header/via", "gained") => {
                Some(all(&|r| r.branches().first() == own.branches().get(1)))
            }
            ("header/via", "lost") => Some(all(&|r| r.branches().get(1) == own.branches().first())),
            (_, "wrote") if path.starts_with("param/via/") => Some(all(&|r| {
                !r.first("via").contains("received=") && !r.first("via").contains("rport=")
            })),
            (_, "filled") if path.starts_with("param/via/") => {
                let Some(Place::List(list)) = sentence.place("list") else {
                    panic!()
                };
                let list = list.clone();
                Some(all(&|r| {
                    let vias = r.all("via").join(",");
                    list.iter().all(|v| vias.contains(v.as_str()))
                }))
            }
            (_, "not-filled") => Some(all(&|r| r.is_response())),
            ("part/via/sent-by", "no-port") => {
                let behind = at.value.rsplit(']').next().unwrap();
                Some(!behind.contains(':'))
            }
            ("part/via/sent-by", "name") => {
                let host = text(sentence, "value").split(':').next().unwrap_or("");
                Some(host.parse::<std::net::Ipv4Addr>().is_err())
            }
            ("part/via/sent-by", what) if !what.starts_with("about") => {
                Some(all(&|r| r.start == own.start))
            }
            ("param/from/tag" | "param/to/tag", "added" | "added-beyond") => {
                let tag = text(sentence, "value");
                let request = self.raw(link(sentence, "request"));
                Some(
                    all(&|r| r.is_response() && r.tag("to").as_deref() == Some(tag))
                        && request.tag("to").is_none(),
                )
            }
            ("param/from/tag" | "param/to/tag", "chosen") => {
                let tag = text(sentence, "value");
                Some(all(&|r| {
                    !r.is_response()
                        && r.tag("from").as_deref() == Some(tag)
                        && r.branches().len() == 1
                }))
            }
            ("param/from/tag" | "param/to/tag", "first-seen") => {
                let tag = Some(text(sentence, "value").to_owned());
                Some(all(&|r| r.tag("from") == tag || r.tag("to") == tag))
            }
            ("param/from/tag" | "param/to/tag", "identifies") => {
                let other = Some(text(sentence, "value").to_owned());
                Some(
                    own.first("call-id") == text(sentence, "call")
                        && (own.tag("from") == other || own.tag("to") == other),
                )
            }
            ("param/from/tag" | "param/to/tag", "half") => Some(
                own.tag("to").is_none() && ["INVITE", "SUBSCRIBE", "REFER"].contains(&own.method()),
            ),
            ("param/from/tag" | "param/to/tag", "outside") => {
                Some(own.tag("to").is_none() && text(sentence, "msg") == own.method())
            }
            ("part/cseq/method", "tells-cancel") => {
                Some(["INVITE", "CANCEL"].contains(&own.cseq().1))
            }
            ("status/183", "with-sdp" | "without-sdp") => {
                Some((what == "with-sdp") == own.body.contains("v=0"))
            }
            ("common/here", "value-means") => Some(
                own.headers
                    .iter()
                    .any(|(_, v)| v == text(sentence, "value"))
                    && !text(sentence, "msg").is_empty(),
            ),
            ("param/from/tag" | "param/to/tag", "swapped") => {
                let header = text(sentence, "header").to_ascii_lowercase();
                let tag = at.value.to_owned();
                Some(all(&|r| {
                    !r.is_response() && r.tag(&header).as_deref() == Some(&tag) && same_call(r)
                }))
            }
            ("param/to/tag", "fork") => {
                let tag = Some(text(sentence, "value").to_owned());
                Some(
                    all(&|r| r.is_response() && r.tag("to") == tag && r.cseq() == own.cseq())
                        && own.tag("to") != tag,
                )
            }
            ("header/call-id", "count" | "only") => {
                let with: Vec<usize> = (0..self.raws.len())
                    .filter(|i| same_call(&self.raws[*i]))
                    .collect();
                let n = with.len() as u64;
                Some(match what {
                    "only" => n == 1,
                    _ => {
                        n == number(sentence, "n")
                            && link(sentence, "frame").index() == with[0]
                            && link(sentence, "last").index() == with[with.len() - 1]
                    }
                })
            }
            ("header/cseq", "response" | "responses") => Some(all(&|r| {
                r.is_response() && r.cseq() == own.cseq() && same_call(r)
            })),
            ("header/cseq", "as-invite") => Some(all(&|r| {
                r.method() == "INVITE"
                    && !r.is_response()
                    && r.cseq().0 == own.cseq().0
                    && same_call(r)
            })),
            ("header/cseq", "credentials") => Some(all(&|r| {
                r.cseq().0 + 1 == own.cseq().0
                    && r.first("authorization").is_empty()
                    && r.first("proxy-authorization").is_empty()
                    && r.method() == own.method()
            })),
            ("header/cseq", "lower") => Some(all(&|r| r.cseq().0 > own.cseq().0)),
            ("header/cseq", "missing") => Some(all(&|r| {
                r.cseq().0 + 1 + number(sentence, "n") == own.cseq().0
            })),
            ("header/cseq", "next-seen") => Some(all(&|r| {
                r.cseq().0 == number(sentence, "n")
                    && r.cseq().0 > own.cseq().0
                    && r.tag("from") == own.tag("from")
            })),
            // After a BYE none is to be expected.
            ("header/cseq", "next") => Some(
                number(sentence, "n") == own.cseq().0 + 1
                    && own.method() != "BYE"
                    && !self.any(|r| {
                        !r.is_response()
                            && same_call(r)
                            && r.tag("from") == own.tag("from")
                            && r.cseq().0 > own.cseq().0
                    }),
            ),
            ("header/cseq", "other-side") => Some(all(&|r| {
                r.cseq().0 == number(sentence, "n")
                    && r.tag("from") != own.tag("from")
                    && !r.is_response()
                    && same_call(r)
            })),
            ("header/max-forwards", "passed-on" | "changed") => Some(all(&|r| {
                r.first("max-forwards") == number(sentence, "before").to_string()
                    && own.first("max-forwards") == number(sentence, "n").to_string()
                    && r.branches().first() == own.branches().get(1)
            })),
            ("header/max-forwards", "next") => Some(all(&|r| {
                r.first("max-forwards") == number(sentence, "n").to_string()
                    && r.branches().get(1) == own.branches().first()
            })),
            ("start/request-uri", "register") => Some(own.method() == "REGISTER"),
            ("start/request-uri", "replaced") => {
                let before = self.raw(link(sentence, "before"));
                Some(
                    before.uri() == text(sentence, "old")
                        && before.uri() != own.uri()
                        && before.branches().first() == own.branches().get(1),
                )
            }
            ("start/request-uri", "unchanged") => Some(all(&|r| r.uri() == own.uri())),
            ("start/request-uri", "becomes") => Some(all(&|r| {
                r.uri() == text(sentence, "value") && r.branches().get(1) == own.branches().first()
            })),
            ("start/request-uri", "contact") => {
                Some(all(&|r| r.first("contact").contains(core(own.uri()))))
            }
            ("header/contact", "used" | "redirect-followed") => {
                let contact = at.value.to_owned();
                Some(all(&|r| {
                    !r.is_response() && contact.contains(core(r.uri()))
                }))
            }
            ("header/contact", "routed") => Some(all(&|r| !r.first("route").is_empty())),
            ("header/record-route", "put") => Some(all(&|r| {
                !r.all("record-route")
                    .join(",")
                    .contains(text(sentence, "value"))
            })),
            ("header/record-route", "copied") => Some(all(&|r| {
                r.all("record-route")
                    .join(",")
                    .contains(core(text(sentence, "value")))
            })),
            ("header/record-route", "routed" | "routed-one") => {
                let uri = core(
                    at.value
                        .trim_start_matches(|c| c != '<')
                        .trim_start_matches('<')
                        .split('>')
                        .next()
                        .unwrap_or(""),
                )
                .to_owned();
                Some(all(&|r| r.all("route").join(",").contains(&uri)))
            }
            ("header/route", "learned") => Some(all(&|r| {
                r.all("record-route")
                    .join(",")
                    .contains(core(text(sentence, "value")))
            })),
            ("header/route", "removed") => {
                let uri = at
                    .value
                    .split('>')
                    .next()
                    .unwrap_or("")
                    .trim_start_matches('<')
                    .to_owned();
                Some(all(&|r| !r.all("route").join(",").contains(&uri)))
            }
            (_, "nonce-from") => Some(all(&|r| {
                let challenges = [r.all("www-authenticate"), r.all("proxy-authenticate")]
                    .concat()
                    .join("\n");
                challenges.contains(text(sentence, "value"))
            })),
            (_, "accepted") => Some(all(&|r| {
                (200..300).contains(&r.status()) && r.cseq() == own.cseq()
            })),
            (_, "refused" | "refused-bare" | "stale" | "other-realm")
                if sentence.place("frame").is_some() =>
            {
                Some(all(&|r| {
                    [401, 407].contains(&r.status()) && r.cseq() == own.cseq()
                }))
            }
            (_, "forbidden") => Some(all(&|r| r.status() == 403 && r.cseq() == own.cseq())),
            (_, "went-on") => Some(all(&|r| {
                ![401, 407].contains(&r.status()) && r.cseq() == own.cseq()
            })),
            (_, "answered") if path.ends_with("authenticate") => {
                let nonce = at
                    .value
                    .split("nonce=\"")
                    .nth(1)
                    .and_then(|n| n.split('"').next())
                    .unwrap_or("?")
                    .to_owned();
                Some(all(&|r| {
                    r.all("authorization").join("").contains(&nonce)
                        || r.all("proxy-authorization").join("").contains(&nonce)
                }))
            }
            (_, "unanswered") if path.ends_with("authenticate") => None,
            ("common/here", "copied" | "copied-with-tag") => Some(all(&|r| {
                let header = path_header(at.value, own);
                !r.is_response() && r.cseq() == own.cseq() && at.value.starts_with(r.first(&header))
            })),
            ("common/here", "relays" | "response-to" | "answers" | "answers-untimed") => {
                Some(all(&|r| {
                    !r.is_response() && r.cseq() == own.cseq() && same_call(r)
                }))
            }
            ("common/here", "icmp" | "icmp-lost") => {
                let from = text(sentence, "value").parse().unwrap();
                Some(self.is_icmp_of(number(sentence, "n"), from))
            }
            ("common/here", "icmp-count") => Some(number(sentence, "n") > 1),
            ("common/here", "acks") => Some(all(&|r| {
                r.is_response() && r.status() >= 200 && r.cseq().0 == own.cseq().0 && same_call(r)
            })),
            ("method/ACK", "of-success" | "of-refusal") => Some(self.any(|r| {
                let success = (200..300).contains(&r.status());
                r.is_response()
                    && same_call(r)
                    && r.cseq() == (own.cseq().0, "INVITE")
                    && r.status() >= 200
                    && success == (what == "of-success")
            })),
            ("common/here", "acked") => Some(all(&|r| {
                r.method() == "ACK" && r.cseq().0 == own.cseq().0 && same_call(r)
            })),
            ("common/here", "no-ack") => Some(!self.any(|r| {
                r.method() == "ACK"
                    && !r.is_response()
                    && r.cseq().0 == own.cseq().0
                    && same_call(r)
            })),
            ("common/here", "cancels") => Some(all(&|r| {
                r.method() == "INVITE"
                    && !r.is_response()
                    && r.cseq().0 == own.cseq().0
                    && same_call(r)
            })),
            ("common/here", "repeats") => Some(all(&|r| {
                r.top_branch() == own.top_branch() && r.start == own.start && same_call(r)
            })),
            ("common/here", "final" | "later-final") => Some(all(&|r| {
                r.status() >= 200 && r.cseq() == own.cseq() && same_call(r)
            })),
            ("common/here", "provisional-only") => Some(
                all(&|r| r.status() < 200 && r.is_response() && r.cseq() == own.cseq())
                    && !self.any(|r| {
                        r.status() >= 200
                            && r.cseq() == own.cseq()
                            && same_call(r)
                            && (r.top_branch() == own.top_branch() || r.branches().is_empty())
                    }),
            ),
            ("common/here", "unanswered" | "no-final") => {
                let branch = own.top_branch();
                let last = if what == "no-final" { 200 } else { 100 };
                let later = self.raws.iter().skip(at.id.index() + 1);
                Some(!later.filter(|r| !r.copy).any(|r| {
                    r.is_response()
                        && r.status() >= last
                        && (r.top_branch() == branch || r.branches().is_empty())
                        && r.cseq() == own.cseq()
                        && same_call(r)
                }))
            }
            ("common/here", "no-request") => {
                let branch = own.top_branch();
                Some(!self.any(|r| {
                    !r.is_response()
                        && r.top_branch() == branch
                        && r.cseq() == own.cseq()
                        && same_call(r)
                }))
            }
            ("common/here" | "param/via/branch", "no-cseq") => Some(own.first("cseq").is_empty()),
            ("status/200", to) if to.starts_with("to-") => Some(self.answers(own, to, sentence)),
            ("header/expires", "seconds") => {
                Some(own.first("expires") == number(sentence, "n").to_string())
            }
            ("header/expires", "zero") => Some(own.first("expires") == "0"),
            ("header/session-expires", _) if !what.starts_with("about") => {
                let value = own.first("session-expires").to_ascii_lowercase();
                let seconds: u64 = value.split(';').next().unwrap().trim().parse().unwrap();
                Some(match what {
                    "seconds" => {
                        number(sentence, "n") == seconds && number(sentence, "half") == seconds / 2
                    }
                    "without" => number(sentence, "last") == 32.min(seconds / 3),
                    "short" => seconds < 90,
                    "open" => !value.contains("refresher") && !own.is_response(),
                    side => {
                        param(&value, "refresher").as_deref() == Some(side)
                            && text(sentence, "msg") == own.cseq().1
                    }
                })
            }
            ("header/min-se", "seconds") => Some(
                own.first("min-se") == number(sentence, "n").to_string()
                    && number(sentence, "half") == number(sentence, "n") / 2,
            ),
            ("header/date", "not-gmt") => Some(!own.first("date").ends_with("GMT")),
            ("param/event/id", "refer") => Some(all(&|r| {
                r.method() == "REFER"
                    && !r.is_response()
                    && same_call(r)
                    && own.first("event") == format!("refer;id={}", r.cseq().0)
            })),
            ("param/event/id", "refer-unseen") => {
                let id = param(own.first("event"), "id").unwrap();
                Some(!self.any(|r| {
                    r.method() == "REFER"
                        && !r.is_response()
                        && same_call(r)
                        && r.cseq().0.to_string() == id
                        && r.tag("from") != own.tag("from")
                }))
            }
            ("part/cseq/method", "own-method") => Some(
                !own.is_response()
                    && ["ACK", "CANCEL"].contains(&own.method())
                    && text(sentence, "msg") == own.method(),
            ),
            (_, "repeated") if ["header/from", "header/to", "header/timestamp"].contains(&path) => {
                Some(!own.is_response() && own.tag("to").is_none())
            }
            ("common/here", "copied-with-delay") => Some(all(&|r| {
                let (asked, own) = (r.first("timestamp"), own.first("timestamp"));
                !r.is_response() && own.starts_with(asked) && own.len() > asked.len()
            })),
            ("part/m/formats", list) if !list.starts_with("about") => {
                let Some(Place::List(items)) = sentence.place("list") else {
                    panic!()
                };
                let several = own.body.matches("m=").count() > 1;
                Some(items.iter().all(|item| {
                    let (n, name) = item.split_once(' ').unwrap_or((item, ""));
                    let offered = at.value.split_whitespace().any(|own| own == n);
                    let mapped = own.body.contains(&format!("a=rtpmap:{n} "));
                    offered
                        && match list {
                            "fixed" => n.parse::<u8>().unwrap() < 35 && !name.is_empty(),
                            "named" => own.body.contains(&format!("a=rtpmap:{n} {name}")),
                            _ => several || !mapped,
                        }
                }))
            }
            ("sdp-attribute/fmtp" | "part/fmtp/parameters", "for-codec") => {
                let (n, codec) = (text(sentence, "n"), text(sentence, "value"));
                let line = format!("a=rtpmap:{n} {codec}");
                let fixed = n.parse::<u8>().is_ok_and(|n| n < 35);
                Some(
                    own.body.contains(&format!("a=fmtp:{n} "))
                        && (fixed || own.body.contains(&line)),
                )
            }
            ("sdp-attribute/fmtp" | "part/fmtp/parameters", "keys") => {
                Some(own.body.to_ascii_lowercase().contains("telephone-event"))
            }
            ("sdp-attribute/fmtp" | "part/fmtp/parameters", "events") => {
                let Some(Place::List(items)) = sentence.place("list") else {
                    panic!()
                };
                let told: BTreeSet<u8> = items.iter().flat_map(|item| numbers_of(item)).collect();
                let value = at.value.split_whitespace().last().unwrap_or("");
                Some(told == value.split(',').flat_map(numbers_of).collect())
            }
            ("common/here", "passed-on") => Some(all(&|r| {
                r.is_response()
                    && r.status() == own.status()
                    && r.branches().get(1) == own.branches().first()
            })),
            ("common/here", "first-invite") => Some(own.tag("to").is_none()),
            ("common/here", "re-invite") => Some(own.tag("to").is_some()),
            ("common/here", "unchanged" | "changed" | "new") => Some(all(&|r| {
                let linked = match own.is_response() {
                    true => r.branches().get(1) == own.branches().first(),
                    false => r.branches().first() == own.branches().get(1),
                };
                let everything: Vec<&str> = r.headers.iter().map(|(_, v)| v.as_str()).collect();
                let has = |text: &str| {
                    everything
                        .iter()
                        .any(|v| v.contains(text.trim_end_matches('…')))
                };
                linked
                    && match what {
                        "changed" => has(text(sentence, "old")),
                        "unchanged" => has(text(sentence, "value")),
                        _ => true,
                    }
            })),
            ("sdp-line/m", "answer-keeps" | "answer-refuses" | "offer-had" | "no-common") => {
                Some(all(&|r| {
                    r.body.contains("m=") && r.cseq().0 == own.cseq().0 && same_call(r)
                }))
            }
            ("sdp-line/c" | "sdp-line/m", "rtp" | "no-rtp") => {
                let port = number(sentence, "n");
                let port = u16::try_from(port).unwrap();
                // Addresses of all c= lines of this message.
                let own_addresses: Vec<&str> = own
                    .body
                    .lines()
                    .filter_map(|l| l.strip_prefix("c="))
                    .filter_map(|l| l.split_whitespace().nth(2))
                    .collect();
                let streams = self.loaded.view.streams();
                let to: Vec<_> = streams
                    .iter()
                    .filter(|s| {
                        s.dst.port == port
                            && own_addresses.contains(&s.dst.ip.to_string().as_str())
                            && s.packets() > 0
                    })
                    .collect();
                Some(match what {
                    "rtp" => to
                        .iter()
                        .any(|s| s.packets() <= number(sentence, "packets")),
                    _ => to.is_empty() || own_addresses.len() > 1,
                })
            }
            ("sdp-line/o", "repeated") => Some(all(&|r| {
                r.body.trim() == own.body.trim()
                    || r.body.contains("o=")
                        && own
                            .body
                            .contains(r.body.lines().find(|l| l.starts_with("o=")).unwrap_or("?"))
            })),
            ("sdp-line/o", "new-version" | "changed-same-version") => {
                Some(all(&|r| r.body.contains("o=")))
            }
            ("header/rack", "acknowledges") => {
                Some(all(&|r| r.first("rseq") == text(sentence, "value")))
            }
            _ => None,
        };
        match ok {
            Some(true) => {
                self.checked += 1;
                self.seen.insert(name.to_owned());
            }
            Some(false) => {
                let row = self.loaded.view.message(at.id).unwrap();
                self.wrong.push(format!(
                    "{} frame {} ({}): {name} is not true: {:?}",
                    self.file, row.frame, own.start, sentence.places
                ));
            }
            // A claim about other frames that nobody checks is a gap in this test.
            None => {
                let names_frames = !frames(sentence).is_empty();
                assert!(!names_frames, "no check for {name}");
            }
        }
    }

    /// What a 200 says: its request, read again, has to be of that kind.
    fn answers(&self, own: &Raw, what: &str, sentence: &Sentence) -> bool {
        let request = |response: &Raw| {
            self.raws.iter().find(|r| {
                !r.is_response()
                    && r.top_branch() == response.top_branch()
                    && r.first("call-id") == response.first("call-id")
                    && r.cseq() == response.cseq()
            })
        };
        let asked_tag = request(own).map(|r| r.tag("to"));
        let is_invite = own.cseq().1 == "INVITE";
        match what {
            "to-invite" => is_invite && asked_tag == Some(None),
            "to-reinvite" => is_invite && asked_tag.is_some_and(|tag| tag.is_some()),
            "to-reinvite-of" => {
                let first = self.raw(link(sentence, "frame"));
                is_invite
                    && asked_tag.is_some_and(|tag| tag.is_some())
                    && (200..300).contains(&first.status())
                    && first.cseq().1 == "INVITE"
                    && request(first).is_some_and(|r| r.tag("to").is_none())
                    && first.first("call-id") == own.first("call-id")
            }
            "to-some-invite" => is_invite && asked_tag.is_none(),
            "to-unsubscribe" => own.cseq().1 == "SUBSCRIBE" && own.first("expires") == "0",
            "to-subscribe" => own.cseq().1 == "SUBSCRIBE" && own.first("expires") != "0",
            other => own.cseq().1.eq_ignore_ascii_case(&other[3..]),
        }
    }

    fn node(&mut self, scene: &Scene<'_>, id: MessageId, node: &Node, depth: Depth) {
        let target = Target {
            topic: node.topic,
            span: node.span,
        };
        assert_ne!(
            node.topic,
            Topic::NONE,
            "{}: no topic for {}",
            self.file,
            node.name
        );
        if let Some(found) = explain(scene, target, depth) {
            self.explanation(id, node, &found);
        }
        for child in &node.children {
            self.node(scene, id, child, depth);
        }
    }

    fn explanation(&mut self, id: MessageId, node: &Node, found: &Explanation) {
        assert!(
            !found.glance.is_empty() && found.glance.chars().count() <= 90,
            "{}",
            node.topic.path()
        );
        assert!(!found.source.is_empty(), "{}", node.topic.path());
        for sentence in &found.here {
            self.links_are_frames(sentence);
            self.names_are_of_their_owners(sentence);
            let at = At {
                id,
                value: node.value.trim(),
            };
            self.claim(&at, sentence);
            for piece in &sentence.pieces {
                if let sipscope::explain::Piece::Text(words) = piece {
                    let open = words.find('{').and_then(|at| words.get(at + 1..));
                    let place = open.is_some_and(|rest| {
                        rest.starts_with(|c: char| c.is_ascii_lowercase()) && rest.contains('}')
                    });
                    assert!(!place, "{}: {words}", sentence.id);
                }
            }
        }
    }
}

/// Scheme, user, host and port of a URI.
fn core(uri: &str) -> &str {
    uri.split([';', '?', '>'])
        .next()
        .unwrap_or(uri)
        .trim_start_matches('<')
}

fn check(
    paths: &[PathBuf],
    totals: &mut BTreeMap<String, usize>,
    wrong: &mut Vec<String>,
) -> usize {
    let loaded = load(paths, &Options::default());
    let count = loaded.view.messages().len();
    if count == 0 || count > 6_000 {
        return 0;
    }
    let raws = (0..count)
        .map(|i| {
            let row = loaded.view.messages().get(i).unwrap();
            let octets = loaded
                .bytes
                .read_all(&loaded.view.extents(row))
                .unwrap_or_default();
            let mut raw = Raw::of(&octets);
            raw.copy = row.repeat().is_copy();
            raw.again = row.repeat() != Repeat::No;
            raw
        })
        .collect();
    let file = paths[0].file_name().unwrap().to_string_lossy().into_owned();
    let mut checker = Checker {
        loaded: &loaded,
        raws,
        wrong: Vec::new(),
        seen: BTreeSet::new(),
        checked: 0,
        file,
        path: paths[0].clone(),
        named: BTreeSet::new(),
    };
    let step = count.div_ceil(MOST_MESSAGES);
    for i in (0..count).step_by(step) {
        let id = MessageId::at(i);
        let row = loaded.view.message(id).unwrap();
        let octets = loaded
            .bytes
            .read_all(&loaded.view.extents(row))
            .unwrap_or_default();
        let (message, _) = decode(&octets, framing(&loaded, id));
        let tree = header_tree(&octets, &message);
        let scene = Scene::new(&loaded.view, id, &octets, &message, &*loaded.bytes).unwrap();
        for node in &tree {
            checker.node(&scene, id, node, Depth::Expert);
        }
    }
    for name in &checker.seen {
        *totals.entry(name.clone()).or_default() += 1;
    }
    wrong.append(&mut checker.wrong);
    checker.checked
}

fn captures_of(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.is_file()
                && path
                    .extension()
                    .is_none_or(|e| !["md", "json", "txt"].iter().any(|no| e == *no))
        })
        .collect();
    files.sort();
    files
}

#[track_caller]
fn none_wrong(wrong: &[String]) {
    let shown: Vec<&String> = wrong.iter().take(40).collect();
    assert!(wrong.is_empty(), "{} wrong:\n{:#?}", wrong.len(), shown);
}

#[test]
fn every_claim_holds_in_our_recordings() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
    let (mut totals, mut wrong, mut checked) = (BTreeMap::new(), Vec::new(), 0);
    let mut cases: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .flatten()
        .map(|e| e.path())
        .collect();
    cases.sort();
    for case in cases {
        for name in ["capture.pcap", "capture.pcapng"] {
            let file = case.join(name);
            if file.exists() {
                let before = wrong.len();
                checked += check(&[file], &mut totals, &mut wrong);
                for text in wrong.iter_mut().skip(before) {
                    *text = format!("{}: {text}", case.file_name().unwrap().to_string_lossy());
                }
            }
        }
    }
    none_wrong(&wrong);
    assert!(checked > 5_000, "only {checked} claims were checked");
    // The heart of the matter must occur, or the test shows nothing.
    for name in [
        "param/via/branch#responses",
        "param/via/branch#below",
        "param/to/tag#added",
        "header/call-id#count",
        "header/cseq#credentials",
        "header/cseq#other-side",
        "header/contact#used",
        "header/record-route#put",
        "header/record-route#routed",
        "header/route#learned",
        "header/max-forwards#passed-on",
        "start/request-uri#replaced",
        "param/proxy-authorization/response#nonce-from",
        "sdp-line/m#answer-keeps",
        "sdp-line/c#rtp",
        "sdp-line/c#no-rtp",
        "sdp-attribute/fmtp#events",
        "part/m/formats#fixed",
        "part/m/formats#named",
        "param/event/id#refer",
        "status/200#to-reinvite-of",
        "status/200#to-unsubscribe",
        "header/expires#seconds",
        "common/here#value-means",
        "param/from/tag#outside",
        "method/ACK#of-success",
        "method/ACK#of-refusal",
    ] {
        assert!(totals.contains_key(name), "{name} was never said");
    }
}

#[test]
fn every_claim_holds_in_the_corpus() {
    let Some(folder) = common::corpus("captures") else {
        return;
    };
    let (mut totals, mut wrong, mut checked) = (BTreeMap::new(), Vec::new(), 0);
    for file in captures_of(&folder) {
        checked += check(&[file], &mut totals, &mut wrong);
    }
    none_wrong(&wrong);
    assert!(checked > 5_000, "only {checked} claims were checked");
    assert!(totals.contains_key("common/here#icmp-lost"));
    for name in ["header/date#not-gmt", "header/session-expires#seconds"] {
        assert!(totals.contains_key(name), "{name} was never said");
    }
    println!("{checked} claims, {} kinds", totals.len());
}

#[test]
fn every_claim_holds_in_the_seeds() {
    for seed in ["seeds/opensips_call", "seeds/kamailio_register"] {
        let Some(folder) = common::corpus(seed) else {
            continue;
        };
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
            .unwrap()
            .flatten()
            .map(|e| e.path())
            .filter(|p| p.extension().is_some_and(|e| e == "sip"))
            .collect();
        files.sort();
        let (mut totals, mut wrong) = (BTreeMap::new(), Vec::new());
        if check(&files, &mut totals, &mut wrong) == 0 {
            eprintln!("skipped: {seed} does not open as a capture");
        }
        none_wrong(&wrong);
    }
}

/// Which header has this value.
fn path_header(value: &str, raw: &Raw) -> String {
    let found = raw.headers.iter().find(|(_, v)| v == value);
    found.map(|(n, _)| n.clone()).unwrap_or_default()
}

/// The explanation of a node of one of our recordings.
fn told(case: &str, message: usize, path: &str) -> Explanation {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/captures");
    let loaded = load(&[root.join(case).join("capture.pcap")], &Options::default());
    let id = MessageId::at(message - 1);
    let row = loaded.view.message(id).unwrap();
    let octets = loaded.bytes.read_all(&loaded.view.extents(row)).unwrap();
    let (message, _) = decode(&octets, framing(&loaded, id));
    let tree = header_tree(&octets, &message);
    let node = node_at(&tree, path).unwrap_or_else(|| panic!("{path}"));
    let scene = Scene::new(&loaded.view, id, &octets, &message, &*loaded.bytes).unwrap();
    let target = Target {
        topic: node.topic,
        span: node.span,
    };
    explain(&scene, target, Depth::Normal).unwrap()
}

#[test]
fn a_server_does_not_get_the_name_of_whom_it_tells_of() {
    let notify = told("presence", 3, "Request-Line > method").here_text();
    assert!(
        notify.starts_with("The server 198.51.100.1 sends this NOTIFY to Alice (192.0.2.10)."),
        "{notify}"
    );
    let answer = told("presence", 2, "Status-Line > status code").here_text();
    assert!(
        answer.starts_with("The server 198.51.100.1 answers"),
        "{answer}"
    );
    let publish = told("presence", 5, "Request-Line > method").here_text();
    assert!(publish.starts_with("bob (203.0.113.20) sends"), "{publish}");
}

#[test]
fn a_200_to_a_re_invite_answers_no_call() {
    let first = told("hold", 3, "Status-Line > status code").here_text();
    assert!(
        first.contains("it means that the call was answered"),
        "{first}"
    );
    let second = told("hold", 6, "Status-Line > status code").here_text();
    assert!(
        second.contains("the call itself was answered in frame 3"),
        "{second}"
    );
    assert!(
        !second.contains("it means that the call was answered"),
        "{second}"
    );
}

/// The topics of the nodes of a message, by their paths.
fn topics(text: &str) -> BTreeMap<String, &'static str> {
    let framing = Framing {
        datagram: true,
        cut: false,
        whole: false,
    };
    let octets = text.replace('\n', "\r\n").into_bytes();
    let (message, _) = decode(&octets, framing);
    let mut found = BTreeMap::new();
    each(&header_tree(&octets, &message), &mut |path, _, node| {
        found.insert(path.to_owned(), node.topic.path());
    });
    found
}

#[track_caller]
fn check_topics(message: &str, expected: &[(&str, &str)]) {
    let found = topics(message);
    for (path, topic) in expected {
        assert_eq!(found.get(*path), Some(topic), "{path} of {found:#?}");
    }
}

#[test]
fn one_name_can_be_a_part_and_a_parameter() {
    check_topics(
        "INVITE sip:+41@h:5;user=phone;port=1;host=x;headers=2;method=BYE SIP/2.0\n\
         From: \"n\" <sip:user@h;user=ip?Call-ID=1&body=b>;tag=1;uri=2;display=3;user=4\n\
         To: <tel:+41-44;phone-context=x;number=2>\n\
         CSeq: 1 INVITE\n\
         Via: SIP/2.0/UDP h:5;sent-by=x;host=y;branch=z9hG4bK1\n\
         Content-Type: multipart/related;type=\"a/b\";boundary=b\n\
         Session-Expires: 90;number=2;refresher=uac\n\
         Authorization: Digest username=\"u\",scheme=\"x\",uri=\"sip:h\"\n\
         Event: refer;id=7;value=2\n\
         Contact: <sip:h>;expires=5;method=x;+g.x=\"y\";automata\n\
         Accept-Contact: *;audio;+g.3gpp.smsip;explicit\n\n",
        &[
            ("Request-Line > Request-URI > user", "part/uri/user"),
            ("Request-Line > Request-URI > user[2]", "uri-param/user"),
            ("Request-Line > Request-URI > port", "part/uri/port"),
            ("Request-Line > Request-URI > port[2]", "unknown/param"),
            ("Request-Line > Request-URI > host[2]", "unknown/param"),
            ("Request-Line > Request-URI > headers", "unknown/param"),
            ("Request-Line > Request-URI > method", "uri-param/method"),
            ("From > display name", "part/display-name"),
            ("From > uri", "part/uri"),
            ("From > uri > user", "part/uri/user"),
            ("From > uri > user[2]", "uri-param/user"),
            ("From > uri > headers", "part/uri/headers"),
            ("From > uri > headers > Call-ID", "header/call-id"),
            ("From > uri > headers > body", "part/uri/body"),
            ("From > tag", "param/from/tag"),
            ("From > uri[2]", "unknown/param"),
            ("From > user", "unknown/param"),
            ("To > uri > user", "part/uri/number"),
            ("To > uri > phone-context", "uri-param/phone-context"),
            ("CSeq > method", "part/cseq/method"),
            ("Via > sent-by", "part/via/sent-by"),
            ("Via > sent-by[2]", "unknown/param"),
            ("Via > host", "unknown/param"),
            ("Content-Type > type", "part/media-type/type"),
            ("Content-Type > type[2]", "param/content-type/type"),
            ("Content-Type > boundary", "part/media-type/boundary"),
            ("Session-Expires > number", "part/number"),
            ("Session-Expires > number[2]", "unknown/param"),
            (
                "Session-Expires > refresher",
                "param/session-expires/refresher",
            ),
            ("Authorization > scheme", "auth-scheme/digest"),
            ("Authorization > scheme[2]", "unknown/param"),
            ("Event > value", "event/refer"),
            ("Event > id", "param/event/id@refer"),
            ("Event > value[2]", "unknown/param"),
            ("Contact", "header/contact"),
            ("Contact > expires", "param/contact/expires"),
            ("Contact > method", "unknown/param"),
            ("Contact > +g.x", "feature-tag/other"),
            ("Contact > automata", "feature-tag/automata"),
            ("Accept-Contact > audio", "param/contact/audio"),
            (
                "Accept-Contact > +g.3gpp.smsip",
                "feature-tag/+g.3gpp.smsip",
            ),
            ("Accept-Contact > explicit", "param/accept-contact/explicit"),
        ],
    );
}

#[test]
fn a_header_is_explained_by_the_message_it_stands_in() {
    let check = |start: &str, cseq: &str, header: &str, topic: &str| {
        let name = header.split(':').next().unwrap();
        let message = format!("{start}\nCSeq: 1 {cseq}\n{header}\n\n");
        check_topics(&message, &[(name, topic)]);
    };
    let (contact, expires) = ("Contact: <sip:h>", "Expires: 60");
    check("INVITE sip:h SIP/2.0", "INVITE", contact, "header/contact");
    check(
        "REGISTER sip:h SIP/2.0",
        "REGISTER",
        contact,
        "header/contact@register",
    );
    check(
        "SIP/2.0 200 OK",
        "REGISTER",
        contact,
        "header/contact@bindings",
    );
    check("SIP/2.0 200 OK", "INVITE", contact, "header/contact");
    check(
        "SIP/2.0 302 Moved",
        "INVITE",
        contact,
        "header/contact@redirect",
    );
    check(
        "SIP/2.0 485 Ambiguous",
        "INVITE",
        contact,
        "header/contact@redirect",
    );
    check(
        "INVITE sip:h SIP/2.0",
        "INVITE",
        "Require: 100rel",
        "header/require",
    );
    check(
        "SIP/2.0 180 Ringing",
        "INVITE",
        "Require: 100rel",
        "header/require@response",
    );
    check(
        "SUBSCRIBE sip:h SIP/2.0",
        "SUBSCRIBE",
        "Accept: a/b",
        "header/accept@subscribe",
    );
    check(
        "OPTIONS sip:h SIP/2.0",
        "OPTIONS",
        "Accept: a/b",
        "header/accept",
    );
    check(
        "INVITE sip:h SIP/2.0",
        "INVITE",
        expires,
        "header/expires@invite",
    );
    check(
        "REGISTER sip:h SIP/2.0",
        "REGISTER",
        expires,
        "header/expires@wish",
    );
    check(
        "SIP/2.0 200 OK",
        "REGISTER",
        expires,
        "header/expires@granted",
    );
    check("SIP/2.0 404 No", "REGISTER", expires, "header/expires");
}

#[test]
fn a_variant_says_the_rest_as_its_base_does() {
    for entry in catalogue()
        .entries()
        .iter()
        .filter(|e| e.path.contains('@'))
    {
        let base = catalogue().get(entry.base()).expect("a base");
        assert!(
            !entry.source.is_empty() && !entry.glance.is_empty(),
            "{}",
            entry.path
        );
        let says_more = entry.glance != base.glance || entry.about != base.about;
        assert!(says_more, "{}", entry.path);
        for name in base.here.keys() {
            assert!(entry.here.contains_key(name), "{}: {name}", entry.path);
        }
    }
}
