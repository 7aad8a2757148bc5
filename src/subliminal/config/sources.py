"""Hydra's sources: config files, whose faults are one line, and the groups `seed` and `sweep`."""

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from yaml import MarkedYAMLError, YAMLError

from subliminal.config.groups import NOT_HYDRA
from subliminal.config.hydra_internals import FileConfigSource, SourcesRegistry
from subliminal.config.resources import SWEEPS
from subliminal.config.seeds import SeedSource
from subliminal.errors import UserError

_ALLOWED = "a config file is YAML: each key once, indented with spaces, in UTF-8 without a BOM"


def read_yaml(file: Path) -> Any:
    """Return a file's content; raise a UserError if it is not YAML."""
    with _one_line(file):
        return OmegaConf.load(file)


@contextmanager
def _one_line(file: Path) -> Iterator[None]:
    try:
        yield
    except (YAMLError, ValueError, OSError) as error:
        if isinstance(error, UserError | HydraException) or getattr(error, "filename", None):
            raise
        fault = " ".join(str(error).split())
        if isinstance(error, MarkedYAMLError) and error.problem_mark:
            fault = f"line {error.problem_mark.line + 1}: {error.problem}"
        raise UserError(f"{file}: {fault}; {_ALLOWED}") from error


class FileSource(FileConfigSource):
    """Hydra's source of config files, with errors of one line."""

    def load_config(self, config_path: str) -> ConfigResult:
        file = Path(self.path, self._normalize_file_name(config_path))
        with _one_line(file):
            result = super().load_config(config_path)
            if not isinstance(result.config, DictConfig):
                raise ValueError("a list, not keys and values")
            # Hydra overlooks the `@package` of a first line behind a byte-order mark.
            if file.read_bytes().startswith(codecs.BOM_UTF8):
                raise ValueError("starts with a byte-order mark (BOM)")
            return result


class SweepSource(ConfigSource):
    """Makes each file `sweeps/<name>.yaml` the option `<name>` of the group `sweep`."""

    def __init__(self, provider: str, path: str) -> None:
        super().__init__(provider, path)
        self._files = FileSource(provider, f"file://{self.path}")

    @staticmethod
    def scheme() -> str:
        return "sweeps"

    def available(self) -> bool:
        return bool(self._files.available())

    def load_config(self, config_path: str) -> ConfigResult:
        """Return a sweep file's content without its claims, which the report reads."""
        result = self._files.load_config(_below_group(config_path) or config_path)
        assert isinstance(result.config, DictConfig)  # a file without keys is refused
        result.config.pop("claims", None)
        return result

    def is_group(self, config_path: str) -> bool:
        below = _below_group(config_path)
        root = config_path.strip("/") == ""
        return root or (below is not None and bool(self._files.is_group(below)))

    def is_config(self, config_path: str) -> bool:
        below = _below_group(config_path)
        return below not in (None, "") and bool(self._files.is_config(str(below)))

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        if config_path.strip("/") == "":
            return [] if results_filter == ObjectType.CONFIG else ["sweep"]
        below = _below_group(config_path)
        names = [] if below is None else self._files.list(below, results_filter)
        return [name for name in names if name != NOT_HYDRA and not name.startswith("_")]


def _below_group(config_path: str) -> str | None:
    """Return the part of a path below `sweep/`; None for other paths."""
    parts = PurePosixPath(config_path.strip("/")).parts
    ours = parts[:1] == ("sweep",) and parts[1:2] != (NOT_HYDRA,)
    return "/".join(parts[1:]) if ours else None


class _Search(SearchPathPlugin):
    """Adds both sources to every search path; a command line cannot remove them."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        search_path.append(provider="subliminal", path="seeds://")
        search_path.append(provider="subliminal", path=f"sweeps://{SWEEPS}")


def register() -> None:
    """Register the sources with Hydra; call it before `hydra.main`."""
    for plugin in (SeedSource, SweepSource, _Search):
        Plugins.instance().register(plugin)
    SourcesRegistry.instance().types["file"] = FileSource  # in the place of Hydra's own
