//! What long histories cost: opening, listing, common ancestors, one old value, one source's way.
//!
//! `cargo bench -p vecdelta-benches --bench history [-- COMMITS]`; 100,000 commits of 20 deltas unless told otherwise, made
//! in a temporary directory (about 200 MB) on a disk that does not wait for syncs.

use std::io;
use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use vecdelta::capture::{Capture, CapturePolicy};
use vecdelta::delta::{Element, Keys, RowBatch, Source, Table};
use vecdelta::store::{Disk, DiskFile, LocalDisk, MemoryDisk, Mirror};
use vecdelta::version::{
    Actor, CommitInfo, Lookup, MAIN, Repository, Stage, VersionError, delta_of, find, find_delta, merge_base,
    new_origin, open_mirror, parent_of, read_table, resolve, save_mirror, set_branch, value, writers_of,
};
use vecdelta_benches::processor;

const SOURCES: usize = 10_000;
const DIMS: usize = 384;
const DELTAS: usize = 20;
/// Components that each delta changes: 5 %.
const CHANGED: usize = DIMS / 20;
const ROUNDS: usize = 7;

fn main() {
    let commits = std::env::args().filter_map(|a| a.parse().ok()).next().unwrap_or(100_000);
    let dir = std::env::temp_dir().join(format!("vecdelta-history-{}", std::process::id()));
    let disk: Arc<dyn Disk> = Arc::new(Unsynced(LocalDisk::new(&dir)));
    println!("{}, {commits} commits of {DELTAS} deltas, {SOURCES} sources x {DIMS} f32", processor());
    let start = Instant::now();
    build(&disk, commits);
    let took = start.elapsed();
    println!("made in {took:.1?}: {:.0} us a commit without syncs", took.as_secs_f64() * 1e6 / commits as f64);
    ask(&disk, &dir);
    let _ = std::fs::remove_dir_all(dir);
    table_back();
}

/// A table of 100,000 x 384 as it was 50 commits ago, 2 % of its rows replaced in each, beside copies of the table.
fn table_back() {
    const ROWS: usize = 100_000;
    const EPOCHS: u64 = 60;
    let disk: Arc<dyn Disk> = Arc::new(MemoryDisk::default());
    let mut repo = Repository::open_writer(disk, Some(new_origin(0, 2))).expect("a new place");
    let table = Arc::new(Table { collection: "t".into(), element: Element::F32, dims: DIMS as u32 });
    let mut bits = Bits(3);
    let mut rows: Vec<Vec<u8>> = (0..ROWS).map(|_| (0..DIMS).flat_map(|_| bits.value()).collect()).collect();
    let mirror = open_mirror(&repo, MAIN, table.clone()).expect("a new mirror");
    let mut chosen: Vec<usize> = (0..ROWS).collect();
    for epoch in 0..EPOCHS {
        commit(&mut repo, MAIN, &mirror, &chosen, &rows, epoch + 1);
        chosen = (0..ROWS / 50).map(|_| bits.below(ROWS)).collect();
        chosen.sort_unstable();
        chosen.dedup();
        chosen.iter().for_each(|&r| rows[r] = (0..DIMS).flat_map(|_| bits.value()).collect());
    }
    let at = repo.first_parents(repo.head(MAIN).expect("main")).nth(50).expect("there are more");
    let flat = rows.concat();
    let copy = best(|| flat.clone());
    let read = best(|| {
        let mut table_rows = Vec::new();
        read_table(&repo, at, &table, &mut |_, data| {
            table_rows.push(data);
            Ok::<_, VersionError>(())
        })
        .expect("it is whole");
        table_rows
    });
    let ratio = read.as_secs_f64() / copy.as_secs_f64();
    println!(
        "\n{ROWS} x {DIMS} as it was 50 commits ago      {read:.2?}, copied {copy:.2?}: {ratio:.1} times (goal: 3)"
    );
}

