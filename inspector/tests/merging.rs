//! A merge that is made from the window: asked once more, written, shown, and the same as its command writes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::Theme;
use egui_kittest::kittest::{NodeT, Queryable};
use vecdelta::delta::{Element, Table};
use vecdelta::store::{LocalDisk, Resolution};
use vecdelta::version::{
    Actor, CommitInfo, Differences, Merge, Policy, Repository, Strategy, commit_differences, difference, merge,
    new_origin, park, parked_merge, resolve_conflicts, set_branch,
};
use vecdelta_inspector::ask::Place;
use vecdelta_inspector::native::open::opener;

use super::support::{Window, demo_bundle, shown, window};

/// Tells the demo history into a directory of its own.
fn shop(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("merging-{name}.vd"));
    let _ = std::fs::remove_dir_all(&dir);
    vecdelta::demo::tell(Arc::new(LocalDisk::new(&dir))).expect("the directory is free");
    dir
}

fn open(dir: &Path, link: &'static str) -> Window {
    window([1280.0, 720.0], Theme::Dark, Some(Place::Path(dir.display().to_string())), link, opener)
}

fn reader(dir: &Path) -> Repository {
    Repository::open(Arc::new(LocalDisk::new(dir))).expect("it opens")
}

/// What a merge made: the table, the message and what is noted beside it.
fn head(dir: &Path) -> (String, String, Vec<(String, String)>) {
    let repo = reader(dir);
    let commit = repo.head("main").expect("a head");
    assert_eq!(repo.entry(commit).parents.len(), 2, "it is a merge");
    let body = repo.commit(commit).expect("it is whole").body;
    (body.state_root.to_hex(), body.message, body.metadata.into_iter().collect())
}

#[test]
fn a_merge_is_written_when_it_is_asked_for_and_shown() {
    let dir = shop("plain");
    let mut w = open(&dir, "#view=compare&ours=main&theirs=seasonal");
    let commits = shown(&w)["commits"].as_u64().expect("a number");
    // While a conflict is open nothing can be merged.
    w.get_by_label("Merge…").click();
    w.run();
    assert!(shown(&w)["merging"].is_null());
    let mut w = open(&dir, "#view=compare&ours=main&theirs=seasonal&strategy=theirs");
    w.get_by_label("Merge…").click();
    w.run();
    assert_eq!(shown(&w)["merging"], false);
    w.get_by_label("Cancel").click();
    w.run();
    assert!(shown(&w)["merging"].is_null());
    assert_eq!(reader(&dir).len() as u64, commits, "nothing was written");
    w.get_by_label("Merge…").click();
    w.run();
    w.get_by_label("Merge now").click();
    w.run();
    let state = shown(&w);
    assert!(state["merging"].is_null() && state["trouble"].is_null(), "{state}");
    assert_eq!(state["commits"], commits + 1);
    assert_eq!(state["view"], "compare");
    assert!(w.query_by_label_contains("Everything is merged already").is_some());

    // The command writes the same.
    let by_command = shop("command");
    let mut repo = Repository::open_writer(Arc::new(LocalDisk::new(&by_command)), None).expect("it opens");
    let request = Merge {
        into: "main".to_owned(),
        theirs: repo.head("seasonal").expect("a head"),
        name: "seasonal".to_owned(),
        policy: Policy::from(Strategy::from_name("theirs").expect("a strategy")),
        resolved: Vec::new(),
        custom: None,
        fast_forward: true,
        dry_run: false,
        message: String::new(),
    };
    merge::<vecdelta::version::VersionError>(&mut repo, &request, &actor(), &mut |_| Ok(())).expect("it merges");
    drop(repo);
    assert_eq!(head(&dir), head(&by_command));
}

fn actor() -> Actor {
    Actor { author: "ana".to_owned(), now_millis: 1_800_000_000_000 }
}

