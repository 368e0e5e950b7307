//! Which part of the plane is visible.

use egui::{Pos2, Rect, Vec2, pos2};

/// How much closer or farther one step of the keys goes.
const STEP: f64 = 1.4;

/// What part of the visible length one step of the keys moves.
const PAN: f64 = 0.2;

/// The middle of what is visible, and how much of the plane the shorter side of the view shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Camera {
    /// The middle.
    pub middle: [f64; 2],
    /// The length along the shorter side.
    pub span: f64,
}

impl Camera {
    /// Returns the camera that shows an extent, with some room around it.
    pub fn of(extent: [[f64; 2]; 2]) -> Self {
        let sizes = extent.map(|[least, most]| most - least);
        let span = sizes[0].max(sizes[1]) * 1.12;
        let middle = extent.map(|[least, most]| (least + most) / 2.0);
        Self { middle, span: if span > 0.0 && span.is_finite() { span } else { 1.0 } }
    }

    /// Reads it from a link; nothing where that makes no sense.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(',').map(|n| n.parse().ok().filter(|n: &f32| n.is_finite()).map(f64::from));
        let (x, y, span) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let sane = numbers.next().is_none() && span > 1e-30 && span < 1e30 && x.abs() < 1e30 && y.abs() < 1e30;
        sane.then_some(Self { middle: [x, y], span })
    }

    /// Writes it for a link.
    pub fn text(&self) -> String {
        format!("{},{},{}", self.middle[0] as f32, self.middle[1] as f32, self.span as f32)
    }

    /// Returns how many points of the screen one unit of the plane takes.
    pub fn scale(self, rect: Rect) -> f64 {
        f64::from(rect.width().min(rect.height()).max(1.0)) / self.span
    }

    /// Returns where on the screen a place of the plane is.
    pub fn to_screen(self, rect: Rect, at: [f32; 2]) -> Pos2 {
        let scale = self.scale(rect);
        let x = (f64::from(at[0]) - self.middle[0]) * scale;
        let y = (f64::from(at[1]) - self.middle[1]) * scale;
        pos2(rect.center().x + x as f32, rect.center().y - y as f32)
    }

    /// Returns what is visible after the plane was dragged by some points.
    pub fn dragged(self, rect: Rect, by: Vec2) -> Self {
        let scale = self.scale(rect);
        let middle = [self.middle[0] - f64::from(by.x) / scale, self.middle[1] + f64::from(by.y) / scale];
        Self { middle, ..self }
    }

    /// Returns what is visible some times closer, with the place under a point of the screen where it was.
    pub fn zoomed(self, rect: Rect, at: Pos2, factor: f64) -> Self {
        let span = (self.span / factor).clamp(1e-20, 1e20);
        let off = at - rect.center();
        let shift = (self.span - span) / f64::from(rect.width().min(rect.height()).max(1.0));
        let middle = [self.middle[0] + f64::from(off.x) * shift, self.middle[1] - f64::from(off.y) * shift];
        Self { middle, span }
    }

    /// Returns what is visible one step closer or farther away.
    pub fn stepped(self, closer: bool) -> Self {
        Self { span: (if closer { self.span / STEP } else { self.span * STEP }).clamp(1e-20, 1e20), ..self }
    }

    /// Returns what is visible one step to a side.
    pub fn moved(self, x: f64, y: f64) -> Self {
        Self { middle: [self.middle[0] + x * PAN * self.span, self.middle[1] + y * PAN * self.span], ..self }
    }
}

#[cfg(test)]
mod tests {
    use egui::vec2;

    use super::*;

    #[test]
    fn what_is_under_the_pointer_stays_there() {
        let rect = Rect::from_min_size(pos2(10.0, 20.0), vec2(300.0, 200.0));
        let camera = Camera::of([[-1.0, 3.0], [0.0, 1.0]]);
        let at = camera.to_screen(rect, [2.5, 0.25]);
        for factor in [0.5, 1.0, 3.0] {
            assert!((camera.zoomed(rect, at, factor).to_screen(rect, [2.5, 0.25]) - at).length() < 1e-3);
        }
        let moved = camera.dragged(rect, vec2(7.0, -9.0)).to_screen(rect, [2.5, 0.25]);
        assert!((moved - at - vec2(7.0, -9.0)).length() < 1e-3);
    }

    #[test]
    fn a_link_brings_it_back_and_nonsense_does_not() {
        let camera = Camera { middle: [0.1, -2.0], span: 1e-3 };
        let again = Camera::parse(&camera.text()).expect("it was just written");
        assert_eq!(again.text(), camera.text());
        for text in ["", "1,2", "1,2,0", "1,2,3,4", "NaN,0,1", "1,2,inf", "1,2,-1"] {
            assert_eq!(Camera::parse(text), None, "{text}");
        }
    }
}
