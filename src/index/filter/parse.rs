//! Text to expression: a parser by recursive descent with a bound on the depth.

use std::net::IpAddr;

use super::fields::{self, FieldType, Id, Subject};
use super::parts;
use super::{FilterError, Network, Node, Pattern, Relation, Test};

/// Parentheses and negations within each other.
const MAX_DEPTH: usize = 100;
/// Octets of one filter.
const MAX_TEXT: usize = 1 << 20;
const NANOS: i64 = 1_000_000_000;

/// Understands a whole filter.
pub(super) fn parse(text: &str) -> Result<Node, FilterError> {
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
    };
    if text.len() > MAX_TEXT {
        return Err(parser.error(0, 0, format!("a filter has at most {MAX_TEXT} octets")));
    }
    parser.skip_blanks();
    if parser.rest().is_empty() {
        return Ok(Node::And(Vec::new()));
    }
    let node = parser.any()?;
    parser.skip_blanks();
    if !parser.rest().is_empty() {
        let expected = if parser.rest().starts_with(')') {
            "there is no `(` for this `)`".to_owned()
        } else {
            "expected `and`, `or` or the end".to_owned()
        };
        return Err(parser.here(expected));
    }
    Ok(node)
}

struct Parser<'a> {
    text: &'a str,
    /// Offset in octets.
    at: usize,
    depth: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Equal,
    Unequal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Contains,
    Matches,
    In,
}

const SIGNS: &[(&str, Op)] = &[
    ("===", Op::Equal),
    ("!==", Op::Unequal),
    ("==", Op::Equal),
    ("!=", Op::Unequal),
    ("<=", Op::LessEqual),
    (">=", Op::GreaterEqual),
    ("<", Op::Less),
    (">", Op::Greater),
    ("~", Op::Matches),
    ("=", Op::Equal),
];

const WORDS: &[(&str, Op)] = &[
    ("contains", Op::Contains),
    ("matches", Op::Matches),
    ("in", Op::In),
    ("eq", Op::Equal),
    ("ne", Op::Unequal),
    ("lt", Op::Less),
    ("le", Op::LessEqual),
    ("gt", Op::Greater),
    ("ge", Op::GreaterEqual),
];

/// Names of which Wireshark's `contains` and `matches` look at all octets; here those of the message.
const PROTOCOLS: &[&str] = &[
    "frame",
    "eth",
    "ip",
    "ipv6",
    "udp",
    "tcp",
    "sctp",
    "websocket",
    "sip",
    "sdp",
];

/// A value with its place in the text.
struct Value {
    text: String,
    start: usize,
    len: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn error(&self, start: usize, len: usize, message: impl Into<String>) -> FilterError {
        let before = self.text.get(..start).unwrap_or(self.text);
        let part = self
            .text
            .get(start..start.saturating_add(len))
            .unwrap_or_default();
        FilterError {
            position: before.chars().count(),
            length: part.chars().count(),
            message: message.into(),
        }
    }

    /// An error at the next character.
    fn here(&self, message: impl Into<String>) -> FilterError {
        let len = self.rest().chars().next().map_or(0, char::len_utf8);
        self.error(self.at, len, message)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.rest().starts_with(sign);
        if found {
            self.at += sign.len();
        }
        found
    }

