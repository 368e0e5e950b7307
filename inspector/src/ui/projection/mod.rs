//! The view of all vectors at once, on the two axes along which they vary most. The axes stay as they are while the
//! replay goes on, so what moves on the screen has moved.

mod camera;
mod plot;
mod trails;

use egui::{Rect, RichText, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use super::state::State;
use super::theme::Palette;
use super::vector::Way;
use super::view::View;
use super::{collection, font, widgets};
use crate::ask::{Answer, Ask, Axes, Basis, CommitNumber, Generations, Kind, NONE};
use crate::desk::Loaded;
use crate::model::cloud::{Cloud, Want};
use crate::model::command::Command;
use crate::model::format;
use crate::model::plane::Plane;
use crate::model::selection::unique_id;
use camera::Camera;
use plot::{Class, Plot, Point, Sign};
use trails::{Look, Trail};

pub use trails::kept as kept_trails;

/// The view.
pub const VIEW: View = View {
    name: "projection",
    title: "Projection",
    about: "All vectors as points on two axes that stay the same while the replay goes on, and the trails of chosen ones.",
    draw,
};

/// How near the pointer has to be to a point.
const REACH: f32 = 10.0;

/// How many generations have a colour of their own; the others share the last.
const GENERATIONS: usize = 8;

#[derive(Default)]
struct Own {
    basis: Option<Basis>,
    turn: u32,
    axes: Option<(Axes, Plane)>,
    cloud: Cloud,
    generations: Option<Generations>,
    drawn: Drawn,
    plot: Plot,
    trails: Vec<Trail>,
    way: Way,
    pressed: Option<(CommitNumber, u32)>,
}

/// Points with their classes, made anew when the cloud or the colours change.
#[derive(Default)]
struct Drawn {
    made_of: Option<(u64, bool, usize, bool)>,
    version: u64,
    points: Vec<Point>,
    classes: Vec<Class>,
    lines: Vec<[[f32; 2]; 2]>,
    undrawn: usize,
}

fn draw(ui: &mut Ui, state: &mut State) {
    state.lend(|own: &mut Own, state| own.draw(ui, state));
}

/// Carries out a command of this view.
pub fn act(state: &mut State, command: Command) {
    state.selection.view = VIEW.name.to_owned();
    let own: Own = state.take();
    let now = own.camera(state);
    let set = |state: &mut State, camera: Camera| state.selection.set_param("cam", Some(camera.text()));
    match command {
        Command::AllPoints => state.selection.set_param("cam", None),
        Command::Closer => set(state, now.stepped(true)),
        Command::Farther => set(state, now.stepped(false)),
        Command::PanLeft => set(state, now.moved(-1.0, 0.0)),
        Command::PanRight => set(state, now.moved(1.0, 0.0)),
        Command::PanUp => set(state, now.moved(0.0, 1.0)),
        Command::PanDown => set(state, now.moved(0.0, -1.0)),
        Command::ColourBy => {
            let other = (!by_generation(state)).then(|| "generation".to_owned());
            state.selection.set_param("colour", other);
        }
        Command::KeepTrail => {
            if let Some(source) = state.selection.vector.clone() {
                trails::toggle(state, &source);
            }
        }
        Command::AxesHere => {
            let id = state.selection.commit.map(|c| unique_id(&state.history, c));
            state.selection.set_param("basis", id);
            state.selection.set_param("cam", None);
        }
        _ => {}
    }
    state.put(own);
}

fn by_generation(state: &State) -> bool {
    state.selection.param("colour") == Some("generation")
}

impl Own {
    fn camera(&self, state: &State) -> Camera {
        let kept = state.selection.param("cam").and_then(Camera::parse);
        let extent = self.axes.as_ref().map_or([[0.0; 2]; 2], |(axes, _)| axes.extent.map(|r| r.map(f64::from_bits)));
        kept.unwrap_or_else(|| Camera::of(extent))
    }

    fn draw(&mut self, ui: &mut Ui, state: &mut State) {
        let Some(commit) = state.selection.commit else { return };
        let mut collection = None;
        ui.horizontal_wrapped(|ui| {
            collection = collection::choice(ui, state, commit);
            choices(ui, state);
        });
        let Some(collection) = collection else { return };
        let at = state.selection.param("basis").and_then(|b| state.history.find(b)).or_else(|| state.history.head());
        let basis = Basis { commit: at.unwrap_or(commit), collection };
        if self.basis.as_ref() != Some(&basis) {
            *self = Self { basis: Some(basis.clone()), way: self.way, ..Self::default() };
        }
        if !self.find_axes(ui, state, &basis) {
            return;
        }
        if !self.follow(ui, state, &basis, commit) {
            return;
        }
        self.find_generations(state, &basis, commit);
        self.find_trails(ui, state, commit);
        self.remake(ui, state);
        self.says(ui, state, &basis);
        self.picture(ui, state, &basis);
    }

    /// Goes on with the search for the axes; returns whether they are found.
    fn find_axes(&mut self, ui: &mut Ui, state: &mut State, basis: &Basis) -> bool {
        if self.axes.is_some() {
            return true;
        }
        match state.desk.get(Ask::Axes { basis: basis.clone(), turn: self.turn }) {
            Loaded::Failed(trouble) => widgets::trouble(ui, &trouble),
            Loaded::Waiting if self.turn == 0 => widgets::waiting(ui, "Looking for the axes…"),
            Loaded::Waiting => widgets::waiting(ui, "Looking for the axes… this is done once."),
            Loaded::Ready(answer) => {
                if let Answer::Axes(axes) = &*answer {
                    self.axes = Plane::of(axes).map(|plane| ((**axes).clone(), plane));
                    widgets::waiting(ui, &format!("Looking for the axes… {} %", axes.percent));
                }
                self.turn += 1;
                ui.ctx().request_repaint();
            }
        }
        false
    }

    /// Lets the points follow the selected commit; returns whether there is anything to draw.
    fn follow(&mut self, ui: &mut Ui, state: &mut State, basis: &Basis, commit: CommitNumber) -> bool {
        let history = &state.history;
        let want = self.cloud.towards(commit, |c| history.parent(c));
        let (basis, every) = (basis.clone(), self.cloud.every());
        let (ask, of, from) = match want {
            Want::Nothing => return true,
            Want::Points(of, from) => (Ask::Points { basis, commit: of, from, every }, of, from),
            Want::Shifts(of, from) => (Ask::Shifts { basis, commit: of, from, every }, of, from),
        };
        match state.desk.get(ask) {
            Loaded::Waiting => {}
            Loaded::Failed(trouble) => match want {
                Want::Shifts(..) => {
                    self.cloud.give_up(of);
                    ui.ctx().request_repaint();
                }
                _ => {
                    widgets::trouble(ui, &trouble);
                    return false;
                }
            },
            Loaded::Ready(answer) => {
                match &*answer {
                    Answer::Points(slice) => self.cloud.take_points(of, from, every, slice),
                    Answer::Shifts(slice) => self.cloud.take_shifts(of, from, slice),
                    _ => {}
                }
                ui.ctx().request_repaint();
            }
        }
        true
    }

    fn find_generations(&mut self, state: &mut State, basis: &Basis, commit: CommitNumber) {
        if !by_generation(state) {
            return;
        }
        let tip = self.way.tip(state, commit);
        let ask = Ask::Generations { commit: tip, collection: basis.collection.clone() };
        if let Loaded::Ready(answer) = state.desk.get(ask)
            && let Answer::Generations(found) = &*answer
            && self.generations.as_ref() != Some(found)
        {
            self.generations = Some(found.clone());
            self.drawn.made_of = None;
        }
    }

    fn find_trails(&mut self, ui: &Ui, state: &mut State, commit: CommitNumber) {
        let tip = self.way.tip(state, commit);
        let Some((_, plane)) = &self.axes else { return };
        let mut wanted = trails::kept(state);
        wanted.extend(state.selection.vector.clone().filter(|v| !wanted.contains(v)));
        // Another collection has another plane.
        let prefix = self.basis.as_ref().map_or_else(String::new, |b| format!("{}/", b.collection));
        wanted.retain(|w| w.starts_with(&prefix));
        self.trails.retain(|t| wanted.iter().any(|w| t.is_of(w, tip)));
        for name in &wanted {
            if !self.trails.iter().any(|t| t.source == *name) {
                self.trails.push(Trail::new(name.clone(), tip));
            }
        }
        self.trails.sort_by_key(|t| wanted.iter().position(|w| *w == t.source));
        self.trails.iter_mut().for_each(|t| t.go_on(ui, state, plane));
    }

    /// Makes points with their classes, when something changed.
    fn remake(&mut self, ui: &Ui, state: &State) {
        let p = Palette::of(ui.ctx());
        let generation = by_generation(state);
        let known = self.generations.as_ref().map_or(0, |g| g.since.len());
        let made_of = Some((self.cloud.version(), generation, known, ui.ctx().theme() == egui::Theme::Dark));
        if self.drawn.made_of == made_of {
            return;
        }
        let version = self.drawn.version + 1;
        self.drawn = Drawn { made_of, version, undrawn: self.cloud.undrawn(), ..Drawn::default() };
        let of = match &self.generations {
            Some(generations) if generation => generation_classes(&mut self.drawn.classes, generations, p),
            _ => change_classes(&mut self.drawn.classes, &self.cloud, p),
        };
        for (i, (slot, at, by)) in self.cloud.points().enumerate().filter(|(_, (_, at, _))| !at[0].is_nan()) {
            let class = of(i, by);
            self.drawn.classes[usize::from(class)].count += 1;
            self.drawn.points.push(Point { at: [at[0], at[1]], slot, class });
        }
        for moved in self.cloud.moves() {
            let [old, new] = [[moved.old[0], moved.old[1]], [moved.new[0], moved.new[1]]];
            match moved.kind {
                Kind::Updated if !old[0].is_nan() && !new[0].is_nan() && old != new => {
                    self.drawn.lines.push([old, new])
                }
                Kind::Deleted if !old[0].is_nan() && !generation => {
                    self.drawn.classes[3].count += 1;
                    self.drawn.points.push(Point { at: old, slot: moved.slot, class: 3 });
                }
                _ => {}
            }
        }
    }

    /// Says what the axes are, and what is drawn.
    fn says(&self, ui: &mut Ui, state: &State, basis: &Basis) {
        let p = Palette::of(ui.ctx());
        let Some((axes, plane)) = &self.axes else { return };
        let shares = axes.shares.map(|s| f64::from_bits(s) * 100.0);
        let sample = match axes.every {
            1 => format!("all {}", format::plural(axes.sample.into(), "vector")),
            n => format!("{} (one of {n})", format::plural(axes.sample.into(), "vector")),
        };
        let says = format!(
            "The axes carry {:.1} % of the variance of {sample} at {}; axes {}.",
            shares[0] + shares[1],
            state.history.short_id(basis.commit),
            &format!("{:016x}", plane.fingerprint())[..8],
        );
        ui.label(RichText::new(says).color(p.quiet));
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = 5.0;
            for class in self.drawn.classes.iter().filter(|c| c.count > 0 || c.sign != Sign::Cross) {
                let (rect, _) = ui.allocate_exact_size(vec2(12.0, 16.0), Sense::hover());
                ui.painter().add(plot::sign(class.sign, rect.center(), 4.0, class.color));
                let says = format!("{} {}", format::count(class.count as u64), format::line(&class.name, 40));
                ui.label(RichText::new(says).color(p.quiet));
                ui.add_space(6.0);
            }
            if self.drawn.undrawn > 0 {
                let says =
                    format!("{} with NaN, infinities or another width", format::count(self.drawn.undrawn as u64));
                ui.label(RichText::new(says).color(p.warn));
            }
            let going = self.cloud.at() != state.selection.commit;
            if going {
                ui.label(RichText::new(format!("{:.0} %", self.cloud.share() * 100.0)).color(p.accent));
            }
        });
    }

    fn picture(&mut self, ui: &mut Ui, state: &mut State, basis: &Basis) {
        let p = Palette::of(ui.ctx());
        let whole = ui.available_rect_before_wrap();
        let foot = if whole.height() > 260.0 { 62.0 } else { 22.0 };
        let rect = Rect::from_min_max(whole.min, pos2(whole.right(), whole.bottom() - foot));
        let response = ui.allocate_rect(rect, Sense::click_and_drag());
        let changed: usize = self.drawn.classes.iter().skip(1).map(|c| c.count).sum();
        let kind = if by_generation(state) { "of later generations" } else { "changed" };
        let says =
            format!("Projection of {}, {} {kind}", format::plural(self.drawn.points.len() as u64, "vector"), changed);
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &says));
        let camera = self.moved(ui, state, &response, rect);
        let painter = ui.painter_at(rect);
        painter.rect_filled(rect, 4.0, p.panel);
        self.axes_lines(&painter, rect, camera, p);
        let drawn = &self.drawn;
        self.plot.make(drawn.version, (rect, camera), p, &drawn.points, &drawn.classes, &drawn.lines);
        painter.extend(self.plot.shapes().iter().cloned());
        let now = state.selection.commit.unwrap_or(NONE);
        for (i, trail) in self.trails.iter().enumerate() {
            let chosen = state.selection.vector.as_deref() == Some(trail.source.as_str());
            let color = if chosen { p.accent } else { p.branches[(i + 1) % p.branches.len()] };
            trail.draw(&painter, rect, camera, now, Look { color, p, named: true });
        }
        let hovered = response.hover_pos().and_then(|at| self.nearest(rect, camera, at));
        if let Some(point) = hovered {
            painter.circle_stroke(camera.to_screen(rect, point.at), 6.5, egui::Stroke::new(1.5, p.ink));
        }
        if let Some(point) = hovered.filter(|_| response.clicked()) {
            self.pressed = Some((now, point.slot));
        }
        self.choose(ui, state, basis);
        let below = Rect::from_min_max(pos2(whole.left(), rect.bottom() + 4.0), whole.max);
        ui.scope_builder(egui::UiBuilder::new().max_rect(below), |ui| {
            self.pointed(ui, state, basis, hovered);
            if foot > 30.0 {
                self.kept_trails(ui, state);
            }
        });
    }

    /// Lets the pointer move what is visible.
    fn moved(&self, ui: &Ui, state: &mut State, response: &egui::Response, rect: Rect) -> Camera {
        let before = self.camera(state);
        let mut camera = before;
        if response.double_clicked() {
            state.selection.set_param("cam", None);
            return self.camera(state);
        }
        if response.dragged() {
            camera = camera.dragged(rect, response.drag_delta());
        }
        if let Some(at) = response.hover_pos() {
            let (scroll, zoom) = ui.input(|i| (i.smooth_scroll_delta().y, i.zoom_delta()));
            let factor = f64::from(zoom) * f64::from(scroll / 240.0).exp();
            if factor != 1.0 {
                camera = camera.zoomed(rect, at, factor);
            }
        }
        if camera != before {
            state.selection.set_param("cam", Some(camera.text()));
        }
        camera
    }

    /// Draws the axes through the mean, and what each carries.
    fn axes_lines(&self, painter: &egui::Painter, rect: Rect, camera: Camera, p: &Palette) {
        let Some((axes, _)) = &self.axes else { return };
        let zero = camera.to_screen(rect, [0.0, 0.0]);
        let stroke = egui::Stroke::new(1.0, p.line);
        if rect.x_range().contains(zero.x) {
            painter.vline(zero.x, rect.y_range(), stroke);
        }
        if rect.y_range().contains(zero.y) {
            painter.hline(rect.x_range(), zero.y, stroke);
        }
        let share = |i: usize| format!("axis {} carries {:.1} %", i + 1, f64::from_bits(axes.shares[i]) * 100.0);
        let (below, above) = (rect.right_bottom() - vec2(8.0, 12.0), rect.left_top() + vec2(8.0, 12.0));
        let font = || font::text(11.5);
        widgets::text(painter, below, egui::Align2::RIGHT_CENTER, 200.0, &format!("{} →", share(0)), font(), p.quiet);
        widgets::text(painter, above, egui::Align2::LEFT_CENTER, 200.0, &format!("↑ {}", share(1)), font(), p.quiet);
    }

    fn nearest(&self, rect: Rect, camera: Camera, at: egui::Pos2) -> Option<Point> {
        let far = |point: &Point| (camera.to_screen(rect, point.at) - at).length_sq();
        // Of points in the same place the last one lies above.
        let near = self.drawn.points.iter().rev().map(|point| (far(point), point));
        let best = near.min_by(|a, b| a.0.total_cmp(&b.0))?;
        (best.0 <= REACH * REACH).then_some(*best.1)
    }

    fn is_gone(&self, point: &Point) -> bool {
        self.drawn.classes.get(usize::from(point.class)).is_some_and(|c| c.sign == Sign::Cross)
    }

    /// Selects the vector that was pressed, as soon as its name is known.
    fn choose(&mut self, ui: &Ui, state: &mut State, basis: &Basis) {
        let Some((commit, slot)) = self.pressed else { return };
        let collection = basis.collection.clone();
        match state.desk.get(Ask::Key { commit, collection, slot }) {
            Loaded::Waiting => return,
            Loaded::Failed(_) => {}
            Loaded::Ready(answer) => {
                if let Answer::Key(Some(key)) = &*answer {
                    state.selection.vector = Some(format!("{}/{key}", basis.collection));
                }
            }
        }
        self.pressed = None;
        ui.ctx().request_repaint();
    }

    /// Names the point under the pointer.
    fn pointed(&self, ui: &mut Ui, state: &mut State, basis: &Basis, hovered: Option<Point>) {
        let p = Palette::of(ui.ctx());
        let Some(point) = hovered else {
            let says = match self.plot.dense {
                true => {
                    let n = format::plural(self.plot.visible as u64, "vector");
                    format!("{n} as density. Zoom in until each has a sign of its own.")
                }
                false => "Point at a vector for its name, press to choose it. Scroll to zoom, drag to move.".to_owned(),
            };
            ui.add(egui::Label::new(RichText::new(says).color(p.quiet)).truncate());
            return;
        };
        let commit = self.cloud.at().unwrap_or(NONE);
        let ask = Ask::Key { commit, collection: basis.collection.clone(), slot: point.slot };
        let name = match state.desk.get(ask) {
            Loaded::Ready(answer) => match &*answer {
                Answer::Key(Some(key)) => format::line(key, 200),
                _ => "without a name".to_owned(),
            },
            _ => "…".to_owned(),
        };
        let place = self.cloud.points().nth(self.cloud.index(point.slot)).map(|(_, at, _)| at[2]);
        let off = place.filter(|o| !o.is_nan() && !self.is_gone(&point));
        let off = off.map_or_else(String::new, |o| format!(", {} off the plane", format::measure(o.into())));
        let moved = self.cloud.moves().find(|m| m.slot == point.slot).map_or_else(String::new, |m| match m.kind {
            Kind::Inserted => ", new".to_owned(),
            Kind::Deleted => ", gone".to_owned(),
            Kind::Updated => format!(", moved by {}", format::measure(m.l2)),
        });
        let at = point.at.map(|v| format::measure(v.into()));
        ui.horizontal(|ui| {
            ui.label(RichText::new(name).font(font::bold(13.0)));
            let says = format!("at {}, {}{off}{moved}", at[0], at[1]);
            ui.add(egui::Label::new(RichText::new(says).color(p.quiet)).truncate());
        });
    }

    /// Lists the trails, each to be pressed.
    fn kept_trails(&self, ui: &mut Ui, state: &mut State) {
        let p = Palette::of(ui.ctx());
        let kept = trails::kept(state);
        egui::ScrollArea::horizontal().auto_shrink([false, true]).show(ui, |ui| {
            ui.horizontal(|ui| {
                let Some(chosen) = state.selection.vector.clone() else {
                    let says = "Choose a vector to see its trail; D keeps it while others are chosen.";
                    ui.label(RichText::new(says).color(p.quiet));
                    return;
                };
                let on = kept.contains(&chosen);
                if ui.button(if on { "Let its trail go" } else { "Keep its trail" }).clicked() {
                    state.commands.push(Command::KeepTrail);
                    ui.ctx().request_repaint();
                }
                for trail in &self.trails {
                    let says = format!("{}, {}", format::line(&trail.source, 40), trail.says());
                    if ui.selectable_label(trail.source == chosen, says).clicked() {
                        state.selection.vector = Some(trail.source.clone());
                    }
                }
            });
        });
    }
}

