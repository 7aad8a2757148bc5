"""W&B online: the real client and the real commands against a stand-in for its server."""

import math
import os
import re
import signal
import subprocess
from argparse import Namespace

import polars as pl
import pytest
from matplotlib.image import imsave
from wandb_online import Online, alive, family, in_files, lines_on, points, wait_for
from wandb_online import online as online  # a fixture
from wandb_reader import read_back
from wandb_server import KEY

from subliminal import metrics, store
from subliminal.commands.keeping import annotate
from subliminal.trackers import record, uploader

SLOW = "+mitigation.slow._target_=small.Slow"  # a step takes SMALL_SECONDS
PATIENT = "tracker.finish_timeout=600"
TWO_SEEDS = ("seed=3-4", "engine.seeds_at_once=1")


def test_a_healthy_server_has_each_value_once(online: Online) -> None:
    words = ("probe=[alignment,displacement,ledger]", "mitigation=liminal", *TWO_SEEDS)
    online.extra = {"WANDB_MODE": ""}  # as if it were not set
    done = online.job(*words)
    assert done.returncode == 0, done.stderr
    online.assert_complete(2)
    assert not lines_on(done.stderr.lower(), "w&b")
    assert not lines_on(done.stderr.lower(), "wandb")
    for run in online.finished():
        told = online.server_run(run)
        assert told.facts["groupName"] == run.parent.name
        assert told.facts["jobType"] == "train"
        assert told.config["seed"]["value"] == store.read_summary(run)["seed"]
        # A longer name W&B refuses.
        assert len(store.read_summary(run)["condition"]) > 128
        assert re.search(rf"-[0-9a-f]{{8}} seed {run.name[-1]}$", told.facts["displayName"])
    told_of_seeds = set(online.server.runs)
    imsave(online.folder / "a.png", [[0.0, 1.0]])
    tables = {"Results": pl.DataFrame({"condition": ["x"]})}
    line = online.report(tables, {"A figure.": online.folder / "a.png"})
    (name,) = online.server.runs.keys() - told_of_seeds
    assert line == f"W&B: report run {name} (online) in outputs/main/wandb"
    report = online.server.runs[name]
    assert (report.facts["jobType"], report.exitcode) == ("report", 0)
    assert {file.rpartition(".")[2] for file in report.files} == {"json", "png", "yaml"}
    (row,) = report.history
    assert row.keys() > {"tables/results", "tables/seeds", "figures/a"}
    files = [path for path in online.folder.rglob("*") if path.is_file()]
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    # W&B's own command would send it all again.
    words = ("sync", "--dry-run", "--include-online", str(online.experiment / "wandb"))
    dry = online.run("-m", "wandb", *words)
    assert "No runs to sync" in dry.stderr


@pytest.mark.parametrize(
    "fault",
    ["down at the start", "refuses the run", "dies in the middle", "refuses the stream"],
)
def test_a_server_that_fails_is_told_once_and_costs_no_file(online: Online, fault: str) -> None:
    """And `make sync` completes what it has. Of a refused stream W&B's client raises nothing."""
    if fault == "down at the start":
        online.server.stop()
    elif fault == "refuses the run":
        online.server.fault("UpsertBucket", 403)
    else:
        online.server.fault("stream", *(("die", 1) if fault == "dies in the middle" else (403,)))
    seconds = 40 if fault == "refuses the run" else 4  # it is refused at once, not late
    done = online.job(*TWO_SEEDS, f"tracker.finish_timeout={seconds}")
    assert done.returncode == 0, done.stderr
    (line,) = lines_on(done.stderr)
    assert re.search(r"[12] of 2 runs \(.*: python -m subliminal sync outputs/main$", line)
    assert len(online.finished()) == 2
    if fault in ("down at the start", "refuses the run"):
        assert "2 of 2 runs (" in line
    online.server.faults.clear()
    if online.server.dead.is_set():
        online.server.start()
    done = online.sync()
    assert done.returncode == 0, done.stderr
    online.assert_complete(2)
    before = {name: dict(run.lines) for name, run in online.server.runs.items()}
    assert "lacks nothing" in online.sync().stdout
    assert {name: dict(run.lines) for name, run in online.server.runs.items()} == before


