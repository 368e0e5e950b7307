//! The projection against plain oracles: the axes, where rows lie, and points that follow the replay.

use egui::{Context, Key, Pos2, RawInput, Rect, vec2};
use egui_kittest::kittest::Queryable;
use vecdelta::delta::Source;
use vecdelta::version::{Repository, value};
use vecdelta_inspector::ask::{
    Answer, Ask, Axes, Basis, Commit, Cost, Kind, NONE, Opened, Places, Points, Reply, Request, Shifts,
};
use vecdelta_inspector::desk::{Desk, Wire};
use vecdelta_inspector::model::cloud::{Cloud, Want};
use vecdelta_inspector::model::plane::Plane;
use vecdelta_inspector::ui::state::State;
use vecdelta_inspector::ui::{projection, theme};
use vecdelta_inspector::work::{Worker, answer, demo as told};

use super::support::{demo, history, shown};

fn repo() -> Repository {
    Repository::open(told().expect("memory does not refuse")).expect("it was just made")
}

fn basis(repo: &Repository) -> Basis {
    Basis { commit: repo.head("main").expect("main") as u32, collection: "products".to_owned() }
}

/// Finds the axes turn by turn, as the window does.
fn axes() -> Axes {
    let mut worker = Worker::new(Box::new(|_| Ok((told()?, false))));
    let mut ask = |number, ask| worker.answer(&Request { number, ask }).expect("memory never waits").result;
    ask(1, Ask::Open(vecdelta_inspector::ask::Place::Demo)).expect("it opens");
    let basis = basis(&repo());
    for turn in 0..500 {
        match ask(u64::from(turn) + 2, Ask::Axes { basis: basis.clone(), turn }) {
            Ok(Answer::Axes(axes)) if axes.done => return *axes,
            Ok(Answer::Axes(axes)) => assert!(axes.percent < 100),
            other => panic!("{other:?}"),
        }
    }
    panic!("the axes are never found");
}

/// The rows of the demo's table at a commit, by key.
fn rows(repo: &Repository, commit: usize) -> Vec<(String, Vec<f64>)> {
    let keys = ["lamp", "shelf", "rug", "mirror", "chair", "table", "vase", "clock", "sofa", "desk"];
    let mut out = Vec::new();
    let table = std::sync::Arc::new(vecdelta::version::table(repo, commit, Some("products")).expect("a table"));
    vecdelta::version::read_table::<vecdelta::version::VersionError>(repo, commit, &table, &mut |names, rows| {
        for (i, row) in rows.chunks_exact(table.row_bytes()).enumerate() {
            let values = row.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("four bytes")).into());
            out.push((names.get(i).to_owned(), values.collect()));
        }
        Ok(())
    })
    .expect("the table is read");
    assert!(out.iter().any(|(k, _)| keys.iter().any(|w| k.starts_with(w))));
    out
}

/// The largest two eigenvalues and their vectors by power and deflation, with patience.
fn plain_directions(rows: &[(String, Vec<f64>)]) -> ([(f64, Vec<f64>); 2], f64) {
    let (n, dims) = (rows.len() as f64, rows[0].1.len());
    let mean: Vec<f64> = (0..dims).map(|d| rows.iter().map(|(_, r)| r[d]).sum::<f64>() / n).collect();
    let mut matrix = vec![vec![0.0; dims]; dims];
    for (_, row) in rows {
        for a in 0..dims {
            for b in 0..dims {
                matrix[a][b] += (row[a] - mean[a]) * (row[b] - mean[b]);
            }
        }
    }
    let trace = (0..dims).map(|d| matrix[d][d]).sum();
    let mut found = Vec::new();
    for _ in 0..2 {
        let mut v: Vec<f64> = (0..dims).map(|d| 1.0 + (d as f64 * 0.7).sin()).collect();
        let mut length = 0.0;
        for _ in 0..3000 {
            let next: Vec<f64> = matrix.iter().map(|row| row.iter().zip(&v).map(|(m, v)| m * v).sum()).collect();
            length = next.iter().map(|v| v * v).sum::<f64>().sqrt();
            v = next.into_iter().map(|x| x / length).collect();
        }
        for a in 0..dims {
            for b in 0..dims {
                matrix[a][b] -= length * v[a] * v[b];
            }
        }
        found.push((length, v));
    }
    (found.try_into().expect("two"), trace)
}

