//! BLAKE3 in keyed mode of many short messages side by side.
//!
//! A vector form of BLAKE3 works on many chunks of 1 KiB side by side. One row has a chunk or two, so hashing rows one by one
//! leaves the vector empty; here each lane is a row. From the paper: O'Connor, Aumasson, Neves, Wilcox-O'Hearn, "BLAKE3:
//! one function, fast everywhere", 2020, section 2.

use std::ops::Range;

use wide::u32x8;

use crate::dispatch::dispatch_512;

/// How many messages are hashed side by side at most: with AVX-512, and half of them without.
pub const HASH_LANES: usize = 16;

pub(crate) const BLOCK: usize = 64;
/// So far ahead of their blocks vectors ask for bytes: so many messages at once are more than a processor follows by itself.
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "the plain form does not ask"))]
pub(crate) const AHEAD: usize = 3 * BLOCK;
const BLOCKS_PER_CHUNK: usize = 16;

const CHUNK_START: u32 = 1;
const CHUNK_END: u32 = 2;
const PARENT: u32 = 4;
const ROOT: u32 = 8;
const KEYED: u32 = 16;

const IV: [u32; 4] = [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a];

/// The order in which each round takes the words of a block.
const SCHEDULE: [[usize; 16]; 7] = {
    const NEXT: [usize; 16] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
    let mut all = [[0; 16]; 7];
    let mut i = 0;
    while i < 16 {
        all[0][i] = i;
        i += 1;
    }
    let mut round = 1;
    while round < 7 {
        let mut i = 0;
        while i < 16 {
            all[round][i] = all[round - 1][NEXT[i]];
            i += 1;
        }
        round += 1;
    }
    all
};

/// A message in two pieces, so that nobody has to put them together.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// What comes first.
    pub head: &'a [u8],
    /// What comes behind it.
    pub body: &'a [u8],
}

/// A word of each of `N` lanes, and what BLAKE3 does with words.
pub(crate) trait Words<const N: usize>: Copy {
    /// The same word in all lanes.
    fn all(word: u32) -> Self;
    /// One word for each lane.
    fn of(words: [u32; N]) -> Self;
    /// The words of the lanes.
    fn words(self) -> [u32; N];
    /// The little-endian words of a block of each lane.
    fn columns(blocks: [&[u8; BLOCK]; N]) -> [Self; 16];
    /// The sums, modulo 2^32.
    fn plus(self, other: Self) -> Self;
    /// `self ^ other`, then rotated to the right by 16, 12, 8 or 7 bits, or not at all.
    fn xor_rotated<const BITS: u32>(self, other: Self) -> Self;
}

/// A chaining value of each lane.
type Chain<W> = [W; 8];

