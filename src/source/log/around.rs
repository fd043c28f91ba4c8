//! What a whole text gained on its way: the escapes of a web page, marks of quotation, line
//! numbers, indentation, the head of a syslog line in front of every line.
//!
//! It is taken off before the formats look at the lines. Formats have prefixes of their own, so a
//! text is tried both ways: only what shows more of its messages is done.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem;
use regex::bytes::Regex;

use super::build::Repair;
use super::finder::{Done, Finder};
use super::hex;
use super::marks::regex;
use super::stamp::{self, Stamp};
use crate::packet::trace::TimeKind;
use crate::source::TextFormat;

/// Octets of the beginning that decide.
const SAMPLE: usize = 128 << 10;
/// Prefixes one behind the other: `> > 12: `.
const MOST_PREFIXES: usize = 6;
/// Fewer lines show no pattern.
const FEWEST_LINES: usize = 4;

static SYSLOG: LazyLock<Option<Regex>> = LazyLock::new(|| {
    regex(concat!(
        // RFC 3164 as it lies in files, and with the time of RFC 5424.
        r"^(?:(?:<\d{1,3}>)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})?|",
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?)",
        r" \S+ [^\s:\[\]]+(?:\[\d+\])?:",
        // RFC 5424 on the wire.
        r"|<\d{1,3}>1 \S+ \S+ \S+ \S+ \S+ (?:-|\[[^\]]*\]))(?: |$)",
    ))
});

/// What was taken off a line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Around {
    /// Bits of [`Repair`].
    pub repairs: u32,
    /// The time that stood there.
    pub stamp: Option<Stamp>,
}

/// What stands in front of nearly every line.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Prefix {
    /// One octet, `>` as in quoted mail, and a blank behind it where all lines have one.
    Mark {
        mark: u8,
        gap: bool,
    },
    /// Numbers that count the lines, an octet behind them, and a blank.
    Numbers {
        mark: Option<u8>,
        gap: bool,
    },
    /// Blanks or tabs.
    Indent(usize),
    Syslog,
    /// The same octets, as `docker compose logs` puts the name of the container there.
    Fixed(Vec<u8>),
}

/// What is to be taken off the lines of a text.
#[derive(Clone, Debug, Default)]
pub(super) struct Wrapping {
    html: bool,
    no_break_spaces: bool,
    /// Each line ends at the bar of a box.
    bars: bool,
    prefixes: Vec<Prefix>,
}

impl Wrapping {
    /// Looks at the beginning of a text.
    pub fn detect(text: &[u8]) -> Self {
        let mut tried = Self::default();
        let mut best = (Self::default(), None);
        let mut attempt = |tried: &Self, sure: bool| {
            let first = best.0.clone();
            let before = *best.1.get_or_insert_with(|| first.score(text));
            let score = tried.score(text);
            if score > before || sure && score == before {
                best = (tried.clone(), Some(score));
            }
        };
        let text = text.get(..SAMPLE).unwrap_or(text);
        if looks_like_html(text) {
            tried.html = true;
            let escaped = [&b"&lt;sip"[..], b"\\&quot;"];
            let sure = escaped.iter().any(|e| memmem::find(text, e).is_some());
            attempt(&tried, sure);
        }
        if memmem::find(text, b"\xc2\xa0").is_some() || tried.html {
            tried.no_break_spaces = true;
            attempt(&tried, false);
        }
        let (mut lines, mut barred) = (0, 0);
        for line in sample_lines(text) {
            tried.unwrap(line, |line, _| {
                lines += usize::from(!line.trim_ascii().is_empty());
                barred += usize::from(without_bar(line).is_some());
            });
        }
        if lines >= FEWEST_LINES && most_of(barred, lines) {
            tried.bars = true;
            attempt(&tried, true);
        }
        while tried.prefixes.len() < MOST_PREFIXES {
            let mut lines = Vec::new();
            for line in sample_lines(text) {
                tried.unwrap(line, |line, _| lines.push(line.to_vec()));
            }
            // The sample may end in the middle of its last line.
            if text.len() >= SAMPLE {
                lines.pop();
            }
            lines.retain(|line| !line.trim_ascii().is_empty());
            let Some(prefix) = common_prefix(&lines) else {
                break;
            };
            // Where it shows no less, such a prefix is none of the format; indentation may be.
            let sure = !matches!(prefix, Prefix::Indent(_));
            tried.prefixes.push(prefix);
            attempt(&tried, sure);
        }
        best.0
    }

