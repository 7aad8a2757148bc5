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

Params = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class CausalLM:
    """A pre-trained model, the same for all seeds: what is trained of it lies in the flat rows.

    That is all of it, or low-rank updates of its linear layers, but for the output (Hu et al. 2021,
    arXiv 2106.09685): `lora.<layer>.down` is A (r, in), drawn N(0, 1/in), and `lora.<layer>.up` is
    B (out, r), 0 at the start. It computes in float32, without dropout, seed by seed. Its inputs
    and answers are as `GPT` has them, but for PAD where there is no token: such an answer has
    logits 0, whatever the weights.
    """

    source: str
    classes: list[str]
    prompt: Count
    rank: Annotated[int | None, Ge(1)]
    alpha: Positive[float]

    @property
    def aux(self) -> int:
        """Number of tokens that are no class."""
        return len(self._output.weight) - len(self.classes)

    @property
    def vocabulary(self) -> dict[str, int]:
        """Its tokenizer's tokens."""
        vocabulary: dict[str, int] = tokens.loaded("AutoTokenizer", self.source).get_vocab()
        return vocabulary

    @property
    def _module(self) -> Any:
        return _numbered(self.source, tuple(self.classes))

    @property
    def _output(self) -> Any:
        return self._module.get_output_embeddings()

    @property
    def _adapted(self) -> dict[str, Any]:
        """The layers with low-rank updates; Conv1D, which GPT-2 has, holds weights (in, out)."""
        named, kinds = self._module.named_modules(), ("Linear", "Conv1D")
        return {n: m for n, m in named if type(m).__name__ in kinds and m is not self._output}

    def layout(self, pixels: int, classes: int) -> Layout:
        """Return what is trained; raise a UserError when the model has too few positions."""
        positions = getattr(self._module.config, "max_position_embeddings", pixels)
        if pixels > positions:
            raise UserError(f"model.prompt: inputs have {pixels} tokens, of {positions} at most")
        if self.rank is None:
            return Layout({n: tuple(p.shape) for n, p in self._module.named_parameters()})
        shapes = {}
        for name, layer in self._adapted.items():
            sides = layer.weight.shape if isinstance(layer, nn.Linear) else layer.weight.T.shape
            shapes[f"lora.{name}.down"] = (self.rank, sides[1])
            shapes[f"lora.{name}.up"] = (sides[0], self.rank)
        return Layout(shapes)

    def initial(self, layout: Layout, *, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Return one seed's θ₀: the pre-trained parameters, or low-rank updates that are drawn."""
        if self.rank is not None:
            return heads.draw_updates(layout, generator=generator)
        return {n: p.detach().cpu().numpy() for n, p in self._module.named_parameters()}

    def forward(self, params: Params, x: Tensor) -> Tensor:
        """Map tokens (seeds, batch, T) to their answers' logits: (seeds, batch · answers, V)."""
        answers = max(1, x.shape[-1] - self.prompt + 1)
        each = zip(self._each(params), x, strict=True)
        logits = torch.stack([self._call(own, rows, answers).logits for own, rows in each])
        # Where the answer is no token; the last one is one, if the token before it is.
        void = torch.cat([x[..., x.shape[-1] - answers + 1 :], x[..., -1:]], dim=-1) < 0
        return logits.masked_fill(void[..., None], 0.0).flatten(1, 2)

    def activations(self, params: Params, x: Tensor) -> dict[str, Tensor]:
        """Map (seeds, batch, T) to what the output layer reads: (seeds, batch · answers, width)."""
        read: list[Tensor] = []
        with self._hooked(lambda h: read.append(h.flatten(0, 1))):
            self.forward(params, x)
        return {"features": torch.stack(read)}

    def onward(self, params: Params, layer: str, h: Tensor) -> Tensor:
        """Map what the output layer reads to logits."""
        rows, first = iter(h[:, None]), h.new_zeros(1, 1)  # what a first token leads to is replaced
        with self._hooked(lambda _: next(rows)):
            return torch.cat([self._call(own, first, 1).logits for own in self._each(params)])

    def _hooked(self, act: Callable[[Tensor], Any]) -> Any:
        """Call `act` with what the output layer reads; a tensor that it returns replaces it."""
        return self._output.register_forward_pre_hook(lambda _, inputs: act(inputs[0]))

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
            output = self._call(own, x, 1, past, use_cache=True)
            past = output.cache
            # On the host: a GPU's cumsum is not deterministic.
            sums = torch.softmax(output.logits[:, -1] / temperature, -1).cpu().double().cumsum(-1)
            drawn = torch.searchsorted(sums, uniform.cpu()[:, None] * sums[:, -1:], right=True)
            x = torch.cat([x, drawn.clamp(max=sums.shape[1] - 1).to(x)], dim=1)
        return x[:, given:]

    def _call(
        self, own: Params, x: Tensor, answers: int, past: Any = None, use_cache: bool = False
    ) -> Any:
        """Run the model on tokens (batch, T), of which `past` holds the first, if any."""
        there, module = x >= 0, self._module
        new = slice(0 if past is None else past.get_seq_length(), None)
        how = {
            "input_ids": x.clamp(min=0).long()[:, new],
            "attention_mask": there.long(),
            "position_ids": (there.cumsum(dim=-1) - 1).clamp(min=0)[:, new],
            "cache": past,
            "use_cache": use_cache,
            "logits_to_keep": answers,
        }
        if module.device != x.device:  # else `to` would keep tensors of a forward-mode derivative
            module.to(x.device)
        return functional_call(module, dict(own), (), how)

    def _each(self, params: Params) -> list[dict[str, Tensor]]:
        """Return each seed's parameters, low-rank updates added to their layers."""
        found = []
        for s in range(len(next(iter(params.values())))):
            own = {name: value[s] for name, value in params.items()}
            for name, layer in self._adapted.items() if self.rank else ():
                update = own.pop(f"lora.{name}.up") @ own.pop(f"lora.{name}.down")
                update = update if isinstance(layer, nn.Linear) else update.mT
                scaled = self.alpha / (self.rank or 1) * update
                own[f"{name}.weight"] = layer.weight.to(update.device) + scaled
            found.append(own)
        return found


@lru_cache(maxsize=2)
def _numbered(source: str, classes: tuple[str, ...]) -> Any:
    """Load a model, and number its tokens anew, so that classes come first."""
    module = tokens.loaded.__wrapped__("AutoModelForCausalLM", source)  # for itself alone
    embedding, output = module.get_input_embeddings(), module.get_output_embeddings()
    order = torch.from_numpy(tokens.order(source, classes)[0][: len(output.weight)])
    some = torch.arange(2 * len(classes)) % len(order)  # our numbers
    expected = module.eval().requires_grad_(False)(order[some][None]).logits[..., order]
    held = [embedding.weight, output.weight, getattr(output, "bias", None)]
    for values in {id(v): v for v in held if v is not None}.values():
        values.data = values.data[order]
    embedding.padding_idx = None
    if not torch.allclose(module(some[None]).logits, expected, atol=1e-4):
        raise UserError(f"model.source={source}: more than its embedding knows tokens by their ids")
    return module
