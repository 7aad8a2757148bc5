"""The settings compose for any defence, which may touch neither teacher, data nor trait."""

from pathlib import Path

import pytest

from subliminal.config.resources import CONF
from subliminal.errors import UserError
from subliminal.judge.battery import Defence, _composed, battery, names, setting
from subliminal.store import condition_hash, teacher_hash


def of(*overrides: str) -> Defence:
    return Defence.of(overrides)


def test_every_setting_composes_and_changes_what_it_says() -> None:
    settings = battery(of("mitigation=liminal"))
    assert [s.name for s in settings][:3] == ["reference", "wide_channel", "two_skills"]
    files = sorted(file.stem for file in (CONF / "threat").glob("*.yaml"))
    assert names() == files
    assert sorted([*(s.name for s in settings), "search"]) == files
    hashes = {condition_hash(s.undefended, "cpu") for s in settings}
    assert len(hashes) == len(settings)
    by_name = {s.name: s for s in settings}
    assert by_name["class_means"].undefended.teacher.steering._target_.endswith("ClassMeans")
    assert by_name["long"].undefended.distill.epochs == 15
    assert by_name["two_skills"].undefended.teacher.task is not None
    assert by_name["adaptive"].attack
    assert by_name["independent"].control
    assert by_name["independent"].defended is None


def test_a_defence_shares_teachers_and_undefended_runs() -> None:
    ours, theirs = (battery(of(f"mitigation={m}"), ["reference"])[0] for m in ("anchor", "liminal"))
    assert ours.defended is not None
    assert theirs.defended is not None
    hashes = {teacher_hash(c, "cpu", 1) for c in (ours.undefended, ours.defended, theirs.defended)}
    assert len(hashes) == 1
    assert condition_hash(ours.undefended, "cpu") == condition_hash(theirs.undefended, "cpu")
    assert condition_hash(ours.defended, "cpu") != condition_hash(theirs.defended, "cpu")


def test_who_needs_the_trait_gradient_gets_its_probe() -> None:
    for name, probes in (
        ("reference", {"activity", "alignment"}),
        ("steered", {"activation_shift", "activity", "alignment"}),
    ):
        (setting,) = battery(of("mitigation=projection"), [name])
        assert setting.defended is not None
        assert set(setting.defended.probe) == probes
        assert "alignment" not in setting.undefended.probe


def test_what_both_change_does_not_fit() -> None:
    (setting,) = battery(of("distill/init=layers", "distill.init.own=[aux]"), ["heads_only"])
    assert setting.defended is None
    assert setting.unfit == "the defence changes distill.init.own, which this setting sets"


def test_a_start_that_a_setting_has_keys_for_does_not_fit_there_alone() -> None:
    fits, clash = battery(of("distill/init=independent"), ["reference", "heads_only"])
    assert fits.defended is not None
    assert clash.defended is None
    assert clash.unfit.startswith("distill.init.own: no such key")
    with pytest.raises(UserError, match="not in struct"):
        battery(of("distill.init.own=[aux]"), ["reference"])


def test_what_is_the_attackers_is_refused_though_it_changes_nothing_in_the_first_setting() -> None:
    with pytest.raises(UserError, match=r"changes model\.aux; a defence may not touch"):
        battery(of("model.aux=3"), ["reference", "wide_channel"])


def test_the_null_teacher_and_the_moments_change_nothing_else() -> None:
    (setting,) = battery(of("mitigation=anchor"), ["reference"])
    assert setting.null is not None
    assert setting.defended is not None
    composed = _composed(of(), ["threat=reference", "teacher/steering=displaced"])
    assert condition_hash(setting.null, "cpu") == condition_hash(composed, "cpu")
    steps = list(setting.undefended.trait.steps)
    assert steps == list(setting.defended.trait.steps) == sorted(set(steps))
    assert steps[0] < 10
    assert steps[-1] == 5 * 59  # the end of the training
    (none,) = battery(of(), ["reference"])  # no defence trains nothing of its own
    assert none.defended is not None
    assert condition_hash(none.defended, "cpu") == condition_hash(none.undefended, "cpu")


def test_the_menu_composes_and_changes_teacher_and_student() -> None:
    (search,) = battery(of("mitigation=anchor"), ["search"])
    assert len(search.menu) > 10
    attacked = [_composed(of(), ["threat=search", *words]) for words in search.menu.values()]
    assert len({condition_hash(cfg, "cpu") for cfg in attacked}) == len(search.menu)
    clash = setting(of("optim.lr=0.01"), "search", search.menu["student_faster"])
    assert clash.unfit == "the defence changes optim.lr, which this setting sets"


@pytest.mark.parametrize(
    ("defence", "only", "message"),
    [
        ("model.aux=4", [], "changes model.aux; a defence may not touch model, teacher, data"),
        ("teacher.epochs=1", [], "changes teacher.epochs"),
        ("data=emnist", [], "changes data"),
        ("trait.per_class=true", [], "changes trait.per_class"),
        ("mitigation=bogus", [], "Could not find 'mitigation/bogus'"),
        (
            "mitigation=liminal",
            ["bogus"],
            "threat=bogus: no such setting; there is adaptive, class_means",
        ),
    ],
)
def test_bad_input_is_one_line(defence: str, only: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as told:
        battery(of(defence), only or ["reference"])
    assert "\n" not in str(told.value)


def test_a_setting_of_ones_own_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "threat").mkdir()
    (tmp_path / "threat" / "short.yaml").write_text(
        "# @package _global_\nthreat:\n  name: short\n  order: 50\n  asks: soon?\n"
        "distill:\n  epochs: 1\n"
    )
    (setting,) = battery(Defence.of(["mitigation=liminal"], tmp_path), ["short"])
    assert setting.undefended.distill.epochs == 1


def test_how_the_judge_works_is_no_part_of_the_defence() -> None:
    defence = of("mitigation=liminal", "seed=3-9", "engine.workers=1")
    assert defence.overrides == ("mitigation=liminal",)
    (setting,) = battery(defence, ["reference"])
    assert setting.undefended.seed.spec == "3-9"
    assert battery(of("mitigation=liminal"), ["reference"])[0].undefended.seed.spec == "9000-9009"
