//! A history: a bundle that is here as a whole, or elsewhere and read by ranges.

use std::collections::BinaryHeap;
use std::sync::Arc;

use vecdelta::delta::{Element, Measure, SortedMap, Source, Table};
use vecdelta::store::{Bundle, Disk, DiskFile, PagedFile};
use vecdelta::version::{self, CommitIndex, Metric, Query, Repository, VersionError, default_head, resolve};
use vecdelta_kernels::widen;
use wasm_bindgen::prelude::*;

use crate::error::{Failure, Result};
use crate::json;
use crate::rows::floats_of;

/// The largest length that a JavaScript number holds exactly.
const LENGTH_MAX: f64 = 9_007_199_254_740_991.0;

/// An open history. Until the ranges it lacks were filled in, every question throws the code `waiting`.
#[wasm_bindgen]
pub struct WasmHistory {
    file: PagedFile,
    name: String,
    repo: Option<Repository>,
}

/// A vector as it was at a revision.
#[wasm_bindgen]
pub struct WasmVector {
    table: Table,
    commit: String,
    row: Vec<u8>,
}

#[wasm_bindgen]
impl WasmVector {
    /// Returns the element's name.
    #[wasm_bindgen(getter)]
    pub fn element(&self) -> String {
        self.table.element.name().to_owned()
    }

    /// Returns the number of components.
    #[wasm_bindgen(getter)]
    pub fn dims(&self) -> u32 {
        self.table.dims
    }

    /// Returns the commit that last changed it, in hex.
    #[wasm_bindgen(getter)]
    pub fn commit(&self) -> String {
        self.commit.clone()
    }

    /// Returns its bits, little-endian.
    pub fn bytes(&self) -> Vec<u8> {
        self.row.clone()
    }

    /// Returns its values; those of f64 are refused, since they would be rounded.
    pub fn values(&self) -> Result<Vec<f32>> {
        match self.table.element {
            Element::F64 => Err(Failure::new("shape", "the elements are f64: use `bytes`")),
            Element::F32 => Ok(floats_of(&self.row).collect()),
            element => Ok(self.row.chunks_exact(element.size()).map(|cell| element.to_f64(cell) as f32).collect()),
        }
    }
}

#[wasm_bindgen]
impl WasmHistory {
    /// Takes the bytes of a whole bundle.
    #[wasm_bindgen(js_name = fromBytes)]
    pub fn from_bytes(bytes: &[u8]) -> WasmHistory {
        Self { file: PagedFile::whole(bytes), name: "bundle".to_owned(), repo: None }
    }

    /// Stands for a bundle of `length` bytes elsewhere, of which at most `heldMax` bytes are kept in memory.
    #[wasm_bindgen(js_name = ofLength)]
    pub fn of_length(name: &str, length: f64, held_max: f64) -> Result<WasmHistory> {
        let whole = |n: f64| (0.0..=LENGTH_MAX).contains(&n) && n.fract() == 0.0;
        if !whole(length) || !whole(held_max) {
            return Err(Failure::argument("a length is a whole number of bytes"));
        }
        Ok(Self { file: PagedFile::new(length as u64, held_max as u64), name: name.to_owned(), repo: None })
    }

    /// Tells that another question comes: what the ones before have read may go.
    pub fn begin(&self) {
        self.file.begin();
    }

    /// Returns the ranges that are lacking: begin and end of each, one after the other.
    pub fn missing(&self) -> Vec<f64> {
        self.file.missing().into_iter().flat_map(|r| [r.start as f64, r.end as f64]).collect()
    }

    /// Takes the bytes of a range that `missing` named.
    pub fn fill(&self, offset: f64, bytes: &[u8]) -> Result<()> {
        if !(0.0..=LENGTH_MAX).contains(&offset) {
            return Err(Failure::argument("an offset is a whole number of bytes"));
        }
        self.file.fill(offset as u64, bytes).map_err(|error| match error.kind() {
            std::io::ErrorKind::OutOfMemory => Failure::new("too-large", error.to_string()),
            _ => Failure::argument(error.to_string()),
        })
    }

