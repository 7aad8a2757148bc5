"""What a config file may do to the machine: a file from a stranger must run no code.

Nodes of ours are built by `subliminal.config.build`, which has its own rule. Hydra builds its own
node (`hydra.callbacks`, launcher, sweeper, logging) as it likes, before any code of ours runs; so
that node is looked at when Hydra has composed it. What may be asked for on the command line alone
is typed by the user, who may do anything.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.resolvers import oc

from subliminal.config import variables
from subliminal.config.hydra_internals import BASIC, composing
from subliminal.config.resources import data_folder
from subliminal.errors import UserError

# What Hydra's node may name: launchers and sweepers of the plugins that are known here, and what
# `conf/config.yaml` names itself.
_TARGETS = re.compile(
    r"""
    hydra_plugins\.subliminal_sweeper\.SubliminalSweeper
    | hydra_plugins\.hydra_joblib_launcher\.joblib_launcher\.JoblibLauncher
    | hydra_plugins\.hydra_submitit_launcher\.submitit_launcher\.(Local|Slurm)Launcher
    | hydra_plugins\.hydra_ray_launcher\.ray_launcher\.RayLauncher
    | hydra_plugins\.hydra_optuna_sweeper\.optuna_sweeper\.OptunaSweeper
    | optuna\.samplers\.\w+Sampler
    | subliminal\.(sweep\.launchers\.BeforeSearch|report\.at_end\.ShowSweep)
    """,
    re.VERBOSE,
)
_LOG_HANDLERS = ("logging.StreamHandler", "logging.FileHandler", "logging.NullHandler")
_LOG_STREAMS = ("ext://sys.stdout", "ext://sys.stderr")
_LOG_FILE = "${hydra.runtime.output_dir}/"
# Commands, environments and functions, and the values that our own presets have there.
_COMMAND_LINE_ONLY: dict[str, Any] = {
    "hydra.job.env_set": None,
    "hydra.launcher.setup": ["export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK"],
    "hydra.launcher.python": None,
    "hydra.launcher.srun_args": None,
    "hydra.launcher.additional_parameters": {"requeue": True},
    "hydra.launcher.ray.init.runtime_env": None,
    "hydra.launcher.ray.remote.runtime_env": {"env_vars": {"SUBLIMINAL_CORES": "4"}},
    "hydra.sweeper.custom_search_space": None,
    "hydra.sweeper.storage": None,
}
_PATHS = (
    "outputs",
    "hydra.run.dir",
    "hydra.sweep.dir",
    "hydra.sweep.subdir",
    "hydra.launcher.submitit_folder",
    "hydra.output_subdir",
    "hydra.job.name",  # of a log file
)
_KNOWN = re.compile(r"\$\{(outputs|name|now:[^${}]*|hydra\.(job\.(num|name|id)|sweep\.dir))\}")
_DATA = ("data.root", "distill.inputs.root")
_SECRET = re.compile(r"key|token|secret|passw|credential", re.IGNORECASE)


_given: set[str] | None = None  # the keys on the command line, while it is guarded


@contextmanager
def guarded(argv: Sequence[str]) -> Iterator[None]:
    """Let Hydra use no config that breaks the rules, as long as the context lasts.

    Args:
        argv: the command line, whose own words are not from a stranger.

    Raises:
        UserError: from whatever composes a config, before anything in it is instantiated.
    """
    global _given
    _given = given = {_key(word) for word in argv}
    multirun = not {"-m", "--multirun"}.isdisjoint(argv)
    OmegaConf.register_new_resolver("oc.env", _environment, replace=True)
    try:
        with composing(lambda cfg: check(cfg, given), multirun=multirun):
            yield
    finally:
        _given = None
        OmegaConf.register_new_resolver("oc.env", oc.env, replace=True)


def allow(key: str) -> None:
    """Take a key for one of the command line, within the context: the program sets it itself."""
    if _given is not None:
        _given.add(key)


def check(cfg: DictConfig, given: set[str]) -> None:
    """Refuse a composed config that runs code or writes where no file may say so.

    Args:
        cfg: with Hydra's own node, not resolved.
        given: the keys on the command line.

    Raises:
        UserError: one line says which key, and what it may hold.
    """
    whole = OmegaConf.to_container(cfg, resolve=False)
    assert isinstance(whole, dict)
    hydra = whole["hydra"]
    plugins = tuple(f"{p}." for p in os.environ.get("SUBLIMINAL_PLUGINS", "").split(",") if p)
    for key, value in _leaves(hydra, "hydra"):
        if key.endswith("._target_"):
            named = str(value)
            is_known = named in BASIC or _TARGETS.fullmatch(named)
            if not is_known and not (plugins and named.startswith(plugins)):
                raise UserError(
                    f"{key}={named}: only known launchers, sweepers and callbacks may be named; "
                    "allow a module with SUBLIMINAL_PLUGINS=my_module"
                )
        elif key.startswith(("hydra.job_logging.", "hydra.hydra_logging.")):
            _check_logging(key, str(value))
        elif key.startswith("hydra.launcher.") and "\n" in str(value):
            raise UserError(f"{key}: one line is needed")  # it would end in a job's script
    for key, ours in _COMMAND_LINE_ONLY.items():
        known = dict(_leaves(ours, key))
        for leaf, value in _leaves(_at(whole, key), key):
            if value is not None and value != known.get(leaf) and not _is_given(leaf, given):
                raise UserError(f"{leaf}: may be given on the command line alone")
    for name in hydra.get("job", {}).get("env_set") or ():
        if variables.chooses(name):
            raise UserError(f"hydra.job.env_set.{name}: it may change numbers, and no hash tells")
    for name, key in _swept(hydra.get("sweeper") or {}):
        if key.startswith(("hydra.", "outputs", *_DATA)) and not _is_given(key, given):
            raise UserError(f"hydra.sweeper.{name}: {key} may be given on the command line alone")
    _check_places(cfg, given)


def _swept(sweeper: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the keys that a sweeper's config varies, each behind its place there."""
    for name, grids in (("params", [sweeper.get("params")]), ("grids", sweeper.get("grids"))):
        for word in [word for grid in grids or () for word in grid or ()]:
            yield name, _key(str(word))


