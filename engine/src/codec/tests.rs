//! One conformance suite for every mode and element type, and hostile payloads.

#![allow(clippy::unwrap_used, reason = "a test")]

use super::*;
use proptest::prelude::*;
use vecdelta_kernels::Element;

/// Small fast random numbers (xorshift64*), with Gaussian ones by Box-Muller.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound
    }

    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn gaussian(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }
}

/// Rounds a value to the bits of an element.
fn bits(element: Element, value: f64) -> Vec<u8> {
    match element {
        Element::F64 => value.to_le_bytes().to_vec(),
        Element::F32 => (value as f32).to_le_bytes().to_vec(),
        Element::F16 => half::f16::from_f64(value).to_le_bytes().to_vec(),
        Element::Bf16 => half::bf16::from_f64(value).to_le_bytes().to_vec(),
        Element::I8 => vec![(value * 100.0) as i8 as u8],
        Element::U8 => vec![(value * 100.0 + 128.0) as u8],
    }
}

fn rows(element: Element, values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|v| bits(element, *v)).collect()
}

/// Bit patterns that go wrong first: zeros, subnormals, infinities, NaN payloads, neighbours of powers of two.
fn special(element: Element, random: &mut Random) -> Vec<u8> {
    let size = element.size();
    let patterns =
        [0u64, 1, 2, 0x7f80_0000, 0x7fc0_0000, 0x7f80_0001, 0x7fff_ffff, 0x0080_0000, 0x007f_ffff, 0x3f80_0000];
    let wide =
        [0x7ff0_0000_0000_0000, 0x7ff8_0000_0000_0001, 0x3ff0_0000_0000_0000, 0x000f_ffff_ffff_ffff, 0x7c00, 0x7c01];
    let all = patterns.iter().chain(&wide).copied();
    let pattern = all.clone().nth(random.below(16)).unwrap();
    let sign = (random.next() & 1) << (8 * size - 1);
    ((pattern ^ sign).wrapping_add(random.next() & 1)).to_le_bytes()[..size].to_vec()
}

/// A block and its successor.
struct Pair {
    name: &'static str,
    element: Element,
    dims: usize,
    old: Vec<u8>,
    new: Vec<u8>,
}

/// Every kind of change the codec treats in its own way.
fn pairs(element: Element, dims: usize, n: usize, random: &mut Random) -> Vec<Pair> {
    let cells = n * dims;
    let size = element.size();
    let base: Vec<f64> = (0..cells).map(|_| random.gaussian() * 0.05).collect();
    let old = rows(element, &base);
    let mut noise = |sigma: f64| rows(element, &base.iter().map(|v| v + sigma * random.gaussian()).collect::<Vec<_>>());
    let mut found = vec![
        ("unchanged", old.clone(), old.clone()),
        ("noise 1e-8", old.clone(), noise(1e-8)),
        ("noise 1e-4", old.clone(), noise(1e-4)),
        ("noise 1e-2", old.clone(), noise(1e-2)),
        ("replaced", old.clone(), noise(1.0)),
        ("constant", old.clone(), rows(element, &vec![0.25; cells])),
        ("from zero", vec![0; old.len()], old.clone()),
        ("to zero", old.clone(), vec![0; old.len()]),
    ];
    for (name, share) in [("one in 100", 100), ("one in 10", 10), ("one in 3", 3)] {
        let mut new = old.clone();
        for cell in new.chunks_mut(size) {
            if random.below(share) == 0 {
                cell.copy_from_slice(&bits(element, random.gaussian()));
            }
        }
        found.push((name, old.clone(), new));
    }
    let random_bits: Vec<u8> = (0..old.len()).map(|_| random.next() as u8).collect();
    found.push(("random bits", old.clone(), random_bits));
    let specials: Vec<u8> = (0..cells).flat_map(|_| special(element, random)).collect();
    found.push(("special bits", old.clone(), specials.clone()));
    let mut spiked = old.clone();
    for cell in spiked.chunks_mut(size) {
        if random.below(20) == 0 {
            cell.copy_from_slice(&special(element, random));
        }
    }
    found.push(("spikes", old.clone(), spiked));
    found.push(("from special", specials, old.clone()));
    found.extend(narrow_pairs(element, &base, dims, random));
    found.into_iter().map(|(name, old, new)| Pair { name, element, dims, old, new }).collect()
}

