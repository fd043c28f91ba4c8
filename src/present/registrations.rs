//! What a registration did over time: rounds, refusals, moves, and times without a binding.
//!
//! Contacts and granted times stand in the octets of the messages (RFC 3261, 10.2.1 and 10.3), so a
//! worker reads those of each REGISTER and of its answer.

use crate::bytes::MessageBytes;
use crate::index::IndexView;
use crate::index::ids::{CallId, MessageId};
use crate::index::message_store::MessageRow;
use crate::index::registration::{Round, rounds};
use crate::packet::Endpoint;
use crate::sip::header_name::Header;
use crate::sip::headers::Value;
use crate::sip::message::{Message, Param, decode};
use crate::sip::scan::Framing;

/// Rounds whose octets are read; later ones count, but say nothing of contacts and gaps.
pub const MOST_ROUNDS_READ: usize = 20_000;

/// What a registration adds up to. Times are nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistrationLine {
    /// The newest contact that was asked for.
    pub contact: String,
    /// Where its requests came from.
    pub seen_from: Option<Endpoint>,
    /// Its User-Agent.
    pub user_agent: String,
    /// Seconds that the registrar granted last.
    pub granted: Option<u64>,
    /// Usual time between two rounds: the median.
    pub interval: Option<i64>,
    /// Number of rounds.
    pub rounds: u32,
    /// Rounds that failed or were not answered.
    pub failures: u32,
    /// How often a successful round named another contact than the one before.
    pub contact_changes: u32,
    /// How often there was no binding between two that were in force.
    pub gaps: u32,
    /// The longest of these times.
    pub longest_gap: i64,
    /// It ran out, and this much of the capture came after it without a new one.
    pub expired: Option<i64>,
    /// Equal rounds in a row, as one.
    pub folds: Vec<Fold>,
    /// Rounds that were not read, for there were too many.
    pub unread: u32,
}

/// Rounds in a row that came out alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// First request.
    pub first: MessageId,
    /// Time of the first round.
    pub start: i64,
    /// Time of the last round.
    pub end: i64,
    /// Number of rounds.
    pub count: u32,
    /// How they came out: `200 OK`, `no response`.
    pub result: String,
    /// Code of the response.
    pub status: Option<u16>,
    /// The contact that was asked for.
    pub contact: String,
    /// Seconds granted.
    pub granted: Option<u64>,
    /// The binding was removed.
    pub removed: bool,
}

/// What the octets of a round say.
#[derive(Default)]
struct Said {
    contact: String,
    granted: Option<u64>,
    removed: bool,
}

impl RegistrationLine {
    /// Reads and adds up; `still` is asked now and then whether anybody waits for it.
    pub fn of(
        view: &IndexView,
        bytes: Option<&dyn MessageBytes>,
        call: CallId,
        still: &dyn Fn() -> bool,
    ) -> Option<Self> {
        let entry = view.call(call)?;
        let first = view.message(entry.first)?;
        let mut out = Self {
            seen_from: view.flow(first.flow).map(|flow| flow.src),
            user_agent: view
                .texts()
                .opt(first.user_agent)
                .unwrap_or_default()
                .into_owned(),
            ..Self::default()
        };
        let rounds = rounds(view, call);
        out.rounds = count(rounds.len());
        out.unread = count(rounds.len().saturating_sub(MOST_ROUNDS_READ));
        out.interval = median_interval(&rounds);
        // Until when the binding that was granted last is in force; nothing before the first.
        let mut bound: Option<i64> = None;
        let mut last_contact: Option<String> = None;
        for (n, round) in rounds.iter().enumerate() {
            if n % 64 == 0 && !still() {
                return None;
            }
            let said = match bytes.filter(|_| n < MOST_ROUNDS_READ) {
                Some(bytes) => read(view, bytes, round),
                None => Said::default(),
            };
            let success = round.status.is_some_and(|status| status < 300);
            let failed = round.unanswered || round.status.is_some() && !success;
            out.failures += u32::from(failed);
            if success {
                let end = round.end.unwrap_or(round.start);
                if let Some(until) = bound
                    && end > until
                {
                    out.gap(end.saturating_sub(until));
                }
                bound = match (said.removed, said.granted) {
                    (true, _) => Some(end),
                    (false, Some(granted)) => Some(until(end, granted)),
                    (false, None) => None,
                };
                if !said.contact.is_empty() && !said.removed {
                    let moved = last_contact.as_ref().is_some_and(|c| *c != said.contact);
                    out.contact_changes += u32::from(moved);
                    last_contact = Some(said.contact.clone());
                    out.granted = said.granted.or(out.granted);
                }
            }
            if !said.contact.is_empty() && said.contact != "*" {
                out.contact.clone_from(&said.contact);
            }
            out.fold(view, round, said);
        }
        // It ran out, and nobody renewed it while the capture went on.
        let over = out.folds.last().is_some_and(|fold| fold.removed);
        if let Some(until) = bound.filter(|until| !over && *until < view.totals.last_time) {
            out.expired = Some(view.totals.last_time.saturating_sub(until));
        }
        Some(out)
    }

