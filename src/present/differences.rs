//! What differs between two messages, field by field.
//!
//! Headers that stand several times (Via, Record-Route, Route) grow and shrink at the top on their way,
//! so they are paired from the bottom: the Via of the caller with the Via of the caller.

use std::collections::HashMap;

use super::header_tree::{Node, path_of};
use crate::sip::header_name::HeaderName;

/// What is different about one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What stood in the other message; none when it was not there.
    pub old: Option<String>,
    /// It differs in every message: branch, tag, time.
    pub noise: bool,
}

/// What differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Fields of the new message that differ, by path.
    pub changed: HashMap<String, Difference>,
    /// The text of the other message, by path of the new one; of all fields that both have.
    pub other: HashMap<String, String>,
    /// Fields of the other message that the new one does not have: name and text.
    pub gone: Vec<(String, String)>,
}

/// Compares the fields of a message with those of another one.
pub fn differences(old: &[Node], new: &[Node]) -> Differences {
    let mut out = Differences::default();
    let pairs = pair(old, new, true);
    let mut counts = HashMap::new();
    for (node, other) in new.iter().zip(&pairs) {
        let path = path_of("", node, &mut counts);
        let other = other.and_then(|at| old.get(at));
        compare(&path, node, other, &mut out);
    }
    let kept: Vec<usize> = pairs.into_iter().flatten().collect();
    for (at, node) in old.iter().enumerate() {
        if !kept.contains(&at) {
            out.gone.push((node.name.clone(), node.value.clone()));
        }
    }
    out
}

/// Compares a field with its counterpart; gives whether they differ, and whether by noise alone.
fn compare(path: &str, node: &Node, other: Option<&Node>, out: &mut Differences) -> (bool, bool) {
    let Some(other) = other else {
        let noise = is_noise(node);
        out.changed
            .insert(path.to_owned(), Difference { old: None, noise });
        return (true, noise);
    };
    out.other.insert(path.to_owned(), other.value.clone());
    let pairs = pair(&other.children, &node.children, false);
    let mut counts = HashMap::new();
    let (mut inside, mut all_noise) = (false, true);
    for (child, at) in node.children.iter().zip(&pairs) {
        let path = path_of(path, child, &mut counts);
        let counterpart = at.and_then(|at| other.children.get(at));
        let (differs, noise) = compare(&path, child, counterpart, out);
        inside |= differs;
        all_noise &= noise || !differs;
    }
    let lost = pairs.iter().flatten().count() < other.children.len();
    let differs = node.value.trim() != other.value.trim() || inside || lost;
    let noise = is_noise(node) || (inside && all_noise && !lost);
    if differs {
        let old = Some(other.value.clone());
        out.changed
            .insert(path.to_owned(), Difference { old, noise });
    }
    (differs, noise)
}

/// The counterpart of each new node: the one of equal name, counted from the end or the start.
fn pair(old: &[Node], new: &[Node], from_end: bool) -> Vec<Option<usize>> {
    let mut places: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, node) in old.iter().enumerate() {
        places.entry(key(node)).or_default().push(at);
    }
    let mut counts: HashMap<String, usize> = HashMap::new();
    for node in new {
        *counts.entry(key(node)).or_default() += 1;
    }
    let mut seen: HashMap<String, usize> = HashMap::new();
    new.iter()
        .map(|node| {
            let key = key(node);
            let number = seen.entry(key.clone()).or_default();
            let at = *number;
            *number += 1;
            let known = places.get(&key)?;
            let total = counts.get(&key).copied().unwrap_or(0);
            let at = if from_end {
                (at + known.len()).checked_sub(total)?
            } else {
                at
            };
            known.get(at).copied()
        })
        .collect()
}

/// A header has the same name in its short form.
fn key(node: &Node) -> String {
    match HeaderName::from_bytes(node.name.as_bytes()).as_str() {
        Some(name) => name.to_owned(),
        None => node.name.to_ascii_lowercase(),
    }
}

/// Values that are made anew for every message, or say when it was sent.
fn is_noise(node: &Node) -> bool {
    ["branch", "tag", "date", "timestamp"]
        .iter()
        .any(|name| node.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::header_tree::header_tree;
    use super::*;
    use crate::sip::message::decode;
    use crate::sip::scan::Framing;

    fn tree(text: &str) -> Vec<Node> {
        let framing = Framing {
            datagram: true,
            cut: false,
            whole: false,
        };
        header_tree(text.as_bytes(), &decode(text.as_bytes(), framing).0)
    }

    #[test]
    fn a_hop_changes_what_a_proxy_changes() {
        let old = tree(
            "INVITE sip:b@x SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\n\
             Route: <sip:p;lr>\r\nFrom: <sip:a@x>;tag=1\r\nCSeq: 1 INVITE\r\n\r\n",
        );
        let new = tree(
            "INVITE sip:b@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP p;branch=z9hG4bK2\r\n\
             Via: SIP/2.0/UDP a;branch=z9hG4bK1;rport=5060\r\nMax-Forwards: 69\r\n\
             From: <sip:a@x>;tag=1\r\nCSeq: 1 INVITE\r\n\r\n",
        );
        let found = differences(&old, &new);
        let mut changed: Vec<(&str, Option<&str>)> = found
            .changed
            .iter()
            .map(|(path, d)| (path.as_str(), d.old.as_deref()))
            .collect();
        changed.sort_unstable();
        assert_eq!(
            changed,
            [
                ("Max-Forwards", Some("70")),
                ("Request-Line", Some("INVITE sip:b@x SIP/2.0")),
                ("Request-Line > Request-URI", Some("sip:b@x")),
                ("Request-Line > Request-URI > host", Some("x")),
                ("Via", None),
                ("Via[2]", Some("SIP/2.0/UDP a;branch=z9hG4bK1;rport")),
                ("Via[2] > rport", Some("")),
            ]
        );
        assert_eq!(found.gone, [("Route".to_owned(), "<sip:p;lr>".to_owned())]);
        assert_eq!(found.other.get("From").unwrap(), "<sip:a@x>;tag=1");
    }

    #[test]
    fn branch_and_tag_are_noise() {
        let text = |branch: &str, user: &str| {
            format!(
                "INVITE sip:b@x SIP/2.0\r\nVia: SIP/2.0/UDP a;branch={branch}\r\n\
                 From: <sip:{user}@x>;tag={branch}\r\n\r\n"
            )
        };
        let found = differences(&tree(&text("z9hG4bK1", "a")), &tree(&text("z9hG4bK2", "c")));
        let noise = |path: &str| found.changed.get(path).unwrap().noise;
        assert!(noise("Via") && noise("Via > branch") && noise("From > tag"));
        assert!(!noise("From"), "the user is another one too");
        assert!(
            differences(&tree(&text("1", "a")), &tree(&text("1", "a")))
                .changed
                .is_empty()
        );
    }
}
