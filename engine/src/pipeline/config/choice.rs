//! The closed lists of words as enums. The words and their meanings stand in the [`super::table`] alone.

use super::followed::{MessageFormat, OnGap};
use super::keys::Word;
use super::table::{
    CHANGES, CLOCKS, FILE_ORDERS, GUARANTEES, INDEX_METRICS, LATE, MESSAGE_FORMATS, MISSING, ON_GAP, ON_REJECT,
    ON_SLOW, PRIORITIES, SINK_CONTENTS, SINK_FIELDS, SINK_KINDS, SOURCE_KINDS,
};
use super::types::{ClockKind, FileOrder, IndexMetric, Late, OnReject, SinkContent, SinkField, SinkKind, SourceKind};
use crate::capture::Missing;
use crate::delta::Change;
use crate::pipeline::deliver::OnSlow;
use crate::route::{DeliveryGuarantee, Priority};

/// An enum whose values are words of the table, in the same order.
pub(super) trait Choice: Copy + PartialEq + 'static {
    /// The words, as written in a file.
    const WORDS: &'static [Word];
    /// The values.
    const ALL: &'static [Self];

    /// Returns the value of a word.
    fn from_word(word: &str) -> Option<Self> {
        let at = Self::WORDS.iter().position(|known| known.name == word)?;
        Self::ALL.get(at).copied()
    }

    /// Returns the word of a value.
    fn word(self) -> &'static str {
        let at = Self::ALL.iter().position(|value| *value == self);
        at.and_then(|at| Self::WORDS.get(at)).map_or("", |word| word.name)
    }
}

impl Choice for SourceKind {
    const WORDS: &'static [Word] = SOURCE_KINDS;
    const ALL: &'static [Self] = &[
        Self::Parquet,
        Self::Arrow,
        Self::Npy,
        Self::Fvecs,
        Self::Safetensors,
        Self::Jsonl,
        Self::Files,
        Self::Feed,
        Self::Socket,
        Self::Nats,
        Self::Postgres,
    ];
}

impl Choice for MessageFormat {
    const WORDS: &'static [Word] = MESSAGE_FORMATS;
    const ALL: &'static [Self] = &[Self::Deltas, Self::Jsonl, Self::Arrow];
}

impl Choice for OnGap {
    const WORDS: &'static [Word] = ON_GAP;
    const ALL: &'static [Self] = &[Self::Stop, Self::Skip];
}

impl Choice for FileOrder {
    const WORDS: &'static [Word] = FILE_ORDERS;
    const ALL: &'static [Self] = &[Self::FileName, Self::Given, Self::Modified];
}

impl Choice for Missing {
    const WORDS: &'static [Word] = MISSING;
    const ALL: &'static [Self] = &[Self::Keep, Self::Delete];
}

impl Choice for Change {
    const WORDS: &'static [Word] = CHANGES;
    const ALL: &'static [Self] = &[Self::Insert, Self::Update, Self::Delete];
}

impl Choice for SinkKind {
    const WORDS: &'static [Word] = SINK_KINDS;
    const ALL: &'static [Self] = &[
        Self::Parquet,
        Self::Arrow,
        Self::Npy,
        Self::Jsonl,
        Self::Webhook,
        Self::Nats,
        Self::Postgres,
        Self::RuVector,
    ];
}

impl Choice for IndexMetric {
    const WORDS: &'static [Word] = INDEX_METRICS;
    const ALL: &'static [Self] = &[Self::Cosine, Self::Euclidean, Self::Dot];
}

impl Choice for SinkContent {
    const WORDS: &'static [Word] = SINK_CONTENTS;
    const ALL: &'static [Self] = &[Self::Deltas, Self::Table];
}

impl Choice for SinkField {
    const WORDS: &'static [Word] = SINK_FIELDS;
    const ALL: &'static [Self] = &[
        Self::Source,
        Self::Collection,
        Self::Id,
        Self::Change,
        Self::ChangedDims,
        Self::L2,
        Self::Cosine,
        Self::MaxAbs,
        Self::Route,
        Self::Commit,
        Self::Time,
        Self::Base,
        Self::Result,
        Self::Vector,
        Self::Bits,
        Self::Delta,
        Self::Meta,
    ];
}

impl Choice for Priority {
    const WORDS: &'static [Word] = PRIORITIES;
    const ALL: &'static [Self] = &[Self::Low, Self::Normal, Self::High, Self::Critical];
}

impl Choice for DeliveryGuarantee {
    const WORDS: &'static [Word] = GUARANTEES;
    const ALL: &'static [Self] = &[Self::AtMostOnce, Self::AtLeastOnce, Self::ExactlyOnce];
}

impl Choice for OnSlow {
    const WORDS: &'static [Word] = ON_SLOW;
    const ALL: &'static [Self] = &[Self::Spill, Self::Block, Self::DropOldest, Self::Detach];
}

impl Choice for OnReject {
    const WORDS: &'static [Word] = ON_REJECT;
    const ALL: &'static [Self] = &[Self::DeadLetter, Self::Stop];
}

impl Choice for ClockKind {
    const WORDS: &'static [Word] = CLOCKS;
    const ALL: &'static [Self] = &[Self::Processing, Self::Event];
}

impl Choice for Late {
    const WORDS: &'static [Word] = LATE;
    const ALL: &'static [Self] = &[Self::NewVersion, Self::DeadLetter];
}

impl SourceKind {
    /// Returns the word for it in a pipeline file.
    pub fn name(self) -> &'static str {
        self.word()
    }
}

impl SinkKind {
    /// Returns the word for it in a pipeline file.
    pub fn name(self) -> &'static str {
        self.word()
    }
}

impl SinkContent {
    /// Returns the word for it in a pipeline file.
    pub fn name(self) -> &'static str {
        self.word()
    }
}

impl SinkField {
    /// Returns the word for it in a pipeline file, which is also the field's name in a line.
    pub fn name(self) -> &'static str {
        self.word()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words_and_values_agree<T: Choice + std::fmt::Debug>() {
        assert_eq!(T::WORDS.len(), T::ALL.len());
        for (word, value) in T::WORDS.iter().zip(T::ALL) {
            assert_eq!(T::from_word(word.name), Some(*value));
            // `changed_dims` is `ChangedDims`: the lists are in the same order.
            assert_eq!(word.name.replace('_', ""), format!("{value:?}").to_lowercase());
            assert_eq!(value.word(), word.name);
        }
    }

    #[test]
    fn every_enum_has_its_words() {
        words_and_values_agree::<SourceKind>();
        words_and_values_agree::<MessageFormat>();
        words_and_values_agree::<OnGap>();
        words_and_values_agree::<FileOrder>();
        words_and_values_agree::<Missing>();
        words_and_values_agree::<Change>();
        words_and_values_agree::<SinkKind>();
        words_and_values_agree::<IndexMetric>();
        words_and_values_agree::<SinkContent>();
        words_and_values_agree::<SinkField>();
        words_and_values_agree::<Priority>();
        words_and_values_agree::<DeliveryGuarantee>();
        words_and_values_agree::<OnSlow>();
        words_and_values_agree::<OnReject>();
        words_and_values_agree::<ClockKind>();
        words_and_values_agree::<Late>();
    }
}
