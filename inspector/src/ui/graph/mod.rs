//! The delta graph: one row a commit, newest first, from rows with text to the density of a whole history.
//!
//! One canvas with its own hit test. Rows are counted in f64, so that scrolling is exact however many there are; only
//! what is visible is laid out and drawn.

mod density;
mod lines;
mod minimap;
mod rows;

use egui::{Pos2, Rect, Response, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use super::state::State;
use super::theme::Palette;
use crate::ask::CommitNumber;
use crate::model::rows::Item;

use crate::model::rows::NORMAL;

/// From this height on a row has text.
const TEXT: f64 = 17.0;

/// Below this height rows are not drawn one by one.
const DENSITY: f64 = 3.0;

/// The width of a lane.
const LANE: f32 = 15.0;

/// How many lanes are drawn at most.
const LANES_DRAWN: u16 = 40;

/// The width of the map at the right.
const MAP: f32 = 46.0;

/// A change of scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zoom {
    /// Larger rows.
    In,
    /// Smaller rows.
    Out,
    /// The whole history.
    All,
    /// As at the start.
    Normal,
}

/// The graph's part of the window.
pub struct Graph {
    /// The row at the upper edge; between two rows it has a fraction.
    scroll: f64,
    canvas: f32,
    /// The height at which all rows fitted on the canvas in the frame before.
    fits: f64,
    seen: lines::Seen,
    map: density::Strips,
    view: density::Strips,
}

impl Default for Graph {
    fn default() -> Self {
        Self {
            scroll: 0.0,
            canvas: 0.0,
            fits: 0.0,
            seen: lines::Seen::default(),
            map: density::Strips::default(),
            view: density::Strips::default(),
        }
    }
}

/// The part of the canvas that rows stand in, and which.
#[derive(Clone, Copy)]
struct Window {
    rect: Rect,
    scroll: f64,
    row: f64,
}

impl Window {
    /// Returns where a row's upper edge is. Exact: both sides of the difference are whole or nearly so.
    fn y(&self, row: u32) -> f32 {
        self.rect.top() + ((f64::from(row) - self.scroll) * self.row) as f32
    }

    fn middle(&self, row: u32) -> f32 {
        self.y(row) + (self.row / 2.0) as f32
    }

    fn row_at(&self, y: f32) -> f64 {
        self.scroll + f64::from(y - self.rect.top()) / self.row
    }

    /// Returns the rows that are at least partly visible.
    fn rows(&self, len: u32) -> std::ops::Range<u32> {
        let end = self.scroll + f64::from(self.rect.height()) / self.row;
        (self.scroll.max(0.0) as u32).min(len)..(end.ceil().max(0.0) as u32).min(len)
    }
}

impl Graph {
    /// Changes the scale around the middle of the canvas, or around the selected row if that is visible.
    pub fn zoom(&mut self, zoom: Zoom, state: &mut State) {
        let height = f64::from(self.canvas);
        let selected = state.selection.commit.and_then(|c| state.rows.row_of(c)).map(f64::from);
        let middle = self.scroll + height / 2.0 / state.row_height;
        let visible = |row: &f64| *row >= self.scroll && *row <= self.scroll + height / state.row_height;
        let around = selected.filter(visible).unwrap_or(middle);
        let to = match zoom {
            Zoom::In => state.row_height * 1.5,
            Zoom::Out => state.row_height / 1.5,
            Zoom::All => height / f64::from(state.rows.len().max(1)),
            Zoom::Normal => NORMAL,
        };
        self.zoom_to(to, around, state);
    }

    fn zoom_to(&mut self, row: f64, around: f64, state: &mut State) {
        let all = f64::from(self.canvas) / f64::from(state.rows.len().max(1));
        let row = row.clamp(all.min(NORMAL), 64.0);
        // What is looked at stays where it is on the screen.
        self.scroll = around - (around - self.scroll) * state.row_height / row;
        state.row_height = row;
    }

    /// Draws the graph.
    pub fn draw(&mut self, ui: &mut Ui, state: &mut State) {
        let p = Palette::of(ui.ctx());
        let mut whole = ui.available_rect_before_wrap();
        if state.selection.view == super::drift::VIEW.name {
            whole.min.y = whole.min.y.max(state.rows_below.min(whole.center().y));
        }
        let response = ui.allocate_rect(whole, Sense::click());
        let len = state.rows.len();
        let name = format!("Commits, {len} rows");
        response.widget_info(|| WidgetInfo::labeled(Role::ListBox, true, &name));
        ui.painter().rect_filled(whole, 0.0, p.ground);
        let map = Rect::from_min_max(pos2(whole.right() - MAP, whole.top()), whole.max);
        let rect = Rect::from_min_max(whole.min, pos2(map.left(), whole.bottom()));
        self.canvas = rect.height();
        // Smaller than the whole history on the canvas makes no sense; what fitted before the canvas changed fits again.
        let fits = (f64::from(self.canvas) / f64::from(len.max(1))).min(NORMAL);
        if state.row_height <= self.fits * 1.001 || state.row_height < fits {
            state.row_height = fits;
        }
        // At their normal size rows do not follow.
        self.fits = if fits < NORMAL { fits } else { 0.0 };
        self.scroll_by_input(ui, &response, rect, state);
        if std::mem::take(&mut state.reveal) {
            self.reveal(state);
        }
        self.clamp(len, state.row_height);
        let window = Window { rect, scroll: self.scroll, row: state.row_height };
        state.rows_shown = super::state::RowsShown { top: rect.top(), scroll: self.scroll, row: state.row_height };
        if state.row_height >= DENSITY {
            self.seen.see(window, state);
            let hovered = response.hover_pos().filter(|at| rect.contains(*at)).map(|at| window.row_at(at.y) as u32);
            rows::draw(ui, window, state, &self.seen, hovered);
            if let Some(row) = hovered.filter(|&r| r < len) {
                rows::tooltip(&response, state, row);
            }
        } else {
            self.view.draw(ui, window, state, true);
            density::marks(ui, window, state);
        }
        self.press(ui, &response, window, state);
        let to = minimap::draw(ui, map, window, state, &mut self.map);
        if let Some(middle) = to {
            self.scroll = middle - f64::from(rect.height()) / state.row_height / 2.0;
            self.clamp(len, state.row_height);
            ui.ctx().request_repaint();
        }
    }