    /// How much of the messages of a text is seen: their number, then what is known of them.
    fn score(&self, text: &[u8]) -> (usize, usize) {
        let mut finder = Finder::default();
        let text = text.get(..SAMPLE).unwrap_or(text);
        for (number, line) in (1..).zip(sample_lines(text)) {
            self.unwrap(line, |line, around| {
                finder.around = around;
                finder.line(number, line, false);
            });
        }
        finder.end();
        let known = finder.done.iter().filter_map(|done| match done {
            Done::Message(found) => {
                let facts = &found.facts;
                let time = match facts.stamp.map(|stamp| stamp.kind) {
                    Some(TimeKind::Absolute | TimeKind::Local) => 3,
                    Some(TimeKind::TimeOnly) => 2,
                    Some(TimeKind::Uptime) => 1,
                    Some(TimeKind::None) | None => 0,
                };
                let told = [
                    facts.format != TextFormat::Plain,
                    facts.src.is_some(),
                    facts.dst.is_some(),
                    facts.transport.is_some(),
                ];
                Some(time + told.into_iter().filter(|told| *told).count())
            }
            Done::Packet(dump) => {
                hex::link_type(&dump.bytes)?;
                Some(4 + 3 * usize::from(dump.stamp.is_some()))
            }
        });
        known.fold((0, 0), |(count, sum), known| (count + 1, sum + known))
    }

    /// Hands out what is left of a line; of a line of HTML none, one or several.
    pub fn unwrap(&self, line: &[u8], mut take: impl FnMut(&[u8], Around)) {
        if !self.html {
            return self.one(line, 0, &mut take);
        }
        let (pieces, changed) = without_html(line);
        let repairs = if changed { Repair::Html.bit() } else { 0 };
        for piece in &pieces {
            self.one(piece, repairs, &mut take);
        }
    }

    fn one(&self, line: &[u8], repairs: u32, take: &mut impl FnMut(&[u8], Around)) {
        let mut around = Around {
            repairs,
            stamp: None,
        };
        let mut text = Cow::Borrowed(line);
        if self.no_break_spaces && memmem::find(line, b"\xc2\xa0").is_some() {
            around.repairs |= Repair::NoBreakSpace.bit();
            text = Cow::Owned(blanks(line));
        }
        let mut rest: &[u8] = &text;
        if let Some(inner) = without_bar(rest).filter(|_| self.bars) {
            around.repairs |= Repair::Box.bit();
            rest = inner;
        }
        for prefix in &self.prefixes {
            let Some((head, tail)) = prefix.split(rest) else {
                continue;
            };
            around.repairs |= match prefix {
                Prefix::Numbers { .. } => Repair::LineNumbers.bit(),
                _ => Repair::Prefix.bit(),
            };
            if *prefix == Prefix::Syslog {
                around.stamp = stamp::find(head).or(around.stamp);
            }
            rest = tail;
        }
        take(rest, around);
    }
}

impl Prefix {
    /// The prefix of a line and what follows it; none when it has no such prefix.
    fn split<'a>(&self, line: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let behind = |at: usize, gap: bool| {
            let gap = gap && line.get(at).is_some_and(|b| matches!(b, b' ' | b'\t'));
            line.split_at_checked(at + usize::from(gap))
        };
        match self {
            Self::Mark { mark, gap } => (line.first() == Some(mark))
                .then(|| behind(1, *gap))
                .flatten(),
            Self::Numbers { mark, gap } => {
                let found = Number::of(line)?;
                (found.mark == *mark)
                    .then(|| behind(found.end, *gap))
                    .flatten()
            }
            Self::Indent(most) => {
                let there = indentation(line).min(*most);
                (there > 0).then(|| line.split_at_checked(there)).flatten()
            }
            Self::Syslog => {
                let head = line.get(..512).unwrap_or(line);
                let end = SYSLOG.as_ref()?.find(head)?.end();
                line.split_at_checked(end)
            }
            Self::Fixed(same) if line.starts_with(same) => line.split_at_checked(same.len()),
            // An empty line loses the blanks at the end of its prefix.
            Self::Fixed(same) => (line.trim_ascii_end() == same.trim_ascii_end())
                .then(|| line.split_at_checked(line.len()))
                .flatten(),
        }
    }
}

