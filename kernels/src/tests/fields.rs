//! Fields of bits, read and written, against one large number of bits.

use super::Bits;
use crate::{BitPen, FIELD_MAX, or_fields, portable, put_fields};

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

/// The form for AVX2, which is not the one that is chosen where there is AVX-512.
fn put_in_avx2(words: &[u32], counts: &[u8], most: u8, pen: &mut BitPen<'_>) -> usize {
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = crate::avx2::Avx2::detect() {
        return avx2.put_fields(words, counts, most, pen);
    }
    portable::put_fields(words, counts, most, pen)
}

#[test]
fn fields_that_are_put_are_one_large_number() {
    let mut random = Bits(32);
    for round in 0..4000 {
        let len = random.next() as usize % 90;
        let most = random.next() as u8 % 32;
        // Many sizes: eight fields, four or two of them fit into a word.
        let usual = 1 + u64::from(most) / (1 + random.next() % 8);
        let large = if round % 2 == 0 { 0 } else { 25 };
        let counts: Vec<u8> = (0..len)
            .map(|_| match random.next() % 1000 {
                r if r < large => most + 1 + (random.next() % 200) as u8,
                r if r < 900 => (random.next() % usual) as u8,
                _ => random.next() as u8 % (most + 1),
            })
            .collect();
        let words: Vec<u32> = (0..len).map(|_| random.next() as u32).collect();
        let (before, before_count) = (random.next(), random.next() as u32 % 200);
        for put_fields in [put_fields, portable::put_fields, put_in_avx2] {
            let mut bytes = vec![0; 25 + 4 * len + 16];
            let mut pen = BitPen::new(&mut bytes, 0, 0);
            let firsts: Vec<(u64, u32)> =
                (0..4).map(|i| (before >> i, before_count / (i + 1) % 65)).map(|(b, n)| (low(b, n), n)).collect();
            firsts.iter().for_each(|&(bits, count)| pen.put(bits, count));
            let done = put_fields(&words, &counts, most, &mut pen);
            let (end, _) = pen.end();

            let stop = counts.iter().position(|&count| count > most).unwrap_or(len);
            assert!(done <= stop && done + 1 >= stop, "{done} of {stop}");
            let fields =
                words.iter().zip(&counts).map(|(&word, &count)| (low(u64::from(word), count.into()), count.into()));
            let mut at = 0;
            for (bits, count) in firsts.into_iter().chain(fields.take(done)) {
                for bit in 0..count as usize {
                    assert_eq!(bytes[(at + bit) / 8] >> ((at + bit) % 8) & 1, (bits >> bit) as u8 & 1);
                }
                at += count as usize;
            }
            assert_eq!(end, at);
        }
    }
}

/// Returns the low bits of a number.
fn low(number: u64, count: u32) -> u64 {
    number & u64::MAX.checked_shr(u64::BITS - count).unwrap_or(0)
}
