//! A newcomer follows the README: the pipeline, the same again, and a look around.

use crate::shell::Session;

#[test]
fn a_newcomer_follows_the_readme() {
    let mut s = Session::checkout("newcomer");
    s.run("run pipelines/quickstart.toml").exits(0);
    s.remark("the same again");
    s.run("run pipelines/quickstart.toml").exits(0);
    s.run("log out/quickstart.vd").exits(0);
    s.run("show out/quickstart.vd main~1").exits(0);
    s.run("diff out/quickstart.vd main~4 main~1 --source packages/sqlite3").exits(0);
    s.run("replay out/quickstart.vd --source packages/mariadb-client").exits(0);
    s.run("export out/quickstart.vd --at main~3 --output out/bookworm.parquet").exits(0);
    s.run("verify out/quickstart.vd --manifest out/quickstart-deltas").exits(0);
    insta::assert_snapshot!(s.transcript());
}

#[test]
fn the_export_of_an_epoch_is_the_epoch() {
    let s = Session::checkout("roundtrip");
    s.quiet(&["run", "pipelines/quickstart.toml"]).exits(0);
    // Ingested on its own, each export gives the table that the history had: same keys, same bits.
    let log = s.quiet(&["log", "out/quickstart.vd", "--json"]).exits(0).lines();
    for (back, commit) in log.iter().enumerate() {
        let (revision, file, other) = (format!("main~{back}"), format!("{back}.parquet"), format!("{back}.vd"));
        s.quiet(&["export", "out/quickstart.vd", "--at", &revision, "--output", &file]).exits(0);
        let again = s.quiet(&["ingest", &other, &file, "--collection", "packages", "--json"]).exits(0).json();
        assert_eq!(again["commits"][0]["state_root"], commit["state_root"], "{revision}");
    }
}

#[test]
fn help_fits_the_window_and_names_every_command() {
    let s = Session::new("help");
    let overview = s.quiet(&["--help"]).exits(0).out;
    assert!(overview.lines().all(|line| line.chars().count() <= 100), "{overview}");
    for (command, _) in crate::json::COMMANDS {
        let help = s.quiet(&[command, "--help"]).exits(0).out;
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
        assert!(help.contains("Usage: vecdelta "), "{help}");
    }
}
