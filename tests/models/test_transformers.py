"""Models of the transformers package: their own logits, in every stage of an experiment."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_lm
import torch
from jobs import train
from resolved import composed, experiment_of

from subliminal import metrics
from subliminal.api.results import Run
from subliminal.data.text import Tokenized
from subliminal.errors import UserError
from subliminal.models.transformers import CausalLM
from subliminal.tensors import tokens
from subliminal.tensors.network import Network
from subliminal.training.tasks import Distillation

CPU, PAD = torch.device("cpu"), tokens.PAD
RESULTS = ("steps.parquet", "epochs.parquet", "student.safetensors")


@pytest.fixture(scope="module", params=["GPT2", "Llama"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_lm.save(tmp_path_factory.mktemp("model"), request.param)


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_lm.save(tmp_path_factory.mktemp("model"))


def network_of(source: str, rank: int | None) -> Network:
    model = CausalLM(source=source, classes=tiny_lm.ANIMALS, prompt=4, rank=rank, alpha=6.0)
    return Network.of(model, pixels=6, classes=3)


def theirs(source: str) -> tuple[Any, np.ndarray]:
    """The package's own model, and its id of each of our token numbers."""
    model = import_module("transformers").AutoModelForCausalLM.from_pretrained(source)
    return model.eval(), tokens.order(source, tiny_lm.ANIMALS, model.config.vocab_size)


@pytest.mark.parametrize("rank", [None, 2])
def test_logits_are_the_packages_own_of_unpadded_prompts(source: str, rank: int | None) -> None:
    network, (model, order) = network_of(source, rank), theirs(source)
    assert network.classes + network.model.aux == len(order)
    theta = network.reference((0, 1), CPU)
    if rank is not None:  # the second seed's updates are added to the package's weights below
        theta[1] += 0.3 * torch.randn(theta.shape[1], generator=torch.Generator().manual_seed(0))
    params = network.layout.views(theta)
    # Two prompts, one of two tokens, with two responses; the second one ends after its first token.
    x = torch.tensor([[9, 30, 31, 8, 50, 51], [PAD, PAD, 1, 2, 40, PAD]], dtype=torch.int32)
    found = network.forward(params, x.expand(2, -1, -1)).view(2, 2, 3, -1)
    hidden = network.model.activations(params, x.expand(2, -1, -1))
    onward = network.model.onward(params, "features", hidden["features"]).view(found.shape)
    torch.testing.assert_close(onward[:, 0], found[:, 0])
    for seed in range(2):
        for name in {n.split(".", 1)[1].rpartition(".")[0] for n in params} if rank else ():
            layer = model.get_submodule(name)
            update = 3.0 * params[f"lora.{name}.up"][seed] @ params[f"lora.{name}.down"][seed]
            layer.weight.data += update.T if type(layer).__name__ == "Conv1D" else update
        for row, tokens_of in enumerate(([9, 30, 31, 8, 50, 51], [1, 2, 40])):
            ids = torch.from_numpy(order[tokens_of])[None]
            expected = model(ids).logits[0][..., torch.from_numpy(order)]
            answers = found[seed, row, :3] if row == 0 else found[seed, row, :1]
            expected = expected[-3:] if row == 0 else expected[1:2]
            torch.testing.assert_close(answers, expected, rtol=1e-4, atol=1e-4)
    assert not found[:, 1, 1:].any()  # no answers


def test_sampling_with_a_cache_equals_sampling_without_one(source: str) -> None:
    network = network_of(source, None)
    params = network.layout.views(network.reference((0,), CPU))
    x = torch.tensor([[[9, 30, 31, 8], [PAD, PAD, 1, 2]]], dtype=torch.int32)
    uniforms = torch.rand(1, 2, 3, generator=torch.Generator().manual_seed(0))
    drawn = network.model.sample(params, x, uniforms, temperature=2.0)  # type: ignore[attr-defined]
    for j in range(3):
        logits = network.forward(params, x).view(2, -1, network.model.aux + 3)[:, -1]
        sums = torch.softmax(logits.double() / 2, dim=-1).cumsum(-1).numpy()
        said = [np.searchsorted(s, u) for s, u in zip(sums, uniforms[0, :, j].numpy(), strict=True)]
        x = torch.cat([x, torch.tensor(said, dtype=x.dtype).view(1, 2, 1)], dim=-1)
    assert torch.equal(drawn, x[..., 4:].long())


