//! Streams of NATS JetStream: deltas by partition, published once and followed without gaps.
//!
//! ```text
//!  subject SUBJECT.P       deltas of the sources whose key hashes to partition P, some in one message
//!  subject SUBJECT.cursor  how far the publisher is, after the messages that lead there
//! ```
//!
//! A message names the message of its subject before it, which the server checks when it is published
//! (`Nats-Expected-Last-Subject-Sequence`) and the follower when it arrives: nothing is lost, doubled or overtaken unseen.
//! What a server of version 2.9 would accept and ignore is not asked for.

mod follow;
mod message;
mod publish;

use std::time::Duration;

use async_nats::jetstream::{self, stream};
use async_nats::{Client, ConnectOptions};
use tokio::runtime::Runtime;

pub use follow::{Followed, Follower};
pub use message::{MESSAGE_BYTES, pack, unpack};
pub use publish::{Publisher, Resumed};

use super::error::{Result, WireError};

/// The oldest server that keeps what is asked of it.
const SERVER_MIN: (i64, i64, i64) = (2, 9, 0);

/// The size of messages that a server has to take.
const PAYLOAD_MIN: usize = 512 << 10;

/// Repeats within this time are recognised by the server as well.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// Which stream, and how it is divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `nats://HOST:PORT`; user and password, or a token, come from NATS_USER, NATS_PASSWORD and NATS_TOKEN.
    pub url: String,
    /// The stream's name.
    pub stream: String,
    /// The subjects' first words.
    pub subject: String,
    /// How many partitions there are.
    pub partitions: u32,
    /// How much it keeps.
    pub keeps: Keeps,
}

/// How much a stream keeps; nothing is removed by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keeps {
    /// The age of the oldest message.
    pub age: Option<Duration>,
    /// The bytes of all messages.
    pub bytes: Option<u64>,
    /// On how many servers; 0 leaves it as it is.
    pub replicas: u32,
}

impl Place {
    /// Returns the subject of a partition.
    pub fn partition(&self, number: u32) -> String {
        format!("{}.{number}", self.subject)
    }

    /// Returns the partition of a source: the same everywhere and for ever.
    pub fn partition_of(&self, collection: &str, key: &str) -> u32 {
        let hash =
            xxhash_rust::xxh3::xxh3_64_with_seed(key.as_bytes(), xxhash_rust::xxh3::xxh3_64(collection.as_bytes()));
        (hash % u64::from(self.partitions.max(1))) as u32
    }

    fn cursor(&self) -> String {
        format!("{}.cursor", self.subject)
    }

    /// What the stream says about itself, so that nobody divides it in another way.
    fn description(&self) -> String {
        format!("vecdelta: {} partitions below {}", self.partitions, self.subject)
    }
}

/// A connection to a stream, with the run time that serves it.
struct Bus {
    place: Place,
    runtime: Runtime,
    context: jetstream::Context,
    stream: stream::Stream,
}

impl Bus {
    /// Connects; makes the stream where there is none and `make` says so.
    fn connect(place: &Place, make: bool) -> Result<Self> {
        Self::connect_to(place, make, false)
    }

    /// Connects to a stream of others, whose subjects mean nothing to us.
    fn connect_plain(place: &Place) -> Result<Self> {
        Self::connect_to(place, false, true)
    }

    fn connect_to(place: &Place, make: bool, plain: bool) -> Result<Self> {
        let (runtime, context) = connect(place)?;
        let stream = runtime.block_on(open(&context, place, make, plain))?;
        Ok(Self { place: place.clone(), runtime, context, stream })
    }
}

/// Connects to a server that can do what is asked of it.
fn connect(place: &Place) -> Result<(Runtime, jetstream::Context)> {
    if place.url.contains('@') {
        return Err(WireError::Refused(
            "an address with a password in it would be seen by everybody who reads the file: leave it out, \
             and put it into NATS_USER and NATS_PASSWORD, or NATS_TOKEN"
                .to_owned(),
        ));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|e| WireError::Away(format!("cannot start a run time: {e}")))?;
    let context = runtime.block_on(async {
        let client = options().connect(&place.url).await;
        let client = client.map_err(|e| WireError::Away(format!("{}: {e}", place.url)))?;
        check_version(&client, &place.url)?;
        Ok::<_, WireError>(jetstream::new(client))
    })?;
    Ok((runtime, context))
}

fn options() -> ConnectOptions {
    let told = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let options = ConnectOptions::new().connection_timeout(Duration::from_secs(5)).name("vecdelta");
    match (told("NATS_USER"), told("NATS_PASSWORD"), told("NATS_TOKEN")) {
        (Some(user), Some(password), _) => options.user_and_password(user, password),
        (_, _, Some(token)) => options.token(token),
        _ => options,
    }
}

fn check_version(client: &Client, url: &str) -> Result<()> {
    let (major, minor, patch) = SERVER_MIN;
    let version = client.server_info().version;
    let takes = client.server_info().max_payload;
    if takes < PAYLOAD_MIN {
        let message =
            format!("{url} takes messages of {takes} bytes at most: set max_payload to {PAYLOAD_MIN} or more");
        return Err(WireError::Refused(message));
    }
    if client.is_server_compatible(major, minor, patch) {
        return Ok(());
    }
    Err(WireError::Refused(format!(
        "{url} is nats-server {version}: {major}.{minor} is the oldest that keeps its promises here"
    )))
}

