"""`build` admits what its dataclass admits, and every file in `conf/` and `sweeps/` is admitted."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import small
from omegaconf import DictConfig, OmegaConf

from subliminal.config import build
from subliminal.errors import UserError, one_line
from subliminal.experiment import build_experiment
from subliminal.mitigations.liminal import Liminal
from subliminal.mitigations.projection import Projection
from subliminal.optim.sgd import SGD
from subliminal.resources import CONF, SWEEPS

Compose = Callable[[list[str]], DictConfig]

OPTIONS = sorted(
    path.relative_to(CONF).with_suffix("") for path in CONF.glob("*/**/*.yaml") if path.is_file()
)
SGD_TARGET = "subliminal.optim.sgd.SGD"
GOOD: dict[str, Any] = {"_target_": SGD_TARGET, "lr": 0.5, "momentum": 0.9}
PLURAL = {"mitigation": "mitigations", "model": "models", "probe": "probes", "tracker": "trackers"}


@dataclass(frozen=True)
class NoSchema:
    """A dataclass whose field no config can hold."""

    value: Callable[[], None]


def function() -> None: ...


def refusal(values: object, where: str = "optim") -> str:
    with pytest.raises(UserError) as error:
        build(OmegaConf.create(values), where)  # type: ignore[call-overload]
    message = str(error.value)
    assert len(message.splitlines()) == 1
    assert message.startswith(where)
    return message


# --- build ---


def test_a_node_becomes_the_object_that_it_names() -> None:
    assert build(OmegaConf.create(GOOD), "optim") == SGD(lr=0.5, momentum=0.9)


@pytest.mark.parametrize(("lr", "read"), [(1, 1.0), ("3e-4", 3e-4), (0.25, 0.25)])
def test_values_are_read_as_the_fields_type(lr: object, read: float) -> None:
    built = build(OmegaConf.create({**GOOD, "lr": lr}), "optim")
    assert isinstance(built.lr, float)
    assert built.lr == read


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"learning_rate": 1}, ["optim.learning_rate", "lr, momentum"]),
        ({"lr": None}, ["optim.lr"]),
        ({"lr": "fast"}, ["optim.lr", "'fast'"]),
        ({"lr": [0.1]}, ["optim.lr"]),
        ({"lr": {"value": 0.1}}, ["optim.lr"]),
        ({"lr": 0}, ["optim.lr=0.0", "> 0"]),
        ({"momentum": 1}, ["optim.momentum=1.0", "[0, 1)"]),
        ({"momentum": "???"}, ["optim.momentum"]),
    ],
)
def test_what_no_field_takes_is_refused_in_one_line(
    changed: dict[str, object], told: list[str]
) -> None:
    message = refusal({**GOOD, **changed})
    assert [part for part in told if part not in message] == []


@pytest.mark.parametrize("key", ["lr", "momentum"])
def test_a_missing_key_is_named(key: str) -> None:
    message = refusal({name: value for name, value in GOOD.items() if name != key})
    assert f"optim.{key}: missing" in message
    assert "lr, momentum" in message


@pytest.mark.parametrize("node", [{}, {"lr": 1}, [1, 2]])
def test_a_node_without_a_target_is_refused(node: object) -> None:
    assert "`_target_`" in refusal(node)


@pytest.mark.parametrize("node", [None, 3, "text"])
def test_what_is_no_mapping_is_refused(node: Any) -> None:
    with pytest.raises(UserError, match=r"^optim: a mapping with a `_target_` is needed"):
        build(node, "optim")


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "subprocess.Popen",
        "builtins.eval",
        "subliminality.thing.Thing",  # begins alike, and is another package
        "smaller.Digits",
        "SGD",
        "subliminal",
        "",
    ],
)
def test_a_target_outside_the_package_is_refused(target: str) -> None:
    message = refusal({**GOOD, "_target_": target})
    assert f"optim._target_={target}" in message
    assert "SUBLIMINAL_PLUGINS" in message


def spy(folder: Path, module: str) -> Path:
    """Put a module where it can be imported; it writes the file returned when that happens."""
    trace = folder / "imported"
    (folder / f"{module}.py").write_text(
        "from dataclasses import dataclass\nfrom pathlib import Path\n"
        f"Path({str(trace)!r}).touch()\n@dataclass\nclass Thing:\n    size: int\n"
    )
    return trace


def test_a_target_outside_the_package_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = spy(tmp_path, "stranger")
    monkeypatch.syspath_prepend(tmp_path)
    refusal({"_target_": "stranger.Thing", "size": 3})
    assert not trace.exists()
    assert "stranger" not in sys.modules


@pytest.mark.parametrize("allowed", ["friend", "small,friend", "friend,", "other,friend"])
def test_a_plugin_that_is_allowed_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: str
) -> None:
    trace = spy(tmp_path, "friend")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("SUBLIMINAL_PLUGINS", allowed)
    monkeypatch.delitem(sys.modules, "friend", raising=False)
    assert build(OmegaConf.create({"_target_": "friend.Thing", "size": "3"}), "data").size == 3
    assert trace.exists()
    sys.modules.pop("friend")


@pytest.mark.parametrize("allowed", ["", ",", "friend", "test"])
def test_only_what_is_named_is_allowed(monkeypatch: pytest.MonkeyPatch, allowed: str) -> None:
    node = {"_target_": "small.Digits"}
    assert isinstance(build(OmegaConf.create(node), "data"), small.Digits)
    monkeypatch.setenv("SUBLIMINAL_PLUGINS", allowed)
    refusal(node, "data")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("subliminal.nothing.Thing", "subliminal.nothing"),
        ("subliminal.optim.sgd.Sgd", "Sgd"),
        ("subliminal.optim.sgd.", "sgd"),
        ("subliminal.store.run_dir", "not a dataclass"),
        ("subliminal.engine.os.system", "subliminal.engine.os"),
        ("subliminal.store.os", "not a dataclass"),
        ("subliminal.errors.UserError", "not a dataclass"),
        ("subliminal.metrics.TRAIT_LOSS", "not a dataclass"),
        ("test_config.function", "not a dataclass"),
        ("test_config.NoSchema", "no schema"),
    ],
)
def test_a_target_that_is_no_dataclass_is_refused(
    monkeypatch: pytest.MonkeyPatch, target: str, reason: str
) -> None:
    monkeypatch.setenv("SUBLIMINAL_PLUGINS", "test_config")
    message = refusal({"_target_": target})
    assert reason in message
    assert target in message


# --- conf/ ---


def test_the_groups_of_the_readme_have_files() -> None:
    groups = {option.parent.as_posix() for option in OPTIONS}
    assert groups == {
        *("data", "engine", "mitigation", "model", "optim", "probe", "seed", "teacher", "tracker"),
        *("distill", "distill/init", "distill/inputs", "distill/loss"),
    }


@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_every_option_composes_and_builds(compose: Compose, option: Path) -> None:
    cfg = compose([f"{option.parent.as_posix()}={option.stem}"])
    assert OmegaConf.missing_keys(cfg) == set()
    build_experiment(cfg)


@pytest.mark.parametrize("option", [o.stem for o in OPTIONS if o.parent.name == "optim"])
def test_every_optimizer_can_train_the_teacher(compose: Compose, option: str) -> None:
    cfg = compose([f"optim@teacher.optim={option}"])
    experiment = build_experiment(cfg)
    assert experiment.teacher_optim == build(compose([f"optim={option}"]).optim, "optim")


@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_an_option_names_the_module_of_its_name(option: Path) -> None:
    raw = OmegaConf.load(CONF / option.with_suffix(".yaml"))
    target = raw.get("_target_")
    if target is None:
        # A variant takes the target of another option; the others hold plain values.
        described = {"engine", "seed", "teacher", "distill"}
        plain = option.parent.as_posix() in described or option.name in ("none", "off")
        assert plain or any("@_here_" in str(base) for base in raw.defaults)
        return
    group, *folders = option.parent.parts
    module = ".".join(["subliminal", PLURAL.get(group, group), *folders, option.name])
    if option.as_posix() == "data/mnist":  # there is one data set
        module = "subliminal.data"
    assert target.rpartition(".")[0] == module
    assert is_dataclass(getattr(sys.modules[module], target.rpartition(".")[2]))


def test_mitigations_compose(compose: Compose) -> None:
    liminal, projection = build_experiment(compose(["mitigation=[liminal,projection]"])).mitigations
    assert isinstance(liminal, Liminal)
    assert isinstance(projection, Projection)


@pytest.mark.parametrize(
    ("override", "names"),
    [
        ("mitigation=none", []),
        ("mitigation=critical_period", ["liminal"]),
        ("mitigation=update_projection", ["projection"]),
        ("mitigation=[anchor,gradient_noise,liminal]", ["anchor", "gradient_noise", "liminal"]),
    ],
)
def test_a_mitigation_stands_under_its_name(
    compose: Compose, override: str, names: list[str]
) -> None:
    assert list(compose([override]).mitigation) == names


@pytest.mark.parametrize(
    ("override", "names"),
    [("probe=off", []), ("probe=[alignment,ledger]", ["alignment", "ledger"])],
)
def test_a_probe_stands_under_its_name(compose: Compose, override: str, names: list[str]) -> None:
    assert list(compose([override]).probe) == names


@pytest.mark.parametrize(
    ("variant", "base", "differs"),
    [
        ("mitigation=critical_period", "mitigation=liminal", {"schedule"}),
        ("mitigation=warmup_decay", "mitigation=liminal", {"start"}),
        ("mitigation=update_projection", "mitigation=projection", {"space"}),
        ("optim=adamw", "optim=adam", {"weight_decay"}),
        ("optim=sgd_momentum", "optim=sgd", {"lr", "momentum"}),
    ],
)
def test_a_variant_differs_from_its_base_in_what_it_says(
    compose: Compose, variant: str, base: str, differs: set[str]
) -> None:
    def values(override: str) -> dict[str, Any]:
        node = compose([override])[override.partition("=")[0]]
        return dict(node if "_target_" in node else next(iter(node.values())))

    one, other = values(variant), values(base)
    assert one.keys() == other.keys()
    assert {key for key in one if one[key] != other[key]} == differs


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("distill.epoch=3", ["epoch", "epochs, batch_size, loss, inputs, init"]),
        ("nonsense=1", ["nonsense", "name, outputs, force"]),
        ("distill.epochs=three", ["distill.epochs", "three"]),
        ("distill.epochs=null", ["distill.epochs"]),
        ("force=perhaps", ["force", "perhaps"]),
        ("trait.steps=[1,x]", ["trait.steps", "x"]),
        ("engine.workers=1.5", ["engine.workers", "1.5"]),
        ("mitigation=nope", ["mitigation/nope", "anchor", "liminal", "projection"]),
        ("distill/loss=nope", ["distill/loss/nope", "kl", "mse"]),
        ("sweep=nope", ["sweep/nope", "reference"]),
    ],
)
def test_what_does_not_compose_is_told_in_one_line(
    compose: Compose, override: str, told: list[str]
) -> None:
    with pytest.raises(Exception, match=r".") as error:
        compose([override])
    message = one_line(error.value)
    assert len(message.splitlines()) == 1
    assert [part for part in told if part not in message] == []


# --- sweeps/ ---


def jobs(sweep: Path) -> list[list[str]]:
    """The command lines of a sweep's jobs."""
    params = OmegaConf.load(sweep).hydra.sweeper.params
    choices = [[f"{key}={value}" for value in values.split(",")] for key, values in params.items()]
    return [[f"sweep={sweep.stem}", *job] for job in product(*choices)]


SWEEP_FILES = sorted(SWEEPS.glob("*.yaml"))


@pytest.mark.parametrize("sweep", SWEEP_FILES, ids=lambda path: path.stem)
def test_every_sweep_composes_under_its_own_name(compose: Compose, sweep: Path) -> None:
    cfg = compose([f"sweep={sweep.stem}"])
    assert cfg.name == sweep.stem
    assert OmegaConf.load(sweep).hydra.mode == "MULTIRUN"


@pytest.mark.parametrize(
    "job", [job for sweep in SWEEP_FILES for job in jobs(sweep)], ids=lambda job: " ".join(job)
)
def test_every_job_of_a_sweep_builds(compose: Compose, job: list[str]) -> None:
    cfg = compose(job)
    build_experiment(cfg)
    assert cfg.seed.spec == "0-19"
