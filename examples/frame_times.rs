//! What a frame of the window costs, without a display.
//!
//! ```text
//! cargo run --release --features gui --example frame_times -- CAPTURE...
//! cargo run --release --features gui --example frame_times -- --live INTERFACE SECONDS
//! ```
//!
//! Prints the CPU time of the window's thread for `logic`, `ui` and tessellation, median and 99th
//! percentile: while the captures are loaded, afterwards while lists and ladder are scrolled at
//! 60 Hz, the same with every panel open and all columns shown, and for a table of five million rows
//! whose every row is checked. The second form captures everything on an interface and paints ten times
//! a second.

#![allow(clippy::print_stdout, clippy::panic)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use egui::{Event, Modifiers, MouseWheelUnit, Pos2, TouchPhase, Vec2, pos2, vec2};
use sipscope::explain::Depth;
use sipscope::gui::action::{Action, Area, FieldPath, PanelName, Tab};
use sipscope::gui::capturing::CaptureAction;
use sipscope::gui::driver::{Driver, FrameReport, Frames};
use sipscope::gui::live::{CaptureWish, Kept};
use sipscope::gui::panels::{call_columns, message_list};
use sipscope::gui::prefs::Prefs;
use sipscope::gui::widgets::row_view::{Cell, Column, Row, RowView, RowViewState};
use sipscope::index::ids::CallId;

const SCREEN: Vec2 = vec2(1366.0, 768.0);
const FRAME: Duration = Duration::from_micros(16_667);
/// Points in the call list, in ladder or message list, in the header tree.
const CALLS: Pos2 = pos2(600.0, 150.0);
const MESSAGES: Pos2 = pos2(300.0, 500.0);
const TREE: Pos2 = pos2(1000.0, 350.0);
/// Points in the bytes below the tree, and in the explanation.
const RAW: Pos2 = pos2(1000.0, 560.0);
const EXPLANATION: Pos2 = pos2(600.0, 700.0);

fn main() {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if files.is_empty() {
        eprintln!("usage: frame_times CAPTURE...");
        std::process::exit(2);
    }
    if let [flag, interface, seconds] = files.as_slice()
        && flag.as_os_str() == "--live"
        && let Some(seconds) = seconds.to_str().and_then(|text| text.parse().ok())
    {
        live(
            interface.display().to_string(),
            Duration::from_secs(seconds),
        );
        return;
    }
    capture(files);
    rows();
}

/// Follows a capture, with lists and ladder scrolled now and then.
fn live(interface: String, time: Duration) {
    let mut driver = Driver::new(SCREEN, Prefs::default(), Vec::new());
    driver.app.session.capturing.allow_root = true;
    driver.frame(Vec::new());
    let wish = CaptureWish {
        interfaces: vec![interface],
        kept: Kept::All,
        ..CaptureWish::default()
    };
    let start = CaptureAction::Start(Box::new(wish));
    driver.app.apply(Action::Capture(start));
    let (begin, mut times, mut step) = (Instant::now(), Times::default(), 0);
    while begin.elapsed() < time {
        let since = Instant::now();
        // Each three seconds somebody scrolls back, and then goes to the end again.
        let events = match step % 30 {
            10 => wheel(CALLS, 300.0),
            20 => wheel(CALLS, -9_000_000.0),
            _ => Vec::new(),
        };
        if step % 100 == 50 {
            driver.app.apply(Action::ShowTab(if step / 100 % 2 == 0 {
                Tab::AllMessages
            } else {
                Tab::Ladder
            }));
        }
        times.add(driver.frame(events));
        step += 1;
        std::thread::sleep(Duration::from_millis(100).saturating_sub(since.elapsed()));
    }
    let status = driver.app.session.capturing.status();
    driver.app.apply(Action::Capture(CaptureAction::Stop));
    if let Some(status) = status {
        println!("{:?}", status.counts);
    }
    println!("{} SIP messages", driver.app.session.view.messages().len());
    if let Some(cpu) = process_cpu() {
        println!("CPU of the whole process {:.2} s", cpu.as_secs_f64());
    }
    times.print("while following");
    // The capture program ends its file.
    std::thread::sleep(Duration::from_secs(1));
}

