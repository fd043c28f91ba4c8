//! The one box: bare words that must all be found, and an expression behind them.
//!
//! A word is looked for in the numbers and URIs of From, To and Request-URI, in Call-ID, addresses,
//! methods, codes with their reason, and User-Agents. Numbers are compared by their digits, however
//! they were written: `+41 44`, `004144` and `044` mean the same. A call is found when each word is
//! found in one of its messages; an expression at the end (`status >= 400`) must hold for one.

use super::IndexView;
use super::filter::{FIELDS, Filter, FilterError};
use super::ids::{CallId, MessageId, TextId};
use super::message_store::MessageRow;
use super::paged::Slots;

/// What stands in the box.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    words: Vec<Word>,
    filter: Option<Filter>,
}

/// One word.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Word {
    /// In small letters.
    text: String,
    /// As a number, when it is one.
    number: Option<Number>,
    /// As a status code.
    status: Option<u16>,
}

/// Digits without what says how they are to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Number {
    digits: String,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `+41…`, `0041…`: a country code stands first.
    International,
    /// `044…`: without country code.
    National,
    /// No sign in front: any part of a number.
    Plain,
}

/// Fewest digits that are compared behind a country code that is guessed.
const FEWEST_DIGITS: usize = 2;
/// Country codes have one to three digits (ITU-T E.164, 6.2.1).
const COUNTRY_CODE: std::ops::RangeInclusive<usize> = 1..=3;

impl Number {
    fn parse(text: &str) -> Option<Self> {
        let written = |c: char| c.is_ascii_digit() || "+-()./ ".contains(c);
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        if digits.is_empty() || !text.chars().all(written) {
            return None;
        }
        let strip = |prefix: &str, form| {
            let rest = digits.strip_prefix(prefix)?;
            (!rest.is_empty()).then(|| Self {
                digits: rest.to_owned(),
                form,
            })
        };
        let number = if text.trim_start().starts_with('+') {
            strip("", Form::International)
        } else {
            strip("00", Form::International).or_else(|| strip("0", Form::National))
        };
        Some(number.unwrap_or(Self {
            digits,
            form: Form::Plain,
        }))
    }

    /// True when this is what somebody may have meant by the number `other` of the capture.
    fn finds(&self, other: &Self) -> bool {
        let behind_country = |long: &str, short: &str| {
            short.len() >= FEWEST_DIGITS
                && COUNTRY_CODE
                    .filter_map(|n| long.get(n..))
                    .any(|rest| rest.starts_with(short))
        };
        let behind = |long: &str, start: &str| {
            COUNTRY_CODE
                .filter_map(|n| start.get(n..))
                .filter(|rest| rest.len() >= FEWEST_DIGITS)
                .any(|rest| long.starts_with(rest))
        };
        let (mine, theirs) = (self.digits.as_str(), other.digits.as_str());
        match (self.form, other.form) {
            (Form::Plain, _) => theirs.contains(mine),
            (Form::International, Form::National) => behind(theirs, mine),
            (Form::National, Form::International) => behind_country(theirs, mine),
            (_, Form::Plain) => theirs.starts_with(mine) || theirs.ends_with(mine),
            _ => theirs.starts_with(mine),
        }
    }
}

impl Word {
    fn new(text: &str) -> Self {
        let number = Number::parse(text);
        let status = (text.len() == 3)
            .then(|| text.parse().ok())
            .flatten()
            .filter(|status| (100..700).contains(status));
        Self {
            text: text.to_lowercase(),
            number,
            status,
        }
    }

    /// In a text of any kind.
    fn is_in(&self, bytes: &[u8]) -> bool {
        contains_folded(bytes, self.text.as_bytes())
    }

    /// In a URI: as text, or its user as a number.
    fn is_in_uri(&self, bytes: &[u8]) -> bool {
        if self.is_in(bytes) {
            return true;
        }
        let Some(number) = &self.number else {
            return false;
        };
        let text = String::from_utf8_lossy(bytes);
        let rest = text.split_once(':').map_or(&*text, |(_, rest)| rest);
        let end = rest.find(['@', ';', '?', '>']).unwrap_or(rest.len());
        let user = rest.get(..end).unwrap_or_default();
        Number::parse(user).is_some_and(|other| number.finds(&other))
    }
}

