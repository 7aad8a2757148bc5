"""Descriptions of options: from their files in `conf/`, and the dataclasses that implement them."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

from omegaconf import OmegaConf

from subliminal.config.build import locate
from subliminal.config.hydra_internals import get_args_parser
from subliminal.config.resources import CONF, refuse_shadowed
from subliminal.errors import UserError

_ROLE = re.compile(r":\w+:`")  # of reStructuredText
_ATTRIBUTES = re.compile(r"^Attributes:\n((?:^ .*\n|^\n)*)", re.MULTILINE)
_ATTRIBUTE = re.compile(r"^    (\w+): ((?:.*\n)(?:^     .*\n)*)", re.MULTILINE)
_COMMENTED = re.compile(r"^\s*([\w']+):[^#\n]*#\s*(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Key:
    """A key of an option."""

    name: str
    type: str
    value: str  # in YAML
    about: str

    def markdown(self) -> str:
        """Return a list item."""
        hint = "" if self.type == "Any" else f": {self.type}"
        return f"- `{self.name}{hint} = {self.value}`: {self.about}"


@dataclass(frozen=True)
class Option:
    """A file of `conf/`, described."""

    group: str
    name: str
    about: str  # comment of the file
    source: str = ""  # docstring of the dataclass's module, often with its paper
    meaning: str = ""  # docstring of the dataclass
    keys: tuple[Key, ...] = ()
    content: str = ""  # of a file without a dataclass, which chooses other options

    def markdown(self, *, heading: str = "") -> str:
        """Return the description, with a prefix such as `### ` for its first line."""
        parts = [f"{heading}`{self.group}={self.name}`", self.about, self.source, self.meaning]
        parts.append("\n".join(key.markdown() for key in self.keys))
        if self.content:
            parts.append(f"```yaml\n{self.content}\n```")
        return "\n\n".join(filter(None, parts)) + "\n"


def options(folders: Sequence[Path] = (CONF,)) -> dict[str, dict[str, Path]]:
    """Return the files of each group's options, by name; names that start with _ are private."""
    found: dict[str, dict[str, Path]] = {}
    for folder in folders:
        for file in sorted(folder.rglob("*/*.yaml")):
            if not file.stem.startswith("_"):
                group = file.parent.relative_to(folder).as_posix()
                found.setdefault(group, {})[file.stem] = file
    return found


def describe(group: str, name: str, file: Path) -> Option:
    """Return the description of an option.

    Raises:
        UserError: its dataclass is in a module that the user does not allow.
    """
    text = file.read_text(encoding="utf-8")
    comment = re.match(r"(?:# @package.*\n)?((?:#.*\n)*)", text)
    about = " ".join(re.findall(r"^# ?(.*)", comment[1] if comment else "", re.MULTILINE))
    values, comments = _values_and_comments(file)
    if "_target_" not in values or group.startswith("hydra/"):
        rest = text[comment.end() :] if comment else text
        return Option(group, name, about, content=rest.strip())
    cls = locate(str(values["_target_"]), f"{group}={name}")
    source = inspect.getdoc(import_module(cls.__module__)) or ""
    meaning = _ATTRIBUTES.sub("", (inspect.getdoc(cls) or "") + "\n").strip()
    help_lines = comments | _attributes(cls)
    hints = get_type_hints(cls)
    keys = tuple(
        Key(key, _type_name(hints[key]), _yaml(values[key]), help_lines.get(key, ""))
        for key in [item.name for item in fields(cls)]
        if key in values
    )
    return Option(group, name, about, _without_roles(source), _without_roles(meaning), keys)


def described(argv: Sequence[str]) -> list[Option]:
    """Return the options that a command line such as `--help distill/inputs=blurred,mix` names.

    Raises:
        UserError: a group has no such option.
    """
    given = get_args_parser().parse_intermixed_args([*argv])
    if not given.help:
        return []
    folders = [CONF, *([Path(given.config_dir)] if given.config_dir else [])]
    refuse_shadowed(folders[-1])
    there, found = options(folders), []
    for word in given.overrides:
        key, _, names = word.partition("=")
        group = key.partition("@")[0]
        if group not in there or group == "seed":  # which takes any seed
            continue
        for name in names.strip("[]").split(","):
            of_group = there[group] | _variants(there, group)
            if name not in of_group:
                known = ", ".join(of_group)
                raise UserError(f"--help {group}={name}: no such option; there is {known}")
            found.append(describe(group, name, of_group[name]))
    return found


def _variants(there: dict[str, dict[str, Path]], group: str) -> dict[str, Path]:
    """Return the options in folders below a group's, such as `optim=matched/adam`."""
    return {
        f"{other.removeprefix(group + '/')}/{name}": file
        for other, files in there.items()
        if other.startswith(f"{group}/")
        for name, file in files.items()
    }


def _values_and_comments(file: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a file's values, and the comments beside its keys.

    Those of the files that its defaults list extends (`adam@_here_`, `/optim/adam@_here_`) too.
    """
    own: Any = OmegaConf.to_container(OmegaConf.load(file))
    values: dict[str, Any] = {}
    comments: dict[str, str] = {}
    for name in map(str, own.pop("defaults", [])):
        if name.endswith("@_here_"):
            base = CONF / name[1:] if name.startswith("/") else file.parent / name
            inherited = _values_and_comments(Path(f"{base}".removesuffix("@_here_") + ".yaml"))
            values |= inherited[0]
            comments |= inherited[1]
    return values | own, comments | dict(_COMMENTED.findall(file.read_text(encoding="utf-8")))


def _attributes(cls: type[Any]) -> dict[str, str]:
    """Return the lines on each field in the docstrings of a dataclass and its bases."""
    attributes: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        listed = _ATTRIBUTES.search(inspect.cleandoc(each.__doc__ or "") + "\n")
        for name, text in _ATTRIBUTE.findall(listed[1] if listed else ""):
            attributes[name] = _without_roles(" ".join(text.split()))
    return attributes


def _without_roles(text: str) -> str:
    return _ROLE.sub("`", text)


def _type_name(hint: Any) -> str:
    is_plain = getattr(hint, "__module__", "") == "builtins" and not getattr(hint, "__args__", ())
    return hint.__name__ if is_plain else str(hint).replace("typing.", "")


def _yaml(value: Any) -> str:
    """Return a value in YAML on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_yaml(item) for item in value) + "]"
    return OmegaConf.to_yaml({"value": value}).removeprefix("value:").strip()