    /// The word of letters, digits, `.`, `_` and `-` that stands here; empty if none.
    fn word(&self) -> &'a str {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '_' | '-')))
            .unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    }

    fn keyword(&mut self, words: &[&str], signs: &[&str]) -> bool {
        self.skip_blanks();
        let word = self.word();
        if words.iter().any(|w| w.eq_ignore_ascii_case(word)) {
            self.at += word.len();
            return true;
        }
        signs.iter().any(|sign| self.take(sign))
    }

    fn any(&mut self) -> Result<Node, FilterError> {
        let mut nodes = vec![self.all()?];
        while self.keyword(&["or"], &["||"]) {
            nodes.push(self.all()?);
        }
        Ok(if nodes.len() == 1 {
            nodes.remove(0)
        } else {
            Node::Or(nodes)
        })
    }

    fn all(&mut self) -> Result<Node, FilterError> {
        let mut nodes = vec![self.one()?];
        while self.keyword(&["and"], &["&&"]) {
            nodes.push(self.one()?);
        }
        Ok(if nodes.len() == 1 {
            nodes.remove(0)
        } else {
            Node::And(nodes)
        })
    }

    fn one(&mut self) -> Result<Node, FilterError> {
        // Negations are counted, not nested.
        let mut negated = false;
        while !self.rest().trim_start().starts_with("!=") && self.keyword(&["not"], &["!"]) {
            negated = !negated;
        }
        self.skip_blanks();
        let start = self.at;
        let node = if self.take("(") {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                let why = format!("more than {MAX_DEPTH} parentheses within each other");
                return Err(self.error(start, 1, why));
            }
            let node = self.any()?;
            self.skip_blanks();
            if !self.take(")") {
                return Err(self.here("expected `)`, `and` or `or`"));
            }
            self.depth -= 1;
            node
        } else {
            self.test()?
        };
        Ok(if negated {
            Node::Not(Box::new(node))
        } else {
            node
        })
    }

    fn test(&mut self) -> Result<Node, FilterError> {
        self.skip_blanks();
        let start = self.at;
        let name = self.word();
        if name.is_empty() {
            let expected = "expected a field, such as method or src, `not` or `(`";
            return Err(self.here(expected));
        }
        self.at += name.len();
        let (subject, mut kind) = if let Some(field) = fields::find(name) {
            (Subject::Field(field.id), field.kind)
        } else if let Some(header) = fields::header(name) {
            let kind = match fields::is_number(header) {
                true => FieldType::Number,
                false => FieldType::Text,
            };
            (Subject::Header(header.to_owned()), kind)
        } else if let Some((part, kind)) = parts::find(name) {
            (Subject::Part(part), kind)
        } else {
            return Err(self.error(start, name.len(), unknown(name)));
        };
        let exact = name
            .get(..4)
            .is_some_and(|p| p.eq_ignore_ascii_case("sip."));
        let present = |subject| {
            Node::Test(Test {
                subject,
                relation: Relation::Present,
                exact,
            })
        };
        let Some(op) = self.operator() else {
            return Ok(present(subject));
        };
        let looks_inside = matches!(op, Op::Contains | Op::Matches);
        if looks_inside && PROTOCOLS.iter().any(|p| p.eq_ignore_ascii_case(name)) {
            let inside = Node::Test(Test {
                subject: match subject {
                    Subject::Field(Id::HasSdp) => Subject::Part(parts::Part::Sdp),
                    _ => Subject::Field(Id::Text),
                },
                relation: self.texts(op)?,
                exact,
            });
            return Ok(Node::And(vec![present(subject), inside]));
        }
        // The text of a number is compared too, where it was written by hand.
        let is_read = matches!(subject, Subject::Header(_) | Subject::Part(_));
        if is_read && looks_inside {
            kind = FieldType::Text;
        }
        let relation = match kind {
            FieldType::Flag => {
                let (value, negated) = self.flag(op, name)?;
                let present = present(subject);
                return Ok(if value != negated {
                    present
                } else {
                    Node::Not(Box::new(present))
                });
            }
            FieldType::Number => self.ranges(op, name, number)?,
            FieldType::Time => self.ranges(op, name, time)?,
            FieldType::Address => self.networks(op, name)?,
            FieldType::Text | FieldType::Word => self.texts(op)?,
        };
        Ok(Node::Test(Test {
            subject,
            relation,
            exact,
        }))
    }

    fn operator(&mut self) -> Option<Op> {
        self.skip_blanks();
        let word = self.word();
        if let Some((_, op)) = WORDS.iter().find(|(w, _)| w.eq_ignore_ascii_case(word)) {
            self.at += word.len();
            return Some(*op);
        }
        let (_, op) = SIGNS
            .iter()
            .find(|(sign, _)| self.rest().starts_with(sign))?;
        let sign = SIGNS
            .iter()
            .find(|(sign, _)| self.rest().starts_with(sign))?
            .0;
        self.at += sign.len();
        Some(*op)
    }

    /// A value: in quotes, or up to a blank, a parenthesis or a joint.
    fn value(&mut self, what: &str) -> Result<Value, FilterError> {
        self.skip_blanks();
        let start = self.at;
        let rest = self.rest();
        if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            let mut text = String::new();
            let mut chars = rest.char_indices().skip(1);
            while let Some((at, c)) = chars.next() {
                if c == quote {
                    self.at += at + c.len_utf8();
                    return Ok(Value {
                        text,
                        start,
                        len: self.at - start,
                    });
                }
                if c != '\\' {
                    text.push(c);
                    continue;
                }
                match chars.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, 'r')) => text.push('\r'),
                    Some((_, 't')) => text.push('\t'),
                    Some((_, c @ ('"' | '\'' | '\\'))) => text.push(c),
                    // Regular expressions are full of backslashes.
                    Some((_, c)) => text.extend(['\\', c]),
                    None => {}
                }
            }
            return Err(self.error(start, 1, format!("there is no closing {quote}")));
        }
        let mut end = rest.len();
        let mut open = 0_usize;
        for (at, c) in rest.char_indices() {
            let joint = rest
                .get(at..)
                .is_some_and(|r| r.starts_with("&&") || r.starts_with("||"));
            let closes = c == ')' && open == 0;
            if c.is_whitespace() || closes || joint || matches!(c, ',' | '{' | '}' | '"') {
                end = at;
                break;
            }
            match c {
                '(' => open += 1,
                ')' => open -= 1,
                _ => {}
            }
        }
        let text = rest.get(..end).unwrap_or_default();
        if text.is_empty() {
            return Err(self.here(format!("expected {what}")));
        }
        self.at += end;
        Ok(Value {
            text: text.to_owned(),
            start,
            len: end,
        })
    }

    /// One value, or after `in` a list in braces.
    fn values(&mut self, op: Op, what: &str) -> Result<Vec<Value>, FilterError> {
        if op != Op::In {
            return Ok(vec![self.value(what)?]);
        }
        self.skip_blanks();
        if !self.take("{") {
            return Err(self.here("expected `{` and values separated by commas or blanks"));
        }
        let mut out = Vec::new();
        loop {
            self.skip_blanks();
            if self.take("}") {
                break;
            }
            if self.take(",") {
                continue;
            }
            if self.rest().is_empty() {
                return Err(self.here("expected `}`"));
            }
            out.push(self.value("a value or `}`")?);
        }
        if out.is_empty() {
            return Err(self.error(self.at - 1, 1, "expected at least one value"));
        }
        Ok(out)
    }

    fn ranges(
        &mut self,
        op: Op,
        name: &str,
        read: fn(&str) -> Result<(i64, i64), &'static str>,
    ) -> Result<Relation, FilterError> {
        if matches!(op, Op::Contains | Op::Matches) {
            let why = format!("{name} takes ==, !=, <, <=, >, >= and in");
            return Err(self.here(why));
        }
        let mut ranges = Vec::new();
        for value in self.values(op, "a number")? {
            let expected = |what: &str| {
                self.error(
                    value.start,
                    value.len,
                    format!("expected {what} for {name}"),
                )
            };
            let range = match value.text.split_once("..") {
                Some((low, high)) => {
                    let low = read(low).map_err(expected)?;
                    (low.0, read(high).map_err(expected)?.1)
                }
                None => read(&value.text).map_err(expected)?,
            };
            ranges.push(range);
        }
        let (low, high) = ranges.first().copied().unwrap_or((0, 0));
        let to = |range: Option<(i64, i64)>| Relation::Ranges {
            // An impossible bound leaves nothing.
            ranges: range.into_iter().collect(),
            negated: false,
        };
        Ok(match op {
            Op::Less => to(low.checked_sub(1).map(|end| (i64::MIN, end))),
            Op::LessEqual => to(Some((i64::MIN, high))),
            Op::Greater => to(high.checked_add(1).map(|start| (start, i64::MAX))),
            Op::GreaterEqual => to(Some((low, i64::MAX))),
            op => Relation::Ranges {
                ranges,
                negated: op == Op::Unequal,
            },
        })
    }

    fn networks(&mut self, op: Op, name: &str) -> Result<Relation, FilterError> {
        if !matches!(op, Op::Equal | Op::Unequal | Op::In) {
            return Err(self.here(format!("{name} takes ==, != and in")));
        }
        let mut networks = Vec::new();
        for value in self.values(op, "an address")? {
            let network = network(&value.text).ok_or_else(|| {
                let expected =
                    "expected an address, such as 192.0.2.1, 10.0.0.0/8, [2001:db8::1]:5060";
                self.error(value.start, value.len, expected)
            })?;
            networks.push(network);
        }
        Ok(Relation::Networks {
            networks,
            negated: op == Op::Unequal,
        })
    }

    fn texts(&mut self, op: Op) -> Result<Relation, FilterError> {
        let values = self.values(op, "a text, in quotes where it has blanks")?;
        let Some(first) = values.first() else {
            return Ok(Relation::Present);
        };
        let text = first.text.clone();
        Ok(match op {
            Op::Equal | Op::Unequal | Op::In => Relation::Equals {
                texts: values.into_iter().map(|v| v.text).collect(),
                negated: op == Op::Unequal,
            },
            Op::Contains => Relation::Contains(text),
            Op::Matches => {
                // As in Wireshark upper and lower case are the same; `(?-i)` tells them apart.
                let regex = regex::bytes::RegexBuilder::new(&text)
                    .case_insensitive(true)
                    .unicode(false)
                    .build()
                    .or_else(|_| {
                        regex::bytes::RegexBuilder::new(&text)
                            .case_insensitive(true)
                            .build()
                    })
                    .map_err(|error| {
                        let why = error.to_string();
                        let why = why.lines().last().unwrap_or_default().trim();
                        let why = why.strip_prefix("error: ").unwrap_or(why);
                        let why = format!("not a regular expression: {why}");
                        self.error(first.start, first.len, why)
                    })?;
                Relation::Matches(Pattern { text, regex })
            }
            op => Relation::Ordered {
                text,
                less: matches!(op, Op::Less | Op::LessEqual),
                equal: matches!(op, Op::LessEqual | Op::GreaterEqual),
            },
        })
    }

    /// The value that a flag is compared with, and whether it shall differ.
    fn flag(&mut self, op: Op, name: &str) -> Result<(bool, bool), FilterError> {
        if !matches!(op, Op::Equal | Op::Unequal) {
            return Err(self.here(format!("{name} stands alone, or with == or !=")));
        }
        let value = self.value("true or false")?;
        let set = match value.text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" => true,
            "0" | "false" | "no" => false,
            _ => return Err(self.error(value.start, value.len, "expected true or false")),
        };
        Ok((set, op == Op::Unequal))
    }
}