/// True when `needle`, which is in small letters, stands anywhere in `hay`.
fn contains_folded(hay: &[u8], needle: &[u8]) -> bool {
    let Some(first) = needle.first() else {
        return true;
    };
    if !needle.is_ascii() {
        let hay = String::from_utf8_lossy(hay).to_lowercase();
        return memchr::memmem::find(hay.as_bytes(), needle).is_some();
    }
    let fits = |at: usize| {
        hay.get(at..at + needle.len())
            .is_some_and(|part| part.eq_ignore_ascii_case(needle))
    };
    memchr::memchr2_iter(*first, first.to_ascii_uppercase(), hay).any(fits)
}

/// Some of the calls of an index.
#[derive(Clone, Debug, PartialEq)]
pub struct CallSet {
    slots: Slots,
    set: Vec<bool>,
}

impl CallSet {
    /// All of them.
    pub fn all(view: &IndexView) -> Self {
        Self::of(view, true)
    }

    /// None of them.
    pub fn none(view: &IndexView) -> Self {
        Self::of(view, false)
    }

    fn of(view: &IndexView, all: bool) -> Self {
        let slots = Slots::of(view.calls());
        let set = vec![all; slots.count()];
        Self { slots, set }
    }

    /// Adds a call, if it is there.
    pub fn insert(&mut self, call: CallId) {
        if let Some(place) = self.set.get_mut(self.slots.place(call.index())) {
            *place = true;
        }
    }

    /// True when a call is in it.
    pub fn has(&self, call: CallId) -> bool {
        self.set.get(self.slots.place(call.index())) == Some(&true)
    }

    /// The calls in it, in order.
    pub fn ids(&self) -> impl Iterator<Item = CallId> + '_ {
        let all = self.slots.positions().zip(&self.set);
        all.filter(|(_, there)| **there)
            .map(|(at, _)| CallId::at(at))
    }

    fn retain(&mut self, other: &Self) {
        for (mine, other) in self.set.iter_mut().zip(&other.set) {
            *mine &= other;
        }
    }
}

/// What is known of texts: asked once for each, whatever number of messages has them.
struct Memory {
    slots: Slots,
    known: Vec<u8>,
}

impl Memory {
    fn new(view: &IndexView) -> Self {
        let slots = view.texts().slots();
        let known = vec![0; slots.count()];
        Self { slots, known }
    }

    fn of_flows(view: &IndexView) -> Self {
        let slots = Slots::of(view.flows());
        let known = vec![0; slots.count()];
        Self { slots, known }
    }

    fn ask(&mut self, id: TextId, answer: impl FnOnce() -> bool) -> bool {
        self.ask_at(id.index(), answer)
    }

    fn ask_at(&mut self, index: usize, answer: impl FnOnce() -> bool) -> bool {
        match self.known.get_mut(self.slots.place(index)) {
            Some(1) => false,
            Some(2) => true,
            Some(place) => {
                let yes = answer();
                *place = 1 + u8::from(yes);
                yes
            }
            None => answer(),
        }
    }
}

impl Query {
    /// Understands what stands in the box.
    ///
    /// # Errors
    /// The expression was not understood; the place counts from the start of the whole text.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let parts = split(text);
        let begin = expression_begin(text, &parts);
        let words = parts
            .iter()
            .filter(|(at, _)| begin.is_none_or(|begin| *at < begin))
            .map(|(_, word)| word.as_str());
        let words = join_numbers(words).iter().map(|w| Word::new(w)).collect();
        let filter = match begin.and_then(|begin| Some((begin, text.get(begin..)?))) {
            None => None,
            Some((begin, rest)) => {
                let before = text.get(..begin).unwrap_or_default().chars().count();
                Some(Filter::parse(rest).map_err(|mut error| {
                    error.position += before;
                    error
                })?)
            }
        };
        Ok(Self { words, filter })
    }

    /// The expression in a text, without the words before it.
    pub fn expression_in(text: &str) -> Option<&str> {
        let begin = expression_begin(text, &split(text))?;
        text.get(begin..)
    }

    /// True when nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty() && self.filter.is_none()
    }

    /// The expression behind the words.
    pub fn filter(&self) -> Option<&Filter> {
        self.filter.as_ref()
    }

    /// True when there are words.
    pub fn has_words(&self) -> bool {
        !self.words.is_empty()
    }

    /// The calls in which each word is found; `still` ends it early.
    pub fn calls_with_words(&self, view: &IndexView, still: &dyn Fn() -> bool) -> Option<CallSet> {
        let mut all = CallSet::all(view);
        for word in &self.words {
            let mut found = CallSet::none(view);
            let mut memory = Memory::new(view);
            // Flows and parties are fewer than messages: asked once as well.
            let mut flows = Memory::of_flows(view);
            for (n, row) in view.messages().indexed() {
                if n % 4096 == 0 && !still() {
                    return None;
                }
                let open = all.has(row.call) && !found.has(row.call);
                if open && word.is_in_message(view, MessageId::at(n), row, &mut memory, &mut flows)
                {
                    found.insert(row.call);
                }
            }
            all.retain(&found);
        }
        Some(all)
    }
}

