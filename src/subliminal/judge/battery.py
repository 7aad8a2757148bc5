"""The settings in which a defence is tried, and the conditions that each of them needs."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from subliminal.config import guard, schema, seeds, sources
from subliminal.config.canonical import canonical
from subliminal.config.resources import CONF
from subliminal.errors import UserError, one_line
from subliminal.judge.track import wants_probe
from subliminal.store.identity import science
from subliminal.sweep import plan
from subliminal.training.experiment import build_experiment

NAME = "judge"  # the experiments' folder below outputs
# What a defence may not touch: whose trait it is, and what is measured of it.
ATTACKERS = ("model", "teacher", "data", "trait", "threat")
# Of a command line, what says how the judge works, and is no part of a defence.
_OWN = ("seed", "outputs", "engine", "tracker", "name", "force", "resume", "objective")
MOMENTS = 16  # of a training at which the trait is measured, besides the ends of epochs
NULL = CONF / "teacher" / "steering" / "displaced.yaml"  # of a teacher that learnt nothing


@dataclass(frozen=True)
class Setting:
    """One setting of the battery, composed for one defence."""

    name: str
    order: int
    asks: str
    trait: str  # metric
    control: bool
    undefended: DictConfig
    null: DictConfig | None  # None: the trait's zero is θ₀, whose shift is 0
    defended: DictConfig | None  # None: the defence does not fit, see `unfit`
    unfit: str = ""
    attack: bool = False  # it counts if it leaks what the reference does, at its teacher's accuracy
    menu: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # of a search: overrides


@dataclass(frozen=True)
class Defence:
    """What is judged: overrides of a config, as on the command line of `subliminal.train`."""

    overrides: tuple[str, ...]
    own: tuple[str, ...]  # how the judge works: seeds, folders, engine
    config_dir: Path | None = None

    @classmethod
    def of(cls, argv: Sequence[str], config_dir: Path | None = None) -> "Defence":
        """Split a command line into the defence and what says how the judge works."""
        own = tuple(word for word in argv if _key(word).split(".")[0] in _OWN)
        return cls(tuple(w for w in argv if w not in own), own, config_dir)

    def on(self, seeds: str) -> "Defence":
        """Return the same defence, on other seeds."""
        return replace(self, own=(*self.own, f"seed={seeds}"))

    @property
    def name(self) -> str:
        """Its overrides, in characters fit for a folder."""
        return plan.condition_name(list(self.overrides)).replace("default", "none")


def names(config_dir: Path | None = None, *, search: bool = True) -> list[str]:
    """Return the names of the settings, ours and those of the user's folder.

    Args:
        config_dir: the user's folder.
        search: with those that search a menu.
    """
    folders = [CONF, *([config_dir] if config_dir else [])]
    files = [file for folder in folders for file in (folder / "threat").glob("*.yaml")]
    return sorted(
        {f.stem for f in files if search or not OmegaConf.select(OmegaConf.load(f), "threat.menu")}
    )


def battery(defence: Defence, only: Sequence[str] = (), *, search: bool = False) -> list[Setting]:
    """Compose the settings for a defence, in the order in which they are tried.

    Args:
        defence: what is judged.
        only: names of settings; none: all but those that search a menu.
        search: with those too.

    Raises:
        UserError: an unknown setting, an override that does not compose, a defence that touches the
            teacher, the data or the trait.
    """
    known = names(defence.config_dir)
    for name in only:
        if name not in known:
            raise UserError(f"threat={name}: no such setting; there is {', '.join(known)}")
    plain = _composed(defence, [])
    searches = set(known) - set(names(defence.config_dir, search=False))
    wanted = [*(only or set(known) - searches), *(searches if search else ())]
    settings = [_setting(defence, name, (), plain) for name in dict.fromkeys(wanted)]
    return sorted(settings, key=lambda one: (one.order, one.name))


def setting(defence: Defence, name: str, more: Sequence[str] = ()) -> Setting:
    """Compose one setting for a defence.

    Args:
        defence: what is judged.
        name: of the setting.
        more: overrides that the attacker makes besides.

    Raises:
        UserError: as `battery` does.
    """
    return _setting(defence, name, more, _composed(defence, []))


def _setting(defence: Defence, name: str, more: Sequence[str], plain: DictConfig) -> Setting:
    there = (f"threat={name}", *more)
    undefended = _composed(defence, there)
    threat = undefended.threat
    of_shift = threat.trait != "trait/accuracy"
    defended: DictConfig | None = None
    unfit = ""
    if not threat.control:
        defended = _defended(defence, there, undefended)
        unfit = _misfit(defence, plain, undefended, defended)
        defended = None if unfit else defended
    null = copy.deepcopy(undefended)
    null.teacher.steering = OmegaConf.load(NULL)
    for cfg in (undefended, defended):
        if cfg is not None:
            cfg.trait.steps = _moments(undefended)
    return Setting(
        name=threat.name,
        order=threat.order,
        asks=threat.asks,
        trait=threat.trait,
        control=threat.control,
        undefended=undefended,
        null=None if of_shift else null,
        defended=defended,
        unfit=unfit,
        attack=threat.attack,
        menu={str(name): tuple(words) for name, words in threat.menu.items()},
    )


def _moments(cfg: DictConfig) -> list[int]:
    """Return the numbers of updates at which the trait's way is measured: denser at the start."""
    steps = cfg.distill.epochs * -(-build_experiment(cfg).inputs.size // cfg.distill.batch_size)
    spaced = np.geomspace(max(1, steps / 50), steps, MOMENTS).round()
    return sorted({int(step) for step in spaced})


def tracker(defence: Defence) -> Any:
    """Return the tracker's settings that a command line asks for, by default those of a run."""
    words = [word for word in defence.own if _key(word).split(".")[0] == "tracker"]
    return canonical(_composed(defence, [], tracked=words))["tracker"]


def _defended(defence: Defence, there: Sequence[str], undefended: DictConfig) -> DictConfig:
    cfg = _composed(defence, [*there, *defence.overrides])
    for key in ATTACKERS:
        if cfg[key] != undefended[key]:
            raise UserError(
                f"{' '.join(defence.overrides)}: changes {_first(cfg[key], undefended[key], key)}; "
                f"a defence may not touch {', '.join(ATTACKERS[:-1])}"
            )
    return cfg


def _probed(defence: Defence, cfg: DictConfig) -> DictConfig:
    """Return the config of defended runs with the probes that the judge needs of them."""
    if defence.overrides:
        wanted = ["activity", *(["alignment"] if wants_probe(cfg) else [])]
        with open_dict(cfg.probe):
            for probe in wanted:
                if probe not in cfg.probe:
                    cfg.probe[probe] = OmegaConf.load(CONF / "probe" / f"{probe}.yaml")
    return cfg


def _composed(
    defence: Defence, overrides: Sequence[str], *, tracked: Sequence[str] = ("tracker=none",)
) -> DictConfig:
    """Compose a config as `subliminal.train` does, below the judge's own folder.

    Runs are not tracked one by one: the scorecard is, as one run.
    """
    own = [word for word in defence.own if _key(word).split(".")[0] not in ("seed", "tracker")]
    argv = (f"name={NAME}", *tracked, *own, *overrides, _seeds(defence))
    try:
        return copy.deepcopy(_of_words(argv, defence.config_dir))
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(
            f"{one_line(error)} (with {' '.join(overrides) or 'no override'})"
        ) from error


@lru_cache(maxsize=256)  # a battery asks for the same undefended settings again and again
def _of_words(words: tuple[str, ...], config_dir: Path | None) -> DictConfig:
    argv = [*words]
    if config_dir is not None:
        argv.append(f"hydra.searchpath=[file://{config_dir.resolve()}]")
    schema.register()
    sources.register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"), guard.guarded(argv):
        return compose("config", argv)


def _seeds(defence: Defence) -> str:
    given = [word for word in defence.own if word.startswith("seed=")] or ["seed=judge"]
    named = {file.stem for file in (CONF / "seed").glob("*.yaml")}
    return seeds.quote([given[-1]], named=named)[0]


def _clash(plain: DictConfig, undefended: DictConfig, defended: DictConfig) -> str:
    """Name the first key that both the setting and the defence change; empty where none."""
    configs = (canonical(cfg) for cfg in (plain, undefended, defended))
    ours, theirs, both = (_leaves(science(config, "cpu")) for config in configs)
    for key in sorted(ours.keys() | theirs.keys()):
        set_here = ours.get(key) != theirs.get(key)
        if set_here and theirs.get(key) != both.get(key) and not key.startswith("probe."):
            return f"the defence changes {key}, which this setting sets"
    return ""


def _misfit(
    defence: Defence, plain: DictConfig, undefended: DictConfig, defended: DictConfig
) -> str:
    """Name why a defence that is sound elsewhere cannot be tried here; empty: it can, with probes.

    Raises:
        UserError: it cannot be built in the plain setting either.
    """
    try:
        build_experiment(_probed(defence, defended))
    except UserError as error:
        build_experiment(_probed(defence, _composed(defence, defence.overrides)))
        return str(error)
    return _clash(plain, undefended, defended)


def _first(a: object, b: object, where: str) -> str:
    ours, theirs = (
        _leaves(OmegaConf.to_container(c) if OmegaConf.is_config(c) else c) for c in (a, b)
    )
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            return f"{where}.{key}" if key else where
    return where


def _leaves(tree: object, prefix: str = "") -> dict[str, object]:
    if not isinstance(tree, dict):
        return {prefix: tree}
    flat: dict[str, object] = {}
    for key, value in tree.items():
        flat |= _leaves(value, f"{prefix}.{key}" if prefix else str(key))
    return flat


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")
