//! Histories for tests, and a window without a display.

use std::cell::RefCell;
use std::sync::Arc;

use egui_kittest::{Harness, TestRenderer};
use proptest::prelude::*;
use vecdelta::delta::{Element, Table};
use vecdelta::store::MemoryDisk;
use vecdelta::version::{CommitInfo, Differences, Repository, bundle, commit_differences, difference, new_origin};
use vecdelta_inspector::ask::{Ask, Basis, GraphSlice, NONE, Opened, Place};
use vecdelta_inspector::model::history::History;
use vecdelta_inspector::native::inline::Inline;
use vecdelta_inspector::native::open::opener;
use vecdelta_inspector::raster::Raster;
use vecdelta_inspector::ui::app::Inspector;
use vecdelta_inspector::ui::state::{Saved, Wish};
use vecdelta_inspector::ui::theme;
use vecdelta_inspector::work::{Opener, demo as demo_disk};

/// Returns the demo history as one file.
pub fn demo_bundle() -> Vec<u8> {
    bundled(&Repository::open(demo_disk().expect("memory does not refuse")).expect("it was just made"))
}

/// Returns a repository as one file.
pub fn bundled(repo: &Repository) -> Vec<u8> {
    const NAME: &str = "a.vdpack";
    let disk = MemoryDisk::default();
    bundle(repo, &disk, NAME, &mut |_| {}).expect("memory does not refuse");
    disk.files()[NAME].clone()
}

/// Returns a history of 1,000 commits, each of eight rows of 768 random numbers, as one file.
pub fn long_bundle() -> Vec<u8> {
    let mut repo =
        Repository::open_writer(Arc::new(MemoryDisk::default()), Some(new_origin(1, 0))).expect("it is empty");
    let table = Arc::new(Table { collection: "rows".into(), element: Element::F32, dims: 768 });
    let mut bits = 0x2545_f491_4f6c_dd1d_u64;
    let mut row = || {
        let number = |_| {
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            ((bits >> 40) as f32 / 1e7).to_le_bytes()
        };
        (0..768).flat_map(number).collect::<Vec<u8>>()
    };
    for commit in 0..1_000 {
        let new = (0..8).map(|i| (format!("{commit}-{i}"), row()));
        let rows = new.filter_map(|(key, row)| difference(&table, &key, None, Some(&row), true)).collect();
        let part = Differences::new(table.clone(), rows);
        let info = CommitInfo { branch: "main".into(), author: "ana".into(), ..CommitInfo::default() };
        commit_differences(&mut repo, info, 1_000 + commit, |_, write| write(part)).expect("it fits");
    }
    bundled(&repo)
}

