"""The command line in Hydra's form: flags first, seeds quoted, grids as one override."""

import re
from collections.abc import Iterable
from typing import NoReturn

from subliminal.config import seeds
from subliminal.config.hydra_internals import get_args_parser
from subliminal.config.resources import CONF, user_path
from subliminal.errors import UserError

GRID = "grid"  # begins the overrides of a grid; its value is any name
GRIDS = "hydra.sweeper.grids"
# Keys that a user's module defines; Hydra accepts new keys with a plus.
_OPEN = re.compile(r"(distill\.)?model\.args\.")


def arranged(argv: list[str]) -> list[str]:
    """Return the command line with its flags first and its overrides last.

    Hydra takes overrides in one place alone: given `seed=0 -m name=x` it prints its usage.

    Raises:
        UserError: a flag or its value does not exist, a seed is wrong, or a grid is empty.
    """

    def refuse(message: str) -> NoReturn:
        raise UserError(message)

    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]
    given = parser.parse_intermixed_args(argv)
    flags = [word for word in argv if word not in given.overrides]
    folders = {CONF}
    if given.config_dir:
        folders.add(own := user_path(given.config_dir))
        flags = [re.sub(f"{re.escape(given.config_dir)}$", lambda _: str(own), f) for f in flags]
    named = {path.stem for folder in folders for path in (folder / "seed").glob("*.yaml")}
    words = map(home_quoted, given.overrides)
    opened = [f"++{word}" if _OPEN.match(word) else word for word in words]
    overrides, grids = split_grids(seeds.quote(opened, named=named))
    if grids:
        listed = ",".join(f"[{','.join(map(quoted, grid))}]" for grid in grids)
        overrides.append(f"{GRIDS}=[{listed}]")
    return [*flags, *overrides]


def split_grids(words: Iterable[str]) -> tuple[list[str], list[list[str]]]:
    """Return the overrides of all grids, and those of each one; without `grid=` there are none.

    Raises:
        UserError: a grid has no overrides.
    """
    common: list[str] = []
    grids: list[list[str]] = []
    for word in words:
        if word.partition("=")[0] == GRID:
            grids.append([])
        elif grids and not word.startswith(("hydra.", "hydra/")):
            grids[-1].append(word)
        else:
            common.append(word)
    if [] in grids:
        raise UserError(f"{GRID}: no overrides follow; name some, such as {GRID}=a optim.lr=0.1,1")
    return common, grids


def home_quoted(word: str) -> str:
    """Return an override whose value, if it begins with `~`, is quoted: else Hydra refuses it."""
    key, _, value = word.partition("=")
    return f"{key}={quoted(value)}" if value.startswith("~") and "," not in value else word


def quoted(text: str) -> str:
    """Return any text as a quoted string of Hydra's grammar."""
    # A backslash counts as one only before a quotation mark, and the string ends with one.
    return "'" + re.sub(r"(\\*)('|\Z)", lambda m: 2 * m[1] + ("\\'" if m[2] else ""), text) + "'"
