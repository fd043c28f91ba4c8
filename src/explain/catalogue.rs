//! The words: glances, sentences, warnings, sources, read from `assets/explain` and the registry.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::sip::registry::{self, rows};

/// What a node of the header tree is: a row of the catalogue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Topic(u16);

impl Topic {
    /// Nothing that is explained.
    pub const NONE: Self = Self(0);

    /// The topic with this path, such as `header/via` or `param/via/branch`.
    pub fn find(path: &str) -> Option<Self> {
        catalogue().topics.get(path).copied()
    }

    /// The same, else none.
    pub fn of(path: &str) -> Self {
        Self::find(path).unwrap_or(Self::NONE)
    }

    /// A value that stands for something itself: an option tag, a method, an event package.
    pub fn of_value(header: &str, value: &str) -> Option<Self> {
        let token = value.split(';').next().unwrap_or_default().trim();
        let lower = token.to_ascii_lowercase();
        let or = |found: Option<Self>, unknown: &str| found.or_else(|| Self::find(unknown));
        let named = |above: &str| Self::find(&format!("{above}/{lower}"));
        match header {
            "Supported" | "Require" | "Proxy-Require" | "Unsupported" => {
                or(named("option-tag"), "unknown/option-tag")
            }
            "Allow" => or(Self::find(&format!("method/{token}")), "unknown/method"),
            "Event" | "Allow-Events" => or(named("event"), "unknown/event"),
            "Subscription-State" => named("subscription-state"),
            "Reason" => named("reason-protocol"),
            _ => None,
        }
    }

    /// Its path; empty for none.
    pub fn path(self) -> &'static str {
        catalogue().entry(self).map_or("", |entry| &entry.path)
    }

    /// Its line, at most 90 characters; empty for none.
    pub fn glance(self) -> &'static str {
        catalogue().entry(self).map_or("", |entry| &entry.glance)
    }
}

/// One row of the catalogue.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Its path. After `@` stands for which messages it is meant: a variant of the path before.
    pub path: String,
    /// One line.
    pub glance: String,
    /// Sentences that are true of every capture.
    pub about: Vec<String>,
    /// Sentences with places, by name.
    pub here: BTreeMap<String, String>,
    /// Common mistakes and surprises.
    pub watch_out: Vec<String>,
    /// RFC and section.
    pub source: String,
}

impl Entry {
    /// Its path without the variant.
    pub fn base(&self) -> &str {
        base(&self.path)
    }

    /// A variant has what it does not say otherwise from its base.
    fn inherit(&mut self, from: &Self) {
        let or = |own: &mut Vec<String>, theirs: &Vec<String>| {
            if own.is_empty() {
                own.clone_from(theirs);
            }
        };
        or(&mut self.about, &from.about);
        or(&mut self.watch_out, &from.watch_out);
        for (own, theirs) in [
            (&mut self.glance, &from.glance),
            (&mut self.source, &from.source),
        ] {
            if own.is_empty() {
                own.clone_from(theirs);
            }
        }
        for (name, sentence) in &from.here {
            self.here
                .entry(name.clone())
                .or_insert_with(|| sentence.clone());
        }
    }
}

fn base(path: &str) -> &str {
    path.split('@').next().unwrap_or_default()
}

/// How lists are joined.
#[derive(Clone, Debug, Deserialize)]
pub struct Joining {
    /// Between the last two.
    pub and: String,
    /// Between others.
    pub comma: String,
    /// Stands for the rest, with the place `{n}`.
    pub more: String,
}

/// All rows of one language.
pub struct Catalogue {
    entries: Vec<Entry>,
    topics: HashMap<String, Topic>,
    /// How lists are joined.
    pub joining: Joining,
}

