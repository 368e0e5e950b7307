//! Finding the password for a connection where PostgreSQL's own programs look for it.

use std::fs;
use std::path::PathBuf;

use postgres::Config;
use postgres::config::Host;

/// Returns the password in PGPASSWORD, or the one in the password file that fits, if any.
pub fn find(config: &Config) -> Option<String> {
    if let Some(password) = std::env::var("PGPASSWORD").ok().filter(|p| !p.is_empty()) {
        return Some(password);
    }
    let named = std::env::var_os("PGPASSFILE").map(PathBuf::from);
    let path = named.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".pgpass")))?;
    if !is_private(&path) {
        return None;
    }
    let host = match config.get_hosts().first()? {
        Host::Tcp(host) => host.clone(),
        #[cfg(unix)]
        Host::Unix(_) => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    let wanted = [&host, &port, config.get_dbname().unwrap_or_default(), config.get_user().unwrap_or_default()];
    fs::read_to_string(path).ok()?.lines().find_map(|line| matching(line, &wanted))
}

/// A file that others may read is passed over, as PostgreSQL's own programs do.
fn is_private(path: &std::path::Path) -> bool {
    let Ok(found) = fs::metadata(path) else { return false };
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o077 != 0 {
        return false;
    }
    found.is_file()
}

/// Returns the password of a line `host:port:database:user:password` if all of it fits; `\` escapes the next letter.
fn matching(line: &str, wanted: &[&str; 4]) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let mut fields = vec![String::new()];
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => fields.last_mut().expect("one at least").extend(letters.next()),
            ':' if fields.len() < 5 => fields.push(String::new()),
            other => fields.last_mut().expect("one at least").push(other),
        }
    }
    let password = fields.pop().filter(|_| fields.len() == 4)?;
    fields.iter().zip(wanted).all(|(f, w)| f == "*" || f == w).then_some(password)
}

#[cfg(test)]
mod tests {
    use super::matching;

    #[test]
    fn a_line_fits_or_does_not() {
        let wanted = ["db.example", "5432", "vectors", "ann"];
        let cases = [
            ("db.example:5432:vectors:ann:secret", Some("secret")),
            ("*:*:*:*:with:colon", Some("with:colon")),
            (r"db.example:*:vectors:ann:back\\slash\:", Some(r"back\slash:")),
            ("#*:*:*:*:comment", None),
            ("db.example:5433:vectors:ann:secret", None),
            ("db.example:5432:vectors", None),
            ("", None),
        ];
        for (line, want) in cases {
            assert_eq!(matching(line, &wanted).as_deref(), want, "{line}");
        }
    }
}
