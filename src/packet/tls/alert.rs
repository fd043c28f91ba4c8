//! Alerts by name, and what each means to the one who reads the trace (RFC 5246, 7.2; RFC 8446, 6).

/// Number, name in the specification, meaning.
const ALERTS: &[(u8, &str, &str)] = &[
    (0, "close_notify", "the sender has nothing more to send"),
    (
        10,
        "unexpected_message",
        "a message came that does not belong there",
    ),
    (
        20,
        "bad_record_mac",
        "a record could not be verified: keys differ, or octets were changed",
    ),
    (21, "decryption_failed", "a record could not be decrypted"),
    (22, "record_overflow", "a record was too long"),
    (
        30,
        "decompression_failure",
        "a record could not be decompressed",
    ),
    (
        40,
        "handshake_failure",
        "no common set of cipher suites and parameters",
    ),
    (
        41,
        "no_certificate",
        "the client has no certificate to show (SSL 3.0)",
    ),
    (
        42,
        "bad_certificate",
        "the certificate is damaged or its signature is wrong",
    ),
    (
        43,
        "unsupported_certificate",
        "the certificate is of a type that is not supported",
    ),
    (
        44,
        "certificate_revoked",
        "the certificate was revoked by its issuer",
    ),
    (
        45,
        "certificate_expired",
        "the certificate is out of date or not valid yet",
    ),
    (
        46,
        "certificate_unknown",
        "the certificate was refused for another reason, such as its name",
    ),
    (
        47,
        "illegal_parameter",
        "a field had a value that is not allowed",
    ),
    (
        48,
        "unknown_ca",
        "the certificate was issued by nobody that the sender trusts",
    ),
    (
        49,
        "access_denied",
        "the certificate is valid, yet access is not allowed",
    ),
    (50, "decode_error", "a message could not be read"),
    (
        51,
        "decrypt_error",
        "a signature or Finished message could not be verified",
    ),
    (
        60,
        "export_restriction",
        "export rules were not kept (TLS 1.0)",
    ),
    (
        70,
        "protocol_version",
        "the version of TLS that the other side offered is not supported",
    ),
    (
        71,
        "insufficient_security",
        "the server wants stronger cipher suites than were offered",
    ),
    (
        80,
        "internal_error",
        "the sender failed for a reason of its own",
    ),
    (
        86,
        "inappropriate_fallback",
        "the client came with an older version than both support",
    ),
    (
        90,
        "user_canceled",
        "the handshake was given up by the user",
    ),
    (
        100,
        "no_renegotiation",
        "a new handshake on this connection is refused",
    ),
    (
        109,
        "missing_extension",
        "an extension that must be there is missing",
    ),
    (
        110,
        "unsupported_extension",
        "an extension came that was not asked for",
    ),
    (
        111,
        "certificate_unobtainable",
        "the certificate could not be fetched from its URL",
    ),
    (
        112,
        "unrecognized_name",
        "the server does not serve the name that the client asked for (SNI)",
    ),
    (
        113,
        "bad_certificate_status_response",
        "the stapled OCSP response is invalid",
    ),
    (
        114,
        "bad_certificate_hash_value",
        "the certificate fetched from its URL has another hash",
    ),
    (
        115,
        "unknown_psk_identity",
        "the pre-shared key is not known to the server",
    ),
    (
        116,
        "certificate_required",
        "the server wants a certificate of the client and got none",
    ),
    (
        120,
        "no_application_protocol",
        "no common application protocol (ALPN)",
    ),
    (
        121,
        "ech_required",
        "encrypted ClientHello was needed and not accepted",
    ),
];

/// Name and meaning of an alert.
pub fn alert_name(number: u8) -> (&'static str, &'static str) {
    ALERTS.iter().find(|(n, ..)| *n == number).map_or(
        ("unknown", "not in the registry of alerts"),
        |(_, name, meaning)| (name, meaning),
    )
}
