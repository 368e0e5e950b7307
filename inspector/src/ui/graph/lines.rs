//! The lines between commits.

use egui::{Color32, Painter, Pos2, Shape, Stroke, pos2};

use super::{LANES_DRAWN, Window, lane_x};
use crate::model::lanes::Row;
use crate::model::rows::Item;
use crate::ui::state::State;
use crate::ui::theme::Palette;

/// What is visible, with its lines: kept from frame to frame.
#[derive(Default)]
pub struct Seen {
    /// The row of the first.
    pub first: u32,
    /// What stands in each row.
    pub rows: Vec<(Item, Row)>,
    key: (u32, u32, u32, u32),
    /// How many lanes are used.
    pub width: u16,
}

impl Seen {
    /// Finds what is visible.
    pub fn see(&mut self, window: Window, state: &State) {
        let range = window.rows(state.rows.len());
        let key = (range.start, range.end, state.rows.len(), state.history.len());
        if self.key == key && !self.rows.is_empty() {
            return;
        }
        self.key = key;
        self.first = range.start;
        let commits = state.rows.commits(range.clone());
        let n = state.history.len();
        let lane_rows = n.saturating_sub(commits.end)..n.saturating_sub(commits.start);
        self.width = state.lanes.width(lane_rows.clone());
        let folded = range.clone().any(|r| matches!(state.rows.item(r), Some(Item::Folded(..))));
        self.rows.clear();
        if !folded {
            let rows = state.lanes.rows(&state.history, lane_rows);
            self.rows.extend(rows.into_iter().map(|row| (Item::Commit(row.commit), row)));
            return;
        }
        for row in range {
            let Some(item) = state.rows.item(row) else { continue };
            let of = |commit: u32| {
                let at = n - 1 - commit;
                state.lanes.rows(&state.history, at..at + 1).pop().unwrap_or_default()
            };
            let mut drawn = of(item.newest());
            if item.oldest() != item.newest() {
                let last = of(item.oldest());
                (drawn.below, drawn.to_parents) = (last.below, last.to_parents);
            }
            self.rows.push((item, drawn));
        }
    }
}

/// Draws the lines of one row.
pub fn draw(painter: &Painter, window: Window, y: f32, row: &Row, state: &State, p: &Palette) {
    let (top, bottom) = (y, y + window.row as f32);
    let middle = (top + bottom) / 2.0;
    let node = pos2(lane_x(window.rect, row.lane), middle);
    let color = |branch| p.branch(state.history.branch_name(branch));
    let drawn = |lane: &&(u16, crate::model::lanes::Line)| lane.0 < LANES_DRAWN;
    for (lane, line) in row.above.iter().filter(drawn) {
        let x = lane_x(window.rect, *lane);
        let stroke = Stroke::new(1.6, color(line.branch));
        if line.target == row.commit {
            curve(painter, pos2(x, top), node, stroke);
        } else if !row.below.iter().any(|(l, below)| l == lane && below.target == line.target) {
            painter.line_segment([pos2(x, top), pos2(x, middle)], stroke);
        }
    }
    for (lane, line) in row.below.iter().filter(drawn) {
        let x = lane_x(window.rect, *lane);
        let stroke = Stroke::new(1.6, color(line.branch));
        let from_above = row.above.iter().any(|(l, above)| l == lane && above.target == line.target);
        if from_above {
            painter.line_segment([pos2(x, top), pos2(x, bottom)], stroke);
        }
        if row.to_parents.contains(lane) {
            curve(painter, pos2(x, bottom), node, stroke);
        }
    }
}

/// Draws a line from the edge of a row to the commit in its middle: first straight down, then over.
fn curve(painter: &Painter, edge: Pos2, node: Pos2, stroke: Stroke) {
    if (edge.x - node.x).abs() < 0.5 {
        painter.line_segment([edge, node], stroke);
        return;
    }
    let steps = if (edge.y - node.y).abs() < 5.0 { 2 } else { 10 };
    let points = (0..=steps).map(|i| {
        let t = i as f32 / steps as f32;
        let s = t * t * (3.0 - 2.0 * t);
        // Slow across at the edge, so that it joins the straight line of the next row.
        pos2(edge.x + (node.x - edge.x) * s, edge.y + (node.y - edge.y) * t)
    });
    painter.add(Shape::line(points.collect(), stroke));
}

/// Returns the colour of a commit's branch.
pub fn color(state: &State, commit: u32, p: &Palette) -> Color32 {
    p.branch(state.history.branch_name(state.history.branch(commit)))
}
