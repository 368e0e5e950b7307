//! The frame around everything: the bar above, the graph, the views and the timeline.

use egui::{
    Align, Align2, Area, Context, Frame, Id, Key, Layout, Margin, Order, Panel, RichText, Stroke, TextEdit, Ui, vec2,
};

use super::graph::Graph;
use super::icon::{self, Icon};
use super::state::State;
use super::theme::Palette;
use super::view::{self, VIEWS, View};
use super::{font, timeline};
use crate::model::command::{COMMANDS, Command, GROUPS};
use crate::model::format;

/// Draws the window while a history is open.
pub fn draw(ui: &mut Ui, state: &mut State, graph: &mut Graph) {
    let p = Palette::of(ui.ctx());
    let bar = Frame::new().fill(p.panel).inner_margin(Margin::symmetric(12, 7));
    Panel::top("bar").frame(bar).resizable(false).show(ui, |ui| head(ui, state));
    let foot = Frame::new().fill(p.panel).inner_margin(Margin::symmetric(12, 8));
    Panel::bottom("timeline").frame(foot).resizable(false).show(ui, |ui| timeline::draw(ui, state));
    let whole = ui.available_width();
    let plain = Frame::new().fill(p.ground);
    if state.graph_shown {
        Panel::left("graph")
            .frame(plain)
            .default_size((whole * 0.54).round())
            .min_size(260.0)
            .max_size(whole - 300.0)
            .show(ui, |ui| graph.draw(ui, state));
    }
    egui::CentralPanel::default().frame(plain).show(ui, |ui| views(ui, state));
}

fn head(ui: &mut Ui, state: &mut State) {
    let p = Palette::of(ui.ctx());
    ui.horizontal(|ui| {
        menu(ui, state);
        let title = state.history.opened.as_ref().map_or_else(String::new, |o| format::line(&o.title, 60));
        ui.label(RichText::new(title).font(font::bold(14.0)));
        let commits = format::plural(u64::from(state.history.len()), "commit");
        let branches = state.history.opened.as_ref().map_or(0, |o| o.branches.len());
        let branches = format!("{} branch{}", branches, if branches == 1 { "" } else { "es" });
        ui.label(RichText::new(format!("{commits} · {branches}")).color(p.quiet));
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if icon::button(ui, Icon::Theme, "Dark or light", false).clicked() {
                state.commands.push(Command::Theme);
            }
            if icon::button(ui, Icon::Fold, "Fold quiet stretches", state.folding).clicked() {
                state.commands.push(Command::Fold);
            }
            ui.add_space(4.0);
            query(ui, state);
        });
    });
}

fn query(ui: &mut Ui, state: &mut State) {
    let p = Palette::of(ui.ctx());
    if state.search.is_active() {
        if icon::button(ui, Icon::Close, "Clear the search", false).clicked() {
            state.search.text.clear();
            ui.ctx().request_repaint();
        }
        if icon::button(ui, Icon::Down, "Next match", false).clicked() {
            state.commands.push(Command::NextMatch);
        }
        if icon::button(ui, Icon::Up, "Previous match", false).clicked() {
            state.commands.push(Command::PreviousMatch);
        }
        let n = state.search.found().len() as u64;
        let says = if n == 0 { "no match".to_owned() } else { format::plural(n, "match").replace("matchs", "matches") };
        ui.label(RichText::new(says).color(if n == 0 { p.bad } else { p.quiet }));
    }
    let width = (ui.available_width() - 30.0).clamp(80.0, 340.0);
    // An identity of its own: buttons come and go beside it while somebody types.
    let hint = RichText::new("Search: words, branch:main, sources>100").color(p.quiet);
    let field = TextEdit::singleline(&mut state.search.text)
        .id(Id::unique("search"))
        .hint_text(hint)
        .desired_width(width)
        .margin(Margin::symmetric(8, 4));
    let field = ui.add(field);
    field.widget_info(|| {
        let mut info = egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Search commits");
        info.current_text_value = Some(state.search.text.clone());
        info
    });
    if std::mem::take(&mut state.focus_search) {
        field.request_focus();
    }
    if field.changed() {
        ui.ctx().request_repaint();
    }
    if field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter)) {
        state.commands.push(Command::NextMatch);
    }
    let (rect, _) = ui.allocate_exact_size(vec2(18.0, 26.0), egui::Sense::hover());
    icon::paint(ui.painter(), Icon::Search, rect.center(), p.quiet);
}

