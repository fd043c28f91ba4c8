//! Colours and sizes by what they mean, in light and dark.

use egui::{Color32, Context, FontDefinitions, FontFamily, Stroke, Theme as Ground, Visuals};

use super::prefs::ThemeChoice;
use super::widgets::row_view::{Mark, MarkShape};
use crate::export::svg::Palette;
use crate::present::ladder::ArrowClass;
use crate::present::rows::Outcome;

/// Colours of the lines of a ladder. Those of the light theme are given; the dark ones have the same
/// contrast with their ground.
#[derive(Clone, Copy, Debug)]
pub struct LineColours {
    /// Requests.
    pub request: Color32,
    /// 2xx.
    pub success: Color32,
    /// 3xx.
    pub redirect: Color32,
    /// 401 and 407.
    pub challenge: Color32,
    /// 4xx to 6xx.
    pub failure: Color32,
    /// 1xx.
    pub provisional: Color32,
}

/// Number of shades for forks, and of marks for calls; further ones begin anew.
const SHADES: usize = 3;
const CALL_MARKS: usize = 6;

/// Colours of one ground.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    /// Lines of the ladder.
    pub lines: LineColours,
    /// Behind messages of further dialogs of a call.
    pub forks: [Color32; SHADES],
    /// Marks of calls that are shown together; the number stands in it.
    pub calls: [Color32; CALL_MARKS],
    /// The number in the mark of a call.
    pub call_text: Color32,
    /// Requests.
    pub request: Color32,
    /// 2xx.
    pub success: Color32,
    /// 3xx.
    pub redirect: Color32,
    /// 401 and 407.
    pub challenge: Color32,
    /// 4xx to 6xx.
    pub failure: Color32,
    /// 1xx, and ACK.
    pub provisional: Color32,
    /// Text.
    pub text: Color32,
    /// Text of less importance.
    pub faint: Color32,
    /// Lines of lanes.
    pub lane: Color32,
    /// Behind the bytes of the selected field.
    pub field: Color32,
    /// Behind the bytes that equal those of the selected field.
    pub equal: Color32,
    /// Behind what was found in the message.
    pub found: Color32,
    /// Behind the bytes of the field under the pointer.
    pub pointed: Color32,
    /// Bars that say that something is wrong.
    pub alert_ground: Color32,
    /// Ground of panels.
    pub ground: Color32,
    /// Ground of heads.
    pub head: Color32,
    /// Ground of bars and of every second row.
    pub stripe: Color32,
    /// Ground of the selected row.
    pub selected: Color32,
    /// Text of the selected row.
    pub selected_text: Color32,
    /// Ground under the pointer.
    pub hovered: Color32,
    /// Lines between panels.
    pub line: Color32,
}

/// Distance of arrows in the ladder, in points.
pub const LADDER_ROW_POINTS: f32 = 22.0;
/// Distance of lanes in the ladder, in points.
pub const LANE_GAP_POINTS: f32 = 190.0;
/// Length of the head of an arrow.
pub const ARROW_HEAD_POINTS: f32 = 8.0;

const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

const LIGHT: Theme = Theme {
    lines: LineColours {
        request: rgb(0x0072B2),
        success: rgb(0x00795B),
        redirect: rgb(0xA0508A),
        challenge: rgb(0x9A6A00),
        failure: rgb(0xC2410C),
        provisional: rgb(0x6B7280),
    },
    forks: [rgb(0xFBF1DA), rgb(0xEAF3EA), rgb(0xF3ECF9)],
    calls: [
        rgb(0x005F99),
        rgb(0x8A4B00),
        rgb(0x6B3FA0),
        rgb(0x00695C),
        rgb(0xA32B5B),
        rgb(0x4E5A00),
    ],
    call_text: rgb(0xFFFFFF),
    request: rgb(0x005F99),
    success: rgb(0x006E53),
    redirect: rgb(0x933F7B),
    challenge: rgb(0x855B00),
    failure: rgb(0xB43A0A),
    provisional: rgb(0x5F6775),
    text: rgb(0x1B1F24),
    faint: rgb(0x59606B),
    lane: rgb(0xB9C0CA),
    field: rgb(0xFFDF8A),
    equal: rgb(0xDDF3E4),
    found: rgb(0xFFE58A),
    pointed: rgb(0xD7E8F7),
    alert_ground: rgb(0xFBE9E1),
    ground: rgb(0xFFFFFF),
    head: rgb(0xECEFF2),
    stripe: rgb(0xF6F8FA),
    selected: rgb(0xCBE2F7),
    selected_text: rgb(0x0A2A45),
    hovered: rgb(0xE6EEF5),
    line: rgb(0xCFD5DC),
};

