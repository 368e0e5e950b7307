//! Where others connect: a port, or a socket among the files.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::places::Places;
use crate::pipeline::config::Listen;

/// How long a connection may take to get an answer away.
const WRITE: Duration = Duration::from_secs(10);

/// How long an end of a connection is waited for.
const PARTING: Duration = Duration::from_millis(500);

/// Where others connect, by the address that the pipeline names; kept while a pipeline goes on with other settings, so that
/// nobody who connects meanwhile is turned away.
#[derive(Default)]
pub struct Doors(Mutex<BTreeMap<String, Arc<Door>>>);

impl Doors {
    /// Begins to listen, or goes on.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub(super) fn open(&self, listen: &Listen) -> Result<Arc<Door>, String> {
        let mut doors = self.0.lock().expect("no thread panics with it");
        if let Some(door) = doors.get(&listen.to_string()) {
            return Ok(door.clone());
        }
        let door = Arc::new(Door::open(listen).map_err(|error| format!("cannot listen at {listen}: {error}"))?);
        doors.insert(listen.to_string(), door.clone());
        Ok(door)
    }
}

/// Says whether an address can be listened at; nothing is left there.
///
/// # Errors
/// Why it cannot.
pub fn check_listening(listen: &Listen) -> Result<String, String> {
    match listen {
        Listen::Tcp(address) => {
            TcpListener::bind(address).map(drop).map_err(|e| format!("cannot listen at {listen}: {e}"))?
        }
        Listen::Unix(path) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            if !parent.is_dir() {
                return Err(format!("cannot listen at {listen}: there is no directory {}", parent.display()));
            }
        }
    }
    Ok(format!("{listen} is free"))
}

enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener, PathBuf),
}

/// One place where others connect.
pub struct Door {
    listener: Listener,
    address: String,
    places: Mutex<Places>,
}

impl Door {
    fn open(listen: &Listen) -> io::Result<Self> {
        let (listener, address) = match listen {
            Listen::Tcp(address) => {
                let listener = TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                let address = Listen::Tcp(listener.local_addr()?).to_string();
                (Listener::Tcp(listener), address)
            }
            #[cfg(unix)]
            Listen::Unix(path) => (Listener::Unix(bind(path)?, path.clone()), listen.to_string()),
            #[cfg(not(unix))]
            Listen::Unix(_) => return Err(io::Error::other("this system has no such sockets")),
        };
        Ok(Self { listener, address, places: Mutex::default() })
    }

    /// Returns the address, with the port that the system chose.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Takes the places over that the history names, where they are further than what is known.
    pub fn begin(&self, history: Places) {
        self.places().begin(history);
    }

    /// Locks the places of the streams.
    pub fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().expect("no thread panics with it")
    }

    /// Takes the next connection, if one waits.
    pub fn accept(&self) -> io::Result<Option<Stream>> {
        let stream = match &self.listener {
            Listener::Tcp(listener) => listener.accept().map(|(stream, _)| Stream::Tcp(stream)),
            #[cfg(unix)]
            Listener::Unix(listener, _) => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
        };
        match stream {
            Ok(stream) => stream.prepare().map(|()| Some(stream)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(unix)]
impl Drop for Door {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = &self.listener {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Listens at a path, for the same user alone. What a run left that was killed is replaced; what somebody listens at is not,
/// nor a file.
#[cfg(unix)]
fn bind(path: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};
    let taken = |why: &str| Err(io::Error::new(io::ErrorKind::AddrInUse, why.to_owned()));
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => return taken("there is a file"),
        Ok(_) if UnixStream::connect(path).is_ok() => return taken("somebody listens there"),
        _ => {}
    }
    // Nobody else gets in between its making and its rights.
    let made = path.with_extension(format!("{}.new", std::process::id()));
    let _ = std::fs::remove_file(&made);
    let listener = UnixListener::bind(&made)?;
    let ready = std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o600))
        .and_then(|()| listener.set_nonblocking(true))
        .and_then(|()| std::fs::rename(&made, path));
    if let Err(error) = ready {
        let _ = std::fs::remove_file(&made);
        return Err(error);
    }
    Ok(listener)
}

/// A connection.
pub enum Stream {
    /// Over TCP.
    Tcp(TcpStream),
    /// Through a socket among the files.
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Stream {
    fn prepare(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => {
                stream.set_nonblocking(false)?;
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(super::LOOK))?;
                stream.set_write_timeout(Some(WRITE))
            }
            #[cfg(unix)]
            Stream::Unix(stream) => {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(super::LOOK))?;
                stream.set_write_timeout(Some(WRITE))
            }
        }
    }

    /// Reads what has come; an error of kind `WouldBlock` when nothing comes for a while.
    pub fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => (&*stream).read(into),
            #[cfg(unix)]
            Stream::Unix(stream) => (&*stream).read(into),
        }
    }

    /// Writes all of it, or fails when it does not get away in time.
    pub fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => (&*stream).write_all(bytes),
            #[cfg(unix)]
            Stream::Unix(stream) => (&*stream).write_all(bytes),
        }
    }

    /// Ends the connection when all answers were read, or soon: what has come and was not read would tear them away.
    pub fn part(&self) {
        self.shutdown(Shutdown::Write);
        let (end, mut rest) = (Instant::now() + PARTING, vec![0; 64 << 10]);
        while Instant::now() < end {
            match self.read(&mut rest) {
                Ok(n) if n > 0 => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => break,
            }
        }
        self.shutdown(Shutdown::Both);
    }

    /// Ends the connection, or a half of it.
    pub fn shutdown(&self, how: Shutdown) {
        let _ = match self {
            Stream::Tcp(stream) => stream.shutdown(how),
            #[cfg(unix)]
            Stream::Unix(stream) => stream.shutdown(how),
        };
    }
}
