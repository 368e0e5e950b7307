//! The view of drift: what each commit did, row by row beside the graph, and how far two commits lie apart.

use std::collections::HashMap;

use egui::{Align2, Grid, Rect, RichText, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use super::state::State;
use super::theme::{Palette, ROW};
use super::view::View;
use super::{font, widgets};
use crate::ask::{Answer, Ask, CommitNumber, Spread};
use crate::desk::Loaded;
use crate::model::drift::Drift;
use crate::model::format;

/// The view.
pub const VIEW: View = View {
    name: "drift",
    title: "Drift",
    about: "How far each commit moved the vectors, beside its row in the graph, and how far two commits lie apart.",
    draw,
};

/// How many commits share a question.
const CHUNK: u32 = 32;

/// How many records are looked at in a frame for the scales.
const SCAN: u32 = 20_000;

/// The height of the figures below the charts.
const FIGURES: f32 = 236.0;

/// The room for a figure beside a name, and the bar to scroll with.
const FIGURE: f32 = 68.0;

/// The height of the charts' heads.
const HEADS: f32 = 20.0;

#[derive(Default)]
struct Own {
    /// The largest move, sources, dimensions and bytes of a commit.
    largest: [f64; 4],
    scanned: u32,
    recorded: u32,
    of: Option<(CommitNumber, CommitNumber, String)>,
    drift: Drift,
    stopped: bool,
}

fn draw(ui: &mut Ui, state: &mut State) {
    let mut own: Own = state.take();
    own.scan(ui, state);
    let whole = ui.available_rect_before_wrap();
    let high = FIGURES.min(whole.height() * 0.5);
    let shown = if state.graph_shown && state.rows_shown.row > 0.0 { state.rows_shown.row } else { ROW.into() };
    // Few rows leave their room to the figures.
    let rows = (HEADS + (f64::from(state.rows.len()) * shown) as f32 + 8.0).max(ROW + HEADS);
    let charts = Rect::from_min_size(whole.min, vec2(whole.width(), rows.min(whole.height() - high)));
    own.charts(ui, state, charts);
    let rect = Rect::from_min_max(pos2(whole.left(), charts.bottom() + 4.0), whole.max);
    ui.scope_builder(egui::UiBuilder::new().max_rect(rect), |ui| own.figures(ui, state));
    state.put(own);
}

impl Own {
    /// Finds the largest of everything, so that the scales are one for the whole history.
    fn scan(&mut self, ui: &Ui, state: &State) {
        if self.recorded != state.history.recorded() {
            (self.recorded, self.scanned) = (state.history.recorded(), 0);
        }
        let until = state.history.len().min(self.scanned + SCAN);
        for commit in self.scanned..until {
            let Some(record) = state.history.record(commit) else { continue };
            let values = [record.l2(), record.sources() as f64, 0.0, record.stored as f64];
            for (largest, value) in self.largest.iter_mut().zip(values) {
                if value.is_finite() {
                    *largest = largest.max(value);
                }
            }
        }
        self.scanned = until;
        if until < state.history.len() {
            ui.ctx().request_repaint();
        }
    }

    fn charts(&mut self, ui: &mut Ui, state: &mut State, rect: Rect) {
        let p = Palette::of(ui.ctx());
        let response = ui.allocate_rect(rect, Sense::click());
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Charts of each commit beside its row"));
        let body = Rect::from_min_max(pos2(rect.left(), rect.top() + HEADS), rect.max);
        let mut shown = state.rows_shown;
        if shown.row == 0.0 || !state.graph_shown {
            shown = super::state::RowsShown { top: body.top(), row: ROW.into(), ..shown };
        }
        let width = rect.width() / 4.0;
        let titles = ["move", "vectors", "dimensions", "bytes"];
        for (i, title) in titles.into_iter().enumerate() {
            let at = pos2(rect.left() + i as f32 * width, rect.top() + 8.0);
            widgets::text(ui.painter(), at, Align2::LEFT_CENTER, width - 10.0, title, font::bold(11.5), p.quiet);
        }
        // The graph's rows begin below the heads, so that every row has its charts.
        if state.rows_below != body.top() {
            state.rows_below = body.top();
            ui.ctx().request_repaint();
        }
        let row_at = |y: f32| shown.scroll + f64::from(y - shown.top) / shown.row;
        let hovered = response.hover_pos().filter(|at| body.contains(*at)).map(|at| row_at(at.y));
        let hovered = hovered.filter(|r| *r >= 0.0).map(|r| r as u32);
        let painter = ui.painter_at(body);
        let first = row_at(body.top()).max(0.0) as u32;
        let last = (row_at(body.bottom()).ceil().max(0.0) as u32).min(state.rows.len());
        let mut spreads = Spreads::default();
        // Below a point a row, only as many as there are points.
        let step = (1.0 / shown.row).ceil().max(1.0) as u32;
        for row in (first..last).step_by(step as usize) {
            let Some(item) = state.rows.item(row) else { break };
            let commit = item.newest();
            let y = shown.top + ((f64::from(row) - shown.scroll) * shown.row) as f32;
            let line = Rect::from_min_size(pos2(rect.left(), y), vec2(rect.width(), (shown.row as f32).max(1.0)));
            if state.selection.commit == Some(commit) {
                painter.rect_filled(line, 0.0, p.selected);
            } else if hovered == Some(row) {
                painter.rect_filled(line, 0.0, p.hover);
            }
            if item.newest() != item.oldest() {
                continue;
            }
            let spread = if shown.row >= 4.0 { spreads.of(state, commit) } else { None };
            self.row(&painter, line, width, state, commit, spread, p);
        }
        if let Some(item) = hovered.and_then(|row| state.rows.item(row)) {
            let commit = item.newest();
            let spread = spreads.of(state, commit);
            let says = words(state, commit, spread);
            if response.clicked() {
                state.playback.playing = false;
                state.select(commit);
                state.reveal = false;
            }
            response.on_hover_ui_at_pointer(|ui| {
                ui.label(says);
            });
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn row(
        &mut self,
        painter: &egui::Painter,
        line: Rect,
        width: f32,
        state: &State,
        commit: CommitNumber,
        spread: Option<Spread>,
        p: &Palette,
    ) {
        let Some(record) = state.history.record(commit) else { return };
        let dims = spread.filter(|s| s.known).map(|s| s.dims as f64);
        self.largest[2] = self.largest[2].max(dims.unwrap_or(0.0));
        let color = p.branch(state.history.branch_name(state.history.branch(commit)));
        let bar = |i: usize, share: f64, strength: f32| {
            let long = (share.clamp(0.0, 1.0) as f32) * (width - 58.0).max(10.0);
            let high = (line.height() * 0.36).clamp(1.0, 9.0);
            let at = pos2(line.left() + i as f32 * width, line.center().y - high / 2.0);
            let long = if share > 0.0 { long.max(1.5) } else { 0.0 };
            painter.rect_filled(
                Rect::from_min_size(at, vec2(long, high)),
                1.0,
                widgets::mix(p.ground, color, strength),
            );
            pos2(at.x + long + 5.0, line.center().y)
        };
        let linear = |v: f64, largest: f64| if largest > 0.0 && v.is_finite() { v / largest } else { 0.0 };
        let by_tens = |v: f64, largest: f64| if largest > 0.0 { v.ln_1p() / largest.ln_1p() } else { 0.0 };
        let mut ends = [pos2(0.0, 0.0); 4];
        ends[0] = bar(0, linear(record.l2(), self.largest[0]), 0.35);
        if let Some(spread) = spread.filter(|s| s.known) {
            bar(0, linear(f64::from_bits(spread.p90), self.largest[0]), 0.65);
            bar(0, linear(f64::from_bits(spread.p50), self.largest[0]), 1.0);
        }
        ends[1] = bar(1, by_tens(record.sources() as f64, self.largest[1]), 0.8);
        ends[2] = bar(2, by_tens(dims.unwrap_or(0.0), self.largest[2]), 0.8);
        ends[3] = bar(3, by_tens(record.stored as f64, self.largest[3]), 0.8);
        if line.height() < 14.0 {
            return;
        }
        let texts = [
            if record.l2() == 0.0 { String::new() } else { format::measure(record.l2()) },
            format::brief(record.sources()),
            dims.map_or_else(|| "–".to_owned(), |d| format::brief(d as u64)),
            format::size(record.stored),
        ];
        for (end, text) in ends.into_iter().zip(texts) {
            widgets::text(painter, end, Align2::LEFT_CENTER, 60.0, &text, font::text(11.0), p.quiet);
        }
    }

    fn figures(&mut self, ui: &mut Ui, state: &mut State) {
        let p = Palette::of(ui.ctx());
        let Some(after) = state.selection.commit else { return };
        let Some(before) = state.selection.with.filter(|&w| w != after).or_else(|| state.history.parent(after)) else {
            widgets::heading(ui, "The first commit has nothing before it. Mark another one with M to compare with it.");
            return;
        };
        let Some(collection) = super::collection::choice(ui, state, after) else { return };
        let of = (before, after, collection.clone());
        if self.of.as_ref() != Some(&of) {
            (self.of, self.drift, self.stopped) = (Some(of), Drift::default(), false);
        }
        let marked = state.selection.with == Some(before);
        let whose = if marked { "the marked commit" } else { "its parent" };
        let says = format!(
            "{} of {} against {whose} {}",
            format::line(&collection, 40),
            state.history.short_id(after),
            state.history.short_id(before)
        );
        ui.horizontal(|ui| {
            ui.label(RichText::new(says).font(font::bold(12.5)));
            if self.drift.next().is_some() {
                let percent = format!("{:.0} %", self.drift.share() * 100.0);
                ui.label(RichText::new(percent).color(p.quiet));
                if ui.button(if self.stopped { "Go on" } else { "Stop" }).clicked() {
                    self.stopped = !self.stopped;
                    ui.ctx().request_repaint();
                }
            }
        });
        if let Some(from) = self.drift.next().filter(|_| !self.stopped) {
            match state.desk.get(Ask::Drift { before, after, collection, from }) {
                Loaded::Waiting => {}
                Loaded::Failed(trouble) => return widgets::trouble(ui, &trouble),
                Loaded::Ready(answer) => {
                    if let Answer::Drift(slice) = &*answer {
                        self.drift.take(from, slice);
                    }
                    ui.ctx().request_repaint();
                }
            }
        }
        self.numbers(ui, state);
    }

    fn numbers(&self, ui: &mut Ui, state: &mut State) {
        let p = Palette::of(ui.ctx());
        let drift = &self.drift;
        let number = |v: Option<f64>| v.map_or_else(|| "–".to_owned(), format::measure);
        let [came, changed, went] = drift.counts.map(format::count);
        let quiet = |text: String| RichText::new(text).color(p.quiet);
        let bad = drift.not_finite[0] + drift.not_finite[1];
        ui.label(quiet(format!(
            "{came} new, {changed} changed, {went} gone; centre moved by {}{}",
            number(drift.centroid_shift()),
            if bad > 0 {
                format!("; {} with NaN or infinities left out", format::plural(bad, "row"))
            } else {
                String::new()
            }
        )));
        ui.horizontal_top(|ui| {
            ui.vertical(|ui| {
                Grid::new("percentiles").num_columns(5).spacing(vec2(10.0, 2.0)).show(ui, |ui| {
                    for head in ["", "half", "9 of 10", "99 of 100", "most"] {
                        ui.label(quiet(head.to_owned()));
                    }
                    ui.end_row();
                    ui.label("move");
                    for percent in [50, 90, 99, 100] {
                        ui.label(number(drift.l2(percent)));
                    }
                    ui.end_row();
                    // The smaller the cosine the farther the turn, so the percentiles are counted from below.
                    ui.label("cosine");
                    for percent in [50, 10, 1, 0] {
                        ui.label(number(drift.cosine(percent)));
                    }
                    ui.end_row();
                });
            });
            ui.add_space(8.0);
            let mut chosen = None;
            ui.vertical(|ui| {
                let letters = (((ui.available_width() - FIGURE) / 7.5).max(6.0) as usize).min(60);
                egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                    ui.spacing_mut().item_spacing.y = 1.0;
                    // As high as the rows below and the head of the table beside it.
                    ui.horizontal(|ui| ui.label(quiet("moved farthest".to_owned())));
                    for (source, l2) in &drift.farthest {
                        ui.horizontal(|ui| {
                            ui.label(RichText::new(format::measure(*l2)).font(font::mono(12.0)));
                            // The collection stands in the heading: its room is the key's.
                            let key = source.split_once('/').map_or(source.as_str(), |(_, key)| key);
                            if ui.link(format::line(key, letters)).on_hover_text(format::line(source, 200)).clicked() {
                                chosen = Some(source.clone());
                            }
                        });
                    }
                });
            });
            if let Some(source) = chosen {
                state.selection.vector = Some(source);
                state.selection.view = super::vector::VIEW.name.to_owned();
            }
        });
    }
}

/// The spreads of the commits that are visible.
#[derive(Default)]
struct Spreads {
    chunks: HashMap<u32, Option<std::sync::Arc<Answer>>>,
}

impl Spreads {
    fn of(&mut self, state: &mut State, commit: CommitNumber) -> Option<Spread> {
        let from = commit / CHUNK * CHUNK;
        let chunk =
            self.chunks.entry(from).or_insert_with(|| match state.desk.get(Ask::Spread { from, count: CHUNK }) {
                Loaded::Ready(answer) => Some(answer),
                _ => None,
            });
        match chunk.as_deref()? {
            Answer::Spread(spreads) => spreads.get((commit - from) as usize).copied(),
            _ => None,
        }
    }
}

fn words(state: &State, commit: CommitNumber, spread: Option<Spread>) -> String {
    let Some(record) = state.history.record(commit) else { return String::new() };
    let move_of = |bits: u64| format::measure(f64::from_bits(bits));
    let moves = match spread.filter(|s| s.known) {
        Some(s) => format!(
            "move: half within {}, 9 of 10 within {}, largest {}\n{} changed dimensions",
            move_of(s.p50),
            move_of(s.p90),
            move_of(s.max),
            format::count(s.dims)
        ),
        None => format!("largest move {}", format::measure(record.l2())),
    };
    let message = format::line(&record.message, 100);
    let vectors = format::plural(record.sources(), "vector");
    format!("{message}\n{vectors}, {} stored\n{moves}", format::size(record.stored))
}
