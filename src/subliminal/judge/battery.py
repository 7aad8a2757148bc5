"""The settings in which a defence is tried, and the conditions that each of them needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from subliminal.config import guard, schema, seeds, sources
from subliminal.config.build import build
from subliminal.config.canonical import canonical
from subliminal.config.resources import CONF
from subliminal.distill.targets import Targets
from subliminal.errors import UserError, one_line
from subliminal.mitigations import Mitigation
from subliminal.store.identity import science
from subliminal.sweep import plan
from subliminal.training.experiment import build_experiment

NAME = "judge"  # the experiments' folder below outputs
# What a defence may not touch: whose trait it is, and what is measured of it.
ATTACKERS = ("model", "teacher", "data", "trait", "threat")
# Of a command line, what says how the judge works, and is no part of a defence.
_OWN = ("seed", "outputs", "engine", "tracker", "name", "force", "resume", "objective")
_UNDEFENDED: tuple[str, ...] = ()
_NULL = ("teacher/steering=displaced",)


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

    @property
    def name(self) -> str:
        """Its overrides, in characters fit for a folder."""
        return plan.condition_name(list(self.overrides)).replace("default", "none")


def names(config_dir: Path | None = None) -> list[str]:
    """Return the names of the settings, ours and those of the user's folder."""
    folders = [CONF, *([config_dir] if config_dir else [])]
    return sorted({file.stem for folder in folders for file in (folder / "threat").glob("*.yaml")})


def battery(defence: Defence, only: Sequence[str] = ()) -> list[Setting]:
    """Compose the settings for a defence, in the order in which they are tried.

    Args:
        defence: what is judged.
        only: names of settings; none: all.

    Raises:
        UserError: an unknown setting, an override that does not compose, a defence that touches the
            teacher, the data or the trait.
    """
    known = names(defence.config_dir)
    for name in only:
        if name not in known:
            raise UserError(f"threat={name}: no such setting; there is {', '.join(known)}")
    settings = [_setting(defence, name) for name in only or known]
    return sorted(settings, key=lambda setting: (setting.order, setting.name))


def _setting(defence: Defence, name: str) -> Setting:
    plain = _composed(defence, [])
    undefended = _composed(defence, [f"threat={name}"])
    threat = undefended.threat
    of_shift = threat.trait != "trait/accuracy"
    defended: DictConfig | None = None
    unfit = ""
    if not threat.control:
        try:
            defended = _defended(defence, name, undefended)
        except _Unfit as error:
            unfit = str(error)
        else:
            unfit = _clash(plain, undefended, defended) or _misfit(defence, defended)
            defended = None if unfit else defended
    return Setting(
        name=threat.name,
        order=threat.order,
        asks=threat.asks,
        trait=threat.trait,
        control=threat.control,
        undefended=undefended,
        null=None if of_shift else _composed(defence, [f"threat={name}", *_NULL]),
        defended=defended,
        unfit=unfit,
    )


class _Unfit(Exception):
    """The defence cannot be composed in one setting."""


def _defended(defence: Defence, name: str, undefended: DictConfig) -> DictConfig:
    cfg = _composed(defence, [f"threat={name}", *defence.overrides])
    for key in ATTACKERS:
        if cfg[key] != undefended[key]:
            raise UserError(
                f"{' '.join(defence.overrides)}: changes {_first(cfg[key], undefended[key], key)}; "
                f"a defence may not touch {', '.join(ATTACKERS[:-1])}"
            )
    if any(m.needs_probe for m in _mitigations(cfg)) and "alignment" not in cfg.probe:
        probes = ",".join([*cfg.probe, "alignment"])
        return _composed(defence, [f"threat={name}", *defence.overrides, f"probe=[{probes}]"])
    return cfg


def needs_trait(cfg: DictConfig) -> bool:
    """Tell whether a config's mitigations or targets take what shows the trait: the aware track."""
    asked: list[Mitigation | Targets] = [*_mitigations(cfg)]
    if cfg.distill.targets is not None:
        asked.append(build(cfg.distill.targets, "distill.targets"))
    return any(one.needs_trait for one in asked)


def track(settings: Sequence[Setting]) -> str:
    """Return the track of a defence: aware, if it takes what shows the trait, else blind."""
    defended = [setting.defended for setting in settings if setting.defended is not None]
    return "aware" if any(map(needs_trait, defended)) else "blind"


def _mitigations(cfg: DictConfig) -> list[Mitigation]:
    return [build(node, f"mitigation.{name}") for name, node in cfg.mitigation.items()]


def _composed(defence: Defence, overrides: Sequence[str]) -> DictConfig:
    """Compose a config as `subliminal.train` does, below the judge's own folder."""
    argv = [f"name={NAME}", "tracker=none", *defence.own, *overrides]
    argv = [word for word in argv if not word.startswith("seed=")] + [_seeds(defence)]
    if defence.config_dir is not None:
        argv.append(f"hydra.searchpath=[file://{defence.config_dir.resolve()}]")
    return _of(tuple(argv), " ".join(overrides))


@lru_cache(maxsize=256)  # settings are the same for all defences
def _of(argv: tuple[str, ...], said: str) -> DictConfig:
    schema.register()
    sources.register()
    GlobalHydra.instance().clear()
    try:
        with (
            initialize_config_dir(str(CONF), version_base="1.3"),
            guard.guarded(argv),
        ):
            return compose("config", list(argv))
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(f"{one_line(error)} (with {said or 'no override'})") from error


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


def _misfit(defence: Defence, defended: DictConfig) -> str:
    """Name why a defence that is sound elsewhere cannot be built here; empty where it can.

    Raises:
        UserError: it cannot be built in the plain setting either.
    """
    try:
        build_experiment(defended)
    except UserError as error:
        build_experiment(_composed(defence, defence.overrides))
        return str(error)
    return ""


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
