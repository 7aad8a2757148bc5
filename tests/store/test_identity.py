"""What names a condition: its values, not their spelling, and nothing that changes no number."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import golden_conditions
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf
from resolved import condition_hash, teacher_hash

from subliminal.config.canonical import canonical
from subliminal.config.hashing import AlwaysHashed, NotHashed, Unordered
from subliminal.errors import UserError
from subliminal.store.identity import science

Compose = Callable[[list[str]], DictConfig]

PROJECTION = "mitigation=projection mitigation.projection"
PERTURBED = "probe=perturbed probe.perturbed"
NOT_HASHED = (
    "tracker=none outputs=/elsewhere name=x force=true engine.workers=1 engine.seeds_at_once=4 "
    "data.normalise=unit optim.decoupled_weight_decay=true "
    "optim.decoupled_weight_decay=false seed=5 data.root=/x data.download=false"
)
HASHED = (
    "mitigation=liminal optim.lr=1e-3 probe=off model.aux=4 distill.epochs=6 teacher.epochs=6 "
    "engine.threads=2 engine.precision=high trait.steps=[3] "
    "distill/init=independent data.normalise=mean_std"
)
SAME = [  # a line each: one spelling, and another
    *((word, "") for word in NOT_HASHED.split()),
    ("distill/inputs=fashion distill.inputs.root=/x", "distill/inputs=fashion"),
    ("distill/inputs=fashion distill.inputs.download=false", "distill/inputs=fashion"),
    ("distill.loss.temperature=1", "distill.loss.temperature=1.0"),
    ("distill.loss.temperature='1e0'", "distill.loss.temperature=1"),
    ("optim.lr='1e-3'", "optim.lr=0.001"),
    ("optim.weight_decay=0", ""),
    ("optim.weight_decay=-0.0", ""),
    ("optim.decoupled_weight_decay=false", "optim.decoupled_weight_decay=null"),
    ("optim=adamw", "optim=adamw optim.decoupled_weight_decay='yes'"),
    ("teacher.optim.weight_decay=0", ""),
    ("distill.inputs.fresh=no", ""),
    ("distill.inputs.fresh=0", "distill.inputs.fresh=false"),
    ("model.aux='4'", "model.aux=4"),
    ("distill.frozen=[aux,class]", "distill.frozen=[class,aux,class]"),
    ("teacher.perturb_before.layers=[b,a]", "teacher.perturb_before.layers=[a,b]"),
    ("distill/init=layers distill.init.own=[b,a]", "distill/init=layers distill.init.own=[a,b]"),
    ("trait.steps=[20,10]", "trait.steps=[10,20]"),
    (f"{PROJECTION}.window=[0.0,2.0]", f"{PROJECTION}.window=[0,2]"),
    (f"{PROJECTION}.layers=[b,a]", f"{PROJECTION}.layers=[a,b]"),
    (f"{PERTURBED}.sigmas=[0.2,0]", f"{PERTURBED}.sigmas=[0,0.2]"),
    ("probe=[ledger,alignment]", "probe=[alignment,ledger]"),
    ("mitigation=[liminal,projection]", "mitigation=[projection,liminal]"),  # each at its moment
]
OTHER = [
    *((word, "") for word in HASHED.split()),
    ("mitigation=[projection,gradient_noise]", "mitigation=[gradient_noise,projection]"),
    ("mitigation=[liminal,anchor]", "mitigation=[anchor,liminal]"),
    ("model.hidden=[64,32]", "model.hidden=[32,64]"),
    ("optim.betas=[0.9,0.99]", "optim.betas=[0.99,0.9]"),
]


@dataclass(frozen=True, kw_only=True)
class After:
    """An optimizer with keys that were added after it had its first runs."""

    lr: float
    coupled: bool = False
    layers: Unordered[list[str]]
    shown: NotHashed[int] = 7
    old: AlwaysHashed[float] = 1.0


def with_optim(cfg: DictConfig, **values: object) -> DictConfig:
    other = cfg.copy()
    OmegaConf.set_struct(other, False)
    other.optim = {"_target_": f"{__name__}.After", "lr": 0.1, "layers": [], **values}
    return other


@pytest.mark.parametrize(("one", "other"), SAME)
def test_a_value_has_one_name_however_it_is_spelled(one: str, other: str, compose: Compose) -> None:
    a, b = compose(one.split()), compose(other.split())
    assert condition_hash(a, "cpu") == condition_hash(b, "cpu")
    assert teacher_hash(a, "cpu", 3) == teacher_hash(b, "cpu", 3)


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_what_changes_numbers_is_part_of_the_name(one: str, other: str, compose: Compose) -> None:
    a, b = (condition_hash(compose(words.split()), "cpu") for words in (one, other))
    assert a != b


def test_a_number_has_one_name(compose: Compose) -> None:
    base = compose([])

    @settings(max_examples=10)
    @given(st.floats(min_value=1e-12, max_value=1e12) | st.integers(1, 10**9).map(float))
    def check(number: float) -> None:
        spellings: set[float | str] = {number, repr(number), f"{number:.17e}"}
        if number.is_integer():
            spellings |= {int(number), str(int(number))}
        names = set()
        for spelling in spellings:
            base.optim.lr = spelling
            names.add(condition_hash(base, "cpu"))
        assert len(names) == 1
        base.optim.lr = number * 1.5
        assert condition_hash(base, "cpu") not in names

    check()


def test_a_new_key_with_a_default_names_no_old_run_anew(
    compose: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUBLIMINAL_PLUGINS", __name__)

    def name(**values: object) -> str:
        return condition_hash(with_optim(compose([]), **values), "cpu")

    assert name() == name(coupled=False) == name(coupled="no") == name(shown=8) == name(old=1)
    assert len({name(), name(coupled=True), name(old=2), name(layers=["a"])}) == 4
    assert name(layers=["b", "a", "b"]) == name(layers=["a", "b"])
    plain = canonical(with_optim(compose([])))
    part = science(plain, "cpu")["optim"]
    assert part == {"_target_": f"{__name__}.After", "lr": 0.1, "layers": [], "old": 1.0}


def test_the_canonical_spelling_is_a_fixed_point(compose: Compose) -> None:
    cfg = compose(["mitigation=[projection,gradient_noise]", "optim.weight_decay=0"])
    once = canonical(cfg)
    assert canonical(once) == once
    assert list(once["mitigation"]) == ["projection", "gradient_noise"]
    assert isinstance(once["optim"]["weight_decay"], float)
    assert once["mitigation"]["projection"]["window"] == [0, float("inf")]


def test_a_node_where_none_may_be_is_named_as_it_was_given(compose: Compose) -> None:
    given = canonical(compose([]))
    with pytest.raises(UserError, match=r"trait\._target_: no such key; there is steps"):
        canonical({**given, "trait": {"_target_": "subliminal.models.mlp.MLP"}})


def test_a_golden_record_has_the_hash_of_its_folder() -> None:
    """Written at commit 23a1a67: without the seed, and with fewer keys of the tracker than now."""
    record = json.loads((golden_conditions.FILE.parent / "record.json").read_text(encoding="utf-8"))
    assert condition_hash({**record["config"], "tracker": None}, "cpu") == "6dce521a"