fn choices(ui: &mut Ui, state: &mut State) {
    let generation = by_generation(state);
    for (on, says) in [(false, "by change"), (true, "by generation")] {
        if ui.selectable_label(generation == on, says).clicked() && generation != on {
            state.commands.push(Command::ColourBy);
            ui.ctx().request_repaint();
        }
    }
    for (says, command) in [("All points", Command::AllPoints), ("Axes from this commit", Command::AxesHere)] {
        if ui.button(says).clicked() {
            state.commands.push(command);
            ui.ctx().request_repaint();
        }
    }
}

/// What the class of a point is, by its number and by who wrote it.
type ClassOf = Box<dyn Fn(usize, CommitNumber) -> u8>;

fn change_classes(classes: &mut Vec<Class>, cloud: &Cloud, p: &Palette) -> ClassOf {
    let class = |name: &str, sign, color, radius| Class { name: name.to_owned(), sign, color, radius, count: 0 };
    classes.push(class("unchanged", Sign::Dot, p.faint, 2.6));
    classes.push(class("moved", Sign::Diamond, p.warn, 3.4));
    classes.push(class("new", Sign::Square, p.good, 3.4));
    classes.push(class("gone", Sign::Cross, p.bad, 3.4));
    let mut of = vec![0_u8; cloud.len()];
    for moved in cloud.moves() {
        if let Some(class) = of.get_mut(cloud.index(moved.slot)) {
            *class = match moved.kind {
                Kind::Inserted => 2,
                Kind::Updated => 1,
                Kind::Deleted => 3,
            };
        }
    }
    Box::new(move |i, _| of.get(i).copied().unwrap_or(0))
}

