"""`python docs/generate/judging_errors.py SEEDS`: how often the judge errs, simulated.

SEEDS is a `seeds.parquet` beside a scorecard: undefended and null students of its settings tell how
widely students are spread. A defended student is drawn as leak × (undefended − null) above its
null, and differs from it beside that as two null students do, normally. Ways to recover the trait
and settings are drawn independently, which makes the worst of them worse than it is.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from subliminal.config import command, terminal
from subliminal.errors import UserError
from subliminal.judge.fieller import Interval, ratio, resolution
from subliminal.judge.lines import (
    NOT_SHOWN,
    REDUCES,
    SECRET,
    Seeds,
    leak_word,
    setting_word,
    tells,
    worst_word,
)
from subliminal.judge.recovery import LOGITS
from subliminal.report.tables import markdown

DRAWS = 2000
SIZES, LEAKS = (6, 10, 30), (0.0, 0.1, 0.25, 0.5, 1.0)

Drawn = list[tuple[Interval, float]]  # of each experiment: the leak, and the least seen


@dataclass(frozen=True)
class Way:
    """How widely students are spread, in one setting and way to recover the trait."""

    setting: str
    way: str
    gap: tuple[float, float]  # mean and standard deviation of undefended less null students
    null: float  # standard deviation of null students
    unrelated: float  # the most that students of unrelated initial weights show

    def drawn(self, leak: float, seeds: int) -> Drawn:
        """Return what experiments of so many seeds find, where the leak is known."""
        generator = np.random.default_rng([*f"{self.setting} {self.way}".encode()])
        below = generator.normal(*self.gap, (DRAWS, seeds))
        above = leak * below + generator.normal(0, 2**0.5 * self.null, below.shape)
        nulls = generator.normal(0, self.null, below.shape)
        rows = zip(above, below, nulls, strict=True)
        return [(ratio(a, b), resolution(b, n)) for a, b, n in rows]

    def least(self, one: tuple[Interval, float]) -> tuple[Interval, float]:
        """Return a leak with the least that counts."""
        return one[0], max(one[1], self.unrelated)


def ways(file: Path) -> list[Way]:
    """Return the ways of each setting that show a leak without a defence."""
    if not file.is_file():
        raise UserError(f"{file}: no such file; a scorecard's seeds.parquet is needed")
    found = []
    table = pl.read_parquet(file, glob=False).filter(pl.col("setting") != SECRET)
    for (setting,), rows in table.group_by("setting", maintain_order=True):
        seeds = Seeds(rows)
        for way in filter(seeds.open, seeds.ways):
            if (unrelated := seeds.unrelated(way)) >= REDUCES:
                continue
            gap, null = seeds.differences(way)[1], seeds.of("undefended_null", way)
            spread = float(gap.mean()), float(gap.std(ddof=1))
            found.append(Way(str(setting), way, spread, float(null.std(ddof=1)), unrelated))
    return found


def tables(known: Sequence[Way]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return rows of text: of each way and number of seeds, and of the verdict over all."""
    of_ways, verdicts = [], []
    for seeds in SIZES:
        drawn = {(way, leak): way.drawn(leak, seeds) for way in known for leak in LEAKS}
        for way in known:
            covered = [
                np.mean([one.low <= leak <= one.high for one, _ in drawn[way, leak]])
                for leak in LEAKS
            ]
            row = {"setting": way.setting, "way": way.way, "seeds": str(seeds)}
            row["coverage"] = f"{min(covered):.3f}"
            row["shown"] = _share(tells(*one) for one in drawn[way, 0.0])
            for leak, word in ((0.0, "blocks"), (0.25, "blocks"), (1.0, "no effect")):
                shown = [leak_word(*way.least(one)) for one in drawn[way, leak] if tells(*one)]
                row[f"{word} at {leak:g}"] = _share(said == word for said in shown)
            of_ways.append(row)
        for leak in LEAKS:
            words = Counter(_verdict(known, drawn, leak, number) for number in range(DRAWS))
            said = ", ".join(f"{word} {n / DRAWS:.0%}" for word, n in words.most_common(4))
            verdicts.append({"seeds": str(seeds), "leak": f"{leak:g}", "verdict": said})
    return pl.DataFrame(of_ways), pl.DataFrame(verdicts)


def _verdict(
    known: Sequence[Way], drawn: Mapping[tuple[Way, float], Drawn], leak: float, number: int
) -> str:
    """Return the verdict of one experiment."""
    settings: dict[str, dict[str, tuple[Interval, float]]] = {}
    for way in known:
        if tells(*(one := drawn[way, leak][number])):
            settings.setdefault(way.setting, {})[way.way] = way.least(one)
    words = [setting_word(leaks, LOGITS) for leaks in settings.values()]
    return worst_word(words) if words else NOT_SHOWN


def _share(of: Iterable[bool]) -> str:
    known = [*of]
    return f"{np.mean(known):.3f}" if known else "–"


def main(argv: list[str] | None = None) -> int:
    """Print the table; return the exit status: 0, or 2 for bad input."""
    terminal.settle()
    words = sys.argv[1:] if argv is None else argv

    def tell() -> int:
        if len(words) != 1:
            raise UserError("one file is needed, a scorecard's seeds.parquet")
        print(*map(markdown, tables(ways(Path(words[0])))), sep="\n\n")
        return 0

    return command.status(tell)


if __name__ == "__main__":
    sys.exit(main())
