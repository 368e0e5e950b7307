//! Sizes and speeds of the block codec on known kinds of change: bits per value against the entropy floor, GB/s a core.
//!
//! Floor: entropy of the new bits given the old ones for the known noise (nothing lossless beats it on average). Speeds
//! count raw bytes of the new rows, one thread, best of several passes over all blocks of 85 rows x 384.

use std::hint::black_box;
use std::time::Instant;
use vecdelta::codec::{Base, Block, encode_change, encode_fresh};
use vecdelta_kernels::Element;

const DIMS: usize = 384;
const BLOCK_ROWS: usize = 85;
const BLOCKS: usize = 64;
const ROWS: usize = BLOCK_ROWS * BLOCKS;
const PASSES: usize = 7;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn gaussian(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }
}

/// Rows in f64 before any rounding.
type Table = Vec<f64>;

fn unit_rows(random: &mut Random) -> Table {
    let mut table: Table = (0..ROWS * DIMS).map(|_| random.gaussian()).collect();
    renormalise(&mut table);
    table
}

fn renormalise(table: &mut Table) {
    for row in table.chunks_mut(DIMS) {
        let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
        row.iter_mut().for_each(|v| *v /= norm);
    }
}

fn noisy(table: &Table, sigma: f64, unit: bool, random: &mut Random) -> Table {
    let mut new: Table = table.iter().map(|v| v + sigma * random.gaussian()).collect();
    if unit {
        renormalise(&mut new);
    }
    new
}

fn f32_bytes(table: &Table) -> Vec<u8> {
    table.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect()
}

/// Mean of log2 of the distance between neighbouring f32 values, over the values of a table.
fn mean_log2_ulp(table: &Table) -> f64 {
    let of = |v: &f64| (*v as f32).abs().log2().floor() as f64 - 23.0;
    table.iter().map(of).sum::<f64>() / table.len() as f64
}

/// Entropy of a Gaussian of this width, rounded to f32 where the values of the table are.
fn gaussian_floor(sigma: f64, new: &Table) -> f64 {
    (sigma * (2.0 * std::f64::consts::PI * std::f64::consts::E).sqrt()).log2() - mean_log2_ulp(new)
}

fn binary_entropy(p: f64) -> f64 {
    -p * p.log2() - (1.0 - p) * (1.0 - p).log2()
}

struct Case {
    name: &'static str,
    element: Element,
    old: Vec<u8>,
    new: Vec<u8>,
    floor: Option<f64>,
}

fn cases() -> Vec<Case> {
    let random = &mut Random(7);
    let base = unit_rows(random);
    let old = f32_bytes(&base);
    let mut cases = Vec::new();
    let mut add = |name, element, old: &Vec<u8>, new, floor| {
        cases.push(Case { name, element, old: old.clone(), new, floor });
    };
    let scale = 1.0 / (DIMS as f64).sqrt();
    for (name, share) in [("noise 0.1 % of norm", 0.001), ("noise 1 % of norm", 0.01), ("noise 20 % of norm", 0.2)] {
        let new = noisy(&base, share * scale, true, random);
        // Renormalising shrinks the noise a little; what counts is the width that is left around the best guess.
        let width = share * scale / (1.0 + share * share).sqrt();
        add(name, Element::F32, &old, f32_bytes(&new), Some(gaussian_floor(width, &new)));
    }
    for (name, sigma) in [("sigma 1e-7", 1e-7), ("sigma 1e-3", 1e-3)] {
        let new = noisy(&base, sigma, false, random);
        add(name, Element::F32, &old, f32_bytes(&new), Some(gaussian_floor(sigma, &new)));
    }
    let other = unit_rows(random);
    let replaced_floor = gaussian_floor(scale, &other);
    add("replaced", Element::F32, &old, f32_bytes(&other), Some(replaced_floor));
    let picked = |share: f64, from: &Table, random: &mut Random| -> Table {
        base.iter().zip(from).map(|(a, b)| if random.unit() < share { *b } else { *a }).collect()
    };
    let five = picked(0.05, &other, random);
    let floor = binary_entropy(0.05) + 0.05 * replaced_floor;
    add("5 % of cells replaced", Element::F32, &old, f32_bytes(&five), Some(floor));
    let one = noisy(&base, 0.01 * scale, false, random);
    let five = picked(0.05, &one, random);
    let floor = binary_entropy(0.05) + 0.05 * gaussian_floor(0.01 * scale, &one);
    add("5 % of cells, 1 % noise", Element::F32, &old, f32_bytes(&five), Some(floor));
    let jitter: Table = base.iter().map(|v| v * (1.0 + 1e-7 * random.gaussian())).collect();
    add("rounding jitter 1e-7 of value", Element::F32, &old, f32_bytes(&jitter), None);
    let uneven: Table = base
        .chunks(DIMS)
        .flat_map(|row| {
            let sigma = scale * 10f64.powf(-3.0 + 2.0 * random.unit());
            row.iter().map(|v| v + sigma * random.gaussian()).collect::<Vec<_>>()
        })
        .collect();
    add("noise 0.1 to 10 % by row", Element::F32, &old, f32_bytes(&uneven), None);
    narrow_cases(&base, scale, random, &mut cases);
    cases
}