def stop(online: Online, command: "subprocess.Popen[str]", number: signal.Signals) -> str:
    """Send a signal to a command that works with W&B; return what it tells as it ends at once."""
    processes = family(command)
    assert len(processes) > 2
    os.killpg(command.pid, number)
    _, told = command.communicate(timeout=120)  # a fifth of what it would wait for W&B
    wait_for(lambda: not list(alive(processes)))
    assert command.returncode == (130 if number == signal.SIGINT else -number)
    assert "Traceback" not in told
    return told


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGKILL, marks=pytest.mark.slow)]
)
def test_a_command_that_waits_for_wandb_can_be_stopped_at_once(
    online: Online, number: signal.Signals
) -> None:
    """Its runs are finished; after a kill too W&B is given the rest of them, each point once."""
    online.server.fault("upload", "hang")
    command = online.start(*online.training(*TWO_SEEDS, PATIENT))
    wait_for(lambda: len(online.finished()) == 2 and "upload" in online.server.requests)
    wait_for(lambda: all(online.server_run(run).lines for run in online.finished()))
    told = stop(online, command, number)
    if number == signal.SIGINT:
        (line,) = lines_on(told)
        assert "python -m subliminal sync outputs/main" in line
        return
    online.server.faults.clear()
    assert online.sync().returncode == 0
    online.assert_complete(2)


def test_ctrl_c_ends_a_training_whose_server_hangs(online: Online) -> None:
    online.server.fault("", "hang")
    online.extra["SMALL_SECONDS"] = "0.1"
    command = online.start(*online.training(SLOW, "distill.epochs=100", PATIENT))
    wait_for(lambda: list(online.experiment.glob("*/seed-0003/steps.parquet")))
    stop(online, command, signal.SIGINT)


@pytest.mark.slow
def test_a_run_that_was_killed_twice_has_no_point_twice(online: Online) -> None:
    words = online.training(SLOW, "distill.epochs=100", "distill.inputs.size=128")

    def lines() -> int:
        return sum(len(run.lines) for run in online.server.runs.values())

    online.extra["SMALL_SECONDS"] = "0.2"
    for number in (signal.SIGKILL, signal.SIGINT):
        had = lines()
        command = online.start(*words)
        wait_for(lambda had=had: lines() > had)
        os.killpg(command.pid, number)
        command.communicate(timeout=120)
        assert not online.finished()
    online.extra.clear()
    done = online.job(*words[2:])
    assert done.returncode == 0, done.stderr
    assert len(online.server.runs) == 1
    (run,) = online.finished()
    assert len(store.read_summary(run)["resumed"]) == 2
    online.assert_complete(1)


def test_a_run_that_diverged_is_there_up_to_its_last_step(online: Online) -> None:
    done = online.job("optim=sgd", "optim.lr=1e30")
    assert done.returncode == 1
    (told,) = online.server.runs.values()
    assert told.exitcode == 1
    (run,) = online.experiment.glob("*/seed-0003")
    ours, theirs = in_files(run), points(told.history)
    assert ours.keys() == theirs.keys()
    assert len([point for point in ours if point[0] == "step"]) > 1
    for point, values in ours.items():
        for name, value in values.items():
            assert theirs[point][name] == value or math.isnan(value), name


