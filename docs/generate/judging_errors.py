"""`python docs/generate/judging_errors.py SEEDS`: how often the judge errs, simulated.

SEEDS is a `seeds.parquet` beside a scorecard: undefended and null students of its settings tell how
widely students are spread. A defended student is drawn as leak × (undefended − null) above its
null, and differs from it beside that as two null students do, normally. Each row is a way to
recover the trait in one setting; the words are those that a setting's one way would have.
"""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl

from subliminal.config import command, terminal
from subliminal.errors import UserError
from subliminal.judge.fieller import ratio, resolution
from subliminal.judge.lines import SECRET, Seeds
from subliminal.judge.words import MOSTLY, leak_word
from subliminal.report.tables import markdown

DRAWS = 2000
SIZES, LEAKS = (6, 10, 30), (0.0, 0.1, 0.25, 0.5, 1.0)


def simulated(
    gap: tuple[float, float], null: float, leak: float, seeds: int
) -> tuple[float, Counter[str]]:
    """Return the coverage of the interval, and how often each word is given.

    Args:
        gap: mean and standard deviation of undefended less null students.
        null: standard deviation of null students.
        leak: the true one.
        seeds: of each experiment.
    """
    generator = np.random.default_rng(0)
    below = generator.normal(*gap, (DRAWS, seeds))
    above = leak * below + generator.normal(0, 2**0.5 * null, below.shape)
    nulls = generator.normal(0, null, below.shape)
    covered, words = 0, Counter[str]()
    for a, b, n in zip(above, below, nulls, strict=True):
        found, least = ratio(a, b), resolution(b, n)
        covered += found.low <= leak <= found.high
        shown = least <= MOSTLY or found.low > MOSTLY
        words[leak_word(found, least) if shown else "not shown"] += 1
    return covered / DRAWS, words


def rows(file: Path) -> list[dict[str, str]]:
    """Return a row of text for each setting, way and number of seeds."""
    if not file.is_file():
        raise UserError(f"{file}: no such file; a scorecard's seeds.parquet is needed")
    made = []
    for (setting,), table in pl.read_parquet(file, glob=False).group_by(
        "setting", maintain_order=True
    ):
        seeds = Seeds(table)
        for way in filter(seeds.open, seeds.ways) if setting != SECRET else ():
            gap, null = seeds.differences(way)[1], seeds.of("undefended_null", way)
            spread = (float(gap.mean()), float(gap.std(ddof=1)))
            for size in SIZES:
                row = {"setting": str(setting), "way": way, "seeds": str(size)}
                for leak in LEAKS:
                    covered, words = simulated(spread, float(null.std(ddof=1)), leak, size)
                    said = ", ".join(f"{w} {n / DRAWS:.0%}" for w, n in words.most_common(3))
                    row[f"leak {leak:g}"] = f"{covered:.3f}: {said}"
                made.append(row)
    return made


def main(argv: list[str] | None = None) -> int:
    """Print the table; return the exit status: 0, or 2 for bad input."""
    terminal.settle()
    words = sys.argv[1:] if argv is None else argv

    def tell() -> int:
        if len(words) != 1:
            raise UserError("one file is needed, a scorecard's seeds.parquet")
        print(markdown(pl.DataFrame(rows(Path(words[0])))))
        return 0

    return command.status(tell)


if __name__ == "__main__":
    sys.exit(main())