fn narrow_cases(base: &Table, scale: f64, random: &mut Random, cases: &mut Vec<Case>) {
    let small = noisy(base, 0.001 * scale, true, random);
    let large = noisy(base, 0.01 * scale, true, random);
    let mut add = |name, element, new: &Table, bytes: &dyn Fn(&Table) -> Vec<u8>| {
        cases.push(Case { name, element, old: bytes(base), new: bytes(new), floor: None });
    };
    let bf16 =
        |t: &Table| -> Vec<u8> { t.iter().flat_map(|v| half::bf16::from_f64(*v).to_f32().to_le_bytes()).collect() };
    let f16 =
        |t: &Table| -> Vec<u8> { t.iter().flat_map(|v| half::f16::from_f64(*v).to_f32().to_le_bytes()).collect() };
    let own = |t: &Table| -> Vec<u8> { t.iter().flat_map(|v| half::f16::from_f64(*v).to_le_bytes()).collect() };
    let f64s = |t: &Table| -> Vec<u8> { t.iter().flat_map(|v| v.to_le_bytes()).collect() };
    add("bf16 in f32, 0.1 %", Element::F32, &small, &bf16);
    add("bf16 in f32, 1 %", Element::F32, &large, &bf16);
    add("f16 in f32, 1 %", Element::F32, &large, &f16);
    add("f16, 1 %", Element::F16, &large, &own);
    add("f64, 1 %", Element::F64, &large, &f64s);
    add("int8 global scale in f32, 1 %", Element::F32, &large, &|t| dequantised(t, Some(0.25 / 127.0)));
    add("int8 row scale in f32, 1 %", Element::F32, &large, &|t| dequantised(t, None));
    add("i8, 1 %", Element::I8, &large, &|t| t.iter().map(|v| (v * 500.0) as i8 as u8).collect());
}

fn dequantised(table: &Table, scale: Option<f32>) -> Vec<u8> {
    let row = |row: &[f64]| -> Vec<u8> {
        let largest = row.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let scale = scale.unwrap_or((largest / 127.0) as f32);
        let integer = |v: &f64| (v / f64::from(scale)).round().clamp(-127.0, 127.0) as f32;
        row.iter().flat_map(|v| (integer(v) * scale).to_le_bytes()).collect()
    };
    table.chunks(DIMS).flat_map(row).collect()
}

/// Runs something and keeps the shortest time so far, in seconds.
fn time(best: &mut f64, pass: impl FnOnce()) {
    let start = Instant::now();
    pass();
    *best = best.min(start.elapsed().as_secs_f64());
}

/// Times every block by itself, so that a neighbour on the machine disturbs single blocks of single passes only.
fn measure(case: &Case, fresh: bool) {
    let block_bytes = BLOCK_ROWS * DIMS * case.element.size();
    let mut payloads: Vec<Vec<u8>> = (0..BLOCKS).map(|_| Vec::with_capacity(2 * block_bytes)).collect();
    let mut rows = case.old.clone();
    let (mut encode, mut decode) = (vec![f64::INFINITY; BLOCKS], vec![f64::INFINITY; BLOCKS]);
    let mut dropped = 0;
    for _ in 0..PASSES {
        dropped = 0;
        for (i, payload) in payloads.iter_mut().enumerate() {
            let range = i * block_bytes..(i + 1) * block_bytes;
            let (old, new) = (&case.old[range.clone()], &case.new[range]);
            payload.clear();
            time(&mut encode[i], || {
                if fresh {
                    encode_fresh(case.element, DIMS, new, payload);
                } else {
                    dropped += usize::from(encode_change(case.element, DIMS, old, new, payload) == Base::Dropped);
                }
            });
        }
        rows.copy_from_slice(&case.old);
        for (i, rows) in rows.chunks_mut(block_bytes).enumerate() {
            time(&mut decode[i], || {
                let block = Block::parse(case.element, DIMS, BLOCK_ROWS, &payloads[i]).expect("own payload");
                block.apply_all(black_box(rows)).expect("own payload");
            });
        }
    }
    assert!(rows == case.new, "the rows come back");
    let bytes: usize = payloads.iter().map(Vec::len).sum();
    let bits = bytes as f64 * 8.0 / (ROWS * DIMS) as f64;
    let floor = case.floor;
    let over = floor.map_or("      -       -".into(), |f| format!("{f:7.3} {:+6.2}%", (bits / f - 1.0) * 100.0));
    let speed = |seconds: Vec<f64>| case.new.len() as f64 / seconds.iter().sum::<f64>() / 1e9;
    let kind = if fresh {
        "fresh"
    } else if dropped > 0 {
        "dropped"
    } else {
        "change"
    };
    println!(
        "{:32}{kind:8} {bits:7.3} {over}   {:5.2} {:5.2}   {:6.1}",
        case.name,
        speed(encode),
        speed(decode),
        bytes as f64 / ROWS as f64
    );
}

fn main() {
    println!("{:40}   bits   floor   above    enc   dec GB/s  bytes/row", "");
    let only = std::env::args().nth(1).filter(|a| !a.starts_with('-'));
    for case in cases().iter().filter(|c| only.as_ref().is_none_or(|o| c.name.contains(o.as_str()))) {
        measure(case, false);
        if case.name == "replaced" || case.name.contains("16") || case.name.contains("int8") {
            measure(case, true);
        }
    }
}
