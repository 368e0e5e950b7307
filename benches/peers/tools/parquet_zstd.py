"""A whole Parquet file for every epoch, with split bytes and zstd."""
from tools import parquet_whole as plain

NAME = "whole Parquet per epoch, BYTE_STREAM_SPLIT + zstd"
CANNOT = plain.CANNOT
LIKE = "parquet_whole"
plain.OPTIONS = {
    "compression": "zstd",
    "use_dictionary": False,
    "column_encoding": {"id": "DELTA_BYTE_ARRAY", "embedding.list.element": "BYTE_STREAM_SPLIT"},
    "row_group_size": 10_000,
}
Tool = plain.Tool
