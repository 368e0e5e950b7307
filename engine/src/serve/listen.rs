//! Where a server listens, and how long.

use std::net::{SocketAddr, ToSocketAddrs};
use std::thread;

use super::http::{Entry, Handler, Server};

/// Returns the address that a text such as `127.0.0.1:7878` or `localhost:7878` names.
///
/// # Errors
/// Says that it names none.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let found = text.to_socket_addrs().ok().and_then(|mut all| all.next());
    found.ok_or_else(|| format!("`{text}` is no address and port like 127.0.0.1:7878"))
}

/// Answers requests until `ended` returns.
pub fn until(server: &Server, handler: Handler<'_>, log: &(dyn Fn(&Entry<'_>) + Sync), ended: impl FnOnce() + Send) {
    let stopper = server.stopper();
    thread::scope(|scope| {
        scope.spawn(move || {
            ended();
            stopper.stop();
        });
        server.run(handler, log);
    });
}

/// Answers requests while `work` is done, and ends when it is.
pub fn beside<T>(
    server: &Server,
    handler: Handler<'_>,
    log: &(dyn Fn(&Entry<'_>) + Sync),
    work: impl FnOnce() -> T,
) -> T {
    /// Ends the server also when the work panics.
    struct End(super::http::Stopper);
    impl Drop for End {
        fn drop(&mut self) {
            self.0.stop();
        }
    }
    thread::scope(|scope| {
        let _end = End(server.stopper());
        scope.spawn(|| server.run(handler, log));
        work()
    })
}
