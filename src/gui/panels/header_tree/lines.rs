//! The rows of the tree: what is open, what is odd, what differs.

use std::collections::{BTreeSet, HashMap};

use crate::diagnostic::Severity;
use crate::gui::action::FieldPath;
use crate::gui::fetch::Detail;
use crate::present::differences::{Difference, Differences, differences};
use crate::present::equal::{self, Value};
use crate::present::header_tree::{Node, path_of};
use crate::present::layers::PACKET;
use crate::span::Span;

/// What the pinned message has in the same place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    /// No message is pinned, or this is no field.
    Nothing,
    /// The same.
    Equal(String),
    /// Something else; `noise` where that is so in every message.
    Differs { text: String, noise: bool },
    /// It has no such field.
    OnlyHere { noise: bool },
    /// It alone has this field.
    OnlyThere,
}

/// One row of the tree.
pub(super) struct Line {
    pub path: FieldPath,
    pub depth: usize,
    pub name: String,
    pub value: String,
    /// Its octets in the message; none for what is in the packet or in another message.
    pub span: Option<Span>,
    pub parent: bool,
    /// Words and severity of the diagnostics that lie in it and in no child that is seen.
    pub remark: Option<(Severity, String)>,
    /// What was different one hop earlier.
    pub was: Option<Difference>,
    pub beside: Beside,
    /// Its value, when that can be followed.
    pub follow: Option<Value>,
    /// One line on what it is; empty for what has no explanation.
    pub glance: &'static str,
}

impl Line {
    /// Name and value.
    pub fn whole(&self) -> String {
        match self.value.as_str() {
            "" => self.name.clone(),
            value => format!("{}: {value}", self.name),
        }
    }

    fn new(path: String, depth: usize, node: &Node) -> Self {
        Self {
            path: FieldPath(path),
            depth,
            name: node.name.clone(),
            value: node.value.clone(),
            span: Some(node.span),
            parent: !node.children.is_empty(),
            remark: None,
            was: None,
            beside: Beside::Nothing,
            follow: None,
            glance: node.topic.glance(),
        }
    }
}

/// The rows that are seen while `open` is open.
pub(super) fn of(
    detail: &Detail,
    pinned: Option<&Detail>,
    open: &BTreeSet<FieldPath>,
) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut layers = Adder {
        open,
        hop: None,
        pinned: None,
        lines: &mut lines,
    };
    layers.add(&detail.layers, PACKET, 0);
    for line in &mut lines {
        // Their places are in the packet.
        line.span = None;
    }
    let compared = pinned.map(|pinned| differences(&pinned.tree, &detail.tree));
    let first = lines.len();
    let mut fields = Adder {
        open,
        hop: detail.hop.as_ref().map(|(_, hop)| hop),
        pinned: compared.as_ref(),
        lines: &mut lines,
    };
    fields.add(&detail.tree, "", 0);
    for line in lines.iter_mut().skip(first) {
        line.follow = equal::value_at(&detail.tree, &line.path.0);
    }
    // What was taken away on this hop stands below, without a value.
    let gone = detail.hop.iter().flat_map(|(_, hop)| &hop.gone);
    for (name, old) in gone.filter(|_| pinned.is_none()) {
        let node = Node {
            name: name.clone(),
            ..Node::default()
        };
        let path = format!("gone {name} {}", lines.len());
        lines.push(Line {
            span: None,
            was: Some(Difference {
                old: Some(old.clone()),
                noise: false,
            }),
            ..Line::new(path, 0, &node)
        });
    }
    for (name, value) in compared.into_iter().flat_map(|compared| compared.gone) {
        let node = Node {
            name,
            value,
            ..Node::default()
        };
        let path = format!("pinned {} {}", node.name, lines.len());
        lines.push(Line {
            span: None,
            beside: Beside::OnlyThere,
            ..Line::new(path, 0, &node)
        });
    }
    remarks(detail, &mut lines);
    lines
}

struct Adder<'a> {
    open: &'a BTreeSet<FieldPath>,
    hop: Option<&'a Differences>,
    pinned: Option<&'a Differences>,
    lines: &'a mut Vec<Line>,
}

impl Adder<'_> {
    fn add(&mut self, nodes: &[Node], above: &str, depth: usize) {
        let mut counts = HashMap::new();
        for node in nodes {
            let path = path_of(above, node, &mut counts);
            let mut line = Line::new(path.clone(), depth, node);
            line.was = self.hop.and_then(|hop| hop.changed.get(&path).cloned());
            line.beside = self.beside(&path);
            let is_open = self.open.contains(&line.path);
            self.lines.push(line);
            if is_open {
                self.add(&node.children, &path, depth + 1);
            }
        }
    }

    fn beside(&self, path: &str) -> Beside {
        let Some(pinned) = self.pinned else {
            return Beside::Nothing;
        };
        match (pinned.changed.get(path), pinned.other.get(path)) {
            (Some(Difference { old: None, noise }), _) => Beside::OnlyHere { noise: *noise },
            (
                Some(Difference {
                    old: Some(old),
                    noise,
                }),
                _,
            ) => Beside::Differs {
                text: old.clone(),
                noise: *noise,
            },
            (None, Some(text)) => Beside::Equal(text.clone()),
            (None, None) => Beside::Nothing,
        }
    }
}

/// The deepest row that is seen and holds the place takes a remark.
fn remarks(detail: &Detail, lines: &mut Vec<Line>) {
    let mut remarks: Vec<(Span, Severity, String, bool)> = detail
        .diagnostics
        .iter()
        .map(|d| {
            let words = format!("{} ({})", d.text, d.kind.rfc());
            (d.span, d.severity, words, false)
        })
        .collect();
    for line in lines.iter_mut().rev() {
        let Some(place) = line.span else { continue };
        let mut words: Vec<&str> = Vec::new();
        let mut worst = Severity::Info;
        for (span, severity, text, taken) in &mut remarks {
            let inside = place.start <= span.start && span.end <= place.end;
            if inside && !*taken {
                *taken = true;
                worst = worst.max(*severity);
                words.push(text);
            }
        }
        if !words.is_empty() {
            line.remark = Some((worst, words.join("\n")));
        }
    }
    for (span, severity, text, _) in remarks.into_iter().filter(|(_, _, _, taken)| !taken) {
        let node = Node {
            name: "Remark".to_owned(),
            value: text.clone(),
            span,
            ..Node::default()
        };
        lines.push(Line {
            remark: Some((severity, text.clone())),
            ..Line::new(format!("remark {text}"), 0, &node)
        });
    }
}
