//! The table of all keys: name, type, default, meaning.

use super::keys::Need::{Default, Optional, Required};
use super::keys::{Key, Kind, Need, Section, Word};

const fn key(name: &'static str, kind: Kind, need: Need, doc: &'static str) -> Key {
    Key {
        name,
        kind,
        need,
        doc,
    }
}

const fn word(name: &'static str, doc: &'static str) -> Word {
    Word { name, doc }
}

const fn section(
    header: &'static str,
    noun: &'static str,
    doc: &'static str,
    keys: &'static [Key],
) -> Section {
    Section {
        header,
        noun,
        doc,
        choose_one: false,
        keys,
    }
}

const ANY_NUMBER_FROM_0: Kind = Kind::Number {
    min: 0.0,
    max: f64::INFINITY,
};
const COUNT_FROM_1: Kind = Kind::Count {
    min: 1,
    max: u64::MAX,
};
const COUNT_32: Kind = Kind::Count {
    min: 1,
    max: u32::MAX as u64,
};
const THREADS: Kind = Kind::Count { min: 1, max: 1024 };
const SOME_TIME: Kind = Kind::Duration { zero: false };

/// The whole file.
pub(super) static ROOT: Section = section(
    "the top of the file",
    "pipeline file",
    "A pipeline file says where vectors come from, what counts as a change, how changes are grouped into commits, and where they go.",
    &[
        key(
            "config_version",
            Kind::Count {
                min: 0,
                max: u64::MAX,
            },
            Required,
            "The version of this format: 1.",
        ),
        key(
            "pipeline",
            Kind::Table(&PIPELINE),
            Required,
            "What holds for the whole pipeline.",
        ),
        key(
            "source",
            Kind::Named(&SOURCE),
            Required,
            "Where vectors are read.",
        ),
        key(
            "capture",
            Kind::Table(&CAPTURE),
            Optional("every changed bit is captured"),
            "When a difference is worth a delta.",
        ),
        key(
            "route",
            Kind::Rows(&ROUTE),
            Optional("one route, `default`: everything into one window and to every sink"),
            "Who gets a delta.",
        ),
        key(
            "window",
            Kind::Named(&WINDOW),
            Optional("the built-in window `epoch`: one commit per file"),
            "What is collected into one commit.",
        ),
        key(
            "apply",
            Kind::Table(&APPLY),
            Optional("nothing is checked"),
            "What is checked before a commit.",
        ),
        key(
            "version",
            Kind::Table(&VERSION),
            Optional("commits go to the branch `main`"),
            "How windows become commits.",
        ),
        key(
            "sink",
            Kind::Named(&SINK),
            Optional("only the repository is written"),
            "Where results are written besides the repository.",
        ),
        key(
            "test",
            Kind::Rows(&TEST),
            Optional("no tests"),
            "Cases that `vecdelta test` runs.",
        ),
    ],
);

/// `[pipeline]`.
pub(super) static PIPELINE: Section = section(
    "[pipeline]",
    "pipeline",
    "What holds for the whole pipeline.",
    &[
        key(
            "name",
            Kind::Text,
            Optional("the file's name without `.toml`"),
            "The name in messages, graphs and metrics.",
        ),
        key(
            "store",
            Kind::Path,
            Required,
            "The repository's directory; it is created when absent.",
        ),
        key(
            "memory",
            Kind::Size,
            Default("\"2GiB\""),
            "One byte budget over every queue and open window; when it is used up, sources wait.",
        ),
        key(
            "drain",
            Kind::Duration { zero: true },
            Default("\"30s\""),
            "How long a stop may take to close windows and commit; exit code 75 when it takes longer.",
        ),
        key(
            "author",
            Kind::Text,
            Optional("the author that `vecdelta ingest` would write"),
            "The author on the commits.",
        ),
        key(
            "threads",
            THREADS,
            Optional("one per core"),
            "How many threads to use. Results do not depend on it.",
        ),
    ],
);

/// The formats of a source.
pub(super) static SOURCE_KINDS: &[Word] = &[
    word("parquet", "Parquet"),
    word("arrow", "Arrow IPC, file or stream"),
    word(
        "npy",
        "NumPy, two dimensions; ids are row numbers or a side-car `.ids.txt`",
    ),
    word("fvecs", "`.fvecs` and `.bvecs`; ids are row numbers"),
    word(
        "safetensors",
        "a tensor of two dimensions; ids are row numbers",
    ),
    word(
        "jsonl",
        "JSON lines; the only kind that can be read from standard input",
    ),
    word("files", "any of these, told by content"),
];

