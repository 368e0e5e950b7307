#!/usr/bin/env bash
# Builds what runs in a browser: the package in wasm/dist and, where the inspector is, its page in inspector/web/dist.
#
#     scripts/build-web.sh            both
#     scripts/build-web.sh package    the package alone
#     scripts/build-web.sh inspector  the page alone
#
# What it installs (wasm-bindgen in the library's version, wasm-opt and tsc from npm) goes below target/tools.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools="$PWD/target/tools"
what="${1:-all}"

PACKAGE_MAX=150 # KiB, gzipped, of what every page loads
CHECKS_MAX=140  # of what is loaded when `diff` or `verify` is called
# The standard library as rustup has it is larger.
! rustup target list --installed 2>/dev/null | grep -qx wasm32-unknown-unknown || { PACKAGE_MAX=320; CHECKS_MAX=320; }
PAGE_MAX=2048

bindgen_version="$(grep -A1 '^name = "wasm-bindgen"$' Cargo.lock | sed -n 's/^version = "\(.*\)"/\1/p')"
bindgen="$tools/bin/wasm-bindgen"
if [ "$("$bindgen" --version 2>/dev/null)" != "wasm-bindgen $bindgen_version" ]; then
    # Compiled for a short wait: it runs for seconds.
    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
        cargo install --quiet --root "$tools" --target-dir "$tools/build" --version "$bindgen_version" wasm-bindgen-cli
    rm -rf "$tools/build"
fi
scripts/node.sh install

flags="-C target-feature=+simd128,+bulk-memory,+nontrapping-fptoint,+mutable-globals,+sign-ext,+reference-types"
features=(--enable-simd --enable-bulk-memory --enable-nontrapping-float-to-int --enable-mutable-globals --enable-sign-ext
    --enable-reference-types --enable-multivalue)

# optimize MODULE PASSES of wasm-opt...
optimize() {
    "$tools/npm/node_modules/.bin/wasm-opt" "${@:2}" "${features[@]}" "$1" -o "$1.opt"
    mv "$1.opt" "$1"
}

# build CRATE NAME DIRECTORY
build() {
    local profile=web
    [ -z "${VECDELTA_SMALL:-}" ] || profile=web-small
    RUSTFLAGS="$flags" scripts/wasm-cargo.sh build --locked --profile "$profile" -p "$1" --lib
    local made="${CARGO_TARGET_DIR:-target}/web${VECDELTA_SMALL:+-small}/wasm32-unknown-unknown/$profile/$2.wasm"
    "$bindgen" --target web --no-typescript --out-dir "$3" --out-name "$2" "$made"
}

# gate NAME FILES... KIB
gate() {
    local name="$1" most="${!#}" sum=0 file
    for file in "${@:2:$#-2}"; do sum=$((sum + $(gzip -9 -c "$file" | wc -c))); done
    printf '%s: %d KiB gzipped, at most %d\n' "$name" $(((sum + 1023) / 1024)) "$most"
    [ "$sum" -le $((most * 1024)) ] || { echo "$name is too large" >&2; exit 1; }
}

if [ "$what" != inspector ]; then
    rm -rf wasm/dist && mkdir -p wasm/dist
    VECDELTA_SMALL=1 build vecdelta-wasm vecdelta_wasm wasm/dist
    # Two modules of one: comparing and checking whole histories are a fifth of it, and few pages do that.
    whole="$tools/whole.wasm"
    mv wasm/dist/vecdelta_wasm_bg.wasm "$whole"
    scripts/node.sh run scripts/cut.mjs "$whole" wasm/dist/vecdelta_wasm_bg.wasm drop wasmhistory_{diff,verify}
    scripts/node.sh run scripts/cut.mjs "$whole" wasm/dist/vecdelta_checks_bg.wasm keep __wbg_wasmhistory_free \
        wasmhistory_{fromBytes,ofLength,begin,missing,fill,held,open,diff,verify}
    # Bytes count as gzip leaves them: functions stay apart, since one that became part of its only caller has other numbers
    # for its variables there and is like no other any more; and those of one kind stand side by side.
    for part in wasm checks; do
        optimize "wasm/dist/vecdelta_${part}_bg.wasm" --flatten --rereloop -Oz -Oz --one-caller-inline-max-function-size 0 \
            --reorder-functions-by-name
    done
    # What a page loads has no comments: what users need to know of a function stands in index.d.ts.
    plain="$tools/plain"
    rm -rf "$plain" && mkdir -p "$plain"
    cp wasm/dist/vecdelta_wasm.js wasm/js/* "$plain/"
    "$tools/npm/node_modules/.bin/tsc" --allowJs --checkJs false --removeComments --target es2022 --module esnext --skipLibCheck \
        --outDir "$plain/out" "$plain/vecdelta_wasm.js" "$plain"/{index,remote}.js
    cp wasm/js/* wasm/dist/
    cp "$plain/out"/*.js wasm/dist/
    # A script for each: it knows one module.
    sed 's/vecdelta_wasm_bg\.wasm/vecdelta_checks_bg.wasm/g' wasm/dist/vecdelta_wasm.js >wasm/dist/vecdelta_checks.js
    gate "wasm package" wasm/dist/{vecdelta_wasm_bg.wasm,vecdelta_wasm.js,index.js,error.js,remote.js} "$PACKAGE_MAX"
    gate "wasm package, to compare and check" wasm/dist/vecdelta_checks* "$CHECKS_MAX"
    "$tools/npm/node_modules/.bin/tsc" --noEmit --strict --target es2022 --module nodenext --skipLibCheck false --types "" \
        --lib es2022,dom wasm/tests/example.mts
fi

if [ "$what" != package ] && [ -e inspector/web/Cargo.toml ]; then
    dist=inspector/web/dist
    rm -rf "$dist" && mkdir -p "$dist"
    build vecdelta-inspector-web vecdelta_inspector_web "$dist"
    optimize "$dist/vecdelta_inspector_web_bg.wasm" -O2
    mv "$dist/vecdelta_inspector_web_bg.wasm" "$dist/inspector_bg.wasm"
    sed 's/vecdelta_inspector_web_bg\.wasm/inspector_bg.wasm/g' "$dist/vecdelta_inspector_web.js" >"$dist/inspector.js"
    rm "$dist/vecdelta_inspector_web.js"
    cp inspector/web/page/*.js wasm/js/error.js wasm/js/remote.js "$dist/"
    sed "s/data-bytes=\"0\"/data-bytes=\"$(wc -c <"$dist/inspector_bg.wasm")\"/" inspector/web/page/index.html >"$dist/index.html"
    gate "inspector's page" "$dist"/*.wasm "$dist"/*.js "$dist"/*.html "$PAGE_MAX"
    # Servers that know how send these in place of the files.
    scripts/node.sh run scripts/compress.mjs "$dist"
fi