/// Makes a history of a list of parents; commit `i` is on branch `branches[i]`.
pub fn history(parents: &[[u32; 2]], branches: &[u16], heads: &[(&str, u32)]) -> History {
    let n = parents.len() as u32;
    let mut history = History::open(Opened {
        title: "test".to_owned(),
        commits: n,
        branches: heads.iter().map(|(name, c)| ((*name).to_owned(), *c)).collect(),
        tags: Vec::new(),
        distant: false,
        writable: false,
    });
    history.take_graph(GraphSlice {
        from: 0,
        ids: (0..u64::from(n)).map(|i| (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect(),
        times: (0..u64::from(n)).map(|i| i * 60_000).collect(),
        parents: parents.to_vec(),
        branch: branches.to_vec(),
        branches: (0..8).map(|i| format!("branch {i}")).collect(),
    });
    history
}

/// Any shape of history: roots in the middle, forks, merges, a merge of a commit with its own parent.
pub fn any_parents(most: usize) -> impl Strategy<Value = Vec<[u32; 2]>> {
    prop::collection::vec((any::<u16>(), any::<u16>(), 0..20_u8), 1..most).prop_map(|picks| {
        let parent = |i: usize, pick: u16| {
            // Mostly near, as people work; sometimes anywhere.
            let reach = if pick.is_multiple_of(8) { i } else { i.min(4) };
            (i - 1 - usize::from(pick / 8) % reach) as u32
        };
        let commit = |(i, (first, second, kind)): (usize, (u16, u16, u8))| match (i, kind) {
            (0, _) | (_, 0) => [NONE, NONE],
            (_, 1..=5) => [parent(i, first), parent(i, second)],
            _ => [parent(i, first), NONE],
        };
        picks.into_iter().enumerate().map(commit).map(|[a, b]| if a == b { [a, NONE] } else { [a, b] }).collect()
    })
}

/// What is drawn, as pixels, by our own rasteriser.
#[derive(Default)]
struct Cpu(Raster);

impl TestRenderer for Cpu {
    fn handle_delta(&mut self, delta: &mut egui::TexturesDelta) {
        self.0.update(delta);
    }

    fn render(&mut self, ctx: &egui::Context, output: &egui::FullOutput) -> Result<image::RgbaImage, String> {
        let primitives = ctx.tessellate(output.shapes.clone(), output.pixels_per_point);
        let size = (ctx.content_rect().size() * output.pixels_per_point).round();
        let ground = theme::Palette::of(ctx).ground;
        let picture = self.0.draw([size.x as usize, size.y as usize], output.pixels_per_point, ground, &primitives);
        image::RgbaImage::from_raw(picture.width as u32, picture.height as u32, picture.rgba).ok_or("size".to_owned())
    }
}

/// A window on what `open` finds.
pub type Window = Harness<'static, Option<Inspector>>;

/// Shows a window.
pub fn window(
    size: [f32; 2],
    theme: egui::Theme,
    place: Option<Place>,
    link: &'static str,
    open: fn() -> Opener,
) -> Window {
    let mut place = place;
    let frame = move |ui: &mut egui::Ui, app: &mut Option<Inspector>| {
        let app = app.get_or_insert_with(|| {
            let ctx = ui.ctx().clone();
            let wire = Inline::new(open(), move || ctx.request_repaint());
            let mut app = Inspector::new(ui.ctx(), Box::new(wire)).with_shell(shell);
            app.start(place.take(), link);
            app
        });
        app.ui(ui);
    };
    let builder =
        Harness::builder().with_size(size).with_theme(theme).with_max_steps(60).with_os(egui::os::OperatingSystem::Nix);
    let mut window = builder.with_context_setup(theme::install).renderer(Cpu::default()).build_ui_state(frame, None);
    window.run();
    window
}

thread_local! {
    static SAVED: RefCell<Vec<Saved>> = const { RefCell::new(Vec::new()) };
}

/// What the system does for a window in a test.
fn shell(ctx: &egui::Context, wish: Wish) -> Option<String> {
    match wish {
        Wish::Copy(text) => ctx.copy_text(text),
        Wish::Save(piece) => SAVED.with_borrow_mut(|saved| saved.push(piece)),
        _ => {}
    }
    None
}

/// Takes what was written to files.
pub fn saved() -> Vec<Saved> {
    SAVED.take()
}

/// Shows the demo history.
pub fn demo(link: &'static str) -> Window {
    window([1280.0, 720.0], egui::Theme::Dark, Some(Place::Demo), link, opener)
}

/// Returns what a window says it shows.
pub fn shown(window: &Window) -> serde_json::Value {
    window.state().as_ref().expect("it was drawn").state.state_json()
}

/// Every question about a commit that a view asks.
pub fn asks(commit: u32) -> Vec<Ask> {
    let collection = || "products".to_owned();
    // The axes of one commit are found once for all.
    let basis = || Basis { commit: 0, collection: collection() };
    vec![
        Ask::Graph { from: 0 },
        Ask::Records { from: commit, count: 64 },
        Ask::Commit { commit },
        Ask::Changes { commit },
        Ask::Points { basis: basis(), commit, from: 0, every: 1 },
        Ask::Shifts { basis: basis(), commit, from: 0, every: 1 },
        Ask::Key { commit, collection: collection(), slot: commit },
        Ask::Generations { commit, collection: collection() },
    ]
}
