//! Who may use whom: the table of the architecture, checked against the `use` lines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Everyone may use these.
const BASE: &[&str] = &["span", "diagnostic", "bytes", "piece", "swar"];

/// Module, and what else it may use.
const MAY_USE: &[(&str, &[&str])] = &[
    ("span", &[]),
    ("diagnostic", &[]),
    ("bytes", &[]),
    ("piece", &[]),
    ("swar", &[]),
    // A message hands its session description to `sdp` and takes over its diagnostics.
    ("sip", &["sdp"]),
    ("sdp", &[]),
    ("packet", &[]),
    // Texts are cut into messages by the names of headers.
    ("source", &["packet", "sip"]),
    ("index", &["sip", "sdp", "packet"]),
    ("explain", &["sip", "sdp", "packet", "index"]),
    ("ingest", &["source", "packet", "sip", "sdp", "index"]),
    ("present", &["sip", "sdp", "packet", "index", "explain"]),
    // Packets are exported from the reader of the capture.
    ("export", &["present", "index", "sip", "sdp", "source"]),
    (
        "cli",
        &[
            "explain", "export", "index", "ingest", "packet", "present", "sdp", "sip", "source",
        ],
    ),
    (
        "gui",
        &[
            "explain", "export", "index", "ingest", "packet", "present", "sdp", "sip", "source",
        ],
    ),
];

fn rust_files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Files of the library by their module.
fn modules() -> BTreeMap<String, Vec<(PathBuf, String)>> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let mut modules: BTreeMap<String, Vec<(PathBuf, String)>> = BTreeMap::new();
    for file in files {
        let relative = file.strip_prefix(&src).expect("below src");
        let first = relative
            .components()
            .next()
            .expect("a name")
            .as_os_str()
            .to_string_lossy();
        let module = first.trim_end_matches(".rs").to_owned();
        if !["lib", "main", "bin"].contains(&module.as_str()) {
            let text = std::fs::read_to_string(&file).expect("text");
            modules
                .entry(module)
                .or_default()
                .push((relative.to_owned(), text));
        }
    }
    modules
}

/// Names behind `crate::` in a text, comments left out.
fn used(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or(""))
        .flat_map(|line| line.split("crate::").skip(1))
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(list) => list
                .split([',', '}'])
                .map(|name| {
                    name.trim()
                        .chars()
                        .take_while(|c| c.is_alphanumeric() || *c == '_')
                        .collect()
                })
                .collect::<Vec<String>>(),
            None => vec![
                rest.chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect(),
            ],
        })
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn modules_use_only_what_they_may() {
    let modules = modules();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (module, files) in &modules {
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| name == module) else {
            wrong.push(format!(
                "{module} stands in no table of tests/architecture.rs"
            ));
            continue;
        };
        for (file, text) in files {
            for name in used(text) {
                seen += 1;
                let fine = name == *module
                    || BASE.contains(&name.as_str())
                    || allowed.contains(&name.as_str())
                    || !modules.contains_key(&name);
                if !fine {
                    wrong.push(format!("{} uses {name}", file.display()));
                }
            }
        }
    }
    assert!(seen > 100, "the check has not found the use lines: {seen}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_window_names_egui() {
    for (module, files) in modules() {
        for (file, text) in files {
            let names = ["egui", "eframe", "rfd"].iter().any(|name| {
                text.contains(&format!("use {name}")) || text.contains(&format!("{name}::"))
            });
            assert!(
                module == "gui" || !names,
                "{} names egui or rfd",
                file.display()
            );
        }
    }
}

#[test]
fn the_model_reads_no_clock_and_starts_no_thread() {
    let modules = modules();
    for module in ["sip", "sdp", "packet", "index", "explain", "present"] {
        for (file, text) in &modules[module] {
            let code = text.split("#[cfg(test)]").next().unwrap_or("");
            for word in ["SystemTime", "Instant::now", "std::fs", "File::open"] {
                assert!(!code.contains(word), "{} contains {word}", file.display());
            }
            // A filter over millions of rows borrows threads for as long as it runs.
            let filter = file.to_string_lossy().contains("filter");
            assert!(
                filter || !code.contains("thread::"),
                "{} starts threads",
                file.display()
            );
        }
    }
}

#[test]
fn parsers_hold_no_unsafe_code() {
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs");
    let text = std::fs::read_to_string(lib).expect("text");
    assert!(text.contains("#![forbid(unsafe_code)]"));
}

#[test]
fn what_only_linux_has_stands_in_few_files() {
    let names = [
        "rustix::",
        "pnet_datalink",
        "signal_hook",
        "os::linux",
        "\"/proc",
        "\"/sys",
    ];
    let mut found: Vec<String> = modules()
        .into_values()
        .flatten()
        .filter(|(_, text)| names.iter().any(|name| text.contains(name)))
        .map(|(file, _)| file.to_string_lossy().replace('\\', "/"))
        .collect();
    found.sort();
    // Each of them is left out elsewhere, or asks which system it is.
    assert_eq!(
        found,
        [
            "cli/capture.rs",
            "cli/timings.rs",
            "gui/driver.rs",
            "source/live/interfaces.rs",
            "source/live/recording.rs",
        ]
    );
}
