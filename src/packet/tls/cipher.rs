//! Protection of records: AEAD (RFC 5246, 6.2.3.3; RFC 8446, 5.2), CBC with a MAC (RFC 5246,
//! 6.2.3.2; encrypt-then-MAC: RFC 7366), and no encryption at all.

use std::ops::Range;

use aes::cipher::consts::{U8, U12, U16};
use aes::cipher::{Block, BlockModeDecrypt as _, KeyIvInit as _};
use aes::{Aes128, Aes256};
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut, Nonce, Tag};
use aes_gcm::{Aes128Gcm, Aes256Gcm, KeyInit};
use ccm::Ccm;
use chacha20poly1305::ChaCha20Poly1305;

use super::derive::{Hash, expand_label};
use super::suite::{Cipher, Suite};
use super::{TLS11, TLS12};

/// Octets of a record header.
pub(super) const HEADER: usize = 5;

enum Aead {
    Gcm128(Box<Aes128Gcm>),
    Gcm256(Box<Aes256Gcm>),
    Ccm128(Box<Ccm<Aes128, U16, U12>>),
    Ccm256(Box<Ccm<Aes256, U16, U12>>),
    Ccm8of128(Box<Ccm<Aes128, U8, U12>>),
    Ccm8of256(Box<Ccm<Aes256, U8, U12>>),
    ChaCha(Box<ChaCha20Poly1305>),
}

/// Decrypts `text` where it lies, and gives the length without the tag.
fn decrypt<A: AeadInOut>(
    aead: &A,
    nonce: &[u8; 12],
    head: &[u8],
    text: &mut [u8],
    tag_len: usize,
) -> Option<usize> {
    let at = text.len().checked_sub(tag_len)?;
    let (text, tag) = text.split_at_mut_checked(at)?;
    let tag = Tag::<A>::try_from(&*tag).ok()?;
    let nonce = Nonce::<A>::try_from(nonce.as_slice()).ok()?;
    let buffer = InOutBuf::from(text);
    aead.decrypt_inout_detached(&nonce, head, buffer, &tag)
        .ok()?;
    Some(at)
}

impl Aead {
    fn new(cipher: Cipher, key: &[u8]) -> Option<Self> {
        fn made<A: KeyInit>(key: &[u8]) -> Option<Box<A>> {
            A::new_from_slice(key).ok().map(Box::new)
        }
        Some(match cipher {
            Cipher::Gcm(16) => Self::Gcm128(made(key)?),
            Cipher::Gcm(_) => Self::Gcm256(made(key)?),
            Cipher::Ccm(16, 16) => Self::Ccm128(made(key)?),
            Cipher::Ccm(16, _) => Self::Ccm8of128(made(key)?),
            Cipher::Ccm(_, 16) => Self::Ccm256(made(key)?),
            Cipher::Ccm(..) => Self::Ccm8of256(made(key)?),
            Cipher::ChaCha => Self::ChaCha(made(key)?),
            Cipher::Cbc(..) | Cipher::Null(_) => return None,
        })
    }

    fn tag_len(&self) -> usize {
        match self {
            Self::Ccm8of128(_) | Self::Ccm8of256(_) => 8,
            _ => 16,
        }
    }

    /// Checks the tag before a single octet is changed, so that what does not fit can be tried again
    /// with another key or number.
    fn checks_first(&self) -> bool {
        matches!(self, Self::Gcm128(_) | Self::Gcm256(_) | Self::ChaCha(_))
    }

    fn open(&self, nonce: &[u8; 12], head: &[u8], text: &mut [u8]) -> Option<usize> {
        let tag = self.tag_len();
        match self {
            Self::Gcm128(a) => decrypt(a.as_ref(), nonce, head, text, tag),
            Self::Gcm256(a) => decrypt(a.as_ref(), nonce, head, text, tag),
            Self::Ccm128(a) => decrypt(a.as_ref(), nonce, head, text, tag),
            Self::Ccm256(a) => decrypt(a.as_ref(), nonce, head, text, tag),
            Self::Ccm8of128(a) => decrypt(a.as_ref(), nonce, head, text, tag),
            Self::Ccm8of256(a) => decrypt(a.as_ref(), nonce, head, text, tag),
            Self::ChaCha(a) => decrypt(a.as_ref(), nonce, head, text, tag),
        }
    }
}

/// What a record holds.
#[derive(Default)]
pub(super) struct Content {
    /// Where in the record it lies decrypted.
    inside: Option<Range<usize>>,
    /// It, where it does not lie there.
    apart: Vec<u8>,
}

impl Content {
    /// The octets; `body` is that of the record.
    pub fn of<'a>(&'a self, body: &'a [u8]) -> &'a [u8] {
        match &self.inside {
            Some(place) => body.get(place.clone()).unwrap_or_default(),
            None => &self.apart,
        }
    }

    /// Memory in use.
    pub fn cost(&self) -> usize {
        self.apart.capacity()
    }

