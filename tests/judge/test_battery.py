"""The settings compose for any defence, which may touch neither teacher, data nor trait."""

from pathlib import Path
from typing import Any

import pytest

from subliminal.config.resources import CONF
from subliminal.errors import UserError
from subliminal.judge.battery import Defence, battery, names, setting
from subliminal.training.job import Job


def of(*overrides: str) -> Defence:
    return Defence.of(overrides)


def settings_of(override: str, *names: str) -> list[Any]:
    """Settings whose jobs are all there."""
    return battery(of(*override.split()), names)


def test_every_setting_composes_and_changes_what_it_says() -> None:
    settings = battery(of("mitigation=liminal"))
    assert [s.name for s in settings][:3] == ["reference", "wide_channel", "two_skills"]
    files = sorted(file.stem for file in (CONF / "threat").glob("*.yaml"))
    assert names() == files
    assert sorted([*(s.name for s in settings), "search"]) == files
    assert len({s.undefended.identity for s in settings}) == len(settings)
    by_name = {s.name: s for s in settings}
    cfg = {s.name: s.undefended.cfg for s in settings}
    assert cfg["class_means"].teacher.steering["_target_"].endswith("ClassMeans")
    assert cfg["long"].distill.epochs == 15
    assert cfg["two_skills"].teacher.task is not None
    assert by_name["adaptive"].threat.attack
    assert by_name["independent"].threat.control
    assert by_name["independent"].defended is None
    assert by_name["reference"].undefended.seeds == tuple(range(9000, 9030))


def test_a_defence_shares_teachers_and_undefended_runs() -> None:
    ours, theirs = (settings_of(f"mitigation={m}", "reference")[0] for m in ("anchor", "liminal"))
    jobs = (ours.undefended, ours.defended, theirs.defended)
    assert len({one.teacher_hash(1) for one in jobs}) == 1
    assert ours.undefended.identity == theirs.undefended.identity
    assert ours.defended.identity != theirs.defended.identity
    null = of().compose(["threat=reference", "teacher/steering=displaced"])
    assert ours.jobs["undefended_null"].identity == Job(null, "").identity
    assert (
        ours.jobs["defended_null"].cfg.teacher.steering
        == ours.jobs["undefended_null"].cfg.teacher.steering
    )
    assert ours.jobs["defended_null"].cfg.mitigation == ours.defended.cfg.mitigation
    (none,) = settings_of("", "reference")  # no defence trains nothing of its own
    assert none.defended.directory == none.undefended.directory


def test_a_defence_that_needs_the_trait_gradient_gets_its_probe() -> None:
    for one in settings_of("mitigation=projection", "reference", "steered"):
        assert set(one.defended.cfg.probe) == {"activity", "alignment"}
        assert "alignment" not in one.undefended.cfg.probe


def test_what_does_not_fit_a_setting_is_void_there_alone(tmp_path: Path) -> None:
    (setting,) = battery(of("distill/init=layers", "distill.init.own=[aux]"), ["heads_only"])
    assert setting.unfit == "the defence changes distill.init.own, which this setting sets"
    fits, clash = battery(of("distill/init=independent"), ["reference", "heads_only"])
    assert fits.defended is not None
    assert clash.defended is None
    assert clash.unfit.startswith("distill.init.own: no such key")
    (setting,) = battery(of("distill=lora"), ["language_hard"])  # no hidden layers to take
    assert setting.unfit.startswith("distill.model.hidden: Interpolation key 'model.hidden'")
    write_threat(tmp_path, "adapters", "defaults:\n  - override /model: lora\n")
    (setting,) = battery(Defence.of(["mitigation=dp_sgd"], tmp_path), ["adapters"])
    assert setting.unfit.startswith("mitigation=dp_sgd: needs linear layers alone")


def test_the_menu_composes_and_changes_teacher_and_student() -> None:
    (search,) = battery(of("mitigation=anchor"), ["search"])
    menu = search.threat.menu
    assert len(menu) > 10
    attacked = [of().compose(["threat=search", *words]) for words in menu.values()]
    assert len({Job(values, "").identity for values in attacked}) == len(menu)
    clash = setting(of("optim.lr=0.01"), "search", menu["student_faster"])
    assert clash.unfit == "the defence changes optim.lr, which this setting sets"


@pytest.mark.parametrize(
    ("defence", "setting", "message"),
    [
        ("model.aux=4", "reference", "changes model.aux; a defence may not touch model, base, "),
        # It changes nothing in the first setting.
        ("model.aux=3", "wide_channel", r"changes model\.aux; a defence may not touch"),
        ("teacher.epochs=1", "reference", "changes teacher.epochs"),
        ("data=emnist", "reference", "changes data"),
        ("trait.per_class=true", "reference", "changes trait.per_class"),
        ("mitigation=bogus", "reference", "mitigation=bogus: no such option; there is "),
        ("distill.init.own=[aux]", "reference", "distill.init.own: no such key; there is "),
        (
            "mitigation=dp_sgd mitigation.dp_sgd.clip=0",
            "reference",
            r"mitigation\.dp_sgd\.clip=0\.0: a number > 0",
        ),
        ("mitigation=liminal", "bogus", "threat=bogus: no such setting; there is adaptive, class_"),
    ],
)
def test_bad_input_is_one_line(defence: str, setting: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        battery(of(*defence.split()), [setting])
    assert "\n" not in str(caught.value)


def write_threat(folder: Path, name: str, body: str) -> None:
    (folder / "threat").mkdir()
    about = f"threat:\n  name: {name}\n  order: 50\n  asks: why?\n"
    (folder / "threat" / f"{name}.yaml").write_text(f"# @package _global_\n{about}{body}")


def test_a_setting_of_ones_own_is_one_file(tmp_path: Path) -> None:
    write_threat(tmp_path, "short", "distill:\n  epochs: 1\n")
    (setting,) = battery(Defence.of(["mitigation=liminal"], tmp_path), ["short"])
    assert setting.undefended.cfg.distill.epochs == 1


def test_how_the_judge_works_is_no_part_of_the_defence() -> None:
    defence = of("mitigation=liminal", "seed=3-9", "engine.workers=1")
    assert defence.overrides == ("mitigation=liminal",)
    (setting,) = battery(defence, ["reference"])
    assert setting.undefended.seeds == tuple(range(3, 10))