def test_responses_end_with_the_end_token_and_are_numbers_alone(gpt2: str) -> None:
    data = experiment_of(composed(*tiny_lm.overrides(gpt2))).data.load()
    assert isinstance(data, Tokenized)
    number = data.text.number
    said = ["7 , 9", "7 <end> owl", "<end> 7 7", ", , ,", "7 owl 8", "12 13 14"]
    ids = [data.text.codec.encode(text) for text in said]
    found, passed = data.responses(torch.from_numpy(number[ids])[None])
    assert passed.tolist() == [[True, True, False, False, False, True]]
    assert (found[0] == PAD).tolist()[1:3] == [[False, False, True], [False, True, True]]
    unknown = torch.full((1, 1, 3), len(number))  # a token that the tokenizer lacks
    assert not data.responses(unknown)[1].any()
    taught, held_out = data.train_x[0], data.test_x[0]
    text = data.text.codec.decode(data.text.id[taught[0][taught[0] >= 0][:-1]].tolist())
    assert text == "What like My is"
    assert set(taught[:, -1].tolist()) == set(held_out[:, -1].tolist()) == {int(data.test_y[0, 0])}


def test_a_run_resumes_to_the_same_bits_alone_and_in_company(
    gpt2: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*tiny_lm.overrides(gpt2), "mitigation=liminal", "mitigation.liminal.on=questions"]
    runs = train(composed(*words, f"outputs={tmp_path}/whole", "engine.seeds_at_once=2"))
    again = composed(*words, f"outputs={tmp_path}/cut", "seed=1")
    for cls, method in ((CausalLM, "sample"), (Distillation, "loss")):
        with monkeypatch.context() as patch:
            patch.setattr(cls, method, stopped)
            with pytest.raises(KeyboardInterrupt):
                train(again)
    (alone,) = train(again)
    assert [(alone / n).read_bytes() for n in RESULTS] == [
        (runs[1] / n).read_bytes() for n in RESULTS
    ]
    run = Run(alone, "condition", 1)
    learnt = run.epochs[metrics.TEACHER_ACCURACY].drop_nulls()
    assert learnt[-1] > 2 * learnt[0]
    questions, labels = run.data().tests()
    chances = run.student()(questions[0]).softmax(dim=-1)[:, labels[0, 0]]
    accuracy = run.epochs[metrics.TRAIT_ACCURACY].drop_nulls()[-1]
    assert chances.mean().item() == pytest.approx(accuracy, rel=1e-5)


def stopped(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.source=/no/such/folder", "model.source=/no/such/folder: transformers' AutoModel"),
        ("data.animals=[owl,'cat dog']", "data.animals: 'cat dog' has tokens"),
        ("data.animals=[owl,unicorn]", "data.animals: 'unicorn' has tokens [0]"),
        ("data.favourite=unicorn", "data.favourite='unicorn': there is owl, cat, dog"),
        ("data.held_out=[Which is]", "data.held_out: 'Which is' is in data.taught too"),
        ("data.numbers=[]", "data.numbers: at least one text"),
        ("data.numbers=[Continue]", "data.numbers: 'Continue' has no {numbers}"),
        ("data.given=9", "model.prompt=12: a prompt has 20 tokens"),
        ("data.chat=true", "data.chat: "),
        ("data.new=4", "model.prompt=12: inputs have 15 tokens"),
        ("data.prompt=11", "model: prompt, classes and the tokenizer must be"),
        ("base=language", "base: data=text takes none"),
        ("teacher.task.replay=true", "teacher.task.replay: data=text takes false"),
        ("distill.inputs.random=0.5", "distill.inputs.random: data=text takes 1"),
        ("distill/targets=divergence", "distill.targets: data=text takes clean"),
        ("mitigation=decoupling", "model: its class and auxiliary logits have no weights"),
        ("model._target_=subliminal.models.gpt.GPT", "model.width: missing"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(gpt2: str, override: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        experiment_of(composed(*tiny_lm.overrides(gpt2), override))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_without_the_package_the_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match=r"the package is missing: pip install .*\[hf\]"):
        tokens.loaded("AutoTokenizer", "anything")
