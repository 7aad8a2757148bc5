"""Keys that vary between conditions: resolved configs, flattened and compared."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import accumulate
from typing import Any

from subliminal.config import canonical
from subliminal.config.hashing import PLACES, not_hashed_keys
from subliminal.config.schema import Config
from subliminal.config.terminal import printable

Value = str | int | float | bool | None
Flat = dict[str, Value]  # dotted key to value

# Keys that cannot change a result, and the seed, by which conditions are paired
_LEFT_OUT = not_hashed_keys(Config) | PLACES | {"hydra"}
_STEERING, GENERATION = "teacher.steering", "distill.generation"
_COMPOSED = ("mitigation", "probe")  # groups of which several options compose
MANY = 8  # values of one key that are listed
BASELINE: Flat = {"mitigation": "none", "distill.init": "shared", "distill.loss.logits": "aux"}


def flatten(config: Mapping[str, Any]) -> Flat:
    """Return the values of a resolved config that can change its result, by dotted key.

    A group's option is a value too (`optim`: adam); a group that composes has all its options in
    one value (`mitigation`: liminal+projection, or none).
    """
    leaves = canonical.flatten(config)
    found: Flat = {}
    for key, value in leaves.items():
        above = _parents(key)
        if not _LEFT_OUT.isdisjoint([key, *above]):
            continue
        group = above[-1] if above else key
        if group in _COMPOSED:
            found.setdefault(group, "+".join(config[group]) or "none")
        node = above[0] if above else ""
        if key == f"{node}._target_":
            # Of `model=module` the option is the class that the user names: `vit`, or my_lab.Net.
            found[node] = _option(str(leaves.get(f"{node}.target", value)))
        elif value != {} and not (key == f"{node}.target" and f"{node}._target_" in leaves):
            found[key] = plain(value)
    # In a chain the teachers' folder says no more than the generation, which is not hashed.
    if (generation := found.pop(f"{_STEERING}.generation", None)) is not None:
        found = {key: value for key, value in found.items() if not key.startswith(_STEERING)}
        found[_STEERING] = None
    if "distill.generations" in leaves:
        found[GENERATION] = generation or 1
    return found


def plain(value: Any) -> Value:
    """Return a config's value for comparison: a list as JSON text."""
    return json.dumps(value, separators=(",", ":")) if isinstance(value, list) else value


def _option(target: str) -> str:
    """Return `kl` for subliminal.distill.loss.kl.KL; a module may hold several classes."""
    module, _, name = target.rpartition(".")
    stem = module.rpartition(".")[2]
    return stem if stem.replace("_", "") == name.lower() else f"{stem}.{name}"


def swept(configs: Sequence[Flat]) -> dict[str, list[Value]]:
    """Return the keys that vary, with their values in order of appearance.

    A key below an option (`optim.lr`) counts only if it varies for one option: sweeping `optim`
    already explains that Adam and SGD have different rates.
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


def _parents(key: str) -> list[str]:
    """Return the keys of the nodes above a dotted key, the nearest first."""
    return [*accumulate(key.split(".")[:-1], "{}.{}".format)][::-1]


def label(config: Flat, keys: Sequence[str]) -> str:
    """Return a condition's short name: the values of the keys that vary, `liminal, peak=0.5`."""
    parts = []
    for key in keys:
        if key in config:
            value = show(config[key])
            parts.append(value if key == "mitigation" else f"{short(key, keys)}={value}")
    return ", ".join(parts)


def short(key: str, keys: Sequence[str]) -> str:
    """Return the shortest end of a dotted key that no other of `keys` ends with."""
    words = key.split(".")
    for size in range(1, len(words)):
        end = ".".join(words[-size:])
        if not any(other != key and f".{other}".endswith(f".{end}") for other in keys):
            return end
    return key


def show(value: Value) -> str:
    """Return a value as a config file writes it."""
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else printable(value).replace('"', "")


def order(config: Flat, keys: Mapping[str, Sequence[Value]]) -> tuple[tuple[int, float], ...]:
    """Return a sort key: numbers and lists of numbers ascend, options keep their order."""
    places = []
    for key, values in keys.items():
        value = config.get(key)
        if key not in config:
            places.append((0, 0.0))
        elif isinstance(value, int | float):
            places.append((1, float(value)))
        else:
            with suppress(ValueError, TypeError):  # `[64,64]` stands before `[256]`
                values = sorted(values, key=lambda v: [*map(float, json.loads(str(v)))])
            places.append((2, float(values.index(value))))
    return tuple(places)


def summarise(values: Sequence[Value]) -> str:
    """Return a key's values as text; of more than MANY the first ones and their number."""
    more = f", … ({len(values)} values)" if len(values) > MANY else ""
    return ", ".join(map(show, values[:MANY])) + more


def is_baseline(config: Flat, words: Sequence[str] = ()) -> bool:
    """Tell whether a condition can be the baseline of the others, or has all `key=value` words."""
    for key, _, text in (word.partition("=") for word in words):
        value = config.get(key)
        with suppress(ValueError):  # `1e-3` is 0.001
            text = show(float(text)) if isinstance(value, int | float) else text
        if key not in config or show(value) != text:
            return False
    return bool(words) or all(config.get(key, value) == value for key, value in BASELINE.items())


def numbers(values: Sequence[Value]) -> bool:
    """Tell whether these are numbers, and at least three: enough for a dose-response."""
    plain = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    return plain and len(values) >= 3
