//! Header names: one table for names, compact forms and grammar classes (RFC 3261, 7.3).
//!
//! The table is `assets/registry/sip_headers.csv`; [`Header`] names those that rules speak of.

use std::borrow::Cow;
use std::sync::LazyLock;

use super::registry;

/// How the value of a header is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Grammar {
    /// Via (20.42).
    Via,
    /// Display name, URI, parameters (20.10).
    Address,
    /// Number and method (20.16).
    CSeq,
    /// Two numbers and a method (RFC 3262, 7.2).
    RAck,
    /// A Call-ID, perhaps with parameters (20.8; RFC 3891, 6.1).
    CallId,
    /// A challenge (20.44).
    Challenge,
    /// Credentials (20.7).
    Credentials,
    /// Parameters separated by commas (20.6).
    AuthInfo,
    /// A date (20.17).
    Date,
    /// Code, agent, text (20.43).
    Warning,
    /// Type, subtype, parameters (20.15).
    MediaType,
    /// A token with parameters.
    Token,
    /// A number with parameters or a comment.
    Integer,
    /// Parameters only.
    Params,
    /// Free text, or a grammar of its own.
    Text,
}

macro_rules! headers {
    ($($name:ident = $text:literal,)+) => {
        /// Headers that rules speak of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the names are those of the headers")]
        pub enum Header {
            $($name,)+
            /// Any other header.
            Other,
        }

        const NAMED: &[(&str, Header)] = &[$(($text, Header::$name),)+];
    };
}

headers! {
    Accept = "Accept",
    Authorization = "Authorization",
    CallId = "Call-ID",
    Contact = "Contact",
    ContentLength = "Content-Length",
    ContentType = "Content-Type",
    CSeq = "CSeq",
    Date = "Date",
    Event = "Event",
    Expires = "Expires",
    From = "From",
    Identity = "Identity",
    MaxForwards = "Max-Forwards",
    MinExpires = "Min-Expires",
    MinSe = "Min-SE",
    PAssertedIdentity = "P-Asserted-Identity",
    Path = "Path",
    ProxyAuthenticate = "Proxy-Authenticate",
    ProxyAuthorization = "Proxy-Authorization",
    ProxyRequire = "Proxy-Require",
    RAck = "RAck",
    Reason = "Reason",
    RecordRoute = "Record-Route",
    ReferTo = "Refer-To",
    Replaces = "Replaces",
    Require = "Require",
    RetryAfter = "Retry-After",
    Route = "Route",
    RSeq = "RSeq",
    Server = "Server",
    ServiceRoute = "Service-Route",
    SessionExpires = "Session-Expires",
    SubscriptionState = "Subscription-State",
    To = "To",
    UserAgent = "User-Agent",
    Via = "Via",
    Warning = "Warning",
    WwwAuthenticate = "WWW-Authenticate",
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderInfo {
    /// The name as registered.
    pub name: Cow<'static, str>,
    /// The compact form.
    pub compact: Option<u8>,
    /// True for a name of the IANA registry.
    pub registered: bool,
    /// True when values may be joined by commas, or the header may stand several times.
    pub multi: bool,
    /// How the value is built.
    pub grammar: Grammar,
    /// Which of the headers it is that rules speak of.
    pub header: Header,
}

/// A header name: a row of the table, or none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HeaderName(u8);

const SLOTS: usize = 1024;

struct Table {
    rows: Vec<HeaderInfo>,
    /// Open addressing; `u8::MAX` is an empty slot.
    slots: [u8; SLOTS],
}

static TABLE: LazyLock<Table> = LazyLock::new(Table::read);

impl HeaderName {
    /// A name that is not in the table.
    pub const OTHER: Self = Self(u8::MAX);

    /// Looks a name up; upper and lower case are the same, compact forms are known.
    pub fn from_bytes(name: &[u8]) -> Self {
        TABLE.find(name)
    }

    /// The row of the table.
    pub fn info(self) -> Option<&'static HeaderInfo> {
        TABLE.rows.get(usize::from(self.0))
    }

    /// The full name as registered.
    pub fn as_str(self) -> Option<&'static str> {
        self.info().map(|info| &*info.name)
    }

    /// Which of the headers it is that rules speak of.
    pub fn header(self) -> Header {
        self.info().map_or(Header::Other, |info| info.header)
    }

    /// How its value is built; names that are not in the table have free text.
    pub fn grammar(self) -> Grammar {
        self.info().map_or(Grammar::Text, |info| info.grammar)
    }

    /// All names of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..TABLE.rows.len()).filter_map(|row| u8::try_from(row).ok().map(Self))
    }
}

impl Table {
    fn read() -> Self {
        let rows: Vec<HeaderInfo> = registry::rows(registry::HEADERS)
            .filter_map(header_info)
            .take(255)
            .collect();
        let mut table = Self {
            rows,
            slots: [u8::MAX; SLOTS],
        };
        for row in 0..table.rows.len() {
            let Some((name, compact)) = table
                .rows
                .get(row)
                .map(|info| (info.name.clone(), info.compact))
            else {
                continue;
            };
            table.insert(name.as_bytes(), row);
            if let Some(compact) = compact {
                table.insert(&[compact], row);
            }
        }
        table
    }

