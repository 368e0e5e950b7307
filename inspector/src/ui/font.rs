//! The fonts: small ones of our own, the same natively and in the browser.

use std::collections::BTreeMap;
use std::sync::Arc;

use egui::{Context, FontData, FontDefinitions, FontFamily, FontId, TextStyle};

/// Text with weight.
pub fn bold(size: f32) -> FontId {
    FontId::new(size, FontFamily::Name("bold".into()))
}

/// Text.
pub fn text(size: f32) -> FontId {
    FontId::new(size, FontFamily::Proportional)
}

/// Hashes and other things in which letters stand below each other.
pub fn mono(size: f32) -> FontId {
    FontId::new(size, FontFamily::Monospace)
}

/// The sizes of text.
pub fn text_styles() -> BTreeMap<TextStyle, FontId> {
    [
        (TextStyle::Small, text(11.5)),
        (TextStyle::Body, text(13.0)),
        (TextStyle::Button, text(13.0)),
        (TextStyle::Heading, bold(17.0)),
        (TextStyle::Monospace, mono(12.0)),
    ]
    .into()
}

/// Gives a window its fonts.
pub fn install(ctx: &Context) {
    let mut fonts = FontDefinitions::empty();
    let files: [(&str, &'static [u8]); 3] = [
        ("text", include_bytes!("../../assets/text.otf")),
        ("bold", include_bytes!("../../assets/bold.otf")),
        ("mono", include_bytes!("../../assets/mono.ttf")),
    ];
    for (name, bytes) in files {
        fonts.font_data.insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
    }
    let list = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    fonts.families.insert(FontFamily::Proportional, list(&["text", "mono"]));
    fonts.families.insert(FontFamily::Name("bold".into()), list(&["bold", "text"]));
    fonts.families.insert(FontFamily::Monospace, list(&["mono", "text"]));
    ctx.set_fonts(fonts);
}