/// Pairs whose true precision is below their element type.
fn narrow_pairs(
    element: Element,
    base: &[f64],
    dims: usize,
    random: &mut Random,
) -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    let moved: Vec<f64> = base.iter().map(|v| v + 1e-4 * random.gaussian()).collect();
    let mut narrow = |name, round: &dyn Fn(f64) -> f64| {
        let round_all = |values: &[f64]| rows(element, &values.iter().map(|v| round(*v)).collect::<Vec<_>>());
        found.push((name, round_all(base), round_all(&moved)));
        found.push((name, rows(element, base), round_all(base)));
    };
    if element == Element::F64 {
        narrow("f32 within", &|v| f64::from(v as f32));
    }
    if matches!(element, Element::F64 | Element::F32) {
        narrow("f16 within", &|v| half::f16::from_f64(v).to_f64());
        narrow("bf16 within", &|v| half::bf16::from_f64(v).to_f64());
    }
    if element == Element::F32 {
        let quantised = |values: &[f64]| -> Vec<u8> {
            let row = |row: &[f64]| {
                let scale = (row.iter().fold(0.0f64, |m, v| m.max(v.abs())) / 127.0) as f32;
                row.iter()
                    .flat_map(move |v| ((*v / f64::from(scale)).round() as f32 * scale).to_le_bytes())
                    .collect::<Vec<u8>>()
            };
            values.chunks(dims).flat_map(row).collect()
        };
        found.push(("int8 within", quantised(base), quantised(&moved)));
    }
    found
}

/// Encodes both ways and checks bounds, determinism, and every row alone and together.
fn conform(pair: &Pair) {
    let Pair { name, element, dims, old, new } = pair;
    let n = new.len() / (dims * element.size());
    let (mut fresh, mut change, mut again) = (Vec::new(), vec![0xaa; 3], Vec::new());
    encode_fresh(*element, *dims, new, &mut fresh);
    let base = encode_change(*element, *dims, old, new, &mut change);
    encode_change(*element, *dims, old, new, &mut again);
    assert_eq!(change[3..], again, "{name}: the same bytes every time");
    for (payload, by_change) in [(&fresh[..], false), (&change[3..], true)] {
        assert!(payload.len() <= new.len() + 1, "{name}: {} bytes for {}", payload.len(), new.len());
        let block = Block::parse(*element, *dims, n, payload).unwrap_or_else(|e| panic!("{name} {element:?}: {e}"));
        assert_eq!(block.needs_base(), by_change && base == Base::Needed, "{name}");
        let mut rows = if block.needs_base() { old.clone() } else { vec![0x55; old.len()] };
        let row_bytes = dims * element.size();
        for r in (0..n).rev() {
            let mut row = rows[r * row_bytes..][..row_bytes].to_vec();
            block.apply_row(r, &mut row).unwrap_or_else(|e| panic!("{name} {element:?}: {e}"));
            assert_eq!(row, new[r * row_bytes..][..row_bytes], "{name} {element:?} row {r} of {n} x {dims}");
        }
        block.apply_all(&mut rows).unwrap_or_else(|e| panic!("{name} {element:?}: {e}"));
        assert!(rows == *new, "{name} {element:?}: {n} x {dims}");
    }
}

#[test]
fn every_change_of_every_element_comes_back() {
    let mut random = Random(1);
    for element in Element::ALL {
        for (dims, n) in [(1, 1), (1, 3), (3, 1), (1, 300), (384, 0), (7, 5), (16, 40), (384, 12), (65_536, 1)] {
            for pair in pairs(element, dims, n, &mut random) {
                conform(&pair);
            }
        }
    }
}

