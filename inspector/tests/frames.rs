//! Frames of a long history: few points whatever the scale, and nothing to do while nothing changes.

use egui::{
    Context, Event, Modifiers, MouseWheelSource, MouseWheelUnit, PointerButton, Pos2, RawInput, Rect, TouchPhase, pos2,
    vec2,
};
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

/// A graph without a window around it.
struct Bare {
    ctx: Context,
    graph: Graph,
    state: State,
    time: f64,
}

impl Bare {
    fn frame(&mut self, events: Vec<Event>) {
        self.time += 0.1;
        let screen = Some(Rect::from_min_size(Pos2::ZERO, vec2(900.0, 700.0)));
        let input = RawInput { screen_rect: screen, time: Some(self.time), events, ..RawInput::default() };
        self.ctx.run_ui(input, |ui| self.graph.draw(ui, &mut self.state)).textures_delta.clear();
    }

    fn press(&mut self, at: Pos2) {
        let button = |pressed| Event::PointerButton {
            pos: at,
            button: PointerButton::Primary,
            pressed,
            modifiers: Modifiers::NONE,
        };
        for events in [vec![Event::PointerMoved(at)], vec![button(true)], vec![button(false)]] {
            self.frame(events);
        }
    }

    /// Returns where the upper edge of a row is, as the views beside the graph are told.
    fn top(&self, row: u32) -> f64 {
        let shown = self.state.rows_shown;
        f64::from(shown.top) + (f64::from(row) - shown.scroll) * shown.row
    }
}

#[test]
fn scrolling_is_exact_among_ten_million_rows() {
    const N: u32 = 10_000_000;
    let parents: Vec<[u32; 2]> = (0..N).map(|i| [i.checked_sub(1).unwrap_or(NONE), NONE]).collect();
    let (ctx, mut state) = (Context::default(), State::new(Desk::new(Box::new(Nobody))));
    theme::install(&ctx);
    state.history = history(&parents, &vec![0; N as usize], &[("main", N - 1)]);
    state.rows = Rows::all(N);
    let mut bare = Bare { ctx, graph: Graph::default(), state, time: 0.0 };
    bare.frame(Vec::new());
    for row in [0, 1, 77, 4_194_305, 8_388_609, 9_999_989, N - 1] {
        bare.state.selection.commit = Some(N - 1 - row);
        bare.state.reveal = true;
        bare.frame(Vec::new());
        let top = bare.top(row);
        assert!((-1e-6..=674.000_001).contains(&top), "row {row} is at {top}");
        // Half a point inside either edge it is this row, half a point outside another one.
        for (away, expected) in [(-0.5, row.wrapping_sub(1)), (0.5, row), (25.5, row), (26.5, row + 1)] {
            if expected < N && top + away > 0.0 && top + away < 700.0 {
                bare.press(pos2(300.0, (top + away) as f32));
                assert_eq!(bare.state.selection.commit, Some(N - 1 - expected), "{away} from row {row}");
            }
        }
    }
    // A thousand steps down and up again lead to where they began, to the bit.
    bare.state.selection.commit = Some(1_000_000);
    bare.state.reveal = true;
    bare.frame(vec![Event::PointerMoved(pos2(300.0, 300.0))]);
    let begun = bare.state.rows_shown;
    for down in [true, false] {
        for _ in 0..500 {
            let delta = vec2(0.0, if down { -26.0 } else { 26.0 });
            let (unit, phase) = (MouseWheelUnit::Point, TouchPhase::Move);
            let source = MouseWheelSource::Unknown;
            bare.frame(vec![Event::MouseWheel { unit, delta, phase, source, modifiers: Modifiers::NONE }]);
        }
        // What is smoothed over some frames comes to its end.
        (0..30).for_each(|_| bare.frame(Vec::new()));
        let by = bare.state.rows_shown.scroll - begun.scroll;
        assert!((by - if down { 500.0 } else { 0.0 }).abs() < 1e-6, "{by} rows");
    }
}
