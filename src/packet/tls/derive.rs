//! Key derivation: the PRF of TLS 1.0 to 1.2 (RFC 2246, 5; RFC 5246, 5) and the labels of TLS 1.3
//! (RFC 8446, 7.1), on the HMAC and HKDF of the crates.

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384};
use zeroize::Zeroizing;

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Md5,
    Sha1,
    Sha256,
    Sha384,
}

impl Hash {
    /// Octets of its value.
    pub fn len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }

    /// Hash of the parts, one behind the other.
    pub fn of(self, parts: &[&[u8]]) -> Vec<u8> {
        fn hash<D: sha2::Digest>(parts: &[&[u8]]) -> Vec<u8> {
            let mut hash = D::new();
            for part in parts {
                hash.update(part);
            }
            hash.finalize().to_vec()
        }
        match self {
            Self::Md5 => hash::<Md5>(parts),
            Self::Sha1 => hash::<Sha1>(parts),
            Self::Sha256 => hash::<Sha256>(parts),
            Self::Sha384 => hash::<Sha384>(parts),
        }
    }

    /// HMAC (RFC 2104) of the parts, one behind the other.
    pub fn mac(self, key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        macro_rules! mac {
            ($hash:ty) => {{
                let Ok(mut mac) = Hmac::<$hash>::new_from_slice(key) else {
                    return Vec::new();
                };
                for part in parts {
                    mac.update(part);
                }
                mac.finalize().into_bytes().to_vec()
            }};
        }
        match self {
            Self::Md5 => mac!(Md5),
            Self::Sha1 => mac!(Sha1),
            Self::Sha256 => mac!(Sha256),
            Self::Sha384 => mac!(Sha384),
        }
    }
}

/// P_hash of RFC 5246, 5, laid over `out`.
fn expand(hash: Hash, secret: &[u8], seed: &[&[u8]], out: &mut [u8]) {
    let mut a = hash.mac(secret, seed);
    for chunk in out.chunks_mut(hash.len()) {
        let mut parts: Vec<&[u8]> = vec![&a];
        parts.extend_from_slice(seed);
        let block = hash.mac(secret, &parts);
        for (o, b) in chunk.iter_mut().zip(&block) {
            *o ^= b;
        }
        a = hash.mac(secret, &[&a]);
    }
}

/// The PRF of the protocol version: `hash` from TLS 1.2 on, MD5 and SHA-1 together before.
pub(super) fn prf(
    version: u16,
    hash: Hash,
    secret: &[u8],
    label: &str,
    seed: &[&[u8]],
    len: usize,
) -> Zeroizing<Vec<u8>> {
    let mut out = Zeroizing::new(vec![0; len]);
    let mut parts: Vec<&[u8]> = vec![label.as_bytes()];
    parts.extend_from_slice(seed);
    if version >= super::TLS12 {
        expand(hash, secret, &parts, &mut out);
    } else {
        let half = secret.len().div_ceil(2);
        let first = secret.get(..half).unwrap_or_default();
        let second = secret.get(secret.len() - half..).unwrap_or_default();
        expand(Hash::Md5, first, &parts, &mut out);
        expand(Hash::Sha1, second, &parts, &mut out);
    }
    out
}

/// HKDF-Expand-Label with an empty context (RFC 8446, 7.1). None when the secret is too short.
pub(super) fn expand_label(
    hash: Hash,
    secret: &[u8],
    label: &str,
    len: usize,
) -> Option<Zeroizing<Vec<u8>>> {
    let mut info = u16::try_from(len).ok()?.to_be_bytes().to_vec();
    info.push(u8::try_from(label.len() + 6).ok()?);
    info.extend_from_slice(b"tls13 ");
    info.extend_from_slice(label.as_bytes());
    info.push(0);
    let mut out = Zeroizing::new(vec![0; len]);
    match hash {
        Hash::Sha384 => hkdf::Hkdf::<Sha384>::from_prk(secret)
            .ok()?
            .expand(&info, &mut out)
            .ok()?,
        _ => hkdf::Hkdf::<Sha256>::from_prk(secret)
            .ok()?
            .expand(&info, &mut out)
            .ok()?,
    }
    Some(out)
}
