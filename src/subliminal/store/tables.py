"""Reading of Parquet files."""

from pathlib import Path

import polars as pl


def read_table(file: Path) -> pl.DataFrame:
    """Return a Parquet file's table.

    Polars expands `~` and patterns in a path. The absolute path of a file has no `~` at its start.
    """
    return pl.read_parquet(file.absolute(), glob=False)
