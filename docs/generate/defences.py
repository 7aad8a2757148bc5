"""`python docs/generate/defences.py [outputs …]`: the leaderboard, from its entries' scorecards.

The page is made of docs/data/scorecards.parquet, a row for each entry and setting. Scorecards that
are found below `outputs` replace those of their entries there; `make defences` judges first what is
not judged yet.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import leaderboard
import polars as pl
from leaderboard import Place

from subliminal import store
from subliminal.errors import UserError
from subliminal.judge import screening
from subliminal.judge.battery import NAME
from subliminal.judge.board import CARD, read
from subliminal.judge.entries import Entry, all_entries
from subliminal.mitigations.dp_sgd import epsilon
from subliminal.report.figures import style
from subliminal.report.tables import markdown

FIGURE = "defences"
SCREENED = "screening.json"
CARDS = "scorecards.parquet"
_INTERVAL = pl.Struct(dict.fromkeys(("value", "low", "high"), pl.Float64))
_OF_ENTRY: dict[str, Any] = {  # columns that are the same in all rows of an entry
    "defence": pl.List(pl.String),  # its overrides
    "track": pl.String,
    "verdict": pl.String,
    "blocked": pl.Int64,  # settings
    "seeds": pl.List(pl.Int64),
    "left_out": pl.List(pl.String),  # settings
    "commit": pl.String,
    "processor": pl.String,
    "torch": pl.String,
}
_OF_SETTING: dict[str, Any] = {
    "setting": pl.String,
    "control": pl.Boolean,
    **dict.fromkeys(("asks", "word", "reason"), pl.String),
    **dict.fromkeys(("leak", "readout_leak", "price"), _INTERVAL),
    **dict.fromkeys(("seconds", "undefended", "defended", "null", "stopped"), pl.Float64),
    **dict.fromkeys(("skill_kept", "detects", "p"), pl.Float64),
    "missing": pl.List(pl.Int64),  # seeds
    "flags": pl.List(pl.String),
}
SCHEMA: dict[str, Any] = {"entry": pl.String, **_OF_ENTRY, **_OF_SETTING}
CAPTION = (
    "Leak against price; up and right is worse. A point is the mean over the settings that the "
    "entry was tried in, its whisker reaches to the worst; an arrow: beyond the axis. Those that "
    "were screened out are faint. Green: a leak within ±0.10 that the class logits show (a readout "
    "may find more), and a price that keeps utility."
)
# The reference setting: what ε of clipped gradients with noise is told for.
IMAGES, BATCH, STEPS = 60_000, 1024, 295


def write(outputs: Sequence[Path], page: Path, entries: Sequence[Entry]) -> list[str]:
    """Write the page; beside it its figure, its numbers in `data/` and `scorecards/` as Markdown.

    Args:
        outputs: folders in which entries were judged; none: write what the file has.
        page: the file.
        entries: what is shown, if it is judged.

    Returns:
        The names of entries that are not judged.

    Raises:
        UserError: none is.
    """
    data = page.parent / "data"
    table = (
        pl.read_parquet(data / CARDS) if (data / CARDS).is_file() else pl.DataFrame(schema=SCHEMA)
    )
    for folder in outputs:
        for entry in entries:
            table = _replace(table, entry, folder / NAME / "scorecards" / entry.name, page.parent)
        _keep_screening(folder / "screening", data)
    cards = {str(name): _card(rows) for (name,), rows in table.group_by("entry")}
    judged = [e for e in entries if e.name in cards and _of(cards[e.name], e)]
    places = [Place(entry, cards[entry.name]) for entry in judged]
    missing = [entry.name for entry in entries if entry not in judged]
    if not places:
        raise UserError(f"{data / CARDS}: no scorecard of an entry, nor below the folders given")
    data.mkdir(parents=True, exist_ok=True)
    store.write_atomically(data / CARDS, table.sort("entry", maintain_order=True).write_parquet)
    figures = page.parent / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    with style.style():
        drawn = leaderboard.figure(places)
        style.save(drawn, figures / FIGURE, "Leak against price", CAPTION, pdf=False)
    commits = {place.card["commit"] for place in places} - {None}
    made = f" Commit {', '.join(sorted(c[:12] for c in commits))}." if commits else ""
    parts = [
        "# Defences, judged",
        f"Written by `make defences` from [data/{CARDS}](data/{CARDS}): what each "
        "defence lets through, and its price. [judging.md](judging.md) says how they are judged, "
        "[CONTRIBUTING.md](../CONTRIBUTING.md#enter-or-break-a-defence) how one is entered or "
        f"broken.{made}",
        "## What was found",
        "\n".join(f"- {sentence}" for sentence in leaderboard.findings(places)),
        f"![{FIGURE}.png](figures/{FIGURE}.png)",
        CAPTION,
        "## Entries",
        "The worst and the mean are over the settings that are not void; the price is the worst; "
        "`screened` stands for those that neither blocked nor halved the leak in the first three "
        "settings.",
        markdown(leaderboard.table(places), marked=("entry",)),
        "## What they claim",
        "\n".join(f"- `{place.entry.name}`: {place.entry.claim}" for place in places),
        *_private(places),
        *_screening(data / SCREENED),
    ]
    if missing:
        parts += ["## Not judged yet", ", ".join(f"`{name}`" for name in missing) + "."]
    store.write_text(page, "\n\n".join(parts) + "\n")
    return missing


def _of(card: Mapping[str, Any], entry: Entry) -> bool:
    """Tell whether a scorecard is of the entry as it is today."""
    return tuple(card["defence"]) == entry.overrides


def _replace(table: pl.DataFrame, entry: Entry, folder: Path, docs: Path) -> pl.DataFrame:
    """Put the final scorecard in `folder`, if there is one, in place of the entry's rows."""
    card = read(folder / CARD)
    if card is None or not card["final"] or not _of(card, entry):
        return table
    made = card["environment"]
    facts = card | {
        "commit": made["git_commit"],
        "processor": made["processor"],
        "torch": made["packages"]["torch"],
    }
    rows = [
        {"entry": entry.name, "control": control}
        | {name: facts[name] for name in _OF_ENTRY}
        | {name: line[name] for name in _OF_SETTING if name != "control"}
        for control, lines in ((False, card["lines"]), (True, card["controls"]))
        for line in lines
    ]
    page = docs / "scorecards" / f"{entry.name}.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    store.write_text(page, (folder / "scorecard.md").read_text(encoding="utf-8"))
    others = table.filter(pl.col("entry") != entry.name)
    return pl.concat([others, pl.DataFrame(rows, schema=SCHEMA)])


