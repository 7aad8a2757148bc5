"""Versions, commit and machine that a result was made with."""

import hashlib
import os
import platform
import subprocess
from functools import cache
from importlib.metadata import distributions
from typing import Any

from subliminal.config.resources import DISTRIBUTION, ROOT

_PACKAGES = (
    *(DISTRIBUTION, "torch", "torchvision", "numpy", "hydra-core", "omegaconf", "wandb"),
    "transformers",
)
_RUN = ("src", "conf", "sweeps")  # folders whose untracked files may be code or configs


@cache
def environment() -> dict[str, Any]:
    """Return package versions, Python, platform and git commit (None outside a checkout).

    The first call of a process decides: a command makes it as it begins.
    """
    return {
        # None: not installed, or imported from a folder without metadata.
        "packages": {n: next((d.version for d in distributions(name=n)), None) for n in _PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "git_commit": _git_commit(),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123
            return next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor()


def short_commit(commit: str | None) -> str:
    """Return a recorded commit for display: twelve digits and the mark of uncommitted changes."""
    digits, dash, changes = str(commit).partition("-")
    return digits[:12] + dash + changes


def _git_commit() -> str | None:
    """Return the checkout's commit; `<commit>-dirty-<hash>` when its files differ from it.

    The hash covers changes of tracked files, and untracked files that could be run.
    """
    if not (ROOT / ".git").exists():
        return None
    try:
        commit = _git("rev-parse", "HEAD").decode().strip()
        changes = _git("diff", "HEAD", "--binary", "--no-ext-diff", "--no-textconv")
        added = _git("ls-files", "-z", "--others", "--exclude-standard", "--", *_RUN)
        for file in [ROOT / name for name in added.decode().split("\0")]:
            changes += f"{file.name}\0".encode() + file.read_bytes() if file.is_file() else b""
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}-dirty-{hashlib.sha256(changes).hexdigest()[:8]}" if changes else commit


def _git(*arguments: str) -> bytes:
    # Variables such as GIT_DIR could name another repository. No lock: git may run elsewhere.
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return subprocess.run(
        ["git", "-C", str(ROOT), *arguments],
        env=clean | {"GIT_OPTIONAL_LOCKS": "0"},
        capture_output=True,
        check=True,
        timeout=10,
    ).stdout
