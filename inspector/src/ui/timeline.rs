//! The timeline: the path that is replayed, as bars, with the replay's controls.

use egui::{Rect, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};

use super::icon::{self, Icon};
use super::state::State;
use super::theme::Palette;
use super::{font, graph, widgets};
use crate::model::command::Command;
use crate::model::format;
use crate::model::playback::SPEEDS;

/// The height of the bars.
const BARS: f32 = 44.0;

/// Draws the timeline.
pub fn draw(ui: &mut Ui, state: &mut State) {
    controls(ui, state);
    ui.add_space(2.0);
    bars(ui, state);
}

fn controls(ui: &mut Ui, state: &mut State) {
    let p = Palette::of(ui.ctx());
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 4.0;
        let playing = state.playback.playing;
        let mut press = |ui: &mut Ui, icon, name: &str, on, command| {
            if icon::button(ui, icon, name, on).clicked() {
                state.commands.push(command);
                ui.ctx().request_repaint();
            }
        };
        press(ui, Icon::First, "Ten commits back", false, Command::LeapBack);
        press(ui, Icon::StepBack, "One commit back", false, Command::StepBack);
        let (sign, name) = if playing { (Icon::Pause, "Pause") } else { (Icon::Play, "Play") };
        press(ui, sign, name, playing, Command::Play);
        press(ui, Icon::StepOn, "One commit on", false, Command::StepOn);
        press(ui, Icon::Last, "Ten commits on", false, Command::LeapOn);
        press(ui, Icon::Loop, "Loop", state.playback.looping, Command::Loop);
        speed(ui, state);
        ui.add_space(8.0);
        path_choice(ui, state);
        ui.add_space(8.0);
        if let Some((a, b)) = state.playback.range {
            let says = format!("loop {} to {}", a.min(b) + 1, a.max(b) + 1);
            if ui.button(says).on_hover_text("Loop over everything again").clicked() {
                state.playback.range = None;
                ui.ctx().request_repaint();
            }
        }
        let place = state.playback.place() + 1;
        let says = format!("{} of {}", format::count(place as u64), format::count(state.path.len() as u64));
        ui.label(egui::RichText::new(says).color(p.quiet));
        ui.add_space(10.0);
        if let Some(commit) = state.selection.commit {
            let message = state.history.record(commit).map_or_else(String::new, |r| format::line(&r.message, 120));
            let says = format!("{}  {message}", format::minute(state.history.time(commit)));
            ui.add(egui::Label::new(egui::RichText::new(says).color(p.ink)).truncate());
        }
    });
}

fn speed(ui: &mut Ui, state: &mut State) {
    let text = |s: f64| format!("{s} commit{}/s", if s == 1.0 { "" } else { "s" });
    let combo = egui::ComboBox::from_id_salt("speed").width(104.0).selected_text(text(state.playback.speed));
    let shown = combo.show_ui(ui, |ui| {
        for speed in SPEEDS {
            ui.selectable_value(&mut state.playback.speed, speed, text(speed));
        }
    });
    shown.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Speed"));
}

/// The branch whose head the path leads to.
fn path_choice(ui: &mut Ui, state: &mut State) {
    let Some(opened) = &state.history.opened else { return };
    let heads = opened.branches.clone();
    let named = state.selection.tip.and_then(|tip| heads.iter().find(|(_, c)| *c == tip).map(|(name, _)| name.clone()));
    let name = named.or_else(|| state.selection.tip.map(|tip| state.history.short_id(tip))).unwrap_or_default();
    let mut chosen = None;
    let combo =
        egui::ComboBox::from_id_salt("path").width(150.0).selected_text(format!("to {}", format::line(&name, 24)));
    let shown = combo.show_ui(ui, |ui| {
        for (branch, head) in &heads {
            if ui.selectable_label(state.selection.tip == Some(*head), format::line(branch, 60)).clicked() {
                chosen = Some(*head);
            }
        }
    });
    shown.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, "Path of the replay"));
    if let Some(head) = chosen {
        state.playback.playing = false;
        state.set_tip(head);
    }
}

