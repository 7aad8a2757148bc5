"""Files appear whole or not at all, and a condition's hash holds what decides its numbers."""

import errno
import json
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import small
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import DictConfig, OmegaConf

from subliminal import store

Compose = Callable[[list[str]], DictConfig]

SCIENCE = [
    "model.aux=4",
    "model.hidden=[8]",
    "teacher.epochs=3",
    "teacher.batch_size=32",
    "teacher.optim.lr=0.1",
    "distill.epochs=3",
    "distill.batch_size=32",
    "distill/loss=mse",
    "distill.loss.temperature=2.0",
    "distill.inputs.fresh=true",
    "distill/init=independent",
    "optim=sgd",
    "optim.lr=0.1",
    "mitigation=liminal",
    "mitigation=[liminal,projection]",
    "probe=off",
    "probe.alignment.every=2",
    "trait.steps=[3]",
    "trait.per_class=true",
    "engine.threads=2",
    "engine.precision=high",
]
NOT_SCIENCE = [
    "tracker=wandb",
    "outputs=/elsewhere",
    "name=other",
    "force=true",
    "seed=7-9",
    "seed=paper",
    "data.root=/elsewhere",
    "data.download=false",
    "engine.workers=3",
    "engine.seeds_at_once=4",
    "engine.device=cpu",
]


def fail(temporary: Path) -> None:
    temporary.write_text("part")
    raise OSError(errno.ENOSPC, "No space left on device")


def remove_and_fail(temporary: Path) -> None:
    temporary.unlink()
    raise OSError(errno.EIO, "Input/output error")


def interrupt(temporary: Path) -> None:
    temporary.write_text("part")
    raise KeyboardInterrupt


# --- write_atomically ---


@pytest.mark.parametrize(
    ("writer", "error"),
    [(fail, OSError), (remove_and_fail, OSError), (interrupt, KeyboardInterrupt)],
)
@pytest.mark.parametrize("old", ["old", None])
def test_a_failed_write_leaves_what_was_there(
    tmp_path: Path, writer: Callable[[Path], None], error: type[BaseException], old: str | None
) -> None:
    path = tmp_path / "file"
    if old is not None:
        path.write_text(old)
    with pytest.raises(error):
        store.write_atomically(path, writer)
    assert [file.name for file in tmp_path.iterdir()] == ([] if old is None else ["file"])
    assert old is None or path.read_text() == old


@pytest.mark.parametrize("old", ["", "old " * 100, None])
def test_a_write_replaces_the_whole_file(tmp_path: Path, old: str | None) -> None:
    path = tmp_path / "file"
    if old is not None:
        path.write_text(old)
        path.chmod(0o600)
    store.write_text(path, "new θ\n")
    assert path.read_bytes() == "new θ\n".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    seen = []

    def write(temporary: Path) -> None:
        temporary.write_text("new")
        seen.append((temporary.parent, temporary.name.startswith("."), path.read_text()))

    store.write_atomically(path, write)
    assert seen == [(tmp_path, True, "old")]
    assert path.read_text() == "new"


