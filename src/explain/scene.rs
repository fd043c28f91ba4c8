//! What an explanation looks at: one message, the index around it, bytes of related messages.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::FrameLink;
use super::hops;
use super::who::Who;
use crate::bytes::MessageBytes;
use crate::index::IndexView;
use crate::index::ids::{MessageId, TextId};
use crate::index::message_store::{MessageRow, Repeat};
use crate::index::stream::Stream;
use crate::packet::Endpoint;
use crate::sip::header_name::Header;
use crate::sip::headers::{HeaderValue, Value, Via};
use crate::sip::message::{Message, Param, decode};
use crate::sip::method::Method;
use crate::span::Span;

/// Related messages that are read for one message; sentences that need more are left out.
const MOST_READ: usize = 96;
/// Messages of one Call-ID that are looked through, the nearest ones.
const MOST_NEIGHBOURS: usize = 2_000;

/// A row of the index with its parties.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    row: &'a MessageRow,
    /// Call-ID.
    pub call_id: TextId,
    /// URI of To.
    pub to_uri: TextId,
    /// Tag of From.
    pub from_tag: Option<TextId>,
    /// Tag of To.
    pub to_tag: Option<TextId>,
}

impl<'a> Row<'a> {
    /// The row and its parties.
    pub(super) fn of(view: &'a IndexView, row: &'a MessageRow) -> Self {
        let parties = view.parties(row);
        Self {
            row,
            call_id: parties.call_id,
            to_uri: parties.to_uri,
            from_tag: parties.from_tag,
            to_tag: parties.to_tag,
        }
    }
}

impl std::ops::Deref for Row<'_> {
    type Target = MessageRow;

    fn deref(&self) -> &MessageRow {
        self.row
    }
}

/// A message that was read and decoded.
pub struct Read {
    /// Its octets.
    pub octets: Vec<u8>,
    /// Its parts.
    pub message: Message,
}

/// One message and what is around it. Made once for all nodes of a message.
pub struct Scene<'a> {
    /// The index.
    pub view: &'a IndexView,
    /// Which message.
    pub id: MessageId,
    /// Its row.
    pub row: Row<'a>,
    /// Its octets.
    pub octets: &'a [u8],
    /// Its parts.
    pub message: &'a Message,
    bytes: &'a dyn MessageBytes,
    read: RefCell<HashMap<MessageId, Option<Rc<Read>>>>,
    pub(super) names: RefCell<HashMap<Endpoint, Who>>,
    neighbours: OnceCell<(Vec<MessageId>, bool)>,
    before: OnceCell<Option<MessageId>>,
    with_call_id: OnceCell<Vec<MessageId>>,
    streams: OnceCell<Vec<Stream>>,
}

impl<'a> Scene<'a> {
    /// A scene; none when the index does not have the message.
    pub fn new(
        view: &'a IndexView,
        id: MessageId,
        octets: &'a [u8],
        message: &'a Message,
        bytes: &'a dyn MessageBytes,
    ) -> Option<Self> {
        Some(Self {
            view,
            id,
            row: Row::of(view, view.message(id)?),
            octets,
            message,
            bytes,
            read: RefCell::default(),
            names: RefCell::default(),
            neighbours: OnceCell::new(),
            before: OnceCell::new(),
            with_call_id: OnceCell::new(),
            streams: OnceCell::new(),
        })
    }

    /// The text of a span.
    pub fn text(&self, span: Span) -> String {
        String::from_utf8_lossy(span.of(self.octets)).into_owned()
    }

