//! Answers: what a repository is asked, as the JSON that scripts read; the same for the command line and the server.

mod change;
mod commit;
mod delta;
mod drift;
mod error;
mod histogram;
mod log;
mod search;
mod text;
mod vector;

pub use change::{change_json, write_change};
pub use commit::{commit, commit_json, delta_bytes, time};
pub use delta::delta_json;
pub use drift::{drift_json, percentiles};
pub use error::{BAD_CONFIG, BAD_DATA, CANNOT_CREATE, CORRUPT, Failure, IO, NOT_FOUND, TRY_AGAIN};
pub use histogram::{Bin, bins};
pub use log::{LogQuestion, entry, list_commits};
pub use search::{Results, check_generations, like_query, metric_name, query_vector, search_json};
pub use text::printable;
pub use vector::{numbers, vector_json};
