//! The library in a process that stays, for `scripts/bench-peers.sh`: one question a line, one answer a line.
//!
//!     warm REPOSITORY
//!
//! `commit FILE`, `one EPOCH ID`, `table EPOCH`, `changed EPOCH`, `epochs`; `write FILE` puts the last answer into a file. An epoch is a
//! number of commits from the end, as in `main~3`.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use mimalloc::MiMalloc;
use vecdelta::delta::{Keys, Source};
use vecdelta::pipeline::config::{self, Pipeline};
use vecdelta::pipeline::{Context, Live, run};
use vecdelta::store::LocalDisk;
use vecdelta::version::{
    CommitIndex, MAIN, Repository, VersionError, compare, new_origin, read_table, resolve, table, value,
};

/// As the program has it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let place = std::env::args().nth(1).ok_or("warm REPOSITORY")?;
    let disk = Arc::new(LocalDisk::new(&place));
    let mut warm = Warm { repo: Repository::open_writer(disk, Some(new_origin(0, 1)))?, answer: Answer::default() };
    for line in io::stdin().lock().lines() {
        let answer = warm.ask(&line?).unwrap_or_else(|error| format!("error {error}"));
        println!("{answer}");
        io::stdout().flush()?;
    }
    Ok(())
}

/// What was answered last: texts one behind the other with their ends, and rows in the pieces in which they came.
#[derive(Default)]
struct Answer {
    ids: Vec<u8>,
    ends: Vec<u32>,
    rows: Vec<Bytes>,
}

impl Answer {
    fn clear(&mut self) {
        self.ids.clear();
        self.ends.clear();
        self.rows.clear();
    }

    fn push(&mut self, id: &str) {
        self.ids.extend_from_slice(id.as_bytes());
        self.ends.push(self.ids.len() as u32);
    }
}

struct Warm {
    repo: Repository,
    answer: Answer,
}

impl Warm {
    fn ask(&mut self, line: &str) -> Result<String> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "commit" => self.commit(Path::new(rest)),
            "one" => self.one(rest),
            "table" => self.table(rest),
            "changed" => self.changed(rest),
            "epochs" => {
                let head = self.repo.head(MAIN).ok_or("no commit yet")?;
                Ok(self.repo.first_parents(head).count().to_string())
            }
            "write" => self.write(Path::new(rest)),
            _ => Err(format!("what is {word}?").into()),
        }
    }

    fn at(&self, back: u32) -> Result<CommitIndex> {
        Ok(resolve(&self.repo, &format!("main~{back}"))?)
    }

    fn commit(&mut self, file: &Path) -> Result<String> {
        let folder = file.parent().ok_or("a file in a folder")?;
        let name = file.file_name().and_then(|name| name.to_str()).ok_or("a name in UTF-8")?;
        let report = run(
            &pipeline(folder, name)?,
            &mut self.repo,
            &Context {
                now: &now,
                stop: &AtomicBool::new(false),
                listener: &|_| {},
                author: "bench".into(),
                resume: false,
                live: Live::default(),
            },
        )?;
        match report.commits.len() {
            1 => Ok("1".to_owned()),
            n => Err(format!("{n} commits").into()),
        }
    }

    fn one(&mut self, question: &str) -> Result<String> {
        let (back, id) = question.split_once(' ').ok_or("one EPOCH ID")?;
        let source = Source { collection: "vectors".into(), key: id.into() };
        let found = value(&self.repo, self.at(back.parse()?)?, &source)?;
        Ok(found.row.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    fn table(&mut self, back: &str) -> Result<String> {
        let at = self.at(back.parse()?)?;
        let table = Arc::new(table(&self.repo, at, None)?);
        let answer = &mut self.answer;
        answer.clear();
        read_table::<VersionError>(&self.repo, at, &table, &mut |keys: &Keys, rows| {
            keys.iter().for_each(|key| answer.push(key));
            answer.rows.push(rows);
            Ok(())
        })?;
        Ok(answer.ends.len().to_string())
    }

    fn changed(&mut self, back: &str) -> Result<String> {
        let after = self.at(back.parse()?)?;
        let before = self.at(back.parse::<u32>()? + 1)?;
        let answer = &mut self.answer;
        answer.clear();
        compare::<VersionError>(&self.repo, before, after, None, &mut |_, measure| {
            answer.push(measure.key);
            Ok(())
        })?;
        Ok(answer.ends.len().to_string())
    }

    /// Writes ids one a line, and rows into a file beside them.
    fn write(&self, file: &Path) -> Result<String> {
        let starts = std::iter::once(0).chain(self.answer.ends.iter().copied());
        let mut ids = Vec::with_capacity(self.answer.ids.len() + self.answer.ends.len());
        for (start, &end) in starts.zip(&self.answer.ends) {
            ids.extend_from_slice(&self.answer.ids[start as usize..end as usize]);
            ids.push(b'\n');
        }
        fs::write(file, ids)?;
        let mut rows = fs::File::create(file.with_extension("rows"))?;
        self.answer.rows.iter().try_for_each(|piece| rows.write_all(piece))?;
        Ok(self.answer.ends.len().to_string())
    }
}

/// One file, one epoch, one commit; what it does not mention is gone.
fn pipeline(folder: &Path, name: &str) -> Result<Pipeline> {
    let text = format!(
        r#"
        config_version = 1
        [pipeline]
        store = "the-one-that-is-open.vd"
        memory = "64MB"
        [source.vectors]
        kind = "files"
        path = ["{name}"]
        missing = "delete"
        "#
    );
    let (pipeline, _) =
        config::parse("warm", &text, folder, &[], &|_| None).map_err(|found| format!("{:?}", found.errors))?;
    Ok(pipeline)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |passed| passed.as_millis() as u64)
}