def test_writers_at_once_do_not_mix(tmp_path: Path) -> None:
    path, texts = tmp_path / "file", [str(digit) * 5000 for digit in range(8)]
    meet = threading.Barrier(len(texts))

    def write(text: str) -> None:
        def fill(temporary: Path) -> None:
            temporary.write_text(text[:100])
            meet.wait(timeout=60)  # all have a part on disk
            temporary.write_text(text)

        store.write_atomically(path, fill)

    threads = [threading.Thread(target=write, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() in texts
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        store.write_text(tmp_path / "nowhere" / "file", "text")


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r")))
def test_text_is_read_back(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("text") / "file"
    store.write_text(path, text)
    assert path.read_text(encoding="utf-8") == text


# --- hashes ---


@pytest.mark.parametrize("override", SCIENCE)
def test_what_decides_the_numbers_changes_the_hash(compose: Compose, override: str) -> None:
    changed = store.condition_hash(compose([*small.OVERRIDES, override]), "cpu")
    assert changed != store.condition_hash(compose(small.OVERRIDES), "cpu")


@pytest.mark.parametrize("override", NOT_SCIENCE)
def test_what_does_not_decide_the_numbers_keeps_the_hash(compose: Compose, override: str) -> None:
    base, changed = compose(small.OVERRIDES), compose([*small.OVERRIDES, override])
    assert changed != base
    assert store.condition_hash(changed, "cpu") == store.condition_hash(base, "cpu")


def test_no_two_conditions_share_a_hash(compose: Compose) -> None:
    hashes = {store.condition_hash(compose([*small.OVERRIDES, o]), "cpu") for o in SCIENCE}
    assert len(hashes) == len(SCIENCE)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_the_kind_of_device_is_part_of_the_hash(compose: Compose, device: str) -> None:
    cfg = compose(small.OVERRIDES)
    assert store.condition_hash(cfg, device) != store.condition_hash(cfg, "cpu")


def test_the_numerics_version_is_part_of_the_hashes(
    compose: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = compose(small.OVERRIDES)
    before = store.condition_hash(cfg, "cpu"), store.teacher_hash(cfg, "cpu", 0)
    monkeypatch.setattr(store, "NUMERICS", store.NUMERICS + 1)
    after = store.condition_hash(cfg, "cpu"), store.teacher_hash(cfg, "cpu", 0)
    assert before[0] != after[0]
    assert before[1] != after[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("mitigation=[liminal,anchor]", "mitigation=[anchor,liminal]"),
        ("optim=adam", "optim.lr=3.0e-4"),
        ("mitigation=none", "probe=alignment"),
    ],
)
def test_the_same_config_by_another_way_has_the_same_hash(
    compose: Compose, one: str, other: str
) -> None:
    a, b = (compose([*small.OVERRIDES, override]) for override in (one, other))
    same = store.science(a, "cpu") == store.science(b, "cpu")
    assert same
    assert store.condition_hash(a, "cpu") == store.condition_hash(b, "cpu")


def test_interpolations_are_resolved_before_the_hash(compose: Compose) -> None:
    linked = compose([*small.OVERRIDES, "distill.epochs=${teacher.epochs}"])
    assert store.condition_hash(linked, "cpu") == store.condition_hash(
        compose(small.OVERRIDES), "cpu"
    )


def test_a_config_read_from_its_file_has_the_same_hash(compose: Compose, tmp_path: Path) -> None:
    cfg = compose([*small.OVERRIDES, "mitigation=projection"])  # its window ends at infinity
    (tmp_path / "config.yaml").write_text(OmegaConf.to_yaml(cfg, resolve=True))
    again = OmegaConf.load(tmp_path / "config.yaml")
    assert isinstance(again, DictConfig)
    assert store.condition_hash(again, "cpu") == store.condition_hash(cfg, "cpu")


def test_a_condition_is_named_by_eight_digits(compose: Compose) -> None:
    digits = store.condition_hash(compose(small.OVERRIDES), "cpu")
    assert len(digits) == 8
    assert set(digits) <= set("0123456789abcdef")


# --- runs ---


@pytest.mark.parametrize(
    ("seed", "name"), [(0, "seed-0000"), (7, "seed-0007"), (12345, "seed-12345")]
)
def test_a_seeds_folder(tmp_path: Path, seed: int, name: str) -> None:
    assert store.run_dir(tmp_path, seed) == tmp_path / name


def mark(directory: Path) -> Path:
    directory.mkdir(parents=True)
    (directory / store.MARKER).write_text(json.dumps({"of": directory.name}))
    return directory


def test_finished_runs_come_in_order_of_condition_and_seed(tmp_path: Path) -> None:
    names = ["b-1/seed-0010", "a-2/seed-0003", "b-1/seed-0002", "a-2/seed-0000", "a-10/seed-0001"]
    runs = {name: mark(tmp_path / name) for name in names}
    assert list(store.finished_runs(tmp_path)) == [runs[name] for name in sorted(names)]


def test_what_has_no_marker_is_not_finished(tmp_path: Path) -> None:
    done = mark(tmp_path / "a" / "seed-0001")
    begun = tmp_path / "a" / "seed-0000"
    begun.mkdir()
    (begun / "student.safetensors").touch()
    (tmp_path / "a" / "seed-0002" / store.MARKER).mkdir(parents=True)  # a folder of that name
    mark(tmp_path / "a" / "report")
    mark(tmp_path / "seed-0004")  # of no condition
    assert store.finished(done)
    assert not store.finished(begun)
    assert not store.finished(tmp_path / "a" / "seed-0002")
    assert not store.finished(tmp_path / "nowhere")
    assert store.read_summary(done) == {"of": "seed-0001"}


def test_finished_runs_of_nothing(tmp_path: Path) -> None:
    assert list(store.finished_runs(tmp_path / "nowhere")) == []
