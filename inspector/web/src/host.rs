//! What the page's scripts do for the window.

use wasm_bindgen::prelude::*;

#[wasm_bindgen(raw_module = "./host.js")]
extern "C" {
    /// Hands a question to the worker.
    pub fn post(request: &[u8]);
    /// Lets people choose a file.
    #[wasm_bindgen(js_name = openDialog)]
    pub fn open_dialog();
    /// Returns the list of places that [`keep_recent`] kept.
    pub fn recent() -> String;
    /// Keeps the list of places.
    #[wasm_bindgen(js_name = keepRecent)]
    pub fn keep_recent(urls: &str);
    /// Shows in the address bar what is looked at.
    #[wasm_bindgen(js_name = showAddress)]
    pub fn show_address(place: &str, link: &str);
    /// Gathers the pieces of a file; with the last one it becomes a download.
    pub fn save(name: &str, bytes: &[u8], first: bool, last: bool);
    /// Mirrors the nodes of the accessibility tree.
    #[wasm_bindgen(js_name = showNodes)]
    pub fn show_nodes(nodes: &str);
}
