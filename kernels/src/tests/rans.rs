//! Symbols of interleaved rANS states, against the definition with one state at a time, also of states that no encoder made.

use super::Bits;
use crate::{RANS_LANES, RansTable, pop_symbols, portable};

/// A table of a few symbols.
fn table(random: &mut Bits) -> RansTable {
    let mut table = [0; 4096];
    let (mut at, mut symbol) = (0, 0);
    while at < table.len() {
        let wanted = 1 + random.next() as usize % [3, 90, 2000][random.next() as usize % 3];
        let frequency = wanted.min(table.len() - at).min(4095);
        let own = if symbol == 255 { table.len() - at } else { frequency };
        for distance in 0..own {
            table[at + distance] = symbol | (own as u32 & 0xfff) << 8 | (distance as u32) << 20;
        }
        (at, symbol) = (at + own, symbol + 1);
    }
    table
}

fn check<const L: usize>(random: &mut Bits) {
    let table = table(random);
    let len = random.next() as usize % 700;
    let words: Vec<u16> = (0..random.next() as usize % 500).map(|_| random.next() as u16).collect();
    let states: [u32; L] = std::array::from_fn(|_| random.next() as u32);

    let (mut expected, mut xs, mut at) = (vec![7; len], states, 0);
    for i in 0..len / L * L {
        let x = &mut xs[i % L];
        let slot = table[*x as usize & 4095];
        expected[i] = slot as u8;
        *x = (u64::from(slot >> 8 & 4095) * u64::from(*x >> 12)) as u32;
        *x = x.wrapping_add(slot >> 20);
        if *x < 1 << 16 {
            *x = *x << 16 | words.get(at).map_or(0, |w| u32::from(*w));
            at += 1;
        }
    }
    let words: Vec<[u8; 2]> = words.iter().map(|w| w.to_le_bytes()).collect();
    for pop_symbols in [pop_symbols::<L>, portable::pop_symbols::<L>] {
        let (mut symbols, mut own) = (vec![7; len], states);
        assert_eq!(pop_symbols(&mut symbols, &mut own, &table, &words), at, "{L} states");
        assert_eq!((symbols, own), (expected.clone(), xs), "{L} states");
    }
}

#[test]
fn symbols_are_those_of_states_one_at_a_time() {
    let mut random = Bits(41);
    for _ in 0..1500 {
        check::<RANS_LANES>(&mut random);
        check::<4>(&mut random);
        check::<1>(&mut random);
    }
}
