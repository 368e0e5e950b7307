//! How near the kernels come to what the memory allows, and what composition costs.
//!
//! `cargo bench -p vecdelta-benches --bench kernels`; under a minute, one thread.

use std::cell::RefCell;
use std::hint::black_box;
use vecdelta_benches::{Bits, Candidate, Table, measure, named, print, processor};
use vecdelta_kernels::{
    Composer, Element, HASH_LANES, Message, RowChange, add_finite, all_finite, compose_sparse, differs, extract,
    keyed_hashes, max_abs, norm_squared, portable, scatter_xor, xor_into,
};

const F32: Element = Element::F32;
const ROUNDS: usize = 15;

fn main() {
    println!("{}, one thread, best of {ROUNDS} rounds", processor());
    tables(100_000, 384);
    tables(10_000, 1_536);
    cached();
    hashes();
    compose(100, 20.0);
    compose(1_000, 200.0);
}

/// Tables far larger than the caches, row by row.
fn tables(rows: usize, dims: usize) {
    let bits = &mut Bits(1);
    let old = Table::random(rows, dims, bits);
    let megabytes = old.bytes.len() as f64 / 1e6;
    println!("\n{rows} x {dims} f32, {megabytes:.0} MB a table");
    let few_cells = old.with_cells_changed(5, bits);

    println!("\nReading two tables (GB/s of both; against reading the same two in a plain loop)");
    let few_rows = old.with_rows_changed(2, bits);
    let other = old.with_cells_changed(100, bits);
    let times = measure(ROUNDS, readers(&old, &few_rows, &few_cells, &other));
    print(&times);
    let slower = named(&times, EXTRACT).best() / named(&times, SCAN).best();
    println!("\nextraction at 5 % takes {slower:.2} times the scan (target: 2)");

    println!("\nReading one table");
    print(&measure(ROUNDS, norms(&old)));

    println!("\nWriting a table (GB/s of one; against one memcpy of the table)");
    let sparse = sparse_rows(&old, &few_cells);
    let (target, copy) = (RefCell::new(old.clone()), RefCell::new(old));
    let times = measure(ROUNDS, writers(&target, &copy, &other, &sparse));
    print(&times);
    let slower = named(&times, XOR).best() / named(&times, MEMCPY).best();
    println!("\ndense apply takes {slower:.2} times the memcpy (target: 1.3)");
}

const SCAN: &str = "scan: differs, measure 2 % of rows";
const EXTRACT: &str = "extract 5 % of cells";
const XOR: &str = "xor_into every row";
const MEMCPY: &str = "memcpy the table at once";

/// Each kernel beside a floor that reads the very same memory: where a table lies in physical
/// memory changes its speed by 20 %.
fn readers<'a>(old: &'a Table, few_rows: &'a Table, few_cells: &'a Table, other: &'a Table) -> Vec<Candidate<'a>> {
    let bytes = 2 * old.bytes.len();
    let floor = |name, new: &'a Table| Candidate::new(name, bytes, || read_two(&old.bytes, &new.bytes));
    let every = |name, kernel: Measure| {
        let run = move || -> f64 { old.pairs(other).map(|(o, n)| kernel(F32, o, n).dot).sum() };
        Candidate::new(name, bytes, run).against("read old and other")
    };
    let extraction = |name, kernel: Extract, new| Candidate::new(name, bytes, move || extract_rows(kernel, old, new));
    vec![
        floor("read old and few rows changed", few_rows),
        Candidate::new(SCAN, bytes, || scan(old, few_rows)).against("read old and few rows changed"),
        floor("read old and other", other),
        every("measure every row", vecdelta_kernels::measure),
        every("measure every row, portable", portable::measure),
        floor("read old and few cells changed", few_cells),
        extraction(EXTRACT, extract, few_cells).against("read old and few cells changed"),
        extraction("extract 5 % of cells, portable", portable::extract, few_cells)
            .against("read old and few cells changed"),
        extraction("extract all cells", extract, other).against("read old and other"),
    ]
}

