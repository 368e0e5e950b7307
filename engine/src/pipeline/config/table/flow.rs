//! `[[route]]`, `[window.NAME]`, `[apply]`, `[version]`.

use super::super::keys::Need::{Default, Optional, Required};
use super::super::keys::{Kind, Section, Word};
use super::{ANY_NUMBER_FROM_0, COUNT_32, COUNT_FROM_1, SOME_TIME, key, section, word};

/// The kinds of change.
pub(in crate::pipeline::config) static CHANGES: &[Word] =
    &[word("insert", "a new id"), word("update", "another value of a known id"), word("delete", "an id that is gone")];

/// `[[route]]`.
pub(in crate::pipeline::config) static ROUTE: Section = section(
    "[[route]]",
    "route",
    "Who gets a delta. Routes are tried in order; the first that matches takes the delta, unless it says `continue = true`.",
    &[
        key("name", Kind::Name, Optional("`route-N`, counted from 1"), "The name in messages, tests and metrics."),
        key(
            "match",
            Kind::SourceGlob,
            Default("\"**\""),
            "A glob over `collection/key`: `*` and `?` within one segment, `**` across segments, `{a,b}` for either.",
        ),
        key("when", Kind::Table(&WHEN), Optional("always"), "Further conditions; all must hold."),
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
            "The sinks that receive its deltas once they are committed.",
        ),
        key(
            "priority",
            Kind::Word(PRIORITIES),
            Default("\"normal\""),
            "How urgent its deltas are: a higher one overtakes on the way to a sink, but never a delta of the same id. It also says how often a refused delta is tried again.",
        ),
        key(
            "ttl",
            SOME_TIME,
            Optional("deltas never grow too old"),
            "How old a delta may be when its sink gets it; an older one becomes a dead letter.",
        ),
        key("continue", Kind::Bool, Default("false"), "Whether later routes see the delta as well."),
    ],
);

/// The priorities.
pub(in crate::pipeline::config) static PRIORITIES: &[Word] = &[
    word("low", "after everything else; refused deltas are not tried again"),
    word("normal", "as they come; three retries"),
    word("high", "before the usual; five retries"),
    word("critical", "before everything else; retries do not end"),
];

/// The values of metadata.
const META_VALUES: Kind = Kind::Either(&[Kind::Text, Kind::List(&Kind::Text, 1)]);

/// `when = { .. }`.
pub(in crate::pipeline::config) static WHEN: Section = section(
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
        key("max_l2", ANY_NUMBER_FROM_0, Optional("any distance"), "The greatest Euclidean distance."),
        key(
            "min_max_abs",
            ANY_NUMBER_FROM_0,
            Optional("any move"),
            "The least move of the component that moved furthest.",
        ),
        key(
            "max_cosine",
            Kind::Number { min: -1.0, max: 1.0 },
            Optional("any angle"),
            "The greatest cosine between the vectors before and after; inserts and deletes have none and fit.",
        ),
        key("min_dims", COUNT_32, Optional("any number"), "The least number of components that differ."),
        key("change", Kind::List(&Kind::Word(CHANGES), 1), Optional("all kinds"), "The kinds of change."),
        key(
            "meta",
            Kind::Map(&META_VALUES),
            Optional("any metadata"),
            "Metadata that the row must have: a value, or a list of which one must fit. The source names the columns with `meta`.",
        ),
        key(
            "exists",
            Kind::List(&Kind::Text, 1),
            Optional("any metadata"),
            "Metadata columns in which the row must have a value.",
        ),
        key(
            "hours",
            Kind::Hours,
            Optional("at any time"),
            "The time of day at which the row was captured, in a fixed zone; it may wrap over midnight. The end is not part of it.",
        ),
        key("collection", Kind::Name, Optional("any collection"), "The collection."),
    ],
);

