//! Where the shared corpus lies.
#![allow(dead_code, reason = "not every test program uses all of it")]

use std::path::{Path, PathBuf};

/// A file or folder of the corpus: below `$SIPSCOPE_CORPUS`, else in the sibling folder `shared`.
/// Absent: says so, and the test has nothing to do.
pub fn corpus(path: &str) -> Option<PathBuf> {
    let root = match std::env::var_os("SIPSCOPE_CORPUS") {
        Some(root) => PathBuf::from(root),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
    };
    let file = root.join(path);
    if file.exists() {
        return Some(file);
    }
    eprintln!(
        "skipped: {path} is not in the corpus; set SIPSCOPE_CORPUS to the folder that holds it"
    );
    None
}

/// The torture messages: name below the folder, octets. Sorted by name.
pub fn torture() -> Vec<(String, Vec<u8>)> {
    let Some(root) = corpus("torture") else {
        return Vec::new();
    };
    let mut files = Vec::new();
    for folder in std::fs::read_dir(&root).into_iter().flatten().flatten() {
        for file in std::fs::read_dir(folder.path())
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = format!(
                "{}/{}",
                folder.file_name().to_string_lossy(),
                file.file_name().to_string_lossy()
            );
            if let Ok(bytes) = std::fs::read(file.path()) {
                files.push((name, bytes));
            }
        }
    }
    files.sort();
    files
}
