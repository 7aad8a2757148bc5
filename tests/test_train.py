"""The command line: bad input ends with one line and status 2 before anything is trained."""

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra._internal.utils import get_args_parser
from hypothesis import given
from hypothesis import strategies as st
from other_users import nobody

from subliminal.config.arguments import arranged
from subliminal.report.read import load
from subliminal.store import inventory
from subliminal.sweep import plan

NAMES = st.text("abc_./", min_size=1, max_size=12)
OVERRIDES = st.lists(
    st.tuples(NAMES, st.text("xyz019.,[]/ '-", max_size=8)),
    max_size=5,
    unique_by=lambda pair: pair[0],
)


def test_a_sweep_file_without_its_mode_is_refused(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    own = tmp_path / "lab" / "sweep" / "own.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("# @package _global_\nhydra: {sweeper: {params: {optim.lr: '0.1,1'}}}\n")
    status, _, err = run("--config-dir=lab", "sweep=own")
    assert (status, err.count("\n")) == (2, 1)
    assert "neither -m nor hydra.mode: MULTIRUN" in err
    assert not (tmp_path / "outputs" / "main").exists()
    assert run("--config-dir=lab", "sweep=own", "-m")[0] == 0
    assert len([*tmp_path.glob("outputs/main/*/*/summary.json")]) == 2


def test_a_good_run_ends_with_its_table_and_its_place(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    status, out, err = run("seed=0-1")
    assert status == 0
    assert "trait accuracy" in out
    assert "n = 2 seeds" in out
    (folder,) = (tmp_path / "outputs" / "main").iterdir()
    assert f"Files: outputs/main/{folder.name}" in err
    status, _, err = run("seed=0-1")
    assert status == 0
    assert "2 of 2 seeds are finished already" in err


FLAGS = st.lists(
    st.sampled_from([("-m",), ("--cfg", "job"), ("-cd", "."), ("--config-name=c",), ("-p", "p")]),
    unique=True,
)
WORDS = st.lists(st.from_regex(r"[~+]?[a-z.]{1,3}=[a-z0-9,-]{0,3}", fullmatch=True))


@given(st.lists(st.booleans(), max_size=20), FLAGS, WORDS)
def test_the_order_of_flags_and_overrides_says_nothing(
    order: list[bool], flags: list[tuple[str, ...]], words: list[str]
) -> None:
    mixed: list[str] = []
    left, overrides = list(flags), list(words)
    for flag_first in order:
        if flag_first and left:
            mixed += left.pop(0)
        elif overrides:
            mixed.append(overrides.pop(0))
    mixed += [*overrides, *(word for flag in left for word in flag)]
    parser = get_args_parser()
    first = parser.parse_args([*(word for flag in flags for word in flag), *words])
    assert parser.parse_args(arranged(mixed)) == first


def test_commas_make_jobs_and_a_table_over_their_conditions(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    status, out, err = run("-m", "mitigation=none,liminal", "seed=0-1,3", "name=both")
    assert status == 0, err
    assert [out.count(f"n = {n} seed") for n in (1, 2)] == [2, 2]
    runs = sorted(path.parent.name for path in (tmp_path / "outputs/both").glob("*/*/summary.json"))
    assert runs == sorted(["seed-0000", "seed-0001", "seed-0003"] * 2)
    table = out[out.index("both: mean [95% CI] over seeds, differences to none") :]
    first = table[: table.index("└")]  # the verdicts follow
    rows = [line.split()[1] for line in first.splitlines() if line.startswith("│")]
    assert rows == ["none", "liminal"]
    assert "python -m subliminal.report outputs/both" in table


def command(*words: str, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


TRAIN = (sys.executable, "-m", "subliminal.train")


@pytest.mark.parametrize("argv", [["--help"], ["--cfg", "job"]])
def test_help_and_config_answer_without_torch(argv: list[str], tmp_path: Path) -> None:
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: print('torch' in sys.modules, file=sys.stderr))\n"
        "from subliminal.commands.train import main\nmain()"
    )
    done = command(sys.executable, "-c", code, *argv, folder=tmp_path)
    assert (done.returncode, done.stderr.split()) == (0, ["False"])
    assert "mitigation" in done.stdout
    assert "_setting" not in done.stdout  # private options


@given(OVERRIDES)
def test_a_conditions_name_is_fit_for_a_folder_and_knows_no_order(
    pairs: list[tuple[str, str]],
) -> None:
    overrides = [f"{key}={value}" for key, value in pairs]
    name = plan.condition_name(overrides)
    assert name
    assert not set(name) & set("/\\ '\"[]@:*?<>|")
    assert plan.condition_name(overrides[::-1]) == name


def test_a_conditions_name_is_its_science() -> None:
    overrides = ["seed=0-19", "mitigation=[liminal,anchor]", "tracker=none", "engine.workers=2"]
    assert (
        plan.condition_name([*overrides, "+optim.lr=0.1"])
        == "mitigation=liminal+anchor,optim.lr=0.1"
    )
    assert plan.condition_name(["seed=3", "outputs=x", "force=true"]) == "default"
    assert plan.condition_name(["data.root=x", "distill.inputs.root=x"]) == "default"
    assert plan.condition_name(["engine.precision=medium"]) == "engine.precision=medium"


def test_a_sweep_tells_its_plan_and_what_failed(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert run("-m", "seed=0-1", "optim.lr=0.01")[0] == 0
    (finished,) = (tmp_path / "outputs/main").glob("*/seed-0001")
    (finished / "summary.json").unlink()

    status, _, err = run("-m", "seed=0-1", "optim.lr=0.01,0.02")
    assert status == 0
    rows = [[cell.strip() for cell in line.split("│")[2:-1]] for line in err.splitlines()]
    assert [row for row in rows if any(row)] == [["1", "1", ""], ["", "", "2"]]
    assert "finished, kept" in err
    assert "interrupted, resume" in err

    status, out, err = run("-m", "seed=0-1", "optim=sgd", "optim.lr=0.1,1e30")
    assert status == 1
    assert out.count("n = 2 seeds") == 1  # the good job's
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert {name for line in errors for name in ("seed-0000", "seed-0001") if name in line} == {
        "seed-0000",
        "seed-0001",
    }
    assert [line for line in errors if "optim.lr=1e+30" not in line] == []
    assert [line for line in errors if "distill/loss is" not in line] == []
    status, _, err = run("-m", "seed=0-1", "optim=sgd", "optim.lr=0.1,1e30")
    assert "failed, tried again" in err


@pytest.mark.parametrize("workers", [1, 2])
def test_results_lie_where_the_command_was_given(run, tmp_path: Path, workers: int) -> None:  # type: ignore[no-untyped-def]
    words = ("-m", "seed=0-1,2-3", "hydra.job.chdir=true", f"engine.workers={workers}")
    status, out, err = run(*words)
    assert status == 0, err
    assert "differences to" not in out  # there is one condition
    runs = [marker.parent.name for marker in tmp_path.rglob("summary.json")]
    assert sorted(runs) == ["seed-0000", "seed-0001", "seed-0002", "seed-0003"]
    assert len(list(tmp_path.glob("outputs/main/*/*/summary.json"))) == 4
    assert Path.cwd() == tmp_path


def test_a_name_may_have_parts_and_flags_stand_anywhere(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    status, out, err = run("seed=0", "-m", "name=a/b", "mitigation=none,liminal")
    assert status == 0, err
    assert "a/b: mean [95% CI]" in out
    assert len(list(inventory.conditions(tmp_path / "outputs"))) == 2
    assert [sweep.name for sweep in load([tmp_path / "outputs"])] == ["a/b"]


def test_a_sweep_over_lists_can_be_told_apart(run) -> None:  # type: ignore[no-untyped-def]
    status, out, err = run("-m", "seed=0", "distill.frozen=[],[layer1],[layer2]")
    assert status == 0, err
    table = out[out.index("differences to") :]
    assert all(f"frozen={name}" in table for name in ("[]", "[layer1]", "[layer2]"))


def test_a_working_folder_that_is_gone_is_one_line(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    done = command("sh", "-c", f'cd "{gone}"; rmdir "{gone}"; exec "$@"', "sh", *TRAIN, "seed=0")
    assert (done.returncode, done.stderr) == (2, "error: the working folder is gone\n")


def test_help_needs_neither_a_home_nor_a_name(tmp_path: Path) -> None:
    done = command(*nobody(), *TRAIN, "--help", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Groups (group=option)" in done.stdout


def test_data_without_a_home_are_one_line(tmp_path: Path) -> None:
    done = command(*nobody(), *TRAIN, f"outputs={tmp_path / 'o'}", folder=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "no home folder" in done.stderr
    assert "data.root=" in done.stderr


@pytest.mark.parametrize("words", [["seed=0"], ["-m", "seed=0"]])
def test_other_libraries_add_no_lines_to_the_output(
    run: Callable[..., tuple[int, str, str]], capfd: pytest.CaptureFixture[str], words: list[str]
) -> None:
    assert run(*words)[0] == 0
    logging.getLogger("torch._subclasses.fake_tensor").info("FakeTensor cache stats:")  # at exit
    assert capfd.readouterr() == ("", "")
    logging.getLogger("subliminal.mine").info("a line of ours")
    assert "a line of ours" in capfd.readouterr().out