/// Makes a history with two branches that part at two fifths.
fn build(disk: &Arc<dyn Disk>, commits: usize) {
    let mut repo = Repository::open_writer(disk.clone(), Some(new_origin(0, 1))).expect("a new place");
    let table = Arc::new(Table { collection: "t".into(), element: Element::F32, dims: DIMS as u32 });
    let mut bits = Bits(1);
    let mut rows: Vec<Vec<u8>> = (0..SOURCES).map(|_| (0..DIMS).flat_map(|_| bits.value()).collect()).collect();
    let first: Vec<usize> = (0..SOURCES).collect();
    let main = open_mirror(&repo, MAIN, table.clone()).expect("a new mirror");
    commit(&mut repo, MAIN, &main, &first, &rows, 1);
    let mut side = None;
    let mut side_rows = Vec::new();
    for c in 1..commits {
        if c == commits * 2 / 5 {
            let head = repo.head(MAIN).expect("there is a commit");
            set_branch(&mut repo, "side", head, &Actor::default()).expect("a new name");
            side = Some(open_mirror(&repo, "side", table.clone()).expect("rebuilt from the log"));
            side_rows = rows.clone();
        }
        let chosen = bits.sources();
        match &side {
            Some(side) if c % 5 == 0 => {
                chosen.iter().for_each(|&s| bits.change(&mut side_rows[s]));
                commit(&mut repo, "side", side, &chosen, &side_rows, c as u64 + 1);
            }
            _ => {
                chosen.iter().for_each(|&s| bits.change(&mut rows[s]));
                commit(&mut repo, MAIN, &main, &chosen, &rows, c as u64 + 1);
            }
        }
    }
    save_mirror(&repo, MAIN, &main).expect("room on the disk");
}

fn commit(
    repo: &mut Repository,
    branch: &str,
    mirror: &Arc<RwLock<Mirror>>,
    chosen: &[usize],
    rows: &[Vec<u8>],
    now: u64,
) {
    let info = CommitInfo {
        branch: branch.into(),
        author: "bench".into(),
        message: format!("edit {now}"),
        ..CommitInfo::default()
    };
    let staged = {
        let mut stage = Stage::begin(repo, &info, now).expect("the log is whole");
        let number = stage.add_collection(mirror.clone()).expect("the same shape");
        let names: Vec<String> = chosen.iter().map(|s| format!("source-{s:06}")).collect();
        let batch = RowBatch {
            keys: Keys::from_texts(names.iter().map(String::as_str)),
            rows: chosen.iter().flat_map(|&s| rows[s].clone()).collect::<Vec<u8>>().into(),
            first_row: 0,
            notes: vecdelta::delta::Notes::default(),
        };
        let mut capture = Capture::new(mirror.clone(), CapturePolicy::default());
        let captured = capture.step(&batch).expect("rows of that width");
        stage.count(captured.unchanged, captured.raw_bytes);
        for batch in captured.batches {
            stage.add(number, batch).expect("room on the disk");
        }
        stage.finish(info).expect("room on the disk")
    };
    repo.take(staged).expect("it fits");
}

