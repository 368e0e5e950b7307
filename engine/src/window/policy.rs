//! Window policies: what closes a window.

/// What closes a window, whichever comes first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WindowPolicy {
    /// The end of an epoch.
    pub epoch: bool,
    /// Time since the first delta, in milliseconds.
    pub after_millis: Option<u64>,
    /// A whole multiple of this time since 1970, in milliseconds: a tumbling window.
    pub every_millis: Option<u64>,
    /// Time since the last delta, in milliseconds: a session.
    pub gap_millis: Option<u64>,
    /// Number of deltas.
    pub count_max: Option<u64>,
    /// Bytes of the vectors of the deltas.
    pub bytes_max: Option<u64>,
    /// A column of metadata: the row that has a value in it is the last one.
    pub on_meta: Option<String>,
    /// Whether time is that of the rows, not that of their arrival.
    pub event_time: bool,
}

impl WindowPolicy {
    /// The window of whole epochs.
    pub fn epoch() -> Self {
        Self { epoch: true, ..Self::default() }
    }

    /// Returns when a window ends by itself that got its first and its last delta at these times.
    pub fn deadline(&self, first: u64, last: u64) -> Option<u64> {
        let after = self.after_millis.map(|after| first.saturating_add(after));
        let every = self.every_millis.filter(|&every| every > 0);
        let every = every.map(|every| (first / every).saturating_add(1).saturating_mul(every));
        let gap = self.gap_millis.map(|gap| last.saturating_add(gap));
        after.into_iter().chain(every).chain(gap).min()
    }

    /// Returns the word for what ends it at its deadline.
    pub fn deadline_reason(&self, first: u64, last: u64) -> CloseReason {
        let gap = self.gap_millis.map(|gap| last.saturating_add(gap));
        if gap.is_some() && gap == self.deadline(first, last) { CloseReason::Gap } else { CloseReason::Time }
    }
}

/// Why a window was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The epoch ended.
    Epoch,
    /// Its time was over.
    Time,
    /// Nothing came for a while.
    Gap,
    /// It held enough deltas.
    Count,
    /// It held enough bytes.
    Bytes,
    /// A row's metadata said that it is the last one.
    Meta,
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
            CloseReason::Gap => "gap",
            CloseReason::Count => "count",
            CloseReason::Bytes => "bytes",
            CloseReason::Meta => "meta",
            CloseReason::Memory => "memory",
            CloseReason::Order => "order",
            CloseReason::Drain => "drain",
        }
    }
}
