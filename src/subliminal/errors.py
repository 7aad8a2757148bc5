"""The exception for bad input, and one-line messages for errors of Hydra and the system."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import get_origin

from omegaconf import DictConfig
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    OmegaConfBaseException,
    ValidationError,
)

# What a config key takes, by the type of its field.
_KINDS: dict[object, str] = {
    **{int: "a whole number", float: "a number", bool: "true or false", str: "a text"},
    **{list: "a list", dict: "a mapping"},
}


class UserError(ValueError):
    """Bad input: its message is one line that says what was wrong and what is allowed.

    The entrypoints print the message alone (no traceback) and exit with status 2.
    """


class RunsFailed(UserError):
    """Some seeds of a job failed; the others are finished."""


class Refused(SystemExit):
    """Carries a user error through Hydra, which wraps exceptions but passes an exit on."""

    def __init__(self, error: UserError) -> None:
        super().__init__(2)
        self.error = error


def of_system(error: OSError) -> str:
    """Return the operating system's error on one line, with the file that it concerns."""
    if error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    try:
        Path.cwd()
    except FileNotFoundError:
        return "the working folder is gone"
    return " ".join(str(error.strerror or error).split())


def there_is(name: object, known: Iterable[object]) -> str:
    """Return what is allowed in place of an unknown name; the nearest comes first."""
    names = list(dict.fromkeys(map(str, known)))
    spelled = {name.rpartition("/")[2]: name for name in names} | {name: name for name in names}
    near = [f"did you mean {spelled[key]}? " for key in get_close_matches(str(name), spelled, n=1)]
    return f"{''.join(near)}there is {', '.join(names) or 'none'}"


def no_folder(path: Path) -> UserError:
    """Return the error for a folder that does not exist, with the names of those beside it."""
    beside = sorted(each.name for each in path.parent.glob("[!.]*") if each.is_dir())
    allowed = there_is(path.name, beside[:20] if path.name else ())
    return UserError(f"{path}: no such folder; in {path.parent}: {allowed}")


def one_line(error: BaseException) -> str:
    """Return the message of any error on one line; OmegaConf's with the key and known keys."""
    if isinstance(error, UserError):
        return str(error)
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    if isinstance(cause, OmegaConfBaseException):
        return _of_omegaconf(cause)
    if override := getattr(error, "override", None):  # of Hydra's OverrideParseException
        allowed = """lists without spaces, texts with other signs in quotes: 'key=["größe",b]'"""
        return f"{override}: cannot be read; write KEY=VALUE, {allowed}"
    message = str(error).split("Config search path")[0]
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return "; ".join(lines).replace(":; ", ": ").removesuffix(";")


def _of_omegaconf(error: OmegaConfBaseException) -> str:
    """Return an error of OmegaConf with the key, the fault and what is allowed."""
    key, parent, child = str(error.full_key or error.key or ""), error.parent_node, error.child_node
    if isinstance(error, ConfigAttributeError | ConfigKeyError) and isinstance(parent, DictConfig):
        known = [str(name) for name in parent if name not in ("_target_", "hydra")]
        line = f"{key}: no such key; {there_is(error.key, known)}"
        node, _, name = key.rpartition(".")
        if node and parent._metadata.object_type is dict and "_target_" not in parent:
            line += f"; choose it with {node}=[{','.join([*known, name])}]"
        return line
    if isinstance(error, ValidationError) and key:
        # The type of the field, or that of a list's items.
        holder = parent if child is None else child
        hint = getattr(holder, "_metadata", None)
        wanted = getattr(hint, "element_type" if child is None else "ref_type", None)
        if kind := _KINDS.get(get_origin(wanted) or wanted):
            value = " ".join(str(error.value).split())
            kind += f", [{value}]," if kind == "a list" else ""
            null = " or null" if child is not None and child._is_optional() else ""
            return f"{key}={value}: {kind}{null} is needed"
    message = (error.msg or str(error)).splitlines()[0]
    return f"{key}: {message}" if key else message
