//! How two branches stand to each other.

use std::collections::BTreeMap;

use super::history::History;
use crate::ask::{CommitNumber, NONE};

/// Returns how many commits can be reached from the first only, and from the second only.
pub fn apart(history: &History, a: CommitNumber, b: CommitNumber) -> [u32; 2] {
    let mut open: BTreeMap<CommitNumber, u8> = BTreeMap::new();
    *open.entry(a).or_default() |= 1;
    *open.entry(b).or_default() |= 2;
    let mut out = [0, 0];
    // The highest number first: a parent has a lower one. What both reach, everything below is common too.
    while open.values().any(|&mark| mark != 3) {
        let Some((commit, mark)) = open.pop_last() else { break };
        match mark {
            1 => out[0] += 1,
            2 => out[1] += 1,
            _ => {}
        }
        for parent in history.parents(commit).into_iter().filter(|&p| p != NONE) {
            *open.entry(parent).or_default() |= mark;
        }
    }
    out
}

/// Returns the commands that merge one branch into another as chosen, one a line.
///
/// `rows` are the sources with a strategy of their own, `all` those that are in conflict.
pub fn merge_command(
    repo: &str,
    from: &str,
    into: &str,
    strategy: &str,
    rows: &[(String, String)],
    all: &[&str],
) -> String {
    let (repo, from, into) = (quoted(repo), quoted(from), quoted(into));
    if rows.is_empty() {
        return format!("vecdelta merge {repo} {from} --into {into} --strategy {strategy}");
    }
    // Everything is kept open, and resolved by name.
    let mut out = format!("vecdelta merge {repo} {from} --into {into} --strategy reject --park");
    let others: Vec<String> = all.iter().filter(|s| rows.iter().all(|(r, _)| r != *s)).map(|s| quoted(s)).collect();
    if strategy != "reject" && !others.is_empty() {
        let line = format!("\nvecdelta merge {repo} --into {into} --resolve {} --take {strategy}", others.join(" "));
        out.push_str(&line);
    }
    for (source, strategy) in rows {
        let line = format!("\nvecdelta merge {repo} --into {into} --resolve {} --take {strategy}", quoted(source));
        out.push_str(&line);
    }
    out.push_str(&format!("\nvecdelta merge {repo} --into {into} --continue"));
    out
}

/// Writes a word so that a shell takes it as it is.
pub fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,~".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::ask::{GraphSlice, Opened};

    fn history(parents: &[[CommitNumber; 2]]) -> History {
        let n = parents.len();
        let (title, commits) = (String::new(), n as u32);
        let opened = Opened { title, commits, branches: vec![], tags: vec![], distant: false, writable: false };
        let mut history = History::open(opened);
        history.take_graph(GraphSlice {
            from: 0,
            ids: (0..n as u64).collect(),
            times: vec![0; n],
            parents: parents.to_vec(),
            branch: vec![u16::MAX; n],
            branches: vec![],
        });
        history
    }

    fn reach(history: &History, from: CommitNumber) -> HashSet<CommitNumber> {
        let (mut open, mut seen) = (vec![from], HashSet::new());
        while let Some(c) = open.pop() {
            if c != NONE && seen.insert(c) {
                open.extend(history.parents(c));
            }
        }
        seen
    }

    proptest! {
        #[test]
        fn what_lies_apart_is_the_difference_of_what_is_reached(
            choices in prop::collection::vec((any::<u32>(), any::<u32>(), 0..4u8), 1..40), a in any::<u32>(), b in any::<u32>(),
        ) {
            let parents: Vec<[CommitNumber; 2]> = choices.iter().zip(0..).map(|(&(x, y, kind), at): (_, u32)| match (at, kind) {
                (0, _) => [NONE; 2],
                (_, 0) => [x % at, y % at],
                _ => [x % at, NONE],
            }).collect();
            let history = history(&parents);
            let (a, b) = (a % parents.len() as u32, b % parents.len() as u32);
            let (ra, rb) = (reach(&history, a), reach(&history, b));
            let expected = [ra.difference(&rb).count() as u32, rb.difference(&ra).count() as u32];
            prop_assert_eq!(apart(&history, a, b), expected);
        }
    }

    #[test]
    fn a_command_is_safe_for_a_shell() {
        let plain = merge_command("shop", "tuned", "main", "newest", &[], &["a/b"]);
        assert_eq!(plain, "vecdelta merge shop tuned --into main --strategy newest");
        let rows = [("p/it's".to_owned(), "ours".to_owned())];
        let parked = merge_command("my shop", "tuned", "main", "reject", &rows, &["p/it's", "p/x"]);
        let expected = "vecdelta merge 'my shop' tuned --into main --strategy reject --park\n\
                        vecdelta merge 'my shop' --into main --resolve 'p/it'\\''s' --take ours\n\
                        vecdelta merge 'my shop' --into main --continue";
        assert_eq!(parked, expected);
        let both = merge_command("shop", "tuned", "main", "newest", &rows, &["p/it's", "p/x", "p/y z"]);
        assert!(both.contains("--strategy reject --park\n"), "{both}");
        assert!(both.contains("--resolve p/x 'p/y z' --take newest\n"), "{both}");
    }
}
