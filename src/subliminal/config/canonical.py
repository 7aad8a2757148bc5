"""One spelling of a config: `1`, `1.0` and `'1e0'` are one value, if its field is a number.

Condition hashes are computed from this spelling, and run folders record it.
"""

from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, get_args

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from subliminal.config.build import schema_of, typed
from subliminal.config.groups import Plain as Plain
from subliminal.config.groups import flatten as flatten
from subliminal.config.hashing import Mark, hints, marks
from subliminal.config.schema import Config
from subliminal.errors import UserError, one_line


def composed_values(cfg: DictConfig) -> Plain:
    """Return a composed config as plain values, interpolations resolved, without Hydra's node.

    Raises:
        UserError: a value is missing or cannot be resolved.
    """
    own = without_hydra(cfg)
    try:
        plain: Any = OmegaConf.to_container(own, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise UserError(one_line(error)) from error
    return {str(key): value for key, value in plain.items()}


def without_hydra(cfg: DictConfig) -> DictConfig:
    """Return a composed config without Hydra's own node."""
    return OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])


def canonical(values: Mapping[str, Any]) -> Plain:
    """Return a config as plain values, each of its field's type, with all defaults.

    Lists whose order means nothing (see `subliminal.config.hashing`) are sorted, without doubles.

    Args:
        values: plain values, of a composed config or of a run's record, which has no seed.

    Raises:
        UserError: a key is unknown or missing, or a value is not of its field's type.
    """
    try:
        merged = OmegaConf.merge(schema_of(Config), dict(values))
        for key in sorted(OmegaConf.missing_keys(merged)):
            if "seed" in values or key.partition(".")[0] in values:
                raise MissingMandatoryValue(f"Missing mandatory value: {key}")
        plain: Any = OmegaConf.to_container(merged)
    except OmegaConfBaseException as error:
        raise UserError(one_line(error)) from error
    return _canonical_fields(Config, plain, "")


def differences(left: Plain, right: Plain) -> dict[str, list[Any]]:
    """Return both values of each dotted key whose values differ, None where there is no key."""
    a, b = flatten(left), flatten(right)
    return {key: [a.get(key), b.get(key)] for key in a | b if a.get(key) != b.get(key)}


def settings(config: Plain, cls: Any = Config) -> Any:
    """Return a canonical config as its dataclass; nodes with a `_target_` stay mappings."""
    types, made = hints(cls), {}
    for key, value in config.items():
        # The dataclass of a field, also of one that may be null.
        nested = next(filter(is_dataclass, (types[key], *get_args(types[key]))), None)
        made[key] = settings(value, nested) if nested and value is not None else value
    return cls(**made)


def _canonical_fields(cls: type[Any], values: Mapping[Any, Any], where: str) -> Plain:
    """Return the values of a dataclass in their canonical spelling, in the given order."""
    types, marked = hints(cls), marks(cls)  # type: ignore[arg-type]  # a class has a hash
    fields: Plain = {}
    for key, value in values.items():
        place = f"{where}{key}"
        hint = types[key]
        if isinstance(value, dict) and isinstance(hint, type) and is_dataclass(hint):
            fields[key] = _canonical_fields(hint, value, f"{place}.")
        else:
            fields[key] = _value(value, place, unordered=Mark.UNORDERED in marked[key])
    return fields


def _value(value: Any, place: str, *, unordered: bool = False) -> Any:
    if isinstance(value, dict) and "_target_" in value:
        return _node(value, place)
    if isinstance(value, dict):
        return {key: _value(item, f"{place}.{key}") for key, item in value.items()}
    if isinstance(value, list):
        # Files write whole numbers without a point, such as [0, .inf].
        items = [int(i) if isinstance(i, float) and i.is_integer() else i for i in value]
        if not unordered:
            return items
        # Files list layers in the order layer1, layer2, class, aux.
        return sorted(set(items), key=lambda item: (str(item).partition(".")[0] == "aux", item))
    return value + 0.0 if isinstance(value, float) else value  # −0.0 is 0.0


def _node(node: Plain, place: str) -> Plain:
    cls, values = typed(node, place)
    plain: Any = OmegaConf.to_container(values)
    # The given keys first: mitigations act in the order in which a node lists them.
    ordered = {key: plain[key] for key in dict.fromkeys([*node, *plain]) if key != "_target_"}
    return {
        "_target_": f"{cls.__module__}.{cls.__qualname__}",
        **_canonical_fields(cls, ordered, f"{place}."),
    }
