//! The bytes of the selected message, as text or in hexadecimal.
//!
//! The bytes of the selected field are marked, and those of the field under the pointer. A click
//! on a byte selects the field it belongs to.

use egui::accesskit::Role;
use egui::{Color32, FontId, Rect, Sense, TextStyle, Ui, WidgetInfo, pos2, vec2};
use unicode_width::UnicodeWidthChar as _;

use super::empty_ui;
use super::header_tree::{field_at, span_of};
use crate::gui::action::{Action, FieldPath, FindText, PanelName, RawTab};
use crate::gui::fetch::Detail;
use crate::gui::find;
use crate::gui::panel_ctx::PanelCtx;
use crate::gui::widgets::scroll::{BAR_POINTS, Scroll};
use crate::index::ids::MessageId;
use crate::present::equal::{self, Value};
use crate::present::layers::{PACKET, below_packet};
use crate::span::Span;

const PAD: f32 = 8.0;
/// Width of the letters in a line of bytes: offset, hexadecimal, text.
const HEX_COLUMNS: usize = 16;

/// What belongs to the view alone.
#[derive(Default)]
pub struct RawBytesState {
    text: Scroll,
    hex: Scroll,
    /// What `lines` is made of: capture, message, letters in a line.
    made: Option<(u64, MessageId, usize)>,
    lines: Vec<TextLine>,
    /// What was shown last, and the first place of what is searched for.
    shown: Option<(MessageId, Option<FieldPath>, RawTab, Option<Span>)>,
    /// Where the value that is followed stands: in which message, which value, the places.
    equal: Option<(MessageId, Value, Vec<Span>)>,
    /// Where what is searched for stands: in which message, what, the places.
    found: Option<(MessageId, FindText, Vec<Span>)>,
    picked: Option<Picked>,
    /// A field was selected by a click on a byte: the tree is to show it.
    pub clicked: Option<FieldPath>,
}

/// A line as shown: part of a line of the message.
struct TextLine {
    /// Its octets.
    span: Span,
    /// Its letters.
    text: String,
    /// The offset of each letter.
    at: Vec<u32>,
    /// Letters of the name of a header at its beginning.
    name: usize,
    /// The line of the message goes on in the next one.
    goes_on: bool,
}

impl TextLine {
    fn at(offset: usize) -> Self {
        Self {
            span: Span::new(offset, offset),
            text: String::new(),
            at: Vec::new(),
            name: 0,
            goes_on: false,
        }
    }
}

/// Octets that somebody drew the pointer over.
struct Picked {
    message: MessageId,
    raw: RawTab,
    /// The packet is shown, not the message.
    packet: bool,
    from: u32,
    to: u32,
}

impl Picked {
    fn span(&self) -> Span {
        let (first, last) = (self.from.min(self.to), self.from.max(self.to));
        Span::new(first as usize, last as usize + 1)
    }
}

