//! Cipher suites by number. What a suite does is told by its registered name
//! (`TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256`), so one list of names is all there is to keep.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::derive::Hash;

const NAMES: &str = include_str!("../../../assets/registry/tls_cipher_suites.csv");

/// How records are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cipher {
    /// AES in Galois/Counter Mode (RFC 5288), by octets of the key.
    Gcm(usize),
    /// AES-CCM (RFC 6655), by octets of the key and of the tag.
    Ccm(usize, usize),
    /// ChaCha20-Poly1305 (RFC 7905).
    ChaCha,
    /// AES in CBC mode with an HMAC (RFC 5246, 6.2.3.2), by octets of the key.
    Cbc(usize, Hash),
    /// No encryption, only an HMAC.
    Null(Hash),
}

/// A cipher suite that can be decrypted, given the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Suite {
    pub cipher: Cipher,
    /// Hash of the key derivation from TLS 1.2 on.
    pub hash: Hash,
    /// The client sends the premaster secret encrypted to the server's RSA key.
    pub rsa_key_exchange: bool,
    /// Made for TLS 1.3.
    pub tls13: bool,
}

/// The registered name.
pub fn suite_name(number: u16) -> Option<&'static str> {
    static BY_NUMBER: LazyLock<HashMap<u16, &'static str>> = LazyLock::new(|| {
        NAMES
            .lines()
            .filter_map(|line| {
                let (number, name) = line.split_once(',')?;
                let number = u16::from_str_radix(number.strip_prefix("0x")?, 16).ok()?;
                Some((number, name))
            })
            .collect()
    });
    BY_NUMBER.get(&number).copied()
}

impl Suite {
    /// What the suite with this number does; none when it is not decrypted here.
    pub fn of(number: u16) -> Option<Self> {
        Self::read(suite_name(number)?)
    }

    fn read(name: &str) -> Option<Self> {
        let name = name.strip_prefix("TLS_")?;
        let (exchange, rest) = match name.split_once("_WITH_") {
            Some((exchange, rest)) => (Some(exchange), rest),
            None => (None, name),
        };
        let (cipher, hash) = match rest {
            "AES_128_GCM_SHA256" => (Cipher::Gcm(16), Hash::Sha256),
            "AES_256_GCM_SHA384" => (Cipher::Gcm(32), Hash::Sha384),
            "AES_128_CCM" | "AES_128_CCM_SHA256" => (Cipher::Ccm(16, 16), Hash::Sha256),
            "AES_256_CCM" => (Cipher::Ccm(32, 16), Hash::Sha256),
            "AES_128_CCM_8" | "AES_128_CCM_8_SHA256" => (Cipher::Ccm(16, 8), Hash::Sha256),
            "AES_256_CCM_8" => (Cipher::Ccm(32, 8), Hash::Sha256),
            "CHACHA20_POLY1305_SHA256" => (Cipher::ChaCha, Hash::Sha256),
            "AES_128_CBC_SHA" => (Cipher::Cbc(16, Hash::Sha1), Hash::Sha256),
            "AES_256_CBC_SHA" => (Cipher::Cbc(32, Hash::Sha1), Hash::Sha256),
            "AES_128_CBC_SHA256" => (Cipher::Cbc(16, Hash::Sha256), Hash::Sha256),
            "AES_256_CBC_SHA256" => (Cipher::Cbc(32, Hash::Sha256), Hash::Sha256),
            "AES_256_CBC_SHA384" => (Cipher::Cbc(32, Hash::Sha384), Hash::Sha384),
            "NULL_MD5" => (Cipher::Null(Hash::Md5), Hash::Sha256),
            "NULL_SHA" => (Cipher::Null(Hash::Sha1), Hash::Sha256),
            "NULL_SHA256" => (Cipher::Null(Hash::Sha256), Hash::Sha256),
            "NULL_SHA384" => (Cipher::Null(Hash::Sha384), Hash::Sha384),
            _ => return None,
        };
        Some(Self {
            cipher,
            hash,
            rsa_key_exchange: exchange == Some("RSA"),
            tls13: exchange.is_none(),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_what_a_suite_does() {
        let suite = |number| Suite::of(number).expect("can be decrypted");
        assert_eq!(suite(0x1302).cipher, Cipher::Gcm(32));
        assert!(suite(0x1302).tls13 && !suite(0x1302).rsa_key_exchange);
        assert_eq!(suite(0xc0ae).cipher, Cipher::Ccm(16, 8));
        assert_eq!(suite(0xc028).cipher, Cipher::Cbc(32, Hash::Sha384));
        assert_eq!(suite(0x003d).hash, Hash::Sha256);
        assert!(suite(0x003d).rsa_key_exchange && !suite(0xc028).rsa_key_exchange);
        assert_eq!(suite_name(0x0005), Some("TLS_RSA_WITH_RC4_128_SHA"));
        assert_eq!(Suite::of(0x0005), None);
        assert_eq!(Suite::of(0x9999), None);
    }
}
