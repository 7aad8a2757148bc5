"""Commands that start others as somebody else, or without what pip knows of this package."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import subliminal

_CAPABILITIES = "+dac_override,+dac_read_search"  # the tests' folders are root's alone
NOBODY = (
    *("env", "-u", "HOME", "-u", "XDG_CACHE_HOME"),
    *("setpriv", "--reuid", "12345", "--clear-groups"),
    *(f"--inh-caps={_CAPABILITIES}", f"--ambient-caps={_CAPABILITIES}"),
)


def nobody() -> tuple[str, ...]:
    """Return what starts a command as a user that the system does not know, without a home."""
    try:
        subprocess.run([*NOBODY, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("other users cannot be had here (root, with setpriv)")
    return NOBODY


def not_installed(folder: Path) -> dict[str, str]:
    """Return variables with which `python -S` finds this package's source, and no more of it."""
    folder.mkdir(parents=True)
    places = [
        Path(place) for place in sys.path if place.endswith(("site-packages", "dist-packages"))
    ]
    for place in [place for place in places if place.is_dir()]:
        for entry in place.iterdir():
            link = folder / entry.name
            if not entry.name.lower().startswith("subliminal") and not link.exists():
                link.symlink_to(entry)
    source = Path(subliminal.__file__).parents[1]
    tests = Path(__file__).parent
    return {"PYTHONPATH": os.pathsep.join(map(str, (source, tests, folder)))}
