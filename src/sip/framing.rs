//! Whether bytes are SIP, and where messages begin and end (RFC 3261, 18.3).
//!
//! Ports say nothing: SIP is recognised by its start line.

use super::lex;
use super::lines::{self, Step};
use super::scan::ContentLength;
use super::start_line;

/// A message in a stream, header and body, takes at most this many octets.
pub const LARGEST_MESSAGE: usize = 4 * 1024 * 1024;
/// White space that is skipped in front of a start line in a datagram.
const MOST_LEADING: usize = 1024;
/// Octets of junk in front of a start line that a datagram may have on the same line.
const MOST_CONTROL_JUNK: usize = 16;
/// Octets of a datagram that are searched for a start line behind lines of junk.
const MOST_LINE_JUNK: usize = 2048;
/// A line longer than this without an end is no start line that is still to come.
const LONGEST_OPEN_LINE: usize = 64 * 1024;

/// True when a payload begins as SIP does, perhaps behind blank lines. Cheap for anything else.
#[inline]
pub fn looks_like_sip(payload: &[u8]) -> bool {
    let Some(&first) = payload.first() else {
        return false;
    };
    if lex::is_token_byte(first) {
        return start_line::recognise(payload).is_some();
    }
    matches!(first, b'\r' | b'\n' | b' ' | b'\t') && after_blank_lines(payload).is_some()
}

fn after_blank_lines(payload: &[u8]) -> Option<usize> {
    let head = payload.get(..MOST_LEADING).unwrap_or(payload);
    let at = head
        .iter()
        .position(|b| !matches!(b, b'\r' | b'\n' | b' ' | b'\t'))?;
    start_line::recognise(payload.get(at..)?).map(|_| at)
}

/// Offset of the start line in a datagram: 0 as a rule, more behind blank lines or junk.
/// `None`: no SIP.
pub fn datagram_start(payload: &[u8]) -> Option<usize> {
    if start_line::recognise(payload).is_some() {
        return Some(0);
    }
    if let Some(at) = after_blank_lines(payload) {
        return Some(at);
    }
    // A few octets that are no text, such as a counter or padding.
    let head = payload.get(..MOST_CONTROL_JUNK).unwrap_or(payload);
    let junk = head
        .iter()
        .take_while(|b| !(0x21..0x7f).contains(*b))
        .count();
    if junk > 0
        && payload
            .get(junk..)
            .is_some_and(|rest| start_line::recognise(rest).is_some())
    {
        return Some(junk);
    }
    // Whole lines of something else.
    let head = payload.get(..MOST_LINE_JUNK).unwrap_or(payload);
    memchr::memchr2_iter(b'\n', b'\r', head)
        .map(|at| at.wrapping_add(1))
        .find(|&at| {
            payload
                .get(at..)
                .is_some_and(|rest| start_line::recognise(rest).is_some())
        })
}

/// What the next octets of a stream are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamItem {
    /// Too little to say: come again with more octets behind these.
    NeedMore,
    /// So many octets of line ends between messages (RFC 5626, 3.5.1): to be dropped.
    KeepAlive(usize),
    /// A message of `len` octets.
    Message {
        /// Header and body.
        len: usize,
    },
    /// So many octets that are no SIP; behind them a message may begin.
    Junk(usize),
    /// None of these octets is SIP, and no message was seen before.
    NotSip,
}

/// One look at the octets at the head of a stream. `ended`: no more will come.
///
/// For octets that come in small pieces use a [`Framer`], which remembers how far it has looked.
pub fn next_in_stream(stream: &[u8], ended: bool) -> StreamItem {
    Framer::default().next(stream, ended)
}

/// Cuts a stream into messages. Work is linear in the octets, however small the pieces are.
#[derive(Clone, Debug, Default)]
pub struct Framer {
    /// Header lines before this offset have been looked at.
    looked_at: usize,
    /// Octets of the current line without its end, already searched.
    searched: usize,
    state: State,
    /// A message was found in this stream.
    seen_message: bool,
    /// The octets before these were junk and their line has not ended.
    in_junk_line: bool,
    /// Content-Length of the message at the head.
    length: ContentLength,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    /// At the head of something new.
    #[default]
    Start,
    /// Within a header; `looked_at` is the start of a line.
    Header,
    /// The message takes so many octets.
    Body(usize),
    /// Content-Length is no number: the body ends where the next message begins.
    OpenBody {
        /// Offset of the body.
        body: usize,
    },
}

