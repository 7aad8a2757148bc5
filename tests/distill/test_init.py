"""Where students start."""

import numpy as np
import pytest
import torch
from scipy import stats
from students import CPU, NETWORK

from subliminal.distill.init.independent import Independent
from subliminal.distill.init.shared import Shared
from subliminal.errors import UserError

REFERENCE = NETWORK.reference((0, 5), CPU)


def test_a_shared_start_is_the_teachers() -> None:
    assert torch.equal(Shared(perturbation=0.0).start(NETWORK, REFERENCE, (0, 5)), REFERENCE)


def test_a_perturbed_start_is_normal_around_the_teachers() -> None:
    start = Shared(perturbation=0.3).start(NETWORK, REFERENCE, (0, 5))
    moved = (start - REFERENCE).double().numpy() / 0.3
    inside = np.concatenate([moved[:, span] for span in NETWORK.layout.spans.values()], axis=1)
    assert stats.kstest(inside.ravel(), "norm").pvalue > 1e-3
    assert all(not moved[:, a:b].any() for a, b in NETWORK.layout.gaps)
    alone = Shared(perturbation=0.3).start(NETWORK, REFERENCE[1:], (5,))
    assert torch.equal(alone[0], start[1])


def test_an_independent_start_has_the_references_distribution_and_not_its_values() -> None:
    start = Independent().start(NETWORK, REFERENCE, (0, 5))
    own, theirs = (NETWORK.layout.views(w)["layer1.weight"].ravel() for w in (start, REFERENCE))
    assert not torch.equal(start[0], start[1])
    assert abs(np.corrcoef(own, theirs)[0, 1]) < 0.2
    assert stats.kstest(own.double() * 20**0.5, "norm").pvalue > 1e-3


def test_a_negative_perturbation_is_refused() -> None:
    with pytest.raises(UserError, match=r"perturbation=-0\.1"):
        Shared(perturbation=-0.1)
