//! What a certificate says of its owner (RFC 5280). Nothing is verified.

use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Names kept of one certificate.
const MAX_NAMES: usize = 32;

/// One certificate of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateInfo {
    /// Subject, as RFC 4514 writes names.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// Subject alternative names: DNS names, addresses, URIs.
    pub names: Vec<String>,
    /// Valid from, seconds since 1970-01-01 UTC.
    pub not_before: i64,
    /// Valid until, seconds since 1970-01-01 UTC.
    pub not_after: i64,
}

impl CertificateInfo {
    /// Memory in use.
    pub(super) fn cost(&self) -> usize {
        let names = self.names.iter().map(String::capacity);
        let texts = self.subject.capacity() + self.issuer.capacity();
        size_of::<Self>() + texts + names.sum::<usize>() + size_of_val(self.names.as_slice())
    }

    /// Reads the DER form; none when it is no certificate.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let inner = certificate.tbs_certificate();
        let seconds = |time: &x509_cert::time::Time| {
            i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
        };
        let names = match inner.get_extension::<SubjectAltName>() {
            Ok(Some((_, names))) => names.0.iter().filter_map(name).take(MAX_NAMES).collect(),
            _ => Vec::new(),
        };
        Some(Self {
            subject: short(inner.subject().to_string()),
            issuer: short(inner.issuer().to_string()),
            names,
            not_before: seconds(&inner.validity().not_before),
            not_after: seconds(&inner.validity().not_after),
        })
    }
}

fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) | GeneralName::Rfc822Name(name) => {
            Some(short(name.as_str().to_owned()))
        }
        GeneralName::UniformResourceIdentifier(uri) => Some(short(uri.as_str().to_owned())),
        GeneralName::IpAddress(octets) => {
            let octets = octets.as_bytes();
            if let Ok(v4) = <[u8; 4]>::try_from(octets) {
                return Some(std::net::Ipv4Addr::from(v4).to_string());
            }
            let v6 = <[u8; 16]>::try_from(octets).ok()?;
            Some(std::net::Ipv6Addr::from(v6).to_string())
        }
        _ => None,
    }
}

/// Names are shown, not stored: an endless one is cut.
fn short(mut text: String) -> String {
    if text.len() > 500 {
        let end = (0..=500).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}
