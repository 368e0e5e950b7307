//! Frames of a long history: few points whatever the scale, and nothing to do while nothing changes.

use egui::{Context, Pos2, RawInput, Rect, vec2};
use vecdelta_inspector::ask::{NONE, Reply, Request};
use vecdelta_inspector::desk::{Desk, Wire};
use vecdelta_inspector::model::lanes::Lanes;
use vecdelta_inspector::model::rows::Rows;
use vecdelta_inspector::ui::graph::{Graph, Zoom};
use vecdelta_inspector::ui::state::State;
use vecdelta_inspector::ui::theme;

use super::support::history;

/// Nobody answers.
struct Nobody;

impl Wire for Nobody {
    fn send(&mut self, _: Request) {}

    fn receive(&mut self) -> Option<Reply> {
        None
    }
}

/// Many branches side by side: every commit goes on from the one `width` before it, and merges its neighbour now and then.
fn braid(n: u32, width: u32) -> Vec<[u32; 2]> {
    let parent = |i: u32, back: u32| i.checked_sub(back).unwrap_or(NONE);
    (0..n).map(|i| [parent(i, width), if i.is_multiple_of(7) { parent(i, width - 1) } else { NONE }]).collect()
}

#[test]
fn a_frame_has_few_points_whatever_the_scale() {
    const N: u32 = 60_000;
    let ctx = Context::default();
    theme::install(&ctx);
    let mut state = State::new(Desk::new(Box::new(Nobody)));
    state.history = history(&braid(N, 60), &(0..N).map(|i| (i % 8) as u16).collect::<Vec<_>>(), &[("main", N - 1)]);
    state.lanes = Lanes::of(&state.history);
    state.rows = Rows::all(N);
    let mut graph = Graph::default();
    let frame = |graph: &mut Graph, state: &mut State| -> usize {
        let screen = Rect::from_min_size(Pos2::ZERO, vec2(2560.0, 1440.0));
        let mut output =
            ctx.run_ui(RawInput { screen_rect: Some(screen), ..RawInput::default() }, |ui| graph.draw(ui, state));
        output.textures_delta.clear();
        let primitives = ctx.tessellate(output.shapes, 1.0);
        let points = |p: &egui::ClippedPrimitive| match &p.primitive {
            egui::epaint::Primitive::Mesh(mesh) => mesh.vertices.len(),
            egui::epaint::Primitive::Callback(_) => 0,
        };
        primitives.iter().map(points).sum()
    };
    frame(&mut graph, &mut state);
    state.selection.commit = Some(N / 2);
    state.reveal = true;
    let mut heights = Vec::new();
    while heights.last() != Some(&state.row_height) {
        heights.push(state.row_height);
        let points = frame(&mut graph, &mut state);
        assert!(points > 500 && points <= 250_000, "{points} points at rows of {}", state.row_height);
        graph.zoom(Zoom::Out, &mut state);
        frame(&mut graph, &mut state);
    }
    assert!(heights.len() > 15, "from text to the whole history: {heights:?}");
}