/// One value in a file of texts: a glance alone, or more.
#[derive(Deserialize)]
#[serde(untagged)]
enum Words {
    Glance(String),
    Full(Full),
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Full {
    glance: String,
    about: Vec<String>,
    here: BTreeMap<String, String>,
    watch_out: Vec<String>,
    source: String,
}

macro_rules! texts {
    ($($file:literal),+ $(,)?) => {
        &[$(($file, include_str!(concat!("../../assets/explain/en/", $file, ".toml")))),+]
    };
}

/// Where names stand below a path: file and path before the name.
const GLANCES: &[(&str, &str)] = &[
    (
        "method/",
        include_str!("../../assets/explain/en/methods.toml"),
    ),
    (
        "status/",
        include_str!("../../assets/explain/en/status_codes.toml"),
    ),
    (
        "header/",
        include_str!("../../assets/explain/en/headers.toml"),
    ),
    (
        "param/",
        include_str!("../../assets/explain/en/header_params.toml"),
    ),
    (
        "uri-param/",
        include_str!("../../assets/explain/en/uri_params.toml"),
    ),
    (
        "option-tag/",
        include_str!("../../assets/explain/en/option_tags.toml"),
    ),
    (
        "event/",
        include_str!("../../assets/explain/en/event_packages.toml"),
    ),
    (
        "q850/",
        include_str!("../../assets/explain/en/q850_causes.toml"),
    ),
    (
        "sdp-attribute/",
        include_str!("../../assets/explain/en/sdp_attributes.toml"),
    ),
];

/// Files with whole explanations, keyed by whole paths; they win over glances.
const FULL: &[(&str, &str)] = texts![
    "common",
    "parts",
    "via",
    "dialog",
    "routing",
    "auth",
    "sdp",
    "headers_full",
    "layers",
    "dscp",
];

const HEADER_PARAMS: &str = include_str!("../../assets/registry/sip_header_params.csv");
const URI_PARAMS: &str = include_str!("../../assets/registry/sip_uri_params.csv");
const EVENT_PACKAGES: &str = include_str!("../../assets/registry/sip_event_packages.csv");
const Q850_CAUSES: &str = include_str!("../../assets/registry/sip_q850_causes.csv");
const SDP_LINES: &str = include_str!("../../assets/registry/sdp_line_types.csv");
const SDP_ATTRIBUTES: &str = include_str!("../../assets/registry/sdp_attributes.csv");

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::english);

/// The catalogue in English.
pub fn catalogue() -> &'static Catalogue {
    &CATALOGUE
}

impl Catalogue {
    /// The row of a topic.
    pub fn entry(&self, topic: Topic) -> Option<&Entry> {
        self.entries.get(usize::from(topic.0).checked_sub(1)?)
    }

    /// All rows.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The row with this path.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entry(*self.topics.get(path)?)
    }

    fn english() -> Self {
        let mut found: BTreeMap<String, Entry> = BTreeMap::new();
        for (path, source) in sources() {
            found.entry(path).or_default().source = source;
        }
        for (above, text) in GLANCES {
            for (name, words) in read(text) {
                let path = path_of(above, &name);
                add(found.entry(path).or_default(), words);
            }
        }
        for (_, text) in FULL {
            for (path, words) in read(text) {
                add(found.entry(path).or_default(), words);
            }
        }
        let bases: BTreeMap<String, Entry> = found
            .keys()
            .filter(|path| path.contains('@'))
            .filter_map(|path| found.get_key_value(base(path)))
            .map(|(path, entry)| (path.clone(), entry.clone()))
            .collect();
        for (path, entry) in found.iter_mut().filter(|(path, _)| path.contains('@')) {
            if let Some(from) = bases.get(base(path)) {
                entry.inherit(from);
            }
        }
        let mut result = Self {
            entries: Vec::with_capacity(found.len()),
            topics: HashMap::with_capacity(found.len()),
            joining: joining(),
        };
        for (path, mut entry) in found {
            entry.path.clone_from(&path);
            result.entries.push(entry);
            let number = u16::try_from(result.entries.len()).unwrap_or(u16::MAX);
            result.topics.insert(path, Topic(number));
        }
        result
    }
}

/// Names that are compared without regard to case are kept in lower case.
pub(super) fn path_of(above: &str, name: &str) -> String {
    match above {
        "method/" | "sdp-line/" | "sdp-attribute/" => format!("{above}{name}"),
        _ => format!("{above}{}", name.to_ascii_lowercase()),
    }
}

/// Texts that ship with the program; that they can be read is tested.
fn read(text: &str) -> BTreeMap<String, Words> {
    toml::from_str(text).unwrap_or_else(|error| {
        log::error!("a file of explanations cannot be read: {error}");
        BTreeMap::new()
    })
}

fn joining() -> Joining {
    toml::from_str(include_str!("../../assets/explain/en/joining.toml")).unwrap_or_else(|error| {
        log::error!("the words for lists cannot be read: {error}");
        Joining {
            and: ", ".to_owned(),
            comma: ", ".to_owned(),
            more: " …".to_owned(),
        }
    })
}

