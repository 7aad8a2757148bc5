"""A small causal transformer over tokens, stacked over seeds, with sampling.

Its logits are those of the tokens that a document *answers* with, one row an answer, so that they
are an ordinary batch of logits to losses, probes and mitigations.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor
from torch.nn import functional as F

from subliminal.config.hashing import Count, Positive
from subliminal.errors import UserError
from subliminal.models import heads
from subliminal.tensors import documents
from subliminal.tensors.layout import Layout

EPS = 1e-6  # of the RMS norms
AT_ONCE = 512  # sequences of each seed that are sampled at once: a processor's cache holds them

Params = Mapping[str, Tensor]
Cache = dict[int, tuple[Tensor, Tensor]]  # block to the keys and values of the tokens so far


@dataclass(frozen=True, kw_only=True)
class GPT:
    """Tokens and learnt positions → pre-norm blocks → RMS norm → a linear map to the vocabulary.

    A block is causal attention, then two linear layers with GELU (4 · width values between them),
    each on RMS-normed vectors (Zhang and Sennrich 2019, arXiv 1910.07467) and added to its input.
    Linear layers have no biases. Tokens 0 … classes − 1 are the class logits, the rest of the
    vocabulary the auxiliary ones.

    An input (seeds, batch, T) holds token numbers, of any type. It has one answer, the token after
    its last, while T ≤ `prompt`; of a longer one, the answers are all tokens after the first
    `prompt`, and the one after its last: max(1, T − prompt + 1) in all. The rows of a batch are the
    answers of its first input, then those of the second, and so on.

    Attributes:
        width: of the vectors that blocks add to, a multiple of `attention`.
        depth: number of blocks.
        attention: heads of each block.
        positions: tokens of the longest input.
        prompt: tokens of an input before its first answer.
        aux: number m ≥ 1 of tokens that are no class.
        rank: r ≥ 1 of low-rank updates of the blocks' linear layers (Hu et al. 2021, arXiv
            2106.09685): W + (α / r) · B A, where `lora.<layer>.down` is A (r, in), N(0, 1/in), and
            `lora.<layer>.up` is B (out, r), 0 at the start; null: none.
        alpha: α > 0.
    """

    width: Count
    depth: Count
    attention: Count
    positions: Count
    prompt: Count
    aux: Count
    rank: Annotated[int | None, Ge(1)] = None
    alpha: Positive[float] = 4.0

    def __post_init__(self) -> None:
        if self.width % self.attention:
            raise UserError(
                f"model.width={self.width}: a multiple of model.attention={self.attention} is "
                "needed"
            )

    def layout(self, pixels: int, classes: int) -> Layout:
        """Return the weights, each (out, in), and the norms' gains, for inputs of `pixels` tokens.

        Raises:
            UserError: the inputs are longer than the model's positions.
        """
        if pixels > self.positions:
            raise UserError(
                f"model.positions={self.positions}: inputs have {pixels} tokens, so at least that "
                "many are needed"
            )
        width, vocabulary = self.width, classes + self.aux
        shapes: dict[str, tuple[int, ...]] = {
            "embedding.weight": (vocabulary, width),
            "positions.weight": (self.positions, width),
        }
        for i in range(1, self.depth + 1):
            shapes |= {
                f"block{i}.norm1.weight": (width,),
                f"block{i}.qkv.weight": (3 * width, width),
                f"block{i}.mixed.weight": (width, width),
                f"block{i}.norm2.weight": (width,),
                f"block{i}.up.weight": (4 * width, width),
                f"block{i}.down.weight": (width, 4 * width),
            }
        shapes |= {"norm.weight": (width,), "output.weight": (vocabulary, width)}
        for layer in self._adapted:
            out, fan_in = shapes[f"{layer}.weight"]
            shapes[f"lora.{layer}.down"] = (self.rank or 0, fan_in)
            shapes[f"lora.{layer}.up"] = (out, self.rank or 0)
        return Layout(shapes)

    @property
    def _adapted(self) -> list[str]:
        """The layers with low-rank updates."""
        blocks = range(1, self.depth + 1) if self.rank else ()
        return [f"block{i}.{part}" for i in blocks for part in ("qkv", "mixed", "up", "down")]

    def initial(self, layout: Layout, *, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw one seed's weights θ₀, float32: N(0, 1/in) for weights (out, in), gains 1."""
        plain = {n: shape for n, shape in layout.shapes.items() if n.endswith(".weight")}
        drawn = heads.draw(Layout(plain), "lecun", generator=generator)
        drawn = {n: np.ones_like(v) if v.ndim == 1 else v for n, v in drawn.items()}
        return drawn | heads.draw_updates(layout, generator=generator)

    def answers(self, tokens: int) -> int:
        """Return how many answers an input of that many tokens has."""
        return max(1, tokens - self.prompt + 1)

    def activations(self, params: Params, x: Tensor) -> dict[str, Tensor]:
        """Map (seeds, batch, T) to the blocks' outputs and the final norm's.

        All but the last block's are (seeds, batch, T · width). Answers alone are computed in the
        last block: (seeds, batch · answers, width).
        """
        params = self._merged(params)
        seeds, batch, tokens = x.shape
        outputs: dict[str, Tensor] = {}
        h = self._embedded(params, x)
        for i in range(1, self.depth + 1):
            last = i == self.depth
            h = self._block(params, i, h, tokens, self.answers(tokens) if last else tokens, None)
            outputs[f"block{i}"] = h if last else h.view(seeds, batch, -1)
        outputs["norm"] = self._norm(params, "norm", h)
        return outputs

    def onward(self, params: Params, layer: str, h: Tensor) -> Tensor:
        """Map a hidden layer's output to the logits that it leads to."""
        params = self._merged(params)
        if layer == "norm":
            return _linear(params, "output", h)
        first = int(layer.removeprefix("block")) + 1
        tokens = h.shape[-1] // self.width
        h = h.reshape(len(h), -1, self.width)
        if first <= self.depth:
            h = self._blocks(params, h, tokens, self.answers(tokens), first=first)
        return self._readout(params, h)

    def forward(self, params: Params, x: Tensor) -> Tensor:
        """Map tokens (seeds, batch, T) to their answers' logits: (seeds, batch · answers, V)."""
        params = self._merged(params)
        return torch.cat([self._answered(params, part) for part in documents.parts(x)], dim=1)

    def _answered(self, params: Params, x: Tensor) -> Tensor:
        tokens = x.shape[-1]
        h = self._blocks(params, self._embedded(params, x), tokens, self.answers(tokens))
        return self._readout(params, h)

    @torch.no_grad()
    def sample(
        self, params: Params, prompts: Tensor, uniforms: Tensor, *, temperature: float = 1.0
    ) -> Tensor:
        """Continue prompts (seeds, n, T) by `new` tokens each: (seeds, n, new), int64.

        Args:
            params: of each seed.
            prompts: token numbers.
            uniforms: (seeds, n, new), random numbers of U[0, 1): a token is the first whose
                cumulative probability exceeds its number.
            temperature: > 0, what logits are divided by.
        """
        params = self._merged(params)
        parts = (torch.split(table, AT_ONCE, dim=1) for table in (prompts, uniforms))
        drawn = [self._sampled(params, x, u, temperature) for x, u in zip(*parts, strict=True)]
        return torch.cat(drawn, dim=1)

    def _sampled(self, params: Params, x: Tensor, uniforms: Tensor, temperature: float) -> Tensor:
        cache: Cache = {}
        start, drawn = 0, []
        for uniform in uniforms.unbind(dim=-1):  # (seeds, n)
            tokens = x.shape[-1]  # the whole prompt at first, then the newest token
            h = self._embedded(params, x, start)
            h = self._blocks(params, h, tokens, 1, cache=cache)
            chances = torch.softmax(self._readout(params, h) / temperature, dim=-1)  # (seeds, n, V)
            # By a product with ones above the diagonal: a GPU's cumsum is not deterministic.
            ones = chances.new_ones(len(chances), chances.shape[-1], chances.shape[-1])
            sums = torch.bmm(chances, ones.triu())  # cumulative probabilities
            passed = sums <= uniform[..., None] * sums[..., -1:]
            start, x = start + tokens, passed[..., :-1].sum(dim=-1, keepdim=True)
            drawn.append(x)
        return torch.cat(drawn, dim=-1)

    def _merged(self, params: Params) -> Params:
        """Return the parameters with low-rank updates added to their layers."""
        merged = dict(params)
        for layer in self._adapted:
            update = torch.bmm(params[f"lora.{layer}.up"], params[f"lora.{layer}.down"])
            name = f"{layer}.weight"
            merged[name] = params[name] + self.alpha / (self.rank or 1) * update
        return merged

    def _embedded(self, params: Params, x: Tensor, start: int = 0) -> Tensor:
        """Map tokens (seeds, batch, T), from position `start` on, to (seeds, batch · T, width)."""
        weight = params["embedding.weight"]
        seeds, vocabulary, width = weight.shape
        rows = x.long() + vocabulary * torch.arange(seeds, device=x.device)[:, None, None]
        # One table of all seeds' tokens: (seeds · V, width). Its gradient is deterministic.
        h = F.embedding(rows, weight.reshape(-1, width))  # (seeds, batch, T, width)
        h = h + params["positions.weight"][:, None, start : start + x.shape[-1]]
        return h.view(seeds, -1, width)

    def _blocks(
        self,
        params: Params,
        h: Tensor,
        tokens: int,
        answers: int,
        *,
        first: int = 1,
        cache: Cache | None = None,
    ) -> Tensor:
        """Apply blocks from the `first` on; of the last, the last `answers` positions alone."""
        for i in range(first, self.depth):
            h = self._block(params, i, h, tokens, tokens, cache)
        return self._block(params, self.depth, h, tokens, answers, cache)

    def _block(
        self, params: Params, i: int, h: Tensor, tokens: int, answers: int, cache: Cache | None
    ) -> Tensor:
        """Map h (seeds, batch · tokens, width) to its answers: (seeds, batch · answers, width)."""
        seeds, each = len(h), self.width // self.attention
        qkv = _linear(params, f"block{i}.qkv", self._norm(params, f"block{i}.norm1", h))
        split = qkv.view(-1, tokens, 3, self.attention, each).permute(2, 0, 3, 1, 4)
        # Each (seeds · batch · heads, tokens, width / heads).
        q, k, v = split.reshape(3, -1, tokens, each).unbind(dim=0)
        if cache is not None:
            if i in cache:
                k, v = (torch.cat(pair, dim=1) for pair in zip(cache[i], (k, v), strict=True))
            cache[i] = k, v
        mixed = _attention(q[:, tokens - answers :], k, v)
        mixed = mixed.view(-1, self.attention, answers, each).transpose(1, 2)
        h = h.view(seeds, -1, tokens, self.width)[:, :, tokens - answers :]
        h = torch.baddbmm(
            h.reshape(seeds, -1, self.width),
            mixed.reshape(seeds, -1, self.width),
            params[f"block{i}.mixed.weight"].mT,
        )
        up = F.gelu(_linear(params, f"block{i}.up", self._norm(params, f"block{i}.norm2", h)))
        return torch.baddbmm(h, up, params[f"block{i}.down.weight"].mT)

    def _readout(self, params: Params, h: Tensor) -> Tensor:
        return _linear(params, "output", self._norm(params, "norm", h))

    def _norm(self, params: Params, layer: str, h: Tensor) -> Tensor:
        return F.rms_norm(h, (self.width,), eps=EPS) * params[f"{layer}.weight"][:, None]


def _linear(params: Params, layer: str, h: Tensor) -> Tensor:
    """Apply a linear layer of each seed: (seeds, rows, in) -> (seeds, rows, out)."""
    return torch.bmm(h, params[f"{layer}.weight"].mT)


def _attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Causal attention of the last positions: q (n, queries, d), k and v (n, tokens, d)."""
    queries, tokens = q.shape[1], k.shape[1]
    later = torch.full((queries, tokens), float("-inf"), dtype=q.dtype, device=q.device)
    later = later.triu(tokens - queries + 1)
    scores = torch.baddbmm(later, q, k.mT, alpha=q.shape[-1] ** -0.5)  # (n, queries, tokens)
    # Written out: over so few tokens, torch's softmax and its own attention take twice the time of
    # all the rest, and the latter has no deterministic gradient on a GPU.
    weights = torch.exp(scores - scores.detach().amax(dim=-1, keepdim=True))
    return torch.bmm(weights / weights.sum(dim=-1, keepdim=True), v)
