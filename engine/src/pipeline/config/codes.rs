//! The codes of the diagnostics; [`super::explain`] holds a text for each.

pub(super) const SYNTAX: &str = "VD0101";
pub(super) const CONFIG_VERSION: &str = "VD0102";
pub(super) const MISSING_KEY: &str = "VD0103";
pub(super) const UNKNOWN_KEY: &str = "VD0104";
pub(super) const NOT_SUPPORTED: &str = "VD0105";
pub(super) const MISPLACED_KEY: &str = "VD0106";
pub(super) const DUPLICATE: &str = "VD0107";
pub(super) const OVERRIDE: &str = "VD0108";
pub(super) const ENVIRONMENT: &str = "VD0109";
pub(super) const NAME: &str = "VD0110";

pub(super) const WRONG_TYPE: &str = "VD0201";
pub(super) const SIZE: &str = "VD0202";
pub(super) const DURATION: &str = "VD0203";
pub(super) const GLOB: &str = "VD0204";
pub(super) const UNKNOWN_WORD: &str = "VD0205";
pub(super) const OUT_OF_RANGE: &str = "VD0206";
pub(super) const DIM_RANGE: &str = "VD0207";
pub(super) const PLACEHOLDER: &str = "VD0208";
pub(super) const EMPTY: &str = "VD0209";
pub(super) const DIMS_DIFFER: &str = "VD0210";
pub(super) const CHOOSE_ONE: &str = "VD0211";

pub(super) const UNKNOWN_WINDOW: &str = "VD0302";
pub(super) const UNKNOWN_SINK: &str = "VD0303";
pub(super) const NOT_WITH_KIND: &str = "VD0304";
pub(super) const STDIN: &str = "VD0305";
pub(super) const DELETE_WITHOUT_EPOCH: &str = "VD0306";
pub(super) const HEARTBEAT: &str = "VD0307";
pub(super) const LOSSY: &str = "VD0310";
pub(super) const NO_EFFECT: &str = "VD0311";
pub(super) const NEVER_CLOSES: &str = "VD0320";
pub(super) const MAY_WAIT: &str = "VD0321";
pub(super) const EPOCH_OF_STREAM: &str = "VD0322";
pub(super) const WHICH_WINDOW: &str = "VD0323";
pub(super) const SHADOWED: &str = "VD0351";
pub(super) const SINK_UNREACHED: &str = "VD0352";
pub(super) const WINDOW_UNREACHED: &str = "VD0353";
pub(super) const ROUTE_MATCHES_NOTHING: &str = "VD0354";
pub(super) const SOURCE_UNROUTED: &str = "VD0355";
pub(super) const MEMORY: &str = "VD0360";
pub(super) const LOCK_OUTSIDE: &str = "VD0370";
pub(super) const SAME_OUTPUT: &str = "VD0371";
pub(super) const MIXED_COLLECTIONS: &str = "VD0372";
pub(super) const TEST_CANNOT_PASS: &str = "VD0380";
