//! How long the graph takes: its layout, and one frame, beside the floor of only going through the commits.
//!
//! `cargo bench -p vecdelta-inspector`. Prints the best of several runs; close other programs first.

use std::time::Instant;

use egui::{Context, Pos2, RawInput, Rect, vec2};
use vecdelta_inspector::ask::{GraphSlice, NONE, Opened};
use vecdelta_inspector::desk::{Desk, Wire};
use vecdelta_inspector::model::history::History;
use vecdelta_inspector::model::lanes::Lanes;
use vecdelta_inspector::model::rows::Rows;
use vecdelta_inspector::ui::graph::{Graph, Zoom};
use vecdelta_inspector::ui::state::State;
use vecdelta_inspector::ui::theme;

/// Nobody answers.
struct Nobody;

impl Wire for Nobody {
    fn send(&mut self, _: vecdelta_inspector::ask::Request) {}

    fn receive(&mut self) -> Option<vecdelta_inspector::ask::Reply> {
        None
    }
}

/// Makes a history in which a third of the commits fork or merge, on some branches at a time.
fn history(n: u32) -> History {
    let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: u32| {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        ((bits >> 33) as u32) % below.max(1)
    };
    let mut heads = vec![0_u32];
    let mut parents = vec![[NONE, NONE]];
    let mut branch = vec![0_u16];
    for commit in 1..n {
        let at = next(heads.len() as u32) as usize;
        let second = match next(6) {
            0 if heads.len() > 1 => {
                let other = (at + 1) % heads.len();
                let merged = heads[other];
                if other != 0 && heads.len() > 12 { heads.remove(other) } else { merged }
            }
            _ => NONE,
        };
        let at = at.min(heads.len() - 1);
        parents.push([heads[at], if second == heads[at] { NONE } else { second }]);
        branch.push(at as u16);
        if next(6) == 0 && heads.len() < 20 { heads.push(commit) } else { heads[at] = commit }
    }
    let opened = Opened {
        title: String::new(),
        commits: n,
        branches: vec![("main".to_owned(), heads[0])],
        tags: Vec::new(),
        distant: true,
    };
    let mut history = History::open(opened);
    history.take_graph(GraphSlice {
        from: 0,
        ids: (0..u64::from(n)).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect(),
        times: (0..u64::from(n)).collect(),
        parents,
        branch,
        branches: (0..24).map(|i| format!("branch {i}")).collect(),
    });
    history
}

fn best(runs: usize, mut run: impl FnMut()) -> f64 {
    let times = (0..runs).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64() * 1e3
    });
    times.fold(f64::INFINITY, f64::min)
}

fn main() {
    for n in [100_000, 1_000_000] {
        let history = history(n);
        let floor = best(5, || {
            std::hint::black_box((0..n).rev().map(|c| u64::from(history.parents(c)[0])).fold(0, u64::wrapping_add));
        });
        let layout = best(5, || {
            std::hint::black_box(Lanes::of(&history).len());
        });
        println!("layout of {n} commits: {layout:.1} ms; only reading the parents {floor:.1} ms");
        frames(n, history);
    }
}

fn frames(n: u32, history: History) {
    let ctx = Context::default();
    theme::install(&ctx);
    let mut state = State::new(Desk::new(Box::new(Nobody)));
    state.lanes = Lanes::of(&history);
    state.rows = Rows::all(history.len());
    state.history = history;
    let mut graph = Graph::default();
    for (name, zoom) in
        [("rows with text", Zoom::Normal), ("rows of 7 points", Zoom::Out), ("whole history", Zoom::All)]
    {
        let screen = Rect::from_min_size(Pos2::ZERO, vec2(1920.0, 1080.0));
        let input = || RawInput { screen_rect: Some(screen), ..RawInput::default() };
        let mut shapes = Vec::new();
        let mut run = |graph: &mut Graph, state: &mut State| {
            let mut output = ctx.run_ui(input(), |ui| graph.draw(ui, state));
            output.textures_delta.clear();
            shapes = output.shapes;
        };
        run(&mut graph, &mut state);
        graph.zoom(zoom, &mut state);
        if zoom == Zoom::Out {
            graph.zoom(zoom, &mut state);
            graph.zoom(zoom, &mut state);
        }
        run(&mut graph, &mut state);
        let mut row = 0;
        let draw = best(30, || {
            // Another commit every time, so that what is visible is laid out anew.
            row = (row + 7_919) % n;
            state.selection.commit = Some(n - 1 - row);
            state.reveal = true;
            run(&mut graph, &mut state);
        });
        let start = Instant::now();
        let primitives = ctx.tessellate(shapes.clone(), 1.0);
        let tessellate = start.elapsed().as_secs_f64() * 1e3;
        let vertices: usize = primitives
            .iter()
            .map(|p| if let egui::epaint::Primitive::Mesh(mesh) = &p.primitive { mesh.vertices.len() } else { 0 })
            .sum();
        println!("  frame of {n}, {name}: {draw:.2} ms, tessellated in {tessellate:.2} ms, {vertices} vertices");
    }
}
