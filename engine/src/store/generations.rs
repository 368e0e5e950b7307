//! Generations by row: what made each of them, kept in memory where anybody asks.

use super::record::OlderRows;

/// Which generation each slot's row stems from.
#[derive(Clone, Debug, Default)]
pub struct RowGenerations {
    names: Vec<String>,
    /// How many rows there are of each name.
    counts: Vec<u64>,
    /// By slot, the number of the name counted from 1; 0 where there is no row.
    of: Vec<u32>,
}

impl RowGenerations {
    /// Notes that a slot's row stems from a generation, or that there is no row.
    pub fn set(&mut self, slot: u32, generation: Option<&str>) {
        let number = generation.map_or(0, |name| self.number(name));
        let slot = slot as usize;
        if slot >= self.of.len() {
            self.of.resize(slot + 1, 0);
        }
        let before = std::mem::replace(&mut self.of[slot], number);
        if before != 0 {
            self.counts[before as usize - 1] -= 1;
        }
        if number != 0 {
            self.counts[number as usize - 1] += 1;
        }
    }

    fn number(&mut self, name: &str) -> u32 {
        let known = self.names.iter().position(|n| n == name);
        let at = known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.counts.push(0);
            self.names.len() - 1
        });
        at as u32 + 1
    }

    /// Returns the generation of a slot's row, if it holds one.
    pub fn get(&self, slot: u32) -> Option<&str> {
        let number = *self.of.get(slot as usize)?;
        Some(&self.names[number.checked_sub(1)? as usize])
    }

    /// Returns whether a slot holds a row.
    pub fn is_alive(&self, slot: u32) -> bool {
        self.get(slot).is_some()
    }

    /// Returns the slots that hold a row.
    pub fn alive(&self) -> impl Iterator<Item = u32> {
        (0u32..).zip(&self.of).filter(|(_, n)| **n != 0).map(|(slot, _)| slot)
    }

    /// Counts the rows that stem from other generations than the one in force, by name.
    pub fn older(&self, current: &str) -> Vec<OlderRows> {
        let named = self.names.iter().zip(&self.counts).filter(|(name, rows)| *name != current && **rows > 0);
        let mut older: Vec<OlderRows> =
            named.map(|(name, &rows)| OlderRows { generation: name.clone(), rows }).collect();
        older.sort_unstable_by(|a, b| a.generation.cmp(&b.generation));
        older
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_by_what_made_them() {
        let mut rows = RowGenerations::default();
        (0..10).for_each(|slot| rows.set(slot, Some("")));
        (0..4).for_each(|slot| rows.set(slot, Some("b")));
        (0..2).for_each(|slot| rows.set(slot, Some("c")));
        rows.set(9, None);
        rows.set(12, Some("c"));
        let older = |current| rows.older(current).into_iter().map(|o| (o.generation, o.rows)).collect::<Vec<_>>();
        assert_eq!(older("c"), [(String::new(), 5), ("b".to_owned(), 2)]);
        assert_eq!(older(""), [("b".to_owned(), 2), ("c".to_owned(), 3)]);
        assert_eq!((rows.get(3), rows.get(5), rows.get(9), rows.get(99)), (Some("b"), Some(""), None, None));
        assert!(RowGenerations::default().older("x").is_empty());
    }
}