/// The orders of files.
pub(super) static FILE_ORDERS: &[Word] = &[
    word("file_name", "by path, byte by byte"),
    word("given", "as `path` lists them, by path within one glob"),
    word("modified", "oldest modification first"),
];

/// What becomes of missing ids.
pub(super) static MISSING: &[Word] = &[
    word("keep", "they stay"),
    word("delete", "they are deleted"),
];

/// `[source.NAME]`.
pub(super) static SOURCE: Section = section(
    "[source.NAME]",
    "source",
    "Where vectors are read. NAME is made of letters, digits, `_`, `-` and `.`; several sources may fill one collection.",
    &[
        key(
            "kind",
            Kind::Word(SOURCE_KINDS),
            Required,
            "The format of the input.",
        ),
        key(
            "path",
            Kind::Either(&[Kind::PathGlob, Kind::List(&Kind::PathGlob, 1)]),
            Required,
            "A path, a glob, or a list of them, relative to this file; `-` is standard input.",
        ),
        key(
            "order",
            Kind::Word(FILE_ORDERS),
            Default("\"file_name\""),
            "The order in which files are read, hence the order of the commits.",
        ),
        key(
            "id",
            Kind::Text,
            Optional("found, when one column can be it"),
            "The column or field that holds the id.",
        ),
        key(
            "vector",
            Kind::Either(&[Kind::Text, Kind::Table(&VECTOR)]),
            Optional("found, when one column can be it"),
            "The column, field or tensor that holds the vector.",
        ),
        key(
            "collection",
            Kind::Name,
            Optional("the source's NAME"),
            "The collection that receives the rows.",
        ),
        key(
            "missing",
            Kind::Word(MISSING),
            Default("\"keep\""),
            "What becomes of ids that an epoch does not hold.",
        ),
        key(
            "epoch",
            Kind::Bool,
            Default("true"),
            "Whether each file is a whole epoch. With `false` rows are a stream of changes.",
        ),
    ],
);

/// `vector = { .. }`.
pub(super) static VECTOR: Section = section(
    "vector",
    "vector",
    "The vector column of a source, with the width it must have.",
    &[
        key(
            "column",
            Kind::Text,
            Optional("found, when one column can be it"),
            "The column, field or tensor.",
        ),
        key(
            "dims",
            COUNT_32,
            Optional("the width that the first file has"),
            "The width; a row of another width is refused.",
        ),
    ],
);

/// `[capture]`.
pub(super) static CAPTURE: Section = section(
    "[capture]",
    "capture",
    "When a difference between a row and the repository's state is worth a delta. The comparison is always with what the deltas rebuild, so a tolerance bounds the error for ever.",
    &[
        key(
            "detect",
            Kind::Either(&[Kind::Word(ANY_BIT), Kind::Table(&DETECT)]),
            Default("\"any_bit\""),
            "What counts as changed.",
        ),
        key(
            "epsilon",
            ANY_NUMBER_FROM_0,
            Default("0.0"),
            "Components that moved by at most this much keep their old bits. 0 keeps replay bit-exact.",
        ),
        key(
            "min_interval",
            SOME_TIME,
            Optional("every change is captured"),
            "The least time between two deltas of one id; later changes in between are merged. Needs a source with `epoch = false`.",
        ),
        key(
            "buffer_limit",
            COUNT_FROM_1,
            Optional("only `memory` bounds it"),
            "The most rows that may wait to be compared; then the source waits.",
        ),
        key(
            "heartbeat",
            SOME_TIME,
            Optional("no heartbeats"),
            "How often a quiet live source reports that it is alive. Needs a source that reads standard input.",
        ),
    ],
);

/// The word for the detector without thresholds.
pub(super) static ANY_BIT: &[Word] = &[word("any_bit", "a row is captured when any bit differs")];

/// `detect = { .. }`.
pub(super) static DETECT: Section = section(
    "detect",
    "detect",
    "Thresholds of change.",
    &[key(
        "any",
        Kind::List(&Kind::Table(&DETECTOR), 1),
        Required,
        "A row is captured when any of these is reached.",
    )],
);

/// One entry of `detect.any`.
pub(super) static DETECTOR: Section = Section {
    header: "detect.any",
    noun: "detector",
    doc: "One threshold: exactly one of these keys.",
    choose_one: true,
    keys: &[
        key(
            "l2",
            ANY_NUMBER_FROM_0,
            Optional("not compared"),
            "Euclidean distance of at least this.",
        ),
        key(
            "cosine",
            Kind::Number { min: 0.0, max: 2.0 },
            Optional("not compared"),
            "Cosine distance (one minus the cosine) of at least this.",
        ),
        key(
            "max_abs",
            ANY_NUMBER_FROM_0,
            Optional("not compared"),
            "One component that moved by at least this.",
        ),
        key(
            "bits",
            Kind::True,
            Optional("not compared"),
            "Any bit that differs.",
        ),
    ],
};

