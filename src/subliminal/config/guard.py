"""Rules for config files, which may be a stranger's: they run no code and write nowhere else.

`subliminal.config.build` imports only allowed classes for this package's nodes. Hydra instantiates
what its own node names (`hydra.callbacks`, launcher, sweeper, logging) before any code of this
package runs, so that node is checked as soon as it is composed. The command line is the user's own
and may set anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.resolvers import oc

from subliminal.config import variables
from subliminal.config.build import PLUGINS, plugins
from subliminal.config.hydra_internals import BASIC, composing
from subliminal.config.resources import CONF, data_folder, refuse_shadowed, user_path
from subliminal.errors import UserError

# Allowed targets in Hydra's node: known launchers and sweepers, and those of `conf/config.yaml`.
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
# Keys of commands, environments and functions, with the values of this package's own presets.
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
    *("outputs", "hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.output_subdir"),
    *("hydra.launcher.submitit_folder", "hydra.job.name"),  # a log file has the job's name
)
_KNOWN = re.compile(r"\$\{(outputs|name|now:[^${}]*|hydra\.(job\.(num|name|id)|sweep\.dir))\}")
_DATA = ("data.root", "distill.inputs.root")
_SECRET = re.compile(r"key|token|secret|passw|credential", re.IGNORECASE)


_allowed: set[str] | None = None  # keys that may be set, inside of `guarded`


@contextmanager
def guarded(argv: Sequence[str]) -> Iterator[None]:
    """Check every config that Hydra composes during a block.

    Args:
        argv: the command line; its keys may have any value.

    Raises:
        UserError: in the call that composes a config, before anything in it is instantiated.
    """
    global _allowed
    for name in plugins():
        if not _is_module(name):
            raise UserError(
                f"{PLUGINS}={name}: no such module; name modules that Python can import"
            )
    _allowed = given = {_key(word) for word in argv}
    multirun = not {"-m", "--multirun"}.isdisjoint(argv)
    OmegaConf.register_new_resolver("oc.env", _environment, replace=True)
    try:
        with composing(lambda cfg: _settle(cfg, given), multirun=multirun):
            yield
    finally:
        _allowed = None
        OmegaConf.register_new_resolver("oc.env", oc.env, replace=True)


def allow(key: str) -> None:
    """Inside of `guarded`, allow any value of a key that this package sets itself."""
    if _allowed is not None:
        _allowed.add(key)


def _settle(cfg: DictConfig, given: set[str]) -> None:
    """Check a composed config and its folders; expand `~` in those that it is to write."""
    check(cfg, given)
    sources = [Path(one.path) for one in cfg.hydra.runtime.config_sources if one.schema == "file"]
    if CONF in sources:  # not with --config-path
        own = {place.resolve() for place in sources} - {CONF}
        for folder in sorted(own):
            refuse_shadowed(folder, own - {folder})
    folders = _raw(cfg, ("outputs", "hydra.run.dir", "hydra.sweep.dir"))
    if folders["outputs"] == "":
        raise UserError("outputs=: a folder is needed, such as outputs=results")
    for key, folder in folders.items():
        if "~" in str(folder):
            OmegaConf.update(cfg, key, str(user_path(folder)))
    verbose = OmegaConf.select(cfg, "hydra.verbose", default=False)
    for name in [verbose] if isinstance(verbose, str | int) else verbose:
        if not (isinstance(name, bool) or _is_module(str(name))):
            raise UserError(
                f"hydra.verbose={name}: true, false or modules that log are needed, such as "
                "[hydra,subliminal]"
            )


def check(cfg: DictConfig, given: set[str]) -> None:
    """Refuse a composed config that would run code, or write where no config file may.

    Args:
        cfg: with Hydra's own node, not resolved.
        given: keys of the command line, which are not checked.

    Raises:
        UserError: a key has a value that a file may not give it.
    """
    hydra: Any = OmegaConf.to_container(cfg.hydra, resolve=False)
    allowed = tuple(f"{plugin}." for plugin in plugins())
    leaves = list(_leaves(hydra, "hydra"))
    for key, value in leaves:
        if key.endswith("._target_"):
            named = str(value)
            is_known = named in BASIC or _TARGETS.fullmatch(named)
            if not is_known and not named.startswith(allowed):
                raise UserError(
                    f"{key}={named}: only known launchers, sweepers and callbacks may be named; "
                    "allow a module with SUBLIMINAL_PLUGINS=my_module"
                )
        elif key.startswith(("hydra.job_logging.", "hydra.hydra_logging.")):
            _check_logging(key, str(value))
        elif key.startswith("hydra.launcher.") and "\n" in str(value):
            raise UserError(f"{key}: one line is needed")  # a job's script contains it
    for key, ours in _COMMAND_LINE_ONLY.items():
        known = dict(_leaves(ours, key))
        for leaf, value in leaves:
            is_below = f"{leaf}.".startswith((f"{key}.", f"{key}["))
            if is_below and value not in (None, known.get(leaf)) and not _is_given(leaf, given):
                raise UserError(f"{leaf}: may be given on the command line alone")
    for name in hydra.get("job", {}).get("env_set") or ():
        if variables.is_numeric(name):
            raise UserError(
                f"hydra.job.env_set.{name}: it may change numbers, and is part of no hash"
            )
    sweeper = hydra.get("sweeper") or {}
    for name, grids in (("params", [sweeper.get("params")]), ("grids", sweeper.get("grids"))):
        for key in [_key(str(word)) for grid in grids or () for word in grid or ()]:
            if key.startswith(("hydra.", "outputs", *_DATA)) and not _is_given(key, given):
                line = f"hydra.sweeper.{name}: {key} may be given on the command line alone"
                raise UserError(line)
    _check_folders(cfg, given)


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
        raise UserError(f"{key}={value}: a config file may log to streams and to Hydra's folder")


def _check_folders(cfg: DictConfig, given: set[str]) -> None:
    """Refuse folders outside of the working folder and the cache."""
    for key, raw in _raw(cfg, _PATHS).items():
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


def _is_module(name: str) -> bool:
    """Return whether Python can import a module; the packages above it are imported to find it."""
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _environment(name: str, *default: Any) -> Any:
    """Resolve `${oc.env:NAME}` as OmegaConf does, except secrets: run folders keep the config."""
    if _SECRET.search(name):
        raise UserError(f"{name}: configs are kept in files, so they may not hold a secret")
    return oc.env(name, *default)


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")


def _is_given(key: str, given: set[str]) -> bool:
    """Return whether the command line has the key, or a node above it."""
    place = f"{key}.".replace("[", ".")  # an item lies below its list
    return any(place.startswith(f"{above}.") for above in given)


def _raw(cfg: DictConfig, keys: Sequence[str]) -> dict[str, Any]:
    """Return the values at `keys`, or interpolations above them, not resolved; None without one."""
    leaves = list(_leaves(OmegaConf.to_container(cfg), ""))
    return {
        key: next((value for leaf, value in leaves if f".{key}.".startswith(f"{leaf}.")), None)
        for key in keys
    }


def _leaves(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _leaves(item, f"{key}[{number}]")
    else:
        yield key, value