fn ask(disk: &Arc<dyn Disk>, dir: &Path) {
    let (log, cache) = (size(&dir.join("log")), size(&dir.join("cache/index")));
    println!("log {:.0} MB, index {:.0} MB\n", log / 1e6, cache / 1e6);
    let repo = Repository::open(disk.clone()).expect("it is whole");
    let (main, side) = (repo.head(MAIN).expect("main"), repo.head("side").expect("side"));
    tell("open", "100 ms", best(|| Repository::open(disk.clone()).expect("it is whole").len()));
    tell(
        "open and list 50 commits",
        "50 ms",
        best(|| {
            let repo = Repository::open(disk.clone()).expect("it is whole");
            let head = resolve(&repo, MAIN).expect("main");
            repo.first_parents(head).take(50).map(|c| repo.commit(c).expect("whole").body.message.len()).sum::<usize>()
        }),
    );
    tell(
        "list 50 commits, open already",
        "",
        best(|| {
            repo.first_parents(main).take(50).map(|c| repo.commit(c).expect("whole").body.message.len()).sum::<usize>()
        }),
    );
    tell("common ancestor of two heads", "20 ms", best(|| merge_base(&repo, main, side)));
    let mut bits = Bits(9);
    let mut times: Vec<Duration> = (0..1_000)
        .map(|_| {
            let at = bits.below(repo.len());
            let source = Source::parse(&format!("t/source-{:06}", bits.below(SOURCES))).expect("a source");
            let start = Instant::now();
            value(&repo, at, &source).expect("every commit has every source");
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!(
        "a random source at a random commit       median {:.2?}, 99 % {:.2?} (goal: median 2 ms)",
        times[500], times[990]
    );
    let mut found = 0;
    let time = best(|| found = writers_of(&repo, "t", "source-000077").expect("whole").map_or(0, |c| c.len()));
    println!("the {found} commits that wrote one source      {time:.2?}");
    look_up(&repo, main);
}

/// Deltas by identity, by the state that they led to, and by the delta before them.
fn look_up(repo: &Repository, main: usize) {
    let source = Source::parse("t/source-000077").expect("a source");
    let by = value(repo, main, &source).expect("it is there").commit;
    let delta = delta_of(repo, by, &source).expect("whole").expect("it was written there");
    let id = delta.id(repo);
    tell("a delta by its id", "2 ms", best(|| find_delta(repo, &id).expect("whole").is_some()));
    tell("what came before it", "2 ms", best(|| parent_of(repo, &delta).expect("whole")));
    let parent = parent_of(repo, &delta).expect("whole");
    let count = |lookup: &Lookup| {
        let mut found = 0;
        let done = find::<VersionError>(repo, lookup, &mut |_| {
            found += 1;
            Ok(true)
        });
        done.map(|()| found).expect("whole")
    };
    let result = Lookup { result: delta.result, ..Lookup::default() };
    assert_eq!(count(&result), 1);
    tell("a delta by the state that it led to", "2 ms", best(|| count(&result)));
    let parent = Lookup { parent, ..Lookup::default() };
    tell("the deltas after a delta", "", best(|| count(&parent)));
    let text = Lookup { source: Some(source), text: "edit".to_owned(), ..Lookup::default() };
    tell("all deltas of a source, with words", "", best(|| count(&text)));
}

fn best<R>(mut run: impl FnMut() -> R) -> Duration {
    let once = |_| {
        let start = Instant::now();
        std::hint::black_box(run());
        start.elapsed()
    };
    (0..ROUNDS).map(once).min().unwrap_or_default()
}

fn tell(what: &str, goal: &str, time: Duration) {
    let goal = if goal.is_empty() { String::new() } else { format!(" (goal: {goal})") };
    println!("{what:<40} {time:.2?}{goal}");
}

fn size(dir: &Path) -> f64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|e| e.metadata().ok()).map(|m| m.len() as f64).sum()
}

/// Random numbers (xorshift64*).
struct Bits(u64);

impl Bits {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 16) as usize % n
    }

    fn value(&mut self) -> [u8; 4] {
        ((self.next() >> 40) as f32 / 16_777_216.0 - 0.5).to_le_bytes()
    }

    fn sources(&mut self) -> Vec<usize> {
        let mut chosen = std::collections::BTreeSet::new();
        while chosen.len() < DELTAS {
            chosen.insert(self.below(SOURCES));
        }
        chosen.into_iter().collect()
    }

    fn change(&mut self, row: &mut [u8]) {
        for _ in 0..CHANGED {
            let at = self.below(DIMS) * 4;
            row[at..at + 4].copy_from_slice(&self.value());
        }
    }
}

/// A disk that does not wait: building the history is not what is measured.
struct Unsynced(LocalDisk);

struct UnsyncedFile(Box<dyn DiskFile>);

impl Disk for Unsynced {
    fn open(&self, path: &str, write: bool) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(UnsyncedFile(self.0.open(path, write)?)))
    }
    fn len(&self, path: &str) -> io::Result<Option<u64>> {
        self.0.len(path)
    }
    fn list(&self, dir: &str) -> io::Result<Vec<String>> {
        self.0.list(dir)
    }
    fn create_dir(&self, dir: &str) -> io::Result<()> {
        self.0.create_dir(dir)
    }
    fn sync_dir(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, path: &str) -> io::Result<()> {
        self.0.remove(path)
    }
    fn lock(&self, path: &str) -> io::Result<Box<dyn Send + Sync>> {
        self.0.lock(path)
    }
    fn display(&self, path: &str) -> String {
        self.0.display(path)
    }
}

impl DiskFile for UnsyncedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_at(buffer, offset)
    }
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(data, offset)
    }
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
