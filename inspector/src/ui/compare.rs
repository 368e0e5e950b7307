//! The view of two branches: how they stand to each other, and what a merge would make of them.

use std::collections::HashMap;

use egui::{ComboBox, Grid, RichText, Role, ScrollArea, Ui, WidgetInfo, vec2};
use vecdelta::delta::Element;
use vecdelta::version::Strategy;

use super::state::{State, Wish};
use super::theme::Palette;
use super::view::View;
use super::{font, merging, widgets};
use crate::ask::{Answer, Ask, Chosen, Conflict, ConflictRows, MergePreview};
use crate::desk::Loaded;
use crate::model::{branches, format, versions};

/// The view.
pub const VIEW: View = View {
    name: "compare",
    title: "Merge",
    about: "Two branches: what each has that the other has not, their conflicts, and what a merge would do. Nothing is written until you say so.",
    draw,
};

/// What a row has that goes with the strategy for all.
const AS_ALL: &str = "as all";

/// How many rows of conflicts are drawn at once.
const SHOWN: usize = 24;

/// The width of all columns of the table but that of names.
const OTHER_COLUMNS: f32 = 424.0;

/// How many components of a conflict are shown.
const DIMS_SHOWN: usize = 200;

#[derive(Default)]
struct Own {
    of: Option<[String; 2]>,
    /// Sources with a strategy of their own.
    rows: Vec<(String, String)>,
    first: usize,
    apart: Option<([u32; 2], [u32; 2])>,
}

/// Swaps the branches.
pub fn swap(state: &mut State) {
    let [ours, theirs] = chosen(state);
    state.selection.set_param("ours", theirs);
    state.selection.set_param("theirs", ours);
    state.selection.view = VIEW.name.to_owned();
}

/// Returns the branches that are compared: those of the link, or `main` and the next best.
fn chosen(state: &State) -> [Option<String>; 2] {
    let names: Vec<&String> = state.history.opened.iter().flat_map(|o| o.branches.iter().map(|(n, _)| n)).collect();
    let param = |key: &str| state.selection.param(key).map(str::to_owned).filter(|n| names.contains(&n));
    let main = || names.iter().find(|n| n.as_str() == "main").or(names.first()).map(|n| (*n).clone());
    let ours = param("ours").or_else(main);
    let theirs = param("theirs").or_else(|| names.iter().find(|n| Some(**n) != ours.as_ref()).map(|n| (*n).clone()));
    [ours, theirs]
}

fn draw(ui: &mut Ui, state: &mut State) {
    state.lend(|own: &mut Own, state| own.draw(ui, state));
}

impl Own {
    fn draw(&mut self, ui: &mut Ui, state: &mut State) {
        let p = Palette::of(ui.ctx());
        let [Some(ours), Some(theirs)] = chosen(state) else {
            widgets::waiting(ui, "There is one branch only, so there is nothing to compare.");
            return;
        };
        self.choices(ui, state, &ours, &theirs);
        if ours == theirs {
            widgets::waiting(ui, "Choose two different branches.");
            return;
        }
        let of = [ours.clone(), theirs.clone()];
        if self.of.as_ref() != Some(&of) {
            *self = Self { of: Some(of), ..Self::default() };
        }
        self.distance(ui, state, &ours, &theirs);
        let strategy = strategy(state);
        let ask = Ask::Merge { ours: ours.clone(), theirs: theirs.clone(), strategy, rows: self.rows.clone() };
        match state.desk.get(ask) {
            Loaded::Waiting => widgets::waiting(ui, "Looking for conflicts…"),
            Loaded::Failed(trouble) => widgets::trouble(ui, &trouble),
            Loaded::Ready(answer) => {
                if let Answer::Merge(preview) = &*answer {
                    self.preview(ui, state, preview, [&ours, &theirs], p);
                }
            }
        }
    }

