"""What decides the numbers of a run, and the digits that name it: of a condition, of a teacher."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

# Raised by hand when the code of the training step changes the numbers: older runs and cached
# teachers are then no longer taken for the same.
NUMERICS = 2

# What decides the numbers of a run; everything else (paths, tracker, workers) does not.
_SCIENCE = ("model", "data", "teacher", "distill", "optim", "mitigation", "probe", "trait")
_TEACHER = ("model", "data", "teacher")
_ARITHMETIC = ("threads", "precision")
_PLACES = ("root", "download")  # of the data: where from, not what
_AS_EVER = {"normalise": "unit"}  # of the data: a run that has no such key is named as ever

Plain = dict[str, Any]


def science(cfg: DictConfig, device: str) -> Plain:
    """Return the part of the config that decides the numbers, for a kind of device."""
    return _part(cfg, _SCIENCE, device)


def condition_hash(cfg: DictConfig, device: str) -> str:
    """Return eight hexadecimal digits that name the condition (all but the seed)."""
    return _digest(_part(cfg, _SCIENCE, device))[:8]


def teacher_hash(cfg: DictConfig, device: str, seed: int) -> str:
    """Return the digits that name a teacher: it depends on model, data, its settings and seed."""
    part = _part(cfg, _TEACHER, device)
    if "perturb_after" in part["teacher"]:  # its noise is added to what the cache holds
        part["teacher"]["perturb_after"] = {"sigma": 0.0, "layers": [], "tensors": "all"}
    return _digest({**part, "seed": seed})[:16]


def _part(cfg: DictConfig, keys: tuple[str, ...], device: str) -> Plain:
    whole = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(whole, dict)
    part: Plain = {key: whole[key] for key in keys}
    # A vector is no part of what is trained; and a run without one is named as ever.
    teacher = dict(whole["teacher"])
    steering = teacher.pop("steering", None)
    if steering is not None and keys != _TEACHER:
        teacher["steering"] = steering
    if teacher.get("task") is None:  # a teacher without a second task is named as ever
        teacher.pop("task", None)
    part["teacher"] = {**teacher, "optim": _optim(teacher["optim"])}
    part["data"] = _placeless(whole["data"])
    if "optim" in part:
        part["optim"] = _optim(whole["optim"])
    if "distill" in part:
        inputs = _placeless(whole["distill"]["inputs"])
        part["distill"] = {**whole["distill"], "inputs": inputs}
    part["engine"] = {key: whole["engine"][key] for key in _ARITHMETIC} | {"device": device}
    if whole["engine"].get("compile"):  # a run that is not compiled is named as ever
        part["engine"]["compile"] = True
    return part | {"numerics": NUMERICS}


def _placeless(node: Plain) -> Plain:
    return {
        key: value
        for key, value in node.items()
        if key not in _PLACES and (key not in _AS_EVER or value != _AS_EVER[key])
    }


def _optim(node: Plain) -> Plain:
    """Leave out which weight decay, but for the coupled one: there was only the other."""
    coupled = node.get("weight_decay") and node.get("decoupled_weight_decay") is False
    return {k: v for k, v in node.items() if k != "decoupled_weight_decay" or coupled}


def _digest(part: Mapping[str, Any]) -> str:
    canonical = json.dumps(part, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