/// Text or hexadecimal.
pub fn raw_bytes_ui(
    ctx: &PanelCtx<'_>,
    ui: &mut Ui,
    state: &mut RawBytesState,
    pointed: Option<Span>,
    actions: &mut Vec<Action>,
) {
    let Some(detail) = ctx.detail.filter(|detail| detail.error.is_none()) else {
        return empty_ui(ui, ctx.theme, "No bytes to show");
    };
    let font = TextStyle::Monospace.resolve(ui.style());
    let letter = ui.ctx().fonts_mut(|fonts| fonts.glyph_width(&font, '0'));
    let row_points = (ui.text_style_height(&TextStyle::Monospace) + 3.0).round();
    let all = ui.available_rect_before_wrap();
    ui.advance_cursor_after_rect(all);
    let body = all.with_max_x((all.right() - BAR_POINTS).max(all.left()));
    let list = ui.interact(body, PanelName::Raw.id(), Sense::click_and_drag());
    let field = ctx.selection.field.as_ref();
    let hex = ctx.raw == RawTab::Hex;
    // A layer has no octets in the message: the packet is shown then, with the message at its end.
    let layer = field.and_then(|field| below_packet(&field.0));
    let in_packet = layer.filter(|_| hex && !detail.packet.is_empty());
    let bytes = match in_packet {
        Some(_) => &detail.packet,
        None => &detail.bytes,
    };
    let selected = match (in_packet, layer) {
        (Some(path), _) => span_of(&detail.layers, &FieldPath(path.to_owned())),
        (None, Some(_)) => None,
        (None, None) => field.and_then(|field| span_of(&detail.tree, field)),
    };
    let found = state.found_places(ctx, detail).to_vec();
    let picked = state.picked_span(ctx, detail, in_packet.is_some());
    let marks: Vec<(Option<Span>, Color32)> = state
        .equal_places(ctx, detail)
        .iter()
        .map(|span| (Some(*span), ctx.theme.equal))
        .chain([(pointed, ctx.theme.pointed)])
        .chain(found.iter().map(|span| (Some(*span), ctx.theme.found)))
        .filter(|_| in_packet.is_none())
        .chain([(selected, ctx.theme.field)])
        .chain([(picked, ctx.theme.selected)])
        .collect();

    let name = match in_packet {
        Some(_) => "Bytes of the packet",
        None => "Bytes of the message",
    };
    list.widget_info(|| WidgetInfo::labeled(Role::Document, true, name));
    let columns = (((body.width() - 2.0 * PAD) / letter.max(1.0)) as usize).max(8);
    let key = (detail.capture, detail.message, columns);
    if state.made != Some(key) {
        state.made = Some(key);
        state.lines = text_lines(&detail.bytes, columns);
    }
    // In a narrow panel there are fewer bytes in a line.
    let per_line = if columns >= hex_letters(HEX_COLUMNS) {
        HEX_COLUMNS
    } else {
        HEX_COLUMNS / 2
    };
    let rows = if hex {
        bytes.len().div_ceil(per_line)
    } else {
        state.lines.len()
    } as u64;

    let shown = Some((
        detail.message,
        field.cloned(),
        ctx.raw,
        found.first().copied(),
    ));
    if state.shown != shown {
        let hit = found.first().filter(|_| {
            let before = state.shown.as_ref();
            before.is_none_or(|before| {
                (before.0, before.3) != (detail.message, found.first().copied())
            })
        });
        let other = state
            .shown
            .as_ref()
            .is_none_or(|(message, ..)| *message != detail.message);
        // Who searches wants to see what was found.
        let row = hit.copied().or(selected).map(|span| match hex {
            true => u64::from(span.start) / per_line as u64,
            false => state.lines.partition_point(|l| l.span.end <= span.start) as u64,
        });
        state.shown = shown;
        let scroll = if hex { &mut state.hex } else { &mut state.text };
        match row {
            Some(row) => scroll.reveal(row),
            None if other => scroll.top = 0.0,
            None => {}
        }
    }
    let scroll = if hex { &mut state.hex } else { &mut state.text };
    keys(ui, &list, scroll, body.height() / row_points);
    let visible = scroll.update(ui, list.id, body, rows, row_points);
    let mut clicked: Option<u32> = None;
    let pointer = match list.drag_started() {
        // Where the button went down, not where it was drawn since.
        true => ui.input(|input| input.pointer.press_origin()),
        false => list.interact_pointer_pos(),
    };
    let pointer = pointer.filter(|_| list.clicked() || list.dragged());
    if list.clicked() || list.drag_started() {
        list.request_focus();
    }
    if list.hovered() || list.dragged() {
        ui.ctx().set_cursor_icon(egui::CursorIcon::Text);
    }
    for row in visible.first..visible.end {
        let Ok(index) = usize::try_from(row) else {
            break;
        };
        let at = pos2(body.left() + PAD, visible.y(row));
        let rect = Rect::from_min_size(pos2(body.left(), at.y), vec2(body.width(), row_points));
        let place = Place {
            ui,
            body,
            at,
            rect,
            font: &font,
            letter,
            colour: ctx.theme.text,
            name_colour: ctx.theme.request,
            faint: ctx.theme.faint,
        };
        let pointer = pointer.filter(|pointer| rect.contains(*pointer));
        if hex {
            let from = index.saturating_mul(per_line);
            let to = from.saturating_add(per_line).min(bytes.len());
            let line = bytes.get(from..to).unwrap_or_default();
            clicked = clicked.or(hex_line(&place, line, from, per_line, &marks, pointer));
        } else if let Some(line) = state.lines.get(index) {
            clicked = clicked.or(text_line(&place, line, &marks, pointer));
        }
    }
    if list.drag_started() || list.dragged() {
        state.pick(
            detail.message,
            ctx.raw,
            in_packet.is_some(),
            clicked,
            list.drag_started(),
        );
        clicked = None;
    }
    if list.drag_stopped() {
        let span = state.picked.as_ref().map(Picked::span);
        let octets = span.map(|span| span.of(bytes)).unwrap_or_default();
        let text = match hex {
            true => hex_words(octets),
            false => String::from_utf8_lossy(octets).into_owned(),
        };
        actions.push(Action::PickText((!text.is_empty()).then_some(text)));
    }
    let path = clicked.and_then(|offset| match in_packet {
        Some(_) => field_in_packet(detail, offset),
        None => field_at(&detail.tree, offset),
    });
    if let Some(path) = path {
        state.clicked = Some(path.clone());
        actions.push(Action::SelectField(Some(path)));
    }
}

