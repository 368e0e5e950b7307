//! Keys that a table does not take: misspelt, misplaced, or not supported.

use super::codes::{MISPLACED_KEY, NOT_SUPPORTED, UNKNOWN_KEY};
use super::diagnostic::Diagnostic;
use super::keys::Section;
use super::suggest::{nearest, one_of};
use super::table::{LATER, ROOT};
use super::tree::Entry;

/// Explains an unknown key of a section.
pub(super) fn key(entry: &Entry, section: &'static Section, title: &str) -> Diagnostic {
    let name = entry.key.escape_debug();
    let unknown = || Diagnostic::error(UNKNOWN_KEY, format!("unknown key `{name}` in {title}"));
    if let Some(later) =
        LATER.iter().find(|later| later.section == section.header && later.key == entry.key && later.value.is_none())
    {
        return Diagnostic::error(NOT_SUPPORTED, format!("`{name}` in {title} is not supported by this version"))
            .label("cannot be honoured")
            .help(later.instead);
    }
    if let Some(meant) = meant(entry, section) {
        return unknown().label(format!("did you mean `{meant}`?")).note(takes(section));
    }
    let homes = homes(&entry.key, section);
    if !homes.is_empty() {
        return Diagnostic::error(MISPLACED_KEY, format!("`{name}` does not belong in {title}"))
            .label(format!("this key belongs in {}", one_of(&homes)))
            .note(takes(section));
    }
    unknown().label("not known here").note(takes(section))
}

/// Returns the key of the section that was most likely meant; a key that exists elsewhere is rather misplaced, unless it
/// is one slip away.
pub(super) fn meant(entry: &Entry, section: &'static Section) -> Option<&'static str> {
    if section.key(&entry.key).is_some() {
        return None;
    }
    let meant = nearest(&entry.key, section.names())?;
    let slip = strsim::damerau_levenshtein(&entry.key, meant) <= 1;
    (slip || homes(&entry.key, section).is_empty()).then_some(meant)
}

/// Returns the key of the section that an unknown key was probably meant to fill, by another spelling or as a part of it.
pub(super) fn stands_for(entry: &Entry, section: &'static Section) -> Option<&'static str> {
    meant(entry, section).or_else(|| part_of(&entry.key, section).map(|(key, _)| key))
}

/// Returns the key of the section whose inline table takes a key of this name, and that table.
fn part_of(name: &str, section: &'static Section) -> Option<(&'static str, &'static Section)> {
    let holds = |below: &&'static Section| !below.header.starts_with('[') && below.key(name).is_some();
    section
        .keys
        .iter()
        .filter(|_| section.header.starts_with('[') && section.key(name).is_none())
        .find_map(|key| Some((key.name, key.kind.sections().into_iter().find(holds)?)))
}

/// Returns where a key of this name belongs, as it is written in a file.
fn homes(name: &str, section: &'static Section) -> Vec<String> {
    if let Some((key, _)) = part_of(name, section) {
        return vec![format!("`{key} = {{ .. }}`")];
    }
    let takers = || ROOT.all_below().into_iter().filter(|other| other.key(name).is_some());
    let headers: Vec<String> =
        takers().filter(|other| other.header.starts_with('[')).map(|other| other.header.to_owned()).collect();
    if !headers.is_empty() {
        return headers;
    }
    let mut inline: Vec<String> = takers().map(|other| format!("`{} = {{ .. }}`", other.header)).collect();
    inline.dedup();
    inline
}

fn takes(section: &Section) -> String {
    let names: Vec<&str> = section.names().collect();
    let names = names.join(", ");
    if section.header.contains("NAME") || section.header.starts_with("[[") {
        format!("a {} takes: {names}", section.noun)
    } else {
        format!("{} takes: {names}", section.header)
    }
}
