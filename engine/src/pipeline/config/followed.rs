//! Servers that sources follow: what is asked of them, and what cannot be right about it.

use std::time::Duration;

use super::check::Checks;
use super::codes::{NOT_WITH_KIND, PARTITION};
use super::diagnostic::Diagnostic;
use super::servers::{self, NatsStream, SqlTable, StreamKeeps};
use super::types::{Source, SourceKind};
use super::view::View;
use crate::capture::Detector;

/// A source that is followed on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceServer {
    /// Where, and what is there.
    pub place: Followed,
    /// Whether more is waited for when all that is there was read.
    pub follow: bool,
    /// How long the server may be away; without an end when absent.
    pub patience: Option<Duration>,
}

/// What is followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Followed {
    /// Messages of a stream.
    Nats {
        /// The stream.
        stream: NatsStream,
        /// What the messages hold.
        format: MessageFormat,
        /// What happens when messages were removed before they were read.
        on_gap: OnGap,
        /// The field that says that an id is gone, for JSON lines.
        deleted: Option<String>,
        /// The one partition that is worked on, where the work is divided.
        only: Option<u32>,
    },
    /// Rows of a table.
    Postgres {
        /// The table.
        table: SqlTable,
        /// The column that grows with every change.
        version: String,
        /// The column that says that a row is gone.
        deleted: Option<String>,
        /// The time between two looks.
        poll: Duration,
        /// How long a transaction may take between taking its version and its end.
        overlap: Duration,
    },
}

/// What messages hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MessageFormat {
    /// Deltas, as the sink writes them.
    #[default]
    Deltas,
    /// JSON lines.
    Jsonl,
}

/// What happens at a gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnGap {
    /// The run ends.
    #[default]
    Stop,
    /// It goes on behind the gap.
    Skip,
}

/// The keys of one kind of source alone.
const OWN_KEYS: &[(&str, &[SourceKind])] = &[
    ("url", &[SourceKind::Nats, SourceKind::Postgres]),
    ("stream", &[SourceKind::Nats]),
    ("subject", &[SourceKind::Nats]),
    ("partitions", &[SourceKind::Nats]),
    ("format", &[SourceKind::Nats]),
    ("on_gap", &[SourceKind::Nats]),
    ("table", &[SourceKind::Postgres]),
    ("version", &[SourceKind::Postgres]),
    ("deleted", &[SourceKind::Nats, SourceKind::Postgres]),
    ("poll", &[SourceKind::Postgres]),
    ("overlap", &[SourceKind::Postgres]),
    ("follow", &[SourceKind::Nats, SourceKind::Postgres]),
    ("patience", &[SourceKind::Nats, SourceKind::Postgres]),
];

/// Reads what a source follows; `None` for files.
pub(super) fn read(kind: SourceKind, view: View<'_>, vector: Option<String>) -> Option<SourceServer> {
    let text = |key: &str| view.text(key).unwrap_or_default();
    let place = match kind {
        SourceKind::Nats => Followed::Nats {
            stream: NatsStream {
                url: text("url"),
                stream: text("stream"),
                subject: text("subject"),
                partitions: view.count_32("partitions").unwrap_or(1),
                keeps: StreamKeeps::default(),
            },
            format: view.choice("format").unwrap_or_default(),
            on_gap: view.choice("on_gap").unwrap_or_default(),
            deleted: view.text("deleted"),
            only: None,
        },
        SourceKind::Postgres => Followed::Postgres {
            table: SqlTable {
                url: text("url"),
                table: text("table"),
                id: view.text("id").unwrap_or_else(|| "id".to_owned()),
                vector: vector.unwrap_or_else(|| "embedding".to_owned()),
                writer: String::new(),
            },
            version: text("version"),
            deleted: view.text("deleted"),
            poll: view.duration("poll").unwrap_or(Duration::from_secs(1)),
            overlap: view.duration("overlap").unwrap_or(Duration::from_secs(10)),
        },
        _ => return None,
    };
    Some(SourceServer { place, follow: view.bool("follow").unwrap_or(true), patience: view.duration("patience") })
}

