//! Registrations: addresses of record and their bindings over time (RFC 3261, 10).
