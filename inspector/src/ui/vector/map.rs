//! The heatmap's picture: a texture of the part that is visible, made anew in pieces when that changes.

use egui::{
    Align2, Color32, ColorImage, Rect, Role, Sense, Stroke, TextureHandle, TextureOptions, Ui, WidgetInfo, pos2, vec2,
};

use super::color;
use crate::model::heat::{Cell, Frame, Heat};
use crate::ui::theme::Palette;
use crate::ui::{font, widgets};

/// How many cells are looked at in a frame.
const BUDGET: usize = 150_000;

/// The tallest row in points.
const ROW_MAX: f64 = 24.0;

/// The widest column in points.
const COLUMN_MAX: f64 = 24.0;

/// The largest picture, in pixels a side.
const PIXELS_MAX: usize = 1024;

/// The room for the names of dimensions below.
const AXIS: f32 = 16.0;

/// The room for names at the left.
const GUTTER: f32 = 68.0;

/// What is to be drawn.
pub struct Look {
    /// How many rows there are.
    pub rows: u32,
    /// How many columns there are.
    pub columns: u32,
    /// The largest number of the scale.
    pub scale: f64,
    /// Which values are shown.
    pub kind: u8,
    /// The row in force.
    pub now: Option<u32>,
}

/// What happened.
pub struct Told {
    /// The row and column under the pointer.
    pub pointed: Option<(u32, u32)>,
    /// Whether it was pressed.
    pub pressed: bool,
}

/// The cells that are visible, from and to, on both axes; between two cells they have a fraction.
#[derive(Clone, Copy, PartialEq)]
struct Window {
    x: [f64; 2],
    y: [f64; 2],
}

/// The picture and what is visible of it.
#[derive(Default)]
pub struct Map {
    window: Option<Window>,
    heat: Heat,
    made_of: Option<(u64, u8, bool, u32)>,
    shown: Option<(TextureHandle, Frame)>,
}

impl Map {
    /// Notes that values came or changed.
    pub fn forget(&mut self) {
        self.made_of = None;
    }

