"""Other papers' systems, and extensions of our own, whose experiments are sweeps here."""

from dataclasses import dataclass
from pathlib import Path

from subliminal.config.resources import SWEEPS


@dataclass(frozen=True)
class System:
    """Published work, repeated by sweeps here."""

    title: str
    source: str
    claim: str
    sweeps: str  # pattern below `sweeps/`

    def has(self, file: Path) -> bool:
        """Tell whether a sweep's file belongs to this system."""
        return file.relative_to(SWEEPS).match(self.sweeps)


SYSTEMS = (
    System(
        "Learning Through Noise",
        "Brockers et al. 2026, [arXiv 2605.23645](https://arxiv.org/abs/2605.23645)",
        "Shared initial weights are not needed, compatible output heads are: a student whose "
        "hidden layers are random, or of another shape, learns its teacher's digits from noise if "
        "it shares the auxiliary head, and classifies them if it shares the class head too.",
        "noise2026/*.yaml",
    ),
    System(
        "Liminal training",
        "Yanagisawa et al., ResponsibleFM workshop at NeurIPS 2025",
        "A KL penalty to the initial model, strong early and fading, lowers what is acquired "
        "subliminally; the schedule matters.",
        "yanagisawa2025.yaml",
    ),
    System(
        "Steering-vector distillation",
        "Blank et al. 2026, [arXiv 2606.00995](https://arxiv.org/abs/2606.00995)",
        "What is transferred is a steering vector, and adaptive optimizers let its small, "
        "consistent gradient component win.",
        "blank2026/*.yaml",
    ),
    System(
        "Swapped logit distillation",
        "Limantoro et al. 2025, [arXiv 2504.20108](https://arxiv.org/abs/2504.20108)",
        "Where the largest logit is not the label's, swapping the two makes a better teacher. Does "
        "it change what is carried on auxiliary logits?",
        "limantoro2025/*.yaml",
    ),
    System(
        "Extensions",
        "This repository, one file each, as [extending.md](extending.md) shows",
        "Pulling the student's kernel to its teacher's speeds acquisition up, pushing it away "
        "slows it down; standardised logits carry as much as plain ones; a low-rank student learns "
        "too.",
        "extensions/*.yaml",
    ),
    System(
        "Replications",
        "Numbers that others published of the reference setting and near it; each sweep's file has "
        "them",
        "A mean that was published with its 95% interval `holds` where the 95% interval of the "
        "difference to ours includes 0; a single number, where it lies in the spread of our seeds.",
        "replications/*.yaml",
    ),
    System(
        "Open questions",
        "What these replications leave open; a sweep and its dose-response each",
        "Which inputs, which network and how much training let most of the trait through?",
        "questions/*.yaml",
    ),
)
