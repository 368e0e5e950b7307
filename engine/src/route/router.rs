//! The router: policies tried in order, each a glob over sources and typed conditions.

use super::{Hours, Priority};
use crate::delta::{Change, DeltaRow, Glob, GlobError, Notes};

/// A condition on a delta; all of a route's conditions must hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Its Euclidean length is at least this. A length that is not a number fits.
    MinL2(f64),
    /// Its Euclidean length is at most this.
    MaxL2(f64),
    /// Some component moved by at least this. A move that is not a number fits.
    MinMaxAbs(f64),
    /// The cosine between the rows before and after is at most this; inserts and deletes, which have none, fit.
    MaxCosine(f64),
    /// At least so many components differ.
    MinDims(u32),
    /// It is of one of these kinds.
    Change(Vec<Change>),
    /// It is of this collection.
    Collection(String),
    /// A metadata column of its row has one of these values.
    MetaEquals(String, Vec<String>),
    /// A metadata column of its row has a value.
    MetaExists(String),
    /// It was captured at this time of day.
    Hours(Hours),
}

impl Condition {
    /// Returns whether it asks when a delta was captured.
    pub fn asks_time(&self) -> bool {
        matches!(self, Condition::Hours(_))
    }

    fn holds(&self, look: &Look<'_>) -> bool {
        let delta = look.delta;
        let meta = |name: &String| look.notes.get(look.row, name);
        match self {
            Condition::MinL2(min) => delta.l2.is_nan() || delta.l2 >= *min,
            Condition::MaxL2(max) => delta.l2 <= *max,
            Condition::MinMaxAbs(min) => delta.max_abs.is_nan() || delta.max_abs >= *min,
            Condition::MaxCosine(max) => delta.cosine.is_none_or(|cosine| cosine.is_nan() || cosine <= *max),
            Condition::MinDims(min) => delta.changed_dims >= *min,
            Condition::Change(kinds) => kinds.contains(&delta.change),
            Condition::Collection(name) => name == look.collection,
            Condition::MetaEquals(name, values) => meta(name).is_some_and(|value| values.iter().any(|v| v == value)),
            Condition::MetaExists(name) => meta(name).is_some(),
            Condition::Hours(hours) => hours.contains(look.captured_millis()),
        }
    }
}

/// What the router looks at: one delta, and what its row brought besides.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// The collection.
    pub collection: &'a str,
    /// The key.
    pub key: &'a str,
    /// The delta.
    pub delta: &'a DeltaRow,
    /// The notes of its batch.
    pub notes: &'a Notes,
    /// Which of the batch's rows it is.
    pub row: usize,
    /// The time that holds when none was noted: that of its commit, or now.
    pub millis: u64,
}

