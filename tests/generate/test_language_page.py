"""The results on the pages of language and theory, and the README's sentence of the former."""

import shutil
from pathlib import Path

import language_page
import numpy as np
import pytest
import theory_page
from archive import Archive
from language_page import MAIN, OTHER, OWN, ROWS

from subliminal.config.resources import ROOT
from subliminal.report.figures import finals, style


@pytest.mark.parametrize("page", ["language", "theory"])
def test_a_bare_clone_writes_the_committed_page(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((style, "save"), (finals, "accuracy"), (finals, "dose_response")):
        monkeypatch.setattr(module, name, lambda *args, **kwargs: None)
    shutil.copytree(ROOT / "docs" / "data", tmp_path / "docs" / "data")
    for name in ("README.md", f"docs/{page}.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    write = {"language": language_page, "theory": theory_page}[page].write
    assert write([], tmp_path / "docs" / f"{page}.md") == []
    for name in ("README.md", f"docs/{page}.md"):
        committed = (ROOT / name).read_text(encoding="utf-8")
        assert (tmp_path / name).read_text(encoding="utf-8") == committed, f"make pages: {name}"


def test_the_figure_shows_the_rows_of_the_table_with_its_numbers() -> None:
    sweep = Archive.read(ROOT / "docs" / "data" / "language.parquet").sweep(MAIN)
    assert sweep is not None
    panels = language_page.training(sweep).axes
    assert all(set(ROWS) <= {line.get_label() for line in axes.lines} for axes in panels)
    ends = {line.get_label(): np.asarray(line.get_ydata())[-1] for line in panels[0].lines}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f" {ends[row]:.3f} [" in readme for row in (OWN, OTHER))
