//! Handshake messages that are readable without keys or needed to find them (RFC 5246, 7.4;
//! RFC 8446, 4).

use super::TLS13;

/// The random of a HelloRetryRequest (RFC 8446, 4.1.3): SHA-256 of that word.
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];
/// Entries kept of lists that a hello offers.
const MAX_OFFERED: usize = 64;
/// Application protocols kept of a hello.
const MAX_NAMES: usize = 16;

/// Cuts octets off the front; everything gives none at the end.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    pub fn number(&mut self, octets: usize) -> Option<usize> {
        let bytes = self.take(octets)?;
        Some(bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
    }

    /// A vector with its length in front, in so many octets.
    pub fn vector(&mut self, octets: usize) -> Option<&'a [u8]> {
        let len = self.number(octets)?;
        self.take(len)
    }

    pub fn u16(&mut self) -> Option<u16> {
        u16::try_from(self.number(2)?).ok()
    }
}

/// What a ClientHello or ServerHello says.
#[derive(Clone, Debug, Default)]
pub(super) struct Hello {
    /// Version in the old field.
    pub version: u16,
    pub random: [u8; 32],
    pub session_id: Vec<u8>,
    /// Offered, or the one chosen.
    pub suites: Vec<u16>,
    pub sni: Option<String>,
    pub alpn: Vec<String>,
    /// From supported_versions: offered, or the one chosen.
    pub versions: Vec<u16>,
    pub extended_master_secret: bool,
    pub encrypt_then_mac: bool,
    pub early_data: bool,
    /// Ticket offered for resumption (RFC 5077).
    pub ticket: Vec<u8>,
    pub pre_shared_key: bool,
}

impl Hello {
    /// Memory in use beside its own size.
    pub fn heap(&self) -> usize {
        let texts = self.sni.iter().chain(&self.alpn);
        let texts: usize = texts.map(String::capacity).sum();
        let numbers = self.suites.capacity() + self.versions.capacity();
        self.session_id.capacity()
            + self.ticket.capacity()
            + numbers * size_of::<u16>()
            + self.alpn.capacity() * size_of::<String>()
            + texts
    }

    pub fn is_retry(&self) -> bool {
        self.random == RETRY_RANDOM
    }

    /// The version that a ServerHello chose.
    pub fn chosen_version(&self) -> u16 {
        self.versions.first().copied().unwrap_or(self.version)
    }
}

/// Reads the body of a ClientHello.
pub(super) fn client_hello(body: &[u8]) -> Option<Hello> {
    let mut r = Reader(body);
    let mut hello = Hello {
        version: r.u16()?,
        random: r.take(32)?.try_into().ok()?,
        session_id: r.vector(1)?.to_vec(),
        ..Hello::default()
    };
    let suites = r.vector(2)?.chunks_exact(2);
    hello.suites = offered(suites.filter_map(|pair| Reader(pair).u16()));
    r.vector(1)?;
    extensions(&mut r, &mut hello, true);
    Some(hello)
}

/// Reads the body of a ServerHello.
pub(super) fn server_hello(body: &[u8]) -> Option<Hello> {
    let mut r = Reader(body);
    let mut hello = Hello {
        version: r.u16()?,
        random: r.take(32)?.try_into().ok()?,
        session_id: r.vector(1)?.to_vec(),
        suites: vec![r.u16()?],
        ..Hello::default()
    };
    r.take(1)?;
    extensions(&mut r, &mut hello, false);
    Some(hello)
}

/// The protocol that the server chose, and whether it takes early data: EncryptedExtensions.
pub(super) fn encrypted_extensions(body: &[u8]) -> Hello {
    let mut hello = Hello::default();
    extensions(&mut Reader(body), &mut hello, false);
    hello
}

/// Extensions that matter here; damage ends the list.
fn extensions(r: &mut Reader<'_>, hello: &mut Hello, client: bool) -> Option<()> {
    let mut list = Reader(r.vector(2)?);
    while !list.0.is_empty() {
        let kind = list.u16()?;
        let mut data = Reader(list.vector(2)?);
        match kind {
            // server_name: a list with one host name (RFC 6066, 3).
            0 if client => {
                let mut names = Reader(data.vector(2)?);
                if names.number(1)? == 0 {
                    hello.sni = Some(text(names.vector(2)?));
                }
            }
            16 => {
                let mut names = Reader(data.vector(2)?);
                while !names.0.is_empty() && hello.alpn.len() < MAX_NAMES {
                    let name = names.vector(1)?;
                    // GREASE (RFC 8701) is no protocol.
                    if !matches!(name, [a, b] if a == b && a & 15 == 10) {
                        hello.alpn.push(text(name));
                    }
                }
            }
            22 => hello.encrypt_then_mac = true,
            23 => hello.extended_master_secret = true,
            35 if client => hello.ticket = data.0.to_vec(),
            41 => hello.pre_shared_key = true,
            42 => hello.early_data = true,
            43 if client => {
                let versions = data.vector(1)?.chunks_exact(2);
                hello.versions = offered(versions.filter_map(|pair| Reader(pair).u16()));
            }
            43 => hello.versions = vec![data.u16()?],
            _ => {}
        }
    }
    Some(())
}

/// The numbers that a hello offers, the first of them.
fn offered(numbers: impl Iterator<Item = u16>) -> Vec<u16> {
    let mut list: Vec<u16> = numbers
        .filter(|n| !is_grease(*n))
        .take(MAX_OFFERED)
        .collect();
    list.shrink_to_fit();
    list
}

/// Numbers that only test whether unknown ones are ignored (RFC 8701).
fn is_grease(number: u16) -> bool {
    number & 0x0f0f == 0x0a0a && number >> 8 == number & 0xff
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..255).unwrap_or(bytes)).into_owned()
}

/// The certificates of a Certificate message, in DER.
pub(super) fn certificates(body: &[u8], version: u16) -> Vec<&[u8]> {
    let mut out = Vec::new();
    let mut read = || {
        let mut r = Reader(body);
        if version == TLS13 {
            r.vector(1)?;
        }
        let mut list = Reader(r.vector(3)?);
        while !list.0.is_empty() && out.len() < 8 {
            out.push(list.vector(3)?);
            if version == TLS13 {
                list.vector(2)?;
            }
        }
        Some(())
    };
    // A chain that is cut short shows what is there.
    let _: Option<()> = read();
    out
}
