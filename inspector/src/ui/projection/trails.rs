//! Trails: the ways of single vectors through the plane, version after version.

use egui::{Align2, Color32, Rect, Shape, Stroke, Ui, vec2};

use super::camera::Camera;
use crate::ask::{Answer, Ask, CommitNumber};
use crate::desk::Loaded;
use crate::model::format;
use crate::model::plane::Plane;
use crate::model::versions::Versions;
use crate::ui::state::State;
use crate::ui::theme::Palette;
use crate::ui::{font, widgets};

/// How many trails are kept.
pub const KEPT_MAX: usize = 12;

/// How many steps of a trail are drawn; of more, every few-th.
const STEPS_MAX: usize = 400;

/// The trail of one vector.
pub struct Trail {
    /// The vector, `collection/key`.
    pub source: String,
    tip: CommitNumber,
    versions: Versions,
    failed: bool,
    /// The commit of each version, and where it lies; nothing where there is no row that can be drawn.
    steps: Vec<(CommitNumber, Option<[f32; 2]>)>,
}

/// Returns the vectors whose trails are kept, as a link says.
pub fn kept(state: &State) -> Vec<String> {
    let text = state.selection.param("trails").unwrap_or("[]");
    let mut names: Vec<String> = serde_json::from_str(text).unwrap_or_default();
    names.truncate(KEPT_MAX);
    names
}

/// Keeps the trail of a vector, or lets it go.
pub fn toggle(state: &mut State, source: &str) {
    let mut names = kept(state);
    match names.iter().position(|n| n == source) {
        Some(at) => drop(names.remove(at)),
        None => names.push(source.to_owned()),
    }
    if names.len() > KEPT_MAX {
        names.remove(0);
    }
    let text = (!names.is_empty()).then(|| serde_json::Value::from(names).to_string());
    state.selection.set_param("trails", text);
}

impl Trail {
    /// Begins with nothing known.
    pub fn new(source: String, tip: CommitNumber) -> Self {
        Self { source, tip, versions: Versions::default(), failed: false, steps: Vec::new() }
    }

    /// Returns whether it is that of a vector on the way to a commit.
    pub fn is_of(&self, source: &str, tip: CommitNumber) -> bool {
        self.source == source && self.tip == tip
    }

    /// Goes on reading; where versions lie is found as they come.
    pub fn go_on(&mut self, ui: &Ui, state: &mut State, plane: &Plane) {
        if let Some(from) = self.versions.next().filter(|_| !self.failed) {
            match state.desk.get(Ask::Versions { tip: self.tip, source: self.source.clone(), from }) {
                Loaded::Failed(_) => self.failed = true,
                Loaded::Waiting => {}
                Loaded::Ready(answer) => {
                    if let Answer::Versions(slice) = &*answer {
                        self.versions.take(slice);
                    }
                    ui.ctx().request_repaint();
                }
            }
        }
        let mut row = Vec::new();
        for i in self.steps.len()..self.versions.len() {
            let Some(version) = self.versions.version(i) else { break };
            row.clear();
            row.extend((0..version.dims).filter_map(|d| self.versions.value(i, d)));
            let place = plane.place(&row).filter(|_| version.alive);
            self.steps.push((version.commit, place.map(|p| [p[0], p[1]])));
        }
    }

    /// Draws the way to a commit, and thinner what comes after it.
    pub fn draw(&self, painter: &egui::Painter, rect: Rect, camera: Camera, now: CommitNumber, look: Look<'_>) {
        let Look { color, p, named } = look;
        let stride = self.steps.len().div_ceil(STEPS_MAX).max(1);
        let last = self.steps.partition_point(|(commit, _)| *commit <= now);
        let mut shapes = Vec::new();
        let mut before: Option<egui::Pos2> = None;
        let mut here = None;
        for (i, (_, place)) in self.steps.iter().enumerate() {
            let current = i + 1 == last;
            if !i.is_multiple_of(stride) && !current {
                continue;
            }
            let at = place.map(|place| camera.to_screen(rect, place));
            let past = i < last;
            // The nearer to now, the stronger.
            let age = if past { (last - i) as f32 / last.max(1) as f32 } else { 1.0 };
            let ink = widgets::mix(p.ground, color, if past { 1.0 - 0.7 * age } else { 0.25 });
            if let (Some(a), Some(b)) = (before, at) {
                shapes.push(Shape::line_segment([a, b], Stroke::new(if past { 1.8 } else { 1.0 }, ink)));
            }
            if let Some(at) = at {
                shapes.push(Shape::circle_filled(at, if past { 2.2 } else { 1.4 }, ink));
                if current {
                    here = Some(at);
                }
            }
            before = at;
        }
        painter.extend(shapes);
        if let Some(at) = here {
            painter.circle(at, 5.0, p.ground, Stroke::new(2.2, color));
            if named {
                let name = format::line(self.source.split_once('/').map_or(&self.source, |(_, key)| key), 40);
                let right = at.x > rect.right() - 110.0;
                let (off, align) = if right { (-9.0, Align2::RIGHT_CENTER) } else { (9.0, Align2::LEFT_CENTER) };
                widgets::text(painter, at + vec2(off, -9.0), align, 200.0, &name, font::bold(12.0), p.ink);
            }
        }
    }

    /// Says how many versions there are, or that there is none.
    pub fn says(&self) -> String {
        match self.versions.total() {
            _ if self.failed => "not on this way".to_owned(),
            n => format::plural(n.into(), "version"),
        }
    }
}

/// How a trail is drawn.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// Its colour.
    pub color: Color32,
    /// The theme.
    pub p: &'a Palette,
    /// Whether its name stands beside it.
    pub named: bool,
}
