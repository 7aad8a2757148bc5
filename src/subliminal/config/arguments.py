"""The command line in Hydra's form: flags first, seeds quoted, grids as one override."""

import re
from collections.abc import Iterable, Sequence
from typing import NoReturn

from subliminal.config import seeds
from subliminal.config.command import wrong_arguments
from subliminal.config.hydra_internals import get_args_parser
from subliminal.config.resources import CONF, refuse_shadowed, user_path
from subliminal.config.schema import LISTS
from subliminal.errors import UserError

GRID = "grid"  # begins the overrides of a grid; its value is any name
GRIDS = "hydra.sweeper.grids"
# Keys that a user's module defines; Hydra accepts new keys with a plus.
_OPEN = re.compile(r"(distill\.)?model\.args\.")


def arranged(argv: list[str]) -> list[str]:
    """Return the command line with its flags first and its overrides last.

    Hydra takes overrides in one place alone: given `seed=0 -m name=x` it prints its usage.

    Raises:
        UserError: a flag, its value or its folder does not exist, an override is no KEY=VALUE, a
            group is given twice, a seed is wrong, or a grid is empty.
    """

    def refuse(message: str) -> NoReturn:
        raise UserError(f"{wrong_arguments(parser, message)}; settings are written as seed=3")

    parser = get_args_parser()
    parser.error = refuse  # type: ignore[method-assign]
    given = parser.parse_intermixed_args(argv)
    if given.shell_completion and not re.search(r"\b(install|uninstall|query)=", " ".join(argv)):
        raise UserError("--shell-completion/-sc: install=SHELL or uninstall=SHELL is needed")
    flags = [word for word in argv if word not in given.overrides]
    folders = {CONF}
    if given.config_dir:
        folders.add(own := user_path(given.config_dir))
        refuse_shadowed(own)
        flags = [re.sub(f"{re.escape(given.config_dir)}$", lambda _: str(own), f) for f in flags]
    named = {path.stem for folder in folders for path in (folder / "seed").glob("*.yaml")}
    words = map(home_quoted, given.overrides)
    opened = [f"++{word}" if _OPEN.match(word) else word for word in words]
    overrides, grids = split_grids(seeds.quote(opened, named=named))
    for grid in () if given.help else (overrides, *grids):  # where words may be groups
        check_words(grid)
    if grids:
        listed = ",".join(f"[{','.join(map(quoted, grid))}]" for grid in grids)
        overrides.append(f"{GRIDS}=[{listed}]")
    return [*flags, *overrides]


def check_words(words: Sequence[str]) -> None:
    """Check that each override is KEY=VALUE, and that none chooses a group's option again.

    Raises:
        UserError: an override has no value, or two are of one group.
    """
    chosen: dict[str, str] = {}
    for word, following in zip(words, [*words[1:], "VALUE"], strict=False):
        key, equals, value = word.lstrip("+").partition("=")
        if word.startswith("~"):
            continue
        if not (key and equals) and re.fullmatch(r"[\w./@=+-]*", word):  # else Hydra explains it
            raise UserError(f"{word}: KEY=VALUE is needed, such as {key or 'seed'}={following}")
        group, value = key.partition("@")[0], value.replace("'", "").strip("[]")
        is_group = "/" in group or group == "sweep" or (CONF / group).is_dir()
        if key in chosen and is_group and "." not in group:
            both = f"; {key}=[{chosen[key]},{value}] takes all of them" if group in LISTS else ""
            raise UserError(f"{key}: given twice, {chosen[key]} and {value}: give it once{both}")
        chosen[key] = value


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
