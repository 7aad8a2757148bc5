"""What a sweep does before its first job trains."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from small import OVERRIDES

from subliminal import store
from subliminal.config import seeds
from subliminal.errors import Refused
from subliminal.sweep.precheck import CheckJobs


def check(*overrides: str) -> None:
    """Check the jobs of a sweep, as Hydra does before it starts them."""
    loader = GlobalHydra.instance().config_loader()
    quoted = seeds.quote([*OVERRIDES, *overrides], named=set())
    CheckJobs().on_multirun_start(
        loader.load_configuration("config", quoted, run_mode=RunMode.MULTIRUN)
    )


def test_every_condition_notes_its_seeds_before_any_is_trained(
    compose: Callable[[list[str]], object], tmp_path: Path
) -> None:
    check(f"outputs={tmp_path}", "seed=0-2", "mitigation=none,liminal")
    check(f"outputs={tmp_path}", "seed=7", "mitigation=none")
    notes = [json.loads(file.read_text()) for file in tmp_path.glob("main/*/condition.json")]
    asked = {"+".join(note["config"]["mitigation"]): note["seeds"] for note in notes}
    assert asked == {"": [0, 1, 2, 7], "liminal": [0, 1, 2]}
    assert not list(tmp_path.glob("main/*/seed-*"))
    (folder,) = tmp_path.glob("main/*mitigation=liminal*")
    assert store.state(store.run_dir(folder, 1)) == "missing"


def test_outputs_that_cannot_be_written_end_the_sweep_with_one_line(
    compose: Callable[[list[str]], object], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused) as ended:
        check(f"outputs={tmp_path}/file", "mitigation=none,liminal")
    assert ended.value.code == 2
    assert str(ended.value.error).startswith(f"outputs={tmp_path}/file: cannot be written")
