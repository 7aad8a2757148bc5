"""Presets: one word for several overrides; reports of quick runs say that they decide nothing."""

from collections.abc import Callable
from pathlib import Path

import handmade_runs
import pytest
from omegaconf import DictConfig
from resolved import experiment_of

from subliminal.config import seeds
from subliminal.report import at_end, figures, page, read, text
from subliminal.report.conditions import QUICK
from subliminal.sweep.console import Console
from subliminal.sweep.plan import condition_name


def test_a_preset_sets_and_a_user_overrides(compose: Callable[[list[str]], DictConfig]) -> None:
    quick = compose(["preset=quick", "distill.epochs=3", "seed=7"])
    assert (quick.name, quick.tracker, quick.teacher.epochs) == ("quick", None, 1)
    assert (quick.distill.epochs, quick.seed.spec) == (3, "7")
    assert compose(["preset=quick", "tracker=wandb"]).tracker is not None
    paper = compose(["preset=paper"])
    assert len(seeds.parse(paper.seed.spec)) == 20
    assert "ledger" in paper.probe
    experiment_of(paper)
    assert condition_name(["preset=quick", "mitigation=liminal"]) == "mitigation=liminal"


@pytest.mark.parametrize("preset", ["quick", None])
def test_every_table_and_figure_of_a_quick_run_says_so_and_no_claim_is_tested(
    preset: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = tmp_path / "paper"  # whose sweep declares claims
    settings = handmade_runs.config("none", preset=preset)
    runs = [
        handmade_runs.write_run(experiment, "mitigation=none", seed, settings=settings)
        for seed in (0, 1)
    ]
    (sweep,) = read.load([experiment])
    report = page.Report(sweep)
    report.write_tables(tmp_path)
    drawing = next(iter(figures.drawings(sweep)))
    figures.save(drawing, sweep, tmp_path, pdf=False)
    text.show(sweep)
    first = capsys.readouterr().out
    at_end.show_job(runs, Console())
    second = capsys.readouterr().out
    told = [report.caption, (tmp_path / "results.tex").read_text(), first, second]
    told.append((tmp_path / f"paper_{drawing.name}.png").read_bytes().decode("latin-1"))
    assert [QUICK in one for one in told] == [preset == "quick"] * len(told)
    assert ("Verdicts" in report.tables) == (preset is None)
