//! Hashes of many messages at once, against the published implementation.

use super::Bits;
use crate::{HASH_LANES, Message, keyed_hashes, portable};

/// Hashes messages cut in two where it hits.
fn check(key: &[u8; 32], messages: &[Vec<u8>], bits: &mut Bits) {
    let expected: Vec<[u8; 32]> = messages.iter().map(|message| *blake3::keyed_hash(key, message).as_bytes()).collect();
    let lens: Vec<usize> = messages.iter().map(Vec::len).collect();
    for longest in [1, 20, 200, usize::MAX] {
        let mut cut = |message: &'_ [u8]| bits.next() as usize % (message.len() + 1).min(longest);
        let messages: Vec<Message<'_>> = messages
            .iter()
            .map(|message| {
                let (head, body) = message.split_at(cut(message));
                Message { head, body }
            })
            .collect();
        for keyed_hashes in [keyed_hashes, portable::keyed_hashes, in_avx2] {
            let mut found = vec![[7; 32]];
            keyed_hashes(key, &messages, &mut found);
            assert_eq!(&found[1..], &expected[..], "{lens:?}");
        }
    }
}

/// The form for AVX2, which is not the one that is chosen where there is AVX-512.
fn in_avx2(key: &[u8; 32], messages: &[Message<'_>], hashes: &mut Vec<[u8; 32]>) {
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = crate::avx2::Avx2::detect() {
        return avx2.keyed_hashes(key, messages, hashes);
    }
    portable::keyed_hashes(key, messages, hashes);
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
            let messages: Vec<Vec<u8>> = (0..HASH_LANES).map(|_| bytes(len, &mut bits)).collect();
            check(&key, &messages, &mut bits);
        }
    }
}

#[test]
fn lanes_of_different_lengths_do_not_mix() {
    let mut bits = Bits(22);
    for round in 0..300 {
        let key = std::array::from_fn(|_| bits.next() as u8);
        let longest = [10, 70, 1100, 5000][round % 4];
        let messages: Vec<Vec<u8>> =
            (0..round % 40).map(|_| bytes((bits.next() % longest) as usize, &mut bits)).collect();
        check(&key, &messages, &mut bits);
    }
}
