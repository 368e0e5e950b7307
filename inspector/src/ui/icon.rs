//! Small signs, drawn rather than set in a font, so that they look the same everywhere.

use egui::{Color32, Pos2, Rect, Response, Role, Sense, Shape, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::theme::Palette;

/// A sign.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Icon {
    /// A triangle to the right.
    Play,
    /// Two bars.
    Pause,
    /// A bar and a triangle to the right.
    StepOn,
    /// A triangle to the left and a bar.
    StepBack,
    /// Two triangles to the left and a bar.
    First,
    /// Two triangles to the right and a bar.
    Last,
    /// A ring with a gap.
    Loop,
    /// A circle, half filled.
    Theme,
    /// Three lines.
    Menu,
    /// A lens.
    Search,
    /// A line that is folded.
    Fold,
    /// A cross.
    Close,
    /// A tick upwards.
    Up,
    /// A tick downwards.
    Down,
}

/// Shows a sign that can be pressed. `name` is what it does, for its tooltip and for those who cannot see it.
pub fn button(ui: &mut Ui, icon: Icon, name: &str, on: bool) -> Response {
    let p = Palette::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(28.0, 26.0), Sense::click());
    response.widget_info(|| WidgetInfo::selected(Role::Button, ui.is_enabled(), on, name));
    if ui.is_rect_visible(rect) {
        let pressed = response.is_pointer_button_down_on();
        let fill = match (on, pressed, response.hovered()) {
            (true, ..) | (_, true, _) => p.selected,
            (_, _, true) => p.raised,
            _ => Color32::TRANSPARENT,
        };
        ui.painter().rect_filled(rect, 5.0, fill);
        if response.has_focus() {
            ui.painter().rect_stroke(rect, 5.0, Stroke::new(1.0, p.accent), egui::StrokeKind::Inside);
        }
        let color = match (ui.is_enabled(), on) {
            (false, _) => p.faint,
            (true, true) => p.accent,
            (true, false) => p.ink,
        };
        paint(ui.painter(), icon, rect.center(), color);
    }
    response.on_hover_text(name)
}

/// Draws a sign around a point.
pub fn paint(painter: &egui::Painter, icon: Icon, at: Pos2, color: Color32) {
    let stroke = Stroke::new(1.5, color);
    let triangle = |x: f32, to: f32| {
        let points = vec![at + vec2(x, -5.0), at + vec2(x + to, 0.0), at + vec2(x, 5.0)];
        painter.add(Shape::convex_polygon(points, color, Stroke::NONE));
    };
    let bar = |x: f32| {
        painter.rect_filled(Rect::from_center_size(at + vec2(x, 0.0), vec2(2.0, 10.0)), 0.5, color);
    };
    let line = |a: (f32, f32), b: (f32, f32)| {
        painter.line_segment([pos2(at.x + a.0, at.y + a.1), pos2(at.x + b.0, at.y + b.1)], stroke);
    };
    match icon {
        Icon::Play => triangle(-3.0, 8.0),
        Icon::Pause => [-3.0, 3.0].map(bar).into_iter().collect(),
        Icon::StepOn => {
            triangle(-4.0, 6.5);
            bar(4.5);
        }
        Icon::StepBack => {
            triangle(4.0, -6.5);
            bar(-4.5);
        }
        Icon::First => {
            triangle(0.5, -5.0);
            triangle(6.0, -5.0);
            bar(-6.0);
        }
        Icon::Last => {
            triangle(-0.5, 5.0);
            triangle(-6.0, 5.0);
            bar(6.0);
        }
        Icon::Loop => {
            let arc = (2..=17).map(|i| at + 5.5 * egui::Vec2::angled(i as f32 * std::f32::consts::TAU / 18.0 - 1.6));
            painter.add(Shape::line(arc.collect(), stroke));
            let tip = at + vec2(4.6, -3.4);
            let points = vec![tip + vec2(-3.5, 0.6), tip + vec2(2.4, 1.2), tip + vec2(1.0, -4.2)];
            painter.add(Shape::convex_polygon(points, color, Stroke::NONE));
        }
        Icon::Theme => {
            painter.circle_stroke(at, 5.5, stroke);
            let half = (0..=12).map(|i| {
                at + 5.0 * egui::Vec2::angled(i as f32 * std::f32::consts::PI / 12.0 - std::f32::consts::FRAC_PI_2)
            });
            painter.add(Shape::convex_polygon(half.collect(), color, Stroke::NONE));
        }
        Icon::Menu => [-4.0, 0.0, 4.0].map(|y| line((-6.0, y), (6.0, y))).into_iter().collect(),
        Icon::Search => {
            painter.circle_stroke(at + vec2(-1.0, -1.0), 4.2, stroke);
            line((2.2, 2.2), (5.5, 5.5));
        }
        Icon::Fold => {
            line((0.0, -6.0), (0.0, -3.0));
            line((0.0, 3.0), (0.0, 6.0));
            painter.rect_stroke(Rect::from_center_size(at, vec2(11.0, 6.0)), 3.0, stroke, egui::StrokeKind::Middle);
        }
        Icon::Close => {
            line((-4.0, -4.0), (4.0, 4.0));
            line((-4.0, 4.0), (4.0, -4.0));
        }
        Icon::Up => {
            line((-4.0, 2.0), (0.0, -2.0));
            line((0.0, -2.0), (4.0, 2.0));
        }
        Icon::Down => {
            line((-4.0, -2.0), (0.0, 2.0));
            line((0.0, 2.0), (4.0, -2.0));
        }
    }
}
