"""The wheel: its name, its extras, the configuration in it, and a command that runs from it."""

import re
import subprocess
import sys
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path
from zipfile import Path as ZipPath
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from subliminal.config.composition import _EXTRAS
from subliminal.config.resources import COMPLETIONS, CONF, DEFENCES, DISTRIBUTION, ROOT, SWEEPS

# `pip install 'name[extra]'` and `pip install -e '.[extra]'`, in messages, docs and the Makefile.
EXTRA = re.compile(rf"(?:{DISTRIBUTION}|\.)\[([\w,]+)\]")
CALLED = re.compile(r"install_command\(\"(\w+)\"\)")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout; built without a network, by the hatchling that is here."""
    pytest.importorskip("hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    pip(sys.executable, "wheel", *offline, "--wheel-dir", str(folder), str(ROOT))
    (path,) = folder.glob("*.whl")
    return path


def pip(python: str | Path, *arguments: str) -> None:
    subprocess.run([python, "-m", "pip", *arguments], check=True, capture_output=True, text=True)


@pytest.fixture(scope="session")
def metadata(wheel: Path) -> Distribution:
    (info,) = (entry for entry in ZipPath(wheel).iterdir() if entry.name.endswith(".dist-info"))
    return PathDistribution(info)


def extras(metadata: Distribution) -> set[str]:
    return set(metadata.metadata.get_all("Provides-Extra") or ())


def test_it_is_ours_by_name(wheel: Path, metadata: Distribution) -> None:
    assert metadata.metadata["Name"] == DISTRIBUTION
    assert wheel.name.startswith("subliminal_learning-")


def test_every_extra_that_we_name_is_there(metadata: Distribution) -> None:
    pages = [ROOT / "Makefile", ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    sources = [
        *pages,
        *(ROOT / "src").rglob("*.py"),
        *CONF.rglob("*.yaml"),
        *SWEEPS.rglob("*.yaml"),
    ]
    text = "".join(path.read_text(encoding="utf-8") for path in sources)
    named = {extra for group in EXTRA.findall(text) for extra in group.split(",")}
    named |= {*CALLED.findall(text), *_EXTRAS.values()}
    assert {"dev", "launchers", "slurm", "dashboard"} <= named
    assert named <= extras(metadata)


def test_extras_made_of_extras_are_ours(metadata: Distribution) -> None:
    of: dict[str, set[str]] = {name: set() for name in extras(metadata)}
    for requirement in map(Requirement, metadata.requires or ()):
        for name in of:
            if requirement.marker and requirement.marker.evaluate({"extra": name}):
                of[name].add(requirement.name)
    assert of["launchers"] == of["joblib"] | of["slurm"] | of["ray"] | of["optuna"]
    assert of["dev"] > of["dashboard"] | of["joblib"] | of["slurm"] | of["optuna"]
    # The build resolves what refers to itself; what it left would be fetched by that name.
    assert not [name for names in of.values() for name in names if name.startswith("subliminal")]


def test_the_configuration_is_inside_and_the_tests_are_not(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder in (CONF, SWEEPS, DEFENCES):
        for path in (*folder.rglob("*.yaml"), *folder.glob("*.txt"), *COMPLETIONS.iterdir()):
            assert f"subliminal/{path.relative_to(ROOT).as_posix()}" in names
    for path in (ROOT / "src").rglob("*.py"):
        assert path.relative_to(ROOT / "src").as_posix() in names
    ours = ("subliminal/", "subliminal_learning-", "hydra_plugins/subliminal_sweeper/")
    assert [name for name in names if not name.startswith(ours)] == []


@pytest.fixture
def installed(wheel: Path, tmp_path: Path) -> Path:
    """The Python of a new environment with the wheel, and this one's packages below it."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    (site,) = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    # Behind the environment's own, so that the wheel wins over a checkout that is installed here.
    (site / "shared.pth").write_text(
        "\n".join(path for path in sys.path if path.endswith("site-packages"))
    )
    pip(python, "install", "--no-deps", "--no-index", "--quiet", str(wheel))
    return python


@pytest.mark.slow
def test_an_installed_wheel_answers_and_refuses_its_namesake(
    installed: Path, tmp_path: Path
) -> None:
    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(installed), *words],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )

    helped = run("-m", "subliminal.train", "--help")
    assert helped.returncode == 0, helped.stderr
    assert "mitigation" in helped.stdout
    composed = run("-m", "subliminal.train", "sweep=blank2026/random", "--cfg", "job")
    assert "name: blank2026/random" in composed.stdout
    asked = "from subliminal.config.resources import install_command as c; print(c('ray'))"
    assert run("-c", asked).stdout == f"pip install '{DISTRIBUTION}[ray]'\n"

    package = next((tmp_path / "venv" / "lib").glob("python*/site-packages/subliminal"))
    (package / "core.py").touch()
    refused = run("-m", "subliminal.train", "--help")
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"error: {package} holds the files of another project")
