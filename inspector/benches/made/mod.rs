//! Large histories for measurements, made in a directory and kept there for the next time.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use vecdelta::capture::{Capture, CapturePolicy};
use vecdelta::delta::{Element, Keys, Notes, RowBatch, Table};
use vecdelta::store::{LocalDisk, log_bytes};
use vecdelta::version::{Actor, CommitInfo, MAIN, Repository, Stage, new_origin, open_mirror, save_mirror, snapshot};

/// What a history is like.
pub struct Shape {
    /// How many sources it has.
    pub sources: usize,
    /// The components of each.
    pub dims: usize,
    /// How many sources each commit replaces by other numbers.
    pub changed: usize,
    /// How many commits there are at least.
    pub commits: usize,
    /// How many bytes the log has at least.
    pub bytes: u64,
    /// After how many commits a snapshot is kept; 0 for never.
    pub snapshot_every: usize,
}

/// Random numbers that are the same every time.
pub struct Bits(pub u64);

impl Bits {
    /// Returns the next.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn row(&mut self, dims: usize) -> Vec<u8> {
        let number = |bits: u64| ((bits >> 40) as f32 / (1 << 23) as f32 - 1.0).to_le_bytes();
        (0..dims).flat_map(|_| number(self.next())).collect()
    }
}

/// Opens the history at a place; makes it first if nothing is there.
pub fn history(dir: &Path, shape: &Shape) -> Repository {
    if !dir.join("head").exists() {
        let began = Instant::now();
        make(dir, shape);
        println!("made {} in {:.0?}", dir.display(), began.elapsed());
    }
    Repository::open(Arc::new(LocalDisk::new(dir))).expect("it opens")
}

fn make(dir: &Path, shape: &Shape) {
    let mut repo = Repository::open_writer(Arc::new(LocalDisk::new(dir)), Some(new_origin(0, 1))).expect("a new place");
    let table = Arc::new(Table { collection: "rows".into(), element: Element::F32, dims: shape.dims as u32 });
    let mirror = open_mirror(&repo, MAIN, table).expect("a new mirror");
    let mut bits = Bits(0x2545_f491_4f6c_dd1d);
    let mut chosen: Vec<usize> = (0..shape.sources).collect();
    while repo.len() < shape.commits || log_bytes(repo.log()).expect("it is there") < shape.bytes {
        let now = 1_700_000_000_000 + 60_000 * repo.len() as u64;
        let message = format!("edit {}", repo.len());
        let info = CommitInfo { branch: MAIN.into(), author: "bench".into(), message, ..CommitInfo::default() };
        let mut capture = Capture::new(mirror.clone(), CapturePolicy::default());
        let staged = {
            let mut stage = Stage::begin(&repo, &info, now).expect("the log is whole");
            let number = stage.add_collection(mirror.clone()).expect("the same shape");
            for some in chosen.chunks(4096) {
                let names: Vec<String> = some.iter().map(|s| format!("row-{s:06}")).collect();
                let batch = RowBatch {
                    keys: Keys::from_texts(names.iter().map(String::as_str)),
                    rows: some.iter().flat_map(|_| bits.row(shape.dims)).collect::<Vec<u8>>().into(),
                    first_row: 0,
                    notes: Notes::default(),
                };
                let captured = capture.step(&batch).expect("rows of that width");
                stage.count(captured.unchanged, captured.raw_bytes);
                captured.batches.into_iter().for_each(|batch| stage.add(number, batch).expect("room on the disk"));
            }
            stage.finish(info).expect("room on the disk")
        };
        let commit = repo.take(staged).expect("it fits");
        if shape.snapshot_every > 0 && (commit + 1).is_multiple_of(shape.snapshot_every) {
            let actor = Actor { author: "bench".into(), now_millis: now };
            snapshot(&mut repo, commit, &actor).expect("room on the disk");
        }
        chosen = (0..shape.changed).map(|_| bits.next() as usize % shape.sources).collect();
        chosen.sort_unstable();
        chosen.dedup();
    }
    save_mirror(&repo, MAIN, &mirror).expect("room on the disk");
}

/// Returns the value that a share of sorted times do not exceed.
pub fn percentile(times: &mut [f64], share: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times[((times.len() - 1) as f64 * share).round() as usize]
}
