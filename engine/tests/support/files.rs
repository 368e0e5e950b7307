//! Pipelines over small files in a directory of their own.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use vecdelta::delta::{Keys, Notes, RowBatch};
use vecdelta::event::Event;
use vecdelta::pipeline::config::{
    self, Close, FileOrder, Input, Missing, Pipeline, Settings, Source, SourceKind, Window,
};
use vecdelta::pipeline::{Context, Live, PipelineError, RunReport, run};
use vecdelta::version::{MAIN, Repository};

/// The time at which everything in the tests happens, unless they say otherwise.
pub const NOW: u64 = 1_750_000_000_000;

static DIRECTORIES: AtomicU32 = AtomicU32::new(0);

/// A directory that goes with the value.
pub struct Dir(pub PathBuf);

impl Dir {
    pub fn new() -> Self {
        let number = DIRECTORIES.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("vecdelta-tests-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Writes rows as JSON lines.
    pub fn jsonl(&self, name: &str, rows: &[(String, Vec<f32>)]) -> PathBuf {
        let line = |(id, vector): &(String, Vec<f32>)| serde_json::json!({ "id": id, "vector": vector }).to_string();
        let path = self.0.join(name);
        std::fs::write(&path, rows.iter().map(line).collect::<Vec<_>>().join("\n")).unwrap();
        path
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Says as a pipeline: each file is an epoch of the collection `vectors`, and one commit.
pub fn epochs(files: Vec<PathBuf>, missing: Missing) -> Pipeline {
    Pipeline {
        settings: Settings { name: "epochs".to_owned(), memory_bytes: 8 << 20, ..Settings::default() },
        sources: vec![Source {
            name: "files".to_owned(),
            kind: SourceKind::Files,
            inputs: files.into_iter().map(Input::File).collect(),
            order: FileOrder::Given,
            id: None,
            vector: None,
            dims: None,
            collection: "vectors".to_owned(),
            missing,
            epoch: true,
            meta: Vec::new(),
            watch: false,
            deleted: None,
            server: None,
            on_reject: config::OnReject::Stop,
        }],
        routes: vec![config::Route {
            name: "all".to_owned(),
            matches: "**".to_owned(),
            when: config::When::default(),
            window: "epoch".to_owned(),
            to: Vec::new(),
            continues: false,
            priority: config::Priority::Normal,
            ttl: None,
        }],
        windows: vec![Window::new("epoch".to_owned(), Close::Epoch)],
        version: config::Version { branch: MAIN.to_owned(), ..config::Version::default() },
        ..Pipeline::default()
    }
}

/// Says as a pipeline: rows are handed in for the collection `vectors`, and windows of so many go to the sinks `to` by two
/// routes of different urgency.
pub fn stream(count: u64, to: &[&str]) -> Pipeline {
    let mut pipeline = epochs(Vec::new(), Missing::Keep);
    let source = &mut pipeline.sources[0];
    (source.name, source.kind, source.inputs, source.epoch) =
        ("live".to_owned(), SourceKind::Feed, vec![Input::Feed], false);
    let triggers = config::Triggers { count: Some(count), ..config::Triggers::default() };
    pipeline.windows = vec![Window::new("w".to_owned(), Close::First(triggers))];
    let route = |name: &str, matches: &str, priority: config::Priority| config::Route {
        name: name.to_owned(),
        matches: matches.to_owned(),
        window: "w".to_owned(),
        to: to.iter().map(|&name| name.to_owned()).collect(),
        priority,
        ..pipeline.routes[0].clone()
    };
    pipeline.routes =
        vec![route("urgent", "*/k*7", config::Priority::High), route("rest", "**", config::Priority::Normal)];
    pipeline.settings.memory_bytes = 512 << 10;
    pipeline
}

/// Makes a batch of rows to be handed in.
pub fn batch(rows: &[(String, Vec<f32>)]) -> RowBatch {
    RowBatch {
        keys: Keys::from_texts(rows.iter().map(|(key, _)| key.as_str())),
        rows: rows.iter().flat_map(|(_, row)| row.iter().flat_map(|x| x.to_le_bytes())).collect::<Vec<u8>>().into(),
        first_row: 0,
        notes: Notes::default(),
    }
}

/// Runs a pipeline at a fixed time.
pub fn run_at(
    pipeline: &Pipeline,
    repo: &mut Repository,
    stop: &AtomicBool,
    resume: bool,
    listener: &(dyn Fn(&Event) + Sync),
) -> Result<RunReport, PipelineError> {
    let context = Context { now: &|| NOW, stop, listener, author: "test".to_owned(), resume, live: Live::default() };
    run(pipeline, repo, &context)
}
