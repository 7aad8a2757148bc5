"""The results on the audit's page are those of its data file."""

import shutil
from pathlib import Path

import audit_page

from subliminal.config.resources import ROOT


def test_a_bare_clone_writes_the_committed_page(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("audit.md", "data/audit.csv"):
        shutil.copy(ROOT / "docs" / name, tmp_path / name)
    audit_page.write(None, tmp_path / "audit.md")
    assert (tmp_path / "audit.md").read_bytes() == (ROOT / "docs" / "audit.md").read_bytes()
