//! Writing rows out: what, as what, and where to; and the command that does the same.

use egui::{Context, Frame, Id, Key, Label, Margin, Modal, RichText, Role, Stroke, TextEdit, Ui, WidgetInfo};

use super::projection::kept_trails;
use super::state::{State, Wish};
use super::theme::Palette;
use super::{collection, font, widgets};
use crate::ask::{CommitNumber, Export, Format, Place};
use crate::model::exporting::{Exporting, command};
use crate::model::format;
use crate::model::selection::unique_id;

/// Which rows are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Which {
    /// All of the collection.
    #[default]
    All,
    /// The chosen vectors.
    Chosen,
    /// Those that came or changed since another commit.
    Changed,
}

#[derive(Default)]
struct Own {
    which: Option<Which>,
    format: Format,
    /// The name of the file, once somebody wrote one.
    to: Option<String>,
}

/// Whether this program writes Parquet.
const PARQUET: bool = cfg!(not(target_arch = "wasm32"));

/// Shows the window for it while it is wanted.
pub fn draw(ctx: &Context, state: &mut State) {
    if !state.export_shown {
        return;
    }
    let p = Palette::of(ctx);
    let frame =
        Frame::new().fill(p.panel).stroke(Stroke::new(1.0, p.line)).corner_radius(8.0).inner_margin(Margin::same(20));
    let mut own: Own = state.take();
    if let Some(path) = state.save_to.take() {
        own.format = if path.ends_with(".parquet") && PARQUET { Format::Parquet } else { Format::Csv };
        own.to = Some(path);
    }
    let modal = Modal::new(Id::unique("export")).frame(frame).show(ctx, |ui| {
        ui.set_width((ctx.content_rect().width() - 80.0).min(620.0));
        ui.label(RichText::new("Write vectors to a file").font(font::bold(17.0)));
        ui.add_space(6.0);
        own.page(ui, state);
    });
    if modal.should_close() || ctx.input(|i| i.key_pressed(Key::Escape)) {
        state.export_shown = false;
    }
    state.put(own);
}

impl Own {
    fn page(&mut self, ui: &mut Ui, state: &mut State) {
        let p = Palette::of(ui.ctx());
        let Some(commit) = state.selection.commit else {
            widgets::waiting(ui, "Open a history first.");
            return;
        };
        let Some(collection) = collection::choice(ui, state, commit) else { return };
        let what = self.what(ui, state, commit, collection);
        ui.add_space(6.0);
        ui.horizontal(|ui| {
            ui.label("as");
            ui.selectable_value(&mut self.format, Format::Csv, "CSV");
            if PARQUET {
                ui.selectable_value(&mut self.format, Format::Parquet, "Parquet");
            }
            let says = match self.format {
                Format::Csv => "every number reads back to the same bits",
                Format::Parquet => "small, every bit",
            };
            ui.label(RichText::new(says).color(p.quiet));
        });
        let what = Export { format: self.format, ..what };
        let to = self.target(ui, state, &what);
        ui.add_space(6.0);
        self.same(ui, state, &what, &to);
        ui.add_space(8.0);
        progress(ui, state, what, to);
    }

    /// Lets people choose which rows.
    fn what(&mut self, ui: &mut Ui, state: &State, commit: CommitNumber, collection: String) -> Export {
        let prefix = format!("{collection}/");
        let mut keys = kept_trails(state);
        keys.extend(state.selection.vector.clone().filter(|v| !keys.contains(v)));
        let keys: Vec<String> = keys.iter().filter_map(|k| k.strip_prefix(&prefix)).map(str::to_owned).collect();
        let since = state.selection.with.filter(|&w| w != commit).or_else(|| state.history.parent(commit));
        let which = self.which.get_or_insert(if keys.is_empty() { Which::All } else { Which::Chosen });
        let id = |c| state.history.short_id(c);
        ui.radio_value(which, Which::All, format!("all vectors at {}", id(commit)));
        if !keys.is_empty() {
            let says = match keys.as_slice() {
                [one] => format!("the chosen vector: {}", format::line(one, 60)),
                many => format!("the {} chosen vectors, whose trails are kept", many.len()),
            };
            ui.radio_value(which, Which::Chosen, says);
        }
        if let Some(since) = since {
            let marked = state.selection.with == Some(since);
            let whose = if marked { "the marked commit" } else { "its parent" };
            ui.radio_value(which, Which::Changed, format!("those that came or changed since {whose} {}", id(since)));
        }
        let which = *which;
        Export {
            commit,
            collection,
            keys: if which == Which::Chosen { keys } else { Vec::new() },
            since: since.filter(|_| which == Which::Changed),
            format: self.format,
        }
    }

