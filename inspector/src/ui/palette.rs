//! All commands, found by typing; a path or an address that is typed is opened.

use egui::{Align2, Area, Context, Frame, Id, Key, Margin, Modifiers, Order, RichText, ScrollArea, TextEdit, Ui, vec2};

use super::state::State;
use super::theme::Palette;
use crate::ask::{Place, is_address};
use crate::model::command::{Entry, matching};
use crate::model::format;

/// Shows the palette while it is wanted.
pub fn draw(ctx: &Context, state: &mut State) {
    let Some(mut text) = state.palette.take() else { return };
    let p = Palette::of(ctx);
    let chosen_id = Id::unique("palette chosen");
    let mut chosen: usize = ctx.data(|d| d.get_temp(chosen_id)).unwrap_or(0);
    let (mut open, mut run, mut place, mut go) = (true, None, None, false);
    ctx.input_mut(|i| {
        open = !i.consume_key(Modifiers::NONE, Key::Escape);
        chosen = chosen.saturating_add(usize::from(i.consume_key(Modifiers::NONE, Key::ArrowDown)));
        chosen = chosen.saturating_sub(usize::from(i.consume_key(Modifiers::NONE, Key::ArrowUp)));
    });
    let enter = ctx.input_mut(|i| i.consume_key(Modifiers::NONE, Key::Enter));
    let area = Area::new(Id::unique("palette")).order(Order::Foreground).anchor(Align2::CENTER_TOP, vec2(0.0, 90.0));
    let shown = area.show(ctx, |ui| {
        Frame::popup(ui.style()).fill(p.panel).inner_margin(Margin::same(10)).show(ui, |ui| {
            ui.set_width(460.0);
            let hint = RichText::new("What do you want to do?").color(p.quiet);
            let field = ui.add(TextEdit::singleline(&mut text).hint_text(hint).desired_width(f32::INFINITY));
            field.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Command"));
            field.request_focus();
            if field.changed() {
                chosen = 0;
            }
            // A path or an address is opened.
            place = Place::parse(&text).filter(|_| is_address(text.trim()) || text.starts_with(['/', '.']));
            if let Some(place) = &place {
                let says = format!("Open {}", format::line(place.describe(), 200));
                go = enter || ui.add(egui::Button::selectable(true, says).truncate()).clicked();
                return;
            }
            let found = matching(&text);
            chosen = chosen.min(found.len().saturating_sub(1));
            if found.is_empty() {
                ui.label(RichText::new("Nothing by that name").color(p.quiet));
            }
            ScrollArea::vertical().max_height(380.0).show(ui, |ui| {
                run = list(ui, &found, chosen);
            });
            if enter {
                run = found.get(chosen).map(|e| e.command);
            }
        });
    });
    let away = ctx.input(|i| i.pointer.any_pressed())
        && ctx.pointer_interact_pos().is_some_and(|at| !shown.response.rect.contains(at));
    ctx.data_mut(|d| d.insert_temp(chosen_id, chosen));
    if let Some(command) = run {
        state.commands.push(command);
    }
    if let Some(place) = place.take_if(|_| go) {
        state.open(place, None);
        ctx.request_repaint();
    }
    if open && run.is_none() && !go && !away {
        state.palette = Some(text);
    } else {
        ctx.data_mut(|d| d.remove::<usize>(chosen_id));
    }
}

fn list(ui: &mut Ui, found: &[&'static Entry], chosen: usize) -> Option<crate::model::command::Command> {
    let mut run = None;
    ui.spacing_mut().item_spacing.y = 1.0;
    for (i, entry) in found.iter().enumerate() {
        let keys = entry.keys.first().map_or_else(String::new, |k| k.text());
        let button = egui::Button::selectable(i == chosen, entry.name).shortcut_text(keys);
        let response = ui.add_sized(vec2(ui.available_width(), 26.0), button);
        if i == chosen {
            response.scroll_to_me(None);
        }
        if response.clicked() {
            run = Some(entry.command);
        }
    }
    run
}
