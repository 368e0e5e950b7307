//! Rows of the graph that are large enough to be drawn one by one.

use egui::accesskit::{Action, Rect as NodeRect, Role};
use egui::{Align2, Id, Painter, Rect, Response, RichText, Stroke, StrokeKind, Ui, pos2, vec2};

use super::lines::{self, Seen};
use super::{TEXT, Window, around, dot, lane_x, lanes_width, share};
use crate::ask::{CommitNumber, NONE};
use crate::model::format;
use crate::model::rows::Item;
use crate::ui::state::State;
use crate::ui::theme::Palette;
use crate::ui::{font, widgets};

/// Where the columns of text begin and end.
struct Columns {
    left: f32,
    message_end: f32,
    author: Option<(f32, f32)>,
    time: Option<f32>,
    changed: f32,
    hash: Option<f32>,
    right: f32,
}

impl Columns {
    fn of(rect: Rect, width: u16) -> Self {
        let left = rect.left() + lanes_width(width) + 8.0;
        let right = rect.right() - 12.0;
        let wide = right - left;
        let mut at = right;
        let hash = (wide > 430.0).then(|| {
            at -= 66.0;
            at
        });
        at -= 96.0;
        let changed = at;
        let time = (wide > 460.0).then(|| {
            at -= 122.0;
            at
        });
        let author = (wide > 550.0).then(|| {
            at -= 84.0;
            (at, 76.0)
        });
        Self { left, message_end: at - 12.0, author, time, changed, hash, right }
    }
}

/// Draws what is visible.
pub fn draw(ui: &mut Ui, window: Window, state: &mut State, seen: &Seen, hovered: Option<u32>) {
    let p = Palette::of(ui.ctx());
    let painter = ui.painter_at(window.rect);
    let most = most_sources(state);
    let with_text = window.row >= TEXT;
    let columns = Columns::of(window.rect, seen.width);
    let mut missing: Option<CommitNumber> = None;
    let mut chosen = None;
    for (i, (item, row)) in seen.rows.iter().enumerate() {
        let number = seen.first + i as u32;
        let y = window.y(number);
        let rect = Rect::from_min_size(pos2(window.rect.left(), y), vec2(window.rect.width(), window.row as f32));
        let commit = item.newest();
        background(&painter, rect, state, item, hovered == Some(number), p);
        lines::draw(&painter, window, y, row, state, p);
        let at = pos2(lane_x(window.rect, row.lane), window.middle(number));
        match *item {
            Item::Commit(_) => node(&painter, at, state, commit, window.row, p),
            Item::Folded(newest, oldest) => capsule(&painter, at, state, newest, newest - oldest + 1, with_text, p),
        }
        if state.history.record(commit).is_none() {
            missing = missing.or(Some(commit));
        }
        if with_text {
            text(&painter, &columns, rect, state, item, most, p);
            if accessible(ui, rect, state, item) {
                chosen = Some(commit);
            }
        } else if let Some(record) = state.history.record(commit) {
            let left = columns.left;
            let long = share(record.sources(), most) * (columns.right - left).min(260.0);
            let bar = Rect::from_min_max(pos2(left, rect.top() + 0.5), pos2(left + long, rect.bottom() - 0.5));
            painter.rect_filled(bar, 0.0, widgets::mix(p.ground, lines::color(state, commit, p), 0.45));
        }
    }
    if let Some(newest) = missing
        && let Some((from, count)) = state.history.missing_records(newest, 128)
    {
        state.desk.want(crate::ask::Ask::Records { from, count });
    }
    if let Some(commit) = chosen {
        state.select(commit);
    }
}

/// Returns how many sources the largest known commit changed.
pub fn most_sources(state: &State) -> u64 {
    state.history.most_sources()
}

fn background(painter: &Painter, rect: Rect, state: &State, item: &Item, hovered: bool, p: &Palette) {
    let holds = |commit: Option<CommitNumber>| commit.is_some_and(|c| c <= item.newest() && c >= item.oldest());
    if holds(state.selection.commit) {
        painter.rect_filled(rect, 0.0, p.selected);
        painter.rect_filled(Rect::from_min_size(rect.min, vec2(3.0, rect.height())), 0.0, p.accent);
    } else if hovered {
        painter.rect_filled(rect, 0.0, p.hover);
    }
    if holds(state.integrity.first_broken()) {
        painter.rect_filled(rect, 0.0, widgets::mix(p.ground, p.bad, 0.25));
        painter.rect_filled(Rect::from_min_size(rect.min, vec2(3.0, rect.height())), 0.0, p.bad);
    }
    if holds(state.selection.with) {
        painter.rect_stroke(rect.shrink(1.0), 3.0, Stroke::new(1.0, p.warn), StrokeKind::Inside);
    }
}