/// The number in front of a line.
struct Number {
    value: u64,
    mark: Option<u8>,
    /// Where it ends, the mark behind it included.
    end: usize,
}

impl Number {
    fn of(line: &[u8]) -> Option<Self> {
        let blanks = indentation(line);
        let rest = line.get(blanks..)?;
        let digits = rest.iter().take(9).take_while(|b| b.is_ascii_digit());
        let digits = rest.get(..digits.count())?;
        let value = std::str::from_utf8(digits).ok()?.parse().ok()?;
        let end = blanks + digits.len();
        let mark = line.get(end).copied();
        let mark = mark.filter(|b| matches!(b, b':' | b'.' | b')' | b'|' | b']' | b'-'));
        Some(Self {
            value,
            mark,
            end: end + usize::from(mark.is_some()),
        })
    }
}

/// Nearly all: the first line of a piece that was copied often lacks its beginning.
fn most_of(count: usize, all: usize) -> bool {
    count + 1 + all / 20 >= all
}

/// A line without the bar of a box at its end, and the blanks in front of that.
fn without_bar(line: &[u8]) -> Option<&[u8]> {
    let line = line.trim_ascii_end();
    let inner = [&b"|"[..], "│".as_bytes(), "┃".as_bytes()]
        .iter()
        .find_map(|bar| line.strip_suffix(*bar))?;
    Some(inner.trim_ascii_end())
}

fn indentation(line: &[u8]) -> usize {
    let blanks = line.iter().take_while(|b| matches!(b, b' ' | b'\t'));
    blanks.count()
}

/// Lines of a sample; a CR alone ends one too, as `lines` reads them then.
fn sample_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let end = if lone_returns(text) { b'\r' } else { b'\n' };
    text.split(move |b| *b == end).map(|line| {
        let line = line.strip_prefix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    })
}

/// True for a text whose lines end in CR without LF.
pub(super) fn lone_returns(text: &[u8]) -> bool {
    let mut lone = 0usize;
    for at in memchr::memchr_iter(b'\r', text) {
        let next = text.get(at + 1);
        lone += usize::from(next.is_some_and(|b| !matches!(b, b'\n' | b'\r')));
    }
    lone > 4 * memchr::memchr_iter(b'\n', text).count()
}

/// What stands in front of nearly every line; the lines are those that are not empty.
fn common_prefix(lines: &[Vec<u8>]) -> Option<Prefix> {
    if lines.len() < FEWEST_LINES {
        return None;
    }
    let most = |count: usize| most_of(count, lines.len());
    if let Some(numbers) = line_numbers(lines) {
        return Some(numbers);
    }
    let with = |prefix: &Prefix| most(lines.iter().filter(|l| prefix.split(l).is_some()).count());
    let mark = lines.get(1).and_then(|line| line.first().copied());
    let mark = mark.filter(|b| matches!(b, b'>' | b'|' | b'#' | b'*' | b'+' | b';' | b'%'));
    let marks = mark.map(|mark| {
        let marked = lines.iter().filter(|line| line.first() == Some(&mark));
        let mut behind = marked.map(|line| line.get(1));
        let gap = behind.all(|b| b.is_none_or(|b| matches!(b, b' ' | b'\t')));
        Prefix::Mark { mark, gap }
    });
    let simple = [Some(Prefix::Syslog), marks];
    if let Some(found) = simple.into_iter().flatten().find(|prefix| with(prefix)) {
        return Some(found);
    }
    let indented = lines.iter().map(|l| indentation(l)).filter(|n| *n > 0);
    if most(indented.clone().count()) {
        return indented.min().map(Prefix::Indent);
    }
    fixed(lines)
}

fn line_numbers(lines: &[Vec<u8>]) -> Option<Prefix> {
    let mut count = 0;
    let mut counting = 0;
    let mut last = None;
    let mut mark = None;
    let mut gap = true;
    for line in lines {
        let Some(found) = Number::of(line) else {
            continue;
        };
        let as_before = *mark.get_or_insert(found.mark) == found.mark;
        if !as_before {
            continue;
        }
        count += 1;
        // Empty lines may have been left out of what is counted here.
        let next = last.is_some_and(|last| (last + 1..last + 4).contains(&found.value));
        counting += usize::from(next);
        last = Some(found.value);
        let behind = line.get(found.end);
        gap &= behind.is_none_or(|b| matches!(b, b' ' | b'\t'));
    }
    let mark = mark.flatten();
    let few = lines.len() / 10 + 1;
    let fits = count + few >= lines.len() && counting + few + 1 >= lines.len() && counting > 2;
    (fits && (gap || mark.is_some())).then_some(Prefix::Numbers { mark, gap })
}