    /// A row of the index.
    pub fn row_of(&self, id: MessageId) -> Option<Row<'a>> {
        Some(Row::of(self.view, self.view.message(id)?))
    }

    /// A link to a message.
    pub fn link(&self, id: MessageId) -> FrameLink {
        let frame = self.view.message(id).map_or(0, |row| row.frame);
        FrameLink { frame, message: id }
    }

    /// Links to messages.
    pub fn links(&self, ids: &[MessageId]) -> Vec<FrameLink> {
        ids.iter().map(|id| self.link(*id)).collect()
    }

    /// An interned text.
    pub fn interned(&self, id: TextId) -> String {
        self.view.texts().get(id).into_owned()
    }

    /// Method, or code and reason with the method: `INVITE`, `200 OK (INVITE)`.
    pub fn name_of(&self, id: MessageId) -> String {
        let Some(row) = self.view.message(id) else {
            return String::new();
        };
        let method = self.view.method_name(id);
        if row.is_request() {
            return method.to_owned();
        }
        let reason = self.interned(row.start_text);
        format!("{} {reason} ({method})", row.status).replace("  ", " ")
    }

    /// Another message, read and decoded; none when it cannot be read, or enough were read.
    pub fn read(&self, id: MessageId) -> Option<Rc<Read>> {
        if let Some(known) = self.read.borrow().get(&id) {
            return known.clone();
        }
        if self.read.borrow().len() >= MOST_READ {
            return None;
        }
        let read = self.read_now(id).map(Rc::new);
        self.read.borrow_mut().insert(id, read.clone());
        read
    }

    fn read_now(&self, id: MessageId) -> Option<Read> {
        let row = self.view.message(id)?;
        let octets = self.bytes.read_all(&self.view.extents(row)).ok()?;
        let (message, _) = decode(&octets, self.view.framing(row));
        Some(Read { octets, message })
    }

    /// Messages of the same group with the same Call-ID, in order, this one included.
    pub fn neighbours(&self) -> &[MessageId] {
        &self.found_neighbours().0
    }

    /// All of them are in [`neighbours`](Self::neighbours): what is not there is not in the group.
    pub fn sees_all(&self) -> bool {
        self.found_neighbours().1
    }

    fn found_neighbours(&self) -> &(Vec<MessageId>, bool) {
        self.neighbours.get_or_init(|| {
            let mut all = self.view.messages_of_call(self.row.call);
            all.retain(|id| {
                self.row_of(*id)
                    .is_some_and(|row| row.call_id == self.row.call_id)
            });
            let at = all.iter().position(|id| *id == self.id).unwrap_or(0);
            let from = at.saturating_sub(MOST_NEIGHBOURS / 2);
            let to = (at + MOST_NEIGHBOURS / 2).min(all.len());
            let whole = from == 0 && to == all.len();
            let near = all.get(from..to).unwrap_or_default().to_vec();
            (near, whole)
        })
    }

    /// Rows of the neighbours that are no copies.
    pub fn others(&self) -> impl Iterator<Item = (MessageId, Row<'a>)> + '_ {
        self.neighbours()
            .iter()
            .filter_map(|id| Some((*id, self.row_of(*id)?)))
            .filter(|(_, row)| !row.repeat().is_copy())
    }

    /// Every message of the capture with this Call-ID.
    pub fn with_call_id(&self) -> &[MessageId] {
        self.with_call_id.get_or_init(|| {
            let rows = self.view.messages().indexed();
            rows.filter(|(_, row)| self.view.parties(row).call_id == self.row.call_id)
                .map(|(at, _)| MessageId::at(at))
                .collect()
        })
    }

    /// The same message one hop earlier.
    pub fn hop_before(&self) -> Option<MessageId> {
        *self.before.get_or_init(|| {
            let mine = hops::branches(self.message, self.octets);
            let theirs = |id| {
                let read = self.read(id)?;
                Some(hops::branches(&read.message, &read.octets))
            };
            hops::before(self.view, self.id, &mine, theirs)
        })
    }

    /// Streams of RTP that belong to this call.
    pub fn streams(&self) -> &[Stream] {
        self.streams.get_or_init(|| {
            let mut all = self.view.streams();
            all.retain(|stream| stream.calls().any(|(call, _)| call == self.row.call));
            all
        })
    }

    /// True when the capture holds RTP to this place, whoever announced it.
    pub fn any_rtp_to(&self, place: Endpoint) -> bool {
        self.view.rtp.iter().any(|counts| counts.dst == place)
    }

    /// All Via values in order.
    pub fn vias(&self) -> Vec<&Via> {
        vias(self.message)
    }

    /// The value of a header that holds `span`.
    pub fn value_at(&self, span: Span) -> Option<&HeaderValue> {
        let holds = |outer: Span| outer.start <= span.start && span.end <= outer.end;
        let field = self.message.headers.iter().find(|f| holds(f.line))?;
        let inner = field.values.iter().find(|v| holds(v.span));
        inner.or(field.values.first())
    }

    /// The first value of a header, as text.
    pub fn first(&self, header: Header) -> Option<String> {
        let span = self.message.first_value(header);
        (!span.is_empty()).then(|| self.text(span))
    }

    /// The message is a sending that nobody made before.
    pub fn is_first_sending(&self) -> bool {
        self.row.repeat() == Repeat::No
    }

    /// Sender of this message.
    pub fn sender(&self) -> Who {
        self.sender_of(self.id)
    }

    /// Sender of a message.
    pub fn sender_of(&self, id: MessageId) -> Who {
        let ends = self.view.message(id).and_then(|row| self.view.ends(row));
        ends.map_or(Who::Unknown, |flow| self.who(flow.src, flow.transport))
    }

    /// Receiver of a message.
    pub fn receiver_of(&self, id: MessageId) -> Who {
        let ends = self.view.message(id).and_then(|row| self.view.ends(row));
        ends.map_or(Who::Unknown, |flow| self.who(flow.dst, flow.transport))
    }

    /// Responses to this request on this hop, or to the request of this response, first sendings.
    pub fn responses(&self) -> Vec<MessageId> {
        self.others()
            .filter(|(_, row)| row.is_response() && row.transaction == self.row.transaction)
            .filter(|(_, row)| !row.repeat().is_retransmission())
            .filter(|(_, row)| row.cseq_method == self.row.cseq_method)
            .map(|(id, _)| id)
            .collect()
    }

    /// The request of this response, or this request.
    pub fn request(&self) -> Option<MessageId> {
        if self.row.is_request() {
            Some(self.id)
        } else {
            self.row.request()
        }
    }

    /// True for a request that goes its own way: no ACK and no CANCEL.
    pub fn is_plain_request(row: Row<'_>) -> bool {
        row.is_request() && !matches!(row.method, Method::Ack | Method::Cancel)
    }
}

/// All Via values of a message in order.
pub fn vias(message: &Message) -> Vec<&Via> {
    let values = message.values(Header::Via);
    values
        .filter_map(|value| match &value.value {
            // Separators with nothing between them are no Via.
            Value::Via(via) => (!via.sent_by.is_empty()).then_some(via),
            _ => None,
        })
        .collect()
}

/// The value of a parameter as text, without quotes.
pub fn param(params: &[Param], octets: &[u8], name: &str) -> Option<String> {
    let param = params.iter().find(|p| p.is(octets, name))?;
    let value = param.value.map(|v| v.of(octets)).unwrap_or_default();
    let text = String::from_utf8_lossy(value);
    Some(text.trim().trim_matches('"').to_owned())
}
