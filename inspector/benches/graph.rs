//! How long the graph takes: its layout, and one frame, beside the floor of only going through the commits.
//!
//! `cargo bench -p vecdelta-inspector --bench graph`. Layouts are the best of several runs, frames are not: close other
//! programs first.

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
        writable: false,
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

/// Draws frames that each show another commit, so that what is visible is laid out anew, and turns them into triangles.
fn frames(n: u32, history: History) {
    let ctx = Context::default();
    theme::install(&ctx);
    let mut state = State::new(Desk::new(Box::new(Nobody)));
    state.lanes = Lanes::of(&history);
    state.rows = Rows::all(history.len());
    state.history = history;
    let mut graph = Graph::default();
    let scales = [
        ("rows with text", Zoom::Normal, 1),
        ("rows of 7 points", Zoom::Out, 3),
        ("densities", Zoom::Out, 4),
        ("whole history", Zoom::All, 1),
    ];
    for (name, zoom, times) in scales {
        let screen = Rect::from_min_size(Pos2::ZERO, vec2(1920.0, 1080.0));
        let mut vertices = 0;
        let mut run = |graph: &mut Graph, state: &mut State| {
            let start = Instant::now();
            let input = RawInput { screen_rect: Some(screen), ..RawInput::default() };
            let mut output = ctx.run_ui(input, |ui| graph.draw(ui, state));
            output.textures_delta.clear();
            let primitives = ctx.tessellate(output.shapes, 1.0);
            let took = start.elapsed().as_secs_f64() * 1e3;
            let points = |p: &egui::ClippedPrimitive| match &p.primitive {
                egui::epaint::Primitive::Mesh(mesh) => mesh.vertices.len(),
                egui::epaint::Primitive::Callback(_) => 0,
            };
            vertices = vertices.max(primitives.iter().map(points).sum());
            took
        };
        run(&mut graph, &mut state);
        (0..times).for_each(|_| graph.zoom(zoom, &mut state));
        run(&mut graph, &mut state);
        let mut row = 0;
        let mut took: Vec<f64> = (0..400)
            .map(|_| {
                row = (row + 7_919) % n;
                state.selection.commit = Some(n - 1 - row);
                state.reveal = true;
                run(&mut graph, &mut state)
            })
            .collect();
        took.sort_by(f64::total_cmp);
        let at = |share: f64| took[((took.len() - 1) as f64 * share).round() as usize];
        let (half, most_of, most) = (at(0.5), at(0.95), at(1.0));
        println!(
            "  frames of {n}, {name}: median {half:.2} ms, 95 % {most_of:.2} ms, most {most:.2} ms; {vertices} vertices"
        );
    }
}