#[test]
fn sizes_stay_near_the_entropy() {
    let mut random = Random(2);
    let cells = 85 * 384;
    let base: Vec<f64> = (0..cells).map(|_| random.gaussian() / 384f64.sqrt()).collect();
    let old = rows(Element::F32, &base);
    for (sigma, bits_max) in [(1e-7, 8.5), (1e-3, 21.3), (1e-2, 24.5)] {
        let new: Vec<f64> = base.iter().map(|v| v + sigma * random.gaussian()).collect();
        let mut payload = Vec::new();
        encode_change(Element::F32, 384, &old, &rows(Element::F32, &new), &mut payload);
        let bits = payload.len() as f64 * 8.0 / cells as f64;
        assert!(bits < bits_max, "sigma {sigma}: {bits} bits a value");
    }
}

/// Which mode rows without old ones get, and that a wrong guess would have cost.
#[test]
fn exponents_stand_apart_where_the_rest_is_random() {
    let mut random = Random(6);
    let mut gaussian = |n: usize| -> Vec<f64> { (0..n).map(|_| random.gaussian() * 0.05).collect() };
    let plain = gaussian(40 * 384);
    let half_zero = plain.iter().map(|v| v.max(0.0)).collect();
    let narrow_range = plain.iter().map(|v| 1.5 + v * 0.01).collect();
    // No fifteen exponents hold most of these.
    let every_size = plain.iter().map(|v| v * 10f64.powi((v * 1e6) as i32 % 30)).collect();
    let wide = gaussian(6 * 1536);
    for (name, dims, values, mode) in [
        ("random", 384, plain, 4),
        ("half zero", 384, half_zero, 1),
        ("narrow range", 384, narrow_range, 1),
        ("every size", 384, every_size, 4),
        ("wide", 1536, wide, 4),
    ] {
        let new = rows(Element::F32, &values);
        let mut payload = Vec::new();
        encode_fresh(Element::F32, dims, &new, &mut payload);
        assert_eq!(payload[0], mode, "{name}");
        conform(&Pair { name, element: Element::F32, dims, old: vec![0; new.len()], new });
    }
}

/// The mode takes any f32, is for nothing else, and leaves the half byte without a value 0.
#[test]
fn exponents_of_any_values_come_back_in_their_shape_alone() {
    let mut random = Random(7);
    for (dims, n) in [(1, 1), (7, 3), (3, 100), (127, 5), (128, 3), (384, 4)] {
        for special_in in [2, 20, 2000] {
            let mut new = rows(Element::F32, &(0..n * dims).map(|_| random.gaussian()).collect::<Vec<_>>());
            for cell in new.chunks_mut(4).filter(|_| random.below(special_in) == 0).collect::<Vec<_>>() {
                cell.copy_from_slice(&special(Element::F32, &mut Random(cell[0].into())));
            }
            let mut payload = Vec::new();
            exponents::write(layout::Shape::of_rows(Element::F32, dims, &new), &new, &mut payload);
            let block = Block::parse(Element::F32, dims, n, &payload).unwrap();
            let mut back = vec![0x55; new.len()];
            block.apply_all(&mut back).unwrap();
            assert!(back == new, "{n} x {dims}, one in {special_in}");
            block.apply_row(n - 1, &mut back[..4 * dims]).unwrap();
            assert_eq!(back[..4 * dims], new[new.len() - 4 * dims..]);
            assert!(Block::parse(Element::F64, dims, n, &payload).is_err());
            assert!(Block::parse(Element::F32, dims + 2, n, &payload).is_err());
        }
    }
    // One value: mode, top, the header of one byte, the pair, no others, 3 bytes.
    let mut payload = Vec::new();
    exponents::write(layout::Shape::of_rows(Element::F32, 1, &[0; 4]), &[0; 4], &mut payload);
    assert_eq!(payload.len(), 8);
    payload[3] |= 1;
    assert!(Block::parse(Element::F32, 1, 1, &payload).is_err());
}