    /// Draws the visible part; `cell` tells what is at a row and column, `name` how a row is called.
    pub fn draw(
        &mut self,
        ui: &mut Ui,
        rect: Rect,
        look: &Look,
        cell: impl Fn(u32, u32) -> Cell,
        name: impl Fn(u32) -> String,
    ) -> Told {
        let p = Palette::of(ui.ctx());
        let response = ui.allocate_rect(rect, Sense::click_and_drag());
        let says = format!("Heatmap of {} versions and {} dimensions", look.rows, look.columns);
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &says));
        let body = Rect::from_min_max(pos2(rect.left() + GUTTER, rect.top()), rect.max - vec2(0.0, AXIS));
        let room = Window {
            x: [0.0, f64::from(look.columns).max(f64::from(body.width()) / COLUMN_MAX)],
            y: [0.0, f64::from(look.rows).max(f64::from(body.height()) / ROW_MAX)],
        };
        let window = self.moved(ui, &response, body, room);
        self.make(ui, body, look, window, cell);
        let painter = ui.painter_at(Rect::from_min_max(pos2(rect.left(), rect.top()), rect.max));
        let inside = ui.painter_at(body);
        let to_x = |c: f64| body.left() + ((c - window.x[0]) / (window.x[1] - window.x[0])) as f32 * body.width();
        let to_y = |r: f64| body.top() + ((r - window.y[0]) / (window.y[1] - window.y[0])) as f32 * body.height();
        if let Some((texture, frame)) = &self.shown {
            let cells = Rect::from_min_max(
                pos2(to_x(f64::from(frame.columns.start)), to_y(f64::from(frame.rows.start))),
                pos2(to_x(f64::from(frame.columns.end)), to_y(f64::from(frame.rows.end))),
            );
            let all = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            inside.image(texture.id(), cells, all, Color32::WHITE);
            // Versions of zeros have the colour of the ground: the edge says that they are there.
            inside.rect_stroke(cells, 0.0, Stroke::new(1.0, p.line), egui::StrokeKind::Inside);
        }
        if let Some(now) = look.now {
            let (top, bottom) = (to_y(f64::from(now)), to_y(f64::from(now) + 1.0));
            let stroke = Stroke::new(1.0, p.accent);
            let right = body.right().min(to_x(f64::from(look.columns)));
            for y in [top, bottom] {
                inside.hline(body.left()..=right, y, stroke);
            }
        }
        self.names(&painter, body, look, window, name, p);
        let pointed = response.hover_pos().filter(|at| body.contains(*at)).and_then(|at| {
            let share = (at - body.min) / body.size();
            let cell = |w: [f64; 2], s: f32, n: u32| {
                let at = (w[0] + f64::from(s) * (w[1] - w[0])).floor();
                (at >= 0.0 && at < f64::from(n)).then_some(at as u32)
            };
            Some((cell(window.y, share.y, look.rows)?, cell(window.x, share.x, look.columns)?))
        });
        Told { pointed, pressed: response.clicked() }
    }

    /// Moves what is visible as the pointer says.
    fn moved(&mut self, ui: &Ui, response: &egui::Response, body: Rect, room: Window) -> Window {
        let mut w = self.window.unwrap_or(room);
        if response.double_clicked() {
            w = room;
        }
        let sizes = [w.x[1] - w.x[0], w.y[1] - w.y[0]];
        if let Some(at) = response.hover_pos().filter(|at| body.contains(*at)) {
            let (scroll, zoom) = ui.input(|i| (i.smooth_scroll_delta(), i.zoom_delta_2d()));
            let share = (at - body.min) / body.size();
            if zoom != vec2(1.0, 1.0) {
                for (range, share, zoom) in [(&mut w.x, share.x, zoom.x), (&mut w.y, share.y, zoom.y)] {
                    let (from, size) = (range[0], range[1] - range[0]);
                    let fixed = from + size * f64::from(share);
                    let size = (size / f64::from(zoom)).max(4.0);
                    *range = [fixed - size * f64::from(share), fixed + size * f64::from(1.0 - share)];
                }
            } else {
                let drag = if response.dragged() { response.drag_delta() } else { vec2(0.0, 0.0) };
                let by = scroll + drag;
                shift(&mut w.x, -f64::from(by.x / body.width()) * sizes[0]);
                shift(&mut w.y, -f64::from(by.y / body.height()) * sizes[1]);
            }
        }
        for (range, room) in [(&mut w.x, room.x), (&mut w.y, room.y)] {
            let size = (range[1] - range[0]).min(room[1]);
            let from = range[0].clamp(0.0, room[1] - size);
            *range = [from, from + size];
        }
        // All of it stays all of it while further versions come in.
        self.window = (w != room).then_some(w);
        w
    }

    /// Goes on with the picture.
    fn make(&mut self, ui: &Ui, body: Rect, look: &Look, window: Window, cell: impl Fn(u32, u32) -> Cell) {
        let range = |w: [f64; 2], n: u32| (w[0].floor() as u32).min(n)..(w[1].ceil() as u32).min(n);
        let pixels = |points: f32| ((points * ui.ctx().pixels_per_point()) as usize).clamp(1, PIXELS_MAX);
        let room = [pixels(body.width()), pixels(body.height())];
        let frame = Frame::of(range(window.y, look.rows), range(window.x, look.columns), room);
        let dark = ui.ctx().theme() == egui::Theme::Dark;
        let made_of = Some((look.scale.to_bits(), look.kind, dark, look.rows));
        if self.heat.frame() != Some(&frame) || self.made_of != made_of {
            self.heat.begin(frame);
            self.made_of = made_of;
        } else if self.heat.is_done() {
            return;
        }
        self.heat.step(BUDGET, cell);
        if !self.heat.is_done() {
            ui.ctx().request_repaint();
            return;
        }
        let p = Palette::of(ui.ctx());
        let Some(frame) = self.heat.frame().cloned().filter(|f| f.size[0] * f.size[1] > 0) else { return };
        let pixels = self.heat.cells().iter().map(|&c| color(c, look.scale, p)).collect();
        let image = ColorImage::new(frame.size, pixels);
        match &mut self.shown {
            Some((texture, shown)) => {
                texture.set(image, TextureOptions::NEAREST);
                *shown = frame;
            }
            None => self.shown = Some((ui.ctx().load_texture("heatmap", image, TextureOptions::NEAREST), frame)),
        }
    }

    /// Writes the names of rows, where there is room, and the first and last column.
    fn names(
        &self,
        painter: &egui::Painter,
        body: Rect,
        look: &Look,
        window: Window,
        name: impl Fn(u32) -> String,
        p: &Palette,
    ) {
        let high = f64::from(body.height()) / (window.y[1] - window.y[0]);
        let every = (13.0 / high).ceil().max(1.0) as u32;
        let first = (window.y[0].floor() as u32).next_multiple_of(every);
        for row in (first..look.rows).step_by(every as usize) {
            let y = body.top() + ((f64::from(row) + 0.5 - window.y[0]) * high) as f32;
            if y > body.bottom() {
                break;
            }
            let ink = if look.now == Some(row) { p.accent } else { p.quiet };
            let at = pos2(body.left() - GUTTER, y);
            widgets::text(painter, at, Align2::LEFT_CENTER, GUTTER - 4.0, &name(row), font::mono(10.5), ink);
        }
        let wide = f64::from(body.width()) / (window.x[1] - window.x[0]);
        let end = window.x[1].min(f64::from(look.columns));
        let right = body.left() + ((end - window.x[0]) * wide) as f32;
        let y = body.bottom() + 8.0;
        let text = |x: f32, align, dim: f64| {
            widgets::text(painter, pos2(x, y), align, 90.0, &format!("dim {dim:.0}"), font::text(11.0), p.quiet);
        };
        text(body.left(), Align2::LEFT_CENTER, window.x[0].floor());
        if right - body.left() > 130.0 {
            text(right, Align2::RIGHT_CENTER, (end.ceil() - 1.0).max(0.0));
        }
    }
}

/// Returns how high the picture of so many rows is at most, with the axis below it.
pub fn height(rows: usize) -> f32 {
    rows as f32 * ROW_MAX as f32 + AXIS
}

fn shift(range: &mut [f64; 2], by: f64) {
    range.iter_mut().for_each(|edge| *edge += by);
}
