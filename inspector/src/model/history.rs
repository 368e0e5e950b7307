//! The history as the window holds it: the graph in columns, records as they come in.

use std::collections::{BTreeMap, HashMap};

use crate::ask::{CommitNumber, GraphSlice, NONE, Opened, Record, RecordSlice};

/// How many commits share a piece of records.
pub const CHUNK: u32 = 64;

/// A branch as a number; [`History::branch_name`] tells its name.
pub type Branch = u16;

/// No branch is known.
pub const NO_BRANCH: Branch = u16::MAX;

/// The commits of a repository, oldest first; a commit comes after its parents.
#[derive(Default)]
pub struct History {
    /// What the worker said when it was opened.
    pub opened: Option<Opened>,
    ids: Vec<u64>,
    times: Vec<u64>,
    parents: Vec<[CommitNumber; 2]>,
    branch: Vec<Branch>,
    branches: Vec<String>,
    branch_numbers: HashMap<String, Branch>,
    records: Vec<Option<Box<[Record]>>>,
    recorded: u32,
    most_sources: u64,
    children: Children,
    labels: BTreeMap<CommitNumber, Vec<Label>>,
}

/// A name that points at a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The name.
    pub name: String,
    /// Whether it is a tag.
    pub tag: bool,
}

/// The children of each commit, newest first.
#[derive(Default)]
struct Children {
    starts: Vec<u32>,
    list: Vec<CommitNumber>,
}

impl History {
    /// Begins the history of a repository that was opened.
    pub fn open(opened: Opened) -> Self {
        let mut labels: BTreeMap<CommitNumber, Vec<Label>> = BTreeMap::new();
        for (names, tag) in [(&opened.branches, false), (&opened.tags, true)] {
            for (name, commit) in names {
                labels.entry(*commit).or_default().push(Label { name: name.clone(), tag });
            }
        }
        let mut history = Self { labels, ..Self::default() };
        for (name, _) in &opened.branches {
            history.number_of(name);
        }
        history.records.resize_with(opened.commits.div_ceil(CHUNK) as usize, || None);
        history.opened = Some(opened);
        history
    }

    /// Returns how many commits there are, known or not.
    pub fn total(&self) -> u32 {
        self.opened.as_ref().map_or(0, |o| o.commits)
    }

    /// Returns how many commits are known.
    pub fn len(&self) -> u32 {
        self.ids.len() as u32
    }

    /// Returns whether no commit is known.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Returns whether the graph is known as a whole.
    pub fn is_complete(&self) -> bool {
        self.opened.is_some() && self.len() == self.total()
    }

    /// Takes over a piece of the graph; one that does not follow on what is known is left aside.
    pub fn take_graph(&mut self, slice: GraphSlice) {
        let n = slice.ids.len();
        let lengths = [slice.times.len(), slice.parents.len(), slice.branch.len()];
        if slice.from != self.len() || lengths != [n; 3] || n > (self.total() - self.len()) as usize {
            return;
        }
        let numbers: Vec<Branch> = slice.branches.iter().map(|name| self.number_of(name)).collect();
        self.ids.extend(slice.ids);
        self.times.extend(slice.times);
        for (i, parents) in slice.parents.into_iter().enumerate() {
            let at = slice.from + i as u32;
            self.parents.push(parents.map(|p| if p < at { p } else { NONE }));
        }
        self.branch.extend(slice.branch.iter().map(|&b| numbers.get(usize::from(b)).copied().unwrap_or(NO_BRANCH)));
        if self.is_complete() {
            self.inherit_branches();
            self.children = Children::of(&self.parents);
        }
    }

    /// A commit that moved no branch lies on the branch of its first child along first parents, newest child first.
    fn inherit_branches(&mut self) {
        for (commit, names) in &self.labels {
            let head = names.iter().find(|l| !l.tag).and_then(|l| self.branch_numbers.get(&l.name));
            if let (Some(own), Some(&head)) = (self.branch.get_mut(*commit as usize), head)
                && *own == NO_BRANCH
            {
                *own = head;
            }
        }
        for commit in (0..self.parents.len()).rev() {
            let parent = self.parents[commit][0];
            if parent != NONE && self.branch[parent as usize] == NO_BRANCH {
                self.branch[parent as usize] = self.branch[commit];
            }
        }
    }

    fn number_of(&mut self, name: &str) -> Branch {
        if let Some(&number) = self.branch_numbers.get(name) {
            return number;
        }
        let number = Branch::try_from(self.branches.len()).unwrap_or(NO_BRANCH);
        if number != NO_BRANCH {
            self.branches.push(name.to_owned());
            self.branch_numbers.insert(name.to_owned(), number);
        }
        number
    }

    /// Takes over records; pieces that are not whole are left aside.
    pub fn take_records(&mut self, slice: RecordSlice) {
        if !slice.from.is_multiple_of(CHUNK) {
            return;
        }
        let (mut at, mut records) = (slice.from, slice.records.into_iter().peekable());
        while records.peek().is_some() {
            let whole = CHUNK.min(self.total().saturating_sub(at)) as usize;
            let piece: Box<[Record]> = records.by_ref().take(whole.max(1)).collect();
            let Some(place) = self.records.get_mut((at / CHUNK) as usize) else { return };
            if piece.len() == whole && place.is_none() {
                self.recorded += whole as u32;
                let most = piece.iter().map(Record::sources).max().unwrap_or(0);
                self.most_sources = self.most_sources.max(most);
                *place = Some(piece);
            }
            at += CHUNK;
        }
    }

