"""The transformer against torch.nn's in float64, seed by seed, and its sampling."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from subliminal.errors import UserError
from subliminal.models.gpt import EPS, GPT
from subliminal.tensors.network import Network

CPU = torch.device("cpu")
MODEL = GPT(width=16, depth=2, attention=4, positions=12, prompt=4, aux=8)
EVERYWHERE = replace(MODEL, prompt=1)  # each token's successor is an answer
NETWORK = Network.of(MODEL, pixels=9, classes=3)
VOCABULARY = 11


class Theirs(nn.Module):
    """torch.nn's encoder with a causal mask, RMS norms in place of layer norms."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.positions = nn.Embedding(VOCABULARY, 16), nn.Embedding(12, 16)
        for i in (1, 2):
            block = nn.TransformerEncoderLayer(
                16, 4, 64, 0.0, "gelu", batch_first=True, norm_first=True, bias=False
            )
            block.norm1, block.norm2 = (nn.RMSNorm(16, eps=EPS) for _ in range(2))  # type: ignore[assignment]
            self.add_module(f"block{i}", block)
        self.norm, self.output = nn.RMSNorm(16, eps=EPS), nn.Linear(16, VOCABULARY, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], dtype=torch.float64)
        h = self.embedding(x) + self.positions.weight[: x.shape[1]]
        for block in (self.block1, self.block2):
            h = block(h, src_mask=mask)  # type: ignore[operator]
        out: Tensor = self.output(self.norm(h))
        return out


RENAMED = {
    "qkv.weight": "self_attn.in_proj_weight",
    "mixed.weight": "self_attn.out_proj.weight",
    "up.weight": "linear1.weight",
    "down.weight": "linear2.weight",
}


def theirs(name: str) -> str:
    block, _, rest = name.partition(".")
    return f"{block}.{RENAMED.get(rest, rest)}"


def weights(seeds: tuple[int, ...] = (0, 3)) -> Tensor:
    """Return initial weights, moved, so that no gain is 1: (seeds, P)."""
    theta = NETWORK.reference(seeds, CPU)
    for row, seed in zip(theta, seeds, strict=True):
        row += 0.2 * torch.randn(row.shape, generator=torch.Generator().manual_seed(seed))
    return theta


def tokens(length: int, seeds: int = 2, batch: int = 5) -> Tensor:
    """Return an input of random tokens: (seeds, batch, length), uint8."""
    generator = torch.Generator().manual_seed(length)
    return torch.randint(VOCABULARY, (seeds, batch, length), generator=generator).to(torch.uint8)


def loss(logits: Tensor) -> Tensor:
    """Return a mean loss of each seed: (..., rows, V) -> (...)."""
    rows = torch.arange(logits.shape[-2]) % VOCABULARY
    return -torch.log_softmax(logits, -1)[..., torch.arange(len(rows)), rows].mean(-1)


@pytest.mark.parametrize(("length", "answers"), [(1, 1), (3, 1), (4, 1), (5, 2), (9, 6)])
def test_logits_and_gradients_are_those_of_torchs_transformer_in_float64(
    length: int, answers: int
) -> None:
    theta, x = weights(), tokens(length)
    params = {n: v.detach().requires_grad_() for n, v in NETWORK.layout.views(theta).items()}
    got = NETWORK.forward(params, x)
    assert got.shape == (2, 5 * answers, VOCABULARY)
    everywhere = EVERYWHERE.forward(params, x)
    gradients = torch.autograd.grad(loss(got).sum(), list(params.values()))
    for seed in range(2):
        model = Theirs().double()
        model.load_state_dict({theirs(n): v[seed].double() for n, v in params.items()})
        logits = model(x[seed].long())  # (batch, length, V)
        expected = logits[:, length - answers :].flatten(0, 1)
        torch.testing.assert_close(got[seed].double(), expected, rtol=0, atol=1e-5)
        torch.testing.assert_close(
            everywhere[seed].double(), logits.flatten(0, 1), rtol=0, atol=1e-5
        )
        wanted = dict(
            zip(
                model.state_dict(),
                torch.autograd.grad(loss(expected), [*model.parameters()]),
                strict=True,
            )
        )
        for name, gradient in zip(params, gradients, strict=True):
            torch.testing.assert_close(
                gradient[seed].double(), wanted[theirs(name)], rtol=1e-4, atol=1e-6, msg=name
            )


@pytest.mark.parametrize("length", [3, 4, 9])
def test_every_hidden_layer_leads_on_to_the_logits(length: int) -> None:
    params, x = NETWORK.layout.views(weights()), tokens(length)
    outputs = MODEL.activations(params, x)
    assert tuple(outputs) == NETWORK.hidden == ("block1", "block2", "norm")
    for layer, h in outputs.items():
        torch.testing.assert_close(MODEL.onward(params, layer, h), NETWORK.forward(params, x))
    assert outputs["block1"].shape == (2, 5, length * 16)
    assert outputs["norm"].shape == (2, 5 * MODEL.answers(length), 16)


