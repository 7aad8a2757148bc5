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

from subliminal.config.hydra_internals import FileConfigSource
from subliminal.errors import UserError

_ALLOWED = "a config file is YAML: each key once, indented with spaces, in UTF-8 without a BOM"


class FileSource(FileConfigSource):
    """Hydra's source of config files, with errors of one line."""

    def load_config(self, config_path: str) -> ConfigResult:
        """Return a file's content."""
        file = Path(self.path, self._normalize_file_name(config_path))
        with _one_line(file):
            result = super().load_config(config_path)
            if not isinstance(result.config, DictConfig):
                raise ValueError("a list, not keys and values")
            # Hydra overlooks the `@package` of a first line behind a byte-order mark.
            if file.read_bytes().startswith(codecs.BOM_UTF8):
                raise ValueError("starts with a byte-order mark (BOM)")
            return result


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
        place, fault = "", " ".join(str(error).split())
        if isinstance(error, MarkedYAMLError) and error.problem_mark:
            place, fault = f"line {error.problem_mark.line + 1}: ", str(error.problem)
        raise UserError(f"{file}: {place}{fault}; {_ALLOWED}") from error
