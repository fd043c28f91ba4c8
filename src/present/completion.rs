//! What may be typed next in the one box: fields, and the values that the capture has for them.

use std::collections::BTreeMap;

use crate::index::IndexView;
use crate::index::filter::{FIELDS, Field};
use crate::index::ids::TextId;
use crate::index::message_store::MessageRow;

/// Suggestions shown at once.
pub const MOST: usize = 12;
/// Rows looked at for values.
const MOST_ROWS: usize = 500_000;
/// Different values counted.
const MOST_VALUES: usize = 20_000;

/// Something that may be put in the place of what is being typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// What is put there.
    pub text: String,
    /// What it means.
    pub meaning: String,
    /// From where on the text is replaced, in octets.
    pub from: usize,
}

/// What is being typed at the end of the box.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Typed<'a> {
    /// The beginning of a field.
    Field(&'a str),
    /// A value of that field.
    Value(&'a str, &'a str),
}

const SIGNS: &[&str] = &["==", "!=", "<=", ">=", "=", "<", ">", "~"];
const WORDS: &[&str] = &["contains", "matches", "eq", "ne"];

fn typed(text: &str) -> Option<(Typed<'_>, usize)> {
    let begin = text
        .rfind(|c: char| c.is_whitespace() || "(".contains(c))
        .map_or(0, |at| {
            at + text
                .get(at..)
                .and_then(|t| t.chars().next())
                .map_or(1, char::len_utf8)
        });
    let last = text.get(begin..)?;
    // `field==val` in one go.
    for sign in SIGNS {
        if let Some((field, value)) = last.split_once(sign) {
            let value = value.trim_start_matches(['=', '"']);
            return Some((Typed::Value(field, value), text.len() - value.len()));
        }
    }
    let before: Vec<&str> = text
        .get(..begin)?
        .split_whitespace()
        .rev()
        .take(2)
        .collect();
    if let [sign, field] = before.as_slice()
        && (SIGNS.contains(sign) || WORDS.contains(sign))
    {
        let value = last.trim_start_matches('"');
        return Some((Typed::Value(field, value), text.len() - value.len()));
    }
    (!last.is_empty()).then_some((Typed::Field(last), begin))
}

/// What may stand at the end of the text; `still` ends it early.
pub fn suggestions(
    view: &IndexView,
    text: &str,
    still: &dyn Fn() -> bool,
) -> Option<Vec<Suggestion>> {
    let Some((typed, from)) = typed(text) else {
        return Some(Vec::new());
    };
    match typed {
        Typed::Field(prefix) => Some(fields(prefix, from)),
        Typed::Value(field, prefix) => values(view, field, prefix, from, still),
    }
}

fn fields(prefix: &str, from: usize) -> Vec<Suggestion> {
    let prefix = prefix.to_ascii_lowercase();
    let begins = |name: &str| {
        let head = name.get(..prefix.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(&prefix))
    };
    // What people think of comes later than what they type: `state` is a part of `call_state`.
    let rank = |field: &Field| match field.name {
        name if name == prefix => None,
        name if begins(name) => Some(0),
        _ if field.aliases.iter().any(|alias| begins(alias)) => Some(1),
        name if name.contains(&prefix) => Some(2),
        _ => None,
    };
    let mut found: Vec<(u8, &Field)> = FIELDS
        .iter()
        .filter_map(|field| Some((rank(field)?, field)))
        .collect();
    found.sort_by_key(|(rank, _)| *rank);
    found.truncate(MOST);
    let suggestion = |(_, field): (u8, &Field)| Suggestion {
        text: field.name.to_owned(),
        meaning: field.meaning.to_owned(),
        from,
    };
    found.into_iter().map(suggestion).collect()
}

