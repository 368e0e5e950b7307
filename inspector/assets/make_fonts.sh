#!/usr/bin/env bash
# Makes the two small fonts of the inspector out of Debian's fonts-inter and fonts-jetbrains-mono, with the letters and signs it uses.
#
#     inspector/assets/make_fonts.sh
#
# Needs those two packages and Python; fontTools is installed below target/. Both fonts are under the SIL Open Font License 1.1
# (OFL.txt); a subset must not have the reserved name, so the names inside say what they are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
venv=target/fonts-venv
[ -x "$venv/bin/pyftsubset" ] || { python3 -m venv "$venv" && "$venv/bin/pip" install -q "fonttools==4.60.1"; }
# Latin with accents, dashes and quotes, super- and subscripts of digits, arrows, mathematics, shapes.
signs="U+20-7E,U+A0-17F,U+2010-2015,U+2018-201A,U+201C-201E,U+2022,U+2026,U+2030,U+2032,U+2033,U+2039,U+203A,U+20AC,U+2190-2193,U+2197,U+2198,U+21B5,U+2206,U+2211,U+2212,U+221A,U+221E,U+2248,U+2260,U+2264,U+2265,U+25A0,U+25A1,U+25B2,U+25B6,U+25BC,U+25C0,U+25CB,U+25CF,U+2318,U+2713,U+2717,U+FFFD"
make() { # source, output, signs
    "$venv/bin/pyftsubset" "$1" --unicodes="$3" --output-file="inspector/assets/$2" --layout-features='kern,ccmp,mark' \
        --no-hinting --desubroutinize --name-IDs='' --notdef-outline --drop-tables+=DSIG
}
make /usr/share/fonts/opentype/inter/Inter-Regular.otf text.otf "$signs"
make /usr/share/fonts/opentype/inter/Inter-SemiBold.otf bold.otf "$signs"
make /usr/share/fonts/truetype/jetbrains-mono/JetBrainsMono-Regular.ttf mono.ttf "U+20-7E,U+B7,U+2013,U+2026,U+2212,U+221E,U+FFFD"
ls -l inspector/assets