fn generation_classes(classes: &mut Vec<Class>, generations: &Generations, p: &Palette) -> ClassOf {
    let mut names: Vec<&str> = Vec::new();
    let mut since: Vec<(CommitNumber, u8)> = Vec::new();
    for (commit, name) in &generations.since {
        let at = names.iter().position(|n| n == name).unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        });
        since.push((*commit, at.min(GENERATIONS - 1) as u8));
    }
    for (i, name) in names.iter().take(GENERATIONS).enumerate() {
        let more = i + 1 == GENERATIONS && names.len() > GENERATIONS;
        let name = match *name {
            _ if more => "of others",
            "" => "of a generation without a name",
            name => name,
        };
        let sign = [Sign::Dot, Sign::Diamond, Sign::Square][i % 3];
        classes.push(Class { name: name.to_owned(), sign, color: p.branches[i], radius: 3.0, count: 0 });
    }
    if classes.is_empty() {
        let name = "of a generation without a name".to_owned();
        classes.push(Class { name, sign: Sign::Dot, color: p.branches[0], radius: 3.0, count: 0 });
    }
    Box::new(move |_, by| {
        let at = since.partition_point(|(commit, _)| *commit <= by).saturating_sub(1);
        since.get(at).map_or(0, |s| s.1)
    })
}
