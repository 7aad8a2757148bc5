"""Files of `sweeps/`: the one that belongs to an experiment, and the question in its header."""

import re
from functools import lru_cache
from itertools import takewhile
from pathlib import Path

from subliminal.config.resources import SWEEPS
from subliminal.report.conditions import Sweep
from subliminal.report.varied import summarise


def question(sweep: Sweep) -> str:
    """Return the header comment of the sweep's file, or a question from the keys that vary."""
    if file := sweep_file(sweep):
        return header(file)
    varies = [f"{key} ({summarise(values)})" for key, values in sweep.swept.items()]
    return f"What changes with {'; '.join(varies)}?" if varies else "One condition, seed by seed."


def sweep_file(sweep: Sweep) -> Path | None:
    """Return the file of `sweeps/` whose `name` is the end of the runs' folder, or None."""
    place = sweep.directory.resolve().parts
    for name, file in named_sweeps().items():
        parts = tuple(name.split("/"))
        if place[-len(parts) :] == parts:
            return file
    return None


@lru_cache(maxsize=1)
def named_sweeps() -> dict[str, Path]:
    """Return the files of `sweeps/` by the experiment that they name, the deepest name first."""
    found = {}
    for file in sorted(
        {*SWEEPS.rglob("*.yaml")} - {*SWEEPS.glob("wandb/*")}
    ):  # not W&B's own sweeps
        if name := re.search(r"^name: (\S+)$", file.read_text(encoding="utf-8"), re.MULTILINE):
            found[name[1]] = file
    return dict(sorted(found.items(), key=lambda item: (-item[0].count("/"), item[0])))


def header(file: Path) -> str:
    """Return a sweep file's header comment, without its launch command, as one line."""
    comment = takewhile(lambda line: line.startswith("#"), file.read_text("utf-8").splitlines())
    words = [line.lstrip("# ") for line in comment]
    question = takewhile(lambda line: not line.startswith("Launch:"), words)
    return " ".join(line for line in question if not line.startswith("@package"))
