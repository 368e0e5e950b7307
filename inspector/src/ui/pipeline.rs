//! The view of a running pipeline, or of the record of one: stages as boxes, what passes between them, and who waits.

use egui::{
    Align2, Grid, Rect, RichText, Role, ScrollArea, Sense, Shape, Slider, Stroke, TextEdit, Ui, WidgetInfo, pos2, vec2,
};

use super::state::State;
use super::theme::Palette;
use super::view::View;
use super::{font, widgets};
use crate::ask::{Answer, Ask};
use crate::desk::Loaded;
use crate::model::format::{self, count, line, plural};
use crate::model::pipeline::{Part, Sample, Series, Stage};

/// The view.
pub const VIEW: View = View {
    name: "pipeline",
    title: "Pipeline",
    about: "A running pipeline, or the record of one: what passes through each stage, what waits, and what it waits for.",
    draw,
};

/// What is watched unless told otherwise; in a browser the server that sent the page.
const DEFAULT: &str = if cfg!(target_arch = "wasm32") { "." } else { "http://127.0.0.1:7879" };

/// How often a running pipeline is asked, in seconds.
const EVERY: f64 = 1.0;

/// How many samples a chart shows.
const CHART: usize = 120;

/// The height of a stage's box, and the least width.
const BOX: [f32; 2] = [104.0, 118.0];

/// The largest width of a stage's box.
const BOX_MAX: f32 = 400.0;

/// From which width on a box is higher, and by how much, so that its chart is not a mere line.
const BOX_WIDE: [f32; 2] = [240.0, 44.0];

/// The room between two boxes.
const GAP: f32 = 26.0;

#[derive(Default)]
struct Own {
    of: String,
    text: Option<String>,
    series: Series,
    turn: u32,
    live: bool,
    next: f64,
    at: Option<usize>,
    trouble: Option<std::sync::Arc<crate::ask::Trouble>>,
}

fn draw(ui: &mut Ui, state: &mut State) {
    state.lend(|own: &mut Own, state| own.draw(ui, state));
}

impl Own {
    fn draw(&mut self, ui: &mut Ui, state: &mut State) {
        self.head(ui, state);
        let Some(of) = state.selection.param("pipe").map(str::to_owned) else {
            let says = "Write the address of a run (`vecdelta run PIPELINE --listen 127.0.0.1:7879`), or the file that \
                        `vecdelta top --record FILE` wrote.";
            widgets::waiting(ui, says);
            return;
        };
        if self.of != of {
            *self = Self { of, text: self.text.take(), turn: self.turn, live: true, ..Self::default() };
        }
        self.ask(ui, state);
        if let Some(trouble) = self.trouble.clone() {
            widgets::trouble(ui, &trouble);
        }
        let last = self.series.len().saturating_sub(1);
        let at = self.at.unwrap_or(last).min(last);
        let Some(sample) = self.series.get(at).cloned() else {
            match (self.trouble.is_some(), self.series.unread()) {
                (true, _) => {}
                (_, 0) => widgets::waiting(ui, "Asking the pipeline…"),
                (_, n) => {
                    let says = format!("None of {} tells of a pipeline.", plural(n as u64, "line"));
                    widgets::waiting(ui, &says);
                }
            }
            return;
        };
        self.time(ui, &sample, at);
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            self.boxes(ui, &sample, at);
            ui.add_space(12.0);
            figures(ui, &sample);
            parts(ui, "Partitions", &sample.partitions);
            parts(ui, "Sources", &sample.sources);
            parts(ui, "Sinks", &sample.sinks);
        });
    }

    fn head(&mut self, ui: &mut Ui, state: &mut State) {
        ui.horizontal(|ui| {
            let now = state.selection.param("pipe").unwrap_or(DEFAULT).to_owned();
            let text = self.text.get_or_insert(now);
            let field = TextEdit::singleline(text).desired_width((ui.available_width() - 90.0).min(420.0));
            let field = ui.add(field);
            field.widget_info(|| {
                let mut info = WidgetInfo::labeled(Role::TextInput, true, "Pipeline");
                info.current_text_value = Some(text.clone());
                info
            });
            let entered = field.lost_focus() && ui.input(|i| i.key_pressed(egui::Key::Enter));
            if ui.button("Watch").clicked() || entered {
                let text = text.trim().to_owned();
                state.selection.set_param("pipe", Some(text).filter(|t| !t.is_empty()));
                self.of.clear();
                ui.ctx().request_repaint();
            }
        });
    }

    /// Asks again when it is time, and takes in what came.
    fn ask(&mut self, ui: &Ui, state: &mut State) {
        let now = ui.input(|i| i.time);
        if !self.live {
            return;
        }
        if now < self.next {
            ui.ctx().request_repaint_after(std::time::Duration::from_secs_f64(self.next - now));
            return;
        }
        match state.desk.get(Ask::Stages { of: self.of.clone(), turn: self.turn }) {
            Loaded::Waiting => return,
            Loaded::Failed(trouble) => {
                // A run that ended leaves its last figures on the screen.
                self.live = !self.series.is_empty();
                self.trouble = Some(trouble);
            }
            Loaded::Ready(answer) => {
                if let Answer::Stages(stages) = &*answer {
                    self.trouble = None;
                    self.series.take(&stages.lines);
                    self.live = stages.live;
                }
            }
        }
        (self.turn, self.next) = (self.turn + 1, now + EVERY);
        ui.ctx().request_repaint();
    }

    /// Says when this was, with a way to look at earlier samples.
    fn time(&mut self, ui: &mut Ui, sample: &Sample, at: usize) {
        let p = Palette::of(ui.ctx());
        let last = self.series.len() - 1;
        ui.horizontal(|ui| {
            let says = format!("{}, running for {}", line(&sample.pipeline, 60), format::duration(sample.seconds));
            ui.label(RichText::new(says).font(font::bold(13.0)));
            if self.series.unread() > 0 {
                let says = format!("{} could not be read", plural(self.series.unread() as u64, "line"));
                ui.label(RichText::new(says).color(p.warn));
            }
        });
        if last > 0 {
            ui.horizontal(|ui| {
                let mut shown = at;
                ui.spacing_mut().slider_width = (ui.available_width() - 150.0).max(60.0);
                let slider = ui.add(Slider::new(&mut shown, 0..=last).show_value(false).text("time"));
                if slider.changed() {
                    self.at = Some(shown).filter(|&s| s < last);
                }
                let newest = self.at.is_none();
                if ui.add_enabled(!newest, egui::Button::new("Newest")).clicked() {
                    self.at = None;
                }
            });
        }
    }

    /// Draws the stages in their order, in as many lines as the width needs.
    fn boxes(&self, ui: &mut Ui, sample: &Sample, at: usize) {
        let p = Palette::of(ui.ctx());
        let wide = ui.available_width();
        let columns = (((wide + GAP) / (BOX[1] + GAP)) as usize).clamp(1, sample.stages.len().max(1));
        let lines = sample.stages.len().div_ceil(columns);
        let width = ((wide + GAP) / columns as f32 - GAP).min(BOX_MAX);
        let high = BOX[0] + if width > BOX_WIDE[0] { BOX_WIDE[1] } else { 0.0 };
        let (area, _) = ui.allocate_exact_size(vec2(wide, lines as f32 * (high + GAP) - GAP), Sense::hover());
        let most = sample.stages.iter().map(|s| s.rate).fold(0.0, f64::max);
        let bottleneck = sample.bottleneck();
        let place = |i: usize| {
            let (column, row) = (i % columns, i / columns);
            let at = area.min + vec2(column as f32 * (width + GAP), row as f32 * (high + GAP));
            Rect::from_min_size(at, vec2(width, high))
        };
        for (i, stage) in sample.stages.iter().enumerate() {
            let rect = place(i);
            if i + 1 < sample.stages.len() && (i + 1) % columns != 0 {
                link(ui, rect, place(i + 1), stage.rate, most, p);
            }
            let rates = self.series.rates(&stage.name, at, CHART);
            draw_stage(ui, rect, stage, &rates, bottleneck == Some(i), p);
        }
    }
}

