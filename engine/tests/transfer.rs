//! What leaves a repository and what comes in: clones, what is pulled and pushed.
//!
//! Three repositories go their own ways and exchange what they have until all hold the same; the power fails at each
//! step of a pull; and a sender lies, with every hash in its place.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use vecdelta::capture::Missing;
use vecdelta::delta::{CommitId, Element, StateRoot, Table};
use vecdelta::store::{Action, BlockKind, Bundle, Disk, MemoryDisk, Pending, Span};
use vecdelta::version::{
    Arriving, MAIN, Outcome, Received, Repository, Sender, Thin, Wanted, bundle, bundle_since, clone_into, receive,
    rollback, set_branch, set_tag, snapshot,
};

use crate::bundles::{all, bundled, epoch, opened, small};
use crate::support::drive::{Epoch, apply, at, ingest, open, problems};
use crate::support::files::NOW;
use crate::support::forge::{self, Closing, Seal, transactions};
use crate::support::oracle::{Tables, read};
use crate::support::random::{Rng, changed, mutate, row};

/// A repository that is one of several.
fn node(number: u8) -> (MemoryDisk, Repository) {
    let disk = MemoryDisk::default();
    let repo = Repository::open_writer(Arc::new(disk.clone()), Some([number; 32])).unwrap();
    (disk, repo)
}

fn pull(repo: &mut Repository, sender: &Sender<'_>, branches: &[&str], rename: Option<String>) -> Received {
    let wanted = Wanted { branches: branches.iter().map(|b| (*b).to_owned()).collect(), rename };
    receive(repo, sender, &wanted, &at(NOW), &|_| {}).unwrap()
}

