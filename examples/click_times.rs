//! How long a person waits after a click, without a display.
//!
//! ```text
//! cargo run --release --features gui --example click_times -- CAPTURE...
//! ```
//!
//! Sorts the list of calls by every column, both ways, and selects the first row at once: prints the
//! time until the list has its new order, and from the click on the row until the row, the ladder, the
//! message and its explanation are there.

#![allow(clippy::print_stdout)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use egui::vec2;
use sipscope::gui::action::{Action, CallOrder};
use sipscope::gui::driver::Driver;
use sipscope::gui::panels::call_columns;
use sipscope::gui::prefs::Prefs;

const PATIENCE: Duration = Duration::from_secs(120);

/// Runs frames until `done`, at most 120 s; gives milliseconds.
fn wait(driver: &mut Driver, mut done: impl FnMut(&Driver) -> bool) -> f64 {
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        driver.frame(Vec::new());
        if done(driver) {
            break;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    since.elapsed().as_secs_f64() * 1000.0
}

fn main() {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if files.is_empty() {
        eprintln!("usage: click_times CAPTURE...");
        std::process::exit(2);
    }
    let mut driver = Driver::new(vec2(1366.0, 768.0), Prefs::default(), files);
    wait(&mut driver, |driver| driver.app.session.is_finished());
    driver.settle(PATIENCE);
    let kind = driver.app.session.kind;
    println!(
        "{} calls; all times in ms",
        driver.app.session.lists().calls.len()
    );
    println!(
        "{:<28} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "sorted by", "list", "row", "ladder", "message", "explained"
    );
    for info in call_columns::columns_of(kind) {
        driver.app.apply(Action::ShowColumn(info.column, true));
        for descending in [false, true] {
            let order = CallOrder {
                column: info.column,
                descending,
            };
            driver.app.apply(Action::SortCalls(order));
            let list = wait(&mut driver, |driver| {
                driver.app.session.lists().order == order
            });
            let Some(call) = driver.app.session.lists().call(0) else {
                continue;
            };
            driver.app.apply(Action::SelectCall(call));
            let since = Instant::now();
            let mut times = [None::<f64>; 4];
            wait(&mut driver, |driver| {
                let session = &driver.app.session;
                let message = session.selection.message;
                let there = [
                    session.rows().contains_key(&call),
                    session
                        .call_detail()
                        .is_some_and(|detail| detail.stamp.call == call),
                    session
                        .detail()
                        .is_some_and(|detail| Some(detail.message) == message),
                    session
                        .explained()
                        .is_some_and(|known| Some(known.message) == message),
                ];
                for (time, there) in times.iter_mut().zip(there) {
                    if there && time.is_none() {
                        *time = Some(since.elapsed().as_secs_f64() * 1000.0);
                    }
                }
                times.iter().all(Option::is_some)
            });
            let mark = if descending { "v" } else { "^" };
            print!("{:<26} {mark} {list:>8.0}", format!("{:?}", info.column));
            for time in times {
                print!(" {:>8.0}", time.unwrap_or(f64::NAN));
            }
            println!();
        }
    }
}
