//! The window as a whole: one frame after the other.

use egui::{Context, Theme, Ui};

use super::act::{Look, act};
use super::graph::Graph;
use super::state::{State, Wish};
use super::{export, help, keys, merging, opening, palette, shell, start, theme};
use crate::ask::Place;
use crate::desk::{Desk, Wire};
use crate::model::link::Link;

/// How many commits a search looks at in one frame.
const SEARCH_BUDGET: u32 = 20_000;

/// How long a message stays, in seconds, and how much longer for each letter.
const NOTICE: [f64; 2] = [4.0, 0.04];

/// Called with what only the system can do; returns a message for people where there is one.
type Shell = Box<dyn FnMut(&Context, Wish) -> Option<String>>;

/// Called in every frame for places that came from outside: dialogs, dropped files.
type Arrivals = Box<dyn FnMut(&Context) -> Option<Arrival>>;

/// What came from outside.
#[derive(Clone, Debug)]
pub enum Arrival {
    /// A place to open.
    Place(Place),
    /// A file to write into.
    SaveTo(String),
}

/// The inspector.
pub struct Inspector {
    /// What it shows.
    pub state: State,
    graph: Graph,
    shell: Shell,
    arrivals: Arrivals,
}

impl Inspector {
    /// Makes an inspector with nothing open, on a way to a worker.
    pub fn new(ctx: &Context, wire: Box<dyn Wire>) -> Self {
        theme::install(ctx);
        Self {
            state: State::new(Desk::new(wire)),
            graph: Graph::default(),
            shell: Box::new(|ctx, wish| {
                if let Wish::Copy(text) = wish {
                    ctx.copy_text(text);
                }
                None
            }),
            arrivals: Box::new(|_| None),
        }
    }

    /// Sets who does what only the system can do.
    #[must_use]
    pub fn with_shell(mut self, shell: impl FnMut(&Context, Wish) -> Option<String> + 'static) -> Self {
        self.shell = Box::new(shell);
        self
    }

    /// Sets who knows of places that come from outside.
    #[must_use]
    pub fn with_arrivals(mut self, arrivals: impl FnMut(&Context) -> Option<Arrival> + 'static) -> Self {
        self.arrivals = Box::new(arrivals);
        self
    }

    /// Begins with a place, or without one where a link alone leads.
    pub fn start(&mut self, place: Option<Place>, link: &str) {
        match place {
            Some(place) => self.open(place, link),
            None => self.state.follow(Link::parse(link)),
        }
    }

    /// Opens a place.
    pub fn open(&mut self, place: Place, link: &str) {
        self.state.open(place, Some(Link::parse(link)));
    }

    /// Draws one frame.
    pub fn ui(&mut self, ui: &mut Ui) {
        let ctx = ui.ctx().clone();
        match (self.arrivals)(&ctx) {
            Some(Arrival::Place(place)) => self.state.open(place, None),
            Some(Arrival::SaveTo(path)) => self.state.save_to = Some(path),
            None => {}
        }
        self.state.pump();
        let pressed = keys::pressed(&ctx);
        self.state.commands.extend(pressed);
        self.carry_out(&ctx);
        let dt = ctx.input(|i| f64::from(i.unstable_dt));
        self.state.tick(dt);
        if self.state.search.step(&self.state.history, SEARCH_BUDGET) || self.state.playback.playing {
            ctx.request_repaint();
        }
        if self.state.is_ready() && !self.state.history.is_empty() {
            shell::draw(ui, &mut self.state, &mut self.graph);
        } else if self.state.watching {
            start::watch(ui, &mut self.state);
        } else {
            start::draw(ui, &mut self.state);
        }
        help::draw(&ctx, &mut self.state);
        opening::draw(&ctx, &mut self.state);
        merging::draw(&ctx, &mut self.state);
        export::draw(&ctx, &mut self.state);
        palette::draw(&ctx, &mut self.state);
        self.notices(&ctx);
        self.state.pump();
        if !self.state.commands.is_empty() || !self.state.wishes.is_empty() {
            ctx.request_repaint();
        }
    }

    fn carry_out(&mut self, ctx: &Context) {
        for command in std::mem::take(&mut self.state.commands) {
            match act(&mut self.state, command) {
                Look::Same => {}
                Look::OtherTheme => {
                    ctx.set_theme(if ctx.theme() == Theme::Dark { Theme::Light } else { Theme::Dark });
                    ctx.request_repaint();
                }
                Look::Zoom(zoom) => self.graph.zoom(zoom, &mut self.state),
            }
        }
        for wish in std::mem::take(&mut self.state.wishes) {
            let says = if let Wish::Say(text) = wish { Some(text) } else { (self.shell)(ctx, wish) };
            if let Some(text) = says {
                let stays = NOTICE[0] + NOTICE[1] * text.chars().count() as f64;
                self.state.notice = Some((text, ctx.input(|i| i.time) + stays));
            }
        }
    }

    fn notices(&mut self, ctx: &Context) {
        let now = ctx.input(|i| i.time);
        match &self.state.notice {
            Some((text, until)) if *until > now => {
                shell::notice(ctx, text);
                ctx.request_repaint_after(std::time::Duration::from_secs_f64(until - now));
            }
            Some(_) => self.state.notice = None,
            None => {}
        }
    }
}

impl eframe::App for Inspector {
    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        Inspector::ui(self, ui);
    }
}
