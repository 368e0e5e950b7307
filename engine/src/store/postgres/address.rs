//! Addresses of databases and of the repositories in them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use postgres::Config;
use postgres::config::{Host, SslMode};

use super::password;

/// A database, and the name of a repository in it: `postgres://USER@HOST:PORT/DATABASE?repo=NAME`.
#[derive(Clone)]
pub struct Address {
    pub(super) config: Config,
    /// The repository's name; empty for the database alone.
    pub repo: String,
}

impl Address {
    /// Reads an address with `repo=NAME` in it.
    ///
    /// # Errors
    /// Says what is wrong with it. Neither this nor any other message shows a password.
    pub fn of_repository(text: &str) -> Result<Self, String> {
        let address = Self::of_database(text)?;
        if address.repo.is_empty() {
            return Err(format!("{address} names no repository: end it with ?repo=NAME"));
        }
        Ok(address)
    }

    /// Reads an address, whether or not it names a repository.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn of_database(text: &str) -> Result<Self, String> {
        let (front, query) = text.split_once('?').unwrap_or((text, ""));
        let (own, other): (Vec<&str>, Vec<&str>) =
            query.split('&').filter(|p| !p.is_empty()).partition(|p| p.starts_with("repo="));
        let repo = own.last().map_or("", |p| &p["repo=".len()..]);
        if !own.is_empty() && !is_name(repo) {
            return Err("a repository's name has letters, digits, `-`, `_` and `.`, at most 100 of them".to_owned());
        }
        let rest = if other.is_empty() { front.to_owned() } else { format!("{front}?{}", other.join("&")) };
        let mut config = Config::from_str(&rest).map_err(|_| UNREADABLE.to_owned())?;
        if config.get_password().is_some() {
            return Err(PASSWORD.to_owned());
        }
        if config.get_dbname().is_none() {
            return Err(format!("the address names no database: {EXAMPLE}"));
        }
        if config.get_ssl_mode() == SslMode::Require {
            return Err("this program speaks to PostgreSQL without TLS, so sslmode=require cannot be kept: \
                        use a local socket, a tunnel or a private network, and leave it out"
                .to_owned());
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(10));
        }
        // A peer that is gone is noticed within a minute; the default is two hours.
        config.keepalives_idle(Duration::from_secs(20)).keepalives_interval(Duration::from_secs(10));
        config.keepalives_retries(3).tcp_user_timeout(Duration::from_secs(60));
        config.application_name(&format!("vecdelta {}", std::process::id()));
        Ok(Self { config, repo: repo.to_owned() })
    }

    /// Returns the settings of a connection, with the password that belongs to it.
    pub fn config(&self) -> Config {
        let mut config = self.config.clone();
        if let Some(password) = password::find(&config) {
            config.password(password);
        }
        config
    }
}

const EXAMPLE: &str = "write postgres://USER@HOST:PORT/DATABASE?repo=NAME";
const UNREADABLE: &str = "the address cannot be read: write postgres://USER@HOST:PORT/DATABASE?repo=NAME";
const PASSWORD: &str = "an address with a password in it would be seen by everybody who lists processes or reads the file: \
     leave it out, and put it into the variable PGPASSWORD or the file ~/.pgpass";

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && name.chars().count() <= 100 && name.chars().all(allowed)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        match (self.config.get_hosts().first(), self.config.get_ports().first()) {
            (Some(Host::Tcp(host)), Some(port)) if *port != 5432 => write!(f, "{host}:{port}")?,
            (Some(Host::Tcp(host)), _) => write!(f, "{host}")?,
            #[cfg(unix)]
            (Some(Host::Unix(path)), _) => write!(f, "{}", path.display().to_string().replace('/', "%2F"))?,
            (None, _) => {}
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())?;
        if !self.repo.is_empty() {
            write!(f, "?repo={}", self.repo)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test")]

    use super::*;

    #[test]
    fn an_address_is_shown_as_it_was_written() {
        for text in [
            "postgres://ann@db.example/vectors?repo=docs",
            "postgres://ann@127.0.0.1:6000/vectors?repo=bücher-2",
            "postgres://%2Frun%2Fpostgresql/vectors?repo=docs",
        ] {
            assert_eq!(Address::of_repository(text).unwrap().to_string(), text);
        }
        let address = Address::of_repository("postgresql://a@h/d?connect_timeout=3&repo=x").unwrap();
        assert_eq!(address.to_string(), "postgres://a@h/d?repo=x");
        assert_eq!(address.config.get_connect_timeout(), Some(&Duration::from_secs(3)));
    }

    #[test]
    fn no_message_shows_a_password() {
        for text in [
            "postgres://ann:secret@h/d?repo=x",
            "postgres://ann:secret@h/d",
            "postgres://ann:secret@h:port/d?repo=x",
            "postgres://ann:secret@h/d?repo=x&nonsense=secret",
            "postgres://ann@h/d?repo=x&password=secret",
            "postgres://ann@h/d?repo=/secret",
            "postgres://ann:secret@",
        ] {
            let problem = Address::of_repository(text).err().unwrap();
            assert!(!problem.contains("secret"), "{problem}");
        }
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        for (text, says) in [
            ("postgres://h/d", "?repo=NAME"),
            ("postgres://h?repo=x", "no database"),
            ("postgres://h/d?repo=", "letters"),
            ("postgres://h/d?repo=x&sslmode=require", "without TLS"),
        ] {
            let problem = Address::of_repository(text).err().unwrap();
            assert!(problem.contains(says), "{problem}");
        }
    }
}
