"""What varies between conditions: their resolved configs, flattened and compared."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from subliminal.config.hashing import PLACES, not_hashed_keys
from subliminal.config.schema import Config
from subliminal.config.terminal import printable

Value = str | int | float | bool | None
Flat = dict[str, Value]  # dotted key to value

# Keys that cannot change a result, and the seed, by which conditions are paired.
_LEFT_OUT = not_hashed_keys(Config) | PLACES | {"hydra"}
_COMPOSED = ("mitigation", "probe")  # groups of which several options compose
MANY = 8  # values of one key: more are summarised
BASELINE: Flat = {
    "mitigation": "none",
    "distill.init": "shared",
    "distill.loss.logits": "aux",
}


def flatten(config: Mapping[str, Any]) -> Flat:
    """Return the settings of a resolved config that can change its result, by dotted key.

    A group's option is a value of its own (`optim`: adam); of a group that composes, all options
    are (`mitigation`: liminal+projection, or none).
    """
    return dict(_leaves(config, ""))


def _leaves(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Value]]:
    for key, value in node.items():
        name = f"{prefix}{key}"
        if name in _LEFT_OUT:
            continue
        if key == "_target_":
            # subliminal.distill.loss.kl.KL is the option kl; one module may hold several classes.
            # Of `model=module` it is the class that the user names: `vit`, or my_lab.Net.
            yield prefix.removesuffix("."), _option(str(node.get("target", value)))
        elif key == "target" and "_target_" in node:
            continue
        elif isinstance(value, Mapping):
            if name in _COMPOSED:
                yield name, "+".join(value) or "none"
            yield from _leaves(value, f"{name}.")
        else:
            yield name, plain(value)


def plain(value: Any) -> Value:
    """Return a config's value as it is compared and shown: a list as its text."""
    return json.dumps(value, separators=(",", ":")) if isinstance(value, list) else value


def _option(target: str) -> str:
    module, _, name = target.rpartition(".")
    stem = module.rpartition(".")[2]
    return stem if stem.replace("_", "") == name.lower() else f"{stem}.{name}"


def swept(configs: Sequence[Flat]) -> dict[str, list[Value]]:
    """Return the keys that vary, with their values in order of appearance.

    A key below an option (`optim.lr`) counts where it varies for one option: that Adam and SGD
    have different rates follows from sweeping `optim`.
    """
    keys = dict.fromkeys(key for config in configs for key in config)
    found = {}
    for key in keys:
        holders = [config for config in configs if key in config]
        above = [parent for parent in _parents(key) if any(parent in c for c in holders)]
        by_option: dict[tuple[Value, ...], set[Value]] = {}
        for config in holders:
            options = tuple(config.get(p) for p in above if p not in _COMPOSED)
            by_option.setdefault(options, set()).add(config[key])
        if any(len(values) > 1 for values in by_option.values()):
            found[key] = list(dict.fromkeys(config[key] for config in holders))
    return found


def _parents(key: str) -> Iterator[str]:
    while "." in key:
        key = key.rpartition(".")[0]
        yield key


def label(config: Flat, keys: Sequence[str]) -> str:
    """Return a condition's short name: the values of the keys that vary, `liminal, peak=0.5`."""
    parts = []
    for key in keys:
        if key in config:
            value = show(config[key])
            parts.append(value if key == "mitigation" else f"{short(key, keys)}={value}")
    return ", ".join(parts)


def short(key: str, keys: Sequence[str]) -> str:
    """Return the end of a dotted key that no other of `keys` ends with."""
    words = key.split(".")
    for size in range(1, len(words)):
        end = ".".join(words[-size:])
        if not any(other != key and f".{other}".endswith(f".{end}") for other in keys):
            return end
    return key


def show(value: Value) -> str:
    """Return a value as a config file writes it."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return f"{value:g}" if isinstance(value, float) else printable(value).replace('"', "")


def order(config: Flat, keys: Mapping[str, Sequence[Value]]) -> tuple[tuple[int, float], ...]:
    """Return where a condition stands: numbers ascend, lists of them too; options as they come."""
    places = []
    for key, values in keys.items():
        value = config.get(key)
        if key not in config:
            places.append((0, 0.0))
        elif isinstance(value, int | float):
            places.append((1, float(value)))
        else:
            places.append((2, float(_ascending(values).index(value))))
    return tuple(places)


def _ascending(values: Sequence[Value]) -> Sequence[Value]:
    """Return lists of numbers in their order, as `[64,64]` before `[256]`; others as they come."""
    try:
        return sorted(values, key=lambda value: [*map(float, json.loads(str(value)))])
    except (ValueError, TypeError):
        return values


def summarise(values: Sequence[Value]) -> str:
    """Return the values of a key, or how many there are and between what."""
    if len(values) <= MANY:
        return ", ".join(map(show, values))
    if numbers(values):
        low, high = min(values, key=_number), max(values, key=_number)
        return f"{len(values)} values from {show(low)} to {show(high)}"
    return f"{len(values)} options"


def _number(value: Value) -> float:
    assert isinstance(value, int | float)
    return float(value)


def is_baseline(config: Flat) -> bool:
    """Tell whether the others are compared with this condition."""
    return all(config.get(key, value) == value for key, value in BASELINE.items())


def numbers(values: Sequence[Value]) -> bool:
    """Tell whether a key was swept as a number, over enough values to draw a response."""
    plain = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    return plain and len(values) >= 3
