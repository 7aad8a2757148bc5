"""A wrong value ends with one line that names its key and what is allowed, before any training."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import small
import torch
from omegaconf import DictConfig, OmegaConf
from resolved import composed, experiment_of, train_config

from subliminal.errors import UserError
from subliminal.optim.adam import Adam
from subliminal.optim.sgd import SGD
from subliminal.sweep.console import Console
from subliminal.training import experiment
from subliminal.training.experiment import choose_device

Compose = Callable[[list[str]], DictConfig]

# Overrides, and the parts of the message: the key with its value, and what is allowed.
# tests/config/test_ranges.py has the ranges of options.
BAD = [
    ("name=../../x", "name=../../x", "a folder below outputs"),
    ("name=/absolute", "name=/absolute", "a folder below outputs"),
    ("teacher.epochs=0", "teacher.epochs=0", "at least 1"),
    ("teacher.batch_size=0", "teacher.batch_size=0", "at least 1"),
    ("teacher.batch_size=321", "teacher.batch_size=321", "320, the number of training digits"),
    ("distill.batch_size=0", "distill.batch_size=0", "at least 1"),
    ("distill.batch_size=321", "distill.batch_size=321", "320, the number of distillation inputs"),
    ("distill.inputs.size=63", "distill.batch_size=64", "between 1 and 63"),
    ("engine.device=gpu", "engine.device=gpu", "auto, cpu, cuda, mps"),
    ("engine.precision=low", "engine.precision=low", "highest, high, medium"),
    ("engine.seeds_at_once=0", "engine.seeds_at_once=0", "at least 1"),
    ("engine.workers=0", "engine.workers=0", "at least 1"),
    ("engine.threads=0", "engine.threads=0", "at least 1"),
    ("teacher.optim.weight_decay=0.1", "teacher.optim.weight_decay=0.1", "torch.optim.AdamW"),
    ("distill.loss.logits=none", "distill.loss.logits=none", "aux, class, all"),
    ("distill.loss.logits=numbers", "distill.loss.logits=numbers", "experiment=language alone"),
    ("distill.perturb_before.sigma=-1", "distill.perturb_before.sigma=-1.0", "≥ 0"),
    ("distill.frozen=[layer9]", "distill.frozen", "no 'layer9'; there is layer1.weight"),
    ("teacher.frozen=[layer1,layer2,layer3]", "teacher.frozen", "at least one layer"),
    ("trait.steps=[-1]", "trait.steps=[-1]", "≥ 0"),
    ("trait.steps=[4,-2,3]", "trait.steps=[-2, 3, 4]", "≥ 0"),
]
BAD_OPTIONS = [
    (
        "distill/targets=filtered distill.targets.drop=0.9",
        "distill.targets: leaves 32 of 320",
        "64",
    ),
    ("distill=swapped_logits distill/targets=divergence", "distill.targets", "distill/loss"),
    ("probe=attribution distill.inputs.fresh=true", "distill.inputs.fresh=true", "fixed inputs"),
    ("probe=attribution probe.attribution.moments=[]", "probe.attribution.moments=[]", "≥ 0"),
    ("+foo=1", "foo", "there is name, outputs"),
    ("+distill.epoch=3", "distill.epoch", "there is epochs, batch_size"),
    ("+optim.speed=1", "optim.speed", "lr, betas, eps, weight_decay, decoupled"),
    ("+model.depth=1", "model.depth", "hidden, aux"),
    ("+distill.loss.power=1", "distill.loss.power", "logits, temperature"),
    ("+teacher.optim.speed=1", "teacher.optim.speed", "lr, betas"),
    ("optim.lr=fast", "optim.lr", "fast"),
    ("model.aux=3.5", "model.aux", "3.5"),
    ("model.hidden=wide", "model.hidden", "list"),
    ("distill.inputs.fresh=often", "distill.inputs.fresh", "often"),
    ("+mitigation.extra=3", "mitigation.extra", "_target_"),
    ("+probe.extra={_target_:os.system}", "probe.extra._target_", "os.system"),
    ("distill/loss=swapped_logits", "distill.loss", "distill/inputs=mnist"),
]


def refusal(cfg: DictConfig, *parts: str) -> str:
    """Return the one line that refuses a config; it has all `parts`."""
    with pytest.raises(UserError) as error:
        experiment_of(cfg)
    message = str(error.value)
    assert len(message.splitlines()) == 1
    assert [part for part in parts if part not in message] == []
    return message


def devices(monkeypatch: pytest.MonkeyPatch, *there: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in there)
    monkeypatch.setattr(torch.mps, "is_available", lambda: "mps" in there)


@cache  # Hydra takes longer to compose a config than all that is tested here
def small_config() -> DictConfig:
    return composed(*small.OVERRIDES)


def changed(override: str) -> DictConfig:
    """Return the small config with one value changed."""
    merged = OmegaConf.merge(small_config(), OmegaConf.from_dotlist([override]))
    assert isinstance(merged, DictConfig)
    return merged


@pytest.mark.parametrize(("override", "key", "allowed"), BAD)
def test_a_value_out_of_range_is_refused(override: str, key: str, allowed: str) -> None:
    refusal(changed(override), key, allowed)


@pytest.mark.parametrize(("line", "key", "allowed"), BAD_OPTIONS)
def test_an_options_own_keys_are_checked(
    compose: Compose, line: str, key: str, allowed: str
) -> None:
    refusal(compose([*small.OVERRIDES, *line.split()]), key, allowed)


@pytest.mark.parametrize(
    "mitigation", ["projection", "update_projection", "random_projection", "gradient_noise"]
)
@pytest.mark.parametrize("probe", ["off", "displacement"])
def test_a_mitigation_that_needs_the_probe_is_refused_without(
    compose: Compose, mitigation: str, probe: str
) -> None:
    cfg = compose([*small.OVERRIDES, f"mitigation={mitigation}", f"probe={probe}"])
    refusal(cfg, f"mitigation={mitigation.removeprefix('update_')}", "probe=alignment")


@pytest.mark.parametrize(
    "overrides",
    [
        ["mitigation=liminal", "probe=off"],
        ["mitigation=anchor", "probe=off"],
        ["mitigation=projection", "mitigation.projection.batch=independent", "probe=off"],
        ["mitigation=projection", "mitigation.projection.batch=full", "probe=off"],
        ["mitigation=projection", "probe=[displacement,alignment]"],
        ["distill.batch_size=320", "teacher.batch_size=320"],
        ["distill.batch_size=1", "teacher.batch_size=1"],
        ["trait.steps=[0]"],
        ["distill.epochs=1", "teacher.epochs=1"],
        ["model.aux=1", "distill/loss=mse", "model.hidden=[1]"],
        ["model.aux=2"],
        ["engine.seeds_at_once=null", "engine.workers=null"],
        ["engine.seeds_at_once=1", "engine.workers=1", "engine.threads=1"],
    ],
)
def test_what_is_just_allowed_builds(compose: Compose, overrides: list[str]) -> None:
    experiment_of(compose([*small.OVERRIDES, *overrides]))


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("model.aux=1", "distill.loss.logits=aux: the softmax of 1 logit"),
        ("distill/loss=standardised_kl model.aux=1", "distill.loss.logits=aux: the softmax of 1"),
        ("distill/loss=standardised_kl model.aux=2", "distill.loss.logits=aux: the softmax of 2"),
        (
            "mitigation=liminal mitigation.liminal.logits=aux distill/loss=mse model.aux=1",
            "mitigation.liminal.logits=aux: the softmax of 1 logit",
        ),
    ],
)
def test_a_softmax_of_too_few_logits_is_refused(compose: Compose, line: str, named: str) -> None:
    assert refusal(compose(small.overrides(line)), "model.aux=").startswith(named)


@pytest.mark.parametrize("override", ["distill.epochs=0", "model.aux=0", "engine.device=gpu"])
def test_a_wrong_job_writes_nothing(compose: Compose, tmp_path: Path, override: str) -> None:
    outputs = tmp_path / "outputs"
    with pytest.raises(UserError):
        train_config(compose([*small.OVERRIDES, f"outputs={outputs}", override]), "c", Console())
    assert not outputs.exists()


def test_the_experiment_holds_what_the_config_says(compose: Compose) -> None:
    built = experiment_of(compose([*small.OVERRIDES, "optim=sgd", "tracker=none"]))
    assert built.data == small.Digits()
    assert built.optim == SGD(lr=0.1, momentum=0.0)
    assert isinstance(built.teacher_optim, Adam)
    assert built.network.layout.shapes["layer1.weight"] == (12, 20)
    assert built.network.layout.shapes["layer3.weight"] == (13, 8)
    assert built.tracker is None
    assert built.mitigations == ()
    assert [type(probe).__name__ for probe in built.probes] == ["Alignment"]


@pytest.mark.parametrize(
    ("there", "chosen"),
    [((), "cpu"), (("cuda",), "cuda"), (("mps",), "mps"), (("cuda", "mps"), "cuda")],
)
def test_auto_takes_the_best_device_that_is_there(
    monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...], chosen: str
) -> None:
    devices(monkeypatch, *there)
    assert choose_device("auto") == torch.device(chosen)
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "there", "has"),
    [("cuda", (), "cpu"), ("mps", (), "cpu"), ("mps", ("cuda",), "cpu, cuda")],
)
def test_a_device_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, there: tuple[str, ...], has: str
) -> None:
    devices(monkeypatch, *there)
    with pytest.raises(UserError) as error:
        choose_device(name)
    assert str(error.value) == f"engine.device={name}: this machine has none; it has {has}"


def test_auto_works_on_this_machine() -> None:
    torch.zeros(1, device=choose_device("auto"))


def test_the_device_is_asked_for_first(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(experiment, "build", lambda *_: pytest.fail("something was built"))
    refusal(compose([*small.OVERRIDES, "engine.device=gpu"]), "engine.device")
