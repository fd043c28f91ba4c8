//! Lists in columns, JSON Lines or CSV: one way for all commands.

use super::args::{Color, Format};
use super::output::Output;
use super::parallel;
use super::record::{Record, Shape};
use super::{Failure, Outcome, args};
use crate::export::csv;
use crate::present::text;

/// Rows looked at to find the width of the columns.
const MEASURED: usize = 500;

/// A column of a table for people.
pub(super) struct Column {
    pub head: &'static str,
    pub right: bool,
    /// Longer cells are cut.
    pub most: usize,
}

/// A column with text.
pub(super) const fn left(head: &'static str, most: usize) -> Column {
    Column {
        head,
        right: false,
        most,
    }
}

/// A column with numbers.
pub(super) const fn right(head: &'static str) -> Column {
    Column {
        head,
        right: true,
        most: 24,
    }
}

/// Rows made by one piece of work.
pub(super) struct Batch {
    pub record: Record,
    cells: Vec<Vec<String>>,
    table: bool,
}

impl Batch {
    /// Adds a row: as a record, or as cells.
    pub fn row(&mut self, record: impl FnOnce(&mut Record), cells: impl FnOnce() -> Vec<String>) {
        if self.table {
            self.cells.push(cells());
        } else {
            record(&mut self.record);
            self.record.end();
        }
    }
}

/// What a list looks like.
pub(super) struct Layout {
    /// Names of the fields, in order.
    pub fields: &'static [&'static str],
    /// Columns of the table.
    pub columns: &'static [Column],
}

/// How a list is written.
pub(super) struct How {
    pub format: Format,
    pub color: Color,
    pub threads: usize,
}

/// Writes a list that is made in pieces.
pub(super) fn write(
    layout: &Layout,
    args: &args::List,
    out: &mut Output,
    pieces: usize,
    make: impl Fn(usize, &mut Batch) + Sync,
) -> Outcome {
    let common = &args.common;
    let how = How {
        format: args.format,
        color: common.color,
        threads: common.threads(),
    };
    write_with(layout, &how, out, pieces, make)
}

/// [`write`] for commands without the usual arguments.
pub(super) fn write_with(
    layout: &Layout,
    how: &How,
    out: &mut Output,
    pieces: usize,
    make: impl Fn(usize, &mut Batch) + Sync,
) -> Outcome {
    let table = how.format == Format::Table;
    let (shape, colour) = (shape(how.format), colour(how, out));
    if how.format == Format::Csv {
        csv_head(layout, out)?;
    }
    let mut writer = TableWriter {
        columns: layout.columns,
        widths: None,
        held: Vec::new(),
        colour,
    };
    parallel::in_order(
        pieces,
        how.threads,
        |piece| {
            let mut batch = Batch {
                record: Record::new(shape),
                cells: Vec::new(),
                table,
            };
            make(piece, &mut batch);
            (batch.record.take(), batch.cells)
        },
        |(bytes, cells)| {
            out.write(&bytes)?;
            if table {
                writer.add(cells, out)
            } else {
                Ok(())
            }
        },
    )?;
    if table { writer.finish(out) } else { Ok(()) }
}

/// Widths of the columns where rows are shown as they come: nothing is known of the later ones.
const USUAL_WIDTH: usize = 21;

/// Writes rows as they come.
pub(super) struct Stream {
    shape: Shape,
    table: Option<TableWriter>,
}

impl Stream {
    /// Writes what stands before the first row.
    pub fn begin(layout: &Layout, how: &How, out: &mut Output) -> Result<Self, Failure> {
        let mut table = None;
        match how.format {
            Format::Json => {}
            Format::Csv => csv_head(layout, out)?,
            Format::Table => {
                let mut writer = TableWriter {
                    columns: layout.columns,
                    widths: None,
                    held: Vec::new(),
                    colour: colour(how, out),
                };
                let widths = layout.columns.iter().map(|column| match column.right {
                    true => 5,
                    false => column.most.min(USUAL_WIDTH),
                });
                writer.head(widths.collect(), out)?;
                table = Some(writer);
            }
        }
        let shape = shape(how.format);
        out.flush()?;
        Ok(Self { shape, table })
    }

