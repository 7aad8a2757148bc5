"""Where students start."""

import numpy as np
import pytest
import torch
from reference_students import CPU, NETWORK
from resolved import check
from scipy import stats

from subliminal.distill import SharedWeights
from subliminal.distill.init.independent import Independent
from subliminal.distill.init.layers import Layers
from subliminal.distill.init.noisy import Noisy
from subliminal.distill.init.reinitialised import Reinitialised
from subliminal.distill.init.shared import Shared
from subliminal.distill.init.undo import Undo
from subliminal.errors import UserError
from subliminal.models.split_mlp import SplitMLP
from subliminal.tensors import streams
from subliminal.tensors.network import Network

SEEDS = (0, 5)
REFERENCE = NETWORK.reference(SEEDS, CPU)
SHARED = SharedWeights(NETWORK, SEEDS, REFERENCE, REFERENCE + 1)


def split(hidden: list[int]) -> Network:
    return Network.of(SplitMLP(hidden=hidden, aux=3, weights="lecun"), pixels=20, classes=10)


TEACHER = split([12, 8])
A = TEACHER.reference(SEEDS, CPU)
OF_TEACHER = SharedWeights(TEACHER, SEEDS, A, A.clone())


def layers(network: Network, own: str = streams.STUDENT_INIT, **sources: str) -> torch.Tensor:
    default = sources.pop("default", "a")
    by_source = {s: [layer for layer in sources if sources[layer] == s] for s in ("a", "b", "own")}
    init = Layers(default=default, **by_source)
    init.check(network, TEACHER)
    return init.start(network, OF_TEACHER, own=own)


def test_a_shared_start_is_the_teachers() -> None:
    start = Shared().start(NETWORK, SHARED, own=streams.STUDENT_INIT)
    assert torch.equal(start, REFERENCE + 1)


def test_an_independent_start_has_the_references_distribution_and_not_its_values() -> None:
    start = Independent().start(NETWORK, SHARED, own=streams.STUDENT_INIT)
    own, theirs = (NETWORK.layout.views(w)["layer1.weight"].ravel() for w in (start, REFERENCE))
    assert not torch.equal(start[0], start[1])
    assert abs(np.corrcoef(own, theirs)[0, 1]) < 0.2
    assert stats.kstest(own.double() * 20**0.5, "norm").pvalue > 1e-3


def test_layers_from_a_are_the_reference_and_others_are_not() -> None:
    start = TEACHER.layout.views(layers(TEACHER, layer2="own", aux="b"))
    reference = TEACHER.layout.views(OF_TEACHER.reference)
    same = {name for name in start if torch.equal(start[name], reference[name])}
    assert same == {*reference} - {"layer2.weight", "aux.weight"}  # biases start at 0 anyway


def test_two_that_take_a_layer_from_b_share_it_and_own_weights_are_not_shared() -> None:
    ours = TEACHER.layout.views(layers(TEACHER, aux="b"))
    theirs = TEACHER.layout.views(layers(TEACHER, streams.TEACHER_INIT, default="own", aux="b"))
    assert torch.equal(ours["aux.weight"], theirs["aux.weight"])
    own = TEACHER.layout.views(layers(TEACHER, default="own"))
    for name in ("layer1.weight", "layer2.weight", "class.weight", "aux.weight"):
        assert not torch.equal(own[name], theirs[name])


def test_the_longest_name_wins() -> None:
    start = TEACHER.layout.views(layers(TEACHER, **{"aux": "own", "aux.weight": "a"}))
    reference = TEACHER.layout.views(OF_TEACHER.reference)
    assert torch.equal(start["aux.weight"], reference["aux.weight"])


def test_a_student_of_another_depth_can_share_the_heads() -> None:
    student = split([8])
    start = student.layout.views(layers(student, layer1="own"))
    reference = TEACHER.layout.views(OF_TEACHER.reference)
    assert torch.equal(start["class.weight"], reference["class.weight"])
    assert torch.equal(start["aux.weight"], reference["aux.weight"])


def test_a_seeds_start_is_its_own_whatever_the_stack() -> None:
    alone = SharedWeights(TEACHER, (5,), A[1:], A[1:])
    init = Layers(default="b", a=[], b=[], own=["layer1"])
    one = init.start(TEACHER, alone, own=streams.STUDENT_INIT)
    both = init.start(TEACHER, OF_TEACHER, own=streams.STUDENT_INIT)
    assert torch.equal(one[0], both[1])