    fn choices(&mut self, ui: &mut Ui, state: &mut State, ours: &str, theirs: &str) {
        let p = Palette::of(ui.ctx());
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new("merge").color(p.quiet));
            branch(ui, state, "theirs", "Branch that is merged", theirs);
            ui.label(RichText::new("into").color(p.quiet));
            branch(ui, state, "ours", "Branch that is merged into", ours);
            if ui.button("Swap").clicked() {
                swap(state);
            }
        });
        ui.horizontal(|ui| {
            ui.label(RichText::new("conflicts become").color(p.quiet));
            let mut chosen = strategy(state);
            let before = chosen.clone();
            strategies(ui, "Strategy for all conflicts", None, &mut chosen);
            if chosen != before {
                state.selection.set_param("strategy", (chosen != "reject").then_some(chosen));
            }
        });
    }

    /// Says how many commits each branch is ahead of the other.
    fn distance(&mut self, ui: &mut Ui, state: &State, ours: &str, theirs: &str) {
        let p = Palette::of(ui.ctx());
        let (Some(a), Some(b)) = (state.history.find(ours), state.history.find(theirs)) else { return };
        if self.apart.is_none_or(|(of, _)| of != [a, b]) {
            self.apart = Some(([a, b], branches::apart(&state.history, a, b)));
        }
        let Some((_, [ahead, behind])) = self.apart else { return };
        let commits = |n: u32| format::plural(u64::from(n), "commit");
        let says = format!(
            "{} has {} of its own, {} has {}",
            format::line(ours, 40),
            commits(ahead),
            format::line(theirs, 40),
            commits(behind)
        );
        ui.label(RichText::new(says).color(p.quiet));
    }

    fn preview(&mut self, ui: &mut Ui, state: &mut State, preview: &MergePreview, of: [&str; 2], p: &Palette) {
        let says = match preview {
            m if m.merged_already => "Everything is merged already.".to_owned(),
            m if m.fast_forward => {
                format!(
                    "The branch only lags behind: it would move, and {} change.",
                    format::plural(m.sources, "vector")
                )
            }
            m => format!(
                "A merge would change {}. {}, {} open.",
                format::plural(m.sources, "vector"),
                format::plural(m.conflicts, "conflict"),
                format::count(m.open)
            ),
        };
        let color = if preview.open > 0 { p.warn } else { p.good };
        let label = ui.label(RichText::new(&says).font(font::bold(13.0)).color(color));
        label.widget_info(|| WidgetInfo::labeled(Role::Status, true, &says));
        self.command(ui, state, preview, of);
        if preview.rows.is_empty() {
            return;
        }
        let half = (ui.available_height() * 0.5).max(120.0);
        ScrollArea::both().id_salt("conflicts").max_height(half).auto_shrink([false, true]).show(ui, |ui| {
            self.table(ui, state, preview, p);
        });
        let more = preview.rows.len().saturating_sub(SHOWN);
        if more > 0 {
            ui.horizontal(|ui| {
                if ui.add_enabled(self.first > 0, egui::Button::new("Before")).clicked() {
                    self.first = self.first.saturating_sub(SHOWN);
                }
                let last = (self.first + SHOWN).min(preview.rows.len());
                let shown = format!("{} to {last} of {}", self.first + 1, format::count(preview.conflicts));
                ui.label(RichText::new(shown).color(p.quiet));
                if ui.add_enabled(last < preview.rows.len(), egui::Button::new("Next")).clicked() {
                    self.first += SHOWN;
                }
            });
        }
        self.one(ui, state, preview, of, p);
    }

    /// Shows the command that would do it, and the button that does.
    fn command(&self, ui: &mut Ui, state: &mut State, preview: &MergePreview, [ours, theirs]: [&str; 2]) {
        let branches = state.history.opened.iter().flat_map(|o| &o.branches);
        let head = |name: &str| branches.clone().find(|b| b.0 == name).map(|b| b.1);
        let (Some(a), Some(b)) = (head(ours), head(theirs)) else { return };
        if preview.merged_already {
            return;
        }
        let chosen = Chosen {
            branches: [ours.to_owned(), theirs.to_owned()],
            heads: [a, b],
            strategy: strategy(state),
            rows: self.rows.clone(),
        };
        let lines = merging::command(state, preview, &chosen);
        if lines.is_none() && !merging::is_possible(state) {
            return;
        }
        ui.horizontal(|ui| {
            merging::button(ui, state, preview, &chosen, lines.as_deref().unwrap_or_default());
            let Some(lines) = lines else { return };
            if ui.button("Copy").on_hover_text("Copy the command that would merge").clicked() {
                state.wishes.push(Wish::Copy(lines.clone()));
            }
            ui.add(egui::Label::new(RichText::new(lines.replace('\n', "; ")).font(font::mono(12.0))).truncate());
        });
    }

    fn table(&mut self, ui: &mut Ui, state: &mut State, preview: &MergePreview, p: &Palette) {
        let own: HashMap<String, String> = self.rows.iter().cloned().collect();
        let bulk = strategy(state);
        self.first = self.first.min(preview.rows.len().saturating_sub(1));
        let shown = preview.rows.iter().skip(self.first).take(SHOWN);
        // What becomes of a conflict is to be seen whatever its name is.
        let letters = (((ui.available_width() - OTHER_COLUMNS) / 7.5) as usize).clamp(16, 48);
        Grid::new("conflicts").num_columns(5).spacing(vec2(10.0, 4.0)).striped(false).show(ui, |ui| {
            for head in ["vector", "dims", "apart", "cosine", "becomes"] {
                ui.label(RichText::new(head).font(font::bold(12.0)).color(p.quiet));
            }
            ui.end_row();
            for conflict in shown {
                let on = state.selection.vector.as_deref() == Some(conflict.source.as_str());
                let name = ui.selectable_label(on, format::line(&conflict.source, letters));
                if name.on_hover_text(format::line(&conflict.source, 300)).clicked() {
                    state.selection.vector = Some(conflict.source.clone());
                }
                ui.label(dims(conflict));
                ui.label(format::measure(f64::from_bits(conflict.l2)));
                ui.label(format::measure(f64::from_bits(conflict.cosine)));
                let mut chosen = own.get(&conflict.source).cloned().unwrap_or_else(|| AS_ALL.to_owned());
                let before = chosen.clone();
                let name = format!("Strategy for {}", format::line(&conflict.source, 100));
                strategies(ui, &name, Some((conflict.source.as_str(), bulk.as_str())), &mut chosen);
                if chosen != before {
                    self.rows.retain(|(s, _)| *s != conflict.source);
                    if chosen != AS_ALL {
                        self.rows.push((conflict.source.clone(), chosen));
                        self.rows.sort();
                    }
                    ui.ctx().request_repaint();
                }
                if !conflict.resolved {
                    ui.label(RichText::new("open").color(p.warn));
                }
                ui.end_row();
            }
        });
    }

    /// Shows the bits of the chosen conflict.
    fn one(&self, ui: &mut Ui, state: &mut State, preview: &MergePreview, of: [&str; 2], p: &Palette) {
        let chosen = state.selection.vector.clone();
        let chosen = chosen.filter(|v| preview.rows.iter().any(|c| c.source == *v));
        let Some(source) = chosen.or_else(|| preview.rows.first().map(|c| c.source.clone())) else { return };
        let own = self.rows.iter().find(|(s, _)| *s == source).map(|(_, strategy)| strategy.clone());
        let strategy = own.unwrap_or_else(|| strategy(state));
        widgets::heading(ui, &format::line(&source, 80));
        let [ours, theirs] = of.map(str::to_owned);
        match state.desk.get(Ask::Conflict { ours, theirs, strategy, source }) {
            Loaded::Waiting => widgets::waiting(ui, "Reading both sides…"),
            Loaded::Failed(trouble) => widgets::trouble(ui, &trouble),
            Loaded::Ready(answer) => {
                if let Answer::Conflict(rows) = &*answer {
                    sides(ui, rows, p);
                }
            }
        }
    }
}

