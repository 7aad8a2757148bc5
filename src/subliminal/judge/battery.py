"""Settings in which a defence is tried, and the jobs of each."""

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from subliminal.config import guard, schema, seeds, sources
from subliminal.config.arguments import check_words
from subliminal.config.build import build
from subliminal.config.canonical import Plain, canonical, composed_values, flatten
from subliminal.config.resources import CONF
from subliminal.config.sources import read_yaml
from subliminal.data import PerSeed, number_of_classes
from subliminal.distill import OfDigits
from subliminal.errors import UserError, one_line, there_is
from subliminal.store.identity import science
from subliminal.sweep import plan
from subliminal.training.job import Job

NAME = "judge"  # the experiments' folder below outputs
# Config groups that a defence may not change: the attacker's training, and what is measured.
ATTACKERS = ("model", "base", "teacher", "data", "trait", "threat")
# Config keys of the judge itself: no part of a defence.
_OWN = ("seed", "outputs", "engine", "tracker", "force", "resume")
_DEFENCES = ("distill", "optim", "mitigation", "probe", "pin")  # what a defence may change
SHARED = ("undefended", "undefended_null", "unrelated", "unrelated_null")  # by all defences
PARTS = (*SHARED, "defended", "defended_null")
NULL = CONF / "teacher" / "steering" / "displaced.yaml"  # a teacher that learnt nothing
UNRELATED = CONF / "distill" / "init" / "independent.yaml"  # initial weights of the student's own


@dataclass(frozen=True)
class Setting:
    """One setting of the battery, composed for one defence.

    A part that is called null has a teacher that learnt nothing; unrelated students share no weight
    with their teachers. A control has undefended students alone.
    """

    threat: schema.Threat
    jobs: dict[str, Job]  # to train, by part, in the order of PARTS
    unfit: str = ""  # why no job is defended: the defence does not fit

    @property
    def name(self) -> str:
        """The name of its file in `conf/threat`."""
        return self.threat.name

    @property
    def undefended(self) -> Job:
        """The job without a defence."""
        return self.jobs["undefended"]

    @property
    def defended(self) -> Job | None:
        """The defended job, if the defence fits."""
        return self.jobs.get("defended")

    @property
    def bare(self) -> "Setting":
        """The same without students of unrelated weights, where their share was measured before."""
        kept = {part: job for part, job in self.jobs.items() if not part.startswith("unrelated")}
        return replace(self, jobs=kept)

    def on(self, seeds: tuple[int, ...]) -> "Setting":
        """Return the same setting with these seeds."""
        return replace(self, jobs={p: job.changed(seeds=seeds) for p, job in self.jobs.items()})

    @property
    def pairs(self) -> list[tuple[str, Job, Job]]:
        """The defended parts, and the undefended jobs whose teachers they are given."""
        there = [part for part in self.jobs if part not in SHARED]
        return [(part, self.jobs[part], self.jobs[f"un{part}"]) for part in there]

    @property
    def hashes(self) -> dict[str, str]:
        """The hashes of the jobs' conditions."""
        return {name: job.identity for name, job in self.jobs.items()}


@dataclass(frozen=True)
class Defence:
    """A defence: overrides, as on the command line of `subliminal.train`."""

    overrides: tuple[str, ...]
    own: tuple[str, ...]  # overrides of the judge itself: seeds, folders, engine
    config_dir: Path | None = None

    @classmethod
    def of(cls, argv: Sequence[str], config_dir: Path | None = None) -> "Defence":
        """Split a command line into the defence and the judge's own overrides.

        Raises:
            UserError: an override is of neither, or a group is given twice.
        """
        check_words(argv)
        for word in argv:
            if _group(word) not in (*_DEFENCES, *ATTACKERS, *_OWN):
                allowed = there_is(_group(word), (*_DEFENCES, *_OWN))
                raise UserError(f"{word}: no key of a defence, nor of the judge; {allowed}")
        own = tuple(word for word in argv if _group(word) in _OWN)
        return cls(tuple(w for w in argv if w not in own), own, config_dir)

    def on(self, seeds: str) -> "Defence":
        """Return the same defence with other seeds."""
        return replace(self, own=(*self.own, f"seed={seeds}"))

    @property
    def name(self) -> str:
        """Its overrides as a folder's name."""
        return plan.condition_name(list(self.overrides)).replace("default", "none")

    def compose(
        self, overrides: Sequence[str] = (), *, tracked: Sequence[str] = ("tracker=none",)
    ) -> Plain:
        """Compose overrides with the judge's own seeds, folder and engine.

        Runs have no tracker: the scorecard is tracked as one run.
        """
        own = [word for word in self.own if _group(word) not in ("seed", "tracker")]
        given = [word for word in self.own if _group(word) == "seed"] or ["seed=judge"]
        named = {file.stem for file in (CONF / "seed").glob("*.yaml")}
        seed = seeds.quote([given[-1]], named=named)[0]
        try:
            words = (f"name={NAME}", *tracked, *own, *overrides, seed)
            return copy.deepcopy(_compose(words, self.config_dir))
        except (HydraException, OmegaConfBaseException) as error:
            shown = " ".join(overrides) or "no override"
            raise UserError(f"{one_line(error)} (with {shown})") from error

    def tracker(self) -> Any:
        """Return the settings of the tracker on the command line, by default those of a run."""
        words = [word for word in self.own if _group(word) == "tracker"]
        return canonical(self.compose(tracked=words))["tracker"]


