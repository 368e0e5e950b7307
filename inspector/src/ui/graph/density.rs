//! A whole history in as many strips as there are points: which lanes are used, and how much changed.

use egui::epaint::Mesh;
use egui::{Color32, Rect, Shape, Ui, pos2, vec2};

use super::{Window, share};
use crate::ask::CommitNumber;
use crate::ui::state::State;
use crate::ui::theme::Palette;
use crate::ui::widgets::mix;

/// How many lanes a strip shows.
const LANES: usize = 12;

/// How many rows of a strip are looked at.
const LOOKED_AT_MAX: u32 = 48;

/// Strips, kept while nothing changes.
#[derive(Default)]
pub struct Strips {
    key: Option<Key>,
    strips: Vec<Strip>,
}

#[derive(Clone, Copy, PartialEq)]
struct Key {
    scroll: f64,
    row: f64,
    height: f32,
    rows: u32,
    recorded: u32,
}

/// One strip: the lanes with the commit whose colour they have, and the most that changed.
#[derive(Clone, Default)]
struct Strip {
    lanes: Vec<(u16, CommitNumber)>,
    sources: u64,
    commit: CommitNumber,
}

impl Strips {
    /// Draws the strips of a window. `lanes` tells whether lanes are shown beside the bars.
    pub fn draw(&mut self, ui: &Ui, window: Window, state: &State, lanes: bool) {
        let p = Palette::of(ui.ctx());
        self.find(window, state);
        let most = state.history.most_sources();
        let mut mesh = Mesh::default();
        let used = self.strips.iter().flat_map(|s| &s.lanes).map(|(lane, _)| *lane).max().unwrap_or(0);
        let lanes_width = if lanes { f32::from(used + 1) * 5.0 + 16.0 } else { 0.0 };
        let bars = Rect::from_min_max(pos2(window.rect.left() + lanes_width + 4.0, window.rect.top()), window.rect.max);
        for (i, strip) in self.strips.iter().enumerate() {
            let y = window.rect.top() + i as f32;
            let color = |commit| p.branch(state.history.branch_name(state.history.branch(commit)));
            if lanes {
                for (lane, commit) in &strip.lanes {
                    let x = window.rect.left() + 10.0 + f32::from(*lane) * 5.0;
                    add(&mut mesh, Rect::from_min_size(pos2(x, y), vec2(3.5, 1.0)), color(*commit));
                }
            }
            let long = share(strip.sources, most) * (bars.width() - 6.0).min(320.0);
            if long > 0.0 {
                let strength = if lanes { 0.55 } else { 0.5 };
                let bar = Rect::from_min_size(pos2(bars.left(), y), vec2(long, 1.0));
                add(&mut mesh, bar, mix(p.ground, color(strip.commit), strength));
            }
        }
        ui.painter_at(window.rect).add(Shape::mesh(mesh));
    }

    fn find(&mut self, window: Window, state: &State) {
        let (rows, recorded) = (state.rows.len(), state.history.recorded());
        let key = Key { scroll: window.scroll, row: window.row, height: window.rect.height(), rows, recorded };
        if self.key == Some(key) {
            return;
        }
        self.key = Some(key);
        self.strips.clear();
        for i in 0..window.rect.height().max(0.0) as u32 {
            let at = |y: f64| (window.scroll + y / window.row).max(0.0);
            let (from, to) = (at(f64::from(i)), at(f64::from(i) + 1.0));
            if from >= f64::from(rows) {
                break;
            }
            let from = from as u32;
            let to = (to.ceil() as u32).clamp(from + 1, rows.max(from + 1));
            self.strips.push(strip(state, from..to.min(rows)));
        }
    }
}

fn strip(state: &State, rows: std::ops::Range<u32>) -> Strip {
    let mut strip = Strip::default();
    let step = ((rows.end - rows.start) / LOOKED_AT_MAX).max(1) as usize;
    for row in rows.step_by(step) {
        let Some(item) = state.rows.item(row) else { continue };
        let commit = item.newest();
        let lane = state.lanes.lane(state.history.len() - 1 - commit).min(LANES as u16 - 1);
        if !strip.lanes.iter().any(|(l, _)| *l == lane) {
            strip.lanes.push((lane, commit));
        }
        let sources = state.history.record(commit).map_or(0, crate::ask::Record::sources);
        if strip.lanes.len() == 1 || sources > strip.sources {
            (strip.sources, strip.commit) = (sources.max(strip.sources), commit);
        }
    }
    strip
}

/// Draws where the selected commits are.
pub fn marks(ui: &Ui, window: Window, state: &State) {
    let p = Palette::of(ui.ctx());
    for (commit, color) in [(state.selection.with, p.warn), (state.selection.commit, p.accent)] {
        if let Some(row) = commit.and_then(|c| state.rows.row_of(c)) {
            let stroke = egui::Stroke::new(1.5, color);
            ui.painter_at(window.rect).hline(window.rect.x_range(), window.middle(row), stroke);
        }
    }
}

fn add(mesh: &mut Mesh, rect: Rect, color: Color32) {
    mesh.add_colored_rect(rect, color);
}
