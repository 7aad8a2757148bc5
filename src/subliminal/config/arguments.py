"""The command line as Hydra needs it: flags first, seeds quoted, several grids as one override."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from subliminal.config import seeds
from subliminal.config.hydra_internals import get_args_parser
from subliminal.config.resources import CONF
from subliminal.errors import UserError

GRID = "grid"  # begins the overrides of a grid; its value is any name
GRIDS = "hydra.sweeper.grids"
# Keys that a module of the user's gives names to; Hydra takes new ones with a plus.
_OPEN = re.compile(r"(distill\.)?model\.args\.")


def arranged(argv: list[str]) -> list[str]:
    """Return the command line with its overrides last, as Hydra's grammar needs them.

    Hydra takes overrides in one place alone, and answers `seed=0 -m name=x` with its usage.

    Raises:
        UserError: there is no such flag, or it has no such value; a seed is wrong; a grid is empty.
    """

    def refuse(message: str) -> NoReturn:
        raise UserError(message)

    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]
    given = parser.parse_intermixed_args(argv)
    flags = [word for word in argv if word not in given.overrides]
    # The names of the seed files, of ours and of the user's.
    folders = {CONF, Path(given.config_dir or CONF)}
    named = {path.stem for folder in folders for path in (folder / "seed").glob("*.yaml")}
    opened = [f"++{word}" if _OPEN.match(word) else word for word in given.overrides]
    overrides, grids = split_grids(seeds.quote(opened, named=named))
    if grids:
        listed = ",".join(f"[{','.join(map(quoted, grid))}]" for grid in grids)
        overrides.append(f"{GRIDS}=[{listed}]")
    return [*flags, *overrides]


def split_grids(words: Iterable[str]) -> tuple[list[str], list[list[str]]]:
    """Return the overrides that all grids share, and those of each grid (none: there is one grid).

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


def quoted(text: str) -> str:
    """Return a text as Hydra's grammar quotes it, whatever is in it."""
    # Backslashes count only before a quotation mark, as which the end is one.
    return "'" + re.sub(r"(\\*)('|\Z)", lambda m: 2 * m[1] + ("\\'" if m[2] else ""), text) + "'"
