//! The router: policies tried in order, each a glob over sources and typed conditions.

use crate::delta::{Change, DeltaRow, Glob, GlobError};

/// A condition on a delta; all of a route's conditions must hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Its Euclidean length is at least this. A length that is not a number fits.
    MinL2(f64),
    /// It is of one of these kinds.
    Change(Vec<Change>),
    /// It is of this collection.
    Collection(String),
}

/// One routing policy.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name.
    pub name: String,
    /// The number of the window its deltas go to.
    pub window: usize,
    /// Whether later routes are tried as well.
    pub continues: bool,
    glob: Glob,
    conditions: Vec<Condition>,
}

impl Route {
    /// Makes a policy from a glob over `collection/key`; `*` stays within one part, `**` does not.
    ///
    /// # Errors
    /// Says what is wrong with the glob.
    pub fn new(
        name: &str,
        glob: &str,
        conditions: Vec<Condition>,
        window: usize,
        continues: bool,
    ) -> Result<Self, GlobError> {
        Ok(Self { name: name.to_owned(), window, continues, glob: Glob::new(glob)?, conditions })
    }

    fn takes(&self, collection: &str, key: &str, delta: &DeltaRow) -> bool {
        let holds = |condition: &Condition| match condition {
            Condition::MinL2(min) => delta.l2.is_nan() || delta.l2 >= *min,
            Condition::Change(kinds) => kinds.contains(&delta.change),
            Condition::Collection(name) => name == collection,
        };
        self.conditions.iter().all(holds) && self.glob.is_source(collection, key)
    }

    /// Returns whether every delta fits.
    fn takes_all(&self) -> bool {
        self.conditions.is_empty() && self.glob.takes_all()
    }
}

/// Where a delta goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The window of the first route that fits.
    pub window: usize,
    /// The numbers of all routes that fit.
    pub routes: Vec<usize>,
}

/// Routes in the order in which they are tried.
#[derive(Clone, Debug)]
pub struct Router {
    routes: Vec<Route>,
}

impl Router {
    /// Makes a router.
    pub fn new(routes: Vec<Route>) -> Self {
        Self { routes }
    }

    /// Returns the routes.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Returns the one window that every delta goes to, if no look at the deltas is needed to tell.
    pub fn only_window(&self) -> Option<usize> {
        let first = self.routes.first()?;
        (first.takes_all() && !first.continues).then_some(first.window)
    }

    /// Decides where a delta of a source goes; `None` when no route takes it.
    pub fn route(&self, collection: &str, key: &str, delta: &DeltaRow) -> Option<Decision> {
        let mut routes = Vec::new();
        for (i, route) in self.routes.iter().enumerate() {
            if route.takes(collection, key, delta) {
                routes.push(i);
                if !route.continues {
                    break;
                }
            }
        }
        let window = self.routes[*routes.first()?].window;
        Some(Decision { window, routes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delta(l2: f64, change: Change) -> DeltaRow {
        DeltaRow { slot: 0, change, changed_dims: 1, l2, max_abs: l2, cosine: None, length: 1.0 }
    }

    fn route(glob: &str, conditions: Vec<Condition>, continues: bool) -> Route {
        Route::new(glob, glob, conditions, 0, continues).unwrap()
    }

    #[test]
    fn globs_and_conditions_choose_the_first_route_that_fits() {
        let router = Router::new(vec![
            route("docs/{de,fr}/**", vec![Condition::MinL2(0.5)], false),
            route("docs/?.txt", vec![Condition::Change(vec![Change::Insert])], true),
            route("**", vec![], false),
        ]);
        let cases = [
            ("docs", "de/a/b", delta(0.5, Change::Update), vec![0]),
            ("docs", "de/a/b", delta(0.4, Change::Update), vec![2]),
            ("docs", "de/a/b", delta(f64::NAN, Change::Update), vec![0]),
            ("docs", "en/a", delta(9.0, Change::Update), vec![2]),
            ("docs", "x.txt", delta(0.0, Change::Insert), vec![1, 2]),
            ("docs", "xy.txt", delta(0.0, Change::Insert), vec![2]),
            ("other", "de/../../etc", delta(1.0, Change::Delete), vec![2]),
        ];
        for (collection, key, delta, want) in cases {
            assert_eq!(router.route(collection, key, &delta).unwrap().routes, want, "{collection}/{key}");
        }
    }

    #[test]
    fn the_seeds_glob_faults_are_gone() {
        // `ab*ba` must not match `aba`, and several stars are stars.
        let takes = |glob: &str, key: &str| {
            Router::new(vec![route(glob, vec![], false)]).route("c", key, &delta(1.0, Change::Update)).is_some()
        };
        assert!(!takes("c/ab*ba", "aba") && takes("c/ab*ba", "abba"));
        assert!(takes("c/*a*b", "xayb") && !takes("c/*a*b", "xyb"));
        assert!(!takes("c/*", "a/b") && takes("c/**", "a/b"));
    }
}
