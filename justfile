# The words of this repository. Each is a script or one command that also works without `just`.

# Lints, the rules of ARCHITECTURE.md, and whether the engine compiles for browsers.
check:
    scripts/check.sh

# Everything, installing what it needs: what the build machine runs.
test:
    scripts/test.sh

# The property tests with many more cases, and many more random histories for the independent reader.
fuzz rounds="50" seed="1000":
    PROPTEST_CASES=20000 cargo test --release --locked --workspace
    cargo build --release --locked
    scripts/python.sh scripts/test_reader.py --rounds {{rounds}} --seed {{seed}}

# The package and the inspector's page, into wasm/dist and inspector/web/dist.
web:
    scripts/build-web.sh

# Measurements. Close other programs first.
bench:
    cargo bench --locked -p vecdelta-benches

# Licences, advisories, bans and sources (needs `cargo install cargo-deny`).
deny:
    cargo deny check
