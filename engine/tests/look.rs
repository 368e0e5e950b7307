//! Drift, search and blame against plain loops over plain tables.
//!
//! What is looked at is what a person decides by, so it has to be the right number, not a near one. The oracle sorts
//! everything, asks everything, and adds in the order that the kernels document; lists, scores and ties are compared
//! bit by bit. Only the mean vector of floats, whose order of additions is that of the slots, may differ in its last
//! digits; of integers it may not.

use std::collections::BTreeMap;
use std::sync::Arc;

use vecdelta::capture::Missing;
use vecdelta::delta::{Element, Source, Table};
use vecdelta::store::MemoryDisk;
use vecdelta::version::{
    Checkout, CommitIndex, Drift, DriftOptions, MAIN, Metric, Query, Repository, Rows as CheckedOut, Steps,
    VersionError, blame, drift, percentile, rollback, search, set_branch, snapshot, touched, value,
};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::support::drive::{Epoch, at as at_time, ingest, open};
use crate::support::oracle::{Collection, read};
use crate::support::random::{Rng, changed, round, row};

type Rows = BTreeMap<String, Vec<u8>>;

const NAME: &str = "things";

fn table(element: Element, dims: u32) -> Arc<Table> {
    Arc::new(Table { collection: NAME.to_owned(), element, dims })
}

/// Commits a table as a whole.
fn commit(repo: &mut Repository, branch: &str, now: u64, table: &Arc<Table>, rows: &Rows) -> CommitIndex {
    let rows = rows.iter().map(|(k, r)| (k.clone(), r.clone())).collect();
    let epoch = Epoch { table: table.clone(), rows, missing: Missing::Delete, batch_rows: 64 };
    ingest(repo, branch, now, &[epoch]).unwrap()
}

/// Makes the next state of a table: some rows are changed, some go, some come.
fn next(rng: &mut Rng, table: &Table, rows: &Rows, busy: usize) -> Rows {
    let mut out = Rows::new();
    for (key, old) in rows {
        match rng.below(100) {
            0..8 => {}
            n if n < 8 + busy => drop(out.insert(key.clone(), changed(rng, table.element, old))),
            _ => drop(out.insert(key.clone(), old.clone())),
        }
    }
    for _ in 0..rng.below(12) {
        // Rows that are equal bit by bit make ties.
        let twin = out.values().next().cloned().filter(|_| rng.chance(30));
        let row = twin.unwrap_or_else(|| row(rng, table.element, table.dims));
        out.insert(format!("k{}", rng.below(1000)), row);
    }
    out
}

fn state(repo: &Repository, commit: CommitIndex) -> Rows {
    read(repo, commit).unwrap().remove(NAME).map(|c: Collection| c.rows).unwrap_or_default()
}

fn numbers(element: Element, row: &[u8]) -> Vec<f64> {
    row.chunks(element.size()).map(|bits| element.to_f64(bits)).collect()
}

fn widened(element: Element, row: &[u8]) -> Vec<u8> {
    numbers(element, row).into_iter().flat_map(f64::to_le_bytes).collect()
}