fn norms(table: &Table) -> Vec<Candidate<'_>> {
    let bytes = table.bytes.len();
    let rows = || table.rows();
    vec![
        Candidate::new("read", bytes, || read_one(&table.bytes)),
        Candidate::new("norm_squared", bytes, move || -> f64 { rows().map(|row| norm_squared(F32, row)).sum() })
            .against("read"),
        Candidate::new("max_abs", bytes, move || -> f64 { rows().map(|row| max_abs(F32, row)).sum() }).against("read"),
        Candidate::new("all_finite", bytes, move || rows().all(|row| all_finite(F32, row))).against("read"),
        Candidate::new("add_finite", bytes, move || {
            let mut sums = vec![0.0; table.rows().next().map_or(0, |row| row.len() / 4)];
            rows().for_each(|row| assert!(add_finite(F32, row, &mut sums), "the rows are finite"));
            sums[0]
        })
        .against("read"),
    ]
}

type Sparse = (Vec<u32>, Vec<u8>);

fn writers<'a>(
    target: &'a RefCell<Table>,
    copy: &'a RefCell<Table>,
    delta: &'a Table,
    sparse: &'a [Sparse],
) -> Vec<Candidate<'a>> {
    let bytes = delta.bytes.len();
    vec![
        Candidate::new(MEMCPY, bytes, || copy.borrow_mut().bytes.copy_from_slice(&delta.bytes)),
        Candidate::new("memcpy row by row", bytes, || {
            for (to, from) in copy.borrow_mut().rows_mut().zip(delta.rows()) {
                to.copy_from_slice(from);
            }
        })
        .against(MEMCPY),
        Candidate::new(XOR, bytes, || {
            for (row, delta) in target.borrow_mut().rows_mut().zip(delta.rows()) {
                xor_into(row, delta);
            }
        })
        .against(MEMCPY),
        Candidate::new("scatter_xor 5 % of cells", bytes, move || {
            for (row, (indices, bits)) in target.borrow_mut().rows_mut().zip(sparse) {
                scatter_xor(F32, row, indices, bits).expect("indices of this row");
            }
        })
        .against(MEMCPY),
    ]
}

/// The change scan: statistics of the rows that differ.
fn scan(old: &Table, new: &Table) -> f64 {
    let changed = old.pairs(new).filter(|(old, new)| differs(old, new));
    let measured = changed.map(|(old, new)| vecdelta_kernels::measure(F32, old, new));
    measured.map(|change| change.l2_squared).sum()
}

fn read_one(bytes: &[u8]) -> u64 {
    let mut sum = [0; 16];
    for block in bytes.as_chunks::<128>().0 {
        for (sum, word) in sum.iter_mut().zip(block.as_chunks::<8>().0) {
            *sum |= u64::from_le_bytes(*word);
        }
    }
    sum.into_iter().fold(0, |a, b| a | b)
}

fn read_two(old: &[u8], new: &[u8]) -> u64 {
    let mut sum = [0; 16];
    let blocks = old.as_chunks::<128>().0.iter().zip(new.as_chunks::<128>().0);
    for (old, new) in blocks {
        let words = old.as_chunks::<8>().0.iter().zip(new.as_chunks::<8>().0);
        for (sum, (old, new)) in sum.iter_mut().zip(words) {
            *sum |= u64::from_le_bytes(*old) ^ u64::from_le_bytes(*new);
        }
    }
    sum.into_iter().fold(0, |a, b| a | b)
}

type Measure = fn(Element, &[u8], &[u8]) -> RowChange;
type Extract = fn(Element, &[u8], &[u8], &mut Vec<u32>, &mut Vec<u8>);

/// Extracts every row into the same two vectors, as if each were handed on at once.
fn extract_rows(extract: Extract, old: &Table, new: &Table) -> usize {
    let (mut indices, mut bits) = (Vec::new(), Vec::new());
    let mut found = 0;
    for (old, new) in old.pairs(new) {
        indices.clear();
        bits.clear();
        extract(F32, old, new, &mut indices, &mut bits);
        found += indices.len();
    }
    found
}

