"""What the package takes from Hydra's private modules, in one place."""

import re
from importlib.metadata import version
from pathlib import Path

import subliminal
from subliminal.config import hydra_internals

TRIED = ("1.3.2", "1.3.8")  # versions of hydra-core, by the whole test suite or by hand


def test_this_version_of_hydra_was_tried() -> None:
    assert version("hydra-core") in TRIED


def test_hydras_private_modules_are_named_in_one_module() -> None:
    package = Path(subliminal.__file__).parent
    files = [*package.rglob("*.py"), *(package.parent / "hydra_plugins").rglob("*.py")]
    named = re.compile(r"hydra\\?\._internal")  # also as a regular expression writes it
    users = [file.name for file in files if named.search(file.read_text("utf-8"))]
    assert users == ["hydra_internals.py"]
    assert len(Path(hydra_internals.__file__).read_text("utf-8").splitlines()) <= 70
