//! Symbols of interleaved rANS states, against the definition with one state at a time, also of states that no encoder made.

use super::Bits;
use crate::{RANS_LANES, RansSteps, RansTable, pop_symbols, portable, push_symbols};

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

/// Returns frequencies of so many symbols, and those symbols that have one.
fn frequencies(random: &mut Bits, symbols: u64) -> ([u16; 256], Vec<u8>) {
    let mut all = [0u16; 256];
    let mut left = 4096;
    let used: Vec<u8> = (0..symbols).map(|_| (random.next() % symbols) as u8).collect();
    for &symbol in &used {
        let wanted = 1 + random.next() as u16 % [2, 60, 4095][random.next() as usize % 3];
        let more = wanted.min(left).min(4095 - all[usize::from(symbol)]);
        all[usize::from(symbol)] += more;
        left -= more;
    }
    for frequency in &mut all[..2] {
        let more = left.min(4095 - *frequency);
        *frequency += more;
        left -= more;
    }
    let used = (0..=255).filter(|&symbol| all[usize::from(symbol)] > 0).collect();
    (all, used)
}

fn check_pushed<const L: usize>(random: &mut Bits, symbols: u64) {
    let (frequencies, used) = frequencies(random, symbols);
    let len = random.next() as usize % 4000;
    let data: Vec<u8> = (0..len).map(|_| used[random.next() as usize % used.len()]).collect();

    let mut starts = [0u32; 256];
    for symbol in 1..256 {
        starts[symbol] = starts[symbol - 1] + u32::from(frequencies[symbol - 1]);
    }
    let (mut xs, mut expected) = ([1u32 << 16; L], Vec::new());
    for (i, &symbol) in data.iter().enumerate().rev() {
        let (x, f) = (&mut xs[i % L], u32::from(frequencies[usize::from(symbol)]));
        if u64::from(*x) >= u64::from(f) << 20 {
            expected.push((*x as u16).to_le_bytes());
            *x >>= 16;
        }
        *x = *x / f * 4096 + *x % f + starts[usize::from(symbol)];
    }
    expected.reverse();
    let steps = RansSteps::new(&frequencies);
    for push_symbols in [push_symbols::<L>, portable::push_symbols::<L>] {
        let (mut own, mut words) = ([1 << 16; L], vec![[0; 2]; len + 1]);
        let at = push_symbols(&data, &mut own, &steps, &mut words);
        assert_eq!((&words[at..], own), (&expected[..], xs), "{L} states, {} symbols", used.len());
    }
}

#[test]
fn symbols_are_pushed_as_one_at_a_time() {
    let mut random = Bits(42);
    for round in 0..1500 {
        let symbols = [2, 20, 64, 65, 256][round % 5];
        check_pushed::<RANS_LANES>(&mut random, symbols);
        check_pushed::<4>(&mut random, symbols);
        check_pushed::<1>(&mut random, symbols);
    }
}
