"""What the judge says: a word on each setting, one on the defence, and what it rests on."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from subliminal import store
from subliminal.judge.leak import PRICE, Interval, Word, verdict
from subliminal.store.provenance import environment


@dataclass(frozen=True)
class Line:
    """What one setting shows."""

    setting: str
    asks: str
    word: Word
    reason: str  # of a void setting
    leak: Interval | None
    readout_leak: Interval | None
    price: Interval | None  # held-out distillation loss over that of the undefended student
    seconds: float | None  # training time over that of the undefended student
    undefended: float | None  # means over seeds of the trait
    defended: float | None
    null: float | None
    skill_kept: float | None  # accuracy on the wanted skill over that of the undefended student
    missing: tuple[int, ...] = ()  # seeds that failed or diverged; their leak counts as whole
    p: float | None = None  # adjusted by Holm for the settings judged
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scorecard:
    """The judgement on one defence."""

    defence: tuple[str, ...]
    track: str  # blind | aware: whether it took the trait gradient
    seeds: tuple[int, ...]
    lines: tuple[Line, ...]
    controls: tuple[Line, ...]
    left_out: tuple[str, ...]  # settings that were not tried
    final: bool  # False: a quick look, or an interrupted battery

    @property
    def judged(self) -> list[Line]:
        """The settings that are not void."""
        return [line for line in self.lines if line.word != "void"]

    @property
    def verdict(self) -> Word:
        """The word on the defence."""
        return verdict([line.word for line in self.lines])

    @property
    def worst(self) -> Line | None:
        """The setting in which most leaks."""
        judged = [line for line in self.judged if line.leak is not None]
        return max(judged, key=lambda line: line.leak.value if line.leak else 0.0, default=None)

    @property
    def blocked(self) -> int:
        """In how many settings it blocks."""
        return sum(line.word == "blocks" for line in self.judged)

    def headline(self) -> str:
        """Return the verdict and what it rests on, in one sentence."""
        if not self.judged:
            return "void: there was nothing to block in any setting that was tried"
        parts = [f"{self.verdict} ({self.track}): blocks {self.blocked} of {len(self.judged)}"]
        if (worst := self.worst) is not None and worst.leak is not None:
            parts.append(f"worst in {worst.setting}, leak {worst.leak.format()}")
        prices = [line.price.value for line in self.judged if line.price is not None]
        if prices:
            kept = "keeps" if max(prices) <= PRICE else "loses"
            parts.append(f"{kept} utility, at most {max(prices):.2f} × the distillation loss")
        if not self.final:
            parts.append("not final: it decides nothing")
        return "; ".join(parts)

    def to_json(self) -> str:
        """Return all of it, for programs."""
        plain: dict[str, Any] = asdict(self)
        plain |= {"verdict": self.verdict, "blocked": self.blocked, "judged": len(self.judged)}
        plain |= {"headline": self.headline(), "environment": environment()}
        return json.dumps(plain, indent=2) + "\n"

    def rows(self) -> list[list[str]]:
        """Return the table's rows of text, the header first."""
        rows = [["setting", "word", "leak", "readout leak", "price", "time", "U / D / N", "notes"]]
        for line in [*self.lines, *self.controls]:
            notes = [line.reason, *line.flags]
            if line.missing:
                notes.append(f"missing seeds {', '.join(map(str, line.missing))}")
            rows.append(
                [
                    line.setting,
                    line.word if line in self.lines else f"control: {line.word}",
                    line.leak.format() if line.leak else "",
                    line.readout_leak.format() if line.readout_leak else "",
                    line.price.format() if line.price else "",
                    f"{line.seconds:.2f}" if line.seconds else "",
                    " / ".join(
                        "–" if value is None or np.isnan(value) else f"{value:.3f}"
                        for value in (line.undefended, line.defended, line.null)
                    ),
                    "; ".join(note for note in notes if note),
                ]
            )
        return rows

    def markdown(self) -> str:
        """Return the scorecard as a Markdown page."""
        header, *rows = self.rows()
        lines = [header, ["---"] * len(header), *([_cell(c) for c in row] for row in rows)]
        table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        about = (
            f"n = {len(self.seeds)} seeds ({self.seeds[0]}…{self.seeds[-1]}), commit "
            f"{environment()['git_commit']}. U, D, N: the trait of undefended and of "
            "defended students, and of students of a teacher that learnt nothing."
        )
        title = f"# `{' '.join(self.defence) or 'no defence'}`"
        left = [f"Not tried: {', '.join(self.left_out)}."] if self.left_out else []
        return "\n\n".join([title, f"**{self.headline()}**", table, about, *left]) + "\n"


def show(card: Scorecard, console: Console) -> None:
    """Print the scorecard."""
    header, *rows = card.rows()
    table = Table(*header)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    console.print(table)
    console.print(escape(card.headline()), soft_wrap=True)
    if card.left_out:
        console.print(f"Not tried: {escape(', '.join(card.left_out))}.", soft_wrap=True)


def write(card: Scorecard, folder: Path) -> Path:
    """Write the scorecard as JSON and Markdown; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    store.write_text(folder / "scorecard.json", card.to_json())
    store.write_text(folder / "scorecard.md", card.markdown())
    return folder


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
