//! HTTP/1.1 over threads, with bounds on everything that a client can make long.
//!
//! ```text
//!  TcpListener --> server.rs   one thread a connection, at most so many
//!                    |
//!                    +-- wire.rs       bytes in and out, each wait with an end
//!                    +-- request.rs    a head of bounded length, parsed by httparse
//!                    +-- body.rs       a body of bounded length, plain or in chunks
//!                    '-- response.rs   a text, a piece of a file, or a stream
//! ```

mod body;
mod framing;
mod request;
mod response;
mod server;
#[cfg(test)]
mod tests;
mod wire;

pub use body::Body;
pub use framing::Framing;
pub use request::{Head, Request, decode_percent};
pub use response::{Payload, Response};
pub use server::{Entry, Handler, Limits, Server, Stopper};
pub use wire::Wire;
