//! `vecdelta serve`: a repository over HTTP.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::error::{CliError, IO, NOT_FOUND};
use super::logbook::{Level, Logbook};
use super::open::{author, bundle, is_url, now_millis, own_origin};
use super::output::{print_json, printable, time};
use crate::delta::Timestamp;
use crate::serve::http::{Entry, Limits, Server};
use crate::serve::{Guard, Held, Site, Web, Writer, address, is_loopback, until};
use crate::store::disk_at;
use crate::version::Repository;

/// Serve a repository or a bundle: the inspector, what can be asked as JSON, the whole as one file, figures.
///
/// Only this machine can ask, unless a token is set. `GET /v1` lists what can be asked; other commands take the address
/// in place of a repository, to read. SIGINT and SIGTERM end it.
#[derive(clap::Args)]
#[command(after_help = "Look at it:       vecdelta serve table.vd --open\n\
                        From elsewhere:   vecdelta clone http://127.0.0.1:7878 copy.vd\n\
                        Take rows, too:   vecdelta serve table.vd --writable\n\
                        Over the network: VECDELTA_TOKEN=... vecdelta serve table.vd --listen 0.0.0.0:7878")]
pub struct Args {
    /// The repository, or a bundle.
    #[arg(value_name = "REPO|FILE")]
    repo: PathBuf,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:7878")]
    listen: String,
    /// Who asks must know this; better given in the environment variable VECDELTA_TOKEN, which others cannot see.
    #[arg(long, value_name = "TEXT")]
    token: Option<String>,
    /// Take rows by POST, each request a commit; the repository is made when it does not exist.
    #[arg(long)]
    writable: bool,
    /// The folder of the inspector's web build; found by itself beside the program.
    #[arg(long, value_name = "DIR")]
    web: Option<PathBuf>,
    /// Open it in the browser.
    #[arg(long)]
    open: bool,
    /// Say what is asked, one line a request: `text` or `json` on standard error (`-` is `json`), or JSON added to a file.
    #[arg(long, value_name = "text|json|FILE")]
    log: Option<LogTo>,
    /// How much of it is said: requests that fail are errors or warnings.
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "info", requires = "log")]
    log_level: Level,
    /// Print the address as one JSON document.
    #[arg(long)]
    json: bool,
}

/// How requests are logged.
#[derive(Clone, Debug)]
enum LogTo {
    /// For people, on standard error.
    Text,
    /// One JSON object a line; `-` is standard error.
    Json(PathBuf),
}

impl std::str::FromStr for LogTo {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "text" => LogTo::Text,
            "json" => LogTo::Json("-".into()),
            place => LogTo::Json(place.into()),
        })
    }
}

/// Runs the command.
pub fn run(args: Args) -> Result<ExitCode, CliError> {
    let token = args.token.clone().or_else(super::open::token);
    let book = match &args.log {
        Some(LogTo::Json(place)) => Some(Logbook::open(place, args.log_level)?),
        Some(LogTo::Text) | None => None,
    };
    let held = hold(&args)?;
    let web = web(args.web.as_deref())?;
    let writer = args.writable.then(|| Writer::new(args.repo.clone(), author(), now_millis));
    let server = listen(&args.listen, token.as_deref())?;
    let name = args.repo.display().to_string();
    let site = Site::new(held, name.clone(), Guard::new(token.as_deref()), web, writer);
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let url = format!("http://{}/", server.address());
    if args.json {
        print_json(&json!({ "url": url, "repository": name }))?;
    } else {
        writeln!(io::stdout(), "serving {} at {url}", printable(&name))?;
    }
    if args.open {
        open(&match &token {
            Some(token) => format!("{url}?token={}", percent(token)),
            None => url,
        });
    }
    let log = |entry: &Entry<'_>| {
        site.metrics.count(entry);
        if args.log.is_some() {
            log_request(book.as_ref(), args.log_level, entry);
        }
    };
    until(&server, &|request| site.answer(request), &log, move || {
        let _ = signals.forever().next();
    });
    Ok(ExitCode::SUCCESS)
}

