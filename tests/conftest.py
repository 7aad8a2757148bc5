"""Fixtures of all tests."""

import copy
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import small
import torch
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hypothesis import settings
from omegaconf import DictConfig, ListConfig, OmegaConf
from resolved import composed

from subliminal.commands.train import main
from subliminal.config.resources import CONF

if TYPE_CHECKING:
    from tracked_run import Tracked

pytest_plugins = ["api_calls", "chromium", "fault_counts", "judging"]

# A busy machine is no reason to fail; elsewhere than in CI each run looks at other examples.
settings.register_profile("untimed", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("untimed")

# Tensors of tests are tiny: on a busy machine two threads take ten times as long as one.
torch.set_num_threads(1)

# In a shell's background Ctrl-C is ignored, and the sweeps that tests start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Worker processes inherit it: what tests name in configs are plugins, as a user's.
os.environ["SUBLIMINAL_PLUGINS"] = "small,jobs"
_paths = [str(Path(small.__file__).parent), os.environ.get("PYTHONPATH", "")]
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, _paths))  # of commands that tests start


# What is imported stays: the collector need not look through it, now and in each test.
gc.disable()


def pytest_collection_finish() -> None:
    """Collect what the tests leave, and it alone."""
    gc.freeze()
    gc.enable()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a slow test on a machine that is far busier than two of them make it."""
    busy = os.getloadavg()[0] / (os.cpu_count() or 1)
    if busy > 5 and item.get_closest_marker("slow"):
        pytest.skip(f"the machine is too busy: {busy:.0f} processes for each core")


@pytest.fixture(autouse=True)
def _own_environment() -> Iterator[None]:
    """Leave the environment as it was: the entrypoint sets some for what it starts."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() | before.keys():
        if name not in before:
            del os.environ[name]
        elif os.environ.get(name) != before[name]:
            os.environ[name] = before[name]


@pytest.fixture(scope="session", autouse=True)
def _parsed_once() -> Iterator[None]:
    """Parse each text of a config file once, which is a fifth of what Hydra takes to compose."""
    load, parsed = OmegaConf.load, dict[str, DictConfig | ListConfig]()

    def once(file: Any) -> DictConfig | ListConfig:
        if not hasattr(file, "read"):
            return load(file)
        if (text := file.read()) not in parsed:
            file.seek(0)
            parsed[text] = load(file)
        return copy.deepcopy(parsed[text])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OmegaConf, "load", once)
        yield


@pytest.fixture
def compose() -> Iterator[Callable[[list[str]], DictConfig]]:
    """Composes the real `conf/` with a command line's overrides, as the entrypoint does."""
    composed()  # which clears the instance the first time
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield lambda argv: composed(*argv)


@pytest.fixture(scope="session")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> "Tracked":
    """Two seeds in one stack, with every probe, tracked offline. Tests change none of its files."""
    from tracked_run import train

    return train(tmp_path_factory.mktemp("tracked"))


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Runs the entrypoint on the small data set: its exit status, output and errors."""
    monkeypatch.chdir(tmp_path)

    def command(*argv: str) -> tuple[int, str, str]:
        GlobalHydra.instance().clear()
        os.environ.pop("HYDRA_FULL_ERROR", None)
        # A group is given once; of a value given twice the last counts.
        given = {word.partition("=")[0] for word in argv}
        own = () if "experiment=language" in argv else small.OVERRIDES
        ours = [word for word in own if word.partition("=")[0] not in given]
        monkeypatch.setattr(sys, "argv", ["train", *ours, "engine.workers=1", *argv])
        try:
            main()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
        return status, *capfd.readouterr()

    return command
