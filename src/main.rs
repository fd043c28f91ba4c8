//! scratch
use std::path::PathBuf;
fn main() {
    let args: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let threads = std::env::var("T")
        .ok()
        .and_then(|t| t.parse().ok())
        .unwrap_or(2);
    let loaded = sipscope::ingest::load(
        &args,
        &sipscope::ingest::Options {
            threads,
            ..Default::default()
        },
    );
    let v = &loaded.view;
    if std::env::var("Q").is_err() {
        for (i, row) in v.messages().iter().enumerate() {
            let id = sipscope::index::ids::MessageId::at(i);
            println!(
                "{} {} {} {} {} {} {:?} d{:?} c{} t{} {:?}",
                id,
                row.frame,
                if row.is_request() {
                    v.method_name(id).to_string()
                } else {
                    row.status.to_string()
                },
                v.texts().get(row.call_id),
                row.cseq().unwrap_or(0),
                v.layers(row),
                row.repeat(),
                row.dialog.map(|d| d.get()),
                row.call,
                row.transaction,
                row.sdp
            );
        }
    }
    for f in &loaded.files {
        eprintln!("{:?} {:?} {:?}", f.error, f.skipped, f.info.skipped);
    }
    eprintln!(
        "{} messages {} dialogs {} calls {} txns {} retr {} copies {} rtp",
        v.messages().len(),
        v.dialogs().len(),
        v.calls().len(),
        v.totals.transactions,
        v.totals.retransmissions,
        v.totals.copies,
        v.streams().len()
    );
}
