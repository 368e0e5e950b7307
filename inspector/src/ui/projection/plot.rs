//! The picture of the points: one sign for each, or the density of cells where there are too many.

use std::sync::Arc;

use egui::epaint::{Mesh, Vertex, WHITE_UV};
use egui::{Color32, Pos2, Rect, Shape, Stroke, pos2, vec2};

use super::camera::Camera;
use crate::ui::theme::Palette;
use crate::ui::widgets;

/// How many points get a sign of their own: four corners each.
const SIGNS_MAX: usize = 30_000;

/// How many points get a sign with soft edges.
const SOFT_MAX: usize = 2_000;

/// How many cells there are at most: four corners each.
const CELLS_MAX: f32 = 40_000.0;

/// How many moves are drawn as lines.
const LINES_MAX: usize = 4_000;

/// The sign of a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A round dot.
    Dot,
    /// A square on its corner.
    Diamond,
    /// A square.
    Square,
    /// A cross.
    Cross,
}

/// How points of a class are drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    /// What it is called.
    pub name: String,
    /// The sign.
    pub sign: Sign,
    /// The colour.
    pub color: Color32,
    /// Half its size.
    pub radius: f32,
    /// How many points are in it.
    pub count: usize,
}

/// A point with the number of its class.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Where it is on the plane.
    pub at: [f32; 2],
    /// Its slot.
    pub slot: u32,
    /// The number of its class; those with higher numbers are drawn above.
    pub class: u8,
}

/// What is drawn, made once and drawn until something changes.
#[derive(Default)]
pub struct Plot {
    made_of: Option<(u64, Rect, Camera, Color32)>,
    shapes: Vec<Shape>,
    /// Whether there were too many points for signs.
    pub dense: bool,
    /// How many points are visible.
    pub visible: usize,
}

impl Plot {
    /// Makes the picture anew if something changed; `version` counts changes of points and classes.
    pub fn make(
        &mut self,
        version: u64,
        (rect, camera): (Rect, Camera),
        p: &Palette,
        points: &[Point],
        classes: &[Class],
        lines: &[[[f32; 2]; 2]],
    ) {
        let made_of = Some((version, rect, camera, p.ground));
        if self.made_of == made_of {
            return;
        }
        self.made_of = made_of;
        self.shapes.clear();
        let room = rect.expand(6.0);
        let visible = || {
            points.iter().map(|point| (camera.to_screen(rect, point.at), point)).filter(|(at, _)| room.contains(*at))
        };
        self.visible = visible().count();
        self.dense = self.visible > SIGNS_MAX;
        let mut mesh = Mesh::default();
        for [from, to] in lines.iter().take(LINES_MAX) {
            let [a, b] = [from, to].map(|at| camera.to_screen(rect, *at));
            if room.intersects(Rect::from_two_pos(a, b)) {
                line(&mut mesh, a, b, widgets::mix(p.ground, p.warn, 0.4));
            }
        }
        if self.dense {
            cells(&mut mesh, rect, visible().map(|(at, point)| (at, point.class)), classes, p);
        } else {
            let soft = self.visible <= SOFT_MAX;
            // The more there are, the smaller they are, so that those below are seen.
            let part = if soft { 1.0 } else { 0.55 };
            for number in 0..classes.len() as u8 {
                let class = &classes[usize::from(number)];
                for (at, _) in visible().filter(|(_, point)| point.class == number) {
                    if soft {
                        self.shapes.push(sign(class.sign, at, class.radius, class.color));
                    } else {
                        quads(&mut mesh, class.sign, at, class.radius * part, class.color);
                    }
                }
            }
        }
        if !mesh.is_empty() {
            // Lines and cells lie below signs.
            self.shapes.insert(0, Shape::Mesh(Arc::new(mesh)));
        }
    }

    /// Returns what is to be painted.
    pub fn shapes(&self) -> &[Shape] {
        &self.shapes
    }
}

/// Returns a sign with soft edges.
pub fn sign(sign: Sign, at: Pos2, r: f32, color: Color32) -> Shape {
    match sign {
        Sign::Dot => Shape::circle_filled(at, r, color),
        Sign::Square => Shape::rect_filled(Rect::from_center_size(at, vec2(r, r) * 1.8), 0.0, color),
        Sign::Diamond => {
            let r = r * 1.25;
            let corners = [vec2(0.0, -r), vec2(r, 0.0), vec2(0.0, r), vec2(-r, 0.0)];
            Shape::convex_polygon(corners.map(|c| at + c).to_vec(), color, Stroke::NONE)
        }
        Sign::Cross => {
            let line = |a: [f32; 2]| {
                let off = vec2(a[0] * r, a[1] * r);
                Shape::line_segment([at - off, at + off], Stroke::new(1.6, color))
            };
            Shape::Vec(vec![line([1.0, 1.0]), line([1.0, -1.0])])
        }
    }
}

