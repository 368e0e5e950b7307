//! The ways to open a history: a path or address that is written, dialogs of the system, places opened before.

use egui::{Button, Context, Frame, Id, Key, Margin, Modal, RichText, Role, Stroke, TextEdit, Ui, WidgetInfo, vec2};

use super::state::{Pick, State, Wish};
use super::theme::Palette;
use super::{font, widgets};
use crate::ask::Place;
use crate::model::command::Command;
use crate::model::format;

/// Whether this program opens directories, and files by their names.
const PATHS: bool = cfg!(not(target_arch = "wasm32"));

/// Shows the window for it while it is wanted.
pub fn draw(ctx: &Context, state: &mut State) {
    if !state.opening {
        return;
    }
    let p = Palette::of(ctx);
    let frame =
        Frame::new().fill(p.panel).stroke(Stroke::new(1.0, p.line)).corner_radius(8.0).inner_margin(Margin::same(20));
    let modal = Modal::new(Id::unique("opening")).frame(frame).show(ctx, |ui| {
        ui.set_width((ctx.content_rect().width() - 80.0).min(520.0));
        ui.label(RichText::new("Open a history").font(font::bold(17.0)));
        ui.add_space(6.0);
        ways(ui, state);
    });
    if modal.should_close() || ctx.input(|i| i.key_pressed(Key::Escape)) {
        state.opening = false;
    }
}

/// Shows all ways.
pub fn ways(ui: &mut Ui, state: &mut State) {
    written(ui, state);
    ui.add_space(4.0);
    ui.horizontal_wrapped(|ui| {
        let picks = [(PATHS, "Choose a directory…", Pick::Directory), (true, "Choose a file…", Pick::File)];
        for (_, name, pick) in picks.into_iter().filter(|(there, ..)| *there) {
            if ui.add(Button::new(name).min_size(vec2(0.0, 28.0))).clicked() {
                state.wishes.push(Wish::ChoosePlace(pick));
                ui.ctx().request_repaint();
            }
        }
        for (name, command) in [("Demo history", Command::OpenDemo), ("Watch a pipeline", Command::Watch)] {
            if ui.add(Button::new(name).min_size(vec2(0.0, 28.0))).clicked() {
                state.opening = false;
                state.commands.push(command);
                ui.ctx().request_repaint();
            }
        }
    });
    if state.recent.is_empty() {
        return;
    }
    widgets::heading(ui, "Opened before");
    for place in state.recent.clone() {
        let row = Button::new(RichText::new(format::line(place.describe(), 200))).frame(false).truncate();
        if ui.add(row).clicked() {
            state.open(place, None);
            ui.ctx().request_repaint();
        }
    }
}

/// The field for a path or an address.
fn written(ui: &mut Ui, state: &mut State) {
    let p = Palette::of(ui.ctx());
    let name = if PATHS { "Path or address" } else { "Address" };
    let hint =
        if PATHS { "shop/shop.vd, shop.vdpack or http://127.0.0.1:7878" } else { "https://example.org/shop.vdpack" };
    ui.horizontal(|ui| {
        let field = TextEdit::singleline(&mut state.place_text)
            .hint_text(RichText::new(hint).color(p.quiet))
            .desired_width(ui.available_width() - 84.0)
            .margin(Margin::symmetric(8, 6));
        let field = ui.add(field);
        field.widget_info(|| {
            let mut info = WidgetInfo::labeled(Role::TextInput, true, name);
            info.current_text_value = Some(state.place_text.clone());
            info
        });
        let entered = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
        let open = Button::new(RichText::new("Open").font(font::bold(13.5)));
        let open = ui.add(open.min_size(vec2(70.0, 30.0)).stroke(Stroke::new(1.0, p.accent)));
        if (open.clicked() || entered)
            && let Some(place) = Place::parse(&state.place_text)
        {
            state.open(place, None);
            ui.ctx().request_repaint();
        }
    });
}
