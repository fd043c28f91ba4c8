//! The explanation of the selected field, made in the background: it reads other messages.

use std::sync::Arc;

use super::action::FieldPath;
use super::fetch::Detail;
use crate::bytes::MessageBytes;
use crate::explain::{Depth, Explanation, Scene, Target, explain, explain_layer};
use crate::index::IndexView;
use crate::present::header_tree::{Node, node_at};
use crate::present::layers::below_packet;
use crate::sip::message::decode;

/// Which field of which message.
#[derive(Clone)]
pub struct ExplainQuestion {
    /// The index.
    pub view: Arc<IndexView>,
    /// Brings bytes.
    pub bytes: Arc<dyn MessageBytes>,
    /// The message, read and decoded.
    pub detail: Arc<Detail>,
    /// The field; none is the start line.
    pub field: Option<FieldPath>,
    /// How much is told.
    pub depth: Depth,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Explained {
    /// The message.
    pub message: crate::index::ids::MessageId,
    /// Of which capture.
    pub capture: u64,
    /// The field it is about.
    pub field: Option<FieldPath>,
    /// Its name and value.
    pub title: String,
    /// None when the message has no such field.
    pub explanation: Option<Explanation>,
}

/// Of a start line the method or the status code: whoever selects a message wants to know of these.
/// Any other node itself.
fn what_it_says(node: &Node) -> &Node {
    let telling = match node.name.as_str() {
        "Request-Line" => "method",
        "Status-Line" => "status code",
        _ => return node,
    };
    let part = node.children.iter().find(|part| part.name == telling);
    part.unwrap_or(node)
}

/// Explains the field.
pub fn make(question: &ExplainQuestion) -> Option<Explained> {
    let ExplainQuestion {
        view,
        bytes,
        detail,
        field,
        depth,
    } = question;
    let row = view.message(detail.message)?;
    let mut answer = Explained {
        message: detail.message,
        capture: detail.capture,
        field: field.clone(),
        title: String::new(),
        explanation: None,
    };
    let above = field.as_ref().and_then(|field| below_packet(&field.0));
    let node = match (field, above) {
        (_, Some(path)) => node_at(&detail.layers, path),
        (Some(path), None) => node_at(&detail.tree, &path.0),
        (None, None) => detail.tree.first(),
    };
    let node = node.map(what_it_says);
    let Some(node) = node else {
        return Some(answer);
    };
    answer.title = match node.value.as_str() {
        "" => node.name.clone(),
        value => format!("{}: {value}", node.name),
    };
    let target = Target {
        topic: node.topic,
        span: node.span,
    };
    if above.is_some() {
        answer.explanation = explain_layer(target, *depth);
        return Some(answer);
    }
    let (message, _) = decode(&detail.bytes, view.framing(row));
    let scene = Scene::new(view, detail.message, &detail.bytes, &message, &**bytes)?;
    answer.explanation = explain(&scene, target, *depth);
    Some(answer)
}