fn corners(mesh: &mut Mesh, corners: [Pos2; 4], color: Color32) {
    let first = mesh.vertices.len() as u32;
    mesh.vertices.extend(corners.map(|pos| Vertex { pos, uv: WHITE_UV, color }));
    mesh.indices.extend([0, 1, 2, 0, 2, 3].map(|i| first + i));
}

fn quads(mesh: &mut Mesh, sign: Sign, at: Pos2, r: f32, color: Color32) {
    let of = |c: [[f32; 2]; 4]| c.map(|[x, y]| pos2(at.x + x * r, at.y + y * r));
    match sign {
        Sign::Dot | Sign::Square => corners(mesh, of([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]), color),
        Sign::Diamond => corners(mesh, of([[0.0, -1.3], [1.3, 0.0], [0.0, 1.3], [-1.3, 0.0]]), color),
        Sign::Cross => {
            corners(mesh, of([[-1.5, -0.9], [-0.9, -1.5], [1.5, 0.9], [0.9, 1.5]]), color);
            corners(mesh, of([[1.5, -0.9], [0.9, -1.5], [-1.5, 0.9], [-0.9, 1.5]]), color);
        }
    }
}

fn line(mesh: &mut Mesh, a: Pos2, b: Pos2, color: Color32) {
    let along = b - a;
    let side = if along.length() > 0.0 { along.rot90().normalized() * 0.6 } else { return };
    corners(mesh, [a - side, a + side, b + side, b - side], color);
}

/// Draws how many points lie in each cell, in the mixed colour of their classes.
fn cells(mesh: &mut Mesh, rect: Rect, points: impl Iterator<Item = (Pos2, u8)>, classes: &[Class], p: &Palette) {
    let side = (rect.area() / CELLS_MAX).sqrt().max(3.0);
    let (columns, rows) = ((rect.width() / side).ceil() as usize + 1, (rect.height() / side).ceil() as usize + 1);
    let mut counts = vec![[0_u32; 10]; columns * rows];
    for (at, class) in points {
        let (x, y) = ((at.x - rect.left()) / side, (at.y - rect.top()) / side);
        if x < 0.0 || y < 0.0 || x as usize >= columns || y as usize >= rows {
            continue;
        }
        let cell = &mut counts[y as usize * columns + x as usize];
        cell[usize::from(class).min(8)] += 1;
        cell[9] += 1;
    }
    let most = counts.iter().map(|c| c[9]).max().unwrap_or(0).max(2);
    for (i, cell) in counts.iter().enumerate().filter(|(_, c)| c[9] > 0) {
        // The first class is the ground of the others: one that changed is seen among many that did not.
        let above = cell[9] - cell[0];
        let strongest = (1..9).max_by_key(|&k| cell[k]).unwrap_or(1);
        let color = |k: usize| classes.get(k).map_or(p.faint, |c| c.color);
        let share = if above == 0 { 0.0 } else { (above as f32 / cell[9] as f32).max(0.35) };
        let mixed = widgets::mix(color(0), color(strongest), share);
        let strength = 0.3 + 0.7 * (cell[9] as f32).ln_1p() / (most as f32).ln_1p();
        let at = pos2(rect.left() + (i % columns) as f32 * side, rect.top() + (i / columns) as f32 * side);
        let to = pos2((at.x + side).min(rect.right()), (at.y + side).min(rect.bottom()));
        let all = [at, pos2(to.x, at.y), to, pos2(at.x, to.y)];
        corners(mesh, all, widgets::mix(p.ground, mixed, strength));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_sign_is_the_same_from_the_left_and_from_the_right() {
        for sign in [Sign::Dot, Sign::Square, Sign::Diamond, Sign::Cross] {
            let mut mesh = Mesh::default();
            quads(&mut mesh, sign, pos2(0.0, 0.0), 10.0, Color32::WHITE);
            let places = |side: f32| {
                let place = |v: &Vertex| [(v.pos.x * side) as i32, v.pos.y as i32];
                let mut places: Vec<_> = mesh.vertices.iter().map(place).collect();
                places.sort_unstable();
                places
            };
            assert_eq!(places(1.0), places(-1.0), "{sign:?}");
        }
    }
}