#[test]
fn byte_strings_and_lists_come_back() {
    let mut random = Random(3);
    for len in [0, 1, 2, 7, 8, 9, 15, 16, 63, 1023, 1024, 1025, 1031, 5000, 8191, 8192, 8207, 100_000] {
        for spread in [1, 2, 3, 17, 256] {
            let data: Vec<u8> =
                (0..len).map(|_| (random.below(spread) * random.below(spread) / spread) as u8).collect();
            let mut coded = Vec::new();
            encode_bytes(&data, &mut coded);
            assert!(coded.len() <= len + 4);
            coded.push(99);
            let mut input = &coded[..];
            assert_eq!(decode_bytes(&mut input, len).unwrap(), data);
            assert_eq!(input, [99]);
            assert!(len == 0 || matches!(decode_bytes(&mut &coded[..], len - 1), Err(CodecError::TooLong { .. })));
        }
        let list: Vec<u32> = (0..len as u32 * 10).filter(|_| random.below(10) < 3).chain([u32::MAX]).collect();
        let mut coded = Vec::new();
        encode_sorted(&list, &mut coded);
        assert_eq!(decode_sorted(&mut &coded[..], list.len()).unwrap(), list);
        assert!(len < 5000 || coded.len() * 8 < list.len() * 3 + 8 * 128, "{} bytes for {}", coded.len(), list.len());
    }
    let mut coded = Vec::new();
    encode_sorted(&(5..100_000).collect::<Vec<u32>>(), &mut coded);
    assert!(coded.len() < 12);
}

#[test]
fn texts_come_back() {
    let numbered: Vec<String> = (0..10_000).map(|i| format!("doc-{i:05}")).collect();
    let odd: Vec<String> =
        ["", "ä", "äö", "", "日本", "日曜", &"x".repeat(1000), &"x".repeat(999)].map(String::from).into();
    for (texts, bytes_max) in [(numbered, 15_000), (odd, 100), (Vec::new(), 7)] {
        let mut coded = Vec::new();
        encode_texts(texts.iter().map(String::as_str), &mut coded);
        assert!(coded.len() <= bytes_max, "{} bytes", coded.len());
        let total = texts.iter().map(String::len).sum();
        let (bytes, offsets) = decode_texts(&mut &coded[..], texts.len(), total).unwrap();
        let back: Vec<&[u8]> = offsets.windows(2).map(|w| &bytes[w[0] as usize..w[1] as usize]).collect();
        assert_eq!(back, texts.iter().map(String::as_bytes).collect::<Vec<_>>());
        assert!(texts.is_empty() || decode_texts(&mut &coded[..], texts.len() - 1, total).is_err());
        assert!(total == 0 || decode_texts(&mut &coded[..], texts.len(), total - 1).is_err());
    }
}

/// Changes a payload as a bad disk or a bad peer would.
fn mutate(payload: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bad = payload.to_vec();
    let near_front = random.below(2) == 0;
    let at = if near_front { random.below(bad.len().min(64)) } else { random.below(bad.len()) };
    match random.below(6) {
        0 | 1 => bad[at] ^= 1 << random.below(8),
        2 => bad.truncate(at),
        3 => bad[at] = [0, 1, 0x7f, 0xff][random.below(4)],
        4 => _ = bad.splice(at..at, [0xff; 9].into_iter().chain([1])),
        _ => _ = bad.splice(at..bad.len().min(at + 1 + random.below(4)), [0; 1]),
    }
    bad
}

/// A store hands the codec whatever is on the disk: none of it may panic, hang, or ask for more than the rows need.
#[test]
fn hostile_payloads_are_refused_or_decoded() {
    let mut random = Random(4);
    let mut corpus = Vec::new();
    for element in Element::ALL {
        for pair in pairs(element, 24, 9, &mut random) {
            let mut payload = Vec::new();
            encode_change(element, 24, &pair.old, &pair.new, &mut payload);
            corpus.push((pair, payload));
        }
    }
    for _ in 0..100_000 {
        let (pair, payload) = &corpus[random.below(corpus.len())];
        let bad = mutate(payload, &mut random);
        if let Ok(block) = Block::parse(pair.element, 24, 9, &bad) {
            let mut rows = pair.old.clone();
            let all = block.apply_all(&mut rows);
            let mut row = pair.old[..rows.len() / 9].to_vec();
            let one = block.apply_row(0, &mut row);
            assert!(all.is_err() || one.is_ok());
            assert!(all.is_err() || row == rows[..row.len()]);
        }
    }
}

