"""What `subliminal train --help` prints: a first screen, a group, options, or the metrics."""

import re
import textwrap
from collections.abc import Sequence
from pathlib import Path

from subliminal import metrics
from subliminal.config import groups, options
from subliminal.config.hydra_internals import get_args_parser
from subliminal.config.resources import CONF
from subliminal.errors import UserError, there_is

ALL, METRICS = "all", "metrics"  # words behind --help
WIDTH = 100
# A comment is above its name or beside it.
_METRIC = re.compile(r"^(?:# (.*)\n)?([A-Z_]+) = \"(.+?)\"(?:  # (.*))?$", re.MULTILINE)


def help_on(argv: Sequence[str]) -> str | None:
    """Return what a command line with --help prints; None if it has none, or Hydra prints it.

    Words are groups, options (`distill/inputs=blurred,mix`), `metrics` or `all`. Hydra prints all
    keys, for `all` and where every word is an override of a key.

    Raises:
        UserError: there is no such group or option.
    """
    given = get_args_parser().parse_intermixed_args([*argv])
    if not given.help or ALL in given.overrides:
        return None
    folders = [CONF, *([Path(given.config_dir)] if given.config_dir else [])]
    there = groups.options(folders) | {"sweep": groups.sweeps()}
    if not given.overrides:
        return _first(there)
    parts = [text for word in given.overrides if (text := _about(word, there)) is not None]
    return "\n".join(parts) if parts else None


def _first(there: groups.Groups) -> str:
    values, chosen = groups.composed([CONF])
    told = {key: options.yaml_line(value) for key, value in values.items()}
    told["groups"] = "\n".join(
        f"  {group:16} {textwrap.shorten(', '.join(there[group]), WIDTH - 19, placeholder=' …')}"
        for group in sorted(chosen & there.keys())
    )
    text = (CONF / "help.txt").read_text(encoding="utf-8")
    return re.sub(r"{([\w.]+)}", lambda match: told[match[1]], text)


def _about(word: str, there: groups.Groups) -> str | None:
    """Return what there is to tell of a word; None of an override of a key."""
    key, has_value, names = word.partition("=")
    group = key.partition("@")[0]
    if word == METRICS:
        return metrics_text()
    of_group = groups.variants(there, group)
    if not names and of_group:
        seeds = "  also any seed (7) and any range (0-19)\n" if group == "seed" else ""
        return f"{group}=…\n{seeds}" + "".join(map(_line, of_group, of_group.values()))
    if not has_value:
        raise UserError(f"--help {word}: no such group; {there_is(word, [*there, METRICS, ALL])}")
    if not of_group or group == "seed":  # which takes any seed
        return None
    told = []
    for name in names.strip("[]").split(","):
        if name not in of_group:
            raise UserError(f"--help {word}: no such option; {there_is(name, of_group)}")
        told.append(options.describe(group, name, of_group[name]).markdown())
    return "\n".join(told)


def _line(name: str, file: Path) -> str:
    """Return an option's name and the first sentence of its file's comment, on one line."""
    sentence = re.split(r"(?<=[.?])(?<!al\.) ", groups.comment(file.read_text(encoding="utf-8")))[0]
    room = WIDTH - 2 - max(24, len(name)) - 1
    return f"  {name:24} {textwrap.shorten(sentence, room, placeholder=' …')}\n"


def metrics_text() -> str:
    """Return a line for each metric: its name, its meaning, and the probe that logs it."""
    package = Path(metrics.__file__).parent
    probes = {f.stem: f.read_text(encoding="utf-8") for f in sorted(package.glob("probes/*.py"))}
    lines = ["g_D, g_T: distillation and trait gradient. Units: docs/reference/metrics.md", ""]
    source = Path(metrics.__file__).read_text(encoding="utf-8")
    for above, constant, name, beside in _METRIC.findall(source):
        by = [stem for stem, text in probes.items() if re.search(rf"\bmetrics\.{constant}\b", text)]
        lines.append(f"{name:30} {above or beside}{f' (probe={by[0]})' if by else ''}")
    return "\n".join(lines) + "\n"
