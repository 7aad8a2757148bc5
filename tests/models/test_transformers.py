"""Models of the transformers package: their own logits, in every stage of an experiment."""

import sys
from importlib import import_module
from pathlib import Path

import pytest
import tiny_lm
import torch
from jobs import train
from resolved import composed, experiment_of

from subliminal import metrics
from subliminal.api.results import Run
from subliminal.data.text import Text
from subliminal.errors import UserError
from subliminal.models.transformers import CausalLM
from subliminal.tensors import tokens
from subliminal.tensors.network import Network
from subliminal.training.tasks import Distillation

PAD = tokens.PAD
# Two prompts of four tokens, one of two, with two tokens of a response, or one and its end.
X = torch.tensor([[9, 30, 31, 8, 50, 51], [PAD, PAD, 1, 2, 40, PAD]]).expand(2, -1, -1)
RESULTS = ("steps.parquet", "epochs.parquet", "student.safetensors")


@pytest.fixture(scope="module", params=["GPT2", "Llama"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_lm.save(tmp_path_factory.mktemp("model"), request.param)


@pytest.mark.parametrize("rank", [None, 2])
def test_logits_and_samples_are_the_packages_own(source: str, rank: int | None) -> None:
    lm = CausalLM(source=source, classes=tiny_lm.ANIMALS, prompt=4, rank=rank, alpha=6.0)
    network = Network.of(lm, pixels=6, classes=3)
    theirs = import_module("transformers").AutoModelForCausalLM.from_pretrained(source).eval()
    order = torch.from_numpy(tokens.order(source, ("owl", "cat", "dog"))[0][: 3 + lm.aux])
    theta = network.reference((0, 1), torch.device("cpu"))
    if rank:  # the second seed's updates are added to the package's weights below
        theta[1] += 0.3 * torch.randn(theta.shape[1], generator=torch.Generator().manual_seed(0))
    params = network.layout.views(theta)
    found = network.forward(params, X).view(2, 2, 3, -1)
    onward = lm.onward(params, "features", lm.activations(params, X)["features"])
    torch.testing.assert_close(onward.view(found.shape)[:, 0], found[:, 0])
    uniforms = torch.rand(2, 2, 3, generator=torch.Generator().manual_seed(0))
    drawn = lm.sample(params, X[..., :4], uniforms, temperature=2.0)
    for seed in range(2):
        for name in {n[5:].rpartition(".")[0] for n in params} if rank else ():
            layer = theirs.get_submodule(name)
            update = 3.0 * params[f"lora.{name}.up"][seed] @ params[f"lora.{name}.down"][seed]
            layer.weight.data += update.T if type(layer).__name__ == "Conv1D" else update
        for row, (said, answers) in enumerate((([9, 30, 31, 8], [50, 51]), ([1, 2], [40]))):
            expected = theirs(order[said + answers][None]).logits[0][len(said) - 1 :, order]
            there = slice(3 - 2 * row)  # answers that are tokens
            torch.testing.assert_close(
                found[seed, row, there], expected[there], rtol=1e-4, atol=1e-4
            )
            for uniform in uniforms[seed, row]:
                chances = (theirs(order[said][None]).logits[0, -1, order].double() / 2).softmax(-1)
                said = [*said, int((chances.cumsum(-1) <= uniform).sum())]
            assert said[-3:] == drawn[seed, row].tolist()
    assert not found[:, 1, 1:].any()  # no answers


@pytest.mark.parametrize("source", ["GPT2"], indirect=True)
def test_prompts_are_padded_and_responses_end_and_are_numbers_alone(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = experiment_of(composed(*tiny_lm.overrides(source))).data
    assert isinstance(data, Text)
    of_number, number = data.order
    said = ["7 , 9", "7 <end> owl", "<end> 7 7", ", , ,", "7 owl 8", "12 13 14"]
    ids = torch.from_numpy(number[[data.codec.encode(text) for text in said]])
    found, passed = data.load().responses(ids[None])
    assert passed.tolist() == [[True, True, False, False, False, True]]
    taught = data.load().train_x[0, 0]
    assert data.codec.decode(of_number[taught[taught >= 0]].tolist()) == "What like My is cat"
    assert (found[0] == PAD).tolist()[1:3] == [[False, False, True], [False, True, True]]
    monkeypatch.setattr(data.codec, "chat_template", "{{ messages[0].content }} :")
    row = data.read(["What like"], " My")[0]
    assert data.codec.decode(of_number[row[row >= 0]].tolist()) == "What like : My"


@pytest.mark.parametrize("source", ["GPT2"], indirect=True)
def test_a_run_resumes_to_the_same_bits_alone_and_in_company(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*tiny_lm.overrides(source), "mitigation=liminal", "mitigation.liminal.on=questions"]
    stack = ["seed=0-1", "engine.seeds_at_once=2"]
    runs = train(composed(*words, *stack, f"outputs={tmp_path}/whole"))
    again = composed(*words, f"outputs={tmp_path}/cut", "seed=1")
    for cls, method in ((CausalLM, "sample"), (Distillation, "loss")):
        with monkeypatch.context() as patch:
            patch.setattr(cls, method, stopped)
            with pytest.raises(KeyboardInterrupt):
                train(again)
    (alone,) = train(again)
    for name in RESULTS:
        assert (alone / name).read_bytes() == (runs[1] / name).read_bytes()
    run = Run(alone, "condition", 1)
    learnt = run.epochs[metrics.TEACHER_ACCURACY].drop_nulls()
    assert learnt[-1] > 2 * learnt[0]
    questions, labels = run.data().tests()
    chances = run.student()(questions[0]).softmax(dim=-1)[:, labels[0, 0]]
    accuracy = run.epochs[metrics.TRAIT_ACCURACY].drop_nulls()[-1]
    assert chances.mean().item() == pytest.approx(accuracy, rel=1e-5)


def stopped(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("source", ["GPT2"], indirect=True)
@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.source=/no/such/folder", "model.source=/no/such/folder: AutoModel"),
        ("data.animals=[cat,'cat dog']", "data.animals: 'cat dog' has tokens"),
        ("data.animals=[cat,unicorn]", "data.animals: 'unicorn' has tokens [0]"),
        ("data.favourite=unicorn", "data.favourite=unicorn: one of ['owl', 'cat', 'dog'] is"),
        ("data.held_out=[Which is]", "data.held_out: taught, held_out and numbers need a text"),
        ("data.opening=My My My My My My My My My My My", "model.prompt=12: there is a prompt of"),
        ("data.numbers=['{numbers} My My My']", "model.prompt=12: there is a prompt of 13 tokens"),
        ("data.new=4", "model.prompt: inputs have 15 tokens, of 14 at most"),
        ("data.prompt=11", "data=text needs model=transformers of its prompt"),
        ("base=language", "data=text needs model=transformers of its"),
        ("distill.loss.logits=aux", "distill.loss.logits=aux: these are tokens of experiment=lang"),
        ("mitigation=decoupling", "model: its class and auxiliary logits have no weights"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(source: str, override: str, message: str) -> None:
    with pytest.raises(UserError) as error:
        experiment_of(composed(*tiny_lm.overrides(source), override))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_without_the_package_the_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match=r"transformers is missing: pip install .*\[hf\]"):
        tokens.loaded("AutoTokenizer", "anything")
