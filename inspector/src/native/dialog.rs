//! Choosing a directory or file in the system's own dialog, without stopping the window.

use std::sync::mpsc::{Receiver, Sender, channel};

use egui::Context;

use crate::ask::Place;
use crate::ui::app::Arrival;
use crate::ui::state::Pick;

/// Dialogs that are open, and what came of them.
pub struct Dialogs {
    chosen: Sender<Arrival>,
    places: Receiver<Arrival>,
}

impl Dialogs {
    /// Begins without any.
    pub fn new() -> Self {
        let (chosen, places) = channel();
        Self { chosen, places }
    }

    /// Shows the dialog for a directory or a file to open, in a thread of its own: no system has one for both.
    pub fn ask(&self, ctx: &Context, what: Pick) -> std::io::Result<()> {
        let (chosen, ctx) = (self.chosen.clone(), ctx.clone());
        std::thread::Builder::new().name("dialog".to_owned()).spawn(move || {
            let dialog = rfd::FileDialog::new();
            let path = match what {
                Pick::Directory => dialog.set_title("Open a vecdelta repository").pick_folder(),
                Pick::File => {
                    let dialog = dialog.set_title("Open a bundle").add_filter("Bundles", &["vdpack"]);
                    dialog.add_filter("All files", &["*"]).pick_file()
                }
            };
            if let Some(path) = path {
                let _ = chosen.send(Arrival::Place(Place::Path(path.display().to_string())));
                ctx.request_repaint();
            }
        })?;
        Ok(())
    }

    /// Shows the dialog for a file to write into; `proposed` is where that would be.
    pub fn ask_file(&self, ctx: &Context, proposed: &str) -> std::io::Result<()> {
        let (chosen, ctx) = (self.chosen.clone(), ctx.clone());
        let proposed = std::path::PathBuf::from(proposed);
        std::thread::Builder::new().name("dialog".to_owned()).spawn(move || {
            let mut dialog = rfd::FileDialog::new().set_title("Write vectors to a file");
            dialog = dialog.add_filter("CSV", &["csv"]).add_filter("Parquet", &["parquet"]);
            if let (Some(dir), Some(name)) = (proposed.parent(), proposed.file_name()) {
                dialog = dialog.set_directory(dir).set_file_name(name.to_string_lossy());
            }
            if let Some(path) = dialog.save_file() {
                let _ = chosen.send(Arrival::SaveTo(path.display().to_string()));
                ctx.request_repaint();
            }
        })?;
        Ok(())
    }

    /// Returns what was chosen.
    pub fn chosen(&self) -> Option<Arrival> {
        self.places.try_recv().ok()
    }
}