async fn open(context: &jetstream::Context, place: &Place, make: bool, plain: bool) -> Result<stream::Stream> {
    match context.get_stream(&place.stream).await {
        Ok(found) => {
            check_retention(&found.cached_info().config, place)?;
            if !plain {
                check_stream(&found.cached_info().config, place, make)?;
            }
            Ok(found)
        }
        Err(error) if make && is_absent(&error) => {
            let config = stream::Config {
                name: place.stream.clone(),
                subjects: vec![format!("{}.*", place.subject)],
                retention: stream::RetentionPolicy::Limits,
                storage: stream::StorageType::File,
                duplicate_window: DUPLICATE_WINDOW,
                description: Some(place.description()),
                max_age: place.keeps.age.unwrap_or_default(),
                max_bytes: place.keeps.bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
                num_replicas: place.keeps.replicas.max(1) as usize,
                ..stream::Config::default()
            };
            let made = context.create_stream(config).await;
            made.map_err(|e| WireError::Refused(format!("cannot make the stream {}: {e}", place.stream)))
        }
        Err(error) if is_absent(&error) => Err(WireError::Refused(no_stream(place))),
        Err(error) => Err(WireError::Away(format!("{}: {error}", place.url))),
    }
}

fn is_absent(error: &jetstream::context::GetStreamError) -> bool {
    use jetstream::context::GetStreamErrorKind;
    matches!(error.kind(), GetStreamErrorKind::JetStream(e) if e.error_code() == jetstream::ErrorCode::STREAM_NOT_FOUND)
}

/// Refuses a stream that forgets what was taken, or may do so.
fn check_retention(config: &stream::Config, place: &Place) -> Result<()> {
    let why = match (config.retention, config.storage) {
        (stream::RetentionPolicy::Limits, stream::StorageType::File) => return Ok(()),
        (stream::RetentionPolicy::Limits, _) => "is in memory, and gone when its server is: its storage must be `file`",
        _ => "forgets what was acknowledged: its retention must be `limits`",
    };
    Err(WireError::Refused(format!("the stream {} {why}", place.stream)))
}

/// Refuses a stream that is divided in another way, or keeps less than the settings say.
fn check_stream(config: &stream::Config, place: &Place, publishes: bool) -> Result<()> {
    let refuse = |what: String| Err(WireError::Refused(format!("the stream {} {what}", place.stream)));
    if let Some(other) = other_limits(config, &place.keeps).filter(|_| publishes) {
        return refuse(format!("{other}: change the stream with `nats stream edit`, or the settings"));
    }
    let subjects = format!("{}.*", place.subject);
    if !config.subjects.iter().any(|s| *s == subjects || *s == format!("{}.>", place.subject)) {
        return refuse(format!("does not hold {subjects}, but {}", config.subjects.join(", ")));
    }
    match &config.description {
        Some(said) if said.starts_with("vecdelta: ") && *said != place.description() => refuse(format!(
            "says \"{said}\", these settings say {} partitions below {}",
            place.partitions, place.subject
        )),
        _ => Ok(()),
    }
}

/// Says which limit of a stream is another one than the settings say; what they leave out may be anything.
fn other_limits(config: &stream::Config, keeps: &Keeps) -> Option<String> {
    let Keeps { age, bytes, replicas } = keeps;
    if let Some(age) = age.filter(|age| *age != config.max_age) {
        let seconds = config.max_age.as_secs_f64();
        return Some(format!(
            "keeps messages for {seconds} s (0 is for ever), the settings say {} s",
            age.as_secs_f64()
        ));
    }
    if let Some(bytes) = bytes.filter(|bytes| i64::try_from(*bytes).ok() != Some(config.max_bytes)) {
        return Some(format!("keeps {} bytes (-1 is without an end), the settings say {bytes}", config.max_bytes));
    }
    let other = *replicas > 0 && *replicas as usize != config.num_replicas;
    other.then(|| format!("is on {} servers, the settings say {replicas}", config.num_replicas))
}

/// What a stream is looked at for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// To publish deltas: it is made when absent.
    Publish,
    /// To follow deltas.
    Follow,
    /// To follow messages of others.
    Plain,
}

/// Looks at a stream without changing anything; returns the server's version and what is there.
///
/// # Errors
/// As a publisher or follower would fail.
pub fn check(place: &Place, purpose: Use) -> Result<String> {
    let (runtime, context) = connect(place)?;
    let version = context.client().server_info().version;
    let what = |is: &str| format!("nats-server {version}, stream {} {is}", place.stream);
    runtime.block_on(async {
        match context.get_stream(&place.stream).await {
            Ok(found) => {
                let info = found.cached_info();
                check_retention(&info.config, place)?;
                if purpose != Use::Plain {
                    check_stream(&info.config, place, purpose == Use::Publish)?;
                }
                Ok(what(&format!("with {} messages", info.state.messages)))
            }
            Err(error) if purpose == Use::Publish && is_absent(&error) => Ok(what("will be made")),
            Err(error) if is_absent(&error) => Err(WireError::Refused(no_stream(place))),
            Err(error) => Err(WireError::Away(format!("{}: {error}; is JetStream on?", place.url))),
        }
    })
}

fn no_stream(place: &Place) -> String {
    format!("there is no stream {} at {}", place.stream, place.url)
}
