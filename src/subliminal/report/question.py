"""The question that a sweep asks: the header comment of its file."""

import re
from itertools import takewhile

from subliminal.report.runs import Sweep
from subliminal.report.varied import summarise
from subliminal.resources import SWEEPS


def question(sweep: Sweep) -> str:
    """Return the header comment of the file in `sweeps/` of this name, else what varies."""
    for file in sorted(SWEEPS.rglob("*.yaml")):
        text = file.read_text(encoding="utf-8")
        if re.search(rf"^name: {re.escape(sweep.name)}$", text, re.MULTILINE):
            comment = takewhile(lambda line: line.startswith("#"), text.splitlines())
            words = [line.lstrip("# ") for line in comment]
            told = takewhile(lambda line: not line.startswith("Launch:"), words)
            return " ".join(line for line in told if not line.startswith("@package"))
    varies = [f"{key} ({summarise(values)})" for key, values in sweep.swept.items()]
    return f"What changes with {'; '.join(varies)}?" if varies else "One condition, seed by seed."
