//! The view of one vector through its history: a heatmap of versions and dimensions, with every bit under the pointer.

mod map;

use egui::{Color32, Rect, RichText, Role, Sense, Slider, TextEdit, Ui, WidgetInfo, pos2, vec2};

use super::state::State;
use super::theme::Palette;
use super::view::View;
use super::{font, widgets};
use crate::ask::{Answer, Ask, CommitNumber};
use crate::desk::Loaded;
use crate::model::format;
use crate::model::heat::Cell;
use crate::model::versions::Versions;
use map::Map;

/// The view.
pub const VIEW: View = View {
    name: "vector",
    title: "Heatmap",
    about: "One vector through its whole history: values or changes of every dimension, bit for bit, and who changed it last.",
    draw,
};

/// How many values are looked at in a frame for the scale.
const SCAN: usize = 100_000;

/// The least width for all of the head in one line.
const HEAD: f32 = 550.0;

/// What the view keeps.
#[derive(Default)]
struct Own {
    of: Option<(CommitNumber, String)>,
    way: Way,
    name: Option<String>,
    versions: Versions,
    map: Map,
    /// The largest value and the largest change that are numbers, and how many versions were looked at.
    largest: [f64; 2],
    scanned: usize,
    blame: Option<(usize, Vec<usize>)>,
}

/// Whose versions are shown: the way to the head of the replay, as it was found last.
#[derive(Clone, Copy, Default)]
pub struct Way(Option<(Option<CommitNumber>, CommitNumber, CommitNumber)>);

impl Way {
    /// Returns the commit whose way is shown: the head of the replay, if the selected commit lies on its first-parent way.
    pub fn tip(&mut self, state: &State, commit: CommitNumber) -> CommitNumber {
        if let Some((_, _, found)) = self.0.filter(|(tip, c, _)| *tip == state.selection.tip && *c == commit) {
            return found;
        }
        let on_way = |tip: CommitNumber| {
            let mut at = tip;
            while at > commit {
                match state.history.parent(at) {
                    Some(parent) => at = parent,
                    None => return false,
                }
            }
            at == commit
        };
        let found = state.selection.tip.filter(|&tip| on_way(tip)).unwrap_or(commit);
        self.0 = Some((state.selection.tip, commit, found));
        found
    }
}

/// Switches between values and changes.
pub fn toggle(state: &mut State) {
    let change = is_change(state);
    state.selection.set_param("heat", (!change).then(|| "change".to_owned()));
    state.selection.view = VIEW.name.to_owned();
}

fn is_change(state: &State) -> bool {
    state.selection.param("heat") == Some("change")
}

fn draw(ui: &mut Ui, state: &mut State) {
    state.lend(|own: &mut Own, state| own.draw(ui, state));
}

impl Own {
    fn draw(&mut self, ui: &mut Ui, state: &mut State) {
        self.head(ui, state);
        let (Some(commit), Some(source)) = (state.selection.commit, state.selection.vector.clone()) else {
            let says = "Choose a vector in the list of vectors that a commit changed, or write its name above.";
            widgets::waiting(ui, says);
            return;
        };
        let tip = self.way.tip(state, commit);
        if self.of.as_ref().is_none_or(|(t, s)| *t != tip || *s != source) {
            *self = Self { of: Some((tip, source.clone())), way: self.way, ..Self::default() };
        }
        if let Some(from) = self.versions.next() {
            match state.desk.get(Ask::Versions { tip, source, from }) {
                Loaded::Failed(trouble) => return widgets::trouble(ui, &trouble),
                Loaded::Waiting if from == 0 => return widgets::waiting(ui, "Reading its versions…"),
                Loaded::Waiting => {}
                Loaded::Ready(answer) => {
                    if let Answer::Versions(slice) = &*answer
                        && self.versions.take(slice)
                    {
                        self.map.forget();
                    }
                    ui.ctx().request_repaint();
                }
            }
        }
        self.scan(ui);
        if self.versions.is_empty() && self.versions.next().is_none() {
            let source = state.selection.vector.as_deref().unwrap_or_default();
            let says =
                format!("No commit on the way to this one wrote a vector of the name {}.", format::line(source, 80));
            widgets::waiting(ui, &says);
            return;
        }
        self.legend(ui, state);
        self.body(ui, state, commit);
    }

