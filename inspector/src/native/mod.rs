//! The desktop: a thread for the worker, the window, dialogs, the list of places, pictures without a display.

mod dialog;
pub mod inline;
pub mod open;
pub mod recent;
mod save;
pub mod screenshot;
pub mod thread;
pub mod watch;
pub mod window;
