//! Rows that are sent: each request becomes one commit, or nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::http::{Head, Request, Response};
use super::super::spool::Spooled;
use super::{Parameters, Site};
use crate::answer::{Failure, commit_json};
use crate::delta::check_collection;
use crate::pipeline::config::{
    Capture, Close, FileOrder, Input, Missing, OnReject, Pipeline, Priority, Route, Settings, Source, SourceKind,
    Version, When, Window,
};
use crate::pipeline::{self, Context, Live};
use crate::store::{StoreError, disk_at};
use crate::version::{CommitIndex, MAIN, Repository, VersionError, check_name, commits_with};

/// The names under which a commit has what makes its request known again.
const KEY: &str = "idempotency_key";
const HASH: &str = "body_blake3";

/// How long another writer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// The memory for rows on their way.
const MEMORY: u64 = 256 << 20;

/// Writes into a repository, one request after another.
pub struct Writer {
    store: PathBuf,
    author: String,
    now: fn() -> u64,
    turn: Mutex<()>,
}

impl Writer {
    /// Writes into the repository in a directory, in somebody's name, at the time that a clock tells.
    pub fn new(store: PathBuf, author: String, now: fn() -> u64) -> Self {
        Self { store, author, now, turn: Mutex::default() }
    }
}

/// What is asked of a request's rows.
struct Order {
    collection: String,
    branch: String,
    message: String,
    missing: Missing,
    id: Option<String>,
    vector: Option<String>,
    key: Option<String>,
}

/// Answers `POST /v1/collections/NAME`.
pub fn post(site: &Site, request: &mut Request<'_>, name: &str) -> Result<Response, Response> {
    let Some(writer) = &site.writer else {
        let help = "start it with `vecdelta serve REPO --writable`";
        return Err(Response::refused(403, "this server only reads", help));
    };
    let order = Order::of(&request.head, name)?;
    let begun = Instant::now();
    let body = Spooled::of(request)?;
    let _turn = writer.turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut repo = open_patiently(writer)?;
    if let Some(commit) = replayed(&repo, &order, &body)? {
        let answer = answer(&repo, commit, 0, begun)?;
        return Ok(Response::json(200, &answer).header("Idempotent-Replay", "true"));
    }
    let pipeline = order.pipeline(writer, &body);
    let stop = AtomicBool::new(false);
    let context = Context {
        now: &|| (writer.now)(),
        stop: &stop,
        listener: &|_| {},
        author: writer.author.clone(),
        resume: false,
        live: Live::default(),
    };
    let report = pipeline::run(&pipeline, &mut repo, &context).map_err(|error| body.blamed(error.into()))?;
    match report.commits.last() {
        Some(&commit) => Ok(Response::json(201, &answer(&repo, commit, report.rows_read, begun)?)),
        None => Err(Response::error(500, "no commit was made")),
    }
}

fn answer(repo: &Repository, commit: CommitIndex, rows_read: u64, begun: Instant) -> Result<Value, Failure> {
    let mut answer = commit_json(repo, commit)?;
    answer["rows_read"] = json!(rows_read);
    answer["seconds"] = json!(begun.elapsed().as_secs_f64());
    Ok(answer)
}

/// Opens the repository for writing; another writer gets some time to end.
fn open_patiently(writer: &Writer) -> Result<Repository, Failure> {
    let begun = Instant::now();
    loop {
        match Repository::open_writer(disk_at(&writer.store).map_err(VersionError::from)?, None) {
            Err(VersionError::Store(StoreError::Locked { .. })) if begun.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(20));
            }
            other => return Ok(other?),
        }
    }
}

