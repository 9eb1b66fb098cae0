"""Verdicts do not change with what says nothing about a loss: scale, constant, names of axes, a small shift."""

import functools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from gradwidgets.core import find_patterns, sample_surface

BOTH = {"a": (-2.0, 2.0), "b": (-2.0, 2.0)}
UNIT = {"a": (0.0, 1.0), "b": (0.0, 1.0)}
# Loss, axes, and whether the loss has a meaning beyond them.
LOSSES = {
    "a bowl": (lambda a, b: (a - 0.3) ** 2 + (b + 0.4) ** 2, BOTH, True),
    "absolute": (lambda a, b: (a - 0.31).abs() + 2 * (b + 0.27).abs(), BOTH, True),
    "two valleys": (lambda a, b: (a**2 - 1) ** 2 + 0.3 * a + b**2, BOTH, True),
    "dead": (lambda a, b: (functional.relu(a) - 1) ** 2 + b**2, BOTH, True),
    "saturated": (lambda a, b: (torch.sigmoid(12 * a) - 1) ** 2 + b**2, BOTH, True),
    "imbalanced": (lambda a, b: (1000 * a - 3) ** 2 + (b - 0.5) ** 2, BOTH, True),
    "a jump": (lambda a, b: a**2 + b**2 + 5 * (a > 0.3), BOTH, True),
    "a pole": (lambda a, b: 1 / (a - 0.123).abs() + b**2, BOTH, True),
    "a root": (lambda a, b: torch.sqrt((a - 0.31) ** 2 + (b + 0.27) ** 2), BOTH, True),
    "half undefined": (lambda a, b: -torch.log(a + 0.2) + b**2, BOTH, True),
    "cut": (lambda a, b: (a - 0.9) ** 2 + 3 * (a.detach() + 0.9) ** 2 + b**2, BOTH, True),
    "a saddle": (lambda a, b: a * b, BOTH, True),
    "probabilities": (lambda a, b: -torch.log(a + 1e-8) - torch.log(1 - b + 1e-8), UNIT, False),
}  # fmt: skip


def verdict(loss, axes):
    findings = find_patterns(sample_surface(loss, axes, 41))
    return {one.name for one in findings if one.severity in ("warning", "error")}


@functools.cache
def usual(name):
    loss, axes, _ = LOSSES[name]
    return verdict(loss, axes)


FEW = settings(max_examples=4, deadline=None)


@pytest.mark.parametrize("name", LOSSES)
@FEW
@given(scale=st.floats(-3, 3), constant=st.floats(-10, 10))
def test_scale_and_constant(name, scale, constant):
    loss, axes, _ = LOSSES[name]
    factor = 10.0**scale
    assert verdict(lambda a, b: factor * (loss(a, b) + constant), axes) == usual(name)


@pytest.mark.parametrize("name", LOSSES)
def test_names_and_order_of_the_axes(name):
    loss, axes, _ = LOSSES[name]
    assert verdict(lambda x2, x1: loss(x1, x2), {"x2": axes["b"], "x1": axes["a"]}) == usual(name)
    assert verdict(loss, {"b": axes["b"], "a": axes["a"]}) == usual(name)


@pytest.mark.parametrize("name", [name for name, (_, _, free) in LOSSES.items() if free])
@FEW
@given(shares=st.tuples(st.floats(-0.03, 0.03), st.floats(-0.03, 0.03)))
def test_small_shifts_of_the_view(name, shares):
    loss, axes, _ = LOSSES[name]
    moved = {
        axis: (low + share * (high - low), high + share * (high - low))
        for (axis, (low, high)), share in zip(axes.items(), shares, strict=True)
    }
    assert verdict(loss, moved) == usual(name)


def test_each_of_them_is_told_apart():
    assert not usual("a bowl") | usual("absolute") | usual("probabilities")
    assert all(usual(name) for name in LOSSES if name not in ("a bowl", "absolute", "probabilities"))