impl Word {
    fn is_in_message(
        &self,
        view: &IndexView,
        id: MessageId,
        row: &MessageRow,
        memory: &mut Memory,
        flows: &mut Memory,
    ) -> bool {
        if self.status.is_some_and(|status| status == row.status) && row.is_response() {
            return true;
        }
        if view.method_name(id).eq_ignore_ascii_case(&self.text) {
            return true;
        }
        let texts = view.texts();
        let parties = view.parties(row);
        let mut uri = |id: TextId| memory.ask(id, || self.is_in_uri(texts.bytes(id)));
        if uri(parties.from_uri) || uri(parties.to_uri) || uri(row.start_text) {
            return true;
        }
        let mut text = |id: TextId| memory.ask(id, || self.is_in(texts.bytes(id)));
        if text(parties.call_id) || row.user_agent.is_some_and(&mut text) {
            return true;
        }
        let answer = || {
            view.flow(row.flow).is_some_and(|flow| {
                let is_in = |end: crate::packet::Endpoint| {
                    let words = end.to_string();
                    words == self.text || is_address(&words, &self.text)
                };
                is_in(flow.src) || is_in(flow.dst)
            })
        };
        flows.ask_at(row.flow.index(), answer)
    }
}

/// An address is found by its beginning, up to a dot or colon: `10.0.0.1` is not `10.0.0.12`.
fn is_address(words: &str, query: &str) -> bool {
    if !query.contains(['.', ':']) {
        return false;
    }
    let bare = words.trim_start_matches('[');
    bare.strip_prefix(query).is_some_and(|rest| {
        rest.is_empty() || query.ends_with(['.', ':']) || rest.starts_with(['.', ':', ']'])
    })
}

/// Words with their places; quotes keep several together.
fn split(text: &str) -> Vec<(usize, String)> {
    let mut out: Vec<(usize, String)> = Vec::new();
    let mut open: Option<(usize, String)> = None;
    let mut quoted = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '"' => {
                quoted = !quoted;
                open.get_or_insert_with(|| (at, String::new()));
            }
            c if c.is_whitespace() && !quoted => out.extend(open.take()),
            c => open.get_or_insert_with(|| (at, String::new())).1.push(c),
        }
    }
    out.extend(open);
    out.retain(|(_, word)| !word.is_empty());
    out
}

/// Where an expression begins: at a field with a relation behind it, at a header, a flag, or `not`.
fn expression_begin(text: &str, parts: &[(usize, String)]) -> Option<usize> {
    let operators = ["==", "!=", "<=", ">=", "<", ">", "=", "~", "===", "!=="];
    let words = [
        "contains", "matches", "in", "eq", "ne", "lt", "le", "gt", "ge",
    ];
    let named = |word: &str| {
        let known = FIELDS.iter().find(|field| {
            field.name.eq_ignore_ascii_case(word)
                || field
                    .aliases
                    .iter()
                    .any(|alias| alias.eq_ignore_ascii_case(word))
        });
        known.is_some() || is_header_name(word)
    };
    for (n, (at, word)) in parts.iter().enumerate() {
        let quoted = text.get(*at..).is_some_and(|rest| rest.starts_with('"'));
        if quoted {
            continue;
        }
        let next = parts.get(n + 1).map(|(_, word)| word.to_ascii_lowercase());
        let relation = next.is_some_and(|next| {
            operators.iter().any(|sign| next.starts_with(sign)) || words.contains(&next.as_str())
        });
        let glued = word
            .find(['=', '<', '>', '~', '!'])
            .is_some_and(|sign| sign > 0);
        let flag = FIELDS.iter().any(|field| {
            field.kind == super::filter::FieldType::Flag && field.name.eq_ignore_ascii_case(word)
        });
        let starts = word.starts_with(['(', '!']) || word.eq_ignore_ascii_case("not");
        if relation && named(word) || glued || flag || starts {
            return Some(*at);
        }
        // An unknown name with a sign behind it was meant as a field: the parser says what is wrong.
        let sign = parts
            .get(n + 1)
            .is_some_and(|(_, next)| operators.iter().any(|sign| next.starts_with(sign)));
        if sign {
            return Some(*at);
        }
    }
    None
}