    fn head(&mut self, ui: &mut Ui, state: &mut State) {
        // A slider does not go to the next line by itself, and would make the whole view wider than its panel.
        let narrow = ui.available_width() < HEAD;
        ui.horizontal_wrapped(|ui| {
            let name = self.name.get_or_insert_with(|| state.selection.vector.clone().unwrap_or_default());
            let field = TextEdit::singleline(name).hint_text("collection/key").desired_width(220.0);
            let field = ui.add(field);
            field.widget_info(|| {
                let mut info = WidgetInfo::labeled(Role::TextInput, true, "Vector");
                info.current_text_value = Some(name.clone());
                info
            });
            if field.lost_focus() && ui.input(|i| i.key_pressed(egui::Key::Enter)) {
                state.selection.vector = Some(name.trim().to_owned()).filter(|n| !n.is_empty());
            } else if !field.has_focus() && state.selection.vector.as_deref().unwrap_or("") != name.as_str() {
                self.name = None;
            }
            let change = is_change(state);
            for (on, says) in [(false, "values"), (true, "changes")] {
                if ui.selectable_label(change == on, says).clicked() && change != on {
                    toggle(state);
                    ui.ctx().request_repaint();
                }
            }
            if narrow {
                ui.end_row();
            }
            let mut contrast: u32 = state.selection.param("contrast").and_then(|c| c.parse().ok()).unwrap_or(1);
            let slider = Slider::new(&mut contrast, 1..=64).logarithmic(true).show_value(false).text("contrast");
            let slider = ui.add(slider);
            if slider.changed() {
                state.selection.set_param("contrast", (contrast > 1).then(|| contrast.to_string()));
            }
        });
    }

    /// Finds the largest numbers, some versions a frame, so that the scale is one for the whole view.
    fn scan(&mut self, ui: &Ui) {
        let width = self.versions.dims().max(1) as usize;
        let until = self.versions.len().min(self.scanned + SCAN / width + 1);
        if self.scanned == until {
            return;
        }
        for i in self.scanned..until {
            for dim in 0..self.versions.dims() {
                let values = [self.versions.value(i, dim), self.versions.change(i, dim)];
                for (largest, value) in self.largest.iter_mut().zip(values) {
                    if let Some(value) = value.filter(|v| v.is_finite()) {
                        *largest = largest.max(value.abs());
                    }
                }
            }
        }
        self.scanned = until;
        ui.ctx().request_repaint();
    }

    fn scale(&self, state: &State) -> f64 {
        let contrast = state.selection.param("contrast").and_then(|c| c.parse().ok()).unwrap_or(1.0_f64).max(1.0);
        self.largest[usize::from(is_change(state))] / contrast
    }

