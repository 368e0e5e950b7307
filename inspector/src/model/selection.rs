//! What is looked at.

use super::format::line;
use super::history::History;
use super::link::Link;
use crate::ask::CommitNumber;

/// The commit, vector and view that are looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// The commit.
    pub commit: Option<CommitNumber>,
    /// A second commit to compare with.
    pub with: Option<CommitNumber>,
    /// A source, `collection/key`.
    pub vector: Option<String>,
    /// The name of the view.
    pub view: String,
    /// The commit that the path of the replay leads to.
    pub tip: Option<CommitNumber>,
    /// What else a link said.
    pub rest: Vec<(String, String)>,
}

impl Selection {
    /// Returns the selection that a link asks for; what it names and is not there falls back to the head.
    pub fn of(link: &Link, history: &History, view: &str) -> Self {
        let find = |text: &Option<String>| text.as_deref().and_then(|text| history.find(text));
        let commit = find(&link.commit).or_else(|| find(&link.branch)).or_else(|| history.head());
        Self {
            commit,
            with: find(&link.with),
            vector: link.vector.clone(),
            view: link.view.clone().unwrap_or_else(|| view.to_owned()),
            tip: find(&link.branch),
            rest: link.rest.clone(),
        }
    }

    /// Says in plain words what a link names and is not there, and what is shown instead; `views` are the names and titles
    /// of all views, the one that is shown otherwise first.
    pub fn unknown(link: &Link, history: &History, views: &[(&str, &str)]) -> Vec<String> {
        let mut says = Vec::new();
        let mut say = |what: &str, name: &str, instead: &str| {
            says.push(format!("The link names the {what} “{}”, which is not known here: {instead}.", line(name, 40)));
        };
        let lost = |text: &Option<String>| text.clone().filter(|t| !t.is_empty() && history.find(t).is_none());
        if let Some(view) = link.view.as_deref().filter(|name| views.iter().all(|(known, _)| known != name)) {
            let shown = views.first().map_or("", |(_, title)| title);
            say("view", view, &format!("{shown} is shown instead"));
        }
        if let Some(commit) = lost(&link.commit) {
            let branch = link.branch.as_deref().filter(|b| history.find(b).is_some());
            let shown = branch.map_or("the newest commit".to_owned(), |b| format!("the head of {}", line(b, 40)));
            say("commit", &commit, &format!("{shown} is shown instead"));
        }
        if let Some(branch) = lost(&link.branch) {
            say("branch", &branch, "the replay goes through the selected commit");
        }
        if let Some(with) = lost(&link.with) {
            say("marked commit", &with, "none is marked");
        }
        says
    }

    /// Returns what a view keeps in links under a key.
    pub fn param(&self, key: &str) -> Option<&str> {
        self.rest.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// Sets what a view keeps in links under a key; `None` takes it out.
    pub fn set_param(&mut self, key: &str, value: Option<String>) {
        let at = self.rest.iter().position(|(k, _)| k == key);
        match (at, value) {
            (Some(at), Some(value)) => self.rest[at].1 = value,
            (Some(at), None) => drop(self.rest.remove(at)),
            (None, Some(value)) => self.rest.push((key.to_owned(), value)),
            (None, None) => {}
        }
    }

    /// Returns the link that leads back here.
    pub fn link(&self, history: &History, query: &str) -> Link {
        let id = |commit: Option<CommitNumber>| commit.map(|c| unique_id(history, c));
        let branches = history.opened.as_ref().map_or(&[][..], |o| &o.branches);
        let named = |tip: CommitNumber| branches.iter().find(|(_, c)| *c == tip).map(|(name, _)| name.clone());
        Link {
            commit: id(self.commit),
            branch: self.tip.and_then(|tip| named(tip).or_else(|| id(Some(tip)))),
            vector: self.vector.clone(),
            view: Some(self.view.clone()),
            with: id(self.with),
            query: Some(query.to_owned()).filter(|q| !q.is_empty()),
            rest: self.rest.clone(),
            ..Link::default()
        }
    }
}

/// Returns the first digits of a commit's identity: eight, or more where others begin alike.
pub fn unique_id(history: &History, commit: CommitNumber) -> String {
    let digits = format!("{:016x}", history.id(commit));
    let enough = (8..16).find(|&n| history.find_id(&digits[..n]).is_some());
    digits[..enough.unwrap_or(16)].to_owned()
}