    fn shorten(&mut self, len: usize) {
        match &mut self.inside {
            Some(place) => place.end = place.start + len,
            None => self.apart.truncate(len),
        }
    }
}

enum Kind {
    Aead {
        aead: Aead,
        iv: [u8; 12],
        /// Octets of the nonce that stand in front of the record (AES in TLS 1.2).
        explicit: usize,
        tls13: bool,
    },
    Cbc {
        key: Vec<u8>,
        mac: Hash,
        mac_key: Vec<u8>,
        encrypt_then_mac: bool,
        /// TLS 1.0: the last block of the record before, of the first one from the key block.
        chained: Option<[u8; 16]>,
    },
    Null {
        mac: Hash,
        mac_key: Vec<u8>,
    },
}

/// The keys of one direction for one epoch.
pub(super) struct Protection {
    kind: Kind,
    /// Number of the next record.
    pub sequence: u64,
}

impl Drop for Protection {
    fn drop(&mut self) {
        use zeroize::Zeroize as _;
        match &mut self.kind {
            Kind::Aead { iv, .. } => iv.zeroize(),
            Kind::Cbc { key, mac_key, .. } => {
                key.zeroize();
                mac_key.zeroize();
            }
            Kind::Null { mac_key, .. } => mac_key.zeroize(),
        }
    }
}

impl Protection {
    /// From a traffic secret of TLS 1.3 (RFC 8446, 7.3).
    pub fn from_secret(suite: Suite, secret: &[u8]) -> Option<Self> {
        let key_len = match suite.cipher {
            Cipher::Gcm(len) | Cipher::Ccm(len, _) => len,
            Cipher::ChaCha => 32,
            Cipher::Cbc(..) | Cipher::Null(_) => return None,
        };
        let key = expand_label(suite.hash, secret, "key", key_len)?;
        let iv = expand_label(suite.hash, secret, "iv", 12)?;
        Some(Self {
            kind: Kind::Aead {
                aead: Aead::new(suite.cipher, &key)?,
                iv: iv.as_slice().try_into().ok()?,
                explicit: 0,
                tls13: true,
            },
            sequence: 0,
        })
    }

    /// Octets of a key block for both directions (RFC 5246, 6.3).
    pub fn key_block_len(suite: Suite) -> usize {
        2 * match suite.cipher {
            Cipher::Gcm(key) | Cipher::Ccm(key, _) => key + 4,
            Cipher::ChaCha => 32 + 12,
            Cipher::Cbc(key, mac) => mac.len() + key + 16,
            Cipher::Null(mac) => mac.len(),
        }
    }

    /// From the key block of TLS 1.0 to 1.2, for the client's (0) or the server's (1) records.
    pub fn from_key_block(
        version: u16,
        suite: Suite,
        block: &[u8],
        side: usize,
        encrypt_then_mac: bool,
    ) -> Option<Self> {
        let (mac_len, key_len, iv_len) = match suite.cipher {
            Cipher::Gcm(key) | Cipher::Ccm(key, _) => (0, key, 4),
            Cipher::ChaCha => (0, 32, 12),
            Cipher::Cbc(key, mac) => (mac.len(), key, 16),
            Cipher::Null(mac) => (mac.len(), 0, 0),
        };
        let part =
            |start: usize, len: usize| block.get(start + side * len..start + side * len + len);
        let mac_key = part(0, mac_len)?;
        let key = part(2 * mac_len, key_len)?;
        let iv = part(2 * (mac_len + key_len), iv_len)?;
        let kind = match suite.cipher {
            Cipher::Null(mac) => Kind::Null {
                mac,
                mac_key: mac_key.to_vec(),
            },
            Cipher::Cbc(_, mac) => Kind::Cbc {
                key: key.to_vec(),
                mac,
                mac_key: mac_key.to_vec(),
                encrypt_then_mac,
                chained: match version < TLS11 {
                    true => Some(iv.try_into().ok()?),
                    false => None,
                },
            },
            _ if version < TLS12 => return None,
            cipher => {
                let mut nonce = [0; 12];
                nonce.get_mut(..iv.len())?.copy_from_slice(iv);
                Kind::Aead {
                    aead: Aead::new(cipher, key)?,
                    iv: nonce,
                    explicit: 12 - iv_len,
                    tls13: false,
                }
            }
        };
        Some(Self { kind, sequence: 0 })
    }

    /// True when a record can be opened without those before it.
    pub fn is_independent(&self) -> bool {
        !matches!(
            self.kind,
            Kind::Cbc {
                chained: Some(_),
                ..
            }
        )
    }