fn sparse_rows(old: &Table, new: &Table) -> Vec<Sparse> {
    let sparse = |(old, new): (&[u8], &[u8])| {
        let (mut indices, mut bits) = (Vec::new(), Vec::new());
        extract(F32, old, new, &mut indices, &mut bits);
        indices.shrink_to_fit();
        bits.shrink_to_fit();
        (indices, bits)
    };
    old.pairs(new).map(sparse).collect()
}

/// 64 row pairs in cache: what the instructions cost by themselves.
fn cached() {
    println!("\n64 rows x {CACHED_DIMS} in cache, every element type (GB/s of both rows)\n");
    let columns = ["measure", "portable", "extract 5 %", "portable"];
    println!("{:<6}{}", "", columns.map(|name| format!("{name:>13}")).concat());
    for element in Element::ALL {
        let (old, few, other) = cached_rows(element);
        let work = CACHED_REPEATS * 2 * old.len();
        let statistics = |kernel: Measure| {
            let (old, other) = (&old, &other);
            Candidate::new("", work, move || {
                each_cached(element, old, other, |old, new| {
                    black_box(kernel(element, old, new));
                })
            })
        };
        let extraction = |kernel: Extract| {
            let (old, few) = (&old, &few);
            let (mut indices, mut bits) = (Vec::new(), Vec::new());
            Candidate::new("", work, move || {
                each_cached(element, old, few, |old, new| {
                    indices.clear();
                    bits.clear();
                    kernel(element, old, new, &mut indices, &mut bits);
                    black_box(&indices);
                })
            })
        };
        let times = measure(
            7,
            vec![
                statistics(vecdelta_kernels::measure),
                statistics(portable::measure),
                extraction(extract),
                extraction(portable::extract),
            ],
        );
        let speeds = times.iter().map(|times| times.speed() / 1e9);
        let line: String = speeds.map(|speed| format!("{speed:>13.1}")).collect();
        println!("{:<6}{line}", element.name());
    }
}

const CACHED_DIMS: usize = 384;
const CACHED_REPEATS: usize = 200;

/// Returns 64 rows, the same with 5 % of components changed, and others altogether.
fn cached_rows(element: Element) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let size = element.size();
    let rows = |seed| -> Vec<u8> {
        let mut bits = Bits(seed);
        let bytes = (0..64 * CACHED_DIMS * size).map(|i| {
            // A top byte below 0x40 keeps every float type finite and tame.
            let top = i % size == size - 1;
            bits.next_bits() as u8 & if top { 0x3f } else { 0xff }
        });
        bytes.collect()
    };
    let (old, other) = (rows(1), rows(2));
    let mut few = old.clone();
    let mut bits = Bits(3);
    for (cell, new) in few.chunks_mut(size).zip(other.chunks(size)) {
        if bits.next_bits().is_multiple_of(20) {
            cell.copy_from_slice(new);
        }
    }
    (old, few, other)
}

fn each_cached(element: Element, old: &[u8], new: &[u8], mut run: impl FnMut(&[u8], &[u8])) {
    let row = CACHED_DIMS * element.size();
    for _ in 0..CACHED_REPEATS {
        for (old, new) in old.chunks(row).zip(new.chunks(row)) {
            run(old, new);
        }
    }
}

const ONE_BY_ONE: &str = "the blake3 crate, row by row";

/// A function that hashes messages.
type HashAll<'f> = dyn Fn(&[Message<'_>], &mut Vec<[u8; 32]>) + 'f;

