//! What a person asks of a capture: where packets come from, which, until when, and where to.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::source::hep_listener::{self, HepKey, HepOptions};
use crate::source::live;

/// Which packets are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kept {
    /// SIP on its usual ports, with fragments and tagged frames.
    #[default]
    Sip,
    /// SIP, and all UDP that may be RTP.
    SipAndMedia,
    /// The same, but what no session description announces is left out when it is saved.
    SipAndItsMedia,
    /// Everything.
    All,
    /// What a filter in the language of libpcap says.
    Filter(String),
}

impl Kept {
    /// The filter for an interface.
    pub fn filter(&self, link_type: Option<u16>) -> String {
        // libpcap knows VLAN tags behind Ethernet only, and takes the word nowhere else.
        let tags = link_type == Some(1);
        match self {
            Self::Sip => live::sip_filter(tags),
            Self::SipAndMedia | Self::SipAndItsMedia => live::sip_and_media_filter(tags),
            Self::All => String::new(),
            Self::Filter(text) => text.trim().to_owned(),
        }
    }
}

/// Where packets come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Origin {
    /// Interfaces of this machine.
    #[default]
    Interfaces,
    /// Agents that send HEP.
    Hep,
    /// Another machine, by way of ssh.
    Remote,
    /// Files that other programs are writing: nothing is captured, they are followed.
    Files,
}

/// Agents that are listened for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HepWish {
    /// Where: a port, or an address with one.
    pub listen: String,
    /// Addresses of those who may send, with commas; empty for everybody.
    pub senders: String,
    /// What agents must know; empty for nothing.
    #[serde(skip)]
    pub key: Secret,
}

/// Another machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RemoteWish {
    /// Its name, as ssh takes it.
    pub host: String,
    /// Its interface.
    pub interface: String,
    /// tcpdump needs sudo there.
    pub sudo: bool,
}

/// A text that is neither shown nor stored.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(pub zeroize::Zeroizing<String>);

impl std::hash::Hash for Secret {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.as_str().hash(state);
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// A capture that a person asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CaptureWish {
    /// Where packets come from; what belongs to other origins does not count.
    pub origin: Origin,
    /// Names of the interfaces.
    pub interfaces: Vec<String>,
    /// Agents that are listened for.
    pub hep: HepWish,
    /// Another machine.
    pub remote: RemoteWish,
    /// Files that are followed.
    #[serde(default)]
    pub files: Vec<PathBuf>,
    /// Which packets.
    pub kept: Kept,
    /// Also packets meant for others.
    pub promiscuous: bool,
    /// Ends after so many seconds.
    pub seconds: Option<u64>,
    /// Ends after so many packets.
    pub packets: Option<u64>,
    /// Ends after so many MiB.
    pub mebibytes: Option<u64>,
    /// Ends when less than so many MiB are left on the disk.
    pub spare_mebibytes: Option<u64>,
    /// Ends when so many calls have ended.
    #[serde(default)]
    pub calls: Option<u64>,
    /// MiB of memory, from now on; none leaves what was set before.
    #[serde(default)]
    pub memory_mebibytes: Option<u64>,
    /// Folder for the files; none is the private one.
    pub folder: Option<PathBuf>,
    /// A ring of so many files of so many MiB.
    pub ring: Option<(usize, u64)>,
}

impl CaptureWish {
    /// What it captures, in words, one for each file.
    pub fn sources(&self) -> Vec<String> {
        match self.origin {
            Origin::Interfaces => self.interfaces.clone(),
            Origin::Hep => vec![format!("HEP on {}", self.hep.listen.trim())],
            Origin::Remote => vec![format!(
                "{} of {}",
                self.remote_interface(),
                self.remote.host
            )],
            Origin::Files => {
                let names = self.files.iter();
                names.map(|path| path.display().to_string()).collect()
            }
        }
    }

    pub(super) fn remote_interface(&self) -> &str {
        match self.remote.interface.trim() {
            "" => "any",
            name => name,
        }
    }

    /// What is neither SIP nor its RTP is left out afterwards.
    pub fn thins(&self) -> bool {
        let filtered = matches!(self.origin, Origin::Interfaces | Origin::Remote);
        self.kept == Kept::SipAndItsMedia && filtered
    }

    /// Why it cannot begin; none when it can.
    pub fn fault(&self) -> Option<String> {
        match self.origin {
            Origin::Interfaces => self
                .interfaces
                .is_empty()
                .then(|| "Choose an interface".to_owned()),
            Origin::Hep => self.hep_options().err(),
            Origin::Remote => self
                .remote
                .host
                .trim()
                .is_empty()
                .then(|| "Name the machine".to_owned()),
            Origin::Files => self.files.is_empty().then(|| "Choose a file".to_owned()),
        }
    }

    /// The same for the listener.
    pub fn hep_options(&self) -> Result<HepOptions, String> {
        let senders = self.hep.senders.split([',', ' ']).filter(|s| !s.is_empty());
        let key = &self.hep.key.0;
        Ok(HepOptions {
            listen: hep_listener::address(self.hep.listen.trim())?,
            senders: senders.map(str::parse).collect::<Result<_, _>>()?,
            key: (!key.is_empty()).then(|| HepKey::new(key.as_bytes().to_vec())),
            packets: self.packets,
            limits: hep_listener::Limits::default(),
        })
    }
}
