//! What is shown while nothing is open: ways in, places opened before, and what went wrong.

use egui::{Align, CentralPanel, Frame, Layout, Margin, RichText, ScrollArea, Ui, vec2};

use super::state::State;
use super::theme::Palette;
use super::{font, opening, shell, widgets};
use crate::model::command::Command;
use crate::model::format;

/// Draws the page.
pub fn draw(ui: &mut Ui, state: &mut State) {
    let p = Palette::of(ui.ctx());
    CentralPanel::default().frame(Frame::new().fill(p.ground)).show(ui, |ui| {
        let bar = Frame::new().inner_margin(Margin::symmetric(12, 7));
        bar.show(ui, |ui| ui.horizontal(|ui| shell::menu(ui, state)));
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            let width = 520.0_f32.min(ui.available_width() - 32.0);
            ui.add_space((ui.available_height() * 0.16).max(8.0));
            ui.horizontal(|ui| {
                ui.add_space(((ui.available_width() - width) / 2.0).max(0.0));
                ui.allocate_ui_with_layout(vec2(width, 0.0), Layout::top_down(Align::Min), |ui| {
                    ui.set_width(width);
                    page(ui, state);
                });
            });
        });
    });
}

fn page(ui: &mut Ui, state: &mut State) {
    let p = Palette::of(ui.ctx());
    ui.label(RichText::new("vecdelta inspector").font(font::bold(26.0)));
    ui.label(RichText::new("See how a table of embeddings changes, commit by commit.").color(p.quiet).size(14.5));
    ui.add_space(14.0);
    if let (Some(trouble), Some(place)) = (state.trouble.clone(), state.place.clone()) {
        ui.label(
            RichText::new(format!("Could not open {}", format::line(place.describe(), 200))).font(font::bold(14.0)),
        );
        widgets::trouble(ui, &trouble);
        ui.add_space(14.0);
    } else if let Some(place) = &state.place {
        if state.is_ready() {
            ui.label(
                RichText::new(format!("{} is open, but has no commit yet.", place.title())).font(font::bold(14.0)),
            );
        } else {
            let known = state.history.len();
            let says = format!("Opening {}…", format::line(place.describe(), 200));
            let says = if known == 0 { says } else { format!("{says} {} commits", format::count(u64::from(known))) };
            ui.label(RichText::new(says).font(font::bold(14.0)));
        }
        ui.add_space(14.0);
    }
    opening::ways(ui, state);
    ui.add_space(6.0);
    ui.label(RichText::new("Or drop a repository's directory or a .vdpack file on this window.").color(p.quiet));
}

/// Draws a pipeline that is watched while no history is open.
pub fn watch(ui: &mut Ui, state: &mut State) {
    let p = Palette::of(ui.ctx());
    CentralPanel::default().frame(Frame::new().fill(p.ground)).show(ui, |ui| {
        let bar = Frame::new().fill(p.panel).inner_margin(Margin::symmetric(12, 7));
        bar.show(ui, |ui| {
            ui.horizontal(|ui| {
                shell::menu(ui, state);
                ui.label(RichText::new("Pipeline").font(font::bold(14.0)));
                ui.label(RichText::new("no history is open").color(p.quiet));
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    if ui.button("Back to the start page").clicked() {
                        state.commands.push(Command::Close);
                        ui.ctx().request_repaint();
                    }
                });
            });
        });
        let inner = Frame::new().inner_margin(Margin { left: 16, right: 12, top: 10, bottom: 8 });
        inner.show(ui, |ui| {
            ui.set_min_size(ui.available_size());
            (super::pipeline::VIEW.draw)(ui, state);
        });
    });
}
