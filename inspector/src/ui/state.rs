//! Everything that the window shows, without how it is drawn.

use std::any::{Any, TypeId};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::merging::Merging;
use super::view::VIEWS;
use crate::ask::{Answer, Ask, Chosen, CommitNumber, ExportPiece, Place, Trouble};
use crate::desk::Desk;
use crate::model::command::Command;
use crate::model::exporting::Exporting;
use crate::model::format;
use crate::model::history::History;
use crate::model::integrity::Integrity;
use crate::model::lanes::Lanes;
use crate::model::link::Link;
use crate::model::path;
use crate::model::playback::{Playback, SPEEDS};
use crate::model::rows::{NORMAL, Rows};
use crate::model::search::Search;
use crate::model::selection::{Selection, unique_id};

/// How many records are asked for at a time in the background.
const RECORDS_AHEAD: u32 = 2048;

/// What the names of records of pipelines end with.
const RECORD: &str = ".jsonl";

/// What the window shows.
pub struct State {
    /// Questions to the worker, and answers.
    pub desk: Desk,
    /// Where the open repository is, or the one that is being opened.
    pub place: Option<Place>,
    /// Why it could not be opened.
    pub trouble: Option<Arc<Trouble>>,
    /// The commits.
    pub history: History,
    /// Their lanes; empty until the graph is known.
    pub lanes: Lanes,
    /// The rows of the graph.
    pub rows: Rows,
    /// The height of a row of the graph, in points.
    pub row_height: f64,
    /// Whether quiet stretches are folded.
    pub folding: bool,
    /// Commits whose stretches stay open.
    pub unfolded: BTreeSet<CommitNumber>,
    /// What is looked at.
    pub selection: Selection,
    /// The path of the replay, oldest first.
    pub path: Vec<CommitNumber>,
    /// The replay.
    pub playback: Playback,
    /// What is searched for.
    pub search: Search,
    /// The check of the whole history.
    pub integrity: Integrity,
    /// Which rows the graph shows, for what is drawn beside them.
    pub rows_shown: RowsShown,
    /// Where the graph's rows begin at the highest, as a view beside them says anew in every frame.
    pub rows_below: f32,
    /// Whether the graph is shown.
    pub graph_shown: bool,
    /// Whether the help page is shown.
    pub help: bool,
    /// Whether the window for opening a history is shown.
    pub opening: bool,
    /// What is written where a place can be written.
    pub place_text: String,
    /// Whether a pipeline is watched without any history.
    pub watching: bool,
    /// Whether the window for writing files is shown.
    pub export_shown: bool,
    /// The export that is under way.
    pub export: Option<Exporting>,
    /// Why the last export came to nothing.
    pub export_trouble: Option<Arc<Trouble>>,
    /// The merge that somebody wants to make.
    pub merging: Option<Merging>,
    /// The directory where files go unless told otherwise; empty where there are none.
    pub save_dir: String,
    /// The file that somebody chose to write into, until it is taken over.
    pub save_to: Option<String>,
    /// The text of the palette while it is shown.
    pub palette: Option<String>,
    /// Places that were opened, newest first.
    pub recent: Vec<Place>,
    /// A short message at the foot of the window, and when it goes.
    pub notice: Option<(String, f64)>,
    /// Commands that are to be carried out in this frame.
    pub commands: Vec<Command>,
    /// What the shell is to do: things that need the system.
    pub wishes: Vec<Wish>,
    /// Set when the graph shall scroll to the selected commit.
    pub reveal: bool,
    /// Set when the query bar shall have the cursor.
    pub focus_search: bool,
    link: Option<Link>,
    own: HashMap<TypeId, Box<dyn Any>>,
}

/// Where the graph's rows are on the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RowsShown {
    /// Where row 0 is when nothing is scrolled.
    pub top: f32,
    /// The row at the upper edge.
    pub scroll: f64,
    /// The height of a row; 0 before the graph was drawn.
    pub row: f64,
}

/// What people choose in a dialog of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// A repository's directory.
    Directory,
    /// A bundle's file.
    File,
}