def _card(rows: pl.DataFrame) -> dict[str, Any]:
    """Return what the leaderboard shows of an entry: its facts, and a line for each setting."""
    facts = rows.select(*_OF_ENTRY).row(0, named=True)
    return facts | {"lines": rows.filter(~pl.col("control")).select(*_OF_SETTING).to_dicts()}


def _keep_screening(folder: Path, data: Path) -> None:
    if folder.is_dir():
        lines = [screen.format() for screen in screening.screens(folder)]
        data.mkdir(parents=True, exist_ok=True)
        store.write_text(data / SCREENED, json.dumps(lines, indent=1) + "\n")


def _screening(file: Path) -> list[str]:
    if not file.is_file():
        return []
    lines = json.loads(file.read_text(encoding="utf-8"))
    about = (
        "Does the first update foretell whether the trait is transferred, over those conditions of "
        "`make sweep NAME=screening` that were trained? Beside it alignment in the first epoch."
    )
    return ["## Screening", about, "\n".join(f"- {line}" for line in lines)]


def _private(places: Sequence[Place]) -> list[str]:
    """Return ε of entries with clipped gradients and noise."""
    lines = []
    for place in places:
        values = dict(word.partition("=")[::2] for word in place.entry.overrides)
        if values.get("mitigation") != "dp_sgd":
            continue
        noise = float(values.get("mitigation.dp_sgd.noise", _default_noise()))
        found = epsilon(noise, batch=BATCH, size=IMAGES, steps=STEPS, delta=1 / IMAGES)
        lines.append(
            f"`{place.entry.name}` is (ε, δ)-private for one image's target, in the reference "
            f"setting, with ε = {found:.1f} at δ = 1/{IMAGES} (noise {noise:g} × the clip; "
            "batches counted as Poisson samples)."
        )
    return lines


def _default_noise() -> float:
    from omegaconf import OmegaConf

    from subliminal.config.resources import CONF

    return float(OmegaConf.load(CONF / "mitigation" / "dp_sgd.yaml").noise)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return the exit status: 0, or 2 for bad input."""
    words = sys.argv[1:] if argv is None else argv
    try:
        page = Path("docs/defences.md")
        missing = write([Path(word) for word in words], page, all_entries())
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if missing:
        print(f"Not judged: {', '.join(missing)}.")
    print(f"Files: {page}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