#[test]
fn the_axes_are_those_along_which_the_sample_varies_most() {
    let repo = repo();
    let found = axes();
    let rows = rows(&repo, basis(&repo).commit as usize);
    let (plain, trace) = plain_directions(&rows);
    assert_eq!(found.sample as usize, rows.len());
    for (i, (length, direction)) in plain.iter().enumerate() {
        let axis: Vec<f64> = found.axes[i].iter().map(|b| f64::from_bits(*b)).collect();
        let along: f64 = axis.iter().zip(direction).map(|(a, b)| a * b).sum();
        assert!(along.abs() > 1.0 - 1e-5, "axis {i}: {along}");
        let largest = axis.iter().copied().fold(0.0_f64, |m, v| if v.abs() > m.abs() { v } else { m });
        assert!(largest > 0.0, "the sign is fixed");
        assert!((f64::from_bits(found.shares[i]) - length / trace).abs() < 1e-6);
    }
    assert_eq!(axes(), found, "they are the same every time");
    let Ok(Answer::Axes(first)) = answer(&repo, &Ask::Axes { basis: basis(&repo), turn: 0 }) else { panic!() };
    assert!(!first.done, "a turn is one small piece");
}

fn points(repo: &Repository, commit: u32) -> Cloud {
    let mut cloud = Cloud::default();
    let mut slices = 0;
    loop {
        let want = cloud.towards(commit, |_| None);
        let Want::Points(of, from) = want else { break };
        let ask = Ask::Points { basis: basis(repo), commit: of, from, every: cloud.every() };
        let Ok(Answer::Points(slice)) = answer(repo, &ask) else { panic!("no points of {commit}") };
        cloud.take_points(of, from, cloud.every(), &slice);
        slices += 1;
        assert!(slices < 100);
    }
    cloud
}

fn places(cloud: &Cloud) -> Vec<(u32, [u32; 3], u32)> {
    let bits = cloud.points().map(|(slot, at, by)| (slot, at.map(f32::to_bits), by));
    bits.filter(|(_, at, _)| !f32::from_bits(at[0]).is_nan()).collect()
}

#[test]
fn every_row_lies_where_its_bits_put_it() {
    let repo = repo();
    let plane = Plane::of(&axes()).expect("they are found");
    for commit in (0..repo.len()).filter(|&c| repo.stands_for(c).is_none()) {
        let rows = rows(&repo, commit);
        let cloud = points(&repo, commit as u32);
        let places = places(&cloud);
        let finite = rows.iter().filter(|(_, r)| r.iter().all(|v| v.is_finite())).count();
        assert_eq!(places.len(), finite, "{commit}");
        assert_eq!(cloud.undrawn(), rows.len() - finite);
        for (slot, at, by) in places {
            let ask = Ask::Key { commit: commit as u32, collection: "products".to_owned(), slot };
            let Ok(Answer::Key(Some(key))) = answer(&repo, &ask) else { panic!("no key of slot {slot}") };
            let source = Source::parse(&format!("products/{key}")).expect("a source");
            let row = value(&repo, commit, &source).expect("it is there").row;
            let row: Vec<f64> =
                row.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("four")).into()).collect();
            assert_eq!(plane.place(&row).expect("finite").map(f32::to_bits), at, "{key} at {commit}");
            assert!(by as usize <= commit);
        }
    }
}

