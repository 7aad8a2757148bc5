"""What a result was made with: versions, commit, machine."""

import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from subliminal.config.resources import DISTRIBUTION, ROOT

_PACKAGES = (DISTRIBUTION, "torch", "torchvision", "numpy", "hydra-core", "omegaconf", "wandb")


@cache
def environment() -> dict[str, Any]:
    """Return package versions, Python, platform and git commit (None outside a checkout)."""
    return {
        "packages": {name: _version(name) for name in _PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "git_commit": _git_commit(),
    }


def _version(name: str) -> str | None:
    """Return a package's version, None when it runs from a folder that pip knows nothing of."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:  # noqa: PTH123
            return next(line.split(":", 1)[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor()


def _git_commit() -> str | None:
    """Return the checkout's commit, with `-dirty` when tracked files differ from it."""
    if not (ROOT / ".git").exists():
        return None
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
