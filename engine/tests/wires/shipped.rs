//! The pipeline files that need servers run, and run again.

use std::path::Path;

use super::commands::{succeeds, vecdelta};
use super::servers::{client, database, nats, together};
use super::sinks::rows_of;
use super::sources::table_of;
use super::support::files::Dir;

/// The files that are run here: whoever adds one that needs a server adds its test.
const FILES: [&str; 3] = ["nats-publish.toml", "nats-workers.toml", "postgres.toml"];

/// Copies the pipeline files and the data they read; they find their servers as users tell them.
fn checkout(dir: &Path) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for part in ["pipelines", "datasets/debian"] {
        std::fs::create_dir_all(dir.join(part)).unwrap();
        for entry in std::fs::read_dir(root.join(part)).unwrap() {
            let entry = entry.unwrap();
            let text = std::fs::read(entry.path()).unwrap();
            let text = match part {
                "pipelines" => String::from_utf8(text)
                    .unwrap()
                    .replace("{ env = \"NATS_URL\" }", &format!("\"{}\"", nats()))
                    .replace("{ env = \"POSTGRES_URL\" }", &format!("\"{}\"", database()))
                    .into_bytes(),
                _ => text,
            };
            std::fs::write(dir.join(part).join(entry.file_name()), text).unwrap();
        }
    }
}

#[test]
fn every_file_that_needs_a_server_is_run_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines");
    let mut found: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            text.contains("NATS_URL") || text.contains("POSTGRES_URL")
        })
        .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    found.sort();
    assert_eq!(found, FILES);
}

#[test]
fn nats_two_workers() {
    let _together = together();
    let dir = Dir::new();
    let dir = dir.0.as_path();
    checkout(dir);
    let name = format!("PACKAGES{}", std::process::id());
    let set = |section: &str| {
        [format!("{section}.stream={name}"), format!("{section}.subject={name}"), format!("{section}.url={}", nats())]
    };
    let with = |arguments: &[&str], section: &str, more: &[&str]| {
        let mut all: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        set(section).into_iter().for_each(|pair| all.extend(["--set".to_owned(), pair]));
        all.extend(more.iter().map(|a| (*a).to_owned()));
        succeeds(dir, &all.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let (publish, work) = ("pipelines/nats-publish.toml", "pipelines/nats-workers.toml");
    assert!(with(&["check", publish], "sink.bus", &["--online"]).contains("will be made"));
    let none = vecdelta(dir, &["check", work, "--online", "--set", &format!("source.packages.stream={name}")]);
    let said = String::from_utf8_lossy(&none.stderr).into_owned();
    assert!(none.status.code() == Some(74) && said.contains("source packages: there is no stream"), "{said}");
    with(&["run", publish], "sink.bus", &[]);
    assert!(with(&["check", work], "source.packages", &["--online"]).contains("messages"));
    let rest = ["--set", "source.packages.follow=false"];
    for share in ["1/2", "2/2"] {
        let told = with(&["run", work, "--partition", share], "source.packages", &rest);
        assert_eq!(told.lines().count(), 4, "{told}");
    }
    let want = table_of(&dir.join("out/nats-publish.vd"), "packages");
    let mut found = super::sinks::Rows::new();
    for partition in 0..8 {
        found.extend(table_of(&dir.join(format!("out/nats-workers/{partition}.vd")), "packages"));
        assert!(dir.join(format!("out/nats-workers/{partition}.jsonl")).is_file());
    }
    assert!(found == want && want.len() > 700);
    let again = with(&["run", work, "--partition", "1/1"], "source.packages", &rest);
    assert_eq!(again.matches(": 0 commits").count(), 8, "{again}");
}

#[test]
fn postgres_in_and_out() {
    let _together = together();
    let dir = Dir::new();
    let dir = dir.0.as_path();
    checkout(dir);
    let file = "pipelines/postgres.toml";
    client()
        .batch_execute(
            "DROP TABLE IF EXISTS items, items_de; \
             CREATE TABLE items (id text PRIMARY KEY, embedding real[], lang text, gone boolean NOT NULL DEFAULT false, \
             changed xid8 NOT NULL DEFAULT pg_current_xact_id()); \
             INSERT INTO items SELECT 'id-' || n, ARRAY[n, n / 3.0, -1]::real[], CASE WHEN n % 3 = 0 THEN 'de' ELSE 'fr' END \
             FROM generate_series(1, 900) n",
        )
        .unwrap();
    if client().query_one("SELECT to_regclass('vecdelta.sink') IS NOT NULL", &[]).unwrap().get(0) {
        client().batch_execute("DELETE FROM vecdelta.sink WHERE place = 'items_de'").unwrap();
    }
    succeeds(dir, &["test", file]);
    let asked = succeeds(dir, &["check", file, "--online"]);
    assert!(asked.contains("source items: PostgreSQL 1") && asked.contains("sink copy: PostgreSQL 1"), "{asked}");
    assert!(client().query_one("SELECT to_regclass('items_de') IS NULL", &[]).unwrap().get::<_, bool>(0));
    let rest = ["--set", "source.items.follow=false"];
    assert!(succeeds(dir, &["plan", file]).contains("900 inserted"));
    succeeds(dir, &[&["run", file][..], &rest].concat());
    let copied = || rows_of("items_de").len();
    assert_eq!((table_of(&dir.join("out/postgres.vd"), "items").len(), copied()), (900, 300));
    client()
        .batch_execute(
            "UPDATE items SET gone = true, changed = DEFAULT WHERE id IN ('id-3', 'id-4'); \
             UPDATE items SET embedding = ARRAY[1, 2, 3], changed = DEFAULT WHERE id = 'id-6'",
        )
        .unwrap();
    succeeds(dir, &[&["run", file][..], &rest].concat());
    assert_eq!((table_of(&dir.join("out/postgres.vd"), "items").len(), copied()), (898, 299));
    assert_eq!(rows_of("items_de")["id-6"], [1.0f32, 2.0, 3.0].map(f32::to_bits));
    client().batch_execute("DROP TABLE items").unwrap();
    let told = vecdelta(dir, &["check", file, "--online"]);
    let said = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(told.status.code() == Some(74) && said.contains("source items: there is no table items"), "{said}");
}
