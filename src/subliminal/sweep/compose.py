"""The configs of a sweep's jobs as Hydra composes them, but what the jobs share is composed once.

Hydra reads and merges all files anew for each job, which takes 0.15 s. Jobs of a grid differ in
values (`optim.lr=0.1`), which Hydra sets last, and in choices (`optim=sgd`), each of which fills
a place of its own. So one config without values is composed by Hydra for all of them; where a
choice differs, its place is merged anew; then the values are set, by Hydra's own function. What
does not fit this, and what is wrong, is left to Hydra: its configs, and its messages.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository
from hydra._internal.defaults_list import create_defaults_list
from hydra.core.default_element import DefaultsTreeNode, GroupDefault, ResultDefault
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, ValueNode
from omegaconf.errors import OmegaConfBaseException

from subliminal.config import guard
from subliminal.errors import UserError

_NOTHING = object()  # in place of a value
Choices = dict[str, str]  # override key (`optim@teacher.optim`) to option, which has no defaults


class _NotAlike(Exception):
    """A job that has to be composed by itself."""


@dataclass(frozen=True)
class _Base:
    """What jobs share that differ in values and in choices of the same groups."""

    config: DictConfig  # without Hydra's node, and without the values that differ
    choices: Choices
    elements: tuple[ResultDefault, ...]  # the files that it is merged from, in order
    groups: dict[str, GroupDefault]  # where each choice stands among them


class Composer:
    """Composes the jobs of one sweep."""

    def __init__(self, loader: ConfigLoaderImpl, sweep: DictConfig) -> None:
        self._loader, self._sweep = loader, sweep
        self._name = sweep.hydra.job.config_name
        self._hydra: list[str] = list(sweep.hydra.overrides.hydra)
        self._files = self._read()
        self._bases: dict[tuple[str, ...], _Base | None] = {}
        self._places: dict[tuple[Any, ...], Any] = {}
        # The last job's config: its nodes' ids, itself, and what its values replaced.
        self._last: tuple[list[int], DictConfig, dict[str, Any]] | None = None

    def _read(self) -> CachingConfigRepository:
        """Return what reads config files, each once."""
        return self._loader._parse_overrides_and_create_caching_repo(self._name, self._hydra)[1]

    def job(self, overrides: Sequence[str]) -> DictConfig:
        """Return a job's config without Hydra's own node; the next job may use it again.

        Raises:
            HydraException, OmegaConfBaseException, UserError: as Hydra's loader does.
        """
        try:
            return self._alike([_parsed(text) for text in overrides])
        except (_NotAlike, HydraException, OmegaConfBaseException, UserError):
            cfg = self._loader.load_sweep_config(self._sweep, list(overrides))
            return OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])

    def _alike(self, overrides: Sequence[Override]) -> DictConfig:
        choices: Choices = {}
        values: list[Override] = []
        common: list[str] = []  # of all jobs with the same base: what is set and chosen alike
        shape: list[str] = []
        whole: set[str] = set()  # keys at the top, which only the whole config knows the types of
        for override in overrides:
            if override.is_hydra_override() or override.is_sweep_override():
                raise _NotAlike
            key, line = override.key_or_group, str(override.input_line)
            is_choice = self._is_group(key) and not isinstance(override.value(), dict)
            if is_choice and self._fills_one_place(override):
                choices[override.get_key_element()] = str(override.value())
                shape.append(override.get_key_element())
                common.append(line)
            elif is_choice or "." not in key:
                if not is_choice:
                    whole.add(key)
                shape.append(line)
                common.append(line)
            else:
                values.append(override)
        base = self._base_of(tuple(shape), common, choices)
        nodes, filled = self._with_choices(base, choices)
        valued = {override.key_or_group.partition(".")[0] for override in values}
        if whole & (filled | valued) or not valued <= nodes.keys():
            raise _NotAlike
        cfg = self._copy(nodes, values)
        OmegaConf.set_struct(cfg, True)
        ConfigLoaderImpl._apply_overrides_to_config(values, cfg)
        OmegaConf.set_struct(cfg, None)
        guard.look(cfg, at_places_alone=True)
        return cfg

    def _copy(self, nodes: dict[str, Any], values: Sequence[Override]) -> DictConfig:
        """Return a config of copies of nodes; the last one, put right, where it is of the same.

        Args:
            nodes: by their keys.
            values: that will be set in it.
        """
        alike = [*map(id, nodes.values())]
        last, self._last = self._last, None
        if last is None or last[0] != alike:
            cfg = DictConfig(nodes)
        else:
            _, cfg, before = last
            OmegaConf.set_struct(cfg, None)
            for key, value in before.items():
                OmegaConf.update(cfg, key, value, merge=False)
        held = {override.key_or_group: _held(cfg, override) for override in values}
        if _NOTHING not in held.values():
            self._last = alike, cfg, held
        return cfg

    def _base_of(self, shape: tuple[str, ...], overrides: list[str], choices: Choices) -> _Base:
        if shape not in self._bases:
            self._bases[shape] = None  # should composing it fail
            self._bases[shape] = self._base(overrides, choices)
        base = self._bases[shape]
        if base is None:
            raise _NotAlike
        return base

    @cache  # noqa: B019 – a sweep has one composer
    def _is_group(self, key: str) -> bool:
        return bool(self._files.group_exists(key))

    def _fills_one_place(self, choice: Override) -> bool:
        """Tell whether a choice is an option that chooses no others and lies below one key."""
        option = choice.value()
        if choice.type != OverrideType.CHANGE or not isinstance(option, str) or "$" in option:
            return False
        loaded = self._files.load_config(f"{choice.key_or_group}/{option}")
        if loaded is None or loaded.defaults_list or not OmegaConf.is_dict(loaded.config):
            return False
        header = loaded.header["package"]
        return header is None or (header != "" and not header.startswith(("_", "hydra")))

    def _base(self, overrides: list[str], choices: Choices) -> _Base:
        """Compose as Hydra does; note which files it took for the choices."""
        parsed = [_parsed(text) for text in [*self._hydra, *overrides]]
        files = self._read()  # anew: what is merged from them shares their nodes
        listed = create_defaults_list(
            files, self._name, parsed, prepend_hydra=True, skip_missing=False
        )
        groups = {
            node.get_override_key(): node
            for node in _leaves(listed.defaults_tree)
            if node.get_override_key() in choices
        }
        if groups.keys() != choices.keys() or _interpolated(files):
            raise _NotAlike
        cfg = self._loader._compose_config_from_defaults_list(listed.defaults, files)
        OmegaConf.set_struct(cfg, True)
        ConfigLoaderImpl._apply_overrides_to_config(listed.config_overrides, cfg)
        guard.look(cfg)
        own = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
        return _Base(own, choices, tuple(listed.defaults), groups)

    def _with_choices(self, base: _Base, choices: Choices) -> tuple[dict[str, Any], set[str]]:
        """Return the base's nodes with other choices, and the keys below which these lie."""
        elements, tops = base.elements, set[str]()
        for key, option in choices.items():
            if option == base.choices[key]:
                continue
            before = [element for element in elements if element.override_key == key]
            if len(before) != 1:
                raise _NotAlike
            after = self._element(base.groups[key], option, before[0])
            tops |= {_top(before[0]), _top(after)}
            elements = tuple(after if element is before[0] else element for element in elements)
        if not tops <= {str(key) for key in base.config}:
            raise _NotAlike
        nodes = {str(key): base.config._get_node(key) for key in base.config}
        nodes |= {top: self._place(top, elements) for top in tops}
        return nodes, tops

    def _element(self, group: GroupDefault, option: str, before: ResultDefault) -> ResultDefault:
        node = copy.copy(group)
        node.value, node.package_header = option, None
        loaded = self._files.load_config(node.get_config_path())
        assert loaded is not None
        node.set_package_header(loaded.header["package"])
        return replace(before, config_path=node.get_config_path(), package=node.get_final_package())

    def _place(self, top: str, elements: Sequence[ResultDefault]) -> Any:
        """Merge what the files have below one key of the config."""
        files = []
        for element in elements:
            config = self._config(str(element.config_path), element.package, element.primary)
            if config._get_node(top) is not None:
                files.append((element.config_path, element.package, config))
        key = (top, *((path, package) for path, package, _ in files))
        if key not in self._places:
            merged = OmegaConf.create()
            for _, _, config in files:
                merged.merge_with(OmegaConf.masked_copy(config, [top]))
            self._places[key] = merged._get_node(top)
        return self._places[key]

    @cache  # noqa: B019 – a sweep has one composer
    def _config(self, path: str, package: str | None, primary: bool) -> DictConfig:
        element = ResultDefault(config_path=path, package=package, primary=primary)
        config = self._loader._load_single_config(element, self._files).config
        assert isinstance(config, DictConfig)
        return config


