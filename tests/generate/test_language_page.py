"""The results on the language's page, and the README's sentence and figure of them."""

import shutil
from pathlib import Path

import language_page
import numpy as np
import pytest
from archive import Archive
from language_page import MAIN, OTHER, OWN, ROWS

from subliminal.config.resources import ROOT
from subliminal.errors import UserError
from subliminal.report.figures import finals, style


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page in a bare clone, where no sweep's figure is drawn: that takes longest."""
    monkeypatch.setattr(style, "save", lambda *args, **kwargs: None)
    monkeypatch.setattr(finals, "accuracy", lambda sweep: None)
    monkeypatch.setattr(finals, "dose_response", lambda sweep, key: None)
    shutil.copy(ROOT / "README.md", tmp_path)
    shutil.copytree(ROOT / "docs" / "data", tmp_path / "docs" / "data")
    return Path(shutil.copy(ROOT / "docs" / "language.md", tmp_path / "docs"))


def test_a_bare_clone_writes_the_committed_page(page: Path) -> None:
    assert language_page.write([], page) == []
    for name in ("README.md", "docs/language.md"):
        committed = (ROOT / name).read_text(encoding="utf-8")
        assert (page.parent.parent / name).read_text("utf-8") == committed, f"make pages: {name}"


def test_the_figure_has_the_rows_of_the_table_and_the_table_its_numbers(page: Path) -> None:
    sweep = Archive.read(page.parent / "data" / "language.parquet").sweep(MAIN)
    assert sweep is not None
    panels = language_page.training(sweep).axes
    for axes in panels:
        assert set(ROWS) <= {line.get_label() for line in axes.lines}
    ends = {line.get_label(): np.asarray(line.get_ydata())[-1] for line in panels[0].lines}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for row in (OWN, OTHER):
        assert f" {ends[row]:.3f} [" in readme


def test_without_runs_nothing_is_written(page: Path) -> None:
    shutil.rmtree(page.parent / "data")
    with pytest.raises(UserError, match="no run of language/transfer"):
        language_page.write([page.parent], page)
    assert not (page.parent / "data").exists()