impl Framer {
    /// For a stream that is known to be SIP and goes on behind missing octets.
    pub fn after_hole() -> Self {
        Self {
            seen_message: true,
            ..Self::default()
        }
    }

    /// The next item at the head of `stream`: all octets that came and were not taken yet.
    ///
    /// After `NeedMore` call again with the same octets and more behind them; after any other
    /// answer drop as many octets as it says.
    pub fn next(&mut self, stream: &[u8], ended: bool) -> StreamItem {
        let item = self.look(stream, ended);
        if item != StreamItem::NeedMore {
            let seen_message = self.seen_message || matches!(item, StreamItem::Message { .. });
            let in_junk_line = match item {
                StreamItem::Junk(len) => {
                    let last = stream.get(..len).and_then(|junk| junk.last());
                    !matches!(last, Some(b'\r' | b'\n'))
                }
                _ => false,
            };
            *self = Self {
                seen_message,
                in_junk_line,
                ..Self::default()
            };
        }
        item
    }

    fn look(&mut self, stream: &[u8], ended: bool) -> StreamItem {
        if let State::Start = self.state {
            if let Some(item) = self.start(stream, ended) {
                return item;
            }
            self.state = State::Header;
            self.looked_at = 0;
            self.searched = 0;
        }
        if let State::Header = self.state
            && let Some(item) = self.header(stream, ended)
        {
            return item;
        }
        match self.state {
            State::Body(len) if stream.len() >= len => StreamItem::Message { len },
            State::Body(_) if ended => StreamItem::Message { len: stream.len() },
            State::OpenBody { body } => self.open_body(stream, body, ended),
            _ => StreamItem::NeedMore,
        }
    }

    /// `None`: a start line begins here.
    fn start(&mut self, stream: &[u8], ended: bool) -> Option<StreamItem> {
        if stream.is_empty() {
            return Some(StreamItem::NeedMore);
        }
        let blank = stream
            .iter()
            .take_while(|b| matches!(b, b'\r' | b'\n'))
            .count();
        if blank > 0 {
            return Some(StreamItem::KeepAlive(blank));
        }
        if !self.in_junk_line {
            if start_line::recognise(stream).is_some() {
                return None;
            }
            if !ended && may_become_start(stream, &mut self.searched) {
                return Some(StreamItem::NeedMore);
            }
        }
        // Resynchronise at the start of a line.
        let mut at = 0;
        loop {
            let line = lines::line_at(stream, at);
            if line.line_end == lines::LineEnd::None {
                break;
            }
            at = line.next;
            let Some(rest) = stream.get(at..).filter(|rest| !rest.is_empty()) else {
                break;
            };
            if start_line::recognise(rest).is_some() || (!ended && may_become_start(rest, &mut 0)) {
                return Some(StreamItem::Junk(at));
            }
        }
        let known = self.seen_message
            || self.in_junk_line
            || memchr::memmem::find(stream, b"SIP/2.0").is_some();
        Some(if known {
            StreamItem::Junk(stream.len())
        } else {
            StreamItem::NotSip
        })
    }

    /// `None`: the header is over.
    fn header(&mut self, stream: &[u8], ended: bool) -> Option<StreamItem> {
        loop {
            let at = self.looked_at;
            if at > LARGEST_MESSAGE || stream.len().saturating_sub(at) > LARGEST_MESSAGE {
                return Some(StreamItem::Junk(stream.len()));
            }
            // A line that has not ended is not searched again from its start.
            let from = at.wrapping_add(self.searched);
            let tail = stream.get(from..).unwrap_or_default();
            let found = memchr::memchr2(b'\r', b'\n', tail);
            let end = from.wrapping_add(found.unwrap_or(tail.len()));
            let line_end = line_end_len(stream.get(end..).unwrap_or_default());
            if end == at && (line_end.is_some() || ended) {
                self.body_begins(lines::line_at(stream, at).next);
                return None;
            }
            let next = line_end.map(|len| end.wrapping_add(len));
            match next.and_then(|next| stream.get(next)) {
                // A line that begins with white space continues the one before.
                Some(b' ' | b'\t') => {
                    self.searched = next.unwrap_or(end).wrapping_sub(at);
                    continue;
                }
                None if !ended => {
                    self.searched = end.wrapping_sub(at);
                    return Some(StreamItem::NeedMore);
                }
                _ => self.searched = 0,
            }
            if at == 0 {
                self.looked_at = lines::line_at(stream, 0).next;
                // A start line is not continued.
                continue;
            }
            if start_line::recognise(stream.get(at..).unwrap_or_default()).is_some() {
                // The empty line is missing, or the sender broke off.
                return Some(StreamItem::Message { len: at });
            }
            match lines::step(stream, at) {
                Step::End { body, .. } => {
                    self.body_begins(body);
                    return None;
                }
                Step::Field(field) => {
                    if self.length == ContentLength::Absent
                        && (field.name.is("Content-Length") || field.name.is("l"))
                    {
                        self.length = ContentLength::read(field.value);
                    }
                    self.looked_at = field.next;
                }
            }
        }
    }

