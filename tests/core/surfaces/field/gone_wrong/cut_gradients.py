"""A gradient that is not the loss's."""

import torch
from torch.nn import functional as F

from tests.core.surfaces.field.case import Case, one_of


class Spike(torch.autograd.Function):
    """A step whose backward is a sigmoid's, by a formula that overflows."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        small = torch.exp(-25 * x)
        return gradient * 25 * small / (small + 1) ** 2


class DropsWhatComesFromAbove(torch.autograd.Function):
    """x / sqrt(1 + x²) for a negative x, else x; its backward returns the slope alone."""

    @staticmethod
    def forward(ctx, x):
        shrink = (1 + torch.clamp(x, max=0) ** 2) ** -0.5
        ctx.save_for_backward(shrink)
        return shrink * x

    @staticmethod
    def backward(ctx, from_above):
        return ctx.saved_tensors[0] ** 3


class Reversed(torch.autograd.Function):
    """x itself, with its gradient turned round."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, from_above):
        return -from_above


SINGLE = torch.ones(1)  # float32 whatever the loss computes in


def backward_that_drops(x):
    return (SINGLE * DropsWhatComesFromAbove.apply(x)).square().sum()


def rounded_straight_through(x, y):
    level = x + (torch.round(x) - x).detach()
    return (level - 0.3) ** 2 + (y - 0.2) ** 2


def circle_with_detached_weights(positive, negative):
    up, down = F.relu(1.25 - positive).detach(), F.relu(negative + 0.25).detach()
    return F.softplus(4 * (down * (negative - 0.25) - up * (positive - 0.75)))


CUT = (
    Case(
        "backward beside float32 data",
        "pytorch/pytorch#4355",
        backward_that_drops,
        {"x": (-2.0, 2.0)},
        "the backward ignores what comes from above; that the closure's tensor is float32 hides nothing",
        (one_of("gradient_mismatch"),),
        ("gradient",),
    ),
    Case(
        "gradient turned round",
        "a reversal layer left in front of the loss",
        lambda x: (Reversed.apply(x) - 0.5) ** 2,
        {"x": (-2.0, 2.0)},
        "the gradient is the loss's with the other sign",
        (one_of("gradient_mismatch"),),
        ("backward|custom|autograd",),
    ),
    Case(
        "rounded straight through",
        "moskomule/dda#2",
        rounded_straight_through,
        {"x": (-2.0, 2.0), "y": (-2.0, 2.0)},
        "the loss goes in steps along x and its gradient does not: an estimate by intention, which must be said",
        (one_of("gradient_mismatch", "jump"),),
        ("detach|straight",),
    ),
    Case(
        "a spike with a steep surrogate",
        "jeshraghian/snntorch#433",
        lambda u: (Spike.apply(u) - 1) ** 2 + 0.01 * u**2,
        {"u": (-6.0, 4.0)},
        "a backward of its own, a step, and NaN of it in float32 left of −3.4: three faults",
        (one_of("gradient_mismatch"), one_of("precision"), one_of("jump")),
        ("spike has a backward of its own", "float32", "−3.39|−3.4"),
    ),
    Case(
        "a gate with a steep surrogate",
        "the same of another slope, over two axes",
        lambda u, w: (w * Spike.apply(2 * u) - 1) ** 2 + 0.01 * (u**2 + w**2),
        {"u": (-4.0, 3.0), "w": (0.5, 2.0)},
        "a backward of its own, and NaN of it in float32 left of −1.7",
        (one_of("gradient_mismatch"), one_of("precision")),
        ("spike has a backward of its own", "float32"),
    ),
)