fn is_header_name(word: &str) -> bool {
    let token = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.chars().all(token)
}

/// `+41 44 123` is one number: groups of digits behind a plus belong together.
fn join_numbers<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for word in words {
        let digits = !word.is_empty() && word.chars().all(|c| c.is_ascii_digit());
        match out.last_mut() {
            Some(last) if digits && last.starts_with('+') && Number::parse(last).is_some() => {
                last.push(' ');
                last.push_str(word);
            }
            _ => out.push(word.to_owned()),
        }
    }
    out
}

/// Calls by message: each that has one of these.
pub fn calls_of(view: &IndexView, messages: &[MessageId]) -> CallSet {
    let mut calls = CallSet::none(view);
    for row in messages.iter().filter_map(|id| view.message(*id)) {
        calls.insert(row.call);
    }
    calls
}

/// The messages of these calls.
pub fn messages_of(view: &IndexView, calls: &CallSet) -> Vec<MessageId> {
    view.messages()
        .indexed()
        .filter(|(_, row)| calls.has(row.call))
        .map(|(at, _)| MessageId::at(at))
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn finds(word: &str, number: &str) -> bool {
        Word::new(word).is_in_uri(format!("sip:{number}@example.com").as_bytes())
    }

    #[test]
    fn numbers_match_however_they_were_written() {
        let written = ["+41441234567", "0041441234567", "0441234567"];
        for number in written {
            for word in ["+4144", "004144", "044", "+41 44", "4567", "1234567"] {
                assert!(finds(word, number), "{word} finds {number}");
            }
            for word in written {
                assert!(finds(word, number), "{word} finds {number}");
            }
            for word in ["+4145", "045", "9999", "+1"] {
                assert!(!finds(word, number), "{word} does not find {number}");
            }
        }
        assert!(finds("100", "2100"));
        assert!(!finds("alice", "+41441234567"));
        assert!(finds("+41-44/123", "+41441234567"));
    }

    #[test]
    fn groups_of_a_number_belong_together() {
        let words = |text: &str| {
            let query = Query::parse(text).unwrap();
            query
                .words
                .iter()
                .map(|w| w.text.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(words("+41 44 123 alice"), ["+41 44 123", "alice"]);
        assert_eq!(words("044 404"), ["044", "404"]);
        assert_eq!(words("\"two words\" x"), ["two words", "x"]);
    }

    #[test]
    fn an_expression_may_stand_behind_words() {
        let query = Query::parse("alice 044 status >= 400 and method == INVITE").unwrap();
        assert_eq!(query.words.len(), 2);
        assert!(query.filter().is_some());
        for text in [
            "status==486",
            "retransmission",
            "not request",
            "(status < 200)",
        ] {
            let query = Query::parse(text).unwrap();
            assert!(!query.has_words() && query.filter().is_some(), "{text}");
        }
        let plain = Query::parse("invite 486 10.0.0.1").unwrap();
        assert!(plain.has_words() && plain.filter().is_none());
        assert!(Query::parse("  ").unwrap().is_empty());
    }

    #[test]
    fn errors_count_from_the_start_of_the_box() {
        let error = Query::parse("älice status >= high").unwrap_err();
        assert!(error.position >= 6, "{error:?}");
        assert!(Query::parse("stats == 4").is_err(), "a field that is none");
    }

    #[test]
    fn addresses_match_up_to_a_border() {
        assert!(is_address("10.0.0.1:5060", "10.0.0.1"));
        assert!(is_address("10.0.0.12:5060", "10.0."));
        assert!(!is_address("10.0.0.12:5060", "10.0.0.1"));
        assert!(is_address("[2001:db8::1]:5060", "2001:db8::1"));
        assert!(!is_address("10.0.0.1:5060", "10"));
    }

    #[test]
    fn letters_match_in_any_case() {
        assert!(contains_folded(b"Desk-Phone 7", b"phone"));
        assert!(contains_folded("Müller".as_bytes(), "mü".as_bytes()));
        assert!(!contains_folded(b"Desk", b"desks"));
    }
}
