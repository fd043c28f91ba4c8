//! A drawing as points. The letters are those of the window; what they lack comes from the system.

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

/// A larger picture would not open in most programs.
const MAX_PIXELS: f32 = 40e6;
/// Small pictures are drawn at twice their size, for sharp letters on a projector.
const SHARP_PIXELS: f32 = 10e6;

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(epaint_default_fonts::UBUNTU_LIGHT.to_vec());
    fonts.load_font_data(epaint_default_fonts::HACK_REGULAR.to_vec());
    fonts.load_system_fonts();
    // After that: the system's own choice, which may be missing, would take its place.
    fonts.set_sans_serif_family("Ubuntu");
    fonts.set_serif_family("Ubuntu");
    Arc::new(fonts)
});

/// Draws an SVG file; gives the octets of a PNG file.
///
/// # Errors
/// A sentence for the user: the picture would be too large.
pub fn of_svg(svg: &str) -> Result<Vec<u8>, String> {
    let broken = |error: &dyn std::fmt::Display| format!("The picture was not made: {error}");
    let options = Options {
        font_family: "Ubuntu".to_owned(),
        fontdb: Arc::clone(&FONTS),
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options).map_err(|error| broken(&error))?;
    let size = tree.size();
    let pixels = size.width() * size.height();
    if pixels > MAX_PIXELS {
        return Err(format!(
            "Too large for a PNG: {} × {} points; SVG has no limit",
            size.width(),
            size.height()
        ));
    }
    let scale = if pixels <= SHARP_PIXELS { 2.0 } else { 1.0 };
    let points = |length: f32| (length * scale).ceil() as u32;
    let mut picture = Pixmap::new(points(size.width()), points(size.height()))
        .ok_or_else(|| broken(&"it has no size"))?;
    resvg::render(
        &tree,
        Transform::from_scale(scale, scale),
        &mut picture.as_mut(),
    );
    picture.encode_png().map_err(|error| broken(&error))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn drawings_become_pictures_with_letters_in_them() {
        let svg = |words: &str| {
            format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"200\" height=\"40\">\
                 <style>text{{font:12px system-ui,sans-serif}}</style>\
                 <text x=\"4\" y=\"20\">{words}</text></svg>"
            )
        };
        let (empty, full) = (of_svg(&svg("")).unwrap(), of_svg(&svg("INVITE")).unwrap());
        assert!(full.starts_with(b"\x89PNG\r\n"));
        // Width and height stand in the first chunk, twice those of the drawing.
        assert_eq!(full.get(16..24).unwrap(), [0, 0, 1, 144, 0, 0, 0, 80]);
        assert!(full.len() > empty.len() + 100, "no letters were drawn");
        let large = svg("").replace("\"40\"", "\"400000\"");
        assert!(
            of_svg(&large)
                .unwrap_err()
                .starts_with("Too large for a PNG")
        );
    }
}