/// `[window.NAME]`.
pub(in crate::pipeline::config) static WINDOW: Section = section(
    "[window.NAME]",
    "window",
    "What is collected into one commit. The window `epoch` exists without being defined: it closes at the end of every file.",
    &[
        key(
            "close",
            Kind::Table(&CLOSE),
            Required,
            "What closes it: the end of an epoch, or whichever of the others comes first.",
        ),
        key("clock", Kind::Table(&CLOCK), Optional("the time of arrival"), "The clock of `after`, `every` and `gap`."),
        key(
            "late",
            Kind::Word(LATE),
            Default("\"new_version\""),
            "What becomes of a row whose window was closed before it came.",
        ),
    ],
);

/// What becomes of what is late.
pub(in crate::pipeline::config) static LATE: &[Word] = &[
    word("new_version", "it goes into the window that is open: the table has its value"),
    word("dead_letter", "it is kept apart, with the reason; the table stays"),
];

/// The clocks.
pub(in crate::pipeline::config) static CLOCKS: &[Word] =
    &[word("processing", "the time of arrival"), word("event", "the time that each row brings along")];

/// `clock = { .. }`.
pub(in crate::pipeline::config) static CLOCK: Section = section(
    "clock",
    "clock",
    "The clock of a window.",
    &[
        key("kind", Kind::Word(CLOCKS), Required, "Whose time counts."),
        key(
            "column",
            Kind::Text,
            Optional("only with `event`, where it is required"),
            "The metadata column that holds the time of a row: RFC 3339, or milliseconds since 1970.",
        ),
        key(
            "lateness",
            Kind::Duration { zero: true },
            Default("\"0ms\""),
            "How far rows may come out of order before one is late.",
        ),
        key(
            "idle",
            SOME_TIME,
            Optional("only with `event`, where it is required"),
            "When nothing has come for so long, the clock goes on with the time of arrival, so that the last window closes. It stands still while the source is kept waiting.",
        ),
    ],
);

/// `close = { .. }`.
pub(in crate::pipeline::config) static CLOSE: Section = section(
    "close",
    "close",
    "What closes a window: `epoch` alone, or any of the others, whichever comes first.",
    &[
        key("epoch", Kind::True, Optional("epochs do not matter"), "The end of an epoch: one commit per file."),
        key("after", SOME_TIME, Optional("time does not matter"), "Time since the first delta."),
        key(
            "every",
            SOME_TIME,
            Optional("time does not matter"),
            "A tumbling window: it closes at every whole multiple of this time since 1970, such as at full minutes.",
        ),
        key(
            "gap",
            SOME_TIME,
            Optional("pauses do not matter"),
            "A session: it closes when no delta has come for so long.",
        ),
        key(
            "on_meta",
            Kind::Text,
            Optional("metadata do not matter"),
            "A metadata column: the row that has a value in it is the last one of the window.",
        ),
        key("count", COUNT_FROM_1, Optional("the number does not matter"), "Number of deltas."),
        key("bytes", Kind::Size, Optional("the size does not matter"), "Bytes of deltas; at most `memory`."),
    ],
);

/// `[apply]`.
pub(in crate::pipeline::config) static APPLY: Section = section(
    "[apply]",
    "apply",
    "What is done to every vector that is read, and what is checked before a window is committed.",
    &[
        key(
            "transform",
            Kind::List(&Kind::Either(&[Kind::Word(TRANSFORMERS), Kind::Table(&TRANSFORMER)]), 0),
            Default("[]"),
            "Steps that every vector takes before it is compared, in this order; computed in f64 and rounded once at the end. The commits say so in their metadata, under `transformed`.",
        ),
        key(
            "validate",
            Kind::List(&Kind::Either(&[Kind::Word(VALIDATORS), Kind::Table(&VALIDATOR)]), 0),
            Default("[]"),
            "Checks that every new vector must pass, as the transformers leave it, in order.",
        ),
    ],
);

/// The transformers without a parameter.
pub(in crate::pipeline::config) static TRANSFORMERS: &[Word] =
    &[word("renormalise", "divides by the Euclidean length; a vector without a direction is refused")];

