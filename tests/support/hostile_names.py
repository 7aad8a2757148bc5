"""An experiment whose names and values hold what each way of showing them takes for its own."""

from pathlib import Path
from typing import Any

from handmade_runs import config, write_run

NAME = "a {{css}} <b>& [red]$x_1$[bold] `q` | %{y} \\textbf{a}"
VALUES = (
    "[layer1]",
    "[layer2]",
    "<b>bold</b><br>&lt;&amp;",
    "$x^2_i$ and $",
    "_under_score_",
    "*a* **b** `c` ~~d~~",
    "a|b \\| %{x:.2f} %{fullData.name}",
    "\\textbf{x} & 5% #1 {y} ^~",
    "line\nbreak\ttab \x1b[31mred\x1b[0m",
    "日本 é ‮rtl",
    ":warning: [link](http://example.org)",
    "javascript:alert(1)//--><script>alert(1)</script>",
)


def settings(value: str) -> dict[str, Any]:
    """Return a condition's config, which differs from the others' in one value."""
    return config("none", odd=value)


def write_hostile(folder: Path) -> Path:
    """Write a condition of four seeds for each value; return the experiment's folder."""
    experiment = folder / NAME
    for number, value in enumerate(VALUES):
        for seed in range(4):
            place = f"mitigation=none-{number:08d}"
            write_run(experiment, "mitigation=none", seed, folder=place, settings=settings(value))
    return experiment
