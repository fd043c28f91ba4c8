//! The picture of the window in the task bar, drawn from the one that is installed.

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree};

const DRAWING: &str = include_str!("../../assets/sipscope.svg");
const POINTS: u32 = 128;

/// The icon, or none when it cannot be drawn.
pub fn icon() -> Option<egui::IconData> {
    let tree = Tree::from_str(DRAWING, &Options::default()).ok()?;
    let mut picture = Pixmap::new(POINTS, POINTS)?;
    let scale = POINTS as f32 / tree.size().width();
    resvg::render(
        &tree,
        Transform::from_scale(scale, scale),
        &mut picture.as_mut(),
    );
    let rgba = picture
        .pixels()
        .iter()
        .map(|point| point.demultiply())
        .flat_map(|c| [c.red(), c.green(), c.blue(), c.alpha()])
        .collect();
    Some(egui::IconData {
        rgba,
        width: POINTS,
        height: POINTS,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn the_icon_has_round_corners_and_its_colours() {
        let icon = icon().unwrap();
        let at = |x: usize, y: usize| &icon.rgba[(y * POINTS as usize + x) * 4..][..4];
        assert_eq!(icon.rgba.len(), 128 * 128 * 4);
        assert_eq!(at(0, 0), [0, 0, 0, 0]);
        assert_eq!(at(10, 64), [0x18, 0x1b, 0x20, 0xff]);
        assert_eq!(at(60, 40), [0x6c, 0xb8, 0xf0, 0xff]);
    }
}
