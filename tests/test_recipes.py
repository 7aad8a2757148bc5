"""Every recipe works as written: its commands and its Python, in this process and small."""

import re
import shlex
import sys
from pathlib import Path

import pytest
import small
from hydra.core.global_hydra import GlobalHydra

from subliminal import __main__ as dispatcher
from subliminal.config.resources import ROOT

PAGES = sorted((ROOT / "docs" / "recipes").glob("*.md"))
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)
# What a preset sets stays; a launcher would need a cluster.
SMALL = [word for word in small.OVERRIDES if "epochs" not in word] + ["engine.workers=1"]


@pytest.mark.filterwarnings("default")  # optuna's
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_recipe_works_as_written(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 40
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall(text)
    assert blocks
    for kind, block in blocks:
        if kind == "python":
            exec(block, {})
        for line in block.splitlines() if kind == "sh" else ():
            words = [found for word in shlex.split(line) for found in _expanded(word)]
            if words[1] == "train":
                skip = "data._target_" if "data=arrays" in words else "-"
                words = [word for word in words if "hydra/launcher" not in word]
                words += [word for word in SMALL if not word.startswith(skip)]
            GlobalHydra.instance().clear()
            monkeypatch.setattr(sys, "argv", words)
            try:
                status = dispatcher.main()
            except SystemExit as end:
                status = int(end.code or 0)
            assert not status, line
    for place in re.findall(r"`(outputs/[\w./]+)`", text):
        assert (tmp_path / place).exists(), place


def _expanded(word: str) -> list[str]:
    """Return what a shell makes of a word with an asterisk."""
    return ([str(path) for path in Path().glob(word)] if "*" in word else []) or [word]