#[test]
fn a_conflict_that_is_resolved_by_itself_is_merged_as_by_its_commands() {
    let dir = shop("rows");
    let mut w = open(&dir, "#view=compare&ours=main&theirs=seasonal");
    w.get_all_by_label_contains("Strategy for products/").next().expect("a conflict").click();
    w.run();
    w.get_by_label("average").click();
    w.run();
    w.get_by_label("Merge…").click();
    w.run();
    let lines = w.get_by_label_contains("--park\n").accesskit_node().value().expect("the commands");
    w.get_by_label("Merge now").click();
    w.run();
    assert!(w.query_by_label_contains("Everything is merged already").is_some(), "{}", shown(&w));

    let source = lines.split_whitespace().skip_while(|w| *w != "--resolve").nth(1).expect("a source").to_owned();
    let by_command = shop("rows-command");
    let mut repo = Repository::open_writer(Arc::new(LocalDisk::new(&by_command)), None).expect("it opens");
    let theirs = repo.head("seasonal").expect("a head");
    let policy = Policy::from(Strategy::Reject);
    park(&mut repo, "main", theirs, &policy, &actor()).expect("it waits");
    let source = vecdelta::delta::Source::parse(&source).expect("a source");
    let how = Resolution::Strategy("average".to_owned());
    resolve_conflicts(&mut repo, "main", &[source], how, &actor()).expect("it is resolved");
    let request = parked_merge(&repo, "main").expect("it waits");
    merge::<vecdelta::version::VersionError>(&mut repo, &request, &actor(), &mut |_| Ok(())).expect("it merges");
    drop(repo);
    assert_eq!(head(&dir), head(&by_command));
}

/// Makes two branches that gave one vector of 384 dimensions a long name and different bits.
fn wide() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("merging-wide.vd");
    let _ = std::fs::remove_dir_all(&dir);
    let mut repo =
        Repository::open_writer(Arc::new(LocalDisk::new(&dir)), Some(new_origin(1, 0))).expect("it is empty");
    let table = Arc::new(Table { collection: "packages".into(), element: Element::F32, dims: 384 });
    let commit = |branch: &str, key: &str, value: f32, repo: &mut Repository| {
        let row = value.to_le_bytes().repeat(384);
        let row = difference(&table, key, None, Some(&row), true).expect("it is new");
        let part = Differences::new(table.clone(), vec![row]);
        let info = CommitInfo { branch: branch.to_owned(), author: "ana".to_owned(), ..CommitInfo::default() };
        commit_differences(repo, info, 1_000, |_, write| write(part)).expect("it fits")
    };
    let first = commit("main", "first", 1.0, &mut repo);
    set_branch(&mut repo, "other", first, &actor()).expect("the name is free");
    let key = "postgresql-18-a-name-that-is-cut";
    commit("main", key, 0.009_876_543, &mut repo);
    commit("other", key, -0.008_765_432, &mut repo);
    dir
}

#[test]
fn what_becomes_of_a_conflict_is_seen_beside_a_long_name() {
    let w = open(&wide(), "#view=compare&ours=main&theirs=other");
    assert!(w.query_by_label_contains("1 conflict, 1 open").is_some());
    let open: Vec<_> = w.query_all_by_label("open").map(|n| n.rect()).collect();
    assert!(!open.is_empty());
    // Right of it is the bar to scroll with; nothing has to be scrolled sideways.
    assert!(open.iter().all(|r| r.right() <= 1246.0), "{open:?}");
}

#[test]
fn what_moved_meanwhile_is_not_merged_and_a_bundle_never() {
    let dir = shop("moved");
    let mut w = open(&dir, "#view=compare&ours=main&theirs=seasonal&strategy=ours");
    let mut repo = Repository::open_writer(Arc::new(LocalDisk::new(&dir)), None).expect("it opens");
    let parent = repo.entry(repo.head("seasonal").expect("a head")).parents[0];
    vecdelta::version::delete_branch(&mut repo, "seasonal", &actor()).expect("it goes");
    set_branch(&mut repo, "seasonal", parent, &actor()).expect("it moves");
    drop(repo);
    w.get_by_label("Merge…").click();
    w.run();
    w.get_by_label("Merge now").click();
    w.run();
    assert!(w.query_all_by_label_contains("has moved since this was shown").next().is_some());
    assert_eq!(shown(&w)["merging"], false);

    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("merging.vdpack");
    std::fs::write(&file, demo_bundle()).expect("it is written");
    let w = open(&file, "#view=compare&ours=main&theirs=seasonal&strategy=ours");
    assert!(w.query_by_label_contains("0 open").is_some() && w.query_by_label("Merge…").is_none());
}
