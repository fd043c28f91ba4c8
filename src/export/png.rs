//! A drawing as points. The letters are those of the window; what they lack comes from the system.

use std::sync::{Arc, LazyLock};

use resvg::tiny_skia::{Pixmap, PixmapMut, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use super::watch::Watch;

/// A larger picture would not open in most programs.
const MAX_PIXELS: f32 = 40e6;
/// Small pictures are drawn at twice their size, for sharp letters on a projector.
const SHARP_PIXELS: f32 = 10e6;

/// Rows of points that are drawn at once.
const BAND_ROWS: u32 = 2048;
const OCTETS_OF_PIXEL: usize = 4;

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

/// Says whether a drawing of that size can become a picture.
///
/// # Errors
/// A sentence for the user: the picture would be too large.
pub fn fits(width: f32, height: f32) -> Result<(), String> {
    match width * height > MAX_PIXELS {
        true => Err(format!(
            "too large for a PNG: {width} × {height} points; SVG has no limit"
        )),
        false => Ok(()),
    }
}

/// Draws an SVG file, as long as somebody wants it; gives the octets of a PNG file.
///
/// # Errors
/// A sentence for the user: the picture would be too large, or it is not wanted any more.
pub fn of_svg(svg: &str, watch: &Watch) -> Result<Vec<u8>, String> {
    let wanted = || match watch.is_stopped() {
        true => Err("cancelled".to_owned()),
        false => Ok(()),
    };
    let broken = |error: &dyn std::fmt::Display| format!("The picture was not made: {error}");
    let options = Options {
        font_family: "Ubuntu".to_owned(),
        fontdb: Arc::clone(&FONTS),
        ..Options::default()
    };
    let tree = Tree::from_str(svg, &options).map_err(|error| broken(&error))?;
    let size = tree.size();
    fits(size.width(), size.height())?;
    wanted()?;
    let pixels = size.width() * size.height();
    let scale = if pixels <= SHARP_PIXELS { 2.0 } else { 1.0 };
    let points = |length: f32| (length * scale).ceil() as u32;
    let mut picture = Pixmap::new(points(size.width()), points(size.height()))
        .ok_or_else(|| broken(&"it has no size"))?;
    let (width, height) = (picture.width(), picture.height());
    let rows_octets = width as usize * OCTETS_OF_PIXEL;
    let bands = picture
        .data_mut()
        .chunks_mut(rows_octets.max(1) * BAND_ROWS as usize);
    for (number, band) in bands.enumerate() {
        let above = number as u32 * BAND_ROWS;
        // Packing the points takes about as long as a fifth of the drawing.
        watch.set(above.into(), u64::from(height) + u64::from(height) / 5);
        wanted()?;
        let rows = BAND_ROWS.min(height.saturating_sub(above));
        let mut part = PixmapMut::from_bytes(band, width, rows).ok_or_else(|| broken(&"a part"))?;
        let place = Transform::from_scale(scale, scale).post_translate(0.0, -(above as f32));
        resvg::render(&tree, place, &mut part);
    }
    wanted()?;
    picture.encode_png().map_err(|error| broken(&error))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_in_parts_has_no_seams() {
        // One slanted line over all of it: where a part ends it goes on.
        let tall = 3 * BAND_ROWS / 2;
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100\" height=\"{tall}\">\
             <path d=\"M0 0L100 {tall}\" stroke=\"#000\" stroke-width=\"8\"/></svg>"
        );
        let watch = Watch::default();
        let picture = Pixmap::decode_png(&of_svg(&svg, &watch).unwrap()).unwrap();
        assert_eq!(picture.height(), 2 * tall);
        for y in 20..picture.height() - 20 {
            let x = (y * 200 / picture.height()).clamp(1, 198);
            let dark = picture.pixel(x, y).unwrap().alpha();
            assert!(dark > 200, "row {y}: {dark}");
        }
        assert!(watch.share().is_some_and(|share| share > 0.4));
        watch.stop();
        assert_eq!(of_svg(&svg, &watch), Err("cancelled".to_owned()));
    }

    #[test]
    fn drawings_become_pictures_with_letters_in_them() {
        let svg = |words: &str| {
            format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"200\" height=\"40\">\
                 <style>text{{font:12px system-ui,sans-serif}}</style>\
                 <text x=\"4\" y=\"20\">{words}</text></svg>"
            )
        };
        let of_svg = |svg: &str| of_svg(svg, &Watch::default());
        let (empty, full) = (of_svg(&svg("")).unwrap(), of_svg(&svg("INVITE")).unwrap());
        assert!(full.starts_with(b"\x89PNG\r\n"));
        // Width and height stand in the first chunk, twice those of the drawing.
        assert_eq!(full.get(16..24).unwrap(), [0, 0, 1, 144, 0, 0, 0, 80]);
        assert!(full.len() > empty.len() + 100, "no letters were drawn");
        let large = svg("").replace("\"40\"", "\"400000\"");
        assert!(
            of_svg(&large)
                .unwrap_err()
                .starts_with("too large for a PNG")
        );
    }
}
