"""Hashes of conditions and teachers, from the part of a config that decides a run's numbers."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from functools import reduce
from operator import getitem
from typing import Any

from subliminal.config.build import locate
from subliminal.config.hashing import PLACES, Mark, hints, marks
from subliminal.config.schema import Config
from subliminal.store.records import Plain

# Increase this when a change of the code changes the numbers of a training: the hashes of runs and
# cached teachers then differ from those of older ones.
NUMERICS = 2

_TEACHER = ("model", "data", "base", "teacher", "engine", "numerics")
_BASE = ("data", "base", "engine", "numerics")
_TEACHERS_PINS = ("init", "teacher_order")
_UNPERTURBED = {"sigma": 0.0, "layers": [], "tensors": "all"}
# Methods in which mitigations act in turn, and the module whose class does nothing in any.
_METHODS = ("penalty", "gradient", "update")
_IDLE = "subliminal.mitigations"


def condition_hash(config: Plain, device: str) -> str:
    """Return eight hexadecimal digits that name a canonical config's condition: all but the seed.

    `device` is the kind of device: cpu | cuda | mps.
    """
    part = science(config, device)
    if turns := _turns(config["mitigation"]):
        part["turns"] = turns
    return _digest(part)[:8]


def teacher_hash(config: Plain, device: str, seed: int, variant: str = "") -> str:
    """Return the digits that name a teacher: of model, data, the teacher's settings and its seed.

    `variant` names another way of training (`subliminal.distill.targets.Variant`).
    """
    whole = science(config, device)
    part = {key: whole[key] for key in _TEACHER if key in whole}
    # Steering and noise on the trained weights are applied after the cache is read.
    teacher = {key: value for key, value in part["teacher"].items() if key != "steering"}
    part["teacher"] = teacher | {"perturb_after": _UNPERTURBED}
    pinned = {k: v for k, v in whole.get("pin", {}).items() if k in _TEACHERS_PINS}
    if pinned:
        part["pin"] = pinned
    if "on" in whole["trait"]:  # the teacher's accuracy is measured there too
        part["on"] = whole["trait"]["on"]
    if variant:
        part["variant"] = variant
    # If all that varies is pinned, all seeds share one teacher.
    same = len(pinned) == len(_TEACHERS_PINS) and not teacher["perturb_before"]["sigma"]
    return _digest(part if same else {**part, "seed": seed})[:16]


def base_hash(config: Plain, device: str, seed: int, model: Plain, stream: str) -> str:
    """Return the digits that name pre-trained weights: of a model, the data, a seed and a stream.

    `stream` names the one that the weights were drawn from.
    """
    whole = science(config, device)
    part = {key: whole[key] for key in _BASE} | {"model": _decisive(model, None)}
    if "init" in whole.get("pin", {}):
        part["pin"] = {"init": whole["pin"]["init"]}
    return _digest({**part, "stream": stream, "seed": seed})[:16]


def science(config: Plain, device: str) -> Plain:
    """Return the part of a canonical config that decides the numbers."""
    part: Plain = _decisive(config, Config)
    for place in PLACES:  # of built-in and plug-in data sets
        *above, key = place.split(".")
        reduce(getitem, above, part).pop(key, None)
    part["engine"]["device"] = device
    if device == "cuda":  # a GPU draws its own numbers, see `subliminal.tensors.draws`
        part["engine"]["draws"] = "philox"
    return part | {"numerics": NUMERICS}


def _decisive(value: Any, hint: Any) -> Any:
    """Return a value without its parts that are not hashed."""
    if not isinstance(value, dict):
        return value
    named: Plain = {}
    if "_target_" in value:
        named = {"_target_": value["_target_"]}
        hint = locate(value["_target_"], "")
        value = getattr(hint, "equivalent", dict)(value)
    if not (isinstance(hint, type) and is_dataclass(hint)):
        return {key: _decisive(item, None) for key, item in value.items()}
    types, marked = hints(hint), marks(hint)
    for item in fields(hint):
        own, mark = value[item.name], marked[item.name]
        if Mark.NOT_HASHED not in mark and (Mark.ALWAYS_HASHED in mark or own != _default(item)):
            named[item.name] = _decisive(own, types[item.name])
    return named


def _default(item: Field[Any]) -> Any:
    value = item.default if item.default_factory is MISSING else item.default_factory()
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def _turns(mitigations: Plain) -> dict[str, list[str]]:
    """Return the order of mitigations in each method where it is not alphabetical."""
    turns = {}
    classes = {name: locate(node["_target_"], name) for name, node in mitigations.items()}
    for method in _METHODS:
        names = [n for n, cls in classes.items() if getattr(cls, method).__module__ != _IDLE]
        if names != sorted(names):
            turns[method] = names
    return turns


def _digest(part: Mapping[str, Any]) -> str:
    text = json.dumps(part, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
