//! The versions of one source as the window holds them, with every bit.

use vecdelta::delta::Element;

use crate::ask::{CommitNumber, Version, VersionSlice};

/// The versions of a source, oldest first, as they come in.
#[derive(Default)]
pub struct Versions {
    total: Option<u32>,
    versions: Vec<Version>,
    starts: Vec<usize>,
    bits: Vec<u8>,
}

impl Versions {
    /// Returns the number of the version to ask for next; `None` when all are here.
    pub fn next(&self) -> Option<u32> {
        let len = self.versions.len() as u32;
        self.total.is_none_or(|total| len < total).then_some(len)
    }

    /// Returns how many versions there are, known or not.
    pub fn total(&self) -> u32 {
        self.total.unwrap_or(0)
    }

    /// Returns how many versions are here.
    pub fn len(&self) -> usize {
        self.versions.len()
    }

    /// Returns whether no version is here.
    pub fn is_empty(&self) -> bool {
        self.versions.is_empty()
    }

    /// Takes over versions that follow on those that are here; others are left aside. Returns whether anything came.
    pub fn take(&mut self, slice: &VersionSlice) -> bool {
        let row = |v: &Version| Element::from_code(v.element).map(|e| e.size() * v.dims as usize);
        let sizes: Option<Vec<usize>> = slice.versions.iter().map(|v| if v.alive { row(v) } else { Some(0) }).collect();
        let Some(sizes) = sizes.filter(|s| s.iter().sum::<usize>() == slice.bits.len()) else { return false };
        if slice.from as usize != self.versions.len() {
            return false;
        }
        // A history that says it goes on and brings nothing would be asked for ever.
        self.total = Some(if slice.versions.is_empty() { slice.from } else { slice.total });
        let mut at = self.bits.len();
        for size in sizes {
            self.starts.push(at);
            at += size;
        }
        self.versions.extend(&slice.versions);
        self.bits.extend(&slice.bits);
        !slice.versions.is_empty()
    }

    /// Returns a version.
    pub fn version(&self, i: usize) -> Option<&Version> {
        self.versions.get(i)
    }

    /// Returns the widest of the versions.
    pub fn dims(&self) -> u32 {
        self.versions.iter().map(|v| v.dims).max().unwrap_or(0)
    }

    /// Returns the version that is in force at a commit of the way: the newest that is not after it.
    pub fn at(&self, commit: CommitNumber) -> Option<usize> {
        self.versions.partition_point(|v| v.commit <= commit).checked_sub(1)
    }

    /// Returns the element type of a version.
    pub fn element(&self, i: usize) -> Option<Element> {
        Element::from_code(self.versions.get(i)?.element)
    }

    /// Returns the bits of a component, little-endian; `None` where there is none.
    pub fn bits(&self, i: usize, dim: u32) -> Option<&[u8]> {
        let version = self.versions.get(i).filter(|v| v.alive && dim < v.dims)?;
        let size = Element::from_code(version.element)?.size();
        let at = self.starts[i] + dim as usize * size;
        self.bits.get(at..at + size)
    }

    /// Returns the value of a component.
    pub fn value(&self, i: usize, dim: u32) -> Option<f64> {
        Some(self.element(i)?.to_f64(self.bits(i, dim)?))
    }

    /// Returns how a component changed against the version before: nothing where its bits are the same, or where one of
    /// the two is not there.
    pub fn change(&self, i: usize, dim: u32) -> Option<f64> {
        let before = i.checked_sub(1)?;
        let (old, new) = (self.bits(before, dim)?, self.bits(i, dim)?);
        if self.element(before) == self.element(i) && old == new {
            return Some(0.0);
        }
        Some(self.value(i, dim)? - self.value(before, dim)?)
    }

    /// Returns for each component of a version the version that last changed its bits. A change of shape, or a return
    /// after a deletion, changes them all.
    pub fn blame(&self, i: usize) -> Vec<usize> {
        let Some(now) = self.versions.get(i).filter(|v| v.alive) else { return Vec::new() };
        let mut by = vec![i; now.dims as usize];
        let mut open: Vec<u32> = (0..now.dims).collect();
        for at in (0..=i).rev() {
            let before = at.checked_sub(1).filter(|&b| {
                let v = self.versions[b];
                v.alive && v.element == now.element && v.dims == now.dims
            });
            open.retain(|&dim| {
                by[dim as usize] = at;
                before.is_some_and(|b| self.bits(b, dim) == self.bits(at, dim))
            });
            if open.is_empty() || before.is_none() {
                break;
            }
        }
        by
    }

    /// Returns a component's value in as few digits as tell it from all others.
    pub fn text(&self, i: usize, dim: u32) -> Option<String> {
        Some(number(self.element(i)?, self.bits(i, dim)?))
    }

    /// Returns a component's bits as people write them, with the highest first.
    pub fn hex(&self, i: usize, dim: u32) -> Option<String> {
        let bits = self.bits(i, dim)?;
        let digits: String = bits.iter().rev().map(|b| format!("{b:02x}")).collect();
        Some(format!("0x{digits}"))
    }
}

/// Writes a number in as few digits as tell it from all others of its type.
pub fn number(element: Element, bits: &[u8]) -> String {
    match (element, bits.try_into()) {
        (Element::F32, Ok(bits)) => format!("{:?}", f32::from_le_bytes(bits)),
        (Element::I8 | Element::U8, _) => format!("{}", element.to_f64(bits)),
        _ => format!("{:?}", element.to_f64(bits)),
    }
}
