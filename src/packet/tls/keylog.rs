//! Secrets from key logs (the `SSLKEYLOGFILE` format, RFC 9850) and RSA private keys.
//!
//! A key log has a line for each secret: a label, the random of the ClientHello, the secret, the
//! last two in hexadecimal. Labels of older programs (`RSA`, `PMS_CLIENT_RANDOM`) are read too.

use std::collections::HashMap;

use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::{Pkcs1v15Encrypt, RsaPrivateKey, traits::PublicKeyParts as _};
use zeroize::Zeroizing;

/// Secrets kept at most; more are counted.
const MAX_SECRETS: usize = 1_000_000;
/// Sessions remembered for their resumption.
const MAX_SESSIONS: usize = 100_000;
/// RSA keys kept at most: each may be tried for each connection.
const MAX_RSA_KEYS: usize = 100;
/// A secret has at most so many octets.
const MAX_SECRET_OCTETS: usize = 512;

/// Octets that are wiped when they are not needed any more.
pub(super) type Secret = Zeroizing<Vec<u8>>;

/// What a secret is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// Master secret of TLS 1.0 to 1.2.
    Master,
    /// What the master secret is made of.
    Premaster,
    ClientEarly,
    ClientHandshake,
    ServerHandshake,
    ClientTraffic,
    ServerTraffic,
    /// For other uses than the records of the connection.
    Exporter,
}

impl Label {
    fn of(word: &[u8]) -> Option<Self> {
        Some(match word {
            b"CLIENT_RANDOM" => Self::Master,
            b"PMS_CLIENT_RANDOM" => Self::Premaster,
            b"CLIENT_EARLY_TRAFFIC_SECRET" => Self::ClientEarly,
            b"CLIENT_HANDSHAKE_TRAFFIC_SECRET" => Self::ClientHandshake,
            b"SERVER_HANDSHAKE_TRAFFIC_SECRET" => Self::ServerHandshake,
            b"CLIENT_TRAFFIC_SECRET_0" => Self::ClientTraffic,
            b"SERVER_TRAFFIC_SECRET_0" => Self::ServerTraffic,
            b"EXPORTER_SECRET" | b"EARLY_EXPORTER_SECRET" => Self::Exporter,
            _ => return None,
        })
    }
}

/// What was found in one key log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Added {
    /// Secrets.
    pub secrets: usize,
    /// RSA private keys.
    pub rsa_keys: usize,
    /// Lines that are neither secrets nor comments.
    pub ignored: usize,
    /// Secrets left out because there are too many.
    pub beyond: usize,
    /// A key that is there and cannot be used.
    pub problem: Option<&'static str>,
}

/// All secrets known for a capture. They stay in memory and are wiped with it.
#[derive(Default)]
pub struct Secrets {
    by_random: HashMap<[u8; 32], Vec<(Label, Secret)>>,
    by_session: HashMap<Vec<u8>, Secret>,
    /// By the first octets of the encrypted premaster secret.
    by_exchange: HashMap<[u8; 8], Secret>,
    rsa: Vec<RsaPrivateKey>,
    count: usize,
    /// Sessions that were not remembered because there are too many.
    sessions_beyond: u64,
}

// Secrets must not end in a log by way of `{:?}`.
impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.len())
    }
}

impl Secrets {
    /// Takes in a key log or PEM file.
    pub fn add(&mut self, text: &[u8]) -> Added {
        let mut added = Added::default();
        let mut lines = text.split(|b| matches!(b, b'\n' | b'\r'));
        while let Some(line) = lines.next() {
            let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            if line.starts_with(b"-----BEGIN ") {
                let mut pem = Zeroizing::new(Vec::new());
                let mut next = Some(line);
                while let Some(line) = next {
                    let line = line.trim_ascii();
                    if !line.is_empty() {
                        pem.extend_from_slice(line);
                        pem.push(b'\n');
                    }
                    if line.starts_with(b"-----END ") || pem.len() > (64 << 10) {
                        break;
                    }
                    next = lines.next();
                }
                self.add_pem(&pem, &mut added);
                continue;
            }
            if self.count >= MAX_SECRETS {
                added.beyond += 1;
            } else if self.add_line(line).is_some() {
                self.count += 1;
                added.secrets += 1;
            } else {
                added.ignored += 1;
            }
        }
        added
    }

    fn add_line(&mut self, line: &[u8]) -> Option<()> {
        let mut words = line
            .split(|b| b.is_ascii_whitespace())
            .filter(|word| !word.is_empty());
        let (label, first, second) = (words.next()?, words.next()?, words.next()?);
        if label == b"RSA" {
            // `RSA Session-ID:<hex> Master-Key:<hex>`, or the start of the encrypted premaster
            // secret and the secret itself.
            if let Some(id) = first.strip_prefix(b"Session-ID:") {
                let master = hex(second.strip_prefix(b"Master-Key:")?)?;
                self.by_session.insert(hex(id)?.to_vec(), master);
            } else {
                let start = hex(first)?.first_chunk().copied()?;
                self.by_exchange.insert(start, hex(second)?);
            }
            return Some(());
        }
        let label = Label::of(label)?;
        let random: [u8; 32] = hex(first)?.as_slice().try_into().ok()?;
        let secret = hex(second)?;
        let kept = self.by_random.entry(random).or_default();
        // The newest line counts: a client may use the same random again.
        kept.retain(|(known, _)| *known != label);
        kept.push((label, secret));
        Some(())
    }

