//! The parameters of a question: known ones, each at most once.

use super::super::http::{Head, Response};
use crate::delta::read_moment;

/// The parameters of one request.
pub struct Parameters<'h> {
    head: &'h Head,
}

impl<'h> Parameters<'h> {
    /// Takes the parameters of a request, which may have these and no others.
    ///
    /// # Errors
    /// Names the one that is not known, and those that are.
    pub fn of(head: &'h Head, known: &[&str]) -> Result<Self, Response> {
        // The token may be in the address.
        let strange = head.query.iter().map(|(name, _)| name).find(|n| *n != "token" && !known.contains(&n.as_str()));
        match strange {
            None => Ok(Self { head }),
            Some(name) => {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                Err(Response::refused(
                    400,
                    &format!("`{name}` is no parameter of this path"),
                    &format!("there is {known}"),
                ))
            }
        }
    }

    /// Returns a text.
    pub fn text(&self, name: &str) -> Result<Option<&'h str>, Response> {
        self.head.parameter(name).map_err(|text| Response::error(400, text))
    }

    /// Returns a text that must be there.
    pub fn needed(&self, name: &str) -> Result<&'h str, Response> {
        self.text(name)?.ok_or_else(|| Response::error(400, format!("`{name}` is missing")))
    }

    /// Returns every value of a parameter that may be repeated.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.head.query.iter().filter(|(n, _)| n == name).map(|(_, value)| value.clone()).collect()
    }

    /// Returns a number.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Response> {
        let parse = |text: &str| text.parse().map_err(|_| Response::error(400, format!("`{name}` is a whole number")));
        self.text(name)?.map(parse).transpose()
    }

    /// Returns a number of things, at least one.
    pub fn count(&self, name: &str) -> Result<Option<usize>, Response> {
        match self.number(name)? {
            Some(0) => Err(Response::error(400, format!("`{name}` is at least 1"))),
            number => Ok(number.map(|n| usize::try_from(n).unwrap_or(usize::MAX))),
        }
    }

    /// Returns a time in milliseconds since 1970.
    pub fn millis(&self, name: &str) -> Result<Option<u64>, Response> {
        let parse = |text: &str| {
            let time = read_moment(text);
            let time =
                time.ok_or_else(|| Response::error(400, format!("`{name}` is a time like 2026-03-01T12:00:00Z")))?;
            Ok(u64::try_from(time).unwrap_or(0))
        };
        self.text(name)?.map(parse).transpose()
    }
}
