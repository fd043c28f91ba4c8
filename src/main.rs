//! Sipscope: a window on SIP captures, and the same facts on the command line.
// One call to the C library below; everything else is safe, and the library forbids anything else.
#![deny(unsafe_code)]

use std::process::ExitCode;

use sipscope::cli::{self, Invocation, WindowWish};

fn main() -> ExitCode {
    return_freed_memory();
    match cli::parse() {
        Invocation::Window(wish) => window(wish),
        Invocation::Command(command) => ExitCode::from(cli::run(*command)),
        Invocation::Over(code) => ExitCode::from(code),
    }
}

/// Keeps large tables out of the heap, so that what loading needed goes back to the system after it.
///
/// glibc takes the size of the largest block ever freed as a sign that such blocks are common and
/// keeps the next ones: after a million messages that is a quarter of all the memory in use.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
fn return_freed_memory() {
    const LARGE: libc::c_int = 256 << 10;
    const SPARE: libc::c_int = 8 << 20;
    // SAFETY: sets two numbers of the allocator, before there is a second thread.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
        libc::mallopt(libc::M_TRIM_THRESHOLD, SPARE);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn return_freed_memory() {}

#[cfg(feature = "gui")]
fn window(wish: WindowWish) -> ExitCode {
    let start = sipscope::gui::Start {
        files: wish.files,
        follow: wish.follow,
        allow_root: wish.allow_root,
        key_logs: wish.key_logs,
    };
    match sipscope::gui::run(start, cli::carry_out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("sipscope: {why}");
            eprintln!("{}", cli::WITHOUT_DISPLAY);
            ExitCode::from(cli::exit::NO_DISPLAY)
        }
    }
}

#[cfg(not(feature = "gui"))]
fn window(_wish: WindowWish) -> ExitCode {
    eprintln!("sipscope: this program was built without the window (feature `gui`)");
    eprintln!("{}", cli::WITHOUT_DISPLAY);
    ExitCode::from(cli::exit::USAGE)
}
