//! A session description: spans of both depths lie inside.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sipscope::sdp;
use sipscope::span::Span;

fuzz_target!(|bytes: &[u8]| {
    let inside = |span: Span| span.start <= span.end && span.end as usize <= bytes.len();
    let (session, diagnostics) = sdp::session::decode(bytes, Span::new(0, bytes.len()));
    assert!(
        session
            .lines
            .iter()
            .all(|l| inside(l.span) && inside(l.value))
    );
    assert!(diagnostics.iter().all(|d| inside(d.span)));
    let brief = sdp::brief(bytes);
    let mut payloads = brief.media().iter().flat_map(|m| brief.payloads(m));
    assert!(payloads.all(|payload| inside(payload.codec)));
});
