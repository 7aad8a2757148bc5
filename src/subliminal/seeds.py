"""Seed sets: their grammar, and the Hydra config group `seed` that takes any of them.

`seed=7`, `seed=0-19` and `seed=paper` (a file in `conf/seed`) name the seeds of one job; commas
and `range(…)` make separate jobs under `-m`, as for any Hydra group.
"""

import re
from collections.abc import Collection
from typing import Any

from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString, RangeSweep, Transformer
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import OmegaConf

from subliminal.errors import UserError

GRAMMAR = "a seed (7), a range (0-19) or a file in conf/seed (paper); commas make separate jobs"
LARGEST_SET = 1_000_000
_ITEM = re.compile(r"(\d{1,18})(?:-(\d{1,18}))?", re.ASCII)


def parse(spec: str) -> tuple[int, ...]:
    """Return the seeds of a set such as `7`, `0-19` or `0-4,7,10-14`, in the order given.

    Raises:
        UserError: not such a set, a range that runs backwards, a seed named twice, too many seeds.
    """
    seeds: list[int] = []
    for item in spec.split(","):
        match = _ITEM.fullmatch(item.strip())
        if match is None:
            raise UserError(
                f"seed={spec}: {item.strip() or 'nothing'!r} is not a seed set; {GRAMMAR}"
            )
        first = int(match[1])
        last = int(match[2] or match[1])
        if last < first:
            raise UserError(f"seed={spec}: the range {item.strip()} runs backwards; {GRAMMAR}")
        if len(seeds) + last - first >= LARGEST_SET:
            raise UserError(f"seed={spec}: more than {LARGEST_SET} seeds in one set")
        seeds += range(first, last + 1)
    if len(set(seeds)) < len(seeds):
        raise UserError(f"seed={spec}: a seed is named twice")
    return tuple(seeds)


class SeedSource(ConfigSource):
    """Makes the options `seed/<a>` and `seed/<a>-<b>` of the group `seed` as they are asked for.

    Hydra looks here after `conf/`, through `hydra.searchpath`, for the scheme `seeds://`.
    """

    @staticmethod
    def scheme() -> str:
        """Return the scheme that names this source in a search path."""
        return "seeds"

    def available(self) -> bool:
        """Tell that the source can always be read."""
        return True

    def is_group(self, config_path: str) -> bool:
        """Tell whether the path is the group `seed`."""
        return config_path.strip("/") in ("", "seed")

    def is_config(self, config_path: str) -> bool:
        """Tell whether the path is an option that this source makes."""
        return _range_of(config_path) is not None

    def load_config(self, config_path: str) -> ConfigResult:
        """Return the option's content: `spec: <a>-<b>`."""
        spec = _range_of(config_path)
        if spec is None:
            raise ConfigLoadError(f"Config not found: {config_path}")
        return ConfigResult(
            provider=self.provider,
            path=self.full_path(),
            config=OmegaConf.create({"spec": spec}),
            header={"package": None},
        )

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """List nothing: the options are without end."""
        return []


def quote(argv: list[str], *, named: Collection[str]) -> list[str]:
    """Return the command line with the integers of its `seed=` overrides quoted for Hydra.

    Hydra refuses a group option that is an integer. Everything else is passed on byte for byte.

    Args:
        argv: the arguments, without the program.
        named: the names of the seed files.

    Raises:
        UserError: an option is neither a seed, nor a range, nor a seed file.
    """
    return [_quote(arg, named) if arg.startswith("seed=") else arg for arg in argv]


def _quote(arg: str, named: Collection[str]) -> str:
    value = arg.removeprefix("seed=")
    try:
        override = OverridesParser.create().parse_override(arg)
        if override.is_sweep_override():
            options = [
                option
                for element in override.sweep_iterator(transformer=Transformer.identity)
                for option in (element.range() if isinstance(element, RangeSweep) else [element])
            ]
        else:
            options = [override.value()]
    except HydraException:
        options = [value]
    texts = [_text(option) for option in options]
    for text in texts:
        if _range_of(f"seed/{text}") is None and text not in named:
            there = ", ".join(sorted(named))
            raise UserError(f"seed={value}: {text!r} is not a seed set; {GRAMMAR}; files: {there}")
        if text not in named:
            parse(text)
    return "seed=" + ",".join(f"'{text}'" for text in texts)


def _text(option: Any) -> str:
    return option.text if isinstance(option, QuotedString) else str(option)


def _range_of(config_path: str) -> str | None:
    """Return `<a>` or `<a>-<b>` of a path `seed/<a>-<b>[.yaml]`, None when it is not one."""
    group, _, option = config_path.strip("/").rpartition("/")
    option = option.removesuffix(".yaml")
    if group != "seed" or _ITEM.fullmatch(option) is None:
        return None
    return option
