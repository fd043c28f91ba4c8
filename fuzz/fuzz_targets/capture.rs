//! A whole file of any kind, indexed to the end and looked at as the window does.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sipscope::index::ids::{CallId, MessageId};
use sipscope::index::{call, dialog};
use sipscope::ingest::{Options, load_open};
use sipscope::present::header_tree::header_tree;
use sipscope::sip::message::decode;
use sipscope::source::CaptureFile;

/// Messages of one input that are looked at; the others are only indexed.
const LOOKED_AT: usize = 50;

fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = CaptureFile::from_bytes(bytes.to_vec(), "input") else {
        return;
    };
    let options = Options {
        threads: 1,
        ..Options::default()
    };
    let loaded = load_open(vec![("input".into(), file)], &options);
    let view = &loaded.view;
    for (at, row) in view.messages().indexed().take(LOOKED_AT) {
        let octets = loaded.bytes.read_all(&view.extents(row));
        let octets = octets.expect("the octets of a message are where the index says");
        assert_eq!(octets.len(), row.len as usize);
        let (message, _) = decode(&octets, view.framing(row));
        header_tree(&octets, &message);
        let _ = view.method_name(MessageId::at(at));
    }
    for at in 0..view.calls().len().min(LOOKED_AT) {
        let id = CallId::at(at);
        assert!(call::summary(view, id).is_some());
        dialog::of_call(view, id);
    }
});