/// Draws a commit: a disc, a ring for a merge, a square round a snapshot.
fn node(painter: &Painter, at: egui::Pos2, state: &State, commit: CommitNumber, row: f64, p: &Palette) {
    let record = state.history.record(commit);
    let damaged = record.is_some_and(|r| !r.damage.is_empty());
    let color = if damaged { p.bad } else { lines::color(state, commit, p) };
    let size = dot(record.map_or(0, crate::ask::Record::sources)).min(row as f32 / 2.0 - 0.5).max(1.2);
    let merge = state.history.parents(commit)[1] != NONE;
    if state.search.contains(commit) {
        painter.circle_filled(at, size + 4.0, widgets::mix(p.ground, p.warn, 0.55));
    }
    if record.is_some_and(|r| r.snapshot) && row >= TEXT {
        painter.rect_stroke(around(at, size + 2.5), 2.0, Stroke::new(1.0, color), StrokeKind::Middle);
    }
    painter.circle_filled(at, size, color);
    if merge && size > 2.5 {
        painter.circle_filled(at, size - 1.8, p.ground);
    }
}

fn capsule(painter: &Painter, at: egui::Pos2, state: &State, newest: CommitNumber, n: u32, text: bool, p: &Palette) {
    let color = lines::color(state, newest, p);
    if !text {
        painter.rect_filled(around(at, 2.5), 1.0, color);
        return;
    }
    let rect = Rect::from_center_size(at, vec2(9.0, 17.0));
    painter.rect(rect, 4.5, p.ground, Stroke::new(1.6, color), StrokeKind::Inside);
    for dy in [-3.5, 0.0, 3.5] {
        painter.circle_filled(at + vec2(0.0, dy), 1.1, color);
    }
    let _ = n;
}

fn text(painter: &Painter, columns: &Columns, rect: Rect, state: &State, item: &Item, most: u64, p: &Palette) {
    let middle = rect.center().y;
    let (commit, history) = (item.newest(), &state.history);
    let mut x = columns.left;
    if let Item::Folded(newest, oldest) = *item {
        let says = format!("{} quiet commits", format::count(u64::from(newest - oldest + 1)));
        let at = pos2(x, middle);
        widgets::text(painter, at, Align2::LEFT_CENTER, columns.message_end - x, &says, font::text(12.5), p.quiet);
        return;
    }
    let shown = 3;
    let labels = history.labels(commit);
    for label in labels.iter().take(shown) {
        let room = (columns.message_end - x) / 2.0;
        let name = format::line(&label.name, 60);
        let width = widgets::label(painter, pos2(x, middle), room, &name, label.tag, p.branch(&label.name), p);
        x += if width > 0.0 { width + 6.0 } else { 0.0 };
    }
    if labels.len() > shown {
        let more = format!("+{}", labels.len() - shown);
        x += 6.0 + widgets::text(painter, pos2(x, middle), Align2::LEFT_CENTER, 40.0, &more, font::text(11.5), p.quiet);
    }
    let record = history.record(commit);
    let message = record.map_or_else(|| "…".to_owned(), |r| format::line(&r.message, 200));
    let damaged = record.is_some_and(|r| !r.damage.is_empty());
    let (message, ink) = match (damaged, message.is_empty()) {
        (true, _) => ("this record is damaged".to_owned(), p.bad),
        (_, true) => ("no message".to_owned(), p.quiet),
        _ => (message, p.ink),
    };
    widgets::text(
        painter,
        pos2(x, middle),
        Align2::LEFT_CENTER,
        columns.message_end - x,
        &message,
        font::text(13.0),
        ink,
    );
    if let (Some((x, width)), Some(record)) = (columns.author, record) {
        let author = format::line(&record.author, 60);
        widgets::text(painter, pos2(x, middle), Align2::LEFT_CENTER, width, &author, font::text(12.5), p.quiet);
    }
    if let Some(x) = columns.time {
        let time = format::minute(history.time(commit));
        widgets::text(painter, pos2(x, middle), Align2::LEFT_CENTER, 120.0, &time, font::text(12.5), p.quiet);
    }
    if let Some(record) = record {
        let n = record.sources();
        let track = Rect::from_min_size(pos2(columns.changed + 40.0, middle - 3.0), vec2(44.0, 6.0));
        let at = pos2(columns.changed + 34.0, middle);
        widgets::text(painter, at, Align2::RIGHT_CENTER, 60.0, &format::brief(n), font::text(12.5), p.quiet);
        let bar = Rect::from_min_size(track.min, vec2(track.width() * share(n, most), track.height()));
        painter.rect_filled(bar, 2.0, widgets::mix(p.ground, lines::color(state, commit, p), 0.75));
    }
    if let Some(x) = columns.hash {
        let id = history.short_id(commit);
        widgets::text(painter, pos2(x, middle), Align2::LEFT_CENTER, 70.0, &id, font::mono(11.5), p.quiet);
    }
}

