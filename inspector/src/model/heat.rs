//! Values as a picture: what each pixel of a heatmap shows, computed a piece at a time.
//!
//! A pixel that stands for many cells shows the strongest of them, so that one changed component among thousands is seen.
//! What is no number is stronger than any number.

use std::ops::Range;

/// What a pixel shows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell {
    /// No row, or no such component.
    Absent,
    /// A number.
    Finite(f32),
    /// An infinity.
    Infinite,
    /// A NaN.
    NaN,
}

impl Cell {
    /// Returns what a value is shown as.
    pub fn of(value: Option<f64>) -> Self {
        match value {
            None => Cell::Absent,
            Some(v) if v.is_nan() => Cell::NaN,
            Some(v) if v.is_infinite() => Cell::Infinite,
            Some(v) => Cell::Finite(v.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32),
        }
    }

    /// Returns the stronger of two.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if other.strength() > self.strength() { other } else { self }
    }

    fn strength(self) -> (u8, f32) {
        match self {
            Cell::Absent => (0, 0.0),
            Cell::Finite(v) => (1, v.abs()),
            Cell::Infinite => (2, 0.0),
            Cell::NaN => (3, 0.0),
        }
    }
}

/// The part of the cells that a picture shows, and its size in pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Which rows.
    pub rows: Range<u32>,
    /// Which columns.
    pub columns: Range<u32>,
    /// Width and height in pixels.
    pub size: [usize; 2],
}

impl Frame {
    /// Returns the frame of some cells on at most `room` pixels: one pixel a cell where there is room for it.
    pub fn of(rows: Range<u32>, columns: Range<u32>, room: [usize; 2]) -> Self {
        let size = [columns.len().min(room[0].max(1)), rows.len().min(room[1].max(1))];
        Self { rows, columns, size }
    }

    /// Returns the cells behind a pixel of one axis.
    fn cells(range: &Range<u32>, pixels: usize, at: usize) -> Range<u32> {
        let n = range.len() as u64;
        let edge = |i: usize| range.start + (i as u64 * n / pixels.max(1) as u64) as u32;
        edge(at)..edge(at + 1)
    }
}

/// A picture on its way.
#[derive(Default)]
pub struct Heat {
    frame: Option<Frame>,
    cells: Vec<Cell>,
    done: usize,
}

impl Heat {
    /// Begins a picture anew.
    pub fn begin(&mut self, frame: Frame) {
        self.cells.clear();
        self.done = 0;
        self.frame = Some(frame);
    }

    /// Returns what is drawn.
    pub fn frame(&self) -> Option<&Frame> {
        self.frame.as_ref()
    }

    /// Returns whether the picture is complete.
    pub fn is_done(&self) -> bool {
        self.frame.as_ref().is_none_or(|f| self.done >= f.size[1])
    }

    /// Goes on until about `budget` cells were looked at. `cell` returns what is at a row and column.
    pub fn step(&mut self, budget: usize, cell: impl Fn(u32, u32) -> Cell) {
        let Some(frame) = &self.frame else { return };
        let mut left = budget;
        while self.done < frame.size[1] && left > 0 {
            let rows = Frame::cells(&frame.rows, frame.size[1], self.done);
            for x in 0..frame.size[0] {
                let columns = Frame::cells(&frame.columns, frame.size[0], x);
                let all = rows.clone().flat_map(|r| columns.clone().map(move |c| (r, c)));
                self.cells.push(all.fold(Cell::Absent, |strongest, (r, c)| strongest.or(cell(r, c))));
            }
            left = left.saturating_sub(rows.len().max(1) * frame.columns.len());
            self.done += 1;
        }
    }

    /// Returns the pixels, row by row; those that are not there yet are left out.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![6 => -1e3..1e3_f64, 1 => Just(f64::NAN), 1 => Just(f64::INFINITY), 1 => Just(f64::NEG_INFINITY)]
    }

    proptest! {
        #[test]
        fn a_pixel_is_the_strongest_of_its_cells_and_no_cell_is_lost(
            rows in 1..20u32, columns in 1..20u32,
            room in (1..12usize, 1..12usize), budget in 1..60usize,
            values in prop::collection::vec(value(), 400),
        ) {
            let at = |r: u32, c: u32| Cell::of(Some(values[(r * 20 + c) as usize]));
            let mut heat = Heat::default();
            let frame = Frame::of(0..rows, 0..columns, [room.0, room.1]);
            heat.begin(frame.clone());
            while !heat.is_done() {
                heat.step(budget, at);
            }
            let [width, height] = frame.size;
            prop_assert_eq!(heat.cells().len(), width * height);
            // Every cell belongs to one pixel, found from the other side.
            let mut expected = vec![Cell::Absent; width * height];
            let mut seen = 0;
            for y in 0..height {
                for x in 0..width {
                    for r in Frame::cells(&frame.rows, height, y) {
                        for c in Frame::cells(&frame.columns, width, x) {
                            seen += 1;
                            let cell = &mut expected[y * width + x];
                            let new = at(r, c);
                            let rank = |c: Cell| match c {
                                Cell::Absent => -1.0,
                                Cell::Finite(v) => v.abs(),
                                Cell::Infinite => 1e30,
                                Cell::NaN => 1e31,
                            };
                            if rank(new) > rank(*cell) { *cell = new; }
                        }
                    }
                }
            }
            prop_assert_eq!(seen, rows * columns);
            prop_assert_eq!(heat.cells(), expected.as_slice());
        }
    }

    #[test]
    fn what_is_no_number_has_a_name_of_its_own() {
        assert_eq!(Cell::of(Some(f64::NAN)), Cell::NaN);
        assert_eq!(Cell::of(Some(f64::NEG_INFINITY)), Cell::Infinite);
        assert_eq!(Cell::of(Some(1e300)), Cell::Finite(f32::MAX));
        assert_eq!(Cell::of(None), Cell::Absent);
        assert_eq!(Cell::Finite(-3.0).or(Cell::Finite(2.0)), Cell::Finite(-3.0));
        assert_eq!(Cell::Finite(3.0).or(Cell::NaN), Cell::NaN);
    }
}
