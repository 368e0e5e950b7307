//! The table of all keys: name, type, default, meaning.

mod flow;
mod input;
mod later;
mod output;

use super::keys::Need::{self, Optional, Required};
use super::keys::{Key, Kind, Section, Word};

pub(super) use flow::{
    APPLY, CHANGES, CLOCK, CLOCKS, CLOSE, GENERATION, LATE, PRIORITIES, ROUTE, SNAPSHOT, TRANSFORMER, VALIDATOR,
    VERSION, WHEN, WINDOW,
};
pub(super) use input::{
    CAPTURE, DETECT, DETECTOR, FILE_ORDERS, MESSAGE_FORMATS, MISSING, ON_GAP, ON_REJECT, PIPELINE, SOURCE,
    SOURCE_KINDS, VECTOR,
};
pub(super) use later::LATER;
pub(super) use output::{
    EXPECT, GIVEN, GUARANTEES, INDEX_METRICS, LIMITS, ON_SLOW, SINK, SINK_CONTENTS, SINK_FIELDS, SINK_KINDS, TEST,
};

const fn key(name: &'static str, kind: Kind, need: Need, doc: &'static str) -> Key {
    Key { name, kind, need, doc }
}

const fn word(name: &'static str, doc: &'static str) -> Word {
    Word { name, doc }
}

const fn section(header: &'static str, noun: &'static str, doc: &'static str, keys: &'static [Key]) -> Section {
    Section { header, noun, doc, choose_one: false, keys }
}

const ANY_NUMBER_FROM_0: Kind = Kind::Number { min: 0.0, max: f64::INFINITY };
const COUNT_FROM_1: Kind = Kind::Count { min: 1, max: u64::MAX };
const COUNT_32: Kind = Kind::Count { min: 1, max: u32::MAX as u64 };
const THREADS: Kind = Kind::Count { min: 1, max: 1024 };
const SOME_TIME: Kind = Kind::Duration { zero: false };

/// The whole file.
pub(super) static ROOT: Section = section(
    "the top of the file",
    "pipeline file",
    "A pipeline file says where vectors come from, what counts as a change, how changes are grouped into commits, and where they go.",
    &[
        key("config_version", Kind::Count { min: 0, max: u64::MAX }, Required, "The version of this format: 1."),
        key("pipeline", Kind::Table(&PIPELINE), Required, "What holds for the whole pipeline."),
        key("source", Kind::Named(&SOURCE), Required, "Where vectors are read."),
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
            Optional("nothing is changed or checked"),
            "What is done to vectors, and checked, before a commit.",
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
        key("test", Kind::Rows(&TEST), Optional("no tests"), "Cases that `vecdelta test` runs."),
    ],
);