/// Tells those who cannot see it what a row says; returns whether they pressed it.
fn accessible(ui: &Ui, rect: Rect, state: &State, item: &Item) -> bool {
    let id = ui.scope_id().with(("row", item.newest()));
    let clip = ui.clip_rect().intersect(rect);
    ui.ctx().accesskit_node_builder(id, |node| {
        node.set_role(Role::ListBoxOption);
        node.set_label(spoken(state, item));
        node.set_selected(state.selection.commit == Some(item.newest()));
        node.add_action(Action::Click);
        node.set_bounds(NodeRect {
            x0: clip.left().into(),
            y0: clip.top().into(),
            x1: clip.right().into(),
            y1: clip.bottom().into(),
        });
    });
    pressed(ui, id)
}

fn pressed(ui: &Ui, id: Id) -> bool {
    ui.input(|i| i.has_accesskit_action_request(id, Action::Click))
}

/// Returns what a row says in words.
pub fn spoken(state: &State, item: &Item) -> String {
    let (commit, history) = (item.newest(), &state.history);
    if let Item::Folded(newest, oldest) = item {
        return format!("{} quiet commits", newest - oldest + 1);
    }
    let names: Vec<&str> = history.labels(commit).iter().map(|l| l.name.as_str()).collect();
    let names = if names.is_empty() { String::new() } else { format!("{}: ", names.join(", ")) };
    let record = history.record(commit);
    let message = record.map_or_else(String::new, |r| format::line(&r.message, 200));
    let changed = record.map_or_else(String::new, |r| format!(", {} changed", format::plural(r.sources(), "vector")));
    let merge = if history.parents(commit)[1] == NONE { "" } else { ", merge" };
    format!("{names}{message}{changed}{merge}, {}", history.short_id(commit))
}

/// Says more of the row under the pointer.
pub fn tooltip(response: &Response, state: &State, row: u32) {
    let Some(item) = state.rows.item(row) else { return };
    let p = Palette::of(&response.ctx);
    response.clone().on_hover_ui_at_pointer(|ui| {
        ui.set_max_width(380.0);
        if let Item::Folded(newest, oldest) = item {
            let n = format::plural(u64::from(newest - oldest + 1), "commit");
            ui.label(format!("{n} in a line, without names. Press to show them."));
            return;
        }
        let commit = item.newest();
        let Some(record) = state.history.record(commit) else { return };
        if !record.damage.is_empty() {
            ui.label(RichText::new(format::line(&record.damage, 400)).color(p.bad));
            return;
        }
        ui.label(RichText::new(format::line(&record.message, 400)).font(font::bold(13.0)));
        let branch = state.history.branch_name(state.history.branch(commit));
        let branch = if branch.is_empty() { String::new() } else { format!(" on {}", format::line(branch, 60)) };
        let time = format::minute(state.history.time(commit));
        ui.label(RichText::new(format!("{}{branch}, {time}", format::line(&record.author, 60))).color(p.quiet));
        let [came, changed, went] = record.changed.map(format::count);
        ui.label(RichText::new(format!("{came} new, {changed} changed, {went} gone")).color(p.quiet));
        let (stored, l2) = (format::size(record.stored), format::measure(record.l2()));
        ui.label(RichText::new(format!("{stored} stored, largest move {l2}")).color(p.quiet));
    });
}