/// Checks the settings of what a source follows, and that nobody else has its keys.
pub(super) fn check(checks: &mut Checks<'_, '_>, source: &Source) {
    let section = ["source", source.name.as_str()];
    let kind = source.kind.name();
    for (key, kinds) in OWN_KEYS {
        if !kinds.contains(&source.kind) {
            servers::check_not_here(checks, &section, key, kind);
        }
    }
    let Some(server) = &source.server else { return };
    servers::check_built(checks, &section, kind);
    for key in ["path", "order", "watch"] {
        servers::check_not_here(checks, &section, key, kind);
    }
    if checks.is_true(&["source", &source.name, "epoch"]) {
        refuse(checks, source, "epoch", "what is followed is a stream of changes", "remove `epoch`");
    }
    servers::check_scheme(checks, &section, kind);
    match &server.place {
        Followed::Postgres { .. } => servers::check_needs(
            checks,
            &section,
            &[
                ("url", "an address such as \"postgres://ann@db.example/vectors\""),
                ("table", "the table that is followed"),
                ("version", "a column that grows with every change, such as one of the type xid8"),
            ],
        ),
        Followed::Nats { stream, format, .. } => {
            servers::check_needs(
                checks,
                &section,
                &[
                    ("url", "an address such as \"nats://127.0.0.1:4222\""),
                    ("stream", "the stream's name"),
                    ("subject", "the subjects' first words, as the sink has them; for JSON lines a subject"),
                ],
            );
            servers::check_names(checks, &section, stream, *format == MessageFormat::Jsonl);
            match format {
                MessageFormat::Deltas => check_deltas(checks, source, &section),
                MessageFormat::Jsonl => {
                    if checks.place(&["source", &source.name, "partitions"]).is_some() {
                        refuse(
                            checks,
                            source,
                            "partitions",
                            "messages of others are not divided by us",
                            "remove `partitions`",
                        );
                    }
                }
            }
        }
    }
}

/// Deltas fit the exact state that they name: nothing may come between.
fn check_deltas(checks: &mut Checks<'_, '_>, source: &Source, section: &[&str; 2]) {
    servers::check_needs(checks, section, &[("partitions", "into how many subjects the sink divides, such as 8")]);
    for key in ["id", "vector", "deleted"] {
        if checks.place(&["source", &source.name, key]).is_some() {
            refuse(checks, source, key, "a delta says it itself", "remove it, or set `format = \"jsonl\"`");
        }
    }
    if checks.place(&["source", &source.name, "on_gap"]).is_some() {
        refuse(
            checks,
            source,
            "on_gap",
            "the deltas behind a gap fit no state",
            "remove `on_gap`, or set `format = \"jsonl\"`",
        );
    }
    let pipeline = checks.pipeline;
    let lossy = pipeline.capture.epsilon > 0.0 || matches!(pipeline.capture.detect, Detector::Any(_));
    let wrong = [
        (lossy, ["capture", "detect"], "thresholds"),
        (pipeline.capture.min_interval.is_some(), ["capture", "min_interval"], "`min_interval`"),
        (!pipeline.apply.transform.is_empty(), ["apply", "transform"], "`transform`"),
    ];
    for (_, path, what) in wrong.into_iter().filter(|(is, _, _)| *is) {
        let message = format!("{what} cannot be honoured with the deltas of source \"{}\"", source.name);
        let diagnostic = Diagnostic::error(NOT_WITH_KIND, message)
            .label("each delta fits the exact bits that the one before it left")
            .help("let the pipeline that publishes do it, or set `format = \"jsonl\"`");
        checks.report_at(&path, diagnostic);
    }
}

fn refuse(checks: &mut Checks<'_, '_>, source: &Source, key: &str, why: &str, help: &str) {
    let message = format!("`{key}` cannot be honoured in source \"{}\"", source.name);
    let diagnostic = Diagnostic::error(NOT_WITH_KIND, message).label(why).help(help);
    checks.report_at(&["source", &source.name, key], diagnostic);
}

/// `{partition}` in a store needs sources that are divided.
pub(super) fn check_partition(checks: &mut Checks<'_, '_>) {
    let pipeline = checks.pipeline;
    if !pipeline.is_divided() {
        for sink in pipeline.sinks.iter().filter(|sink| sink.names_partition()) {
            let message = format!("sink \"{}\" has no partitions", sink.name);
            let diagnostic = Diagnostic::error(PARTITION, message)
                .label("`{partition}` stands here, but not in `store`")
                .help("put `{partition}` into `store` as well, or remove it here");
            checks.report_key(&["sink", &sink.name], diagnostic);
        }
        return;
    }
    let divided = |source: &&Source| source.partitions().is_none();
    if let Some(source) = pipeline.sources.iter().find(divided) {
        let message = format!("source \"{}\" is not divided into partitions", source.name);
        let diagnostic = Diagnostic::error(PARTITION, message)
            .label("every repository of `store` would get all of it")
            .help("use a source with `kind = \"nats\"` and `partitions`, or remove `{partition}` from `store`");
        return checks.report_at(&["pipeline", "store"], diagnostic);
    }
    let mut counts: Vec<u32> = pipeline.sources.iter().filter_map(Source::partitions).collect();
    counts.dedup();
    if counts.len() > 1 {
        let diagnostic = Diagnostic::error(PARTITION, "the sources are divided into different numbers of partitions")
            .label(format!("{} and {}", counts[0], counts[1]))
            .help("give all sources the same `partitions`, or make two files of it");
        checks.report_at(&["pipeline", "store"], diagnostic);
    }
    for sink in &pipeline.sinks {
        if !sink.is_divided() {
            let message = format!("the workers would write sink \"{}\" at once", sink.name);
            let diagnostic = Diagnostic::error(PARTITION, message)
                .label("the partitions share this place")
                .help("put `{partition}` into its path or subject");
            checks.report_key(&["sink", &sink.name], diagnostic);
        }
    }
}
