//! A picture of the window without any display.

use std::path::Path;

use egui::{Context, Event, Pos2, RawInput, Rect, Theme, ViewportId, vec2};

use super::inline::Inline;
use super::open;
use crate::ask::Place;
use crate::raster::{Picture, Raster};
use crate::ui::app::Inspector;
use crate::ui::theme::Palette;

/// How many frames are drawn at most until nothing changes any more.
const FRAMES_MAX: usize = 4000;

/// What is to be on the picture.
pub struct Shot {
    /// What is opened; the start page without it.
    pub place: Option<Place>,
    /// Where in it.
    pub link: String,
    /// Width and height in points.
    pub size: [usize; 2],
    /// Pixels per point.
    pub scale: f32,
    /// Dark or light.
    pub theme: Theme,
}

/// Draws the window until it rests and returns the picture.
pub fn take(shot: &Shot) -> Picture {
    // No font of the system is looked for, so that a picture is the same everywhere.
    crate::model::format::few_signs();
    let ctx = Context::default();
    ctx.set_theme(shot.theme);
    let mut raster = Raster::default();
    let mut app = Inspector::new(&ctx, Box::new(Inline::new(open::opener(), || {})));
    app.start(shot.place.clone(), &shot.link);
    let [width, height] = shot.size.map(|n| n as f32);
    let screen = Rect::from_min_size(Pos2::ZERO, vec2(width, height));
    let mut quiet = 0;
    for frame in 0..FRAMES_MAX {
        let mut input = RawInput {
            screen_rect: Some(screen),
            time: Some(frame as f64 / 60.0),
            focused: true,
            max_texture_side: Some(8192),
            events: vec![Event::PointerGone],
            ..RawInput::default()
        };
        input.viewports.entry(ViewportId::ROOT).or_default().native_pixels_per_point = Some(shot.scale);
        let mut output = ctx.run_ui(input, |ui| app.ui(ui));
        raster.update(&mut output.textures_delta);
        let rests = !app.state.desk.is_busy() && frame > 2;
        quiet = if rests { quiet + 1 } else { 0 };
        if quiet > 2 || frame + 1 == FRAMES_MAX {
            let primitives = ctx.tessellate(output.shapes, output.pixels_per_point);
            let size = shot.size.map(|n| (n as f32 * shot.scale).round() as usize);
            return raster.draw(size, shot.scale, Palette::of(&ctx).ground, &primitives);
        }
    }
    unreachable!("the last frame returns")
}

/// Writes a picture as PNG.
///
/// # Errors
/// When the file cannot be written.
pub fn write(picture: &Picture, path: &Path) -> std::io::Result<()> {
    let file = std::io::BufWriter::new(std::fs::File::create(path)?);
    let mut encoder = png::Encoder::new(file, picture.width as u32, picture.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    let rgb: Vec<u8> = picture.rgba.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&rgb)?;
    Ok(writer.finish()?)
}
