//! A shop's product vectors and their history, made by the same steps on every machine: something to look at, and to try
//! commands on.
//!
//! It has branches, a merge with conflicts, a broken import that is rolled back, tags and a compaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::delta::{Element, Table};
use crate::store::Disk;
use crate::version::{
    Actor, CommitInfo, Differences, Keep, MAIN, Merge, Policy, Repository, Result, VersionError, commit_differences,
    compact, difference, merge, new_origin, read_table, rollback, set_branch, set_tag,
};

/// Monday, 5 January 2026, 09:00 UTC.
const START: u64 = 1_767_603_600_000;
const HOUR: u64 = 3_600_000;
const DIMS: u32 = 48;

/// Makes the history in an empty repository and returns how many commits it has.
///
/// # Errors
/// When the disk refuses, or holds something else.
pub fn tell(disk: Arc<dyn Disk>) -> Result<usize> {
    Story::begin(disk)?.tell()
}

type Rows = BTreeMap<String, Vec<f32>>;

/// The shop's history while it is told.
struct Story {
    repo: Repository,
    table: Arc<Table>,
    /// The products of each branch.
    rows: BTreeMap<String, Rows>,
    bits: u64,
    now: u64,
}

impl Story {
    fn begin(disk: Arc<dyn Disk>) -> Result<Self> {
        let repo = Repository::open_writer(disk, Some(new_origin(START, 0)))?;
        let table = Arc::new(Table { collection: "products".into(), element: Element::F32, dims: DIMS });
        Ok(Self { repo, table, rows: BTreeMap::new(), bits: 0x9e37_79b9_7f4a_7c15, now: START })
    }

    fn tell(mut self) -> Result<usize> {
        let kinds = ["lamp", "chair", "table", "shelf", "rug"];
        let first: Rows =
            kinds.iter().flat_map(|k| (0..24).map(move |i| format!("{k}-{i:03}"))).map(|k| (k, Vec::new())).collect();
        let first = first.into_keys().map(|k| (k, self.vector())).collect();
        self.commit(MAIN, "ana", "First import", first)?;
        for day in 1..=8 {
            let rows = self.edited(MAIN, 6, 3);
            self.commit(MAIN, "sync", &format!("Daily edits, day {day}"), rows)?;
        }
        self.tag("v1")?;
        self.branch("tuned")?;
        let tuned = self.nudged("tuned");
        self.commit("tuned", "ben", "Fine-tuned on last year's orders", tuned)?;
        let mut rows = self.edited(MAIN, 10, 12);
        rows.retain(|k, _| !k.starts_with("rug-00"));
        for i in 0..8 {
            let vector = self.vector();
            rows.insert(format!("mirror-{i:03}"), vector);
        }
        self.commit(MAIN, "ana", "New mirrors, some rugs sold out", rows)?;
        // The mean of both where both moved; what was sold out stays so.
        self.merge("tuned", "* ours\n* 0..48 average")?;
        self.branch("seasonal")?;
        let rows = self.edited("seasonal", 20, 4);
        self.commit("seasonal", "ben", "Winter descriptions", rows)?;
        let broken = self.rows[MAIN]
            .iter()
            .map(|(k, v)| (k.clone(), if k.starts_with("shelf") { vec![0.0; v.len()] } else { v.clone() }));
        let broken = broken.collect();
        self.commit(MAIN, "sync", "Broken import: every shelf is zero", broken)?;
        let back = self.repo.first_parents(self.repo.head(MAIN).unwrap_or(0)).nth(1).unwrap_or(0);
        let actor = self.actor("ana");
        rollback(&mut self.repo, MAIN, back, &actor)?;
        self.read_main()?;
        let rows = self.edited(MAIN, 25, 4);
        self.commit(MAIN, "ana", "Spring descriptions", rows)?;
        let actor = self.actor("ana");
        compact(&mut self.repo, Keep { from: 9, every: 4 }, &actor, &mut |_, _| {})?;
        Ok(self.repo.len())
    }

    fn actor(&mut self, author: &str) -> Actor {
        self.now += HOUR;
        Actor { author: author.to_owned(), now_millis: self.now }
    }

    fn branch(&mut self, name: &str) -> Result<()> {
        let (actor, head) = (self.actor("ben"), self.repo.head(MAIN).unwrap_or(0));
        set_branch(&mut self.repo, name, head, &actor)?;
        self.rows.insert(name.to_owned(), self.rows[MAIN].clone());
        Ok(())
    }

