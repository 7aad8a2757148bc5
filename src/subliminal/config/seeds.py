"""Seed sets: their grammar, and the Hydra config group `seed` that takes any of them.

`seed=7`, `seed=0-19` and `seed=paper` (a file in `conf/seed`) name the seeds of one job; commas
and `range(…)` make separate jobs under `-m`, as for any Hydra group.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import islice
from typing import Any, Final

from hydra.core.object_type import ObjectType
from hydra.core.override_parser import types
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigLoadError, ConfigResult, ConfigSource
from omegaconf import OmegaConf

from subliminal.errors import UserError

GRAMMAR: Final = (
    "a seed (7), a range (0-19), or a file in conf/seed (paper), where `spec` may list several"
)
LARGEST_SET: Final = 1_000_000
SEED_LIMIT: Final = 2**63
_ITEM = re.compile(r"(\d+)(?:-(\d+))?", re.ASCII)


def parse(spec: str) -> tuple[int, ...]:
    """Return the seeds of a set such as `7`, `0-19` or `0-4, 7, 10-14`, in the order given.

    Raises:
        UserError: an item is neither a seed nor a range, a range runs backwards, a seed is
            named twice or is not below 2**63, the set has more than a million seeds.
    """
    seeds: list[int] = []
    for item in map(str.strip, spec.split(",")):
        match = _ITEM.fullmatch(item)
        if match is None:
            raise UserError(f"seed: {item!r} is neither a seed nor a range; it takes {GRAMMAR}")
        first, last = _seed(match[1]), _seed(match[2] or match[1])
        if last < first:
            raise UserError(f"seed: the range {item} runs backwards; it takes {GRAMMAR}")
        if len(seeds) + last - first >= LARGEST_SET:
            raise UserError(f"seed: over {LARGEST_SET:,} seeds in one set; it takes {GRAMMAR}")
        seeds += range(first, last + 1)
    if len(set(seeds)) < len(seeds):
        twice = Counter(seeds).most_common(1)[0][0]
        raise UserError(f"seed: {twice} is named twice; it takes {GRAMMAR}")
    return tuple(seeds)


def _seed(digits: str) -> int:
    # The length first: Python refuses to read thousands of digits.
    if len(digits) > len(str(SEED_LIMIT)) or int(digits) >= SEED_LIMIT:
        raise UserError(f"seed: {digits:.30} is not below 2**63; it takes {GRAMMAR}")
    return int(digits)


class SeedSource(ConfigSource):
    """Serves the options `seed/<a>` and `seed/<a>-<b>` of the group `seed`, for any numbers.

    It stands in Hydra's search path as `seeds://`, after `conf/`: a file wins over it.
    """

    @staticmethod
    def scheme() -> str:
        return "seeds"

    def available(self) -> bool:
        """Return whether the source's path is valid: nothing follows `seeds://`."""
        return not self.path

    def is_group(self, config_path: str) -> bool:
        """Return whether the path is the group `seed`, or the root that holds it."""
        return config_path.strip("/") in ("", "seed")

    def is_config(self, config_path: str) -> bool:
        """Return whether the path has the form of an option; `load_config` checks the numbers."""
        return _option(config_path) is not None

    def load_config(self, config_path: str) -> ConfigResult:
        """Return the option's content: `spec: <a>-<b>`.

        Raises:
            ConfigLoadError: the path is not of the form `seed/<a>` or `seed/<a>-<b>`.
            UserError: the option is no seed set, such as `19-0`.
        """
        spec = _option(config_path)
        if spec is None:
            raise ConfigLoadError(f"Config not found: {config_path}")
        parse(spec)
        return ConfigResult(
            provider=self.provider,
            path=self.full_path(),
            config=OmegaConf.create({"spec": spec}),
            header={"package": None},  # the content lands in the group's own package, `seed`
        )

    def list(self, config_path: str, results_filter: ObjectType | None) -> list[str]:
        """List the group alone: its options are endless, and `glob(*)` would match an example."""
        is_root = not config_path.strip("/")
        return ["seed"] if is_root and results_filter != ObjectType.CONFIG else []


def quote(argv: list[str], *, named: Collection[str]) -> list[str]:
    """Return the command line with integers in `seed=` quoted: Hydra refuses an integer as option.

    All other arguments stay as they are, and so do single options that are strings, and overrides
    that only Hydra can resolve: interpolations, `glob`, `interval`, tagged and shuffled sweeps.
    `named` holds the names of the seed files, without `.yaml`.

    Raises:
        UserError: an option is neither a seed, nor a range, nor a seed file.
    """
    return [_quote(arg, named) if arg.startswith("seed=") else arg for arg in argv]


def _quote(arg: str, named: Collection[str]) -> str:
    try:
        value = OverridesParser.create().parse_override(arg).value()
        # Bounded, because `range(0,1e99)` is legal in Hydra.
        options = list(islice(_options(value), LARGEST_SET + 1))
    except (HydraException, ValueError):  # not Hydra's grammar; a range with step 0
        value, options = None, [arg.removeprefix("seed=")]
    if len(options) > LARGEST_SET:
        raise UserError(f"seed: over {LARGEST_SET:,} jobs; an option is {GRAMMAR}")
    if any(
        isinstance(o, types.Sweep | types.Glob) or (isinstance(o, str) and "${" in o)
        for o in options
    ):
        return arg
    if not options:
        raise UserError(f"seed: {arg.removeprefix('seed=')!r} is empty; it takes {GRAMMAR}")
    for option in options:
        _check(option, named)
    if isinstance(value, types.Sweep) or _text(value).isdecimal():
        return f"seed={','.join(map(_quoted, options))}"
    return arg


def _options(value: Any) -> Iterator[Any]:
    """Yield the elements of a sweep, and of ranges inside it, which Hydra cannot expand."""
    lists = types.ChoiceSweep | types.RangeSweep
    if isinstance(value, lists) and not (value.shuffle or value.tags):
        for element in value.list if isinstance(value, types.ChoiceSweep) else value.range():
            yield from _options(element)
    else:
        yield value


def _text(option: Any) -> str:
    option = option.text if isinstance(option, types.QuotedString) else option
    return option if isinstance(option, str) else str(types.Transformer.str(option))


def _quoted(option: Any) -> str:
    # By the text, not the type: `choice('7')` and `str(7)` are strings that Hydra writes as 7.
    text = _text(option)
    return f"'{text}'" if text.isdecimal() else str(types.Transformer.str(option))


def _check(option: Any, named: Collection[str]) -> None:
    text = _text(option)
    name = text.removesuffix(".yaml")
    if name in named:
        return
    if _ITEM.fullmatch(name) is None:
        there = ", ".join(sorted(named)) or "no file yet"
        raise UserError(f"seed: {text!r} is not {GRAMMAR}; in conf/seed there is {there}")
    parse(name)


def _option(config_path: str) -> str | None:
    """Return `<a>` or `<a>-<b>` of a path `seed/<a>-<b>[.yaml]`; None for other paths."""
    group, _, option = config_path.strip("/").rpartition("/")
    option = option.removesuffix(".yaml")
    return option if group == "seed" and _ITEM.fullmatch(option) else None