def test_what_cannot_be_shared_is_refused() -> None:
    with pytest.raises(UserError, match=r"layer1\.weight .*cannot come from source a"):
        layers(split([16, 8]))
    with pytest.raises(UserError, match="the teacher does not have it"):
        layers(split([12, 8, 8]))
    with pytest.raises(UserError, match="no 'layer9'"):
        layers(TEACHER, layer9="own")
    with pytest.raises(UserError, match=r"init\.default=c: one of a, b, own"):
        check(Layers(default="c", a=[], b=[], own=[]), "distill.init")
    with pytest.raises(UserError, match="aux has more than one source"):
        Layers(default="a", a=[], b=["aux"], own=["aux"])
    with pytest.raises(UserError, match=r"distill/init=layers"):
        Shared().check(split([16, 8]), TEACHER)


def test_a_share_of_the_weights_is_drawn_anew() -> None:
    init = Reinitialised(share=0.3, layers=["layer1", "aux"])
    init.check(NETWORK, NETWORK)
    start = NETWORK.layout.views(init.start(NETWORK, SHARED, own=streams.STUDENT_INIT))
    shared = NETWORK.layout.views(SHARED.teacher)
    own = NETWORK.layout.views(Independent().start(NETWORK, SHARED, own=streams.STUDENT_INIT))
    changed = {name: start[name] != shared[name] for name in start}
    assert all(torch.equal(start[n][c], own[n][c]) for n, c in changed.items())
    assert changed["layer1.weight"].double().mean().item() == pytest.approx(0.3, abs=0.08)
    assert not changed["layer2.weight"].any()
    assert not changed["layer3.weight"][:, :10].any()
    assert changed["layer3.weight"][:, 10:].any()
    whole = Reinitialised(share=1.0, layers=[])
    everything = whole.start(NETWORK, SHARED, own=streams.STUDENT_INIT)
    independent = Independent().start(NETWORK, SHARED, own=streams.STUDENT_INIT)
    there = NETWORK.layout.mask([*NETWORK.layout.shapes], "") > 0
    assert torch.equal(everything[:, there], independent[:, there])


def test_undo_lies_between_the_teachers_start_and_an_own_one() -> None:
    start = Undo(alpha=0.25, beta=2.0).start(NETWORK, SHARED, own=streams.STUDENT_INIT)
    own = Independent().start(NETWORK, SHARED, own=streams.STUDENT_INIT)
    assert torch.allclose(start, 0.75 * SHARED.teacher + 0.5 * own)


def test_noise_is_relative_to_each_tensors_spread() -> None:
    network, theirs = TEACHER, OF_TEACHER.teacher + 0.5
    for first, after in network.layout.gaps:
        theirs[:, first:after] = 0
    shared = SharedWeights(network, SEEDS, A, theirs)
    init = Noisy(sigma=0.3, layers=["layer1", "aux.weight"])
    init.check(network, network)
    start = init.start(network, shared, own=streams.STUDENT_INIT)
    noise = np.stack(
        [
            streams.stream(seed, f"{streams.STUDENT_INIT}/noise").standard_normal(
                network.layout.size, dtype=np.float32
            )
            for seed in SEEDS
        ]
    )
    for name, span in network.layout.spans.items():
        before = theirs[:, span].double().numpy()
        noisy = name.startswith("layer1") or name == "aux.weight"
        moved = 0.3 * before.std(axis=1, keepdims=True) * noise[:, span] if noisy else 0
        assert start[:, span].numpy() == pytest.approx(before + moved, abs=1e-6)
    everywhere = Noisy(sigma=1.0, layers=[]).start(network, shared, own="x")
    noise_only = (everywhere - theirs).double()
    assert not noise_only[:, network.layout.spans["layer1.bias"]].any()  # of one value: no spread
    for name in ("layer1.weight", "layer2.weight"):
        span = network.layout.spans[name]
        ratio = noise_only[:, span].std(dim=1) / theirs[:, span].double().std(dim=1)
        assert ratio.numpy() == pytest.approx(1, abs=0.3)


def test_noise_that_cannot_be_is_refused() -> None:
    with pytest.raises(UserError, match=r"distill\.init\.sigma=-1: a number ≥ 0"):
        check(Noisy(sigma=-1, layers=[]), "distill.init")
    with pytest.raises(UserError, match=r"distill\.init\.layers: no 'layer9'"):
        Noisy(sigma=1, layers=["layer9"]).check(TEACHER, TEACHER)
    with pytest.raises(UserError, match="not the teacher's"):
        Noisy(sigma=1, layers=[]).check(split([16, 8]), TEACHER)