    fn body_begins(&mut self, body: usize) {
        let room = LARGEST_MESSAGE.saturating_sub(body);
        self.state = match self.length {
            ContentLength::Absent => State::Body(body),
            ContentLength::Value(length) => match usize::try_from(length) {
                Ok(length) if length <= room => State::Body(body.saturating_add(length)),
                _ => State::OpenBody { body },
            },
            ContentLength::Invalid => State::OpenBody { body },
        };
        self.looked_at = body;
        self.searched = 0;
    }

    /// The end of a body of unknown length: the next start line at the start of a line.
    fn open_body(&mut self, stream: &[u8], body: usize, ended: bool) -> StreamItem {
        loop {
            let at = self.looked_at;
            let rest = stream.get(at..).unwrap_or_default();
            if !rest.is_empty() && start_line::recognise(rest).is_some() {
                return StreamItem::Message { len: at.max(body) };
            }
            if stream.len() > LARGEST_MESSAGE {
                return StreamItem::Message { len: stream.len() };
            }
            let from = at.wrapping_add(self.searched);
            let tail = stream.get(from..).unwrap_or_default();
            match memchr::memchr2(b'\r', b'\n', tail) {
                Some(found) => {
                    let end = from.wrapping_add(found);
                    // Whether CR stands alone shows with the next octet.
                    if !ended && stream.len() <= end.wrapping_add(2) {
                        return StreamItem::NeedMore;
                    }
                    self.looked_at = lines::line_at(stream, end).next;
                    self.searched = 0;
                    // The line that begins there has to come first, unless it cannot be a start.
                    let rest = stream.get(self.looked_at..).unwrap_or_default();
                    if !ended && may_become_start(rest, &mut 0) {
                        return StreamItem::NeedMore;
                    }
                }
                None if ended => return StreamItem::Message { len: stream.len() },
                None => {
                    self.searched = stream.len().saturating_sub(at);
                    return StreamItem::NeedMore;
                }
            }
        }
    }
}

/// Length of the line end at the first octet, when what has come is enough to tell.
fn line_end_len(text: &[u8]) -> Option<usize> {
    match text {
        [b'\n', ..] => Some(1),
        [b'\r', b'\n', ..] => Some(2),
        [b'\r', b'\r', b'\n', ..] => Some(3),
        [b'\r'] | [b'\r', b'\r'] | [] => None,
        _ => Some(1),
    }
}

