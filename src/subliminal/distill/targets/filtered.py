"""No target for the images with the highest, or the lowest, scores."""

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from subliminal.config.hashing import NotNegative, OneOf, Share
from subliminal.distill import SCORES
from subliminal.distill.targets import Given, Targets


@dataclass(frozen=True, kw_only=True)
class Filtered(Targets):
    """The teacher's logits, but no target for a share of the images, chosen by a score at θ₀.

    Scores of image i, with z the targets' and z₀ the student's logits at θ₀:

    - distance: ‖z_i − z₀_i‖ over the auxiliary logits;
    - loss: ℓ_i(θ₀), the distillation loss;
    - norm: ‖∇θ ℓ_i‖ at θ₀, over all parameters, which costs a gradient of each image;
    - product: ⟨∇θ ℓ_i, g_T⟩ at θ₀, g_T the trait gradient on all training digits: the aware track;
    - random: drawn for each run, the sham of the others at the same `drop`.

    There are as many updates as without; a dropped image counts in its batch's mean as 0.

    Attributes:
        score: distance | loss | norm | product | random.
        drop: share of the images, in [0, 1], that is dropped; a batch must be left.
        end: highest | lowest: which images are dropped.
        draw: number of the random choice, for several of one seed.
    """

    score: Annotated[str, OneOf((*SCORES, "random"))]
    drop: Share
    end: Annotated[str, OneOf(("highest", "lowest"))]
    draw: NotNegative[int] = 0

    @property
    def needs_gradient(self) -> bool:
        return self.score == "product"

    @property
    def masks(self) -> bool:
        return True

    @property
    def choice(self) -> str:
        return f"{super().choice}/{self.draw}" if self.draw else super().choice

    @property
    def kept(self) -> float:
        return 1 - self.drop

    def __call__(self, given: Given) -> Tensor:
        scores = None if self.score == "random" else given.score(self.score)
        dropped = given.lowest(self.drop, scores, sign=-1 if self.end == "highest" else 1)
        return torch.where(dropped, torch.nan, given.logits)
