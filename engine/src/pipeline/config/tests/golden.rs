//! One file per mistake: `NAME.toml` and what is printed for it, `NAME.txt`.
//!
//! Comments at the top of a file stand for the surroundings: `# set: KEY=VALUE` for an argument, `# env: NAME=TEXT` for a
//! variable, `# built: small` for a program without the servers' wires. `UPDATE_GOLDEN=1` rewrites the expected texts.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::servers::Built;
use super::super::{parse_for, render};

#[test]
fn every_mistake_is_shown_as_recorded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut wrong = Vec::new();
    let mut mistakes = 0;
    for path in inputs(&folder) {
        let text = fs::read_to_string(&path).expect("the golden file is readable");
        let shown = show(&path, &text);
        mistakes += usize::from(shown.contains("error["));
        let expected = path.with_extension("txt");
        if update {
            fs::write(&expected, &shown).expect("the golden file is writable");
        }
        let recorded = fs::read_to_string(&expected).unwrap_or_default().replace("\r\n", "\n");
        if recorded != shown {
            wrong.push(format!("{}:\n{shown}", path.display()));
        }
    }
    assert!(mistakes >= 25, "only {mistakes} mistakes are recorded");
    assert!(wrong.is_empty(), "UPDATE_GOLDEN=1 rewrites these:\n{}", wrong.join("\n"));
}

fn inputs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("tests/config is a folder");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the folder is readable").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    paths.sort();
    paths
}

fn show(path: &Path, text: &str) -> String {
    let name = path.file_name().expect("a file has a name").to_string_lossy();
    let sets = pragmas(text, "# set: ");
    let env: BTreeMap<String, String> = pragmas(text, "# env: ").into_iter().collect();
    let lookup = |name: &str| env.get(name).cloned();
    let servers = !text.contains("# built: small");
    let built = Built { nats: servers, postgres: servers, ruvector: servers };
    let (first, found) = match parse_for(built, &name, text, Path::new("/base"), &sets, &lookup) {
        Ok((_, warnings)) => ("ok\n".to_owned(), warnings),
        Err(diagnosis) => (String::new(), [diagnosis.errors, diagnosis.warnings].concat()),
    };
    let shown: Vec<String> = found.iter().map(|d| render(&name, text, d, false) + "\n").collect();
    first + &shown.concat()
}

fn pragmas(text: &str, prefix: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|line| line.strip_prefix(prefix)?.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}
