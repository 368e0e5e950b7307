"""Icechunk with chunks of 16 rows: fewer bytes an epoch."""
from tools import icechunk_auto as auto

NAME = "Icechunk, changed chunks only, chunks of 16 rows"
CANNOT = auto.CANNOT
LIKE = "icechunk_auto"
auto.CHUNK_ROWS = 16
Tool = auto.Tool
