"""Folders of configs, sweeps and data, and the installed distribution."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from platformdirs import user_cache_path

from subliminal.errors import UserError, no_folder

_PACKAGE = Path(__file__).resolve().parents[1]
_CHECKOUT = _PACKAGE.parents[1]

# The repository, or the installed package.
ROOT = _CHECKOUT if (_CHECKOUT / "conf" / "config.yaml").is_file() else _PACKAGE
CONF = ROOT / "conf"
SWEEPS = ROOT / "sweeps"
DEFENCES = ROOT / "defences"
COMPLETIONS = ROOT / "completions"  # scripts of shells

# On PyPI `subliminal` is another project, a subtitle downloader.
DISTRIBUTION = "subliminal-learning"
# Files in all releases of that project of the last ten years, and never in this one.
_FOREIGN = ("core.py", "video.py", "providers")


def install_command(extra: str) -> str:
    """Return the command that adds an extra to this installation: a checkout or a wheel."""
    if ROOT == _PACKAGE:
        return f"pip install '{DISTRIBUTION}[{extra}]'"
    return f"pip install -e '{'.' if Path.cwd() == ROOT else ROOT}[{extra}]'"


def refuse_namesake() -> None:
    """Refuse to run where the other project of this import name is installed too.

    The two share a folder `subliminal`, or one hides the other, and it would be left to chance
    which of them a worker imports.

    Raises:
        UserError: files of the other project lie in a folder from which modules are imported.
    """
    for place in [str(_PACKAGE.parent), *sys.path]:
        folder = Path(place) / "subliminal"
        if any((folder / name).exists() for name in _FOREIGN):
            raise UserError(
                f"{folder} holds the files of another project of this import name, a subtitle "
                f"downloader: pip uninstall subliminal, then install {DISTRIBUTION} again"
            )


def refuse_shadowed(folder: Path, others: Iterable[Path] = ()) -> None:
    """Refuse a folder of configs that is missing, or has a file of a built-in or another's name.

    Hydra would read one of the two without a word.

    Raises:
        UserError: there is no such folder, or such a file.
    """
    if not folder.is_dir():
        raise no_folder(folder)
    for place, group in ((CONF, ""), (SWEEPS, "sweep"), *((other, "") for other in others)):
        for file in sorted(place.rglob("*.yaml")) if folder.resolve() != place else ():
            if (own := folder / group / file.relative_to(place)).is_file():
                whose = "a built-in file" if place in (CONF, SWEEPS) else file
                raise UserError(f"{own}: has the name of {whose}; give it another name")


def user_path(path: str | Path) -> Path:
    """Return a path that a user gives, with `~` expanded, which shells leave in `outputs=~/x`.

    `./~/x` becomes absolute: no library can take it for the home folder.

    Raises:
        UserError: no user of that name has a home folder.
    """
    expanded = os.path.expanduser(path)  # noqa: PTH111 – a Path would drop the `./` of `./~x`
    if expanded.startswith("~"):
        raise UserError(f"{path}: no such home folder; write ./{path} for a folder of this name")
    place = Path(expanded)
    return place.absolute() if str(place).startswith("~") else place


def data_folder(root: str | None, name: str) -> Path:
    """Return the folder of a data set: `root`, or the folder `name` of the user's cache.

    Raises:
        UserError: the user has no home folder.
    """
    try:
        place = user_cache_path("subliminal") / name if root is None else Path(root)
        return place.expanduser()
    except RuntimeError as error:
        raise UserError(
            "this user has no home folder (HOME is not set), so there is no cache; name a folder "
            "with data.root=… (for inputs: distill.inputs.root=…)"
        ) from error
