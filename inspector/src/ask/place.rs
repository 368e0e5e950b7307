//! Where a repository is, and how people write that.

use borsh::{BorshDeserialize, BorshSerialize};

/// Where a repository is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub enum Place {
    /// The history that is built in.
    Demo,
    /// A directory, or a file that is a bundle.
    Path(String),
    /// A bundle on a web server, or the repository that a server serves.
    Url(String),
    /// A file that was dropped on the window, by the number that the shell gave it, and its name.
    File(u32, String),
}

impl Place {
    /// Reads what somebody wrote: an address, or a path. In a browser, which opens no paths, all of it is an address.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_address = cfg!(target_arch = "wasm32") || is_address(text);
        let place = if is_address { Self::Url } else { Self::Path };
        (!text.is_empty()).then(|| place(text.to_owned()))
    }

    /// Returns what [`Place::parse`] reads again; nothing for what nobody can write.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Path(text) | Self::Url(text) => Some(text),
            Self::Demo | Self::File(..) => None,
        }
    }

    /// Returns its last part, for the head of the window.
    pub fn title(&self) -> String {
        let last = |text: &str| {
            let text = text.trim_end_matches(['/', '\\']);
            text.rsplit(['/', '\\']).next().unwrap_or(text).to_owned()
        };
        match self {
            Self::Demo => "demo history".to_owned(),
            Self::Path(path) => last(path),
            Self::Url(url) => last(url.split(['?', '#']).next().unwrap_or(url)),
            Self::File(_, name) => last(name),
        }
    }

    /// Returns all of it, in words.
    pub fn describe(&self) -> &str {
        match self {
            Self::Demo => "the demo history",
            Self::Path(text) | Self::Url(text) | Self::File(_, text) => text,
        }
    }
}

/// Returns whether a text is the address of something on a web server.
pub fn is_address(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}
