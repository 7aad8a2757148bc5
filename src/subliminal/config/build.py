"""Objects from nodes of a config that name a dataclass: keys, types and ranges are checked."""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from importlib import import_module
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from subliminal.config.hashing import marks, refusal
from subliminal.errors import UserError, one_line

schema_of = cache(OmegaConf.structured)  # a dataclass as OmegaConf's config, which `merge` copies
PLUGINS = "SUBLIMINAL_PLUGINS"  # environment variable: modules that configs may name


def build(node: Mapping[str, Any], where: str) -> Any:
    """Build the object that `node` describes, after checking its keys, types and ranges.

    Args:
        node: plain values: `_target_`, the dotted name of a dataclass, and its fields.
        where: the node's key in the config, for messages.

    Raises:
        UserError: the target may not be used or does not exist, a key is unknown or missing, a
            value has the wrong type or is out of range.
    """
    cls, values = typed(node, where)
    check(cls, values, where)
    try:
        return OmegaConf.to_object(values)
    except OmegaConfBaseException as error:
        raise UserError(f"{where}.{one_line(error)}") from error
    except UserError as error:
        raise UserError(with_full_key(str(error), where, cls.__name__)) from error


def check(cls: type[Any], values: Mapping[str, Any], where: str) -> None:
    """Check a dataclass's values, and those of dataclasses below it, against its fields' ranges.

    `where` is the dataclass's key in the config; empty: the whole config.

    Raises:
        UserError: a field's marks refuse its value.
    """
    marked = marks(cls)  # type: ignore[arg-type]  # a class has a hash
    for key in [item.name for item in fields(cls)]:
        value, place = values[key], f"{where}.{key}".lstrip(".")
        if is_dataclass(value) and not isinstance(value, type):
            check(type(value), vars(value), place)
        for mark in marked[key]:
            if why := refusal(value, mark):
                raise UserError(f"{place}={value}: {why}")


def typed(node: Mapping[str, Any], where: str) -> tuple[type[Any], DictConfig]:
    """Return the dataclass that `node` names, and its values, all present and of the fields' types.

    Raises:
        UserError: as `build` raises it, except for values that the dataclass itself refuses.
    """
    if not isinstance(node, Mapping) or "_target_" not in node:
        hint = "an option is chosen with a slash, as in distill/inputs=mnist"
        raise UserError(f"{where}: a mapping with a `_target_` is needed, got {node!r}; {hint}")
    target = str(node["_target_"])
    cls = locate(target, where)
    try:
        schema = schema_of(cls)  # type: ignore[arg-type]  # a class has a hash
    except OmegaConfBaseException as error:
        raise UserError(f"{where}: {target}'s fields are no schema: {one_line(error)}") from error
    given = {key: value for key, value in node.items() if key != "_target_"}
    names = [item.name for item in fields(cls)]
    missing = [name for name in names if name not in given and OmegaConf.is_missing(schema, name)]
    if missing:
        raise UserError(f"{where}.{missing[0]}: missing; {target} has {', '.join(names)}")
    try:
        values: Any = OmegaConf.merge(schema, given)
        _check_finite(OmegaConf.to_container(values), where)
    except OmegaConfBaseException as error:
        raise UserError(f"{where}.{one_line(error)}") from error
    return cls, values


def _check_finite(values: Any, where: str) -> None:
    """Refuse NaN, which passes every comparison, and infinity except as a bound in a list."""
    for key, value in values.items():
        if isinstance(value, list):
            bad = any(isinstance(number, float) and math.isnan(number) for number in value)
        else:
            bad = isinstance(value, float) and not math.isfinite(value)
        if bad:
            raise UserError(f"{where}.{key}={value}: a finite number is needed")


def with_full_key(message: str, where: str, name: str) -> str:
    """Prefix an error message of the object at `where`, of the class `name`, with the full key.

    It begins with the object's class or group, such as `MLP.` or `inputs.`.
    """
    parent, dot, group = where.rpartition(".")
    if message.startswith(f"{name}."):
        return where + message.removeprefix(name)
    if message.startswith(f"{group}.") and dot:
        return f"{parent}.{message}"
    return message


def locate(target: str, where: str) -> type[Any]:
    """Import a dataclass of this package, or of a module that the user allows."""
    found = named(target, f"{where}._target_")
    if not (isinstance(found, type) and is_dataclass(found)):
        raise UserError(f"{where}._target_={target}: not a dataclass")
    return found


def named(target: str, where: str, *, besides: Sequence[str] = ()) -> Any:
    """Import an object of this package, or of a module that the user allows.

    `target` is its dotted name, `where` its config key, and `besides` allows further packages.

    Raises:
        UserError: its package is not allowed, or it does not exist.
    """
    allowed = ["subliminal", *besides, *plugins()]
    # A config file must not run code, so nothing else is imported.
    if not any(target.startswith(f"{package}.") for package in allowed):
        raise UserError(
            f"{where}={target}: only objects of {', '.join(allowed)} may be named; "
            "allow a module with SUBLIMINAL_PLUGINS=my_module"
        )
    module, _, name = target.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        hint = "" if target.startswith("subliminal.") else f"; {PLUGINS} names importable modules"
        raise UserError(f"{where}={target}: {error}{hint}") from error


def plugins() -> list[str]:
    """Return the modules that the user allows in configs."""
    return [name for name in os.environ.get(PLUGINS, "").split(",") if name]
