//! What the window knows and does, without anything of egui: tested by itself, the same natively and in the browser.

pub mod command;
pub mod format;
pub mod history;
pub mod lanes;
pub mod link;
pub mod path;
pub mod playback;
pub mod rows;
pub mod search;
pub mod selection;
