//! `[sink.NAME]`, `[[test]]`.

use super::super::keys::Need::{Default, Optional, Required};
use super::super::keys::{Kind, Section, Word};
use super::{CHANGES, key, section, word};

/// The formats of a sink.
pub(in crate::pipeline::config) static SINK_KINDS: &[Word] = &[
    word("parquet", "Parquet"),
    word("arrow", "Arrow IPC"),
    word("npy", "NumPy with a side-car `.ids.txt`; whole tables only"),
    word("jsonl", "JSON lines"),
];

/// What a sink writes.
pub(in crate::pipeline::config) static SINK_CONTENTS: &[Word] =
    &[word("deltas", "what changed"), word("table", "the whole table after the last commit")];

/// The fields of a JSON line.
pub(in crate::pipeline::config) static SINK_FIELDS: &[Word] = &[
    word("source", "`collection/key`"),
    word("collection", "the collection"),
    word("id", "the key"),
    word("change", "`insert`, `update` or `delete`"),
    word("changed_dims", "how many components differ"),
    word("l2", "Euclidean distance"),
    word("cosine", "the cosine between the vectors before and after"),
    word("max_abs", "the largest move of a component"),
    word("route", "the route"),
    word("commit", "the commit's hash"),
    word("time", "the commit's time, RFC 3339 in UTC"),
    word("base", "the hash of the row before"),
    word("result", "the hash of the row after"),
    word("vector", "the new vector, as numbers; brings `bits` along"),
    word("bits", "the new vector, as little-endian bytes in hex"),
];

/// `[sink.NAME]`.
pub(in crate::pipeline::config) static SINK: Section = section(
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
        key("what", Kind::Word(SINK_CONTENTS), Default("\"deltas\""), "What to write."),
        key(
            "fields",
            Kind::List(&Kind::Word(SINK_FIELDS), 1),
            Optional("those that fit `what`"),
            "The fields of a line; for `jsonl` only.",
        ),
    ],
);

/// `[[test]]`.
pub(in crate::pipeline::config) static TEST: Section = section(
    "[[test]]",
    "test",
    "A case that `vecdelta test` runs without reading any input.",
    &[
        key("name", Kind::Text, Required, "What is claimed."),
        key("given", Kind::Table(&GIVEN), Required, "The change of one id."),
        key("expect", Kind::Table(&EXPECT), Required, "What must become of it; what is left out is not compared."),
    ],
);

/// `given = { .. }`.
pub(in crate::pipeline::config) static GIVEN: Section = section(
    "given",
    "given",
    "The change of one id: without `before` an insert, without `after` a delete.",
    &[
        key("id", Kind::Text, Required, "The id."),
        key("collection", Kind::Name, Optional("the only collection of the file"), "The collection."),
        key("before", Kind::List(&Kind::AnyNumber, 1), Optional("the id is new"), "The vector before."),
        key("after", Kind::List(&Kind::AnyNumber, 1), Optional("the id is deleted"), "The vector after."),
    ],
);

/// `expect = { .. }`.
pub(in crate::pipeline::config) static EXPECT: Section = section(
    "expect",
    "expect",
    "What must become of the change.",
    &[
        key("captured", Kind::Bool, Optional("not compared"), "Whether capture makes a delta of it."),
        key("change", Kind::Word(CHANGES), Optional("not compared"), "The kind of the delta."),
        key(
            "changed_dims",
            Kind::Count { min: 0, max: u32::MAX as u64 },
            Optional("not compared"),
            "How many components differ.",
        ),
        key("route", Kind::Name, Optional("not compared"), "The first route that takes it."),
        key("to", Kind::List(&Kind::Name, 0), Optional("not compared"), "The sinks that receive it."),
    ],
);
