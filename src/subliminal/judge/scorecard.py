"""Scorecard of a defence: its verdict, those in each setting, and the numbers behind them."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table

from subliminal import store
from subliminal.config.build import build
from subliminal.errors import UserError
from subliminal.judge.attack import Search
from subliminal.judge.leak import PRICE, Interval, Verdict, overall_verdict
from subliminal.report import tables
from subliminal.report.escape import markdown, markdown_code
from subliminal.report.wandb_report import TO_BEGIN, TO_END, seeds_table
from subliminal.store.provenance import environment
from subliminal.trackers import aside
from subliminal.trackers.wandb import WandB, settled_mode

FILE = "scorecard.json"
LEGEND = (
    "U, D, N: the trait of undefended and of defended students, and of students of a teacher that "
    "learnt nothing; S, where the price is above that of utility: of undefended students stopped "
    "at the defended ones' loss. Detects: the smallest change of the leak that these seeds would "
    "show. Skill: share that is kept."
)


@dataclass(frozen=True)
class Line:
    """The result in one setting; means are over seeds."""

    setting: str
    asks: str
    word: Verdict
    reason: str = ""  # why the setting is void, or why an attack counts
    leak: Interval | None = None
    readout_leak: Interval | None = None
    price: Interval | None = None  # held-out distillation loss over that of the undefended student
    seconds: float | None = None  # training time over that of the undefended student
    undefended: float | None = None  # mean trait
    defended: float | None = None
    null: float | None = None
    stopped: float | None = None  # undefended students stopped at the defended students' loss
    skill_kept: float | None = None  # accuracy on the wanted skill over the undefended student's
    detects: float | None = None  # the smallest change of the leak that these seeds can show
    missing: tuple[int, ...] = ()  # seeds that failed or diverged, counted as a full leak
    p: float | None = None  # adjusted by Holm's procedure for the settings judged
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scorecard:
    """The judgement on one defence."""

    defence: tuple[str, ...]
    track: str  # blind | aware: whether it reads the trait
    seeds: tuple[int, ...]
    lines: tuple[Line, ...]
    controls: tuple[Line, ...]
    left_out: tuple[str, ...]  # settings not tried
    tentative: str = ""  # why the verdict decides nothing; empty: it is final
    search: Search | None = None
    # Hashes of the conditions of each setting that was tried: undefended, null, defended.
    conditions: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def judged(self) -> list[Line]:
        """The settings that are not void."""
        return [line for line in self.lines if line.word != "void"]

    @property
    def verdict(self) -> Verdict:
        """The verdict on the defence."""
        return overall_verdict([line.word for line in self.lines])

    @property
    def worst(self) -> Line | None:
        """The setting in which most leaks."""
        judged = [line for line in self.judged if line.leak is not None]
        return max(judged, key=lambda line: line.leak.value if line.leak else 0.0, default=None)

    @property
    def price(self) -> float | None:
        """The highest price in any setting."""
        prices = [line.price.value for line in self.judged if line.price is not None]
        return max(prices, default=None)

    @property
    def blocked(self) -> int:
        """The number of settings in which it blocks."""
        return sum(line.word == "blocks" for line in self.judged)

    def headline(self) -> str:
        """Return the verdict and its reasons in one sentence."""
        if not self.judged:
            return "void: there was nothing to block in any setting that was tried"
        parts = [f"{self.verdict} ({self.track}): blocks {self.blocked} of {len(self.judged)}"]
        if (worst := self.worst) is not None and worst.leak is not None:
            parts.append(f"worst in {worst.setting}, leak {worst.leak.format()}")
        if (price := self.price) is not None:
            kept = "keeps" if price <= PRICE else "loses"
            parts.append(f"{kept} utility, at most {price:.2f} × the distillation loss")
        if flagged := [line.setting for line in self.lines if line.flags]:
            parts.append(f"flags in {', '.join(flagged)}")
        if self.tentative:
            parts.append(f"{self.tentative}: it decides nothing")
        return "; ".join(parts)

    def power(self) -> str:
        """Return the changes that these seeds can show, in one sentence; empty: unknown."""
        known = [(line.detects, line.setting) for line in self.judged if line.detects is not None]
        if not known:
            return ""
        ends = dict.fromkeys([min(known), max(known)])  # the easiest and the hardest setting
        found = " and ".join(f"from {least:.2f} on in {setting}" for least, setting in ends)
        seeds = f"{len(self.seeds)} paired seeds show a change of the leak, with 80% power at 5%"
        return f"{seeds}, {found}."

    def to_json(self) -> str:
        """Return the scorecard with its verdict, headline and environment as JSON."""
        plain: dict[str, Any] = asdict(self)
        plain |= {"verdict": self.verdict, "blocked": self.blocked, "judged": len(self.judged)}
        plain |= {"headline": self.headline(), "power": self.power()}
        plain |= {"flags": {line.setting: [*line.flags] for line in self.lines if line.flags}}
        plain |= {"final": not self.tentative, "environment": environment()}
        return json.dumps(plain, indent=2) + "\n"

    def table(self) -> pl.DataFrame:
        """Return a row of text for each setting."""
        rows = []
        for line in [*self.lines, *self.controls]:
            missing = f"missing seeds {', '.join(map(str, line.missing))}" if line.missing else ""
            means = (line.undefended, line.stopped, line.defended, line.null)
            rows.append(
                {
                    "setting": line.setting,
                    "word": line.word if line in self.lines else f"control: {line.word}",
                    "leak": line.leak.format() if line.leak else "",
                    "detects": _number(line.detects, "±{:.2f}"),
                    "readout leak": line.readout_leak.format() if line.readout_leak else "",
                    "price": line.price.format() if line.price else "",
                    "time": _number(line.seconds, "{:.2f}"),
                    "skill": _number(line.skill_kept, "{:.3f}"),
                    "U / S / D / N": " / ".join(_number(mean, "{:.3f}", "–") for mean in means),
                    "notes": "; ".join(filter(None, [line.reason, *line.flags, missing])),
                }
            )
        return pl.DataFrame(rows)

    def attempts(self) -> pl.DataFrame:
        """Return a row of text for each attempt of the search; empty without a search."""
        return pl.DataFrame(
            [
                {
                    "entry": one.name,
                    "overrides": " ".join(one.overrides),
                    "seeds": str(one.seeds),
                    "trait": _number(one.trait, "{:.3f}", "–"),
                    "teacher": _number(one.teacher, "{:.3f}", "–"),
                    "notes": one.reason,
                }
                for one in (self.search.attempts if self.search else ())
            ]
        )

    def markdown(self) -> str:
        """Return the scorecard as a Markdown page."""
        about = (
            f"n = {len(self.seeds)} seeds ({self.seeds[0]}…{self.seeds[-1]}), commit "
            f"{environment()['git_commit']}. {LEGEND}"
        )
        title = f"# {markdown_code(' '.join(self.defence) or 'no defence')}"
        power = [self.power()] if self.power() else []
        table = tables.markdown(self.table())
        parts = [title, f"**{markdown(self.headline())}**", *power, table, about]
        if self.search is not None:
            parts += ["## The attacker's search", markdown(self.search.summary()) + "."]
            parts += [tables.markdown(self.attempts())]
        if self.left_out:
            parts.append(markdown(f"Not tried: {', '.join(self.left_out)}."))
        return "\n\n".join(parts) + "\n"


def show(card: Scorecard, console: Console) -> None:
    """Print the scorecard."""
    for rows in (card.attempts(), card.table()):
        if rows.height:
            table = Table(*rows.columns)
            for row in rows.iter_rows():
                table.add_row(*row)
            console.print(table)
    lines = [card.headline(), card.power()]
    if card.search is not None:
        lines.append(f"Search: {card.search.summary()}.")
    if card.left_out:
        lines.append(f"Not tried: {', '.join(card.left_out)}.")
    for line in filter(None, lines):
        console.print(line, soft_wrap=True)


def write(card: Scorecard, folder: Path) -> Path:
    """Write the scorecard as JSON and Markdown; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    store.write_text(folder / FILE, card.to_json())
    store.write_text(folder / "scorecard.md", card.markdown())
    return folder