/// Opens what is served, and looks whether it can be read.
fn hold(args: &Args) -> Result<Held, CliError> {
    if is_url(&args.repo) {
        return Err(CliError::new(2, format!("{} is served already", args.repo.display())));
    }
    if let Some(bundle) = bundle(&args.repo)? {
        let shown = args.repo.display();
        if bundle.is_thin() {
            let text = format!("{shown} holds only what came after some commits, so it cannot be read by itself");
            return Err(CliError::new(2, text).hint(format!("`vecdelta pull REPO {shown}` takes it over")));
        }
        if args.writable {
            return Err(CliError::new(2, format!("{shown} is a file, and a bundle is never changed"))
                .hint(format!("`vecdelta clone {shown} NAME.vd` makes a repository of it")));
        }
        return Ok(Held::bundle(bundle));
    }
    let disk = disk_at(&args.repo)?;
    if args.writable {
        // Made where there is none, repaired where a crash left something, and given back to other writers.
        drop(Repository::open_writer(disk.clone(), Some(own_origin()))?);
    }
    let held = Held::new(disk);
    held.now()?;
    Ok(held)
}

fn web(named: Option<&Path>) -> Result<Web, CliError> {
    match named {
        Some(folder) if !folder.join("index.html").is_file() => {
            Err(CliError::new(NOT_FOUND, format!("there is no index.html in {}", folder.display()))
                .hint("`scripts/build-web.sh` makes inspector/web/dist"))
        }
        named => Ok(Web::find(named)),
    }
}

/// Begins to listen; without a token on addresses of this machine alone.
pub fn listen(text: &str, token: Option<&str>) -> Result<Server, CliError> {
    let address = address(text).map_err(|problem| CliError::new(2, problem))?;
    if token.is_some_and(str::is_empty) {
        return Err(CliError::new(2, "the token is empty"));
    }
    if token.is_none() && !is_loopback(address.ip()) {
        let text = format!("{address} can be reached from other machines, and anybody there could ask");
        return Err(CliError::new(2, text).hint("set a token with VECDELTA_TOKEN or --token, or listen on 127.0.0.1"));
    }
    crate::serve::clear_spool();
    Server::bind(address, Limits::default()).map_err(|error| {
        CliError::new(IO, format!("cannot listen on {address}: {error}"))
            .hint("choose another port with --listen; port 0 takes a free one")
    })
}

/// Writes a line about a request.
fn log_request(log: Option<&Logbook>, level: Level, entry: &Entry<'_>) {
    let failed = entry.failed.as_ref().map(ToString::to_string);
    let own = match (entry.status, &failed) {
        (500.., _) => Level::Error,
        (400.., _) | (_, Some(_)) => Level::Warn,
        _ => Level::Info,
    };
    if let Some(log) = log {
        let fields = json!({
            "method": entry.method, "path": entry.path, "route": entry.route, "status": entry.status,
            "bytes": entry.bytes, "seconds": entry.took.as_secs_f64(), "failed": failed,
        });
        return log.say(own, "serve", &format!("{} {} {}", entry.method, entry.path, entry.status), fields);
    }
    if own > level {
        return;
    }
    let at = time(Timestamp { physical_millis: now_millis(), ..Timestamp::default() });
    let (method, path) = (printable(entry.method), printable(entry.path));
    let millis = entry.took.as_secs_f64() * 1000.0;
    let failed = failed.map_or(String::new(), |why| format!("  cut short: {why}"));
    // Nobody is told when the log cannot be written: requests are answered all the same.
    let _ = writeln!(io::stderr(), "{at} {method} {path} {} {} B {millis:.1} ms{failed}", entry.status, entry.bytes);
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

/// Opens an address in the browser; where there is none, the address that was printed is enough.
fn open(url: &str) {
    let (program, words): (&str, &[&str]) = match std::env::consts::OS {
        "macos" => ("open", &[]),
        "windows" => ("cmd", &["/c", "start", ""]),
        _ => ("xdg-open", &[]),
    };
    let quiet = Command::new(program).args(words).arg(url).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    if quiet.is_err() {
        let _ = writeln!(io::stderr(), "no browser was found: open the address yourself");
    }
}