#[test]
fn hostile_lists_are_refused_or_decoded() {
    let mut random = Random(5);
    let mut corpus = vec![Vec::new(); 3];
    let data: Vec<u8> = (0..3000).map(|_| (random.gaussian() * 9.0) as u8).collect();
    encode_bytes(&data, &mut corpus[0]);
    encode_sorted(&(0..3000).filter(|_| random.below(50) == 0).collect::<Vec<u32>>(), &mut corpus[1]);
    let texts: Vec<String> = (0..300).map(|i| format!("key/{}/ä{i}", i * i)).collect();
    encode_texts(texts.iter().map(String::as_str), &mut corpus[2]);
    for _ in 0..30_000 {
        let bad = mutate(&corpus[random.below(3)], &mut random);
        if let Ok(data) = decode_bytes(&mut &bad[..], 4000) {
            assert!(data.len() <= 4000);
        }
        if let Ok(list) = decode_sorted(&mut &bad[..], 4000) {
            assert!(list.len() <= 4000 && list.is_sorted_by(|a, b| a < b));
        }
        if let Ok((bytes, offsets)) = decode_texts(&mut &bad[..], 400, 10_000) {
            assert!(bytes.len() <= 10_000 && offsets.len() <= 401 && str::from_utf8(&bytes).is_ok());
        }
        _ = get_varint(&mut &bad[..]);
    }
}

#[test]
fn numbers_above_64_bits_and_overlong_ones_are_refused() {
    for value in [0, 1, 127, 128, u64::MAX - 1, u64::MAX] {
        let mut coded = Vec::new();
        put_varint(value, &mut coded);
        assert_eq!(get_varint(&mut &coded[..]).unwrap(), value);
    }
    for bad in [
        &[0x80, 0][..],
        &[0xff; 10],
        &[0xff; 11],
        &[0x80; 3],
        &[],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
    ] {
        assert!(get_varint(&mut &bad[..]).is_err(), "{bad:?}");
    }
}

#[test]
fn errors_say_what_and_where() {
    let element = Element::F32;
    let message = |payload: &[u8]| Block::parse(element, 4, 1, payload).err().map(|e| e.to_string()).unwrap();
    assert_eq!(message(&[77]), "unknown payload mode 77 at byte 0");
    assert_eq!(message(&[0, 1, 2]), "payload ends within rows at byte 1");
    assert_eq!(message(&[0; 18]), "bytes left over after the payload, at byte 17");
    assert_eq!(message(&[1, 0, 9, 0, 0xfc, 0xff, 3]), "byte string is 16383 long, at most 1 allowed, at byte 4");
    let payload = [0; 17];
    let block = Block::parse(element, 4, 1, &payload).unwrap();
    assert!(block.apply_row(1, &mut [0; 16]).is_err());
    assert!(block.apply_row(0, &mut [0; 15]).is_err());
    assert!(Block::parse(element, usize::MAX, 2, &payload).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_bits_come_back(
        element in 0usize..6,
        dims in 1usize..9,
        old in proptest::collection::vec(any::<u8>(), 0..2000),
        flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..40),
        wide in any::<bool>(),
    ) {
        let element = Element::ALL[element];
        let row = dims * element.size();
        let mut old = old;
        old.truncate(old.len() / row * row);
        let mut new = if wide { old.iter().map(|b| b.rotate_left(3)).collect() } else { old.clone() };
        for (at, byte) in flips.iter().filter(|_| !old.is_empty()) {
            let at = at.index(new.len());
            new[at] = *byte;
        }
        conform(&Pair { name: "any bits", element, dims, old, new });
    }
}
