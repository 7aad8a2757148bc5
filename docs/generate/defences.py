"""`python docs/generate/defences.py [outputs …]`: the leaderboard, from its entries' scorecards.

The page's numbers are in docs/data/scorecards-2.parquet, a row for each entry and setting; those of
the first judge are kept in scorecards.parquet, and never mixed with these. Scorecards below
`outputs` replace their entries' rows there. `make defences` first judges the entries without a
scorecard.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import leaderboard
import polars as pl
import screening_auroc
from leaderboard import JudgedEntry

from subliminal import store
from subliminal.config import terminal
from subliminal.config.resources import install_command
from subliminal.errors import UserError
from subliminal.judge.battery import NAME, Defence, battery
from subliminal.judge.cli import card_name
from subliminal.judge.dial import FILE as DIAL
from subliminal.judge.entries import Entry, all_entries
from subliminal.judge.evaluation import SCREEN, SCREENED, promising
from subliminal.judge.measure import VERSION
from subliminal.judge.scorecard import FILE, is_todays, read, recomputed
from subliminal.report.figures import style
from subliminal.report.tables import markdown

FIGURE, CURVES = "defences", "dials"
SCREENING = "screening.json"
FIRST = "first settings"  # of an entry that goes on, and is judged in these alone
CARDS = f"scorecards-{VERSION}.parquet"
# Same in all rows of an entry.
_OF_ENTRY = (
    *("defence", "track", "utility", "seeds", "left_out"),
    *("screened", "tentative", "headline", "version"),
)
_AS_TEXT = ("by_way", "shows", "loss", "agreement", "traits")  # JSON: their keys vary
CAPTION = (
    "Leak against the share V of the task that is kept; up and left is worse. A point is an "
    "entry's worst setting, its whisker reaches to the mean over settings. A V below 0 is drawn at "
    "0. Screened entries are faint. Green: the bounds of the words blocks and keeps."
)
OF_DIALS = (
    "Leak against V as one key of an entry is turned: means over development seeds in the "
    "reference setting. The numbers are the least and the largest value."
)
# The reference setting, for which ε of clipped gradients with noise is given.
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
    rows: dict[str, list[dict[str, Any]]] = {}
    if (data / CARDS).is_file():
        for row in pl.read_parquet(data / CARDS).iter_rows(named=True):
            rows.setdefault(row["entry"], []).append(row)
    first = first_settings() if outputs else ()
    for folder in outputs:
        for entry in entries:
            cards_of = folder / NAME / "scorecards"
            for judged_in in (cards_of / entry.name, cards_of / card_name(entry.name, *first)):
                if not (found := _rows(entry, judged_in)):
                    continue
                rows[entry.name] = found
                cards = page.parent / "scorecards"
                cards.mkdir(parents=True, exist_ok=True)
                text = (judged_in / "scorecard.md").read_text(encoding="utf-8")
                store.write_text(cards / f"{entry.name}.md", text)
                break
        _keep_screening(folder / "screening", data)
    judged = [e for e in entries if e.name in rows and _of(rows[e.name][0], e)]
    places = [JudgedEntry(entry, _card(rows[entry.name])) for entry in judged]
    missing = [entry.name for entry in entries if entry not in judged]
    if not places:
        raise UserError(f"{data / CARDS}: no scorecard of an entry, nor below the folders given")
    data.mkdir(parents=True, exist_ok=True)
    table = pl.DataFrame(
        [row for _, of in sorted(rows.items()) for row in of], infer_schema_length=None
    )
    store.write_atomically(data / CARDS, table.write_parquet)
    figures = page.parent / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    with style.style():
        drawn = leaderboard.figure(places)
        style.save(drawn, figures / FIGURE, "Leak against V", CAPTION, pdf=False)
        if any(place.card.get("dial") for place in places):
            style.save(leaderboard.dials(places), figures / CURVES, "Dials", OF_DIALS, pdf=False)
    commits = {place.card["commit"] for place in places} - {None}
    made = f" Commit {', '.join(sorted(c[:12] for c in commits))}." if commits else ""
    parts = [
        "# Defences, judged",
        f"What leaks through each defence, and what it keeps, written by `make defences` from "
        f"[data/{CARDS}](data/{CARDS}). [judging.md](judging.md) explains the method, "
        f"[entering.md](entering.md) how to enter or break a defence; "
        f"[defences_first_judge.md](defences_first_judge.md) has the first judge's cards.{made}",
        "## What was found",
        "\n".join(f"- {sentence}" for sentence in leaderboard.findings(places)),
        f"![{FIGURE}.png](figures/{FIGURE}.png)",
        CAPTION,
        "## Entries",
        "From the best word to the worst, over the settings that are shown. `screened`: the "
        "first settings, one to three at ten seeds, decided that the rest is not tried. `first "
        "settings`: they decided that it is, and it was not yet. *blocks* may stand beside more "
        "than 0.10: a readout finds as much in students whose initial weights are their own.",
        markdown(leaderboard.table(places), marked=("entry",)),
        "## What they claim",
        "\n".join(f"- `{place.entry.name}`: {place.entry.claim}" for place in places),
        *_dials(places),
        *_private(places),
        *_screening(data / SCREENING),
    ]
    if missing:
        parts += ["## Not judged yet", ", ".join(f"`{name}`" for name in missing) + "."]
    store.write_text(page, "\n\n".join(parts) + "\n")
    return missing


def first_settings() -> tuple[str, ...]:
    """Return what a card of the first settings alone is named after."""
    settings = battery(Defence.of(()))[:SCREEN]
    seeds = settings[0].undefended.seeds[:SCREENED]
    return (*(one.name for one in settings), f"seed={seeds[0]}-{seeds[-1]}")


def _of(card: Mapping[str, Any], entry: Entry) -> bool:
    """Tell whether a scorecard is of the overrides that the entry has today."""
    return tuple(card["defence"]) == entry.overrides


def _rows(entry: Entry, folder: Path) -> list[dict[str, Any]]:
    """Return a row for each setting of the scorecard in `folder`, if there is one.

    One of the first settings alone is final where it decides that no more is tried.
    """
    card = read(folder / FILE)
    if card is None or not _of(card, entry):
        return []
    if not card["final"]:
        card["screened"] = not promising(recomputed(folder / FILE))
        card["tentative"] = "" if card["screened"] else FIRST
    if card["conditions"] and not is_todays(card, battery(Defence.of(entry.overrides))):
        return []
    made = card["environment"]
    facts = {"entry": entry.name, **{name: card[name] for name in _OF_ENTRY}}
    facts |= {"commit": made["git_commit"], "processor": made["processor"]}
    facts |= {"torch": made["packages"]["torch"]}
    facts |= {"verdict": card["leak"], "dial": _dial(folder.parent / entry.name)}
    texts = [{key: json.dumps(line[key]) for key in _AS_TEXT} for line in card["lines"]]
    # A line has seeds and a word of utility too.
    return [{**line, **facts, **text} for line, text in zip(card["lines"], texts, strict=True)]


def _dial(folder: Path) -> str | None:
    """Return the entry's dial as text, if it was turned."""
    file = folder / DIAL
    return file.read_text(encoding="utf-8") if file.is_file() else None