    /// Returns how many bytes of the bundle are in memory.
    #[wasm_bindgen(getter)]
    pub fn held(&self) -> f64 {
        self.file.held() as f64
    }

    /// Returns the bytes of a bundle that is in memory as a whole.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.file.held() as usize];
        self.file.read_at(&mut bytes, 0).map_err(|error| Failure::new("unreadable", error.to_string()))?;
        Ok(bytes)
    }

    /// Opens it: reads the graph and checks that it is the one of its log.
    pub fn open(&mut self) -> Result<()> {
        if self.repo.is_none() {
            self.repo = Some(Repository::open(self.disk()?)?);
        }
        Ok(())
    }

    /// Returns commits, branches and tags, as JSON.
    pub fn summary(&self) -> Result<String> {
        let repo = self.repo()?;
        let names =
            |of: &SortedMap<String, CommitIndex>| json::map(&mut of.iter().map(|(name, &c)| (name, id(repo, c))));
        Ok(json::object([
            ("commits", json::whole(repo.len() as u64)),
            ("head", default_head(repo).map_or_else(|| "null".to_owned(), |c| json::text(&id(repo, c)))),
            ("branches", names(repo.branches())),
            ("tags", names(repo.tags())),
        ]))
    }

    /// Returns the identity of the commit that a revision names, in hex.
    pub fn resolve(&self, revision: &str) -> Result<String> {
        let repo = self.repo()?;
        Ok(id(repo, resolve(repo, revision)?))
    }

    /// Returns up to `limit` commits from a revision back, newest first, as JSON.
    pub fn log(&self, revision: Option<String>, limit: u32) -> Result<String> {
        let repo = self.repo()?;
        let Some(from) = at(repo, revision.as_deref())? else { return Ok("[]".to_owned()) };
        // Parents have lower numbers, so the highest open number is always next.
        let (mut open, mut last, mut commits) = (BinaryHeap::from([from]), None, Vec::new());
        while let Some(next) = open.pop().filter(|_| commits.len() < limit as usize) {
            if last.replace(next) != Some(next) {
                open.extend(repo.entry(next).parents.iter().copied());
                commits.push(commit(repo, next)?);
            }
        }
        Ok(json::list(commits))
    }

    /// Returns a source, `collection/key`, as it was at a revision.
    pub fn vector(&self, source: &str, revision: Option<String>) -> Result<WasmVector> {
        let repo = self.repo()?;
        let source = Source::parse(source).map_err(|e| Failure::argument(e.to_string()))?;
        let commit = at(repo, revision.as_deref())?.ok_or_else(empty)?;
        let value = version::value(repo, commit, &source)?;
        Ok(WasmVector { commit: id(repo, value.commit), table: value.table, row: value.row })
    }

    /// Returns which sources differ between two revisions and by how much, up to `limit` of them, as JSON.
    pub fn diff(&self, from: &str, to: &str, collection: Option<String>, limit: u32) -> Result<String> {
        let repo = self.repo()?;
        let (from, to) = (resolve(repo, from)?, resolve(repo, to)?);
        let (mut sources, mut count) = (Vec::new(), 0u64);
        let only = collection.as_deref().map(|c| (c, None));
        version::compare::<VersionError>(repo, from, to, only, &mut |table, measure| {
            count += 1;
            if sources.len() < limit as usize {
                sources.push(difference(table, measure));
            }
            Ok(())
        })?;
        Ok(json::object([("count", json::whole(count)), ("sources", json::list(sources))]))
    }

    /// Finds the `k` rows of a collection nearest to a query at a revision, as JSON. Every row is compared.
    pub fn search(
        &self,
        query: &[f32],
        k: u32,
        metric: &str,
        collection: Option<String>,
        revision: Option<String>,
    ) -> Result<String> {
        let repo = self.repo()?;
        let metric = match metric {
            "cosine" => Metric::Cosine,
            "l2" => Metric::L2,
            "dot" => Metric::Dot,
            other => return Err(Failure::argument(format!("`{other}` is no metric: cosine, l2 or dot"))),
        };
        let commit = at(repo, revision.as_deref())?.ok_or_else(empty)?;
        let table = version::table(repo, commit, collection.as_deref())?;
        if query.len() as u64 != u64::from(table.dims) {
            let text = format!("the query has {} components, `{}` has {}", query.len(), table.collection, table.dims);
            return Err(Failure::new("length", text));
        }
        let mut vector = Vec::new();
        widen(Element::F32, &crate::rows::bytes_of(query), &mut vector);
        let query = Query { vector, except: None, metric, k: k as usize };
        let collection = table.collection.clone();
        let found = version::search(repo, commit, &Arc::new(table), &query, &mut |_| {})?;
        let one = |f: version::Found| {
            let source = [&collection, "/", &f.key].concat();
            json::object([("source", json::text(&source)), ("score", json::number(Some(f.score)))])
        };
        Ok(json::list(found.into_iter().map(one)))
    }

    /// Checks every byte, every hash, every chain and every state, as JSON: what was read and what is wrong. In the package,
    /// the module that is loaded first comes without it (`scripts/build-web.sh`).
    pub fn verify(&self) -> Result<String> {
        let disk = self.disk()?;
        let mut report = version::verify(&disk)?;
        // The directory's hashes cover what no frame does.
        let bundle = Bundle::open(Box::new(self.file.clone()), &self.name)?;
        report.problems.extend(bundle.check()?);
        Ok(json::object([
            ("commits", json::whole(report.commits)),
            ("bytes", json::whole(report.bytes)),
            ("problems", json::list(report.problems.iter().map(|p| json::text(&p.to_string())))),
        ]))
    }
}

