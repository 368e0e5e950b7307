//! Deep links: what is looked at, as the fragment of an address.
//!
//! `#c=1f0e9a2b&b=main&vec=products/lamp-004&view=vector`. A value is percent-encoded UTF-8. Keys that are not known are
//! kept, so that a link made by a later version survives this one.

use std::fmt::Write;

/// What a link says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// `c`: a commit, as the beginning of its identity, a branch or a tag.
    pub commit: Option<String>,
    /// `b`: the branch whose head the path leads to.
    pub branch: Option<String>,
    /// `vec`: a source, `collection/key`.
    pub vector: Option<String>,
    /// `view`: the name of a view.
    pub view: Option<String>,
    /// `with`: a second commit to compare with.
    pub with: Option<String>,
    /// `q`: what is searched for.
    pub query: Option<String>,
    /// `z`: the height of the graph's rows, in points.
    pub zoom: Option<String>,
    /// `fold`: quiet stretches are folded when it is `1`.
    pub fold: Option<String>,
    /// `loop`: `1` for all of the path, or the first and the last commit of a stretch, as `A..B`.
    pub looped: Option<String>,
    /// `speed`: commits a second.
    pub speed: Option<String>,
    /// Everything else, in order.
    pub rest: Vec<(String, String)>,
}

impl Link {
    /// Reads a link; anything before `#` is left aside, and a text that is no link gives an empty one.
    pub fn parse(text: &str) -> Self {
        let fragment = text.split_once('#').map_or(text, |(_, fragment)| fragment);
        let mut link = Self::default();
        for pair in fragment.split('&').filter(|p| !p.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (key, value) = (decode(key), decode(value));
            match link.field(&key) {
                Some(field) if field.is_none() => *field = Some(value),
                _ => link.rest.push((key, value)),
            }
        }
        link
    }

    /// Writes the link, beginning with `#`; empty when it says nothing.
    pub fn to_text(&self) -> String {
        let known = [
            ("c", &self.commit),
            ("b", &self.branch),
            ("vec", &self.vector),
            ("view", &self.view),
            ("with", &self.with),
            ("q", &self.query),
            ("z", &self.zoom),
            ("fold", &self.fold),
            ("loop", &self.looped),
            ("speed", &self.speed),
        ];
        let known = known.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?)));
        let rest = self.rest.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        let mut out = String::new();
        for (key, value) in known.chain(rest) {
            out.push(if out.is_empty() { '#' } else { '&' });
            encode(key, &mut out);
            out.push('=');
            encode(value, &mut out);
        }
        out
    }

    fn field(&mut self, key: &str) -> Option<&mut Option<String>> {
        Some(match key {
            "c" => &mut self.commit,
            "b" => &mut self.branch,
            "vec" => &mut self.vector,
            "view" => &mut self.view,
            "with" => &mut self.with,
            "q" => &mut self.query,
            "z" => &mut self.zoom,
            "fold" => &mut self.fold,
            "loop" => &mut self.looped,
            "speed" => &mut self.speed,
            _ => return None,
        })
    }
}

fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' | b':' => out.push(byte as char),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
}

/// Decodes a value; what is not UTF-8 becomes replacement characters, a `%` without two digits stays.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let digits = bytes.get(i + 1..i + 3).filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let value = digits.and_then(|d| u8::from_str_radix(str::from_utf8(d).ok()?, 16).ok());
        match (bytes[i], value) {
            (b'%', Some(value)) => {
                out.push(value);
                i += 2;
            }
            (byte, _) => out.push(byte),
        }
        i += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_people_write() {
        let link = Link::parse("https://example.org/x?y#c=1f0e&b=feature%2Fa%26b&vec=shop/caf%C3%A9&view=vector&new=1");
        assert_eq!(link.commit.as_deref(), Some("1f0e"));
        assert_eq!(link.branch.as_deref(), Some("feature/a&b"));
        assert_eq!(link.vector.as_deref(), Some("shop/café"));
        assert_eq!(link.view.as_deref(), Some("vector"));
        assert_eq!(link.rest, [("new".to_owned(), "1".to_owned())]);
        assert_eq!(link.to_text(), "#c=1f0e&b=feature/a%26b&vec=shop/caf%C3%A9&view=vector&new=1");
        for nothing in ["", "#", "#&&"] {
            assert_eq!(Link::parse(nothing), Link::default(), "{nothing}");
            assert_eq!(Link::parse(nothing).to_text(), "");
        }
        assert_eq!(Link::parse("#c=%zz%4").commit.as_deref(), Some("%zz%4"));
    }

    proptest! {
        #[test]
        fn comes_back_as_it_was(
            fields in prop::array::uniform10(prop::option::of(any::<String>())),
            rest in prop::collection::vec(("x[a-zé#&=%]{0,5}", any::<String>()), 0..3),
        ) {
            let [commit, branch, vector, view, with, query, zoom, fold, looped, speed] = fields;
            let link = Link { commit, branch, vector, view, with, query, zoom, fold, looped, speed, rest };
            prop_assert_eq!(Link::parse(&link.to_text()), link);
        }

        #[test]
        fn any_text_is_read(text in any::<String>()) {
            let link = Link::parse(&text);
            prop_assert_eq!(Link::parse(&link.to_text()), link);
        }
    }
}