/// The kinds of change.
pub(super) static CHANGES: &[Word] = &[
    word("insert", "a new id"),
    word("update", "another value of a known id"),
    word("delete", "an id that is gone"),
];

/// `[[route]]`.
pub(super) static ROUTE: Section = section(
    "[[route]]",
    "route",
    "Who gets a delta. Routes are tried in order; the first that matches takes the delta, unless it says `continue = true`.",
    &[
        key(
            "name",
            Kind::Name,
            Optional("`route-N`, counted from 1"),
            "The name in messages, tests and metrics.",
        ),
        key(
            "match",
            Kind::SourceGlob,
            Default("\"**\""),
            "A glob over `collection/key`: `*` and `?` within one segment, `**` across segments, `{a,b}` for either.",
        ),
        key(
            "when",
            Kind::Table(&WHEN),
            Optional("always"),
            "Further conditions; all must hold.",
        ),
        key(
            "window",
            Kind::Name,
            Optional("the only window of the file, or `epoch`"),
            "The window that collects the deltas.",
        ),
        key(
            "to",
            Kind::List(&Kind::Name, 0),
            Optional("every sink"),
            "The sinks that receive the closed windows.",
        ),
        key(
            "continue",
            Kind::Bool,
            Default("false"),
            "Whether later routes see the delta as well.",
        ),
    ],
);

/// `when = { .. }`.
pub(super) static WHEN: Section = section(
    "when",
    "when",
    "A route's conditions; all must hold.",
    &[
        key(
            "min_l2",
            ANY_NUMBER_FROM_0,
            Optional("any distance"),
            "The least Euclidean distance; the norm for inserts and deletes.",
        ),
        key(
            "change",
            Kind::List(&Kind::Word(CHANGES), 1),
            Optional("all kinds"),
            "The kinds of change.",
        ),
        key(
            "collection",
            Kind::Name,
            Optional("any collection"),
            "The collection.",
        ),
    ],
);

/// `[window.NAME]`.
pub(super) static WINDOW: Section = section(
    "[window.NAME]",
    "window",
    "What is collected into one commit. The window `epoch` exists without being defined: it closes at the end of every file.",
    &[key(
        "close",
        Kind::Table(&CLOSE),
        Required,
        "What closes it: the end of an epoch, or whichever of the others comes first.",
    )],
);

/// `close = { .. }`.
pub(super) static CLOSE: Section = section(
    "close",
    "close",
    "What closes a window: `epoch` alone, or any of the others, whichever comes first.",
    &[
        key(
            "epoch",
            Kind::True,
            Optional("epochs do not matter"),
            "The end of an epoch: one commit per file.",
        ),
        key(
            "after",
            SOME_TIME,
            Optional("time does not matter"),
            "Time since the first delta.",
        ),
        key(
            "count",
            COUNT_FROM_1,
            Optional("the number does not matter"),
            "Number of deltas.",
        ),
        key(
            "bytes",
            Kind::Size,
            Optional("the size does not matter"),
            "Bytes of deltas; at most `memory`.",
        ),
        key(
            "on_meta",
            Kind::Text,
            Optional("metadata does not matter"),
            "A delta that carries this metadata key.",
        ),
    ],
);

/// `[apply]`.
pub(super) static APPLY: Section = section(
    "[apply]",
    "apply",
    "What is checked before a window is committed.",
    &[key(
        "validate",
        Kind::List(
            &Kind::Either(&[Kind::Word(VALIDATORS), Kind::Table(&VALIDATOR)]),
            0,
        ),
        Default("[]"),
        "Checks that every new vector must pass, in order.",
    )],
);

/// The checks without a parameter.
pub(super) static VALIDATORS: &[Word] = &[word("finite", "no NaN, no infinity")];

/// One entry of `validate`.
pub(super) static VALIDATOR: Section = Section {
    header: "validate",
    noun: "validator",
    doc: "One check: exactly one of these keys.",
    choose_one: true,
    keys: &[
        key(
            "max_abs",
            ANY_NUMBER_FROM_0,
            Optional("not checked"),
            "No component further than this from 0.",
        ),
        key(
            "max_l2",
            ANY_NUMBER_FROM_0,
            Optional("not checked"),
            "No norm above this.",
        ),
        key(
            "lock_dims",
            Kind::DimRange,
            Optional("not checked"),
            "These components never change after the insert; the end is not part of the range.",
        ),
    ],
};