fn dims(conflict: &Conflict) -> String {
    match conflict.deleted {
        [true, _] => "deleted here".to_owned(),
        [_, true] => "deleted there".to_owned(),
        _ => format!("{} of {}", format::count(conflict.dims.into()), format::count(conflict.width.into())),
    }
}

fn sides(ui: &mut Ui, rows: &ConflictRows, p: &Palette) {
    let Some(element) = Element::from_code(rows.element) else { return };
    ScrollArea::both().id_salt("sides").auto_shrink(false).show(ui, |ui| {
        Grid::new("sides").num_columns(5).spacing(vec2(20.0, 2.0)).show(ui, |ui| {
            for head in ["dim", "base", "ours", "theirs", "result"] {
                ui.label(RichText::new(head).font(font::bold(12.0)).color(p.quiet));
            }
            ui.end_row();
            for &dim in rows.dims.iter().take(DIMS_SHOWN) {
                ui.label(RichText::new(dim.to_string()).font(font::mono(12.0)).color(p.quiet));
                for (i, row) in rows.rows.iter().enumerate() {
                    let (at, size) = (dim as usize * element.size(), element.size());
                    let bits = row.as_ref().and_then(|r| r.get(at..at + size));
                    let (text, ink) = match bits {
                        _ if i == 3 && !rows.resolved => ("open".to_owned(), p.warn),
                        Some(bits) => (versions::number(element, bits), p.ink),
                        None => ("–".to_owned(), p.quiet),
                    };
                    ui.label(RichText::new(text).font(font::mono(12.0)).color(ink));
                }
                ui.end_row();
            }
        });
        if rows.dims.len() > DIMS_SHOWN {
            let says = format!("showing {DIMS_SHOWN} of {} dimensions", format::count(rows.dims.len() as u64));
            ui.label(RichText::new(says).color(p.quiet));
        }
    });
}