const DARK: Theme = Theme {
    lines: LineColours {
        request: rgb(0x1F95D7),
        success: rgb(0x17A380),
        redirect: rgb(0xBB78A9),
        challenge: rgb(0xAC7E19),
        failure: rgb(0xE26937),
        provisional: rgb(0x818895),
    },
    forks: [rgb(0x332B18), rgb(0x1C3026), rgb(0x2E2438)],
    calls: [
        rgb(0x6CB8F0),
        rgb(0xF0A860),
        rgb(0xC3A1F5),
        rgb(0x58CDB8),
        rgb(0xF291B5),
        rgb(0xC2CF5A),
    ],
    call_text: rgb(0x101216),
    request: rgb(0x6CB8F0),
    success: rgb(0x4AC9A0),
    redirect: rgb(0xDB93CB),
    challenge: rgb(0xE3B341),
    failure: rgb(0xFF8C5F),
    provisional: rgb(0xA3ACB9),
    text: rgb(0xE4E8ED),
    faint: rgb(0xA2AAB5),
    lane: rgb(0x4A525E),
    field: rgb(0x6B5110),
    equal: rgb(0x1F4A3A),
    found: rgb(0x5A480F),
    pointed: rgb(0x2B4258),
    alert_ground: rgb(0x4A2416),
    ground: rgb(0x181B20),
    head: rgb(0x262B32),
    stripe: rgb(0x1E2228),
    selected: rgb(0x1F4A70),
    selected_text: rgb(0xF4F8FC),
    hovered: rgb(0x2A313A),
    line: rgb(0x3A424D),
};