/// Something that only the shell can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Let people choose what to open.
    ChoosePlace(Pick),
    /// Put a text on the clipboard.
    Copy(String),
    /// Keep the list of places.
    KeepRecent(Vec<Place>),
    /// Let people choose a file to write into; this one is proposed.
    ChooseFile(String),
    /// Write a piece of a file.
    Save(Saved),
    /// Leave nothing of the file that is being written.
    GiveUpSaving,
    /// Show a short message.
    Say(String),
}

/// A piece of a file that is written out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The file, or its name where there are no directories.
    pub to: String,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether the file begins with it.
    pub first: bool,
    /// Whether the file ends with it.
    pub last: bool,
    /// How many rows were written so far.
    pub rows: u64,
}

impl State {
    /// Begins with nothing open.
    pub fn new(desk: Desk) -> Self {
        Self {
            desk,
            place: None,
            trouble: None,
            history: History::default(),
            lanes: Lanes::default(),
            rows: Rows::default(),
            row_height: NORMAL,
            folding: false,
            unfolded: BTreeSet::new(),
            selection: Selection { view: VIEWS[0].name.to_owned(), ..Selection::default() },
            path: Vec::new(),
            playback: Playback::default(),
            search: Search::default(),
            integrity: Integrity::default(),
            rows_shown: RowsShown::default(),
            rows_below: 0.0,
            graph_shown: true,
            help: false,
            opening: false,
            place_text: String::new(),
            watching: false,
            export_shown: false,
            export: None,
            export_trouble: None,
            merging: None,
            save_dir: String::new(),
            save_to: None,
            palette: None,
            recent: Vec::new(),
            notice: None,
            commands: Vec::new(),
            wishes: Vec::new(),
            reveal: false,
            focus_search: false,
            link: None,
            own: HashMap::new(),
        }
    }

    /// Opens a place, and goes where a link leads once it is open.
    pub fn open(&mut self, place: Place, link: Option<Link>) {
        if let Place::Path(path) = &place
            && path.ends_with(RECORD)
        {
            return self.watch_record(path.clone());
        }
        let view = std::mem::take(&mut self.selection.view);
        self.close();
        self.selection.view = view;
        self.link = link;
        self.desk.want(Ask::Open(place.clone()));
        self.place_text = place.text().unwrap_or_default().to_owned();
        self.place = Some(place);
        self.opening = false;
    }

    /// A record of a pipeline is no history: it is watched, beside the open history if there is one.
    fn watch_record(&mut self, path: String) {
        if !self.is_ready() {
            self.close();
        }
        self.selection.set_param("pipe", Some(path));
        self.opening = false;
        self.watch();
    }

    /// Watches a pipeline, beside the open history or alone.
    pub fn watch(&mut self) {
        self.selection.view = super::pipeline::VIEW.name.to_owned();
        self.watching = self.place.is_none();
    }

    /// Goes where a link leads without any history: to a pipeline, if it names one.
    pub fn follow(&mut self, link: Link) {
        if link.view.as_deref() == Some(super::pipeline::VIEW.name) {
            self.close();
            self.selection.rest = link.rest;
            self.watch();
        }
    }

    /// Goes back to the start page.
    pub fn close(&mut self) {
        self.desk.clear();
        self.place = None;
        self.trouble = None;
        self.watching = false;
        self.set_history(History::default());
        self.selection = Selection { view: std::mem::take(&mut self.selection.view), ..Selection::default() };
        self.path.clear();
        self.playback = Playback::default();
        self.search = Search::default();
        self.integrity = Integrity::default();
        self.unfolded.clear();
        self.merging = None;
        if self.export.take().is_some() {
            self.wishes.push(Wish::GiveUpSaving);
        }
        self.own.clear();
    }

    fn set_history(&mut self, history: History) {
        self.history = history;
        self.lanes = Lanes::default();
        self.rows = Rows::default();
    }

    /// Returns whether a repository is open and its graph is known.
    pub fn is_ready(&self) -> bool {
        self.history.is_complete()
    }