fn add(entry: &mut Entry, words: Words) {
    let full = match words {
        Words::Glance(glance) => Full {
            glance,
            ..Full::default()
        },
        Words::Full(full) => full,
    };
    if !full.glance.is_empty() {
        entry.glance = full.glance;
    }
    if !full.source.is_empty() {
        entry.source = full.source;
    }
    entry.about.extend(full.about);
    entry.here.extend(full.here);
    entry.watch_out.extend(full.watch_out);
}

/// No column tells what is in the registry, because all is.
const ALL_REGISTERED: usize = usize::MAX;

/// Where each row of the registry is defined: path and source.
pub fn sources() -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut table = |csv, above: &str, names: &[usize], source: usize, status: usize| {
        for row in rows(csv) {
            let column = |at: usize| row.get(at).map_or("", |text| &**text);
            let name: Vec<&str> = names.iter().map(|at| column(*at)).collect();
            let mut text = column(source).to_owned();
            let known = ["yes", "registered", "deprecated", "derived"].contains(&column(status));
            let in_rfc = text.starts_with("RFC") && column(status) != "non-standard";
            if status != ALL_REGISTERED && !known && !in_rfc {
                text.push_str(", non-standard");
            }
            out.push((path_of(above, &name.join("/")), text));
        }
    };
    table(registry::METHODS, "method/", &[0], 2, 1);
    table(registry::STATUS_CODES, "status/", &[0], 3, ALL_REGISTERED);
    table(registry::HEADERS, "header/", &[0], 2, 3);
    table(HEADER_PARAMS, "param/", &[0, 1], 4, 2);
    table(URI_PARAMS, "uri-param/", &[1], 4, 2);
    table(registry::OPTION_TAGS, "option-tag/", &[0], 2, 1);
    table(EVENT_PACKAGES, "event/", &[0], 3, 2);
    table(Q850_CAUSES, "q850/", &[0], 4, ALL_REGISTERED);
    table(SDP_LINES, "sdp-line/", &[0], 7, ALL_REGISTERED);
    table(SDP_ATTRIBUTES, "sdp-attribute/", &[0], 4, 2);
    out
}

/// The grammar class of a header in the registry.
pub(super) fn grammar(path: &str) -> Option<String> {
    let name = path.strip_prefix("header/")?;
    let row = rows(registry::HEADERS)
        .find(|row| row.first().is_some_and(|n| n.eq_ignore_ascii_case(name)))?;
    row.get(6).map(|class| class.clone().into_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Texts that are no topics of their own.
    fn is_topic(path: &str) -> bool {
        !path.starts_with("common/")
    }

    #[test]
    fn every_row_of_the_registry_has_a_glance_and_a_source() {
        let rows = sources();
        assert!(rows.len() > 1_050, "only {} rows", rows.len());
        for (path, _) in rows {
            let entry = catalogue().get(&path).unwrap();
            assert!(!entry.glance.is_empty(), "{path} has no glance");
            assert!(!entry.source.is_empty(), "{path} has no source");
        }
    }

    #[test]
    fn glances_fit_into_a_line() {
        for entry in catalogue().entries().iter().filter(|e| is_topic(&e.path)) {
            let length = entry.glance.chars().count();
            assert!((1..=90).contains(&length), "{} has {length}", entry.path);
            assert!(
                !entry.glance.contains(['{', '}', '`', '\n']),
                "{}",
                entry.path
            );
            assert!(!entry.source.is_empty(), "{} has no source", entry.path);
        }
    }

    #[test]
    fn all_files_can_be_read() {
        for (name, text) in GLANCES.iter().chain(FULL) {
            let result = toml::from_str::<BTreeMap<String, Words>>(text);
            assert!(result.is_ok(), "{name}: {:?}", result.err());
        }
    }

    #[test]
    fn sources_name_documents_that_exist() {
        let others = [
            "ITU-T", "3GPP", "ETSI", "draft-", "MS-", "EBU", "NENA", "IANA", "IEEE", "IEC ",
        ];
        for entry in catalogue().entries().iter().filter(|e| is_topic(&e.path)) {
            let known = entry.source.contains("RFC ")
                || others.iter().any(|o| entry.source.contains(o))
                || entry.source.contains("non-standard")
                || entry.source.contains("registration")
                || entry.source.contains("reserved")
                || entry.source.contains("obsolete");
            assert!(known, "{}: {}", entry.path, entry.source);
            for number in entry.source.split("RFC ").skip(1) {
                let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
                let number: u32 = digits.parse().unwrap();
                assert!(
                    // The oldest one is that of UDP.
                    (768..=9_999).contains(&number),
                    "{}: RFC {number}",
                    entry.path
                );
            }
        }
    }
}