/// Adds in eight lanes, then the lanes in a tree: the order in which every kernel adds.
fn sum(terms: impl Iterator<Item = f64>) -> f64 {
    let mut lanes = [0.0; 8];
    terms.enumerate().for_each(|(i, term)| lanes[i % 8] += term);
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

fn l2(a: &[f64], b: &[f64]) -> f64 {
    sum(a.iter().zip(b).map(|(a, b)| (b - a) * (b - a))).sqrt()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    sum(a.iter().zip(b).map(|(a, b)| a * b))
}

fn cosine(a: &[f64], b: &[f64]) -> Option<f64> {
    let (x, y) = (dot(a, a).sqrt(), dot(b, b).sqrt());
    let good = |length: f64| length > 0.0 && length < f64::INFINITY;
    (good(x) && good(y)).then(|| (dot(a, b) / x / y).clamp(-1.0, 1.0))
}

/// Sorts by rank, NaN last, and then by key.
fn sorted(mut found: Vec<(f64, String, f64)>) -> Vec<(String, f64)> {
    found.sort_by(|a, b| {
        let nan = a.0.is_nan().cmp(&b.0.is_nan());
        nan.then(a.0.partial_cmp(&b.0).unwrap_or(std::cmp::Ordering::Equal)).then(a.1.cmp(&b.1))
    });
    found.into_iter().map(|(_, key, score)| (key, score)).collect()
}

fn nearest(element: Element, rows: &Rows, key: &str, k: usize) -> Vec<String> {
    let query = numbers(element, &rows[key]);
    let others = rows.iter().filter(|(other, _)| *other != key);
    let scored = others.filter_map(|(other, row)| {
        let cosine = cosine(&query, &numbers(element, row))?;
        Some((-cosine, other.clone(), cosine))
    });
    sorted(scored.collect()).into_iter().take(k).map(|f| f.0).collect()
}

/// The share of neighbours that stay, asked of the sample.
fn overlap(a: (Element, &Rows), b: (Element, &Rows), options: &DriftOptions) -> (usize, Option<f64>) {
    let k = options.neighbours.unwrap();
    let mut both: Vec<&String> = a.1.keys().filter(|key| b.1.contains_key(*key)).collect();
    both.sort_by_key(|key| (xxh3_64_with_seed(key.as_bytes(), options.seed), key.as_str()));
    both.truncate(options.sample);
    both.sort();
    let directed = |(element, rows): (Element, &Rows), key: &str| {
        let row = numbers(element, &rows[key]);
        cosine(&row, &row).is_some()
    };
    let mut shares = Vec::new();
    for key in both.into_iter().filter(|key| directed(a, key) && directed(b, key)) {
        let (before, after) = (nearest(a.0, a.1, key, k), nearest(b.0, b.1, key, k));
        if !before.is_empty() {
            let stayed = before.iter().filter(|n| after.contains(n)).count();
            shares.push(stayed as f64 / before.len() as f64);
        }
    }
    let n = shares.len();
    (n, (n > 0).then(|| shares.iter().sum::<f64>() / n as f64))
}

fn finite_rows(element: Element, rows: &Rows) -> Vec<Vec<f64>> {
    rows.values().map(|r| numbers(element, r)).filter(|r| r.iter().all(|x| x.is_finite())).collect()
}

/// The mean of each component over the finite rows, and the mean length.
fn mean(rows: &[Vec<f64>], dims: usize) -> (Vec<f64>, f64) {
    let n = rows.len() as f64;
    let component = |i: usize| rows.iter().map(|r| r[i]).sum::<f64>() / n;
    ((0..dims).map(component).collect(), rows.iter().map(|r| dot(r, r).sqrt()).sum::<f64>() / n)
}

/// A sum whose order of additions differs may differ in its last digits; what is not finite only has to be so too.
#[track_caller]
fn near(found: Option<f64>, expected: f64, exact: bool) {
    let found = found.filter(|f| f.is_finite());
    let error = found.map(|f| (f - expected).abs() / (1.0 + expected.abs()));
    let most = if exact { 0.0 } else { 1e-11 };
    assert!(
        error.is_some_and(|e| e <= most) || found.is_none() && !expected.is_finite(),
        "{found:?} is not {expected}"
    );
}

/// Compares everything that drift says with plain loops.
fn check_drift(found: &Drift, (a, b): (&Rows, &Rows), (old, new): (&Table, &Table), options: &DriftOptions) {
    let (x, y) = (old.element, new.element);
    let same_shape = x == y && old.dims == new.dims;
    let both: Vec<&String> = a.keys().filter(|k| b.contains_key(*k)).collect();
    let moved: Vec<&String> = both.iter().copied().filter(|k| !same_shape || a[*k] != b[*k]).collect();
    let counts = [moved.len(), b.len() - both.len(), a.len() - both.len()].map(|n| n as u64);
    assert_eq!([found.changed, found.inserted, found.deleted], counts);
    assert_eq!((found.before.rows, found.after.rows), (a.len() as u64, b.len() as u64));
    if let Some(neighbours) = found.neighbours {
        assert_eq!((neighbours.sample, neighbours.mean), overlap((x, a), (y, b), options));
    }
    let (finite_a, finite_b) = (finite_rows(x, a), finite_rows(y, b));
    assert_eq!(found.before.not_finite, (a.len() - finite_a.len()) as u64);
    let ((mean_a, norm_a), (mean_b, norm_b)) = (mean(&finite_a, old.dims as usize), mean(&finite_b, new.dims as usize));
    near(found.before.mean_norm, norm_a, false);
    near(found.after.mean_norm, norm_b, false);
    let Some(moves) = &found.moves else {
        assert!(!same_shape && found.centroid_shift.is_none());
        return;
    };
    let integers = matches!(x, Element::I8 | Element::U8);
    let shift = mean_a.iter().zip(&mean_b).map(|(a, b)| (b - a).powi(2)).sum::<f64>().sqrt();
    near(found.centroid_shift, shift, integers);

    let pairs: Vec<_> = moved.iter().map(|k| (k.as_str(), numbers(x, &a[*k]), numbers(x, &b[*k]))).collect();
    let mut lengths: Vec<f64> = pairs.iter().map(|(_, a, b)| l2(a, b)).filter(|l| l.is_finite()).collect();
    let mut cosines: Vec<f64> = pairs.iter().filter_map(|(_, a, b)| cosine(a, b)).collect();
    lengths.sort_by(f64::total_cmp);
    cosines.sort_by(f64::total_cmp);
    assert_eq!((&moves.l2, &moves.cosine), (&lengths, &cosines));
    assert_eq!(moves.not_finite, (pairs.len() - lengths.len()) as u64);
    assert_eq!(moves.no_direction, (pairs.len() - cosines.len()) as u64);
    for percent in [0, 1, 10, 50, 90, 99, 100] {
        // The smallest number that at least so many percent do not exceed.
        let reached = |l: &&f64| lengths.iter().filter(|x| x <= l).count() * 100 >= percent * lengths.len();
        assert_eq!(percentile(&moves.l2, percent), lengths.iter().find(reached).copied());
    }
    let far = pairs.iter().map(|(k, a, b)| (-l2(a, b), (*k).to_owned(), l2(a, b))).filter(|f| f.0.is_finite());
    let expected: Vec<_> = sorted(far.collect()).into_iter().take(options.top).collect();
    let sources: Vec<_> = moves.sources.iter().map(|s| (s.key.clone(), s.l2)).collect();
    assert_eq!(sources, expected);
    for d in &moves.dims {
        let finite = || pairs.iter().filter(|(_, a, b)| l2(a, b).is_finite());
        let moves = || finite().map(|(_, a, b)| b[d.dim as usize] - a[d.dim as usize]);
        let n = finite().count() as f64;
        near(Some(d.rms), (moves().map(|m| m * m).sum::<f64>() / n).sqrt(), integers);
        near(Some(d.mean), moves().sum::<f64>() / n, false);
    }
    assert!(moves.dims.windows(2).all(|d| d[0].rms >= d[1].rms));
}

#[test]
fn drift_is_what_plain_loops_find() {
    let (mut moved, mut overlaps) = (0, 0);
    for seed in 0..90 {
        let mut rng = Rng::new(seed);
        let shape = table(Element::ALL[seed as usize % 6], 1 + rng.below(40) as u32);
        let mut repo = open(&MemoryDisk::default()).unwrap();
        let mut rows = Rows::new();
        let mut commits = Vec::new();
        for now in 0..3 + rng.below(3) as u64 {
            let busy = *rng.pick(&[0, 5, 40, 92]);
            rows = next(&mut rng, &shape, &rows, busy);
            (0..rng.below(80))
                .for_each(|i| drop(rows.insert(format!("n{i}"), row(&mut rng, shape.element, shape.dims))));
            commits.push(commit(&mut repo, MAIN, now, &shape, &rows));
        }
        // A branch that goes its own way numbers its new sources in its own way.
        set_branch(&mut repo, "side", commits[1], &at_time(90)).unwrap();
        let side = next(&mut rng, &shape, &state(&repo, commits[1]), 30);
        commits.push(commit(&mut repo, "side", 91, &shape, &side));
        for _ in 0..4 {
            let (a, b) = (*rng.pick(&commits), *rng.pick(&commits));
            let neighbours = rng.chance(60).then(|| 1 + rng.below(12));
            let options = DriftOptions { neighbours, sample: 1 + rng.below(90), seed: rng.next(), top: rng.below(8) };
            let found = drift(&repo, (a, b), NAME, options, &mut |_| {}).unwrap();
            check_drift(&found, (&state(&repo, a), &state(&repo, b)), (&shape, &shape), &options);
            moved += found.changed;
            overlaps += u64::from(found.neighbours.is_some_and(|n| n.mean.is_some_and(|m| m > 0.0 && m < 1.0)));
        }
    }
    assert!(moved > 2_000 && overlaps > 50, "{moved} moves and {overlaps} overlaps test little");
}

/// The table of a commit and what its touched rows were before, in one pass: each the same as when it is read by itself.
#[test]
fn rows_and_what_they_were_before_are_those_of_both_commits() {
    let (mut read, mut old_ones) = (0, 0);
    for seed in 0..30 {
        let mut rng = Rng::new(700 + seed);
        let shape = table(Element::ALL[seed as usize % 6], 1 + rng.below(40) as u32);
        let mut repo = open(&MemoryDisk::default()).unwrap();
        let mut rows = Rows::new();
        for now in 0..6 {
            let busy = *rng.pick(&[5, 40, 92]);
            rows = next(&mut rng, &shape, &rows, busy);
            (0..rng.below(60))
                .for_each(|i| drop(rows.insert(format!("n{i}"), row(&mut rng, shape.element, shape.dims))));
            let made = commit(&mut repo, MAIN, now, &shape, &rows);
            if rng.chance(30) {
                snapshot(&mut repo, made, &at_time(50 + now)).unwrap();
            }
        }
        let steps = Arc::<Steps>::default();
        for commit in 0..repo.len() {
            let after = Checkout::with_steps(&repo, commit, shape.clone(), steps.clone());
            let slots = rng.below(4) as u32..after.slots().saturating_sub(rng.below(4) as u32);
            let touched = touched(&repo, commit, NAME).unwrap();
            let wanted: Vec<u32> = touched.into_iter().filter(|s| slots.contains(s)).collect();
            let [now, then] = after.range_and_before(slots.clone(), &wanted, vec![7; 100]).unwrap();
            let alone = |rows: &CheckedOut| (rows.data.clone(), rows.alive.clone(), rows.changed_by.clone());
            let plain = |commit| Checkout::new(&repo, commit, shape.clone());
            assert_eq!(alone(&now), alone(&plain(commit).range(slots).unwrap()), "{seed}, {commit}");
            match repo.bases(commit).nth(1) {
                Some(base) => assert_eq!(alone(&then), alone(&plain(base).list(&wanted).unwrap()), "{seed}, {commit}"),
                None => assert!(!then.alive.contains(&true)),
            }
            read += now.alive.len();
            old_ones += then.alive.iter().filter(|a| **a).count();
        }
    }
    assert!(read > 5_000 && old_ones > 1_000, "{read} rows and {old_ones} older ones test little");
}

/// Vectors of another model cannot be compared, their neighbours can.
#[test]
fn drift_across_shapes_has_kinds_and_neighbours_only() {
    for seed in 0..12 {
        let mut rng = Rng::new(seed);
        let old = table(Element::F32, 1 + rng.below(20) as u32);
        let new = table(*rng.pick(&Element::ALL[1..]), 1 + rng.below(20) as u32);
        let keys: Vec<String> = (0..60).map(|i| format!("k{i}")).collect();
        let mut make = |shape: &Table| -> Rows {
            let some = keys.iter().filter(|_| rng.chance(80)).cloned().collect::<Vec<_>>();
            some.into_iter().map(|key| (key, row(&mut rng, shape.element, shape.dims))).collect()
        };
        let (a, b) = (make(&old), make(&new));
        let mut repo = open(&MemoryDisk::default()).unwrap();
        let from = commit(&mut repo, MAIN, 1, &old, &a);
        let to = commit(&mut repo, "other", 2, &new, &b);
        let options = DriftOptions { neighbours: Some(5), sample: 30, seed, top: 3 };
        let found = drift(&repo, (from, to), NAME, options, &mut |_| {}).unwrap();
        assert!(found.moves.is_none() && found.neighbours.unwrap().mean.is_some());
        check_drift(&found, (&a, &b), (&old, &new), &options);
    }
}

#[test]
fn search_is_what_sorting_everything_finds() {
    let mut without = 0;
    for seed in 0..120 {
        let mut rng = Rng::new(seed);
        let shape = table(Element::ALL[seed as usize % 6], 1 + rng.below(40) as u32);
        let mut repo = open(&MemoryDisk::default()).unwrap();
        let (mut rows, mut commits) = (Rows::new(), Vec::new());
        for now in 0..4 {
            rows = next(&mut rng, &shape, &rows, 30);
            (0..rng.below(90))
                .for_each(|i| drop(rows.insert(format!("n{i}"), row(&mut rng, shape.element, shape.dims))));
            commits.push(commit(&mut repo, MAIN, now, &shape, &rows));
        }
        for metric in [Metric::Cosine, Metric::L2, Metric::Dot] {
            let at = *rng.pick(&commits);
            let held = state(&repo, at);
            // A query of the table itself, left out, or one of `f64` that no row can be equal to.
            let own = held.keys().nth(rng.below(held.len())).filter(|_| rng.chance(50)).cloned();
            let query = match &own {
                Some(key) => widened(shape.element, &held[key]),
                None => (0..shape.dims).flat_map(|_| (rng.unit() + 1.5).to_le_bytes()).collect(),
            };
            let q = numbers(Element::F64, &query);
            let scored = held.iter().filter(|(key, _)| Some(*key) != own.as_ref()).map(|(key, row)| {
                let row = numbers(shape.element, row);
                let score = match metric {
                    Metric::Cosine => cosine(&q, &row).unwrap_or(f64::NAN),
                    Metric::L2 => l2(&q, &row),
                    Metric::Dot => dot(&q, &row),
                };
                (if metric == Metric::L2 { score } else { -score }, key.clone(), score)
            });
            let expected = sorted(scored.collect());
            let k = *rng.pick(&[1, 3, 10, 1000]);
            let asked = Query { vector: query, except: own, metric, k };
            let found = search(&repo, at, &shape, &asked, &mut |_| {}).unwrap();
            let bits = |score: f64| if score.is_nan() { f64::NAN.to_bits() } else { score.to_bits() };
            let found: Vec<_> = found.into_iter().map(|f| (f.key, bits(f.score))).collect();
            without += found.iter().filter(|f| f64::from_bits(f.1).is_nan()).count();
            let expected: Vec<_> = expected.into_iter().take(k).map(|(key, score)| (key, bits(score))).collect();
            assert_eq!(found, expected, "seed {seed} {metric:?} {:?}", shape.element);
        }
    }
    assert!(without > 50, "only {without} rows without a score");
}

/// Tables of several pieces and tasks, on one thread and on several.
#[test]
fn large_tables_on_any_number_of_threads() {
    let shape = table(Element::F64, 64);
    let mut rng = Rng::new(5);
    let mut make = |rows: Option<&Rows>| -> Rows {
        let key = |i: usize| format!("key{i}");
        let keep = |i: usize, rng: &mut Rng| rows.filter(|_| rng.chance(60)).map(|r| r[&key(i)].clone());
        let fresh = |rng: &mut Rng| (0..64).flat_map(|_| round(Element::F64, rng.unit())).collect();
        (0..20_000).map(|i| (key(i), keep(i, &mut rng).unwrap_or_else(|| fresh(&mut rng)))).collect()
    };
    let first = make(None);
    let second = make(Some(&first));
    let mut repo = open(&MemoryDisk::default()).unwrap();
    let (a, b) = (commit(&mut repo, MAIN, 1, &shape, &first), commit(&mut repo, MAIN, 2, &shape, &second));
    let options = DriftOptions { neighbours: Some(3), sample: 70, seed: 1, top: 20 };
    let query = Query { vector: first["key7"].clone(), except: Some("key7".to_owned()), metric: Metric::L2, k: 100 };
    let run = || {
        let drift = drift(&repo, (a, b), NAME, options, &mut |_| {}).unwrap();
        (drift, search(&repo, b, &shape, &query, &mut |_| {}).unwrap())
    };
    let with = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(run);
    let ((drift, found), other) = (with(1), with(3));
    assert_eq!((format!("{drift:?}"), &found), (format!("{:?}", other.0), &other.1));

    check_drift(&drift, (&first, &second), (&shape, &shape), &options);
    let q = numbers(Element::F64, &query.vector);
    let scored = second.iter().filter(|(key, _)| *key != "key7").map(|(key, row)| {
        let score = l2(&q, &numbers(Element::F64, row));
        (score, key.clone(), score)
    });
    let expected: Vec<_> = sorted(scored.collect()).into_iter().take(100).collect();
    assert_eq!(found.into_iter().map(|f| (f.key, f.score)).collect::<Vec<_>>(), expected);
}

/// Asks for the value at every commit of the way back.
fn plain_blame(repo: &Repository, at: CommitIndex, source: &Source) -> Vec<CommitIndex> {
    let held = |commit| match value(repo, commit, source) {
        Ok(value) => Some(value.row),
        Err(VersionError::UnknownSource { .. } | VersionError::UnknownCollection { .. }) => None,
        Err(error) => panic!("{error}"),
    };
    let size = value(repo, at, source).unwrap().table.element.size();
    let way: Vec<CommitIndex> = repo.first_parents(at).collect();
    let states: Vec<Option<Vec<u8>>> = way.iter().map(|&c| held(c)).chain([None]).collect();
    let cell = |i: usize, dim: usize| states[i].as_ref().map(|row| row[dim * size..(dim + 1) * size].to_vec());
    let dims = states[0].as_ref().unwrap().len() / size;
    let by = |dim| way.iter().enumerate().find(|(i, _)| cell(*i, dim) != cell(i + 1, dim)).unwrap();
    (0..dims).map(|dim| *by(dim).1).collect()
}

#[test]
fn blame_is_what_asking_at_every_commit_finds() {
    let mut several = 0;
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let shape = table(Element::ALL[seed as usize % 6], 1 + rng.below(12) as u32);
        let mut repo = open(&MemoryDisk::default()).unwrap();
        let mut rows: Rows = (0..6).map(|i| (format!("s{i}"), row(&mut rng, shape.element, shape.dims))).collect();
        for now in 0..25 {
            match rng.below(10) {
                0 if !repo.is_empty() => {
                    let to = rng.below(repo.len());
                    rollback(&mut repo, MAIN, to, &at_time(now)).unwrap();
                    rows = state(&repo, repo.head(MAIN).unwrap());
                }
                1 if !repo.is_empty() => {
                    let at = rng.below(repo.len());
                    snapshot(&mut repo, at, &at_time(now)).unwrap();
                }
                _ => {
                    for i in 0..6 {
                        let (key, old) = (format!("s{i}"), rows.remove(&format!("s{i}")));
                        let new = match old {
                            Some(old) if rng.chance(50) => Some(changed(&mut rng, shape.element, &old)),
                            Some(old) => Some(old).filter(|_| !rng.chance(8)),
                            None => rng.chance(50).then(|| row(&mut rng, shape.element, shape.dims)),
                        };
                        new.into_iter().for_each(|new| drop(rows.insert(key.clone(), new)));
                    }
                    commit(&mut repo, MAIN, now, &shape, &rows);
                }
            }
        }
        for at in [repo.head(MAIN).unwrap(), rng.below(repo.len())] {
            for key in state(&repo, at).into_keys() {
                let source = Source { collection: NAME.to_owned(), key };
                let found = blame(&repo, at, &source).unwrap().dims;
                assert_eq!(found, plain_blame(&repo, at, &source), "seed {seed} {source}");
                several += usize::from(found.iter().any(|c| *c != found[0]));
            }
        }
    }
    assert!(several > 100, "only {several} sources were touched by several commits");
}
