"""The page on other papers' systems."""

import re
import shutil
import sys
from pathlib import Path

import handmade_runs
import numpy as np
import polars as pl
import pytest
import related
from archive import Archive, command_line, found
from systems import SYSTEMS

from subliminal.errors import UserError
from subliminal.report.declared import entries, named_sweeps
from subliminal.report.figures import finals


def test_the_page_tells_what_was_run_and_what_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # The first folder has nothing of the sweep, the second has it.
    (tmp_path / "first").mkdir()
    handmade_runs.write_experiment(tmp_path / "second" / "noise2026" / "layers")
    page = tmp_path / "docs" / "related.md"
    arguments = ["related", str(tmp_path / "first"), str(tmp_path / "second"), "--page", str(page)]
    monkeypatch.setattr(sys, "argv", arguments)
    command_line("related", related.write, None)
    assert str(page) in capsys.readouterr().out
    text = page.read_text(encoding="utf-8")
    assert "| Learning Through Noise | `make sweep NAME=noise2026/layers` | 2 of 36 | 4 |" in text
    assert "| Liminal training | `make sweep NAME=yanagisawa2025` |  |  | not run |" in text
    assert "which of the student's layers must start as its teacher's" in text
    assert "Not run for this page: `make sweep NAME=yanagisawa2025`." in text
    assert (page.parent / "figures" / "related_noise2026_layers.png").stat().st_size > 1000
    assert "Does alignment predict" not in text  # of two conditions


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no sections' figures, which takes longer than all else."""
    monkeypatch.setattr(related, "_draw", lambda name, sweep, folder: "A caption.")


def sections(page: str) -> dict[str, str]:
    """Return the page's sections by heading."""
    _, *parts = re.split(r"^#{2,3} (.*)$", page, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def data(page: Path) -> Path:
    """Return the file of the page's numbers."""
    return page.parent / "data" / "related.parquet"


def write_conditions(folder: Path, number: int, *, seeds: int = 3) -> None:
    """Write runs of conditions that differ in a learning rate, and in alignment."""
    for place in range(number):
        condition = "mitigation=none" + "+" * place  # of another length: another alignment
        settings = handmade_runs.config("none", optim={"lr": (1 + place) / 10})
        for seed in range(seeds):
            config = f"{folder.name[:4]}{place:04}"
            handmade_runs.write_run(
                folder, condition, seed, folder=f"c-{config}", settings=settings
            )


@pytest.mark.usefixtures("undrawn")
def test_a_sweep_whose_outputs_are_gone_keeps_its_section(tmp_path: Path) -> None:
    page, first, second = tmp_path / "related.md", tmp_path / "first", tmp_path / "second"
    write_conditions(first / "noise2026" / "layers", 5)
    write_conditions(first / "noise2026" / "width", 2)
    write_conditions(first / "yanagisawa2025", 2)
    related.write([first], page)
    before, runs = page.read_text(encoding="utf-8"), Archive.read(data(page)).runs
    # Of three sweeps one is run again, with more seeds; two are only in what was written.
    write_conditions(second / "noise2026" / "width", 2, seeds=4)
    related.write([second], page)
    after = page.read_text(encoding="utf-8")
    old, new = sections(before), sections(after)
    assert old.keys() == new.keys()
    for name in ("noise2026/layers", "yanagisawa2025"):
        assert new[name] == old[name]
    assert "n = 3 seeds" in old["noise2026/width"]
    assert "n = 4 seeds" in new["noise2026/width"]
    assert "`make sweep NAME=noise2026/layers` | 5 of 36 | 3 |" in after
    assert "`make sweep NAME=noise2026/width` | 2 of 4 | 4 |" in after
    assert "`make sweep NAME=noise2026/cnn` |  |  | not run |" in after
    again = Archive.read(data(page)).runs
    layers = pl.col("sweep") == "noise2026/layers"
    assert again.filter(layers).equals(runs.filter(layers))
    assert again.filter(pl.col("sweep") == "noise2026/width").height == 2 * 4
    # What is known of all sweeps is correlated, not only what was run last.
    assert "| noise2026/layers | 5 | " in new["Does alignment predict which student learns?"]
    assert "| all of the above | 9 | " in new["Does alignment predict which student learns?"]
    related.write([second], page)
    assert page.read_text(encoding="utf-8") == after


@pytest.mark.usefixtures("undrawn")
def test_a_smaller_rerun_replaces_nothing_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page, first, second = tmp_path / "related.md", tmp_path / "first", tmp_path / "second"
    write_conditions(first / "noise2026" / "layers", 2)
    write_conditions(second / "noise2026" / "layers", 1)
    assert related.write([first], page) == []
    before = [file.read_bytes() for file in (page, data(page))]
    monkeypatch.setattr(sys, "argv", ["related", str(second), "--page", str(page)])
    command_line("related", related.write, None)
    kept = "Kept as it was: noise2026/layers, 2 conditions of at least 3 seeds; the runs at hand"
    assert f"{kept} are of 1 and 3 (--replace writes it)\n" in capsys.readouterr().out
    assert [file.read_bytes() for file in (page, data(page))] == before
    assert related.write([second], page, replace_all=True) == []
    assert "| 1 of 36 | 3 |" in page.read_text(encoding="utf-8")


def test_a_clone_without_outputs_writes_the_same_page_and_figures(tmp_path: Path) -> None:
    page, clone = tmp_path / "docs" / "related.md", tmp_path / "clone" / "related.md"
    write_conditions(tmp_path / "noise2026" / "layers", 5)
    write_conditions(tmp_path / "yanagisawa2025", 2)
    related.write([tmp_path], page)
    data(clone).parent.mkdir(parents=True)
    shutil.copy(data(page), data(clone))
    related.write([], clone)
    files = [file.relative_to(page.parent) for file in page.parent.rglob("*") if file.is_file()]
    assert len(files) == 5 + 3
    for file in files:
        assert (clone.parent / file).read_bytes() == (page.parent / file).read_bytes(), file


@pytest.mark.usefixtures("undrawn")
def test_sections_of_older_runs_come_from_their_tables(tmp_path: Path) -> None:
    page, name = tmp_path / "related.md", "noise2026/layers"
    write_conditions(tmp_path / name, 5)
    write_conditions(tmp_path / "noise2026" / "width", 5)
    related.write([tmp_path], page)
    whole = page.read_text(encoding="utf-8")
    before = Archive.read(data(page))
    older = "The runs of `noise2026/layers` are older than"
    assert older not in whole
    sweep = before.sweep(name)
    assert sweep is not None
    section = related._section(name, related.labelled(name, sweep), tmp_path)
    row = {"sweep": name, "about": section.about, "figure": section.figure}
    row |= {t: getattr(section, t).to_dicts() for t in ("verdicts", "results")}
    pl.DataFrame([row]).write_parquet(data(page).with_name("related_sections.parquet"))
    tables = {t: table.filter(pl.col("sweep") != name) for t, table in before.tables.items()}
    Archive(before.runs, tables).write(data(page))
    (tmp_path / "figures" / "related_alignment.png").unlink()
    related.write([], page)
    text = page.read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith(older)]
    assert text.replace(f"{line}\n\n", "") == whole
    assert (tmp_path / "figures" / "related_alignment.png").is_file()
    # Fewer runs do not replace those of the tables.
    write_conditions(tmp_path / "fewer" / name, 5, seeds=2)
    assert related.write([tmp_path / "fewer"], page)[0].startswith(f"{name}, 5 conditions")
    related.write([tmp_path], page)
    assert page.read_text(encoding="utf-8") == whole