@lru_cache(maxsize=256)  # the undefended settings are the same for all defences
def _compose(words: tuple[str, ...], config_dir: Path | None) -> Plain:
    argv = [*words]
    if config_dir is not None:
        argv.append(f"hydra.searchpath=[file://{config_dir.resolve()}]")
    schema.register()
    sources.register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"), guard.guarded(argv):
        return composed_values(compose("config", argv))


def names(config_dir: Path | None = None, *, search: bool = True) -> list[str]:
    """Return the settings' names, also the user's; without `search` only those without a menu."""
    folders = [CONF, *([config_dir] if config_dir else [])]
    files = [file for folder in folders for file in (folder / "threat").glob("*.yaml")]
    return sorted(
        {f.stem for f in files if search or not OmegaConf.select(read_yaml(f), "threat.menu")}
    )


def battery(defence: Defence, only: Sequence[str] = (), *, search: bool = False) -> list[Setting]:
    """Compose the settings for a defence, in the order in which they are tried.

    Args:
        defence: what is judged.
        only: names of settings; empty: all without a menu.
        search: add the settings with a menu.

    Raises:
        UserError: an unknown setting, an override that does not compose, or a defence that changes
            the teacher, the data or the trait.
    """
    known = names(defence.config_dir)
    for name in only:
        if name not in known:
            raise UserError(f"threat={name}: no such setting; {there_is(name, known)}")
    for overrides in ((), defence.overrides):  # before the settings, which take longer
        defence.compose(overrides)
    searches = set(known) - set(names(defence.config_dir, search=False))
    wanted = [*(only or set(known) - searches), *(searches if search else ())]
    settings = [setting(defence, name) for name in dict.fromkeys(wanted)]
    return _in_one_folder(sorted(settings, key=lambda one: (one.threat.order, one.name)))


def setting(defence: Defence, name: str, more: Sequence[str] = ()) -> Setting:
    """Compose one setting for a defence; `more` are overrides by the attacker.

    Raises:
        UserError: as `battery` does.
    """
    there = (f"threat={name}", *more)
    title = ",".join(there)
    values = defence.compose(there)
    undefended = Job(values, title)
    threat = undefended.cfg.threat
    if threat is None or threat.name != name:
        raise UserError(f"threat={name}: its file needs `threat:` with the file's `name: {name}`")
    jobs, unfit = {"undefended": undefended}, ""
    if not threat.control:
        jobs["unrelated"] = _unrelated(undefended)
        defended, unfit = _defended(defence, there, undefended)
        if defended is not None:
            jobs["defended"] = defended
    jobs |= {f"{part}_null": _untaught(job) for part, job in jobs.items()}
    ordered = {part: jobs[part] for part in PARTS if part in jobs}
    return _in_one_folder([Setting(threat, ordered, unfit)])[0]


def _untaught(job: Job) -> Job:
    """Return the same job with a teacher that learnt nothing, or of a language, loves nothing."""
    config = copy.deepcopy(job.config)
    if isinstance(job.experiment.data, PerSeed):
        config["teacher"]["task"]["answers"] = "uniform"
        return Job(config, f"{job.condition},teacher.task.answers=uniform")
    config["teacher"]["steering"] = _load(NULL)
    return Job(config, f"{job.condition},teacher.steering=displaced")


