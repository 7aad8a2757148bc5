"""One-line messages for a command line of which Hydra composes no config."""

import re
from collections.abc import Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import OverrideParseException
from hydra.types import RunMode

from subliminal.config.resources import install_command
from subliminal.config.schema import LISTS
from subliminal.errors import UserError, there_is

# Extras of this package, by the launcher or sweeper of Hydra that each installs.
_EXTRAS = {"joblib": "joblib", "submitit": "slurm", "ray": "ray", "optuna": "optuna"}
_PLUGIN = re.compile(r"hydra/(?:launcher|sweeper)/(joblib|submitit|ray|optuna)(?:_local|_slurm)?\b")


def explained(
    error: Exception,
    loader: ConfigLoader,
    *,
    overrides: Sequence[str],
    run_mode: RunMode,
    from_shell: bool = True,
    validate_sweep_overrides: bool = True,
    **_: Any,
) -> str | None:
    """Return why overrides do not compose, and what is allowed; None: the error says it.

    `error` was raised by the loader's `load_configuration`, whose arguments the others are.
    """
    if type(error) is KeyError:
        return f"hydra.job.env_copy: {error} is not set"
    if isinstance(error, OverrideParseException | UserError | KeyError):
        return None
    # A user's folder may be among the overrides, as `hydra.searchpath`.
    searched = [word for word in overrides if word.startswith("hydra.searchpath=")]

    def options(group: str, kind: ObjectType = ObjectType.CONFIG) -> list[str]:
        return loader.get_group_options(group, kind, "config", searched)

    missing = getattr(error, "missing_cfg_file", None) or ""  # of a MissingConfigException
    if "/" in missing:
        return _no_option(str(error), missing, overrides, options)
    one_job = validate_sweep_overrides and run_mode == RunMode.RUN
    for override in OverridesParser.create().parse_overrides([*overrides]):
        if override.is_sweep_override() and one_job:
            return _several(override, shell=from_shell)
        group, names = override.key_or_group, options(override.key_or_group)
        if "/" in group and not names:
            return f"{group}: no such group; {there_is(group, _groups(options))}"
        if names and override.type == OverrideType.ADD:
            return f"{override.input_line}: the group has an option already; leave out the +"
        if names and override.type == OverrideType.CHANGE:
            value = override.value()
            items = value if isinstance(value, list) else [value]
            if not all(isinstance(item, str) for item in items):
                return f"{override.input_line}: no option's name; {there_is(value, names)}"
    return None


def _groups(options: Any) -> list[str]:
    top = options("", ObjectType.GROUP)
    return [*top, *(f"{one}/{two}" for one in top for two in options(one, ObjectType.GROUP))]


def _no_option(message: str, missing: str, words: Sequence[str], options: Any) -> str:
    """Return the line for an option that no file has: `missing` is its group and name."""
    group, _, name = missing.rpartition("/")
    place = re.match(r"In '(.*?)'", message)
    key, above = f"{group}={name}", f" (in {place[1]})" if place else ""
    for word in words:
        given, _, value = word.partition("=")
        path = given.lstrip("+").partition("@")[0]
        if missing.startswith(f"{path}/") and missing.removeprefix(f"{path}/") in value:
            group, name, above = path, missing.removeprefix(f"{path}/"), ""
            key = f"{given}={name}"
    names: list[str] = options(group)
    if group in ("sweep", "optim"):  # the folders of other groups are groups of their own
        for folder in options(group, ObjectType.GROUP):
            names += [f"{folder}/{one}" for one in options(f"{group}/{folder}")]
    line = f"{key}{above}: no such option; {there_is(name, names)}"
    plugin = _PLUGIN.search(missing)
    return f"{line}; {install_command(_EXTRAS[plugin[1]])} adds it" if plugin else line


def _several(override: Override, *, shell: bool) -> str:
    """Return the line for an override with several values, of which a job takes one."""
    given = str(override.input_line).replace("'", "")  # seeds are quoted for Hydra
    key, _, values = given.partition("=")
    needed = "-m is needed, which trains a job for each" if shell else "one is needed"
    if key == "seed":
        both = "; a job's seeds are a range such as seed=0-9"
    else:
        takes_list = "." in key or key in LISTS
        both = f"; a list is written {key}=[{values}]" if takes_list else ""
    return f"{given}: several values: {needed}{both}"