/// Hashes of rows of 384 f32 with their keys, in cache.
fn hashes() {
    println!("\n{HASH_LANES} rows of 1,549 bytes, BLAKE3 with a key (GB/s; against one by one)");
    let (key, mut bits) = ([7; 32], Bits(4));
    let rows: Vec<Vec<u8>> = (0..HASH_LANES).map(|_| (0..1549).map(|_| bits.next_bits() as u8).collect()).collect();
    let messages: Vec<Message<'_>> = rows.iter().map(|row| Message { head: &[], body: row }).collect();
    let work = 200 * HASH_LANES * 1549;
    let repeated = |hash: &HashAll<'_>| {
        let mut hashes = Vec::new();
        (0..200).for_each(|_| {
            hashes.clear();
            hash(black_box(&messages), &mut hashes);
        });
        hashes[0][0]
    };
    let one_by_one = |messages: &[Message<'_>], hashes: &mut Vec<[u8; 32]>| {
        hashes.extend(messages.iter().map(|message| *blake3::keyed_hash(&key, message.body).as_bytes()));
    };
    let candidates = vec![
        Candidate::new("keyed_hashes", work, || repeated(&|messages, hashes| keyed_hashes(&key, messages, hashes)))
            .against(ONE_BY_ONE),
        Candidate::new("keyed_hashes, portable", work, || {
            repeated(&|messages, hashes| portable::keyed_hashes(&key, messages, hashes))
        })
        .against(ONE_BY_ONE),
        Candidate::new(ONE_BY_ONE, work, || repeated(&one_by_one)),
    ];
    print(&measure(ROUNDS, candidates));
}

/// 100 sparse changes of one row as one.
fn compose(changes: usize, target: f64) {
    const DIMS: usize = 1_536;
    const REPEATS: usize = 20;
    let mut bits = Bits(7);
    let first = Table::random(1, DIMS, &mut bits);
    let mut sparse = Vec::new();
    let mut theirs = Vec::new();
    for _ in 0..changes {
        let new = first.with_cells_changed(5, &mut bits);
        sparse.extend(sparse_rows(&first, &new));
        theirs.push(competitor::delta(&first.bytes, &new.bytes));
    }
    let entries: usize = sparse.iter().map(|(indices, _)| indices.len()).sum();
    println!("\n{changes} sparse changes of one row of {DIMS} as one, {entries} entries\n");

    let sparse = &sparse;
    let mut composer = Composer::new(F32, DIMS);
    let scatter = move || {
        let (mut indices, mut bits) = (Vec::new(), Vec::new());
        for _ in 0..REPEATS {
            indices.clear();
            bits.clear();
            for (i, b) in sparse {
                composer.add_sparse(i, b).expect("indices of this row");
            }
            composer.finish(&mut indices, &mut bits);
            black_box(&indices);
        }
    };
    let times = measure(
        ROUNDS,
        vec![
            Candidate::new("Composer", REPEATS, scatter),
            Candidate::new("compose_sparse, pair by pair", 1, || fold(sparse)),
            Candidate::new("ruvector-delta-core 0.1, pair by pair", 1, || competitor::fold(&theirs)),
        ],
    );
    let ours = times[0].speed();
    for times in &times {
        let micros = 1e6 / times.speed();
        let per_entry = 1e3 * micros / entries as f64;
        let slower = ours / times.speed();
        println!("{:<40}{micros:>10.1} us{per_entry:>8.2} ns an entry{slower:>8.1} x", times.name);
    }
    println!("\ntarget of Composer: {target} us");
}

fn fold(sparse: &[Sparse]) -> Sparse {
    let mut sum = Sparse::default();
    for (indices, bits) in sparse {
        let mut next = Sparse::default();
        let (a, b) = ((&sum.0[..], &sum.1[..]), (&indices[..], &bits[..]));
        compose_sparse(F32, a, b, &mut next.0, &mut next.1).expect("ascending indices");
        sum = next;
    }
    sum
}

/// The same work in another crate. Its deltas are sums of f32 and so not exact; it offers
/// composition of two, and takes both by value, so a copy is part of its price.
mod competitor {
    use ruvector_delta_core::{Delta, VectorDelta};

    fn values(row: &[u8]) -> Vec<f32> {
        let cells = row.as_chunks().0.iter();
        cells.map(|bits| f32::from_le_bytes(*bits)).collect()
    }

    pub(super) fn delta(old: &[u8], new: &[u8]) -> VectorDelta {
        VectorDelta::compute(&values(old), &values(new))
    }

    pub(super) fn fold(deltas: &[VectorDelta]) -> VectorDelta {
        let sum = VectorDelta::new(deltas[0].dimensions);
        deltas.iter().cloned().fold(sum, Delta::compose)
    }
}