def test_the_stop_button_stops_its_run_alone(online: Online) -> None:
    words = (SLOW, *TWO_SEEDS, "distill.epochs=50", "distill.inputs.size=128")
    online.server.stops.append("seed 3")
    online.extra |= {"SMALL_SECONDS": "1", "SMALL_SEEDS": "3"}  # the client asks every 15 s
    done = online.job(*words)
    assert done.returncode == 1
    (run,) = online.finished()
    assert run.name == "seed-0004"
    stopped = run.with_name("seed-0003")
    assert store.state(stopped) == "partial"
    assert not (stopped / record.STOP).exists()
    assert "seeds 3" in done.stderr
    assert "Traceback" not in done.stderr
    exits = {run.facts["displayName"][-6:]: run.exitcode for run in online.server.runs.values()}
    assert exits == {"seed 3": uploader.INTERRUPTED, "seed 4": 0}
    online.server.stops.clear()
    online.extra.clear()
    done = online.job(*words)
    assert done.returncode == 0, done.stderr
    assert store.read_summary(stopped)["resumed"] != []
    online.assert_complete(2)


def test_an_agents_run_holds_the_means_over_seeds_that_have_runs_of_their_own(
    online: Online,
) -> None:
    online.as_agent()
    done = online.train(*TWO_SEEDS)
    assert done.returncode == 0, done.stderr
    assert not lines_on(done.stderr)
    means = online.server.runs["agentsrun"]
    assert (means.facts["sweep"], means.exitcode) == ("oursweep", 0)
    assert means.facts["jobType"] == "sweep"
    assert means.config["mitigation"]["value"] == "none"
    assert metrics.FRONTIER_SCORE in means.summary
    ids = {store.read_summary(run)["run_id"] for run in online.finished()}
    (of_condition,) = online.server.runs.keys() - {"agentsrun", *ids}
    beside = online.server.runs[of_condition]
    assert (beside.facts["jobType"], beside.exitcode) == ("condition", 0)
    assert f"{metrics.TRAIT_ACCURACY}/low" in beside.summary | beside.history[-1]
    assert not any(online.server_run(run).facts.get("sweep") for run in online.finished())
    reached = [store.read_summary(r)["results"][metrics.TRAIT_ACCURACY] for r in online.finished()]
    final = metrics.final(metrics.TRAIT_ACCURACY)
    assert means.summary[final] == pytest.approx(sum(reached) / 2)
    online.assert_complete(2)


def test_wandb_mode_disabled_tracks_nothing(online: Online) -> None:
    online.extra = {"WANDB_MODE": "disabled"}
    done = online.job()
    assert done.returncode == 0, done.stderr
    assert lines_on(done.stderr, "WANDB") == ["WANDB_MODE=disabled: nothing is tracked."]
    assert len(online.finished()) == 1
    assert not (online.experiment / "wandb").exists()
    assert online.server.requests == []


def test_what_was_kept_offline_is_uploaded_later(online: Online) -> None:
    online.extra = {"WANDB_MODE": "dryrun"}
    done = online.job()
    assert done.returncode == 0, done.stderr
    (run,) = online.finished()
    assert points(read_back(online.offline(run))[1]) == in_files(run)
    assert online.server.requests == []
    online.extra = {}
    assert online.sync().returncode == 0
    online.assert_complete(1)
    for action, word in (("note", "odd"), ("tag", "figure-2")):  # what is said of it later
        annotate(Namespace(run=str(run), outputs=online.outputs, action=action, words=[word]))
    assert online.sync().returncode == 0
    online.assert_complete(1)
    (facts,) = [run.facts for run in online.server.runs.values()]
    assert (facts["notes"], "figure-2" in facts["tags"]) == ("odd", True)


def test_a_dashboard_is_updated_or_is_one_line(online: Online) -> None:
    for why in ("no project", "refused"):
        if why == "refused":
            online.server.fault("", 401)
        done = online.dashboard()
        assert done.returncode == 2, why
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
    online.server.faults.clear()
    online.server.projects.add("subliminal")
    first, second = (online.dashboard() for _ in range(2))
    assert first.returncode == second.returncode == 0
    assert first.stdout == second.stdout != ""
    assert sorted(view["type"] for view in online.server.views.values()) == ["project-view", "runs"]
