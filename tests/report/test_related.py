"""The page on other papers' systems."""

import sys
from pathlib import Path

import made
import numpy as np
import pytest

from subliminal.errors import UserError
from subliminal.report import related
from subliminal.report.figures import finals
from subliminal.report.question import named_sweeps


def test_the_page_tells_what_was_run_and_what_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # The first folder has nothing of the sweep, the second has it.
    (tmp_path / "first").mkdir()
    made.write_experiment(tmp_path / "second" / "noise2026" / "layers")
    page = tmp_path / "docs" / "related.md"
    arguments = ["related", str(tmp_path / "first"), str(tmp_path / "second"), "--page", str(page)]
    monkeypatch.setattr(sys, "argv", arguments)
    related.main()
    assert str(page) in capsys.readouterr().out
    text = page.read_text(encoding="utf-8")
    assert "| Learning Through Noise | `make sweep NAME=noise2026/layers` | 2 of 36 | 4 |" in text
    assert "| Liminal training | `make sweep NAME=yanagisawa2025` |  |  | not run |" in text
    assert "which of the student's layers must start as its teacher's" in text
    assert "Not run for this page: `make sweep NAME=yanagisawa2025`." in text
    assert (page.parent / "figures" / "related_noise2026_layers.png").stat().st_size > 1000
    assert "Does alignment predict" not in text  # of two conditions


def test_alignment_is_correlated_with_acquisition_over_conditions(tmp_path: Path) -> None:
    folder = tmp_path / "noise2026" / "layers"
    for place, lr in enumerate((0.1, 0.2, 0.3, 0.4, 0.5)):
        condition = "mitigation=none" + "+" * place  # of another length: another alignment
        settings = made.config("none", optim={"lr": lr})
        for seed in range(3):
            made.write_run(folder, condition, seed, folder=f"c-{place:08}", settings=settings)
    page = tmp_path / "related.md"
    related.write([tmp_path], page)
    text = page.read_text(encoding="utf-8")
    assert "| noise2026/layers | 5 | " in text
    assert (tmp_path / "figures" / "related_alignment.png").is_file()


def test_strengths_of_a_schedule_are_joined_on_the_frontier(tmp_path: Path) -> None:
    folder = tmp_path / "yanagisawa2025"
    shapes, peaks = ("constant", "rising", "falling"), (10.0, 0.1, 1.0)
    for place, (schedule, peak) in enumerate((s, p) for s in shapes for p in peaks):
        leash = {
            "_target_": "subliminal.mitigations.liminal.Liminal",
            "schedule": schedule,
            "peak": peak,
            "start": peak,
        }
        settings = made.config("none") | {"mitigation": {"liminal": leash}}
        for seed in range(2):
            made.write_run(
                folder, "mitigation=liminal", seed, folder=f"c-{place:08}", settings=settings
            )
    sweep = related.find("yanagisawa2025", [tmp_path])
    assert sweep is not None
    # The start only repeats the peak.
    assert list(sweep.swept) == ["mitigation.liminal.schedule", "mitigation.liminal.peak"]
    (axes,) = finals.frontier(sweep).axes
    lines = {line.get_label(): np.size(line.get_xdata()) for line in axes.lines}
    for name, members in finals._series(sweep, "mitigation.liminal.peak").items():
        assert [c.config["mitigation.liminal.peak"] for c in members] == sorted(peaks)
        assert lines[name] == len(peaks)


def test_nothing_to_tell_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no finished run"):
        related.write([tmp_path], tmp_path / "related.md")


def test_every_sweep_of_another_paper_belongs_to_one_system() -> None:
    for name, file in named_sweeps().items():
        systems = [system for system in related.SYSTEMS if related._of(system, file)]
        assert len(systems) <= 1, name
        assert systems or "/" not in name, name  # a folder is a paper's
