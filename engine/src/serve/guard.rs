//! Who may ask: a page on another site must not, whatever name it gives this machine; nor anybody without the token.

use std::net::IpAddr;

use super::http::{Head, Response};

/// The cookie that carries the token for a browser.
const COOKIE: &str = "vecdelta_token";

/// What a request must bring along.
pub struct Guard {
    /// The hash of the token; comparing hashes tells nothing by the time that it takes.
    token: Option<blake3::Hash>,
}

impl Guard {
    /// Makes a guard; without a token it takes requests to this machine's own names only.
    pub fn new(token: Option<&str>) -> Self {
        Self { token: token.map(|t| blake3::hash(t.as_bytes())) }
    }

    /// Checks a request; nothing when it may go on.
    pub fn check(&self, head: &Head) -> Option<Response> {
        let host = head.header("host").unwrap_or_default();
        if self.token.is_none() && !is_own_name(host) {
            let text = format!("`{host}` is not a name of this machine");
            return Some(Response::refused(403, &text, "ask for 127.0.0.1 or localhost, or serve with --token"));
        }
        let own = |origin: &str| ["http://", "https://"].iter().any(|s| origin.strip_prefix(s) == Some(host));
        if head.headers.iter().any(|(name, value)| name == "origin" && !own(value)) {
            return Some(Response::error(403, "a page of another site must not ask"));
        }
        let embedded = head.header("sec-fetch-mode").is_some_and(|mode| mode != "navigate");
        if embedded && head.header("sec-fetch-site").is_some_and(|site| site == "cross-site") {
            return Some(Response::error(403, "a page of another site must not ask"));
        }
        match self.token {
            Some(token) if head.path != "/healthz" => self.check_token(head, token),
            _ => None,
        }
    }

    fn check_token(&self, head: &Head, token: blake3::Hash) -> Option<Response> {
        let fits = |given: &str| blake3::hash(given.as_bytes()) == token;
        let bearer = head.header("authorization").and_then(|value| {
            let (scheme, given) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(given.trim())
        });
        let cookies = head.headers.iter().filter(|(name, _)| name == "cookie");
        let mut cookies = cookies.flat_map(|(_, v)| v.split(';')).filter_map(|c| c.trim().split_once('='));
        if bearer.is_some_and(fits) || cookies.any(|(name, value)| name == COOKIE && fits(&unhex(value))) {
            return None;
        }
        let given = head.query.iter().find(|(name, _)| name == "token").map(|(_, value)| value);
        match given {
            // A browser that comes with the token in the address keeps it as a cookie, and the address is clean.
            Some(given) if fits(given) && head.method == "GET" => {
                let hex = crate::delta::hex(given.as_bytes());
                let cookie = format!("{COOKIE}={hex}; Path=/; HttpOnly; SameSite=Strict");
                Some(Response::text(303, "").header("Location", "/").header("Set-Cookie", cookie))
            }
            _ => {
                let help = "send `Authorization: Bearer TOKEN`; in a browser, open the address with ?token=TOKEN once";
                Some(Response::refused(401, "the token is missing or wrong", help).header("WWW-Authenticate", "Bearer"))
            }
        }
    }
}

/// Returns whether an address is reached from this machine alone.
pub fn is_loopback(ip: IpAddr) -> bool {
    ip.is_loopback()
}

/// Returns whether a Host header names this machine from within, whatever the port.
fn is_own_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => return rest.split_once(']').is_some_and(|(ip, rest)| ip == "::1" && is_port(rest)),
        None => host.split_once(':').map_or(Some(host), |(name, port)| is_digits(port).then_some(name)),
    };
    name.is_some_and(|name| {
        name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
    })
}

fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(is_digits)
}

fn is_digits(text: &str) -> bool {
    text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit())
}

fn unhex(text: &str) -> String {
    let digits: Vec<String> = text.as_bytes().chunks(2).map(|c| format!("%{}", String::from_utf8_lossy(c))).collect();
    super::http::decode_percent(&digits.concat()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(guard: &Guard, headers: &[(&str, &str)], query: &[(&str, &str)]) -> u16 {
        let pairs = |list: &[(&str, &str)]| list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let head = Head {
            method: "GET".to_owned(),
            path: "/v1/log".to_owned(),
            query: pairs(query),
            headers: pairs(headers),
            modern: true,
        };
        guard.check(&head).map_or(200, |response| response.status)
    }

    /// A page that has its own name point at 127.0.0.1 still sends that name.
    #[test]
    fn only_this_machine_by_its_own_names() {
        let open = Guard::new(None);
        for host in ["localhost", "LOCALHOST:7878", "127.0.0.1:1", "127.9.9.9", "[::1]", "[::1]:80"] {
            assert_eq!(status(&open, &[("host", host)], &[]), 200, "{host}");
        }
        let others = [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "[::2]",
            "localhost:x",
            "[::1",
            "[::1]x",
            "localhost:1:2",
            "0.0.0.0",
        ];
        for host in others {
            assert_eq!(status(&open, &[("host", host)], &[]), 403, "{host}");
        }
    }

    #[test]
    fn no_page_of_another_site() {
        let host = ("host", "localhost:7878");
        for guard in [Guard::new(None)] {
            assert_eq!(status(&guard, &[host, ("origin", "http://localhost:7878")], &[]), 200);
            for origin in ["http://localhost:7879", "http://evil.example", "null", "localhost:7878", ""] {
                assert_eq!(status(&guard, &[host, ("origin", origin)], &[]), 403, "{origin}");
            }
            let site = [host, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")];
            assert_eq!(status(&guard, &site, &[]), 403);
            let link = [host, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
            assert_eq!(status(&guard, &link, &[]), 200);
        }
    }

    #[test]
    fn the_token_comes_as_a_header_a_cookie_or_once_in_the_address() {
        let guard = Guard::new(Some("s3cret ü"));
        let host = ("host", "vectors.example");
        assert_eq!(status(&guard, &[host], &[]), 401);
        assert_eq!(status(&guard, &[host, ("authorization", "Bearer s3cret ü")], &[]), 200);
        assert_eq!(status(&guard, &[host, ("authorization", "bearer s3cret")], &[]), 401);
        assert_eq!(status(&guard, &[host, ("authorization", "s3cret ü")], &[]), 401);
        assert_eq!(status(&guard, &[host], &[("token", "s3cret ü")]), 303);
        assert_eq!(status(&guard, &[host], &[("token", "s3cret")]), 401);
        let cookie = format!("a=b; {COOKIE}={}", crate::delta::hex("s3cret ü".as_bytes()));
        assert_eq!(status(&guard, &[host, ("cookie", &cookie)], &[]), 200);
        assert_eq!(status(&guard, &[host, ("cookie", "vecdelta_token=7x")], &[]), 401);
    }
}