    fn add_pem(&mut self, pem: &[u8], added: &mut Added) {
        let Ok(text) = std::str::from_utf8(pem) else {
            added.ignored += 1;
            return;
        };
        let first = text.lines().next().unwrap_or_default();
        if !first.contains("PRIVATE KEY") {
            added.ignored += 1;
            return;
        }
        if first.contains("ENCRYPTED") || text.contains("Proc-Type: 4,ENCRYPTED") {
            added.problem = Some("the private key is protected by a password: take it off first");
            return;
        }
        let key = RsaPrivateKey::from_pkcs8_pem(text)
            .ok()
            .or_else(|| RsaPrivateKey::from_pkcs1_pem(text).ok());
        match key {
            Some(_) if self.rsa.len() >= MAX_RSA_KEYS => added.beyond += 1,
            Some(key) => {
                self.rsa.push(key);
                added.rsa_keys += 1;
            }
            None => added.problem = Some("the private key is not an RSA key, or is damaged"),
        }
    }

    /// Number of secrets and private keys.
    pub fn len(&self) -> usize {
        self.count + self.rsa.len()
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn has_rsa_keys(&self) -> bool {
        !self.rsa.is_empty()
    }

    /// True when the key log has a line for this ClientHello.
    pub(super) fn knows(&self, client_random: &[u8; 32]) -> bool {
        self.by_random.contains_key(client_random)
    }

    pub(super) fn get(&self, client_random: &[u8; 32], label: Label) -> Option<&Secret> {
        let list = self.by_random.get(client_random)?;
        list.iter().find(|(l, _)| *l == label).map(|(_, s)| s)
    }

    /// Master secret of a session, by its id or the hash of its ticket.
    pub(super) fn session(&self, id: &[u8]) -> Option<&Secret> {
        self.by_session.get(id)
    }

    /// Remembers a session for its resumption.
    pub(super) fn learn(&mut self, id: Vec<u8>, master: &[u8]) {
        if self.by_session.len() < MAX_SESSIONS || self.by_session.contains_key(&id) {
            self.by_session.insert(id, Zeroizing::new(master.to_vec()));
        } else {
            self.sessions_beyond += 1;
        }
    }

    /// Sessions whose resumption cannot be decrypted because too many are remembered.
    pub fn sessions_beyond(&self) -> u64 {
        self.sessions_beyond
    }

    /// The premaster secret that the client sent encrypted.
    pub(super) fn premaster(&self, encrypted: &[u8]) -> Option<Secret> {
        if let Some(start) = encrypted.first_chunk::<8>()
            && let Some(secret) = self.by_exchange.get(start)
        {
            return Some(secret.clone());
        }
        self.rsa
            .iter()
            .filter(|key| key.size() == encrypted.len())
            .filter_map(|key| key.decrypt(Pkcs1v15Encrypt, encrypted).ok())
            .find(|secret| secret.len() == 48)
            .map(Zeroizing::new)
    }
}

fn hex(text: &[u8]) -> Option<Secret> {
    if text.is_empty() || !text.len().is_multiple_of(2) || text.len() > 2 * MAX_SECRET_OCTETS {
        return None;
    }
    let digit = |b: u8| char::from(b).to_digit(16);
    let octet = |pair: &[u8]| match pair {
        [a, b] => u8::try_from(digit(*a)? * 16 + digit(*b)?).ok(),
        _ => None,
    };
    text.chunks(2)
        .map(octet)
        .collect::<Option<Vec<u8>>>()
        .map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_kind_are_read_and_others_counted() {
        let random = "aB".repeat(32);
        let text = format!(
            "\u{feff}# made by hand\r\nCLIENT_RANDOM {random} {}\r\n  SERVER_TRAFFIC_SECRET_0 {random} {}\n\
             EXPORTER_SECRET {random} 00\nRSA 0102030405060708 {}\nRSA Session-ID:0a0b Master-Key:0c\n\
             CLIENT_RANDOM 12 34\nCLIENT_RANDOM {random}\nhello\n",
            "01".repeat(48),
            "02".repeat(32),
            "03".repeat(48),
        );
        let mut secrets = Secrets::default();
        let added = secrets.add(text.as_bytes());
        assert_eq!((added.secrets, added.ignored, added.problem), (5, 3, None));
        assert_eq!(secrets.len(), 5);
        let random = [0xab; 32];
        assert_eq!(
            secrets.get(&random, Label::Master).map(|s| s.len()),
            Some(48)
        );
        assert!(secrets.get(&random, Label::ClientTraffic).is_none());
        assert_eq!(
            secrets.session(&[10, 11]).map(|s| s.to_vec()),
            Some(vec![12])
        );
        assert!(secrets.premaster(&[1, 2, 3, 4, 5, 6, 7, 8, 9]).is_some());
        assert_eq!(format!("{secrets:?}"), "Secrets(5)");
    }

    #[test]
    fn keys_that_cannot_be_used_are_named() {
        let mut secrets = Secrets::default();
        let locked =
            b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        assert!(
            secrets
                .add(locked)
                .problem
                .is_some_and(|p| p.contains("password"))
        );
        let odd = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(
            secrets
                .add(odd)
                .problem
                .is_some_and(|p| p.contains("not an RSA key"))
        );
        assert!(secrets.is_empty());
    }
}
