//! Colours and spacing, dark and light.

use egui::{Color32, Context, CornerRadius, Stroke, Style, Theme, Visuals, vec2};

/// The colours of a theme.
#[derive(Clone, Copy)]
pub struct Palette {
    /// Behind the graph and the views.
    pub ground: Color32,
    /// Behind bars and panels.
    pub panel: Color32,
    /// Behind what lies above a panel: fields, buttons, cards.
    pub raised: Color32,
    /// Under the pointer.
    pub hover: Color32,
    /// Behind what is selected.
    pub selected: Color32,
    /// Thin lines.
    pub line: Color32,
    /// Text.
    pub ink: Color32,
    /// Text that may be overlooked.
    pub quiet: Color32,
    /// Marks that may be overlooked.
    pub faint: Color32,
    /// What is selected, and what can be pressed.
    pub accent: Color32,
    /// What came.
    pub good: Color32,
    /// What changed, and what was found.
    pub warn: Color32,
    /// What went, and what is wrong.
    pub bad: Color32,
    /// Branches. Told apart by people of all kinds of colour vision: after Okabe and Ito, "Color Universal Design" (2008).
    pub branches: [Color32; 8],
}

const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

/// The colours on dark.
pub const DARK: Palette = Palette {
    ground: rgb(0x11_1318),
    panel: rgb(0x16_191f),
    raised: rgb(0x20_242c),
    hover: rgb(0x1c_2027),
    selected: rgb(0x1f_2c42),
    line: rgb(0x2a_2f39),
    ink: rgb(0xe4_e7ec),
    quiet: rgb(0xa0_a8b6),
    faint: rgb(0x6b_7483),
    accent: rgb(0x6f_a8ff),
    good: rgb(0x3f_c39a),
    warn: rgb(0xf2_b04c),
    bad: rgb(0xf2_7d5c),
    branches: [
        rgb(0x62_b0ef),
        rgb(0xf0_a742),
        rgb(0x2f_c296),
        rgb(0xe5_8ac4),
        rgb(0xe9_de66),
        rgb(0xee_7b45),
        rgb(0x9d_9cf5),
        rgb(0xc2_9a78),
    ],
};

/// The colours on light.
pub const LIGHT: Palette = Palette {
    ground: rgb(0xff_ffff),
    panel: rgb(0xf5_f6f8),
    raised: rgb(0xff_ffff),
    hover: rgb(0xf0_f2f6),
    selected: rgb(0xdf_eafb),
    line: rgb(0xdd_e1e7),
    ink: rgb(0x1b_1f26),
    quiet: rgb(0x55_5e6c),
    faint: rgb(0x8a_93a1),
    accent: rgb(0x1f_62c9),
    good: rgb(0x0a_7154),
    warn: rgb(0x90_5600),
    bad: rgb(0xb5_3c1a),
    branches: [
        rgb(0x1c_76bf),
        rgb(0xcc_7a00),
        rgb(0x00_8a65),
        rgb(0xb8_4f92),
        rgb(0x95_8400),
        rgb(0xc7_4c14),
        rgb(0x5f_5bc4),
        rgb(0x85_5c38),
    ],
};

impl Palette {
    /// Returns the colours of the theme in force.
    pub fn of(ctx: &Context) -> &'static Palette {
        if ctx.theme() == Theme::Dark { &DARK } else { &LIGHT }
    }

    /// Returns the colour of a text that has a branch's colour: nearer to ink, so that it can be read on any ground.
    pub fn text(&self, color: Color32) -> Color32 {
        super::widgets::mix(color, self.ink, 0.35)
    }

    /// Returns the colour of a branch: the same for a name on every day and in every view.
    pub fn branch(&self, name: &str) -> Color32 {
        match name {
            "" => self.faint,
            "main" => self.branches[0],
            // FNV-1a; the first colour is kept for `main`.
            name => {
                let hash = name.bytes().fold(0x811c_9dc5_u32, |h, b| (h ^ u32::from(b)).wrapping_mul(0x0100_0193));
                self.branches[1 + (hash ^ (hash >> 16)) as usize % (self.branches.len() - 1)]
            }
        }
    }
}

/// The height of a row of text in lists.
pub const ROW: f32 = 26.0;

