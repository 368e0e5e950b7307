//! Made-up embedding tables.

/// A small reproducible source of bits (splitmix64).
pub struct Bits(pub u64);

impl Bits {
    /// Returns the next 64 bits.
    pub fn next_bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a component between -0.5 and 0.5.
    fn component(&mut self) -> f32 {
        (self.next_bits() >> 40) as f32 / (1 << 24) as f32 - 0.5
    }

    /// Returns true in `percent` of calls.
    fn happens(&mut self, percent: u64) -> bool {
        self.next_bits() % 100 < percent
    }
}

/// A table of f32 rows as little-endian bytes.
#[derive(Clone)]
pub struct Table {
    /// All rows, one behind the other.
    pub bytes: Vec<u8>,
    row_bytes: usize,
}

impl Table {
    /// Returns a table of random components.
    pub fn random(rows: usize, dims: usize, bits: &mut Bits) -> Self {
        let components = (0..rows * dims).flat_map(|_| bits.component().to_le_bytes());
        let mut bytes = Vec::with_capacity(rows * dims * 4);
        bytes.extend(components);
        Table { bytes, row_bytes: dims * 4 }
    }

    /// Returns the rows.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, u8> {
        self.bytes.chunks_exact(self.row_bytes)
    }

    /// Returns the rows to write to.
    pub fn rows_mut(&mut self) -> std::slice::ChunksExactMut<'_, u8> {
        self.bytes.chunks_exact_mut(self.row_bytes)
    }

    /// Returns the rows beside those of another table.
    pub fn pairs<'a>(&'a self, other: &'a Table) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.rows().zip(other.rows())
    }

    /// Returns a copy in which `percent` of rows are others altogether.
    pub fn with_rows_changed(&self, percent: u64, bits: &mut Bits) -> Table {
        let mut table = self.clone();
        for row in table.rows_mut() {
            if bits.happens(percent) {
                change_cells(row, 100, bits);
            }
        }
        table
    }

    /// Returns a copy in which `percent` of the components of every row are others.
    pub fn with_cells_changed(&self, percent: u64, bits: &mut Bits) -> Table {
        let mut table = self.clone();
        for row in table.rows_mut() {
            change_cells(row, percent, bits);
        }
        table
    }
}

fn change_cells(row: &mut [u8], percent: u64, bits: &mut Bits) {
    for cell in row.chunks_exact_mut(4) {
        if bits.happens(percent) {
            cell.copy_from_slice(&bits.component().to_le_bytes());
        }
    }
}
