//! What the window knows and does, without anything of egui: tested by itself, the same natively and in the browser.

pub mod branches;
pub mod cloud;
pub mod command;
pub mod drift;
pub mod exporting;
pub mod format;
pub mod heat;
pub mod history;
pub mod integrity;
pub mod lanes;
pub mod link;
pub mod path;
pub mod pipeline;
pub mod plane;
pub mod playback;
pub mod rows;
pub mod search;
pub mod selection;
pub mod versions;