impl WasmHistory {
    fn disk(&self) -> Result<Arc<dyn Disk>> {
        let bundle = Bundle::open(Box::new(self.file.clone()), &self.name)?;
        if bundle.is_thin() {
            let text = "it holds only what came after some commits: `vecdelta pull` takes it";
            return Err(Failure::new("refused", text));
        }
        Ok(Arc::new(bundle))
    }

    fn repo(&self) -> Result<&Repository> {
        self.repo.as_ref().ok_or_else(|| Failure::new("refused", "the history is not open yet: call `open` first"))
    }
}

fn empty() -> Failure {
    Failure::new("not-found", "there is no commit yet")
}

/// Returns the commit that a revision names; without one, the head of `main`.
fn at(repo: &Repository, revision: Option<&str>) -> Result<Option<CommitIndex>> {
    Ok(match revision {
        Some(text) => Some(resolve(repo, text)?),
        None => default_head(repo),
    })
}

fn id(repo: &Repository, commit: CommitIndex) -> String {
    repo.entry(commit).id.to_hex()
}

fn commit(repo: &Repository, c: CommitIndex) -> Result<String> {
    let entry = repo.entry(c);
    let body = repo.commit(c)?.body;
    let collections = body.collections.iter().map(|state| {
        let element = Element::from_code(state.element).map_or("unknown", Element::name);
        json::object([
            ("name", json::text(&state.name)),
            ("dtype", json::text(element)),
            ("dims", json::whole(state.dims.into())),
            ("rows", json::whole(state.rows)),
        ])
    });
    Ok(json::object([
        ("commit", json::text(&entry.id.to_hex())),
        ("parents", json::list(entry.parents.iter().map(|&p| json::text(&id(repo, p))))),
        ("branch", json::text(&body.branch)),
        ("time", json::text(&entry.time.rfc3339())),
        ("author", json::text(&body.author)),
        ("message", json::text(&body.message)),
        ("metadata", json::map(&mut body.metadata.iter().map(|(name, value)| (name, value.clone())))),
        ("inserted", json::whole(body.counts.inserted)),
        ("updated", json::whole(body.counts.updated)),
        ("deleted", json::whole(body.counts.deleted)),
        ("collections", json::list(collections)),
        ("state_root", json::text(&body.state_root.to_hex())),
    ]))
}

fn difference(table: &Table, m: &Measure) -> String {
    json::object([
        ("source", json::text(&[&table.collection, "/", m.key].concat())),
        ("change", json::text(m.change.name())),
        ("changed_dims", json::whole(m.changed_dims.into())),
        ("l2", json::number(Some(m.l2))),
        ("cosine", json::number(m.cosine)),
        ("max_abs", json::number(Some(m.max_abs))),
    ])
}