impl Look<'_> {
    /// Returns when the delta was captured.
    pub fn captured_millis(&self) -> u64 {
        self.notes.millis(self.row).unwrap_or(self.millis)
    }
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
    /// How urgent its deltas are.
    pub priority: Priority,
    /// How old a delta may be when it is delivered, in milliseconds; older ones become dead letters.
    pub ttl_millis: Option<u64>,
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
        let (priority, ttl_millis) = (Priority::Normal, None);
        Ok(Self { name: name.to_owned(), window, continues, priority, ttl_millis, glob: Glob::new(glob)?, conditions })
    }

    /// Returns whether it takes a delta.
    pub fn takes(&self, look: &Look<'_>) -> bool {
        self.conditions.iter().all(|condition| condition.holds(look)) && self.glob.is_source(look.collection, look.key)
    }

    /// Returns whether every delta fits.
    fn takes_all(&self) -> bool {
        self.conditions.is_empty() && self.glob.takes_all()
    }

    fn asks_time(&self) -> bool {
        self.ttl_millis.is_some() || self.conditions.iter().any(Condition::asks_time)
    }
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

    /// Returns whether some route must know when a delta was captured: then it is noted in the commit, so that a replay
    /// decides the same.
    pub fn asks_time(&self) -> bool {
        self.routes.iter().any(Route::asks_time)
    }

    /// Returns the one window that every delta goes to, if no look at the deltas is needed to tell.
    pub fn only_window(&self) -> Option<usize> {
        let first = self.routes.first()?;
        (first.takes_all() && !first.continues).then_some(first.window)
    }

    /// Returns the window of the first route that takes a delta, and tells the number of every route that does.
    pub fn route(&self, look: &Look<'_>, mut takes: impl FnMut(usize)) -> Option<usize> {
        let mut window = None;
        for (i, route) in self.routes.iter().enumerate() {
            if route.takes(look) {
                takes(i);
                window = window.or(Some(route.window));
                if !route.continues {
                    break;
                }
            }
        }
        window
    }

    /// Returns the most urgent of some routes that a delta takes, by number; `wanted` says which count.
    pub fn route_for(&self, look: &Look<'_>, wanted: impl Fn(usize) -> bool) -> Option<usize> {
        let mut best: Option<usize> = None;
        for (i, route) in self.routes.iter().enumerate() {
            if !route.takes(look) {
                continue;
            }
            if wanted(i) && best.is_none_or(|b| self.routes[b].priority < route.priority) {
                best = Some(i);
            }
            if !route.continues {
                break;
            }
        }
        best
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

    fn decide(
        router: &Router,
        collection: &str,
        key: &str,
        delta: &DeltaRow,
        notes: &Notes,
        millis: u64,
    ) -> Option<Vec<usize>> {
        let look = Look { collection, key, delta, notes, row: 0, millis };
        let mut routes = Vec::new();
        router.route(&look, |route| routes.push(route)).map(|_| routes)
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
            let got = decide(&router, collection, key, &delta, &Notes::default(), 0);
            assert_eq!(got, Some(want), "{collection}/{key}");
        }
    }

    #[test]
    fn each_condition_holds_where_it_should() {
        let mut notes = Notes::new(["lang".to_owned(), "model".to_owned()].into());
        notes.push([Some("de".into()), None]);
        let update = DeltaRow { cosine: Some(0.9), changed_dims: 3, ..delta(0.5, Change::Update) };
        let noon = 12 * 3_600_000;
        let holds = |condition: Condition, delta: &DeltaRow, notes: &Notes| {
            let router = Router::new(vec![route("**", vec![condition], false)]);
            decide(&router, "c", "k", delta, notes, noon).is_some()
        };
        let meta = |name: &str, values: &[&str]| {
            Condition::MetaEquals(name.into(), values.iter().map(|v| (*v).to_owned()).collect())
        };
        for (condition, want) in [
            (Condition::MaxL2(0.5), true),
            (Condition::MaxL2(0.4), false),
            (Condition::MinMaxAbs(0.5), true),
            (Condition::MinMaxAbs(0.6), false),
            (Condition::MaxCosine(0.9), true),
            (Condition::MaxCosine(0.8), false),
            (Condition::MinDims(3), true),
            (Condition::MinDims(4), false),
            (meta("lang", &["fr", "de"]), true),
            (meta("lang", &["fr"]), false),
            (meta("model", &["x"]), false),
            (meta("absent", &["x"]), false),
            (Condition::MetaExists("lang".into()), true),
            (Condition::MetaExists("model".into()), false),
            (Condition::Hours(Hours::parse("11:00-13:00Z").unwrap()), true),
            (Condition::Hours(Hours::parse("13:00-11:00Z").unwrap()), false),
        ] {
            assert_eq!(holds(condition.clone(), &update, &notes), want, "{condition:?}");
        }
        notes.stamp(1, noon + 2 * 3_600_000);
        assert!(
            !holds(Condition::Hours(Hours::parse("11:00-13:00Z").unwrap()), &update, &notes),
            "its own time counts"
        );
        assert!(holds(Condition::MaxCosine(0.1), &delta(1.0, Change::Insert), &Notes::default()));
        assert!(!holds(meta("lang", &["de"]), &delta(1.0, Change::Delete), &Notes::default()));
    }

    #[test]
    fn the_most_urgent_route_to_a_sink_counts() {
        let urgent = Route { priority: Priority::High, ..route("**", vec![Condition::MinL2(1.0)], false) };
        let router = Router::new(vec![route("**", vec![], true), urgent, route("**", vec![], false)]);
        let best = |l2: f64, wanted: &[usize]| {
            let delta = delta(l2, Change::Update);
            let look = Look { collection: "c", key: "k", delta: &delta, notes: &Notes::default(), row: 0, millis: 0 };
            router.route_for(&look, |i| wanted.contains(&i))
        };
        assert_eq!(best(2.0, &[0, 1, 2]), Some(1));
        assert_eq!(best(0.5, &[0, 1, 2]), Some(0));
        assert_eq!(best(2.0, &[2]), None, "a route that does not go on ends the search");
    }

    #[test]
    fn the_seeds_glob_faults_are_gone() {
        // `ab*ba` must not match `aba`, and several stars are stars.
        let takes = |glob: &str, key: &str| {
            let router = Router::new(vec![route(glob, vec![], false)]);
            decide(&router, "c", key, &delta(1.0, Change::Update), &Notes::default(), 0).is_some()
        };
        assert!(!takes("c/ab*ba", "aba") && takes("c/ab*ba", "abba"));
        assert!(takes("c/*a*b", "xayb") && !takes("c/*a*b", "xyb"));
        assert!(!takes("c/*", "a/b") && takes("c/**", "a/b"));
    }
}
