//! Hashes of eight messages at once, against the published implementation.

use super::Bits;
use crate::{HASH_LANES, keyed_hashes, portable};

fn check(key: &[u8; 32], messages: &[Vec<u8>; HASH_LANES]) {
    let messages: [&[u8]; HASH_LANES] = messages.each_ref().map(Vec::as_slice);
    let expected = messages.map(|message| *blake3::keyed_hash(key, message).as_bytes());
    let lens = messages.map(<[u8]>::len);
    assert_eq!(keyed_hashes(key, &messages), expected, "{lens:?}");
    assert_eq!(portable::keyed_hashes(key, &messages), expected, "{lens:?}");
}

fn bytes(len: usize, bits: &mut Bits) -> Vec<u8> {
    (0..len).map(|_| bits.next() as u8).collect()
}

#[test]
fn every_length_around_the_edges_of_blocks_and_chunks() {
    let mut bits = Bits(21);
    let key = std::array::from_fn(|_| bits.next() as u8);
    for blocks in (0..=50).chain([63, 64, 65, 127, 128, 129, 255, 256, 511, 512]) {
        for near in [-1, 0, 1, 30] {
            let Some(len) = (blocks * 64_usize).checked_add_signed(near) else { continue };
            check(&key, &std::array::from_fn(|_| bytes(len, &mut bits)));
        }
    }
}

#[test]
fn lanes_of_different_lengths_do_not_mix() {
    let mut bits = Bits(22);
    for round in 0..300 {
        let key = std::array::from_fn(|_| bits.next() as u8);
        let longest = [10, 70, 1100, 5000][round % 4];
        check(&key, &std::array::from_fn(|_| bytes((bits.next() % longest) as usize, &mut bits)));
    }
}
