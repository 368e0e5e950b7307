//! Everything that can be done, in one table: menus, the palette, keys and the help page are made of it.

/// Something that can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Open a directory, a file or an address.
    Open,
    /// Open the built-in history.
    OpenDemo,
    /// Watch a pipeline.
    Watch,
    /// Go back to the start page.
    Close,
    /// Put the cursor into the query bar.
    Search,
    /// Go to the next match.
    NextMatch,
    /// Go to the match before.
    PreviousMatch,
    /// Show the palette.
    Palette,
    /// Show the help page.
    Help,
    /// Select the commit below.
    Down,
    /// Select the commit above.
    Up,
    /// Ten commits down.
    DownTen,
    /// Ten commits up.
    UpTen,
    /// Select the newest commit.
    Newest,
    /// Select the oldest commit.
    Oldest,
    /// Select the parent.
    Parent,
    /// Select the child.
    Child,
    /// Go to the next branch's head.
    NextBranch,
    /// Go to the branch head before.
    PreviousBranch,
    /// Keep the selected commit to compare others with.
    Mark,
    /// Start or stop the replay.
    Play,
    /// One commit on.
    StepOn,
    /// One commit back.
    StepBack,
    /// Ten commits on.
    LeapOn,
    /// Ten commits back.
    LeapBack,
    /// Replay faster.
    Faster,
    /// Replay slower.
    Slower,
    /// Begin again at the end.
    Loop,
    /// Set the ends of the loop, one after the other.
    LoopHere,
    /// Fold quiet stretches, or show every commit.
    Fold,
    /// Larger rows.
    ZoomIn,
    /// Smaller rows.
    ZoomOut,
    /// The whole history at once.
    ZoomAll,
    /// Rows as at the start.
    ZoomReset,
    /// The next view.
    NextView,
    /// The view before.
    PreviousView,
    /// Show or hide the graph.
    ToggleGraph,
    /// Dark or light.
    Theme,
    /// In the heatmap: values, or changes.
    ValueOrChange,
    /// In the projection: all points.
    AllPoints,
    /// In the projection: closer.
    Closer,
    /// In the projection: farther away.
    Farther,
    /// In the projection: what lies further left.
    PanLeft,
    /// In the projection: what lies further right.
    PanRight,
    /// In the projection: what lies further up.
    PanUp,
    /// In the projection: what lies further down.
    PanDown,
    /// In the projection: colours by change, or by generation.
    ColourBy,
    /// In the projection: keep the trail of the chosen vector, or let it go.
    KeepTrail,
    /// In the projection: axes from the selected commit.
    AxesHere,
    /// Swap the branches that are compared.
    SwapBranches,
    /// Write vectors to a file.
    Export,
    /// Check the whole history.
    CheckHistory,
    /// Copy the report of the check.
    CopyReport,
    /// Copy a link to what is shown.
    CopyLink,
    /// Copy the commit's identity.
    CopyId,
}

/// A key with what is held down beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The key as egui names it.
    pub key: &'static str,
    /// Whether Ctrl (Cmd on a Mac) is held.
    pub ctrl: bool,
    /// Whether Shift is held.
    pub shift: bool,
}

/// A row of the table.
pub struct Entry {
    /// What is done.
    pub command: Command,
    /// Where it stands in the menu and on the help page.
    pub group: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its keys; the first is shown in menus.
    pub keys: &'static [Keys],
}

const fn key(key: &'static str) -> Keys {
    Keys { key, ctrl: false, shift: false }
}

const fn shift(key: &'static str) -> Keys {
    Keys { key, ctrl: false, shift: true }
}

const fn ctrl(key: &'static str) -> Keys {
    Keys { key, ctrl: true, shift: false }
}

const fn entry(command: Command, group: &'static str, name: &'static str, keys: &'static [Keys]) -> Entry {
    Entry { command, group, name, keys }
}

/// The groups, in order.
pub const GROUPS: [&str; 6] = ["History", "Go", "Projection", "Replay", "Look", "Help"];