impl Theme {
    /// The colours on dark or light ground.
    pub const fn of(dark: bool) -> &'static Self {
        if dark { &DARK } else { &LIGHT }
    }

    /// Colour of a message.
    pub fn message(&self, class: ArrowClass) -> Color32 {
        match class {
            ArrowClass::Request => self.request,
            ArrowClass::Ack | ArrowClass::Provisional => self.provisional,
            ArrowClass::Success => self.success,
            ArrowClass::Redirect => self.redirect,
            ArrowClass::Challenge => self.challenge,
            ArrowClass::Failure => self.failure,
        }
    }

    /// Colour of the line of a message in the ladder.
    pub fn line_of(&self, class: ArrowClass) -> Color32 {
        match class {
            ArrowClass::Request | ArrowClass::Ack => self.lines.request,
            ArrowClass::Provisional => self.lines.provisional,
            ArrowClass::Success => self.lines.success,
            ArrowClass::Redirect => self.lines.redirect,
            ArrowClass::Challenge => self.lines.challenge,
            ArrowClass::Failure => self.lines.failure,
        }
    }

    /// Colour of the label on such a line: that of 1xx is too light for letters.
    pub fn label_of(&self, class: ArrowClass) -> Color32 {
        match class {
            ArrowClass::Provisional | ArrowClass::Ack => self.text,
            _ => self.message(class),
        }
    }

    /// Ground of the messages of a further dialog, from 1.
    pub fn fork(&self, number: usize) -> Option<Color32> {
        self.forks.get(number.checked_sub(1)? % SHADES).copied()
    }

    /// Ground of the mark of a call.
    pub fn call_mark(&self, number: usize) -> Color32 {
        self.calls
            .get(number % CALL_MARKS)
            .copied()
            .unwrap_or(self.request)
    }

    /// The same colours for pictures of the ladder.
    pub fn palette(&self) -> Palette {
        let rgb = |colour: Color32| {
            let [r, g, b, _] = colour.to_array();
            u32::from_be_bytes([0, r, g, b])
        };
        let lines = &self.lines;
        Palette {
            ground: rgb(self.ground),
            head: rgb(self.head),
            text: rgb(self.text),
            faint: rgb(self.faint),
            lane: rgb(self.lane),
            lines: [
                lines.request,
                lines.provisional,
                lines.success,
                lines.redirect,
                lines.challenge,
                lines.failure,
            ]
            .map(rgb),
            labels: [
                ArrowClass::Request,
                ArrowClass::Provisional,
                ArrowClass::Success,
                ArrowClass::Redirect,
                ArrowClass::Challenge,
                ArrowClass::Failure,
            ]
            .map(|class| rgb(self.label_of(class))),
            media: rgb(self.pointed),
            missing: rgb(self.alert_ground),
            forks: self.forks.map(rgb),
            calls: self.calls.map(rgb),
            call_text: rgb(self.call_text),
        }
    }

    /// Colour of a final response.
    pub fn status(&self, status: u16) -> Color32 {
        match status {
            0..=199 => self.provisional,
            200..=299 => self.success,
            300..=399 => self.redirect,
            401 | 407 => self.challenge,
            _ => self.failure,
        }
    }

    /// Mark of an outcome: the shape says it without the colour.
    pub fn outcome(&self, outcome: Outcome) -> Mark {
        let (shape, colour) = match outcome {
            Outcome::Good => (MarkShape::Disc, self.success),
            Outcome::Open => (MarkShape::Ring, self.request),
            Outcome::Unanswered => (MarkShape::Triangle, self.challenge),
            Outcome::Bad => (MarkShape::Cross, self.failure),
            Outcome::Unknown => (MarkShape::Dash, self.provisional),
        };
        Mark { shape, colour }
    }

    fn visuals(&self, dark: bool) -> Visuals {
        let mut v = if dark {
            Visuals::dark()
        } else {
            Visuals::light()
        };
        v.override_text_color = None;
        v.weak_text_color = Some(self.faint);
        v.panel_fill = self.ground;
        v.window_fill = if dark { self.head } else { self.ground };
        v.extreme_bg_color = self.stripe;
        v.text_edit_bg_color = Some(if dark { rgb(0x101216) } else { rgb(0xFFFFFF) });
        v.faint_bg_color = self.stripe;
        v.code_bg_color = self.head;
        v.window_stroke = Stroke::new(1.0, self.line);
        v.selection.bg_fill = self.selected;
        v.selection.stroke = Stroke::new(1.0, self.selected_text);
        v.hyperlink_color = self.request;
        v.warn_fg_color = self.challenge;
        v.error_fg_color = self.failure;
        for widget in [
            &mut v.widgets.noninteractive,
            &mut v.widgets.inactive,
            &mut v.widgets.hovered,
            &mut v.widgets.active,
            &mut v.widgets.open,
        ] {
            widget.fg_stroke.color = self.text;
            widget.expansion = 0.0;
        }
        v.widgets.noninteractive.weak_bg_fill = self.head;
        v.widgets.noninteractive.bg_stroke = Stroke::new(1.0, self.line);
        v.widgets.inactive.weak_bg_fill = self.head;
        v.widgets.inactive.bg_stroke = Stroke::new(1.0, self.line);
        v.widgets.hovered.weak_bg_fill = self.hovered;
        v.widgets.hovered.bg_stroke = Stroke::new(1.0, self.faint);
        v.widgets.active.weak_bg_fill = self.selected;
        v.widgets.open.weak_bg_fill = self.hovered;
        v
    }
}