    fn insert(&mut self, name: &[u8], row: usize) {
        let mut slot = slot_of(name);
        for _ in 0..SLOTS {
            if let Some(free) = self.slots.get_mut(slot).filter(|free| **free == u8::MAX) {
                *free = u8::try_from(row).unwrap_or(u8::MAX);
                return;
            }
            slot = next_slot(slot);
        }
    }

    fn find(&self, name: &[u8]) -> HeaderName {
        let mut slot = slot_of(name);
        while let Some(&row) = self.slots.get(slot).filter(|row| **row != u8::MAX) {
            let found = self.rows.get(usize::from(row)).is_some_and(|info| {
                info.name.as_bytes().eq_ignore_ascii_case(name)
                    || matches!(name, [one] if Some(one.to_ascii_lowercase()) == info.compact)
            });
            if found {
                return HeaderName(row);
            }
            slot = next_slot(slot);
        }
        HeaderName::OTHER
    }
}

fn next_slot(slot: usize) -> usize {
    slot.wrapping_add(1) % SLOTS
}

/// FNV-1a over lower case letters.
fn slot_of(name: &[u8]) -> usize {
    let hash = name.iter().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
    });
    (hash ^ (hash >> 15)) as usize % SLOTS
}

fn header_info(row: Vec<Cow<'static, str>>) -> Option<HeaderInfo> {
    let name = row.first()?.clone();
    let compact = row.get(1)?;
    // `n (historic)` is the compact form of a header that RFC 8224 withdrew.
    let compact = match compact.as_bytes() {
        [letter, rest @ ..] if rest.first().is_none_or(|b| *b == b' ') => Some(*letter),
        _ => None,
    };
    let status = row.get(3)?;
    let header = NAMED
        .iter()
        .find(|(text, _)| *text == name)
        .map_or(Header::Other, |(_, h)| *h);
    let multi = row.get(5)?.starts_with("multi");
    let grammar = grammar_of(row.get(6)?);
    let registered = &**status == "registered";
    Some(HeaderInfo {
        name,
        compact,
        registered,
        multi,
        grammar,
        header,
    })
}

/// The parser class of the table, by its first words.
fn grammar_of(class: &str) -> Grammar {
    let starts = |texts: &[&str]| texts.iter().any(|text| class.starts_with(text));
    match class {
        "via-list" => Grammar::Via,
        "integer method" => Grammar::CSeq,
        "integer integer method" => Grammar::RAck,
        "auth-challenge" => Grammar::Challenge,
        "auth-credentials" => Grammar::Credentials,
        "auth-info" => Grammar::AuthInfo,
        "date" => Grammar::Date,
        "warning-list" => Grammar::Warning,
        "params" => Grammar::Params,
        _ if starts(&[
            "name-addr",
            "addr-spec",
            "contact-list",
            "uri-list",
            "uri-info",
            "uri",
        ]) =>
        {
            Grammar::Address
        }
        _ if starts(&["callid"]) => Grammar::CallId,
        _ if starts(&["media-"]) => Grammar::MediaType,
        _ if starts(&["integer"]) => Grammar::Integer,
        _ if starts(&[
            "token",
            "option-tag",
            "method-list",
            "coding",
            "language",
            "feature-",
        ]) || starts(&[
            "security",
            "code",
            "protocol",
            "hex",
            "access-net",
            "signed-identity",
        ]) =>
        {
            Grammar::Token
        }
        _ => Grammar::Text,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_by_its_name_and_compact_form() {
        let mut count = 0;
        for name in HeaderName::all() {
            let info = name.info().unwrap();
            assert_eq!(
                HeaderName::from_bytes(info.name.to_ascii_uppercase().as_bytes()),
                name
            );
            if let Some(compact) = info.compact {
                assert_eq!(HeaderName::from_bytes(&[compact]), name, "{}", info.name);
            }
            count += 1;
        }
        assert_eq!(count, registry::HEADERS.lines().count() - 1);
        assert_eq!(HeaderName::from_bytes(b"X-Nobody-Knows"), HeaderName::OTHER);
        assert_eq!(HeaderName::from_bytes(b"M").as_str(), Some("Contact"));
    }

    #[test]
    fn headers_that_rules_speak_of_have_their_class() {
        for (text, header) in NAMED {
            assert_eq!(
                HeaderName::from_bytes(text.as_bytes()).header(),
                *header,
                "{text}"
            );
        }
        for (text, grammar) in [
            ("Via", Grammar::Via),
            ("Contact", Grammar::Address),
            ("Replaces", Grammar::CallId),
            ("Max-Forwards", Grammar::Integer),
            ("Subject", Grammar::Text),
            ("Call-Info", Grammar::Address),
            ("Security-Client", Grammar::Token),
        ] {
            assert_eq!(
                HeaderName::from_bytes(text.as_bytes()).grammar(),
                grammar,
                "{text}"
            );
        }
    }
}