    /// True when rows are for people.
    pub fn is_table(&self) -> bool {
        self.table.is_some()
    }

    /// Writes rows, so that they are seen at once.
    pub fn rows(&mut self, out: &mut Output, make: impl FnOnce(&mut Batch)) -> Outcome {
        let mut batch = Batch {
            record: Record::new(self.shape),
            cells: Vec::new(),
            table: self.table.is_some(),
        };
        make(&mut batch);
        match &mut self.table {
            Some(writer) => writer.add(batch.cells, out)?,
            None => out.write(&batch.record.take())?,
        }
        out.flush()
    }
}

fn shape(format: Format) -> Shape {
    match format {
        Format::Csv => Shape::Csv,
        _ => Shape::Json,
    }
}

fn colour(how: &How, out: &Output) -> bool {
    match how.color {
        Color::Auto => out.terminal && std::env::var_os("NO_COLOR").is_none(),
        Color::Always => true,
        Color::Never => false,
    }
}

fn csv_head(layout: &Layout, out: &mut Output) -> Outcome {
    let mut head = String::new();
    csv::push_record(&mut head, layout.fields.iter().copied());
    out.write(head.as_bytes())
}

struct TableWriter {
    columns: &'static [Column],
    widths: Option<Vec<usize>>,
    held: Vec<Vec<String>>,
    colour: bool,
}

impl TableWriter {
    fn add(&mut self, rows: Vec<Vec<String>>, out: &mut Output) -> Outcome {
        if self.widths.is_some() {
            return self.rows(&rows, out);
        }
        self.held.extend(rows);
        if self.held.len() >= MEASURED {
            self.release(out)
        } else {
            Ok(())
        }
    }

    fn finish(&mut self, out: &mut Output) -> Outcome {
        if self.widths.is_none() {
            self.release(out)
        } else {
            Ok(())
        }
    }

    fn release(&mut self, out: &mut Output) -> Outcome {
        let held = std::mem::take(&mut self.held);
        let widths = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| {
                let cells = held.iter().filter_map(|row| row.get(at));
                let widest = cells
                    .map(|c| text::visible(c).chars().count())
                    .max()
                    .unwrap_or(0);
                widest.min(column.most).max(column.head.chars().count())
            })
            .collect();
        self.head(widths, out)?;
        self.rows(&held, out)
    }

    fn head(&mut self, widths: Vec<usize>, out: &mut Output) -> Outcome {
        self.widths = Some(widths);
        let head: Vec<String> = self.columns.iter().map(|c| c.head.to_owned()).collect();
        let mut line = self.line(&head);
        if self.colour {
            line = format!("\x1b[1m{}\x1b[0m\n", line.trim_end());
        }
        out.write(line.as_bytes())
    }

    fn rows(&self, rows: &[Vec<String>], out: &mut Output) -> Outcome {
        let mut all = String::new();
        for row in rows {
            all.push_str(&self.line(row));
        }
        out.write(all.as_bytes())
    }

    fn line(&self, cells: &[String]) -> String {
        let mut line = String::new();
        let widths = self.widths.as_deref().unwrap_or_default();
        for ((cell, column), width) in cells.iter().zip(self.columns).zip(widths) {
            let cell = text::visible(cell);
            let cell = text::shortened(&cell, column.most);
            let fill = width.saturating_sub(cell.chars().count());
            if !line.is_empty() {
                line.push_str("  ");
            }
            if column.right {
                line.extend(std::iter::repeat_n(' ', fill));
                line.push_str(&cell);
            } else {
                line.push_str(&cell);
                line.extend(std::iter::repeat_n(' ', fill));
            }
        }
        let kept = line.trim_end().len();
        line.truncate(kept);
        line.push('\n');
        line
    }
}

/// A cell that may be empty.
pub(super) fn cell(value: Option<impl ToString>) -> String {
    value.map(|v| v.to_string()).unwrap_or_default()
}

/// A length of time in seconds.
pub(super) fn seconds(nanos: Option<i64>) -> String {
    nanos
        .map(|n| format!("{:.3}", n as f64 / 1e9))
        .unwrap_or_default()
}
