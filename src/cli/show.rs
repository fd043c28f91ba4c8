//! `sipscope show`: one message as the tree of its parts, and the layers it came through.

use super::args::{Show, TreeFormat};
use super::input::Capture;
use super::output::Output;
use super::record::{Object, object_line};
use super::{Failure, Outcome, message_text};
use crate::explain::{Depth, Explanation, Scene, Target, explain, explain_layer};
use crate::index::ids::MessageId;
use crate::index::message_store::MessageRow;
use crate::packet::trace::TimeKind;
use crate::packet::{Layer, LayerNode};
use crate::present::header_tree::{Node, header_tree};
use crate::present::{layers, rows, text};
use crate::sip::message::decode;
use crate::span::Span;

/// Writes the tree.
pub(super) fn show(capture: &Capture, args: &Show, out: &mut Output) -> Outcome {
    let view = capture.view();
    let found = MessageId::new(args.message).and_then(|id| view.message(id).map(|row| (id, row)));
    let Some((id, row)) = found else {
        let there = match view.messages().len() {
            0 => "there is no SIP message in the capture".to_owned(),
            n => format!("the capture has 1 to {n}"),
        };
        return Err(Failure::nothing(format!(
            "there is no message {}: {there}",
            args.message
        )));
    };
    if let Some(chosen) = capture.chosen_messages(&[], &args.common)?
        && !chosen.contains(&id)
    {
        let why = format!("the filter does not hold for message {id}");
        return Err(Failure::nothing(why));
    }
    let octets = message_text::octets(capture, row);
    if octets.is_empty() {
        let why = format!("the octets of message {id} cannot be read again: has the file changed?");
        return Err(Failure::Told(super::exit::INPUT, why));
    }
    let (message, _) = decode(&octets, message_text::framing(view, row));
    let tree = header_tree(&octets, &message);
    let nodes = layers::of_message(
        view,
        row,
        capture.loaded.bytes.as_ref(),
        &link_types(capture, row),
    );
    let layers = layers(capture, row, &nodes);
    let scene = match args.explain {
        true => Scene::new(view, id, &octets, &message, &*capture.loaded.bytes),
        false => None,
    };
    let explain = |node: &Node| {
        let target = Target {
            topic: node.topic,
            span: node.span,
        };
        explain(scene.as_ref()?, target, Depth::Normal)
    };
    let of_layer = |node: &Node| {
        let target = Target {
            topic: node.topic,
            span: node.span,
        };
        explain_layer(target, Depth::Normal).filter(|_| args.explain)
    };
    let tops = layers::tree(&nodes);
    match args.format {
        TreeFormat::Json => out.write(&object_line(|object| {
            object.number("message", Some(id.get()));
            object.objects("tree", &tree, |o, node| json(o, node, &explain));
            object.objects("layers", &layers, |o, (name, value, span)| {
                object_layer(o, name, value, *span);
            });
            object.objects("layers_tree", &tops, |o, node| json(o, node, &of_layer));
        })),
        TreeFormat::Table => {
            let mut words = String::new();
            let ends = view
                .ends(row)
                .map(|f| format!("{} -> {}", view.end_words(f.src), view.end_words(f.dst)));
            words.push_str(&format!(
                "message {id}, packet {}, {}, {}\n",
                row.frame,
                moment(view.time_kind_at(row.time), row.time),
                ends.unwrap_or_default()
            ));
            for (at, (name, value, _)) in layers.iter().enumerate() {
                words.push_str(&format!("{name}: {}\n", text::visible(value)));
                if let Some(found) = tops.get(at).and_then(of_layer) {
                    told("", &found, &mut words);
                }
                let fields = tops.get(at).map(|top| top.children.as_slice());
                for field in fields.filter(|_| args.explain).unwrap_or_default() {
                    indented(field, 1, &of_layer, &mut words);
                }
            }
            for node in &tree {
                indented(node, 0, &explain, &mut words);
            }
            out.write(words.as_bytes())
        }
    }
}

/// The time, as far as it is stated.
fn moment(kind: TimeKind, nanos: i64) -> String {
    match kind {
        TimeKind::Absolute => text::rfc3339(nanos),
        kind => rows::moment_words(kind, nanos),
    }
}

/// The link types of the file that a message is in.
fn link_types(capture: &Capture, row: &MessageRow) -> Vec<u16> {
    let file = capture.loaded.files.get(usize::from(row.file));
    let types = file.map(|file| file.info.link_types()).unwrap_or_default();
    types.into_iter().map(|(number, _)| number).collect()
}

type Explain<'a> = dyn Fn(&Node) -> Option<Explanation> + 'a;

fn json(object: &mut Object<'_>, node: &Node, explain: &Explain<'_>) {
    object.text("name", Some(&node.name));
    object.text("value", Some(&node.value));
    object.number("offset", Some(node.span.start));
    object.number("length", Some(node.span.len() as u64));
    match explain(node) {
        Some(found) => object.object("explain", |o| explanation(o, &found)),
        None => object.text("explain", None),
    }
    object.objects("children", &node.children, |o, child| {
        json(o, child, explain)
    });
}

fn explanation(object: &mut Object<'_>, found: &Explanation) {
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    object.text("glance", Some(&found.glance));
    object.text("here", some(found.here_text()).as_deref());
    object.text("watch_out", some(found.watch_out_text()).as_deref());
    object.text("source", some(found.source.clone()).as_deref());
}

fn object_layer(object: &mut Object<'_>, name: &str, value: &str, span: Option<Span>) {
    object.text("name", Some(name));
    object.text("value", Some(value));
    object.number("offset", span.map(|s| s.start));
    object.number("length", span.map(|s| s.len() as u64));
}

fn indented(node: &Node, depth: usize, explain: &Explain<'_>, out: &mut String) {
    // The depth of a tree is bounded where it is made.
    let indent = "  ".repeat(depth);
    out.push_str(&indent);
    out.push_str(&text::visible(&node.name));
    if !node.value.is_empty() {
        out.push_str(": ");
        out.push_str(&text::visible(&node.value));
    }
    out.push('\n');
    if let Some(found) = explain(node) {
        told(&indent, &found, out);
    }
    for child in &node.children {
        indented(child, depth + 1, explain, out);
    }
}

/// An explanation below its line.
fn told(indent: &str, found: &Explanation, out: &mut String) {
    let mut line = |head: &str, words: &str| {
        if !words.is_empty() {
            out.push_str(&format!("{indent}    {head}{}\n", text::visible(words)));
        }
    };
    line("", &found.glance);
    line("Here: ", &found.here_text());
    line("Watch out: ", &found.watch_out_text());
    line("Source: ", &found.source);
}

/// The layers of the packet in which the message begins: name, value, place in the packet.
fn layers(
    capture: &Capture,
    row: &MessageRow,
    nodes: &[LayerNode],
) -> Vec<(&'static str, String, Option<Span>)> {
    let view = capture.view();
    let list: Vec<Layer> = view.layers(row).iter().collect();
    if list.iter().eq(nodes.iter().map(|node| &node.layer)) {
        let told = nodes.iter();
        return told
            .map(|node| {
                let value = match node.layer {
                    Layer::Ethernet | Layer::Sll | Layer::Sll2 | Layer::Loopback => String::new(),
                    _ => node.value.clone(),
                };
                (node.layer.name(), value, Some(node.span))
            })
            .collect();
    }
    let named = list.iter().map(|layer| (layer.name(), String::new(), None));
    named.collect()
}