/// The smallest part of the packet that holds an octet: of a layer, or of the message.
fn field_in_packet(detail: &Detail, offset: u32) -> Option<FieldPath> {
    let head = u32::try_from(detail.packet_head).ok()?;
    if let Some(offset) = offset.checked_sub(head) {
        return field_at(&detail.tree, offset);
    }
    let path = field_at(&detail.layers, offset)?;
    Some(FieldPath(format!("{PACKET} > {}", path.0)))
}

/// Places of one value that are marked in one message.
const MAX_PLACES: usize = 1_000;

/// `49 4e 56`.
fn hex_words(octets: &[u8]) -> String {
    let words: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    words.join(" ")
}

impl RawBytesState {
    /// What is picked, while it is shown.
    fn picked_span(&self, ctx: &PanelCtx<'_>, detail: &Detail, packet: bool) -> Option<Span> {
        let picked = self.picked.as_ref()?;
        let here = (picked.message, picked.raw, picked.packet) == (detail.message, ctx.raw, packet);
        (here && (ctx.selection.picked.is_some() || picked.from != picked.to))
            .then(|| picked.span())
    }

    /// The pointer is drawn over octets.
    fn pick(
        &mut self,
        message: MessageId,
        raw: RawTab,
        packet: bool,
        at: Option<u32>,
        begins: bool,
    ) {
        let Some(at) = at else {
            if begins {
                self.picked = None;
            }
            return;
        };
        match self.picked.as_mut().filter(|_| !begins) {
            Some(picked) => picked.to = at,
            None => {
                self.picked = Some(Picked {
                    message,
                    raw,
                    packet,
                    from: at,
                    to: at,
                });
            }
        }
    }

    /// Where what is searched for in messages stands in this one.
    fn found_places(&mut self, ctx: &PanelCtx<'_>, detail: &Detail) -> &[Span] {
        let what = ctx.find_text;
        if what.text.is_empty() {
            self.found = None;
            return &[];
        }
        let known = self
            .found
            .as_ref()
            .is_some_and(|(message, known, _)| *message == detail.message && known == what);
        if !known {
            let place = |at: regex::bytes::Match<'_>| Span::new(at.start(), at.end());
            let places = match find::expression(what) {
                Ok(regex) => regex
                    .find_iter(&detail.bytes)
                    .take(MAX_PLACES)
                    .map(place)
                    .collect(),
                Err(_) => Vec::new(),
            };
            self.found = Some((detail.message, what.clone(), places));
        }
        self.found
            .as_ref()
            .map_or(&[], |(_, _, places)| places.as_slice())
    }

    /// Where the value that is followed stands in the message.
    fn equal_places(&mut self, ctx: &PanelCtx<'_>, detail: &Detail) -> &[Span] {
        let Some(value) = ctx.value else {
            self.equal = None;
            return &[];
        };
        let known = self
            .equal
            .as_ref()
            .is_some_and(|(message, known, _)| *message == detail.message && known == value);
        if !known {
            let mut places = equal::places(value, &detail.bytes);
            places.truncate(MAX_PLACES);
            self.equal = Some((detail.message, value.clone(), places));
        }
        self.equal
            .as_ref()
            .map_or(&[], |(_, _, places)| places.as_slice())
    }
}

/// Where a line is painted.
struct Place<'a> {
    ui: &'a Ui,
    body: Rect,
    at: egui::Pos2,
    rect: Rect,
    font: &'a FontId,
    letter: f32,
    colour: Color32,
    name_colour: Color32,
    faint: Color32,
}

impl Place<'_> {
    fn mark(&self, from: f32, to: f32, colour: Color32) {
        let rect = Rect::from_x_y_ranges(from..=to, self.rect.y_range());
        self.ui.painter_at(self.body).rect_filled(rect, 0, colour);
    }
}