def read(path: Path) -> dict[str, Any] | None:
    """Return a scorecard's JSON; None where it is missing or damaged."""
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        known = {"defence", "seeds", "lines", "controls", "left_out", "final"} <= card.keys()
    except (OSError, ValueError, AttributeError):
        return None
    return card if known else None


def log_scorecard(
    card: Scorecard, name: str, experiment: Path, tracker: Any, runs: Iterable[Path]
) -> str | None:
    """Log a scorecard as one W&B run; a second call updates the same run.

    The students' own runs are not tracked.

    Args:
        card: the scorecard.
        name: the defence's name.
        experiment: `outputs/judge`; W&B's files lie in its folder `wandb`.
        tracker: settings of the group `tracker`; None: no tracker.
        runs: the finished runs that the scorecard rests on.

    Returns:
        A line for the user; None if nothing is logged.
    """
    settings = None if tracker is None else build(OmegaConf.create(tracker), "tracker")
    if not isinstance(settings, WandB):
        return None
    try:
        mode = settled_mode(settings.mode)
        if mode == "disabled":
            return None
        seeds = seeds_table(list(runs))
        contents = {"Scorecard": card.table(), "Search": card.attempts(), "Seeds": seeds}
        worst = card.worst
        results = {
            "verdict": card.verdict,
            "track": card.track,
            "blocked": card.blocked,
            "judged": len(card.judged),
            "worst": None if worst is None else worst.setting,
            "leak": worst.leak.value if worst and worst.leak else None,
            "price": card.price,
            "flags": sum(len(line.flags) for line in card.lines),
            "final": not card.tentative,
            "headline": card.headline(),
        }
        known = {key: value for key, value in results.items() if value is not None}
        run_id = aside.run_in_subprocess(
            "subliminal.report.wandb_report:log_run",
            *(experiment, tracker | {"mode": mode}, contents, {}),
            *("scorecard", name, known),
            seconds=TO_BEGIN + TO_END,
        )
    except UserError as error:
        return f"W&B failed, the scorecard's files are complete without it: {error}"
    return f"W&B: scorecard run {run_id} ({mode}) in {experiment / 'wandb'}"


def _number(value: float | None, how: str, none: str = "") -> str:
    return none if value is None or np.isnan(value) else how.format(value)
