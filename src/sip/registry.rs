//! The reference tables of `assets/registry` that decoding needs.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::LazyLock;

/// Methods.
pub(crate) const METHODS: &str = include_str!("../../assets/registry/sip_methods.csv");
/// Header names, compact forms, grammar classes.
pub(crate) const HEADERS: &str = include_str!("../../assets/registry/sip_headers.csv");
/// Status codes and reason phrases.
pub(crate) const STATUS_CODES: &str = include_str!("../../assets/registry/sip_status_codes.csv");
pub(crate) const OPTION_TAGS: &str = include_str!("../../assets/registry/sip_option_tags.csv");
pub(crate) const AUTH_SCHEMES: &str = include_str!("../../assets/registry/sip_auth_schemes.csv");
const BODY_TYPES: &str = include_str!("../../assets/registry/sip_body_types.csv");

/// Names of a table's first column in lower case, since most of them are compared so.
type Names = LazyLock<HashSet<String>>;

static KNOWN_OPTION_TAGS: Names = LazyLock::new(|| first_column(OPTION_TAGS));
static KNOWN_AUTH_SCHEMES: Names = LazyLock::new(|| first_column(AUTH_SCHEMES));
static KNOWN_BODY_TYPES: Names = LazyLock::new(|| first_column(BODY_TYPES));

/// True for an option tag of the table (RFC 3261, 27.1).
pub(super) fn is_option_tag(tag: &[u8]) -> bool {
    contains(&KNOWN_OPTION_TAGS, tag)
}

/// True for an authentication scheme of the table.
pub(super) fn is_auth_scheme(scheme: &[u8]) -> bool {
    contains(&KNOWN_AUTH_SCHEMES, scheme)
}

/// True for a body type of the table, `type/subtype`.
pub(super) fn is_body_type(media_type: &[u8]) -> bool {
    contains(&KNOWN_BODY_TYPES, media_type)
}

fn contains(names: &Names, name: &[u8]) -> bool {
    str::from_utf8(name).is_ok_and(|name| names.contains(name.to_ascii_lowercase().as_str()))
}

fn first_column(csv: &'static str) -> HashSet<String> {
    rows(csv)
        .filter_map(|row| row.first().map(|name| name.to_ascii_lowercase()))
        .collect()
}

/// The rows of a table without its heading (RFC 4180; our tables have no line end within quotes).
pub(crate) fn rows(csv: &'static str) -> impl Iterator<Item = Vec<Cow<'static, str>>> {
    csv.lines().skip(1).map(columns)
}

fn columns(line: &'static str) -> Vec<Cow<'static, str>> {
    let mut columns = Vec::new();
    let mut rest = line;
    loop {
        let (column, after) = if let Some(quoted) = rest.strip_prefix('"') {
            quoted_column(quoted)
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let (column, after) = rest.split_at(end);
            (Cow::Borrowed(column), after)
        };
        columns.push(column);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return columns,
        }
    }
}

fn quoted_column(text: &'static str) -> (Cow<'static, str>, &'static str) {
    let mut end = 0;
    let mut pieces = text.split('"').peekable();
    while let Some(piece) = pieces.next() {
        end += piece.len();
        // Two quotes stand for one.
        match pieces.peek() {
            Some(&"")
                if text
                    .get(end + 1..)
                    .is_some_and(|rest| rest.starts_with('"')) =>
            {
                pieces.next();
                end += 2;
            }
            _ => break,
        }
    }
    let (column, after) = text.split_at(end);
    let after = after.strip_prefix('"').unwrap_or(after);
    (
        if column.contains('"') {
            Cow::Owned(column.replace("\"\"", "\""))
        } else {
            Cow::Borrowed(column)
        },
        after,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_columns_keep_their_commas_and_quotes() {
        assert_eq!(
            columns("a,\"b, c\",\"say \"\"x\"\"\",d"),
            ["a", "b, c", "say \"x\"", "d"]
        );
        assert_eq!(columns("a,,\"\",d"), ["a", "", "", "d"]);
    }

    #[test]
    fn names_are_found_without_regard_to_case() {
        assert!(is_option_tag(b"100REL"));
        assert!(is_auth_scheme(b"digest"));
        assert!(is_body_type(b"application/SDP"));
        assert!(!is_body_type(b"application/unknownformat"));
    }
}