    /// Returns the file, with a field to write it and a button to choose it.
    fn target(&mut self, ui: &mut Ui, state: &mut State, what: &Export) -> String {
        let safe = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        let name: String = format!("{}-{}", what.collection, unique_id(&state.history, what.commit));
        let name: String = name.chars().map(safe).collect();
        let extension = what.format.extension();
        let mut to = match &self.to {
            Some(to) => with_extension(to, extension),
            None if state.save_dir.is_empty() => format!("{name}.{extension}"),
            None => format!("{}/{name}.{extension}", state.save_dir.trim_end_matches('/')),
        };
        ui.horizontal(|ui| {
            ui.label("to");
            let field = ui.add(TextEdit::singleline(&mut to).desired_width(ui.available_width() - 90.0));
            field.widget_info(|| {
                let mut info = WidgetInfo::labeled(Role::TextInput, true, "File");
                info.current_text_value = Some(to.clone());
                info
            });
            if field.changed() {
                self.to = Some(to.clone());
            }
            if PARQUET && ui.button("Choose…").clicked() {
                state.wishes.push(Wish::ChooseFile(to.clone()));
                ui.ctx().request_repaint();
            }
        });
        to
    }

    /// Shows the command that writes the same.
    fn same(&self, ui: &mut Ui, state: &mut State, what: &Export, to: &str) {
        let repo = match &state.place {
            Some(Place::Path(path) | Place::Url(path) | Place::File(_, path)) => path.clone(),
            _ => "shop/shop.vd".to_owned(),
        };
        let line = command(&repo, what, to, |c| unique_id(&state.history, c));
        ui.label(RichText::new("The same on the command line:").color(Palette::of(ui.ctx()).quiet));
        ui.add(Label::new(RichText::new(&line).font(font::mono(12.0))).wrap());
        if ui.button("Copy the command").clicked() {
            state.wishes.push(Wish::Copy(line));
            ui.ctx().request_repaint();
        }
    }
}

fn with_extension(to: &str, extension: &str) -> String {
    let stem = to.strip_suffix(".csv").or_else(|| to.strip_suffix(".parquet")).unwrap_or(to);
    if stem == to && to.contains('.') { to.to_owned() } else { format!("{stem}.{extension}") }
}

/// Shows how far it is, or the button that begins it.
fn progress(ui: &mut Ui, state: &mut State, what: Export, to: String) {
    let p = Palette::of(ui.ctx());
    if let Some(trouble) = state.export_trouble.clone() {
        widgets::trouble(ui, &trouble);
        ui.add_space(6.0);
    }
    ui.horizontal(|ui| {
        if let Some(export) = &state.export {
            let says = format!("{} %, {}", export.percent, format::plural(export.rows, "vector"));
            let label = ui.label(RichText::new(&says).color(p.quiet));
            label.widget_info(|| WidgetInfo::labeled(Role::Status, true, &says));
            if ui.button("Stop").clicked() {
                state.export = None;
                state.wishes.push(Wish::GiveUpSaving);
            }
        } else if ui.button("Write the file").clicked() {
            state.export_trouble = None;
            state.export = Some(Exporting::new(what, to));
            ui.ctx().request_repaint();
        }
        if ui.button("Close").clicked() {
            state.export_shown = false;
        }
    });
}
