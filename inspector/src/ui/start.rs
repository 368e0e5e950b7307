//! What is shown while nothing is open: ways in, places opened before, and what went wrong.

use egui::{Align, Button, CentralPanel, Frame, Layout, Margin, RichText, ScrollArea, Ui, vec2};

use super::state::State;
use super::theme::Palette;
use super::{font, shell, widgets};
use crate::ask::Place;
use crate::model::command::Command;
use crate::model::format;
use crate::work::title;

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
            RichText::new(format!("Could not open {}", format::line(&describe(&place), 200))).font(font::bold(14.0)),
        );
        widgets::trouble(ui, &trouble);
        ui.add_space(14.0);
    } else if let Some(place) = &state.place {
        if state.is_ready() {
            ui.label(RichText::new(format!("{} is open, but has no commit yet.", title(place))).font(font::bold(14.0)));
        } else {
            let known = state.history.len();
            let says = format!("Opening {}…", format::line(&describe(place), 200));
            let says = if known == 0 { says } else { format!("{says} {} commits", format::count(u64::from(known))) };
            ui.label(RichText::new(says).font(font::bold(14.0)));
        }
        ui.add_space(14.0);
    }
    ui.horizontal(|ui| {
        let big = |text: &str| Button::new(RichText::new(text).font(font::bold(13.5))).min_size(vec2(120.0, 34.0));
        if ui.add(big("Open…").stroke(egui::Stroke::new(1.0, p.accent))).clicked() {
            state.commands.push(Command::Open);
        }
        if ui.add(big("Demo history")).clicked() {
            state.commands.push(Command::OpenDemo);
        }
    });
    ui.label(RichText::new("Or drop a repository's directory or a .vdpack file on this window.").color(p.quiet));
    if !state.recent.is_empty() {
        widgets::heading(ui, "Opened before");
        for place in state.recent.clone() {
            let row = Button::new(RichText::new(format::line(&describe(&place), 200))).frame(false).truncate();
            if ui.add(row).clicked() {
                state.open(place, None);
                ui.ctx().request_repaint();
            }
        }
    }
}

/// Returns where a place is, in words.
pub fn describe(place: &Place) -> String {
    match place {
        Place::Demo => "the demo history".to_owned(),
        Place::Path(path) => path.clone(),
        Place::Url(url) => url.clone(),
        Place::File(_, name) => name.clone(),
    }
}
