//! Request methods (RFC 3261, 7.1, and the registry of methods).

use serde::Serialize;

/// A registered request method, or another one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[repr(u8)]
pub enum Method {
    /// RFC 3261: starts or changes a session.
    Invite,
    /// RFC 3261: confirms the final response to an INVITE.
    Ack,
    /// RFC 3261: ends a session.
    Bye,
    /// RFC 3261: gives up a pending INVITE.
    Cancel,
    /// RFC 3261: binds an address of record to contacts.
    Register,
    /// RFC 3261: asks for capabilities.
    Options,
    /// RFC 6086: application data within a dialog.
    Info,
    /// RFC 3428: instant message.
    Message,
    /// RFC 6665: state of a subscription.
    Notify,
    /// RFC 3262: acknowledges a reliable provisional response.
    Prack,
    /// RFC 3903: uploads event state.
    Publish,
    /// RFC 3515: asks the recipient to contact someone.
    Refer,
    /// RFC 6665: asks for notifications.
    Subscribe,
    /// RFC 3311: changes a session outside of INVITE.
    Update,
    /// Any method that is in no registry; its name stands in the message.
    #[default]
    Other,
}

impl Method {
    /// All registered methods.
    pub const REGISTERED: [Self; 14] = [
        Self::Invite,
        Self::Ack,
        Self::Bye,
        Self::Cancel,
        Self::Register,
        Self::Options,
        Self::Info,
        Self::Message,
        Self::Notify,
        Self::Prack,
        Self::Publish,
        Self::Refer,
        Self::Subscribe,
        Self::Update,
    ];

    /// The method of that name. Methods are case-sensitive (RFC 3261, 7.1).
    #[inline]
    pub fn from_bytes(name: &[u8]) -> Self {
        match name {
            b"INVITE" => Self::Invite,
            b"ACK" => Self::Ack,
            b"BYE" => Self::Bye,
            b"CANCEL" => Self::Cancel,
            b"REGISTER" => Self::Register,
            b"OPTIONS" => Self::Options,
            b"INFO" => Self::Info,
            b"MESSAGE" => Self::Message,
            b"NOTIFY" => Self::Notify,
            b"PRACK" => Self::Prack,
            b"PUBLISH" => Self::Publish,
            b"REFER" => Self::Refer,
            b"SUBSCRIBE" => Self::Subscribe,
            b"UPDATE" => Self::Update,
            _ => Self::Other,
        }
    }

    /// The name on the wire; `OTHER` for a method in no registry.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invite => "INVITE",
            Self::Ack => "ACK",
            Self::Bye => "BYE",
            Self::Cancel => "CANCEL",
            Self::Register => "REGISTER",
            Self::Options => "OPTIONS",
            Self::Info => "INFO",
            Self::Message => "MESSAGE",
            Self::Notify => "NOTIFY",
            Self::Prack => "PRACK",
            Self::Publish => "PUBLISH",
            Self::Refer => "REFER",
            Self::Subscribe => "SUBSCRIBE",
            Self::Update => "UPDATE",
            Self::Other => "OTHER",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registered_methods_are_those_of_the_registry() {
        let mut names: Vec<&str> = crate::sip::registry::METHODS
            .lines()
            .skip(1)
            .filter(|row| row.contains(",yes,RFC"))
            .filter_map(|row| row.split(',').next())
            .collect();
        names.sort_unstable();
        let mut ours: Vec<&str> = Method::REGISTERED.map(Method::as_str).to_vec();
        ours.sort_unstable();
        assert_eq!(ours, names);
        for method in Method::REGISTERED {
            assert_eq!(Method::from_bytes(method.as_str().as_bytes()), method);
        }
        assert_eq!(Method::from_bytes(b"invite"), Method::Other);
        assert_eq!(size_of::<Method>(), 1);
    }
}
