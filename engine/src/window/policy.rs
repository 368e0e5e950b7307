//! Window policies: what closes a window.

/// What closes a window, whichever comes first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WindowPolicy {
    /// The end of an epoch.
    pub epoch: bool,
    /// Time since the first delta, in milliseconds.
    pub after_millis: Option<u64>,
    /// Number of deltas.
    pub count_max: Option<u64>,
    /// Bytes of the vectors of the deltas.
    pub bytes_max: Option<u64>,
}

impl WindowPolicy {
    /// The window of whole epochs.
    pub fn epoch() -> Self {
        Self { epoch: true, ..Self::default() }
    }
}

/// Why a window was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The epoch ended.
    Epoch,
    /// Its time was over.
    Time,
    /// It held enough deltas.
    Count,
    /// It held enough bytes.
    Bytes,
    /// The open windows together held as much as they may.
    Memory,
    /// A source went on to another window, which must not be committed before this one.
    Order,
    /// The input ended, or the pipeline was asked to stop.
    Drain,
}

impl CloseReason {
    /// Returns the word for events and metadata.
    pub const fn name(self) -> &'static str {
        match self {
            CloseReason::Epoch => "epoch",
            CloseReason::Time => "time",
            CloseReason::Count => "count",
            CloseReason::Bytes => "bytes",
            CloseReason::Memory => "memory",
            CloseReason::Order => "order",
            CloseReason::Drain => "drain",
        }
    }
}
