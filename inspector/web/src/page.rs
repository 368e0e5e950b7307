//! The window in a canvas of the page.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use eframe::{WebOptions, WebRunner};
use egui::accesskit::{Action, ActionRequest, NodeId, TreeId};
use egui::{Context, Event, RawInput, Ui};
use vecdelta_inspector::ask::{Place, Reply, Request};
use vecdelta_inspector::desk::Wire;
use vecdelta_inspector::ui::app::{Arrival, Inspector};
use vecdelta_inspector::ui::state::Wish;
use wasm_bindgen::prelude::*;
use web_sys::HtmlCanvasElement;

use crate::host;
use crate::mirror::Mirror;

/// What the page's scripts and the window share.
#[derive(Clone, Default)]
struct Page {
    window: Rc<RefCell<Option<(Context, WebRunner)>>>,
    app: Rc<RefCell<Option<Inspector>>>,
    replies: Rc<RefCell<VecDeque<Reply>>>,
    arrived: Rc<RefCell<VecDeque<Place>>>,
    actions: Rc<RefCell<Vec<ActionRequest>>>,
}

thread_local! {
    static PAGE: Page = Page::default();
}

fn page() -> Page {
    PAGE.with(Clone::clone)
}

impl Page {
    fn wake(&self) {
        if let Some((ctx, _)) = &*self.window.borrow() {
            ctx.request_repaint();
        }
    }
}

/// The way to the worker: messages.
struct Messages(Page);

impl Wire for Messages {
    fn send(&mut self, request: Request) {
        host::post(&borsh::to_vec(&request).expect("writing to memory cannot fail"));
    }

    fn receive(&mut self) -> Option<Reply> {
        self.0.replies.borrow_mut().pop_front()
    }
}

/// What eframe draws.
struct Shown {
    page: Page,
    address: (String, String),
}

impl eframe::App for Shown {
    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        let mut app = self.page.app.borrow_mut();
        let Some(app) = app.as_mut() else { return };
        app.ui(ui);
        if !app.state.playback.playing {
            let address = (app.state.place.as_ref().map_or_else(String::new, text_of), app.state.link().to_text());
            if self.address != address {
                host::show_address(&address.0, &address.1);
                self.address = address;
            }
        }
    }

    fn raw_input_hook(&mut self, _ctx: &Context, input: &mut RawInput) {
        input.events.extend(self.page.actions.borrow_mut().drain(..).map(Event::AccessKitActionRequest));
    }
}

/// Returns how an address names a place; nothing for a file, which no address leads to.
fn text_of(place: &Place) -> String {
    match place {
        Place::Demo => "demo".to_owned(),
        place => place.text().unwrap_or_default().to_owned(),
    }
}

fn place_of(text: &str) -> Option<Place> {
    if text == "demo" { Some(Place::Demo) } else { Place::parse(text) }
}

/// Shows the window in a canvas; `place` is `demo`, an address, or nothing, `link` where to go in it.
#[wasm_bindgen]
pub async fn start(canvas: HtmlCanvasElement, place: String, link: String) -> Result<(), JsValue> {
    let page = page();
    let runner = WebRunner::new();
    let shown = page.clone();
    let kept = runner.clone();
    let options = WebOptions { renderer: eframe::Renderer::Glow, dithering: false, ..WebOptions::default() };
    let make = move |cc: &eframe::CreationContext<'_>| {
        cc.egui_ctx.add_plugin(Mirror::default());
        let mut app = inspector(&cc.egui_ctx, &shown);
        app.start(place_of(&place), &link);
        *shown.app.borrow_mut() = Some(app);
        *shown.window.borrow_mut() = Some((cc.egui_ctx.clone(), kept));
        Ok(Box::new(Shown { page: shown, address: Default::default() }) as Box<dyn eframe::App>)
    };
    runner.start(canvas, options, Box::new(make)).await
}

/// Makes an inspector that knows the page.
fn inspector(ctx: &Context, page: &Page) -> Inspector {
    let arrived = page.arrived.clone();
    let mut app = Inspector::new(ctx, Box::new(Messages(page.clone())))
        .with_shell(|ctx, wish| match wish {
            Wish::ChoosePlace(_) => {
                host::open_dialog();
                None
            }
            Wish::Copy(text) => {
                let says = format!("Copied: {text}");
                ctx.copy_text(text);
                Some(says)
            }
            Wish::KeepRecent(places) => {
                let urls: Vec<String> = places.iter().map(text_of).filter(|t| !t.is_empty()).collect();
                host::keep_recent(&serde_json::Value::from(urls).to_string());
                None
            }
            Wish::Save(piece) => {
                host::save(&piece.to, &piece.bytes, piece.first, piece.last);
                piece.last.then(|| format!("{} vectors in {}", piece.rows, piece.to))
            }
            Wish::Say(text) => Some(text),
            Wish::ChooseFile(_) => None,
            Wish::GiveUpSaving => {
                host::save("", &[], true, false);
                None
            }
        })
        .with_arrivals(move |_| arrived.borrow_mut().pop_front().map(Arrival::Place));
    let urls: Vec<String> = serde_json::from_str(&host::recent()).unwrap_or_default();
    app.state.recent = urls.iter().filter_map(|url| place_of(url)).collect();
    app
}

/// Takes an answer of the worker.
#[wasm_bindgen]
pub fn deliver(reply: &[u8]) {
    if let Ok(reply) = borsh::from_slice(reply) {
        page().replies.borrow_mut().push_back(reply);
        page().wake();
    }
}

/// Opens a file that was dropped or chosen, by the number under which the worker has it.
#[wasm_bindgen(js_name = openFile)]
pub fn open_file(number: u32, name: String) {
    page().arrived.borrow_mut().push_back(Place::File(number, name));
    page().wake();
}

/// Goes where the address bar says.
#[wasm_bindgen]
pub fn go(place: &str, link: &str) {
    let page = page();
    if let Some(app) = page.app.borrow_mut().as_mut() {
        let place = place_of(place).or_else(|| app.state.place.clone());
        app.start(place, link);
    }
    page.wake();
}

/// Does what somebody wants of an element of the mirror.
#[wasm_bindgen]
pub fn act(id: &str, action: &str) {
    let Ok(id) = u64::from_str_radix(id, 16) else { return };
    let action = if action == "focus" { Action::Focus } else { Action::Click };
    let request = ActionRequest { action, target_tree: TreeId::ROOT, target_node: NodeId(id), data: None };
    page().actions.borrow_mut().push(request);
    page().wake();
}

/// Describes what is shown, as JSON: the same as the desktop's.
#[wasm_bindgen]
pub fn state() -> String {
    match page().app.try_borrow() {
        Ok(app) => app.as_ref().map_or_else(String::new, |app| app.state.state_json().to_string()),
        Err(_) => String::new(),
    }
}

/// Returns what went wrong inside the window, if something did.
#[wasm_bindgen]
pub fn panicked() -> Option<String> {
    let page = page();
    let window = page.window.try_borrow().ok()?;
    window.as_ref().and_then(|(_, runner)| runner.panic_summary()).map(|summary| summary.message())
}