    fn scroll_by_input(&mut self, ui: &Ui, response: &Response, rect: Rect, state: &mut State) {
        let Some(at) = response.hover_pos().filter(|at| rect.contains(*at)) else { return };
        let (scroll, zoom) = ui.input(|i| (i.smooth_scroll_delta().y, i.zoom_delta()));
        if zoom != 1.0 {
            let around = self.scroll + f64::from(at.y - rect.top()) / state.row_height;
            self.zoom_to(state.row_height * f64::from(zoom), around, state);
        } else {
            self.scroll -= f64::from(scroll) / state.row_height;
        }
    }

    /// Scrolls as little as makes the selected row visible with two beside it.
    fn reveal(&mut self, state: &State) {
        let Some(row) = state.selection.commit.and_then(|c| state.rows.row_of(c)) else { return };
        let (row, height) = (f64::from(row), f64::from(self.canvas) / state.row_height);
        let margin = 2.0_f64.min((height - 1.0).max(0.0) / 2.0);
        let (lowest, highest) = (row + 1.0 + margin - height, row - margin);
        // Far away: into the middle, so that what is around it is seen.
        if self.scroll > highest + height || self.scroll < lowest - height {
            self.scroll = row + 0.5 - height / 2.0;
        }
        self.scroll = self.scroll.max(lowest).min(highest);
    }

    fn clamp(&mut self, len: u32, row: f64) {
        let last = f64::from(len) - f64::from(self.canvas) / row;
        self.scroll = self.scroll.min(last).max(0.0);
    }

    fn press(&mut self, ui: &Ui, response: &Response, window: Window, state: &mut State) {
        let pressed = response.interact_pointer_pos().filter(|at| response.clicked() && window.rect.contains(*at));
        if let Some(at) = pressed {
            response.request_focus();
            press(state, window, at, ui.input(|i| i.modifiers.shift));
        }
        let menu = response.secondary_clicked().then(|| response.interact_pointer_pos()).flatten();
        if let Some(at) = menu {
            press(state, window, at, false);
        }
        response.context_menu(|ui| {
            for command in [
                crate::model::command::Command::Mark,
                crate::model::command::Command::CopyId,
                crate::model::command::Command::CopyLink,
                crate::model::command::Command::Play,
            ] {
                super::shell::menu_item(ui, state, command);
            }
        });
    }
}

fn press(state: &mut State, window: Window, at: Pos2, mark: bool) {
    let row = window.row_at(at.y);
    if row < 0.0 {
        return;
    }
    match state.rows.item(row as u32) {
        Some(Item::Commit(commit)) if mark => state.selection.with = Some(commit),
        Some(Item::Commit(commit)) => choose(state, commit),
        Some(Item::Folded(newest, _)) => {
            state.unfolded.insert(newest);
            state.fold();
        }
        None => {}
    }
}

fn choose(state: &mut State, commit: CommitNumber) {
    state.playback.playing = false;
    state.select(commit);
    // It is where the pointer is; nothing has to move.
    state.reveal = false;
}

/// Returns where a lane is.
fn lane_x(rect: Rect, lane: u16) -> f32 {
    rect.left() + 16.0 + f32::from(lane.min(LANES_DRAWN)) * LANE
}

/// Returns how wide lanes are.
fn lanes_width(width: u16) -> f32 {
    16.0 + f32::from(width.clamp(1, LANES_DRAWN)) * LANE
}

/// Returns the size of the dot of a commit that changed `sources` sources, of `most` at most.
fn dot(sources: u64) -> f32 {
    3.2 + (1.0 + sources as f32).log10().min(5.0) * 0.55
}

/// Returns how long the bar of a commit is, from 0 to 1: by magnitudes of ten, since a first import is far larger than
/// what follows.
pub fn share(sources: u64, most: u64) -> f32 {
    if sources == 0 || most == 0 {
        return 0.0;
    }
    ((1.0 + sources as f32).ln() / (1.0 + most as f32).ln()).clamp(0.04, 1.0)
}

/// Returns a small square around a point.
fn around(at: Pos2, half: f32) -> Rect {
    Rect::from_center_size(at, vec2(half * 2.0, half * 2.0))
}