/// `[version]`.
pub(super) static VERSION: Section = section(
    "[version]",
    "version",
    "How windows become commits.",
    &[
        key(
            "branch",
            Kind::Text,
            Default("\"main\""),
            "The branch that moves; it is created when absent.",
        ),
        key(
            "message",
            Kind::Template(&["file", "source"]),
            Optional("a message that tells the file or the window"),
            "The message of the commits.",
        ),
        key(
            "snapshot",
            Kind::Table(&SNAPSHOT),
            Optional("the repository's own rule"),
            "When to write a snapshot, which bounds the time of a replay.",
        ),
    ],
);

/// `snapshot = { .. }`.
pub(super) static SNAPSHOT: Section = section(
    "snapshot",
    "snapshot",
    "When to write a snapshot: whichever comes first.",
    &[
        key(
            "every",
            COUNT_32,
            Optional("the number does not matter"),
            "After so many commits.",
        ),
        key(
            "or_bytes",
            Kind::Size,
            Optional("the size does not matter"),
            "After so many bytes of deltas.",
        ),
    ],
);

/// The formats of a sink.
pub(super) static SINK_KINDS: &[Word] = &[
    word("parquet", "Parquet"),
    word("arrow", "Arrow IPC"),
    word("npy", "NumPy with a side-car `.ids.txt`; whole tables only"),
    word("jsonl", "JSON lines"),
];

/// What a sink writes.
pub(super) static SINK_CONTENTS: &[Word] = &[
    word("deltas", "what changed"),
    word("table", "the whole table after the last commit"),
];

/// The fields of a JSON line.
pub(super) static SINK_FIELDS: &[Word] = &[
    word("source", "`collection/key`"),
    word("collection", "the collection"),
    word("id", "the key"),
    word("change", "`insert`, `update` or `delete`"),
    word("changed_dims", "how many components differ"),
    word("l2", "Euclidean distance"),
    word("cosine", "cosine distance"),
    word("max_abs", "the largest move of a component"),
    word("route", "the route"),
    word("commit", "the commit's hash"),
    word("time", "the commit's time"),
    word("base", "the hash of the row before"),
    word("result", "the hash of the row after"),
    word("vector", "the new vector, as numbers"),
    word("bits", "the new vector, as bits in hex"),
];

/// `[sink.NAME]`.
pub(super) static SINK: Section = section(
    "[sink.NAME]",
    "sink",
    "Where results are written besides the repository.",
    &[
        key("kind", Kind::Word(SINK_KINDS), Required, "The format."),
        key(
            "path",
            Kind::Template(&["branch", "collection"]),
            Required,
            "The directory or file, relative to this file.",
        ),
        key(
            "what",
            Kind::Word(SINK_CONTENTS),
            Default("\"deltas\""),
            "What to write.",
        ),
        key(
            "fields",
            Kind::List(&Kind::Word(SINK_FIELDS), 1),
            Optional("those that fit `what`"),
            "The fields of a line; for `jsonl` only.",
        ),
    ],
);

/// `[[test]]`.
pub(super) static TEST: Section = section(
    "[[test]]",
    "test",
    "A case that `vecdelta test` runs without reading any input.",
    &[
        key("name", Kind::Text, Required, "What is claimed."),
        key(
            "given",
            Kind::Table(&GIVEN),
            Required,
            "The change of one id.",
        ),
        key(
            "expect",
            Kind::Table(&EXPECT),
            Required,
            "What must become of it; what is left out is not compared.",
        ),
    ],
);

/// `given = { .. }`.
pub(super) static GIVEN: Section = section(
    "given",
    "given",
    "The change of one id: without `before` an insert, without `after` a delete.",
    &[
        key("id", Kind::Text, Required, "The id."),
        key(
            "collection",
            Kind::Name,
            Optional("the only collection of the file"),
            "The collection.",
        ),
        key(
            "before",
            Kind::List(&Kind::AnyNumber, 1),
            Optional("the id is new"),
            "The vector before.",
        ),
        key(
            "after",
            Kind::List(&Kind::AnyNumber, 1),
            Optional("the id is deleted"),
            "The vector after.",
        ),
    ],
);