    fn legend(&self, ui: &mut Ui, state: &State) {
        let p = Palette::of(ui.ctx());
        let scale = self.scale(state);
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = 5.0;
            let here = self.versions.len() as u64;
            let versions = format::plural(u64::from(self.versions.total()), "version");
            let versions = match self.versions.next() {
                Some(_) => format!("{} of {versions}", format::count(here)),
                None => versions,
            };
            let dims = format!("{versions} × {}", format::plural(u64::from(self.versions.dims()), "dimension"));
            ui.label(RichText::new(dims).color(p.quiet));
            ui.label(RichText::new(format!("-{}", format::measure(scale))).font(font::mono(11.5)).color(p.quiet));
            let (rect, response) = ui.allocate_exact_size(vec2(64.0, 10.0), Sense::hover());
            response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Scale of colours"));
            for i in 0..32 {
                let value = (i as f32 / 31.0 * 2.0 - 1.0) * scale as f32;
                let left = rect.left() + i as f32 * 2.0;
                let bar = Rect::from_min_size(pos2(left, rect.top()), vec2(2.0, rect.height()));
                ui.painter().rect_filled(bar, 0.0, color(Cell::Finite(value), scale, p));
            }
            ui.label(RichText::new(format::measure(scale)).font(font::mono(11.5)).color(p.quiet));
            for (cell, says) in [(Cell::NaN, "NaN"), (Cell::Infinite, "infinite"), (Cell::Absent, "none")] {
                let (rect, _) = ui.allocate_exact_size(vec2(10.0, 10.0), Sense::hover());
                ui.painter().rect_filled(rect, 1.0, color(cell, scale, p));
                ui.label(RichText::new(says).color(p.quiet));
            }
        });
    }

    fn body(&mut self, ui: &mut Ui, state: &mut State, commit: CommitNumber) {
        let p = Palette::of(ui.ctx());
        let whole = ui.available_rect_before_wrap();
        let foot = 118.0_f32.min(whole.height() * 0.4);
        // The axis stands right below the cells, however few versions there are.
        let high = map::height(self.versions.len()).min(whole.height() - foot);
        let map = Rect::from_min_size(whole.min, vec2(whole.width(), high));
        let now = self.versions.at(commit);
        let change = is_change(state);
        let versions = &self.versions;
        let last = versions.len().saturating_sub(1);
        let cell = |row: u32, dim: u32| {
            let i = last - row as usize;
            Cell::of(if change { versions.change(i, dim) } else { versions.value(i, dim) })
        };
        let names = |row: u32| {
            versions.version(last - row as usize).map_or_else(String::new, |v| state.history.short_id(v.commit))
        };
        let look = map::Look {
            rows: versions.len() as u32,
            columns: versions.dims(),
            scale: self.scale(state),
            kind: u8::from(change),
            now: now.map(|i| (last - i) as u32),
        };
        let told = self.map.draw(ui, map, &look, cell, names);
        let at = told.pointed.map(|(row, dim)| (last - row as usize, dim));
        if let Some(version) = at.filter(|_| told.pressed).and_then(|(i, _)| self.versions.version(i)) {
            state.playback.playing = false;
            state.select(version.commit);
        }
        let rect = Rect::from_min_max(pos2(whole.left(), map.bottom() + 6.0), whole.max);
        ui.scope_builder(egui::UiBuilder::new().max_rect(rect), |ui| {
            self.pointed(ui, state, at);
            if let Some(now) = now {
                self.blamed(ui, state, now);
            } else {
                ui.label(RichText::new("It is not there yet at the selected commit.").color(p.quiet));
            }
        });
    }

    /// Says what is under the pointer, with its bits.
    fn pointed(&self, ui: &mut Ui, state: &State, at: Option<(usize, u32)>) {
        let p = Palette::of(ui.ctx());
        let Some((i, dim)) = at else {
            let says = "Point at a cell for its bits. Ctrl and scroll zooms, a double click shows all.";
            ui.label(RichText::new(says).color(p.quiet));
            return;
        };
        let value = self.versions.text(i, dim).unwrap_or_else(|| "none".to_owned());
        let element = self.versions.element(i).map_or("", |e| e.name());
        let hex = self.versions.hex(i, dim).unwrap_or_default();
        let change = self.versions.change(i, dim).map_or_else(String::new, |c| match c {
            0.0 => "  unchanged".to_owned(),
            c => format!("  changed by {}", format::measure(c)),
        });
        let commit = self.versions.version(i).map_or(0, |v| v.commit);
        let message = state.history.record(commit).map_or_else(String::new, |r| format::line(&r.message, 80));
        let says = format!("dim {dim}  {value}  {element} {hex}{change}");
        ui.add(egui::Label::new(RichText::new(says).font(font::mono(12.5)).color(p.ink)).truncate());
        let says =
            format!("{}  {}  {message}", state.history.short_id(commit), format::minute(state.history.time(commit)));
        ui.add(egui::Label::new(RichText::new(says).color(p.quiet)).truncate());
    }

    /// Says which commits last touched the dimensions of the version in force.
    fn blamed(&mut self, ui: &mut Ui, state: &mut State, now: usize) {
        let p = Palette::of(ui.ctx());
        if self.blame.as_ref().is_none_or(|(i, _)| *i != now) {
            self.blame = Some((now, self.versions.blame(now)));
        }
        let Some((_, by)) = &self.blame else { return };
        let mut counts: Vec<(usize, u64)> = Vec::new();
        let mut sorted = by.clone();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        for i in sorted {
            match counts.last_mut() {
                Some((last, n)) if *last == i => *n += 1,
                _ => counts.push((i, 1)),
            }
        }
        widgets::heading(ui, "Who touched its dimensions last");
        let mut chosen = None;
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            for (i, n) in counts.iter().take(64) {
                let commit = self.versions.version(*i).map_or(0, |v| v.commit);
                ui.horizontal(|ui| {
                    let dims = format!("{:>6}", format::count(*n));
                    ui.label(RichText::new(dims).font(font::mono(12.0)).color(p.ink));
                    let id = RichText::new(state.history.short_id(commit)).font(font::mono(12.0));
                    if ui.link(id).clicked() {
                        chosen = Some(commit);
                    }
                    let message =
                        state.history.record(commit).map_or_else(String::new, |r| format::line(&r.message, 90));
                    ui.add(egui::Label::new(RichText::new(message).color(p.quiet)).truncate());
                });
            }
            if by.is_empty() {
                ui.label(RichText::new("The selected commit took it away.").color(p.quiet));
            }
        });
        if let Some(commit) = chosen {
            state.select(commit);
        }
    }
}

/// Returns the colour of a cell: blue below zero, orange above, the ground at zero.
fn color(cell: Cell, scale: f64, p: &Palette) -> Color32 {
    match cell {
        Cell::Absent => p.line,
        Cell::NaN => p.branches[3],
        Cell::Infinite => p.branches[4],
        Cell::Finite(v) => {
            let share = if scale > 0.0 { (f64::from(v) / scale).clamp(-1.0, 1.0) as f32 } else { 0.0 };
            let end = if share < 0.0 { p.branches[0] } else { p.branches[1] };
            widgets::mix(p.ground, end, share.abs())
        }
    }
}