/// Hands over what one repository has: from repository to repository, or by way of a file that builds on a commit which
/// both hold.
fn offer(rng: &mut Rng, from: &Repository, common: &[usize], take: &mut dyn FnMut(&Sender<'_>)) {
    let disk = MemoryDisk::default();
    let open = |disk: &MemoryDisk| Bundle::open(disk.open("b", false).unwrap(), "b").unwrap();
    match rng.below(3) {
        0 => {
            bundle(from, &disk, "b", &mut |_| {}).unwrap();
            take(&Sender::of(&Repository::open(Arc::new(open(&disk))).unwrap()));
        }
        1 if !common.is_empty() => {
            bundle_since(from, *rng.pick(common), &disk, "b", &mut |_| {}).unwrap();
            assert!(open(&disk).is_thin() && open(&disk).check().unwrap().is_empty());
            take(&Thin::open(Arc::new(open(&disk))).unwrap().sender());
        }
        _ => take(&Sender::of(from)),
    }
}

/// Three nodes and what every commit holds.
struct Nodes {
    rng: Rng,
    disks: Vec<MemoryDisk>,
    repos: Vec<Repository>,
    tables: BTreeMap<CommitId, Tables>,
    names: usize,
    refused: usize,
}

impl Nodes {
    fn new(seed: u64) -> Self {
        let (disks, repos) = (1..=3).map(node).unzip();
        Self { rng: Rng::new(seed), disks, repos, tables: BTreeMap::new(), names: 0, refused: 0 }
    }

    fn work(&mut self, step: u64) {
        let n = self.rng.below(3);
        let repo = &mut self.repos[n];
        let branches: Vec<String> = repo.branches().keys().cloned().collect();
        let branch = if branches.is_empty() { MAIN.to_owned() } else { self.rng.pick(&branches).clone() };
        match self.rng.below(8) {
            0 if !repo.is_empty() => {
                let (name, to) = (format!("b{step}"), self.rng.below(repo.len()));
                set_branch(repo, &name, to, &at(NOW)).unwrap();
            }
            1 if !repo.is_empty() => {
                let to = self.rng.below(repo.len());
                let commit = rollback(repo, &branch, to, &at(NOW + step)).unwrap();
                self.tables.insert(repo.entry(commit).id, read(repo, to).unwrap());
            }
            2 if !repo.is_empty() => drop(snapshot(repo, self.rng.below(repo.len()), &at(NOW)).unwrap()),
            3 if !repo.is_empty() => {
                let to = self.rng.below(repo.len());
                set_tag(repo, &format!("t{step}"), to, &at(NOW)).unwrap();
            }
            4 => self.exchange(n),
            _ => {
                let mut table = repo.head(&branch).map_or_else(Tables::new, |c| read(repo, c).unwrap());
                let name = if self.rng.chance(70) { "a" } else { "b" };
                let mut epoch = epoch(&mut self.rng, name);
                let keep: Vec<_> = table.get(name).into_iter().flat_map(|c| c.rows.clone()).collect();
                for (key, row) in &mut epoch.rows {
                    let old = keep.iter().find(|(k, _)| k == key).filter(|_| self.rng.chance(80));
                    *row = old.map_or_else(|| row.clone(), |(_, old)| changed(&mut self.rng, Element::F32, old));
                }
                let commit = ingest(repo, &branch, NOW + step, &[epoch.clone()]).unwrap();
                apply(&mut table, &[epoch]);
                self.tables.insert(repo.entry(commit).id, table);
            }
        }
    }

    /// Pulls from another node; what diverged comes under another name.
    fn exchange(&mut self, n: usize) {
        let other = (n + 1 + self.rng.below(2)) % 3;
        let (low, high) = self.repos.split_at_mut(n.max(other));
        let (to, from) = if n < other { (&mut low[n], &high[0]) } else { (&mut high[0], &low[other]) };
        let common: Vec<usize> = (0..from.len()).filter(|&c| to.find(&from.entry(c).id).is_some()).collect();
        let (names, refused) = (&mut self.names, &mut self.refused);
        offer(&mut self.rng, from, &common, &mut |sender| {
            let received = pull(to, sender, &[], None);
            for branch in received.branches.iter().filter(|b| b.is_refused()) {
                assert!(to.head(&branch.name).is_none_or(|c| Some(to.entry(c).id) == branch.from));
                *names += 1;
                *refused += 1;
                let theirs = sender.branches().find(|(_, id)| *id == branch.to).unwrap().0.to_owned();
                let one = pull(to, sender, &[&theirs], Some(format!("x{names}")));
                assert_eq!(one.branches[0].outcome, Outcome::New);
            }
            let again = pull(to, sender, &[], None);
            assert_eq!((again.commits, again.bytes), (0, 0), "nothing travels twice");
        });
    }

    fn ids(&self, n: usize) -> BTreeMap<CommitId, StateRoot> {
        let repo = &self.repos[n];
        (0..repo.len()).map(|c| (repo.entry(c).id, repo.commit(c).unwrap().body.state_root)).collect()
    }

    /// Exchanges until nobody lacks anything, and compares every table with what was committed.
    fn settle(&mut self, seed: u64) {
        let mut rounds = 0;
        while (1..3).any(|n| self.ids(n) != self.ids(0)) {
            (0..3).for_each(|n| self.exchange(n));
            rounds += 1;
            assert!(rounds < 40, "seed {seed}: they do not come together");
        }
        for (n, repo) in self.repos.iter().enumerate() {
            for c in 0..repo.len() {
                let id = repo.entry(c).id;
                assert_eq!(read(repo, c).unwrap(), self.tables[&id], "seed {seed}: {id} at node {n}");
            }
            assert_eq!(problems(&self.disks[n]), [""; 0], "seed {seed}");
        }
    }
}

/// Whatever the order in which they meet, all end with the same commits and the same tables, and work goes on on top of
/// what was pulled.
#[test]
fn three_nodes_end_with_the_same_commits() {
    let mut refused = 0;
    for seed in 0..40 {
        let mut nodes = Nodes::new(seed);
        (0..30).for_each(|step| nodes.work(step));
        nodes.settle(seed);
        refused += nodes.refused;
    }
    assert!(refused > 20, "{refused} branches went on on both sides");
}

/// A sender with a branch and a tag, and a receiver that has the first two commits of six.
fn half() -> (Repository, MemoryDisk, usize) {
    let (_, mut from) = node(1);
    let mut rng = Rng::new(7);
    let receiver = MemoryDisk::recording();
    let mut to = Repository::open_writer(Arc::new(receiver.clone()), Some([2; 32])).unwrap();
    for step in 0..6 {
        ingest(&mut from, MAIN, NOW + step, &[epoch(&mut rng, "a")]).unwrap();
        if step == 1 {
            pull(&mut to, &Sender::of(&from), &[], None);
        }
    }
    set_branch(&mut from, "side", 4, &at(NOW)).unwrap();
    set_tag(&mut from, "week", 3, &at(NOW)).unwrap();
    drop(to);
    let before = receiver.operations();
    (from, receiver, before)
}

#[test]
fn a_crash_in_a_pull_leaves_commits_without_a_name_and_nothing_else() {
    let (from, receiver, before) = half();
    let mut to = Repository::open_writer(Arc::new(receiver.clone()), None).unwrap();
    pull(&mut to, &Sender::of(&from), &[], None);
    let (mut images, mut halfway) = (0, 0);
    for n in before..=receiver.operations() {
        for pending in [Pending::Lost, Pending::Kept, Pending::NamesLost, Pending::Torn(512), Pending::Without(0)] {
            let image = receiver.crash(n, pending);
            let at = format!("after {n} operations, {pending:?}");
            let mut repo = Repository::open_writer(Arc::new(image.clone()), None)
                .unwrap_or_else(|e| panic!("{at}: does not open: {e}"));
            assert_eq!(problems(&image), [""; 0], "{at}");
            let (held, head) = (repo.len(), repo.head(MAIN).unwrap());
            assert!(head == 1 || (head == 5 && held == 6), "{at}: main is at {head} of {held}");
            assert!(repo.head("side").is_none_or(|c| c == 4) && repo.tags().get("week").is_none_or(|c| *c == 3));
            halfway += usize::from(held > 2 && head == 1);
            let again = pull(&mut repo, &Sender::of(&from), &[], None);
            assert_eq!(again.commits as usize, 6 - held, "{at}: only what is missing travels");
            assert_eq!((repo.branches(), repo.tags()), (from.branches(), from.tags()), "{at}");
            assert_eq!(all(&repo), all(&from), "{at}");
            images += 1;
        }
    }
    assert!(images > 100 && halfway > 20, "{images} images, {halfway} of them halfway");
}

fn without_cache(disk: &MemoryDisk) -> BTreeMap<String, Vec<u8>> {
    disk.files().into_iter().filter(|(path, _)| !path.starts_with("cache")).collect()
}

/// Five commits of two collections.
fn honest() -> MemoryDisk {
    let (disk, mut repo) = node(1);
    let mut rng = Rng::new(8);
    for step in 0..5 {
        let mut e = epoch(&mut rng, "a");
        e.missing = if step % 2 == 0 { Missing::Keep } else { Missing::Delete };
        ingest(&mut repo, MAIN, NOW + step, &[e, epoch(&mut rng, "b")]).unwrap();
    }
    disk
}

/// A receiver that holds the first two commits of an honest sender, and what is true of all of them.
struct Receiver {
    honest: MemoryDisk,
    known: BTreeMap<CommitId, Tables>,
    refused: usize,
    taken: usize,
}

impl Receiver {
    fn new() -> Self {
        let honest = honest();
        let repo = Repository::open(Arc::new(honest.clone())).unwrap();
        let known = (0..repo.len()).map(|c| (repo.entry(c).id, read(&repo, c).unwrap())).collect();
        Self { honest, known, refused: 0, taken: 0 }
    }

    /// Takes what is offered: either nothing is written, or what is then held is whole and true.
    fn take(&mut self, sender: &Sender<'_>, round: usize) {
        let (disk, mut to) = node(2);
        let part = MemoryDisk::default();
        let mut early = Repository::open_writer(Arc::new(part), Some([3; 32])).unwrap();
        pull(&mut early, &Sender::of(&Repository::open(Arc::new(self.honest.clone())).unwrap()), &[], None);
        set_branch(&mut early, "early", 1, &at(NOW)).unwrap();
        pull(&mut to, &Sender::of(&early), &["early"], None);
        let before = without_cache(&disk);
        match receive(&mut to, sender, &Wanted::default(), &at(NOW), &|_| {}) {
            Err(error) => {
                self.refused += 1;
                assert!(without_cache(&disk) == before, "round {round}: something was written before {error}");
            }
            Ok(_) => {
                self.taken += 1;
                assert_eq!(problems(&disk), [""; 0], "round {round}");
                for c in 0..to.len() {
                    let table = read(&to, c).unwrap();
                    let id = to.entry(c).id;
                    assert!(self.known.get(&id).is_none_or(|t| *t == table), "round {round}: wrong data");
                }
            }
        }
    }
}

/// Every hash of the sender's log is right and every link as well; only what it says is not what it rebuilds.
#[test]
fn a_sender_that_lies_changes_nothing() {
    let mut receiver = Receiver::new();
    let files = without_cache(&receiver.honest);
    let mut rng = Rng::new(9);
    for round in 0..600 {
        let liar = MemoryDisk::default();
        files.iter().for_each(|(path, data)| liar.put(path, data.clone()));
        lie(&mut rng, &liar, round, 5);
        match Repository::open(Arc::new(liar)) {
            Ok(from) => receiver.take(&Sender::of(&from), round),
            Err(_) => receiver.refused += 1,
        }
    }
    assert!(receiver.refused > 200 && receiver.taken > 20, "{} refused, {} taken", receiver.refused, receiver.taken);
}

/// The log of a thin bundle is not read as a repository's graph, so that nothing of it is checked beforehand.
#[test]
fn a_thin_bundle_that_lies_changes_nothing() {
    let mut receiver = Receiver::new();
    let packs = MemoryDisk::default();
    let repo = Repository::open(Arc::new(receiver.honest.clone())).unwrap();
    bundle_since(&repo, 1, &packs, "thin", &mut |_| {}).unwrap();
    let thin = Bundle::open(packs.open("thin", false).unwrap(), "thin").unwrap();
    let mut rng = Rng::new(10);
    for round in 0..600 {
        let liar = MemoryDisk::default();
        for path in ["head", "log/00000000.vdlog"] {
            let mut data = vec![0; Disk::len(&thin, path).unwrap().unwrap() as usize];
            Disk::open(&thin, path, false).unwrap().read_at(&mut data, 0).unwrap();
            liar.put(path, data);
        }
        if rng.chance(30) {
            let mut all = transactions(&liar);
            let (i, j) = (rng.below(all.len()), rng.below(all.len()));
            match rng.below(2) {
                0 => drop(all.remove(i)),
                _ => all.swap(i, j),
            }
            forge::write(&liar, all, Seal::All);
        } else {
            lie(&mut rng, &liar, round, 3);
        }
        match Thin::open(Arc::new(liar)) {
            Ok(thin) => receiver.take(&thin.sender(), round),
            Err(_) => receiver.refused += 1,
        }
    }
    assert!(receiver.refused > 300 && receiver.taken > 20, "{} refused, {} taken", receiver.refused, receiver.taken);
}

/// Changes something in one of the first transactions, which are commits, and makes all hashes anew.
fn lie(rng: &mut Rng, disk: &MemoryDisk, round: usize, commits: usize) {
    let all = transactions(disk);
    let (number, other) = (rng.below(commits), rng.below(commits));
    forge::edit(disk, number, Seal::All, |tx| {
        let len = tx.blocks.len();
        match round % 6 {
            // Another row's bytes, another commit's blocks, two blocks swapped: identities do not cover these.
            0 if len > 0 => {
                let i = rng.below(len);
                tx.blocks[i] = mutate(rng, &tx.blocks[i]);
            }
            1 if len > 0 && all[other].blocks.len() == len => tx.blocks = all[other].blocks.clone(),
            2 if len > 1 => {
                let refs = tx.refs();
                let (i, j) = (0, refs.len() - 1);
                refs.swap(i, j);
                tx.blocks.swap(i, j);
            }
            3 => {
                let refs = tx.refs();
                let i = rng.below(refs.len());
                match rng.below(4) {
                    0 => refs[i].rows = refs[i].rows.wrapping_add(1),
                    1 => refs[i].last_slot ^= 1,
                    2 => refs[i].collection ^= 1,
                    _ => refs[i].first_slot ^= 2,
                }
            }
            4 => {
                let slots = &mut tx.commit().slots;
                let i = rng.below(slots.len());
                slots[i] = slots[i].wrapping_add(1 << rng.below(32));
            }
            // A commit of the sender's own making, with an identity that fits.
            _ => {
                let body = &mut tx.commit().body;
                let i = rng.below(body.collections.len());
                match rng.below(6) {
                    0 => body.collections[i].rows ^= 1,
                    1 => body.collections[i].root[3] ^= 1,
                    2 => body.state_root.0[0] ^= 1,
                    3 => body.collections[i].dims ^= 1,
                    4 => body.message.push('!'),
                    _ => body.time.physical_millis += 1 << rng.below(50),
                }
            }
        }
    });
}

/// Several branches that go on from one commit are checked against its table, which is read once for all of them.
#[test]
fn a_table_that_branches_have_in_common_is_read_once() {
    let (mut rng, table) =
        (Rng::new(5), Arc::new(Table { collection: "c".to_owned(), element: Element::F32, dims: 3 }));
    let mut rows: Vec<(String, Vec<u8>)> = (0..90).map(|i| (format!("{i}"), row(&mut rng, Element::F32, 3))).collect();
    let (_, mut from) = node(1);
    let mut commit = |rng: &mut Rng, from: &mut Repository, branch: &str, now: u64| {
        for (_, row) in rows.iter_mut().skip(now as usize).step_by(7) {
            *row = changed(rng, Element::F32, row);
        }
        let epoch = Epoch { table: table.clone(), rows: rows.clone(), missing: Missing::Keep, batch_rows: 50 };
        ingest(from, branch, NOW + now, &[epoch]).unwrap()
    };
    let base = commit(&mut rng, &mut from, MAIN, 0);
    let (disk, mut to) = node(2);
    pull(&mut to, &Sender::of(&from), &[], None);
    for (now, branch) in [(1, MAIN), (2, "a"), (3, "b"), (4, "a")] {
        if from.head(branch).is_none() {
            set_branch(&mut from, branch, base, &at(NOW)).unwrap();
        }
        commit(&mut rng, &mut from, branch, now);
    }
    let looked_at = AtomicU64::new(0);
    let seen = |arriving| {
        if let Arriving::Checked(slots) = arriving {
            looked_at.fetch_add(slots, Ordering::Relaxed);
        }
    };
    let got = receive(&mut to, &Sender::of(&from), &Wanted::default(), &at(NOW), &seen).unwrap();
    assert_eq!((got.commits, looked_at.into_inner()), (4, 90));
    for branch in [MAIN, "a", "b"] {
        let (here, there) = (to.head(branch).unwrap(), from.head(branch).unwrap());
        assert_eq!(read(&to, here).unwrap(), read(&from, there).unwrap(), "{branch}");
    }
    assert_eq!(problems(&disk), [""; 0]);
}

#[test]
fn a_clock_that_is_far_ahead_is_refused() {
    let (_, mut from) = node(1);
    let mut rng = Rng::new(3);
    let hour = 3_600_000;
    ingest(&mut from, MAIN, NOW + 23 * hour, &[epoch(&mut rng, "a")]).unwrap();
    let (disk, mut to) = node(2);
    pull(&mut to, &Sender::of(&from), &[], None);
    ingest(&mut from, MAIN, NOW + 26 * hour, &[epoch(&mut rng, "a")]).unwrap();
    let before = without_cache(&disk);
    let error = receive(&mut to, &Sender::of(&from), &Wanted::default(), &at(NOW), &|_| {}).unwrap_err();
    assert!(error.to_string().contains("26 hours ahead"), "{error}");
    assert!(without_cache(&disk) == before);
    let next = ingest(&mut to, MAIN, NOW, &[epoch(&mut rng, "a")]).unwrap();
    assert!(to.entry(next).time > from.entry(0).time, "time goes on from what was pulled");
}

#[test]
fn a_clone_is_the_same_to_the_byte_and_another_repository() {
    let (_disk, repo) = small();
    let disk = MemoryDisk::default();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let copy = clone_into(&repo, &shared, [9; 32], &mut |_| {}).unwrap();
    assert_eq!(all(&copy), all(&repo));
    assert_eq!((copy.branches(), copy.tags()), (repo.branches(), repo.tags()));
    assert_ne!(copy.origin(), repo.origin());
    drop(copy);
    assert_eq!(problems(&disk), [""; 0]);
    let mut copy = Repository::open_writer(shared, None).unwrap();
    ingest(&mut copy, MAIN, NOW, &[epoch(&mut Rng::new(1), "a")]).unwrap();
    assert_eq!(problems(&disk), [""; 0]);
}

/// A log as it is after a compaction and a collection: the rows of the first three commits are gone, and what stands for
/// them is in an operation; the segments have other numbers.
fn collected() -> MemoryDisk {
    let disk = MemoryDisk::default();
    let mut repo = open(&disk).unwrap();
    let mut rng = Rng::new(11);
    for step in 0..3 {
        ingest(&mut repo, MAIN, NOW + step, &[epoch(&mut rng, "a")]).unwrap();
    }
    snapshot(&mut repo, 2, &at(NOW)).unwrap();
    ingest(&mut repo, MAIN, NOW + 9, &[epoch(&mut rng, "a")]).unwrap();
    set_branch(&mut repo, "kept", 2, &at(NOW)).unwrap();
    drop(repo);
    let mut all = transactions(&disk);
    let ids: Vec<CommitId> = all[..3].iter_mut().map(|tx| tx.commit().body.id()).collect();
    for tx in &mut all[..3] {
        let keys: Vec<bool> = tx.refs().iter().map(|r| r.kind == BlockKind::Keys).collect();
        let mut left = keys.iter();
        tx.blocks.retain(|_| *left.next().unwrap());
    }
    let Closing::Operation(operation) = &mut all[3].closing else { panic!() };
    let Action::Snapshot { blocks, .. } = operation.action.clone() else { panic!() };
    let span = Span { commit: ids[2], base: None, stands_for: ids[..2].to_vec(), blocks: blocks.len() as u32 };
    operation.action = Action::Compact { spans: vec![span], blocks };
    forge::write(&disk, all, Seal::All);
    renumbered(&disk)
}

/// Returns the same log as it begins with segment 5.
fn renumbered(disk: &MemoryDisk) -> MemoryDisk {
    let files = disk.files();
    let (mut log, mut head) = (files["log/00000000.vdlog"].clone(), files["head"].clone());
    (log[8], log[12]) = (5, 5);
    let sum = blake3::hash(&log[..48]);
    log[48..64].copy_from_slice(&sum.as_bytes()[..16]);
    for slot in head.chunks_exact_mut(512) {
        (slot[16], slot[20]) = (5, 5);
        let hash = *blake3::keyed_hash(&blake3::derive_key("vecdelta v1 head", b""), &slot[..480]).as_bytes();
        slot[480..].copy_from_slice(&hash);
    }
    let out = MemoryDisk::default();
    out.put("log/00000005.vdlog", log);
    out.put("head", head);
    out
}

/// What was collected cannot be handed over commit by commit; the log as a whole can.
#[test]
fn after_a_collection_the_log_travels_whole_and_its_new_commits_alone() {
    let disk = collected();
    let repo = Repository::open(Arc::new(disk.clone())).unwrap();
    assert_eq!(problems(&disk), [""; 0]);
    let tables = [read(&repo, 2).unwrap(), read(&repo, 3).unwrap()];
    assert!(read(&repo, 1).is_err() && repo.stands_for(1) == Some(2));
    let bundled: Arc<dyn Disk> = Arc::new(opened(bundled(&repo)).unwrap());
    let target = MemoryDisk::default();
    let shared: Arc<dyn Disk> = Arc::new(target.clone());
    for copy in [
        Repository::open(bundled.clone()).unwrap(),
        clone_into(&Repository::open(bundled).unwrap(), &shared, [9; 32], &mut |_| {}).unwrap(),
    ] {
        assert_eq!([read(&copy, 2).unwrap(), read(&copy, 3).unwrap()], tables);
        assert!(read(&copy, 1).is_err());
    }
    assert_eq!(problems(&target), [""; 0]);
    let (empty, mut to) = node(2);
    let before = without_cache(&empty);
    let error = receive(&mut to, &Sender::of(&repo), &Wanted::default(), &at(NOW), &|_| {}).unwrap_err();
    assert!(error.to_string().contains("only its record is left"), "{error}");
    assert!(without_cache(&empty) == before);
    assert!(bundle_since(&repo, 0, &MemoryDisk::default(), "b", &mut |_| {}).is_err());
    // Whoever holds what was collected, or what stands for it, gets the rest.
    let mut copy = Repository::open_writer(shared, None).unwrap();
    let mut ahead = Repository::open_writer(Arc::new(disk.clone()), None).unwrap();
    ingest(&mut ahead, MAIN, NOW + 10, &[epoch(&mut Rng::new(12), "a")]).unwrap();
    assert_eq!(pull(&mut copy, &Sender::of(&ahead), &[], None).commits, 1);
    assert_eq!(read(&copy, 4).unwrap(), read(&ahead, 4).unwrap());
    assert_eq!(problems(&target), [""; 0]);
}
