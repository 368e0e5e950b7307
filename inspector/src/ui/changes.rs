//! The view of the vectors that a commit changed: a table that can be sorted, of any length.

use egui::{Align2, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use super::state::State;
use super::theme::{Palette, ROW};
use super::view::View;
use super::{font, widgets};
use crate::ask::{Answer, Ask, Changes, CommitNumber, Kind};
use crate::desk::Loaded;
use crate::model::format::{self, count, plural};

/// The view.
pub const VIEW: View = View {
    name: "changes",
    title: "Vectors",
    about: "Which vectors a commit changed and how far each moved, sorted as you like.",
    draw,
};

/// What the table is sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum By {
    #[default]
    Move,
    Name,
    Dims,
    Cosine,
}

#[derive(Default)]
struct Table {
    of: Option<(CommitNumber, usize)>,
    by: By,
    reversed: bool,
    order: Vec<u32>,
    sorted: Option<(By, bool)>,
    scroll: f64,
    largest: f64,
}

fn draw(ui: &mut Ui, state: &mut State) {
    let Some(commit) = state.selection.commit else { return };
    match state.desk.get(Ask::Changes { commit }) {
        Loaded::Waiting => widgets::waiting(ui, "Reading what changed…"),
        Loaded::Failed(trouble) => widgets::trouble(ui, &trouble),
        Loaded::Ready(answer) => {
            if let Answer::Changes(changes) = &*answer {
                state.lend(|table: &mut Table, state| table.draw(ui, state, changes));
            }
        }
    }
}

impl Table {
    fn draw(&mut self, ui: &mut Ui, state: &mut State, changes: &Changes) {
        let p = Palette::of(ui.ctx());
        self.sort(changes);
        let total = plural(changes.len() as u64, "vector");
        let says = if changes.complete { total } else { format!("the first {total}") };
        ui.label(
            egui::RichText::new(format!("{says} changed by {}", state.history.short_id(changes.commit))).color(p.quiet),
        );
        if changes.is_empty() {
            return;
        }
        let rect = ui.available_rect_before_wrap();
        let columns = columns(rect.width() - 12.0);
        self.header(ui, rect, &columns);
        let body = Rect::from_min_max(pos2(rect.left(), rect.top() + ROW), rect.max);
        self.body(ui, state, changes, body, &columns);
    }

    fn sort(&mut self, changes: &Changes) {
        let of = Some((changes.commit, changes.len()));
        if self.of != of {
            (self.of, self.sorted, self.scroll) = (of, None, 0.0);
        }
        if self.sorted == Some((self.by, self.reversed)) {
            return;
        }
        self.sorted = Some((self.by, self.reversed));
        self.order = (0..changes.len() as u32).collect();
        let l2 = |i: u32| f64::from_bits(changes.l2[i as usize]);
        self.largest = self.order.iter().map(|&i| l2(i)).filter(|v| v.is_finite()).fold(0.0, f64::max);
        let cosine = |i: u32| f64::from_bits(changes.cosine[i as usize]);
        match self.by {
            By::Move => self.order.sort_by(|&a, &b| l2(b).total_cmp(&l2(a))),
            By::Dims => self.order.sort_by_key(|&i| std::cmp::Reverse(changes.dims[i as usize])),
            By::Cosine => self.order.sort_by(|&a, &b| cosine(a).total_cmp(&cosine(b))),
            By::Name => self.order.sort_by_key(|&i| (changes.collection_of(i as usize), changes.key(i as usize))),
        }
        if self.reversed {
            self.order.reverse();
        }
    }

    fn header(&mut self, ui: &mut Ui, rect: Rect, columns: &[Column]) {
        let p = Palette::of(ui.ctx());
        for column in columns {
            let cell = Rect::from_min_size(pos2(rect.left() + column.x, rect.top()), vec2(column.width, ROW));
            let response = ui.interact(cell, ui.scope_id().with(column.title), Sense::click());
            let on = self.by == column.by;
            response.widget_info(|| WidgetInfo::selected(Role::Button, true, on, format!("Sort by {}", column.title)));
            if response.clicked() {
                self.reversed = on && !self.reversed;
                self.by = column.by;
                ui.ctx().request_repaint();
            }
            let ink = if response.hovered() || on { p.ink } else { p.quiet };
            let arrow = if !on {
                ""
            } else if self.reversed {
                " ▲"
            } else {
                " ▼"
            };
            let (at, align) = column.anchor(cell);
            let title = format!("{}{arrow}", column.title);
            widgets::text(ui.painter(), at, align, column.width, &title, font::bold(12.0), ink);
        }
        ui.painter().hline(rect.x_range(), rect.top() + ROW - 1.0, egui::Stroke::new(1.0, p.line));
    }

