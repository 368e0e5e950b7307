//! A fence around other people's decoders: their panics become errors about the file.
//!
//! The Arrow and Parquet crates check much of a foreign file by assertion. Such a panic says that the file is bad, so it is
//! caught here, kept off standard error, and reported like every other fault. Our own decoders run outside the fence: a
//! panic there is a bug that must be seen.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use super::error::Fault;

thread_local! {
    static FENCED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `decode`; a panic inside becomes a fault. Whatever `decode` was changing must not be used after a fault.
pub(super) fn fenced<T>(decode: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    silence_fenced_panics();
    let outer = FENCED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(decode));
    FENCED.set(outer);
    result.unwrap_or_else(|panic| {
        Err(Fault::data(format!("the file is damaged: {}", reason(panic.as_ref())))
            .help("write the file again, or restore it from a copy"))
    })
}

/// Puts a hook in front of the current one that swallows the message of a fenced panic, once for the process.
///
/// A hook that is set later without calling this one prints fenced panics again; the errors stay the same.
fn silence_fenced_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !FENCED.get() {
                before(info);
            }
        }));
    });
}

fn reason(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a length or an offset in it is impossible")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_panic_becomes_a_fault() {
        let fault = fenced(|| -> Result<(), Fault> { panic!("range end index 9") }).unwrap_err();
        let text = fault.at(Path::new("x.arrow")).to_string();
        assert!(text.starts_with("x.arrow: the file is damaged: range end index 9"), "{text}");
        assert!(!FENCED.get());
    }
}