/// Appends the keyed BLAKE3 hash, 32 bytes, of each of some messages of any lengths.
///
/// It is fast where neighbours have the same number of blocks of 64 bytes; those that have not are hashed apart.
pub fn keyed_hashes(key: &[u8; 32], messages: &[Message<'_>], hashes: &mut Vec<[u8; 32]>) {
    dispatch_512!(keyed_hashes(key, messages, hashes))
}

/// The same with words of a kind.
#[inline(always)]
pub(crate) fn keyed_hashes_in<W: Words<N>, const N: usize>(
    key: &[u8; 32],
    messages: &[Message<'_>],
    hashes: &mut Vec<[u8; 32]>,
) {
    let key = std::array::from_fn(|i| W::all(word(key, i)));
    for messages in messages.chunks(N) {
        let mut out = [[0; 32]; N];
        let mut left: [bool; N] = std::array::from_fn(|lane| lane < messages.len());
        while let Some(first) = left.iter().position(|&left| left) {
            let blocks = messages[first].blocks();
            // A lane of another length works on the first message once more, and its result is not taken.
            let taken: [bool; N] = std::array::from_fn(|l| left[l] && messages[l].blocks() == blocks);
            let group = std::array::from_fn(|l| messages[if taken[l] { l } else { first }]);
            let chain = tree(&key, &group, blocks).map(W::words);
            for lane in (0..N).filter(|&l| taken[l]) {
                left[lane] = false;
                for (bytes, words) in out[lane].chunks_exact_mut(4).zip(&chain) {
                    bytes.copy_from_slice(&words[lane].to_le_bytes());
                }
            }
        }
        hashes.extend_from_slice(&out[..messages.len()]);
    }
}

impl<'a> Message<'a> {
    /// Returns how many blocks there are.
    #[inline(always)]
    fn blocks(&self) -> usize {
        (self.head.len() + self.body.len()).div_ceil(BLOCK).max(1)
    }

    /// Returns a block that lies in the body as a whole.
    #[inline(always)]
    fn whole_block(&self, at: usize) -> Option<&'a [u8; BLOCK]> {
        self.body.get((at * BLOCK).checked_sub(self.head.len())?..)?.first_chunk()
    }

    /// Fills a block with what the message has of it; returns how many bytes that is.
    fn copy_block(&self, at: usize, block: &mut [u8; BLOCK]) -> usize {
        let start = at * BLOCK;
        let head = self.head.get(start..).unwrap_or_default();
        let (first, rest) = block.split_at_mut(head.len().min(BLOCK));
        first.copy_from_slice(&head[..first.len()]);
        let body = self.body.get(start.saturating_sub(self.head.len())..).unwrap_or_default();
        let second = body.len().min(rest.len());
        rest[..second].copy_from_slice(&body[..second]);
        first.len() + second
    }
}

/// Returns the little-endian word `i` of some bytes.
#[inline(always)]
fn word(bytes: &[u8], i: usize) -> u32 {
    u32::from_le_bytes(bytes[i * 4..i * 4 + 4].try_into().expect("four bytes"))
}

/// Hashes messages of one number of blocks: chunks, and the tree above them.
#[inline(always)]
fn tree<W: Words<N>, const N: usize>(key: &Chain<W>, messages: &[Message<'_>; N], blocks: usize) -> Chain<W> {
    let chunks = blocks.div_ceil(BLOCKS_PER_CHUNK);
    let mut stack: Vec<Chain<W>> = Vec::new();
    for number in 0..chunks {
        let root = if chunks == 1 { ROOT } else { 0 };
        let range = number * BLOCKS_PER_CHUNK..blocks.min((number + 1) * BLOCKS_PER_CHUNK);
        let mut chain = chunk(key, messages, number as u32, range, root);
        // A whole chunk closes as many subtrees as the number of chunks so far has zeros at its end. Of the last one
        // all are closed, and the last of them is the root.
        let last = number + 1 == chunks;
        let mut closes = if last { u32::MAX } else { (number + 1).trailing_zeros() };
        while closes > 0
            && let Some(left) = stack.pop()
        {
            chain = parent(key, &left, &chain, if last && stack.is_empty() { ROOT } else { 0 });
            closes -= 1;
        }
        stack.push(chain);
    }
    stack.pop().expect("a message has a chunk")
}

/// Hashes some blocks as one chunk.
#[inline(always)]
fn chunk<W: Words<N>, const N: usize>(
    key: &Chain<W>,
    messages: &[Message<'_>; N],
    number: u32,
    blocks: Range<usize>,
    root: u32,
) -> Chain<W> {
    let mut chain = *key;
    for at in blocks.clone() {
        let mut flags = KEYED;
        if at == blocks.start {
            flags |= CHUNK_START;
        }
        if at + 1 == blocks.end {
            flags |= CHUNK_END | root;
        }
        let (block, lens) = load::<W, N>(messages, at);
        chain = compress(&chain, &block, number, lens, flags);
    }
    chain
}

#[inline(always)]
fn parent<W: Words<N>, const N: usize>(key: &Chain<W>, left: &Chain<W>, right: &Chain<W>, root: u32) -> Chain<W> {
    let block = std::array::from_fn(|i| if i < 8 { left[i] } else { right[i - 8] });
    compress(key, &block, 0, W::all(BLOCK as u32), PARENT | KEYED | root)
}

/// Returns the words of a block of every message, and how many of its bytes are the message's.
#[inline(always)]
fn load<W: Words<N>, const N: usize>(messages: &[Message<'_>; N], at: usize) -> ([W; 16], W) {
    // Without closures, which would not be inlined.
    let mut blocks = [&[0; BLOCK]; N];
    let mut whole = true;
    for (block, message) in blocks.iter_mut().zip(messages) {
        match message.whole_block(at) {
            Some(own) => *block = own,
            None => whole = false,
        }
    }
    if whole {
        return (W::columns(blocks), W::all(BLOCK as u32));
    }
    let mut padded = [[0; BLOCK]; N];
    let mut lens = [0; N];
    for ((block, len), message) in padded.iter_mut().zip(&mut lens).zip(messages) {
        *len = message.copy_block(at, block) as u32;
    }
    (W::columns(padded.each_ref()), W::of(lens))
}

/// The compression function, of all lanes.
#[inline(always)]
fn compress<W: Words<N>, const N: usize>(
    chain: &Chain<W>,
    block: &[W; 16],
    counter: u32,
    lens: W,
    flags: u32,
) -> Chain<W> {
    let [c0, c1, c2, c3, c4, c5, c6, c7] = *chain;
    let [i0, i1, i2, i3] = IV.map(W::all);
    let mut v = [c0, c1, c2, c3, c4, c5, c6, c7, i0, i1, i2, i3, W::all(counter), W::all(0), lens, W::all(flags)];
    round::<W, N, 0>(&mut v, block);
    round::<W, N, 1>(&mut v, block);
    round::<W, N, 2>(&mut v, block);
    round::<W, N, 3>(&mut v, block);
    round::<W, N, 4>(&mut v, block);
    round::<W, N, 5>(&mut v, block);
    round::<W, N, 6>(&mut v, block);
    std::array::from_fn(|i| v[i].xor_rotated::<0>(v[i + 8]))
}

/// One round; its number is a constant, so that no word has to be looked up.
#[inline(always)]
fn round<W: Words<N>, const N: usize, const ROUND: usize>(v: &mut [W; 16], block: &[W; 16]) {
    let m = |i: usize| block[SCHEDULE[ROUND][i]];
    mix(v, [0, 4, 8, 12], m(0), m(1));
    mix(v, [1, 5, 9, 13], m(2), m(3));
    mix(v, [2, 6, 10, 14], m(4), m(5));
    mix(v, [3, 7, 11, 15], m(6), m(7));
    mix(v, [0, 5, 10, 15], m(8), m(9));
    mix(v, [1, 6, 11, 12], m(10), m(11));
    mix(v, [2, 7, 8, 13], m(12), m(13));
    mix(v, [3, 4, 9, 14], m(14), m(15));
}

#[inline(always)]
fn mix<W: Words<N>, const N: usize>(v: &mut [W; 16], [a, b, c, d]: [usize; 4], x: W, y: W) {
    v[a] = v[a].plus(v[b]).plus(x);
    v[d] = v[d].xor_rotated::<16>(v[a]);
    v[c] = v[c].plus(v[d]);
    v[b] = v[b].xor_rotated::<12>(v[c]);
    v[a] = v[a].plus(v[b]).plus(y);
    v[d] = v[d].xor_rotated::<8>(v[a]);
    v[c] = v[c].plus(v[d]);
    v[b] = v[b].xor_rotated::<7>(v[c]);
}

impl Words<8> for u32x8 {
    #[inline(always)]
    fn all(word: u32) -> Self {
        Self::splat(word)
    }

    #[inline(always)]
    fn of(words: [u32; 8]) -> Self {
        words.into()
    }

    #[inline(always)]
    fn words(self) -> [u32; 8] {
        self.into()
    }

    #[inline(always)]
    fn columns(blocks: [&[u8; BLOCK]; 8]) -> [Self; 16] {
        let mut halves = [[Self::ZERO; 8]; 2];
        for (lane, block) in blocks.iter().enumerate() {
            for (i, half) in halves.iter_mut().enumerate() {
                let mut words = [0; 8];
                for (to, bytes) in words.iter_mut().zip(block[32 * i..][..32].as_chunks().0) {
                    *to = u32::from_le_bytes(*bytes);
                }
                half[lane] = words.into();
            }
        }
        let (first, second) = (Self::transpose(halves[0]), Self::transpose(halves[1]));
        std::array::from_fn(|i| if i < 8 { first[i] } else { second[i - 8] })
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self + other
    }

    #[inline(always)]
    fn xor_rotated<const BITS: u32>(self, other: Self) -> Self {
        let word = self ^ other;
        if BITS == 0 { word } else { (word >> BITS) | (word << (32 - BITS)) }
    }
}