/// Draws what passes from one box to the next: the thicker, the more.
fn link(ui: &Ui, from: Rect, to: Rect, rate: f64, most: f64, p: &Palette) {
    let thick = if most > 0.0 { 1.0 + 4.0 * (rate.ln_1p() / most.ln_1p()) as f32 } else { 1.0 };
    let color = if rate > 0.0 { p.accent } else { p.line };
    let (a, b) = (from.right_center(), to.left_center());
    ui.painter().line_segment([a, pos2(b.x - 6.0, b.y)], Stroke::new(thick, color));
    let tip = vec![b, pos2(b.x - 8.0, b.y - 5.0), pos2(b.x - 8.0, b.y + 5.0)];
    ui.painter().add(Shape::convex_polygon(tip, color, Stroke::NONE));
}

fn draw_stage(ui: &mut Ui, rect: Rect, stage: &Stage, rates: &[f64], bottleneck: bool, p: &Palette) {
    let response = ui.interact(rect, ui.scope_id().with(("stage", &stage.name)), Sense::hover());
    let busy = stage.busy.map(|b| format!("{:.0} % busy", b * 100.0));
    let waits =
        if stage.blocked_on.is_empty() { String::new() } else { format!("waits for {}", line(&stage.blocked_on, 30)) };
    let rate = format!("{} {}/s", format::brief(stage.rate.round() as u64), line(&stage.unit, 12));
    let says = format!("{}: {rate}, {}, {waits}", line(&stage.name, 30), busy.clone().unwrap_or_default());
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &says));
    let edge = if bottleneck { p.warn } else { p.line };
    let stroke = Stroke::new(if bottleneck { 2.0 } else { 1.0 }, edge);
    let painter = ui.painter_at(rect.expand(1.0));
    painter.rect(rect, 6.0, p.panel, stroke, egui::StrokeKind::Inside);
    let inner = rect.shrink2(vec2(9.0, 7.0));
    let text = |y: f32, text: &str, font, color| {
        widgets::text(
            &painter,
            pos2(inner.left(), inner.top() + y),
            Align2::LEFT_CENTER,
            inner.width(),
            text,
            font,
            color,
        );
    };
    text(7.0, &line(&stage.name, 30), font::bold(13.0), p.ink);
    text(25.0, &rate, font::text(12.5), p.ink);
    let total = format!("{} in all", count(stage.total));
    text(41.0, &total, font::text(11.5), p.quiet);
    let queue =
        stage.queue.map(|q| if q == 0 { "nothing waits".to_owned() } else { format!("{} wait", format::size(q)) });
    let second = if bottleneck { Some("holds the others up".to_owned()) } else { queue.filter(|_| waits.is_empty()) };
    let second = second.unwrap_or(waits);
    text(56.0, &second, font::text(11.5), if bottleneck { p.warn } else { p.quiet });
    if let Some(share) = stage.busy {
        let whole =
            Rect::from_min_max(pos2(inner.right() - 44.0, inner.top() + 4.0), pos2(inner.right(), inner.top() + 10.0));
        painter.rect_filled(whole, 3.0, p.line);
        let done = Rect::from_min_size(whole.min, vec2(whole.width() * share as f32, whole.height()));
        painter.rect_filled(done, 3.0, if bottleneck { p.warn } else { p.accent });
    }
    chart(&painter, Rect::from_min_max(pos2(inner.left(), inner.top() + 66.0), inner.max), rates, p);
    let hint = format!(
        "{}{}",
        busy.unwrap_or_else(|| "how busy it is, is not known".to_owned()),
        "; the chart is of the last two minutes"
    );
    response.on_hover_text(hint);
}

