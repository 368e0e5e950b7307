//! Making a merge: asked once more before anything is written.

use std::sync::Arc;

use egui::{Button, Context, Frame, Id, Key, Label, Margin, Modal, RichText, Role, Stroke, Ui, WidgetInfo};

use super::state::{State, Wish};
use super::theme::Palette;
use super::{font, widgets};
use crate::ask::{Chosen, MergePreview, Place, Trouble};
use crate::model::{branches, format};

/// A merge that somebody wants to make.
pub struct Merging {
    /// What is merged, and how.
    pub chosen: Chosen,
    /// How many sources it changes.
    pub sources: u64,
    /// The commands that do the same.
    pub command: String,
    /// Whether it was said that it is to be made.
    pub going: bool,
    /// Why it came to nothing.
    pub trouble: Option<Arc<Trouble>>,
}

/// Returns the commands that make a merge as chosen; nothing where there is none, or it would have to name too many.
pub fn command(state: &State, preview: &MergePreview, chosen: &Chosen) -> Option<String> {
    let Some(Place::Path(repo)) = &state.place else { return None };
    let all: Vec<&str> = preview.rows.iter().map(|c| c.source.as_str()).collect();
    // Conflicts without a name here cannot be resolved by name.
    let named = chosen.rows.is_empty() || all.len() as u64 == preview.conflicts;
    let [ours, theirs] = &chosen.branches;
    named.then(|| branches::merge_command(repo, theirs, ours, &chosen.strategy, &chosen.rows, &all))
}

/// Returns whether the open history can be written.
pub fn is_possible(state: &State) -> bool {
    state.history.opened.as_ref().is_some_and(|o| o.writable)
}

/// Shows the button that begins it, where the open history can be written.
pub fn button(ui: &mut Ui, state: &mut State, preview: &MergePreview, chosen: &Chosen, command: &str) {
    if !is_possible(state) {
        return;
    }
    let ready = preview.open == 0;
    let hint = if ready { "Write it into this repository" } else { "Choose first what the open conflicts become" };
    let button = ui.add_enabled(ready, Button::new("Merge…")).on_hover_text(hint).on_disabled_hover_text(hint);
    if button.clicked() {
        state.merging = Some(Merging {
            chosen: chosen.clone(),
            sources: preview.sources,
            command: command.to_owned(),
            going: false,
            trouble: None,
        });
        ui.ctx().request_repaint();
    }
}

/// Shows the window that asks, while it is wanted.
pub fn draw(ctx: &Context, state: &mut State) {
    let Some(mut merging) = state.merging.take() else { return };
    let p = Palette::of(ctx);
    let frame =
        Frame::new().fill(p.panel).stroke(Stroke::new(1.0, p.line)).corner_radius(8.0).inner_margin(Margin::same(20));
    let mut stays = true;
    let modal = Modal::new(Id::unique("merging")).frame(frame).show(ctx, |ui| {
        ui.set_width((ctx.content_rect().width() - 80.0).min(620.0));
        stays = merging.page(ui, state);
    });
    let closes = modal.should_close() || ctx.input(|i| i.key_pressed(Key::Escape));
    // What is being written cannot be called back.
    if merging.going || (stays && !closes) {
        state.merging = Some(merging);
    }
}

impl Merging {
    /// Draws the question; returns whether it stays.
    fn page(&mut self, ui: &mut Ui, state: &mut State) -> bool {
        let p = Palette::of(ui.ctx());
        let [ours, theirs] = &self.chosen.branches;
        let head = format!("Merge {} into {}?", format::line(theirs, 40), format::line(ours, 40));
        ui.label(RichText::new(head).font(font::bold(17.0)));
        ui.add_space(6.0);
        let repo = state.place.as_ref().map_or("", Place::describe);
        let sources = format::plural(self.sources, "vector");
        ui.label(format!(
            "This writes into {}: {sources} change in {}.",
            format::line(repo, 200),
            format::line(ours, 40)
        ));
        if !self.command.is_empty() {
            ui.add_space(6.0);
            ui.label(RichText::new("The same on the command line:").color(p.quiet));
            ui.add(Label::new(RichText::new(&self.command).font(font::mono(12.0))).wrap());
        }
        if let Some(trouble) = &self.trouble {
            ui.add_space(6.0);
            widgets::trouble(ui, trouble);
        }
        ui.add_space(8.0);
        let mut stays = true;
        ui.horizontal(|ui| {
            if self.going {
                let says = "Writing…";
                let label = ui.label(RichText::new(says).color(p.quiet));
                label.widget_info(|| WidgetInfo::labeled(Role::Status, true, says));
                return;
            }
            if ui.add(Button::new("Merge now").stroke(Stroke::new(1.0, p.accent))).clicked() {
                (self.going, self.trouble) = (true, None);
                ui.ctx().request_repaint();
            }
            if !self.command.is_empty() && ui.button("Copy the command").clicked() {
                state.wishes.push(Wish::Copy(self.command.clone()));
                ui.ctx().request_repaint();
            }
            stays = !ui.button("Cancel").clicked();
        });
        stays
    }
}
