//! A path through the graph that is played: from the first commit to a tip.

use super::history::History;
use crate::ask::{CommitNumber, NONE};

/// Returns the commits on a path that ends at `tip`, oldest first. It keeps to first parents, but goes through `via`
/// where that lies before the tip.
pub fn path(history: &History, tip: CommitNumber, via: Option<CommitNumber>) -> Vec<CommitNumber> {
    let mut down = via.filter(|&v| v < tip).and_then(|v| between(history, v, tip)).unwrap_or_else(|| vec![tip]);
    let mut at = down.last().copied().unwrap_or(tip);
    while let Some(parent) = history.parent(at) {
        down.push(parent);
        at = parent;
    }
    down.reverse();
    down
}

/// Returns the tip that a path through a commit goes to: the head of its branch where that comes after it, else the end
/// of the line of newest children.
pub fn tip_after(history: &History, commit: CommitNumber) -> CommitNumber {
    let branch = history.branch_name(history.branch(commit));
    let heads = history.opened.as_ref().map_or(&[][..], |o| &o.branches);
    let head = heads.iter().find(|(name, _)| name == branch).map(|(_, head)| *head);
    if let Some(head) = head.filter(|&h| h < history.len() && h >= commit)
        && (head == commit || between(history, commit, head).is_some())
    {
        return head;
    }
    let mut at = commit;
    while let Some(&child) = history.children(at).first() {
        at = child;
    }
    at
}

/// Returns the commits from `tip` down to `via`, both included; first parents where they lead there.
fn between(history: &History, via: CommitNumber, tip: CommitNumber) -> Option<Vec<CommitNumber>> {
    let mut leads = vec![false; (tip - via) as usize + 1];
    let at = |c: CommitNumber| (c - via) as usize;
    for c in via..=tip {
        leads[at(c)] = c == via || history.parents(c).iter().any(|&p| p != NONE && p >= via && leads[at(p)]);
    }
    if !leads[at(tip)] {
        return None;
    }
    let mut down = vec![tip];
    let mut c = tip;
    while c != via {
        c = *history.parents(c).iter().find(|&&p| p != NONE && p >= via && leads[at(p)])?;
        down.push(c);
    }
    Some(down)
}