/// Gives the window our fonts and both sets of colours.
pub fn install(ctx: &Context) {
    let mut fonts = FontDefinitions::default();
    // The proportional family has no arrows and triangles, Hack has.
    if let Some(family) = fonts.families.get_mut(&FontFamily::Proportional) {
        family.push("Hack".to_owned());
    }
    ctx.set_fonts(fonts);
    egui_material_icons::initialize(ctx);
    for (ground, dark) in [(Ground::Light, false), (Ground::Dark, true)] {
        ctx.set_visuals_of(ground, Theme::of(dark).visuals(dark));
    }
    ctx.all_styles_mut(|style| {
        style.interaction.selectable_labels = false;
        style.spacing.item_spacing = egui::vec2(6.0, 4.0);
        style.animation_time = 0.0;
        style.scroll_animation = egui::style::ScrollAnimation::none();
    });
}

/// Takes over what the user chose.
pub fn choose(ctx: &Context, choice: ThemeChoice) {
    ctx.set_theme(match choice {
        ThemeChoice::System => egui::ThemePreference::System,
        ThemeChoice::Light => egui::ThemePreference::Light,
        ThemeChoice::Dark => egui::ThemePreference::Dark,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn luminance(colour: Color32) -> f64 {
        let part = |c: u8| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * part(colour.r()) + 0.7152 * part(colour.g()) + 0.0722 * part(colour.b())
    }

    fn contrast(a: Color32, b: Color32) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn every_colour_of_text_can_be_read_on_every_ground() {
        for dark in [false, true] {
            let t = Theme::of(dark);
            for text in [
                t.request,
                t.success,
                t.redirect,
                t.challenge,
                t.failure,
                t.provisional,
                t.text,
                t.faint,
            ] {
                for ground in [t.ground, t.head, t.stripe, t.hovered]
                    .into_iter()
                    .chain(t.forks)
                {
                    let ratio = contrast(text, ground);
                    assert!(
                        ratio >= 4.5,
                        "{text:?} on {ground:?}: {ratio:.2} (dark: {dark})"
                    );
                }
            }
            for ground in [t.selected, t.field, t.equal, t.pointed] {
                let text = if ground == t.selected {
                    t.selected_text
                } else {
                    t.text
                };
                assert!(contrast(text, ground) >= 4.5, "{text:?} on {ground:?}");
            }
        }
    }

    #[test]
    fn pictures_for_paper_have_the_colours_of_the_light_theme() {
        assert_eq!(Theme::of(false).palette(), Palette::LIGHT);
        assert_ne!(Theme::of(true).palette(), Palette::LIGHT);
    }

    #[test]
    fn lines_of_the_dark_ladder_have_the_contrast_of_the_light_one() {
        let lines = |dark: bool| {
            let t = Theme::of(dark);
            let l = t.lines;
            let all = [
                l.request,
                l.success,
                l.redirect,
                l.challenge,
                l.failure,
                l.provisional,
            ];
            all.map(|line| {
                // WCAG 2.2, 1.4.11: what is no text needs 3:1 on every ground it stands on.
                for ground in t.forks.into_iter().chain([t.hovered]) {
                    assert!(contrast(line, ground) >= 3.0, "{line:?} on {ground:?}");
                }
                contrast(line, t.ground)
            })
        };
        for (light, dark) in lines(false).into_iter().zip(lines(true)) {
            assert!((light - dark).abs() < 0.1, "{light:.2} and {dark:.2}");
            assert!(light >= 4.5);
        }
        for dark in [false, true] {
            let t = Theme::of(dark);
            for mark in t.calls {
                assert!(contrast(mark, t.call_text) >= 4.5);
            }
        }
    }
}
