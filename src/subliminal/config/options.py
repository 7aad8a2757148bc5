"""Descriptions of options: from their files in `conf/`, and the dataclasses that implement them."""

from __future__ import annotations

import inspect
import math
import re
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import yaml
from omegaconf import OmegaConf

from subliminal.config import groups
from subliminal.config.build import locate
from subliminal.config.resources import CONF
from subliminal.config.sources import read_yaml

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

    def markdown(self) -> str:
        """Return the description."""
        parts = [f"`{self.group}={self.name}`", self.about, self.source, self.meaning]
        parts.append("\n".join(key.markdown() for key in self.keys))
        if self.content:
            parts.append(f"```yaml\n{self.content}\n```")
        return "\n\n".join(filter(None, parts)) + "\n"


def describe(group: str, name: str, file: Path) -> Option:
    """Return the description of an option.

    Raises:
        UserError: its dataclass is in a module that the user does not allow.
    """
    text = file.read_text(encoding="utf-8")
    about = groups.comment(text)
    values, comments = _values_and_comments(file)
    if "_target_" not in values or group.startswith("hydra/"):
        return Option(group, name, about, content=groups.HEAD.sub("", text, count=1).strip())
    cls = locate(str(values["_target_"]), f"{group}={name}")
    source = inspect.getdoc(import_module(cls.__module__)) or ""
    meaning = _ATTRIBUTES.sub("", (inspect.getdoc(cls) or "") + "\n").strip()
    help_lines = comments | _attributes(cls)
    types = {key: inspect.formatannotation(hint) for key, hint in get_type_hints(cls).items()}
    keys = tuple(
        Key(key, types[key].replace("typing.", ""), yaml_line(values[key]), help_lines.get(key, ""))
        for key in [item.name for item in fields(cls)]
        if key in values
    )
    return Option(group, name, about, source, meaning, keys)


def _values_and_comments(file: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a file's values, and the comments beside its keys.

    Those of the files that its defaults list extends (`adam@_here_`, `/optim/adam@_here_`) too.
    """
    own: Any = OmegaConf.to_container(read_yaml(file))
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
            attributes[name] = " ".join(text.split())
    return attributes


def yaml_line(value: Any) -> str:
    """Return a value in YAML on one line."""
    how = {"default_flow_style": True, "sort_keys": False, "allow_unicode": True}
    text: str = yaml.safe_dump(value, width=math.inf, **how)
    return text.removesuffix("...\n").strip()
