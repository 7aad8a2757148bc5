"""A causal language model of the transformers package, whole or by low-rank updates."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor, nn
from torch.func import functional_call

from subliminal.config.hashing import Count, Positive
from subliminal.errors import UserError
from subliminal.models import heads
from subliminal.tensors import tokens
from subliminal.tensors.layout import Layout

AT_ONCE = 256  # responses of each seed that are sampled at once
FEATURES = "features"  # the hidden layer: what the output layer reads

Params = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class CausalLM:
    """A pre-trained model, the same for all seeds: what is trained of it lies in the flat rows.

    That is all of it, or low-rank updates of its linear layers, but for the output (Hu et al. 2021,
    arXiv 2106.09685): `lora.<layer>.down` is A (r, in), drawn N(0, 1/in), and `lora.<layer>.up` is
    B (out, r), 0 at the start, so that θ₀ is the pre-trained model. It computes in float32, without
    dropout, one seed after another.

    An input (seeds, batch, T) holds token numbers, of which the classes' come first, and PAD where
    there is no token (`subliminal.tensors.tokens`). It has one answer, the token after its last,
    while T ≤ `prompt`; of a longer one, the answers are all tokens after the first `prompt`, and
    the one after its last. Where an answer is no token its logits are 0, whatever the weights.

    Attributes:
        source: folder or name on the hub. What it contains is no part of a condition's name.
        classes: texts of the tokens that are the class logits.
        prompt: tokens of an input before its first answer.
        rank: r ≥ 1 of the low-rank updates; null: all parameters are trained.
        alpha: α > 0, the updates' scale is α / r.
    """

    source: str
    classes: list[str]
    prompt: Count
    rank: Annotated[int | None, Ge(1)]
    alpha: Positive[float]

    @property
    def aux(self) -> int:
        """Number of tokens that are no class."""
        return len(self._module.get_output_embeddings().weight) - len(self.classes)

    @property
    def _module(self) -> Any:
        return _numbered(self.source, tuple(self.classes))

    @property
    def _adapted(self) -> dict[str, Any]:
        """The layers with low-rank updates; a Conv1D, which GPT-2 has, has weights (in, out)."""
        output = self._module.get_output_embeddings()
        return {
            name: layer
            for name, layer in self._module.named_modules()
            if type(layer).__name__ in ("Linear", "Conv1D") and layer is not output
        }

    def layout(self, pixels: int, classes: int) -> Layout:
        """Return what is trained.

        Raises:
            UserError: the model has fewer positions than `pixels`.
        """
        positions = getattr(self._module.config, "max_position_embeddings", pixels)
        if pixels > positions:
            raise UserError(
                f"model.prompt={self.prompt}: inputs have {pixels} tokens, and {self.source} has "
                f"{positions} positions"
            )
        if self.rank is None:
            return Layout({n: tuple(p.shape) for n, p in self._module.named_parameters()})
        shapes: dict[str, tuple[int, ...]] = {}
        for name, layer in self._adapted.items():
            sides = layer.weight.shape
            out, fan_in = sides if isinstance(layer, nn.Linear) else reversed(sides)
            shapes[f"lora.{name}.down"] = (self.rank, fan_in)
            shapes[f"lora.{name}.up"] = (out, self.rank)
        return Layout(shapes)

    def initial(self, layout: Layout, *, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Return one seed's θ₀: the pre-trained parameters, or low-rank updates that are drawn."""
        if self.rank is not None:
            return heads.draw_updates(layout, generator=generator)
        return {n: p.detach().cpu().numpy() for n, p in self._module.named_parameters()}

    def forward(self, params: Params, x: Tensor) -> Tensor:
        """Map tokens (seeds, batch, T) to their answers' logits: (seeds, batch · answers, V)."""
        found = [self._answered(own, rows) for own, rows in zip(self._each(params), x, strict=True)]
        return torch.stack(found)

    def activations(self, params: Params, x: Tensor) -> dict[str, Tensor]:
        """Map (seeds, batch, T) to what the output layer reads: (seeds, batch · answers, width)."""
        read: list[Tensor] = []

        def keep(h: Tensor) -> None:
            read.append(h.flatten(0, 1))

        with self._hooked(keep):
            self.forward(params, x)
        return {FEATURES: torch.stack(read)}

    def onward(self, params: Params, layer: str, h: Tensor) -> Tensor:
        """Map what the output layer reads to logits."""
        rows = iter(h[:, None])
        with self._hooked(lambda _: next(rows)):  # in place of what a first token leads to
            found = [self._call(own, h.new_zeros(1, 1), 1).logits[0] for own in self._each(params)]
        return torch.stack(found)

    @torch.no_grad()
    def sample(
        self, params: Params, prompts: Tensor, uniforms: Tensor, *, temperature: float
    ) -> Tensor:
        """Continue prompts (seeds, n, T) by `new` tokens each, as `GPT.sample` does, int64."""
        found = []
        for own, asked, numbers in zip(self._each(params), prompts, uniforms, strict=True):
            parts = zip(asked.split(AT_ONCE), numbers.split(AT_ONCE), strict=True)
            found.append(torch.cat([self._sampled(own, x, u, temperature) for x, u in parts]))
        return torch.stack(found)

    def _sampled(self, own: Params, x: Tensor, uniforms: Tensor, temperature: float) -> Tensor:
        given, past = x.shape[1], None
        for uniform in uniforms.unbind(dim=-1):  # (n,)
            output = self._call(own, x, 1, past=past, use_cache=True)
            past = output.cache
            # On the host: a GPU's cumsum is not deterministic.
            chances = torch.softmax(output.logits[:, -1] / temperature, dim=-1).cpu().double()
            sums = chances.cumsum(dim=-1)
            drawn = torch.searchsorted(sums, uniform.cpu()[:, None] * sums[:, -1:], right=True)
            drawn = drawn.clamp(max=sums.shape[-1] - 1).to(x.device)
            x = torch.cat([x, drawn.to(x.dtype)], dim=1)
        return x[:, given:].long()

    def _answered(self, own: Params, x: Tensor) -> Tensor:
        answers = max(1, x.shape[-1] - self.prompt + 1)
        logits: Tensor = self._call(own, x, answers).logits
        following = torch.cat([x[:, x.shape[-1] - answers + 1 :], x[:, -1:]], dim=1)
        # (batch, answers, V); the answer after a last token counts as one.
        return logits.masked_fill(following[..., None] < 0, 0.0).flatten(0, 1)

    def _call(self, own: Params, x: Tensor, answers: int, past: Any = None, **how: Any) -> Any:
        """Run the model on tokens (batch, T), of which `past` holds the first, if any."""
        there = x >= 0
        done = 0 if past is None else past.get_seq_length()
        values = {
            "input_ids": x.clamp(min=0).long()[:, done:],
            "attention_mask": there.long(),
            "position_ids": (there.cumsum(dim=-1) - 1).clamp(min=0)[:, done:],
            "cache": past,
            "logits_to_keep": answers,
            "use_cache": False,
        }
        module = self._module
        if module.device != x.device:  # else `to` would keep tensors of a forward-mode derivative
            module.to(x.device)
        return functional_call(module, dict(own), (), values | how)

    def _each(self, params: Params) -> list[dict[str, Tensor]]:
        """Return each seed's parameters, low-rank updates added to their layers."""
        seeds = len(next(iter(params.values())))
        if self.rank is None:
            return [{name: value[s] for name, value in params.items()} for s in range(seeds)]
        found: list[dict[str, Tensor]] = [{} for _ in range(seeds)]
        for name, layer in self._adapted.items():
            for s, own in enumerate(found):
                update = params[f"lora.{name}.up"][s] @ params[f"lora.{name}.down"][s]
                update = update if isinstance(layer, nn.Linear) else update.mT
                weight = layer.weight.to(update.device)
                own[f"{name}.weight"] = weight + self.alpha / self.rank * update
        return found

    def _hooked(self, act: Callable[[Tensor], Tensor | None]) -> Any:
        """Call `act` with what the output layer reads; a tensor that it returns replaces it."""
        output = self._module.get_output_embeddings()
        return output.register_forward_pre_hook(lambda _, inputs: act(inputs[0]))


@lru_cache(maxsize=2)
def _numbered(source: str, classes: tuple[str, ...]) -> Any:
    """Load a model, and renumber its tokens: its own number of token i is `order(…)[i]`.

    Raises:
        UserError: it cannot be loaded, or cannot be renumbered.
    """
    module = tokens.loaded("AutoModelForCausalLM", source).eval().requires_grad_(False)
    embedding, output = module.get_input_embeddings(), module.get_output_embeddings()
    order = torch.from_numpy(tokens.order(source, classes, len(output.weight)))
    some = torch.arange(2 * len(classes)) % len(order)  # token numbers
    expected = module(order[some][None]).logits[..., order]
    held = (embedding.weight, output.weight, getattr(output, "bias", None))
    for values in {id(held): held for held in held if held is not None}.values():
        values.data = values.data[order]
    embedding.padding_idx = None
    if not torch.allclose(module(some[None]).logits, expected, atol=1e-4):
        raise UserError(
            f"model.source={source}: its tokens cannot be numbered anew, for more than its "
            "embedding and its output layer knows their ids"
        )
    return module