/// The menu: every command, by group.
pub fn menu(ui: &mut Ui, state: &mut State) {
    let button = icon::button(ui, Icon::Menu, "Menu", false);
    egui::Popup::menu(&button).show(|ui| {
        ui.set_min_width(150.0);
        for group in GROUPS {
            ui.menu_button(group, |ui| {
                ui.set_min_width(240.0);
                for entry in COMMANDS.iter().filter(|e| e.group == group) {
                    menu_item(ui, state, entry.command);
                }
            });
        }
    });
}

/// One command in a menu, with its key.
pub fn menu_item(ui: &mut Ui, state: &mut State, command: Command) {
    let Some(entry) = COMMANDS.iter().find(|e| e.command == command) else { return };
    let keys = entry.keys.first().map_or_else(String::new, |k| k.text());
    if ui.add(egui::Button::new(entry.name).shortcut_text(keys)).clicked() {
        state.commands.push(command);
        ui.close();
    }
}

fn views(ui: &mut Ui, state: &mut State) {
    let p = Palette::of(ui.ctx());
    let tabs = Frame::new().fill(p.panel).inner_margin(Margin::symmetric(8, 0));
    tabs.show(ui, |ui| {
        ui.set_min_width(ui.available_width());
        ui.spacing_mut().item_spacing = vec2(TAB_GAP, 0.0);
        for row in tab_rows(ui) {
            ui.horizontal(|ui| {
                for view in row {
                    let on = view::named(&state.selection.view).name == view.name;
                    if tab(ui, view.title, on).clicked() {
                        state.selection.view = view.name.to_owned();
                    }
                }
            });
        }
    });
    let line = ui.cursor().top();
    ui.painter().hline(ui.max_rect().x_range(), line, Stroke::new(1.0, p.line));
    ui.add_space(1.0);
    let inner = Frame::new().inner_margin(Margin { left: 16, right: 12, top: 10, bottom: 8 });
    inner.show(ui, |ui| {
        ui.set_min_size(ui.available_size());
        (view::named(&state.selection.view).draw)(ui, state);
    });
}

/// The room between two tabs.
const TAB_GAP: f32 = 2.0;

/// The room beside a tab's text.
const TAB_ROOM: f32 = 14.0;

/// Breaks the tabs into as few rows as the width allows.
fn tab_rows(ui: &Ui) -> Vec<&'static [View]> {
    let wide = |view: &View| {
        let galley = ui.painter().layout_no_wrap(view.title.to_owned(), font::bold(13.0), Palette::of(ui.ctx()).ink);
        galley.size().x + TAB_ROOM + TAB_GAP
    };
    let (room, mut rows, mut first, mut used) = (ui.available_width(), Vec::new(), 0, 0.0);
    for (i, view) in VIEWS.iter().enumerate() {
        let width = wide(view);
        if used + width > room && i > first {
            rows.push(&VIEWS[first..i]);
            (first, used) = (i, 0.0);
        }
        used += width;
    }
    rows.push(&VIEWS[first..]);
    rows
}

fn tab(ui: &mut Ui, title: &str, on: bool) -> egui::Response {
    let p = Palette::of(ui.ctx());
    let font = if on { font::bold(13.0) } else { font::text(13.0) };
    let galley = ui.painter().layout_no_wrap(title.to_owned(), font, if on { p.ink } else { p.quiet });
    let (rect, response) = ui.allocate_exact_size(vec2(galley.size().x + TAB_ROOM, 32.0), egui::Sense::click());
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Tab, true, on, title));
    if response.hovered() && !on {
        ui.painter().rect_filled(rect.shrink2(vec2(2.0, 5.0)), 5.0, p.hover);
    }
    ui.painter().galley(rect.center() - galley.size() / 2.0, galley, p.ink);
    if on || response.has_focus() {
        let color = if on { p.accent } else { p.faint };
        ui.painter().hline(rect.x_range().shrink(5.0), rect.bottom() - 1.0, Stroke::new(2.0, color));
    }
    response
}

/// Shows a short message above everything.
pub fn notice(ctx: &Context, text: &str) {
    let p = Palette::of(ctx);
    let area = Area::new(Id::unique("notice")).order(Order::Tooltip).anchor(Align2::CENTER_BOTTOM, vec2(0.0, -120.0));
    area.show(ctx, |ui| {
        let frame = Frame::popup(ui.style()).fill(p.raised).inner_margin(Margin::symmetric(14, 8));
        frame.show(ui, |ui| {
            ui.set_max_width((ctx.content_rect().width() - 80.0).min(640.0));
            let label = ui.label(text);
            label.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Status, true, text));
        });
    });
}
