//! The servers that the tests run against.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use postgres::{Client, NoTls};

static USERS: RwLock<()> = RwLock::new(());

/// Others may use the server meanwhile.
pub fn together() -> RwLockReadGuard<'static, ()> {
    USERS.read().unwrap_or_else(PoisonError::into_inner)
}

/// Nobody else uses the server meanwhile: it will be killed, or sessions with it.
pub fn alone() -> RwLockWriteGuard<'static, ()> {
    USERS.write().unwrap_or_else(PoisonError::into_inner)
}

fn told(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: `eval \"$(scripts/servers.sh start)\"` starts the servers and sets it")
    })
}

/// The address of the database server.
pub fn database() -> String {
    told("VECDELTA_TEST_POSTGRES")
}

/// The address of the NATS server.
pub fn nats() -> String {
    told("VECDELTA_TEST_NATS")
}

/// The address of a new repository, which nobody else has.
pub fn new_repository() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("{}?repo=test-{}-{number}", database(), std::process::id())
}

/// A connection for what the tests do behind the program's back.
pub fn client() -> Client {
    Client::connect(&database(), NoTls).unwrap()
}

/// Ends the sessions of this process, or of another one, as an administrator or a broken cable would.
pub fn end_sessions(process: u32) -> u64 {
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1";
    client().query_one(sql, &[&format!("vecdelta {process}")]).unwrap().get::<_, i64>(0) as u64
}

/// Kills the database server at once, as a power failure of its program would, and starts it again.
pub fn crash_database() {
    let data = PathBuf::from(told("VECDELTA_TEST_POSTGRES_DATA"));
    let bin = std::fs::read_dir("/usr/lib/postgresql").unwrap().map(|e| e.unwrap().path().join("bin")).max().unwrap();
    let run = |arguments: &[&str]| {
        let program = bin.join("pg_ctl");
        let root = std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
        let mut command = if root { Command::new("runuser") } else { Command::new(&program) };
        if root {
            command.args(["-u", "postgres", "--"]).arg(&program);
        }
        let log = data.join("server.log");
        let status = command.arg("-D").arg(&data).arg("-l").arg(log).args(arguments).current_dir("/").output().unwrap();
        assert!(status.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&status.stderr));
    };
    run(&["stop", "-m", "immediate", "-w"]);
    run(&["start", "-w"]);
}

/// Kills the NATS server and starts it again on the same port, with what it had stored.
pub fn restart_nats() {
    let folder = PathBuf::from(told("VECDELTA_TEST_NATS_DATA"));
    let pid = std::fs::read_to_string(folder.join("nats.pid")).unwrap();
    assert!(Command::new("kill").args(["-9", pid.trim()]).status().unwrap().success());
    let port = nats().rsplit(':').next().unwrap().to_owned();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let path = |name: &str| folder.join(name).display().to_string();
    let mut server = Command::new("nats-server");
    server.args([
        "-a",
        "127.0.0.1",
        "-p",
        &port,
        "-js",
        "-sd",
        &path("nats"),
        "-l",
        &path("nats.log"),
        "-P",
        &path("nats.pid"),
    ]);
    // It outlives this program, as the one that it takes the place of would.
    #[allow(clippy::zombie_processes)]
    let _ = server.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    let address = format!("127.0.0.1:{port}");
    for _ in 0..100 {
        if std::net::TcpStream::connect(&address).is_ok() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("nats-server did not come back at {address}");
}