fn unknown(name: &str) -> String {
    match fields::fields_like(name).as_slice() {
        [] => format!(
            "there is no field {name}; `sipscope fields` lists them, header.NAME is any header"
        ),
        [one] => format!("there is no field {name}; is it {one}?"),
        [some @ .., last] => {
            format!(
                "there is no field {name}; is it {} or {last}?",
                some.join(", ")
            )
        }
    }
}

fn number(text: &str) -> Result<(i64, i64), &'static str> {
    let value = match text.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    value.map(|n| (n, n)).map_err(|_| "a whole number")
}

fn network(text: &str) -> Option<Network> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let (ip, port) = match address.parse::<IpAddr>() {
        Ok(ip) => (ip, None),
        Err(_) if bits.is_none() => match address.parse::<std::net::SocketAddr>() {
            Ok(socket) => (socket.ip(), Some(socket.port())),
            Err(_) => {
                let inner = address.strip_prefix('[')?.strip_suffix(']')?;
                (IpAddr::V6(inner.parse().ok()?), None)
            }
        },
        Err(_) => return None,
    };
    let width = if ip.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(width);
    (bits <= width).then_some(Network {
        address: ip,
        bits,
        port,
    })
}

/// First and last nanosecond of what the text names: a day, a second, or finer.
fn time(text: &str) -> Result<(i64, i64), &'static str> {
    const EXPECTED: &str = "a time, such as 2024-01-31T12:00:00Z or 2024-01-31";
    let range = |start: i64, unit: i64| Some((start, start.checked_add(unit - 1)?));
    let found = if text.contains('-') {
        calendar(text)
    } else {
        seconds(text)
    };
    found
        .and_then(|(start, unit)| range(start, unit))
        .ok_or(EXPECTED)
}