fn text_line(
    place: &Place<'_>,
    line: &TextLine,
    marks: &[(Option<Span>, Color32)],
    pointer: Option<egui::Pos2>,
) -> Option<u32> {
    let painter = place.ui.painter_at(place.body);
    let name = line.text.char_indices().nth(line.name);
    let name = name.map_or(line.text.len(), |(at, _)| at);
    let (name, rest) = line.text.split_at(name);
    let format = |colour| egui::TextFormat::simple(place.font.clone(), colour);
    let mut job = egui::text::LayoutJob::default();
    job.append(name, 0.0, format(place.name_colour));
    job.append(rest, 0.0, format(place.colour));
    job.wrap.max_width = f32::INFINITY;
    let galley = place.ui.fonts_mut(|fonts| fonts.layout_job(job));
    if line.goes_on {
        // A hook says that the line of the message is not over.
        let at = pos2(place.body.right() - 3.0, place.rect.center().y);
        let points = [
            at + egui::vec2(0.0, -4.0),
            at + egui::vec2(0.0, 2.0),
            at + egui::vec2(-4.0, 2.0),
        ];
        painter.line(points.to_vec(), egui::Stroke::new(1.0, place.faint));
    }
    let x = |letter: usize| {
        place.at.x
            + galley
                .pos_from_cursor(egui::text::CCursor::new(letter))
                .left()
    };
    for (span, colour) in marks {
        let Some(span) = span else { continue };
        let first = line.at.partition_point(|at| *at < span.start);
        let end = line.at.partition_point(|at| *at < span.end);
        if first < end {
            place.mark(x(first), x(end), *colour);
        }
    }
    let top = place.at.y + (place.rect.height() - galley.size().y) / 2.0;
    painter.galley(pos2(place.at.x, top), galley.clone(), place.colour);
    let pointer = pointer?;
    let letter = (0..line.at.len()).find(|i| pointer.x >= x(*i) && pointer.x < x(i + 1));
    match letter {
        Some(letter) => line.at.get(letter).copied(),
        // Behind the text is the end of the line.
        None => line
            .span
            .end
            .checked_sub(1)
            .filter(|_| !line.span.is_empty()),
    }
}

/// Letters before the first byte, and letters for each of `count` bytes and their text.
fn hex_letters(count: usize) -> usize {
    hex_text_at(count) + count
}

const HEX_AT: usize = 7;

fn hex_text_at(count: usize) -> usize {
    HEX_AT + 3 * count + count / 8 + 1
}

/// Position of a byte: there is a wider gap after eight.
fn hex_at(index: usize) -> usize {
    HEX_AT + 3 * index + index / 8
}

fn hex_line(
    place: &Place<'_>,
    bytes: &[u8],
    offset: usize,
    per_line: usize,
    marks: &[(Option<Span>, Color32)],
    pointer: Option<egui::Pos2>,
) -> Option<u32> {
    use std::fmt::Write as _;
    let mut text = format!("{offset:05x}  ");
    let mut letters = String::new();
    for (i, byte) in bytes.iter().enumerate() {
        while text.len() < hex_at(i) {
            text.push(' ');
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        letters.push(if byte.is_ascii_graphic() || *byte == b' ' {
            char::from(*byte)
        } else {
            '.'
        });
    }
    while text.len() < hex_text_at(per_line) {
        text.push(' ');
    }
    text.push_str(&letters);
    let x = |letter: usize| place.at.x + letter as f32 * place.letter;
    for (span, colour) in marks {
        let Some(span) = span else { continue };
        let end = (span.end as usize).saturating_sub(offset).min(bytes.len());
        let first = (span.start as usize).saturating_sub(offset).min(end);
        if first < end {
            place.mark(x(hex_at(first)), x(hex_at(end - 1) + 2), *colour);
            place.mark(
                x(hex_text_at(per_line) + first),
                x(hex_text_at(per_line) + end),
                *colour,
            );
        }
    }
    let painter = place.ui.painter_at(place.body);
    let galley = painter.layout_no_wrap(text, place.font.clone(), place.colour);
    let top = place.at.y + (place.rect.height() - galley.size().y) / 2.0;
    painter.galley(pos2(place.at.x, top), galley, place.colour);
    let pointer = pointer?;
    let hit = (0..bytes.len()).find(|i| {
        let in_hex = pointer.x >= x(hex_at(*i)) && pointer.x < x(hex_at(*i) + 3);
        let at = hex_text_at(per_line) + i;
        in_hex || (pointer.x >= x(at) && pointer.x < x(at + 1))
    })?;
    u32::try_from(offset.saturating_add(hit)).ok()
}

fn keys(ui: &mut Ui, list: &egui::Response, scroll: &mut Scroll, page: f32) {
    use egui::{EventFilter, Key, Modifiers};
    if !list.has_focus() {
        return;
    }
    let filter = EventFilter {
        vertical_arrows: true,
        ..EventFilter::default()
    };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(list.id, filter));
    let page = f64::from((page - 1.0).max(1.0));
    ui.input_mut(|input| {
        let mut go = |key, by: f64| {
            scroll.top += by * input.count_and_consume_key(Modifiers::NONE, key) as f64;
        };
        go(Key::ArrowDown, 1.0);
        go(Key::ArrowUp, -1.0);
        go(Key::PageDown, page);
        go(Key::PageUp, -page);
        go(Key::Home, -1e12);
        go(Key::End, 1e12);
    });
}

