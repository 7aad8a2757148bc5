"""A config file from a stranger runs no code, writes nowhere else and learns no secret."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import small
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from subliminal.commands.train import main
from subliminal.config import guard
from subliminal.config.guard import guarded
from subliminal.config.schema import register
from subliminal.errors import UserError
from subliminal.judge.__main__ import main as judge

TOUCH = "{_target_: builtins.open, file: touched, mode: w}"
KEY = "0123456789abcdef" * 2 + "01234567"


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    GlobalHydra.instance().clear()
    os.environ.pop("HYDRA_FULL_ERROR", None)
    monkeypatch.setattr(sys, "argv", ["train", *words])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.fixture
def strange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep file, still to be written."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    path = tmp_path / "lab" / "sweep" / "strange.yaml"
    path.parent.mkdir(parents=True)
    return path


WORDS = ("--config-dir", "lab", "sweep=strange", *small.OVERRIDES, "engine.workers=1")
MULTIRUN = ("-m", *WORDS)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (f"hydra: {{callbacks: {{x: {TOUCH}}}}}", "hydra.callbacks.x._target_=builtins.open"),
        (f"hydra: {{launcher: {TOUCH}}}", "hydra.launcher"),
        (f"hydra: {{sweeper: {TOUCH}}}", "hydra.sweeper"),
        (
            "hydra: {job_logging: {handlers: {console: {(): builtins.open, file: touched}}}}",
            "hydra.job_logging.handlers.console.()=builtins.open",
        ),
        ("hydra: {run: {dir: ../above}, sweep: {dir: ../above}}", ".dir=../above: a config file"),
        ("outputs: /nowhere", "outputs=/nowhere: a config file may name a folder below"),
        ("outputs: ~/x", "outputs=~/x"),
        ("data: {root: /nowhere}", "data.root=/nowhere: a config file may name a folder below"),
        ("trait: {steps: '${oc.env:WANDB_API_KEY}'}", "WANDB_API_KEY: configs are kept in files"),
    ],
)
def test_what_no_file_may_set(
    content: str,
    told: str,
    strange: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    strange.write_text(f"# @package _global_\n{content}\n", encoding="utf-8")
    jobs = "launcher" in content or "sweeper" in content
    assert command(monkeypatch, *(MULTIRUN if jobs else WORDS)) == 2
    said = capfd.readouterr().err.strip()
    assert told in said
    assert said.startswith("error: ")
    assert len(said.splitlines()) == 1
    assert KEY not in said
    assert not Path("touched").exists()
    assert not Path("outputs", "main").exists()


LAUNCHER = "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher"
LOGS = "${hydra.runtime.output_dir}"
FILE = f"{{class: logging.FileHandler, filename: '{LOGS}/x.log'}}"


def config(content: str) -> DictConfig:
    found = OmegaConf.merge({"hydra": {}, "outputs": "o"}, OmegaConf.create(content))
    assert isinstance(found, DictConfig)
    return found


@pytest.mark.parametrize(
    ("content", "refused"),
    [
        (f"hydra: {{launcher: {{_target_: {LAUNCHER}}}}}", ""),
        (f"hydra: {{launcher: {{_target_: {LAUNCHER}s}}}}", f"hydra.launcher._target_={LAUNCHER}s"),
        ("hydra: {callbacks: {x: {_target_: small.X}}}", ""),
        ("hydra: {callbacks: {x: {_target_: smaller.X}}}", "hydra.callbacks.x._target_=smaller.X"),
        ("hydra: {x: {_target_: subliminal.sweep.engine.os.system}}", "hydra.x._target_="),
        (f"hydra: {{callbacks: {{check: {{x: {TOUCH}}}}}}}", "hydra.callbacks.check.x._target_"),
        (f"hydra: {{job_logging: {{handlers: {{x: {FILE}}}}}}}", ""),
        (f"hydra: {{hydra_logging: {{handlers: {{x: {FILE}}}}}}}", ""),
        ("hydra: {job_logging: {x: {filename: a}}}", "hydra.job_logging.x.filename=a: a config"),
        (f"hydra: {{job_logging: {{x: {{filename: '{LOGS}/../a'}}}}}}", "hydra.job_logging.x.f"),
        ("hydra: {hydra_logging: {x: {stream: 'ext://sys.stderr'}}}", ""),
        ("hydra: {hydra_logging: {x: {stream: 'ext://os.x'}}}", "hydra.hydra_logging.x.stream"),
        ("hydra: {job_logging: {x: {level: 'cfg://x'}}}", "hydra.job_logging.x.level=cfg://x"),
        ("hydra: {job_logging: {x: {class: logging.X}}}", "hydra.job_logging.x.class=logging.X"),
        ("hydra: {job_logging: {x: {factory: x}}}", "hydra.job_logging.x.factory=x"),
        ("hydra: {launcher: {name: a}}", ""),
        ('hydra: {launcher: {name: "a\\nb"}}', "hydra.launcher.name: one line"),
        ("hydra: {launcher: {additional_parameters: {requeue: true}}}", ""),
        ("hydra: {launcher: {additional_parameters: {requeue: no}}}", "hydra.launcher.ad"),
        ("hydra: {launcher: {setup: ['export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK']}}", ""),
        ("hydra: {launcher: {setup: [ls]}}", "hydra.launcher.setup[0]: may be given"),
        ("hydra: {launcher: {setups: [ls]}}", ""),
        ("hydra: {sweeper: {params: {+data.root: x}}}", "hydra.sweeper.params: data.root may be"),
        ("hydra: {sweeper: {grids: [[seed=0], [outputs=x]]}}", "hydra.sweeper.grids: outputs may"),
        ("hydra: {sweeper: {params: {seed: '0,1'}, grids: [[seed=0]]}}", ""),
        ("hydra: {sweeper: {params: {hydra.run.dir: x}}}", "hydra.sweeper.params: hydra.run.dir"),
        ("hydra: {sweep: {dir: '${outputs}/${now:%Y}', subdir: '${hydra.job.num}'}}", ""),
        ("hydra: {sweep: {dir: '${hydra.job.config_name}'}}", "hydra.sweep.dir=${hydra.job.config"),
        ("outputs: a/b..c", ""),
        ("outputs: '${oc.env:HOME}'", "outputs=${oc.env:HOME}"),
        ("hydra: {job: {name: ../x}}", "hydra.job.name=../x"),
        ("hydra: {job: {env_set: {SUBLIMINAL_PLUGINS: x}}}", "hydra.job.env_set.SUBL"),
        ("{outputs: o, data: {root: o/x}}", ""),
        ("{outputs: o, data: {root: p/x}}", "data.root=p/x: a config file may name a folder"),
    ],
)
def test_what_a_file_may_set_ends_where_it_says(content: str, refused: str) -> None:
    cfg = config(content)
    if not refused:
        guard.check(cfg, set())
        return
    with pytest.raises(UserError) as error:
        guard.check(cfg, set())
    assert str(error.value).startswith(refused)


@pytest.mark.parametrize(
    ("content", "given"),
    [
        ("hydra: {launcher: {setup: [ls]}}", "hydra.launcher.setup"),
        ("hydra: {sweeper: {params: {data.root: x}}}", "data.root"),
        ("hydra: {sweep: {dir: /x}}", "hydra.sweep"),
        ("data: {root: /x}", "data"),
    ],
)
def test_what_the_command_line_gives_is_not_checked(content: str, given: str) -> None:
    guard.check(config(content), {given})
    with pytest.raises(UserError):
        guard.check(config(content), {given[:-1]})
    with pytest.raises(UserError, match=r"^hydra\.job\.env_set\.MKL_CBWR: it may change numbers"):
        guard.check(config("hydra: {job: {env_set: {MKL_CBWR: x}}}"), {"hydra.job.env_set"})


def test_the_outputs_of_a_command_are_expanded() -> None:
    cfg = config("{hydra: {runtime: {config_sources: []}}, outputs: ~/x}")
    guard._settle(cfg, {guard._key("++outputs=~/x")})
    assert cfg.outputs == str(Path("~/x").expanduser())
    assert guard._key("+Xoutputs=~/x") == "Xoutputs"


def test_variables_are_read_unless_their_name_is_a_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_PLACE", "here")
    with guarded([]):
        read = OmegaConf.create({"a": "${oc.env:MY_PLACE}", "b": "${oc.env:NOT_SET,there}"})
        assert (read.a, read.b) == ("here", "there")
        guard.allow("outputs")
        assert guard._allowed == {"outputs"}
        with pytest.raises(UserError, match=r"^MY_PASSWORD: configs are kept in files"):
            guard._environment("MY_PASSWORD", "x")
    assert guard._allowed is None
    guard.allow("outputs")
    assert guard._allowed is None


def test_a_search_of_a_file_may_not_reach_further(
    strange: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    strange.write_text(
        "# @package _global_\nhydra: {sweeper: {params: {data.root: '/a,/b'}}}\n", encoding="utf-8"
    )
    assert command(monkeypatch, *MULTIRUN) == 2
    assert "params: data.root may be given on the command line alone" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mitigation/liminal", ["mitigation=liminal"]),
        ("mitigation/liminal", ["-m", "seed=0,1"]),
        ("optim/matched/adam", ["--help", "optim=sgd"]),
        ("sweep/questions/batch", ["seed=0"]),
        ("config", ["--cfg", "job"]),
    ],
)
def test_a_file_may_not_have_a_built_in_ones_name(
    strange: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    name: str,
    words: list[str],
) -> None:
    file = Path("lab", f"{name}.yaml")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("a: 1\n")
    told = f"error: {file}: has the name of a built-in file; give it another name\n"
    assert command(monkeypatch, "--config-dir", str(file.parents[name.count("/")]), *words) == 2
    assert capfd.readouterr().err == told
    assert judge(["--plan", "--config-dir", "lab", "--threat", "reference"]) == 2
    assert capfd.readouterr().err == told


def test_nor_that_of_another_folders_file(
    strange: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    files = [Path(folder, "mitigation", "mine.yaml").resolve() for folder in ("a", "b")]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text("a: 1\n")
    words = ["--config-dir", "a", f"hydra.searchpath=[file://{files[1].parents[1]}]", "seed=0"]
    assert command(monkeypatch, *words) == 2
    told = f"error: {files[0]}: has the name of {files[1]}; give it another name\n"
    assert capfd.readouterr().err == told
    files[0].unlink()
    assert command(monkeypatch, *words, "--cfg", "job") == 0


def test_the_command_line_may(strange: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strange.write_text("# @package _global_\nseed: {spec: '3'}\n", encoding="utf-8")
    elsewhere = strange.parents[2] / "elsewhere"
    given = (
        f"outputs={elsewhere}",
        f"data.root={elsewhere}/digits",
        "+hydra.job.env_set.SUBLIMINAL_TEST=1",
        "hydra.run.dir=hydra",
    )
    assert command(monkeypatch, *WORDS, *given) == 0
    assert len(list(elsewhere.glob("main/*/seed-0003/summary.json"))) == 1


def test_modules_that_the_user_allows_may_be_named(
    strange: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    strange.write_text(f"# @package _global_\nhydra: {{callbacks: {{x: {TOUCH}}}}}\n")
    monkeypatch.setenv("SUBLIMINAL_PLUGINS", "small,builtins")
    assert command(monkeypatch, *WORDS, "--cfg", "job") == 0
    assert "trait:" in capfd.readouterr().out


def test_the_guard_ends_with_the_command(compose: object) -> None:
    from hydra._internal.config_loader_impl import ConfigLoaderImpl

    register()
    before = ConfigLoaderImpl.load_configuration
    with guarded([]):
        assert ConfigLoaderImpl.load_configuration is not before
    assert ConfigLoaderImpl.load_configuration is before


def test_the_key_reaches_no_file_of_a_tracked_run_and_no_line(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    tracked = ["tracker=wandb", "tracker.mode=offline", "seed=0-1"]
    # In a process of its own: wandb keeps the settings of the runs before it, in variables too.
    ended = subprocess.run(
        [sys.executable, "-m", "subliminal.train", *small.OVERRIDES[:-1], *tracked],
        cwd=tmp_path,
        env={
            **{name: value for name, value in os.environ.items() if "WANDB" not in name},
            "PYTHONPATH": str(Path(__file__).parents[1] / "support"),
            "WANDB_API_KEY": KEY,
            "TMPDIR": str(tmp_path / "t"),
        },
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert KEY not in ended.stdout + ended.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".wandb" for path in files)
    assert [path for path in files if os.fsencode(KEY) in path.read_bytes()] == []


@pytest.mark.parametrize(("flags", "times"), [(["-m"], 0), (["--multirun"], 0), ([], 1)])
def test_with_the_flag_hydra_composes_no_config_for_its_mode(
    flags: list[str], times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    composed: list[DictConfig] = []

    def compose(*given: object, **named: object) -> DictConfig:
        composed.append(OmegaConf.create({"hydra": {"mode": None}}))
        return composed[-1]

    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", compose)
    monkeypatch.setattr(guard, "check", lambda cfg, given: None)
    GlobalHydra.instance().clear()
    hydra = Hydra("task", ConfigLoaderImpl(ConfigSearchPathImpl()))
    with guarded([*flags, "seed=0"]):
        assert hydra.get_mode("config", ["seed=0"]) is None
    assert len(composed) == times
