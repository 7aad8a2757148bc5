"""Jobs that are composed together are those that Hydra composes one by one, to the last node."""

import copy
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
from golden_conditions import GOLDEN, SWEEPS, hashes
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.types import RunMode
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, ListConfig, Node, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from resolved import experiment_of

from subliminal.config import guard, seeds
from subliminal.errors import UserError, one_line
from subliminal.sweep import grid
from subliminal.sweep.compose import composer

Compose = Callable[[list[str]], DictConfig]
# Two choices of one kind, or a value of each spelling; and what is wrong.
CHOICES = (
    "mitigation=none,liminal,critical_period",
    "mitigation=[liminal,projection],[projection,liminal],[]",
    "probe=alignment,off,ledger",
    "probe=[alignment,ledger],alignment",
    "optim=sgd,matched/adam",
    "optim=adam,nowhere",
    "optim@teacher.optim=adam,sgd",
    "distill=aux_kl,lora",
    "distill/loss=kl,mse,swapped_logits",
    "distill/inputs=uniform,normal,mnist",
    "distill/init@teacher.init=shared,independent",
    "teacher=classifier,steered",
    "+teacher/steering=random",
    "tracker=none,wandb",
    "~tracker",
    "tracker=null",
    "model=mlp,cnn",
    "seed=0,1-3,paper",
    "seed=7",
    "data=mnist,fashion",
    "engine=auto",
    "model@distill.model=mlp,cnn",
)
VALUES = (
    "optim.lr=0.1,1e-3,'2'",
    "optim.lr=fast",
    "optim.nothing=1,2",
    "optim={lr:0.5}",
    "model.hidden=[3],[4,5],[]",
    "distill.frozen=[],[layer1]",
    "distill.loss.temperature=1,1.0,${optim.lr}",
    "teacher.epochs=1,1.5",
    "+mitigation.liminal.extra=1,2",
    "+mitigation.mine._target_=small.Mine",
    "+nothing=1",
    "~trait.steps",
    "~resume",
    "name=a,'b c'",
    "name=null",
    "force=true,no",
    "outputs=here,there",
    "trait.steps=[0],[1,2]",
    "++trait.per_class=true,false",
    "objective=[distill/loss],[trait/accuracy]",
    "engine.workers=null,3",
)


@pytest.fixture
def loader(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> ConfigLoader:
    """Hydra's loader, which composes the same words of one sweep once, as that takes 0.1 s."""
    loader = GlobalHydra.instance().config_loader()
    by_itself = loader.load_sweep_config
    found: dict[tuple[object, ...], tuple[DictConfig, DictConfig]] = {}

    def once(config: DictConfig, words: list[str]) -> DictConfig:
        key = (id(config), *words)
        if key not in found:
            found[key] = config, by_itself(config, words)
        return copy.deepcopy(found[key][1])

    monkeypatch.setattr(loader, "load_sweep_config", once)
    return loader


def sweep(loader: ConfigLoader, *overrides: str) -> tuple[Compose, DictConfig, list[list[str]]]:
    """What composes a sweep's jobs, the sweep's own config, and the overrides of its jobs."""
    words = seeds.quote(list(overrides), named={"paper"})
    config = loader.load_configuration("config", words, run_mode=RunMode.MULTIRUN)
    parse = OverridesParser.create(loader).parse_overrides
    given = [*grid.words_of(config.hydra.sweeper.params), *config.hydra.overrides.task]
    jobs = grid.jobs(given, grid.grids_of(config.hydra.sweeper.get("grids")), parse)
    return composer(loader, config, parse), config, jobs


def by_hydra(loader: ConfigLoader, config: DictConfig, job: Sequence[str]) -> DictConfig:
    cfg = loader.load_sweep_config(config, list(job))
    return OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])


def anatomy(node: Node | None) -> Any:
    """A config's keys in order, values and types, all that decides what may be set in it."""
    assert node is not None
    meta = vars(node._metadata) | {"key": None, "resolver_cache": None}
    if isinstance(node, DictConfig | ListConfig) and not (node._is_none() or node._is_missing()):
        keys = list(node.keys()) if isinstance(node, DictConfig) else range(len(node))
        below: Any = [(key, anatomy(node._get_node(key))) for key in keys]  # type: ignore[arg-type]
    else:
        below = node._value()
    return type(node), meta, below


def outcome(compose: Callable[[], DictConfig]) -> Any:
    try:
        return anatomy(compose())
    except (HydraException, OmegaConfBaseException, UserError, ValueError) as error:
        return type(error), one_line(error)


@pytest.mark.parametrize("line", sorted(SWEEPS - {"sweep=frontier"}))  # which is a search
def test_every_sweep_builds_is_named_as_ever_and_its_jobs_are_hydras(
    loader: ConfigLoader, line: str
) -> None:
    compose, config, jobs = sweep(loader, line)
    own = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    if "/_" not in line:
        assert own.name == line.removeprefix("sweep=")
    experiment_of(own)
    if line in GOLDEN:
        assert hashes(own) == GOLDEN[line]
    assert jobs
    # The last job, and the first if it is of other keys.
    ends = {tuple(word.partition("=")[0] for word in job): job for job in (jobs[0], jobs[-1])}
    for job in ends.values():
        assert anatomy(compose(job)) == anatomy(by_hydra(loader, config, job))


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(CHOICES), max_size=3, unique=True),
    st.lists(st.sampled_from(VALUES), max_size=3, unique=True),
    st.randoms(use_true_random=False),
)
@example(["distill=aux_kl,lora"], ["force=true,no"], Random(0))
@example(["model=mlp,cnn"], ["optim={lr:0.5}", "optim.lr=0.1,1e-3,'2'"], Random(0))
def test_any_jobs_are_hydras(
    loader: ConfigLoader, choices: list[str], values: list[str], random: Random
) -> None:
    words = choices + values
    random.shuffle(words)
    try:
        compose, config, jobs = sweep(loader, *words)
    except (HydraException, OmegaConfBaseException, UserError, ValueError):
        return  # the sweep itself is refused, before its jobs are looked at
    for job in random.sample(jobs, min(4, len(jobs))):
        one = outcome(lambda job=job: by_hydra(loader, config, job))  # type: ignore[misc]
        assert outcome(lambda job=job: compose(job)) == one, job  # type: ignore[misc]


def test_hydra_composes_once_for_each_set_of_choices(
    loader: ConfigLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["mitigation=none,liminal,projection", "optim.lr=0.1,0.2,0.3", "seed=range(0,5)"]
    compose, _, jobs = sweep(loader, *words, "trait.per_class=true,false")
    assert len(jobs) == 90
    composed = []
    by_itself = loader.load_sweep_config

    def counted(config: DictConfig, words: list[str]) -> DictConfig:
        composed.append(words)
        return by_itself(config, words)

    monkeypatch.setattr(loader, "load_sweep_config", counted)
    assert len({OmegaConf.to_yaml(compose(job)) for job in jobs}) == 90
    choices = ("none", "liminal", "projection")
    assert composed == [[f"mitigation={choice}"] for choice in choices]


def test_every_composed_config_is_guarded(
    loader: ConfigLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    compose, _, jobs = sweep(loader, "teacher=steered,two_skills", "optim.lr=1,2")
    seen = []
    with guard.guarded([]):
        monkeypatch.setattr(guard, "check", lambda cfg, given: seen.append("hydra" in cfg))
        for job in jobs:
            compose(job)
    assert seen == [True, True]  # of each teacher
