//! Adding up rows, component by component.

use crate::Element;
use crate::cell::{Cell, by_cell};
use crate::dispatch::dispatch;
use crate::magnitude::finite_cells;
use crate::widest::Widest;

/// Adds the components of a row to sums and returns true, unless one of them is a NaN or an infinity.
///
/// Every addition is rounded as it stands, so sums depend on the order of the rows and on nothing else.
///
/// # Panics
/// If the length is not a multiple of the element's size, or there are not as many sums as components.
pub fn add_finite(element: Element, row: &[u8], sums: &mut [f64]) -> bool {
    let work = AddFinite { element, row, sums };
    dispatch!(widest(work))
}

/// The arguments of [`add_finite`].
pub(crate) struct AddFinite<'a> {
    pub(crate) element: Element,
    pub(crate) row: &'a [u8],
    pub(crate) sums: &'a mut [f64],
}

impl Widest for AddFinite<'_> {
    type Output = bool;

    #[inline(always)]
    fn run(self) -> bool {
        by_cell!(self.element, add_cells(self.row, self.sums))
    }
}

/// Looks through the row first, which brings it into the nearest cache; what is added is widened in registers.
#[inline(always)]
fn add_cells<T: Cell>(row: &[u8], sums: &mut [f64]) -> bool {
    let cells = T::cells(row);
    assert_eq!(sums.len(), cells.len(), "each component has a sum");
    let finite = finite_cells::<T>(row);
    if finite {
        sums.iter_mut().zip(cells).for_each(|(sum, &bits)| *sum += T::value(bits));
    }
    finite
}
