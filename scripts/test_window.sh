#!/usr/bin/env bash
# Opens the real window of the inspector on a screen in memory and looks at it: the demo history must be there, in colours
# of the theme, and the window must end when it is told to.
#
#     scripts/test_window.sh path/to/vecdelta-inspector
set -euo pipefail
program=$1
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if ! command -v Xvfb >/dev/null || ! command -v xwd >/dev/null; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || { echo "please install xvfb and x11-apps" >&2; exit 1; }
    apt-get -o DPkg::Lock::Timeout=300 update -q >&2
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -qy --no-install-recommends \
        xvfb x11-apps libgl1 libgl1-mesa-dri libegl1 libxkbcommon-x11-0 libxcursor1 libxi6 libxrandr2 >&2
fi
dir=$(mktemp -d "${TMPDIR:-/tmp}/window.XXXXXX")
Xvfb -displayfd 3 -screen 0 1400x900x24 3>"$dir/display" >"$dir/xvfb.log" 2>&1 &
xvfb=$!
window=
trap 'kill $window $xvfb 2>/dev/null || true; rm -rf "$dir"' EXIT
for _ in $(seq 100); do [ -s "$dir/display" ] && break; sleep 0.1; done
DISPLAY=":$(cat "$dir/display")"
export DISPLAY
unset WAYLAND_DISPLAY
export XDG_STATE_HOME="$dir/state" LIBGL_ALWAYS_SOFTWARE=1
# Only what was asked for is opened; the list of places of whoever runs this stays as it is.
"$program" --demo --theme dark >"$dir/log" 2>&1 &
window=$!
for i in $(seq 60); do
    sleep 0.5
    kill -0 "$window" 2>/dev/null || { echo "the window is gone:" >&2; cat "$dir/log" >&2; exit 1; }
    xwd -root -silent >"$dir/screen.xwd" || continue
    if scripts/python.sh scripts/look_at_window.py "$dir/screen.xwd" ${WINDOW_PNG:+"$WINDOW_PNG"} >"$dir/look"; then
        echo "1 passed, 0 failed"
        exit 0
    fi
done
echo "the window does not show the demo history after $i looks" >&2
cat "$dir/look" >&2
cat "$dir/log" >&2
exit 1
