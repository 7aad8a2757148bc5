"""W&B's server that fails while sweeps, reports, dashboards, agents and uploads need it."""

import json
import shutil
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import same_sweep
from fault_injection import Tried, leftovers
from wandb_online import Online, in_files, lines_on, points
from wandb_online import online as online  # a fixture
from wandb_server import Kind, Server, serving

from subliminal import store

pytestmark = pytest.mark.slow


BOUND = 4  # seconds, of tracker.finish_timeout
SWEEP = (f"tracker.finish_timeout={BOUND}", "seed=3-4", "mitigation=none,liminal")


@dataclass(frozen=True)
class ServerFault:
    """What is wrong with the server."""

    part: str  # of the requests, see `wandb_server.Fault`
    kind: Kind | None  # None: nobody listens
    times: int | None = None
    passes: bool = False  # W&B's client has it all in the end


FAULTS = {
    "slow: 1 s an answer": ServerFault("", "slow", passes=True),
    "down at the start": ServerFault("", None),
    "401": ServerFault("", 401),
    "403": ServerFault("", 403),
    "403 on the stream": ServerFault("stream", 403),
    "429, three times": ServerFault("Bucket", 429, 3, passes=True),
    "429": ServerFault("", 429),
    "500, three times": ServerFault("stream", 500, 3, passes=True),
    "500": ServerFault("", 500),
    "500 on uploads": ServerFault("upload", 500),
    "hangs": ServerFault("", "hang"),
    "hangs in the stream": ServerFault("stream", "hang"),
    "drops three connections": ServerFault("stream", "drop", 3, passes=True),
    "drops all connections": ServerFault("", "drop"),
    "dies in the middle": ServerFault("stream", "die", 1),
}
LASTING = ("down at the start", "401", "500", "hangs", "drops all connections")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs of a small sweep that nothing happened to, kept offline; to copy."""
    with serving() as server:
        online = Online(server, tmp_path_factory.mktemp("trained"))
        done = online.train(*SWEEP, "tracker.mode=offline", multirun=True)
        assert done.returncode == 0, done.stderr
        return online.outputs


def arrange(server: Server, fault: ServerFault) -> None:
    if fault.kind is None:
        server.stop()
    else:
        server.fault(fault.part, fault.kind, fault.times)


def heal(server: Server) -> None:
    server.faults.clear()
    if server.dead.is_set():
        server.start()


def look(online: Online, trained: Path) -> None:
    """Upload all; the files are an undisturbed sweep's, and W&B's points are the files'."""
    heal(online.server)
    assert online.sync().returncode == 0
    for run in sorted(trained.glob("main/*/seed-*")):
        same = online.experiment / run.relative_to(trained / "main")
        assert store.intact(same)
        for name in same_sweep.SAME:
            assert (same / name).read_bytes() == (run / name).read_bytes()
        assert points(online.server_run(same).history) == in_files(same)
    assert leftovers(online.outputs) == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_sweep(name: str, online: Online, trained: Path, tried: Tried) -> None:
    tried(f"sweep: server {name}")
    fault = FAULTS[name]
    arrange(online.server, fault)
    # Where W&B gets all of it in the end, the command waits as long as a busy machine takes.
    patient = ["tracker.finish_timeout=120", *SWEEP[1:]]
    done = online.train(*(patient if fault.passes else SWEEP), multirun=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert len(lines_on(done.stderr)) == int(not fault.passes), done.stderr
    look(online, trained)


def test_a_sweep_whose_server_comes_back(online: Online, trained: Path, tried: Tried) -> None:
    tried("sweep: server comes back after 3 s")
    online.server.fault("stream", "die", times=1)

    def come_back() -> None:
        online.server.dead.wait()
        time.sleep(3)
        online.server.start()

    threading.Thread(target=come_back, daemon=True).start()
    words = [word for word in SWEEP if not word.startswith("tracker.")]
    done = online.train(*words, multirun=True)
    assert done.returncode == 0, done.stderr
    look(online, trained)


@pytest.mark.parametrize("name", [*LASTING, "403 on the stream", "500, three times"])
def test_an_upload(name: str, online: Online, trained: Path, tried: Tried) -> None:
    """`sync` fails with one line, and then uploads it all."""
    tried(f"upload: server {name}")
    fault = FAULTS[name]
    shutil.copytree(trained, online.outputs)
    arrange(online.server, fault)
    done = online.sync()
    assert done.returncode == int(not fault.passes), done.stderr
    assert len(lines_on(done.stderr)) == int(not fault.passes)
    look(online, trained)


@pytest.mark.parametrize("name", LASTING)
def test_a_report(name: str, online: Online, trained: Path, tried: Tried) -> None:
    """Its files are there, one line tells of W&B, and its next run is logged."""
    tried(f"report: server {name}")
    shutil.copytree(trained, online.outputs)
    for config in online.experiment.glob("*/seed-*/config.yaml"):
        config.write_text(config.read_text().replace("mode: offline", "mode: online"))
    arrange(online.server, FAULTS[name])
    done = online.run("-m", "subliminal.report", "outputs/main")
    assert done.returncode in (0, 3), done.stderr
    assert len(lines_on(done.stdout)) == 1
    assert "its files are complete" in done.stdout.replace("the report's", "its")
    assert (online.experiment / "report" / "index.html").is_file()
    heal(online.server)
    done = online.run("-m", "subliminal.report", "outputs/main")
    assert "W&B: report run" in done.stdout
    (report,) = online.server.runs.values()
    assert report.exitcode == 0
    assert report.history


@pytest.mark.parametrize("name", LASTING)
def test_a_dashboard(name: str, online: Online, tried: Tried) -> None:
    tried(f"dashboard: server {name}")
    online.server.projects.add("subliminal")
    arrange(online.server, FAULTS[name])
    done = online.run("-m", "subliminal", "dashboard")
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    heal(online.server)
    assert online.run("-m", "subliminal", "dashboard").returncode == 0
    assert len(online.server.views) == 2


@pytest.mark.parametrize("name", LASTING)
def test_an_agents_job(name: str, online: Online, tried: Tried) -> None:
    """The seeds are finished; that the agent learns nothing is one line more."""
    tried(f"agent's job: server {name}")
    online.as_agent()
    arrange(online.server, FAULTS[name])
    done = online.train(f"tracker.finish_timeout={BOUND}")
    assert done.returncode == 0, done.stderr
    assert len(lines_on(done.stderr, "W&B failed, its sweep gets no result")) == 1
    heal(online.server)
    assert online.sync().returncode == 0
    (run,) = online.finished()
    assert points(online.server_run(run).history) == in_files(run)


def test_an_agent(online: Online, tried: Tried) -> None:
    """W&B's own agent, whose server hands out one job."""
    tried("agent: healthy server")
    words = online.training("name=main")[2:]
    online.server.sweep["command"] = ["${env}", sys.executable, "-m", "subliminal.train", *words]
    run = {"type": "run", "run_id": "agentsrun", "program": "", "args": {}}
    online.server.commands.append(run)
    done = online.run("-m", "wandb", "agent", "--count", "1", "tester/subliminal/oursweep")
    assert done.returncode == 0, done.stderr
    means = online.server.runs["agentsrun"]
    assert (means.facts["sweep"], means.exitcode) == ("oursweep", 0), json.dumps(means.facts)
    online.assert_complete(1)