    /// Takes over what the worker answered and asks for what is missing. Called once a frame.
    pub fn pump(&mut self) {
        if let Some(place) = self.place.clone().filter(|_| self.history.opened.is_none() && self.trouble.is_none()) {
            self.desk.want(Ask::Open(place));
        }
        if self.history.opened.is_some() && !self.is_ready() {
            self.desk.want(Ask::Graph { from: self.history.len() });
        }
        if self.is_ready() && self.history.opened.as_ref().is_some_and(|o| !o.distant) {
            let newest = self.history.total().saturating_sub(1);
            if let Some((from, count)) = self.history.missing_records(newest, RECORDS_AHEAD) {
                self.desk.want(Ask::Records { from, count });
            }
        }
        if let Some(from) = self.integrity.next().filter(|_| self.is_ready()) {
            self.desk.want(Ask::Rehash { from });
        }
        if let Some(merging) = self.merging.as_ref().filter(|m| m.going) {
            self.desk.want(Ask::MergeNow(merging.chosen.clone()));
        }
        if let Some(export) = &self.export {
            self.desk.want(Ask::Export { what: export.what.clone(), turn: export.turn });
        }
        let shell = |ask: &Ask| {
            let rows = matches!(ask, Ask::Export { .. } | Ask::Rehash { .. } | Ask::MergeNow(_));
            rows || matches!(ask, Ask::Open(_) | Ask::Graph { .. } | Ask::Records { .. })
        };
        for (ask, result) in self.desk.pump(shell) {
            match (ask, result) {
                (Ask::Rehash { from }, Ok(Answer::Rehash(slice))) => self.integrity.take(from, slice),
                (Ask::Rehash { .. }, Err(trouble)) => self.integrity.fail(trouble.text),
                (Ask::Export { what, turn }, result) => {
                    if self.export.as_ref().is_some_and(|e| e.what == what && e.turn == turn) {
                        self.take_piece(result);
                    }
                }
                (Ask::MergeNow(chosen), result) => self.take_merge(chosen, result),
                (_, Ok(answer)) => self.take_answer(answer),
                // The rest of the history can be looked at all the same.
                (Ask::Records { from, count }, Err(_)) => self.history.give_up_records(from, count),
                (_, Err(trouble)) => self.trouble = Some(Arc::new(trouble)),
            }
        }
    }

    /// Hands a piece of the export on to be written.
    fn take_piece(&mut self, result: Result<Answer, Trouble>) {
        let Some(export) = &mut self.export else { return };
        match result {
            Ok(Answer::Export(piece)) => {
                let first = export.turn == 0;
                export.take(&piece);
                let ExportPiece { bytes, rows, done, .. } = piece;
                self.wishes.push(Wish::Save(Saved { to: export.to.clone(), bytes, first, last: done, rows }));
                if done {
                    (self.export, self.export_shown) = (None, false);
                }
            }
            Ok(_) => {}
            Err(trouble) => {
                (self.export, self.export_trouble) = (None, Some(Arc::new(trouble)));
                self.wishes.push(Wish::GiveUpSaving);
            }
        }
    }

    /// A merge was made: the history is opened anew and shows it.
    fn take_merge(&mut self, chosen: Chosen, result: Result<Answer, Trouble>) {
        let Some(merging) = self.merging.as_mut().filter(|m| m.chosen == chosen) else { return };
        match result {
            Ok(Answer::Merged(sources)) => {
                self.merging = None;
                let [ours, theirs] = chosen.branches;
                let changed = format::plural(sources, "vector");
                self.wishes.push(Wish::Say(format!("Merged {theirs} into {ours}: {changed} changed")));
                let link = Link { commit: Some(ours.clone()), branch: Some(ours), ..self.link() };
                if let Some(place) = self.place.clone() {
                    self.open(place, Some(link));
                }
            }
            Ok(_) => {}
            Err(trouble) => (merging.going, merging.trouble) = (false, Some(Arc::new(trouble))),
        }
    }

