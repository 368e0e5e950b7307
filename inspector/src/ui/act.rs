//! Carrying out commands.

use super::state::{State, Wish};
use super::view::VIEWS;
use crate::ask::{CommitNumber, Place};
use crate::model::command::Command;
use crate::ui::graph::Zoom;

/// What a command changes beside the state: how the window looks.
#[derive(Debug, PartialEq)]
pub enum Look {
    /// Nothing.
    Same,
    /// From dark to light, or back.
    OtherTheme,
    /// The graph's scale.
    Zoom(Zoom),
}

/// Carries out a command.
pub fn act(state: &mut State, command: Command) -> Look {
    match command {
        Command::Open => state.opening = !state.opening,
        Command::OpenDemo => state.open(Place::Demo, None),
        Command::Watch => state.watch(),
        Command::Close => state.close(),
        Command::Search => state.focus_search = true,
        Command::Palette => state.palette = Some(String::new()),
        Command::Help => state.help = !state.help,
        Command::NextMatch => go(state, |s| s.search.next_from(s.selection.commit, true)),
        Command::PreviousMatch => go(state, |s| s.search.next_from(s.selection.commit, false)),
        Command::Down => go(state, |s| by_rows(s, 1)),
        Command::Up => go(state, |s| by_rows(s, -1)),
        Command::DownTen => go(state, |s| by_rows(s, 10)),
        Command::UpTen => go(state, |s| by_rows(s, -10)),
        Command::Newest => go(state, |s| s.history.len().checked_sub(1)),
        Command::Oldest => go(state, |s| (!s.history.is_empty()).then_some(0)),
        Command::Parent => go(state, |s| s.history.parent(s.selection.commit?)),
        Command::Child => go(state, |s| s.history.children(s.selection.commit?).first().copied()),
        Command::NextBranch => other_branch(state, 1),
        Command::PreviousBranch => other_branch(state, -1),
        Command::Mark => {
            let chosen = state.selection.commit;
            state.selection.with = if state.selection.with == chosen { None } else { chosen };
        }
        Command::Play => state.playback.toggle(state.path.len()),
        Command::StepOn => step(state, 1),
        Command::StepBack => step(state, -1),
        Command::LeapOn => step(state, 10),
        Command::LeapBack => step(state, -10),
        Command::Faster => state.playback.change_speed(true),
        Command::Slower => state.playback.change_speed(false),
        Command::Loop => state.playback.looping = !state.playback.looping,
        Command::LoopHere => state.playback.mark_loop(state.path.len()),
        Command::Fold => {
            state.folding = !state.folding;
            state.unfolded.clear();
            state.fold();
            state.reveal = true;
        }
        Command::ZoomIn => return Look::Zoom(Zoom::In),
        Command::ZoomOut => return Look::Zoom(Zoom::Out),
        Command::ZoomAll => return Look::Zoom(Zoom::All),
        Command::ZoomReset => return Look::Zoom(Zoom::Normal),
        Command::NextView => other_view(state, 1),
        Command::PreviousView => other_view(state, -1),
        Command::ToggleGraph => state.graph_shown = !state.graph_shown,
        Command::Theme => return Look::OtherTheme,
        Command::ValueOrChange => super::vector::toggle(state),
        Command::AllPoints
        | Command::Closer
        | Command::Farther
        | Command::PanLeft
        | Command::PanRight
        | Command::PanUp
        | Command::PanDown
        | Command::ColourBy
        | Command::KeepTrail
        | Command::AxesHere => super::projection::act(state, command),
        Command::SwapBranches => super::compare::swap(state),
        Command::Export => {
            state.export_shown = state.is_ready() && !state.export_shown;
            state.export_trouble = None;
        }
        Command::CheckHistory => {
            state.selection.view = super::integrity::VIEW.name.to_owned();
            state.integrity.begin();
        }
        Command::CopyReport => {
            let report = super::integrity::report(state);
            state.wishes.push(Wish::Copy(report));
        }
        Command::CopyLink => {
            let link = state.link().to_text();
            state.wishes.push(Wish::Copy(link));
        }
        Command::CopyId => {
            if let Some(commit) = state.selection.commit {
                state.wishes.push(Wish::Copy(crate::model::selection::unique_id(&state.history, commit)));
            }
        }
    }
    Look::Same
}

/// Selects what `find` finds; a replay stops there.
fn go(state: &mut State, find: impl Fn(&State) -> Option<CommitNumber>) {
    if let Some(commit) = find(state) {
        state.playback.playing = false;
        state.select(commit);
    }
}

/// Returns the commit some rows further down or up.
fn by_rows(state: &State, by: i64) -> Option<CommitNumber> {
    let last = i64::from(state.rows.len().checked_sub(1)?);
    let at = state.selection.commit.and_then(|c| state.rows.row_of(c)).map_or(0, |r| i64::from(r) + by);
    state.rows.item(at.clamp(0, last) as u32).map(|item| item.newest())
}

fn step(state: &mut State, by: i64) {
    state.playback.step(by, state.path.len());
    if let Some(&commit) = state.path.get(state.playback.place()) {
        state.selection.commit = Some(commit);
        state.reveal = true;
    }
}

fn other_branch(state: &mut State, by: i64) {
    let heads: Vec<CommitNumber> =
        state.history.opened.iter().flat_map(|o| o.branches.iter().map(|(_, c)| *c)).collect();
    if heads.is_empty() {
        return;
    }
    let at = heads.iter().position(|&c| Some(c) == state.selection.tip).map_or(-by.min(0), |at| at as i64 + by);
    state.playback.playing = false;
    state.set_tip(heads[at.rem_euclid(heads.len() as i64) as usize]);
}

fn other_view(state: &mut State, by: i64) {
    let at = VIEWS.iter().position(|v| v.name == state.selection.view).unwrap_or(0) as i64;
    state.selection.view = VIEWS[(at + by).rem_euclid(VIEWS.len() as i64) as usize].name.to_owned();
}
