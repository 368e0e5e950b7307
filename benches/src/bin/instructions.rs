//! Hot loops, one a run, for `scripts/instructions.sh`, which counts their instructions.
//!
//!     instructions NAME
//!
//! Without a name it lists them. Only what runs inside [`counted`] counts: data are made and results are checked outside.

use std::hint::black_box;

use vecdelta::codec::{Block, decode_texts, encode_change, encode_fresh, encode_texts};
use vecdelta_kernels::{Composer, Element, differs, extract, measure, norm_squared, scatter_xor, xor_into};

const F32: Element = Element::F32;
const DIMS: usize = 384;
/// The rows of one block.
const ROWS: usize = 85;
const ROW: usize = DIMS * 4;

/// What the instructions are counted of: never inlined, so that its name is there to be found.
#[inline(never)]
fn counted<R>(work: impl FnOnce() -> R) -> R {
    black_box(work())
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// The sum of twelve uniform numbers is near a Gaussian one, and the same on every machine.
    fn gaussian(&mut self) -> f64 {
        (0..12).map(|_| (self.next() >> 11) as f64 / (1u64 << 53) as f64).sum::<f64>() - 6.0
    }
}

/// A block's rows before and after.
struct Pair {
    old: Vec<u8>,
    new: Vec<u8>,
}

fn pair(change: impl Fn(f64, &mut Random) -> f64) -> Pair {
    let random = &mut Random(7);
    let base: Vec<f64> = (0..ROWS * DIMS).map(|_| random.gaussian() / 20.0).collect();
    let bytes = |values: &[f64]| values.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect();
    let moved: Vec<f64> = base.iter().map(|&v| change(v, random)).collect();
    Pair { old: bytes(&base), new: bytes(&moved) }
}

fn noise() -> Pair {
    pair(|v, random| v + 1e-3 * random.gaussian())
}

/// Rounding alone: most of it in the last places.
fn jitter() -> Pair {
    pair(|v, random| v + 1e-7 * random.gaussian())
}

fn replaced() -> Pair {
    pair(|_, random| random.gaussian() / 20.0)
}

fn few_cells() -> Pair {
    pair(|v, random| if random.next() % 20 == 0 { random.gaussian() / 20.0 } else { v })
}

fn rows(table: &[u8]) -> impl Iterator<Item = &[u8]> {
    table.chunks_exact(ROW)
}

fn encode(pair: Pair, fresh: bool) {
    let mut payload = Vec::with_capacity(2 * pair.new.len());
    counted(|| match fresh {
        true => encode_fresh(F32, DIMS, &pair.new, &mut payload),
        false => _ = encode_change(F32, DIMS, &pair.old, &pair.new, &mut payload),
    });
}

fn decode(pair: Pair, fresh: bool) {
    let mut payload = Vec::new();
    match fresh {
        true => encode_fresh(F32, DIMS, &pair.new, &mut payload),
        false => _ = encode_change(F32, DIMS, &pair.old, &pair.new, &mut payload),
    }
    let mut table = pair.old;
    counted(|| Block::parse(F32, DIMS, ROWS, &payload).and_then(|block| block.apply_all(&mut table)))
        .expect("a payload of our own");
    assert!(table == pair.new, "the rows come back");
}

/// A loop over the rows of both tables.
fn each(pair: Pair, work: impl Fn(&[u8], &[u8])) {
    counted(|| rows(&pair.old).zip(rows(&pair.new)).for_each(|(old, new)| work(old, new)));
}

fn sparse(pair: &Pair) -> Vec<(Vec<u32>, Vec<u8>)> {
    let one = |(old, new)| {
        let (mut indices, mut bits) = (Vec::new(), Vec::new());
        extract(F32, old, new, &mut indices, &mut bits);
        (indices, bits)
    };
    rows(&pair.old).zip(rows(&pair.new)).map(one).collect()
}

fn extraction(pair: Pair) {
    let (mut indices, mut bits) = (Vec::with_capacity(ROWS * DIMS), Vec::with_capacity(ROWS * ROW));
    counted(|| {
        for (old, new) in rows(&pair.old).zip(rows(&pair.new)) {
            extract(F32, old, new, &mut indices, &mut bits);
        }
    });
}

fn scatter(mut pair: Pair) {
    let deltas = sparse(&pair);
    counted(|| {
        for (row, (indices, bits)) in pair.old.chunks_exact_mut(ROW).zip(&deltas) {
            scatter_xor(F32, row, indices, bits).expect("indices of this row");
        }
    });
    assert!(pair.old == pair.new, "the rows come back");
}

fn compose(pair: Pair) {
    let deltas = sparse(&pair);
    let (mut indices, mut bits) = (Vec::with_capacity(DIMS), Vec::with_capacity(ROW));
    counted(|| {
        let mut composer = Composer::new(F32, DIMS);
        deltas.iter().for_each(|(indices, bits)| composer.add_sparse(indices, bits).expect("indices of this row"));
        composer.finish(&mut indices, &mut bits);
    });
}

fn texts() {
    let keys: Vec<String> = (0..4096).map(|i| format!("doc-{i:06}")).collect();
    let mut coded = Vec::with_capacity(1 << 16);
    counted(|| {
        encode_texts(keys.iter().map(String::as_str), &mut coded);
        decode_texts(&mut &coded[..], keys.len(), 1 << 16).expect("texts of our own");
    });
}

type Case = (&'static str, fn());

const CASES: [Case; 17] = [
    ("differs", || each(few_cells(), |old, _| _ = black_box(differs(black_box(old), old)))),
    ("measure", || each(noise(), |old, new| _ = black_box(measure(F32, old, new)))),
    ("norm_squared", || each(noise(), |old, _| _ = black_box(norm_squared(F32, old)))),
    ("extract", || extraction(few_cells())),
    ("xor_into", || {
        let mut pair = noise();
        counted(|| xor_into(&mut pair.old, &pair.new));
    }),
    ("scatter_xor", || scatter(few_cells())),
    ("compose", || compose(few_cells())),
    ("encode replaced", || encode(replaced(), true)),
    ("decode replaced", || decode(replaced(), true)),
    ("encode noise", || encode(noise(), false)),
    ("decode noise", || decode(noise(), false)),
    ("encode jitter", || encode(jitter(), false)),
    ("decode jitter", || decode(jitter(), false)),
    ("encode few cells", || encode(few_cells(), false)),
    ("decode few cells", || decode(few_cells(), false)),
    ("unchanged", || encode(pair(|v, _| v), false)),
    ("texts", texts),
];

fn main() {
    let Some(name) = std::env::args().nth(1) else {
        return CASES.iter().for_each(|(name, _)| println!("{name}"));
    };
    let case = CASES.iter().find(|(case, _)| *case == name);
    case.expect("the name of a case").1();
}
