//! The help page, made of the table of commands and of the views.

use egui::{Context, Frame, Grid, Id, Key, Margin, Modal, RichText, ScrollArea, Stroke, Ui};

use super::state::State;
use super::theme::Palette;
use super::view::VIEWS;
use super::{font, widgets};
use crate::model::command::{COMMANDS, GROUPS};

/// Shows the page while it is wanted.
pub fn draw(ctx: &Context, state: &mut State) {
    if !state.help {
        return;
    }
    let p = Palette::of(ctx);
    let frame =
        Frame::new().fill(p.panel).stroke(Stroke::new(1.0, p.line)).corner_radius(8.0).inner_margin(Margin::same(20));
    let modal = Modal::new(Id::unique("help")).frame(frame).show(ctx, |ui| {
        let high = ctx.content_rect().height() - 140.0;
        ui.set_width((ctx.content_rect().width() - 80.0).min(820.0));
        ui.label(RichText::new("Keys and help").font(font::bold(17.0)));
        ScrollArea::vertical().max_height(high).min_scrolled_height(high).show(ui, page);
    });
    if modal.should_close() || ctx.input(|i| i.key_pressed(Key::Escape)) {
        state.help = false;
    }
}

fn page(ui: &mut Ui) {
    let p = Palette::of(ui.ctx());
    let columns = if ui.available_width() > 640.0 { 2 } else { 1 };
    ui.columns(columns, |uis| {
        for (i, group) in GROUPS.iter().enumerate() {
            let ui = &mut uis[if i < 3 { 0 } else { columns - 1 }];
            widgets::heading(ui, group);
            Grid::new(group).num_columns(2).spacing([16.0, 3.0]).min_col_width(86.0).min_row_height(20.0).show(
                ui,
                |ui| {
                    for entry in COMMANDS.iter().filter(|e| e.group == *group && !e.keys.is_empty()) {
                        let keys: Vec<String> = entry.keys.iter().map(|k| k.text()).collect();
                        ui.label(RichText::new(keys.join("  ")).font(font::bold(13.0)).color(p.accent));
                        ui.label(entry.name);
                        ui.end_row();
                    }
                },
            );
        }
    });
    widgets::heading(ui, "Views");
    for view in VIEWS {
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new(view.title).font(font::bold(13.0)));
            ui.label(RichText::new(view.about).color(p.quiet));
        });
    }
    widgets::heading(ui, "Search");
    ui.label(
        "Words are looked for in messages, authors, branches, tags and hashes. Conditions: author:ana  branch:main  \
         tag:v1  sources>100  mag>=0.5  bytes>1000  after:2026-01-31  before:2026-02-28",
    );
    widgets::heading(ui, "Signs in the graph");
    ui.label(
        "A dot is a commit, larger when it changed more. A ring is a merge. A square around it: a snapshot is kept.",
    );
    ui.label(
        "Round labels are branches, square ones tags. A branch has the same colour in every view and on every day.",
    );
}
