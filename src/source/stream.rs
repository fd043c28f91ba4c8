//! Streams as files that grow: standard input, the output of another program.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt as _,
    sync::{Arc, OnceLock},
    thread,
};

use super::{Growth, SourceError, spool};

/// Most octets kept of a stream.
pub const MAX_STREAM_BYTES: u64 = 8 << 30;
const BUFFER_BYTES: usize = 64 << 10;

/// A stream that is copied into a private file while it comes.
pub struct SpooledStream {
    /// The file, open for reading.
    pub file: File,
    /// Ends with the stream.
    pub growth: Growth,
    /// Why it ended early, once it has.
    pub fault: Arc<OnceLock<String>>,
}

/// Begins to copy a stream into a private file without a name, for somebody who follows that file.
///
/// # Errors
/// When the file or the thread cannot be made.
pub fn spool_stream(mut stream: Box<dyn Read + Send>) -> Result<SpooledStream, SourceError> {
    let (file, _) = spool::create(None)?;
    let io = |source| SourceError::Io {
        source,
        path: "the private file for a stream".into(),
    };
    let spooled = SpooledStream {
        file: file.try_clone().map_err(io)?,
        growth: Growth::default(),
        fault: Arc::default(),
    };
    let (growth, fault) = (spooled.growth.clone(), Arc::clone(&spooled.fault));
    let copy = move || {
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut at = 0_u64;
        let why = loop {
            let n = match stream.read(&mut buffer) {
                Ok(0) => break None,
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => break Some(format!("it could not be read any further: {error}")),
            };
            if at.saturating_add(n as u64) > MAX_STREAM_BYTES {
                break Some(format!(
                    "stopped at the limit of {} GiB",
                    MAX_STREAM_BYTES >> 30
                ));
            }
            let part = buffer.get(..n).unwrap_or_default();
            if let Err(error) = file.write_all_at(part, at) {
                break Some(format!("the private file for it is full: {error}"));
            }
            at = at.saturating_add(n as u64);
        };
        if let Some(why) = why {
            // Set here only.
            let _ = fault.set(why);
        }
        growth.finish();
    };
    let started = thread::Builder::new().name("stream".to_owned()).spawn(copy);
    started.map_err(io)?;
    Ok(spooled)
}

/// A private file without a name, for a capture that nobody wants to keep.
///
/// # Errors
/// When it cannot be made.
pub fn unnamed_file() -> Result<File, SourceError> {
    spool::create(None).map(|(file, _)| file)
}