    fn body(&mut self, ui: &mut Ui, state: &mut State, changes: &Changes, rect: Rect, columns: &[Column]) {
        let p = Palette::of(ui.ctx());
        let response = ui.allocate_rect(rect, Sense::click_and_drag());
        response.widget_info(|| WidgetInfo::labeled(Role::Table, true, "Changed vectors"));
        let row = f64::from(ROW);
        if response.hovered() {
            self.scroll -= f64::from(ui.input(|i| i.smooth_scroll_delta().y)) / row;
        }
        let visible = f64::from(rect.height()) / row;
        let len = self.order.len();
        let painter = ui.painter_at(rect);
        // The bar at the right: as long as the share that is visible.
        let most = (len as f64 - visible).max(0.0);
        let track = Rect::from_min_max(pos2(rect.right() - 8.0, rect.top()), rect.max);
        let dragged = response.is_pointer_button_down_on();
        if let Some(at) = response.interact_pointer_pos().filter(|at| dragged && at.x > track.left() - 6.0) {
            self.scroll = f64::from((at.y - rect.top()) / rect.height()) * len as f64 - visible / 2.0;
        }
        self.scroll = self.scroll.min(most).max(0.0);
        let first = self.scroll as usize;
        let last = ((self.scroll + visible).ceil() as usize).min(len);
        for (i, &source) in self.order[first..last].iter().enumerate() {
            let y = rect.top() + ((first + i) as f64 * row - self.scroll * row) as f32;
            let line = Rect::from_min_size(pos2(rect.left(), y), vec2(rect.width() - 12.0, ROW));
            let source = source as usize;
            let name = format!("{}/{}", changes.collection_of(source), changes.key(source));
            if state.selection.vector.as_deref() == Some(name.as_str()) {
                painter.rect_filled(line, 3.0, p.selected);
            } else if response.hover_pos().is_some_and(|at| line.contains(at)) {
                painter.rect_filled(line, 3.0, p.hover);
            }
            if response.clicked() && response.interact_pointer_pos().is_some_and(|at| line.contains(at)) {
                state.selection.vector = Some(name.clone());
            }
            self.row(&painter, line, changes, source, &name, columns, p);
            accessible(ui, line.intersect(rect), &name, changes, source, state);
        }
        if most > 0.0 {
            let share = (visible / len as f64) as f32;
            let high = (rect.height() * share).max(24.0);
            let top = rect.top() + (rect.height() - high) * (self.scroll / most) as f32;
            let bar = Rect::from_min_size(pos2(track.left(), top), vec2(6.0, high));
            painter.rect_filled(bar, 3.0, if response.hovered() { p.faint } else { p.line });
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn row(
        &self,
        painter: &egui::Painter,
        line: Rect,
        changes: &Changes,
        source: usize,
        name: &str,
        columns: &[Column],
        p: &Palette,
    ) {
        let kind = changes.kind[source];
        let l2 = f64::from_bits(changes.l2[source]);
        let cosine = f64::from_bits(changes.cosine[source]);
        let (sign, color) = match kind {
            Kind::Inserted => ("+", p.good),
            Kind::Updated => ("~", p.warn),
            Kind::Deleted => ("-", p.bad),
        };
        for column in columns {
            let cell = Rect::from_min_size(pos2(line.left() + column.x, line.top()), vec2(column.width, ROW));
            let (at, align) = column.anchor(cell);
            let quiet = |text: &str| {
                widgets::text(painter, at, align, column.width, text, font::text(12.5), p.quiet);
            };
            match column.by {
                By::Name => {
                    widgets::text(painter, at, align, 12.0, sign, font::mono(13.0), color);
                    let name = format::line(name, 300);
                    widgets::text(
                        painter,
                        at + vec2(18.0, 0.0),
                        align,
                        column.width - 18.0,
                        &name,
                        font::text(13.0),
                        p.ink,
                    );
                }
                By::Dims if kind == Kind::Updated => quiet(&count(u64::from(changes.dims[source]))),
                By::Dims => quiet("all"),
                By::Cosine if cosine.is_nan() => quiet("–"),
                By::Cosine => quiet(&format!("{cosine:.4}")),
                By::Move => {
                    let share = if self.largest > 0.0 && l2.is_finite() { (l2 / self.largest) as f32 } else { 0.0 };
                    let bar = Rect::from_min_size(pos2(cell.left(), cell.center().y - 3.0), vec2(60.0 * share, 6.0));
                    painter.rect_filled(bar, 2.0, widgets::mix(p.ground, color, 0.75));
                    quiet(&format::measure(l2));
                }
            }
        }
    }
}

/// A column of the table.
struct Column {
    title: &'static str,
    by: By,
    x: f32,
    width: f32,
    right: bool,
}

impl Column {
    fn anchor(&self, cell: Rect) -> (egui::Pos2, Align2) {
        match self.right {
            true => (cell.right_center(), Align2::RIGHT_CENTER),
            false => (cell.left_center(), Align2::LEFT_CENTER),
        }
    }
}

fn columns(width: f32) -> Vec<Column> {
    let narrow = width < 420.0;
    let mut right = width;
    let mut out = Vec::new();
    let mut column = |title, by, wide: f32| {
        right -= wide;
        out.push(Column { title, by, x: right, width: wide - 10.0, right: true });
    };
    column("move", By::Move, 150.0);
    if !narrow {
        column("cosine", By::Cosine, 84.0);
    }
    column("dims", By::Dims, 70.0);
    out.push(Column { title: "vector", by: By::Name, x: 6.0, width: right - 12.0, right: false });
    out
}

fn accessible(ui: &Ui, rect: Rect, name: &str, changes: &Changes, source: usize, state: &mut State) {
    let id = ui.scope_id().with(("vector", source));
    let kind = match changes.kind[source] {
        Kind::Inserted => "new",
        Kind::Updated => "changed",
        Kind::Deleted => "gone",
    };
    ui.ctx().accesskit_node_builder(id, |node| {
        node.set_role(Role::Row);
        node.set_label(format!(
            "{}, {kind}, move {}",
            format::line(name, 300),
            format::measure(f64::from_bits(changes.l2[source]))
        ));
        node.add_action(egui::accesskit::Action::Click);
        node.set_bounds(egui::accesskit::Rect {
            x0: rect.left().into(),
            y0: rect.top().into(),
            x1: rect.right().into(),
            y1: rect.bottom().into(),
        });
    });
    if ui.input(|i| i.has_accesskit_action_request(id, egui::accesskit::Action::Click)) {
        state.selection.vector = Some(name.to_owned());
    }
}