    fn take_answer(&mut self, answer: Answer) {
        match answer {
            Answer::Opened(opened) => {
                let commits = opened.commits;
                self.set_history(History::open(opened));
                if commits == 0 {
                    self.remember();
                }
            }
            // Where messages take time, a piece may have been asked for twice.
            Answer::Graph(slice) if !self.is_ready() => {
                self.history.take_graph(slice);
                if self.is_ready() {
                    self.begin();
                }
            }
            Answer::Records(slice) => self.history.take_records(slice),
            _ => {}
        }
    }

    /// The graph is known: lays it out and goes where the link leads.
    fn begin(&mut self) {
        self.lanes = Lanes::of(&self.history);
        let link = self.link.take().unwrap_or_default();
        self.folding = link.fold.as_deref() == Some("1");
        self.fold();
        let zoom = link.zoom.as_deref().and_then(|z| z.parse().ok()).filter(|z: &f64| z.is_finite());
        self.row_height = zoom.unwrap_or(NORMAL).clamp(1e-6, 64.0);
        self.selection = Selection::of(&link, &self.history, &self.selection.view);
        self.say_what_is_unknown(&link);
        self.search.text = link.query.unwrap_or_default();
        self.find_path();
        self.follow_replay(link.looped.as_deref(), link.speed.as_deref());
        self.reveal = true;
        self.remember();
    }

    /// Says what a link names and is not there; an unknown view gives way to the first one.
    fn say_what_is_unknown(&mut self, link: &Link) {
        let views: Vec<_> = VIEWS.iter().map(|v| (v.name, v.title)).collect();
        let says = Selection::unknown(link, &self.history, &views);
        if !says.is_empty() {
            self.wishes.push(Wish::Say(says.join("\n")));
        }
        self.selection.view = super::view::named(&self.selection.view).name.to_owned();
    }

    /// Sets the replay as a link says.
    fn follow_replay(&mut self, looped: Option<&str>, speed: Option<&str>) {
        self.playback.looping = looped.is_some();
        let place = |text: &str| self.path.binary_search(&self.history.find(text)?).ok();
        let ends = looped.and_then(|text| text.split_once("..")).map(|(from, to)| (place(from), place(to)));
        if let Some((Some(from), Some(to))) = ends {
            self.playback.loop_between(from, to);
        }
        let speed = speed.and_then(|text| text.parse().ok());
        self.playback.speed = SPEEDS.into_iter().find(|s| Some(*s) == speed).unwrap_or(Playback::default().speed);
    }

    fn remember(&mut self) {
        let Some(place) = self.place.clone().filter(|p| !matches!(p, Place::File(..))) else { return };
        self.recent.retain(|p| *p != place);
        self.recent.insert(0, place);
        self.recent.truncate(10);
        self.wishes.push(Wish::KeepRecent(self.recent.clone()));
    }

    /// Makes the rows anew, after folding changed.
    pub fn fold(&mut self) {
        self.rows = match self.folding {
            true => Rows::folded(&self.history, &self.unfolded),
            false => Rows::all(self.history.len()),
        };
    }

    /// Selects a commit; the replay goes there too, on another path if it has to.
    pub fn select(&mut self, commit: CommitNumber) {
        if commit >= self.history.len() {
            return;
        }
        self.selection.commit = Some(commit);
        self.reveal = true;
        if self.path.get(self.playback.place()) != Some(&commit) {
            match self.path.binary_search(&commit) {
                Ok(place) => self.playback.seek(place),
                Err(_) => self.find_path(),
            }
        }
        if self.folding
            && self.rows.row_of(commit).and_then(|r| self.rows.item(r)).is_some_and(|i| i.newest() != i.oldest())
        {
            self.unfolded.insert(commit);
            self.fold();
        }
    }

    /// Chooses the head that the path of the replay leads to.
    pub fn set_tip(&mut self, tip: CommitNumber) {
        self.selection.tip = Some(tip);
        self.selection.commit = Some(tip);
        self.reveal = true;
        self.find_path();
    }

