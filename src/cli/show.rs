//! `sipscope show`: one message as the tree of its parts, and the layers it came through.

use super::args::{Show, TreeFormat};
use super::input::Capture;
use super::output::Output;
use super::record::{Object, object_line};
use super::{Failure, Outcome, message_text};
use crate::index::ids::MessageId;
use crate::index::message_store::MessageRow;
use crate::packet::{Layer, layer_spans};
use crate::present::header_tree::{Node, header_tree};
use crate::present::text;
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
    let octets = message_text::octets(capture, row);
    if octets.is_empty() {
        let why = format!("the octets of message {id} cannot be read again: has the file changed?");
        return Err(Failure::Told(super::exit::INPUT, why));
    }
    let (message, _) = decode(&octets, message_text::framing(view, row));
    let tree = header_tree(&octets, &message);
    let layers = layers(capture, row);
    match args.format {
        TreeFormat::Json => out.write(&object_line(|object| {
            object.number("message", Some(id.get()));
            object.objects("tree", &tree, |o, node| json(o, node));
            object.objects("layers", &layers, |o, (name, value, span)| {
                object_layer(o, name, value, *span);
            });
        })),
        TreeFormat::Table => {
            let mut words = String::new();
            let ends = view.ends(row).map(|f| format!("{} -> {}", f.src, f.dst));
            words.push_str(&format!(
                "message {id}, packet {}, {}, {}\n",
                row.frame,
                text::rfc3339(row.time),
                ends.unwrap_or_default()
            ));
            for (name, value, _) in &layers {
                words.push_str(&format!("{name}: {value}\n"));
            }
            for node in &tree {
                indented(node, 0, &mut words);
            }
            out.write(words.as_bytes())
        }
    }
}

fn json(object: &mut Object<'_>, node: &Node) {
    object.text("name", Some(&node.name));
    object.text("value", Some(&node.value));
    object.number("offset", Some(node.span.start));
    object.number("length", Some(node.span.len() as u64));
    object.text("explain", None);
    object.objects("children", &node.children, |o, child| json(o, child));
}

fn object_layer(object: &mut Object<'_>, name: &str, value: &str, span: Option<Span>) {
    object.text("name", Some(name));
    object.text("value", Some(value));
    object.number("offset", span.map(|s| s.start));
    object.number("length", span.map(|s| s.len() as u64));
}

fn indented(node: &Node, depth: usize, out: &mut String) {
    // The depth of a tree is bounded where it is made.
    out.extend(std::iter::repeat_n("  ", depth));
    out.push_str(&text::visible(&node.name));
    if !node.value.is_empty() {
        out.push_str(": ");
        out.push_str(&text::visible(&node.value));
    }
    out.push('\n');
    for child in &node.children {
        indented(child, depth + 1, out);
    }
}

/// The layers of the packet in which the message begins: name, addresses, place in the packet.
fn layers(capture: &Capture, row: &MessageRow) -> Vec<(&'static str, String, Option<Span>)> {
    let view = capture.view();
    let list: Vec<Layer> = view.layers(row).iter().collect();
    let spans = spans(capture, row, &list);
    list.iter()
        .enumerate()
        .map(|(at, layer)| {
            let flow = view.ends(row);
            let value = match (layer, flow) {
                (Layer::Ipv4 | Layer::Ipv6, Some(f)) => format!("{} -> {}", f.src.ip, f.dst.ip),
                (Layer::Udp | Layer::Tcp, Some(f)) => format!("{} -> {}", f.src.port, f.dst.port),
                _ => String::new(),
            };
            (layer.name(), value, spans.get(at).copied())
        })
        .collect()
}

/// Where the layers stand in the packet; empty when the link type cannot be told.
fn spans(capture: &Capture, row: &MessageRow, list: &[Layer]) -> Vec<Span> {
    let Some(first) = capture.view().extents(row).first().copied() else {
        return Vec::new();
    };
    let head = usize::from(first.head);
    let Some(Some(reader)) = capture.loaded.readers.get(usize::from(first.file)) else {
        return Vec::new();
    };
    let Some(start) = first.offset.checked_sub(u64::from(first.head)) else {
        return Vec::new();
    };
    let mut frame = vec![0; head.saturating_add(first.len as usize)];
    if reader.read_exact_at(start, &mut frame).is_err() {
        return Vec::new();
    }
    let info = capture
        .loaded
        .files
        .get(usize::from(first.file))
        .map(|file| &file.info);
    let link_types = info.map(|info| info.link_types()).unwrap_or_default();
    link_types
        .into_iter()
        .map(|(link_type, _)| layer_spans(link_type, &frame))
        .find(|found| found.iter().map(|(layer, _)| layer).eq(list.iter()))
        .map(|found| found.into_iter().map(|(_, span)| span).collect())
        .unwrap_or_default()
}
