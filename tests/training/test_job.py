"""A job resolves its config once, and is the same in a worker process."""

import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
import small
from omegaconf import DictConfig
from resolved import job_of

from subliminal import store

Compose = Callable[[list[str]], DictConfig]
TRACKER = ["tracker=wandb", "tracker.mode=offline"]


def test_it_names_its_condition_and_folder(compose: Compose, tmp_path: Path) -> None:
    job = job_of(compose([*small.OVERRIDES, f"outputs={tmp_path}", "seed=0-2", "force=true"]))
    assert (job.condition, job.seeds, job.force) == ("condition", (0, 1, 2), True)
    assert job.directory == tmp_path / "main" / f"condition-{job.identity}"
    assert job.run_dir(2) == job.directory / "seed-0002"
    job.record(job.seeds)
    assert store.read_condition(job.directory)["seeds"] == [0, 1, 2]
    with pytest.raises(FrozenInstanceError):
        job.force = False  # type: ignore[misc]


def test_a_condition_that_is_there_keeps_its_name(compose: Compose, tmp_path: Path) -> None:
    words = [*small.OVERRIDES, f"outputs={tmp_path}"]
    first = job_of(compose(words), "first")
    first.record([0])
    other = job_of(compose([*words, "optim.weight_decay=0"]), "other")
    assert (other.condition, other.directory) == ("first", first.directory)


@pytest.mark.parametrize("tracker", [None, "offline"])
def test_a_worker_builds_what_the_job_settled(
    compose: Compose, tmp_path: Path, tracker: str | None
) -> None:
    job = job_of(compose([*small.OVERRIDES, f"outputs={tmp_path}", *TRACKER]))
    assert "mode: offline" in job.text
    settled = None if tracker is None else {**job.config["tracker"], "tags": ["x"]}
    changed = job.with_tracker(settled)
    sent = pickle.loads(pickle.dumps(changed))
    assert "experiment" not in vars(sent)
    assert sent == changed != job
    assert sent.experiment.tracker == changed.experiment.tracker
    assert (sent.experiment.tracker is None) == (tracker is None)
    assert ("tags:\n  - x" in sent.text) == (tracker is not None)
    assert sent.experiment.device == job.experiment.device
