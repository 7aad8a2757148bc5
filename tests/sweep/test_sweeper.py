"""What a sweep does before its first job trains."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from golden_conditions import SWEEPS
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import OmegaConf
from resolved import experiment_of
from small import OVERRIDES

from subliminal import store
from subliminal.config import build, canonical, resources, seeds
from subliminal.errors import UserError
from subliminal.sweep import grid, planned, sweeper
from subliminal.training import experiment, job

Run = Callable[..., tuple[int, str, str]]
Compose = Callable[[list[str]], object]


def check(*overrides: str, small: Sequence[str] = OVERRIDES) -> list[list[str]]:
    """Check the jobs of a sweep; return those that its launcher would start."""
    loader = GlobalHydra.instance().config_loader()
    config = loader.load_configuration(
        "config", seeds.quote([*small, *overrides], named=set()), run_mode=RunMode.MULTIRUN
    )
    launched: list[list[str]] = []

    def launch(jobs: list[list[str]], initial_job_idx: int) -> list[Any]:
        launched.extend(jobs)
        return []

    context: Any = SimpleNamespace(config_loader=loader)
    launcher: Any = SimpleNamespace(launch=launch)
    sweeper.run_sweep(config, context, launcher, list(config.hydra.overrides.task))
    return launched


@pytest.mark.parametrize("line", sorted(SWEEPS - {"sweep=frontier"}))  # which is a search
def test_the_last_job_of_every_sweep_builds(line: str, compose: Compose) -> None:
    loader = GlobalHydra.instance().config_loader()
    config = loader.load_configuration("config", [line], run_mode=RunMode.MULTIRUN)
    words = [*grid.words_of(config.hydra.sweeper.params), line]
    parse = OverridesParser.create(loader).parse_overrides
    jobs = grid.jobs(words, grid.grids_of(config.hydra.sweeper.get("grids")), parse)
    experiment_of(loader.load_sweep_config(config, jobs[-1]))


def test_every_condition_notes_its_seeds_before_any_is_trained(
    compose: Compose, tmp_path: Path
) -> None:
    assert len(check(f"outputs={tmp_path}", "seed=0-2", "mitigation=none,liminal")) == 2
    check(f"outputs={tmp_path}", "seed=7", "mitigation=none")
    notes = [json.loads(file.read_text()) for file in tmp_path.glob("main/*/condition.json")]
    wanted = {"+".join(note["config"]["mitigation"]): note["seeds"] for note in notes}
    assert wanted == {"": [0, 1, 2, 7], "liminal": [0, 1, 2]}
    assert not list(tmp_path.glob("main/*/seed-*"))
    (folder,) = tmp_path.glob("main/*mitigation=liminal*")
    assert store.state(store.run_dir(folder, 1)) == "missing"


def test_outputs_that_cannot_be_written_end_the_sweep_with_one_line(
    compose: Compose, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=rf"outputs={tmp_path}/file: cannot be written"):
        check(f"outputs={tmp_path}/file", "mitigation=none,liminal")


def test_a_job_is_resolved_once(
    compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: Counter[str] = Counter()

    def counted(name: str) -> Callable[[Any], Any]:
        call = getattr(job, name)

        def counting(given: Any) -> Any:
            calls[name] += 1
            return call(given)

        return counting

    for name in ("canonical", "build_experiment"):
        monkeypatch.setattr(job, name, counted(name))
    jobs = check(f"outputs={tmp_path}", "seed=0-2", "optim.lr=1,2", "mitigation=none,liminal")
    assert calls == {"canonical": 4, "build_experiment": 4}
    assert {tuple(words) for words in jobs} == planned.JOBS.keys()  # which they are as they start


def test_paired_values_and_several_grids_on_the_command_line_and_in_a_file(
    run: Run, tmp_path: Path
) -> None:
    words = ("seed=0", "distill.epochs=1", "teacher.epochs=1")
    status, _, err = run(
        *("-m", *words, "name=line", "optim.lr=0.1,0.2", "trait.steps=[1],[2]"),
        *("pair=optim.lr,trait.steps", "grid=a", "mitigation=none", "grid=b"),
        *("mitigation=liminal", "mitigation.liminal.peak=2,3", "hydra.job.chdir=false"),
    )
    assert status == 0, err
    lab = tmp_path / "lab"
    (lab / "sweep").mkdir(parents=True)
    (lab / "sweep" / "own.yaml").write_text(
        "# @package _global_\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n"
        "      seed: 0\n      optim.lr: 0.1,0.2\n      trait.steps: '[1],[2]'\n"
        "      pair: optim.lr,trait.steps\n"
        "    grids:\n      - mitigation: none\n"
        "      - [mitigation=liminal, 'mitigation.liminal.peak=2,3']\n"
    )
    status, _, err = run(f"--config-dir={lab}", "sweep=own", *words[1:], "name=file")
    assert status == 0, err
    line, file = (
        {store.read_condition(path)["condition"] for path in tmp_path.glob(f"outputs/{name}/*-*")}
        for name in ("line", "file")
    )
    assert line == file
    assert len(line) == 6
    assert sum("mitigation.liminal.peak=3" in n and "optim.lr=0.2,t" in n for n in line) == 1
    status, _, err = run("-m", *words, "optim.lr=1,2,3", "model.aux=3,4", "pair=optim.lr,model.aux")
    assert status == 2
    assert err.splitlines()[-1] == (
        "error: pair=optim.lr,model.aux: paired keys need equally many values; "
        "optim.lr has 3, model.aux has 2"
    )


def test_a_name_does_not_depend_on_how_its_values_were_asked_for(
    compose: Compose, tmp_path: Path
) -> None:
    def folders(outputs: str, *words: str) -> set[str]:
        check(f"outputs={tmp_path}/{outputs}", *words)
        return {path.name for path in tmp_path.glob(f"{outputs}/main/*")}

    plain = folders("a", "optim.lr=1,2", "model.hidden=[3],[4]")
    assert len(plain) == 4
    pair = "pair=optim.lr,model.hidden"
    assert folders("b", "optim.lr=1,2", "model.hidden=[3],[4]", pair) < plain


def test_the_sweep_of_batch_sizes_plans_the_five_cells_of_its_claims(
    compose: Compose, tmp_path: Path
) -> None:
    jobs = check(f"outputs={tmp_path}", "sweep=questions/batch", small=())
    cells = {tuple(word for word in job if word.startswith("distill.")) for job in jobs}
    assert len(jobs) == len(cells) == 5
    claims = OmegaConf.load(resources.SWEEPS / "questions" / "batch.yaml").claims
    named = [cell for claim in claims for cell in (claim.where, claim.against)]
    assert {tuple(f"{k}={v}" for k, v in cell.items()) for cell in named} == cells


def test_no_cache_is_keyed_by_a_serialised_config() -> None:
    for module in (build, canonical, experiment, job):
        assert "lru_cache" not in vars(module)
