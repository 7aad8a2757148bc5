"""Reading of Parquet files."""

from pathlib import Path

import polars as pl


def read_table(file: Path) -> pl.DataFrame:
    """Return a Parquet file's table, read at once: a training may replace the file meanwhile.

    Of a path Polars would expand `~` and patterns.
    """
    return pl.read_parquet(file.read_bytes())
