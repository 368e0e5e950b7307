//! The views beside the graph. To add one: a file with a `VIEW`, and its line in [`VIEWS`].

use egui::Ui;

use super::state::State;
use super::{changes, commit, compare, cost, drift, integrity, pipeline, projection, vector};

/// A view.
pub struct View {
    /// Its name in links.
    pub name: &'static str,
    /// What its tab says.
    pub title: &'static str,
    /// What it shows, in one sentence for the help page.
    pub about: &'static str,
    /// Draws it. What it needs it asks of [`State::desk`]; what it keeps for itself it takes with [`State::take`].
    pub draw: fn(&mut Ui, &mut State),
}

/// All views, in the order of their tabs.
pub const VIEWS: &[View] = &[
    commit::VIEW,
    changes::VIEW,
    vector::VIEW,
    projection::VIEW,
    drift::VIEW,
    compare::VIEW,
    integrity::VIEW,
    pipeline::VIEW,
    cost::VIEW,
];

/// Returns the view with a name, or else the first.
pub fn named(name: &str) -> &'static View {
    VIEWS.iter().find(|v| v.name == name).unwrap_or(&VIEWS[0])
}