#[test]
fn points_that_follow_step_by_step_are_those_that_are_read_anew() {
    let repo = repo();
    let parent = |c: u32| repo.entry(c as usize).parents.first().map(|&p| p as u32);
    let held: Vec<u32> = (0..repo.len()).filter(|&c| repo.stands_for(c).is_none()).map(|c| c as u32).collect();
    let anew: Vec<(u32, Vec<_>)> = held.iter().map(|&c| (c, places(&points(&repo, c)))).collect();
    let (mut cloud, mut shifts, mut whole) = (Cloud::default(), 0, 0);
    let forth = anew.iter();
    let back = anew.iter().rev();
    let hops = (0..anew.len()).map(|i| &anew[(i * 5) % anew.len()]);
    for (commit, expected) in forth.chain(back).chain(hops) {
        for turn in 0.. {
            assert!(turn < 200);
            match cloud.towards(*commit, parent) {
                Want::Nothing => break,
                Want::Points(of, from) => {
                    whole += 1;
                    let ask = Ask::Points { basis: basis(&repo), commit: of, from, every: 1 };
                    let Ok(Answer::Points(slice)) = answer(&repo, &ask) else { panic!("no points") };
                    cloud.take_points(of, from, 1, &slice);
                }
                Want::Shifts(of, from) => {
                    shifts += 1;
                    let ask = Ask::Shifts { basis: basis(&repo), commit: of, from, every: 1 };
                    match answer(&repo, &ask) {
                        Ok(Answer::Shifts(slice)) => cloud.take_shifts(of, from, &slice),
                        // Of commits that a compaction left out only the record is there.
                        _ if repo.stands_for(of as usize).is_some() => cloud.give_up(of),
                        other => panic!("no shifts of {of}: {other:?}"),
                    }
                }
            }
        }
        assert_eq!(cloud.at(), Some(*commit));
        assert_eq!(&places(&cloud), expected, "at {commit}");
        let Ok(Answer::Records(told)) = answer(&repo, &Ask::Records { from: *commit, count: 1 }) else { panic!() };
        // Rows that are written again with the bits they had are moves of length 0, and no changes.
        let moves = cloud.moves().filter(|m| m.kind != Kind::Updated || m.l2 != 0.0).count() as u64;
        // What a compaction composed stands for more than its own commit.
        if repo.bases(*commit as usize).nth(1).map(|c| c as u32) == parent(*commit) {
            assert_eq!(moves, told.records[0].sources(), "at {commit}");
        }
    }
    assert!(shifts > 20 && whole < 20, "{shifts} steps, {whole} read whole");
}

#[test]
fn answers_that_make_no_sense_are_left_aside() {
    let mut cloud = Cloud::default();
    let at = |n: usize| Places { at: vec![[0; 3]; n], by: vec![0; n] };
    assert_eq!(cloud.towards(3, |_| Some(2)), Want::Points(3, 0));
    let slice = |from, next, places| Points { from, next, slots: 8, places };
    cloud.take_points(3, 0, 1, &slice(0, 0, Places { at: vec![[0; 3]; 4], by: vec![0; 1] }));
    assert_eq!(cloud.len(), 0, "as many places as names");
    cloud.take_points(9, 0, 1, &slice(0, 0, at(4)));
    assert_eq!(cloud.at(), Some(3));
    assert_eq!(cloud.towards(3, |_| Some(2)), Want::Shifts(3, 0));
    let wild = Shifts { slots: vec![u32::MAX], kinds: Vec::new(), ..Shifts::default() };
    cloud.take_shifts(3, 0, &wild);
    assert_eq!(cloud.towards(3, |_| Some(2)), Want::Nothing, "nobody can say what it did");
    assert_eq!(cloud.moves().count(), 0);
    assert!(Plane::of(&Axes { done: true, mean: vec![0], ..Axes::default() }).is_none());
}

#[test]
fn a_vector_is_found_chosen_and_leaves_a_trail() {
    let mut w = demo("#view=projection&c=main");
    assert!(w.query_by_label_contains("The axes carry").is_some());
    let picture = w.get_by_label_contains("Projection of").rect();
    let mut found = false;
    'search: for y in 1..20 {
        for x in 1..20 {
            w.hover_at(picture.min + picture.size() * vec2(x as f32, y as f32) / 20.0);
            w.run();
            if w.query_by_label_contains("off the plane").is_some() {
                found = true;
                break 'search;
            }
        }
    }
    assert!(found, "no point under the pointer anywhere");
    let at = w.ctx.input(|i| i.pointer.hover_pos()).expect("it hovers");
    w.drag_at(at);
    w.drop_at(at);
    w.run();
    let vector = shown(&w)["vector"].as_str().expect("one is chosen").to_owned();
    assert!(vector.starts_with("products/"));
    w.key_press(Key::D);
    w.run();
    assert!(shown(&w)["link"].as_str().expect("a link").contains("trails="));
    w.get_by_label("Let its trail go");
    for (key, part) in [(Key::A, "colour=generation"), (Key::I, "cam="), (Key::Num6, "cam=")] {
        w.key_press(key);
        w.run();
        assert!(shown(&w)["link"].as_str().expect("a link").contains(part), "{part}");
    }
    let link = shown(&w)["link"].as_str().expect("a link").to_owned();
    let again = demo(Box::leak(link.clone().into_boxed_str()));
    assert_eq!(shown(&again)["link"], link.as_str());
    w.key_press(Key::Num5);
    w.key_press_modifiers(egui::Modifiers::SHIFT, Key::A);
    w.run();
    let link = shown(&w)["link"].as_str().expect("a link").to_owned();
    assert!(!link.contains("cam=") && link.contains("basis="), "{link}");
}

