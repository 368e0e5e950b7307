//! Going through a table of 100,000 x 768 by its commits: how long until what is asked for is there, and the frames meanwhile.
//!
//! `cargo bench -p vecdelta-inspector --bench scrub` makes a history of 160 commits with a snapshot at every 64th below
//! target/tmp (once, 1.1 GB; 2,000 rows change in each), and goes to random commits of it.

mod made;

use std::path::Path;
use std::time::{Duration, Instant};

use egui::{Context, Event, Pos2, RawInput, Rect, vec2};
use vecdelta_inspector::ask::{Answer, Ask, Place, Request};
use vecdelta_inspector::native::open::opener;
use vecdelta_inspector::native::thread::Thread;
use vecdelta_inspector::ui::app::Inspector;
use vecdelta_inspector::work::Worker;

const COMMITS: u32 = 160;
const SOURCES: u64 = 100_000;

fn main() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scrub.vd");
    let shape = made::Shape {
        sources: SOURCES as usize,
        dims: 768,
        changed: 2_000,
        commits: COMMITS as usize,
        bytes: 0,
        snapshot_every: 64,
    };
    drop(made::history(&dir, &shape));
    let place = Place::Path(dir.display().to_string());
    answers(&place);
    for (view, more) in [("vector", "&vec=rows/row-000000"), ("changes", ""), ("drift", "")] {
        frames(&place, &format!("#view={view}{more}"));
    }
}

/// Asks the worker as the views do.
fn answers(place: &Place) {
    let mut worker = Worker::new(opener());
    let mut number = 0;
    let mut longest = 0.0_f64;
    let mut ask = |ask| {
        number += 1;
        let began = Instant::now();
        let answer = worker.answer(&Request { number, ask }).expect("files never wait").result.expect("it is whole");
        longest = longest.max(began.elapsed().as_secs_f64() * 1e3);
        answer
    };
    ask(Ask::Open(place.clone()));
    let mut bits = made::Bits(11);
    let (mut vector, mut list, mut figures) = (Vec::new(), Vec::new(), Vec::new());
    let timed = |times: &mut Vec<f64>, began: Instant| times.push(began.elapsed().as_secs_f64() * 1e3);
    for i in 0..200 {
        let (tip, source) = (bits.next() as u32 % COMMITS, format!("rows/row-{:06}", bits.next() % SOURCES));
        let began = Instant::now();
        ask(Ask::Versions { tip, source, from: 0 });
        timed(&mut vector, began);
        let began = Instant::now();
        ask(Ask::Changes { commit: tip });
        timed(&mut list, began);
        if i % 10 == 0 {
            let began = Instant::now();
            let (before, after) = (tip.saturating_sub(1), tip.max(1));
            let mut from = 0;
            loop {
                let collection = "rows".to_owned();
                let Answer::Drift(slice) = ask(Ask::Drift { before, after, collection, from }) else {
                    panic!("figures")
                };
                from = slice.next;
                if from == 0 {
                    break;
                }
            }
            timed(&mut figures, began);
        }
    }
    for (name, mut times) in
        [("a vector's versions", vector), ("a commit's vectors", list), ("figures of all", figures)]
    {
        let [half, most_of, most] = [0.5, 0.95, 1.0].map(|share| made::percentile(&mut times, share));
        println!("{name}: median {half:.1} ms, 95 % {most_of:.1} ms, most {most:.1} ms");
    }
    println!("the longest single answer, after which a newer wish comes first: {longest:.1} ms");
}

/// Draws frames at 1080p while another commit is chosen in each of them.
fn frames(place: &Place, link: &str) {
    let ctx = Context::default();
    let wire = Thread::start(opener(), || {}).expect("a thread");
    let mut app = Inspector::new(&ctx, Box::new(wire));
    app.open(place.clone(), link);
    let began = Instant::now();
    let frame = |app: &mut Inspector| {
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(Pos2::ZERO, vec2(1920.0, 1080.0))),
            time: Some(began.elapsed().as_secs_f64()),
            events: vec![Event::PointerGone],
            ..RawInput::default()
        };
        let start = Instant::now();
        let mut output = ctx.run_ui(input, |ui| app.ui(ui));
        output.textures_delta.clear();
        let primitives = ctx.tessellate(output.shapes, 1.0);
        std::hint::black_box(primitives.len());
        start.elapsed().as_secs_f64() * 1e3
    };
    while !app.state.is_ready() || app.state.desk.is_busy() {
        frame(&mut app);
        std::thread::sleep(Duration::from_millis(2));
    }
    let mut bits = made::Bits(5);
    let mut times: Vec<f64> = (0..400)
        .map(|_| {
            app.state.select(bits.next() as u32 % COMMITS);
            std::thread::sleep(Duration::from_millis(4));
            frame(&mut app)
        })
        .collect();
    let [half, most_of, most] = [0.5, 0.95, 1.0].map(|share| made::percentile(&mut times, share));
    println!("frames of {link} at 1920 x 1080: median {half:.2} ms, 95 % {most_of:.2} ms, most {most:.2} ms");
}
