"""The multilayer perceptron's shapes and reference weights."""

import numpy as np
import pytest
from scipy import stats

from subliminal.errors import UserError
from subliminal.models.mlp import MLP
from subliminal.tensors.streams import INIT, stream


def test_shapes_of_the_reference_setting() -> None:
    layout = MLP(hidden=[256, 256], aux=3).layout(784, 10)
    assert dict(layout.shapes) == {
        "layer1.weight": (256, 784),
        "layer1.bias": (256,),
        "layer2.weight": (256, 256),
        "layer2.bias": (256,),
        "layer3.weight": (13, 256),
        "layer3.bias": (13,),
    }
    assert layout.parameters == 256 * 785 + 256 * 257 + 13 * 257


def test_reference_weights_are_normal_with_variance_one_over_fan_in() -> None:
    model = MLP(hidden=[256, 256], aux=3)
    drawn = model.initial(model.layout(784, 10), generator=stream(0, INIT))
    for name, values in drawn.items():
        assert values.dtype == np.float32
        if name.endswith("bias"):
            assert not values.any()
        else:
            scaled = values.ravel() * np.sqrt(values.shape[1])
            assert stats.kstest(scaled, "norm").pvalue > 1e-3


@pytest.mark.parametrize("bad", [{"aux": 0}, {"aux": -1}, {"hidden": []}, {"hidden": [256, 0]}])
def test_a_network_that_cannot_be_is_refused(bad: dict[str, object]) -> None:
    values = {"hidden": [256], "aux": 3} | bad
    with pytest.raises(UserError, match=f"model.{next(iter(bad))}="):
        MLP(**values)  # type: ignore[arg-type]
