//! Looks at a vecdelta repository: the graph of its commits, their vectors, and how they change.
//!
//! - [`ask`] is what the window and the worker say to each other; [`work`] is the worker's side and owns the repository,
//!   [`desk`] the window's side, which keeps answers.
//! - [`model`] is what the window knows, without anything of egui.
//! - [`ui`] draws it, one file for each panel; a view is one line in [`ui::view::VIEWS`].
//! - [`raster`] turns what egui draws into pixels without any display.
//! - [`native`] is the desktop: a thread for the worker, dialogs, screenshots.

pub mod ask;
pub mod desk;
pub mod model;
#[cfg(not(target_arch = "wasm32"))]
pub mod native;
pub mod raster;
pub mod ui;
pub mod work;