@pytest.mark.parametrize("length", [3, 7, 14])
def test_seeds_alone_equal_seeds_in_company_to_the_bit(length: int) -> None:
    model = GPT(width=32, depth=2, attention=4, positions=16, prompt=7, aux=84)
    network = Network.of(model, pixels=14, classes=10)
    theta = network.reference((0, 1, 2), CPU)
    generator = torch.Generator().manual_seed(length)
    x = torch.randint(94, (3, 33, length), generator=generator)
    uniforms = torch.rand(3, 33, 2, generator=generator)

    def everything(seeds: slice) -> tuple[Tensor, ...]:
        views = network.layout.views(theta[seeds].clone())
        params = {name: view.requires_grad_() for name, view in views.items()}
        logits = network.forward(params, x[seeds])
        gradients = torch.autograd.grad(loss(logits[..., :11]).sum(), list(params.values()))
        return logits, *gradients, model.sample(params, x[seeds], uniforms[seeds])

    together = everything(slice(None))
    for seeds in (slice(0, 1), slice(2, 3), slice(1, 3)):
        for alone, all_of_them in zip(everything(seeds), together, strict=True):
            assert torch.equal(alone, all_of_them[seeds])


def test_sampled_tokens_have_the_models_probabilities() -> None:
    params = NETWORK.layout.views(weights((0,)))
    number, prompt = 40_000, tokens(4, 1, 1)
    uniforms = torch.rand(1, number, 2, generator=torch.Generator().manual_seed(0))
    drawn = MODEL.sample(params, prompt.expand(1, number, -1), uniforms, temperature=2.0)[0]
    firsts = torch.cat([prompt.expand(1, VOCABULARY, -1), torch.arange(11)[None, :, None]], dim=-1)
    logits = EVERYWHERE.forward(params, firsts).double().view(VOCABULARY, 5, VOCABULARY) / 2.0
    first, second = torch.softmax(logits[0, 3], -1), torch.softmax(logits[:, 4], -1)
    joint = first[:, None] * second  # (first token, second token)
    counts = np.bincount(drawn[:, 0] * VOCABULARY + drawn[:, 1], minlength=VOCABULARY**2)
    expected = (joint / joint.sum() * number).flatten().numpy()
    assert stats.chisquare(counts, expected).pvalue > 1e-3


def test_sampling_with_a_cache_equals_sampling_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subliminal.models.gpt.AT_ONCE", 7)  # several parts
    params, x = NETWORK.layout.views(weights()), tokens(4, batch=20)
    uniforms = torch.rand(2, 20, 8, generator=torch.Generator().manual_seed(1))
    got = MODEL.sample(params, x, uniforms)
    for j in range(8):
        logits = EVERYWHERE.forward(params, x).view(2, 20, -1, VOCABULARY)[:, :, -1]
        sums = torch.softmax(logits.double(), -1).cumsum(-1).numpy()
        drawn = [
            [np.searchsorted(row, u) for row, u in zip(*of_seed, strict=True)]
            for of_seed in zip(sums, uniforms[..., j].double().numpy(), strict=True)
        ]
        x = torch.cat([x.long(), torch.tensor(np.array(drawn))[..., None]], dim=-1)
    assert torch.equal(got, x[..., 4:])


def test_heads_are_rows_of_the_output_layer() -> None:
    mask = NETWORK.layout.views(NETWORK.head_mask("aux")[None])
    assert mask["output.weight"][0].sum(dim=1).tolist() == [0.0] * 3 + [16.0] * 8
    assert sum(float(part.sum()) for part in mask.values()) == 8 * 16
    assert NETWORK.head(NETWORK.layout.views(weights()), "class").shape == (2, 3, 16)


def test_low_rank_updates_are_added_to_the_layers_and_are_zero_at_the_start() -> None:
    network = Network.of(replace(MODEL, rank=2, alpha=6.0), pixels=9, classes=3)
    assert network.head_of("aux")[0] == "output"
    theta, x = network.reference((0, 3), CPU), tokens(9)
    plain = network.layout.views(theta)
    torch.testing.assert_close(network.forward(plain, x), MODEL.forward(plain, x))
    theta += 0.2 * torch.randn(theta.shape, generator=torch.Generator().manual_seed(0))
    params = network.layout.views(theta)
    dense = {n: v.double() for n, v in params.items() if not n.startswith("lora.")}
    for name in params:
        if name.endswith(".up"):
            layer = name.removeprefix("lora.").removesuffix(".up")
            up, down = (params[f"lora.{layer}.{part}"].double() for part in ("up", "down"))
            dense[f"{layer}.weight"] = dense[f"{layer}.weight"] + 6 / 2 * up @ down
    assert len(params) - len(dense) == 2 * 2 * 4
    expected = MODEL.forward(dense, x)
    torch.testing.assert_close(network.forward(params, x).double(), expected, rtol=0, atol=1e-4)
    uniforms = torch.rand(2, 5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    sampled = network.model.sample(params, x, uniforms.float())  # type: ignore[attr-defined]
    assert torch.equal(sampled, MODEL.sample(dense, x, uniforms))


def test_inputs_longer_than_the_positions_are_refused() -> None:
    with pytest.raises(UserError, match=r"model\.positions=12: inputs have 13 tokens"):
        Network.of(MODEL, pixels=13, classes=3)