def _card(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what the leaderboard shows of an entry: its facts, and a line for each setting."""
    dial = rows[0]["dial"] and json.loads(rows[0]["dial"])
    return rows[0] | {"lines": [row for row in rows if not row["control"]], "dial": dial}


def _keep_screening(folder: Path, data: Path) -> None:
    if folder.is_dir():
        lines = [screen.format() for screen in screening_auroc.screens(folder)]
        data.mkdir(parents=True, exist_ok=True)
        store.write_text(data / SCREENING, json.dumps(lines, indent=1) + "\n")


def _screening(file: Path) -> list[str]:
    if not file.is_file():
        return []
    lines = json.loads(file.read_text(encoding="utf-8"))
    about = (
        "Does the first update predict whether the trait is transferred? AUROC over the trained "
        "conditions of `make sweep NAME=screening`, beside that of alignment in the first epoch; "
        "[audit.md](audit.md) repeats it on more of them, where it is less."
    )
    return ["## Screening", about, "\n".join(f"- {line}" for line in lines)]


def _dials(places: Sequence[JudgedEntry]) -> list[str]:
    """Return what each dial gives."""
    about = (
        "One key is turned, on development seeds in the reference setting; the value at V = 0.95 "
        "is confirmed once, on the judge's seeds."
    )
    lines = [
        f"- `{place.entry.name}`: {dial['summary']}"
        for place in places
        if (dial := place.card.get("dial"))
    ]
    drawn = f"![{CURVES}.png](figures/{CURVES}.png)"
    return ["## Dials", about, drawn, OF_DIALS, "\n".join(lines)] if lines else []


def _private(places: Sequence[JudgedEntry]) -> list[str]:
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


def epsilon(noise: float, *, batch: int, size: int, steps: int, delta: float) -> float:
    """Return ε of (ε, δ)-differential privacy of a training, by Rényi's accountant.

    The training has so many steps, each on `batch` of `size` images, with `noise` σ > 0. As is
    common, batches are counted as if each image were drawn into them independently (Poisson
    sampling), though they are cut from a shuffled order.

    Raises:
        UserError: the accountant is not installed.
    """
    try:
        # absl, a dependency, keeps a reference to standard error and closes it later.
        with contextlib.redirect_stderr(io.StringIO()):
            import dp_accounting
            from dp_accounting import rdp
    except ImportError as error:
        raise UserError(f"ε needs an accountant: {install_command('privacy')}") from error
    step = dp_accounting.PoissonSampledDpEvent(
        batch / size, dp_accounting.GaussianDpEvent(noise_multiplier=noise)
    )
    accountant = rdp.RdpAccountant()
    accountant.compose(dp_accounting.SelfComposedDpEvent(step, steps))
    return float(accountant.get_epsilon(delta))


def _default_noise() -> float:
    from omegaconf import OmegaConf

    from subliminal.config.resources import CONF

    return float(OmegaConf.load(CONF / "mitigation" / "dp_sgd.yaml").noise)


def main(argv: list[str] | None = None) -> int:
    """Run the command line; return the exit status: 0, or 2 for bad input."""
    terminal.settle()
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
