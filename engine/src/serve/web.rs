//! The inspector's files, or a page that says how to get them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::http::{Head, Payload, Response};
use super::ranges::file_response;
use crate::store::{Disk, LocalDisk};

/// Files up to this size are told apart by what is in them, longer ones by length and time.
const HASHED_MAX: u64 = 64 << 20;

/// What a page may do: run its own code, WebAssembly included, and ask servers; nothing else from anywhere.
const POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data: blob:; connect-src 'self' https: http:; worker-src 'self' blob:; object-src 'none'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const TYPES: [(&str, &str); 17] = [
    ("html", "text/html; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("txt", "text/plain; charset=utf-8"),
    ("json", "application/json"),
    ("map", "application/json"),
    ("wasm", "application/wasm"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("ico", "image/x-icon"),
    ("webp", "image/webp"),
    ("ttf", "font/ttf"),
    ("otf", "font/otf"),
    ("woff2", "font/woff2"),
    ("webmanifest", "application/manifest+json"),
    ("vdpack", "application/octet-stream"),
];

/// The folder of the inspector's web build.
pub struct Web {
    folder: Option<PathBuf>,
}

impl Web {
    /// Takes a folder, or looks for one: beside the program, and in the source tree that the program was built in.
    pub fn find(named: Option<&Path>) -> Self {
        let program = std::env::current_exe().ok();
        let above = program.iter().flat_map(|program| program.ancestors().skip(1));
        let near = above.flat_map(|dir| [dir.join("web"), dir.join("inspector/web/dist")]).take(10);
        let folder = match named {
            Some(named) => Some(named.to_owned()),
            None => near.into_iter().find(|dir| dir.join("index.html").is_file()),
        };
        Self { folder }
    }

    /// Answers a request for a file.
    pub fn answer(&self, head: &Head, about: &str) -> Response {
        let index = head.path == "/" || head.path == "/index.html";
        let found = self.folder.as_ref().and_then(|folder| file(folder, head).transpose());
        match found {
            Some(Ok(response)) => response,
            Some(Err(error)) => Response::error(500, format!("the file cannot be read: {error}")),
            None if index => page(about),
            None => Response::refused(404, "there is no such page", "`GET /v1` lists what can be asked"),
        }
        .of("web")
    }
}

/// Finds the file for a path; in a compressed form when there is one that the client takes.
fn file(folder: &Path, head: &Head) -> io::Result<Option<Response>> {
    let path = if head.path == "/" { "/index.html" } else { &head.path };
    let Some(name) = safe(path) else { return Ok(None) };
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let kind = TYPES.iter().find(|(e, _)| *e == extension).map_or("application/octet-stream", |(_, kind)| kind);
    let takes = |coding: &str| {
        let accepted = head.headers.iter().filter(|(n, _)| n == "accept-encoding");
        let mut words = accepted.flat_map(|(_, v)| v.split(',')).map(|word| word.split_once(';').unwrap_or((word, "")));
        words.any(|(word, q)| word.trim().eq_ignore_ascii_case(coding) && !["q=0", "q=0.0"].contains(&q.trim()))
    };
    let plain = [("", "")];
    let packed = [(".br", "br"), (".gz", "gzip")];
    for (suffix, coding) in packed.iter().filter(|(_, coding)| takes(coding)).chain(&plain) {
        let name = format!("{name}{suffix}");
        let Ok(metadata) = fs::metadata(folder.join(&name)) else { continue };
        if !metadata.is_file() {
            continue;
        }
        let tag = tag(&folder.join(&name), &metadata)?;
        let file = LocalDisk::new(folder).open(&name, false)?.into();
        let mut response = file_response(head, file, metadata.len(), kind, &tag)
            .header("Vary", "Accept-Encoding")
            .header(
                "Cache-Control",
                if is_named_by_hash(&name) { "public, max-age=31536000, immutable" } else { "no-cache" },
            )
            .header("Content-Security-Policy", POLICY);
        if !coding.is_empty() {
            response = response.header("Content-Encoding", *coding);
        }
        return Ok(Some(response));
    }
    Ok(None)
}

/// Returns a path below the folder; nothing that could lead out of it.
fn safe(path: &str) -> Option<&str> {
    let name = path.strip_prefix('/')?;
    let fine = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', ':', '\0']);
    name.split('/').all(fine).then_some(name)
}

/// Returns whether a file's name holds a hash of what is in it, as in `inspector-0123456789abcdef.wasm`.
fn is_named_by_hash(name: &str) -> bool {
    let parts = name.split(['-', '.', '_', '/']);
    parts.into_iter().any(|p| {
        p.len() >= 8
            && p.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
            && p.bytes().any(|b| b.is_ascii_digit())
    })
}

fn tag(path: &Path, metadata: &fs::Metadata) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    if metadata.len() <= HASHED_MAX {
        hasher.update_reader(File::open(path)?)?;
    } else {
        hasher.update(format!("{} {:?}", metadata.len(), metadata.modified()?).as_bytes());
    }
    Ok(hasher.finalize().to_hex()[..32].to_owned())
}

/// The page where the inspector is not built.
fn page(about: &str) -> Response {
    let escaped = about.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let html = include_str!("page.html").replace("{about}", &escaped);
    Response::new(200, "text/html; charset=utf-8", Payload::Bytes(html.into_bytes()))
        .header("Cache-Control", "no-cache")
        .header(
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_folder() {
        assert_eq!(safe("/index.html"), Some("index.html"));
        assert_eq!(safe("/pkg/a-b.wasm"), Some("pkg/a-b.wasm"));
        for path in [
            "",
            "/",
            "//etc/passwd",
            "/../a",
            "/a/../../b",
            "/.git/config",
            "/a/./b",
            "/c:/x",
            "/a\\..\\b",
            "/a\0",
            "a",
        ] {
            assert_eq!(safe(path), None, "{path:?}");
        }
    }

    #[test]
    fn only_a_hash_in_the_name_makes_a_file_last() {
        for name in ["inspector-0123456789abcdef.wasm", "pkg/app.deadbeef1.js", "a_1234567890.css"] {
            assert!(is_named_by_hash(name), "{name}");
        }
        for name in ["index.html", "inspector.js", "deadbeef.js", "feedback.css", "a-1234.js"] {
            assert!(!is_named_by_hash(name), "{name}");
        }
    }
}
