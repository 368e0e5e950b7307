//! The view of the history's integrity: a check in the background, and what it found.

use egui::{ProgressBar, RichText, Role, ScrollArea, Ui, WidgetInfo};

use super::state::State;
use super::theme::Palette;
use super::view::View;
use super::{font, widgets};
use crate::ask::NONE;
use crate::model::command::Command;
use crate::model::format;
use crate::model::selection::unique_id;

/// The view.
pub const VIEW: View = View {
    name: "integrity",
    title: "Integrity",
    about: "Whether every byte of the history is as it was written, checked in the background.",
    draw,
};

fn draw(ui: &mut Ui, state: &mut State) {
    let p = Palette::of(ui.ctx());
    let running = state.integrity.next().is_some();
    let says = "Reads the whole history again and compares it with its hashes. You can go on working meanwhile.";
    ui.label(RichText::new(says).color(p.quiet));
    ui.add_space(4.0);
    ui.horizontal(|ui| {
        if running {
            if ui.button("Stop").clicked() {
                state.integrity.stop();
            }
        } else if ui.button(if state.integrity.records > 0 { "Check again" } else { "Check the history" }).clicked() {
            state.commands.push(Command::CheckHistory);
        }
        if state.integrity.records > 0 && ui.button("Copy the report").clicked() {
            state.commands.push(Command::CopyReport);
        }
    });
    if running || state.integrity.records > 0 || state.integrity.found > 0 {
        ui.add_space(6.0);
        progress(ui, state);
        verdict(ui, state);
        problems(ui, state);
    }
}

fn progress(ui: &mut Ui, state: &State) {
    let p = Palette::of(ui.ctx());
    let check = &state.integrity;
    let bar =
        ui.add(ProgressBar::new(check.share()).desired_height(8.0).fill(if check.found > 0 { p.bad } else { p.good }));
    bar.widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, "Progress of the check"));
    let says = format!(
        "{} of {} records, {}",
        format::count(check.records),
        format::count(check.total),
        format::size(check.bytes)
    );
    ui.label(RichText::new(says).color(p.quiet));
}

fn verdict(ui: &mut Ui, state: &State) {
    let p = Palette::of(ui.ctx());
    let check = &state.integrity;
    let (text, color) = match (check.found, check.done) {
        (0, true) => ("Every byte is as it was written.".to_owned(), p.good),
        (0, false) => return,
        (n, _) => (format!("{} found", format::plural(n, "problem")), p.bad),
    };
    let label = ui.label(RichText::new(&text).font(font::bold(15.0)).color(color));
    label.widget_info(|| WidgetInfo::labeled(Role::Status, true, &text));
    if check.done {
        let more = "Hashes, links, identities and parents were checked. `vecdelta verify` also rebuilds every table.";
        ui.label(RichText::new(more).color(p.quiet));
    }
}

fn problems(ui: &mut Ui, state: &mut State) {
    let p = Palette::of(ui.ctx());
    if state.integrity.problems.is_empty() {
        return;
    }
    widgets::heading(ui, "What is wrong, oldest first");
    let mut chosen = None;
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        for (commit, text) in state.integrity.problems.iter().take(200) {
            ui.horizontal_wrapped(|ui| {
                if *commit == NONE {
                    ui.label(RichText::new("outside of any commit").color(p.quiet));
                } else if ui.link(RichText::new(state.history.short_id(*commit)).font(font::mono(12.5))).clicked() {
                    chosen = Some(*commit);
                }
                ui.label(RichText::new(format::line(text, 400)).color(p.ink));
            });
        }
    });
    if let Some(commit) = chosen {
        state.select(commit);
    }
}

/// Returns the report as a text.
pub fn report(state: &State) -> String {
    let title = state.history.opened.as_ref().map_or("", |o| o.title.as_str());
    state.integrity.report(title, |commit| format!("commit {}", unique_id(&state.history, commit)))
}
