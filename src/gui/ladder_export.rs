//! The ladder as text for the clipboard and as a picture in a file, made in the background.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use super::action::Picture;
use super::call_view::CallDetail;
use super::panel_ctx::TimeWords;
use super::session::Wake;
use crate::export::svg::Palette;
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
    /// The dialog was cancelled, or there is none on this system.
    NoPlace,
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
}

/// Makes texts and pictures.
pub struct LadderExport {
    wake: Wake,
    send: Sender<Outcome>,
    receive: Receiver<Outcome>,
    /// Jobs that have not answered.
    open: usize,
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
        }
    }

    /// Makes the text.
    pub fn copy(&mut self, call: Arc<CallDetail>) {
        self.run(move || Outcome::Copied(ladder_text::paint(&call.ladder, HEADS_EVERY)));
    }

    /// Writes a picture.
    pub fn save(&mut self, drawing: Drawing, picture: Picture, path: PathBuf) {
        self.run(move || write(&drawing, picture, path));
    }

    /// Asks where to, and writes a picture.
    pub fn ask_and_save(&mut self, drawing: Drawing, picture: Picture) {
        self.run(move || {
            let (name, ending) = match picture {
                Picture::Svg => ("SVG", "svg"),
                Picture::Png => ("PNG", "png"),
            };
            let path = rfd::FileDialog::new()
                .set_title("Save ladder")
                .add_filter(name, &[ending])
                .set_file_name(format!("call-{}.{ending}", drawing.call.stamp.call))
                .save_file();
            match path {
                Some(path) => write(&drawing, picture, path),
                None => Outcome::NoPlace,
            }
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

    fn run(&mut self, job: impl FnOnce() -> Outcome + Send + 'static) {
        let (send, wake) = (self.send.clone(), Arc::clone(&self.wake));
        let job = move || {
            let job = std::panic::AssertUnwindSafe(job);
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

fn write(drawing: &Drawing, picture: Picture, path: PathBuf) -> Outcome {
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
    let drawn = svg::paint_as(ladder, &title, &look);
    let octets = match picture {
        Picture::Svg => Ok(drawn.into_bytes()),
        Picture::Png => png::of_svg(&drawn),
    };
    let written = octets.and_then(|octets| {
        std::fs::write(&path, octets)
            .map_err(|error| format!("The ladder was not saved: {error} ({})", path.display()))
    });
    match written {
        Ok(()) => Outcome::Saved(path),
        Err(why) => Outcome::Failed(why),
    }
}
