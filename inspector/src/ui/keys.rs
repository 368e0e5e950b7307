//! From keys to commands.

use egui::{Context, Event, Key, Modifiers};

use crate::model::command::{COMMANDS, Command, Keys};

/// Returns the commands whose keys were pressed, in order, and takes the keys away from widgets. While a text is being
/// written only keys with Ctrl count.
pub fn pressed(ctx: &Context) -> Vec<Command> {
    let writing = ctx.text_edit_focused();
    // A focused button has the space bar and Enter for itself; arrows move through the graph all the same.
    let focused = ctx.memory(|m| m.focused().is_some());
    let mut out = Vec::new();
    ctx.input_mut(|input| {
        input.events.retain(|event| {
            let Event::Key { key, pressed: true, modifiers, .. } = event else { return true };
            let found = COMMANDS.iter().find(|e| e.keys.iter().any(|k| fits(*k, *key, *modifiers)));
            let Some(entry) = found else { return true };
            let plain = !modifiers.command;
            if plain && (writing || (focused && *key == Key::Space)) {
                return true;
            }
            out.push(entry.command);
            false
        });
    });
    out
}

fn fits(keys: Keys, key: Key, held: Modifiers) -> bool {
    // Signs that need Shift on some keyboards count whether it is held or not.
    let is_sign = matches!(key, Key::Questionmark | Key::Colon | Key::Plus | Key::Slash);
    // On a Mac the command key stands for Ctrl; Ctrl itself is for the system there, and no plain key.
    let ctrl = if keys.ctrl { held.command } else { !held.command && !held.ctrl };
    format!("{key:?}") == keys.key && ctrl && !held.alt && (keys.shift == held.shift || is_sign)
}