/// Draws rates over time, scaled to the largest of them.
fn chart(painter: &egui::Painter, rect: Rect, rates: &[f64], p: &Palette) {
    let most = rates.iter().copied().filter(|r| r.is_finite()).fold(0.0, f64::max);
    painter.hline(rect.x_range(), rect.bottom(), Stroke::new(1.0, p.line));
    if most <= 0.0 || rates.len() < 2 {
        return;
    }
    let step = rect.width() / (CHART - 1) as f32;
    let left = rect.right() - (rates.len() - 1) as f32 * step;
    let at =
        |(i, rate): (usize, &f64)| pos2(left + i as f32 * step, rect.bottom() - (rate / most) as f32 * rect.height());
    let points: Vec<egui::Pos2> = rates.iter().enumerate().map(at).collect();
    painter.add(Shape::line(points, Stroke::new(1.4, p.accent)));
}

fn figures(ui: &mut Ui, sample: &Sample) {
    let p = Palette::of(ui.ctx());
    let (open, closed) = sample.windows;
    let mut says = vec![
        plural(sample.commits, "commit"),
        format!("windows: {} closed, {open} open", count(closed)),
        format!("{} refused", plural(sample.rejected, "delta")),
    ];
    says.extend(sample.routes.iter().map(|(name, n)| format!("route {}: {}", line(name, 30), count(*n))));
    if sample.memory.1 > 0 {
        says.push(format!("memory: {} of {}", format::size(sample.memory.0), format::size(sample.memory.1)));
    }
    ui.label(RichText::new(says.join(" · ")).color(p.quiet));
    let letters: u64 = sample.letters.iter().fold(0, |sum, (_, n)| sum.saturating_add(*n));
    if letters > 0 {
        let by: Vec<String> =
            sample.letters.iter().map(|(why, n)| format!("{} {}", count(*n), line(why, 40))).collect();
        ui.label(RichText::new(format!("{}: {}", plural(letters, "dead letter"), by.join(", "))).color(p.bad));
    } else {
        ui.label(RichText::new("no dead letters").color(p.quiet));
    }
    if let Some(lag) = sample.lag() {
        let color = if lag > 60.0 { p.warn } else { p.quiet };
        ui.label(RichText::new(format!("the watermark lies {} behind", format::duration(lag))).color(color));
    }
}

fn parts(ui: &mut Ui, title: &str, parts: &[Part]) {
    let p = Palette::of(ui.ctx());
    if parts.is_empty() {
        return;
    }
    widgets::heading(ui, title);
    let behind = parts.iter().any(|p| p.lag.is_some());
    Grid::new(title).spacing(vec2(18.0, 3.0)).show(ui, |ui| {
        let figures = parts[0].figures.iter().map(|f| f.0);
        for head in ["", ""].into_iter().chain(figures).chain(behind.then_some("behind")) {
            ui.label(RichText::new(head).font(font::text(11.5)).color(p.quiet));
        }
        ui.end_row();
        for part in parts.iter().take(200) {
            ui.label(line(&part.name, 40));
            let bad = part.status == "error" || !part.problem.is_empty();
            ui.label(RichText::new(line(&part.status, 20)).color(if bad { p.bad } else { p.good }));
            for (_, n) in &part.figures {
                ui.label(count(*n));
            }
            ui.label(part.lag.map_or_else(String::new, format::duration));
            ui.end_row();
        }
    });
    for part in parts.iter().take(200).filter(|p| !p.problem.is_empty()) {
        let says = format!("{}: {}", line(&part.name, 40), line(&part.problem, 300));
        ui.label(RichText::new(says).color(p.bad));
    }
}