def _unrelated(job: Job) -> Job:
    """Return the same job with students whose initial weights are their own."""
    config = copy.deepcopy(job.config)
    config["distill"]["init"] = _load(UNRELATED)
    return Job(config, f"{job.condition},distill.init=independent")


def blind(job: Job, teachers: Path) -> Job:
    """Return a defended job whose training is given nothing of the trait but the teachers' weights.

    What it measures is unknown to it too: its runs are measured by the judge alone.

    Args:
        job: with all that it takes.
        teachers: folder of each seed's teacher.

    Raises:
        UserError: pixels are scaled by what only the digits tell.
    """
    data, config = job.experiment.data, copy.deepcopy(job.config)
    if config["data"].get("normalise", "unit") != "unit":
        raise UserError("data.normalise: a blind defence is tried on digits in [-1, 1] alone")
    kind = "WithheldTexts" if isinstance(data, PerSeed) else "Withheld"
    config["data"] = {
        "_target_": f"subliminal.data.withheld.{kind}",
        "classes": number_of_classes(data),
        "pixels": data.pixels,
        "train_size": data.train_size,
        "teachers": str(teachers.resolve()),
        "of": config["data"],
        "images": isinstance(job.experiment.inputs, OfDigits),
    }
    config["probe"] = {key: probe for key, probe in config["probe"].items() if key == "activity"}
    config["name"] = f"{NAME}-blind"
    return Job(config, job.condition).changed(seeds=job.seeds)


def _in_one_folder(settings: Sequence[Setting]) -> list[Setting]:
    """Give jobs of one condition one folder, even if settings name it differently."""
    shared = iter(plan.in_one_folder(job for one in settings for job in one.jobs.values()))
    return [replace(one, jobs={name: next(shared) for name in one.jobs}) for one in settings]


def _defended(defence: Defence, there: Sequence[str], undefended: Job) -> tuple[Job | None, str]:
    """Compose a defence in a setting; return its job, or None and why it cannot be tried there.

    Raises:
        UserError: it changes a group of the attacker, or builds in no setting.
    """
    attackers = defence.compose(there)
    try:
        values = defence.compose([*there, *defence.overrides])
        job = Job(_probed(defence, values), ",".join([*there, defence.name]))
    except UserError as error:
        Job(_probed(defence, defence.compose(defence.overrides)), defence.name)
        return None, str(error)
    for group in ATTACKERS:
        ours, theirs = _leaves(values[group], group), _leaves(attackers[group], group)
        if ours != theirs:
            differ = [key for key in ours | theirs if ours.get(key) != theirs.get(key)]
            raise UserError(
                f"{' '.join(defence.overrides)}: changes {min(differ)}; "
                f"a defence may not touch {', '.join(ATTACKERS[:-1])}"
            )
    configs = (canonical(defence.compose()), undefended.config, job.config)
    plain, here, both = (_leaves(science(config, "cpu")) for config in configs)
    for key in sorted(plain.keys() | here.keys()):
        set_here = plain.get(key) != here.get(key)
        if set_here and here.get(key) != both.get(key) and not key.startswith("probe."):
            return None, f"the defence changes {key}, which this setting sets"
    return job, ""


def _probed(defence: Defence, values: Plain) -> Plain:
    """Return a config with the probes that the judge needs in defended runs."""
    if not defence.overrides:
        return values
    built = [build(node, f"mitigation.{name}") for name, node in values["mitigation"].items()]
    wanted = ["activity", *(["alignment"] if any(one.needs_probe for one in built) else [])]
    missing = [probe for probe in wanted if probe not in values["probe"]]
    probes = {probe: _load(CONF / "probe" / f"{probe}.yaml") for probe in missing}
    return {**values, "probe": {**values["probe"], **probes}}


def _load(path: Path) -> Any:
    return OmegaConf.to_container(OmegaConf.load(path))


def _leaves(tree: Any, prefix: str = "") -> Plain:
    """Return the leaves of nested mappings by dotted key, without empty mappings."""
    return {key: value for key, value in flatten(tree, prefix).items() if value != {}}


def _group(word: str) -> str:
    """Return the config group that an override names."""
    return re.split("[=./@]", word.lstrip("+~"))[0]
