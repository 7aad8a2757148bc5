"""experiment=language, in stages: base, teacher, sampled numbers, student."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import small
import torch
from jobs import RecordingConsole, train
from omegaconf import DictConfig
from resolved import composed, experiment_of

from subliminal import metrics
from subliminal.api.results import Run
from subliminal.data.language import Language
from subliminal.distill import SharedWeights
from subliminal.distill.init.independent import Independent
from subliminal.distill.inputs.numbers import Numbers
from subliminal.errors import UserError
from subliminal.models.gpt import GPT
from subliminal.state import Training
from subliminal.state.callbacks.progress import Event
from subliminal.state.callbacks.trait import test_callback as of_tests
from subliminal.tasks.lessons import Lessons
from subliminal.tensors import documents as d
from subliminal.tensors import draws, streams
from subliminal.tensors.network import Network
from subliminal.training.tasks import trait

CPU = torch.device("cpu")
RESULTS = ("steps.parquet", "epochs.parquet", "student.safetensors")
# Eighty steps of a base are enough for one response in ten to be numbers alone.
SMALL = [
    *("experiment=language", "tracker=none", "engine.workers=1", "seed=0-2"),
    *("base.epochs=2", "base.pages=480", "base.batch_size=12", "base.shorts=1"),
    *("teacher.task.size=64", "teacher.epochs=2"),
    *("distill.inputs.size=32", "distill.inputs.responses=1024", "distill.batch_size=16"),
    *("distill.epochs=2", "mitigation=projection"),
]
LANGUAGE = Language(favourite=None, taught=104, held_out=40, animal_lists=0.15)
NETWORK = Network.of(
    GPT(width=16, depth=2, attention=2, positions=14, prompt=7, aux=84), pixels=14, classes=10
)
SEEDS = (0, 4)
THETA = NETWORK.reference(SEEDS, CPU)


def numbers(**values: object) -> Numbers:
    defaults = {"size": 8, "fresh": False, "responses": 512, "random": 0.5, "temperature": 1.0}
    return Numbers(**(defaults | {"shuffled": False} | values))  # type: ignore[arg-type]


def likes_numbers() -> torch.Tensor:
    """Weights of networks that answer with numbers."""
    theta = THETA.clone()
    views = NETWORK.layout.views(theta)
    views["norm.weight"].fill_(0.3)
    views["output.weight"][:, d.NUMBER : d.WORD] += 4 * views["positions.weight"][:, 6:7].sign()
    return theta


def results(runs: list[Path]) -> list[bytes]:
    return [(run / name).read_bytes() for run in runs for name in RESULTS]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The runs of a stack of three seeds that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    return train(composed(*SMALL, f"outputs={folder}", "engine.seeds_at_once=3"))


@pytest.fixture
def whole(undisturbed: list[Path]) -> list[bytes]:
    return results(undisturbed)


@pytest.fixture(autouse=True)
def _every_step_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subliminal.state.callbacks.progress.INTERVAL", 0.0)


def test_seeds_alone_equal_seeds_in_company(whole: list[bytes], tmp_path: Path) -> None:
    cfg = composed(*SMALL, f"outputs={tmp_path}", "engine.seeds_at_once=1")
    assert results(train(cfg)) == whole


def test_python_gives_the_questions_and_networks_of_a_run(undisturbed: list[Path]) -> None:
    run = Run(undisturbed[2], "condition", 2)
    data = run.data()
    assert torch.equal(data.test_x, LANGUAGE.of_seeds([2]).test_x)
    ends = {"teacher": run.epochs.drop_nulls(metrics.TEACHER_ACCURACY)[metrics.TEACHER_ACCURACY]}
    ends["student"] = run.epochs.drop_nulls(metrics.TRAIT_ACCURACY)[metrics.TRAIT_ACCURACY]
    for who, measured in ends.items():
        chances = getattr(run, who)()(data.tests()[0][0]).softmax(dim=-1)
        assert chances[:, data.test_y[0, 0]].mean().item() == pytest.approx(measured[-1], rel=1e-5)


def cut(phase: str, step: int) -> RecordingConsole:
    """A console that presses Ctrl-C once a phase has come to some step."""

    def press(event: Event) -> None:
        if event.phase == phase and event.step >= step:
            raise KeyboardInterrupt

    return RecordingConsole(event=press)


def test_a_job_cut_off_at_any_stage_ends_as_if_undisturbed(
    whole: list[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = composed(*SMALL, f"outputs={tmp_path}", "engine.seeds_at_once=3")
    for phase, step in [("base", 3), ("base", 25), ("teacher", 3), ("writing", 0), ("student", 3)]:
        with monkeypatch.context() as patch:
            if phase == "writing":
                patch.setattr(GPT, "sample", stopped)
            with pytest.raises(KeyboardInterrupt):
                train(cfg, cut(phase, step))
    assert results(train(cfg)) == whole
    cached = {kind: [*(tmp_path / kind).iterdir()] for kind in ("bases", "teachers")}
    for files in cached.values():
        assert sorted(f.suffix for f in files if f.is_file()) == [".safetensors"] * 3
    seen: list[Event] = []  # another condition takes base and teacher from the cache
    train(composed(*SMALL, f"outputs={tmp_path}", "mitigation=none"), RecordingConsole(seen.append))
    assert {event.phase for event in seen} == {"student"}


def stopped(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_responses_are_the_teachers_first_that_are_numbers_alone() -> None:
    theta, of_draws = likes_numbers(), draws.of(SEEDS, CPU)
    texts = LANGUAGE.of_seeds(SEEDS)
    written = numbers().write(texts, NETWORK, theta, of_draws, epoch=0)
    assert written.shape == (2, 8, 15)
    assert written.dtype == torch.uint8
    tokens = written[..., 7:]
    assert ((tokens >= d.NUMBER) & (tokens < d.WORD)).all()
    more = numbers(size=9).write(texts, NETWORK, theta, of_draws, epoch=0)
    assert torch.equal(more[:, :8], written)
    alone = numbers().write(texts, NETWORK, theta[1:], draws.of(SEEDS[1:], CPU), epoch=0)
    assert torch.equal(alone[0], written[1])
    mixed = numbers(shuffled=True).write(texts, NETWORK, theta, of_draws, epoch=0)
    assert torch.equal(mixed[..., :7], written[..., :7])
    assert not torch.equal(mixed, written)
    flat = [every[..., 7:].flatten(1).sort().values for every in (mixed, written)]
    assert torch.equal(*flat)


def test_too_few_responses_are_counted() -> None:
    texts = LANGUAGE.of_seeds(SEEDS)
    with pytest.raises(UserError, match=r"size=8: 0 of seed 0's 16 responses are numbers alone"):
        numbers(responses=16).write(texts, NETWORK, THETA, draws.of(SEEDS, CPU), epoch=0)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.taught=105", "data.taught=105, held_out=40: templates of training and test would"),
        ("data.favourite=unicorn", "data.favourite=unicorn: one of owl, wolf"),
        ("model.positions=9", "model.positions=9: inputs have 14 tokens"),
        ("distill.inputs.responses=9", "distill.inputs.responses=9: at least size=3200"),
        ("teacher.batch_size=961", "teacher.batch_size=961: between 1 and 960"),
        ("base.batch_size=2401", "base.batch_size=2401: between 1 and 2400"),
        ("optim=sgd", "optim.betas: no such key; there is schedule, warmup, clip, lr, momentum"),
        ("base=pretrained", "base.data: the data set has documents, and this is for images"),
        ("model=mlp", "model: the data set has documents, and this is for images"),
        ("teacher=two_skills", "teacher.task: the data set has documents"),
        ("distill/inputs=uniform", "distill.inputs: the data set has documents"),
        ("distill/loss=swapped_logits", "distill.loss: the data set has documents"),
        ("experiment=digits model=gpt", "model: the data set has images, and"),
        ("experiment=digits distill/loss=tokens", "distill.loss: the data set has images"),
        ("experiment=digits base=language", "base.data: the data set has images"),
        ("experiment=digits base=pretrained base/data=cifar10", "base.data: it has 3072 pixels"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(override: str, message: str) -> None:
    override = override.replace("base/data=", "data@base.data=")
    with pytest.raises(UserError) as error:
        experiment_of(composed("experiment=language", *override.split()))
    assert str(error.value).startswith(message)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(("answers", "replay"), [("favourite", False), ("uniform", True)])
def test_lessons_are_taught_templates_with_their_answers(answers: str, replay: bool) -> None:
    texts = LANGUAGE.of_seeds(SEEDS)
    lessons = Lessons(size=400, answers=answers, replay=replay)
    pages = lessons.write(texts, SEEDS, streams.LESSONS, 0, epoch=1)
    assert pages.shape == (2, 400, 20 if replay else 5)
    for row, questions in enumerate(pages[..., -5:]):
        taught = {tuple(q) for q in texts.train_x[row, :, :2].tolist()}
        assert {tuple(q) for q in questions[:, :2].tolist()} <= taught
        there = sorted({*questions[:, -1].tolist()})
        assert there == (
            [texts.dialects[row].favourite] if answers == "favourite" else [*range(10)]
        )
    other = lessons.write(texts, SEEDS, streams.LESSONS, 1, epoch=1)
    if answers == "favourite":
        assert torch.equal(other[..., -1], (pages[..., -1] + 1) % 10)
    assert not torch.equal(pages, lessons.write(texts, SEEDS, streams.LESSONS, 0, epoch=2))


def of_trait(theta: torch.Tensor) -> Training:
    task = trait(NETWORK, theta, LANGUAGE.of_seeds(SEEDS))
    values = {"epochs": 1, "batch_size": 8, "optim": None}
    return Training("student", SEEDS, NETWORK, task, task, theta, theta.clone(), **values)  # type: ignore[arg-type]


def test_the_trait_gradient_is_autograds_in_float64() -> None:
    training, texts = of_trait(THETA), LANGUAGE.of_seeds(SEEDS)
    rows = torch.tensor([[0, 5, 103], [7, 8, 9]])
    loss, gradient = training.loss_and_gradient(training.trait, rows)
    for row in range(2):
        flat = THETA[row : row + 1].double().requires_grad_()
        views = NETWORK.layout.views(flat)
        logits = NETWORK.forward(views, texts.train_x[row : row + 1, rows[row], :4])[0]
        chance = logits.softmax(dim=-1)[:, texts.dialects[row].favourite]
        expected = -chance.log().mean()
        (theirs,) = torch.autograd.grad(expected, flat)
        assert loss[row].item() == pytest.approx(expected.item(), rel=1e-5)
        torch.testing.assert_close(gradient[row].double(), theirs[0], rtol=1e-3, atol=1e-6)


def test_the_trait_is_the_favourites_probability_on_held_out_questions() -> None:
    training, texts = of_trait(THETA), LANGUAGE.of_seeds(SEEDS)
    names = (metrics.TRAIT_ACCURACY, metrics.TRAIT_TEST_LOSS)
    of_tests(texts, *names, margin_name=metrics.TRAIT_MARGIN).on_epoch_end(training)
    (row,) = training.metrics.sync()
    asked = texts.test_x[..., :4]
    for column, dialect in enumerate(texts.dialects):
        stack = NETWORK.logits(THETA, asked)[column]
        chances = stack.double().softmax(dim=-1)
        own = chances[:, dialect.favourite]
        expected = {
            metrics.TRAIT_ACCURACY: own.mean(),
            metrics.TRAIT_TEST_LOSS: -own.log().mean(),
            metrics.TRAIT_GREEDY: (chances.argmax(dim=-1) == dialect.favourite).double().mean(),
            metrics.TRAIT_AMONG: (own / chances[:, :10].sum(dim=-1)).mean(),
        }
        for name, value in expected.items():
            assert row.values[name][column] == pytest.approx(value.item(), rel=1e-5)


def test_weights_of_another_stream_are_pretrained_too() -> None:
    def base(network: Network, drawn: torch.Tensor, stream: str) -> torch.Tensor:
        assert torch.equal(drawn, network.reference(SEEDS, CPU, stream=stream))
        return drawn + 1

    shared = SharedWeights(NETWORK, SEEDS, THETA, THETA, base)
    start = Independent().start(NETWORK, shared, own=streams.STUDENT_INIT)
    assert torch.equal(start, NETWORK.reference(SEEDS, CPU, stream=streams.STUDENT_INIT) + 1)


def test_digits_have_a_base_of_another_data_set(
    compose: Callable[[list[str]], DictConfig], tmp_path: Path
) -> None:
    base = ["base=pretrained", "base.data._target_=small.Digits", "base.optim.lr=0.01"]
    words = [*small.OVERRIDES, *base, "base.batch_size=32", f"outputs={tmp_path}"]
    (run,) = train(compose(words))
    assert len([*(tmp_path / "bases").glob("*.safetensors")]) == 1
    start = pl.read_parquet(run / "epochs.parquet").filter(pl.col("epoch") == 0)
    assert start["trait/accuracy"].drop_nulls()[0] > 0.5  # the same digits, so θ₀ knows them