    /// Finds the path through the selected commit.
    fn find_path(&mut self) {
        let Some(commit) = self.selection.commit else { return };
        let kept = self.selection.tip.filter(|&tip| tip >= commit);
        let mut found = kept.map(|tip| path::path(&self.history, tip, Some(commit)));
        if found.as_ref().is_none_or(|p| p.binary_search(&commit).is_err()) {
            let tip = path::tip_after(&self.history, commit);
            self.selection.tip = Some(tip);
            found = Some(path::path(&self.history, tip, Some(commit)));
        }
        self.path = found.unwrap_or_default();
        self.playback.range = None;
        self.playback.seek(self.path.binary_search(&commit).unwrap_or(0));
    }

    /// Lets time go by for the replay, in seconds.
    pub fn tick(&mut self, dt: f64) {
        if self.playback.tick(dt, self.path.len()) {
            self.selection.commit = self.path.get(self.playback.place()).copied();
            self.reveal = true;
        }
    }

    /// Takes out what a view keeps for itself, or a new one. Put it back with [`State::put`].
    pub fn take<T: Any + Default>(&mut self) -> T {
        self.own.remove(&TypeId::of::<T>()).and_then(|own| own.downcast().ok()).map_or_else(T::default, |own| *own)
    }

    /// Puts back what [`State::take`] took out.
    pub fn put<T: Any>(&mut self, own: T) {
        self.own.insert(TypeId::of::<T>(), Box::new(own));
    }

    /// Hands what a view keeps for itself to it, together with the rest.
    pub fn lend<T: Any + Default>(&mut self, to: impl FnOnce(&mut T, &mut Self)) {
        let mut own = self.take();
        to(&mut own, self);
        self.put(own);
    }

    /// Returns the link that leads back to what is shown.
    pub fn link(&self) -> Link {
        let mut link = self.selection.link(&self.history, &self.search.text);
        link.zoom = (self.row_height != NORMAL).then(|| format!("{}", self.row_height));
        link.fold = self.folding.then(|| "1".to_owned());
        let id = |place: usize| self.path.get(place).map(|&c| unique_id(&self.history, c));
        let stretch = self.playback.range.and_then(|(a, b)| Some(format!("{}..{}", id(a)?, id(b)?)));
        link.looped = stretch.or_else(|| self.playback.looping.then(|| "1".to_owned()));
        link.speed = (self.playback.speed != Playback::default().speed).then(|| format!("{}", self.playback.speed));
        link
    }

    /// Describes what is shown, for tests and other programs.
    pub fn state_json(&self) -> serde_json::Value {
        let id = |commit: Option<CommitNumber>| commit.map(|c| format!("{:016x}", self.history.id(c)));
        serde_json::json!({
            "title": self.history.opened.as_ref().map(|o| &o.title),
            "trouble": self.trouble.as_ref().map(|t| &t.text),
            "ready": self.is_ready(),
            "busy": self.desk.is_busy(),
            "commits": self.history.len(),
            "records": self.history.recorded(),
            "rows": self.rows.len(),
            "link": self.link().to_text(),
            "commit": id(self.selection.commit),
            "with": id(self.selection.with),
            "vector": self.selection.vector,
            "view": self.selection.view,
            "path": { "length": self.path.len(), "place": self.playback.place(), "tip": id(self.selection.tip) },
            "playing": self.playback.playing,
            "speed": self.playback.speed,
            "loop": self.playback.looping,
            "range": self.playback.range,
            "search": { "text": self.search.text, "found": self.search.found().len() },
            "integrity": {
                "done": self.integrity.done, "records": self.integrity.records, "total": self.integrity.total,
                "found": self.integrity.found, "first_broken": id(self.integrity.first_broken()),
            },
            "help": self.help,
            "merging": self.merging.as_ref().map(|m| m.going),
            "opening": self.opening,
            "watching": self.watching,
            "export": { "shown": self.export_shown, "rows": self.export.as_ref().map(|e| e.rows) },
            "palette": self.palette,
        })
    }
}
