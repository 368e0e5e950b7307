//! The window on the desktop.

use std::cell::RefCell;
use std::rc::Rc;

use eframe::{NativeOptions, Renderer};
use egui::{Context, ThemePreference, ViewportBuilder};

use super::dialog::Dialogs;
use super::save::{Saving, default_dir};
use super::thread::Thread;
use super::{open, recent};
use crate::ask::Place;
use crate::ui::app::{Arrival, Inspector};
use crate::ui::state::Wish;

/// Shows the window until it is closed.
///
/// # Errors
/// When there is no display, or no OpenGL.
pub fn run(place: Option<Place>, link: &str, theme: Option<egui::Theme>) -> Result<(), eframe::Error> {
    let viewport = ViewportBuilder::default()
        .with_title("vecdelta inspector")
        .with_app_id("vecdelta-inspector")
        .with_inner_size([1280.0, 800.0])
        .with_min_inner_size([640.0, 420.0]);
    let options = NativeOptions { viewport, renderer: Renderer::Glow, ..NativeOptions::default() };
    let link = link.to_owned();
    eframe::run_native(
        "vecdelta-inspector",
        options,
        Box::new(move |cc| {
            let mut app = inspector(&cc.egui_ctx)?;
            cc.egui_ctx.set_theme(theme.map_or(ThemePreference::System, ThemePreference::from));
            app.start(place, &link);
            Ok(Box::new(app))
        }),
    )
}

/// Makes an inspector that knows the desktop.
fn inspector(ctx: &Context) -> std::io::Result<Inspector> {
    let wake = ctx.clone();
    let wire = Thread::start(open::opener(), move || wake.request_repaint())?;
    let dialogs = Rc::new(Dialogs::new());
    let shown = dialogs.clone();
    let mut saving = Saving::default();
    let list = Rc::new(RefCell::new(recent::read()));
    let mut app = Inspector::new(ctx, Box::new(wire))
        .with_shell(move |ctx, wish| match wish {
            Wish::ChoosePlace(what) => shown.ask(ctx, what).err().map(|e| format!("No dialog can be shown: {e}")),
            Wish::Copy(text) => {
                let says = format!("Copied: {text}");
                ctx.copy_text(text);
                Some(says)
            }
            Wish::KeepRecent(places) => {
                recent::keep(&places);
                None
            }
            Wish::ChooseFile(path) => shown.ask_file(ctx, &path).err().map(|e| format!("No dialog can be shown: {e}")),
            Wish::Say(text) => Some(text),
            Wish::Save(piece) => saving.piece(&piece),
            Wish::GiveUpSaving => {
                saving.give_up();
                None
            }
        })
        .with_arrivals(move |ctx| dropped(ctx).map(Arrival::Place).or_else(|| dialogs.chosen()));
    app.state.recent = list.take();
    app.state.save_dir = default_dir();
    Ok(app)
}

/// Returns what was dropped on the window.
fn dropped(ctx: &Context) -> Option<Place> {
    let path = ctx.input(|i| i.raw.dropped_files.first().map(|f| f.path().display().to_string()));
    path.filter(|p| !p.is_empty()).map(Place::Path)
}
