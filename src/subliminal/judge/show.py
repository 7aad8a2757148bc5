"""What a scorecard looks like: on the terminal, as Markdown, and in W&B."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table

from subliminal.config.build import build
from subliminal.errors import UserError
from subliminal.judge.fieller import Interval
from subliminal.judge.scorecard import Scorecard
from subliminal.report import tables
from subliminal.report.escape import markdown, markdown_code
from subliminal.report.wandb_report import TO_BEGIN, TO_END, seeds_table
from subliminal.store.provenance import environment
from subliminal.trackers import aside
from subliminal.trackers.wandb import WandB, settled_mode

WIDTH = 100
MEANS = ("undefended", "undefended_null", "unrelated", "defended", "defended_null")
LEGEND = (
    "recovered: the share of the trait that the worst way to recover it finds in a defended "
    "student, 0 for a student of a teacher that learnt nothing, 1 for an undefended one, with its "
    "95% interval; class logits: the share that the student's own answers show; kept: the share of "
    "what distillation gains on held-out inputs."
)


def table(card: Scorecard) -> pl.DataFrame:
    """Return a row of text for each setting."""
    return pl.DataFrame(
        [
            {
                "setting": one.setting,
                "leak": one.word,
                "recovered": _interval(one.leak),
                "by": one.way,
                "class logits": _interval(one.by_way.get("class logits")),
                "utility": one.utility,
                "kept": _number(one.kept.value if one.kept else None),
            }
            for one in card.lines
        ]
    )


def details(card: Scorecard) -> pl.DataFrame:
    """Return what stands behind the words, a row of text for each setting that was tried."""
    rows = []
    for one in card.lines:
        if not one.traits:
            continue
        means = (_number(one.traits.get(part), "{:.3f}", "–") for part in MEANS)
        parts = ("undefended", "defended")
        rows.append(
            {
                "setting": one.setting,
                "seeds": str(one.seeds),
                "U / N / W / D / M": " / ".join(means),
                "least that counts": _number(one.shows.get(one.way)),
                "loss θ₀ / U / D": " / ".join(
                    _number(one.loss.get(p), "{:.3g}", "–") for p in ("θ₀", *parts)
                ),
                "agreement U / D": " / ".join(
                    _number(one.agreement.get(p), "{:.2f}", "–") for p in parts
                ),
                "kept": _interval(one.kept),
                "skill": _interval(one.skill_kept),
                "time": _number(one.seconds),
            }
        )
    return pl.DataFrame(rows)


def ways(card: Scorecard) -> pl.DataFrame:
    """Return each way's leak, a row of text for each setting that is shown."""
    names = dict.fromkeys(way for one in card.shown for way in one.by_way)
    return pl.DataFrame(
        [
            {"setting": one.setting} | {way: _interval(one.by_way.get(way)) for way in names}
            for one in card.shown
            if one.by_way
        ]
    )


def notes(card: Scorecard) -> list[str]:
    """Return a line for each setting that has something to say."""
    said = [(one.setting, [one.reason, *one.flags]) for one in card.lines]
    found = [f"{name}: {'; '.join(filter(None, why))}" for name, why in said if any(why)]
    if card.search is not None:
        found.append(f"search: {card.search.summary()}")
    if card.left_out:
        found.append(f"not tried: {', '.join(card.left_out)}")
    return found


def attempts(card: Scorecard) -> pl.DataFrame:
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
            for one in (card.search.attempts if card.search else ())
        ]
    )


def page(card: Scorecard) -> str:
    """Return the scorecard as a Markdown page."""
    seeds = card.seeds
    span = f"n ≤ {len(seeds)} seeds ({seeds[0]}…{seeds[-1]}), " if seeds else ""
    parts = [f"# {markdown_code(' '.join(card.defence) or 'no defence')}"]
    parts += [f"**{markdown(card.headline())}**", tables.markdown(table(card)), markdown(LEGEND)]
    parts += ["\n".join(f"- {markdown(note)}" for note in notes(card))]
    for title, rows in (
        ("Each way to recover the trait", ways(card)),
        ("Behind the words", details(card)),
        ("The attacker's search", attempts(card)),
    ):
        if rows.height:
            parts += [f"## {title}", tables.markdown(rows)]
    parts.append(
        f"{span}commit {environment()['git_commit']}. U, D: undefended and defended students; N, "
        "M: those of a teacher that learnt nothing; W: students with initial weights of their own. "
        "Means: of the class logits' accuracy, or shift."
    )
    return "\n\n".join(filter(None, parts)) + "\n"


def show(card: Scorecard, console: Console) -> None:
    """Print the scorecard: a sentence, a table, and notes."""
    console.print(f"{' '.join(card.defence) or 'no defence'}: {card.headline()}.")
    for rows in (attempts(card), table(card)):
        if rows.height:
            shown = Table(*rows.columns, padding=(0, 1), collapse_padding=True)
            for row in rows.iter_rows():
                shown.add_row(*row)
            console.print(shown)
    for note in notes(card):
        console.print(note)


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
        contents = {"Scorecard": table(card), "Ways": ways(card), "Search": attempts(card)}
        contents["Seeds"] = seeds_table(list(runs))
        worst = card.worst
        results = {
            "verdict": card.leak,
            "utility": card.utility,
            "track": card.track,
            "shown": len(card.shown),
            "settings": len(card.lines),
            "worst": None if worst is None else worst.setting,
            "leak": worst.leak.value if worst and worst.leak else None,
            "kept": card.kept,
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


def _interval(found: Interval | None) -> str:
    return "" if found is None else found.format()


def _number(value: float | None, how: str = "{:.2f}", none: str = "") -> str:
    return none if value is None or value != value else how.format(value)