def _check_logging(key: str, value: str) -> None:
    last = key.rpartition(".")[2]
    wrong = {
        "class": value not in _LOG_HANDLERS,
        "stream": value not in _LOG_STREAMS,
        "filename": not value.startswith(_LOG_FILE) or ".." in PurePath(value).parts,
        "()": True,
        "factory": True,
    }.get(last, value.startswith(("ext://", "cfg://")))
    if wrong:
        raise UserError(f"{key}={value}: a config file may not have this logged")


def _check_places(cfg: DictConfig, given: set[str]) -> None:
    """Refuse folders of a file that lead elsewhere than below the working folder or the cache."""
    for key in _PATHS:
        raw = _raw(cfg, key)
        if raw is None or _is_given(key, given):
            continue
        place = PurePath(_KNOWN.sub("x", str(raw)))
        if place.is_absolute() or ".." in place.parts or re.search(r"[$~]", str(place)):
            raise UserError(
                f"{key}={raw}: a config file may name a folder below the working folder; "
                "give another on the command line"
            )
    for key in _DATA:
        root = OmegaConf.select(cfg, key)
        if root is None or _is_given(key, given):
            continue
        allowed = (data_folder(None, ""), Path(str(OmegaConf.select(cfg, "outputs"))))
        place = data_folder(str(root), "").resolve()
        if not any(place.is_relative_to(folder.resolve()) for folder in allowed):
            raise UserError(
                f"{key}={root}: a config file may name a folder below {allowed[0]} or outputs; "
                "give another on the command line"
            )


def _environment(name: str, *default: Any) -> Any:
    """Resolve `${oc.env:NAME}` as OmegaConf does, but for secrets: configs are written to files."""
    if _SECRET.search(name):
        raise UserError(f"{name}: configs are kept in files, so none may hold a secret")
    return oc.env(name, *default)


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")


def _is_given(key: str, given: set[str]) -> bool:
    """Tell whether the command line has the key, or a node that it lies in."""
    parts = key.split(".")
    return any(".".join(parts[:size]) in given for size in range(1, len(parts) + 1))


def _raw(cfg: DictConfig, key: str) -> Any:
    """Return the value at `key`, not resolved; None where there is none.

    Of what lies in an interpolation, that.
    """
    node: Any = cfg
    for part in key.split("."):
        inner = node._value() if isinstance(node, DictConfig) else None
        if isinstance(inner, str):
            return inner
        node = inner.get(part) if isinstance(inner, dict) else None
    return None if node is None else node._value()


def _at(value: Any, key: str) -> Any:
    """Return what lies at `key`; None where there is nothing."""
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _leaves(item, f"{key}[{number}]")
    else:
        yield key, value
