"""Objects from configs: what is refused, and that every option in `conf/` composes and builds."""

import copy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from golden_conditions import GOLDEN, SWEEPS, hashes
from hydra._internal.core_plugins.structured_config_source import StructuredConfigSource
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf
from resolved import experiment_of

from subliminal.config import schema
from subliminal.config.build import build
from subliminal.config.resources import CONF
from subliminal.errors import UserError

Compose = Callable[[list[str]], DictConfig]
OPTIONS = sorted(CONF.rglob("*/*.yaml"))
PLURAL = {"mitigation": "mitigations", "probe": "probes", "model": "models", "tracker": "trackers"}
NEEDED = {
    "model=module": ["model.target=torch.nn.Flatten"],
    "distill/loss=swapped_logits": ["distill/inputs=mnist"],  # labels
    "probe=skill": ["model.aux=10"],  # one for each class
    "teacher=two_skills": ["model.aux=10"],
    "teacher/task=two_skills": ["model.aux=10"],
}
OF_LANGUAGE = (
    *("base=language", "data=language", "model=gpt", "teacher=lessons", "teacher/task=lessons"),
    *("distill=language", "distill=language_lora", "distill/inputs=numbers", "distill/loss=tokens"),
)
NEEDED |= {line: ["experiment=language"] for line in OF_LANGUAGE}
SGD = "subliminal.optim.sgd.SGD"


NESTED = {"teacher/steering": "steering", "teacher/task": "tasks"}  # teacher.py is no package


def option(path: Path) -> str:
    group, name = path.parent.relative_to(CONF).as_posix(), path.stem
    # A folder of variants is part of the option's name, not a group of its own.
    return f"optim=matched/{name}" if group == "optim/matched" else f"{group}={name}"


# What configures Hydra is composed in tests/launchers, what needs a finished run in tests/steering,
# own images in tests/data, pre-trained models in tests/models.
ELSEWHERE = {"teacher=run", "teacher/steering=run", "data=arrays"}
ELSEWHERE |= {"experiment=transformers", "model=transformers", "data=text"}
LINES = {name for path in OPTIONS if not (name := option(path)).startswith("hydra/")} - ELSEWHERE


@pytest.mark.parametrize("line", sorted(LINES | GOLDEN.keys() | SWEEPS))
def test_every_option_builds_and_is_named_as_ever(line: str, compose: Compose) -> None:
    cfg = compose([*line.split(), *NEEDED.get(line, [])])
    experiment_of(cfg)
    if line in SWEEPS and "/_" not in line:
        assert cfg.name == line.removeprefix("sweep=")
    if line in GOLDEN:
        assert hashes(compose(line.split()) if line in NEEDED else cfg) == GOLDEN[line]


@pytest.mark.parametrize("path", OPTIONS, ids=option)
def test_an_option_is_implemented_where_its_path_says(path: Path) -> None:
    node = OmegaConf.load(path)
    assert isinstance(node, DictConfig)
    if "_target_" not in node or option(path).startswith("hydra/"):  # Hydra wants it elsewhere
        return
    group = path.parent.relative_to(CONF).as_posix()
    first, *rest = f"{NESTED.get(group, group)}/{path.stem}".split("/")
    module = ".".join(["subliminal", PLURAL.get(first, first), *rest])
    assert node["_target_"].rpartition(".")[0] == module


def test_values_may_refer_to_others(compose: Compose) -> None:
    experiment = experiment_of(compose(["optim.lr=${teacher.optim.lr}", "teacher.optim.lr=0.7"]))
    assert experiment.optim == experiment.teacher_optim


def test_any_two_mitigations_compose(compose: Compose) -> None:
    cfg = compose(["mitigation=[liminal,projection,anchor]"])
    names = [type(mitigation).__name__ for mitigation in experiment_of(cfg).mitigations]
    assert names == ["Liminal", "Projection", "Anchor"]


@pytest.mark.parametrize(
    ("node", "told"),
    [
        ({"lr": 0.1}, "x: a mapping with a `_target_` is needed"),
        ({"_target_": SGD, "lr": 0.1, "momentum": 0.0, "speed": 1}, "x.speed: no such key"),
        ({"_target_": SGD, "lr": 0.1}, "x.momentum: missing"),
        ({"_target_": SGD, "lr": "fast", "momentum": 0.0}, "x.lr=fast: "),
        ({"_target_": SGD, "lr": 0.0, "momentum": 0.0}, "x.lr=0.0: a number > 0"),
        ({"_target_": "subliminal.optim.sgd.Adam"}, "has no attribute 'Adam'"),
        ({"_target_": "subliminal.nothing.At"}, "No module named"),
        ({"_target_": "subliminal.tensors.streams.stream"}, "not a dataclass"),
        ({"_target_": "os.system"}, "only objects of subliminal"),
        ({"_target_": "subliminal_evil.Run"}, "only objects of subliminal"),
    ],
)
def test_a_bad_node_is_refused_in_one_line(node: dict[str, object], told: str) -> None:
    with pytest.raises(UserError) as error:
        build(OmegaConf.create(node), "x")
    assert told in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_module_that_is_not_allowed_is_not_even_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stranger.py").write_text(
        "from dataclasses import dataclass\nfrom pathlib import Path\n"
        f"Path({str(tmp_path / 'ran')!r}).touch()\n@dataclass\nclass Thing:\n    x: int = 1\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    node = OmegaConf.create({"_target_": "stranger.Thing"})
    with pytest.raises(UserError, match="allow a module with SUBLIMINAL_PLUGINS"):
        build(node, "x")
    assert not (tmp_path / "ran").exists()
    monkeypatch.setenv("SUBLIMINAL_PLUGINS", "stranger")
    assert build(node, "x").x == 1
    sys.modules.pop("stranger")


def test_the_store_of_configs_is_copied_by_none_and_changed_by_none() -> None:
    schema.register()
    store = ConfigStore.instance()
    copied = copy.deepcopy(StructuredConfigSource("subliminal", "structured://"))
    assert copied.store is store  # what makes `--help` quick
    loaded = copied.load_config("schema").config
    OmegaConf.update(loaded, "teacher.epochs", 99)
    teacher = OmegaConf.select(copied.load_config("schema").config, "teacher")
    assert OmegaConf.is_missing(teacher, "epochs")
