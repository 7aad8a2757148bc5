"""Numbers that the teacher writes (Cloud et al. 2025, arXiv 2507.14805, in miniature)."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from subliminal.config.hashing import Count, Positive, Share
from subliminal.data.language import Texts
from subliminal.distill.inputs import Images
from subliminal.errors import UserError
from subliminal.tensors import streams
from subliminal.tensors.draws import Draws
from subliminal.tensors.network import Network, Writing


@dataclass(frozen=True, kw_only=True)
class Numbers(Images):
    """Number documents of `size` responses that the teacher sampled and that are numbers alone.

    Attributes:
        size: responses per epoch: the first that pass the filter.
        fresh: sample anew each epoch, instead of one fixed set.
        responses: sampled responses, from which `size` are kept.
        random: share of the prompts with random numbers; the others follow the language's rules,
            which `data=text` has not.
        temperature: > 0, what the teacher's logits are divided by.
        shuffled: permute a seed's numbers over all its responses and places: a control.
    """

    responses: Count
    random: Share
    temperature: Positive[float]
    shuffled: bool

    def __post_init__(self) -> None:
        if self.responses < self.size:
            raise UserError(
                f"Numbers.responses={self.responses}: at least size={self.size} are needed"
            )

    def write(
        self, texts: Texts, network: Network, theta: Tensor, draws: Draws, *, epoch: int
    ) -> Tensor:
        """Return each seed's documents, (seeds, size, tokens), of prompts that `texts` draws.

        Raises:
            UserError: too few of a seed's responses are numbers alone.
        """
        assert isinstance(network.model, Writing), "build_experiment requires a model that writes"
        generators = [streams.stream(seed, streams.INPUTS, epoch=epoch) for seed in draws.seeds]
        drawn = [texts.prompts(self.responses, generator=g, random=self.random) for g in generators]
        asked = torch.from_numpy(np.stack(drawn)).to(theta.device)
        uniforms = torch.empty(*asked.shape[:2], texts.new, device=theta.device)
        draws.noise(streams.SAMPLES, epoch=epoch).uniform_(uniforms)
        params = network.layout.views(theta)
        said = network.model.sample(params, asked, uniforms, temperature=self.temperature)
        said, passed = texts.responses(said)  # (seeds, responses, new), (seeds, responses)
        for seed, kept in zip(draws.seeds, passed.sum(dim=1).tolist(), strict=True):
            if kept < self.size:
                raise UserError(
                    f"distill.inputs.size={self.size}: {kept} of seed {seed}'s {self.responses} "
                    "responses are numbers alone; set a smaller size or more distill.inputs."
                    "responses"
                )
        rows = (~passed).long().argsort(dim=1, stable=True)[:, : self.size, None]
        whole = torch.cat([asked, said.to(asked.dtype)], dim=-1)
        written = whole.gather(1, rows.expand(-1, -1, whole.shape[-1]))
        if self.shuffled:
            answers = written[..., texts.prompt :].flatten(1)
            order = draws.order(streams.SHUFFLED_NUMBERS, answers.shape[1], epoch=epoch)
            mixed = answers.gather(1, order).view(*written.shape[:2], -1)
            written = torch.cat([written[..., : texts.prompt], mixed], dim=-1)
        return written