/// Finds the commit that a request has made already: the one with its key, or else the newest one if it is of the same body.
fn replayed(repo: &Repository, order: &Order, body: &Spooled) -> Result<Option<CommitIndex>, Response> {
    let metadata = |commit| Ok::<_, Response>(repo.commit(commit).map_err(Failure::from)?.body.metadata);
    let Some(key) = &order.key else {
        let Some(head) = repo.head(&order.branch) else { return Ok(None) };
        let held = metadata(head)?;
        return Ok((held.get(HASH) == Some(&order.mark(body))).then_some(head));
    };
    let candidates: Vec<CommitIndex> = match commits_with(repo, &[KEY, key]).map_err(Failure::from)? {
        Some(found) => found.into_iter().collect(),
        None => (0..repo.len()).collect(),
    };
    for commit in candidates {
        let held = metadata(commit)?;
        if held.get(KEY) != Some(key) {
            continue;
        }
        if held.get(HASH) != Some(&order.mark(body)) {
            let text =
                format!("the Idempotency-Key `{key}` was used for other rows, in commit {}", repo.entry(commit).id);
            return Err(Response::refused(
                422,
                &text,
                "each request has a key of its own; only its repetitions share it",
            ));
        }
        return Ok(Some(commit));
    }
    Ok(None)
}

impl Order {
    fn of(head: &Head, name: &str) -> Result<Self, Response> {
        let parameters = Parameters::of(head, &["missing", "branch", "message", "id", "vector"])?;
        check_collection(name).map_err(|e| Response::error(400, e.to_string()))?;
        let branch = parameters.text("branch")?.unwrap_or(MAIN);
        check_name("branch", branch).map_err(Failure::from)?;
        let key = head.header("idempotency-key").map(|key| key.trim_matches('"').to_owned());
        if key.as_ref().is_some_and(|key| key.is_empty() || key.len() > 256) {
            return Err(Response::error(400, "an Idempotency-Key has 1 to 256 bytes"));
        }
        let owned = |name: &str| parameters.text(name).map(|text| text.map(str::to_owned));
        Ok(Self {
            collection: name.to_owned(),
            branch: branch.to_owned(),
            message: parameters.text("message")?.map_or_else(|| format!("POST {name}"), str::to_owned),
            missing: match parameters.text("missing")?.unwrap_or("keep") {
                "keep" => Missing::Keep,
                "delete" => Missing::Delete,
                _ => return Err(Response::error(400, "`missing` is keep or delete")),
            },
            id: owned("id")?,
            vector: owned("vector")?,
            key,
        })
    }

    /// Returns what tells the same request from another one.
    fn mark(&self, body: &Spooled) -> String {
        let delete = self.missing == Missing::Delete;
        let asked = format!("{} {delete} {:?} {:?}", self.collection, self.id, self.vector);
        blake3::Hasher::new().update(body.hash.as_bytes()).update(asked.as_bytes()).finalize().to_hex().to_string()
    }

    /// Says as a pipeline what is asked: the whole body is one epoch, which becomes one commit.
    fn pipeline(&self, writer: &Writer, body: &Spooled) -> Pipeline {
        let window = "epoch".to_owned();
        let mut metadata = BTreeMap::from([(HASH.to_owned(), self.mark(body))]);
        metadata.extend(self.key.clone().map(|key| (KEY.to_owned(), key)));
        Pipeline {
            settings: Settings {
                name: "post".to_owned(),
                store: writer.store.clone(),
                memory_bytes: MEMORY,
                ..Settings::default()
            },
            sources: vec![Source {
                name: self.collection.clone(),
                kind: SourceKind::Files,
                inputs: vec![Input::File(body.path.clone())],
                order: FileOrder::Given,
                id: self.id.clone(),
                vector: self.vector.clone(),
                dims: None,
                collection: self.collection.clone(),
                missing: self.missing,
                epoch: true,
                meta: Vec::new(),
                watch: false,
                deleted: None,
                server: None,
                on_reject: OnReject::Stop,
            }],
            capture: Capture::default(),
            routes: vec![Route {
                name: "all".to_owned(),
                matches: "**".to_owned(),
                when: When::default(),
                window: window.clone(),
                to: Vec::new(),
                continues: false,
                priority: Priority::Normal,
                ttl: None,
            }],
            windows: vec![Window::new(window, Close::Epoch)],
            version: Version {
                branch: self.branch.clone(),
                message: Some(self.message.clone()),
                metadata,
                ..Version::default()
            },
            ..Pipeline::default()
        }
    }
}
