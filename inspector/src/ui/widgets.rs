//! Small pieces that several panels use.

use egui::text::{LayoutJob, TextWrapping};
use egui::{
    Align2, Color32, FontId, Frame, Margin, Painter, Pos2, Rect, RichText, Role, Stroke, TextFormat, Ui, WidgetInfo,
    vec2,
};

use super::font;
use super::theme::Palette;
use crate::ask::Trouble;

/// Writes a text on one line between `at` and a width, cut with `…`; returns how wide it is. `align` is which of its
/// points stands at `at`.
pub fn text(painter: &Painter, at: Pos2, align: Align2, width: f32, text: &str, font: FontId, color: Color32) -> f32 {
    if width < 8.0 || text.is_empty() {
        return 0.0;
    }
    let mut job = LayoutJob::single_section(text.to_owned(), TextFormat::simple(font, color));
    job.wrap = TextWrapping { max_width: width, max_rows: 1, break_anywhere: true, overflow_character: Some('…') };
    let galley = painter.layout_job(job);
    let size = galley.size();
    painter.galley(align.anchor_size(at, size).min, galley, color);
    size.x
}

/// Draws the sign of a branch or tag; returns how wide it is.
pub fn label(painter: &Painter, at: Pos2, width: f32, name: &str, tag: bool, color: Color32, p: &Palette) -> f32 {
    let font = font::bold(11.0);
    let mut job =
        LayoutJob::single_section(name.to_owned(), TextFormat::simple(font, if tag { p.ink } else { p.text(color) }));
    job.wrap = TextWrapping {
        max_width: (width - 14.0).max(0.0),
        max_rows: 1,
        break_anywhere: true,
        overflow_character: Some('…'),
    };
    if width < 30.0 {
        return 0.0;
    }
    let galley = painter.layout_job(job);
    let size = vec2(galley.size().x + 14.0, 18.0);
    let rect = Rect::from_min_size(Pos2::new(at.x, at.y - 9.0), size);
    let fill = if tag { p.raised } else { mix(p.ground, color, SIGN) };
    let radius = if tag { 3.0 } else { 9.0 };
    let edge = if tag { p.faint } else { mix(p.ground, color, 0.55) };
    painter.rect(rect, radius, fill, Stroke::new(1.0, edge), egui::StrokeKind::Inside);
    let inner = Pos2::new(rect.left() + 7.0, rect.center().y - galley.size().y / 2.0);
    painter.galley(inner, galley, color);
    size.x
}

/// How much of a branch's colour the ground of its sign has.
pub const SIGN: f32 = 0.16;

/// Mixes two colours; at 0 it is the first.
pub fn mix(a: Color32, b: Color32, share: f32) -> Color32 {
    let part = |a: u8, b: u8| (f32::from(a) + (f32::from(b) - f32::from(a)) * share.clamp(0.0, 1.0)).round() as u8;
    Color32::from_rgb(part(a.r(), b.r()), part(a.g(), b.g()), part(a.b(), b.b()))
}

/// Shows that something is on its way, without moving: a window that waits does not have to be drawn anew.
pub fn waiting(ui: &mut Ui, what: &str) {
    ui.add_space(12.0);
    // Not in a row of widgets: there a long text would not be broken.
    Frame::new().inner_margin(Margin { left: 4, ..Margin::ZERO }).show(ui, |ui| {
        ui.label(RichText::new(what).color(Palette::of(ui.ctx()).quiet));
    });
}

/// Shows what went wrong and the way out.
pub fn trouble(ui: &mut Ui, trouble: &Trouble) {
    let p = Palette::of(ui.ctx());
    let frame = Frame::new().fill(mix(p.ground, p.bad, 0.08)).stroke(Stroke::new(1.0, mix(p.ground, p.bad, 0.5)));
    frame.corner_radius(6.0).inner_margin(Margin::same(14)).show(ui, |ui| {
        let head = if trouble.damaged { "This is damaged" } else { "This did not work" };
        let head = ui.label(RichText::new(head).font(font::bold(14.0)).color(p.bad));
        head.widget_info(|| WidgetInfo::labeled(Role::Alert, true, &trouble.text));
        ui.label(RichText::new(super::super::model::format::line(&trouble.text, 600)).color(p.ink));
        if !trouble.advice.is_empty() {
            ui.add_space(4.0);
            ui.label(RichText::new(&trouble.advice).color(p.quiet));
        }
    });
}

/// Writes a heading in a view.
pub fn heading(ui: &mut Ui, text: &str) {
    ui.add_space(10.0);
    ui.label(RichText::new(text).font(font::bold(12.0)).color(Palette::of(ui.ctx()).quiet));
    ui.add_space(2.0);
}