    /// Opens a record as number `sequence`: leaves its content in `body` or `content` and tells its
    /// type. None: it does not carry the proof that these are its keys, and is as it was.
    pub fn open(
        &mut self,
        sequence: u64,
        header: [u8; HEADER],
        body: &mut [u8],
        content: &mut Content,
    ) -> Option<u8> {
        content.inside = None;
        content.apart.clear();
        let [kind, major, minor, ..] = header;
        let number = sequence.to_be_bytes();
        match &mut self.kind {
            Kind::Aead {
                aead,
                iv,
                explicit,
                tls13,
            } => {
                let mut nonce = *iv;
                if *explicit > 0 {
                    let own = body.get(..*explicit)?;
                    nonce.get_mut(12 - *explicit..)?.copy_from_slice(own);
                } else {
                    for (n, s) in nonce.iter_mut().skip(4).zip(number) {
                        *n ^= s;
                    }
                }
                let start = *explicit;
                let octets = body.get_mut(start..)?;
                let len = octets.len().checked_sub(aead.tag_len())?;
                let text = if aead.checks_first() {
                    content.inside = Some(start..start + len);
                    octets
                } else {
                    content.apart.extend_from_slice(octets);
                    content.apart.as_mut_slice()
                };
                if *tls13 {
                    aead.open(&nonce, &header, text)?;
                    // TLSInnerPlaintext: content, its type, then zeros (RFC 8446, 5.2).
                    let text = text.get(..len)?;
                    let end = text.iter().rposition(|b| *b != 0)?;
                    let inner = text.get(end).copied();
                    content.shorten(end);
                    return inner;
                }
                let head = additional(number, kind, major, minor, len)?;
                aead.open(&nonce, &head, text)?;
                content.shorten(len);
                Some(kind)
            }
            Kind::Cbc {
                key,
                mac,
                mac_key,
                encrypt_then_mac,
                chained,
            } => {
                let text = &mut content.apart;
                let body = &*body;
                let mac_len = mac.len();
                let end = match encrypt_then_mac {
                    true => body.len().checked_sub(mac_len)?,
                    false => body.len(),
                };
                let (protected, tag) = body.split_at_checked(end)?;
                if *encrypt_then_mac {
                    let head = additional(number, kind, major, minor, protected.len())?;
                    same(&mac.mac(mac_key, &[&head, protected]), tag)?;
                }
                let (iv, blocks) = match chained {
                    Some(iv) => (*iv, protected),
                    None => (*protected.first_chunk()?, protected.get(16..)?),
                };
                if blocks.is_empty() || !blocks.len().is_multiple_of(16) {
                    return None;
                }
                text.extend_from_slice(blocks);
                cbc(key, iv, text)?;
                let padding = usize::from(*text.last()?);
                let pad_at = text.len().checked_sub(padding + 1)?;
                if !text
                    .get(pad_at..)?
                    .iter()
                    .all(|b| usize::from(*b) == padding)
                {
                    return None;
                }
                text.truncate(pad_at);
                if !*encrypt_then_mac {
                    check_mac(*mac, mac_key, number, header, text)?;
                }
                if chained.is_some() {
                    *chained = blocks.last_chunk().copied();
                }
                Some(kind)
            }
            Kind::Null { mac, mac_key } => {
                let text = &mut content.apart;
                text.extend_from_slice(body);
                check_mac(*mac, mac_key, number, header, text)?;
                Some(kind)
            }
        }
    }
}

/// Checks the MAC at the end of `text` and takes it off.
fn check_mac(
    mac: Hash,
    key: &[u8],
    number: [u8; 8],
    [kind, major, minor, ..]: [u8; HEADER],
    text: &mut Vec<u8>,
) -> Option<()> {
    let len = text.len().checked_sub(mac.len())?;
    let head = additional(number, kind, major, minor, len)?;
    let (content, tag) = text.split_at_checked(len)?;
    same(&mac.mac(key, &[&head, content]), tag)?;
    text.truncate(len);
    Some(())
}

/// What is authenticated beside the content: number, type, version, length (RFC 5246, 6.2.3.3).
fn additional(number: [u8; 8], kind: u8, major: u8, minor: u8, len: usize) -> Option<[u8; 13]> {
    let mut head = [0; 13];
    let [high, low] = u16::try_from(len).ok()?.to_be_bytes();
    let (first, rest) = head.split_at_mut(8);
    first.copy_from_slice(&number);
    rest.copy_from_slice(&[kind, major, minor, high, low]);
    Some(head)
}

fn same(ours: &[u8], theirs: &[u8]) -> Option<()> {
    (ours == theirs).then_some(())
}

fn cbc(key: &[u8], iv: [u8; 16], text: &mut [u8]) -> Option<()> {
    let (blocks, _) = Block::<Aes128>::slice_as_chunks_mut(text);
    if key.len() == 16 {
        let mut mode = cbc::Decryptor::<Aes128>::new_from_slices(key, &iv).ok()?;
        mode.decrypt_blocks(blocks);
    } else {
        let mut mode = cbc::Decryptor::<Aes256>::new_from_slices(key, &iv).ok()?;
        mode.decrypt_blocks(blocks);
    }
    Some(())
}
