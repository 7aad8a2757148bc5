"""Atomic writing of files."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` on a temporary file beside `path`, flush it to disk, then move it into place.

    A reader sees the old file or the new one, never a part; a failed write leaves nothing behind.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name).absolute()  # Polars would expand a `~` at its start
    try:
        write(temporary)
        temporary.chmod(0o644)  # mkstemp's 0600 would hide results from colleagues
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def written_whole(folder: Path) -> Iterator[Path]:
    """Give a block a draft folder; move the files that it wrote there into `folder` at its end.

    A block that fails leaves no file behind. Other files in `folder` are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".draft-", dir=folder) as name:
        yield (draft := Path(name))
        for file in sorted(path for path in draft.rglob("*") if path.is_file()):
            target = folder / file.relative_to(draft)
            target.parent.mkdir(exist_ok=True)
            file.replace(target)


def remove_stale_files(path: Path) -> None:
    """Remove temporary files that killed writers of `path` left; hold its lock meanwhile."""
    for left in path.parent.glob(f".{path.name}.*"):
        left.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