/// CPU times of frames.
#[derive(Default)]
struct Times(Vec<Duration>);

impl Times {
    fn add(&mut self, report: FrameReport) {
        self.0.push(report.cpu);
    }

    fn print(mut self, what: &str) {
        self.0.sort_unstable();
        let at = |share: f64| {
            let last = self.0.len().saturating_sub(1);
            let index = ((last as f64) * share).round() as usize;
            self.0
                .get(index)
                .map_or(0.0, |time| time.as_secs_f64() * 1000.0)
        };
        println!(
            "{what:<28} {:>6} frames  p50 {:>6.2} ms  p99 {:>6.2} ms  max {:>6.2} ms",
            self.0.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
}

fn wheel(at: Pos2, points: f32) -> Vec<Event> {
    vec![
        Event::PointerMoved(at),
        Event::MouseWheel {
            unit: MouseWheelUnit::Point,
            delta: vec2(0.0, points),
            modifiers: Modifiers::NONE,
            phase: TouchPhase::Move,
            source: egui::MouseWheelSource::Unknown,
        },
    ]
}

fn key(key: egui::Key) -> Vec<Event> {
    let press = |pressed| Event::Key {
        key,
        physical_key: None,
        pressed,
        repeat: false,
        modifiers: Modifiers::NONE,
    };
    vec![press(true), press(false)]
}

/// Runs frames at 60 Hz, whatever they cost.
fn paced(
    driver: &mut Driver,
    times: &mut Times,
    count: usize,
    mut events: impl FnMut(usize) -> Vec<Event>,
) {
    for i in 0..count {
        let since = Instant::now();
        times.add(driver.frame(events(i)));
        std::thread::sleep(FRAME.saturating_sub(since.elapsed()));
    }
}

fn capture(files: Vec<PathBuf>) {
    let since = Instant::now();
    let mut driver = Driver::new(SCREEN, Prefs::default(), files);
    // The first frame loads fonts; a person waits for it once.
    let first = driver.frame(Vec::new());
    println!("first frame {:.1} ms", first.cpu.as_secs_f64() * 1000.0);
    let mut loading = Times::default();
    let mut first_rows = None;
    let mut step = 0;
    while !driver.app.session.is_finished() {
        let frame = Instant::now();
        let places = [CALLS, MESSAGES, TREE];
        let at = places.get(step / 30 % 3).copied().unwrap_or(CALLS);
        if step % 90 == 45 {
            driver.app.apply(Action::ShowTab(if step / 90 % 2 == 0 {
                Tab::AllMessages
            } else {
                Tab::Ladder
            }));
        }
        loading.add(driver.frame(wheel(at, if step % 40 < 30 { -90.0 } else { 200.0 })));
        if first_rows.is_none() && !driver.app.session.lists().calls.is_empty() {
            first_rows = Some(since.elapsed());
        }
        step += 1;
        std::thread::sleep(FRAME.saturating_sub(frame.elapsed()));
    }
    let view = driver.app.session.view.clone();
    println!(
        "loaded {} messages, {} calls in {:.2} s; first rows after {:.0} ms",
        view.messages().len(),
        view.calls().len(),
        since.elapsed().as_secs_f64(),
        first_rows.unwrap_or_default().as_secs_f64() * 1000.0
    );
    if let Some(cpu) = process_cpu() {
        println!(
            "CPU of the whole process until then {:.2} s",
            cpu.as_secs_f64()
        );
    }
    loading.print("while loading");
    driver.settle(Duration::from_secs(30));

    let mut times = Times::default();
    paced(&mut driver, &mut times, 240, |i| {
        wheel(CALLS, if i % 60 < 45 { -300.0 } else { 500.0 })
    });
    times.print("call list, wheel");
    let mut times = Times::default();
    driver.app.apply(Action::FocusPanel(PanelName::Calls));
    paced(&mut driver, &mut times, 180, |i| {
        if i == 0 {
            Vec::new()
        } else {
            key(egui::Key::ArrowDown)
        }
    });
    times.print("call list, key held");
    let mut times = Times::default();
    driver.app.apply(Action::ShowTab(Tab::AllMessages));
    paced(&mut driver, &mut times, 240, |i| {
        wheel(MESSAGES, if i % 60 < 45 { -900.0 } else { 1500.0 })
    });
    times.print("all messages, wheel");
    let largest = (0..view.calls().len())
        .map(CallId::at)
        .max_by_key(|call| view.call(*call).map_or(0, |call| call.messages));
    if let Some(call) = largest {
        driver.app.apply(Action::SelectCall(call));
        driver.app.apply(Action::ShowTab(Tab::Ladder));
        driver.settle(Duration::from_secs(60));
        let arrows = driver
            .app
            .session
            .call_detail()
            .map_or(0, |detail| detail.ladder.items.len());
        let mut times = Times::default();
        paced(&mut driver, &mut times, 240, |i| {
            wheel(MESSAGES, if i % 60 < 45 { -700.0 } else { 900.0 })
        });
        times.print(&format!("ladder of {arrows} rows, wheel"));
        let mut times = Times::default();
        driver.app.apply(Action::FocusPanel(PanelName::Messages));
        paced(&mut driver, &mut times, 180, |i| {
            if i == 0 {
                Vec::new()
            } else {
                key(egui::Key::ArrowDown)
            }
        });
        times.print("ladder, key held");
    }
    all_panels(&mut driver);
}

/// Everything open at once: all columns, tree and bytes, explanation, search, a pinned message, a
/// value that is followed, marked calls in one ladder.
fn all_panels(driver: &mut Driver) {
    let app = &mut driver.app;
    let kind = app.session.kind;
    let mut wishes: Vec<Action> = call_columns::columns_of(kind)
        .map(|info| Action::ShowColumn(info.column, true))
        .collect();
    wishes.extend(
        message_list::COLUMNS
            .iter()
            .map(|info| Action::ShowMessageColumn(info.column, true)),
    );
    wishes.extend(Area::ALL.map(|area| Action::ShowArea(area, true)));
    wishes.extend((0..3).map(|n| Action::ToggleMark(CallId::at(n))));
    wishes.extend([
        Action::ShowBoth(true),
        Action::SetDepth(Depth::Expert),
        Action::ShowFind(true),
        Action::SelectField(Some(FieldPath("Via > branch".to_owned()))),
        Action::PinToCompare(app.session.selection.message),
    ]);
    for wish in wishes {
        app.apply(wish);
    }
    driver.settle(Duration::from_secs(60));
    let detail = driver.app.session.call_detail();
    let rows = detail.map_or(0, |detail| detail.ladder.items.len());
    let turning = |down: f32, up: f32| move |i: usize| if i % 60 < 45 { -down } else { up };
    let lists = turning(300.0, 500.0);
    for (what, at) in [
        ("call list", CALLS),
        ("header tree", TREE),
        ("bytes", RAW),
        ("explanation", EXPLANATION),
    ] {
        let mut times = Times::default();
        paced(driver, &mut times, 180, |i| wheel(at, lists(i)));
        times.print(&format!("all panels: {what}, wheel"));
    }
    let mut times = Times::default();
    let ladder = turning(700.0, 900.0);
    paced(driver, &mut times, 240, |i| wheel(MESSAGES, ladder(i)));
    times.print(&format!("all panels: ladder of {rows}"));
    let mut times = Times::default();
    driver.app.apply(Action::FocusPanel(PanelName::Messages));
    paced(driver, &mut times, 180, |i| match i {
        0 => Vec::new(),
        _ => key(egui::Key::ArrowDown),
    });
    times.print("all panels: ladder, key held");
    let mut times = Times::default();
    driver.app.apply(Action::ShowTab(Tab::AllMessages));
    let messages = turning(900.0, 1500.0);
    paced(driver, &mut times, 240, |i| wheel(MESSAGES, messages(i)));
    times.print("all panels: all messages");
}

/// CPU time of all threads so far; a tick is 10 ms.
fn process_cpu() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    let ticks = |at: usize| fields.split_whitespace().nth(at)?.parse::<u64>().ok();
    Some(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}

/// A table of five million rows: every row that is painted has to be the right one.
fn rows() {
    const ROWS: u64 = 5_000_000;
    const COLUMNS: [Column; 7] = [
        Column::number("#", 80.0),
        Column::text("A", 150.0),
        Column::text("B", 150.0),
        Column::text("C", 150.0),
        Column::text("D", 150.0),
        Column::text("E", 150.0),
        Column::text("F", 150.0),
    ];
    struct Table {
        view: RowViewState,
        selected: Option<u64>,
        painted: Vec<u64>,
    }
    let mut frames = Frames::new(SCREEN);
    sipscope::gui::theme::install(&frames.ctx);
    let id = egui::Id::unique("five million");
    let mut table = Table {
        view: RowViewState::default(),
        selected: Some(0),
        painted: Vec::new(),
    };
    let mut times = Times::default();
    let mut run = |table: &mut Table, events: Vec<Event>| {
        table.painted.clear();
        times.add(frames.run(
            table,
            events,
            |_, _| (),
            |table, ui| {
                ui.memory_mut(|memory| memory.request_focus(id));
                let Table {
                    view,
                    selected,
                    painted,
                } = table;
                let rows = RowView {
                    name: "Rows",
                    id,
                    columns: &COLUMNS,
                    stretch: &[6],
                    rows: ROWS,
                    selected: *selected,
                    order: None,
                    gutter: false,
                };
                let out = rows.show(ui, view, |row| {
                    painted.push(row);
                    let cells = (0..7u64)
                        .map(|c| Cell::new(format!("{}", row.wrapping_mul(7) + c)))
                        .collect();
                    Row {
                        label: row.to_string(),
                        cells,
                        faint: false,
                        ..Row::default()
                    }
                });
                *selected = out.select.or(*selected);
            },
        ));
        let first = table.view.visible.start;
        for (i, row) in table.painted.iter().enumerate() {
            assert_eq!(*row, first + i as u64, "a row is missing or painted twice");
        }
    };
    run(&mut table, Vec::new());
    run(&mut table, key(egui::Key::End));
    assert_eq!(table.selected, Some(ROWS - 1));
    run(&mut table, Vec::new());
    assert_eq!(table.view.visible.end, ROWS, "the last row is seen");
    // Held keys, one row a frame: the selected row is always seen.
    for step in 1..=600 {
        run(&mut table, key(egui::Key::ArrowUp));
        assert_eq!(table.selected, Some(ROWS - 1 - step));
    }
    run(&mut table, Vec::new());
    assert!(table.view.visible.contains(&(ROWS - 601)));
    // The wheel, far from the start: no step is lost, none is too long.
    table.view.scroll.top = 4_000_000.0;
    for _ in 0..600 {
        let before = table.view.scroll.top;
        run(&mut table, wheel(pos2(500.0, 400.0), -1.0));
        let moved = table.view.scroll.top - before;
        assert!((0.0..0.2).contains(&moved), "moved by {moved} rows");
    }
    for _ in 0..60 {
        run(&mut table, Vec::new());
    }
    let row_points = 600.0 / (table.view.scroll.top - 4_000_000.0);
    assert!(
        (row_points - row_points.round()).abs() < 1e-3,
        "600 points are {row_points} points a row"
    );
    for step in 0..600_u64 {
        table.view.scroll.top = (step * 8_111) as f64 + 0.5;
        run(&mut table, Vec::new());
    }
    times.print("five million rows");
}
