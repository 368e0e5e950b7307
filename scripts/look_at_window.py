"""Says whether a screen (an xwd file) shows the inspector with the demo history in the dark theme.

    python3 scripts/look_at_window.py screen.xwd [picture.png]

It counts pixels: of the ground, of the panels, of the row that is selected, of the first branch's colour and of text. With a
second name it writes the screen as PNG.
"""
import struct, sys, zlib

import numpy as np

# As in inspector/src/ui/theme.rs, and how many points of each have to be there.
WANTED = {
    "ground": (0x111318, 200_000),
    "panel": (0x16191F, 40_000),
    "selected row": (0x1F2C42, 5_000),
    "accent": (0x6FA8FF, 60),
    "main": (0x62B0EF, 300),
    "text": (0xE4E7EC, 300),
}


def read(path):
    data = open(path, "rb").read()
    head = struct.unpack(">25I", data[:100])
    size, width, height, bits, stride, colors = head[0], head[4], head[5], head[11], head[12], head[19]
    size_of = bits // 8
    if size_of not in (3, 4):
        sys.exit(f"{path}: {bits} bits a pixel")
    start = size + 12 * colors
    rows = np.frombuffer(data, np.uint8, stride * height, start).reshape(height, stride)[:, : width * size_of]
    little = head[7] == 0
    pixels = rows.reshape(height, width, size_of)
    return pixels[:, :, 2::-1] if little else pixels[:, :, size_of - 3 :]


def write(path, rgb):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width, _ = rgb.shape
    raw = b"".join(b"\0" + row.tobytes() for row in np.ascontiguousarray(rgb))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b""))


def main():
    rgb = read(sys.argv[1])
    if len(sys.argv) > 2:
        write(sys.argv[2], rgb)
    flat = rgb.astype(np.uint32)
    codes = (flat[:, :, 0] << 16) | (flat[:, :, 1] << 8) | flat[:, :, 2]
    ok = True
    for name, (code, least) in WANTED.items():
        found = int((codes == code).sum())
        ok = ok and found >= least
        print(f"{name}: {found} points, at least {least}")
    sys.exit(0 if ok else 1)


main()
