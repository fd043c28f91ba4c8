//! Participants: what an address of the capture is called in a sentence.
//!
//! A name is given only to whom the messages show to be an end: who sends a request with a single
//! Via makes it (RFC 3261, 8.1.1.7), who sends one with more passes it on (16.6).

use std::net::IpAddr;

use super::catalogue::catalogue;
use super::scene::Scene;
use super::text::{Place, Sentence, fill, join};
use crate::index::ids::MessageId;
use crate::index::message_store::Transport;
use crate::packet::Endpoint;
use crate::sip::header_name::Header;
use crate::sip::headers::{Address, Value};
use crate::sip::method::Method;

/// A participant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Who {
    /// An end with the name it gives itself, or is called by.
    Named {
        /// Display name, else user part.
        name: String,
        /// Where it is.
        address: IpAddr,
    },
    /// Passes requests on.
    Proxy(Endpoint),
    /// Answers REGISTER.
    Server(Endpoint),
    /// The capture does not show what it is.
    Address(Endpoint),
    /// An end that was named before.
    Again(String),
    /// The capture does not say where.
    #[default]
    Unknown,
}

impl Who {
    /// Its name in a sentence.
    pub fn words(&self) -> String {
        let (key, places) = match self {
            Self::Named { name, address } => (
                "named",
                vec![
                    ("name", Place::Words(name.clone())),
                    ("address", Place::Words(address.to_string())),
                ],
            ),
            Self::Proxy(at) => ("proxy", vec![("address", Place::Words(at.ip.to_string()))]),
            Self::Server(at) => ("server", vec![("address", Place::Words(at.ip.to_string()))]),
            Self::Address(at) => ("address", vec![("address", Place::Words(at.to_string()))]),
            Self::Again(name) => ("again", vec![("name", Place::Words(name.clone()))]),
            Self::Unknown => ("unknown", Vec::new()),
        };
        let template = catalogue()
            .get("common/who")
            .and_then(|entry| entry.here.get(key));
        let template = template.map_or("", String::as_str);
        let pieces = fill(&format!("\u{2060}{template}"), &places);
        let sentence = Sentence {
            id: String::new(),
            pieces,
            places: Vec::new(),
        };
        join(&[sentence]).trim_start_matches('\u{2060}').to_owned()
    }

    /// How it is called when it has been named already.
    pub fn again(&self) -> Self {
        match self {
            Self::Named { name, .. } => Self::Again(name.clone()),
            other => other.clone(),
        }
    }

    /// True when the messages show it to be an end.
    pub fn is_end(&self) -> bool {
        matches!(self, Self::Named { .. })
    }
}

impl Scene<'_> {
    /// The participant at an address, by the messages of this call.
    pub fn who(&self, at: Endpoint, transport: Transport) -> Who {
        if let Some(known) = self.names.borrow().get(&at) {
            return known.clone();
        }
        let who = self.find_who(at, transport);
        // A log names its ends by words: what stands in for their addresses is nobody's business.
        let who = match (who, self.view.name_of(at.ip)) {
            (who, None) => who,
            (Who::Named { name, .. }, Some(place)) => Who::Again(format!("{name} ({place})")),
            (_, Some(_)) => Who::Again(self.view.end_words(at)),
        };
        self.names.borrow_mut().insert(at, who.clone());
        who
    }

    fn find_who(&self, at: Endpoint, transport: Transport) -> Who {
        // Connections are opened anew from other ports; a datagram's port is part of the address.
        let same = |e: Endpoint| {
            e == at
                || transport.has_connections()
                    && e.ip == at.ip
                    && at.ip != IpAddr::from([127, 0, 0, 1])
        };
        let (mut made, mut answered, mut registers) = (None, None, false);
        for (id, row) in self.others() {
            let Some(flow) = self.view.ends(&row) else {
                continue;
            };
            if same(flow.src) && Self::is_plain_request(row) {
                match row.via_count {
                    0 => {}
                    1 => made = made.or(Some(id)),
                    _ => return Who::Proxy(at),
                }
            } else if same(flow.src) && row.is_response() {
                registers |= row.method == Method::Register && row.status >= 200;
                if row.has_contact() && row.method == Method::Invite {
                    answered = answered.or(Some(id));
                }
            }
        }
        let named = match (made, answered) {
            (Some(id), _) => self.name_in(id, Header::From),
            (None, Some(id)) if self.contact_is(id, at) => self.name_in(id, Header::To),
            _ => None,
        };
        match named {
            Some(name) => Who::Named {
                name,
                address: at.ip,
            },
            None if registers => Who::Server(at),
            None => Who::Address(at),
        }
    }

    /// Display name, else user part, of From or To.
    fn name_in(&self, id: MessageId, header: Header) -> Option<String> {
        let read = self.read(id)?;
        let address = first_address(read.message.values(header).map(|v| &v.value))?;
        let user = String::from_utf8_lossy(address.uri.user.of(&read.octets));
        [address.display_name(&read.octets), user.trim().to_owned()]
            .into_iter()
            .find(|name| !name.is_empty())
    }

    fn contact_is(&self, id: MessageId, at: Endpoint) -> bool {
        let Some(read) = self.read(id) else {
            return false;
        };
        let values = read.message.values(Header::Contact).map(|v| &v.value);
        let Some(address) = first_address(values) else {
            return false;
        };
        let host = String::from_utf8_lossy(address.uri.host.of(&read.octets)).into_owned();
        let host = host.trim_matches(['[', ']']);
        host.parse::<IpAddr>().is_ok_and(|ip| ip == at.ip)
            && address.uri.port.unwrap_or(5060) == at.port
    }
}

pub(super) fn first_address<'v>(values: impl Iterator<Item = &'v Value>) -> Option<&'v Address> {
    values.into_iter().find_map(|value| match value {
        Value::Address(address) => Some(address),
        _ => None,
    })
}