fn bars(ui: &mut Ui, state: &mut State) {
    let p = Palette::of(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), BARS), Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::slider(true, state.playback.place() as f64, "Place on the path"));
    let painter = ui.painter_at(rect.expand(1.0));
    painter.rect_filled(rect, 4.0, p.ground);
    let len = state.path.len();
    if len == 0 {
        return;
    }
    let step = rect.width() / len as f32;
    let x = |place: f64| rect.left() + (place * f64::from(rect.width()) / len as f64) as f32;
    let columns = len.min(rect.width() as usize).max(1);
    let most = state.history.most_sources();
    for column in 0..columns {
        let (from, to) = (column * len / columns, ((column + 1) * len / columns).min(len));
        let commits = &state.path[from..to.max(from + 1)];
        let stride = commits.len() / 32 + 1;
        let sources = |c: &u32| state.history.record(*c).map_or(0, crate::ask::Record::sources);
        let Some(largest) = commits.iter().step_by(stride).max_by_key(|c| sources(c)) else { continue };
        let high = graph::share(sources(largest), most) * (BARS - 10.0);
        let gap = if step > 5.0 {
            2.0
        } else if step > 2.0 {
            1.0
        } else {
            0.0
        };
        let (left, right) = (x(from as f64), x(to as f64));
        let bar = Rect::from_min_max(
            pos2(left + gap / 2.0, rect.bottom() - 2.0 - high.max(1.5)),
            pos2(right - gap / 2.0, rect.bottom() - 2.0),
        );
        let color = p.branch(state.history.branch_name(state.history.branch(*largest)));
        let done = from <= state.playback.place();
        painter.rect_filled(bar, 1.0, widgets::mix(p.ground, color, if done { 0.85 } else { 0.4 }));
        let tagged = commits.iter().step_by(stride).any(|c| !state.history.labels(*c).is_empty());
        if tagged && columns < 2000 {
            painter.circle_filled(pos2((left + right) / 2.0, rect.top() + 4.0), 2.0, p.quiet);
        }
    }
    if let Some((a, b)) = state.playback.range {
        let (a, b) = (x(a.min(b) as f64), x((a.max(b) + 1).min(len) as f64));
        for away in [
            Rect::from_x_y_ranges(rect.left()..=a, rect.y_range()),
            Rect::from_x_y_ranges(b..=rect.right(), rect.y_range()),
        ] {
            painter.rect_filled(away, 0.0, p.ground.gamma_multiply(0.7));
        }
        for edge in [a, b] {
            painter.vline(edge, rect.y_range(), Stroke::new(1.5, p.warn));
        }
    }
    let at = state.playback.place() as f64 + if state.playback.playing { state.playback.between() } else { 0.5 };
    painter.vline(x(at), rect.y_range(), Stroke::new(2.0, p.accent));
    let under = |pos: egui::Pos2| (((pos.x - rect.left()) / step).max(0.0) as usize).min(len - 1);
    let pressed = response.interact_pointer_pos();
    if let Some(pos) = pressed.filter(|_| response.is_pointer_button_down_on() || response.clicked()) {
        let place = under(pos);
        if ui.input(|i| i.modifiers.shift) {
            let from = ui.input(|i| i.pointer.press_origin()).map_or(place, under);
            state.playback.loop_between(from, place);
            ui.ctx().request_repaint();
        } else if place != state.playback.place() || state.playback.playing {
            state.playback.playing = false;
            state.playback.seek(place);
            state.selection.commit = Some(state.path[place]);
            state.reveal = true;
            ui.ctx().request_repaint();
        }
    }
    if let Some(commit) = response.hover_pos().map(|pos| state.path[under(pos)]) {
        let message = state.history.record(commit).map_or_else(String::new, |r| format::line(&r.message, 120));
        let hint = "Shift and drag: loop over a stretch";
        let says = format!("{}\n{message}\n{hint}", format::minute(state.history.time(commit)));
        response.on_hover_ui_at_pointer(|ui| {
            ui.label(egui::RichText::new(says).font(font::text(12.5)));
        });
    }
}