    fn gap(&mut self, nanos: i64) {
        self.gaps += 1;
        self.longest_gap = self.longest_gap.max(nanos);
    }

    fn fold(&mut self, view: &IndexView, round: &Round, said: Said) {
        let result = match (round.outcome.and_then(|id| view.message(id)), round.status) {
            (Some(row), Some(status)) => {
                let reason = view.texts().get(row.start_text);
                format!("{status} {reason}").trim_end().to_owned()
            }
            _ if round.unanswered => "no response".to_owned(),
            _ => "no final response".to_owned(),
        };
        if let Some(last) = self.folds.last_mut()
            && last.result == result
            && last.contact == said.contact
            && last.granted == said.granted
            && last.removed == said.removed
        {
            last.count += 1;
            last.end = round.start;
            return;
        }
        self.folds.push(Fold {
            first: round.request,
            start: round.start,
            end: round.start,
            count: 1,
            result,
            status: round.status,
            contact: said.contact,
            granted: said.granted,
            removed: said.removed,
        });
    }

    /// The times without a binding in words: `3, longest 41.0 s`, `expired 2:26 before the end`.
    pub fn gap_words(&self) -> String {
        let words = super::rows::duration_words;
        let gaps = match self.gaps {
            0 => None,
            gaps => Some(format!("{gaps}, longest {}", words(self.longest_gap))),
        };
        let expired = self
            .expired
            .map(|nanos| format!("expired {} before the end", words(nanos)));
        [gaps, expired]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("; ")
    }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn until(from: i64, seconds: u64) -> i64 {
    let nanos = i64::try_from(seconds)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000_000_000);
    from.saturating_add(nanos)
}

fn median_interval(rounds: &[Round]) -> Option<i64> {
    let mut between: Vec<i64> = rounds
        .iter()
        .zip(rounds.iter().skip(1))
        .map(|(a, b)| b.start.saturating_sub(a.start))
        .collect();
    between.sort_unstable();
    between.get(between.len() / 2).copied()
}

/// How a message came, for those who decode it.
pub fn framing(view: &IndexView, row: &MessageRow) -> Framing {
    view.framing(row)
}

/// A message with its octets; none when they cannot be read.
pub fn decoded(
    view: &IndexView,
    bytes: &dyn MessageBytes,
    id: MessageId,
) -> Option<(Vec<u8>, Message)> {
    let row = view.message(id)?;
    let octets = bytes.read_all(&view.extents(row)).ok()?;
    let (message, _) = decode(&octets, framing(view, row));
    Some((octets, message))
}

fn read(view: &IndexView, bytes: &dyn MessageBytes, round: &Round) -> Said {
    let Some((octets, request)) = decoded(view, bytes, round.request) else {
        return Said::default();
    };
    let asked = contacts(&request, &octets).into_iter().next();
    let (contact, wanted) = asked.unwrap_or_default();
    let wanted = wanted.or_else(|| expires(&request, &octets));
    let mut said = Said {
        removed: wanted == Some(0) || contact == "*",
        granted: None,
        contact,
    };
    let answer = round
        .outcome
        .filter(|_| round.status.is_some_and(|status| status < 300))
        .and_then(|id| decoded(view, bytes, id));
    if let Some((octets, answer)) = answer {
        let bindings = contacts(&answer, &octets);
        let own = bindings.iter().find(|(uri, _)| *uri == said.contact);
        let granted = match own.or(bindings.first()) {
            Some((_, granted)) => granted.or_else(|| expires(&answer, &octets)),
            None => expires(&answer, &octets),
        };
        said.granted = match said.removed {
            true => None,
            // A registrar that does not say grants what was asked for (RFC 3261, 10.2.1.1).
            false => granted.or(wanted),
        };
        // Another number of octets than zero for the binding means that it was not removed.
        said.removed &= own.is_none_or(|(_, granted)| *granted == Some(0));
    }
    said
}

/// Contact URIs with their expiry.
fn contacts(message: &Message, octets: &[u8]) -> Vec<(String, Option<u64>)> {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    message
        .values(Header::Contact)
        .filter_map(|value| match &value.value {
            Value::Address(address) => {
                let param = address.params.iter().find(|p| p.is(octets, "expires"));
                Some((text(address.uri.span.of(octets)), number(param, octets)))
            }
            Value::Star => Some(("*".to_owned(), None)),
            _ => None,
        })
        .collect()
}

fn number(param: Option<&Param>, octets: &[u8]) -> Option<u64> {
    let value = param?.value?;
    std::str::from_utf8(value.of(octets)).ok()?.parse().ok()
}

fn expires(message: &Message, octets: &[u8]) -> Option<u64> {
    let value = message.first_value(Header::Expires);
    std::str::from_utf8(value.of(octets))
        .ok()?
        .trim()
        .parse()
        .ok()
}