/// The octets that all lines begin with, up to a blank.
fn fixed(lines: &[Vec<u8>]) -> Option<Prefix> {
    let (first, rest) = lines.split_first()?;
    let mut same = first.get(..first.len().min(200))?;
    for line in rest {
        let both = same.iter().zip(line).take_while(|(a, b)| a == b).count();
        // An empty line has no blank behind the prefix.
        if both == line.len() && same.get(both..).is_some_and(|r| r.starts_with(b" ")) {
            continue;
        }
        same = same.get(..both)?;
    }
    let end = memchr::memrchr2(b' ', b'\t', same)? + 1;
    let same = same.get(..end)?;
    // The date of a log is no decoration.
    let digits = same.iter().filter(|b| b.is_ascii_digit()).count();
    (digits < 4 && stamp::find(same).is_none()).then(|| Prefix::Fixed(same.to_vec()))
}

/// Escaped angle brackets and no others around addresses, or lines that end in `<br>`.
fn looks_like_html(text: &[u8]) -> bool {
    let has = |part: &[u8]| memmem::find(text, part).is_some();
    let escaped = [&b"&lt;"[..], b"&gt;", b"&quot;", b"&nbsp;"];
    let raw = [&b"<sip:"[..], b"<sips:", b"<tel:"];
    let ends = [&b"<br"[..], b"</div>", b"</p>", b"</li>", b"</tr>"];
    let ends = ends.map(|end| memmem::find_iter(text, end).count());
    let breaks: usize = ends.iter().sum();
    let lines = memchr::memchr_iter(b'\n', text).count();
    escaped.iter().any(|e| has(e)) && !raw.iter().any(|r| has(r))
        || breaks > 2 && breaks * 2 >= lines
}

/// Tags that are left out, and whether a line ends there.
const TAGS: [(&[u8], bool); 18] = [
    (b"br", true),
    (b"p", true),
    (b"div", true),
    (b"tr", true),
    (b"li", true),
    (b"pre", false),
    (b"html", false),
    (b"head", false),
    (b"body", false),
    (b"span", false),
    (b"code", false),
    (b"tt", false),
    (b"td", false),
    (b"font", false),
    (b"b", false),
    (b"i", false),
    (b"a", false),
    (b"table", false),
];

/// The lines that a line of HTML shows, and whether it had any of HTML in it.
fn without_html(line: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let mut pieces = Vec::new();
    let mut piece = Vec::with_capacity(line.len());
    let mut changed = false;
    let mut tags = false;
    let mut rest = line;
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'<'
            && let Some((len, ends)) = tag(rest)
        {
            (changed, tags) = (true, true);
            if ends {
                // CR LF of the text, of which the page made a break.
                if piece.ends_with(b"\r") {
                    piece.pop();
                }
                pieces.push(std::mem::take(&mut piece));
            }
            rest = rest.get(len..).unwrap_or_default();
        } else if *first == b'&'
            && let Some((shown, len)) = entity(rest)
        {
            changed = true;
            piece.push(shown);
            rest = rest.get(len..).unwrap_or_default();
        } else {
            piece.push(*first);
            rest = tail;
        }
    }
    // A line of tags alone shows nothing, and behind the last `<br>` no line begins.
    if !tags || !piece.trim_ascii().is_empty() {
        pieces.push(piece);
    }
    (pieces, changed)
}

/// The length of a tag, and whether it ends a line.
fn tag(text: &[u8]) -> Option<(usize, bool)> {
    let head = text.get(..text.len().min(300))?;
    let end = memchr::memchr(b'>', head)? + 1;
    let inner = head.get(1..end - 1)?;
    let (inner, closing) = match inner.strip_prefix(b"/") {
        Some(inner) => (inner, true),
        None => (inner, false),
    };
    let len = inner.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    let name = inner.get(..len)?;
    if !matches!(inner.get(len), None | Some(b' ' | b'/')) {
        return None;
    }
    let known = TAGS.iter().find(|(tag, _)| tag.eq_ignore_ascii_case(name));
    known.map(|(tag, ends)| (end, *ends && (closing || *tag == b"br")))
}

