"""zstd --patch-from at level 19."""
from tools import zstd_patch as plain

NAME = "zstd -19 --patch-from chain"
CANNOT = {}
LIKE = "zstd_patch"
plain.LEVEL = "-19"
Tool = plain.Tool