/// The values of a field that begin like this, the most frequent first.
fn values(
    view: &IndexView,
    field: &str,
    prefix: &str,
    from: usize,
    still: &dyn Fn() -> bool,
) -> Option<Vec<Suggestion>> {
    let name = FIELDS
        .iter()
        .find(|f| {
            f.name.eq_ignore_ascii_case(field)
                || f.aliases.iter().any(|a| a.eq_ignore_ascii_case(field))
        })
        .map_or("", |f| f.name);
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    match name {
        "method" | "request_method" => {
            for (method, count) in &view.totals.requests {
                counts.insert(method.clone(), *count);
            }
        }
        "status" => {
            for (status, count) in &view.totals.responses {
                counts.insert(status.to_string(), *count);
            }
        }
        "src" | "dst" | "addr" => {
            for flow in view.flows().iter().take(MOST_ROWS) {
                let ends = match name {
                    "src" => [Some(flow.src), None],
                    "dst" => [Some(flow.dst), None],
                    _ => [Some(flow.src), Some(flow.dst)],
                };
                for end in ends.into_iter().flatten() {
                    add(&mut counts, end.ip.to_string());
                }
            }
        }
        "transport" => {
            for flow in view.flows().iter().take(MOST_ROWS) {
                add(&mut counts, flow.transport.name().to_owned());
            }
        }
        "call_state" | "state" => {
            for state in crate::index::call::State::ALL {
                add(&mut counts, state.name().to_owned());
            }
        }
        "call_kind" | "kind" => {
            for kind in crate::index::CallKind::ALL {
                add(&mut counts, kind.name().to_owned());
            }
        }
        _ => {
            let of = reader(name)?;
            let mut ids: BTreeMap<TextId, u64> = BTreeMap::new();
            for (n, row) in view.messages().iter().take(MOST_ROWS).enumerate() {
                if n % 4096 == 0 && !still() {
                    return None;
                }
                if let Some(id) = of(view, row)
                    && (ids.len() < MOST_VALUES || ids.contains_key(&id))
                {
                    *ids.entry(id).or_default() += 1;
                }
            }
            let user = name.ends_with("_user");
            for (id, count) in ids {
                let text = view.texts().get(id);
                let words = if user {
                    let words = super::rows::uri_words(&text);
                    words.split('@').next().unwrap_or_default().to_owned()
                } else {
                    text.into_owned()
                };
                *counts.entry(words).or_default() += count;
            }
        }
    }
    let prefix = prefix.to_lowercase();
    let mut found: Vec<(String, u64)> = counts
        .into_iter()
        .filter(|(value, _)| !value.is_empty() && value.to_lowercase().starts_with(&prefix))
        .collect();
    found.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    found.truncate(MOST);
    Some(
        found
            .into_iter()
            .map(|(value, _)| Suggestion {
                text: quoted(&value),
                meaning: String::new(),
                from,
            })
            .collect(),
    )
}

fn add(counts: &mut BTreeMap<String, u64>, value: String) {
    if counts.len() < MOST_VALUES || counts.contains_key(&value) {
        *counts.entry(value).or_default() += 1;
    }
}

type Reader = fn(&IndexView, &MessageRow) -> Option<TextId>;

fn reader(name: &str) -> Option<Reader> {
    Some(match name {
        "user_agent" => |_, row| row.user_agent,
        "call_id" => |view, row| Some(view.parties(row).call_id),
        "from" | "from_user" => |view, row| Some(view.parties(row).from_uri),
        "to" | "to_user" => |view, row| Some(view.parties(row).to_uri),
        "from_tag" => |view, row| view.parties(row).from_tag,
        "to_tag" => |view, row| view.parties(row).to_tag,
        "request_uri" | "request_user" => |_, row| row.is_request().then_some(row.start_text),
        "reason" => |_, row| row.is_response().then_some(row.start_text),
        _ => return None,
    })
}

/// In quotes where the language needs them.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".:-_@+".contains(c);
    if value.chars().all(plain) {
        return value.to_owned();
    }
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_typed_is_known_by_what_stands_before() {
        assert_eq!(typed("alice sta"), Some((Typed::Field("sta"), 6)));
        assert_eq!(
            typed("status == 4"),
            Some((Typed::Value("status", "4"), 10))
        );
        assert_eq!(typed("status=="), Some((Typed::Value("status", ""), 8)));
        assert_eq!(typed("(method=IN"), Some((Typed::Value("method", "IN"), 8)));
        assert_eq!(
            typed("user_agent contains \"De"),
            Some((Typed::Value("user_agent", "De"), 21))
        );
        assert_eq!(typed(""), None);
    }

    #[test]
    fn fields_are_offered_with_their_meaning() {
        let found = suggestions(&IndexView::default(), "from_", &|| true).unwrap();
        assert!(found.iter().any(|s| s.text == "from_user" && s.from == 0));
        assert!(found.iter().all(|s| !s.meaning.is_empty()));
        assert_eq!(
            suggestions(&IndexView::default(), "status", &|| true),
            Some(Vec::new())
        );
    }

    #[test]
    fn values_are_quoted_where_it_is_needed() {
        assert_eq!(quoted("a b"), "\"a b\"");
        assert_eq!(quoted("INVITE"), "INVITE");
        assert_eq!(quoted("say \"x\""), "\"say \\\"x\\\"\"");
    }
}
