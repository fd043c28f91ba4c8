//! A datagram of HEP: read or named, inflated within its limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sipscope::packet::hep;

fuzz_target!(|data: &[u8]| match hep::read(data) {
    Some(Ok(hep)) if hep.packed => {
        let inflated = hep::inflate(hep.payload).unwrap_or_default();
        assert!(inflated.len() <= hep::MAX_INFLATED);
    }
    Some(Err(fault)) => assert!(!fault.words().is_empty()),
    Some(Ok(_)) | None => {}
});
