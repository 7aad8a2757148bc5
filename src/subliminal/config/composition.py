"""One-line messages for a command line of which Hydra composes no config."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.types import RunMode

from subliminal.config.resources import install_command
from subliminal.config.schema import LISTS
from subliminal.errors import UserError, there_is

PAIR = "pair"  # see `subliminal.sweep.grid`
TWO_NEEDED = f"at least two keys are needed, such as {PAIR}=optim.lr,model.aux"
_GROUP = ObjectType.GROUP
# Extras of this package, by the launcher or sweeper of Hydra that each installs.
_EXTRAS = {"joblib": "joblib", "submitit": "slurm", "ray": "ray", "optuna": "optuna"}
_PLUGIN = re.compile(r"hydra/(?:launcher|sweeper)/(joblib|submitit|ray|optuna)(?:_local|_slurm)?\b")


def explained(error: Exception, loader: ConfigLoader, call: Mapping[str, Any]) -> str | None:
    """Return why the loader's call with these arguments failed; None: the error says it."""
    if type(error) is KeyError:
        return f"hydra.job.env_copy: {error} is not set"
    if isinstance(error, UserError | KeyError):
        return None
    words: list[str] = call["overrides"]
    # A user's folder may be among the overrides, as `hydra.searchpath`.
    searched = [word for word in words if word.startswith("hydra.searchpath=")]

    def options(group: str, kind: ObjectType = ObjectType.CONFIG) -> list[str]:
        return loader.get_group_options(group, kind, "config", searched)

    missing = getattr(error, "missing_cfg_file", None) or ""  # of a MissingConfigException
    if "/" in missing:
        return _no_option(missing, words, options)
    if missing and missing == call.get("config_name"):
        return f"--config-name {missing}: no such config; leave it out, or name a file of yours"
    one_job = call["run_mode"] == RunMode.RUN and call.get("validate_sweep_overrides", True)
    for override in OverridesParser.create().parse_overrides(words):
        if override.is_sweep_override() and one_job:
            return _several(override, shell=call.get("from_shell", True))
        line, group = override.input_line, override.key_or_group
        if group == PAIR and not override.is_sweep_override():
            return f"{line}: {TWO_NEEDED}"
        names = options(group)
        if "/" in group and not names:
            groups = [f"{g}/{of}" for g in options("", _GROUP) for of in options(g, _GROUP)]
            return f"{group}: no such group; {there_is(group, groups)}"
        if names and override.type == OverrideType.ADD:
            return f"{line}: the group has an option already; leave out the +"
        value = override.value() if names and override.type == OverrideType.CHANGE else ""
        if not all(isinstance(one, str) for one in (value if isinstance(value, list) else [value])):
            return f"{line}: no option's name; {there_is(value, names)}"
    return None


def _no_option(missing: str, words: Sequence[str], options: Callable[..., list[str]]) -> str:
    """Return the line for an option that no file has: `missing` is its group and name."""
    group, _, name = missing.rpartition("/")
    key = group
    for word in words:  # else a config file names it
        given, _, value = word.partition("=")
        path = given.lstrip("+").partition("@")[0] + "/"
        if missing.startswith(path) and missing.removeprefix(path) in value:
            key, group, name = given, path[:-1], missing.removeprefix(path)
    names = options(group)
    if group in ("sweep", "optim"):  # the folders of other groups are groups of their own
        for folder in options(group, _GROUP):
            names += [f"{folder}/{one}" for one in options(f"{group}/{folder}")]
    line = f"{key}={name}: no such option; {there_is(name, names)}"
    plugin = _PLUGIN.search(missing)
    return f"{line}; {install_command(_EXTRAS[plugin[1]])} adds it" if plugin else line


def _several(override: Override, *, shell: bool) -> str:
    """Return the line for an override with several values, of which a job takes one."""
    given = str(override.input_line).replace("'", "")  # seeds are quoted for Hydra
    key, _, values = given.partition("=")
    needed = "-m is needed, which trains a job for each" if shell else "one is needed"
    both = f"; a list is written {key}=[{values}]" if "." in key or key in LISTS else ""
    both = "; a job's seeds are a range such as seed=0-9" if key == "seed" else both
    return f"{given}: several values: {needed}{both}"
