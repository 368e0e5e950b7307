//! The view of one commit: what it is, what it did, and what the table was after it.

use egui::{Grid, RichText, ScrollArea, Ui};

use super::font;
use super::state::State;
use super::theme::Palette;
use super::view::View;
use super::widgets::{self, heading};
use crate::ask::{Answer, Ask, Commit};
use crate::desk::Loaded;
use crate::model::format::{self, count, plural, size};

/// The view.
pub const VIEW: View = View {
    name: "commit",
    title: "Commit",
    about: "Who made a commit, why, what it changed, and what the table holds after it.",
    draw,
};

fn draw(ui: &mut Ui, state: &mut State) {
    let Some(number) = state.selection.commit else { return };
    match state.desk.get(Ask::Commit { commit: number }) {
        Loaded::Waiting => widgets::waiting(ui, "Reading the commit…"),
        Loaded::Failed(trouble) => widgets::trouble(ui, &trouble),
        Loaded::Ready(answer) => {
            if let Answer::Commit(commit) = &*answer {
                ScrollArea::vertical().auto_shrink(false).show(ui, |ui| show(ui, state, commit));
            }
        }
    }
}

fn show(ui: &mut Ui, state: &mut State, commit: &Commit) {
    let p = Palette::of(ui.ctx());
    let message = format::line(&commit.record.message, 2000);
    let message = if message.is_empty() { "No message".to_owned() } else { message };
    ui.label(RichText::new(message).font(font::bold(17.0)));
    let time = format!("{} UTC", format::second(state.history.time(commit.number)));
    ui.label(RichText::new(format!("{} · {time}", format::line(&commit.record.author, 100))).color(p.quiet));
    if let Some(next) = commit.stands_for {
        let next = state.history.short_id(next);
        let says = format!("A compaction left only this record. The next commit whose table is kept is {next}.");
        ui.label(RichText::new(says).color(p.warn));
    }
    heading(ui, "What changed");
    let [came, changed, went] = commit.record.changed;
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing.x = 18.0;
        // How many were given again as they were is known of whole tables that were read in.
        let same = (commit.unchanged > 0).then_some((commit.unchanged, "the same", p.quiet));
        let counts = [(came, "new", p.good), (changed, "changed", p.warn), (went, "gone", p.bad)];
        for (n, what, color) in counts.into_iter().chain(same) {
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 0.0;
                let ink = if n == 0 { p.quiet } else { color };
                ui.label(RichText::new(count(n)).font(font::bold(20.0)).color(ink));
                ui.label(RichText::new(what).color(p.quiet));
            });
        }
    });
    heading(ui, "Details");
    Grid::new("details").num_columns(2).spacing([18.0, 5.0]).show(ui, |ui| {
        details(ui, state, commit);
    });
    heading(ui, "Table after this commit");
    Grid::new("collections").num_columns(4).spacing([22.0, 5.0]).show(ui, |ui| {
        for c in &commit.collections {
            ui.label(RichText::new(format::line(&c.name, 60)).font(font::bold(13.0)));
            ui.label(plural(c.rows, "vector"));
            ui.label(format!("{} × {}", count(u64::from(c.dims)), c.element));
            let older: u64 = c.older.iter().map(|(_, rows)| rows).sum();
            let made =
                if c.generation.is_empty() { String::new() } else { format!("by {}", format::line(&c.generation, 60)) };
            let made = if older == 0 { made } else { format!("{made}, {} from older models", count(older)) };
            ui.label(RichText::new(made).color(p.quiet));
            ui.end_row();
        }
    });
}

fn details(ui: &mut Ui, state: &mut State, commit: &Commit) {
    let p = Palette::of(ui.ctx());
    let name = |ui: &mut Ui, text: &str| {
        ui.label(RichText::new(text).color(p.quiet));
    };
    name(ui, "Branch");
    let branch = format::line(&commit.branch, 100);
    ui.label(RichText::new(branch).font(font::bold(13.0)).color(p.text(p.branch(&commit.branch))));
    ui.end_row();
    for (i, (number, id)) in commit.parents.iter().enumerate() {
        name(ui, if i == 0 { "Parent" } else { "Merged" });
        let link = ui.link(RichText::new(&id[..id.len().min(12)]).font(font::mono(12.0)));
        if link.on_hover_text("Go to this commit").clicked() {
            state.select(*number);
            ui.ctx().request_repaint();
        }
        ui.end_row();
    }
    name(ui, "Stored");
    let looked_at =
        if commit.record.raw == 0 { String::new() } else { format!(" for {} of vectors", size(commit.record.raw)) };
    ui.label(format!("{}{looked_at}", size(commit.record.stored)));
    ui.end_row();
    name(ui, "Largest move");
    let l2 = commit.record.l2();
    ui.label(if l2 == 0.0 { "none".to_owned() } else { format!("{} (Euclidean length)", format::measure(l2)) });
    ui.end_row();
    name(ui, "Snapshot");
    ui.label(if commit.record.snapshot { "kept: reading starts here" } else { "no" });
    ui.end_row();
    for (key, value) in &commit.metadata {
        // What a run writes by itself is told in words, what somebody else wrote as it is.
        match key.as_str() {
            "file" => name(ui, "File"),
            "closed_by" => name(ui, "Window closed by"),
            key => name(ui, &format::line(key, 40)),
        }
        ui.label(format::line(value, 400));
        ui.end_row();
    }
    for (what, hex) in [("Hash", &commit.id), ("Table root", &commit.state_root)] {
        name(ui, what);
        ui.add(egui::Label::new(RichText::new(hex).font(font::mono(11.5)).color(p.quiet)).truncate())
            .on_hover_text(hex.as_str());
        ui.end_row();
    }
}