/// Gives a window its fonts, spacing and colours.
pub fn install(ctx: &Context) {
    super::font::install(ctx);
    for (theme, palette) in [(Theme::Dark, &DARK), (Theme::Light, &LIGHT)] {
        ctx.style_mut_of(theme, |style| {
            spacing(style);
            style.visuals = visuals(theme, palette);
        });
    }
}

fn spacing(style: &mut Style) {
    let spacing = &mut style.spacing;
    spacing.item_spacing = vec2(8.0, 6.0);
    spacing.button_padding = vec2(8.0, 4.0);
    spacing.interact_size.y = 26.0;
    spacing.scroll = egui::style::ScrollStyle::solid();
    spacing.scroll.bar_width = 8.0;
    style.text_styles = super::font::text_styles();
    style.animation_time = 0.0;
    style.interaction.selectable_labels = true;
    style.interaction.tooltip_delay = 0.4;
    style.url_in_tooltip = true;
}

fn visuals(theme: Theme, p: &Palette) -> Visuals {
    let mut v = if theme == Theme::Dark { Visuals::dark() } else { Visuals::light() };
    v.panel_fill = p.panel;
    v.window_fill = p.panel;
    v.extreme_bg_color = p.ground;
    v.faint_bg_color = p.hover;
    v.code_bg_color = p.raised;
    v.text_edit_bg_color = Some(p.ground);
    v.hyperlink_color = p.accent;
    v.warn_fg_color = p.warn;
    v.error_fg_color = p.bad;
    v.weak_text_color = Some(p.quiet);
    v.window_stroke = Stroke::new(1.0, p.line);
    v.selection.bg_fill = p.selected;
    v.selection.stroke = Stroke::new(1.0, p.accent);
    v.window_corner_radius = CornerRadius::same(8);
    v.menu_corner_radius = CornerRadius::same(6);
    let radius = CornerRadius::same(5);
    for (widget, fill, stroke) in [
        (&mut v.widgets.noninteractive, p.panel, p.line),
        (&mut v.widgets.inactive, p.raised, p.line),
        (&mut v.widgets.hovered, p.hover, p.faint),
        (&mut v.widgets.active, p.selected, p.accent),
        (&mut v.widgets.open, p.raised, p.line),
    ] {
        widget.bg_fill = fill;
        widget.weak_bg_fill = fill;
        widget.bg_stroke = Stroke::new(1.0, stroke);
        widget.fg_stroke = Stroke::new(1.0, p.ink);
        widget.corner_radius = radius;
        widget.expansion = 0.0;
    }
    v.widgets.noninteractive.fg_stroke = Stroke::new(1.0, p.ink);
    // The rail of a slider is seen on any ground.
    v.widgets.inactive.bg_fill = p.line;
    v
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::widgets::mix;

    /// How far two colours lie apart, from 1 to 21, as WCAG 2 measures it.
    fn contrast(a: Color32, b: Color32) -> f64 {
        let light = |c: Color32| {
            let part = |v: u8| match f64::from(v) / 255.0 {
                v if v <= 0.04045 => v / 12.92,
                v => ((v + 0.055) / 1.055).powf(2.4),
            };
            0.2126 * part(c.r()) + 0.7152 * part(c.g()) + 0.0722 * part(c.b()) + 0.05
        };
        let (a, b) = (light(a), light(b));
        a.max(b) / a.min(b)
    }

    #[test]
    fn every_text_can_be_read_on_every_ground() {
        for (theme, p) in [("dark", &DARK), ("light", &LIGHT)] {
            let inks = [p.ink, p.quiet, p.accent, p.good, p.warn, p.bad];
            for (i, ink) in inks.into_iter().enumerate() {
                for ground in [p.ground, p.panel, p.raised, p.hover, p.selected] {
                    let found = contrast(ink, ground);
                    assert!(found >= 4.5, "{theme}: ink {i} {ink:?} on {ground:?} has only {found:.2}");
                }
            }
            for color in p.branches {
                let sign = mix(p.ground, color, super::super::widgets::SIGN);
                for ground in [p.ground, sign] {
                    let found = contrast(p.text(color), ground);
                    assert!(found >= 4.5, "{theme}: branch {color:?} on {ground:?} has only {found:.2}");
                }
                assert!(contrast(color, p.ground) >= 3.0, "{theme}: lines and dots of {color:?}");
            }
        }
    }
}