/// Cuts the message into lines of at most `columns` letters.
fn text_lines(bytes: &[u8], columns: usize) -> Vec<TextLine> {
    let mut lines = Vec::new();
    let mut line = TextLine::at(0);
    // Letters of East Asia are wider than others.
    let mut cells = 0;
    let (mut in_head, mut first) = (true, true);
    let mut offset = 0;
    for chunk in bytes.utf8_chunks() {
        let valid = chunk
            .valid()
            .char_indices()
            .map(|(at, c)| (at, c, c.len_utf8()));
        let broken = chunk.invalid().len();
        let broken = (broken > 0).then_some((chunk.valid().len(), '\u{fffd}', broken));
        for (at, c, len) in valid.chain(broken) {
            let start = offset + at;
            let width = c.width().unwrap_or(1).max(1);
            if cells + width > columns && !matches!(c, '\n' | '\r') {
                line.goes_on = true;
                lines.push(std::mem::replace(&mut line, TextLine::at(start)));
                cells = 0;
            }
            line.span = Span::new(line.span.start as usize, start + len);
            match c {
                '\n' => {
                    // An empty line ends the header; the first line is none of its fields.
                    in_head &= first || !line.at.is_empty();
                    first = false;
                    cells = 0;
                    lines.push(std::mem::replace(&mut line, TextLine::at(start + 1)));
                }
                // The end of a line is seen by the line being over.
                '\r' if bytes.get(start + 1) == Some(&b'\n') => {}
                c => {
                    let begins = lines.last().is_none_or(|before| !before.goes_on);
                    if c == ':' && in_head && !first && begins && line.name == 0 {
                        line.name = line.at.len();
                    }
                    cells += width;
                    line.text.push(match c {
                        '\t' => ' ',
                        c if crate::present::text::is_unsafe(c) => '·',
                        c => c,
                    });
                    line.at.push(u32::try_from(start).unwrap_or(u32::MAX));
                }
            }
        }
        offset += chunk.valid().len() + chunk.invalid().len();
    }
    if !line.span.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_letters_take_two_places_and_headers_have_names() {
        let text = "INVITE a:b SIP/2.0\r\nFrom: 김철수 x\r\n\r\nv: 0\r\n".as_bytes();
        let lines = text_lines(text, 12);
        let words: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        let folded = ["INVITE a:b S", "IP/2.0", "From: 김철수", " x", "", "v: 0"];
        assert_eq!(words, folded);
        let names: Vec<usize> = lines.iter().map(|line| line.name).collect();
        assert_eq!(names, [0, 0, 4, 0, 0, 0], "of header fields only");
        let on: Vec<bool> = lines.iter().map(|line| line.goes_on).collect();
        assert_eq!(on, [true, false, true, false, false, false]);
    }

    #[test]
    fn long_lines_are_folded_and_every_letter_knows_its_byte() {
        let bytes = b"Via: abc\r\n\xffxy\tz\n\nlast";
        let lines = text_lines(bytes, 5);
        let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        assert_eq!(texts, ["Via: ", "abc", "\u{fffd}xy z", "", "last"]);
        assert_eq!(
            lines.get(1).map(|l| (l.span, l.at.clone())),
            Some((Span::new(5, 10), vec![5, 6, 7]))
        );
        assert_eq!(
            lines.get(2).map(|l| l.at.clone()),
            Some(vec![10, 11, 12, 13, 14])
        );
        assert_eq!(lines.last().map(|l| l.span), Some(Span::new(17, 21)));
    }

    #[test]
    fn columns_of_hex_do_not_overlap() {
        assert_eq!(hex_at(0), 7);
        assert_eq!(hex_at(8) - hex_at(7), 4);
        assert!(hex_text_at(16) > hex_at(15) + 2);
    }
}
