//! Choosing a directory or file in the system's own dialog, without stopping the window.

use std::sync::mpsc::{Receiver, Sender, channel};

use egui::Context;

use crate::ask::Place;

/// Dialogs that are open, and what came of them.
pub struct Dialogs {
    chosen: Sender<Place>,
    places: Receiver<Place>,
}

impl Dialogs {
    /// Begins without any.
    pub fn new() -> Self {
        let (chosen, places) = channel();
        Self { chosen, places }
    }

    /// Shows the dialog in a thread of its own.
    pub fn ask(&self, ctx: &Context) -> std::io::Result<()> {
        let (chosen, ctx) = (self.chosen.clone(), ctx.clone());
        std::thread::Builder::new().name("dialog".to_owned()).spawn(move || {
            let dialog = rfd::FileDialog::new().set_title("Open a vecdelta repository");
            if let Some(path) = dialog.pick_folder() {
                let _ = chosen.send(Place::Path(path.display().to_string()));
                ctx.request_repaint();
            }
        })?;
        Ok(())
    }

    /// Returns a place that was chosen.
    pub fn chosen(&self) -> Option<Place> {
        self.places.try_recv().ok()
    }
}