fn strategy(state: &State) -> String {
    let known = |s: &&str| Strategy::from_name(s).is_some();
    state.selection.param("strategy").filter(known).unwrap_or("reject").to_owned()
}

fn branch(ui: &mut Ui, state: &mut State, key: &str, name: &str, now: &str) {
    let names: Vec<String> = state.history.opened.iter().flat_map(|o| o.branches.iter().map(|b| b.0.clone())).collect();
    let mut chosen = now.to_owned();
    let shown = ComboBox::from_id_salt(key).selected_text(format::line(now, 30)).show_ui(ui, |ui| {
        for branch in names {
            let text = format::line(&branch, 60);
            ui.selectable_value(&mut chosen, branch, text);
        }
    });
    shown.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, name));
    if chosen != now {
        state.selection.set_param(key, Some(chosen));
    }
}

/// Lets people choose a strategy: for all conflicts, or for one source, given with the strategy for all.
fn strategies(ui: &mut Ui, name: &str, own: Option<(&str, &str)>, chosen: &mut String) {
    let text = |s: &str| if s == "reject" { "left open".to_owned() } else { s.to_owned() };
    let said = |s: &str| match own {
        Some((_, bulk)) if s == AS_ALL => format!("{AS_ALL}: {}", text(bulk)),
        _ => text(s),
    };
    let salt = own.map_or("all", |(source, _)| source);
    let shown = ComboBox::from_id_salt(("strategy", salt)).selected_text(said(chosen)).show_ui(ui, |ui| {
        if own.is_some() {
            ui.selectable_value(chosen, AS_ALL.to_owned(), said(AS_ALL));
        }
        for (strategy, _) in Strategy::ALL.into_iter().filter(|(s, _)| own.is_none() || *s != "reject") {
            ui.selectable_value(chosen, strategy.to_owned(), text(strategy));
        }
    });
    shown.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, name));
}
