"""Flat rows and the named tensors in them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from subliminal.tensors.layout import ALIGN, Layout

SHAPES = st.lists(
    st.lists(st.integers(1, 7), min_size=1, max_size=3).map(tuple), min_size=1, max_size=5
).map(lambda shapes: {f"p{i}": shape for i, shape in enumerate(shapes)})


@given(SHAPES, st.integers(1, 3))
def test_flatten_and_views_undo_each_other(shapes: dict[str, tuple[int, ...]], seeds: int) -> None:
    layout = Layout(shapes)
    parts = [torch.randn(seeds, *shape) for shape in shapes.values()]
    flat = layout.flatten(parts, like=torch.empty(seeds, layout.size))
    views = layout.views(flat)
    assert list(views) == list(shapes)
    for part, view in zip(parts, views.values(), strict=True):
        assert torch.equal(part, view)
    assert layout.parameters == sum(part[0].numel() for part in parts)
    covered = sum(span.stop - span.start for span in layout.spans.values())
    padding = sum(end - start for start, end in layout.gaps)
    assert covered + padding == layout.size
    assert all(not flat[:, start:end].any() for start, end in layout.gaps)


@given(SHAPES)
def test_every_tensor_starts_on_a_boundary(shapes: dict[str, tuple[int, ...]]) -> None:
    layout = Layout(shapes)
    assert layout.size % ALIGN == 0
    assert all(span.start % ALIGN == 0 for span in layout.spans.values())


def test_a_view_writes_to_the_row() -> None:
    layout = Layout({"w": (2, 3), "b": (2,)})
    flat = torch.zeros(1, layout.size)
    layout.views(flat)["b"][0, 1] = 5
    assert flat[0, ALIGN + 1] == 5


def test_what_a_loss_does_not_reach_counts_as_zero() -> None:
    layout = Layout({"w": (2,), "b": (2,)})
    flat = layout.flatten([torch.ones(1, 2), None], like=torch.full((1, layout.size), 7.0))
    assert flat[0].tolist() == pytest.approx([1, 1] + [0] * (layout.size - 2))