def test_strengths_of_a_schedule_are_joined_on_the_frontier(tmp_path: Path) -> None:
    folder = tmp_path / "yanagisawa2025"
    shapes, peaks = ("constant", "rising", "falling"), (10.0, 0.1, 1.0)
    for place, (schedule, peak) in enumerate((s, p) for s in shapes for p in peaks):
        penalty = {
            "_target_": "subliminal.mitigations.liminal.Liminal",
            "schedule": schedule,
            "peak": peak,
            "start": peak,
        }
        settings = handmade_runs.config("none") | {"mitigation": {"liminal": penalty}}
        for seed in range(2):
            handmade_runs.write_run(
                folder, "mitigation=liminal", seed, folder=f"c-{place:08}", settings=settings
            )
    sweep = related.labelled(
        "yanagisawa2025", found(["yanagisawa2025"], [tmp_path])["yanagisawa2025"]
    )
    # The start only repeats the peak.
    assert list(sweep.swept) == ["mitigation.liminal.schedule", "mitigation.liminal.peak"]
    (axes,) = finals.frontier(sweep).axes
    lines = {line.get_label(): np.size(line.get_xdata()) for line in axes.lines}
    for label, members in finals._series(sweep, "mitigation.liminal.peak").items():
        assert [c.config["mitigation.liminal.peak"] for c in members] == sorted(peaks)
        assert lines[label] == len(peaks)


def test_nothing_to_tell_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"related\.parquet: no run of a sweep named here"):
        related.write([tmp_path], tmp_path / "related.md")
    assert not data(tmp_path / "related.md").exists()


def test_every_sweep_of_another_paper_belongs_to_one_system() -> None:
    for name, file in named_sweeps().items():
        systems = [system for system in SYSTEMS if system.has(file)]
        assert len(systems) <= 1, name
        own = (name, "language", "attribution", "theory")
        assert systems or name.partition("/")[0] in own, name
        assert entries(file) or not systems, name  # without steps, no other claims can be tested
