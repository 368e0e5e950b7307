//! Answers as JSON texts. Strings and numbers are written by JavaScript's own `JSON.stringify`: the package brings no second one.

use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = JSON, js_name = stringify)]
    fn stringify(text: &str) -> String;

    #[wasm_bindgen(js_namespace = JSON, js_name = stringify)]
    fn stringify_number(number: f64) -> String;
}

/// Writes a string.
pub fn text(text: &str) -> String {
    stringify(text)
}

/// Writes a whole number.
pub fn whole(number: u64) -> String {
    number.to_string()
}

/// Writes a number; one that is not finite, or not there, is `null`.
pub fn number(number: Option<f64>) -> String {
    stringify_number(number.unwrap_or(f64::NAN))
}

/// Writes a list of what is written already.
pub fn list(items: impl IntoIterator<Item = String>) -> String {
    let mut out = "[".to_owned();
    join(&mut out, &mut items.into_iter());
    out.push(']');
    out
}

/// Writes an object; the names are plain words.
pub fn object<const N: usize>(fields: [(&str, String); N]) -> String {
    let mut out = "{".to_owned();
    join(&mut out, &mut fields.into_iter().map(|(name, value)| ["\"", name, "\":", &value].concat()));
    out.push('}');
    out
}

/// Writes an object of strings under any names.
pub fn map(entries: &mut dyn Iterator<Item = (&String, String)>) -> String {
    let mut out = "{".to_owned();
    join(&mut out, &mut entries.map(|(name, value)| [&text(name), ":", &text(&value)].concat()));
    out.push('}');
    out
}

fn join(out: &mut String, items: &mut dyn Iterator<Item = String>) {
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push_str(&item);
    }
}
