//! The view of cost: what each answer was read from, and how long it took.

use egui::{Grid, Label, RichText, ScrollArea, Ui, vec2};

use super::font;
use super::state::State;
use super::theme::Palette;
use super::view::View;
use crate::ask::{Ask, Cost};
use crate::model::format;

/// The view.
pub const VIEW: View =
    View { name: "cost", title: "Cost", about: "What each answer cost: bytes read, deltas replayed, and time.", draw };

/// How many answers are listed.
const LISTED: usize = 100;

fn draw(ui: &mut Ui, state: &mut State) {
    let p = Palette::of(ui.ctx());
    let costs = state.desk.costs();
    let sum = costs.iter().fold(Cost::default(), |sum, (_, cost)| sum.and(cost));
    let says = format!(
        "The last {}: {} in {}{}.",
        format::plural(costs.len() as u64, "answer"),
        format::size(sum.bytes),
        format::plural(sum.reads, "read"),
        if sum.micros == 0 { String::new() } else { format!(", {}", time(&sum)) }
    );
    ui.label(RichText::new(says).color(p.quiet));
    ui.add_space(6.0);
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        Grid::new("costs").num_columns(5).spacing(vec2(20.0, 3.0)).show(ui, |ui| {
            for head in ["time", "bytes", "reads", "deltas replayed", "answer"] {
                ui.label(RichText::new(head).font(font::bold(12.0)).color(p.quiet));
            }
            ui.end_row();
            for (ask, cost) in costs.iter().rev().take(LISTED) {
                let number = |text: String| RichText::new(text).font(font::mono(12.0)).color(p.quiet);
                ui.label(number(time(cost)));
                ui.label(number(format::size(cost.bytes)));
                ui.label(number(format::count(cost.reads)));
                ui.label(number(match (cost.deltas, cost.snapshot) {
                    (0, false) => String::new(),
                    (n, true) => format!("{} on a snapshot", format::count(n.into())),
                    (n, false) => format::count(n.into()),
                }));
                // Last, because what is too long for a narrow panel is cut here, and not the figures.
                ui.add(Label::new(words(ask, state)).truncate());
                ui.end_row();
            }
        });
    });
}

fn time(cost: &Cost) -> String {
    match cost.micros {
        0 => "–".to_owned(),
        micros => format!("{:.2} ms", micros as f64 / 1000.0),
    }
}

/// Says what was asked.
fn words(ask: &Ask, state: &State) -> String {
    let id = |commit: u32| state.history.short_id(commit);
    let nth = |from: u32| format::count(u64::from(from) + 1);
    let text = match ask {
        Ask::Open(_) => "opening".to_owned(),
        Ask::Graph { from } => format!("graph, from commit {}", nth(*from)),
        Ask::Records { from, .. } => format!("details of commits, from commit {}", nth(*from)),
        Ask::Commit { commit } => format!("commit {}", id(*commit)),
        Ask::Changes { commit } => format!("vectors of {}", id(*commit)),
        Ask::Versions { source, from, .. } => format!("versions of {source} from {from}"),
        Ask::Drift { before, after, from, .. } => {
            format!("drift {} to {}, from row {}", id(*before), id(*after), nth(*from))
        }
        Ask::Spread { from, .. } => format!("moves from commit {from}"),
        Ask::Merge { ours, theirs, .. } => format!("merge of {theirs} into {ours}"),
        Ask::Conflict { source, .. } => format!("conflict of {source}"),
        Ask::Axes { basis, turn } => format!("axes of {} at {}, turn {turn}", basis.collection, id(basis.commit)),
        Ask::Points { commit, from, .. } => format!("points of {}, from row {}", id(*commit), nth(*from)),
        Ask::Shifts { commit, from, .. } => format!("moved points of {}, from row {}", id(*commit), nth(*from)),
        Ask::Key { slot, .. } => format!("name of row {}", nth(*slot)),
        Ask::Generations { commit, .. } => format!("generations on the way to {}", id(*commit)),
        Ask::Export { what, turn } => format!("export of {} at {}, piece {turn}", what.collection, id(what.commit)),
        Ask::Stages { of, .. } => format!("pipeline at {of}"),
        Ask::MergeNow(chosen) => format!("making the merge of {} into {}", chosen.branches[1], chosen.branches[0]),
        Ask::Rehash { from } => format!("check from record {from}"),
    };
    format::line(&text, 70)
}