    fn tag(&mut self, name: &str) -> Result<()> {
        let (actor, head) = (self.actor("ana"), self.repo.head(MAIN).unwrap_or(0));
        set_tag(&mut self.repo, name, head, &actor)
    }

    fn commit(&mut self, branch: &str, author: &str, message: &str, rows: Rows) -> Result<()> {
        self.now += 23 * HOUR;
        let actor = self.actor(author);
        let before = self.rows.get(branch).cloned().unwrap_or_default();
        let bits = |row: &Vec<f32>| row.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let keys: BTreeSet<&String> = before.keys().chain(rows.keys()).collect();
        let sources = keys.into_iter().filter_map(|k| {
            let (old, new) = (before.get(k).map(bits), rows.get(k).map(bits));
            difference(&self.table, k, old.as_deref(), new.as_deref(), true)
        });
        let part = Differences::new(self.table.clone(), sources.collect());
        let info = CommitInfo {
            branch: branch.to_owned(),
            author: actor.author,
            message: message.to_owned(),
            ..CommitInfo::default()
        };
        commit_differences(&mut self.repo, info, actor.now_millis, |_, write| write(part))?;
        self.rows.insert(branch.to_owned(), rows);
        Ok(())
    }

    fn merge(&mut self, from: &str, policy: &str) -> Result<()> {
        let actor = self.actor("ana");
        let request = Merge {
            into: MAIN.to_owned(),
            theirs: self.repo.head(from).unwrap_or(0),
            name: from.to_owned(),
            policy: Policy::parse(policy).map_err(|e| VersionError::Refused(e.to_string()))?,
            resolved: Vec::new(),
            custom: None,
            fast_forward: false,
            dry_run: false,
            message: String::new(),
        };
        merge(&mut self.repo, &request, &actor, &mut |_| Ok::<_, VersionError>(()))?;
        self.read_main()
    }

    /// Takes over what `main` holds.
    fn read_main(&mut self) -> Result<()> {
        let mut rows = Rows::new();
        let (table, head) = (self.table.clone(), self.repo.head(MAIN).unwrap_or(0));
        read_table(&self.repo, head, &table, &mut |keys, data| {
            for (key, row) in keys.iter().zip(data.chunks_exact(table.row_bytes())) {
                let value = |bits: &[u8]| f32::from_le_bytes(std::array::from_fn(|i| bits[i]));
                rows.insert(key.to_owned(), row.chunks_exact(4).map(value).collect());
            }
            Ok::<_, VersionError>(())
        })?;
        self.rows.insert(MAIN.to_owned(), rows);
        Ok(())
    }

    /// Returns the products of a branch with some components of some of them changed.
    fn edited(&mut self, branch: &str, products: usize, components: usize) -> Rows {
        let mut rows = self.rows[branch].clone();
        let keys: Vec<String> = rows.keys().cloned().collect();
        for _ in 0..products {
            let key = &keys[self.below(keys.len())];
            for _ in 0..components {
                let (at, value) = (self.below(DIMS as usize), self.number());
                if let Some(row) = rows.get_mut(key) {
                    row[at] = value;
                }
            }
        }
        rows
    }

    /// Returns the products of a branch, every component moved a little.
    fn nudged(&mut self, branch: &str) -> Rows {
        let rows = self.rows[branch].clone();
        rows.into_iter()
            .map(|(k, row)| {
                (k, row.into_iter().map(|v| (f64::from(v) * (1.0 + 1e-3 * f64::from(self.number()))) as f32).collect())
            })
            .collect()
    }

    fn vector(&mut self) -> Vec<f32> {
        (0..DIMS).map(|_| self.number()).collect()
    }

    /// Returns a number between -1 and 1 with a few digits, as models that were made smaller have them.
    fn number(&mut self) -> f32 {
        (self.below(2001) as f32 - 1000.0) / 1000.0
    }

    fn below(&mut self, n: usize) -> usize {
        self.bits ^= self.bits << 13;
        self.bits ^= self.bits >> 7;
        self.bits ^= self.bits << 17;
        // The remainder first: a usize of 32 bits would tell another history.
        ((self.bits >> 16) % n as u64) as usize
    }
}
