//! A running pipeline, or the record of one.

use borsh::{BorshDeserialize, BorshSerialize};

/// What is told of a pipeline.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Stages {
    /// Answers of `/v1/stages`, one a line, oldest first.
    pub lines: String,
    /// Whether it goes on: a recorded file does not.
    pub live: bool,
}
