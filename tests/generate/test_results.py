"""The page on the papers that this framework starts from, and the main result in the README."""

import re
import shutil
import sys
from pathlib import Path

import handmade_runs
import pytest
import results
from archive import Archive, command_line
from results import BEGIN, END

from subliminal.config.resources import ROOT
from subliminal.errors import UserError
from subliminal.report import escape, figures
from subliminal.report.conditions import Sweep
from subliminal.report.read import load
from subliminal.report.tables import results as table_of

README = f"# Title – ü\n\ntext\n\n{BEGIN}\nlast\n{END}\n\nmore\n"


def write_sweep(folder: Path) -> None:
    """Write runs of two conditions, one of them liminal training as it was published."""
    liminal = handmade_runs.config("liminal")
    liminal["mitigation"]["liminal"]["schedule"] = "linear_decay"
    for seed in range(4):
        handmade_runs.write_run(folder, "mitigation=none", seed)
        handmade_runs.write_run(folder, "mitigation=liminal", seed, settings=liminal)


def not_drawn(drawing: figures.Drawing, sweep: Sweep, folder: Path, *, pdf: bool) -> Path:
    """Return a figure's name without drawing it, which takes longer than all else."""
    return folder / f"{sweep.name}_{drawing.name}.png"


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a page of two sweeps shall lie, in a repository that has a README."""
    monkeypatch.setattr(results, "SWEEPS", ("paper", "cloud2025"))
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    return tmp_path / "docs" / "results.md"


def test_the_command_writes_page_readme_and_numbers(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(results, "SWEEPS", ("paper",))
    write_sweep(tmp_path / "outputs" / "paper")
    monkeypatch.setattr(sys, "argv", ["results", str(tmp_path / "outputs"), "--page", str(page)])
    command_line("results", results.write, None)
    assert capsys.readouterr().out == f"Written: {page}\n"
    text = page.read_text(encoding="utf-8")
    assert re.findall("^## (.*)$", text, re.MULTILINE) == ["paper"]
    assert "Written by `make paper` from the runs in [data/results.parquet]" in text
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (page.parent / link).is_file(), link
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    before, after = README.split("last")
    assert readme.startswith(before)
    assert readme.endswith(after)
    (sweep,) = load([tmp_path / "outputs" / "paper"])
    assert len(sweep.conditions) == 2
    for row, option in zip(
        table_of(sweep.conditions).iter_rows(named=True), ("none", "liminal"), strict=True
    ):
        shown = " | ".join(escape.minus(row[column]) for column in results.SHOWN)
        assert f"| {option} | {shown} |\n" in readme
    assert "n = 4 seeds" in readme
    # Again, from the file alone.
    pages = [tmp_path / "README.md", *(f for f in page.parent.rglob("*") if f.is_file())]
    first = [file.read_bytes() for file in pages]
    results.write([], page)
    assert [file.read_bytes() for file in pages] == first


def test_a_smaller_rerun_replaces_nothing_unasked(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "SWEEPS", ("paper",))
    monkeypatch.setattr(figures, "save", not_drawn)
    write_sweep(tmp_path / "outputs" / "paper")
    results.write([tmp_path / "outputs"], page)
    before = page.read_text(encoding="utf-8")
    handmade_runs.write_run(tmp_path / "fewer" / "paper", "mitigation=none", 0)
    (line,) = results.write([tmp_path / "fewer"], page)
    assert line.startswith("paper, 2 conditions of at least 4 seeds;")
    assert page.read_text(encoding="utf-8") == before
    assert results.write([tmp_path / "fewer"], page, replace_all=True) == []
    assert "n = 1 seed;" in page.read_text(encoding="utf-8")


def test_missing_sweeps_are_named_and_found_ones_kept(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "save", not_drawn)
    write_sweep(tmp_path / "outputs" / "cloud2025")
    with pytest.raises(UserError, match="no run of paper; `make paper` trains them"):
        results.write([tmp_path / "outputs"], page)
    assert not page.exists()
    assert Archive.read(page.parent / "data" / "results.parquet").size("cloud2025").seeds == 4
    write_sweep(tmp_path / "more" / "paper")
    results.write([tmp_path / "more"], page)
    assert page.exists()


@pytest.mark.parametrize("text", ["", "text", BEGIN, END, f"{END}\n{BEGIN}"])
def test_a_readme_without_markers_is_left_alone(page: Path, tmp_path: Path, text: str) -> None:
    write_sweep(tmp_path / "outputs" / "paper")
    (tmp_path / "README.md").write_text(text)
    with pytest.raises(UserError, match=r"README\.md: the lines .* are needed"):
        results.write([tmp_path / "outputs"], page)
    assert (tmp_path / "README.md").read_text() == text
    assert not page.exists()


def test_a_bare_clone_writes_the_committed_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "save", not_drawn)
    shutil.copy(ROOT / "README.md", tmp_path)
    shutil.copytree(ROOT / "docs" / "data", tmp_path / "docs" / "data")
    results.write([], tmp_path / "docs" / "results.md")
    for name in ("README.md", "docs/results.md"):
        committed = (ROOT / name).read_text(encoding="utf-8")
        assert (tmp_path / name).read_text(encoding="utf-8") == committed, f"make pages: {name}"