/// The octet that `&…;` stands for, and the length of that. A blank for a no-break space.
fn entity(text: &[u8]) -> Option<(u8, usize)> {
    let head = text.get(..text.len().min(9))?;
    let end = memchr::memchr(b';', head)?;
    let name = head.get(1..end)?;
    let shown = match name {
        b"lt" => b'<',
        b"gt" => b'>',
        b"amp" => b'&',
        b"quot" => b'"',
        b"apos" => b'\'',
        b"nbsp" => b' ',
        [b'#', b'x' | b'X', hex @ ..] => {
            code(u32::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()?)?
        }
        [b'#', digits @ ..] => code(std::str::from_utf8(digits).ok()?.parse().ok()?)?,
        _ => return None,
    };
    Some((shown, end + 1))
}

fn code(number: u32) -> Option<u8> {
    match number {
        0xa0 => Some(b' '),
        9 | 0x20..0x7f => u8::try_from(number).ok(),
        _ => None,
    }
}

fn blanks(line: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len());
    let mut from = 0;
    for at in memmem::find_iter(line, b"\xc2\xa0") {
        out.extend_from_slice(line.get(from..at).unwrap_or_default());
        out.push(b' ');
        from = at + 2;
    }
    out.extend_from_slice(line.get(from..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(lines: &[&str]) -> Option<Prefix> {
        let lines: Vec<_> = lines.iter().map(|l| l.as_bytes().to_vec()).collect();
        common_prefix(&lines)
    }

    #[test]
    fn what_stands_before_every_line_is_known() {
        assert_eq!(
            prefix(&["> a", "> b", ">", "> c", "> d"]),
            Some(Prefix::Mark {
                mark: b'>',
                gap: true
            })
        );
        assert_eq!(
            prefix(&[">a", ">  b", ">", ">  c", ">d"]),
            Some(Prefix::Mark {
                mark: b'>',
                gap: false
            })
        );
        assert_eq!(
            prefix(&["   9\ta", "  10\tb", "  11\t", "  12\t v"]),
            Some(Prefix::Numbers {
                mark: None,
                gap: true
            })
        );
        assert_eq!(
            prefix(&["1:a", "2:b", "3:", "4: v"]),
            Some(Prefix::Numbers {
                mark: Some(b':'),
                gap: false
            })
        );
        assert_eq!(
            prefix(&["a", "    b", "      c", "    d", "    e"]),
            Some(Prefix::Indent(4))
        );
        assert_eq!(
            prefix(&["app_1 | a", "app_1 | b", "app_1 |", "app_1 | c"]),
            Some(Prefix::Fixed(b"app_1 | ".to_vec()))
        );
        let syslog = [
            "Nov 20 10:00:00 host prog[12]: a",
            "2026-11-20T10:00:00.123+01:00 host prog: b",
            "<34>1 2026-11-20T10:00:00Z host prog 12 - - c",
            "Nov  2 10:00:00 host prog[12]:",
        ];
        assert_eq!(prefix(&syslog), Some(Prefix::Syslog));
        for line in syslog {
            let (_, rest) = Prefix::Syslog.split(line.as_bytes()).unwrap_or_default();
            assert!(rest.len() < 2, "{line}");
        }
        assert_eq!(
            prefix(&[
                "10:00:01 a",
                "10:00:02 b",
                "10:00:03 c",
                "10:00:04 d",
                "10:00:05 e"
            ]),
            None
        );
        assert_eq!(prefix(&["2026 a", "2026 b", "2026 c", "2026 d"]), None);
    }

    #[test]
    fn html_is_what_a_page_shows() {
        let shown = |line: &str| {
            let (pieces, _) = without_html(line.as_bytes());
            let pieces = pieces.iter().map(|p| String::from_utf8_lossy(p));
            pieces.collect::<Vec<_>>().join("\n")
        };
        assert_eq!(
            shown("To: &lt;sip:a@b&gt;&#x3b;x=&#34;&amp;lt;&quot;<br>"),
            "To: <sip:a@b>;x=\"&lt;\""
        );
        assert_eq!(shown("<p>a</p><p class=x>b</p>"), "a\nb");
        assert_eq!(shown("<html><body><pre>"), "");
        assert_eq!(shown("a <c> &b; <sip:x>"), "a <c> &b; <sip:x>");
        assert!(without_html(b"<html><body>").0.is_empty());
    }
}