def _held(cfg: DictConfig, override: Override) -> Any:
    """Return the value that an override will replace, _NOTHING where it cannot be put back."""
    above, _, key = override.key_or_group.rpartition(".")
    parent = OmegaConf.select(cfg, above) if override.type == OverrideType.CHANGE else None
    node = parent._get_node(key) if isinstance(parent, DictConfig) else None
    if not isinstance(node, ValueNode) or node._is_interpolation():
        return _NOTHING
    return node._value()


@cache
def _parsed(text: str) -> Override:
    (override,) = OverridesParser.create().parse_overrides([text])
    return override


def _interpolated(files: CachingConfigRepository) -> bool:
    """Tell whether any file chooses by what another has chosen."""
    return any(
        default.is_interpolation()
        for loaded in files.cache.values()
        for default in (loaded.defaults_list if loaded else None) or ()
        if isinstance(default, GroupDefault)
    )


def _leaves(tree: DefaultsTreeNode) -> list[GroupDefault]:
    """Return the choices of a defaults tree that have no choices below them."""
    found = []
    for child in tree.children or ():
        if isinstance(child, DefaultsTreeNode):
            found += _leaves(child)
        elif isinstance(child, GroupDefault):
            found.append(child)
    return found


def _top(element: ResultDefault) -> str:
    return str(element.package).partition(".")[0]
