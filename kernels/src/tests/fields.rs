//! Fields of bits, against one large number of bits.

use super::Bits;
use crate::{FIELD_MAX, or_fields, portable};

/// Returns bit by bit what lies in `bits` from `at` on.
fn field(bits: &[u8], at: usize, count: u8) -> u32 {
    (0..usize::from(count)).map(|i| u32::from(bits[(at + i) / 8] >> ((at + i) % 8) & 1) << i).sum()
}

#[test]
fn fields_are_those_of_one_large_number() {
    let mut random = Bits(31);
    for round in 0..4000 {
        let len = random.next() as usize % 70;
        let most = random.next() as u8 % (FIELD_MAX + 1);
        // Now and then a count that is too large, also one that is no small number.
        let large = if round % 2 == 0 { 0 } else { 25 };
        let counts: Vec<u8> = (0..len)
            .map(|_| match random.next() % 1000 {
                r if r < large => most.saturating_add((random.next() % 250) as u8).max(most + 1),
                _ => random.next() as u8 % (most + 1),
            })
            .collect();
        let start = random.next() as usize % 20;
        let needed: usize = counts.iter().map(|&c| usize::from(c)).sum::<usize>() + start;
        let room = needed.div_ceil(8) + random.next() as usize % 64;
        let bits: Vec<u8> = (0..room).map(|_| random.next() as u8).collect();
        let old: Vec<u32> = (0..len).map(|_| random.next() as u32).collect();

        let (mut expected, mut done, mut at) = (old.clone(), 0, start);
        while done + 8 <= len && counts[done..done + 8].iter().all(|&c| c <= most) && at / 8 + 32 <= room {
            for i in done..done + 8 {
                expected[i] |= field(&bits, at, counts[i]);
                at += usize::from(counts[i]);
            }
            done += 8;
        }
        for or_fields in [or_fields, portable::or_fields] {
            let mut words = old.clone();
            assert_eq!(or_fields(&mut words, &counts, most, &bits, start), (done, at), "round {round}");
            assert_eq!(words, expected, "round {round}");
        }
    }
}
