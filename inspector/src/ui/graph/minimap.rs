//! The map at the right: the whole history, what is visible of it, what is selected and what was found.

use egui::{Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, pos2, vec2};

use super::Window;
use super::density::Strips;
use crate::ui::state::State;
use crate::ui::theme::Palette;

/// Draws the map; returns the row that shall stand in the middle when somebody pressed or dragged.
pub fn draw(ui: &mut Ui, rect: Rect, window: Window, state: &State, strips: &mut Strips) -> Option<f64> {
    let p = Palette::of(ui.ctx());
    let response = ui.interact(rect, ui.scope_id().with("map"), Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::labeled(Role::ScrollBar, true, "Map of the whole history"));
    ui.painter().rect_filled(rect, 0.0, p.panel);
    ui.painter().vline(rect.left(), rect.y_range(), Stroke::new(1.0, p.line));
    let len = state.rows.len();
    if len == 0 {
        return None;
    }
    // A short history does not fill the map: its rows are as high as three points.
    let row = (f64::from(rect.height()) / f64::from(len)).min(3.0);
    let whole = Window { rect: rect.shrink2(vec2(4.0, 0.0)), scroll: 0.0, row };
    strips.draw(ui, whole, state, false);
    let visible = window.rows(len);
    let top = rect.top() + (f64::from(visible.start) * row) as f32;
    let bottom = rect.top() + (f64::from(visible.end) * row) as f32;
    let frame = Rect::from_min_max(pos2(rect.left() + 1.0, top), pos2(rect.right(), bottom.max(top + 6.0)));
    ui.painter().rect_filled(frame, 2.0, p.ink.gamma_multiply(if response.hovered() { 0.12 } else { 0.07 }));
    ui.painter().rect_stroke(frame, 2.0, Stroke::new(1.0, p.faint), StrokeKind::Inside);
    let mut last = f32::MIN;
    for &commit in state.search.found() {
        let Some(at) = state.rows.row_of(commit) else { continue };
        let y = whole.y(at);
        if (y - last).abs() >= 1.0 {
            ui.painter().rect_filled(Rect::from_min_size(pos2(rect.right() - 8.0, y), vec2(7.0, 2.0)), 0.0, p.warn);
            last = y;
        }
    }
    for (commit, color) in [(state.selection.with, p.warn), (state.selection.commit, p.accent)] {
        if let Some(at) = commit.and_then(|c| state.rows.row_of(c)) {
            let y = whole.middle(at);
            ui.painter().hline(rect.x_range().shrink(1.0), y, Stroke::new(2.0, color));
        }
    }
    let pressed = response.is_pointer_button_down_on() || response.clicked();
    let at = response.interact_pointer_pos().filter(|_| pressed)?;
    Some(f64::from(at.y - rect.top()) / row)
}