/// The precisions of `round`.
static PRECISIONS: &[Word] = &[word("f16", "IEEE 754 binary16"), word("bf16", "the upper half of a binary32")];

/// One entry of `transform`.
pub(in crate::pipeline::config) static TRANSFORMER: Section = Section {
    header: "transform",
    noun: "transformer",
    doc: "One step: exactly one of these keys.",
    choose_one: true,
    keys: &[
        key("scale", ANY_NUMBER_FROM_0, Optional("not scaled"), "Multiplies every component."),
        key("clip", ANY_NUMBER_FROM_0, Optional("not clipped"), "Moves every component to within this distance of 0."),
        key(
            "round",
            Kind::Word(PRECISIONS),
            Optional("not rounded"),
            "Rounds every component to what a smaller type can hold, ties to even; the collection's type stays.",
        ),
        key("mask", DIMS, Optional("not masked"), "Sets these components to 0; the end is not part of a range."),
    ],
};

/// One range of dimensions, or several.
const DIMS: Kind = Kind::Either(&[Kind::DimRange, Kind::List(&Kind::DimRange, 1)]);

/// The checks without a parameter.
pub(in crate::pipeline::config) static VALIDATORS: &[Word] = &[word("finite", "no NaN, no infinity")];

/// One entry of `validate`.
pub(in crate::pipeline::config) static VALIDATOR: Section = Section {
    header: "validate",
    noun: "validator",
    doc: "One check: exactly one of these keys.",
    choose_one: true,
    keys: &[
        key("max_abs", ANY_NUMBER_FROM_0, Optional("not checked"), "No component further than this from 0."),
        key("max_l2", ANY_NUMBER_FROM_0, Optional("not checked"), "No norm above this."),
        key(
            "max_magnitude",
            ANY_NUMBER_FROM_0,
            Optional("not checked"),
            "No update moves a vector by more than this Euclidean distance.",
        ),
        key(
            "lock_dims",
            DIMS,
            Optional("not checked"),
            "These components never change after the insert; the end is not part of a range.",
        ),
    ],
};

/// `[version]`.
pub(in crate::pipeline::config) static VERSION: Section = section(
    "[version]",
    "version",
    "How windows become commits.",
    &[
        key("branch", Kind::Branch, Default("\"main\""), "The branch that moves; it is created when absent."),
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
        key(
            "generation",
            Kind::Table(&GENERATION),
            Optional("the generation in force stays"),
            "What makes the vectors from here on; a new one may bring another width or element type.",
        ),
        key(
            "forbid_mixed",
            Kind::Bool,
            Default("false"),
            "Whether a commit that leaves rows of another generation is refused.",
        ),
    ],
);

/// `generation = { .. }`.
pub(in crate::pipeline::config) static GENERATION: Section = section(
    "generation",
    "generation",
    "What makes the vectors.",
    &[
        key("name", Kind::Text, Required, "The name of the generation."),
        key("provider", Kind::Text, Optional("not known"), "Who makes the model."),
        key("model", Kind::Text, Optional("not known"), "The model."),
        key("revision", Kind::Text, Optional("not known"), "Its revision."),
        key("normalisation", Kind::Text, Optional("not known"), "How vectors are normalised."),
        key("preprocessing", Kind::Text, Optional("not known"), "A digest of what is done to inputs before."),
        key("quantisation", Kind::Text, Optional("not known"), "How numbers are made smaller."),
    ],
);

/// `snapshot = { .. }`.
pub(in crate::pipeline::config) static SNAPSHOT: Section = section(
    "snapshot",
    "snapshot",
    "When to write a snapshot: whichever comes first.",
    &[
        key("every", COUNT_32, Optional("the number does not matter"), "After so many commits."),
        key("or_bytes", Kind::Size, Optional("the size does not matter"), "After so many bytes of deltas."),
    ],
);