/// `expect = { .. }`.
pub(super) static EXPECT: Section = section(
    "expect",
    "expect",
    "What must become of the change.",
    &[
        key(
            "captured",
            Kind::Bool,
            Optional("not compared"),
            "Whether capture makes a delta of it.",
        ),
        key(
            "change",
            Kind::Word(CHANGES),
            Optional("not compared"),
            "The kind of the delta.",
        ),
        key(
            "changed_dims",
            Kind::Count {
                min: 0,
                max: u32::MAX as u64,
            },
            Optional("not compared"),
            "How many components differ.",
        ),
        key(
            "route",
            Kind::Name,
            Optional("not compared"),
            "The first route that takes it.",
        ),
        key(
            "to",
            Kind::List(&Kind::Name, 0),
            Optional("not compared"),
            "The sinks that receive it.",
        ),
    ],
);

/// A setting that is known by name and refused, because this version could not honour it.
#[derive(Debug)]
pub(super) struct Later {
    /// The section's header; empty for any.
    pub(super) section: &'static str,
    pub(super) key: &'static str,
    /// The value, when the key itself is supported.
    pub(super) value: Option<&'static str>,
    /// What to do instead.
    pub(super) instead: &'static str,
}

impl Later {
    /// Returns the section's noun, for example `sink`.
    pub(super) fn noun(&self) -> &'static str {
        let noun = self.section.trim_start_matches('[');
        noun.split(['.', ']']).next().unwrap_or(noun)
    }
}

const fn later(section: &'static str, key: &'static str, instead: &'static str) -> Later {
    Later {
        section,
        key,
        value: None,
        instead,
    }
}

const fn later_value(
    section: &'static str,
    key: &'static str,
    value: &'static str,
    instead: &'static str,
) -> Later {
    Later {
        section,
        key,
        value: Some(value),
        instead,
    }
}

/// The settings that are refused by name.
pub(super) static LATER: &[Later] = &[
    later("[pipeline]", "checkpoint", "remove it"),
    later(
        "[source.NAME]",
        "meta",
        "remove it: columns are not read as metadata",
    ),
    later(
        "[capture]",
        "encode",
        "remove it: deltas are differences of bit patterns, which replay and undo exactly",
    ),
    later(
        "[[route]]",
        "priority",
        "remove it: routes are served in the order of the file",
    ),
    later("[[route]]", "ttl", "remove it: a delta never grows too old"),
    later(
        "when",
        "meta",
        "use `match`, `min_l2`, `change` or `collection`",
    ),
    later(
        "when",
        "hours",
        "use `match`, `min_l2`, `change` or `collection`",
    ),
    later(
        "[window.NAME]",
        "clock",
        "remove it: windows run by the time of arrival",
    ),
    later(
        "[window.NAME]",
        "late",
        "remove it: windows run by the time of arrival, where nothing is late",
    ),
    later(
        "close",
        "idle",
        "use `after`, which counts from the first delta of the window",
    ),
    later(
        "[apply]",
        "transform",
        "transform vectors before they reach the source",
    ),
    later(
        "[apply]",
        "conflict",
        "remove it: a delta for another state is refused; `vecdelta merge` has strategies",
    ),
    later(
        "[apply]",
        "base",
        "remove it: a delta applies only to the state that it names",
    ),
    later(
        "[version]",
        "commit",
        "remove it: every closed window is a commit",
    ),
    later("[sink.NAME]", "guarantee", "remove it"),
    later("[sink.NAME]", "on_slow", "remove it"),
    later("[sink.NAME]", "roll", "remove it"),
    later("[sink.NAME]", "partitions", "remove it"),
    later("[sink.NAME]", "stream", "use a sink that writes files"),
    later("[sink.NAME]", "subject", "use a sink that writes files"),
    later(
        "[sink.NAME]",
        "url",
        "use a sink that writes files, with `path`",
    ),
    later(
        "given",
        "meta",
        "remove it: columns are not read as metadata",
    ),
    later("given", "at", "use `collection` and `id`"),
    later(
        "given",
        "now",
        "remove it: no rule depends on the time of day",
    ),
    later("expect", "applied", "use `captured`"),
    later_value(
        "[sink.NAME]",
        "kind",
        "nats",
        "write files and let another program publish them",
    ),
    later_value(
        "[sink.NAME]",
        "kind",
        "postgres",
        "use `parquet`, `arrow`, `npy` or `jsonl`",
    ),
    later_value(
        "[source.NAME]",
        "kind",
        "nats",
        "use `jsonl` with `path = \"-\"` and pipe the messages in",
    ),
    later_value(
        "[source.NAME]",
        "kind",
        "postgres",
        "export the table to Parquet",
    ),
    later_value(
        "[source.NAME]",
        "kind",
        "csv",
        "convert the file to Parquet or JSON lines",
    ),
];