/// Answers for a table of many points that lie in a cloud.
struct Many {
    slots: u32,
    replies: Vec<Reply>,
}

impl Wire for Many {
    fn send(&mut self, request: Request) {
        let bits = |v: f64| v.to_bits();
        let place = |slot: u32| {
            let angle = f64::from(slot) * 2.399_963;
            let far = (f64::from(slot) / f64::from(self.slots)).sqrt();
            [far * angle.cos(), far * angle.sin(), 0.1].map(|v| (v as f32).to_bits())
        };
        let result = match request.ask {
            Ask::Commit { commit } => Answer::Commit(Box::new(Commit {
                number: commit,
                id: "0".repeat(64),
                parents: Vec::new(),
                branch: "main".to_owned(),
                time: String::new(),
                record: Default::default(),
                unchanged: 0,
                metadata: Default::default(),
                collections: vec![vecdelta_inspector::ask::Collection {
                    name: "many".to_owned(),
                    element: "f32".to_owned(),
                    dims: 2,
                    rows: self.slots.into(),
                    generation: String::new(),
                    older: Vec::new(),
                }],
                state_root: String::new(),
                stands_for: None,
            })),
            Ask::Axes { .. } => Answer::Axes(Box::new(Axes {
                done: true,
                percent: 100,
                sample: 10,
                every: 1,
                mean: vec![0; 2],
                axes: [vec![bits(1.0), 0], vec![0, bits(1.0)]],
                shares: [bits(0.5), bits(0.25)],
                extent: [[bits(-1.0), bits(1.0)]; 2],
            })),
            Ask::Points { from, .. } => {
                let end = (from + 20_000).min(self.slots);
                let at: Vec<_> = (from..end).map(place).collect();
                let places = Places { by: vec![0; at.len()], at };
                Answer::Points(Points { from, next: end % self.slots, slots: self.slots, places })
            }
            Ask::Shifts { .. } => {
                let slots: Vec<u32> = (0..self.slots).step_by(50).collect();
                let n = slots.len();
                let places = Places { at: slots.iter().map(|&s| place(s)).collect(), by: vec![0; n] };
                Answer::Shifts(Shifts {
                    before: NONE,
                    next: 0,
                    total: n as u32,
                    kinds: vec![Kind::Updated; n],
                    l2: vec![0; n],
                    old: places.clone(),
                    new: places,
                    slots,
                })
            }
            _ => return,
        };
        self.replies.push(Reply { number: request.number, result: Ok(result), cost: Cost::default() });
    }

    fn receive(&mut self) -> Option<Reply> {
        self.replies.pop()
    }
}

#[test]
fn a_hundred_thousand_points_have_few_corners_at_any_scale() {
    let ctx = Context::default();
    theme::install(&ctx);
    let mut state = State::new(Desk::new(Box::new(Many { slots: 100_000, replies: Vec::new() })));
    state.history = history(&[[NONE, NONE]], &[0], &[("main", 0)]);
    assert!(matches!(state.history.opened, Some(Opened { .. })));
    state.selection.commit = Some(0);
    let frame = |state: &mut State| -> usize {
        state.pump();
        let screen = Rect::from_min_size(Pos2::ZERO, vec2(2560.0, 1440.0));
        let input = RawInput { screen_rect: Some(screen), ..RawInput::default() };
        let mut output = ctx.run_ui(input, |ui| (projection::VIEW.draw)(ui, state));
        output.textures_delta.clear();
        let primitives = ctx.tessellate(output.shapes, 1.0);
        let corners = |p: &egui::ClippedPrimitive| match &p.primitive {
            egui::epaint::Primitive::Mesh(mesh) => mesh.vertices.len(),
            egui::epaint::Primitive::Callback(_) => 0,
        };
        primitives.iter().map(corners).sum()
    };
    for _ in 0..40 {
        frame(&mut state);
    }
    let mut seen = Vec::new();
    for cam in ["0,0,2.3", "0,0,1", "0.2,0.1,0.5", "0,0,0.2", "0,0,0.05", "5,5,0.1", "0,0,100"] {
        state.selection.set_param("cam", Some(cam.to_owned()));
        let corners = frame(&mut state);
        assert!(corners <= 250_000, "{corners} corners at {cam}");
        seen.push(corners);
    }
    assert!(seen[0] > 50_000, "the whole cloud is drawn: {seen:?}");
}
