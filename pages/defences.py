"""`python pages/defences.py [outputs …]`: the leaderboard, from the scorecards of its entries.

Scorecards that are found below `outputs` replace those in docs/scorecards, of which the page is
made; `make defences` judges first what is not judged yet.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import leaderboard
import screening_auroc
from leaderboard import Place

from subliminal import store
from subliminal.errors import UserError
from subliminal.judge.battery import NAME
from subliminal.judge.entries import Entry, all_entries
from subliminal.judge.scorecard import FILE, read
from subliminal.mitigations.dp_sgd import epsilon
from subliminal.report.figures import style
from subliminal.report.tables import markdown

FIGURE = "defences"
SCREENED = "screening.json"
CAPTION = (
    "Leak against price; up and right is worse. A point is the mean over the settings that the "
    "entry was tried in, its whisker reaches to the worst; an arrow: beyond the axis. Those that "
    "were screened out are faint. Green: a leak within ±0.10 that the class logits show (a readout "
    "may find more), and a price that keeps utility."
)
# The reference setting: what ε of clipped gradients with noise is told for.
IMAGES, BATCH, STEPS = 60_000, 1024, 295


def write(outputs: Sequence[Path], page: Path, entries: Sequence[Entry]) -> list[str]:
    """Write the page, its figure in `figures/` and the scorecards in `scorecards/` beside it.

    Args:
        outputs: folders in which entries were judged; none to write what the scorecards have.
        page: the file.
        entries: what is shown, if it is judged.

    Returns:
        The names of entries that are not judged.

    Raises:
        UserError: none is.
    """
    cards = page.parent / "scorecards"
    cards.mkdir(parents=True, exist_ok=True)
    for folder in outputs:
        for entry in entries:
            _keep(folder / NAME / "scorecards" / entry.name, cards, entry)
        _keep_screening(folder / "screening", page.parent / "data")
    places, missing = [], []
    for entry in entries:
        card = read(cards / f"{entry.name}.json")
        if card is not None and _of(card, entry):
            places.append(Place(entry, card))
        else:
            missing.append(entry.name)
    if not places:
        raise UserError(f"{cards}: no scorecard of an entry, nor below the folders given")
    figures = page.parent / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    with style.style():
        style.save(leaderboard.figure(places), figures / FIGURE, "Leak against price", CAPTION)
    commits = {p.card["environment"]["git_commit"] for p in places} - {None}
    made = f" Commit {', '.join(sorted(c[:12] for c in commits))}." if commits else ""
    parts = [
        "# Defences, judged",
        "Written by `make defences` from the scorecards in [scorecards](scorecards): what each "
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
        *_screening(page.parent / "data" / SCREENED),
    ]
    if missing:
        parts += ["## Not judged yet", ", ".join(f"`{name}`" for name in missing) + "."]
    store.write_text(page, "\n\n".join(parts) + "\n")
    return missing


def _of(card: dict[str, Any], entry: Entry) -> bool:
    """Tell whether a scorecard is a final one of the entry as it is today."""
    return bool(card["final"]) and tuple(card["defence"]) == entry.overrides


def _keep(folder: Path, cards: Path, entry: Entry) -> None:
    card = read(folder / FILE)
    if card is None or not _of(card, entry):
        return
    for suffix in (".json", ".md"):
        text = (folder / f"scorecard{suffix}").read_text(encoding="utf-8")
        store.write_text(cards / f"{entry.name}{suffix}", text)


def _keep_screening(folder: Path, data: Path) -> None:
    if folder.is_dir():
        lines = [screen.format() for screen in screening_auroc.screens(folder)]
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