/// `1700000000.25`: nanoseconds, and how fine they are.
fn seconds(text: &str) -> Option<(i64, i64)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let (nanos, unit) = fraction_nanos(fraction)?;
    let whole: i64 = whole.parse().ok()?;
    Some((whole.checked_mul(NANOS)?.checked_add(nanos)?, unit))
}

fn fraction_nanos(digits: &str) -> Option<(i64, i64)> {
    if digits.len() > 9 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let unit = 10_i64.pow(9 - u32::try_from(digits.len()).ok()?);
    let value: i64 = if digits.is_empty() {
        0
    } else {
        digits.parse().ok()?
    };
    Some((value * unit, unit))
}

/// RFC 3339; without offset it is UTC, without time it is the whole day.
fn calendar(text: &str) -> Option<(i64, i64)> {
    let (date, clock) = match text.split_once(['T', 't', ' ']) {
        Some((date, clock)) => (date, Some(clock)),
        None => (text, None),
    };
    let mut parts = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let sound = (1..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !sound || parts.next().is_some() {
        return None;
    }
    let midnight = days(year, month, day).checked_mul(86_400 * NANOS)?;
    let Some(clock) = clock else {
        return Some((midnight, 86_400 * NANOS));
    };
    let (clock, offset) = offset(clock)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = clock.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = parts.next().unwrap_or(None);
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) || parts.next().is_some() {
        return None;
    }
    let (nanos, unit) = fraction_nanos(fraction)?;
    let unit = if second.is_none() { 60 * NANOS } else { unit };
    let second = second.unwrap_or(0);
    if !(0..=60).contains(&second) {
        return None;
    }
    let of_day = (hour * 3600 + minute * 60 + second - offset) * NANOS + nanos;
    Some((midnight.checked_add(of_day)?, unit))
}

/// Splits the offset from UTC, in seconds, off a time of day.
fn offset(clock: &str) -> Option<(&str, i64)> {
    if let Some(clock) = clock.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = clock.rfind(['+', '-']) else {
        return Some((clock, 0));
    };
    let (clock, offset) = (clock.get(..at)?, clock.get(at..)?);
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some((clock, sign * (hours * 3600 + minutes * 60)))
}

/// Days since 1970-01-01 (Howard Hinnant's algorithm: years begin in March).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let from_march = (month + 9) % 12;
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}
