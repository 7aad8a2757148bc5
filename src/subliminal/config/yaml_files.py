"""Users' YAML files: a file that cannot be read is one line with its name, line and fault."""

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf
from yaml import MarkedYAMLError, YAMLError

from subliminal.config.hydra_internals import FileConfigSource, SourcesRegistry
from subliminal.errors import UserError

_ALLOWED = (
    "a config file is YAML: each key once, indented with spaces, in UTF-8 without a byte-order mark"
)


def read_yaml(file: Path) -> DictConfig:
    """Return a file's keys and values.

    Raises:
        UserError: the file is not YAML, or holds no keys.
        OSError: it does not exist, or is not readable.
    """
    with _one_line(file):
        return _with_keys(OmegaConf.load(file))


class FileSource(FileConfigSource):
    """Hydra's source of config files, with the errors of `read_yaml`."""

    def load_config(self, config_path: str) -> ConfigResult:
        """Return a file's content."""
        file = Path(self.path, self._normalize_file_name(config_path))
        with _one_line(file):
            result = super().load_config(config_path)
            # Hydra would overlook the `@package` of a first line behind a byte-order mark.
            if file.read_bytes().startswith(codecs.BOM_UTF8):
                raise ValueError("starts with a byte-order mark")
            _with_keys(result.config)
            return result


def register() -> None:
    """Make Hydra read files by `FileSource`."""
    SourcesRegistry.instance().types[FileSource.scheme()] = FileSource


def _with_keys(content: Any) -> DictConfig:
    if not isinstance(content, DictConfig):
        raise ValueError("a list, not keys and values")
    return content


@contextmanager
def _one_line(file: Path) -> Iterator[None]:
    try:
        yield
    except (UserError, HydraException):
        raise
    except (YAMLError, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.filename:
            raise
        where, fault = str(file), " ".join(str(error).split())
        if isinstance(error, MarkedYAMLError) and error.problem_mark:
            where, fault = f"{file}, line {error.problem_mark.line + 1}", str(error.problem)
        raise UserError(f"{where}: {fault}; {_ALLOWED}") from error