    /// Asks no more for some records: they cannot be read.
    pub fn give_up_records(&mut self, from: CommitNumber, count: u32) {
        let end = (from.saturating_add(count)).div_ceil(CHUNK) as usize;
        let end = end.min(self.records.len());
        for place in self.records.iter_mut().take(end).skip((from / CHUNK) as usize).filter(|p| p.is_none()) {
            *place = Some(Box::default());
        }
    }

    /// Returns how many records are known.
    pub fn recorded(&self) -> u32 {
        self.recorded
    }

    /// Returns how many sources the largest known commit changed.
    pub fn most_sources(&self) -> u64 {
        self.most_sources
    }

    /// Returns the record of a commit, if it is known.
    pub fn record(&self, commit: CommitNumber) -> Option<&Record> {
        self.records.get((commit / CHUNK) as usize)?.as_ref()?.get((commit % CHUNK) as usize)
    }

    /// Returns the newest run of at most `count` commits whose records are missing, from a commit downwards.
    pub fn missing_records(&self, newest: CommitNumber, count: u32) -> Option<(CommitNumber, u32)> {
        let mut chunk = (newest.min(self.total().checked_sub(1)?) / CHUNK) as usize;
        while self.records[chunk].is_some() {
            chunk = chunk.checked_sub(1)?;
        }
        let end = chunk + 1;
        while chunk > 0 && self.records[chunk - 1].is_none() && (end - chunk) as u32 * CHUNK < count {
            chunk -= 1;
        }
        Some((chunk as u32 * CHUNK, (end - chunk) as u32 * CHUNK))
    }

    /// Returns the first eight bytes of a commit's identity.
    pub fn id(&self, commit: CommitNumber) -> u64 {
        self.ids.get(commit as usize).copied().unwrap_or(0)
    }

    /// Returns the first eight digits of a commit's identity.
    pub fn short_id(&self, commit: CommitNumber) -> String {
        format!("{:08x}", self.id(commit) >> 32)
    }

    /// Returns the commit whose identity begins with these hex digits, if there is exactly one; whole identities fit too.
    pub fn find_id(&self, digits: &str) -> Option<CommitNumber> {
        let digits = digits.get(..16).unwrap_or(digits);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let shift = 64 - 4 * digits.len() as u32;
        let wanted = u64::from_str_radix(digits, 16).ok()?;
        let mut found = self.ids.iter().enumerate().filter(|(_, id)| **id >> shift == wanted);
        let (first, _) = found.next()?;
        found.next().is_none().then_some(first as CommitNumber)
    }

    /// Returns the commit that a text names: a branch, a tag, or the beginning of an identity.
    pub fn find(&self, text: &str) -> Option<CommitNumber> {
        let opened = self.opened.as_ref()?;
        let named = opened.branches.iter().chain(&opened.tags).find(|(name, _)| name == text);
        named.map(|(_, commit)| *commit).filter(|&c| c < self.len()).or_else(|| self.find_id(text))
    }

    /// Returns when a commit was made, in milliseconds since 1970 UTC.
    pub fn time(&self, commit: CommitNumber) -> u64 {
        self.times.get(commit as usize).copied().unwrap_or(0)
    }

    /// Returns the parents of a commit; [`NONE`] where there is none.
    pub fn parents(&self, commit: CommitNumber) -> [CommitNumber; 2] {
        self.parents.get(commit as usize).copied().unwrap_or([NONE; 2])
    }

    /// Returns the first parent of a commit.
    pub fn parent(&self, commit: CommitNumber) -> Option<CommitNumber> {
        Some(self.parents(commit)[0]).filter(|&p| p != NONE)
    }

    /// Returns the children of a commit, newest first; none before the graph is complete.
    pub fn children(&self, commit: CommitNumber) -> &[CommitNumber] {
        self.children.of_commit(commit)
    }

    /// Returns the branch of a commit.
    pub fn branch(&self, commit: CommitNumber) -> Branch {
        self.branch.get(commit as usize).copied().unwrap_or(NO_BRANCH)
    }

    /// Returns the name of a branch; empty when it is not known.
    pub fn branch_name(&self, branch: Branch) -> &str {
        self.branches.get(usize::from(branch)).map_or("", String::as_str)
    }

    /// Returns how many branches ever were.
    pub fn branch_count(&self) -> usize {
        self.branches.len()
    }

    /// Returns the names that point at a commit.
    pub fn labels(&self, commit: CommitNumber) -> &[Label] {
        self.labels.get(&commit).map_or(&[], Vec::as_slice)
    }

    /// Returns the commit that is shown first: the head of `main`, or else the newest.
    pub fn head(&self) -> Option<CommitNumber> {
        let opened = self.opened.as_ref()?;
        let main = opened.branches.iter().find(|(name, _)| name == "main").map(|(_, commit)| *commit);
        main.filter(|&c| c < self.len()).or(self.len().checked_sub(1))
    }
}

impl Children {
    fn of(parents: &[[CommitNumber; 2]]) -> Self {
        let mut starts = vec![0u32; parents.len() + 1];
        for parent in parents.iter().flatten().filter(|&&p| p != NONE) {
            starts[*parent as usize + 1] += 1;
        }
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let mut next = starts.clone();
        let mut list = vec![0; starts.last().map_or(0, |&n| n as usize)];
        for (child, parents) in parents.iter().enumerate().rev() {
            for parent in parents.iter().filter(|&&p| p != NONE) {
                let place = &mut next[*parent as usize];
                list[*place as usize] = child as CommitNumber;
                *place += 1;
            }
        }
        Self { starts, list }
    }

    fn of_commit(&self, commit: CommitNumber) -> &[CommitNumber] {
        let at = commit as usize;
        match (self.starts.get(at), self.starts.get(at + 1)) {
            (Some(&from), Some(&to)) => &self.list[from as usize..to as usize],
            _ => &[],
        }
    }
}