/// True when octets without a line end could still become a start line.
///
/// `searched` octets are known to hold no line end.
fn may_become_start(text: &[u8], searched: &mut usize) -> bool {
    if text.len() > LONGEST_OPEN_LINE {
        return false;
    }
    let tail = text.get(*searched..).unwrap_or_default();
    if memchr::memchr2(b'\r', b'\n', tail).is_some() {
        return false;
    }
    *searched = text.len();
    let word = text
        .iter()
        .take(130)
        .take_while(|b| lex::is_token_byte(**b))
        .count();
    match text.get(word) {
        // Within the first word, which is a method or the beginning of `SIP/2.0`.
        None => word < 129,
        Some(b' ' | b'\t') => word > 0,
        Some(b'/') => text
            .get(..word)
            .is_some_and(|word| word.eq_ignore_ascii_case(b"SIP")),
        Some(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYE: &str = "BYE sip:a@b SIP/2.0\r\nCSeq: 2 BYE\r\n";

    /// Frames a stream that comes in pieces of `size` octets.
    fn frame(stream: &[u8], size: usize) -> Vec<StreamItem> {
        let mut framer = Framer::default();
        let (mut items, mut start, mut end) = (Vec::new(), 0, 0);
        loop {
            let item = framer.next(&stream[start..end], end == stream.len());
            let taken = match item {
                StreamItem::NeedMore => {
                    if end == stream.len() {
                        return items;
                    }
                    end = (end + size).min(stream.len());
                    continue;
                }
                StreamItem::KeepAlive(len) | StreamItem::Junk(len) => len,
                StreamItem::Message { len } => len,
                StreamItem::NotSip => end - start,
            };
            start += taken;
            match (items.last_mut(), item) {
                (Some(StreamItem::KeepAlive(all)), StreamItem::KeepAlive(more))
                | (
                    Some(StreamItem::Junk(all)),
                    StreamItem::Junk(more) | StreamItem::KeepAlive(more),
                ) => *all += more,
                _ => items.push(item),
            }
        }
    }

    #[track_caller]
    fn check(stream: &str, expected: &[StreamItem]) {
        for size in [usize::from(u16::MAX), 1, 2, 3, 7] {
            assert_eq!(frame(stream.as_bytes(), size), expected, "pieces of {size}");
        }
    }

    #[test]
    fn messages_are_cut_by_their_length_however_they_come() {
        let one = format!("{BYE}l: 4\r\n\r\nbody");
        let two = format!("{BYE}\r\n");
        check(
            &format!("{one}\r\n\r\n{two}{one}"),
            &[
                StreamItem::Message { len: one.len() },
                StreamItem::KeepAlive(4),
                StreamItem::Message { len: two.len() },
                StreamItem::Message { len: one.len() },
            ],
        );
    }

    #[test]
    fn a_stream_captured_from_its_middle_finds_the_next_start_line() {
        let one = format!("{BYE}\r\n");
        let junk = "a=rtpmap:0 PCMU/8000 SIP/2.0\r\na=sendrecv\r\n";
        check(
            &format!("{one}{junk}{one}"),
            &[
                StreamItem::Message { len: one.len() },
                StreamItem::Junk(junk.len()),
                StreamItem::Message { len: one.len() },
            ],
        );
    }

    #[test]
    fn a_length_that_is_no_number_ends_at_the_next_message() {
        let one = format!("{BYE}Content-Length: abc\r\n\r\nbody\r\nmore\r\n");
        let two = format!("{BYE}\r\n");
        check(
            &format!("{one}{two}"),
            &[
                StreamItem::Message { len: one.len() },
                StreamItem::Message { len: two.len() },
            ],
        );
    }

    #[test]
    fn a_message_without_its_empty_line_ends_at_the_next_one() {
        let two = format!("{BYE}\r\n");
        check(
            &format!("{BYE}{two}"),
            &[
                StreamItem::Message { len: BYE.len() },
                StreamItem::Message { len: two.len() },
            ],
        );
    }

    #[test]
    fn other_protocols_are_no_sip() {
        for other in [
            "DESCRIBE rtsp://x/ RTSP/1.0\r\nCSeq: 1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "220 mail.example.com ESMTP\r\n",
            "\u{16}\u{3}\u{1}\0\u{5}",
        ] {
            assert_eq!(
                frame(other.as_bytes(), 9999),
                [StreamItem::NotSip],
                "{other}"
            );
            assert!(!looks_like_sip(other.as_bytes()));
            assert_eq!(datagram_start(other.as_bytes()), None);
        }
    }

    #[test]
    fn junk_in_front_of_a_datagram_is_skipped() {
        assert_eq!(datagram_start(BYE.as_bytes()), Some(0));
        assert_eq!(datagram_start(format!("\r\n\r\n{BYE}").as_bytes()), Some(4));
        assert_eq!(datagram_start(format!("\0\0\0\0{BYE}").as_bytes()), Some(4));
        assert_eq!(
            datagram_start(format!("some junk\r\n{BYE}").as_bytes()),
            Some(11)
        );
        assert_eq!(datagram_start(b"\0\0\0\0"), None);
        assert!(looks_like_sip(format!("\r\n\r\n{BYE}").as_bytes()));
        assert!(!looks_like_sip(&[0x80, 0, 1, 2]));
    }

    #[test]
    fn a_large_message_in_single_octets_is_linear() {
        let body = "x".repeat(1 << 20);
        let stream = format!("{BYE}Subject: {body}\r\nl: {}\r\n\r\n{body}", body.len());
        let mut framer = Framer::default();
        let begin = std::time::Instant::now();
        let found = (0..=stream.len())
            .map(|end| framer.next(&stream.as_bytes()[..end], false))
            .find(|item| *item != StreamItem::NeedMore);
        assert_eq!(found, Some(StreamItem::Message { len: stream.len() }));
        assert!(begin.elapsed().as_secs() < 5);
    }
}
