//! A directory, commands run in it, and the text of both.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use regex::{Captures, Regex};
use serde_json::Value;

/// A session in a directory of its own.
pub struct Session {
    pub dir: PathBuf,
    text: String,
}

/// What a command did.
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Done {
    /// Asserts the exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "\nstdout: {}\nstderr: {}", self.out, self.err);
        self
    }

    /// Parses the output as one JSON document.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}\nstdout: {}\nstderr: {}", self.out, self.err))
    }

    /// Parses each line of the output as a JSON document.
    #[track_caller]
    pub fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect()
    }
}

impl Session {
    /// Begins a session in an empty directory.
    pub fn new(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sessions").join(name);
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Self { dir, text: String::new() }
    }

    /// Begins a session in a copy of what a newcomer has: the pipelines and the data sets.
    pub fn checkout(name: &str) -> Self {
        let session = Self::new(name);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for part in ["pipelines", "datasets", "datasets/debian"] {
            fs::create_dir_all(session.dir.join(part)).unwrap();
            for entry in fs::read_dir(root.join(part)).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    fs::copy(&path, session.dir.join(part).join(path.file_name().unwrap())).unwrap();
                }
            }
        }
        session
    }

    /// Writes a table as JSON lines.
    pub fn table(&self, file: &str, rows: &[(&str, &[f64])]) {
        let line = |(id, vector): &(&str, &[f64])| format!("{}\n", serde_json::json!({"id": id, "embedding": vector}));
        self.write(file, &rows.iter().map(line).collect::<String>());
    }

    /// Writes a file.
    pub fn write(&self, file: &str, text: &str) {
        fs::write(self.dir.join(file), text).unwrap();
    }

    /// Reads a file.
    pub fn read(&self, file: &str) -> String {
        fs::read_to_string(self.dir.join(file)).unwrap()
    }

    /// Returns the program with arguments, ready to start.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vecdelta"));
        command.args(args).current_dir(&self.dir).env_clear().env("VECDELTA_AUTHOR", "ada").stdin(Stdio::null());
        if let Some(temporary) = std::env::var_os("TMPDIR") {
            command.env("TMPDIR", temporary);
        }
        command
    }

    /// Runs the program; the text of the session is left alone.
    pub fn quiet(&self, args: &[&str]) -> Done {
        done(self.command(args).output().unwrap())
    }

    /// Runs the program with a text on standard input.
    pub fn quiet_with(&self, args: &[&str], input: &str) -> Done {
        let mut command = self.command(args);
        let mut child: Child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).unwrap();
        drop(stdin);
        done(child.wait_with_output().unwrap())
    }

    /// Runs a line of words and adds it and its outcome to the text of the session.
    pub fn run(&mut self, line: &str) -> Done {
        let words: Vec<&str> = line.split_whitespace().collect();
        let outcome = self.quiet(&words);
        self.add(line, outcome)
    }

    /// Runs a line of words with a text on standard input.
    pub fn run_with(&mut self, line: &str, input: &str) -> Done {
        let words: Vec<&str> = line.split_whitespace().collect();
        let outcome = self.quiet_with(&words, input);
        self.add(line, outcome)
    }

    /// Adds a command and its outcome to the text of the session.
    pub fn add(&mut self, line: &str, outcome: Done) -> Done {
        self.text.push_str(&format!("$ vecdelta {line}\n{}{}", outcome.out, outcome.err));
        if outcome.code != 0 {
            self.text.push_str(&format!("[exit {}]\n", outcome.code));
        }
        self.text.push('\n');
        outcome
    }

    /// Adds a remark to the text of the session.
    pub fn remark(&mut self, remark: &str) {
        self.text.push_str(&format!("# {remark}\n"));
    }

    /// Returns the text of the session, without what changes from run to run.
    pub fn transcript(&self) -> String {
        let text = self.text.replace(&self.dir.canonicalize().unwrap().display().to_string(), "DIR");
        settle(&text)
    }
}

fn done(output: Output) -> Done {
    Done {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Replaces hashes by names in the order in which they come, and times, durations, sizes and ratios by words. The width
/// of a column stays.
fn settle(text: &str) -> String {
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let hashes = Regex::new("[0-9a-f]{64}|[0-9a-f]{12}").unwrap();
    let text = hashes.replace_all(text, |found: &Captures<'_>| {
        let next = names.len() + 1;
        let number = *names.entry(found[0][..12].to_owned()).or_insert(next);
        format!("{:.<1$}", format!("hash{number}"), found[0].len())
    });
    let fixed = [
        ("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z", "2026-03-01T12:00:00.000Z"),
        ("in [0-9]+\\.[0-9]+ s", "in 0.00 s"),
        ("process [0-9]+", "process 4711"),
        ("node [0-9a-f]{8}", "node 7e57c0de"),
        ("VD[0-9]{4}(, VD[0-9]{4})+", "VD0101, ..."),
    ];
    let text = fixed.iter().fold(text.into_owned(), |text, (pattern, word)| {
        Regex::new(pattern).unwrap().replace_all(&text, *word).into_owned()
    });
    let sizes = Regex::new("( *)([0-9]+(?:\\.[0-9])? [kMG]?B(?-u:\\b)|(?-u:\\b)[0-9]+\\.[0-9]x)").unwrap();
    sizes
        .replace_all(&text, |found: &Captures<'_>| {
            let word = if found[2].ends_with('x') { "N.Nx" } else { "SIZE" };
            let (spaces, width) = (&found[1], found[0].len());
            if spaces.len() > 1 { format!("{word:>width$}") } else { format!("{spaces}{word}") }
        })
        .into_owned()
}
