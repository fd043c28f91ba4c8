//! The window without a window: frames are run and tessellated, and nobody shows them.
//!
//! Tests and benches use it to measure what a frame costs, and to scroll and click by events.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use egui::{Context, Event, RawInput, Rect, Vec2};

use super::action::Action;
use super::app::SipscopeApp;
use super::prefs::Prefs;

/// What a frame cost and wished for.
#[derive(Clone, Copy, Debug)]
pub struct FrameReport {
    /// CPU time of this thread for `logic`, `ui` and tessellation.
    pub cpu: Duration,
    /// The window wants the next frame at once.
    pub repaint: bool,
    /// Triangles to be painted.
    pub triangles: usize,
}

/// Runs frames of anything that paints with egui.
pub struct Frames {
    /// The context.
    pub ctx: Context,
    size: Vec2,
    time: f64,
}

impl Frames {
    /// A screen of that many points.
    pub fn new(size: Vec2) -> Self {
        Self {
            ctx: Context::default(),
            size,
            time: 0.0,
        }
    }

    /// One frame at 60 Hz; `logic` runs before `ui`, and both are counted.
    pub fn run<S>(
        &mut self,
        state: &mut S,
        events: Vec<Event>,
        logic: impl FnOnce(&mut S, &Context),
        mut ui: impl FnMut(&mut S, &mut egui::Ui),
    ) -> FrameReport {
        self.time += 1.0 / 60.0;
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(egui::Pos2::ZERO, self.size)),
            time: Some(self.time),
            predicted_dt: 1.0 / 60.0,
            focused: true,
            events,
            ..RawInput::default()
        };
        let since = cpu_time();
        logic(state, &self.ctx);
        let mut output = self.ctx.run_ui(input, |root| ui(state, root));
        let shapes = std::mem::take(&mut output.shapes);
        let primitives = self.ctx.tessellate(shapes, output.pixels_per_point);
        let cpu = cpu_time().saturating_sub(since);
        let repaint = output
            .viewport_output
            .values()
            .any(|viewport| viewport.repaint_delay.is_zero());
        output.drop_without_applying_deltas();
        let triangles = primitives
            .iter()
            .map(|primitive| match &primitive.primitive {
                egui::epaint::Primitive::Mesh(mesh) => mesh.indices.len() / 3,
                egui::epaint::Primitive::Callback(_) => 0,
            })
            .sum();
        FrameReport {
            cpu,
            repaint,
            triangles,
        }
    }
}

/// The whole application.
pub struct Driver {
    /// Frames.
    pub frames: Frames,
    /// The application.
    pub app: SipscopeApp,
}

impl Driver {
    /// A window of that many points with these files; preferences are not kept.
    pub fn new(size: Vec2, prefs: Prefs, files: Vec<PathBuf>) -> Self {
        let frames = Frames::new(size);
        let mut app = SipscopeApp::new(&frames.ctx, prefs, None);
        app.apply(Action::OpenFiles(files));
        Self { frames, app }
    }

    /// One frame.
    pub fn frame(&mut self, events: Vec<Event>) -> FrameReport {
        let logic = |app: &mut SipscopeApp, ctx: &Context| app.frame_logic(ctx);
        self.frames
            .run(&mut self.app, events, logic, |app, ui| app.frame_ui(ui))
    }

    /// Frames until everything is loaded and nothing is worked on; false after `patience`.
    pub fn settle(&mut self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        while Instant::now() < until {
            let report = self.frame(Vec::new());
            if self.app.session.is_settled() && !report.repaint {
                return true;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        false
    }
}

/// CPU time of this thread; the clock where the system does not tell.
fn cpu_time() -> Duration {
    use std::sync::LazyLock;
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    // The kernel brings the figure up to date when it takes the thread off the processor.
    std::thread::sleep(Duration::from_nanos(1));
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .map_or_else(|| START.elapsed(), Duration::from_nanos)
}