/// Every command. Keys are chosen so that a browser leaves them alone.
pub const COMMANDS: &[Entry] = &[
    entry(Command::Open, "History", "Open…", &[ctrl("O")]),
    entry(Command::OpenDemo, "History", "Open the demo history", &[]),
    entry(Command::Watch, "History", "Watch a pipeline", &[key("W")]),
    entry(Command::CopyLink, "History", "Copy a link to this view", &[key("Y")]),
    entry(Command::CopyId, "History", "Copy the commit's hash", &[shift("Y")]),
    entry(Command::Export, "History", "Write vectors to a file…", &[key("E")]),
    entry(Command::CheckHistory, "History", "Check the whole history", &[]),
    entry(Command::CopyReport, "History", "Copy the report of the check", &[]),
    entry(Command::Close, "History", "Back to the start page", &[]),
    entry(Command::Search, "Go", "Search", &[key("Slash"), ctrl("K")]),
    entry(Command::NextMatch, "Go", "Next match", &[key("N")]),
    entry(Command::PreviousMatch, "Go", "Previous match", &[shift("N")]),
    entry(Command::Down, "Go", "Next row down", &[key("J"), key("ArrowDown")]),
    entry(Command::Up, "Go", "Next row up", &[key("K"), key("ArrowUp")]),
    entry(Command::DownTen, "Go", "Ten rows down", &[key("PageDown"), shift("J")]),
    entry(Command::UpTen, "Go", "Ten rows up", &[key("PageUp"), shift("K")]),
    entry(Command::Newest, "Go", "Newest commit", &[key("Home"), key("G")]),
    entry(Command::Oldest, "Go", "Oldest commit", &[key("End"), shift("G")]),
    entry(Command::Parent, "Go", "Parent", &[key("P")]),
    entry(Command::Child, "Go", "Child", &[key("C")]),
    entry(Command::NextBranch, "Go", "Next branch", &[key("CloseBracket")]),
    entry(Command::PreviousBranch, "Go", "Previous branch", &[key("OpenBracket")]),
    entry(Command::Play, "Replay", "Play or pause", &[key("Space")]),
    entry(Command::StepOn, "Replay", "One commit on", &[key("ArrowRight")]),
    entry(Command::StepBack, "Replay", "One commit back", &[key("ArrowLeft")]),
    entry(Command::LeapOn, "Replay", "Ten commits on", &[shift("ArrowRight")]),
    entry(Command::LeapBack, "Replay", "Ten commits back", &[shift("ArrowLeft")]),
    entry(Command::Faster, "Replay", "Faster", &[key("Period")]),
    entry(Command::Slower, "Replay", "Slower", &[key("Comma")]),
    entry(Command::Loop, "Replay", "Loop", &[key("L")]),
    entry(Command::LoopHere, "Replay", "Loop from here, then to here, then over all", &[shift("L")]),
    entry(Command::Mark, "Look", "Compare with this commit", &[key("M")]),
    entry(Command::Fold, "Look", "Fold quiet stretches", &[key("F")]),
    entry(Command::ZoomIn, "Look", "Zoom in", &[key("Plus"), key("Equals")]),
    entry(Command::ZoomOut, "Look", "Zoom out", &[key("Minus")]),
    entry(Command::ZoomAll, "Look", "Whole history", &[key("Num0")]),
    entry(Command::ZoomReset, "Look", "Normal size", &[key("Num1")]),
    entry(Command::ValueOrChange, "Look", "Values or changes in the heatmap", &[key("X")]),
    entry(Command::SwapBranches, "Look", "Swap the compared branches", &[key("S")]),
    entry(Command::AllPoints, "Projection", "All points", &[key("Num5")]),
    entry(Command::Closer, "Projection", "Closer", &[key("I")]),
    entry(Command::Farther, "Projection", "Farther away", &[key("O")]),
    entry(Command::PanLeft, "Projection", "Points further left", &[key("Num4")]),
    entry(Command::PanRight, "Projection", "Points further right", &[key("Num6")]),
    entry(Command::PanUp, "Projection", "Points further up", &[key("Num8")]),
    entry(Command::PanDown, "Projection", "Points further down", &[key("Num2")]),
    entry(Command::ColourBy, "Projection", "Colours by change or by generation", &[key("A")]),
    entry(Command::KeepTrail, "Projection", "Keep the trail of this vector, or let it go", &[key("D")]),
    entry(Command::AxesHere, "Projection", "Axes from this commit", &[shift("A")]),
    entry(Command::NextView, "Look", "Next view", &[key("V")]),
    entry(Command::PreviousView, "Look", "Previous view", &[shift("V")]),
    entry(Command::ToggleGraph, "Look", "Show or hide the graph", &[key("B")]),
    entry(Command::Theme, "Look", "Dark or light", &[key("T")]),
    entry(Command::Palette, "Help", "All commands", &[key("Colon"), ctrl("P")]),
    entry(Command::Help, "Help", "Keys and help", &[key("Questionmark"), key("F1")]),
];

impl Keys {
    /// Returns the keys as people write them.
    pub fn text(self) -> String {
        let key = match self.key {
            "ArrowDown" => "↓",
            "ArrowUp" => "↑",
            "ArrowLeft" => "←",
            "ArrowRight" => "→",
            "Slash" => "/",
            "Period" => ".",
            "Comma" => ",",
            "Colon" => ":",
            "Questionmark" => "?",
            "OpenBracket" => "[",
            "CloseBracket" => "]",
            "Plus" => "+",
            "Equals" => "=",
            "Minus" => "-",
            "Num0" => "0",
            "Num1" => "1",
            "Num2" => "2",
            "Num4" => "4",
            "Num5" => "5",
            "Num6" => "6",
            "Num8" => "8",
            "PageDown" => "PgDn",
            "PageUp" => "PgUp",
            other => other,
        };
        format!("{}{}{key}", if self.ctrl { "Ctrl " } else { "" }, if self.shift { "Shift " } else { "" })
    }
}

/// Returns the commands whose names hold all words of a text, best first: those whose name begins with it, then in the
/// order of the table.
pub fn matching(text: &str) -> Vec<&'static Entry> {
    let text = text.to_lowercase();
    let fits = |e: &&Entry| {
        text.split_whitespace().all(|w| e.name.to_lowercase().contains(w) || e.group.to_lowercase().contains(w))
    };
    let mut found: Vec<&Entry> = COMMANDS.iter().filter(fits).collect();
    found.sort_by_key(|e| !e.name.to_lowercase().starts_with(text.trim()));
    found
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_command_is_there_once_and_no_key_means_two_things() {
        let commands: HashSet<_> = COMMANDS.iter().map(|e| e.command).collect();
        assert_eq!(commands.len(), COMMANDS.len());
        let mut keys = HashSet::new();
        for entry in COMMANDS {
            assert!(GROUPS.contains(&entry.group), "{}", entry.name);
            for k in entry.keys {
                assert!(keys.insert((k.key, k.ctrl, k.shift)), "{} of {} is taken", k.text(), entry.name);
            }
        }
        let names: HashSet<_> = COMMANDS.iter().map(|e| e.name).collect();
        assert_eq!(names.len(), COMMANDS.len());
    }

    #[test]
    fn the_palette_finds_by_words() {
        assert_eq!(matching("play")[0].command, Command::Play);
        assert_eq!(matching("branch prev")[0].command, Command::PreviousBranch);
        assert_eq!(matching("").len(), COMMANDS.len());
        assert!(matching("zzz").is_empty());
    }
}
