//! Participants: what an address of the capture is called in a sentence.
//!
//! A name is given only to whom the messages show to be an end: who sends a request with a single
//! Via makes it (RFC 3261, 8.1.1.7), who sends one with more passes it on (16.6). A server makes
//! requests in the name of others, too: who gets requests from a person, or sends them to that
//! person, is somebody else.

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
    /// Serves others, as messages of this or of other calls show.
    Host {
        /// Where it is.
        at: Endpoint,
        /// It makes requests of this call itself.
        is_end: bool,
    },
    /// Makes requests; whose name it may bear is not shown.
    End(Endpoint),
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
            Self::Host { at, .. } => ("host", vec![("address", Place::Words(at.ip.to_string()))]),
            Self::End(at) | Self::Address(at) => {
                ("address", vec![("address", Place::Words(at.to_string()))])
            }
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
        matches!(
            self,
            Self::Named { .. } | Self::End(_) | Self::Host { is_end: true, .. }
        )
    }
}

/// Messages around this one that are looked at for what an address does.
const MOST_AROUND: usize = 20_000;

/// What other messages show of an address.
enum Standing {
    /// Nothing speaks against its being the user's own.
    Own,
    /// It gets requests from the user, or sends requests to the user.
    Others,
    /// It passes requests on, or keeps what others register or publish.
    Server,
}

/// The user part of a URI, as far as it has one.
fn user_of(uri: &str) -> &str {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    rest.split_once('@').map_or("", |(user, _)| user)
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
        let (mut made, mut notifies, mut answered, mut registers) = (None, false, None, false);
        for (id, row) in self.others() {
            let Some(flow) = self.view.ends(&row) else {
                continue;
            };
            if same(flow.src) && Self::is_plain_request(row) {
                match (row.via_count, row.method) {
                    (0, _) => {}
                    // From of a NOTIFY is what is watched, not who tells of it.
                    (1, Method::Notify) => notifies = true,
                    (1, _) => made = made.or(Some(id)),
                    _ => return Who::Proxy(at),
                }
            } else if same(flow.src) && row.is_response() {
                registers |= row.method == Method::Register && row.status >= 200;
                if row.has_contact() && row.method == Method::Invite {
                    answered = answered.or(Some(id));
                }
            }
        }
        let is_end = made.is_some() || notifies;
        let named = match (made, answered) {
            (Some(id), _) => self.name_in(id, Header::From),
            (None, Some(id)) if self.contact_is(id, at) => self.name_in(id, Header::To),
            _ => None,
        };
        let user = named.as_ref().map_or("", |(_, user)| user);
        match (self.standing(user, same), named) {
            (Standing::Server, _) if registers && !is_end => Who::Server(at),
            (Standing::Server, _) => Who::Host { at, is_end },
            (Standing::Own, Some((name, _))) => Who::Named {
                name,
                address: at.ip,
            },
            _ if is_end => Who::End(at),
            _ => Who::Address(at),
        }
    }

    /// What the messages around, of all calls, show of an address that may be that of a user.
    fn standing(&self, user: &str, same: impl Fn(Endpoint) -> bool) -> Standing {
        let from = self.id.index().saturating_sub(MOST_AROUND / 2);
        let around = (from..from.saturating_add(MOST_AROUND)).map(MessageId::at);
        let mut found = Standing::Own;
        for row in around.map_while(|id| self.view.message(id)) {
            let Some(flow) = self.view.ends(row) else {
                continue;
            };
            let (sent, got) = (same(flow.src), same(flow.dst));
            if sent == got || row.repeat().is_copy() {
                continue;
            }
            if row.is_response() {
                let serves = matches!(row.method, Method::Register | Method::Publish);
                if sent && serves && row.status >= 200 {
                    return Standing::Server;
                }
                continue;
            }
            if matches!(row.method, Method::Ack | Method::Cancel) {
                continue;
            }
            if sent && row.via_count > 1 {
                return Standing::Server;
            }
            let parties = self.view.parties(row);
            let is_user = |uri| user_of(&self.view.texts().get(uri)) == user;
            let (by, to) = (is_user(parties.from_uri), is_user(parties.to_uri));
            if !user.is_empty() && by != to && (by && got || to && sent) {
                found = Standing::Others;
            }
        }
        found
    }

    /// Display name, else user part, of From or To; and the user part.
    fn name_in(&self, id: MessageId, header: Header) -> Option<(String, String)> {
        let read = self.read(id)?;
        let address = first_address(read.message.values(header).map(|v| &v.value))?;
        let user = String::from_utf8_lossy(address.uri.user.of(&read.octets));
        let user = user.trim().to_owned();
        [address.display_name(&read.octets), user.clone()]
            .into_iter()
            .find(|name| !name.is_empty())
            .map(|name| (name, user))
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
