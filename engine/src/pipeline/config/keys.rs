//! What a key of the file may hold. The [`super::table`] of all keys is made of these and drives everything: the walk,
//! the defaults, the suggestions, the reference page and the schema.

/// One table of the file and the keys it takes.
#[derive(Debug)]
pub(super) struct Section {
    /// How it is written in a file, for example `[[route]]` or `close`.
    pub(super) header: &'static str,
    /// What one is called, for example `route`.
    pub(super) noun: &'static str,
    /// What it is for: one or two sentences.
    pub(super) doc: &'static str,
    /// Whether exactly one of the keys must be given.
    pub(super) choose_one: bool,
    /// The keys, in the order of the reference.
    pub(super) keys: &'static [Key],
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) need: Need,
    pub(super) doc: &'static str,
}

/// What happens when a key is not given.
#[derive(Clone, Copy, Debug)]
pub(super) enum Need {
    /// An error.
    Required,
    /// This TOML value holds.
    Default(&'static str),
    /// Nothing is set; the text says what that means.
    Optional(&'static str),
}

/// A word of a closed list, and what it means.
#[derive(Debug)]
pub(super) struct Word {
    pub(super) name: &'static str,
    pub(super) doc: &'static str,
}

/// What a value may be.
#[derive(Debug)]
pub(super) enum Kind {
    /// Any text but the empty one.
    Text,
    /// A name made of letters, digits, `_`, `-` and `.`.
    Name,
    /// The name of a branch.
    Branch,
    /// A path, relative to the file's directory.
    Path,
    /// A path or a glob over paths.
    PathGlob,
    /// A glob over `collection/key`.
    SourceGlob,
    /// A text with these placeholders in braces.
    Template(&'static [&'static str]),
    /// A number of bytes, above 0.
    Size,
    /// A span of time; whether 0 is allowed.
    Duration { zero: bool },
    /// A range of dimensions.
    DimRange,
    /// A time of day with a zone.
    Hours,
    /// A moment.
    Moment,
    /// An address that begins with `http://`.
    Url,
    /// A whole number within bounds.
    Count { min: u64, max: u64 },
    /// A finite number within bounds.
    Number { min: f64, max: f64 },
    /// Any number, NaN and infinity included.
    AnyNumber,
    /// True or false.
    Bool,
    /// Only `true`: leaving the key out says the opposite.
    True,
    /// One of these words.
    Word(&'static [Word]),
    /// A list of values, at least so many.
    List(&'static Kind, usize),
    /// Whichever of these has the value's type.
    Either(&'static [Kind]),
    /// A table whose keys are free, each with such a value.
    Map(&'static Kind),
    /// One table.
    Table(&'static Section),
    /// Tables by name: `[source.NAME]`.
    Named(&'static Section),
    /// Tables in a row: `[[route]]`.
    Rows(&'static Section),
}

impl Kind {
    /// Returns what is expected, for messages and the reference.
    pub(super) fn expected(&self) -> String {
        match self {
            Self::Text => "a text".into(),
            Self::Name => "a name".into(),
            Self::Branch => "a branch".into(),
            Self::Path => "a path".into(),
            Self::PathGlob => "a path or glob".into(),
            Self::SourceGlob => "a glob over `collection/key`".into(),
            Self::Template([]) => "a text".into(),
            Self::Template(names) => {
                let names: Vec<String> = names.iter().map(|name| format!("`{{{name}}}`")).collect();
                format!("a text, may hold {}", names.join(" "))
            }
            Self::Size => "a size such as \"64MiB\"".into(),
            Self::Duration { .. } => "a duration such as \"30s\"".into(),
            Self::DimRange => "a range such as \"0..8\"".into(),
            Self::Hours => "a time of day such as \"06:00-22:00Z\"".into(),
            Self::Moment => "a moment such as \"2026-01-05T09:00:00Z\"".into(),
            Self::Url => "an address such as \"http://127.0.0.1:8080/hook\"".into(),
            Self::Map(value) => format!("a table `{{ name = .. }}`, each {}", value.expected()),
            Self::Count { .. } => format!("a whole number{}", self.bounds()),
            Self::Number { .. } => format!("a number{}", self.bounds()),
            Self::AnyNumber => "a number".into(),
            Self::Bool => "true or false".into(),
            Self::True => "true".into(),
            Self::Word(words) => {
                let words: Vec<String> = words.iter().map(|word| format!("\"{}\"", word.name)).collect();
                super::suggest::one_of(&words)
            }
            Self::List(item, _) => format!("a list, each {}", item.expected()),
            Self::Either(kinds) => {
                let kinds: Vec<String> = kinds.iter().map(Self::expected).collect();
                super::suggest::one_of(&kinds)
            }
            Self::Table(section) => format!("a table `{}`", section.example()),
            Self::Named(section) | Self::Rows(section) => format!("tables `{}`", section.header),
        }
    }

    /// Returns the bounds of a number as a phrase; empty when there are none.
    pub(super) fn bounds(&self) -> String {
        match *self {
            Self::Count { min, max } if max < u64::from(u32::MAX) => {
                format!(" from {min} to {max}")
            }
            Self::Count { min: 0, .. } => String::new(),
            Self::Count { min, .. } => format!(" of at least {min}"),
            Self::Number { min, max } if max < f64::INFINITY => format!(" from {min} to {max}"),
            Self::Number { min, .. } => format!(" of at least {min}"),
            _ => String::new(),
        }
    }
}

impl Section {
    /// Returns a key by name.
    pub(super) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// Returns the names of the keys.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }

    /// Returns how an inline table of this kind looks.
    fn example(&self) -> String {
        let names: Vec<String> = self.names().map(|name| format!("{name} = ..")).collect();
        let joint = if self.choose_one { " | " } else { ", " };
        format!("{{ {} }}", names.join(joint))
    }

    /// Goes over this section and all below it, parents first.
    pub(super) fn all_below(&'static self) -> Vec<&'static Self> {
        let mut found = vec![self];
        for key in self.keys {
            key.kind.collect_sections(&mut found);
        }
        found
    }
}

impl Kind {
    /// Returns the sections that a value of this kind may hold, at any depth.
    pub(super) fn sections(&self) -> Vec<&'static Section> {
        let mut found = Vec::new();
        self.collect_sections(&mut found);
        found
    }

    fn collect_sections(&self, found: &mut Vec<&'static Section>) {
        match self {
            Self::Table(section) | Self::Named(section) | Self::Rows(section) => found.extend(section.all_below()),
            Self::List(kind, _) => kind.collect_sections(found),
            Self::Either(kinds) => kinds.iter().for_each(|kind| kind.collect_sections(found)),
            _ => {}
        }
    }
}
