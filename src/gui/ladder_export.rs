//! The ladder as text for the clipboard and as a picture in a file, made in the background.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::action::Picture;
use super::call_view::CallDetail;
use super::panel_ctx::TimeWords;
use super::session::Wake;
use crate::export::svg::Palette;
use crate::export::watch::Watch;
use crate::export::{png, svg};
use crate::present::ladder_text;

/// Rows of text after which the heads come again.
const HEADS_EVERY: usize = 40;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The text for the clipboard.
    Copied(String),
    /// The file that was written.
    Saved(PathBuf),
    /// A sentence for the user.
    Failed(String),
}

/// A ladder as it is to be drawn.
pub struct Drawing {
    /// The ladder.
    pub call: Arc<CallDetail>,
    /// Its colours.
    pub palette: Palette,
    /// How times are written.
    pub times: TimeWords,
    /// The head of the times.
    pub time_head: String,
    /// The captures: no picture takes the place of one.
    pub inputs: Vec<PathBuf>,
}

/// Makes texts and pictures.
pub struct LadderExport {
    wake: Wake,
    send: Sender<Outcome>,
    receive: Receiver<Outcome>,
    /// Jobs that have not answered.
    open: usize,
    /// How far they are.
    watches: Vec<Watch>,
}

impl LadderExport {
    /// Nothing is being made.
    pub fn new(wake: Wake) -> Self {
        let (send, receive) = channel();
        Self {
            wake,
            send,
            receive,
            open: 0,
            watches: Vec::new(),
        }
    }

    /// Makes the text.
    pub fn copy(&mut self, call: Arc<CallDetail>) {
        self.run(move |watch| {
            let wanted = |done, total| {
                watch.set(done, total);
                !watch.is_stopped()
            };
            match ladder_text::paint_while(&call.ladder, HEADS_EVERY, &wanted) {
                Some(text) => Outcome::Copied(text),
                None => Outcome::Failed("Not copied: cancelled".to_owned()),
            }
        });
    }

    /// Writes a picture.
    pub fn save(&mut self, drawing: Drawing, picture: Picture, path: PathBuf) {
        self.run(move |watch| match write(&drawing, picture, &path, watch) {
            Ok(()) => Outcome::Saved(path),
            Err(why) => Outcome::Failed(format!("Not saved: {why}")),
        });
    }

    /// What came of a job, once for each.
    pub fn outcome(&mut self) -> Option<Outcome> {
        let outcome = self.receive.try_recv().ok()?;
        self.open = self.open.saturating_sub(1);
        Some(outcome)
    }

    /// Something is being made.
    pub fn is_busy(&self) -> bool {
        self.open > 0
    }

    /// How far the newest of it is, from 0 to 1; none while nobody knows.
    pub fn share(&self) -> Option<f32> {
        let watch = self.watches.last().filter(|_| self.is_busy());
        watch.and_then(Watch::share)
    }

    /// Nobody wants it any more.
    pub fn cancel(&self) {
        for watch in &self.watches {
            watch.stop();
        }
    }

    fn run(&mut self, job: impl FnOnce(&Watch) -> Outcome + Send + 'static) {
        if !self.is_busy() {
            self.watches.clear();
        }
        let watch = Watch::default();
        self.watches.push(watch.clone());
        let (send, wake) = (self.send.clone(), Arc::clone(&self.wake));
        let job = move || {
            let job = std::panic::AssertUnwindSafe(|| job(&watch));
            let outcome = std::panic::catch_unwind(job).unwrap_or_else(|_| {
                Outcome::Failed("Internal error: the ladder was not saved".to_owned())
            });
            // Nobody listens any more when the window was closed meanwhile.
            drop(send.send(outcome));
            wake();
        };
        let thread = std::thread::Builder::new().name("ladder".to_owned());
        match thread.spawn(job) {
            Ok(_) => self.open += 1,
            Err(error) => log::error!("no thread for the ladder: {error}"),
        }
    }
}

/// Draws, and writes beside the place first: what lies there stays until all of the new is there.
fn write(drawing: &Drawing, picture: Picture, path: &Path, watch: &Watch) -> Result<(), String> {
    let real = path.canonicalize().ok();
    let is_it = |input: &PathBuf| input.canonicalize().ok() == real;
    if real.is_some() && drawing.inputs.iter().any(is_it) {
        return Err("that is the capture itself: it would be overwritten".to_owned());
    }
    let ladder = &drawing.call.ladder;
    let calls: Vec<String> = ladder.calls.iter().map(ToString::to_string).collect();
    let title = match calls.as_slice() {
        [one] => format!("Call {one}"),
        _ => format!("Calls {}", calls.join(", ")),
    };
    let look = svg::Look {
        palette: drawing.palette,
        time: &|nanos| drawing.times.words(nanos, None),
        time_head: &drawing.time_head,
        silent: drawing.call.silent,
    };
    let octets = match picture {
        Picture::Svg => svg::paint_watched(ladder, &title, &look, watch)?.into_bytes(),
        Picture::Png => {
            let (width, height) = svg::size(ladder, &look);
            png::fits(width as f32, height as f32)?;
            // Drawing takes next to nothing there: what is told is how far the points are.
            let drawn = svg::paint_watched(ladder, &title, &look, &Watch::default())?;
            png::of_svg(&drawn, watch)?
        }
    };
    let said = |error: std::io::Error| format!("{error} ({})", path.display());
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let outcome =
        std::fs::write(&part, octets)
            .map_err(said)
            .and_then(|()| match watch.is_stopped() {
                true => Err("cancelled".to_owned()),
                false => std::fs::rename(&part, path).map_err(said),
            });
    if outcome.is_err() {
        drop(std::fs::remove_file(&part));
    }
    outcome
}
