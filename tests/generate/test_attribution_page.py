"""The results on the page of attribution."""

import shutil
from pathlib import Path

import attribution_page
import pytest

from subliminal.config.resources import ROOT
from subliminal.report.figures import style


def test_a_bare_clone_writes_the_committed_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(style, "save", lambda *args, **kwargs: None)
    page = tmp_path / "docs" / "attribution.md"
    shutil.copytree(ROOT / "docs" / "data", page.parent / "data")
    shutil.copy(ROOT / "docs" / "attribution.md", page)
    assert attribution_page.write([], page) == []
    committed = (ROOT / "docs" / "attribution.md").read_text(encoding="utf-8")
    assert page.read_text(encoding="utf-8") == committed, "make pages"
