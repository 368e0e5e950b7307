//! Whether the servers that a pipeline names can do what it asks of them. Nothing is changed there.

#[cfg(feature = "nats")]
use super::config::MessageFormat;
use super::config::{Followed, Pipeline, SinkServer, Source, SourceServer};
#[cfg(feature = "nats")]
use crate::wire::nats;

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who asked: `source NAME` or `sink NAME`.
    pub who: String,
    /// The server and what is there, or why it cannot do it.
    pub answer: Result<String, String>,
}

/// Asks the servers of all sources and sinks.
pub fn ask_servers(pipeline: &Pipeline) -> Vec<Asked> {
    // One partition stands for all.
    let pipeline = if pipeline.is_divided() { pipeline.for_partition(0) } else { pipeline.clone() };
    let sources = pipeline.sources.iter().filter_map(|source| {
        let server = source.server.as_ref()?;
        Some(Asked { who: format!("source {}", source.name), answer: ask_source(source, server) })
    });
    let branch = &pipeline.version.branch;
    let sinks = pipeline.sinks.iter().flat_map(|sink| {
        let each = if sink.by_collection() { pipeline.sources.as_slice() } else { &pipeline.sources[..1] };
        let places = each.iter().filter_map(|source| {
            Some(sink.server.as_ref()?.filled("branch", branch).filled("collection", &source.collection))
        });
        places.map(|place| Asked { who: format!("sink {}", sink.name), answer: ask_sink(&place) })
    });
    sources.chain(sinks).collect()
}

fn ask_source(_source: &Source, server: &SourceServer) -> Result<String, String> {
    match &server.place {
        Followed::Socket { listen, .. } => super::follow::check_listening(listen),
        #[cfg(feature = "nats")]
        Followed::Nats { stream, format, .. } => {
            let plain = *format == MessageFormat::Jsonl;
            let purpose = if plain { nats::Use::Plain } else { nats::Use::Follow };
            nats::check(&super::sink::nats_place(stream), purpose).map_err(|e| e.to_string())
        }
        #[cfg(feature = "postgres")]
        Followed::Postgres { table, .. } => {
            let polled = super::follow::polled(_source, server).ok_or("it is no table")?;
            let version = crate::wire::postgres::check_readable(&polled).map_err(|e| e.to_string())?;
            Ok(format!("PostgreSQL {version}, table {}", table.table))
        }
        #[cfg(not(feature = "nats"))]
        Followed::Nats { .. } => Err(absent("nats")),
        #[cfg(not(feature = "postgres"))]
        Followed::Postgres { .. } => Err(absent("postgres")),
    }
}

fn ask_sink(place: &SinkServer) -> Result<String, String> {
    match place {
        #[cfg(feature = "nats")]
        SinkServer::Nats(to) => {
            nats::check(&super::sink::nats_place(to), nats::Use::Publish).map_err(|e| e.to_string())
        }
        #[cfg(feature = "postgres")]
        SinkServer::Postgres(to) => {
            let checked = crate::wire::postgres::check(&super::sink::postgres_target(to));
            Ok(format!("PostgreSQL {}, table {}", checked.map_err(|e| e.to_string())?, to.table))
        }
        #[cfg(not(feature = "nats"))]
        SinkServer::Nats(_) => Err(absent("nats")),
        #[cfg(not(feature = "postgres"))]
        SinkServer::Postgres(_) => Err(absent("postgres")),
    }
}

#[cfg(not(all(feature = "nats", feature = "postgres")))]
fn absent(name: &str) -> String {
    format!("this program was built without `{name}`: build it with `--features {name}`")
}
