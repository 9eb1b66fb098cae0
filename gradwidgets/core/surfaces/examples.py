"""Example losses, each of which shows something that can be wrong."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Example:
    """A loss and where to look at it.

    Attributes:
        loss: The loss, or several to compare, by name.
        axes: Parameter name → (low, high), the horizontal one first.
        about: What it shows, in a sentence.
        fixed: Its other parameters.
        probes: Inputs worth a row in the table.
        ranges: Other parameter → (low, high), if the loss accepts only such values.
    """

    loss: Callable[..., Tensor] | Mapping[str, Callable[..., Tensor]]
    axes: dict[str, tuple[float, float]]
    about: str
    fixed: dict[str, object] = field(default_factory=dict)
    probes: dict[str, tuple[float, ...]] = field(default_factory=dict)
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)


def barrier(v: Tensor, strength: Tensor) -> Tensor:
    """strength·v²: its gradient 2·strength·v leads back to 0, and is 0 there."""
    return strength * v**2


def pair(a: Tensor, b: Tensor, margin: Tensor) -> Tensor:
    """(a − b)², constant beyond `margin`: the gradients for a and b are equal and opposite."""
    gap = a - b
    return torch.where(gap.abs() < margin, gap**2, margin**2 * torch.ones_like(gap))


def product(A: Tensor, B: Tensor) -> Tensor:
    """A·B: the gradient for A is B, so none where B is 0."""
    return A * B


def log_space(A: Tensor, B: Tensor) -> Tensor:
    """Sign(A·B)·(log|A| + log|B|): the gradient for A is ±1/A whatever B is, and there is none at 0."""
    return torch.sign(A * B) * (A.abs().log() + B.abs().log())


def hinge(score: Tensor, margin: Tensor) -> Tensor:
    """max(0, margin − score): it has no gradient beyond the margin."""
    return functional.relu(margin - score)


def saturated_bce(logit: Tensor, target: Tensor) -> Tensor:
    """BCE(σ(logit), target): from logit 37 on σ is 1 in float64, and log(1 − 1) is clamped."""
    return functional.binary_cross_entropy(torch.sigmoid(logit), target, reduction="none")


def root_where(x: Tensor, y: Tensor) -> Tensor:
    """√x where x > 0, else −x, plus y²: the branch that is not taken has no finite gradient."""
    return torch.where(x > 0, x.sqrt(), -x) + y**2


def safe_root_where(x: Tensor, y: Tensor) -> Tensor:
    """√x where x > 0, else −x, plus y², with a safe value under the root in the branch that is not taken."""
    positive = x > 0
    return torch.where(positive, torch.where(positive, x, torch.ones_like(x)).sqrt(), -x) + y**2


def double_well(a: Tensor, b: Tensor, tilt: Tensor) -> Tensor:
    """(a² − 1)² + tilt·a + b²: two valleys, one of them higher."""
    return (a**2 - 1) ** 2 + tilt * a + b**2


def imbalanced(a: Tensor, b: Tensor, ratio: Tensor) -> Tensor:
    """½(ratio·a² + b²): `ratio` times as steep along a as along b."""
    return (ratio * a**2 + b**2) / 2


EXAMPLES: dict[str, Example] = {
    "barrier": Example(
        barrier,
        {"v": (-1.0, 1.0)},
        "50·v²: loss 12.5 and gradient 50 at v = 0.5, neither at 0",
        {"strength": 50.0},
        {"at 0.5": (0.5,)},
    ),
    "pair": Example(
        pair,
        {"a": (-1.0, 1.0), "b": (-1.0, 1.0)},
        "two inputs pull each other with opposite gradients; dead at (0, 0), and flat beyond the margin",
        {"margin": 1.0},
        {"apart": (0.3, -0.3)},
    ),
    "product and log-space": Example(
        {"product": product, "log-space": log_space},
        {"A": (-2.0, 2.0), "B": (-2.0, 2.0)},
        "A·B has no gradient for A where B is 0; in log-space A gets 1/A whatever B is, at the cost of a pole at 0",
    ),
    "hinge": Example(
        hinge,
        {"score": (-2.0, 3.0)},
        "flat beyond the margin, and rightly so: that is its minimum",
        {"margin": 1.0},
    ),
    "saturated BCE": Example(
        saturated_bce,
        {"logit": (-10.0, 60.0)},
        "a wrong answer given with confidence gets no gradient; with logits it would",
        {"target": 0.0},
        ranges={"target": (0.0, 1.0)},
    ),
    "√ under where": Example(
        {"√ under where": root_where, "safe": safe_root_where},
        {"x": (-4.0, 4.0), "y": (-2.0, 2.0)},
        "torch.where hides the value of the branch not taken, but not its gradient",
    ),
    "unexpected minimum": Example(
        double_well,
        {"a": (-2.0, 2.0), "b": (-1.5, 1.5)},
        "a second valley, higher than the first",
        {"tilt": 0.3},
    ),
    "imbalanced 1000 : 1": Example(
        imbalanced,
        {"a": (-1.0, 1.0), "b": (-1.0, 1.0)},
        "no lr suits both",
        {"ratio": 1000.0},
    ),
}
