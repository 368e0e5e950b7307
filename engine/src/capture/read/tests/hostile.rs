//! Damaged files, many of them: each is read or refused, and none costs memory.

use super::*;

/// A small generator: the same damage in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

/// Damages a file as disks, networks and attackers do: flips, cuts, gaps, repeats, and numbers that are lengths elsewhere.
fn damage(file: &mut Vec<u8>, random: &mut Random) {
    const NUMBERS: [u64; 10] = [0, 1, 0x7F, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, 1 << 40, u64::MAX >> 1, u64::MAX];
    for _ in 0..=random.below(3) {
        // Headers and footers are where the lengths are.
        let near_end = file.len().saturating_sub(1 + random.below(400));
        let at = if random.below(3) == 0 { near_end } else { random.below(file.len()) };
        let end = (at + random.below(24)).min(file.len());
        match random.below(7) {
            0 | 1 if at < file.len() => file[at] ^= 1 << random.below(8),
            2 if at < file.len() => file[at] = random.next() as u8,
            3 => {
                let number = NUMBERS[random.below(NUMBERS.len())].to_le_bytes();
                let width = [1, 2, 4, 8][random.below(4)];
                file.iter_mut().skip(at).zip(&number[..width]).for_each(|(byte, new)| *byte = *new);
            }
            4 => file.truncate(at),
            5 => drop(file.drain(at..end)),
            _ => {
                let piece = file[at..end].to_vec();
                let to = random.below(file.len());
                file.splice(to..to, piece);
            }
        }
    }
}

/// Returns a figure of this process from the kernel, in KiB; 0 where there is none.
fn memory_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.trim_matches(|c: char| !c.is_ascii_digit()).parse().ok()).unwrap_or(0)
}

#[test]
fn damaged_files_are_read_or_refused_and_cost_nothing() {
    const ROUNDS: usize = 6_000;
    let files = good_files();
    let (reserved, resident) = (memory_kib("VmPeak:"), memory_kib("VmHWM:"));
    let mut random = Random(0x5EED);
    let (mut read_count, mut refused) = (0, 0);
    for (name, good) in &files {
        for _ in 0..ROUNDS {
            let mut file = good.clone();
            damage(&mut file, &mut random);
            match read(name, &file, &ReadOptions::default()) {
                Ok(_) => read_count += 1,
                Err(error) => {
                    assert!(error.kind == ReadErrorKind::BadData && error.path == Path::new(name), "{error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(read_count + refused >= 100_000 && refused > read_count, "{read_count} read, {refused} refused");
    // Other tests run beside this one; a length that was believed would show as gigabytes.
    let grown = |before: u64, name: &str| memory_kib(name).saturating_sub(before) >> 10;
    assert!(grown(resident, "VmHWM:") < 512, "{} MiB more resident", grown(resident, "VmHWM:"));
    assert!(grown(reserved, "VmPeak:") < 4_096, "{} MiB more reserved", grown(reserved, "VmPeak:"));
}
